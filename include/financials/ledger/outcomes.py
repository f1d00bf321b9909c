"""Room: what a run said of each record, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Integer, Select, Update, and_, bindparam, delete, func, insert, null, or_, select, update

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


def _saying(*where: Any, columns: Iterable[Any] = t.outcomes.c) -> Select[Any]:
    o = t.outcomes.c
    return select(*columns).where(*where).order_by(o.entity, o.number, o.id)


_O, _R, _S, _L = t.outcomes.c, t.runs.c, t.steps.c, t.leases.c
_HERE = (_O.run_id == bindparam("run"), _O.entity == bindparam("of_entity"))
_SHARD = (*_HERE, _O.shard == bindparam("of_shard"))
_ACTIONS = (_O.state == "linked", _O.action.in_(bindparam("actions", expanding=True)))

_UNDO = delete(t.outcomes).where(*_SHARD, _O.done.is_(False))
_DONE = select(_O.company, _O.side, _O.id).where(*_SHARD)
_UNSAY = delete(t.outcomes).where(
    *_SHARD, _O.company == bindparam("of_company"), _O.side == bindparam("of_side"), _O.id == bindparam("of_id")
)  # fmt: skip
_RESTATE = update(t.outcomes).where(
    *_HERE, _O.company == bindparam("of_company"), _O.side == bindparam("of_side"), _O.id == bindparam("of_id")
)  # fmt: skip
_MARK_DONE = _RESTATE.values(done=True)
_REMEMBER = update(t.records).where(
    t.records.c.entity == bindparam("of_entity"), t.records.c.side == bindparam("of_side"),
    t.records.c.within == bindparam("of_within"), t.records.c.id == bindparam("of_id"),
)  # fmt: skip
_EACH = _saying(*_HERE, columns=_SAYING)
_HELD = _saying(*_HERE, _O.state == "held", _O.rule.in_(bindparam("rules", expanding=True)), columns=_SAYING)
_STOPPED = _saying(*_HERE, _O.state.in_(STOPPED), _O.procore_id.is_not(None), columns=_SAYING)
_LINKED = _saying(*_HERE, *_ACTIONS)
_WORK = _saying(*_SHARD, _O.side == bindparam("of_side"), _O.done.is_(False), *_ACTIONS)
_SOME_WORK = _WORK.limit(bindparam("most", type_=Integer))
_CLOSING = _saying(*_SHARD, _O.done.is_(False), _O.action == "close")
_LEFT = select(_O.side, _O.action, func.count()).where(
    *_SHARD, _O.done.is_(False), or_(_O.state == "linked", _O.action == "close")
).group_by(_O.side, _O.action)  # fmt: skip
_TALLY = select(_O.action, _O.state, _O.rule, func.count()).where(*_SHARD).group_by(_O.action, _O.state, _O.rule)
_HEARD = or_(
    _R.started_at > bindparam("quiet_since"),
    select(_S.run_id).where(_S.run_id == _R.run_id, _S.finished_at > bindparam("quiet_since")).exists(),
    select(_L.run_id).where(_L.run_id == _R.run_id, _L.expires_at > bindparam("now")).exists(),
)
_RUNNING = select(_R.run_id).where(_R.run_id != bindparam("run"), _R.mode == "apply", _R.finished_at.is_(None), _HEARD)
_IN_HAND = _saying(
    _O.run_id.in_(_RUNNING), _O.entity == bindparam("of_entity"), _O.done.is_(False), _O.state == "linked",
    _O.action.not_in(("none", "unchanged")),
)  # fmt: skip


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
        here = {"run": run_id, "of_entity": entity, "of_shard": shard}
        with self.writing(about=entity) as connection:
            connection.execute(_UNDO, here)
            done = set(map(tuple, connection.execute(_DONE, here)))
            told = set[tuple[str, str, str]]()
            for some in chunked(rows):
                fresh = {row.key: row for row in some if row.key not in done}
                for company, side, ident in told & fresh.keys():
                    connection.execute(_UNSAY, {**here, "of_company": company, "of_side": side, "of_id": ident})
                if fresh:
                    connection.execute(insert(t.outcomes), [values(row) for row in fresh.values()])
                told |= fresh.keys()
            # Both sides were read before the load: of what is done its memory is younger than a retried check's.
            records.write(connection, (row for row in remembered if (row.company, row.side, row.id) not in done))

    def of(self, run_id: str, entity: str | None = None, shard: int | None = None, *, work: bool = True) -> list[Judged]:
        """By entity, number and id; without ``work`` (and figures), which are most of a row, for who only asks what was said."""
        o = t.outcomes.c
        given = [column == value for column, value in ((o.entity, entity), (o.shard, shard)) if value is not None]
        return self._rows(_saying(o.run_id == run_id, *given, columns=t.outcomes.c if work else _SAYING))

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
        return self._rows(_HELD, run=run_id, of_entity=entity, rules=rules)

    def stopped(self, run_id: str, entity: str) -> list[Judged]:
        """Pairs of records that a run stopped, in the order of :meth:`of`."""
        return self._rows(_STOPPED, run=run_id, of_entity=entity)

    def each(self, run_id: str, entity: str) -> Iterator[Judged]:
        """What a run said of an entity, in the order of :meth:`of`, one by one and without work: for who keeps few of them."""
        with self.reading() as connection:
            yield from each(Judged, connection.execute(_EACH, {"run": run_id, "of_entity": entity}))

    def linked(self, run_id: str, entity: str, *actions: str) -> Iterator[Judged]:
        """What a run links, or has linked, by these actions, as it is taken: with their work they are long."""
        with self.reading() as connection:
            yield from each(Judged, connection.execute(_LINKED, {"run": run_id, "of_entity": entity, "actions": actions}))

    def work(self, run_id: str, entity: str, shard: int, side: Side, *actions: str, most: int | None = None) -> list[Judged]:
        """What is left to do of a run by these actions: linked by plan, not done yet. ``most``: no more than so many rows."""
        here = {"run": run_id, "of_entity": entity, "of_shard": shard, "of_side": side, "actions": actions}
        return self._rows(_WORK, **here) if most is None else self._rows(_SOME_WORK, **here, most=most)

    def left(self, run_id: str, entity: str, shard: int) -> Counter[tuple[str, str]]:
        """How many records of a shard a run still has something to do with, or to take note of: by (side, action)."""
        with self.reading() as connection:
            found = connection.execute(_LEFT, {"run": run_id, "of_entity": entity, "of_shard": shard})
            return Counter({(side, action): count for side, action, count in found})

    def tally(self, run_id: str, entity: str, shard: int) -> Counter[tuple[str, str, str | None]]:
        """How many records of a run have which action, state and rule."""
        with self.reading() as connection:
            found = connection.execute(_TALLY, {"run": run_id, "of_entity": entity, "of_shard": shard})
            return Counter({(action, state, rule): count for action, state, rule, count in found})

    def in_hand(self, run_id: str, entity: str, quiet_since: str) -> list[Judged]:
        """What other runs have judged and not carried out yet, as far as they are under way: not over, and since then begun, come
        to the end of a step, or holding a lease. Of what ``run_id`` has judged itself only what was judged again since."""
        others = self._rows(_IN_HAND, run=run_id, of_entity=entity, quiet_since=quiet_since, now=stamp())
        if not others:
            return []
        r, s = t.runs.c, t.steps.c
        judged = (s.run_id == r.run_id, s.step == f"check:{entity}")
        query = select(r.run_id, func.coalesce(func.max(s.finished_at), r.started_at))
        query = query.select_from(t.runs.outerjoin(t.steps, and_(*judged))).group_by(r.run_id, r.started_at)
        with self.reading() as connection:
            at = dict(map(tuple, connection.execute(query.where(r.run_id.in_({run_id, *(row.run_id for row in others)})))))
        own = {row.key for row in self.of(run_id, entity, work=False)}
        return [row for row in others if row.key not in own or at[row.run_id] > at[run_id]]

    def closing(self, run_id: str, entity: str, shard: int) -> list[Judged]:
        """Records of a run that are over on both sides and whose links are still to be closed."""
        return self._rows(_CLOSING, run=run_id, of_entity=entity, of_shard=shard)

    def _rows(self, statement: Select[Any], **given: Any) -> list[Judged]:
        with self.reading() as connection:
            return list(each(Judged, connection.execute(statement, given)))

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
            with self.writing(about=entity) as connection:
                mark_done(connection, run_id, entity, rows)


# -- within another room's transaction ----------------------------------------------------------------------------------------


def restate(connection: Connection, run_id: str, entity: str, rows: Sequence[Restated]) -> None:
    """A plan's word changes its own rows; an apply's is remembered with the record."""
    if not rows:
        return
    remember = connection.execute(select(t.runs.c.mode).where(t.runs.c.run_id == run_id)).scalar() == "apply"
    # At one go as far as the same columns change, in the order in which it was said: of a row more may be said than once.
    for names, some in groupby(((one.row, one.columns()) for one in rows), key=lambda one: tuple(one[1])):
        told = list(some)
        if names:
            here = {"run": run_id, "of_entity": entity}
            connection.execute(*_changed(_RESTATE, names, [(here | _of(row), new) for row, new in told]))
        if remember and (kept := tuple(name for name in names if name in _SAID)):
            known = [({"of_entity": entity, **_seen(row)}, new) for row, new in told]
            connection.execute(*_changed(_REMEMBER, kept, known))


def _of(row: Judged) -> dict[str, Any]:
    return {"of_company": row.company, "of_side": row.side, "of_id": row.id}


def _seen(row: Judged) -> dict[str, Any]:
    return {"of_side": row.side, "of_within": key_of(row.side, row.company, row.id)[0], "of_id": row.id}


def _changed(
    statement: Update, names: tuple[str, ...], rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> tuple[Update, list[dict[str, Any]]]:
    """The statement that gives new values to these columns, and what is bound to it; of each row where it is, and what is new."""
    statement = statement.values({name: bindparam(f"new_{name}") for name in names})
    return statement, [{**where, **{f"new_{name}": new[name] for name in names}} for where, new in rows]


def mark_done(connection: Connection, run_id: str, entity: str, rows: Sequence[Judged]) -> None:
    if rows:
        here = {"run": run_id, "of_entity": entity}
        connection.execute(_MARK_DONE, [here | _of(row) for row in rows])
