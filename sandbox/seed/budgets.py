"""Original budgets and budget changes: who owns a job's budget, and what it is (docs/domain-rules.md 5.1, 5.3, 5.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from random import Random
from typing import NamedTuple

from sandbox.seed import names
from sandbox.seed.company import Company
from sandbox.seed.ids import BUDGET_CHANGE_ID
from sandbox.seed.model import CENT, Budget, BudgetChange, Job, Line, Planted, Transfer
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.seed.tables import SECTIONS, day

GOLDEN_BUDGET: tuple[tuple[str, str, int], ...] = (
    # code, Procore cost type, dollars: the 33 lines of 25-104, 11,162,000
    ("00-6100", "O", 132_000), ("01-2100", "O", 250_000), ("01-3100", "L", 312_000), ("01-3100", "O", 38_000),
    ("01-5000", "E", 96_000), ("01-5000", "M", 54_000), ("01-7400", "L", 41_000), ("02-4100", "C", 188_000),
    ("31-1000", "C", 17_000), ("31-2000", "C", 512_000), ("33-1000", "C", 268_000), ("03-3000", "C", 1_018_000),
    ("03-3000", "L", 148_000), ("03-3000", "M", 286_000), ("04-2000", "C", 366_000), ("05-1200", "C", 1_115_000),
    ("05-3100", "C", 247_000), ("05-5000", "C", 178_000), ("06-1000", "L", 92_000), ("06-1000", "M", 118_000),
    ("07-2100", "C", 214_000), ("07-5000", "C", 448_000), ("08-1100", "M", 78_000), ("08-4000", "C", 752_000),
    ("09-2900", "C", 566_000), ("09-5100", "C", 187_000), ("09-6500", "C", 203_000), ("09-9100", "C", 176_000),
    ("14-2000", "C", 241_000), ("21-1000", "C", 196_000), ("22-1000", "C", 628_000), ("23-3000", "C", 1_066_000),
    ("26-2000", "C", 931_000),
)  # fmt: skip
_GOLDEN_VALUE = 12_480_000
_BUILDING_ONLY = {"06", "07", "08", "09", "14", "21", "22", "23"}
"""Divisions that a road or a bridge has no work in."""
_MARGIN, _STEP = Decimal("1.08"), 500
"""A budget holds what is contracted, with a margin for changes, in whole steps."""


class State(NamedTuple):
    """Where a budget is and whose it is."""

    owner: str | None
    locked: bool = True
    procore: bool = True
    erp: bool = True


EXPORTED, IMPORTED = State("procore"), State("erp")
NEW, UNLOCKED = State(None, erp=False), State(None, locked=False, erp=False)
ESTIMATE = State(None, locked=False, procore=False)

_STATES = {
    "25-104": EXPORTED,
    "25-098": EXPORTED,
    "25-107": IMPORTED,
    "26-112": NEW,
    "25-201": UNLOCKED,
}
_USUAL = (EXPORTED, EXPORTED, IMPORTED, NEW)
"""Of the jobs above the small size, in turn; a job that was never sent has its estimate only."""

_SUB_JOB_LINES = {"25-098": (("20", "31-1000", "C", 64_000), ("20", "31-2000", "C", 438_500))}
_REESTIMATED = ("25-107", "03-3000", "C", Decimal("24500.00"), datetime(2026, 9, 22, 14, 10, tzinfo=UTC))
"""Planted #27: job, cost key, what the estimator added in the ERP, and when."""

_CHANGES = (
    # job, number, title, status, date, linked, transfers (adjustment, code, type, amount)
    ("25-104", 1, "Contingency to concrete labor", "approved", "2026-09-10", False, (
        (1, "01-2100", "O", "-18000.00"), (1, "03-3000", "L", "18000.00"),
    )),
    ("25-098", 1, "Buyout savings to carpentry", "approved", "2026-08-05", True, (
        (1, "01-2100", "O", "-32500.00"), (1, "06-1000", "L", "21000.00"), (1, "06-1000", "M", "11500.00"),
        (2, "07-2100", "C", "-8400.00"), (2, "09-2900", "C", "8400.00"),
    )),
    ("25-098", 2, "Playground allowance", "draft", "2026-09-24", False, (
        (1, "01-2100", "O", "-12000.00"), (1, "31-2000", "C", "12000.00"),
    )),
)  # fmt: skip

