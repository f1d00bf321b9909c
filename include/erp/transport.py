"""What an adapter is made of: a transport, which delivers and takes rows, and what passes between it and the mapper.

The mapper (one for every ERP, told by a mapping file) knows what a value means: words, units, keys, limits, what the ERP keeps.
A transport knows how to reach the ERP: a database, a web service, a folder. It neither translates a value nor decides what one
means; the mapper never opens a connection. ``include.erp.system.MappedSystem`` puts both together, and is the port.

Raw values are what the codecs take: str, int, Decimal, bool, date, datetime or None. Never a float: JSON is read with
``parse_float=Decimal``, and a driver that gives floats is asked for text.

Errors are those of ``include.financials.exceptions``: ConfigurationError (a person corrects mapping, address or credentials),
NotPermitted (a right is missing), RetryLater (surely nothing was applied; ``seconds`` if the ERP said when). What the ERP says of
one document is a :class:`Receipt` and no exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from include.erp.mapping.spec import MappingSpec, WriteSpec
from include.financials.exceptions import RetryLater
from include.financials.port import Beat, Invalid, Window
from include.financials.record import Record

Writing = Literal["create", "update", "void"]
"""The actions that a mapping has calls for (``write``)."""

Status = Literal["done", "accepted", "refused", "unknown"]
"""``done``: it is in the books. ``accepted``: it is handed over and not yet in the books (a staging table, an import file, an
approval); somebody or something posts it later. ``refused``: the ERP said no, nothing of it is left there. ``unknown``: it was
sent and nobody knows; it is looked for by its marker before anything is sent again."""


# -- reading ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    """Which names the mapper wants in the rows of an entity; ``include.erp.mapping.shape.shape_of`` reads it off the mapping.

    A name is whatever stands after ``column:``, ``list:`` or within a template's braces: a column for ``sql`` and ``files``, a
    JMESPath into the document for ``rest`` and ``jsonrpc``.
    """

    header: tuple[str, ...]
    """Of the document itself: keys of :attr:`Row.header`. All of them are there in every row, None where the ERP has nothing,
    :data:`LOST` where what it has cannot be told."""
    lines: tuple[str, ...] = ()
    """Of each line: keys of the mappings in :attr:`Row.lines`. Empty for entities without lines."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """Canonical field of several values (``cost_types``) -> name of one value: keys of :attr:`Row.lists`."""


class Lost:
    """What stands in a header in place of a value that cannot be told: no value, and not empty either."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "?"


LOST = Lost()


@dataclass(slots=True)
class Row:
    """One document (or one piece of master data) as a transport delivers it."""

    header: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]] = ()
    """In the order in which the ERP shows them."""
    lists: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    key: str = ""
    """What to call it where its id cannot be read; with ``NO_ID`` before it where nobody can ask for it by that."""
    waiting: bool = False
    """A transport's own note of what it handed over (an import file): beside a row of the ERP with that marker it says nothing.
    Where a row of the ERP waits, in a staging table or an approval, a value of it says so (``accepted`` in the mapping)."""
    said: str | None = None
    """waiting: why the ERP refuses what was handed over, in its own words."""
    fault: Fault | None = None
    """Something is wrong with the row as a whole (a line of a file with a column too few). The mapper makes an Invalid record
    of it, with what its header shows; the rest of the page goes on."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``reason`` reads on after the field's name: ``is cut off``."""

    field: str
    reason: str


@dataclass(slots=True)
class Rows:
    """An answer of :meth:`Transport.fetch` or :meth:`Transport.lookup`."""

    rows: list[Row]
    cursor: dict[str, Any] | None = None
    """JSON-able; where :meth:`Transport.fetch` goes on, in another process too. None: these were the last."""
    hidden: list[str] = field(default_factory=list)
    """Of a lookup by id: ids that the ERP does not show to us and that may be there all the same (403)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A record that is looked up by its own-side id. ``parts``: the raw values that make it, by name, once for each way to read
    the id as its template (``{job}/{code}``). ``company`` and ``scope`` where they are known."""

    id: str
    parts: tuple[Mapping[str, str], ...] = field(default=(), compare=False)
    company: str | None = None
    scope: str | None = None


