"""No statement of a mapping is believed: what was written is read back in its transaction; a difference undoes that record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.financials.entities.commitments import Commitment
from include.financials.exceptions import ConfigurationError
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.erp.strangers import change, commitment, database, invoice, item, post, rows, system

CONTRACT_LINE = "VALUES (:company, :number, :position, :description, :cost_code, :cost_type, :amount)"
CONTRACT = "VALUES (:company, :number, :kind, :project, :vendor, :title, 'O', :contract_date, :amount, :marker)"
BILL_LINE = "VALUES (:company, :vendor, :number, :position, :cost_code, :cost_type, :amount, :held, :released)"
CHANGE_LINE = "VALUES (:company, :commitment, :change_number, :position, :line, :cost_code, :cost_type, :amount)"
TITLE = "UPDATE contract SET title = :title WHERE co = :company AND no = :id"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = database(f"sqlite:///{tmp_path}/jobbook.sqlite")
    yield engine
    engine.dispose()


def test_an_honest_mapping_is_confirmed(engine: sa.Engine, tmp_path: Path) -> None:
    erp = system(engine, tmp_path)
    assert erp.check().problems == ()
    for record in (commitment(), change(), invoice()):
        (outcome,) = post(erp, record)
        assert (outcome.status, outcome.message) == ("confirmed", None)


@pytest.mark.parametrize(
    ("make", "old", "new", "field", "said"),
    [
        # the amount of the document, of a line, halved or rounded
        (commitment, CONTRACT, CONTRACT.replace(":amount", "'750.25'"), "amount", ("1500.50", "750.25")),
        (commitment, CONTRACT_LINE, CONTRACT_LINE.replace(":amount", "CAST(:amount AS INTEGER) || '.00'"), "lines[2].amount",
         ("500.50", "500.00")),
        (invoice, BILL_LINE, BILL_LINE.replace(":amount", ":amount / 2"), "lines[1].amount", ("300.00", "150.00")),
        (invoice, BILL_LINE, BILL_LINE.replace(":held", "0"), "lines[1].held", ("10.00", "0.00")),
        (change, CHANGE_LINE, CHANGE_LINE.replace(":amount", "'1.00'"), "lines[1].amount", ("250.00", "1.00")),
        # a line skipped, written twice, or to another place
        (change, CHANGE_LINE, CHANGE_LINE.replace(":line,", "NULL,"), "lines[1].line", ("1", "nothing")),
        (commitment, CONTRACT_LINE, CONTRACT_LINE.replace(":cost_code", "'99-9999'"), "lines[1].cost_code",
         ("03-1000", "99-9999")),
        # other fields
        (commitment, CONTRACT, CONTRACT.replace(":title", "substr(:title, 1, 4)"), "title", ("Concrete", "Conc")),
        (commitment, CONTRACT, CONTRACT.replace(":title", "NULL"), "title", ("Concrete", "nothing")),
        (commitment, CONTRACT, CONTRACT.replace(":vendor", "'V9'"), "vendor", ("V1", "V9")),
        (commitment, CONTRACT, CONTRACT.replace(":contract_date", "'2026-08-04'"), "contract_date", ("2026-08-03", "2026-08-04")),
        (commitment, CONTRACT, CONTRACT.replace(":number", ":number || '-A'"), "number", ("SC-1", "SC-1-A")),
        (commitment, CONTRACT, CONTRACT.replace(":company", "'02'"), "company", ("01", "02")),
        (commitment, CONTRACT, CONTRACT.replace("'O'", "'X'"), "status", ("Approved", "is 'X'")),
    ],
)  # fmt: skip
def test_a_difference_undoes_the_record_and_names_field_sent_and_stored(
    engine: sa.Engine, tmp_path: Path, make: Any, old: str, new: str, field: str, said: tuple[str, str]
) -> None:
    (outcome,) = post(system(engine, tmp_path, (old, new)), make())
    assert (outcome.status, outcome.field) == ("rejected", field), outcome.message
    assert all(word in (outcome.message or "") for word in (make().number, field, *said)), outcome.message
    for table in ("contract", "contract_line", "bill", "bill_line", "change_order", "change_line"):
        assert rows(engine, f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    ("make", "old", "new", "said"),
    [
        (commitment, CONTRACT_LINE, CONTRACT_LINE.replace("VALUES (", "SELECT ").rstrip(")") + " WHERE :position = 1",
         "write.create.2 (INSERT INTO contract_line) touched 0 rows where it must touch 1"),
        (commitment, CONTRACT_LINE, f"{CONTRACT_LINE}, (:company, :number, 9, '', '', '', '0.00')",
         "write.create.2 (INSERT INTO contract_line) touched 2 rows where it must touch 1"),
        (commitment, CONTRACT, f"{CONTRACT}, (:company, 'SC-2', :kind, :project, :vendor, '', 'O', NULL, '0.00', NULL)",
         "write.create.1 (INSERT INTO contract) touched 2 rows where it must touch 1"),
        (invoice, BILL_LINE, BILL_LINE.replace("VALUES (", "SELECT ").rstrip(")") + " WHERE 1 = 0",
         "write.create.2 (INSERT INTO bill_line) touched 0 rows where it must touch 1"),
    ],
)  # fmt: skip
def test_a_statement_that_touches_other_than_its_rows_is_named(
    engine: sa.Engine, tmp_path: Path, make: Any, old: str, new: str, said: str
) -> None:
    (outcome,) = post(system(engine, tmp_path, (old, new)), make())
    assert outcome.status == "rejected"
    assert said in (outcome.message or ""), outcome.message
    assert rows(engine, "SELECT * FROM contract") == rows(engine, "SELECT * FROM bill") == []


def test_rows_of_a_statement_are_the_mappings_to_say_and_the_read_back_still_looks(engine: sa.Engine, tmp_path: Path) -> None:
    skipping = CONTRACT_LINE.replace("VALUES (", "SELECT ").rstrip(")") + " WHERE :position = 1"
    loose = system(
        engine, tmp_path, (f"{CONTRACT_LINE}\n", f"{skipping}\n          rows: any\n"),
    )  # fmt: skip
    (outcome,) = post(loose, commitment())
    assert (outcome.status, outcome.field) == ("rejected", "lines")
    assert "2 lines" in (outcome.message or "") and "1 lines" in (outcome.message or "")
    assert rows(engine, "SELECT * FROM contract") == []


def test_the_other_documents_of_the_batch_go_on(engine: sa.Engine, tmp_path: Path) -> None:
    halved = CONTRACT.replace(":amount", "CASE WHEN :number = 'SC-2' THEN '1.00' ELSE :amount END")
    outcomes = post(system(engine, tmp_path, (CONTRACT, halved)), *(commitment(f"SC-{n}") for n in (1, 2, 3)))
    assert [outcome.status for outcome in outcomes] == ["confirmed", "rejected", "confirmed"]
    assert outcomes[1].field == "amount"
    assert rows(engine, "SELECT no, amount FROM contract ORDER BY no") == [("SC-1", "1500.50"), ("SC-3", "1500.50")]
    assert rows(engine, "SELECT DISTINCT no FROM contract_line ORDER BY no") == [("SC-1",), ("SC-3",)]


def test_a_statement_that_changes_another_document_of_the_batch(engine: sa.Engine, tmp_path: Path) -> None:
    """SC-2's statements overwrite SC-1, which was good by itself: nothing wrong is committed."""
    second = "        - {rows: any, sql: \"UPDATE contract SET amount = '9.99' WHERE :number = 'SC-2' AND no = 'SC-1'\"}\n"
    mapping = (f"{CONTRACT_LINE}\n", f"{CONTRACT_LINE}\n{second}")
    outcomes = post(system(engine, tmp_path, mapping), *(commitment(f"SC-{n}") for n in (1, 2, 3)))
    assert [outcome.status for outcome in outcomes] == ["rejected", "confirmed", "confirmed"]
    assert ("SC-1", "9.99") not in rows(engine, "SELECT no, amount FROM contract")


