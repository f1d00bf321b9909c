"""A bill on a contract and its arithmetic, AIA G702 / G703, for subcontractors' and the owner's alike (docs/domain-rules.md 3).

Amounts are Decimal in the invoice's currency. ``T`` completed and stored to date, ``R`` retainage, ``E`` = T - R, ``G`` the gross
of this invoice: what posts as cost. Stored materials are a balance, not a movement: the gross counts their change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar

from include.financials.identity import plain
from include.financials.money import ZERO, text, total
from include.financials.record import (
    Figures,
    LineModel,
    Model,
    Money,
    Record,
    Text,
    Whole,
    contract_of,
    line_figures,
)
from include.financials.statuses import POSTED, UNPOSTED, VOID


class BillingItem(Model):
    """One row of a G703 as Procore states it (docs/domain-rules.md 3; the letters are those of that section).

    ``line`` is the Procore id of the contract's or the change order's line; ``change_order`` the package's id, None for a line of
    the original contract.
    """

    id: Text
    position: Whole
    line: str | None
    change_order: str | None = None
    scheduled: Money = Decimal("0.00")
    previous: Money = Decimal("0.00")
    """P"""
    work: Money = Decimal("0.00")
    """W"""
    moved: Money = Decimal("0.00")
    """MV"""
    stored: Money = Decimal("0.00")
    """S, a balance"""
    stored_previous: Money | None = None
    """S of the invoice before, where the item states it"""
    retainage_previous: Money = Decimal("0.00")
    """rP"""
    retainage_moved: Money = Decimal("0.00")
    retainage_work: Money = Decimal("0.00")
    """rW"""
    released: Money = Decimal("0.00")
    """rR"""
    retainage_stored: Money = Decimal("0.00")
    """rS, a balance"""
    released_stored: Money = Decimal("0.00")
    """rRS"""
    tax: Money = Decimal("0.00")


class InvoiceLine(LineModel):
    """What one line of an invoice posts: gross cost, retainage held and released, tax. ``line`` is the position of the contract's
    line or, with ``change_order`` (its ``change_number``), of that change order's."""

    content: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type", "amount", "held", "released", "tax")
    frozen: ClassVar[tuple[str, ...]] = content
    keyed: ClassVar[tuple[str, ...]] = ("change_order", "line")

    change_order: str | None = None
    line: Whole | None = None
    cost_code: str | None = None
    cost_type: str | None = None
    amount: Money
    """Gross"""
    held: Money = Decimal("0.00")
    released: Money = Decimal("0.00")
    tax: Money = Decimal("0.00")

    @property
    def key(self) -> str:
        return f"{self.change_order or ''}#{self.line}"

    def figures(self) -> Figures:
        return line_figures(self) | {"held": text(self.held), "released": text(self.released), "tax": text(self.tax)}


class Invoice(Record):
    """A bill on a contract. ``amount`` is its gross G, ``due`` = amount - held + released, before tax.

    ``number`` is the invoice number. To-date figures (Procore's G702; None in an ERP that does not keep them): ``completed`` T,
    ``retainage`` R, ``certified`` E(n-1), ``contract_sum``. ``items`` are Procore's rows, ``lines`` what is posted.
    """

    line = InvoiceLine
    statuses = (UNPOSTED, POSTED, VOID)

    project: Text
    sequence: Whole
    """1 for the first invoice of its contract."""
    previous: str | None = None
    """Own-side id of the invoice before."""
    status: Text
    currency: str | None = None
    billing_date: date | None = None
    posting_date: date | None = None
    amount: Money
    held: Money = Decimal("0.00")
    released: Money = Decimal("0.00")
    tax: Money = Decimal("0.00")
    completed: Money | None = None
    retainage: Money | None = None
    certified: Money | None = None
    due_stated: Money | None = None
    """Current payment due as the summary states it."""
    contract_sum: Money | None = None
    items: tuple[BillingItem, ...] = ()
    lines: tuple[InvoiceLine, ...] = ()

    @property
    def due(self) -> Decimal:
        return self.amount - self.held + self.released

    def figures(self) -> Figures:
        money = {name: text(getattr(self, name)) for name in ("held", "released", "tax", "due", "completed", "retainage")}
        # What the summary does not state is not zero: it is what the items say.
        of_items = {"completed": completed, "retainage": retained}
        money |= {
            name: text(total(map(of, self.items))) for name, of in of_items.items() if self.items and getattr(self, name) is None
        }
        return super().figures() | {
            "contract": contract_of(self),
            "sequence": self.sequence,
            **money,
            # The next invoice's movements are counted from these balances.
            "items": [plain(item.model_dump(exclude_defaults=True)) for item in self.items],
        }


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
