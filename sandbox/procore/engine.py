"""The standard actions over any resource: list, show, create, update, delete, sync (docs/procore-contract.md §1.7, §2.2)."""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import described
from sandbox.procore.attributes import Wrong, accept, decimal, whole
from sandbox.procore.call import Call, Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.paging import page_of
from sandbox.procore.query import conditions, ordering
from sandbox.procore.schema import Action, Resource, View
from sandbox.procore.store import Record
from sandbox.procore.workflows import effect as workflow

log = logging.getLogger(__name__)

SYNC_CAP = 1000
LARGE = 2**32
PURCHASE_ORDERS = "purchase_order_contracts"
TAKEN = "has already been taken"
UNKNOWN_ID = "Entity with this ID not found"

Handler = Callable[[Resource, Context], Reply]


# -- scope -------------------------------------------------------------------------------------------------------------


def enter(resource: Resource, context: Context, action: Action) -> None:
    """Check the ids that say where a call works: company, project, parent record. Raises 400, 403 or 404."""
    call = context.call
    sources = _sources(resource, call, action)
    if "company_id" in call.params:
        context.check_company(call.params["company_id"])
    if resource.either_scope and action == "list":
        _enter_either(context)
    elif resource.scope == "company" and "company_id" not in call.params:
        context.check_company(_needed(sources, "company_id"))
    elif resource.scope != "company":
        context.enter_project(int(call.params["project_id"]) if "project_id" in call.params else _needed(sources, "project_id"))
    for name in resource.needs:
        context.scope[name] = _needed(sources, name)
    if resource.parent:
        context.parent = _parent(resource, context)
    resource.hooks.scope(context)


def _sources(resource: Resource, call: Call, action: Action) -> list[Mapping[str, Any]]:
    """Where scope ids are looked for; each must have them."""
    query: Mapping[str, Any] = {key: value for key, value in call.args if value != ""}
    if action in ("list", "show", "delete"):
        return [query]
    if action == "sync":
        body = call.json()
        either = {**query, **body}
        places: dict[str, list[Mapping[str, Any]]] = {"query": [query], "body": [body], "both": [query, body], "either": [either]}
        return places[resource.sync.scope]
    return [{**query, **call.json()}]


def _needed(sources: Sequence[Mapping[str, Any]], name: str) -> int:
    values = set()
    for source in sources:
        try:
            values.add(whole(source[name]))
        except KeyError:
            raise Refused(400, f"{name} is missing", {name: ["is missing"]}) from None
        except Wrong as problem:
            raise Invalid({name: [str(problem)]}) from None
    if len(values) > 1:
        raise Invalid({name: ["differs between query and body"]})
    return int(values.pop())


def _enter_either(context: Context) -> None:
    call = context.call
    if call.arg("project_id") is not None:
        context.enter_project(_needed([dict(call.args)], "project_id"))
    else:
        context.check_company(_needed([dict(call.args)], "company_id"))


def _parent(resource: Resource, context: Context) -> Record:
    parent = context.store.get(resource.parent, int(context.call.params["parent_id"]))
    if parent is None or parent["project_id"] != context.project_id or parent["deleted_at"]:
        raise not_found("Contract")
    return parent


def _within(resource: Resource, context: Context) -> list[tuple[str, Sequence[Any]]]:
    """The records of the scope."""
    found: list[tuple[str, Sequence[Any]]] = [("company_id = ?", [context.company_id])]
    if resource.scope == "project":
        found.append(("project_id = ?", [context.project_id]))
    if resource.scope == "parent" and context.parent is not None:
        found.append(("parent_id = ?", [context.parent["id"]]))
    for name, value in context.scope.items():
        if name in resource.needs:
            found.append((f"json_extract(doc, '$.{name}') = ?", [value]))
    return found


def _belongs(resource: Resource, context: Context, record: Record | None) -> bool:
    if record is None or record["company_id"] != context.company_id:
        return False
    if resource.scope == "project" and record["project_id"] != context.project_id:
        return False
    if context.parent is not None and record["parent_id"] != context.parent["id"]:
        return False
    return all(record.get(name) == context.scope[name] for name in resource.needs)


# -- reading -----------------------------------------------------------------------------------------------------------


def list_records(resource: Resource, context: Context) -> Reply:
    """A page of records with ``Total``, ``Per-Page`` and ``Link``."""
    enter(resource, context, "list")
    where = [*_within(resource, context), *resource.hooks.conditions(context), *conditions(resource, context.call)]
    total = context.store.count(resource.kind, where)
    page = page_of(context.call, resource.paging, total)
    order = ordering(resource, context.call)
    rows = context.store.query(resource.kind, where, order=order, limit=page.size, offset=page.offset)
    view = _view(context.call.arg(resource.list_parameter), resource, resource.list_views, resource.list_view)
    return Reply(200, view(context, rows), page.headers(context.call))


