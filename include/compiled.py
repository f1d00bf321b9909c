"""Statements as SQLAlchemy has compiled them, kept for the life of a process.

A task opens an engine of its own, and a process may open many: by itself each would compile every statement anew. What a
compiled statement depends on is its form and the kind of database, never the address or a value: those are bound each time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.util import LRUCache

_MOST = 1_000
_TELLING = ("paramstyle", "server_version_info", "default_schema_name", "max_identifier_length")
"""What a dialect learns of its driver and server that a statement's text may depend on."""


class Compiled(LRUCache[Any, Any]):
    """For the execution option ``compiled_cache``. SQLAlchemy's own keys begin with the dialect, and hold the rest of what a
    statement's text depends on; two dialects of one kind are one here."""

    def __init__(self) -> None:
        super().__init__(_MOST)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_kind(key), value)


def _kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect: Dialect = key[0]
    return type(dialect), *(getattr(dialect, name, None) for name in _TELLING), *key[1:]
