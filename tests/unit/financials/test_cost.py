"""What a run is expected to cost: as runs like it did, else by the lists of the projects that are known."""

from __future__ import annotations

from typing import Any

import pytest

from include.financials.cost import alike, lists
from include.financials.ledger import Ledger
from include.financials.run import Kind, Run
from tests.unit.financials.test_run import start


def ended(ledger: Ledger, run_id: str, kind: Kind, calls: int, status: str = "success", **params: Any) -> Run:
    run = start(ledger, kind, run_id, **params)
    ledger.runs.count_traffic(run_id, "extract", calls, 2)
    ledger.runs.finish(run_id, status)
    return run


def test_a_run_is_like_those_of_its_kind_over_the_same_records(ledger: Ledger) -> None:
    for number in range(7):
        ended(ledger, f"day-{number}", "backfill", 10 + number, since=f"2026-07-0{number + 1}")
    ended(ledger, "failed", "backfill", 1, "failed")
    ended(ledger, "nightly", "scheduled", 100)
    ended(ledger, "vendors", "backfill", 3, entities=["vendors"])
    ended(ledger, "one job", "backfill", 5, projects=["25-104"])
    assert alike(ledger, start(ledger, "backfill", "now", mode="plan")) == [f"day-{n}" for n in (6, 5, 4, 3, 2)]
    assert alike(ledger, start(ledger, "backfill", "job", projects=["25-104"])) == ["one job"]
    assert alike(ledger, start(ledger, "manual", "by hand")) == []


@pytest.mark.parametrize(
    ("entities", "projects", "records", "calls"),
    [
        (("vendors", "commitments"), 6, None, 1 + 6 * 2),
        (("vendors", "commitments"), 0, {"vendors": 2500}, 3),
        (("payments_issued",), 6, None, 0),
    ],
)
def test_lists_are_counted(entities: tuple[str, ...], projects: int, records: Any, calls: int) -> None:
    assert lists(entities, projects, records) == calls
