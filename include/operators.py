"""The operators that both systems share: what every step of a sync needs, the checks, the gate, reconciliation and report.

Thin by intent: an operator resolves its connections, calls the domain (``include.financials``) and returns a small summary for
XCom - counts, amounts as text, a path - never records.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.utils.skipmixin import SkipMixin
from airflow.sdk import BaseOperator, ObjectStoragePath, Variable
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException, DownstreamTasksSkipped
from sqlalchemy.exc import SQLAlchemyError

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, RetryLater, RunFailed, StageClosed, StepMissing, SyncError
from include.financials.run import HEAD, Kind, Run, load_run, nearest, open_run, require
from include.procore.links import ProcoreRecordLink, keep_web_address, push_link
from include.procore.retry import pause

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.financials.inbox import Claimed
    from include.financials.ledger import Ledger
    from include.financials.settings import Settings
    from include.financials.view import Sync
    from include.procore.client import ProcoreClient

log = logging.getLogger(__name__)

SHOWN = 50
"""Stopped records whose whole story the report's log tells; the others are in the report, and `why` tells any of them."""
SETTINGS_VARIABLE = "procore_erp_sync_settings"
_BEFORE: dict[str | None, tuple[str, ...]] = {
    "window": (), "preflight": ("window",), "select": ("window", "preflight"), "shards": ("window", "preflight"),
}  # fmt: skip
"""What must have run before a step of the head; before everything else all of ``HEAD``."""
FAILURE_KEY = "failure"
"""XCom of a task that failed: what went wrong, in one sentence, and the kind of error."""


class SyncOperator(BaseOperator):
    """Base of all steps: opens ledger, Procore and ERP for one task, and counts the requests it made.

    A step does nothing unless the head of its DAG (window, preflight, select, shards: those of them that it has) has run to the
    end in this very run. The ledger says so; Airflow's states can be set by hand.

    Where a step is told when to come back (a spent budget of calls, a lease that another task holds) it is rescheduled: worker
    and pool slots are free meanwhile, and no retry is used up, however often it happens. Only the scheduler is needed for it.

    :param procore_conn_id: connection of type ``procore``.
    :param erp_conn_id: connection of type ``procore_erp``: the ERP's database, its ``mapping`` and choices among what it offers.
    :param ledger_conn_id: connection of type ``sync_ledger``: the ledger's database and the address of the staging folder.
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    template_fields: Sequence[str] = ("sync_run_id",)
    head: str | None = None
    """Which of the steps of ``HEAD`` this is."""

    def __init__(
        self,
        *,
        procore_conn_id: str = "procore_default",
        erp_conn_id: str = "erp_default",
        ledger_conn_id: str = "sync_ledger",
        sync_run_id: str = "{{ run_id }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.procore_conn_id = procore_conn_id
        self.erp_conn_id = erp_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.sync_run_id = sync_run_id

    def execute(self, context: Context) -> Any:
        with told(context), self.opened(context) as sync:
            done = self.run_step(sync, context)
            if self.head is not None:
                sync.ledger.finished(self.sync_run_id, self.head)
            return done

    def run_step(self, sync: Sync, context: Context) -> Any:
        """What the step does; its return value goes to XCom."""
        raise TypeError(f"{type(self).__name__} does not say what its step is")

    @contextmanager
    def opened(self, context: Context) -> Iterator[Sync]:
        from include.connections import ErpHook, LedgerHook
        from include.financials.reading.kept import kept_lists
        from include.financials.view import Sync
        from include.pipeline import systems
        from include.procore.hook import ProcoreHook

        place, erp = LedgerHook(self.ledger_conn_id), ErpHook(self.erp_conn_id)
        settings = current_settings()
        with ExitStack() as stack:
            client = stack.enter_context(closing(ProcoreHook(self.procore_conn_id).client))
            ledger = stack.enter_context(closing(place.ledger()))
            ledger.ready()
            source, target = systems(client, erp.url, erp.mapping, settings, erp.settings)
            stack.enter_context(closing(target))
            stack.enter_context(counted(ledger, self.sync_run_id, task_key(context), client))
            run = self._run(context, ledger, settings, source, target)
            staging: Any = ObjectStoragePath(place.staging)
            kept = kept_lists(run, ledger, settings, staging)
            source.share_lists(kept)
            yield Sync(
                run,
                ledger,
                settings,
                {"procore": source, "erp": target},
                staging,
                client.company_id,
                source.erp_system,
                current_settings,
                kept,
            )

    def _run(self, context: Context, ledger: Ledger, settings: Settings, source: Any, target: Any) -> Run:
        require(ledger, self.sync_run_id, self.behind(context))
        return load_run(ledger, self.sync_run_id)

    def behind(self, context: Context) -> list[str]:
        """The steps of the DAG's head that must have run before this one."""
        here = {getattr(task, "head", None) for task in context["dag"].tasks} | {"window"}
        return [step for step in _BEFORE.get(self.head, HEAD) if step in here]


