"""PostgreSQL by ODBC: what SQLAlchemy brings for pyodbc, and its dialect of PostgreSQL. ``tests.pg`` has the server; the driver
is Debian's ``odbc-postgresql``. Only to see the SQL adapter at work over pyodbc: nobody reaches a PostgreSQL so."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest
import sqlalchemy as sa
from sqlalchemy.connectors.pyodbc import PyODBCConnector
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect

pyodbc = pytest.importorskip("pyodbc", reason="unixODBC is not installed (Debian: libodbc2)", exc_type=ImportError)

DRIVER = "PostgreSQL Unicode"


class Dialect(PyODBCConnector, PGDialect):
    driver = "pyodbc"
    default_paramstyle = "qmark"
    supports_statement_cache = True

    def _get_server_version_info(self, connection: Any) -> Any:
        return PGDialect._get_server_version_info(self, connection)

    def get_isolation_level_values(self, dbapi_connection: Any) -> Any:
        return PGDialect.get_isolation_level_values(self, dbapi_connection)

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        PGDialect.set_isolation_level(self, dbapi_connection, level)

    def set_readonly(self, connection: Any, value: bool) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION READ {'ONLY' if value else 'WRITE'}")
        connection.commit()

    def get_readonly(self, connection: Any) -> bool:
        with connection.cursor() as cursor:
            return bool(cursor.execute("SHOW transaction_read_only").fetchval() == "on")


registry.register("postgresql.pyodbc", __name__, "Dialect")


def by_odbc(url: str) -> str:
    """The same database by ODBC. Skips the test where the driver is not installed."""
    if DRIVER not in pyodbc.drivers():
        pytest.skip("no ODBC driver of PostgreSQL is installed (Debian: odbc-postgresql)")
    made = sa.make_url(url)
    parts = {
        "DRIVER": DRIVER, "SERVER": made.query.get("host") or made.host, "PORT": made.port or 5432, "DATABASE": made.database,
        "UID": made.username, "PWD": made.password or "", "BoolsAsChar": 0, "MaxVarcharSize": 4000, "TextAsLongVarchar": 0,
        "UnknownsAsLongVarchar": 0, "UseServerSidePrepare": 0,
    }  # fmt: skip
    return f"postgresql+pyodbc:///?odbc_connect={quote_plus(';'.join(f'{name}={value}' for name, value in parts.items()))}"
