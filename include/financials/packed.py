"""What a task keeps for later, packed: some hundred bytes of a document that takes ten thousand as it is read. It is made anew
for everyone who asks for it."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, MutableMapping, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def pack(value: Any) -> bytes:
    """For this process alone: it is neither kept nor sent anywhere."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), level=1)


def unpack(held: bytes) -> Any:
    return pickle.loads(zlib.decompress(held))  # noqa: S301 - what pack has made


OPEN = 1_000
"""So many values are held as they are: who has no more pays nothing for what others need."""


class Packed(MutableMapping[K, V]):
    """A dictionary whose values beyond the first are held packed: none of them may be changed."""

    def __init__(self) -> None:
        self._open: dict[K, V] = {}
        self._packed: dict[K, bytes] = {}

    def __setitem__(self, key: K, value: V) -> None:
        if key in self._open or (not self._packed and len(self._open) < OPEN):
            self._open[key] = value
        else:
            self._packed[key] = pack(value)

    def __getitem__(self, key: K) -> V:
        if key in self._open:
            return self._open[key]
        found: V = unpack(self._packed[key])
        return found

    def __delitem__(self, key: K) -> None:
        del (self._open if key in self._open else self._packed)[key]

    def __contains__(self, key: object) -> bool:
        return key in self._open or key in self._packed

    def __iter__(self) -> Iterator[K]:
        return chain(self._open, self._packed)

    def __len__(self) -> int:
        return len(self._open) + len(self._packed)


class Kept(Generic[V]):
    """Values in the order in which they came, packed by parts beyond the first. Gone through as often as somebody asks."""

    PART = 100

    def __init__(self) -> None:
        self._open: list[V] = []
        self._parts: list[bytes] = []
        self._count = 0

    def add(self, values: Sequence[V]) -> None:
        self._count += len(values)
        room = 0 if self._parts else OPEN - len(self._open)
        self._open += values[:room]
        for start in range(room, len(values), self.PART):
            self._parts.append(pack(values[start : start + self.PART]))

    def __iter__(self) -> Iterator[V]:
        yield from self._open
        for part in self._parts:
            yield from unpack(part)

    def __len__(self) -> int:
        return self._count
