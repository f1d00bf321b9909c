"""Whether an invoice adds up: what its items say against its summary, its retainage and its contract (rules I-06 to I-09)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NotRequired, TypedDict

from include.financials.billing import BillingItem, Invoice, by_key, certificate, key_of, movement, movements, retained
from include.financials.billing import balance as by_balance
from include.financials.money import ZERO, cents, text, total


class ArithmeticRow(TypedDict):
    gross_odd: int | None
    gross_by_balance: NotRequired[str | None]
    gross_by_movement: NotRequired[str | None]
    retainage: NotRequired[str | None]
    retainage_before: NotRequired[str | None]
    retainage_held: NotRequired[str | None]
    retainage_released: NotRequired[str | None]
    retainage_cents: int
    completed_odd: str | None
    completed_items: NotRequired[str | None]


def arithmetic(own: Invoice, before: Sequence[BillingItem]) -> ArithmeticRow:
    earlier = by_key(before)
    odd = next(
        (
            (item, moved, balanced)
            for item in by_key(own.items).values()
            if (moved := movement(item, earlier.get(key_of(item))).gross)
            != (balanced := by_balance(item, earlier.get(key_of(item))))
        ),
        None,
    )
    stated = certificate(own.items, own.contract_sum or ZERO, own.certified or ZERO)
    held_before = total(map(retained, before))
    held, released = (total(getattr(m, name) for m in movements(own.items, before).values()) for name in ("held", "released"))
    retainage = own.retainage if own.retainage is not None else stated.retainage
    expected = held_before + held - released
    completed = own.completed if own.completed is not None else stated.completed
    return {
        "gross_odd": odd[0].position if odd else None,
        "gross_by_balance": text(odd[2]) if odd else None,
        "gross_by_movement": text(odd[1]) if odd else None,
        "retainage": text(retainage),
        "retainage_before": text(held_before),
        "retainage_held": text(held),
        "retainage_released": text(released),
        "retainage_cents": cents(retainage - expected),
        "completed_odd": None if completed == stated.completed else text(completed),
        "completed_items": text(stated.completed),
    }


def released_too_much(own: Invoice, before: Sequence[BillingItem]) -> str | None:
    """Retainage released beyond what is held, over the whole contract."""
    moves = movements(own.items, before).values()
    released, available = total(m.released for m in moves), total(map(retained, before)) + total(m.held for m in moves)
    return text(released) if released > 0 and released > available else None


def overbilled(own: Invoice, revised: Decimal | None) -> str | None:
    billed = sum((item.previous + item.work + item.stored for item in own.items), ZERO)
    if revised is None or billed <= max(revised, ZERO):
        return None
    return f"{billed / revised * 100:.0f} %" if revised > 0 else f"{text(billed)}, and it is worth {text(revised)}"
