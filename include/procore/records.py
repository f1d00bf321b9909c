"""From Procore's rows to canonical records: one function per entity, and nothing that asks Procore for more.

``system`` is the first part of our external ids. Everything raises :class:`~include.procore.parse.Misfit` (or pydantic's
ValidationError) for a row that does not fit; call it through :func:`include.procore.parse.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeVar, get_args

from include.financials import billing
from include.financials.billing import BillingItem
from include.financials.entities.budgets import AdjustmentLine, Budget, BudgetChange, BudgetLine
from include.financials.entities.changes import ChangeLine, CommitmentChangeOrder, PrimeChangeOrder
from include.financials.entities.codes import CostCode, CostType, TaxCode
from include.financials.entities.commitments import Commitment
from include.financials.entities.costs import CostKind, DirectCost
from include.financials.entities.directory import Customer, Vendor, VendorInsurance
from include.financials.entities.invoices import OwnerInvoice, SubcontractorInvoice
from include.financials.entities.jobs import Project, SubJob
from include.financials.entities.payments import PaymentIssued, PaymentReceived
from include.financials.entities.primes import PrimeContract
from include.financials.identity import parse_origin
from include.financials.money import ZERO, to_cents, total
from include.financials.record import Line, LineModel
from include.procore.parse import Misfit, Row, common, own_data

Kind = Literal["subcontract", "purchase_order"]
AnyLine = TypeVar("AnyLine", bound=LineModel)

# ---------------------------------------------------------------------- directory, projects, codes (3.1 to 3.7)


def vendor(row: Row, system: str) -> Vendor:
    register = row.child("business_register")
    name = row.required("name")
    return Vendor(
        **common(row, system),
        number=row.text("origin_code") or name,
        name=name,
        code=row.text("origin_code"),
        tax_id=register.text("identifier") if register else None,
        active=row.flag("is_active", True),
        **_address(row),
    )


def customer(row: Row, system: str) -> Customer:
    name = row.required("name")
    return Customer(
        **common(row, system),
        number=row.text("origin_code") or name,
        name=name,
        code=row.text("origin_code"),
        active=row.flag("is_active", True),
        **_address(row),
    )


def _address(row: Row) -> dict[str, Any]:
    return {"address": row.text("address"), "city": row.text("city"), "state": row.text("state_code"), "zip": row.text("zip")}


def vendor_insurance(row: Row, system: str) -> VendorInsurance:
    """The provider is written as ``name`` and read back as ``insurance_provider``. A policy without a number has its id."""
    return VendorInsurance(
        **common(row, system),
        number=row.text("policy_number") or row.required_id(),
        vendor=row.required_id("vendor_id"),
        insurance_type=row.text("insurance_type"),
        provider=row.text("insurance_provider"),
        limit=row.text("limit"),
        effective_date=row.day("effective_date"),
        expiration_date=row.day("expiration_date"),
    )


def project(row: Row, system: str) -> Project:
    """A project without a number (a test or template project) is known by its name; it can match no job."""
    return Project(
        **common(row, system),
        number=project_number(row),
        name=row.required("name"),
        status="open" if row.flag("active", True) else "closed",
        currency=currency(row),
        start_date=row.day("start_date"),
        completion_date=row.day("completion_date"),
    )


def project_number(row: Row) -> str:
    return row.text("project_number") or row.required("name")


def currency(row: Row) -> str | None:
    configuration = row.child("currency_configuration")
    return (configuration.text("currency_iso_code") if configuration else None) or row.text("currency_iso_code")


def sub_job(row: Row, system: str, project_id: str) -> SubJob:
    return SubJob(**common(row, system), number=row.required("code"), project=project_id, name=row.required("name"))


def tax_code(row: Row, system: str) -> TaxCode:
    rate = row.decimal("rate1", 6)
    return TaxCode(
        **common(row, system),
        number=row.required("code"),
        description=row.text("description"),
        rate=ZERO if rate is None else rate,
        active=not row.flag("archived", False),
    )


def cost_type(row: Row, system: str) -> CostType:
    return CostType(
        **common(row, system), number=row.required("code"), name=row.required("name"), base_type=row.text("base_type") or "other"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cost code stands among the codes of its list or project."""

    project: str | None
    level: int
    is_header: bool
    cost_types: tuple[str, ...]


def sub_job_id(row: Row) -> str | None:
    return row.id("biller_id") if row.get("biller_type") == "SubJob" else None


