"""Gone, void, merged, empty: an end is not a difference. What ended on one side has its own sentence and its own way out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from include.financials import report
from include.financials.__main__ import main
from include.financials.entities import ENTITIES
from include.financials.judging.limits import limits_fault
from include.financials.ledger import Link, stamp
from include.financials.port import Capability
from include.financials.reconciliation import reconcile
from include.financials.record import Record
from include.financials.view import MARKS
from tests.unit.financials.pair import (
    LINKED,
    PRIME_LINE,
    SECOND,
    THIRD,
    Crash,
    World,
    change,
    change_line,
    direct_cost,
    draft,
    family,
    in_procore,
    invoice,
    item,
    line,
    owner_invoice,
    payment,
    prime_change,
    procore_id,
    receipt,
)

CHANGES, INVOICES, PAYMENTS, PRIMES = "commitment_change_orders", "subcontractor_invoices", "payments_issued", "prime_contracts"
BORN_THERE = [name for name, row in ENTITIES.items() if row.source == "procore" and not row.read_only]


def judged(world: World, sync: Any, entity: str) -> dict[str, tuple[str, str | None, str]]:
    rows = world.ledger.outcomes.of(sync.run.run_id, entity)
    return {row.number: (row.state, row.rule, row.message or "") for row in rows}


def one(world: World, sync: Any, entity: str, number: str) -> tuple[str, str | None, str]:
    return judged(world, sync, entity)[number]


def last(world: World, side: str, entity: str) -> Record:
    """The youngest record: nothing follows it."""
    return getattr(world, side).records[entity][-1]  # type: ignore[no-any-return]


def linked_number(world: World, entity: str, erp_key: str) -> str:
    return next(link.number for link in world.ledger.links.of(entity) if link.erp_key == erp_key)


def end(world: World, entity: str, number: str) -> None:
    world.end_link(entity, number)


def end_by_marker(world: World, entity: str, there: Record, here: Record) -> None:
    """``decide unlink`` of a pair that no row of the ledger links."""
    world.ledger.decisions.part(Link(entity, there.company or "", there.id, here.id, there.number), "ann")


# -- void in the ERP --


@pytest.mark.parametrize("entity", BORN_THERE)
def test_a_linked_document_that_is_voided_in_the_erp_has_a_sentence_of_its_own(full: World, entity: str) -> None:
    there = last(full, "erp", entity)
    number = linked_number(full, entity, there.id)
    full.erp.put(there.model_copy(update={"status": "void"}))
    sync = full.run(of=family(entity))
    state, rule, message = one(full, sync, entity, number)
    assert (state, rule) == ("conflict", "R-09"), message
    assert there.id in message and "voided in the ERP" in message and "changed after it was linked" not in message
    assert full.writes() == 0 and reconcile(sync).balanced, "the conflict explains what differs"
    assert one(full, full.run(of=[entity]), entity, number)[:2] == ("conflict", "R-09"), "as long as nobody does anything"


@pytest.mark.parametrize("entity", BORN_THERE)
def test_a_document_that_is_void_in_the_erp_and_over_in_procore_is_closed(full: World, entity: str) -> None:
    there, here = last(full, "erp", entity), last(full, "procore", entity)
    number = linked_number(full, entity, there.id)
    full.erp.put(there.model_copy(update={"status": "void"}))
    full.procore.put(here.model_copy(update={"status": "Void"}))
    sync = full.run(of=family(entity))
    state, _, message = one(full, sync, entity, number)
    assert (state, "ended on both sides" in message) == ("skipped", True)
    assert there.id not in {link.erp_key for link in full.ledger.links.of(entity)}
    assert [row.what for row in full.ledger.story.of(entity, number).notes][-1] == "link closed"
    assert full.writes() == 0 and reconcile(sync).balanced
    again = full.run(of=family(entity))
    assert judged(full, again, entity).get(number, ("skipped",))[0] == "skipped"
    assert full.writes() == 0 and reconcile(again).balanced


@pytest.mark.parametrize(("entity", "key"), [("vendors", "V-1"), ("projects", "25-104")])
def test_what_waits_for_a_record_that_went_says_so(full: World, entity: str, key: str) -> None:
    """Nobody is sent to enter a vendor anew, or to link a job, that is linked and gone."""
    full.erp.records[entity] = [one for one in full.erp.records[entity] if one.id != key]
    draft(full, "SC-7")
    state, _, message = one(full, full.run(of=[entity, "commitments"]), "commitments", "SC-7")
    assert state == "held" and f"{key}, which the ERP no longer has" in message
    assert "enter it" not in message and "not linked" not in message


def test_a_cost_that_was_voided_half_made_is_one_stopped_pair_without_a_ledger_too(full: World, adopted: World) -> None:
    """Its header stands in Procore, and nothing but our mark on it tells whose it is."""
    full.erp.put(direct_cost("JC-9"))
    full.procore.failing = {"post direct_costs header": "crash_after"}
    with pytest.raises(Crash):
        full.run(of=["direct_costs"], reconciled=False)
    full.procore.failing = {}
    full.erp.put(direct_cost("JC-9", status="void"))
    for mine, other in ((adopted.erp, full.erp), (adopted.procore, full.procore)):
        mine.records = other.records
    sync = adopted.run(of=family("direct_costs"))
    assert one(adopted, sync, "direct_costs", "JC-9")[:2] == ("conflict", "D-05")
    assert reconcile(sync).balanced


def test_a_plan_closes_no_link(full: World) -> None:
    there, here = last(full, "erp", INVOICES), last(full, "procore", INVOICES)
    full.erp.put(there.model_copy(update={"status": "void"}))
    full.procore.put(here.model_copy(update={"status": "draft"}))
    sync = full.run(of=family(INVOICES), params={"mode": "plan"})
    assert one(full, sync, INVOICES, here.number)[0] == "skipped"
    assert there.id in {link.erp_key for link in full.ledger.links.of(INVOICES)}


def test_a_corrected_invoice_under_a_new_number_is_a_new_document(full: World) -> None:
    there, here = last(full, "erp", INVOICES), last(full, "procore", INVOICES)
    full.erp.put(there.model_copy(update={"status": "void"}))
    full.run(of=family(INVOICES))
    end(full, INVOICES, here.number)
    kept = full.procore.put(last(full, "procore", INVOICES).model_copy(update={"status": "approved"}))
    sync = full.run(of=family(INVOICES))
    state, _, message = one(full, sync, INVOICES, here.number)
    assert state == "quarantined" and "void" in message, "its number stands on the void one"
    full.procore.put(kept.model_copy(update={"number": "N-2A"}))
    assert one(full, full.run(of=family(INVOICES)), INVOICES, "N-2A")[:2] == ("linked", None)
    assert [r.number for r in full.erp.all(INVOICES, status="unposted") if r.number.startswith("N-2")] == ["N-2A"]
    sync = full.run(of=family(INVOICES))
    assert full.writes() == 2 and reconcile(sync).balanced


def test_a_number_that_a_void_document_bears_is_told_as_void(full: World) -> None:
    there, here = last(full, "erp", INVOICES), last(full, "procore", INVOICES)
    full.erp.put(there.model_copy(update={"status": "void"}))
    full.run(of=[INVOICES])
    end(full, INVOICES, here.number)
    full.procore.put(last(full, "procore", INVOICES).model_copy(update={"origin_id": None}))
    state, rule, message = one(full, full.run(of=[INVOICES]), INVOICES, here.number)
    assert (state, rule) == ("quarantined", "I-04") and "void" in message


# -- what loses its approval in Procore, or goes --

BACK = {"budget_changes": "B-05", "commitments": "M-14", CHANGES: "O-02", INVOICES: "I-10",
        "prime_change_orders": "O-02", "owner_invoices": "I-10"}  # fmt: skip


@pytest.mark.parametrize("entity", BORN_THERE)
@pytest.mark.parametrize("changes", [{"status": "draft"}, {"status": "Void"}, {"deleted": True}])
def test_a_linked_document_that_is_not_due_any_more_is_a_conflict_and_counts_for_nothing(
    full: World, entity: str, changes: dict[str, Any]
) -> None:
    here, there = last(full, "procore", entity), last(full, "erp", entity)
    number = linked_number(full, entity, there.id)
    full.procore.put(here.model_copy(update=changes))
    sync = full.run(of=family(entity))
    assert one(full, sync, entity, number)[:2] == ("conflict", BACK[entity])
    found = reconcile(sync)
    tie = {"budget_changes": "T-03", "commitments": "T-05", CHANGES: "T-06", INVOICES: "T-10",
           "prime_change_orders": "T-20", "owner_invoices": "T-21"}[entity]  # fmt: skip
    mine = [d for d in found.differences if d.tie == tie]
    assert mine and {item.code for d in mine for item in d.explained} == {"CONFLICT"}, "a document that is not due ties nothing"
    assert full.writes() == 0


def test_budget_changes_that_an_unlocked_budget_destroys_are_missed(full: World) -> None:
    here = last(full, "procore", "budget_changes")
    full.procore.records["budget_changes"].remove(here)
    number = full.ledger.links.of("budget_changes")[0].number
    sync = full.run(of=["budgets", "budget_changes"])
    state, rule, message = one(full, sync, "budget_changes", number)
    assert (state, rule) == ("conflict", "R-02") and "unlock a budget" in message
    assert full.writes() == 0
    assert one(full, full.run(of=["budgets", "budget_changes"]), "budget_changes", number)[:2] == ("conflict", "R-02"), (
        "in every run until somebody acts"
    )


@pytest.mark.parametrize("entity", BORN_THERE)
def test_what_procore_does_not_have_any_more_is_missed_whatever_list_it_was_in(full: World, entity: str) -> None:
    """Also where the list is filtered by time, and never on the word of a list alone."""
    here = last(full, "procore", entity)
    number = next(link.number for link in full.ledger.links.of(entity) if link.procore_id == here.id)
    full.procore.missed.add((entity, here.id))
    assert judged(full, full.run(of=[entity]), entity).get(number, ("linked",))[0] == "linked", "a list may miss a row"
    full.procore.missed.clear()
    full.procore.records[entity].remove(here)
    sync = full.run(of=family(entity))
    state, rule, message = one(full, sync, entity, number)
    assert (state, rule) == ("conflict", "R-02") and "Procore no longer has it" in message, message
    assert full.writes() == 0 and reconcile(sync).balanced
    assert one(full, full.run(of=[entity]), entity, number)[:2] == ("conflict", "R-02"), "in every run until somebody acts"
    full.procore.records[entity].append(here)
    assert one(full, full.run(of=[entity]), entity, number)[0] == "linked", "it was restored"


@pytest.mark.parametrize("entity", [CHANGES, INVOICES, "prime_change_orders", "owner_invoices"])
def test_what_belongs_to_a_contract_that_is_hidden_from_us_is_not_gone(full: World, entity: str) -> None:
    here: Any = last(full, "procore", entity)
    contracts = "commitments" if hasattr(here, "commitment") else PRIMES
    number = next(link.number for link in full.ledger.links.of(entity) if link.procore_id == here.id)
    full.procore.records[entity].remove(here)
    full.procore.hidden.add((contracts, here.commitment if contracts == "commitments" else here.prime_contract))
    state, rule, message = one(full, full.run(of=family(entity)), entity, number)
    assert (state, rule) == ("held", "R-07") and "not visible to us" in message, message
    assert full.writes() == 0


@pytest.mark.parametrize("entity", BORN_THERE)
def test_what_the_erp_was_sent_and_procore_does_not_have_is_missed_without_the_ledger_too(
    full: World, adopted: World, tmp_path: Path, entity: str
) -> None:
    """Nothing but the marker of the ERP's document tells then that there was one."""
    here = last(full, "procore", entity)
    number = next(link.number for link in full.ledger.links.of(entity) if link.procore_id == here.id)
    there = next(one for one in full.erp.records[entity] if (one.marker or "").endswith(f":{here.id}"))
    twin = adopted
    twin.procore.records[entity].remove(here)
    for _ in range(2):
        sync = twin.run(of=family(entity))
        state, rule, message = one(twin, sync, entity, number)
        assert (state, rule) == ("conflict", "R-02") and "Procore no longer has it" in message, message
        assert twin.writes() == 0 and reconcile(sync).balanced
    ended = twin.fork(tmp_path / "ended")
    ended.erp.put(there.model_copy(update={"status": "void"}))
    sync = ended.run(of=family(entity))
    assert number not in judged(ended, sync, entity) and reconcile(sync).balanced, "both ends agree"
    end_by_marker(twin, entity, there, here)
    sync = twin.run(of=family(entity))
    assert number not in judged(twin, sync, entity) and not reconcile(sync).balanced, "nobody has accepted what the ERP alone has"
    ended.close()


