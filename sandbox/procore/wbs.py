"""Work breakdown structure: patterns, segments, their items, and WBS (budget) codes (docs/procore-contract.md §4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore.attributes import Attribute, Wrong, choice, whole
from sandbox.procore.call import Reply
from sandbox.procore.codes import CODE_ATTRIBUTES as COST_CODE_ATTRIBUTES
from sandbox.procore.codes import SUB_JOB_ATTRIBUTES, chain
from sandbox.procore.context import Context
from sandbox.procore.engine import SYNC_CAP, error_entry, new_id, write
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging, Resource
from sandbox.procore.store import COLUMNS, Condition, Record

ITEM_OFFSET = 5_000_000_000
"""A segment item's id is its record's id plus this: code that takes one for the other must fail."""

PATTERN_ID = 7000
SEGMENTS: dict[int, tuple[str, str, str, bool, str]] = {
    7001: ("sub_job", "Sub Job", "flat", False, "sub_jobs"),
    7002: ("cost_code", "Cost Code", "tiered", True, "cost_codes"),
    7003: ("line_item_type", "Cost Type", "flat", True, "line_item_types"),
}
"""By id: type, name, structure, required, kind of the records behind its items. The order is the pattern's."""

BY_TYPE = {values[0]: id for id, values in SEGMENTS.items()}
DELIMITER = "."
CODE_ATTRIBUTES = (Attribute("description"), Attribute("status", choice("active", "inactive"), nullable=False))
BORN = "2024-01-02T09:00:00Z"


# -- segments ----------------------------------------------------------------------------------------------------------


def _segment(context: Context, id: int) -> dict[str, Any]:
    type_, name, structure, required, _ = SEGMENTS[id]
    found: dict[str, Any] = {
        "created_at": BORN,
        "delimiter": context.settings.cost_code_delimiter if type_ == "cost_code" else DELIMITER,
        "id": id,
        "name": name,
        "position": list(SEGMENTS).index(id) + 1,
        "project_can_delete_origin_company": True,
        "project_can_modify_origin_project": True,
        "required": required,
        "segment_items_count": _count(context, id),
        "structure": structure,
        "type": type_,
        "updated_at": BORN,
        "wbs_pattern_id": PATTERN_ID,
    }
    return found


def _project_segment(context: Context, id: int, *, tiered: bool) -> dict[str, Any]:
    found = _segment(context, id)
    included = SEGMENTS[id][3] or found["segment_items_count"] > 0
    found |= {"is_included_in_project_pattern": included, "selectable_tiers": False}
    return found | ({"tiered": found["structure"] == "tiered"} if tiered else {})


def _count(context: Context, id: int) -> int:
    key = ("items", id)
    if key not in context.memo:
        kind, where = _behind(context, id)
        context.memo[key] = context.store.count(kind, where)
    return int(context.memo[key])


def _behind(context: Context, id: int) -> tuple[str, list[Condition]]:
    """The records behind a segment's items: of the project in scope, else of the company."""
    kind = SEGMENTS[id][4]
    if kind == "line_item_types":
        return kind, [("company_id = ?", [context.company_id])]
    if context.project is None:
        return ("standard_cost_codes" if kind == "cost_codes" else kind), [
            ("company_id = ?", [context.company_id]),
            ("project_id IS NULL", []),
        ]
    return kind, [("project_id = ?", [context.project_id]), ("deleted_at IS NULL", [])]


def company_pattern(context: Context) -> Reply:
    return Reply(200, _pattern([_segment(context, id) for id in SEGMENTS]))


def project_pattern(context: Context) -> Reply:
    segments = [_project_segment(context, id, tiered=False) for id in SEGMENTS]
    return Reply(200, _pattern(segments) | {"is_project_level_ordered": False})


def _pattern(segments: list[dict[str, Any]]) -> dict[str, Any]:
    return {"created_at": BORN, "description": None, "id": PATTERN_ID, "segments": segments, "updated_at": BORN}


def company_segments(context: Context) -> Reply:
    return Reply(200, [_segment(context, id) for id in SEGMENTS])


def project_segments(context: Context) -> Reply:
    return Reply(200, [_project_segment(context, id, tiered=True) for id in SEGMENTS])


def _segment_id(context: Context) -> int:
    id = int(context.call.params["segment_id"])
    if id not in SEGMENTS:
        raise not_found("Segment")
    return id


