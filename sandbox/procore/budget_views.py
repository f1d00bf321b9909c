"""Budget views and their rows, the only list of budget lines (docs/procore-contract.md §3.8). Both are derived, never stored.

The standard view has Procore's own columns only; the second one stands for views that people made, with a formula column more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.procore import login
from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.budget import LINES, codes_with_cost, deletable
from sandbox.procore.budget_changes import modifications
from sandbox.procore.call import Call, Reply
from sandbox.procore.codes import chain
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.figures import ZERO, figure
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging
from sandbox.procore.settings import COMPANY_NAME
from sandbox.procore.store import Record

STANDARD, CUSTOM = 1, 2
VIEWS = {STANDARD: ("Standard", "standard"), CUSTOM: ("Cost report", "custom")}
"""By the last digit of a view's id: name and role."""

ROW_TYPES = ("budgeted", "unbudgeted", "all")
FORECAST = {
    "amount": None,
    "automatic_amount": None,
    "automatically_calculated": True,
    "calculation_strategy": "automatic",
    "id": None,
    "manual_amount": None,
    "notes": None,
}
"""Forecasts are not kept here."""


def _view_id(project_id: int, view: int) -> int:
    return project_id * 10 + view


def list_views(context: Context) -> Reply:
    """The views of a project, oldest first."""
    try:
        project = context.enter_project(whole(context.call.arg("project_id")))
    except Wrong:
        raise Refused(400, "project_id is missing", {"project_id": ["is missing"]}) from None
    order = reversed(VIEWS) if context.call.arg("sort") == "-created_at" else VIEWS
    page = page_of(context.call, Paging(), len(VIEWS))
    rows = [_view(project, view) for view in order]
    return Reply(200, rows[page.offset : page.offset + page.size], page.headers(context.call))


def _view(project: Record, view: int) -> dict[str, Any]:
    name, role = VIEWS[view]
    id = _view_id(project["id"], view)
    return {
        "created_at": project["created_at"],
        "created_by": {"id": login.OWNER_ID, "login": login.OWNER_LOGIN, "name": login.OWNER_NAME},
        "description": None,
        "id": id,
        "links": {part: f"/rest/v1.0/budget_views/{id}/{part}" for part in ("detail_rows", "summary_rows")},
        "name": name,
        "role": role,
        "updated_at": project["created_at"],
    }


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One budget code of the project, with its budget line if it has one."""

    code: Record
    line: Record | None
    cost_code: Record
    root: Record
    category: Record
    biller: Record
    biller_type: str

    @property
    def line_id(self) -> int | None:
        return None if self.line is None else int(self.line["id"])


SORTS: dict[str, Callable[[Row], Any]] = {
    "biller_type": lambda row: row.biller_type,
    "project": lambda row: row.code["project_id"],
    "biller": lambda row: row.biller.get("name") or "",
    "root_cost_code": lambda row: row.root.get("code") or "",
    "cost_code": lambda row: row.cost_code.get("code") or "",
    "category_id": lambda row: row.category["id"],
}
USUAL = ("biller_type", "biller", "root_cost_code", "cost_code", "category_id")

FILTERS: dict[str, Callable[[Row], Any]] = {
    "cost_code_id": lambda row: row.cost_code["id"],
    "cost_code_name": lambda row: row.cost_code.get("name"),
    "root_cost_code_id": lambda row: row.root["id"],
    "root_cost_code_name": lambda row: row.root.get("name"),
    "category_id": lambda row: row.category["id"],
    "budget_line_item_id": lambda row: row.line_id,
    "biller": lambda row: f"id={row.biller['id']},type={row.biller_type}",
}
"""Plain query parameters, ``name[]=value``: what of a row they are compared with, as text."""


def detail_rows(context: Context) -> Reply:
    """A page of a view's rows: ``budget_row_type`` budgeted (default), unbudgeted, or all. Unbudgeted rows have no ``id``."""
    call, wanted = context.call, context.call.arg("budget_row_type") or "budgeted"
    try:
        project = context.enter_project(whole(call.arg("project_id")))
    except Wrong:
        raise Refused(400, "project_id is missing", {"project_id": ["is missing"]}) from None
    project_id, view = divmod(int(call.params["budget_view_id"]), 10)
    if project_id != project["id"] or view not in VIEWS:
        raise not_found("Budget view")
    if wanted not in ROW_TYPES:
        raise Invalid({"budget_row_type": [f"is not one of {', '.join(ROW_TYPES)}"]})
    changes = modifications(context)
    rows = _sorted(call, _filtered(call, _rows(context, wanted, changes)))
    page = page_of(call, Paging(), len(rows))
    shown = rows[page.offset : page.offset + page.size]
    return Reply(200, _shown(context, view, shown, changes), page.headers(call))


