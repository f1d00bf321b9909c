"""Airflow's database for tests, with the project's pools: made once for all processes of a test session, and copied."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.local import airflow, import_pools


def airflow_database(factory: pytest.TempPathFactory, env: Mapping[str, str], log: Path) -> None:
    """Into the home that ``env`` names. The first to ask makes it, the others wait."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    home = root / "airflow-home"
    with (root / "airflow-home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "made").exists():
            home.mkdir(exist_ok=True)
            there = {**env, "AIRFLOW_HOME": str(home)}
            assert airflow(["db", "migrate"], there, log) == 0, log.read_text()[-2000:]
            import_pools(there, home, log)
            (home / "made").touch()
    database = Path(env["AIRFLOW_HOME"]) / "airflow.db"
    with closing(sqlite3.connect(home / "airflow.db")) as old, closing(sqlite3.connect(database)) as new:
        old.backup(new)
