"""Room: what was seen. One row for ever per record of a side, and the strangers of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, null, or_, select

from include.financials.ledger import tables as t
from include.financials.ledger.room import CHUNK, Room, by_place, chunked, each, upsert, values
from include.financials.ledger.said import Remembered
from include.financials.ledger.tables import Judged, Seen, Stranger, key_of
from include.financials.record import Side

_KEY = ("entity", "side", "within", "id")
_WHO = [null().label("figures") if column.name == "figures" else column for column in t.records.c]
_HERE = (t.records.c.entity == bindparam("entity"), t.records.c.side == bindparam("side"))
_EACH, _WHO_EACH = select(t.records).where(*_HERE), select(*_WHO).where(*_HERE)
_SOME = _EACH.where(t.records.c.within == bindparam("within"), t.records.c.id.in_(bindparam("idents", expanding=True)))


class Last(NamedTuple):
    """How a record was when it was judged last, and when it changed."""

    state: str | None
    source_hash: str | None
    source_changed_at: str | None
    seen_updated_at: str | None


_LAST = _SOME.with_only_columns(t.records.c.id, *(t.records.c[name] for name in Last._fields))


class Records(Room):
    def seen(self, entity: str, side: Side, *, figures: bool = True) -> dict[tuple[str, str], Seen]:
        """What the ledger remembers of each record of a side, by (company, id) in the ERP and ("", id) in Procore: see
        :func:`key_of`. Without ``figures``, which are most of a row, for who asks for none."""
        return {(row.within, row.id): row for row in self.each(entity, side, figures=figures)}

    def each(
        self, entity: str, side: Side, scopes: Collection[str | None] | None = None, *, figures: bool = True
    ) -> Iterator[Seen]:
        """The same one by one, for who keeps few of them: of these scopes (None and an empty one: of none), or of all."""
        r, query = t.records.c, _EACH if figures else _WHO_EACH
        if scopes is not None:
            named = [scope for scope in scopes if scope]
            of_none = or_(r.scope.is_(None), r.scope == "")
            query = query.where(or_(r.scope.in_(named), of_none) if len(named) < len(scopes) else r.scope.in_(named))
        with self.reading() as connection:
            yield from each(Seen, connection.execute(query, {"entity": entity, "side": side}))

    def of_id(self, entity: str, side: Side, ident: str) -> list[Seen]:
        """Whatever company it is of."""
        r = t.records.c
        query = select(t.records).where(r.entity == entity, r.side == side, r.id == ident)
        with self.reading() as connection:
            return list(each(Seen, connection.execute(query)))

    def jobs(self, entity: str, side: Side) -> set[tuple[str, str | None]]:
        """(company, scope) of all of which more than skipped records was ever judged."""
        r = t.records.c
        query = select(r.within, r.scope).where(r.entity == entity, r.side == side, r.state.is_distinct_from("skipped"))
        with self.reading() as connection:
            return {(company, scope) for company, scope in connection.execute(query.distinct())}

    def some(self, entity: str, side: Side, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Seen]:
        """The same of these keys alone."""
        found: dict[tuple[str, str], Seen] = {}
        with self.reading() as connection:
            for within, idents in by_place(keys):
                here = {"entity": entity, "side": side, "within": within, "idents": idents}
                found.update(((row.within, row.id), row) for row in each(Seen, connection.execute(_SOME, here)))
        return found

    def last(self, entity: str, side: Side, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Last]:
        """Of these keys what every record is asked for when it is judged."""
        found: dict[tuple[str, str], Last] = {}
        with self.reading() as connection:
            for within, idents in by_place(keys):
                here = {"entity": entity, "side": side, "within": within, "idents": idents}
                found.update(((within, ident), Last(*rest)) for ident, *rest in connection.execute(_LAST, here))
        return found

    def states(self, entity: str, side: Side, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
        """Of these keys the states alone."""
        found: dict[tuple[str, str], str | None] = {}
        r = t.records.c
        with self.reading() as connection:
            for within, idents in by_place(keys):
                here = (r.entity == entity, r.side == side, r.within == within, r.id.in_(idents))
                for ident, state in connection.execute(select(r.id, r.state).where(*here)):
                    found[within, ident] = state
        return found

    def broken(self, entity: str) -> dict[Side, set[tuple[str, str]]]:
        """What the other side no longer has, though it is linked, by side and (company, id)."""
        r = t.records.c
        found: dict[Side, set[tuple[str, str]]] = {"procore": set(), "erp": set()}
        with self.reading() as connection:
            query = select(r.side, r.within, r.id).where(r.entity == entity, r.state == "conflict", r.rule == "R-02")
            for side, within, ident in connection.execute(query):
                found[side].add((within, ident))
        return found

    def origins(self, entity: str) -> Iterator[tuple[str, str, tuple[str, str] | None]]:
        """(id, external id, (company, ERP key) of its link) of what the ledger remembers of Procore and has figures and an
        external id of; gone ones left out."""
        r, c = t.records.c, t.links.c
        linked = and_(c.entity == r.entity, c.procore_id == r.id, c.ended_at.is_(None))
        query = select(r.id, r.origin_id, c.company, c.erp_key).select_from(t.records.outerjoin(t.links, linked))
        there = (r.origin_id.is_not(None), r.deleted.is_(False), r.figures.not_in(("", "{}")))
        query = query.where(r.entity == entity, r.side == "procore", *there)
        with self.reading() as connection:
            for ident, origin, company, key in connection.execute(query).yield_per(CHUNK):
                yield ident, origin, None if key is None else (company, key)

    def remember(self, rows: Iterable[Remembered]) -> None:
        """Upsert rows; a column of which a row says nothing keeps its value."""
        with self.writing() as connection:
            write(connection, rows)

    def meet(self, rows: Sequence[Stranger]) -> None:
        """Documents that only one side has, as a plan saw them: a person may decide on them without an apply before."""
        with self.writing() as connection:
            upsert(connection, t.strangers, [values(row) for row in rows], update_columns=("number",))

    def met(self, entity: str) -> list[tuple[str, Stranger | Judged]]:
        """What runs said of records (strangers, then outcomes), each record's last word, with the time that its run began."""
        r, found = t.runs.c, []
        with self.reading() as connection:
            for table, kind in ((t.strangers, Stranger), (t.outcomes, Judged)):
                query = (
                    select(r.started_at, table)
                    .join(t.runs, r.run_id == table.c.run_id)
                    .where(table.c.entity == entity)
                    .order_by(r.started_at)
                )
                found += [(row[0], kind._make(row[1:])) for row in connection.execute(query)]
        return list({(row.side, *key_of(row.side, row.company, row.id)): (at, row) for at, row in found}.values())


