"""The small company as both systems hold it (docs/domain-rules.md 5.1 to 5.3)."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from sandbox.erp.rules import LIMITS
from sandbox.seed.budgets import GOLDEN_BUDGET
from sandbox.seed.tables import STANDARD_SECTIONS, TYPE_NUMBER
from tests.unit.sandbox.seed.conftest import World

Row = dict[str, Any]
PLANTED_VENDORS = {"V-1055", "V-1056", "V-1057"}
GOLDEN = {
    "104-SC-001": "184200.00",
    "104-SC-002": "763500.00",
    "104-SC-003": "1486000.00",
    "104-SC-004": "998400.00",
    "104-SC-005": "361250.00",
    "104-SC-006": "439900.00",
    "104-SC-007": "619300.00",
    "104-SC-008": "1048750.00",
    "104-SC-009": "917600.00",
    "104-PO-001": "118450.00",
    "104-PO-002": "68390.30",
    "104-PO-003": "86400.00",
}


def entity(row: dict[str, object]) -> str:
    return str(row["origin_id"]).split(":")[2] if str(row["origin_id"]).startswith("sandbox:") else ""


def test_vendors(small: World) -> None:
    vendors = [row for row in small.procore("vendors") if entity(row) != "customers"]
    ours = [row for row in vendors if entity(row) == "vendors"]
    assert Counter(row["is_active"] for row in ours) == {True: 46, False: 2}
    assert len([row for row in vendors if row["origin_id"] is None]) == 4 + 2  # unused; of planted #1 and #22
    erp = {row["vendor"]: row for row in small.erp("vendors")}
    assert len(erp) == 46 + 2 + 6 + len(PLANTED_VENDORS)
    for row in ours:
        code = row["origin_id"].removeprefix("sandbox:G1:vendors:")
        assert (row["origin_code"], row["name"], row["ein"], row["is_active"]) == (
            *(code, erp[code]["name"], erp[code]["tax_id"]),
            bool(erp[code]["active"]),
        )
    new = set(erp) - {row["origin_code"] for row in ours} - PLANTED_VENDORS
    assert len(new) == 6


def test_nothing_matches_by_accident(small: World) -> None:
    """Tax ids, codes and names agree only where the records are linked or planted."""
    erp = [row for row in small.erp("vendors") if row["vendor"] not in PLANTED_VENDORS]
    strangers = [row for row in small.procore("vendors") if not entity(row)]
    assert len(erp) == len({row["tax_id"] for row in erp}) == len({row["name"].casefold() for row in erp})
    for ours, theirs in (("tax_id", "ein"), ("vendor", "origin_code"), ("name", "name")):
        assert not {row[ours] for row in erp} & {row[theirs] for row in strangers}
    names = [row["name"].casefold() for row in small.procore("vendors")]
    assert len(names) == len(set(names))


def test_vendors_of_note(small: World) -> None:
    erp = {row["vendor"]: row for row in small.erp("vendors")}
    assert Counter(row["hold"] for row in erp.values()) == {"none": len(erp) - 2, "payment": 1, "all": 1}
    assert [row["vendor"] for row in erp.values() if not row["name"].isascii()] == ["V-1010"]
    payment = next(row["vendor"] for row in erp.values() if row["hold"] == "payment")
    ids = {row["origin_code"]: row["id"] for row in small.procore("vendors")}
    new = [c for c in small.contracts() if c["vendor_id"] == ids[payment] and c["status"] == "Approved" and not c["origin_id"]]
    assert new
    kinds = {kind: {c["vendor_id"] for c in small.procore(kind)} for kind in ("work_order_contracts", "purchase_order_contracts")}
    assert ids["V-1004"] in kinds["work_order_contracts"] & kinds["purchase_order_contracts"]


def test_customers_and_projects(small: World) -> None:
    owners = [row for row in small.procore("vendors") if entity(row) == "customers"]
    erp = {(row["company"], row["customer"]): row for row in small.erp("customers")}
    assert (len(owners), len(erp)) == (4, 4 + 2 + 1)  # one inactive
    assert [row["customer"] for row in erp.values() if not row["active"]] == ["C-2007"]
    for row in owners:
        _, company, _, code = row["origin_id"].split(":")
        assert erp[company, code]["name"] == row["name"] and row["origin_code"] == code
    jobs = {row["job"]: row for row in small.erp("jobs")}
    assert Counter(row["company"] for row in jobs.values()) == {"01": 5 + 1, "02": 1}
    projects = small.procore("projects")
    assert len(projects) == 5 and set(jobs) - {row["project_number"] for row in projects} == {"26-118", "24-077"}
    assert {number: row["status"] for number, row in jobs.items() if row["status"] != "open"} == {"24-077": "closed"}
    for row in projects:
        job = jobs[row["project_number"]]
        assert row["origin_id"] == f"sandbox:{job['company']}:projects:{job['job']}"
        assert (row["name"], row["start_date"], row["completion_date"]) == (
            job["name"],
            job["start_date"],
            job["completion_date"],
        )
        owner = erp[job["company"], job["customer"]]
        assert owner["name"] in {o["name"] for o in owners}


def test_standard_codes_and_types(small: World) -> None:
    assert {row["origin_id"]: row["code"] for row in small.procore("line_item_types")} == {
        f"sandbox:G1:cost_types:{number}": code for code, number in TYPE_NUMBER.items()
    }
    (one_list,) = small.procore("standard_cost_code_lists")
    assert one_list["is_erp_list"] is False, "only a company with an ERP connection has a marked list"
    codes = {row["id"]: row for row in small.procore("standard_cost_codes")}
    full = {full_code(codes, row): row for row in codes.values()}
    erp = {row["code"]: row for row in small.erp("standard_codes")}
    assert set(full) == set(erp) and sum(not row["is_header"] for row in erp.values()) == 28
    assert all(
        full[code]["origin_id"] == f"sandbox:G1:cost_codes://{code}" and full[code]["name"] == erp[code]["name"] for code in full
    )


def full_code(codes: dict[int, Row], row: Row) -> str:
    return str(row["code"]) if row["parent_id"] is None else f"{full_code(codes, codes[row['parent_id']])}-{row['code']}"


def job_code_world(small: World) -> dict[str, tuple[dict[str, Row], dict[str, Row]]]:
    """Per linked job: ERP codes and Procore codes, each by full code; without those of sub jobs."""
    projects = {row["id"]: row["project_number"] for row in small.procore("projects")}
    codes = {row["id"]: row for row in small.procore("cost_codes")}
    found: dict[str, tuple[dict[str, Row], dict[str, Row]]] = {number: ({}, {}) for number in projects.values()}
    for row in codes.values():
        if row["sub_job_id"] is None:
            found[projects[row["project_id"]]][1][full_code(codes, row)] = row
    for row in small.erp("job_codes"):
        if row["job"] in found and not row["sub_job"]:
            found[row["job"]][0][row["code"]] = row
    return found


def test_job_codes(small: World) -> None:
    companies = {row["job"]: row["company"] for row in small.erp("jobs")}
    for job, (erp, procore) in job_code_world(small).items():
        linked = {code for code, row in procore.items() if row["origin_id"]}
        assert linked <= set(erp)
        assert 30 <= sum("-" in code for code in linked) <= 34
        assert len(set(erp) - set(procore)) == 3 and all("-" in code for code in set(erp) - set(procore))
        assert set(procore) - linked == ({"09-7200"} if job == "25-107" else set())
        for code in linked:
            assert procore[code]["origin_id"] == f"sandbox:{companies[job]}:cost_codes:{job}//{code}"
            assert procore[code]["name"] == erp[code]["name"]
            assert erp[code]["parent"] == (code[:2] if "-" in code else None)
            assert bool(erp[code]["is_header"]) == ("-" not in code)
            assert bool(procore[code]["standard_cost_code_id"]) == (
                code in STANDARD_SECTIONS or code in {s[:2] for s in STANDARD_SECTIONS}
            )
    inactive = [(row["job"], row["code"]) for row in small.erp("job_codes") if not row["active"]]
    assert inactive == [("25-107", "07-9000")]


def test_assignments_are_on_both_sides(small: World) -> None:
    projects = {row["id"]: row["project_number"] for row in small.procore("projects")}
    codes = {row["id"]: row for row in small.procore("cost_codes")}
    types = {row["id"]: TYPE_NUMBER[row["code"]] for row in small.procore("line_item_types")}
    subs = {row["id"]: row["code"] for row in small.procore("sub_jobs")} | {None: ""}
    procore = {
        (
            *(projects[row["project_id"]], subs[row["sub_job_id"]]),
            *(full_code(codes, codes[row["cost_code_id"]]), str(types[row["line_item_type_id"]])),
        )
        for row in small.procore("wbs_codes")
    }
    assert all(codes[row["cost_code_id"]]["sub_job_id"] == row["sub_job_id"] for row in small.procore("wbs_codes"))
    linked = {
        (projects[row["project_id"]], subs[row["sub_job_id"]], full_code(codes, row))
        for row in codes.values()
        if row["origin_id"]
    }
    erp = {(row["job"], row["sub_job"], row["code"], row["cost_type"]) for row in small.erp("job_code_types")}
    assert {row for row in erp if row[:3] in linked} <= procore
    surplus = procore - erp
    assert surplus == {
        *(("25-098", "", "05-1200", "2"), ("25-201", "", "05-1200", "2"), ("25-107", "", "03", "3"), ("25-098", "", "03", "3")),
        ("25-107", "", "09-7200", "3"),
    }
    golden = {("25-104", "", code, str(TYPE_NUMBER[type])) for code, type, _ in GOLDEN_BUDGET}
    assert len(golden) == 33 and golden <= erp


def test_commitments(small: World) -> None:
    contracts = small.contracts()
    linked = [c for c in contracts if c["origin_id"]]
    new = [c for c in contracts if not c["origin_id"] and c["status"] == "Approved"]
    assert (len(linked), len(new), len(contracts) - len(linked) - len(new)) == (40, 60, 8)
    assert {c["status"] for c in contracts if not c["origin_id"]} <= {"Approved", "Draft", "Out For Signature", "Submitted"}
    assert len(small.procore("purchase_order_contracts")) > 15
    assert len({c["id"] for c in contracts}) == len(contracts)  # one id space for both kinds
    lengths = {len(small.lines(c)) for c in contracts}
    assert min(lengths) >= 4 and max(lengths) <= 20
    units = sum(c["accounting_method"] == "unit" for c in contracts)
    assert 0.12 <= units / len(contracts) <= 0.28
    moments = sorted(c["updated_at"] for c in contracts)
    assert moments[0] >= "2026-07-01" and moments[0] < "2026-07-03" and "2026-09-29" < moments[-1] < "2026-09-30T18:00:00Z"
    assert {m[5:7] for m in moments} == {"07", "08", "09"} and len({m[:10] for m in moments}) > 60
    masters = [row["updated_at"] for kind in ("vendors", "projects", "cost_codes") for row in small.procore(kind)]
    assert min(masters) > "2026-01-01" and max(masters) < "2026-07-01"
    assert all(c["created_at"] <= c["updated_at"] for c in contracts)


def test_linked_commitments_are_equal(small: World) -> None:
    """All but planted #10, whose line 3 was raised, and the line of amount zero that only Procore has."""
    erp = {(row["company"], row["number"]): row for row in small.erp("commitments")}
    erp_lines: dict[tuple[str, str], dict[int, Row]] = {}
    for row in small.erp("commitment_lines"):
        erp_lines.setdefault((row["company"], row["number"]), {})[row["line_no"]] = row
    projects = {row["id"]: row for row in small.procore("projects")}
    codes = {row["id"]: row for row in small.procore("cost_codes")}
    vendors = {row["id"]: row["origin_code"] for row in small.procore("vendors")}
    types = {row["id"]: str(TYPE_NUMBER[row["code"]]) for row in small.procore("line_item_types")}
    differences, only_procore = [], []
    linked = [c for c in small.contracts() if c["origin_id"]]
    assert len(erp) == len(linked) == 40
    for contract in linked:
        _, company, kind, number = contract["origin_id"].split(":")
        document = erp[company, number]
        assert kind == "commitments" and document["marker"] == f"procore:8089:commitments:{contract['id']}"
        assert contract["origin_code"] == contract["number"] == number
        assert json.loads(contract["origin_data"]) == {"erp_key": number}
        assert document["job"] == projects[contract["project_id"]]["project_number"]
        assert document["vendor"] == vendors[contract["vendor_id"]]
        assert (document["title"], document["contract_date"]) == (contract["title"], contract["contract_date"])
        assert (document["status"], document["currency"]) == ("open", contract["currency_iso_code"])
        assert document["retainage_e4"] == Decimal(contract["retainage_percent"]) * 10_000
        for line in small.lines(contract):
            other = erp_lines[company, number].pop(line["position"], None)
            if other is None:
                only_procore.append((number, line["amount"]))
                continue
            assert (other["code"], other["cost_type"]) == (
                full_code(codes, codes[line["cost_code_id"]]),
                types[line["line_item_type_id"]],
            )
            assert (other["description"], other["unit"], other["extended_type"]) == (
                line["description"],
                line["uom"],
                line["extended_type"],
            )
            for column, field in (("quantity_e4", "quantity"), ("unit_cost_e4", "unit_cost")):
                assert other[column] == (None if line[field] is None else Decimal(line[field]) * 10_000)
            if other["amount_cents"] != Decimal(line["amount"]) * 100:
                differences.append((number, line["position"], other["amount_cents"], line["amount"]))
        assert not erp_lines[company, number]
    assert differences == [("107-SC-008", 3, 1_240_000, "14900.00")]
    assert only_procore == [("107-SC-009", "0.00")]


