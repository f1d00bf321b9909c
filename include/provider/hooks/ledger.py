"""Airflow's door to the sync's own database."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from include.financials.exceptions import SyncError
from include.provider.hooks.database import DatabaseHook

if TYPE_CHECKING:
    from include.financials.ledger import Ledger


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
        """The ledger, opened; the caller closes it. Raises ConfigurationError where there is none."""
        from include.financials.ledger import Ledger

        found = Ledger(self.url)
        try:
            found.ready()
        except BaseException:
            found.close()
            raise
        return found

    def test_connection(self) -> tuple[bool, str]:
        """For the *Test* button: the login, and whether there is a ledger at that address. Nothing is made."""
        try:
            with closing(self.ledger()) as ledger:
                return True, f"Connected to {ledger.shown}; files go to {self.staging}"
        except SyncError as error:
            return False, str(error)
