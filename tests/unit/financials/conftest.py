from __future__ import annotations

import gc
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from include.financials.entities import ENTITIES
from include.financials.ledger import Ledger
from include.financials.reading import staging
from tests.unit.financials.pair import BUDGETS, DOCUMENTS, LINKED, World, plant, seed_masters


class Remembered(dict[Any, Any]):
    """What is made of the same again is what was made of it the first time, as long as that is remembered."""

    def of(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self:
            if len(self) == 1000:
                self.clear()
            self[key] = make()
        return self[key]


class PackedOnce:
    """Parquet, which packs and unpacks a page once in this process. Worlds that were forked stage the same few records again in
    every run; each has gone through Parquet, and arrow's reader of JSON hands each page to another thread and waits for it."""

    def __init__(self) -> None:
        self.arrow = staging._table
        self._tables, self._files, self._read = Remembered(), Remembered(), Remembered()

    def table(self, model: type[BaseModel], records: Sequence[BaseModel]) -> pa.Table:
        key = (model, *(record.model_dump_json() for record in records))
        return self._tables.of(key, lambda: self.arrow(model, records))

    def write_table(self, table: pa.Table, sink: IO[bytes]) -> None:
        def packed() -> tuple[pa.Table, bytes]:
            made = io.BytesIO()
            pq.write_table(table, made)
            return table, made.getvalue()  # as long as the table is there no other has its id

        sink.write(self._files.of(id(table), packed)[1])

    def ParquetFile(self, source: IO[bytes]) -> SimpleNamespace:
        content = source.read()

        def read(columns: Sequence[str] | None = None, *, use_threads: bool) -> pa.Table:
            def unpacked() -> pa.Table:
                return pq.ParquetFile(io.BytesIO(content)).read(columns=columns, use_threads=use_threads)

            return self._read.of((content, columns and (*columns,)), unpacked)

        return SimpleNamespace(read=read)


@pytest.fixture(scope="session", autouse=True)
def packed_once() -> Iterator[PackedOnce]:
    """From the first world on, and to the end: it is the same Parquet for whoever comes after."""
    with pytest.MonkeyPatch.context() as patched:
        once = PackedOnce()
        patched.setattr(staging, "_table", once.table)
        patched.setattr(staging, "pq", once)
        yield once


@pytest.fixture
def parquet_itself(packed_once: PackedOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who prove what staging writes and reads."""
    monkeypatch.setattr(staging, "_table", packed_once.arrow)
    monkeypatch.setattr(staging, "pq", pq)


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
    before.run(reconciled=False)
    plant(before, BUDGETS)
    before.run(of=[BUDGETS], reconciled=False)
    after = before.fork(tmp_path_factory.mktemp("worlds") / "full")
    plant(after, *DOCUMENTS)
    after.run(of=DOCUMENTS)
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
        base.run(of=[name], reconciled=False)
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
    _worlds[0].close()
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
