from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.financials.ledger import Ledger
from tests.unit.financials.pair import World, seed_masters


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two systems in memory; the ERP has masters, nothing is linked."""
    made = World(tmp_path)
    seed_masters(made)
    yield made
    made.close()


@pytest.fixture
def linked(world: World) -> World:
    """The masters are in Procore and linked."""
    world.run()
    return world
