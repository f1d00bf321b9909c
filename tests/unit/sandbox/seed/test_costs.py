"""Direct costs of the small company: the golden job's eleven, the counts, and that both sides hold the same (5.1 to 5.4)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sandbox.seed.company import Company
from sandbox.seed.costs import direct_costs
from sandbox.seed.planted import planted as problems
from sandbox.seed.sizes import SIZES, Size
from tests.unit.sandbox.seed.conftest import World

Row = dict[str, Any]
GOLDEN = [
    # source, cost key, cents, day: docs/domain-rules.md 5.3
    ("PR", "01-3100 1", 2_418_640, "2026-07-10"), ("AP", "01-5000 2", 741_218, "2026-07-16"),
    ("PR", "01-3100 1", 2_418_640, "2026-07-24"), ("PR", "03-3000 1", 1_893_075, "2026-07-24"),
    ("EQ", "01-5000 4", 985_000, "2026-07-31"), ("AP", "06-1000 2", 1_320_766, "2026-08-05"),
    ("PR", "03-3000 1", 2_134_410, "2026-08-14"), ("JC", "01-3100 5", 312_500, "2026-08-31"),
    ("JC", "01-3100 5", -312_500, "2026-09-01"), ("AP", "06-1000 2", -118_025, "2026-09-09"),
    ("PR", "01-3100 1", 2_418_640, "2026-09-11"),
]  # fmt: skip
KINDS = {"AP": "invoice", "PR": "payroll", "EQ": "expense", "JC": "expense"}


def lines_of(world: World) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in world.erp("job_cost_lines"):
        found[row["trans"]].append(row)
    return found


def test_golden_job(small: World) -> None:
    """11 records, 142,123.64, and no other direct cost on the job."""
    lines, golden = lines_of(small), [row for row in small.costs() if row["job"] == "25-104"]
    found = [
        (row["source"], f"{line['code']} {line['cost_type']}", line["amount_cents"], row["trans_date"])
        for row in golden
        for line in lines[row["trans"]]
    ]
    assert found == GOLDEN and {row["status"] for row in golden} == {"posted"}
    assert sum(row["amount_cents"] for row in golden) == 14_212_364
    by_key: Counter[str] = Counter()
    for _, key, amount, _ in found:
        by_key[key] += amount
    assert by_key == {
        "01-3100 1": 7_255_920,
        "01-3100 5": 0,
        "01-5000 4": 985_000,
        "01-5000 2": 741_218,
        "03-3000 1": 4_027_485,
        "06-1000 2": 1_202_741,
    }
    reversals = [(row["amount_cents"], row["reverses"]) for row in golden if row["reverses"]]
    assert reversals == [(-312_500, golden[7]["trans"])]
    assert golden[5]["vendor"] == golden[9]["vendor"] and golden[5]["invoice"] != golden[9]["invoice"]
    sent = {row["origin_id"] for row in small.procore("direct_costs")}
    states = Counter(f"sandbox:01:direct_costs:{row['trans']}" in sent for row in golden)
    assert states == {True: 8, False: 3}


def test_counts(small: World) -> None:
    """420 linked, 180 new, 3 unposted, 1 void, and planted #23."""
    jobs = Counter(row["job"] for row in small.costs() if row["status"] == "posted")
    assert jobs == {"25-104": 11, "25-098": 190, "26-112": 44, "25-107": 250, "25-201": 105, "24-077": 1}
    assert len(small.procore("direct_costs")) == 420
    assert Counter(row["status"] for row in small.costs()) == {"posted": 600 + 1, "unposted": 3, "void": 1}
    sizes = Counter(len(found) for found in lines_of(small).values() if found[0]["trans"].startswith("JC-00"))
    assert set(sizes) == {1, 2, 3} and sizes[1] > sizes[2] > sizes[3]


