"""The sums that Procore derives of contracts and change orders (docs/procore-contract.md §5.1, §6.4).

Each is computed for a whole page of records in a few statements.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from sqlite3 import Row
from typing import Any

from sandbox.procore.billing import earned
from sandbox.procore.context import Context
from sandbox.procore.figures import ZERO, figure, money, percent
from sandbox.procore.store import Record, marks

CHUNK = 500
APPROVED, PENDING, DRAFT = "approved", ("pending", "revised"), "draft"
PRIME = "prime_contracts"


def by_parent(context: Context, sql: str, ids: Sequence[int], *values: Any) -> Iterator[Row]:
    """Rows of a SELECT over the children of many records. ``sql`` holds ``{marks}`` where their ids go, and then its values."""
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        yield from context.store.rows(sql.format(marks=marks(part)), [*part, *values])


LINES = """SELECT parent_id, json_extract(doc, '$.amount') AS amount FROM objects
  WHERE kind = 'contract_lines' AND deleted_at IS NULL AND parent_id IN ({marks}) AND json_extract(doc, '$.contract_kind') = ?"""
CHANGE_LINES = """SELECT json_extract(p.doc, '$.package_id') AS package, json_extract(l.doc, '$.amount') AS amount
  FROM objects p JOIN objects l ON l.kind = 'change_lines' AND l.parent_id = p.id AND l.deleted_at IS NULL
  WHERE p.kind = 'potential_change_orders' AND p.deleted_at IS NULL AND p.parent_id IN ({marks})"""
PACKAGES = """SELECT id, parent_id, status, json_extract(doc, '$.stored_grand_total') AS stored FROM objects
  WHERE kind = 'change_order_packages' AND deleted_at IS NULL AND parent_id IN ({marks})"""
PAYMENTS = """SELECT parent_id, json_extract(doc, '$.amount') AS amount FROM objects
  WHERE kind = 'contract_payments' AND deleted_at IS NULL AND parent_id IN ({marks})"""
LATEST = """SELECT parent_id, max(CAST(number AS INTEGER)) AS number, json_extract(doc, '$.items') AS items FROM objects
  WHERE kind = '{kind}' AND deleted_at IS NULL AND parent_id IN ({{marks}}) GROUP BY parent_id"""
LINES_OF_CHANGES = """SELECT parent_id, json_extract(doc, '$.amount') AS amount FROM objects
  WHERE kind = 'change_lines' AND deleted_at IS NULL AND parent_id IN ({marks})"""


def line_sums(context: Context, kind: str, contracts: Iterable[Record]) -> dict[int, Decimal]:
    """The sum of the schedule of values, by contract id."""
    sums = {contract["id"]: ZERO for contract in contracts}
    for row in by_parent(context, LINES, list(sums), kind):
        sums[row["parent_id"]] += Decimal(row["amount"] or 0)
    return sums


def change_sums(context: Context, changes: Iterable[Record]) -> dict[int, Decimal]:
    """The sum of the lines of potential change orders, mark-up included, by their id. The parts of a mark-up are not rounded,
    what they add up to is."""
    sums = {change["id"]: ZERO for change in changes}
    for row in by_parent(context, LINES_OF_CHANGES, list(sums)):
        sums[row["parent_id"]] += Decimal(row["amount"] or 0)
    return {change: Decimal(money(amount)) for change, amount in sums.items()}


def package_totals(context: Context, contract_ids: Iterable[int]) -> dict[int, Decimal]:
    """The sum of the lines of each package of these contracts, mark-up included, by package id. A package without lines is not
    in it; a stored total is not looked at."""
    sums: dict[int, Decimal] = {}
    for row in by_parent(context, CHANGE_LINES, sorted(set(contract_ids))):
        sums[row["package"]] = sums.get(row["package"], ZERO) + Decimal(row["amount"] or 0)
    return {package: Decimal(money(amount)) for package, amount in sums.items()}


@dataclass(slots=True)
class ContractSums:
    """What a contract's documents add up to, in its currency. ``changes``: totals of its packages by status; ``invoiced``: earned
    less retainage of its last invoice."""

    lines: Decimal = ZERO
    payments: Decimal = ZERO
    invoiced: Decimal = ZERO
    changes: dict[str, Decimal] = field(default_factory=dict)

    @property
    def approved(self) -> Decimal:
        return self.changes.get(APPROVED, ZERO)

    @property
    def pending(self) -> Decimal:
        return sum((self.changes.get(status, ZERO) for status in PENDING), ZERO)

    @property
    def draft(self) -> Decimal:
        return self.changes.get(DRAFT, ZERO)

    @property
    def revised(self) -> Decimal:
        return self.lines + self.approved


def contract_sums(context: Context, kind: str, contracts: Sequence[Record]) -> dict[int, ContractSums]:
    """By contract id, in five statements per 500 contracts. A contract's stored total ("imported from an older system") wins over
    the sum of its lines, and a package's over that of its own."""
    found = {id: ContractSums(total) for id, total in line_sums(context, kind, contracts).items()}
    for contract in contracts:
        if contract.get("stored_grand_total") is not None:
            found[contract["id"]].lines = Decimal(contract["stored_grand_total"])
    ids = list(found)
    totals = package_totals(context, ids)
    for row in by_parent(context, PACKAGES, ids):
        changes, total = found[row["parent_id"]].changes, totals.get(row["id"], ZERO)
        changes[row["status"]] = changes.get(row["status"], ZERO) + (total if row["stored"] is None else Decimal(row["stored"]))
    for row in by_parent(context, PAYMENTS, ids):
        found[row["parent_id"]].payments += Decimal(row["amount"] or 0)
    invoices = "payment_applications" if kind == PRIME else "requisitions"
    for row in by_parent(context, LATEST.format(kind=invoices), ids):
        found[row["parent_id"]].invoiced = earned(json.loads(row["items"] or "[]"))
    return found


def commitment_figures(contract: Mapping[str, Any], sums: ContractSums) -> dict[str, Any]:
    """Derived money of a commitment (§5.1): the balance is that of the revised contract less payments (§13)."""
    figures = {
        "grand_total": sums.lines,
        "approved_change_orders": sums.approved,
        "pending_change_orders": sums.pending,
        "draft_change_orders_amount": sums.draft,
        "revised_contract": sums.revised,
        "pending_revised_contract": sums.revised + sums.pending,
        "remaining_balance_outstanding": sums.revised - sums.payments,
        "percentage_paid": percent(sums.payments, sums.revised),
        "total_payments": sums.payments,
        "total_draw_requests_amount": ZERO,
        "total_requisitions_amount": sums.invoiced,
    }
    return {name: figure(value, int(contract["id"])) for name, value in figures.items()}


def prime_figures(contract: Mapping[str, Any], sums: ContractSums) -> dict[str, Any]:
    """Derived money of a prime contract (§6.4)."""
    figures = {
        "grand_total": sums.lines,
        "line_items_total": sums.lines,
        "line_items_extended_total": sums.lines,
        "approved_change_orders": sums.approved,
        "draft_change_orders_amount": sums.draft,
        "pending_change_orders_amount": sums.pending,
        "revised_contract_amount": sums.revised,
        "pending_revised_contract_amount": sums.revised + sums.pending,
        "outstanding_balance": sums.revised - sums.payments,
        "percentage_paid": percent(sums.payments, sums.revised),
        "total_payments": sums.payments,
        "owner_invoices_amount": sums.invoiced,
    }
    return {name: figure(value, int(contract["id"])) for name, value in figures.items()}