def test_golden_commitments(small: World) -> None:
    project = next(row["id"] for row in small.procore("projects") if row["project_number"] == "25-104")
    sums = {
        c["number"]: sum(Decimal(line["amount"]) for line in small.lines(c))
        for c in small.contracts()
        if c["project_id"] == project and c["number"].startswith("104-")
    }
    assert {number: str(total) for number, total in sums.items()} == GOLDEN
    assert sum(sums.values()) == Decimal("7092140.30")
    new = {number for number in GOLDEN if small.contract(number)["origin_id"] is None}
    assert new == {"104-SC-008", "104-PO-002", "104-PO-003"}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("104-SC-003", [("05-1200", "62000.00"), ("05-1200", "48500.00"), ("05-1200", "612000.00"), ("05-1200", "318000.00"),
                        ("05-3100", "146000.00"), ("05-3100", "94500.00"), ("05-5000", "173000.00"), ("05-1200", "32000.00")]),
        ("104-SC-001", [("02-4100", "9200.00"), ("02-4100", "118000.00"), ("02-4100", "41500.00"), ("31-1000", "15500.00")]),
        ("104-PO-002", [("08-1100", "49770.00"), ("08-1100", "15675.00"), ("08-1100", "595.30"), ("08-1100", "2350.00")]),
    ],
)  # fmt: skip
def test_golden_schedules(small: World, number: str, expected: list[tuple[str, str]]) -> None:
    codes = {row["id"]: row for row in small.procore("cost_codes")}
    lines = sorted(small.lines(small.contract(number)), key=lambda line: line["position"])
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert [(full_code(codes, codes[line["cost_code_id"]]), line["amount"]) for line in lines] == expected


