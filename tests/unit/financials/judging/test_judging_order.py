"""What is not linked is held for that reason alone; what the ERP was billed is the sum of all its invoices; decisions last."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import include.financials.__main__ as command
from include.financials import checks, report
from include.financials.entities import ENTITIES
from include.financials.identity import parse_origin
from include.financials.reading import extract
from include.financials.reconciliation import reconcile
from include.financials.settings import EntitySettings
from include.financials.writing import engine
from tests.unit.financials.pair import (
    FROZEN,
    PRIME_LINE,
    World,
    commitment,
    draft,
    in_procore,
    invoice,
    item,
    make_settings,
    owner_invoice,
    payment,
    period,
    procore_id,
    vendor,
)

INVOICES, OWNER = "subcontractor_invoices", "owner_invoices"
BILLING = ("commitments", INVOICES)
ONLY: dict[str, Any] = {"entities": ["commitments"]}


def go(world: World, *entities: str, **params: Any) -> dict[str, tuple[str, str]]:
    return world.states(world.run(params={"entities": list(entities), **params}), entities[-1])


def said(world: World, entity: str, number: str) -> str:
    rows = world.ledger.outcomes.of(f"run-{world.runs}", entity)
    return " ".join(f"{row.message or ''} {row.warnings or ''}" for row in rows if row.number == number)


def decide(world: World, *words: str) -> int:
    return command.main(["--ledger", world.ledger.url, "decide", *words])


def draw(world: World, sequence: int, work: str, done: str = "0.00", **changes: Any) -> Any:
    rows = (item("L1", work, previous=done),)
    before = (item("L1", done),) if sequence > 1 else ()
    previous = {"previous": procore_id(INVOICES, f"V-1/N-{sequence - 1}")} if sequence > 1 else {}
    return in_procore(world, invoice(sequence, items=rows, before=before, **previous, **changes))


def by_hand(world: World, number: str, amount: str, sequence: int, **changes: Any) -> Any:
    plain = invoice(sequence, number=number, items=(item("L1", amount),), company="01", status="posted", completed=None)
    return world.erp.put(plain.model_copy(update={"items": (), "retainage": None, "previous": None, **changes}))


def billed(world: World) -> Decimal:
    return sum((r.amount for r in world.erp.records[INVOICES]), Decimal(0))  # type: ignore[attr-defined]


@pytest.fixture
def contract(linked: World) -> World:
    """A linked contract of 900.00."""
    from tests.unit.financials.pair import line

    draft(linked, lines=(line(1, "900.00"),))
    go(linked, "commitments")
    return linked


# -- what is billed on a contract is the sum of all its invoices --


@pytest.mark.parametrize("sequence", [1, 2, 9])
def test_an_invoice_entered_by_hand_holds_the_next_draw_whatever_it_is_called(contract: World, sequence: int) -> None:
    draw(contract, 1, "100.00")
    assert go(contract, *BILLING) == {"N-1": ("created", "")}
    by_hand(contract, "HAND", "200.00", sequence)
    draw(contract, 2, "200.00", "100.00")
    assert go(contract, *BILLING)["N-2"] == ("held", "I-03")
    assert billed(contract) == Decimal("300.00")
    told = said(contract, INVOICES, "N-2")
    assert "HAND (200.00)" in told and "100.00 was billed before it, the ERP has 300.00" in told and "decide link" in told
    assert go(contract, *BILLING)["N-2"] == ("held", "I-03"), "the second run says the same"
    assert go(contract, *BILLING, mode="plan")["N-2"] == ("held", "I-03")


def test_one_opening_invoice_for_two_draws_is_not_billed_again_also_when_it_is_accepted(contract: World) -> None:
    by_hand(contract, "OPEN", "300.00", 1)
    draw(contract, 1, "100.00")
    draw(contract, 2, "200.00", "100.00")
    assert go(contract, *BILLING) == {"N-1": ("held", "I-03"), "N-2": ("held", "I-03")}
    assert decide(contract, "accept", "subcontractor invoice", "OPEN") == 0
    assert go(contract, *BILLING)["N-1"] == ("held", "I-03") and billed(contract) == Decimal("300.00")


def test_a_void_invoice_of_the_erp_counts_for_nothing(contract: World) -> None:
    by_hand(contract, "HAND", "200.00", 1, status="void")
    draw(contract, 1, "100.00")
    assert go(contract, *BILLING)["N-1"] == ("created", "")


def test_owner_invoices_likewise(full: World) -> None:
    plain = owner_invoice(9, number="HAND", items=(item(PRIME_LINE, "7.00"),), company="01", status="posted")
    full.erp.put(plain.model_copy(update={"items": ()}))
    rows = (item(PRIME_LINE, "5.00", previous="50.00", retainage_previous="5.00"),)
    before = (item(PRIME_LINE, "10.00", "1.00", previous="40.00", retainage_previous="4.00"),)
    in_procore(full, owner_invoice(3, items=rows, before=before, previous=procore_id(OWNER, "OI-2")))
    assert go(full, OWNER)["OI-3"] == ("held", "I-03")
    assert "HAND (7.00)" in said(full, OWNER, "OI-3")


@pytest.mark.parametrize("lost", ["billing_date", "amount", "commitment"])
def test_an_invoice_of_the_erp_that_cannot_be_read_holds_the_next_draw(contract: World, lost: str) -> None:
    draw(contract, 1, "100.00")
    assert go(contract, *BILLING) == {"N-1": ("created", "")}
    hand = by_hand(contract, "HAND", "200.00", 1)
    contract.erp.garbled[INVOICES, hand.id] = lost
    draw(contract, 2, "200.00", "100.00")
    assert go(contract, *BILLING)["N-2"] == ("held", "I-03")
    assert f"HAND in the ERP cannot be read ({lost}" in said(contract, INVOICES, "N-2")
    assert billed(contract) == Decimal("300.00"), "nothing is billed beside it"
    by_hand(contract, "HAND", "200.00", 1, status="void")
    assert go(contract, *BILLING)["N-2"] == ("created", ""), "a void one counts for nothing, readable or not"


def test_one_of_another_contract_or_of_before_the_opening_balance_holds_nothing(contract: World) -> None:
    other = by_hand(contract, "ELSE", "70.00", 1, commitment="SC-9")
    contract.erp.garbled[INVOICES, other.id] = "amount"
    before = by_hand(contract, "OLD", "100.00", 1, billing_date=date(2026, 6, 30))
    contract.erp.garbled[INVOICES, before.id] = "amount"
    assert decide(contract, "opening", "commitment", "SC-1", "--amount", "100.00", "--date", "2026-06-30") == 0
    draw(contract, 1, "100.00", billing_date=date(2026, 6, 25))
    draw(contract, 2, "200.00", "100.00")
    found = go(contract, *BILLING)
    assert (found["N-1"], found["N-2"]) == (("skipped", ""), ("created", ""))


def test_an_owner_invoice_of_the_erp_that_cannot_be_read_holds_the_next_one(full: World) -> None:
    plain = owner_invoice(9, number="HAND", items=(item(PRIME_LINE, "5.00"),), company="01", status="posted")
    full.erp.put(plain.model_copy(update={"items": ()}))
    full.erp.garbled[OWNER, plain.id] = "billing_date"
    rows = (item(PRIME_LINE, "5.00", previous="50.00", retainage_previous="5.00"),)
    before = (item(PRIME_LINE, "10.00", "1.00", previous="40.00", retainage_previous="4.00"),)
    in_procore(full, owner_invoice(3, items=rows, before=before, previous=procore_id(OWNER, "OI-2")))
    assert go(full, OWNER)["OI-3"] == ("held", "I-03")
    assert "HAND in the ERP cannot be read" in said(full, OWNER, "OI-3")


@pytest.mark.parametrize("policy", ["hold", "next_open", "reject"])
@pytest.mark.parametrize("lost", ["status", "module", "first_day"])
def test_a_period_that_cannot_be_read_is_neither_open_nor_of_another_calendar(contract: World, policy: str, lost: str) -> None:
    """Where not one period of a module can be read, that of the general ledger does not stand in."""
    contract.settings = make_settings(posting_policy=policy)
    for one in [row for row in contract.erp.records["periods"] if row.module == "AP"]:  # type: ignore[attr-defined]
        contract.erp.garbled["periods", one.id] = lost
    for month in (9, 10):
        contract.erp.put(period("GL", month, "open"))
    draw(contract, 1, "100.00")
    assert go(contract, *BILLING)["N-1"] == ("held", "I-05")
    assert f"in the ERP cannot be read ({lost}" in said(contract, INVOICES, "N-1")
    contract.erp.garbled.clear()
    assert go(contract, *BILLING)["N-1"] == ("created", "")


# -- opening balances --


def test_an_opening_balance_stands_for_the_draws_before_go_live(contract: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The ERP has none of them: they are not sent, and what follows is."""
    draw(contract, 1, "100.00", billing_date=date(2026, 7, 31))
    draw(contract, 2, "200.00", "100.00", billing_date=date(2026, 8, 31))
    draw(contract, 3, "50.00", "300.00")
    words = ("opening", "commitment", "SC-1", "--amount", "300.00", "--date", "2026-08-31")
    assert decide(contract, *words) == 0
    assert "300.00 billed up to 2026-08-31" in capsys.readouterr().out
    sync = contract.run(params={"entities": list(BILLING)})
    assert contract.states(sync, INVOICES) == {"N-1": ("skipped", ""), "N-2": ("skipped", ""), "N-3": ("created", "")}
    assert billed(contract) == Decimal("50.00")
    result = reconcile(sync)
    assert result.balanced, [d.as_dict() for d in result.differences if d.unexplained]
    assert {i.code for d in result.differences for i in d.explained} == {"OPENING", "UNPOSTED"}
    assert reconcile(contract.run(params={"entities": list(BILLING)})).balanced


