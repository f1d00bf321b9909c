"""Which records a run looks at: windows, watermarks, backfills, and a clock that runs on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.exceptions import SyncError
from sandbox.chaos import people
from tests.end_to_end.world import State, World, counts, done, settings_with

OPEN = settings_with(gate={"max_failed_records": "1", "max_failed_amount": "1", "one_reason_records": "1"})
"""A month alone has more bad ones among its new documents than the gate lets through; here only windows matter."""
MASTERS = [name for name, row in ENTITIES.items() if row.master]
BILLING = ["subcontractor_invoices", "payments_issued"]


def now(world: World) -> datetime:
    return datetime.fromisoformat(world.control("GET", "/info")["now"])


def day(month: int, of_month: int) -> datetime:
    return datetime(2026, month, of_month, tzinfo=UTC)


def scheduled(world: World, end: datetime) -> dict[str, Any]:
    return world.quick(kind="scheduled", interval=(end - timedelta(hours=1), end))


def backfill(world: World, start: datetime, end: datetime, **params: Any) -> dict[str, Any]:
    return world.quick(kind="backfill", interval=(start, end), params=params, settings=OPEN)


def watermarks(world: World) -> dict[str, str]:
    return {row["entity"]: row["value"] for row in world.ledger("SELECT * FROM watermarks WHERE entity NOT LIKE 'marks of %'")}


def late(world: World, number: str, title: str, moment: datetime) -> None:
    """A change that carries an earlier time: it was saved before a run, and became visible after it."""
    contract = world.contract(number)
    with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
        connection.execute(
            "UPDATE objects SET updated_at = ?, doc = json_set(doc, '$.title', ?) WHERE kind = ? AND id = ?",
            (moment.strftime("%Y-%m-%dT%H:%M:%SZ"), title, contract["kind"], contract["id"]),
        )


def test_a_scheduled_run_ends_with_its_interval(tiny: World) -> None:
    end = now(tiny).replace(microsecond=0) + timedelta(minutes=5)
    tiny.advance(minutes=10)
    tiny.edit("104-SC-003", title="Changed after the interval")
    assert done(scheduled(tiny, end)) == {}
    assert watermarks(tiny) == dict.fromkeys(ENTITIES, end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    later = now(tiny) + timedelta(minutes=30)
    tiny.advance(hours=1)
    assert done(scheduled(tiny, later)) == {"commitments": {"updated": 1}}


def test_a_scheduled_run_begins_a_little_before_its_watermark(tiny: World) -> None:
    """Ten minutes of overlap find what was saved before the last run and seen after it; there is no second look further back."""
    mark = datetime.fromisoformat(watermarks(tiny)["commitments"])
    late(tiny, "104-SC-003", "Saved nine minutes before", mark - timedelta(minutes=9))
    late(tiny, "098-SC-001", "Saved an hour before", mark - timedelta(hours=1))
    report = scheduled(tiny, now(tiny) + timedelta(minutes=1))
    assert done(report) == {"commitments": {"updated": 1}}
    assert tiny.documents()["104-SC-003"]["title"] == "Saved nine minutes before"
    assert done(tiny.run()) == {"commitments": {"updated": 1}}


def test_a_failed_run_leaves_no_hole(tiny: World) -> None:
    tiny.edit("104-SC-003", title="Changed before the failure")
    tiny.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")
    before = watermarks(tiny)
    tiny.fault(method="GET", path="/vendors$", action="status", status=403)
    with pytest.raises(SyncError):
        scheduled(tiny, now(tiny) + timedelta(minutes=1))
    assert tiny.fired() and watermarks(tiny) == before and not tiny.writes()
    tiny.mend()
    tiny.advance(days=3)
    report = scheduled(tiny, now(tiny))
    assert done(report) == {"vendors": {"created": 1}, "commitments": {"updated": 1}}
    assert report["reconciliation"]["balanced"] is True


def end_state(world: World) -> dict[str, Any]:
    """What is skipped is nobody's state: a draft is not called by its contract's number before that is known."""
    picture = world.picture()
    return picture | {"states": [row for row in picture["states"] if row["state"] != "skipped"]}


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory, tiny_states: dict[str, State], sandbox: World) -> State:
    """All master data linked, no commitment looked at yet."""
    sandbox.back_to(tiny_states["seeded"])
    assert sandbox.quick(params={"entities": MASTERS})["reconciliation"]["balanced"] is True
    return sandbox.keep(tmp_path_factory.mktemp("masters") / "state")


@pytest.fixture
def linked(sandbox: World, masters: State) -> World:
    sandbox.back_to(masters)
    return sandbox


def test_a_backfill_reads_its_interval_and_moves_no_watermark(fresh: World) -> None:
    assert fresh.quick(params={"entities": MASTERS})["reconciliation"]["balanced"] is True
    before = watermarks(fresh)
    start, end = day(8, 1), day(9, 1)
    inside = {row["number"] for row in fresh.contracts() if "2026-08-01T00:00:00Z" <= row["updated_at"] <= "2026-09-01T00:00:00Z"}
    report = backfill(fresh, start, end, entities=["commitments"])
    looked_at = {
        row["number"]
        for row in fresh.ledger("SELECT number FROM outcomes WHERE run_id = ? AND entity = 'commitments'", report["run_id"])
    }
    assert looked_at >= inside and 20 < len(inside) < 60
    assert set(fresh.entered()) <= inside  # of the others only what Procore shows as linked: documents in the interval name them
    assert watermarks(fresh) == before and "commitments" not in before
    assert counts(report, "commitments")["created"] == len(fresh.entered()) > 5
    read = [row for row in fresh.requests() if row["path"].endswith("/line_items")]
    assert len(inside) <= len(read) < len(fresh.contracts())  # lines are read of what is looked at, and of no other


def test_a_backfill_up_to_now_moves_no_watermark_either(tiny: World) -> None:
    before, mark = watermarks(tiny), datetime.fromisoformat(watermarks(tiny)["commitments"])
    tiny.edit("104-SC-003", title="Changed after the watermark")
    assert done(backfill(tiny, mark - timedelta(days=1), now(tiny) + timedelta(hours=1))) == {"commitments": {"updated": 1}}
    assert watermarks(tiny) == before


def test_overlapping_backfills_in_reverse_order(linked: World, masters: State) -> None:
    """All entities: an invoice waits for the one before it or for its contract, a change order for its contract; a payment is in
    a later interval than its invoice."""

    def begin() -> datetime:
        linked.back_to(masters)
        people.new_change_order(linked, "098-SC-007", "350.00")
        linked.clerk("pay", vendor="V-1042", invoice="4417-02", amount="191017.50", payment="005001")
        linked.advance(minutes=1)
        return now(linked)

    backfill(linked, day(7, 1), begin())
    once, entered = end_state(linked), sorted(linked.audit())
    waits, until = [], begin()
    for start, end in ((day(9, 20), until), (day(8, 1), day(9, 25)), (day(7, 1), day(8, 3))):
        report = backfill(linked, start, end)
        waits.append({(row["key"], row["rule"]) for row in report["stopped"]})
    contract = {("098-SC-007/001", "O-01"), ("ACH-300011/098-SC-001-01", "Y-02")}
    before = {("098-OI-03", "I-01"), ("098-OI-04", "I-03"), ("104-OI-03", "I-01"), ("4417-03", "I-01")}
    assert waits == [contract | before, contract | {("098-SC-007-01", "I-01")}, set()]
    assert sorted(linked.audit()) == entered and len(entered) > 100
    assert end_state(linked) == once and linked.ledger("SELECT * FROM watermarks WHERE entity = 'commitments'") == []
    assert done(backfill(linked, day(7, 1), until)) == {} and linked.writes() == []


def test_a_first_backfill_finds_the_parents_outside_its_window(linked: World) -> None:
    """With an empty ledger, documents of one month name vendors and codes that were last changed long before it."""
    linked.forget_ledger()
    only = [*MASTERS, "commitments"]
    report = backfill(linked, day(7, 1), day(8, 1), entities=only)
    masters = [report["entities"][name] for name in MASTERS]
    assert all(row["adopted"] > 0 for row in masters) and sum(row["updated"] for row in masters) == 0
    assert report["entities"]["commitments"]["adopted"] > 0 and report["entities"]["commitments"]["created"] > 0
    assert {row["rule"] for row in report["stopped"] if row["entity"] == "commitments"} <= {f"M-{n:02}" for n in range(2, 15)} | {
        "R-03"
    }
    assert "M-01" not in {row["rule"] for row in report["stopped"]}
    assert report["reconciliation"]["balanced"] is True
    assert done(backfill(linked, day(7, 1), day(8, 1), entities=only)) == {}


def test_forty_days_later(tiny: World) -> None:
    audit = tiny.audit()
    tiny.advance(days=40)
    report = tiny.quick()
    assert (done(report), tiny.writes(), tiny.audit()) == ({}, [], audit)
    assert report["reconciliation"]["balanced"] is True
    tiny.edit("104-SC-003", title="Forty days later")
    tiny.advance(days=40)
    assert done(tiny.quick()) == {"commitments": {"updated": 1}}


def test_a_window_that_ends_before_it_begins_is_refused(tiny: World) -> None:
    with pytest.raises(SyncError, match="lies after until"):
        tiny.quick(params={"since": "2026-09-02", "until": "2026-09-01"})
    assert tiny.writes() == []


# -- documents and what they follow ---------------------------------------------------------------------------------------------


def hour_from(world: World, since: datetime) -> tuple[datetime, datetime]:
    return since, now(world) + timedelta(hours=1)


def test_a_change_order_is_approved_long_after_its_contract(linked: World) -> None:
    """The contract was last changed in another month, and the ledger does not know it: it is adopted with its change order."""
    since = now(linked)
    linked.advance(minutes=1)
    people.change_order(linked, "104-SC-003", 3, status="approved")
    entities = ["commitments", "commitment_change_orders"]
    report = backfill(linked, *hour_from(linked, since), entities=entities, projects=["25-104"])
    assert done(report)["commitment_change_orders"]["created"] == 1 and report["reconciliation"]["balanced"] is True
    assert linked.entered("change_orders") == ["003"] and "created" not in done(report).get("commitments", {})
    assert done(backfill(linked, *hour_from(linked, since), entities=entities, projects=["25-104"])) == {}


def test_a_draw_comes_in_an_earlier_run_than_the_one_before_it(tiny: World) -> None:
    """The second is held until the first is there; then both go, in their order."""
    first = people.new_requisition(tiny, "098-SC-007", "500.00", invoice_number="HV-1", status="under_review")
    since = now(tiny)
    tiny.advance(minutes=1)
    people.new_requisition(tiny, "098-SC-007", "250.00", invoice_number="HV-2")
    report = backfill(tiny, *hour_from(tiny, since), entities=BILLING)
    assert done(report) == {}
    (held,) = [row for row in report["stopped"] if row["key"] == "HV-2"]
    assert (held["state"], held["rule"], held["waits_for"]) == ("held", "I-03", "invoice 2 of 098-SC-007")
    assert report["reconciliation"]["balanced"] is True
    since = now(tiny)
    tiny.advance(minutes=1)
    people.requisition(tiny, "098-SC-007", 2, status="approved")
    assert people.child(tiny, "requisitions", "098-SC-007", 2)["id"] == first
    report = backfill(tiny, *hour_from(tiny, since), entities=BILLING)
    assert done(report) == {"subcontractor_invoices": {"created": 2}} and report["reconciliation"]["balanced"] is True
    assert tiny.entered("ap_invoices")[-2:] == ["HV-1", "HV-2"]
