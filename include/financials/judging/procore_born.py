"""Checks of Procore-born documents: Procore -> ERP, those of commitments behind the gate."""

from __future__ import annotations

import heapq
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from include.financials.entity import Entity
from include.financials.judging.changes import completed
from include.financials.judging.check import Judge, Judging
from include.financials.judging.facts import Row
from include.financials.judging.matching_documents import ProcoreSource
from include.financials.judging.memory import blank, stopped
from include.financials.judging.plan import both_ended, ended_on_both_sides
from include.financials.judging.rules import Verdict, verdicts
from include.financials.judging.subject import Subject
from include.financials.ledger import Decision, Judged, Link, LinkIndex, Remembered
from include.financials.ledger.room import chunked
from include.financials.packed import Kept, Packed
from include.financials.port import CALLED, SINCE, Invalid
from include.financials.reading.questions import counterpart, links_in_run
from include.financials.reading.staging import Head
from include.financials.record import PROJECTS, Record
from include.financials.statuses import VOID
from include.financials.view import Sync

log = logging.getLogger(__name__)


T = TypeVar("T")
_Row = tuple[int, int, T]
"""(place among all that was read, shard, what is said)"""


class _Laid(NamedTuple):
    """A document between its reading and its turn, without what is held elsewhere: its link and its counterpart."""

    place: int
    shard: int
    due: bool
    link: str | None
    """Procore id"""
    target: tuple[str | None, str] | None
    subject: Subject

    @classmethod
    def of(cls, place: int, shard: int, subject: Subject, due: bool) -> _Laid:
        link, target = subject.match.link, subject.match.target
        known = link if link is not None and link.link_id is not None else None  # else made just now, of what is half made
        bare = replace(subject, match=replace(subject.match, target=None, link=None if known is not None else link))
        key = (target.company, target.id) if target is not None else None
        return cls(place, shard, due, known.procore_id if known is not None else None, key, bare)

    def whole(self, matcher: ProcoreSource, agreed: Mapping[str, Link]) -> Subject:
        """``agreed``: links as they are now; of one that has ended since what it was: a load tells that it is no more."""
        match = self.subject.match
        if self.link is not None:
            match.link = agreed.get(self.link) or matcher.links.by_procore[self.link]
        if self.target is not None:
            match.target = matcher.by_key[self.target]
        return self.subject


