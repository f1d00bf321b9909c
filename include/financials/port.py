"""The port: what Procore and every ERP offer to the sync, and nothing else.

The sync of an entity is one algorithm with a source and a target; both are a :class:`System`. A system knows nothing of the
other one. It makes no write that the engine did not journal: it describes writes as :class:`Step` s, and carries out one batch
of one step when :meth:`System.post` is called.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Literal, Protocol

from include.financials.asking import Answer, Asked, Question
from include.financials.legible import legible
from include.financials.record import Record, Side

Beat = Callable[[], None]


def idle() -> None:
    """For those who write without a lease."""


Action = Literal["create", "update", "link", "void", "final"]
"""``create`` a record on the target, ``update`` a linked one, ``link``: write external ids to Procore, ``void`` a document,
``final``: note in Procore that the ERP's record is final."""


_LAST_SECOND = time(23, 59, 59)
CALLED: Mapping[str, str] = {"procore": "Procore", "erp": "the ERP"}
"""What people call a side."""
SIDES: tuple[Side, ...] = ("procore", "erp")
UNSEEN = "is not visible to us in {side}: it is private there, or was deleted"
"""What is said of a record that neither a list nor a read by id shows, where that proves no deletion."""
SINCE = "{who} was linked since this run read the lists of {side}"
"""What is said of a record that nobody could look for, because its link is younger than what was read."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which records to look at: ``since <= updated_at <= until`` (UTC, both inclusive; None: no bound)."""

    since: datetime | None = None
    until: datetime | None = None

    def covers(self, moment: datetime | None) -> bool:
        """A record without a time is always looked at: it cannot be ruled out. The last second of a day may stand for any time of
        that day (some lists answer plain days), so it cannot be ruled out on that day either."""
        if moment is None:
            return True
        if self.until is not None and moment.time().replace(microsecond=0) == _LAST_SECOND:
            moment = min(moment, max(self.until, moment.replace(hour=0, minute=0, second=0)))
        return (self.since is None or moment >= self.since) and (self.until is None or moment <= self.until)


NO_ID = "?"
"""How the id of an :class:`Invalid` begins whose own cannot be read: its side knows none by it, and is not asked for it."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A record as read that does not fit its canonical model; the rest of its page goes on. It exists all the same: ``shown`` is
    what its row tells of it (canonical field -> text, None: empty; a field that cannot be read is not there), in its side's keys.
    """

    entity: str
    id: str
    number: str
    field: str
    message: str
    scope: str | None = None
    company: str | None = None
    shown: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    behind: str | None = None
    """Entity of the contract that is in the way (``shown`` names it): the record itself is sound, its contract is not shown to us
    or cannot be read."""

    def __post_init__(self) -> None:
        # What cannot be read may hold anything, and these stand in logs, reports and the ledger.
        for name in ("id", "number", "message"):
            object.__setattr__(self, name, legible(getattr(self, name)))


def told(bad: Invalid, side: Side, label: str) -> str:
    """The record, its side, its field and what is wrong with it, in words."""
    return f"{label} {bad.number} in {CALLED[side]} cannot be read ({bad.field} {bad.message})"


@dataclass(frozen=True, slots=True)
class Header:
    """A document as its list shows it: enough to see a deletion or another sum without reading its lines. ``amount`` is None
    where the list has none. ``scope`` is its project."""

    id: str
    number: str
    scope: str
    status: str | None = None
    amount: Decimal | None = None
    updated_at: datetime | None = None
    origin_id: str | None = None
    deleted: bool = False
    odd: bool = False
    """Something in its row cannot be read: it is looked at whatever its time."""