@pytest.mark.parametrize("entity", [CHANGES, INVOICES])
def test_without_the_ledger_what_belongs_to_a_hidden_contract_is_not_called_gone(adopted: World, entity: str) -> None:
    here: Any = last(adopted, "procore", entity)
    adopted.procore.records[entity].remove(here)
    adopted.procore.hidden.add(("commitments", here.commitment))
    sync = adopted.run(of=family(entity))
    assert here.number not in judged(adopted, sync, entity) and adopted.writes() == 0


def test_a_draft_that_goes_while_it_is_sent_is_missed_by_the_next_run(full: World) -> None:
    """The ERP has it already, and Procore does not take its external id any more."""
    own = draft(full, "SC-7")
    full.procore.failing = {"post commitments link": "crash_before"}
    with pytest.raises(Crash):
        full.run(of=["commitments"], reconciled=False)
    full.procore.failing = {}
    full.procore.records["commitments"].remove(own)
    for _ in range(2):
        sync = full.run(of=family("commitments"))
        state, rule, message = one(full, sync, "commitments", "SC-7")
        assert (state, rule) == ("conflict", "R-02") and "Procore no longer has it" in message, message
        assert reconcile(sync).balanced


@pytest.mark.parametrize("entity", [INVOICES, "owner_invoices"])
def test_a_document_that_the_erp_gave_another_key_is_named_and_linked_by_a_person(full: World, entity: str) -> None:
    """As some do with the bills of a vendor that was merged: nothing is made a second time, and there is a way out."""
    here, there = last(full, "procore", entity), last(full, "erp", entity)
    assert (there.marker or "").endswith(f":{here.id}")
    number = linked_number(full, entity, there.id)
    full.erp.records[entity].remove(there)
    full.erp.records[entity].append(there.model_copy(update={"id": "NEW/1"}))
    count = len(full.erp.records[entity])
    state, rule, message = one(full, full.run(of=family(entity)), entity, number)
    assert (state, rule) == ("conflict", "R-02") and f"decide link {entity} {number} --id {here.id} --to 01/NEW/1" in message, (
        message
    )
    for words in (("unlink", entity, here.id), ("link", entity, here.id, "--to", "NEW/1")):
        assert main(["--ledger", str(full.ledger.engine.url), "decide", *words]) == 0
    for _ in range(2):
        sync = full.run(of=family(entity))
    assert judged(full, sync, entity).get(number, ("linked",))[0] == "linked" and reconcile(sync).balanced
    assert [link.erp_key for link in full.ledger.links.of(entity) if link.procore_id == here.id] == ["NEW/1"]
    assert len(full.erp.records[entity]) == count


