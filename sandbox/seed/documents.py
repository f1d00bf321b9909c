"""The documents of contracts (change orders, invoices, payments, prime side) in both systems."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.seed.billing import Draw
from sandbox.seed.changes import Change, changes
from sandbox.seed.company import Company
from sandbox.seed.invoices import invoices
from sandbox.seed.model import Commitment, Job
from sandbox.seed.payments import Payment, payments
from sandbox.seed.prime import Receipt, owner_invoices, prime_contract, receipts
from sandbox.seed.prime_model import PrimeContract


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
