"""JSON of either side as it was written: no number passes through a binary float, and none makes the rest unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any


def loads(text: str | bytes, objects: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Numbers with a fraction become Decimal, digit by digit; so do NaN, Infinity and whole numbers of thousands of digits, which
    no field takes: the record with one is named, and its page goes on. ``objects`` may make something else of an object.

    Raises ValueError (JSONDecodeError, UnicodeDecodeError) for what is no JSON, or is nested too deeply to be read.
    """
    try:
        try:
            return json.loads(text, parse_float=Decimal, parse_constant=Decimal, object_hook=objects)
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise
        except ValueError:  # a whole number of more digits than Python makes one of
            return json.loads(text, parse_float=Decimal, parse_constant=Decimal, parse_int=_whole, object_hook=objects)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _whole(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)
