"""Procore ids of the documents of contracts, made from running numbers as those in ``ids``.

All lie above 32 bits. Ids of change order packages leave room for the newer resource, which adds 7,000,000,000 to them.
"""

from __future__ import annotations

from sandbox.seed.model import Commitment, Job
from sandbox.seed.prime_model import PRIME, PrimeContract
from sandbox.seed.tables import PO, SC

Contract = Commitment | PrimeContract

PACKAGE_ID, CHANGE_ID, CHANGE_LINE_ID = 40_000_000_000, 50_000_000_000, 600_000_000_000
INVOICE_ID, ITEM_ID, PAYMENT_ID = 70_000_000_000, 900_000_000_000, 80_000_000_000
PRIME_LINE_ID, PERIOD_ID = 30_000_000_000, 6_900_000_000
_KINDS = (SC, PO, PRIME)


def contract_key(contract: Contract) -> int:
    """A small number that no other contract has."""
    return (contract.job.index * len(_KINDS) + _KINDS.index(contract.kind)) * 10_000 + contract.id % 10_000


def document_key(contract: Contract, sequence: int) -> int:
    """A number for the ``sequence``-th document of its kind on a contract; there are fewer than a hundred."""
    return contract_key(contract) * 100 + sequence


def change_line_id(contract: Contract, sequence: int, position: int) -> int:
    return CHANGE_LINE_ID + document_key(contract, sequence) * 100 + position


def item_id(contract: Contract, sequence: int, index: int) -> int:
    return ITEM_ID + document_key(contract, sequence) * 1_000 + index


def period_id(job: Job, month: int) -> int:
    return PERIOD_ID + job.index * 100 + month


def prime_line_id(contract: PrimeContract, position: int) -> int:
    return PRIME_LINE_ID + contract.job.index * 100 + position
