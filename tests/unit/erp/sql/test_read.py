"""The read side of the SQL adapter, against the sandbox's ledger through the mapping that ships with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.entities.codes import CostCode
from include.financials.entities.commitments import Commitment
from include.financials.entities.jobs import Project
from include.financials.exceptions import ConfigurationError
from include.financials.port import Page, Window
from include.financials.record import Record
from sandbox.erp import schema
from tests.unit.erp.conftest import database_of, write_mapping


def records(pages: Iterator[Page]) -> list[Any]:
    found: list[Record] = []
    for page in pages:
        assert page.invalid == []
        found += page.records
    return found


def documents(page: Page) -> list[Commitment]:
    return [record for record in page.records if isinstance(record, Commitment)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def small_pages(erp: MappedSystem, size: int) -> MappedSystem:
    erp.page_size = size
    return erp


def test_the_shipped_mapping_fits_the_sandbox(erp: MappedSystem) -> None:
    health = erp.check()
    assert health.problems == ()
    assert health.version.startswith(("SQLite 3.", "PostgreSQL 1"))
    assert health.description.startswith("sandbox: ")


def test_the_clock_is_the_ledgers(erp: MappedSystem, ledger: sa.Engine) -> None:
    before = datetime.now(UTC)
    with ledger.begin() as connection:
        schema.set_offset_us(connection, -3_600_000_000)
    now = erp.now()
    assert now.tzinfo is UTC
    assert -3601 < (now - before).total_seconds() < -3500


def test_vendors_come_with_every_field(erp: MappedSystem) -> None:
    first, _, held, merged = records(erp.read("vendors"))
    assert (first.id, first.company, first.number, first.code, first.name) == (
        "V-1001",
        "G1",
        "V-1001",
        "V-1001",
        "Ångström Steel",
    )
    assert (first.active, first.hold, first.tax_id, first.terms, first.address) == (True, "none", "12-3456789", "Net 30", None)
    assert first.updated_at == moment("2026-07-01T08:00:00Z")
    assert (held.hold, held.hold_reason) == ("all", "dispute")
    assert (merged.active, merged.merged_into) == (False, "V-1042")


def test_projects_carry_currency_and_dates(erp: MappedSystem) -> None:
    found = {p.id: p for p in records(erp.read("projects"))}
    office, school, bridge = found["25-104"], found["25-105"], found["25-201"]
    assert isinstance(office, Project)
    assert (office.company, office.currency, office.customer, office.start_date) == ("01", "USD", "C-2001", date(2026, 6, 1))
    assert (school.status, bridge.currency, bridge.company) == ("soft_closed", "CAD", "02")


def test_cost_types_speak_procores_base_types(erp: MappedSystem) -> None:
    found = {t.id: t.base_type for t in records(erp.read("cost_types"))}
    assert found == {"1": "labor", "2": "materials", "3": "commitment", "4": "equipment", "5": "other"}


def test_cost_codes_of_list_and_jobs(erp: MappedSystem) -> None:
    codes: dict[str, CostCode] = {c.id: c for c in records(erp.read("cost_codes"))}
    assert len(codes) == 14
    standard, leaf, header = codes["//03-3000"], codes["25-105/B/03-3000"], codes["25-105/B/03"]
    assert (standard.company, standard.project, standard.parent, standard.cost_types) == ("G1", None, "//03", ())
    assert (leaf.company, leaf.project, leaf.sub_job, leaf.number, leaf.code) == ("01", "25-105", "B", "03-3000", "3000")
    assert (leaf.parent, leaf.level, leaf.is_header, leaf.cost_types) == ("25-105/B/03", 1, False, ("1", "3"))
    assert (header.parent, header.level, header.is_header, header.code, header.sub_job) == (None, 0, True, "03", "B")
    assert codes["25-104//03-3000"].sub_job is None
    assert codes["25-104//03-9000"].active is False


def test_a_new_cost_type_of_a_code_changes_the_code(erp: MappedSystem, ledger: sa.Engine) -> None:
    since = moment("2026-08-01T08:00:00.001Z")
    assert records(erp.read("cost_codes", window=Window(since=since))) == []
    with ledger.begin() as connection:
        connection.execute(sa.text("UPDATE job_code_types SET active = 1 WHERE job = '25-104' AND code = '03-3000'"))
    (code,) = records(erp.read("cost_codes", window=Window(since=since)))
    assert (code.id, code.cost_types) == ("25-104//03-3000", ("1", "3", "5"))


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-08-01T08:00:00Z", None, ["V-1042", "V-1043", "V-1044"]),
        ("2026-08-01T08:00:00.001Z", None, ["V-1043", "V-1044"]),
        (None, "2026-08-01T08:00:00Z", ["V-1001", "V-1042"]),
        (None, "2026-09-01T08:00:00.499999Z", ["V-1001", "V-1042"]),
        ("2026-07-01T08:00:00Z", "2026-07-01T08:00:00Z", ["V-1001"]),
        ("2026-09-01T10:00:00.500999+02:00", None, ["V-1043", "V-1044"]),
        (None, None, ["V-1001", "V-1042", "V-1043", "V-1044"]),
    ],
)
def test_a_window_includes_both_ends(erp: MappedSystem, since: str | None, until: str | None, expected: list[str]) -> None:
    window = Window(*(None if text is None else datetime.fromisoformat(text) for text in (since, until)))
    assert [v.id for v in records(erp.read("vendors", window=window))] == expected


def test_scopes_are_jobs(erp: MappedSystem) -> None:
    assert {c.project for c in records(erp.read("cost_codes", scopes=["25-104", "25-201"]))} == {"25-104", "25-201"}
    assert [p.id for p in records(erp.read("projects", scopes=["25-105"]))] == ["25-105"]
    assert records(erp.read("projects", scopes=[])) == []
    assert len(records(erp.read("vendors", scopes=["25-104"]))) == 4, "vendors belong to no job"
    assert list(erp.keys("cost_codes", scopes=["25-201"])) == ["25-201//03", "25-201//03-3000", "25-201//03-9000"]


@pytest.mark.parametrize("size", [1, 2, 4, 5, 14, 15])
def test_pages_resume_where_a_cursor_says(erp: MappedSystem, size: int) -> None:
    whole = [c.id for c in records(erp.read("cost_codes"))]
    pages = list(small_pages(erp, size).read("cost_codes"))
    assert [c.id for page in pages for c in page.records] == whole
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(pages) == -(-len(whole) // size), "no empty page at the end"
    for index, page in enumerate(pages[:-1], start=1):
        cursor = json.loads(json.dumps(page.cursor))
        assert [c.id for c in records(erp.read("cost_codes", cursor=cursor))] == whole[index * size :]


def test_rows_that_come_or_go_between_pages_cost_no_other_row(erp: MappedSystem, ledger: sa.Engine) -> None:
    pages = small_pages(erp, 2).read("vendors")
    first = next(pages)
    with ledger.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO vendors (vendor_group, vendor, name) VALUES ('G1', 'V-0001', 'Early'), ('G1', 'V-1042a', 'New')")
        )
        connection.execute(sa.text("DELETE FROM vendors WHERE vendor = 'V-1043'"))
    assert [v.id for v in first.records] == ["V-1001", "V-1042"]
    assert [v.id for v in records(pages)] == ["V-1042a", "V-1044"]


def test_an_empty_entity_is_one_empty_page(erp: MappedSystem) -> None:
    (page,) = erp.read("commitments")
    assert (page.records, page.invalid, page.cursor) == ([], [], None)


def test_read_ids_in_batches(erp: MappedSystem) -> None:
    erp.id_batch = 2
    asked = [
        ("25-104", "25-104//03"),
        (None, "//03-3000"),
        ("25-105", "25-105/B/03"),
        ("25-105", "25-104//03-3000"),
        (None, "gone"),
        (None, "a/b/c"),
    ]
    pages = list(erp.read_ids("cost_codes", asked))
    assert {c.id for c in records(iter(pages))} == {"25-104//03", "//03-3000", "25-105/B/03"}, "not the one under another scope"
    assert len(pages) == 3
    assert [v.id for v in records(erp.read_ids("vendors", [(None, "V-1042"), (None, "V-9")]))] == ["V-1042"]
    assert list(erp.read_ids("vendors", [])) == []


def test_keys_are_all_that_exist(erp: MappedSystem, ledger: sa.Engine) -> None:
    assert list(small_pages(erp, 3).keys("vendors")) == ["V-1001", "V-1042", "V-1043", "V-1044"]
    with ledger.begin() as connection:
        connection.execute(sa.text("DELETE FROM vendors WHERE vendor = 'V-1044'"))
    assert list(erp.keys("vendors")) == ["V-1001", "V-1042", "V-1043"]


def test_hostile_keys_stay_values(erp: MappedSystem, ledger: sa.Engine) -> None:
    hostile = "x'); DROP TABLE vendors; --"
    assert records(erp.read_ids("vendors", [(None, hostile)])) == []
    assert records(erp.read("projects", scopes=[hostile])) == []
    assert records(erp.read("vendors", cursor={"after": ["G1", hostile]})) == []
    with ledger.connect() as connection:
        assert connection.execute(sa.text("SELECT COUNT(*) FROM vendors")).scalar_one() == 4


def test_a_read_holds_no_lock_between_pages(erp: MappedSystem, ledger: sa.Engine) -> None:
    pages = small_pages(erp, 1).read("vendors")
    next(pages)
    with ledger.begin() as connection:  # would wait 15 s and fail under a lock
        connection.execute(sa.text("UPDATE vendors SET terms = 'Net 45'"))
    assert [v.terms for v in records(pages)] == ["Net 45"] * 3


def test_reads_cannot_write(erp: MappedSystem) -> None:
    if database_of(erp).dialect == "sqlite":
        pytest.skip("SQLite has no read-only transaction")
    with pytest.raises(ConfigurationError), database_of(erp).reading("here") as connection:
        connection.execute(sa.text("DELETE FROM units"))


def test_100_000_vendors_in_bounded_memory(ledger: sa.Engine, erp: MappedSystem) -> None:
    if ledger.dialect.name != "sqlite":
        pytest.skip("a database server's memory is its own")
    with ledger.begin() as connection, schema.bulk(connection):
        connection.execute(
            sa.text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
                " INSERT INTO vendors (vendor_group, vendor, name, updated_at)"
                " SELECT 'G2', printf('W-%06d', i), 'Vendor ' || i, '2026-07-02T00:00:00.000Z' FROM n"
            )
        )
    seen, largest, start, growth = 0, 0, sys.getallocatedblocks(), 0
    for page in erp.read("vendors"):
        seen += len(page.records)
        largest = max(largest, len(page.records))
        growth = max(growth, sys.getallocatedblocks() - start)
    assert (seen, largest) == (100_004, 1000)
    assert growth < 200_000, f"{growth:,} blocks (all records together are millions): pages are not let go"


# -- an ERP that keeps things in other ways

OTHER = """
kind: sql
system: other
now: SELECT '2026-09-30 13:00:00'
timezone: America/Chicago
entities:
  commitments:
    from: |
      SELECT d.*, '12:30::x' AS note FROM doc d
    key_columns: [co, no]
    id: "{co}-{no}"
    company: co
    number: no
    changed_since: {column: changed, type: timestamp_text, format: "%Y-%m-%d %H:%M:%S", timezone: America/Chicago}
    fields:
      kind: {column: k, map: {S: subcontract, P: purchase_order, O: purchase_order}}
      project: project
      vendor: vendor
      title: note
      status: {constant: open}
      amount: {column: amount, type: decimal}
      retainage_percent: {column: retainage, type: decimal}
      contract_date: {column: day, type: date_text, format: "%Y%m%d"}
      executed: {column: done, map: {Y: true, N: false, "": false}}
    lines:
      from: item
      join: {co: co, no: no}
      order: [pos]
      fields:
        id: "{no}.{pos}"
        position: pos
        cost_code: code
        cost_type: {constant: "3"}
        amount: {column: amount, type: minor_units, scale: 2}
        unit_cost: {column: price, type: minor_units, scale: 4}
