"""Cost codes, cost types, sub jobs and the work breakdown structure (docs/procore-contract.md §3.4 to §3.6, §4).

Cost codes, cost types and sub jobs are the segment items of the older endpoints; an item's id is not the record's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore.attributes import Attribute, Wrong, choice, flag, plain, whole
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, not_found
from sandbox.procore.store import Condition, Record
from sandbox.procore.views import picked, stored

ORIGIN = plain("origin_id origin_data")
BASE_TYPES = ("labor", "equipment", "materials", "commitment", "owner_cost", "professional_services", "other")

TYPE_ATTRIBUTES = (
    Attribute("name"),
    Attribute("csv_import_code", store="code"),
    Attribute("base_type", choice(*BASE_TYPES)),
    *ORIGIN,
)
TYPE_VIEW = stored("base_type code id name origin_data origin_id")

SUB_JOB_ATTRIBUTES = (Attribute("name"), Attribute("code"), *ORIGIN)
SUB_JOB_VIEW = stored("id code name origin_id origin_data created_at updated_at")

LIST_ATTRIBUTES = (Attribute("name", required=True), *plain("is_erp_list available_to_use_on_new_projects", flag, "u"))
LIST_VIEW = stored("available_to_use_on_new_projects id is_erp_list name")
LIST_SHOW = stored("company_id id is_erp_list name")

STANDARD_ATTRIBUTES = (Attribute("code", required=True), Attribute("name", required=True), Attribute("parent_id", whole), *ORIGIN)

CODE_ATTRIBUTES = (
    Attribute("code", required=True),
    Attribute("name", required=True),
    *plain("parent_id position standard_cost_code_id", whole),
    *ORIGIN,
)


# -- full codes --------------------------------------------------------------------------------------------------------


def chain(context: Context, kind: str, row: Record) -> list[Record]:
    """A code and its parents, topmost first."""
    found, seen = [row], {row["id"]}
    while (parent := context.one(kind, found[-1]["parent_id"])) is not None and parent["id"] not in seen:
        found.append(parent)
        seen.add(parent["id"])
    return found[::-1]


def full_code(context: Context, kind: str, row: Record) -> str:
    """The code with its parents' parts before it."""
    return context.settings.cost_code_delimiter.join(str(code.get("code") or "") for code in chain(context, kind, row))


def _check_parent(context: Context, kind: str, draft: Record) -> Record | None:
    """The parent of a draft. Raises 422 when there is none such in its scope, or when a code would be its own ancestor."""
    if draft.get("parent_id") is None:
        return None
    parent = context.one(kind, draft["parent_id"])
    scope = ("company_id", "project_id", "standard_cost_code_list_id", "sub_job_id")
    if parent is None or any(parent.get(name) != draft.get(name) for name in scope):
        raise Invalid({"parent_id": ["is not a cost code of this list"]}, 422)
    if draft.get("id") in [code["id"] for code in chain(context, kind, parent)]:
        raise Invalid({"parent_id": ["would make the code its own parent"]}, 422)
    return parent


# -- standard cost codes -----------------------------------------------------------------------------------------------


def standard_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    return [{"full_code": full_code(context, "standard_cost_codes", row)} for row in rows]


STANDARD_EXTENDED = "code full_code id name origin_data origin_id parent_id standard_cost_code_list_id"
STANDARD_VIEWS = {
    "default": stored("id standard_cost_code_list_id"),
    "compact": stored("id standard_cost_code_list_id origin_id"),
    "extended": picked(standard_details, STANDARD_EXTENDED),
}


def enter_list(context: Context) -> None:
    id = context.scope["standard_cost_code_list_id"]
    found = context.one("standard_cost_code_lists", id)
    if found is None or found["company_id"] != context.company_id:
        raise not_found("Standard cost code list")


