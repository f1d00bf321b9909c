"""Opens both systems and the ledger for a run, or a part of one: for operators, commands, benchmarks and tests alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from include.financials.exceptions import SyncError
from include.financials.ledger import Ledger
from include.financials.port import System
from include.financials.reading.kept import kept_lists
from include.financials.run import Run
from include.financials.settings import Settings
from include.financials.view import Sync
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem, namespace_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """How the two systems, the ledger and the files of a run are reached. Whoever opens a run calls these, in this order, and
    closes what they open.

    ``erp`` is given the name space of the markers that documents made from Procore carry (``procore:8089``); ``ledger`` opens one
    that is there; ``staging`` is a folder (a path of ``upath`` or Airflow's ``ObjectStoragePath``); ``settings`` reads them anew
    each time: what a person switches off stops a run that is under way.
    """

    settings: Callable[[], Settings]
    procore: Callable[[], ProcoreClient]
    ledger: Callable[[], Ledger]
    erp: Callable[[str], System]
    staging: Callable[[], Any]


Decide = Callable[[Ledger, Settings, ProcoreSystem, System], Run]
"""Which run it is: opened by the first task of a run, looked up in the ledger by all others."""


@contextmanager
def opened(access: Access, run_id: str, decide: Decide, task: str = "all") -> Iterator[Sync]:
    """The sync of a run, while the block lasts. The requests made in it are added to the run's traffic, as those of ``task``.

    Raises ConfigurationError for what ``access`` finds wrong, RetryLater where a system is away, and whatever ``decide`` raises.
    """
    settings = access.settings()
    with ExitStack() as stack:
        client = stack.enter_context(closing(access.procore()))
        ledger = stack.enter_context(closing(access.ledger()))
        erp = stack.enter_context(closing(access.erp(namespace_of(client))))
        procore = procore_system(client, erp.namespace, settings)
        stack.enter_context(_counted(ledger, run_id, task, client))
        run = decide(ledger, settings, procore, erp)
        staging = access.staging()
        kept = kept_lists(run, ledger, settings, staging)
        procore.share_lists(kept)
        yield Sync(
            run, ledger, settings, {"procore": procore, "erp": erp}, staging, client.company_id, erp.namespace, access.settings,
            kept,
        )  # fmt: skip


def procore_system(client: ProcoreClient, namespace: str, settings: Settings) -> ProcoreSystem:
    """Procore as a system of the port. ``namespace``: first part of the external ids that its records are given."""
    return ProcoreSystem(
        client,
        erp_system=namespace,
        cost_type_codes=settings.cost_type_codes,
        cost_code_list=settings.cost_code_list,
        workflow_tools=settings.workflow.tools if settings.workflow.looked_at else {},
        older_workflows=settings.workflow.older if settings.workflow.looked_at else {},
    )


@contextmanager
def _counted(ledger: Ledger, run_id: str, task: str, client: ProcoreClient) -> Iterator[None]:
    """That is bookkeeping: it neither fails a task that did its work nor hides what another one failed of."""
    calls, writes = client.calls, client.writes
    try:
        yield
    finally:
        made = client.calls - calls
        try:
            ledger.runs.count_traffic(run_id, task, made, client.writes - writes)
        except (SyncError, SQLAlchemyError) as error:
            log.warning("the report will miss %d requests of %s, which could not be counted: %s", made, task, error)
