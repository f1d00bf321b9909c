"""Direct costs (docs/procore-contract.md §3.9): their headers, their lock, and the one write at a time that Procore allows.

Concurrent writes: the service carries out one write after the other, so two never meet by themselves. With the setting
``direct_cost_busy_seconds`` a write goes on holding its record for so long after it was answered (on the sandbox's clock, which
``/_sandbox/clock`` advances); any other write on the record or its lines is answered 409 meanwhile, a sync call as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import cost_lines, engine, locks
from sandbox.procore.attributes import Attribute, choice, day, plain, whole
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import ZERO, figure
from sandbox.procore.schema import Resource
from sandbox.procore.settings import COMPANY_NAME
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import by_parent
from sandbox.procore.views import picked, reference

COSTS, LINES = cost_lines.COSTS, cost_lines.LINES
TYPES = ("invoice", "expense", "payroll", "subcontractor_invoice")
"""The sync action takes the first three, as its description says (``operations.json``)."""
STATUSES = ("draft", "pending", "revise_and_resubmit", "approved")
MOST_LINES = 100

ATTRIBUTES = (
    Attribute("direct_cost_type", choice(*TYPES), required=True, nullable=False, on="cs"),
    Attribute("vendor_id", whole, required=True, on="c"),
    Attribute("vendor_id", whole, on="us"),
    Attribute("invoice_number", on="cs"),
    *plain("description terms origin_id origin_data"),
    *plain("direct_cost_date payment_date received_date", day),
    Attribute("employee_id", whole),
    Attribute("status", choice(*STATUSES), nullable=False),
)
DEFAULTS = {"status": "draft"}
NEEDED = ("vendor_id", "invoice_number")
"""What a direct cost of type invoice must have."""

# -- views -------------------------------------------------------------------------------------------------------------

LINES_OF_COSTS = f"""SELECT parent_id, json_extract(doc, '$.amount') AS amount FROM objects
  WHERE kind = '{LINES}' AND deleted_at IS NULL AND parent_id IN ({{marks}})"""


def totals(context: Context, rows: Iterable[Record]) -> dict[int, tuple[Decimal, int]]:
    """Sum and number of the lines, by direct cost; one statement per 500 of a page."""
    found: dict[int, tuple[Decimal, int]] = {row["id"]: (ZERO, 0) for row in rows}
    for line in by_parent(context, LINES_OF_COSTS, list(found)):
        amount, count = found[line["parent_id"]]
        found[line["parent_id"]] = amount + Decimal(line["amount"] or 0), count + 1
    return found


def _details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    sums = totals(context, rows)
    vendors = context.fetch("vendors", (row.get("vendor_id") for row in rows))
    currency = {"currency_iso_code": (context.project or {}).get("currency_iso_code") or "USD"}
    found: list[dict[str, Any]] = []
    for row in rows:
        vendor, (amount, count) = vendors.get(row.get("vendor_id") or 0), sums[row["id"]]
        found.append(
            {
                "amount": figure(amount, row["id"]),
                "grand_total": figure(amount, row["id"]),
                "line_items_count": count,
                "vendor": reference(vendor),
                "vendor_name": vendor.get("name") if vendor else None,
                "employee": {"id": row["employee_id"], "name": None} if row.get("employee_id") else None,
                "currency_configuration": currency,
                "attachments": [],
                "attachments_count": 0,
            }
        )
    return found


def _in_list(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """**The vendor is its name here, and an object everywhere else.**"""
    return [{**more, "vendor": more["vendor_name"]} for more in _details(context, rows)]


def _shown(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    project = context.project or {}
    found = []
    for row, more in zip(rows, _details(context, rows), strict=True):
        currency = {"base_currency_iso_code": None, "currency_exchange_rate": None, **more["currency_configuration"]}
        found.append(
            {
                **more,
                "currency_configuration": currency,
                "company": {"id": context.company_id, "name": COMPANY_NAME},
                "project": {"id": project["id"], "name": project.get("name")},
                "line_items": cost_lines.nested_view(context, cost_lines.lines_of(context, row["id"])),
            }
        )
    return found


BOTH = (
    "created_at currency_configuration deleted_at description direct_cost_date direct_cost_type employee grand_total id"
    " invoice_number origin_data origin_id payment_date received_date status terms updated_at vendor vendor_id vendor_name"
)
SYNCED = f"{BOTH} attachments attachments_count line_items_count"
VIEWS = {
    "list": picked(_in_list, f"{BOTH} amount"),
    "sync": picked(_details, SYNCED),
    "show": picked(_shown, f"{SYNCED} company line_items project"),
}

# -- lists -------------------------------------------------------------------------------------------------------------


def conditions(context: Context) -> list[Condition]:
    """The kind as a literal, so that its indexes are used; and the filters of plain days."""
    found: list[Condition] = [(f"kind = '{COSTS}'", [])]
    for name in ("payment_date", "received_date"):
        given = context.call.filters().get(name)
        if given:
            found.extend(_days(name, given[-1]))
    return found


def _days(name: str, value: str) -> list[Condition]:
    """``a...b``, both inclusive; one day means that day. Stored days are shorter than times, so that text comparison of the
    two would leave the first day out."""
    start, dots, end = (part.strip("\"' ") for part in value.partition("..."))
    found: list[Condition] = []
    for text, comparison in ((start, ">="), (end if dots else start, "<=")):
        bound = day(text)
        if text and bound is None:
            raise Invalid({f"filters[{name}]": ["must be a range of dates: start...end"]})
        if bound is not None:
            found.append((f"json_extract(doc, '$.{name}') {comparison} ?", [bound]))
    return found


# -- writing -----------------------------------------------------------------------------------------------------------


def enter(context: Context) -> None:
    """Refuses a write on a direct cost that another write still holds."""
    if context.call.method == "GET" or not context.settings.direct_cost_busy_seconds:
        return
    if context.call.path.rstrip("/").endswith("/sync"):
        cost_lines.refuse_busy(context, (cost["id"] for cost in cost_lines.named(context, COSTS)))
    elif "id" in context.call.params:
        cost_lines.refuse_busy(context, [int(context.call.params["id"])])


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Type and vendor of a direct cost; 422 for any change of one that carries an external id, but for that id itself."""
    if existing is not None and draft["direct_cost_type"] != existing["direct_cost_type"]:
        raise Invalid({"direct_cost_type": ["can only be set when creating"]})
    missing = [name for name in NEEDED if not draft.get(name)] if draft["direct_cost_type"] == "invoice" else []
    if missing:
        raise Invalid({name: ["can't be blank"] for name in missing})
    if draft.get("vendor_id") is not None and (existing is None or draft["vendor_id"] != existing.get("vendor_id")):
        vendor = context.one("vendors", draft["vendor_id"])
        if vendor is None or vendor["company_id"] != context.company_id:
            raise Invalid({"vendor_id": ["does not exist"]}, 422)
    locks.refuse_synced(context, draft, existing, "direct cost")


