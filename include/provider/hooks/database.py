"""Airflow's doors to the two databases, and what all connections of this project have in common.

A password stands in the connection's password field and nowhere else: there Airflow encrypts it, masks it in logs, in its API
and in the form. An address with a password in ``extra`` would be shown to everybody who may look at connections.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from sqlalchemy import URL

from include.financials.exceptions import ConfigurationError, SyncError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from include.financials.ledger import Ledger
    from include.financials.port import System

GUIDE = "see docs/go-live.md, Connections"
RECEIVER = "/procore/webhooks"
"""Path of the receiver of events on Airflow's API server (plugins/procore_erp, include/receiver.py)."""
SHORTEST = 16
_SECRETS = ("password", "passwd", "pwd", "secret", "token", "user", "username", "uid")
"""Entries of an extra, or parameters of an address, that belong into login and password."""


def connection_of(conn_id: str, conn_type: str) -> Connection:
    """The Airflow connection. Raises ConfigurationError where it is missing or of another type; a retry cannot help."""
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(f"Connection {conn_id} is not defined. Create it with type {conn_type}; {GUIDE}.") from error
    if conn_type != found.conn_type:
        raise ConfigurationError(
            f"Connection {conn_id} is of type {found.conn_type or '(none)'}; make it {conn_type}, whose form has a field "
            f"for each part of the address and for the password{_left_over(found.extra_dejson)}; {GUIDE}."
        )
    return found


def _left_over(extra: Mapping[str, Any]) -> str:
    return (
        ", and delete url from its extra (a password in it is shown to everybody who may see connections)"
        if "url" in extra
        else ""
    )


@dataclass(frozen=True, slots=True)
class EventsConnection:
    """What connection ``procore_webhooks`` says. ``tokens``: those that the receiver takes, the newest last; ``address``: of the
    receiver as Procore can reach it, None where the connection has no host; ``account``: id of the service account's user."""

    tokens: tuple[str, ...] = field(repr=False)
    address: str | None = None
    account: str | None = None


def events_connection(conn_id: str = "procore_webhooks") -> EventsConnection:
    """The connection of the receiver of events, of type ``generic``: password is the token of the header ``Authorization: Bearer
    TOKEN``, or two of them apart by a blank while one replaces the other; login the user id of the service account; host (with
    schema ``https`` and port, if wanted) that of the receiver as Procore can reach it.

    Raises ConfigurationError where it is missing or a token is shorter than 16 letters and digits.
    """
    found = connection_of(conn_id, "generic")
    words = (found.password or "").split()
    if not words or min(map(len, words)) < SHORTEST:
        raise ConfigurationError(
            f"Connection {conn_id} needs a password of at least {SHORTEST} letters and digits; Procore sends "
            "'Authorization: Bearer PASSWORD'"
        )
    for word in words:
        mask_secret(word)
    host = (found.host or "").strip().rstrip("/")
    if host and "://" not in host:
        host = f"{found.schema or 'https'}://{host}" + (f":{found.port}" if found.port else "")
    address = f"{host}{RECEIVER}" if host and not urlsplit(host).path else host
    return EventsConnection(tuple(words), address or None, found.login or None)


