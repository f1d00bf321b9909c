"""Airflow writes into its home as soon as it is imported: give it a throw-away one before any test module can import it.

And what tests write goes into memory where there is room for it: their many small commits need not wait for a disk.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["GX_ANALYTICS_ENABLED"] = "false"

MEMORY, ROOM = Path("/dev/shm"), 6 * 2**30
"""Linux's file system in memory, and bytes that must be free in it for it to be used."""


def pytest_configure(config: pytest.Config) -> None:
    """Of several processes the first decides for all; who names a folder with ``--basetemp`` gets that one."""
    if config.option.basetemp is None and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        config.option.basetemp = tempfile.mkdtemp(prefix="procore-erp-sync-", dir=MEMORY)
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: what they wait for is time for the others, and no process is left alone with one at last."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes, modules and thousands of tests, lives to the end: to look through it for garbage again and again
    took a third of the time, and every test would look through it once more. What the tests make is looked through as seldom as
    in a run (``include/session.py``), whether they open one or not."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, *gc.get_threshold()[1:])
        gc.enable()
