"""Amounts: Decimal only, rounded half away from zero, per line and never on a total (docs/domain-rules.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


def to_cents(amount: Decimal) -> Decimal:
    """Rounded to 0.01, half away from zero (Python's ROUND_HALF_UP rounds away from zero on both sides of it);
    zero has no sign."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP) + ZERO


def cents(amount: Decimal) -> int:
    return int(to_cents(amount).scaleb(2))


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def text(amount: Decimal | None) -> str | None:
    """Plain decimal text with two places: what reports, XComs and the ledger carry."""
    return None if amount is None else format(to_cents(amount), "f")
