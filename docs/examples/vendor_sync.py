"""Vendors of the ERP into Procore's directory, every hour: the operators of this project in a DAG of one's own."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import CronDataIntervalTimetable, Param, dag

from include.provider.operators.entity import CheckOperator, ExtractOperator, LoadOperator
from include.provider.operators.head import PreflightOperator, WindowOperator
from include.provider.retry import SyncRetryPolicy

SYNC = {
    "procore_conn_id": "procore_default",
    "erp_conn_id": "erp_default",
    "ledger_conn_id": "sync_ledger",
    # Two DAGs may have runs of the same name; in the ledger they must not be one run.
    "sync_run_id": "{{ dag.dag_id }}__{{ run_id }}",
}


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 9, 1),  # noqa: DTZ001 - the timetable's time zone applies
    max_active_runs=1,
    default_args={"retries": 3, "retry_policy": SyncRetryPolicy(), **SYNC},
    params={
        "entities": Param(["vendors"], type="array", items={"enum": ["vendors"]}, description="What this DAG is about."),
        "mode": Param("apply", enum=["apply", "plan"], description="plan: say what would be written, write nothing."),
    },
)
def vendor_sync() -> None:
    window = WindowOperator(task_id="window", pool="procore_api")
    preflight = PreflightOperator(task_id="preflight", pool="procore_api")
    extract = ExtractOperator(task_id="extract", entity="vendors", pool="procore_api")
    check = CheckOperator(task_id="check", entity="vendors")
    load = LoadOperator(task_id="load", entity="vendors", pool="procore_api")
    window >> preflight >> extract >> check >> load


vendor_sync()
