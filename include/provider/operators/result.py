"""The end of a DAG: what both sides have now, and what became of the run."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from include.financials.exceptions import RetryLater, RunFailed, StepMissing, SyncError
from include.provider.operators.base import FAILURE_KEY, SyncOperator, entity_of, told

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.financials.view import Sync

log = logging.getLogger(__name__)

SHOWN = 50
"""Stopped records whose whole story the report's log tells; the others are in the report, and `why` tells any of them."""


class ReconcileOperator(SyncOperator):
    """Compare both sides, tie by tie. Differences are a result, not a failure: the report decides."""

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.reconciliation import reconcile
        from include.financials.report import keep

        result = reconcile(sync)
        path = keep(sync, "reconciliation", result.as_dict())
        return {"balanced": result.balanced, "checked": result.checked, "differences": len(result.differences), "path": path}


class ReportOperator(SyncOperator):
    """The only leaf of the graph: writes the report, moves watermarks,
    and fails when any task failed or the sides do not balance.


    Raises RunFailed, naming the tasks that failed themselves with their own sentence. Where the head of the graph failed there is
    nothing to report on: that sentence is all.
    """

    def execute(self, context: Context) -> Any:
        with told(context), ExitStack() as stack:
            states = self._states(context)
            failures = self._failures(context, states)
            try:
                sync = stack.enter_context(self.opened(context))
            except RetryLater:
                raise  # the ledger is away for a while: the report is written when it is back
            except SyncError as error:
                said = failures or [str(error)]
                raise RunFailed("\n".join(["The run did not begin; nothing was written.", *said])) from error
            return self._report(sync, context, failures)

    def _report(self, sync: Sync, context: Context, failures: list[str]) -> dict[str, Any]:
        from include.financials.ledger.story import why
        from include.financials.preflight import notes
        from include.financials.report import build, keep, loaded, move_watermarks

        done = loaded(sync)
        moved = move_watermarks(sync, done)
        report = build(sync)
        path = keep(sync, "report", report)
        found = notes(sync)
        for note in found:
            log.info("%s", note)
        for row in report["stopped"][:SHOWN]:
            log.info("why %s %s: %s", row["entity"], row["key"], " | ".join(why(sync.ledger.story, row["entity"], row["key"])))
        due = {entity for task in context["dag"].tasks if (entity := _loads(task)) in sync.run.entities}
        if not failures and (missing := sorted(due - set(done))):
            failures = [
                f"- {', '.join(missing)}: the load did not run to its end, though its task is no failure; clear it, let it run"
            ]
        sync.ledger.runs.finish(sync.run.run_id, "failed" if failures else "success")
        taken = sync.ledger.inbox.settle(sync.run.run_id, succeeded=not failures and not sync.run.plan)
        if taken:
            log.info(
                "%d events of the inbox are %s", taken, "free for the next run" if failures or sync.run.plan else "done with"
            )
        log.info("report at %s; watermarks moved: %s", path, ", ".join(moved) or "none")
        if failures:
            raise RunFailed("\n".join(["These tasks did not succeed:", *failures, f"The report is at {path}."]))
        if not report["reconciliation"]["balanced"]:
            raise RunFailed(f"The two sides do not reconcile; the unexplained differences are in {path}.")
        told = {"report": path, "stopped": len(report["stopped"]), "balanced": True, "watermarks": moved}
        return told | ({"notes": found} if found else {})

    def _failures(self, context: Context, states: dict[str, list[str]]) -> list[str]:
        """One line for each task that failed itself, in the order of the graph, and one for how many did not run for that."""
        own: list[str] = []
        refused: list[str] = []
        idle = 0
        for task_id in [one for one in context["dag"].task_ids if one in states]:
            found = states[task_id]
            if "failed" in found:
                said = context["ti"].xcom_pull(task_ids=[task_id], key=FAILURE_KEY) or []
                told = [one for one in (said if isinstance(said, list | tuple) else list(said)) if one]
                lines = list(dict.fromkeys(f"- {task_id}: {one['message']}" for one in told))
                if told and all(one["error"] == StepMissing.__name__ for one in told):
                    refused += [one["message"] for one in told]
                else:
                    own += lines or [f"- {task_id}: it was ended or marked failed by hand; its log may say more"]
            elif "upstream_failed" in found:
                idle += 1
        idle += len(refused)
        # Where nothing failed by itself something was marked by hand, and those who refused to go on say what.
        own = own or [f"- {message}" for message in dict.fromkeys(refused)]
        return [*own, f"- {idle} tasks behind did not run"] if own and idle else own

    @staticmethod
    def _states(context: Context) -> dict[str, list[str]]:
        """State(s) of each other task of this run, mapped ones with all their parts."""
        ti = context["ti"]
        found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
        states: dict[str, list[str]] = {}
        for key, state in found.items():
            task_id = key.rsplit("_", 1)[0] if key.rsplit("_", 1)[-1].isdigit() and key not in context["dag"].task_ids else key
            if task_id != ti.task_id:
                states.setdefault(task_id, []).append(str(state))
        return states


def _loads(task: Any) -> str | None:
    """The entity that a task of a DAG, mapped or not, loads."""
    kind = getattr(task, "operator_class", type(task))
    return entity_of(task) if getattr(kind, "step", None) == "load" else None
