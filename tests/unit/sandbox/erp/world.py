"""A small world for the ledger's tests, and raw SQL attempts on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

Row = dict[str, Any]


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def insert(table: str, **row: Any) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(literal, row.values()))})"


def update(table: str, where: Row, **row: Any) -> str:
    return f"UPDATE {table} SET {', '.join(f'{k} = {literal(v)}' for k, v in row.items())}" + _where(where)


def delete(table: str, **where: Any) -> str:
    return f"DELETE FROM {table}" + _where(where)


def _where(where: Row) -> str:
    return " WHERE " + " AND ".join(f"{k} = {literal(v)}" for k, v in where.items()) if where else ""


def header(**row: Any) -> Row:
    """A commitment's header that passes, still being entered; ``row`` changes it."""
    usual: Row = {"company": "01", "number": "J1-SC-9", "kind": "subcontract", "job": "J1", "vendor_group": "G1", "vendor": "V-1"}
    usual |= {"title": "Concrete", "status": "entering", "currency": "USD", "retainage_e4": 100_000, "amount_cents": 10_000}
    return usual | row


def line(**row: Any) -> Row:
    """A line of that header that passes."""
    usual: Row = {
        "company": "01",
        "number": "J1-SC-9",
        "line_no": 1,
        "job": "J1",
        "sub_job": "",
        "code": "03-3000",
        "cost_type": "3",
    }
    return usual | {"amount_cents": 10_000} | row


def document(head: Row | None = None, *lines: Row) -> list[str]:
    """A whole document as SQL: header, lines (one that passes, if none is given), open."""
    head = head or header()
    key = {"company": head["company"], "number": head["number"]}
    entered = [
        line(**({"job": head["job"], "line_no": n, "amount_cents": head["amount_cents"]} | row | key))
        for n, row in enumerate(lines or ({},), 1)
    ]
    return [
        insert("commitments", **head),
        *(insert("commitment_lines", **row) for row in entered),
        update("commitments", key, status="open"),
    ]


