"""Checks of Procore-born documents: Procore -> ERP, those of commitments behind the gate."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from include.financials.entity import Entity
from include.financials.identity import marker
from include.financials.judging.changes import completed
from include.financials.judging.check import Judge, Judging
from include.financials.judging.facts import Row
from include.financials.judging.matching import ProcoreSource
from include.financials.judging.memory import blank, stopped
from include.financials.judging.plan import both_ended, ended_on_both_sides
from include.financials.judging.rules import Verdict, verdicts
from include.financials.judging.subject import Subject
from include.financials.ledger import Decision, Judged, Link, LinkIndex, Remembered
from include.financials.ledger.room import chunks
from include.financials.port import CALLED, SINCE, Invalid, Page
from include.financials.reading.questions import counterpart, links_in_run
from include.financials.record import PROJECTS, Record
from include.financials.statuses import VOID
from include.financials.view import Sync

log = logging.getLogger(__name__)


class ProcoreBorn(Judging):
    """One entity over all its shards: a verdict on part of a stage would be none."""

    def __init__(self, sync: Sync, row: Entity, shards: tuple[int, ...]) -> None:
        super().__init__(sync, row, 0)
        self.shards = shards
        self.ended: dict[str, str] = {}
        """What became of a person's decision, by row."""

    def run(self, judged_by: Judge) -> list[Judged]:
        sync, row = self.sync, self.row
        targets = list(sync.lists.everywhere("erp", row.name))
        unreadable, links = list(sync.lists.unreadable_everywhere("erp", row.name)), sync.fresh_links(row.name)
        subjects: list[tuple[int, Subject]] = []
        invalid: list[tuple[int, Invalid]] = []
        staged = self._staged()
        read = {shard: page.records for shard, page in staged.items()}
        missed, asked = sync.lists.answer(row.name, self.shards, "erp", row.name)
        targets, unreadable = [*targets, *missed.records], [*unreadable, *missed.invalid]
        existing = self.existing(unreadable, links)
        listed = asked | {record.id for record in targets} | {bad.id for bad in unreadable}
        existing.hidden = self._unasked([own for records in read.values() for own in records], links, listed)
        matcher = ProcoreSource(row, sync.namespace, links, targets, sync.marks, existing, self.people)
        here = {record.id for records in read.values() for record in records}
        here |= {bad.id for page in staged.values() for bad in page.invalid}
        gone = self._gone(matcher, here)
        self.facts.learn([record for records in read.values() for record in records])
        self.seen.learn(("", record.id) for records in read.values() for record in records)
        for shard in self.shards:
            subjects += [(shard, self._document(record, matcher)) for record in read[shard]]
            invalid += [(shard, bad) for bad in staged[shard].invalid]
        reasons = {subject.row: self.skip(subject) for _, subject in subjects}
        self.facts.prepare([subject for _, subject in subjects if reasons[subject.row] is None])
        verdict: dict[str, Verdict] = {}
        for wave in self._waves([subject for _, subject in subjects]):
            verdict |= self._judge([subject for subject in wave if reasons[subject.row] is None], judged_by)
            for subject in wave:
                found = verdict.get(subject.row)
                self.facts.settled(subject, "skipped" if reasons[subject.row] else found.state if found else "linked")
        judged: list[tuple[int, Subject, Judged]] = []
        remembered: dict[int, list[Remembered]] = defaultdict(list)
        for shard, subject in subjects:
            if not sync.run.wants(subject.own.number, subject.record.number):
                continue  # judged for what follows it; the run is not about it
            found = verdict.get(subject.row)
            result = self.result(subject, found)._replace(shard=shard)
            warnings = [*found.warnings] if found is not None else []
            if subject.row in self.ended and self.ended[subject.row] not in (result.message or ""):
                warnings.append(self.ended[subject.row])
            if warnings:
                result = result._replace(warnings=json.dumps(warnings))
            judged.append((shard, subject, result))
        judged = self._with_who_is_asked(judged)
        results = [result for _, _, result in judged]
        unusable = [(shard, bad, self.unusable(bad, "procore", links)) for shard, bad in invalid]
        unusable += [(self.shards[0], bad, self.unusable(bad, "erp", links)) for bad in unreadable if self._in_run(bad)]
        for shard, bad, result in [told for told in unusable if sync.run.wants(told[2].number)]:
            results.append(result._replace(shard=shard))
            remembered[shard] += self.traces([(bad, result)])
        for result in [told for told in gone if sync.run.wants(told.number)]:
            results.append(result)
            remembered[self.shards[0]].append(replace(stopped(result), deleted=True))
        for shard in self.shards:
            of_shard = [result for result in results if result.shard == shard]
            remembered[shard] += [self._named(ident) for ident in sync.noted(row.name, shard).named]
            known = chain((self.remembered(r, s) for of, s, r in judged if of == shard), remembered[shard])
            sync.ledger.outcomes.judge(sync.run.run_id, row.name, shard, of_shard, () if sync.run.plan else known)
        return results

    def _staged(self) -> dict[int, Page]:
        """What was read, by shard. A document that has moved to a project of another shard may have been read by both: it is that
        one's, whose project it is in."""
        read = {shard: self.sync.staged(self.row.name, shard).page() for shard in self.shards}
        homes: dict[str, int] = {}
        for shard, page in read.items() if len(read) > 1 else ():
            scopes = self.sync.scopes("procore", self.row.name, shard) or ()
            for one in page.shown:
                place = one.scope if isinstance(one, Invalid) else getattr(one, "project", None)
                if one.id not in homes or place in scopes:
                    homes[one.id] = shard
        for shard, page in read.items():
            page.records = [own for own in page.records if homes.get(own.id, shard) == shard]
            page.invalid = [bad for bad in page.invalid if homes.get(bad.id, shard) == shard]
        return read

    def _with_who_is_asked(self, judged: Sequence[tuple[int, Subject, Judged]]) -> list[tuple[int, Subject, Judged]]:
        """A document that waits, and is under a workflow, says at which step it is: there it moves on, not here."""
        under = {ident: said for shard in self.shards for ident, said in self.sync.noted(self.row.name, shard).under.items()}
        told = []
        for shard, subject, result in judged:
            asked = under.get(subject.own.id) if result.state != "linked" else None
            message = " ".join(filter(None, (result.message, asked))) if asked else result.message
            told.append((shard, subject, result._replace(message=message)))
        return told

    def _named(self, ident: str) -> Remembered:
        """One that was met without an id has one by now and is another record, or went."""
        return Remembered(
            self.row.name, "", "procore", ident, ident, deleted=True, state=None, rule=None, waits_for=None, message=None
        )

    def called(self, entity: str, ident: str) -> str:
        return self.books.name(entity, ident)

    def _unasked(self, owns: Sequence[Record], links: LinkIndex, listed: set[str]) -> dict[str, str]:
        """ERP key -> who it is, of counterparts that nobody looked for: linked since this run read the ERP's list."""
        found = {}
        for own in owns:
            key = counterpart(own, self.row, links, self.sync.namespace)
            if key is not None and key not in listed:
                found[key] = SINCE.format(who=f"{self.row.label} {own.number}", side=CALLED["erp"])
        return found

    def _in_run(self, bad: Invalid) -> bool:
        """The ERP's list is read whole; a run of some projects tells of those."""
        return not self.sync.run.projects or bad.scope in self.sync.run.projects

    def _judge(self, subjects: Sequence[Subject], judged_by: Judge) -> Mapping[str, Verdict]:
        if not self.row.gate:  # a gate sees at once all that is about to load
            return {row: said for some in chunks(subjects) for row, said in self._said(some, judged_by).items()}
        return self._said(subjects, judged_by)

    def _said(self, subjects: Sequence[Subject], judged_by: Judge) -> Mapping[str, Verdict]:
        records: list[Row] = []
        lines: list[Row] = []
        for subject in subjects:
            said = self.approvals.get(subject.own.id)
            approved = said is not None and said.content_hash == self.hash_of(subject.own)
            ended = self._approval_ended(subject, said) if said is not None and not approved else ""
            head = self.annotated(subject, approved=approved, approval_ended=ended)
            self.pair_ended(subject, head)
            records.append(head)
            lines += self.facts.lines(subject, head)
        return verdicts(judged_by(self.row.name, records, lines))

    def _approval_ended(self, subject: Subject, said: Decision) -> str:
        """An approval is of one content: a change ends it for good, also if somebody puts the content back."""
        if subject.match.how != "none":
            return ""
        told = f" The approval by {said.said} has ended: the document was changed since."
        self.sync.ledger.decisions.ended(said, self.sync.run.run_id, f"{subject.record.number}:{told}", plan=self.sync.run.plan)
        self.ended[subject.row] = told.strip()
        return told

    def _waves(self, subjects: Sequence[Subject]) -> Iterator[list[Subject]]:
        """Documents that follow one another are judged one after the other: what became of the first decides on the second."""
        waves: dict[int, list[Subject]] = defaultdict(list)
        for subject in subjects:
            waves[self.facts.turn(subject)].append(subject)
        for _, wave in sorted(waves.items()):
            yield wave

    def _gone(self, matcher: ProcoreSource, here: set[str]) -> list[Judged]:
        """Linked documents that Procore's lists do not show any more, though they were asked for by id: transfers that went when
        their budget was unlocked, for one."""
        told = []
        by_id = {link.procore_id: link for link in links_in_run(self.sync, matcher.links)}
        missing = {i for shard in self.shards for i in self.sync.noted(self.row.name, shard).missing} - here
        for ident in sorted(missing):
            link = by_id.get(ident) or self._made_from(matcher, ident)
            if link is None:
                continue
            rule = self.row.rule("broken_link")
            target = matcher.by_key.get((link.company, link.erp_key))
            ended = target is None or getattr(target, "status", None) == VOID
            why = f"Procore no longer has it{self.row.destroyed}"
            said = {"label": self.row.label.capitalize(), "entity": self.row.name, "broken_link": why}
            message = rule.message.format_map({**said, "number": link.number, "erp_key": link.erp_key})
            judged = blank(self.sync, self.row, self.shards[0], "procore", link.company, ident, link.number)._replace(
                project=link.scope, how="link", procore_id=ident, erp_key=link.erp_key
            )
            told.append(
                both_ended(judged, link.number, by_id.get(ident))
                if ended
                else judged._replace(state=rule.state, rule=rule.id, message=message)
            )
        return told

    def _made_from(self, matcher: ProcoreSource, ident: str) -> Link | None:
        """What the marker of a document of the ERP says of a record that nothing else tells of; None where a person ended that
        link: then the document is the ERP's alone."""
        for one in matcher.by_marker.get(marker(self.sync.marks, self.row.name, ident), ()):
            if (one.company or "", one.id, ident) not in self.people.parted:
                return Link(self.row.name, one.company or "", one.id, ident, one.number, scope=getattr(one, "project", None))
        return None

    def over(self, subject: Subject) -> bool:
        match = subject.match
        if match.how != "link" or match.link is None or match.link.status != "active":
            return False
        there = match.target is None or getattr(match.target, "status", None) == VOID
        return there and not self.facts.due(subject.own)

    def _document(self, record: Record, matcher: ProcoreSource) -> Subject:
        translated = self.facts.translated(record)
        project = self.references.link(PROJECTS, getattr(record, "project", None))
        company = project.company if project else ""
        translated = translated.model_copy(update={"company": company})
        match = matcher.match(translated)
        match = self.unfinished(match, company, translated)
        alike = match.target or (match.candidates[0] if match.proposal else None)
        translated = completed(translated, alike)
        key = match.link.erp_key if match.link else alike.id if alike else translated.natural_key
        # Its company is its counterpart's, where its own project is not linked.
        target = match.target
        unknown = self.references.unknown(record, target, company or target.company or "") if target is not None else {}
        return Subject(record, translated, match, "procore", company, key, record.id, unknown if match.how != "none" else {})

    def skip(self, subject: Subject) -> str | None:
        own: Any = subject.own
        number = subject.record.number
        if self.over(subject):
            return ended_on_both_sides(number)
        if subject.match.voided is not None and not self.facts.due(own):
            return f"{number} is {'deleted' if own.deleted else own.status} in Procore and void in the ERP"
        if subject.match.how != "none" or subject.match.broken or subject.match.foreign or self.handed(subject):
            return None
        if own.deleted:
            return f"{number} was deleted in Procore before it was sent"
        if own.status not in self._due(subject):
            return f"{number} is {own.status}"
        start = self.sync.settings.documents_from
        if start is not None and own.updated_at is not None and own.updated_at < start:
            return f"{number} was last changed before documents_from ({start.isoformat()})"
        return self.facts.skip(subject)

    def _due(self, subject: Subject) -> tuple[str, ...]:
        """Statuses in which a document is due. One that looks like a document of the ERP is proposed also in those that only a
        linked one may reach: it was sent by other hands, and went on since."""
        chosen, kind = self.sync.settings.of(self.row.name), getattr(subject.own, "kind", None)
        later = chosen.when_linked(kind) if subject.match.proposal else ()
        return (*chosen.statuses(kind), *later)
