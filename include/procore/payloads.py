"""What a write sends: canonical content fields -> Procore attributes, as one table, and whether a record already has them.

An update sends only the attributes of the fields that changed, so that what people maintain in Procore is left alone. Address
fields go out when a record is created and never again: Procore owns them from then on.

Amounts are Decimal up to the client, which writes them as JSON numbers; where an endpoint takes text they become text here
(docs/procore-contract.md 1.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from include.financials.entities.budgets import BudgetLine
from include.financials.exceptions import ContractBroken
from include.financials.port import Item
from include.financials.record import Line
from include.procore.parse import parent_id
from include.procore.resources import BASE_TYPES

Attributes = dict[str, Any]
Build = Callable[[Item], Attributes]
Name = Callable[[Item], str]

PROOF = ("cost_code_id", "line_item_type_id", "amount")
"""What of a line must be there for it to have arrived; units and texts may come back in Procore's own form."""


def ref(item: Item, name: str) -> str:
    """Procore id of what the item names as ``name``."""
    value = item.refs.get(name)
    if not value:
        raise ContractBroken(f"{item.record.entity} {item.number}: the item has no Procore id of its {name}")
    return value


def origin_code(item: Item) -> str:
    """The ERP number that people see in Procore."""
    return getattr(item.record, "code", None) or item.erp_key or item.record.origin_code or item.number


# ---------------------------------------------------------------------- external ids


def nothing(item: Item) -> Attributes:
    """The external ids alone, which a sync entry carries anyway."""
    return {}


def numbered(item: Item) -> Attributes:
    return {"origin_code": origin_code(item)}


def external(item: Item) -> Attributes:
    """External ids, for requests on a single record."""
    return {"origin_id": item.origin_id} | ({"origin_data": item.origin_data} if item.origin_data is not None else {})


def noted(item: Item) -> Attributes:
    """What the integration notes on a record, and nothing that would link it."""
    return {"origin_data": item.origin_data}


def external_numbered(item: Item) -> Attributes:
    return {**external(item), **numbered(item)}


# ---------------------------------------------------------------------- content


def as_number(value: Decimal) -> Decimal:
    """For endpoints that take JSON numbers; the client writes it digit for digit."""
    return value


def as_text(value: Decimal) -> str:
    return format(value, "f")


def _same(name: str, attribute: str | None = None) -> Build:
    return lambda item: {attribute or name: getattr(item.record, name)}


def _day(name: str, attribute: str | None = None) -> Build:
    def build(item: Item) -> Attributes:
        value = getattr(item.record, name)
        return {attribute or name: value.isoformat() if value else None}

    return build


def _percent(name: str) -> Build:
    def build(item: Item) -> Attributes:
        value = getattr(item.record, name)
        return {name: None if value is None else as_text(value)}

    return build


def _party(name: str, attribute: str = "vendor_id") -> Build:
    """A company of Procore's directory; left empty where the record names none."""
    return lambda item: {attribute: int(ref(item, name)) if getattr(item.record, name) else None}


def _tax_id(item: Item) -> Attributes:
    return {"business_register_attributes": {"type": "ein", "identifier": getattr(item.record, "tax_id", None)}}


def _base_type(item: Item) -> Attributes:
    value = str(item.refs.get("base_type") or getattr(item.record, "base_type", ""))
    return {"base_type": BASE_TYPES.get(value, value)}


