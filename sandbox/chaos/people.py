"""What people do in Procore, by the numbers that they know: each is one or more calls of Procore's own API made by a person."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from sandbox.chaos.company import Company

REQUISITIONS = "/rest/v1.1/requisitions"


def project(world: Company, number: str) -> dict[str, Any]:
    return next(row for row in world.objects("projects") if row["project_number"] == number)


def contract(world: Company, number: str) -> dict[str, Any]:
    """A commitment or a prime contract."""
    primes = [row for row in world.objects("prime_contracts") if row["number"] == number]
    return primes[0] if primes else world.contract(number)


def child(world: Company, kind: str, of: str, number: int | str) -> dict[str, Any]:
    """A change order package, requisition or payment application of a contract by its own number."""
    parent = contract(world, of)["id"]
    return next(row for row in world.objects(kind) if row["parent_id"] == parent and int(row["number"]) == int(number))


def change_order(world: Company, of: str, number: int, **changes: Any) -> None:
    row = child(world, "change_order_packages", of, number)
    world.as_user("PATCH", f"/change_order_packages/{row['id']}", {"project_id": row["project_id"], "change_order": changes})


def requisition(world: Company, of: str, number: int, **changes: Any) -> None:
    row = child(world, "requisitions", of, number)
    world.as_user("PATCH", f"{REQUISITIONS}/{row['id']}", {"project_id": row["project_id"], "requisition": changes})


def lock_budget(world: Company, job: str) -> None:
    world.as_user("POST", f"/projects/{project(world, job)['id']}/budget/lock")


def cost_key(world: Company, of: str) -> dict[str, Any]:
    """Cost code and cost type of a contract's first line."""
    parent = contract(world, of)["id"]
    line = next(row for row in world.objects("contract_lines") if row["parent_id"] == parent)
    return {name: line[name] for name in ("cost_code_id", "line_item_type_id")}


def new_commitment(world: Company, number: str, like: str, *amounts: str, status: str = "Approved", **fields: Any) -> None:
    """A subcontract on the job, for the vendor and on the first cost key of ``like``."""
    model = contract(world, like)
    place, key = model["project_id"], cost_key(world, like)
    header = {"number": number, "title": "Signage", "vendor_id": model["vendor_id"], "retainage_percent": "10",
              "contract_date": "2026-09-20", **fields}  # fmt: skip
    made = world.as_user("POST", "/work_order_contracts", {"project_id": place, "work_order_contract": header})
    path = f"/work_order_contracts/{made['id']}"
    for position, amount in enumerate(amounts, start=1):
        line = {**key, "amount": amount, "description": f"Part {position}"}
        world.as_user("POST", f"{path}/line_items", {"project_id": place, "line_item": line})
    world.as_user("PATCH", path, {"project_id": place, "work_order_contract": {"status": status}})


def new_change_order(world: Company, of: str, amount: str, *, status: str = "approved", title: str = "More of it") -> int:
    """A change order with one new line; its package's number. A prime contract's is gathered from a potential one (two tiers)."""
    parent = contract(world, of)
    head = {"project_id": parent["project_id"], "contract_id": parent["id"]}
    prime = parent["kind"] == "prime_contracts"
    if prime:
        potential = world.as_user("POST", "/potential_change_orders", {**head, "change_order": {"title": title}})["id"]
    package = world.as_user("POST", "/change_order_packages", {**head, "change_order": {"title": title}})
    if not prime:
        potential = next(r["id"] for r in world.objects("potential_change_orders") if r["package_id"] == package["id"])
    line = {**cost_key(world, of), "amount": amount, "description": title}
    lines = f"/potential_change_orders/{potential}/line_items"
    world.as_user("POST", lines, {"project_id": parent["project_id"], "line_item": line})
    if prime:
        gathered = {"change_order_request": {"change_order_package_id": package["id"]}}
        world.as_user("PATCH", f"/potential_change_orders/{potential}", {**head, "change_order": gathered})
    approved = {"project_id": parent["project_id"], "change_order": {"status": status}}
    world.as_user("PATCH", f"/change_order_packages/{package['id']}", approved)
    return int(package["number"])


