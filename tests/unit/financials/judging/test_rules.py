"""Every rule of the new entities is seen to stop a real record, by a fault that somebody could make, and that record alone.

Generated over the table of rules: a row without a fault here, or one that no fault reaches, fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from include.financials import checks
from include.financials.entities import ENTITIES
from include.financials.judging.check import judge_rows
from include.financials.judging.rules import Finding, Rule
from include.financials.reading import extract
from tests.unit.financials.pair import (
    FROZEN,
    FULL,
    PRIME_LINE,
    World,
    budget,
    invoice,
    item,
    make_settings,
    owner_invoice,
    project,
    vendor,
)

NEW = {
    "vendor_insurances", "users", "sub_jobs", "tax_codes", "budgets", "budget_changes", "direct_costs",
    "commitment_change_orders",
    "subcontractor_invoices", "payments_issued", "prime_contracts", "prime_change_orders", "owner_invoices", "payments_received",
}  # fmt: skip
ERP_BORN = {name for name in NEW if ENTITIES[name].source == "erp" and ENTITIES[name].document}

Base = Literal["stage", "full", "adopt"]
"""The world just before the entity's first load; with everything linked; the same with an empty ledger."""
Act = Callable[[World, str], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    act: Act
    base: Base = "stage"
    also: tuple[str, ...] = ()
    """Facts that cannot but be wrong with it."""


# -- what people do --


def source(world: World, entity: str) -> Any:
    return world.erp if ENTITIES[entity].source == "erp" else world.procore


def target(world: World, entity: str) -> Any:
    return world.procore if ENTITIES[entity].source == "erp" else world.erp


def alter(**changes: Any) -> Act:
    """Of the entity's last record, as its source has it."""

    def act(world: World, entity: str) -> None:
        memory = source(world, entity)
        memory.put(memory.records[entity][-1].model_copy(update=changes))

    return act


def first_line(**changes: Any) -> Act:
    def act(world: World, entity: str) -> None:
        memory = source(world, entity)
        record = memory.records[entity][-1]
        lines = (record.lines[0].model_copy(update=changes), *record.lines[1:])
        memory.put(record.model_copy(update={"lines": lines}))

    return act


def add(name: str, by: str) -> Act:
    """So much more in one figure of the header."""

    def act(world: World, entity: str) -> None:
        before = getattr(source(world, entity).records[entity][-1], name)
        alter(**{name: before + Decimal(by)})(world, entity)

    return act


def erp(entity: str, ident: str, **changes: Any) -> Act:
    return lambda world, _: world.erp.put(world.erp.get(entity, id=ident).model_copy(update=changes))


def unlink(entity: str, number: str) -> Act:
    return lambda world, _: world.end_link(entity, number)


def narrow(**limits: Any) -> Act:
    def act(world: World, entity: str) -> None:
        memory = target(world, entity)
        memory.capability = {**memory.capability, entity: replace(FULL, **limits)}

    return act


def both(*acts: Act) -> Act:
    def act(world: World, entity: str) -> None:
        for one in acts:
            one(world, entity)

    return act


def rejecting(world: World, entity: str) -> None:
    world.settings = make_settings(posting_policy="reject")


def stranger(world: World, entity: str) -> None:
    """An invoice that people entered in the ERP on the contract, of any number and sequence."""
    contract = {"commitment": "SC-1", "vendor": "V-1"} if entity == "subcontractor_invoices" else {"prime_contract": "PC-1"}
    plain = invoice(7) if entity == "subcontractor_invoices" else owner_invoice(7)
    named = {"id": "V-1/HAND", "number": "HAND", "company": "01", "amount": Decimal("0.01"), "items": (), "lines": ()}
    world.erp.put(plain.model_copy(update={**contract, **named, "status": "posted"}))


def part(world: World, entity: str) -> None:
    world.ledger.decisions.part(last_link(world, entity), "ann")


def last_link(world: World, entity: str) -> Any:
    """Of the entity's last record."""
    ident = source(world, entity).records[entity][-1].id
    return next(link for link in world.ledger.links.of(entity) if ident in (link.erp_key, link.procore_id))


def pair_apart(world: World, entity: str) -> None:
    """A person said that two are one; since then one of them has changed."""
    link = last_link(world, entity)
    world.ledger.decisions.part(link, "ann")
    world.ledger.decisions.decide(
        entity=entity, company=link.company, record_id=link.erp_key, pair=link.procore_id, decision="link", who="ann",
        value={"apart": []},
    )  # fmt: skip
    alter(**(FROZEN.get(entity) or {"vendor_insurances": {"provider": "Else"}, "sub_jobs": {"name": "Else"},
                                        "users": {"job_title": "Else"}}.get(entity)
             or {"description": "Else"}))(world, entity)  # fmt: skip


def garble(world: World, entity: str) -> None:
    """The counterpart is there, and a field of it cannot be read any more."""
    target(world, entity).garbled[entity, target(world, entity).records[entity][-1].id] = "number"


def hide(world: World, entity: str) -> None:
    """No list and no address shows the counterpart to our account."""
    target(world, entity).hidden.add((entity, target(world, entity).records[entity][-1].id))


def end_there(**changes: Any) -> Act:
    """The counterpart's status is another one by now."""

    def act(world: World, entity: str) -> None:
        memory = target(world, entity)
        memory.put(memory.records[entity][-1].model_copy(update=changes))

    return act


def doubled_line(world: World, entity: str) -> None:
    """A person added a line with the key of another one to the counterpart."""
    memory = world.erp if entity == "budgets" else target(world, entity)
    record: Any = memory.records[entity][-1]
    memory.put(record.model_copy(update={"lines": (*record.lines, record.lines[-1])}))


def forget(world: World, entity: str) -> None:
    """The links of all that the record refers to are gone from the ledger; but for the job, without which nothing is read."""
    for name in {*ENTITIES[entity].references.values()} - {entity, "projects"}:
        for link in world.ledger.links.of(name):
            world.ledger.decisions.part(link, "ann")


def lose(world: World, entity: str) -> None:
    target(world, entity).records[entity].clear()


def unknown_job(world: World, entity: str) -> None:
    """A job that the other side does not have."""
    if ENTITIES[entity].source == "procore":
        world.procore.put(project("25-999", id="4711", company=None))
        alter(project="4711")(world, entity)
        return
    world.erp.put(project("25-999"))
    if entity == "budgets":
        world.erp.put(budget("25-999"))
    else:
        alter(project="25-999")(world, entity)


def twins(count: int, **changes: Any) -> Act:
    """Records of Procore that look like the ERP's."""

    def act(world: World, entity: str) -> None:
        record: Any = source(world, entity).records[entity][-1]
        scope = {"sub_jobs": ("project", "projects"), "vendor_insurances": ("vendor", "vendors")}.get(entity)
        own = {scope[0]: _linked(world, scope[1], getattr(record, scope[0]))} if scope else {}
        for number in range(count):
            world.procore.put(record.model_copy(update={"id": str(number), "company": None, **own, **changes}))

    return act


def shadows(count: int, origin_id: str | None) -> Act:
    """Documents of Procore that look like the ERP's, and nothing of ours says that they are."""

    def act(world: World, entity: str) -> None:
        twin = world.fork(world.folder.parent / f"{world.folder.name}-twin")
        twin.run(params={"entities": [entity]})
        record = twin.procore.records[entity][-1]
        twin.close()
        for number in range(count):
            world.procore.put(record.model_copy(update={"id": str(number), "origin_id": origin_id, "origin_data": None}))

    return act


def namesake(amount: str | None = None) -> Act:
    """A document of the ERP that has this one's number, and nothing says that it is this one."""

    def act(world: World, entity: str) -> None:
        twin = world.fork(world.folder.parent / f"{world.folder.name}-twin")
        twin.run(params={"entities": [entity]})
        record = twin.erp.records[entity][-1]
        twin.close()
        changes = {"marker": None} | ({"amount": Decimal(amount)} if amount else {})
        world.erp.put(record.model_copy(update=changes))

    return act


def repeated(world: World, entity: str) -> None:
    alter(lines=source(world, entity).records[entity][-1].lines[:1] * 2)(world, entity)


def copied(world: World, entity: str) -> None:
    """The same number once more, as another document."""
    memory = source(world, entity)
    memory.put(memory.records[entity][-1].model_copy(update={"id": "4711"}))


def _linked(world: World, entity: str, key: str) -> str:
    return next(link.procore_id for link in world.ledger.links.of(entity) if link.erp_key == key)


def on_header(world: World, entity: str) -> None:
    first_line(cost_code=_linked(world, "cost_codes", "25-104//03"))(world, entity)


def billed(*rows: Any, **changes: Any) -> Act:
    """The entity's first invoice bills these rows."""

    def act(world: World, entity: str) -> None:
        own = PRIME_LINE if entity == "owner_invoices" else "L1"
        world.procore.records[entity] = world.procore.records[entity][:1]
        alter(items=tuple(row(own) for row in rows), completed=None, retainage=None, **changes)(world, entity)

    return act


def other_budget(world: World, entity: str) -> None:
    """Both sides have figures of the job, and they differ."""
    record = world.procore.records["budgets"][0]
    ident = _linked(world, "projects", "25-104")
    world.procore.put(record.model_copy(update={"id": ident, "project": ident, "number": "25-104", "amount": Decimal(1)}))
    line = record.lines[0].model_copy(  # type: ignore[attr-defined]
        update={"amount": Decimal("1.00"), "cost_code": _linked(world, "cost_codes", "25-104//03-3000")}
    )
    world.procore.put(world.procore.get("budgets", id=ident).model_copy(update={"lines": (line,)}))


def budget_lines(side: str, job: str, amount: str = "501.00", **changes: Any) -> Act:
    def act(world: World, entity: str) -> None:
        memory: Any = getattr(world, side)
        record = memory.get(entity, number=job)
        lines = (record.lines[0].model_copy(update={"amount": Decimal(amount), **changes}),)
        memory.put(record.model_copy(update={"lines": lines, "amount": Decimal(amount)}))

    return act


def billed_after_a_merger(world: World, entity: str) -> None:
    """Another vendor was merged into the cost's, and one of the two has billed an invoice of that number on the job."""
    cost: Any = world.erp.records[entity][-1]
    world.erp.put(vendor("V-0", merged_into=cost.vendor, active=False))
    world.erp.put(invoice(1, number=cost.invoice_number, company="01", status="posted"))


def bill_unread(world: World, entity: str) -> None:
    """An invoice of the ERP on the contract, or of the number that a cost names, which cannot be read."""
    record: Any = world.erp.records[entity][-1] if entity == "direct_costs" else None
    plain: Any = invoice(7, number=record.invoice_number) if record else owner_invoice(7) if "prime" in entity else invoice(7)
    plain = owner_invoice(7) if entity == "owner_invoices" else plain
    bill = world.erp.put(plain.model_copy(update={"company": "01", "status": "posted", "items": (), "lines": ()}))
    world.erp.garbled[bill.entity, bill.id] = "billing_date"


def periods_unread(world: World, entity: str) -> None:
    for period in world.erp.records["periods"]:
        world.erp.garbled["periods", period.id] = "status"


def locked(world: World, entity: str) -> None:
    world.procore.change("budgets", "25-104", locked=True)


REFERRING = tuple({rule.fact for row in ENTITIES.values() for rule in row.rules if rule.refers})
"""What says the same of a reference by itself."""
NEXT = ("sequence_kept",)
"""The invoice after one that is stopped waits for it."""


def parent_lost(world: World, entity: str) -> None:
    """Procore no longer has what the entity's records name beside their job."""
    row = ENTITIES[entity]
    gone = next(name for name in (row.contracts, *row.references.values()) if name and name not in ("projects", entity))
    world.procore.records[gone] = []
    world.run(params={"entities": [gone]}, reconciled=False)


def unmapped(world: World, entity: str) -> None:
    """The ERP has no place for something that the record names, or waits for."""
    row = ENTITIES[entity]
    named = [name for name in (*row.references.values(), *row.waits) if name not in ("projects", "tax_codes", entity)]
    gone = (named or ["projects"])[0]
    world.erp.capability = {name: can for name, can in world.erp.capability.items() if name != gone}
    entities = dict(world.settings.entities)
    entities[gone] = entities[gone].model_copy(update={"writes": "off"})
    world.settings = world.settings.model_copy(update={"entities": entities})


def handed_over(days: int) -> Act:
    """The ERP has accepted it so many days ago, and not posted it."""

    def act(world: World, entity: str) -> None:
        world.erp.staging.add(entity)
        world.run(params={"entities": [entity]}, reconciled=False)
        world.clock.now += timedelta(days=days)

    return act


# -- the faults, by fact; of one entity where its own differs --

FAULTS: dict[str, Fault] = {
    "foreign_origin": Fault(alter(origin_id="vista:01:x:y")),
    "broken_link": Fault(lose, "full"),
    "unread": Fault(garble, "full"),
    "hidden": Fault(hide, "full"),
    "parent_unread": Fault(forget, "full", also=REFERRING),
    "parent_gone": Fault(parent_lost, also=REFERRING),
    "accepted": Fault(handed_over(1), also=NEXT),
    "overdue": Fault(handed_over(6), also=("accepted", *NEXT)),
    "line_twice": Fault(doubled_line, "full"),
    "ended_there": Fault(end_there(status="void"), "full"),
    "void_there": Fault(end_there(status="Void"), "full"),
    "adoption_difference": Fault(alter(title="Another"), "adopt"),
    "left_out": Fault(unmapped, also=NEXT),
    "field_fault": Fault(narrow(max_lengths=dict.fromkeys(("title", "number", "change_number", "name"), 0)), also=NEXT),
    "void_since": Fault(alter(status="void"), "full"),
    "unposted_since": Fault(alter(status="unposted"), "full"),
    "status_there": Fault(end_there(status="unposted"), "full"),
    "altered": Fault(lambda world, entity: alter(**FROZEN[entity])(world, entity), "full"),
    "vendor_linked": Fault(alter(vendor="V-9")),
    "expired": Fault(alter(expiration_date=date(2026, 9, 29))),
    "email_fault": Fault(alter(email=None)),
    "email_there": Fault(end_there(email="another@example.com"), "full"),
    "access": Fault(end_there(active=False), "full"),
    "project_linked": Fault(unknown_job),
    "ambiguous": Fault(twins(2)),
    "proposal": Fault(namesake(), also=("billed_before", *NEXT)),
    "currency_ok": Fault(alter(currency="CAD")),
    "job": Fault(unknown_job),
    "job_open": Fault(erp("projects", "25-104", status="closed"), also=NEXT),
    "position_twice": Fault(repeated, also=("sum_difference_cents",)),
    "line_uncoded": Fault(first_line(cost_code=None)),
    "sub_job_unknown": Fault(both(first_line(sub_job="X"), narrow(sub_jobs=False))),
    "code": Fault(first_line(cost_code="4711")),
    "code_leaf": Fault(on_header),
    "code_active": Fault(erp("cost_codes", "25-104//03-3000", active=False)),
    "assigned": Fault(erp("cost_codes", "25-104//03-3000", cost_types=())),
    "line_difference_cents": Fault(first_line(extended_type="calculated", quantity=Decimal(1), unit_cost=Decimal("1.01"))),
    "number_twice": Fault(copied),
    "line_fault": Fault(both(first_line(description="four"), narrow(max_lengths={"description": 3}))),
    "tax_unmapped": Fault(first_line(tax_code="4711")),
    "budget_linked": Fault(unlink("budgets", "25-104")),
    "has_lines": Fault(alter(lines=(), amount=Decimal("0.00"))),
    "transfer_uneven": Fault(first_line(amount=Decimal("-19.99"))),
    "vendor_missing": Fault(alter(vendor="V-9")),
    "code_missing": Fault(first_line(cost_code="25-104//09-9999")),
    "difference_cents": Fault(add("amount", "0.01")),
    "perhaps_covered": Fault(billed_after_a_merger),
    "covered_unread": Fault(bill_unread),
    "date_missing": Fault(alter(billing_date=None)),
    "contract_problem": Fault(unlink("commitments", "SC-1"), also=NEXT),
    "contract_over": Fault(erp("commitments", "SC-1", status="closed"), also=NEXT),
    "status_back": Fault(alter(status="pending"), "full"),
    "deleted_since": Fault(alter(deleted=True), "full"),
    "sum_difference_cents": Fault(add("amount", "0.01")),
    "below_unread": Fault(both(first_line(amount=Decimal("-10.00")), add("amount", "-20.00"), bill_unread)),
    "below_billed": Fault(both(first_line(amount=Decimal("-1000.00")), add("amount", "-1010.00"))),
    "change_waiting": Fault(billed(lambda own: item(own, "10.00", "1.00"), lambda own: item("C1", "1.00", change_order="4711"))),
    "vendor_unknown": Fault(alter(vendor="4711")),
    "sequence_kept": Fault(
        lambda world, entity: world.procore.put(world.procore.records[entity][0].model_copy(update={"status": "under_review"}))
    ),
    "billed_unread": Fault(bill_unread, also=NEXT),
    "billed_before": Fault(stranger, also=NEXT),
    "number_in_erp": Fault(namesake("99.00"), also=("billed_before", "sequence_kept")),
    "period_unread": Fault(periods_unread, also=NEXT),
    "period_closed": Fault(alter(billing_date=date(2026, 6, 30))),
    "period_refused": Fault(both(alter(billing_date=date(2026, 6, 30)), rejecting)),
    "unplaced": Fault(billed(lambda own: item("L9", "10.00", "1.00"))),
    "gross_odd": Fault(billed(lambda own: item(own, "10.00", "1.00", previous="5.00"))),
    "completed_odd": Fault(add("completed", "0.01")),
    "retainage_cents": Fault(add("retainage", "0.01")),
    "released_too_much": Fault(billed(lambda own: item(own, "10.00", "1.00", released="1.01"))),
    "overbilled": Fault(billed(lambda own: item(own, "1000.00", "100.00"))),
    "pay_held": Fault(erp("vendors", "V-1", hold="payment")),
    "contract_linked": Fault(alter(commitment="SC-9")),
    "invoice_linked": Fault(alter(invoice="V-1/N-9", invoice_number="N-9")),
    "owner_linked": Fault(alter(customer="C-9")),
    "owner": Fault(other_budget),
    "parted": Fault(part, "full", also=("number_in_erp", "billed_before")),
    "pair_apart": Fault(pair_apart, "full", also=("difference_cents",)),
    "line_unlinked": Fault(
        lambda world, entity: world.ledger.decisions.part(world.ledger.links.of("cost_codes")[-1], "ann"), also=("line_unplaced",)
    ),
    "unlocked": Fault(lambda world, entity: world.procore.change(entity, "25-105", locked=False)),
    "line_unplaced": Fault(budget_lines("erp", "25-104", cost_code="25-104//03")),
    "changed_after_export": Fault(budget_lines("procore", "25-105"), "full"),
    "changed_when_locked": Fault(both(locked, budget_lines("erp", "25-104")), "full"),
}
OWN: dict[tuple[str, str], Fault] = {
    **{(name, fact): Fault(shadows(count, origin)) for name in ERP_BORN
       for fact, count, origin in (("proposal", 1, None), ("foreign_origin", 1, "vista:01:x:y"), ("ambiguous", 2, None))},
    **{(name, fact): Fault(twins(1, **changes)) for name in ("vendor_insurances", "sub_jobs", "tax_codes", "users")
       for fact, changes in (("proposal", {}), ("foreign_origin", {"origin_id": "vista:01:x:y"}))},
    ("vendor_insurances", "adoption_difference"): Fault(alter(provider="Another"), "adopt"),
    ("users", "adoption_difference"): Fault(alter(job_title="Another"), "adopt"),
    ("users", "field_fault"): Fault(narrow(max_lengths={"last_name": 0})),
    ("sub_jobs", "adoption_difference"): Fault(alter(name="Another"), "adopt"),
    ("tax_codes", "adoption_difference"): Fault(alter(description="Another"), "adopt"),
    ("direct_costs", "date_missing"): Fault(alter(cost_date=None)),
    ("prime_change_orders", "contract_problem"): Fault(unlink("prime_contracts", "PC-1")),
    ("owner_invoices", "contract_problem"): Fault(unlink("prime_contracts", "PC-1"), also=NEXT),
    ("prime_change_orders", "contract_over"): Fault(erp("prime_contracts", "PC-1", status="closed")),
    ("owner_invoices", "contract_over"): Fault(erp("prime_contracts", "PC-1", status="closed"), also=NEXT),
    ("prime_contracts", "altered"): Fault(alter(retainage_percent=None, number="PC-2"), "full"),
    ("payments_received", "contract_linked"): Fault(alter(prime_contract="PC-9")),
    ("payments_received", "invoice_linked"): Fault(alter(invoice="OI-9", invoice_number="OI-9")),
    ("subcontractor_invoices", "number_twice"): Fault(copied),
}  # fmt: skip

UNREACHABLE: dict[str, set[str]] = {
    # An ERP hides nothing; of a Procore-born record that is hidden there is nothing to judge (test_existence tells of it).
    "hidden": {name for name in NEW if ENTITIES[name].source == "procore"},
    # They refer to nothing, or to the job alone.
    "parent_unread": {name for name in NEW if {*ENTITIES[name].references.values()} <= {name, "projects"}},
    # They refer to the job alone, and go with it.
    "parent_gone": {"sub_jobs"},
    # All of an immutable document is frozen: what differs at adoption is `altered`.
    "adoption_difference": {name for name in NEW if ENTITIES[name].immutable},
}
"""Rows of the table that no record can break: they are there because the rule is stated of all entities."""


class Found(list[Finding]):
    """A judge that keeps what the rules found."""

    def __call__(self, entity: str, records: Any, lines: Any) -> list[Finding]:
        self.extend(judge_rows(entity, records, lines))
        return judge_rows(entity, records, lines)


def judged(world: World, entity: str) -> Found:
    sync, found = world.sync(params={"entities": [entity]}), Found()
    extract.extract(sync, entity)
    checks.check(sync, entity, [0], found)
    return found


ROWS = [
    (name, rule)
    for name, row in ENTITIES.items()
    if name in NEW
    for rule in row.rules
    if name not in UNREACHABLE.get(rule.fact, ())
]


@pytest.mark.parametrize(("entity", "rule"), ROWS, ids=lambda one: getattr(one, "name", one))
def test_a_rule_stops_what_breaks_it(
    entity: str, rule: Rule, stages: dict[str, World], stocked: tuple[World, World], tmp_path: Path
) -> None:
    fault = OWN.get((entity, rule.fact)) or FAULTS[rule.fact]
    if fault.base == "adopt":
        world = stocked[1].without_ledger(tmp_path / "world")
        if named := [name for name in ENTITIES if name in ENTITIES[entity].references.values() and name != entity]:
            world.run(of=named, reconciled=False)
    else:
        world = (stages[entity] if fault.base == "stage" else stocked[1]).fork(tmp_path / "world")
    fault.act(world, entity)
    found = judged(world, entity)
    world.close()
    facts = {finding.rule.fact for finding in found}
    assert rule in {finding.rule for finding in found}, f"it found {facts or 'nothing'}"
    assert facts <= {rule.fact, *fault.also}, facts


@pytest.mark.parametrize("entity", sorted(NEW))
def test_nothing_is_found_in_good_records(
    entity: str, stages: dict[str, World], stocked: tuple[World, World], tmp_path: Path
) -> None:
    for number, base in enumerate((stages[entity], stocked[1])):
        world = base.fork(tmp_path / str(number))
        assert judged(world, entity) == []
        world.close()


def test_every_row_has_its_fault_and_every_fault_its_row() -> None:
    facts = {rule.fact for name in NEW for rule in ENTITIES[name].rules}
    assert set(FAULTS) == facts
    assert set(OWN) <= {(name, rule.fact) for name, rule in ROWS}
