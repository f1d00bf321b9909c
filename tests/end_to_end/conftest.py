"""Companies to start from: seeded, and after a first run. Each is made once; every test gets one in a sandbox that runs."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from include.erp.sql.inspection import Inspection
from include.erp.sql.statements import Statements
from tests.end_to_end.world import State, World


@pytest.fixture(scope="session", autouse=True)
def _statements_are_parsed_once() -> Iterator[None]:
    """SQLite parses a mapping's write statements for the check before each run, and says the same of the same statements over the
    same tables: a tenth of a run."""
    found: dict[tuple[str, str], list[str]] = {}
    check = Inspection.writes

    def once(system: Inspection, writer: Statements) -> list[str]:
        if system.database.dialect != "sqlite":
            return list(check(system, writer))
        with system.database.reading("the schema") as connection:
            schema = connection.exec_driver_sql("SELECT GROUP_CONCAT(sql) FROM sqlite_schema").scalar_one()
        key = (f"{writer.name} {writer.action} {writer.spec.model_dump_json()}", str(schema))
        if key not in found:
            found[key] = list(check(system, writer))
        return found[key]

    with mock.patch.object(Inspection, "writes", once):
        yield


def _kept(tmp_path_factory: pytest.TempPathFactory, size: str) -> dict[str, State]:
    """A company of that size: ``seeded`` in mid-life with an empty ledger; ``settled`` an hour after its first run. Made once for
    all processes of a test session: the first to ask makes them, the others wait."""
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / f"states-{size}"
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "states.json").exists():
            made = _make(root, size)
            (root / "states.json").write_text(json.dumps(made))
    told = json.loads((root / "states.json").read_text())
    return {name: State(root / name, **told[name]) for name in ("seeded", "settled")}


def _make(folder: Path, size: str) -> dict[str, dict[str, Any]]:
    """Beside the kept files: planted problems, and of the first run its report and its requests."""
    world = World(folder / "world", size=size)
    try:
        seeded = world.keep(folder / "seeded")
        report = world.quick(name="first")  # no watermark yet: everything is read, and the watermarks are set
        requests = world.requests()
        world.advance(hours=1)
        world.keep(folder / "settled")
    finally:
        world.stop()
    planted = {"planted": seeded.planted}
    return {"seeded": planted, "settled": {**planted, "report": report, "requests": requests}}


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """Of the small company, with its planted problems."""
    return _kept(tmp_path_factory, "small")


@pytest.fixture(scope="session")
def tiny_states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """Of the tiny one: two jobs, three commitments, nothing planted. A run over it takes a third of the time."""
    return _kept(tmp_path_factory, "tiny")


@pytest.fixture(scope="session")
def seeded(states: dict[str, State]) -> State:
    return states["seeded"]


@pytest.fixture(scope="session")
def settled(states: dict[str, State]) -> State:
    return states["settled"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, tiny_states: dict[str, State]) -> Iterator[World]:
    """One sandbox per module; each test says which company is in it."""
    world = World(tmp_path_factory.mktemp("sandbox") / "world", tiny_states["settled"])
    yield world
    world.stop()


@pytest.fixture
def world(sandbox: World, settled: State) -> World:
    """The small company an hour after its first run."""
    sandbox.back_to(settled)
    return sandbox


@pytest.fixture
def fresh(sandbox: World, seeded: State) -> World:
    """The small company before its first run."""
    sandbox.back_to(seeded)
    return sandbox


@pytest.fixture
def tiny(sandbox: World, tiny_states: dict[str, State]) -> World:
    """The tiny company an hour after its first run."""
    sandbox.back_to(tiny_states["settled"])
    return sandbox


@pytest.fixture
def fresh_tiny(sandbox: World, tiny_states: dict[str, State]) -> World:
    """The tiny company before its first run."""
    sandbox.back_to(tiny_states["seeded"])
    return sandbox