def cost_code(row: Row, system: str, place: Place) -> CostCode:
    parent = row.child("parent")
    return CostCode(
        **common(row, system),
        number=row.required("full_code"),
        project=place.project,
        sub_job=sub_job_id(row),
        code=row.required("code"),
        name=row.required("name"),
        parent=parent.id("id") if parent else row.id("parent_id"),
        level=place.level,
        is_header=place.is_header,
        active=row.moment("deleted_at") is None,
        cost_types=place.cost_types,
    )


# ---------------------------------------------------------------------- lines


def _lines(rows: Iterable[Any], build: Callable[[Row], AnyLine], prefix: str = "lines") -> tuple[AnyLine, ...]:
    """Lines in the order of their positions; a message counts them from 1, as they came."""
    built = [build(Row(data, f"{prefix}[{index}].")) for index, data in enumerate(rows, 1)]
    return tuple(sorted(built, key=lambda line: line.position))


def line_fields(row: Row) -> dict[str, Any]:
    """What the lines of all documents share (LINE, docs/procore-contract.md 3)."""
    code, cost = row.child("cost_code"), row.child("line_item_type")
    return {
        "id": row.required_id(),
        "position": row.whole("position"),
        "description": row.text("description"),
        "cost_code": (code.id("id") if code else None) or row.id("cost_code_id"),
        "cost_type": (cost.id("id") if cost else None) or row.id("line_item_type_id"),
        "sub_job": sub_job_id(code) if code else None,
        "amount": _line_amount(row),
        "extended_type": row.choice("extended_type", ("manual", "calculated"), "manual"),
        "quantity": row.decimal("quantity", 6),
        "unit_cost": row.decimal("unit_cost", 6),
        "unit": row.text("uom"),
        "tax_code": row.id("tax_code_id"),
    }


def _line_amount(row: Row) -> Decimal:
    """``amount``; the lines of a change order package have it as ``extended_amount`` only. Never ``total_amount``: it has tax."""
    return row.money("extended_amount" if row.get("amount") is None and row.get("extended_amount") is not None else "amount")


def line(row: Row) -> Line:
    return Line(**line_fields(row))


# ---------------------------------------------------------------------- budgets (3.8)


def budget_owner(row: Row) -> Any:
    """Who rules a project's original budget, as its ``origin_data`` says; None: not decided."""
    owner = own_data(row).get("budget_owner")
    if owner not in (None, "procore", "erp"):
        raise row.misfit("origin_data", f"names {owner!r} as owner of the budget, which is neither procore nor erp")
    return owner


def budget(row: Row, system: str, rows: Iterable[Any]) -> Budget:
    """``row`` is the project's, ``rows`` those of its budget view; the ones without an original amount are no budget lines.

    Whether it is locked stands elsewhere; Procore's row of a project does not tell.
    """
    origin = parse_origin(row.text("origin_id"), system)
    given = [Row(data, f"lines[{index}].") for index, data in enumerate(rows, 1)]
    lines = tuple(found for index, entry in enumerate(given, 1) if (found := _budget_line(entry, index)))
    keys = [(line.sub_job, line.key) for line in lines]
    twice = next((key for at, (_, key) in enumerate(keys) if keys[at] in keys[:at]), None)
    if twice:
        raise Misfit("lines", f"hold cost code / cost type {twice} twice; a budget has one line for each")
    return Budget(
        id=row.required_id(),
        company=origin.company if origin else None,
        number=project_number(row),
        project=row.required_id(),
        owner=budget_owner(row),
        currency=currency(row) or next((code for entry in given if (code := currency(entry))), None),
        amount=total(line.amount for line in lines),
        lines=lines,
    )


def _budget_line(row: Row, position: int) -> BudgetLine | None:
    amount = row.money("original_budget_amount", ZERO)
    if not amount:
        return None
    return BudgetLine(
        id=row.required_id(),
        position=position,
        cost_code=row.id("cost_code_id"),
        cost_type=row.id("category_id"),
        sub_job=sub_job_id(row),
        amount=amount,
    )


@dataclass(frozen=True, slots=True)
class CostKey:
    """What a WBS code stands for, in Procore ids."""

    cost_code: str
    cost_type: str
    sub_job: str | None = None


def budget_change(row: Row, system: str, project_id: str, codes: Mapping[str, CostKey]) -> BudgetChange:
    """``codes``: the project's WBS codes by id; the lines name nothing else. The number is Procore's own (``1``)."""
    lines = tuple(_adjustment(entry, index, codes) for index, entry in enumerate(row.children("adjustment_line_items"), 1))
    return BudgetChange(
        **common(row, system),
        number=document_number(row),
        project=project_id,
        title=row.text("title"),
        status=row.required("status"),
        currency=currency(row),
        change_date=row.day("change_date"),
        amount=total(line.amount for line in lines),
        lines=lines,
    )


