"""The operators that both systems share: what every step of a sync needs, the checks, the gate, reconciliation and report.

Thin by intent: an operator resolves its connections, calls the domain (``include.financials``) and returns a small summary for
XCom - counts, amounts as text, a path - never records.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, BaseOperator, ObjectStoragePath, Variable
from airflow.sdk.exceptions import AirflowSkipException

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, StageClosed, SyncError
from include.financials.run import Kind, Run, load_run, open_run

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.financials.ledger import Ledger
    from include.financials.settings import Settings
    from include.financials.view import Sync

log = logging.getLogger(__name__)

SHOWN = 50
"""Stopped records whose whole story the report's log tells; the others are in the report, and `why` tells any of them."""
SETTINGS_VARIABLE = "procore_erp_sync_settings"


class SyncOperator(BaseOperator):
    """Base of all steps: opens ledger, Procore and ERP for one task, and counts the requests it made.

    :param procore_conn_id: connection of type ``procore``.
    :param erp_conn_id: connection whose extra names the ERP: ``url`` (SQLAlchemy), ``mapping`` (a file of include/mappings) and
        perhaps ``settings`` (choices that the mapping offers, e.g. ``{"ap_invoices": "posted"}``).
    :param ledger_conn_id: connection whose extra has ``url`` (SQLAlchemy, SQLite or PostgreSQL)
        and ``staging`` (object storage URL).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    :param since: ISO date-time (UTC, templated); only used where no ``window`` task has opened the run.
    :param until: likewise the end of the window; default: the sources' own now.
    """

    template_fields: Sequence[str] = ("sync_run_id", "since", "until")

    def __init__(
        self,
        *,
        procore_conn_id: str = "procore_default",
        erp_conn_id: str = "erp_default",
        ledger_conn_id: str = "sync_ledger",
        sync_run_id: str = "{{ run_id }}",
        since: str | None = None,
        until: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.procore_conn_id = procore_conn_id
        self.erp_conn_id = erp_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.sync_run_id = sync_run_id
        self.since = since
        self.until = until

    def execute(self, context: Context) -> Any:
        with self.opened(context) as sync:
            return self.run_step(sync, context)

    def run_step(self, sync: Sync, context: Context) -> Any:
        """What the step does; its return value goes to XCom."""
        raise TypeError(f"{type(self).__name__} does not say what its step is")

    @contextmanager
    def opened(self, context: Context) -> Iterator[Sync]:
        from include.financials.ledger import Ledger
        from include.financials.view import Sync
        from include.pipeline import systems
        from include.procore.hook import ProcoreHook

        place = extra(self.ledger_conn_id, "url", "staging")
        erp = extra(self.erp_conn_id, "url", "mapping")
        choices = BaseHook.get_connection(self.erp_conn_id).extra_dejson.get("settings")
        settings = current_settings()
        client = ProcoreHook(self.procore_conn_id).client
        ledger = Ledger(place["url"])
        ledger.migrate()
        source, target = systems(client, erp["url"], erp["mapping"], settings, choices)
        calls, writes = client.calls, client.writes
        try:
            run = self._run(context, ledger, settings, source, target)
            staging: Any = ObjectStoragePath(place["staging"])
            yield Sync(
                run,
                ledger,
                settings,
                {"procore": source, "erp": target},
                staging,
                client.company_id,
                source.erp_system,
                current_settings,
            )
        finally:
            ledger.count_traffic(self.sync_run_id, task_key(context), client.calls - calls, client.writes - writes)
            target.close()
            ledger.close()

    def _run(self, context: Context, ledger: Ledger, settings: Settings, source: Any, target: Any) -> Run:
        if ledger.run(self.sync_run_id) is None:
            now = min(source.now(), target.now())
            dag_run = context["dag_run"]
            return open_run(
                ledger,
                settings,
                run_id=self.sync_run_id,
                kind=run_kind(dag_run.run_type),
                source_now=now,
                interval=(context.get("data_interval_start"), context.get("data_interval_end")),
                params=self.run_params(context),
            )
        return load_run(ledger, self.sync_run_id)

    def run_params(self, context: Context) -> dict[str, Any]:
        return {"since": self.since, "until": self.until}


def extra(conn_id: str, *names: str) -> dict[str, str]:
    """The named entries of a connection's extra. Raises ConfigurationError that says which one is missing."""
    found = BaseHook.get_connection(conn_id).extra_dejson
    missing = [name for name in names if not found.get(name)]
    if missing:
        raise ConfigurationError(
            f"Connection {conn_id}: its extra lacks {', '.join(missing)}; see docs/go-live.md for an example"
        )
    return {name: str(found[name]) for name in names}


def current_settings() -> Settings:
    from include.financials.settings import load

    return load(Variable.get(SETTINGS_VARIABLE, default=None))


def run_kind(run_type: Any) -> Kind:
    text = str(getattr(run_type, "value", run_type))
    return "backfill" if text == "backfill" else "scheduled" if text == "scheduled" else "manual"


def task_key(context: Context) -> str:
    ti = context["ti"]
    return f"{ti.task_id}[{ti.map_index}]"


class WindowOperator(SyncOperator):
    """First task of a run: decides the window by the run's type, writes it to the ledger, shows it in XCom.

    Scheduled: from the watermark to the end of the data interval. Backfill: exactly its data interval. Manual: params ``since``
    and ``until``, else from the watermark to the sources' own now.

    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    def run_params(self, context: Context) -> dict[str, Any]:
        params = dict(context["params"])
        return {"since": self.since, "until": self.until, **{key: params[key] for key in params}}

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        run = sync.run
        shown = {
            "kind": run.kind,
            "mode": run.mode,
            "since": run.since.isoformat() if run.since else "each list's watermark",
            "until": run.until.isoformat(),
            "entities": list(run.entities),
            "projects": list(run.projects) or "all",
        }
        log.info("run %s: %s", run.run_id, shown)
        return shown


class PreflightOperator(SyncOperator):
    """Connections, rights, external ids of other integrations, and the expected number of calls -
    before anything is read or written.

    Fails with every problem at once, each with its next step.

    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.preflight import preflight

        return preflight(sync)


class EntityOperator(SyncOperator):
    """A step of one entity, perhaps of one shard of it.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments``.
    :param shard: which of the run's shards (templated).
    """

    template_fields: Sequence[str] = (*SyncOperator.template_fields, "entity", "shard")

    def __init__(self, *, entity: str, shard: int | str = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity
        self.shard = shard

    def execute(self, context: Context) -> Any:
        if self.entity not in ENTITIES:
            raise ConfigurationError(f"unknown entity {self.entity!r}; known: {', '.join(ENTITIES)}")
        with self.opened(context) as sync:
            if self.entity not in sync.run.entities:
                self.before_skip(sync, context)
                raise AirflowSkipException(f"{self.entity} is not among this run's entities")
            return self.run_step(sync, context)

    def before_skip(self, sync: Sync, context: Context) -> None:
        """What is left behind by a task whose entity is not part of the run: nothing, unless its operator says otherwise."""


class CheckOperator(EntityOperator):
    """Judge the staged records of an entity: references, rules, states, plan. A record's trouble never fails the task.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    :param since: ISO date-time, UTC (templated); only used where no ``window`` task has opened the run.
    :param until: likewise the end of the window; default: the sources' own now.
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.checks import check
        from include.financials.gate import wait_behind

        # Documents of Procore are judged over all shards together: their numbers must be unique in the ERP company.
        whole = ENTITIES[self.entity].source == "procore"
        shards = range(sync.run.shards) if whole else [int(self.shard)]
        for shard in shards:
            if not sync.staged(self.entity, shard).state()["complete"]:
                raise SyncError(f"the records of {self.entity} were not read to the end; see the log of extract_{self.entity}")
        checked = check(sync, self.entity, shards)
        wait_behind(sync, self.entity, shards)
        return checked.as_dict()


class ReferentialIntegrityOperator(EntityOperator):
    """The gate: the checks of an entity as Great Expectations, over all shards, and the verdict on the stage.

    Raises StageClosed (no retry) when too much fails; then nothing of the stage is written and its records stay candidates.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    :param since: ISO date-time, UTC (templated); only used where no ``window`` task has opened the run.
    :param until: likewise the end of the window; default: the sources' own now.
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
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
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
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).
    :param loads: load task id per entity; a watermark moves only after its entity's load succeeded.
    """

    def __init__(self, *, loads: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loads = loads

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.exceptions import RunFailed
        from include.financials.report import build, keep, move_watermarks
        from include.financials.why import why

        states = self._states(context)
        loaded = [
            name
            for name, task_id in self.loads.items()
            if name in sync.run.entities and set(states.get(task_id, ())) == {"success"}
        ]
        moved = move_watermarks(sync, loaded)
        report = build(sync)
        path = keep(sync, "report", report)
        for row in report["stopped"][:SHOWN]:
            log.info("why %s %s: %s", row["entity"], row["key"], " | ".join(why(sync.ledger, row["entity"], row["key"])))
        failed = sorted(task for task, found in states.items() if {"failed", "upstream_failed"} & set(found))
        sync.ledger.finish_run(sync.run.run_id, "failed" if failed else "success")
        log.info("report at %s; watermarks moved: %s", path, ", ".join(moved) or "none")
        if failed:
            raise RunFailed(f"These tasks did not succeed: {', '.join(failed)}. The report is at {path}.")
        if not report["reconciliation"]["balanced"]:
            raise RunFailed(f"The two sides do not reconcile; the unexplained differences are in {path}.")
        return {"report": path, "stopped": len(report["stopped"]), "balanced": True, "watermarks": moved}

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
