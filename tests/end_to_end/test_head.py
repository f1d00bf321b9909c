"""What a person asked for is never replaced by a default: the real graph, with each task of its head not doing its work."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from include.financials.run import HEAD
from sandbox.local import environment, new_ledger, process
from tests.airflow_home import airflow_database
from tests.end_to_end.marking import MANNERS
from tests.end_to_end.world import World

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1200)]

CASES = [{"task": task, "manner": manner} for task in HEAD for manner in MANNERS]
ASKED = [
    {"task": "", "manner": "a job that nobody has", "conf": {"projects": ["25-014"]}},
    {"task": "", "manner": "a note among the parameters", "conf": {"mode": "plan", "comment": "look first"}},
]
"""Parameters that the head itself refuses: nobody marks anything. Last, and in this order: in one process Airflow hands the
parameters of a run on to the next."""
VENDORS = [
    {"task": f"vendors_projects.{step}_vendors", "manner": "marked success", "conf": {"entities": ["vendors"]}}
    for step in ("extract", "check", "load")
]
"""The same within an entity: what a task builds on was marked, not done."""


class Runs:
    def __init__(self, world: World, cases: list[dict[str, Any]], log: str) -> None:
        self.world, self.cases, self.log = world, cases, log

    def of(self, task: str, manner: str) -> dict[str, Any]:
        return next(case for case in self.cases if (case["task"], case["manner"]) == (task, manner))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """All cases, one run after the other, in one company that has everything to write: nothing is linked yet."""
    folder = tmp_path_factory.mktemp("head")
    world = World(folder / "world", size="tiny", history="linked")
    home, log = folder / "home", folder / "airflow.log"
    home.mkdir()
    (folder / "cases.json").write_text(json.dumps([*CASES, *VENDORS, *ASKED]))
    env = environment(home, world.info, world.folder / "ledger.sqlite", world.folder / "staging")
    try:
        new_ledger(world.folder / "ledger.sqlite")
        airflow_database(tmp_path_factory, env, log)
        world.forget_requests()
        command = [sys.executable, "-m", "tests.end_to_end.marking", str(folder / "cases.json"), str(folder / "results.json")]
        with process(command, log, env=env) as child:
            assert child.wait() == 0, log.read_text()[-3000:]
        yield Runs(world, json.loads((folder / "results.json").read_text()), log.read_text())
    finally:
        world.stop()


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("task", HEAD)
def test_no_load_runs_behind_a_head_that_did_not_do_its_work(runs: Runs, task: str, manner: str) -> None:
    case = runs.of(task, manner)
    expected = {"failed": "failed", "marked failed": "failed", "marked skipped": "skipped", "marked success": "success"}
    assert case["states"][task] == [expected[manner]], "the case did not happen"
    for name, states in case["states"].items():
        if ".extract_" in name or ".load_" in name or name == "reconcile":
            assert "success" not in states, name
    assert case["states"]["report"] == ["failed"] and case["run"] == "failed"


def test_nothing_was_written_and_nothing_moved(runs: Runs) -> None:
    world = runs.world
    assert [row for row in world.requests() if row["write"]] == []
    assert world.audit() == []
    assert world.ledger("SELECT * FROM watermarks") == []
    assert world.ledger("SELECT * FROM links") == [] and world.ledger("SELECT * FROM intents") == []


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case["manner"])
def test_parameters_that_the_head_refuses_write_nothing(runs: Runs, case: dict[str, Any]) -> None:
    states = runs.of("", case["manner"])["states"]
    assert states["report"] == ["failed"]
    assert not [name for name, found in states.items() if ".extract_" in name and "success" in found]
    assert "did you mean 25-104" in runs.log and "unknown parameter 'comment'" in runs.log


@pytest.mark.parametrize("case", VENDORS, ids=lambda case: case["task"])
def test_a_load_needs_its_check_and_a_watermark_its_load(runs: Runs, case: dict[str, Any]) -> None:
    states = runs.of(case["task"], case["manner"])["states"]
    marked = case["task"] == "vendors_projects.load_vendors"
    assert states[case["task"]] == ["success"] and states["report"] == ["failed"]
    assert states["vendors_projects.load_vendors"] == (
        ["success"] if marked else ["upstream_failed"] if "extract" in case["task"] else ["failed"]
    )
    assert "- vendors: the load did not run to its end, though its task is no failure" in runs.log


def test_the_report_names_what_failed_itself(runs: Runs) -> None:
    told = re.findall(r"RunFailed: The run did not begin; nothing was written\.\n(- .+)\n", runs.log)
    assert len(told) == len(CASES) + len(ASKED)
    assert {"- window: broken on purpose", "- preflight: broken on purpose"} <= set(told)
    # By hand there is no sentence; what follows from it is not named as if it had failed by itself.
    assert {line.partition(":")[0] for line in told} <= {f"- {task}" for task in HEAD} | {"- Nothing was done"}
