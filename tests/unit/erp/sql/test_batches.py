"""An ERP in the style of the big job-cost ledgers: subcontracts and purchase orders in tables of their own, ids and batches that
the database gives, documents that wait in a staging table for a clerk, errors in another, and our markers in a table beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError
from include.financials.port import Outcome
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.erp.strangers import commitment, item, post, rows

MAPPING = """\
kind: sql
system: ledger
fragments:
  staged: &staged >
    INSERT INTO staged (batch, co, no, kind, job, vendor, title, amount)
    VALUES (:batch, :company, :number, :kind, :project, :vendor, :title, :amount) RETURNING id AS header
  line: &line
    each: lines
    sql: >
      INSERT INTO staged_line (header, pos, what, code, type, amount)
      VALUES (:header, :position, :description, :cost_code, :cost_type, :amount)
entities:
  commitments:
    from: |
      SELECT 'SC' || s.id AS id, s.co, s.no, 'S' AS kind, s.job, s.vendor, s.title, s.st, s.amount, x.marker,
             NULL AS why, s.id AS row_no FROM subcontract s
        LEFT JOIN procore_reference x ON x.entity = 'commitments' AND x.record = 'SC' || s.id
      UNION ALL
      SELECT 'PO' || p.id, p.co, p.no, 'P', p.job, p.vendor, p.title, p.st, p.amount, x.marker, NULL, p.id FROM purchase_order p
        LEFT JOIN procore_reference x ON x.entity = 'commitments' AND x.record = 'PO' || p.id
      UNION ALL
      SELECT 'batch ' || h.id, h.co, h.no, h.kind, h.job, h.vendor, h.title, 'W', h.amount, x.marker,
             (SELECT MAX(e.said) FROM staged_error e WHERE e.header = h.id), h.id FROM staged h
        JOIN procore_reference x ON x.entity = 'commitments' AND x.record = 'batch ' || h.id
    key_columns: [id]
    id: id
    company: co
    number: no
    masks: {job: "##-###"}
    scope: job
    fields:
      kind: {column: kind, map: {S: subcontract, P: purchase_order}}
      project: job
      vendor: vendor
      title: title
      status: {column: st, map: {O: open, C: closed, V: void, W: open}}
      amount: {column: amount, type: decimal}
    lines:
      from: |
        SELECT 'SC' || header AS header, pos, what, code, type, amount FROM subcontract_line
        UNION ALL SELECT 'PO' || header, pos, what, code, type, amount FROM purchase_order_line
        UNION ALL SELECT 'batch ' || header, pos, what, code, type, amount FROM staged_line
      join: {header: id}
      order: [pos]
      fields:
        id: "{header}/{pos}"
        position: pos
        description: what
        cost_code: code
        cost_type: type
        amount: {column: amount, type: decimal}
    find: {marker: marker}
    accepted: {column: st, values: W, said: why}
    capabilities: {create: true}
    parameters: {source: {constant: PROCORE}}
    write:
      before_batch:
        - {sql: "INSERT INTO batch (co, source) VALUES (:company, :source) RETURNING id AS batch", gives: batch}
      create:
        - {rows: any, sql: "DELETE FROM procore_reference WHERE marker = :marker AND record LIKE 'batch %'"}
        - {sql: *staged, gives: header}
        - *line
        - >
          INSERT INTO procore_reference (entity, record, marker)
          VALUES ('commitments', 'batch ' || CAST(:header AS VARCHAR(20)), :marker)
