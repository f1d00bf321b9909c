"""Management of webhooks, ``/rest/v1.0/webhooks`` (docs/procore-contract.md §7.1). The scope stands in every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.procore import shapes
from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.call import Call, Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, Refused
from sandbox.procore.store import Condition, Record
from sandbox.procore.webhooks import manage
from sandbox.procore.webhooks.events import PAYLOADS
from sandbox.procore.webhooks.manage import Handler
from sandbox.procore.webhooks.table import EVENT_TYPES, TABLE

SCOPES = ("company_id", "project_id")
FAILED = "json_array_length(doc, '$.attempts') > 0"
STATUSES: Mapping[str, list[Condition]] = {
    "any": [],
    "successful": [("status = 'delivered'", [])],
    "failing": [("status = 'waiting'", [])],
    "discarded": [("status = 'discarded'", [])],
}


def _scoped(handler: Handler) -> Handler:
    """Company **or** project, in the query of GET and DELETE, in the body of POST and PATCH and of the bulk calls."""

    def checked(context: Context) -> Reply:
        call = context.call
        given = {name: call.arg(name) for name in SCOPES}
        if call.method != "GET" and call.body.strip():
            given = {name: call.json().get(name) or given[name] for name in SCOPES}
        named = [name for name in SCOPES if given[name] is not None]
        if len(named) != 1:
            text = "is missing: either company_id or project_id" if not named else "is one too many beside company_id"
            raise Invalid({"project_id": [text]})
        try:
            id = whole(given[named[0]])
        except Wrong as problem:
            raise Invalid({named[0]: [str(problem)]}) from None
        if named == ["project_id"]:
            context.enter_project(id)
        else:
            context.check_company(id)
        return handler(context)

    return checked


def _object(call: Call, name: str) -> dict[str, Any]:
    sent = call.json().get(name)
    if not isinstance(sent, dict):
        raise Refused(400, f"{name} is missing", {name: ["is missing"]})
    return sent


# -- hooks -----------------------------------------------------------------------------------------------------------------


def _hook(row: Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "api_version": row["version_as_sent"],
        "namespace": row["namespace"],
        "destination_url": row["destination_url"],
        "destination_headers": manage.masked(row),
        "owned_by_company_id": row["company_id"] if row["project_id"] is None else None,
        "owned_by_project_id": row["project_id"],
        "owned_by_user_id": row["user_id"],
    }


def list_hooks(context: Context) -> Reply:
    asked = context.call.arg("api_version")
    wanted = manage.SHORT_NAMES.get(asked, asked) if asked else None
    return Reply(200, [_hook(row) for row in manage.hooks(context, namespace=context.call.arg("namespace"), version=wanted)])


def create_hook(context: Context) -> Reply:
    return Reply(201, _hook(manage.save_hook(context, _object(context.call, "hook"), "api_version")))


def update_hook(context: Context) -> Reply:
    existing = manage.hook(context, "id")
    return Reply(200, _hook(manage.save_hook(context, _object(context.call, "hook"), "api_version", existing)))


def delete_hook(context: Context) -> Reply:
    manage.remove_hook(context, manage.hook(context, "id"))
    return Reply(200)


# -- triggers --------------------------------------------------------------------------------------------------------------


def _trigger(row: Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "webhook_hook_id": row["parent_id"],
        "resource_name": row["resource_name"],
        "resource_id": None,
        "event_type": row["event_type"].upper(),
        "company_id": row["company_id"] if row["project_id"] is None else None,
        "project_id": row["project_id"],
        "user_id": row["user_id"],
    }


def _of_this_version(context: Context) -> Record:
    """The hook of a call that names an ``api_version``, which must be the hook's. Raises 400."""
    found = manage.hook(context)
    try:
        version = manage.version(context.call.json().get("api_version"))
    except Wrong as problem:
        raise Invalid({"api_version": [str(problem)]}) from None
    if version != found["version"]:
        raise Invalid({"api_version": ["is not that of the hook"]})
    return found


def list_triggers(context: Context) -> Reply:
    return Reply(200, [_trigger(row) for row in manage.triggers(context, manage.hook(context))])


def create_trigger(context: Context) -> Reply:
    hook = _of_this_version(context)
    return Reply(201, _trigger(manage.add_trigger(context, hook, _object(context.call, "trigger"))))


