"""The graph says the order and nothing else: these tests read it as Airflow's dag processor does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import DownstreamTasksSkipped

from include.financials.entities import ENTITIES, gates_before
from include.financials.entity import STAGES
from include.financials.run import HEAD, PARAMS
from include.provider.retry import SyncRetryPolicy

LOADS = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def dag() -> DAG:
    bag = DagBag(dag_folder=str(ROOT / "dags"))
    assert bag.import_errors == {}
    assert list(bag.dags) == ["procore_erp_sync"]
    return bag.dags["procore_erp_sync"]


LOADED = [name for name, row in ENTITIES.items() if not row.read_only]
"""What is only read has no load."""


def steps_of(name: str) -> tuple[str, ...]:
    return ("extract", "check", "load") if name in LOADED else ("extract", "check")


def task_id(name: str, prefix: str) -> str:
    row = ENTITIES[name]
    return f"{STAGES[row.stage]}.{row.gate if prefix == 'check' and row.gate else f'{prefix}_{name}'}"


def test_one_dag_with_owner_tags_and_docs(dag: DAG) -> None:
    assert dag.tags == {"procore", "erp", "construction"}
    assert dag.max_active_runs == 2
    assert not dag.catchup
    assert "why" in (dag.doc_md or "")
    assert all(task.retries >= 2 for task in dag.tasks)
    assert all(isinstance(task.retry_policy, SyncRetryPolicy) for task in dag.tasks)


def test_every_task_that_calls_a_system_is_in_a_pool_of_that_system(dag: DAG) -> None:
    """What calls both is in Procore's, whose budget is the scarce one; who judges calls none and holds no slot. Reconciliation
    asks the ERP alone, and only where another run wrote meanwhile. (What they do not call, test_airflow.py counts.)"""
    pools = {task.task_id: task.pool for task in dag.tasks}
    none = {task for task, pool in pools.items() if pool == "default_pool"}
    checks = {task_id(name, "check") for name in ENTITIES}
    assert none == {"select", "shards", "report", *(f"{name}.done" for name in STAGES.values())} | checks
    assert pools.pop("reconcile") == "erp"
    assert {pools[task] for task in pools.keys() - none} == {"procore_api"}


def test_the_schedule_has_real_intervals(dag: DAG) -> None:
    """A plain cron string would give every run an empty data interval, and a run that reads nothing is green."""
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"


@pytest.mark.parametrize("name", LOADED)
def test_extract_then_check_then_load(dag: DAG, name: str) -> None:
    extract, check, load = (dag.get_task(task_id(name, step)) for step in ("extract", "check", "load"))
    assert check.task_id in extract.downstream_task_ids
    assert load.task_id in check.downstream_task_ids
    assert "select" in extract.upstream_task_ids
    assert extract.trigger_rule == TriggerRule.ALL_SUCCESS
    assert load.trigger_rule == LOADS


def test_what_is_only_read_is_judged_and_never_loaded(dag: DAG) -> None:
    only = ENTITIES.keys() - LOADED
    assert only
    for name in only:
        assert task_id(name, "check") in dag.get_task(task_id(name, "extract")).downstream_task_ids
        assert task_id(name, "load") not in dag.task_ids
        assert dag.get_task(task_id(name, "check")).downstream_task_ids == {f"{STAGES[ENTITIES[name].stage]}.done"}


@pytest.mark.parametrize("name", ENTITIES)
def test_edges_come_from_the_references(dag: DAG, name: str) -> None:
    for parent in ENTITIES[name].after:
        assert task_id(parent, "check") in dag.get_task(task_id(name, "check")).upstream_task_ids
        if name in LOADED:
            assert task_id(parent, "load") in dag.get_task(task_id(name, "load")).upstream_task_ids


def test_the_head_stands_before_everything(dag: DAG) -> None:
    """Each extract waits for the whole head; what it is mapped over comes from there too."""
    assert dag.get_task("preflight").upstream_task_ids == {"window"}
    assert dag.get_task("select").upstream_task_ids == dag.get_task("shards").upstream_task_ids == {"preflight"}
    assert all(dag.get_task(name).trigger_rule == TriggerRule.ALL_SUCCESS for name in (*HEAD, "reconcile"))
    assert {getattr(task, "head", None) for task in dag.tasks} - {None} == set(HEAD)


def test_select_skips_every_task_of_the_entities_that_a_run_is_not_about(dag: DAG) -> None:
    done: list[Any] = []
    run = SimpleNamespace(run_id="r", entities=("commitments", "owner_invoices"))
    sync: Any = SimpleNamespace(run=run, ledger=SimpleNamespace(runs=SimpleNamespace(finished=lambda *step: done.append(step))))
    context: Any = {"dag": dag, "ti": SimpleNamespace(map_index=-1, xcom_push=lambda **_: None)}
    select: Any = dag.get_task("select")
    with pytest.raises(DownstreamTasksSkipped) as left:
        select.run_step(sync, context)
    left_out = {name for name in ENTITIES if name not in run.entities}
    assert set(left.value.tasks) == {task_id(name, step) for name in left_out for step in steps_of(name)}
    assert done == [("r", "select")], "noted before it leaves"


def test_reconcile_and_report_are_last(dag: DAG) -> None:
    """Whatever fails where: no task may still be at work when the report is written."""
    behind = dag.get_task("report").get_flat_relative_ids(upstream=True)
    assert behind == set(dag.task_ids) - {"report"}
    for stage, name in STAGES.items():
        done = dag.get_task(f"{name}.done")
        assert done.trigger_rule == TriggerRule.ALL_DONE
        own = {task.task_id for task in dag.tasks if task.task_id.startswith(f"{name}.")} - {done.task_id}
        assert done.upstream_task_ids == own | ({f"{STAGES[stage - 1]}.done"} if stage > 1 else set())


def test_stages_follow_each_other(dag: DAG) -> None:
    for stage in list(STAGES)[1:]:
        before, here = f"{STAGES[stage - 1]}.done", f"{STAGES[stage]}."
        assert dag.get_task(before).trigger_rule == TriggerRule.ALL_DONE
        firsts = [
            t for t in dag.tasks if t.task_id.startswith(here) and ("extract_" in t.task_id or before in t.upstream_task_ids)
        ]
        assert firsts
        assert all(before in t.upstream_task_ids for t in firsts)


def test_the_gate_stands_between_commitments_and_their_load(dag: DAG) -> None:
    gate = dag.get_task("commitments_change_orders.referential_integrity")
    load = dag.get_task("commitments_change_orders.load_commitments")
    assert load.task_id in gate.downstream_task_ids and load.trigger_rule == LOADS
    assert not gate.is_mapped, "a verdict on a part of a stage would be none"


def test_what_stands_behind_a_gate_is_judged_and_not_written_when_that_stays_closed(dag: DAG) -> None:
    behind = {name for name, row in ENTITIES.items() if gates_before(row)}
    assert behind == {"commitment_change_orders", "subcontractor_invoices", "payments_issued"}
    for name in ENTITIES:
        rule = TriggerRule.ALL_DONE if name in behind else LOADS
        assert dag.get_task(task_id(name, "check")).trigger_rule == rule
        assert name not in LOADED or dag.get_task(task_id(name, "load")).trigger_rule == LOADS


def test_only_project_scoped_entities_are_sharded(dag: DAG) -> None:
    mapped = {t.task_id for t in dag.tasks if t.is_mapped}
    expected = {
        task_id(n, s)
        for n, row in ENTITIES.items()
        if row.project_scoped
        for s in steps_of(n)
        if not (s == "check" and row.source == "procore")  # documents of Procore are judged over all shards together
    }
    assert mapped == expected


def test_report_is_the_only_leaf_and_sees_every_end(dag: DAG) -> None:
    assert [t.task_id for t in dag.leaves] == ["report"]
    assert dag.get_task("report").trigger_rule == TriggerRule.ALL_DONE


def test_every_parameter_explains_itself(dag: DAG) -> None:
    """What the receiver of events asks for (``events``) is no field of the form, and is taken all the same."""
    assert set(dag.params) == set(PARAMS)
    assert all(dag.params.get_param(name).description for name in dag.params)
    given = ParamsDict({name: dag.params.get_param(name) for name in dag.params})
    given.update({"events": True})
    assert given.validate()["events"] is True


def test_the_graph_has_a_group_per_stage_and_in_it_one_per_entity(dag: DAG) -> None:
    """Folded it shows four stages, one of them unfolded its entities; tasks keep the names that people and the ledger know."""
    stages = dag.task_group.get_task_group_dict()
    assert set(stages) == {None, *STAGES.values(), *(f"{STAGES[row.stage]}.{name}" for name, row in ENTITIES.items())}
    for name, row in ENTITIES.items():
        group = stages[f"{STAGES[row.stage]}.{name}"]
        steps = [task_id(name, step) for step in steps_of(name)]
        assert set(group.children) == set(steps)
        assert [group.children[step].task_display_name for step in steps] == [step.partition(".")[2] for step in steps]


def test_the_dag_file_holds_no_logic_and_nothing_heavy() -> None:
    """Parsing happens every few seconds, and for every task once more: pandas and Great Expectations stay out of it."""
    code = (
        "import sys; import runpy; runpy.run_path('dags/procore_erp_sync.py'); "
        "print([m for m in ('pandas', 'great_expectations', 'pyarrow', 'sqlalchemy.engine.create') "
        "if m in sys.modules and m != 'sqlalchemy.engine.create'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    tree = ast.parse((ROOT / "dags" / "procore_erp_sync.py").read_text())
    assert not any(isinstance(node, ast.Try | ast.While | ast.ClassDef) for node in ast.walk(tree))
