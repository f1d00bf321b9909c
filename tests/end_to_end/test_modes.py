"""Plan mode, the closed gate, switches, approval, calls and shards."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from include.financials.entities import ENTITIES, in_stage
from sandbox.chaos import people
from tests.end_to_end.world import ROOT, State, World, counts, done, expected, of, settings_with, stopped, twice

pytestmark = pytest.mark.slow

SUBCONTRACT = "PATCH /work_order_contracts/sync"
FOUNDATION = [row.name for row in in_stage(1)] + ["cost_types", "cost_codes"]
"""What a commitment is built on."""
COMMITMENTS = {"entities": [*FOUNDATION, "commitments"]}
BILLED = {"entities": [*FOUNDATION, "commitments", "commitment_change_orders", "subcontractor_invoices"]}
GATED = {"entities": ["commitments", "commitment_change_orders", "subcontractor_invoices", "payments_issued"]}
"""What goes through the gate, and what comes behind it."""
DEPENDENT = {"commitment_change_orders": ("O-01", "waits"), "subcontractor_invoices": ("I-01", "waits")}
"""Documents of commitments, and the rules by which they wait for one: judged before its load, or in their own."""


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """What a plan and the run that carries it out must agree on."""
    return {name: report[name] for name in ("entities", "gates")} | {
        "stopped": sorted(map(str, report["stopped"])),
        "balanced": report["reconciliation"]["balanced"],
        "checked": report["reconciliation"]["checked"],
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


def test_a_plan_between_runs_changes_nothing(tiny: World) -> None:
    """The plan of a change, then the change itself: the plan took nothing from it."""
    tiny.edit("104-SC-003", title="Demolition and haul-off")
    tiny.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")
    tables = ("records", "links", "intents", "watermarks", "audit")
    before = [tiny.ledger(f"SELECT * FROM {table}") for table in tables]
    planned = tiny.quick(params={"mode": "plan"})
    assert done(planned) == {"vendors": {"created": 1}, "commitments": {"updated": 1}}
    assert tiny.writes() == [] and [tiny.ledger(f"SELECT * FROM {table}") for table in tables] == before
    report = tiny.quick()
    assert done(report) == done(planned)


# -- the gate -------------------------------------------------------------------------------------------------------------------


def test_the_gate_closes_and_opens_again(sandbox: World) -> None:
    world = sandbox
    world.reset(size="small", seed="closed_gate")
    planted = world.control("GET", "/planted")
    report = world.quick()
    gate = report["gates"]["referential_integrity"]
    assert (gate["passed"], gate["judged"], gate["failed"]) == (False, 60, 14)
    assert world.entered() == [] and not [row for row in world.writes() if "order_contracts" in row]
    assert counts(report, "commitments")["adopted"] == 39 and "created" not in counts(report, "commitments")
    waiting = [row for row in report["stopped"] if row["rule"] == "gate"]
    assert {(row["entity"], row["state"]) for row in waiting} == {("commitments", "held")} and len(waiting) == 60 - 14
    assert "14 of 60 commitments fail (23.3%; the limit is 20%)" in waiting[0]["message"] and "M-11 2" in waiting[0]["message"]
    assert len([r for r in waiting if r["key"] == "104-PO-003"]) == 1
    assert report["reconciliation"]["balanced"] is True

    # The other chain went on. What refers to commitments is judged and adopted; what would be written is held, none has failed.
    rows = report["entities"]
    assert {name: rows[name]["created"] for name in ("direct_costs", "budgets", "prime_change_orders", "owner_invoices")} == {
        "direct_costs": 180, "budgets": 2, "prime_change_orders": 4, "owner_invoices": 5,
    }  # fmt: skip
    behind = GATED["entities"][1:]
    assert [(rows[name]["created"], rows[name]["adopted"]) for name in behind] == [(0, 14), (0, 52), (0, 27)]
    others = stopped(report) - expected(planted) - {(r["entity"], r["key"], r["state"], r["rule"]) for r in waiting}
    assert Counter((entity, state, rule) for entity, _, state, rule in others) == {
        ("commitment_change_orders", "held", "O-01"): 4, ("commitment_change_orders", "held", "waits"): 6,
        ("subcontractor_invoices", "held", "I-01"): 18, ("subcontractor_invoices", "held", "waits"): 11,
        ("payments_issued", "held", "waits"): 23,
    }  # fmt: skip
    candidates = {row["key"] for row in waiting}
    known = {f"commitments {key}" for key in candidates} | {f"change order {key}" for _, key, *_ in others}
    for _, key, _, rule in others:
        assert of(report, key)["waits_for"] in ({"the gate referential_integrity"} if rule == "waits" else known)
    # Of what waits for a reference nothing else is said, a planted fault neither: it shows once the gate is open.
    referring = {(entity, key) for entity, key, _, rule in others if rule != "waits"}
    assert {row for row in expected(planted) if row[:2] not in referring} <= stopped(report)
    assert world.entered("change_orders") == world.entered("ap_invoices") == []

    # Nobody has done anything: a gate does not open because its records are no longer new.
    audit = world.audit()
    report = world.quick(params=GATED)
    assert report["gates"]["referential_integrity"] == gate and done(report) == {}
    assert (world.writes(), world.audit()) == ([], audit) and report["entities"]["commitments"]["unchanged"] == 39
    assert {row["key"] for row in report["stopped"] if row["rule"] == "gate"} == candidates

    # Three records are mended by people, in either system; eleven of sixty is no more than a fifth.
    long = next(row["number"] for row in world.contracts() if row["title"] == "Navigation lights, spans 1 to 4")
    world.edit(long, title="Navigation lights, span 1")
    (vendor,) = world.erp("SELECT vendor FROM vendors WHERE hold = 'all'")
    world.clerk("hold_vendor", vendor=vendor["vendor"], hold="none")
    report = world.quick(params=GATED | {"entities": ["vendors", *GATED["entities"]]})
    assert report["gates"]["referential_integrity"]["passed"] is True
    assert done(report) == {
        "commitments": {"created": 60 - 14 + 3}, "commitment_change_orders": {"created": 10},
        "subcontractor_invoices": {"created": 28}, "payments_issued": {"created": 23},
    }  # fmt: skip
    assert stopped(report) <= expected(planted)
    assert report["reconciliation"]["balanced"] is True
    again = world.quick()
    assert done(again) == {} and world.writes() == []


def test_writes_off_holds_and_on_loads(fresh: World, settled: State) -> None:
    """Going live by stage: what hangs on the switched-off commitments waits with them, the rest is written."""
    off = settings_with(commitments={"writes": "off"})
    report = fresh.quick(settings=off, params=BILLED)
    held = [row for row in report["stopped"] if row["rule"] == "writes"]
    assert len(held) == 50 and {(row["entity"], row["state"]) for row in held} == {("commitments", "held")}
    assert fresh.entered() == [] and not [row for row in fresh.writes() if "order_contracts" in row]
    waiting = {(row["entity"], row["state"], row["rule"]) for row in report["stopped"]} - {
        (entity, state, rule) for entity, _, state, rule in expected(settled.planted)
    }
    assert {entity for entity, *_ in waiting - {("commitments", "held", "writes")}} <= set(DEPENDENT)
    assert all(state == "held" and rule in DEPENDENT.get(entity, ("writes",)) for entity, state, rule in waiting)
    assert report["entities"]["vendors"]["created"] == 6 and report["entities"]["commitment_change_orders"]["created"] == 6
    assert report["reconciliation"]["balanced"] is True
    report = fresh.quick(params=BILLED)
    first = settled.report["entities"]
    assert done(report) == {
        name: {"created": first[name]["created"] - (0 if name == "commitments" else loaded)}
        for name, loaded in [("commitments", 0), *((n, len(first_load(fresh, n))) for n in DEPENDENT)]
    }
    assert stopped(report) <= expected(settled.planted)
    assert report["reconciliation"]["balanced"] is True


def first_load(world: World, entity: str) -> list[dict[str, Any]]:
    """What the first run of this world created of an entity."""
    return world.ledger(
        "SELECT id FROM outcomes WHERE entity = ? AND action = 'create' AND done AND run_id = ?", entity, first_run(world)
    )


def first_run(world: World) -> str:
    (row,) = world.ledger("SELECT run_id FROM runs ORDER BY started_at LIMIT 1")
    return str(row["run_id"])


def test_approval_is_for_one_content_only(tiny: World) -> None:
    number = "104-SC-050"
    people.new_commitment(tiny, number, "104-SC-003", "1000.00", "2500.50", status="Draft")
    limit = {"approve_above": "3499.50", "entities": ["commitments"]}
    tiny.edit(number, status="Approved")
    report = tiny.quick(params=limit)
    row = of(report, number)
    assert (row["state"], row["rule"], row["waits_for"]) == ("held", "M-13", f"decision approve commitments {number}")
    assert done(report) == {} and report["reconciliation"]["balanced"] is True
    typed = ["--ledger", f"sqlite:///{tiny.folder}/ledger.sqlite", "decide", "approve", "commitment", number]
    subprocess.run([sys.executable, "-m", "include.financials", *typed], cwd=ROOT, check=True)  # as a person types it
    tiny.edit(number, title="Another scope altogether")
    report = tiny.quick(params=limit)
    assert of(report, number)["rule"] == "M-13" and done(report) == {}
    tiny.decide("approve", "commitment", number)
    report = tiny.quick(params=limit)
    assert done(report) == {"commitments": {"created": 1}} and tiny.writes() == [SUBCONTRACT]
    assert tiny.documents()[number]["title"] == "Another scope altogether"
    assert done(tiny.quick(params=limit)) == {}


def test_documents_from_leaves_earlier_ones_alone(fresh: World) -> None:
    """What was last changed before go-live and is not linked is never created; linked ones are adopted as ever."""
    changed = {row["number"]: row["updated_at"] for row in fresh.contracts() if row["origin_id"] is None}
    report = fresh.quick(settings=settings_with(documents_from="2026-09-01T00:00:00Z"), params=COMMITMENTS)
    assert counts(report, "commitments")["adopted"] == 39 and report["reconciliation"]["balanced"] is True
    assert len(fresh.entered()) == counts(report, "commitments")["created"] == 18
    assert min(changed[number] for number in fresh.entered()) >= "2026-09-01"


# -- calls and shards -----------------------------------------------------------------------------------------------------------


def test_three_shards_end_as_one(fresh: World, settled: State) -> None:
    """A sandbox and a ledger of its own, other ids, other order: the same company in the end, for as many calls."""
    report = fresh.quick(params={"shards": 3})
    assert comparable(report) == comparable(settled.report)
    here, there = called(fresh.requests()), called(settled.requests)
    assert twice(fresh.requests()) == [] and there - here == Counter()
    assert here - there == Counter({"GET /rest/v1.1/projects": 2})  # the budgets of a shard are read with its projects
    mine, theirs = fresh.picture(), settled.picture()
    for side in ("procore", "erp"):
        for kind in theirs[side]:
            assert mine[side][kind] == theirs[side][kind], kind
    assert mine == theirs


def called(requests: list[dict[str, Any]]) -> Counter[str]:
    """How often each list and action was called, without log-ins; ids that this sandbox gave are no difference."""
    paths = [f"{row['method']} {row['path']}" for row in requests if not row["path"].endswith(("/me", "/oauth/token"))]
    return Counter(re.sub(r"\d{5,}", "{id}", path) for path in paths)


def test_a_thousand_and_one_vendors_take_two_calls(tiny: World) -> None:
    tiny.erp_sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)"
        " INSERT INTO vendors (vendor_group, vendor, name)"
        " SELECT 'G1', 'B-' || (10000 + i), 'Bulk vendor ' || i FROM n"
    )
    only = {"entities": ["vendors"]}
    report = tiny.quick(params=only)
    assert done(report) == {"vendors": {"created": 1001}}
    assert tiny.writes() == ["PATCH /vendors/sync"] * 2
    assert len([row for row in tiny.objects("vendors") if (row["origin_code"] or "").startswith("B-1")]) == 1001
    assert done(tiny.quick(params=only)) == {} and tiny.writes() == []


def test_one_project_alone(fresh: World, settled: State) -> None:
    """Only that project's codes and documents are read and written; watermarks stay, so that none is skipped later."""
    report = fresh.quick(params={"projects": ["25-104"]})
    assert counts(report, "commitments")["created"] == 3 and report["reconciliation"]["balanced"] is True
    assert sorted(fresh.entered()) == ["104-PO-002", "104-PO-003", "104-SC-008"]
    documents = {f"SELECT count(*) AS n FROM {table} WHERE job <> '25-104' AND created_at > '2026-09-30T18'" for table in (
        "commitments", "ap_invoices", "ar_invoices", "budgets", "budget_changes",
    )}  # fmt: skip
    assert [row for sql in documents for row in fresh.erp(sql) if row["n"]] == []
    projects = {
        row["project_id"]
        for kind in ("direct_costs", "contract_payments")
        for row in fresh.objects(kind)
        if row["created_at"] > "2026-09-30T18"
    }
    assert projects == {4620000000}
    row = of(report, "098-PO-001")  # the number is taken by a job that this run does not look at
    assert (row["state"], row["rule"]) == ("conflict", "M-10")
    assert fresh.ledger("SELECT * FROM watermarks") == []
    report = fresh.quick(params=COMMITMENTS)
    assert counts(report, "commitments")["created"] == 47 and report["reconciliation"]["balanced"] is True
    assert stopped(report) == {row for row in expected(settled.planted) if row[0] in COMMITMENTS["entities"]}
    again = fresh.quick(params={"projects": ["25-104"]})
    assert done(again) == {} and again["reconciliation"]["balanced"] is True
    assert {row["project"] for row in again["reconciliation"]["differences"]} <= {"25-104", None}


def test_stage_by_stage(fresh: World, settled: State) -> None:
    """Going live by stage: each run compares what it has loaded, and the next stage goes on from there."""
    for stage in range(1, 5):
        names = [row.name for row in in_stage(stage)]
        report = fresh.quick(params={"entities": names})
        assert list(report["entities"]) == names and report["reconciliation"]["balanced"] is True, stage
        for name in names:
            assert counts(report, name) == counts(settled.report, name)
    assert list(ENTITIES) == [row.name for stage in range(1, 5) for row in in_stage(stage)]
    assert fresh.picture()["erp"] == settled.picture()["erp"]
