"""The write side of the SQL adapter: real documents into the sandbox's ledger, and what it says when it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from include.erp.mapping.loading import Mapping
from include.erp.registry import connected, load_mapping
from include.erp.sql.submitting import Submission
from include.erp.system import MappedSystem
from include.erp.transport import Receipt
from include.financials.entities.commitments import Commitment
from include.financials.exceptions import ConfigurationError, NotPermitted, OutcomeUnknown, RetryLater
from include.financials.port import Item, Outcome, Step
from include.financials.record import Line
from tests.unit.erp.conftest import database_of, write_mapping

HOSTILE = "x'); DROP TABLE vendors; --"


def line(position: int, amount: str, **more: Any) -> Line:
    values = {"cost_code": "25-104//03-3000", "cost_type": "3", "description": f"Line {position}"} | more
    return Line(id=f"9{position}", position=position, amount=Decimal(amount), **values)


def commitment(number: str, *lines: Line, **more: Any) -> Commitment:
    lines = lines or (line(1, "1000.10"), line(2, "-0.10"))
    values: dict[str, Any] = {
        "id": f"5000000{number[-3:]}",
        "kind": "subcontract",
        "project": "25-104",
        "vendor": "V-1042",
        "title": f"Concrete {number}",
        "status": "Approved",
        "currency": "USD",
        "retainage_percent": Decimal("7.125"),
        "contract_date": date(2026, 8, 3),
        "amount": sum((one.amount for one in lines), Decimal("0.00")),
    }
    return Commitment(number=number, lines=lines, **(values | more))


def item(record: Commitment, *, changes: tuple[str, ...] = (), erp_key: str | None = None, company: str = "01") -> Item:
    return Item(
        intent=f"intent-{record.id}",
        record=record,
        company=company,
        number=record.number,
        origin_id=f"sandbox:{company}:commitments:{record.number}",
        procore_id=record.id,
        erp_key=erp_key,
        changes=changes,
    )


def step(erp: MappedSystem, action: Any = "create") -> Step:
    (only,) = erp.steps("commitments", action)
    return only


def post(erp: MappedSystem, *records: Commitment) -> list[Outcome]:
    return erp.post(step(erp), [item(record) for record in records])


def rows(engine: sa.Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def test_steps_follow_the_capabilities(erp: MappedSystem) -> None:
    assert (step(erp).name, step(erp, "update").name, step(erp, "void").name) == ("document", "header", "void")
    assert (step(erp).batch, step(erp).done, step(erp).system) == (1000, "written", "erp")
    assert erp.steps("commitments", "link") == ()
    assert erp.steps("vendors", "create") == ()
    capability = erp.capabilities()["commitments"]
    assert (capability.create, capability.changed_since, capability.max_lengths["title"], capability.tax) == (
        True,
        True,
        30,
        True,
    )
    assert erp.scope(step(erp), item(commitment("104-SC-001"), company="02")) == "02"


def test_a_document_is_written_and_read_back_as_it_was(erp: MappedSystem, ledger: sa.Engine) -> None:
    unit = {
        "extended_type": "calculated",
        "quantity": Decimal("333.5"),
        "unit_cost": Decimal("1.785"),
        "unit": "CY",
        "cost_type": "1",
    }
    record = commitment("104-SC-001", line(1, "1000.10"), line(2, "595.30", **unit), line(3, "-0.10", description=None))
    (outcome,) = post(erp, record)
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "104-SC-001", None)
    stored = outcome.record
    assert isinstance(stored, Commitment)
    assert stored.marker == "procore:8089:commitments:5000000001"
    for name in ("number", "kind", "project", "vendor", "title", "currency", "retainage_percent", "contract_date", "amount"):
        assert getattr(stored, name) == getattr(record, name), name
    assert [
        replaced.model_copy(update={"id": original.id}) for replaced, original in zip(stored.lines, record.lines, strict=True)
    ] == list(record.lines)
    assert (stored.status, stored.company) == ("open", "01")
    assert rows(ledger, "SELECT amount_cents, retainage_e4 FROM commitments") == [(159530, 71250)]
    assert rows(ledger, "SELECT quantity_e4, unit_cost_e4, sub_job FROM commitment_lines WHERE line_no = 2") == [
        (3335000, 17850, "")
    ]
    (page,) = erp.read("commitments")
    assert page.records == [stored]


def test_a_second_post_of_a_marker_writes_nothing(erp: MappedSystem, ledger: sa.Engine) -> None:
    record = commitment("104-SC-001")
    assert erp.find(step(erp), [item(record)])[0].status == "absent"
    (first,) = post(erp, record)
    before = rows(ledger, "SELECT COUNT(*) FROM audit_log")
    (again,) = post(erp, record)
    (renumbered,) = post(erp, record.model_copy(update={"number": "104-SC-002"}))
    assert (again.status, again.record) == ("confirmed", first.record)
    assert (renumbered.status, renumbered.id) == ("confirmed", "104-SC-001"), "the same Procore contract is one document"
    (found,) = erp.find(step(erp), [item(record)])
    assert (found.status, found.id, found.record) == ("confirmed", "104-SC-001", first.record)
    assert rows(ledger, "SELECT COUNT(*) FROM audit_log") == before


def test_the_same_marker_twice_in_a_call_is_one_document(erp: MappedSystem, ledger: sa.Engine) -> None:
    record = commitment("104-SC-001")
    twin = replace(item(record.model_copy(update={"number": "104-SC-002"})), intent="twin")
    outcomes = erp.post(step(erp), [item(record), twin])
    assert [(o.status, o.id) for o in outcomes] == [("confirmed", "104-SC-001")] * 2
    assert rows(ledger, "SELECT COUNT(*) FROM commitments") == [(1,)]


@pytest.mark.parametrize(
    ("code", "record"),
    [
        ("VENDOR_HOLD", commitment("104-SC-002", vendor="V-1043")),
        ("VENDOR_UNKNOWN", commitment("104-SC-002", vendor="V-9999")),
        ("CODE_HEADER", commitment("104-SC-002", line(1, "1.00"), line(2, "2.00", cost_code="25-104//03"))),
        ("CODE_INACTIVE", commitment("104-SC-002", line(1, "1.00", cost_code="25-104//03-9000"))),
        ("TYPE_UNASSIGNED", commitment("104-SC-002", line(1, "1.00", cost_type="2"))),
        ("TOTAL", commitment("104-SC-002", line(1, "1.00"), amount=Decimal("2.00"))),
        ("CURRENCY", commitment("104-SC-002", currency="CAD")),
        ("DUPLICATE", commitment("104-SC-001", id="77")),
    ],
)
def test_three_good_ones_and_a_refused_one(erp: MappedSystem, ledger: sa.Engine, code: str, record: Commitment) -> None:
    outcomes = post(erp, commitment("104-SC-001"), record, commitment("104-SC-003"), commitment("104-SC-004"))
    assert [o.status for o in outcomes] == ["confirmed", "rejected", "confirmed", "confirmed"]
    message = outcomes[1].message or ""
    assert message.startswith(f"{code}: "), message
    assert "INSERT" not in message
    assert "SQL" not in message
    assert "\n" not in message
    assert rows(ledger, "SELECT number FROM commitments ORDER BY 1") == [("104-SC-001",), ("104-SC-003",), ("104-SC-004",)]
    assert rows(ledger, "SELECT COUNT(*) FROM commitment_lines") == [(6,)]


@pytest.mark.parametrize(
    ("field", "reason", "record"),
    [
        ("number", "has 13 characters, the ERP allows 12", commitment("104-SC-000001")),
        ("title", "has 31 characters, the ERP allows 30", commitment("104-SC-001", title="t" * 31)),
        ("amount", "9 digits before the point", commitment("104-SC-001", amount=Decimal("1000000000.00"))),
        (
            "lines[2].unit_cost",
            "is 1.00001",
            commitment("104-SC-001", line(1, "1.00"), line(2, "1.00", unit_cost=Decimal("1.00001"))),
        ),
        (
            "lines[1].cost_code",
            "is not of the form {job}/{sub_job}/{code}",
            commitment("104-SC-001", line(1, "1.00", cost_code="03-3000")),
        ),
        ("lines[1].cost_code", "more than one way", commitment("104-SC-001", line(1, "1.00", cost_code="a/b/c/d"))),
        ("title", "NUL", commitment("104-SC-001", title="a\x00b")),
    ],
)
def test_what_does_not_fit_is_refused_unrounded_and_never_sent(
    erp: MappedSystem, ledger: sa.Engine, field: str, reason: str, record: Commitment
) -> None:
    refused, good = post(erp, record, commitment("104-SC-009"))
    assert (refused.status, refused.field, good.status) == ("rejected", field, "confirmed")
    assert reason in (refused.message or "")
    assert (refused.message or "").startswith(record.number)


def test_hostile_texts_are_stored_as_texts(erp: MappedSystem, ledger: sa.Engine) -> None:
    record = commitment("104-SC-001", line(1, "1.00", description=HOSTILE), title=":marker %s %(x)s $1")
    (outcome,) = post(erp, record)
    assert isinstance(outcome.record, Commitment)
    assert (outcome.record.title, outcome.record.lines[0].description) == (":marker %s %(x)s $1", HOSTILE)
    hostile = item(commitment("104-SC-003", vendor=HOSTILE, id=HOSTILE), company=HOSTILE)
    assert erp.post(step(erp), [hostile])[0].status == "rejected"
    assert erp.find(step(erp), [hostile])[0].status == "absent"
    assert rows(ledger, "SELECT COUNT(*) FROM vendors") == [(4,)]


def update(erp: MappedSystem, record: Commitment, *changes: str, erp_key: str | None = "104-SC-001") -> tuple[str, Outcome]:
    """What find says before, and what post says."""
    one = item(record, changes=changes, erp_key=erp_key)
    return erp.find(step(erp, "update"), [one])[0].status, erp.post(step(erp, "update"), [one])[0]


def test_an_update_writes_what_changed_and_is_found_again(erp: MappedSystem, ledger: sa.Engine) -> None:
    record = commitment("104-SC-001")
    post(erp, record)
    changed = record.model_copy(update={"title": "New title", "contract_date": date(2026, 1, 1)})
    before, outcome = update(erp, changed, "title")
    assert (before, outcome.status) == ("absent", "confirmed")
    assert isinstance(outcome.record, Commitment)
    assert (outcome.record.title, outcome.record.contract_date) == ("New title", date(2026, 8, 3))
    assert rows(ledger, "SELECT row_version FROM commitments") == [(3,)]
    assert erp.find(step(erp, "update"), [item(changed, changes=("title",), erp_key="104-SC-001")])[0].status == "confirmed"
    before, outcome = update(erp, changed, "contract_date", "status")
    assert before == "absent", "the date is still the old one"
    assert rows(ledger, "SELECT contract_date, status, row_version FROM commitments") == [("2026-01-01", "open", 4)]


@pytest.mark.parametrize(
    ("changes", "values", "key", "message"),
    [
        (("amount",), {"amount": Decimal("1.00")}, "104-SC-001", "amount cannot be changed in the ERP"),
        (("title", "lines"), {}, "104-SC-001", "lines cannot be changed in the ERP"),
        (("title",), {"title": "t" * 31}, "104-SC-001", "has 31 characters"),
        (("title",), {"title": "x"}, "104-SC-777", "no such record"),
        (("title",), {"title": "x"}, None, "no ERP key"),
        (("status",), {"status": "Terminated"}, "104-SC-001", "status is 'Terminated', the mapping can write"),
    ],
)
def test_updates_that_are_refused(
    erp: MappedSystem, ledger: sa.Engine, changes: tuple[str, ...], values: dict[str, Any], key: str | None, message: str
) -> None:
    record = commitment("104-SC-001")
    post(erp, record)
    before = rows(ledger, "SELECT * FROM commitments")
    found, outcome = update(erp, record.model_copy(update=values), *changes, erp_key=key)
    assert (outcome.status, found if key != "104-SC-001" or values else "absent") == ("rejected", "absent")
    assert message in (outcome.message or "")
    assert rows(ledger, "SELECT * FROM commitments") == before


def test_a_document_of_another_company_is_not_touched(erp: MappedSystem) -> None:
    post(erp, commitment("104-SC-001"))
    other = item(commitment("104-SC-001", title="Stolen"), changes=("title",), erp_key="104-SC-001", company="02")
    assert erp.find(step(erp, "update"), [other])[0].status == "absent"
    assert erp.post(step(erp, "update"), [other])[0].status == "rejected"
    alike = item(commitment("104-SC-001"), changes=("title",), erp_key="104-SC-001", company="02")
    assert erp.find(step(erp, "update"), [alike])[0].status == "absent", "equal, but the other company's"
    (page,) = erp.read("commitments")
    assert [r.title for r in page.records if isinstance(r, Commitment)] == ["Concrete 104-SC-001"]


def test_void_is_written_once(erp: MappedSystem) -> None:
    record = commitment("104-SC-001")
    post(erp, record)
    one = item(record, erp_key="104-SC-001")
    assert erp.find(step(erp, "void"), [one])[0].status == "absent"
    (outcome,) = erp.post(step(erp, "void"), [one])
    assert outcome.status == "confirmed"
    assert isinstance(outcome.record, Commitment)
    assert outcome.record.status == "void"
    assert erp.find(step(erp, "void"), [one])[0].status == "confirmed"


def test_batches_larger_than_a_query_of_markers(erp: MappedSystem, ledger: sa.Engine) -> None:
    erp.id_batch = 7
    records = [commitment(f"104-SC-{n:03}") for n in range(1, 31)]
    assert [o.id for o in post(erp, *records)] == [r.number for r in records]
    assert [o.status for o in erp.find(step(erp), [item(r) for r in records])] == ["confirmed"] * 30


# -- trouble of the database, not of a record


def test_a_lock_means_later_and_nothing_applied(erp: MappedSystem, ledger: sa.Engine) -> None:
    post(erp, commitment("104-SC-001"))
    with ledger.connect() as other:
        if ledger.dialect.name == "sqlite":
            other.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            other.exec_driver_sql("LOCK TABLE commitments IN EXCLUSIVE MODE")
        with pytest.raises(RetryLater, match="busy or cannot be reached"):
            post(erp, commitment("104-SC-002"))
        other.rollback()
    assert post(erp, commitment("104-SC-002"))[0].status == "confirmed"


def test_nobody_else_writes_between_the_look_up_and_the_write(
    erp: MappedSystem, ledger: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite a transaction that begins with a read could not go on to write once another one has written."""
    if ledger.dialect.name != "sqlite":
        pytest.skip("PostgreSQL locks rows, and the unique marker decides")
    stored, refused = Submission._stored, []

    def meanwhile(*arguments: Any) -> Any:
        found = stored(*arguments)
        with ledger.connect() as other:
            other.exec_driver_sql("PRAGMA busy_timeout = 0")
            try:
                other.exec_driver_sql("UPDATE units SET name = 'other'")
                other.commit()
            except OperationalError as error:
                refused.append(str(error.orig))
            other.exec_driver_sql("PRAGMA busy_timeout = 15000")
        return found

    monkeypatch.setattr(Submission, "_stored", meanwhile)
    assert post(erp, commitment("104-SC-001"))[0].status == "confirmed"
    assert refused == ["database is locked"] * 2


