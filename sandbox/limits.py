"""The rate limit: an hourly window and a rolling 10-second one (docs/procore-contract.md §1.6)."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

HOUR = 3600.0
SPIKE = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one call: may it pass, and what the reply's headers say. ``wait`` in seconds, 0 when it may pass."""

    passed: bool
    limit: int
    remaining: int
    reset_in: float
    wait: float

    def headers(self, now: float) -> dict[str, str]:
        """``now`` is the sandbox's time in unix seconds."""
        found = {
            "X-Rate-Limit-Limit": str(self.limit),
            "X-Rate-Limit-Remaining": str(self.remaining),
            "X-Rate-Limit-Reset": str(math.ceil(now + self.reset_in)),
        }
        if not self.passed:
            found["Retry-After"] = str(max(1, math.ceil(self.wait)))
        return found


class Limiter:
    """Counts the calls of one company. Times are seconds of :meth:`sandbox.clock.Clock.ticks`."""

    def __init__(self, hour: int, spike: int) -> None:
        self._lock = threading.Lock()
        self.configure(hour, spike)

    def configure(self, hour: int, spike: int) -> None:
        """New limits; both windows start empty."""
        with self._lock:
            self._hour, self._spike = hour, spike
            self._opened: float | None = None
            self._used = 0
            self._recent: deque[float] = deque()

    def take(self, tick: float) -> Verdict:
        """Count one call if both windows have room for it. A refused call does not count."""
        with self._lock:
            self._expire(tick)
            passed = self._used < self._hour and len(self._recent) < self._spike
            if passed:
                if self._opened is None:
                    self._opened = tick
                self._used += 1
                self._recent.append(tick)
            return self._verdict(tick, passed)

    def _expire(self, tick: float) -> None:
        if self._opened is not None and tick - self._opened >= HOUR:
            self._opened, self._used = None, 0
        while self._recent and tick - self._recent[0] >= SPIKE:
            self._recent.popleft()

    def _verdict(self, tick: float, passed: bool) -> Verdict:
        hour_left = HOUR if self._opened is None else self._opened + HOUR - tick
        spike_left = SPIKE if not self._recent else self._recent[0] + SPIKE - tick
        hourly = (self._hour - self._used, self._hour, hour_left)
        spiking = (self._spike - len(self._recent), self._spike, spike_left)
        # The hourly figures usually appear only when that budget is used up (docs/procore-contract.md §1.6).
        remaining, limit, left = hourly if hourly[0] <= 0 else spiking
        waits = [window[2] for window in (hourly, spiking) if window[0] <= 0]
        return Verdict(passed, limit, max(0, remaining), left, 0.0 if passed else max(waits))
