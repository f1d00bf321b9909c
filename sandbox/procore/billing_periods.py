"""Billing periods of a project (docs/procore-contract.md §6.1): subcontractor invoices and payment applications name one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore.attributes import Attribute, choice, day
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.store import Record
from sandbox.procore.views import picked

STATUSES = ("open", "closed")
ATTRIBUTES = (
    Attribute("start_date", day, required=True),
    Attribute("end_date", day, required=True),
    Attribute("due_date", day, required=True),
    Attribute("status", choice(*STATUSES), required=True),
)
USERS = ("requisitions", "payment_applications")


def _details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """``position``: the period's place among those of its project, by start."""
    order = "json_extract(doc, '$.start_date'), id"
    periods = context.store.query("billing_periods", [("project_id = ?", [context.project_id])], order=order)
    places = {period["id"]: place for place, period in enumerate(periods, start=1)}
    return [{"position": places[row["id"]]} for row in rows]


VIEW = picked(_details, "created_at due_date end_date id position project_id start_date status updated_at")


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    if draft["end_date"] < draft["start_date"]:
        raise Invalid({"end_date": ["must not be before start_date"]}, 422)


def removing(context: Context, period: Record) -> None:
    """Raises 422 while an invoice is billed in the period."""
    for kind in USERS:
        where = [
            ("project_id = ?", [period["project_id"]]),
            ("deleted_at IS NULL", []),
            ("json_extract(doc, '$.period_id') = ?", [period["id"]]),
        ]
        if context.store.count(kind, where):
            raise Invalid({"base": [f"cannot be deleted while {kind.replace('_', ' ')} are billed in it"]}, 422)
