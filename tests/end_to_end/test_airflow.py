"""The whole DAG by Airflow itself: once in one process, once under scheduler and LocalExecutor, to the same end."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from include import demo
from include.financials.entities import ENTITIES
from include.local import (
    airflow,
    environment,
    free_port,
    import_pools,
    new_ledger,
    sandbox,
    servers,
    standalone_settings,
    wait_until_healthy,
)
from tests.end_to_end.world import OF_THE_MOMENT, UNLIMITED

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]


DOCUMENTS = ("commitments", "change_orders", "ap_invoices", "prime_changes", "ar_invoices", "budgets", "budget_changes")


def final_state(state: Path) -> dict[str, Any]:
    """What both systems hold at the end, without what depends on the moment: ERP documents and Procore's external ids."""
    with closing(sqlite3.connect(state / "erp.sqlite")) as erp, closing(sqlite3.connect(state / "procore.sqlite")) as procore:
        found: dict[str, Any] = {}
        for table in [*DOCUMENTS, *(f"{name.removesuffix('s')}_lines" for name in DOCUMENTS)]:
            columns = [row[1] for row in erp.execute(f"PRAGMA table_info({table})") if row[1] not in OF_THE_MOMENT]
            found[table] = sorted(map(str, erp.execute(f"SELECT {', '.join(columns)} FROM {table}")))
        origins = "SELECT kind, origin_id FROM objects WHERE origin_id IS NOT NULL ORDER BY 1, 2"
        return found | {"external_ids": procore.execute(origins).fetchall()}


def told(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "entities": report["entities"],
        "stopped": sorted((row["entity"], row["key"], row["state"], row["rule"]) for row in report["stopped"]),
        "gates": report["gates"],
        "balanced": report["reconciliation"]["balanced"],
    }


@contextmanager
def unlimited(state: Path) -> Iterator[dict[str, Any]]:
    """A sandbox that nobody has to wait for; the pace of the client has tests of its own."""
    with sandbox(state, size="tiny") as info:
        reset = {"size": "small", "settings": UNLIMITED}
        requests.post(f"{info['base_url']}/_sandbox/reset", json=reset, timeout=120).raise_for_status()
        yield info


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report and final state of the run that ``make demo`` makes."""
    folder = tmp_path_factory.mktemp("in_process")
    with unlimited(folder / "state") as info:
        code, report = demo.run(demo.Options(keep=True, sandbox_url=info["base_url"]), folder / "demo", folder / "home")
        planted = requests.get(f"{info['base_url']}/_sandbox/planted", timeout=60).json()
    assert report is not None, (folder / "demo" / "airflow.log").read_text()[-3000:]
    assert code == 0 and demo.surprises(report["stopped"], planted) == [] and len(planted) == 29
    return report, final_state(folder / "state")


def test_one_process(in_process: tuple[dict[str, Any], dict[str, Any]]) -> None:
    report, state = in_process
    assert list(report["entities"]) == list(ENTITIES)
    assert report["reconciliation"]["balanced"]
    created = {name: row["created"] for name, row in report["entities"].items() if row["created"]}
    assert (created["commitments"], created["direct_costs"], created["subcontractor_invoices"]) == (50, 180, 28)
    assert len(state["commitments"]) == 40 + 50


@pytest.mark.scheduler
def test_scheduler_and_local_executor(in_process: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    """Unpaused, the DAG makes its first scheduled run by itself;
    without shards, with pools, each task in a process of its own."""
    home, state = tmp_path / "home", tmp_path / "state"
    home.mkdir()
    log, port = home / "airflow.log", free_port()
    url = f"http://127.0.0.1:{port}"
    with unlimited(state) as info:
        env = environment(home, info, tmp_path / "ledger.sqlite", tmp_path / "staging") | standalone_settings(
            home, port, "test-only"
        )
        assert airflow(["db", "migrate"], env, log) == 0
        import_pools(env, home, log)
        new_ledger(tmp_path / "ledger.sqlite")
        with servers(log, env) as children:
            wait_until_healthy(url, children, log)
            api = requests.Session()
            token = api.post(f"{url}/auth/token", json={"username": "admin", "password": "test-only"}, timeout=30).json()[
                "access_token"
            ]
            api.headers["Authorization"] = f"Bearer {token}"
            run = first_run(api, url)
            tasks = api.get(
                f"{url}/api/v2/dags/procore_erp_sync/dagRuns/{run['dag_run_id']}/taskInstances", params={"limit": 100}, timeout=30
            ).json()
            link = api.get(
                f"{url}/api/v2/dags/procore_erp_sync/dagRuns/{run['dag_run_id']}/taskInstances/commitments_change_orders.extract_commitments/links",
                params={"map_index": 0},
                timeout=30,
            ).json()
        report = json.loads(next((tmp_path / "staging").glob("*/report.json")).read_text())
    states = {row["task_id"]: row["state"] for row in tasks["task_instances"]}
    assert run["state"] == "success", states
    assert set(states.values()) == {"success"}
    assert link["extra_links"]["Open in Procore"].startswith(info["base_url"])
    assert told(report) == told(in_process[0])
    assert final_state(state) == in_process[1]
    ledger = sqlite3.connect(tmp_path / "ledger.sqlite")
    assert ledger.execute("SELECT kind, since FROM runs").fetchall() == [("scheduled", None)]
    assert {row[0] for row in ledger.execute("SELECT entity FROM watermarks")} == set(report["entities"])


def first_run(api: requests.Session, url: str, seconds: float = 600) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    unpaused = False
    while time.monotonic() < deadline:
        if not unpaused:
            answer = api.patch(f"{url}/api/v2/dags/procore_erp_sync", json={"is_paused": False}, timeout=30)
            unpaused = answer.status_code == 200  # 404 until the dag processor has seen the file
        runs = api.get(f"{url}/api/v2/dags/procore_erp_sync/dagRuns", timeout=30).json().get("dag_runs", [])
        if runs and runs[0]["state"] in ("success", "failed"):
            return dict(runs[0])
        time.sleep(1)
    pytest.fail(f"no run ended within {seconds:.0f} seconds")
