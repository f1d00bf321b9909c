"""A small company in the sandbox's ERP for the acceptance suite: two companies with contracts of one number, two vendors with an
invoice of one number, a vendor on hold, closed periods, jobs without a budget; and its clerk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.financials.record import Record
from sandbox.erp import schema
from tests.unit.erp.conftest import ROWS, T2, load
from tests.unit.erp.sql.test_documents import PRIME
from tests.unit.erp.sql.test_documents import ROWS as MORE

JOBS = [f"25-{n}" for n in range(301, 346)]
"""Open jobs without a budget: each takes one."""
CODES = (("03", None, 1), ("03-3000", "03", 0))

EXTRA: dict[str, list[dict[str, Any]]] = {
    "jobs": [{"company": "01", "job": job, "name": f"Job {job}", "updated_at": T2} for job in JOBS],
    "job_codes": [
        {"company": "01", "job": job, "sub_job": "", "is_header": head, "code": code, "name": code, "parent": parent}
        for job in JOBS
        for code, parent, head in CODES
    ],
    "job_code_types": [
        {"company": "01", "job": job, "sub_job": "", "code": "03-3000", "cost_type": kind} for job in JOBS for kind in ("1", "3")
    ],
}
CONTRACTS = (
    ("01", "25-104", "104-SC-900", "V-1042", "USD", 70000),
    ("01", "25-104", "104-SC-901", "V-1001", "USD", 70000),
    ("02", "25-201", "104-SC-900", "V-1042", "CAD", 50000),
)


TODAY = datetime(2026, 10, 2, tzinfo=UTC)
"""The books stand there, whenever this runs."""


def build(url: str) -> None:
    engine = schema.connect(url)
    schema.create(engine)
    with engine.begin() as connection:
        schema.set_offset_us(connection, (TODAY - datetime.now(UTC)) // timedelta(microseconds=1))
    names = [name for name in schema.METADATA.tables if name in {**ROWS, **MORE, **EXTRA}]
    load(engine, {name: [*ROWS.get(name, ()), *MORE.get(name, ()), *EXTRA.get(name, ())] for name in names})
    with engine.begin() as connection:
        for statement in (*PRIME, *_documents()):
            connection.exec_driver_sql(statement)
    engine.dispose()


def _documents() -> Iterator[str]:
    for company, job, number, vendor, currency, cents in CONTRACTS:
        yield (
            "INSERT INTO commitments (company, number, kind, job, vendor_group, vendor, title, status, currency, retainage_e4,"
            f" contract_date, amount_cents) VALUES ('{company}', '{number}', 'subcontract', '{job}', 'G1', '{vendor}', 'Slabs',"
            f" 'entering', '{currency}', 100000, '2026-07-01', {cents})"
        )
        yield (
            "INSERT INTO commitment_lines (company, number, line_no, job, sub_job, code, cost_type, amount_cents, extended_type)"
            f" VALUES ('{company}', '{number}', 1, '{job}', '', '03-3000', '3', {cents - 20000}, 'manual'),"
            f" ('{company}', '{number}', 2, '{job}', '', '03-3000', '1', 20000, 'manual')"
        )
        yield f"UPDATE commitments SET status = 'open' WHERE company = '{company}' AND number = '{number}'"
    for company, job, number, vendor, currency, _ in CONTRACTS[:2]:
        yield (
            "INSERT INTO ap_invoices (company, vendor, invoice, vendor_group, commitment, job, sequence, invoice_date,"
            " posting_date, status, currency, gross_cents, held_cents, released_cents, tax_cents, pay_hold)"
            f" VALUES ('{company}', '{vendor}', '4711', 'G1', '{number}', '{job}', 1, '2026-08-10', '2026-08-10', 'entering',"
            f" '{currency}', 10000, 1000, 0, 0, 0)"
        )
        yield (
            "INSERT INTO ap_invoice_lines (company, vendor, invoice, line_no, change_order, commitment_line, job, sub_job, code,"
            " cost_type, gross_cents, held_cents, released_cents, tax_cents)"
            f" VALUES ('{company}', '{vendor}', '4711', 1, '', 1, '{job}', '', '03-3000', '3', 10000, 1000, 0, 0)"
        )
        yield f"UPDATE ap_invoices SET status = 'posted' WHERE vendor = '{vendor}' AND invoice = '4711'"


HEADERS = {
    "subcontractor_invoices": ("ap_invoices", "invoice = :number"),
    "owner_invoices": ("ar_invoices", "invoice = :number"),
    "commitments": ("commitments", "number = :number"),
    "commitment_change_orders": ("change_orders", "commitment || '/' || number = :number"),
    "prime_change_orders": ("prime_changes", "prime_contract || '/' || number = :number"),
}
BATCHED = ("subcontractor_invoices", "owner_invoices")


class Clerk:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, action: str, record: Record) -> None:
        """LookupError for what is not done here: only invoices wait for a clerk, and nothing is refused afterwards."""
        status = {"post": "posted", "void": "void"}[action]
        if action == "post" and record.entity not in BATCHED:
            raise LookupError("it is booked at once")
        table, which = HEADERS[record.entity]
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            done = connection.execute(sa.text(f"UPDATE {table} SET status = '{status}' WHERE {which}"), {"number": record.number})
            assert done.rowcount == 1
        engine.dispose()


@contextmanager
def reader(url: str) -> Iterator[str]:
    """A login of PostgreSQL that may read everything and write nothing."""
    there = sa.make_url(url)
    name = f"reader_{there.database}"
    owner = sa.create_engine(there, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with owner.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'reader'")
        connection.exec_driver_sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{name}"')
    try:
        yield there.set(username=name, password="reader").render_as_string(hide_password=False)
    finally:
        with owner.connect() as connection:
            connection.exec_driver_sql(f'DROP OWNED BY "{name}"')
            connection.exec_driver_sql(f'DROP ROLE "{name}"')
