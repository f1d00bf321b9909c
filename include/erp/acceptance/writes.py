"""Checks of what the ERP must refuse, and of changes to what it has."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.erp.acceptance.documents import Maker, dated
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.plugin import expect, fail, needs
from include.erp.acceptance.sent import differences
from include.erp.acceptance.suite import Suite
from include.financials.exceptions import ConfigurationError
from include.financials.port import Item, Outcome, Window
from include.financials.record import Record

MODULES = {"subcontractor_invoices": "AP", "owner_invoices": "AR"}
"""By whose calendar a document is posted."""


# -- what must be refused


def test_number_taken(suite: Suite, make: Maker, written: str) -> None:
    """a number that is already there is refused, and what is there stays"""
    first = make.make(written)
    outcome = suite.enter(first)
    expect(outcome.status != "rejected", f"the plain document is refused: {outcome.message}")
    record: Any = first.record
    lines = tuple(line.model_copy(update={"amount": line.amount * 2}) for line in record.lines)
    other = record.model_copy(update={"id": make.id(), "amount": record.amount * 2, "lines": lines})
    if hasattr(record, "sequence"):
        other = other.model_copy(update={"sequence": record.sequence + 1})
    twin = suite.item(other, first.company)
    (second,) = suite.post(twin)
    if second.status == "rejected":
        expect(suite.find(twin).status == "absent", f"{first.number} was refused a second time, and something of it is there")
    else:
        told = f"{first.number} is there, and another document of that number is {second.status} as the same {second.id}"
        expect(second.id != outcome.id or second.status == "accepted", told)
        suite.note(f"takes a second document of the number {first.number}: the check of a run is the only one who looks at it")
    if outcome.status == "confirmed":
        found = suite.find(first)
        expect(
            isinstance(found.record, Record), f"{first.number} was there, and is {found.status} after another: {found.message}"
        )
        for name, sent, there in differences(suite, first.record, found.record):
            fail(f"{first.number} was overwritten: {name} was {sent}, and is {there}")


def test_closed_period(suite: Suite, make: Maker, written: str) -> None:
    """a closed period takes nothing"""
    if written not in MODULES:
        return
    item = make.make(written)
    day = suite.masters.closed_day(item.company, MODULES[written])
    late = suite.item(item.record.model_copy(update=dated(item.record, day)), item.company)
    (outcome,) = suite.post(late)
    _refused(suite, late, outcome, f"is dated {day}, in a closed period")


def test_vendor_on_hold(suite: Suite, make: Maker, written: str) -> None:
    """a vendor on hold gets no new contract"""
    if written != "commitments":
        return
    item = make.commitment()
    vendor = suite.masters.vendor(item.company, held=True)
    held = suite.item(item.record.model_copy(update={"vendor": vendor}), item.company)
    (outcome,) = suite.post(held)
    _refused(suite, held, outcome, f"is with the vendor {vendor}, who is on hold")


def _refused(suite: Suite, item: Item, outcome: Outcome, why: str) -> None:
    """Not every ERP refuses; a run's check does. What must not be is that it says no and keeps something."""
    if outcome.status != "rejected":
        suite.note(f"takes a document that {why}: the check of a run is the only one who looks at it")
        return
    expect(outcome.message, f"{item.number} {why}; the ERP refuses it without a word")
    expect(suite.find(item).status == "absent", f"{item.number} {why}; the ERP refuses it, and something of it is there")


def test_read_only(suite: Suite, make: Maker, written: str) -> None:
    """with read-only rights nothing is written, and the right is named"""
    if suite.mapping.spec.writes is not None:
        raise Missing("documents go by a way of their own, which the login does not open")
    if suite.options.reader is None:
        raise Missing("no login with read-only rights was given (--reader)")
    item, erp = make.make(written), suite.open(address=suite.options.reader)
    try:
        expect(any(True for page in erp.read(written) for _ in page.records) or not suite.records(written), "it reads nothing")
        try:
            (outcome,) = suite.post(item, erp=erp)
            told = outcome.message if outcome.status == "rejected" else None
        except ConfigurationError as error:
            told = str(error)
        expect(told, f"{item.number} was written with read-only rights")
    finally:
        erp.close()
    expect(suite.find(item).status == "absent", f"{item.number} is there, although the right to write it was refused")