def write(connection: Connection, rows: Iterable[Remembered]) -> None:
    """See :meth:`Records.remember`; within another room's transaction."""
    for chunk in chunked(rows):
        by_shape: dict[tuple[tuple[str, ...], bool], list[Mapping[str, Any]]] = {}
        for row in chunk:
            columns = row.columns()
            by_shape.setdefault((tuple(columns), bool(row.company)), []).append(columns)
        for (shape, placed), alike in by_shape.items():
            # A record of Procore that was met before its project was linked: its company is filled in, never taken away.
            kept = _KEY if placed else (*_KEY, "company")
            upsert(connection, t.records, alike, update_columns=tuple(name for name in shape if name not in kept))


class Remembrance:
    """What the ledger remembers of a side's records of an entity, asked for by key (:func:`key_of`): of those that nobody asks
    for nothing is held. ``learn`` asks for many at once, and lets go of those before."""

    def __init__(self, records: Records, entity: str, side: Side) -> None:
        self._records, self._of = records, (entity, side)
        self._last: dict[tuple[str, str], Last | None] = {}
        self._found: dict[tuple[str, str], Seen | None] = {}

    def learn(self, keys: Iterable[tuple[str, str]]) -> None:
        self._last = dict.fromkeys(keys)
        self._last.update(self._records.last(*self._of, [*self._last]))

    def last(self, key: tuple[str, str]) -> Last | None:
        """The little that every record is asked for."""
        if key not in self._last:
            self._last[key] = self._records.last(*self._of, [key]).get(key)
        return self._last[key]

    def get(self, key: tuple[str, str]) -> Seen | None:
        """All of one."""
        if key not in self._found:
            self._found[key] = self._records.some(*self._of, [key]).get(key)
        return self._found[key]

    def of_id(self, ident: str) -> list[Seen]:
        return self._records.of_id(*self._of, ident)
