"""The company as records of the Procore store (field names: ``sandbox.procore.store`` and its serializers)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Protocol

from sandbox.clock import stamp
from sandbox.seed import budgets, costs, names, policies
from sandbox.seed.company import Company
from sandbox.seed.ids import (
    ADJUSTMENT_LINE_ID,
    CHANGE_EVENT_ID,
    DIRECT_COST_ID,
    DIRECT_COST_LINE_ID,
    LIST_ID,
    STANDARD_ID,
    TYPE_ID,
    VENDOR_ID,
    budget_line_id,
    code_id,
    line_id,
    sub_job_id,
    wbs_id,
)
from sandbox.seed.model import CENT, BudgetChange, Code, Commitment, DirectCost, Job, Line
from sandbox.seed.names import SENT_AFTER
from sandbox.seed.sizes import CHUNK
from sandbox.seed.tables import (
    ANCHOR,
    CHANGE_EVENTS,
    CODE_INDEX,
    COMPANIES,
    COST_TYPES,
    DIVISIONS,
    GROUP,
    PO,
    PROCORE_COMPANY,
    SC,
    SECTIONS,
    STANDARD_SECTIONS,
    TYPE_NUMBER,
)

Row = dict[str, Any]

KIND = {SC: "work_order_contracts", PO: "purchase_order_contracts"}
CENTRAL = {"country_code": "US", "time_zone": "America/New_York"}
COST_KIND = {"AP": "invoice", "PR": "payroll", "EQ": "expense", "JC": "expense"}
"""Source of a job cost transaction -> kind of direct cost (docs/domain-rules.md 2.2, D-04)."""


_UNPRICED = {"quantity": None, "unit_cost": None, "uom": None, "calculation_strategy": "manual"}
TAX_CODE_IDS = {tax.code: tax.id for tax in Company.tax_codes()}


class Store(Protocol):
    def load(self, kind: str, rows: Iterable[Row]) -> Any: ...


MASTERS = frozenset(
    (
        *("vendors", "vendor_insurances", "customers", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes"),
        "prime_contracts",
    )
)
"""What was carried over with its external ids where the company went over to another ERP."""


class ProcoreRows:
    """Rows per kind. ``linked`` False leaves out every external id of ours, as if no integration had ever run; ``sent`` False
    those of documents, and what only the ERP makes. ``system`` is the ERP's name in them."""

    def __init__(self, company: Company, *, linked: bool = True, sent: bool = True, system: str = "sandbox") -> None:
        self.company = company
        self.linked, self.sent, self.system = linked, sent, system

    def write(self, store: Store) -> Iterator[tuple[str, int]]:
        """Fill the store; yields (kind, records) as each kind is done."""
        for kind, rows in (
            ("line_item_types", self.cost_types()),
            ("standard_cost_code_lists", self.standard_lists()),
            ("standard_cost_codes", self.standard_codes()),
            ("tax_codes", self.tax_codes()),
            ("vendors", self.vendors()),
            ("insurances", self.insurances()),
            ("users", self.users()),
            ("projects", self.projects()),
            ("sub_jobs", self.sub_jobs()),
            ("cost_codes", self.cost_codes()),
            ("wbs_codes", self.wbs_codes()),
            ("budget_lines", self.budget_lines()),
            ("budget_changes", self.budget_changes()),
            ("change_events", self.change_events()),
        ):
            yield kind, load(store, kind, rows)
        yield from self._write_direct_costs(store)
        yield from self._write_contracts(store)
        yield from self.write_documents(store)

    def write_documents(self, _: Store) -> Iterator[tuple[str, int]]:
        """Fill in what hangs on contracts, which ``ProcoreDocuments`` has; yields (kind, records)."""
        return iter(())

    def _write_direct_costs(self, store: Store) -> Iterator[tuple[str, int]]:
        """Some at a time: a company may have a million of them."""
        jobs = self._jobs() if self.sent else ()
        sent = (cost for job in jobs for cost in costs.direct_costs(self.company, job) if cost.linked)
        headers = lines = 0
        while chunk := list(islice(sent, CHUNK)):
            headers += load(store, "direct_costs", map(self.direct_cost, chunk))
            lines += load(store, "direct_cost_lines", (row for cost in chunk for row in self.cost_lines(cost)))
        yield "direct_costs", headers
        yield "direct_cost_lines", lines

    def _write_contracts(self, store: Store) -> Iterator[tuple[str, int]]:
        """Job by job, so that each contract is made once and no more than a job's are in memory."""
        totals = {KIND[SC]: 0, KIND[PO]: 0, "contract_lines": 0}
        for job in self._jobs():
            commitments = self.company.commitments(job)
            for kind in (SC, PO):
                totals[KIND[kind]] += load(store, KIND[kind], [self.contract(c) for c in commitments if c.kind == kind])
            totals["contract_lines"] += load(store, "contract_lines", (row for c in commitments for row in self.lines(c)))
        yield from totals.items()

    def _origin(self, company: str, entity: str, key: str, linked: bool = True, *, budget_owner: str | None = None) -> Row:
        """External id and, as canonical JSON, the key in it with whatever else is recorded there."""
        if not (linked and self.carries(entity) and self.knows(company, entity)):
            return {"origin_id": None, "origin_data": None}
        data = {"erp_key": key} | ({"budget_owner": budget_owner} if budget_owner else {})
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return {"origin_id": f"{self.system}:{company}:{entity}:{key}", "origin_data": canonical}

    def knows(self, company: str, entity: str) -> bool:
        """Whether the ERP has the record: another ERP than the sandbox's has one company, and codes of jobs only."""
        return self.sent or (company in (GROUP, COMPANIES[0][0]) and (company, entity) != (GROUP, "cost_codes"))

    def carries(self, entity: str) -> bool:
        """Whether records of an entity carry external ids of ours."""
        return self.linked and (self.sent or entity in MASTERS)

    def cost_types(self) -> Iterator[Row]:
        for number, _, _, code, name, base in COST_TYPES:
            row = _row(TYPE_ID + number, names.master_moment(number), number=code)
            yield row | {"name": name, "code": code, "base_type": base} | self._origin(GROUP, "cost_types", str(number))

    def standard_lists(self) -> Iterator[Row]:
        row = _row(LIST_ID, names.master_moment(0))
        yield row | {"name": "Master list", "is_erp_list": False, "available_to_use_on_new_projects": True}

    def standard_codes(self) -> Iterator[Row]:
        for code in sorted({*STANDARD_SECTIONS, *(code[:2] for code in STANDARD_SECTIONS)}):
            leaf = "-" in code
            row = _row(STANDARD_ID + CODE_INDEX[code], names.master_moment(CODE_INDEX[code]), number=code)
            row |= {"parent_id": STANDARD_ID + CODE_INDEX[code[:2]] if leaf else None, "standard_cost_code_list_id": LIST_ID}
            row |= {"code": code.split("-")[-1], "name": SECTIONS[code][0] if leaf else DIVISIONS[code]}
            yield row | self._origin(GROUP, "cost_codes", f"//{code}")

    def tax_codes(self) -> Iterator[Row]:
        for tax in self.company.tax_codes():
            if tax.linked:
                row = _row(tax.id, names.master_moment(tax.id), number=tax.code) | self._origin(GROUP, "tax_codes", tax.code)
                yield row | {"code": tax.code, "description": tax.description, "rate1": text(tax.rate), "archived": False}

    def vendors(self) -> Iterator[Row]:
        """Vendors, then owners: both are companies of Procore's directory (docs/domain-rules.md 1.3)."""
        for vendor in self.company.vendors():
            if not vendor.procore:
                continue
            row = _row(vendor.id, vendor.updated_at, number=vendor.code, status="active" if vendor.active else "inactive")
            row |= self._origin(GROUP, "vendors", vendor.code or "", vendor.linked)
            if vendor.foreign_origin:
                row["origin_id"] = vendor.foreign_origin
            yield (
                row
                | _company_fields(vendor)
                | {"ein": vendor.tax_id, "is_active": vendor.active, "notes": f"Trade: {vendor.trade}"}
            )
        for customer in self.company.customers():
            if customer.linked:
                row = _row(customer.id, customer.updated_at, number=customer.code, status="active")
                row |= self._origin(customer.company, "customers", customer.code)
                yield row | _company_fields(customer) | {"ein": None, "is_active": True, "notes": "Owner"}

    def insurances(self) -> Iterator[Row]:
        for policy in policies.insurances(self.company):
            if not policy.linked:
                continue
            vendor = policy.vendor
            row = _row(policy.id, vendor.updated_at, parent_id=vendor.id, number=policy.policy)
            row |= self._origin(GROUP, "vendor_insurances", f"{vendor.code}/{policy.policy}")
            row |= {"name": policy.provider, "insurance_type": policy.type, "policy_number": policy.policy, "limit": policy.limit}
            row |= {"effective_date": policy.effective.isoformat(), "expiration_date": policy.expiration.isoformat()}
            yield row | {"status": "expired" if policy.expiration < ANCHOR.date() else "compliant"}

    def users(self) -> Iterator[Row]:
        for n, e in enumerate(self.company.employees()):
            if e.user is not None:
                row = _row(e.user, names.master_moment(n)) | self._origin(e.company, "users", e.number, e.linked)
                known = e.linked and self.linked
                row |= {"first_name": e.first_name, "last_name": e.last_name, "email_address": e.email, "job_title": e.job_title}
                yield row | {"employee_id": e.number if known else None, "is_employee": known, "is_active": e.active}

    def projects(self) -> Iterator[Row]:
        for job in self._jobs():
            street, city, state, zip_code = names.address(300 + job.index)
            budget = budgets.state(job)
            row = _row(job.id, job.updated_at, number=job.number, status="active")
            row |= self._origin(job.company, "projects", job.number, budget_owner=budget.owner if self.sent else None)
            row |= {"budget_locked": budget.locked}
            row |= {
                "name": job.name,
                "project_number": job.number,
                "origin_code": job.number if self.linked else None,
                "active": True,
            }
            row |= {"address": street, "city": city, "state_code": state, "zip": zip_code, **CENTRAL, "permitted": True}
            row |= {"start_date": job.start.isoformat(), "completion_date": job.completion.isoformat()}
            yield row | {"total_value": f"{job.value}.00", "currency_iso_code": "USD"}

    def change_events(self) -> Iterator[Row]:
        jobs = {job.number: job for job in self._jobs()}
        for n, (number, own, title, status, origin) in enumerate(CHANGE_EVENTS):
            if (job := jobs.get(number)) is not None:
                row = _row(CHANGE_EVENT_ID + n, names.document_moment(n), project_id=job.id, number=own, origin_id=origin)
                yield row | {"title": title, "status_id": status, "scope": "tbd", "origin_data": None}

    def sub_jobs(self) -> Iterator[Row]:
        for job in self._jobs():
            for sub in job.sub_jobs:
                if sub.linked:
                    row = _row(sub_job_id(job, sub.number) or 0, job.updated_at, project_id=job.id, number=sub.number)
                    row |= self._origin(job.company, "sub_jobs", f"{job.number}/{sub.number}")
                    yield row | {"code": sub.number, "name": sub.name}

    def cost_codes(self) -> Iterator[Row]:
        for job in self._jobs():
            for position, code in enumerate(self._codes(job), start=1):
                row = _row(code.id, code.updated_at, project_id=job.id, number=code.code)
                row |= {
                    "parent_id": code_id(job, code.parent, code.sub_job) if code.parent else None,
                    "code": code.code.split("-")[-1],
                    "name": code.name,
                }
                known = code.code in STANDARD_SECTIONS or (
                    code.parent is None and any(s[:2] == code.code for s in STANDARD_SECTIONS)
                )
                row |= {"position": position, "standard_cost_code_id": STANDARD_ID + CODE_INDEX[code.code] if known else None}
                yield (
                    row
                    | {"sub_job_id": sub_job_id(job, code.sub_job)}
                    | self._origin(job.company, "cost_codes", f"{job.number}/{code.sub_job}/{code.code}", code.linked)
                )

    def wbs_codes(self) -> Iterator[Row]:
        """Budget codes: one per assigned pair of cost code and cost type."""
        for job in self._jobs():
            for code in self._codes(job):
                for type in dict.fromkeys(code.types + code.extra_types):
                    key = wbs_id(job, code.code, type, code.sub_job)
                    row = _row(key, code.updated_at, project_id=job.id, status="active")
                    row |= {"cost_code_id": code.id, "line_item_type_id": TYPE_ID + TYPE_NUMBER[type]}
                    yield row | {"sub_job_id": sub_job_id(job, code.sub_job), "description": code.name, "origin_id": None}

    def budget_lines(self) -> Iterator[Row]:
        for job in self._jobs():
            budget = budgets.budget(self.company, job)
            for line in budget.lines if budget.procore else ():
                row = _row(budget_line_id(job, line), budget.updated_at, project_id=job.id)
                row |= {"wbs_code_id": wbs_id(job, line.code, line.type, line.sub_job), **_UNPRICED}
                yield row | {"original_budget_amount": text(line.amount)}

    def budget_changes(self) -> Iterator[Row]:
        for job in self._jobs():
            for change in budgets.changes(job):
                row = _row(change.id, change.updated_at, project_id=job.id, number=str(change.number), status=change.status)
                row |= {"title": change.title, "description": None}
                yield row | {"adjustment_line_items": list(self._adjustments(change))}

    @staticmethod
    def _adjustments(change: BudgetChange) -> Iterator[Row]:
        first = ADJUSTMENT_LINE_ID + (change.id % 10_000_000) * 10
        for n, transfer in enumerate(change.transfers):
            row: Row = {"id": first + n, "adjustment_number": transfer.adjustment, "type": "budget_change"}
            row |= {"wbs_code_id": wbs_id(change.job, transfer.code, transfer.type), "amount": text(transfer.amount)}
            row |= {"description": transfer.text, "comment": None, "change_event_line_item_id": None}
            yield row | _UNPRICED

    def direct_cost(self, cost: DirectCost) -> Row:
        """Its external id names the transaction; everything in it was entered before that was set."""
        row = _row(DIRECT_COST_ID + cost.sequence, cost.updated_at + SENT_AFTER, project_id=cost.job.id, status="approved")
        row |= self._origin(cost.job.company, "direct_costs", cost.trans)
        row |= {"direct_cost_type": COST_KIND[cost.source], "invoice_number": cost.invoice, "description": cost.description}
        row |= {"vendor_id": None if cost.vendor is None else VENDOR_ID + cost.vendor, "terms": None}
        return row | {"direct_cost_date": cost.cost_date.isoformat(), "payment_date": None, "received_date": None}

    def cost_lines(self, cost: DirectCost) -> Iterator[Row]:
        origin = self._origin(cost.job.company, "direct_costs", cost.trans)["origin_id"]
        for line in cost.lines:
            row = _row(
                DIRECT_COST_LINE_ID + cost.sequence * 10 + line.position,
                cost.updated_at + SENT_AFTER,
                project_id=cost.job.id,
                parent_id=DIRECT_COST_ID + cost.sequence,
                origin_id=origin and f"{origin}#{line.position}",
            )
            yield row | _line_fields(cost.job, line) | {"origin_data": None}

    def contract(self, c: Commitment) -> Row:
        row = _row(c.id, c.updated_at, created=stamp(c.created_at), project_id=c.job.id, number=c.number, status=c.status)
        row |= self._origin(c.job.company, "commitments", c.number, c.linked)
        row |= {
            "origin_code": c.number if c.linked and self.carries("commitments") else None,
            "title": c.title,
            "description": None,
            "vendor_id": c.vendor_id,
        }
        row |= {"accounting_method": "unit" if c.unit_accounting else "amount", "executed": c.executed, "private": False}
        row |= {"retainage_percent": text(c.retainage), "contract_date": c.contract_date.isoformat()}
        row |= {"execution_date": c.contract_date.isoformat() if c.executed else None, "currency_iso_code": c.currency}
        row |= {"stored_grand_total": None}
        if c.kind == SC:
            return row | {
                "contract_start_date": c.contract_date.isoformat(),
                "contract_estimated_completion_date": c.job.completion.isoformat(),
            }
        return row | {"delivery_date": None, "payment_terms": "Net 30"}

    @staticmethod
    def lines(c: Commitment) -> Iterator[Row]:
        job = c.job
        for line in c.lines:
            row = _row(line_id(c, line.position), c.updated_at, created=stamp(c.created_at), project_id=job.id)
            row |= {"parent_id": c.id, "contract_kind": KIND[c.kind]}
            yield row | _line_fields(job, line) | {"origin_id": None, "origin_data": None}

    def _jobs(self) -> Iterator[Job]:
        return (job for job in self.company.jobs() if job.linked)

    def _codes(self, job: Job) -> list[Code]:
        return [code for code in chain(self.company.codes(job), self.company.sub_codes(job)) if code.procore]


