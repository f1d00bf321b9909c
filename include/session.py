"""Opens the ledger for a run or a part of one, and the doors to both systems: for operators, commands and tests alike."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from include.financials.exceptions import SyncError
from include.financials.ledger import Ledger
from include.financials.port import System
from include.financials.reading.kept import kept_lists
from include.financials.run import Run
from include.financials.settings import Settings
from include.financials.systems import Sides, Systems
from include.financials.view import Sync
from include.procore.client import ProcoreClient
from include.procore.lists import Kept
from include.procore.system import ProcoreSystem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """How the two systems, the ledger and the files of a run are reached. Whoever opens a run closes what these open.

    ``known`` says what is known of both sides by their connections and the mapping: no client is made for it. ``procore`` and
    ``erp`` are called only when something is asked of that side; ``erp`` is given the name space of the markers that documents
    made from Procore carry (``procore:8089``). ``ledger`` opens one that is there; ``staging`` is a folder (a path of ``upath``
    or Airflow's ``ObjectStoragePath``); ``settings`` reads them anew each time: what a person switches off stops a run that is
    under way.
    """

    settings: Callable[[], Settings]
    known: Callable[[], Sides]
    ledger: Callable[[], Ledger]
    staging: Callable[[], Any]
    procore: Callable[[], ProcoreClient]
    erp: Callable[[str], System]


Decide = Callable[[Ledger, Settings, Systems], Run]
"""Which run it is: opened by the first task of a run, looked up in the ledger by all others."""


@contextmanager
def opened(access: Access, run_id: str, decide: Decide, task: str = "all") -> Iterator[Sync]:
    """The sync of a run, while the block lasts. The requests made in it are added to the run's traffic, as those of ``task``.

    A system is opened when it is first asked: a task that judges, chooses or reports opens neither of them.

    Raises ConfigurationError for what ``access`` finds wrong, RetryLater where a system is away, and whatever ``decide`` raises.
    """
    settings, known = access.settings(), access.known()
    with _seldom_collected(), ExitStack() as stack:
        ledger = stack.enter_context(closing(access.ledger()))
        doors = stack.enter_context(_Doors(access, settings, known, lambda client: _counted(ledger, run_id, task, client)))
        systems = Systems(known, doors.procore, doors.erp)
        run = decide(ledger, settings, systems)
        staging = access.staging()
        kept = kept_lists(run, ledger, settings, staging)
        doors.share(kept)
        yield Sync(run, ledger, settings, systems, staging, access.settings, kept)


COLLECT_AFTER = 10_000
"""New objects after which Python looks for garbage that refers to itself. Of what a sync reads hardly anything does: to look
after each 700, as Python does of its own, took a tenth of the time of a run."""


@contextmanager
def _seldom_collected() -> Iterator[None]:
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, COLLECT_AFTER) if first else 0, *others)  # 0: never
    try:
        yield
    finally:
        gc.set_threshold(first, *others)


class _Doors(ExitStack):
    """Opens the two systems, and closes those that it opened."""

    def __init__(
        self, access: Access, settings: Settings, known: Sides, counted: Callable[[ProcoreClient], AbstractContextManager[None]]
    ) -> None:
        super().__init__()
        self._access, self._settings, self._known, self._counted = access, settings, known, counted
        self._kept: Kept | None = None
        self._procore: ProcoreSystem | None = None

    def procore(self) -> ProcoreSystem:
        client = self.enter_context(closing(self._access.procore()))
        self.enter_context(self._counted(client))
        self._procore = procore_system(client, self._known["erp"].namespace, self._settings)
        self._procore.share_lists(self._kept)
        return self._procore

    def erp(self) -> System:
        return self.enter_context(closing(self._access.erp(self._known["procore"].namespace)))

    def share(self, kept: Kept | None) -> None:
        """The lists that Procore's side may take from ``kept``, whether it is open by now or not."""
        self._kept = kept
        if self._procore is not None:
            self._procore.share_lists(kept)


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
