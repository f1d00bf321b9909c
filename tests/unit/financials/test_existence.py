"""Law: what cannot be read is there all the same. It blocks what could be its twin, is never overwritten nor called gone, is
in the report with its side, and its money is in the ties."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials import decide, report
from include.financials.entities import ENTITIES
from include.financials.exceptions import RetryLater, SyncError
from include.financials.existence import Existing, in_erp_keys, money_of, traced
from include.financials.judging import astray
from include.financials.ledger import LinkIndex, Remembered, stamp
from include.financials.port import NO_ID, UNSEEN, Invalid
from include.financials.reading import parts, staging
from include.financials.reading.lists import Lists
from include.financials.report import recall
from include.financials.view import Sync
from tests.unit.financials.pair import (
    SECOND,
    THIRD,
    Crash,
    World,
    commitment,
    direct_cost,
    draft,
    family,
    in_procore,
    invoice,
    payment,
    plant,
    procore_id,
    seed_job,
    vendor,
)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Everything linked but the last stage's documents."""
    world = World(tmp_path_factory.mktemp("ready"))
    plant(world, "vendors", "vendor_insurances", "customers", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes")
    world.run(reconciled=False)
    plant(world, "budgets", "commitments")
    world.run(reconciled=False)
    plant(world, "prime_contracts", "commitment_change_orders")
    world.run(reconciled=False)
    plant(world, "subcontractor_invoices")
    world.run(reconciled=False)
    return world


@pytest.fixture
def world(ready: World, tmp_path: Path) -> World:
    return ready.fork(tmp_path / "w")


def only(world: World, entity: str, **params: Any) -> Any:
    return world.run(params={"entities": [entity], **params})


def stopped(world: World, sync: Any, entity: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(side, number) -> (state, rule, message) of what did not pass."""
    rows = world.ledger.outcomes.of(sync.run.run_id, entity)
    return {(r.side, r.number): (r.state, r.rule, r.message) for r in rows if r.state not in ("linked", "skipped")}


def unexplained(sync: Any) -> list[Any]:
    found: Any = recall(sync, "reconciliation")
    return [one for one in found["differences"] if Decimal(one["unexplained"])]


def test_a_payment_by_hand_that_cannot_be_read_is_not_paid_again(world: World) -> None:
    hand = in_procore(world, payment(payment_number="0234241831TC"), origin_id=None)
    world.procore.garbled["payments_issued", hand.id] = "payment_number"
    world.erp.put(payment())
    sync = only(world, "payments_issued")
    assert [p.id for p in world.procore.records["payments_issued"]] == [hand.id], "nothing was paid twice"
    found = stopped(world, sync, "payments_issued")
    assert found["procore", hand.number][0] == "quarantined" and "in Procore" in found["procore", hand.number][2]
    state, rule, message = found["erp", payment().number]
    assert (state, rule) == ("held", "R-06") and hand.number in message and "payment_number" in message
    assert unexplained(sync) == []


def met_without_id(world: World, entity: str, number: str) -> Any:
    own = world.procore.get(entity, number=number)
    world.procore.garbled[entity, own.id] = "id"
    sync = world.run()
    assert [row.state for row in world.ledger.outcomes.of(sync.run.run_id, entity) if row.number == number] == ["quarantined"]
    del world.procore.garbled[entity, own.id]  # its time of change is what it was
    return own


def kept_of(world: World, entity: str) -> set[str]:
    """Records that the ledger goes on counting as met without an id."""
    return {one.id for one in world.ledger.records.each(entity, "procore") if one.id.startswith(NO_ID) and not one.deleted}


@pytest.mark.parametrize(("entity", "number"), [("commitments", "SC-9"), ("subcontractor_invoices", "N-3")])
def test_a_document_that_was_met_without_its_id_is_looked_at_when_it_has_one(world: World, entity: str, number: str) -> None:
    """Nobody can ask for it by id, and it changed before the window of the next run."""
    draft(world, "SC-9")
    in_procore(world, invoice(3, "SC-1", items=THIRD, before=SECOND, previous=procore_id("subcontractor_invoices", "V-1/N-2")))
    world.only = family(entity)
    own = met_without_id(world, entity, number)
    assert len(kept_of(world, entity)) == 1
    since = (world.clock.now + timedelta(minutes=1)).isoformat()
    sync = world.run(params={"since": since})
    assert world.states(sync, entity)[number] == ("created", "")
    assert kept_of(world, entity) == set() and unexplained(sync) == []
    assert own.id in {link.procore_id for link in world.ledger.links.of(entity)}
    world.clock.now += timedelta(minutes=20)
    sync = world.run(params={"since": world.clock.now.isoformat()})
    assert number not in world.states(sync, entity), "and no more than once"


def test_one_that_still_has_no_id_is_told_of_in_every_run(world: World) -> None:
    own = draft(world, "SC-9")
    world.procore.garbled["commitments", own.id] = "id"
    for since in ({}, {"since": (world.clock.now + timedelta(minutes=1)).isoformat()}):
        sync = only(world, "commitments", **since)
        assert stopped(world, sync, "commitments")["procore", "SC-9"][0] == "quarantined"
        assert len(kept_of(world, "commitments")) == 1
    world.procore.records["commitments"] = [one for one in world.procore.records["commitments"] if one.id != own.id]
    assert stopped(world, only(world, "commitments"), "commitments") == {} and kept_of(world, "commitments") == set(), "it went"


HAND: dict[str, Any] = {"number": "typed", "payment_number": "991", "amount": Decimal("63.00")}
"""What people typed in of a payment of 36.00: neither its number nor its amount."""


@pytest.mark.parametrize(
    ("lost", "changes"),
    [
        ("pay_date", {}),
        ("pay_date", {"invoice": None}),
        ("pay_date", {"invoice": None, "invoice_number": "see note", "payment_number": "K-1"}),
        ("amount", {"invoice": None, "invoice_number": None}),
        ("invoice", {"invoice_number": None}),
    ],
)
def test_a_payment_of_another_amount_that_cannot_be_read_holds_those_of_its_invoice_and_number(
    world: World, lost: str, changes: dict[str, Any]
) -> None:
    hand = in_procore(world, payment("K-9"), origin_id=None, **HAND | changes)
    world.procore.garbled["payments_issued", hand.id] = lost
    world.erp.put(payment())
    sync = only(world, "payments_issued")
    assert [p.id for p in world.procore.records["payments_issued"]] == [hand.id], "nothing was paid twice"
    assert stopped(world, sync, "payments_issued")["erp", payment().number][:2] == ("held", "R-06")


@pytest.mark.parametrize(
    ("lost", "changes"),
    [
        ("description", {"amount": Decimal("63.00")}),
        ("amount", {}),
        ("vendor", {"amount": Decimal("63.00")}),
        ("invoice_number", {"amount": Decimal("63.00")}),
    ],
)
def test_a_cost_of_another_amount_that_cannot_be_read_holds_those_of_its_invoice(
    world: World, lost: str, changes: dict[str, Any]
) -> None:
    hand = in_procore(world, direct_cost("JC-9", invoice_number="X-1"), origin_id=None, description="typed", **changes)
    world.procore.garbled["direct_costs", hand.id] = lost
    world.erp.put(direct_cost("JC-1", invoice_number="x-1" if lost != "invoice_number" else "Y-7"))
    sync = only(world, "direct_costs")
    assert [one.id for one in world.procore.records["direct_costs"]] == [hand.id], "nothing was counted twice"
    assert stopped(world, sync, "direct_costs")["erp", "JC-1"][:2] == ("held", "R-06")


@pytest.mark.parametrize(
    "shown",
    [
        {"vendor": None, "invoice_number": None, "kind": "invoice", "cost_date": "2026-09-31", "description": "Rental"},
        {"vendor": None, "invoice_number": None, "kind": "bill", "cost_date": "2026-09-25", "description": "Rental"},
        {"vendor": "of Ada", "invoice_number": "X-JC-1", "kind": "invoice"},
    ],
)
def test_what_a_field_cannot_hold_tells_nothing(shown: dict[str, str | None]) -> None:
    """A row shows more than one field that cannot be read, and the first alone is named."""
    row = ENTITIES["direct_costs"]
    bad = Invalid("direct_costs", "1", "typed", "status", "is odd", shown={"project": "25-104", "amount": "70.00", **shown})
    existing = Existing(
        row, "procore", LinkIndex.of([]), [bad], system="sandbox", marks="procore:8089",
        translated=lambda one: in_erp_keys(one, row, lambda entity, ident: None),
    )  # fmt: skip
    own = direct_cost()
    assert existing.twin(own.model_copy(update={"project": None})) == existing.free[0]


@pytest.mark.parametrize("entity", [name for name, row in ENTITIES.items() if row.identity])
def test_what_would_be_recognised_is_recognised_when_it_cannot_be_read(entity: str) -> None:
    """Each natural key that proposes a pair of readable records is, as far as it must be told, one by which a record that cannot
    be read holds its twin."""
    row = ENTITIES[entity]
    for key in row.identity:
        told = {name for name in key.split("+") if not name.endswith("?")}
        assert any(set(twin) <= told for twin in row.twins), f"{entity}: {key}"


def explained(sync: Any, tie: str) -> set[tuple[str, str]]:
    found: Any = recall(sync, "reconciliation")
    return {(i["code"], i["amount"]) for one in found["differences"] if one["tie"] == tie for i in one["explained"]}


def test_the_money_of_what_cannot_be_read_is_in_the_ties(world: World) -> None:
    hand = in_procore(world, payment(amount=Decimal("12.34")), origin_id=None)
    world.procore.garbled["payments_issued", hand.id] = "payment_number"
    sync = only(world, "payments_issued")
    assert explained(sync, "T-16") == {("QUARANTINED", "12.34")} and unexplained(sync) == []
    del world.procore.garbled["payments_issued", hand.id]
    again = only(world, "payments_issued")
    assert stopped(world, again, "payments_issued") == {} and len(unexplained(again)) == 3, (
        "readable: in Procore only, unexplained"
    )


@pytest.mark.parametrize(
    ("told", "amount"),
    [
        ("12.34", "12.34"),
        ("250.005", "250.01"),
        ("NaN", None),
        ("Infinity", None),
        ("1e400", None),
        ("1e99999999", None),
        ("n/a", None),
        (None, None),
    ],
)
def test_an_amount_is_told_as_far_as_it_is_one(told: str | None, amount: str | None) -> None:
    bad = Invalid("commitments", "1", "SC-1", "amount", "is odd", shown={"amount": told})
    assert money_of(bad) == (None if amount is None else Decimal(amount))
    assert traced(bad)["amount"] == (amount or "0.00")


@pytest.mark.parametrize("lost", ["active", "name", "tax_id"])
def test_a_company_that_cannot_be_read_is_not_made_again(world: World, lost: str) -> None:
    hand = world.procore.put(vendor("V-9", tax_id="89-7777777").model_copy(update={"id": "777", "company": None, "code": None}))
    world.procore.garbled["vendors", "777"] = lost
    world.erp.put(vendor("V-9", tax_id="897777777"))
    sync = only(world, "vendors")
    assert [v.id for v in world.procore.all("vendors", number="V-9")] == [hand.id]
    found = stopped(world, sync, "vendors")
    assert found["erp", "V-9"][:2] == ("held", "R-06") and lost in found["erp", "V-9"][2]
    assert found["procore", "V-9"][0] == "quarantined"
    del world.procore.garbled["vendors", "777"]
    again = only(world, "vendors")
    assert "R-06" not in {rule for _, rule, _ in stopped(world, again, "vendors").values()}, "mended: judged by what it says"


def test_another_company_that_cannot_be_read_stops_nobody(world: World) -> None:
    world.procore.put(vendor("V-9", tax_id="11-1111111").model_copy(update={"id": "777", "company": None, "code": None}))
    world.procore.garbled["vendors", "777"] = "active"
    world.erp.put(vendor("V-10", tax_id="897777777"))
    sync = only(world, "vendors")
    assert world.states(sync, "vendors")["V-10"] == ("created", "")


# -- a list that misses a row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity", ["cost_codes", "direct_costs", "prime_contracts", "payments_issued", "payments_received"])
def test_nothing_is_said_of_what_belongs_to_a_project_that_is_not_shown(full: World, entity: str) -> None:
    """Its list is not read, and nobody asks for its records: they are not gone, and nothing is written to them."""
    link = next(link for link in full.ledger.links.of("projects") if link.erp_key == "25-104")
    full.procore.hidden.add(("projects", link.procore_id))
    for record in list(full.erp.records[entity]):
        full.erp.put(record)
    writes = full.writes()
    sync = only(full, entity, since="2020-01-01")
    told = {row for (side, _), row in stopped(full, sync, entity).items() if side == "erp"}
    assert told and {(state, rule) for state, rule, _ in told} == {("held", "R-07")}, told
    assert all("the project of" in message and "not visible to us" in message for _, _, message in told)
    assert full.writes() == writes


@pytest.mark.parametrize("entity", ["vendors", "projects", "cost_codes", "direct_costs", "prime_contracts", "payments_issued"])
def test_a_row_that_procores_list_misses_is_asked_for_by_its_id(world: World, entity: str) -> None:
    if entity not in world.used or not world.erp.records[entity]:
        plant(world, entity)
        world.run(of=[entity], reconciled=False)
    link = world.ledger.links.of(entity)[0]
    world.procore.missed.add((entity, link.procore_id))
    sync = only(world, entity, since="2020-01-01")
    assert stopped(world, sync, entity) == {} and world.ledger.links.of(entity), "it is there: a list may miss a row"
    world.procore.missed.clear()
    world.procore.hidden.add((entity, link.procore_id))
    sync = only(world, entity, since="2020-01-01")
    state, rule, message = stopped(world, sync, entity)["erp", link.number]
    assert (state, rule) == ("held", "R-07") and "not visible to us in Procore" in message
    assert link.procore_id not in message and "unlink" not in message
    world.procore.hidden.clear()
    world.procore.records[entity] = [r for r in world.procore.records[entity] if r.id != link.procore_id]
    sync = only(world, entity, since="2020-01-01")
    assert stopped(world, sync, entity)["erp", link.number][:2] == ("conflict", "R-02"), "Procore says so: it is gone"


@pytest.mark.parametrize("entity", ["vendors", "cost_codes", "prime_contracts"])
def test_a_row_that_the_erps_list_misses_is_asked_for_by_its_key(world: World, entity: str) -> None:
    link = world.ledger.links.of(entity)[0]
    world.erp.missed.add((entity, link.erp_key))
    sync = only(world, entity, since="2020-01-01")
    assert ("erp", link.number) not in stopped(world, sync, entity) and unexplained(sync) == []
    world.erp.missed.clear()
    world.erp.records[entity] = [r for r in world.erp.records[entity] if r.id != link.erp_key]
    sync = only(world, entity, since="2020-01-01")
    assert stopped(world, sync, entity)["erp", link.number][:2] == ("conflict", "R-02")


@pytest.mark.parametrize("entity", ["commitments", "commitment_change_orders", "subcontractor_invoices"])
def test_a_document_that_the_erps_list_misses_is_asked_for_by_its_key(world: World, entity: str) -> None:
    link = world.ledger.links.of(entity)[0]
    world.erp.missed.add((entity, link.erp_key))
    sync = only(world, entity, since="2020-01-01")
    assert stopped(world, sync, entity) == {}
    world.erp.missed.clear()
    world.erp.garbled[entity, link.erp_key] = "amount"
    sync = only(world, entity, since="2020-01-01")
    found = stopped(world, sync, entity)
    assert found["erp", link.number][0] == "quarantined" and "Correct it in the ERP" in found["erp", link.number][2]
    assert (
        found["procore", link.number][:2] == ("held", "R-06") and "in the ERP cannot be read" in found["procore", link.number][2]
    )


@pytest.mark.parametrize("entity", [name for name, row in ENTITIES.items() if row.source == "procore" and not row.read_only])
def test_a_document_outside_the_window_is_asked_for_as_well(full: World, entity: str) -> None:
    """What nobody touched in Procore for a while is looked for in the ERP all the same: there it went, or its list missed it."""
    full.clock.now += timedelta(days=2)
    full.run(of=family(entity), reconciled=False)
    full.clock.now += timedelta(days=2)
    link = full.ledger.links.of(entity)[-1]
    full.erp.missed.add((entity, link.erp_key))
    sync = only(full, entity)
    assert (stopped(full, sync, entity), unexplained(sync)) == ({}, [])
    full.erp.missed.clear()
    full.erp.records[entity] = [one for one in full.erp.records[entity] if one.id != link.erp_key]
    sync = only(full, entity)
    ((state, rule, message),) = stopped(full, sync, entity).values()
    assert (state, rule) == ("conflict", "R-02") and "the ERP no longer has it" in message
    assert unexplained(sync) == []


@pytest.mark.parametrize("entity", ["subcontractor_invoices", "owner_invoices"])
def test_a_summary_that_states_nothing_is_not_one_of_zero(full: World, entity: str) -> None:
    own: Any = full.procore.records[entity][-1]
    full.procore.put(own.model_copy(update={"completed": None, "retainage": None}))
    sync = only(full, entity)
    assert (stopped(full, sync, entity), unexplained(sync)) == ({}, [])


# -- the ERP's list, unlinked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["amount", "number"])
def test_a_commitment_of_that_number_that_cannot_be_read_in_the_erp_blocks_it(world: World, lost: str) -> None:
    there = world.erp.put(commitment("SC-7"))
    world.erp.garbled["commitments", there.id] = lost
    draft(world, "SC-7")
    sync = only(world, "commitments")
    found = stopped(world, sync, "commitments")
    assert found["procore", "SC-7"][:2] == ("held", "R-06") and found["erp", "SC-7"][0] == "quarantined"
    assert world.erp.all("commitments", number="SC-7") == [there], "nothing was written over it or beside it"
    assert unexplained(sync) == []


@pytest.mark.parametrize("lost", ["billing_date", "number", "vendor", "lines[1].cost_type"])
def test_a_cost_is_not_counted_beside_an_invoice_that_cannot_be_read(full: World, lost: str) -> None:
    bill: Any = full.erp.records["subcontractor_invoices"][0]
    full.erp.garbled["subcontractor_invoices", bill.id] = lost
    full.erp.put(direct_cost("JC-9", vendor=bill.vendor, invoice_number=bill.number))
    full.erp.put(direct_cost("JC-8", vendor=bill.vendor, invoice_number=None, kind="expense"))
    sync = only(full, "direct_costs")
    found = stopped(full, sync, "direct_costs")
    assert set(found) == {("erp", "JC-9")}, "one that names no invoice is nobody's"
    assert found["erp", "JC-9"][:2] == ("held", "D-02") and "in the ERP cannot be read" in found["erp", "JC-9"][2]
    del full.erp.garbled["subcontractor_invoices", bill.id]
    sync = only(full, "direct_costs", since="2020-01-01")
    assert full.states(sync, "direct_costs")["JC-9"][0] == "skipped", "it is billed there"


@pytest.mark.parametrize(("entity", "ident", "rule"), [("vendors", "V-1", "M-02"), ("cost_codes", "25-104//03-3000", "M-05")])
def test_of_what_cannot_be_read_nobody_says_that_it_is_not_there(full: World, entity: str, ident: str, rule: str) -> None:
    """Whoever believed it would enter the vendor, or the code, a second time."""
    draft(full, "SC-7")
    full.erp.garbled[entity, ident] = "active"
    state, found, message = stopped(full, only(full, "commitments"), "commitments")["procore", "SC-7"]
    assert (state, found) == ("held", rule) and "cannot be read in the ERP" in message
    assert not re.search("not in the ERP|not exist|enter it|Add it", message), message


@pytest.mark.parametrize("amount", ["-1.00", "1.00"])
def test_a_contract_is_not_lessened_while_its_bills_cannot_be_read(full: World, amount: str) -> None:
    bill: Any = full.erp.records["subcontractor_invoices"][0]
    full.erp.garbled["subcontractor_invoices", bill.id] = "amount"
    plain: Any = next(one for one in full.procore.records["commitment_change_orders"])
    rows = (plain.lines[0].model_copy(update={"id": "C77", "amount": Decimal(amount), "line": None}),)
    named = {"id": "77", "number": "009", "change_number": "009", "amount": Decimal(amount), "lines": rows, "origin_id": None}
    full.procore.put(plain.model_copy(update=named))
    found = stopped(full, only(full, "commitment_change_orders"), "commitment_change_orders")
    if Decimal(amount) > 0:
        assert found == {}
    else:
        ((state, rule, message),) = found.values()
        assert (state, rule) == ("held", "O-04") and "in the ERP cannot be read (amount" in message


def test_a_document_with_our_marker_that_cannot_be_read_is_not_sent_again(world: World, tmp_path: Path) -> None:
    twin = world.without_ledger(tmp_path / "lost")
    for name in "vendors projects sub_jobs tax_codes cost_types cost_codes".split():
        only(twin, name)
    ours = twin.erp.get("commitments", number="SC-1")
    there = [twin.procore.get("commitments", number="SC-1")]
    twin.procore.put(there[0].model_copy(update={"origin_id": None}))
    twin.erp.garbled["commitments", ours.id] = "lines[1].amount"
    sync = only(twin, "commitments")
    assert stopped(twin, sync, "commitments")["procore", "SC-1"][:2] == ("held", "R-06")
    assert len(twin.erp.records["commitments"]) == 1


# -- budgets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize(("side", "job"), [("procore", "25-105"), ("procore", "25-104"), ("erp", "25-104"), ("erp", "25-105")])
def test_a_budget_with_a_row_that_cannot_be_read_is_quarantined_on_its_side(
    world: World, linked: bool, side: str, job: str
) -> None:
    link = next(one for one in world.ledger.links.of("budgets") if one.erp_key == job)
    if not linked:
        world.end_link("budgets", link.number)
    ident = link.procore_id if side == "procore" else link.erp_key
    system = world.procore if side == "procore" else world.erp
    system.garbled["budgets", ident] = "lines[1].amount"
    before = world.writes()
    sync = only(world, "budgets")
    assert world.writes() == before, "nothing was written"
    found = stopped(world, sync, "budgets")
    assert set(found) == {(side, job)} and found[side, job][0] == "quarantined"
    assert ("Correct it in Procore." if side == "procore" else "Correct it in the ERP.") in found[side, job][2]
    assert unexplained(sync) == []


# -- one row for ever --------------------------------------------------------------------------------------------------------


def test_a_commitment_met_unreadable_is_remembered_once(world: World) -> None:
    own = draft(world, "SC-8")
    world.procore.garbled["commitments", own.id] = "amount"
    world.run(of=["commitments"])
    del world.procore.garbled["commitments", own.id]
    world.run(of=["commitments"])
    rows = [row for row in world.ledger.records.seen("commitments", "procore").values() if row.id == own.id]
    assert [(row.company, row.state) for row in rows] == [("01", "linked")]
    assert unexplained(world.run(of=family("commitments"))) == []


def test_a_record_met_before_its_project_was_linked_keeps_its_one_row(world: World) -> None:
    row = Remembered("commitments", "", "procore", "5", "5")
    world.ledger.records.remember([replace(row, state="held")])
    world.ledger.records.remember([replace(row, company="01", state="linked")])
    world.ledger.records.remember([row])
    found = [seen for seen in world.ledger.records.seen("commitments", "procore").values() if seen.id == "5"]
    assert [(seen.company, seen.state) for seen in found] == [("01", "linked")]


@pytest.mark.parametrize("side", ["procore", "erp"])
@pytest.mark.parametrize("hidden", [False, True])
def test_what_belongs_to_a_project_that_cannot_be_read_waits_and_is_not_called_gone(full: World, side: Any, hidden: bool) -> None:
    """Nobody asks for its codes and its budget: to end their links would be bad advice."""
    system = getattr(full, side)
    (project,) = (one for one in system.records["projects"] if one.number == "25-104")
    if hidden:
        system.hidden.add(("projects", project.id))
    else:
        system.garbled["projects", project.id] = "name"
    names = ("projects", "cost_codes", "budgets", "budget_changes", "commitments", "direct_costs")
    sync = full.run(params={"entities": [*names], "since": "2020-01-01"})
    found = {name: {row for (_, number), row in stopped(full, sync, name).items() if "25-104" in row[2]} for name in names}
    assert {(state, rule) for state, rule, _ in found["budgets"]} == {("held", "R-07")}, found["budgets"]
    assert not [message for rows in found.values() for _, _, message in rows if "unlink budgets" in message]
    if side == "erp" and not hidden:
        assert all("job 25-104, which cannot be read in the ERP" in text for _, _, text in found["commitments"])
        assert found["commitments"] and found["budget_changes"]
    assert full.writes() == 0 and unexplained(sync) == []


@pytest.mark.parametrize(("entity", "tie"), [("commitments", "T-07"), ("prime_contracts", "T-20")])
def test_a_contract_that_cannot_be_read_in_the_erp_explains_its_revised_sum(full: World, entity: str, tie: str) -> None:
    full.erp.garbled[entity, full.erp.records[entity][-1].id] = "title"
    changes = "commitment_change_orders" if entity == "commitments" else "prime_change_orders"
    sync = full.run(params={"entities": [entity, changes], "since": "2020-01-01"})
    assert unexplained(sync) == [] and {code for code, _ in explained(sync, tie)} == {"QUARANTINED"}


# -- parents that are not read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity", "before"),
    [
        ("commitment_change_orders", "vendors projects cost_types cost_codes"),
        ("subcontractor_invoices", "vendors projects cost_types cost_codes"),
        ("commitments", "projects"),
        ("commitments", "projects vendors"),
        ("direct_costs", "projects"),
        ("direct_costs", "projects vendors"),
        ("prime_contracts", "projects customers"),
        ("prime_contracts", "projects cost_types cost_codes"),
        ("payments_issued", "projects vendors"),
        ("vendor_insurances", ""),
    ],
)
def test_a_reference_that_cannot_be_translated_is_no_difference(
    everything: World, tmp_path: Path, entity: str, before: str
) -> None:
    """A run of one entity on an empty ledger: its parents are on both sides, and were not read."""
    twin = everything.without_ledger(tmp_path / "lost")
    for name in before.split():
        only(twin, name)
    writes = twin.writes()
    sync = only(twin, entity)
    found = stopped(twin, sync, entity)
    assert found and {state for state, _, _ in found.values()} == {"held"}, found
    for _, _, message in found.values():
        assert not any(one.id in message for name in twin.procore.records for one in twin.procore.records[name]), message
    assert twin.writes() == writes


@pytest.fixture(scope="module")
def everything(ready: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = ready.fork(tmp_path_factory.mktemp("everything") / "w")
    plant(world, "direct_costs", "payments_issued")
    world.run(of=["direct_costs", "payments_issued"], reconciled=False)
    return world


@pytest.mark.parametrize("before", ["", "projects"])
@pytest.mark.parametrize("entity", ENTITIES)
def test_a_run_of_one_entity_on_an_empty_ledger_writes_nothing_and_names_what_it_waits_for(
    full: World, tmp_path: Path, entity: str, before: str
) -> None:
    twin = full.without_ledger(tmp_path / "lost")
    for name in before.split():
        twin.run(params={"entities": [name]}, reconciled=False)
    writes = twin.writes()
    sync = twin.run(params={"entities": [entity]}, reconciled=False)
    rows = twin.ledger.outcomes.of(sync.run.run_id, entity)
    assert twin.writes() == writes and {row.state for row in rows} <= {"held", "linked", "skipped"}
    said = [row.message for row in rows if row.message]
    assert not [text for text in said if re.search(r"\d{9,}", text) or " -> " in text]


@pytest.mark.parametrize("how", ["its list is refused", "it is not shown"])
def test_a_cost_that_may_lie_in_a_project_that_is_closed_to_us_is_not_made_again(
    everything: World, tmp_path: Path, how: str
) -> None:
    """The ledger is lost, the ERP has moved the document to another job, and nobody can look into the project that it was made
    in: not in a first whole run, nor in those after it. Once that can be looked into the document is found there."""
    twin = everything.fork(tmp_path / "two")
    seed_job(twin)
    twin.run(of=["projects", "cost_codes"], reconciled=False)
    twin = twin.without_ledger(tmp_path / "lost")
    entity, shut = "direct_costs", procore_of(twin, "projects", "25-104")
    there = [record for record in twin.procore.records[entity] if record.origin_id]
    moved: Any = twin.erp.records[entity][0]
    lines = tuple(one.model_copy(update={"cost_code": "25-105//03-3000"}) for one in moved.lines)
    twin.erp.put(moved.model_copy(update={"project": "25-105", "lines": lines}))
    if how == "it is not shown":
        twin.procore.hidden = {("projects", shut)}
        twin.procore.closed = {(name, shut) for name, row in ENTITIES.items() if row.project_scoped}
    else:
        twin.procore.closed = {(entity, shut)}
    for _ in range(3):
        sync = twin.run(reconciled=False)
        report.move_watermarks(sync, [name for name in sync.run.entities if name != "change_events"])
        assert twin.states(sync, entity)[moved.number] == ("held", "R-06")
        assert len(twin.procore.records[entity]) == len(there)
    twin.procore.hidden, twin.procore.closed = set(), set()
    sync = twin.run(reconciled=False)
    report.move_watermarks(sync, [entity])
    assert len(twin.procore.records[entity]) == len(there)
    if how == "its list is refused":
        assert twin.states(sync, entity)[moved.number][0] in ("conflicts", "adopted", "unchanged")
        assert sync.marks_known(ENTITIES[entity])


@pytest.mark.parametrize("there", [True, False])
def test_a_document_that_stopped_hides_no_project(full: World, tmp_path: Path, there: bool) -> None:
    """The ledger is lost, and what a document of the ERP was made from has no link: stopped by a rule it is there all the same;
    what no list showed to a whole run lies in a project that nobody looked into."""
    twin = full.without_ledger(tmp_path / "lost")
    contract: Any = twin.procore.records["commitments"][0]
    if there:
        twin.procore.put(contract.model_copy(update={"vendor": None}))
    else:
        twin.procore.records["commitments"].remove(contract)
    sync = twin.run(reconciled=False)
    assert twin.states(sync, "commitments") == {contract.number: ("conflicts", "M-14" if there else "R-02")}
    report.move_watermarks(sync, [name for name in sync.run.entities if name != "payments_issued"])
    hidden = astray.unknown(twin.run(of=["payments_issued"], reconciled=False), ENTITIES["payments_issued"])
    assert (hidden is None) == there, hidden
    if hidden is not None:  # and a person may know better
        unlink(twin, hidden.message)
        assert astray.unknown(twin.run(of=["payments_issued"], reconciled=False), ENTITIES["payments_issued"]) is None


@pytest.mark.parametrize("marked", [True, False])
def test_a_project_that_is_not_shown_is_not_made_again_where_the_erp_has_documents_of_it(
    full: World, tmp_path: Path, marked: bool
) -> None:
    """The ledger is lost. That its documents are in the ERP tells that the project is there; of one without any nobody knows."""
    twin = full.without_ledger(tmp_path / "lost")
    shut = procore_of(twin, "projects", "25-104")
    if not marked:
        for name in ("commitments", "budget_changes"):
            for document in [*twin.erp.records[name]]:
                twin.erp.put(document.model_copy(update={"marker": None}))
    twin.procore.hidden = {("projects", shut)}
    twin.procore.closed = {(name, shut) for name, row in ENTITIES.items() if row.project_scoped}
    projects = len(twin.procore.records["projects"])
    for _ in range(2):
        sync = twin.run(reconciled=False)
        (row,) = (one for one in twin.ledger.outcomes.of(sync.run.run_id, "projects") if one.number == "25-104")
        if marked:
            assert (row.state, row.rule) == ("held", "R-06") and row.message is not None
            assert "is not shown to us in Procore, where budget change 25-104/1 was made on it" in row.message
            assert len(twin.procore.records["projects"]) == projects
        else:
            assert len(twin.procore.records["projects"]) == projects + 1
    twin.procore.hidden, twin.procore.closed = set(), set()
    if marked:
        assert twin.states(twin.run(of=["projects"], reconciled=False), "projects")["25-104"] == ("adopted", "")


@pytest.mark.parametrize("how", ["with its invoices", "with its project", "with a project that is not made again", "hidden"])
def test_what_hides_a_project_can_be_ended_as_it_is_told(full: World, tmp_path: Path, how: str) -> None:
    """Also of what no run asks Procore for: documents of a contract that is gone, of a project that is. A contract goes with all
    that belongs to it. And nothing is written: should it be there after all, it is held."""
    twin = full.without_ledger(tmp_path / "lost")
    contract: Any = twin.procore.records["commitments"][0]
    place, before = contract.project, {name: list(records) for name, records in twin.procore.records.items()}
    if how == "hidden":
        twin.procore.hidden = {("commitments", contract.id)}
    for name, records in twin.procore.records.items() if how != "hidden" else ():
        its = {"commitments", "subcontractor_invoices", "commitment_change_orders"} if how == "with its invoices" else ENTITIES
        gone = [one for one in records if name in its and (one.project if hasattr(one, "project") else one.id) == place]
        twin.procore.records[name] = [one for one in records if one not in gone]
    if how == "with a project that is not made again":
        twin.erp.change("projects", "25-104", active=False)
    hidden, ended = None, 0
    for _ in range(4):
        sync = twin.run(reconciled=False)
        report.move_watermarks(sync, [name for name in sync.run.entities if name != "payments_issued"])
        hidden = astray.unknown(twin.run(of=["payments_issued"], reconciled=False), ENTITIES["payments_issued"])
        if hidden is None:
            break
        unlink(twin, hidden.message)
        ended += 1
    assert hidden is None and ended == 1
    made = sum(twin.erp.applied.values())
    twin.procore.hidden = set()
    twin.procore.records["commitments"] = before["commitments"]
    twin.run(reconciled=False)
    assert sum(twin.erp.applied.values()) == made


def test_a_project_that_was_deleted_is_made_again_once_a_person_has_said_so(full: World, tmp_path: Path) -> None:
    """Of each document of the ERP that was made on it, and hangs on no other."""
    twin = full.without_ledger(tmp_path / "lost")
    place = procore_of(twin, "projects", "25-104")
    for name, records in twin.procore.records.items():
        gone = [one for one in records if place in (getattr(one, "project", None), one.id if name == "projects" else None)]
        twin.procore.records[name] = [one for one in records if one not in gone]
    ended = list[str]()
    for _ in range(5):
        sync = twin.run(reconciled=False)
        (row,) = (one for one in twin.ledger.outcomes.of(sync.run.run_id, "projects") if one.number == "25-104")
        if row.state != "held":
            break
        ended.append(unlink(twin, str(row.message)))
    assert len(ended) == len(set(ended)) > 1 and twin.states(sync, "projects")["25-104"] == ("created", "")


@pytest.mark.parametrize("named", [
    ["commitment_change_orders", "SC-1/009", "--to", "1"],
    ["commitments", "SC-1", "--to", "1"],
    ["payments_issued", "01/K-1", "--to", "1"],
])  # fmt: skip
def test_no_pair_is_ended_that_is_none(full: World, named: list[str]) -> None:
    """A number is not a company and a key, a link has the id that it has, and what is born in the ERP would be sent anew."""
    parser = argparse.ArgumentParser()
    decide.arguments(parser)
    with pytest.raises(SyncError, match="is linked"):
        decide.decide(full.ledger, parser.parse_args(["unlink", *named]), "ann")
    assert full.ledger.decisions.of(named[0]) == []


def unlink(world: World, message: str) -> str:
    """What a message advises, to the letter."""
    found = re.search(r"decide (unlink .+?)\)", message)
    assert found, message
    parser = argparse.ArgumentParser()
    decide.arguments(parser)
    return decide.decide(world.ledger, parser.parse_args(found[1].split()), "ann")


def procore_of(world: World, entity: str, key: str) -> str:
    (found,) = (one.id for one in world.procore.records[entity] if (one.origin_id or "").endswith(f":{key}"))
    return found


# -- a list that takes longer than one try -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "entity"), [("procore", "cost_codes"), ("erp", "cost_codes"), ("procore", "vendors")])
def test_a_snapshot_resumes_at_its_cursor(world: World, monkeypatch: pytest.MonkeyPatch, side: Any, entity: str) -> None:
    memory = world.procore if side == "procore" else world.erp
    memory.page_size = 1
    for number in range(2, 9):
        world.erp.put(vendor(f"V-{number}"))
        world.procore.put(vendor(f"V-{number}").model_copy(update={"id": f"70{number}", "company": None}))
    scopes = world.sync().scopes(side, entity, 0)
    length = sum(1 for _ in memory.read(entity, scopes=scopes))
    assert length > 2
    sync = world.sync()
    sync.lists.snapshot(side, "projects")
    for tries in range(1, length + 1):  # noqa: B007 - how many it took is asked below
        start = len(memory.calls)
        memory.faults = {start + 2: "later"}
        try:
            sync.lists.unreadable(side, entity)
            break
        except RetryLater:
            assert len(memory.calls) > start + 2, "the fault fired"
    else:
        pytest.fail("it begins anew at every try")
    assert tries > 1 and len(sync.lists.snapshot(side, entity)) == length, "every row once"


@pytest.fixture
def begun(world: World) -> Sync:
    """Of Procore's list of vendors, five of them, a try has read two, and was sent away."""
    world.procore.page_size = 1
    for number in range(2, 6):
        world.procore.put(vendor(f"V-{number}").model_copy(update={"id": f"70{number}", "company": None}))
    sync = world.sync()
    world.procore.faults = {len(world.procore.calls) + 2: "later"}
    with pytest.raises(RetryLater):
        sync.lists.unreadable("procore", "vendors")
    return sync


def test_two_tasks_that_go_on_with_a_list_do_not_share_its_folder(begun: Sync) -> None:
    place = begun.folder / "snapshots" / "procore" / "vendors"
    assert begun.lists._left(place, 0) is not None and begun.lists._left(place, 0) is None, (
        "one takes it, the other begins its own"
    )


def test_nor_where_both_have_taken_it(begun: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage that copies and removes lets two rename one note. The second reads all of it while the first is about to write a
    page, and is killed then."""
    procore: Any = begun.systems["procore"]
    taken = begun.lists._left(begun.folder / "snapshots" / "procore" / "vendors", 0)
    monkeypatch.setattr(Lists, "_left", lambda *_: taken)
    whole, write = list[Any](), staging.pq.write_table

    def late(*given: Any) -> None:
        if not whole:
            whole.append(None)
            whole[:] = [record.id for record in Lists(begun).snapshot("procore", "vendors")]
            procore.faults = {len(procore.calls): "crash_before"}
        write(*given)

    monkeypatch.setattr(staging.pq, "write_table", late)
    monkeypatch.setattr(parts, "ROWS", 1)
    with pytest.raises(Crash):
        begun.lists.need("procore", "vendors")
    assert len(whole) == 5 and [one.id for one in Lists(begun).snapshot("procore", "vendors")] == whole


def test_a_list_is_as_old_as_its_first_page(begun: Sync) -> None:
    """What another run has written since that was read makes it be read again."""
    then = stamp()
    begun.lists.need("procore", "vendors")
    procore: Any = begun.systems["procore"]
    calls = len(procore.calls)
    begun.lists.look_again("procore", [("vendors", then)])
    assert len(procore.calls) == calls + 5


# -- a contract that is not shown to us --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "known"), [(UNSEEN.format(side="Procore"), True), ("cannot be read: number is missing", False)])
def test_a_change_order_of_a_contract_that_is_not_shown_waits_for_it_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch, told: str, known: bool
) -> None:
    contract = world.ledger.links.of("commitments")[0]
    own = world.procore.get("commitment_change_orders", number="SC-1/001")
    ident = own.id if known else "99"
    number = "001" if known else "002"

    def invalid(record: Any, lost: str) -> Invalid:
        shown = {"commitment": contract.procore_id, "change_number": number, "amount": "15.00"}
        return Invalid(record.entity, ident, number, "contract_id", told, record.project, shown=shown, behind="commitments")

    monkeypatch.setattr(world.procore, "_invalid", invalid)
    world.procore.garbled["commitment_change_orders", own.id] = "contract_id"
    sync = only(world, "commitment_change_orders", since="2020-01-01")
    state, rule, message = stopped(world, sync, "commitment_change_orders")["procore", f"SC-1/{number}"]
    assert (state, rule) == ("held", "R-07") and f"commitment SC-1 {told}" in message and contract.procore_id not in message