def test_a_failure_at_the_commit_is_unknown(erp: MappedSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    with monkeypatch.context() as patch:
        patch.setattr(sa.Connection, "commit", lost)
        with pytest.raises(OutcomeUnknown, match="did not confirm the commit"):
            post(erp, commitment("104-SC-001"))
    assert erp.find(step(erp), [item(commitment("104-SC-001"))])[0].status == "absent"


@pytest.mark.parametrize(("busy", "expected"), [("A2", OutcomeUnknown), ("A1", RetryLater)])
def test_later_is_not_said_once_a_record_of_the_call_is_committed(
    staged: MappedSystem, monkeypatch: pytest.MonkeyPatch, busy: str, expected: type[Exception]
) -> None:
    """The batch fails at its commit and goes again record by record; then the database is busy at one of them."""
    whole = Submission._transaction

    def transaction(submission: Submission, prepared: Any) -> dict[str, Receipt]:
        if len(prepared) == 1 and prepared[0][0].number == busy:
            raise RetryLater("busy")
        return whole(submission, prepared)

    monkeypatch.setattr(Submission, "_transaction", transaction)
    with pytest.raises(expected):
        post(staged, commitment("A1"), commitment("A2"), commitment("A3", project="nowhere"))


def test_an_unreachable_database_means_later(mapping: Mapping, tmp_path: Path) -> None:
    system = connected("postgresql+psycopg2://u:secret-word@127.0.0.1:1/erp", mapping, origin_system="procore:8089")
    with pytest.raises(RetryLater) as caught:
        system.check()
    assert "secret-word" not in str(caught.value)
    missing = connected(f"sqlite:///{tmp_path}/none.sqlite", mapping, origin_system="procore:8089")
    with pytest.raises(ConfigurationError, match="no SQLite database"):
        missing.check()
    assert not (tmp_path / "none.sqlite").exists()
    with pytest.raises(ConfigurationError, match="not an SQLAlchemy URL"):
        connected("nonsense", mapping, origin_system="procore:8089")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('could not translate host name "erp.intrnal" to address: Name or service not known', ConfigurationError),
        ('could not translate host name "erp" to address: nodename nor servname provided, or not known', ConfigurationError),
        ('could not translate host name "erp" to address: Temporary failure in name resolution', RetryLater),
        ('connection to server at "erp" (10.0.0.1), port 5432 failed: Connection refused', RetryLater),
        ('connection to server at "erp" (10.0.0.1), port 5432 failed: timeout expired', RetryLater),
        ('FATAL:  password authentication failed for user "sync"', ConfigurationError),
    ],
)
def test_a_mistyped_host_is_no_outage(mapping: Mapping, said: str, expected: type[Exception]) -> None:
    """What a person must correct is not tried again; what may pass is, and both name the side and the next step."""
    system = connected("postgresql+psycopg2://u:secret-word@erp.intrnal/erp", mapping, origin_system="procore:8089")
    error = database_of(system).translate(OperationalError("", {}, Exception(said)), "place")
    assert type(error) is expected
    assert "The ERP database postgresql+psycopg2://u:***@erp.intrnal/erp" in str(error) and "secret-word" not in str(error)
    assert ("tried again" if expected is RetryLater else "Check host, user, password and database") in str(error)


