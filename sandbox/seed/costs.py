"""Direct costs: the job cost of the ERP that no commitment covers, and which of it Procore has (docs/domain-rules.md 5.1 to 5.4).

The named jobs' transactions are planned by the calendar: payroll every second Friday, equipment at month end, material any day.
Those above the small size follow from their running number, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice, zip_longest
from random import Random
from typing import NamedTuple

from sandbox.seed.company import Company
from sandbox.seed.ids import LINKED_VENDORS
from sandbox.seed.model import CENT, DirectCost, Job, Line, Planted, extended
from sandbox.seed.names import DOCUMENT_DAYS
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.seed.sizes import SMALL
from sandbox.seed.tables import DUAL_VENDOR, SECTIONS, TRADE_INDEX, day

FIRST_DAY, LAST_DAY = day("2026-07-01"), day("2026-09-30")
PAYDAYS = tuple(day("2026-07-10") + timedelta(days=14 * n) for n in range(6))
MONTH_ENDS = (day("2026-07-31"), day("2026-08-31"), day("2026-09-30"))
_PER_NAMED_JOB, _GENERATED, _ORPHAN = 1_000, 10_000, 9_001
"""Sequence numbers: a thousand per named job, planted #23, then those above the small size."""
_LINES = (1, 1, 2, 1, 1, 1, 3, 1, 1, 2)
"""How many lines a transaction has, in turn: 1.4 on average."""


class Plan(NamedTuple):
    """A named job's transactions: how many are linked and new, crews paid per payday, machines charged per month end."""

    linked: int
    new: int
    crews: int
    machines: int
    apart: tuple[str, ...] = ()
    """States of further ones that are never sent."""


class Slot(NamedTuple):
    """A transaction to be: where it comes from, on which day, and which of its kind on that day."""

    day: date
    source: str
    turn: int


class Supply(NamedTuple):
    """Material bought without a commitment, from a trade whose contracts never use the same cost key (D-02 would warn)."""

    code: str
    trade: str
    texts: tuple[str, ...]
    unit: str
    unit_cost: str


PLANS = {
    "25-098": Plan(133, 57, crews=4, machines=3, apart=("unposted",)),
    "26-112": Plan(31, 13, crews=1, machines=1),
    "25-107": Plan(175, 75, crews=4, machines=3, apart=("unposted", "unposted")),
    "25-201": Plan(73, 32, crews=3, machines=2, apart=("void",)),
}
"""With the 11 of the golden job: 420 linked and 180 new, 3 unposted, 1 void."""

SUPPLIES = (
    Supply("01-5000", "rental", ("Temporary fencing", "Site office supplies", "Barricades"), "ea", "38.7500"),
    Supply("06-1000", "doors", ("Blocking lumber", "Plywood", "Fasteners"), "lf", "2.1850"),
    Supply("03-3000", "masonry", ("Patching mortar", "Curing compound", "Form ties"), "ea", "14.3200"),
    Supply("04-2000", "masonry", ("Block, short order", "Mortar", "Wall ties"), "ea", "2.9400"),
    Supply("08-1100", "carpentry", ("Temporary doors", "Hinges", "Frame anchors"), "ea", "61.5000"),
    Supply("09-5100", "drywall", ("Ceiling wire", "Replacement tile", "Edge trim"), "ea", "4.1250"),
)
_DUAL = Supply("03-3000", "concrete", ("Ready-mixed concrete, short load", "Ready-mixed concrete, slab repair", "Grout"), "", "")
"""One vendor has subcontracts and sells material without a commitment: on the job where its purchase order is, too."""
_DUAL_JOB, _DUAL_EVERY = "25-107", 12
_CREWS = ("01-3100", "03-3000", "06-1000", "01-7400")
_MACHINES = ("Telehandler", "Excavator", "Compactor")
_JOURNALS = (("01-3100", "Permit and plan copies"), ("01-3100", "Travel, site meetings"), ("00-6100", "Builder's risk premium"))

