"""Invented names, numbers and addresses, each a pure function of a running number: no list of them is ever kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import gcd, lcm

from sandbox.seed.tables import (
    ANCHOR,
    CITIES,
    NAME_HEADS,
    NAME_MIDDLES,
    NAME_TAILS,
    SPECIAL_NAMES,
    STREETS,
    TRADES,
)

_ROOTS = len(NAME_HEADS) * len(NAME_TAILS)
_PLACES = _ROOTS * len(NAME_MIDDLES)
_CYCLE = lcm(_PLACES, len(TRADES))
_DISTINCT = _CYCLE * gcd(_PLACES, len(TRADES))
"""So many pairs of place and trade come before one comes again."""
DOCUMENT_DAYS = 92
"""July to September 2026, the days over which documents are spread."""

SENT_AFTER = timedelta(minutes=20)
"""Between a document's last change on the side it was born on and the moment the other side got it."""


def place_name(n: int) -> str:
    """An invented place; the first ``_PLACES`` all differ, then they come again."""
    layer, rest = divmod(n % _PLACES, _ROOTS)
    shuffled = rest * 463 % _ROOTS
    return NAME_HEADS[shuffled % len(NAME_HEADS)] + NAME_MIDDLES[layer] + NAME_TAILS[shuffled // len(NAME_HEADS)]


def vendor_name(n: int) -> str:
    """Place and trade, at most 30 characters. Each cycle pairs them anew; when all pairs are used up, a number follows."""
    name = SPECIAL_NAMES.get(n) or f"{place_name(n + n // _CYCLE)} {TRADES[n % len(TRADES)][1]}"
    return name if n < _DISTINCT else f"{name} {n // _DISTINCT + 1}"


def vendor_code(n: int) -> str:
    return f"V-{1001 + n}"


def tax_id(n: int) -> str:
    """Shaped like an employer number, with a prefix that no office has issued."""
    return f"89-{(n * 7919 + 1234567) % 10_000_000:07d}"


def address(n: int) -> tuple[str, str, str, str]:
    """Street, city, state, zip."""
    city, state, code = CITIES[n % len(CITIES)]
    return f"{100 + n * 37 % 9800} {STREETS[n % len(STREETS)]}", city, state, code


def phone(n: int) -> str:
    """Of the numbers reserved for fiction."""
    return f"614-555-{100 + n % 100:04d}"


def master_moment(n: int) -> datetime:
    """Last change of a master record: between January and June 2026."""
    return datetime(2026, 1, 5, 8, tzinfo=ANCHOR.tzinfo) + timedelta(days=n * 53 % 172, seconds=n * 977 % 32_400)


def document_moment(n: int) -> datetime:
    """Last change of a document: between July 1 and September 30, 2026, always before the anchor."""
    return datetime(2026, 7, 1, 7, tzinfo=ANCHOR.tzinfo) + timedelta(days=n * 37 % DOCUMENT_DAYS, seconds=n * 4273 % 37_000)
