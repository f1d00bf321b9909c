"""The row of an entity on Procore's side, and the desk at which its reader and its writes work.

Everything that is known of an entity stands in its family's file (``areas``): its resources, how a record is built of a row, how
it is read, what a row shows of itself, what a write sends and in which steps. Shared code is steered by fields of these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from include.financials.exceptions import ContractBroken, OutcomeUnknown
from include.financials.identity import digest
from include.financials.port import NO_ID, Action, Header, Invalid, Item, Outcome, Page, Window
from include.financials.record import Record
from include.procore.client import ProcoreClient
from include.procore.exceptions import OddReply
from include.procore.lists import Lists, Raw, row_id
from include.procore.parse import Misfit, Row, is_number, time_or_none
from include.procore.resources import Resource
from include.procore.shown import shown

Built = TypeVar("Built")
Made = TypeVar("Made")
Cursor = dict[str, Any] | None
Also = Callable[[Header], bool] | None


class EntityReader(Protocol):
    """All reads of one entity. See :class:`include.procore.system.ProcoreSystem` for their contract."""

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]: ...

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]: ...

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]: ...


class Way(Protocol):
    """One way to write. The methods are those of ``include.financials.port.System``, for one kind of step.

    ``post`` and ``find`` are given items of one scope.
    """

    def wants(self, item: Item) -> bool: ...

    def scope(self, item: Item) -> str: ...

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]: ...

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True)
class Write:
    """One step of an action and the way it is written; ``done``, ``batch``, ``levels`` and ``keyless`` as in the port's Step."""

    name: str
    way: Way
    done: str
    batch: int = 1000
    levels: bool = False
    keyless: bool = False


Plan = Mapping[Action, tuple[Write, ...]]


@dataclass(frozen=True, slots=True)
class ProcoreEntity:
    """One entity as Procore's side keeps it.

    ``name`` is that of its row in ``include.financials.entities``. ``resources`` hold its records: the first, unless
    ``resource_of`` says which. ``names`` are the raw fields that people know a record by.

    ``reader`` makes the reader; ``build`` the record of a raw row, our external ids' first part and the project, for entities
    whose row is their whole content. ``shown`` says where a row tells of itself what counts when it cannot be read as a whole.

    ``writes``: the steps of each action. ``told_by``: the resources whose events tell of it, where they are not ``resources``.
    ``lists_all``: whether its read looks through all of its list, in the window or not.
    """

    name: str
    resources: tuple[Resource, ...]
    names: tuple[str, ...]
    reader: Callable[[Desk, ProcoreEntity], EntityReader]
    shown: Mapping[str, tuple[str, ...]]
    writes: Plan = field(default_factory=dict)
    build: Callable[[Row, str, str | None], Record] | None = None
    resource_of: Callable[[Record], Resource] | None = None
    told_by: tuple[Resource, ...] = ()
    lists_all: bool = False

    @property
    def resource(self) -> Resource:
        return self.resources[0]

    def holding(self, record: Record) -> Resource:
        """The resource that holds a record."""
        return self.resource_of(record) if self.resource_of else self.resource

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the webhooks that tell of its records; empty where Procore has none."""
        return tuple(event for resource in self.told_by or self.resources for event in resource.events)

    def fit(
        self,
        data: Any,
        build: Callable[[Row], Built],
        *,
        scope: str | None = None,
        known: Mapping[str, str | None] | None = None,
    ) -> Built | Invalid:
        """Build something of a row, or say which of its fields is in the way. ``known`` is what the caller knows of the record
        without its row."""
        behind = None
        try:
            return build(Row(data))
        except Misfit as error:
            field, message, behind = error.field, error.message, error.behind
        except OddReply as error:
            field, message = error.field, error.message
        except ValidationError as error:
            first = error.errors()[0]
            field, message = ".".join(str(part) for part in first["loc"]) or "record", first["msg"]
        raw: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        ident = str(raw.get("id") or "")
        if not ident.isdecimal():  # what has no id that can be read is told from others of that kind by its content
            ident = NO_ID + digest(data)[:12]
        called = next((str(raw[name]) for name in self.names if raw.get(name)), ident)
        told = shown(self.shown, data, scope, **(known or {}))
        return Invalid(self.name, ident, called[:200], field, message, scope, shown=told, behind=behind)

    def record(self, data: Any, system: str, scope: str | None = None) -> Record | Invalid:
        """The record of one raw row, for entities that have ``build``."""
        build = self.build
        if build is None:
            raise ContractBroken(f"a row of {self.name} is not the whole of a record")
        return self.fit(data, lambda found: build(found, system, scope), scope=scope)


@dataclass(slots=True)
class Desk:
    """One company as readers and writes see it: its lists, its entities, the settings that a payload needs, and what was looked
    up or answered in this task."""

    lists: Lists
    system: str
    """First part of our external ids."""
    entities: Mapping[str, ProcoreEntity]
    delimiter: str = "-"
    type_codes: Mapping[str, str] = field(default_factory=dict)
    """ERP cost type -> Procore code."""
    code_list: str | None = None
    """Id or name of the standard cost code list that the ERP's codes go to; None: the only one there is."""
    known: dict[str, Raw] = field(default_factory=dict)
    """External id -> record as last answered: ids for children of this run, and what need not be sent again."""
    siblings: dict[tuple[str, str, str | None], list[Raw]] = field(default_factory=dict)
    """Resource, project, contract -> the rows that are there, for resources that do not guard against a second creation."""
    _made: dict[Any, Any] = field(default_factory=dict)

    @property
    def client(self) -> ProcoreClient:
        return self.lists.client

    def reader(self, entity: str) -> EntityReader:
        """The one reader of an entity: others ask it for what it has listed. Raises ContractBroken for an unknown entity."""
        if entity not in self.entities:
            raise ContractBroken(f"Procore's side does not know the entity {entity!r}")
        row = self.entities[entity]
        if entity not in self._made:
            self._made[entity] = row.reader(self, row)
        found: EntityReader = self._made[entity]
        return found

    def one(self, kind: Callable[[Desk], Made]) -> Made:
        """What several readers or writes share: made when it is first asked for."""
        if kind not in self._made:
            self._made[kind] = kind(self)
        found: Made = self._made[kind]
        return found

    def id_of(self, item: Item) -> str | None:
        known = self.known.get(item.origin_id)
        return item.procore_id or (row_id(known) if known else None)

    def confirmed(self, item: Item, row: Raw) -> Outcome:
        """``row`` is the record as answered or listed. The outcome has a record where a row is the whole content of one, and
        fits: else it is read again later. Raises OutcomeUnknown for an answer that is no record: it has no id."""
        is_record(item, row)
        self.known[item.origin_id] = row
        entity = self.entities[item.record.entity]
        built = entity.record(row, self.system, item.refs.get("project")) if entity.build else None
        record = None if isinstance(built, Invalid) else built
        changed = time_or_none(row.get("updated_at"))
        return Outcome(item.intent, "confirmed", id=row_id(row), record=record, updated_at=changed)


def is_record(item: Item, row: Raw) -> None:
    """Raises OutcomeUnknown for an answer to a write that is no record: it has no id, or one that nothing is called by."""
    ident = row.get("id")
    if not is_number(ident) or not int(ident):
        told = "it has no id" if ident is None else f"its id is {ident!r}"
        raise OutcomeUnknown(f"the answer to {item.record.entity} {item.number} is no record: {told}")
