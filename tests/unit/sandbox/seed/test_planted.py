"""The planted problems, their good twins, and that everything else would load (docs/domain-rules.md 5.4)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.erp import schema
from sandbox.seed import SEEDS, planted
from sandbox.seed.company import Company
from sandbox.seed.erp import ErpRows, insert
from sandbox.seed.model import Commitment, extended
from sandbox.seed.planted import planted as problems
from tests.unit.sandbox.seed.conftest import World

EXPECTED = [
    (1, "112-SC-010", "M-02", "held"), (2, "112-SC-012", "M-02", "held"), (3, "107-SC-021", "M-05", "held"),
    (4, "107-SC-023", "M-06", "quarantined"), (5, "107-SC-025", "M-07", "quarantined"), (6, "098-SC-020", "M-08", "held"),
    (7, "112-PO-004", "M-09", "quarantined"), (8, "098-SC-022", "M-11", "quarantined"), (9, "098-PO-001", "M-10", "conflict"),
    (10, "107-SC-008", "M-14", "conflict"), (21, "V-1055", "R-01", "conflict"), (22, "Ostwold Elevators", "V-02", "quarantined"),
    (22, "V-1056", "V-02", "quarantined"),
    (22, "V-1057", "V-02", "quarantined"), (23, "JC-009001", "D-03", "held"), (24, "25-201", "B-02", "held"),
    (26, "201-SC-011", "R-03", "quarantined"), (27, "25-107", "B-04", "blocked"),
]  # fmt: skip
ENTITIES = {"vendors", "commitments", "budgets", "direct_costs"}


def commitments(company: Company) -> dict[str, Commitment]:
    """By number; the duplicate of planted #9 under ``duplicate``."""
    found: dict[str, Commitment] = {}
    for job in company.jobs():
        for c in company.commitments(job):
            found["duplicate" if c.number == "098-PO-001" and job.number == "25-104" else c.number] = c
    return found


def faulty(company: Company) -> list[Commitment]:
    found = commitments(company)
    keys = [e.key for e in problems(company) if e.entity == "commitments" and e.number != 10]
    return [found["duplicate" if key == "098-PO-001" else key] for key in keys]


def test_planted_list() -> None:
    company = Company()
    assert [(e.number, e.key, e.rule, e.expected) for e in problems(company) if e.entity in ENTITIES] == EXPECTED
    assert all(set(entry) == {"entity", "key", "problem", "rule", "expected"} for entry in planted())


@pytest.mark.parametrize("seed", SEEDS)
def test_twins_differ_only_in_the_fault(seed: str) -> None:
    company = Company(seed)
    found = commitments(company)
    faults = {e.key for e in problems(company)}
    for entry in problems(company):
        if entry.entity != "commitments":
            continue
        bad, twin = found["duplicate" if entry.number == 9 else entry.key], found[entry.twin]
        assert twin.number not in faults and (twin.linked, twin.kind) == (bad.linked, bad.kind)
        changed = [(a, b) for a, b in zip(bad.lines, twin.lines, strict=False) if a != b]
        assert entry.number == 9 or (len(bad.lines) == len(twin.lines) and len(changed) <= 1)


def test_each_fault_is_what_it_says(small: World) -> None:
    found = commitments(Company())
    erp_vendors = {row["vendor"]: row for row in small.erp("vendors")}
    pairs = {(row["job"], row["code"], row["cost_type"]) for row in small.erp("job_code_types")}
    codes = {(row["job"], row["code"]): row for row in small.erp("job_codes") if not row["sub_job"]}
    assert found["112-SC-010"].vendor is None
    stranger = small.store.get("vendors", found["112-SC-010"].vendor_id)
    assert stranger and stranger["origin_id"] is None and stranger["ein"] not in {row["tax_id"] for row in erp_vendors.values()}
    assert erp_vendors[found["112-SC-012"].vendor or ""]["hold"] == "all"
    assert ("25-107", found["107-SC-021"].lines[2].code) not in codes
    assert codes["25-107", found["107-SC-023"].lines[1].code]["is_header"] == 1
    assert codes["25-107", found["107-SC-025"].lines[2].code]["active"] == 0
    assert found["098-SC-020"].lines[1].type == "M" and ("25-098", "05-1200", "2") not in pairs
    line = found["112-PO-004"].lines[0]
    assert (line.quantity, line.unit_cost, line.amount) == (Decimal(120), Decimal("84.50"), Decimal("10104.00"))
    assert (line.unit, line.extended_type) == ("ea", "calculated") and line.quantity and line.unit_cost
    assert extended(line.quantity, line.unit_cost) == Decimal("10140.00")
    assert len(found["098-SC-022"].title) == 31 and len(found["098-SC-021"].title) == 30
    assert found["duplicate"].job.number == "25-104" and found["098-PO-001"].linked and not found["duplicate"].linked
    assert found["098-PO-001"].job.company == found["duplicate"].job.company
    assert found["201-SC-011"].currency == "CAD"
    foreign = [row for row in small.procore("vendors") if row["origin_id"] == "otherapp-7781"]
    assert [(row["origin_code"], row["ein"]) for row in foreign] == [("V-1055", erp_vendors["V-1055"]["tax_id"])]
    assert erp_vendors["V-1056"]["tax_id"] == erp_vendors["V-1057"]["tax_id"]
    twins = [row for row in small.procore("vendors") if row["ein"] == erp_vendors["V-1056"]["tax_id"]]
    assert len(twins) == 1 and twins[0]["origin_id"] is None and twins[0]["origin_code"] is None


