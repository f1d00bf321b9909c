"""Commitments: subcontracts and purchase orders with their schedules of values (docs/procore-contract.md 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from include.financials.entities.commitments import Commitment
from include.financials.port import Item, Window
from include.financials.record import Record
from include.procore import payloads
from include.procore.building import contract, party
from include.procore.entity import Desk, ProcoreEntity, Write
from include.procore.lists import Raw, ids_filter, row_id
from include.procore.parse import Row
from include.procore.reading.base import Listed
from include.procore.reading.contracts import Contracts
from include.procore.resources import Resource
from include.procore.shown import CONTRACT
from include.procore.writing import plans
from include.procore.writing.single import Single
from include.procore.writing.sync import Sync
from include.procore.writing.way import project_of

Kind = Literal["subcontract", "purchase_order"]

WORK_ORDERS = Resource(
    "work_order_contracts",
    docs="5.1",
    list="/rest/v1.0/work_order_contracts",
    show="/rest/v1.0/work_order_contracts/{id}",
    project="query",
    wrapper="work_order_contract",
    params={"view": "extended", "filters[include_deleted]": "with"},
    filters=frozenset({"id", "status", "origin_id", "created_at", "updated_at", "include_deleted"}),
    update="/rest/v1.0/work_order_contracts/{id}",
    write_scope=("project",),
    sync="/rest/v1.0/work_order_contracts/sync",
    origin_code="sync",
    lock="status",
    web="/{project}/project/commitments/work_order_contracts/{id}",
    events=("Work Order Contracts",),
)
PURCHASE_ORDERS = Resource(
    "purchase_order_contracts",
    docs="5.1",
    list="/rest/v1.0/purchase_order_contracts",
    show="/rest/v1.0/purchase_order_contracts/{id}",
    project="query",
    wrapper="purchase_order_contract",
    params={"view": "extended", "filters[include_deleted]": "with"},
    filters=frozenset({"id", "status", "origin_id", "created_at", "updated_at", "include_deleted"}),
    update="/rest/v1.0/purchase_order_contracts/{id}",
    write_scope=("project",),
    origin_code="patch",
    lock="status",
    web="/{project}/project/commitments/purchase_order_contracts/{id}",
    events=("Purchase Order Contracts",),
)
WORK_ORDER_LINES = Resource(
    "work_order_contract_lines",
    docs="5.1",
    list="/rest/v1.0/work_order_contracts/{parent}/line_items",
    project="query",
    wrapper="line_item",
    filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
    sync="/rest/v1.0/work_order_contracts/{parent}/line_items/sync",
    sync_scope="query",
    lock="status",
    events=("Work Order Contract Line Items",),
)
PURCHASE_ORDER_LINES = Resource(
    "purchase_order_contract_lines",
    docs="5.1",
    list="/rest/v1.0/purchase_order_contracts/{parent}/line_items",
    project="query",
    wrapper="line_item",
    filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
    sync="/rest/v1.0/purchase_order_contracts/{parent}/line_items/sync",
    sync_scope="query",
    lock="status",
    events=("Purchase Order Contract Line Items",),
)
RESOURCES = (WORK_ORDERS, PURCHASE_ORDERS, WORK_ORDER_LINES, PURCHASE_ORDER_LINES)

KINDS: Mapping[str, Resource] = {"subcontract": WORK_ORDERS, "purchase_order": PURCHASE_ORDERS}
LINES: Mapping[str, Resource] = {"subcontract": WORK_ORDER_LINES, "purchase_order": PURCHASE_ORDER_LINES}


def _is_order(item: Item) -> bool:
    return getattr(item.record, "kind", None) == "purchase_order"


def _resource_of(record: Record) -> Resource:
    return KINDS[getattr(record, "kind", "subcontract")]


def commitment(row: Row, system: str, kind: Kind, project_id: str, rows: Iterable[Any]) -> Commitment:
    return Commitment(
        **contract(row, system, project_id, rows),
        kind=kind,
        vendor=party(row),
        accounting_method=row.choice("accounting_method", ("amount", "unit"), "amount"),
        executed=row.flag("executed", False),
    )


class Commitments(Contracts):
    """Subcontracts and purchase orders: two lists, sorted one after the other."""

    takes_ids = True

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._positions: dict[str, dict[str, int]] = {}

    def kinds(self) -> Mapping[str, Resource]:
        return KINDS

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for kind, resource in KINDS.items():
            extra = ids_filter(resource, ids) if ids else ()
            yield from ((kind, row) for row in self._lists.all(resource, project=project, extra=extra))

    def contents(self, project: str, one: Listed) -> tuple[Raw, Sequence[Any]]:
        lines = self._lists.all(LINES[one.group], project=project, parent=one.header.id)
        self._positions[one.header.id] = {row_id(row): row["position"] for row in lines if _positioned(row)}
        return one.row, lines

    def positions(self, project: str, one: Listed) -> dict[str, int]:
        """Line id -> position in the schedule of values of a contract."""
        if one.header.id not in self._positions:
            self.contents(project, one)
        return self._positions[one.header.id]

    def build(self, row: Row, project: str, group: str, lines: Iterable[Any]) -> Commitment:
        return commitment(row, self._desk.system, cast(Kind, group), project, lines)


def _positioned(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("position"), int)


ENTITIES = (
    ProcoreEntity(
        "commitments",
        resources=tuple(KINDS.values()),
        resource_of=_resource_of,
        names=("number", "title"),
        reader=Commitments,
        shown={**CONTRACT, "vendor": ("vendor.id", "vendor_id")},
        told_by=RESOURCES,
        lists_all=True,
        writes={
            "link": (
                Write(
                    "link",
                    Sync(WORK_ORDERS, payloads.numbered, project_of, lambda item: not _is_order(item)),
                    plans.LINKED,
                ),
                # An entry of the purchase order sync has no id, so it would make a second order (2.2): linked one by one.
                Write(
                    "link_order",
                    Single(PURCHASE_ORDERS, payloads.external_numbered, project_of, wanted=_is_order),
                    plans.LINKED,
                    batch=1,
                ),
            ),
            "final": (
                plans.noted(WORK_ORDERS, wanted=lambda item: not _is_order(item)),
                plans.noted(PURCHASE_ORDERS, wanted=_is_order, name="final_order"),
            ),
        },
    ),
)
