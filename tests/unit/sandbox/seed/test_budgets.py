"""Original budgets and budget changes of the small company (docs/domain-rules.md 5.1, 5.3, 5.4)."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

from sandbox.seed.budgets import budget
from sandbox.seed.company import Company
from sandbox.seed.sizes import SIZES
from tests.unit.sandbox.seed.conftest import World

PLANTED_KEYS = {("", "03", "3"), ("", "07-9000", "3"), ("", "09-7200", "3"), ("", "05-1200", "2")}
Row = dict[str, Any]
Key = tuple[str, str, str]


def procore_codes(world: World) -> dict[int, tuple[str, Key]]:
    """Budget code -> project number and cost key (sub job, code, ERP cost type) of every linked code."""
    projects = {row["id"]: row["project_number"] for row in world.procore("projects")}
    codes = {row["id"]: row for row in world.procore("cost_codes") if row["origin_id"]}
    types = {row["id"]: row["origin_id"].rsplit(":", 1)[1] for row in world.procore("line_item_types")}
    found: dict[int, tuple[str, Key]] = {}
    for row in world.procore("wbs_codes"):
        if row["cost_code_id"] in codes:
            _, sub_job, code = codes[row["cost_code_id"]]["origin_id"].split(":")[3].split("/")
            found[row["id"]] = projects[row["project_id"]], (sub_job, code, types[row["line_item_type_id"]])
    return found


def procore_budgets(world: World) -> dict[str, dict[Key, Decimal]]:
    codes, found = procore_codes(world), defaultdict[str, dict[Key, Decimal]](dict)
    for line in world.procore("budget_lines"):
        project, key = codes[line["wbs_code_id"]]
        assert key not in found[project]
        found[project][key] = Decimal(line["original_budget_amount"])
    return dict(found)


def erp_budgets(world: World) -> dict[str, dict[Key, Decimal]]:
    found: dict[str, dict[Key, Decimal]] = defaultdict(dict)
    for row in world.erp("budget_lines"):
        found[row["job"]][row["sub_job"], row["code"], row["cost_type"]] = Decimal(row["amount_cents"]) / 100
    return dict(found)


def test_golden_budget(small: World) -> None:
    """33 lines, 11,162,000.00, the same on both sides."""
    golden = procore_budgets(small)["25-104"]
    assert len(golden) == 33 and sum(golden.values()) == Decimal("11162000.00")
    assert golden["", "03-3000", "1"] == 148_000 and golden["", "05-1200", "3"] == 1_115_000
    assert erp_budgets(small)["25-104"] == golden


def test_who_owns_what(small: World) -> None:
    projects = {row["project_number"]: row for row in small.procore("projects")}
    assert {number: row["budget_locked"] for number, row in projects.items()} == {
        "25-104": True, "25-098": True, "26-112": True, "25-107": True, "25-201": False,
    }  # fmt: skip
    assert {number: json.loads(row["origin_data"]) for number, row in projects.items()} == {
        "25-104": {"erp_key": "25-104", "budget_owner": "procore"},
        "25-098": {"erp_key": "25-098", "budget_owner": "procore"},
        "25-107": {"erp_key": "25-107", "budget_owner": "erp"},
        "26-112": {"erp_key": "26-112"},
        "25-201": {"erp_key": "25-201"},
    }
    assert projects["25-104"]["origin_data"] == '{"budget_owner":"procore","erp_key":"25-104"}'  # canonical
    assert {row["job"]: (row["status"], row["marker"]) for row in small.erp("budgets")} == {
        "25-104": ("open", f"procore:8089:budgets:{projects['25-104']['id']}"),
        "25-098": ("open", f"procore:8089:budgets:{projects['25-098']['id']}"),
        "25-107": ("open", None),
        "26-118": ("open", None),
    }
    assert set(procore_budgets(small)) == {"25-104", "25-098", "26-112", "25-107", "25-201"}


def test_linked_budgets_are_equal(small: World) -> None:
    """All but planted #27: one line of the ERP-owned budget was estimated anew."""
    procore, erp = procore_budgets(small), erp_budgets(small)
    assert erp["25-098"] == procore["25-098"]
    different = {
        key: (procore["25-107"].get(key), amount) for key, amount in erp["25-107"].items() if procore["25-107"].get(key) != amount
    }
    (((sub_job, code, type), (before, now)),) = different.items()
    assert (sub_job, code, type) == ("", "03-3000", "3") and before is not None and now - before == Decimal("24500.00")
    totals = {row["job"]: Decimal(row["amount_cents"]) / 100 for row in small.erp("budgets")}
    assert totals == {job: sum(lines.values()) for job, lines in erp.items()}
    (changed,) = {row["updated_at"][:10] for row in small.erp("budgets") if row["job"] == "25-107"}
    assert changed == "2026-09-22"


