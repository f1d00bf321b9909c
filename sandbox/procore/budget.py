"""A project's budget: its lines, its lock, and the old modifications (docs/procore-contract.md §3.8).

Lines have no list of their own (``budget_views`` shows them) and no external id; the WBS code names a line, one per code.
Commitments and direct costs on codes without a line do **not** make budget lines here, although new Procore projects do that:
such a line is nobody's estimate, and every comparison of original budgets would have to leave it out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore.amounts import number
from sandbox.procore.attributes import Attribute, choice, decimal, plain, whole
from sandbox.procore.budget_changes import modifications, void_approved
from sandbox.procore.call import Reply
from sandbox.procore.commitments import UNITS
from sandbox.procore.context import Context
from sandbox.procore.engine import SYNC_CAP, UNKNOWN_ID, enter, shuffled, write
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.figures import product
from sandbox.procore.schema import Resource
from sandbox.procore.store import Condition, Record
from sandbox.procore.views import picked, stored
from sandbox.procore.wbs import flat_code

LINES = "budget_lines"
COSTS = ("contract_lines", "change_lines", "direct_cost_lines")
"""Kinds of lines that put cost on a budget code."""
ON_CODE = """EXISTS(SELECT 1 FROM objects line
  WHERE line.kind = '{}' AND json_extract(line.doc, '$.wbs_code_id') = +code.id AND line.deleted_at IS NULL)"""
"""With ``+``: SQLite compares no typed column through an index on an expression, and would read all lines for every code."""
CODES_WITH_COST = f"""SELECT code.id FROM objects code
  WHERE code.kind = 'wbs_codes' AND code.project_id = ? AND ({" OR ".join(ON_CODE.format(kind) for kind in COSTS)})"""

ATTRIBUTES = (
    Attribute("wbs_code_id", whole, required=True, nullable=False),
    *plain("original_budget_amount quantity unit_cost", decimal),
    Attribute("uom"),
    Attribute("calculation_strategy", choice("automatic", "manual"), nullable=False),
)
DEFAULTS = {"calculation_strategy": "manual"}
ESTIMATE = tuple(attribute.name for attribute in ATTRIBUTES)

MODIFICATION_VIEW = stored(
    "created_at from_budget_line_item_id id notes origin_data origin_id to_budget_line_item_id transfer_amount updated_at"
)


def _details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Figures are JSON numbers here."""
    codes = context.fetch("wbs_codes", (row["wbs_code_id"] for row in rows))
    return [
        {
            **{name: number(row.get(name)) for name in ("original_budget_amount", "quantity", "unit_cost")},
            "wbs_code": flat_code(context, codes[row["wbs_code_id"]]) if row["wbs_code_id"] in codes else None,
            "currency_configuration": {"currency_iso_code": (context.project or {}).get("currency_iso_code") or "USD"},
        }
        for row in rows
    ]


LINE_VIEW = picked(
    _details, "calculation_strategy currency_configuration id original_budget_amount quantity unit_cost uom wbs_code"
)

# -- lines -------------------------------------------------------------------------------------------------------------


