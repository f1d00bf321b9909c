"""Items of subcontractor and owner invoices: how they are made, found and shown (docs/procore-contract.md §6.2, §6.5).

A document's items are stored in it (``items``), one per line of the contract and of the change orders on the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.procore import billing
from sandbox.procore.billing import CHANGE_ITEM, CONTRACT_ITEM, Item
from sandbox.procore.changes import CHANGE_LINES, package_lines
from sandbox.procore.commitments import LINES, lines_of
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import ZERO, figure, money, percent
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import by_parent
from sandbox.procore.wbs import code_view

FIRST_ID = 96_000_000_000
"""Ids of items made here, above all that are seeded."""
PERIODS = "billing_periods"
LINE_KINDS = {CONTRACT_ITEM: LINES, CHANGE_ITEM: CHANGE_LINES}


def numbered(context: Context, items: Iterable[Item]) -> list[Item]:
    """The items with their places, and ids for those that have none."""
    return [
        {**item, "id": item.get("id") or context.store.new_id("billing_items", (), FIRST_ID), "position": position}
        for position, item in enumerate(items, start=1)
    ]


def opened(
    context: Context, kind: str, contract: Record, before: Record | None, packages: Sequence[int], moving: bool
) -> list[Item]:
    """The items of a new document: the lines of the contract, then those of these packages; earlier figures are carried."""
    earlier = billing.by_key(before["items"]) if before is not None else {}
    lines = [(CONTRACT_ITEM, line) for line in lines_of(context, kind, contract["id"])]
    lines += [(CHANGE_ITEM, line) for id in packages for line in package_lines(context, id, contract["id"])]
    return numbered(
        context, [billing.opened(line, type_, earlier.get((type_, line["id"])), moving=moving) for type_, line in lines]
    )


def latest(context: Context, kind: str, contract_id: int) -> Record | None:
    """The last document of a contract."""
    where: list[Condition] = [("parent_id = ?", [contract_id]), ("deleted_at IS NULL", [])]
    return next(iter(context.store.query(kind, where, order="CAST(number AS INTEGER) DESC, id DESC", limit=1)), None)


LAST = """(SELECT o.id FROM objects o WHERE o.kind = objects.kind AND o.parent_id = objects.parent_id AND o.deleted_at IS NULL
  ORDER BY CAST(o.number AS INTEGER) DESC, o.id DESC LIMIT 1)"""


def is_last(context: Context) -> list[Condition]:
    """``filters[is_last]``: true for the last document of each contract, false for all the others."""
    given = context.call.filters().get("is_last")
    return [] if given is None else [(f"id {'=' if given[-1] == 'true' else '<>'} {LAST}", [])]


NUMBERS = """SELECT id, parent_id, CAST(number AS INTEGER) AS number FROM objects
  WHERE kind = '{kind}' AND deleted_at IS NULL AND parent_id IN ({{marks}}) ORDER BY 3, id"""


def sequences(context: Context, kind: str, rows: Sequence[Record]) -> dict[int, list[int]]:
    """The documents of the contracts of these, first to last, by contract id."""
    order: dict[int, list[int]] = {}
    for found in by_parent(context, NUMBERS.format(kind=kind), sorted({row["parent_id"] for row in rows})):
        order.setdefault(found["parent_id"], []).append(found["id"])
    return order


def before_each(context: Context, kind: str, rows: Sequence[Record]) -> dict[int, Record]:
    """The document before each of these on its contract, by their ids; nothing for first ones."""
    order = sequences(context, kind, rows)
    places = {row["id"]: (order[row["parent_id"]], order[row["parent_id"]].index(row["id"])) for row in rows}
    before = {id: of_contract[place - 1] for id, (of_contract, place) in places.items() if place}
    documents = context.fetch(kind, before.values())
    return {id: documents[earlier] for id, earlier in before.items()}


def lines_behind(context: Context, items: Iterable[Item]) -> dict[billing.Key, Record]:
    """The lines that items bill."""
    found: dict[billing.Key, Record] = {}
    wanted: dict[str, set[int]] = {type_: set() for type_ in LINE_KINDS}
    for item in items:
        wanted[item["item_type"]].add(item["line_item_id"])
    for type_, kind in LINE_KINDS.items():
        lines = context.fetch(kind, wanted[type_])
        found.update({(type_, id): lines[id] for id in wanted[type_] if id in lines})
    return found


def codes_behind(context: Context, lines: Mapping[billing.Key, Record]) -> dict[int, dict[str, Any]]:
    """The WBS codes of lines with their segment items, by id."""
    used = {int(line["wbs_code_id"]) for line in lines.values() if line.get("wbs_code_id")}
    found = context.fetch("wbs_codes", used)
    return {code["id"]: code for code in code_view(context, [found[id] for id in sorted(used & set(found))])}


def period_text(start: str | None, end: str | None) -> str:
    """``01/06/26 - 30/06/26``."""
    return " - ".join(f"{date.fromisoformat(day):%d/%m/%y}" for day in (start, end) if day)


# -- writing -----------------------------------------------------------------------------------------------------------


def check_period(context: Context, draft: Record, existing: Record | None) -> None:
    """A billing period that is named is one of the project. Raises 422."""
    id = draft.get("period_id")
    if id is None or id == (existing or {}).get("period_id"):
        return
    period = context.one(PERIODS, id)
    if period is None or period["project_id"] != context.project_id:
        raise Invalid({"period_id": ["is no billing period of this project"]}, 422)


def open_document(
    context: Context, kind: str, draft: Record, contract_kind: str, contract: Record, packages: Sequence[int] | None
) -> None:
    """Number, packages and items of a new document. ``packages`` None: those of the document before."""
    before = latest(context, kind, contract["id"])
    moving = contract.get("move_materials") if before is None else before.get("move_materials")
    draft["number"] = 1 if before is None else int(before["number"]) + 1
    draft["packages"] = list(((before or {}).get("packages") or []) if packages is None else packages)
    draft["move_materials"], draft["stored_summary"] = bool(moving), {}
    draft["items"] = opened(context, contract_kind, contract, before, draft["packages"], draft["move_materials"])


def refuse_earlier(context: Context, kind: str, document: Record) -> None:
    """Raises 422 when items of any but the last document of a contract are changed: later ones carry their figures."""
    last = latest(context, kind, document["parent_id"])
    if last is not None and last["id"] != document["id"]:
        raise Invalid({"base": ["items can only be changed on the last invoice of a contract"]}, 422)


def changed(context: Context, kind: str, draft: Record, contract: Record, given: Sequence[Mapping[str, Any]]) -> list[Item]:
    """The items with the figures of a request. Rows name an item by ``id``, else by ``line_item_id``. Raises 422 for others."""
    found = {item["id"]: item for item in draft["items"]}
    by_line = {item["line_item_id"]: item["id"] for item in draft["items"]}
    lines = lines_behind(context, draft["items"])
    earlier = billing.by_key(items_before(context, kind, draft))
    for row in given:
        id = row.get("id") or by_line.get(row.get("line_item_id"))
        if id not in found or row.get("item_type") not in (None, found[id]["item_type"]):
            raise Invalid({"items": [f"{row.get('id') or row.get('line_item_id')} is no item of this invoice"]}, 422)
        key = billing.key_of(found[id])
        found[id] = billing.entered(found[id], row, contract, lines.get(key, {}), earlier.get(key))
    return list(found.values())


def items_before(context: Context, kind: str, draft: Record) -> list[Item]:
    """The items of the document before this one, which may be new."""
    before = (
        latest(context, kind, draft["parent_id"]) if "id" not in draft else before_each(context, kind, [draft]).get(draft["id"])
    )
    return [] if before is None else list(before["items"])


# -- one item in replies -----------------------------------------------------------------------------------------------


Codes = Mapping[int, Mapping[str, Any]]
FLAT = ("description", "flat_code", "id")


def shown(
    context: Context,
    document: Record,
    before: Record | None,
    contract: Record,
    lines: Mapping[billing.Key, Record],
    codes: Codes,
) -> list[dict[str, Any]]:
    """Every figure of each item under its documented name; views pick from it."""
    earlier = billing.by_key(before["items"]) if before is not None else {}
    changed = context.fetch(LINES, (item.get("commitment_line_item_id") for item in document["items"]))
    found = []
    for item in document["items"]:
        key = billing.key_of(item)
        named = changed.get(item.get("commitment_line_item_id") or 0, {})
        more = _item(item, earlier.get(key), contract, lines.get(key, {}), codes)
        found.append({**more, "commitment_line_item_origin_id": named.get("origin_id")})
    return found


def _item(item: Item, before: Item | None, contract: Record, line: Mapping[str, Any], codes: Codes) -> dict[str, Any]:
    done, scheduled = billing.completed(item), billing.of(item, billing.SCHEDULED)
    unit = contract.get("accounting_method") == "unit"
    code = codes.get(line.get("wbs_code_id") or 0)
    quantity, quantity_before = item.get(billing.QUANTITY), item.get(billing.QUANTITY_BEFORE)
    to_date = Decimal(quantity or 0) + Decimal(quantity_before or 0)
    plain = {
        **{name: money(item.get(name)) for name in billing.MONEY},
        **_derived(item, before),
        "id": item["id"],
        "item_type": item["item_type"],
        "line_item_id": item["line_item_id"],
        "change_order_package_id": item.get("change_order_package_id"),
        "commitment_line_item_id": item.get("commitment_line_item_id"),
        "position": item["position"],
        "item_number": item["position"],
        "line_number": str(item["position"]),
        "previous_progress_id": None if before is None else before["id"],
        "description_of_work": line.get("description"),
        "cost_code_id": line.get("cost_code_id"),
        "wbs_code": None if code is None else {name: code[name] for name in FLAT},
        "wbs_code_with_segments": None if code is None else {name: code[name] for name in (*FLAT, "segment_items")},
        "uom": line.get("uom"),
        "accounting_method": contract.get("accounting_method") or "amount",
        "currency_configuration": {"currency_iso_code": contract.get("currency_iso_code")},
        "balance_to_finish": money(scheduled - done),
        "comment": item.get("comment"),
        "status": item.get("status") or "no_action",
        "subcontractor_claimed_amount": money(item.get("subcontractor_claimed_amount") or billing.of(item, billing.WORK)),
        "ssr_manual_override": False,
        "taxes": list(item.get("taxes") or ()),
        "total_completed_and_stored_to_date": money(done),
        "total_completed_and_stored_to_date_percent": format(percent(done, scheduled), "f"),
    }
    figures = {
        "scheduled_quantity": line.get("quantity"),
        "scheduled_unit_price": line.get("unit_cost"),
        billing.QUANTITY: quantity or "0",
        billing.QUANTITY_BEFORE: quantity_before or "0",
        "total_completed_and_stored_to_date_quantity": format(to_date, "f"),
    }
    return plain | {name: figure(value, int(item["id"])) if unit else None for name, value in figures.items()}


def _derived(item: Item, before: Item | None) -> dict[str, str]:
    """Money that follows from an item and the one before it."""
    stored_before = billing.stored_retainage_before(item, before)
    work_held = billing.of(item, billing.R_PREVIOUS, billing.R_WORK) - billing.of(item, billing.R_RELEASED)
    held_before = billing.of(item, billing.R_PREVIOUS) - billing.of(item, billing.R_MOVED) + stored_before
    new_on_stored = billing.of(item, billing.R_STORED, billing.R_MOVED, billing.R_STORED_RELEASED) - stored_before
    gross, held = billing.gross(item), billing.retained(item)
    amounts = {
        "gross_amount": gross,
        "net_amount": gross - (held - held_before),
        "total_completed_and_stored_to_date_from_previous": billing.completed_before(item),
        "work_completed_retainage_currently_retained": work_held,
        billing.WORK_PERCENT: percent(billing.of(item, billing.R_WORK), billing.of(item, billing.WORK)),
        billing.STORED_PERCENT: percent(billing.of(item, billing.R_STORED), billing.of(item, billing.STORED)),
        "materials_stored_retainage_from_previous_application": stored_before,
        billing.R_STORED_RETAINED: new_on_stored,
        "materials_stored_retainage_new_materials": max(ZERO, new_on_stored),
        "total_retainage_currently_retained": held,
        "total_retainage_from_previous_application": held_before,
    }
    return {name: money(value) for name, value in amounts.items()}


def named(rows: Iterable[Mapping[str, Any]], names: str) -> list[dict[str, Any]]:
    """The items with these fields only."""
    wanted = names.split()
    return [{name: row.get(name) for name in wanted} for row in rows]
