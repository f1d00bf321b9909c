"""The ERP merged two vendors: from then on they are one, in the documents of either key, whatever became of their companies."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.mergers import Mergers
from include.financials.port import Invalid
from include.financials.reconciliation import reconcile
from tests.unit.financials.pair import (
    SECOND,
    THIRD,
    Crash,
    World,
    change,
    commitment,
    cost_code,
    direct_cost,
    draft,
    family,
    in_procore,
    insurance,
    invoice,
    line,
    payment,
    procore_id,
    project,
    vendor,
)

INVOICES, COSTS, VENDORS = "subcontractor_invoices", "direct_costs", "vendors"


def stopped(world: World, sync: Any) -> dict[tuple[str, str], tuple[str, str | None, str]]:
    rows = world.ledger.outcomes.of(sync.run.run_id)
    return {(r.entity, r.number): (r.state, r.rule, r.message) for r in rows if r.state not in ("linked", "skipped")}


def told(world: World, sync: Any, entity: str, number: str) -> tuple[str, str | None, str]:
    source = ENTITIES[entity].source
    rows = [r for r in world.ledger.outcomes.of(sync.run.run_id, entity) if r.number == number and r.side == source]
    assert len(rows) == 1, f"{len(rows)} outcomes of {entity} {number}"
    return rows[0].state, rows[0].rule, rows[0].message or ""


def company(world: World, key: str) -> str:
    return next(link.procore_id for link in world.ledger.links.of(VENDORS) if link.erp_key == key)


def merge(world: World, old: str = "V-1", into: str = "V-2") -> None:
    world.erp.change(VENDORS, old, merged_into=into, active=False)


def merge_in_procore(world: World, old: str = "V-1", into: str = "V-2") -> None:
    """People merge the two companies: all that named the one names the other, and it is gone."""
    gone, stays = company(world, old), company(world, into)
    for entity in ("commitments", INVOICES, COSTS, "vendor_insurances"):
        for record in world.procore.all(entity, vendor=gone):
            world.procore.put(record.model_copy(update={"vendor": stays}))
    world.procore.records[VENDORS].remove(world.procore.get(VENDORS, id=gone))


def third(world: World, **changes: Any) -> Any:
    """The next draw on SC-1."""
    plain: dict[str, Any] = {
        "items": THIRD, "before": SECOND, "previous": procore_id(INVOICES, "V-1/N-2"), "id": procore_id(INVOICES, "third"),
    }  # fmt: skip
    number = changes.pop("number", "N-3")
    return in_procore(world, invoice(3, number=number, **(plain | changes)), id=procore_id(INVOICES, "third"))


def quiet(world: World, *but: tuple[str, str]) -> Any:
    """A further run writes nothing, stops nothing ``but`` these, and its figures balance."""
    before = world.writes()
    sync = world.run()
    assert set(stopped(world, sync)) == set(but), stopped(world, sync)
    assert world.writes() == before and reconcile(sync).balanced
    return sync


OLD = (VENDORS, "V-1")
MOVED = ["vendor_insurances", *family(VENDORS)]
"""What names a vendor, and what hangs on that: nothing else can tell of a merger."""


@pytest.fixture(scope="session")
def _stages(stocked: tuple[World, World], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """(before the merger, after it)."""
    before = stocked[1].fork(tmp_path_factory.mktemp("mergers") / "before")
    before.only = MOVED
    before.erp.put(vendor("V-2"))
    before.run()
    after = before.fork(tmp_path_factory.mktemp("mergers") / "after")
    merge(after)
    after.run()
    yield before, after
    before.close()
    after.close()


@pytest.fixture
def two(_stages: tuple[World, World], tmp_path: Path) -> Iterator[World]:
    """Every entity is linked, with V-1; V-2 is linked, too."""
    made = _stages[0].fork(tmp_path / "two")
    yield made
    made.close()


@pytest.fixture
def merged(_stages: tuple[World, World], tmp_path: Path) -> Iterator[World]:
    """The ERP merged V-1 into V-2, and a run took note of it."""
    made = _stages[1].fork(tmp_path / "merged")
    yield made
    made.close()


# -- the merger itself --


def test_a_merger_is_told_of_the_old_vendor_alone_and_writes_nothing(two: World) -> None:
    merge(two)
    for _ in range(2):
        sync = quiet(two, OLD)
        state, rule, message = told(two, sync, VENDORS, "V-1")
        assert (state, rule) == ("conflict", "V-03")
        assert "merged into V-2" in message and "one vendor" in message and "unlink" not in message
    assert two.erp.get("commitments", id="SC-1").vendor == "V-1", "what is posted keeps its key"  # type: ignore[attr-defined]


def test_documents_that_are_read_again_are_not_changed_by_the_key(merged: World) -> None:
    for entity in ("commitments", INVOICES, "commitment_change_orders"):
        for record in list(merged.procore.records[entity]):
            merged.procore.put(record)
    for entity in (COSTS, "vendor_insurances", "payments_issued"):
        for record in list(merged.erp.records[entity]):
            merged.erp.put(record)
    quiet(merged, OLD)


def test_a_plan_says_the_same(two: World) -> None:
    merge(two)
    sync = two.run(params={"mode": "plan"})
    assert set(stopped(two, sync)) == {OLD} and reconcile(sync).balanced and two.writes() == 0


def test_a_new_title_is_written_and_the_key_is_left_alone(merged: World) -> None:
    contract = merged.procore.records["commitments"][0]
    merged.procore.put(contract.model_copy(update={"title": "Steel and decks"}))
    merged.run()
    there: Any = merged.erp.get("commitments", id="SC-1")
    assert (there.title, there.vendor) == ("Steel and decks", "V-1")
    quiet(merged, OLD)


def test_a_ledger_that_was_lost_is_found_again(merged: World, tmp_path: Path) -> None:
    twin = merged.without_ledger(tmp_path / "twin")
    before = len(twin.procore.records[VENDORS])
    twin.run()
    twin.only = MOVED
    twin.run()
    quiet(twin, OLD)
    assert twin.writes() == 0 and len(twin.procore.records[VENDORS]) == before
    twin.close()


# -- new documents --


@pytest.mark.parametrize("whose", ["V-1", "V-2"])
def test_the_survivor_bills_what_the_old_vendor_signed(merged: World, whose: str) -> None:
    third(merged, vendor=whose)
    sync = merged.run()
    assert told(merged, sync, INVOICES, "N-3")[:2] == ("linked", None)
    assert merged.erp.get(INVOICES, number="N-3").vendor == "V-2"  # type: ignore[attr-defined]
    quiet(merged, OLD)


def test_the_survivor_is_paid_for_what_the_old_vendor_billed(merged: World) -> None:
    merged.erp.put(payment("K-2", amount=Decimal("3.60")))
    third(merged, vendor="V-2")
    merged.run()
    merged.erp.put(payment("K-3", "N-3", id="K-3/V-2/N-3", invoice="V-2/N-3", amount=Decimal("1.00")))
    sync = merged.run()
    assert told(merged, sync, "payments_issued", "K-3/N-3")[:2] == ("linked", None)
    quiet(merged, OLD)


@pytest.mark.parametrize("whose", ["V-1", "V-2"])
def test_a_number_that_the_old_vendor_used_is_used(merged: World, whose: str) -> None:
    third(merged, vendor=whose, number="N-1")
    sync = merged.run()
    rows = [r for r in merged.ledger.outcomes.of(sync.run.run_id, INVOICES) if r.state == "quarantined"]
    assert [(r.rule, r.number) for r in rows] == [("I-04", "N-1")] and merged.writes() == 0


@pytest.mark.parametrize("whose", ["V-1", "V-2"])
def test_a_new_commitment_is_the_survivors(merged: World, whose: str) -> None:
    draft(merged, "SC-2", vendor=whose)
    merged.run()
    assert merged.erp.get("commitments", id="SC-2").vendor == "V-2"  # type: ignore[attr-defined]
    in_procore(merged, change("001", "SC-2"))
    sync = merged.run()
    assert told(merged, sync, "commitment_change_orders", "SC-2/001")[:2] == ("linked", None)
    quiet(merged, OLD)


def test_a_hold_of_the_survivor_counts_for_the_old_company(merged: World) -> None:
    merged.erp.change(VENDORS, "V-2", hold="all", hold_reason="dispute")
    draft(merged, "SC-2", vendor="V-1")
    state, rule, message = told(merged, merged.run(), "commitments", "SC-2")
    assert (state, rule) == ("held", "M-02") and "full hold" in message and merged.writes() == 0


@pytest.mark.parametrize("whose", ["V-1", "V-2"])
def test_a_document_that_the_erp_has_by_other_hands_is_proposed(merged: World, whose: str) -> None:
    merged.erp.put(commitment("SC-2", company="01", status="open", vendor=whose))
    draft(merged, "SC-2", vendor="V-2" if whose == "V-1" else "V-1")
    assert told(merged, merged.run(), "commitments", "SC-2")[:2] == ("held", "2.9")


def test_of_two_invoices_of_one_number_the_one_that_nobody_linked_is_proposed(merged: World) -> None:
    drawn = third(merged, vendor="V-2", number="N-1")
    there = merged.erp.put(invoice(3, company="01", id="V-2/N-1", number="N-1", vendor="V-2", amount=drawn.amount))
    merged.erp.records[INVOICES].insert(0, merged.erp.records[INVOICES].pop())  # in whatever order the ERP lists them
    sync = merged.run()
    rows = {r.id: (r.rule, r.erp_key) for r in merged.ledger.outcomes.of(sync.run.run_id, INVOICES)}
    assert rows[drawn.id] == ("2.9", there.id) and merged.writes() == 0


# -- direct costs --


@pytest.mark.parametrize(
    "end", [("header", "crash_after"), ("lines", "crash_before"), ("lines", "crash_after"), ("external_id", "crash_after")]
)
def test_a_cost_that_was_half_made_before_the_merger_is_finished(two: World, end: tuple[str, str]) -> None:
    two.erp.put(direct_cost("JC-9"))
    two.procore.failing[f"post direct_costs {end[0]}"] = end[1]
    with pytest.raises(Crash):
        two.run()
    two.procore.failing.clear()
    merge(two)
    sync = two.run()
    assert told(two, sync, COSTS, "JC-9")[:2] == ("linked", None)
    assert two.procore.made["sandbox:01:direct_costs:JC-9"] == 1
    quiet(two, OLD)


@pytest.mark.parametrize("whose", ["V-1", "V-2"])
def test_a_direct_cost_of_either_key_is_the_survivors_in_procore(merged: World, whose: str) -> None:
    merged.erp.put(direct_cost("JC-9", vendor=whose))
    merged.run()
    (made,) = [r for r in merged.procore.records[COSTS] if r.origin_id == "sandbox:01:direct_costs:JC-9"]
    assert made.vendor == company(merged, "V-2")  # type: ignore[attr-defined]
    quiet(merged, OLD)


@pytest.mark.parametrize("whose", ["V-1", "V-2"])
def test_cost_of_an_invoice_is_covered_under_either_key(merged: World, whose: str) -> None:
    merged.erp.put(direct_cost("JC-9", vendor=whose, invoice_number="N-1"))
    state, _, message = told(merged, merged.run(), COSTS, "JC-9")
    assert state == "skipped" and "SC-1" in message and merged.writes() == 0


def test_a_number_that_both_keys_used_covers_no_other_cost(merged: World) -> None:
    """What V-2 billed before the merger under a number of V-1's is its own: on another job surely, on other codes perhaps."""
    merged.only = ["projects", "cost_codes", COSTS]
    merged.erp.put(project("25-119"))
    for code in (cost_code("04-2000"), cost_code("03-3000", "25-119")):
        merged.erp.put(code)
    elsewhere, other = line(amount="70.00", code="25-119//03-3000"), line(amount="70.00", code="25-104//04-2000")
    merged.erp.put(direct_cost("JC-8", vendor="V-2", invoice_number="N-1", project="25-119", lines=(elsewhere,)))
    merged.erp.put(direct_cost("JC-9", vendor="V-2", invoice_number="N-1", lines=(other,)))
    sync = merged.run()
    assert told(merged, sync, COSTS, "JC-8")[0] == "linked"
    state, rule, message = told(merged, sync, COSTS, "JC-9")
    assert (state, rule) == ("held", "D-02"), message
    assert "JC-9" in message and "invoice N-1 of commitment SC-1" in message and "merged" in message
    merged.erp.change(COSTS, "JC-9", commitment="SC-1")
    assert told(merged, merged.run(), COSTS, "JC-9")[0] == "skipped"