_GOLDEN = (
    # source, code, type, amount, day, text, vendor's trade, linked, line of this table that it reverses
    ("PR", "01-3100", "L", "24186.40", "2026-07-10", "Payroll, site management", None, True, None),
    ("AP", "01-5000", "M", "7412.18", "2026-07-16", "Temporary fencing and barricades", "rental", True, None),
    ("PR", "01-3100", "L", "24186.40", "2026-07-24", "Payroll, site management", None, True, None),
    ("PR", "03-3000", "L", "18930.75", "2026-07-24", "Payroll, concrete crew", None, True, None),
    ("EQ", "01-5000", "E", "9850.00", "2026-07-31", "Equipment, July", None, True, None),
    ("AP", "06-1000", "M", "13207.66", "2026-08-05", "Lumber and sheathing", "doors", True, None),
    ("PR", "03-3000", "L", "21344.10", "2026-08-14", "Payroll, concrete crew", None, True, None),
    ("JC", "01-3100", "O", "3125.00", "2026-08-31", "Permit fees, accrued", None, True, None),
    ("JC", "01-3100", "O", "-3125.00", "2026-09-01", "Permit fees, accrual reversed", None, False, 8),
    ("AP", "06-1000", "M", "-1180.25", "2026-09-09", "Credit memo, returned lumber", "doors", False, None),
    ("PR", "01-3100", "L", "24186.40", "2026-09-11", "Payroll, site management", None, False, None),
)

_TWIN = ("25-107", "06-1000", "doors")
"""Planted #23's twin: the first new one of this job, code and trade's first vendor, who billed both."""


def direct_costs(company: Company, job: Job) -> Iterator[DirectCost]:
    """A job's transactions, those of the small company first; made as they are read."""
    if company.size.whole:
        yield from named_costs(company, job)
    else:
        before = sum(len(_usable(company, other)) for other in company.jobs() if other.index < job.index)
        yield from islice(_usable(company, job), max(0, company.size.direct_costs - before))
    yield from _generated(company, job)


def orphan(company: Company) -> DirectCost:
    """Planted #23: a warranty cost on a job that was never sent."""
    twin = _twin(company)
    line = Line(1, _TWIN[1], "M", "Warranty repair, door blocking", Decimal("1864.20"))
    spent = day("2026-07-17")
    job, invoice = company.closed_job, _invoice(twin.vendor or 0, _ORPHAN)
    return DirectCost(
        _ORPHAN, job, "AP", line.text, spent, _moment(spent, Random(_ORPHAN)), (line,), False, vendor=twin.vendor, invoice=invoice
    )


def planted(company: Company) -> list[Planted]:
    cost = orphan(company)
    problem = f"its job {cost.job.number} was never sent to Procore"
    return [Planted(23, "direct_costs", cost.trans, problem, "D-03", "held", _twin(company).trans)]


