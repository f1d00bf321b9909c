"""Lines of direct costs (docs/procore-contract.md §3.9), and what both they and their headers need: the lock, the busy window.

A line on a budget code without a budget line makes none (see ``budget``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sandbox.procore import engine, locks
from sandbox.procore.attributes import Attribute, Wrong, whole
from sandbox.procore.commitments import (
    LINE,
    LINE_ATTRIBUTES,
    LINE_DEFAULTS,
    complete_line,
    last_position,
    line_references,
    line_written,
)
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.schema import Resource
from sandbox.procore.store import Condition, Record
from sandbox.procore.views import picked

COSTS, LINES = "direct_costs", "direct_cost_lines"
HOLDER = "DirectCost"

ATTRIBUTES = LINE_ATTRIBUTES
PROJECT_ATTRIBUTES = (*LINE_ATTRIBUTES, Attribute("direct_cost_id", whole, store="parent_id", on="s"))
"""Entries of the project-wide sync name their direct cost."""
DEFAULTS = LINE_DEFAULTS

NESTED = ("id", "wbs_code_id", "quantity", "unit_cost", "uom", "description", "origin_id", "origin_data")
"""What a line inside a direct cost's own create and update may hold, beside ``manual_amount`` and ``ref``."""

# -- views -------------------------------------------------------------------------------------------------------------


def _details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    currency = {"currency_iso_code": (context.project or {}).get("currency_iso_code") or "USD"}
    found = line_references(context, rows)
    for row, more in zip(rows, found, strict=True):
        more |= {"holder": {"id": row["parent_id"], "holder_type": HOLDER}, "currency_configuration": currency, "ref": None}
    return found


SHORT_CODE = ("full_code", "id", "name", "origin_id")


