"""Direct costs: what the ERP's job cost has beyond commitments (docs/domain-rules.md 2.4, rules D-01 to D-05)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, cast

from include.financials.entities.invoices import SUBCONTRACTOR_INVOICE, SubcontractorInvoice
from include.financials.entity import Entity
from include.financials.identity import code
from include.financials.judging.costs import CostFacts, CostRow, back_in_erp
from include.financials.judging.rules import Rule
from include.financials.judging.shared import (
    ADOPTED,
    ALIKE_DOCUMENTS,
    CODE_MISSING,
    JOB_LINKED,
    LEFT_OUT,
    LINE_TWICE,
    PARENT_GONE,
    PEOPLE,
    SEEN,
    WHOSE,
    altered,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.money import cents, text, total
from include.financials.port import told
from include.financials.record import COST_CODES, COST_TYPES, PROJECTS, VENDORS, Line, Money, Record, Text
from include.financials.statuses import POSTED, UNPOSTED, VOID
from include.financials.ties import Tie, per_cost_key

# -- model ----------------------------------------------------------------------------------------------------------------------

CostKind = Literal["invoice", "expense", "payroll", "subcontractor_invoice"]


class DirectCost(Record):
    """A transaction of job cost that no commitment covers. ``number`` is the ERP's transaction number.

    ``commitment`` is the commitment whose cost it is (then it is not sent, rule D-02); ``reverses`` the transaction it undoes.
    """

    entity = "direct_costs"
    statuses = (UNPOSTED, POSTED, VOID)
    line = Line

    project: Text
    kind: CostKind
    vendor: str | None = None
    invoice_number: str | None = None
    description: str | None = None
    cost_date: date | None = None
    posting_date: date | None = None
    status: Literal["unposted", "posted", "void"] = "posted"
    currency: str | None = None
    commitment: str | None = None
    reverses: str | None = None
    amount: Money
    lines: tuple[Line, ...] = ()


# -- facts ----------------------------------------------------------------------------------------------------------------------


class DirectCostRow(CostRow):
    vendor_missing: str | None
    code_missing: str | None
    lines_sum: str | None
    difference_cents: int
    date_missing: bool | None
    invoice_number: str
    perhaps_covered: str | None
    covered_unread: str | None
    void_since: str | None
    unposted_since: str | None
    status_there: str | None


class Billed(NamedTuple):
    """What a cost is compared with of an invoice of a commitment that the ERP has."""

    number: str
    commitment: str
    vendor: str | None
    project: str
    status: str
    coded: frozenset[tuple[str | None, str | None]]

    @classmethod
    def of(cls, record: Record) -> Billed:
        bill = cast(SubcontractorInvoice, record)
        return cls(bill.number, bill.commitment, bill.vendor, bill.project, bill.status, _coded(bill))


class DirectCostFacts(CostFacts):
    row: ClassVar[type] = DirectCostRow

    def skip(self, subject: Subject) -> str | None:
        """Rules D-01 and D-02: what is not posted is not due, and what a commitment covers is counted there."""
        record = cast(DirectCost, subject.record)
        if record.status != POSTED:
            return f"{record.number} is {record.status} in the ERP"
        if covered := self._covered(subject.company, record):
            return f"{record.number} is cost of commitment {covered} and is not sent as a direct cost"
        return None

    def header(self, subject: Subject, approved: bool) -> DirectCostRow:
        record = cast(DirectCost, subject.record)
        lines = total(line.amount for line in record.lines)
        return {
            **super().header(subject, approved),
            "vendor_missing": self._vendor_missing(subject.company, record),
            "code_missing": self.code_missing(subject.company, record.lines),
            "lines_sum": text(lines),
            "difference_cents": cents(lines - record.amount),
            "date_missing": record.cost_date is None or None,
            "invoice_number": record.invoice_number or "none",
            "perhaps_covered": self._perhaps_covered(subject),
            "covered_unread": self._covered_unread(subject),
            **back_in_erp(subject, record.number),
            "status_there": self.not_counted(subject),
        }

    def _vendor_missing(self, company: str, record: DirectCost) -> str | None:
        if record.vendor is None:
            return "no vendor" if record.kind == "invoice" else None
        return None if self.books.links(VENDORS).find(company, record.vendor) else f"vendor {record.vendor}"

    @cached_property
    def _billed(self) -> dict[tuple[str, str | None, str], list[Billed]]:
        """Invoices of commitments that the ERP has, by (company, vendor, invoice number): several where two vendors of one number
        were merged."""
        found: dict[tuple[str, str | None, str], list[Billed]] = defaultdict(list)
        for (company, _), one in self.books.made_of(SUBCONTRACTOR_INVOICE.name, Billed.of, {}).items():
            if one.status != VOID:
                found[company, one.vendor, code(one.number)].append(one)
        return found

    def _of_its_number(self, company: str, record: DirectCost) -> list[Billed]:
        """Invoices of the vendor that have the number which the cost names. A vendor that others were merged into may have used
        it twice: of those on another job it is not the cost."""
        billed = self._billed.get((company, record.vendor, code(record.invoice_number or "")), [])
        return [one for one in billed if not self._merged(company, record) or one.project == record.project]

    def _merged(self, company: str, record: DirectCost) -> bool:
        return record.vendor is not None and bool(self.books.sync.mergers.others(company, record.vendor))

    def _covered(self, company: str, record: DirectCost) -> str | None:
        """The commitment that this cost belongs to: it is billed there, and must not be counted twice (rule D-02)."""
        if record.commitment is not None:
            return record.commitment
        merged = self._merged(company, record)
        for billed in self._of_its_number(company, record):
            if not merged or _coded(record) <= billed.coded:
                return f"{billed.commitment} (invoice {billed.number})"
        return None

    def _perhaps_covered(self, subject: Subject) -> str | None:
        """A merged vendor has the number on an invoice of this job, for other cost: perhaps the same one, perhaps not."""
        record = cast(DirectCost, subject.record)
        if subject.match.how != "none" or self._covered(subject.company, record):
            return None
        return next(
            (f"{one.number} of commitment {one.commitment}" for one in self._of_its_number(subject.company, record)), None
        )

    def _covered_unread(self, subject: Subject) -> str | None:
        """An invoice of a commitment that cannot be read in the ERP, and is perhaps what the cost names."""
        record = cast(DirectCost, subject.record)
        number, vendor = code(record.invoice_number or ""), record.vendor
        if subject.match.how != "none" or not number or vendor is None:
            return None
        for bad in self.books.unread_documents(SUBCONTRACTOR_INVOICE.name, subject.company):
            if bad.shown.get("vendor", vendor) == vendor and code(bad.shown.get("number", number) or "") == number:
                return told(bad, "erp", SUBCONTRACTOR_INVOICE.label)
        return None


def _coded(record: DirectCost | SubcontractorInvoice) -> frozenset[tuple[str | None, str | None]]:
    return frozenset((line.cost_code, line.cost_type) for line in record.lines)


# -- who is who -----------------------------------------------------------------------------------------------------------------

_INVOICED = "vendor+invoice_number"
"""A key without an amount: a vendor's invoice is one, with its tax or without, and its parts may be costs of their own."""


