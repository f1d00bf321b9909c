"""The mapper's eyes: which document a row is, and whether it is stored as it was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from include.erp.codecs import FieldError
from include.erp.readback import ReadBack
from include.erp.reading import Reader
from include.erp.transport import Difference, Document, Found, Row
from include.erp.writing import Writer
from include.financials.port import Invalid, Item
from include.financials.record import Record


class Look:
    """The :class:`include.erp.transport.Check` of one call. ``items`` by intent."""

    def __init__(self, reader: Reader, writer: Writer, comparison: ReadBack, items: Mapping[str, Item]) -> None:
        self.reader, self.writer, self.comparison, self.items = reader, writer, comparison, items

    def found(self, documents: Sequence[Document], rows: Sequence[Row]) -> Mapping[str, Found]:
        by_marker = self.writer.action == "create"
        intents: dict[tuple[str, str], list[str]] = {}
        for document in documents:
            key = document.key.id if document.key else None
            company, name = ("", document.marker) if by_marker else (document.company, key)
            if name:
                intents.setdefault((company, name), []).append(document.intent)
        found: dict[str, list[Found]] = {}
        noted: set[int] = set()
        for row in rows:
            ident = self.reader.id_of(row)
            named = ("", self.reader.marker_of(row) or "") if by_marker else (self.reader.company_of(row) or "", ident)
            if named not in intents:
                continue
            waits = self.reader.waits(row)
            new = Found(ident, self.reader.parse(row), waits, self.reader.said(row) if waits else None)
            if row.waiting:
                noted.add(id(new))
            for intent in intents[named]:
                found.setdefault(intent, []).append(new)
        names = {intent: name for (_, name), alike in intents.items() for intent in alike}
        return {intent: self._one(names[intent], alike, noted) for intent, alike in found.items()}

    def _one(self, name: str, found: Sequence[Found], noted: set[int]) -> Found:
        """Which of the rows that answer to one marker or key is the record.

        A refused one is not there, and a transport's note of what it handed over (``noted``) says nothing of what the ERP shows.
        Of the others one marker has one document: a second one is a twin, also where one of them waits and the other is posted,
        for nothing says that the one became the other. A key is that of a record in the books; what waits under it is none yet.
        """
        there = [one for one in found if one.said is None] or found[-1:]
        there = [one for one in there if id(one) not in noted] or there[-1:]
        there = sorted(there, key=lambda one: one.waiting)
        if self.writer.action != "create":
            there = [one for one in there if one.waiting == there[0].waiting]
        first, *others = there
        return replace(first, record=self._twice(name, first.id, others[0].id)) if others else first

    def _twice(self, name: str, first: str, second: str) -> Invalid:
        """Two rows answer to one marker or key: neither may be taken for the record."""
        entity = self.reader.name
        reason = f"{name} names more than one of the ERP's {entity} ({first}, {second})"
        return Invalid(entity, second, second, "marker", reason)

    def differs(self, document: Document, before: Found | None, after: Found | None) -> Difference | None:
        item, comparison = self.items[document.intent], self.comparison
        if after is None:
            told = f"{item.number} was written but cannot be read back by its {'marker' if not before else 'key'}"
            return Difference("marker" if not before else "id", told)
        stored = after.record
        found = {
            "create": lambda: comparison.created(item, stored),
            "update": lambda: comparison.updated(item, before.record if before else stored, stored),
            "void": lambda: comparison.voided(item, stored),
        }[self.writer.action]()
        return None if found is None else Difference(found.field, f"{item.number}: {found.told}")

    def there(self, intent: str, found: Found | None) -> bool:
        """Whether the effect of the action is there already, whoever brought it about."""
        if found is None:
            return False
        action, record, item = self.writer.action, found.record, self.items[intent]
        if action == "create":
            return True  # a document that is there but does not read well is there all the same
        if isinstance(record, Invalid):
            return False
        if action == "update":
            return all(self._equal(name, item, record) for name in item.changes)
        find = self.writer.spec.find
        return all(getattr(record, name) == value for name, value in (find.void if find else {}).items())

    def _equal(self, name: str, item: Item, record: Record) -> bool:
        wanted, encoder = getattr(item.record, name), self.writer.encoders.get(name)
        try:
            return bool(getattr(record, name) == (encoder.stored(wanted) if encoder else wanted))
        except FieldError:
            return False
