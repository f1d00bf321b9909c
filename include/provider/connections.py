"""What all connections of this project have in common: each is there, and of its type, or a sentence says what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from include.financials.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

GUIDE = "see docs/go-live.md, Connections"

_NAMED = re.compile(
    r"(pass(word|wd)|pwd|secret|token|credential|(api|access|account|private|storage)_?key)(?!_?(url|uri|path|file)s?$)"
    r"|^(user|username|uid)$",
    re.I,
)
_SHOWN = re.compile(r"\b(pwd|password)\s*=|://[^/@\s:]*:(?!\d+/)[^@\s]+@", re.I)
"""A password within a longer text: of an ODBC connection string, or of an address."""


class Undefined(ConfigurationError):
    """There is no connection of that id."""


def connection_of(conn_id: str, conn_type: str) -> Connection:
    """The Airflow connection. Raises ConfigurationError where it is missing (Undefined), of another type, or shows a secret to
    everybody; a retry cannot help."""
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        if os.environ.get(name := f"AIRFLOW_CONN_{conn_id.upper()}"):
            raise ConfigurationError(
                f"{name} of the environment is no connection that Airflow can read: write it as JSON, with the keys "
                f"conn_type, host, port (a number), schema, login, password and extra; {GUIDE}."
            ) from None  # what Airflow says of it may quote it
        raise Undefined(f"Connection {conn_id} is not defined. Create it with type {conn_type}; {GUIDE}.") from error
    if conn_type != found.conn_type:
        raise ConfigurationError(
            f"Connection {conn_id} is of type {found.conn_type or '(none)'}; make it {conn_type}, whose form has a field "
            f"for each part of the address and for the password{_left_over(found.extra_dejson)}; {GUIDE}."
        )
    extra: Any = found.extra_dejson
    if not isinstance(extra, dict):
        raise ConfigurationError(f'Connection {conn_id}: its extra is an object, as {{"name": "value"}}; {GUIDE}.')
    # An address as `url` has a sentence of its own (DatabaseHook).
    if wrong := list(secrets_in({name: value for name, value in extra.items() if name != "url"})):
        raise ConfigurationError(
            f"Connection {conn_id}: {', '.join(wrong)} belongs into login and password, not in extra, which is shown to "
            f"everybody who may see connections; {GUIDE}."
        )
    return found


def secrets_in(given: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """The names of entries that are a login or a password, or hold one, at any depth."""
    for name, value in given.items():
        place = f"{within}{name}"
        if _NAMED.search(name) or (isinstance(value, str) and _SHOWN.search(value)):
            yield place
        elif isinstance(value, dict):
            yield from secrets_in(value, f"{place}.")


def web_address(found: Connection, scheme: str, port: int | None = None) -> str | None:
    """Scheme, host and port of a connection of a web service, and its path if it has one, from whichever fields they stand in;
    None without a host. ``scheme`` and ``port`` where the connection does not say."""
    host = (found.host or "").strip().rstrip("/")
    if not host:
        return None
    if "://" not in host:
        host = f"{(found.schema or '').strip() or scheme}://{host}"
    try:
        parts = urlsplit(host)
        own = parts.port
    except ValueError:
        return host  # no address: whoever is given it says so
    told = found.port or (port if parts.scheme == scheme else None)
    return host if own or not told else parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{told}").geturl()


def _left_over(extra: Mapping[str, Any]) -> str:
    return (
        ", and delete url from its extra (a password in it is shown to everybody who may see connections)"
        if "url" in extra
        else ""
    )