class DatabaseHook(BaseHook):
    """A database whose address is put together from a connection's fields. Base of :class:`ErpHook` and :class:`LedgerHook`.

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
        found = self.connection
        extra = found.extra_dejson
        if "url" in extra:
            raise ConfigurationError(
                f"Connection {self.conn_id}: its extra has a url, where a password would be shown to everybody who may see "
                f"connections. Enter host, port, schema (the database), login, password and dialect, and delete url; {GUIDE}."
            )
        if wrong := [name for name in extra if name.lower() in _SECRETS]:
            raise ConfigurationError(
                f"Connection {self.conn_id}: {', '.join(wrong)} belongs into login and password, not in extra."
            )
        if "://" in f"{found.host} {found.schema}" or "@" in (found.host or ""):
            raise ConfigurationError(
                f"Connection {self.conn_id}: host and schema hold a whole address. Enter its parts one by one, the password as "
                f"password: elsewhere it is shown to everybody; {GUIDE}."
            )
        if found.password:
            for form in {found.password, quote(found.password, safe=""), quote_plus(found.password)}:
                mask_secret(form)
        dialect = str(extra.get("dialect") or "").strip()
        if dialect.partition("+")[0] == "sqlite" or (not dialect and not found.port and _is_path(found.host or found.schema)):
            return self._sqlite(found, dialect or "sqlite", self._query(extra))
        if not dialect or not found.host or not found.schema:
            missing = [
                name for name, value in (("dialect", dialect), ("host", found.host), ("schema", found.schema)) if not value
            ]
            raise ConfigurationError(
                f"Connection {self.conn_id} lacks {', '.join(missing)}: dialect (in the extra) is SQLAlchemy's, as "
                f"postgresql+psycopg2, schema the name of the database; for SQLite only the path of the file, as schema; {GUIDE}."
            )
        return URL.create(
            dialect, found.login or None, found.password or None, found.host, found.port, found.schema, self._query(extra)
        )

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
        if wrong := [name for name in pairs if name.lower() in _SECRETS or "password" in name.lower()]:
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


class ErpHook(DatabaseHook):
    """The ERP, through a connection of type ``procore_erp``.

    Besides the address its extra has ``mapping`` (a path ending in ``.yaml``, or the name of a file of include/mappings) and
    perhaps ``settings``: choices that the mapping offers, as an object or JSON text, e.g. ``{"ap_invoices": "posted"}``.

    :param erp_conn_id: the Airflow connection.
    """

    conn_name_attr = "erp_conn_id"
    default_conn_name = "erp_default"
    conn_type = "procore_erp"
    hook_name = "Procore sync: ERP"

    def __init__(self, erp_conn_id: str = default_conn_name) -> None:
        super().__init__(erp_conn_id)

    @property
    def mapping(self) -> str:
        return self._text("mapping", "the path or name of the mapping file")

    @property
    def settings(self) -> dict[str, str]:
        """The choices made among those that the mapping offers."""
        given = self.connection.extra_dejson.get("settings") or {}
        try:
            found = json.loads(given) if isinstance(given, str) else given
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise ConfigurationError(f'Connection {self.conn_id}: settings is an object of texts: {{"ap_invoices": "posted"}}.')
        return found

    def system(self, origin_system: str) -> System:
        """The ERP as a system of the port; the caller closes it."""
        from include.erp.registry import erp_system

        settings = self.settings
        return erp_system(self.url, self.mapping, origin_system=origin_system, **({"settings": settings} if settings else {}))

    def test_connection(self) -> tuple[bool, str]:
        """For the *Test* button: the login, the clock, and every table and column that the mapping names."""
        try:
            system: Any = self.system("procore:0")
            try:
                health = system.check()
            finally:
                system.close()
        except SyncError as error:
            return False, str(error)
        if health.problems:
            return False, f"Connected to {health.description}, but: " + "; ".join(health.problems)
        return True, f"Connected to {health.description}, {health.version}"


class LedgerHook(DatabaseHook):
    """The sync's ledger (SQLite or PostgreSQL), through a connection of type ``sync_ledger``.

    Its extra also has ``staging``: where pages of records and reports lie (``file:///var/lib/procore-erp/staging``, ``s3://...``).

    :param ledger_conn_id: the Airflow connection.
    """

    conn_name_attr = "ledger_conn_id"
    default_conn_name = "sync_ledger"
    conn_type = "sync_ledger"
    hook_name = "Procore sync: ledger"

    def __init__(self, ledger_conn_id: str = default_conn_name) -> None:
        super().__init__(ledger_conn_id)

    @property
    def staging(self) -> str:
        return self._text("staging", "the address of the staging folder, as file:///var/lib/procore-erp/staging")

    def ledger(self) -> Ledger:
        """The ledger, opened; the caller closes it."""
        from include.financials.ledger import Ledger

        return Ledger(self.url)

    def test_connection(self) -> tuple[bool, str]:
        """For the *Test* button: the login, and whether there is a ledger at that address. Nothing is made."""
        try:
            ledger = self.ledger()
            try:
                ledger.ready()
                return True, f"Connected to {ledger.shown}; files go to {self.staging}"
            finally:
                ledger.close()
        except SyncError as error:
            return False, str(error)


def _is_path(text: str | None) -> bool:
    return bool(text) and ("/" in str(text) or str(text).endswith((".sqlite", ".sqlite3", ".db")))
