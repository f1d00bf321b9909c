"""Payments issued and received: one list per contract, without filters (docs/procore-contract.md 6.3)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from include.financials.entities.payments import PaymentIssued, PaymentReceived
from include.financials.exceptions import RetryLater
from include.financials.port import NO_ID, Header, Invalid, Item, Page, Window
from include.financials.statuses import NOT_AGREED
from include.procore import payloads
from include.procore.building import Contract, currency
from include.procore.entity import Also, Desk, Plan, ProcoreEntity, Write
from include.procore.exceptions import OddReply
from include.procore.lists import row_id
from include.procore.parse import Row, common, is_number
from include.procore.reading.base import ROW_PAGE, Built, Documents, Listed, header_of, put
from include.procore.reading.contracts import Book, Entry, contracts
from include.procore.resources import Resource
from include.procore.shown import PAYMENT
from include.procore.writing import plans
from include.procore.writing.once import Once

PAYMENTS = Resource(
    "contract_payments",
    docs="6.3",
    list="/rest/v1.0/contract_payments",
    show="/rest/v1.0/contract_payments/{id}",
    project="query",
    contract="query",
    wrapper="contract_payment",
    create="/rest/v1.0/contract_payments",
    update="/rest/v1.0/contract_payments/{id}",
    write_scope=("project", "contract"),
    lock="origin_id",
    events=("Contract Payments",),
    of_place=True,
)
RESOURCES = (PAYMENTS,)

# -- building -----------------------------------------------------------------------------------------------------------------


def payment_issued(row: Row, system: str, contract: Contract) -> PaymentIssued:
    return PaymentIssued(**_payment(row, system, contract), commitment=contract.id, invoice=row.id("requisition_id"))


def payment_received(row: Row, system: str, contract: Contract) -> PaymentReceived:
    """It names its owner invoice by ``draw_request_number`` only."""
    return PaymentReceived(
        **_payment(row, system, contract),
        prime_contract=contract.id,
        invoice=None,
        draw_number=row.whole_or_none("draw_request_number"),
    )


def payment_number(row: Row) -> str:
    number = row.whole_or_none("payment_number")
    return row.text("check_number") or (str(number) if number is not None else row.required_id())


def _payment(row: Row, system: str, contract: Contract) -> dict[str, Any]:
    """``status`` is free text and tells nothing (docs/procore-contract.md 10.18); how it was paid cannot be read back (6.3)."""
    number, invoice = payment_number(row), row.text("invoice_number")
    return {
        **common(row, system),
        "number": f"{number}/{invoice}" if invoice else number,
        "project": contract.project,
        "payment_number": number,
        "pay_date": row.day("date"),
        "currency": currency(row) or contract.currency,
        "invoice_number": invoice,
        "amount": row.money("amount"),
    }


# -- reading ------------------------------------------------------------------------------------------------------------------


class Payments(Documents):
    """A call per contract: a read asks all that may have payments. A sum of zero is no proof of none: one check that clears two
    invoices may add up to it. Only what was never agreed on and shows no sum is left out; a sweep of the keys, and a payment not
    found otherwise, ask that as well."""

    page_size = ROW_PAGE
    contract: ClassVar[str]
    contracts: ClassVar[str]
    """What a payment names its contract as, and the entity of these contracts."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._contracts = contracts(desk, self.contracts)
        self._books: dict[str, Book] = {}
        self._unnamed: set[str] = set()
        """Projects with payments whose id cannot be read."""

    def known(self, given: Sequence[Any]) -> Mapping[str, str | None]:
        """Its list is its contract's, given last."""
        return {self.contract: str(given[-1])}

    @abstractmethod
    def build(self, row: Row, contract: Contract) -> PaymentIssued | PaymentReceived: ...

    def prepare(self, project: str) -> None:
        self._books[project] = self._contracts.book(project, self.row.name)

    def header(self, row: Row, project: str, group: str) -> Header:
        return header_of(self._build(row, project, group), project)

    def _build(self, row: Row, project: str, contract: str) -> PaymentIssued | PaymentReceived:
        entry = self._books[project][contract]
        if isinstance(entry, Invalid):
            raise row.misfit("contract_id", f"cannot be read: {entry.field} {entry.message}", self._contracts.row.name)
        return self.build(row, entry.contract)

    def _read_project(self, project: str, window: Window, after: Sequence[str] | None, also: Also) -> Iterator[Page]:
        """Contract after contract, each a call: where the call budget ends, the next try goes on with the one that is due."""
        self.prepare(project)
        page, done = Page([]), None
        for contract in sorted((ident for ident, entry in self._books[project].items() if _paid(entry)), key=int):
            if after is not None and int(contract) <= int(after[0]):
                continue
            try:
                rows = self._rows(project, contract)
            except RetryLater:
                if done is not None:
                    page.cursor = {"after": [done, "0"]}
                    yield page
                raise
            except OddReply as error:
                put(page, self._unread(project, contract, error))
                continue
            for row in rows:
                built = self.fit(row, project, self._build, project, contract)
                if (
                    isinstance(built, Invalid)
                    or window.covers(built.updated_at)
                    or (also is not None and also(header_of(built, project)))
                ):
                    put(page, built)
            done = contract
        yield page

    def _unread(self, project: str, contract: str, error: OddReply) -> Invalid:
        """The payments of a contract that answers what nobody can read: they are there, each may be any payment on it."""
        told = {"project": project, self.contract: contract}
        entry = self._books[project][contract]
        named = entry.number if isinstance(entry, Invalid) else entry.contract.number
        return Invalid(self.row.name, f"{NO_ID}{contract}", f"of {named}", error.field, error.message, project, shown=told)

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Of the contracts with payments; of the others too as long as one of ``ids`` was not among them."""
        missing = set(ids)
        for paid in (True, False) if ids else (True,):
            for contract, entry in self._books[project].items():
                if _paid(entry) is paid and (paid or missing):
                    for row in self._rows(project, contract):
                        missing.discard(row_id(row))
                        yield contract, row

    def _rows(self, project: str, contract: str) -> list[Any]:
        rows = self._lists.all(self.resource, project=project, parent=contract)
        if not all(isinstance(row, dict) and is_number(row.get("id")) for row in rows):
            self._unnamed.add(project)
        return rows

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        for one in chosen:
            yield self.fit(one.row, project, self._build, project, one.group)

    def find(self, project: str, ident: str) -> None:
        """Nothing more to ask: the lists of all contracts were read for it. It may be one that they show without an id."""
        if project in self._unnamed:
            raise OddReply(f"GET {self.resource.list}", "shows payments without an id")

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._lists.project_ids(scopes):
            self.prepare(project)
            for contract, entry in self._books[project].items():
                if isinstance(entry, Invalid) or not entry.listed.header.deleted:
                    yield from (row_id(row) for row in self._rows(project, contract) if isinstance(row, dict))


class PaymentsIssued(Payments):
    contract, contracts = "commitment", "commitments"

    def build(self, row: Row, contract: Contract) -> PaymentIssued:
        return payment_issued(row, self._desk.system, contract)


class PaymentsReceived(Payments):
    contract, contracts = "prime_contract", "prime_contracts"

    def build(self, row: Row, contract: Contract) -> PaymentReceived:
        return payment_received(row, self._desk.system, contract)


def _paid(entry: Entry | Invalid) -> bool:
    """Whether a contract may have payments; one whose figures we do not have is asked."""
    if isinstance(entry, Invalid):
        return True
    header = entry.listed.header
    return not header.deleted and (entry.payments != 0 or header.status not in NOT_AGREED)


# -- writing ------------------------------------------------------------------------------------------------------------------


def _payment_of(item: Item, invoice: payloads.Attributes) -> payloads.Attributes:
    """A payment, complete, with its external ids."""
    record: Any = item.record
    return payloads.known(
        {
            **payloads.day("pay_date", "date")(item),
            "amount": payloads.as_text(record.amount),
            "check_number": record.payment_number,
            "payment_method": record.method,
            "invoice_number": record.invoice_number,
            **invoice,
            **payloads.external(item),
        }
    )


def _new_issued(item: Item) -> payloads.Attributes:
    return _payment_of(item, payloads.party("invoice", "requisition_id")(item))


def _new_received(item: Item) -> payloads.Attributes:
    """It names its invoice by the number of the draw, for which there is no id field (docs/procore-contract.md 6.3)."""
    return _payment_of(item, payloads.same("draw_number", "draw_request_number")(item))


def _writes(new: payloads.Build, contract: str) -> Plan:
    """Header and external id in one request: a payment has no lines that would have to be there before the external id locks it,
    and a request that does all is either there as a whole or not at all. It takes no second one to find out which."""
    create = Once(PAYMENTS, new, contract=contract)
    return {
        "create": (Write("payment", create, plans.CREATED, batch=1, keyless=True),),
        **plans.linked(PAYMENTS, contract=contract),
        "final": (plans.noted(PAYMENTS, contract),),
    }


ENTITIES = (
    ProcoreEntity(
        "payments_issued",
        resources=(PAYMENTS,),
        names=("check_number", "payment_number"),
        reader=PaymentsIssued,
        shown={**PAYMENT, "commitment": ("contract_id",), "invoice": ("requisition_id",)},
        writes=_writes(_new_issued, "commitment"),
    ),
    ProcoreEntity(
        "payments_received",
        resources=(PAYMENTS,),
        names=("check_number", "payment_number"),
        reader=PaymentsReceived,
        shown={**PAYMENT, "prime_contract": ("contract_id",), "draw_number": ("draw_request_number",)},
        writes=_writes(_new_received, "prime_contract"),
    ),
)
