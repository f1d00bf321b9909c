"""The sandbox's one clock, for both systems.

``now`` is the wall clock plus one offset. The offset is stored in both stores (``clock`` in Procore's, ``sandbox_clock`` in the
ERP's, so that its triggers read the same time) and survives a restart. ``ticks`` is for durations: it never goes back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No clock of the sandbox goes beyond it: what is told of that time could not be written down any more."""


def stamp(moment: datetime) -> str:
    """UTC text as Procore writes it: ``2026-09-30T18:00:00Z`` (docs/procore-contract.md §1.5)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(moment: datetime | str) -> datetime:
    """An aware UTC datetime from a datetime or ISO text; text without an offset counts as UTC."""
    value = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Clock:
    """Wall clock plus offset (microseconds). ``keepers`` are called with every new offset, to store it."""

    def __init__(self, offset_us: int = 0) -> None:
        self._lock = threading.Lock()
        self._offset_us = offset_us
        self._skipped = 0.0
        self._keepers: list[Callable[[int], None]] = []

    @property
    def offset_us(self) -> int:
        return self._offset_us

    def keep_in(self, keeper: Callable[[int], None]) -> None:
        """Have every change of the offset stored by ``keeper``; it is told the present one at once."""
        self._keepers.append(keeper)
        keeper(self._offset_us)

    def now(self) -> datetime:
        """The present moment of the sandbox, UTC."""
        return datetime.now(UTC) + timedelta(microseconds=self._offset_us)

    def stamp(self) -> str:
        """``now`` as Procore writes it, whole seconds."""
        return stamp(self.now())

    def ticks(self) -> float:
        """Seconds since some start; moves on with :meth:`advance` and is never set back by :meth:`set`."""
        return time.monotonic() + self._skipped

    def advance(self, seconds: float) -> datetime:
        """Move on by ``seconds`` (>= 0) and return the new time. Raises ValueError for a negative number, and beyond LATEST."""
        if not seconds >= 0:
            raise ValueError("the clock only moves forward; reset sets it back to the anchor")
        if seconds > (LATEST - self.now()).total_seconds():
            raise ValueError(f"the clock goes as far as {stamp(LATEST)}")
        with self._lock:
            self._offset_us += round(seconds * SECOND_US)
            self._skipped += seconds
        self._tell()
        return self.now()

    def set(self, moment: datetime | str) -> datetime:
        """Make ``moment`` the present time; it runs on from there."""
        with self._lock:
            self._offset_us = round((instant(moment) - datetime.now(UTC)) / timedelta(microseconds=1))
        self._tell()
        return self.now()

    def restore(self, offset_us: int) -> None:
        """Go on with a stored offset."""
        with self._lock:
            self._offset_us = offset_us
        self._tell()

    def _tell(self) -> None:
        for keeper in self._keepers:
            keeper(self._offset_us)
