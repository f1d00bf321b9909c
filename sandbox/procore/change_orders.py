"""Commitment and prime change orders, the newer resource over change order packages (docs/procore-contract.md §5.3 c).

One record, two faces: the id here is the package's id plus :data:`OFFSET`, ``legacy_package_id`` names the package. There are no
external ids on this face. The lines are those of the package's potential change orders, under v2.0 with ids as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import engine
from sandbox.procore.attributes import Attribute, choice, day, decimal, flag, plain, whole
from sandbox.procore.call import Reply
from sandbox.procore.changes import (
    PACKAGES,
    STATUSES,
    package_details,
    package_lines,
    potentials_of,
    prepare_change_line,
    prepare_package,
)
from sandbox.procore.commitments import LINES, flat_codes
from sandbox.procore.context import Context
from sandbox.procore.contracts import COMMITMENTS, contract_id, find_contract
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.figures import money
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging, Resource
from sandbox.procore.store import Condition, Record, marks
from sandbox.procore.sums import PRIME
from sandbox.procore.views import picked

OFFSET = 7_000_000_000
V2_PAGING = Paging(10, 100)
NO_PAGES = Paging(1_000_000, 1_000_000)
"""The lists of this resource have no pages (§1.7)."""
KINDS = {"commitment_change_orders": COMMITMENTS, "prime_change_orders": (PRIME,)}

ATTRIBUTES = (
    *plain("number title description reason reference"),
    Attribute("status", choice(*STATUSES), nullable=False),
    Attribute("contract_id", whole, store="named_contract_id"),
    *plain("due_date invoiced_date paid_date signed_change_order_received_date", day),
    *plain("executed paid private field_change signature_required", flag),
    *plain("revision schedule_impact_amount", whole),
)
NAMES = (
    "id batch_id contract_id legacy_package_id legacy_request_id grand_total status number revision type title description"
    " executed paid private field_change signature_required reason reference schedule_impact_amount due_date invoiced_date"
    " paid_date reviewed_at signed_change_order_received_date currency_configuration created_by created_at updated_at"
    " deleted_at vendor_id"
)


def details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    found = package_details(context, rows)
    for row, more in zip(rows, found, strict=True):
        _, contract = find_contract(context, row["parent_id"])
        more |= {"id": row["id"] + OFFSET, "legacy_package_id": row["id"], "created_by": more["creator"]}
        more |= {name: bool(row.get(name)) for name in ("paid", "field_change", "signature_required")}
        more["vendor_id"] = contract.get("vendor_id")
    return found


VIEW = picked(details, NAMES)


def conditions(kind: str) -> Callable[[Context], list[Condition]]:
    """The packages of the kind's contracts, and the filters that need more than a stored field: ids and yes/no."""

    def found(context: Context) -> list[Condition]:
        kinds, given = KINDS[kind], context.call.filters()
        where: list[Condition] = [(f"json_extract(doc, '$.contract_kind') IN ({marks(kinds)})", kinds)]
        if "id" in given:
            where.append(_ids(given["id"]))
        if "vendor_id" in given:
            where.append(_of_vendor(context, kinds, given["vendor_id"]))
        where.extend(
            (f"coalesce(json_extract(doc, '$.{name}'), 0) = ?", [given[name][-1] == "true"])
            for name in ("executed", "signature_required")
            if name in given
        )
        return where

    return found


def _ids(values: Sequence[str]) -> Condition:
    ids = [(contract_id({"filters[id]": value}, "filters[id]") or 0) - OFFSET for value in values]
    return f"id IN ({marks(ids)})", ids


def _of_vendor(context: Context, kinds: Sequence[str], values: Sequence[str]) -> Condition:
    ids = [contract_id({"filters[vendor_id]": value}, "filters[vendor_id]") for value in values]
    sql = (
        f"parent_id IN (SELECT c.id FROM objects c WHERE c.kind IN ({marks(kinds)}) AND c.project_id = ?"
        f" AND json_extract(c.doc, '$.vendor_id') IN ({marks(ids)}))"
    )
    return sql, [*kinds, context.project_id, *ids]


