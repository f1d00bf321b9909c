"""Law: keys are compared as what they mean. What people write another way is not another record: it is never sent beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from include.financials.record import Record
from tests.unit.financials.pair import (
    World,
    budget_change,
    change,
    direct_cost,
    in_procore,
    line,
    payment,
    prime_change,
    prime_contract,
    receipt,
    vendor,
)

MONEY = Decimal("5.00")


def only(world: World, entity: str) -> Any:
    return world.run(params={"entities": [entity]}, reconciled=False)


def told(world: World, sync: Any, entity: str, number: str) -> tuple[str, str | None, str]:
    (row,) = (r for r in world.ledger.outcomes.of(sync.run.run_id, entity) if r.number == number and r.action != "unchanged")
    return row.state, row.rule, row.message or ""


def by_hand(world: World, entity: str, **changes: Any) -> Record:
    """A record that people entered in Procore, like the last one that is there."""
    model = world.procore.records[entity][-1]
    return world.procore.put(model.model_copy(update={"id": "77001", "origin_id": None, "origin_data": None, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {
            "payment_number": "77001",
            "invoice": None,
            "draw_number": None,
            "invoice_number": None,
        },  # no number: its id stands for it
        {"payment_number": "123", "invoice": None, "draw_number": None},
        {"payment_number": "123", "invoice": None, "draw_number": None, "invoice_number": "n/a"},
        {"payment_number": "N/A", "invoice": None, "draw_number": None, "lower": True},
    ],
)
@pytest.mark.parametrize("entity", ["payments_issued", "payments_received"])
def test_a_payment_that_people_entered_without_its_invoice_is_not_made_again(
    full: World, entity: str, changes: dict[str, Any]
) -> None:
    """Its number tells several payments apart, no more; the invoice is told by its text as well."""
    make = payment if entity == "payments_issued" else receipt
    extra: Any = full.erp.put(make("004999", amount=MONEY))
    fields = set(type(extra).model_fields)
    if changes.get("lower"):
        changes = {**changes, "invoice_number": f" {extra.invoice_number.lower()} "}
    by_hand(full, entity, amount=MONEY, **{name: value for name, value in changes.items() if name in fields})
    sync = only(full, entity)
    assert told(full, sync, entity, extra.number)[:2] == ("held", "2.9")
    assert len(full.procore.all(entity, amount=MONEY)) == 1, "paid twice"


@pytest.mark.parametrize("text", ["Draw 1", "#{0}", "INV {0}", "Pay app 1", "1", "see note"])
@pytest.mark.parametrize("entity", ["payments_issued", "payments_received"])
def test_an_invoice_in_words_that_the_erp_does_not_know_sets_nothing_apart(full: World, entity: str, text: str) -> None:
    """Procore has a field of free text for it, and no list to choose from."""
    extra: Any = full.erp.put((payment if entity == "payments_issued" else receipt)("004999", amount=MONEY))
    words = {"payment_number": "N/A", "invoice": None, "invoice_number": text.format(extra.invoice_number)}
    by_hand(full, entity, amount=MONEY, **words, **({"draw_number": None} if entity == "payments_received" else {}))
    assert told(full, only(full, entity), entity, extra.number)[:2] == ("held", "2.9")
    assert len(full.procore.all(entity, amount=MONEY)) == 1, "paid twice"


@pytest.mark.parametrize("invoice", [{}, {"invoice": None, "draw_number": None, "invoice_number": None}])
@pytest.mark.parametrize("entity", ["payments_issued", "payments_received"])
def test_a_check_that_people_entered_with_another_amount_is_not_made_again(
    full: World, entity: str, invoice: dict[str, Any]
) -> None:
    extra: Any = full.erp.put((payment if entity == "payments_issued" else receipt)("004999", amount=MONEY))
    changes = {name: value for name, value in invoice.items() if name in type(extra).model_fields}
    by_hand(full, entity, payment_number="4999", amount=Decimal("50.00"), **changes)
    state, rule, message = told(full, only(full, entity), entity, extra.number)
    assert (state, rule) == ("held", "2.9") and "amount 50 / 5" in message
    assert not full.procore.all(entity, amount=MONEY), "paid twice"


def test_cost_of_a_vendors_invoice_that_people_entered_with_another_amount_is_not_made_again(full: World) -> None:
    """With its tax, or with a slip. What has its own counterpart sets nothing else of that invoice apart."""
    known = {"vendor": "V-1", "kind": "invoice", "invoice_number": "4417"}
    for number, amount in (("JC-7", "100.00"), ("JC-8", "40.00")):
        full.erp.put(direct_cost(number, lines=(line(amount=amount),), **known))
    there = full.ledger.links.of("vendors")[0].procore_id
    hand = by_hand(full, "direct_costs", **{**known, "vendor": there, "amount": Decimal("107.25")})
    sync = only(full, "direct_costs")
    assert {told(full, sync, "direct_costs", number)[:2] for number in ("JC-7", "JC-8")} == {("quarantined", "2.9")}
    full.procore.put(hand.model_copy(update={"amount": Decimal("40.00")}))
    sync = only(full, "direct_costs")
    assert told(full, sync, "direct_costs", "JC-7")[:2] == ("linked", None)
    assert told(full, sync, "direct_costs", "JC-8")[:2] == ("held", "2.9")


def test_a_payment_of_another_invoice_is_another_payment(full: World) -> None:
    extra = full.erp.put(payment("004999", amount=MONEY))
    by_hand(full, "payments_issued", amount=MONEY, payment_number="N/A", invoice=None, invoice_number="N-2")
    assert told(full, only(full, "payments_issued"), "payments_issued", extra.number)[:2] == ("linked", None)


@pytest.mark.parametrize("number", ["N-2", "n-2", " N-2 ", "N\N{EN DASH}2"])
def test_cost_of_an_invoice_is_covered_however_its_number_is_written(full: World, number: str) -> None:
    full.erp.put(direct_cost("JC-9", invoice_number=number, lines=(line(amount="19.00"),)))
    state, _, message = told(full, only(full, "direct_costs"), "direct_costs", "JC-9")
    assert state == "skipped" and "SC-1 (invoice N-2)" in message


@pytest.mark.parametrize(
    ("make", "ours", "theirs"),
    [
        (change, "002", "SC-1/2"),
        (change, "002", "SC-1/２"),
        (change, "002", "SC-1/CO-2"),
        (change, "002", "SC-1/co #002"),
        (change, "CO-02", "SC-1/2"),
        (prime_change, "002", "PC-1/Change Order No. 2"),
        (change, "2", "SC-1/002"),
        (prime_change, "002", "PC-1/2"),
        (budget_change, "2", "25-104/002"),
    ],
)
def test_a_change_of_that_number_is_not_sent_beside_it(full: World, make: Any, ours: str, theirs: str) -> None:
    """A clerk counts 1, 2, 3, and Procore 001, 002, 003."""
    record = make(ours)
    entity = type(record).entity
    there = {"id": theirs, "number": theirs, "company": "01", "status": "posted"}
    full.erp.put(record.model_copy(update=there))
    in_procore(full, record)
    number = f"{theirs.rpartition('/')[0]}/{ours}"
    state, rule, message = told(full, only(full, entity), entity, number)
    assert (state, rule) == ("held", "2.9") and f"the ERP's {theirs}" in message
    assert not full.erp.applied


def test_a_change_of_that_number_and_another_amount_is_a_conflict(full: World) -> None:
    there = change("2", amount=MONEY)
    full.erp.put(there.model_copy(update={"company": "01", "status": "posted"}))
    in_procore(full, change("002"))
    state, rule, _ = told(full, only(full, "commitment_change_orders"), "commitment_change_orders", "SC-1/002")
    assert (state, rule) == ("conflict", "M-10") and not full.erp.applied


@pytest.mark.parametrize("tax_id", ["EIN 897777777", "89-7777777", "FEIN: 89 7777777"])
def test_a_company_that_cannot_be_read_is_known_by_its_tax_id_however_it_is_written(full: World, tax_id: str) -> None:
    full.procore.put(vendor("V-9", tax_id=tax_id).model_copy(update={"id": "777", "company": None, "code": None}))
    full.procore.garbled["vendors", "777"] = "active"
    full.erp.put(vendor("V-9", tax_id="897777777"))
    sync = only(full, "vendors")
    rows = [r for r in full.ledger.outcomes.of(sync.run.run_id, "vendors") if r.side == "erp" and r.number == "V-9"]
    assert [(r.state, r.rule) for r in rows] == [("held", "R-06")] and len(full.procore.all("vendors", number="V-9")) == 1


def test_no_tax_id_is_nobodys(full: World) -> None:
    full.procore.put(vendor("V-8", tax_id="N/A").model_copy(update={"id": "777", "company": None, "code": None}))
    full.procore.garbled["vendors", "777"] = "active"
    full.erp.put(vendor("V-9", tax_id="none"))
    assert told(full, only(full, "vendors"), "vendors", "V-9")[:2] == ("linked", None)


# -- what is over is nobody's counterpart --


@pytest.mark.parametrize(
    ("record", "over"),
    [
        (direct_cost("JC-7", lines=(line(1, "70.00"), line(2, "-5.00"))), {"deleted": True, "invoice_number": "X-JC-7"}),
        (prime_contract("PC-9"), {"number": "PC-9", "status": "Void"}),
        (prime_contract("PC-9"), {"number": "PC-9", "status": "Terminated"}),
        (prime_contract("PC-9"), {"number": "PC-9", "deleted": True}),
    ],
)
def test_a_record_of_procore_that_is_over_is_no_look_alike(full: World, record: Record, over: dict[str, Any]) -> None:
    """To link it would be to link with nothing; nobody could end that by the advice of the report."""
    by_hand(full, record.entity, **over)
    full.erp.put(record)
    rows = full.ledger.outcomes.of(only(full, record.entity).run.run_id, record.entity)
    assert [(r.state, r.rule) for r in rows if r.side == "erp" and r.number == record.number] == [("linked", None)]


@pytest.mark.parametrize(
    ("entity", "changes"),
    [("direct_costs", {"deleted": True}), ("prime_contracts", {"deleted": True}), ("prime_contracts", {"status": "Void"})],
)
def test_nobody_stands_apart_from_what_is_over(full: World, entity: str, changes: dict[str, Any]) -> None:
    """A link that a person ended, of a record that is deleted since: 'link the two again' would be no way out."""
    link = full.ledger.links.of(entity)[0]
    full.end_link(entity, link.number)
    full.procore.put(full.procore.get(entity, id=link.procore_id).model_copy(update=changes))
    rows = full.ledger.outcomes.of(only(full, entity).run.run_id, entity)
    assert not [r.message for r in rows if r.rule == "unlinked"]
    assert [r.state for r in rows if r.side == "erp" and r.number == link.number] == ["linked"]
    assert full.ledger.links.of(entity)[0].procore_id != link.procore_id