"""


@pytest.fixture
def other(erp_url: str, tmp_path: Path) -> Iterator[MappedSystem]:
    system = connected(erp_url, load_mapping(write_mapping(tmp_path / "other.yaml", OTHER)), origin_system="procore:1")
    with database_of(system).engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE doc (co CHAR(4), no INTEGER, k TEXT, project TEXT, vendor TEXT, amount TEXT, retainage TEXT,"
                " day TEXT, done TEXT, changed TEXT)"
            )
        )
        connection.execute(
            sa.text("CREATE TABLE item (co CHAR(4), no INTEGER, pos INTEGER, code TEXT, amount BIGINT, price BIGINT)")
        )
        doc = sa.text("INSERT INTO doc VALUES (:co, :no, :k, :p, :v, :a, :r, :d, :e, :c)")
        base: dict[str, Any] = {
            "co": "01",
            "k": "S",
            "p": "25-104",
            "v": " V-1  ",
            "a": "10.10",
            "r": "7.125",
            "d": "20260930",
            "e": "Y",
            "c": "2026-09-01 08:00:00",
        }
        connection.execute(doc, [base | {"no": 9}, base | {"no": 10, "a": "9999999999999999.99", "e": "", "v": "  "}])
        bad: list[dict[str, Any]] = [
            {"k": "X"},
            {"a": "1O"},
            {"d": "20260931"},
            {"p": None},
            {"a": "0.001"},
            {"c": "soon"},
            {"a": "NaN"},
        ]
        connection.execute(doc, [base | {"no": 20 + n} | fault for n, fault in enumerate(bad)])
        connection.execute(doc, base | {"no": 30})
        lines = [(9, 2, -1), (9, 1, 1011), (10, 1, 999999999999999999), (30, 1, 5)]
        connection.execute(
            sa.text("INSERT INTO item VALUES ('01', :no, :pos, '03', :amount, :price)"),
            [{"no": n, "pos": p, "amount": a, "price": 17850 if n == 9 else None} for n, p, a in lines],
        )
    yield system
    system.close()


def test_other_units_words_and_zones(other: MappedSystem) -> None:
    (page,) = other.read("commitments")
    first, second, last = documents(page)
    assert (first.id, first.number, first.company, first.vendor, first.title) == ("01-9", "9", "01", "V-1", "12:30::x")
    assert (first.amount, first.retainage_percent, first.contract_date, first.executed) == (
        Decimal("10.10"),
        Decimal("7.125"),
        date(2026, 9, 30),
        True,
    )
    assert first.updated_at == moment("2026-09-01T13:00:00Z")
    assert [(line.position, line.amount, line.unit_cost) for line in first.lines] == [
        (1, Decimal("10.11"), Decimal("1.7850")),
        (2, Decimal("-0.01"), Decimal("1.7850")),
    ]
    assert (second.amount, second.executed, second.vendor) == (Decimal("9999999999999999.99"), False, None)
    assert second.lines[0].amount == Decimal("9999999999999999.99")
    assert [line.id for line in last.lines] == ["30.1"]
    assert other.now() == moment("2026-09-30T18:00:00Z")


def test_rows_that_do_not_fit_are_named_and_the_rest_goes_on(other: MappedSystem) -> None:
    (page,) = other.read("commitments")
    assert [r.id for r in page.records] == ["01-9", "01-10", "01-30"]
    assert {(i.id, i.field) for i in page.invalid} == {
        ("01-20", "kind"),
        ("01-21", "amount"),
        ("01-22", "contract_date"),
        ("01-23", "project"),
        ("01-24", "amount"),
        ("01-25", "updated_at"),
        ("01-26", "amount"),
    }
    said = {i.id: i.message for i in page.invalid}
    assert said["01-20"] == "is 'X', the mapping knows 'S', 'P', 'O'"
    assert said["01-23"] == "is empty"
    assert (page.invalid[0].entity, page.invalid[0].number) == ("commitments", "20")


def test_a_bad_line_stops_its_document_only(other: MappedSystem) -> None:
    with database_of(other).engine.begin() as connection:
        connection.execute(sa.text("UPDATE item SET code = NULL, amount = NULL WHERE no = 9 AND pos = 2"))
    (page,) = other.read("commitments")
    assert [r.id for r in page.records] == ["01-10", "01-30"]
    assert next(i for i in page.invalid if i.id == "01-9").field == "lines[2].amount"


def test_an_id_that_reads_two_ways_finds_its_own_row_only(other: MappedSystem) -> None:
    with database_of(other).engine.begin() as connection:
        connection.execute(sa.text("UPDATE doc SET co = '0-1' WHERE no = 30"))
    (page,) = other.read_ids("commitments", [(None, "0-1-30"), (None, "01-10")])
    assert [r.id for r in page.records] == ["01-10", "0-1-30"] or [r.id for r in page.records] == ["0-1-30", "01-10"]


def test_the_hour_that_repeats_is_never_missed(other: MappedSystem) -> None:
    """2026-11-01, 01:00-02:00 local passes twice in Chicago (06:00-07:00 and 07:00-08:00 UTC)."""
    with database_of(other).engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM doc WHERE no <> 9"))
        connection.execute(sa.text("UPDATE doc SET changed = '2026-11-01 01:10:00'"))

    def ids(since: str | None, until: str | None) -> list[str]:
        window = Window(*(None if t is None else moment(t) for t in (since, until)))
        return [r.id for r in records(other.read("commitments", window=window))]

    assert ids("2026-11-01T06:50:00Z", None) == ["01-9"], "01:10 may be the second passing, 07:10"
    assert ids("2026-11-01T07:50:00Z", None) == []
    with database_of(other).engine.begin() as connection:
        connection.execute(sa.text("UPDATE doc SET changed = '2026-11-01 01:50:00'"))
    assert ids(None, "2026-11-01T07:10:00Z") == ["01-9"], "01:50 may be the first passing, 06:50"
    assert ids(None, "2026-11-01T06:10:00Z") == []


def test_a_row_without_time_is_always_looked_at(other: MappedSystem) -> None:
    with database_of(other).engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM doc WHERE no NOT IN (9, 10)"))
        connection.execute(sa.text("UPDATE doc SET changed = NULL WHERE no = 9"))
    found = records(other.read("commitments", window=Window(since=moment("2027-01-01T00:00:00Z"))))
    assert [(r.id, r.updated_at) for r in found] == [("01-9", None)]


def test_keys_that_do_not_tell_rows_apart_stop_the_read(other: MappedSystem) -> None:
    with database_of(other).engine.begin() as connection:
        connection.execute(sa.text("UPDATE doc SET no = 9"))
    other.page_size = 1
    with pytest.raises(ConfigurationError, match=r"other\.yaml:10: entities\.commitments\.key_columns: .*do not tell the rows"):
        list(other.read("commitments"))


def test_floats_are_no_money(erp_url: str, tmp_path: Path) -> None:
    system = connected(erp_url, load_mapping(write_mapping(tmp_path / "f.yaml", OTHER)), origin_system="procore:1")
    with database_of(system).engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE doc AS SELECT '01' AS co, 1 AS no, 'S' AS k, 'P' AS project, 'V' AS vendor,"
                " CAST(10.1 AS DOUBLE PRECISION) AS amount,"
                " '0' AS retainage, '20260101' AS day, 'Y' AS done, '2026-01-01 00:00:00' AS changed"
            )
        )
        connection.execute(
            sa.text("CREATE TABLE item (co CHAR(4), no INTEGER, pos INTEGER, code TEXT, amount BIGINT, price BIGINT)")
        )
    (page,) = system.read("commitments")
    assert "binary float" in page.invalid[0].message
    system.close()


def test_bytes_that_are_no_text_stop_their_record_alone(tmp_path: Path, sqlite_pattern: Path, mapping: Any) -> None:
    """SQLite keeps whatever it is given: a name in another encoding, or with a NUL in it."""
    path = tmp_path / "erp.sqlite"
    path.write_bytes(sqlite_pattern.read_bytes())
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS vendors_stamp")
        for vendor, name in (("V-1001", "CAST(X'C56E67' AS TEXT)"), ("V-1042", "CAST(X'410042' AS TEXT)")):
            connection.exec_driver_sql(f"UPDATE vendors SET name = {name} WHERE vendor = '{vendor}'")
    engine.dispose()
    system = connected(f"sqlite:///{path}", mapping, origin_system="procore:8089")
    (page,) = system.read("vendors")
    system.close()
    assert len(page.records) == 2
    assert {(bad.id, bad.field, bad.message.split()[1]) for bad in page.invalid} == {
        ("V-1001", "name", "half"), ("V-1042", "name", "a"),
    }  # fmt: skip
