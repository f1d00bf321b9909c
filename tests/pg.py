"""A PostgreSQL for tests: ``from tests.pg import postgres_url``. Where it comes from: ``sandbox/postgres.py``; where none can be
had, tests that need it are skipped and say why. Every test module gets a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import postgres


@pytest.fixture(scope="module")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, dropped after the module."""
    request.session.config.add_cleanup(postgres.stop)
    try:
        with postgres.database("test") as url:
            yield url
    except postgres.NoServer as none:
        pytest.skip(str(none))
