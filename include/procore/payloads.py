"""What a write sends: canonical content fields -> Procore attributes, and whether a record already has them.

An update sends only the attributes of the fields that changed, so that what people maintain in Procore is left alone.

Amounts are Decimal up to the client, which writes them as JSON numbers; where an endpoint takes text they become text here
(docs/procore-contract.md 1.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from include.financials.exceptions import ContractBroken
from include.financials.port import Item
from include.financials.record import Line
from include.procore.parse import parent_id
from include.procore.resources import Resource

Attributes = dict[str, Any]
Build = Callable[[Item], Attributes]
Fields = Mapping[str, Build]
"""Content field of an entity -> its attributes."""
Name = Callable[[Item], str]

PROOF = ("cost_code_id", "line_item_type_id", "amount", "direct_cost_id")
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


def same(name: str, attribute: str | None = None) -> Build:
    return lambda item: {attribute or name: getattr(item.record, name)}


def day(name: str, attribute: str | None = None) -> Build:
    def build(item: Item) -> Attributes:
        value = getattr(item.record, name)
        return {attribute or name: value.isoformat() if value else None}

    return build


def percent(name: str) -> Build:
    def build(item: Item) -> Attributes:
        value = getattr(item.record, name)
        return {name: None if value is None else as_text(value)}

    return build


def party(name: str, attribute: str = "vendor_id") -> Build:
    """A company of Procore's directory; left empty where the record names none."""
    return lambda item: {attribute: int(ref(item, name)) if getattr(item.record, name) else None}


def created(fields: Fields) -> Build:
    """All attributes of a new record, without the external ids. What the ERP does not know is left out, not sent as null."""

    def build(item: Item) -> Attributes:
        return {name: value for one in fields.values() for name, value in known(one(item)).items()}

    return build


def changed(fields: Fields) -> Build:
    """The attributes of the fields in ``item.changes``; empty when none of them is written by this entity's update."""

    def build(item: Item) -> Attributes:
        return {name: value for field in item.changes if field in fields for name, value in fields[field](item).items()}

    return build


def is_changed(fields: Fields) -> Callable[[Item], bool]:
    build = changed(fields)
    return lambda item: bool(build(item))


def known(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


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


# ---------------------------------------------------------------------- is it there?


def holds(resource: Resource, row: Mapping[str, Any], attributes: Attributes) -> bool:
    """Whether a record as listed already has these attributes, each under the name it is read back by."""
    return next(differing(resource, row, attributes), None) is None


def differing(resource: Resource, row: Mapping[str, Any], attributes: Attributes) -> Iterator[str]:
    """Names of the attributes that a record does not have as given."""
    return (name for name, value in attributes.items() if not _held(resource, row, name, value))


def of_another(resource: Resource, row: Mapping[str, Any], own: Attributes, sent: Iterable[Attributes]) -> str | None:
    """Name of an attribute that a reply tells of a record as it was sent for another one of the same call: the two may have been
    taken for each other. What is no proof of a line (:data:`PROOF`) says so only where all that the two differ in is the other's:
    a switch or a text that Procore keeps in its own way may be as somebody else's is."""
    told = [name for name in own if name not in _MARKS and {resource.read_as.get(name, name), _OBJECTS.get(name)} & row.keys()]
    for other in sent:
        apart = [name for name in told if name in other and other[name] != own[name]]
        theirs = [name for name in apart if _held(resource, row, name, other[name]) and not _held(resource, row, name, own[name])]
        proof = [name for name in theirs if name in PROOF]
        if proof or (theirs and len(theirs) == len(apart)):
            return next(iter(proof or theirs))
    return None


_MARKS = ("id", "origin_id", "origin_data")
"""Attributes by which an answer is found: what they may be has rules of its own."""

_OBJECTS: dict[str, str] = {
    "vendor_id": "vendor",
    "direct_cost_id": "holder",
    "cost_code_id": "cost_code",
    "line_item_type_id": "line_item_type",
}
"""Attribute -> the object whose ``id`` it is read back as, where the row has no such attribute of its own."""


_NUMBERS = ("amount", "quantity", "unit_cost", "retainage_percent")
"""Attributes that are numbers as text: the scale is no difference."""


def _held(resource: Resource, row: Mapping[str, Any], name: str, value: Any) -> bool:
    if name == "parent_id":
        return parent_id(row) == (None if value is None else str(value))
    if name == "id" or name.endswith("_id"):
        return _id(row, name) == (None if value is None else str(value))
    name, _, member = resource.read_as.get(name, name).partition(".")
    if member:
        return bool(((row.get(name) or {}).get(member) or None) == value[member])
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
