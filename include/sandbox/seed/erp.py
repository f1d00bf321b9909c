"""The company as rows of the sandbox ERP (tables and units: ``include.sandbox.erp.tables``)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa

from include.sandbox.erp import schema
from include.sandbox.seed import names
from include.sandbox.seed.company import Company
from include.sandbox.seed.model import Commitment, Job
from include.sandbox.seed.tables import (
    COMPANIES,
    COST_TYPES,
    DIVISIONS,
    GROUP,
    PROCORE_COMPANY,
    SECTIONS,
    STANDARD_SECTIONS,
    TYPE_NUMBER,
    UNITS,
)

Row = dict[str, Any]
CHUNK = 2_000
MODULES = ("AP", "AR", "JC", "GL")
FIRST_OPEN, FIRST_FUTURE = "2026-07", "2026-10"


class ErpRows:
    """Rows per table. ``linked`` False leaves out the markers, ``documents`` False the commitments and the planted vendors."""

    def __init__(self, company: Company, *, linked: bool = True, documents: bool = True) -> None:
        self.company = company
        self.linked = linked
        self.documents = documents
        self._planted = set() if documents else {entry.key for entry in company.planted() if entry.entity == "vendors"}

    def write(self, engine: sa.Engine) -> Iterator[tuple[str, int]]:
        """Fill the ledger in one transaction; yields (table, rows) as each table is done."""
        with engine.begin() as connection, schema.bulk(connection):
            for table, rows in (
                ("companies", self.companies()),
                ("vendors", self.vendors()),
                ("customers", self.customers()),
                ("jobs", self.jobs()),
                ("sub_jobs", self.sub_jobs()),
                ("cost_types", self.cost_types()),
                ("standard_codes", self.standard_codes()),
                ("job_codes", self.job_codes()),
                ("job_code_types", self.job_code_types()),
                ("units", self.units()),
                ("periods", self.periods()),
            ):
                yield table, insert(connection, table, rows)
            if self.documents:
                yield from self._write_commitments(connection)

    def _write_commitments(self, connection: sa.Connection) -> Iterator[tuple[str, int]]:
        """Header, lines, then open, job by job: the ledger takes no lines once a commitment is open (TOTAL, FROZEN)."""
        opened = sa.text("UPDATE commitments SET status = 'open' WHERE company = :company AND job = :job AND status = 'entering'")
        headers = lines = 0
        for job in self.company.jobs():
            documents = [c for c in self.company.commitments(job) if c.linked]
            if documents:
                headers += insert(connection, "commitments", map(self.commitment, documents))
                lines += insert(connection, "commitment_lines", (row for c in documents for row in self.lines(c)))
                connection.execute(opened, {"company": job.company, "job": job.number})
        yield "commitments", headers
        yield "commitment_lines", lines

    def companies(self) -> Iterator[Row]:
        for company, name in COMPANIES:
            row = {"company": company, "name": name, "currency": "USD", "vendor_group": GROUP, "cost_group": GROUP}
            yield row | _stamps(names.master_moment(0))

    def vendors(self) -> Iterator[Row]:
        for v in self.company.vendors():
            if v.erp and v.code not in self._planted:
                row: Row = {"vendor_group": GROUP, "vendor": v.code, "name": v.name, "tax_id": v.tax_id, "terms": v.terms}
                row |= {"active": int(v.active), "hold": v.hold, "hold_reason": v.hold_reason}
                row |= {"address": v.address, "city": v.city, "state": v.state, "zip": v.zip}
                yield row | _stamps(v.updated_at)

    def customers(self) -> Iterator[Row]:
        for c in self.company.customers():
            row = {"company": c.company, "customer": c.code, "name": c.name, "active": 1}
            yield row | {"address": c.address, "city": c.city, "state": c.state, "zip": c.zip, **_stamps(c.updated_at)}

    def jobs(self) -> Iterator[Row]:
        for job in self.company.jobs():
            row = {"company": job.company, "job": job.number, "name": job.name, "customer": job.customer, "status": "open"}
            row |= {"start_date": job.start.isoformat(), "completion_date": job.completion.isoformat()}
            yield row | _stamps(job.updated_at)

    def sub_jobs(self) -> Iterator[Row]:
        for job in self.company.jobs():
            for sub_job, name in job.sub_jobs:
                yield {"company": job.company, "job": job.number, "sub_job": sub_job, "name": name, **_stamps(job.updated_at)}

    def cost_types(self) -> Iterator[Row]:
        for number, name, category, *_ in COST_TYPES:
            row = {"cost_group": GROUP, "cost_type": str(number), "name": name, "category": category, "active": 1}
            yield row | _stamps(names.master_moment(number))

    def standard_codes(self) -> Iterator[Row]:
        """Headers first: a leaf names its parent (CODE_UNKNOWN)."""
        headers = sorted({code[:2] for code in STANDARD_SECTIONS})
        for n, code in enumerate([*headers, *sorted(STANDARD_SECTIONS)]):
            leaf = "-" in code
            row: Row = {"cost_group": GROUP, "code": code, "name": SECTIONS[code][0] if leaf else DIVISIONS[code]}
            row |= {"parent": code[:2] if leaf else None, "is_header": int(not leaf), "active": 1}
            yield row | _stamps(names.master_moment(n))

    def job_codes(self) -> Iterator[Row]:
        for job in self.company.jobs():
            for c in self.company.codes(job):
                if c.erp:
                    row = _job_key(job) | {"code": c.code, "name": c.name, "parent": c.parent, "is_header": int(c.parent is None)}
                    yield row | {"active": int(c.active), **_stamps(c.updated_at)}

    def job_code_types(self) -> Iterator[Row]:
        for job in self.company.jobs():
            for c in self.company.codes(job):
                if c.erp:
                    for type in c.types:
                        row = _job_key(job) | {"code": c.code, "cost_type": str(TYPE_NUMBER[type]), "active": 1}
                        yield row | _stamps(c.updated_at)

    def units(self) -> Iterator[Row]:
        for unit, name in UNITS.items():
            yield {"unit": unit, "name": name, **_stamps(names.master_moment(0))}

    def periods(self) -> Iterator[Row]:
        """January 2025 to October 2026: everything to June 2026 closed, then three open ones and one to come."""
        for month in range(22):
            first = date(2025 + month // 12, month % 12 + 1, 1)
            last = first.replace(day=monthrange(first.year, first.month)[1])
            period = f"{first:%Y-%m}"
            status = "closed" if period < FIRST_OPEN else "future" if period >= FIRST_FUTURE else "open"
            for company, _ in COMPANIES:
                for module in MODULES:
                    row = {"company": company, "module": module, "period": period, "first_day": first.isoformat()}
                    yield row | {"last_day": last.isoformat(), "status": status, **_stamps(names.master_moment(0))}

    def commitment(self, c: Commitment) -> Row:
        row: Row = {"company": c.job.company, "number": c.number, "kind": c.kind, "job": c.job.number}
        row |= {
            "vendor_group": GROUP,
            "vendor": c.vendor,
            "title": c.title,
            "status": "entering",
            "currency": c.currency,
            "retainage_e4": e4(c.retainage),
        }
        row |= {"contract_date": c.contract_date.isoformat(), "amount_cents": sum(line["amount_cents"] for line in self.lines(c))}
        row |= {"marker": f"procore:{PROCORE_COMPANY}:commitments:{c.id}" if self.linked else None}
        return row | _stamps(c.updated_at + timedelta(minutes=20))

    @staticmethod
    def lines(c: Commitment) -> list[Row]:
        return [
            _job_key(c.job)
            | {
                "number": c.number,
                "line_no": line.position,
                "code": line.code,
                "cost_type": str(TYPE_NUMBER[line.type]),
                "description": line.text,
                "amount_cents": cents(line.amount if line.erp_amount is None else line.erp_amount),
                "quantity_e4": e4(line.quantity),
                "unit_cost_e4": e4(line.unit_cost),
                "unit": line.unit,
                "extended_type": line.extended_type,
                **_stamps(c.updated_at + timedelta(minutes=20)),
            }
            for line in c.lines
            if line.erp
        ]


def insert(connection: sa.Connection, table: str, rows: Iterable[Row]) -> int:
    """Insert rows in chunks; returns how many."""
    statement, count, source = sa.insert(schema.METADATA.tables[table]), 0, iter(rows)
    while chunk := list(islice(source, CHUNK)):
        connection.execute(statement, chunk)
        count += len(chunk)
    return count


def cents(amount: Decimal) -> int:
    """Minor units. Raises ValueError when the amount has a fraction of a cent."""
    return _scaled(amount, 100)


def e4(value: Decimal | None) -> int | None:
    """Ten-thousandths. Raises ValueError when there is more behind."""
    return None if value is None else _scaled(value, 10_000)


def _scaled(value: Decimal, by: int) -> int:
    scaled = value * by
    if scaled != int(scaled):
        raise ValueError(f"{value} does not fit 1/{by}")
    return int(scaled)


def _job_key(job: Job) -> Row:
    return {"company": job.company, "job": job.number, "sub_job": ""}


def _stamps(moment: datetime) -> Row:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    return {"created_at": text, "updated_at": text}