def test_every_budget_key_can_take_cost(small: World) -> None:
    """Assigned pairs of active leaves, on both sides where both have the job."""
    assigned = {
        (row["job"], row["sub_job"], row["code"], row["cost_type"]) for row in small.erp("job_code_types") if row["active"]
    }
    leaves = {(r["job"], r["sub_job"], r["code"]) for r in small.erp("job_codes") if r["active"] and not r["is_header"]}
    for budgets in (procore_budgets(small), erp_budgets(small)):
        keys = {(job, *key) for job, lines in budgets.items() for key in lines}
        assert keys <= assigned and {key[:3] for key in keys} <= leaves
    linked = {(project, *key) for project, key in procore_codes(small).values()}
    assert {(job, *key) for job, lines in erp_budgets(small).items() for key in lines if job != "26-118"} <= linked
    subs = {key for key in procore_budgets(small)["25-098"] if key[0]}
    assert subs == {("20", "31-1000", "3"), ("20", "31-2000", "3")}


def test_budgets_cover_what_is_contracted(small: World) -> None:
    """So that no budget but the golden one, whose figures are given, is exceeded by good commitments."""
    company, budgets = Company(), procore_budgets(small)
    for job in company.jobs():
        if job.linked and job.number != "25-104":
            taken: dict[Key, Decimal] = defaultdict(Decimal)
            for commitment in company.commitments(job):
                for line in commitment.lines if commitment.eligible else ():
                    taken["", line.code, {"L": "1", "M": "2", "C": "3", "E": "4", "O": "5"}[line.type]] += line.amount
            held = budgets[job.number]
            assert {key for key, amount in taken.items() if amount > held.get(key, 0)} <= PLANTED_KEYS


def test_budget_changes(small: World) -> None:
    codes = procore_codes(small)
    projects = {row["id"]: row["project_number"] for row in small.procore("projects")}
    found = {(projects[row["project_id"]], row["number"]): row for row in small.procore("budget_changes")}
    assert {key: row["status"] for key, row in found.items()} == {
        ("25-104", "1"): "approved", ("25-098", "1"): "approved", ("25-098", "2"): "draft",
    }  # fmt: skip
    lines = {
        key: [
            (line["adjustment_number"], codes[line["wbs_code_id"]], Decimal(line["amount"]))
            for line in row["adjustment_line_items"]
        ]
        for key, row in found.items()
    }
    assert lines["25-104", "1"] == [
        (1, ("25-104", ("", "01-2100", "5")), Decimal("-18000.00")),
        (1, ("25-104", ("", "03-3000", "1")), Decimal("18000.00")),
    ]
    budgets = procore_budgets(small)
    for (project, _), rows in lines.items():
        nets: dict[int, Decimal] = defaultdict(Decimal)
        for adjustment, (of, key), amount in rows:
            nets[adjustment] += amount
            assert of == project and key in budgets[project]
        assert set(nets.values()) == {0}
    ids = [line["id"] for row in found.values() for line in row["adjustment_line_items"]]
    assert len(ids) == len(set(ids))
    (posted,) = small.erp("budget_changes")
    assert (posted["job"], posted["number"], posted["status"], posted["amount_cents"]) == ("25-098", "1", "posted", 0)
    assert posted["marker"] == f"procore:8089:budget_changes:{found['25-098', '1']['id']}"
    assert posted["title"] == found["25-098", "1"]["title"]
    theirs = sorted(small.erp("budget_change_lines"), key=lambda row: row["line_no"])
    assert [
        (r["adjustment"], (r["job"], (r["sub_job"], r["code"], r["cost_type"])), Decimal(r["amount_cents"]) / 100) for r in theirs
    ] == lines["25-098", "1"]


def test_larger_sizes_have_every_kind_of_budget() -> None:
    company = Company(size=SIZES["medium"])
    budgets = [budget(company, job) for job in company.jobs()]
    kinds = {(budget.owner, budget.locked, budget.procore, budget.erp) for budget in budgets[6:]}
    assert kinds == {
        ("procore", True, True, True), ("erp", True, True, True), (None, True, True, False), (None, False, False, True),
    }  # fmt: skip
    assert all(budget.lines and all(line.amount > 0 for line in budget.lines) for budget in budgets)
