"""A write departs: the last look at the lease before its bytes leave, or before its transaction is committed.

A lease is renewed before each request. Between that and the moment in which something leaves, a process may stand still for as
long as its machine likes (a stopped container, a suspended host, a connection that takes its time), and another task may have
taken over, looked for the write in vain and sent it. So whatever sends for the other side calls :func:`depart` where nothing but
the sending is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FRESH = 20.0
"""Seconds that a renewal is trusted for. What departs then has most of its lease before it, longer than any answer may take."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def clocks() -> tuple[float, float]:
    """Seconds on the clock that goes on while the machine sleeps, where it has one (Linux), and by the day: a host that held its
    machine still (a snapshot, a laptop that was closed over a container) sets only that one right."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK), time.time()


class Alive:
    """A way to renew a lease that knows when it last did. Calling it raises what ``renew`` raises (LeaseLost)."""

    def __init__(self, renew: Callable[[], None]) -> None:
        self._renew, self._at = renew, clocks()

    def __call__(self) -> None:
        at = clocks()
        self._renew()
        self._at = at

    def stale(self) -> bool:
        return any(now - at > FRESH for now, at in zip(clocks(), self._at, strict=True))


_ALIVE: ContextVar[Alive | None] = ContextVar("alive", default=None)


@contextmanager
def under(alive: Alive) -> Iterator[None]:
    """What departs while the block lasts departs under this lease."""
    before = _ALIVE.set(alive)
    try:
        yield
    finally:
        _ALIVE.reset(before)


def depart() -> None:
    """Called with everything ready to leave. Renews the lease if it was renewed too long ago; raises LeaseLost when it has passed
    to another task, and then nothing leaves."""
    alive = _ALIVE.get()
    while alive is not None and alive.stale():
        alive()
