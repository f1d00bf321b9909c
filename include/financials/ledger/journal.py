"""Room: the journal of writes: intents, and the calls that carried them.

The engine's promise *never send twice* rests on two commits: :meth:`Journal.sending` says what is about to be sent before the
request leaves, :meth:`Journal.settled` what became of it. Both refuse (LeaseLost) when the lease has passed to somebody else, so
that a process that was thought dead can neither write nor send again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, except_, func, insert, or_, select, update

from include.financials.exceptions import OutcomeUnknown
from include.financials.ledger import links as pairs
from include.financials.ledger import outcomes as said
from include.financials.ledger import records, story
from include.financials.ledger import tables as t
from include.financials.ledger.leases import Lease, renew
from include.financials.ledger.room import Room, chunks, upsert, values
from include.financials.ledger.said import Remembered, Restated
from include.financials.ledger.tables import Call, Intent, Judged, Link, Note, decoded, stamp
from include.financials.record import Side

ANSWER, FINAL = "answer", "final"
"""Steps of intents that are about a record and change nothing of it: an answer to a workflow, and what the ERP calls final."""
_OPEN = ("sent", "unknown")
ACCEPTED = "accepted"
"""Of an intent whose document the system has taken and not yet entered in its books; ``doubted_at``: since when."""

_I, _N = t.intents.c, t.links.c
_IN_DOUBT = or_(_I.status.in_(_OPEN), and_(_I.status == "planned", _I.doubted_at.is_not(None)))
""":attr:`Intent.in_doubt`, asked of the database."""
_HERE, _OF_RECORDS = _I.entity == bindparam("entity"), _I.step.not_in((ANSWER, FINAL))
_ALL = select(t.intents).where(_HERE).order_by(_I.created_at, _I.intent)
_OPEN_INTENTS = _ALL.where(_I.shard == bindparam("shard"), _OF_RECORDS, _I.status.in_(_OPEN))
_OPEN_ANSWERS = _ALL.where(_I.step == ANSWER, _IN_DOUBT)
_ACCEPTED = _ALL.where(_I.status == ACCEPTED)
_SENT = and_(_HERE, _OF_RECORDS, or_(_I.status.in_(("confirmed", ACCEPTED)), _IN_DOUBT))
# Not by looking for each intent's link: of that a database takes the product of both.
_UNLINKED = except_(
    select(_I.company, _I.source_id).where(_SENT),
    *(select(_N.company, ident).where(_N.entity == bindparam("entity")) for ident in (_N.erp_key, _N.procore_id)),
)
_SENT_OF = select(_I.company, _I.source_id, _I.intent).where(_SENT, _I.source_id.in_(bindparam("idents", expanding=True)))
_SENT_OF = _SENT_OF.order_by(_I.created_at, _I.intent)
_COUNT = select(t.calls.c.system, func.count()).where(t.calls.c.run_id == bindparam("run")).group_by(t.calls.c.system)
_COUNT_OF = _COUNT.where(t.calls.c.entity == bindparam("entity"))


class Settled(NamedTuple):
    """What became of an intent. ``doubted_at``: it stays in doubt since then."""

    intent: str
    status: str
    result_id: str | None = None
    message: str | None = None
    doubted_at: str | None = None


class Journal(Room):
    # -- asking ---------------------------------------------------------------------------------------------------------------

    def intents(self, keys: Iterable[str]) -> dict[str, Intent]:
        found: dict[str, Intent] = {}
        with self.reading() as connection:
            for chunk in chunks(list(keys)):
                rows = connection.execute(select(t.intents).where(t.intents.c.intent.in_(chunk)))
                found.update({row.intent: row for row in map(Intent._make, rows)})
        return found

    def open_intents(self, entity: str, shard: int) -> list[Intent]:
        """Writes of records that were sent, and nobody knows with what outcome."""
        return self._rows(_OPEN_INTENTS, entity=entity, shard=shard)

    def open_answers(self, entity: str) -> list[Intent]:
        """Answers to workflows of an entity that may or may not have arrived."""
        return self._rows(_OPEN_ANSWERS, entity=entity)

    def accepted(self, entity: str) -> list[Intent]:
        """Documents that the other side has taken and not yet entered in its books."""
        return self._rows(_ACCEPTED, entity=entity)

    def _rows(self, statement: Select[Any], **given: Any) -> list[Intent]:
        with self.reading() as connection:
            return list(map(Intent._make, connection.execute(statement, given)))

    def begun(self, entity: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What was sent of records that have no link yet (the item, decoded), by (company, source id): a task ended between a
        request and its commit."""
        first: dict[tuple[str, str], str] = {}
        with self.reading() as connection:
            left = set(map(tuple, connection.execute(_UNLINKED, {"entity": entity})))
            for some in chunks(sorted(left)):
                which = {"entity": entity, "idents": [ident for _, ident in some]}
                for company, source_id, intent in connection.execute(_SENT_OF, which):
                    if (company, source_id) in left:
                        first.setdefault((company, source_id), intent)
        items = self.intents(first.values())
        return {key: decoded(items[intent].item) for key, intent in first.items()}

    def doubts(self, entity: str, step: str) -> dict[tuple[str, str], str]:
        """Since when something that was sent of a record in this step is in doubt, by (company, source id), whatever the record
        looked like then: the latest time on the executing system's clock."""
        c = t.intents.c
        query = select(c.company, c.source_id, func.max(c.doubted_at)).where(c.entity == entity, c.step == step, _IN_DOUBT)
        with self.reading() as connection:
            rows = connection.execute(query.group_by(c.company, c.source_id))
            return {(company, source_id): since for company, source_id, since in rows}

    # -- around a request -----------------------------------------------------------------------------------------------------

    def doubt(self, lease: Lease, rows: Sequence[Intent]) -> None:
        """Journal intents that may be there already, because something else was sent of the same record."""
        now = stamp()
        full = [values(row._replace(status="unknown", created_at=now, updated_at=now)) for row in rows]
        with self.writing() as connection:
            renew(connection, lease)
            upsert(connection, t.intents, full, update_columns=())

    def sending(self, lease: Lease, call: Call, rows: Sequence[Intent]) -> None:
        """The commit before a request: its intents are ``sent`` from here on, whatever happens to this process. Raises
        OutcomeUnknown where another task is sending one of them, LeaseLost."""
        now = stamp()
        full = [values(row._replace(status="sent", call_id=call.call_id, created_at=now, updated_at=now)) for row in rows]
        c = t.intents.c
        count = select(func.count()).select_from(t.intents).where(c.status.in_((*_OPEN, "confirmed", ACCEPTED)))
        with self.writing() as connection:
            renew(connection, lease)
            # A lease covers a shard, and two runs may divide the work differently.
            keys = [row.intent for row in rows]
            if under_way := sum(connection.execute(count.where(c.intent.in_(part))).scalar_one() for part in chunks(keys)):
                raise OutcomeUnknown(
                    f"{under_way} of {len(rows)} {lease.entity} are being sent by another task; looked up at the next try"
                )
            connection.execute(insert(t.calls), [values(call._replace(status="sent", started_at=now))])
            again = ("run_id", "status", "call_id", "item", "doubted_at", "updated_at")
            upsert(connection, t.intents, full, update_columns=again)

    def settled(
        self,
        lease: Lease,
        call: Call | None,
        intents: Sequence[Settled],
        *,
        run_id: str,
        entity: str,
        links: Sequence[Link] = (),
        outcomes: Sequence[Restated] = (),
        remembered: Sequence[Remembered] = (),
        notes: Sequence[Note] = (),
    ) -> None:
        """The commit after a request: outcomes of its intents, and everything that follows from them."""
        with self.writing() as connection:
            renew(connection, lease)
            if call is not None:
                told = update(t.calls).where(t.calls.c.call_id == call.call_id)
                connection.execute(told.values(status=call.status, message=call.message, finished_at=stamp()))
            for row in intents:
                became = update(t.intents).where(t.intents.c.intent == row.intent)
                changed = row._asdict()
                if row.status == ACCEPTED:
                    del changed["doubted_at"]  # it waits since it was sent
                connection.execute(became.values(**changed, updated_at=stamp()))
            pairs.write(connection, links)
            said.restate(connection, run_id, entity, outcomes)
            records.write(connection, remembered)
            story.write(connection, notes)

    # -- without a request ----------------------------------------------------------------------------------------------------

    def adopt(self, lease: Lease, run_id: str, entity: str, links: Sequence[Link], rows: Sequence[Judged]) -> None:
        """Link what is on both sides already, without a write to either (docs/domain-rules.md 2.9)."""
        with self.writing() as connection:
            renew(connection, lease)
            pairs.insert_all(connection, [link._replace(how="adopted") for link in links])
            said.mark_done(connection, run_id, entity, rows)
            story.write(
                connection,
                [
                    Note(
                        "sync", "adopted", entity, link.company, link.erp_key, link.number, link.content_hash,
                        f"Procore id {link.procore_id}", run_id,
                    )
                    for link in links
                ],
            )  # fmt: skip

    def close_links(self, lease: Lease, run_id: str, entity: str, rows: Sequence[Judged]) -> None:
        """End the links of records that are over on both sides, and say so in the audit trail."""
        c = t.links.c
        with self.writing() as connection:
            renew(connection, lease)
            for row in rows:
                pairs.end(connection, c.entity == entity, c.company == row.company, c.erp_key == row.erp_key)
            said.mark_done(connection, run_id, entity, rows)
            story.write(
                connection,
                [
                    Note(
                        "sync", "link closed", entity, row.company, row.erp_key or "", row.number, None, row.message, run_id
                    )
                    for row in rows
                ],
            )  # fmt: skip

    def release(self, intents: Sequence[Intent], note: Note) -> None:
        """A person says that what was accepted will not be posted: it may be sent again."""
        i = t.intents.c
        with self.writing() as connection:
            for row in intents:
                freed = update(t.intents).where(i.intent == row.intent, i.status == ACCEPTED)
                connection.execute(freed.values(status="planned", doubted_at=None, message=note.detail, updated_at=stamp()))
            story.write(connection, [note])

    # -- counting -------------------------------------------------------------------------------------------------------------

    def written(self, run_id: str, system: Side) -> int:
        """Records that a run's calls wrote to a system, as confirmed."""
        query = (
            select(func.count())
            .select_from(t.intents.join(t.calls, t.intents.c.call_id == t.calls.c.call_id))
            .where(t.calls.c.run_id == run_id, t.calls.c.system == system, t.intents.c.status == "confirmed")
        )
        with self.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def calls_since(self, system: Side, since: str) -> list[tuple[str, bool]]:
        """The write calls to a system that were begun from ``since`` (a stamp) on, of any run: what each covers
        (``System.scope``), and whether its outcome is open."""
        c = t.calls.c
        query = select(c.scope, c.status.in_(_OPEN)).where(c.system == system, c.started_at >= since)
        with self.reading() as connection:
            return [(scope, bool(open_)) for scope, open_ in connection.execute(query)]

    def last_calls(self, system: Side, beside: str) -> dict[str, str]:
        """When each entity was written to a system last by a run that is not ``beside`` (a stamp)."""
        c = t.calls.c
        ended = func.max(func.coalesce(c.finished_at, c.started_at))
        query = select(c.entity, ended).where(c.system == system, c.run_id != beside).group_by(c.entity)
        with self.reading() as connection:
            return {str(entity): str(at) for entity, at in connection.execute(query)}

    def call_count(self, run_id: str, entity: str | None = None) -> dict[str, int]:
        """Write calls of a run by system, of one entity or of all."""
        query, of = (_COUNT, {}) if entity is None else (_COUNT_OF, {"entity": entity})
        with self.reading() as connection:
            return {system: int(count) for system, count in connection.execute(query, {"run": run_id, **of})}