# -- payments --


def test_a_void_payment_that_was_removed_in_procore_is_closed(full: World) -> None:
    there, here = last(full, "erp", PAYMENTS), last(full, "procore", PAYMENTS)
    full.erp.put(there.model_copy(update={"status": "void"}))
    assert one(full, full.run(of=family(PAYMENTS)), PAYMENTS, there.number)[:2] == ("conflict", "Y-04")
    full.procore.records[PAYMENTS].remove(here)
    sync = full.run(of=family(PAYMENTS))
    state, _, message = one(full, sync, PAYMENTS, there.number)
    assert (state, "ended on both sides" in message) == ("skipped", True)
    assert not [link for link in full.ledger.links.of(PAYMENTS) if link.erp_key == there.id]
    assert reconcile(sync).balanced
    sync = full.run(of=family(PAYMENTS))
    assert full.writes() == 0 and reconcile(sync).balanced and not [s for s in judged(full, sync, PAYMENTS).values() if s[1]]


def test_a_payment_that_stands_in_the_erp_and_is_gone_from_procore_is_no_agreement(full: World) -> None:
    full.procore.records[PAYMENTS].remove(last(full, "procore", PAYMENTS))
    assert one(full, full.run(of=[PAYMENTS]), PAYMENTS, last(full, "erp", PAYMENTS).number)[:2] == ("conflict", "R-02")