def test_a_marker_on_two_documents_is_never_taken_for_one(engine: sa.Engine, tmp_path: Path) -> None:
    twice = f"{CONTRACT}, (:company, :number || '-2', :kind, :project, :vendor, :title, 'O', :contract_date, :amount, :marker)"
    start = "          INSERT INTO contract ("
    erp = system(
        engine, tmp_path, (f"        - >\n{start}", f"        - rows: 2\n          sql: >\n  {start}"), (CONTRACT, f"  {twice}")
    )
    (outcome,) = post(erp, commitment())
    assert (outcome.status, outcome.field) == ("rejected", "marker")
    assert "more than one" in (outcome.message or "")
    assert rows(engine, "SELECT * FROM contract") == []


def test_a_document_whose_marker_went_elsewhere_is_undone(engine: sa.Engine, tmp_path: Path) -> None:
    lost = CONTRACT.replace(":marker", "CASE WHEN :number = 'SC-2' THEN 'x' ELSE :marker END")
    erp = system(engine, tmp_path, (CONTRACT, lost))
    good, bad = post(erp, commitment("SC-1"), commitment("SC-2"))
    assert (good.status, bad.status, bad.field) == ("confirmed", "rejected", "marker")
    assert rows(engine, "SELECT no FROM contract") == [("SC-1",)]
    with pytest.raises(ConfigurationError, match="SC-2 was written but cannot be read back"):
        post(erp, commitment("SC-2"))
    assert rows(engine, "SELECT no FROM contract") == [("SC-1",)]


