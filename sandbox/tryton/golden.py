"""What the clerk does with job 25-104 after the sync has sent it: the checks and transfers of docs/domain-rules.md 5.3."""

from __future__ import annotations

from sandbox.seed.company import Company
from sandbox.seed.documents import job_documents
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.tryton.books import Clerk

METHODS = {"check": "Check", "electronic": "Electronic"}


def post_and_pay(clerk: Clerk) -> int:
    """Post what waits, and pay as the company paid; one check is voided and issued anew. How many payments were made."""
    clerk.post()
    company, made = Company(), 0
    every = [payment for job in company.jobs() for payment in job_documents(company, job).payments]
    for payment in sorted(every, key=lambda one: one.paid):
        mine = [part for part in payment.parts if part.commitment.job.number == GOLDEN_JOB]
        if mine:
            parts = [(part.commitment.vendor or "", part.number, part.amount) for part in mine]
            clerk.pay(payment.number, METHODS[payment.method], payment.paid, parts)
            made += 1
            if payment.voided:
                clerk.fail(payment.number)
    return made