def test_a_by_hand_payment_is_proposed_whatever_its_number(full: World) -> None:
    extra = full.erp.put(payment("004999", amount=Decimal("5.00")))
    model = last(full, "procore", PAYMENTS)
    hand = {"id": "77001", "number": "4999/N-1", "payment_number": "N/A", "amount": Decimal("5.00")}
    full.procore.put(model.model_copy(update={**hand, "origin_id": None, "origin_data": None}))
    sync = full.run(of=family(PAYMENTS))
    assert one(full, sync, PAYMENTS, extra.number)[:2] == ("held", "2.9")
    assert full.writes() == 0


# -- prime contracts --


@pytest.mark.parametrize(("side", "status"), [("erp", "void"), ("procore", "Void"), ("procore", "Terminated")])
def test_a_prime_contract_that_ends_on_one_side_has_its_sentence(full: World, side: str, status: str) -> None:
    record = last(full, side, PRIMES)
    getattr(full, side).put(record.model_copy(update={"status": status}))
    state, rule, message = one(full, full.run(of=family(PRIMES)), PRIMES, record.number)
    assert (state, rule) == ("conflict", "P-04"), message
    assert full.writes() == 0


# -- what is not due any more, of a document that was born in the ERP --

ERP_BORN = ("direct_costs", PAYMENTS, "payments_received", PRIMES)
TIE = {"direct_costs": "T-18", PAYMENTS: "T-16", "payments_received": "T-22", PRIMES: "T-20"}


