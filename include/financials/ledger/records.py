"""Room: what was seen. One row for ever per record of a side, and the strangers of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from include.financials.ledger import tables as t
from include.financials.ledger.room import Room, chunked, each, upsert, values
from include.financials.ledger.said import Remembered
from include.financials.ledger.tables import Judged, Seen, Stranger, key_of
from include.financials.record import Side

_KEY = ("entity", "side", "within", "id")


class Records(Room):
    def seen(self, entity: str, side: Side) -> dict[tuple[str, str], Seen]:
        """What the ledger remembers of each record of a side, by (company, id) in the ERP and ("", id) in Procore: see
        :func:`key_of`."""
        return {(row.within, row.id): row for row in self.each(entity, side)}

    def each(self, entity: str, side: Side) -> Iterator[Seen]:
        """The same one by one, for who keeps few of them."""
        r = t.records.c
        with self.reading() as connection:
            yield from each(Seen, connection.execute(select(t.records).where(r.entity == entity, r.side == side)))

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
