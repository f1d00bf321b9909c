"""The sandbox company's books in Acumatica: vendors, owners, jobs and their project budgets, as people set them up there.

Procore's records of them carry Acumatica's external ids, as if the company had gone over to it; nothing was sent to it yet.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from sandbox.seed.company import Company
from sandbox.seed.model import Job
from sandbox.seed.sizes import size_of
from sandbox.seed.tables import COST_TYPES
from tests.unit.erp.rest.acumatica import Acumatica

TENANT, BRANCH = "HARBORSTONE", "BUILD"
ITEMS = {code: ("LABOR", "MATERIAL", "SUBCONTRACT", "EQUIPMENT", "OTHER")[number - 1] for number, _, _, code, *_ in COST_TYPES}
"""Procore's cost type -> the item that it is there."""
HOLDS = {"none": "Active", "payment": "Hold Payments", "all": "On Hold"}


def books(size: str) -> Acumatica:
    company, erp = Company("planted", size_of(size)), Acumatica(largest=100, masters=False)
    for vendor in company.vendors():
        if vendor.erp:
            status = HOLDS[vendor.hold] if vendor.active else "Inactive"
            address = {"AddressLine1": vendor.address, "City": vendor.city, "State": vendor.state, "PostalCode": vendor.zip}
            erp.put(
                "Vendor", VendorID=vendor.code, VendorName=vendor.name, Status=status, TaxRegistrationID=vendor.tax_id,
                Terms=vendor.terms, MainContact={"Address": address},
            )  # fmt: skip
    for customer in company.customers():
        address = {"AddressLine1": customer.address, "City": customer.city, "State": customer.state, "PostalCode": customer.zip}
        erp.put(
            "Customer", CustomerID=customer.code, CustomerName=customer.name, Status="Active", MainContact={"Address": address}
        )
    for item in ITEMS.values():
        erp.put("NonStockItem", InventoryID=item, Description=item.title(), ItemClass="COSTTYPE", ItemStatus="Active")
    for job in company.jobs():
        erp.put("Project", ProjectID=job.number, Description=job.name, Status="Active", Customer=job.customer, Branch=BRANCH)
        for task in ("00", *(sub.number for sub in job.sub_jobs)):
            names = {sub.number: sub.name for sub in job.sub_jobs}
            erp.put(
                "ProjectTask", ProjectID=job.number, ProjectTaskID=task, Description=names.get(task, job.name), Status="Active",
                Branch=BRANCH,
            )  # fmt: skip
        for task, code, name, item in _budget(company, job):
            erp.put(
                "ProjectBudget", ProjectID=job.number, ProjectTaskID=task, CostCode=code, InventoryID=item, Type="Expense",
                Description=name, OriginalBudgetedAmount=Decimal(0), Branch=BRANCH,
            )  # fmt: skip
    return erp


def _budget(company: Company, job: Job) -> Iterator[tuple[str, str, str, str]]:
    for code in (*company.codes(job), *company.sub_codes(job)):
        if code.erp:
            yield from ((code.sub_job or "00", code.code, code.name, ITEMS[kind]) for kind in code.types)


def gone_over(procore: Path) -> None:
    """The external ids of Procore's records are Acumatica's: keys and companies are its own, and what it does not have (headers
    of cost codes, tax codes) has none."""
    with closing(sqlite3.connect(procore)) as connection, connection:
        found = connection.execute("SELECT kind, id, origin_id, doc FROM objects WHERE origin_id LIKE 'tryton:%'").fetchall()
        for kind, ident, origin, text in found:
            _, _, entity, key = origin.split(":", 3)
            new = _renamed(entity, key)
            doc = json.loads(text)
            doc["origin_data"] = json.dumps({"erp_key": new[1]}, separators=(",", ":")) if new else None
            stored = f"acumatica:{new[0]}:{entity}:{new[1]}" if new else None
            connection.execute(
                "UPDATE objects SET origin_id = ?, doc = ? WHERE kind = ? AND id = ?", (stored, json.dumps(doc), kind, ident)
            )


def _renamed(entity: str, key: str) -> tuple[str, str] | None:
    """Company and key there."""
    match entity:
        case "vendors" | "customers":
            return TENANT, key
        case "cost_types":
            return TENANT, ("LABOR", "MATERIAL", "SUBCONTRACT", "EQUIPMENT", "OTHER")[int(key) - 1]
        case "projects" | "sub_jobs":
            return BRANCH, key
        case "cost_codes":
            job, sub_job, code = key.split("/")
            return (BRANCH, f"{job}/{sub_job or '00'}/{code}") if "-" in code else None
    return None