def explained_by_conflict(sync: Any, entity: str) -> bool:
    """Every figure of it is on one side only, and the conflict says why."""
    found = reconcile(sync)
    mine = [d for d in found.differences if d.tie == TIE[entity]]
    codes = {item.code for d in mine for item in d.explained}
    return found.balanced and bool(mine) and codes == {"CONFLICT"}


@pytest.mark.parametrize(("entity", "rule"), [("direct_costs", "D-05"), (PAYMENTS, "Y-04"), ("payments_received", "Y-04")])
def test_what_is_unposted_in_the_erp_again_counts_for_nothing(full: World, entity: str, rule: str) -> None:
    there = last(full, "erp", entity)
    full.erp.put(there.model_copy(update={"status": "unposted"}))
    sync = full.run(of=family(entity))
    state, found, message = one(full, sync, entity, there.number)
    assert (state, found) == ("conflict", rule) and "unposted in the ERP again" in message
    assert full.writes() == 0 and explained_by_conflict(sync, entity)
    full.erp.put(there)
    assert one(full, full.run(of=[entity]), entity, there.number)[:2] == ("linked", None)


@pytest.mark.parametrize(
    ("entity", "status", "rule"),
    [
        ("direct_costs", "unposted", "D-05"),
        (PRIMES, "Draft", "P-04"),
        (PRIMES, "Out For Signature", "P-04"),
        (PRIMES, "Void", "P-04"),
    ],
)
def test_what_is_not_approved_in_procore_any_more_counts_for_nothing(full: World, entity: str, status: str, rule: str) -> None:
    """Also long after the ERP last touched it: what people do in Procore moves no time of the ERP's."""
    for _ in range(1000):
        full.clock.tick()
    report.move_watermarks(full.sync(params={"entities": [entity]}), [entity])
    here = last(full, "procore", entity)
    full.procore.put(here.model_copy(update={"status": status}))
    sync = full.run(of=family(entity))
    state, found, message = one(full, sync, entity, last(full, "erp", entity).number)
    assert (state, found) == ("conflict", rule), message
    assert full.writes() == 0 and explained_by_conflict(sync, entity)


@pytest.mark.parametrize("entity", ERP_BORN)
def test_what_is_gone_from_the_erp_is_explained_by_its_conflict(full: World, entity: str) -> None:
    there = last(full, "erp", entity)
    full.erp.records[entity].remove(there)
    sync = full.run(of=family(entity))
    assert one(full, sync, entity, there.number)[:2] == ("conflict", "R-02")
    assert full.writes() == 0 and explained_by_conflict(sync, entity)


@pytest.mark.parametrize(("entity", "tie"), [(CHANGES, "T-07"), ("prime_change_orders", "T-20")])
def test_a_change_order_that_waits_in_a_batch_explains_the_revised_sum(full: World, entity: str, tie: str) -> None:
    full.erp.put(last(full, "erp", entity).model_copy(update={"status": "unposted"}))
    found = reconcile(full.run(of=family(entity)))
    assert found.balanced
    assert {item.code for d in found.differences if d.tie == tie for item in d.explained} == {"UNPOSTED"}


