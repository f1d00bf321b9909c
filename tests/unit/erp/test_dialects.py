"""SQL Server and Oracle, for which there is no server here: every statement that the adapter makes, as their dialects write it,
and their drivers' errors, as the drivers make them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
import pymssql
import pytest
import sqlalchemy as sa
from oracledb import errors as oracle
from sqlalchemy.exc import DBAPIError

from include.erp.mapping.loading import MAPPINGS, mapping_path
from include.erp.registry import load_mapping
from include.erp.sql.database import Database
from include.erp.sql.errors import classify, named_columns, sentence
from include.erp.sql.grammar import NOW, SqlMapping
from include.erp.sql.selects import Selects, dump_key, load_key
from include.erp.transport import Key
from include.financials.port import Window
from tests.unit.erp.strangers import commitment, database, post, system

ADDRESSES = {
    "mssql": "mssql+pymssql://reader:secret@erp/books",
    "oracle": "oracle+oracledb://reader:secret@erp/?service_name=books",
}
MAPPED = [path.stem for path in sorted(MAPPINGS.glob("*.yaml")) if isinstance(load_mapping(path).spec, SqlMapping)]
SQL_SERVER = ("sage_100_contractor", "sage_300_cre", "spectrum", "vista")
"""Templates of products that stand on SQL Server, or on a replica there."""
SINCE = datetime(2026, 9, 1, tzinfo=UTC)
MONTH = SINCE.replace(tzinfo=None)


class Answer(list[tuple[str, ...]]):
    def all(self) -> Answer:
        return self


class Recorder:
    """Stands where a connection does: one row of padded text for every question, so that each key is asked for in two forms."""

    def __init__(self) -> None:
        self.asked: list[sa.Select[Any]] = []

    def execute(self, statement: sa.Select[Any]) -> Answer:
        self.asked.append(statement)
        return Answer([("x ",) * len(statement.selected_columns)])


def statements(name: str, base: Database) -> list[sa.Select[Any]]:
    """Pages, windows, jobs, ids, markers, and the lists and lines of a page of 600, for each entity."""
    mapping, recorder = load_mapping(mapping_path(name)), Recorder()
    connection: Any = recorder
    for entity, spec in mapping.spec.entities.items():
        selects = Selects(mapping, entity, base)
        for scopes in ([f"25-{n}" for n in range(1_500)], ["25-104"]):
            window = selects.filters(connection, Window(SINCE, SINCE + timedelta(days=1)), scopes)
            after = tuple(f"k{at}" for at, _ in enumerate(spec.key_columns))
            selects.page(connection, window, after, 100)
        names = spec.id.columns()
        ids = [
            Key(f"{n}", ({column: f"{n}-{column}" for column in names}, {column: f"{column}-{n}" for column in names}))
            for n in range(selects.at_once(500))
        ]
        recorder.execute(selects.select(selects.of_ids(connection, ids)))
        if spec.find is not None:
            recorder.execute(selects.select(selects.of_markers([key.id for key in ids])))
        raw = [tuple(f"{n}-{at} " for at in range(len(selects.columns.position))) for n in range(600)]
        for nested in selects.nested:
            nested.of(connection, base, raw)
    return recorder.asked


def written(statement: sa.Select[Any], base: Database) -> tuple[str, dict[str, Any], list[int]]:
    """With its values, and how long its lists are."""
    made: Any = statement.compile(base.engine, compile_kwargs={"render_postcompile": True})
    return str(made), made.params, [len(one.value) for one in made.binds.values() if one.expanding]


@pytest.mark.parametrize("dialect", ADDRESSES)
@pytest.mark.parametrize("name", MAPPED)
def test_what_reads_is_written_as_the_database_wants_it(name: str, dialect: str) -> None:
    base = Database(ADDRESSES[dialect])
    for statement in statements(name, base):
        sql, values, lists = written(statement, base)
        assert len(values) <= {"mssql": 2_100, "oracle": 65_535}[dialect]
        words = set(sql.upper().split())
        assert not {"LIMIT", "TRUE", "FALSE", "ILIKE"} & words
        assert max(lists, default=0) <= 1_000, "Oracle takes no more in a list"
        assert ") IN (" not in sql and ") > (" not in sql, "neither has row values to compare"
        if statement._limit_clause is not None:
            assert "TOP" in words if dialect == "mssql" else {"FETCH", "FIRST"} <= words
        assert dialect == "mssql" or " AS source" not in sql


@pytest.mark.parametrize("name", SQL_SERVER)
def test_a_template_of_sql_server_has_nothing_that_only_others_know(name: str) -> None:
    """A ``from`` is read as a table in parentheses, where SQL Server takes neither WITH nor ORDER BY."""
    spec = load_mapping(mapping_path(name)).spec
    texts = [
        text
        for entity in spec.entities.values()
        for text in (entity.source, *(field.source for field in entity.fields.values()), entity.lines and entity.lines.source)
        if text and " " in text
    ]
    assert texts
    for text in (re.sub(r"OVER \([^)]*\)", "", one) for one in texts):
        assert not re.search(r"\|\||\bLIMIT\b|\bSUBSTR\(|\bLENGTH\(|::|\bTRUE\b|\bFALSE\b|^\s*WITH\b|\bORDER BY\b", text), text
    if spec.writes is None:
        for entity in spec.entities.values():
            for call in (*entity.write.before_batch, *entity.write.create):
                assert not re.search(r"\|\||\bLIMIT\b|\bRETURNING\b|\bON CONFLICT\b|::", call.sql), call.sql


# -- what the drivers say


def lib(number: int, text: str, kind: type[Exception] = pymssql.OperationalError) -> DBAPIError:
    """As pymssql's cursor raises it: what DB-Lib adds comes with no line of its own."""
    more = "DB-Lib error message 20018, severity 16:\nGeneral SQL Server error: Check messages from the SQL Server\n"
    return raised(kind(number, f"{text}{more}".encode()), pymssql)


