from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.financials.ledger import Ledger
from tests.unit.financials.pair import World, seed_masters


@pytest.fixture(scope="session")
def _worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """(before the first run, after it): made once, every test gets a copy."""
    before = World(tmp_path_factory.mktemp("before"))
    seed_masters(before)
    after = before.fork(tmp_path_factory.mktemp("worlds") / "after")
    after.run()
    yield before, after
    before.close()
    after.close()


@pytest.fixture
def world(_worlds: tuple[World, World], tmp_path: Path) -> Iterator[World]:
    """Two systems in memory; the ERP has masters, nothing is linked."""
    made = _worlds[0].fork(tmp_path / "world")
    yield made
    made.close()


@pytest.fixture
def linked(_worlds: tuple[World, World], tmp_path: Path) -> Iterator[World]:
    """The masters are in Procore and linked."""
    made = _worlds[1].fork(tmp_path / "world")
    yield made
    made.close()


@pytest.fixture
def ledger(_worlds: tuple[World, World], tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which no run was opened yet."""
    shutil.copytree(_worlds[0].folder, tmp_path / "ledger")
    opened = Ledger(f"sqlite:///{tmp_path}/ledger/ledger.sqlite")
    yield opened
    opened.close()
