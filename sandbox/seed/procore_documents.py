"""The documents of contracts as records of the Procore store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sandbox.clock import stamp
from sandbox.seed.billing import AnyDraw, Draw, Item
from sandbox.seed.changes import Change
from sandbox.seed.document_ids import PAYMENT_ID, Contract, contract_key, item_id, period_id, prime_line_id
from sandbox.seed.documents import JobDocuments, job_documents
from sandbox.seed.ids import line_id
from sandbox.seed.invoices import BILLING_DAY
from sandbox.seed.model import Commitment, Job
from sandbox.seed.names import SENT_AFTER
from sandbox.seed.payments import Part, Payment
from sandbox.seed.prime import Receipt
from sandbox.seed.prime_model import PRIME, PrimeContract
from sandbox.seed.procore import KIND, TAX_CODE_IDS, ProcoreRows, Row, Store, _line_fields, _row, load, text

CONTRACT_KIND = KIND | {PRIME: "prime_contracts"}
FIRST_MONTH, LAST_MONTH = 6, 10
"""Billing periods of 2026."""
KINDS = (
    *("billing_periods", "change_order_packages", "potential_change_orders", "change_lines", "requisitions", "prime_contracts"),
    *("contract_lines", "payment_applications", "contract_payments"),
)


class ProcoreDocuments(ProcoreRows):
    """Rows per kind, job by job."""

    def write_documents(self, store: Store) -> Iterator[tuple[str, int]]:
        totals = dict.fromkeys(KINDS, 0)
        for job in self._jobs():
            found = job_documents(self.company, job)
            for kind, rows in self._rows(found):
                totals[kind] += load(store, kind, rows)
        yield from totals.items()

    def _rows(self, found: JobDocuments) -> Iterator[tuple[str, Iterable[Row]]]:
        orders = [*found.changes, *found.prime_changes]
        yield "billing_periods", self.billing_periods(found.job)
        yield "change_order_packages", map(self.package, orders)
        yield "potential_change_orders", map(self.potential_change, orders)
        yield "change_lines", (row for change in orders for row in self.change_lines(change))
        yield "requisitions", map(self.requisition, found.invoices)
        if found.prime and found.prime.linked:
            yield "prime_contracts", [self.prime_contract(found.prime)]
            yield "contract_lines", self.prime_lines(found.prime)
            yield "payment_applications", map(self.payment_application, found.owner_invoices)
        yield "contract_payments", self.payments(found) if self.sent else ()

    @staticmethod
    def billing_periods(job: Job) -> Iterator[Row]:
        for month in range(FIRST_MONTH, LAST_MONTH + 1):
            first = date(2026, month, 1)
            last = date(2026, month + 1, 1) - timedelta(days=1)
            row = _row(
                period_id(job, month), job.updated_at, project_id=job.id, status="closed" if month == FIRST_MONTH else "open"
            )
            row |= {"start_date": first.isoformat(), "end_date": last.isoformat()}
            yield row | {"due_date": first.replace(day=BILLING_DAY).isoformat()}

    # -- change orders -------------------------------------------------------------------------------------------------

    def package(self, change: Change) -> Row:
        row = self._of_contract(change.id, change.contract, change, number=change.number, status=change.status)
        row |= self._origin(change.contract.job.company, _entity(change), change.key, change.linked)
        row |= {"origin_code": change.key if change.linked and self.carries(_entity(change)) else None}
        row |= {"revision": 0, "title": change.title, "description": None, "grand_total": None, "stored_grand_total": None}
        row |= {"reviewed_at": stamp(change.updated_at) if change.approved else None, "executed": change.approved}
        return row | {"due_date": None, "invoiced_date": None, "paid_date": None, "signed_change_order_received_date": None}

    def potential_change(self, change: Change) -> Row:
        row = self._of_contract(change.pco_id, change.contract, change, number=change.number, status=change.status)
        return row | {"package_id": change.id, "title": change.title, "origin_data": None}

    def change_lines(self, change: Change) -> Iterator[Row]:
        """Lines of the schedule of values, then mark-up, which has no cost key."""
        contract = change.contract
        ids: Row = {"package_id": change.id, "origin_id": None, "origin_data": None}
        for line in change.lines:
            row = _row(change.line_id(line.position), change.updated_at, project_id=contract.job.id, parent_id=change.pco_id)
            row |= _line_fields(contract.job, line) | ids
            yield row | {**_changed_line(change, line.position), "is_markup": False}
        if change.markup:
            position = len(change.lines) + 1
            row = _row(change.line_id(position), change.updated_at, project_id=contract.job.id, parent_id=change.pco_id)
            row |= {**_NO_COST_KEY, **ids, "position": position, "description": change.markup_text}
            yield row | {"amount": text(change.markup), "extended_type": "manual", "is_markup": True}

    # -- invoices ------------------------------------------------------------------------------------------------------

    def requisition(self, draw: Draw[Commitment]) -> Row:
        contract = draw.contract
        row = self._invoice(draw, "subcontractor_invoices", f"{contract.vendor}/{draw.number}")
        row |= {"requisition_start": row["period_start"], "requisition_end": row["period_end"], "vendor_id": contract.vendor_id}
        row |= {"move_materials": draw.moving, "final": False}
        row |= {"submitted_at": None if draw.status == "draft" else stamp(draw.created_at), "payment_date": None}
        return {name: value for name, value in row.items() if name not in ("period_start", "period_end")}

    def payment_application(self, draw: Draw[PrimeContract]) -> Row:
        return self._invoice(draw, "owner_invoices", draw.number)

    def _invoice(self, draw: AnyDraw, entity: str, key: str) -> Row:
        contract, month = draw.contract, draw.billing_date.month
        row = self._of_contract(draw.id, contract, draw, number=draw.sequence, status=draw.status, created=stamp(draw.created_at))
        row |= self._origin(contract.job.company, entity, key, draw.linked)
        row |= {"invoice_number": draw.own_number, "period_id": period_id(contract.job, month)}
        row |= {"previous_requisition_id": draw.previous_id}
        row |= {"billing_date": draw.billing_date.isoformat(), "period_start": date(2026, month, 1).isoformat()}
        row |= {"period_end": (date(2026, month + 1, 1) - timedelta(days=1)).isoformat()}
        row |= {
            "packages": [change.id for change in draw.changes],
            "stored_summary": {k: text(v) for k, v in draw.stated.items()},
        }
        return row | {"items": [_item(draw, index, item) for index, item in enumerate(draw.items, start=1)]}

    # -- prime contract ------------------------------------------------------------------------------------------------

    def prime_contract(self, prime: PrimeContract) -> Row:
        row = _row(prime.id, prime.updated_at + SENT_AFTER, project_id=prime.job.id, number=prime.number, status="Approved")
        row |= self._origin(prime.job.company, "prime_contracts", prime.number)
        row |= {"origin_code": prime.number if self.linked else None, "title": prime.title, "description": None}
        row |= {"vendor_id": prime.customer.id, "accounting_method": "amount", "executed": True, "private": False}
        row |= {"retainage_percent": text(prime.retainage), "contract_date": prime.contract_date.isoformat()}
        row |= {"execution_date": prime.contract_date.isoformat(), "currency_iso_code": prime.currency}
        return row | {"stored_grand_total": None}

    def prime_lines(self, prime: PrimeContract) -> Iterator[Row]:
        """Lines that we made carry our key and the ERP's line number."""
        origin = self._origin(prime.job.company, "prime_contracts", prime.number)["origin_id"]
        for line in prime.lines:
            row = _row(prime_line_id(prime, line.position), prime.updated_at + SENT_AFTER, project_id=prime.job.id)
            row |= {"parent_id": prime.id, "contract_kind": CONTRACT_KIND[PRIME], **_line_fields(prime.job, line)}
            yield row | {"origin_id": origin and f"{origin}#{line.position}", "origin_data": None}

    # -- payments ------------------------------------------------------------------------------------------------------

    def payments(self, found: JobDocuments) -> Iterator[Row]:
        """What the ERP paid and received, as far as it was sent: one payment per invoice."""
        numbers: Counter[int] = Counter()
        for payment in found.payments:
            for part in payment.parts if payment.linked else ():
                numbers[part.commitment.id] += 1
                yield self.payment_issued(payment, part, numbers[part.commitment.id])
        for sequence, receipt in enumerate((r for r in found.receipts if r.linked), start=1):
            yield self.payment_received(receipt, sequence)

    def payment_issued(self, payment: Payment, part: Part, sequence: int) -> Row:
        key = f"{payment.number}/{part.commitment.vendor}/{part.number}"
        sent = _Sent(part.commitment, sequence, payment.number, payment.paid, part.amount, part.number)
        return self._payment(sent, "payments_issued", key) | {"requisition_id": part.draw.id if part.draw else None}

    def payment_received(self, receipt: Receipt, sequence: int) -> Row:
        """It names its owner invoice by the number of the draw only (docs/procore-contract.md 13)."""
        draw = receipt.draw
        sent = _Sent(draw.contract, sequence, receipt.number, receipt.received, receipt.amount, draw.number)
        row = self._payment(sent, "payments_received", f"{receipt.number}/{draw.number}")
        return row | {"draw_request_number": draw.sequence}

    def _payment(self, sent: _Sent, entity: str, key: str) -> Row:
        contract = sent.contract
        moment = stamp(_noon(sent.paid))
        row = _row(PAYMENT_ID + contract_key(contract) * 1_000 + sent.sequence, _noon(sent.paid), created=moment)
        row |= {"project_id": contract.job.id, "parent_id": contract.id, "contract_kind": CONTRACT_KIND[contract.kind]}
        row |= self._origin(contract.job.company, entity, key) | {"status": "paid", "date": sent.paid.isoformat()}
        row |= {"amount": text(sent.amount), "invoice_number": sent.invoice, "check_number": sent.number, "notes": None}
        return row | {"payment_number": None, "draw_request_number": None, "requisition_id": None}

    @staticmethod
    def _of_contract(id: int, contract: Contract, document: Change | AnyDraw, **columns: object) -> Row:
        row = _row(id, document.updated_at, project_id=contract.job.id, parent_id=contract.id, **columns)  # type: ignore[arg-type]
        return row | {"contract_kind": CONTRACT_KIND[contract.kind]}