def delete_trigger(context: Context) -> Reply:
    manage.remove_trigger(context)
    return Reply(200)


def create_triggers(context: Context) -> Reply:
    return _bulk(context, manage.add_trigger)


def delete_triggers(context: Context) -> Reply:
    return _bulk(context, manage.drop_trigger)


def _bulk(context: Context, carry_out: Any) -> Reply:
    """200, or 207 when any entry failed."""
    done, failed = manage.each(context, _of_this_version(context), context.call.json().get("triggers"), carry_out)
    body: dict[str, Any] = {"success": [_trigger(row) for row in done]}
    if failed:
        body["failed"] = [
            {"code": refused.status, "message": refused.message, "trigger": dict(sent), "errors": refused.fields}
            for sent, refused in failed
        ]
    return Reply(207 if failed else 200, body)


def _too_many(refused: Refused) -> dict[str, Any]:
    return {"errors": refused.message}


# -- deliveries, resources ---------------------------------------------------------------------------------------------------


def list_deliveries(context: Context) -> Reply:
    """One row for each event that was sent or given up; one that was never tried is none of them."""
    hook, call = manage.hook(context), context.call
    asked = call.arg("filters[status]") or call.arg("filter[status]") or "any"
    if asked not in STATUSES:
        raise Invalid({"filters[status]": [f"is not one of {', '.join(STATUSES)}"]})
    size, start = _number(call, "page_size", 100), _number(call, "page_start", 0)
    where: list[Condition] = [("json_extract(doc, '$.event_id') > ?", [start]), (f"status = 'discarded' OR {FAILED}", [])]
    rows = manage.deliveries(context, hook, [*where, *STATUSES[asked]], limit=max(1, min(size, 100)))
    return Reply(200, [_delivery(row) for row in rows])


def _number(call: Call, name: str, usual: int) -> int:
    try:
        return usual if call.arg(name) is None else whole(call.arg(name))
    except Wrong as problem:
        raise Invalid({name: [str(problem)]}) from None


def _delivery(row: Record) -> dict[str, Any]:
    """With the last attempt; ``retried``: it succeeded after others had failed."""
    names = ("response_status", "response_headers", "response_body", "response_error", "started_at", "completed_at")
    last = row["attempts"][-1] if row["attempts"] else dict.fromkeys(names)
    outcomes = {"delivered": "ok" if len(row["attempts"]) == 1 else "retried", "discarded": "discarded"}
    return {"event": row["payload"], "event_id": row["event_id"], "outcome": outcomes.get(row["status"], "failed"), **last}


def list_resources(context: Context) -> Reply:
    """No field ``name`` is described; the texts of the event types name the resource. A project has its own resources only."""
    shown = [row for row in TABLE if context.project is None or row.scope == "project"]
    return Reply(
        200,
        [
            {
                "api_version": version,
                "product_category": row.category,
                "tools": row.tool,
                "except": [type_ for type_ in EVENT_TYPES if type_ not in row.actions],
                **{type_: f"{type_.title()} {row.name}" for type_ in EVENT_TYPES},
            }
            for version in PAYLOADS
            for row in shown
        ],
    )


def list_versions(_: Context) -> Reply:
    return Reply(200, list(PAYLOADS))


def _call(handler: Handler) -> Handler:
    return shapes.shaped(manage.permitted(_scoped(handler)), {413: _too_many})


CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "hooks", _call(list_hooks)),
    ("POST", "hooks", _call(create_hook)),
    ("PATCH", "hooks/{id}", _call(update_hook)),
    ("DELETE", "hooks/{id}", _call(delete_hook)),
    ("GET", "hooks/{hook_id}/triggers", _call(list_triggers)),
    ("POST", "hooks/{hook_id}/triggers", _call(create_trigger)),
    ("DELETE", "hooks/{hook_id}/triggers/{id}", _call(delete_trigger)),
    ("POST", "hooks/{hook_id}/triggers/bulk", _call(create_triggers)),
    ("DELETE", "hooks/{hook_id}/triggers/bulk", _call(delete_triggers)),
    ("GET", "hooks/{hook_id}/deliveries", _call(list_deliveries)),
    ("GET", "resources", _call(list_resources)),
    ("GET", "resources/api_versions", _call(list_versions)),
)
"""Method, path below ``/webhooks`` and handler."""
