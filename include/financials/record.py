"""Canonical records: what both systems are translated into, so that neither knows the other.

Money is :class:`~decimal.Decimal` and travels with its ISO currency; times are aware and in UTC; ids and keys are text
(Procore's newer ids exceed 32 bits). Models are strict and frozen: a wrong type is an error of the record, never coerced.

A reference field (``vendor``, ``project``, ``cost_code`` ...) holds the *other record's key on the side it was read from*: the
Procore id on Procore's side, the ERP key on the ERP's. ``include.financials.references`` translates Procore ids into ERP keys,
the language in which contents are compared and hashed.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from include.financials.statuses import CLOSED

Side = Literal["procore", "erp"]
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=2, allow_inf_nan=False)]
Rate = Annotated[Decimal, Field(max_digits=18, decimal_places=6, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(max_digits=9, decimal_places=4, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", str_strip_whitespace=True)


class LineModel(Model):
    """A line of a document. ``key`` tells it from the others of its document, the same on both sides; ``content`` are the fields
    that a write carries, ``frozen`` those of them that may not change once the document is linked."""

    content: ClassVar[tuple[str, ...]]
    frozen: ClassVar[tuple[str, ...]]
    keyed: ClassVar[tuple[str, ...]] = ("position",)
    """The fields that ``key`` is made of."""

    id: Text
    position: int

    @property
    def key(self) -> str:
        return str(self.position)


class Record(Model):
    """One record as one side holds it.

    ``id`` is the record's own id on the side it was read from; ``company`` the ERP company (or shared group) it belongs to, None
    where a Procore record does not tell; ``number`` is what people call it. The three external-id fields exist on Procore's side
    only (docs/procore-contract.md 2.1).
    """

    entity: ClassVar[str]
    line: ClassVar[type[LineModel] | None] = None
    """Model of its ``lines``, for records that have some."""

    id: Text
    company: str | None = None
    number: Text
    updated_at: datetime | None = None
    deleted: bool = False
    origin_id: str | None = None
    origin_data: str | None = None
    origin_code: str | None = None
    marker: str | None = None
    """The ERP side's counterpart of origin_id: the Procore record an ERP document was made from."""


class Vendor(Record):
    entity = "vendors"

    name: Text
    code: str | None = None
    tax_id: str | None = None
    active: bool = True
    hold: Literal["none", "payment", "all"] = "none"
    hold_reason: str | None = None
    terms: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    merged_into: str | None = None


class VendorInsurance(Record):
    """One policy of a vendor; ``number`` is the policy number."""

    entity = "vendor_insurances"

    vendor: Text
    insurance_type: str | None = None
    provider: str | None = None
    limit: str | None = None
    effective_date: date | None = None
    expiration_date: date | None = None


class Customer(Record):
    entity = "customers"

    name: Text
    code: str | None = None
    active: bool = True
    address: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


class Project(Record):
    """A project in Procore, a job in the ERP; ``number`` is the job number."""

    entity = "projects"

    name: Text
    status: Literal["open", "soft_closed", "closed"] = "open"
    currency: str | None = None
    customer: str | None = None
    start_date: date | None = None
    completion_date: date | None = None

    @property
    def active(self) -> bool:
        """All that Procore knows of a status: a soft-closed job is active there."""
        return self.status != CLOSED


class SubJob(Record):
    """A part of a job with cost codes of its own; ``number`` is its code within the job."""

    entity = "sub_jobs"

    project: Text
    name: Text


class TaxCode(Record):
    """``rate`` in percent."""

    entity = "tax_codes"

    description: str | None = None
    rate: Rate
    active: bool = True


class CostType(Record):
    """``number`` is the code on its own side (ERP ``3``, Procore ``C``); settings map one to the other (C-02)."""

    entity = "cost_types"

    name: Text
    base_type: str
    active: bool = True


class CostCode(Record):
    """``number`` is the full code (``03-3000``); ``project`` is None for a standard code of the company list.

    ``cost_types`` are the assigned types: on the ERP's side the categories of the phase, on Procore's the active WBS codes.
    """

    entity = "cost_codes"

    project: str | None
    sub_job: str | None = None
    code: Text
    """The own part, without the parents' prefixes (``3000``)."""
    name: Text
    parent: str | None = None
    """Own-side id of the parent code."""
    level: int = 0
    is_header: bool = False
    active: bool = True
    cost_types: tuple[str, ...] = ()


