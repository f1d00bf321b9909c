"""Invoices: subcontractors' requisitions and payment applications to the owner (docs/domain-rules.md 2.6, rules I-01 to I-10,
P-03). What a bill is stands in ``billing``, what both kinds are asked in ``judging.invoices``."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal, cast

from include.financials.billing import Invoice
from include.financials.entities.changes import COMMITMENT_CHANGE_ORDER, PRIME_CHANGE_ORDER
from include.financials.entities.commitments import COMMITMENT
from include.financials.entities.primes import PRIME_CONTRACT
from include.financials.entity import Entity
from include.financials.judging.invoices import InvoiceFacts, InvoiceRow
from include.financials.judging.rules import Rule
from include.financials.judging.shared import NUMBER_TWICE, OF_PROCORE, PEOPLE, PLACED, altered, field_fault
from include.financials.judging.subject import Subject
from include.financials.record import COST_CODES, COST_TYPES, PERIODS, PROJECTS, VENDORS, Record, Text, contract_of
from include.financials.statuses import CLOSED, FUTURE, OPEN, POSTED, SOFT_CLOSED, VOID
from include.financials.ties import (
    Tie,
    own_earned,
    own_gross,
    own_retainage,
    per_cost_key,
    per_document,
    per_line,
    to_date,
)

# -- models ---------------------------------------------------------------------------------------------------------------------


class SubcontractorInvoice(Invoice):
    """A requisition. ``pay_hold``: in the ERP, whether its payment is held back (rule I-09)."""

    entity = "subcontractor_invoices"

    commitment: Text
    vendor: str | None
    pay_hold: bool = False

    @property
    def natural_key(self) -> str:
        """A vendor's invoice number is his own."""
        return f"{self.vendor}/{self.number}"


class OwnerInvoice(Invoice):
    """A payment application."""

    entity = "owner_invoices"

    prime_contract: Text
    customer: str | None = None


class Period(Record):
    """A period of a module's calendar (AP, AR, JC, GL) in the ERP; read only, for rule I-05. ``number`` is ``2026-07``.
    That of the general ledger holds for modules that have none."""

    entity = PERIODS
    statuses = (OPEN, SOFT_CLOSED, CLOSED, FUTURE)

    module: Text
    first_day: date
    last_day: date
    status: Literal["open", "soft_closed", "closed", "future"]


# -- facts ----------------------------------------------------------------------------------------------------------------------


class SubcontractorInvoiceRow(InvoiceRow):
    pay_held: str | None
    vendor_unknown: str | None
    vendor_problem: str
    vendor_way: str


class SubcontractorInvoiceFacts(InvoiceFacts):
    row: ClassVar[type] = SubcontractorInvoiceRow
    module = "AP"
    changes = COMMITMENT_CHANGE_ORDER.name

    def header(self, subject: Subject, approved: bool) -> SubcontractorInvoiceRow:
        own, record = cast(SubcontractorInvoice, subject.own), cast(SubcontractorInvoice, subject.record)
        head = super().header(subject, approved)
        unknown = head["fresh"] and self.books.vendor(own.vendor) is None
        problem, way = self.books.no_vendor(own.vendor)
        return {
            **head,
            "pay_held": record.vendor if head["fresh"] and record.pay_hold else None,
            "vendor_unknown": self.books.name(VENDORS, own.vendor) if unknown else None,
            "vendor_problem": problem,
            "vendor_way": way,
        }

    def _more(self, own: Invoice) -> dict[str, Any]:
        """Whether its payment is held (rule I-09)."""
        vendor = self.books.vendor(cast(SubcontractorInvoice, own).vendor)
        return {"pay_hold": vendor is not None and vendor.hold != "none"}


class OwnerInvoiceFacts(InvoiceFacts):
    module = "AR"
    changes = PRIME_CHANGE_ORDER.name
    born = "erp"

    def _more(self, own: Invoice) -> dict[str, Any]:
        """Whom it is sent to: the owner of its contract."""
        link = self.references.link(self.contracts, contract_of(own))
        contract = self.books.document(self.contracts, link.company, link.erp_key) if link else None
        return {"customer": getattr(contract, "customer", None)}


