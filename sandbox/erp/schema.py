"""The sandbox ERP's database: a job-cost ledger that refuses what a real ERP refuses, in SQLite or PostgreSQL 15 and later.

Tables are in ``tables.py``, refusals in ``rules.py``, postings in ``posting.py``, views in ``views.py``; ``render.py`` makes
triggers of them. Everything holds for any connection,
also one that SQLAlchemy or ``sqlite3`` opened without the pragmas of :func:`connect`: references are triggers as well as foreign
keys, since SQLite keeps the latter only where ``PRAGMA foreign_keys`` is on.

A document is entered in one transaction: header with status ``entering``, its lines, then ``UPDATE ... SET status = 'open'`` (or
``unposted`` or ``posted``). Job costs, payments and receipts are built as ``unposted`` and judged when they are posted. Invoices
that release retainage and changes below zero are judged against what is posted before them, so they go in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from sandbox.erp import render
from sandbox.erp.rules import ORDER, RULES, Rule
from sandbox.erp.tables import BUSINESS, METADATA, STAMPS, business_columns, key_columns

__all__ = [
    "BUSINESS",
    "METADATA",
    "ORDER",
    "RULES",
    "STAMPS",
    "Rule",
    "bulk",
    "business_columns",
    "clock_keeper",
    "connect",
    "create",
    "key_columns",
    "now",
    "offset_us",
    "set_offset_us",
]

BUSY_MS = 15_000
_SWITCHES = ("sandbox_clock", "sandbox_bulk", "sandbox_numbers")

render.add_checks()


def connect(url: str | sa.URL) -> sa.Engine:
    """An engine for ``url`` (``sqlite:///var/erp.sqlite``, ``postgresql+psycopg2://...``); nothing is created.

    SQLite gets WAL, foreign keys and a wait of 15 s for another writer on every connection.
    """
    dialect = sa.make_url(url).get_backend_name()
    if dialect not in render.DIALECTS:
        raise ValueError(f"The sandbox ERP runs on SQLite or PostgreSQL, not on {dialect}")
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_pragmas)
    return engine


def create(engine: sa.Engine, *, drop: bool = False) -> None:
    """Creates what is missing and renews triggers and views; with ``drop`` the ledger starts empty and its clock at offset 0."""
    if drop:
        # A PostgreSQL session keeps the plans of triggers whose tables are gone and goes through them at every later DDL.
        engine.dispose()
    with engine.begin() as connection:
        _begin_write(connection)
        if drop:
            for statement in render.drop_statements():
                connection.exec_driver_sql(statement)
            METADATA.drop_all(connection)
        METADATA.create_all(connection)
        for statement in render.statements(engine.dialect.name):
            connection.exec_driver_sql(statement)
        for table in _SWITCHES:
            connection.exec_driver_sql(f"INSERT INTO {table} (id) VALUES (1) ON CONFLICT DO NOTHING")


@contextmanager
def bulk(connection: sa.Connection) -> Iterator[sa.Connection]:
    """Inside, rows are neither stamped nor audited, and invoices post no job cost: whoever loads brings ``created_at``,
    ``updated_at`` (and may set them later) and the cost rows.

    Rules hold as ever. At the end rows without times get the clock's. Load in one transaction and commit after the block: the
    switch is part of the transaction, so a rollback puts it back and nobody else sees it.
    """
    _begin_write(connection)
    connection.exec_driver_sql("UPDATE sandbox_bulk SET lifted = 1 WHERE id = 1")
    yield connection
    moment = now(connection)
    for table in BUSINESS:
        connection.execute(
            sa.text(
                f"UPDATE {table} SET created_at = coalesce(created_at, updated_at, :now), updated_at = coalesce(updated_at, :now)"
                " WHERE updated_at IS NULL OR created_at IS NULL"
            ),
            {"now": moment},
        )
    connection.exec_driver_sql("UPDATE sandbox_bulk SET lifted = 0 WHERE id = 1")


def now(connection: sa.Connection) -> str:
    """The ledger's present time, ``YYYY-MM-DDTHH:MM:SS.mmmZ``: what the triggers would write now."""
    return str(connection.exec_driver_sql(f"SELECT {render.DIALECTS[connection.dialect.name].now}").scalar_one())


def offset_us(connection: sa.Connection) -> int:
    """How far the ledger's clock is ahead of the wall clock, in microseconds."""
    return int(connection.exec_driver_sql("SELECT offset_us FROM sandbox_clock WHERE id = 1").scalar_one())


def set_offset_us(connection: sa.Connection, value: int) -> None:
    """Sets the clock of every later stamp (microseconds)."""
    connection.execute(sa.text("UPDATE sandbox_clock SET offset_us = :value WHERE id = 1"), {"value": value})


def clock_keeper(engine: sa.Engine) -> Callable[[int], None]:
    """For ``Clock.keep_in``: stores every new offset (microseconds) in the ledger."""

    def keep(value: int) -> None:
        with engine.begin() as connection:
            set_offset_us(connection, value)

    return keep


def _sqlite_pragmas(dbapi_connection: Any, _record: Any) -> None:
    cursor = dbapi_connection.cursor()
    for pragma in (f"busy_timeout = {BUSY_MS}", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_write(connection: sa.Connection) -> None:
    """The sqlite3 driver opens a transaction only before the first INSERT, UPDATE or DELETE; DDL needs one, too."""
    if connection.dialect.name == "sqlite" and not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
