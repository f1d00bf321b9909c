"""A whole run without Airflow: the steps of the DAG in its order, for notebooks, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from include import session
from include.financials.checks import check
from include.financials.entities import ENTITIES
from include.financials.gate import guard, wait_behind
from include.financials.ledger import Ledger
from include.financials.preflight import preflight
from include.financials.reading.extract import extract
from include.financials.reconciliation import reconcile
from include.financials.report import build, keep, move_watermarks
from include.financials.run import Kind, Run, load_run, open_run
from include.financials.settings import Settings
from include.financials.systems import Systems
from include.financials.view import Sync
from include.financials.writing.engine import load
from include.order import behind, parts
from include.procore.events import RESOURCES


def opened(
    access: session.Access, run_id: str, *, params: Mapping[str, Any] | None = None, kind: Kind = "manual",
    interval: tuple[Any, Any] = (None, None), events: bool = False, again: bool = False,
) -> AbstractContextManager[Sync]:  # fmt: skip
    """The sync of a run. ``events``: it is about those in the inbox of the ledger, and takes them. ``again``: it was opened
    before, as tasks behind the first one find it."""

    def decide(ledger: Ledger, settings: Settings, systems: Systems) -> Run:
        if again:
            return load_run(ledger, run_id)
        procore = systems["procore"]
        claimed = ledger.inbox.claim(run_id, RESOURCES, procore.account()) if events else None
        now = min(procore.now(), systems["erp"].now())
        return open_run(
            ledger, settings, run_id=run_id, kind=kind, source_now=now, interval=interval, params=params, claimed=claimed
        )

    return session.opened(access, run_id, decide)


def run(access: session.Access, run_id: str, **options: Any) -> dict[str, Any]:
    """One run from window to report; returns the report. ``options`` are those of :func:`opened`. A closed gate stops its stage,
    as in the DAG."""
    with opened(access, run_id, **options) as sync:
        preflight(sync)
        loaded: list[str] = []
        for name in sync.run.entities:
            if stage(sync, name, write=not behind(ENTITIES[name], sync.run.entities, loaded)):
                loaded.append(name)
        keep(sync, "reconciliation", reconcile(sync).as_dict())
        move_watermarks(sync, loaded)
    with opened(access, run_id, **options | {"again": True}) as sync:
        if options.get("events"):
            sync.ledger.inbox.settle(run_id, succeeded=not sync.run.plan)
        return build(sync)


def stage(sync: Sync, name: str, *, write: bool = True) -> bool:
    """extract, check and, unless it is only read, load of one entity; False where nothing was loaded: its gate stayed closed, or
    (``write`` False) that of an entity it refers to."""
    row = ENTITIES[name]
    shards = parts(row, sync.run.shards)
    for shard in shards:
        extract(sync, name, shard)
    if not row.gate:
        check(sync, name, shards)
    elif not guard(sync, name)[1].passed:
        return False
    if row.read_only:
        return True
    if not write:
        wait_behind(sync, name, shards)
        return False
    for shard in shards:
        load(sync, name, shard)
    return True
