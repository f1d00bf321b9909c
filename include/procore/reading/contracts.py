"""Contracts of both kinds with their schedules of values, as their documents see them (docs/procore-contract.md 5.1, 6.4).

Other documents belong to a contract, so the lists of contracts are remembered: one read of each entity uses a copy once, a
second read of the same entity looks again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.financials.entities.commitments import Commitment
from include.financials.entities.primes import PrimeContract
from include.financials.exceptions import ContractBroken, NotPermitted
from include.financials.port import Header, Invalid, Window
from include.procore.building import Contract, contract_head
from include.procore.entity import Desk, ProcoreEntity
from include.procore.exceptions import NotFound, OddReply
from include.procore.lists import Raw
from include.procore.parse import Row
from include.procore.reading.base import Built, Documents, Listed, Shelf


@dataclass(frozen=True, slots=True)
class Entry:
    """A contract as its documents see it. ``payments``: the sum of its payments as listed, None where its list has none."""

    contract: Contract
    listed: Listed
    payments: Decimal | None


Book = dict[str, Entry | Invalid]


class Contracts(Documents):
    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._shelves: dict[str, Shelf] = {}
        self._found: dict[tuple[str, str], Listed | Invalid | None] = {}

    @abstractmethod
    def build(self, row: Row, project: str, group: str, lines: Iterable[Any]) -> Commitment | PrimeContract: ...

    MAY_HIDE = True

    def header(self, row: Row, project: str, group: str) -> Header:
        """As its documents need it. A sum or a date that cannot be read is named when the contract is read with its lines."""
        head = contract_head(row, project)
        return Header(
            id=head.id,
            number=head.number,
            scope=project,
            status=row.told(row.text, "status"),
            amount=row.told(row.money, "grand_total"),
            updated_at=row.told(row.moment, "updated_at"),
            origin_id=row.told(row.text, "origin_id"),
            deleted=row.get("deleted_at") is not None,
            odd=isinstance(self.fit(row.data, project, self.build, project, group, ()), Invalid),
        )

    def shelf(self, project: str, window: Window | None) -> Shelf:
        return self.taken(project, self.row.name)

    def taken(self, project: str, taker: str) -> Shelf:
        """All contracts of a project, for the read of one entity (``taker``)."""
        if project not in self._shelves or taker in self._shelves[project].takers:
            self._shelves[project] = shelf = self.list(project)
            shelf.listed = [one.pack() for one in shelf.listed]
        self._shelves[project].takers.add(taker)
        return self._shelves[project]

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        for one in chosen:
            # The lines of a deleted contract are hidden with it.
            try:
                found = (one.row, []) if one.header.deleted else self.contents(project, one)
            except NotFound:
                if not one.header.odd:
                    raise
                found = (one.row, [])  # its row cannot be read anyway: that is what there is to say of it
            except OddReply as error:
                yield self.unread(one, project, error)
                continue
            yield self.fit(found[0], project, self.build, project, one.group, found[1]) if found else None

    @abstractmethod
    def contents(self, project: str, one: Listed) -> tuple[Raw, Sequence[Any]] | None:
        """A contract's row, perhaps in full, and its schedule of values; None for one that is gone meanwhile."""

    def positions(self, project: str, one: Listed) -> Mapping[str, int]:
        """Line id -> position in the schedule of values of a contract, where change orders name lines."""
        return {}

    def book(self, project: str, taker: str) -> Book:
        """The contracts of a project by id, as their documents see them, for the read of one entity."""
        shelf = self.taken(project, taker)
        found: dict[str, Entry | Invalid] = {invalid.id: invalid for invalid in shelf.invalid}
        return found | {one.header.id: self._entry(project, one) for one in shelf.listed}

    @staticmethod
    def _entry(project: str, one: Listed) -> Entry:
        row = Row(one.row)
        return Entry(contract_head(row, project), one, row.derived("total_payments"))

    def asked(self, project: str, ident: str) -> Entry | None:
        """A contract that its list did not show, asked for by its id; None: Procore does not show it to us."""
        key = project, ident
        if key not in self._found:
            try:
                self._found[key] = self.find(project, ident)
            except NotPermitted:
                self._found[key] = None
        one = self._found[key]
        return self._entry(project, one) if isinstance(one, Listed) else None

    def ids(self, project: str, taker: str) -> frozenset[str]:
        shelf = self.taken(project, taker)
        return frozenset((*(one.header.id for one in shelf.listed), *(bad.id for bad in shelf.invalid)))


def contracts(desk: Desk, entity: str) -> Contracts:
    """The reader of one kind of contract, which documents of these contracts ask."""
    found = desk.reader(entity)
    if not isinstance(found, Contracts):
        raise ContractBroken(f"{entity} are no contracts")
    return found
