"""Change events: what may become change orders (docs/procore-contract.md §5.4). Their external id lies in ``external_data``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore.attributes import Attribute, choice, mapping, plain
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.login import OWNER_ID, OWNER_LOGIN, OWNER_NAME
from sandbox.procore.store import Record

KIND = "change_events"
STATUSES = {1: ("Open", "open"), 2: ("Closed", "closed"), 3: ("Pending", "pending"), 4: ("Void", "void")}
"""Id -> name, and the status of Procore's own that a company's label stands for."""
SCOPES = ("tbd", "in_scope", "out_of_scope")

ATTRIBUTES = (
    Attribute("status", mapping, store="status_named", required=True, nullable=False),
    Attribute("scope", choice(*SCOPES), required=True, nullable=False),
    *plain("title number description source"),
    *plain("external_data change_type change_reason event_origin", mapping),
)
_EMPTY = (
    "attachments change_items markup_items production_quantities change_reason change_type custom_fields event_origin notes"
    " prime_contract_for_estimates"
).split()
_LISTS = ("attachments", "change_items", "markup_items", "production_quantities")


def view(_: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    return [_shown(row) for row in rows]


def _shown(row: Record) -> dict[str, Any]:
    name, own = STATUSES[row.get("status_id") or 1]
    return {
        **{name: [] if name in _LISTS else row.get(name) for name in _EMPTY},
        **{name: row.get(name) for name in "id number title description scope source created_at updated_at deleted_at".split()},
        "company_id": row["company_id"],
        "project_id": row["project_id"],
        "comments_enabled": True,
        "deletable": True,
        "in_recycle_bin": row["deleted_at"] is not None,
        "status": {"id": row.get("status_id") or 1, "name": name, "mapped_to_status": own},
        "external_data": {"origin_id": row["origin_id"], "origin_data": row.get("origin_data")},
        "created_by": {"id": OWNER_ID, "login": OWNER_LOGIN, "name": OWNER_NAME},
        "currency_configuration": {"currency_iso_code": "USD"},
    }


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Status by its id, external ids out of their object, a number where none is given."""
    chosen = (draft.pop("status_named", None) or {}).get("id")
    if chosen not in STATUSES:
        raise Invalid({"status": ["does not exist"]}, 422)
    draft["status_id"], draft["status"] = chosen, STATUSES[chosen][1]
    external = draft.pop("external_data", None) or {}
    draft["origin_id"], draft["origin_data"] = external.get("origin_id"), external.get("origin_data")
    if draft.get("number") is None:
        sql = f"SELECT max(CAST(number AS INTEGER)) FROM objects WHERE kind = '{KIND}' AND project_id = ?"
        draft["number"] = f"{int(context.store.rows(sql, [context.project_id])[0][0] or 0) + 1:03d}"
