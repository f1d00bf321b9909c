"""Procore's records in SQLite: one table, one JSON document per record.

A record is a flat dict: the columns below plus the stored fields of its kind. Lists are answered by SQL LIMIT and OFFSET, so a
company with 100,000 vendors costs no more memory than its page.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import WeakSet

Record = dict[str, Any]
Condition = tuple[str, Sequence[Any]]
"""A piece of SQL for WHERE and its values."""
Change = tuple[str, int, Record | None, Record | None]
"""Kind and id of a record that was written, and what it was before and after; None: not there."""

COLUMNS = (
    "id",
    "company_id",
    "project_id",
    "parent_id",
    "origin_id",
    "number",
    "status",
    "created_at",
    "updated_at",
    "deleted_at",
)
CHUNK = 5000

ACTIVITY = {"vendors": "is_active", "projects": "active"}
"""Kinds whose ``status`` column mirrors a yes/no field, so that the default lists (active only) are answered from an index."""

TABLES = """
CREATE TABLE IF NOT EXISTS objects(
  kind TEXT NOT NULL, id INTEGER NOT NULL, company_id INTEGER, project_id INTEGER, parent_id INTEGER, origin_id TEXT, number TEXT,
  status TEXT, created_at TEXT, updated_at TEXT, deleted_at TEXT, doc TEXT NOT NULL, PRIMARY KEY(kind, id));
CREATE INDEX IF NOT EXISTS objects_within ON objects(kind, project_id, deleted_at, id, company_id);
CREATE INDEX IF NOT EXISTS objects_parent ON objects(kind, parent_id);
CREATE UNIQUE INDEX IF NOT EXISTS objects_origin ON objects(kind, company_id, origin_id) WHERE origin_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_named ON objects(origin_id) WHERE origin_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_updated ON objects(kind, updated_at);
CREATE INDEX IF NOT EXISTS objects_status ON objects(kind, status, deleted_at, id);
CREATE INDEX IF NOT EXISTS objects_combination ON objects(project_id, json_extract(doc, '$.cost_code_id'))
  WHERE kind = 'wbs_codes';
CREATE INDEX IF NOT EXISTS objects_position ON objects(parent_id, json_extract(doc, '$.position'))
  WHERE kind = 'contract_lines';
CREATE INDEX IF NOT EXISTS objects_cost_position ON objects(parent_id, json_extract(doc, '$.position'))
  WHERE kind = 'direct_cost_lines';
CREATE INDEX IF NOT EXISTS objects_cost_changed ON objects(kind, project_id, deleted_at, updated_at, id)
  WHERE kind = 'direct_costs' OR kind = 'direct_cost_lines';
CREATE INDEX IF NOT EXISTS objects_invoice ON objects(project_id, json_extract(doc, '$.invoice_number'))
  WHERE kind = 'direct_costs';
CREATE INDEX IF NOT EXISTS objects_budgeted ON objects(json_extract(doc, '$.wbs_code_id'), kind)
  WHERE kind = 'budget_lines' OR kind = 'contract_lines' OR kind = 'direct_cost_lines' OR kind = 'change_lines';
CREATE INDEX IF NOT EXISTS objects_queued ON objects(parent_id, id)
  WHERE kind = 'webhook_deliveries' AND status = 'waiting';
