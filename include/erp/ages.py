"""How old what an ERP shows of itself may be: an export, a replica."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

AHEAD = timedelta(days=1)
"""No clock is wrong by more: what is dated further ahead says nothing of its age."""


def utc() -> datetime:
    """Our own clock."""
    return datetime.now(UTC)


def span(length: timedelta) -> str:
    """``26 hours``, ``3 days``: whole ones, rounded down."""
    minutes = int(length.total_seconds() // 60)
    for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= size * (2 if unit == "day" else 1):
            number = minutes // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "0 minutes"