class Line(LineModel):
    """A line with a cost key and an amount: of a schedule of values, a direct cost, a budget, a change order.

    ``position`` is 1-based. ``amount`` is as the side states it; for a ``calculated`` line it is quantity x unit cost.
    """

    content: ClassVar[tuple[str, ...]] = (
        "position",
        "description",
        "cost_code",
        "cost_type",
        "amount",
        "quantity",
        "unit_cost",
        "unit",
        "extended_type",
        "tax_code",
    )
    frozen: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type", "amount")

    description: str | None = None
    cost_code: str | None
    cost_type: str | None
    sub_job: str | None = None
    amount: Money
    extended_type: Literal["manual", "calculated"] = "manual"
    quantity: Rate | None = None
    unit_cost: Rate | None = None
    unit: str | None = None
    tax_code: str | None = None


class Commitment(Record):
    """A subcontract or purchase order with its schedule of values. ``amount`` is the contract sum that the side itself states."""

    entity = "commitments"
    line = Line

    kind: Literal["subcontract", "purchase_order"]
    project: Text
    vendor: str | None
    title: str | None = None
    status: Text
    currency: str | None = None
    accounting_method: Literal["amount", "unit"] = "amount"
    executed: bool = False
    retainage_percent: Percent | None = None
    contract_date: date | None = None
    amount: Money
    approved_changes: Money = Decimal("0.00")
    payments: Money = Decimal("0.00")
    """Sum of its payments as the side states it."""
    lines: tuple[Line, ...] = ()


class BudgetLine(Line):
    """Original budget of one cost key: there is one line per key, and neither side numbers them."""

    content: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type", "amount")
    keyed: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type")

    @property
    def key(self) -> str:
        return f"{self.cost_code} / {self.cost_type}"


class Budget(Record):
    """The original budget of a project (in the ERP: the original estimate of a job); ``number`` is the job number.

    ``owner`` is the side whose figures rule, None where nothing tells yet; ``locked`` is Procore's (None in the ERP); ``amount``
    the sum of the lines.
    """

    entity = "budgets"
    line = BudgetLine

    project: Text
    owner: Side | None = None
    locked: bool | None = None
    currency: str | None = None
    amount: Money
    lines: tuple[BudgetLine, ...] = ()


class AdjustmentLine(Line):
    """A line of a budget change; lines with the same ``adjustment`` are one transfer and add up to zero."""

    content: ClassVar[tuple[str, ...]] = ("position", "cost_code", "cost_type", "amount", "adjustment")

    adjustment: int | None = None


class BudgetChange(Record):
    """Transfers between budget lines. ``amount`` is what the lines add up to: 0.00 for transfers."""

    entity = "budget_changes"
    line = AdjustmentLine

    project: Text
    title: str | None = None
    status: Text
    currency: str | None = None
    change_date: date | None = None
    amount: Money
    lines: tuple[AdjustmentLine, ...] = ()


CostKind = Literal["invoice", "expense", "payroll", "subcontractor_invoice"]


class DirectCost(Record):
    """A transaction of job cost that no commitment covers. ``number`` is the ERP's transaction number.

    ``commitment`` is the commitment whose cost it is (then it is not sent, rule D-02); ``reverses`` the transaction it undoes.
    """

    entity = "direct_costs"
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


class ChangeLine(Line):
    """``line``: position of the line of the contract's schedule of values that it changes; None: it is a new line."""

    content: ClassVar[tuple[str, ...]] = (*Line.content, "line")
    frozen: ClassVar[tuple[str, ...]] = (*Line.frozen, "line")

    line: int | None = None


class ChangeOrder(Record):
    """``change_number`` is its number within the contract (``001``), ``number`` that of both (``104-SC-003/001``)."""

    line = ChangeLine

    project: Text
    change_number: Text
    title: str | None = None
    status: Text
    currency: str | None = None
    change_date: date | None = None
    amount: Money
    lines: tuple[ChangeLine, ...] = ()


class CommitmentChangeOrder(ChangeOrder):
    entity = "commitment_change_orders"

    commitment: Text


class PrimeChangeOrder(ChangeOrder):
    """``markup`` is revenue beyond the cost lines; ``amount`` = lines + mark-up."""

    entity = "prime_change_orders"

    prime_contract: Text
    markup: Money = Decimal("0.00")


class PrimeContract(Record):
    """The contract with the owner. ``customer`` is the owner: an ERP customer, a company of Procore's directory."""

    entity = "prime_contracts"
    line = Line

    project: Text
    customer: str | None
    title: str | None = None
    status: Text
    currency: str | None = None
    retainage_percent: Percent | None = None
    contract_date: date | None = None
    amount: Money
    approved_changes: Money = Decimal("0.00")
    payments: Money = Decimal("0.00")
    lines: tuple[Line, ...] = ()


