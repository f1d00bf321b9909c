"""Extract: all that an entity's check will look at, from both sides, page by page into the staging area.

Of an entity that the ERP owns both lists are read whole; which of its records lie in the window is noted. Of one that is born in
Procore the records of the window are read, and the ERP's list whole. Then come the questions that only both lists together raise
(:mod:`include.financials.reading.questions`). A try that ends early (a limit, a lost connection) is taken up at its cursor.

What is open is always taken up again: records that stopped are read anew by id (their cause may be gone), and so are those whose
change lies in the window although our own write has moved their ``updated_at`` since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.exceptions import ConfigurationError
from include.financials.existence import contracts_of
from include.financials.ledger import Link, LinkIndex, key_of, stamp
from include.financials.port import CALLED, NO_ID, UNSEEN, Invalid, Page, Window
from include.financials.reading import chosen, questions
from include.financials.reading.asked import Memory, ask_what_is_asked, note_steps
from include.financials.reading.parts import Parts
from include.financials.reading.staging import Noted
from include.financials.record import PROJECTS, SUB_JOBS, Record, Side
from include.financials.view import Sync

log = logging.getLogger(__name__)

_ALL_READ: dict[str, Any] = {"read": "all"}
"""The cursor after a list's last page: what is still to be read is read by id, a later try does not begin the list again."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Summary of an extract; ``since`` and ``until`` as ISO text (UTC), ``path`` where the pages are."""

    entity: str
    shard: int
    since: str | None
    until: str
    records: int
    invalid: int
    path: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def extract(sync: Sync, entity: str, shard: int = 0) -> Extracted:
    row = ENTITIES[entity]
    if unmapped := sync.missing("erp", entity):  # an empty list would read as: all of them are gone
        raise ConfigurationError(unmapped)
    if not sync.noted(entity, shard).complete:
        window = sync.run.window(sync.ledger, row.source, entity, timedelta(minutes=sync.settings.overlap_minutes))
        for side, other in questions.lists_beside(sync, row):
            if shard == 0 or (ENTITIES[other].project_scoped if other in ENTITIES else False):
                sync.lists.need(side, other, shard)
        _read_elsewhere(sync, row, shard)
        one = _ErpBorn(sync, row, shard, window) if row.source == "erp" else _ProcoreBorn(sync, row, shard, window)
        records, invalid = one.run()
        noted = replace(_begun(sync, entity, shard, one.window), records=records, invalid=invalid, complete=True)
        sync.note(entity, shard, noted)
    noted = sync.noted(entity, shard)
    log.info(
        "extracted %d %s of %s changed since %s (%d not usable)",
        noted.records, entity, row.source, noted.since or "ever", noted.invalid,
    )  # fmt: skip
    place = sync.staged(entity, shard).path if row.source == "procore" else sync.folder / "snapshots" / "erp" / entity
    return Extracted(entity, shard, noted.since, noted.until, noted.records, noted.invalid, str(place))


def _begun(sync: Sync, entity: str, shard: int, window: Window) -> Noted:
    """What is noted so far, and the window."""
    return replace(sync.noted(entity, shard), since=stamp(window.since) if window.since else None, until=stamp(window.until))


def answered(sync: Sync, entity: str, shard: int) -> Page:
    """What the ERP said of records that its list of this shard does not show. One that moved to a job of another shard is that
    one's to judge, whose list shows it."""
    answer, _ = sync.lists.answer(entity, [shard], "erp", entity)
    theirs = sync.lists.elsewhere("erp", entity, shard, ((one.company or "", one.id) for one in answer.shown))
    records = [one for one in answer.records if (one.company or "", one.id) not in theirs]
    return Page(records, [bad for bad in answer.invalid if (bad.company or "", bad.id) not in theirs], hidden=answer.hidden)


