"""The company as rows of the sandbox ERP (tables and units: ``sandbox.erp.tables``)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import sqlalchemy as sa

from sandbox.erp import schema
from sandbox.seed import budgets, costs, names, policies
from sandbox.seed.company import Company
from sandbox.seed.model import Budget, BudgetChange, Commitment, DirectCost, Job
from sandbox.seed.moved import moved
from sandbox.seed.names import SENT_AFTER
from sandbox.seed.planted import planted
from sandbox.seed.sizes import CHUNK
from sandbox.seed.tables import (
    CLOSED_JOB,
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
MODULES = ("AP", "AR", "JC", "GL")
FIRST_OPEN, FIRST_FUTURE = "2026-07", "2026-10"
_DAYS = "seeded_days_later"
"""Option of the connection that a seed is written through."""
_NO_QUANTITY = {"quantity_e4": None, "unit_cost_e4": None, "unit": None}


class ErpRows:
    """Rows per table. ``linked`` False leaves out the markers, ``documents`` False all documents and what is planted; all of it
    ``days`` later than the anchor."""

    def __init__(self, company: Company, *, linked: bool = True, documents: bool = True, days: int = 0) -> None:
        self.company = company
        self.linked = linked
        self.documents = documents
        self.days = days
        self._planted = set() if documents else {entry.key for entry in planted(company) if entry.entity in ("vendors", "users")}

    def write(self, engine: sa.Engine) -> Iterator[tuple[str, int]]:
        """Fill the ledger in one transaction; yields (table, rows) as each table is done."""
        with engine.execution_options(**{_DAYS: self.days}).begin() as connection, schema.bulk(connection):
            for table, rows in (
                ("companies", self.companies()),
                ("settings", self.settings()),
                ("tax_codes", self.tax_codes()),
                ("vendors", self.vendors()),
                ("vendor_insurances", self.insurances()),
                ("customers", self.customers()),
                ("employees", self.employees()),
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
                yield from self._write_budgets(connection)
                yield from self._write_commitments(connection)
                yield from self._write_direct_costs(connection)
                yield from self.write_documents(connection)
                self._close_job(connection)

    def write_documents(self, _: sa.Connection) -> Iterator[tuple[str, int]]:
        """Fill in what hangs on contracts, which ``ErpDocuments`` has; yields (table, rows)."""
        return iter(())

    def _write_budgets(self, connection: sa.Connection) -> Iterator[tuple[str, int]]:
        """Budgets, then their changes; each complete before it leaves the status in which it is entered."""
        changes = [c for job in self.company.jobs() for c in budgets.changes(job) if c.linked]
        change_lines = (row for c in changes for row in self.change_lines(c))
        budget_lines = (row for b in self._budgets() for row in self.budget_lines(b))
        for table, headers, lines, status in (
            ("budgets", map(self.budget, self._budgets()), budget_lines, "open"),
            ("budget_changes", map(self.budget_change, changes), change_lines, "posted"),
        ):
            line_table = f"{table.removesuffix('s')}_lines"
            written = insert(connection, table, headers), insert(connection, line_table, lines)
            connection.execute(sa.text(f"UPDATE {table} SET status = '{status}' WHERE status = 'entering'"))
            yield from zip((table, line_table), written, strict=True)

    def _budgets(self) -> Iterator[Budget]:
        return (budgets.budget(self.company, job) for job in self.company.jobs() if budgets.state(job).erp)

    def _write_direct_costs(self, connection: sa.Connection) -> Iterator[tuple[str, int]]:
        """Some at a time: a company may have a million of them."""
        found = chain.from_iterable(costs.direct_costs(self.company, job) for job in self.company.jobs() if job.linked)
        if self.company.size.whole:
            found = chain(found, [costs.orphan(self.company)])
        headers = lines = 0
        while chunk := list(islice(found, CHUNK)):
            headers += insert(connection, "job_costs", map(self.job_cost, chunk))
            lines += insert(connection, "job_cost_lines", (row for cost in chunk for row in self.cost_lines(cost)))
            for status in ("posted", "void"):
                keys = [{"c": cost.job.company, "t": cost.trans} for cost in chunk if cost.status == status]
                if keys:
                    connection.execute(
                        sa.text(f"UPDATE job_costs SET status = '{status}' WHERE company = :c AND trans = :t"), keys
                    )
        yield "job_costs", headers
        yield "job_cost_lines", lines

    @staticmethod
    def _close_job(connection: sa.Connection) -> None:
        """A closed job takes no more documents: it is closed after its own are in."""
        closed = sa.text("UPDATE jobs SET status = 'closed' WHERE company = :company AND job = :job")
        connection.execute(closed, {"company": CLOSED_JOB.company, "job": CLOSED_JOB.number})

    def _write_commitments(self, connection: sa.Connection) -> Iterator[tuple[str, int]]:
        """Header, lines, then open, job by job: the ledger takes no lines once a commitment is open (TOTAL, FROZEN)."""
        opened = sa.text("UPDATE commitments SET status = 'open' WHERE company = :company AND job = :job AND status = 'entering'")
        headers = lines = 0
        for job in self.company.jobs():
            linked = [c for c in self.company.commitments(job) if c.linked]
            if linked:
                headers += insert(connection, "commitments", map(self.commitment, linked))
                lines += insert(connection, "commitment_lines", (row for c in linked for row in self.lines(c)))
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
            row = {"company": c.company, "customer": c.code, "name": c.name, "active": int(c.active)}
            yield row | {"address": c.address, "city": c.city, "state": c.state, "zip": c.zip, **_stamps(c.updated_at)}

    def employees(self) -> Iterator[Row]:
        for n, e in enumerate(self.company.employees()):
            if e.number not in self._planted:
                row: Row = {"company": e.company, "employee": e.number, "first_name": e.first_name, "last_name": e.last_name}
                yield row | {
                    "email": e.email,
                    "job_title": e.job_title,
                    "active": int(e.active),
                    **_stamps(names.master_moment(n)),
                }

    def settings(self) -> Iterator[Row]:
        """Billing beyond the contract sum is allowed, as in Procore."""
        for company, _ in COMPANIES:
            yield {"company": company, "name": "ap_ceiling", "value": "off", **_stamps(names.master_moment(0))}

    def tax_codes(self) -> Iterator[Row]:
        for tax in self.company.tax_codes():
            row = {
                "cost_group": GROUP,
                "tax_code": tax.code,
                "description": tax.description,
                "rate_e4": e4(tax.rate),
                "active": 1,
            }
            yield row | _stamps(names.master_moment(tax.id))

    def insurances(self) -> Iterator[Row]:
        for policy in policies.insurances(self.company):
            row = {"vendor_group": GROUP, "vendor": policy.vendor.code, "policy": policy.policy, "insurance_type": policy.type}
            row |= {"provider": policy.provider, "limit_text": policy.limit, "effective_date": policy.effective.isoformat()}
            yield row | {"expiration_date": policy.expiration.isoformat(), **_stamps(policy.vendor.updated_at)}

    def _jobs(self) -> Iterator[Job]:
        """All jobs of the ERP: the one that was closed long ago is in the books only with the cost that came in afterwards."""
        yield from self.company.jobs()
        if self.documents and self.company.size.whole:
            yield self.company.closed_job

    def jobs(self) -> Iterator[Row]:
        for job in self._jobs():
            row = {"company": job.company, "job": job.number, "name": job.name, "customer": job.customer, "status": "open"}
            row |= {"start_date": job.start.isoformat(), "completion_date": job.completion.isoformat()}
            yield row | _stamps(job.updated_at)

    def sub_jobs(self) -> Iterator[Row]:
        for job in self.company.jobs():
            for sub in job.sub_jobs:
                row = {"company": job.company, "job": job.number, "sub_job": sub.number, "name": sub.name}
                yield row | _stamps(job.updated_at)

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
        for job in self._jobs():
            for c in chain(self.company.codes(job), self.company.sub_codes(job)):
                if c.erp:
                    row = _job_key(job, c.sub_job) | {"code": c.code, "name": c.name, "parent": c.parent}
                    row |= {"is_header": int(c.parent is None)}
                    yield row | {"active": int(c.active), **_stamps(c.updated_at)}

    def job_code_types(self) -> Iterator[Row]:
        for job in self._jobs():
            for c in chain(self.company.codes(job), self.company.sub_codes(job)):
                if c.erp:
                    for type in c.types:
                        row = _job_key(job, c.sub_job) | {"code": c.code, "cost_type": str(TYPE_NUMBER[type]), "active": 1}
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

    def budget(self, b: Budget) -> Row:
        marker = f"procore:{PROCORE_COMPANY}:budgets:{b.job.id}" if self.linked and b.owner == "procore" else None
        row: Row = {"company": b.job.company, "job": b.job.number, "status": "entering", "marker": marker}
        return row | {"amount_cents": sum(cents(line.in_erp) for line in b.lines), **_stamps(b.erp_updated_at)}

    @staticmethod
    def budget_lines(b: Budget) -> Iterator[Row]:
        for line in b.lines:
            row = _job_key(b.job, line.sub_job) | {"line_no": line.position, "code": line.code, "cost_type": _type(line.type)}
            row |= {"description": line.text, "amount_cents": cents(line.in_erp), **_NO_QUANTITY}
            yield row | _stamps(b.erp_updated_at)

    def budget_change(self, c: BudgetChange) -> Row:
        marker = f"procore:{PROCORE_COMPANY}:budget_changes:{c.id}" if self.linked else None
        row: Row = {"company": c.job.company, "job": c.job.number, "number": str(c.number), "title": c.title, "marker": marker}
        row |= {"status": "entering", "change_date": c.change_date.isoformat()}
        row |= {"amount_cents": sum(cents(transfer.amount) for transfer in c.transfers)}
        return row | _stamps(c.updated_at + SENT_AFTER)

    @staticmethod
    def change_lines(c: BudgetChange) -> Iterator[Row]:
        for line_no, transfer in enumerate(c.transfers, start=1):
            row = _job_key(c.job) | {"number": str(c.number), "line_no": line_no, "adjustment": transfer.adjustment}
            row |= {"code": transfer.code, "cost_type": _type(transfer.type), "description": transfer.text}
            yield row | {"amount_cents": cents(transfer.amount), **_stamps(c.updated_at + SENT_AFTER)}

    @staticmethod
    def job_cost(cost: DirectCost) -> Row:
        row: Row = {"company": cost.job.company, "trans": cost.trans, "job": cost.job.number, "source": cost.source}
        vendor = None if cost.vendor is None else names.vendor_code(cost.vendor)
        row |= {"vendor_group": vendor and GROUP, "vendor": vendor}
        row |= {"invoice": cost.invoice, "description": cost.description, "trans_date": cost.cost_date.isoformat()}
        row |= {"posting_date": cost.cost_date.isoformat(), "status": "unposted", "currency": "USD", "commitment": None}
        return row | {"amount_cents": cents(cost.amount), "reverses": cost.reverses, **_stamps(cost.updated_at)}

    @staticmethod
    def cost_lines(cost: DirectCost) -> Iterator[Row]:
        for line in cost.lines:
            row = _job_key(cost.job, line.sub_job) | {"trans": cost.trans, "line_no": line.position, "code": line.code}
            row |= {"cost_type": _type(line.type), "description": line.text, "amount_cents": cents(line.amount)}
            row |= {"quantity_e4": e4(line.quantity), "unit_cost_e4": e4(line.unit_cost), "unit": line.unit}
            yield row | _stamps(cost.updated_at)

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
        return row | _stamps(c.updated_at + SENT_AFTER)

    @staticmethod
    def lines(c: Commitment) -> list[Row]:
        return [
            _job_key(c.job)
            | {
                "number": c.number,
                "line_no": line.position,
                "code": line.code,
                "cost_type": _type(line.type),
                "description": line.text,
                "amount_cents": cents(line.in_erp),
                "quantity_e4": e4(line.quantity),
                "unit_cost_e4": e4(line.unit_cost),
                "unit": line.unit,
                "extended_type": line.extended_type,
                "tax_code": line.tax_code,
                **_stamps(c.updated_at + SENT_AFTER),
            }
            for line in c.lines
            if line.erp
        ]


def insert(connection: sa.Connection, table: str, rows: Iterable[Row]) -> int:
    """Insert rows in chunks, as many days later as the connection says; returns how many."""
    later = moved(rows, connection.get_execution_options().get(_DAYS, 0))
    statement, count, source = sa.insert(schema.METADATA.tables[table]), 0, later
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


def _job_key(job: Job, sub_job: str = "") -> Row:
    return {"company": job.company, "job": job.number, "sub_job": sub_job}


def _type(type: str) -> str:
    """The ERP's number of a cost type."""
    return str(TYPE_NUMBER[type])


def _stamps(moment: datetime) -> Row:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    return {"created_at": text, "updated_at": text}
