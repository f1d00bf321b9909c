"""The contractor whose books the sandbox holds: everything that exists, on whichever side, as values of ``model``.

Nothing is kept that grows with the size: vendors follow from their running number, commitments are made job by job. The same
arguments give the same company, and the small company is contained in every larger one (docs/domain-rules.md 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from itertools import zip_longest
from random import Random

from include.sandbox.seed import budgets, costs, documents, names, policies
from include.sandbox.seed.contracts import Contracts
from include.sandbox.seed.faults import DUPLICATE_NUMBER, DUPLICATE_TWIN, EXTRA_TYPES, SLOTS
from include.sandbox.seed.ids import (
    CUSTOMER_ID,
    FOREIGN,
    GENERATED,
    INACTIVE_VENDORS,
    LINKED_VENDORS,
    NEW_VENDORS,
    PROJECT_ID,
    STRANGER,
    TAX_CODE_ID,
    TWIN_CANDIDATE,
    TWINS,
    UNUSED_VENDORS,
    VENDOR_ID,
    code_id,
)
from include.sandbox.seed.model import (
    Budget,
    BudgetChange,
    Code,
    Commitment,
    Customer,
    DirectCost,
    Insurance,
    Job,
    Planted,
    SubJob,
    TaxCode,
    Vendor,
)
from include.sandbox.seed.schedules import GOLDEN_JOB
from include.sandbox.seed.sizes import MAX_PROJECTS, SMALL, Size
from include.sandbox.seed.tables import (
    CLOSED_JOB,
    CODE_INDEX,
    DIVISIONS,
    EXTRA_SECTIONS,
    FULL_HOLD_REASON,
    FULL_HOLD_VENDOR,
    IDLE_CUSTOMER,
    NAMED_CUSTOMERS,
    NAMED_JOBS,
    PAYMENT_HOLD_REASON,
    PAYMENT_HOLD_VENDOR,
    SECTIONS,
    STANDARD_SECTIONS,
    TAX_CODES,
    TRADE_INDEX,
    TRADES,
    NamedJob,
    day,
)

SEEDS = ("planted", "closed_gate")

HOLDS = {FULL_HOLD_VENDOR: ("all", FULL_HOLD_REASON), PAYMENT_HOLD_VENDOR: ("payment", PAYMENT_HOLD_REASON)}


class Company:
    """One seeded company. ``seed`` names its faults (see ``SEEDS``), ``size`` its counts."""

    def __init__(self, seed: str = "planted", size: Size = SMALL) -> None:
        if seed not in SEEDS:
            raise ValueError(f"seed {seed!r} is unknown; choose one of {', '.join(SEEDS)}")
        self.seed = seed
        self.size = size
        extra = max(0, size.vendors - SMALL.vendors)
        self._more_linked = extra * len(LINKED_VENDORS) // SMALL.vendors
        self._more_new = extra - self._more_linked
        self._more_idle = extra * len(UNUSED_VENDORS) // SMALL.vendors
        self._more_inactive = extra * len(INACTIVE_VENDORS) // SMALL.vendors
        self._more_commitments = size.commitments if not size.whole else size.commitments - SMALL.commitments

    # -- vendors and customers -----------------------------------------------------------------------------------------

    def vendors(self) -> Iterator[Vendor]:
        """All vendors of both sides, in the order of their numbers."""
        for n in self._vendor_numbers:
            yield self._named_vendor(n)
        first = GENERATED
        for count, build in (
            (self._more_linked, self._linked_vendor),
            (self._more_new, self._new_vendor),
            (self._more_inactive, self._inactive_vendor),
            (self._more_idle, self._unused_vendor),
        ):
            yield from map(build, range(first, first + count))
            first += count

    @cached_property
    def _vendor_numbers(self) -> tuple[int, ...]:
        """Numbers of the small company's vendors that exist; in a reduced company those that its commitments need come first."""
        if self.size.whole:
            return (*LINKED_VENDORS, *INACTIVE_VENDORS, *NEW_VENDORS, STRANGER, FOREIGN, *TWINS, *UNUSED_VENDORS, TWIN_CANDIDATE)
        needed = {c.vendor_id - VENDOR_ID for job in self.jobs() for c in self._commitments_by_job.get(job.number, ())}
        needed = {n for n in needed if n < GENERATED}
        free = max(0, min(self.size.vendors, SMALL.vendors) - len(needed))
        new = min(len(NEW_VENDORS), free, max(2, free * len(NEW_VENDORS) // SMALL.vendors))
        spare = [n for n in LINKED_VENDORS if n not in needed][: free - new]
        return (*sorted({*needed, *spare}), *NEW_VENDORS[:new])

    def has_vendor(self, n: int) -> bool:
        """Whether a linked vendor of the small company is in this one."""
        return n in self._vendor_numbers

    def _named_vendor(self, n: int) -> Vendor:
        if n in INACTIVE_VENDORS:
            return self._inactive_vendor(n)
        if n in NEW_VENDORS:
            return self._new_vendor(n)
        if n in UNUSED_VENDORS or n == STRANGER:
            return self._unused_vendor(n)
        if n == FOREIGN:
            return replace(self._vendor(n), foreign_origin="otherapp-7781")
        if n in TWINS:
            return replace(self._vendor(n), procore=False, tax_id=names.tax_id(TWINS[0]))
        if n == TWIN_CANDIDATE:
            return replace(self._unused_vendor(n), tax_id=names.tax_id(TWINS[0]))
        return self._linked_vendor(n)

    def _vendor(self, n: int) -> Vendor:
        street, city, state, zip_code = names.address(n)
        hold, reason = HOLDS.get(n, ("none", None))
        return Vendor(
            id=VENDOR_ID + n,
            code=names.vendor_code(n),
            name=names.vendor_name(n),
            tax_id=names.tax_id(n),
            trade=TRADES[n % len(TRADES)][0],
            terms="Pay when paid" if n % 5 == 4 else "Net 30",
            address=street,
            city=city,
            state=state,
            zip=zip_code,
            phone=names.phone(n),
            updated_at=names.master_moment(n),
            hold=hold,
            hold_reason=reason,
        )

    def _linked_vendor(self, n: int) -> Vendor:
        return replace(self._vendor(n), linked=True)

    def _new_vendor(self, n: int) -> Vendor:
        return replace(self._vendor(n), procore=False)

    def _inactive_vendor(self, n: int) -> Vendor:
        return replace(self._vendor(n), linked=True, active=False)

    def _unused_vendor(self, n: int) -> Vendor:
        return replace(self._vendor(n), erp=False, code=None)

    def insurances(self) -> Iterator[Insurance]:
        """Two policies per vendor that is linked or waits to be sent."""
        return policies.insurances(self)

    def customers(self) -> list[Customer]:
        """Owners, on the ERP's side customers of one company, in Procore companies of the directory."""
        named = [self._customer(n, *facts) for n, facts in enumerate(NAMED_CUSTOMERS)]
        if self.size.customers < len(named):
            owners = {job.customer for job in self.jobs()}
            named.sort(key=lambda customer: customer.code not in owners)
            named = named[: max(self.size.customers, sum(customer.code in owners for customer in named))]
        if self.size.whole:
            named.append(replace(self._customer(_IDLE, *IDLE_CUSTOMER), active=False))
        return named + [self._customer(n, *_owner_facts(n)) for n in range(len(NAMED_CUSTOMERS), self.size.customers)]

    @staticmethod
    def _customer(n: int, company: str, code: str, name: str, linked: bool) -> Customer:
        place, moment = names.address(500 + n), names.master_moment(500 + n)
        return Customer(CUSTOMER_ID + n, company, code, name, linked, *place, names.phone(n), moment)

    # -- jobs and cost codes -------------------------------------------------------------------------------------------

    def jobs(self) -> Iterator[Job]:
        for index, named in enumerate(NAMED_JOBS[: self.size.projects]):
            yield self._named_job(index, named)
        for index in range(len(NAMED_JOBS), self.size.projects):
            yield self._generated_job(index)

    @property
    def closed_job(self) -> Job:
        """A job of the ERP that was never sent (planted #23); it is none of ``jobs`` and comes on top of their count."""
        return self._named_job(MAX_PROJECTS, CLOSED_JOB)

    @staticmethod
    def _named_job(index: int, named: NamedJob) -> Job:
        return Job(
            index=index,
            id=PROJECT_ID + index,
            number=named.number,
            company=named.company,
            name=named.name,
            customer=named.customer,
            value=named.value,
            linked=named.linked,
            start=day(named.start),
            completion=day(named.completion),
            retainage=Decimal(named.retainage),
            prefix=named.number[-3:],
            linked_extras=named.linked_extras,
            new_codes=named.new_codes,
            updated_at=names.master_moment(900 + index),
            inactive=named.inactive,
            procore_only=named.procore_only,
            sub_jobs=named.sub_jobs,
        )

    def _generated_job(self, index: int) -> Job:
        """Job numbers are unique over both companies, and so is the part that commitment numbers start with."""
        rnd = Random(f"job {index}")
        company, linked = "02" if index % 6 == 3 else "01", index % 6 != 5
        turn, place = divmod(index - len(NAMED_JOBS), len(_FREE_SEQUENCES))
        sequence, year = _FREE_SEQUENCES[place], 25 - turn
        extras = rnd.sample(sorted(set(EXTRA_SECTIONS) - {"09-7200"}), 8)
        count = rnd.randint(2, 5)
        start = day("2025-03-03") + timedelta(days=rnd.randrange(420))
        return Job(
            index=index,
            id=PROJECT_ID + index,
            number=f"{year}-{sequence:03d}",
            company=company,
            name=f"{names.place_name(200 + index)} {rnd.choice(_BRIDGES if company == '02' else _BUILDINGS)}",
            customer=self._owner(index, company, linked),
            value=rnd.randrange(15, 320) * 100_000,
            linked=linked,
            start=start,
            completion=start + timedelta(days=rnd.randrange(240, 800)),
            retainage=Decimal(10),
            prefix=f"{sequence:03d}" if turn == 0 else f"{year}{sequence:03d}",
            linked_extras=tuple(sorted(extras[:count] if linked else extras[:5])),
            new_codes=tuple(sorted(extras[5:])) if linked else (),
            updated_at=names.master_moment(900 + index),
        )

    def _owner(self, index: int, company: str, linked: bool) -> str:
        owners = self._owners[company, linked] or self._owners[company, True]
        return owners[index % len(owners)]

    @cached_property
    def _owners(self) -> dict[tuple[str, bool], list[str]]:
        found: dict[tuple[str, bool], list[str]] = {(c, linked): [] for c in ("01", "02") for linked in (True, False)}
        generated = (_owner_facts(n) for n in range(len(NAMED_CUSTOMERS), self.size.customers))
        for company, code, _, linked in (*NAMED_CUSTOMERS, *generated):
            found[company, linked].append(code)
        return found

    def codes(self, job: Job) -> list[Code]:
        """A job's cost codes, division headers first."""
        known = [*STANDARD_SECTIONS, *job.linked_extras]
        leaves = [*known, *job.new_codes, *job.procore_only]
        headers = sorted({code[:2] for code in leaves})
        return [self._code(job, code, DIVISIONS[code], "") for code in headers] + [
            self._code(job, code, *SECTIONS[code]) for code in sorted(leaves)
        ]

    def sub_codes(self, job: Job) -> list[Code]:
        """Cost codes of a job's sub jobs, headers first within each."""
        return [self._sub_code(job, sub_job, code) for sub_job in job.sub_jobs for code in sub_job.codes]

    def _sub_code(self, job: Job, sub_job: SubJob, code: str) -> Code:
        name, types = SECTIONS.get(code) or (DIVISIONS[code], "")
        linked = job.linked and sub_job.linked
        known = self._code(job, code, name, types)
        return replace(
            known, id=code_id(job, code, sub_job.number), sub_job=sub_job.number, procore=linked, linked=linked, extra_types=""
        )

    @staticmethod
    def _code(job: Job, code: str, name: str, types: str) -> Code:
        is_leaf, strange = "-" in code, code in job.procore_only
        return Code(
            id=code_id(job, code),
            code=code,
            name=name,
            parent=code[:2] if is_leaf else None,
            types=types,
            updated_at=names.master_moment(1500 + CODE_INDEX[code] + job.index),
            active=code not in job.inactive,
            erp=not strange,
            procore=job.linked and code not in job.new_codes,
            linked=job.linked and code not in job.new_codes and not strange,
            extra_types=EXTRA_TYPES.get((job.number, code), ""),
        )

    @staticmethod
    def tax_codes() -> list[TaxCode]:
        return [
            TaxCode(TAX_CODE_ID + n, code, text, Decimal(rate), linked)
            for n, (code, text, rate, linked) in enumerate(TAX_CODES, start=1)
        ]

    # -- budgets and direct costs --------------------------------------------------------------------------------------

    def budget(self, job: Job) -> Budget:
        return budgets.budget(self, job)

    @staticmethod
    def budget_changes(job: Job) -> list[BudgetChange]:
        return budgets.changes(job)

    def direct_costs(self, job: Job) -> Iterator[DirectCost]:
        """Transactions of job cost that no commitment covers, made as they are read."""
        return costs.direct_costs(self, job)

    # -- commitments ---------------------------------------------------------------------------------------------------

    def commitments(self, job: Job) -> list[Commitment]:
        """A job's subcontracts and purchase orders, in the order of their Procore ids within a kind."""
        if self.size.whole:
            return Contracts(self, job).all()
        return self._commitments_by_job.get(job.number, [])

    def sound_commitments(self, job: Job) -> list[Commitment]:
        """Those that are meant for the ERP, the same under every seed, and on a named job of a whole company at every size."""
        size = SMALL if self.size.whole and job.index < len(NAMED_JOBS) else self.size
        usual = self if (self.seed, self.size) == (SEEDS[0], size) else Company(SEEDS[0], size)
        return [commitment for commitment in usual.commitments(job) if commitment.eligible]

    @cached_property
    def _commitments_by_job(self) -> dict[str, list[Commitment]]:
        """A reduced company's commitments: 104-SC-003, then linked and new ones in turn, none with a fault."""
        faulty = {entry.key for entry in _planted_commitments(self.seed)} | {DUPLICATE_NUMBER}
        good: list[Commitment] = []
        for job in self.jobs():
            good += [c for c in Contracts(self, job).all() if c.eligible and c.number not in faulty]
        good.sort(key=lambda c: (c.number != "104-SC-003", c.job.number == GOLDEN_JOB))
        pairs = zip_longest((c for c in good if c.linked), (c for c in good if not c.linked))
        ordered = [c for pair in pairs for c in pair if c is not None]
        found: dict[str, list[Commitment]] = {}
        for commitment in ordered[: self.size.commitments]:
            found.setdefault(commitment.job.number, []).append(commitment)
        return found

    def pick_vendor(self, job: Job, trade: str, rnd: Random) -> int:
        """The number of a linked vendor of a trade that takes new commitments; named jobs keep to the small company's."""
        index = TRADE_INDEX[trade]
        numbers = [n for n in (index, index + len(TRADES)) if n in LINKED_VENDORS and n != FULL_HOLD_VENDOR]
        rounds = self._more_linked // len(TRADES)
        if rounds and job.index >= len(NAMED_JOBS):
            first = GENERATED + (index - GENERATED) % len(TRADES)
            numbers.append(first + rnd.randrange(rounds) * len(TRADES))
        return rnd.choice(numbers)

    @cached_property
    def takers(self) -> dict[int, int]:
        """Indexes of the jobs among which the documents above the small size are spread, each with its place.

        The golden job takes some only where it is the only one: its totals are to stay what they are.
        """
        generated = [i for i in range(len(NAMED_JOBS), self.size.projects) if i % 6 != 5]
        named = [i for i, job in enumerate(NAMED_JOBS[: self.size.projects]) if job.linked]
        chosen = generated or [i for i in named if NAMED_JOBS[i].number != GOLDEN_JOB] or named
        return {index: place for place, index in enumerate(chosen)}

    def states(self, job: Job) -> list[str]:
        """States of a job's commitments above the small size: 40 linked to 60 new, and 8 not eligible on top."""
        if job.index not in self.takers:
            return []
        place, jobs = self.takers[job.index], len(self.takers)
        states = ["linked" if (n // jobs + place) % 5 < 2 else "new" for n in range(place, self._more_commitments, jobs)]
        return states + ["ineligible" for _ in range(place, self._more_commitments * 8 // 100, jobs)]

    # -- planted problems ----------------------------------------------------------------------------------------------

    def planted(self) -> list[Planted]:
        """What the seed did on purpose; empty for a reduced company, which has no faults."""
        if not self.size.whole:
            return []
        found = [*_planted_commitments(self.seed), *_PLANTED_VENDORS, *costs.planted(self), *budgets.PLANTED]
        found += documents.planted(self)
        return sorted(found, key=lambda entry: (entry.number, entry.key))


def _planted_commitments(seed: str) -> list[Planted]:
    """Problems among the commitments of the named jobs, each with its twin."""
    company, twins = Company(seed), {9: DUPLICATE_TWIN}
    found: list[Planted] = []
    for job in company.jobs():
        contracts = Contracts(company, job)
        contracts.all()
        found += contracts.planted
        twins |= contracts.twins
    twin_of = {slot.number: slot.twin_of or slot.number for slot in SLOTS}
    return [entry if entry.twin else replace(entry, twin=twins[twin_of[entry.number]]) for entry in found]


def _owner_facts(n: int) -> tuple[str, str, str, bool]:
    """Company, code, name and whether linked, of a customer above the small size."""
    return "02" if n % 4 == 1 else "01", f"C-{2002 + n}", f"{names.place_name(700 + n)} Development", n % 3 != 2


_BUILDINGS = ("office building", "warehouse", "clinic", "apartments", "laboratory", "middle school", "fire station", "shops")
_BRIDGES = ("bridge deck", "road widening", "culvert replacement", "retaining walls")
_TAKEN_SEQUENCES = {int(job.number[-3:]) for job in (*NAMED_JOBS, CLOSED_JOB)}
_FREE_SEQUENCES = tuple(n for n in range(1, 1000) if n not in _TAKEN_SEQUENCES)
_IDLE = 1_000_000
"""Running number of the customer that no size counts."""

_FOREIGN_TEXT = "Procore's record carries the external id of another integration, otherapp-7781"
_TWINS_TEXT = "two ERP vendors and one Procore vendor share a tax id"
_GOOD_TWIN = names.vendor_code(NEW_VENDORS[0])
_PLANTED_VENDORS = (
    Planted(21, "vendors", names.vendor_code(FOREIGN), _FOREIGN_TEXT, "R-01", "conflict", names.vendor_code(LINKED_VENDORS[-1])),
    # Every candidate of an ambiguity is quarantined; Procore's has no code and is known by its name.
    *(
        Planted(22, "vendors", key, _TWINS_TEXT, "V-02", "quarantined", _GOOD_TWIN)
        for key in (*map(names.vendor_code, TWINS), names.vendor_name(TWIN_CANDIDATE))
    ),
)
