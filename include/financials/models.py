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

Side = Literal["procore", "erp"]
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=2, allow_inf_nan=False)]
Rate = Annotated[Decimal, Field(max_digits=18, decimal_places=6, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(max_digits=9, decimal_places=4, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", str_strip_whitespace=True)


class Record(Model):
    """One record as one side holds it.

    ``id`` is the record's own id on the side it was read from; ``company`` the ERP company (or shared group) it belongs to, None
    where a Procore record does not tell; ``number`` is what people call it. The three external-id fields exist on Procore's side
    only (docs/procore-contract.md 2.1).
    """

    entity: ClassVar[str]

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
        return self.status != "closed"


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


class CommitmentLine(Model):
    """One line of the schedule of values; ``position`` (1-based) is its identity on both sides."""

    id: Text
    position: int
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
    lines: tuple[CommitmentLine, ...] = ()


MODELS: dict[str, type[Record]] = {m.entity: m for m in (Vendor, Customer, Project, CostType, CostCode, Commitment)}
