"""What a task keeps for later, packed: some hundred bytes of a document that takes ten thousand as it is read. It is made anew
for everyone who asks for it."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def pack(value: Any) -> bytes:
    """For this process alone: it is neither kept nor sent anywhere."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), level=1)


def unpack(held: bytes) -> Any:
    return pickle.loads(zlib.decompress(held))  # noqa: S301 - what pack has made


class Packed(MutableMapping[K, V]):
    """A dictionary whose values are held packed: what is changed in one that was taken from it is not kept."""

    def __init__(self) -> None:
        self._held: dict[K, bytes] = {}

    def __setitem__(self, key: K, value: V) -> None:
        self._held[key] = pack(value)

    def __getitem__(self, key: K) -> V:
        found: V = unpack(self._held[key])
        return found

    def __delitem__(self, key: K) -> None:
        del self._held[key]

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __iter__(self) -> Iterator[K]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


class Kept(Generic[V]):
    """Values in the order in which they came, packed by parts. Gone through as often as somebody asks."""

    PART = 100

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0

    def add(self, values: Sequence[V]) -> None:
        self._count += len(values)
        for start in range(0, len(values), self.PART):
            self._parts.append(pack(values[start : start + self.PART]))

    def __iter__(self) -> Iterator[V]:
        for part in self._parts:
            yield from unpack(part)

    def __len__(self) -> int:
        return self._count
