"""Airflow's door to the ERP: resolves a connection and opens the system that its mapping describes."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import URL

from include.financials.exceptions import ConfigurationError, SyncError
from include.provider.connections import GUIDE
from include.provider.hooks.database import DatabaseHook, is_path

if TYPE_CHECKING:
    from include.financials.port import Described, System


_WRITES = "the id of the connection by which documents go, for this mapping reads by one way and writes by another"


class ErpHook(DatabaseHook):
    """The ERP, through a connection of type ``procore_erp``.

    What is no database has a scheme as dialect (``https`` where none is given), its path as ``schema`` and what belongs after the
    question mark as ``query``; a folder only its path, as ``schema``.

    Besides the address its extra has ``mapping`` (a path ending in ``.yaml``, or the name of a file of include/mappings) and
    perhaps ``settings``: choices that the mapping offers, as an object or JSON text, e.g. ``{"ap_invoices": "posted"}``. Where
    the mapping's ``writes`` names a kind of its own for documents, ``writes`` is the id of a second connection of this type,
    whose address is theirs.

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

    @property
    def described(self) -> Described:
        """What the mapping tells of the ERP: nothing is opened, and neither address nor password is looked at."""
        from include.erp.registry import described_erp

        return described_erp(self.mapping)

    def system(self, origin_system: str) -> System:
        """The ERP as a system of the port; the caller closes it."""
        from include.erp.mapping.loading import mapping_path
        from include.erp.registry import adapter, connected, load_mapping

        mapping = load_mapping(mapping_path(self.mapping))

        def address(hook: ErpHook, kind: str) -> Any:
            return hook.url if adapter(kind).database else hook.address

        given: dict[str, Any] = {}
        if mapping.spec.writes is not None:
            given["writes"] = address(ErpHook(self._text("writes", _WRITES)), mapping.spec.writes)
        return connected(address(self, mapping.spec.kind), mapping, origin_system=origin_system, settings=self.settings, **given)

    @property
    def address(self) -> str:
        """The address of an ERP that is no database, with its password: never logged. Raises ConfigurationError."""
        found, scheme, query = self._parts()
        if not scheme and not found.port and is_path(found.host or found.schema):
            return found.schema or found.host or ""
        if not found.host:
            raise ConfigurationError(f"Connection {self.conn_id} lacks host: where the ERP answers, as erp.example.com; {GUIDE}.")
        login, password = found.login or None, found.password or None
        made = URL.create(scheme or "https", login, password, found.host, found.port or None, found.schema or None, query)
        address = made.render_as_string(hide_password=False)
        try:
            _ = urlsplit(address).port
        except ValueError:  # whose words may quote the address
            raise ConfigurationError(
                f"Connection {self.conn_id}: host and port make no address; enter them as erp.example.com and 443; {GUIDE}."
            ) from None
        return address

    def test_connection(self) -> tuple[bool, str]:
        """For the *Test* button: the login, the clock, and every table and column that the mapping names."""
        try:
            with closing(self.system("procore:0")) as system:
                health = system.check()
        except SyncError as error:
            return False, str(error)
        if health.problems:
            return False, f"Connected to {health.description}, but: " + "; ".join(health.problems)
        return True, f"Connected to {health.description}, {health.version}"
