"""ERPs that the adapter has never seen: units, words and padded keys are read as what they mean, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.registry import load_mapping
from include.erp.system import MappedSystem
from include.financials.entities import ENTITIES, OF_ERP
from include.financials.exceptions import ConfigurationError
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.erp.strangers import MAPPING, commitment, database, invoice, post, system


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = database(f"sqlite:///{tmp_path}/jobbook.sqlite")
    yield engine
    engine.dispose()


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def pages(erp: MappedSystem, entity: str) -> tuple[list[Any], list[Any]]:
    found = list(erp.read(entity))
    return [r for page in found for r in page.records], [r for page in found for r in page.invalid]


# -- units

BILL = "INSERT INTO bill VALUES ('01', 'V1', 'INV-1', 'J1', 'SC-1', 1, 'P', '2026-08-31', {cents}, 0, 0, NULL)"


@pytest.mark.parametrize("declared", ["NUMERIC(12,2)", "DECIMAL(14, 4)", "number(10,2)", "REAL", "DOUBLE PRECISION", "MONEY"])
@pytest.mark.parametrize("source", ["bill", "SELECT * FROM bill"])
def test_minor_units_of_a_column_of_dollars_are_refused(engine: sa.Engine, tmp_path: Path, declared: str, source: str) -> None:
    """SQLite keeps 1486000.00 in a NUMERIC column as the integer 1486000: read as cents it would be 14860.00."""
    run(engine, "ALTER TABLE bill DROP COLUMN cents", f"ALTER TABLE bill ADD COLUMN cents {declared}",
        "INSERT INTO bill (co, vendor, no, job, contract, seq, st, day, held, released, cents)"
        " VALUES ('01', 'V1', 'INV-1', 'J1', 'SC-1', 1, 'P', '2026-08-31', 0, 0, 1486000.00)")  # fmt: skip
    erp = system(engine, tmp_path, ("    from: bill\n", f"    from: {source}\n"))
    said = r"entities\.subcontractor_invoices\.fields\.amount: column cents is .*no count of minor units\. Use `type: decimal`"
    with pytest.raises(ConfigurationError, match=said):
        list(erp.read("subcontractor_invoices"))
    (problem,) = erp.check().problems
    assert "column cents" in problem
    with pytest.raises(ConfigurationError, match=said):
        post(erp, invoice("INV-2"))


def test_a_line_of_dollars_too(engine: sa.Engine, tmp_path: Path) -> None:
    run(engine, "ALTER TABLE bill_line DROP COLUMN held", "ALTER TABLE bill_line ADD COLUMN held NUMERIC(12, 2)")
    (problem,) = system(engine, tmp_path).check().problems
    assert "entities.subcontractor_invoices.lines.fields.held: column held is NUMERIC(12, 2)" in problem


@pytest.mark.parametrize("raw", ["148600", "-5"])
def test_whole_numbers_are_minor_units(engine: sa.Engine, tmp_path: Path, raw: str) -> None:
    run(engine, BILL.format(cents=raw))
    records, invalid = pages(system(engine, tmp_path), "subcontractor_invoices")
    assert invalid == [] and records[0].amount == Decimal(raw) / 100


@pytest.mark.parametrize("raw", ["'1486000.00'", "14.5"])
def test_a_value_with_decimals_is_no_count_of_cents(engine: sa.Engine, tmp_path: Path, raw: str) -> None:
    run(engine, "ALTER TABLE bill DROP COLUMN cents", "ALTER TABLE bill ADD COLUMN cents",
        "INSERT INTO bill (co, vendor, no, job, contract, seq, st, day, held, released, cents)"
        f" VALUES ('01', 'V1', 'INV-1', 'J1', 'SC-1', 1, 'P', '2026-08-31', 0, 0, {raw})")  # fmt: skip
    records, invalid = pages(system(engine, tmp_path), "subcontractor_invoices")
    assert records == [] and [(bad.number, bad.field) for bad in invalid] == [("INV-1", "amount")]


# -- words


def test_every_status_of_the_models_is_on_the_closed_list() -> None:
    with_status = {name for name, model in OF_ERP.items() if "status" in model.model_fields}
    assert {name for name, model in OF_ERP.items() if model.statuses} == with_status
    for name in with_status:
        annotation = OF_ERP[name].model_fields["status"].annotation
        allowed = getattr(annotation, "__args__", None)
        assert allowed is None or tuple(allowed) == OF_ERP[name].statuses, name
    assert with_status - set(ENTITIES) == {"periods"}


@pytest.mark.parametrize("word", ["O", "C", "V", "OPEN", "Posted", "hold"])
def test_a_word_nobody_translated_makes_its_record_unreadable(engine: sa.Engine, tmp_path: Path, word: str) -> None:
    """A void invoice with the ERP's own letter is never taken for one that counts."""
    run(
        engine,
        BILL.format(cents=100).replace("'P'", f"'{word}'"),
        BILL.format(cents=200).replace("INV-1", "INV-2").replace("'P'", "'posted'"),
    )
    erp = system(
        engine,
        tmp_path,
        (INVOICES, "sequence: seq\n      status: st"),
    )
    records, invalid = pages(erp, "subcontractor_invoices")
    assert [r.number for r in records] == ["INV-2"]
    assert [(bad.number, bad.field) for bad in invalid] == [("INV-1", "status")]
    assert "unposted, posted, void" in invalid[0].message and word in invalid[0].message


