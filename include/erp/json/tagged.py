"""What JSON lacks travels as an object with a tag: ``{"__class__": "Decimal", "decimal": "1.00"}``. Bare numbers are those of
``include/erp/json/numbers.py``: an ERP may keep a quantity as a float, we never do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from include.financials import exact

TAG = "__class__"


def tagged(value: Any) -> Any:
    """A value as a tagged object, where JSON has nothing for it; other values as they are."""
    if isinstance(value, Decimal):
        return {TAG: "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {TAG: "datetime", **{name: getattr(value, name) for name in parts}}
    if isinstance(value, date):
        return {TAG: "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, bytes):
        return {TAG: "bytes", "base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tagged(item) for item in value]
    return value


_UNTAG: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "Decimal": lambda o: Decimal(o["decimal"]),
    "datetime": lambda o: datetime(  # noqa: DTZ001 - without zone, as it is kept; the mapping's codec knows which is meant
        o["year"], o["month"], o["day"], o["hour"], o["minute"], o["second"], o["microsecond"]
    ),
    "date": lambda o: date(o["year"], o["month"], o["day"]),
    "time": lambda o: time(o["hour"], o["minute"], o["second"], o["microsecond"]),
    "timedelta": lambda o: timedelta(seconds=float(o["seconds"])),
    "bytes": lambda o: base64.b64decode(o["base64"]),
}


def _untag(found: dict[str, Any]) -> Any:
    known = _UNTAG.get(str(found.get(TAG, "")))
    try:
        return known(found) if known else found
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return found  # 30 February: whoever reads the field says what stands there


def loads(text: str | bytes) -> Any:
    """Raises ValueError for what is no JSON. A tagged object that is nothing of its kind stays what it is."""
    return exact.loads(text, _untag)