def test_linked_ones_are_equal(small: World) -> None:
    erp, lines = {row["trans"]: row for row in small.costs()}, lines_of(small)
    projects = {row["id"]: row["project_number"] for row in small.procore("projects")}
    codes = {row["id"]: row["origin_id"].rsplit("/", 1)[1] for row in small.procore("cost_codes") if row["origin_id"]}
    types = {row["id"]: row["origin_id"].rsplit(":", 1)[1] for row in small.procore("line_item_types")}
    vendors = {row["id"]: row["origin_code"] for row in small.procore("vendors")} | {None: None}
    wbs = {row["id"]: row for row in small.procore("wbs_codes")}
    theirs: dict[int, list[Row]] = defaultdict(list)
    for line in small.procore("direct_cost_lines"):
        theirs[line["parent_id"]].append(line)
    for cost in small.procore("direct_costs"):
        _, company, entity, trans = cost["origin_id"].split(":")
        row = erp[trans]
        assert (entity, company, cost["origin_data"]) == (
            "direct_costs",
            row["company"],
            json.dumps({"erp_key": trans}, separators=(",", ":")),
        )
        assert (cost["status"], row["status"], row["currency"]) == ("approved", "posted", "USD")
        assert cost["direct_cost_type"] == KINDS[row["source"]] and projects[cost["project_id"]] == row["job"]
        assert (cost["invoice_number"], cost["description"], cost["direct_cost_date"], vendors[cost["vendor_id"]]) == (
            *(row["invoice"], row["description"], row["trans_date"], row["vendor"]),
        )
        assert (row["source"] == "AP") == (row["vendor"] is not None) == (row["invoice"] is not None)
        for ours, line in zip(lines[trans], sorted(theirs[cost["id"]], key=lambda line: line["position"]), strict=True):
            assert line["origin_id"] == f"{cost['origin_id']}#{ours['line_no']}" and line["position"] == ours["line_no"]
            assert (codes[line["cost_code_id"]], types[line["line_item_type_id"]]) == (ours["code"], ours["cost_type"])
            assert (wbs[line["wbs_code_id"]]["cost_code_id"], line["uom"]) == (line["cost_code_id"], ours["unit"])
            assert (Decimal(line["amount"]) * 100, line["description"]) == (ours["amount_cents"], ours["description"])
            for field in ("quantity", "unit_cost"):
                assert ours[f"{field}_e4"] == (None if line[field] is None else Decimal(line[field]) * 10_000)


def test_every_transaction_stands_on_linked_records(small: World) -> None:
    """Vendor, code and type of all but planted #23; amounts add up; no invoice number comes twice."""
    vendors = {row["id"]: row["origin_code"] for row in small.procore("vendors") if row["is_active"]}
    linked = {vendors[row["id"]] for row in small.procore("vendors") if row["is_active"] and row["origin_id"]}
    codes = {tuple(row["origin_id"].split(":")[3].split("/")) for row in small.procore("cost_codes") if row["origin_id"]}
    lines = lines_of(small)
    for row in small.costs():
        assert row["amount_cents"] == sum(line["amount_cents"] for line in lines[row["trans"]]) != 0
        assert row["vendor"] is None or row["vendor"] in linked
        assert row["job"] == "24-077" or all((row["job"], "", line["code"]) in codes for line in lines[row["trans"]])
        assert len(row["description"]) <= 60 and all(len(line["description"]) <= 60 for line in lines[row["trans"]])
    bills = [(row["vendor"], row["invoice"]) for row in small.costs() if row["invoice"]]
    assert len(bills) == len(set(bills)) and max(len(invoice) for _, invoice in bills) <= 15
    billed = {(vendors[row["vendor_id"]], row["invoice_number"]) for row in small.procore("requisitions")}
    assert not billed & set(bills)  # else a cost would be sent twice (D-02)


