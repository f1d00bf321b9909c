"""Work order contracts, purchase order contracts and their schedules of values (docs/procore-contract.md §5.1).

The schedule of values of prime contracts is the same thing and is handled here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.procore import belongings, locks
from sandbox.procore.attributes import Attribute, choice, day, decimal, flag, ids, plain, whole
from sandbox.procore.codes import CODE_VIEWS, TYPE_VIEW
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import figure, product
from sandbox.procore.schema import Resource
from sandbox.procore.settings import COMPANY_NAME
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import PRIME, commitment_figures, contract_sums
from sandbox.procore.views import picked
from sandbox.procore.wbs import ensure_code, flat_code

WORK_ORDERS, PURCHASE_ORDERS, LINES = "work_order_contracts", "purchase_order_contracts", "contract_lines"
HOLDERS = {WORK_ORDERS: "WorkOrderContract", PURCHASE_ORDERS: "PurchaseOrderContract", PRIME: "PrimeContract"}
STATUSES = {
    WORK_ORDERS: ("Draft", "Out For Bid", "Out For Signature", "Approved", "Complete", "Terminated", "Void"),
    PURCHASE_ORDERS: ("Draft", "Processing", "Submitted", "Partially Received", "Received", "Approved", "Closed"),
}
UNITS = (
    "ls",
    "ea",
    "lf",
    "sf",
    "sy",
    "cy",
    "cf",
    "ton",
    "lb",
    "gal",
    "hr",
    "day",
    "week",
    "month",
    "set",
    "lot",
    "roll",
    "pair",
    "m",
    "m2",
    "m3",
    "kg",
    "l",
)

COMMON_DAYS = "contract_date execution_date issued_on_date letter_of_intent_date returned_date approval_letter_date"
DAYS = {
    WORK_ORDERS: "contract_start_date contract_estimated_completion_date actual_completion_date",
    PURCHASE_ORDERS: "delivery_date",
}
TEXTS = {WORK_ORDERS: "inclusions exclusions", PURCHASE_ORDERS: "bill_to_address ship_to_address ship_via payment_terms"}


def attributes(kind: str) -> tuple[Attribute, ...]:
    """Writable attributes of one kind of contract; none is mandatory. Currency needs the multi-currency feature: ignored."""
    return (
        *plain(f"number title description origin_id origin_data origin_code {TEXTS[kind]}"),
        Attribute("status", choice(*STATUSES[kind]), nullable=False),
        Attribute("accounting_method", choice("amount", "unit")),
        *plain("vendor_id" if kind == WORK_ORDERS else "vendor_id assignee_id", whole),
        *plain("executed private", flag),
        Attribute("retainage_percent", decimal),
        *plain(f"{COMMON_DAYS} {DAYS[kind]}", day),
        *plain("signed_contract_received_date" if kind == WORK_ORDERS else "", day),
        Attribute("invoice_contact_user_ids", ids, on="cu"),
    )


DEFAULTS = {
    "status": "Draft",
    "accounting_method": "amount",
    "executed": False,
    "private": False,
}

# -- views -------------------------------------------------------------------------------------------------------------

TOTALS = (
    "approved_change_orders draft_change_orders_amount grand_total pending_change_orders pending_revised_contract percentage_paid"
    " remaining_balance_outstanding revised_contract total_draw_requests_amount total_payments total_requisitions_amount"
)
COMPACT = (
    f"id number title status executed private vendor project origin_id origin_data origin_code created_at updated_at"
    f" deleted_at {TOTALS}"
    " requisitions_are_enabled show_line_items_to_non_admins signed_contract_received_date"
)

LISTS = ("change_order_packages", "change_order_requests", "payments_issued", "potential_change_orders")
EMPTY = ("attachments", "invoice_contacts")


def extended(kind: str) -> str:
    """Everything but the lists of a Show reply."""
    more = "assignee billing_schedule_of_values_status" if kind == PURCHASE_ORDERS else ""
    own = f"{COMMON_DAYS} {DAYS[kind]} {TEXTS[kind]} {more}"
    return f"{COMPACT} accounting_method description retainage_percent currency_configuration {own}"


def show_names(kind: str) -> str:
    listed = extended(kind).replace(" billing_schedule_of_values_status", "")
    return f"{listed} created_by_id line_items {' '.join((*EMPTY, *LISTS))}"


def details(kind: str, *, full: bool) -> Callable[[Context, Sequence[Record]], list[dict[str, Any]]]:
    """What a contract's reply derives; ``full``: with its lines, its documents and the vendor's external id, as Show has them."""

    def derive(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
        sums = contract_sums(context, kind, rows)
        vendors = context.fetch("vendors", (row.get("vendor_id") for row in rows))
        projects = context.fetch("projects", {row["project_id"] for row in rows})
        return [
            {
                **commitment_figures(row, sums[row["id"]]),
                "vendor": company_of(vendors.get(row.get("vendor_id") or 0), full=full),
                "project": {"id": row["project_id"], "name": projects[row["project_id"]].get("name")},
                "retainage_percent": figure(row.get("retainage_percent"), row["id"]),
                "currency_configuration": {"currency_iso_code": row.get("currency_iso_code")},
                "requisitions_are_enabled": True,
                "show_line_items_to_non_admins": False,
                "executed": bool(row.get("executed")),
                "private": bool(row.get("private")),
                "assignee": {"id": row["assignee_id"]} if row.get("assignee_id") else None,
                **(_contents(context, kind, row) if full else {}),
            }
            for row in rows
        ]

    return derive


def _contents(context: Context, kind: str, contract: Record) -> dict[str, Any]:
    """The lists of a Show reply."""
    lines = line_view(context, lines_of(context, kind, contract["id"]))
    return {"line_items": lines, **belongings.listed(context, kind, contract, LISTS), **{name: [] for name in EMPTY}}


def company_of(vendor: Record | None, *, full: bool) -> dict[str, Any] | None:
    """The company of a contract; ``full``: with its external id."""
    if vendor is None:
        return None
    more = {"origin_id": vendor["origin_id"], "origin_data": vendor.get("origin_data")} if full else {}
    return {"id": vendor["id"], "company": vendor.get("name"), **more}


def contract_views(kind: str) -> dict[str, Any]:
    plainly = details(kind, full=False)
    return {
        "compact": picked(plainly, COMPACT),
        "extended": picked(plainly, extended(kind)),
        "show": picked(details(kind, full=True), show_names(kind)),
    }


LINE = (
    "amount change_event_line_item company cost_code created_at currency_configuration description extended_amount"
    " extended_type holder id"
    " line_item_type origin_data origin_id position project quantity tax_code_id total_amount unit_cost uom updated_at wbs_code"
)


def lines_of(context: Context, kind: str, contract_id: int) -> list[Record]:
    where: list[Condition] = [
        ("parent_id = ?", [contract_id]),
        ("json_extract(doc, '$.contract_kind') = ?", [kind]),
        ("deleted_at IS NULL", []),
    ]
    return context.store.query(LINES, where, order="json_extract(doc, '$.position'), id")


def line_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    found = line_references(context, rows)
    for row, more in zip(rows, found, strict=True):
        contract = context.one(row["contract_kind"], row["parent_id"]) or {}
        more["holder"] = {"id": row["parent_id"], "holder_type": HOLDERS[row["contract_kind"]]}
        more["currency_configuration"] = {"currency_iso_code": contract.get("currency_iso_code")}
    return found


def line_references(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """What the lines of contracts and change orders derive alike: figures, cost code, cost type, WBS code, project."""
    codes = context.fetch("cost_codes", (row.get("cost_code_id") for row in rows))
    types = context.fetch("line_item_types", (row.get("line_item_type_id") for row in rows))
    projects = context.fetch("projects", {row["project_id"] for row in rows})
    shown = {
        code["id"]: code
        for code in CODE_VIEWS["default"](context, [codes[id] for id in _used(rows, "cost_code_id") if id in codes])
    }
    kinds = {id: TYPE_VIEW(context, [types[id]])[0] for id in _used(rows, "line_item_type_id") if id in types}
    flat = flat_codes(context, rows)
    found = []
    for row in rows:
        amount = figure(row.get("amount") or "0", row["id"])
        found.append(
            {
                "amount": amount,
                "extended_amount": amount,
                "total_amount": amount,
                "quantity": figure(row.get("quantity"), row["id"]),
                "unit_cost": figure(row.get("unit_cost"), row["id"]),
                "company": {"id": context.company_id, "name": COMPANY_NAME},
                "project": {"id": row["project_id"], "name": projects[row["project_id"]].get("name")},
                "cost_code": shown.get(row.get("cost_code_id")),
                "line_item_type": kinds.get(row.get("line_item_type_id") or 0),
                "wbs_code": flat.get(row.get("wbs_code_id") or 0),
                "change_event_line_item": None,
            }
        )
    return found


def flat_codes(context: Context, rows: Sequence[Record]) -> dict[int, dict[str, Any]]:
    """The WBS codes of lines, by id, as replies name them."""
    found = context.fetch("wbs_codes", (row.get("wbs_code_id") for row in rows))
    return {id: flat_code(context, found[id]) for id in _used(rows, "wbs_code_id") if id in found}


def _used(rows: Sequence[Record], name: str) -> list[int]:
    return sorted({row[name] for row in rows if row.get(name) is not None})


line_view = picked(line_details, LINE)

# -- peculiarities of contracts ----------------------------------------------------------------------------------------


def prepare_contract(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Number and currency of a new contract; an unknown vendor is refused (422), and a change of a locked one."""
    if draft.get("vendor_id") is not None and (existing is None or draft["vendor_id"] != existing.get("vendor_id")):
        vendor = context.one("vendors", draft["vendor_id"])
        if vendor is None or vendor["company_id"] != context.company_id:
            raise Invalid({"vendor_id": ["does not exist"]}, 422)
    kind = contract_kind(context)
    if existing is None:
        draft["currency_iso_code"] = (context.project or {}).get("currency_iso_code") or "USD"
        draft["number"] = (
            draft.get("number") or f"{context.store.count(kind, [('project_id = ?', [context.project_id])]) + 1:03d}"
        )
        draft["stored_grand_total"] = None
        return
    draft["accounting_method"] = existing.get("accounting_method")  # set at creation, for good
    if draft.get("vendor_id") != existing.get("vendor_id"):
        locks.refuse_vendor(context, kind, existing)


