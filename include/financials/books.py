"""What rules look up while they judge documents: the ERP's jobs, vendors, codes, documents and periods as read in this run, with
what the run will have written by then, and the names that people know Procore's records by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, cast

from include.financials.figures import contract_of
from include.financials.identity import code
from include.financials.matching import natural_key
from include.financials.models import ChangeOrder, CostCode, Invoice, Period, Project, Record, Vendor
from include.financials.money import ZERO, total
from include.financials.statuses import OPEN, VOID
from include.financials.view import Sync, headers

Key = tuple[str, str]
"""(company, ERP key)"""


class Books:
    """Read when first asked for; one instance per check, of the entity ``judged``."""

    def __init__(self, sync: Sync, judged: str) -> None:
        self.sync = sync
        # Bound per instance: what was read belongs to this run.
        self.documents = cache(lambda entity: sync.books(entity, planned=entity != judged))
        self.links = cache(sync.links)
        self.memory = cache(sync.memory)
        self.seen = cache(sync.ledger.seen)

    def document(self, entity: str, company: str, key: str | None) -> Record | None:
        return self.documents(entity).get((company, key)) if key is not None else None

    def numbered(self, record: Record, company: str) -> Record | None:
        """The ERP's document of that number, as people write it (of that vendor, where vendors number): one that counts before a
        void one, which keeps its number, too."""
        return cast(Record | None, self._numbers(record.entity).get((company, code(natural_key(record)))))

    @cached_property
    def _numbers(self) -> Any:
        @cache
        def numbers(entity: str) -> dict[Key, Record]:
            found: dict[Key, Record] = {}
            for (company, _), record in self.documents(entity).items():
                key = company, code(natural_key(record))
                if key not in found or getattr(found[key], "status", None) == VOID:
                    found[key] = record
            return found

        return numbers

    @cached_property
    def jobs(self) -> Mapping[Key, Project]:
        return cast(Mapping[Key, Project], self.documents("projects"))

    @cached_property
    def codes(self) -> Mapping[Key, CostCode]:
        return cast(Mapping[Key, CostCode], self.documents("cost_codes"))

    @cached_property
    def children(self) -> Mapping[str, list[str]]:
        return headers(list(self.codes.values()))

    def vendor(self, procore_id: str | None) -> Vendor | None:
        """The ERP vendor that a Procore vendor is linked to."""
        link = self.links("vendors").erp(procore_id)
        return cast(Vendor | None, self.document("vendors", link.company, link.erp_key)) if link else None

    @cached_property
    def inactive_projects(self) -> set[str]:
        """Procore ids of projects that are not active there."""
        projects = self.sync.everywhere("procore", "projects")
        return {record.id for record in projects if isinstance(record, Project) and not record.active}

    def name(self, entity: str, procore_id: str | None) -> str:
        """What people call a record of Procore; its id where nothing is known of it, ``none`` without one."""
        return self._names(entity).get(procore_id, procore_id) if procore_id else "none"

    @cached_property
    def _names(self) -> Any:
        @cache
        def names(entity: str) -> dict[str, str]:
            if entity in _LISTED:
                found = {record.id: record.number for record in self.sync.everywhere("procore", entity)}
                if entity == "vendors":
                    found |= {r.id: r.name for r in self.sync.everywhere("procore", "vendors") if isinstance(r, Vendor)}
                return found
            return {record_id: row["number"] for record_id, row in self.memory(entity).items()}

        return names

    # -- contracts ------------------------------------------------------------------------------------------------------------

    def billed(self, entity: str, company: str, contract: str | None, before: int | None = None) -> Any:
        """Gross of the ERP's invoices on a contract, void ones left out; ``before``: of those with a lower sequence only."""
        return sum(
            (
                record.amount
                for record in self._by_contract(entity).get((company, contract), ())
                if before is None or record.sequence < before
            ),
            ZERO,
        )

    def changed(self, entity: str, company: str, contract: str) -> Decimal:
        """What the change orders on a contract add to it, void ones left out."""
        return total(
            record.amount
            for (owner, _), record in self.documents(entity).items()
            if isinstance(record, ChangeOrder) and owner == company and contract_of(record) == contract and record.status != VOID
        )

    @cached_property
    def _by_contract(self) -> Any:
        @cache
        def by_contract(entity: str) -> dict[tuple[str, str | None], list[Invoice]]:
            found: dict[tuple[str, str | None], list[Invoice]] = {}
            for (company, _), record in self.documents(entity).items():
                contract = getattr(record, "commitment", None) or getattr(record, "prime_contract", None)
                if isinstance(record, Invoice) and record.status != VOID:
                    found.setdefault((company, contract), []).append(record)
            return found

        return by_contract

    # -- periods --------------------------------------------------------------------------------------------------------------

    @cached_property
    def _periods(self) -> dict[tuple[str, str], list[Period]]:
        found: dict[tuple[str, str], list[Period]] = {}
        for record in self.sync.everywhere("erp", "periods"):
            if isinstance(record, Period):
                found.setdefault((record.company or "", record.module), []).append(record)
        for periods in found.values():
            periods.sort(key=lambda period: period.first_day)
        return found

    @property
    def has_calendar(self) -> bool:
        """Whether the ERP tells which periods are open. Where its mapping leaves them out, it refuses a closed one itself."""
        return bool(self._periods) or "periods" in self.sync.systems["erp"].capabilities()

    def period(self, company: str, module: str, day: date) -> Period | None:
        periods = self._periods.get((company, module), ())
        return next((p for p in periods if p.first_day <= day <= p.last_day), None)

    def next_open(self, company: str, module: str, day: date) -> date | None:
        """First day not before ``day`` that lies in an open period."""
        periods = self._periods.get((company, module), ())
        return next((max(p.first_day, day) for p in periods if p.status == OPEN and p.last_day >= day), None)


_LISTED = ("vendors", "projects", "cost_codes", "cost_types", "customers", "tax_codes")
"""Entities whose Procore lists are read whole in every run; of the others the ledger's memory knows the names."""