def prepare_standard(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Create takes the code's own part; **sync takes the code with its parents' parts** and stores the own part."""
    parent = _check_parent(context, "standard_cost_codes", draft)
    if context.call.path.endswith("/sync") and parent is not None and "code" in sent:
        prefix = full_code(context, "standard_cost_codes", parent) + context.settings.cost_code_delimiter
        if not draft["code"].startswith(prefix) or draft["code"] == prefix:
            raise Invalid({"code": [f"must include the code of the parent, {prefix}..."]})
        draft["code"] = draft["code"][len(prefix) :]


# -- project cost codes ------------------------------------------------------------------------------------------------


def types_in_use(context: Context, project_id: int) -> dict[int, list[int]]:
    """Cost types by cost code: the active budget codes of a project."""
    memo = context.memo.get(("types", project_id))
    if memo is None:
        memo = {}
        for row in context.store.query("wbs_codes", [("project_id = ?", [project_id]), ("status = 'active'", [])]):
            memo.setdefault(row["cost_code_id"], []).append(row["line_item_type_id"])
        context.memo["types", project_id] = memo
    return memo


def code_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    context.fetch("cost_codes", (row["parent_id"] for row in rows))
    standard = context.fetch("standard_cost_codes", (row.get("standard_cost_code_id") for row in rows))
    projects = context.fetch("projects", {row["project_id"] for row in rows})
    sub_jobs = context.fetch("sub_jobs", {row.get("sub_job_id") for row in rows})
    found = []
    for row in rows:
        full = full_code(context, "cost_codes", row)
        biller = sub_jobs.get(row.get("sub_job_id") or 0) or projects.get(row["project_id"])
        used = sorted(set(types_in_use(context, row["project_id"]).get(row["id"], [])))
        types = context.fetch("line_item_types", used)
        found.append(
            {
                "full_code": full,
                "sortable_code": full,
                "parent": {"id": row["parent_id"]},
                "biller": biller.get("name") if biller else None,
                "biller_id": biller["id"] if biller else None,
                "biller_type": "SubJob" if row.get("sub_job_id") else "Project",
                "budgeted": False,
                "position": row.get("position") or 0,
                "standard_cost_code_list_id": (standard.get(row.get("standard_cost_code_id") or 0) or {}).get(
                    "standard_cost_code_list_id"
                ),
                "line_item_types": TYPE_VIEW(context, [types[id] for id in used if id in types]),
            }
        )
    return found


CODE_NAMES = (
    "biller biller_id biller_type budgeted code created_at deleted_at full_code id line_item_types name origin_data"
    " origin_id parent position"
    " sortable_code standard_cost_code_id standard_cost_code_list_id updated_at"
)
CODE_VIEWS = {
    "default": picked(code_details, CODE_NAMES),
    "erp_compact": picked(code_details, "id code full_code name parent biller_id biller_type origin_id origin_data"),
}


def enter_sub_job(context: Context) -> None:
    """Codes belong to a project or to one of its sub jobs: ``sub_job_id`` of the query, or of the body of a single write."""
    given: Any = context.call.arg("sub_job_id")
    if context.call.method in ("POST", "PATCH") and given is None:
        given = context.call.json().get("sub_job_id")
    if given is None:
        return
    try:
        sub_job = context.one("sub_jobs", whole(given))
    except Wrong as problem:
        raise Invalid({"sub_job_id": [str(problem)]}) from None
    if sub_job is None or sub_job["project_id"] != context.project_id:
        raise not_found("Sub job")
    context.scope["sub_job_id"] = sub_job["id"]


def codes_of_biller(context: Context) -> list[Condition]:
    """The codes of the sub job asked for, else those of the project itself; asked for by id or external id: of both."""
    if "sub_job_id" in context.scope:
        return [("json_extract(doc, '$.sub_job_id') = ?", [context.scope["sub_job_id"]])]
    if {"id", "origin_id"} & set(context.call.filters()):
        return []
    return [("json_extract(doc, '$.sub_job_id') IS NULL", [])]


def prepare_code(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Codes are the own part everywhere here. An ERP-integrated project takes them by sync only."""
    project = context.project or {}
    if project.get("erp_integrated") and not context.call.path.endswith("/sync"):
        raise Invalid({"base": ["cost codes of a project that is integrated with ERP can only be synced"]}, 422)
    _check_parent(context, "cost_codes", draft)


def prepare_sub_job(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """The code of a sub job is unique in its project."""
    where: list[Condition] = [("project_id = ?", [draft["project_id"]]), ("json_extract(doc, '$.code') = ?", [draft.get("code")])]
    if any(other["id"] != draft.get("id") for other in context.store.query("sub_jobs", where)):
        raise Invalid({"code": ["has already been taken"]})