def enter(context: Context) -> None:
    """A new change order names its contract among its attributes."""
    if context.call.method != "POST":
        return
    given = context.call.json().get("change_order")
    id = contract_id(given if isinstance(given, Mapping) else {})
    if id is None:
        raise Refused(400, "contract_id is missing", {"contract_id": ["is missing"]})
    context.scope["contract_kind"], context.parent = find_contract(context, id, COMMITMENTS)


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """As a package; the contract of a change order cannot be changed."""
    named = draft.pop("named_contract_id", None)
    if existing is not None and named not in (None, existing["parent_id"]):
        raise Invalid({"contract_id": ["cannot be changed"]}, 422)
    prepare_package(context, draft, sent, existing)


def by_package_id(action: Callable[[Resource, Context], Reply], resource: Resource) -> Callable[[Context], Reply]:
    """A standard action on one change order, under the id of its package."""

    def handle(context: Context) -> Reply:
        context.call.params["id"] = str(int(context.call.params["id"]) - OFFSET)
        package = context.store.get(PACKAGES, int(context.call.params["id"]))
        if package is not None and package.get("contract_kind") not in KINDS[resource.path.rpartition("/")[2]]:
            raise not_found("Change order")
        return action(resource, context)

    return handle


# -- lines under v2.0 --------------------------------------------------------------------------------------------------

LINE_ATTRIBUTES = (
    *plain("amount quantity unit_cost", decimal),
    *plain("wbs_code_id tax_code_id commitment_line_item_id prime_line_item_id", whole),
    *plain("description uom"),
)
LINE_NAMES = "amount description extended_type id position quantity unit_cost uom wbs_code work_breakdown_structure"
LINE_IDS = ("wbs_code_id", "tax_code_id", "commitment_line_item_id", "prime_line_item_id")


def _text(id: int | None) -> str | None:
    return None if id is None else str(id)


def line_view(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Ids as text, amounts as plain decimals, quantities as numbers (§1.5)."""
    flat = flat_codes(context, rows)
    found = []
    for row in rows:
        code = flat.get(row.get("wbs_code_id") or 0)
        shown = {name: row.get(name) for name in LINE_NAMES.split()}
        shown |= {name: _text(row.get(name)) for name in LINE_IDS}
        shown |= {"id": str(row["id"]), "amount": money(row.get("amount"))}
        shown["quantity"] = None if row.get("quantity") is None else Decimal(row["quantity"])
        shown["wbs_code"] = None if code is None else {**code, "id": str(code["id"])}
        found.append(shown)
    return found


def _package(context: Context) -> Record:
    package = context.store.get(PACKAGES, int(context.call.params["change_order_id"]) - OFFSET)
    if (
        package is None
        or package["project_id"] != context.project_id
        or package["deleted_at"]
        or package.get("contract_kind") not in COMMITMENTS
    ):
        raise not_found("Commitment change order")
    return package


def list_lines(context: Context) -> Reply:
    package = _package(context)
    rows = [row for row in package_lines(context, package["id"], package["parent_id"]) if not row.get("is_markup")]
    page = page_of(context.call, V2_PAGING, len(rows))
    return Reply(200, {"data": line_view(context, rows[page.offset : page.offset + page.size])}, page.headers(context.call))


def create_line(resource: Resource) -> Callable[[Context], Reply]:
    """A line on the PCO of the change order; answers 200. ``resource``: the PCO lines with the attributes of this version."""

    def handle(context: Context) -> Reply:
        package = _package(context)
        changes = potentials_of(context, package["id"], package["parent_id"])
        if not changes:
            raise Invalid({"base": ["the change order has no potential change order that could hold lines"]}, 422)
        context.parent = changes[0]
        sent = context.call.json()
        if sent.get("wbs_code_id") is None:
            raise Invalid({"wbs_code_id": ["can't be blank"]})
        _check_changed_line(context, sent, package)
        line = engine.write(resource, context, sent, None, "c")
        return Reply(200, {"data": line_view(context, [line])[0]})

    return handle


def prepare_line(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """As a PCO line; without an amount it is quantity x unit cost."""
    if sent.get("amount") is None and draft.get("quantity") is not None and draft.get("unit_cost") is not None:
        draft["extended_type"] = "calculated"
    prepare_change_line(context, draft, sent, existing)


def _check_changed_line(context: Context, sent: Mapping[str, Any], package: Record) -> None:
    """The line of the contract that is changed is one of its schedule of values. Raises 400."""
    id = contract_id(sent, "commitment_line_item_id")
    line = context.store.get(LINES, id) if id is not None else None
    if id is not None and (line is None or line["parent_id"] != package["parent_id"]):
        raise Invalid({"commitment_line_item_id": ["is no line of this commitment"]})
