"""What the hooks of the two databases have in common: an address that is put together from a connection's fields.

A password stands in the connection's password field and nowhere else: there Airflow encrypts it, masks it in logs, in its API
and in the form. An address with a password in ``extra`` would be shown to everybody who may look at connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret
from sqlalchemy import URL

from include.financials.exceptions import ConfigurationError
from include.provider.connections import GUIDE, connection_of, secrets_in

if TYPE_CHECKING:
    from airflow.sdk import Connection


class DatabaseHook(BaseHook):
    """A database whose address is put together from a connection's fields. Base of ``ErpHook`` and ``LedgerHook``.

    The connection: ``host``, ``port``, ``schema`` (the database's name), ``login``, ``password``; extra ``dialect``
    (SQLAlchemy's, with or without driver: ``postgresql+psycopg2``, ``mssql+pyodbc``) and perhaps ``query`` (what the driver
    wants to know besides, as ``sslmode=require`` or an object). SQLite needs only the file's path, as ``schema`` or ``host``.
    """

    conn_type: str

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    @property
    def connection(self) -> Connection:
        return connection_of(self.conn_id, self.conn_type)

    @property
    def url(self) -> URL:
        """The SQLAlchemy address. Raises ConfigurationError naming the field that is missing or wrong."""
        found, dialect, query = self._parts()
        if dialect.partition("+")[0] == "sqlite" or (not dialect and not found.port and is_path(found.host or found.schema)):
            return self._sqlite(found, dialect or "sqlite", query)
        if not dialect or not found.host or not found.schema:
            missing = [
                name for name, value in (("dialect", dialect), ("host", found.host), ("schema", found.schema)) if not value
            ]
            raise ConfigurationError(
                f"Connection {self.conn_id} lacks {', '.join(missing)}: dialect (in the extra) is SQLAlchemy's, as "
                f"postgresql+psycopg2, schema the name of the database; for SQLite only the path of the file, as schema; {GUIDE}."
            )
        return URL.create(dialect, found.login or None, found.password or None, found.host, found.port, found.schema, query)

    def _parts(self) -> tuple[Connection, str, dict[str, Any]]:
        """The connection, its dialect and its query; nothing of the address, and no secret, stands where it should not."""
        found = self.connection
        extra = found.extra_dejson
        if "url" in extra:
            raise ConfigurationError(
                f"Connection {self.conn_id}: its extra has a url, where a password would be shown to everybody who may see "
                f"connections. Enter host, port, schema (the database), login, password and dialect, and delete url; {GUIDE}."
            )
        if "://" in f"{found.host} {found.schema}" or "@" in (found.host or ""):
            raise ConfigurationError(
                f"Connection {self.conn_id}: host and schema hold a whole address. Enter its parts one by one, the password as "
                f"password: elsewhere it is shown to everybody; {GUIDE}."
            )
        if found.password:
            for form in {found.password, quote(found.password, safe=""), quote_plus(found.password)}:
                mask_secret(form)
        return found, str(extra.get("dialect") or "").strip(), self._query(extra)

    def _sqlite(self, found: Connection, dialect: str, query: Mapping[str, Any]) -> URL:
        paths = [part for part in (found.host, found.schema) if part]
        if len(paths) != 1:
            raise ConfigurationError(
                f"Connection {self.conn_id}: SQLite takes the path of one file, as schema (or host); there are {len(paths)}."
            )
        return URL.create(dialect, database=paths[0], query=query)

    def _query(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        given = extra.get("query") or {}
        pairs = dict(parse_qsl(given, keep_blank_values=True)) if isinstance(given, str) else given
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            raise ConfigurationError(f"Connection {self.conn_id}: query is written like sslmode=require&application_name=sync.")
        if wrong := list(secrets_in(pairs)):
            raise ConfigurationError(
                f"Connection {self.conn_id}: {', '.join(wrong)} belongs into login and password, not in query."
            )
        return pairs

    def _text(self, name: str, meaning: str) -> str:
        value = self.connection.extra_dejson.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"Connection {self.conn_id}: its extra lacks {name}, {meaning}; {GUIDE}.")
        return value.strip()

    def get_conn(self) -> Any:
        """An SQLAlchemy connection, for looking at something by hand; the caller closes it."""
        from sqlalchemy import create_engine

        return create_engine(self.url, hide_parameters=True).connect()


def is_path(text: str | None) -> bool:
    return bool(text) and ("/" in str(text) or str(text).endswith((".sqlite", ".sqlite3", ".db")))
