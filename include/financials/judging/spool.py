"""What a check says, packed until all of it is said: the ledger takes it in one commit, and who judges a long list holds no more
of it than a part."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from include.financials.ledger import Judged, Remembered
from include.financials.ledger.said import said

T = TypeVar("T")


class Spool(Generic[T]):
    """Rows in the order in which they came, some hundred bytes each. Gone through as often as somebody asks."""

    def __init__(self, pack: Callable[[T], Any], unpack: Callable[[Any], T]) -> None:
        """``pack`` makes what JSON holds of a row."""
        self._pack, self._unpack = pack, unpack
        self._parts: list[bytes] = []

    def add(self, rows: Sequence[T]) -> None:
        if rows:
            self._parts.append(zlib.compress(json.dumps([*map(self._pack, rows)]).encode(), level=1))

    def __iter__(self) -> Iterator[T]:
        for part in self._parts:
            yield from map(self._unpack, json.loads(zlib.decompress(part)))


def of_judged() -> Spool[Judged]:
    return Spool(list, Judged._make)


def of_remembered() -> Spool[Remembered]:
    return Spool(said, lambda columns: Remembered(**columns))
