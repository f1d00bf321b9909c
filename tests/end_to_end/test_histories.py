"""Companies that nobody has integrated yet: an empty Procore, and two systems that know nothing of each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from include.financials.__main__ import main
from include.financials.entities import ENTITIES
from sandbox.chaos import people
from sandbox.erp.tables import BUSINESS
from tests.end_to_end.world import State, World, counts, done, stopped, unexplained

pytestmark = pytest.mark.slow

JOB = "25-104"
MADE_BY_US = (
    *(
        "vendors",
        "projects",
        "sub_jobs",
        "tax_codes",
        "cost_codes",
        "standard_cost_codes",
        "line_item_types",
        "insurances",
        "users",
    ),
    *("direct_costs", "direct_cost_lines", "contract_payments", "prime_contracts", "budget_lines"),
)
"""Kinds of records that the sync makes in Procore."""
OF_SUB_JOBS = "SELECT job, sub_job, code FROM job_codes WHERE sub_job <> ''"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, sandbox: World) -> State:
    """Master data in the ERP and an empty Procore, after the first run."""
    sandbox.reset(size="tiny", history="none")
    report = sandbox.run()
    return replace(sandbox.keep(tmp_path_factory.mktemp("filled") / "state"), report=report)


@pytest.fixture
def cold(sandbox: World, filled: State) -> World:
    sandbox.back_to(filled)
    return sandbox


@pytest.fixture
def strangers(sandbox: World) -> World:
    """Both systems in mid-life, without an external id or a marker."""
    sandbox.reset(size="tiny", history="unlinked")
    return sandbox


def decide(world: World, *words: str) -> None:
    assert main(["--ledger", f"sqlite:///{world.folder}/ledger.sqlite", "decide", *words]) == 0


# -- none -----------------------------------------------------------------------------------------------------------------------


def test_an_empty_procore_is_filled_once(cold: World, filled: State) -> None:
    first = filled.report
    assert first["stopped"] == [] and first["reconciliation"]["balanced"]
    assert done(first) == {
        "vendors": {"created": 5}, "vendor_insurances": {"created": 10}, "customers": {"created": 2}, "projects": {"created": 2},
        "users": {"created": 3},
        "sub_jobs": {"created": 2}, "tax_codes": {"created": 3}, "cost_types": {"updated": 5}, "cost_codes": {"created": 163},
    }  # fmt: skip
    assert first["entities"]["cost_codes"]["extracted"] == len(cold.erp("SELECT * FROM job_codes")) + len(
        cold.erp("SELECT * FROM standard_codes")
    )
    places = {f"sandbox:01:cost_codes:{row['job']}/{row['sub_job']}/{row['code']}" for row in cold.erp(OF_SUB_JOBS)}
    assert {row["origin_id"] for row in cold.objects("cost_codes") if row.get("sub_job_id")} == places and places
    again = cold.run()
    assert (done(again), cold.writes(), again["erp_writes"]) == ({}, [], 0)


def test_documents_are_born_after_a_cold_start(cold: World) -> None:
    """From an empty Procore to a contract that is billed and paid, each step by the person whose work it is."""
    place = people.project(cold, JOB)["id"]
    vendor, code, kind = (
        next(row for row in cold.objects(name) if row["origin_id"] == f"sandbox:{origin}")
        for name, origin in (
            ("vendors", "G1:vendors:V-1042"), ("cost_codes", f"01:cost_codes:{JOB}//03-3000"),
            ("line_item_types", "G1:cost_types:3"),
        )
    )  # fmt: skip
    header = {"number": "104-SC-101", "title": "Slabs", "vendor_id": vendor["id"], "retainage_percent": "10",
              "contract_date": "2026-09-20", "status": "Draft"}  # fmt: skip
    made = cold.as_user("POST", "/work_order_contracts", {"project_id": place, "work_order_contract": header})
    path = f"/work_order_contracts/{made['id']}"
    for amount in ("40000.00", "10000.00"):
        line = {"cost_code_id": code["id"], "line_item_type_id": kind["id"], "amount": amount, "description": f"Part {amount}"}
        cold.as_user("POST", f"{path}/line_items", {"project_id": place, "line_item": line})
    assert counts(cold.quick(), "commitments") == {"skipped": 1}

    cold.as_user("PATCH", path, {"project_id": place, "work_order_contract": {"status": "Approved"}})
    cold.clerk("new_prime_contract", job=JOB, title="Office building", amount="90000", number="104-PC-101", retainage="10",
               contract_date="2026-09-20")  # fmt: skip
    cold.clerk("new_cost", job=JOB, code="01-3100", cost_type="1", amount="777.70", source="PR")
    report = cold.quick()
    assert done(report) == {name: {"created": 1} for name in ("direct_costs", "commitments", "prime_contracts")}
    assert report["reconciliation"]["balanced"], unexplained(report)

    people.new_change_order(cold, "104-SC-101", "2500.00")
    people.new_change_order(cold, "104-PC-101", "3000.00")
    people.new_requisition(cold, "104-SC-101", "8000.00", invoice_number="77-1")
    report = cold.quick()
    assert done(report) == {
        name: {"created": 1} for name in ("commitment_change_orders", "prime_change_orders", "subcontractor_invoices")
    }
    assert report["reconciliation"]["balanced"], unexplained(report)
    (invoice,) = cold.erp("SELECT * FROM ap_invoices")
    assert [invoice[name] for name in ("invoice", "gross_cents", "held_cents")] == ["77-1", 1_600_000, 160_000]

    cold.clerk("post", entity="ap", number="77-1")
    cold.clerk("pay", vendor="V-1042", invoices=[{"invoice": "77-1", "amount": "14400.00"}], payment="009001")
    report = cold.quick()
    assert done(report) == {"payments_issued": {"created": 1}} and report["reconciliation"]["balanced"], unexplained(report)
    assert [Decimal(row["amount"]) for row in cold.objects("contract_payments")] == [Decimal("14400.00")]
    assert report["stopped"] == []
    again = cold.run()
    assert done(again) == {} and cold.writes() == [] and again["reconciliation"]["balanced"]


# -- unlinked -------------------------------------------------------------------------------------------------------------------


def test_what_is_on_both_sides_is_proposed_and_linked_by_decision_only(
    strangers: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is linked by looks and nothing that the other side has is made a second time, in whatever order people decide."""
    world = strangers
    documents = {table: len(world.erp(f"SELECT * FROM {table}")) for table in BUSINESS}
    records = {kind: len(world.objects(kind)) for kind in MADE_BY_US}
    first = world.run()
    proposed = {row["entity"] for row in first["stopped"] if row["rule"] == "2.9"}
    assert proposed == {"vendors", "customers", "users", "projects", "tax_codes", "cost_codes"}
    assert {row["state"] for row in first["stopped"]} == {"held"}, "what refers to something unlinked waits for it, no more"
    waits = [row["message"] for row in first["stopped"] if row["rule"] != "2.9"]
    assert not [text for text in waits if re.search(r"\d{9,}", text) or " -> " in text], "in the names that people know"
    assert {row["rule"] for row in first["stopped"]} == {"2.9", "M-01", "D-03", "V-04"}
    assert done(first) == {  # what the ERP alone has; Procore's first cost types are taken as the settings map them
        "vendors": {"created": 2}, "vendor_insurances": {"created": 4}, "tax_codes": {"created": 1}, "cost_types": {"updated": 5},
        "users": {"created": 1},
    }  # fmt: skip
    assert first["entities"]["customers"]["created"] == 0, "an owner that Procore's directory has is not made a second time"
    assert {table: len(world.erp(f"SELECT * FROM {table}")) for table in BUSINESS} == documents

    asked = world.run()
    assert (done(asked), world.writes()) == ({}, []), "nothing is linked unasked"
    assert stopped(asked) == stopped(first)
    runs, later = 0, set()
    while (report := world.run())["stopped"]:
        asked_of = {row["entity"] for row in report["stopped"] if row["rule"] == "2.9"}
        for name in sorted(asked_of):
            decide(world, "link", name, "all", "--note", "same company")
        later |= asked_of
        runs += 1
        assert runs < 10, [row["message"] for row in report["stopped"]][:4]
    assert later >= {"vendor_insurances", "sub_jobs", "direct_costs", "commitments", "prime_contracts", "payments_issued"}
    assert report["reconciliation"]["balanced"], unexplained(report)[:3]
    assert "recorded for" in capsys.readouterr().out

    # Of two contracts, change orders and so on that both sides had, none is there twice.
    grown = {table: len(world.erp(f"SELECT * FROM {table}")) - n for table, n in documents.items()}
    assert {table: n for table, n in grown.items() if n and not table.endswith("_lines")} == {
        "commitments": 1, "budget_changes": 1, "change_orders": 1, "ap_invoices": 2, "prime_changes": 2, "ar_invoices": 3,
    }  # fmt: skip
    made = {kind: len(world.objects(kind)) - n for kind, n in records.items()}
    assert {kind: n for kind, n in made.items() if n} == {
        "vendors": 2, "insurances": 4, "sub_jobs": 1, "tax_codes": 1, "cost_codes": 6, "direct_costs": 1,
        "direct_cost_lines": 1, "contract_payments": 3, "users": 1,
    }  # fmt: skip
    pairs = Counter((row["project_id"], row["cost_code_id"], row["line_item_type_id"]) for row in world.objects("wbs_codes"))
    assert max(pairs.values()) == 1
    last = world.run()
    assert (done(last), world.writes(), last["erp_writes"]) == ({}, [], 0)
    assert last["reconciliation"]["balanced"]


