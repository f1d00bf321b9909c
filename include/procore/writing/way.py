"""What every way to write has in common: the scope of a call, and how an answer is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from include.financials.exceptions import ContractBroken
from include.financials.identity import parse_origin
from include.financials.port import Item, Outcome
from include.procore.entity import Desk
from include.procore.lists import Raw, row_id
from include.procore.payloads import ref
from include.procore.resources import Resource

COMPANY = "company"
"""Scope of a call that may cover all of a company's records."""


def rejected(item: Item, ident: str | None, message: str, field: str | None, locked: bool = False) -> Outcome:
    return Outcome(item.intent, "rejected", id=ident, message=message, field=field, locked=locked)


def project_of(item: Item) -> str:
    return ref(item, "project")


def company(item: Item) -> str:
    return COMPANY


def always(item: Item) -> bool:
    return True


def other_owner(item: Item, row: Mapping[str, Any]) -> str | None:
    """Why a record that came back with another integration's external id is no success; None when there is nothing wrong. Raises
    ContractBroken for one of ours that is not this record's: the answer is about another record than the one that was sent."""
    origin = row.get("origin_id", item.origin_id)
    if origin == item.origin_id:
        return None
    if parse_origin(origin, item.origin_id.partition(":")[0]):
        raise ContractBroken(f"Procore answered {item.record.entity} {item.number}, sent as {item.origin_id}, with {origin}")
    return f"came back with external id {origin}, not {item.origin_id}; another integration may own it"


def not_there(item: Item, row: Raw | None) -> Outcome:
    """The effect is absent; if another integration's external id is there instead, that is said."""
    origin = (row or {}).get("origin_id") or None
    if row is None or origin in (None, item.origin_id):
        return Outcome(item.intent, "absent", id=row_id(row) if row else None)
    return Outcome(
        item.intent, "absent", id=row_id(row), message=f"carries external id {origin}, not {item.origin_id}", field="origin_id"
    )


def by_key(rows: Iterable[Raw], key: str, wanted: set[str]) -> dict[str, Raw]:
    """Rows by an external field that must be on one record only."""
    found: dict[str, Raw] = {}
    for row in rows:
        value = row.get(key)
        if value in wanted:
            if value in found and row_id(found[value]) != row_id(row):
                what = "external id" if key == "origin_id" else key
                raise ContractBroken(f"{what} {value} stands on two records, {row_id(found[value])} and {row_id(row)}")
            found[cast(str, value)] = row
    return found


def scope_ids(desk: Desk, resource: Resource, item: Item, contract: str | None = None) -> Raw:
    """The ids that go beside a single record in its body (``Resource.write_scope``)."""
    ids = {"company": lambda: desk.client.company_id, "contract": lambda: ref(item, str(contract))}
    return {f"{name}_id": int(ids[name]() if name in ids else ref(item, name)) for name in resource.write_scope}