def test_a_cost_that_people_entered_for_the_old_company_is_proposed(merged: World) -> None:
    merged.erp.put(direct_cost("JC-9", vendor="V-2"))
    in_procore(merged, direct_cost("JC-9", vendor="V-1"), origin_id=None)
    assert told(merged, merged.run(), COSTS, "JC-9")[:2] == ("held", "2.9")
    assert merged.writes() == 0


def test_an_unreadable_cost_of_the_old_company_may_be_the_survivors(merged: World) -> None:
    merged.erp.put(direct_cost("JC-9", vendor="V-2"))
    made = in_procore(merged, direct_cost("JC-9", vendor="V-1"), origin_id=None)
    merged.procore.garbled[COSTS, made.id] = "cost_date"
    assert told(merged, merged.run(), COSTS, "JC-9")[:2] == ("held", "R-06")
    assert merged.writes() == 0


def test_an_unreadable_invoice_of_the_old_key_may_be_the_survivors(merged: World) -> None:
    there = merged.erp.put(invoice(3, company="01", status="unposted"))
    merged.erp.garbled[INVOICES, there.id] = "billing_date"
    third(merged, vendor="V-2")
    assert told(merged, merged.run(), INVOICES, "N-3")[:2] == ("held", "R-06")
    assert merged.writes() == 0