def test_a_document_that_only_the_erp_has_is_unexplained_until_somebody_accepts_it(strangers: World) -> None:
    """Contracts that nobody has linked stand in the ERP alone, with what hangs on them; a person accepts each as it is."""
    world = strangers
    only = {"params": {"entities": ["vendors", "customers", "projects", "cost_types", "cost_codes", "commitments"]}}
    first = world.run(**only)
    orphans = {row["erp_id"] for row in unexplained(first) if row["tie"] == "T-05"}
    assert orphans == {"104-SC-003", "098-SC-001"} and not first["reconciliation"]["balanced"]
    for number in orphans:
        decide(world, "accept", "commitment", number)
    accepted = world.run(**only)
    assert accepted["reconciliation"]["balanced"], unexplained(accepted)[:3]
    codes = {item["code"] for row in accepted["reconciliation"]["differences"] for item in row["explained"]}
    assert "OPENING" in codes


# -- an interval in the middle first --------------------------------------------------------------------------------------------


def test_a_backfill_of_the_last_month_comes_first(sandbox: World) -> None:
    """On an empty ledger: what came before the interval is on both sides and was not read. The draws before are read by id, and
    nothing is told as changed, out of order or unexplained for that."""
    world = sandbox
    world.reset(size="tiny")
    invoices = len(world.erp("SELECT * FROM ap_invoices")) + len(world.erp("SELECT * FROM ar_invoices"))
    report = world.quick(kind="backfill", interval=(datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)))
    assert {row["state"] for row in report["stopped"]} <= {"held"} and not [r for r in report["stopped"] if r["rule"] == "I-03"]
    assert report["reconciliation"]["balanced"], unexplained(report)[:3]
    made = sum(done(report)[name]["created"] for name in ("subcontractor_invoices", "owner_invoices"))
    assert made == len(world.erp("SELECT * FROM ap_invoices")) + len(world.erp("SELECT * FROM ar_invoices")) - invoices == 4
    whole = world.run()
    assert whole["stopped"] == [] and whole["reconciliation"]["balanced"], unexplained(whole)[:3]


