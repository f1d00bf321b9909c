"""The contractor whose books the sandbox holds: everything that exists, on whichever side, as values of ``model``.

Nothing is kept that grows with the size: vendors follow from their running number, commitments are made job by job. What hangs on
these (``policies``, ``budgets``, ``costs``, ``documents``) is made from a company by functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import zip_longest

from sandbox.seed import names
from sandbox.seed.contracts import Contracts
from sandbox.seed.faults import DUPLICATE_NUMBER, DUPLICATE_TWIN, SLOTS
from sandbox.seed.ids import (
    FOREIGN,
    GENERATED,
    INACTIVE_VENDORS,
    LINKED_VENDORS,
    NEW_VENDORS,
    STRANGER,
    TWIN_CANDIDATE,
    TWINS,
    UNUSED_VENDORS,
    VENDOR_ID,
)
from sandbox.seed.masters import SEEDS, Masters
from sandbox.seed.model import Commitment, Job, Planted, Vendor
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.seed.sizes import SMALL
from sandbox.seed.tables import FULL_HOLD_REASON, FULL_HOLD_VENDOR, NAMED_JOBS, PAYMENT_HOLD_REASON, PAYMENT_HOLD_VENDOR, TRADES

HOLDS = {FULL_HOLD_VENDOR: ("all", FULL_HOLD_REASON), PAYMENT_HOLD_VENDOR: ("payment", PAYMENT_HOLD_REASON)}


class Company(Masters):
    """One seeded company: its masters (see :class:`Masters`), vendors and commitments."""

    # -- vendors -------------------------------------------------------------------------------------------------------

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
        faulty = {entry.key for entry in planted_commitments(self.seed)} | {DUPLICATE_NUMBER}
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


def planted_commitments(seed: str) -> list[Planted]:
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
