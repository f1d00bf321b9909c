"""A whole run without Airflow: the same steps in the same order, for tests that change one thing and run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from upath import UPath

from include.erp.registry import erp_system
from include.financials import checks, engine, extract, gate, preflight, reconciliation, report
from include.financials.entities import ENTITIES
from include.financials.ledger import Ledger
from include.financials.run import Kind, open_run
from include.financials.settings import Settings, load
from include.financials.view import Sync
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem

MAPPING = "sandbox_erp"
EVERYTHING = "2000-01-01T00:00:00Z"


@contextmanager
def opened(
    info: Mapping[str, Any], folder: Path, run_id: str, *, params: Mapping[str, Any] | None = None, kind: Kind = "manual",
    interval: tuple[Any, Any] = (None, None), settings: Settings | None = None, ledger_url: str | None = None,
) -> Iterator[Sync]:  # fmt: skip
    """The sync of one run against a running sandbox (``info`` is its ``/_sandbox/info``)."""
    settings = settings or load()
    client = ProcoreClient(info["base_url"], info["login_url"], info["company_id"], info["client_id"], info["client_secret"])
    ledger = Ledger(ledger_url or f"sqlite:///{folder}/ledger.sqlite")
    ledger.migrate()
    target = erp_system(info["erp_url"], MAPPING, origin_system=f"procore:{info['company_id']}")
    namespace = target.mapping.system
    source = ProcoreSystem(client, erp_system=namespace, cost_type_codes=settings.cost_type_codes)
    try:
        now = min(source.now(), target.now())
        run = open_run(ledger, settings, run_id=run_id, kind=kind, source_now=now, interval=interval, params=params)
        yield Sync(run, ledger, settings, {"procore": source, "erp": target}, UPath(folder / "staging"), str(info["company_id"]), namespace)
    finally:
        ledger.count_traffic(run_id, "all", client.calls, client.writes)
        target.close()
        ledger.close()
        client.close()


def run(info: Mapping[str, Any], folder: Path, run_id: str, **options: Any) -> dict[str, Any]:
    """One run from window to report; returns the report. A closed gate stops its stage as the DAG would."""
    params = {"since": EVERYTHING, **(options.pop("params", None) or {})}
    with opened(info, folder, run_id, params=params, **options) as sync:
        preflight.preflight(sync)
        loaded = []
        for name in sync.run.entities:
            if stage(sync, name):
                loaded.append(name)
        report.keep(sync, "reconciliation", reconciliation.reconcile(sync).as_dict())
        report.move_watermarks(sync, loaded)
    with opened(info, folder, run_id, params=params, **options) as sync:
        return report.build(sync)


def stage(sync: Sync, name: str) -> bool:
    """extract, check, load of one entity; False where its gate stayed closed."""
    row = ENTITIES[name]
    shards = range(sync.run.shards if row.project_scoped else 1)
    for shard in shards:
        extract.extract(sync, name, shard)
    judge = gate.Gate(sync.settings.gate) if row.gate else checks.judge_rows
    checks.check(sync, name, shards, judge)
    if row.gate:
        opening = gate.verdict(sync.ledger.outcomes(sync.run.run_id, name), sync.settings.gate, judge.results)
        report.keep(sync, f"gate-{row.gate}", {k: v for k, v in opening.as_dict().items() if k in ("passed", "judged", "failed", "failed_amount")})
        if not opening.passed:
            gate.close(sync, name, opening)
            return False
    for shard in shards:
        engine.load(sync, name, shard)
    return True
