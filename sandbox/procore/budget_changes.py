"""Budget changes: transfers between budget lines, in a ``data`` envelope although v1 (docs/procore-contract.md §3.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import engine
from sandbox.procore.amounts import number, total
from sandbox.procore.attributes import Attribute, Wrong, accept, choice, decimal, plain, whole
from sandbox.procore.call import Reply
from sandbox.procore.commitments import UNITS
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import ZERO, product
from sandbox.procore.schema import Resource
from sandbox.procore.store import Condition, Record
from sandbox.procore.wbs import flat_code

CHANGES = "budget_changes"
STATUSES = ("draft", "approved", "under_review", "void")
ADJUSTMENT_ATTRIBUTES = (
    Attribute("wbs_code_id", whole, required=True, nullable=False),
    Attribute("type", choice("change_event", "budget_change")),
    *plain("adjustment_number change_event_line_item_id", whole),
    *plain("amount quantity unit_cost", decimal),
    *plain("uom description comment ref"),
    Attribute("calculation_strategy", choice("automatic", "manual")),
)
ADJUSTMENT_BLANK: Record = {attribute.name: None for attribute in ADJUSTMENT_ATTRIBUTES} | {
    "type": "budget_change",
    "calculation_strategy": "manual",
}
ADJUSTMENT_ID = 880_000


def _number(value: Any) -> str:
    return str(whole(value))


def _adjustments(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Wrong("must be a list of objects")
    return value


ATTRIBUTES = (
    Attribute("status", choice(*STATUSES), required=True, nullable=False),
    Attribute("number", _number),
    *plain("title description"),
    Attribute("adjustment_line_items", _adjustments),
)

# -- views -------------------------------------------------------------------------------------------------------------


def _summary(row: Record) -> dict[str, Any]:
    lines = row.get("adjustment_line_items") or []
    events = sorted({line["change_event_line_item_id"] for line in lines if line.get("change_event_line_item_id")})
    return {
        "id": row["id"],
        "number": int(row["number"]),
        "status": row["status"],
        "title": row.get("title"),
        "description": row.get("description"),
        "erp_status": None,
        "prime_contract_id": None,
        "amount": number(total(line["amount"] for line in lines)),
        "change_event_line_item_ids": events,
    }


def summary_view(_: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    return [_summary(row) for row in rows]


def show_view(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """A change with its adjustment lines; figures are JSON numbers."""
    return [
        {
            **_summary(row),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "adjustment_line_items": [_line(context, line) for line in row.get("adjustment_line_items") or []],
            "production_quantities": [],
            "attachments": [],
        }
        for row in rows
    ]


def _line(context: Context, line: Record) -> dict[str, Any]:
    code = context.one("wbs_codes", line["wbs_code_id"])
    return {
        **{name: line.get(name) for name in ("id", *ADJUSTMENT_BLANK)},
        **{name: number(line.get(name)) for name in ("amount", "quantity", "unit_cost")},
        "wbs_code": None if code is None else flat_code(context, code),
    }


# -- writing -----------------------------------------------------------------------------------------------------------


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Number and adjustment lines of a change. Lines that an update does not name stay as they are."""
    if draft.get("number") is None:
        draft["number"] = existing["number"] if existing else str(_last_number(context) + 1)
    _check_number(context, draft)
    before = (existing or {}).get("adjustment_line_items") or []
    draft["adjustment_line_items"] = (
        _merged(context, before, sent["adjustment_line_items"]) if sent.get("adjustment_line_items") is not None else before
    )


def _last_number(context: Context) -> int:
    sql = f"SELECT max(CAST(number AS INTEGER)) FROM objects WHERE kind = '{CHANGES}' AND project_id = ?"
    return int(context.store.rows(sql, [context.project_id])[0][0] or 0)


def _check_number(context: Context, draft: Record) -> None:
    where: list[Condition] = [("project_id = ?", [context.project_id]), ("number = ?", [draft["number"]])]
    if any(other["id"] != draft.get("id") for other in context.store.query(CHANGES, where)):
        raise Invalid({"number": [engine.TAKEN]})


