"""When a web service asks to be called again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds(retry_after: str, now: datetime | None = None) -> float | None:
    """``Retry-After`` in seconds, whether it names seconds or a time; ``now`` is the clock of the service. None where it says
    nothing."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None
