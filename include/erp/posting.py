"""Writing one call into an ERP's database: one transaction, a savepoint per record, what is stored read back and compared
before the commit; nothing is left half done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from include.erp.codecs import FieldError
from include.erp.database import Database, classify, named_columns, sentence
from include.erp.readback import Difference, ReadBack
from include.erp.reading import Reader
from include.erp.writing import Call, Writer
from include.financials.exceptions import ConfigurationError, OutcomeUnknown, RetryLater
from include.financials.port import (
    Beat,
    Invalid,
    Item,
    Outcome,
    Step,
    idle,
)
from include.financials.record import Record

STEPS: dict[str, str] = {"create": "document", "update": "header", "void": "void"}
ACTIONS = {step: action for action, step in STEPS.items()}
DONE = {"create": "written", "update": "updated", "void": "voided"}


class _Lost(Exception):
    """The whole transaction of a batch was undone because of one record: the batch goes again, record by record."""


class Posting:
    """``readers`` give the reader of an entity, ``writers`` the writer of an entity's action, ``marker`` what marks an item."""

    def __init__(
        self,
        database: Database,
        readers: Callable[[str], Reader],
        writers: Callable[[str, str], Writer],
        marker: Callable[[Item], str | None],
        id_batch: int,
    ) -> None:
        self.database, self.id_batch, self.marker = database, id_batch, marker
        self._readers, self._writers = readers, writers
        self._comparison: Callable[[Writer], ReadBack] = cache(
            lambda writer: ReadBack(writer, getattr(writer.spec.write, writer.action))
        )

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        """create: by marker. update and void: by key, there when the record already reads as it would after the write."""
        action, reader = ACTIONS[step.name], self._readers(step.entity)
        with self.database.reading(reader.place) as connection:
            found = self._stored(connection, reader, action, items)
        writer = self._writers(step.entity, action)
        return [self._found(item, found.get(item.intent), action, writer) for item in items]

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        """Writes the items in one transaction. See the port for what is raised."""
        writer = self._writers(step.entity, ACTIONS[step.name])
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
        place = writer.mapping.at("entities", writer.name, "write", writer.action)
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
