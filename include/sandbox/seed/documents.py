"""The documents of contracts (change orders, invoices, payments, prime side) in both systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.sandbox.seed.billing import Draw
from include.sandbox.seed.changes import Change, changes
from include.sandbox.seed.invoices import invoices
from include.sandbox.seed.model import Commitment, Job, Planted
from include.sandbox.seed.payments import Payment, payments
from include.sandbox.seed.prime import Receipt, owner_invoices, prime_contract, receipts
from include.sandbox.seed.prime_model import PrimeContract
from include.sandbox.seed.tables import NAMED_JOBS

if TYPE_CHECKING:
    from include.sandbox.seed.company import Company
    from include.sandbox.seed.procore import Store


@dataclass(frozen=True, slots=True)
class JobDocuments:
    """Everything that hangs on the contracts of one job."""

    job: Job
    changes: list[Change]
    invoices: list[Draw[Commitment]]
    payments: list[Payment]
    prime: PrimeContract | None
    prime_changes: list[Change]
    owner_invoices: list[Draw[PrimeContract]]
    receipts: list[Receipt]


def job_documents(company: Company, job: Job) -> JobDocuments:
    commitments: list[Commitment] = company.commitments(job)
    orders = {commitment.id: changes(company, commitment) for commitment in commitments}
    draws = [draw for commitment in commitments for draw in invoices(company, commitment, orders[commitment.id])]
    prime = prime_contract(company, job)
    prime_orders = changes(company, prime) if prime and prime.linked else []
    owner_draws = owner_invoices(prime, prime_orders) if prime else []
    return JobDocuments(
        job=job,
        changes=[change for found in orders.values() for change in found],
        invoices=draws,
        payments=payments(company, commitments, draws),
        prime=prime,
        prime_changes=prime_orders,
        owner_invoices=owner_draws,
        receipts=receipts(prime, owner_draws) if prime else [],
    )


def write_procore(store: Store, company: Company, linked: bool) -> Iterator[tuple[str, int]]:
    """Fill the store; yields (kind, records) as each kind is done. ``linked`` False: without external ids."""
    from include.sandbox.seed.procore_documents import ProcoreDocuments  # builds on procore.py, which calls this

    yield from ProcoreDocuments(company, linked=linked).write_documents(store)


def write_erp(connection: sa.Connection, company: Company, linked: bool) -> Iterator[tuple[str, int]]:
    """Fill the ledger, inside the transaction and the bulk state of the caller; yields (table, rows)."""
    from include.sandbox.seed.erp_documents import ErpDocuments  # builds on erp.py, which calls this

    yield from ErpDocuments(company, linked=linked).write_documents(connection)


PROBLEMS: dict[int, tuple[str, str, str]] = {
    11: ("the change order's commitment is planted problem 1 and was not sent", "O-01", "held"),
    12: ("a deduction takes the commitment 2,625.50 below what is billed", "O-04", "quarantined"),
    13: ("the vendor has the same invoice number in AP, on job 25-107", "I-04", "quarantined"),
    14: ("billing date June 30, 2026; the period is closed", "I-05", "held"),
    15: ("the summary's total retainage is 10.00 above what the items give", "I-08", "quarantined"),
    16: ("work from previous contains the material stored last month, which still counts as stored", "I-07", "quarantined"),
    17: ("invoice 3 is approved while invoice 2 is under review", "I-03", "held"),
    18: ("bills change order 001, which is planted problem 12 and was not sent", "I-01", "held"),
    19: ("the payment names an invoice that nobody knows", "Y-02", "held"),
    20: ("the check was voided on September 16, after it was linked", "Y-04", "conflict"),
    25: ("the owner was never sent to Procore", "J-04", "held"),
}
"""Problem, rule, expected state, by the numbers of docs/domain-rules.md 5.4."""
TWINS = {
    11: "112-SC-009/001",
    12: "201-SC-005/001",
    13: "098-SC-012-01",
    14: "201-SC-001-02",
    15: "130006-03",
    16: "098-SC-002-02",
    17: "098-SC-004-02",
    18: "201-SC-005-03",
    19: "004688/4417-02",
    20: "004512/4417-01",
    25: "118-PC-001",
}
"""The good record beside each."""


def planted(company: Company) -> list[Planted]:
    """The problems among the documents of a company that contains the small one."""
    found: list[tuple[int, str, str]] = []
    for job in company.jobs():
        if job.index >= len(NAMED_JOBS):
            break
        documents = job_documents(company, job)
        found += [(change.planted, "commitment_change_orders", change.key) for change in documents.changes]
        found += [(draw.planted, "subcontractor_invoices", draw.number) for draw in documents.invoices if draw.eligible]
        found += [(p.planted, "payments_issued", f"{p.number}/{p.parts[0].number}") for p in documents.payments]
        if documents.prime:
            found.append((documents.prime.planted, "prime_contracts", documents.prime.number))
    return [Planted(number, entity, key, *PROBLEMS[number], TWINS[number]) for number, entity, key in found if number]
