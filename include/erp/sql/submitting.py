"""Writing one call into an ERP's database: one transaction, a savepoint per document, what is stored read back and compared
before the commit; nothing is left half done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from include.erp.sql.database import Database
from include.erp.sql.errors import classify, named_columns, sentence
from include.erp.sql.selects import Selects
from include.erp.sql.statements import Call, Statements
from include.erp.transport import Check, Document, Found, Receipt, Row, Writing
from include.financials.departing import depart
from include.financials.exceptions import ConfigurationError, OutcomeUnknown, RetryLater
from include.financials.port import Beat

Prepared = tuple[Document, list[Call]]


class _Lost(Exception):
    """The whole transaction of a batch was undone because of one record: the batch goes again, record by record."""


class Submission:
    """One call: the documents of an entity and an action, and the mapper's ``check``."""

    def __init__(
        self, database: Database, selects: Selects, statements: Statements, check: Check, beat: Beat, batch: int
    ) -> None:
        self.database, self.selects, self.statements = database, selects, statements
        self.check, self.beat, self.batch = check, beat, batch
        self.action: Writing = statements.action

    def receipts(self, documents: Sequence[Document]) -> list[Receipt]:
        """Writes the documents in one transaction. See the transport for what is raised."""
        prepared = [(document, self.statements.calls(document)) for document in documents]
        try:
            receipts = self._transaction(prepared)
        except _Lost as lost:
            receipts = self._one_by_one(prepared, str(lost))
        return [receipts[document.intent] for document in documents]

    def _transaction(self, prepared: Sequence[Prepared]) -> dict[str, Receipt]:
        """One transaction. Raises RetryLater, ConfigurationError (nothing done), OutcomeUnknown (commit), _Lost (all undone).

        Everything is read back and compared before the commit. Where something differs all is undone and goes again, each record
        now compared within its savepoint; what differs only at the end was changed by another record's statements, and is left
        out of a further try.
        """
        wrong: dict[str, Receipt] = {}
        careful = False
        try:
            while True:
                self.beat()
                with self.database.writing() as connection:
                    receipts, differing = self._attempt(connection, prepared, wrong, careful)
                    if not differing:
                        self._commit(connection)
                        return receipts
                wrong |= differing if careful else {}
                careful = True
        except DBAPIError as error:
            place = getattr(error, "place", self.selects.mapping.at(*self.selects.loc, "write"))
            raise self.database.translate(error, place) from error

    def _attempt(
        self, connection: sa.Connection, prepared: Sequence[Prepared], wrong: Mapping[str, Receipt], careful: bool
    ) -> tuple[dict[str, Receipt], dict[str, Receipt]]:
        """Writes and reads back; nothing is committed. Returns all receipts, and those of documents that differ from what was
        sent. ``careful``: a document that differs is undone by itself, and is no reason to undo the others."""
        action, place = self.action, self.selects.place
        documents = [document for document, _ in prepared]
        before = self._stored(connection, documents)
        refused, written = dict(wrong), set()
        given: dict[str, Any] | None = None
        for document, calls in prepared:
            known = before.get(document.intent)
            if document.intent in refused or (action == "create" and known is not None and known.said is None):
                continue
            if action != "create" and known is None:
                refused[document.intent] = document.missing(action)
                continue
            look = None
            if careful:

                def look(document: Document = document) -> Receipt | None:
                    return self._difference(document, before, self._stored(connection, [document]))

            if given is None:
                given = self._begin(connection, document)
            if receipt := self._document(connection, document, calls, dict(given), look):
                refused[document.intent] = receipt
            else:
                written.add(document.intent)
        after = self._stored(connection, documents)
        if self.statements.batched and not written:
            connection.rollback()  # no document of it is left: the batch that was begun for them goes too
        if action == "create" and written and not written & after.keys():
            number = next(document.number for document in documents if document.intent in written)
            raise ConfigurationError(
                f"{place}: {number} was written but cannot be read back there, so the batch was undone. `from` must"
                " show what `write` has just written (a staging table joins it by UNION ALL), with its marker."
            )
        receipts, differing = {}, {}
        for document in documents:
            stored = after.get(document.intent)
            if document.intent in written:
                if receipt := self._difference(document, before, after):
                    differing[document.intent] = receipt
            elif action == "create" and stored is not None and stored.said is None:
                # There already, or written in the meantime by another item or another process: the effect is there.
                refused.pop(document.intent, None)
            if document.intent in refused:
                receipts[document.intent] = refused[document.intent]
            elif stored is not None:
                token = stored.id if stored.waiting else None
                receipts[document.intent] = Receipt(document.intent, "done", stored.id, token=token, found=stored)
            elif document.intent not in written:
                raise ConfigurationError(
                    f"{place}: {document.number} was there and is gone after the writes of this call, so all of them were"
                    " undone. Correct `write`."
                )
        return receipts, differing

    def _difference(self, document: Document, before: Mapping[str, Found], after: Mapping[str, Found]) -> Receipt | None:
        """The refusal of a document that was written otherwise than it was sent."""
        found = self.check.differs(document, before.get(document.intent), after.get(document.intent))
        if found is None:
            return None
        place = self.selects.mapping.at(*self.selects.loc, "write", self.action)
        return document.refused(f"{found.told}. Its write was undone; correct {place}.", found.field)

    def _commit(self, connection: sa.Connection) -> None:
        depart()
        try:
            connection.commit()
        except DBAPIError as error:
            connection.invalidate()  # what the failed commit left open (SQLite keeps the transaction) ends with the connection
            if classify(error, self.database.dialect) == "refused":
                # A constraint that the database only checks at the end; it has undone the transaction.
                raise _Lost(sentence(error)) from error
            name = self.selects.name
            raise OutcomeUnknown(f"The ERP did not confirm the commit of a batch of {name}: {sentence(error)}") from error

    def _one_by_one(self, prepared: Sequence[Prepared], why: str) -> dict[str, Receipt]:
        """A transaction for each document; ``why``: what the database said of the batch, the verdict if it was a batch of one."""
        if len(prepared) == 1:
            document = prepared[0][0]
            return {document.intent: document.refused(f"{document.number}: {why}")}
        receipts: dict[str, Receipt] = {}
        for one in prepared:
            try:
                receipts |= self._transaction([one])
            except _Lost as lost:
                receipts[one[0].intent] = one[0].refused(f"{one[0].number}: {lost}")
            except RetryLater as error:
                if not receipts:
                    raise
                # Earlier records of this call are committed: it is no longer true that nothing was applied.
                raise OutcomeUnknown(str(error)) from error
        return receipts

    def _document(
        self,
        connection: sa.Connection,
        document: Document,
        calls: Sequence[Call],
        given: dict[str, Any],
        look: Callable[[], Receipt | None] | None = None,
    ) -> Receipt | None:
        """One document in its savepoint, looked at before that ends; the answer is its refusal. Errors that are not its fault
        carry their ``place``."""
        savepoint = connection.begin_nested()
        place = self.statements.place(0)
        try:
            for call in calls:
                place = call.place
                if wrong := call.run(connection, given):
                    savepoint.rollback()
                    return document.refused(f"{document.number}: {wrong}. Its write was undone; correct {call.place}.")
            if look is not None and (receipt := look()):
                savepoint.rollback()
                return receipt
            savepoint.commit()
        except DBAPIError as error:
            if classify(error, self.database.dialect) != "refused":
                error.place = place  # type: ignore[attr-defined]
                raise
            self._undo(savepoint, error)
            return self._refusal(document, error)
        except (OverflowError, UnicodeError) as error:  # values that the driver itself cannot pass on
            savepoint.rollback()
            return document.refused(f"{document.number}: the ERP's driver refuses a value: {error}")
        return None

    def _begin(self, connection: sa.Connection, document: Document) -> dict[str, Any]:
        """What is done once for all documents of the call, before the first that is written; what that gives to them."""
        given: dict[str, Any] = {}
        for call in self.statements.batch(document):
            try:
                wrong = call.run(connection, given)
            except DBAPIError as error:
                error.place = call.place  # type: ignore[attr-defined]
                raise
            if wrong:
                raise ConfigurationError(f"{call.place}: {wrong}; nothing of the batch was written.")
        return given

    @staticmethod
    def _undo(savepoint: sa.NestedTransaction, error: DBAPIError) -> None:
        try:
            savepoint.rollback()
        except SQLAlchemyError:
            # The refusal took the savepoint with it (RAISE(ROLLBACK), XACT_ABORT): nothing of the batch is left.
            raise _Lost(sentence(error)) from error

    def _refusal(self, document: Document, error: DBAPIError) -> Receipt:
        spec = self.selects.spec
        fields = {column.lower(): name for name, field in spec.fields.items() for column in field.columns()}
        fields |= dict.fromkeys((column.lower() for column in spec.number.columns()), "number")
        named = [fields[column] for one in reversed(named_columns(error)) if (column := one.lower()) in fields]
        said = sentence(error)
        # The database's code stays in front, where it is looked for; not every database adds the key of the row.
        return document.refused(said if document.number in said else f"{said} ({document.number})", named[0] if named else None)

    def _stored(self, connection: sa.Connection, documents: Sequence[Document]) -> Mapping[str, Found]:
        """What the ERP holds of the documents, by intent."""
        selects, found = self.selects, list[Row]()
        markers = dict.fromkeys(document.marker for document in documents if document.marker)
        keys = dict.fromkeys(document.key for document in documents if document.key)
        wanted: Sequence[Any] = list(markers if self.action == "create" else keys)
        size = selects.at_once(self.batch)
        for start in range(0, len(wanted), size):
            part = wanted[start : start + size]
            condition = selects.of_markers(part) if self.action == "create" else selects.of_ids(connection, part)
            found += selects.rows(connection, connection.execute(selects.select(condition)).all())
        return self.check.found(documents, found)