def _families() -> Iterator[tuple[str, ...]]:
    """Each entity alone, and each that has ties and nothing refers to, with all it may refer to less one of these."""
    referred = {other for name, row in ENTITIES.items() for other in row.references.values() if other != name}
    for name, row in ENTITIES.items():
        yield (name,)
        whole, look = {name}, [name]
        while look:
            found = {*ENTITIES[look.pop()].references.values()} & ENTITIES.keys() - whole
            whole |= found
            look += found
        if row.ties and name not in referred:
            for parent in sorted(whole - {name}):
                yield tuple(one for one in ENTITIES if one in whole and one != parent)


@pytest.mark.parametrize("entities", sorted({*_families()}), ids=" ".join)
def test_a_run_that_leaves_out_a_parent_finds_no_difference(sandbox: World, entities: tuple[str, ...]) -> None:
    """On an empty ledger, both sides as they were linked long ago: what refers to something that is not linked has no key of the
    ERP yet, and is still the same pair of documents."""
    sandbox.reset(size="tiny")
    report = sandbox.run(params={"entities": list(entities)})
    assert report["reconciliation"]["balanced"], unexplained(report)[:3]


# -- links that end -------------------------------------------------------------------------------------------------------------


def test_a_link_that_was_ended_goes_on_where_it_stopped(tiny: World) -> None:
    """Title A -> B, unlink, link again, B -> A: the last write must not be taken for the first one, which is in the journal."""
    world = tiny
    only: dict[str, Any] = {"params": {"entities": ["commitments"]}}
    for title in ("Steel A", "Steel B"):
        world.edit("104-SC-003", title=title)
        assert world.run(**only)["erp_writes"] == 1
    decide(world, "unlink", "commitment", "104-SC-003")
    ended = world.run(**only)
    assert ("commitments", "104-SC-003", "held", "unlinked") in stopped(ended) and world.writes() == []
    decide(world, "link", "commitment", "104-SC-003")
    assert world.run(**only)["entities"]["commitments"]["updated"] == 1
    world.edit("104-SC-003", title="Steel A")
    again = world.run(**only)
    assert (again["erp_writes"], again["entities"]["commitments"]["updated"]) == (1, 1)
    assert world.documents()["104-SC-003"]["title"] == "Steel A"
