"""What the builders of several families share: from Procore's rows to canonical records, and nothing that asks Procore for more.

``system`` is the first part of our external ids. Everything raises :class:`~include.procore.parse.Misfit` (or pydantic's
ValidationError) for a row that does not fit; call it through :meth:`include.procore.entity.ProcoreEntity.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from include.financials.identity import parse_origin
from include.financials.money import ZERO
from include.financials.record import Line, LineModel
from include.procore.parse import Row, common

AnyLine = TypeVar("AnyLine", bound=LineModel)


def currency(row: Row) -> str | None:
    configuration = row.child("currency_configuration")
    return (configuration.text("currency_iso_code") if configuration else None) or row.text("currency_iso_code")


def project_number(row: Row) -> str:
    return row.text("project_number") or row.required("name")


def sub_job_id(row: Row) -> str | None:
    return row.id("biller_id") if row.get("biller_type") == "SubJob" else None


def document_number(row: Row) -> str:
    """A document's number: text, or a plain number as some resources send it."""
    value = row.get("number")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else row.required("number")


def lines(rows: Iterable[Any], build: Callable[[Row], AnyLine], prefix: str = "lines") -> tuple[AnyLine, ...]:
    """Lines in the order of their positions; a message counts them from 1, as they came."""
    built = [build(Row(data, f"{prefix}[{index}].")) for index, data in enumerate(rows, 1)]
    return tuple(sorted(built, key=lambda line: line.position))


def line_fields(row: Row) -> dict[str, Any]:
    """What the lines of all documents share (LINE, docs/procore-contract.md 3)."""
    code, cost = row.child("cost_code"), row.child("line_item_type")
    return {
        "id": row.required_id(),
        "position": row.whole("position"),
        "description": row.text("description"),
        "cost_code": (code.id("id") if code else None) or row.id("cost_code_id"),
        "cost_type": (cost.id("id") if cost else None) or row.id("line_item_type_id"),
        "sub_job": sub_job_id(code) if code else None,
        "amount": _line_amount(row),
        "extended_type": row.choice("extended_type", ("manual", "calculated"), "manual"),
        "quantity": row.decimal("quantity", 6),
        "unit_cost": row.decimal("unit_cost", 6),
        "unit": row.text("uom"),
        "tax_code": row.id("tax_code_id"),
    }


def _line_amount(row: Row) -> Decimal:
    """``amount``; the lines of a change order package have it as ``extended_amount`` only. Never ``total_amount``: it has tax."""
    return row.money("extended_amount" if row.get("amount") is None and row.get("extended_amount") is not None else "amount")


def line(row: Row) -> Line:
    return Line(**line_fields(row))


def our_line(row: Row, system: str) -> Line:
    """A line of a document that we made in Procore: what follows ``#`` in its external id is the ERP's own line number."""
    origin_id = row.text("origin_id")
    number = (origin_id or "").rpartition("#")[2] if parse_origin(origin_id, system) else ""
    fields = line_fields(row)
    return Line(**{**fields, "position": int(number) if number.isdecimal() else fields["position"]})


# ---------------------------------------------------------------------- contracts and their documents


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract of a change order, an invoice or a payment."""

    id: str
    number: str
    project: str
    party: str | None = None
    """Vendor of a commitment, owner of a prime contract."""
    currency: str | None = None


def party(row: Row) -> str | None:
    party = row.child("vendor")
    return (party.id("id") if party else None) or row.id("vendor_id")


def contract_head(row: Row, project_id: str) -> Contract:
    """What its documents need of a contract: it is known although its sums or its lines cannot be read."""
    return Contract(row.required_id(), row.required("number"), project_id, party(row), currency(row))


def contract(row: Row, system: str, project_id: str, rows: Iterable[Any]) -> dict[str, Any]:
    """The fields that contracts of both kinds have."""
    found = lines(rows, line)  # first: a line that cannot be read is named, not the sum that follows from it
    return {
        **common(row, system),
        "number": row.required("number"),
        "project": project_id,
        "title": row.text("title"),
        "status": row.required("status"),
        "currency": currency(row),
        "retainage_percent": row.decimal("retainage_percent", 4),
        "contract_date": row.day("contract_date"),
        "amount": row.money("grand_total"),
        "approved_changes": row.derived("approved_change_orders") or ZERO,
        "payments": row.derived("total_payments") or ZERO,
        "lines": found,
    }
