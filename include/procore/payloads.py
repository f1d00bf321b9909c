"""What a write sends: canonical content fields -> Procore attributes, as one table, and whether a record already has them.

An update sends only the attributes of the fields that changed, so that what people maintain in Procore is left alone. Address
fields go out when a record is created and never again: Procore owns them from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from include.financials.port import Item
from include.procore.parse import parent_id
from include.procore.resources import BASE_TYPES

Attributes = dict[str, Any]
Build = Callable[[Item], Attributes]


def origin_code(item: Item) -> str:
    """The ERP number that people see in Procore."""
    return getattr(item.record, "code", None) or item.erp_key or item.record.origin_code or item.number


def _same(name: str, attribute: str | None = None) -> Build:
    return lambda item: {attribute or name: getattr(item.record, name)}


def _day(name: str) -> Build:
    def build(item: Item) -> Attributes:
        value = getattr(item.record, name)
        return {name: value.isoformat() if value else None}

    return build


def _tax_id(item: Item) -> Attributes:
    return {"business_register_attributes": {"type": "ein", "identifier": getattr(item.record, "tax_id", None)}}


def _base_type(item: Item) -> Attributes:
    value = str(item.refs.get("base_type") or getattr(item.record, "base_type", ""))
    return {"base_type": BASE_TYPES.get(value, value)}


_DIRECTORY: dict[str, Build] = {
    "name": _same("name"),
    "code": lambda item: {"origin_code": origin_code(item)},
    "active": _same("active", "is_active"),
}
FIELDS: dict[str, dict[str, Build]] = {
    "vendors": {**_DIRECTORY, "tax_id": _tax_id},
    "customers": _DIRECTORY,
    "projects": {
        "name": _same("name"),
        "number": _same("number", "project_number"),
        # A soft-closed job still takes cost, so its project stays usable.
        "active": _same("active"),
        "start_date": _day("start_date"),
        "completion_date": _day("completion_date"),
    },
    "cost_types": {
        "name": _same("name"),
        # Written as csv_import_code, read back as code (docs/procore-contract.md 3.6).
        "number": lambda item: {"csv_import_code": item.refs.get("code") or item.record.number},
        "base_type": _base_type,
    },
    "cost_codes": {"name": _same("name")},
}
"""Entity -> content field -> attributes."""

_ADDRESS: dict[str, str] = {"address": "address", "city": "city", "state": "state_code", "zip": "zip"}


def created(item: Item) -> Attributes:
    """All attributes of a new record, without the external ids. What the ERP does not know is left out, not sent as null."""
    entity = item.record.entity
    attributes: Attributes = {}
    for build in FIELDS[entity].values():
        attributes.update({name: value for name, value in build(item).items() if value is not None})
    if entity == "vendors" and not getattr(item.record, "tax_id", None):
        attributes.pop("business_register_attributes", None)
    if entity in ("vendors", "customers"):
        attributes.update({to: getattr(item.record, name) for name, to in _ADDRESS.items() if getattr(item.record, name)})
    return attributes


def changed(item: Item) -> Attributes:
    """The attributes of the fields in ``item.changes``; empty when none of them is written by this entity's sync."""
    fields = FIELDS[item.record.entity]
    attributes: Attributes = {}
    for name in item.changes:
        if name in fields:
            attributes.update(fields[name](item))
    return attributes


def holds(row: Mapping[str, Any], attributes: Attributes) -> bool:
    """Whether a record as listed already has these attributes, each under the name it is read back by."""
    return all(_held(row, name, value) for name, value in attributes.items())


def _held(row: Mapping[str, Any], name: str, value: Any) -> bool:
    if name == "business_register_attributes":
        return bool(((row.get("business_register") or {}).get("identifier") or None) == value["identifier"])
    if name == "csv_import_code":
        return bool(row.get("code") == value)
    if name == "parent_id":
        return parent_id(row) == (None if value is None else str(value))
    if name == "id":
        return str(row.get("id")) == str(value)
    return (row.get(name) or None) == (value or None) if not isinstance(value, bool) else row.get(name) is value