def segment_lists(context: Context) -> Reply:
    """The standard cost code lists, seen as lists of the cost code segment."""
    if SEGMENTS[_segment_id(context)][0] != "cost_code":
        return Reply(200, [])
    lists = context.store.query("standard_cost_code_lists", [("company_id = ?", [context.company_id])])
    count = {
        row[0]: row[1]
        for row in context.store.rows(
            "SELECT json_extract(doc, '$.standard_cost_code_list_id'), count(*) FROM objects"
            " WHERE kind = 'standard_cost_codes' GROUP BY 1"
        )
    }
    return Reply(
        200,
        [
            {
                "available_to_use_on_new_projects": bool(row.get("available_to_use_on_new_projects", True)),
                "erp_integrated": bool(row.get("is_erp_list")),
                "id": row["id"],
                "name": row.get("name"),
                "segment_items_count": count.get(row["id"], 0),
            }
            for row in lists
        ],
    )


# -- items -------------------------------------------------------------------------------------------------------------


def segment_items(context: Context) -> Reply:
    """A page of a segment's items. A company's cost codes come by list (``segment_item_list_id``)."""
    segment, call = _segment_id(context), context.call
    kind, where = _behind(context, segment)
    if kind == "standard_cost_codes":
        given = call.arg("segment_item_list_id")
        if given is None:
            raise Invalid({"segment_item_list_id": ["is missing"]})
        where.append(("json_extract(doc, '$.standard_cost_code_list_id') = ?", [whole(given)]))
    if kind == "cost_codes":
        where.extend(_of_sub_job(context))
    page = page_of(call, Paging(), context.store.count(kind, where))
    rows = context.store.query(kind, where, limit=page.size, offset=page.offset)
    return Reply(200, items(context, segment, kind, rows), page.headers(call))


def _of_sub_job(context: Context) -> list[Condition]:
    call = context.call
    if call.arg("legacy_sub_job_id") is not None:
        return [("json_extract(doc, '$.sub_job_id') = ?", [whole(call.arg("legacy_sub_job_id"))])]
    if call.arg("legacy_cost_code_id") is not None:
        return [("id = ?", [whole(call.arg("legacy_cost_code_id"))])]
    everything = call.arg("include_sub_job_cost_codes") == "true"
    return [] if everything else [("json_extract(doc, '$.sub_job_id') IS NULL", [])]


def items(context: Context, segment: int, kind: str, rows: Sequence[Record]) -> list[dict[str, Any]]:
    shown, parents, used = _segment(context, segment), _parents(context, kind), _used(context, kind)
    return [_item(context, shown, kind, row, row["id"] in parents, row["id"] in used) for row in rows]


def _item(context: Context, segment: dict[str, Any], kind: str, row: Record, is_parent: bool, in_use: bool) -> dict[str, Any]:
    tiered = segment["structure"] == "tiered"
    path = chain(context, kind, row) if tiered else [row]
    codes = [str(step.get("code") or "") for step in path]
    return {
        "code": row.get("code"),
        "created_at": row["created_at"],
        "id": row["id"] + ITEM_OFFSET,
        "in_use": in_use,
        "is_parent": is_parent,
        "name": row.get("name"),
        "parent_id": row["parent_id"] + ITEM_OFFSET if tiered and row["parent_id"] else None,
        "path_code": segment["delimiter"].join(codes),
        "path_codes": codes,
        "path_ids": [step["id"] + ITEM_OFFSET for step in path],
        "path_names": [step.get("name") for step in path],
        "segment": segment,
        "status": "active",
        "updated_at": row["updated_at"],
    }


def _parents(context: Context, kind: str) -> set[int]:
    if kind not in ("cost_codes", "standard_cost_codes"):
        return set()
    key = (f"parents {kind}", 0)
    if key not in context.memo:
        scope = ("project_id = ?", [context.project_id]) if kind == "cost_codes" else ("company_id = ?", [context.company_id])
        found = context.store.rows(
            f"SELECT DISTINCT parent_id FROM objects WHERE kind = ? AND {scope[0]} AND parent_id IS NOT NULL", [kind, *scope[1]]
        )
        context.memo[key] = {row[0] for row in found}
    known: set[int] = context.memo[key]
    return known


USED_AS = {"cost_codes": "cost_code_id", "line_item_types": "line_item_type_id", "sub_jobs": "sub_job_id"}