def prepare_line(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Amount, unit and code of a line.

    While the budget is locked, nothing of an original may change (422), and a new line carries an original of 0, whatever was
    sent (docs/procore-contract.md §13).
    """
    if sent.get("uom") is not None and draft["uom"].lower() not in UNITS:
        raise Invalid({"uom": ["is not in the company's list of units of measure"]})
    if existing is None or draft["wbs_code_id"] != existing["wbs_code_id"]:
        _check_code(context, draft)
    if draft["calculation_strategy"] == "automatic" and draft.get("quantity") and draft.get("unit_cost"):
        draft["original_budget_amount"] = product(draft["quantity"], draft["unit_cost"])
    draft["original_budget_amount"] = draft.get("original_budget_amount") or "0.00"
    if not is_locked(context):
        return
    if existing is None:
        draft |= {"original_budget_amount": "0.00", "quantity": None, "unit_cost": None, "calculation_strategy": "manual"}
        return
    changed = [name for name in ESTIMATE if draft.get(name) != existing.get(name)]
    if changed:
        raise Invalid({name: ["cannot be changed: the budget is locked"] for name in changed}, 422)


def _check_code(context: Context, draft: Record) -> None:
    """The code must be the project's, and no other line may have it."""
    code = context.one("wbs_codes", draft["wbs_code_id"])
    if code is None or code["project_id"] != context.project_id:
        raise Invalid({"wbs_code_id": ["does not exist in this project"]}, 422)
    if any(line["id"] != draft.get("id") for line in lines_on(context, [code["id"]])):
        raise Invalid({"wbs_code_id": ["already has a budget line item"]}, 422)


def lines_on(context: Context, codes: Sequence[int]) -> list[Record]:
    """The budget lines of these codes."""
    where: list[Condition] = [
        (f"kind = '{LINES}'", []),  # as a literal: else SQLite does not use the index of these
        ("json_extract(doc, '$.wbs_code_id') IN (SELECT value FROM json_each(?))", [str(list(codes))]),
    ]
    return context.store.query(LINES, where, order="")


def sync_lines(context: Context, resource: Resource) -> Reply:
    """POST ``/budget_line_items/sync``: all entries or none, since the plain array of the reply has no place for errors.

    An entry without ``id`` for a code that has a line is refused (422), and so is the call: *inferred*, the inconvenient reading.
    """
    enter(resource, context, "create")
    entries = context.call.json().get("budget_line_items")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(400, "budget_line_items must be a list of objects", {"budget_line_items": ["must be a list of objects"]})
    if len(entries) > SYNC_CAP:
        raise Refused(
            413, f"budget_line_items holds {len(entries)} entries, the most is {SYNC_CAP}", {"budget_line_items": ["too many"]}
        )
    written = [write(resource, context, entry, _line_of(context, entry), "s") for entry in entries]
    latest = list({line["id"]: line for line in written}.values())
    rows = resource.views[resource.show_view](context, latest)
    return Reply(200, shuffled(rows) if context.settings.shuffle_sync else rows)


def _line_of(context: Context, entry: Mapping[str, Any]) -> Record | None:
    if entry.get("id") is None:
        return None
    line = context.one(LINES, whole(entry["id"]))
    if line is None or line["project_id"] != context.project_id:
        raise Invalid({"id": [UNKNOWN_ID]})
    return line


def delete_line(context: Context) -> Reply:
    """DELETE v2: 204, or 422 for a line that is not ``deletable``."""
    line = context.one(LINES, int(context.call.params["id"]))
    if line is None or line["project_id"] != context.project_id:
        raise not_found("Budget line item")
    if is_locked(context):
        raise Invalid({"base": ["cannot be deleted: the budget is locked"]}, 422)
    if line["id"] not in deletable(context, [line]):
        raise Invalid({"base": ["cannot be deleted: its budget code carries costs or budget changes"]}, 422)
    context.store.remove(LINES, line["id"])
    context.forget(LINES)
    return Reply(204)


def deletable(context: Context, lines: Sequence[Record]) -> set[int]:
    """Ids of the lines that may be deleted: the budget is open, and nothing else stands on their codes."""
    if is_locked(context):
        return set()
    used = codes_with_cost(context) | set(modifications(context))
    return {line["id"] for line in lines if line["wbs_code_id"] not in used}


def codes_with_cost(context: Context) -> set[int]:
    """The project's WBS codes that a commitment, a change order or a direct cost uses."""
    return {row[0] for row in context.store.rows(CODES_WITH_COST, [context.project_id])}


# -- the lock ----------------------------------------------------------------------------------------------------------


def is_locked(context: Context) -> bool:
    return bool((context.project or {}).get("budget_locked"))


def show_lock(context: Context) -> Reply:
    return Reply(200, {"locked": is_locked(context)})


def lock(context: Context) -> Reply:
    """POST ``budget/lock``; a budget that is locked already stays so."""
    _set_lock(context, True)
    return Reply(201, {"locked": True})


def unlock(context: Context) -> Reply:
    """DELETE ``budget/lock``: **takes away every budget change's effect and all modifications** unless
    ``destroy_all_budget_line_item_transfers=false``. Approved changes become void, so that they can still be seen."""
    if not is_locked(context):
        raise not_found("Budget lock")
    if context.call.arg("destroy_all_budget_line_item_transfers") != "false":
        void_approved(context)
        for old in context.store.query("budget_modifications", [("project_id = ?", [context.project_id])]):
            context.store.remove("budget_modifications", old["id"])
    _set_lock(context, False)
    return Reply(200, {"locked": False})


def _set_lock(context: Context, locked: bool) -> None:
    """The project's ``updated_at`` stays: its own reply does not show the lock."""
    context.project = {**(context.project or {}), "budget_locked": locked}
    context.store.put("projects", context.project)
    context.forget("projects")


def refuse_modification(_: Context) -> Reply:
    """The company uses budget changes: modifications can only be read."""
    refused = Refused(405, "Budget modifications are read-only: this company uses budget changes")
    return Reply(405, refused.body(), {"Allow": "GET"})
