"""Every document that Procore sends, through the shipped mapping into the sandbox's ledger, and what is read of the ERP's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.mapping.loading import Mapping
from include.erp.registry import connected
from include.erp.sql.transport import SqlTransport
from include.erp.system import MappedSystem
from include.financials.billing import InvoiceLine
from include.financials.entities import ENTITIES
from include.financials.entities.budgets import AdjustmentLine, Budget, BudgetChange, BudgetLine
from include.financials.entities.changes import ChangeLine, CommitmentChangeOrder, PrimeChangeOrder
from include.financials.entities.commitments import Commitment
from include.financials.entities.costs import DirectCost
from include.financials.entities.directory import VendorInsurance
from include.financials.entities.invoices import OwnerInvoice, Period, SubcontractorInvoice
from include.financials.entities.jobs import SubJob, TaxCode
from include.financials.entities.payments import PaymentIssued, PaymentReceived
from include.financials.entities.primes import PrimeContract
from include.financials.exceptions import ConfigurationError
from include.financials.port import Item, Outcome, Step, Window
from include.financials.record import Line, Record
from sandbox.erp import schema
from tests.unit.erp.conftest import T1, T2, T3, load

MONTHS = (("2026-06", "closed"), ("2026-07", "open"), ("2026-08", "open"), ("2026-09", "open"), ("2026-10", "future"))
LAST = {"2026-06": 30, "2026-07": 31, "2026-08": 31, "2026-09": 30, "2026-10": 31}
ROWS: dict[str, list[dict[str, Any]]] = {
    "tax_codes": [
        {"cost_group": "G1", "tax_code": "TX", "description": "Sales tax", "rate_e4": 72500, "updated_at": T1},
        {"cost_group": "G1", "tax_code": "OLD", "description": "Repealed", "rate_e4": 0, "active": 0, "updated_at": T2},
    ],
    "vendor_insurances": [
        {
            "vendor_group": "G1",
            "vendor": "V-1042",
            "policy": "GL/77-1",
            "insurance_type": "General liability",
            "provider": "Harbor Mutual",
            "limit_text": "1,000,000",
            "effective_date": "2026-01-01",
            "expiration_date": "2026-12-31",
            "updated_at": T2,
        }
    ],
    "periods": [
        {
            "company": company,
            "module": module,
            "period": month,
            "first_day": f"{month}-01",
            "last_day": f"{month}-{LAST[month]}",
            "status": status,
            "updated_at": T1,
        }
        for company in ("01", "02")
        for module in ("AP", "AR", "JC", "GL")
        for month, status in MONTHS
    ],
}
PRIME = (
    "INSERT INTO prime_contracts (company, number, job, customer, title, status, currency, retainage_e4, contract_date,"
    " amount_cents)"
    " VALUES ('01', '104-PC-001', '25-104', 'C-2001', 'Medical office', 'entering', 'USD', 100000, '2026-06-01', 500000)",
    "INSERT INTO prime_contract_lines (company, number, line_no, job, code, cost_type, description, amount_cents)"
    " VALUES ('01', '104-PC-001', 1, '25-104', '03-3000', '3', 'Concrete', 400000),"
    " ('01', '104-PC-001', 2, '25-104', '03-3000', '1', NULL, 100000)",
    "UPDATE prime_contracts SET status = 'open' WHERE number = '104-PC-001'",
)


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(engine: sa.Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


@pytest.fixture
def books(ledger: sa.Engine) -> sa.Engine:
    """The ledger with a calendar, tax codes, a policy and a prime contract."""
    load(ledger, ROWS)
    run(ledger, *PRIME)
    return ledger


# -- one good record of each kind, by number


def key(record: dict[str, Any], *, position: int = 1, code: str = "25-104//03-3000", kind: str = "3") -> dict[str, Any]:
    return {"id": f"9{position}", "position": position, "cost_code": code, "cost_type": kind} | record


def commitment(n: int) -> Commitment:
    first = Line(**key({"amount": Decimal("900.00"), "tax_code": "TX"}))
    second = Line(**key({"amount": Decimal("100.00")}, position=2))
    return Commitment(
        id=f"5{n}",
        number=f"104-SC-{n:03}",
        kind="subcontract",
        project="25-104",
        vendor="V-1042",
        title=f"Concrete {n}",
        status="Approved",
        currency="USD",
        retainage_percent=Decimal("10"),
        contract_date=date(2026, 7, 1),
        amount=Decimal("1000.00"),
        lines=(first, second),
    )


def budget(n: int) -> Budget:
    job = f"25-10{3 + n}"
    lines = (
        BudgetLine(**key({"amount": Decimal("7000.10")}, code=f"{job}//03-3000")),
        BudgetLine(**key({"amount": Decimal("2999.90")}, code=f"{job}//03-3000", kind="1", position=2)),
    )
    return Budget(id=f"6{n}", number=job, project=job, owner="procore", locked=True, amount=Decimal("10000.00"), lines=lines)


def budget_change(n: int) -> BudgetChange:
    lines = (
        AdjustmentLine(**key({"amount": Decimal("-250.50"), "adjustment": 1, "description": "from"})),
        AdjustmentLine(**key({"amount": Decimal("250.50"), "adjustment": 1}, kind="1", position=2)),
    )
    return BudgetChange(
        id=f"7{n}",
        number=f"25-104/{n}",
        project="25-104",
        title=f"Transfer {n}",
        status="approved",
        change_date=date(2026, 7, 9),
        amount=Decimal("0.00"),
        lines=lines,
    )


def change_order(n: int) -> CommitmentChangeOrder:
    unit = {"extended_type": "calculated", "quantity": Decimal("333.5"), "unit_cost": Decimal("1.785"), "unit": "CY"}
    lines = (
        ChangeLine(**key({"amount": Decimal("595.30"), "description": "added", "tax_code": "TX"} | unit)),
        ChangeLine(**key({"amount": Decimal("-50.00"), "line": 2}, position=2)),
    )
    return CommitmentChangeOrder(
        id=f"8{n}",
        number=f"104-SC-001/{n:03}",
        change_number=f"{n:03}",
        commitment="104-SC-001",
        project="25-104",
        title=f"Change {n}",
        status="approved",
        currency="USD",
        change_date=date(2026, 7, 20),
        amount=Decimal("545.30"),
        lines=lines,
    )


def figures(amount: str, held: str, released: str = "0.00", tax: str = "0.00") -> dict[str, Any]:
    return {
        name: Decimal(text)
        for name, text in zip(("amount", "held", "released", "tax"), (amount, held, released, tax), strict=True)
    }


def invoice(n: int) -> SubcontractorInvoice:
    lines = (
        InvoiceLine(**key(figures("100.00", "10.00", tax="7.25") | {"line": 1})),
        InvoiceLine(**key(figures("30.00", "3.00") | {"line": 1, "change_order": "001"}, position=2)),
    )
    return SubcontractorInvoice(
        id=f"9{n}",
        number=f"4417-{n:02}",
        commitment="104-SC-001",
        vendor="V-1042",
        project="25-104",
        sequence=n,
        status="approved",
        currency="USD",
        billing_date=date(2026, 7, 25),
        pay_hold=n == 2,
        **figures("130.00", "13.00", tax="7.25"),
        lines=lines,
    )


def prime_change(n: int) -> PrimeChangeOrder:
    lines = (
        ChangeLine(**key({"amount": Decimal("500.00"), "line": 1})),
        ChangeLine(**key({"amount": Decimal("100.00"), "description": "new"}, kind="1", position=2)),
    )
    return PrimeChangeOrder(
        id=f"3{n}",
        number=f"104-PC-001/{n:03}",
        change_number=f"{n:03}",
        prime_contract="104-PC-001",
        project="25-104",
        title=f"Owner's wish {n}",
        status="approved",
        currency="USD",
        change_date=date(2026, 8, 2),
        amount=Decimal("660.00"),
        markup=Decimal("60.00"),
        lines=lines,
    )


def owner_invoice(n: int) -> OwnerInvoice:
    lines = (
        InvoiceLine(**key(figures("200.00", "20.00") | {"line": 1})),
        InvoiceLine(**key(figures("50.00", "5.00") | {"line": 1, "change_order": "001"}, position=2)),
    )
    return OwnerInvoice(
        id=f"2{n}",
        number=f"104-OI-{n:02}",
        prime_contract="104-PC-001",
        project="25-104",
        sequence=n,
        status="approved",
        currency="USD",
        billing_date=date(2026, 7, 31),
        posting_date=date(2026, 8, 1),
        **figures("250.00", "25.00"),
        lines=lines,
    )


@dataclass(frozen=True)
class Kind:
    """``after``: what must be in the ERP before; ``refused``: changes that its rules refuse, and with which code; ``unfit``:
    changes that are refused before they are sent, and the field that is named."""

    make: Callable[[int], Any]
    after: tuple[Record, ...]
    refused: dict[str, Any]
    code: str
    unfit: dict[str, Any]
    field: str
    status: str

    @property
    def entity(self) -> str:
        return str(self.make(1).entity)


WRONG = {"amount": Decimal("1.00")}
LATE = {"billing_date": date(2026, 6, 30), "posting_date": None}
KINDS = (
    Kind(commitment, (), {"vendor": "V-1043"}, "VENDOR_HOLD", {"title": "t" * 31}, "title", "open"),
    Kind(budget, (), WRONG, "TOTAL", {"amount": Decimal("1000000000.00")}, "amount", ""),
    Kind(budget_change, (budget(1),), WRONG, "TOTAL", {"number": "25-104/123456"}, "number__number", "posted"),
    Kind(change_order, (commitment(1),), WRONG, "TOTAL", {"change_number": "123456"}, "change_number", "posted"),
    Kind(invoice, (commitment(1), change_order(1)), LATE, "PERIOD_CLOSED", {"number": "4" * 16}, "number", "unposted"),
    Kind(prime_change, (), WRONG, "TOTAL", {"markup": Decimal("1000000000.00")}, "markup", "posted"),
    Kind(owner_invoice, (prime_change(1),), LATE, "PERIOD_CLOSED", {"number": "1" * 16}, "number", "unposted"),
)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.entity)
VOIDABLE = tuple(kind for kind in KINDS if kind.entity not in ("budgets", "budget_changes"))


def item(record: Record, *, erp_key: str | None = None) -> Item:
    return Item(
        intent=f"{record.entity}-{record.id}",
        record=record,
        company="01",
        number=record.number,
        origin_id=f"sandbox:01:{record.entity}:{record.number}",
        procore_id=record.id,
        erp_key=erp_key,
    )


def step(erp: MappedSystem, entity: str, action: Any = "create") -> Step:
    (only,) = erp.steps(entity, action)
    return only


def post(erp: MappedSystem, *records: Record) -> list[Outcome]:
    return erp.post(step(erp, records[0].entity), [item(record) for record in records])


def enter(erp: MappedSystem, *records: Record) -> list[Any]:
    """Documents that must pass, as they read afterwards."""
    stored: list[Any] = []
    for record in records:
        (outcome,) = post(erp, record)
        assert outcome.status == "confirmed", outcome.message
        assert outcome.record is not None, outcome.message
        stored.append(outcome.record)
    return stored


def read(erp: MappedSystem, entity: str, window: Window | None = None) -> list[Any]:
    found: list[Record] = []
    for page in erp.read(entity, window=window, also=lambda header: True):
        assert page.invalid == []
        found += page.records
    return found


# -- documents


@every_kind
def test_a_document_reads_as_it_was_written(erp: MappedSystem, books: sa.Engine, kind: Kind) -> None:
    enter(erp, *kind.after)
    record = kind.make(1)
    (stored,) = enter(erp, record)
    for name in ENTITIES[kind.entity].content:
        if name != "lines":
            assert getattr(stored, name) == getattr(record, name), name
    assert len(stored.lines) == len(record.lines) == 2
    for after, before in zip(stored.lines, record.lines, strict=True):
        assert [(n, getattr(after, n)) for n in before.content] == [(n, getattr(before, n)) for n in before.content]
        assert after.key == before.key
    assert stored.marker == f"procore:8089:{kind.entity}:{record.id}"
    assert (stored.company, stored.project, stored.currency) == ("01", record.project, "USD")
    assert getattr(stored, "status", "") == kind.status
    assert stored.updated_at is not None
    assert [r for r in read(erp, kind.entity) if r.id == stored.id] == [stored]
    assert stored.id in list(erp.keys(kind.entity, scopes=[record.project]))
    (page,) = erp.read_ids(kind.entity, [(record.project, stored.id)])
    assert page.records == [stored]


@every_kind
def test_a_marker_is_written_once(erp: MappedSystem, books: sa.Engine, kind: Kind) -> None:
    enter(erp, *kind.after)
    record = kind.make(1)
    create = step(erp, kind.entity)
    assert erp.find(create, [item(record)])[0].status == "absent"
    twin = replace(item(kind.make(2).model_copy(update={"id": record.id})), intent="twin")
    first, second = erp.post(create, [item(record), twin])
    assert (first.status, second.status, second.id) == ("confirmed", "confirmed", first.id)
    audited = rows(books, "SELECT COUNT(*) FROM audit_log")
    assert erp.post(create, [twin])[0].record == first.record, "the same Procore record is one document"
    (found,) = erp.find(create, [item(record)])
    assert (found.status, found.id, found.record) == ("confirmed", first.id, first.record)
    assert rows(books, "SELECT COUNT(*) FROM audit_log") == audited


@every_kind
def test_a_refusal_names_its_record_and_stops_no_other(erp: MappedSystem, books: sa.Engine, kind: Kind) -> None:
    enter(erp, *kind.after)
    good, bad = kind.make(1), kind.make(2).model_copy(update=kind.refused)
    first, refused = post(erp, good, bad)
    assert (first.status, refused.status) == ("confirmed", "rejected")
    message = refused.message or ""
    assert message.startswith(f"{kind.code}: "), message
    assert bad.number in message, message
    assert "INSERT" not in message
    assert "UPDATE" not in message
    assert [r.number for r in read(erp, kind.entity)] == [good.number]


@every_kind
def test_what_does_not_fit_is_not_sent(erp: MappedSystem, books: sa.Engine, kind: Kind) -> None:
    enter(erp, *kind.after)
    record = kind.make(1).model_copy(update=kind.unfit)
    (refused,) = post(erp, record)
    assert (refused.status, refused.field) == ("rejected", kind.field)
    assert (refused.message or "").startswith(f"{record.number}: {kind.field} ")


@pytest.mark.parametrize("kind", VOIDABLE, ids=lambda kind: kind.entity)
def test_a_document_is_voided_once(erp: MappedSystem, books: sa.Engine, kind: Kind) -> None:
    enter(erp, *kind.after)
    record = kind.make(1)
    stored, untouched = enter(erp, record, kind.make(2))
    void, one = step(erp, kind.entity, "void"), item(record, erp_key=stored.id)
    other = replace(one, company="02", intent="other")
    assert [o.status for o in erp.find(void, [one, other])] == ["absent", "absent"]
    (outcome,) = erp.post(void, [one])
    assert outcome.status == "confirmed", outcome.message
    assert outcome.record is not None
    assert (outcome.id, getattr(outcome.record, "status", None)) == (stored.id, "void")
    assert erp.find(void, [one])[0].status == "confirmed"
    assert erp.post(void, [other])[0].status == "rejected", "of another company"
    (page,) = erp.read_ids(kind.entity, [(None, untouched.id)])
    assert page.records == [untouched]


def test_what_the_erp_bears_takes_no_writes(erp: MappedSystem) -> None:
    born = [name for name, row in ENTITIES.items() if row.direction == "erp_to_procore" and not row.two_way]
    for entity in (*born, "periods"):
        for action in ("create", "update", "void", "link"):
            assert erp.steps(entity, action) == (), (entity, action)
    for kind in KINDS:
        assert [bool(erp.steps(kind.entity, a)) for a in ("create", "void")] == [True, kind in VOIDABLE]


# -- what is particular to one kind


def test_the_marker_says_who_owns_a_budget(erp: MappedSystem, books: sa.Engine) -> None:
    run(
        books,
        "INSERT INTO budgets (company, job, status, amount_cents) VALUES ('01', '25-105', 'entering', 100)",
        "INSERT INTO budget_lines (company, job, line_no, sub_job, code, cost_type, amount_cents)"
        " VALUES ('01', '25-105', 1, 'B', '03-3000', '3', 60), ('01', '25-105', 2, '', '03-3000', '3', 40)",
        "UPDATE budgets SET status = 'open'",
    )
    enter(erp, budget(1))
    procores, own = read(erp, "budgets")
    assert (procores.id, procores.owner, procores.locked) == ("25-104", "procore", None)
    assert (own.id, own.owner, own.marker, own.amount) == ("25-105", "erp", None, Decimal("1.00"))
    assert [(line.key, line.sub_job, line.amount) for line in own.lines] == [
        ("25-105/B/03-3000 / 3", "B", Decimal("0.60")),
        ("25-105//03-3000 / 3", None, Decimal("0.40")),
    ]
    assert [line.id for line in own.lines] == ["25-105/B/03-3000/3", "25-105//03-3000/3"]


def test_a_budget_moves_with_its_lines(erp: MappedSystem, books: sa.Engine) -> None:
    with books.begin() as connection, schema.bulk(connection):
        for statement in (
            "INSERT INTO budgets (company, job, status, amount_cents, updated_at)"
            f" VALUES ('01', '25-104', 'entering', 100, '{T1}')",
            "INSERT INTO budget_lines (company, job, line_no, code, cost_type, amount_cents, updated_at)"
            f" VALUES ('01', '25-104', 1, '03-3000', '3', 60, '{T1}'), ('01', '25-104', 2, '03-3000', '1', 40, '{T3}')",
            "UPDATE budgets SET status = 'open'",
        ):
            connection.exec_driver_sql(statement)
    assert rows(books, "SELECT updated_at FROM budgets") == [(T1,)]
    moved = datetime.fromisoformat(T3).astimezone(UTC)
    assert [r.updated_at for r in read(erp, "budgets", Window(since=moved))] == [moved]
    assert read(erp, "budgets", Window(until=datetime.fromisoformat(T2))) == []


@pytest.mark.parametrize("posting", [None, date(2026, 8, 1)])
def test_an_invoice_posts_on_its_own_date_unless_another_is_given(
    erp: MappedSystem, books: sa.Engine, posting: date | None
) -> None:
    enter(erp, commitment(1), change_order(1))
    (stored,) = enter(erp, invoice(1).model_copy(update={"posting_date": posting}))
    assert isinstance(stored, SubcontractorInvoice)
    assert (stored.billing_date, stored.posting_date) == (date(2026, 7, 25), posting or date(2026, 7, 25))


def test_an_invoice_carries_the_pay_hold_and_no_figures_to_date(erp: MappedSystem, books: sa.Engine) -> None:
    enter(erp, commitment(1), change_order(1))
    first, second = enter(erp, invoice(1), invoice(2))
    assert isinstance(first, SubcontractorInvoice)
    assert isinstance(second, SubcontractorInvoice)
    assert (first.pay_hold, second.pay_hold, second.sequence, second.id) == (False, True, 2, "V-1042/4417-02")
    assert (first.completed, first.retainage, first.certified, first.contract_sum, first.items) == (None, None, None, None, ())
    assert [(line.change_order, line.line) for line in first.lines] == [(None, 1), ("001", 1)]
    assert rows(books, "SELECT change_order FROM ap_invoice_lines WHERE invoice = '4417-01' ORDER BY line_no") == [
        ("",),
        ("001",),
    ]


@pytest.mark.parametrize(
    ("entity", "setting"), [("subcontractor_invoices", "ap_invoices"), ("owner_invoices", "ar_invoices")], ids=["AP", "AR"]
)
def test_a_setting_posts_invoices_at_once(
    erp: MappedSystem, books: sa.Engine, mapping: Mapping, entity: str, setting: str
) -> None:
    kind = next(kind for kind in KINDS if kind.entity == entity)
    enter(erp, *kind.after)
    posting = connected(books.url, mapping, origin_system="procore:8089", settings={setting: "posted"})
    (stored,) = enter(posting, kind.make(1))
    posting.close()
    assert getattr(stored, "status", None) == "posted"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"ap_invoice": "posted"},
            r"sandbox_erp\.yaml:\d+: settings: offers no setting 'ap_invoice'; did you mean 'ap_invoices'",
        ),
        ({"ap_invoices": "post"}, r"sandbox_erp\.yaml:\d+: settings\.ap_invoices: 'post' is not allowed; did you mean 'posted'"),
    ],
)
def test_a_setting_that_is_not_offered(mapping: Mapping, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        connected("sqlite://", mapping, origin_system="procore:8089", settings=settings)


@pytest.mark.parametrize("kind", VOIDABLE[1:], ids=lambda kind: kind.entity)
def test_a_document_without_currency_has_its_contracts(erp: MappedSystem, books: sa.Engine, kind: Kind) -> None:
    enter(erp, *kind.after)
    (stored,) = enter(erp, kind.make(1).model_copy(update={"currency": None}))
    assert stored.currency == "USD"


def test_the_customer_of_an_owner_invoice_is_the_contracts(erp: MappedSystem, books: sa.Engine) -> None:
    enter(erp, prime_change(1))
    assert owner_invoice(1).customer is None
    (stored,) = enter(erp, owner_invoice(1))
    assert isinstance(stored, OwnerInvoice)
    assert (stored.customer, stored.posting_date) == ("C-2001", date(2026, 8, 1))


def test_a_commitment_shows_its_posted_changes(erp: MappedSystem, books: sa.Engine) -> None:
    enter(erp, commitment(1), change_order(1))
    (stored,) = read(erp, "commitments")
    assert isinstance(stored, Commitment)
    assert (stored.amount, stored.approved_changes, stored.payments) == (Decimal("1000.00"), Decimal("545.30"), Decimal("0.00"))
    assert [line.tax_code for line in stored.lines] == ["TX", None]


def test_a_tax_code_that_the_erp_lacks_is_refused(erp: MappedSystem, books: sa.Engine) -> None:
    record = commitment(1)
    lines = tuple(line.model_copy(update={"tax_code": "NONE"}) for line in record.lines)
    (outcome,) = post(erp, record.model_copy(update={"lines": lines}))
    assert outcome.status == "rejected"
    assert (outcome.message or "").startswith("TAX")


# -- what is born in the ERP


def test_master_data_of_the_erp(erp: MappedSystem, books: sa.Engine) -> None:
    (policy,) = read(erp, "vendor_insurances")
    assert isinstance(policy, VendorInsurance)
    assert (policy.id, policy.company, policy.number, policy.vendor) == ("V-1042/GL/77-1", "G1", "GL/77-1", "V-1042")
    assert (policy.provider, policy.limit, policy.effective_date, policy.expiration_date) == (
        *("Harbor Mutual", "1,000,000"),
        *(date(2026, 1, 1), date(2026, 12, 31)),
    )
    (page,) = erp.read_ids("vendor_insurances", [(None, "V-1042/GL/77-1")])
    assert page.records == [policy], "a policy with a slash is found by its key"
    (sub_job,) = read(erp, "sub_jobs")
    assert isinstance(sub_job, SubJob)
    assert (sub_job.id, sub_job.number, sub_job.project, sub_job.name) == ("25-105/B", "B", "25-105", "Building")
    old, tax = read(erp, "tax_codes")
    assert isinstance(tax, TaxCode)
    assert (tax.id, tax.company, tax.description, tax.rate, tax.active) == ("TX", "G1", "Sales tax", Decimal("7.25"), True)
    assert (old.rate, old.active) == (Decimal("0"), False)


def test_the_calendar(erp: MappedSystem, books: sa.Engine) -> None:
    periods = {p.id: p for p in read(erp, "periods")}
    assert len(periods) == 40
    june = periods["01/AP/2026-06"]
    assert isinstance(june, Period)
    assert (june.company, june.number, june.module, june.first_day, june.last_day, june.status) == (
        *("01", "2026-06", "AP", date(2026, 6, 1), date(2026, 6, 30), "closed"),
    )
    since = datetime(2026, 9, 2, tzinfo=UTC)
    run(books, "UPDATE periods SET status = 'soft_closed' WHERE company = '02' AND module = 'AR' AND period = '2026-07'")
    assert [(p.id, p.status) for p in read(erp, "periods", Window(since=since))] == [("02/AR/2026-07", "soft_closed")]


def test_prime_contracts(erp: MappedSystem, books: sa.Engine) -> None:
    enter(erp, prime_change(1))
    (contract,) = read(erp, "prime_contracts")
    assert isinstance(contract, PrimeContract)
    assert (contract.id, contract.project, contract.customer, contract.status) == ("104-PC-001", "25-104", "C-2001", "open")
    assert (contract.amount, contract.approved_changes, contract.payments) == (
        *(Decimal("5000.00"), Decimal("660.00"), Decimal("0.00")),
    )
    assert (contract.retainage_percent, contract.contract_date) == (Decimal("10"), date(2026, 6, 1))
    assert [(line.position, line.description, line.cost_code, line.cost_type, line.amount) for line in contract.lines] == [
        (1, "Concrete", "25-104//03-3000", "3", Decimal("4000.00")),
        (2, None, "25-104//03-3000", "1", Decimal("1000.00")),
    ]


def cost(trans: str, source: str, cents: int, **more: Any) -> Iterator[str]:
    """Statements that enter and post a transaction with one line."""
    values = {"vendor_group": "NULL", "vendor": "NULL", "invoice": "NULL", "reverses": "NULL"} | more
    named = {name: value if value == "NULL" else f"'{value}'" for name, value in values.items()}
    yield (
        f"INSERT INTO job_costs (company, trans, job, source, description, trans_date, posting_date, amount_cents,"
        f" {', '.join(named)}) VALUES ('01', '{trans}', '25-104', '{source}', 'Cost {trans}', '2026-07-10', '2026-07-11',"
        f" {cents}, {', '.join(named.values())})"
    )
    yield (
        "INSERT INTO job_cost_lines (company, trans, line_no, job, code, cost_type, amount_cents, quantity_e4, unit)"
        f" VALUES ('01', '{trans}', 1, '25-104', '03-3000', '1', {cents}, 85000, 'CY')"
    )
    yield f"UPDATE job_costs SET status = 'posted' WHERE company = '01' AND trans = '{trans}'"


def test_direct_costs_are_all_transactions(erp: MappedSystem, books: sa.Engine, mapping: Mapping) -> None:
    vendor = {"vendor_group": "G1", "vendor": "V-1042", "invoice": "77"}
    run(books, *cost("JC-000001", "PR", 2_418_640), *cost("JC-000002", "AP", 741_218, **vendor))
    run(books, *cost("JC-000003", "JC", 100), *cost("JC-000004", "EQ", -100, reverses="JC-000003"))
    enter(erp, commitment(1), change_order(1))
    posting = connected(books.url, mapping, origin_system="procore:8089", settings={"ap_invoices": "posted"})
    enter(posting, invoice(1))
    posting.close()
    found = read(erp, "direct_costs")
    payroll, bill, journal, reversal = (c for c in found if c.commitment is None)
    covered = [c for c in found if c.commitment is not None]
    assert isinstance(payroll, DirectCost)
    assert [c.kind for c in (payroll, bill, journal, reversal)] == ["payroll", "invoice", "expense", "expense"]
    assert (payroll.id, payroll.number, payroll.project, payroll.status, payroll.currency) == (
        *("JC-000001", "JC-000001", "25-104", "posted", "USD"),
    )
    assert (payroll.cost_date, payroll.posting_date, payroll.amount, payroll.commitment) == (
        *(date(2026, 7, 10), date(2026, 7, 11), Decimal("24186.40"), None),
    )
    assert (bill.vendor, bill.invoice_number, reversal.reverses, reversal.amount) == (
        *("V-1042", "77", "JC-000003", Decimal("-1.00")),
    )
    (line,) = payroll.lines
    assert (line.id, line.position, line.cost_code, line.cost_type, line.amount, line.quantity, line.unit_cost) == (
        *("JC-000001/1", 1, "25-104//03-3000", "1", Decimal("24186.40"), Decimal("8.5"), None),
    )
    assert {(c.kind, c.commitment, c.vendor) for c in covered} == {("invoice", "104-SC-001", "V-1042")}
    assert sum(c.amount for c in covered) == Decimal("130.00"), "the AP cost of a commitment, gross"


PAY = (
    "INSERT INTO payments (company, payment, vendor_group, vendor, method, pay_date, amount_cents)"
    " VALUES ('01', '004512', 'G1', 'V-1042', 'check', '2026-08-28', 7000)",
    "INSERT INTO payment_lines (company, payment, line_no, vendor, invoice, commitment, amount_cents, discount_cents)"
    " VALUES ('01', '004512', 1, 'V-1042', '4417-01', '104-SC-001', 5000, 100),"
    " ('01', '004512', 2, 'V-1042', 'UNKNOWN-1', '104-SC-001', 1500, 0),"
    " ('01', '004512', 3, 'V-1042', 'RENT-7', NULL, 500, 0)",
    "UPDATE payments SET status = 'posted' WHERE payment = '004512'",
)


def test_payments_issued_are_one_for_each_invoice(erp: MappedSystem, books: sa.Engine, mapping: Mapping) -> None:
    enter(erp, commitment(1), change_order(1))
    posting = connected(books.url, mapping, origin_system="procore:8089", settings={"ap_invoices": "posted"})
    enter(posting, invoice(1))
    posting.close()
    run(books, *PAY)
    first, second = read(erp, "payments_issued")
    assert isinstance(first, PaymentIssued)
    assert (first.id, first.number, first.payment_number) == ("004512/V-1042/4417-01", "004512/4417-01", "004512")
    assert (first.commitment, first.project, first.currency, first.method) == ("104-SC-001", "25-104", "USD", "check")
    assert (first.invoice, first.invoice_number, first.pay_date) == ("V-1042/4417-01", "4417-01", date(2026, 8, 28))
    assert (first.amount, first.discount, first.status) == (Decimal("50.00"), Decimal("1.00"), "posted")
    assert (second.invoice, second.amount) == ("V-1042/UNKNOWN-1", Decimal("15.00")), "named, though AP does not have it"
    since = erp.now()
    assert read(erp, "payments_issued", Window(since=since)) == []
    run(books, "UPDATE payments SET status = 'void', voided_on = '2026-09-01' WHERE payment = '004512'")
    assert {(p.id, p.status) for p in read(erp, "payments_issued", Window(since=since))} == {
        (first.id, "void"),
        (second.id, "void"),
    }
    assert list(erp.keys("payments_issued")) == [first.id, second.id]


def test_payments_received_name_the_draw(erp: MappedSystem, books: sa.Engine, mapping: Mapping) -> None:
    enter(erp, prime_change(1))
    posting = connected(books.url, mapping, origin_system="procore:8089", settings={"ar_invoices": "posted"})
    enter(posting, owner_invoice(1))
    posting.close()
    run(
        books,
        "INSERT INTO receipts (company, receipt, customer, method, receipt_date, amount_cents)"
        " VALUES ('01', 'R-1', 'C-2001', 'electronic', '2026-08-31', 20000)",
        "INSERT INTO receipt_lines (company, receipt, line_no, invoice, amount_cents)"
        " VALUES ('01', 'R-1', 1, '104-OI-01', 20000)",
        "UPDATE receipts SET status = 'posted'",
    )
    (receipt,) = read(erp, "payments_received")
    assert isinstance(receipt, PaymentReceived)
    assert (receipt.id, receipt.number, receipt.payment_number) == ("R-1/104-OI-01", "R-1/104-OI-01", "R-1")
    assert (receipt.prime_contract, receipt.project, receipt.draw_number) == ("104-PC-001", "25-104", 1)
    assert (receipt.invoice, receipt.invoice_number, receipt.method) == ("104-OI-01", "104-OI-01", "electronic")
    assert (receipt.amount, receipt.pay_date, receipt.status) == (Decimal("200.00"), date(2026, 8, 31), "posted")
    (contract,) = read(erp, "prime_contracts")
    assert isinstance(contract, PrimeContract)
    assert contract.payments == Decimal("200.00")


PAGED = (
    *("direct_costs", "commitments", "commitment_change_orders", "subcontractor_invoices", "payments_issued"),
    *("prime_contracts", "prime_change_orders", "owner_invoices", "payments_received", "budget_changes"),
)


@pytest.mark.parametrize("entity", PAGED)
def test_a_page_is_found_by_its_key(erp: MappedSystem, books: sa.Engine, entity: str) -> None:
    """A million lines are read page by page: a page may neither scan the table nor sort it."""
    if books.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by statistics, and these tables are almost empty")
    assert isinstance(erp.transport, SqlTransport)
    selects = erp.transport.selects(entity)
    after = [3 if column == "line_no" else "K" for column in selects.spec.key_columns]
    statement = selects.select(after=after, limit=1000).compile(books, compile_kwargs={"literal_binds": True})
    plan = [str(row[-1]) for row in rows(books, f"EXPLAIN QUERY PLAN {statement}")]
    assert plan[0].startswith("SEARCH"), plan
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan
