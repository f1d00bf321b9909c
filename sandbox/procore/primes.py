"""Prime contracts (docs/procore-contract.md §6.4). Their schedules of values are lines like those of commitments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.procore import belongings
from sandbox.procore.attributes import Attribute, choice, day, decimal, flag, plain, whole
from sandbox.procore.call import Reply
from sandbox.procore.commitments import company_of, line_view, lines_of
from sandbox.procore.context import Context
from sandbox.procore.contracts import USER
from sandbox.procore.engine import enter, shown
from sandbox.procore.errors import not_found
from sandbox.procore.figures import figure
from sandbox.procore.schema import Resource
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import PRIME, contract_sums, prime_figures
from sandbox.procore.views import picked

STATUSES = ("Draft", "Out For Bid", "Out For Signature", "Approved", "Complete", "Terminated")
DAYS = (
    "actual_completion_date approval_letter_date contract_date contract_estimated_completion_date contract_start_date"
    " execution_date issued_on_date letter_of_intent_date returned_date signed_contract_received_date"
)
ATTRIBUTES = (
    *plain("number title description inclusions exclusions origin_id origin_data"),
    Attribute("status", choice(*STATUSES), nullable=False),
    Attribute("accounting_method", choice("amount", "unit")),
    *plain("vendor_id architect_id contractor_id", whole),
    Attribute("executed", flag),
    Attribute("retainage_percent", decimal),
    *plain(DAYS, day),
)

LISTED = (
    f"accounting_method approved_change_orders architect attachments contract_termination_date contractor created_at created_by"
    f" currency_configuration deleted_at description exclusions executed grand_total id inclusions number origin_data origin_id"
    f" private retainage_percent show_line_items_to_non_admins status title updated_at vendor {DAYS}"
)
LIST = f"{LISTED} origin_code"
LISTS = ("change_order_packages", "change_order_requests", "payments_received", "potential_change_orders")
SUMS = (
    "draft_change_orders_amount line_items_extended_total line_items_total outstanding_balance owner_invoices_amount"
    " pending_change_orders_amount pending_revised_contract_amount percentage_paid revised_contract_amount total_payments"
)
SWITCHES = (
    "allow_markups", "allow_payment_applications", "allow_payments", "display_materials_retainage", "display_stored_materials",
    "display_work_retainage",
)  # fmt: skip
SHOW = (
    f"{LISTED} {SUMS} {' '.join(SWITCHES)} {' '.join(LISTS)} allow_comments allow_redistributions assigned_to bill_to"
    " budget_line_item_id cost_code delivery_date line_items original_substantial_completion_date payment_terms position"
    " received_from requisition_number ship_to ship_via substantial_completion_date type"
)


def details(*, full: bool) -> Callable[[Context, Sequence[Record]], list[dict[str, Any]]]:
    """What a reply derives; ``full``: with the lines, the documents and the owner's external id, as Show has them."""

    def derive(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
        sums = contract_sums(context, PRIME, rows)
        companies = context.fetch("vendors", (row.get(name) for row in rows for name in ("vendor_id", "contractor_id")))
        return [
            {
                **prime_figures(row, sums[row["id"]]),
                "vendor": company_of(companies.get(row.get("vendor_id") or 0), full=full),
                "contractor": company_of(companies.get(row.get("contractor_id") or 0), full=False),
                "retainage_percent": figure(row.get("retainage_percent"), row["id"]),
                "currency_configuration": {"currency_iso_code": row.get("currency_iso_code")},
                "executed": bool(row.get("executed")),
                "private": bool(row.get("private")),
                "show_line_items_to_non_admins": False,
                "created_by": USER,
                "attachments": [],
                **(_contents(context, row) if full else {}),
            }
            for row in rows
        ]

    return derive


def _contents(context: Context, contract: Record) -> dict[str, Any]:
    """What only Show has."""
    return {
        "type": "PrimeContract",
        "line_items": line_view(context, lines_of(context, PRIME, contract["id"])),
        **belongings.listed(context, PRIME, contract, LISTS),
        **dict.fromkeys(SWITCHES, True),
        "allow_comments": False,
        "allow_redistributions": False,
    }


VIEWS = {"list": picked(details(full=False), LIST), "show": picked(details(full=True), SHOW)}


def first(resource: Resource) -> Callable[[Context], Reply]:
    """The project's first prime contract. Raises 404 when it has none."""

    def handle(context: Context) -> Reply:
        enter(resource, context, "show")
        where: list[Condition] = [("project_id = ?", [context.project_id]), ("deleted_at IS NULL", [])]
        found = context.store.query(PRIME, where, limit=1)
        if not found:
            raise not_found("Prime contract")
        return Reply(200, shown(resource, context, found[0]))

    return handle