# -- writing ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    """One record on its way into the ERP, in the ERP's own words and units.

    ``header`` and ``lines`` hold the names that the calls of this action bind (``CallSpec.binds`` and ``line_binds``), limits
    already checked. :attr:`calls` says which calls these are.
    """

    intent: str
    """Ours, unique: the key of the receipt."""
    entity: str
    company: str
    number: str
    """What people call it, for messages."""
    marker: str | None
    """What the document carries in the ERP so that it is found again; unique there. None where the action needs none."""
    key: Key | None
    """The record in the ERP (update, void)."""
    calls: tuple[int, ...]
    """Places (from 0) in the mapping's ``write.{action}`` of the calls to make, in order: those whose ``if`` and ``when`` it
    meets."""
    header: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]] = ()

    def refused(self, message: str, field: str | None = None) -> Receipt:
        return Receipt(self.intent, "refused", message=message, field=field)

    def missing(self, action: Writing) -> Receipt:
        """Its refusal where the ERP has no such record."""
        return self.refused(f"{self.number}: the ERP has no such record to {action} in company {self.company}.")


@dataclass(frozen=True, slots=True)
class Found:
    """A document that the ERP has, with the record that the mapper made of its row."""

    id: str
    record: Record | Invalid
    waiting: bool = False
    said: str | None = None
    """waiting: why the ERP refuses it; then it is not there, and may be sent again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one document, see :data:`Status`."""

    intent: str
    status: Status
    id: str | None = None
    """The ERP's id, if it said one. Where it is not given the mapper looks the document up."""
    message: str | None = None
    """refused and unknown: the ERP's own words, its code in front where it has one (``VENDOR_HOLD: ...``)."""
    field: str | None = None
    """The canonical field that a refusal names."""
    token: str | None = None
    """accepted: by what the ERP names what was handed over (a batch, a job, the name of a file), for :meth:`Transport.settle`."""
    found: Found | None = None
    """Only from a transport with transactions: the document as it was read back before the commit."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A document that was accepted in an earlier call and is not known to be in the books."""

    intent: str
    entity: str
    company: str
    number: str
    marker: str | None
    token: str | None
    """As its receipt gave it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that the ERP holds otherwise than it was sent; ``told`` says so, without a full stop."""

    field: str
    told: str


class Check(Protocol):
    """The mapper's eyes, lent to a transport that can look before it commits. Others have no use for it: the mapper looks again
    after the call."""

    def found(self, documents: Sequence[Document], rows: Sequence[Row]) -> Mapping[str, Found]:
        """Which document each row is, by intent: create by marker, else by company and id. Two rows of one name are Invalid."""
        ...

    def differs(self, document: Document, before: Found | None, after: Found | None) -> Difference | None:
        """How a document is stored otherwise than it was sent; None: stored equals sent."""
        ...


# -- the transport ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Probe:
    """Answer of :meth:`Transport.probe`; ``problems`` are sentences for a person, each with its place in the mapping."""

    description: str
    """Where it is, without password: ``postgresql://reader:***@erp/books``."""
    version: str
    problems: tuple[str, ...] = ()


