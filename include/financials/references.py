"""Records of Procore in the ERP's keys: the language in which both sides are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from include.financials.billing import bills
from include.financials.entity import Entity
from include.financials.judging.subject import Unknown
from include.financials.ledger import Link, LinkIndex
from include.financials.record import Record

_KEPT = ("project", "commitment", "prime_contract")
"""References that a record cannot be without: one that is not linked keeps the id it was read with, and a rule says so."""


def named(row: Entity, record: Record) -> Iterator[tuple[str, str, bool]]:
    """(entity, key, whether it is Procore's) of all that a record in ERP keys names. An invoice keeps its items as read: they
    name by Procore's ids, and those that bill nothing name nothing."""
    for name, entity in row.references.items():
        head, _, rest = name.partition(".")
        value, items = getattr(record, head), head == "items"
        values = filter(bills, value) if items else value if isinstance(value, tuple) else (value,)
        keys = (getattr(one, rest) for one in values) if rest else values
        yield from ((entity, key, items) for key in keys if key is not None)


class References:
    """Translates a Procore record into ERP keys, the language in which both sides are compared."""

    def __init__(self, links: Callable[[str], LinkIndex], row: Entity) -> None:
        self.index = {name: links(name) for name in set(row.references.values())}
        self.row = row

    def link(self, entity: str, procore_id: str | None) -> Link | None:
        return self.index[entity].erp(procore_id)

    def key(self, entity: str, procore_id: str | None) -> str | None:
        found = self.link(entity, procore_id)
        return self.index[entity].mergers.key(found.company, found.erp_key) if found else None

    def unknown(self, procore: Record, erp: Record, company: str) -> dict[str, Unknown]:
        """References of a Procore record that cannot be compared with its counterpart's, because neither end is linked yet:
        content field (``vendor``, ``lines/3/cost_code``) -> (entity, Procore id, ERP key). An id whose counterpart names a linked
        record is known to be another one: that is a difference."""
        found: dict[str, Unknown] = {}

        def look(path: str, entity: str, ident: str | None, key: str | None) -> None:
            if ident is None or self.key(entity, ident) is not None:
                return
            known = self.index[entity].find(company, key) if key is not None else None
            if known is None or known.erp_key != key:  # one merged into it is linked: the surviving one may still be this
                found[path] = Unknown(entity, ident, key)

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

    def complete(self, procore: Record) -> bool:
        """Whether every reference can be translated, so that none is unknown."""
        for name, entity in self.row.references.items():
            if entity == self.row.name:
                continue
            head, _, rest = name.partition(".")
            value = getattr(procore, head)
            named = [getattr(one, rest) for one in value] if rest else () if isinstance(value, tuple) else (value,)
            if any(ident is not None and self.key(entity, ident) is None for ident in named):
                return False
        return True

    def translated(self, record: Record) -> Record:
        """The record with every reference as an ERP key; one that is not linked becomes None (a required one stays as it is)."""
        if not self.row.references:
            return record
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
