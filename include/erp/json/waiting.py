"""What the headers of a web service say of time: its clock, and when it asks to be called again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,10}")


def moment(date: str | None) -> datetime | None:
    """The header ``Date`` in UTC; None where there is none, or one that is no time."""
    try:
        return parsedate_to_datetime(date or "").astimezone(UTC)
    except (OverflowError, TypeError, ValueError):
        return None


def seconds(retry_after: str, now: datetime | None = None) -> float | None:
    """``Retry-After`` in seconds, whether it names seconds or a time; ``now`` is the clock of the service. None where it says
    nothing."""
    if _SECONDS.fullmatch(retry_after):
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - (now or datetime.now(UTC))).total_seconds())
    except (OverflowError, TypeError, ValueError):
        return None
