"""Room: the inbox of events, what Procore says has changed, kept until a run has looked at it (docs/operating.md, Events).

An event is only a hint. It never carries a record, may come twice, out of order or not at all: a run reads the record itself, and
the scheduled run looks at everything as if there were no events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, func, or_, select, update

from include.financials.entities import ENTITIES
from include.financials.ledger import tables as t
from include.financials.ledger.room import Room, insert_new
from include.financials.ledger.tables import InboxRow, stamp

DEAD_AFTER = timedelta(hours=3)
"""A run that has claimed events and is neither over nor heard of for so long will not come back to them."""

KEPT = timedelta(days=90)
"""How long an event is kept after a run was done with it: longer than anybody delivers one a second time."""


PLACES = next(row.references["project"] for row in ENTITIES.values() if "project" in row.references)
"""What an event names as its place: the entity of projects."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change in Procore. ``event_id`` is the same however often the event is delivered; ``resource`` is the name that its
    webhooks know the kind of record by; ids are text; ``occurred_at`` ISO text in UTC, as it was told."""

    event_id: str
    resource: str
    resource_id: str
    event_type: str
    project_id: str | None = None
    user_id: str | None = None
    occurred_at: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a run is about by the events that it took: entities in the order of their stages, and job numbers."""

    events: int
    entities: tuple[str, ...]
    projects: tuple[str, ...]


class Inbox(Room):
    def receive(self, event: Event) -> bool:
        """Keep an event; False where it is here already. Committed when this returns: only then may its sender be told so."""
        return self.receive_all([event])[0]

    def receive_all(self, events: Sequence[Event]) -> list[bool]:
        """Keep events with one commit: all of them, or none. For each whether it was new; the second of two alike is not."""
        now = stamp()
        # In one order everywhere: two servers that are told the same events must not wait for each other.
        order = sorted(range(len(events)), key=lambda at: events[at].event_id)
        with self.writing() as connection:
            new = {at: insert_new(connection, t.webhook_inbox, asdict(events[at]) | {"received_at": now}) for at in order}
        return [new[at] for at in range(len(events))]

    def waiting(self) -> int:
        """Events that no run has taken up yet."""
        i = t.webhook_inbox.c
        query = select(func.count()).select_from(t.webhook_inbox).where(i.claimed_by.is_(None), i.done_at.is_(None))
        with self.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def claim(self, run_id: str, concerns: Mapping[str, tuple[str, ...]], account: str | None) -> Claimed:
        """Take up every open event, once: what a later try of ``run_id`` or a run that died had claimed comes along.

        ``concerns``: resource -> entities that are read because of it. Events of ``account`` (the sync's own writes) and those
        that concern nothing are taken as well, and add nothing.
        """
        now = datetime.now(UTC)
        i, r, n = t.webhook_inbox.c, t.runs.c, t.links.c
        over = exists(select(r.run_id).where(r.run_id == i.claimed_by, r.finished_at.is_not(None)))
        lost = and_(i.claimed_by.is_not(None), or_(over, i.claimed_at < stamp(now - DEAD_AFTER)))
        free = and_(i.done_at.is_(None), or_(i.claimed_by.is_(None), i.claimed_by == run_id, lost))
        mine = select(t.webhook_inbox).where(i.claimed_by == run_id, i.done_at.is_(None))
        linked = select(n.procore_id, n.erp_key).where(n.entity == PLACES, n.ended_at.is_(None))
        with self.writing() as connection:
            connection.execute(update(t.webhook_inbox).where(free).values(claimed_by=run_id, claimed_at=stamp(now)))
            rows = list(map(InboxRow._make, connection.execute(mine)))
            jobs: dict[str | None, str] = dict(map(tuple, connection.execute(linked)))
        foreign = [row for row in rows if (account is None or row.user_id != account) and concerns.get(row.resource)]
        named = {entity for row in foreign for entity in concerns[row.resource]}
        places = {jobs[row.project_id] for row in foreign if row.project_id in jobs}
        if not places:  # of projects that are not linked nothing is due
            named = set()
        return Claimed(len(rows), tuple(name for name in ENTITIES if name in with_parents(named)), tuple(sorted(places)))

    def settle(self, run_id: str, *, succeeded: bool) -> int:
        """What the run had claimed is done with, or free for the next one. Returns how many events that were.

        A run that succeeded also removes the events that were done with long ago (``KEPT``), whoever took them."""
        i = t.webhook_inbox.c
        mine = and_(i.claimed_by == run_id, i.done_at.is_(None))
        changed: dict[str, Any] = {"done_at": stamp()} if succeeded else {"claimed_by": None, "claimed_at": None}
        with self.writing() as connection:
            if succeeded:
                connection.execute(delete(t.webhook_inbox).where(i.done_at < stamp(datetime.now(UTC) - KEPT)))
            return int(connection.execute(update(t.webhook_inbox).where(mine).values(**changed)).rowcount)


def with_parents(entities: Iterable[str]) -> set[str]:
    """They and what they refer to that is born in Procore as well: a change order may have come with its contract. What is born
    in the ERP is in Procore only if it was linked, or nobody could have named it there."""
    found: set[str] = set()
    todo = list(entities)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [parent for parent in ENTITIES[name].after if ENTITIES[parent].source == "procore"]
    return found