def _read_elsewhere(sync: Sync, row: Entity, shard: int) -> None:
    if not row.project_scoped or shard != 0 or row.read_only:
        return
    listed = {job.id for job in sync.lists.snapshot("erp", PROJECTS)}
    known = {bad.id for bad in sync.lists.unreadable("erp", PROJECTS)} | {key for _, key in sync.links(PROJECTS).by_erp}
    places: dict[Side, list[str]] = {"erp": sorted(known - listed), "procore": sync.passed_over(row)}
    for side, scopes in places.items():
        staged = chosen.elsewhere(sync, side, row.name)
        if scopes and not staged.state().complete:
            for page in sync.systems[side].read(row.name, scopes=scopes, cursor=staged.state().cursor):
                staged.add(page)


class _ErpBorn:
    """Both lists whole: neither side's time tells what the other has to say of a record."""

    def __init__(self, sync: Sync, row: Entity, shard: int, window: Window) -> None:
        self.sync, self.row, self.shard, self.window = sync, row, shard, window
        self.name = row.name

    def run(self) -> tuple[int, int]:
        sync, shard = self.sync, self.shard
        here = sync.lists.keys("erp", self.name, shard)
        bad = sync.lists.unreadable("erp", self.name, shard)
        listed = {one.id for one in sync.lists.unreadable("procore", self.name, shard)}
        unlinked, in_sub_jobs = questions.Unlinked(sync, self.row), False
        for record in sync.lists.each("procore", self.name, shard):
            listed.add(record.id)
            unlinked.take(record)
            in_sub_jobs = in_sub_jobs or bool(getattr(record, "sub_job", None))
        links = sync.shard_links(self.name, shard, here, listed)
        for name in questions.made_on(sync, self.row) if here - links.by_erp.keys() else ():
            _everywhere(sync, "erp", name)
        waiting = chosen.waiting(sync, self.name, shard, self.window, here)
        sync.note(self.name, shard, replace(_begun(sync, self.name, shard, self.window), waiting=tuple(waiting)))
        self._ask(links, here, listed, [(scope, key[1]) for key, scope in waiting.items() if key not in here])
        for name in unlinked.lists():  # names of what Procore's records refer to and nothing is linked to
            _everywhere(sync, "procore", name)
        if in_sub_jobs:
            _everywhere(sync, "procore", SUB_JOBS)
        looked = chosen.in_window(sync, self.name, shard)
        found = sum(map(looked, sync.lists.each("erp", self.name, shard)))
        return found + sum(map(looked.waits, answered(sync, self.name, shard).records)), len(bad)

    def _ask(self, links: LinkIndex, here: set[tuple[str, str]], listed: set[str], missing: Sequence[questions.Asked]) -> None:
        """Where linked records are that a list does not show."""
        sync, row, shard = self.sync, self.row, self.shard
        gone = [] if sync.run.documents else questions.not_in_erp(sync, row, shard, links, here)
        wanted = [*missing, *((None, link.erp_key) for link in gone)]
        if wanted:
            sync.lists.ask(self.name, shard, "erp", self.name, wanted)
        if row.two_way:
            lost = questions.budgets_lost(sync, row, shard, links, here, listed)
            for side, pairs in lost.items():
                if pairs:
                    sync.lists.ask(self.name, shard, side, self.name, pairs)
            return
        wanted = questions.not_in_procore(sync, row, shard, links, listed, here)
        if wanted:
            answer = sync.lists.ask(self.name, shard, "procore", self.name, wanted)
            told = {one.id for one in answer.shown} | {*answer.hidden}
            ask_contracts(sync, row, shard, links.by_procore, [ident for _, ident in wanted if ident not in told])