"""

AT_ONCE = """\
      create:
        - &subcontract
          if: {kind: subcontract}
          sql: >
            INSERT INTO subcontract (co, no, job, vendor, title, st, amount)
            VALUES (:company, :number, :project, :vendor, :title, 'O', :amount) RETURNING id AS header
          gives: header
        - <<: *subcontract
          if: {kind: purchase_order}
          sql: >
            INSERT INTO purchase_order (co, no, job, vendor, title, st, amount)
            VALUES (:company, :number, :project, :vendor, :title, 'O', :amount) RETURNING id AS header
        - if: {kind: [subcontract]}
          each: lines
          sql: >
            INSERT INTO subcontract_line (header, pos, what, code, type, amount)
            VALUES (:header, :position, :description, :cost_code, :cost_type, :amount)
        - if: {kind: purchase_order}
          each: lines
          sql: >
            INSERT INTO purchase_order_line (header, pos, what, code, type, amount)
            VALUES (:header, :position, :description, :cost_code, :cost_type, :amount)
        - if: {kind: subcontract}
          sql: >
            INSERT INTO procore_reference (entity, record, marker)
            VALUES ('commitments', 'SC' || CAST(:header AS VARCHAR(20)), :marker)
        - if: {kind: purchase_order}
          sql: >
            INSERT INTO procore_reference (entity, record, marker)
            VALUES ('commitments', 'PO' || CAST(:header AS VARCHAR(20)), :marker)