def of_oracle(number: int, text: str) -> DBAPIError:
    said = oracle._Error(message=f"ORA-{number:05}: {text}", code=number)
    return raised(said.exc_type(said), oracledb)


def raised(error: Exception, driver: Any) -> DBAPIError:
    """As SQLAlchemy raises a driver's error."""
    made = DBAPIError.instance("INSERT", {}, error, driver.Error, hide_parameters=True)
    assert isinstance(made, DBAPIError)
    return made


HOLD = "VENDOR_HOLD: V-1037 is on hold"
TRACE = "\nORA-06512: at \"ERP.HOLDS\", line 4\nORA-04088: error during execution of trigger 'ERP.HOLDS'"
CHECK = "INSERT statement conflicted with the CHECK constraint."
DENIED = "The SELECT permission was denied"


@pytest.mark.parametrize(
    ("error", "dialect", "verdict", "said"),
    [
        (lib(50000, HOLD), "mssql", "refused", HOLD),
        (lib(3609, "The transaction ended in the trigger."), "mssql", "refused", "The transaction ended in the trigger."),
        (lib(8152, "Data would be truncated."), "mssql", "refused", "Data would be truncated."),
        (lib(8115, "Arithmetic overflow"), "mssql", "refused", "Arithmetic overflow"),
        (lib(229, DENIED), "mssql", "rights", DENIED),
        (lib(156, "Incorrect syntax near 'WITH'."), "mssql", "mapping", "Incorrect syntax near 'WITH'."),
        (lib(1205, "deadlocked"), "mssql", "later", "deadlocked"),
        (raised(pymssql.OperationalError((18456, b"Login failed for user 'reader'.DB-Lib error message 20018\n")), pymssql),
         "mssql", "login", "Login failed for user 'reader'."),
        (of_oracle(20001, f"{HOLD}{TRACE}"), "oracle", "refused", HOLD),
        (of_oracle(1, "unique constraint (ERP.SUBK_PK) violated"), "oracle", "refused",
         "ORA-00001: unique constraint (ERP.SUBK_PK) violated"),
        (of_oracle(12899, 'value too large for column "ERP"."SUBK"."TITLE"'), "oracle", "refused",
         'ORA-12899: value too large for column "ERP"."SUBK"."TITLE"'),
        (of_oracle(1722, "invalid number"), "oracle", "refused", "ORA-01722: invalid number"),
        (of_oracle(942, "table or view does not exist"), "oracle", "mapping", "ORA-00942: table or view does not exist"),
        (of_oracle(904, '"VEND": invalid identifier'), "oracle", "mapping", 'ORA-00904: "VEND": invalid identifier'),
        (of_oracle(1031, "insufficient privileges"), "oracle", "rights", "ORA-01031: insufficient privileges"),
        (of_oracle(1017, "invalid credential or not authorized"), "oracle", "login",
         "ORA-01017: invalid credential or not authorized"),
        (of_oracle(54, "resource busy and acquire with NOWAIT specified"), "oracle", "later",
         "ORA-00054: resource busy and acquire with NOWAIT specified"),
        (of_oracle(60, "deadlock detected while waiting for resource"), "oracle", "later",
         "ORA-00060: deadlock detected while waiting for resource"),
    ],
)  # fmt: skip
def test_an_error_means_the_same_by_every_driver(error: DBAPIError, dialect: str, verdict: str, said: str) -> None:
    """What a trigger refuses is the document's fault, and no reason to try again; what rights forbid is no fault of the SQL."""
    assert (classify(error, dialect), sentence(error)) == (verdict, said)


