"""JSON without a float in either direction: a number with a fraction is a Decimal, digit by digit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any


def loads(text: str | bytes, objects: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """``objects`` may make something else of an object. Raises ValueError for what is no JSON or lies too deep in itself, and for
    the numbers that are none (NaN, Infinity)."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_hook=objects)
    except RecursionError:
        raise ValueError("it lies too deep in itself") from None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def dumps(value: Any) -> str:
    """Compact JSON; dates and times as ISO 8601. Raises TypeError for a float and for what JSON lacks."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; amounts and quantities are Decimal")
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is no number")
        return format(value, "f")
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(key), ensure_ascii=False)}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
