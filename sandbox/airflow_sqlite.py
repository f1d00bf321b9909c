"""How Airflow on this machine opens its own database where that is SQLite: ``[database] sql_alchemy_connect_args``.

Airflow makes the runs of a backfill in savepoints, which look before they write. To SQLite a savepoint is a transaction that only
reads so far; when another process (the scheduler, a task's report) has written by then, it may write no more and fails at once
with *database is locked*, however long it would be willing to wait. Airflow then answers 503 and deletes the runs that it had
made already, and a scheduler that has begun one of them ends. With the right to write taken first, one waits for the other.
"""

from __future__ import annotations

import sqlite3
from typing import Any


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if sql.startswith("SAVEPOINT") and not self.connection.in_transaction:
            super().execute("BEGIN IMMEDIATE")
        return super().execute(sql, parameters)


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


CONNECT = {"factory": _Connection, "timeout": 60}
"""Arguments of ``sqlite3.connect``; seconds to wait for the right to write."""
