"""Checks of ERP-born entities: ERP -> Procore."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import TypeVar

from include.financials.entities import ENTITIES
from include.financials.entities.directory import Vendor
from include.financials.entities.jobs import Project
from include.financials.entity import Entity
from include.financials.existence import contracts_of, out_of_sight
from include.financials.identity import content, differing, parse_origin
from include.financials.judging import astray
from include.financials.judging.alone import Alone
from include.financials.judging.changes import agreed_there
from include.financials.judging.check import Judge
from include.financials.judging.matching import ErpSource
from include.financials.judging.memory import procore_row, stopped
from include.financials.judging.rules import Verdict, verdicts
from include.financials.judging.spool import Spool, of_judged, of_remembered
from include.financials.judging.subject import Subject, by_settings
from include.financials.ledger import Judged, Link, LinkIndex
from include.financials.ledger.room import chunked
from include.financials.port import CALLED, SINCE, UNSEEN, Invalid, Page
from include.financials.reading.chosen import in_window
from include.financials.reading.extract import answered
from include.financials.record import PROJECTS, SUB_JOBS, Record
from include.financials.statuses import CLOSED, ENDED_IN_PROCORE, VOID
from include.financials.view import COMPANY_LEVEL, MARKS, Sync

R = TypeVar("R", Record, Invalid)


class ErpBorn(Alone):
    """One shard of an entity that the ERP owns."""

    def __init__(self, sync: Sync, row: Entity, shard: int) -> None:
        super().__init__(sync, row, shard)
        self._asked: set[str] = set()
        self._raw: dict[str, Record] = {}
        """Procore's records, by id, that name what cannot be translated."""

    def run(self, judged_by: Judge) -> Spool[Judged]:
        sync, row = self.sync, self.row
        said, remembered = of_judged(), of_remembered()
        shown = sync.lists.each if row.listed else sync.lists.taken  # what tells names is asked for by others
        targets = [*map(self._target, self._in_procore(shown("procore", row.name, self.shard)))]
        unreadable = [*self._in_procore(sync.lists.unreadable("procore", row.name, self.shard))]
        listed = {one.id for one in targets} | {bad.id for bad in unreadable}
        missed, self._asked = sync.lists.answer(row.name, [self.shard], "procore", row.name)
        links = self._links(listed, missed)
        keys = chain(self._keys, ((record.company or "", record.id) for record in self._by_key.records))
        strays = astray.marked(sync, row, self.shard, keys, links, self.people)
        if strays.shown:
            links = self._links(listed | {one.id for one in strays.shown}, missed)
        unreadable += missed.invalid
        targets += map(self._target, missed.records)
        existing = self.existing([*unreadable, *strays.invalid, *self._unreadable_strangers()], links)
        existing.anyone, existing.lost = astray.unknown(sync, row), astray.lost(sync, row, links)
        if row.document and not sync.run.plan:
            self._looked(everywhere=not astray.hides(existing.anyone))
        existing.hidden = self._unasked(links, listed) | self._hidden(links, missed) | out_of_sight(sync, row, self.people.ids)
        there = [*targets, *map(self._target, strays.records)]
        matcher = ErpSource(
            row, sync.namespace, links, [*there, *self._strangers()], _Listed(self), existing, self.people,
            self.books.worded(row, there), [*map(self.mapped, self._by_key.records)], self._keys,
        )  # fmt: skip
        beside = set[tuple[str, str]]()
        for some in chunked(self._read(matcher)):
            self.seen.learn((record.company or "", record.id) for record in some)
            subjects = [self._subject(record, matcher) for record in some if sync.run.wants(record.number)]
            rows = [self.annotated(subject) for subject in subjects]
            verdict = verdicts(judged_by(row.name, rows, []))
            results = [self._told(subject, verdict.get(subject.row)) for subject in subjects]
            said.add(results)
            remembered.add([self.remembered(r, s) for r, s in zip(results, subjects, strict=True)])
            beside |= {(subject.company, subject.own.id) for subject in subjects} - self._keys
        here = {
            (bad.company, bad.id): bad for bad in [*self._by_key.invalid, *sync.lists.unreadable("erp", row.name, self.shard)]
        }
        unusable = [(bad, self.unusable(bad, "erp", links)) for bad in here.values()]
        # One that has moved to a project of another shard is told of there, whose list shows it.
        theirs = sync.lists.elsewhere("procore", row.name, self.shard, (("", bad.id) for bad in missed.invalid))
        mine = [bad for bad in unreadable if ("", bad.id) not in theirs]
        unusable += [(bad, self.unusable(bad, "procore", links)) for bad in mine]
        unusable = [told for told in unusable if sync.run.wants(told[1].number)]
        said.add([result for _, result in unusable])
        vanished = [] if sync.run.documents else self.vanished(matcher, beside | self._keys)
        said.add(vanished)
        said.add([told for told in self.procore_only(matcher, targets) if sync.run.wants(told.number)])
        gone = self.gone({record.id for record in targets}, self.references, {bad.id for bad in unreadable})
        known = chain(
            remembered,
            self.traces(unusable),
            map(stopped, vanished),
            (procore_row(row, record, sync.namespace) for record in targets),
            gone,
        )
        sync.ledger.outcomes.judge(sync.run.run_id, row.name, self.shard, said, () if sync.run.plan else known)
        if row.document:
            sync.lists.let_go("erp", row.name, self.shard)
        return said

    def _target(self, record: Record) -> Record:
        """A record of Procore in ERP keys. As it was read it is kept where it names what nobody can translate."""
        if self.references.complete(record):
            self._raw.pop(record.id, None)
        else:
            self._raw[record.id] = record
        return self._in_sub_job(self.references.translated(record))

    @cached_property
    def _keys(self) -> set[tuple[str, str]]:
        """(company, ERP key) of all that the ERP's list shows and can be read."""
        return self.sync.lists.keys("erp", self.row.name, self.shard)

    def listed(self) -> Iterator[Record]:
        """The ERP's list."""
        return self.sync.lists.each("erp", self.row.name, self.shard)

    def _links(self, listed: set[str], missed: Page) -> LinkIndex:
        """Confirmed links of all that this shard, or a person's word of it, can ask for."""
        here = [*self._by_key.shown, *self.sync.lists.unreadable("erp", self.row.name, self.shard)]
        keys = self._keys | {(one.company or "", one.id) for one in here}
        # One that cannot be read may not tell its company either.
        keys |= {(known.company, bad.id) for bad in here if isinstance(bad, Invalid) and (known := self._remembered("erp", bad))}
        idents = {*listed, *self._asked, *missed.hidden, *(one.id for one in missed.shown)}
        said = self.people.said
        keys |= {(one.company, one.record_id) for one in said}
        return self.sync.shard_links(self.row.name, self.shard, keys, idents | {one.pair for one in said if one.pair})

    def _in_procore(self, shown: Iterable[R]) -> Iterator[R]:
        """Procore's list as far as its projects are linked: what was read of others, before they were judged, is nobody's."""
        scopes = self.sync.scopes("procore", self.row.name, self.shard)
        for one in shown:
            place = one.scope if isinstance(one, Invalid) else getattr(one, "project", None)
            if scopes is None or (place or COMPANY_LEVEL) in scopes:
                yield one

    @cached_property
    def _by_key(self) -> Page:
        """What the ERP said of records that its list did not show."""
        return answered(self.sync, self.row.name, self.shard)

    def _unasked(self, links: LinkIndex, listed: set[str]) -> dict[str, str]:
        """Procore id -> who it is, of linked records that nobody looked for, because their project is not linked, or not shown to
        us: nothing can be said of them, least of all that they are gone."""
        projects, found = self.references.index.get(PROJECTS), {}
        scopes = self.sync.scopes("procore", self.row.name, self.shard)
        for ident in links.by_procore.keys() - listed - self._asked:
            link = links.by_procore[ident]
            project = projects.find(link.company, link.scope or "") if projects is not None else None
            if scopes is None or (project.procore_id if project else COMPANY_LEVEL) in scopes:
                found[ident] = SINCE.format(who=f"{self.row.label} {link.number}", side=CALLED["procore"])
                continue
            found[ident] = self.project_unread(
                "procore", project.procore_id if project else "", f"{self.row.label} {link.number}"
            )
        return found

    def _hidden(self, links: LinkIndex, missed: Page) -> dict[str, str]:
        """Procore id -> who it is, of linked records that are not shown to us; those of a contract go with it."""
        unseen = UNSEEN.format(side=CALLED["procore"])
        known = [links.by_procore[ident] for ident in missed.hidden if ident in links.by_procore]
        found = {link.procore_id: f"{self.row.label} {link.number} {unseen}" for link in known}
        here = {one.id for one in missed.shown}
        lost = [links.by_procore[ident] for ident in self._asked - here - found.keys() if ident in links.by_procore]
        for ident, contract in contracts_of(self.sync, self.row.name, lost).items():
            answer, _ = self.sync.lists.answer(self.row.name, [self.shard], "procore", contract.entity)
            if contract.procore_id in answer.hidden:
                found[ident] = f"{ENTITIES[contract.entity].label} {contract.number} {unseen}"
        return found

    def _in_sub_job(self, record: Record) -> Record:
        """A cost code with its sub job as people call it: the same code may stand on the job and on each of its sub jobs."""
        named = getattr(record, "sub_job", None)
        return record if named is None else record.model_copy(update={"sub_job": self._sub_jobs.get(named, named)})

    @cached_property
    def _sub_jobs(self) -> dict[str, str]:
        return {record.id: record.number for record in self.sync.lists.everywhere("procore", SUB_JOBS)}

    def _looked(self, *, everywhere: bool) -> None:
        """Takes note of whether this run could look into all of Procore (``Sync.marks_known``)."""
        runs, step = self.sync.ledger.runs, MARKS.format(self.row.name)
        if everywhere:
            runs.finished(self.sync.run.run_id, step, (self.shard,))
        else:
            runs.unfinished(self.sync.run.run_id, (step,))

    def _told(self, subject: Subject, verdict: Verdict | None) -> Judged:
        warnings = json.dumps(verdict.warnings) if verdict is not None and verdict.warnings else None
        return self.result(subject, verdict)._replace(warnings=warnings)

    def _read(self, matcher: ErpSource) -> Iterator[Record]:
        """The ERP's records that the run looks at: those of the window, then what else is due. Of all of them it is noted which
        records of Procore are theirs."""
        looked, later = in_window(self.sync, self.row.name, self.shard), []
        for record in self.listed():
            matcher.claimed.update(_targets_of(matcher, self.mapped(record)))
            if looked(record):
                yield record
            elif self._unread(matcher, record):
                later.append(record)
        yield from filter(looked.waits, self._by_key.records)
        yield from later

    def _unread(self, matcher: ErpSource, record: Record) -> bool:
        """Whether Procore shows a record outside the window as ours and the ledger does not know it: documents in the window may
        name it, and adopting it writes nothing (docs/domain-rules.md 2.9). Or its counterpart in Procore is not what was agreed
        on any more: what people do there moves no time of the ERP's."""
        link = matcher.links.by_erp.get((record.company or "", record.id))
        if link is not None:
            return self._moved(matcher, link, record)
        return matcher.origin(record) in matcher.by_origin or self._of_new_job(record)

    def _moved(self, matcher: ErpSource, link: Link, record: Record) -> bool:
        """Whether the counterpart of a linked record is gone, or has other contents than both sides agreed on."""
        if link.status != "active" or self.sync.run.kind == "backfill":
            return False
        target = matcher.by_id.get(link.procore_id)
        if target is None or target.deleted or target.origin_id != matcher.origin(record):
            return True
        if getattr(target, "status", None) in self.row.not_counted:
            return True
        names = (*self.row.restored, *self.row.frozen)
        agreed, there = agreed_there(link, self.row), content(target, self.row.content)
        return bool(agreed) and any(name in names for name in differing(there, {n: v for n, v in agreed.items() if n in there}))

    def _of_new_job(self, record: Record) -> bool:
        """A job that joins later than it was set up (reopened, linked by a decision) brings codes and sub jobs that were last
        changed before the watermark: no later window would ever show them. A backfill keeps to its interval."""
        run, job = self.sync.run, getattr(record, "project", None)
        if job is None or self.row.document or run.since is not None or run.kind == "backfill":
            return False
        return (record.company, job) not in self._finished and (record.company or "", job) not in self._known_jobs

    @cached_property
    def _known_jobs(self) -> set[tuple[str, str | None]]:
        """Jobs of which more than skipped records was ever judged."""
        return self.sync.ledger.records.jobs(self.row.name, "erp")

    def _unreadable_strangers(self) -> list[Invalid]:
        return self.sync.lists.unreadable("procore", self.row.strangers) if self.row.strangers else []

    def _strangers(self) -> list[Record]:
        """Companies of Procore's directory that nothing marks as an owner or a vendor: an ERP customer may be one of them."""
        if self.row.strangers is None:
            return []
        model = self.row.model
        return [
            model.model_validate({name: getattr(record, name) for name in model.model_fields}, strict=False)
            for record in self.sync.lists.each("procore", self.row.strangers)
            if parse_origin(record.origin_id, self.sync.namespace) is None
        ]

    def mapped(self, record: Record) -> Record:
        """An ERP cost type in Procore's code (rule C-02); without a counterpart it keeps its own and fails that rule."""
        if self.row.coded_by is None:
            return record
        codes: Mapping[str, str] = getattr(self.sync.settings, self.row.coded_by)
        return record.model_copy(update={"number": codes.get(record.number, record.number)})

    def _subject(self, record: Record, matcher: ErpSource) -> Subject:
        mapped = self.mapped(record)
        match = matcher.match(mapped)
        if self.row.coded_by is not None:
            match = by_settings(self.row, match)
        match = self.unfinished(match, record.company or "", record)
        own = self._raw.get(match.target.id) if match.target is not None and match.how != "none" else None
        unknown = self.references.unknown(own, record, record.company or "") if own is not None else {}
        alike = match.target or (match.candidates[0] if match.proposal else None)
        target = match.link.procore_id if match.link else alike.id if alike else None
        if match.parted:
            target = next(
                ident for company, key, ident in self.people.parted if (company, key) == (record.company or "", record.id)
            )
        return Subject(record, mapped, match, "erp", record.company or "", record.id, target, unknown)

    def over(self, subject: Subject) -> bool:
        """A document that is void in the ERP and gone from Procore, or void there too; a vendor that both sides merged."""
        match = subject.match
        if match.how != "link" or match.link is None or match.link.status != "active":
            return False
        target = match.target
        gone = match.gone or (target is not None and getattr(target, "status", None) in ENDED_IN_PROCORE)
        return gone and (getattr(subject.record, "status", None) == VOID or self._survivor(subject.own) is not None)

    def _survivor(self, own: Record) -> str | None:
        """The key of the vendor that this one was merged into."""
        return self.sync.mergers.survivor(own.company or "", own.id) if isinstance(own, Vendor) else None

    def skip(self, subject: Subject) -> str | None:
        own = subject.own
        if subject.match.how == "none" and (survivor := self._survivor(own)) is not None:
            return f"{self.row.label} {own.number} was merged into {survivor} in the ERP"
        if subject.match.how != "none" or subject.match.foreign or subject.match.ambiguous:
            return None
        if own.deleted or getattr(own, "active", True) is False:
            return f"{self.row.label} {own.number} is inactive in the ERP"
        job = own.number if isinstance(own, Project) else None if self.row.document else getattr(own, "project", None)
        if job is not None and (own.company, job) in self._finished:
            return f"job {job} is closed in the ERP"
        return self.facts.skip(subject)

    @cached_property
    def _finished(self) -> set[tuple[str | None, str]]:
        """Jobs that were closed before they were ever sent: neither they nor their codes are due."""
        links = self.books.links(PROJECTS)
        jobs = self.sync.lists.snapshot("erp", PROJECTS)
        return {
            (job.company, job.id)
            for job in jobs
            if isinstance(job, Project) and job.status == CLOSED and links.find(job.company or "", job.id) is None
        }


class _Listed:
    """The ERP's list as it is matched, gone through as often as somebody asks."""

    def __init__(self, check: ErpBorn) -> None:
        self._check = check

    def __iter__(self) -> Iterator[Record]:
        return map(self._check.mapped, self._check.listed())


def _targets_of(matcher: ErpSource, record: Record) -> list[str]:
    """Ids of the Procore records that an ERP record owns, be it in this run's window or not."""
    link = matcher.links.by_erp.get((record.company or "", record.id))
    target = matcher.by_origin.get(matcher.origin(record))
    owned = [link.procore_id] if link else [target.id] if target else []
    return owned + [candidate.id for candidate in matcher.alike_in_procore(record)]