ROWS: dict[str, list[Row]] = {
    "companies": [
        {"company": "01", "name": "Buildings", "currency": "USD", "vendor_group": "G1", "cost_group": "G1"},
        {"company": "02", "name": "Civil", "currency": "USD", "vendor_group": "G1", "cost_group": "G1"},
        {"company": "03", "name": "North", "currency": "CAD", "vendor_group": "G2", "cost_group": "G2"},
        {"company": "04", "name": "Calendar only", "currency": "USD", "vendor_group": "G1", "cost_group": "G1"},
        {"company": "05", "name": "Customers only", "currency": "USD", "vendor_group": "G1", "cost_group": "G1"},
        {"company": "06", "name": "Free", "currency": "USD", "vendor_group": "G1", "cost_group": "G1"},
    ],
    "vendors": [
        {"vendor_group": "G1", "vendor": "V-1", "name": "Acme Concrete"},
        {"vendor_group": "G1", "vendor": "V-PAY", "name": "Paid Later", "hold": "payment", "hold_reason": "lien waiver missing"},
        {"vendor_group": "G1", "vendor": "V-ALL", "name": "Held", "hold": "all", "hold_reason": "dispute"},
        {"vendor_group": "G1", "vendor": "V-OFF", "name": "Gone", "active": 0},
        {"vendor_group": "G1", "vendor": "V-NEW", "name": "Survivor"},
        {"vendor_group": "G1", "vendor": "V-OLD", "name": "Merged", "merged_into": "V-NEW"},
        {"vendor_group": "G1", "vendor": "V-FREE", "name": "Unused"},
        {"vendor_group": "G2", "vendor": "V-9", "name": "Nordic Stål"},
    ],
    "employees": [{"company": "01", "employee": "E-1", "first_name": "Ada", "last_name": "Quill"}],
    "customers": [
        {"company": "01", "customer": "C-1", "name": "Clinic"},
        {"company": "01", "customer": "C-FREE", "name": "Nobody"},
        {"company": "05", "customer": "C-5", "name": "Only"},
    ],
    "jobs": [
        {"company": "01", "job": "J1", "name": "Clinic", "customer": "C-1", "start_date": "2026-01-05"},
        {"company": "01", "job": "J2", "name": "School", "status": "soft_closed"},
        {"company": "01", "job": "J3", "name": "Old", "status": "closed"},
        {"company": "01", "job": "J4", "name": "With a sub job only"},
        {"company": "01", "job": "J5", "name": "Free"},
        {"company": "02", "job": "J1", "name": "Bridge"},
        {"company": "03", "job": "J1", "name": "Dam"},
    ],
    "sub_jobs": [
        {"company": "01", "job": "J1", "sub_job": "A", "name": "Building"},
        {"company": "01", "job": "J1", "sub_job": "B", "name": "Free"},
        {"company": "01", "job": "J4", "sub_job": "A", "name": "Building"},
    ],
    "cost_types": [
        {"cost_group": "G1", "cost_type": "1", "name": "Labor", "category": "labor"},
        {"cost_group": "G1", "cost_type": "2", "name": "Material", "category": "material"},
        {"cost_group": "G1", "cost_type": "3", "name": "Subcontract", "category": "subcontract"},
        {"cost_group": "G1", "cost_type": "5", "name": "Other", "category": "other"},
        {"cost_group": "G1", "cost_type": "6", "name": "Free", "category": "other"},
        {"cost_group": "G2", "cost_type": "3", "name": "Subcontract", "category": "subcontract"},
    ],
    "standard_codes": [
        {"cost_group": "G1", "code": "03", "name": "Concrete", "is_header": 1},
        {"cost_group": "G1", "code": "03-3000", "name": "Cast-in-place concrete", "parent": "03"},
        {"cost_group": "G1", "code": "05", "name": "Metals", "is_header": 1},
    ],
    "job_codes": [
        {"company": "01", "job": "J1", "sub_job": "", "code": "03", "name": "Concrete", "is_header": 1},
        {"company": "01", "job": "J1", "sub_job": "", "code": "03-3000", "name": "Cast-in-place concrete", "parent": "03"},
        {"company": "01", "job": "J1", "sub_job": "", "code": "04-2000", "name": "Masonry, no types"},
        {"company": "01", "job": "J1", "sub_job": "", "code": "05", "name": "Metals", "is_header": 1},
        {"company": "01", "job": "J1", "sub_job": "", "code": "09-9100", "name": "Paint", "active": 0},
        {"company": "01", "job": "J1", "sub_job": "A", "code": "03-3000", "name": "Concrete of the building"},
        {"company": "01", "job": "J2", "sub_job": "", "code": "03-3000", "name": "Concrete"},
        {"company": "01", "job": "J3", "sub_job": "", "code": "03-3000", "name": "Concrete"},
        {"company": "02", "job": "J1", "sub_job": "", "code": "03-3000", "name": "Concrete"},
    ],
    "job_code_types": [
        *({"company": "01", "job": "J1", "sub_job": "", "code": "03-3000", "cost_type": t} for t in ("2", "3")),
        {"company": "01", "job": "J1", "sub_job": "", "code": "03-3000", "cost_type": "1", "active": 0},
        {"company": "01", "job": "J1", "sub_job": "", "code": "03-3000", "cost_type": "5"},
        {"company": "01", "job": "J1", "sub_job": "", "code": "09-9100", "cost_type": "3"},
        {"company": "01", "job": "J1", "sub_job": "A", "code": "03-3000", "cost_type": "3"},
        *({"company": "01", "job": j, "sub_job": "", "code": "03-3000", "cost_type": "3"} for j in ("J2", "J3")),
        {"company": "02", "job": "J1", "sub_job": "", "code": "03-3000", "cost_type": "3"},
    ],
    "units": [{"unit": "EA", "name": "Each"}, {"unit": "LF", "name": "Linear foot"}],
    "periods": [
        {"company": c, "module": m, "period": "2026-07", "first_day": "2026-07-01", "last_day": "2026-07-31"}
        for c, modules in (("01", ("AP", "AR", "GL", "JC")), ("04", ("AP", "GL")))
        for m in modules
    ],
    "settings": [{"company": "01", "name": "ap_ceiling", "value": "off"}],
    "vendor_insurances": [{"vendor_group": "G1", "vendor": "V-1", "policy": "GL-1", "insurance_type": "General Liability"}],
    "tax_codes": [
        {"cost_group": "G1", "tax_code": "COSALES", "description": "Sales tax", "rate_e4": 72_500},
        {"cost_group": "G1", "tax_code": "OLD", "description": "No longer levied", "active": 0},
    ],
}  # fmt: skip
DOCUMENTS = [
    *document(
        header(number="OPEN", marker="procore:8089:commitments:1"),
        {"unit": "EA", "quantity_e4": 10_000, "unit_cost_e4": 1_000_000},
    ),
    *document(header(number="CLOSED")),
    update("commitments", {"number": "CLOSED"}, status="closed"),
    *document(header(number="VOID")),
    update("commitments", {"number": "VOID"}, status="void"),
    update("cost_types", {"cost_group": "G1", "cost_type": "5"}, active=0),
]


