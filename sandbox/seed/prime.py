"""The owner's side: prime contracts, what is billed to owners, and what they paid (docs/domain-rules.md 2.7 and 5.1 to 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from sandbox.seed import names
from sandbox.seed.billing import Draw, Progress
from sandbox.seed.changes import Change
from sandbox.seed.company import Company
from sandbox.seed.document_ids import INVOICE_ID, document_key
from sandbox.seed.model import CENT, Job, Line, schedule
from sandbox.seed.prime_model import PrimeContract
from sandbox.seed.tables import IDLE_CUSTOMER, NAMED_JOBS, day

PRIME_ID = 8_900_000_000
GOLDEN = schedule("""
    01-3100 L   742000.00 General conditions
    02-4100 C   221000.00 Demolition and clearing
    31-2000 C   864000.00 Earthwork and utilities
    03-3000 C  1536000.00 Concrete
    04-2000 C   388000.00 Masonry
    05-1200 C  1742000.00 Steel and metals
    06-1000 L   246000.00 Carpentry
    07-5000 C   731000.00 Thermal and moisture
    08-4000 C   918000.00 Openings
    09-2900 C  1284000.00 Finishes
    14-2000 C   262000.00 Elevator
    21-1000 C   214000.00 Fire suppression
    22-1000 C   672000.00 Plumbing
    23-3000 C  1148000.00 HVAC
    26-2000 C  1004000.00 Electrical
    00-6100 O   148000.00 Insurance and bonds
    01-2100 O   360000.00 Fee
""")
"""The 17 lines of 25-104; other buildings have them in proportion to their value."""
BRIDGE = schedule("""
    01-3100 L   486000.00 General conditions
    02-4100 C   568400.00 Remove barrier and deck, 9,800 sy at 58.00
    03-3000 C  2247000.00 Deck concrete, 2,140 cy at 1,050.00
    05-1200 C   982500.00 Structural steel repair, 262 ton at 3,750.00
    31-2000 C   613480.00 Approach fill, 25,040 cy at 24.50
    33-1000 C   318500.00 Deck drains and piping, 3,640 lf at 87.50
    26-2000 C   331200.00 Navigation and roadway lights, 92 ea at 3,600.00
    34-7100 C   412920.00 Approach pavement, 13,764 sy at 30.00
    00-6100 O   126000.00 Insurance and bonds
    01-2100 O   214000.00 Fee
""")
"""25-201 is let at unit prices; the ledger keeps the amounts only, so both sides have the prices in words."""
ONLY_BUILDINGS = ("04-2000", "06-1000", "07-5000", "08-4000", "09-2900", "14-2000", "21-1000", "22-1000", "23-3000")
IDLE_OWNER = {"26-112": IDLE_CUSTOMER[1]}
"""Planted #25: the owner of this job's prime contract was never sent to Procore."""

PLANS = {
    "104-PC-001": "L0731 L0831 A0930",
    "098-PC-001": "L0731:9 L0831:17 A0915:21 A0930:26",
    "107-PC-001": "L0710:3 L0731:8 L0831:14 A0930:21",
    "201-PC-001": "L0731:11 L0831:19 A0915:24 D0930:30",
}
"""9 linked, 5 approved, 1 draft; words are state, month and day of billing, percent of every line."""
BILLS = {
    "104-OI-01": "1 W60000; 2 W151000; 3 W260000; 4 W230000; 6 W294100 S122400; 16 W148000; 17 W5500",
    "104-OI-02": (
        "1 W62000; 2 W70000; 3 W310000; 4 W420000; 5 W60000; 6 W600000 S74400; 13 W80000; 15 W70000; 17 W20000;"
        " 001/1 W31250; 001/2 W8000"
    ),
    "104-OI-03": (
        "1 W58000; 3 W200000; 4 W380000; 5 W110000; 6 W431325 S51900; 8 W90000; 13 W110000; 15 W95000; 17 W20700;"
        " 001/1 W13050; 002/1 W-11200"
    ),
}
STATUS = {"L": "approved", "A": "approved", "D": "draft"}

