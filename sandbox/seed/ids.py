"""Numbers and Procore ids of everything seeded, made from running numbers so that nothing has to be looked up.

Procore ids of most kinds are above 32 bits (docs/procore-contract.md 1.3). Ids of the two kinds of contract never meet: a marker
in the ERP names only the id.
"""

from __future__ import annotations

from sandbox.seed.model import Commitment, Job, Line
from sandbox.seed.tables import CODE_INDEX, PO, SC, TYPE_NUMBER

LINKED_VENDORS, INACTIVE_VENDORS, NEW_VENDORS, UNUSED_VENDORS = range(46), range(46, 48), range(48, 54), range(57, 61)
FOREIGN, TWINS, STRANGER, TWIN_CANDIDATE = 54, (55, 56), 61, 62
"""Vendors of the planted problems 21, 22, 1 and the Procore record that both twins match."""
GENERATED = 100
"""Vendor numbers from here on belong to sizes above small."""

TYPE_ID, LIST_ID, STANDARD_ID = 7_000, 601, 80_000
VENDOR_ID, CUSTOMER_ID, PROJECT_ID = 4_410_000_000, 4_510_000_000, 4_620_000_000
CODE_ID, WBS_ID, LINE_ID = 6_100_000_000, 7_200_000_000, 10_000_000_000
TAX_CODE_ID, INSURANCE_ID, SUB_JOB_ID = 9_200, 4_700_000_000, 4_650_000_000
CHANGE_EVENT_ID = 7_850_000_000
BUDGET_LINE_ID, BUDGET_CHANGE_ID, ADJUSTMENT_LINE_ID = 7_500_000_000, 7_800_000_000, 7_900_000_000
DIRECT_COST_ID, DIRECT_COST_LINE_ID = 5_100_000_000, 5_200_000_000
CONTRACT_ID = {SC: 8_300_000_000, PO: 8_600_000_000}
_PER_JOB = 10_000


def sub_job_id(job: Job, sub_job: str) -> int | None:
    """A sub job; None for the job itself."""
    return SUB_JOB_ID + job.index * 10 + _place(job, sub_job) if sub_job else None


def code_id(job: Job, code: str, sub_job: str = "") -> int:
    """A project cost code, of the job or of one of its sub jobs."""
    return CODE_ID + job.index * 1000 + _place(job, sub_job) * 100 + CODE_INDEX[code]


def wbs_id(job: Job, code: str, type: str, sub_job: str = "") -> int:
    """The budget code of a pair of cost code and cost type (Procore code)."""
    return WBS_ID + job.index * 10_000 + (_place(job, sub_job) * 100 + CODE_INDEX[code]) * 10 + TYPE_NUMBER[type]


def budget_line_id(job: Job, line: Line) -> int:
    """There is one budget line per budget code."""
    return BUDGET_LINE_ID - WBS_ID + wbs_id(job, line.code, line.type, line.sub_job)


def _place(job: Job, sub_job: str) -> int:
    """0 for the job itself, then its sub jobs in their order."""
    return ["", *(sub.number for sub in job.sub_jobs)].index(sub_job)


def contract_id(job: Job, kind: str, sequence: int) -> int:
    return CONTRACT_ID[kind] + job.index * _PER_JOB + sequence


def line_id(commitment: Commitment, position: int) -> int:
    contract = (commitment.job.index * 2 + (commitment.kind == PO)) * _PER_JOB + commitment.id % _PER_JOB
    return LINE_ID + contract * 100 + position