def test_rights_are_checked_and_named(erp: MappedSystem, ledger: sa.Engine, mapping: Mapping) -> None:
    if ledger.dialect.name != "postgresql":
        pytest.skip("SQLite has no users")
    with ledger.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS erp_reader")
        connection.exec_driver_sql("CREATE ROLE erp_reader LOGIN PASSWORD 'r'")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA public TO erp_reader")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO erp_reader")
        connection.exec_driver_sql("REVOKE SELECT ON customers FROM erp_reader")
    reader = connected(ledger.url.set(username="erp_reader", password="r"), mapping, origin_system="procore:8089")
    try:
        problems = reader.check().problems
        assert any("entities.customers.from" in p and "permission denied" in p and "grant" in p for p in problems), problems
        assert any("entities.commitments.write.create.1" in p and "permission denied" in p for p in problems), problems
        assert not any("vendors" in p for p in problems)
        with pytest.raises(NotPermitted):
            list(reader.read("customers"))
        with pytest.raises(NotPermitted):
            post(reader, commitment("104-SC-001"))
    finally:
        reader.close()
        with ledger.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY erp_reader")
            connection.exec_driver_sql("DROP ROLE erp_reader")


# -- an ERP that takes documents into a batch table, with a check at the end of the transaction

STAGED = """
system: staged
entities:
  commitments:
    from: |
      SELECT co, no, kind, job, vendor, amount, marker, 'posted' AS state FROM posted
      UNION ALL
      SELECT co, no, kind, job, vendor, amount, marker, 'batch' FROM batch_header
    key_columns: [co, no]
    id: "{co}/{no}"
    company: co
    number: no
    fields:
      kind: {column: kind, map: {S: subcontract, P: purchase_order}}
      project: job
      vendor: vendor
      status: {column: state, map: {posted: open, batch: open}}
      amount: {column: amount, type: decimal}
    lines:
      from: batch_line
      join: {co: co, no: no}
      order: [seq]
      fields:
        id: seq
        position: seq
        cost_code: code
        cost_type: type
        amount: {column: amount, type: decimal}
      parameters:
        cents: {field: amount, type: minor_units, scale: 2}
        source: {constant: PROCORE}
    find: {marker: marker}
    capabilities: {create: true}
    write:
      create:
        - >
          INSERT INTO batch_header (batch, seq, co, no, kind, job, vendor, amount, marker)
          SELECT 7, COALESCE(MAX(seq), 0) + 1, :company, :number, :kind, :project, :vendor, :amount, :marker FROM batch_header
        - each: lines
          sql: >
            INSERT INTO batch_line (co, no, seq, code, type, amount, cents, source, document)
            VALUES (:company, :number, :position, :cost_code, :cost_type, :amount, :cents, :source, :header__amount)
"""


