"""Payments issued and received: one list per contract, without filters (docs/procore-contract.md 6.3)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from include.financials.entities.payments import PaymentIssued, PaymentReceived
from include.financials.exceptions import RetryLater
from include.financials.port import Header, Invalid, Page, Window
from include.financials.statuses import NOT_AGREED
from include.procore import records
from include.procore.lists import row_id
from include.procore.parse import Row
from include.procore.readers.base import ROW_PAGE, Also, Built, Desk, Documents, Listed, header_of, put
from include.procore.readers.contracts import Book, Contracts, Entry
from include.procore.records import Contract


class Payments(Documents):
    """A call per contract: a read asks all that may have payments. A sum of zero is no proof of none: one check that clears two
    invoices may add up to it. Only what was never agreed on and shows no sum is left out; a sweep of the keys, and a payment not
    found otherwise, ask that as well."""

    names = ("check_number", "payment_number")
    page_size = ROW_PAGE

    def __init__(self, desk: Desk, contracts: Contracts) -> None:
        super().__init__(desk)
        self._contracts = contracts
        self._books: dict[str, Book] = {}

    contract: ClassVar[str]

    def known(self, given: Sequence[Any]) -> Mapping[str, str | None]:
        """Its list is its contract's, given last."""
        return {self.contract: str(given[-1])}

    @abstractmethod
    def build(self, row: Row, contract: Contract) -> PaymentIssued | PaymentReceived: ...

    def prepare(self, project: str) -> None:
        self._books[project] = self._contracts.book(project, self.entity)

    def header(self, row: Row, project: str, group: str) -> Header:
        return header_of(self._build(row, project, group), project)

    def _build(self, row: Row, project: str, contract: str) -> PaymentIssued | PaymentReceived:
        entry = self._books[project][contract]
        if isinstance(entry, Invalid):
            raise row.misfit("contract_id", f"cannot be read: {entry.field} {entry.message}", self._contracts.entity)
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
        return self._lists.all(self.resource, project=project, parent=contract)

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        for one in chosen:
            yield self.fit(one.row, project, self._build, project, one.group)

    def find(self, project: str, ident: str) -> None:
        """Nothing more to ask: the lists of all contracts were read for it."""

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._lists.project_ids(scopes):
            self.prepare(project)
            for contract, entry in self._books[project].items():
                if isinstance(entry, Invalid) or not entry.listed.header.deleted:
                    yield from (row_id(row) for row in self._rows(project, contract) if isinstance(row, dict))


class PaymentsIssued(Payments):
    entity = "payments_issued"
    contract = "commitment"

    def build(self, row: Row, contract: Contract) -> PaymentIssued:
        return records.payment_issued(row, self._desk.system, contract)


class PaymentsReceived(Payments):
    entity = "payments_received"
    contract = "prime_contract"

    def build(self, row: Row, contract: Contract) -> PaymentReceived:
        return records.payment_received(row, self._desk.system, contract)


def _paid(entry: Entry | Invalid) -> bool:
    """Whether a contract may have payments; one whose figures we do not have is asked."""
    if isinstance(entry, Invalid):
        return True
    header = entry.listed.header
    return not header.deleted and (entry.payments != 0 or header.status not in NOT_AGREED)