def named_costs(company: Company, job: Job) -> list[DirectCost]:
    """The small company's transactions of a job."""
    if job.number == GOLDEN_JOB:
        return _golden(job)
    plan = PLANS.get(job.number)
    if plan is None:
        return []
    count, first = plan.linked + plan.new, job_sequence(job)
    costs = [
        _cost(company, job, first + n, slot, linked=n * plan.new // count == (n + 1) * plan.new // count)
        for n, slot in enumerate(_slots(plan))
    ]
    for n, status in enumerate(plan.apart, start=count):
        slot = Slot(LAST_DAY - timedelta(days=n % 7 + 1), "AP", n)
        costs.append(_cost(company, job, first + n, slot, linked=False, status=status))
    return costs


def job_sequence(job: Job) -> int:
    """The number of a named job's first transaction."""
    return (job.index + 1) * _PER_NAMED_JOB + 1


def _golden(job: Job) -> list[DirectCost]:
    """The eleven of docs/domain-rules.md 5.3: 142,123.64."""
    costs: list[DirectCost] = []
    for n, (source, code, type, amount, spent, text, trade, linked, reversed_line) in enumerate(_GOLDEN):
        sequence = job_sequence(job) + n
        vendor = TRADE_INDEX[trade] if trade else None
        costs.append(
            DirectCost(
                sequence=sequence,
                job=job,
                source=source,
                description=text,
                cost_date=day(spent),
                updated_at=_moment(day(spent), Random(sequence)),
                lines=(Line(1, code, type, text, Decimal(amount)),),
                linked=linked,
                vendor=vendor,
                invoice=None if vendor is None else _invoice(vendor, sequence),
                reverses=costs[reversed_line - 1].trans if reversed_line else None,
            )
        )
    return costs


def _slots(plan: Plan) -> list[Slot]:
    """A named job's calendar, in the order of days; what is left of the count is material."""
    fixed = [Slot(payday, "PR", crew) for payday in PAYDAYS for crew in range(plan.crews)]
    fixed += [Slot(end, "EQ", machine) for end in MONTH_ENDS for machine in range(plan.machines)]
    fixed += [Slot(end, "JC", n) for n, end in enumerate(MONTH_ENDS)]
    count = plan.linked + plan.new - len(fixed)
    bought = [Slot(FIRST_DAY + timedelta(days=n * DOCUMENT_DAYS // count), "AP", n) for n in range(count)]
    return sorted([*fixed, *bought])


def _generated(company: Company, job: Job) -> Iterator[DirectCost]:
    """Those above the small size: seven of ten linked, spread over the jobs that take such ones."""
    takers = company.takers
    if job.index not in takers:
        return
    for n in range(takers[job.index], _beyond(company), len(takers)):
        turn, spent = n // len(takers), FIRST_DAY + timedelta(days=n * 37 % DOCUMENT_DAYS)
        source = "PR" if turn % 8 == 3 else "EQ" if turn % 16 == 5 else "JC" if turn % 32 == 13 else "AP"
        yield _cost(company, job, _GENERATED + n, Slot(spent, source, turn), linked=turn * 3 % 10 < 7)


def _beyond(company: Company) -> int:
    """How many transactions the size asks for beyond the named jobs' own."""
    named = SMALL.direct_costs if company.size.whole else sum(len(_usable(company, job)) for job in company.jobs())
    return max(0, company.size.direct_costs - named)


def _sent(company: Company, job: Job) -> list[DirectCost]:
    return [cost for cost in named_costs(company, job) if cost.status == "posted"]


def _usable(company: Company, job: Job) -> list[DirectCost]:
    """A reduced company's: linked and new ones in turn, none whose vendor or original is left out."""
    sent = [cost for cost in _sent(company, job) if cost.reverses is None and _known(company, cost.vendor)]
    pairs = zip_longest((cost for cost in sent if cost.linked), (cost for cost in sent if not cost.linked))
    return [cost for pair in pairs for cost in pair if cost is not None]


def _known(company: Company, vendor: int | None) -> bool:
    return vendor is None or vendor not in LINKED_VENDORS or company.has_vendor(vendor)


def _cost(company: Company, job: Job, sequence: int, slot: Slot, *, linked: bool, status: str = "posted") -> DirectCost:
    rnd = Random(f"direct cost {sequence}")
    count, vendor, source = _LINES[sequence % len(_LINES)], None, slot.source
    if source == "AP":
        supply, vendor = _supplier(company, job, slot, rnd)
        if not _known(company, vendor):
            source, vendor = "JC", None
    if source == "AP":
        lines = _material(supply, count, rnd)
    elif source == "PR":
        lines = _payroll(slot, count, rnd)
    elif source == "EQ":
        lines = _equipment(slot, count, rnd)
    else:
        lines = _journal(slot, rnd)
    return DirectCost(
        sequence=sequence,
        job=job,
        source=source,
        description=_description(source, slot, lines),
        cost_date=slot.day,
        updated_at=_moment(slot.day, rnd),
        lines=lines,
        linked=linked,
        status=status,
        vendor=vendor,
        invoice=None if vendor is None else _invoice(vendor, sequence),
    )


def _supplier(company: Company, job: Job, slot: Slot, rnd: Random) -> tuple[Supply, int]:
    """What is bought, and the number of the vendor who sells it."""
    if job.number == _DUAL_JOB and slot.turn % _DUAL_EVERY == 5:
        return _DUAL, DUAL_VENDOR
    supply = SUPPLIES[(slot.turn + job.index) % len(SUPPLIES)]
    return supply, company.pick_vendor(job, supply.trade, rnd)


def _material(supply: Supply, count: int, rnd: Random) -> tuple[Line, ...]:
    """Lines of an invoice, one in five by quantity; one in forty is a credit memo."""
    sign = -1 if rnd.randrange(40) == 0 else 1
    lines = []
    for position in range(1, count + 1):
        text, amount = supply.texts[position - 1], Decimal(rnd.randint(12_000, 640_000)) / 100
        if supply.unit and sign > 0 and rnd.randrange(5) == 0:
            quantity, price = Decimal(rnd.randint(20, 480)), Decimal(supply.unit_cost)
            lines.append(Line(position, supply.code, "M", text, extended(quantity, price), quantity, price, supply.unit))
        else:
            lines.append(Line(position, supply.code, "M", text, (sign * amount).quantize(CENT)))
    return tuple(lines)


def _payroll(slot: Slot, count: int, rnd: Random) -> tuple[Line, ...]:
    """Hours of a crew, on its own code and on others it helped out on."""
    codes = [_CREWS[(slot.turn + n) % len(_CREWS)] for n in range(count)]
    return tuple(
        Line(position, code, "L", f"{SECTIONS[code][0]}, wages", Decimal(rnd.randint(210_000, 2_340_000)) / 100)
        for position, code in enumerate(codes, start=1)
    )


def _equipment(slot: Slot, count: int, rnd: Random) -> tuple[Line, ...]:
    machines = [_MACHINES[(slot.turn + n) % len(_MACHINES)] for n in range(count)]
    return tuple(
        Line(position, "01-5000", "E", machine, Decimal(rnd.randint(900, 7_200)))
        for position, machine in enumerate(machines, start=1)
    )


def _journal(slot: Slot, rnd: Random) -> tuple[Line, ...]:
    code, text = _JOURNALS[slot.turn % len(_JOURNALS)]
    return (Line(1, code, "O", text, Decimal(rnd.randint(15_000, 480_000)) / 100),)


def _description(source: str, slot: Slot, lines: tuple[Line, ...]) -> str:
    first = lines[0].text
    if source == "PR":
        return f"Payroll, week of {slot.day - timedelta(days=4):%d %b}"
    if source == "EQ":
        return f"Equipment, {slot.day:%B}"
    return f"Credit memo, {first[0].lower()}{first[1:]}" if lines[0].amount < 0 else first


def _invoice(vendor: int, sequence: int) -> str:
    """The vendor's invoice number; unlike a subcontractor's own numbers, so that no two of one vendor are equal."""
    return f"{4100 + vendor}-{sequence:06d}"


def _moment(spent: date, rnd: Random) -> datetime:
    """Entered on the day or up to two days later, in office hours, never after the anchor."""
    entered = min(spent + timedelta(days=rnd.randrange(3)), LAST_DAY)
    return datetime(entered.year, entered.month, entered.day, 7, tzinfo=UTC) + timedelta(seconds=rnd.randrange(34_000))


def _twin(company: Company) -> DirectCost:
    number, code, trade = _TWIN
    job = next(job for job in company.jobs() if job.number == number)
    vendor = TRADE_INDEX[trade]
    return next(
        cost
        for cost in named_costs(company, job)
        if not cost.linked and cost.status == "posted" and (cost.lines[0].code, cost.vendor) == (code, vendor)
    )
