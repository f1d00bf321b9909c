"""Figures as they stand in replies (docs/procore-contract.md §1.5)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal(0)


def figure(value: str | Decimal | None, salt: int) -> str | None:
    """A figure as v1 writes it: the scale varies from record to record (``250.0``, ``7300.00``), no digit is lost."""
    if value is None:
        return None
    whole, _, fraction = format(Decimal(value), "f").partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(1 + salt % 2, '0')}"


def money(value: str | Decimal | None) -> str:
    """A figure with its cents, as v2 and the billing forms write it."""
    return format(Decimal(value or 0).quantize(CENT, ROUND_HALF_UP), "f")


def product(quantity: str, unit_cost: str) -> str:
    """The amount of a calculated line: rounded half away from zero to the cent."""
    return money(Decimal(quantity) * Decimal(unit_cost))


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """``part`` in percent of ``whole`` with two places; 0.00 of nothing."""
    return (part / whole * 100).quantize(CENT, ROUND_HALF_UP) if whole else Decimal("0.00")