def contract_kind(context: Context) -> str:
    """The kind of contract that a path is about; a single prime contract has its path in the singular."""
    path = context.call.path
    return PURCHASE_ORDERS if f"/{PURCHASE_ORDERS}" in path else PRIME if "/prime_contract" in path else WORK_ORDERS


# -- peculiarities of lines --------------------------------------------------------------------------------------------

LINE_ATTRIBUTES = (
    *plain("amount quantity unit_cost", decimal),
    *plain("cost_code_id line_item_type_id tax_code_id wbs_code_id", whole),
    *plain("description origin_id origin_data"),
    Attribute("extended_type", choice("manual", "calculated")),
    Attribute("uom"),
)
LINE_DEFAULTS = {"extended_type": "manual"}
MONEY = ("amount", "quantity", "unit_cost", "extended_type")


def prepare_line(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Cost key, unit, amount and position of a line; refused while the schedule of values is locked, external ids excepted."""
    contract, kind = context.parent or {}, contract_kind(context)
    complete_line(context, draft, sent, existing)
    if existing is None:
        draft["contract_kind"], draft["project_id"] = kind, contract["project_id"]
        draft["position"] = last_position(context, LINES, contract["id"]) + 1
    if locks.changed(draft, existing):
        locks.refuse_lines(context, kind, contract)


def complete_line(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Cost key, unit and amount of a line of a contract or a change order. Raises Invalid."""
    _cost_key(context, draft, sent, existing)
    if sent.get("uom") is not None and draft["uom"].lower() not in UNITS:
        raise Invalid({"uom": ["is not in the company's list of units of measure"]})
    if existing is not None and not any(name in sent for name in MONEY):
        return
    if draft.get("extended_type") == "calculated" and draft.get("quantity") is not None and draft.get("unit_cost") is not None:
        draft["amount"] = product(draft["quantity"], draft["unit_cost"])
    draft["amount"] = draft.get("amount") or "0.00"


def last_position(context: Context, kind: str, parent_id: int) -> int:
    """All contracts share one id space, so that the parent's id is enough, and an index answers. ``kind``: a literal of ours."""
    sql = f"SELECT max(json_extract(doc, '$.position')) FROM objects WHERE kind = '{kind}' AND parent_id = ?"
    return int(context.store.rows(sql, [parent_id])[0][0] or 0)


def _cost_key(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """``wbs_code_id`` wins over cost code and cost type. Unknown ones are refused with 422, missing ones with 400."""
    if sent.get("wbs_code_id") is not None:
        code = context.one("wbs_codes", draft["wbs_code_id"])
        if code is None or code["project_id"] != context.project_id:
            raise Invalid({"wbs_code_id": ["does not exist in this project"]}, 422)
        draft["cost_code_id"], draft["line_item_type_id"] = code["cost_code_id"], code["line_item_type_id"]
        return
    names = ("cost_code_id", "line_item_type_id")
    if existing is not None and all(draft.get(name) == existing.get(name) for name in names):
        draft["wbs_code_id"] = existing.get("wbs_code_id")
        return
    missing = {name: ["can't be blank"] for name in names if draft.get(name) is None}
    if missing:
        raise Invalid(missing)
    cost_code, type_ = (
        context.one("cost_codes", draft["cost_code_id"]),
        context.one("line_item_types", draft["line_item_type_id"]),
    )
    if cost_code is None or cost_code["project_id"] != context.project_id or cost_code["deleted_at"]:
        raise Invalid({"cost_code_id": ["does not exist in this project"]}, 422)
    if type_ is None or type_["company_id"] != context.company_id:
        raise Invalid({"line_item_type_id": ["does not exist"]}, 422)
    draft["wbs_code_id"] = None


def line_written(wbs_codes: Callable[[], Resource], kind: str = LINES) -> Callable[[Context, Record, Record | None], None]:
    """After a line was written: its WBS code is made when needed, its contract touched if the company is set up so."""

    def written(context: Context, line: Record, existing: Record | None) -> None:
        cost_code = context.one("cost_codes", line.get("cost_code_id"))
        if line.get("wbs_code_id") is None and cost_code is not None:
            combination = (cost_code["id"], line["line_item_type_id"], cost_code.get("sub_job_id"))
            line["wbs_code_id"] = ensure_code(context, wbs_codes(), combination)["id"]
            context.store.put(kind, line)
            context.forget(kind)
        if kind == LINES:
            touch_contract(context, line)

    return written


def touch_contract(context: Context, line: Record) -> None:
    """Move the contract's ``updated_at`` if the company is set up so (docs/procore-contract.md §10.21)."""
    if context.settings.line_touches_parent and context.parent is not None:
        kind = str(line["contract_kind"])
        context.store.put(kind, {**context.parent, "updated_at": context.clock.stamp()})
        context.forget(kind)


def removing_line(context: Context, line: Record) -> None:
    locks.refuse_lines(context, contract_kind(context), context.parent or {})


def removing_contract(context: Context, contract: Record) -> None:
    locks.refuse_delete(context, contract_kind(context), contract)