COST_KEY: Row = {"job": "J1", "sub_job": "", "code": "03-3000", "cost_type": "3"}
_INVOICE: Row = {"job": "J1", "sequence": 1, "invoice_date": "2026-07-25", "posting_date": "2026-07-25", "currency": "USD"}
_INVOICE |= {"gross_cents": 10_000, "held_cents": 1_000}


@dataclass(frozen=True)
class Kind:
    """A kind of document: its tables, a header and a line that pass, the status it goes to, and the kinds it needs before."""

    header: str
    lines: str
    head: Row
    line: Row
    key: tuple[str, ...]
    status: str = "posted"
    needs: tuple[str, ...] = ()

    def where(self, head: Row | None = None) -> Row:
        return {k: (self.head | (head or {}))[k] for k in self.key}

    def built(self, head: Row | None = None, *lines: Row) -> list[str]:
        """The document short of its last change of status."""
        head = self.head | (head or {})
        rows = [{"line_no": n, **self.line, **self.where(head), **row} for n, row in enumerate(lines or ({},), 1)]
        return [insert(self.header, **head), *(insert(self.lines, **row) for row in rows)]

    def before(self) -> list[str]:
        return [statement for name in self.needs for statement in KINDS[name].entered()]

    def turned(self, status: str, head: Row | None = None, **more: Any) -> str:
        return update(self.header, self.where(head), status=status, **more)

    def entered(self, head: Row | None = None, *lines: Row) -> list[str]:
        return [*self.built(head, *lines), self.turned(self.status, head)]


