"""Who stands for whom: the links of an entity as an index, and records of Procore in the ERP's keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.financials.entities import ENTITIES, Entity
from include.financials.ledger import Link
from include.financials.mergers import Mergers
from include.financials.models import CostCode, Record

if TYPE_CHECKING:
    from include.financials.view import Sync

_KEPT = ("project", "commitment", "prime_contract")
"""References that a record cannot be without: one that is not linked keeps the id it was read with, and a rule says so."""


@dataclass(slots=True)
class LinkIndex:
    by_procore: dict[str, Link] = field(default_factory=dict)
    by_erp: dict[tuple[str, str], Link] = field(default_factory=dict)
    by_key: dict[str, list[Link]] | None = None
    """Links of what companies share, by their key; made when first asked for."""
    mergers: Mergers = field(default_factory=Mergers)
    """Of vendors: which keys are one."""

    @classmethod
    def of(cls, links: Sequence[Link], mergers: Mergers | None = None) -> LinkIndex:
        index = cls(mergers=mergers or Mergers())
        for link in links:
            if link.procore_id:
                index.by_procore.setdefault(link.procore_id, link)
            index.by_erp.setdefault((link.company, link.erp_key), link)
        return index

    def find(self, company: str, key: str) -> Link | None:
        """The link of an ERP key that a record of ``company`` names: its own company's or, for what companies share, the only
        one. Two companies may have a job, a contract or an invoice of one number: never taken for each other. A merged vendor is
        found by the link of the key that stands for it or, while that has none, of one that was merged into it."""
        keys = (key, *self.mergers.others(company, key)) if self.mergers else (key,)
        return next((found for one in keys if (found := self._find(company, one)) is not None), None)

    def _find(self, company: str, key: str) -> Link | None:
        own = self.by_erp.get((company, key))
        if own is not None:
            return own
        if self.by_key is None:
            self.by_key = {}
            for (_, known), link in self.by_erp.items():
                if ENTITIES[link.entity].shared and link.scope is None:
                    self.by_key.setdefault(known, []).append(link)
        others = self.by_key.get(key, [])
        return others[0] if len(others) == 1 else None

    def erp(self, procore_id: str | None) -> Link | None:
        return self.by_procore.get(procore_id) if procore_id else None


class References:
    """Translates a Procore record into ERP keys, the language in which both sides are compared."""

    def __init__(self, sync: Sync, row: Entity) -> None:
        self.index = {name: sync.links(name) for name in set(row.references.values())}
        self.row = row

    def link(self, entity: str, procore_id: str | None) -> Link | None:
        return self.index[entity].erp(procore_id)

    def key(self, entity: str, procore_id: str | None) -> str | None:
        found = self.link(entity, procore_id)
        return self.index[entity].mergers.key(found.company, found.erp_key) if found else None

    def unknown(self, procore: Record, erp: Record, company: str) -> dict[str, tuple[str, str, str | None]]:
        """References of a Procore record that cannot be compared with its counterpart's, because neither end is linked yet:
        content field (``vendor``, ``lines/3/cost_code``) -> (entity, Procore id, ERP key). An id whose counterpart names a linked
        record is known to be another one: that is a difference."""
        found: dict[str, tuple[str, str, str | None]] = {}

        def look(path: str, entity: str, ident: str | None, key: str | None) -> None:
            if ident is None or self.key(entity, ident) is not None:
                return
            known = self.index[entity].find(company, key) if key is not None else None
            if known is None or known.erp_key != key:  # one merged into it is linked: the surviving one may still be this
                found[path] = (entity, ident, key)

        for name, entity in self.row.references.items():
            if entity == self.row.name:
                continue  # a parent of the same list is judged beside it
            head, _, rest = name.partition(".")
            value = getattr(procore, head)
            if head == "items":  # what they bill posts on lines of a change order that is not known
                for item in value:
                    look("lines", entity, getattr(item, rest), None)
            elif rest:
                others = {line.key: line for line in getattr(erp, head, ())}
                for line in value:
                    look(f"{head}/{line.key}/{rest}", entity, getattr(line, rest), getattr(others.get(line.key), rest, None))
            elif not isinstance(value, tuple):
                look(head, entity, value, getattr(erp, head, None))
        if self.row.numbered_in and any(name in found for name in self.row.numbered_in):
            found["number"] = next(found[name] for name in self.row.numbered_in if name in found)
        return found

    def translated(self, record: Record) -> Record:
        """The record with every reference as an ERP key; one that is not linked becomes None (a required one stays as it is)."""
        changed: dict[str, Any] = {}
        for name, entity in self.row.references.items():
            head, _, rest = name.partition(".")
            if rest:
                lines = changed.get(head, getattr(record, head))
                changed[head] = tuple(line.model_copy(update={rest: self.key(entity, getattr(line, rest))}) for line in lines)
            elif isinstance(value := getattr(record, head), tuple):
                changed[head] = tuple(sorted(key for key in (self.key(entity, item) for item in value) if key))
            else:
                changed[head] = self.key(entity, value)
        changed |= {name: getattr(record, name) for name in _KEPT if name in changed and changed[name] is None}
        return record.model_copy(update=changed)


def headers(codes: Sequence[CostCode]) -> dict[str, list[str]]:
    """Children of each code, by parent id: what a person may choose instead of a header."""
    children: dict[str, list[str]] = {}
    for code in codes:
        if code.parent:
            children.setdefault(code.parent, []).append(code.number)
    return children
