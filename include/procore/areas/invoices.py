"""Subcontractor invoices and owner invoices (docs/procore-contract.md 6.2, 6.5; the arithmetic: docs/domain-rules.md 3).

What an invoice holds and releases follows from the materials stored in the one before, so each is read with its predecessor.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from include.financials import billing
from include.financials.billing import BillingItem
from include.financials.entities.invoices import OwnerInvoice, SubcontractorInvoice
from include.financials.money import ZERO, total
from include.financials.port import Header, Invalid, Window
from include.procore.building import Contract, currency
from include.procore.entity import Desk, ProcoreEntity
from include.procore.exceptions import OddReply
from include.procore.lists import Raw, objects_of, row_id
from include.procore.parse import Row, common
from include.procore.reading.base import HIDDEN, ROW_PAGE, Built, Documents, Listed
from include.procore.reading.contracts import Book, contracts
from include.procore.resources import Resource
from include.procore.writing import plans

REQUISITIONS = Resource(
    "requisitions",
    docs="6.2",
    list="/rest/v1.1/requisitions",
    show="/rest/v1.1/requisitions/{id}",
    project="query",
    wrapper="requisition",
    per_page=100,
    params={"view": "items"},
    show_params={"view": "items"},
    filters=frozenset({"id", "commitment_id", "period_id", "status", "created_at", "updated_at", "origin_id", "is_last"}),
    update="/rest/v1.1/requisitions/{id}",
    write_scope=("project", "commitment"),
    permission="the permission Admin on the tool Commitments: Procore asks for it when an invoice is approved or not the "
    "latest of its commitment",
    lock="origin_id",
    web="/{project}/project/commitments/requisitions/{id}",
)
CHANGE_ITEMS = Resource(
    "requisition_change_items",
    docs="6.2",
    list="/rest/v1.0/requisitions/{parent}/change_order_items",
    project="query",
    filters=frozenset({"change_order_id"}),
    origin_id=False,
)
PAYMENT_APPLICATIONS = Resource(
    "payment_applications",
    docs="6.5",
    list="/rest/v1.0/payment_applications",
    show="/rest/v1.0/payment_applications/{id}",
    project="query",
    wrapper="payment_application",
    per_page=100,
    update="/rest/v1.0/prime_contracts/{parent}/payment_applications/{id}",
    write_scope=("project",),
    lock="origin_id",
    web="/{project}/project/prime_contracts/payment_applications/{id}",
    events=("Payment Applications",),
)
RESOURCES = (REQUISITIONS, CHANGE_ITEMS, PAYMENT_APPLICATIONS)

# -- building -----------------------------------------------------------------------------------------------------------------

_ITEM_MONEY = {
    "scheduled": "scheduled_value",
    "previous": "work_completed_from_previous_application",
    "work": "work_completed_this_period",
    "moved": "materials_moved",
    "stored": "materials_presently_stored",
    "retainage_previous": "work_completed_retainage_from_previous_application",
    "retainage_moved": "materials_retainage_retained_moved",
    "retainage_work": "work_completed_retainage_retained_this_period",
    "released": "work_completed_retainage_released_this_period",
    "retainage_stored": "materials_stored_retainage_currently_retained",
    "released_stored": "materials_stored_retainage_released_this_period",
}
_STATED = {
    "completed": "total_completed_and_stored_to_date",
    "retainage": "total_retainage",
    "certified": "less_previous_certificates_for_payment",
    "due_stated": "current_payment_due",
    "contract_sum": "contract_sum_to_date",
}
"""Field of an invoice -> figure of its G702, taken as stated: they are checked, never recomputed."""

CHANGE_ITEM = "change_order_item"


def billing_items(row: Row, name: str, packages: Mapping[str, str]) -> tuple[BillingItem, ...]:
    """G703 rows in the field ``name``; ``packages``: line of a change order -> its package, where these rows do not name it.

    Their integer ``origin_id`` is a Procore record, not an external id (docs/procore-contract.md 2.1): it is not read.
    """
    if row.get(name) is None:
        raise row.misfit(name, "is missing")
    return tuple(_billing_item(entry, index, packages) for index, entry in enumerate(row.children(name), 1))


def _billing_item(row: Row, index: int, packages: Mapping[str, str]) -> BillingItem:
    ident, source = row.required_id(), row.get("origin_type")
    # A g703 row may name what it came from by origin_type and an integer origin_id only: a Procore record, no external id (2.1).
    origin = row.id("origin_id") if source in ("LineItem", "ChangeOrderPackage") else None
    of_line = row.id("line_item_id") or (origin if source == "LineItem" else None)
    package = row.id("change_order_package_id") or (origin if source == "ChangeOrderPackage" else None)
    if package is None and row.get("item_type") == CHANGE_ITEM:
        package = packages.get(of_line or "") or packages.get(item_key(ident))
        if package is None:
            raise row.misfit("change_order_package_id", "is missing: the change order that it bills is not known")
    return BillingItem(
        id=ident,
        position=row.whole_or_none("position") or index,
        line=of_line,
        change_order=package,
        stored_previous=row.decimal("materials_presently_stored_from_previous_progress", 2),
        tax=total(tax.money("amount", ZERO) for tax in row.children("taxes")),
        **{name: row.money(raw, ZERO) for name, raw in _ITEM_MONEY.items()},
    )


def item_key(ident: str) -> str:
    """Key of a billing item among the keys of lines: a row for a whole change order has no line."""
    return f"item {ident}"


def subcontractor_invoice(
    row: Row, system: str, contract: Contract, items: Sequence[BillingItem], before: Sequence[BillingItem]
) -> SubcontractorInvoice:
    return SubcontractorInvoice(
        **_invoice(row, system, contract, items, before),
        previous=row.id("previous_requisition_id"),
        commitment=contract.id,
        vendor=row.id("vendor_id") or contract.party,
    )


def owner_invoice(
    row: Row, system: str, contract: Contract, items: Sequence[BillingItem], before: Sequence[BillingItem], previous: str | None
) -> OwnerInvoice:
    return OwnerInvoice(
        **_invoice(row, system, contract, items, before),
        previous=previous,
        prime_contract=contract.id,
        customer=contract.party,
    )


def invoice_number(contract: Contract, row: Row) -> str:
    """The vendor's own number; without one, that of the contract and the sequence (``104-SC-003-02``)."""
    return row.text("invoice_number") or f"{contract.number}-{row.whole('number'):02}"