def _merged(context: Context, before: Sequence[Record], entries: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The lines after these entries: by ``id`` changed, with ``_delete`` removed, without ``id`` added."""
    lines = {line["id"]: line for line in before}
    for place, entry in enumerate(entries):
        try:
            _apply(context, lines, entry)
        except Invalid as wrong:
            fields = {f"adjustment_line_items[{place}].{name}": texts for name, texts in wrong.fields.items()}
            raise Invalid(fields, wrong.status) from None
    return list(lines.values())


def _apply(context: Context, lines: dict[int, Record], entry: Mapping[str, Any]) -> None:
    known = None
    if entry.get("id") is not None:
        known = lines.get(whole(entry["id"]))
        if known is None:
            raise Invalid({"id": [engine.UNKNOWN_ID]})
        if entry.get("_delete") is True:
            del lines[known["id"]]
            return
    taken, _ = accept(ADJUSTMENT_ATTRIBUTES, entry, "u" if known else "c", creates=known is None)
    line = {**(known or ADJUSTMENT_BLANK), **taken}
    code = context.one("wbs_codes", line["wbs_code_id"])
    if code is None or code["project_id"] != context.project_id:
        raise Invalid({"wbs_code_id": ["does not exist in this project"]}, 422)
    if taken.get("uom") and line["uom"].lower() not in UNITS:
        raise Invalid({"uom": ["is not in the company's list of units of measure"]})
    if line["calculation_strategy"] == "automatic" and line["quantity"] and line["unit_cost"]:
        line["amount"] = product(line["quantity"], line["unit_cost"])
    line["amount"] = line["amount"] or "0.00"
    line["id"] = known["id"] if known else _new_line_id(context, lines)
    lines[line["id"]] = line


def _new_line_id(context: Context, known: Mapping[int, Record]) -> int:
    """Above every id in use: lines live inside their change, where the sequence cannot see them."""
    lines_of_all = f"objects, json_each(doc, '$.adjustment_line_items') line WHERE kind = '{CHANGES}'"
    used = context.store.rows(f"SELECT max(json_extract(line.value, '$.id')) FROM {lines_of_all}")[0][0] or 0
    return context.store.new_id("adjustment_line_items", (), max(ADJUSTMENT_ID, used + 1, *(id + 1 for id in known)))


# -- calls -------------------------------------------------------------------------------------------------------------


def list_changes(context: Context, resource: Resource) -> Reply:
    """All changes of the project: the list has no pages and no filters."""
    engine.enter(resource, context, "list")
    rows = context.store.query(CHANGES, [("project_id = ?", [context.project_id]), ("deleted_at IS NULL", [])])
    return Reply(200, {"data": summary_view(context, rows)})


def enveloped(action: Callable[[Resource, Context], Reply], resource: Resource) -> Callable[[Context], Reply]:
    def answer(context: Context) -> Reply:
        reply = action(resource, context)
        return Reply(reply.status, {"data": reply.body}, reply.headers)

    return answer


def delete(context: Context, resource: Resource) -> Reply:
    engine.delete(resource, context)
    return Reply(204)


# -- their effect ------------------------------------------------------------------------------------------------------


def modifications(context: Context) -> dict[int, Decimal]:
    """What approved changes add to the budget, by WBS code, in the project in scope."""
    sums: dict[int, Decimal] = {}
    for change in _approved(context):
        for line in change.get("adjustment_line_items") or []:
            sums[line["wbs_code_id"]] = sums.get(line["wbs_code_id"], ZERO) + Decimal(line["amount"] or 0)
    return sums


def void_approved(context: Context) -> None:
    """Take away the effect of all approved changes."""
    for change in _approved(context):
        context.store.put(CHANGES, {**change, "status": "void", "updated_at": context.clock.stamp()})
    context.forget(CHANGES)


def _approved(context: Context) -> list[Record]:
    return context.store.query(
        CHANGES, [("project_id = ?", [context.project_id]), ("status = 'approved'", []), ("deleted_at IS NULL", [])]
    )
