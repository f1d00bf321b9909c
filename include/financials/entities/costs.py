"""Facts of ERP-born documents: direct costs (D-01 to D-05), payments (Y-01 to Y-04), prime contracts (P-01, J-04)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

from include.financials.books import Books
from include.financials.entities import Entity
from include.financials.facts import Row, Subject, altered, limits_fault
from include.financials.figures import contract_of
from include.financials.identity import code
from include.financials.models import DirectCost, Payment, PaymentIssued, PrimeContract, SubcontractorInvoice
from include.financials.money import cents, text, total
from include.financials.port import Capability
from include.financials.statuses import ENDED_IN_PROCORE, NOT_AGREED, OPEN, POSTED, UNPOSTED, VOID


class CostFacts:
    """One row per document; the references are looked for in Procore by way of the links."""

    def __init__(self, books: Books, row: Entity) -> None:
        self.books, self.row = books, row
        self.more: Callable[[Subject], Row] = {
            "direct_costs": self._direct_cost,
            "payments_issued": self._payment,
            "payments_received": self._payment,
            "prime_contracts": self._prime_contract,
        }[row.name]

    def __call__(self, books: Books, subject: Subject, capability: Capability) -> Row:
        record: Any = subject.record
        project = books.links("projects").find(subject.company, record.project)
        fault = limits_fault(record, capability, ("number", "title", "description", "invoice_number"), "Procore")
        return {
            "project": record.project,
            "project_linked": project is not None,
            "amount": text(record.amount),
            "altered": altered(self.row, subject),
            "field_fault": fault,
            **self.more(subject),
        }

    # -- direct costs ---------------------------------------------------------------------------------------------------------

    def _direct_cost(self, subject: Subject) -> Row:
        record = cast(DirectCost, subject.record)
        lines = total(line.amount for line in record.lines)
        return {
            "vendor_missing": self._vendor_missing(subject.company, record),
            "code_missing": self._code_missing(subject.company, record),
            "lines_sum": text(lines),
            "difference_cents": cents(lines - record.amount),
            "date_missing": record.cost_date is None or None,
            "invoice_number": record.invoice_number or "none",
            "perhaps_covered": self._perhaps_covered(subject),
            **_back_in_erp(subject, record.number),
            "status_there": not_counted(self.row.name, _status_there(subject)),
        }

    def _vendor_missing(self, company: str, record: DirectCost) -> str | None:
        if record.vendor is None:
            return "no vendor" if record.kind == "invoice" else None
        return None if self.books.links("vendors").find(company, record.vendor) else f"vendor {record.vendor}"

    def _code_missing(self, company: str, record: DirectCost | PrimeContract) -> str | None:
        codes, types = self.books.links("cost_codes"), self.books.links("cost_types")
        for line in record.lines:
            if line.cost_code is None or codes.find(company, line.cost_code) is None:
                return f"code {line.cost_code}"
            if line.cost_type is None or types.find(company, line.cost_type) is None:
                return f"cost type {line.cost_type}"
        return None

    @cached_property
    def _billed(self) -> dict[tuple[str, str | None, str], list[SubcontractorInvoice]]:
        """Invoices of commitments that the ERP has, by (company, vendor, invoice number): several where two vendors of one number
        were merged."""
        found: dict[tuple[str, str | None, str], list[SubcontractorInvoice]] = defaultdict(list)
        for (company, _), record in self.books.documents("subcontractor_invoices").items():
            if isinstance(record, SubcontractorInvoice) and record.status != VOID:
                found[company, record.vendor, code(record.number)].append(record)
        return found

    def _of_its_number(self, company: str, record: DirectCost) -> list[SubcontractorInvoice]:
        """Invoices of the vendor that have the number which the cost names. A vendor that others were merged into may have used
        it twice: of those on another job it is not the cost."""
        billed = self._billed.get((company, record.vendor, code(record.invoice_number or "")), [])
        return [one for one in billed if not self._merged(company, record) or one.project == record.project]

    def _merged(self, company: str, record: DirectCost) -> bool:
        return record.vendor is not None and bool(self.books.sync.mergers.others(company, record.vendor))

    def covered(self, company: str, record: DirectCost) -> str | None:
        """The commitment that this cost belongs to: it is billed there, and must not be counted twice (rule D-02)."""
        if record.commitment is not None:
            return record.commitment
        merged = self._merged(company, record)
        for billed in self._of_its_number(company, record):
            if not merged or _coded(record) <= _coded(billed):
                return f"{billed.commitment} (invoice {billed.number})"
        return None

    def _perhaps_covered(self, subject: Subject) -> str | None:
        """A merged vendor has the number on an invoice of this job, for other cost: perhaps the same one, perhaps not."""
        record = cast(DirectCost, subject.record)
        if subject.match.how != "none" or self.covered(subject.company, record):
            return None
        return next(
            (f"{one.number} of commitment {one.commitment}" for one in self._of_its_number(subject.company, record)), None
        )

    # -- payments -------------------------------------------------------------------------------------------------------------

    def _payment(self, subject: Subject) -> Row:
        record = cast(Payment, subject.record)
        contracts = "commitments" if isinstance(record, PaymentIssued) else "prime_contracts"
        contract = self.books.links(contracts).find(subject.company, contract_of(record) or "")
        invoices = "subcontractor_invoices" if isinstance(record, PaymentIssued) else "owner_invoices"
        invoice = record.invoice is not None and self.books.links(invoices).find(subject.company, record.invoice)
        # What our mark is on already was sent with all it names; without an invoice the ERP says of none.
        settled = subject.match.how == "link" or (subject.match.how != "none" and record.invoice is None)
        return {
            "contract": contract_of(record),
            "contract_linked": contract is not None,
            "invoice_number": record.invoice_number or "none",
            "invoice_linked": bool(invoice) or settled,
            **_back_in_erp(subject, record.payment_number),
            "procore_id": subject.procore_id,
        }

    # -- prime contracts ------------------------------------------------------------------------------------------------------

    def _prime_contract(self, subject: Subject) -> Row:
        record = cast(PrimeContract, subject.record)
        owner = record.customer and self.books.links("customers").find(subject.company, record.customer)
        difference = record.amount - total(line.amount for line in record.lines)
        return {
            "customer": record.customer or "none",
            "void_since": record.number if record.status == VOID and subject.match.how != "none" else None,
            "void_there": not_counted(self.row.name, _status_there(subject)) if record.status != VOID else None,
            "owner_linked": bool(owner),
            "code_missing": self._code_missing(subject.company, record),
            "lines_sum": text(record.amount - difference),
            "difference_cents": cents(difference),
        }


def _coded(record: DirectCost | SubcontractorInvoice) -> set[tuple[str | None, str | None]]:
    return {(line.cost_code, line.cost_type) for line in record.lines}


def not_counted(entity: str, status: str | None) -> str | None:
    """Status of Procore's counterpart of an ERP-born document if that counts for nothing there: a contract that is over or not
    agreed on any more, a cost that is not approved."""
    if entity == "prime_contracts":
        return status if status in (*ENDED_IN_PROCORE, *NOT_AGREED) else None
    return "not approved" if entity == "direct_costs" and status == UNPOSTED else None


def _status_there(subject: Subject) -> str | None:
    """Status of Procore's record, unless an earlier try left it half made."""
    match = subject.match
    pending = match.link is not None and match.link.status == "pending"
    return None if match.how == "none" or pending else getattr(match.target, "status", None)


def _back_in_erp(subject: Subject, number: str) -> Row:
    """What became of a document in the ERP that was posted when it was sent."""
    status = getattr(subject.record, "status", None) if subject.match.how != "none" else None
    return {"void_since": number if status == VOID else None, "unposted_since": number if status == UNPOSTED else None}


def not_due(facts: CostFacts | None, subject: Subject) -> str | None:
    """Why an ERP-born document that Procore does not have is not sent (rules D-01, D-02, Y-04)."""
    record: Any = subject.record
    if isinstance(record, DirectCost | Payment) and record.status != POSTED:
        return f"{record.number} is {record.status} in the ERP"
    if isinstance(record, Payment) and not record.amount:
        return f"{record.number} pays nothing"
    if isinstance(record, PrimeContract) and record.status != OPEN:
        return f"prime contract {record.number} is {record.status} in the ERP"
    if isinstance(record, DirectCost) and facts is not None and (covered := facts.covered(subject.company, record)):
        return f"{record.number} is cost of commitment {covered} and is not sent as a direct cost"
    return None
