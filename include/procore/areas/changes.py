"""Change orders of commitments and of prime contracts (docs/procore-contract.md 5.3), and change events (5.4).

Their packages carry the external ids, and come in one list for both kinds of contract; the contract tells them apart. What a line
of a commitment's change order changes stands in a newer resource only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from include.financials.entities.changes import ChangeEvent, ChangeLine, CommitmentChangeOrder, PrimeChangeOrder
from include.financials.money import ZERO, to_cents, total
from include.financials.port import Header, Invalid, Window
from include.procore import payloads
from include.procore.building import Contract, currency, document_number, line_fields
from include.procore.entity import Desk, Plan, ProcoreEntity
from include.procore.exceptions import OddReply
from include.procore.lists import Extra, Raw, row_id
from include.procore.parse import Row, common
from include.procore.reading.base import HIDDEN, ROW_PAGE, Built, Documents, Listed
from include.procore.reading.contracts import Book, Entry, contracts
from include.procore.resources import Resource
from include.procore.shown import CHANGE
from include.procore.writing import plans

PACKAGES = Resource(
    "change_order_packages",
    docs="5.3",
    list="/rest/v1.0/change_order_packages",
    show="/rest/v1.0/change_order_packages/{id}",
    project="query",
    wrapper="change_order",
    params={"filters[include_deleted]": "with"},
    filters=frozenset(
        {
            "id",
            "created_at",
            "updated_at",
            "reviewed_at",
            "due_date",
            "include_deleted",
            "invoiced_date",
            "paid_date",
            "signed_change_order_received_date",
        }
    ),
    create="/rest/v1.0/change_order_packages",
    update="/rest/v1.0/change_order_packages/{id}",
    write_scope=("project",),
    origin_code="patch",
    lock="status",
    web="/{project}/project/change_orders/change_order_packages/{id}",
    events=("Change Order Packages", "Change Order Requests", "Potential Change Orders", "Potential Change Order Line Items"),
)
NEWER = Resource(
    "commitment_change_orders",
    docs="5.3",
    list="/rest/v1.0/projects/{project}/commitment_change_orders",
    show="/rest/v1.0/projects/{project}/commitment_change_orders/{id}",
    project="path",
    per_page=0,
    filters=frozenset({"id", "legacy_package_id", "contract_id", "vendor_id", "status", "executed", "updated_at"}),
    origin_id=False,
    lock="status",
)
NEWER_LINES = Resource(
    "commitment_change_order_lines",
    docs="5.3",
    list="/rest/v2.0/companies/{company}/projects/{project}/commitment_change_orders/{parent}/line_items",
    company="path",
    project="path",
    per_page=100,
    origin_id=False,
    lock="status",
)
EVENTS = Resource(
    "change_events",
    docs="5.4",
    list="/rest/v1.1/change_events",
    project="query",
    params={"filters[include_deleted]": "with"},
    filters=frozenset({"created_at", "updated_at", "include_deleted"}),
    web="/{project}/project/change_events/{id}",
    events=("Change Events",),
)
RESOURCES = (PACKAGES, NEWER, NEWER_LINES, EVENTS)

PRIME = "PrimeContractChangeOrder"
"""``type`` of a package of a prime contract, as it shows itself; a list row has none."""

# -- building -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Partners:
    """What the newer resource adds to a change order's lines: its own row of each, and the contract's lines by id."""

    lines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)


def change_number(contract: Contract, row: Row) -> str:
    """Number of contract and change (``104-SC-003/001``)."""
    return f"{contract.number}/{document_number(row)}"


def commitment_change(row: Row, system: str, contract: Contract, partners: Partners) -> CommitmentChangeOrder:
    return CommitmentChangeOrder(**_change(row, system, contract, partners), commitment=contract.id)


def prime_change(row: Row, system: str, contract: Contract, partners: Partners) -> PrimeChangeOrder:
    change = _change(row, system, contract, partners)
    plain = total(line.amount for line in change["lines"])
    entries = (entry for parent in row.children("line_items") for entry in parent.children("markup_line_items"))
    # Procore keeps the parts of a mark-up unrounded and rounds what they add up to, once.
    parts = total(entry.decimal("amount", None) or ZERO for entry in entries)
    return PrimeChangeOrder(**change, prime_contract=contract.id, markup=to_cents(plain + parts) - plain)


def _change(row: Row, system: str, contract: Contract, partners: Partners) -> dict[str, Any]:
    lines = [_change_line(entry, partners) for entry in row.children("line_items")]
    if len({found.position for found in lines}) < len(lines):
        # Lines of several potential changes in one package: each counts its own from 1.
        lines = [found.model_copy(update={"position": index}) for index, found in enumerate(lines, 1)]
    return {
        **common(row, system),
        "number": change_number(contract, row),
        "change_number": document_number(row),
        "project": contract.project,
        "title": row.text("title"),
        "status": row.required("status"),
        "currency": currency(row) or contract.currency,
        "change_date": row.day("reviewed_at"),
        "amount": row.money("grand_total"),
        "lines": tuple(sorted(lines, key=lambda found: found.position)),
    }


def _change_line(row: Row, partners: Partners) -> ChangeLine:
    """Of a line without a partner of its id in the newer resource (of prime contracts there is none) Procore does not tell what
    it changes."""
    fields = line_fields(row)
    partner = partners.lines.get(fields["id"])
    if partner is None:
        return ChangeLine(**fields, line_told=False)
    more = Row(partner, "commitment_change_order.")
    fields["extended_type"] = more.choice("extended_type", ("manual", "calculated"), fields["extended_type"])
    fields["tax_code"] = more.id("tax_code_id") or fields["tax_code"]
    changes = more.id("commitment_line_item_id")
    if changes is not None and changes not in partners.positions:
        raise row.misfit("commitment_line_item_id", f"{changes} is no line of the contract's schedule of values")
    return ChangeLine(**fields, line=partners.positions[changes] if changes is not None else None)


def change_event(row: Row, system: str, project: str) -> ChangeEvent:
    """The external ids lie in ``external_data``; ``event_origin.origin_id`` is the Procore record that it came from."""
    status, kind, reason = row.child("status"), row.child("change_type"), row.child("change_reason")
    external = row.child("external_data") or Row({})
    return ChangeEvent(
        **common(Row({**row.data, **external.data}), system),
        number=document_number(row),
        project=project,
        title=row.text("title"),
        status=(status or Row({}, "status.")).required("mapped_to_status"),
        change_type=kind.text("name") if kind else None,
        change_reason=reason.text("change_reason") if reason else None,
    )


# -- reading ------------------------------------------------------------------------------------------------------------------


class Packages:
    """The packages of the projects as listed. Both entities share a list; each uses a copy once, and then looks again."""

    def __init__(self, desk: Desk) -> None:
        self._lists = desk.lists
        self._copies: dict[tuple[str, Extra], tuple[list[Any], set[str]]] = {}

    def rows(self, project: str, extra: Extra, taker: str) -> list[Any]:
        key = project, tuple(extra)
        rows, takers = self._copies.get(key, ([], {taker}))
        if taker in takers:
            rows, takers = self._copies[key] = self._lists.all(PACKAGES, project=project, extra=extra), set()
        takers.add(taker)
        return rows


class ChangeOrders(Documents):
    """``own`` names the contracts of this kind, ``others`` those of the other kind."""

    prime: ClassVar[bool]
    contract: ClassVar[str]
    own: ClassVar[str]
    others: ClassVar[str]

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._packages = desk.one(Packages)
        self._own = contracts(desk, self.own)
        self._others = contracts(desk, self.others)
        self._books: dict[str, Book] = {}
        self._foreign: dict[str, frozenset[str]] = {}
        """Contracts of the other kind; listed only where a package names none of this kind."""

    @abstractmethod
    def build(self, row: Row, entry: Entry, partners: Partners) -> CommitmentChangeOrder | PrimeChangeOrder: ...

    @abstractmethod
    def partners(self, project: str, chosen: Sequence[Listed]) -> Callable[[Raw, Entry], Partners]: ...

    def prepare(self, project: str) -> None:
        self._books[project] = self._own.book(project, self.row.name)
        self._foreign.pop(project, None)

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        return (("", row) for row in self._packages.rows(project, self.filters(window, ids), self.row.name))

    def header(self, row: Row, project: str, group: str) -> Header | None:
        entry = self._entry(row, project)
        if entry is None:
            return None
        return Header(
            id=row.required_id(),
            number=change_number(entry.contract, row),
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
            raise row.misfit("contract_id", f"cannot be read: {entry.field} {entry.message}", self._own.row.name)
        if entry is not None or ident in self._others_of(project) or row.get("deleted_at"):
            return entry
        shown = self._lists.show_or_none(self.resource, row.required_id(), project=project) or {}
        if (shown.get("type") == PRIME) is not self.prime:
            return None
        entry = self._own.asked(project, ident)
        if entry is None:
            raise row.misfit("contract_id", HIDDEN, self._own.row.name)
        self._books[project][ident] = entry
        return entry

    def _others_of(self, project: str) -> frozenset[str]:
        if project not in self._foreign:
            self._foreign[project] = self._others.ids(project, self.row.name)
        return self._foreign[project]

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        partners = self.partners(project, chosen)
        for one in chosen:
            # The lines of a deleted package are hidden with it.
            try:
                row = one.row if one.header.deleted else self._lists.show_or_none(self.resource, one.header.id, project=project)
            except OddReply as error:
                yield self.unread(one, project, error)
                continue
            yield None if row is None else self._built(row, project, partners)

    def _built(self, row: Raw, project: str, partners: Callable[[Raw, Entry], Partners]) -> Built:
        entry = self._books[project][str(row.get("contract_id"))]
        if isinstance(entry, Invalid):
            return entry
        return self.fit(row, project, lambda found: self.build(found, entry, partners(row, entry)))


class CommitmentChangeOrders(ChangeOrders):
    prime = False
    contract = "commitment"
    own, others = "commitments", "prime_contracts"

    def build(self, row: Row, entry: Entry, partners: Partners) -> CommitmentChangeOrder:
        return commitment_change(row, self._desk.system, entry.contract, partners)

    def partners(self, project: str, chosen: Sequence[Listed]) -> Callable[[Raw, Entry], Partners]:
        """The newer resource's ids by package: one list for the project, where any of the chosen may have lines."""
        needed = any(not one.header.deleted for one in chosen)
        newer = {
            str(row.get("legacy_package_id")): row_id(row)
            for row in (self._lists.parts(NEWER, project=project) if needed else ())
        }

        def of(package: Raw, entry: Entry) -> Partners:
            ident = newer.get(row_id(package))
            if ident is None or package.get("deleted_at"):
                return Partners()
            lines = {row_id(row): row for row in self._lists.parts(NEWER_LINES, project=project, parent=ident)}
            changes = any(row.get("commitment_line_item_id") for row in lines.values())
            return Partners(lines, self._own.positions(project, entry.listed) if changes else {})

        return of


