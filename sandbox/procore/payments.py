"""Payments of contracts, issued on commitments and received on prime contracts (docs/procore-contract.md §6.3).

There is no uniqueness guard: the same payment can be entered twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore import locks
from sandbox.procore.attributes import Attribute, choice, day, decimal, ids, plain, whole
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import figure
from sandbox.procore.store import Record
from sandbox.procore.views import picked

PAYMENTS, REQUISITIONS = "contract_payments", "requisitions"
WHAT = "payment"
ATTRIBUTES = (
    Attribute("amount", decimal, required=True),
    *plain("check_number invoice_number notes origin_id origin_data"),
    *plain("date invoice_date", day),
    *plain("draw_request_number payment_number requisition_id", whole),
    Attribute("payment_method", choice("check", "credit_card", "electronic")),
    Attribute("prostore_file_ids", ids),
)
NAMES = (
    "amount attachments check_number contract_id created_at date date_payment_initiated date_payment_settled"
    " draw_request_number external_payment_id id invoice_number notes origin_code origin_data origin_id payment_number"
    " project_id requisition_id status updated_at"
)
"""``payment_method`` and ``invoice_date`` can be written and are never shown."""


def details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    return [
        {"amount": figure(row.get("amount"), row["id"]), "attachments": [], "contract_id": row["parent_id"], "status": "paid"}
        for row in rows
    ]


VIEW = picked(details, NAMES)


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """A subcontractor invoice that is named is one of the contract (422). An external id locks all but files and external ids."""
    id = draft.get("requisition_id")
    if id is not None and id != (existing or {}).get("requisition_id"):
        invoice = context.one(REQUISITIONS, id)
        if invoice is None or invoice["parent_id"] != draft["parent_id"]:
            raise Invalid({"requisition_id": ["is no subcontractor invoice of this contract"]}, 422)
    locks.refuse_synced(context, draft, existing, WHAT, free=("prostore_file_ids",))


def removing(context: Context, payment: Record) -> None:
    locks.refuse_synced_delete(context, payment, WHAT)
