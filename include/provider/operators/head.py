"""The head of a DAG: what opens a run, proves that it can be made, and says which tasks and parts it has."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.utils.skipmixin import SkipMixin

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.run import Kind, Run, open_run, start_over
from include.provider.links import keep_web_address
from include.provider.operators.base import SyncOperator, entity_of

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk.definitions.context import Context

    from include.financials.ledger import Ledger
    from include.financials.ledger.inbox import Claimed
    from include.financials.settings import Settings
    from include.financials.systems import Systems
    from include.financials.view import Sync

log = logging.getLogger(__name__)


class WindowOperator(SyncOperator):
    """First task of a run, and the only one that opens it: decides mode and window by the run's type, writes them to the ledger,
    shows them in XCom, with what the run is expected to cost.

    Scheduled: from the watermark to the end of the data interval, in the settings' ``scheduled_mode``. Backfill: exactly its data
    interval. Manual: params ``since`` and ``until``, else those of the operator, else from the watermark to the sources' own now;
    cleared after it had come to its end, it ends at the now of then.

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

    def run_of(self, context: Context, ledger: Ledger, settings: Settings, systems: Systems) -> Run:
        from include.provider.events import swept

        # A field that somebody emptied in the form comes as None or as an empty text: then the operator's own window counts. Of
        # every other parameter `open_run` says whether it may be empty.
        empty = dict.fromkeys(("since", "until"), (None, ""))
        given = {key: value for key, value in dict(context["params"]).items() if value not in empty.get(key, ())}
        kind, known = run_kind(context["dag_run"].run_type), ledger.runs.get(self.sync_run_id)

        def now() -> datetime:
            return min(systems["procore"].now(), systems["erp"].now())

        events = given.pop("events", False)
        if not isinstance(events, bool):
            raise ConfigurationError(f"events is {events!r}; it is true or false")
        if events and known is not None and known.kind == kind:
            # An earlier try has claimed its events, which say what it is about.
            return start_over(ledger, known, now())
        if kind == "scheduled" and known is None:
            self.undelivered = swept(systems["procore"], ledger)
        claimed = self._claimed(ledger, settings, systems, kind, events=events)
        if claimed is not None:
            given.pop("entities", None)  # the form's list of all of them is nobody's choice in such a run
        return open_run(
            ledger,
            settings,
            run_id=self.sync_run_id,
            kind=kind,
            source_now=now(),
            claimed=claimed,
            interval=(context.get("data_interval_start"), context.get("data_interval_end")),
            params={"since": self.since, "until": self.until, **given},
        )

    def _claimed(self, ledger: Ledger, settings: Settings, systems: Systems, kind: Kind, *, events: bool) -> Claimed | None:
        """The events that a run of events is about. A scheduled run looks at everything, and takes along what no other took."""
        from include.procore.events import RESOURCES

        whole = kind == "scheduled" and settings.scheduled_mode == "apply" and ledger.inbox.waiting() > 0
        if not (events or whole) or ledger.runs.get(self.sync_run_id) is not None:  # decided by an earlier try
            return None
        found = ledger.inbox.claim(self.sync_run_id, RESOURCES, systems["procore"].account())
        about = ", ".join(found.entities) or "nothing that is kept in step"
        log.info("took %d events from the inbox, about %s", found.events, about)
        return found if events else None

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.cost import expected

        run = sync.run
        if sync.ledger.runs.finished_at(run.run_id, self.head):  # the run starts over
            sync.forget()
            sync.ledger.runs.unfinished(run.run_id, (self.head,))  # from here on a failed try is a try like any other
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


def run_kind(run_type: Any) -> Kind:
    text = str(getattr(run_type, "value", run_type))
    return "backfill" if text == "backfill" else "scheduled" if text == "scheduled" else "manual"


def _days_waiting(context: Context) -> int:
    """Runs of this DAG that have not ended, this one included. A backfill makes all of its runs at once; nothing tells a task
    more of it."""
    ti: Any = context["ti"]
    return int(ti.get_dr_count(dag_id=ti.dag_id, states=["queued", "running"]))


class PreflightOperator(SyncOperator):
    """Connections, rights, external ids of other integrations, and the expected number of calls -
    before anything is read or written.

    Fails with every problem at once, each with its next step.
    """

    head = "preflight"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.preflight import preflight
        from include.provider.events import without_events

        keep_web_address(sync)
        shown = preflight(sync)
        if not context["params"].get("events"):
            shown["events"] = without_events(sync)
        return shown


class SelectOperator(SyncOperator, SkipMixin):
    """Skip every task of the entities that are not part of the run, wherever they stand in the DAG: a task that only finds out by
    itself that it has nothing to do takes a process for it, and a small run would spend its time on them."""

    head = "select"

    def run_step(self, sync: Sync, context: Context) -> list[str]:
        idle = [task for task in context["dag"].tasks if (name := entity_of(task)) in ENTITIES and name not in sync.run.entities]
        # Skipping leaves by an exception as soon as there is something to skip: noted before.
        sync.ledger.runs.finished(sync.run.run_id, self.head)
        self.skip(context["ti"], idle)
        return list(sync.run.entities)


class ShardsOperator(SyncOperator):
    """The numbers of the run's shards, to map tasks over."""

    head = "shards"

    def run_step(self, sync: Sync, context: Context) -> list[int]:
        return list(range(sync.run.shards))