def show(resource: Resource, context: Context) -> Reply:
    enter(resource, context, "show")
    return Reply(200, shown(resource, context, _existing(resource, context)))


def _existing(resource: Resource, context: Context, *, deleted: bool = False) -> Record:
    record = context.store.get(resource.kind, int(context.call.params["id"]))
    if record is None or not _belongs(resource, context, record) or (record["deleted_at"] and not deleted):
        raise not_found()
    if resource.kind == "projects" and not context.sees(record):
        raise not_found("Project")
    return record


def shown(resource: Resource, context: Context, record: Record) -> dict[str, Any]:
    """One record as its Show reply has it."""
    return _view(context.call.arg("view"), resource, resource.show_views, resource.show_view)(context, [record])[0]


def _view(asked: str | None, resource: Resource, offered: Sequence[str], usual: str) -> View:
    """The view asked for. Raises 400 for one that this call does not offer; calls without views ignore the parameter."""
    if asked is None or not offered:
        return resource.views[usual]
    if asked not in offered:
        raise Invalid({"view": [f"is not one of {', '.join(offered)}"]})
    return resource.views[asked]


# -- writing -----------------------------------------------------------------------------------------------------------


def create(resource: Resource, context: Context) -> Reply:
    enter(resource, context, "create")
    record = write(resource, context, _wrapped(resource, context), None, "c")
    return Reply(201, shown(resource, context, record))


def update(resource: Resource, context: Context) -> Reply:
    enter(resource, context, "update")
    record = write(resource, context, _wrapped(resource, context), _existing(resource, context), "u")
    return Reply(200, shown(resource, context, record))


def delete(resource: Resource, context: Context) -> Reply:
    """Remove a record: soft for contracts, for good for their lines."""
    enter(resource, context, "delete")
    record = _existing(resource, context)
    resource.hooks.removing(context, record)
    now = context.clock.stamp()
    if resource.soft_delete:
        context.store.put(resource.kind, {**record, "deleted_at": now, "updated_at": now})
    else:
        context.store.remove(resource.kind, record["id"])
    context.forget(resource.kind)
    resource.hooks.removed(context, record)
    return Reply(200, {"id": record["id"]})


def _wrapped(resource: Resource, context: Context) -> dict[str, Any]:
    """The attributes inside the body's singular name; a few newer resources have no wrapper."""
    if not resource.wrapper:
        return context.call.json()
    sent = context.call.json().get(resource.wrapper)
    if not isinstance(sent, dict):
        raise Refused(400, f"{resource.wrapper} is missing", {resource.wrapper: ["is missing"]})
    return sent


def write(resource: Resource, context: Context, sent: Mapping[str, Any], existing: Record | None, action: str) -> Record:
    """Create or update one record. Raises :class:`Refused`; nothing is written then.

    ``updated_at`` moves only when a stored value changes; an external id is such a value.
    """
    taken, ignored = accept(resource.attributes, sent, action, creates=existing is None)
    if ignored:
        log.warning("%s: attributes ignored: %s", resource.kind, ", ".join(ignored))
    draft = _blank(resource, context) if existing is None else dict(existing)
    draft.update(taken)
    if existing is not None:
        _keep_equal_figures(resource, draft, existing)
        workflow.keep_status(context, resource.kind, draft, existing)
    resource.hooks.prepare(context, draft, sent, existing)
    if action == "s" and context.operation is not None:
        named = {name: value for name, value in sent.items() if name != "id" or not _takes_id(resource, context)}
        described.refuse(described.entry_faults(context.operation, named))
    draft["origin_id"] = draft.get("origin_id") or None
    if existing is not None and all(draft.get(name) == existing.get(name) for name in {*draft, *existing}):
        return existing
    _one_owner(resource, context, draft, existing)
    draft["updated_at"] = context.clock.stamp()
    if existing is None:
        draft["id"] = new_id(resource, context)
    try:
        context.store.put(resource.kind, draft)
    except sqlite3.IntegrityError:  # an external id is unique per kind and company (docs/procore-contract.md §10.3)
        raise Invalid({"origin_id": [TAKEN]}, 422) from None
    context.forget(resource.kind)
    resource.hooks.written(context, draft, existing)
    return draft


