"""Payments: what the ERP paid on invoices of subcontractors, and received on those of the owner (docs/domain-rules.md 2.7,
rules Y-01 to Y-04)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal, cast

from include.financials.entities.commitments import COMMITMENT
from include.financials.entities.invoices import OWNER_INVOICE, SUBCONTRACTOR_INVOICE
from include.financials.entities.primes import PRIME_CONTRACT
from include.financials.entity import Entity
from include.financials.identity import payment_number
from include.financials.judging.costs import CostFacts, CostRow, back_in_erp
from include.financials.judging.rules import Rule
from include.financials.judging.shared import (
    ADOPTED,
    ALIKE_DOCUMENTS,
    JOB_LINKED,
    LEFT_OUT,
    PARENT_GONE,
    PEOPLE,
    SEEN,
    WHOSE,
    altered,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.money import text
from include.financials.record import PROJECTS, Figures, Money, Record, Text, Whole, contract_of
from include.financials.statuses import POSTED, UNPOSTED, VOID
from include.financials.ties import Tie, paid

# -- models ---------------------------------------------------------------------------------------------------------------------


class Payment(Record):
    """One payment on one invoice: a check over several invoices is several of these (rule Y-03). ``number`` is
    ``{payment}/{invoice number}``."""

    statuses = (UNPOSTED, POSTED, VOID)

    project: Text
    payment_number: Text
    method: Literal["check", "electronic", "credit_card"] | None = None
    pay_date: date | None = None
    status: Literal["unposted", "posted", "void"] = "posted"
    currency: str | None = None
    invoice: str | None
    """The invoice it pays; None where the payment names none that its side knows."""
    invoice_number: str | None = None
    amount: Money
    discount: Money = Decimal("0.00")

    def figures(self) -> Figures:
        own = {"contract": contract_of(self), "invoice": self.invoice, "discount": text(self.discount)}
        return super().figures() | own


class PaymentIssued(Payment):
    entity = "payments_issued"

    commitment: Text


class PaymentReceived(Payment):
    """``draw_number``: the sequence of the owner invoice it pays, which is all that Procore keeps of it."""

    entity = "payments_received"

    prime_contract: Text
    draw_number: Whole | None = None


# -- facts ----------------------------------------------------------------------------------------------------------------------


class PaymentRow(CostRow):
    contract: str | None
    contract_linked: bool
    invoice_number: str
    invoice_linked: bool
    void_since: str | None
    unposted_since: str | None
    procore_id: str | None


class PaymentFacts(CostFacts):
    row: ClassVar[type] = PaymentRow
    invoices: ClassVar[str]
    """Entity of the invoices that it pays."""

    def skip(self, subject: Subject) -> str | None:
        """Rule Y-04."""
        record = cast(Payment, subject.record)
        if record.status != POSTED:
            return f"{record.number} is {record.status} in the ERP"
        return None if record.amount else f"{record.number} pays nothing"

    def header(self, subject: Subject, approved: bool) -> PaymentRow:
        record = cast(Payment, subject.record)
        contract = self.books.links(self.entity.contracts).find(subject.company, contract_of(record) or "")
        invoice = record.invoice is not None and self.books.links(self.invoices).find(subject.company, record.invoice)
        # What our mark is on already was sent with all it names; without an invoice the ERP says of none.
        settled = subject.match.how == "link" or (subject.match.how != "none" and record.invoice is None)
        return {
            **super().header(subject, approved),
            "contract": contract_of(record),
            "contract_linked": contract is not None,
            "invoice_number": record.invoice_number or "none",
            "invoice_linked": bool(invoice) or settled,
            **back_in_erp(subject, record.payment_number),
            "procore_id": subject.procore_id,
        }


class PaymentIssuedFacts(PaymentFacts):
    invoices = SUBCONTRACTOR_INVOICE.name


class PaymentReceivedFacts(PaymentFacts):
    invoices = OWNER_INVOICE.name


# -- who is who -----------------------------------------------------------------------------------------------------------------

_NAMELESS = ("commitment+amount", "prime_contract+amount")
"""Keys that say too little, but of a payment that does not tell its invoice: its number tells several apart, no more."""
_NUMBERED = ("payment_number+commitment", "payment_number+prime_contract")
"""Keys without an amount: one check pays an invoice once, and who typed it in may have mistyped what it paid."""


def rivals(
    record: Record, key: str, candidates: list[Record], twins: dict[str, Record], worded: Mapping[str, str]
) -> tuple[list[Record], dict[str, Record]]:
    """Payments of one contract, invoice and amount are told apart by their numbers where they have some: one that bears the
    number of a payment on the other side is that one, and nobody else's."""
    if key in _NUMBERED:
        if not any(one.isdecimal() for one in _number(record)):
            return [], {}  # ACH, WIRE: how it was paid, and no number
        paid = {cast(Payment, twin).amount for twin in twins.values()}
        candidates = [one for one in candidates if cast(Payment, one).amount not in paid and _may_pay(one, record, worded)]
        twins = {name: twin for name, twin in twins.items() if any(_may_pay(one, twin, worded) for one in candidates)}
    elif key in _NAMELESS:
        candidates = [one for one in candidates if _invoice(one) is None and _may_pay(one, record, worded)]
    elif "invoice_number" in key:
        candidates = [one for one in candidates if _invoice(one) is None]
    mine = payment_number(_number(record))
    theirs = {name: payment_number(_number(twin)) for name, twin in twins.items()}
    there = {one.id: payment_number(_number(one)) for one in candidates}
    same = [one for one in candidates if mine is not None and there[one.id] == mine]
    if same:
        return same, {name: twin for name, twin in twins.items() if theirs[name] == mine}
    named = set(theirs.values()) - {None}
    free = [one for one in candidates if there[one.id] not in named]
    rest = set(there.values()) - {None}
    return free, {name: twin for name, twin in twins.items() if theirs[name] not in rest}


