"""Payments to subcontractors (docs/domain-rules.md 2.6 and 5.1 to 5.4): invoices of July in the second run of August, those of
August in the second run of September. Payments are the ERP's; ``linked`` ones Procore has too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sandbox.seed import names
from sandbox.seed.billing import Draw
from sandbox.seed.changes import changes
from sandbox.seed.company import Company
from sandbox.seed.document_ids import contract_key
from sandbox.seed.invoices import invoices
from sandbox.seed.model import Commitment
from sandbox.seed.tables import PAYMENT_HOLD_VENDOR, day

RUNS = {7: day("2026-08-28"), 8: day("2026-09-25")}
"""The day on which invoices of a month are paid."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a payment pays of one invoice; ``draw`` is None for an invoice that nobody knows."""

    commitment: Commitment
    number: str
    amount: Decimal
    draw: Draw[Commitment] | None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment of the ERP: to one vendor, on one or more invoices."""

    number: str
    method: str
    paid: date
    parts: tuple[Part, ...]
    linked: bool
    voided: date | None = None
    planted: int = 0

    @property
    def company(self) -> str:
        return self.parts[0].commitment.job.company

    @property
    def vendor(self) -> str | None:
        return self.parts[0].commitment.vendor

    @property
    def amount(self) -> Decimal:
        return sum((part.amount for part in self.parts), Decimal("0.00"))

    @property
    def updated_at(self) -> datetime:
        last = self.voided or self.paid
        return datetime(last.year, last.month, last.day, 11, tzinfo=UTC) + timedelta(
            minutes=contract_key(self.parts[0].commitment) % 240
        )


@dataclass(frozen=True, slots=True)
class Told:
    """A payment that is told one by one. ``amounts``: on which invoice how much (None: all that is due)."""

    number: str
    paid: str
    amounts: tuple[tuple[str, int, str | None], ...]
    linked: bool = False
    voided: str | None = None
    method: str = "check"
    planted: int = 0


TOLD = (
    Told("004512", "2026-08-28", (("104-SC-003", 1, None),), linked=True),
    Told("004513", "2026-08-28", (("104-SC-001", 1, None),), voided="2026-09-01"),
    Told("004530", "2026-09-04", (("104-SC-001", 1, None),)),
    Told("004688", "2026-09-25", (("104-SC-003", 2, "300000.00"),)),
    Told("ACH-0907", "2026-09-25", (("104-SC-001", 2, None), ("112-SC-005", 1, "12400.00")), method="electronic"),
    Told("004571", "2026-08-28", (("098-SC-005", 1, None),), linked=True, voided="2026-09-16", planted=20),
)
"""Golden ones, a check over two contracts, and planted #20: linked, and voided in the ERP since."""
ORPHAN = ("004702", "2026-09-22", "107-SC-005", "88214-03", Decimal("18450.00"))
"""Planted #19: a payment whose invoice is nowhere: number, date, commitment, invoice number, amount."""
UNPAID = ("104-SC-006",)
"""Contracts whose invoices are still open."""


def payments(company: Company, commitments: Sequence[Commitment], draws: Iterable[Draw[Commitment]]) -> list[Payment]:
    """The payments that a job's invoices (``draws``) are paid with. One over several jobs belongs to the last of them."""
    told = [entry for entry in TOLD if company.size.whole or not entry.planted]
    singled = {(number, sequence) for entry in told for number, sequence, _ in entry.amounts}
    found = [_told(company, entry) for entry in told if entry.amounts[-1][0] in {c.number for c in commitments}]
    found += [_regular(draw) for draw in draws if (draw.contract.number, draw.sequence) not in singled and _is_paid(draw)]
    number, paid, contract, invoice, amount = ORPHAN
    for commitment in commitments:
        if commitment.number == contract and company.size.whole:
            part = Part(commitment, invoice, amount, None)
            found.append(Payment(number, "check", day(paid), (part,), linked=False, planted=19))
    return found


def on_hold(commitment: Commitment) -> bool:
    """Whether payments to the vendor are held back."""
    return commitment.vendor == names.vendor_code(PAYMENT_HOLD_VENDOR)


def _is_paid(draw: Draw[Commitment]) -> bool:
    contract = draw.contract
    return draw.linked and contract.number not in UNPAID and not on_hold(contract) and draw.payable > 0


def _regular(draw: Draw[Commitment]) -> Payment:
    """One payment per invoice, every fourth contract's by transfer. What was paid in August is in Procore by now."""
    n = contract_key(draw.contract) * 10 + draw.sequence
    method, number = ("electronic", f"ACH-{n}") if draw.contract.id % 4 == 1 else ("check", f"{n:06d}")
    part = Part(draw.contract, draw.number, draw.payable, draw)
    return Payment(number, method, RUNS[draw.billing_date.month], (part,), linked=draw.billing_date.month == min(RUNS))


def _told(company: Company, entry: Told) -> Payment:
    parts = []
    for number, sequence, amount in entry.amounts:
        draw = _find(company, number, sequence)
        if draw is not None:
            parts.append(Part(draw.contract, draw.number, draw.payable if amount is None else Decimal(amount), draw))
    voided = day(entry.voided) if entry.voided else None
    return Payment(entry.number, entry.method, day(entry.paid), tuple(parts), entry.linked, voided, entry.planted)


def _find(company: Company, number: str, sequence: int) -> Draw[Commitment] | None:
    """An invoice of any job; None where a reduced company has not got it."""
    for job in company.jobs():
        if number.startswith(f"{job.prefix}-"):
            for commitment in company.commitments(job):
                if commitment.number == number:
                    draws = invoices(company, commitment, changes(company, commitment))
                    return next((draw for draw in draws if draw.sequence == sequence), None)
    return None