# -- rows -----------------------------------------------------------------------------------------------------------------------

_CONTENT = ("number", "billing_date", "amount", "held", "released", "tax", "lines")
_COST = {"lines.cost_code": COST_CODES, "lines.cost_type": COST_TYPES}
_INSTEAD = (
    "Put it back and correct it with the next invoice of the contract; or void it in the ERP, end the link ({unlink}) and give "
    "it a new number: then it is sent anew."
)

_FIRST = (*OF_PROCORE, field_fault("I-04"), altered(_INSTEAD), *PEOPLE, *PLACED)
_STATUS_BACK = Rule(
    "I-10", "status_back", "absent", "conflict",
    "Invoice {number} was sent, and is {status_back} in Procore now. Approve it again, or void {erp_key} in the ERP.",
)  # fmt: skip
_CHANGE_WAITING = Rule(
    "I-01", "change_waiting", "absent", "held",
    "Invoice {number} waits for change order {change_waiting} of {contract}.", waits_for="change order {change_waiting}",
    refers=True,
)  # fmt: skip
_SEQUENCE = (
    Rule("I-03", "sequence_kept", "true", "held",
         "Invoice {number} is number {sequence} of {contract}; number {sequence_before} is not linked. Send that one first"
         "{opening_offered}.", waits_for="invoice {sequence_before} of {contract}"),
    Rule("I-03", "billed_unread", "absent", "held",
         "Invoice {number} is number {sequence} of {contract}, and {billed_unread}: what was billed before it is not known. "
         "Nothing is billed on {contract} until that is corrected there.", waits_for="what the ERP has billed on {contract}"),
    Rule("I-03", "billed_before", "absent", "held",
         "Invoice {number} is number {sequence} of {contract}: {billed_before} was billed before it, the ERP has "
         "{erp_billed}. {billed_by}", waits_for="what the ERP has billed on {contract}"),
    Rule("I-04", "number_in_erp", "absent", "quarantined",
         "Invoice number {number} is in the ERP already ({number_in_erp}). Correct the number; if the two are "
         "one, make them agree, and they are proposed as one."),
)  # fmt: skip
_LAST = (
    Rule("I-05", "date_missing", "absent", "quarantined", "Invoice {number} has no billing date."),
    Rule("I-05", "period_unread", "absent", "held",
         "Invoice {number} ({net}) waits: {period_unread}, and whether it is open is not known. Correct it there.",
         waits_for="the period of invoice {number}"),
    Rule("I-05", "period_refused", "absent", "quarantined",
         "Period {period_refused} is closed, and the posting policy is to reject. Give invoice {number} ({net}) another "
         "billing date, or reopen the period."),
    Rule("I-05", "period_closed", "absent", "held",
         "Period {period_closed} is closed. Invoice {number} ({net}) waits; allow posting to {next_open} or reopen "
         "the period.",
         waits_for="period {period_closed}"),
    Rule("I-06", "unplaced", "absent", "quarantined",
         "Invoice {number} item {unplaced}: it belongs to no line of {contract} that is known."),
    Rule("I-07", "gross_odd", "absent", "quarantined",
         "Invoice {number} line {gross_odd}: {gross_by_balance} by balances, {gross_by_movement} by movements. "
         "Stored materials are probably counted twice."),
    Rule("I-06", "completed_odd", "absent", "quarantined",
         "Invoice {number}: items add up to {completed_items}, the summary says {completed_odd} (completed and stored)."),
    Rule("I-08", "retainage_cents", "zero", "quarantined",
         "Invoice {number}: retainage {retainage} does not follow from {retainage_before} + {retainage_held} - "
         "{retainage_released}."),
    Rule("I-08", "released_too_much", "absent", "quarantined",
         "Invoice {number} releases {released_too_much}, more than is retained."),
    Rule("I-09", "overbilled", "absent", "linked",
         "Invoice {number} bills {contract} to {overbilled}. Loaded; please check.", severity="warning"),
)  # fmt: skip