# -- the companies are merged in Procore as well --


def test_both_ends_agree_once_the_companies_are_merged_as_well(merged: World) -> None:
    merge_in_procore(merged)
    sync = quiet(merged)
    state, rule, message = told(merged, sync, VENDORS, "V-1")
    assert (state, rule, "ended on both sides" in message) == ("skipped", None, True)
    assert [link.erp_key for link in merged.ledger.links.of(VENDORS)] == ["V-2"]
    quiet(merged)
    third(merged, vendor="V-2")
    draft(merged, "SC-2", vendor="V-2")
    merged.erp.put(direct_cost("JC-9", vendor="V-1"))
    merged.run()
    assert merged.erp.get(INVOICES, number="N-3").vendor == "V-2"  # type: ignore[attr-defined]
    quiet(merged)


def test_companies_that_were_merged_on_both_ends_in_one_day(two: World) -> None:
    merge_in_procore(two)
    merge(two)
    quiet(two)
    quiet(two)


def test_a_merged_vendor_is_not_made_anew(merged: World) -> None:
    merge_in_procore(merged)
    merged.run()
    merged.erp.change(VENDORS, "V-1", active=True)
    state, _, message = told(merged, merged.run(), VENDORS, "V-1")
    assert state == "skipped" and "merged into V-2" in message and merged.writes() == 0


