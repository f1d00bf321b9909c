"""Documents of every kind between both systems: what is sent, what waits for what, and what is never written again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials import report
from include.financials.advice import Filled
from include.financials.entities import ENTITIES
from include.financials.reconciliation import reconcile
from include.financials.view import Sync
from tests.unit.financials.pair import (
    DOCUMENTS,
    FIRST,
    FROZEN,
    LINKED,
    ONLY,
    PRIME_LINE,
    SECOND,
    World,
    adjustment,
    budget_change,
    change,
    change_line,
    cost_code,
    customer,
    direct_cost,
    draft,
    family,
    in_procore,
    invoice,
    item,
    line,
    make_settings,
    owner_invoice,
    payment,
    plant,
    prime_change,
    prime_contract,
    procore_id,
    project,
    receipt,
    vendor,
)

COSTS, CHANGES, INVOICES, PAYMENTS = "direct_costs", "commitment_change_orders", "subcontractor_invoices", "payments_issued"
PRIMES, PRIME_CHANGES, OWNER_INVOICES, RECEIPTS = "prime_contracts", "prime_change_orders", "owner_invoices", "payments_received"
CREATED, UNCHANGED = ("created", ""), ("unchanged", "")
BILLING = ("commitments", CHANGES, INVOICES)


def go(world: World, *entities: str, **params: Any) -> Sync:
    return world.run(params={"entities": list(entities), **params})


def states(world: World, *entities: str, **params: Any) -> dict[str, tuple[str, str]]:
    """States by number of the last of ``entities`` after a run of all of them."""
    return world.states(go(world, *entities, **params), entities[-1])


def said(world: World, entity: str, number: str) -> str:
    rows = world.ledger.outcomes.of(f"run-{world.runs}", entity)
    return " ".join(row.message or "" for row in rows if row.number == number)


def warned(world: World, entity: str, number: str) -> str:
    rows = world.ledger.outcomes.of(f"run-{world.runs}", entity)
    return " ".join(row.warnings or "" for row in rows if row.number == number)


def n(sequence: int) -> str:
    """Procore id of the draft of an invoice that :func:`draw` made."""
    return procore_id(INVOICES, f"V-1/N-{sequence}")


def draw(world: World, sequence: int, work: str = "10.00", done: str = "0.00", **changes: Any) -> Any:
    """A draw on SC-1: ``work`` on its first line after ``done``, a tenth retained."""
    rows = (item("L1", work, f"{Decimal(work) / 10:.2f}", previous=done, retainage_previous=f"{Decimal(done) / 10:.2f}"),)
    previous = {"previous": n(sequence - 1)} if sequence > 1 else {}
    return in_procore(world, invoice(sequence, **({"items": rows} | previous | changes)))


def later(world: World, *entities: str) -> None:
    """The watermarks move on, far beyond the overlap: what was read so far lies outside the next windows."""
    for _ in range(1000):
        world.clock.tick()
    report.move_watermarks(world.sync(params={"entities": list(entities)}), list(entities))


# -- every entity --


def test_every_entity_is_created_and_a_second_run_writes_nothing(full: World) -> None:
    assert {name for name in ENTITIES if full.ledger.links.of(name)} == set(LINKED)
    assert {link.status for name in ENTITIES for link in full.ledger.links.of(name)} == {"active"}
    sync = full.run()
    assert set(full.counts(sync)) == {"unchanged"} and full.writes() == 0
    assert set(sync.run.entities) == set(LINKED)
    assert reconcile(sync).balanced


def test_both_sides_hold_the_same_after_a_run(full: World) -> None:
    for name in LINKED:
        row = ENTITIES[name]
        erp, procore = full.erp.records[name], full.procore.records[name]
        assert len(erp) == len(procore) > 0, name
        if row.external_id:
            assert {r.origin_id for r in procore} == {f"sandbox:{r.company}:{name}:{r.id}" for r in erp}, name
        if row.source == "procore" or row.two_way:
            made = [r for r in erp if r.marker]
            assert {r.marker for r in made} <= {f"procore:8089:{name}:{r.id}" for r in procore} and made, name


def test_an_empty_ledger_adopts_every_entity_without_a_write(full: World, tmp_path: Path) -> None:
    world = full.without_ledger(tmp_path / "again")
    sync = world.run()
    assert set(world.counts(sync)) == {"adopted"} and world.writes() == 0
    assert reconcile(sync).balanced
    assert {name: len(world.ledger.links.of(name)) for name in ENTITIES} == {
        name: len(full.ledger.links.of(name)) for name in ENTITIES
    }
    sync = world.run()
    assert set(world.counts(sync)) == {"unchanged"} and world.writes() == 0
    world.close()


def test_a_plan_says_of_every_entity_what_apply_does(ready: World, tmp_path: Path) -> None:
    plant(ready, *DOCUMENTS)
    twin = ready.fork(tmp_path / "twin")
    plan, apply = ready.run(params={"mode": "plan"}), twin.run()
    assert ready.writes() == 0 < twin.writes()
    for name in ENTITIES:
        assert ready.states(plan, name) == twin.states(apply, name), name
        keys = ("number", "action", "rule", "waits_for", "message", "warnings", "amount", "content_hash")
        shown = [
            [{k: getattr(row, k) for k in keys} for row in w.ledger.outcomes.of(s.run.run_id, name)]
            for w, s in ((ready, plan), (twin, apply))
        ]
        assert shown[0] == shown[1], name
    assert reconcile(plan).balanced
    assert ready.counts(ready.run()) == twin.counts(apply), "a plan leaves nothing behind"
    twin.close()


CHANGED: dict[str, dict[str, Any]] = {
    "vendors": {"name": "Another"},
    "vendor_insurances": {"provider": "Another"},
    "customers": {"name": "Another"},
    "users": {"job_title": "Another"},
    "projects": {"name": "Another"},
    "sub_jobs": {"name": "Another"},
    "tax_codes": {"description": "Another"},
    "cost_codes": {"name": "Another"},
    "commitments": {"title": "Another"},
    "prime_contracts": {"title": "Another"},
}
"""A change of the source that is written to the target. Cost types have no content that could change alone."""


@pytest.mark.parametrize("entity", CHANGED)
def test_a_change_of_the_source_is_written_once(full: World, entity: str) -> None:
    row = ENTITIES[entity]
    source, target = (full.erp, full.procore) if row.source == "erp" else (full.procore, full.erp)
    number = source.records[entity][0].number
    changed = source.put(source.records[entity][0].model_copy(update=CHANGED[entity]))
    sync = go(full, entity)
    rows = [r for r in full.ledger.outcomes.of(sync.run.run_id, entity) if r.id == changed.id]
    assert [(r.state, r.action, r.done) for r in rows] == [("linked", "update", True)]
    ((name, value),) = CHANGED[entity].items()
    assert value in [getattr(r, name) for r in target.all(entity, number=number)]
    writes = full.writes()
    assert set(full.counts(go(full, entity))) == {"unchanged"} and full.writes() == writes
    if entity == "projects":
        assert full.procore.shown(full.procore.get("budgets", number="25-104")).owner == "erp"  # type: ignore[attr-defined]


def test_every_document_has_a_case() -> None:
    assert {name for name, row in ENTITIES.items() if row.frozen and row.document} == set(FROZEN)
    assert {name for name in LINKED if not ENTITIES[name].immutable} - {"cost_types", "budgets"} == set(CHANGED)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("entity", FROZEN)
def test_what_may_not_change_is_a_conflict_on_either_side_and_is_never_written(full: World, entity: str, side: str) -> None:
    row = ENTITIES[entity]
    systems: dict[str, Any] = {"erp": full.erp, "procore": full.procore}
    memory = systems[row.source if side == "source" else row.target]
    memory.put(memory.records[entity][0].model_copy(update=FROZEN[entity]))
    sync = go(full, entity)
    found = [r for r in full.ledger.outcomes.of(sync.run.run_id, entity) if r.state == "conflict"]
    if (entity, side) == ("commitments", "target"):
        assert found == [], "the ERP's own vendor change is no drift of Procore's (M-14)"
    else:
        rule = "M-14" if entity == "commitments" else "R-04"
        assert [(r.rule, r.action) for r in found] == [(rule, "none")]
        facts = {"row": f"{found[0].side}|{found[0].company}|{found[0].id}", "entity": entity, "number": found[0].number}
        assert ENTITIES[entity].instead.format_map(Filled(facts)) in (found[0].message or "")
    assert full.writes() == 0


def test_a_lock_of_the_other_side_is_told_with_what_to_do_instead(linked: World) -> None:
    assert all(row.instead for row in ENTITIES.values())
    own = draft(linked, "SC-1")
    linked.run(reconciled=False, params=ONLY)
    linked.procore.change("commitments", "SC-1", title="Another")
    linked.erp.locked.add("SC-1")
    sync = linked.run(reconciled=False, params=ONLY)
    (found,) = linked.ledger.outcomes.of(sync.run.run_id, "commitments")
    assert (found.state, found.rule) == ("blocked", "refused")
    assert found.message == (
        "Commitment SC-1 was refused by the ERP: the record is locked. Put it back and issue a change order, or end the link: "
        f"decide unlink commitments SC-1 --id {own.id}."
    )


@pytest.mark.parametrize("entity", LINKED)
def test_a_plan_of_one_entity_says_what_a_run_of_it_would(full: World, entity: str) -> None:
    """What its records refer to is known from earlier runs."""
    planned, applied = [full.states(go(full, entity, mode=mode), entity) for mode in ("plan", "apply")]
    assert planned == applied and {count for count, _ in applied.values()} == {"unchanged"}


@pytest.mark.parametrize("entity", [name for name, row in ENTITIES.items() if row.document])
def test_a_document_that_the_target_lost_is_a_conflict_and_not_made_again(full: World, entity: str) -> None:
    target = full.procore if ENTITIES[entity].target == "procore" else full.erp
    target.records[entity].clear()
    sync = go(full, entity)
    rows = full.ledger.outcomes.of(sync.run.run_id, entity)
    assert rows and {(r.state, r.rule) for r in rows} == {("conflict", "R-02")} and full.writes() == 0
    assert reconcile(sync).balanced


BORN_THERE = [name for name, row in ENTITIES.items() if row.document and row.external_id and row.source == "procore"]


@pytest.mark.parametrize("entity", BORN_THERE)
def test_a_document_that_another_integration_owns_is_left_alone(ready: World, entity: str) -> None:
    planted = [name for name in DOCUMENTS if name in family(entity) and ENTITIES[name].stage <= ENTITIES[entity].stage]
    plant(ready, *planted)
    for record in list(ready.procore.records[entity]):
        ready.procore.put(record.model_copy(update={"origin_id": f"vista:1:{entity}:{record.id}"}))
    found = ready.run(of=family(entity))
    assert set(ready.states(found, entity).values()) == {("conflicts", "R-01")}
    assert not ready.erp.records[entity]


# -- direct costs --


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CREATED),
        ({"commitment": "SC-1"}, ("skipped", "")),
        ({"status": "unposted"}, ("skipped", "")),
        ({"status": "void"}, ("skipped", "")),
        ({"vendor": "V-9"}, ("held", "D-03")),
        ({"vendor": None}, ("held", "D-03")),
        ({"vendor": None, "kind": "payroll"}, CREATED),
        ({"lines": (line(code="25-104//09-9999", amount="70.00"),)}, ("held", "D-03")),
        ({"lines": (line(kind="9", amount="70.00"),)}, ("held", "D-03")),
        ({"amount": Decimal("70.01")}, ("quarantined", "D-04")),
        ({"lines": (line(amount="-70.00"),), "reverses": "JC-1"}, CREATED),
        ({"cost_date": None}, ("quarantined", "D-01")),
    ],
)
def test_a_transaction_is_a_direct_cost_or_not(ready: World, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    ready.erp.put(direct_cost("JC-2", **changes))
    assert states(ready, COSTS)["JC-2"] == expected


def test_cost_that_an_invoice_has_billed_is_not_sent_again(full: World) -> None:
    """The same vendor and number, without a reference to the commitment (D-02); another vendor's number is another document."""
    full.erp.put(vendor("V-2"))
    full.erp.put(direct_cost("JC-2", invoice_number="N-1"))
    full.erp.put(direct_cost("JC-3", invoice_number="N-1", vendor="V-2"))
    assert states(full, "vendors", COSTS) == {"JC-1": UNCHANGED, "JC-2": ("skipped", ""), "JC-3": CREATED}
    assert "cost of commitment SC-1 (invoice N-1)" in said(full, COSTS, "JC-2")


