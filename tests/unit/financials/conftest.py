from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.financials.entities import ENTITIES
from include.financials.ledger import Ledger
from tests.unit.financials.pair import BUDGETS, DOCUMENTS, LINKED, World, plant, seed_masters


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


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """(all masters, budgets and prime contracts linked, every entity linked)."""
    before = World(tmp_path_factory.mktemp("stocked"))
    plant(before, *(name for name in LINKED if name not in DOCUMENTS and name != BUDGETS))
    before.run()
    plant(before, BUDGETS)
    before.run(params={"entities": [BUDGETS]})
    after = before.fork(tmp_path_factory.mktemp("worlds") / "full")
    plant(after, *DOCUMENTS)
    after.run()
    yield before, after
    before.close()
    after.close()


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    """For each entity the world just before its first load: everything before it is linked, its own records are there. Only to
    be forked."""
    base = World(tmp_path_factory.mktemp("base"))
    found = {}
    for name in LINKED:
        plant(base, name)
        found[name] = base.fork(tmp_path_factory.mktemp("stages") / name)
        base.run(params={"entities": [name]})
    yield found
    for one in (base, *found.values()):
        one.close()


@pytest.fixture
def ready(stocked: tuple[World, World], tmp_path: Path) -> Iterator[World]:
    """Everything that documents of Procore name is linked: masters, budgets, a prime contract."""
    made = stocked[0].fork(tmp_path / "world")
    yield made
    made.close()


@pytest.fixture
def full(stocked: tuple[World, World], tmp_path: Path) -> Iterator[World]:
    """Every entity is linked: two draws on a commitment with a change order, a check, the same towards the owner."""
    made = stocked[1].fork(tmp_path / "world")
    yield made
    made.close()


@pytest.fixture(scope="session")
def _adopted(stocked: tuple[World, World], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = stocked[1].without_ledger(tmp_path_factory.mktemp("worlds") / "adopted")
    made.run(of=[name for name in LINKED if not ENTITIES[name].document], reconciled=False)
    assert not made.writes()
    yield made
    made.close()


@pytest.fixture
def adopted(_adopted: World, tmp_path: Path) -> Iterator[World]:
    """The systems of ``full``, whose ledger was lost: the new one has taken up masters and budgets, and met no document."""
    made = _adopted.fork(tmp_path / "adopted")
    yield made
    made.close()


@pytest.fixture
def ledger(_worlds: tuple[World, World], tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which no run was opened yet."""
    shutil.copytree(_worlds[0].folder, tmp_path / "ledger")
    opened = Ledger(f"sqlite:///{tmp_path}/ledger/ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def only_new_objects() -> Iterator[None]:
    """What stood before the test is in no list of objects, and is looked through by no collection."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