def blank(store: Store) -> Iterator[tuple[str, int]]:
    """A Procore company on its first day: the cost types it was opened with and an empty standard list, no external ids."""
    rows = ProcoreRows(Company(), linked=False)
    yield "line_item_types", load(store, "line_item_types", rows.cost_types())
    yield "standard_cost_code_lists", load(store, "standard_cost_code_lists", rows.standard_lists())


def load(store: Store, kind: str, rows: Iterable[Row]) -> int:
    """Hand the rows on one by one and count them."""
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    store.load(kind, counted())
    return count


def text(value: Decimal | None) -> str | None:
    """A decimal as plain text, with two places where they are enough."""
    if value is None:
        return None
    at_cents = value.quantize(CENT)
    return format(at_cents if at_cents == value else value, "f")


def _row(id: int, updated: Any, *, created: str | None = None, **columns: Any) -> Row:
    row: Row = {"id": id, "company_id": PROCORE_COMPANY, "project_id": None, "parent_id": None, "origin_id": None, "number": None}
    return row | {
        "status": None,
        "created_at": created or stamp(updated),
        "updated_at": stamp(updated),
        "deleted_at": None,
        **columns,
    }


def _line_fields(job: Job, line: Line) -> Row:
    """What the lines of all documents have (docs/procore-contract.md 3)."""
    return {
        "position": line.position,
        "description": line.text,
        "cost_code_id": code_id(job, line.code, line.sub_job),
        "line_item_type_id": TYPE_ID + TYPE_NUMBER[line.type],
        "wbs_code_id": wbs_id(job, line.code, line.type, line.sub_job),
        "extended_type": line.extended_type,
        "amount": text(line.amount),
        "quantity": text(line.quantity),
        "unit_cost": text(line.unit_cost),
        "uom": line.unit,
        "tax_code_id": TAX_CODE_IDS.get(line.tax_code or ""),
    }


def _company_fields(record: Any) -> Row:
    return {
        "name": record.name,
        "origin_code": record.code,
        "address": record.address,
        "city": record.city,
        "state_code": record.state,
        "country_code": "US",
        "zip": record.zip,
        "business_phone": record.phone,
        "email_address": f"office{record.id % 1_000_000}@example.com",
        "abbreviated_name": None,
        "trade_name": None,
    }
