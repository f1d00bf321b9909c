"""Payment applications, which people call owner invoices (docs/procore-contract.md §6.5).

A new one bills the lines of its prime contract and of every approved change order on it, mark-up among them.

In rows of ``g703``, ``origin_id`` and ``origin_type`` are no external ids: they name the record that a row came from, the line.
``added_from_source`` is ``contract`` or ``change_order``, ``added_from_source_id`` the id of that contract or package. The names
from ``line_item_id`` on in :data:`G703` repeat this in the words of requisition items: Procore's rows are not known to have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import billing, engine, items, locks
from sandbox.procore.attributes import Attribute, choice, day, flag, plain, whole
from sandbox.procore.billing import CHANGE_ITEM
from sandbox.procore.call import Reply
from sandbox.procore.changes import PACKAGES
from sandbox.procore.codes import CODE_VIEWS
from sandbox.procore.context import Context
from sandbox.procore.errors import Refused, not_found
from sandbox.procore.figures import ZERO, money
from sandbox.procore.requisitions import rows_of
from sandbox.procore.schema import Resource
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import APPROVED, PRIME, by_parent
from sandbox.procore.views import dated, picked

KIND, WHAT = "payment_applications", "owner invoice"
STATUSES = ("draft", "under_review", "revise_and_resubmit", "approved")

ATTRIBUTES = (
    *plain("invoice_number origin_id origin_data"),
    Attribute("commitment_billing_period_id", whole, store="period_id"),
    *plain("billing_date period_start period_end", day),
    Attribute("status", choice(*STATUSES), nullable=False),
    Attribute("include_attachments", flag, on="c"),
)
DEFAULTS = {"status": "draft"}
LINE_ATTRIBUTES = frozenset(
    {
        billing.STORED,
        billing.R_STORED_RETAINED,
        billing.R_RELEASED,
        billing.R_WORK,
        billing.WORK,
        billing.QUANTITY,
    }
)

# -- views -------------------------------------------------------------------------------------------------------------

LIST = (
    "billing_date billing_period contract created_at currency_configuration formatted_contract_company g702 id"
    " invoice_number number origin_data origin_id percent_complete period_end period_id period_start status"
    " total_amount_accrued_this_period total_amount_paid updated_at"
)
SHOW = f"{LIST} attachments description_type g703"
LINE = (
    "balance_to_finish cost_code description_of_work id item_number materials_presently_stored"
    " materials_stored_retainage_currently_retained materials_stored_retainage_from_previous_application"
    " materials_stored_retainage_percent_this_period materials_stored_retainage_released_this_period"
    " materials_stored_retainage_retained_this_period scheduled_quantity scheduled_unit_price scheduled_value"
    " total_completed_and_stored_to_date total_completed_and_stored_to_date_percent total_completed_and_stored_to_date_quantity"
    " total_retainage_currently_retained total_retainage_from_previous_application type wbs_code"
    " work_completed_from_previous_application work_completed_from_previous_application_quantity"
    " work_completed_retainage_currently_retained work_completed_retainage_from_previous_application"
    " work_completed_retainage_percent_this_period work_completed_retainage_released_this_period"
    " work_completed_retainage_retained_this_period work_completed_this_period work_completed_this_period_quantity"
)
G703 = (
    f"{LINE} origin_id origin_type added_from_source added_from_source_id description_override currency_configuration"
    " line_item_id item_type change_order_package_id materials_moved materials_retainage_retained_moved"
    " materials_presently_stored_from_previous_progress taxes position"
)


def details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    contracts, before = context.fetch(PRIME, (row["parent_id"] for row in rows)), items.before_each(context, KIND, rows)
    companies = context.fetch("vendors", (contract.get("vendor_id") for contract in contracts.values()))
    periods = context.fetch(items.PERIODS, (row.get("period_id") for row in rows))
    paid = _paid(context, rows)
    found: list[dict[str, Any]] = []
    for row in rows:
        contract, period = contracts[row["parent_id"]], periods.get(row.get("period_id") or 0)
        earlier = before.get(row["id"])
        form = form_of(row, earlier)
        found.append(
            {
                "number": int(row["number"]),
                "contract": {"id": contract["id"], "type": "PrimeContract", "title": contract.get("title")},
                "formatted_contract_company": (companies.get(contract.get("vendor_id") or 0) or {}).get("name"),
                "billing_period": period and {name: period.get(name) for name in ("start_date", "end_date")},
                "currency_configuration": {
                    "currency_iso_code": contract.get("currency_iso_code"),
                    "base_currency_iso_code": contract.get("currency_iso_code"),
                    "currency_exchange_rate": "1.0",
                },
                "g702": form,
                "percent_complete": billing.percent_complete(form),
                "total_amount_accrued_this_period": money(billing.gross_of(row["items"])),
                "total_amount_paid": money(paid.get((row["parent_id"], int(row["number"])), ZERO)),
                "attachments": [],
                "description_type": "automatic",
            }
        )
    return found


PAID = """SELECT parent_id, json_extract(doc, '$.draw_request_number') AS number, json_extract(doc, '$.amount') AS amount
  FROM objects WHERE kind = 'contract_payments' AND deleted_at IS NULL AND parent_id IN ({marks})"""


def _paid(context: Context, rows: Sequence[Record]) -> dict[tuple[int, int], Decimal]:
    """Payments received by contract and number of the owner invoice they name (``draw_request_number``, §13)."""
    found: dict[tuple[int, int], Decimal] = {}
    for payment in by_parent(context, PAID, sorted({row["parent_id"] for row in rows})):
        key = payment["parent_id"], payment["number"]
        found[key] = found.get(key, ZERO) + Decimal(payment["amount"] or 0)
    return found


def form_of(row: Record, before: Record | None) -> dict[str, Any]:
    period = items.period_text(row.get("period_start"), row.get("period_end"))
    form = billing.summary(row["items"], before["items"] if before is not None else [], row.get("stored_summary"), period)
    return {name: value for name, value in form.items() if name not in billing.SUMMARY_ONLY}


def contents(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """As Show has it: with the continuation sheet."""
    found = details(context, rows)
    for row, more in zip(rows, found, strict=True):
        more["g703"] = items.named(sheet(context, row), G703)
    return found


def sheet(context: Context, row: Record) -> list[dict[str, Any]]:
    """Every figure of the rows of one document, and where each came from."""
    contract = context.one(PRIME, row["parent_id"]) or {}
    lines = items.lines_behind(context, row["items"])
    used = {int(line["cost_code_id"]) for line in lines.values() if line.get("cost_code_id")}
    codes = context.fetch("cost_codes", used)
    shown_codes = {code["id"]: code for code in CODE_VIEWS["default"](context, [codes[id] for id in sorted(used & set(codes))])}
    before = items.before_each(context, KIND, [row]).get(row["id"])
    shown = items.shown(context, row, before, contract, lines, items.codes_behind(context, lines))
    for item in shown:
        change = item["item_type"] == CHANGE_ITEM
        line = lines.get((item["item_type"], item["line_item_id"]), {})
        item |= {
            "origin_id": item["line_item_id"],
            "origin_type": "LineItem",
            "added_from_source": "change_order" if change else "contract",
            "added_from_source_id": item["change_order_package_id"] if change else row["parent_id"],
            "type": f"payment_application_{'markup_' if line.get('is_markup') else ''}line_item",
            "cost_code": shown_codes.get(item["cost_code_id"]),
            "description_override": None,
        }
    return shown


VIEWS = {"list": dated(picked(details, LIST), "created_at updated_at"), "show": picked(contents, SHOW)}

# -- writing -----------------------------------------------------------------------------------------------------------


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Items and number of a new document; changes of an existing one, refused while an external id locks it."""
    given = draft.pop("sent_items", None)
    contract = context.parent or {}
    items.check_period(context, draft, existing)
    if existing is None:
        draft["contract_kind"], draft["project_id"] = PRIME, contract["project_id"]
        items.open_document(context, KIND, draft, PRIME, contract, packages=_approved(context, contract["id"]))
    if given:
        draft["items"] = items.changed(context, KIND, draft, contract, given)
    locks.refuse_synced(context, draft, existing, WHAT)
    if existing is not None and draft["items"] != existing["items"]:
        items.refuse_earlier(context, KIND, existing)


