"""What a workflow under way does to its document: the status follows the step, whoever else writes one."""

from __future__ import annotations

from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.store import Condition, Record, Store
from sandbox.procore.workflows.templates import BY_KIND

INSTANCES = "workflow_instances"
UNDER_WORKFLOW = "cannot be set while a workflow is active on this item"


def active(store: Store, kind: str, item_id: int) -> Record | None:
    """The instance that is under way on a document."""
    where: list[Condition] = [
        ("parent_id = ?", [item_id]),
        ("status = 'active'", []),
        ("json_extract(doc, '$.item_kind') = ?", [kind]),
    ]
    return next(iter(store.query(INSTANCES, where, limit=1)), None)


def keep_status(context: Context, kind: str, draft: Record, existing: Record) -> None:
    """Take a written status back, or refuse it (setting ``workflow_status_write``). Raises 422."""
    if kind not in BY_KIND or context.answering or draft.get("status") == existing.get("status"):
        return
    if active(context.store, kind, existing["id"]) is None:
        return
    if context.settings.workflow_status_write == "refused":
        raise Invalid({"status": [UNDER_WORKFLOW]}, 422)
    draft["status"] = existing["status"]