@dataclass(frozen=True, slots=True)
class _Sent:
    """A payment as Procore got it; ``sequence`` counts within the contract."""

    contract: Contract
    sequence: int
    number: str
    paid: date
    amount: Decimal
    invoice: str


_NO_COST_KEY: Row = dict.fromkeys(
    (
        *("cost_code_id", "line_item_type_id", "wbs_code_id", "quantity", "unit_cost", "uom", "tax_code_id"),
        *("commitment_line_item_id", "prime_line_item_id"),
    )
)


def _entity(change: Change) -> str:
    return "prime_change_orders" if change.contract.kind == PRIME else "commitment_change_orders"


def contract_line_id(contract: Contract, position: int) -> int:
    return prime_line_id(contract, position) if isinstance(contract, PrimeContract) else line_id(contract, position)


def _changed_line(change: Change, position: int) -> Row:
    """The line of the schedule of values that a line changes; a new line names none."""
    contract, changed = change.contract, change.changed_line(position)
    found = None if changed is None else contract_line_id(contract, changed)
    prime = contract.kind == PRIME
    return {"commitment_line_item_id": None if prime else found, "prime_line_item_id": found if prime else None}


def _item(draw: AnyDraw, index: int, item: Item) -> Row:
    """One row of the G703, under the names of the API."""
    contract, change = draw.contract, item.change
    _, position = item.key
    row: Row = {"id": item_id(contract, draw.sequence, index), "position": index}
    if change is None:
        row |= {"item_type": "contract_item", "line_item_id": contract_line_id(contract, position)}
        row |= {"change_order_package_id": None, "commitment_line_item_id": None}
    else:
        changed = _changed_line(change, position)["commitment_line_item_id"]
        row |= {"item_type": "change_order_item", "line_item_id": change.line_id(position)}
        row |= {"change_order_package_id": change.id, "commitment_line_item_id": changed}
    figures = {
        "scheduled_value": item.line.amount,
        "work_completed_from_previous_application": item.previous,
        "work_completed_this_period": item.work,
        "materials_moved": item.moved,
        "materials_presently_stored": item.stored,
        "materials_presently_stored_from_previous_progress": item.stored_before,
        "work_completed_retainage_from_previous_application": item.retained_previous,
        "work_completed_retainage_retained_this_period": item.retained_work,
        "work_completed_retainage_released_this_period": item.released,
        "materials_stored_retainage_currently_retained": item.retained_stored,
        "materials_stored_retainage_released_this_period": Decimal("0.00"),
        "materials_retainage_retained_moved": item.retained_moved,
    }
    taxes = (
        [{"tax_code_id": TAX_CODE_IDS[item.line.tax_code], "amount": text(item.tax)}] if item.line.tax_code and item.tax else []
    )
    return row | {name: text(value) for name, value in figures.items()} | {"taxes": taxes}


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