class BillingItem(Model):
    """One row of a G703 as Procore states it (docs/domain-rules.md 3; the letters are those of that section).

    ``line`` is the Procore id of the contract's or the change order's line; ``change_order`` the package's id, None for a line of
    the original contract.
    """

    id: Text
    position: int
    line: str | None
    change_order: str | None = None
    scheduled: Money = Decimal("0.00")
    previous: Money = Decimal("0.00")
    """P"""
    work: Money = Decimal("0.00")
    """W"""
    moved: Money = Decimal("0.00")
    """MV"""
    stored: Money = Decimal("0.00")
    """S, a balance"""
    stored_previous: Money | None = None
    """S of the invoice before, where the item states it"""
    retainage_previous: Money = Decimal("0.00")
    """rP"""
    retainage_moved: Money = Decimal("0.00")
    retainage_work: Money = Decimal("0.00")
    """rW"""
    released: Money = Decimal("0.00")
    """rR"""
    retainage_stored: Money = Decimal("0.00")
    """rS, a balance"""
    released_stored: Money = Decimal("0.00")
    """rRS"""
    tax: Money = Decimal("0.00")


class InvoiceLine(LineModel):
    """What one line of an invoice posts: gross cost, retainage held and released, tax. ``line`` is the position of the contract's
    line or, with ``change_order`` (its ``change_number``), of that change order's."""

    content: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type", "amount", "held", "released", "tax")
    frozen: ClassVar[tuple[str, ...]] = content
    keyed: ClassVar[tuple[str, ...]] = ("change_order", "line")

    change_order: str | None = None
    line: int | None = None
    cost_code: str | None = None
    cost_type: str | None = None
    amount: Money
    """Gross"""
    held: Money = Decimal("0.00")
    released: Money = Decimal("0.00")
    tax: Money = Decimal("0.00")

    @property
    def key(self) -> str:
        return f"{self.change_order or ''}#{self.line}"


class Invoice(Record):
    """A bill on a contract. ``amount`` is its gross G, ``due`` = amount - held + released, before tax.

    ``number`` is the invoice number. To-date figures (Procore's G702; None in an ERP that does not keep them): ``completed`` T,
    ``retainage`` R, ``certified`` E(n-1), ``contract_sum``. ``items`` are Procore's rows, ``lines`` what is posted.
    """

    line = InvoiceLine

    project: Text
    sequence: int
    """1 for the first invoice of its contract."""
    previous: str | None = None
    """Own-side id of the invoice before."""
    status: Text
    currency: str | None = None
    billing_date: date | None = None
    posting_date: date | None = None
    amount: Money
    held: Money = Decimal("0.00")
    released: Money = Decimal("0.00")
    tax: Money = Decimal("0.00")
    completed: Money | None = None
    retainage: Money | None = None
    certified: Money | None = None
    due_stated: Money | None = None
    """Current payment due as the summary states it."""
    contract_sum: Money | None = None
    items: tuple[BillingItem, ...] = ()
    lines: tuple[InvoiceLine, ...] = ()

    @property
    def due(self) -> Decimal:
        return self.amount - self.held + self.released


class SubcontractorInvoice(Invoice):
    """A requisition. ``pay_hold``: in the ERP, whether its payment is held back (rule I-09)."""

    entity = "subcontractor_invoices"

    commitment: Text
    vendor: str | None
    pay_hold: bool = False


class OwnerInvoice(Invoice):
    """A payment application."""

    entity = "owner_invoices"

    prime_contract: Text
    customer: str | None = None


class Payment(Record):
    """One payment on one invoice: a check over several invoices is several of these (rule Y-03). ``number`` is
    ``{payment}/{invoice number}``."""

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


class PaymentIssued(Payment):
    entity = "payments_issued"

    commitment: Text


class PaymentReceived(Payment):
    """``draw_number``: the sequence of the owner invoice it pays, which is all that Procore keeps of it."""

    entity = "payments_received"

    prime_contract: Text
    draw_number: int | None = None


class Period(Record):
    """A period of a module's calendar (AP, AR, JC, GL) in the ERP; read only, for rule I-05. ``number`` is ``2026-07``."""

    entity = "periods"

    module: Text
    first_day: date
    last_day: date
    status: Literal["open", "soft_closed", "closed", "future"]


_ALL: tuple[type[Record], ...] = (
    Vendor,
    VendorInsurance,
    Customer,
    Project,
    SubJob,
    TaxCode,
    CostType,
    CostCode,
    Budget,
    BudgetChange,
    DirectCost,
    Commitment,
    CommitmentChangeOrder,
    SubcontractorInvoice,
    PaymentIssued,
    PrimeContract,
    PrimeChangeOrder,
    OwnerInvoice,
    PaymentReceived,
    Period,
)
MODELS: dict[str, type[Record]] = {model.entity: model for model in _ALL}
