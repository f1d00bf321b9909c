"""Which changes are refused (docs/domain-rules.md §1.4, docs/procore-contract.md §2.4).

A status locks contracts and change orders; the external id itself locks direct costs, invoices and payments. External ids are
always writable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.store import Record
from sandbox.procore.sums import PRIME

COMPLETE = ("Approved", "Complete")
DRAFT = ("Draft", "Out For Bid")
EXTERNAL = ("origin_id", "origin_data", "origin_code")


def locked(context: Context, kind: str, contract: Record) -> bool:
    """Does the status lock vendor and schedule of values under the company's setting? Its older form is for commitments only."""
    status = contract["status"]
    complete = kind != PRIME and status in COMPLETE
    rules: Mapping[str, bool] = {"off": False, "approved_complete": complete, "beyond_draft": status not in DRAFT}
    return rules[context.settings.sov_lock]


def change_locked(context: Context, status: str | None) -> bool:
    """Does the status of a change order lock its lines?"""
    rules: Mapping[str, bool] = {"off": False, "approved_complete": status == "approved", "beyond_draft": status != "draft"}
    return rules[context.settings.sov_lock]


def changed(draft: Record, existing: Record | None) -> list[str]:
    """Names of the contents that differ, external ids and times left out."""
    names = {*draft, *(existing or {})} - {*EXTERNAL, "created_at", "updated_at"}
    return sorted(name for name in names if existing is None or draft.get(name) != existing.get(name))


def refuse_vendor(context: Context, kind: str, contract: Record) -> None:
    """Raises 422 when the contract company may not be changed."""
    if locked(context, kind, contract):
        raise _locked(context, contract, "vendor_id", "the contract company")


def refuse_lines(context: Context, kind: str, contract: Record) -> None:
    """Raises 422 when the schedule of values may not be changed."""
    if locked(context, kind, contract) and not context.settings.always_editable_sov:
        raise _locked(context, contract, "base", "the schedule of values")


def refuse_delete(context: Context, kind: str, contract: Record) -> None:
    """Raises 422 when the contract may not be deleted."""
    if locked(context, kind, contract):
        raise _locked(context, contract, "base", "the contract, which cannot be deleted,")


def refuse_change_lines(context: Context, status: str | None) -> None:
    """Raises 422 when the lines of a change order of this status may not be changed."""
    if change_locked(context, status) and not context.settings.always_editable_sov:
        what = f"the schedule of values of the change order cannot be changed while it is {status}"
        raise Invalid({"base": [f"Editing is not available: {what}" if context.call.person else f"is locked: {what}"]}, 422)


def refuse_synced(context: Context, draft: Record, existing: Record | None, what: str, free: Iterable[str] = ()) -> None:
    """Raises 422 when more than the external ids (and ``free`` fields) of a record that carries one is changed."""
    if existing is None or not existing.get("origin_id") or context.answering:
        return
    touched = [name for name in changed(draft, existing) if name not in {*free}]
    if touched:
        raise _synced(context, touched[0], what, "edited")


def refuse_synced_delete(context: Context, record: Record, what: str) -> None:
    """Raises 422 when a record that carries an external id is deleted."""
    if record.get("origin_id"):
        raise _synced(context, "base", what, "deleted")


def _synced(context: Context, field: str, what: str, done: str) -> Invalid:
    if context.call.person:
        return Invalid({"base": [f"This {what} cannot be {done} because it has been synced with ERP"]}, 422)
    return Invalid({field: [f"cannot be {done}: the {what} has an ERP origin_id and is locked"]}, 422)


def _locked(context: Context, contract: Record, field: str, what: str) -> Invalid:
    if context.call.person:  # what the page shows instead of its edit button
        return Invalid({field: [f"Editing is not available: {what} is locked while the status is {contract['status']}"]}, 422)
    return Invalid({field: [f"is locked: {what} cannot be changed while the contract is {contract['status']}"]}, 422)