def written(context: Context, cost: Record, _: Record | None) -> None:
    cost_lines.hold(context, cost["id"])


def removing(context: Context, cost: Record) -> None:
    locks.refuse_synced_delete(context, cost, "direct cost")


def removed(context: Context, cost: Record) -> None:
    for line in cost_lines.lines_of(context, cost["id"]):
        context.store.remove(LINES, line["id"])
    context.forget(LINES)
    cost_lines.hold(context, cost["id"])


# -- a direct cost with its lines --------------------------------------------------------------------------------------


def create(context: Context, costs: Resource, lines: Resource) -> Reply:
    """POST v1.1: header and at most 100 lines, all or nothing."""
    entries = _take_lines(context, costs)
    return _with_lines(context, engine.create(costs, context), costs, lines, entries)


def update(context: Context, costs: Resource, lines: Resource) -> Reply:
    """PATCH v1.1: lines with ``id`` are changed, others added; lines that are not sent stay (*inferred*: each can be deleted)."""
    entries = _take_lines(context, costs)
    return _with_lines(context, engine.update(costs, context), costs, lines, entries)


def _take_lines(context: Context, costs: Resource) -> list[dict[str, Any]]:
    """The lines of the body, which are no attribute of the header. Raises 400."""
    sent = context.call.json().get(costs.wrapper)
    entries = sent.pop("line_items", None) if isinstance(sent, dict) else None
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Invalid({"line_items": ["must be a list of objects"]})
    if len(entries) > MOST_LINES:
        raise Invalid({"line_items": [f"holds {len(entries)} entries, the most is {MOST_LINES}"]})
    return entries


def _with_lines(context: Context, reply: Reply, costs: Resource, lines: Resource, entries: Sequence[Mapping[str, Any]]) -> Reply:
    """Writes the lines too; the reply shows the whole record, each line with the ``ref`` that was sent with it."""
    if not entries:
        return reply
    cost_id = int(reply.body["id"])
    context.scope["parent_id"] = cost_id
    refs: dict[int, Any] = {}
    for place, entry in enumerate(entries):
        try:
            refs[cost_lines.write_nested(context, lines, entry)["id"]] = entry.get("ref")
        except Invalid as wrong:
            fields = {f"line_items[{place}].{name}": texts for name, texts in wrong.fields.items()}
            raise Invalid(fields, wrong.status) from None
    body = engine.shown(costs, context, context.fetch(COSTS, [cost_id])[cost_id])
    for line in body["line_items"]:
        line["ref"] = refs.get(line["id"])
    return Reply(reply.status, body)
