"""Text of records and of answers as logs, reports and terminals may be shown it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (a new line that would begin a log entry of its own, a terminal's commands), marks that turn the reading
direction, and halves of characters, which no file takes."""

_BROKEN = re.compile("[\x00\ud800-\udfff]")


def broken(text: str) -> str | None:
    """Why no database can keep a text: a NUL (PostgreSQL has none), or bytes and escapes that are no characters."""
    if text.isascii() and "\x00" not in text:
        return None
    found = _BROKEN.search(text)
    if found is None:
        return None
    return "holds a NUL character" if found[0] == "\x00" else "holds half a character (a lone surrogate), or is not UTF-8"


def legible(text: str) -> str:
    """On one line, with everything that steers instead of being read in its escaped form (``\\\\x1b``, ``\\\\u202e``)."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def nearest(what: str, wrong: Iterable[str], known: Iterable[str]) -> str:
    """``unknown parameter mod (did you mean mode?); known: ...``"""
    candidates = list(known)
    by_folded = {name.casefold(): name for name in candidates}
    told = []
    for name in wrong:
        close = [by_folded[found] for found in get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)]
        told.append(f"{name!r} (did you mean {', '.join(close)}?)" if close else repr(name))
    shown = ", ".join(candidates[:30]) + (" ..." if len(candidates) > 30 else "")
    return f"{what} {', '.join(told)}; known: {shown or 'none'}"