@contextmanager
def counted(ledger: Ledger, run_id: str, task: str, client: ProcoreClient) -> Iterator[None]:
    """Add the requests of what is done inside to the run's traffic. That is bookkeeping: it neither fails a task that did its
    work nor hides what another one failed of."""
    calls, writes = client.calls, client.writes
    try:
        yield
    finally:
        made = client.calls - calls
        try:
            ledger.count_traffic(run_id, task, made, client.writes - writes)
        except (SyncError, SQLAlchemyError) as error:
            log.warning("the report will miss %d requests of %s, which could not be counted: %s", made, task, error)


def current_settings() -> Settings:
    from include.financials.settings import load

    return load(Variable.get(SETTINGS_VARIABLE, default=None))


def run_kind(run_type: Any) -> Kind:
    text = str(getattr(run_type, "value", run_type))
    return "backfill" if text == "backfill" else "scheduled" if text == "scheduled" else "manual"


def task_key(context: Context) -> str:
    ti = context["ti"]
    return f"{ti.task_id}[{ti.map_index}]"


@contextmanager
def told(context: Context) -> Iterator[None]:
    """Leave what went wrong in XCom, for the report and for whoever looks at the task; what is only a wait becomes one."""
    try:
        yield
    except (AirflowSkipException, DownstreamTasksSkipped):
        raise  # how Airflow is told to skip; nothing failed
    except Exception as error:
        if isinstance(error, SyncError) and (away := pause(error)) is not None:
            moment = datetime.now(UTC) + away
            log.info("%s This task gives its slots back and goes on at %s UTC; that is no failure.", error, f"{moment:%H:%M:%S}")
            raise AirflowRescheduleException(moment) from error
        # Short enough for XCom whatever a system answered.
        context["ti"].xcom_push(key=FAILURE_KEY, value={"error": type(error).__name__, "message": str(error)[:2000]})
        raise