# -- updates and voids


def updated(engine: sa.Engine, tmp_path: Path, old: str, new: str, **more: Any) -> tuple[Any, list[Any]]:
    post(system(engine, tmp_path), commitment("SC-1"), commitment("SC-2"))
    erp = system(engine, tmp_path, (old, new))
    changed = commitment("SC-1", title="Steel", **more)
    before = rows(engine, "SELECT * FROM contract ORDER BY no")
    (outcome,) = post(erp, changed, action="update", changes=("title",), erp_key="SC-1")
    return outcome, [rows(engine, "SELECT * FROM contract ORDER BY no"), before]


@pytest.mark.parametrize(
    ("new", "field", "said"),
    [
        (f"{TITLE} AND 1 = 0", None, "write.update.1 (UPDATE contract SET) touched 0 rows where it must touch 1"),
        (TITLE.replace("no = :id", "no <> ''"), None, "touched 2 rows where it must touch 1"),
        (TITLE.replace("no = :id", "no = 'SC-2' AND :id <> ''"), "title", "sent as 'Steel', and the ERP stored 'Concrete'"),
        (TITLE.replace("= :title", "= upper(:title)"), "title", "'STEEL'"),
        (TITLE.replace("title = :title", "title = :title, amount = '750.25'"), "amount", "1500.50"),
        (TITLE.replace("title = :title", "title = :title, st = 'Q'"), "status", "is 'Q'"),
    ],
)
def test_an_update_must_leave_what_was_sent_and_nothing_else(
    engine: sa.Engine, tmp_path: Path, new: str, field: str | None, said: str
) -> None:
    outcome, (after, before) = updated(engine, tmp_path, TITLE, new)
    assert (outcome.status, outcome.field) == ("rejected", field), outcome.message
    assert said in outcome.message
    assert after == before


def test_an_update_of_a_record_that_is_not_there(engine: sa.Engine, tmp_path: Path) -> None:
    post(system(engine, tmp_path), commitment("SC-1"))
    loose = ("update:\n        - {when: title, sql: ", "update:\n        - {when: title, rows: any, sql: ")
    erp = system(engine, tmp_path, loose)
    (outcome,) = post(erp, commitment("SC-9", title="Steel"), action="update", changes=("title",), erp_key="SC-9")
    assert outcome.status == "rejected" and "no such record to update" in (outcome.message or "")


def test_one_bad_update_of_a_batch(engine: sa.Engine, tmp_path: Path) -> None:
    post(system(engine, tmp_path), commitment("SC-1"), commitment("SC-2"))
    new = TITLE.replace("= :title", "= CASE WHEN :id = 'SC-1' THEN 'x' ELSE :title END")
    erp = system(engine, tmp_path, (TITLE, new))
    (step,) = erp.steps("commitments", "update")
    items = [
        replace(item(commitment(n, title="Steel"), changes=("title",), erp_key=n), intent=f"update-{n}") for n in ("SC-1", "SC-2")
    ]
    outcomes = erp.post(step, items)
    assert [(o.status, o.field) for o in outcomes] == [("rejected", "title"), ("confirmed", None)]
    assert rows(engine, "SELECT no, title FROM contract ORDER BY no") == [("SC-1", "Concrete"), ("SC-2", "Steel")]