@pytest.fixture
def staged(erp_url: str, tmp_path: Path) -> Iterator[MappedSystem]:
    system = connected(erp_url, load_mapping(write_mapping(tmp_path / "staged.yaml", STAGED)), origin_system="procore:1")
    columns = "co TEXT, no TEXT, kind TEXT, job TEXT, vendor TEXT, amount {money}, marker TEXT"
    money = "TEXT" if erp_url.startswith("sqlite") else "NUMERIC(12, 2)"
    with database_of(system).engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE known (job TEXT PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO known VALUES ('25-104')")
        connection.exec_driver_sql(f"CREATE TABLE posted ({columns.format(money=money)})")
        connection.exec_driver_sql(
            f"CREATE TABLE batch_header (batch INTEGER, seq INTEGER, {columns.format(money=money)},"
            " FOREIGN KEY (job) REFERENCES known (job) DEFERRABLE INITIALLY DEFERRED)"
        )
        connection.exec_driver_sql(
            f"CREATE TABLE batch_line (co TEXT, no TEXT, seq INTEGER, code TEXT NOT NULL, type TEXT, amount {money},"
            f" cents BIGINT, source TEXT, document {money})"
        )
    yield system
    system.close()


def test_documents_go_into_a_batch_table(staged: MappedSystem) -> None:
    assert staged.check().problems == ()
    outcomes = post(staged, commitment("A1"), commitment("A2"))
    assert [(o.status, o.id) for o in outcomes] == [("confirmed", "01/A1"), ("confirmed", "01/A2")]
    assert isinstance(outcomes[0].record, Commitment)
    assert (outcomes[0].record.amount, outcomes[0].record.status, len(outcomes[0].record.lines)) == (
        Decimal("1000.00"),
        "open",
        2,
    )
    engine = database_of(staged).engine
    assert rows(engine, "SELECT batch, seq, no FROM batch_header ORDER BY seq") == [(7, 1, "A1"), (7, 2, "A2")]
    found = rows(engine, "SELECT cents, source, CAST(document AS TEXT) FROM batch_line WHERE no = 'A1' ORDER BY seq")
    assert found == [(100010, "PROCORE", "1000.00"), (-10, "PROCORE", "1000.00")]
    assert post(staged, commitment("A1"))[0].status == "confirmed"
    assert rows(engine, "SELECT COUNT(*) FROM batch_header") == [(2,)]


def test_a_constraint_checked_at_the_commit_stops_its_record_only(staged: MappedSystem) -> None:
    outcomes = post(staged, commitment("A1"), commitment("A2", project="nowhere"), commitment("A3"))
    assert [o.status for o in outcomes] == ["confirmed", "rejected", "confirmed"]
    assert "foreign key" in (outcomes[1].message or "").lower()
    assert rows(database_of(staged).engine, "SELECT no FROM batch_header ORDER BY no") == [("A1",), ("A3",)]


def test_a_refusal_names_the_field_of_its_column(staged: MappedSystem) -> None:
    with database_of(staged).engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX one_number ON batch_header (co, no)")
    _, twin = staged.post(step(staged), [item(commitment("A1")), replace(item(commitment("A1", id="66")), intent="twin")])
    assert (twin.status, twin.field) == ("rejected", "number")
    missing = post(staged, commitment("A2", line(1, "1.00", cost_code=None)))[0]
    assert missing.status == "rejected"
    assert "code" in (missing.message or "")


def test_a_write_that_cannot_be_read_back_is_undone(staged: MappedSystem, tmp_path: Path) -> None:
    blind = STAGED.replace("UNION ALL", "UNION ALL SELECT * FROM (").replace(
        "FROM batch_header\n    key", "FROM batch_header) x WHERE 1 = 0\n    key"
    )
    system = connected(
        database_of(staged).engine, load_mapping(write_mapping(tmp_path / "blind.yaml", blind)), origin_system="procore:1"
    )
    with pytest.raises(
        ConfigurationError, match=r"blind\.yaml:5: entities\.commitments\.from: A1 was written but cannot be read back"
    ):
        post(system, commitment("A1"))
    assert rows(database_of(staged).engine, "SELECT COUNT(*) FROM batch_header") == [(0,)]


def test_wrong_sql_names_the_line_of_the_mapping(staged: MappedSystem, tmp_path: Path) -> None:
    wrong = write_mapping(tmp_path / "wrong.yaml", STAGED.replace("INTO batch_line (co, no", "INTO batch_line (co, number"))
    system = connected(database_of(staged).engine, load_mapping(wrong), origin_system="procore:1")
    place = r"wrong\.yaml:39: entities\.commitments\.write\.create\.2: the database refuses this SQL: .*number"
    (problem,) = system.check().problems
    assert re.search(place, problem)
    with pytest.raises(ConfigurationError, match=place):
        post(system, commitment("A1"))
    assert rows(database_of(staged).engine, "SELECT COUNT(*) FROM batch_header") == [(0,)]


def test_a_trigger_that_rolls_everything_back_costs_its_record_only(staged: MappedSystem) -> None:
    if database_of(staged).dialect != "sqlite":
        pytest.skip("RAISE(ROLLBACK) is SQLite's")
    with database_of(staged).engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER t BEFORE INSERT ON batch_header WHEN NEW.no = 'A2'"
            " BEGIN SELECT RAISE(ROLLBACK, 'NO_A2: not this one'); END"
        )
    outcomes = post(staged, commitment("A1"), commitment("A2"), commitment("A3"))
    assert [o.status for o in outcomes] == ["confirmed", "rejected", "confirmed"]
    assert "NO_A2: not this one" in (outcomes[1].message or "")
    assert rows(database_of(staged).engine, "SELECT no FROM batch_header ORDER BY no") == [("A1",), ("A3",)]
