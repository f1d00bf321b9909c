"""The port of an ERP, whatever its kind: a mapper, told by the mapping file, and a transport.

A document carries the marker of its Procore record, and no marker is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from include.erp.acceptance.result import acceptance
from include.erp.codecs import FieldError
from include.erp.described import DescribedErp
from include.erp.looking import Look
from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import WRITES, MappingSpec
from include.erp.readback import ReadBack
from include.erp.reading import Reader
from include.erp.transport import Document, Found, Handed, Receipt, Row, Rows, Transport, Writing
from include.erp.writing import Writer
from include.financials.asking import Asked
from include.financials.exceptions import OutcomeUnknown, RetryLater
from include.financials.port import (
    Action,
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

STEPS: MappingOf[Writing, str] = {"create": "document", "update": "header", "void": "void"}
ACTIONS: MappingOf[str, Writing] = {step: action for action, step in STEPS.items()}
DONE: MappingOf[Writing, str] = {"create": "written", "update": "updated", "void": "voided"}


class MappedSystem(DescribedErp):
    """An ERP reached by a transport.

    :param mapping: the ERP's mapping file.
    :param transport: of the mapping's kind; closed with this.
    :param origin_system: name space of the markers, ``procore:{Procore company id}``. A document's marker is
        ``{origin_system}:{entity}:{Procore id}`` unless the record brings one.
    :param settings: what this installation chooses of the mapping's ``settings``; the rest keeps its default.
    :param page_size: records per page of a read.
    :param id_batch: records per look-up when they are asked for by id or marker.
    """

    def __init__(
        self,
        mapping: Mapping[MappingSpec],
        transport: Transport,
        *,
        origin_system: str,
        settings: MappingOf[str, Any] | None = None,
        page_size: int = 1000,
        id_batch: int = 500,
    ) -> None:
        super().__init__(mapping)
        self.transport, self.origin_system = transport, origin_system
        self.page_size, self.id_batch = page_size, id_batch
        self._readers: Callable[[str], Reader] = cache(lambda name: Reader(mapping, name))
        chosen = mapping.settings(settings or {})
        self._writers: Callable[[str, Writing], Writer] = cache(
            lambda name, action: Writer(mapping, name, action, self.marker, chosen)
        )
        self._comparison: Callable[[Writer], ReadBack] = cache(ReadBack)

    def close(self) -> None:
        self.transport.close()

    def web_address(self) -> None:
        """The mapping says where each entity has its pages."""

    # -- about the system

    def check(self) -> Health:
        """Connects, reads the clock and holds the whole mapping against what is there.

        Raises RetryLater (unreachable) or ConfigurationError (address, credentials); everything else is a problem of the answer.
        """
        now = self.now()
        probe = self.transport.probe()
        return Health(
            f"{self.mapping.system}: {probe.description}",
            probe.version,
            now,
            probe.problems,
            (f"The mapping {self.mapping.places.path.name} is {acceptance(self.mapping.places.path)}.",),
        )

    def now(self) -> datetime:
        return self.transport.clock()

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
        """At least one page, the last with cursor None. What the mapping leaves out has no records.

        ``also`` is not asked: a query by time shows every change, so there are no headers to look through.
        """
        if entity not in self.mapping.spec.entities:
            yield Page([])
            return
        reader = self._readers(entity)
        while True:
            found = self.transport.fetch(entity, window=window, scopes=reader.scopes(scopes), cursor=cursor, size=self.page_size)
            yield _page(reader, reader.posted(found.rows), found)
            if (cursor := found.cursor) is None:
                return

    def read_ids(self, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        """The records with these keys. A scope that is given must be the record's; the answer has no cursor."""
        if entity not in self.mapping.spec.entities:
            return
        reader = self._readers(entity)
        for start in range(0, len(ids), self.id_batch):
            batch = ids[start : start + self.id_batch]
            wanted = set(batch)
            keys = [reader.key(ident, scope=scope) for scope, ident in batch]
            found = self.transport.lookup(entity, ids=keys)
            named = ((row, reader.id_of(row), reader.scope_of(row)) for row in reader.posted(found.rows))
            rows = [row for row, ident, scope in named if (None, ident) in wanted or (scope, ident) in wanted]
            yield _page(reader, rows, found)

    def asked(self, entity: str, project: str, ids: Collection[str]) -> MappingOf[str, Asked]:
        """No mapping says what an ERP's own approvals ask."""
        return {}

    def keys(self, entity: str, scopes: Sequence[str] | None = None) -> Iterator[str]:
        if entity not in self.mapping.spec.entities:
            return
        reader, cursor = self._readers(entity), None
        asked = reader.scopes(scopes)
        while True:
            found = self.transport.fetch(entity, window=None, scopes=asked, cursor=cursor, size=self.page_size, bare=True)
            yield from map(reader.id_of, reader.posted(found.rows))
            if (cursor := found.cursor) is None:
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
        """create: by marker. update and void: by key, there when the record already reads as it would after the write."""
        writer = self._writers(step.entity, ACTIONS[step.name])
        look = self._look(writer, items)
        documents = [writer.bare(item) for item in items]
        stored = self._stored(look, documents)
        outcomes = {
            item.intent: _outcome(Receipt(item.intent, "done", found.id), found)
            if (found := stored.get(item.intent)) and look.there(item.intent, found)
            else Outcome(item.intent, "absent")
            for item in items
        }
        asked = [item for item in items if item.handed is not None and outcomes[item.intent].status in ("accepted", "absent")]
        handed = [
            Handed(item.intent, writer.name, item.company, item.number, self.marker(item), item.handed or None) for item in asked
        ]
        for receipt in self.transport.settle(writer.name, handed) if handed else ():
            if receipt.status != "unknown":
                outcomes[receipt.intent] = _outcome(receipt, None)
        return [outcomes[item.intent] for item in items]

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        writer = self._writers(step.entity, ACTIONS[step.name])
        outcomes: dict[str, Outcome] = {}
        documents: list[Document] = []
        for item in items:
            try:
                documents.append(writer.prepare(item))
            except FieldError as error:
                outcomes[item.intent] = Outcome(
                    item.intent, "rejected", message=f"{item.number}: {error.field} {error.reason}.", field=error.field
                )
        if documents:
            look = self._look(writer, items)
            send = self._in_one if self.transport.transactional else self._with_looks
            for receipt, found in send(look, documents, beat):
                outcomes[receipt.intent] = _outcome(receipt, found)
        return [outcomes[item.intent] for item in items]

    def _look(self, writer: Writer, items: Sequence[Item]) -> Look:
        reader = self._readers(writer.name)
        return Look(reader, writer, self._comparison(writer), {item.intent: item for item in items})

    def _in_one(self, look: Look, documents: Sequence[Document], beat: Beat) -> list[tuple[Receipt, Found | None]]:
        writer = look.writer
        return [(one, one.found) for one in self.transport.submit(writer.name, writer.action, documents, look, beat)]

    def _with_looks(self, look: Look, documents: Sequence[Document], beat: Beat) -> list[tuple[Receipt, Found | None]]:
        """For transports without transactions. Raises OutcomeUnknown where nobody knows what became of one of them."""
        name, action = look.writer.name, look.writer.action
        before = self._stored(look, documents)
        answers: list[tuple[Receipt, Found | None]] = []
        sending: dict[str, Document] = {}
        """By marker or intent: two documents of one marker are one."""
        twins: list[Document] = []
        for document in documents:
            found = before.get(document.intent)
            mark = (action == "create" and document.marker) or document.intent
            if action == "create" and found is not None and found.said is None:
                answers.append((Receipt(document.intent, "done", found.id), found))
            elif action != "create" and found is None:
                answers.append((document.missing(action), None))
            elif mark in sending:
                twins.append(document)
            else:
                sending[mark] = document
        receipts = self.transport.submit(name, action, [*sending.values()], look, beat) if sending else []
        by_intent = {receipt.intent: receipt for receipt in receipts}
        for twin in twins:
            first = by_intent[sending[twin.marker or ""].intent]
            receipts.append(replace(first, intent=twin.intent))
        after = self._looked_again(look, documents, receipts)
        sent = {document.intent: document for document in documents}
        for receipt in receipts:
            stored = after.get(receipt.intent)
            if receipt.status == "accepted" and stored and not (stored.waiting or look.there(receipt.intent, stored)):
                stored = None  # the record is there, and what was sent of it waits
            written = receipt.status == "done" if stored is None else receipt.status != "refused" and not stored.waiting
            if written and (wrong := look.differs(sent[receipt.intent], before.get(receipt.intent), stored)):
                receipt = replace(receipt, message=f"{wrong.told}. It is written so", field=wrong.field)
            answers.append((receipt, stored))
        return answers

    def _looked_again(self, look: Look, documents: Sequence[Document], receipts: Sequence[Receipt]) -> MappingOf[str, Found]:
        """What is there of the documents that may be there. An ERP that is away now is no proof that nothing was applied."""
        if doubt := next((one for one in receipts if one.status == "unknown"), None):
            raise OutcomeUnknown(f"The ERP did not confirm what was sent of {look.writer.name}: {doubt.message}")
        perhaps = {one.intent for one in receipts if one.status != "refused"}
        try:
            return self._stored(look, [document for document in documents if document.intent in perhaps])
        except RetryLater as error:
            raise OutcomeUnknown(f"What was sent of {look.writer.name} could not be read back: {error}") from error

    def _stored(self, look: Look, documents: Sequence[Document]) -> MappingOf[str, Found]:
        """What the ERP holds of the documents, by intent."""
        rows: list[Row] = []
        markers = list(dict.fromkeys(one.marker for one in documents if one.marker))
        keys = list(dict.fromkeys(one.key for one in documents if one.key))
        by_marker, size = look.writer.action == "create", self.id_batch
        for start in range(0, len(markers if by_marker else keys), size):
            part = slice(start, start + size)
            rows += self.transport.lookup(
                look.writer.name, ids=() if by_marker else keys[part], markers=markers[part] if by_marker else ()
            ).rows
        return look.found(documents, rows)


