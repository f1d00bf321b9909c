"""Companies to start from: seeded, and after a first run. Each is made once; every test gets one in a sandbox that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.world import State, World


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """``seeded``: the small company in mid-life with an empty ledger; ``settled``: an hour after its first run."""
    folder = tmp_path_factory.mktemp("states")
    world = World(folder / "world", size="small")
    try:
        seeded = world.keep(folder / "seeded")
        report = world.quick(name="first")  # no watermark yet: everything is read, and the watermarks are set
        requests = world.requests()
        world.advance(hours=1)
        settled = world.keep(folder / "settled")
        settled.report, settled.requests = report, requests
        return {"seeded": seeded, "settled": settled}
    finally:
        world.stop()


@pytest.fixture(scope="session")
def seeded(states: dict[str, State]) -> State:
    return states["seeded"]


@pytest.fixture(scope="session")
def settled(states: dict[str, State]) -> State:
    return states["settled"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, settled: State) -> Iterator[World]:
    """One sandbox per module, in a state of small."""
    world = World(tmp_path_factory.mktemp("sandbox") / "world", settled)
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