def test_cost_of_a_void_invoice_is_sent(full: World) -> None:
    full.erp.change(INVOICES, "N-2", status="void")
    full.erp.put(direct_cost("JC-2", invoice_number="N-2"))
    assert states(full, COSTS)["JC-2"] == CREATED


def test_a_posted_cost_that_is_voided_is_a_conflict_and_its_reversal_a_new_record(full: World) -> None:
    full.erp.change(COSTS, "JC-1", status="void")
    assert states(full, COSTS) == {"JC-1": ("conflicts", "D-05")}
    full.erp.change(COSTS, "JC-1", status="posted")
    full.erp.put(direct_cost("JC-2", lines=(line(1, "-70.00"), line(2, "5.00")), reverses="JC-1"))
    sync = go(full, COSTS)
    assert full.states(sync, COSTS) == {"JC-1": UNCHANGED, "JC-2": CREATED}
    assert sum(r.amount for r in full.procore.records[COSTS]) == 0  # type: ignore[attr-defined]
    assert reconcile(sync).balanced


def test_a_transaction_that_is_posted_later_is_sent_then(ready: World) -> None:
    ready.erp.put(direct_cost("JC-2", status="unposted"))
    assert states(ready, COSTS)["JC-2"] == ("skipped", "")
    ready.erp.change(COSTS, "JC-2", status="posted")
    assert states(ready, COSTS)["JC-2"] == CREATED