CREATE TABLE IF NOT EXISTS sequences(name TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS clock(id INTEGER PRIMARY KEY CHECK(id = 1), offset_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
STATISTICS = {
    "sqlite_autoindex_objects_1": "2000000 100000 1",
    "objects_within": "2000000 100000 20000 20000 1 1",
    "objects_parent": "2000000 100000 4",
    "objects_origin": "1000000 100000 50000 1",
    "objects_updated": "2000000 100000 10",
    "objects_status": "2000000 100000 50000 50000 1",
    "objects_combination": "50000 2000 3",
    "objects_position": "500000 10 1",
    "objects_cost_position": "1000000 3 1",
    "objects_cost_changed": "1000000 500000 20000 20000 20 1",
    "objects_invoice": "400000 20000 2",
    "objects_budgeted": "1500000 1000 500",
}
"""How large the store may grow, by index: records, then records alike in its first column, in its first two, and so on.

SQLite plans by these instead of by what happens to be stored when it looks. Without them it prefers an index of more columns, and
would look for the lines of one document among all lines of the project.
"""
INSERT = f"INSERT INTO objects(kind, {', '.join(COLUMNS)}, doc) VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"
CHANGED = ", ".join(f"{name} = excluded.{name}" for name in (*COLUMNS[1:], "doc"))
UPSERT = f"{INSERT} ON CONFLICT(kind, id) DO UPDATE SET {CHANGED}"


class Connection(sqlite3.Connection):
    """A connection that may be referred to weakly: it is closed with its thread."""


class Store:
    """One SQLite file in WAL mode; a connection per thread, one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.RLock()
        self._opened: WeakSet[Connection] = WeakSet()
        self._held: dict[tuple[str, int], float] = {}
        self._concealed: dict[tuple[str, int], float] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection.executescript(TABLES)
        self._plan()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=60, factory=Connection)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode=WAL")
            found.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = found
            with self._lock:
                self._opened.add(found)
        return found

    def _plan(self) -> None:
        """Give SQLite the statistics, once per file; later connections read them when they open it."""
        if not self.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"):
            with self.writing():
                self.connection.execute("ANALYZE sqlite_schema")  # makes the table, reads no record
                rows = [("objects", name, numbers) for name, numbers in STATISTICS.items()]
                self.connection.executemany("INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES (?, ?, ?)", rows)
            self.connection.execute("ANALYZE sqlite_schema")

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in list(self._opened):
                connection.close()
            self._opened.clear()
            self._local = threading.local()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing, one thread at a time; may be nested."""
        with self._lock:
            if self.connection.in_transaction:
                yield
                return
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    # -- records -------------------------------------------------------------------------------------------------------

    def load(self, kind: str, rows: Iterable[Record]) -> int:
        """Insert records whose ids are given, streamed in chunks; returns how many."""
        count, source = 0, iter(rows)
        while chunk := list(islice(source, CHUNK)):
            with self.writing():
                self.connection.executemany(INSERT, [_values(kind, row) for row in chunk])
            count += len(chunk)
        return count

    def put(self, kind: str, record: Record) -> None:
        """Insert one record or overwrite it. Raises sqlite3.IntegrityError when another one has its external id."""
        with self.writing(), self._noted(kind, record["id"], record):
            self.connection.execute(UPSERT, _values(kind, record))

    def remove(self, kind: str, id: int) -> None:
        with self.writing(), self._noted(kind, id, None):
            self.connection.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, id))

    def get(self, kind: str, id: int) -> Record | None:
        if id in self._unseen(kind):
            return None
        row = self.connection.execute("SELECT * FROM objects WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return None if row is None else _record(row)

    def many(self, kind: str, ids: Iterable[int | None]) -> dict[int, Record]:
        """Records by id, in one query per 500."""
        wanted, found = sorted({id for id in ids if id is not None}), {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            for record in self.query(kind, [(f"id IN ({marks(part)})", part)], order=""):
                found[record["id"]] = record
        return found

    def find(self, kind: str, company_id: int, origin_id: str) -> Record | None:
        """The record that carries an external id (unique per kind and company)."""
        where: list[Condition] = [("company_id = ?", [company_id]), ("origin_id = ?", [origin_id])]
        return next(iter(self.query(kind, where, limit=1)), None)

    def named(self, origin_id: str, company_id: int, *, besides: str) -> bool:
        """Whether a record of another kind carries this external id."""
        sql = "SELECT 1 FROM objects WHERE origin_id = ? AND company_id = ? AND kind <> ? LIMIT 1"
        return self.connection.execute(sql, (origin_id, company_id, besides)).fetchone() is not None

    def query(
        self, kind: str, where: Sequence[Condition] = (), *, order: str = "id", limit: int | None = None, offset: int = 0
    ) -> list[Record]:
        """Records of a kind. ``order`` is SQL; deleted ones are included unless a condition excludes them."""
        text, values = _where(kind, self._readable(kind, where))
        ordered = f" ORDER BY {order}" if order else ""
        if limit is None:
            rows = self.connection.execute(f"SELECT * FROM objects WHERE {text}{ordered}", values)
        else:
            # The inner query walks an index; only the page's documents are read.
            inner = f"SELECT rowid FROM objects WHERE {text}{ordered} LIMIT ? OFFSET ?"
            rows = self.connection.execute(f"SELECT * FROM objects WHERE rowid IN ({inner}){ordered}", (*values, limit, offset))
        return [_record(row) for row in rows]

    def count(self, kind: str, where: Sequence[Condition] = ()) -> int:
        text, values = _where(kind, self._readable(kind, where))
        return int(self.connection.execute(f"SELECT count(*) FROM objects WHERE {text}", values).fetchone()[0])

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Any SELECT, for sums that need no whole record."""
        return self.connection.execute(sql, values).fetchall()

    def new_id(self, name: str, kinds: Sequence[str], first: int) -> int:
        """The next id of a sequence, above every id of these kinds; ids of removed records are not used again."""
        with self.writing():
            used = self.connection.execute("SELECT last FROM sequences WHERE name = ?", (name,)).fetchone()
            highest = [first - 1] if used is None else [first - 1, used[0]]
            for kind in kinds:
                highest.append(self.connection.execute("SELECT max(id) FROM objects WHERE kind = ?", (kind,)).fetchone()[0] or 0)
            id = max(highest) + 1
            self.connection.execute("INSERT OR REPLACE INTO sequences(name, last) VALUES (?, ?)", (name, id))
            return id

    # -- records that a write still holds ----------------------------------------------------------------------------------

    def hold(self, kind: str, id: int, until: float) -> None:
        """Let a record count as being written until that tick of the clock; not kept over a restart."""
        self._held[kind, id] = until

    def held(self, kind: str, ids: Iterable[int], tick: float) -> list[int]:
        """Which of these records a write holds at ``tick``."""
        return [id for id in ids if self._held.get((kind, id), tick) > tick]

    # -- what a call wrote, and what it cannot see yet ---------------------------------------------------------------------

    @contextmanager
    def noting(self) -> Iterator[list[Change]]:
        """Write down what this thread changes meanwhile."""
        changes: list[Change] = []
        self._local.changes = changes
        try:
            yield changes
        finally:
            self._local.changes = None

    @contextmanager
    def _noted(self, kind: str, id: int, after: Record | None) -> Iterator[None]:
        changes: list[Change] | None = getattr(self._local, "changes", None)
        before = None if changes is None else self.get(kind, id)
        yield
        if changes is not None:
            changes.append((kind, id, before, None if after is None else dict(after)))

    def conceal(self, kind: str, id: int, until: float) -> None:
        """Let a record not be readable for the calls of :meth:`lagging` until that tick; not kept over a restart."""
        self._concealed[kind, id] = until

    @contextmanager
    def lagging(self, tick: float) -> Iterator[None]:
        """Read as if what is concealed at ``tick`` had not arrived yet."""
        unseen: dict[str, list[int]] = {}
        for (kind, id), until in list(self._concealed.items()):
            if until > tick:
                unseen.setdefault(kind, []).append(id)
        self._local.unseen = unseen
        try:
            yield
        finally:
            self._local.unseen = {}

    def _unseen(self, kind: str) -> Sequence[int]:
        unseen: dict[str, list[int]] = getattr(self._local, "unseen", {})
        return unseen.get(kind, ())

    def _readable(self, kind: str, where: Sequence[Condition]) -> Sequence[Condition]:
        unseen = self._unseen(kind)
        return [*where, (f"id NOT IN ({marks(unseen)})", unseen)] if unseen else where

    # -- the store itself ----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Remove all records; clock and meta stay."""
        with self.writing():
            self.connection.execute("DELETE FROM objects")
            self.connection.execute("DELETE FROM sequences")
            self._held.clear()
            self._concealed.clear()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread writes; no transaction is begun."""
        with self._lock:
            yield

    def replace(self, other: sqlite3.Connection) -> None:
        """Become a copy of another store's database, clock and meta included."""
        with self._lock:
            other.backup(self.connection)
            self._held.clear()
            self._concealed.clear()

    def set_meta(self, name: str, value: Any) -> None:
        with self.writing():
            self.connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", (name, json.dumps(value)))

    def meta(self, name: str, default: Any = None) -> Any:
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def keep_offset(self, offset_us: int) -> None:
        """Keeper of :class:`sandbox.clock.Clock`."""
        with self.writing():
            self.connection.execute("INSERT OR REPLACE INTO clock(id, offset_us) VALUES (1, ?)", (offset_us,))

    def offset(self) -> int | None:
        row = self.connection.execute("SELECT offset_us FROM clock WHERE id = 1").fetchone()
        return None if row is None else int(row[0])


def marks(values: Sequence[Any]) -> str:
    """Placeholders for an IN list."""
    return ", ".join("?" * len(values))


def field(name: str) -> str:
    """The SQL of a stored field: its column, or its place in the document. ``name`` comes from a table, never from a caller."""
    return name if name in COLUMNS else f"json_extract(doc, '$.{name}')"


def _where(kind: str, where: Sequence[Condition]) -> tuple[str, list[Any]]:
    values: list[Any] = [kind]
    for _, given in where:
        values.extend(given)
    return " AND ".join(["kind = ?", *(f"({text})" for text, _ in where)]), values


def _values(kind: str, row: Record) -> list[Any]:
    columns = {name: row.get(name) for name in COLUMNS}
    if kind in ACTIVITY:
        columns["status"] = "active" if row.get(ACTIVITY[kind], True) else "inactive"
    doc = {key: value for key, value in row.items() if key not in COLUMNS and key != "kind"}
    return [kind, *columns.values(), json.dumps(doc, ensure_ascii=False, separators=(",", ":"))]


def _record(row: sqlite3.Row) -> Record:
    record: Record = json.loads(row["doc"])
    for name in COLUMNS:
        record[name] = row[name]
    return record
