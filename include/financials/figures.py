"""The figures of a record that reconciliation needs, as plain JSON with amounts as text: kept in the ledger as last read."""

from __future__ import annotations

from typing import Any

from include.financials.models import Commitment, CostCode, Record
from include.financials.money import text


def cost_key(code: str | None, cost_type: str | None) -> str:
    """``code / type`` of a line in ERP keys (``25-104//03-3000 / 3``), a question mark where a line has none."""
    return f"{code or '?'} / {cost_type or '?'}"


def figures(record: Record) -> dict[str, Any]:
    if isinstance(record, Commitment):
        return {
            "project": record.project,
            "original": text(record.amount),
            "changes": text(record.approved_changes),
            "currency": record.currency,
            "status": record.status,
            "lines": [[line.position, cost_key(line.cost_code, line.cost_type), text(line.amount)] for line in record.lines],
        }
    if isinstance(record, CostCode):
        return {"cost_types": list(record.cost_types), "project": record.project}
    return {}