_DIRECTORY: dict[str, Build] = {
    "name": _same("name"),
    "code": numbered,
    "active": _same("active", "is_active"),
}
FIELDS: dict[str, dict[str, Build]] = {
    "vendors": {**_DIRECTORY, "tax_id": _tax_id},
    "vendor_insurances": {
        "vendor": _party("vendor"),
        "number": _same("number", "policy_number"),
        "insurance_type": _same("insurance_type"),
        # Written as name, read back as insurance_provider (docs/procore-contract.md 3.2).
        "provider": _same("provider", "name"),
        "limit": _same("limit"),
        "effective_date": _day("effective_date"),
        "expiration_date": _day("expiration_date"),
    },
    "customers": _DIRECTORY,
    "projects": {
        "name": _same("name"),
        "number": _same("number", "project_number"),
        # A soft-closed job still takes cost, so its project stays usable.
        "active": _same("active"),
        "start_date": _day("start_date"),
        "completion_date": _day("completion_date"),
    },
    "sub_jobs": {"number": _same("number", "code"), "name": _same("name")},
    "tax_codes": {
        "number": _same("number", "code"),
        "description": _same("description"),
        "rate": _same("rate", "rate1"),
        "active": lambda item: {"archived": not getattr(item.record, "active", True)},
    },
    "cost_types": {
        "name": _same("name"),
        # Written as csv_import_code, read back as code (docs/procore-contract.md 3.6).
        "number": lambda item: {"csv_import_code": item.refs.get("code") or item.record.number},
        "base_type": _base_type,
    },
    "cost_codes": {"name": _same("name")},
    "direct_costs": {
        "kind": _same("kind", "direct_cost_type"),
        "vendor": _party("vendor"),
        "invoice_number": _same("invoice_number"),
        "description": _same("description"),
        "cost_date": _day("cost_date", "direct_cost_date"),
        # Only posted transactions are sent, and a posted cost is a cost whether or not somebody in Procore approves it.
        "status": lambda item: {"status": "approved"},
    },
    "prime_contracts": {
        "title": _same("title"),
        "retainage_percent": _percent("retainage_percent"),
        "contract_date": _day("contract_date"),
    },
}
"""Entity -> content field -> attributes."""

_ADDRESS: dict[str, str] = {"address": "address", "city": "city", "state": "state_code", "zip": "zip"}


def created(item: Item) -> Attributes:
    """All attributes of a new record, without the external ids. What the ERP does not know is left out, not sent as null."""
    entity = item.record.entity
    attributes: Attributes = {}
    for build in FIELDS[entity].values():
        attributes.update(known(build(item)))
    if entity == "vendors" and not getattr(item.record, "tax_id", None):
        attributes.pop("business_register_attributes", None)
    if entity in ("vendors", "customers"):
        attributes.update({to: getattr(item.record, name) for name, to in _ADDRESS.items() if getattr(item.record, name)})
    return attributes


def changed(item: Item) -> Attributes:
    """The attributes of the fields in ``item.changes``; empty when none of them is written by this entity's update."""
    fields = FIELDS[item.record.entity]
    attributes: Attributes = {}
    for name in item.changes:
        if name in fields:
            attributes.update(fields[name](item))
    return attributes


def is_changed(item: Item) -> bool:
    return bool(changed(item))


