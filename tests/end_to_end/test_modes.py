"""Plan mode, the closed gate, switches, approval, calls and shards."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.end_to_end.world import State, World, counts, done, expected, of, settings_with, stopped, twice

SUBCONTRACT = "PATCH /work_order_contracts/sync"


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """What a plan and the run that carries it out must agree on."""
    return {name: report[name] for name in ("entities", "gates")} | {
        "stopped": sorted(map(str, report["stopped"])),
        "balanced": report["reconciliation"]["balanced"],
    }


# -- plan -----------------------------------------------------------------------------------------------------------------------


def test_a_plan_says_what_apply_does_and_writes_nothing(fresh: World, settled: State) -> None:
    report = fresh.quick(params={"mode": "plan"})
    assert report["mode"] == "plan"
    assert comparable(report) == comparable(settled.report)
    assert (report["procore_writes"], report["erp_writes"], fresh.writes(), fresh.audit()) == (0, 0, [], [])
    assert twice(fresh.requests()) == []
    for table in ("records", "links", "intents", "calls", "leases", "watermarks", "decisions", "audit"):
        assert fresh.ledger(f"SELECT count(*) AS n FROM {table}") == [{"n": 0}], table
    assert {row["run_id"] for row in fresh.ledger("SELECT run_id FROM outcomes")} == {report["run_id"]}


def test_a_plan_between_runs_changes_nothing(world: World) -> None:
    """The plan of a change, then the change itself: the plan took nothing from it."""
    world.edit("104-SC-001", title="Demolition and haul-off")
    world.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")
    tables = ("records", "links", "intents", "watermarks", "audit")
    before = [world.ledger(f"SELECT * FROM {table}") for table in tables]
    planned = world.quick(params={"mode": "plan"})
    assert done(planned) == {"vendors": {"created": 1}, "commitments": {"updated": 1}}
    assert world.writes() == [] and [world.ledger(f"SELECT * FROM {table}") for table in tables] == before
    report = world.quick()
    assert done(report) == done(planned)


# -- the gate -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def closing_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("closing") / "world", size="small", seed="closed_gate")
    yield world
    world.stop()


def test_the_gate_closes_and_opens_again(closing_sandbox: World) -> None:
    world = closing_sandbox
    planted = world.control("GET", "/planted")
    audit = world.audit()
    report = world.quick()
    gate = report["gates"]["referential_integrity"]
    assert (gate["passed"], gate["judged"], gate["failed"]) == (False, 60, 14)
    assert not [row for row in world.writes() if "contracts" in row] and world.audit() == audit
    assert report["erp_writes"] == 0
    assert done(report) == {
        "vendors": {"created": 6, "adopted": 48}, "customers": {"created": 2, "adopted": 4},
        "projects": {"created": 1, "adopted": 5}, "cost_types": {"adopted": 5}, "cost_codes": {"created": 66, "adopted": 305},
        "commitments": {"adopted": 39},
    }  # fmt: skip
    waiting = [row for row in report["stopped"] if row["rule"] == "gate"]
    assert stopped(report) - {(r["entity"], r["key"], r["state"], r["rule"]) for r in waiting} == expected(planted)
    assert {(row["entity"], row["state"]) for row in waiting} == {("commitments", "held")}
    assert "14 of 60 commitments fail (23.3%; the limit is 20%)" in waiting[0]["message"] and "M-11 2" in waiting[0]["message"]
    assert len([r for r in waiting if r["key"] == "104-PO-003"]) == 1
    assert report["reconciliation"]["balanced"] is True

    # Nobody has done anything: a gate does not open because its records are no longer new.
    versions = world.audit()
    report = world.quick()
    assert report["gates"]["referential_integrity"] == gate and done(report) == {}
    assert (world.writes(), world.audit()) == ([], versions) and report["entities"]["commitments"]["unchanged"] == 39
    assert {row["key"] for row in report["stopped"] if row["rule"] == "gate"} == {row["key"] for row in waiting}

    # Three records are mended by people, in either system; eleven of sixty is no more than a fifth.
    long = next(row["number"] for row in world.contracts() if row["title"] == "Navigation lights, spans 1 to 4")
    world.edit(long, title="Navigation lights, span 1")
    (vendor,) = world.erp("SELECT vendor FROM vendors WHERE hold = 'all'")
    world.clerk("hold_vendor", vendor=vendor["vendor"], hold="none")
    report = world.quick()
    assert report["gates"]["referential_integrity"]["passed"] is True
    assert report["entities"]["commitments"]["created"] == 60 - 14 + 3
    assert not [row for row in report["stopped"] if row["rule"] == "gate"]
    assert report["reconciliation"]["balanced"] is True
    again = world.quick()
    assert done(again) == {} and world.writes() == []


# -- switches and decisions -----------------------------------------------------------------------------------------------------


def test_writes_off_holds_and_on_loads(fresh: World, settled: State) -> None:
    off = settings_with(commitments={"writes": "off"})
    report = fresh.quick(settings=off)
    held = [row for row in report["stopped"] if row["rule"] == "writes"]
    assert len(held) == 50 and {(row["entity"], row["state"]) for row in held} == {("commitments", "held")}
    assert report["entities"]["commitments"]["created"] == 0 and report["erp_writes"] == 0 and fresh.audit() == []
    assert report["entities"]["vendors"]["created"] == 6
    assert not [row for row in fresh.writes() if "contracts" in row]
    assert report["reconciliation"]["balanced"] is True
    report = fresh.quick()
    assert done(report) == {"commitments": {"created": 50}}
    assert stopped(report) >= {row for row in expected(settled.planted) if row[0] == "commitments"}
    assert report["reconciliation"]["balanced"] is True


def test_approval_is_for_one_content_only(world: World) -> None:
    draft = next(row for row in world.contracts() if row["status"] == "Draft" and row["kind"] == "work_order_contracts")
    number = draft["number"]
    total = sum(Decimal(line["amount"]) for line in world.lines(number))
    limit = {"approve_above": str(total - 1)}
    world.edit(number, status="Approved")
    report = world.quick(params=limit)
    row = of(report, number)
    assert (row["state"], row["rule"], row["waits_for"]) == ("held", "M-13", f"decision approve commitments {number}")
    assert done(report) == {} and report["reconciliation"]["balanced"] is True
    world.decide("approve", "commitment", number)
    world.edit(number, title="Another scope altogether")
    report = world.quick(params=limit)
    assert of(report, number)["rule"] == "M-13" and done(report) == {}
    world.decide("approve", "commitment", number)
    report = world.quick(params=limit)
    assert done(report) == {"commitments": {"created": 1}} and world.writes() == [SUBCONTRACT]
    assert world.documents()[number]["title"] == "Another scope altogether"
    assert done(world.quick(params=limit)) == {}


def test_documents_from_leaves_earlier_ones_alone(fresh: World) -> None:
    """What was last changed before go-live and is not linked is never created; linked ones are adopted as ever."""
    changed = {row["number"]: row["updated_at"] for row in fresh.contracts() if row["origin_id"] is None}
    report = fresh.quick(settings=settings_with(documents_from="2026-09-01T00:00:00Z"))
    assert counts(report, "commitments")["adopted"] == 39 and report["reconciliation"]["balanced"] is True
    assert len(fresh.entered()) == counts(report, "commitments")["created"] == 18
    assert min(changed[number] for number in fresh.entered()) >= "2026-09-01"


# -- calls and shards -----------------------------------------------------------------------------------------------------------


def test_two_shards_end_as_one(fresh: World, seeded: State) -> None:
    one = fresh.quick(params={"shards": 1})
    picture, calls = fresh.picture(), len(fresh.requests())
    fresh.back_to(seeded)
    two = fresh.quick(params={"shards": 2})
    assert fresh.picture() == picture
    assert comparable(one) == comparable(two)
    assert twice(fresh.requests()) == [] and len(fresh.requests()) == calls


def test_a_thousand_and_one_vendors_take_two_calls(world: World) -> None:
    world.erp_sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)"
        " INSERT INTO vendors (vendor_group, vendor, name)"
        " SELECT 'G1', 'B-' || (10000 + i), 'Bulk vendor ' || i FROM n"
    )
    report = world.quick()
    assert done(report) == {"vendors": {"created": 1001}}
    assert world.writes() == ["PATCH /vendors/sync"] * 2
    assert len([row for row in world.objects("vendors") if (row["origin_code"] or "").startswith("B-1")]) == 1001
    assert done(world.quick()) == {} and world.writes() == []


def test_one_project_alone(fresh: World) -> None:
    """Only that project's codes and commitments are read and written; watermarks stay, so that none is skipped later."""
    report = fresh.quick(params={"projects": ["25-104"]})
    assert counts(report, "commitments")["created"] == 3 and report["reconciliation"]["balanced"] is True
    assert sorted(fresh.entered()) == ["104-PO-002", "104-PO-003", "104-SC-008"]
    row = of(report, "098-PO-001")  # the number is taken by a job that this run does not look at
    assert (row["state"], row["rule"]) == ("conflict", "M-10")
    assert fresh.ledger("SELECT * FROM watermarks") == []
    report = fresh.quick()
    assert counts(report, "commitments")["created"] == 47 and report["reconciliation"]["balanced"] is True
    again = fresh.quick(params={"projects": ["25-104"]})
    assert done(again) == {} and again["reconciliation"]["balanced"] is True
    assert {row["project"] for row in again["reconciliation"]["differences"]} <= {"25-104", None}


def test_masters_first(fresh: World) -> None:
    """Going live by stage: a run of vendors and projects alone compares these, and the next stage goes on from there."""
    report = fresh.quick(params={"entities": ["vendors", "customers", "projects"]})
    assert list(report["entities"]) == ["vendors", "customers", "projects"] and report["reconciliation"]["balanced"] is True
    assert set(fresh.writes()) == {"PATCH /vendors/sync", "PATCH /projects/sync", "PATCH /projects/4620000005"}
    report = fresh.quick()
    assert done(report)["commitments"] == {"created": 50, "adopted": 39} and not {"vendors", "projects"} & set(done(report))
