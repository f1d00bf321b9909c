"""``make demo ERP=odoo``: job 25-104 into a real Odoo 14 - contracts, change orders, invoices - and its payments back.

Two runs, in this process and without Airflow; between them Odoo's clerk posts and pays what the first one sent. Exit code 0 only
when both runs reconcile and Odoo holds the job's contracts to the cent (docs/domain-rules.md 5.3).
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import requests

from include.erp.registry import erp_system
from include.financials.exceptions import SyncError
from include.financials.reading.staging import private_folder
from include.financials.settings import Settings, from_file
from sandbox import demo, pipeline
from sandbox.local import VAR, program, sandbox
from sandbox.odoo.accept import address
from sandbox.odoo.books import ADMIN, connect
from sandbox.odoo.clerk import Clerk
from sandbox.odoo.server import running
from sandbox.procore.settings import COMPANY_ID
from sandbox.seed import planted
from sandbox.seed.company import Company
from sandbox.seed.documents import job_documents
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.tryton.demo import CONTRACTS, NUMBERED, SETTINGS, in_step

MAPPING = Path(__file__).resolve().parent / "moved.yaml"
ABSENT = ("customers", "sub_jobs", "budgets", "budget_changes", "prime_contracts", "prime_change_orders", "owner_invoices",
          "payments_received", "vendor_insurances")  # fmt: skip
"""What Odoo's mapping has no place for."""
OPEN_SINCE = date(2025, 12, 31)
"""The job's invoices reach back to the spring: the lock date lies before them."""


def settings() -> Settings:
    found = from_file(SETTINGS)
    off = {name: found.of(name).model_copy(update={"writes": "off"}) for name in ABSENT}
    return found.model_copy(update={"entities": {**found.entities, **off}})


def run(folder: Path = VAR / "demo-odoo") -> int:
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    chosen = settings()
    entities = [name for name in chosen.entities if chosen.of(name).writes == "on"]
    with running() as url, sandbox(folder, history="moved") as info:
        unlocked(url)
        in_step(info)
        reached = {**info, "erp_url": address(url, "integration"), "mapping": str(MAPPING)}
        params = {"projects": [GOLDEN_JOB], "entities": entities, "mode": "apply"}
        balanced = True
        for name in ("first", "second"):
            report = pipeline.run(reached, folder, name, settings=chosen, params=params)
            kept = folder / f"report-{name}.json"
            demo.keep_report(report, kept)
            problems = [row for row in planted(history="moved") if row["entity"] in entities]
            demo.summary(report, problems, fresh=False, kept=os.path.relpath(kept))
            balanced = balanced and bool(report["reconciliation"]["balanced"])
            if name == "first":
                print(f"Odoo's clerk posted the invoices and entered {post_and_pay(url)} payments.", flush=True)
        return 0 if to_the_cent(reached["erp_url"]) and balanced else 1


def unlocked(url: str) -> None:
    with closing(connect(url, ADMIN)) as api:
        (company,) = api.search("res.company", [], ("id",))
        api.write("res.company", [company["id"]], {"fiscalyear_lock_date": OPEN_SINCE})


def post_and_pay(url: str) -> int:
    """Post what waits, and pay as the company paid; checks that were voided are not drawn."""
    company, made = Company(), 0
    with closing(Clerk(url)) as clerk:
        waiting = clerk.api.search("account.move", [["move_type", "=", "in_invoice"], ["state", "=", "draft"]], ("id",))
        for bill in waiting:
            clerk.api.press("account.move", "action_post", [bill["id"]])
        every = [payment for job in company.jobs() for payment in job_documents(company, job).payments if not payment.voided]
        for payment in sorted(every, key=lambda one: one.paid):
            for part in payment.parts:
                if part.commitment.job.number == GOLDEN_JOB:
                    clerk.pay(part.commitment.vendor or "", part.number, payment.number, part.amount, payment.paid)
                    made += 1
    return made


def to_the_cent(url: str) -> bool:
    """What Odoo itself says of the job's contracts."""
    with closing(erp_system(url, str(MAPPING), origin_system=f"procore:{COMPANY_ID}")) as erp:
        held: list[Any] = [one for page in erp.read("commitments", scopes=[GOLDEN_JOB]) for one in page.records]
    held = [one for one in held if one.number.startswith(NUMBERED)]
    found = (len(held), sum(one.amount for one in held), sum(one.approved_changes for one in held))
    print(f"Odoo holds {found[0]} contracts of {GOLDEN_JOB}: {found[1]:,.2f}, changed by {found[2]:,.2f}", flush=True)
    return found == CONTRACTS["commitments"]


def main() -> int:
    return program(run, SyncError, requests.RequestException)


if __name__ == "__main__":
    sys.exit(main())