"""

DOCUMENT = "co TEXT, no TEXT, kind TEXT, job TEXT, vendor TEXT NOT NULL, title TEXT, st TEXT, amount {money}"
TABLES = {
    "batch": "{id}, co TEXT, source TEXT",
    "staged": "{id}, batch INTEGER NOT NULL, " + DOCUMENT,
    "subcontract": "{id}, " + DOCUMENT,
    "purchase_order": "{id}, " + DOCUMENT,
    **dict.fromkeys(
        ("staged_line", "subcontract_line", "purchase_order_line"),
        "header INTEGER NOT NULL, pos INTEGER, what TEXT, code TEXT, type TEXT, amount {money}",
    ),
    "staged_error": "header INTEGER, said TEXT",
    "procore_reference": "entity TEXT NOT NULL, record TEXT NOT NULL, marker TEXT NOT NULL UNIQUE",
}


@pytest.fixture
def engine(erp_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(erp_url)
    sqlite = engine.dialect.name == "sqlite"
    kinds = {
        "id": "id INTEGER PRIMARY KEY" if sqlite else "id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "money": "TEXT" if sqlite else "NUMERIC(12, 2)",
    }
    with engine.begin() as connection:
        for name, columns in TABLES.items():
            connection.exec_driver_sql(f"CREATE TABLE {name} ({columns.format(**kinds)})")
    yield engine
    engine.dispose()


def ledger(engine: sa.Engine, folder: Path, text: str = MAPPING) -> MappedSystem:
    path = folder / "ledger.yaml"
    path.write_text(text, encoding="utf-8")
    return connected(engine, load_mapping(path), origin_system="procore:8089")


def at_once() -> str:
    return MAPPING[: MAPPING.index("      before_batch:")] + AT_ONCE


def order(number: str = "SC-1", *amounts: str, **more: Any) -> Any:
    return commitment(number, *amounts, **({"project": "25-104", "contract_date": None} | more))


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def find(erp: MappedSystem, *records: Any, handed: str | None = None) -> list[Outcome]:
    (step,) = erp.steps("commitments", "create")
    return erp.find(step, [replace(item(record), handed=handed) for record in records])


# -- written at once


def test_each_kind_goes_into_its_own_tables_with_the_id_that_it_is_given(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path, at_once())
    assert erp.check().problems == ()
    run(engine, "INSERT INTO subcontract (co, no, job, vendor, st, amount) VALUES ('01', 'OLD', '25103', 'V9', 'O', '1.00')")
    outcomes = post(erp, order("SC-1"), order("PO-1", kind="purchase_order"), order("SC-2", "7.00"))
    assert [(one.status, one.id) for one in outcomes] == [("confirmed", "SC2"), ("confirmed", "PO1"), ("confirmed", "SC3")]
    assert rows(engine, "SELECT header, pos FROM subcontract_line ORDER BY header, pos") == [(2, 1), (2, 2), (3, 1)]
    assert rows(engine, "SELECT job, no FROM purchase_order") == [("25104", "PO-1")]
    (page,) = erp.read("commitments", scopes=["25-104"])
    assert [(one.id, getattr(one, "project", None)) for one in page.records] == [
        ("PO1", "25-104"), ("SC2", "25-104"), ("SC3", "25-104"),
    ]  # fmt: skip
    assert [one.id for one in post(erp, order("SC-1"), order("PO-1", kind="purchase_order"))] == ["SC2", "PO1"]
    assert (
        rows(engine, "SELECT COUNT(*) FROM subcontract") == [(3,)] and len(rows(engine, "SELECT * FROM procore_reference")) == 3
    )


def test_a_marker_that_another_writer_has_set_undoes_its_document_only(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path, at_once())
    mark = "procore:8089:commitments:p-SC-1"
    run(engine, f"INSERT INTO procore_reference VALUES ('commitments', 'SC77', '{mark}')")
    outcomes = post(erp, order("SC-1"), order("SC-2"))
    assert [one.status for one in outcomes] == ["rejected", "confirmed"]
    assert rows(engine, "SELECT no FROM subcontract") == [("SC-2",)]


# -- handed over in a batch


def test_documents_of_a_call_share_a_batch_and_wait(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path)
    assert erp.check().problems == ()
    outcomes = post(erp, order("SC-1"), order("PO-1", kind="purchase_order"))
    assert [(one.status, one.record) for one in outcomes] == [("accepted", None)] * 2
    assert rows(engine, "SELECT batch, no, kind FROM staged ORDER BY id") == [(1, "SC-1", "S"), (1, "PO-1", "P")]
    assert rows(engine, "SELECT co, source FROM batch") == [("01", "PROCORE")]
    assert [page.records for page in erp.read("commitments")] == [[]] and list(erp.keys("commitments")) == []
    assert [one.status for one in find(erp, order("SC-1"), order("SC-9"))] == ["accepted", "absent"]
    assert post(erp, order("SC-1"))[0].status == "accepted"
    assert rows(engine, "SELECT COUNT(*) FROM staged") == [(2,)] and rows(engine, "SELECT COUNT(*) FROM batch") == [(1,)]


def test_a_batch_without_documents_is_none(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path)
    run(engine, "CREATE UNIQUE INDEX one_number ON staged (no)")
    post(erp, order("SC-1"))
    (refused,) = post(erp, order("SC-1", id="another"))
    assert (refused.status, refused.field) == ("rejected", "number")
    assert rows(engine, "SELECT COUNT(*) FROM batch") == [(1,)]


def test_posted_refused_and_gone(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path)
    post(erp, *(order(f"SC-{n}") for n in (1, 2, 3, 4)))
    posted = "INSERT INTO subcontract (co, no, job, vendor, title, st, amount) SELECT co, no, job, vendor, title, 'O', amount"
    run(
        engine,
        f"{posted} FROM staged WHERE no = 'SC-1'",
        "INSERT INTO subcontract_line SELECT 1, pos, what, code, type, amount FROM staged_line WHERE header = 1",
        "UPDATE procore_reference SET record = 'SC1' WHERE marker LIKE '%SC-1'",
        "DELETE FROM staged WHERE no IN ('SC-1', 'SC-4')",
        "DELETE FROM staged_line WHERE header IN (1, 4)",
        "INSERT INTO staged_error VALUES (2, 'JOB_CLOSED: job 25104 is closed')",
    )
    told = find(erp, *(order(f"SC-{n}") for n in (1, 2, 3, 4)), handed="")
    assert [(one.status, one.id, one.message) for one in told] == [
        ("confirmed", "SC1", None),
        ("rejected", None, "JOB_CLOSED: job 25104 is closed"),
        ("accepted", None, None),
        ("absent", None, None),
    ]
    assert [one.number for page in erp.read("commitments") for one in page.records] == ["SC-1"]
    assert [(one.status, one.message) for one in post(erp, order("SC-2"), order("SC-3"))] == [("accepted", None)] * 2
    assert rows(engine, "SELECT no, COUNT(*) FROM staged GROUP BY no ORDER BY no") == [("SC-2", 2), ("SC-3", 1)]


def test_a_staged_document_is_compared_too(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path, MAPPING.replace(":cost_type, :amount)", ":cost_type, :header__amount)"))
    (refused,) = post(erp, order())
    assert refused.status == "rejected" and "lines[1].amount was sent as 1000.00, and the ERP stored 1500.50" in (
        refused.message or ""
    )
    assert rows(engine, "SELECT COUNT(*) FROM staged") == [(0,)] and rows(engine, "SELECT COUNT(*) FROM batch") == [(0,)]


# -- what the file may not say


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(:company, :source)", "(:company, :number)", "before_batch.1.sql: parameter :number is not the same for all documents"),
        ("gives: batch}", "gives: batch, each: lines}", "before_batch.1: `gives` names one row"),
        ("gives: batch}", "gives: title}", "parameter :batch is not known"),
        ("gives: header}", "gives: amount}", "create.2.gives: 'amount' is a parameter already"),
    ],
)
def test_faults_of_a_batch_are_found_when_the_file_is_loaded(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "ledger.yaml"
    assert MAPPING.count(old) == 1
    path.write_text(MAPPING.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_mapping(path)
    assert said in str(refused.value), refused.value


def test_an_answer_without_its_names_undoes_what_was_written(engine: sa.Engine, tmp_path: Path) -> None:
    erp = ledger(engine, tmp_path, MAPPING.replace("RETURNING id AS batch", "RETURNING id AS batch_no"))
    with pytest.raises(ConfigurationError, match=r"before_batch\.1.*answered 1 rows where it must answer one with batch"):
        post(erp, order())
    erp = ledger(engine, tmp_path, MAPPING.replace("RETURNING id AS header", "RETURNING id AS other"))
    (refused,) = post(erp, order())
    assert refused.status == "rejected" and "must answer one with header" in (refused.message or "")
    assert rows(engine, "SELECT COUNT(*) FROM staged") == [(0,)] and rows(engine, "SELECT COUNT(*) FROM batch") == [(0,)]


# -- a second document of one marker


def copied(engine: sa.Engine) -> None:
    """A person copies what waits, and its marker with it."""
    run(
        engine,
        "ALTER TABLE procore_reference RENAME TO referred",
        "CREATE TABLE procore_reference AS SELECT * FROM referred",
        "INSERT INTO staged (batch, co, no, kind, job, vendor, title, amount)"
        " SELECT batch, co, no, kind, job, vendor, title, amount FROM staged",
        "INSERT INTO procore_reference SELECT entity, 'batch 2', marker FROM referred",
    )


def test_of_two_that_carry_a_marker_neither_is_taken(engine: sa.Engine, tmp_path: Path) -> None:
    """That one waits and the other is posted does not say that the one became the other."""
    erp = ledger(engine, tmp_path)
    (sent,) = post(erp, order())
    assert (sent.status, sent.id) == ("accepted", "batch 1")
    copied(engine)
    (both_wait,) = find(erp, order(), handed="batch 1")
    assert (both_wait.status, both_wait.field) == ("accepted", "marker")
    assert "names more than one of the ERP's commitments (batch 1, batch 2)" in (both_wait.message or "")
    run(
        engine,
        "INSERT INTO subcontract (co, no, job, vendor, title, st, amount)"
        " SELECT co, no, job, vendor, title, 'O', amount FROM staged WHERE id = 1",
        "UPDATE procore_reference SET record = 'SC1' WHERE record = 'batch 1'",
        "DELETE FROM staged WHERE id = 1",
    )
    (one_posted,) = find(erp, order(), handed="batch 1")
    assert (one_posted.status, one_posted.id, one_posted.record, one_posted.field) == ("confirmed", "SC1", None, "marker")
    assert "(SC1, batch 2)" in (one_posted.message or "")
    run(engine, "INSERT INTO staged_error VALUES (2, 'a copy')")
    (refused,) = find(erp, order(), handed="batch 1")
    assert (refused.status, refused.id, refused.field) == ("confirmed", "SC1", None), "what is refused is not there"