def test_golden_unit_prices(small: World) -> None:
    lines = sorted(small.lines(small.contract("104-PO-002")), key=lambda line: line["position"])
    assert [(line["quantity"], line["unit_cost"], line["uom"], line["extended_type"]) for line in lines] == [
        ("42.00", "1185.00", "ea", "calculated"),
        ("38.00", "412.50", "ea", "calculated"),
        ("333.50", "1.785", "lf", "calculated"),
        ("1.00", "2350.00", "ls", "manual"),
    ]


def test_good_records_that_are_easily_rejected(small: World) -> None:
    lines = {c["number"]: small.lines(c) for c in small.contracts()}
    contracts = {c["number"]: c for c in small.contracts()}
    assert any(Decimal(line["amount"]) < 0 for line in lines["107-SC-018"]) and contracts["107-SC-018"]["status"] == "Approved"
    floors = [line["cost_code_id"] for line in lines["098-SC-017"]]
    assert len(floors) > len(set(floors)) and contracts["098-SC-017"]["origin_id"] is None
    received = [c for c in contracts.values() if c["status"] == "Received"]
    assert [c["number"] for c in received] == ["107-PO-001"] and received[0]["origin_id"]
    assert [c["number"] for c in contracts.values() if not c["executed"] and c["status"] == "Approved"] == ["098-SC-018"]