def _in_list(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """The list of all lines has a shorter cost code, and no ``origin_data``."""
    return [
        {**more, "cost_code": more["cost_code"] and {name: more["cost_code"][name] for name in SHORT_CODE}}
        for more in _details(context, rows)
    ]


def _without(names: str) -> str:
    return " ".join(name for name in LINE.split() if name not in names.split())


VIEWS = {
    "list": picked(_in_list, _without("change_event_line_item company origin_data")),
    "show": picked(_details, LINE),
}
nested_view = picked(_details, f"{_without('change_event_line_item holder project')} ref")


def lines_of(context: Context, cost_id: int) -> list[Record]:
    where: list[Condition] = [("parent_id = ?", [cost_id]), ("deleted_at IS NULL", [])]
    return context.store.query(LINES, where, order="json_extract(doc, '$.position'), id")


# -- scope -------------------------------------------------------------------------------------------------------------


def enter_project(context: Context) -> None:
    """All lines of a project. A sync call is refused as a whole while another write holds one of the direct costs it names."""
    if context.call.method == "GET" or not context.settings.direct_cost_busy_seconds:
        return
    lines = {line["parent_id"] for line in named(context, LINES)}
    refuse_busy(context, lines | {id for id in (_whole(entry.get("direct_cost_id")) for entry in _updates(context)) if id})


def enter_cost(context: Context) -> None:
    """The lines of the direct cost in the path; a single line must be one of its own. Raises 404, or 409 while it is held."""
    id = int(context.call.params["direct_cost_id"])
    cost = context.one(COSTS, id)
    if cost is None or cost["project_id"] != context.project_id:
        raise not_found("Direct cost")
    context.scope["parent_id"] = id
    if "id" in context.call.params:
        line = context.one(LINES, int(context.call.params["id"]))
        if line is None or line["parent_id"] != id:
            raise not_found("Direct cost line item")
    if context.call.method != "GET":
        refuse_busy(context, [id])


def of_project(_: Context) -> list[Condition]:
    return [(f"kind = '{LINES}'", [])]  # as a literal: else SQLite does not use the indexes of these


def of_cost(context: Context) -> list[Condition]:
    return [("parent_id = ?", [context.scope["parent_id"]])]


# -- writing -----------------------------------------------------------------------------------------------------------


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Direct cost, cost key, amount and position of a line; 422 while its direct cost carries an external id."""
    cost = _cost_of(context, draft, existing)
    complete_line(context, draft, sent, existing)
    if sent.get("tax_code_id") is not None and context.one("tax_codes", draft["tax_code_id"]) is None:
        raise Invalid({"tax_code_id": ["does not exist"]}, 422)
    if existing is None:
        draft["position"] = last_position(context, LINES, cost["id"]) + 1
    if locks.changed(draft, existing):
        refuse_locked(context, cost)


def _cost_of(context: Context, draft: Record, existing: Record | None) -> Record:
    within = context.scope.get("parent_id")
    draft["parent_id"] = within or draft.get("parent_id")
    if existing is not None and draft["parent_id"] != existing["parent_id"]:
        raise Invalid({"direct_cost_id": ["cannot be changed"]})
    if draft["parent_id"] is None:
        raise Invalid({"direct_cost_id": ["can't be blank"]})
    cost = context.one(COSTS, draft["parent_id"])
    if cost is None or cost["project_id"] != context.project_id:
        raise Invalid({"direct_cost_id": ["does not exist in this project"]}, 422)
    return cost


def write_nested(context: Context, resource: Resource, entry: Mapping[str, Any]) -> Record:
    """A line inside its direct cost's own write: ``manual_amount``, or else quantity times unit cost."""
    sent = {name: entry[name] for name in NESTED if name in entry}
    if entry.get("manual_amount") is not None:
        sent |= {"amount": entry["manual_amount"], "extended_type": "manual"}
    elif "quantity" in entry or "unit_cost" in entry:
        sent["extended_type"] = "calculated"
    if sent.get("id") is None:
        if sent.get("wbs_code_id") is None:
            raise Invalid({"wbs_code_id": ["can't be blank"]})
        return engine.write(resource, context, sent, None, "c")
    line = context.one(LINES, whole(sent["id"]))
    if line is None or line["parent_id"] != context.scope["parent_id"]:
        raise Invalid({"id": [engine.UNKNOWN_ID]})
    return engine.write(resource, context, sent, line, "u")


def written(wbs_codes: Callable[[], Resource]) -> Callable[[Context, Record, Record | None], None]:
    """After a line was written: its WBS code is made when needed."""
    complete = line_written(wbs_codes, LINES)

    def done(context: Context, line: Record, existing: Record | None) -> None:
        complete(context, line, existing)
        touched(context, line)

    return done


def touched(context: Context, line: Record) -> None:
    """After a line was written or deleted: its direct cost is held, and moves on if the company is set up so (§10.21)."""
    hold(context, line["parent_id"])
    cost = context.one(COSTS, line["parent_id"])
    if context.settings.line_touches_parent and cost is not None:
        context.store.put(COSTS, {**cost, "updated_at": context.clock.stamp()})
        context.forget(COSTS)


def removing(context: Context, line: Record) -> None:
    cost = context.one(COSTS, line["parent_id"])
    if cost is not None:
        refuse_locked(context, cost)


def refuse_locked(context: Context, cost: Record) -> None:
    """Raises 422 when the lines of a direct cost may not be changed, because it carries an external id."""
    locks.refuse_synced(context, {**cost, "line_items": "changed"}, cost, "direct cost")


# -- one write at a time -----------------------------------------------------------------------------------------------


def hold(context: Context, cost_id: int) -> None:
    """Let the write that is being carried out hold its direct cost for the set time."""
    if context.settings.direct_cost_busy_seconds:
        context.store.hold(COSTS, cost_id, context.clock.ticks() + context.settings.direct_cost_busy_seconds)


def refuse_busy(context: Context, cost_ids: Iterable[int]) -> None:
    """Raises 409 while another write holds one of these direct costs; nothing of the call is applied."""
    busy = sorted(context.store.held(COSTS, cost_ids, context.clock.ticks()))
    if busy:
        raise Refused(409, f"Direct cost {busy[0]} is being changed by another request; try again later")


def named(context: Context, kind: str) -> list[Record]:
    """The records that the entries of a sync call name by id or external id."""
    entries = _updates(context)
    found = context.store.many(kind, (_whole(entry.get("id")) for entry in entries))
    origins = [entry["origin_id"] for entry in entries if entry.get("id") is None and isinstance(entry.get("origin_id"), str)]
    by_origin = (context.store.find(kind, context.company_id, origin) for origin in origins)
    return [*found.values(), *(record for record in by_origin if record is not None)]


def _updates(context: Context) -> list[dict[str, Any]]:
    """The entries of a sync call; the call itself refuses anything that is no list of objects."""
    updates = context.call.json().get("updates")
    return [entry for entry in updates if isinstance(entry, dict)] if isinstance(updates, list) else []


def _whole(value: Any) -> int | None:
    try:
        return None if value is None else whole(value)
    except Wrong:
        return None
