"""Which stored records fire events, and under which name: one table (docs/procore-contract.md §7.4, *third party*)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.procore.store import Record

EVENT_TYPES = ("create", "update", "delete")
KEPT = ("create", "update")
"""Of resources whose deletion cannot be subscribed to."""
SILENT = frozenset({"updated_at"})
"""Stored fields whose change alone fires nothing: a record that is only touched shows nothing new."""


@dataclass(frozen=True, slots=True)
class Fires:
    """One resource of the webhooks.

    ``kind``: the stored records behind it; empty: there are none here, so it can be subscribed to and never fires. ``actions``:
    what can be subscribed to; ``mute``: those that never fire all the same. ``contract``: of lines, the kind of their contract.
    ``parent``: the name of what the lines belong to (``related_resources``). ``silent``: stored fields that no reply shows.
    """

    name: str
    scope: Literal["company", "project"]
    kind: str
    category: str
    tool: str
    actions: tuple[str, ...] = EVENT_TYPES
    mute: tuple[str, ...] = ()
    contract: str = ""
    parent: str = ""
    silent: tuple[str, ...] = ()


CORE, MONEY = "Core", "Financial Management"

TABLE: tuple[Fires, ...] = (
    Fires("Company Insurances", "company", "insurances", CORE, "Directory"),
    Fires("Company Users", "company", "users", CORE, "Directory"),
    Fires("Company Vendors", "company", "vendors", CORE, "Directory", KEPT),
    Fires("ERP Requests", "company", "", MONEY, "ERP Integrations"),
    Fires("Line Item Types", "company", "line_item_types", CORE, "Admin"),
    Fires("Projects", "company", "projects", CORE, "Portfolio", KEPT, silent=("budget_locked",)),
    Fires("Standard Cost Code Lists", "company", "standard_cost_code_lists", CORE, "Admin", ("create",)),
    Fires("Standard Cost Codes", "company", "standard_cost_codes", CORE, "Admin"),
    Fires("Budget Changes", "project", "budget_changes", MONEY, "Budget"),
    Fires("Budget Line Items", "project", "budget_lines", MONEY, "Budget"),
    Fires("Change Events", "project", "change_events", MONEY, "Change Events"),
    Fires("Change Order Packages", "project", "change_order_packages", MONEY, "Change Orders"),
    Fires("Change Order Requests", "project", "change_order_requests", MONEY, "Change Orders"),
    Fires("Contract Payments", "project", "contract_payments", MONEY, "Commitments"),
    Fires("Cost Codes", "project", "cost_codes", CORE, "Admin"),
    Fires("Direct Cost Line Items", "project", "direct_cost_lines", MONEY, "Direct Costs", parent="Direct Costs"),
    Fires("Direct Costs", "project", "direct_costs", MONEY, "Direct Costs"),
    Fires("Payment Applications", "project", "payment_applications", MONEY, "Prime Contracts"),
    Fires("Potential Change Order Line Items", "project", "change_lines", MONEY, "Change Orders",
          parent="Potential Change Orders", silent=("package_id",)),
    Fires("Potential Change Orders", "project", "potential_change_orders", MONEY, "Change Orders"),
    Fires("Prime Contract Line Items", "project", "contract_lines", MONEY, "Prime Contracts",
          contract="prime_contracts", parent="Prime Contracts"),
    Fires("Prime Contracts", "project", "prime_contracts", MONEY, "Prime Contracts"),
    Fires("Project Vendors", "project", "", CORE, "Directory", mute=("update",)),
    Fires("Purchase Order Contract Line Items", "project", "contract_lines", MONEY, "Commitments",
          contract="purchase_order_contracts", parent="Purchase Order Contracts"),
    Fires("Purchase Order Contracts", "project", "purchase_order_contracts", MONEY, "Commitments"),
    Fires("Sub Jobs", "project", "sub_jobs", CORE, "Admin"),
    Fires("Work Order Contract Line Items", "project", "contract_lines", MONEY, "Commitments",
          contract="work_order_contracts", parent="Work Order Contracts"),
    Fires("Work Order Contracts", "project", "work_order_contracts", MONEY, "Commitments"),
)  # fmt: skip

BY_NAME: Mapping[str, Fires] = {row.name: row for row in TABLE}
_BY_KIND: Mapping[tuple[str, str], Fires] = {(row.kind, row.contract): row for row in TABLE if row.kind}
_OF_CONTRACTS = {row.kind for row in TABLE if row.contract}


def row_of(kind: str, record: Record) -> Fires | None:
    """The row of a stored record; None for one that no webhook speaks of."""
    contract = str(record.get("contract_kind") or "") if kind in _OF_CONTRACTS else ""
    return _BY_KIND.get((kind, contract))


def event_type(row: Fires, before: Record | None, after: Record | None) -> str | None:
    """What a change of a stored record is called; None when it fires nothing. A soft deletion is a deletion."""
    was, remains = _there(before), _there(after)
    found: str | None = None
    if was and remains:
        found = "update" if _differ(before or {}, after or {}, SILENT | set(row.silent)) else None
    elif was or remains:
        found = "create" if remains else "delete"
    return found if found in row.actions and found not in row.mute else None


def _there(record: Record | None) -> bool:
    return record is not None and not record.get("deleted_at")


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], silent: frozenset[str] | set[str]) -> bool:
    return any(before.get(name) != after.get(name) for name in {*before, *after} - silent)
