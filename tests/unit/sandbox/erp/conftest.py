"""The ledger on both databases, holding the small world of ``world.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.erp import schema
from tests.pg import postgres_url as postgres_url
from tests.unit.sandbox.erp import world

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@pytest.fixture(scope="module", params=DATABASES)
def empty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """An engine of :func:`schema.connect` on a ledger without rows."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('erp') / 'erp.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_url")
    engine = schema.connect(url)
    schema.create(engine, drop=True)
    yield engine
    engine.dispose()


_LOADED: dict[sa.Engine, tuple[object, ...]] = {}


@pytest.fixture
def engine(empty: sa.Engine) -> sa.Engine:
    """The ledger with the small world, as fresh as new: made again where the test before wrote something."""
    if _LOADED.get(empty) != _state(empty):
        schema.create(empty, drop=True)
        world.load(empty)
        _LOADED[empty] = _state(empty)
    return empty


def _state(engine: sa.Engine) -> tuple[object, ...]:
    """Changes with every write outside a bulk load."""
    query = "SELECT count(*), max(id), max(at), (SELECT offset_us FROM sandbox_clock) FROM audit_log"
    with engine.connect() as connection:
        return tuple(connection.exec_driver_sql(query).one())


@pytest.fixture(scope="module", params=("sqlite", "sqlite_plain", pytest.param("postgresql", marks=pytest.mark.postgres)))
def attempts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.Attempts]:
    """Raw connections of the database's own driver; ``sqlite_plain`` has no pragma at all, as a stranger's connection."""
    path: Path = tmp_path_factory.mktemp("raw") / "erp.sqlite"
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else f"sqlite:///{path}"
    owner = schema.connect(url)
    schema.create(owner, drop=True)
    world.load(owner)
    owner.dispose()
    attempts = world.Attempts(request.param, url)
    yield attempts
    attempts.close()
