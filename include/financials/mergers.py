"""Merged vendors: two keys of the ERP that are one vendor since.

The ERP keeps the old vendor and says into which one it was merged; what was posted keeps the key it has there. Here alone it is
known which key stands for which: records, what was agreed on earlier and references all pass through, so that the survivor bills
what the old vendor signed. Where nothing was merged everything passes as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.port import Invalid
from include.financials.record import VENDORS, Record

FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(field for field, entity in row.references.items() if entity == VENDORS) for name, row in ENTITIES.items()
}
"""Fields of each entity that name a vendor."""


class Mergers:
    """The surviving key of every merged vendor. ``vendors``: (company, key, merged into) of all that the ERP has."""

    def __init__(self, vendors: Iterable[tuple[str, str, str | None]] = ()) -> None:
        known = {(company, key): into for company, key, into in vendors}
        self._survivor = {place: last for place in known if (last := _end(known, *place)) is not None}
        self._groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        """All keys of a vendor by the surviving one."""
        for (company, key), last in self._survivor.items():
            self._groups[company, last].append(key)
        self._companies: dict[str, list[str]] = defaultdict(list)
        """Companies (vendor groups) that have a vendor of that key; asked of merged keys and their survivors only."""
        if self._survivor:
            for company, key in dict.fromkeys([*known, *self._groups]):
                self._companies[key].append(company)

    def __bool__(self) -> bool:
        return bool(self._survivor)

    def _place(self, company: str, key: str) -> tuple[str, str]:
        """The vendor that a record of ``company`` names: its own company's or, as vendors are shared, the only one of that key
        (``LinkIndex.find`` resolves links so)."""
        groups = self._companies.get(key, [])
        return (groups[0], key) if company not in groups and len(groups) == 1 else (company, key)

    def survivor(self, company: str, key: str) -> str | None:
        """The key that took this one's place; None: it stands for itself."""
        return self._survivor.get(self._place(company, key))

    def key(self, company: str, key: str) -> str:
        """The key that stands for a vendor."""
        return self.survivor(company, key) or key

    def others(self, company: str, key: str) -> list[str]:
        """The keys that a surviving one stands for beside its own."""
        return sorted(self._groups.get(self._place(company, key), ()))

    def group(self, key: str) -> set[str]:
        """The keys that may be one vendor with this one, of whatever company."""
        return {other for company in self._companies.get(key, ()) for other in self.others(company, key)}

    # -- what names a vendor --------------------------------------------------------------------------------------------------

    def record(self, record: Record) -> Record:
        """An ERP's record with the keys that stand for its vendors."""
        changed = self._changed(record.entity, record.company, record.__dict__) if self else {}
        return record.model_copy(update=changed) if changed else record

    def unreadable(self, bad: Invalid) -> Invalid:
        changed = self._changed(bad.entity, bad.company, bad.shown) if self else {}
        return replace(bad, shown={**bad.shown, **changed}) if changed else bad

    def content(self, entity: str, company: str, agreed: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """What both sides agreed on when the vendor still had its old key."""
        if not self or not agreed:
            return agreed
        found = {**agreed, **self._changed(entity, company, agreed)}
        return found | {"other": self.content(entity, company, agreed["other"])} if agreed.get("other") else found

    def _changed(self, entity: str, company: str | None, held: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: last
            for name in FIELDS.get(entity, ())
            if (key := held.get(name)) and (last := self.survivor(company or "", key)) is not None
        }


def _end(known: Mapping[tuple[str, str], str | None], company: str, key: str) -> str | None:
    """The last key of a chain of mergers; None where there is no merger, or where they lead in a circle: nobody survives that."""
    passed, at = {key}, known.get((company, key))
    last = None
    while at is not None:
        if at in passed:
            return None
        passed.add(at)
        last, at = at, known.get((company, at))
    return last
