"""JSON of the ledger as it is held while a task works: as text, decoded when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=16)
def _decoded(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


class HeldJson(Mapping[str, Any]):
    """A JSON object that is read like a mapping. Whoever goes through the ledger's rows asks one after the other, and all of them
    decoded at once take eight times the room. What is in it is not to be changed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, name: str) -> Any:
        return _decoded(self._text)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_decoded(self._text))

    def __len__(self) -> int:
        return len(_decoded(self._text))

    def __bool__(self) -> bool:
        return self._text != "{}"

    def __repr__(self) -> str:
        return self._text


def held(text: str | None) -> Mapping[str, Any]:
    """A ``Json`` column; nothing where it is empty."""
    return HeldJson(text) if text else {}
