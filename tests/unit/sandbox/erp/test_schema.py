"""The ledger's shape: the same on both databases, made twice without harm, readable through its views."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.erp import schema
from tests.unit.sandbox.erp.world import ROWS, document, header


def test_create_keeps_rows_and_drop_empties(engine: sa.Engine) -> None:
    schema.create(engine)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM vendors").scalar_one() == len(ROWS["vendors"])
        schema.set_offset_us(connection, 5)

    schema.create(engine, drop=True)
    with engine.begin() as connection:
        for table in (*schema.BUSINESS, "audit_log"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0
        assert schema.offset_us(connection) == 0


def test_tables_have_the_columns_of_the_metadata(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    for name, table in schema.METADATA.tables.items():
        assert [c["name"] for c in inspector.get_columns(name)] == [c.name for c in table.columns]
    assert all(tuple(schema.METADATA.tables[t].columns.keys())[-3:] == schema.STAMPS for t in schema.BUSINESS)


def test_views_show_what_is_entered_and_what_it_commits(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for statement in document(header(number="HALF"))[:-1]:  # a document that is still being entered
            connection.exec_driver_sql(statement)
        heads = connection.exec_driver_sql(
            "SELECT number, amount_cents, committed_cents FROM v_commitments ORDER BY number"
        ).all()
        lines = connection.exec_driver_sql(
            "SELECT number, unit, quantity_e4, committed_cents FROM v_commitment_lines ORDER BY number"
        ).all()
        cost = connection.exec_driver_sql("SELECT job, sub_job, code, cost_type, committed_cents FROM v_committed_cost").all()

    assert heads == [("CLOSED", 10_000, 10_000), ("OPEN", 10_000, 10_000), ("VOID", 10_000, 0)]
    assert lines == [("CLOSED", None, None, 10_000), ("OPEN", "EA", 10_000, 10_000), ("VOID", None, None, 0)]
    assert cost == [("J1", "", "03-3000", "3", 20_000)]


def test_a_refusal_names_its_row_where_the_database_can(engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite before 3.47 raises literal text only")
    with pytest.raises(sa.exc.IntegrityError) as refusal, engine.begin() as connection:
        connection.exec_driver_sql("UPDATE commitments SET amount_cents = 1 WHERE number = 'OPEN'")

    assert refusal.value.orig is not None
    assert refusal.value.orig.diag.message_detail == "commitments 01/OPEN"  # type: ignore[attr-defined]


def test_sqlite_waits_and_keeps_foreign_keys(tmp_path: Path) -> None:
    engine = schema.connect(f"sqlite:///{tmp_path / 'erp.sqlite'}")
    schema.create(engine)
    with engine.connect() as connection:
        pragmas = {
            p: connection.exec_driver_sql(f"PRAGMA {p}").scalar_one() for p in ("journal_mode", "foreign_keys", "busy_timeout")
        }
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()

    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": schema.BUSY_MS}


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="SQLite or PostgreSQL"):
        schema.connect("oracle+cx_oracle://localhost/erp")
