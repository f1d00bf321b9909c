"""Days of a backfill, in whatever order and however many at once: the end is that of one run over all of them.

With a real scheduler, day by day: `make backfills`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from include.financials.checks import check
from include.financials.entities import ENTITIES
from include.financials.gate import guard
from include.financials.preflight import preflight
from include.financials.reading.extract import extract
from include.financials.reconciliation import reconcile
from include.financials.writing.engine import load
from sandbox.chaos.picture import Picture, differences, picture
from sandbox.pipeline import opened
from tests.end_to_end.world import State, World, done

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
END = datetime.combine(YESTERDAY, time(5), UTC)
DAYS, WINDOW = 30, timedelta(days=5)
BEGIN = END - timedelta(days=DAYS)
NEWEST_FIRST = [(END - WINDOW * (n + 1), END - WINDOW * n) for n in range(DAYS // WINDOW.days)]


def day(world: World, start: datetime, end: datetime) -> dict[str, Any]:
    return world.quick(kind="backfill", interval=(start, end))


def standing(world: World) -> dict[tuple[str, str, str], tuple[str, str | None]]:
    """The state of every record that has one; what is skipped is nobody's state."""
    rows = world.ledger("SELECT * FROM records WHERE state IS NOT NULL AND state <> 'skipped'")
    return {(row["entity"], row["side"], row["id"]): (row["state"], row["rule"]) for row in rows}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, State, Picture, Any]]:
    """A tiny company as `make up` seeds it, how it began, and what one run over all the days made of it."""
    folder = tmp_path_factory.mktemp("backfills")
    world = World(folder / "world", size="tiny", until=YESTERDAY.isoformat())
    seeded = world.keep(folder / "seeded")
    report = day(world, BEGIN, END)
    assert report["reconciliation"]["balanced"] and sum(row.get("created", 0) for row in done(report).values()) > 5
    yield world, seeded, picture(world.folder), standing(world)
    world.stop()


def test_three_at_once_newest_first(company: tuple[World, State, Picture, Any]) -> None:
    """Each step of all three before the next step of any: none of them sees what the others write before it has planned."""
    world, seeded, wanted, states = company
    world.back_to(seeded)
    for first in range(0, len(NEWEST_FIRST), 3):
        at_once(world, NEWEST_FIRST[first : first + 3])
    assert differences(picture(world.folder), wanted) == []
    writes = world.audit()
    reports = [day(world, *window) for window in NEWEST_FIRST[:2]]
    assert [(done(report), world.writes()) for report in reports] == [({}, []), ({}, [])]
    assert world.audit() == writes and standing(world) == states
    # What the day before has read is not read again: of lists only those by time, and of documents those that are looked at.
    reads = [row["path"].rpartition("/rest/")[2] for row in world.requests() if not row["write"]]
    assert not [path for path in reads if path.endswith(("/vendors", "/cost_codes", "/wbs_codes", "/contract_payments"))]
    assert reports[1]["procore_calls"] < 30


def at_once(world: World, windows: list[tuple[datetime, datetime]]) -> None:
    world.advance(minutes=1)
    with ExitStack() as stack:
        runs = []
        for start, end in windows:
            world.runs += 1
            run = opened(world.info, world.folder, f"at-once-{world.runs}", kind="backfill", interval=(start, end))
            runs.append(stack.enter_context(run))
        for sync in runs:
            preflight(sync)
        for name, row in ENTITIES.items():
            for sync in runs:
                extract(sync, name)
            for sync in runs:
                if row.gate:
                    assert guard(sync, name)[1].passed
                else:
                    check(sync, name, range(1))
            for sync in runs if not row.read_only else ():
                load(sync, name)
        assert reconcile(runs[-1]).balanced


def test_a_cleared_day_is_read_anew(company: tuple[World, State, Picture, Any]) -> None:
    """Somebody has mended something and clears the run: nothing that another day has read is taken for how it is now."""
    world, seeded, _, _ = company
    world.back_to(seeded)
    with opened(world.info, world.folder, "day", kind="backfill", interval=NEWEST_FIRST[0]) as sync:
        sync.lists.snapshot("procore", "tax_codes")
        assert list((sync.staging / "lists").glob("*.json"))
        sync.forget()
        assert not list((sync.staging / "lists").glob("*.json"))
        world.forget_requests()
        sync.lists.snapshot("procore", "tax_codes")
    assert [row["path"] for row in world.requests() if row["path"].endswith("/tax_codes")]
