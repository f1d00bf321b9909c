"""The documents of a contract as its Show reply lists them: change orders and payments (docs/procore-contract.md §5.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.procore.context import Context
from sandbox.procore.figures import figure
from sandbox.procore.store import Condition, Record
from sandbox.procore.sums import PRIME

Brief = Callable[[Record], dict[str, Any]]

TIMES = "created_at due_date id invoiced_date number paid_date reviewed_at status title updated_at"
PACKAGE = f"{TIMES} deleted_at origin_data origin_id"
PAYMENT = "check_number created_at date id invoice_number notes origin_data origin_id payment_number draw_request_number"
NAMES: dict[tuple[str, str], str] = {
    ("change_order_packages", "purchase_order_contracts"): f"{PACKAGE} origin_code signed_change_order_received_date",
    ("change_order_packages", ""): PACKAGE,
    ("potential_change_orders", "purchase_order_contracts"): TIMES,
    ("potential_change_orders", ""): f"{TIMES} deleted_at",
    ("change_order_requests", ""): f"{TIMES} deleted_at".replace("reviewed_at ", ""),
    ("payments", ""): PAYMENT,
}
"""Stored fields that are shown, by list and kind of contract; purchase orders show some others."""

STORED_AS = {"payments_issued": "contract_payments", "payments_received": "contract_payments"}
NESTED = {"change_order_requests"}
"""Lists that are described as lists of lists."""


def listed(context: Context, kind: str, contract: Record, names: Iterable[str]) -> dict[str, Any]:
    """These lists of one contract."""
    found: dict[str, Any] = {}
    for name in names:
        stored = STORED_AS.get(name, name)
        where: list[Condition] = [("parent_id = ?", [contract["id"]]), ("deleted_at IS NULL", [])]
        rows = context.store.query(stored, where)
        shown = [_brief(context, name, kind, contract, row) for row in rows]
        found[name] = [shown] if name in NESTED and shown else shown
    return found


def _brief(context: Context, name: str, kind: str, contract: Record, row: Record) -> dict[str, Any]:
    family = "payments" if name in STORED_AS else name
    names = NAMES.get((family, kind)) or NAMES[family, ""]
    brief = {field: row.get(field) for field in names.split()}
    brief["currency_configuration"] = {"currency_iso_code": contract.get("currency_iso_code")}
    if family == "payments":
        return {**brief, "amount": figure(row.get("amount"), row["id"]), "attachments": []}
    if family == "change_order_packages" or (family == "potential_change_orders" and kind == "purchase_order_contracts"):
        brief["contract_id"] = contract["id"]
    if family == "potential_change_orders" and kind == "purchase_order_contracts":
        brief |= tiers(context, kind, None)
    return brief


def tiers_of(context: Context, kind: str | None) -> int:
    """Tiers of change orders on this kind of contract."""
    return context.settings.prime_tiers if kind == PRIME else context.settings.commitment_tiers


def tiers(context: Context, kind: str, package: Record | None) -> dict[str, Any]:
    """What a potential change order says of the tiers above it."""
    return {
        "change_order_tiers": tiers_of(context, kind),
        "change_order_package_title": None if package is None else package.get("title"),
        "change_order_package_acronym_number": None if package is None else f"CO #{package['number']}",
        "change_order_request_title": None,
        "change_order_request_acronym_number": None,
        "potential_change_order_acronym_number": None,
    }
