"""JSON without a float: a number with a fraction is a Decimal, written digit by digit (read: ``include/financials/exact.py``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any


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
