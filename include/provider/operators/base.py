"""What all operators share: connections, the run in the ledger, what is told of a failure, and the steps of one entity."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException, DownstreamTasksSkipped

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, StageClosed, SyncError
from include.financials.legible import nearest
from include.financials.run import HEAD, Run, load_run, require
from include.provider.links import LINKS, push_links
from include.provider.retry import pause

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.financials.ledger import Ledger
    from include.financials.settings import Settings
    from include.financials.systems import Systems
    from include.financials.view import Sync

log = logging.getLogger(__name__)

_BEFORE: dict[str | None, tuple[str, ...]] = {
    "window": (), "preflight": ("window",), "select": ("window", "preflight"), "shards": ("window", "preflight"),
}  # fmt: skip
"""What must have run before a step of the head; before everything else all of ``HEAD``."""
FAILURE_KEY = "failure"
"""XCom of a task that failed: what went wrong, in one sentence, and the kind of error."""


class SyncOperator(BaseOperator):
    """Base of all steps: opens the ledger for one task, Procore and ERP when they are asked, and counts the requests it made.

    Thin by intent: an operator resolves its connections, calls the domain (``include.financials``) and returns a small summary
    for XCom - counts, amounts as text, a path - never records. docs/operators.md says which operator is for what.

    A step does nothing unless the head of its DAG (window, preflight, select, shards: those of them that it has) has run to the
    end in this very run. The ledger says so; Airflow's states can be set by hand.

    Where a step is told when to come back (a spent budget of calls, a lease that another task holds) it is rescheduled: worker
    and pool slots are free meanwhile, and no retry is used up, however often it happens. Only the scheduler is needed for it.

    :param procore_conn_id: connection of type ``procore`` (templated).
    :param erp_conn_id: connection of type ``procore_erp`` (templated): the ERP's database, its ``mapping`` and choices among
        what that offers.
    :param ledger_conn_id: connection of type ``sync_ledger`` (templated): the ledger's database and the address of the staging
        folder.
    :param sync_run_id: name of the run in the ledger (templated; default: the DAG run's id). DAGs that share a ledger give
        theirs different ones: the ledger takes two runs of one name for one.
    """

    template_fields: Sequence[str] = ("procore_conn_id", "erp_conn_id", "ledger_conn_id", "sync_run_id")
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
                sync.ledger.runs.finished(self.sync_run_id, self.head)
            return done

    def run_step(self, sync: Sync, context: Context) -> Any:
        """What the step does; its return value goes to XCom."""
        raise TypeError(f"{type(self).__name__} does not say what its step is")

    def opened(self, context: Context) -> AbstractContextManager[Sync]:
        """The ledger, the run and the doors to both systems, for this task."""
        from include.provider.hooks.erp import ErpHook
        from include.provider.hooks.ledger import LedgerHook
        from include.provider.hooks.procore import ProcoreHook
        from include.provider.settings import current_settings
        from include.session import Access, opened

        place, procore, erp = LedgerHook(self.ledger_conn_id), ProcoreHook(self.procore_conn_id), ErpHook(self.erp_conn_id)
        access = Access(
            known=lambda: {"procore": procore.described, "erp": erp.described},
            procore=lambda: procore.client,
            erp=erp.system,
            ledger=place.ledger,
            staging=lambda: ObjectStoragePath(place.staging),
            settings=current_settings,
        )
        ti = context["ti"]
        return opened(access, self.sync_run_id, lambda *known: self.run_of(context, *known), f"{ti.task_id}[{ti.map_index}]")

    def run_of(self, context: Context, ledger: Ledger, settings: Settings, systems: Systems) -> Run:
        """The run that this task is a part of. Raises StepMissing where its head did not run to the end."""
        require(ledger, self.sync_run_id, self.behind(context))
        return load_run(ledger, self.sync_run_id)

    def behind(self, context: Context) -> list[str]:
        """The steps of the DAG's head that must have run before this one."""
        here = {getattr(task, "head", None) for task in context["dag"].tasks} | {"window"}
        return [step for step in _BEFORE.get(self.head, HEAD) if step in here]


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


class EntityOperator(SyncOperator):
    """A step of one entity, perhaps of one shard of it.

    :param entity: a name of include/financials/entities, e.g. ``commitments``.
    :param shard: which of the run's shards (templated).
    """

    template_fields: Sequence[str] = (*SyncOperator.template_fields, "entity", "shard")
    operator_extra_links = LINKS
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
                        if sync.ledger.runs.finished_at(sync.run.run_id, f"extract:{self.entity}", shard):
                            sync.forget(self.entity, shard)
                try:
                    done = self.run_step(sync, context)
                except StageClosed:
                    push_links(sync, context, self.entity, shards)
                    raise
                sync.ledger.runs.finished(sync.run.run_id, f"{self.step}:{self.entity}", shards)
                push_links(sync, context, self.entity, shards)
                return done

    def covers(self, sync: Sync) -> Sequence[int]:
        """The shards that this task is about."""
        return [int(self.shard)]


def entity_of(task: Any) -> str | None:
    """The entity that a task of a DAG, mapped or not, is about, as it was written: a template is none."""
    kind = getattr(task, "operator_class", type(task))
    if not (isinstance(kind, type) and issubclass(kind, EntityOperator)):
        return None
    return str(getattr(task, "entity", None) or task.partial_kwargs["entity"])
