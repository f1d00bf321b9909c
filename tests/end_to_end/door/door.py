"""Two small DAGs for what only a real Airflow can show: waiting, what is not tried again, what a log shows.

Waits are cut to nothing here, so that each second that Procore asks for is one that ends a task.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import BaseOperator, dag

from include.procore.client import ProcoreClient
from include.provider.hooks.ledger import LedgerHook
from include.provider.operators.entity import ExtractOperator
from include.provider.operators.head import WindowOperator
from include.provider.retry import SyncRetryPolicy

ProcoreClient.__init__.__kwdefaults__["max_wait"] = 0.0
FEW = {"procore_conn_id": "few_procore", "erp_conn_id": "few_erp", "ledger_conn_id": "few_ledger"}
BEGIN = datetime(2026, 9, 1)  # noqa: DTZ001
AGAIN: dict[str, Any] = {"retries": 1, "retry_policy": SyncRetryPolicy()}


class ShowOperator(BaseOperator):
    """Writes a connection's password into its log, plain and as part of an address."""

    def execute(self, context: Any) -> None:
        url = LedgerHook("shown_ledger").url
        logging.getLogger(__name__).info("plain %s, address %s", url.password, url.render_as_string(hide_password=False))


@dag(schedule=None, start_date=BEGIN, default_args=AGAIN)
def waits() -> None:
    """The window of its run is opened by the test."""
    ExtractOperator(task_id="extract", entity="commitments", pool="narrow", **FEW)


@dag(schedule=None, start_date=BEGIN, default_args=AGAIN)
def fails() -> None:
    ShowOperator(task_id="show")
    WindowOperator(task_id="nobody", procore_conn_id="nobody", retries=3)


waits()
fails()
