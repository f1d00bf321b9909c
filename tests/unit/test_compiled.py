"""A process compiles a statement once for each kind of database, however many engines it opens; values are nobody's but their
own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, select

from include.compiled import Compiled
from include.erp.registry import described_erp

TABLE = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))


@pytest.fixture
def cache() -> Compiled:
    return Compiled()


@pytest.fixture
def engines(cache: Compiled, tmp_path: Path) -> Iterator[list[Engine]]:
    """Two databases: one holds 1, the other 2."""
    found = [create_engine(f"sqlite:///{tmp_path}/{one}", execution_options={"compiled_cache": cache}) for one in (1, 2)]
    for number, engine in enumerate(found, start=1):
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
            connection.exec_driver_sql(f"INSERT INTO numbers VALUES ({number})")
    yield found
    for engine in found:
        engine.dispose()


def there(engine: Engine, number: int) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(TABLE.c.number).where(TABLE.c.number == number)).scalars())


def test_a_second_engine_of_one_kind_compiles_nothing_and_has_values_of_its_own(cache: Compiled, engines: list[Engine]) -> None:
    first, second = engines
    assert there(first, 1) == [1] and len(cache) == 1
    assert (there(first, 2), there(second, 2), there(second, 1)) == ([], [2], []) and len(cache) == 1


def test_another_version_of_the_server_is_another_kind(cache: Compiled, engines: list[Engine]) -> None:
    first, second = engines
    assert there(first, 1) == [1] and there(second, 2) == [2] and len(cache) == 1
    second.dialect.server_version_info = (3, 0, 0)
    assert there(second, 2) == [2] and len(cache) == 2


def test_what_a_mapping_tells_of_its_erp_is_made_once_and_nobody_changes_it() -> None:
    erp = described_erp("sandbox_erp")
    told = erp.capabilities()
    assert erp.capabilities() is told and told["commitments"].create
    with pytest.raises(TypeError):
        told["commitments"] = told["vendors"]  # type: ignore[index]
