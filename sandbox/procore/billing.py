"""Billing arithmetic of G702 and G703, the same for subcontractor and owner invoices (docs/domain-rules.md §3).

An item is a dict of the document that holds it; its money are texts with two places. Letters in comments are those of §3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore.attributes import Attribute, accept, choice, decimal, plain
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import ZERO, money, percent, product

Item = dict[str, Any]
Key = tuple[str, int]

CONTRACT_ITEM, CHANGE_ITEM = "contract_item", "change_order_item"

SCHEDULED = "scheduled_value"
PREVIOUS = "work_completed_from_previous_application"  # P
WORK = "work_completed_this_period"  # W
MOVED = "materials_moved"  # MV
STORED = "materials_presently_stored"  # S
STORED_BEFORE = "materials_presently_stored_from_previous_progress"  # S of the document before
R_PREVIOUS = "work_completed_retainage_from_previous_application"  # rP
R_WORK = "work_completed_retainage_retained_this_period"  # rW
R_RELEASED = "work_completed_retainage_released_this_period"  # rR
R_STORED = "materials_stored_retainage_currently_retained"  # rS
R_STORED_RELEASED = "materials_stored_retainage_released_this_period"  # rRS
R_MOVED = "materials_retainage_retained_moved"
MONEY = (
    SCHEDULED, PREVIOUS, WORK, MOVED, STORED, STORED_BEFORE,
    R_PREVIOUS, R_WORK, R_RELEASED, R_STORED, R_STORED_RELEASED, R_MOVED,
)  # fmt: skip
QUANTITY = "work_completed_this_period_quantity"
QUANTITY_BEFORE = "work_completed_from_previous_application_quantity"
R_STORED_RETAINED = "materials_stored_retainage_retained_this_period"
WORK_PERCENT, STORED_PERCENT = "work_completed_retainage_percent_this_period", "materials_stored_retainage_percent_this_period"


def of(item: Mapping[str, Any] | None, *names: str) -> Decimal:
    """The sum of these figures of an item; none of them is 0."""
    return ZERO if item is None else sum((Decimal(item.get(name) or 0) for name in names), ZERO)


def key_of(item: Mapping[str, Any]) -> Key:
    """What tells an item from the others of its document, and finds it in the document before."""
    return item["item_type"], item["line_item_id"]


def by_key(items: Iterable[Item]) -> dict[Key, Item]:
    return {key_of(item): item for item in items}


def completed(item: Mapping[str, Any] | None) -> Decimal:
    """T of one item."""
    return of(item, PREVIOUS, WORK, STORED)


def retained(item: Mapping[str, Any] | None) -> Decimal:
    """R of one item; rS is net of what was released of it."""
    return of(item, R_PREVIOUS, R_WORK, R_STORED) - of(item, R_RELEASED)


def earned(items: Iterable[Mapping[str, Any]]) -> Decimal:
    """E of a document: total earned less retainage."""
    return sum((completed(item) - retained(item) for item in items), ZERO)


def gross(item: Mapping[str, Any]) -> Decimal:
    """G of one item, by movements: W + MV + S(n) - S(n-1)."""
    return of(item, WORK, MOVED, STORED) - of(item, STORED_BEFORE)


def completed_before(item: Mapping[str, Any]) -> Decimal:
    """T(n-1) of one item: what was moved has left the stored materials and stands in P now."""
    return of(item, PREVIOUS, STORED_BEFORE) - of(item, MOVED)


def stored_retainage_before(item: Mapping[str, Any], before: Mapping[str, Any] | None) -> Decimal:
    """rS(n-1); without the document before: what was moved of it."""
    return of(item, R_MOVED) if before is None else of(before, R_STORED)


# -- a new document ----------------------------------------------------------------------------------------------------


def opened(line: Mapping[str, Any], item_type: str, before: Item | None, *, moving: bool) -> Item:
    """The item of a line in a new document: previous figures carried, this period's work 0.

    Stored materials are a balance and stay as they are; with ``moving`` they go into the previous work, with their retainage.
    ``line``: of the contract, or of a change order (it then names its package).
    """
    item: Item = {
        "item_type": item_type,
        "line_item_id": line["id"],
        "change_order_package_id": line.get("package_id"),
        "commitment_line_item_id": line.get("commitment_line_item_id"),
        **dict.fromkeys(MONEY, "0.00"),
        SCHEDULED: money(line.get("amount")),
        QUANTITY: None,
        QUANTITY_BEFORE: None,
        "taxes": [],
    }
    if before is None:
        return item
    moved, moved_retainage = (of(before, STORED), of(before, R_STORED)) if moving else (ZERO, ZERO)
    figures = {
        PREVIOUS: of(before, PREVIOUS, WORK) + moved,
        MOVED: moved,
        STORED: of(before, STORED) - moved,
        STORED_BEFORE: of(before, STORED),
        R_PREVIOUS: of(before, R_PREVIOUS, R_WORK) - of(before, R_RELEASED) + moved_retainage,
        R_STORED: of(before, R_STORED) - moved_retainage,
        R_MOVED: moved_retainage,
    }
    quantity = of(before, QUANTITY_BEFORE, QUANTITY)
    return {**item, **{name: money(value) for name, value in figures.items()}, QUANTITY_BEFORE: format(quantity, "f")}


# -- figures that a request changes ------------------------------------------------------------------------------------

ENTERED = (
    *plain(f"{WORK} {STORED} {R_WORK} {R_RELEASED} {R_STORED} {R_STORED_RETAINED}", decimal),
    *plain(f"{QUANTITY} {WORK_PERCENT} {STORED_PERCENT} subcontractor_claimed_amount", decimal),
    Attribute("comment"),
    Attribute("status", choice("approved", "rejected", "no_action")),
)


def entered(
    item: Item, sent: Mapping[str, Any], contract: Mapping[str, Any], line: Mapping[str, Any], before: Item | None
) -> Item:
    """An item with the figures of a request. Retainage that is not sent follows from the contract's percentage.

    Raises Invalid: 400 for a value of a wrong type, 422 for a quantity on a contract that is billed by amounts.
    """
    taken, _ = accept(ENTERED, sent, "u", creates=False)
    shares = {WORK: taken.pop(WORK_PERCENT, None), STORED: taken.pop(STORED_PERCENT, None)}
    if taken.get(QUANTITY) is not None:
        if contract.get("accounting_method") != "unit":
            raise Invalid({QUANTITY: ["can only be entered where the accounting method is unit"]}, 422)
        taken[WORK] = product(taken[QUANTITY], line.get("unit_cost") or "0")
    if (kept := taken.pop(R_STORED_RETAINED, None)) is not None:
        taken[R_STORED] = money(Decimal(kept) + stored_retainage_before(item, before) - of(item, R_MOVED))
    found = {**item, **{name: money(value) if name in MONEY else value for name, value in taken.items()}}
    for name, retainage in ((WORK, R_WORK), (STORED, R_STORED)):
        if retainage not in taken and (name in taken or shares[name] is not None):
            share = Decimal(shares[name] if shares[name] is not None else contract.get("retainage_percent") or 0)
            found[retainage] = money(of(found, name) * share / 100)
    return found


# -- the form ----------------------------------------------------------------------------------------------------------


def gross_of(items: Iterable[Mapping[str, Any]]) -> Decimal:
    return sum(map(gross, items), ZERO)


def tax_of(item: Mapping[str, Any]) -> Decimal:
    return sum((Decimal(tax.get("amount") or 0) for tax in item.get("taxes") or ()), ZERO)


def certificate(items: Sequence[Item], before: Sequence[Item]) -> dict[str, Decimal]:
    """Lines 1 to 9 of a G702 and what stands around them. ``before``: the items of the document before; none for the first."""
    earlier = by_key(before)
    contract = sum((of(item, SCHEDULED) for item in items if item["item_type"] == CONTRACT_ITEM), ZERO)
    changes = [(of(item, SCHEDULED), key_of(item) in earlier) for item in items if item["item_type"] == CHANGE_ITEM]
    net = sum((value for value, _ in changes), ZERO)
    done, held = sum(map(completed, items), ZERO), sum(map(retained, items), ZERO)
    stored, on_stored = _total(items, STORED), _total(items, R_STORED)
    new = sum((max(ZERO, of(item, STORED) - of(item, STORED_BEFORE)) for item in items), ZERO)
    due_before = earned(before)
    return {
        "original_contract_sum": contract,
        "net_change_by_change_orders": net,
        "contract_sum_to_date": contract + net,
        "total_completed_and_stored_to_date": done,
        "completed_work_retainage_amount": held - on_stored,
        "completed_work_retainage_percent": percent(held - on_stored, done - stored),
        "stored_materials_retainage_amount": on_stored,
        "stored_materials_retainage_percent": percent(on_stored, stored),
        "total_retainage": held,
        "total_earned_less_retainage": done - held,
        "less_previous_certificates_for_payment": due_before,
        "current_payment_due": done - held - due_before,
        "balance_to_finish_including_retainage": contract + net - done + held,
        "tax_applicable_to_this_payment": sum(map(tax_of, items), ZERO),
        "stored_materials": stored - new,
        "new_materials": new,
        **_change_totals(changes),
    }


def _total(items: Sequence[Item], name: str) -> Decimal:
    return sum((of(item, name) for item in items), ZERO)


def _change_totals(changes: Sequence[tuple[Decimal, bool]]) -> dict[str, Decimal]:
    """Additions and deductions, of all change orders, those of this document and those of earlier ones."""
    found = {}
    for infix, wanted in (("", (True, False)), ("new_", (False,)), ("previous_", (True,))):
        values = [value for value, is_earlier in changes if is_earlier in wanted]
        found[f"positive_{infix}change_order_item_total"] = sum((value for value in values if value > 0), ZERO)
        found[f"negative_{infix}change_order_item_total"] = sum((value for value in values if value < 0), ZERO)
    return found


SUMMARY_ONLY = ("stored_materials", "new_materials")
"""Lines that requisitions have and payment applications have not."""


def summary(items: Sequence[Item], before: Sequence[Item], stored: Mapping[str, Any] | None, period: str) -> dict[str, Any]:
    """The form as replies have it; a stored figure ("imported from an older system") wins over the derived one."""
    figures = {name: money(value) for name, value in certificate(items, before).items()}
    return {**figures, "formatted_period": period, **(stored or {})}


def percent_complete(form: Mapping[str, Any]) -> str:
    """Completed and stored in percent of the contract sum to date, as text without a sign."""
    done, total = (Decimal(form[name]) for name in ("total_completed_and_stored_to_date", "contract_sum_to_date"))
    return format(percent(done, total), "f")