def test_an_opening_balance_that_is_too_small_leaves_the_rest_unexplained(contract: World) -> None:
    draw(contract, 1, "100.00", billing_date=date(2026, 7, 31))
    draw(contract, 2, "50.00", "100.00")
    assert decide(contract, "opening", "commitment", "SC-1", "--amount", "90.00", "--date", "2026-08-31") == 0
    sync = contract.run(params={"entities": list(BILLING)})
    assert contract.states(sync, INVOICES)["N-2"] == ("held", "I-03")
    assert decide(contract, "opening", "commitment", "SC-1", "--amount", "100.00", "--date", "2026-08-31") == 0
    sync = contract.run(params={"entities": list(BILLING)})
    assert contract.states(sync, INVOICES)["N-2"] == ("created", "") and reconcile(sync).balanced


def test_an_opening_invoice_of_the_erp_is_part_of_the_balance(contract: World) -> None:
    by_hand(contract, "OPEN", "300.00", 1, billing_date=date(2026, 8, 31))
    draw(contract, 1, "100.00", billing_date=date(2026, 7, 31))
    draw(contract, 2, "200.00", "100.00", billing_date=date(2026, 8, 31))
    draw(contract, 3, "50.00", "300.00")
    assert decide(contract, "opening", "commitment", "SC-1", "--amount", "300.00", "--date", "2026-08-31") == 0
    sync = contract.run(params={"entities": list(BILLING)})
    assert contract.states(sync, INVOICES)["N-3"] == ("created", "") and billed(contract) == Decimal("350.00")
    result = reconcile(sync)
    assert result.balanced, [d.as_dict() for d in result.differences if d.unexplained]


