"""What tasks import is there before they are forked, and only there."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.erp.registry import kinds
from tests.conftest import ROOT

AIRFLOWS_JOB = """
import json, sys
from airflow.jobs.job import Job
Job()
print(json.dumps(sorted(sys.modules)))
"""
"""As the scheduler, the DAG processor and the triggerer start."""
AIRFLOWS_TASK = """
import json, sys
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker
from airflow.sdk.listener import get_listener_manager
get_listener_manager().hook.on_starting(component=TaskRunnerMarker())
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(program: str, folder: Path) -> set[str]:
    env = os.environ | {"AIRFLOW_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def imported_when_run() -> set[str]:
    """The modules that operators and hooks import inside of functions, and the adapters."""
    found = {point.module for point in kinds().values()}
    for path in sorted(path for room in ("operators", "hooks") for path in (ROOT / "include" / "provider" / room).glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                found |= {str(node.module) for node in ast.walk(function) if isinstance(node, ast.ImportFrom)}
    return found


@pytest.fixture(scope="module")
def of_a_job(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return modules_after(AIRFLOWS_JOB, tmp_path_factory.mktemp("job"))


def test_airflows_processes_import_what_their_children_run(of_a_job: set[str]) -> None:
    wanted = imported_when_run()

    assert {"include.session", "include.financials.reading.extract", "include.erp.sql.transport"} <= wanted
    assert wanted - of_a_job == set()


def test_they_do_not_import_what_the_gate_alone_needs(of_a_job: set[str]) -> None:
    assert of_a_job & {"pandas", "great_expectations"} == set()


def test_a_task_imports_nothing_ahead(tmp_path: Path) -> None:
    after = modules_after(AIRFLOWS_TASK, tmp_path)

    assert "procore_erp_plugin" in "".join(sorted(after)), "the plugin was not loaded at all"
    assert "include.session" not in after