@pytest.mark.parametrize(("seed", "count", "closes"), [("planted", 10, False), ("closed_gate", 14, True)])
def test_the_gate(seed: str, count: int, closes: bool) -> None:
    company = Company(seed)
    new = [c for c in commitments(company).values() if not c.linked and c.eligible]
    bad = faulty(company)
    assert len(new) == 60 and len(bad) == count
    assert (len(bad) / len(new) > 0.20) is closes
    share = sum(c.amount for c in bad) / sum(c.amount for c in new)
    assert share < Decimal("0.05")
    rules = Counter(e.rule for e in problems(company) if e.entity == "commitments")
    assert max(rules.values()) <= count / 2 and max(rules.values()) < 10


def test_second_seed_is_the_same_company() -> None:
    """Only the four further faults differ, each in one thing."""
    first, second = commitments(Company("planted")), commitments(Company("closed_gate"))
    assert list(first) == list(second)
    changed = [number for number in first if first[number] != second[number]]
    assert changed == ["098-SC-023", "107-SC-026", "201-SC-012", "201-SC-013"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_erp_takes_every_good_one_and_refuses_the_rest(make: Any, seed: str) -> None:
    """The new contracts entered as they are, without any rule of ours before them."""
    world, company = make(seed=seed), Company(seed)
    bad = {(c.job.number, c.number) for c in faulty(company)}
    refused = set()
    for c in commitments(company).values():
        if c.eligible and not c.linked:
            try:
                enter(world.engine, company, c)
            except sa.exc.IntegrityError:
                refused.add((c.job.number, c.number))
    assert refused == bad


def enter(engine: sa.Engine, company: Company, c: Commitment) -> None:
    rows = ErpRows(company)
    with engine.begin() as connection:
        insert(connection, "commitments", [rows.commitment(c)])
        insert(connection, "commitment_lines", rows.lines(c))
        opened = sa.text("UPDATE commitments SET status = 'open' WHERE company = :company AND number = :number")
        connection.execute(opened, {"company": c.job.company, "number": c.number})


def test_good_ones_stand_on_linked_records(small: World) -> None:
    """Vendor and codes of every contract that must load are linked in Procore, so that nothing else is held."""
    faults = {(c.job.number, c.number) for c in faulty(Company())}
    vendors = {row["id"]: row["origin_id"] for row in small.procore("vendors") if row["is_active"]}
    codes = {row["id"]: row["origin_id"] for row in small.procore("cost_codes")}
    wbs = {row["id"]: row for row in small.procore("wbs_codes")}
    projects = {row["id"]: row["project_number"] for row in small.procore("projects")}
    lines: dict[int, list[dict[str, Any]]] = {}
    for line in small.procore("contract_lines"):
        lines.setdefault(line["parent_id"], []).append(line)
        pair = wbs[line["wbs_code_id"]]
        assert (pair["cost_code_id"], pair["line_item_type_id"]) == (line["cost_code_id"], line["line_item_type_id"])
    for c in small.contracts():
        if (projects[c["project_id"]], c["number"]) not in faults:
            assert vendors[c["vendor_id"]].startswith("sandbox:G1:vendors:")
            assert all(codes[line["cost_code_id"]] for line in lines[c["id"]])


def test_schema_limits_are_the_databases_own(small: World) -> None:
    assert schema.BUSINESS and all(small.erp(table) for table in schema.BUSINESS)
