"""What a row of Procore tells of itself when it cannot be read as a whole: its identity, place and amount, field by field.

A row that does not fit is quarantined, and what it shows here says whose twin it may be (``include.financials.existence``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from include.financials.legible import broken

_COMMON: Mapping[str, tuple[str, ...]] = {
    "origin_id": ("origin_id",),
    "origin_data": ("origin_data",),
    "status": ("status",),
    "currency": ("currency_configuration.currency_iso_code", "currency_iso_code"),
}
CONTRACT: Mapping[str, tuple[str, ...]] = {"number": ("number",), "amount": ("grand_total",)}
CHANGE: Mapping[str, tuple[str, ...]] = {"change_number": ("number",), "amount": ("grand_total",)}
PAYMENT: Mapping[str, tuple[str, ...]] = {
    "payment_number": ("check_number", "payment_number"),
    "invoice_number": ("invoice_number",),
    "amount": ("amount",),
}


def shown(
    fields: Mapping[str, tuple[str, ...]], data: Any, scope: str | None = None, **known: str | None
) -> dict[str, str | None]:
    """The fields that a row shows, in Procore's ids; one whose value is of a kind that tells nothing is left out. ``fields``:
    canonical field -> where a row has it; the first place that tells anything counts. ``known``: what the caller knows without
    the row (the contract whose list it stands in)."""
    found: dict[str, str | None] = {"project": scope} if scope is not None else {}
    if isinstance(data, Mapping):
        for name, places in {**_COMMON, **fields}.items():
            values = [_value(data, place) for place in places]
            if (value := next((value for value in values if value), None)) is not None:
                found[name] = value
            elif all(value == "" for value in values):
                found[name] = None
    return {**found, **{name: value for name, value in known.items() if value}}


def _value(data: Mapping[str, Any], place: str) -> str | None:
    """Text, "" for nothing, None for what cannot be told."""
    value: Any = data
    for part in place.split("."):
        if value in (None, "", [], {}):
            return ""
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    plain = str(value).strip()
    return None if broken(plain) else plain
