"""A small ledger in the sandbox's own schema, on SQLite and PostgreSQL, and the system that reads it through the mapping."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.mapping.loading import Mapping, mapping_path
from include.erp.registry import connected, load_mapping
from include.erp.sql.database import Database
from include.erp.sql.transport import SqlTransport
from include.erp.system import MappedSystem
from sandbox.erp import schema
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.tryton import clerk, procedures, running  # noqa: F401  (fixtures)

T1, T2, T3 = "2026-07-01T08:00:00.000Z", "2026-08-01T08:00:00.000Z", "2026-09-01T08:00:00.500Z"

ROWS: dict[str, list[dict[str, Any]]] = {
    "companies": [
        {"company": c, "name": f"Company {c}", "currency": cur, "vendor_group": "G1", "cost_group": "G1"}
        for c, cur in (("01", "USD"), ("02", "CAD"))
    ],
    "vendors": [
        {
            "vendor_group": "G1",
            "vendor": "V-1001",
            "name": "Ångström Steel",
            "tax_id": "12-3456789",
            "terms": "Net 30",
            "updated_at": T1,
        },
        {"vendor_group": "G1", "vendor": "V-1042", "name": "Granite Peak Concrete", "updated_at": T2},
        {
            "vendor_group": "G1",
            "vendor": "V-1043",
            "name": "Holdup Plumbing",
            "hold": "all",
            "hold_reason": "dispute",
            "updated_at": T3,
        },
        {"vendor_group": "G1", "vendor": "V-1044", "name": "Old Name", "active": 0, "merged_into": "V-1042", "updated_at": T3},
    ],
    "customers": [{"company": "01", "customer": "C-2001", "name": "Lakeside Health", "updated_at": T1}],
    "jobs": [
        {
            "company": "01",
            "job": "25-104",
            "name": "Medical office",
            "customer": "C-2001",
            "start_date": "2026-06-01",
            "updated_at": T1,
        },
        {"company": "01", "job": "25-105", "name": "School", "status": "soft_closed", "updated_at": T2},
        {"company": "02", "job": "25-201", "name": "Bridge", "updated_at": T1},
    ],
    "sub_jobs": [{"company": "01", "job": "25-105", "sub_job": "B", "name": "Building"}],
    "cost_types": [
        {"cost_group": "G1", "cost_type": t, "name": n, "category": n}
        for t, n in (("1", "labor"), ("2", "material"), ("3", "subcontract"), ("4", "equipment"), ("5", "other"))
    ],
    "standard_codes": [
        {"cost_group": "G1", "code": "03", "name": "Concrete", "is_header": 1, "updated_at": T1},
        {"cost_group": "G1", "code": "03-3000", "name": "Cast in place", "parent": "03", "updated_at": T1},
    ],
    "job_codes": [
        {
            "company": c,
            "job": j,
            "sub_job": s,
            "code": code,
            "name": code,
            "parent": parent,
            "is_header": header,
            "active": active,
            "updated_at": T1,
        }
        for c, j, s in (("01", "25-104", ""), ("01", "25-105", ""), ("01", "25-105", "B"), ("02", "25-201", ""))
        for code, parent, header, active in (("03", None, 1, 1), ("03-3000", "03", 0, 1), ("03-9000", "03", 0, 0))
    ],
    "job_code_types": [
        {"company": c, "job": j, "sub_job": s, "code": code, "cost_type": t, "active": a, "updated_at": T2}
        for c, j, s in (("01", "25-104", ""), ("01", "25-105", ""), ("01", "25-105", "B"), ("02", "25-201", ""))
        for code in ("03-3000", "03-9000")
        for t, a in (("1", 1), ("3", 1), ("5", 0))
    ],
    "units": [{"unit": "CY", "name": "cubic yard"}],
}


def load(engine: sa.Engine, rows: dict[str, list[dict[str, Any]]]) -> None:
    with engine.begin() as connection, schema.bulk(connection):
        for table, values in rows.items():
            for row in values:
                connection.execute(schema.METADATA.tables[table].insert(), row)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def erp_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "erp.sqlite"
        path.touch()
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    _copy(sa.make_url(url), "template0")
    return url


@pytest.fixture(scope="session")
def sqlite_pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("pattern") / "erp.sqlite"
    _make(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def postgres_pattern(postgres_url: str) -> Iterator[str]:  # noqa: F811
    url = sa.make_url(postgres_url)
    pattern = f"{url.database}_pattern"
    _copy(url.set(database=pattern), "template0")
    _make(url.set(database=pattern))
    yield pattern
    _drop(url.set(database=pattern))


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """The sandbox's schema with :data:`ROWS`, a copy for each test; for looking behind the adapter's back."""
    if request.param == "sqlite":
        path = tmp_path / "erp.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_pattern"), path)
        url = sa.make_url(f"sqlite:///{path}")
    else:
        url = sa.make_url(request.getfixturevalue("postgres_url"))
        _copy(url, request.getfixturevalue("postgres_pattern"))
    engine = schema.connect(url)
    yield engine
    engine.dispose()


def _make(url: str | sa.URL) -> None:
    engine = schema.connect(url)
    schema.create(engine)
    load(engine, ROWS)


def _copy(url: sa.URL, pattern: str) -> None:
    """Makes the database anew from another one, which nobody may be connected to."""
    _drop(url)
    _administer(url, f'CREATE DATABASE "{url.database}" TEMPLATE "{pattern}"')


def _drop(url: sa.URL) -> None:
    _administer(url, f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')


def _administer(url: sa.URL, statement: str) -> None:
    admin = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)


@pytest.fixture(scope="session")
def mapping() -> Mapping:
    return load_mapping(mapping_path("sandbox_erp"))


@pytest.fixture
def erp(ledger: sa.Engine, mapping: Mapping) -> Iterator[MappedSystem]:
    system = connected(ledger.url, mapping, origin_system="procore:8089", lock_timeout=0.2)
    yield system
    system.close()


def write_mapping(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def database_of(system: MappedSystem) -> Database:
    """What a system over SQL stands on."""
    assert isinstance(system.transport, SqlTransport)
    return system.transport.database