def test_a_company_that_is_gone_though_the_erp_merged_nothing_is_no_agreement(two: World) -> None:
    merge_in_procore(two)
    assert told(two, two.run(), VENDORS, "V-1")[:2] == ("conflict", "R-02")


# -- a survivor that Procore does not have (yet) --


def test_a_new_key_takes_the_place_of_the_old_one(full: World) -> None:
    """A vendor is given another key: the ERP makes a new one, and merges the old one into it."""
    full.only = MOVED
    full.erp.put(vendor("V-2"))
    merge(full)
    full.run()
    third(full, vendor="V-2")
    full.run()
    assert full.erp.get(INVOICES, number="N-3").vendor == "V-2"  # type: ignore[attr-defined]
    quiet(full, OLD)


def test_a_survivor_without_a_company_is_known_by_the_old_one(full: World) -> None:
    full.only = MOVED
    full.erp.put(vendor("V-2", name="V" * 3, code=None))  # it cannot be sent: it has no code
    merge(full)
    third(full, vendor="V-1")
    full.erp.put(direct_cost("JC-9", vendor="V-2"))
    full.run()
    assert full.erp.get(INVOICES, number="N-3").vendor == "V-2"  # type: ignore[attr-defined]
    (made,) = [r for r in full.procore.records[COSTS] if r.origin_id == "sandbox:01:direct_costs:JC-9"]
    assert made.vendor == company(full, "V-1")  # type: ignore[attr-defined]
    quiet(full, OLD, (VENDORS, "V-2"))


def test_documents_of_a_company_that_may_be_the_survivor_wait_for_it(full: World) -> None:
    full.only = MOVED
    full.erp.put(vendor("V-2", tax_id="89-1"))
    stranger = full.procore.put(vendor("V-9", company=None, id="4711", code=None, tax_id="89-1"))
    merge(full)
    for entity in ("commitments", INVOICES):
        for record in list(full.procore.records[entity]):
            full.procore.put(record.model_copy(update={"vendor": stranger.id}))
    sync = full.run()
    assert told(full, sync, VENDORS, "V-2")[:2] == ("held", "2.9")
    assert told(full, sync, "commitments", "SC-1")[:2] == ("held", "M-02")
    assert told(full, sync, INVOICES, "N-1")[:2] == ("held", "R-08"), "that is no other vendor yet"


def test_two_vendors_of_one_tax_id_are_settled_by_their_merger(linked: World) -> None:
    for key in ("V-7", "V-8"):
        linked.erp.put(vendor(key, tax_id="89-7"))
    sync = linked.run()
    assert {told(linked, sync, VENDORS, key)[1] for key in ("V-7", "V-8")} == {"V-02"}
    merge(linked, "V-7", "V-8")
    sync = linked.run()
    assert told(linked, sync, VENDORS, "V-8")[:2] == ("linked", None) and told(linked, sync, VENDORS, "V-7")[0] == "skipped"
    quiet(linked)


# -- policies --