def document_number(row: Row) -> str:
    """A document's number: text, or a plain number as some resources send it."""
    value = row.get("number")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else row.required("number")


def _adjustment(row: Row, position: int, codes: Mapping[str, CostKey]) -> AdjustmentLine:
    ident = row.required_id("wbs_code_id")
    key = codes.get(ident)
    if key is None:
        raise row.misfit("wbs_code_id", f"{ident} is none of the project's WBS codes with a cost code and a cost type")
    number = row.get("adjustment_number")
    return AdjustmentLine(
        id=row.id("id") or str(position),
        position=position,
        description=row.text("description"),
        cost_code=key.cost_code,
        cost_type=key.cost_type,
        sub_job=key.sub_job,
        amount=row.money("amount"),
        adjustment=int(number) if isinstance(number, str) and number.isdecimal() else row.whole_or_none("adjustment_number"),
    )


# ---------------------------------------------------------------------- direct costs (3.9)

_COST_STATUS = {"approved": "posted", "draft": "unposted", "pending": "unposted", "revise_and_resubmit": "unposted"}


def cost_number(row: Row, system: str) -> str:
    """The ERP's transaction number, which we keep in Procore from the first call on; else what Procore has."""
    key = own_data(row).get("erp_key")
    origin = parse_origin(row.text("origin_id"), system)
    if isinstance(key, str) and key:
        return key
    return (origin.key if origin else None) or row.text("invoice_number") or row.required_id()


def _our_line(row: Row, system: str) -> Line:
    """A line of a document that we made in Procore: what follows ``#`` in its external id is the ERP's own line number."""
    origin_id = row.text("origin_id")
    number = (origin_id or "").rpartition("#")[2] if parse_origin(origin_id, system) else ""
    fields = line_fields(row)
    return Line(**{**fields, "position": int(number) if number.isdecimal() else fields["position"]})


def direct_cost(row: Row, system: str, project_id: str, lines: Iterable[Any]) -> DirectCost:
    own = _lines(lines, lambda entry: _our_line(entry, system))
    return DirectCost(
        **common(row, system),
        number=cost_number(row, system),
        project=project_id,
        kind=row.choice("direct_cost_type", get_args(CostKind)),
        vendor=row.id("vendor_id"),
        invoice_number=row.text("invoice_number"),
        description=row.text("description"),
        cost_date=row.day("direct_cost_date"),
        status=row.choice("status", _COST_STATUS),
        currency=currency(row),
        amount=row.money("grand_total"),
        lines=own,
    )


# ---------------------------------------------------------------------- contracts (5.1, 6.4)


def commitment(row: Row, system: str, kind: Kind, project_id: str, lines: Iterable[Any]) -> Commitment:
    return Commitment(
        **_contract(row, system, project_id, lines),
        kind=kind,
        vendor=_party(row),
        accounting_method=row.choice("accounting_method", ("amount", "unit"), "amount"),
        executed=row.flag("executed", False),
    )


def prime_contract(row: Row, system: str, project_id: str, lines: Iterable[Any]) -> PrimeContract:
    """The owner is the contract's ``vendor``: a company of the directory."""
    own = _lines(lines, lambda entry: _our_line(entry, system))
    return PrimeContract(**_contract(row, system, project_id, ()) | {"lines": own}, customer=_party(row))


def _party(row: Row) -> str | None:
    party = row.child("vendor")
    return (party.id("id") if party else None) or row.id("vendor_id")


def contract_head(row: Row, project_id: str) -> Contract:
    """What its documents need of a contract: it is known although its sums or its lines cannot be read."""
    return Contract(row.required_id(), row.required("number"), project_id, _party(row), currency(row))


def _contract(row: Row, system: str, project_id: str, lines: Iterable[Any]) -> dict[str, Any]:
    found = _lines(lines, line)  # first: a line that cannot be read is named, not the sum that follows from it
    return {
        **common(row, system),
        "number": row.required("number"),
        "project": project_id,
        "title": row.text("title"),
        "status": row.required("status"),
        "currency": currency(row),
        "retainage_percent": row.decimal("retainage_percent", 4),
        "contract_date": row.day("contract_date"),
        "amount": row.money("grand_total"),
        "approved_changes": row.derived("approved_change_orders") or ZERO,
        "payments": row.derived("total_payments") or ZERO,
        "lines": found,
    }


