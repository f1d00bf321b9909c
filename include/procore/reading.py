"""Reading Procore: which reader reads which entity (docs/procore-contract.md 3 to 6). The readers are in ``readers``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.financials.exceptions import ContractBroken
from include.financials.port import Header, Page, Window
from include.procore.lists import Lists
from include.procore.readers import directory
from include.procore.readers.base import Also, Cursor, Desk, Documents, EntityReader
from include.procore.readers.billing import OwnerInvoices, SubcontractorInvoices
from include.procore.readers.budgets import BudgetChanges, Budgets
from include.procore.readers.changes import CommitmentChangeOrders, Packages, PrimeChangeOrders
from include.procore.readers.codes import CostCodes, SubJobs
from include.procore.readers.contracts import Commitments, PrimeContracts
from include.procore.readers.costs import DirectCosts
from include.procore.readers.payments import PaymentsIssued, PaymentsReceived
from include.procore.wbs import Wbs


class Reader:
    """All reads of the port. See :class:`include.procore.system.ProcoreSystem` for their contract."""

    def __init__(self, lists: Lists, wbs: Wbs, erp_system: str) -> None:
        self._desk = desk = Desk(lists, wbs, erp_system)
        self._directory = directory.Directory(desk)
        commitments, primes, packages = Commitments(desk), PrimeContracts(desk), Packages(lists)
        self._readers: dict[str, EntityReader] = {
            "vendors": directory.Parties(self._directory, "vendors"),
            "customers": directory.Parties(self._directory, "customers"),
            "vendor_insurances": directory.CompanyList(desk, "vendor_insurances"),
            "projects": directory.Projects(desk),
            "tax_codes": directory.CompanyList(desk, "tax_codes"),
            "cost_types": directory.CostTypes(desk),
            "sub_jobs": SubJobs(desk),
            "cost_codes": CostCodes(desk),
            "budgets": Budgets(desk),
            "budget_changes": BudgetChanges(desk),
            "direct_costs": DirectCosts(desk),
            "commitments": commitments,
            "commitment_change_orders": CommitmentChangeOrders(desk, packages, commitments, primes),
            "subcontractor_invoices": SubcontractorInvoices(desk, commitments),
            "payments_issued": PaymentsIssued(desk, commitments),
            "prime_contracts": primes,
            "prime_change_orders": PrimeChangeOrders(desk, packages, primes, commitments),
            "owner_invoices": OwnerInvoices(desk, primes),
            "payments_received": PaymentsReceived(desk, primes),
        }

    def _of(self, entity: str) -> EntityReader:
        if entity not in self._readers:
            raise ContractBroken(f"Procore's side does not know the entity {entity!r}")
        return self._readers[entity]

    def read(self, entity: str, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        return self._of(entity).read(window, scopes, cursor, also)

    def read_ids(self, entity: str, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        return self._of(entity).read_ids(scope, list(dict.fromkeys(ids)))

    def keys(self, entity: str, scopes: Sequence[str] | None) -> Iterator[str]:
        return self._of(entity).keys(scopes)

    def headers(self, entity: str, scopes: Sequence[str] | None) -> Iterator[Header]:
        """The documents of an entity as their lists show them, deleted ones included."""
        reader = self._of(entity)
        if not isinstance(reader, Documents):
            raise ContractBroken(f"{entity} are no documents: they have no headers apart from their records")
        return reader.headers(scopes)

    def directory(self, window: Window, cursor: Cursor) -> Iterator[Page]:
        """Vendors and customers in one pass, mixed."""
        return self._directory.pages(window, cursor)
