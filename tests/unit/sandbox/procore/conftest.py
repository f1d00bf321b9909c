"""One running sandbox per module; every test starts with the same few hand-made records and default settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.procore.settings import Settings
from sandbox.seed import ANCHOR
from sandbox.world import World
from tests.unit.sandbox.procore.serving import Caller, hand_made, serving


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, World]]:
    with serving(tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@pytest.fixture
def world(running: tuple[Caller, World]) -> World:
    return running[1]


@pytest.fixture
def api(running: tuple[Caller, World]) -> Caller:
    """The caller. A reset without the ERP, which these tests leave alone and which takes most of a reset's time."""
    caller, world = running
    world.procore.configure(Settings())
    world.clock.set(ANCHOR)
    hand_made(world)
    caller.control("DELETE", "/faults")
    caller.control("DELETE", "/late")
    caller.login()
    caller.control("DELETE", "/requests")
    return caller