# ---------------------------------------------------------------------- change orders (5.3)


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract of a change order, an invoice or a payment."""

    id: str
    number: str
    project: str
    party: str | None = None
    """Vendor of a commitment, owner of a prime contract."""
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Partners:
    """What the newer resource adds to a change order's lines: its own row of each, and the contract's lines by id."""

    lines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)


def change_number(contract: Contract, row: Row) -> str:
    """Number of contract and change (``104-SC-003/001``)."""
    return f"{contract.number}/{document_number(row)}"


def commitment_change(row: Row, system: str, contract: Contract, partners: Partners) -> CommitmentChangeOrder:
    return CommitmentChangeOrder(**_change(row, system, contract, partners), commitment=contract.id)


def prime_change(row: Row, system: str, contract: Contract, partners: Partners) -> PrimeChangeOrder:
    change = _change(row, system, contract, partners)
    plain = total(line.amount for line in change["lines"])
    entries = (entry for parent in row.children("line_items") for entry in parent.children("markup_line_items"))
    # Procore keeps the parts of a mark-up unrounded and rounds what they add up to, once.
    parts = total(entry.decimal("amount", None) or ZERO for entry in entries)
    return PrimeChangeOrder(**change, prime_contract=contract.id, markup=to_cents(plain + parts) - plain)


def _change(row: Row, system: str, contract: Contract, partners: Partners) -> dict[str, Any]:
    lines = [_change_line(entry, partners) for entry in row.children("line_items")]
    if len({found.position for found in lines}) < len(lines):
        # Lines of several potential changes in one package: each counts its own from 1.
        lines = [found.model_copy(update={"position": index}) for index, found in enumerate(lines, 1)]
    return {
        **common(row, system),
        "number": change_number(contract, row),
        "change_number": document_number(row),
        "project": contract.project,
        "title": row.text("title"),
        "status": row.required("status"),
        "currency": currency(row) or contract.currency,
        "change_date": row.day("reviewed_at"),
        "amount": row.money("grand_total"),
        "lines": tuple(sorted(lines, key=lambda found: found.position)),
    }


def _change_line(row: Row, partners: Partners) -> ChangeLine:
    """A line without a partner of its id in the newer resource is a new line of the contract, as far as Procore tells."""
    fields = line_fields(row)
    partner = partners.lines.get(fields["id"])
    if partner is None:
        return ChangeLine(**fields)
    more = Row(partner, "commitment_change_order.")
    fields["extended_type"] = more.choice("extended_type", ("manual", "calculated"), fields["extended_type"])
    fields["tax_code"] = more.id("tax_code_id") or fields["tax_code"]
    changes = more.id("commitment_line_item_id")
    if changes is not None and changes not in partners.positions:
        raise row.misfit("commitment_line_item_id", f"{changes} is no line of the contract's schedule of values")
    return ChangeLine(**fields, line=partners.positions[changes] if changes is not None else None)


# ---------------------------------------------------------------------- billing (6.2, 6.5; docs/domain-rules.md 3)

_ITEM_MONEY = {
    "scheduled": "scheduled_value",
    "previous": "work_completed_from_previous_application",
    "work": "work_completed_this_period",
    "moved": "materials_moved",
    "stored": "materials_presently_stored",
    "retainage_previous": "work_completed_retainage_from_previous_application",
    "retainage_moved": "materials_retainage_retained_moved",
    "retainage_work": "work_completed_retainage_retained_this_period",
    "released": "work_completed_retainage_released_this_period",
    "retainage_stored": "materials_stored_retainage_currently_retained",
    "released_stored": "materials_stored_retainage_released_this_period",
}
_STATED = {
    "completed": "total_completed_and_stored_to_date",
    "retainage": "total_retainage",
    "certified": "less_previous_certificates_for_payment",
    "due_stated": "current_payment_due",
    "contract_sum": "contract_sum_to_date",
}
"""Field of an invoice -> figure of its G702, taken as stated: they are checked, never recomputed."""

CHANGE_ITEM = "change_order_item"


def billing_items(row: Row, name: str, packages: Mapping[str, str]) -> tuple[BillingItem, ...]:
    """G703 rows in the field ``name``; ``packages``: line of a change order -> its package, where these rows do not name it.

    Their integer ``origin_id`` is a Procore record, not an external id (docs/procore-contract.md 2.1): it is not read.
    """
    if row.get(name) is None:
        raise row.misfit(name, "is missing")
    return tuple(_billing_item(entry, index, packages) for index, entry in enumerate(row.children(name), 1))


def _billing_item(row: Row, index: int, packages: Mapping[str, str]) -> BillingItem:
    ident, source = row.required_id(), row.get("origin_type")
    # A g703 row may name what it came from by origin_type and an integer origin_id only: a Procore record, no external id (2.1).
    origin = row.id("origin_id") if source in ("LineItem", "ChangeOrderPackage") else None
    of_line = row.id("line_item_id") or (origin if source == "LineItem" else None)
    package = row.id("change_order_package_id") or (origin if source == "ChangeOrderPackage" else None)
    if package is None and row.get("item_type") == CHANGE_ITEM:
        package = packages.get(of_line or "") or packages.get(item_key(ident))
        if package is None:
            raise row.misfit("change_order_package_id", "is missing: the change order that it bills is not known")
    return BillingItem(
        id=ident,
        position=row.whole_or_none("position") or index,
        line=of_line,
        change_order=package,
        stored_previous=row.decimal("materials_presently_stored_from_previous_progress", 2),
        tax=total(tax.money("amount", ZERO) for tax in row.children("taxes")),
        **{name: row.money(raw, ZERO) for name, raw in _ITEM_MONEY.items()},
    )


def item_key(ident: str) -> str:
    """Key of a billing item among the keys of lines: a row for a whole change order has no line."""
    return f"item {ident}"


def subcontractor_invoice(
    row: Row, system: str, contract: Contract, items: Sequence[BillingItem], before: Sequence[BillingItem]
) -> SubcontractorInvoice:
    return SubcontractorInvoice(
        **_invoice(row, system, contract, items, before),
        previous=row.id("previous_requisition_id"),
        commitment=contract.id,
        vendor=row.id("vendor_id") or contract.party,
    )


def owner_invoice(
    row: Row, system: str, contract: Contract, items: Sequence[BillingItem], before: Sequence[BillingItem], previous: str | None
) -> OwnerInvoice:
    return OwnerInvoice(
        **_invoice(row, system, contract, items, before),
        previous=previous,
        prime_contract=contract.id,
        customer=contract.party,
    )


def invoice_number(contract: Contract, row: Row) -> str:
    """The vendor's own number; without one, that of the contract and the sequence (``104-SC-003-02``)."""
    return row.text("invoice_number") or f"{contract.number}-{row.whole('number'):02}"


