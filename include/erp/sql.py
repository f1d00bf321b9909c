"""The ERP port over SQL: any database that SQLAlchemy reaches, told apart by a mapping file only.

Reading goes page by page in the order of the key columns, each page in a read-only transaction of its own. Writing runs one
transaction per call and one savepoint per record, so that a refused document does not stop the others; a document carries the
marker of its Procore record, and no marker is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from include.erp.codecs import Storage, Unfit, codec
from include.erp.database import Database, no_colons
from include.erp.described import DescribedErp
from include.erp.inspection import Inspection
from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import WRITES
from include.erp.posting import DONE, STEPS, Posting
from include.erp.reading import Reader, dump_key, load_key
from include.erp.writing import Writer
from include.financials.exceptions import ConfigurationError
from include.financials.port import (
    Action,
    Asked,
    Beat,
    Header,
    Health,
    Invalid,
    Item,
    Outcome,
    Page,
    Step,
    Window,
    idle,
)
from include.financials.record import Record


class SqlSystem(DescribedErp):
    """An ERP reached by SQL.

    :param url_or_engine: SQLAlchemy URL (text with password, never logged) or a ready engine.
    :param mapping: the ERP's mapping file, loaded by :func:`include.erp.mapping.loading.load_mapping`.
    :param origin_system: name space of the markers, ``procore:{Procore company id}``. A document's marker is
        ``{origin_system}:{entity}:{Procore id}`` unless the record brings one.
    :param settings: what this installation chooses of the mapping's ``settings``; the rest keeps its default.
    :param page_size: records per page of a read.
    :param id_batch: records per query when they are asked for by id or marker.
    :param lock_timeout: seconds to wait for a lock before a call ends as RetryLater.
    """

    def __init__(
        self,
        url_or_engine: str | sa.URL | sa.Engine,
        mapping: Mapping,
        *,
        origin_system: str,
        settings: MappingOf[str, Any] | None = None,
        page_size: int = 1000,
        id_batch: int = 500,
        lock_timeout: float = 10.0,
    ) -> None:
        super().__init__(mapping)
        self.origin_system = origin_system
        self.page_size, self.id_batch = page_size, id_batch
        self.database = Database(url_or_engine, lock_timeout)
        self._readers: Callable[[str], Reader] = cache(lambda name: Reader(mapping, name, self.database))
        chosen = mapping.settings(settings or {})
        self._writers: Callable[[str, str], Writer] = cache(
            lambda name, action: Writer(mapping, name, action, self.database, self.marker, chosen)
        )
        self._posting = Posting(self.database, self._readers, self._writers, self.marker, id_batch)

    def close(self) -> None:
        self.database.close()

    def web_address(self) -> None:
        """The mapping says where each entity has its pages."""

    # -- about the system

    def check(self) -> Health:
        """Connects, reads the clock and looks at every table, column and write statement of the mapping.

        Raises RetryLater (unreachable) or ConfigurationError (address, credentials); everything else is a problem of the answer.
        """
        now = self.now()
        inspection = Inspection(self.mapping, self.database, self._writers)
        problems: list[str] = []
        for name in self.mapping.spec.entities:
            problems += inspection.entity(self._readers(name))
        return Health(f"{self.mapping.system}: {self.database.label}", self.database.version(), now, tuple(problems))

    def now(self) -> datetime:
        """The ERP's clock, as the mapping's ``now`` asks for it, UTC."""
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

    # -- reading

    def read(
        self,
        entity: str,
        *,
        window: Window | None = None,
        scopes: Sequence[str] | None = None,
        cursor: dict[str, Any] | None = None,
        also: Callable[[Header], bool] | None = None,
    ) -> Iterator[Page]:
        """Pages in the order of the key columns; at least one, the last with cursor None. What the mapping leaves out has no
        records.

        ``also`` is not asked: a query by time shows every change, so there are no headers to look through.
        """
        if entity not in self.mapping.spec.entities:
            yield Page([])
            return
        reader = self._readers(entity)
        after = load_key(cursor["after"]) if cursor else None
        while True:
            with self.database.reading(reader.place) as connection:
                conditions = reader.filters(connection, window, scopes)
                rows, after = reader.page(connection, conditions, after, self.page_size)
                page = _page(reader.parse(connection, rows))
            page.cursor = None if after is None else {"after": dump_key(after)}
            yield page
            if after is None:
                return

    def read_ids(self, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        """The records with these keys. A scope that is given must be the record's; the answer has no cursor."""
        if entity not in self.mapping.spec.entities:
            return
        reader = self._readers(entity)
        for start in range(0, len(ids), self.id_batch):
            batch = ids[start : start + self.id_batch]
            wanted = set(batch)
            with self.database.reading(reader.place) as connection:
                rows = connection.execute(reader.select(reader.of_ids(connection, [key for _, key in batch]))).all()
                page = _page(reader.parse(connection, [row for row in rows if _is_wanted(reader, row, wanted)]))
            yield page

    def asked(self, entity: str, project: str, ids: Collection[str]) -> MappingOf[str, Asked]:
        """No mapping says what an ERP's own approvals ask."""
        return {}

    def keys(self, entity: str, scopes: Sequence[str] | None = None) -> Iterator[str]:
        if entity not in self.mapping.spec.entities:
            return
        reader = self._readers(entity)
        after = None
        while True:
            with self.database.reading(reader.place) as connection:
                conditions = reader.filters(connection, None, scopes)
                rows, after = reader.page(connection, conditions, after, self.page_size)
            yield from map(reader.id_of, rows)
            if after is None:
                return

    # -- writing

    def steps(self, entity: str, action: Action) -> tuple[Step, ...]:
        spec = self.mapping.spec.entities.get(entity)
        if spec is None or action not in WRITES or not getattr(spec.capabilities, action):
            return ()
        return (Step("erp", entity, STEPS[action], batch=spec.capabilities.batch, done=DONE[action]),)

    def wants(self, step: Step, item: Item) -> bool:
        """Every step of a mapping writes something for every record it is given."""
        return True

    def scope(self, step: Step, item: Item) -> str:
        """The ERP company: documents of one company share a transaction."""
        return item.company

    def marker(self, item: Item) -> str | None:
        """The marker that the item's document carries in the ERP; None when it cannot be known."""
        if item.record.marker:
            return item.record.marker
        return f"{self.origin_system}:{item.record.entity}:{item.procore_id}" if item.procore_id else None

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        return self._posting.find(step, items)

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        return self._posting.post(step, items, beat)


def _page(answers: Iterable[Record | Invalid]) -> Page:
    page = Page([])
    for answer in answers:
        if isinstance(answer, Invalid):
            page.invalid.append(answer)
        else:
            page.records.append(answer)
    return page


def _is_wanted(reader: Reader, row: Sequence[Any], wanted: set[tuple[str | None, str]]) -> bool:
    key = reader.id_of(row)
    scope = None if reader.scope_place is None or row[reader.scope_place] is None else str(row[reader.scope_place]).strip()
    return (None, key) in wanted or (scope, key) in wanted
