"""Airflow's own SQLite database: who looks before he writes waits for others, instead of failing because of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sandbox.airflow_sqlite import CONNECT


@pytest.mark.parametrize(("options", "waits"), [({}, False), (CONNECT, True)])
def test_a_savepoint_that_reads_first_may_still_write(options: dict[str, Any], waits: bool, tmp_path: Path) -> None:
    """As Airflow makes a run of a backfill while its scheduler writes. Without these arguments it is the one that fails."""
    path = tmp_path / "airflow.db"
    one, other = sqlite3.connect(path, **options), sqlite3.connect(path, timeout=0)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("CREATE TABLE runs (run TEXT)")

    def write(connection: sqlite3.Connection, run: str) -> bool:
        try:
            connection.cursor().execute("INSERT INTO runs VALUES (?)", (run,))
        except sqlite3.OperationalError:
            return False
        return True

    cursor = one.cursor()
    cursor.execute("SAVEPOINT made")
    assert cursor.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    assert write(other, "scheduler") is not waits
    other.commit()
    assert write(one, "backfill") is waits
    one.commit()
    assert write(other, "scheduler again") is True
    other.commit()
    found = {run for (run,) in other.execute("SELECT run FROM runs")}
    assert ("backfill" in found) is waits and "scheduler again" in found
    one.close()
    other.close()
