"""What the checks stand on: the ERP opened as often as they need, what it holds, and documents on their way into it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from include.erp.acceptance.masters import Masters
from include.erp.mapping.loading import Mapping as MappingFile
from include.erp.mapping.loading import mapping_path
from include.erp.mapping.spec import MappingSpec
from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.entities import ENTITIES, OF_ERP
from include.financials.exceptions import ConfigurationError
from include.financials.port import Action, Capability, Invalid, Item, Outcome, Step
from include.financials.record import PERIODS, Record

Clerk = Callable[[str, Record], None]
"""Does in the ERP what people do there: ``clerk(action, record)``, where ``action`` is post, reject or void. Raises LookupError
for what it does not do."""

ORIGIN = "procore:0"
"""Name space of the markers that test documents carry: no Procore company has this number."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one acceptance, as the command line gives them."""

    mapping: str
    address: Any
    stage: int = 4
    allow_writes: bool = False
    reader: Any = None
    """Address of the same ERP with read-only rights."""
    clerk: Clerk | None = None
    use: Mapping[str, str] = field(default_factory=dict)
    entities: tuple[str, ...] = ()
    writes: Any = None
    """Address for documents, where the mapping gives them a way of their own."""
    large: int = 300
    """Of an entity with more records only so many are read one by one."""


class Suite:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.path = Path(mapping_path(options.mapping))
        self.mapping: MappingFile[MappingSpec] = load_mapping(self.path)
        self.erp = self.open()
        self.capabilities: Mapping[str, Capability] = self.erp.capabilities()
        self.seed = uuid4().int % 36**5
        self._count = 0
        self.notes: list[str] = []
        self.empty: list[str] = []
        self._seen: dict[str, tuple[list[Any], list[Invalid]]] = {}
        self.masters = Masters(self.records, lambda: self.erp.now().date(), options.use)

    def close(self) -> None:
        self.erp.close()

    def open(self, page_size: int = 1000, address: Any = None) -> MappedSystem:
        """The ERP anew, as another process would open it. Whoever opens it closes it."""
        given = self.options.address if address is None else address
        return connected(given, self.mapping, origin_system=ORIGIN, page_size=page_size, writes=self.options.writes)

    # -- what is looked at

    @property
    def entities(self) -> list[str]:
        """Those of the mapping that belong to the stages asked for."""
        return [name for name in OF_ERP if name in self.capabilities and self._wanted(name)]

    def _wanted(self, name: str) -> bool:
        row = ENTITIES.get(name)
        in_stage = row.stage <= self.options.stage if row else name != PERIODS or self.options.stage == 4
        return in_stage and (not self.options.entities or name in self.options.entities)

    def capability(self, name: str) -> Capability:
        return self.capabilities.get(name) or Capability(read=False)

    # -- what the ERP holds

    def records(self, name: str) -> list[Any]:
        return self._read(name)[0]

    def invalid(self, name: str) -> list[Invalid]:
        return self._read(name)[1]

    def _read(self, name: str) -> tuple[list[Any], list[Invalid]]:
        if name not in self._seen:
            pages = list(self.erp.read(name))
            self._seen[name] = [one for page in pages for one in page.records], [one for page in pages for one in page.invalid]
        return self._seen[name]

    def changed(self, entity: str) -> None:
        """It was written to: what was read of it is old."""
        self._seen.pop(entity, None)

    def by_id(self, name: str, ids: Sequence[str], erp: MappedSystem | None = None) -> list[Record | Invalid]:
        pages = (erp or self.erp).read_ids(name, [(None, ident) for ident in ids])
        return [one for page in pages for one in page.shown]

    def note(self, text: str) -> None:
        """What a person should know although the check passes."""
        self.notes.append(text)

    # -- documents on their way

    def uncalled(self, item: Item) -> bool:
        """Whether the mapping has no call for such a document: it is refused by a field, and nothing is sent."""
        calls = self.mapping.entity(item.record.entity).write.calls("create")
        return not any(call.applies(item.record, ()) for call in calls)

    def number(self, entity: str, field: str = "number", *, length: int = 7) -> str:
        """A new one, of the characters and the length that the ERP takes."""
        capability = self.capability(entity)
        self._count += 1
        alphabet = capability.alphabets.get(field)
        symbols = [
            one for one in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" if alphabet is None or re.fullmatch(f"[{alphabet}]", one)
        ]
        if len(symbols) < 2:
            raise ConfigurationError(f"{entity}: no number can be made of the characters {alphabet} that {field} takes")
        limits = [limit for name, limit in capability.max_lengths.items() if name == field or name.startswith(f"{field}__")]
        length = min([length, *limits])
        digits: list[str] = []
        rest = self.seed * 36**2 + self._count
        while len(digits) < length:
            rest, digit = divmod(rest, len(symbols))
            digits.append(symbols[digit])
        return "".join(reversed(digits))

    def item(self, record: Record, company: str, *, key: str | None = None, changes: tuple[str, ...] = ()) -> Item:
        return Item(
            f"accept-{record.id}-{uuid4().hex[:8]}", record, company, record.number,
            f"{self.erp.namespace}:{company}:{record.entity}:{record.number}", procore_id=record.id, erp_key=key, changes=changes,
        )  # fmt: skip

    def step(self, entity: str, action: Action, erp: MappedSystem | None = None) -> Step:
        (step,) = (erp or self.erp).steps(entity, action)
        return step

    def post(self, *items: Item, action: Action = "create", erp: MappedSystem | None = None) -> list[Outcome]:
        system = erp or self.erp
        try:
            return system.post(self.step(items[0].record.entity, action, system), items)
        finally:
            self.changed(items[0].record.entity)

    def find(self, item: Item, action: Action = "create", erp: MappedSystem | None = None) -> Outcome:
        system = erp or self.erp
        return system.find(self.step(item.record.entity, action, system), [item])[0]

    def enter(self, item: Item) -> Outcome:
        """A document that must pass; where the ERP hands it to people first, the clerk has posted it."""
        (outcome,) = self.post(item)
        return self.settled(item, outcome)

    def settled(self, item: Item, outcome: Outcome) -> Outcome:
        if outcome.status == "accepted" and self.options.clerk is not None:
            try:
                self.options.clerk("post", item.record)
            except LookupError:
                return outcome  # nobody does that here: it waits
            self.changed(item.record.entity)
            outcome = self.find(replace(item, handed=outcome.id or ""))
        return outcome

    def copies(self, item: Item) -> list[Any]:
        """Every record of the ERP that carries the item's marker or number, of its company."""
        entity, marker = item.record.entity, self.erp.marker(item)
        self.changed(entity)
        same = [one for one in self.records(entity) if one.marker == marker]
        natural = item.record.natural_key
        return same or [one for one in self.records(entity) if one.company == item.company and one.natural_key == natural]

    def today(self) -> date:
        return self.erp.now().date()


def moments(records: Sequence[Record]) -> Iterator[datetime]:
    yield from sorted({one.updated_at.astimezone(UTC) for one in records if one.updated_at is not None})
