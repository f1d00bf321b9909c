"""The contract with an owner, as a value; what has to do with it is in ``prime``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sandbox.seed.model import Customer, Job, Line

PRIME = "prime"


@dataclass(frozen=True, slots=True)
class PrimeContract:
    """Born in the ERP; ``linked``: Procore has it too. Named as a commitment, so that billing needs not tell them apart."""

    id: int
    number: str
    job: Job
    customer: Customer
    title: str
    retainage: Decimal
    contract_date: date
    updated_at: datetime
    lines: tuple[Line, ...]
    linked: bool
    planted: int = 0
    kind: str = PRIME
    currency: str = "USD"

    @property
    def amount(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal("0.00"))