# -- budget changes --


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CREATED),
        ({"status": "draft"}, ("skipped", "")),
        ({"lines": ()}, ("quarantined", "B-04")),
        ({"lines": (adjustment(1, "-20.00"), adjustment(2, "19.99"))}, ("quarantined", "B-04")),
        ({"lines": (adjustment(1, "-20.00", 1), adjustment(2, "20.00", 2))}, ("quarantined", "B-04")),
        (
            {"lines": (adjustment(1, "-5.00"), adjustment(2, "5.00"), adjustment(3, "7.00", 2), adjustment(4, "-7.00", 2))},
            CREATED,
        ),
        ({"lines": (adjustment(1, "-5.00", code="25-104//03"), adjustment(2, "5.00"))}, ("quarantined", "M-06")),
    ],
)  # fmt: skip
def test_a_budget_change_is_sent_or_not(ready: World, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    in_procore(ready, budget_change(**changes))
    assert states(ready, "budget_changes") == {"25-104/1": expected}


def test_a_budget_change_waits_for_its_budget(ready: World) -> None:
    ready.erp.put(project("25-106"))
    ready.erp.put(cost_code("03-3000", "25-106"))
    ready.run(of=["projects", "cost_codes"])
    in_procore(ready, budget_change(job="25-106"))
    assert states(ready, "budget_changes") == {"25-106/1": ("held", "B-04")}


# -- commitment change orders --


def test_a_change_order_of_a_commitment_of_the_same_run(ready: World) -> None:
    plant(ready, "commitments", CHANGES)
    sync = go(ready, "commitments", CHANGES)
    assert (ready.states(sync, "commitments"), ready.states(sync, CHANGES)) == ({"SC-1": CREATED}, {"SC-1/001": CREATED})
    made: Any = ready.erp.get(CHANGES, id="SC-1/001")
    assert [(one.line, str(one.amount)) for one in made.lines] == [(1, "10.00"), (None, "5.00")]


def test_a_change_order_waits_for_a_commitment_that_was_stopped(ready: World) -> None:
    draft(ready, title=None)
    in_procore(ready, change())
    sync = go(ready, "commitments", CHANGES)
    assert ready.states(sync, CHANGES) == {"SC-1/001": ("held", "O-01")}
    assert said(ready, CHANGES, "SC-1/001") == "Change order SC-1/001 waits for SC-1, which is not linked."
    assert reconcile(sync).balanced
    ready.procore.change("commitments", "SC-1", title="Steel")
    assert states(ready, "commitments", CHANGES) == {"SC-1/001": CREATED}


def test_nothing_new_is_sent_on_a_contract_in_conflict_or_closed(full: World) -> None:
    in_procore(full, change("002"))
    full.procore.change("commitments", "SC-1", retainage_percent=Decimal(5))
    assert states(full, "commitments", CHANGES) == {"SC-1/001": UNCHANGED, "SC-1/002": ("held", "O-01")}
    assert "is in conflict" in said(full, CHANGES, "SC-1/002")
    full.procore.change("commitments", "SC-1", retainage_percent=None)
    full.erp.change("commitments", "SC-1", status="closed")
    assert states(full, "commitments", CHANGES)["SC-1/002"] == ("held", "O-01")
    full.erp.change("commitments", "SC-1", status="open")
    assert states(full, "commitments", CHANGES)["SC-1/002"] == CREATED


BELOW = [
    # amounts of two change orders on a contract of 115.00 with 60.00 billed, and what becomes of them
    (("-55.00",), [CREATED]),
    (("-55.01",), [("quarantined", "O-04")]),
    (("-30.00", "-25.00"), [CREATED, CREATED]),
    (("-30.00", "-25.01"), [CREATED, ("quarantined", "O-04")]),
    (("20.00", "-60.00"), [CREATED, CREATED]),
]


@pytest.mark.parametrize(("amounts", "expected"), BELOW)
def test_a_contract_is_never_changed_below_what_is_billed(full: World, amounts: tuple[str, ...], expected: list[Any]) -> None:
    for number, amount in enumerate(amounts, start=2):
        in_procore(full, change(f"{number:03}", lines=(change_line(amount=amount),)))
    found = states(full, "commitments", CHANGES)
    assert [found[f"SC-1/{number:03}"] for number in range(2, 2 + len(amounts))] == expected


def test_the_same_holds_of_a_commitment_that_is_created_in_this_run(ready: World) -> None:
    draft(ready)
    in_procore(ready, change("001", lines=(change_line(amount="-60.00"),)))
    in_procore(ready, change("002", lines=(change_line(amount="-40.01"),)))
    assert states(ready, "commitments", CHANGES) == {"SC-1/001": CREATED, "SC-1/002": ("quarantined", "O-04")}


@pytest.mark.parametrize("changes", [{"status": "pending"}, {"deleted": True}])
def test_a_change_order_that_goes_back_is_a_conflict(full: World, changes: dict[str, Any]) -> None:
    full.procore.change(CHANGES, "SC-1/001", **changes)
    assert states(full, "commitments", CHANGES) == {"SC-1/001": ("conflicts", "O-02")}
    assert full.writes() == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "pending"}, ("skipped", "")),
        ({"deleted": True}, ("skipped", "")),
        ({"amount": Decimal("10.01")}, ("quarantined", "O-03")),
        ({"lines": (change_line(1, "5.00"), change_line(2, "-5.00"))}, CREATED),
        ({"lines": (change_line(1), change_line(1))}, ("quarantined", "M-04")),
        ({"lines": (change_line(cost_code=None),)}, ("quarantined", "M-04")),
        ({"lines": (change_line(cost_type="9"),)}, ("held", "M-08")),
        ({"currency": "CAD"}, ("quarantined", "R-03")),
    ],
)
def test_a_change_order_is_sent_or_not(full: World, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    in_procore(full, change("002", **changes))
    assert states(full, "commitments", CHANGES)["SC-1/002"] == expected


# -- invoices --


def test_invoices_of_one_run_follow_their_sequence(ready: World) -> None:
    draft(ready)
    draw(ready, 3, "5.00", "30.00")
    draw(ready, 1)
    draw(ready, 2, "20.00", "10.00")
    assert states(ready, *BILLING) == {f"N-{k}": CREATED for k in (1, 2, 3)}
    assert [r.number for r in ready.erp.records[INVOICES]] == ["N-1", "N-2", "N-3"], "the order in which they were written"


def test_an_invoice_waits_for_one_before_it_that_was_stopped(ready: World) -> None:
    draft(ready)
    draw(ready, 1, billing_date=None)
    draw(ready, 2, "20.00", "10.00")
    draw(ready, 3, "5.00", "30.00")
    assert states(ready, *BILLING) == {"N-1": ("quarantined", "I-05"), "N-2": ("held", "I-03"), "N-3": ("held", "I-03")}
    ready.procore.change(INVOICES, "N-1", billing_date=date(2026, 9, 25))
    assert set(states(ready, *BILLING).values()) == {CREATED}


def test_an_invoice_waits_for_one_before_it_that_is_not_approved_yet(ready: World) -> None:
    draft(ready)
    draw(ready, 1, status="under_review")
    draw(ready, 2, "20.00", "10.00")
    assert states(ready, *BILLING) == {"N-1": ("skipped", ""), "N-2": ("held", "I-03")}


def test_an_invoice_that_bills_nothing_is_skipped_and_stops_nobody(ready: World) -> None:
    draft(ready)
    draw(ready, 1, "0.00")
    draw(ready, 2, "20.00", "0.00")
    assert states(ready, *BILLING) == {"N-1": ("skipped", ""), "N-2": CREATED}


def test_one_that_the_erp_refuses_holds_back_those_after_it(ready: World) -> None:
    draft(ready)
    draw(ready, 1)
    draw(ready, 2, "20.00", "10.00")
    draw(ready, 3, "5.00", "30.00")
    ready.erp.refuse["N-1"] = "PERIOD_CLOSED"
    assert states(ready, *BILLING) == {"N-1": ("quarantined", "refused"), "N-2": ("held", "I-03"), "N-3": ("held", "I-03")}
    assert ready.erp.records[INVOICES] == []
    ready.erp.refuse.clear()
    assert set(states(ready, *BILLING).values()) == {CREATED}
    assert [r.number for r in ready.erp.records[INVOICES]] == ["N-1", "N-2", "N-3"]


def test_a_later_try_of_the_run_does_not_overtake_either(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first invoice was refused, and the task died before the second was told to wait."""
    from include.financials.writing import engine, steps

    draft(ready)
    draw(ready, 1)
    draw(ready, 2, "20.00", "10.00")
    go(ready, "commitments", CHANGES)
    ready.erp.refuse["N-1"] = "PERIOD_CLOSED"
    with monkeypatch.context() as dying:
        dying.setattr(steps, "in_turn", _die)
        with pytest.raises(KeyboardInterrupt):
            ready.run("the-run", params={"entities": [INVOICES]})
    again = ready.sync("the-run")
    engine.load(again, INVOICES)
    assert ready.erp.records[INVOICES] == []
    assert ready.states(again, INVOICES) == {"N-1": ("quarantined", "refused"), "N-2": ("held", "I-03")}


def _die(load: Any, job: Any, **_: Any) -> bool:
    if load.stopped:
        raise KeyboardInterrupt
    return True


def test_movements_are_counted_from_an_invoice_outside_the_window(ready: World) -> None:
    """The one before is remembered, not read: its stored materials, its change order's, and its retainage."""
    plant(ready, "commitments", CHANGES)
    in_procore(ready, invoice(1, items=FIRST))
    go(ready, *BILLING)
    later(ready, *BILLING)
    before = ready.procore.calls.count("read_ids subcontractor_invoices")
    in_procore(ready, invoice(2, items=SECOND, before=FIRST, previous=n(1)))
    assert states(ready, *BILLING) == {"N-2": CREATED}
    assert ready.procore.calls.count("read_ids subcontractor_invoices") == before
    made: Any = ready.erp.get(INVOICES, number="N-2")
    lines = {(one.change_order, one.line): (str(one.amount), str(one.held), str(one.released)) for one in made.lines}
    assert lines == {(None, 1): ("10.00", "1.00", "1.00"), ("001", 1): ("6.00", "0.60", "0.00")}


def test_stored_materials_of_a_change_order_outside_the_window_are_taken_off(ready: World) -> None:
    plant(ready, "commitments", CHANGES)
    first = (item("C1", stored="8.00", retainage_stored="0.80", change_order="SC-1/001"),)
    second = (item("C1", "8.00", "0.80", change_order="SC-1/001"),)
    in_procore(ready, invoice(1, items=first))
    go(ready, *BILLING)
    later(ready, *BILLING)
    in_procore(ready, invoice(2, items=second, before=first, previous=n(1)))
    # Nothing moves: what was stored is built in, and so is its retainage.
    assert states(ready, *BILLING) == {"N-2": ("skipped", "")}


def test_a_retainage_invoice_bills_nothing_and_is_sent(ready: World) -> None:
    draft(ready)
    draw(ready, 1, "100.00")
    rows = (item("L1", previous="100.00", retainage_previous="10.00", released="10.00"),)
    in_procore(ready, invoice(2, items=rows, before=(item("L1", "100.00", "10.00"),), previous=n(1)))
    assert states(ready, *BILLING) == {"N-1": CREATED, "N-2": CREATED}
    made: Any = ready.erp.get(INVOICES, number="N-2")
    assert (made.amount, made.held, made.released, made.due) == (0, 0, Decimal("10.00"), Decimal("10.00"))


def test_a_release_beyond_what_is_held_is_stopped(ready: World) -> None:
    draft(ready)
    rows = (item("L1", "10.00", "1.00", released="1.01"),)
    in_procore(ready, invoice(1, items=rows))
    assert states(ready, *BILLING) == {"N-1": ("quarantined", "I-08")}


def test_a_number_that_the_vendor_used_on_another_job_is_a_duplicate(full: World) -> None:
    full.erp.put(full.erp.get(INVOICES, number="N-1").model_copy(update={"id": "V-1/N-3", "number": "N-3", "marker": None,
                 "project": "25-105", "commitment": "XX-1"}))  # fmt: skip
    draw(full, 3, "1.00", "45.00")
    assert states(full, *BILLING)["N-3"] == ("quarantined", "I-04")
    assert "job 25-105" in said(full, INVOICES, "N-3")


def test_a_number_that_a_vendor_uses_twice_in_procore_stops_both(full: World) -> None:
    draft(full, "SC-2")
    in_procore(full, invoice(1, "SC-2", number="N-9"))
    twin = in_procore(full, invoice(1, "SC-2", number="N-9"), id="4711")
    full.procore.put(twin.model_copy(update={"sequence": 2}))
    assert states(full, *BILLING)["N-9"] == ("quarantined", "I-04")
    assert [r for r in full.erp.records[INVOICES] if r.number == "N-9"] == []


@pytest.mark.parametrize(
    ("policy", "day", "expected", "posting"),
    [
        ("hold", date(2026, 7, 1), CREATED, date(2026, 7, 1)),
        ("hold", date(2026, 6, 30), ("held", "I-05"), None),
        ("hold", date(2026, 10, 1), ("held", "I-05"), None),
        ("hold", date(2025, 1, 1), ("held", "I-05"), None),
        ("next_open", date(2026, 6, 30), CREATED, date(2026, 7, 1)),
        ("next_open", date(2026, 8, 3), CREATED, date(2026, 8, 3)),
        ("next_open", date(2026, 10, 1), ("held", "I-05"), None),
        ("reject", date(2026, 6, 30), ("quarantined", "I-05"), None),
        ("reject", date(2026, 7, 1), CREATED, date(2026, 7, 1)),
    ],
)
def test_the_posting_date_follows_the_policy(ready: World, policy: Any, day: date, expected: Any, posting: date | None) -> None:
    ready.settings = make_settings(posting_policy=policy)
    draft(ready)
    draw(ready, 1, billing_date=day)
    assert states(ready, *BILLING) == {"N-1": expected}
    if posting is not None:
        made: Any = ready.erp.get(INVOICES, number="N-1")
        assert (made.billing_date, made.posting_date) == (day, posting)
    else:
        assert ready.erp.records[INVOICES] == []


def test_an_erp_with_one_calendar_has_that_of_its_general_ledger(ready: World) -> None:
    ready.erp.records["periods"] = [
        one.model_copy(update={"module": "GL"}) for one in ready.erp.records["periods"] if getattr(one, "module", "") == "AP"
    ]
    draft(ready)
    draw(ready, 1, billing_date=date(2026, 6, 30))
    assert states(ready, *BILLING) == {"N-1": ("held", "I-05")}
    draw(ready, 1, billing_date=date(2026, 7, 1))
    assert states(ready, *BILLING) == {"N-1": CREATED}


def test_a_period_that_is_reopened_lets_its_invoice_through(ready: World) -> None:
    draft(ready)
    draw(ready, 1, billing_date=date(2026, 6, 30))
    assert states(ready, *BILLING) == {"N-1": ("held", "I-05")}
    later(ready, *BILLING)
    for at, one in enumerate(ready.erp.records["periods"]):
        if one.id == "01/AP/2026-06":
            ready.erp.records["periods"][at] = one.model_copy(update={"status": "open"})
    assert states(ready, *BILLING) == {"N-1": CREATED}


@pytest.mark.parametrize(("hold", "held"), [("payment", True), ("all", True), ("none", False)])
def test_a_vendor_on_hold_gets_its_invoice_with_a_pay_hold(full: World, hold: str, held: bool) -> None:
    full.erp.change("vendors", "V-1", hold=hold)
    draw(full, 3, "1.00", "45.00", before=SECOND)
    assert states(full, "vendors", *BILLING)["N-3"] == CREATED
    assert full.erp.get(INVOICES, number="N-3").pay_hold is held  # type: ignore[attr-defined]
    assert ("on hold" in warned(full, INVOICES, "N-3")) is held


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "under_review"}, ("skipped", "")),
        ({"status": "approved_as_noted"}, CREATED),
        ({"items": (item("L9", "10.00"),)}, ("quarantined", "I-06")),
        ({"items": (item("L9"), item("L1", "10.00", "1.00", position=2))}, CREATED),
        ({"completed": Decimal("10.01")}, ("quarantined", "I-06")),
        ({"retainage": Decimal("11.00")}, ("quarantined", "I-08")),
        ({"items": (item("L1", "10.00", "1.00", previous="5.00"),)}, ("quarantined", "I-07")),
        ({"billing_date": None}, ("quarantined", "I-05")),
        ({"vendor": "V-9"}, ("held", "M-02")),
        ({"currency": "CAD"}, ("quarantined", "R-03")),
        ({"items": (item("C1", "1.00", change_order="SC-1/001"),)}, ("held", "I-01")),
        ({"items": (item("L1", "10.00", "1.00"), item("C1", change_order="SC-1/001", position=2))}, CREATED),
        ({"items": (item("L1", "-10.00", "-1.00"),)}, CREATED),
    ],
)
def test_an_invoice_is_sent_or_not(ready: World, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    draft(ready)
    draw(ready, 1, **changes)
    assert states(ready, *BILLING) == {"N-1": expected}


@pytest.mark.parametrize("before", [True, False])
def test_an_invoice_that_bills_a_change_order_of_the_same_run_is_not_overbilled(ready: World, before: bool) -> None:
    draft(ready)
    if before:
        go(ready, "commitments")
    in_procore(ready, change(lines=(change_line(amount="50.00"),)))
    draw(ready, 1, items=(item("L1", "100.00"), item("C1", "50.00", change_order="SC-1/001", position=2)))
    assert states(ready, *BILLING) == {"N-1": CREATED}
    assert warned(ready, INVOICES, "N-1") == ""


def test_an_overbilled_invoice_loads_with_a_warning(ready: World) -> None:
    draft(ready)
    draw(ready, 1, "103.00")
    assert states(ready, *BILLING) == {"N-1": CREATED}
    assert "bills SC-1 to 103 %" in warned(ready, INVOICES, "N-1")


def test_an_invoice_without_a_number_of_its_own_is_numbered_by_its_contract(ready: World) -> None:
    """Procore's reader gives it that number already; one that has none but its id gets it here."""
    draft(ready)
    made = draw(ready, 1)
    ready.procore.put(made.model_copy(update={"number": made.id}))
    assert states(ready, *BILLING) == {"SC-1-01": CREATED}


def test_a_breakdown_of_a_subcontractor_is_summed_to_its_line(ready: World) -> None:
    draft(ready)
    draw(ready, 1, items=(item("L1", "10.00", "1.00"), item("L1", "5.00", "0.50", position=2)))
    assert states(ready, *BILLING) == {"N-1": CREATED}
    made: Any = ready.erp.get(INVOICES, number="N-1")
    assert [(one.line, str(one.amount), str(one.held)) for one in made.lines] == [(1, "15.00", "1.50")]


def test_an_invoice_whose_contract_lies_outside_the_window(ready: World) -> None:
    plant(ready, "commitments", CHANGES)
    go(ready, "commitments", CHANGES)
    later(ready, *BILLING)
    in_procore(ready, invoice(1, items=FIRST))
    sync = go(ready, *BILLING)
    assert ready.states(sync, "commitments") == {} and ready.states(sync, INVOICES) == {"N-1": CREATED}


# -- payments --


def test_a_check_over_two_invoices_is_two_payments(full: World) -> None:
    full.erp.put(payment("K-2", "N-1", amount=Decimal("3.60")))
    full.erp.put(payment("K-2", "N-2", amount=Decimal("14.40")))
    sync = go(full, PAYMENTS)
    assert full.states(sync, PAYMENTS) == {"K-1/N-1": UNCHANGED, "K-2/N-1": CREATED, "K-2/N-2": CREATED}
    made = {r.number: r for r in full.procore.records[PAYMENTS]}
    assert {k: (r.invoice, r.origin_id) for k, r in made.items() if k != "K-1/N-1"} == {  # type: ignore[attr-defined]
        "K-2/N-1": (n(1), "sandbox:01:payments_issued:K-2/V-1/N-1"),
        "K-2/N-2": (n(2), "sandbox:01:payments_issued:K-2/V-1/N-2"),
    }
    assert reconcile(sync).balanced


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"invoice": "V-1/N-9", "invoice_number": "N-9"}, ("held", "Y-02")),
        ({"invoice": None, "invoice_number": None}, ("held", "Y-02")),
        ({"commitment": "SC-9"}, ("held", "Y-01")),
        ({"status": "unposted"}, ("skipped", "")),
        ({"status": "void"}, ("skipped", "")),
        ({"amount": Decimal("0.00")}, ("skipped", "")),
        ({"amount": Decimal("-1.00")}, CREATED),
    ],
)
def test_a_payment_is_sent_or_not(full: World, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    full.erp.put(payment("K-2", "N-2", **changes))
    assert states(full, PAYMENTS)["K-2/N-2"] == expected


def test_a_payment_that_is_voided_after_it_was_sent_is_a_conflict_and_its_successor_is_sent(full: World) -> None:
    full.erp.change(PAYMENTS, "K-1/N-1", status="void")
    full.erp.put(payment("K-2", "N-1"))
    sync = go(full, PAYMENTS)
    assert full.states(sync, PAYMENTS) == {"K-1/N-1": ("conflicts", "Y-04"), "K-2/N-1": CREATED}
    assert re.search(
        r"voided in the ERP after it was sent; payment \d+ in Procore must go\. .*cleared, then delete it",
        said(full, PAYMENTS, "K-1/N-1"),
    )
    found = reconcile(sync)
    assert found.balanced and {i.code for d in found.differences if d.tie == "T-16" for i in d.explained} == {"CONFLICT"}


def test_a_payment_waits_for_an_invoice_that_was_stopped(ready: World) -> None:
    draft(ready)
    draw(ready, 1, billing_date=None)
    ready.erp.put(payment())
    sync = go(ready, *BILLING, PAYMENTS)
    assert ready.states(sync, PAYMENTS) == {"K-1/N-1": ("held", "Y-02")}
    assert reconcile(sync).balanced


def test_a_payment_on_a_contract_that_was_stopped_waits_for_it(ready: World) -> None:
    draft(ready, title=None)
    draw(ready, 1)
    ready.erp.put(payment())
    sync = go(ready, *BILLING, PAYMENTS)
    assert ready.states(sync, INVOICES) == {"N-1": ("held", "I-01")}
    assert ready.states(sync, PAYMENTS) == {"K-1/N-1": ("held", "Y-01")}


# -- towards the owner --


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CREATED),
        ({"customer": "C-9"}, ("held", "J-04")),
        ({"customer": None}, ("held", "J-04")),
        ({"status": "closed"}, ("skipped", "")),
        ({"amount": Decimal("900.01")}, ("quarantined", "P-01")),
        ({"lines": (line(amount="900.00", code="25-104//99"),)}, ("held", "D-03")),
    ],
)
def test_a_prime_contract_is_sent_or_not(ready: World, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    ready.erp.put(prime_contract("PC-2", **changes))
    assert states(ready, PRIMES) == {"PC-1": UNCHANGED, "PC-2": expected}


def test_an_owner_who_becomes_a_customer_lets_the_contract_through(ready: World) -> None:
    ready.erp.put(prime_contract("PC-2", customer="C-9"))
    assert states(ready, PRIMES)["PC-2"] == ("held", "J-04")
    ready.erp.put(customer("C-9"))
    assert states(ready, "customers", PRIMES)["PC-2"] == CREATED


def test_a_prime_change_order_counts_its_markup(ready: World) -> None:
    in_procore(ready, prime_change(markup=Decimal("2.50")))
    in_procore(ready, prime_change("002", markup=Decimal("2.50"), amount=Decimal("10.00")))
    found = states(ready, PRIMES, PRIME_CHANGES)
    assert found == {"PC-1/001": CREATED, "PC-1/002": ("quarantined", "O-03")}
    made: Any = ready.erp.get(PRIME_CHANGES, id="PC-1/001")
    assert (made.amount, made.markup) == (Decimal("12.50"), Decimal("2.50"))


def test_which_line_a_prime_change_order_changes_only_the_erp_tells(ready: World, tmp_path: Path) -> None:
    """It stays linked, and is adopted, whatever the ERP says of that: Procore has no answer that could differ."""
    in_procore(ready, prime_change(lines=(change_line(of=None, line_told=False),)))
    assert states(ready, PRIMES, PRIME_CHANGES) == {"PC-1/001": CREATED}
    there: Any = ready.erp.get(PRIME_CHANGES, id="PC-1/001")
    (line,) = there.lines
    ready.erp.change(PRIME_CHANGES, "PC-1/001", lines=(line.model_copy(update={"line": 1}),))
    assert states(ready, PRIMES, PRIME_CHANGES) == {"PC-1/001": UNCHANGED}
    twin = ready.without_ledger(tmp_path / "lost")
    assert twin.states(twin.run(), PRIME_CHANGES) == {"PC-1/001": ("adopted", "")}
    ready.erp.change(PRIME_CHANGES, "PC-1/001", lines=(line.model_copy(update={"amount": Decimal("11.00")}),))
    assert states(ready, PRIMES, PRIME_CHANGES) == {"PC-1/001": ("conflicts", "R-04")}


def test_a_change_order_line_of_which_procore_does_not_tell_what_it_changes(ready: World, tmp_path: Path) -> None:
    """Of a commitment Procore tells it in a newer resource, which may have no row of a line: that is no difference to what the
    ERP says, and no change of what was told before. What it does tell is compared as ever."""
    draft(ready)
    in_procore(ready, change(lines=(change_line(of=1),)))
    assert states(ready, "commitments", CHANGES) == {"SC-1/001": CREATED}
    document: Any = ready.procore.get(CHANGES, number="SC-1/001")
    (there,) = document.lines
    told = there.model_copy(update={"line": None}), there.model_copy(update={"line": None, "line_told": False})
    ready.procore.change(CHANGES, "SC-1/001", lines=told[1:])
    assert states(ready, "commitments", CHANGES) == {"SC-1/001": UNCHANGED}
    twin = ready.without_ledger(tmp_path / "lost")
    assert twin.states(twin.run(), CHANGES) == {"SC-1/001": ("adopted", "")}
    for world in (ready, twin):
        world.procore.change(CHANGES, "SC-1/001", lines=(there,))
        assert states(world, "commitments", CHANGES) == {"SC-1/001": UNCHANGED}
        world.procore.change(CHANGES, "SC-1/001", lines=told[:1])
        assert states(world, "commitments", CHANGES) == {"SC-1/001": ("conflicts", "R-04")}


def test_owner_invoices_follow_their_sequence_and_receipts_their_invoice(ready: World) -> None:
    plant(ready, OWNER_INVOICES, RECEIPTS)
    ready.erp.put(receipt("R-2", "OI-9"))
    ready.erp.refuse["OI-1"] = "PERIOD_CLOSED"
    chain = (PRIMES, PRIME_CHANGES, OWNER_INVOICES, RECEIPTS)
    sync = go(ready, *chain)
    assert ready.states(sync, OWNER_INVOICES) == {"OI-1": ("quarantined", "refused"), "OI-2": ("held", "I-03")}
    assert set(ready.states(sync, RECEIPTS).values()) == {("held", "Y-02")}
    assert reconcile(sync).balanced
    ready.erp.refuse.clear()
    sync = go(ready, *chain)
    assert set(ready.states(sync, OWNER_INVOICES).values()) == {CREATED}
    assert ready.states(sync, RECEIPTS)["R-1/OI-1"] == CREATED
    made: Any = ready.erp.get(OWNER_INVOICES, number="OI-1")
    assert made.customer == "C-1"


def test_documents_of_a_prime_contract_that_was_stopped_wait(ready: World) -> None:
    ready.erp.put(prime_contract("PC-2"))
    go(ready, PRIMES)
    in_procore(ready, prime_change("001", "PC-2"))
    rows = (item("sandbox:01:prime_contracts:PC-2#1", "40.00", "4.00"),)
    in_procore(ready, owner_invoice(1, "PC-2", number="OI-7", items=rows))
    ready.erp.change(PRIMES, "PC-2", amount=Decimal("1.00"))
    sync = go(ready, PRIMES, PRIME_CHANGES, OWNER_INVOICES)
    assert ready.states(sync, PRIME_CHANGES) == {"PC-2/001": ("held", "P-02")}
    assert ready.states(sync, OWNER_INVOICES) == {"OI-7": ("held", "P-03")}


def test_a_receipt_that_is_voided_is_a_conflict(full: World) -> None:
    full.erp.change(RECEIPTS, "R-1/OI-1", status="void")
    sync = go(full, RECEIPTS)
    assert full.states(sync, RECEIPTS) == {"R-1/OI-1": ("conflicts", "Y-04")}
    assert reconcile(sync).balanced


# -- a check that is tried again --

AGAIN: dict[str, Callable[[World], Any]] = {
    "commitments": lambda world: draft(world, "SC-2"),
    CHANGES: lambda world: in_procore(world, change("002", lines=(change_line(amount="-30.00"),))),
    INVOICES: lambda world: in_procore(
        world, invoice(3, items=(item("L1", "1.00", previous="45.00"),), before=SECOND, previous=n(2), retainage=None)
    ),
    "budget_changes": lambda world: in_procore(world, budget_change("2")),
    PRIME_CHANGES: lambda world: in_procore(world, prime_change("002")),
    OWNER_INVOICES: lambda world: in_procore(
        world,
        owner_invoice(
            3, items=(item(PRIME_LINE, "1.00", previous="50.00"),), before=(), previous=procore_id(OWNER_INVOICES, "OI-2")
        ),
    ),
    COSTS: lambda world: world.erp.put(direct_cost("JC-2")),
    PAYMENTS: lambda world: world.erp.put(payment("K-2", "N-2")),
    PRIMES: lambda world: world.erp.put(prime_contract("PC-2")),
    RECEIPTS: lambda world: world.erp.put(receipt("R-2", "OI-2")),
}


@pytest.mark.parametrize("entity", AGAIN)
def test_a_check_of_new_documents_that_is_tried_again_says_the_same(full: World, entity: str) -> None:
    from include.financials import checks
    from include.financials.reading import extract

    AGAIN[entity](full)
    sync = full.sync(params={"entities": [entity]})
    extract.extract(sync, entity)
    found = []
    for _ in range(2):
        checks.check(full.sync(sync.run.run_id), entity, [0])  # each try is a process of its own
        found.append([row._replace(judged=False) for row in full.ledger.outcomes.of(sync.run.run_id, entity)])
    assert found[0] == found[1]
    assert "create" in {row.action for row in found[0]} or entity in (INVOICES, OWNER_INVOICES)