class _ProcoreBorn:
    """The window's records page by page, then the ERP's list, then what only both together ask."""

    def __init__(self, sync: Sync, row: Entity, shard: int, window: Window) -> None:
        self.sync, self.row, self.shard, self.name = sync, row.kept(sync.kept_by_erp(row.name)), shard, row.name
        self.system = sync.systems["procore"]
        self.by_numbers = bool(sync.run.documents) and self.system.capabilities()[row.name].lists_all
        # Chosen documents are found by their numbers, which the list shows; no others are looked at.
        self.window = Window(window.until, window.until) if self.by_numbers else window
        self.staged = sync.staged(row.name, shard)
        self.scopes = sync.scopes("procore", row.name, shard)
        self.known: Memory = sync.ledger.records.seen(row.name, "procore", figures=False)
        self.links = sync.fresh_links(row.name, contents=False)
        self.read: set[str] = set()
        """Ids of what was read, usable or not."""
        self.bad: set[str] = set()
        self.keys: dict[str, None] = {}
        """ERP keys of counterparts."""
        self.odd: dict[str, str | None] = {}
        """Project of commitments, by id, whose lines do not make their sum."""
        self.before: list[questions.Asked] = []
        """Predecessors."""
        self.listed: set[str] | None = None
        """Ids that the list showed, whatever their time; None: this try did not read it from its beginning."""
        self.asked: dict[str, set[str]] = {}
        """Documents that may have to wait, by project."""
        self.unlinked = questions.Unlinked(sync, self.row)

    def run(self) -> tuple[int, int]:
        for record in self.staged.records():  # of a try that ended early
            self._take(record)
        self.bad |= {bad.id for bad in self.staged.invalid()}
        self.read |= self.bad
        if not self.sync.noted(self.name, self.shard).source and (self.scopes is None or self.scopes):
            self._source()
        if not self.row.read_only:
            self._both_sides()
        self.staged.complete()
        for name in self.unlinked.lists():
            _everywhere(self.sync, "procore", name)
        for name, wanted in self.unlinked.nameless():
            if wanted:
                self.sync.lists.ask(self.name, self.shard, "procore", name, wanted)
        note_steps(self.sync, self.row, self.shard, self.asked)
        return len(self.read - self.bad), len(self.bad)

    def _take(self, record: Record) -> None:
        own: Any = record
        self.read.add(own.id)
        self.bad.discard(own.id)
        if (key := questions.counterpart(own, self.row, self.links, self.sync.namespace)) is not None:
            self.keys[key] = None
        if questions.adds_up(self.row, own):
            self.odd.pop(own.id, None)
        else:
            self.odd[own.id] = own.project
        if self.row.sequence is not None and own.previous is not None:
            self.before.append((own.project, own.previous))
        self.unlinked.take(own)
        if self.sync.settings.workflow.shown == "on" and questions.may_wait(self.sync, self.row, own, self.links, self.known):
            self.asked.setdefault(own.project, set()).add(own.id)

    def _stage(self, page: Page) -> None:
        self.staged.add(replace(page, cursor=_ALL_READ), last=False)
        self._taken(page)

    def _taken(self, page: Page) -> None:
        for record in page.records:
            self._take(record)
        self.bad |= {bad.id for bad in page.invalid} - {record.id for record in page.records}
        self.read |= self.bad

    def _by_id(self, wanted: Sequence[questions.Asked]) -> None:
        for page in self.system.read_ids(self.name, wanted):
            bad = [self._unseen(ident) for ident in page.hidden if key_of("procore", "", ident) in self.known]
            self._stage(replace(page, invalid=[*page.invalid, *bad]))

    # -- the source -----------------------------------------------------------------------------------------------------------

    def _source(self) -> None:
        sync, run, known, cursor = self.sync, self.sync.run, self.known, self.staged.state().cursor
        asked = ask_what_is_asked(sync, self.name, self.shard, self.scopes, known)
        wanted = [key for key, one in known.items() if chosen.wanted(one, self.window) and run.wants(one.number)]
        listed: set[str] = set()
        unnamed = chosen.nameless(run, known, self.scopes)
        filtered = not self.system.capabilities()[self.name].lists_all
        window = Window(None, self.window.until) if unnamed and filtered else self.window
        beside = chosen.also(known, wanted, sync.namespace, {one.scope for one in unnamed})
        also = chosen.listed(chosen.named(sync) if run.documents else beside, listed)
        if cursor != _ALL_READ:
            with Parts(self.staged) as parts:
                for page in self.system.read(self.name, window=window, scopes=self.scopes, cursor=cursor, also=also):
                    parts.add(replace(page, cursor=page.cursor or _ALL_READ))
                    self._taken(page)
                    log.info("%s: %d read so far", self.name, len(self.read))
        missing: list[questions.Asked] = [
            (known[key].scope, key[1])
            for key in wanted
            if key[1] not in self.read and chosen.in_scope(known[key], self.scopes) and not key[1].startswith(NO_ID)
        ]
        # A try that went on at a cursor did not see the whole list.
        self.listed = self.read | listed if cursor is None else None
        unlisted = self._unlisted(self.listed) if self.listed is not None else []
        missing += [pair for pair in (*unlisted, *asked) if pair not in missing and pair[1] not in self.read]
        if missing:
            log.info("reading %d %s again that wait, were stopped or changed in the window", len(missing), self.name)
            self._by_id(missing)
        lost = [ident for _, ident in unlisted if ident not in self.read]
        closed = ask_contracts(sync, self.row, self.shard, sync.agreed(self.name, lost), lost)
        unseen = [self._unseen(ident) for ident in closed if key_of("procore", "", ident) in known]
        if unseen:
            self._stage(Page([], unseen))
        missed = tuple(sorted(ident for ident in lost if ident not in closed))
        # What had no id has one by now, or went: of a project that was closed, or looked at by two tries, nothing is known.
        named = [one.id for one in unnamed if cursor is None and one.id not in self.bad and one.scope not in self.bad]
        sync.note(self.name, self.shard, replace(sync.noted(self.name, self.shard), missing=missed, named=tuple(named)))
        if self.row.sequence is not None:
            self._predecessors()
        sync.note(self.name, self.shard, replace(sync.noted(self.name, self.shard), source=True))

    def _unlisted(self, shown: set[str]) -> list[tuple[str, str]]:
        """Linked documents of these projects that no list shows: asked for by id before anything is said of them. A list that was
        filtered by time is looked through once more, for ids alone; a backfill looks at nothing but its interval."""
        sync, capability = self.sync, self.system.capabilities().get(self.name)
        if not self.row.document or capability is None:
            return []
        filtered = self.window.since is not None and not capability.lists_all
        if filtered and sync.run.kind == "backfill":
            return []
        projects = {(link.company, link.erp_key): link.procore_id for link in sync.links(PROJECTS).by_erp.values()}
        found = []
        for link in self.links.by_procore.values():
            place = projects.get((link.company, link.scope or ""))
            if link.status == "active" and link.procore_id not in shown and place is not None and place in (self.scopes or ()):
                found.append((place, link.procore_id))
        if filtered and found:
            there = set(self.system.keys(self.name, sorted({place for place, _ in found})))
            found = [(place, ident) for place, ident in found if ident not in there]
        return found

    def _unseen(self, ident: str) -> Invalid:
        """A record that waits, and that its side does not show us any more: it may be private, and is not lost for that."""
        known, message = self.known[key_of("procore", "", ident)], UNSEEN.format(side=CALLED["procore"])
        return Invalid(self.name, known.id, known.number, "record", message, known.scope, behind=self.name)

    def _predecessors(self) -> None:
        """Predecessors that no run has read yet (a first backfill of some weeks): by id, as far back as they go. Without them
        nobody knows what was billed before, and no running total of their contract can be compared."""
        asked = {ident for _, ident in self.known} | self.read
        while missing := [pair for pair in dict.fromkeys(self.before) if pair[1] not in asked]:
            log.info("reading %d %s by id that come before those of the window", len(missing), self.name)
            asked |= {ident for _, ident in missing}
            self.before.clear()
            self._by_id(missing)

    # -- both sides -----------------------------------------------------------------------------------------------------------

    def _both_sides(self) -> None:
        self.sync.lists.need("erp", self.name, self.shard)
        if self.scopes is None or self.scopes:
            self._moved()
            self._orphans()
            self._odd()

    def _moved(self) -> None:
        """Counterparts that the ERP's list does not show are asked for by their key; linked documents outside the window are read
        whose counterpart ended, or changed."""
        sync, listed = self.sync, self.sync.lists.snapshot("erp", self.name, self.shard)
        here = {record.id for record in listed} | {bad.id for bad in sync.lists.unreadable("erp", self.name, self.shard)}
        links = questions.links_in_run(sync, self.links, self.shard)
        # Whether the window has the document or not: a list that misses a row does not tell that it is gone.
        keys = dict.fromkeys([*self.keys, *(link.erp_key for link in links)])
        if wanted := [(None, key) for key in keys if key not in here]:
            listed = [*listed, *sync.lists.ask(self.name, self.shard, "erp", self.name, wanted).records]
        targets = {(record.company or "", record.id): record for record in listed}
        idents = [link.procore_id for link in links if link.procore_id not in self.read]
        agreed = sync.agreed(self.name, idents)
        standing = [agreed[ident] for ident in idents if ident in agreed]
        moved = [link for link in standing if questions.moved_in_erp(self.row, link, targets, self.known)]
        if moved:
            log.info("reading %d %s again that changed in the ERP after they were linked", len(moved), self.name)
            places = {link.erp_key: link.procore_id for link in sync.links(PROJECTS).by_erp.values()}
            for page in self.system.read_ids(self.name, [(places.get(link.scope or ""), link.procore_id) for link in moved]):
                self._stage(Page(page.records))

    def _orphans(self) -> None:
        """What documents of the ERP were made from, and nothing tells of: gone from Procore where their id is unknown there."""
        sync, lists_all = self.sync, self.system.capabilities()[self.name].lists_all
        if not self.row.document or self.by_numbers or (sync.run.kind == "backfill" and not lists_all):
            return
        made = questions.made_from(sync, self.row, self.shard, self.links)
        found = {i: place for i, (place, _) in made.items() if i not in self.read and place in (self.scopes or ())}
        missing = found.keys() - (self.listed if lists_all and self.listed is not None else set())
        if missing and not (lists_all and self.listed is not None):
            missing -= {*self.system.keys(self.name, sorted({found[ident] for ident in missing}))}
        if not missing:
            return
        log.info("asking for %d %s that documents of the ERP were made from", len(missing), self.name)
        hidden: set[str] = set()
        for page in self.system.read_ids(self.name, [(found[ident], ident) for ident in sorted(missing)]):
            hidden |= {*page.hidden}
            self._stage(Page(page.records, page.invalid))
        noted = sync.noted(self.name, self.shard)
        lost = missing - self.read - hidden
        lost -= ask_contracts(sync, self.row, self.shard, {ident: link for ident, (_, link) in made.items()}, lost)
        sync.note(self.name, self.shard, replace(noted, missing=tuple(sorted({*noted.missing, *lost}))))

    def _odd(self) -> None:
        """Lines that do not add up may be lines that we did not get: those documents are read once more (rule M-09)."""
        if self.odd:
            log.info("reading %d %s again whose lines do not add up to their contract sum", len(self.odd), self.name)
            for page in self.system.read_ids(self.name, [(project, ident) for ident, project in self.odd.items()]):
                self._stage(Page(page.records))


def ask_contracts(sync: Sync, row: Entity, shard: int, links: Mapping[str, Link], lost: Iterable[str]) -> set[str]:
    """Procore ids of those of these linked documents whose contract is not shown to us."""
    of = contracts_of(sync, row.name, [links[ident] for ident in lost if ident in links])
    wanted = questions.contract_places(sync, of.values())
    if not wanted:
        return set()
    contract = next(iter(of.values())).entity
    hidden = sync.lists.ask(row.name, shard, "procore", contract, wanted).hidden
    return {ident for ident, link in of.items() if link.procore_id in hidden}


def _everywhere(sync: Sync, side: Side, entity: str) -> None:
    for shard in sync.lists.shards_of(entity):
        sync.lists.need(side, entity, shard)