@pytest.mark.parametrize(
    "words",
    [
        ("opening", "vendor", "V-1", "--amount", "1.00", "--date", "2026-08-31"),
        ("opening", "commitment", "SC-1", "--amount", "1.005", "--date", "2026-08-31"),
        ("opening", "commitment", "SC-1", "--amount", "1.00", "--date", "August"),
        ("opening", "commitment", "SC-1", "--date", "2026-08-31"),
        ("opening", "commitment", "SC-1", "--amount", "1.00", "--date", "2062-06-30"),
        ("approve", "commitment", "all"),
        ("opening", "commitment", "SC-9", "--amount", "1.00", "--date", "2026-08-31"),
        ("accept", "vendor", "V-1"),
        ("approve", "vendor", "V-1"),
        ("unlink", "vendor", "V-9"),
        ("link", "vendor", "V-1"),
        ("link", "vendor", "V-1", "--to", "SC-1"),
        ("link", "vendr", "V-1"),
    ],
)
def test_a_decision_that_cannot_be_says_why(contract: World, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert decide(contract, *words) == 2
    assert capsys.readouterr().err.strip()
    assert contract.ledger.decisions.of("commitments") == contract.ledger.decisions.of("vendors") == []


# -- predecessors that no run has read --


def test_a_backfill_reads_the_draws_before_its_own_by_id(contract: World, tmp_path: Path) -> None:
    from datetime import timedelta

    draw(contract, 1, "100.00")
    go(contract, *BILLING)
    for _ in range(2000):
        contract.clock.tick()
    moment = contract.clock.now
    draw(contract, 2, "200.00", "100.00")
    fresh = contract.without_ledger(tmp_path / "fresh")
    fresh.run(params={"entities": ["vendors", "projects", "cost_types", "cost_codes", "commitments"]})
    since = (moment - timedelta(seconds=1)).isoformat()
    sync = fresh.run(params={"entities": list(BILLING), "since": since})
    assert fresh.states(sync, INVOICES) == {"N-1": ("adopted", ""), "N-2": ("created", "")}
    assert reconcile(sync).balanced and billed(fresh) == Decimal("300.00")


# -- references first --


def test_what_refers_to_what_is_not_linked_is_held_for_that_alone(contract: World) -> None:
    """A payment without its invoice is not proposed; the invoice of a contract that is not linked is not wrong."""
    draw(contract, 1, "100.00")
    by_hand(contract, "N-1", "100.00", 1)
    contract.ledger.decisions.part(contract.ledger.links.of("commitments")[0], "ann")
    contract.erp.put(payment(amount=Decimal("100.00")))
    sync = contract.run(params={"entities": [INVOICES, "payments_issued"]})
    assert contract.states(sync, INVOICES)["N-1"] == ("held", "I-01")
    assert contract.states(sync, "payments_issued") == {"K-1/N-1": ("held", "Y-01")}
    told = said(contract, INVOICES, "N-1")
    assert told.strip() == "Invoice N-1 waits for SC-1, which is not linked."
    assert str(2**40)[:4] not in told


# -- proposals and pairs --


def received(linked: World) -> Any:
    settings = {
        "purchase_order": ("Approved",),
        "subcontract": ("Approved",),
    }
    plain = make_settings()
    later = EntitySettings(writes="on", eligible=settings, eligible_when_linked={"purchase_order": ("Received",)})
    linked.settings = plain.model_copy(update={"entities": {**plain.entities, "commitments": later}})
    return draft(linked, "PO-1", kind="purchase_order", status="Received")


def test_a_purchase_order_that_went_on_is_proposed(linked: World) -> None:
    received(linked)
    assert go(linked, "commitments") == {"PO-1": ("skipped", "")}
    linked.erp.put(commitment("PO-1", kind="purchase_order", company="01", status="open"))
    assert go(linked, "commitments") == {"PO-1": ("held", "2.9")}
    assert decide(linked, "link", "commitment", "PO-1") == 0
    assert go(linked, "commitments") == {"PO-1": ("updated", "")}
    assert go(linked, "commitments") == {"PO-1": ("unchanged", "")} and linked.erp.applied == {}


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_a_proposal_shows_the_differences_and_linking_accepts_them(
    linked: World, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    linked.erp.put(commitment(company="01", status="open", retainage_percent=Decimal(5)))
    draft(linked, retainage_percent=Decimal(10))
    assert go(linked, "commitments", mode=mode) == {"SC-1": ("held", "2.9")}
    assert "They differ in retainage_percent 5 / 10." in said(linked, "commitments", "SC-1")
    assert decide(linked, "link", "commitment", "SC-1") == 0
    assert "Accepted as they are: retainage_percent 5 / 10" in capsys.readouterr().out
    assert go(linked, "commitments") == {"SC-1": ("updated", "")}
    assert go(linked, "commitments") == {"SC-1": ("unchanged", "")} and linked.erp.applied == {}


@pytest.mark.parametrize("entity", ["budget_changes", "direct_costs", "commitment_change_orders", INVOICES, "payments_issued"])
def test_a_difference_that_a_person_accepted_is_no_change(full: World, entity: str) -> None:
    link = full.ledger.links.of(entity)[-1]
    changes = {"pay_date": date(2026, 9, 24)} if entity == "payments_issued" else FROZEN[entity]
    full.ledger.decisions.part(link, "ann")
    memory: Any = full.erp if ENTITIES[entity].source == "erp" else full.procore
    own = next(one for one in memory.records[entity] if one.id in (link.erp_key, link.procore_id))
    memory.put(own.model_copy(update=changes))
    go(full, entity)
    assert decide(full, "link", entity, link.erp_key, "--to", link.procore_id) == 0
    found = [go(full, entity)[link.number] for _ in range(3)]
    assert found[0][0] in ("adopted", "updated") and found[1:] == [("unchanged", "")] * 2, found
    other: Any = full.procore if memory is full.erp else full.erp
    there = next(one for one in other.records[entity] if one.id in (link.erp_key, link.procore_id))
    more = (
        {"description": "A third"}
        if entity == "direct_costs"
        else {"title": "A third"}
        if "title" in changes
        else {name: date(2026, 9, 23) for name in changes}
    )
    other.put(there.model_copy(update=more))
    assert go(full, entity)[link.number][0] == "conflicts", "what the other side says is agreed on, too"


def test_a_pair_that_differs_in_money_is_refused(linked: World, capsys: pytest.CaptureFixture[str]) -> None:
    linked.erp.put(vendor("V-7"))
    linked.erp.put(commitment("X-1", company="01", status="open", amount=Decimal("99.00")))
    draft(linked)
    go(linked, "commitments", mode="plan")
    assert decide(linked, "link", "commitment", "SC-1", "--to", "X-1") == 2
    assert "differ in their amount" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_any_two_records_can_be_paired_by_hand(linked: World, mode: str) -> None:
    off = EntitySettings(writes="off", eligible={"subcontract": ("Approved",)})
    linked.settings = make_settings(entities={**make_settings().entities, "commitments": off})
    own = draft(linked)
    linked.erp.put(commitment("X-1", company="01", status="open"))
    go(linked, "commitments", mode=mode)
    linked.settings = make_settings()
    assert decide(linked, "link", "commitment", "X-1", "--to", own.id) == 0
    go(linked, "commitments")
    (link,) = linked.ledger.links.of("commitments")
    assert (link.erp_key, link.procore_id) == ("X-1", own.id) and linked.erp.applied == {}
    assert set(go(linked, "commitments").values()) == {("unchanged", "")}


# -- what a person decided lasts --


@pytest.mark.parametrize("cleared", [True, False])
def test_an_ended_link_stays_ended_whatever_marks_are_left(
    contract: World, cleared: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    own = contract.procore.get("commitments", number="SC-1")
    assert decide(contract, "unlink", "commitment", own.id) == 0
    assert "is ended for good" in capsys.readouterr().out
    if cleared:
        contract.procore.put(own.model_copy(update={"origin_id": None, "origin_data": None}))
    writes = contract.writes()
    for _ in range(2):
        sync = contract.run(params=ONLY)
        assert contract.states(sync, "commitments") == {"SC-1": ("held", "unlinked")} and contract.writes() == writes
        assert "decide unlink" not in said(contract, "commitments", "SC-1") and reconcile(sync).balanced
    assert contract.procore.get("commitments", number="SC-1").origin_id == (None if cleared else own.origin_id)
    assert decide(contract, "unlink", "commitment", "SC-1") == 2
    assert decide(contract, "link", "commitment", "SC-1", "--to", own.id) == 0
    go(contract, "commitments")
    assert go(contract, "commitments") == {"SC-1": ("unchanged", "")} and contract.erp.made["x"] == 0


def test_an_ended_link_of_master_data_makes_no_second_record(linked: World) -> None:
    assert decide(linked, "unlink", "vendor", "V-1") == 0
    assert go(linked, "vendors") == {"V-1": ("held", "unlinked")} and len(linked.procore.records["vendors"]) == 1
    assert go(linked, "vendors", mode="plan") == {"V-1": ("held", "unlinked")}


def test_an_ambiguous_number_lists_its_candidates_and_is_taken_by_id(linked: World, capsys: pytest.CaptureFixture[str]) -> None:
    draft(linked)
    for code in ("A", "B"):
        linked.erp.put(vendor("V-9", id=code, code=code))
    linked.run(of=["vendors", "commitments"])
    assert decide(linked, "unlink", "vendor", "V-9") == 2
    told = capsys.readouterr().err
    first, second = (link.procore_id for link in linked.ledger.links.of("vendors") if link.number == "V-9")
    assert first in told and second in told and "--id" in told
    assert decide(linked, "unlink", "vendor", "V-9", "--id", first) == 0
    assert second in {link.procore_id for link in linked.ledger.links.of("vendors")}


@pytest.mark.parametrize("change", [{"title": "Another"}, {"status": "closed"}, {"amount": Decimal("101.00")}])
def test_an_acceptance_that_ended_is_told_in_the_report(linked: World, change: dict[str, Any]) -> None:
    linked.erp.put(commitment("X-1", company="01", status="open"))
    draft(linked)
    go(linked, "commitments")
    assert decide(linked, "accept", "commitment", "X-1") == 0
    sync = linked.run(params=ONLY)
    assert reconcile(sync).balanced and not report.build(sync)["stopped"]
    linked.erp.change("commitments", "X-1", **change)
    sync = linked.run(params=ONLY)
    (row,) = report.build(sync)["stopped"]
    assert (row["key"], row["rule"]) == ("X-1", "accept") and "that has ended, because it changed" in row["message"]
    assert not reconcile(sync).balanced
    assert not report.build(linked.run(params=ONLY))["stopped"]


def test_a_job_reopened_in_the_same_run_holds_nothing(linked: World) -> None:
    linked.procore.change("projects", "25-104", status="closed")
    linked.erp.change("projects", "25-104", status="closed")
    linked.run(of=["projects"])
    draft(linked)
    assert go(linked, "commitments") == {"SC-1": ("held", "J-02")}
    linked.erp.change("projects", "25-104", status="open")
    for mode in ("plan", "apply"):
        sync = linked.run(params={"mode": mode})
        assert linked.states(sync, "commitments") == {"SC-1": ("created", "")}, mode


def test_a_proposal_that_followed_its_job_is_linked_under_its_present_key(full: World, tmp_path: Path) -> None:
    """The document was met before its job was linked, under no company and a key of its own."""
    world = full.without_ledger(tmp_path / "again")
    for record in world.erp.records["budget_changes"]:
        world.erp.put(record.model_copy(update={"marker": None}))
    sync = world.run(params={"entities": ["budget_changes"]})
    assert [rule for _, rule in world.states(sync, "budget_changes").values()] == ["M-01"]
    world.only = ["projects", "cost_types", "cost_codes", "budgets", "budget_changes"]
    world.run()
    assert world.states(world.run(), "budget_changes") == {"25-104/1": ("held", "2.9")}
    assert decide(world, "link", "budget change", "all") == 0
    assert world.states(world.run(), "budget_changes") == {"25-104/1": ("adopted", "")}


# -- decisions beside each other, and beside a run --


def test_a_pair_that_a_person_names_between_check_and_load_is_not_made_twice(linked: World) -> None:
    own = draft(linked)
    linked.erp.put(commitment("X-1", company="01", status="open"))
    go(linked, "commitments", mode="plan")
    sync = linked.sync(params=ONLY)
    extract.extract(sync, "commitments")
    checks.check(sync, "commitments", [0])
    assert decide(linked, "link", "commitment", "X-1", "--to", own.id) == 0
    engine.load(sync, "commitments")
    assert linked.erp.applied == {}
    (row,) = linked.ledger.outcomes.of(sync.run.run_id, "commitments")
    assert (row.state, row.rule) == ("held", "stale")
    go(linked, "commitments")
    assert [(link.erp_key, link.procore_id) for link in linked.ledger.links.of("commitments")] == [("X-1", own.id)]


def test_a_vendor_that_a_person_names_between_check_and_load_is_not_made_twice(world: World) -> None:
    theirs = world.procore.put(vendor("P-7", id="7007", company=None, name="Entered by hand", origin_id=None))
    go(world, "vendors", mode="plan")
    sync = world.sync(params={"entities": ["vendors"]})
    extract.extract(sync, "vendors")
    checks.check(sync, "vendors", [0])
    assert decide(world, "link", "vendor", "V-1", "--to", theirs.id) == 0
    engine.load(sync, "vendors")
    assert len(world.procore.records["vendors"]) == 1
    go(world, "vendors")
    assert [(link.erp_key, link.procore_id) for link in world.ledger.links.of("vendors")] == [("V-1", "7007")]
    assert len(world.procore.records["vendors"]) == 1


def test_one_record_is_paired_with_one_other(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names it twice has a typing error in one of the two: the second is refused, not written over the first."""
    world.erp.put(vendor("V-2", name="Another"))
    theirs = world.procore.put(vendor("P-7", id="7007", company=None, name="Entered by hand", origin_id=None))
    world.procore.put(vendor("P-8", id="7008", company=None, name="Another by hand", origin_id=None))
    go(world, "vendors", mode="plan")
    assert decide(world, "link", "vendor", "V-1", "--to", theirs.id) == 0
    assert decide(world, "link", "vendor", "V-1", "--to", theirs.id) == 0, "the same again is no contradiction"
    capsys.readouterr()
    assert decide(world, "link", "vendor", "V-2", "--to", theirs.id) == 2
    assert "decide unlink vendors V-1" in capsys.readouterr().err
    assert decide(world, "link", "vendor", "V-1", "--to", "7008") == 2
    assert decide(world, "unlink", "vendors", "V-1") == 0
    assert decide(world, "link", "vendor", "V-2", "--to", theirs.id) == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--amount", "-5.00"), "--amount is '-5.00'"),
        (("--amount", "1e40"), "--amount is '1e40'"),
        (("--amount", "100.00", "--retainage", "100.01"), "--retainage is '100.01'"),
        (("--amount", "100.00", "--retainage", "-1.00"), "--retainage is '-1.00'"),
    ],
)
def test_a_balance_that_cannot_be_is_refused(
    contract: World, words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A negative one would let a draw through that was billed already."""
    assert decide(contract, "opening", "commitment", "SC-1", "--date", "2026-08-31", *words) == 2
    assert why in capsys.readouterr().err
    assert contract.ledger.decisions.of("commitments") == []


@pytest.mark.parametrize("way", ["unreadable", "gone"])
def test_a_document_whose_named_counterpart_cannot_be_taken_is_not_made_twice(linked: World, way: str) -> None:
    own = draft(linked)
    linked.erp.put(commitment("X-1", company="01", status="open"))
    go(linked, "commitments", mode="plan")
    assert decide(linked, "link", "commitment", "X-1", "--to", own.id) == 0
    if way == "gone":
        linked.erp.records["commitments"].clear()
    else:
        linked.erp.garbled = {("commitments", "X-1"): "title"}
    assert go(linked, "commitments")["SC-1"] == (("conflicts", "R-02") if way == "gone" else ("held", "R-06"))
    assert linked.erp.applied == {}
    if way == "gone":
        assert "decide unlink" in said(linked, "commitments", "SC-1")
        assert decide(linked, "unlink", "commitments", "SC-1") == 0
        assert go(linked, "commitments") == {"SC-1": ("created", "")}


def test_a_vendor_whose_named_counterpart_is_gone_is_not_made_twice(world: World) -> None:
    theirs = world.procore.put(vendor("P-7", id="7007", company=None, name="Entered by hand", origin_id=None))
    go(world, "vendors", mode="plan")
    assert decide(world, "link", "vendor", "V-1", "--to", theirs.id) == 0
    world.procore.records["vendors"].clear()
    assert go(world, "vendors") == {"V-1": ("conflicts", "R-02")} and world.procore.records["vendors"] == []
    assert "linked by" in said(world, "vendors", "V-1") and "Procore does not show" in said(world, "vendors", "V-1")
    assert decide(world, "unlink", "vendors", "V-1") == 0
    assert go(world, "vendors") == {"V-1": ("created", "")}


def test_two_words_about_one_record_write_to_it_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Two people at once, or a ledger from before the command refused it: the second is not written over the first."""
    world.erp.put(vendor("V-2", name="Another"))
    world.procore.put(vendor("P-7", id="7007", company=None, name="Entered by hand", origin_id=None))
    for key in ("V-1", "V-2"):
        world.ledger.decisions.decide(
            entity="vendors", company="G1", record_id=key, pair="7007", decision="link", who="ann", number=key
        )
    assert world.erp.get("vendors", number="V-1").company == "G1"
    found = go(world, "vendors")
    assert found["V-1"][0] == "updated" and found["V-2"] == ("conflicts", "R-02")
    assert "is the counterpart of another record" in said(world, "vendors", "V-2")
    (row,) = world.procore.records["vendors"]
    assert parse_origin(row.origin_id, "sandbox").key == "V-1"  # type: ignore[union-attr]