# -- closed in the ERP --


@pytest.mark.parametrize(("contracts", "key"), [("commitments", "SC-1"), (PRIMES, "PC-1")])
def test_a_contract_that_is_closed_takes_no_more_and_differs_in_nothing(full: World, contracts: str, key: str) -> None:
    prime = contracts == PRIMES
    full.erp.put(full.erp.get(contracts, id=key).model_copy(update={"status": "closed"}))
    before = full.writes()
    sync = full.run(of=family(contracts))
    assert not [row for row in full.ledger.outcomes.of(sync.run.run_id) if row.state not in ("linked", "skipped")]
    assert full.writes() == before and reconcile(sync).balanced, "the closing changes nothing"

    in_procore(full, prime_change("002") if prime else change("002"))
    if prime:
        rows = (item(PRIME_LINE, "1.00", "0.10", previous="50.00", retainage_previous="5.00"),)
        owners = (item(PRIME_LINE, "10.00", "1.00", previous="40.00", retainage_previous="4.00"),)
        in_procore(full, owner_invoice(3, items=rows, before=owners, previous=procore_id("owner_invoices", "OI-2")))
    else:
        in_procore(full, invoice(3, items=THIRD, before=SECOND, previous=procore_id(INVOICES, "V-1/N-2")))
    paid = full.erp.put(receipt("R-2", amount=Decimal("1.00")) if prime else payment("K-2", amount=Decimal("1.00")))
    sync = full.run(of=family(contracts))
    changes, invoices = ("prime_change_orders", "owner_invoices") if prime else (CHANGES, INVOICES)
    for entity, number, rule in ((changes, f"{key}/002", "P-02" if prime else "O-01"),
                                 (invoices, "OI-3" if prime else "N-3", "P-03" if prime else "I-01")):  # fmt: skip
        state, found, message = one(full, sync, entity, number)
        assert (state, found) == ("held", rule) and f"{key} is closed in the ERP and takes no more" in message, message
        assert "Reopen it there" in message
    assert one(full, sync, type(paid).entity, paid.number)[:2] == ("linked", None), "what was billed is paid"
    assert not full.erp.applied and reconcile(sync).balanced

    full.erp.put(full.erp.get(contracts, id=key).model_copy(update={"status": "open"}))
    sync = full.run(of=family(contracts))
    assert one(full, sync, changes, f"{key}/002")[:2] == ("linked", None)


# -- zero is a value --


def test_an_invoice_whose_lines_add_up_to_zero_is_an_invoice(ready: World) -> None:
    draft(ready, lines=(line(1, "60.00"), line(2, "40.00")))
    ready.run(of=["commitments"], reconciled=False)
    rows = (item("L1", "-10.00", position=1), item("L2", "10.00", position=2))
    in_procore(ready, invoice(1, items=rows))
    sync = ready.run(of=family(INVOICES))
    assert one(ready, sync, INVOICES, "N-1")[:2] == ("linked", None)
    there: Any = ready.erp.get(INVOICES, number="N-1")
    assert [str(found.amount) for found in there.lines] == ["-10.00", "10.00"]
    assert reconcile(sync).balanced


def test_a_contract_that_is_worth_nothing_any_more_can_be_overbilled(ready: World) -> None:
    draft(ready)
    ready.run(of=["commitments"], reconciled=False)
    in_procore(ready, change("001", lines=(change_line(amount="-100.00"),)))
    ready.run(of=[CHANGES], reconciled=False)
    in_procore(ready, invoice(1, items=(item("L1", "5.00", "0.50"),)))
    sync = ready.run(of=[INVOICES])
    (row,) = (r for r in ready.ledger.outcomes.of(sync.run.run_id, INVOICES) if r.number == "N-1")
    assert row.state == "linked" and "I-09" in row.warnings and "5.00, and it is worth 0.00" in row.warnings


# -- drift on the target's side --

