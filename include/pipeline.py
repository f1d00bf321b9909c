"""A whole run without Airflow: the steps of the DAG in its order,
for benchmarks, notebooks and tests that run again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from upath import UPath

from include.erp.registry import erp_system
from include.financials.checks import check
from include.financials.engine import load
from include.financials.entities import ENTITIES
from include.financials.gate import guard, wait_behind
from include.financials.inbox import claim, settle
from include.financials.ledger import Ledger
from include.financials.preflight import preflight
from include.financials.reading.extract import extract
from include.financials.reading.kept import kept_lists
from include.financials.reconciliation import reconcile
from include.financials.report import build, keep, move_watermarks
from include.financials.run import Kind, load_run, open_run
from include.financials.settings import Settings, from_file
from include.financials.view import Sync
from include.procore.client import ProcoreClient
from include.procore.events import RESOURCES
from include.procore.system import ProcoreSystem

MAPPING = "sandbox_erp"
SANDBOX_SETTINGS = Path(__file__).resolve().parent / "sandbox" / "settings.yaml"
EVERYTHING = "2000-01-01T00:00:00Z"


def systems(
    client: ProcoreClient, erp_url: Any, mapping: str, settings: Settings, choices: Mapping[str, str] | None = None
) -> tuple[ProcoreSystem, Any]:
    """Both sides of the port; the mapping's ``system`` is the name space of the external ids that Procore is given. ``choices``
    are those of the mapping's ``settings`` (``{"ap_invoices": "posted"}``)."""
    target: Any = erp_system(
        erp_url, mapping, origin_system=f"procore:{client.company_id}", **({"settings": dict(choices)} if choices else {})
    )
    return ProcoreSystem(
        client,
        erp_system=target.mapping.system,
        cost_type_codes=settings.cost_type_codes,
        cost_code_list=settings.cost_code_list,
        workflow_tools=settings.workflow.tools if "on" in (settings.workflow.shown, settings.workflow.answers) else {},
    ), target


@contextmanager
def opened(
    info: Mapping[str, Any], folder: Path, run_id: str, *, params: Mapping[str, Any] | None = None, kind: Kind = "manual",
    interval: tuple[Any, Any] = (None, None), settings: Settings | None = None, ledger_url: str | None = None,
    events: bool = False, again: bool = False,
) -> Iterator[Sync]:  # fmt: skip
    """The sync of one run against a running sandbox (``info`` is its ``/_sandbox/info``). ``events``: the run is about those in
    the inbox of the ledger, and takes them. ``again``: the run was opened before, as tasks behind the first one find it."""
    settings = settings or from_file(SANDBOX_SETTINGS)
    client = ProcoreClient(info["base_url"], info["login_url"], info["company_id"], info["client_id"], info["client_secret"])
    ledger = Ledger(ledger_url or f"sqlite:///{folder}/ledger.sqlite")
    ledger.create()
    source, target = systems(client, info["erp_url"], MAPPING, settings)
    try:
        if again:
            run = load_run(ledger, run_id)
        else:
            claimed = claim(ledger, run_id, RESOURCES, source.account()) if events else None
            now = min(source.now(), target.now())
            run = open_run(
                ledger, settings, run_id=run_id, kind=kind, source_now=now, interval=interval, params=params, claimed=claimed
            )
        staging = UPath(folder / "staging")
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
            kept=kept,
        )
    finally:
        ledger.count_traffic(run_id, "all", client.calls, client.writes)
        target.close()
        ledger.close()
        client.close()


def run(info: Mapping[str, Any], folder: Path, run_id: str, **options: Any) -> dict[str, Any]:
    """One run from window to report; returns the report. A closed gate stops its stage, as in the DAG."""
    params = ({} if options.get("events") else {"since": EVERYTHING}) | (options.pop("params", None) or {})
    with opened(info, folder, run_id, params=params, **options) as sync:
        preflight(sync)
        loaded: list[str] = []
        for name in sync.run.entities:
            behind = [parent for parent in ENTITIES[name].after if parent in sync.run.entities and parent not in loaded]
            if stage(sync, name, write=not behind):
                loaded.append(name)
        keep(sync, "reconciliation", reconcile(sync).as_dict())
        move_watermarks(sync, loaded)
    with opened(info, folder, run_id, params=params, again=True, **options) as sync:
        if options.get("events"):
            settle(sync.ledger, run_id, succeeded=not sync.run.plan)
        return build(sync)


def stage(sync: Sync, name: str, *, write: bool = True) -> bool:
    """extract, check, load of one entity; False where nothing was loaded: its gate stayed closed, or (``write`` False) that of an
    entity it refers to."""
    row = ENTITIES[name]
    shards = range(sync.run.shards if row.project_scoped else 1)
    for shard in shards:
        extract(sync, name, shard)
    if not row.gate:
        check(sync, name, shards)
    elif not guard(sync, name)[1].passed:
        return False
    if not write:
        wait_behind(sync, name, shards)
        return False
    for shard in shards:
        load(sync, name, shard)
    return True
