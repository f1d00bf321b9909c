"""The example in docs/operators.md is the file, and the file runs: Airflow imports it and carries it out against a sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests
from airflow.dag_processing.dagbag import DagBag

from sandbox.local import environment, new_ledger, process, sandbox
from tests.airflow_home import airflow_database

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "docs" / "examples"
CONFS = [{"mode": "plan"}, {"mode": "apply"}, {"mode": "apply"}]


def test_the_page_shows_exactly_the_file() -> None:
    page = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f"```python\n{example.read_text(encoding='utf-8')}```" in page, example.name


def test_airflow_imports_the_examples() -> None:
    bag = DagBag(dag_folder=str(EXAMPLES))
    assert bag.import_errors == {}
    assert list(bag.dags) == ["vendor_sync"]
    dag = bag.dags["vendor_sync"]
    assert [task.task_id for task in dag.topological_sort()] == ["window", "preflight", "extract", "check", "load"]
    assert {getattr(task, "sync_run_id", "") for task in dag.tasks} == {"{{ dag.dag_id }}__{{ run_id }}"}


@pytest.mark.airflow
@pytest.mark.slow
def test_the_example_runs_against_a_sandbox(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Plan first, which writes nothing; then apply; then once more, which finds nothing to do."""
    home, log = tmp_path / "home", tmp_path / "airflow.log"
    home.mkdir()
    with sandbox(tmp_path / "sandbox", size="tiny") as info:
        env = environment(home, info, tmp_path / "ledger.sqlite", tmp_path / "staging")
        env["AIRFLOW__CORE__DAGS_FOLDER"] = str(EXAMPLES)
        airflow_database(tmp_path_factory, env, log)
        new_ledger(tmp_path / "ledger.sqlite")
        control = f"{info['base_url']}/_sandbox"
        # All three in one process: the start of Airflow is what takes the time.
        code = f"import vendor_sync as v; d = v.vendor_sync(); [print(d.test(run_conf=c).state) for c in {CONFS!r}]"
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); {code}"]
        printed = tmp_path / "states.txt"
        with printed.open("w") as out, process(command, log, env=env, stdout=out) as child:
            assert child.wait() == 0, log.read_text()[-3000:]
        assert [line for line in printed.read_text().splitlines() if line == "success"] == ["success"] * 3, log.read_text()[
            -3000:
        ]
        asked = requests.get(f"{control}/requests", timeout=30).json()
    writes = [(row["method"], row["path"]) for row in asked if row["write"] and "/oauth/" not in row["path"]]
    assert writes == [("PATCH", "/rest/v1.0/vendors/sync")]
    assert len(list((tmp_path / "staging").glob("vendor_sync*"))) == 3