@dataclass(slots=True)
class Page:
    """One page of a read. ``cursor`` (JSON-able) says where to go on after a crash; None: this was the last page."""

    records: list[Record]
    invalid: list[Invalid] = field(default_factory=list)
    cursor: dict[str, Any] | None = None
    hidden: list[str] = field(default_factory=list)
    """Of a read by id: records that the system does not show to us and that may be there all the same."""

    @property
    def shown(self) -> list[Record | Invalid]:
        """Everything that is there, readable or not."""
        return [*self.records, *self.invalid]


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of write. A step's items share a call when :meth:`System.scope` gives them the same text,
    at most ``batch`` of them."""

    system: Side
    entity: str
    name: str
    batch: int = 1000
    levels: bool = False
    """Parents before children: items are sent level by level (``Item.level``)."""
    done: str = "written"
    """The verb of the log line: ``60 commitments written to the ERP``."""
    keyless: bool = False
    """The system has no key that would refuse a second record of it: what is in doubt is given longer to arrive."""


class Refs(dict[str, str | None]):
    """Procore's ids of what a record names, None of what is not linked: by reference field (``{"project": "9001"}``) and, for
    what a line or a set names, by field and ERP key (:meth:`of`)."""

    def of(self, field: str, key: str | None) -> str | None:
        """The id of what one of several names: a line's cost code, one of a code's types."""
        return self.get(self.place(field, key))

    @staticmethod
    def place(field: str, key: str | None) -> str:
        return f"{field}:{key}"


@dataclass(frozen=True, slots=True)
class Item:
    """One record's part in a step.

    ``record`` is the source record in ERP keys; ``refs`` the ids that the executing system needs;
    ``procore_id`` and ``erp_key`` what is known of the record's own identity;
    ``changes`` the content fields that differ (update).
    """

    intent: str
    record: Record
    company: str
    number: str
    origin_id: str
    origin_data: str | None = None
    procore_id: str | None = None
    erp_key: str | None = None
    refs: Refs = field(default_factory=Refs)
    changes: tuple[str, ...] = ()
    level: int = 0
    handed: str | None = None
    """What the system calls what it accepted earlier of the record, perhaps nothing. ``absent``: it is nowhere any more."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "refs", Refs(self.refs))  # any mapping will do, one read from the journal too


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item. ``absent`` is an answer of :meth:`System.find` only: the effect is not there, it may be sent.
    ``accepted``: the system has taken it and not yet entered it in its books; it is looked for, and never sent again."""

    intent: str
    status: Literal["confirmed", "rejected", "absent", "accepted"]
    id: str | None = None
    """The record's id on the executing system; of what is accepted, what that is called there."""
    record: Record | None = None
    """The record as the system returned or re-read it, in that side's own keys."""
    message: str | None = None
    field: str | None = None
    """rejected: which it concerns. confirmed: which the system holds otherwise than it was sent (``message`` says how); of what
    was accepted earlier, in either state: its marker, for it is not the only record that carries it."""
    locked: bool = False
    updated_at: datetime | None = None
    """Its time of change after this write, where the answer tells: our own must not look like somebody's change."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What a system can do with an entity (data, of a mapping or a table). Lengths in characters, digits before the point."""

    read: bool = True
    create: bool = False
    update: bool = False
    link: bool = False
    void: bool = False
    changed_since: bool = False
    batch: int = 1000
    max_lengths: Mapping[str, int] = field(default_factory=dict)
    max_digits: Mapping[str, int] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)
    lists_all: bool = False
    """Whether a read looks through a list of all records, in the window or not (``also``): what it does not show is not there."""
    alphabets: Mapping[str, str] = field(default_factory=dict)
    """Characters that a field's values may have, as the inside of a regular expression's brackets (``A-Za-z0-9-``)."""
    accepts_zero: bool = True
    sub_jobs: bool = True
    tax: bool = True
    pages: bool = False
    """Whether :meth:`System.web_url` knows where its records' pages are."""
    keeps: frozenset[str] | None = None
    """Canonical fields that the system holds of a record, those of a line as ``lines.tax``, and ``lines.key`` where it holds what
    tells lines apart. None: all. What a side does not keep is not compared."""


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of :meth:`System.check`. ``problems`` are sentences for a person; empty means ready. ``notes`` keep nobody from
    running, and are worth a look."""

    description: str
    version: str
    now: datetime
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Described(Protocol):
    """What is known of Procore or an ERP by its connection and mapping alone: nothing is asked, and no secret is needed."""

    side: Side
    name: str
    """As people call it."""

    @property
    def namespace(self) -> str:
        """First part of the ids by which the other side's records name this system's: an ERP's in Procore's external ids
        (``sandbox``), Procore's in an ERP's markers (``procore:8089``). Never changed after go-live."""
        ...

    def capabilities(self) -> Mapping[str, Capability]: ...

    def web_url(self, record: Record | None = None, address: str | None = None) -> str | None:
        """The page of a record (None: of the company) in the browser, if there is one. ``address`` is that of
        :meth:`System.web_address`, where it is known."""
        ...


class System(Described, Protocol):
    """Procore or an ERP. All methods may raise the errors of ``include.financials.exceptions``."""

    def close(self) -> None:
        """Give back connections; nothing may be asked afterwards."""
        ...

    def web_address(self) -> str | None:
        """Where people open its records in the browser, asked of the system itself; None where there are no such pages."""
        ...

    def check(self) -> Health: ...

    def now(self) -> datetime:
        """The system's own clock, UTC: watermarks and "today" come from here, never from the worker."""
        ...

    def read(
        self,
        entity: str,
        *,
        window: Window | None = None,
        scopes: Sequence[str] | None = None,
        cursor: dict[str, Any] | None = None,
        also: Callable[[Header], bool] | None = None,
    ) -> Iterator[Page]:
        """Records changed in ``window`` (None: all), of the own-side project ids in ``scopes``, from ``cursor`` on.

        ``scopes`` None: all there are; an empty text among them: the records that belong to no project. ``also`` names records
        outside the window that are to be read too, by their header; a system that lists no headers ignores it.

        Deleted records come with ``deleted=True`` where the system still shows them.
        """
        ...

    def read_ids(self, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        """The records named by (scope, own-side id), in batches. One that is in no page's records, invalid and hidden is gone."""
        ...

    def keys(self, entity: str, scopes: Sequence[str] | None = None) -> Iterator[str]:
        """Every own-side id that exists now: the sweep that finds what was deleted."""
        ...

    def asked(self, entity: str, project: str, ids: Collection[str]) -> Mapping[str, Asked]:
        """What the system's own workflow asks about these documents of a project, by id. One under none is left out."""
        ...

    def steps(self, entity: str, action: Action) -> tuple[Step, ...]:
        """The writes that ``action`` takes, in order; empty where there is none to make."""
        ...

    def wants(self, step: Step, item: Item) -> bool:
        """Whether ``step`` has anything to write for this record; if not, it is left out and not journaled."""
        ...

    def scope(self, step: Step, item: Item) -> str:
        """Items of a step with equal scope may share one call. What concerns one project alone begins with its id, alone or
        before a ``/`` (``9001/77``); anything else is taken to concern all of them."""
        ...

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        """Look whether the effect of ``step`` is already there: ``confirmed`` (with id and record), ``accepted``, ``rejected``
        (what was accepted, and refused afterwards) or ``absent``, never guessed."""
        ...

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        """Carry out one call; ``beat`` is called before each request or transaction that it takes, and ends it by raising. Raises
        OutcomeUnknown when the effect cannot be known, RetryLater when surely nothing was applied."""
        ...


class Asking(System, Protocol):
    """A system whose documents go through workflows that may ask our own account: Procore. Errors as those of :class:`System`."""

    def account(self) -> str:
        """Id of our own account's user: what it did is told of as well."""
        ...

    def questions(self, entity: str, project: str) -> Mapping[str, Question]:
        """What our account is asked now about the documents of a project, by document id."""
        ...

    def answered(self, answer: Answer) -> Outcome:
        """Whether it arrived: ``confirmed``; ``absent`` while its step is asked; ``rejected`` once that is over."""
        ...

    def answer(self, answer: Answer, beat: Beat = idle) -> Outcome:
        """Give it, after looking as :meth:`answered` does. Raises OutcomeUnknown when the effect cannot be known."""
        ...
