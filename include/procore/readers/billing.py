"""Subcontractor invoices and owner invoices (docs/procore-contract.md 6.2, 6.5; the arithmetic: docs/domain-rules.md 3).

What an invoice holds and releases follows from the materials stored in the one before, so each is read with its predecessor.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from include.financials.billing import BillingItem
from include.financials.entities.invoices import OwnerInvoice, SubcontractorInvoice
from include.financials.port import Header, Invalid, Window
from include.procore import records
from include.procore.lists import Raw, row_id
from include.procore.parse import Row
from include.procore.readers.base import HIDDEN, ROW_PAGE, Built, Desk, Documents, Listed
from include.procore.readers.contracts import Book, Contracts
from include.procore.records import CHANGE_ITEM, Contract, item_key


class Invoices(Documents):
    names = ("invoice_number", "number")
    page_size = ROW_PAGE

    def __init__(self, desk: Desk, contracts: Contracts) -> None:
        super().__init__(desk)
        self._contracts = contracts
        self._books: dict[str, Book] = {}

    @abstractmethod
    def contract_id(self, row: Row) -> str: ...

    def prepare(self, project: str) -> None:
        self._books[project] = self._contracts.book(project, self.entity)

    def header(self, row: Row, project: str, group: str) -> Header:
        """``amount`` stays open: the gross of an invoice is in no list, it follows from its items."""
        return Header(
            id=row.required_id(),
            number=records.invoice_number(self.contract(row, project), row),
            scope=project,
            status=row.text("status"),
            updated_at=row.moment("updated_at"),
            origin_id=row.text("origin_id"),
            deleted=row.moment("deleted_at") is not None,
        )

    def contract(self, row: Row, project: str) -> Contract:
        ident = self.contract_id(row)
        entry = self._books[project].get(ident) or self._contracts.asked(project, ident)
        if entry is None:
            raise row.misfit("contract", HIDDEN, self._contracts.entity)
        if isinstance(entry, Invalid):
            raise row.misfit("contract", f"cannot be read: {entry.field} {entry.message}", self._contracts.entity)
        return entry.contract


class SubcontractorInvoices(Invoices):
    """Requisitions with their items in one list; what it lacks is the change order of an item.

    With its items it is the one heavy list, and its headers tell no amount: those outside the window are not listed.
    """

    entity = "subcontractor_invoices"
    light = False

    def __init__(self, desk: Desk, contracts: Contracts) -> None:
        super().__init__(desk, contracts)
        self._packages: dict[str, str] = {}
        """Line of a change order -> its package: a line never moves, so what one invoice told holds for the others."""

    def contract_id(self, row: Row) -> str:
        return row.required_id("commitment_id")

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        rows = {one.header.id: one.row for one in chosen}
        before = {str(row["previous_requisition_id"]) for row in rows.values() if row.get("previous_requisition_id")}
        rows |= self._lists.by_ids(self.resource, sorted(before - rows.keys()), project=project)
        of_contract: dict[str, list[Raw]] = defaultdict(list)
        for row in rows.values():
            of_contract[str(row.get("commitment_id"))].append(row)
        for one in chosen:
            # Contract by contract: where the call budget ends, what was read so far counts.
            self._learn_packages(project, of_contract.pop(str(one.row.get("commitment_id")), ()))
            yield self.fit(one.row, project, self._build, project, rows)

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        """Without their items, which make the list the heavy one: one call per 100 invoices of a project."""
        for project in self._lists.project_ids(scopes):
            rows = self._lists.objects(self.resource, project=project, extra=[("view", "default")])
            yield from (row_id(row) for row in rows if not row.get("deleted_at"))

    def _build(self, row: Row, project: str, rows: Mapping[str, Raw]) -> SubcontractorInvoice:
        contract = self.contract(row, project)
        items = records.billing_items(row, "items", self._packages)
        return records.subcontractor_invoice(row, self._desk.system, contract, items, self._before(row, rows))

    def _before(self, row: Row, rows: Mapping[str, Raw]) -> Sequence[BillingItem]:
        previous = row.id("previous_requisition_id")
        if previous is None:
            return ()
        if previous not in rows:
            raise row.misfit("previous_requisition_id", f"names the invoice {previous}, which cannot be read")
        return records.billing_items(Row(rows[previous], "previous_requisition."), "items", self._packages)

    def _learn_packages(self, project: str, rows: Iterable[Raw]) -> None:
        """Latest invoices first: they bill the change orders of the earlier ones too, which then need no call."""
        for row in sorted(rows, key=_sequence, reverse=True):
            if all(self._told(item) for item in _change_items(row)):
                continue
            for item in self._lists.objects("requisition_change_items", project=project, parent=row_id(row)):
                package = item.get("change_order_package_id")
                if package is not None:
                    self._packages[item_key(row_id(item))] = str(package)
                    if item.get("line_item_id") is not None:
                        self._packages[str(item["line_item_id"])] = str(package)

    def _told(self, item: Raw) -> bool:
        return item.get("change_order_package_id") is not None or str(item.get("line_item_id")) in self._packages


class OwnerInvoices(Invoices):
    """Payment applications. Their list is read in full: it has no filters, and each needs its predecessor."""

    entity = "owner_invoices"

    def __init__(self, desk: Desk, contracts: Contracts) -> None:
        super().__init__(desk, contracts)
        self._listed: dict[str, list[Raw]] = {}

    def contract_id(self, row: Row) -> str:
        contract = row.child("contract")
        return contract.required_id() if contract else row.required_id("contract_id")

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        rows = self._lists.all(self.resource, project=project)
        self._listed[project] = [row for row in rows if isinstance(row, dict)]
        return (("", row) for row in rows)

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        series: dict[str, list[Raw]] = defaultdict(list)
        for row in sorted(self._listed[project], key=_sequence):
            series[_contract(row)].append(row)
        full: dict[str, Raw | None] = {}
        for one in chosen:
            earlier = [row for row in series[_contract(one.row)] if _sequence(row) < _sequence(one.row)]
            pair = [row_id(row) for row in (one.row, *earlier[-1:])]
            for row in (one.row, *earlier[-1:]):
                if row_id(row) not in full:
                    full[row_id(row)] = self._full(project, row)
            shown, before = full[pair[0]], full[pair[1]] if earlier else None
            previous = pair[1] if earlier else None
            yield None if shown is None else self.fit(shown, project, self._build, project, previous, before)

    def _full(self, project: str, row: Raw) -> Raw | None:
        """A list row may lack the G703."""
        return row if row.get("g703") is not None else self._lists.show_or_none(self.resource, row_id(row), project=project)

    def _build(self, row: Row, project: str, previous: str | None, before: Raw | None) -> OwnerInvoice:
        contract = self.contract(row, project)
        items = records.billing_items(row, "g703", {})
        earlier = records.billing_items(Row(before, "previous."), "g703", {}) if previous else ()
        return records.owner_invoice(row, self._desk.system, contract, items, earlier, previous)


def _change_items(row: Raw) -> Iterator[Raw]:
    items = row.get("items")
    return (item for item in items if isinstance(item, dict) and item.get("item_type") == CHANGE_ITEM) if items else iter(())


def _contract(row: Raw) -> str:
    contract = row.get("contract")
    return row_id(contract) if isinstance(contract, dict) else str(row.get("contract_id"))


def _sequence(row: Raw) -> int:
    """Number of an invoice within its contract; an odd one is the record's own misfit, found when it is built."""
    number = row.get("number")
    return number if isinstance(number, int) else 0
