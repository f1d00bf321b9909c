"""Seeded systems in SQLite, and a Procore store that only counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox import seed
from sandbox.erp import schema
from sandbox.procore.store import Store

Row = dict[str, Any]


class Sink:
    """Takes rows and forgets them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def load(self, kind: str, rows: Iterable[Row]) -> None:
        for _ in rows:
            self.counts[kind] += 1


@dataclass
class World:
    """Both systems after a load, read back."""

    store: Store
    engine: sa.Engine
    planted: list[dict[str, str]]

    def procore(self, kind: str) -> list[Row]:
        return self.store.query(kind)

    def contracts(self) -> list[Row]:
        return self.procore("work_order_contracts") + self.procore("purchase_order_contracts")

    def lines(self, contract: Row) -> list[Row]:
        return [line for line in self.procore("contract_lines") if line["parent_id"] == contract["id"]]

    def contract(self, number: str, *, linked: bool | None = None) -> Row:
        found = [c for c in self.contracts() if c["number"] == number and linked in (None, c["origin_id"] is not None)]
        assert len(found) == 1, f"{number}: {len(found)} contracts"
        return found[0]

    def erp(self, table: str) -> list[Row]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(schema.METADATA.tables[table])).mappings()]

    def costs(self) -> list[Row]:
        """Job cost that no commitment covers, in the order of its numbers."""
        return sorted((row for row in self.erp("job_costs") if row["commitment"] is None), key=lambda row: str(row["trans"]))

    def dump(self) -> str:
        """Everything as text, to compare two loads."""
        objects = self.store.rows("SELECT * FROM objects ORDER BY kind, id")
        return json.dumps([[tuple(row) for row in objects], [self.erp(table) for table in schema.BUSINESS]])


def build(folder: Path, **arguments: Any) -> World:
    folder.mkdir(parents=True, exist_ok=True)
    store, engine = Store(folder / "procore.sqlite"), schema.connect(f"sqlite:///{folder / 'erp.sqlite'}")
    schema.create(engine)
    return World(store, engine, seed.load(store, engine, **arguments))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The small company with the planted problems, mid-life."""
    world = build(tmp_path_factory.mktemp("small"))
    yield world
    world.store.close()
    world.engine.dispose()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    """``make(size="tiny", ...)``: a world of its own."""
    made: list[World] = []

    def build_one(**arguments: Any) -> World:
        made.append(build(tmp_path / str(len(made)), **arguments))
        return made[-1]

    yield build_one
    for world in made:
        world.store.close()
        world.engine.dispose()