def new_requisition(
    world: Company, of: str, work: str, *, change: int | None = None, status: str = "approved", **fields: Any
) -> int:
    """A subcontractor invoice that bills ``work`` on each line of the contract, and on the lines of a change order; its id."""
    parent = contract(world, of)
    place = parent["project_id"]
    items = [{"item_type": "contract_item", "line_item_id": line["id"], "work_completed_this_period": work} for line in
             world.lines(of)]  # fmt: skip
    header = {"billing_date": "2026-09-25", "requisition_start": "2026-09-01", "requisition_end": "2026-09-30", "items": items}
    body = {"project_id": place, "commitment_id": parent["id"], "requisition": {**header, **fields}}
    made = int(world.as_user("POST", REQUISITIONS, body)["id"])
    sent: list[dict[str, Any]] = []
    if change is not None:
        package = child(world, "change_order_packages", of, change)["id"]
        query = f"project_id={place}&commitment_id={parent['id']}&change_order_package_id={package}"
        added = world.as_user("POST", f"/requisitions/{made}/add_change_order_package?{query}")
        sent = [{"id": row["id"], "item_type": "change_order_item", "work_completed_this_period": work} for row in added]
    approved = {"status": status, **({"items": sent} if sent else {})}
    world.as_user("PATCH", f"{REQUISITIONS}/{made}", {"project_id": place, "requisition": approved})
    return made


def new_owner_invoice(world: Company, of: str, number: str, work: str, **fields: Any) -> None:
    """A payment application that bills ``work`` on the contract's fourth line."""
    parent = contract(world, of)
    path, place = f"/prime_contracts/{parent['id']}", parent["project_id"]
    dates = {"billing_date": "2026-09-30", "period_start": "2026-09-30", "period_end": "2026-09-30"}
    header = {"invoice_number": number, **dates, **fields}
    made = world.as_user("POST", f"{path}/payment_applications", {"project_id": place, "payment_application": header})
    item = next(row for row in world.objects("payment_applications") if row["id"] == made["id"])["items"][3]
    entered = {"project_id": place, "payment_application_line_item": {"work_completed_this_period": work}}
    world.as_user("PATCH", f"{path}/payment_application_line_items/{item['id']}", entered)
    approved = {"project_id": place, "payment_application": {"status": "approved"}}
    world.as_user("PATCH", f"{path}/payment_applications/{made['id']}", approved)


def spoil(world: Company, kind: str, ident: int, **values: Any) -> None:
    """Overwrite stored fields of a record in Procore past all of its checks, as an old import may have left them."""
    with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
        (doc,) = connection.execute("SELECT doc FROM objects WHERE kind = ? AND id = ?", (kind, ident)).fetchone()
        connection.execute(
            "UPDATE objects SET doc = ?, updated_at = '2026-09-30T19:00:00Z' WHERE kind = ? AND id = ?",
            (json.dumps({**json.loads(doc), **values}), kind, ident),
        )


def merge_companies(world: Company, gone: str, stays: str) -> None:
    """Two companies of the directory, by their vendors' keys, become one: what named the one names the other."""
    ids = {row["origin_id"]: row["id"] for row in world.objects("vendors")}
    old, new = (ids[f"sandbox:G1:vendors:{key}"] for key in (gone, stays))
    with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
        connection.execute(
            "UPDATE objects SET doc = json_set(doc, '$.vendor_id', ?) WHERE json_extract(doc, '$.vendor_id') = ?", (new, old)
        )
        connection.execute("UPDATE objects SET parent_id = ? WHERE kind = 'insurances' AND parent_id = ?", (new, old))
        connection.execute("DELETE FROM objects WHERE kind = 'vendors' AND id = ?", (old,))
