"""Billing arithmetic of AIA G702 / G703, the same for subcontractor and owner invoices (docs/domain-rules.md 3).

Amounts are Decimal in the invoice's currency. ``T`` completed and stored to date, ``R`` retainage, ``E`` = T - R, ``G`` the gross
of this invoice: what posts as cost. Stored materials are a balance, not a movement: the gross counts their change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from include.financials.models import BillingItem
from include.financials.money import ZERO, total

Key = tuple[str | None, str | None]
"""(change order, line) of an item: what tells it from the others of its invoice, and finds it in the invoice before."""


def key_of(item: BillingItem) -> Key:
    return item.change_order, item.line


@dataclass(frozen=True, slots=True)
class Movement:
    """What one item moves in one invoice."""

    gross: Decimal = ZERO
    held: Decimal = ZERO
    released: Decimal = ZERO
    tax: Decimal = ZERO

    @property
    def empty(self) -> bool:
        return not (self.gross or self.held or self.released or self.tax)

    @property
    def due(self) -> Decimal:
        """Current payment due, before tax."""
        return self.gross - self.held + self.released


def completed(item: BillingItem) -> Decimal:
    """T of one item: work of earlier invoices and of this one, and the materials stored now."""
    return item.previous + item.work + item.stored


def bills(item: BillingItem) -> bool:
    """Whether the invoice moves anything on this row: rows of all approved change orders stand in it, billed or not."""
    moved = (item.work, item.moved, item.stored, item.retainage_work, item.retainage_stored, item.retainage_moved)
    return any((*moved, item.released, item.released_stored, item.tax))


def retained(item: BillingItem) -> Decimal:
    """R of one item. ``retainage_previous`` contains what was moved from stored materials to work."""
    return item.retainage_previous + item.retainage_work - item.released + item.retainage_stored


def movement(item: BillingItem, before: BillingItem | None) -> Movement:
    """By movements: G = W + MV + S(n) - S(n-1); held = rW + rS(n) - rS(n-1) + retainage moved + rRS; released = rR + rRS."""
    stored_before = before.stored if before is not None else item.stored_previous or ZERO
    retainage_before = before.retainage_stored if before is not None else ZERO
    return Movement(
        gross=item.work + item.moved + item.stored - stored_before,
        held=item.retainage_work + item.retainage_stored - retainage_before + item.retainage_moved + item.released_stored,
        released=item.released + item.released_stored,
        tax=item.tax,
    )


def balance(item: BillingItem, before: BillingItem | None) -> Decimal:
    """By balances: G = T(n) - T(n-1). Where it differs from :func:`movement`, stored materials are probably counted twice."""
    return completed(item) - (completed(before) if before is not None else ZERO)


_MONEY = tuple(name for name in BillingItem.model_fields if name not in ("id", "position", "line", "change_order"))


def by_key(items: Sequence[BillingItem]) -> dict[Key, BillingItem]:
    """One row per line: those of a subcontractor's own breakdown are added up, balances like movements."""
    found: dict[Key, BillingItem] = {}
    for item in items:
        key = key_of(item)
        found[key] = _added(found[key], item) if key in found else item
    return found


def _added(one: BillingItem, other: BillingItem) -> BillingItem:
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in _MONEY}
    return one.model_copy(update={name: (a or ZERO) + (b or ZERO) for name, (a, b) in pairs.items() if (a, b) != (None, None)})


def movements(items: Sequence[BillingItem], before: Sequence[BillingItem] = ()) -> dict[Key, Movement]:
    """Movement of each line."""
    earlier = by_key(before)
    return {key: movement(item, earlier.get(key)) for key, item in by_key(items).items()}


def totals(items: Sequence[BillingItem], before: Sequence[BillingItem] = ()) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """(gross, held, released, tax) of an invoice; ``before`` are the items of the one before it (empty for the first)."""
    moved = movements(items, before).values()
    return (
        total(move.gross for move in moved),
        total(move.held for move in moved),
        total(move.released for move in moved),
        total(move.tax for move in moved),
    )


@dataclass(frozen=True, slots=True)
class Certificate:
    """The lines of a G702 that both sides must agree on."""

    contract_sum: Decimal
    completed: Decimal
    retainage: Decimal
    previous: Decimal

    @property
    def earned(self) -> Decimal:
        """E: total earned less retainage."""
        return self.completed - self.retainage

    @property
    def due(self) -> Decimal:
        return self.earned - self.previous

    @property
    def balance_to_finish(self) -> Decimal:
        return self.contract_sum - self.earned

    @property
    def percent(self) -> Decimal:
        """Completed and stored, in percent of the contract sum, two places."""
        return (self.completed / self.contract_sum * 100).quantize(Decimal("0.01")) if self.contract_sum else ZERO


def certificate(items: Sequence[BillingItem], contract_sum: Decimal, previous: Decimal) -> Certificate:
    """``previous``: E of the invoice before (0.00 for the first)."""
    return Certificate(contract_sum, total(map(completed, items)), total(map(retained, items)), previous)
