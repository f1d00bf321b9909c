"""The lists and answers of a run: read once, kept beside the staged pages, and taken from there by every task behind.

Whoever holds the systems (extract, load) reads a list that nobody has read yet. Who judges holds none: what it needs and nobody
has read is an error that names the task which ought to have.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from upath import UPath

from include.financials.entities import ENTITIES
from include.financials.exceptions import StepMissing
from include.financials.ledger import stamp
from include.financials.port import Invalid, Page
from include.financials.reading.parsed import Parsed, rows_of
from include.financials.reading.parts import Parts
from include.financials.reading.staging import Staged, once, private_folder, write_whole
from include.financials.record import Record, Side
from include.financials.run import Run
from include.financials.systems import Shut, Systems

log = logging.getLogger(__name__)

KEPT_ROWS = 30_000
"""Rows (records and their lines, of all lists together) that a task keeps parsed, about 30 MB. What does not fit is parsed again
when it is asked for."""

Wanted = Sequence[tuple[str | None, str]]
"""(scope, own-side id) of records that are asked for by id."""


class Reader(Protocol):
    """What a task tells of itself (``view.Sync``)."""

    run: Run
    systems: Systems | Shut

    @property
    def judged(self) -> str | None: ...

    @property
    def folder(self) -> UPath: ...

    def read_scopes(self, side: Side, entity: str, shard: int) -> list[str] | None: ...

    def of_erp(self, records: Iterable[Record]) -> list[Record]: ...

    def unreadable_of_erp(self, unreadable: Iterable[Invalid]) -> list[Invalid]: ...


def marked(staged: Staged, unreadable: Iterable[Invalid], wanted: Collection[str]) -> Page:
    """What was read of Procore and has one of these ids or external ids; of others nothing is parsed."""
    there = wanted and any(ident in wanted or origin in wanted for ident, origin in staged.marks())
    found = [one for one in staged.records() if one.id in wanted or one.origin_id in wanted] if there else []
    return Page(found, [one for one in unreadable if one.id in wanted or one.shown.get("origin_id") in wanted])


class Lists:
    """What one task has parsed of the lists of its run. ``parsed`` may be shared with another view of the same run."""

    def __init__(self, sync: Reader, parsed: Parsed | None = None) -> None:
        self.sync = sync
        self.parsed = Parsed(KEPT_ROWS) if parsed is None else parsed
        self._places: dict[tuple[Side, str], UPath] = {}
        self._folders: dict[tuple[Side, str, str], Staged] = {}
        self._asked: dict[tuple[str, int, Side, str], tuple[Staged, UPath]] = {}
        """Where lists and answers lie, never what lies there: many ask, and to join a path takes long."""

    # -- lists ----------------------------------------------------------------------------------------------------------------

    def snapshot(self, side: Side, entity: str, shard: int = 0) -> list[Record]:
        """All records of an entity as ``side`` had them when this run read its list."""
        return [*self._both(side, entity, shard)[0]]

    def rows(self, side: Side, entity: str, shard: int = 0) -> Iterator[Record]:
        """The same one by one, for who needs a few of them: what is not parsed yet is parsed only as far as it is asked for."""
        held = self.parsed.get((side, entity, shard))
        for record in held[0] if held is not None else self._staged(side, entity, shard).rows():
            yield from self.sync.of_erp([record]) if side == "erp" and held is None else (record,)

    def each(self, side: Side, entity: str, shard: int = 0) -> Iterator[Record]:
        """The same one by one, each as read last: of a list that is too long to be kept no more than a page is held, and it is
        parsed anew for everyone who asks."""
        if self.parsed.get((side, entity, shard)) is None and self._long(staged := self._staged(side, entity, shard)):
            for record in staged.each():
                yield from self.sync.of_erp([record]) if side == "erp" else (record,)
        else:
            yield from self._both(side, entity, shard)[0]

    def keys(self, side: Side, entity: str, shard: int = 0) -> set[tuple[str, str]]:
        """(company, id) of the same; a list that is too long to be kept is not parsed for it."""
        if self.parsed.get((side, entity, shard)) is None and self._long(staged := self._staged(side, entity, shard)):
            return set(staged.keys())
        return {(record.company or "", record.id) for record in self.each(side, entity, shard)}

    def taken(self, side: Side, entity: str, shard: int = 0) -> Iterator[Record]:
        """The same for the last time: each is let go of when it is taken. Who asks again has the list parsed anew."""
        held = self.parsed.get((side, entity, shard))
        if held is None:
            for record in self._staged(side, entity, shard).each():
                yield from self.sync.of_erp([record]) if side == "erp" else (record,)
            return
        left = held[0][::-1]
        del held
        self.let_go(side, entity, shard)
        while left:
            yield left.pop()

    def let_go(self, side: Side, entity: str, shard: int) -> None:
        """Nobody is about to ask for a list again; who does all the same has it parsed anew."""
        self.parsed.drop((side, entity, shard))

    def unreadable(self, side: Side, entity: str, shard: int = 0) -> list[Invalid]:
        """Records of a list that do not fit their model: they exist, and must not be taken for gone."""
        return [*self._bad(side, entity, shard)]

    def _bad(self, side: Side, entity: str, shard: int) -> list[Invalid]:
        place = (side, entity, shard)
        held = self.parsed.get(place)
        if held is None:
            staged = self._staged(side, entity, shard)
            held = self.parsed.get(place)  # read just now
        if held is not None:
            return held[1]
        # Not for their sake a whole list.
        return self.sync.unreadable_of_erp(staged.invalid()) if side == "erp" else list(staged.invalid())

    def _both(self, side: Side, entity: str, shard: int) -> tuple[list[Record], list[Invalid]]:
        place = (side, entity, shard)
        if (held := self.parsed.get(place)) is not None:
            return held
        staged, erp = self._staged(side, entity, shard), side == "erp"
        if (held := self.parsed.get(place)) is not None:  # read just now
            return held
        records = self.sync.of_erp(staged.records()) if erp else list(staged.records())
        unreadable = self.sync.unreadable_of_erp(staged.invalid()) if erp else list(staged.invalid())
        self.parsed.keep(place, records, unreadable)
        return records, unreadable

    def shards_of(self, entity: str) -> range:
        row = ENTITIES.get(entity)
        return range(self.sync.run.shards if row is not None and row.project_scoped else 1)

    def everywhere(self, side: Side, entity: str) -> Iterator[Record]:
        """The list of all shards, one by one: of a list that is too long to be kept no more than a page is held."""
        for shard in self.shards_of(entity):
            yield from self.each(side, entity, shard)

    def _long(self, staged: Staged) -> bool:
        return staged.state().records > self.parsed.room

    def several(self, side: Side, entity: str) -> frozenset[tuple[str, str]]:
        """(company, id) of what more than one shard shows: it moved to another job while the lists were read."""
        shards = self.shards_of(entity)
        if len(shards) == 1:
            return frozenset()
        every = [self._staged(side, entity, shard) for shard in shards]
        # Of all keys at once no more than a number each.
        marks = sorted(hash(key) for staged in every for key in set(staged.keys()))
        alike = {mark for mark, after in pairwise(marks) if mark == after}
        count = Counter(key for staged in every if alike for key in set(staged.keys()) if hash(key) in alike)
        return frozenset(key for key, times in count.items() if times > 1)

    def others(self, side: Side, entity: str, shard: int) -> list[int]:
        """The other shards, as far as their lists are read."""
        return [one for one in self.shards_of(entity) if one != shard and self.has_snapshot(side, entity, one)]

    def elsewhere(
        self, side: Side, entity: str, shard: int, keys: Iterable[tuple[str, str]], *, readable: bool = False
    ) -> set[tuple[str, str]]:
        """Which of these, (company, id), the list of another shard shows; ``readable``: of those only that can be read."""
        wanted, found = set(keys), set[tuple[str, str]]()
        for other in self.others(side, entity, shard) if wanted else ():
            found |= wanted & set(self._staged(side, entity, other).keys())
            if not readable:
                found |= wanted & {(bad.company or "", bad.id) for bad in self._bad(side, entity, other)}
        return found

    def marked(self, entity: str, shard: int, wanted: Collection[str]) -> Page:
        """What Procore's list of a shard shows by one of these ids or external ids; of others nothing is parsed."""
        return marked(self._staged("procore", entity, shard), self._bad("procore", entity, shard) if wanted else [], wanted)

    def unreadable_everywhere(self, side: Side, entity: str) -> Iterator[Invalid]:
        for shard in self.shards_of(entity):
            yield from self._bad(side, entity, shard)

    def names(self, entity: str) -> dict[str, str] | None:
        """What people call Procore's records of an entity, by id; None where this run has not read its list whole: an extract
        reads it where a name is asked for that nothing is linked to, and the ledger remembers the others."""
        row = ENTITIES[entity]
        if not row.listed or not all(self.has_snapshot("procore", entity, shard) for shard in self.shards_of(entity)):
            return None
        return {one.id: getattr(one, row.named_by) for one in self.everywhere("procore", entity)}

    def has_snapshot(self, side: Side, entity: str, shard: int = 0) -> bool:
        """Whether this run has read that list."""
        return bool((self._place(side, entity) / f"shard-{shard}.json").exists())

    def need(self, side: Side, entity: str, shard: int = 0) -> None:
        """Read a list that this run has not read yet; nothing is parsed."""
        self._staged(side, entity, shard)

    def spoil(self, side: Side, entity: str, shard: int) -> None:
        """This run is about to change what that list shows: nothing may be compared with it before :meth:`reread`."""
        self.parsed.drop((side, entity, shard))
        if self.has_snapshot(side, entity, shard):
            private_folder(self._place(side, entity))
            write_whole(self._place(side, entity) / f"spoilt-{shard}.json", "{}")

    def spoilt(self, side: Side, entity: str, shard: int) -> bool:
        return bool((self._place(side, entity) / f"spoilt-{shard}.json").exists())

    def reread(self, side: Side, entity: str, shard: int) -> None:
        """Read a list again that this run has changed; whoever looks at it meanwhile finds the old one."""
        place, name, at = self._place(side, entity), f"shard-{shard}-{uuid.uuid4().hex}", stamp()
        fresh = self._read_all(side, entity, shard, Staged(place / name, entity))
        self.parsed.drop((side, entity, shard))
        self._keep(side, entity, shard, fresh)
        write_whole(place / f"shard-{shard}.json", json.dumps({"folder": name, "read_at": at}))
        (place / f"spoilt-{shard}.json").unlink(missing_ok=True)

    def look_again(self, side: Side, written: Iterable[tuple[str, str]]) -> None:
        """Read lists again to which a run beside this one wrote since; ``written``: each list and when (a stamp)."""
        for entity, at in written:
            for shard in self.shards_of(entity):
                note = self._place(side, entity) / f"shard-{shard}.json"
                if self.spoilt(side, entity, shard):
                    continue  # by this run itself: its load reads it again, or is to be cleared
                if note.exists() and json.loads(note.read_text(encoding="utf-8"))["read_at"] <= at:
                    log.info("reading all %s of %s again: another run has written there since", entity, side)
                    self.reread(side, entity, shard)

    def _place(self, side: Side, entity: str) -> UPath:
        if (found := self._places.get((side, entity))) is None:
            found = self._places[side, entity] = self.sync.folder / f"snapshots/{side}/{entity}"
        return found

    def _staged(self, side: Side, entity: str, shard: int) -> Staged:
        """Two tasks may want the same list at the same time: each reads into a folder of its own, the first whole one counts."""
        place = self._place(side, entity)
        chosen = place / f"shard-{shard}.json"
        if not chosen.exists():
            if self.sync.judged is not None:
                reads = entity if entity in self.sync.run.entities else self.sync.judged
                raise StepMissing(
                    f"{self.sync.judged.replace('_', ' ')}: no task of this run has read the {entity} of {side} (shard {shard}). "
                    f"Clear extract_{reads} and what follows."
                )
            name, at = f"shard-{shard}-{uuid.uuid4().hex}", stamp()
            staged = Staged(place / name, entity)
            if (left := self._left(place, shard)) is not None:
                staged.go_on_from(Staged(place / left["folder"], entity))
                at = left["read_at"]  # a list is as old as its first page
            try:
                fresh = self._read_all(side, entity, shard, staged)
            except BaseException:
                if staged.state().pages:
                    told = json.dumps({"folder": name, "read_at": at})
                    write_whole(place / f"left-{shard}-{uuid.uuid4().hex}.json", told)
                raise
            if not chosen.exists():
                write_whole(chosen, json.dumps({"folder": name, "read_at": at}))
                self._keep(side, entity, shard, fresh)
        name = json.loads(chosen.read_text(encoding="utf-8"))["folder"]
        if (found := self._folders.get((side, entity, name))) is None:
            found = self._folders[side, entity, name] = Staged(place / name, entity)
        return found

    def _keep(self, side: Side, entity: str, shard: int, fresh: Page | None) -> None:
        """What was read just now need not be parsed again."""
        if fresh is not None:
            records, unreadable = fresh.records, fresh.invalid
            if side == "erp":
                records, unreadable = self.sync.of_erp(records), self.sync.unreadable_of_erp(unreadable)
            self.parsed.keep((side, entity, shard), records, unreadable)

    @staticmethod
    def _left(place: UPath, shard: int) -> dict[str, str] | None:
        """The folder of a read that ended before its list did (a limit, a lost connection), and when it was begun: whoever comes
        first goes on at its cursor, so that a list ends however few calls an hour allows. Renaming the note takes it: there is
        one taker, or two where the storage copies and removes, and each goes on in a folder of its own."""
        for note in sorted(place.glob(f"left-{shard}-*.json")) if place.exists() else ():
            taken = place / f"taken-{uuid.uuid4().hex}.json"
            try:
                note.rename(taken)
            except FileNotFoundError:
                continue
            return dict(json.loads(taken.read_text(encoding="utf-8")))
        return None

    def _read_all(self, side: Side, entity: str, shard: int, staged: Staged) -> Page | None:
        """All of it as one page, if it was read at one go and is not too long to be kept."""
        scopes = self.sync.read_scopes(side, entity, shard)
        state, read = staged.state(), Page([])
        kept, rows = not state.pages, 0
        if (scopes is None or scopes) and (not state.pages or state.cursor is not None):
            with Parts(staged, whole=True) as parts:
                for page in self.sync.systems[side].read(entity, scopes=scopes, cursor=state.cursor):
                    parts.add(page)
                    rows += rows_of(page.records)
                    kept = kept and rows <= self.parsed.room
                    if kept:
                        read.records += page.records
                        read.invalid += page.invalid
                    else:
                        read = Page([])
        else:
            staged.complete()
        state = staged.state()
        log.info("read all %s of %s: %d records, %d of them not usable", entity, side, state.records, state.invalid)
        return once(read) if kept else None

    # -- answers --------------------------------------------------------------------------------------------------------------

    def ask(self, asker: str, shard: int, side: Side, entity: str, wanted: Wanted) -> Page:
        """Ask for records that a list ought to have shown, by (scope, id): a list may miss a row (one was deleted between two of
        its pages), or hide one. What the answer does not name at all is gone. Kept for the check of ``asker``, in that shard."""
        answers, noted = self._answers(asker, shard, side, entity)
        known = set(_asked(noted))
        fresh = [pair for pair in dict.fromkeys(wanted) if pair[1] not in known]
        if fresh:
            log.info("%d %s are not in %s's list; asking for them by id", len(fresh), entity, side)
            told = {one.id for one in answers.page().shown}
            for page in self.sync.systems[side].read_ids(entity, [pair for pair in fresh if pair[1] not in told]):
                answers.add(page, last=False)
            answers.complete()
            write_whole(noted, json.dumps(sorted(known | {ident for _, ident in fresh})))
        return self._page(answers, side)

    def answer(self, asker: str, shards: Sequence[int], side: Side, entity: str) -> tuple[Page, set[str]]:
        """What became of the questions of an extract: the answer, and the ids that were asked for."""
        found, asked = Page([]), set()
        for shard in shards:
            answers, noted = self._answers(asker, shard, side, entity)
            asked |= set(_asked(noted))
            if answers.state().pages:
                page = self._page(answers, side)
                found.records += page.records
                found.invalid += page.invalid
                found.hidden += page.hidden
        return found, asked

    def _answers(self, asker: str, shard: int, side: Side, entity: str) -> tuple[Staged, UPath]:
        asked = (asker, shard, side, entity)
        if (found := self._asked.get(asked)) is None:
            place = self.sync.folder / f"answers/{asker}/shard-{shard}/{side}-{entity}"
            found = self._asked[asked] = (Staged(place, entity), place.with_name(f"{place.name}.json"))
        return found

    def _page(self, answers: Staged, side: Side) -> Page:
        page = answers.page()
        if side == "erp":
            page.records, page.invalid = self.sync.of_erp(page.records), self.sync.unreadable_of_erp(page.invalid)
        return page

    # -- again ----------------------------------------------------------------------------------------------------------------

    def forget(self, entity: str = "*", shard: int | str = "*") -> None:
        """What this run has read of an entity's shard (of all of them) is read again: somebody cleared the task, perhaps days
        later, and what it read then is no more how things are."""
        self.parsed.clear()
        folder = self.sync.folder
        for note in (
            f"{entity}/shard-{shard}/manifest.json",
            f"{entity}/extract-{shard}.json",
            f"answers/{entity}/shard-{shard}/*.json",
            f"answers/{entity}/shard-{shard}/*/manifest.json",
            f"snapshots/*/{entity}/shard-{shard}.json",
            f"snapshots/*/{entity}/left-{shard}-*.json",
        ):
            for path in list(folder.glob(note)) if folder.exists() else ():
                path.unlink(missing_ok=True)


def _asked(noted: UPath) -> list[str]:
    return list(json.loads(noted.read_text(encoding="utf-8"))) if noted.exists() else []