def _outcome(receipt: Receipt, found: Found | None) -> Outcome:
    if receipt.status == "refused":
        return Outcome(receipt.intent, "rejected", message=receipt.message, field=receipt.field)
    if found is not None and found.said is not None:
        return Outcome(receipt.intent, "rejected", message=found.said)
    unread = found.record if found is not None and isinstance(found.record, Invalid) else None
    # A second document of the marker: whichever is ours, it is not taken for the record.
    field = receipt.field or ("marker" if unread is not None and unread.field == "marker" else None)
    message = unread.message if unread is not None and receipt.message is None else receipt.message
    if receipt.status == "accepted" if found is None else found.waiting:
        return Outcome(receipt.intent, "accepted", id=receipt.token, message=message if field else receipt.message, field=field)
    if found is None:
        return Outcome(receipt.intent, "confirmed", id=receipt.id, message=receipt.message, field=receipt.field)
    record = None if isinstance(found.record, Invalid) else found.record
    return Outcome(receipt.intent, "confirmed", id=found.id, record=record, message=message, field=field)


def _page(reader: Reader, rows: Sequence[Row], found: Rows) -> Page:
    page = Page([], cursor=found.cursor, hidden=found.hidden)
    for row in rows:
        answer = reader.parse(row)
        if isinstance(answer, Invalid):
            page.invalid.append(answer)
        else:
            page.records.append(answer)
    return page