RESTORED: dict[str, dict[str, Any]] = {
    "vendors": {"name": "Renamed Inc."},
    "vendor_insurances": {"provider": "Another"},
    "customers": {"name": "Renamed Inc."},
    "users": {"job_title": "Renamed"},
    "projects": {"name": "Renamed"},
    "sub_jobs": {"name": "Renamed"},
    "tax_codes": {"rate": Decimal("1.00")},
    "cost_codes": {"name": "Renamed"},
    PRIMES: {"title": "Renamed"},
}


@pytest.mark.parametrize("entity", RESTORED)
def test_what_the_erp_owns_is_written_again_where_somebody_changed_it(full: World, entity: str) -> None:
    before = last(full, "procore", entity)
    full.procore.put(before.model_copy(update=RESTORED[entity]))
    full.run(of=[entity])
    name = next(iter(RESTORED[entity]))
    after = full.procore.get(entity, id=before.id)
    assert getattr(after, name) == getattr(before, name)
    writes = full.writes()
    assert writes > 0
    full.run(of=[entity])
    assert full.writes() == writes, "and nothing is left to do"
    full.procore.put(after.model_copy(update=RESTORED[entity]))
    full.run(of=[entity])
    assert getattr(full.procore.get(entity, id=before.id), name) == getattr(before, name), "as often as it takes"


@pytest.mark.parametrize("entity", ["vendors", PRIMES])
def test_it_is_written_again_also_long_after_the_erp_last_touched_it(full: World, entity: str) -> None:
    for _ in range(1000):
        full.clock.tick()
    report.move_watermarks(full.sync(params={"entities": [entity]}), [entity])
    before, name = last(full, "procore", entity), next(iter(RESTORED[entity]))
    full.procore.put(before.model_copy(update=RESTORED[entity]))
    full.run(of=[entity])
    assert getattr(full.procore.get(entity, id=before.id), name) == getattr(before, name)


@pytest.mark.parametrize("more", [False, True])
def test_an_open_budget_of_the_erp_is_written_again(full: World, more: bool) -> None:
    before: Any = last(full, "procore", "budgets")
    line = before.lines[0]
    other = line.model_copy(update={"id": "B9", "position": 9, "cost_type": _another(full, line), "amount": Decimal("99.00")})
    changed = (*before.lines, other) if more else (line.model_copy(update={"amount": line.amount + 1}), *before.lines[1:])
    full.procore.put(before.model_copy(update={"lines": changed, "amount": sum(one.amount for one in changed)}))
    sync = full.run(of=["budgets", "budget_changes"])
    after: Any = last(full, "procore", "budgets")
    assert after.amount == before.amount and len(after.lines) == len(before.lines)
    assert reconcile(full.run(of=["budgets", "budget_changes"])).balanced and sync


def test_a_locked_budget_of_the_erp_is_blocked_by_its_line(full: World) -> None:
    before: Any = last(full, "procore", "budgets")
    line = before.lines[0].model_copy(update={"amount": before.lines[0].amount + 1})
    changed = before.model_copy(update={"lines": (line, *before.lines[1:]), "locked": True, "amount": before.amount + 1})
    full.procore.put(changed)
    _, rule, message = next(
        v for v in judged(full, full.run(of=["budgets", "budget_changes"]), "budgets").values() if v[0] == "blocked"
    )
    assert rule == "B-04" and "03-3000" in message and full.writes() == 0


def _another(world: World, line: Any) -> str:
    return next((r.id for r in world.procore.records["cost_types"] if r.id != line.cost_type), "1")


# -- the alphabet of numbers is the ERP's, not ours --


@pytest.mark.parametrize(
    ("entity", "field", "number", "alphabet", "fits"),
    [
        ("commitments", "number", "SC 1", "A-Za-z0-9-", False),
        ("commitments", "number", "SC 1", "A-Za-z0-9 -", True),
        ("commitments", "number", "SC/1#", None, True),
        (CHANGES, "change_number", "2/1", "A-Za-z0-9-", False),
        (CHANGES, "change_number", "2#", "A-Za-z0-9-", False),
        (CHANGES, "change_number", "2-1", "A-Za-z0-9-", True),
        ("prime_change_orders", "change_number", "2#", "A-Za-z0-9-", False),
        (INVOICES, "number", "N/2", "A-Za-z0-9-", False),
        ("owner_invoices", "number", "N/2", "A-Za-z0-9-", False),
    ],
)
def test_every_number_is_asked_for_the_alphabet_of_the_erp(
    entity: str, field: str, number: str, alphabet: str | None, fits: bool
) -> None:
    capability = Capability(alphabets={} if alphabet is None else {field: alphabet})
    record = ENTITIES[entity].model.model_construct(**{field: number})
    found = limits_fault(record, capability, cast(Any, ENTITIES[entity].facts).LIMITED, "the ERP")
    assert (found is None) is fits and (fits or number in str(found))


