"""The older workflows, v1.0: instances and activity histories (docs/procore-contract.md §9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, not_found
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging
from sandbox.procore.store import Condition, Record
from sandbox.procore.workflows import instances
from sandbox.procore.workflows.effect import INSTANCES
from sandbox.procore.workflows.instances import assignees, option_id, step_of, tool_of
from sandbox.procore.workflows.templates import TOOLS, Person
from sandbox.procore.workflows.v2 import overdue_at

Handler = Callable[[Context], Reply]
NEEDED = ("workflow_activity_id", "workflow_instance_id", "workflow_user_role_id", "performed_by_id")


def _enter(context: Context) -> None:
    company = context.call.arg("company_id")
    if company is None:
        raise Invalid({"company_id": ["is missing"]})
    context.check_company(company)


def list_instances(context: Context) -> Reply:
    _enter(context)
    where: list[Condition] = [("json_extract(doc, '$.older') = 1", []), ("status = 'active'", [])]
    asked = context.call.arg("filters[workflowed_object_id]")
    if asked is not None:
        where.append(("parent_id = ?", [_number("filters[workflowed_object_id]", asked)]))
    rows = instances.found(context, where)
    if (kind := context.call.arg("filters[workflowed_object_type]")) is not None:
        rows = [row for row in rows if tool_of(row).object_type == kind]
    page = page_of(context.call, Paging(), len(rows))
    shown = [_instance(context, row) for row in rows[page.offset : page.offset + page.size]]
    return Reply(200, shown, page.headers(context.call))


def show_instance(context: Context) -> Reply:
    _enter(context)
    return Reply(200, _instance(context, _older(context, int(context.call.params["id"]))))


def _older(context: Context, id: int) -> Record:
    row = context.store.get(INSTANCES, id)
    if row is None or not row["older"]:
        raise not_found("Workflow instance")
    return row


def _number(name: str, value: Any) -> int:
    try:
        return int(whole(value))
    except Wrong as problem:
        raise Invalid({name: [str(problem)]}) from None


def role_id(step: int) -> int:
    return 700 + step


def _instance(context: Context, row: Record) -> dict[str, Any]:
    tool, step = tool_of(row), step_of(row)
    project = context.store.get("projects", row["project_id"])
    template = 800 + TOOLS.index(tool)
    status = step.status if step is not None else tool.statuses[-1]
    return {
        "id": row["id"],
        "becomes_overdue_at": overdue_at(row),
        "current_state_set_at": row["step_started_at"],
        "workflowed_object_id": row["parent_id"],
        "workflowed_object_type": tool.object_type,
        "project": {"id": row["project_id"], "name": None if project is None else project.get("name")},
        "current_workflow_activities": _activities(context, row),
        "current_workflow_state": {"id": 900 + row["step"], "name": "Ended" if step is None else step.name, "status": status},
        "workflow": {
            "id": template, "name": f"{tool.name} approval", "description": None, "created_at": row["created_at"],
            "updated_at": row["created_at"], "domain": tool.domain, "class_name": tool.kinds[row["item_kind"]],
        },
    }  # fmt: skip


def _activities(context: Context, row: Record) -> list[dict[str, Any]]:
    step = step_of(row)
    if step is None:
        return []
    role = role_id(row["step"])
    found = []
    for place, option in enumerate(step.options):
        sent = {
            "workflow_activity_id": option_id(row["step"], place),
            "workflow_instance_id": row["id"],
            "workflow_user_role_id": role,
        }
        url = f"/rest/v1.0/workflow_activity_histories?company_id={context.company_id}&workflow_instance_id={row['id']}"
        found.append(
            {
                "id": option_id(row["step"], place),
                "name": option.name,
                "workflow_user_role": {"id": role, "name": step.role, "assignee": _named(assignees(context, step.role)[-1])},
                "perform_activity": {"url": url, "method": "POST", "data": {"workflow_activity_history": sent}},
            }
        )
    return found


def _named(person: Person) -> dict[str, Any]:
    return {"id": person["id"], "name": person["name"], "login": person["login"]}


def perform(context: Context) -> Reply:
    """201. The step is answered by the account that calls, whoever ``performed_by_id`` names."""
    _enter(context)
    sent = context.call.json().get("workflow_activity_history")
    if not isinstance(sent, dict):
        raise Invalid({"workflow_activity_history": ["is missing"]})
    if missing := {name: ["is missing"] for name in NEEDED if sent.get(name) is None}:
        raise Invalid(missing)
    row = _older(context, _number("workflow_instance_id", sent["workflow_instance_id"]))
    if str(context.call.arg("workflow_instance_id")) != str(row["id"]):
        raise Invalid({"workflow_instance_id": ["differs between query and body"]})
    if _number("workflow_user_role_id", sent["workflow_user_role_id"]) != role_id(row["step"]):
        raise Invalid({"workflow_user_role_id": [instances.STALE]}, 422)
    answered = instances.answer(context, row, row["occurrence"], sent["workflow_activity_id"], sent.get("comments"))
    return Reply(201, _history(answered, answered["responses"][-1]))


def list_histories(context: Context) -> Reply:
    """The newest first."""
    _enter(context)
    row = _older(context, _number("workflow_instance_id", context.call.arg("workflow_instance_id") or "0"))
    rows = [_history(row, said) for said in reversed(row["responses"])]
    page = page_of(context.call, Paging(), len(rows))
    return Reply(200, rows[page.offset : page.offset + page.size], page.headers(context.call))


def _history(row: Record, said: Record) -> dict[str, Any]:
    step = tool_of(row).steps[said["place"]]
    place = next(number for number, option in enumerate(step.options) if option.name == said["option"])
    days = (datetime.fromisoformat(said["at"]) - datetime.fromisoformat(said["since"])).days
    return {
        "id": said["id"], "attachments": [], "bic_start": said["since"], "bic_end": said["at"], "bic_duration": str(days),
        "comments": said["comment"], "created_at": said["at"], "updated_at": said["at"], "performed_by_id": said["by"]["id"],
        "performed_by_name": said["by"]["name"], "workflow_activity_id": option_id(said["place"], place),
        "workflow_activity_name": said["option"], "workflow_instance_id": row["id"],
        "workflow_user_role_id": role_id(said["place"]), "workflow_user_role_name": step.role,
        "workflow_state_id": 900 + said["place"], "workflow_state_name": step.name,
    }  # fmt: skip


CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "workflow_instances", list_instances),
    ("GET", "workflow_instances/{id}", show_instance),
    ("GET", "workflow_activity_histories", list_histories),
    ("POST", "workflow_activity_histories", perform),
)
"""Method, path below ``/rest/v1.0`` and handler."""
