"""The same run with the ERP and the ledger on PostgreSQL: constraints, journal and figures must not depend on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.demo import surprises
from include.local import sandbox
from include.pipeline import run
from tests.pg import postgres_url  # noqa: F401 - a fixture

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_run_and_run_again(postgres_url: str, tmp_path: Path) -> None:  # noqa: F811
    import requests

    with sandbox(tmp_path / "state", erp_url=postgres_url) as info:
        assert info["erp_url"].startswith("postgresql")
        planted = requests.get(f"{info['base_url']}/_sandbox/planted", timeout=60).json()
        first = run(info, tmp_path, "first", ledger_url=postgres_url, params={"shards": 2})
        again = run(info, tmp_path, "again", ledger_url=postgres_url)
    assert surprises(first["stopped"], planted) == []
    assert first["entities"]["commitments"]["created"] == 50
    assert first["reconciliation"]["balanced"]
    assert (again["procore_writes"], again["erp_writes"]) == (0, 0)
    assert (
        again["entities"]["commitments"]["unchanged"]
        == first["entities"]["commitments"]["created"] + first["entities"]["commitments"]["adopted"]
    )
    assert again["reconciliation"]["balanced"]
