"""Prime contracts with their schedules of values (docs/procore-contract.md 6.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from include.financials.entities.primes import PrimeContract
from include.financials.port import Item
from include.procore import payloads
from include.procore.building import contract, lines, our_line, party
from include.procore.entity import ProcoreEntity, Write
from include.procore.lists import Raw
from include.procore.parse import Row
from include.procore.payloads import day, percent, same
from include.procore.reading.base import Listed
from include.procore.reading.contracts import Contracts
from include.procore.resources import Resource
from include.procore.shown import CONTRACT
from include.procore.writing import plans
from include.procore.writing.lines import Lines
from include.procore.writing.once import Once
from include.procore.writing.single import Single
from include.procore.writing.way import project_of

PRIME_CONTRACTS = Resource(
    "prime_contracts",
    docs="6.4",
    list="/rest/v1.0/prime_contracts",
    show="/rest/v1.0/prime_contract/{id}",
    project="query",
    wrapper="prime_contract",
    filters=frozenset({"id", "updated_at"}),
    create="/rest/v1.0/prime_contract",
    update="/rest/v1.0/prime_contract/{id}",
    write_scope=("project",),
    web="/{project}/project/prime_contracts/{id}",
    events=("Prime Contracts",),
)
PRIME_LINES = Resource(
    "prime_contract_lines",
    docs="6.4",
    list="/rest/v1.0/prime_contracts/{parent}/line_items",
    project="query",
    wrapper="line_item",
    filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
    sync="/rest/v1.0/prime_contracts/{parent}/line_items/sync",
    sync_scope="query",
    events=("Prime Contract Line Items",),
)
RESOURCES = (PRIME_CONTRACTS, PRIME_LINES)


def prime_contract(row: Row, system: str, project_id: str, rows: Iterable[Any]) -> PrimeContract:
    """The owner is the contract's ``vendor``: a company of the directory."""
    own = lines(rows, lambda entry: our_line(entry, system))
    return PrimeContract(**contract(row, system, project_id, ()) | {"lines": own}, customer=party(row))


class PrimeContracts(Contracts):
    """The list lacks their payments, so that each is shown; and only the list has ``origin_code``."""

    def contents(self, project: str, one: Listed) -> tuple[Raw, Sequence[Any]] | None:
        shown = self._lists.show_or_none(self.resource, one.header.id, project=project)
        if shown is None:
            return None
        lines = shown.get("line_items")
        if not isinstance(lines, list):
            lines = self._lists.all(PRIME_LINES, project=project, parent=one.header.id)
        return {**one.row, **shown}, lines

    def build(self, row: Row, project: str, group: str, lines: Iterable[Any]) -> PrimeContract:
        return prime_contract(row, self._desk.system, project, lines)


_FIELDS: payloads.Fields = {
    "title": same("title"),
    "retainage_percent": percent("retainage_percent"),
    "contract_date": day("contract_date"),
}


def _new(item: Item) -> payloads.Attributes:
    """A new prime contract in its final state. It has no external id yet: that comes after its lines, and until then its key in
    origin_data tells whose it is."""
    record: Any = item.record
    terms = [build(item) for build in _FIELDS.values()]
    return payloads.known(
        {
            "number": record.number,
            **{name: value for attributes in terms for name, value in attributes.items()},
            **payloads.party("customer")(item),
            "status": "Approved",
            "executed": True,
            "origin_data": item.origin_data,
        }
    )


_CREATE = Once(PRIME_CONTRACTS, _new, key="origin_data", numbered=True)
_UPDATE = Single(PRIME_CONTRACTS, payloads.changed(_FIELDS), project_of, wanted=payloads.is_changed(_FIELDS))

ENTITIES = (
    ProcoreEntity(
        "prime_contracts",
        resources=(PRIME_CONTRACTS,),
        names=("number", "title"),
        reader=PrimeContracts,
        shown={**CONTRACT, "customer": ("vendor.id", "vendor_id")},
        writes={
            "create": (
                Write("header", _CREATE, plans.CREATED, batch=1, keyless=True),
                Write("lines", Lines(PRIME_LINES, payloads.as_text), plans.GIVEN_LINES, batch=1),
                Write("external_id", Single(PRIME_CONTRACTS, payloads.external, project_of), plans.GIVEN_ID, batch=1),
            ),
            "update": (Write("update", _UPDATE, plans.UPDATED, batch=1),),
            **plans.linked(PRIME_CONTRACTS),
            "final": (plans.noted(PRIME_CONTRACTS),),
        },
    ),
)