KINDS: dict[str, Kind] = {
    kind.header: kind
    for kind in (
        Kind(
            *("commitments", "commitment_lines"),
            header(number="SC", amount_cents=100_000),
            COST_KEY | {"amount_cents": 100_000},
            ("company", "number"),
            status="open",
        ),
        Kind(
            *("budgets", "budget_lines"),
            {"company": "01", "job": "J1", "amount_cents": 10_000},
            {"sub_job": "", "code": "03-3000", "cost_type": "3", "amount_cents": 10_000},
            ("company", "job"),
            status="open",
        ),
        Kind(
            *("budget_changes", "budget_change_lines"),
            {"company": "01", "job": "J1", "number": "1", "title": "Transfer", "amount_cents": 10_000},
            {"sub_job": "", "code": "03-3000", "cost_type": "3", "amount_cents": 10_000, "adjustment": 1},
            ("company", "job", "number"),
            needs=("budgets",),
        ),
        Kind(
            *("change_orders", "change_order_lines"),
            {"company": "01", "commitment": "SC", "number": "001", "title": "Extra", "currency": "USD", "amount_cents": 10_000},
            COST_KEY | {"amount_cents": 10_000},
            ("company", "commitment", "number"),
            needs=("commitments",),
        ),
        Kind(
            *("ap_invoices", "ap_invoice_lines"),
            {"company": "01", "vendor": "V-1", "invoice": "4417-01", "vendor_group": "G1", "commitment": "SC", **_INVOICE},
            COST_KEY | {"commitment_line": 1, "gross_cents": 10_000, "held_cents": 1_000},
            ("company", "vendor", "invoice"),
            needs=("commitments",),
        ),
        Kind(
            *("payments", "payment_lines"),
            {"company": "01", "payment": "004512", "vendor_group": "G1", "vendor": "V-1", "pay_date": "2026-07-28"}
            | {"amount_cents": 9_000},
            {"vendor": "V-1", "invoice": "4417-01", "commitment": "SC", "amount_cents": 9_000},
            ("company", "payment"),
            needs=("commitments", "ap_invoices"),
        ),
        Kind(
            *("job_costs", "job_cost_lines"),
            {"company": "01", "trans": "JC-000001", "job": "J1", "source": "PR", "description": "Payroll"}
            | {"trans_date": "2026-07-10", "posting_date": "2026-07-10", "amount_cents": 10_000},
            COST_KEY | {"amount_cents": 10_000},
            ("company", "trans"),
        ),
        Kind(
            *("prime_contracts", "prime_contract_lines"),
            {"company": "01", "number": "PC", "job": "J1", "customer": "C-1", "title": "Clinic", "currency": "USD"}
            | {"amount_cents": 100_000},
            COST_KEY | {"amount_cents": 100_000},
            ("company", "number"),
            status="open",
        ),
        Kind(
            *("prime_changes", "prime_change_lines"),
            {"company": "01", "prime_contract": "PC", "number": "001", "title": "Extra", "currency": "USD"}
            | {"amount_cents": 11_000, "markup_cents": 1_000},
            COST_KEY | {"amount_cents": 10_000},
            ("company", "prime_contract", "number"),
            needs=("prime_contracts",),
        ),
        Kind(
            *("ar_invoices", "ar_invoice_lines"),
            {"company": "01", "invoice": "OI-01", "prime_contract": "PC", "customer": "C-1", **_INVOICE},
            COST_KEY | {"prime_line": 1, "gross_cents": 10_000, "held_cents": 1_000},
            ("company", "invoice"),
            needs=("prime_contracts",),
        ),
        Kind(
            *("receipts", "receipt_lines"),
            {"company": "01", "receipt": "R-1", "customer": "C-1", "receipt_date": "2026-07-31", "amount_cents": 9_000},
            {"invoice": "OI-01", "amount_cents": 9_000},
            ("company", "receipt"),
            needs=("prime_contracts", "ar_invoices"),
        ),
    )
}


@dataclass(frozen=True)
class Case:
    """``bad`` is refused in its last statement with ``code``, ``good`` passes."""

    name: str
    code: str
    bad: list[str]
    good: list[str]


def load(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for table, rows in ROWS.items():
            for row in rows:
                connection.exec_driver_sql(insert(table, **row))
        for statement in DOCUMENTS:
            connection.exec_driver_sql(statement)


class Attempts:
    """Tries statements on a raw connection of the driver and always rolls back."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = sa.make_url(url)
        self._integrity_error: type[Exception] = sqlite3.IntegrityError
        if name == "postgresql":
            import psycopg2

            self._integrity_error = psycopg2.IntegrityError
            # libpq takes the socket folder as its host
            self._connection: Any = psycopg2.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False))
        else:
            self._connection = sqlite3.connect(str(self.url.database), isolation_level=None)
            if name == "sqlite":
                self._connection.execute("PRAGMA foreign_keys = ON")

    def refusal(self, statements: Iterable[str]) -> str | None:
        """The message with which the last statement was refused, None when all passed. Any other failure is raised."""
        statements = list(statements)
        cursor = self._connection.cursor()
        if self.name != "postgresql":
            cursor.execute("BEGIN")
        try:
            for n, statement in enumerate(statements, 1):
                try:
                    cursor.execute(statement)
                except self._integrity_error as error:
                    if n < len(statements):
                        raise RuntimeError(f"refused too early, at {statement}") from error
                    return str(error).splitlines()[0]
            return None
        finally:
            self._connection.rollback()

    def close(self) -> None:
        self._connection.close()
