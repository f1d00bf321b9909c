"""The jobs, codes and customers of the contractor whose books the sandbox holds, and what its documents choose from.

The same arguments give the same company, and the small company is contained in every larger one (docs/domain-rules.md 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from random import Random

from sandbox.seed import names
from sandbox.seed.faults import EXTRA_TYPES
from sandbox.seed.ids import (
    CUSTOMER_ID,
    GENERATED,
    INACTIVE_VENDORS,
    LINKED_VENDORS,
    PROJECT_ID,
    TAX_CODE_ID,
    UNUSED_VENDORS,
    code_id,
)
from sandbox.seed.model import (
    Code,
    Customer,
    Employee,
    Job,
    SubJob,
    TaxCode,
)
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.seed.sizes import MAX_PROJECTS, SMALL, Size
from sandbox.seed.tables import (
    CLOSED_JOB,
    CODE_INDEX,
    DIVISIONS,
    EMPLOYEES,
    EXTRA_SECTIONS,
    FULL_HOLD_VENDOR,
    IDLE_CUSTOMER,
    NAMED_CUSTOMERS,
    NAMED_JOBS,
    ODD_EMPLOYEES,
    SECTIONS,
    STANDARD_SECTIONS,
    TAX_CODES,
    TRADE_INDEX,
    TRADES,
    NamedJob,
    day,
)

SEEDS = ("planted", "closed_gate")


class Masters:
    """Master data of one seeded company. ``seed`` names its faults (see ``SEEDS``), ``size`` its counts."""

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

    # -- customers -----------------------------------------------------------------------------------------

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

    def employees(self) -> tuple[Employee, ...]:
        """The same few at every size; a reduced company has none with a fault."""
        return (*EMPLOYEES, *ODD_EMPLOYEES) if self.size.whole else EMPLOYEES

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

    # -- what commitments and costs choose from --------------------------------------------------------------------------

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


def _owner_facts(n: int) -> tuple[str, str, str, bool]:
    """Company, code, name and whether linked, of a customer above the small size."""
    return "02" if n % 4 == 1 else "01", f"C-{2002 + n}", f"{names.place_name(700 + n)} Development", n % 3 != 2


_BUILDINGS = ("office building", "warehouse", "clinic", "apartments", "laboratory", "middle school", "fire station", "shops")
_BRIDGES = ("bridge deck", "road widening", "culvert replacement", "retaining walls")
_TAKEN_SEQUENCES = {int(job.number[-3:]) for job in (*NAMED_JOBS, CLOSED_JOB)}
_FREE_SEQUENCES = tuple(n for n in range(1, 1000) if n not in _TAKEN_SEQUENCES)
_IDLE = 1_000_000
"""Running number of the customer that no size counts."""
