"""What the accountant does with job 25-104 after the sync has sent it: what was paid and received (docs/domain-rules.md 5.3)."""

from __future__ import annotations

from sandbox.seed.company import Company
from sandbox.seed.documents import job_documents
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.tryton.books import Clerk

METHODS = {"check": "Check", "electronic": "Electronic"}


def post_and_pay(clerk: Clerk) -> int:
    """Post what waits, pay as the company paid and enter what it received; one check is voided and issued anew. How many payments
    and receipts there are."""
    clerk.post()
    company, made = Company(), 0
    documents = [job_documents(company, job) for job in company.jobs()]
    every = [payment for found in documents for payment in found.payments]
    for payment in sorted(every, key=lambda one: one.paid):
        mine = [part for part in payment.parts if part.commitment.job.number == GOLDEN_JOB]
        if mine:
            parts = [(part.commitment.vendor or "", part.number, part.amount) for part in mine]
            clerk.pay(payment.number, METHODS[payment.method], payment.paid, parts)
            made += 1
            if payment.voided:
                clerk.fail(payment.number)
    for receipt in (one for found in documents for one in found.receipts):
        if receipt.draw.contract.job.number == GOLDEN_JOB:
            part = (receipt.draw.contract.customer.code, receipt.draw.number, receipt.amount)
            clerk.receive(receipt.number, METHODS["electronic"], receipt.received, [part])
            made += 1
    return made