@pytest.mark.parametrize(
    ("error", "column"),
    [
        (lib(515, "Cannot insert the value NULL into column 'Vendor', table 'x.dbo.APUI'", pymssql.IntegrityError), "Vendor"),
        (lib(2628, "String or binary data would be truncated in table 'x.dbo.SLHB', column 'Description'. Truncated: 'Con'."),
         "Description"),
        (of_oracle(1400, 'cannot insert NULL into ("ERP"."SUBK"."VEND")'), "VEND"),
        (of_oracle(12899, 'value too large for column "ERP"."SUBK"."TITLE" (actual: 31, maximum: 30)'), "TITLE"),
    ],
)  # fmt: skip
def test_a_refusal_names_its_column(error: DBAPIError, column: str) -> None:
    assert named_columns(error) == [column]


# -- what else differs


def test_a_wait_for_a_lock_ends_on_sql_server() -> None:
    said: list[str] = []

    class Cursor:
        execute, close = said.append, staticmethod(lambda: None)

    class Driver:
        cursor = staticmethod(Cursor)

    base = Database(ADDRESSES["mssql"], lock_timeout=2.5)
    assert sa.event.contains(base.engine, "connect", base._patience)
    base._patience(Driver(), None)
    assert said == ["SET LOCK_TIMEOUT 2500"]


@pytest.mark.parametrize(("url", "bound"), [(ADDRESSES["mssql"], True), (ADDRESSES["oracle"], 1)])
def test_what_is_bound(url: str, bound: Any) -> None:
    base = Database(url)
    assert [type(base.bind(value)) for value in (True, Decimal("1.5"), date(2026, 9, 1))] == [type(bound), Decimal, date]


@pytest.mark.parametrize(
    "key", [(1, "a"), (Decimal("1.50"),), (date(2026, 9, 1), 7), (MONTH, MONTH.replace(hour=8, microsecond=5))]
)
def test_a_key_goes_through_a_cursor_unchanged(key: Sequence[Any]) -> None:
    """SQL Server has no month but a time at midnight, and Vista's keys begin with one."""
    assert load_key(dump_key(key)) == tuple(key) and [type(one) for one in load_key(dump_key(key))] == [type(one) for one in key]


@pytest.mark.parametrize(
    "answer", ["'2026-09-01T05:00:00.1234567Z'", "'2026-09-01T05:00:00.123456Z'", "'2026-09-01 00:00:00.123456'"]
)
def test_a_clock_with_its_zone_is_read_so(answer: str, tmp_path: Path) -> None:
    """As SQL Server and Oracle answer what is asked of them by default; and a clock without a zone."""
    clocked = ("system: jobbook\n", f"system: jobbook\ntimezone: America/Chicago\nnow: SELECT {answer}\n")
    erp = system(database(f"sqlite:///{tmp_path}/erp.sqlite"), tmp_path, clocked)
    assert erp.now() == datetime(2026, 9, 1, 5, 0, 0, 123456, tzinfo=UTC)


def test_the_clock_is_right_whatever_the_zone_of_the_columns(tmp_path: Path) -> None:
    zoned = ("system: jobbook\n", "system: jobbook\ntimezone: America/Chicago\n")
    erp = system(database(f"sqlite:///{tmp_path}/erp.sqlite"), tmp_path, zoned)
    assert abs(erp.now() - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.parametrize("name", SQL_SERVER)
def test_a_template_asks_sql_server_for_a_time_that_means_one(name: str) -> None:
    """UTC without its zone would be read in the zone of the columns, hours ahead, and rows changed meanwhile lie before the next
    window."""
    spec = load_mapping(mapping_path(name)).spec
    sql = spec.now if isinstance(spec.now, str) else spec.now["mssql"]
    assert sql == NOW["mssql"] or ("UTC" in sql) == (spec.timezone == "UTC")


def test_more_jobs_than_a_statement_can_name(tmp_path: Path) -> None:
    scoped = ("    number: no\n    fields:\n      kind:", "    number: no\n    scope: job\n    fields:\n      kind:")
    engine = database(f"sqlite:///{tmp_path}/erp.sqlite")
    erp = system(engine, tmp_path, scoped)
    post(erp, commitment("SC-1"), commitment("SC-2", project="J2"))
    asked = [f"J{n}" for n in range(2, 10)]
    erp.transport.database.max_parameters = 8
    found = [[one.id for page in erp.read("commitments", scopes=jobs) for one in page.records] for jobs in (asked, asked[:2])]
    assert found == [["SC-2"], ["SC-2"]]
