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
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from include.erp.codecs import FieldError, Storage, Unfit, codec
from include.erp.database import Database, as_table, classify, named_columns, no_colons, sentence
from include.erp.mapping import PAGE_PARTS, WRITES, Mapping, suggest
from include.erp.readback import Difference, ReadBack
from include.erp.reading import Reader, dump_key, load_key
from include.erp.writing import Call, Writer
from include.financials.entities import MODELS
from include.financials.exceptions import ConfigurationError, OutcomeUnknown, RetryLater, SyncError
from include.financials.port import (
    Action,
    Asked,
    Beat,
    Capability,
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
from include.financials.record import Record, Side

STEPS: dict[str, str] = {"create": "document", "update": "header", "void": "void"}
_ACTIONS = {step: action for action, step in STEPS.items()}
_DONE = {"create": "written", "update": "updated", "void": "voided"}


class _Lost(Exception):
    """The whole transaction of a batch was undone because of one record: the batch goes again, record by record."""


class SqlSystem:
    """An ERP reached by SQL.

    :param url_or_engine: SQLAlchemy URL (text with password, never logged) or a ready engine.
    :param mapping: the ERP's mapping file, loaded by :func:`include.erp.mapping.load_mapping`.
    :param origin_system: name space of the markers, ``procore:{Procore company id}``. A document's marker is
        ``{origin_system}:{entity}:{Procore id}`` unless the record brings one.
    :param settings: what this installation chooses of the mapping's ``settings``; the rest keeps its default.
    :param page_size: records per page of a read.
    :param id_batch: records per query when they are asked for by id or marker.
    :param lock_timeout: seconds to wait for a lock before a call ends as RetryLater.
    """

    side: Side = "erp"

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
        self.mapping, self.origin_system = mapping, origin_system
        self.name = mapping.system
        self.page_size, self.id_batch = page_size, id_batch
        self.database = Database(url_or_engine, lock_timeout)
        self._readers: Callable[[str], Reader] = cache(lambda name: Reader(mapping, name, self.database))
        chosen = mapping.settings(settings or {})
        self._writers: Callable[[str, str], Writer] = cache(
            lambda name, action: Writer(mapping, name, action, self.database, self.marker, chosen)
        )
        self._comparison: Callable[[Writer], ReadBack] = cache(
            lambda writer: ReadBack(writer, getattr(writer.spec.write, writer.action))
        )

    @property
    def namespace(self) -> str:
        return self.mapping.system

    def close(self) -> None:
        self.database.close()

    def web_address(self) -> None:
        """The mapping says where each entity has its pages."""

    def web_url(self, record: Record | None = None, address: str | None = None) -> str | None:
        """As the mapping's ``web_url`` of the entity says; None where it says nothing, or the record lacks what stands in it."""
        spec = self.mapping.spec.entities.get(record.entity) if record is not None else None
        if spec is None or spec.web_url is None:
            return None
        parts = {name: str(getattr(record, name, None) or "") for name in PAGE_PARTS if f"{{{name}}}" in spec.web_url}
        return (
            spec.web_url.format_map({name: quote(part, safe="") for name, part in parts.items()}) if all(parts.values()) else None
        )

    # -- about the system

    def check(self) -> Health:
        """Connects, reads the clock and looks at every table, column and write statement of the mapping.

        Raises RetryLater (unreachable) or ConfigurationError (address, credentials); everything else is a problem of the answer.
        """
        now = self.now()
        problems: list[str] = []
        for name in self.mapping.spec.entities:
            problems += self._check_entity(self._readers(name))
        return Health(f"{self.mapping.system}: {self.database.label}", self.database.version(), now, tuple(problems))

    def capabilities(self) -> MappingOf[str, Capability]:
        return {name: spec.capability(MODELS[name].line) for name, spec in self.mapping.spec.entities.items()}

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
        return (Step("erp", entity, STEPS[action], batch=spec.capabilities.batch, done=_DONE[action]),)

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
        """create: by marker. update and void: by key, there when the record already reads as it would after the write."""
        action, reader = _ACTIONS[step.name], self._readers(step.entity)
        with self.database.reading(reader.place) as connection:
            found = self._stored(connection, reader, action, items)
        writer = self._writers(step.entity, action)
        return [self._found(item, found.get(item.intent), action, writer) for item in items]

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        """Writes the items in one transaction. See the port for what is raised."""
        writer = self._writers(step.entity, _ACTIONS[step.name])
        outcomes: dict[str, Outcome] = {}
        prepared: list[tuple[Item, list[Call]]] = []
        for item in items:
            try:
                prepared.append((item, writer.prepare(item)))
            except FieldError as error:
                outcomes[item.intent] = _rejected(item, f"{item.number}: {error.field} {error.reason}.", error.field)
        if prepared:
            try:
                outcomes |= self._transaction(writer, prepared, beat)
            except _Lost as lost:
                outcomes |= self._one_by_one(writer, prepared, str(lost), beat)
        return [outcomes[item.intent] for item in items]

    # -- one call

    def _transaction(self, writer: Writer, prepared: Sequence[tuple[Item, list[Call]]], beat: Beat) -> dict[str, Outcome]:
        """One transaction. Raises RetryLater, ConfigurationError (nothing done), OutcomeUnknown (commit), _Lost (all undone).

        Everything is read back and compared before the commit. Where something differs all is undone and goes again, each record
        now compared within its savepoint; what differs only at the end was changed by another record's statements, and is left
        out of a further try.
        """
        reader = self._readers(writer.name)
        wrong: dict[str, Outcome] = {}
        careful = False
        try:
            while True:
                beat()
                with self.database.writing() as connection:
                    outcomes, differing = self._attempt(connection, writer, prepared, wrong, careful)
                    if not differing:
                        self._commit(connection, reader)
                        return outcomes
                wrong |= differing if careful else {}
                careful = True
        except DBAPIError as error:
            raise self.database.translate(error, getattr(error, "place", reader.mapping.at(*reader.loc, "write"))) from error

    def _attempt(
        self,
        connection: sa.Connection,
        writer: Writer,
        prepared: Sequence[tuple[Item, list[Call]]],
        wrong: MappingOf[str, Outcome],
        careful: bool,
    ) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
        """Writes and reads back; nothing is committed. Returns all outcomes, and those of records that differ from what was sent.
        ``careful``: a record that differs is undone by itself, and is no reason to undo the others."""
        reader, action = self._readers(writer.name), writer.action
        items = [item for item, _ in prepared]
        before = self._stored(connection, reader, action, items)
        refused, written = dict(wrong), set()
        for item, calls in prepared:
            known = before.get(item.intent)
            if item.intent in refused or (action == "create" and known is not None):
                continue
            if action != "create" and known is None:
                refused[item.intent] = _missing(item, action)
                continue
            check = None
            if careful:

                def check(item: Item = item) -> Outcome | None:
                    found = self._stored(connection, reader, action, [item]).get(item.intent)
                    return self._difference(writer, item, before.get(item.intent), found)

            if outcome := self._record(connection, writer, item, calls, check):
                refused[item.intent] = outcome
            else:
                written.add(item.intent)
        after = self._stored(connection, reader, action, items)
        if action == "create" and written and not written & after.keys():
            number = next(item.number for item in items if item.intent in written)
            raise ConfigurationError(
                f"{reader.place}: {number} was written but cannot be read back there, so the batch was undone. `from` must"
                " show what `write` has just written (a staging table joins it by UNION ALL), with its marker."
            )
        outcomes, differing = {}, {}
        for item in items:
            stored = after.get(item.intent)
            if item.intent in written:
                if outcome := self._difference(writer, item, before.get(item.intent), stored):
                    differing[item.intent] = outcome
            elif action == "create" and stored is not None:
                # There already, or written in the meantime by another item or another process: the effect is there.
                refused.pop(item.intent, None)
            if item.intent in refused:
                outcomes[item.intent] = refused[item.intent]
            elif stored is not None:
                outcomes[item.intent] = _confirmed(item, stored)
            elif item.intent not in written:
                raise ConfigurationError(
                    f"{reader.place}: {item.number} was there and is gone after the writes of this call, so all of them were"
                    " undone. Correct `write`."
                )
        return outcomes, differing

    def _difference(
        self, writer: Writer, item: Item, before: tuple[str, Record | Invalid] | None, stored: tuple[str, Record | Invalid] | None
    ) -> Outcome | None:
        """The refusal of a record that was written otherwise than it was sent."""
        place = self.mapping.at("entities", writer.name, "write", writer.action)
        if stored is None:
            message = f"{item.number} was written but cannot be read back by its {'marker' if not before else 'key'}"
            return _rejected(item, f"{message}. Its write was undone; correct {place}.", "marker" if not before else "id")
        comparison = self._comparison(writer)
        found: Difference | None = {
            "create": lambda: comparison.created(item, stored[1]),
            "update": lambda: comparison.updated(item, before[1] if before else stored[1], stored[1]),
            "void": lambda: comparison.voided(item, stored[1]),
        }[writer.action]()
        if found is None:
            return None
        return _rejected(item, f"{item.number}: {found}. Its write was undone; correct {place}.", found.field)

    def _commit(self, connection: sa.Connection, reader: Reader) -> None:
        try:
            connection.commit()
        except DBAPIError as error:
            connection.invalidate()  # what the failed commit left open (SQLite keeps the transaction) ends with the connection
            if classify(error, self.database.dialect) == "refused":
                # A constraint that the database only checks at the end; it has undone the transaction.
                raise _Lost(sentence(error)) from error
            raise OutcomeUnknown(f"The ERP did not confirm the commit of a batch of {reader.name}: {sentence(error)}") from error

    def _one_by_one(
        self, writer: Writer, prepared: Sequence[tuple[Item, list[Call]]], why: str, beat: Beat
    ) -> dict[str, Outcome]:
        """A transaction for each record; ``why`` is what the database said of the batch, the verdict if it was a batch of one."""
        if len(prepared) == 1:
            item = prepared[0][0]
            return {item.intent: _rejected(item, f"{item.number}: {why}", None)}
        outcomes: dict[str, Outcome] = {}
        for one in prepared:
            try:
                outcomes |= self._transaction(writer, [one], beat)
            except _Lost as lost:
                outcomes[one[0].intent] = _rejected(one[0], f"{one[0].number}: {lost}", None)
            except RetryLater as error:
                if not outcomes:
                    raise
                # Earlier records of this call are committed: it is no longer true that nothing was applied.
                raise OutcomeUnknown(str(error)) from error
        return outcomes

    def _record(
        self,
        connection: sa.Connection,
        writer: Writer,
        item: Item,
        calls: Sequence[Call],
        check: Callable[[], Outcome | None] | None = None,
    ) -> Outcome | None:
        """One record in its savepoint, looked at by ``check`` before that ends; the answer is its refusal. Errors that are not
        its fault carry their ``place``."""
        savepoint = connection.begin_nested()
        place = writer.place(0)
        try:
            for call in calls:
                place = call.place
                if call.values == []:
                    continue
                result = connection.execute(call.statement, call.values)
                if miscounted := call.miscounted(result.rowcount):
                    savepoint.rollback()
                    return _rejected(item, f"{item.number}: {miscounted}. Its write was undone; correct {call.place}.", None)
            if check is not None and (outcome := check()):
                savepoint.rollback()
                return outcome
            savepoint.commit()
        except DBAPIError as error:
            if classify(error, self.database.dialect) != "refused":
                error.place = place  # type: ignore[attr-defined]
                raise
            self._undo(savepoint, error)
            return self._refusal(writer, item, error)
        except (OverflowError, UnicodeError) as error:  # values that the driver itself cannot pass on
            savepoint.rollback()
            return _rejected(item, f"{item.number}: the ERP's driver refuses a value: {error}", None)
        return None

    @staticmethod
    def _undo(savepoint: sa.NestedTransaction, error: DBAPIError) -> None:
        try:
            savepoint.rollback()
        except SQLAlchemyError:
            # The refusal took the savepoint with it (RAISE(ROLLBACK), XACT_ABORT): nothing of the batch is left.
            raise _Lost(sentence(error)) from error

    def _refusal(self, writer: Writer, item: Item, error: DBAPIError) -> Outcome:
        fields = {column: name for name, spec in writer.spec.fields.items() for column in spec.columns()}
        fields |= dict.fromkeys(writer.spec.number.columns(), "number")
        named = [fields[column] for column in reversed(named_columns(error)) if column in fields]
        said = sentence(error)
        # The database's code stays in front, where it is looked for; not every database adds the key of the row.
        return _rejected(item, said if item.number in said else f"{said} ({item.number})", named[0] if named else None)

    # -- looking up

    def _stored(
        self, connection: sa.Connection, reader: Reader, action: str, items: Sequence[Item]
    ) -> dict[str, tuple[str, Record | Invalid]]:
        """What the ERP holds of the items, by intent: (id, record)."""
        by_marker = action == "create"
        intents: dict[tuple[str, str], list[str]] = {}
        for item in items:
            key = ("", self.marker(item)) if by_marker else (item.company, item.erp_key)
            if key[1]:
                intents.setdefault((key[0], key[1]), []).append(item.intent)
        wanted = [key for _, key in intents]
        found: dict[str, tuple[str, Record | Invalid]] = {}
        for start in range(0, len(wanted), self.id_batch):
            batch = wanted[start : start + self.id_batch]
            rows = connection.execute(
                reader.select(reader.of_markers(batch) if by_marker else reader.of_ids(connection, batch))
            ).all()
            for row, record in zip(rows, reader.parse(connection, rows), strict=True):
                name = ("", reader.marker_of(row) or "") if by_marker else (reader.company_of(row) or "", reader.id_of(row))
                for intent in intents.get(name, ()):
                    twice = _twice(reader, name[1], found[intent][0], row) if intent in found else record
                    found[intent] = (reader.id_of(row), twice)
        return found

    def _found(self, item: Item, stored: tuple[str, Record | Invalid] | None, action: str, writer: Writer) -> Outcome:
        if stored is None or isinstance(stored[1], Invalid):
            # A document that is there but does not read well is there all the same.
            there = stored is not None and action == "create"
            return _confirmed(item, stored) if there and stored else Outcome(item.intent, "absent")
        record = stored[1]
        there = {
            "create": lambda: True,
            "update": lambda: all(self._equal(writer, name, item, record) for name in item.changes),
            "void": lambda: all(
                getattr(record, name) == value for name, value in (writer.spec.find.void if writer.spec.find else {}).items()
            ),
        }[action]()
        return _confirmed(item, stored) if there else Outcome(item.intent, "absent")

    @staticmethod
    def _equal(writer: Writer, name: str, item: Item, record: Record) -> bool:
        wanted, encoder = getattr(item.record, name), writer.encoders.get(name)
        try:
            return bool(getattr(record, name) == (encoder.stored(wanted) if encoder else wanted))
        except FieldError:
            return False

    # -- checking the mapping against the database

    def _check_entity(self, reader: Reader) -> Iterator[str]:
        spec, loc = reader.spec, reader.loc
        sources = [((*loc, "from"), spec.source, reader.columns)]
        sources += [((*nested.loc, "from"), nested.source, nested.columns) for nested in reader.nested]
        faults = [problem for place, source, columns in sources for problem in self._check_source(place, source, columns.uses)]
        yield from faults
        if not faults:
            yield from self._check_keys(reader)
            yield from self._check_times(reader)
            yield from self._check_units(reader)
            yield from self._check_statuses(reader)
        for action in WRITES:
            if getattr(spec.capabilities, action):
                yield from self._check_writes(self._writers(reader.name, action))

    def _check_source(self, loc: Any, source: str, uses: Iterable[tuple[Any, str]]) -> Iterator[str]:
        place = self.mapping.at(*loc)
        try:
            with self.database.reading(place) as connection:
                there = list(
                    connection.execute(
                        sa.select(sa.literal_column("*")).select_from(as_table(source, ())).where(sa.false())
                    ).keys()
                )
        except ConfigurationError as error:
            yield f"{error}{self._tables(source)}"
            return
        known = set(there) if self.database.dialect in ("postgresql", "sqlite") else {c.lower() for c in there}
        label = "the SELECT" if " " in source else source
        for use, column in dict.fromkeys(uses):
            if column not in known and not (self.database.dialect not in ("postgresql", "sqlite") and column.lower() in known):
                hint = suggest(column, there).replace("Allowed:", "It has:")
                yield f"{self.mapping.at(*use)}: {label} has no column '{column}'{hint}"

    def _tables(self, source: str) -> str:
        if " " in source:
            return ""
        inspector = sa.inspect(self.database.engine)
        *schema, name = source.split(".")
        tables = sorted([*inspector.get_table_names(*schema[-1:]), *inspector.get_view_names(*schema[-1:])])
        return (
            ""
            if name in tables
            else f" Table or view '{source}' is not there{suggest(name, tables).replace('Allowed:', 'There are:')}"
        )

    def _check_keys(self, reader: Reader) -> Iterator[str]:
        place = self.mapping.at(*reader.loc, "key_columns")
        missing = sa.or_(*(reader.table.c[column].is_(None) for column in reader.spec.key_columns))
        try:
            with self.database.reading(place) as connection:
                count = connection.execute(sa.select(sa.func.count()).select_from(reader.table).where(missing)).scalar_one()
        except ConfigurationError as error:
            yield str(error)
            return
        if count:
            yield (
                f"{place}: {count} rows of {reader.name} have no value in a key column and would never be read."
                " Choose columns that are never NULL."
            )

    def _check_times(self, reader: Reader) -> Iterator[str]:
        changed = reader.spec.changed_since
        if changed and self.database.dialect == "sqlite" and changed.storage("timestamp").type != "timestamp_text":
            yield (
                f"{self.mapping.at(*reader.loc, 'changed_since')}: SQLite keeps times as text, which compare rightly only in one"
                " layout. Write type: timestamp_text and its format."
            )

    def _check_units(self, reader: Reader) -> Iterator[str]:
        with self.database.reading(reader.place) as connection:
            yield from reader.wrong_units(connection)

    def _check_statuses(self, reader: Reader) -> Iterator[str]:
        """One odd word is one record's trouble; where none of them is known, the words were not translated."""
        spec, words = reader.spec.fields.get("status"), reader.model.statuses
        if spec is None or spec.column is None or not words:
            return
        column = reader.table.c[spec.column]
        with self.database.reading(reader.place) as connection:
            there = connection.execute(sa.select(column).where(column.is_not(None)).distinct().limit(50)).scalars().all()
        found = [str(word).strip() for word in there]
        known = set(words) if spec.map is None else {str(word) for word in spec.map}
        if found and not known & set(found):
            yield (
                f"{self.mapping.at(*reader.loc, 'fields', 'status')}: the ERP's words for {reader.name} are"
                f" {', '.join(map(repr, sorted(found)))}; translate them with `map` into {', '.join(words)}."
            )

    def _check_writes(self, writer: Writer) -> Iterator[str]:
        """The database parses the statements (tables, columns, rights) and runs none."""
        if self.database.dialect not in ("postgresql", "sqlite"):
            return
        for place, statement, values in writer.nulls():
            try:
                with self.database.reading(place) as connection:
                    connection.execute(sa.text(f"EXPLAIN {statement.text}"), values)
            except SyncError as error:
                yield str(error)


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


def _missing(item: Item, action: str) -> Outcome:
    return _rejected(item, f"{item.number}: the ERP has no such record to {action} in company {item.company}.", None)


def _twice(reader: Reader, name: str, first: str, row: Sequence[Any]) -> Invalid:
    """Two rows answer to one marker or key: neither may be taken for the record."""
    ident = reader.id_of(row)
    return Invalid(
        reader.name, ident, ident, "marker", f"{name} names more than one of the ERP's {reader.name} ({first}, {ident})"
    )


def _rejected(item: Item, message: str, field: str | None) -> Outcome:
    return Outcome(item.intent, "rejected", message=message, field=field)


def _confirmed(item: Item, stored: tuple[str, Record | Invalid]) -> Outcome:
    key, record = stored
    if isinstance(record, Invalid):
        return Outcome(item.intent, "confirmed", id=key, message=record.message)
    return Outcome(item.intent, "confirmed", id=key, record=record)