def _invoice(
    row: Row, system: str, contract: Contract, items: Sequence[BillingItem], before: Sequence[BillingItem]
) -> dict[str, Any]:
    stated = row.child("summary") or row.child("g702")
    gross, held, released, tax = billing.totals(items, before)
    return {
        **common(row, system),
        "number": invoice_number(contract, row),
        "project": contract.project,
        "sequence": row.whole("number"),
        "status": row.required("status"),
        "currency": currency(row) or contract.currency,
        "billing_date": row.day("billing_date"),
        "amount": gross,
        "held": held,
        "released": released,
        "tax": tax,
        **{name: stated.decimal(raw, 2) if stated else None for name, raw in _STATED.items()},
        "items": tuple(items),
    }


# -- reading ------------------------------------------------------------------------------------------------------------------


class Invoices(Documents):
    page_size = ROW_PAGE
    contracts: ClassVar[str]
    """The entity of their contracts."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._contracts = contracts(desk, self.contracts)
        self._books: dict[str, Book] = {}

    @abstractmethod
    def contract_id(self, row: Row) -> str: ...

    def prepare(self, project: str) -> None:
        self._books[project] = self._contracts.book(project, self.row.name)

    def header(self, row: Row, project: str, group: str) -> Header:
        """``amount`` stays open: the gross of an invoice is in no list, it follows from its items."""
        return Header(
            id=row.required_id(),
            number=invoice_number(self.contract(row, project), row),
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
            raise row.misfit("contract", HIDDEN, self._contracts.row.name)
        if isinstance(entry, Invalid):
            raise row.misfit("contract", f"cannot be read: {entry.field} {entry.message}", self._contracts.row.name)
        return entry.contract


class SubcontractorInvoices(Invoices):
    """Requisitions with their items in one list; what it lacks is the change order of an item.

    With its items it is the one heavy list, and its headers tell no amount: those outside the window are not listed.
    """

    contracts = "commitments"
    light = False

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._packages: dict[str, str] = {}
        """Line of a change order -> its package: a line never moves, so what one invoice told holds for the others."""
        self._odd: dict[str, OddReply] = {}
        """Invoices that did not tell theirs."""

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
        if (error := self._odd.pop(row.required_id(), None)) is not None:
            raise error
        items = billing_items(row, "items", self._packages)
        return subcontractor_invoice(row, self._desk.system, contract, items, self._before(row, rows))

    def _before(self, row: Row, rows: Mapping[str, Raw]) -> Sequence[BillingItem]:
        previous = row.id("previous_requisition_id")
        if previous is None:
            return ()
        if previous not in rows:
            raise row.misfit("previous_requisition_id", f"names the invoice {previous}, which cannot be read")
        return billing_items(Row(rows[previous], "previous_requisition."), "items", self._packages)

    def _learn_packages(self, project: str, rows: Iterable[Raw]) -> None:
        """Latest invoices first: they bill the change orders of the earlier ones too, which then need no call."""
        for row in sorted(rows, key=_sequence, reverse=True):
            if all(self._told(item) for item in _change_items(row)):
                continue
            try:
                items = self._lists.parts(CHANGE_ITEMS, project=project, parent=row_id(row))
            except OddReply as error:
                self._odd[row_id(row)] = error
                continue
            for item in items:
                package = item.get("change_order_package_id")
                if package is not None:
                    self._packages[item_key(row_id(item))] = str(package)
                    if item.get("line_item_id") is not None:
                        self._packages[str(item["line_item_id"])] = str(package)

    def _told(self, item: Raw) -> bool:
        return item.get("change_order_package_id") is not None or str(item.get("line_item_id")) in self._packages


class OwnerInvoices(Invoices):
    """Payment applications. Their list is read in full: it has no filters, and each needs its predecessor."""

    contracts = "prime_contracts"

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
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
        full: dict[str, Raw | OddReply | None] = {}
        for one in chosen:
            earlier = [row for row in series[_contract(one.row)] if _sequence(row) < _sequence(one.row)]
            pair = [row_id(row) for row in (one.row, *earlier[-1:])]
            for row in (one.row, *earlier[-1:]):
                if row_id(row) not in full:
                    full[row_id(row)] = self._full(project, row)
            shown, before = full[pair[0]], full[pair[1]] if earlier else None
            previous = pair[1] if earlier else None
            if isinstance(shown, OddReply):
                yield self.unread(one, project, shown)
            else:
                yield None if shown is None else self.fit(shown, project, self._build, project, previous, before)

    def _full(self, project: str, row: Raw) -> Raw | OddReply | None:
        """A list row may lack the G703."""
        try:
            return row if row.get("g703") is not None else self._lists.show_or_none(self.resource, row_id(row), project=project)
        except OddReply as error:
            return error

    def _build(self, row: Row, project: str, previous: str | None, before: Raw | OddReply | None) -> OwnerInvoice:
        if isinstance(before, OddReply):
            raise before
        contract = self.contract(row, project)
        items = billing_items(row, "g703", {})
        earlier = billing_items(Row(before, "previous."), "g703", {}) if previous else ()
        return owner_invoice(row, self._desk.system, contract, items, earlier, previous)


def _change_items(row: Raw) -> Iterator[Raw]:
    return (item for item in objects_of(row.get("items")) if item.get("item_type") == CHANGE_ITEM)


def _contract(row: Raw) -> str:
    contract = row.get("contract")
    return row_id(contract) if isinstance(contract, dict) else str(row.get("contract_id"))


def _sequence(row: Raw) -> int:
    """Number of an invoice within its contract; an odd one is the record's own misfit, found when it is built."""
    number = row.get("number")
    return number if isinstance(number, int) else 0


# The external id locks an invoice, and these calls write nothing else.
ENTITIES = (
    ProcoreEntity(
        "subcontractor_invoices",
        resources=(REQUISITIONS,),
        names=("invoice_number", "number"),
        reader=SubcontractorInvoices,
        shown={
            "number": ("invoice_number",),
            "sequence": ("number",),
            "commitment": ("commitment_id",),
            "vendor": ("vendor_id",),
        },
        writes={**plans.linked(REQUISITIONS), "final": (plans.noted(REQUISITIONS),)},
    ),
    ProcoreEntity(
        "owner_invoices",
        resources=(PAYMENT_APPLICATIONS,),
        names=("invoice_number", "number"),
        reader=OwnerInvoices,
        shown={"number": ("invoice_number",), "sequence": ("number",), "prime_contract": ("contract.id", "contract_id")},
        lists_all=True,
        writes={
            **plans.linked(PAYMENT_APPLICATIONS, contract="prime_contract"),
            "final": (plans.noted(PAYMENT_APPLICATIONS, "prime_contract"),),
        },
    ),
)