def test_check_says_when_no_word_is_translated(engine: sa.Engine, tmp_path: Path) -> None:
    run(engine, BILL.format(cents=100))
    plain = (
        "sequence: seq\n      status: {column: st, map: {N: unposted, P: posted, V: void}}",
        "sequence: seq\n      status: st",
    )
    (problem,) = system(engine, tmp_path, plain).check().problems
    assert "the ERP's words for subcontractor_invoices are 'P'; translate them with `map` into unposted, posted, void" in problem
    assert system(engine, tmp_path).check().problems == ()


CONTRACTS = "status: {column: st, map: {O: open, C: closed, V: void}, write_map: {Approved: O, Complete: O, Closed: C}}"
INVOICES = "sequence: seq\n      status: {column: st, map: {N: unposted, P: posted, V: void}}"
VOID = "    find: {marker: mark, void: {status: void}}\n    capabilities: {create: true, update: true, void: true}"
NONE = "is no status of commitments"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (CONTRACTS, "status: {column: st, map: {O: open, C: closed, V: gone}}", f"status.map.V: 'gone' {NONE}"),
        (CONTRACTS, "status: {constant: approved}", f"status.constant: 'approved' {NONE}"),
        (CONTRACTS, "status: {column: st, write_map: {Approved: O}}", f"status.write_map.Approved: 'O' {NONE}"),
        (CONTRACTS, CONTRACTS.replace("V: void", "V: posted"), f"status.map.V: 'posted' {NONE}"),
        (VOID, VOID.replace("status: void", "status: V"), f"find.void.status: 'V' {NONE}"),
        (INVOICES, INVOICES.replace("unposted", "batch"),
         "status.map.N: 'batch' is no status of subcontractor_invoices. Allowed: unposted, posted, void"),
    ],
)  # fmt: skip
def test_translations_must_be_words_of_the_list(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = MAPPING.replace(old, new)
    assert text != MAPPING
    path = tmp_path / "jobbook.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(path)
    assert said in str(caught.value), str(caught.value)


# -- padded keys: identity passes the same door as every other value


def test_a_padded_key_is_one_key_everywhere(engine: sa.Engine, tmp_path: Path) -> None:
    erp = system(engine, tmp_path)
    post(erp, commitment("SC-1"), commitment("SC-2"))
    run(engine, "UPDATE contract SET no = substr(no || '        ', 1, 8), co = co || '  ', job = job || '   '")
    records, invalid = pages(erp, "commitments")
    assert invalid == [] and [(r.id, r.number, r.company, r.project) for r in records] == [
        ("SC-1", "SC-1", "01", "J1"),
        ("SC-2", "SC-2", "01", "J1"),
    ]
    assert list(erp.keys("commitments")) == [r.id for r in records]
    assert [r.id for page in erp.read_ids("commitments", [(None, "SC-2")]) for r in page.records] == ["SC-2"]


def test_lines_follow_a_padded_header(engine: sa.Engine, tmp_path: Path) -> None:
    """The header's column is CHAR, the lines' is VARCHAR (or both are CHAR)."""
    post(system(engine, tmp_path), commitment("SC-1"))
    for table in ("contract", "contract_line"):
        run(engine, f"UPDATE {table} SET no = substr(no || '        ', 1, 8)")
        records, _ = pages(system(engine, tmp_path), "commitments")
        assert [line.id for line in records[0].lines] == ["SC-1/1", "SC-1/2"], table


def test_scopes_find_padded_jobs(engine: sa.Engine, tmp_path: Path) -> None:
    post(system(engine, tmp_path), commitment("SC-1"), commitment("SC-2", project="J2"))
    run(engine, "UPDATE contract SET job = substr(job || '        ', 1, 8)")
    scoped = system(engine, tmp_path, ("    from: contract\n", "    scope: job\n    from: contract\n"))
    assert [r.number for page in scoped.read("commitments", scopes=["J2"]) for r in page.records] == ["SC-2"]


def test_char_columns_of_postgresql(postgres_url: str, tmp_path: Path) -> None:  # noqa: F811
    url = sa.make_url(postgres_url)
    admin = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{url.database}" TEMPLATE template0')
    admin.dispose()
    engine = database(postgres_url)
    run(engine, "ALTER TABLE contract ALTER no TYPE CHAR(8), ALTER co TYPE CHAR(4), ALTER job TYPE CHAR(10)")
    erp = system(engine, tmp_path, ("    from: contract\n", "    scope: job\n    from: contract\n"))
    assert [o.status for o in post(erp, commitment("SC-1"), commitment("SC-2", project="J2"))] == ["confirmed"] * 2
    records, invalid = pages(erp, "commitments")
    assert invalid == [] and [(r.id, r.company, len(r.lines)) for r in records] == [("SC-1", "01", 2), ("SC-2", "01", 2)]
    assert list(erp.keys("commitments")) == ["SC-1", "SC-2"]
    assert [r.id for page in erp.read_ids("commitments", [("J2", "SC-2")]) for r in page.records] == ["SC-2"]
    assert [r.id for page in erp.read("commitments", scopes=["J2"]) for r in page.records] == ["SC-2"]
    (changed,) = post(erp, commitment("SC-1", title="Steel"), action="update", changes=("title",), erp_key="SC-1")
    assert changed.status == "confirmed"
    run(engine, "ALTER TABLE contract ALTER amount TYPE NUMERIC(12, 2) USING amount::numeric")
    was = "day, type: date_text}\n      amount: {column: amount, type: "
    dollars = (f"{was}decimal}}", f"{was}minor_units}}")
    wrong = system(engine, tmp_path, dollars)
    assert [(bad.number, bad.field) for bad in pages(wrong, "commitments")[1]] == [("SC-1", "amount"), ("SC-2", "amount")]
    (problem,) = wrong.check().problems
    assert "column amount is NUMERIC(12, 2), which keeps decimals" in problem
    engine.dispose()
