"""Procore's own refinements of ``include.financials.exceptions``: the engine needs none of them, callers in this package do."""

from __future__ import annotations

from include.financials.exceptions import ContractBroken, Refused, RetryLater


class Unavailable(RetryLater):
    """Trouble that passes (overload, a limit, a lost connection of a read): nothing was applied, tried again in process."""


class NotFound(Refused):
    """404: gone, or not visible to these credentials. Procore does not tell which, so it never proves a deletion."""


class Locked(Refused):
    """The record is locked (by its status or because it was synced with an ERP): a write of its content is never repeated."""


class OddReply(ContractBroken):
    """What a read was answered with is not what it asked for (null for a list, JSON that cannot be read), and will be so again:
    what it was asked for is there and cannot be read, which is no fault of anything else. ``field`` is the last word of its path,
    ``message`` reads on after it."""

    def __init__(self, call: str, message: str) -> None:
        super().__init__(f"{call} {message}")
        last = call.rpartition("/")[2]
        self.field = "record" if last.isdecimal() else last
        self.message = f"cannot be read: {self}"


class TooLarge(ContractBroken):
    """413: more entries in one call than the endpoint takes."""
