"""A run whose first task is cleared: the operators of the DAG, task by task, on one entity. What the scheduler adds to it
(order, retries) is tested with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import DAG

from include import session
from include.financials.exceptions import RunFailed, StepMissing
from include.financials.ledger.inbox import Claimed
from include.provider.operators.base import SyncOperator
from include.provider.operators.entity import ExtractOperator, LoadOperator, ReferentialIntegrityOperator
from include.provider.operators.head import PreflightOperator, WindowOperator
from include.provider.operators.result import ReconcileOperator, ReportOperator
from sandbox.chaos import people
from sandbox.pipeline import access
from tests.end_to_end.test_windows import OPEN, now, watermarks
from tests.end_to_end.world import World

MANUAL, EARLIER, LATER = "manual", "104-SC-901", "104-SC-902"


class Tasks:
    """A small DAG of the project's operators, and a run of it that any task can be told to do again."""

    def __init__(self, world: World, run_type: str = MANUAL, interval: Any = (None, None), **params: Any) -> None:
        self.world = world
        with DAG("small", schedule=None, start_date=datetime(2026, 9, 1, tzinfo=UTC)) as self.dag:
            WindowOperator(task_id="window", sync_run_id="r")
            PreflightOperator(task_id="preflight", sync_run_id="r")
            ExtractOperator(task_id="extract", entity="commitments", sync_run_id="r")
            ReferentialIntegrityOperator(task_id="check", entity="commitments", sync_run_id="r")
            LoadOperator(task_id="load", entity="commitments", sync_run_id="r")
            ReconcileOperator(task_id="reconcile", sync_run_id="r")
            ReportOperator(task_id="report", sync_run_id="r")
        ti = mock.Mock(**{"get_task_states.return_value": {"r": {}}, "get_dr_count.return_value": 1}, run_id="r", map_index=-1)
        self.context = {
            "ti": ti, "dag": self.dag, "dag_run": mock.Mock(run_type=run_type), "data_interval_start": interval[0],
            "data_interval_end": interval[1], "params": {"entities": ["commitments"], **params},
        }  # fmt: skip

    def do(self, *names: str) -> list[Any]:
        """These tasks, else all; a minute passes before, as a window ends at the second before it is opened."""
        self.world.advance(minutes=1)
        self.world.forget_requests()
        reached = access(self.world.info, self.world.folder, OPEN)

        def opened(task: SyncOperator, context: Any) -> Any:
            return session.opened(reached, task.sync_run_id, lambda *known: task.run_of(context, *known), task.task_id)

        with mock.patch.object(SyncOperator, "opened", opened), mock.patch("include.provider.operators.base.push_links"):
            return [self.dag.get_task(name).execute(self.context) for name in names or self.dag.task_ids]

    def until(self) -> datetime:
        (row,) = self.world.ledger("SELECT until FROM runs WHERE run_id = 'r'")
        return datetime.fromisoformat(row["until"])


def new(world: World, number: str) -> None:
    people.new_commitment(world, number, "104-SC-003", "1200.00", contract_date="2026-09-20")


def entered(world: World) -> list[str]:
    return [number for number in world.entered() if number in (EARLIER, LATER)]


def test_a_run_by_hand_that_is_cleared_at_once_does_the_same_and_nothing_twice(tiny: World) -> None:
    new(tiny, EARLIER)
    tasks = Tasks(tiny)
    tasks.do()
    before, first = tasks.until(), watermarks(tiny)["commitments"]
    assert entered(tiny) == [EARLIER] and datetime.fromisoformat(first) == before
    tasks.do()
    assert entered(tiny) == [EARLIER] and tiny.writes() == []
    assert before < tasks.until() < now(tiny) + timedelta(seconds=1)  # which is told in whole seconds


def test_a_run_by_hand_that_is_cleared_later_reads_what_came_since(tiny: World, caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(tiny)
    tasks.do()
    before = tasks.until()
    tiny.advance(hours=1)
    new(tiny, LATER)
    with caplog.at_level("INFO"):
        tasks.do()
    assert entered(tiny) == [LATER]
    assert f"ends at {tasks.until():%Y-%m-%dT%H:%M}" in caplog.text and f"ended at {before:%Y-%m-%dT%H:%M}" in caplog.text
    assert tasks.until() - before > timedelta(hours=1)
    assert datetime.fromisoformat(watermarks(tiny)["commitments"]) == tasks.until()
    tasks.do()
    assert entered(tiny) == [LATER] and tiny.writes() == []


def test_no_step_of_before_counts_and_no_watermark_moves_by_them(tiny: World) -> None:
    """Only the first task is cleared: the report must not take the loads of before for loads up to the new end."""
    tasks = Tasks(tiny)
    tasks.do()
    mark = watermarks(tiny)
    tiny.advance(hours=1)
    new(tiny, LATER)
    tasks.do("window")
    for name in ("extract", "check", "load", "report"):
        with pytest.raises((StepMissing, RunFailed), match="preflight did not run to the end"):
            tasks.do(name)
    assert watermarks(tiny) == mark
    tasks.do("preflight")
    for name in ("check", "load"):
        with pytest.raises(StepMissing, match="Nothing was done"):
            tasks.do(name)
    with pytest.raises(StepMissing, match="Clear extract_commitments"):
        tasks.do("reconcile")
    with pytest.raises(RunFailed, match="the load did not run to its end"):
        tasks.do("report")
    assert watermarks(tiny) == mark and entered(tiny) == []


def test_a_later_try_of_the_first_task_sees_the_end_of_the_first(tiny: World) -> None:
    """Also while a run starts over: once that is decided, a try is a try."""
    tasks = Tasks(tiny)
    with mock.patch("include.financials.cost.expected", side_effect=ConnectionError("lost")), pytest.raises(ConnectionError):
        tasks.do("window")
    first = tasks.until()
    tasks.do()
    assert tasks.until() == first
    with mock.patch("include.financials.cost.expected", side_effect=ConnectionError("lost")), pytest.raises(ConnectionError):
        tasks.do("window")
    again = tasks.until()
    assert again > first
    with pytest.raises(StepMissing, match="window"):
        tasks.do("preflight")
    tasks.do("window")
    assert tasks.until() == again


def test_an_end_that_was_asked_for_stays(tiny: World) -> None:
    end = now(tiny).replace(microsecond=0) + timedelta(minutes=30)
    tiny.advance(hours=1)
    tasks = Tasks(tiny, until=end.isoformat())
    tasks.do()
    tiny.advance(hours=1)
    new(tiny, LATER)
    tasks.do()
    assert tasks.until() == end and entered(tiny) == []


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_run_of_an_interval_keeps_it(tiny: World, run_type: str) -> None:
    end = now(tiny).replace(microsecond=0)
    tasks = Tasks(tiny, run_type, (end - timedelta(days=1), end))
    tasks.do()
    tiny.advance(hours=1)
    new(tiny, LATER)
    tasks.do()
    assert tasks.until() == end and entered(tiny) == []
    assert tiny.run()["entities"]["commitments"]["created"] == 1 and entered(tiny) == [LATER]


def test_a_run_of_events_that_is_cleared_later_reads_what_came_since(tiny: World) -> None:
    tasks = Tasks(tiny, events=True)
    with mock.patch("include.financials.ledger.inbox.Inbox.claim") as claim:
        claim.return_value = Claimed(1, ("commitments",), ())
        tasks.do()
        tiny.advance(hours=1)
        new(tiny, LATER)
        tasks.do()
    assert claim.call_count == 1 and entered(tiny) == [LATER]