class WindowOperator(SyncOperator):
    """First task of a run, and the only one that opens it: decides mode and window by the run's type, writes them to the ledger,
    shows them in XCom, with what the run is expected to cost.

    Scheduled: from the watermark to the end of the data interval, in the settings' ``scheduled_mode``. Backfill: exactly its data
    interval. Manual: params ``since`` and ``until``, else those of the operator, else from the watermark to the sources' own now.

    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    :param since: ISO date-time, UTC (templated); a parameter of the run wins.
    :param until: likewise the end of the window; default: the sources' own now.

    Raises ConfigurationError for an unknown parameter, a wrong value, or a ledger that does not exist.
    """

    template_fields: Sequence[str] = (*SyncOperator.template_fields, "since", "until")
    head = "window"

    def __init__(self, *, since: str | None = None, until: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.since = since
        self.until = until
        self.undelivered: dict[str, int] | None = None

    def _run(self, context: Context, ledger: Ledger, settings: Settings, source: Any, target: Any) -> Run:
        # A field that somebody emptied in the form comes as None or as an empty text: then the operator's own window counts. Of
        # every other parameter `open_run` says whether it may be empty.
        empty = dict.fromkeys(("since", "until"), (None, ""))
        given = {key: value for key, value in dict(context["params"]).items() if value not in empty.get(key, ())}
        kind, known = run_kind(context["dag_run"].run_type), ledger.run(self.sync_run_id)
        events = bool(given.pop("events", False))
        if events and known is not None and known["kind"] == kind:
            return load_run(ledger, self.sync_run_id)  # an earlier try has claimed its events, which say what it is about
        if kind == "scheduled" and known is None:
            self.undelivered = swept(source.client, ledger)
        claimed = self._claimed(ledger, settings, source, kind, events=events)
        if claimed is not None:
            given.pop("entities", None)  # the form's list of all of them is nobody's choice in such a run
        return open_run(
            ledger,
            settings,
            run_id=self.sync_run_id,
            kind=kind,
            source_now=min(source.now(), target.now()),
            claimed=claimed,
            interval=(context.get("data_interval_start"), context.get("data_interval_end")),
            params={"since": self.since, "until": self.until, **given},
        )

    def _claimed(self, ledger: Ledger, settings: Settings, source: Any, kind: Kind, *, events: bool) -> Claimed | None:
        """The events that a run of events is about. A scheduled run looks at everything, and takes along what no other took."""
        from include.financials.inbox import claim, waiting
        from include.procore.events import RESOURCES

        whole = kind == "scheduled" and settings.scheduled_mode == "apply" and waiting(ledger) > 0
        if not (events or whole) or ledger.run(self.sync_run_id) is not None:  # decided by an earlier try
            return None
        found = claim(ledger, self.sync_run_id, RESOURCES, source.account())
        about = ", ".join(found.entities) or "nothing that is kept in step"
        log.info("took %d events from the inbox, about %s", found.events, about)
        return found if events else None

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.cost import expected

        run = sync.run
        if sync.ledger.finished_at(run.run_id, "window"):  # the run begins anew
            sync.forget()
        shown: dict[str, Any] = {
            "kind": run.kind,
            "mode": run.mode,
            "since": run.since.isoformat() if run.since else "each list's watermark",
            "until": run.until.isoformat(),
            "entities": list(run.entities),
            "projects": list(run.projects) or "all",
        }
        days = _days_waiting(context) if run.kind == "backfill" else None
        shown["expected"] = expected(sync, days).as_dict()
        if self.undelivered is not None:
            shown["undelivered_events"] = self.undelivered
        log.info("run %s: %s", run.run_id, shown)
        return shown


def _days_waiting(context: Context) -> int:
    """Runs of this DAG that have not ended, this one included. A backfill makes all of its runs at once; nothing tells a task
    more of it."""
    ti: Any = context["ti"]
    return int(ti.get_dr_count(dag_id=ti.dag_id, states=["queued", "running"]))


class PreflightOperator(SyncOperator):
    """Connections, rights, external ids of other integrations, and the expected number of calls -
    before anything is read or written.

    Fails with every problem at once, each with its next step.

    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    head = "preflight"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.preflight import preflight

        keep_web_address(sync)
        shown = preflight(sync)
        if not context["params"].get("events"):
            shown["events"] = without_events(sync)
        return shown


def swept(client: ProcoreClient, ledger: Ledger) -> dict[str, int] | None:
    """Events that Procore could not deliver, taken into the inbox (counts as of :func:`include.procore.webhooks.sweep`); None
    where there is no receiver, or Procore does not say. Raises RetryLater where Procore is away."""
    from include.procore.hook import receiver_of
    from include.procore.webhooks import Webhooks, sweep

    try:
        found = sweep(Webhooks(client, receiver_of()), ledger)
    except RetryLater:
        raise
    except SyncError as error:
        log.info("no event is looked for that could not be delivered: %s This run looks at everything anyway.", error)
        return None
    if any(found.values()):
        log.warning("events that Procore could not deliver: %s; see python -m include.procore webhooks status", found)
    return found


def without_events(sync: Sync) -> list[str]:
    """Why changes in Procore are not told of by events, one sentence each; a warning and no failure, for reading alone brings the
    same result later. Raises RetryLater where Procore is away."""
    from include.procore.hook import receiver_of
    from include.procore.webhooks import Webhooks

    system: Any = sync.systems["procore"]
    try:
        found = Webhooks(system.client, receiver_of()).missing(sync.settings)
    except RetryLater:
        raise
    except SyncError as error:
        found = [str(error)]
    for text in found:
        log.warning("changes are found by the scheduled run only: %s", text)
    return found


class SelectOperator(SyncOperator, SkipMixin):
    """Skip every task of the entities that are not part of the run, wherever they stand in the DAG: a task that only finds out by
    itself that it has nothing to do takes a process for it, and a small run would spend its time on them."""

    head = "select"

    def run_step(self, sync: Sync, context: Context) -> list[str]:
        idle = [task for task in context["dag"].tasks if (name := _entity(task)) in ENTITIES and name not in sync.run.entities]
        # Skipping leaves by an exception as soon as there is something to skip: noted before.
        sync.ledger.finished(sync.run.run_id, self.head)
        self.skip(context["ti"], idle)
        return list(sync.run.entities)


class ShardsOperator(SyncOperator):
    """The numbers of the run's shards, to map tasks over."""

    head = "shards"

    def run_step(self, sync: Sync, context: Context) -> list[int]:
        return list(range(sync.run.shards))


class EntityOperator(SyncOperator):
    """A step of one entity, perhaps of one shard of it.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments``.
    :param shard: which of the run's shards (templated).
    """

    template_fields: Sequence[str] = (*SyncOperator.template_fields, "entity", "shard")
    operator_extra_links = (ProcoreRecordLink(),)
    step = ""
    """``extract``, ``check`` or ``load``: what the ledger notes when it has come to its end."""
    needs: str | None = None
    """The step of the same entity that must have come to its end before."""

    def __init__(self, *, entity: str, shard: int | str = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity
        self.shard = shard

    def execute(self, context: Context) -> Any:
        with told(context):
            if self.entity not in ENTITIES:
                raise ConfigurationError(nearest("unknown entity", [self.entity], ENTITIES))
            with self.opened(context) as sync:
                if self.entity not in sync.run.entities:
                    raise AirflowSkipException(f"{self.entity} is not among this run's entities")
                shards = self.covers(sync)
                if self.needs:
                    require(sync.ledger, sync.run.run_id, [f"{self.needs}:{self.entity}"], shards)
                elif self.step == "extract":
                    for shard in shards:
                        if sync.ledger.finished_at(sync.run.run_id, f"extract:{self.entity}", shard):
                            sync.forget(self.entity, shard)
                try:
                    done = self.run_step(sync, context)
                except StageClosed:
                    push_link(sync, context, self.entity, shards)
                    raise
                sync.ledger.finished(sync.run.run_id, f"{self.step}:{self.entity}", shards)
                push_link(sync, context, self.entity, shards)
                return done

    def covers(self, sync: Sync) -> Sequence[int]:
        """The shards that this task is about."""
        return [int(self.shard)]


class CheckOperator(EntityOperator):
    """Judge the staged records of an entity: references, rules, states, plan. A record's trouble never fails the task.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    step, needs = "check", "extract"

    def covers(self, sync: Sync) -> Sequence[int]:
        """Documents of Procore are judged over all shards together: their numbers must be unique in the ERP company."""
        return range(sync.run.shards) if ENTITIES[self.entity].source == "procore" else super().covers(sync)

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.checks import check
        from include.financials.gate import wait_behind

        shards = self.covers(sync)
        checked = check(sync, self.entity, shards)
        wait_behind(sync, self.entity, shards)
        return checked.as_dict()


class ReferentialIntegrityOperator(CheckOperator):
    """The gate: the checks of an entity as Great Expectations, over all shards, and the verdict on the stage.

    Raises StageClosed (no retry) when too much fails; then nothing of the stage is written and its records stay candidates.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.gate import guard

        checked, opening = guard(sync, self.entity)
        if not opening.passed:
            context["ti"].xcom_push(key="gate", value=opening.as_dict())
            raise StageClosed(
                f"The gate stays closed: {opening.reason} Nothing of this stage was written. Mend the cause and run again."
            )
        return {**checked.as_dict(), "gate": opening.as_dict()}


class ReconcileOperator(SyncOperator):
    """Compare both sides, tie by tie. Differences are a result, not a failure: the report decides.

    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.reconciliation import reconcile
        from include.financials.report import keep

        result = reconcile(sync)
        path = keep(sync, "reconciliation", result.as_dict())
        return {"balanced": result.balanced, "checked": result.checked, "differences": len(result.differences), "path": path}


class ReportOperator(SyncOperator):
    """The only leaf of the graph: writes the report, moves watermarks,
    and fails when any task failed or the sides do not balance.

    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).

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
        from include.financials.inbox import settle
        from include.financials.preflight import notes
        from include.financials.report import build, keep, loaded, move_watermarks
        from include.financials.why import why

        done = loaded(sync)
        moved = move_watermarks(sync, done)
        report = build(sync)
        path = keep(sync, "report", report)
        found = notes(sync)
        for note in found:
            log.info("%s", note)
        for row in report["stopped"][:SHOWN]:
            log.info("why %s %s: %s", row["entity"], row["key"], " | ".join(why(sync.ledger, row["entity"], row["key"])))
        due = {entity for task in context["dag"].tasks if (entity := _loads(task)) in sync.run.entities}
        if not failures and (missing := sorted(due - set(done))):
            failures = [
                f"- {', '.join(missing)}: the load did not run to its end, though its task is no failure; clear it, let it run"
            ]
        sync.ledger.finish_run(sync.run.run_id, "failed" if failures else "success")
        taken = settle(sync.ledger, sync.run.run_id, succeeded=not failures and not sync.run.plan)
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
    return _entity(task) if getattr(kind, "step", None) == "load" else None


def _entity(task: Any) -> str | None:
    """The entity that a task of a DAG, mapped or not, is about, as it was written: a template is none."""
    kind = getattr(task, "operator_class", type(task))
    if not (isinstance(kind, type) and issubclass(kind, EntityOperator)):
        return None
    return str(getattr(task, "entity", None) or task.partial_kwargs["entity"])
