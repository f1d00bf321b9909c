"""Amounts: Decimal, half away from zero, never a float."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pytest

from include.financials.money import cents, text, to_cents, total

FOLDER = Path(__file__).resolve().parents[3] / "include" / "financials"


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("2.675", "2.68"),
        ("-2.675", "-2.68"),
        ("2.665", "2.67"),
        ("595.2975", "595.30"),
        ("0.0049", "0.00"),
        ("-0.0049", "0.00"),
    ],
)
def test_half_a_cent_goes_away_from_zero(amount: str, rounded: str) -> None:
    assert format(to_cents(Decimal(amount)), "f") == rounded


def test_rounding_is_the_same_on_both_sides_of_zero() -> None:
    rng = random.Random(3)
    for _ in range(500):
        amount = Decimal(rng.randint(0, 10**12)).scaleb(-rng.randint(0, 6))
        assert to_cents(-amount) == -to_cents(amount)
        assert abs(to_cents(amount) - amount) <= Decimal("0.005")
        assert cents(amount) == int(to_cents(amount) * 100)


def test_sums_are_exact() -> None:
    assert total([Decimal("0.10")] * 3) == Decimal("0.30")
    assert str(total([])) == "0.00"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(None, None), ("1486000", "1486000.00"), ("1E+3", "1000.00"), ("-0.00", "0.00"), ("-9500.5", "-9500.50")],
)
def test_text_is_plain_with_two_places(amount: str | None, shown: str | None) -> None:
    assert text(None if amount is None else Decimal(amount)) == shown


def test_no_amount_is_ever_a_float() -> None:
    """``float(`` in the domain would be one; the settings' shares are read through their text."""
    assert [path.name for path in FOLDER.glob("*.py") if "float(" in path.read_text(encoding="utf-8")] == []
