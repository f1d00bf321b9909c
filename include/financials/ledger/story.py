"""Room: the audit trail, and the whole story of one document: why is it not in the ERP? For people who read no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table, insert, or_, select

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.ledger import tables as t
from include.financials.ledger.outcomes import STAGE_CLOSED
from include.financials.ledger.room import Room, values
from include.financials.ledger.tables import Call, Decision, Intent, Judged, Link, Note, Seen, decoded, stamp
from include.financials.legible import legible

DECISION_ENDED = "decision ended"
R = TypeVar("R")

WORKFLOW = "workflow: "
"""How a note on an answer to a workflow begins, and on one that was not given."""


@dataclass(frozen=True, slots=True)
class Told:
    """Every row that concerns the records of one number."""

    records: list[Seen]
    links: list[Link]
    intents: list[Intent]
    calls: list[Call]
    outcomes: list[Judged]
    decisions: list[Decision]
    notes: list[Note]

    def __bool__(self) -> bool:
        return bool(self.records or self.links or self.outcomes)


class Story(Room):
    def note(self, note: Note) -> None:
        """What a run says of a record, once however often its task is tried."""
        a = t.audit.c
        same = [a[name] == getattr(note, name) for name in ("run_id", "what", "entity", "record_id")]
        with self.writing() as connection:
            if connection.execute(select(a.audit_id).where(*same)).first() is None:
                write(connection, [note])

    def stage_closed(self, run_id: str, entity: str, reason: str) -> None:
        with self.writing() as connection:
            write(connection, [Note("sync", STAGE_CLOSED, entity, "*", "*", detail=reason, run_id=run_id)])

    def said_of_workflows(self, run_id: str) -> list[Note]:
        """What a run answered to workflows, or why it did not; the oldest first."""
        return self._notes(run_id, WORKFLOW)

    def decisions_ended(self, run_id: str) -> list[Note]:
        """What a run said of decisions that ended."""
        return self._notes(run_id, DECISION_ENDED)

    def _notes(self, run_id: str, beginning: str) -> list[Note]:
        a = t.audit.c
        query = select(t.audit).where(a.run_id == run_id, a.what.startswith(beginning)).order_by(a.audit_id)
        with self.reading() as connection:
            return list(map(Note._make, connection.execute(query)))

    def of(self, entity: str, number: str) -> Told:
        """All that the ledger knows of the records of that number, as one moment has it."""
        r, n, i, c, o, d, a = (
            x.c for x in (t.records, t.links, t.intents, t.calls, t.outcomes, t.decisions, t.audit)
        )  # fmt: skip
        with self.reading() as connection:

            def rows(table: Table, kind: type[R], *where: Any, order: Any = None) -> list[R]:
                found = connection.execute(select(table).where(*where).order_by(order))
                return [kind._make(row) for row in found]  # type: ignore[attr-defined]

            known = rows(t.records, Seen, r.entity == entity, r.number == number)
            ids = [row.id for row in known]
            links = rows(t.links, Link, n.entity == entity, or_(n.number == number, n.procore_id.in_(ids)))
            ids += [row.erp_key for row in links] + [row.procore_id for row in links]
            intents = rows(t.intents, Intent, i.entity == entity, i.source_id.in_(ids), order=i.created_at)
            return Told(
                known,
                links,
                intents,
                rows(t.calls, Call, c.call_id.in_([row.call_id for row in intents]), order=c.started_at),
                rows(t.outcomes, Judged, o.entity == entity, o.number == number, order=o.run_id),
                rows(t.decisions, Decision, d.entity == entity, d.record_id.in_(ids)),
                rows(t.audit, Note, a.entity == entity, a.record_id.in_(ids), order=a.audit_id),
            )


def write(connection: Connection, notes: Sequence[Note]) -> None:
    """Within another room's transaction."""
    if notes:
        connection.execute(insert(t.audit), [values(note._replace(at=stamp()), "audit_id") for note in notes])


# -- in words -----------------------------------------------------------------------------------------------------------------


def entity_named(name: str) -> str:
    """``commitment`` or ``commitments``, ``cost code`` or ``cost_codes``."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    for entity, row in ENTITIES.items():
        if plain in (entity, row.label.replace(" ", "_")):
            return entity
    known = {one: row.label for entity, row in ENTITIES.items() for one in (entity, row.label.replace(" ", "_"))}
    near = ", ".join(dict.fromkeys(known[one] for one in get_close_matches(plain, known, cutoff=0.5)))
    hint = f" Did you mean {near}?" if near else ""
    raise ConfigurationError(f"unknown entity {name!r}.{hint} Known: {', '.join(row.label for row in ENTITIES.values())}")


class _State(Protocol):
    """What a judged record and its memory tell alike."""

    @property
    def number(self) -> str: ...
    @property
    def state(self) -> str | None: ...
    @property
    def rule(self) -> str | None: ...
    @property
    def waits_for(self) -> str | None: ...
    @property
    def message(self) -> str | None: ...


def why(story: Story, entity: str, number: str) -> list[str]:
    """The story as lines of text; the first line is the short answer. Raises ConfigurationError for an unknown entity."""
    row = ENTITIES[entity_named(entity)]
    told = story.of(row.name, number)
    if not told:
        return [f"{row.label} {number} is not known to the ledger: no run has read it yet."]
    lines = [_answer(one) for one in told.records if one.side == row.source and one.state]
    lines = lines or [_answer(one) for one in told.outcomes[-1:]]
    lines += [_link(one) for one in told.links]
    lines += [_record(one) for one in told.records]
    lines += [f"run {one.run_id}: {one.action}, {one.state}{_by(one)}" for one in told.outcomes]
    calls = {one.call_id: one for one in told.calls}
    lines += [_intent(one, calls) for one in told.intents]
    lines += [f"decision: {one.decision} by {one.who} at {one.at} ({one.detail or 'no note'})" for one in told.decisions]
    lines += [f"{one.at} {one.who} {one.what} {one.detail or ''}".rstrip() for one in told.notes]
    return [legible(line) for line in lines]


def _by(row: _State) -> str:
    return f" by {row.rule}" if row.rule else ""


def _answer(row: _State) -> str:
    waits = f" It waits for: {row.waits_for}." if row.waits_for else ""
    return f"{row.number} is {row.state}{_by(row)}. {row.message or ''}{waits}".strip()


def _link(row: Link) -> str:
    ended = f", ended {row.ended_at}" if row.ended_at else ""
    return (
        f"link: Procore id {row.procore_id} = ERP {row.company}/{row.erp_key}, {row.status}, "
        f"revision {row.revision}, {row.how} {row.created_at}{ended}"
    )


def _record(row: Seen) -> str:
    amount = row.amount or decoded(row.figures).get("amount")
    changed = row.source_changed_at or row.seen_updated_at or "unknown"
    return f"{row.side} has it as id {row.id}, changed {changed}, read {row.read_at}" + (f", amount {amount}" if amount else "")


def _intent(row: Intent, calls: Mapping[str, Call]) -> str:
    call = calls.get(row.call_id or "")
    where = f" in a call of {call.items} to {call.system} at {call.started_at} ({call.status})" if call else ""
    message = f": {row.message}" if row.message else ""
    return (
        f"step {row.step} (revision {row.revision}): {row.status}{where}, result id {row.result_id or 'none'}{message}"
    )  # fmt: skip