class ProcoreBorn(Judging):
    """One entity over all its shards: a verdict on part of a stage would be none."""

    def __init__(self, sync: Sync, row: Entity, shards: tuple[int, ...]) -> None:
        super().__init__(sync, row, 0)
        self.shards = shards
        self.ended: dict[str, str] = {}
        """What became of a person's decision, by row."""

    def run(self, judged_by: Judge) -> Iterable[Judged]:
        """Documents pass in parts; between their reading, their judgement and the ledger they are held packed."""
        sync, row = self.sync, self.row
        unreadable = list(sync.lists.unreadable_everywhere("erp", row.name))
        links = sync.fresh_links(row.name, contents=False)
        missed, asked = sync.lists.answer(row.name, self.shards, "erp", row.name)
        unreadable += missed.invalid
        existing = self.existing(unreadable, links)
        targets = chain(sync.lists.everywhere("erp", row.name), missed.records)
        matcher = ProcoreSource(row, sync.namespace, links, targets, sync.marks, existing, self.people)
        listed = asked | {ident for _, ident in matcher.by_key} | {bad.id for bad in unreadable}
        heads = [one for shard in self.shards for one in self._heads(shard)]
        existing.hidden = self._unasked(heads, links, listed)
        here = {one.id for one in heads} | {bad.id for shard in self.shards for bad in self._invalid(shard)}
        gone = self._gone(matcher, here)
        del heads, listed, here
        laid = Kept[_Laid]()
        due = self._laid(matcher, laid)
        self.facts.prepare(due)
        for _ in due:  # all are laid down, also those that nobody prepares for
            pass
        results, memories = list[Kept[_Row[Judged]]](), list[Kept[_Row[Remembered]]]()
        for turn in self._turns(laid):
            results.append(Kept())
            memories.append(Kept())
            for some in chunked(turn):
                told = self._told(some, matcher, judged_by)
                results[-1].add([(one.place, one.shard, result) for one, _, result in told])
                if not sync.run.plan:
                    memories[-1].add([(one.place, one.shard, self.remembered(result, own)) for one, own, result in told])
            self.facts.turned()
        beside, remembered = list[Judged](), defaultdict[int, list[Remembered]](list)
        unusable = [(shard, bad, self.unusable(bad, "procore", links)) for shard in self.shards for bad in self._invalid(shard)]
        unusable += [(self.shards[0], bad, self.unusable(bad, "erp", links)) for bad in unreadable if self._in_run(bad)]
        for shard, bad, result in [told for told in unusable if sync.run.wants(told[2].number)]:
            beside.append(result._replace(shard=shard))
            remembered[shard] += self.traces([(bad, result)])
        for result in [told for told in gone if sync.run.wants(told.number)]:
            beside.append(result)
            remembered[self.shards[0]].append(replace(stopped(result), deleted=True))
        for shard, rows, known in zip(self.shards, self._by_shard(results), self._by_shard(memories), strict=True):
            remembered[shard] += [self._named(ident) for ident in sync.noted(row.name, shard).named]
            said = chain(rows, (one for one in beside if one.shard == shard))
            known = chain(known, remembered[shard])
            sync.ledger.outcomes.judge(sync.run.run_id, row.name, shard, said, () if sync.run.plan else known)
        return chain((one for of_shard in self._by_shard(results) for one in of_shard), beside)

    # -- what was read --------------------------------------------------------------------------------------------------------

    @cached_property
    def _homes(self) -> Mapping[str, int]:
        """The shard of what more than one has read. A document that has moved to a project of another shard is that one's, whose
        project it is in."""
        homes, several = dict[str, int](), set[str]()
        for shard in self.shards if len(self.shards) > 1 else ():
            staged, scopes = self.sync.staged(self.row.name, shard), self.sync.scopes("procore", self.row.name, shard) or ()
            places = [*{one.id: one.project for one in staged.heads()}.items()]  # each once, as it was read last
            for ident, place in [*places, *((bad.id, bad.scope) for bad in staged.invalid())]:
                if homes.get(ident, shard) != shard:
                    several.add(ident)
                if ident not in homes or place in scopes:
                    homes[ident] = shard
        return {ident: homes[ident] for ident in several}

    def _here(self, shard: int, ident: str) -> bool:
        return self._homes.get(ident, shard) == shard

    def _heads(self, shard: int) -> Iterator[Head]:
        return (one for one in self.sync.staged(self.row.name, shard).heads() if self._here(shard, one.id))

    def _invalid(self, shard: int) -> Iterator[Invalid]:
        return (bad for bad in self.sync.staged(self.row.name, shard).invalid() if self._here(shard, bad.id))

    def _read(self) -> Iterator[tuple[int, Record]]:
        """(shard, document) of all that is judged, shard by shard; where they follow one another, the facts are told of all of
        them before the first."""
        read = (
            (shard, own)
            for shard in self.shards
            for own in self.sync.staged(self.row.name, shard).each()
            if self._here(shard, own.id)
        )
        if self.row.sequence is None:
            yield from read
            return
        owns, places = Packed[str, Record](), dict[str, int]()
        for shard, own in read:
            owns[own.id], places[own.id] = own, shard
        self.facts.learn(owns)
        yield from ((places[ident], own) for ident, own in owns.items())

    # -- laid down, and taken up in turns -------------------------------------------------------------------------------------

    def _laid(self, matcher: ProcoreSource, laid: Kept[_Laid]) -> Iterator[Subject]:
        """Who each document's counterpart is, laid down for its turn; those that are due are told of."""
        place = 0
        for some in chunked(self._read()):
            self.facts.recall([own for _, own in some])
            down = []
            for shard, own in some:
                subject = self._document(own, matcher)
                due = self.skip(subject) is None
                if due:
                    yield subject
                down.append(_Laid.of(place, shard, subject, due))
                place += 1
            laid.add(down)

    def _turns(self, laid: Kept[_Laid]) -> Iterator[Iterable[_Laid]]:
        """Documents that follow one another are judged one after the other: what became of the first decides on the second."""
        if not self.facts.in_turns:
            yield laid
            return
        turns = defaultdict[int, Kept[_Laid]](Kept)
        for some in chunked(laid):
            together = defaultdict[int, list[_Laid]](list)
            for one in some:
                together[self.facts.turn(one.subject)].append(one)
            for turn, those in together.items():
                turns[turn].add(those)
        for turn in sorted(turns):
            yield turns.pop(turn)

    def _told(self, some: Sequence[_Laid], matcher: ProcoreSource, judged_by: Judge) -> list[tuple[_Laid, Subject, Judged]]:
        """What is said of a part of a turn, as far as the run is about it."""
        agreed = self.sync.agreed(self.row.name, (one.link for one in some if one.link is not None))
        subjects = [one.whole(matcher, agreed) for one in some]
        self.facts.recall([subject.own for subject in subjects])
        self.seen.learn(("", subject.own.id) for subject in subjects)
        verdict = self._said([subject for one, subject in zip(some, subjects, strict=True) if one.due], judged_by)
        told = []
        for one, subject in zip(some, subjects, strict=True):
            found = verdict.get(subject.row)
            self.facts.settled(subject, "skipped" if not one.due else found.state if found else "linked")
            if self.sync.run.wants(subject.own.number, subject.record.number):  # else judged for what follows it
                told.append((one, subject, self._result(one.shard, subject, found)))
        return told

    def _result(self, shard: int, subject: Subject, found: Verdict | None) -> Judged:
        result = self.result(subject, found)._replace(shard=shard)
        warnings = [*found.warnings] if found is not None else []
        if subject.row in self.ended and self.ended[subject.row] not in (result.message or ""):
            warnings.append(self.ended[subject.row])
        if warnings:
            result = result._replace(warnings=json.dumps(warnings))
        # A document that waits, and is under a workflow, says at which step it is: there it moves on, not here.
        asked = self._under.get(subject.own.id) if result.state != "linked" else None
        return result._replace(message=" ".join(filter(None, (result.message, asked)))) if asked else result

    @cached_property
    def _under(self) -> Mapping[str, str]:
        return {ident: said for shard in self.shards for ident, said in self.sync.noted(self.row.name, shard).under.items()}

    def _by_shard(self, turns: Sequence[Kept[_Row[T]]]) -> Iterator[Iterator[T]]:
        """What the turns have said, by shard and in the order in which the documents were read."""
        groups = groupby(heapq.merge(*turns, key=itemgetter(0)), key=itemgetter(1))
        shard, rows = next(groups, (None, iter(())))
        for wanted in self.shards:
            if wanted == shard:
                yield (row for _, _, row in rows)
                shard, rows = next(groups, (None, iter(())))
            else:
                yield iter(())

    def _named(self, ident: str) -> Remembered:
        """One that was met without an id has one by now and is another record, or went."""
        return Remembered(
            self.row.name, "", "procore", ident, ident, deleted=True, state=None, rule=None, waits_for=None, message=None
        )

    def called(self, entity: str, ident: str) -> str:
        return self.books.name(entity, ident)

    def _unasked(self, heads: Iterable[Head], links: LinkIndex, listed: set[str]) -> dict[str, str]:
        """ERP key -> who it is, of counterparts that nobody looked for: linked since this run read the ERP's list."""
        found = {}
        for own in heads:
            key = counterpart(own, self.row, links, self.sync.namespace)
            if key is not None and key not in listed:
                found[key] = SINCE.format(who=f"{self.row.label} {own.number}", side=CALLED["erp"])
        return found

    def _in_run(self, bad: Invalid) -> bool:
        """The ERP's list is read whole; a run of some projects tells of those."""
        return not self.sync.run.projects or bad.scope in self.sync.run.projects

    def _said(self, subjects: Sequence[Subject], judged_by: Judge) -> Mapping[str, Verdict]:
        records: list[Row] = []
        lines: list[Row] = []
        for subject in subjects:
            said = self.approvals.get(subject.own.id)
            approved = said is not None and said.content_hash == self.hash_of(subject.own)
            ended = self._approval_ended(subject, said) if said is not None and not approved else ""
            head = self.annotated(subject, approved=approved, approval_ended=ended)
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

    def _gone(self, matcher: ProcoreSource, here: set[str]) -> list[Judged]:
        """Linked documents that Procore's lists do not show any more, though they were asked for by id: transfers that went when
        their budget was unlocked, for one."""
        told = []
        missing = {i for shard in self.shards for i in self.sync.noted(self.row.name, shard).missing} - here
        by_id = {link.procore_id: link for link in links_in_run(self.sync, matcher.links)} if missing else {}
        for ident in sorted(missing):
            link = by_id.get(ident) or self._made_from(matcher, ident)
            if link is None:
                continue
            rule = self.row.rule("broken_link")
            target = matcher.by_key.get((link.company, link.erp_key))
            ended = target is None or getattr(target, "status", None) == VOID
            why = f"Procore no longer has it{self.row.destroyed}"
            message = self.broken(link, "procore", why)
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
        for one in matcher.marked(ident):
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
        key = match.link.erp_key if match.link else alike.id if alike else match.marked or translated.natural_key
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
