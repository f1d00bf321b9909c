"""What tasks import, imported once in the process that they are forked from (docs/operating.md, "Start of a task").

Airflow's LocalExecutor and DAG processor fork a process for each task and each parse. What the parent has imported the child has;
the rest each child imports anew.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow.listeners import hookimpl

MODULES = (
    *(f"include.provider.operators.{name}" for name in ("entity", "head", "result")),
    *(f"include.provider.hooks.{name}" for name in ("erp", "ledger", "procore")),
    *(f"include.provider.{name}" for name in ("events", "settings")),
    *(f"include.financials.{name}" for name in ("checks", "cost", "gate", "preflight", "reconciliation", "report")),
    "include.erp.registry",
    *(
        f"include.erp.{kind}"
        for kind in ("files.transport", "jsonrpc.transport", "rest.odata", "rest.transport", "sql.transport")
    ),
    "include.financials.ledger.story",
    "include.financials.reading.extract",
    "include.financials.writing.engine",
    "include.procore.events",
    "include.session",
    "pyarrow.compute",
)
"""What operators and hooks import when they run, whichever ERP it is. Not Great Expectations and pandas: only a gate that has
something to judge needs them, once a run."""


@hookimpl
def on_starting(component: Any) -> None:
    """Airflow says so in the scheduler, the DAG processor and the triggerer, and in each task, where it would come too late."""
    from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

    if not isinstance(component, TaskRunnerMarker):
        for name in MODULES:
            import_module(name)