def rivals(
    record: Record, key: str, candidates: list[Record], twins: dict[str, Record], _: Mapping[str, str]
) -> tuple[list[Record], dict[str, Record]]:
    """What is told apart by the amount of a vendor's invoice is one cost of several, and somebody's already."""
    if key != _INVOICED:
        return candidates, twins
    if not any(one.isdecimal() for one in cast(DirectCost, record).invoice_number or ""):
        return [], {}  # N/A, misc: no number
    known = {cast(DirectCost, twin).amount for twin in twins.values()}
    return [one for one in candidates if cast(DirectCost, one).amount not in known], twins


# -- row ------------------------------------------------------------------------------------------------------------------------

_INSTEAD = "Put it back, and correct it in the ERP with a reversal and a new entry."

DIRECT_COST = Entity(
    DirectCost,
    label="direct cost",
    stage=2,
    direction="erp_to_procore",
    content=("kind", "vendor", "invoice_number", "description", "cost_date", "amount", "lines"),
    references={"project": PROJECTS, "vendor": VENDORS, "lines.cost_code": COST_CODES, "lines.cost_type": COST_TYPES},
    identity=("vendor+invoice_number+amount", _INVOICED, "kind+cost_date+description+amount"),
    rivals=rivals,
    twins=(("vendor", "invoice_number"), ("kind", "cost_date", "description", "amount")),
    frozen=("kind", "vendor", "invoice_number", "description", "cost_date", "amount", "lines"),
    project_scoped=True,
    document=True,
    later=("amount", "lines"),
    beside=("subcontractor_invoices",),
    lists=2,
    not_counted={UNPOSTED: "not approved"},
    facts=DirectCostFacts,
    field_rule="D-04",
    instead=_INSTEAD,
    rules=(
        *WHOSE,
        LEFT_OUT,
        PARENT_GONE,
        *SEEN,
        LINE_TWICE,
        ADOPTED,
        field_fault("D-04"),
        Rule("D-05", "void_since", "absent", "conflict",
             "Job cost {void_since} was voided in the ERP after it was sent. Expected a reversal: post it there, and it is "
             "sent as a cost of its own."),
        Rule("D-05", "unposted_since", "absent", "conflict",
             "Job cost {unposted_since} was posted and sent, and is unposted in the ERP again. Post it there, or reverse it."),
        Rule("D-05", "status_there", "absent", "conflict",
             "Job cost {number} is posted in the ERP, and is {status_there} in Procore any more. Approve it there again."),
        altered(_INSTEAD),
        ALIKE_DOCUMENTS,
        *PEOPLE,
        JOB_LINKED,
        Rule("D-03", "vendor_missing", "absent", "held",
             "Job cost {number} waits: {vendor_missing} is not in Procore yet.", waits_for="{vendor_missing}", refers=True),
        CODE_MISSING,
        Rule("D-02", "perhaps_covered", "absent", "held",
             "Job cost {number} names invoice {invoice_number}. Its vendor was merged in the ERP and has billed invoice "
             "{perhaps_covered}, for other cost codes: whether it is the same invoice is not certain, and what is billed is not "
             "sent twice. {amount} waits. Name the commitment on the transaction, or give one of the two invoices another "
             "number.",
             waits_for="invoice {invoice_number}"),
        Rule("D-02", "covered_unread", "absent", "held",
             "Job cost {number} names invoice {invoice_number}, and {covered_unread}: whether the cost is billed there is not "
             "known, and nothing is counted twice. {amount} waits until that is corrected.",
             waits_for="invoice {invoice_number}"),
        Rule("D-04", "difference_cents", "zero", "quarantined",
             "Job cost {number}: lines {lines_sum} do not add up to {amount}."),
        Rule("D-01", "date_missing", "absent", "quarantined", "Job cost {number} has no date."),
    ),
    ties=(Tie("T-18", per_cost_key(), ("lines",)),),
)  # fmt: skip

ENTITIES = (DIRECT_COST,)
