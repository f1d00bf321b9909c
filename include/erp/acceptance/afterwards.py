"""Checks of what people do in the ERP afterwards: a clerk (``--clerk``) does it, and the document is still known."""

from __future__ import annotations

from dataclasses import replace

from include.erp.acceptance.documents import Maker
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.plugin import expect
from include.erp.acceptance.suite import Suite
from include.financials.port import Item, Outcome
from include.financials.statuses import OPEN, POSTED, VOID


def test_posted(suite: Suite, make: Maker, written: str) -> None:
    """posted afterwards, it is the same document"""
    item, outcome = _entered(suite, make, written)
    found = _after(suite, item, outcome, "post")
    expect(found.status == "confirmed", f"{item.number} was posted, and is {found.status}: {found.message}")
    if outcome.status == "confirmed":
        expect(found.id == outcome.id, f"{item.number} was {outcome.id}, and is {found.id} after it was posted")
    status = getattr(found.record, "status", POSTED)
    expect(status in (POSTED, OPEN), f"{item.number} was posted, and its status is {status}")
    (again,) = suite.post(item)
    expect(again.id == found.id, f"{item.number} was posted, and sent again it is another document: {again.id}")


def test_rejected(suite: Suite, make: Maker, written: str) -> None:
    """refused afterwards, it is said so, and may be sent again"""
    item, outcome = _entered(suite, make, written)
    if outcome.status != "accepted":
        raise Missing("the ERP books a document at once: there is nothing to refuse afterwards")
    found = _after(suite, item, outcome, "reject")
    expect(found.status == "rejected", f"{item.number} was refused afterwards, and is {found.status}")
    expect(found.message, f"{item.number} was refused afterwards without a word")
    (again,) = suite.post(item)
    expect(again.status != "rejected", f"{item.number} was refused, and cannot be sent again: {again.message}")


def test_voided(suite: Suite, make: Maker, written: str) -> None:
    """voided afterwards, it counts for nothing and is not sent again"""
    item, outcome = _entered(suite, make, written)
    found = _after(suite, item, suite.settled(item, outcome), "void")  # what is void was in the books before
    expect(found.status == "confirmed", f"{item.number} was voided in the ERP, and is {found.status}: it would be sent again")
    status = getattr(found.record, "status", None)
    expect(status == VOID, f"{item.number} was voided in the ERP, and its status is {status}")


def _entered(suite: Suite, make: Maker, entity: str) -> tuple[Item, Outcome]:
    if suite.options.clerk is None:
        raise Missing("nobody posts, refuses or voids in the ERP: name a --clerk, or do it by hand and look at `sample`")
    item = make.make(entity)
    (outcome,) = suite.post(item)
    if outcome.status == "rejected":
        raise Missing(f"the document is refused: {outcome.message}")
    return item, outcome


def _after(suite: Suite, item: Item, outcome: Outcome, action: str) -> Outcome:
    assert suite.options.clerk is not None
    try:
        suite.options.clerk(action, item.record)
    except LookupError as error:
        raise Missing(f"the clerk does not {action} {item.record.entity}: {error}") from None
    suite.changed(item.record.entity)
    return suite.find(replace(item, handed=outcome.id or "") if outcome.status == "accepted" else item)
