"""What the ledger writes by itself: times from its clock, row versions, the audit trail, and the bulk load that goes without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.erp import schema
from tests.unit.sandbox.erp.world import ROWS, document, header, insert

VENDOR = "FROM vendors WHERE vendor_group = 'G1' AND vendor = 'V-1'"


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def row(engine: sa.Engine, sql: str) -> Any:
    with engine.begin() as connection:
        return connection.exec_driver_sql(sql).one()


def audit(engine: sa.Engine) -> list[tuple[Any, ...]]:
    query = "SELECT table_name, row_key, action, row_version FROM audit_log ORDER BY id"
    with engine.begin() as connection:
        return [tuple(r) for r in connection.exec_driver_sql(query)]


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def test_an_insert_is_stamped_and_audited(engine: sa.Engine) -> None:
    before = len(audit(engine))
    run(engine, insert("vendors", vendor_group="G1", vendor="V-2", name="Two"))

    created, updated, version = row(engine, "SELECT created_at, updated_at, row_version FROM vendors WHERE vendor = 'V-2'")
    assert len(updated) == len("2026-09-30T18:00:00.000Z")
    assert abs(moment(updated) - datetime.now(UTC)) < timedelta(minutes=5)
    assert created[:19] == updated[:19] or moment(created) <= moment(updated)
    assert version == 1
    assert audit(engine)[before:] == [("vendors", "G1/V-2", "I", 1)]


def test_times_that_an_insert_brings_are_kept(engine: sa.Engine) -> None:
    born, old = "2025-01-01T00:00:00.000Z", "2026-07-01T08:00:00.000Z"
    run(engine, insert("vendors", vendor_group="G1", vendor="V-2", name="Two", created_at=born, updated_at=old))
    run(engine, insert("vendors", vendor_group="G1", vendor="V-3", name="Three", updated_at=old))

    assert tuple(row(engine, "SELECT created_at, updated_at FROM vendors WHERE vendor = 'V-2'")) == (born, old)
    assert tuple(row(engine, "SELECT created_at, updated_at FROM vendors WHERE vendor = 'V-3'")) == (old, old)


def test_only_a_real_change_counts(engine: sa.Engine) -> None:
    before, entries = row(engine, f"SELECT updated_at, row_version {VENDOR}"), len(audit(engine))
    run(engine, "UPDATE vendors SET name = 'Acme Concrete', tax_id = NULL, hold = 'none' WHERE vendor = 'V-1'")
    upsert = insert("vendors", vendor_group="G1", vendor="V-1", name="Acme Concrete")
    upsert += " ON CONFLICT (vendor_group, vendor) DO UPDATE SET name = excluded.name"
    run(engine, upsert)

    assert row(engine, f"SELECT updated_at, row_version {VENDOR}") == before
    assert len(audit(engine)) == entries

    run(engine, upsert.replace("Acme Concrete", "Acme Beton"))
    run(engine, "UPDATE vendors SET tax_id = '12-3456789' WHERE vendor = 'V-1'")

    assert row(engine, f"SELECT name, row_version {VENDOR}") == ("Acme Beton", 3)
    assert audit(engine)[entries:] == [("vendors", "G1/V-1", "U", 2), ("vendors", "G1/V-1", "U", 3)]


def test_a_delete_is_audited(engine: sa.Engine) -> None:
    entries = len(audit(engine))
    run(engine, "DELETE FROM vendors WHERE vendor = 'V-FREE'")

    assert audit(engine)[entries:] == [("vendors", "G1/V-FREE", "D", 1)]


def test_a_refused_document_leaves_nothing(engine: sa.Engine) -> None:
    entries = audit(engine)
    with pytest.raises(sa.exc.IntegrityError, match="TOTAL: "):
        run(engine, *document(header(amount_cents=1), {"amount_cents": 2}))

    assert audit(engine) == entries
    assert row(engine, "SELECT count(*) FROM commitments WHERE number = 'J1-SC-9'")[0] == 0


def test_the_clock_moves_every_later_stamp(engine: sa.Engine) -> None:
    keep = schema.clock_keeper(engine)
    keep(-400 * 86_400 * 1_000_000)
    run(engine, "UPDATE vendors SET name = 'Past' WHERE vendor = 'V-1'")
    past = row(engine, f"SELECT updated_at {VENDOR}")[0]
    keep(90_061_001_000)  # 25 h 1 min 1.001 s
    run(engine, "UPDATE vendors SET name = 'Future' WHERE vendor = 'V-1'")
    future = row(engine, f"SELECT updated_at {VENDOR}")[0]
    with engine.begin() as connection:
        assert schema.offset_us(connection) == 90_061_001_000
        assert schema.now(connection) >= future

    real = datetime.now(UTC)
    assert abs(moment(past) - real + timedelta(days=400)) < timedelta(minutes=5)
    assert abs(moment(future) - real - timedelta(microseconds=90_061_001_000)) < timedelta(minutes=5)


def test_bulk_keeps_times_and_audits_nothing(empty: sa.Engine) -> None:
    schema.create(empty, drop=True)
    born, old = "2026-07-01T00:00:00.000Z", "2026-07-02T00:00:00.000Z"
    with empty.begin() as connection, schema.bulk(connection):
        for table, rows in ROWS.items():
            for values in rows:
                connection.exec_driver_sql(insert(table, **values, created_at=born, updated_at=old))
        connection.exec_driver_sql("UPDATE vendors SET name = 'Later' WHERE vendor = 'V-1'")
        connection.exec_driver_sql(insert("units", unit="TON", name="Ton"))

    assert row(empty, f"SELECT name, created_at, updated_at, row_version {VENDOR}") == ("Later", born, old, 1)
    assert audit(empty) == []
    assert None not in row(empty, "SELECT created_at, updated_at FROM units WHERE unit = 'TON'")
    run(empty, "UPDATE vendors SET name = 'Now' WHERE vendor = 'V-1'")
    assert audit(empty) == [("vendors", "G1/V-1", "U", 2)]


def test_bulk_lifts_no_rule_and_ends_with_its_transaction(engine: sa.Engine) -> None:
    with (
        pytest.raises(sa.exc.IntegrityError, match="VENDOR_HOLD: "),
        engine.begin() as connection,
        schema.bulk(connection),
    ):
        connection.exec_driver_sql(insert("commitments", **header(vendor="V-ALL")))

    entries = len(audit(engine))
    run(engine, "UPDATE vendors SET name = 'Now' WHERE vendor = 'V-1'")
    assert len(audit(engine)) == entries + 1
