"""What all connections of this project have in common: each is there, and of its type, or a sentence says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from include.financials.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

GUIDE = "see docs/go-live.md, Connections"


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
