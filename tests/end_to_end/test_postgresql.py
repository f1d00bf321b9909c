"""The same run with the ERP and the ledger on PostgreSQL: constraints, journal and figures must not depend on SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from sandbox.chaos.picture import OF_THE_MOMENT
from sandbox.demo import surprises
from sandbox.erp.tables import BUSINESS
from sandbox.local import sandbox
from sandbox.pipeline import run
from tests.end_to_end.world import UNLIMITED, State, counts, done
from tests.pg import postgres_url  # noqa: F401 - a fixture

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_run_and_run_again(postgres_url: str, tmp_path: Path, settled: State) -> None:  # noqa: F811
    """As on SQLite: every count, what stops, what balances, and each row of the ERP."""
    with sandbox(tmp_path / "state", size="tiny", erp_url=postgres_url) as info:
        assert info["erp_url"].startswith("postgresql")
        control = f"{info['base_url']}/_sandbox"
        requests.post(f"{control}/reset", json={"size": "small", "settings": UNLIMITED}, timeout=120).raise_for_status()
        planted = requests.get(f"{control}/planted", timeout=60).json()
        first = run(info, tmp_path, "first", ledger_url=postgres_url, params={"shards": 2})
        tables = business(postgres_url)
        again = run(info, tmp_path, "again", ledger_url=postgres_url)
        assert business(postgres_url) == tables
    assert surprises(first["stopped"], planted) == [] and len(planted) == 33
    assert {name: counts(first, name) for name in first["entities"]} == {
        name: counts(settled.report, name) for name in settled.report["entities"]
    }
    assert first["reconciliation"]["balanced"]
    assert first["reconciliation"]["checked"] == settled.report["reconciliation"]["checked"]
    assert (done(again), again["procore_writes"], again["erp_writes"]) == ({}, 0, 0)
    assert again["reconciliation"]["balanced"]
    for table, rows in tables.items():
        there = [{name: value for name, value in row.items() if name not in OF_THE_MOMENT} for row in settled.erp(SELECT + table)]
        assert sorted(map(str, rows)) == sorted(map(str, there)), table


SELECT = "SELECT * FROM "


def business(url: str) -> dict[str, list[dict[str, Any]]]:
    """Each business table's rows without ids and times."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = {table: connection.execute(sa.text(SELECT + table)).mappings().all() for table in BUSINESS}
    return {
        table: [{name: value for name, value in row.items() if name not in OF_THE_MOMENT} for row in rows]
        for table, rows in found.items()
    }
