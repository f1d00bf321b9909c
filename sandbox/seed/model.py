"""The company as plain values, before either system's writer turns them into its own rows.

A record says where it lives: ``erp`` and ``procore`` are the sides that have it, ``linked`` that Procore carries our external id.
Money is Decimal with two places, quantities and unit costs Decimal with at most four; times are aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Vendor:
    """A subcontractor or supplier. ``code`` is the ERP's; None: the ERP does not know the company."""

    id: int
    code: str | None
    name: str
    tax_id: str
    trade: str
    terms: str
    address: str
    city: str
    state: str
    zip: str
    phone: str
    updated_at: datetime
    erp: bool = True
    procore: bool = True
    linked: bool = False
    active: bool = True
    hold: str = "none"
    hold_reason: str | None = None
    foreign_origin: str | None = None
    """External id that another integration left on the Procore record."""


@dataclass(frozen=True, slots=True)
class Insurance:
    """One policy of an ERP vendor; ``linked``: Procore has it too, with our external id."""

    id: int
    vendor: Vendor
    policy: str
    type: str
    provider: str
    limit: str
    effective: date
    expiration: date
    linked: bool


@dataclass(frozen=True, slots=True)
class Customer:
    id: int
    company: str
    code: str
    name: str
    linked: bool
    address: str
    city: str
    state: str
    zip: str
    phone: str
    updated_at: datetime
    active: bool = True


@dataclass(frozen=True, slots=True)
class TaxCode:
    """A sales tax of the ERP's cost group; ``rate`` in percent."""

    id: int
    code: str
    description: str
    rate: Decimal
    linked: bool


@dataclass(frozen=True, slots=True)
class SubJob:
    """A part of a job; ``codes`` are the cost codes of its own, headers among them."""

    number: str
    name: str
    linked: bool
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the ERP, and a project of Procore where ``linked``. ``index`` numbers the jobs and makes the Procore ids."""

    index: int
    id: int
    number: str
    company: str
    name: str
    customer: str
    value: int
    linked: bool
    start: date
    completion: date
    retainage: Decimal
    prefix: str
    """Start of the job's commitment numbers."""
    linked_extras: tuple[str, ...]
    new_codes: tuple[str, ...]
    updated_at: datetime
    inactive: tuple[str, ...] = ()
    procore_only: tuple[str, ...] = ()
    sub_jobs: tuple[SubJob, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """A cost code of a job. ``types``: assigned cost types, as Procore codes; ``extra_types``: those that Procore alone has."""

    id: int
    code: str
    name: str
    parent: str | None
    types: str
    updated_at: datetime
    active: bool = True
    erp: bool = True
    procore: bool = True
    linked: bool = True
    extra_types: str = ""
    sub_job: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line with a cost key: of a schedule of values, a budget, a direct cost.

    ``erp_amount``: the ERP's, where somebody changed one side afterwards.
    """

    position: int
    code: str
    type: str
    text: str
    amount: Decimal
    quantity: Decimal | None = None
    unit_cost: Decimal | None = None
    unit: str | None = None
    extended_type: str = "manual"
    erp_amount: Decimal | None = None
    erp: bool = True
    sub_job: str = ""
    tax_code: str | None = None

    @property
    def in_erp(self) -> Decimal:
        """The amount as the ERP has it."""
        return self.amount if self.erp_amount is None else self.erp_amount


@dataclass(frozen=True, slots=True)
class Commitment:
    """A subcontract or purchase order in Procore; ``linked``: the ERP has the document too."""

    id: int
    number: str
    kind: str
    job: Job
    vendor_id: int
    vendor: str | None
    title: str
    status: str
    retainage: Decimal
    contract_date: date
    created_at: datetime
    updated_at: datetime
    lines: tuple[Line, ...]
    linked: bool
    eligible: bool = True
    executed: bool = True
    unit_accounting: bool = False
    currency: str = "USD"

    @property
    def amount(self) -> Decimal:
        """Sum of the schedule of values as Procore has it."""
        return sum((line.amount for line in self.lines), Decimal("0.00"))


@dataclass(frozen=True, slots=True)
class Budget:
    """The original budget of a job: its lines in Procore (``procore``), its estimate in the ERP (``erp``), or both, then linked.

    ``owner``: the side whose figures rule, None where no integration has recorded it.
    """

    job: Job
    lines: tuple[Line, ...]
    owner: str | None
    locked: bool
    procore: bool
    erp: bool
    updated_at: datetime
    erp_updated_at: datetime


@dataclass(frozen=True, slots=True)
class Transfer:
    """A line of a budget change; those with one ``adjustment`` number net to zero."""

    adjustment: int
    code: str
    type: str
    text: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """A budget change in Procore; ``linked``: posted in the ERP too. ``number`` counts within the job."""

    id: int
    job: Job
    number: int
    title: str
    status: str
    change_date: date
    updated_at: datetime
    transfers: tuple[Transfer, ...]
    linked: bool


@dataclass(frozen=True, slots=True)
class DirectCost:
    """A transaction of the ERP's job cost; ``linked``: Procore has it as a direct cost. ``sequence`` numbers them all.

    ``vendor`` is a vendor's number, for transactions from AP; ``reverses`` the number of the transaction that this one undoes.
    """

    sequence: int
    job: Job
    source: str
    description: str
    cost_date: date
    updated_at: datetime
    lines: tuple[Line, ...]
    linked: bool
    status: str = "posted"
    vendor: int | None = None
    invoice: str | None = None
    reverses: str | None = None

    @property
    def trans(self) -> str:
        """The transaction number, the direct cost's key."""
        return f"JC-{self.sequence:06d}"

    @property
    def amount(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal("0.00"))


@dataclass(frozen=True, slots=True)
class Employee:
    """``user``: the id of the person's user in Procore, None where there is none; ``linked``: it carries our external id."""

    company: str
    number: str
    first_name: str
    last_name: str
    email: str | None
    job_title: str
    user: int | None = None
    linked: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted problem and the record beside it that must load."""

    number: int
    entity: str
    key: str
    problem: str
    rule: str
    expected: str
    twin: str

    def as_dict(self) -> dict[str, str]:
        return {"entity": self.entity, "key": self.key, "problem": self.problem, "rule": self.rule, "expected": self.expected}


def schedule(text: str) -> tuple[Line, ...]:
    """Lines from rows ``code type amount text``; calculated ones end in ``| quantity unit cost`` (``manual``: not calculated).

    A text that ends in ``@`` and a tax code is taxed.
    """
    found = []
    for position, row in enumerate(filter(None, map(str.strip, text.splitlines())), start=1):
        left, _, price = row.partition(" | ")
        code, type, amount, words = left.split(maxsplit=3)
        words, _, tax_code = words.partition(" @")
        line = Line(position, code, type, words, Decimal(amount), tax_code=tax_code or None)
        if price:
            quantity, unit, unit_cost, *how = price.split()
            line = replace(
                line, quantity=Decimal(quantity), unit=unit, unit_cost=Decimal(unit_cost), extended_type=(*how, "calculated")[0]
            )
        found.append(line)
    return tuple(found)


def extended(quantity: Decimal, unit_cost: Decimal) -> Decimal:
    """Quantity times unit cost, rounded half away from zero to the cent (docs/domain-rules.md 1.6)."""
    return (quantity * unit_cost).quantize(CENT, ROUND_HALF_UP)
