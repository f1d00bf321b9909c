"""The ERP's own masters, from which test documents are made: a job that takes documents, its cost keys, a vendor that may be
used, days in open and closed periods.

Where the mapping leaves masters out, what the ERP's own documents name is taken. ``use`` (``--use project=25-104``) chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from include.financials.record import COST_CODES, COST_TYPES, GENERAL_LEDGER, PERIODS, PROJECTS, TAX_CODES, VENDORS, Record
from include.financials.statuses import CLOSED, OPEN

USES = ("company", "project", "vendor", "cost_code", "cost_type", "tax_code", "prime_contract", "day")
"""What a person may choose instead of the suite."""


class Missing(LookupError):
    """The ERP has nothing of which the document could be made; the text says what, and how to choose it."""


class CostKey(NamedTuple):
    code: str
    type: str
    sub_job: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A job that takes documents."""

    company: str
    project: str
    currency: str | None
    keys: tuple[CostKey, ...]

    def key(self, index: int) -> CostKey:
        return self.keys[index % len(self.keys)]


class Masters:
    """:param all: every readable record of an entity, by name; empty for what the mapping leaves out.
    :param today: by the ERP's clock."""

    def __init__(self, records: Callable[[str], Sequence[Any]], today: Callable[[], date], use: Mapping[str, str]) -> None:
        self._records, self._today, self.use = records, today, use
        self._vendors: dict[tuple[str, bool], str] = {}

    # -- jobs and their cost keys

    def places(self) -> list[Place]:
        """Jobs that take documents, those with most cost keys first."""
        found = [place for place in self._jobs() if place.keys and self._chosen(company=place.company, project=place.project)]
        return sorted(found, key=lambda place: -min(len(place.keys), 3))

    def place(self, suits: Callable[[Place], bool] = lambda place: True, what: str = "an open job with cost codes") -> Place:
        for place in self.places():
            if suits(place):
                return place
        raise Missing(f"the ERP shows no {what.removeprefix('an ')}; choose with --use project=..., cost_code=..., cost_type=...")

    def _jobs(self) -> Iterator[Place]:
        jobs = self._records(PROJECTS)
        if not jobs:
            named = {(one.company or "", one.project): one for one in self._documents() if getattr(one, "project", None)}
            for (company, project), one in named.items():
                yield Place(company, project, getattr(one, "currency", None), tuple(self._keys(company, project)))
        for job in jobs:
            if job.status == OPEN:
                yield Place(job.company or "", job.id, job.currency, tuple(self._keys(job.company, job.id)))

    def _keys(self, company: str | None, project: str) -> Iterator[CostKey]:
        codes = [
            one for one in self._records(COST_CODES)
            if one.project in (project, None) and (one.project is None or one.company == company)
        ]  # fmt: skip
        own = [one for one in codes if one.project] or codes
        active = {one.id for one in self._records(COST_TYPES) if one.active}
        found = [
            CostKey(code.id, kind, code.sub_job)
            for code in own
            if code.active and not code.is_header
            for kind in code.cost_types or tuple(sorted(active))
            if not active or kind in active
        ]
        if not self._records(COST_CODES):
            lines = (line for one in self._documents() if one.project == project for line in getattr(one, "lines", ()))
            found = [CostKey(one.cost_code, one.cost_type, getattr(one, "sub_job", None)) for one in lines if one.cost_code]
        for key in dict.fromkeys(found):
            if self._chosen(cost_code=key.code, cost_type=key.type):
                yield key

    # -- who and when

    def vendor(self, company: str, *, held: bool = False) -> str:
        """One that may be used: first one whom the company has contracts with, for vendors may belong to a group of companies.
        He is looked for once: to see whom it has contracts with, every contract is read."""
        if (company, held) not in self._vendors:
            self._vendors[company, held] = self._vendor(company, held)
        return self._vendors[company, held]

    def _vendor(self, company: str, held: bool) -> str:
        known = [one.vendor for one in self._records("commitments") if one.company == company and one.vendor]
        vendors = self._records(VENDORS)
        if not vendors and not held:
            ids: Iterable[str] = known
        else:
            fit = [one for one in vendors if (one.hold == "all") == held and (held or (one.active and one.hold == "none"))]
            fit = [one for one in fit if not one.merged_into]
            ids = [one.id for one in sorted(fit, key=lambda one: (one.id not in known, one.company != company))]
        for ident in ids:
            if held or self._chosen(vendor=ident):
                return ident
        raise Missing("the ERP has no vendor on hold" if held else "the ERP shows no active vendor; choose with --use vendor=...")

    def tax_code(self, company: str) -> str:
        for one in sorted(self._records(TAX_CODES), key=lambda one: (one.company != company, not one.rate)):
            if one.active and self._chosen(tax_code=one.id):
                return str(one.id)
        raise Missing("the ERP shows no active tax code")

    def day(self, company: str, module: str) -> date:
        """A day in an open period: today, or the last day of the latest one that is over."""
        if "day" in self.use:
            return date.fromisoformat(self.use["day"])
        today, periods = self._today(), self._periods(company, module)
        if not periods or any(one.status == OPEN and one.first_day <= today <= one.last_day for one in periods):
            return today
        open_days: list[date] = [one.last_day for one in periods if one.status == OPEN]
        days = sorted(open_days, key=lambda day: (day > today, abs(day - today)))
        if not days:
            raise Missing(f"company {company} has no open period of {module}")
        return days[0]

    def closed_day(self, company: str, module: str) -> date:
        days: list[date] = [one.last_day for one in self._periods(company, module) if one.status == CLOSED]
        if not days:
            raise Missing(f"company {company} has no closed period of {module}")
        return max(days)

    def prime_contract(self) -> Any:
        """An open one with lines, whose job takes documents."""
        places = {(place.company, place.project) for place in self.places()}
        for one in self._records("prime_contracts"):
            fits = one.status == OPEN and one.lines and (one.company or "", one.project) in places
            if fits and self._chosen(prime_contract=one.id):
                return one
        raise Missing("the ERP shows no open prime contract with lines on an open job")

    def _periods(self, company: str, module: str) -> list[Any]:
        of_company = [one for one in self._records(PERIODS) if one.company == company]
        own = [one for one in of_company if one.module == module]
        return own or [one for one in of_company if one.module == GENERAL_LEDGER]

    def _documents(self) -> list[Any]:
        names = ("commitments", "subcontractor_invoices", "direct_costs", "budgets")
        found: list[Record] = [one for name in names for one in self._records(name)]
        return found

    def _chosen(self, **values: str | None) -> bool:
        return all(self.use.get(name, value) == value for name, value in values.items())
