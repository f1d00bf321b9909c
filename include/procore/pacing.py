"""Keeping to Procore's request limits (docs/procore-contract.md 1.6).

Limits may change at any time, so nothing is hard-coded: every reply says how much is left of the tighter of its two windows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 7200.0
"""No window lasts longer than an hour: an end that is said to be further away (another unit, another clock) says nothing."""
UNSAID = 60.0
"""Seconds to stay away from a limit that does not say when it ends."""


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """The reply's ``Date`` as an aware datetime (UTC), None if it has none or a broken one."""
    try:
        moment = parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError, TypeError):
        return None
    return moment if moment.tzinfo else None


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(headers[name])
    except (KeyError, ValueError):
        return None
    return value if 0 <= value < 1e11 else None


def until_reset(headers: Mapping[str, str], wall: Callable[[], float] = time.time) -> float | None:
    """Seconds until the window named in ``X-Rate-Limit-Reset`` (unix seconds) begins anew, by the server's own clock."""
    reset = _number(headers, "X-Rate-Limit-Reset")
    if reset is None:
        return None
    now = server_time(headers)
    return _believed(reset - (now.timestamp() if now else wall()))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds; both forms of the header (seconds, or a date) are read."""
    seconds = _number(headers, "Retry-After")
    if seconds is not None or "Retry-After" not in headers:
        return _believed(seconds)
    try:
        moment = parsedate_to_datetime(headers["Retry-After"])
    except (ValueError, TypeError):
        return None
    now = server_time(headers)
    return _believed((moment - now).total_seconds()) if now and moment.tzinfo else None


def _believed(seconds: float | None) -> float | None:
    """A wait as it is kept to; what is over is none, and what no window is as long as was not said."""
    return None if seconds is None or seconds > LONGEST else max(0.0, seconds)


class Pace:
    """One call budget, shared by all clients of an account and company since Procore counts them together. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0
        self.limit: int | None = None
        self.remaining: int | None = None

    def wait(self) -> float:
        """Seconds to wait before the next call may be sent."""
        with self._lock:
            return max(0.0, self._not_before - self._clock())

    def hold(self, seconds: float) -> None:
        """Nobody sends anything for ``seconds``: further calls while limited are discouraged, and only lengthen the limit."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def observe(self, headers: Mapping[str, str], *, hold: bool = True) -> None:
        """Take note of a reply's limit headers; with nothing left, hold until the window is renewed (unless ``hold`` is off)."""
        limit, remaining = _number(headers, "X-Rate-Limit-Limit"), _number(headers, "X-Rate-Limit-Remaining")
        with self._lock:
            self.limit = int(limit) if limit is not None else self.limit
            self.remaining = int(remaining) if remaining is not None else self.remaining
        seconds = until_reset(headers) if hold and remaining == 0 else None
        if seconds:
            self.hold(seconds)


_PACES: dict[tuple[str, str, str], Pace] = {}
_PACES_LOCK = threading.Lock()


def shared_pace(base_url: str, company_id: str, client_id: str) -> Pace:
    """The process-wide budget of this service account in this company."""
    with _PACES_LOCK:
        return _PACES.setdefault((base_url, company_id, client_id), Pace())


def limited(headers: Mapping[str, str]) -> float:
    """Seconds to stay away after a 429."""
    return next((s for s in (retry_after(headers), until_reset(headers)) if s is not None), UNSAID)