PLANTED = (
    Planted(24, "budgets", "25-201", "the budget is not locked in Procore", "B-02", "held", "26-112"),
    Planted(
        27,
        "budgets",
        "25-107",
        "the ERP's estimate of 03-3000 / 3 was raised by 24,500.00 after Procore locked its budget",
        "B-04",
        "blocked",
        "25-098",
    ),
)


def budget(company: Company, job: Job) -> Budget:
    """The budget of a job, equal on both sides where both have it, but for planted #27."""
    held = state(job)
    settled = names.master_moment(2_200 + job.index)
    updated = settled if held.procore and held.erp else names.document_moment(job.index * 17 + 11)
    lines, erp_updated = _lines(company, job), updated
    number, code, type, more, moment = _REESTIMATED
    if number == job.number and company.size.whole:
        erp_updated = moment
        lines = tuple(replace(x, erp_amount=x.amount + more) if (x.code, x.type) == (code, type) else x for x in lines)
    return Budget(job, lines, *held, updated, erp_updated)


def changes(job: Job) -> list[BudgetChange]:
    """A job's budget changes; those that are linked stand on a linked budget."""
    return [
        BudgetChange(
            id=BUDGET_CHANGE_ID + job.index * 100 + number,
            job=job,
            number=number,
            title=title,
            status=status,
            change_date=day(changed),
            updated_at=_moment(day(changed), number),
            transfers=tuple(Transfer(n, code, type, SECTIONS[code][0], Decimal(amount)) for n, code, type, amount in rows),
            linked=linked,
        )
        for of, number, title, status, changed, linked, rows in _CHANGES
        if of == job.number
    ]


def state(job: Job) -> State:
    """Whose the budget of a job is, without its figures."""
    return _STATES.get(job.number, _USUAL[job.index % len(_USUAL)]) if job.linked else ESTIMATE


def _moment(day: date, n: int) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(minutes=37 * n)


def _lines(company: Company, job: Job) -> tuple[Line, ...]:
    amounts = {("", code, type): Decimal(dollars) for code, type, dollars in GOLDEN_BUDGET}
    if job.number != GOLDEN_JOB:
        amounts = _scaled(job)
        for key, contracted in _contracted(company, job).items():
            amounts[key] = max(amounts.get(key, Decimal(0)), _round_up(contracted * _MARGIN))
        amounts |= {(sub, code, type): Decimal(dollars) for sub, code, type, dollars in _SUB_JOB_LINES.get(job.number, ())}
    return tuple(
        Line(position, code, type, SECTIONS[code][0], amounts[sub, code, type].quantize(CENT), sub_job=sub)
        for position, (sub, code, type) in enumerate(sorted(amounts), start=1)
    )


def _scaled(job: Job) -> dict[tuple[str, str, str], Decimal]:
    """The golden budget in the measure of another job, without trades that such a job has not."""
    rnd, factor = Random(f"{job.number} budget"), Decimal(job.value) / _GOLDEN_VALUE
    without = _BUILDING_ONLY if job.company == "02" else set()
    return {
        ("", code, type): _round_up(dollars * factor * rnd.randint(85, 112) / 100)
        for code, type, dollars in GOLDEN_BUDGET
        if code[:2] not in without
    }


def _contracted(company: Company, job: Job) -> dict[tuple[str, str, str], Decimal]:
    """What the commitments of a job take per cost key that can carry a budget: open leaves and assigned types on both sides."""
    usable = {(c.code, type) for c in company.codes(job) if c.erp and c.linked and c.active for type in c.types if c.parent}
    found: dict[tuple[str, str, str], Decimal] = {}
    for commitment in company.sound_commitments(job):
        for line in commitment.lines:
            if (line.code, line.type) in usable:
                key = ("", line.code, line.type)
                found[key] = found.get(key, Decimal(0)) + line.amount
    return found


def _round_up(amount: Decimal) -> Decimal:
    return (amount / _STEP).to_integral_value(ROUND_CEILING) * _STEP