def test_a_policy_of_the_old_vendor_is_the_survivors(merged: World) -> None:
    merged.erp.put(insurance("P-1", provider="Another"))
    merged.run()
    quiet(merged, OLD)
    merge_in_procore(merged)
    quiet(merged)
    merged.erp.put(insurance("P-1", provider="A third"))
    merged.run()
    (policy,) = merged.procore.records["vendor_insurances"]
    assert (policy.provider, policy.vendor) == ("A third", company(merged, "V-2"))  # type: ignore[attr-defined]


# -- chains and circles --


def test_the_last_of_a_chain_survives(merged: World) -> None:
    merged.erp.put(vendor("V-3"))
    merge(merged, "V-2", "V-3")
    sync = merged.run()
    assert "merged into V-3" in told(merged, sync, VENDORS, "V-1")[2]
    third(merged, vendor="V-1")
    draft(merged, "SC-2", vendor="V-2")
    merged.run()
    assert {r.vendor for r in (merged.erp.get(INVOICES, number="N-3"), merged.erp.get("commitments", id="SC-2"))} == {"V-3"}  # type: ignore[attr-defined]
    quiet(merged, OLD, (VENDORS, "V-2"))
    merge_in_procore(merged, "V-1", "V-3")
    merge_in_procore(merged, "V-2", "V-3")
    quiet(merged)


def test_mergers_in_a_circle_are_told_and_take_no_new_commitment(merged: World) -> None:
    merge(merged, "V-2", "V-1")
    draft(merged, "SC-2", vendor="V-2")
    sync = merged.run()
    for key in ("V-1", "V-2"):
        state, rule, message = told(merged, sync, VENDORS, key)
        assert (state, rule) == ("conflict", "V-03") and "which key stands" in message
    state, rule, message = told(merged, sync, "commitments", "SC-2")
    assert (state, rule) == ("held", "M-02") and "without an end" in message
    assert merged.writes() == 0 and reconcile(sync).balanced


@pytest.mark.parametrize(
    ("vendors", "company", "key", "stands"),
    [
        ([], "01", "A", "A"),
        ([("G1", "A", "B"), ("G1", "B", None)], "G1", "A", "B"),
        ([("G1", "A", "B"), ("G1", "B", None)], "01", "A", "B"),  # a document of a company names a vendor of the group
        ([("G1", "A", "B"), ("G1", "B", None)], "01", "B", "B"),
        ([("G1", "A", "B"), ("G1", "B", "C"), ("G1", "C", None)], "01", "A", "C"),
        ([("G1", "A", "B"), ("G1", "B", "A")], "01", "A", "A"),
        ([("G1", "A", "A")], "01", "A", "A"),
        ([("G1", "X", "A"), ("G1", "A", "B"), ("G1", "B", "A")], "01", "X", "X"),
        ([("G1", "A", "B"), ("G1", "B", None), ("G2", "A", None)], "G1", "A", "B"),  # two groups number for themselves
        ([("G1", "A", "B"), ("G1", "B", None), ("G2", "A", None)], "G2", "A", "A"),
        ([("G1", "A", "B"), ("G1", "B", None), ("G2", "A", None)], "01", "A", "A"),  # and a stranger's key is nobody's
        ([("G1", "A", "B")], "01", "A", "B"),  # the survivor itself was not read
    ],
)
def test_the_key_that_stands(vendors: list[Any], company: str, key: str, stands: str) -> None:
    assert Mergers(vendors).key(company, key) == stands


def test_nothing_passes_through_where_nothing_was_merged() -> None:
    none, record = Mergers([("G1", "A", None)]), direct_cost()
    bad = Invalid(COSTS, "1", "JC-1", "amount", "is no number", None, company="01", shown={"vendor": "A"})
    agreed = {"vendor": "A"}
    assert not none
    assert none.record(record) is record and none.unreadable(bad) is bad and none.content(COSTS, "01", agreed) is agreed


def test_what_a_person_accepted_of_an_other_side_is_translated_too() -> None:
    mergers = Mergers([("G1", "A", "B"), ("G1", "B", None)])
    found = mergers.content("commitments", "01", {"vendor": "B", "title": "x", "other": {"vendor": "A"}})
    assert found == {"vendor": "B", "title": "x", "other": {"vendor": "B"}}


def test_an_unreadable_vendor_still_says_into_whom_it_was_merged(two: World) -> None:
    merge(two)
    two.erp.garbled[VENDORS, "V-1"] = "name"
    third(two, vendor="V-1")
    two.run()
    assert two.erp.get(INVOICES, number="N-3").vendor == "V-2"  # type: ignore[attr-defined]
