"""What every way to write has in common: the port's four questions, the company they are asked about, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from include.financials.exceptions import ContractBroken, OutcomeUnknown
from include.financials.identity import parse_origin
from include.financials.port import Invalid, Item, Outcome
from include.financials.record import Record
from include.procore import parse, records
from include.procore.client import ProcoreClient
from include.procore.lists import Lists, Raw, row_id
from include.procore.payloads import ref
from include.procore.readers import directory
from include.procore.resources import Resource
from include.procore.wbs import Wbs

COMPANY = "company"
"""Scope of a call that may cover all of a company's records."""


@dataclass(slots=True)
class Desk:
    """One company as the writes see it: its connection, what is known of it, and the settings that a payload needs."""

    client: ProcoreClient
    lists: Lists
    wbs: Wbs
    erp_system: str
    delimiter: str
    type_codes: Mapping[str, str]
    """ERP cost type -> Procore code."""
    known: dict[str, Raw] = field(default_factory=dict)
    """External id -> record as last answered: ids for children of this run, and what need not be sent again."""
    siblings: dict[tuple[str, str, str | None], list[Raw]] = field(default_factory=dict)
    """Resource, project, contract -> the rows that are there, for resources that do not guard against a second creation."""

    def id_of(self, item: Item) -> str | None:
        known = self.known.get(item.origin_id)
        return item.procore_id or (row_id(known) if known else None)

    def record(self, item: Item, row: Raw) -> Record | None:
        """The record of a row that holds all of its content; None for a row that does not fit: it is read again later."""
        entity = item.record.entity
        built: Record | Invalid
        if entity == "sub_jobs":
            built = parse.fit(entity, row, lambda found: records.sub_job(found, self.erp_system, project_of(item)))
        else:
            built = directory.build(entity, row, self.erp_system)
        return None if isinstance(built, Invalid) else built

    def confirmed(self, item: Item, row: Raw, *, whole: bool = False) -> Outcome:
        """``row`` is the record as answered or listed; ``whole``: with all of its content. Raises OutcomeUnknown for an answer
        that is no record: it has no id."""
        if row.get("id") is None:
            raise OutcomeUnknown(f"the answer to {item.record.entity} {item.number} is no record: it has no id")
        self.known[item.origin_id] = row
        record = self.record(item, row) if whole else None
        changed = parse.time_or_none(row.get("updated_at"))
        return Outcome(item.intent, "confirmed", id=row_id(row), record=record, updated_at=changed)


class Way(Protocol):
    """One way to write. The methods are those of ``include.financials.port.System``, for one kind of step.

    ``post`` and ``find`` are given items of one scope.
    """

    def wants(self, item: Item) -> bool: ...

    def scope(self, item: Item) -> str: ...

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]: ...

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]: ...


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
    ids: dict[str, Callable[[], str]] = {
        "company": lambda: desk.client.company_id,
        "project": lambda: project_of(item),
        "commitment": lambda: ref(item, "commitment"),
        "contract": lambda: ref(item, str(contract)),
    }
    return {f"{name}_id": int(ids[name]()) for name in resource.write_scope}