def _used(context: Context, kind: str) -> set[int]:
    if context.project is None or kind not in USED_AS:
        return set()
    key = (f"used {kind}", context.project_id)
    if key not in context.memo:
        found = context.store.rows(
            f"SELECT DISTINCT json_extract(doc, '$.{USED_AS[kind]}') FROM objects WHERE kind = 'wbs_codes' AND project_id = ?",
            [context.project_id],
        )
        context.memo[key] = {row[0] for row in found}
    known: set[int] = context.memo[key]
    return known


def create_item(context: Context, resources: Mapping[str, Resource]) -> Reply:
    """A new cost code or sub job of the project; cost types belong to the company and are refused here."""
    segment = _segment_id(context)
    kind, sent = SEGMENTS[segment][4], context.call.json()
    if kind == "line_item_types":
        raise Invalid({"segment_id": ["items of this segment are added at company level"]}, 422)
    names = {attribute.name for attribute in (COST_CODE_ATTRIBUTES if kind == "cost_codes" else SUB_JOB_ATTRIBUTES)}
    attributes = {name: value for name, value in sent.items() if name in names and not name.startswith("origin")}
    for name in ("code", "name"):
        if not attributes.get(name):
            raise Invalid({name: ["can't be blank"]})
    if attributes.get("parent_id") is not None:
        attributes["parent_id"] = whole(attributes["parent_id"]) - ITEM_OFFSET
    if kind == "cost_codes":
        resources[kind].hooks.scope(context)
    record = write(resources[kind], context, attributes, None, "c")
    return Reply(201, items(context, segment, kind, [record])[0])


# -- codes -------------------------------------------------------------------------------------------------------------

Combination = tuple[int, int, int | None]
"""Cost code, cost type, sub job."""


