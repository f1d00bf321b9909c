"""The SQL adapter over a real ODBC driver: values, counts and errors as pyodbc has them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from include.erp.acceptance.running import accept
from include.erp.acceptance.suite import Options
from include.erp.sql.database import Database
from include.erp.sql.errors import classify, named_columns, sentence
from sandbox.batches import schema
from sandbox.batches.clerk import at
from sandbox.batches.demo import MAPPING
from tests.odbc import by_odbc, pyodbc
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.erp.test_dialects import CHECK, DENIED, HOLD, raised
from tests.unit.erp.trial import build, reader

pytestmark = pytest.mark.postgres


def odbc(state: str, text: str, kind: type[Exception] = pyodbc.ProgrammingError) -> DBAPIError:
    """As pyodbc raises what SQL Server's driver says."""
    return raised(kind(state, f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{text}"), pyodbc)


@pytest.mark.parametrize(
    ("error", "verdict", "said"),
    [
        (odbc("42000", f"{HOLD} (50000) (SQLExecDirectW)"), "refused", HOLD),
        (odbc("42000", f"{HOLD} (51001) (SQLExecDirectW); [42000] [Microsoft][SQL Server]It ended in the trigger. (3609)"),
         "refused", HOLD),
        (odbc("23000", f"{CHECK} (547) (SQLExecDirectW)", pyodbc.IntegrityError), "refused", CHECK),
        (odbc("42000", f"{DENIED} (229) (SQLExecDirectW)"), "rights", DENIED),
        (odbc("42S02", "Invalid object name 'APVM'. (208) (SQLExecDirectW)"), "mapping", "Invalid object name 'APVM'."),
        (odbc("HY000", "Lock request. (1222) (SQLExecDirectW)", pyodbc.Error), "later", "Lock request."),
        (odbc("08S01", "Link failure (10054) (SQLExecDirectW)", pyodbc.OperationalError), "later", "Link failure"),
        (odbc("IM002", "Data source name not found (0) (SQLDriverConnect)", pyodbc.InterfaceError), "login",
         "Data source name not found"),
    ],
)  # fmt: skip
def test_an_error_of_sql_server_means_the_same_by_odbc(error: DBAPIError, verdict: str, said: str) -> None:
    """As ``test_dialects`` has it of the other drivers."""
    assert (classify(error, "mssql"), sentence(error)) == (verdict, said)


def test_what_is_bound_for_sql_server() -> None:
    base = Database("mssql+pyodbc://reader:secret@erp")
    assert [type(base.bind(value)) for value in (True, Decimal("1.5"), date(2026, 9, 1))] == [bool, Decimal, date]


@pytest.mark.parametrize(
    ("statement", "verdict", "said", "columns"),
    [
        ("DO $$ BEGIN RAISE EXCEPTION 'VENDOR_HOLD: V-1037'; END $$", "refused", "VENDOR_HOLD: V-1037", []),
        ("INSERT INTO kept VALUES (1, 1)", "refused", "duplicate key value violates", ["a"]),
        ("INSERT INTO kept VALUES (2, 1234567890.12)", "refused", "numeric field overflow", []),
        ("SELECT * FROM nowhere", "mapping", 'relation "nowhere" does not exist', []),
    ],
)
def test_what_its_errors_mean(postgres_url: str, statement: str, verdict: str, said: str, columns: list[str]) -> None:  # noqa: F811
    base = Database(by_odbc(postgres_url))
    with base.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS kept")
        connection.exec_driver_sql("CREATE TABLE kept (a INT PRIMARY KEY, b NUMERIC(8, 2))")
        connection.exec_driver_sql("INSERT INTO kept VALUES (1, 1)")
    with pytest.raises(DBAPIError) as error, base.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert classify(error.value, base.dialect) == verdict
    assert sentence(error.value).startswith(said) and "[" not in sentence(error.value)
    assert named_columns(error.value) == columns
    base.close()


def test_documents_are_accepted_by_odbc(postgres_url: str) -> None:  # noqa: F811
    """The suite, reading and writing, on the sandbox's ERP with batches."""
    entities = tuple(kind.entity for kind in schema.KINDS)
    build(postgres_url)
    engine = sa.create_engine(postgres_url)
    schema.create(engine)
    engine.dispose()
    with reader(postgres_url) as login, at(postgres_url) as clerk:
        options = Options(
            str(MAPPING), by_odbc(postgres_url), allow_writes=True, reader=by_odbc(login), clerk=clerk, entities=entities
        )
        result = accept(options)
    assert [(one.entity, one.label, one.told) for one in result.checks if one.verdict == "failed"] == []
    assert {one.entity for one in result.checks if one.verdict == "passed"} >= {*entities}