def test_a_field_may_be_emptied(engine: sa.Engine, tmp_path: Path) -> None:
    """Not refused because the ERP holds nothing, and refused where it keeps the old value."""
    day = "UPDATE contract SET day = :contract_date"
    post(system(engine, tmp_path), commitment("SC-1"))
    emptied = {"action": "update", "changes": ("contract_date",), "erp_key": "SC-1"}
    keeping = system(engine, tmp_path, (day, "UPDATE contract SET day = COALESCE(:contract_date, day)"))
    (kept,) = post(keeping, commitment("SC-1", contract_date=None), **emptied)
    assert (kept.status, kept.field) == ("rejected", "contract_date")
    (outcome,) = post(system(engine, tmp_path), commitment("SC-1", contract_date=None), **emptied)
    assert outcome.status == "confirmed" and isinstance(outcome.record, Commitment) and outcome.record.contract_date is None


@pytest.mark.parametrize("word", ["C", "Q"])
def test_a_void_must_read_as_void(engine: sa.Engine, tmp_path: Path, word: str) -> None:
    post(system(engine, tmp_path), commitment("SC-1"))
    erp = system(engine, tmp_path, ("UPDATE contract SET st = 'V'", f"UPDATE contract SET st = '{word}'"))
    (outcome,) = post(erp, commitment("SC-1"), action="void", erp_key="SC-1")
    assert (outcome.status, outcome.field) == ("rejected", "status")
    assert rows(engine, "SELECT st FROM contract") == [("O",)]
    (outcome,) = post(system(engine, tmp_path), commitment("SC-1"), action="void", erp_key="SC-1")
    assert outcome.status == "confirmed"


def test_an_empty_field_may_be_filled_by_the_erp_but_not_where_money_goes(engine: sa.Engine, tmp_path: Path) -> None:
    filled = CONTRACT.replace(":contract_date", "COALESCE(:contract_date, '2026-01-01')")
    (outcome,) = post(system(engine, tmp_path, (CONTRACT, filled)), commitment(contract_date=None))
    assert isinstance(outcome.record, Commitment) and outcome.record.contract_date == date(2026, 1, 1)
    lines = change().lines
    new_line = change(lines=(lines[0].model_copy(update={"line": None}), lines[1]))
    (refused,) = post(system(engine, tmp_path, (CHANGE_LINE, CHANGE_LINE.replace(":line", "COALESCE(:line, 7)"))), new_line)
    assert (refused.status, refused.field) == ("rejected", "lines[1].line")


def test_postgresql_reads_back_too(postgres_url: str, tmp_path: Path) -> None:  # noqa: F811
    url = sa.make_url(postgres_url)
    admin = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{url.database}" TEMPLATE template0')
    admin.dispose()
    engine = database(postgres_url)
    halved = CONTRACT.replace(":amount", "CASE WHEN :number = 'SC-2' THEN '1.00' ELSE :amount END")
    outcomes = post(system(engine, tmp_path, (CONTRACT, halved)), *(commitment(f"SC-{n}") for n in (1, 2, 3)))
    assert [(o.status, o.field) for o in outcomes] == [("confirmed", None), ("rejected", "amount"), ("confirmed", None)]
    assert rows(engine, "SELECT no FROM contract ORDER BY no") == [("SC-1",), ("SC-3",)]
    skipping = CONTRACT_LINE.replace("VALUES (", "SELECT ").rstrip(")") + " WHERE :position = 1"
    (short,) = post(system(engine, tmp_path, (CONTRACT_LINE, skipping)), commitment("SC-4"))
    assert short.status == "rejected" and "touched 0 rows where it must touch 1" in (short.message or "")
    assert Decimal(rows(engine, "SELECT COUNT(*) FROM contract_line")[0][0]) == 4
    engine.dispose()
