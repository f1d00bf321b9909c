"""The transport over SQL: any database that SQLAlchemy reaches.

Reading goes page by page in the order of the key columns, each page in a read-only transaction of its own. Writing runs one
transaction per call and one savepoint per document, so that a refused one does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from include.erp.ages import AHEAD, span, utc
from include.erp.codecs import Storage, Unfit, codec
from include.erp.mapping import loading
from include.erp.sql.database import Database, no_colons
from include.erp.sql.grammar import SqlMapping
from include.erp.sql.inspection import Inspection
from include.erp.sql.selects import Selects, dump_key, load_key
from include.erp.sql.statements import Statements
from include.erp.sql.submitting import Submission
from include.erp.transport import Adapter, Check, Document, Handed, Key, Probe, Receipt, Rows, Writing
from include.financials.exceptions import ConfigurationError
from include.financials.port import Beat, Window


class SqlTransport:
    """:param url_or_engine: SQLAlchemy URL (text with password, never logged) or a ready engine.
    :param id_batch: ids or markers per query.
    :param lock_timeout: seconds to wait for a lock before a call ends as RetryLater.
    :param now: the clock by which what a replica shows is old (``max_age``).
    """

    transactional = True

    def __init__(
        self,
        url_or_engine: str | sa.URL | sa.Engine,
        mapping: loading.Mapping[SqlMapping],
        *,
        id_batch: int = 500,
        lock_timeout: float = 10.0,
        now: Callable[[], datetime] = utc,
    ) -> None:
        self.mapping, self.id_batch, self._now = mapping, id_batch, now
        self.database = Database(url_or_engine, lock_timeout)
        self.selects: Callable[[str], Selects] = cache(lambda name: Selects(mapping, name, self.database))
        self.statements: Callable[[str, Writing], Statements] = cache(
            lambda name, action: Statements(mapping, name, action, self.database)
        )

    def close(self) -> None:
        self.database.close()

    def probe(self) -> Probe:
        self.clock()
        inspection = Inspection(self.mapping, self.database, self.statements)
        problems: list[str] = []
        for name in self.mapping.spec.entities:
            problems += inspection.entity(self.selects(name))
        return Probe(self.database.label, self.database.version(), tuple(problems))

    def clock(self) -> datetime:
        """As the mapping's ``now`` asks for it."""
        spec = self.mapping.spec.now
        place = self.mapping.at("now")
        sql = spec if isinstance(spec, str) else spec.get(self.database.dialect, spec.get("default", ""))
        if not sql:
            raise ConfigurationError(f"{place}: has no statement for {self.database.dialect} and no default")
        with self.database.reading(place) as connection:
            raw = connection.execute(no_colons(sql)).scalar()
        try:
            moment: datetime = codec(Storage("timestamp", timezone=self.mapping.spec.timezone)).decode(raw)
        except Unfit as unfit:
            raise ConfigurationError(f"{place}: the ERP's clock {unfit}. Let the statement give one time.") from None
        return moment

    def _in_time(self) -> None:
        """Raises ConfigurationError where a replica is not brought up to date any more: what it does not show may be there."""
        limit = self.mapping.spec.max_age
        if limit is None:
            return
        moment, now, place = self.clock(), self._now(), self.mapping.at("now")
        shown = f"{place}: {self.database.label} shows the ERP as of {moment:%Y-%m-%d %H:%M} UTC"
        if moment > now + AHEAD:
            raise ConfigurationError(f"{shown}, which is yet to come. Correct the statement, or the clock of the replica.")
        if now - moment > limit:
            raise ConfigurationError(
                f"{shown}, {span(now - moment)} ago, and may be {span(limit)} old. See that the replica is brought up to date,"
                " then clear this task."
            )

    def fetch(
        self,
        entity: str,
        *,
        window: Window | None,
        scopes: Sequence[str] | None,
        cursor: Mapping[str, Any] | None,
        size: int,
        bare: bool = False,
    ) -> Rows:
        self._in_time()
        selects = self.selects(entity)
        after = load_key(cursor["after"]) if cursor else None
        with self.database.reading(selects.place) as connection:
            conditions = selects.filters(connection, window, scopes)
            raw, after = selects.page(connection, conditions, after, size)
            rows = selects.rows(connection, raw, bare=bare)
        return Rows(selects.within(rows, scopes), None if after is None else {"after": dump_key(after)})

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        self._in_time()
        selects, found = self.selects(entity), Rows([])
        with self.database.reading(selects.place) as connection:
            size = selects.at_once(self.id_batch)
            for start in range(0, max(len(ids), len(markers)), size):
                part = slice(start, start + size)
                conditions = [selects.of_ids(connection, ids[part])] if ids[part] else []
                conditions += [selects.of_markers(markers[part])] if markers[part] else []
                for condition in conditions:
                    found.rows += selects.rows(connection, connection.execute(selects.select(condition)).all())
        return found

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        statements = self.statements(entity, action)
        return Submission(self.database, self.selects(entity), statements, check, beat, self.id_batch).receipts(documents)

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        """No document of a database waits anywhere that the mapping's ``from`` does not show."""
        return [Receipt(one.intent, "unknown") for one in handed]


ADAPTER = Adapter(SqlMapping, SqlTransport, database=True)
