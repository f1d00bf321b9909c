"""Airflow's door to the ERP: resolves a connection and opens the system that its mapping describes."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from include.financials.exceptions import ConfigurationError, SyncError
from include.provider.hooks.database import DatabaseHook

if TYPE_CHECKING:
    from include.financials.port import Described, System


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

    @property
    def described(self) -> Described:
        """What the mapping tells of the ERP: nothing is opened, and neither address nor password is looked at."""
        from include.erp.registry import described_erp

        return described_erp(self.mapping)

    def system(self, origin_system: str) -> System:
        """The ERP as a system of the port; the caller closes it."""
        from include.erp.registry import erp_system

        settings = self.settings
        return erp_system(self.url, self.mapping, origin_system=origin_system, **({"settings": settings} if settings else {}))

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
