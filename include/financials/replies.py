"""A reply, of either side, within limits: neither its size nor its slowness may hold a worker."""

from __future__ import annotations

import time
from collections.abc import Iterable

MAX_REPLY = 32 * 1024 * 1024
"""Bytes of a reply that are read: a page of 1,000 extended records has a few million."""
MAX_ERROR_REPLY = 64 * 1024
"""Bytes that are read of what says why a request failed."""


class Endless(Exception):
    """A reply has no end yet though its time is over."""


class Allowance:
    """The time of one answer, from now on."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises Endless when there are none."""
        if (left := self._end - time.monotonic()) <= 0:
            raise Endless(f"no end of the reply after {self._seconds:g} s")
        return left


def whole(chunks: Iterable[bytes], limit: int, seconds: float) -> tuple[bytes, bool]:
    """A body as far as ``limit`` bytes, and whether that is all of it. ``chunks``: unpacked, each as soon as it arrives; a reader
    that waits for a full one is not stopped by a server that sends byte after byte.

    Raises Endless when it has no end after ``seconds``: a time-out of the connection limits only the pause between two bytes.
    """
    deadline = time.monotonic() + seconds
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > limit:
            return bytes(content[:limit]), False
        if time.monotonic() > deadline:
            raise Endless(f"no end of the reply after {seconds:g} s")
    return bytes(content), True
