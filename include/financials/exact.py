"""JSON of either side as it was written: no number passes through a binary float, none makes the rest unreadable, and of two
values of one name neither is taken for the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

DEEPEST = 64
"""Objects and lists within one another that are read; what is nested deeper no record is, and no code follows it to its end."""
_TEXTS = re.compile(rb'"[^"]*"')
_REST = bytes(set(range(256)) - set(b'[]{}"'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def loads(text: str | bytes, objects: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Numbers with a fraction become Decimal, digit by digit; so do NaN, Infinity and whole numbers of thousands of digits, which
    no field takes: the record with one is named, and its page goes on. ``objects`` may make something else of an object.

    Raises JSONDecodeError or UnicodeDecodeError for what is no JSON; ValueError for what is whole and cannot be read: it is
    nested too deeply, or an object has two values of one name (the same twice is one), which is named.
    """

    def once(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) < len(pairs):
            _alike(found, pairs)
        return found if objects is None else objects(found)

    try:
        try:
            read = json.loads(text, parse_float=Decimal, parse_constant=Decimal, object_pairs_hook=once)
        except (json.JSONDecodeError, UnicodeDecodeError, Ambiguous):
            raise
        except ValueError:  # a whole number of more digits than Python makes one of
            read = json.loads(text, parse_float=Decimal, parse_constant=Decimal, parse_int=_whole, object_pairs_hook=once)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    _shallow(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return read


class Ambiguous(ValueError):
    """An object has two values of one name."""


def _alike(found: dict[str, Any], pairs: list[tuple[str, Any]]) -> None:
    for name, value in pairs:
        if type(value) is not type(found[name]) or value != found[name]:
            raise Ambiguous(f"has {name!r} twice in one object, with two values")


def _shallow(text: bytes) -> None:
    """Raises ValueError for JSON that is nested too deeply."""
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")  # a backslash that is one, then a quote that ends no text
    # Two quotes side by side change nothing of what stands in a text and what does not.
    left = _TEXTS.sub(b"", text.translate(_ONE_KIND, _REST).replace(b'""', b""))
    for _ in range(DEEPEST):
        if not left:
            return
        left = left.replace(b"[]", b"")
    if left:
        raise ValueError("is nested too deeply")


def _whole(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)