def known(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def prime_contract(item: Item) -> Attributes:
    """A new prime contract in its final state. It has no external id yet: that comes after its lines, and until then its key in
    origin_data tells whose it is."""
    record: Any = item.record
    terms = [build(item) for build in FIELDS["prime_contracts"].values()]
    return known(
        {
            "number": record.number,
            **{name: value for attributes in terms for name, value in attributes.items()},
            **_party("customer")(item),
            "status": "Approved",
            "executed": True,
            "origin_data": item.origin_data,
        }
    )


def payment(item: Item) -> Attributes:
    """A payment, complete, with its external ids. An issued one names its invoice by id, a received one by the number of the
    draw, for which there is no id field (docs/procore-contract.md 6.3)."""
    record: Any = item.record
    issued = item.record.entity == "payments_issued"
    return known(
        {
            **_day("pay_date", "date")(item),
            "amount": as_text(record.amount),
            "check_number": record.payment_number,
            "payment_method": record.method,
            "invoice_number": record.invoice_number,
            **(_party("invoice", "requisition_id")(item) if issued else {"draw_request_number": record.draw_number}),
            **external(item),
        }
    )


# ---------------------------------------------------------------------- lines


def unplaced(item: Item, line: Line) -> str | None:
    """Why a line cannot be placed in Procore; None when it can."""
    for name, key in (("cost_code", line.cost_code), ("cost_type", line.cost_type), ("tax_code", line.tax_code)):
        if key is None and name != "tax_code":
            return f"line {line.position} has no {name.replace('_', ' ')}"
        if key is not None and not item.refs.of(name, key):
            return f"line {line.position}: {name.replace('_', ' ')} {key} is not in Procore yet"
    return None


def line(item: Item, line: Line, number: Callable[[Decimal], Any]) -> Attributes:
    """One line of a direct cost or a schedule of values, without its external id. ``number`` writes amounts."""
    return known(
        {
            "cost_code_id": int(ref(item, f"cost_code:{line.cost_code}")),
            "line_item_type_id": int(ref(item, f"cost_type:{line.cost_type}")),
            "description": line.description,
            "extended_type": line.extended_type,
            "amount": number(line.amount),
            "quantity": None if line.quantity is None else number(line.quantity),
            "unit_cost": None if line.unit_cost is None else number(line.unit_cost),
            "uom": line.unit,
            "tax_code_id": int(ref(item, f"tax_code:{line.tax_code}")) if line.tax_code else None,
        }
    )


def budget_line(wbs_code: str, line: BudgetLine, row: Mapping[str, Any] | None) -> Attributes:
    """One line of a budget; ``row`` is the line that is there. The amount is the ERP's: Procore is not to work it out anew."""
    own = {} if row is None else {"id": int(row["id"])}
    return known(
        {
            **own,
            "wbs_code_id": int(wbs_code),
            "original_budget_amount": line.amount,
            "calculation_strategy": "manual",
            "quantity": line.quantity,
            "unit_cost": line.unit_cost,
            "uom": line.unit,
        }
    )


def no_budget(wbs_code: str, row: Mapping[str, Any]) -> Attributes:
    """A line that the ERP's budget has no more: it stays, without an amount."""
    nothing_left = {"original_budget_amount": Decimal("0.00"), "calculation_strategy": "manual"}
    return {"id": int(row["id"]), "wbs_code_id": int(wbs_code), **nothing_left}


# ---------------------------------------------------------------------- is it there?


def holds(entity: str, row: Mapping[str, Any], attributes: Attributes) -> bool:
    """Whether a record as listed already has these attributes, each under the name it is read back by."""
    return next(differing(entity, row, attributes), None) is None


def differing(entity: str, row: Mapping[str, Any], attributes: Attributes) -> Iterator[str]:
    """Names of the attributes that a record does not have as given."""
    return (name for name, value in attributes.items() if not _held(entity, row, name, value))


_READ: dict[tuple[str, str], str] = {
    ("cost_types", "csv_import_code"): "code",
    ("vendor_insurances", "name"): "insurance_provider",
}
"""(entity, attribute) -> the name it is read back by."""
_OBJECTS: dict[str, str] = {
    "vendor_id": "vendor",
    "cost_code_id": "cost_code",
    "line_item_type_id": "line_item_type",
}
"""Attribute -> the object whose ``id`` it is read back as, where the row has no such attribute of its own."""


_NUMBERS = ("amount", "quantity", "unit_cost", "retainage_percent")
"""Attributes that are numbers as text: the scale is no difference."""


def _held(entity: str, row: Mapping[str, Any], name: str, value: Any) -> bool:
    if name == "business_register_attributes":
        return bool(((row.get("business_register") or {}).get("identifier") or None) == value["identifier"])
    if name == "parent_id":
        return parent_id(row) == (None if value is None else str(value))
    if name == "id" or name.endswith("_id"):
        return _id(row, name) == (None if value is None else str(value))
    name = _READ.get((entity, name), name)
    if value is not None and (isinstance(value, Decimal) or name in _NUMBERS):
        return amount_of(row, name) == Decimal(value)
    if isinstance(value, bool):
        return row.get(name) is value
    return (row.get(name) or None) == (value or None)


def _id(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None and isinstance(other := row.get(_OBJECTS.get(name, "")), Mapping):
        value = other.get("id")
    return None if value is None else str(value)


def amount_of(row: Mapping[str, Any], name: str) -> Decimal | None:
    """A figure of a reply, number or text; None for what is none."""
    value = row.get(name)
    try:
        return None if value is None or isinstance(value, bool) else Decimal(value)
    except (InvalidOperation, TypeError):
        return None