class Transport(Protocol):
    """One way to reach an ERP. Opened by its :class:`Adapter`; used by one thread at a time."""

    transactional: bool
    """True: :meth:`submit` looks for what is there, writes, calls ``check`` and commits as one. False: the mapper looks before
    and after the call, and what differs then is written all the same and told as such."""

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
        """One page of at most about ``size`` rows, in an order that pages cannot lose a row of; from ``cursor`` on.

        ``window``: rows changed in it (both ends inclusive, UTC), and rows without a time. An entity without ``changed_since``
        is read in full. A source that knows times of day coarser than that is asked for more: a record twice is no harm, one
        missed is. ``scopes`` None: all; else those of these projects (own-side ids) where the entity has a ``scope``; an empty
        text among them: rows that belong to no project. ``bare``: only the header is wanted, lines and lists may be left out.
        """
        ...

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        """The rows with these ids or these markers, the waiting ones too. Too many rows do no harm (the mapper compares id,
        company, scope and marker itself), one too few does: a marker that is not found is written. No cursor."""
        ...

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        """Carry out the calls of ``action`` for these documents, one receipt for each. ``beat`` is called before each
        transaction or request and may raise: then nothing further is sent.

        Raises only where nothing of any document was applied (RetryLater, ConfigurationError), or OutcomeUnknown for all of
        them. :func:`one_by_one` does that for transports that send documents singly.
        """
        ...

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        """What became of documents that were accepted earlier and whose rows still wait, or show nowhere: ``done`` with the ERP's
        id, ``refused`` with its words, or still ``accepted`` (with the token by which it is asked for next time). ``unknown``:
        what was handed over is no longer where it was, and a person is asked. Nothing is sent again but what is refused."""
        ...

    def clock(self) -> datetime:
        """The ERP's own clock, UTC."""
        ...

    def probe(self) -> Probe:
        """Connect, and hold the mapping against what is there, without writing. Raises for an address or a login that is
        wrong; everything else is a problem of the answer."""
        ...

    def close(self) -> None: ...


class Outbox(Protocol):
    """The half of a transport that takes documents and does not show the books: a folder for import files. It stands beside a
    transport that only reads (``writes`` in the mapping); everything that is taken is accepted, and found by reading."""

    def waiting(self, entity: str, markers: Sequence[str], shown: datetime) -> list[Row]:
        """What was handed over under these markers, in any run: a row for each (:attr:`Row.waiting`), for as long as it may be
        in the ERP. One too few does harm: its document is sent again. ``shown``: as of when what is read shows the ERP."""
        ...

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], beat: Beat) -> list[Receipt]:
        """As :meth:`Transport.submit`, with nothing to look at before it commits."""
        ...

    def settle(self, entity: str, handed: Sequence[Handed], shown: datetime) -> list[Receipt]:
        """As :meth:`Transport.settle`; ``shown`` as above."""
        ...

    def probe(self) -> Probe:
        """As :meth:`Transport.probe`, of what is needed to submit."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OutboxAdapter:
    """How an outbox is opened, and its part of a mapping file."""

    grammar: type[MappingSpec]
    """The keys of the file that submitting needs; ``entities`` are those of the kind that reads."""
    write: type[WriteSpec]
    """``write`` of an entity."""
    open: Callable[..., Outbox]
    """``open(address, mapping)``."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an entry point of ``procore_erp_sync.adapters`` names."""

    grammar: type[MappingSpec]
    """The model of its mapping files."""
    open: Callable[..., Transport]
    """``open(address, mapping, **options)``. The address is that of the connection, login and password in it: it is never logged.
    Options are those of the installation that the adapter knows; an unknown one is a TypeError."""
    database: bool = False
    """Whether the address is SQLAlchemy's (a text or a URL). All others are text: ``https://login:password@host:port/path?part=...``
    with what is special in it percent-encoded, or the path of a folder."""
    outbox: OutboxAdapter | None = None
    """Where its submitting half can stand alone, beside another kind that reads."""


def one_by_one(documents: Sequence[Document], beat: Beat, send: Callable[[Document], Receipt]) -> list[Receipt]:
    """Documents sent singly. Once one of them may be there, RetryLater is no longer true of the call: the documents that were
    not sent are unknown then, and are looked for before they are sent again (which finds them absent)."""
    receipts: list[Receipt] = []
    for index, document in enumerate(documents):
        try:
            beat()
            receipts.append(send(document))
        except RetryLater as error:
            if not any(receipt.status != "refused" for receipt in receipts):
                raise
            return receipts + [Receipt(one.intent, "unknown", message=str(error)) for one in documents[index:]]
    return receipts
