"""Which changes of a commitment are refused (docs/domain-rules.md §1.4, docs/procore-contract.md §2.4).

A status locks, not the external id; external ids themselves are always writable.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.sandbox.procore.context import Context
from include.sandbox.procore.errors import Invalid
from include.sandbox.procore.store import Record

COMPLETE = ("Approved", "Complete")
DRAFT = ("Draft", "Out For Bid")
EXTERNAL = ("origin_id", "origin_data", "origin_code")


def locked(context: Context, contract: Record) -> bool:
    """Does the status lock vendor and schedule of values under the company's setting?"""
    status = contract["status"]
    rules: Mapping[str, bool] = {"off": False, "approved_complete": status in COMPLETE, "beyond_draft": status not in DRAFT}
    return rules[context.settings.sov_lock]


def changed(draft: Record, existing: Record | None) -> list[str]:
    """Names of the contents that differ, external ids and times left out."""
    names = {*draft, *(existing or {})} - {*EXTERNAL, "created_at", "updated_at"}
    return sorted(name for name in names if existing is None or draft.get(name) != existing.get(name))


def refuse_vendor(context: Context, contract: Record) -> None:
    """Raises 422 when the contract company may not be changed."""
    if locked(context, contract):
        raise _locked(context, contract, "vendor_id", "the contract company")


def refuse_lines(context: Context, contract: Record) -> None:
    """Raises 422 when the schedule of values may not be changed."""
    if locked(context, contract) and not context.settings.always_editable_sov:
        raise _locked(context, contract, "base", "the schedule of values")


def refuse_delete(context: Context, contract: Record) -> None:
    """Raises 422 when the contract may not be deleted."""
    if locked(context, contract):
        raise _locked(context, contract, "base", "the contract, which cannot be deleted,")


def _locked(context: Context, contract: Record, field: str, what: str) -> Invalid:
    if context.call.person:  # what the page shows instead of its edit button
        return Invalid({field: [f"Editing is not available: {what} is locked while the status is {contract['status']}"]}, 422)
    return Invalid({field: [f"is locked: {what} cannot be changed while the contract is {contract['status']}"]}, 422)
