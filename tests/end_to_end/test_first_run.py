"""The first run over a company in mid-life: adopts what is linked, creates what is new, stops what is wrong, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from include.financials.report import COUNTS
from tests.end_to_end.world import State, World, counts, done, expected, stopped, twice, unexplained

GOLDEN = {
    "104-SC-001": "184200.00", "104-SC-002": "763500.00", "104-SC-003": "1486000.00", "104-SC-004": "998400.00",
    "104-SC-005": "361250.00", "104-SC-006": "439900.00", "104-SC-007": "619300.00", "104-SC-008": "1048750.00",
    "104-SC-009": "917600.00", "104-PO-001": "118450.00", "104-PO-002": "68390.30", "104-PO-003": "86400.00",
}  # fmt: skip
STEEL = [
    ("05-1200", 6_200_000), ("05-1200", 4_850_000), ("05-1200", 61_200_000), ("05-1200", 31_800_000),
    ("05-3100", 14_600_000), ("05-3100", 9_450_000), ("05-5000", 17_300_000), ("05-1200", 3_200_000),
]  # fmt: skip
GOOD = ["107-PO-001", "107-SC-009", "098-SC-017", "098-SC-018", "098-SC-021", "104-PO-003", "107-SC-007"]
REPORT = {
    "run_id",
    "mode",
    "seconds",
    "procore_calls",
    "procore_writes",
    "erp_writes",
    "entities",
    "stopped",
    "gates",
    "reconciliation",
}
DIFFERENCE = {"tie", "project", "cost_key", "procore_id", "erp_id", "procore", "erp", "explained", "unexplained"}


def erp(state: State, sql: str, *values: Any) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(state.folder / "erp.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql, values).fetchall()


@pytest.mark.parametrize(
    ("entity", "wanted"),
    [
        ("vendors", {"created": 6, "adopted": 48, "skipped": 5, "quarantined": 3, "conflicts": 1}),
        ("customers", {"created": 2, "adopted": 4}),
        ("projects", {"created": 1, "adopted": 5}),
        ("cost_types", {"adopted": 5}),
        ("cost_codes", {"created": 66, "adopted": 305, "skipped": 1}),
        ("commitments", {"created": 50, "adopted": 39, "skipped": 8, "held": 4, "quarantined": 5, "conflicts": 2}),
    ],
)
def test_counts(settled: State, entity: str, wanted: dict[str, int]) -> None:
    assert counts(settled.report, entity) == wanted


def test_exactly_the_planted_problems_stop(settled: State) -> None:
    assert stopped(settled.report) == expected(settled.planted)
    assert len(settled.report["stopped"]) == len(settled.planted) == 15
    for row in settled.report["stopped"]:
        assert row["key"] in row["message"]
        assert bool(row["waits_for"]) == (row["state"] == "held")


def test_every_other_approved_commitment_is_in_the_erp(settled: State) -> None:
    """The good twins and the good records that look odd: received after its link, a line of zero, a credit line, one code on two
    lines, not executed, a vendor on payment hold."""
    numbers = {row["number"] for row in erp(settled, "SELECT number FROM commitments")}
    assert len(numbers) == 40 + 50
    assert set(GOLDEN) <= numbers and set(GOOD) <= numbers
    wrong = {row["key"] for row in settled.planted if row["entity"] == "commitments"} - {"107-SC-008", "098-PO-001"}
    assert not numbers & wrong
    assert [row["job"] for row in erp(settled, "SELECT job FROM commitments WHERE number = '098-PO-001'")] == ["25-098"]
    (hold,) = erp(
        settled, "SELECT count(*) AS n FROM commitments c JOIN vendors v USING (vendor_group, vendor) WHERE v.hold = 'payment'"
    )
    (credit,) = erp(settled, "SELECT count(*) AS n FROM commitment_lines WHERE amount_cents < 0")
    assert hold["n"] >= 1 and credit["n"] == 1


def test_the_golden_job_to_the_cent(settled: State) -> None:
    rows = {row["number"]: row for row in erp(settled, "SELECT * FROM v_commitments WHERE job = '25-104'")}
    assert {number: str(Decimal(row["amount_cents"]).scaleb(-2)) for number, row in rows.items()} == GOLDEN
    assert sum(row["amount_cents"] for row in rows.values()) == 709_214_030
    lines = erp(settled, "SELECT * FROM commitment_lines WHERE number = '104-PO-002' ORDER BY line_no")
    assert [row["amount_cents"] for row in lines] == [4_977_000, 1_567_500, 59_530, 235_000]
    assert (lines[2]["quantity_e4"], lines[2]["unit_cost_e4"], lines[2]["unit"]) == (3_335_000, 17_850, "lf")
    steel = erp(settled, "SELECT code, amount_cents FROM commitment_lines WHERE number = '104-SC-003' ORDER BY line_no")
    assert [tuple(row) for row in steel] == STEEL


def test_created_documents_carry_marker_and_external_ids(settled: State) -> None:
    new = erp(settled, "SELECT company, number, marker FROM commitments WHERE created_at >= '2026-09-30T18:00'")
    with closing(sqlite3.connect(settled.folder / "procore.sqlite")) as connection:
        ids = {str(i): o for i, o in connection.execute("SELECT id, origin_id FROM objects WHERE kind LIKE '%_order_contracts'")}
    assert len(new) == 50
    for row in new:
        assert row["marker"].startswith("procore:8089:commitments:")
        assert ids[row["marker"].rpartition(":")[2]] == f"sandbox:{row['company']}:commitments:{row['number']}"


def test_the_report_has_exactly_the_agreed_keys(settled: State) -> None:
    report = settled.report
    assert set(report) == REPORT
    for row in report["entities"].values():
        assert set(row) == {"direction", "extracted", *COUNTS, "amount"}
        assert row["extracted"] == sum(row[name] for name in COUNTS)
        assert isinstance(row["amount"], str)
    assert list(report["entities"]) == ["vendors", "customers", "projects", "cost_types", "cost_codes", "commitments"]
    assert all(set(row) == {"entity", "key", "state", "rule", "waits_for", "amount", "message"} for row in report["stopped"])
    assert report["gates"] == {
        "referential_integrity": {
            "passed": True,
            "judged": 60,
            "failed": 10,
            "failed_amount": report["gates"]["referential_integrity"]["failed_amount"],
        }
    }
    assert set(report["reconciliation"]) == {"balanced", "checked", "differences"}
    for row in report["reconciliation"]["differences"]:
        assert set(row) == DIFFERENCE
        assert all(set(item) == {"code", "entity", "key", "amount"} for item in row["explained"])
        assert all(
            isinstance(value, str)
            for value in (row["procore"], row["erp"], row["unexplained"], *(i["amount"] for i in row["explained"]))
        )


def test_both_sides_balance(settled: State) -> None:
    result = settled.report["reconciliation"]
    assert result["balanced"] is True and unexplained(settled.report) == []
    assert result["checked"] > 500 and result["differences"]
    planted = {row["key"] for row in settled.planted}
    for row in result["differences"]:
        assert {item["key"] for item in row["explained"]} <= planted
        assert sum(Decimal(item["amount"]) for item in row["explained"]) == Decimal(row["procore"]) - Decimal(row["erp"])


def test_adopting_writes_nothing(settled: State) -> None:
    """Writes name new records only: 48 vendors, 5 jobs, 305 codes and 39 commitments were linked without one."""
    writes = [row for row in settled.requests if row["write"]]
    assert settled.report["procore_writes"] == len(writes)
    with closing(sqlite3.connect(settled.folder / "ledger.sqlite")) as connection:
        entities = dict(connection.execute("SELECT entity, count(DISTINCT source_id) FROM intents GROUP BY entity"))
        adopted = dict(connection.execute("SELECT entity, count(*) FROM links WHERE how = 'adopted' GROUP BY entity"))
    assert entities == {"vendors": 6, "customers": 2, "projects": 1, "cost_codes": 66, "commitments": 50}
    assert adopted == {"vendors": 48, "customers": 4, "projects": 5, "cost_types": 5, "cost_codes": 305, "commitments": 39}
    written = {f"{row['action']} {row['table_name']}" for row in erp(settled, "SELECT * FROM audit_log")}
    assert settled.report["erp_writes"] == 50 and written <= {"I commitments", "I commitment_lines", "U commitments"}


def test_no_list_is_read_twice(settled: State) -> None:
    assert twice(settled.requests) == []


def test_one_call_per_scope_level_and_step(settled: State) -> None:
    with closing(sqlite3.connect(settled.folder / "ledger.sqlite")) as connection:
        calls = connection.execute(
            "SELECT entity, step, scope, level, count(*), sum(items) FROM calls GROUP BY 1, 2, 3, 4"
        ).fetchall()
    assert calls
    for entity, step, scope, level, count, items in calls:
        limit = items if step in ("origin_code",) else -(-items // 1000)
        assert count <= limit, (entity, step, scope, level, count, items)


def test_second_run_writes_nothing(world: World, settled: State) -> None:
    versions = "SELECT company, number, row_version, updated_at FROM commitments ORDER BY 1, 2"
    before, audit = world.erp(versions), world.audit()
    report = world.run()
    assert done(report) == {}
    assert (report["procore_writes"], report["erp_writes"], world.writes()) == (0, 0, [])
    assert world.erp(versions) == before and world.audit() == audit
    first = settled.report["entities"]
    assert {n: r["extracted"] for n, r in report["entities"].items()} == {n: r["extracted"] for n, r in first.items()}
    for name, row in report["entities"].items():
        assert row["unchanged"] == first[name]["created"] + first[name]["adopted"]
    assert stopped(report) == expected(settled.planted)
    assert report["reconciliation"]["balanced"] is True
    assert twice(world.requests()) == []
    again = world.quick()
    assert done(again) == {} and world.writes() == [] and world.audit() == audit
    assert again["reconciliation"]["balanced"] is True
    assert stopped(again) >= {row for row in expected(settled.planted) if row[0] == "commitments"}