@pytest.mark.parametrize("entity", [name for name, row in ENTITIES.items() if row.document and row.external_id])
def test_a_deleted_record_that_carries_our_mark_is_not_adopted_after_the_ledger_was_lost(
    full: World, adopted: World, entity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its mark says that it was the counterpart, and it is over: neither linked again, nor made a second time."""
    here = last(full, "procore", entity)
    twin = adopted
    twin.procore.put(here.model_copy(update={"deleted": True}))
    sync = twin.run(of=family(entity))
    number = linked_number(
        full, entity, next(link.erp_key for link in full.ledger.links.of(entity) if link.procore_id == here.id)
    )
    assert one(twin, sync, entity, number)[0] == "conflict", one(twin, sync, entity, number)
    assert here.id not in {link.procore_id for link in twin.ledger.links.of(entity) if link.status == "active"}
    assert twin.writes() == 0
    if ENTITIES[entity].source == "erp":  # the way out that it names is open: the mark is put aside, and the record is made anew
        assert "decide unlink" in one(twin, sync, entity, number)[2]
        assert main(["--ledger", str(twin.ledger.engine.url), "decide", "unlink", entity, number]) == 0
        assert "sent anew" in capsys.readouterr().out
        assert one(twin, twin.run(of=family(entity)), entity, number)[0] == "linked"


def test_a_void_payment_whose_deleted_record_carries_our_mark_is_over(adopted: World) -> None:
    here, there = last(adopted, "procore", PAYMENTS), last(adopted, "erp", PAYMENTS)
    adopted.procore.put(here.model_copy(update={"deleted": True}))
    adopted.erp.put(there.model_copy(update={"status": "void"}))
    assert one(adopted, adopted.run(of=family(PAYMENTS)), PAYMENTS, there.number)[0] == "skipped"
    assert adopted.writes() == 0


@pytest.fixture(scope="module")
def loaded(stages: dict[str, World], tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """For each entity the world just after its first load. Only to be looked at."""
    found = {name: world.fork(tmp_path_factory.mktemp("loaded") / name) for name, world in stages.items()}
    for name, world in found.items():
        world.run(of=[name], reconciled=False)
        assert world.writes() > 0
        world.close()
    return found


@pytest.mark.parametrize("projects", [None, ["25-104"]])
@pytest.mark.parametrize("watermark", ["before it was written", "after it was written"])
@pytest.mark.parametrize("entity", LINKED)
def test_a_ledger_restored_from_an_older_copy_makes_nothing_again(
    stages: dict[str, World],
    loaded: dict[str, World],
    tmp_path: Path,
    entity: str,
    watermark: str,
    projects: list[str] | None,
) -> None:
    """What was written after the copy carries its marks: a run of that entity alone, of one project too, takes it up and sends
    nothing."""
    world, copy = loaded[entity], stages[entity].fork(tmp_path / "copy")
    later = timedelta(days=1 if watermark == "after it was written" else -1)
    for name, row in ENTITIES.items():
        copy.ledger.runs.move_watermark(row.source, name, stamp(copy.clock.now + later), "run-0")
        copy.ledger.runs.move_watermark(row.target, MARKS.format(name), stamp(copy.clock.now + later), "run-0")
    copy.clock.now = world.clock.now + timedelta(days=2)
    for old, new in ((copy.erp, world.erp), (copy.procore, world.procore)):
        old.records = {name: list(group) for name, group in new.records.items()}
    count = [{name: len(group) for name, group in side.records.items()} for side in (world.erp, world.procore)]
    for _ in range(2):
        sync = copy.run(of=[entity], params={"projects": projects} if projects else {})
        states = {state for state, _ in copy.states(sync, entity).values()}
        assert copy.writes() == 0 and "created" not in states, states
    assert count == [{name: len(group) for name, group in side.records.items()} for side in (copy.erp, copy.procore)]
    copy.close()
