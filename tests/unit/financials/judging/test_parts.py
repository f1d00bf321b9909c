"""Documents that are born in Procore pass their check in parts: what it holds of them, and that nobody sees where a part ends."""

from __future__ import annotations

import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from include.financials import checks, packed
from include.financials.entities import ENTITIES
from include.financials.gate import Gate
from include.financials.identity import marker
from include.financials.judging import procore_born
from include.financials.judging.check import judge_rows
from include.financials.judging.rules import Finding
from include.financials.ledger.room import chunked
from include.financials.packed import Kept, Packed, pack, unpack
from include.financials.reading import extract, lists
from include.financials.record import Record
from tests.unit.financials.pair import FULL, ONLY, World, change, change_line, commitment, draft, in_procore, line


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Parts of five documents, none of them left open, and no room for lists."""
    monkeypatch.setattr(packed, "OPEN", 0)
    monkeypatch.setattr(procore_born, "chunked", partial(chunked, size=5))
    monkeypatch.setattr(Kept, "PART", 5)
    monkeypatch.setattr(lists, "KEPT_ROWS", 0)
    return monkeypatch


def plant(world: World, count: int, *, known: bool) -> None:
    """Commitments of four lines in Procore; with ``known`` the ERP has them, too, each with its marker."""
    lines = tuple(line(position) for position in range(1, 5))
    own = draft(world, lines=lines)
    for number in range(count):
        named = {"id": str(7_000 + number), "number": f"SC-{number:03}"}
        world.procore.put(own.model_copy(update=named))
        if known:
            of = marker(world.procore.namespace, "commitments", named["id"])
            there = {"company": "01", "marker": of, "status": "open", "id": named["number"]}
            world.erp.put(commitment(named["number"], lines=lines, **there))


def most_held(world: World, count: int, *, known: bool) -> int:
    """Most bytes that Python held at once in a check of so many commitments."""
    plant(world, count, known=known)
    sync = world.sync(params=ONLY)
    extract.extract(sync, "commitments")
    tracemalloc.start()
    try:
        found = checks.check(sync, "commitments", [0])
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.records >= count
    return held


@pytest.mark.parametrize("known", [True, False])
def test_little_is_held_of_each_document(known: bool, linked: World, tmp_path: Path, parts: pytest.MonkeyPatch) -> None:
    """A document as it is read takes some ten thousand bytes, and its facts as much again."""
    worlds = [linked.fork(tmp_path / name) for name in ("warm", "few", "many")]
    most_held(worlds[0], 5, known=known)
    few, many = most_held(worlds[1], 20, known=known), most_held(worlds[2], 60, known=known)
    assert (many - few) / 40 < 6_000
    for world in worlds:
        world.close()


def outcomes(world: World, judged_by: Any = judge_rows) -> list[Any]:
    sync = world.sync(params={"entities": ["commitments", "commitment_change_orders"]})
    told = []
    for name in sync.run.entities:
        extract.extract(sync, name)
        told.append(checks.check(sync, name, [0], judged_by).as_dict())
    rows = world.ledger.outcomes.of(sync.run.run_id)
    seen = [world.ledger.records.each(name, "procore") for name in sync.run.entities]
    return [told, [row._replace(run_id="") for row in rows], [row._replace(read_at=None) for some in seen for row in some]]


def test_nobody_sees_where_a_part_ends(linked: World, tmp_path: Path, parts: pytest.MonkeyPatch) -> None:
    """Numbers that are there twice, and changes of one contract that together take too much, each in another part."""
    plant(linked, 12, known=False)
    draft(linked, "SC-011", id="SC-011 again")
    plant(linked, 1, known=True)
    for number in range(1, 9):
        in_procore(linked, change(f"{number:03}", "SC-000", lines=(change_line(amount="-90.00"),)), commitment="7000")
    whole, apart = linked.fork(tmp_path / "whole"), linked.fork(tmp_path / "apart")
    found = outcomes(apart)
    parts.undo()
    assert found == outcomes(whole)
    states = {row.number: (row.state, row.rule) for row in found[1]}
    assert states["SC-011"] == ("quarantined", "M-10") and states["SC-003"] == ("linked", None)
    assert [states[f"SC-000/{number:03}"][1] for number in range(1, 9)] == [None] * 4 + ["O-04"] * 4
    whole.close()
    apart.close()


def test_a_gate_says_of_parts_what_it_says_of_all(linked: World) -> None:
    linked.erp.capability = {**linked.erp.capability, "commitments": FULL}
    plant(linked, 4, known=False)
    draft(linked, "SC-8", lines=())
    draft(linked, "SC-9", vendor="V-404", lines=(line(), line(2, code="25-104//03")))
    taken: list[tuple[list[Any], list[Any]]] = []

    def caught(entity: str, records: Any, lines: Any) -> list[Finding]:
        taken.append((list(records), list(lines)))
        return judge_rows(entity, records, lines)

    sync = linked.sync(params=ONLY)
    extract.extract(sync, "commitments")
    checks.check(sync, "commitments", [0], caught)
    ((records, lines),) = taken
    known = {records[0]["row"], records[-1]["row"]}
    records = [{**row, "fresh": row["row"] not in known} for row in records]
    lines = [{**row, "fresh": row["row"] not in known} for row in lines]
    whole, apart = (Gate(ENTITIES["commitments"].rules) for _ in range(2))
    at_once = whole("commitments", records, lines)
    found: list[Finding] = []
    for some in (records[:3], records[3:]):
        ids = {row["row"] for row in some}
        found += apart("commitments", some, [row for row in lines if row["row"] in ids])

    def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
        return sorted((one.rule.name, one.id, one.message) for one in findings)

    assert told(found) == told(at_once) and any(one.failed for one in whole.results)
    assert apart.results == whole.results and apart.wrong == whole.wrong
    assert {grain: [*rows] for grain, rows in apart.frames.items()} == {grain: [*rows] for grain, rows in whole.frames.items()}


@pytest.mark.parametrize("room", [0, 7, 1_000])
def test_what_is_packed_comes_out_as_it_was(stocked: tuple[World, World], room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entity's records, whole: with their types, and with what their model makes of them; in the order in which they came,
    with or without room for some that are left open."""
    monkeypatch.setattr(packed, "OPEN", room)
    held, kept = Packed[str, Record](), Kept[Record]()
    records = [one for side in (stocked[1].erp, stocked[1].procore) for group in side.records.values() for one in group]
    for number, record in enumerate(records):
        held[str(number)] = record
        assert unpack(pack(record)) == record and type(held[str(number)]) is type(record)
        again = held[str(number)]
        assert repr(again) == repr(record) and again.model_fields_set == record.model_fields_set
        assert again.model_copy(update={"number": "X"}) == record.model_copy(update={"number": "X"})
    for start in range(0, len(records), 5):
        kept.add(records[start : start + 5])
    assert list(kept) == list(kept) == records and len(kept) == len(held) == len(records)
    assert list(held.values()) == records and "0" in held and "x" not in held and len({one.entity for one in records}) > 15
    held["3"] = records[0]
    del held["0"]
    assert held["3"] == records[0] and list(held) == [str(number) for number in range(1, len(records))]