class PrimeChangeOrders(ChangeOrders):
    prime = True
    contract = "prime_contract"
    own, others = "prime_contracts", "commitments"

    def build(self, row: Row, entry: Entry, partners: Partners) -> PrimeChangeOrder:
        return prime_change(row, self._desk.system, entry.contract, partners)

    def partners(self, project: str, chosen: Sequence[Listed]) -> Callable[[Raw, Entry], Partners]:
        return lambda row, entry: Partners()


class ChangeEvents(Documents):
    """Its rows hold all its items, so the list is asked for those of the window."""

    page_size = ROW_PAGE
    light = False

    def header(self, row: Row, project: str, group: str) -> Header:
        return Header(row.required_id(), document_number(row), project, updated_at=row.moment("updated_at"))

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        return (self.fit(one.row, project, change_event, self._desk.system, project) for one in chosen)


_WRITES: Plan = {**plans.linked(PACKAGES, payloads.external_numbered), "final": (plans.noted(PACKAGES),)}

ENTITIES = (
    ProcoreEntity(
        "commitment_change_orders",
        resources=(PACKAGES,),
        names=("number", "title"),
        reader=CommitmentChangeOrders,
        shown={**CHANGE, "commitment": ("contract_id",)},
        lists_all=True,
        writes=_WRITES,
    ),
    ProcoreEntity(
        "prime_change_orders",
        resources=(PACKAGES,),
        names=("number", "title"),
        reader=PrimeChangeOrders,
        shown={**CHANGE, "prime_contract": ("contract_id",)},
        lists_all=True,
        writes=_WRITES,
    ),
    ProcoreEntity(
        "change_events",
        resources=(EVENTS,),
        names=("number", "title"),
        reader=ChangeEvents,
        shown={"origin_id": ("external_data.origin_id",), "status": ("status.name",)},
    ),
)
