"""Management of webhooks below a company or a project, v2.0 (docs/procore-contract.md §7.2): flat bodies, texts for ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from sandbox.procore.attributes import Wrong
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging
from sandbox.procore.store import Condition, Record
from sandbox.procore.webhooks import manage
from sandbox.procore.webhooks.events import DELIVERIES
from sandbox.procore.webhooks.manage import Handler
from sandbox.procore.webhooks.table import EVENT_TYPES, TABLE

PAGES = Paging(10, 100)
TRIED = "json_array_length(doc, '$.attempts')"
STATUSES: dict[str, Condition] = {
    "succeeded": ("status = 'delivered'", []),
    "failed": ("0", []),
    "discarded": ("status = 'discarded'", []),
    "enqueued": (f"status IN ('waiting', 'held') AND {TRIED} = 0", []),
    "retrying": (f"status = 'waiting' AND {TRIED} > 0", []),
}
"""Filter words. Nothing is ``failed`` for good without being discarded."""


def _paged(context: Context, rows: Sequence[Any]) -> Reply:
    page = page_of(context.call, PAGES, len(rows))
    return Reply(200, {"data": list(rows[page.offset : page.offset + page.size])}, page.headers(context.call))


def _text(id: int | None) -> str | None:
    return None if id is None else str(id)


def _owner(row: Record) -> dict[str, str | None]:
    return {"company_id": _text(row["company_id"] if row["project_id"] is None else None), "project_id": _text(row["project_id"])}


# -- hooks -----------------------------------------------------------------------------------------------------------------


def _hook(context: Context, row: Record, *, counted: bool = True) -> dict[str, Any]:
    shown = {
        "id": str(row["id"]),
        "status": row["status"],
        "payload_version": row["version"],
        "namespace": row["namespace"],
        "destination_url": row["destination_url"],
        "destination_headers": manage.masked(row),
        "trigger_count": len(manage.triggers(context, row)) if counted else None,
        **_owner(row),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
    return shown


def list_hooks(context: Context) -> Reply:
    call = context.call
    asked = call.arg("payload_version")
    rows = manage.hooks(context, namespace=call.arg("namespace"), version=manage.SHORT_NAMES.get(asked or "", asked))
    counted = call.arg("include_trigger_count") == "true"
    return _paged(context, [_hook(context, row, counted=counted) for row in rows])


def show_hook(context: Context) -> Reply:
    return Reply(200, {"data": _hook(context, manage.hook(context))})


def create_hook(context: Context) -> Reply:
    return Reply(201, {"data": _hook(context, manage.save_hook(context, context.call.json(), "payload_version"))})


def update_hook(context: Context) -> Reply:
    saved = manage.save_hook(context, context.call.json(), "payload_version", manage.hook(context))
    return Reply(200, {"data": _hook(context, saved)})


def delete_hook(context: Context) -> Reply:
    manage.remove_hook(context, manage.hook(context))
    return Reply(204)


# -- triggers --------------------------------------------------------------------------------------------------------------


def _trigger(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "webhook_hook_id": str(row["parent_id"]),
        "resource_name": row["resource_name"],
        "event_type": row["event_type"],
        **_owner(row),
    }


def list_triggers(context: Context) -> Reply:
    return _paged(context, [_trigger(row) for row in manage.triggers(context, manage.hook(context))])


def create_trigger(context: Context) -> Reply:
    return Reply(201, {"data": _trigger(manage.add_trigger(context, manage.hook(context), context.call.json()))})


def delete_trigger(context: Context) -> Reply:
    manage.remove_trigger(context)
    return Reply(204)


def _failures(failed: Sequence[manage.Failure]) -> list[dict[str, Any]]:
    return [
        {**sent, "code": refused.status, "message": refused.message, "errors": refused.fields}
        for sent, refused in failed
    ]  # fmt: skip


def create_triggers(context: Context) -> Reply:
    """201, or 207 with what failed behind what was made."""
    done, failed = manage.each(context, manage.hook(context), context.call.content(), manage.add_trigger)
    return Reply(207 if failed else 201, {"data": [*map(_trigger, done), *_failures(failed)]})


def delete_triggers(context: Context) -> Reply:
    """200, or 207 with what failed beside what was removed."""
    done, failed = manage.each(context, manage.hook(context), context.call.content(), manage.drop_trigger)
    more = {"failed": _failures(failed)} if failed else {}
    return Reply(207 if failed else 200, {"data": {"succeeded": [_trigger(row) for row in done], **more}})


# -- deliveries, resources ---------------------------------------------------------------------------------------------------


def _day(text: str, later: int) -> str:
    try:
        return (date.fromisoformat(text) + timedelta(days=later)).isoformat()
    except (ValueError, OverflowError):
        raise Wrong("must be a date: yyyy-mm-dd") from None


def _status(value: str) -> Condition:
    if value not in STATUSES:
        raise Wrong(f"is not one of {', '.join(STATUSES)}")
    return STATUSES[value]


def _type(value: str) -> Condition:
    if value not in EVENT_TYPES:
        raise Wrong(f"is not one of {', '.join(EVENT_TYPES)}")
    return "json_extract(doc, '$.event_type') = ?", [value]


FILTERS: dict[str, Callable[[str], Condition]] = {
    "status": _status,
    "resource_name": lambda value: ("json_extract(doc, '$.resource_name') = ?", [value]),
    "event_type": _type,
    "start": lambda value: ("created_at >= ?", [_day(value, 0)]),
    "end": lambda value: ("created_at < ?", [_day(value, 1)]),
}


def list_deliveries(context: Context) -> Reply:
    hook, call = manage.hook(context), context.call
    where: list[Condition] = []
    for name, build in FILTERS.items():
        value = call.arg(f"filter[{name}]")
        try:
            where += [] if value is None else [build(value)]
        except Wrong as problem:
            raise Invalid({f"filter[{name}]": [str(problem)]}) from None
    page = page_of(call, PAGES, context.store.count(DELIVERIES, [("parent_id = ?", [hook["id"]]), *where]))
    rows = manage.deliveries(context, hook, where, limit=page.size, offset=page.offset)
    return Reply(200, {"data": [_delivery(row) for row in rows]}, page.headers(call))


def _delivery(row: Record) -> dict[str, Any]:
    waiting = "retrying" if row["attempts"] else "enqueued"
    status = row["status"] if row["status"] in ("delivered", "discarded") else waiting
    shown = {"id": str(row["payload"]["id"]), "status": status, "payload": row["payload"]}
    return {**shown, "delivery_attempts": row["attempts"]}


def list_resources(context: Context) -> Reply:
    asked = context.call.arg("payload_version")
    try:
        version = manage.version(asked)
    except Wrong as problem:
        raise Invalid({"payload_version": ["is missing" if asked is None else str(problem)]}) from None
    rows = [row for row in TABLE if context.project is None or row.scope == "project"]
    return _paged(
        context,
        [
            {
                "category": row.category,
                "tool": row.tool,
                "name": row.name,
                "payload_version": version,
                "actions": list(row.actions),
            }
            for row in rows
        ],
    )


CALLS: tuple[tuple[str, str, Handler], ...] = tuple(
    (method, path, manage.permitted(handler))
    for method, path, handler in (
        ("GET", "hooks", list_hooks),
        ("POST", "hooks", create_hook),
        ("GET", "hooks/{hook_id}", show_hook),
        ("PATCH", "hooks/{hook_id}", update_hook),
        ("DELETE", "hooks/{hook_id}", delete_hook),
        ("GET", "hooks/{hook_id}/triggers", list_triggers),
        ("POST", "hooks/{hook_id}/triggers", create_trigger),
        ("DELETE", "hooks/{hook_id}/triggers/{id}", delete_trigger),
        ("POST", "hooks/{hook_id}/triggers/bulk", create_triggers),
        ("DELETE", "hooks/{hook_id}/triggers/bulk", delete_triggers),
        ("GET", "hooks/{hook_id}/deliveries", list_deliveries),
        ("GET", "resources", list_resources),
    )
)
"""Method, path below ``.../webhooks`` and handler."""