def _rows(context: Context, wanted: str, changes: Iterable[int]) -> list[Row]:
    lines = context.store.query(LINES, [("project_id = ?", [context.project_id]), ("deleted_at IS NULL", [])])
    by_code: dict[int, Record | None] = {line["wbs_code_id"]: line for line in lines}
    if wanted != "budgeted":
        unbudgeted = (codes_with_cost(context) | set(changes)) - set(by_code)
        by_code = (by_code if wanted == "all" else {}) | dict.fromkeys(unbudgeted)
    codes = context.fetch("wbs_codes", by_code)
    context.fetch("cost_codes", (codes[id]["cost_code_id"] for id in by_code))
    context.fetch("line_item_types", (codes[id]["line_item_type_id"] for id in by_code))
    context.fetch("sub_jobs", (codes[id].get("sub_job_id") for id in by_code))
    return [_row(context, codes[id], line) for id, line in by_code.items()]


def _row(context: Context, code: Record, line: Record | None) -> Row:
    cost_code = context.one("cost_codes", code["cost_code_id"]) or {"id": code["cost_code_id"], "parent_id": None}
    category = context.one("line_item_types", code["line_item_type_id"]) or {"id": code["line_item_type_id"]}
    sub_job = context.one("sub_jobs", code.get("sub_job_id"))
    biller, type_ = (context.project or {}, "Project") if sub_job is None else (sub_job, "SubJob")
    return Row(code, line, cost_code, chain(context, "cost_codes", cost_code)[0], category, biller, type_)


def _filtered(call: Call, rows: list[Row]) -> list[Row]:
    for name, value_of in FILTERS.items():
        wanted = {value for key, value in call.args if key in (name, f"{name}[]") and value}
        if wanted:
            rows = [row for row in rows if str(value_of(row)) in wanted]
    return rows


def _sorted(call: Call, rows: list[Row]) -> list[Row]:
    """By the sort asked for (``-`` for descending), within it as usual; ends with the code's id so that pages do not overlap."""
    rows = sorted(rows, key=lambda row: (*(SORTS[name](row) for name in USUAL), row.code["id"]))
    asked = call.arg("sort") or ""
    if asked.lstrip("-") in SORTS:
        rows.sort(key=SORTS[asked.lstrip("-")], reverse=asked.startswith("-"))
    return rows


def _shown(context: Context, view: int, rows: Sequence[Row], changes: dict[int, Decimal]) -> list[dict[str, Any]]:
    free = deletable(context, [row.line for row in rows if row.line is not None])
    return [_cells(context, view, row, changes.get(row.code["id"], ZERO), row.line_id in free) for row in rows]


def _cells(context: Context, view: int, row: Row, changed: Decimal, deletable: bool) -> dict[str, Any]:
    project, salt = context.project or {}, int(row.code["id"])
    original = Decimal(row.line["original_budget_amount"] or 0) if row.line is not None else ZERO
    custom = {"Revised Budget": figure(original + changed, salt)} if view == CUSTOM else {}
    return custom | {
        "biller": row.biller.get("name"),
        "biller_id": row.biller["id"],
        "biller_type": row.biller_type,
        "budget_forecast": dict(FORECAST),
        "budget_modifications": figure(changed, salt),
        "category": row.category.get("name"),
        "category_id": row.category["id"],
        "company": COMPANY_NAME,
        "company_id": context.company_id,
        "cost_code": row.cost_code.get("name"),
        "cost_code_id": row.cost_code["id"],
        "cost_code_origin_id": row.cost_code.get("origin_id"),
        "currency_configuration": {"currency_iso_code": project.get("currency_iso_code") or "USD"},
        "deletable": deletable,
        "id": row.line_id,
        "original_budget_amount": figure(original, salt),
        "project": project.get("name"),
        "project_id": project["id"],
        "root_cost_code": row.root.get("name"),
        "root_cost_code_id": row.root["id"],
        "unbudgeted_reason": None if row.line is not None else "Costs or budget changes without a budget line item",
        "wbs_code_id": row.code["id"],
    }