SUBCONTRACTOR_INVOICE = Entity(
    SubcontractorInvoice,
    label="subcontractor invoice",
    stage=4,
    direction="procore_to_erp",
    content=("commitment", "vendor", *_CONTENT),
    references={
        "project": PROJECTS, "commitment": COMMITMENT.name, "vendor": VENDORS,
        "items.change_order": COMMITMENT_CHANGE_ORDER.name, **_COST,
    },
    contract="commitment",
    twins=(("vendor", "number"),),
    frozen=("commitment", "vendor", *_CONTENT),
    project_scoped=True,
    document=True,
    sequence="sequence",
    tool="Subcontractor Invoices",
    final=(POSTED, VOID),
    facts=SubcontractorInvoiceFacts,
    field_rule="I-04",
    instead=_INSTEAD,
    rules=(
        *_FIRST,
        _STATUS_BACK,
        Rule("I-01", "contract_problem", "absent", "held",
             "Invoice {number} waits for {contract}, which {contract_problem}.", waits_for="commitments {contract}", refers=True),
        Rule("I-01", "contract_over", "absent", "held",
             "Invoice {number} ({net}) waits: {contract} is {contract_over} in the ERP and takes no more. Reopen it there, or "
             "take the invoice back in Procore.", waits_for="the reopening of {contract}"),
        _CHANGE_WAITING,
        Rule("M-02", "vendor_unknown", "absent", "held",
             "Invoice {number}: vendor {vendor_unknown} {vendor_problem}. {net} waits. {vendor_way}",
             waits_for="vendors {vendor_unknown}", refers=True),
        *_SEQUENCE,
        Rule("I-04", "number_twice", "absent", "quarantined",
             "Invoice number {number} is used twice by its vendor in Procore ({number_twice})."),
        *_LAST,
        Rule("I-09", "pay_held", "absent", "linked",
             "Invoice {number}: vendor {pay_held} is on hold; loaded with the ERP's pay hold.", severity="warning"),
    ),
    ties=(
        Tie("T-10", per_document("amount")),
        Tie("T-10", per_line(), ("lines.key",)),
        Tie("T-11", to_date("completed", own_gross, posted=True, label="billed"), balance=True),
        Tie("T-11", per_cost_key(posted=True), ("lines",)),
        Tie("T-12", per_document("held", "released"), ("held", "released")),
        Tie("T-12", to_date("retainage", own_retainage, label="retainage"), ("held", "released"), balance=True),
    ),
)  # fmt: skip

OWNER_INVOICE = Entity(
    OwnerInvoice,
    label="owner invoice",
    stage=4,
    direction="procore_to_erp",
    content=("prime_contract", *_CONTENT),
    references={
        "project": PROJECTS, "prime_contract": PRIME_CONTRACT.name, "items.change_order": PRIME_CHANGE_ORDER.name, **_COST,
    },
    contract="prime_contract",
    twins=(("number",),),
    frozen=("prime_contract", *_CONTENT),
    project_scoped=True,
    document=True,
    sequence="sequence",
    final=(POSTED, VOID),
    facts=OwnerInvoiceFacts,
    field_rule="I-04",
    instead=_INSTEAD,
    rules=(
        *_FIRST,
        NUMBER_TWICE,
        _STATUS_BACK,
        Rule("P-03", "contract_problem", "absent", "held",
             "Owner invoice {number} waits for prime contract {contract}, which {contract_problem}.",
             waits_for="prime_contracts {contract}", refers=True),
        Rule("P-03", "contract_over", "absent", "held",
             "Owner invoice {number} ({net}) waits: prime contract {contract} is {contract_over} in the ERP and takes no more. "
             "Reopen it there, or take the invoice back in Procore.", waits_for="the reopening of {contract}"),
        _CHANGE_WAITING,
        *_SEQUENCE,
        *_LAST,
    ),
    ties=(
        Tie("T-21", per_document("amount")),
        Tie("T-21", per_document("held", "released"), ("held", "released")),
        Tie("T-21", to_date("completed", own_gross, label="completed"), balance=True),
        Tie("T-21", to_date("earned", own_earned, label="earned"), ("held", "released"), balance=True),
    ),
)  # fmt: skip

ENTITIES = (SUBCONTRACTOR_INVOICE, OWNER_INVOICE)
