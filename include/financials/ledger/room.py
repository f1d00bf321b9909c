"""What the rooms share: how one reads, how one writes, and rows that are inserted or brought up to date.

What every task asks is a statement of its module, with names for the values: to put one together takes longer than to run it.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Result, Table
from sqlalchemy.dialects import postgresql, sqlite

from include.financials.exceptions import ConfigurationError

NO_LINK = "no link"
READS = "reads"
"""Execution option of a connection that only reads: it need not wait for those that write."""
CHUNK = 500

T = TypeVar("T")
R = TypeVar("R", bound=NamedTuple)


FRESH_SECONDS = 1.0
"""How long a connection may lie unused and count as there: a server may end one that nobody uses, and its pool asks first."""


class Connections:
    """Connections of a ledger, used again as long as they are fresh: to take one from the pool and to give it back is a third
    of a question's time, and a server is asked each time whether it is still there."""

    def __init__(self, engine: Engine) -> None:
        self._of = {READS: engine.execution_options(**{READS: True}), "": engine}
        self.about: dict[Connection, str] = {}
        """What those that write just now write about, see :meth:`Room.writing`."""
        self._free: dict[str, list[tuple[float, Connection]]] = {kind: [] for kind in self._of}

    @contextmanager
    def lent(self, kind: str) -> Iterator[Connection]:
        """One that nobody else has. What is not committed at the end of the block is rolled back. One of each kind is kept, and
        the pool has the others back: many threads that read must not leave those that write without any."""
        connection = self._taken(kind)
        try:
            yield connection
            connection.rollback()
        except BaseException:
            connection.close()
            raise
        if self._free[kind]:
            connection.close()
        else:
            self._free[kind].append((time.monotonic(), connection))

    def _taken(self, kind: str) -> Connection:
        with suppress(IndexError):  # there is none, or another thread was quicker
            while True:
                used, connection = self._free[kind].pop()
                if time.monotonic() - used < FRESH_SECONDS:
                    return connection
                connection.close()
        return self._of[kind].connect()

    def close(self) -> None:
        for free in self._free.values():
            while free:
                free.pop()[1].close()


class Room:
    """One family of tables. Each public method is one transaction; what several rooms write in one transaction takes its
    connection."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """All that is read in it is of one moment."""
        with self._connections.lent(READS) as connection:
            yield connection

    @contextmanager
    def writing(self, about: str = "") -> Iterator[Connection]:
        """All that is written in it is committed at its end, or nothing. ``about``: the only entity whose links, found or
        planned, are others then; ``NO_LINK``: none are."""
        with self._connections.lent("") as connection:
            self._connections.about[connection] = about
            try:
                with connection.begin():
                    yield connection
            finally:
                del self._connections.about[connection]


_REPEATED = frozenset(
    ("entity", "side", "within", "company", "scope", "project", "currency", "status", "state", "rule", "action", "how")
)
"""Columns of few values. A driver makes a new text for each row's; of those that are the same one is enough."""


def each(kind: type[R], result: Result[Any]) -> Iterator[R]:
    """The rows of a query of all columns of ``kind``, fetched as they are taken."""
    places = [place for place, name in enumerate(kind._fields) if name in _REPEATED]
    for row in result.yield_per(CHUNK):
        found = list(row)
        for place in places:
            if found[place] is not None:
                found[place] = sys.intern(found[place])
        yield kind._make(found)


def chunks(rows: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def chunked(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The same of what is made only as it is taken."""
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk


def by_place(keys: Iterable[tuple[str, str]], size: int = CHUNK) -> Iterator[tuple[str, Sequence[str]]]:
    """Keys of two parts, a chunk of the second at a time, by the first: as an index finds them."""
    found: dict[str, list[str]] = defaultdict(list)
    for place, key in dict.fromkeys(keys):
        found[place].append(key)
    for place, idents in found.items():
        for chunk in chunks(idents, size):
            yield place, chunk


def values(row: NamedTuple, *without: str) -> dict[str, Any]:
    """A row as what is inserted; without an id that the database gives."""
    found = row._asdict()
    for name in without:
        del found[name]
    return found


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there; whether it was new."""
    return connection.execute(_insert(connection.dialect.name, table).values(**row).on_conflict_do_nothing()).rowcount == 1


def upsert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, update_columns: Sequence[str]) -> None:
    """Insert rows; of those that are there bring only ``update_columns`` up to date."""
    # One compiled statement for all rows: a statement with the values in it would be compiled anew for every chunk.
    statement = _upsert(connection.dialect.name, table, tuple(update_columns))
    for chunk in chunked(rows):
        connection.execute(statement, list(map(dict, chunk)))


@cache
def _upsert(dialect: str, table: Table, update_columns: tuple[str, ...]) -> Any:
    keys, statement = [column.name for column in table.primary_key], _insert(dialect, table)
    if not update_columns:
        return statement.on_conflict_do_nothing(index_elements=keys)
    changed = {name: statement.excluded[name] for name in update_columns}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _insert(name: str, table: Table) -> Any:
    dialect = {"sqlite": sqlite, "postgresql": postgresql}.get(name)
    if dialect is None:
        raise ConfigurationError(f"the ledger runs on SQLite or PostgreSQL, not on {name}")
    return dialect.insert(table)
