"""Insurances of vendors (docs/procore-contract.md §3.2). Their replies carry no times, so that only contents can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore.attributes import Attribute, choice, day, flag, plain, whole
from sandbox.procore.context import Context
from sandbox.procore.engine import UNKNOWN_ID
from sandbox.procore.errors import Invalid, not_found
from sandbox.procore.store import Condition, Record
from sandbox.procore.views import picked

STATUSES = (
    "compliant",
    "compliant_in_progress",
    "expired",
    "non_compliant",
    "non_compliant_in_progress",
    "undecided",
    "unregistered",
)
LOCKED = ("policy_number", "insurance_type", "effective_date", "expiration_date", "limit", "name")
"""Read-only **in the UI** once the external id is set; the API may still write them (docs/procore-contract.md §2.4)."""

ATTRIBUTES = (
    *plain("name insurance_type policy_number limit additional_insured division_template insurance_sets notes"),
    *plain("effective_date expiration_date", day),
    *plain("exempt info_received enable_expired_insurance_notifications", flag),
    Attribute("status", choice(*STATUSES)),
    *plain("origin_id origin_data"),
)
COMPANY_ATTRIBUTES = (*ATTRIBUTES, Attribute("vendor_id", whole, store="parent_id", on="s"))
"""Entries of the company-wide sync name their vendor; the others have it in their path."""

DEFAULTS = {
    "status": "undecided",
    "exempt": False,
    "info_received": False,
    "enable_expired_insurance_notifications": True,
}


def _details(_: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """**Written as ``name``, read as ``insurance_provider``.**"""
    return [
        {
            "insurance_provider": row.get("name"),
            "vendor_id": row["parent_id"],
            **{name: bool(row.get(name, default)) for name, default in DEFAULTS.items() if isinstance(default, bool)},
        }
        for row in rows
    ]


VIEW = picked(
    _details,
    "additional_insured division_template effective_date enable_expired_insurance_notifications exempt expiration_date id"
    " info_received insurance_provider insurance_sets insurance_type limit notes origin_data origin_id policy_number status"
    " vendor_id",
)


def enter_vendor(context: Context) -> None:
    """The vendor of the path; a single insurance must be one of its own. Raises 404."""
    vendor = context.one("vendors", int(context.call.params["vendor_id"]))
    if vendor is None or vendor["company_id"] != context.company_id:
        raise not_found("Vendor")
    context.scope["parent_id"] = vendor["id"]
    if "id" in context.call.params:
        insurance = context.one("insurances", int(context.call.params["id"]))
        if insurance is None or insurance["parent_id"] != vendor["id"]:
            raise not_found("Insurance")


def of_vendor(context: Context) -> list[Condition]:
    return [("parent_id = ?", [context.scope["parent_id"]])]


def of_company(_: Context) -> list[Condition]:
    return [("project_id IS NULL", [])]  # true for all of them; said so that an index answers in the order of ids


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """The vendor of an insurance; what a person may not change of a synced one (422)."""
    vendor_id = context.scope.get("parent_id")
    if vendor_id is not None:
        if existing is not None and existing["parent_id"] != vendor_id:
            raise Invalid({"id": [UNKNOWN_ID]})
        draft["parent_id"] = vendor_id
    elif draft.get("parent_id") is None:
        raise Invalid({"vendor_id": ["can't be blank"]})
    else:
        vendor = context.one("vendors", draft["parent_id"])
        if vendor is None or vendor["company_id"] != context.company_id:
            raise Invalid({"vendor_id": ["does not exist"]})
    if context.call.person and existing is not None and existing["origin_id"]:
        changed = [name for name in LOCKED if draft.get(name) != existing.get(name)]
        if changed:
            raise Invalid({name: ["is not editable because the insurance was synced with ERP"] for name in changed}, 422)