def test_a_vendor_that_subcontracts_and_sells_without_a_commitment(small: World) -> None:
    """Only this one has an open commitment on the cost key of its invoices (D-02 warns)."""
    keys = defaultdict(set)
    for contract in small.contracts():
        vendor = next(row["origin_code"] for row in small.procore("vendors") if row["id"] == contract["vendor_id"])
        for line in small.lines(contract):
            keys[vendor, contract["project_id"]].add((line["cost_code_id"], line["line_item_type_id"]))
    vendors = {row["id"]: row["origin_code"] for row in small.procore("vendors")}
    lines: dict[int, list[Row]] = defaultdict(list)
    for line in small.procore("direct_cost_lines"):
        lines[line["parent_id"]].append(line)
    both = {
        vendors[cost["vendor_id"]]
        for cost in small.procore("direct_costs")
        if cost["vendor_id"]
        for line in lines[cost["id"]]
        if (line["cost_code_id"], line["line_item_type_id"]) in keys[vendors[cost["vendor_id"]], cost["project_id"]]
    }
    assert both == {"V-1004"}


def test_rhythm(small: World) -> None:
    """Payroll every second Friday, equipment at month end, changes over 92 days before the anchor."""
    usual = [row for row in small.costs() if row["job"] != "25-104"]
    fridays = {date.fromisoformat(row["trans_date"]) for row in usual if row["source"] == "PR"}
    assert len(fridays) == 6 and all((day - date(2026, 7, 10)).days % 14 == 0 for day in fridays)
    assert {row["trans_date"] for row in usual if row["source"] == "EQ"} == {"2026-07-31", "2026-08-31", "2026-09-30"}
    moments = sorted(row["updated_at"] for row in usual)
    assert moments[0] >= "2026-07-01" and moments[-1] < "2026-09-30T18:00:00Z"
    assert len({moment[:10] for moment in moments}) > 85
    sent = sorted(row["updated_at"] for row in small.procore("direct_costs"))
    assert sent[0] >= "2026-07-01" and sent[-1] < "2026-09-30T18:00:00Z"
    assert all(row["trans_date"] <= row["updated_at"][:10] for row in usual)


def test_job_never_sent(small: World) -> None:
    """Planted #23 beside its twin: the same vendor and code, on a job that Procore has."""
    entry = next(entry for entry in problems(Company()) if entry.number == 23)
    erp, lines = {row["trans"]: row for row in small.costs()}, lines_of(small)
    bad, twin = erp[entry.key], erp[entry.twin]
    assert (bad["job"], bad["status"], bad["trans_date"][:7]) == ("24-077", "posted", "2026-07")
    assert (bad["vendor"], bad["source"], lines[bad["trans"]][0]["code"]) == (
        *(twin["vendor"], twin["source"], lines[twin["trans"]][0]["code"]),
    )
    assert twin["status"] == "posted" and f"sandbox:01:direct_costs:{twin['trans']}" not in {
        row["origin_id"] for row in small.procore("direct_costs")
    }


@pytest.mark.parametrize("size", [SIZES["medium"], Size(projects=12, direct_costs=5_000), Size(direct_costs=1_000)])
def test_larger_sizes(size: Size) -> None:
    company = Company(size=size)
    costs = [cost for job in company.jobs() if job.linked for cost in direct_costs(company, job)]
    sent = [cost for cost in costs if cost.status == "posted"]
    assert len(sent) == size.direct_costs == len({cost.trans for cost in sent})
    assert sum(cost.job.number == "25-104" for cost in costs) == 11
    assert abs(sum(cost.linked for cost in sent) / len(sent) - 0.7) < 0.01
    bills = [(cost.vendor, cost.invoice) for cost in sent if cost.invoice]
    assert len(bills) == len(set(bills))


def test_a_million_lines() -> None:
    """Every 40th job of the large company, made one by one."""
    company = Company(size=SIZES["large"])
    jobs = [job for job in company.jobs() if job.linked]
    some, lines, count = jobs[6::40], 0, 0
    for job in some:
        for cost in direct_costs(company, job):
            count, lines = count + 1, lines + len(cost.lines)
            assert len(cost.trans) <= 12 and cost.amount
    large = len(jobs) - 5
    assert 990_000 < lines * large / len(some) < 1_010_000 and 700_000 < count * large / len(some) < 730_000
