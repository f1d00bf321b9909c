"""Commitments and prime contracts with their schedules of values (docs/procore-contract.md 5.1, 6.4).

Other documents belong to a contract, so the lists of contracts are remembered: one read of each entity uses a copy once, a
second read of the same entity looks again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from include.financials.entities.commitments import Commitment
from include.financials.entities.primes import PrimeContract
from include.financials.exceptions import NotPermitted
from include.financials.port import Header, Invalid, Window
from include.procore import records
from include.procore.exceptions import NotFound
from include.procore.lists import Raw, row_id
from include.procore.parse import Row
from include.procore.readers.base import Built, Desk, Documents, Listed, Shelf
from include.procore.records import Contract, Kind
from include.procore.resources import CONTRACTS, lines_of


@dataclass(frozen=True, slots=True)
class Entry:
    """A contract as its documents see it. ``payments``: the sum of its payments as listed, None where its list has none."""

    contract: Contract
    listed: Listed
    payments: Decimal | None


Book = dict[str, Entry | Invalid]


class Contracts(Documents):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._shelves: dict[str, Shelf] = {}
        self._found: dict[tuple[str, str], Listed | Invalid | None] = {}

    @abstractmethod
    def build(self, row: Row, project: str, group: str, lines: Iterable[Any]) -> Commitment | PrimeContract: ...

    MAY_HIDE = True

    def header(self, row: Row, project: str, group: str) -> Header:
        """As its documents need it. A sum or a date that cannot be read is named when the contract is read with its lines."""
        head = records.contract_head(row, project)
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
        return self.taken(project, self.entity)

    def taken(self, project: str, taker: str) -> Shelf:
        """All contracts of a project, for the read of one entity (``taker``)."""
        if project not in self._shelves or taker in self._shelves[project].takers:
            self._shelves[project] = self.list(project)
        self._shelves[project].takers.add(taker)
        return self._shelves[project]

    def headers(self, scopes: Sequence[str] | None) -> Iterator[Header]:
        for project in self._lists.project_ids(scopes):
            if project not in self._shelves:
                self._shelves[project] = self.list(project)
            yield from (one.header for one in self._shelves[project].listed)

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        for one in chosen:
            # The lines of a deleted contract are hidden with it.
            try:
                found = (one.row, []) if one.header.deleted else self.contents(project, one)
            except NotFound:
                if not one.header.odd:
                    raise
                found = (one.row, [])  # its row cannot be read anyway: that is what there is to say of it
            yield self.fit(found[0], project, self.build, project, one.group, found[1]) if found else None

    @abstractmethod
    def contents(self, project: str, one: Listed) -> tuple[Raw, Sequence[Any]] | None:
        """A contract's row, perhaps in full, and its schedule of values; None for one that is gone meanwhile."""

    def book(self, project: str, taker: str) -> Book:
        """The contracts of a project by id, as their documents see them, for the read of one entity."""
        shelf = self.taken(project, taker)
        found: dict[str, Entry | Invalid] = {invalid.id: invalid for invalid in shelf.invalid}
        return found | {one.header.id: self._entry(project, one) for one in shelf.listed}

    @staticmethod
    def _entry(project: str, one: Listed) -> Entry:
        row = Row(one.row)
        return Entry(records.contract_head(row, project), one, row.derived("total_payments"))

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


class Commitments(Contracts):
    """Subcontracts and purchase orders: two lists, sorted one after the other."""

    entity = "commitments"
    takes_ids = True

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._positions: dict[str, dict[str, int]] = {}

    def kinds(self) -> Mapping[str, str]:
        return CONTRACTS

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for kind, name in CONTRACTS.items():
            extra = self._lists.ids_filter(name, ids) if ids else ()
            yield from ((kind, row) for row in self._lists.all(name, project=project, extra=extra))

    def contents(self, project: str, one: Listed) -> tuple[Raw, Sequence[Any]]:
        lines = self._lists.all(lines_of(one.group).name, project=project, parent=one.header.id)
        self._positions[one.header.id] = {row_id(row): row["position"] for row in lines if _positioned(row)}
        return one.row, lines

    def positions(self, project: str, one: Listed) -> dict[str, int]:
        """Line id -> position in the schedule of values of a contract."""
        if one.header.id not in self._positions:
            self.contents(project, one)
        return self._positions[one.header.id]

    def build(self, row: Row, project: str, group: str, lines: Iterable[Any]) -> Commitment:
        return records.commitment(row, self._desk.system, cast(Kind, group), project, lines)


class PrimeContracts(Contracts):
    """The list lacks their payments, so that each is shown; and only the list has ``origin_code``."""

    entity = "prime_contracts"

    def contents(self, project: str, one: Listed) -> tuple[Raw, Sequence[Any]] | None:
        shown = self._lists.show_or_none(self.resource, one.header.id, project=project)
        if shown is None:
            return None
        lines = shown.get("line_items")
        if not isinstance(lines, list):
            lines = self._lists.all("prime_contract_lines", project=project, parent=one.header.id)
        return {**one.row, **shown}, lines

    def build(self, row: Row, project: str, group: str, lines: Iterable[Any]) -> PrimeContract:
        return records.prime_contract(row, self._desk.system, project, lines)


def _positioned(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("position"), int)
