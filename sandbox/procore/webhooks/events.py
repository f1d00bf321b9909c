"""Events: from what a call changed to payloads in the queue (docs/procore-contract.md §7.3, §7.4)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sandbox.clock import Clock
from sandbox.faults import EventFault, Faults
from sandbox.procore.call import Call
from sandbox.procore.contracts import USER_ID
from sandbox.procore.login import OWNER_ID
from sandbox.procore.settings import APPLICATION_ID, COMPANY_ID
from sandbox.procore.store import Change, Record, Store
from sandbox.procore.webhooks.table import Fires, event_type, row_of

HOOKS, TRIGGERS, DELIVERIES = "webhook_hooks", "webhook_triggers", "webhook_deliveries"
Payload = dict[str, Any]

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FIRST_EVENT = 3_100_000_001


def precise(moment: datetime) -> str:
    """UTC with six decimals, as the payloads have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ulid(moment: datetime) -> str:
    """26 characters: milliseconds, then 80 random bits."""
    number = int(moment.timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def caller(call: Call) -> int:
    """The user whose call it is: the service account's, or one in Procore's pages."""
    return USER_ID if call.person else OWNER_ID


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one record, whoever is told of it. ``kind``: of the stored record."""

    id: int
    ulid: str
    timestamp: str
    row: Fires
    kind: str
    type: str
    resource_id: int
    project_id: int | None
    user_id: int
    application_id: int | None
    parent_id: int | None


def _numbered(event: Event) -> Payload:
    return {
        "id": event.id,
        "ulid": event.ulid,
        "timestamp": event.timestamp,
        "metadata": {
            "source_user_id": event.user_id,
            "source_project_id": event.project_id,
            "source_operation_id": None,
            "source_company_id": COMPANY_ID,
            "source_application_id": event.application_id,
        },
        "user_id": event.user_id,
        "company_id": COMPANY_ID,
        "project_id": event.project_id,
        "api_version": "v2.0",
        "event_type": event.type,
        "resource_name": event.row.name,
        "resource_id": event.resource_id,
    }


def _related(event: Event) -> Payload:
    related = [{"id": event.parent_id, "name": event.row.parent}] if event.row.parent else []
    return {**_numbered(event), "api_version": "v3.0", "related_resources": related}


def _texts(event: Event) -> Payload:
    """All texts. Without a project ``project_id`` is null, and missing in every second such event: its schema requires it."""
    found = {
        "id": event.ulid,
        "timestamp": event.timestamp,
        "reason": event.type,
        "company_id": str(COMPANY_ID),
        "project_id": None if event.project_id is None else str(event.project_id),
        "user_id": str(event.user_id),
        "resource_type": event.row.name,
        "resource_id": str(event.resource_id),
    }
    if event.project_id is None and event.id % 2:
        del found["project_id"]
    return found


PAYLOADS: dict[str, Callable[[Event], Payload]] = {"v2.0": _numbered, "v3.0": _related, "v4.0": _texts}
"""By version of the payload."""


# -- what a fault does to a payload --------------------------------------------------------------------------------------


def _no_metadata(payload: Payload) -> Payload:
    return {**payload, "metadata": dict.fromkeys(payload["metadata"])} if "metadata" in payload else payload


def _unknown_keys(payload: Payload) -> Payload:
    more: Payload = {"sandbox_extra": {"of": ["no", "meaning"]}}
    if "metadata" in payload:
        more["metadata"] = {**payload["metadata"], "sandbox_extra": 1}
    return {**payload, **more}


SPOILERS: dict[str, Callable[[Payload], Payload]] = {
    "event_null_metadata": _no_metadata,
    "event_unknown_keys": _unknown_keys,
}
"""What faults do to a payload, by action."""
LATER = ("event_delay", "event_reorder")


# -- the queue -------------------------------------------------------------------------------------------------------------


class Outbox:
    """Turns what a call changed into deliveries that wait: one row for each event and hook, kept like any record.

    A delivery's status is ``waiting``, ``held`` (a fault keeps it back), ``delivered`` or ``discarded``; among those that wait
    for one endpoint the lowest id goes first.
    """

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self.wake: Callable[[], None] = lambda: None
        """Told after events were queued."""

    def listening(self) -> bool:
        """Is anything subscribed to? One look at an index: without hooks nothing else is done."""
        return bool(self._store.rows("SELECT 1 FROM objects WHERE kind = ? LIMIT 1", [TRIGGERS]))

    def note(self, call: Call, changes: Sequence[Change]) -> int:
        """Queue the events of what one call changed, in the same transaction; how many deliveries were made."""
        subscribed = self._subscriptions()
        newest = self._store.query(DELIVERIES, order="id DESC", limit=1)
        last: str | None = newest[0]["payload"]["timestamp"] if newest else None
        made = 0
        for kind, before, after in net(changes):
            row = row_of(kind, after or before or {})
            type_ = event_type(row, before, after) if row else None
            hooks = subscribed.get((row.name, type_), []) if row and type_ else []
            record = after or before or {}
            project_id = record.get("project_id") if row and row.scope == "project" else None
            hooks = [hook for hook in hooks if hook["project_id"] in (None, project_id)]
            if row is None or type_ is None or not hooks:
                continue
            event = self._event(call, row, kind, type_, record, project_id)
            last, queued = self._queue(call, event, hooks, last)
            made += queued
        return made

    def _subscriptions(self) -> dict[tuple[str, str], list[Record]]:
        """The active hooks by resource name and event type."""
        hooks = {hook["id"]: hook for hook in self._store.query(HOOKS) if hook["status"] == "active"}
        found: dict[tuple[str, str], list[Record]] = {}
        for trigger in self._store.query(TRIGGERS):
            if trigger["parent_id"] in hooks:
                found.setdefault((trigger["resource_name"], trigger["event_type"]), []).append(hooks[trigger["parent_id"]])
        return found

    def _event(self, call: Call, row: Fires, kind: str, type_: str, record: Record, project_id: int | None) -> Event:
        now = self._clock.now()
        return Event(
            id=self._store.new_id("webhook_events", (), FIRST_EVENT),
            ulid=ulid(now),
            timestamp=precise(now),
            row=row,
            kind=kind,
            type=type_,
            resource_id=record["id"],
            project_id=project_id,
            user_id=caller(call),
            application_id=None if call.person else APPLICATION_ID,
            parent_id=record.get("parent_id"),
        )

    def _queue(self, call: Call, event: Event, hooks: Sequence[Record], last: str | None) -> tuple[str, int]:
        """One event for these hooks, as the faults that hit it want it; ``last``: the time of the event before it.

        The time of the last event now, and how many deliveries were made.
        """
        faults = {fault.action: fault for fault in self._faults.of_event(call, event.row.name, event.type, first=last is None)}
        if "event_same_timestamp" in faults and last is not None:
            event = replace(event, timestamp=last)
        if "event_unreadable" in faults:
            self._store.conceal(event.kind, event.resource_id, self._clock.ticks() + faults["event_unreadable"].seconds)
        copies = 1 + (faults["event_duplicate"].count if "event_duplicate" in faults else 0)
        made = sum(self._deliver(event, hook, faults) for hook in hooks for _ in range(copies))
        for _ in range(faults["event_flood"].count if "event_flood" in faults else 0):
            now = self._clock.now()
            id = self._store.new_id("webhook_events", (), FIRST_EVENT)
            more = replace(event, id=id, ulid=ulid(now), timestamp=precise(now))
            made += sum(self._deliver(more, hook, {}) for hook in hooks)
            event = more
        return event.timestamp, made

    def _deliver(self, event: Event, hook: Record, faults: dict[str, EventFault]) -> int:
        payload = PAYLOADS[hook["version"]](event)
        for action in faults.keys() & SPOILERS.keys():
            payload = SPOILERS[action](payload)
        now = self._clock.now()
        later = next((faults[action] for action in LATER if action in faults), None)
        draft: Record = {
            "company_id": COMPANY_ID,
            "parent_id": hook["id"],
            "status": "discarded" if "event_drop" in faults else "held" if later else "waiting",
            "created_at": precise(now),
            "event_id": event.id,
            "ulid": event.ulid,
            "resource_name": event.row.name,
            "event_type": event.type,
            "payload": payload,
            "attempts": [],
        }
        if later is not None:
            draft |= {"release_at": precise(now + timedelta(seconds=later.seconds)), "behind": later.action == "event_reorder"}
        self._add(draft)
        if draft["status"] == "waiting":
            for held in self._held():
                if held["behind"] and held["parent_id"] == hook["id"]:
                    self._release(held, precise(now))
        return 1

    def _add(self, draft: Record) -> None:
        self._store.put(DELIVERIES, {**draft, "id": self._store.new_id(DELIVERIES, (DELIVERIES,), 1)})

    # -- what a fault keeps back -----------------------------------------------------------------------------------------------

    def _held(self) -> list[Record]:
        """In order. Sorted here: asked for the order, SQLite would walk through all deliveries."""
        return sorted(self._store.query(DELIVERIES, [("status = 'held'", [])], order=""), key=lambda row: int(row["id"]))

    def _release(self, held: Record, moment: str) -> None:
        """To the end of the queue."""
        self._store.remove(DELIVERIES, held["id"])
        self._add({**held, "status": "waiting", "created_at": moment})

    def release_due(self) -> None:
        """Let those go on that were kept back until now."""
        now = precise(self._clock.now())
        if any(held["release_at"] <= now for held in self._held()):
            with self._store.writing():
                for held in sorted(self._held(), key=lambda row: (row["release_at"], row["id"])):
                    if held["release_at"] <= now:
                        self._release(held, held["release_at"])

    def next_release(self) -> str | None:
        return min((held["release_at"] for held in self._held()), default=None)


def switch(store: Store, hook_id: int, status: Any) -> bool:
    """Set a hook active or disabled: one that is disabled is told of nothing that happens meanwhile. False: not possible."""
    hook = store.get(HOOKS, hook_id)
    if hook is None or status not in ("active", "disabled"):
        return False
    store.put(HOOKS, {**hook, "status": status})
    return True


def net(changes: Sequence[Change]) -> Iterator[tuple[str, Record | None, Record | None]]:
    """What became of each record in one call, however often it was written, in the order in which each was first written."""
    found: dict[tuple[str, int], tuple[Record | None, Record | None]] = {}
    for kind, id, before, after in changes:
        first = found[kind, id][0] if (kind, id) in found else before
        found[kind, id] = first, after
    for (kind, _), (before, after) in found.items():
        yield kind, before, after
