"""Hooks and triggers, whatever the version of the call: who may, what is taken and stored (docs/procore-contract.md §7.1)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sandbox.procore.attributes import Attribute, Wrong, accept, choice, mapping, text
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.engine import TAKEN
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.store import Condition, Record
from sandbox.procore.webhooks.events import DELIVERIES, HOOKS, PAYLOADS, TRIGGERS, caller
from sandbox.procore.webhooks.table import BY_NAME, EVENT_TYPES

Handler = Callable[[Context], Reply]

NAMESPACE = re.compile(r"[a-z0-9-]+")
HEADER = re.compile(r"[\x20-\x7e]+")
BULK_CAP = 500
SHORT_NAMES = {version.removesuffix(".0"): version for version in PAYLOADS}
"""The guide says ``v2`` where payloads say ``v2.0``."""
NO_PERMISSION = "You do not have the permission Webhooks API"


# -- what is taken ---------------------------------------------------------------------------------------------------------


def namespace(value: Any) -> str:
    if not isinstance(value, str) or not NAMESPACE.fullmatch(value):
        raise Wrong("must consist of a-z, 0-9 and dashes")
    return value


def version(value: Any) -> str:
    """``v2.0``, ``v3.0``, ``v4.0``; also in short."""
    found = SHORT_NAMES.get(value, value) if isinstance(value, str) else None
    if found not in PAYLOADS:
        raise Wrong(f"is not one of {', '.join(PAYLOADS)}")
    return str(found)


def address(value: Any) -> str:
    """HTTPS, or plain HTTP to this machine."""
    try:
        parts = urlsplit(text(value))
        safe = parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname or ""))
        if safe and parts.hostname and parts.port != 0 and HEADER.fullmatch(value):
            return str(value)
    except ValueError:
        pass
    raise Wrong("must be an https address")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def headers(value: Any) -> dict[str, str]:
    """``{"Authorization": text}``; no other header can be set."""
    given = mapping(value)
    if set(given) - {"Authorization"}:
        raise Wrong("can only hold Authorization")
    found = given.get("Authorization")
    if found is not None and not (isinstance(found, str) and HEADER.fullmatch(found)):
        raise Wrong("Authorization must be text that a header can hold")
    return {} if found is None else {"Authorization": found}


def hook_attributes(version_name: str) -> tuple[Attribute, ...]:
    return (
        Attribute("namespace", namespace, required=True, nullable=False),
        Attribute("destination_url", address, required=True, nullable=False),
        Attribute("destination_headers", headers, nullable=False),
        Attribute(version_name, version, store="version", required=True, nullable=False),
    )


TRIGGER_ATTRIBUTES = (
    Attribute("resource_name", text, required=True, nullable=False),
    Attribute("event_type", choice(*EVENT_TYPES), required=True, nullable=False),
)


# -- hooks -----------------------------------------------------------------------------------------------------------------


def permitted(handler: Handler) -> Handler:
    """403 without the permission; people in the pages have it."""

    def checked(context: Context) -> Reply:
        if not context.settings.webhooks_api and not context.call.person:
            raise Refused(403, NO_PERMISSION)
        return handler(context)

    return checked


def owner(context: Context) -> int | None:
    """The project in scope; None: the company."""
    return None if context.project is None else int(context.project["id"])


def hooks(context: Context, **equal: str | None) -> list[Record]:
    """The hooks of the scope, those with these stored values."""
    wanted = {name: value for name, value in equal.items() if value is not None}
    found = context.store.query(HOOKS, [("company_id = ?", [context.company_id]), ("project_id IS ?", [owner(context)])])
    return [hook for hook in found if all(hook[name] == value for name, value in wanted.items())]


def hook(context: Context, placeholder: str = "hook_id") -> Record:
    """The hook that the path names, which the scope must own. Raises 404."""
    found = context.store.get(HOOKS, int(context.call.params[placeholder]))
    if found is None or found["project_id"] != owner(context):
        raise not_found("Webhooks hook")
    return found


def save_hook(context: Context, sent: Mapping[str, Any], version_name: str, existing: Record | None = None) -> Record:
    """Create or update a hook. Raises 400."""
    taken, _ = accept(hook_attributes(version_name), sent, "c" if existing is None else "u", creates=existing is None)
    now = context.clock.stamp()
    draft = existing or {
        "id": context.store.new_id(HOOKS, (HOOKS,), 12_001),
        "company_id": context.company_id,
        "project_id": owner(context),
        "status": "active",
        "destination_headers": {},
        "user_id": caller(context.call),
        "created_at": now,
    }
    draft = {**draft, **taken, "updated_at": now}
    if version_name in sent:
        draft["version_as_sent"] = sent[version_name]
    context.store.put(HOOKS, draft)
    return draft


def remove_hook(context: Context, found: Record) -> None:
    """With its triggers and its deliveries: what waits is never sent."""
    for kind in (TRIGGERS, DELIVERIES):
        for record in context.store.query(kind, [("parent_id = ?", [found["id"]])]):
            context.store.remove(kind, record["id"])
    context.store.remove(HOOKS, found["id"])


def masked(found: Record) -> dict[str, str]:
    """``destination_headers`` as replies show them: the last five characters of ``Authorization`` are visible."""
    return {name: "*" * max(5, len(value) - 5) + value[-5:] for name, value in found["destination_headers"].items()}


# -- triggers --------------------------------------------------------------------------------------------------------------


def triggers(context: Context, of: Record) -> list[Record]:
    return context.store.query(TRIGGERS, [("parent_id = ?", [of["id"]])])


def trigger(context: Context, of: Record) -> Record:
    """The trigger that the path names. Raises 404."""
    found = context.store.get(TRIGGERS, int(context.call.params["id"]))
    if found is None or found["parent_id"] != of["id"]:
        raise not_found("Webhooks trigger")
    return found


def add_trigger(context: Context, of: Record, sent: Mapping[str, Any]) -> Record:
    """Subscribe a hook to one event of one resource. Raises 400, and 422 for one that it has."""
    taken, _ = accept(TRIGGER_ATTRIBUTES, sent, "c", creates=True)
    row = BY_NAME.get(taken["resource_name"])
    if row is None or (row.scope == "company" and of["project_id"] is not None):
        raise Invalid({"resource_name": ["cannot be subscribed to here"]})
    if taken["event_type"] not in row.actions:
        raise Invalid({"event_type": ["cannot be subscribed to for this resource"]})
    if _same(context, of, taken) is not None:
        raise Invalid({"resource_name": [TAKEN]}, 422)
    record = {
        **taken,
        "id": context.store.new_id(TRIGGERS, (TRIGGERS,), 88_001),
        "company_id": context.company_id,
        "project_id": of["project_id"],
        "parent_id": of["id"],
        "user_id": caller(context.call),
        "created_at": context.clock.stamp(),
    }
    context.store.put(TRIGGERS, record)
    return record


def remove_trigger(context: Context) -> None:
    """The trigger that the path names. Raises 404."""
    context.store.remove(TRIGGERS, trigger(context, hook(context))["id"])


def drop_trigger(context: Context, of: Record, sent: Mapping[str, Any]) -> Record:
    """The trigger of this resource and event type, removed. Raises 400 and 404."""
    taken, _ = accept(TRIGGER_ATTRIBUTES, sent, "c", creates=True)
    found = _same(context, of, taken)
    if found is None:
        raise not_found("Webhooks trigger")
    context.store.remove(TRIGGERS, found["id"])
    return found


def _same(context: Context, of: Record, taken: Mapping[str, Any]) -> Record | None:
    equal = (row for row in triggers(context, of) if all(row[name] == taken[name] for name in ("resource_name", "event_type")))
    return next(equal, None)


Failure = tuple[Mapping[str, Any], Refused]
"""An entry of a bulk call as it was sent, and why it failed."""


def each(
    context: Context, of: Record, entries: Any, carry_out: Callable[[Context, Record, Mapping[str, Any]], Record]
) -> tuple[list[Record], list[Failure]]:
    """A bulk call: each entry on its own. Raises 400, and 413 for more than 500."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Invalid({"triggers": ["must be a list of objects"]})
    if len(entries) > BULK_CAP:
        raise Refused(413, f"{len(entries)} triggers were sent, the most is {BULK_CAP}")
    done: list[Record] = []
    failed: list[Failure] = []
    for entry in entries:
        try:
            done.append(carry_out(context, of, entry))
        except Refused as refused:
            failed.append((entry, refused))
    return done, failed


# -- deliveries ------------------------------------------------------------------------------------------------------------


def deliveries(context: Context, of: Record, where: Sequence[Condition], *, limit: int, offset: int = 0) -> list[Record]:
    """Deliveries of a hook in order of arrival."""
    return context.store.query(DELIVERIES, [("parent_id = ?", [of["id"]]), *where], limit=limit, offset=offset)
