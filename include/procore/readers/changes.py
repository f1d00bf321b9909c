"""Change orders of commitments and of prime contracts (docs/procore-contract.md 5.3).

Their packages carry the external ids, and come in one list for both kinds of contract; the contract tells them apart. What a line
of a commitment's change order changes stands in a newer resource only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from include.financials.entities.changes import CommitmentChangeOrder, PrimeChangeOrder
from include.financials.port import Header, Invalid, Window
from include.procore import records
from include.procore.lists import Extra, Lists, Raw, row_id
from include.procore.parse import Row
from include.procore.readers.base import HIDDEN, Built, Desk, Documents, Listed
from include.procore.readers.contracts import Book, Commitments, Contracts, Entry
from include.procore.records import Partners

PRIME = "PrimeContractChangeOrder"
"""``type`` of a package of a prime contract, as it shows itself; a list row has none."""


class Packages:
    """The packages of the projects as listed. Both entities share a list; each uses a copy once, and then looks again."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._copies: dict[tuple[str, Extra], tuple[list[Any], set[str]]] = {}

    def rows(self, project: str, extra: Extra, taker: str) -> list[Any]:
        key = project, tuple(extra)
        rows, takers = self._copies.get(key, ([], {taker}))
        if taker in takers:
            rows, takers = self._copies[key] = self._lists.all("change_order_packages", project=project, extra=extra), set()
        takers.add(taker)
        return rows


class ChangeOrders(Documents):
    """``own`` are the contracts of this kind, ``others`` those of the other kind."""

    prime: ClassVar[bool]
    contract: ClassVar[str]

    def __init__(self, desk: Desk, packages: Packages, own: Contracts, others: Contracts) -> None:
        super().__init__(desk)
        self._packages = packages
        self._own = own
        self._others = others
        self._books: dict[str, Book] = {}
        self._foreign: dict[str, frozenset[str]] = {}
        """Contracts of the other kind; listed only where a package names none of this kind."""

    @abstractmethod
    def build(self, row: Row, entry: Entry, partners: Partners) -> CommitmentChangeOrder | PrimeChangeOrder: ...

    @abstractmethod
    def partners(self, project: str, chosen: Sequence[Listed]) -> Callable[[Raw, Entry], Partners]: ...

    def prepare(self, project: str) -> None:
        self._books[project] = self._own.book(project, self.entity)
        self._foreign.pop(project, None)

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        return (("", row) for row in self._packages.rows(project, self.filters(window, ids), self.entity))

    def header(self, row: Row, project: str, group: str) -> Header | None:
        entry = self._entry(row, project)
        if entry is None:
            return None
        return Header(
            id=row.required_id(),
            number=records.change_number(entry.contract, row),
            scope=project,
            status=row.text("status"),
            amount=row.told(row.money, "grand_total"),
            updated_at=row.moment("updated_at"),
            origin_id=row.text("origin_id"),
            deleted=row.moment("deleted_at") is not None,
            # A sum that does not fit has a line that does not: the change order is shown with its lines, and names it.
            odd=row.get("grand_total") not in (None, "") and row.told(row.money, "grand_total") is None,
        )

    MAY_HIDE = True

    def called(self, bad: Invalid, project: str) -> str:
        entry = self._books.get(project, {}).get(bad.shown.get(self.contract) or "")
        if entry is None:
            return bad.number
        return f"{entry.number if isinstance(entry, Invalid) else entry.contract.number}/{bad.number}"

    def _entry(self, row: Row, project: str) -> Entry | None:
        """The contract of a package, None for one of the other kind.

        :raises Misfit: its contract is in neither list, or does not fit itself.
        """
        ident = row.required_id("contract_id")
        entry = self._books[project].get(ident)
        if isinstance(entry, Invalid):
            raise row.misfit("contract_id", f"cannot be read: {entry.field} {entry.message}", self._own.entity)
        if entry is not None or ident in self._others_of(project) or row.get("deleted_at"):
            return entry
        shown = self._lists.show_or_none(self.resource, row.required_id(), project=project) or {}
        if (shown.get("type") == PRIME) is not self.prime:
            return None
        entry = self._own.asked(project, ident)
        if entry is None:
            raise row.misfit("contract_id", HIDDEN, self._own.entity)
        self._books[project][ident] = entry
        return entry

    def _others_of(self, project: str) -> frozenset[str]:
        if project not in self._foreign:
            self._foreign[project] = self._others.ids(project, self.entity)
        return self._foreign[project]

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        partners = self.partners(project, chosen)
        for one in chosen:
            # The lines of a deleted package are hidden with it.
            row = one.row if one.header.deleted else self._lists.show_or_none(self.resource, one.header.id, project=project)
            yield None if row is None else self._built(row, project, partners)

    def _built(self, row: Raw, project: str, partners: Callable[[Raw, Entry], Partners]) -> Built:
        entry = self._books[project][str(row.get("contract_id"))]
        if isinstance(entry, Invalid):
            return entry
        more = partners(row, entry)
        return self.fit(row, project, self.build, entry, more)


class CommitmentChangeOrders(ChangeOrders):
    entity = "commitment_change_orders"
    prime = False
    contract = "commitment"

    def __init__(self, desk: Desk, packages: Packages, own: Commitments, others: Contracts) -> None:
        super().__init__(desk, packages, own, others)
        self._commitments = own

    def build(self, row: Row, entry: Entry, partners: Partners) -> CommitmentChangeOrder:
        return records.commitment_change(row, self._desk.system, entry.contract, partners)

    def partners(self, project: str, chosen: Sequence[Listed]) -> Callable[[Raw, Entry], Partners]:
        """The newer resource's ids by package: one list for the project, where any of the chosen may have lines."""
        needed = any(not one.header.deleted for one in chosen)
        newer = {
            str(row.get("legacy_package_id")): row_id(row)
            for row in (self._lists.objects("commitment_change_orders", project=project) if needed else ())
        }

        def of(package: Raw, entry: Entry) -> Partners:
            ident = newer.get(row_id(package))
            if ident is None or package.get("deleted_at"):
                return Partners()
            lines = {
                row_id(row): row for row in self._lists.objects("commitment_change_order_lines", project=project, parent=ident)
            }
            changes = any(row.get("commitment_line_item_id") for row in lines.values())
            return Partners(lines, self._commitments.positions(project, entry.listed) if changes else {})

        return of


class PrimeChangeOrders(ChangeOrders):
    entity = "prime_change_orders"
    prime = True
    contract = "prime_contract"

    def build(self, row: Row, entry: Entry, partners: Partners) -> PrimeChangeOrder:
        return records.prime_change(row, self._desk.system, entry.contract, partners)

    def partners(self, project: str, chosen: Sequence[Listed]) -> Callable[[Raw, Entry], Partners]:
        return lambda row, entry: Partners()