def code_view(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """WBS codes with their segment items."""
    for name, kind in (("sub_job_id", "sub_jobs"), ("cost_code_id", "cost_codes"), ("line_item_type_id", "line_item_types")):
        context.fetch(kind, (row.get(name) for row in rows))
    return [_code(context, row) for row in rows]


def _code(context: Context, row: Record) -> dict[str, Any]:
    shown = []
    for segment, (type_, _, _, _, kind) in SEGMENTS.items():
        record = context.one(kind, row.get(f"{type_}_id"))
        if record is not None:
            shown.extend(items(context, segment, kind, [record]))
    return {
        "created_at": row["created_at"],
        "description": row.get("description"),
        "flat_code": DELIMITER.join(item["path_code"] for item in shown),
        "flat_name": DELIMITER.join(str(item["name"]) for item in shown),
        "id": row["id"],
        "segment_items": shown,
        "status": row["status"],
        "updated_at": row["updated_at"],
        "wbs_pattern_id": PATTERN_ID,
    }


def flat_code(context: Context, row: Record) -> dict[str, Any]:
    """A WBS code as financial lines show it."""
    found = _code(context, row)
    return {"description": found["description"], "flat_code": found["flat_code"], "id": found["id"]}


def code_conditions(context: Context) -> list[Condition]:
    """``query``: text in the flat code, its name or the description. ``group_id``: the codes of a contract's lines only."""
    call = context.call
    text = (call.arg("query") or "").lower()
    if text:
        codes = code_view(context, context.store.query("wbs_codes", [("project_id = ?", [context.project_id])]))
        found = [code["id"] for code in codes if text in f"{code['flat_code']} {code['flat_name']} {code['description']}".lower()]
        return [("id IN (SELECT value FROM json_each(?))", [json.dumps(found)])]
    if call.arg("group_id") is None or call.arg("hide_not_in_group") != "true":
        return []
    lines = "SELECT json_extract(doc, '$.wbs_code_id') FROM objects WHERE kind = 'contract_lines' AND parent_id = ?"
    return [(f"id IN ({lines})", [whole(call.arg("group_id"))])]


def find_code(context: Context, combination: Combination) -> Record | None:
    """The WBS code of a combination in the project in scope."""
    cost_code, line_item_type, sub_job = combination
    where: list[Condition] = [
        ("kind = 'wbs_codes'", []),  # said once more, as a literal: else SQLite does not use the index of these
        ("project_id = ?", [context.project_id]),
        ("json_extract(doc, '$.cost_code_id') = ?", [cost_code]),
        ("json_extract(doc, '$.line_item_type_id') = ?", [line_item_type]),
        ("json_extract(doc, '$.sub_job_id') IS ?", [sub_job]),
    ]
    return next(iter(context.store.query("wbs_codes", where, order="")), None)


def ensure_code(context: Context, resource: Resource, combination: Combination, sent: Mapping[str, Any] | None = None) -> Record:
    """The WBS code of a combination: the existing one (its description updated, its status left alone) or a new one."""
    found, now = find_code(context, combination), context.clock.stamp()
    description = (sent or {}).get("description")
    if found is None:
        cost_code, line_item_type, sub_job = combination
        found = {
            **dict.fromkeys(COLUMNS),
            "id": new_id(resource, context),
            "company_id": context.company_id,
            "project_id": context.project_id,
            "status": "active",
            "created_at": now,
            "updated_at": now,
            "cost_code_id": cost_code,
            "line_item_type_id": line_item_type,
            "sub_job_id": sub_job,
            "description": description,
        }
    elif description is None or description == found.get("description"):
        return found
    else:
        found = {**found, "description": description, "updated_at": now}
    context.store.put("wbs_codes", found)
    context.forget("wbs_codes")
    return found


def create_code(context: Context, resource: Resource) -> Reply:
    """201, also for a combination that exists: it is returned, not made twice."""
    sent = context.call.json()
    return Reply(201, code_view(context, [ensure_code(context, resource, combination_of(context, sent), sent)])[0])


def bulk_create(context: Context, resource: Resource) -> Reply:
    """Each entry on its own; **201** with ``entities`` and ``errors``."""
    bulk = context.call.json().get("bulk")
    if not isinstance(bulk, list) or not all(isinstance(entry, dict) for entry in bulk):
        raise Refused(400, "bulk must be a list of objects", {"bulk": ["must be a list of objects"]})
    if len(bulk) > SYNC_CAP:
        raise Refused(413, f"bulk holds {len(bulk)} entries, the most is {SYNC_CAP}", {"bulk": ["too many"]})
    written: dict[int, Record] = {}
    errors = []
    for entry in bulk:
        try:
            record = ensure_code(context, resource, combination_of(context, entry), entry)
            written[record["id"]] = record
        except Refused as refused:
            errors.append(error_entry(entry, refused))
    return Reply(201, {"entities": code_view(context, list(written.values())), "errors": errors})


def update_all(context: Context, resource: Resource) -> Reply:
    """Status of several codes at once; 204."""
    sent = context.call.json()
    attributes = sent.get("attributes")
    status = attributes.get("status") if isinstance(attributes, dict) else None
    if status not in ("active", "inactive") or not isinstance(sent.get("ids"), list):
        raise Invalid({"attributes": ["need a status, active or inactive, and ids"]})
    for id in sent["ids"]:
        record = context.store.get("wbs_codes", whole(id))
        if record is None or record["project_id"] != context.project_id:
            raise not_found("WBS code")
        if record["status"] != status:
            context.store.put("wbs_codes", {**record, "status": status, "updated_at": context.clock.stamp()})
    return Reply(204)


def combination_of(context: Context, sent: Mapping[str, Any]) -> Combination:
    """The records behind ``segment_items``. Raises 400 naming what is missing, unknown or of another project."""
    given = sent.get("segment_items")
    if not isinstance(given, list) or not given:
        raise Invalid({"segment_items": ["can't be blank"]})
    found: dict[str, Record] = {}
    for item in given:
        try:
            segment, id = whole(item["segment_id"]), whole(item["segment_item_id"]) - ITEM_OFFSET
        except (Wrong, KeyError, TypeError):
            raise Invalid({"segment_items": ["need segment_id and segment_item_id"]}) from None
        if segment not in SEGMENTS:
            raise Invalid({"segment_items": [f"segment {segment} is not part of the pattern"]})
        type_, _, _, _, kind = SEGMENTS[segment]
        record = context.one(kind, id)
        if record is None or record["company_id"] != context.company_id or record["project_id"] not in (None, context.project_id):
            raise Invalid({"segment_items": [f"item {id + ITEM_OFFSET} is not an item of segment {segment}"]})
        found[type_] = record
    missing = [values[0] for values in SEGMENTS.values() if values[3] and values[0] not in found]
    if missing:
        raise Invalid({"segment_items": [f"segment {name} is required" for name in missing]})
    sub_job = found["sub_job"]["id"] if "sub_job" in found else found["cost_code"].get("sub_job_id")
    return found["cost_code"]["id"], found["line_item_type"]["id"], sub_job
