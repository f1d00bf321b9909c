"""Lists that a task keeps as they were parsed, within a room for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from include.financials.port import Invalid
from include.financials.record import Record, Side

Place = tuple[Side, str, int]
"""(side, entity, shard) of a list."""


class Parsed:
    """Lists as they were parsed, those that were asked for last: of all together no more than ``room`` rows are kept."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.rows = 0
        self._kept: dict[Place, tuple[list[Record], list[Invalid]]] = {}

    def get(self, place: Place) -> tuple[list[Record], list[Invalid]] | None:
        found = self._kept.pop(place, None)
        if found is not None:
            self._kept[place] = found  # now the last of them
        return found

    def keep(self, place: Place, records: list[Record], unreadable: list[Invalid]) -> None:
        self.drop(place)
        rows = rows_of(records)
        while self._kept and self.rows + rows > self.room:
            self.drop(next(iter(self._kept)))
        if rows <= self.room:
            self._kept[place] = records, unreadable
            self.rows += rows

    def drop(self, place: Place) -> None:
        if (found := self._kept.pop(place, None)) is not None:
            self.rows -= rows_of(found[0])

    def clear(self) -> None:
        self._kept.clear()
        self.rows = 0


def rows_of(records: Iterable[Record]) -> int:
    """Records and their lines."""
    return sum(1 + len(getattr(record, "lines", ())) for record in records)
