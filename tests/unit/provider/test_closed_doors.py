"""Who judges opens no door: checks, the gate and reconciliation run where both systems are away and their secrets unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import requests
import sqlalchemy as sa

from include.erp.registry import erp_system
from include.erp.sql.database import Database
from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Call
from include.financials.reading.extract import extract
from include.financials.view import Sync
from include.financials.writing.engine import load
from include.order import judged_whole
from include.procore.client import ProcoreClient
from include.provider.operators.base import EntityOperator, SyncOperator
from include.provider.operators.entity import CheckOperator, ReferentialIntegrityOperator
from include.provider.operators.result import ReconcileOperator
from tests.unit.financials.pair import World, draft

RUN = {"task_id": "judge", "sync_run_id": "{{ run_id }}"}


class Doors:
    """What was constructed while a task ran: clients of both sides, and engines beside the ledger's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[str] = []
        for kind in (ProcoreClient, requests.Session, httpx.Client, httpx.AsyncClient, Database):
            self._watch(monkeypatch, kind, "__init__", kind.__name__)
        self._watch(monkeypatch, sa, "create_engine", "engine")

    def _watch(self, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, shown: str) -> None:
        made = getattr(place, name)

        def watched(*given: Any, **options: Any) -> Any:
            self.opened.append(shown)
            return made(*given, **options)

        monkeypatch.setattr(place, name, watched)


@pytest.fixture
def doors(full: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    """Connections as somebody has them who knows no password, and not even where the ERP is."""
    place = f"{full.folder}/ledger.sqlite"
    connections = {
        "PROCORE_DEFAULT": {"conn_type": "procore", "host": "https://procore.invalid", "extra": {"company_id": 8089}},
        "ERP_DEFAULT": {"conn_type": "procore_erp", "extra": {"mapping": "sandbox_erp"}},
        "SYNC_LEDGER": {"conn_type": "sync_ledger", "schema": place, "extra": {"staging": f"file://{full.folder}/staging"}},
    }
    for name, connection in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
    monkeypatch.setattr("include.provider.settings.current_settings", lambda: full.settings)
    return Doors(monkeypatch)


class Told:
    """The task instance: what was left in XCom."""

    task_id, map_index = "judge", -1

    def __init__(self) -> None:
        self.left: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.left[key] = value


def execute(task: SyncOperator, sync: Sync) -> tuple[Any, dict[str, Any]]:
    task.sync_run_id = sync.run.run_id
    ti = Told()
    context: Any = {"ti": ti, "dag": SimpleNamespace(tasks=[]), "params": {}}
    return task.execute(context), ti.left


def judged(world: World, sync: Sync, name: str) -> tuple[Any, dict[str, Any]]:
    """Extract as a task does it that has both systems; then the check by its operator, which has none."""
    row, runs = ENTITIES[name], sync.ledger.runs
    extract(sync, name)
    runs.finished(sync.run.run_id, f"extract:{name}")
    kind: type[EntityOperator] = ReferentialIntegrityOperator if row.gate else CheckOperator
    assert judged_whole(row) == (row.source == "procore")
    return execute(kind(entity=name, **RUN), sync)


def test_checks_gate_and_reconciliation_construct_no_client(full: World, doors: Doors) -> None:
    draft(full, "SC-9")
    sync = full.sync(params={"since": "2020-01-01"})
    sync.ledger.runs.finished(sync.run.run_id, "window")
    found = {}
    for name in sync.run.entities:
        done, left = judged(full, sync, name)
        found[name] = done["records"]
        assert left["procore_url"].startswith("https://procore.invalid/"), "where the connection says it is"
        load(sync, name)
    result, _ = execute(ReconcileOperator(**RUN), sync)
    judged_any = {name for name, count in found.items() if count}
    assert judged_any == {name for name, row in ENTITIES.items() if not row.read_only}, "each that is sent had something to judge"
    assert result["checked"] > 20
    assert doors.opened == []


def test_a_reconciliation_opens_the_erp_alone_and_only_where_another_run_wrote_meanwhile(full: World, doors: Doors) -> None:
    sync = full.sync(params={"since": "2020-01-01"})
    sync.ledger.runs.finished(sync.run.run_id, "window")
    for name in sync.run.entities:
        judged(full, sync, name)
    with sync.ledger.leases.hold("commitments", 0, "beside") as lease:
        call = Call("c", "beside", "erp", "commitments", "create", "01", 0, 0)
        sync.ledger.journal.sending(lease, call, [])
        sync.ledger.journal.settled(lease, call._replace(status="done"), [], run_id="beside", entity="commitments")
    with pytest.raises(ConfigurationError, match="Connection erp_default"):  # has no address: it was asked for one
        execute(ReconcileOperator(**RUN), sync)
    assert doors.opened == []


def test_the_watch_sees_a_client() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        seen = Doors(monkeypatch)
        ProcoreClient("https://procore.invalid", None, 1, "id", "secret")
        erp_system("sqlite:///erp", "sandbox_erp", origin_system="procore:1").close()
    assert {"ProcoreClient", "Database", "engine"} <= {*seen.opened}
