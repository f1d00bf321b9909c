"""Checks of ERP-born entities: ERP -> Procore."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from itertools import chain

from include.financials.entities import ENTITIES
from include.financials.entities.directory import Vendor
from include.financials.entities.jobs import Project
from include.financials.entity import Entity
from include.financials.existence import contracts_of, out_of_sight
from include.financials.identity import content, differing, known, parse_origin
from include.financials.judging import astray
from include.financials.judging.check import Judge, Judging
from include.financials.judging.matching import ErpSource, by_settings
from include.financials.judging.memory import blank, procore_row, source_hash, stopped
from include.financials.judging.rules import Verdict, verdicts
from include.financials.judging.subject import Subject
from include.financials.ledger import Judged, Link, LinkIndex, Remembered
from include.financials.ledger.room import chunked
from include.financials.port import CALLED, SINCE, UNSEEN, Invalid, Page, Window
from include.financials.reading.extract import answered, in_window
from include.financials.reading.questions import not_in_erp
from include.financials.record import PROJECTS, SUB_JOBS, Record
from include.financials.references import References
from include.financials.statuses import CLOSED, ENDED_IN_PROCORE, VOID
from include.financials.view import COMPANY_LEVEL, Sync


class ErpBorn(Judging):
    """One shard of an entity that the ERP owns."""

    def __init__(self, sync: Sync, row: Entity, shard: int) -> None:
        super().__init__(sync, row, shard)
        self._asked: set[str] = set()

    def run(self, judged_by: Judge) -> list[Judged]:
        sync, row = self.sync, self.row
        references = self.references
        shown, unreadable = self._in_procore()
        listed = {one.id for one in Page([*shown], [*unreadable]).shown}
        missed, self._asked = sync.lists.answer(row.name, [self.shard], "procore", row.name)
        links = self._links(listed, missed)
        strays = astray.marked(sync, row, self.shard, (*self._listed, *self._by_key.records), links, self.people)
        if strays.shown:
            links = self._links(listed | {one.id for one in strays.shown}, missed)
        unreadable += missed.invalid
        targets = [self._in_sub_job(references.translated(r)) for r in (*shown, *missed.records)]
        everyone = [self._mapped(record) for record in self._listed]
        existing = self.existing([*unreadable, *strays.invalid, *self._unreadable_strangers()], links)
        existing.anyone = astray.unknown(sync, row)
        existing.hidden = self._unasked(links, listed) | self._hidden(links, missed) | out_of_sight(sync, row, self.people.ids)
        there = [*targets, *(self._in_sub_job(references.translated(r)) for r in strays.records)]
        worded = self.books.worded(row, there)
        matcher = ErpSource(row, sync.namespace, links, [*there, *self._strangers()], everyone, existing, self.people, worded)
        window = in_window(sync, row.name, self.shard, self._listed)
        read = (*window, *self._unread(matcher, window))
        self.seen.learn((record.company or "", record.id) for record in read)
        subjects = [self._subject(record, matcher) for record in read if sync.run.wants(record.number)]
        for record in everyone:
            matcher.claimed.update(_targets_of(matcher, record))
        raw = {record.id: record for record in (*shown, *missed.records, *strays.records)}
        for subject in subjects:
            own = raw.get(subject.match.target.id) if subject.match.target is not None and subject.match.how != "none" else None
            subject.unknown = references.unknown(own, subject.own, subject.company) if own is not None else {}
        verdict: dict[str, Verdict] = {}
        for some in chunked(subjects):  # the facts of all of them at once would take more room than the records
            rows = [self.annotated(s) for s in some]
            for subject, facts in zip(some, rows, strict=True):
                self.pair_ended(subject, facts)
            verdict |= verdicts(judged_by(row.name, rows, []))
        results = [self._told(subject, verdict.get(subject.row)) for subject in subjects]
        here = {
            (bad.company, bad.id): bad for bad in [*self._by_key.invalid, *sync.lists.unreadable("erp", row.name, self.shard)]
        }
        unusable = [(bad, self.unusable(bad, "erp", links)) for bad in here.values()]
        # One that has moved to a project of another shard is told of there, whose list shows it.
        theirs = sync.lists.elsewhere("procore", row.name, self.shard, (("", bad.id) for bad in missed.invalid))
        mine = [bad for bad in unreadable if ("", bad.id) not in theirs]
        unusable += [(bad, self.unusable(bad, "procore", links)) for bad in mine]
        unusable = [told for told in unusable if sync.run.wants(told[1].number)]
        results += [result for _, result in unusable]
        vanished = (
            []
            if sync.run.documents
            else self._vanished(matcher, {(s.company, s.own.id) for s in subjects} | {(r.company or "", r.id) for r in everyone})
        )
        results += vanished
        results += [told for told in self._procore_only(matcher, targets) if sync.run.wants(told.number)]
        gone = self._gone({record.id for record in targets}, references, {bad.id for bad in unreadable})
        remembered = chain(
            (self.remembered(r, s) for r, s in zip(results, subjects, strict=False)),
            self.traces(unusable),
            map(stopped, vanished),
            (procore_row(row, record, sync.namespace) for record in targets),
            gone,
        )
        sync.ledger.outcomes.judge(sync.run.run_id, row.name, self.shard, results, () if sync.run.plan else remembered)
        return results

    @cached_property
    def _listed(self) -> list[Record]:
        """The ERP's list, however long, parsed once."""
        return self.sync.lists.snapshot("erp", self.row.name, self.shard)

    def _links(self, listed: set[str], missed: Page) -> LinkIndex:
        """Confirmed links of all that this shard, or a person's word of it, can ask for."""
        here = [*self._listed, *self._by_key.shown, *self.sync.lists.unreadable("erp", self.row.name, self.shard)]
        keys = {(one.company or "", one.id) for one in here}
        # One that cannot be read may not tell its company either.
        keys |= {(known.company, bad.id) for bad in here if isinstance(bad, Invalid) and (known := self._remembered("erp", bad))}
        idents = {*listed, *self._asked, *missed.hidden, *(one.id for one in missed.shown)}
        said = self.people.said
        keys |= {(one.company, one.record_id) for one in said}
        return self.sync.shard_links(self.row.name, self.shard, keys, idents | {one.pair for one in said if one.pair})

    def _in_procore(self) -> tuple[list[Record], list[Invalid]]:
        """Procore's list as far as its projects are linked: what was read of others, before they were judged, is nobody's."""
        lists, scopes = self.sync.lists, self.sync.scopes("procore", self.row.name, self.shard)
        shown = lists.snapshot("procore", self.row.name, self.shard)
        unreadable = lists.unreadable("procore", self.row.name, self.shard)
        if scopes is None:
            return shown, unreadable
        here = [record for record in shown if (getattr(record, "project", None) or COMPANY_LEVEL) in scopes]
        return here, [bad for bad in unreadable if (bad.scope or COMPANY_LEVEL) in scopes]

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

    def _told(self, subject: Subject, verdict: Verdict | None) -> Judged:
        warnings = json.dumps(verdict.warnings) if verdict is not None and verdict.warnings else None
        return self.result(subject, verdict)._replace(warnings=warnings)

    def _unread(self, matcher: ErpSource, window: Sequence[Record]) -> list[Record]:
        """ERP records outside the window that Procore shows as ours and the ledger does not know: documents in the window may
        name them, and adopting them writes nothing (docs/domain-rules.md 2.9). And those whose counterpart in Procore is not what
        was agreed on any more: what people do there moves no time of the ERP's."""
        read = {(record.company, record.id) for record in window}
        return [
            record
            for record in self._listed
            if (record.company, record.id) not in read
            and (
                self._moved(matcher, matcher.links.by_erp[record.company or "", record.id], record)
                if (record.company or "", record.id) in matcher.links.by_erp
                else matcher.origin(record) in matcher.by_origin or self._of_new_job(record)
            )
        ]

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
        agreed, there = known(link.content or {}, self.row.content), content(target, self.row.content)
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
            for record in self.sync.lists.snapshot("procore", self.row.strangers)
            if parse_origin(record.origin_id, self.sync.namespace) is None
        ]

    def _vanished(self, matcher: ErpSource, here: set[tuple[str, str]]) -> list[Judged]:
        """Linked records that neither the ERP's full list nor a read by their key shows (rule R-02)."""
        sync, row = self.sync, self.row
        answer, asked = sync.lists.answer(row.name, [self.shard], "erp", row.name)
        there = {(one.company or "", one.id) for one in answer.shown}
        gone = [
            link
            for link in not_in_erp(sync, row, self.shard, matcher.links, here)
            # What was linked since this run read the list is not gone: nobody has looked for it.
            if link.erp_key in asked and not there & {(link.company, link.erp_key), ("", link.erp_key)}
        ]
        rule = row.rule("broken_link")
        said = {"label": row.label.capitalize(), "entity": row.name, "broken_link": "the ERP no longer has it"}
        return [
            blank(sync, row, self.shard, "erp", link.company, link.erp_key, link.number)._replace(
                project=link.scope, how="link", procore_id=link.procore_id, erp_key=link.erp_key, state=rule.state, rule=rule.id,
                message=rule.message.format_map({**said, "number": link.number, "erp_key": link.erp_key}),
            )
            for link in gone
        ]  # fmt: skip

    def _gone(self, here: set[str], references: References, unreadable: set[str]) -> list[Remembered]:
        """What the ledger remembers of Procore and Procore shows no longer: deleted, or under another external id by now. What
        this run wrote itself is younger than the list it read."""
        sync, row = self.sync, self.row
        opened = sync.ledger.runs.get(sync.run.run_id)
        started = opened.started_at if opened is not None else ""
        scopes = sync.scopes("procore", row.name, self.shard)
        places = None if scopes is None else {references.key(PROJECTS, scope) for scope in scopes}
        return [
            Remembered(row.name, known.company, "procore", known.id, known.number, deleted=True)
            for known in sync.ledger.records.each(row.name, "procore", places)
            if known.id not in here and known.id not in unreadable and not known.deleted
            if (known.read_at or "") < started and (places is None or known.scope in places)
        ]

    def _mapped(self, record: Record) -> Record:
        """An ERP cost type in Procore's code (rule C-02); without a counterpart it keeps its own and fails that rule."""
        if self.row.coded_by is None:
            return record
        codes: Mapping[str, str] = getattr(self.sync.settings, self.row.coded_by)
        return record.model_copy(update={"number": codes.get(record.number, record.number)})

    def _subject(self, record: Record, matcher: ErpSource) -> Subject:
        mapped = self._mapped(record)
        match = matcher.match(mapped)
        if self.row.coded_by is not None:
            match = by_settings(self.row, match)
        match = self.unfinished(match, record.company or "", record)
        alike = match.target or (match.candidates[0] if match.proposal else None)
        target = match.link.procore_id if match.link else alike.id if alike else None
        if match.parted:
            target = next(
                ident for company, key, ident in self.people.parted if (company, key) == (record.company or "", record.id)
            )
        return Subject(record, mapped, match, "erp", record.company or "", record.id, target)

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

    def _procore_only(self, matcher: ErpSource, targets: Sequence[Record]) -> list[Judged]:
        """Procore's records that no ERP record owns: waiting for accounting, a broken or foreign external id,
        or part of an ambiguity."""
        results = []
        alone = [one for one in targets if one.id not in matcher.links.by_procore and self._window.covers(one.updated_at)]
        alone = [one for one in alone if one.id not in matcher.claimed or matcher.disputed(one)]
        marks = {one.id: (mark.company, mark.key) for one in alone if (mark := parse_origin(one.origin_id, self.sync.namespace))}
        theirs = self.sync.lists.elsewhere("erp", self.row.name, self.shard, marks.values(), readable=True)
        for record in alone:
            if marks.get(record.id) in theirs:
                continue  # of a record that has moved to a job of another shard, which tells of the two
            state, rule, message = (
                "skipped",
                None,
                f"{self.row.label} {record.number} {self.row.alone}",
            )
            if matcher.disputed(record):
                state, rule = "quarantined", self.row.rule("ambiguous").id
                message = (
                    f"Procore {self.row.label} {record.number} (id {record.id}) matches more than one ERP record. "
                    "Choose one or merge them."
                )
            elif record.id in self.people.ids:
                message = f"{self.row.label} {record.number}: its link was ended by a person, and it waits for accounting"
            elif parse_origin(record.origin_id, self.sync.namespace):
                state, rule = "conflict", "R-02"
                message = (
                    f"{self.row.label.capitalize()} {record.number} carries our external id {record.origin_id}, "
                    "which the ERP does not know."
                )
            elif record.origin_id:
                state, rule = "conflict", "R-01"
                message = (
                    f"{self.row.label.capitalize()} {record.number} carries external id {record.origin_id}, which is not ours."
                )
            elif record.deleted or getattr(record, "active", True) is False:
                message = f"{self.row.label} {record.number} is inactive and in Procore only"
            results.append(
                blank(self.sync, self.row, self.shard, "procore", "", record.id, record.number)._replace(
                    project=getattr(record, "project", None),
                    procore_id=record.id,
                    state=state,
                    rule=rule,
                    message=message,
                    source_hash=source_hash(record),
                    judged=True,
                )
            )
        return results

    @cached_property
    def _window(self) -> Window:
        return self.sync.run.window(self.sync.ledger, "procore", self.row.name, overlap=timedelta(0))


def _targets_of(matcher: ErpSource, record: Record) -> list[str]:
    """Ids of the Procore records that an ERP record owns, be it in this run's window or not."""
    link = matcher.links.by_erp.get((record.company or "", record.id))
    target = matcher.by_origin.get(matcher.origin(record))
    owned = [link.procore_id] if link else [target.id] if target else []
    return owned + [candidate.id for candidate in matcher.alike_in_procore(record)]