def _may_pay(one: Record, record: Record, worded: Mapping[str, str]) -> bool:
    """Whether a payment of Procore may be for the invoice that one of the ERP is for: it tells that one, or none that the ERP
    knows (``Draw 2``, ``see note``)."""
    told = _invoice(one)
    if told is not None:
        return told in (cast(Payment, record).invoice, getattr(record, "draw_number", None))
    return worded.get(one.id) in (None, cast(Payment, record).invoice)


def _number(record: Record) -> str:
    return cast(Payment, record).payment_number


def _invoice(record: Record) -> str | int | None:
    return cast(Payment, record).invoice or getattr(record, "draw_number", None)


# -- rows -----------------------------------------------------------------------------------------------------------------------

_INSTEAD = "Void it in the ERP and enter it there anew: what was paid under one number stays as it was sent."

_FIRST = (
    *WHOSE,
    LEFT_OUT,
    PARENT_GONE,
    *SEEN,
    ADOPTED,
    field_fault("Y-03"),
    # Void comes before changed: it is the one change that a posted payment may show.
    Rule("Y-04", "void_since", "absent", "conflict",
         "Payment {void_since} was voided in the ERP after it was sent; payment {procore_id} in Procore must go. Nothing is "
         "deleted there by the sync: have its external id cleared, then delete it (docs/operating.md, Void payments)."),
    Rule("Y-04", "unposted_since", "absent", "conflict",
         "Payment {unposted_since} was posted and sent, and is unposted in the ERP again. Post it there, or void it and "
         "remove the payment in Procore."),
    altered(_INSTEAD),
    ALIKE_DOCUMENTS,
    *PEOPLE,
    JOB_LINKED,
)  # fmt: skip


def _twins(contract: str, *invoices: str) -> tuple[tuple[str, ...], ...]:
    """One that cannot be read and names the invoice, bears the number or is of the amount may be the same payment: people
    mistype what was paid as well."""
    return tuple((contract, name) for name in ("amount", "payment_number", *invoices))


PAYMENT_ISSUED = Entity(
    PaymentIssued,
    label="payment",
    stage=4,
    direction="erp_to_procore",
    content=("commitment", "invoice", "payment_number", "pay_date", "amount"),
    references={"project": PROJECTS, "commitment": COMMITMENT.name, "invoice": SUBCONTRACTOR_INVOICE.name},
    contract="commitment",
    identity=(
        "commitment+invoice+amount", "commitment+invoice_number+amount", "payment_number+commitment+amount",
        "payment_number+commitment", "commitment+amount",
    ),
    rivals=rivals,
    worded={"invoice": "invoice_number"},
    twins=_twins("commitment", "invoice", "invoice_number"),
    frozen=("commitment", "invoice", "payment_number", "pay_date", "amount"),
    project_scoped=True,
    document=True,
    lists=0,
    final=(VOID,),
    facts=PaymentIssuedFacts,
    field_rule="Y-03",
    instead=_INSTEAD,
    rules=(
        *_FIRST,
        Rule("Y-01", "contract_linked", "true", "held",
             "Payment {number} pays on {contract}, which is not linked.", waits_for="commitments {contract}", refers=True),
        Rule("Y-02", "invoice_linked", "true", "held",
             "Payment {number} refers to invoice {invoice_number}, which is not linked.",
             waits_for="subcontractor_invoices {invoice_number}", refers=True),
    ),
    ties=(Tie("T-16", paid()),),
)  # fmt: skip

PAYMENT_RECEIVED = Entity(
    PaymentReceived,
    label="receipt",
    stage=4,
    direction="erp_to_procore",
    content=("prime_contract", "draw_number", "payment_number", "pay_date", "amount"),
    references={"project": PROJECTS, "prime_contract": PRIME_CONTRACT.name, "invoice": OWNER_INVOICE.name},
    contract="prime_contract",
    identity=(
        "prime_contract+draw_number+amount", "prime_contract+invoice_number+amount",
        "payment_number+prime_contract+amount", "payment_number+prime_contract", "prime_contract+amount",
    ),
    rivals=rivals,
    worded={"invoice": "invoice_number"},
    twins=_twins("prime_contract", "draw_number", "invoice_number"),
    frozen=("prime_contract", "draw_number", "payment_number", "pay_date", "amount"),
    project_scoped=True,
    document=True,
    lists=0,
    final=(VOID,),
    facts=PaymentReceivedFacts,
    field_rule="Y-03",
    instead=_INSTEAD,
    rules=(
        *_FIRST,
        Rule("Y-01", "contract_linked", "true", "held",
             "Receipt {number} is for prime contract {contract}, which is not linked.",
             waits_for="prime_contracts {contract}", refers=True),
        Rule("Y-02", "invoice_linked", "true", "held",
             "Receipt {number} refers to owner invoice {invoice_number}, which is not linked.",
             waits_for="owner_invoices {invoice_number}", refers=True),
    ),
    ties=(Tie("T-22", paid()),),
)  # fmt: skip

ENTITIES = (PAYMENT_ISSUED, PAYMENT_RECEIVED)
