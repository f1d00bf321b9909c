"""Runs of the real DAG in which one task does not do its work: it fails, or a person marks it. A program of its own, since
Airflow reads its environment when it is imported: ``python -m tests.end_to_end.marking CASES.json RESULTS.json``."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

MANNERS = ("failed", "marked failed", "marked skipped", "marked success")


def main(cases: Path, results: Path) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.definitions import dag as sdk
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.state import TaskInstanceState
    from jsonschema import Draft202012Validator

    found = DagBag(dag_folder="dags").dags["procore_erp_sync"]
    marks = {"marked failed": TaskInstanceState.FAILED, "marked skipped": TaskInstanceState.SKIPPED}
    marks["marked success"] = TaskInstanceState.SUCCESS
    written = DagSerialization.serialize_dag(found)
    run_task, pause, told = sdk._run_task, time.sleep, []

    def broken(*_: Any, **__: Any) -> Any:
        from include.financials.exceptions import ConfigurationError

        raise ConfigurationError("broken on purpose")

    for number, case in enumerate(json.loads(cases.read_text())):
        task_id, manner = case["task"], case["manner"]

        def one(*, ti: Any, task: Any, task_id: str = task_id, manner: str = manner, **options: Any) -> Any:
            if task.inherits_from_empty_operator:
                return ti.set_state(TaskInstanceState.SUCCESS)  # as the scheduler does, which starts no process for it
            if ti.task_id != task_id:
                return run_task(ti=ti, task=task, **options)
            if manner in marks:
                return ti.set_state(marks[manner])
            with mock.patch.object(type(task), "opened", broken):
                return run_task(ti=ti, task=task, **options)

        # Airflow's loop sleeps a second whenever a state has to travel down the graph.
        with ExitStack() as patches:
            patches.enter_context(mock.patch.object(sdk, "_run_task", one))
            patches.enter_context(mock.patch.object(DagSerialization, "serialize_dag", return_value=written))
            # The schemas of the parameters are checked again for every task and serialisation: half of the time.
            patches.enter_context(mock.patch.object(Draft202012Validator, "check_schema"))
            patches.enter_context(mock.patch("time.sleep", lambda seconds: pause(min(seconds, 0.02))))
            if number:  # the DAG is in Airflow's database by now: once is enough
                patches.enter_context(mock.patch.object(DagBundlesManager, "get_all_dag_bundles", return_value=[]))
            day = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=number)
            run = found.test(logical_date=day, run_conf=case.get("conf"))
        states: dict[str, list[str]] = {}
        for ti in run.get_task_instances():
            states.setdefault(ti.task_id, []).append(str(ti.state))
        told.append({**case, "run": str(run.state), "run_id": run.run_id, "states": states})
        results.write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
