"""Contracts under v2.0, for reading sums (docs/procore-contract.md §5.2, §6.4): ids as text, ``data`` around replies.

There are no external ids. The bodies of the contracts themselves are not described; they show v1 fields of the same contract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.procore.call import Reply
from sandbox.procore.change_orders import V2_PAGING, line_view
from sandbox.procore.commitments import HOLDERS, PURCHASE_ORDERS, WORK_ORDERS, lines_of
from sandbox.procore.context import Context
from sandbox.procore.contracts import COMMITMENTS, find_contract
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import figure, money
from sandbox.procore.paging import page_of
from sandbox.procore.query import conditions
from sandbox.procore.schema import Filter, Resource
from sandbox.procore.store import Condition, Record, marks
from sandbox.procore.sums import contract_sums

TYPES = {"WorkOrderContract": WORK_ORDERS, "PurchaseOrderContract": PURCHASE_ORDERS}
PLAIN = "number title description status accounting_method contract_date execution_date created_at updated_at deleted_at"
LINE_NAMES = (
    "amount description extended_type id position prime_line_item_id quantity tax_code_id unit_cost uom wbs_code wbs_code_id"
    " work_breakdown_structure"
)
FILTERS = {
    "id": Filter("equal", ("id",), number=True),
    "status": Filter("equal", ("status",)),
    "vendor_id": Filter("equal", ("vendor_id",), number=True),
    "accounting_method": Filter("equal", ("accounting_method",), values=("amount", "unit")),
    "created_at": Filter("range", ("created_at",)),
    "updated_at": Filter("range", ("updated_at",)),
    "deleted_at": Filter("range", ("deleted_at",)),
    **dict.fromkeys(("executed", "signature_required", "type"), Filter("like")),
}
COMMITMENT_FILTERS = {**FILTERS, "include_deleted": Filter("deleted")}
PRIME_FILTERS = {
    **FILTERS,
    "architect_id": Filter("equal", ("architect_id",), number=True),
    "contractor_id": Filter("equal", ("contractor_id",), number=True),
}


def _view(kind: str, row: Record) -> dict[str, Any]:
    return {
        **{name: row.get(name) for name in PLAIN.split()},
        "id": str(row["id"]),
        "type": HOLDERS[kind],
        "vendor_id": None if row.get("vendor_id") is None else str(row["vendor_id"]),
        "executed": bool(row.get("executed")),
        "private": bool(row.get("private")),
        "signature_required": False,
        "retainage_percent": figure(row.get("retainage_percent"), row["id"]),
        "currency_configuration": {"currency_iso_code": row.get("currency_iso_code")},
    }


def list_contracts(resource: Resource, kinds: Sequence[str]) -> Callable[[Context], Reply]:
    """Contracts of these kinds in the order of their ids. ``resource`` holds the filters."""

    def handle(context: Context) -> Reply:
        wanted = _kinds(context, kinds)
        where: list[Condition] = [
            (f"kind IN ({marks(wanted)})", wanted),
            ("project_id = ?", [context.project_id]),
            *conditions(resource, context.call),
            *_switches(context),
        ]
        text, values = " AND ".join(f"({sql})" for sql, _ in where), [value for _, given in where for value in given]
        found = context.store.rows(f"SELECT kind, id FROM objects WHERE {text} ORDER BY id", values)
        page = page_of(context.call, V2_PAGING, len(found))
        rows = found[page.offset : page.offset + page.size]
        records = {kind: context.fetch(kind, [row["id"] for row in rows if row["kind"] == kind]) for kind in wanted}
        data = [_view(row["kind"], records[row["kind"]][row["id"]]) for row in rows]
        return Reply(200, {"data": data}, page.headers(context.call))

    return handle


def _kinds(context: Context, kinds: Sequence[str]) -> list[str]:
    """``filters[type]`` of commitments. Raises 400 for one that is none."""
    given = context.call.filters().get("type")
    if given is None:
        return list(kinds)
    if given[-1] not in TYPES:
        raise Invalid({"filters[type]": [f"is not one of {', '.join(TYPES)}"]})
    return [TYPES[given[-1]]]


def _switches(context: Context) -> list[Condition]:
    given = context.call.filters()
    return [
        (f"coalesce(json_extract(doc, '$.{name}'), 0) = ?", [given[name][-1] == "true"])
        for name in ("executed", "signature_required")
        if name in given
    ]


def show(context: Context) -> Reply:
    kind, contract = find_contract(context, int(context.call.params["contract_id"]), COMMITMENTS)
    return Reply(200, {"data": _view(kind, contract)})


def list_lines(context: Context) -> Reply:
    kind, contract = find_contract(context, int(context.call.params["contract_id"]), COMMITMENTS)
    lines = lines_of(context, kind, contract["id"])
    page = page_of(context.call, V2_PAGING, len(lines))
    shown = line_view(context, lines[page.offset : page.offset + page.size])
    return Reply(200, {"data": [{name: line[name] for name in LINE_NAMES.split()} for line in shown]}, page.headers(context.call))


def summary(kinds: tuple[str, ...]) -> Callable[[Context], Reply]:
    """The sums of one contract."""

    def handle(context: Context) -> Reply:
        kind, contract = find_contract(context, int(context.call.params["contract_id"]), kinds)
        sums = contract_sums(context, kind, [contract])[contract["id"]]
        found = {
            "approved_change_total": money(sums.approved),
            "pending_revised_change_total": money(sums.pending),
            "draft_change_total": money(sums.draft),
            "total_invoices_amount": money(sums.invoiced),
            "total_payments_amount": money(sums.payments),
            "currency_configuration": {"currency_iso_code": contract.get("currency_iso_code")},
        }
        return Reply(200, {"data": found})

    return handle
