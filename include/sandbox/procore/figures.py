"""Money in replies, and the sums that Procore derives (docs/procore-contract.md §1.5, §5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from include.sandbox.procore.context import Context
from include.sandbox.procore.store import Record, marks

CENT = Decimal("0.01")


def figure(value: str | Decimal | None, salt: int) -> str | None:
    """A figure as v1 writes it: the scale varies from record to record (``250.0``, ``7300.00``), no digit is lost."""
    if value is None:
        return None
    whole, _, fraction = format(Decimal(value), "f").partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(1 + salt % 2, '0')}"


def product(quantity: str, unit_cost: str) -> str:
    """The amount of a calculated line: rounded half away from zero to the cent."""
    return format((Decimal(quantity) * Decimal(unit_cost)).quantize(CENT, ROUND_HALF_UP), "f")


def line_sums(context: Context, kind: str, contracts: Iterable[Record]) -> dict[int, Decimal]:
    """The sum of the schedule of values, by contract id."""
    sums = {contract["id"]: Decimal(0) for contract in contracts}
    ids = list(sums)
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        rows = context.store.rows(
            "SELECT parent_id, json_extract(doc, '$.amount') AS amount FROM objects WHERE kind = 'contract_lines'"
            f" AND deleted_at IS NULL AND parent_id IN ({marks(part)}) AND json_extract(doc, '$.contract_kind') = ?",
            [*part, kind],
        )
        for row in rows:
            sums[row["parent_id"]] += Decimal(row["amount"] or 0)
    return sums


def contract_figures(contract: Record, sum_of_lines: Decimal) -> dict[str, Any]:
    """Derived money of a commitment. A stored total ("imported from an older system") wins over the sum of its lines."""
    stored = contract.get("stored_grand_total")
    total = sum_of_lines if stored is None else Decimal(stored)
    approved = Decimal(contract.get("approved_change_orders") or 0)
    salt = int(contract["id"])
    zero = figure("0", salt)
    return {
        "grand_total": figure(total, salt),
        "approved_change_orders": figure(approved, salt),
        "pending_change_orders": zero,
        "draft_change_orders_amount": zero,
        "revised_contract": figure(total + approved, salt),
        "pending_revised_contract": figure(total + approved, salt),
        "remaining_balance_outstanding": figure(total + approved, salt),
        "percentage_paid": zero,
        "total_payments": zero,
        "total_draw_requests_amount": zero,
        "total_requisitions_amount": zero,
    }
