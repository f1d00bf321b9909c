"""Room: what a run said of each record, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, null, or_, select, update

from include.financials.ledger import records
from include.financials.ledger import tables as t
from include.financials.ledger.room import Room, by_place, chunked, each, values
from include.financials.ledger.said import Remembered, Restated
from include.financials.ledger.tables import Judged, key_of, stamp
from include.financials.record import Side

STOPPED = ("held", "quarantined", "blocked", "conflict")
STAGE_CLOSED = "stage closed"
"""An audit row: a gate kept a stage back."""

_SAID = ("state", "rule", "waits_for", "message")
_SAYING = [null().label(one.name) if one.name in ("work", "figures") else one for one in t.outcomes.c]


class Outcomes(Room):
    def judge(
        self,
        run_id: str,
        entity: str,
        shard: int,
        rows: Iterable[Judged],
        remembered: Iterable[Remembered] = (),
    ) -> None:
        """Replace what this run said of one entity's shard (a retried check says it anew; of a record that is told twice the last
        word counts) and remember the records, in one commit. Both are taken as they come, the rows first."""
        o = t.outcomes.c
        here = (o.run_id == run_id, o.entity == entity, o.shard == shard)
        with self.writing() as connection:
            connection.execute(delete(t.outcomes).where(*here, o.done.is_(False)))
            done = set(map(tuple, connection.execute(select(o.company, o.side, o.id).where(*here))))
            told = set[tuple[str, str, str]]()
            for some in chunked(rows):
                fresh = {row.key: row for row in some if row.key not in done}
                for company, side, ident in told & fresh.keys():
                    connection.execute(delete(t.outcomes).where(*here, o.company == company, o.side == side, o.id == ident))
                if fresh:
                    connection.execute(insert(t.outcomes), [values(row) for row in fresh.values()])
                told |= fresh.keys()
            # Both sides were read before the load: of what is done its memory is younger than a retried check's.
            records.write(connection, (row for row in remembered if (row.company, row.side, row.id) not in done))

    def of(self, run_id: str, entity: str | None = None, shard: int | None = None, *, work: bool = True) -> list[Judged]:
        """By entity, number and id; without ``work`` (and figures), which are most of a row, for who only asks what was said."""
        o = t.outcomes.c
        given = [column == value for column, value in ((o.entity, entity), (o.shard, shard)) if value is not None]
        return self._rows(o.run_id == run_id, *given, columns=t.outcomes.c if work else _SAYING)

    def states(self, run_id: str, entity: str, side: Side, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """What a run said of these records of a side, by (company, id)."""
        found: dict[tuple[str, str], str] = {}
        o = t.outcomes.c
        with self.reading() as connection:
            for company, idents in by_place(keys):
                here = (o.run_id == run_id, o.entity == entity, o.company == company, o.side == side, o.id.in_(idents))
                for ident, state in connection.execute(select(o.id, o.state).where(*here)):
                    found[company, ident] = state
        return found

    def broken(self, run_id: str, entity: str, side: Side) -> set[tuple[str, str]]:
        """Linked records of a side of which a run said that the other one no longer has them, by (company, id)."""
        o = t.outcomes.c
        here = (o.run_id == run_id, o.entity == entity, o.side == side, o.state == "conflict", o.rule == "R-02")
        with self.reading() as connection:
            return {key_of(side, company, ident) for company, ident in connection.execute(select(o.company, o.id).where(*here))}

    def held(self, run_id: str, entity: str, *rules: str) -> list[Judged]:
        """What a run holds by these rules, in the order of :meth:`of`."""
        o = t.outcomes.c
        return self._rows(o.run_id == run_id, o.entity == entity, o.state == "held", o.rule.in_(rules), columns=_SAYING)

    def stopped(self, run_id: str, entity: str) -> list[Judged]:
        """Pairs of records that a run stopped, in the order of :meth:`of`."""
        o = t.outcomes.c
        here = (o.run_id == run_id, o.entity == entity, o.state.in_(STOPPED), o.procore_id.is_not(None))
        return self._rows(*here, columns=_SAYING)

    def each(self, run_id: str, entity: str) -> Iterator[Judged]:
        """What a run said of an entity, in the order of :meth:`of`, one by one and without work: for who keeps few of them."""
        o = t.outcomes.c
        query = select(*_SAYING).where(o.run_id == run_id, o.entity == entity).order_by(o.entity, o.number, o.id)
        with self.reading() as connection:
            yield from each(Judged, connection.execute(query))

    def linked(self, run_id: str, entity: str, *actions: str) -> list[Judged]:
        """What a run links, or has linked, by these actions."""
        o = t.outcomes.c
        return self._rows(o.run_id == run_id, o.entity == entity, o.state == "linked", o.action.in_(actions))

    def work(self, run_id: str, entity: str, shard: int, side: Side, *actions: str, most: int | None = None) -> list[Judged]:
        """What is left to do of a run by these actions: linked by plan, not done yet. ``most``: no more than so many rows."""
        o = t.outcomes.c
        here = (o.run_id == run_id, o.entity == entity, o.shard == shard, o.side == side)
        return self._rows(*here, o.done.is_(False), o.state == "linked", o.action.in_(actions), most=most)

    def tally(self, run_id: str, entity: str, shard: int) -> Counter[tuple[str, str, str | None]]:
        """How many records of a run have which action, state and rule."""
        o = t.outcomes.c
        query = select(o.action, o.state, o.rule, func.count()).where(o.run_id == run_id, o.entity == entity, o.shard == shard)
        with self.reading() as connection:
            found = connection.execute(query.group_by(o.action, o.state, o.rule))
            return Counter({(action, state, rule): count for action, state, rule, count in found})

    def in_hand(self, run_id: str, entity: str, quiet_since: str) -> list[Judged]:
        """What other runs have judged and not carried out yet, as far as they are under way: not over, and since then begun, come
        to the end of a step, or holding a lease. Of what ``run_id`` has judged itself only what was judged again since."""
        o, r, s, held = t.outcomes.c, t.runs.c, t.steps.c, t.leases.c
        heard = or_(
            r.started_at > quiet_since,
            select(s.run_id).where(s.run_id == r.run_id, s.finished_at > quiet_since).exists(),
            select(held.run_id).where(held.run_id == r.run_id, held.expires_at > stamp()).exists(),
        )
        running = select(r.run_id).where(r.run_id != run_id, r.mode == "apply", r.finished_at.is_(None), heard)
        due = (o.entity == entity, o.done.is_(False), o.state == "linked", o.action.not_in(("none", "unchanged")))
        others = self._rows(o.run_id.in_(running), *due)
        if not others:
            return []
        judged = (s.run_id == r.run_id, s.step == f"check:{entity}")
        query = select(r.run_id, func.coalesce(func.max(s.finished_at), r.started_at))
        query = query.select_from(t.runs.outerjoin(t.steps, and_(*judged))).group_by(r.run_id, r.started_at)
        with self.reading() as connection:
            at = dict(map(tuple, connection.execute(query.where(r.run_id.in_({run_id, *(row.run_id for row in others)})))))
        own = {row.key for row in self.of(run_id, entity, work=False)}
        return [row for row in others if row.key not in own or at[row.run_id] > at[run_id]]

    def closing(self, run_id: str, entity: str, shard: int) -> list[Judged]:
        """Records of a run that are over on both sides and whose links are still to be closed."""
        o = t.outcomes.c
        here = (o.run_id == run_id, o.entity == entity, o.shard == shard)
        return self._rows(*here, o.done.is_(False), o.action == "close")

    def _rows(self, *where: Any, columns: Iterable[Any] = t.outcomes.c, most: int | None = None) -> list[Judged]:
        o = t.outcomes.c
        query = select(*columns).where(*where).order_by(o.entity, o.number, o.id).limit(most)
        with self.reading() as connection:
            return list(each(Judged, connection.execute(query)))

    def candidates(self, entity: str, run_id: str) -> set[tuple[str, str]]:
        """Keys (:func:`key_of`) of what a gate has judged without letting it through: in this run (a retried check judges the
        same records), or in the last run that judged it, whose stage was closed (docs/domain-rules.md 2.3: it keeps its
        records as candidates)."""
        o, r, a = t.outcomes.c, t.runs.c, t.audit.c
        query = select(o.side, o.company, o.id, o.run_id).join(t.runs, r.run_id == o.run_id)
        query = query.where(o.entity == entity, o.judged, or_(r.mode == "apply", r.run_id == run_id)).order_by(r.started_at)
        with self.reading() as connection:
            closed = set(connection.execute(select(a.run_id).where(a.entity == entity, a.what == STAGE_CLOSED)).scalars())
            last = {key_of(side, company, ident): judged_in for side, company, ident, judged_in in connection.execute(query)}
        return {key for key, judged_in in last.items() if judged_in == run_id or judged_in in closed}

    def restate(self, run_id: str, entity: str, rows: Sequence[Restated]) -> None:
        """Change what was said of records already judged in this run."""
        if rows:
            with self.writing() as connection:
                restate(connection, run_id, entity, rows)

    def mark_done(self, run_id: str, entity: str, rows: Sequence[Judged]) -> None:
        """Nothing to write for these: unchanged."""
        if rows:
            with self.writing() as connection:
                mark_done(connection, run_id, entity, rows)


# -- within another room's transaction ----------------------------------------------------------------------------------------


def restate(connection: Connection, run_id: str, entity: str, rows: Sequence[Restated]) -> None:
    """A plan's word changes its own rows; an apply's is remembered with the record."""
    if not rows:
        return
    remember = connection.execute(select(t.runs.c.mode).where(t.runs.c.run_id == run_id)).scalar() == "apply"
    o, r = t.outcomes.c, t.records.c
    for one in rows:
        row, changed = one.row, one.columns()
        where = (o.run_id == run_id, o.entity == entity, o.company == row.company, o.side == row.side, o.id == row.id)
        connection.execute(update(t.outcomes).where(*where).values(**changed))
        kept = {name: value for name, value in changed.items() if name in _SAID}
        if kept and remember:
            within, _ = key_of(row.side, row.company, row.id)
            known = (r.entity == entity, r.side == row.side, r.within == within, r.id == row.id)
            connection.execute(update(t.records).where(*known).values(**kept))


def mark_done(connection: Connection, run_id: str, entity: str, rows: Sequence[Judged]) -> None:
    if rows:
        o = t.outcomes.c
        same = (o.company == bindparam("of_company"), o.side == bindparam("of_side"), o.id == bindparam("of_id"))
        statement = update(t.outcomes).where(o.run_id == run_id, o.entity == entity, *same).values(done=True)
        connection.execute(statement, [{"of_company": row.company, "of_side": row.side, "of_id": row.id} for row in rows])