def _invoice(
    row: Row, system: str, contract: Contract, items: Sequence[BillingItem], before: Sequence[BillingItem]
) -> dict[str, Any]:
    stated = row.child("summary") or row.child("g702")
    gross, held, released, tax = billing.totals(items, before)
    return {
        **common(row, system),
        "number": invoice_number(contract, row),
        "project": contract.project,
        "sequence": row.whole("number"),
        "status": row.required("status"),
        "currency": currency(row) or contract.currency,
        "billing_date": row.day("billing_date"),
        "amount": gross,
        "held": held,
        "released": released,
        "tax": tax,
        **{name: stated.decimal(raw, 2) if stated else None for name, raw in _STATED.items()},
        "items": tuple(items),
    }


# ---------------------------------------------------------------------- payments (6.3)


def payment_issued(row: Row, system: str, contract: Contract) -> PaymentIssued:
    return PaymentIssued(**_payment(row, system, contract), commitment=contract.id, invoice=row.id("requisition_id"))


def payment_received(row: Row, system: str, contract: Contract) -> PaymentReceived:
    """It names its owner invoice by ``draw_request_number`` only."""
    return PaymentReceived(
        **_payment(row, system, contract),
        prime_contract=contract.id,
        invoice=None,
        draw_number=row.whole_or_none("draw_request_number"),
    )


def payment_number(row: Row) -> str:
    number = row.whole_or_none("payment_number")
    return row.text("check_number") or (str(number) if number is not None else row.required_id())


def _payment(row: Row, system: str, contract: Contract) -> dict[str, Any]:
    """``status`` is free text and tells nothing (docs/procore-contract.md 10.18); how it was paid cannot be read back (6.3)."""
    number, invoice = payment_number(row), row.text("invoice_number")
    return {
        **common(row, system),
        "number": f"{number}/{invoice}" if invoice else number,
        "project": contract.project,
        "payment_number": number,
        "pay_date": row.day("date"),
        "currency": currency(row) or contract.currency,
        "invoice_number": invoice,
        "amount": row.money("amount"),
    }