RECEIPTS = (
    # receipt, day, invoice, amount (None: all that is open), linked
    ("R-104-01", "2026-08-31", "104-OI-01", None, True),
    ("R-104-02", "2026-09-28", "104-OI-02", "1500000.00", False),
    ("R-098-01", "2026-09-02", "098-OI-01", None, True),
    ("R-098-02", "2026-09-28", "098-OI-02", None, False),
    ("R-107-01", "2026-08-11", "107-OI-01", None, True),
    ("R-107-02", "2026-09-04", "107-OI-02", None, True),
    ("R-107-03", "2026-09-29", "107-OI-03", None, False),
    ("R-201-01", "2026-08-28", "201-OI-01", None, True),
    ("R-201-02", "2026-09-22", "201-OI-02", "150000.00", True),
    ("R-201-03", "2026-09-28", "201-OI-02", None, False),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money from an owner, for one invoice; ``linked``: Procore has it too."""

    number: str
    received: date
    draw: Draw[PrimeContract]
    amount: Decimal
    linked: bool

    @property
    def updated_at(self) -> datetime:
        return _moment(self.received, 13)


def prime_contract(company: Company, job: Job) -> PrimeContract | None:
    """A job's contract with its owner; a reduced company has none that is a planted problem."""
    idle = IDLE_OWNER.get(job.number)
    customer = next((c for c in company.customers() if (c.company, c.code) == (job.company, idle or job.customer)), None)
    if customer is None:
        return None
    return PrimeContract(
        id=PRIME_ID + job.index * 10_000 + 1,
        number=f"{job.prefix}-PC-001",
        job=job,
        customer=customer,
        title=job.name[:30].strip(),
        retainage=job.retainage,
        contract_date=job.start - timedelta(days=20),
        updated_at=names.document_moment(610 + job.index * 7)
        if not job.linked or idle
        else names.master_moment(1_800 + job.index),
        lines=_lines(job),
        linked=job.linked and idle is None,
        planted=25 if idle else 0,
    )


def _lines(job: Job) -> tuple[Line, ...]:
    """The golden schedule in proportion; what is left over by rounding is fee, the last line."""
    if job.number == "25-201":
        return BRIDGE
    kept = [line for line in GOLDEN if job.company != "02" or line.code not in ONLY_BUILDINGS]
    factor = Decimal(job.value) / sum(line.amount for line in kept)
    amounts = [(line.amount * factor / 500).quantize(Decimal(1)) * 500 + CENT * 0 for line in kept]
    amounts[-1] += job.value - sum(amounts)
    return tuple(replace(line, position=n, amount=a) for n, (line, a) in enumerate(zip(kept, amounts, strict=True), start=1))


def owner_invoices(prime: PrimeContract, orders: Sequence[Change]) -> list[Draw[PrimeContract]]:
    """What was billed to the owner, one invoice after the other. Change orders with mark-up are not billed yet."""
    if not prime.linked:
        return []
    progress = Progress(prime, moving=False, tax_rates={})
    orders = [change for change in orders if change.approved and not change.markup]
    made = []
    for sequence, word in enumerate(_words(prime), start=1):
        (state, month, day_), percent = (word[0], int(word[1:3]), int(word[3:5])), word[6:]
        billed, number = date(2026, month, day_), f"{prime.job.prefix}-OI-{sequence:02d}"
        progress.include(c for c in orders if c.decided <= billed and (c.linked or state != "L"))
        evenly = percent and progress.reach(Decimal(percent), Decimal(0), evenly=True)
        made.append(
            Draw(
                id=INVOICE_ID + document_key(prime, sequence),
                contract=prime,
                sequence=sequence,
                own_number=number,
                number=number,
                billing_date=billed,
                status=STATUS[state],
                linked=state == "L",
                items=progress.draw(evenly or progress.told(BILLS[number])),
                changes=tuple(progress.changes),
                created_at=_moment(billed, 9),
                updated_at=min(_moment(billed + timedelta(days=3), 15), _LAST_MOMENT),
                previous_id=INVOICE_ID + document_key(prime, sequence - 1) if sequence > 1 else None,
            )
        )
    return made


_LAST_MOMENT = datetime(2026, 9, 30, 16, tzinfo=UTC)


def _words(prime: PrimeContract) -> Sequence[str]:
    if prime.job.index < len(NAMED_JOBS):
        return PLANS[prime.number].split()
    rnd = Random(f"{prime.number} owner invoices")
    first = rnd.randint(4, 20)
    return [f"L0731:{first}", f"L0831:{first + rnd.randint(3, 9)}", f"A0930:{first + rnd.randint(10, 19)}"][: rnd.randint(1, 3)]


def receipts(prime: PrimeContract, invoices: Sequence[Draw[PrimeContract]]) -> list[Receipt]:
    """What the owner paid on these invoices."""
    draws = {draw.number: draw for draw in invoices if draw.linked}
    if prime.job.index >= len(NAMED_JOBS):
        return [
            Receipt(f"R-{prime.job.prefix}-{n:02d}", received, draw, draw.payable, linked)
            for n, (draw, (received, linked)) in enumerate(zip(draws.values(), _RECEIVED, strict=False), start=1)
        ]
    found, open_ = [], {number: draw.payable for number, draw in draws.items()}
    for number, received, invoice, amount, linked in RECEIPTS:
        if invoice in draws:
            paid = open_[invoice] if amount is None else Decimal(amount)
            open_[invoice] -= paid
            found.append(Receipt(number, day(received), draws[invoice], paid, linked))
    return found


_RECEIVED = ((day("2026-08-31"), True), (day("2026-09-28"), False))
"""When the invoices of July and August are paid, and whether Procore knows."""


def _moment(on: date, hour: int) -> datetime:
    return datetime(on.year, on.month, on.day, hour, tzinfo=UTC)