def _one_owner(resource: Resource, context: Context, draft: Record, existing: Record | None) -> None:
    """Raises 422 for an external id that another kind of record has. Within a kind the store itself sees to it."""
    origin = draft["origin_id"]
    if not context.settings.company_wide_origin_id or origin is None or (existing or {}).get("origin_id") == origin:
        return
    if context.store.named(origin, context.company_id, besides=resource.kind):
        raise Invalid({"origin_id": [TAKEN]}, 422)


def _keep_equal_figures(resource: Resource, draft: Record, existing: Record) -> None:
    """``10.0`` sent for a stored ``10.00`` is no change."""
    for name in (attribute.stored for attribute in resource.attributes if attribute.take is decimal):
        old, new = existing.get(name), draft.get(name)
        if old is not None and new is not None and Decimal(old) == Decimal(new):
            draft[name] = old


def _blank(resource: Resource, context: Context) -> Record:
    return {
        **{attribute.stored: None for attribute in resource.attributes},
        **resource.defaults,
        **context.scope,
        "company_id": context.company_id,
        "project_id": None if context.project is None else context.project["id"],
        "parent_id": None if context.parent is None else context.parent["id"],
        "created_at": context.clock.stamp(),
        "deleted_at": None,
    }


def new_id(resource: Resource, context: Context) -> int:
    first = resource.first_id if context.settings.large_ids or resource.first_id < LARGE else resource.first_id - LARGE + 1000
    return context.store.new_id(resource.sequence or resource.kind, resource.siblings or (resource.kind,), first)


# -- sync --------------------------------------------------------------------------------------------------------------


def sync(resource: Resource, context: Context) -> Reply:
    """Each entry on its own: 200 with ``entities`` and ``errors``. More than 1,000 entries: 413, nothing applied."""
    enter(resource, context, "sync")
    updates = context.call.json().get("updates")
    if not isinstance(updates, list) or not all(isinstance(entry, dict) for entry in updates):
        raise Refused(400, "updates must be a list of objects", {"updates": ["must be a list of objects"]})
    if len(updates) > SYNC_CAP:
        raise Refused(413, f"updates holds {len(updates)} entries, the most is {SYNC_CAP}", {"updates": ["too many"]})
    written: list[Record] = []
    errors: list[dict[str, Any]] = []
    for entry in updates:
        try:
            written.append(_sync_entry(resource, context, entry))
        except Refused as refused:
            errors.append(error_entry(entry, refused))
    latest = list({record["id"]: record for record in written}.values())
    entities = resource.views[resource.sync_view or resource.show_view](context, latest)
    if context.settings.shuffle_sync:
        entities = shuffled(entities)
    return Reply(200, {"entities": entities, "errors": errors})


def _sync_entry(resource: Resource, context: Context, entry: Mapping[str, Any]) -> Record:
    """The matrix of docs/procore-contract.md §2.2: an ``id`` decides alone; else an ``origin_id``; else a new record."""
    existing: Record | None = None
    if _takes_id(resource, context) and entry.get("id") is not None:
        existing = context.store.get(resource.kind, _entry_id(entry))
        if (
            existing is None
            or existing["deleted_at"]
            or not _belongs(resource, context, existing)
            or not _visible(context, resource, existing)
        ):
            raise Invalid({"id": [UNKNOWN_ID]})
    elif isinstance(entry.get("origin_id"), str):
        found = context.store.find(resource.kind, context.company_id, entry["origin_id"])
        if (
            found is not None
            and not found["deleted_at"]
            and _belongs(resource, context, found)
            and _visible(context, resource, found)
        ):
            existing = found
    return write(resource, context, entry, existing, "s")


def _takes_id(resource: Resource, context: Context) -> bool:
    return resource.sync.by_id or (resource.kind == PURCHASE_ORDERS and context.settings.purchase_order_sync_id)


def _visible(context: Context, resource: Resource, record: Record) -> bool:
    return resource.kind != "projects" or context.sees(record)


def _entry_id(entry: Mapping[str, Any]) -> int:
    try:
        return whole(entry["id"])
    except Wrong:
        raise Invalid({"id": [UNKNOWN_ID]}) from None


def error_entry(entry: Mapping[str, Any], refused: Refused) -> dict[str, Any]:
    """The attributes as sent, an unknown id among them, plus ``errors``."""
    return {**entry, "errors": refused.fields or {"base": [refused.message]}}


def shuffled(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same entities in another order, always the same one for the same number of them."""
    order = list(range(len(entities)))
    random.Random(len(order)).shuffle(order)
    if order == sorted(order):
        order.reverse()
    return [entities[position] for position in order]
