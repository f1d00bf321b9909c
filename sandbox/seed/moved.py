"""A seed that reaches to another day than the anchor's: what was done was done so many days later.

Moments move (created, changed, submitted, reviewed), and so do the dates of insurance policies, which runs hold against today.
The books do not: accounting dates, periods and what was billed in them stay those of docs/domain-rules.md 5, so that every figure
and every planted problem is the same on every day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Protocol

Row = dict[str, Any]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_HELD_AGAINST_TODAY = ("effective_date", "expiration_date")


class Store(Protocol):
    def load(self, kind: str, rows: Iterable[Row]) -> Any: ...


class MovedStore:
    """A store that takes every row ``days`` later."""

    def __init__(self, store: Store, days: int) -> None:
        self._store, self._days = store, days

    def load(self, kind: str, rows: Iterable[Row]) -> Any:
        return self._store.load(kind, moved(rows, self._days))


def moved(rows: Iterable[Row], days: int) -> Iterator[Row]:
    """The rows with their moments (``2026-09-30T16:00:00Z``, with or without milliseconds) and policies' dates ``days`` later."""
    for row in rows:
        yield {name: _later(name, value, days) for name, value in row.items()} if days else row


def _later(name: str, value: Any, days: int) -> Any:
    if isinstance(value, Mapping):
        return {inner: _later(inner, each, days) for inner, each in value.items()}
    if isinstance(value, list):
        return [_later(name, each, days) for each in value]
    if not isinstance(value, str):
        return value
    if name in _HELD_AGAINST_TODAY:
        return (date.fromisoformat(value) + timedelta(days=days)).isoformat()
    if _MOMENT.match(value):
        return (datetime.fromisoformat(value[:19]) + timedelta(days=days)).isoformat() + value[19:]
    return value
