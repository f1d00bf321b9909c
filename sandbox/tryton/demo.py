"""``make demo ERP=tryton``: job 25-104 into a real ERP - contracts, change orders, invoices, both ways - and its payments back.

Two real Airflow runs; between them Tryton's accountant posts and pays what the first one sent. Exit code 0 only when both runs
succeeded, both sides reconcile, and Tryton holds the job's contracts to the cent (docs/domain-rules.md 5.3).
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import yaml

from include.erp.registry import erp_system
from include.financials.entities import ENTITIES
from include.financials.exceptions import SyncError
from include.financials.reading.staging import private_folder
from sandbox import demo
from sandbox.local import VAR, LocalError, airflow, environment, new_ledger, program, sandbox
from sandbox.procore.settings import COMPANY_ID
from sandbox.seed import planted
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.tryton import golden
from sandbox.tryton.books import Clerk, books
from sandbox.tryton.server import Running, tryton

SETTINGS = Path(__file__).resolve().parent / "settings.yaml"
MAPPING = "tryton"
NUMBERED = "104-"
CONTRACTS = {
    "commitments": (12, Decimal("7092140.30"), Decimal("62540.00")),
    "prime_contracts": (1, Decimal("12480000.00"), Decimal("41100.00")),
}
"""How many the job has, what they come to, and their approved change orders."""


def reached(info: dict[str, Any], running: Running) -> dict[str, Any]:
    """What the sandbox tells of itself, with Tryton in the place of its ERP."""
    return {**info, "erp_url": running.address(), "mapping": MAPPING, "settings": SETTINGS}


def in_step(info: dict[str, Any]) -> None:
    """The sandbox's clock to today: what Tryton writes down it dates so, and a run looks no further than the earlier of two
    clocks."""
    ahead = (datetime.now(UTC) - datetime.fromisoformat(info["now"])).total_seconds()
    if ahead > 0:
        requests.post(f"{info['base_url']}/_sandbox/clock", json={"advance": int(ahead) + 60}, timeout=60).raise_for_status()


def entities() -> list[str]:
    """Those that are written: Tryton has no place for the others."""
    chosen = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["entities"]
    return [name for name, row in chosen.items() if row["writes"]]


def run(folder: Path = VAR / "demo-tryton", home: Path = VAR / "airflow-demo") -> int:
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    private_folder(home)
    print("Tryton: an environment and a database of its own (the first time takes minutes) ...", flush=True)
    source = books()
    with tryton(folder / "tryton", source) as running, sandbox(folder, history="moved") as info:
        in_step(info)
        env = environment(home, reached(info, running), folder / "ledger.sqlite", folder / "staging")
        log = folder / "airflow.log"
        if airflow(["db", "migrate"], env, log) != 0:
            raise LocalError(f"Airflow's database could not be made; see {log}")
        new_ledger(folder / "ledger.sqlite")
        ok = _airflow_run("first", folder, env, log)
        with closing(Clerk(running)) as clerk:
            print(f"Tryton's accountant posted the invoices and entered {golden.post_and_pay(clerk)} payments.", flush=True)
        ok = _airflow_run("second", folder, env, log) and ok
        return 0 if _to_the_cent(running) and ok else 1


def _airflow_run(name: str, folder: Path, env: dict[str, str], log: Path) -> bool:
    """One run over the job; whether it succeeded and both sides reconcile."""
    print(f"Airflow: the {name} run; log {os.path.relpath(log)} ...", flush=True)
    conf = {"since": demo.EVERYTHING, "mode": "apply", "projects": [GOLDEN_JOB], "entities": entities()}
    code, report = demo.dag_run(conf, folder, env, log)
    if report is None:
        return False
    kept = folder / f"report-{name}.json"
    demo.keep_report(report, kept)
    problems = [row for row in planted(history="moved") if row["entity"] in entities()]
    demo.summary(report, problems, fresh=False, kept=os.path.relpath(kept))
    return code == 0 and bool(report["reconciliation"]["balanced"])


def _to_the_cent(running: Running) -> bool:
    """What Tryton itself says of the job's contracts."""
    found = {}
    with closing(erp_system(running.address(), MAPPING, origin_system=f"procore:{COMPANY_ID}")) as erp:
        for entity in CONTRACTS:
            held: list[Any] = [r for page in erp.read(entity, scopes=[GOLDEN_JOB]) for r in page.records]
            held = [one for one in held if one.number.startswith(NUMBERED)]
            amount, changes = (sum((getattr(one, name) for one in held), Decimal(0)) for name in ("amount", "approved_changes"))
            found[entity] = (len(held), amount, changes)
            what = ENTITIES[entity].label + ("" if len(held) == 1 else "s")
            print(f"Tryton holds {len(held)} {what} of {GOLDEN_JOB}: {amount:,.2f}, changed by {changes:,.2f}", flush=True)
    return found == CONTRACTS


def main() -> int:
    return program(run, SyncError, requests.RequestException)


if __name__ == "__main__":
    sys.exit(main())
