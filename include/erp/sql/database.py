"""Connections to an ERP's database.

Reads run in one short read-only transaction per page and see one state of the database; writes take the lock first, so that a
busy database is known before anything was done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from include.compiled import Compiled
from include.erp.sql.errors import classify, sentence
from include.financials.exceptions import ConfigurationError, NotPermitted, RetryLater, SyncError

_TUPLES = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
_MANY = frozenset({"sqlite", "postgresql"})
_LISTED = 1_000
"""Values in one list: all that Oracle takes."""
_FRACTIONAL = re.compile(r"(numeric|decimal|number|dec)\s*\(\s*\d+\s*,\s*0*[1-9]|(double|float|real|money|smallmoney)\b", re.I)


_COMPILED = Compiled()


class Database:
    """An engine set up for sharing a database with its owner.

    ``lock_timeout`` (seconds): how long a statement waits for a lock before the call ends as RetryLater.
    """

    def __init__(self, url_or_engine: str | sa.URL | sa.Engine, lock_timeout: float = 10.0) -> None:
        self.lock_timeout = lock_timeout
        engine = url_or_engine if isinstance(url_or_engine, sa.Engine) else self._engine(url_or_engine)
        self.engine = engine
        self.dialect = engine.dialect.name
        self.tuples = self.dialect in _TUPLES
        self.max_parameters = 30_000 if self.dialect in _MANY else 2_000
        self._reader = engine
        self._writer = engine.execution_options(erp_begin="BEGIN IMMEDIATE", erp_lock_timeout=lock_timeout)
        if self.dialect == "postgresql":
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        if self.dialect == "sqlite" and not sa.event.contains(engine, "begin", _begin_sqlite):
            sa.event.listen(engine, "begin", _begin_sqlite)
        if self.dialect == "mssql":
            sa.event.listen(engine, "connect", self._patience)

    def _patience(self, driver: Any, _: Any) -> None:
        """SQL Server waits for a lock for ever unless it is told otherwise, also to read."""
        cursor = driver.cursor()
        cursor.execute(f"SET LOCK_TIMEOUT {int(self.lock_timeout * 1000)}")
        cursor.close()

    @staticmethod
    def _engine(url: str | sa.URL) -> sa.Engine:
        try:
            made = sa.make_url(url)
            options: dict[str, Any] = {"hide_parameters": True, "execution_options": {"compiled_cache": _COMPILED}}
            if made.get_backend_name() == "postgresql":
                options |= {
                    "pool_pre_ping": True,
                    "connect_args": {"connect_timeout": 10, "application_name": "procore_erp_sync"},
                }
            return sa.create_engine(made, **options)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            # The text of the URL may hold a password: name the fault, not the URL.
            reason = "" if isinstance(error, ArgumentError) else f" ({error})"
            raise ConfigurationError(
                f"The ERP's address is not an SQLAlchemy URL of an installed driver{reason}; write driver://user:password@host/database."
            ) from None

    @property
    def label(self) -> str:
        """The address for messages, without password and without what follows the question mark, which may hold one."""
        return self.engine.url.set(query={}).render_as_string(hide_password=True)

    def version(self) -> str:
        """Filled in by the first connection."""
        info = self.engine.dialect.server_version_info
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        return f"{names.get(self.dialect, self.dialect)} {'.'.join(map(str, info or ()))}".strip()

    def _exists(self) -> None:
        path = self.engine.url.database
        if self.dialect == "sqlite" and path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
            # SQLite would create an empty file, and the ERP would look empty instead of missing.
            raise ConfigurationError(f"There is no SQLite database at {path}. Check the path of the ERP's address.")

    @contextmanager
    def reading(self, place: str) -> Iterator[sa.Connection]:
        """A read-only transaction. Database errors leave as this project's; ``place`` is the mapping's ``file:line: key``."""
        self._exists()
        try:
            with self._reader.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise self.translate(error, place) from error
        except PoolTimeout as error:
            raise RetryLater(f"The ERP database {self.label} gives no connection: {error}. It is tried again.") from error

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a write transaction that the caller commits; everything else rolls back. DBAPIErrors pass through."""
        self._exists()
        with self._writer.connect() as connection:
            connection.begin()
            if self.dialect == "postgresql":
                connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(self.lock_timeout * 1000)}"))
            yield connection

    def translate(self, error: DBAPIError, place: str) -> SyncError:
        """A database error where nothing was applied, as what to do next."""
        text = sentence(error)
        match classify(error, self.dialect):
            case "later":
                return RetryLater(
                    f"The ERP database {self.label} is busy or cannot be reached: {text}. Nothing was applied, it is tried again;"
                    " if it stays so, see that the database runs and that this host may reach it."
                )
            case "rights":
                return NotPermitted(
                    f"{place}: the ERP's database user may not do this: {text}. Have its administrator grant the right."
                )
            case "login":
                return ConfigurationError(
                    f"The ERP database {self.label} cannot be opened: {text}. Check host, user, password and database."
                )
            case _:
                return ConfigurationError(f"{place}: the database refuses this SQL: {text}. Correct the mapping.")

    def bind(self, value: Any) -> Any:
        """A value as the driver can take it: SQLite knows neither decimals nor dates, and Oracle's tables no booleans."""
        if isinstance(value, bool) and self.dialect == "oracle":
            return int(value)
        if self.dialect != "sqlite":
            return value
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, datetime):
            return value.isoformat(sep=" ", timespec="microseconds")
        return value.isoformat() if isinstance(value, date) else value

    def among(self, columns: Sequence[sa.ColumnElement[Any]], keys: Sequence[Sequence[Any]]) -> sa.ColumnElement[bool]:
        """``(columns) IN (keys)``, spelled out where the database has no row values. A key with NULL in it equals no row."""
        rows = [tuple(self.bind(value) for value in key) for key in keys if None not in key]
        if not rows:
            return sa.false()
        values = [list(dict.fromkeys(row[i] for row in rows)) for i in range(len(columns))]
        # Columns that are the same in all keys (the company) leave the comparison, so that an index can take the rest.
        conditions = [column == found[0] for column, found in zip(columns, values, strict=True) if len(found) == 1]
        rest = [i for i, found in enumerate(values) if len(found) > 1]
        if len(rest) == 1:
            conditions.append(self.listed(columns[rest[0]], values[rest[0]]))
        elif rest and self.tuples:
            conditions.append(sa.tuple_(*(columns[i] for i in rest)).in_([tuple(row[i] for i in rest) for row in rows]))
            # Follows from the line above, but SQLite scans the table for a list of rows and seeks for lists of values.
            conditions += [columns[i].in_(values[i]) for i in rest]
        elif rest:
            conditions.append(sa.or_(*(sa.and_(*(columns[i] == row[i] for i in rest)) for row in rows)))
        return sa.and_(*conditions)

    def listed(self, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """``column IN (values)``, in several lists where one may not hold them all."""
        size = len(values) if self.dialect in _MANY else _LISTED
        return sa.or_(*(column.in_(values[start : start + size]) for start in range(0, len(values), size or 1)))

    def beyond(self, columns: Sequence[sa.ColumnElement[Any]], key: Sequence[Any]) -> sa.ColumnElement[bool]:
        """``(columns) > (key)`` in the order of paging."""
        values = [self.bind(value) for value in key]
        if len(columns) == 1:
            return sa.and_(columns[0] > values[0])
        if self.tuples:
            return sa.tuple_(*columns) > sa.tuple_(*(sa.bindparam(None, value, unique=True) for value in values))
        steps = [
            sa.and_(*(c == v for c, v in zip(columns[:i], values[:i], strict=True)), columns[i] > values[i])
            for i in range(len(columns))
        ]
        return sa.and_(columns[0] >= values[0], sa.or_(*steps))

    def fractional(self, connection: sa.Connection, source: str) -> dict[str, str]:
        """Columns of a mapping's ``from`` that are declared with decimals or as binary floats, and how. SQLite keeps a whole
        number of dollars in such a column as an integer: only the declaration tells it from a number of cents."""
        if self.dialect == "sqlite":
            return {name: kind for name, kind in self._declared(connection, source) if _FRACTIONAL.match(kind)}
        if " " in source:
            return {}  # drivers of other databases give a number its scale
        *schema, name = source.split(".")
        columns = sa.inspect(connection).get_columns(name, schema=".".join(schema) or None)
        kinds = {column["name"]: column["type"] for column in columns}
        return {
            name: str(kind)
            for name, kind in kinds.items()
            if isinstance(kind, sa.Float)
            or (isinstance(kind, sa.Numeric) and bool(kind.scale))
            or _FRACTIONAL.match(type(kind).__name__)
        }

    @staticmethod
    def _declared(connection: sa.Connection, source: str) -> list[tuple[str, str]]:
        if " " not in source:
            *schema, name = source.split(".")
            place = f'"{schema[0]}".' if schema else ""
            rows = connection.exec_driver_sql(f'PRAGMA {place}table_xinfo("{name}")').all()
        else:
            # A view of this connection's own: the ERP's file is not touched.
            connection.execute(sa.text(f"CREATE TEMP VIEW erp_declared AS {no_colons(source).text}"))
            rows = connection.exec_driver_sql("PRAGMA temp.table_xinfo(erp_declared)").all()
            connection.exec_driver_sql("DROP VIEW temp.erp_declared")
        return [(row[1], row[2] or "") for row in rows]

    def close(self) -> None:
        self.engine.dispose()


_UTF8 = partial(str, encoding="utf-8", errors="surrogateescape")
"""SQLite keeps any bytes as text. One that is no UTF-8 is a fault of its record (``codecs``), and must not end the whole list."""


def _begin_sqlite(connection: sa.Connection) -> None:
    """Python's driver would begin a transaction only at the first write, and never for a read: begin it here, as asked for."""
    driver: Any = connection.connection.dbapi_connection
    if driver.isolation_level is not None:  # setting it commits
        driver.isolation_level = None
    driver.text_factory = _UTF8
    options = connection.get_execution_options()
    # Neither touches the file: they need none of what SQLAlchemy does around a statement.
    driver.execute("PRAGMA foreign_keys = ON")
    driver.execute(f"PRAGMA busy_timeout = {int(options.get('erp_lock_timeout', 10.0) * 1000)}")
    if (begin := options.get("erp_begin")) is None:
        driver.execute("BEGIN")
    else:
        connection.exec_driver_sql(begin)


def no_colons(sql: str) -> sa.TextClause:
    """SQL without parameters: a colon in it (a cast, a time in a literal) is not one."""
    return sa.text(re.sub(r"(?<!\\):", r"\:", sql))


def as_table(source: str, columns: Sequence[str]) -> sa.FromClause:
    """A mapping's ``from`` as something to select ``columns`` from."""
    if re.match(r"(?i)\s*(select|with)\b", source):
        return no_colons(source).columns(*(sa.column(c) for c in columns)).subquery("source")
    *schema, name = source.split(".")
    return sa.table(name, *(sa.column(c) for c in columns), schema=".".join(schema) or None)