# -- changes to what is there


@needs("update")
def test_update(suite: Suite, make: Maker, written: str) -> None:
    """a change changes its field, and nothing else of any document"""
    changes = _changes(suite, make, written)
    if not changes:
        raise Missing("nothing that the suite can change may be changed there")
    for name, value in changes.items():
        item, other = make.make(written), make.make(written)
        outcome, beside = suite.enter(item), suite.enter(other)
        if outcome.status != "confirmed" or beside.status != "confirmed":
            raise Missing(f"the document to change is {outcome.status}: {outcome.message}")
        since = suite.erp.now()
        record = item.record.model_copy(update={name: value})
        change = suite.item(record, item.company, key=outcome.id, changes=(name,))
        expect(suite.find(change, "update").status == "absent", f"{item.number}: {name} was not changed, and counts as changed")
        (changed,) = suite.post(change, action="update")
        expect(changed.status == "confirmed", f"{item.number}: {name} cannot be changed: {changed.message}")
        expect(
            suite.find(change, "update").status == "confirmed", f"{item.number}: {name} was changed, and counts as not changed"
        )
        for field, sent, there in differences(suite, record, changed.record):
            fail(f"{item.number}: after {name} was changed, {field} should be {sent}, and is {there}")
        (same,) = suite.by_id(written, [str(beside.id)])
        expect(_same(same, beside.record), f"{other.number} was changed too, when {name} of {item.number} was")
        if suite.capability(written).changed_since:
            shown = [one.id for page in suite.erp.read(written, window=Window(since=since)) for one in page.records]
            expect(outcome.id in shown, f"{item.number} was changed ({name}), and does not show among what changed since")


def _changes(suite: Suite, make: Maker, written: str) -> dict[str, Any]:
    updatable = {name for call in suite.mapping.entity(written).write.calls("update") for name in call.when}
    values = {
        "title": make.text(written, "title", "Another title"),
        "contract_date": suite.today() - timedelta(days=1),
        "change_date": suite.today() - timedelta(days=1),
    }
    return {name: value for name, value in values.items() if name in updatable}


def _same(one: Any, other: Any) -> bool:
    """Whatever the ERP works out itself may move: its stamps."""
    return bool(one.model_copy(update={"updated_at": None}) == other.model_copy(update={"updated_at": None}))


@needs("void")
def test_void(suite: Suite, make: Maker, written: str) -> None:
    """a void voids its document, once, and no other"""
    item, other = make.make(written), make.make(written)
    outcome, beside = suite.enter(item), None
    if outcome.status != "confirmed":
        raise Missing(f"the document to void is {outcome.status}: {outcome.message}")
    if other.record.natural_key != item.record.natural_key and not _follows(other, item):
        beside = suite.enter(other)
    void = suite.item(item.record, item.company, key=outcome.id)
    expect(suite.find(void, "void").status == "absent", f"{item.number} was not voided, and counts as void")
    wrong = suite.item(item.record, "no such company", key=outcome.id)
    (refused,) = suite.post(wrong, action="void")
    expect(refused.status == "rejected", f"{item.number} was voided in a company that has no such document")
    (voided,) = suite.post(void, action="void")
    expect(voided.status == "confirmed", f"{item.number} cannot be voided: {voided.message}")
    expect(suite.find(void, "void").status == "confirmed", f"{item.number} was voided, and counts as not void")
    suite.changed(written)
    expect(any(one.id == outcome.id for one in suite.records(written)), f"{item.number} was voided, and shows no more")
    found = suite.find(item)
    expect(found.id == outcome.id, f"{item.number} was voided, and is no longer found by its marker: it would be sent again")
    if beside is not None and beside.status == "confirmed":
        (same,) = suite.by_id(written, [str(beside.id)])
        expect(_same(same, beside.record), f"{other.number} was changed too, when {item.number} was voided")


def _follows(one: Item, other: Item) -> bool:
    """Draws of one contract: one that is there hinders the void of another."""
    names = ("prime_contract", "sequence")
    return all(getattr(one.record, name, None) == getattr(other.record, name, object()) for name in names)
