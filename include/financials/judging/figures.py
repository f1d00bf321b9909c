"""The figures of a record that reconciliation and later checks need, as plain JSON with amounts as text: kept in the ledger as
last read, in ERP keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.financials.identity import plain
from include.financials.models import (
    Budget,
    ChangeOrder,
    Commitment,
    CostCode,
    Invoice,
    InvoiceLine,
    Line,
    Payment,
    PrimeChangeOrder,
    PrimeContract,
    Record,
)
from include.financials.money import text

Figures = dict[str, Any]


def cost_key(code: str | None, cost_type: str | None) -> str:
    """``code / type`` of a line in ERP keys (``25-104//03-3000 / 3``), a question mark where a line has none."""
    return f"{code or '?'} / {cost_type or '?'}"


def _line(line: Line | InvoiceLine) -> Figures:
    """``key`` as in the document, ``x`` its cost key, ``amount``; ``id`` and ``position`` find it from elsewhere."""
    found: Figures = {
        "key": line.key,
        "position": line.position,
        "id": line.id,
        "x": cost_key(line.cost_code, line.cost_type),
        "amount": text(line.amount),
    }
    if isinstance(line, InvoiceLine):
        found |= {"held": text(line.held), "released": text(line.released), "tax": text(line.tax)}
    return found


def _document(record: Any) -> Figures:
    return {
        "project": record.project,
        "amount": text(record.amount),
        "currency": record.currency,
        "status": getattr(record, "status", None),
        "lines": [_line(line) for line in getattr(record, "lines", ())],
    }


def _contract(record: Any) -> Figures:
    kind = {"kind": record.kind} if isinstance(record, Commitment) else {}
    return {"changes": text(record.approved_changes), "paid": text(record.payments), **kind}


def _change_order(record: Any) -> Figures:
    markup = {"markup": text(record.markup)} if isinstance(record, PrimeChangeOrder) else {}
    return {"contract": contract_of(record), "line_of": {line.key: line.line for line in record.lines if line.line}, **markup}


def _invoice(record: Any) -> Figures:
    money = {name: text(getattr(record, name)) for name in ("held", "released", "tax", "due", "completed", "retainage")}
    return {
        "contract": contract_of(record),
        "sequence": record.sequence,
        **money,
        # The next invoice's movements are counted from these balances.
        "items": [plain(item.model_dump(exclude_defaults=True)) for item in record.items],
    }


def _payment(record: Any) -> Figures:
    return {"contract": contract_of(record), "invoice": record.invoice, "discount": text(record.discount)}


def contract_of(record: Record) -> str | None:
    """The contract that a document of a contract names."""
    return getattr(record, "commitment", None) or getattr(record, "prime_contract", None)


_FIGURES: tuple[tuple[tuple[type[Record], ...], Callable[[Any], Figures]], ...] = (
    ((Commitment, PrimeContract), _contract),
    ((ChangeOrder,), _change_order),
    ((Invoice,), _invoice),
    ((Payment,), _payment),
    ((Budget,), lambda record: {"owner": record.owner, "locked": record.locked}),
    ((CostCode,), lambda record: {"cost_types": list(record.cost_types), "project": record.project}),
)


def figures(record: Record) -> Figures:
    """What is kept of a record; empty for one that nothing is counted of."""
    found = _document(record) if hasattr(record, "amount") else {}
    for models, more in _FIGURES:
        if isinstance(record, models):
            found |= more(record)
    return found