def test_texts_fit_the_erp(small: World) -> None:
    """Everything that is meant to load is within the ERP's widths; titles and numbers of contracts, but for planted #8."""
    width = {(limit.table, limit.column): limit.length for limit in LIMITS}
    assert all(len(row["name"]) <= width["vendors", "name"] for row in small.procore("vendors"))
    assert all(len(row["name"]) <= 60 for row in small.procore("projects"))
    assert all(len(row["description"]) <= 60 for row in small.procore("contract_lines"))
    assert all(len(c["number"]) <= width["commitments", "number"] for c in small.contracts())
    assert [c["number"] for c in small.contracts() if len(c["title"]) > width["commitments", "title"]] == ["098-SC-022"]


def test_ids_do_not_fit_32_bits(small: World) -> None:
    for kind in (
        "vendors",
        "projects",
        "cost_codes",
        "wbs_codes",
        "work_order_contracts",
        "purchase_order_contracts",
        "contract_lines",
    ):
        assert min(row["id"] for row in small.procore(kind)) > 2**32


def test_periods(small: World) -> None:
    status = {(row["company"], row["module"], row["period"]): row["status"] for row in small.erp("periods")}
    assert len(status) == 2 * 4 * 22
    for (_, _, period), state in status.items():
        assert state == ("closed" if period <= "2026-06" else "open" if period <= "2026-09" else "future")


def test_erp_stamps(small: World) -> None:
    """Rows carry the times of their past, not the moment of loading, and leave no audit trail."""
    for table in ("vendors", "jobs", "commitments", "commitment_lines"):
        assert all(row["updated_at"] < "2026-09-30T18:00" and row["row_version"] == 1 for row in small.erp(table))
    with small.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit_log").scalar_one() == 0