def _approved(context: Context, contract_id: int) -> list[int]:
    where: list[Condition] = [("parent_id = ?", [contract_id]), ("status = ?", [APPROVED]), ("deleted_at IS NULL", [])]
    return [package["id"] for package in context.store.query(PACKAGES, where)]


def removing(context: Context, row: Record) -> None:
    """Raises 422 for a locked document, and for any but the last of its contract."""
    locks.refuse_synced_delete(context, row, WHAT)
    items.refuse_earlier(context, KIND, row)


def update_line(resource: Resource) -> Callable[[Context], Reply]:
    """PATCH ``/prime_contracts/{parent_id}/payment_application_line_items/{id}``: one row of the sheet."""

    def handle(context: Context) -> Reply:
        engine.enter(resource, context, "update")
        sent = context.call.json().get("payment_application_line_item")
        if not isinstance(sent, dict):
            raise Refused(400, "payment_application_line_item is missing", {"payment_application_line_item": ["is missing"]})
        id = int(context.call.params["id"])
        row = _holding(context, id)
        known = {name: value for name, value in sent.items() if name in LINE_ATTRIBUTES}
        written = engine.write(resource, context, {"items": [{**known, "id": id}]}, row, "u")
        return Reply(200, next(iter(items.named([item for item in sheet(context, written) if item["id"] == id], LINE))))

    return handle


def _holding(context: Context, item_id: int) -> Record:
    """The document that holds an item, among those of the contract in the path. Raises 404."""
    where: list[Condition] = [("parent_id = ?", [(context.parent or {}).get("id")]), ("deleted_at IS NULL", [])]
    for row in context.store.query(KIND, where):
        if any(item["id"] == item_id for item in row["items"]):
            return row
    raise not_found("Payment application line item")


ITEMS_ATTRIBUTE = Attribute("items", rows_of, store="sent_items", nullable=False, on="u")
"""How :func:`update_line` hands its row on; no call takes it."""
