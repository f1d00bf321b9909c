"""The few figures that Procore writes as JSON numbers (docs/procore-contract.md §1.5): budgets, budget changes, tax rates.

They are stored and added up as decimal text like all others; only the reply is a floating-point number, as Procore's is.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from sandbox.procore.figures import ZERO


def number(value: str | Decimal | None) -> float | None:
    """A stored figure as the reply writes it; nothing may be computed from the result."""
    return None if value is None else float(value)


def total(figures: Iterable[str | None]) -> Decimal:
    """The exact sum of stored figures; missing ones count as nothing."""
    return sum((Decimal(figure) for figure in figures if figure), ZERO)
