"""Instances: begun on a document, answered step by step, ended. Both versions of the API show the same ones."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sandbox.procore.context import Context
from sandbox.procore.engine import write
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.resources import BY_KIND as RESOURCES
from sandbox.procore.store import Condition, Record
from sandbox.procore.workflows.effect import INSTANCES, active
from sandbox.procore.workflows.templates import ASKED, BY_KIND, SERVICE, Option, Person, Step, Tool

FIRST_ID = 15_001
OVERDUE_AFTER = 3 * 86_400.0
"""Seconds until a step is overdue."""
STALE = "is not the one that is asked now"


def tool_of(instance: Record) -> Tool:
    return BY_KIND[instance["item_kind"]]


def step_of(instance: Record) -> Step | None:
    """The step that is asked now; None: it has ended."""
    return tool_of(instance).steps[instance["step"]] if instance["status"] == "active" else None


def assignees(context: Context, role: str) -> tuple[Person, ...]:
    joined = role == "Accounting" and context.settings.workflow_service_assignee
    return (*ASKED[role], *((SERVICE,) if joined else ()))


def option_id(step: int, place: int) -> int:
    """Options are the template's, the same in every instance."""
    return 100 * (step + 1) + place + 1


def found(context: Context, where: Sequence[Condition]) -> list[Record]:
    """Instances of the scope, the oldest first."""
    scope: list[Condition] = [("company_id = ?", [context.company_id])]
    if context.project is not None:
        scope.append(("project_id = ?", [context.project["id"]]))
    return context.store.query(INSTANCES, [*scope, *where])


def one(context: Context, placeholder: str = "id") -> Record:
    """Raises 404."""
    instance = context.store.get(INSTANCES, int(context.call.params[placeholder]))
    if instance is None or (context.project is not None and instance["project_id"] != context.project["id"]):
        raise not_found("Workflow instance")
    return instance


def begin(context: Context, tool: Tool, item_id: int, *, older: bool = False) -> Record:
    """Start a workflow on a document of the scope. Raises 422 for one that is not there, or has one already."""
    for kind in tool.kinds:
        item = context.store.get(kind, item_id)
        if (
            item is not None
            and not item["deleted_at"]
            and context.project is not None
            and item["project_id"] == context.project_id
        ):
            break
    else:
        raise Invalid({"item_id": ["is no item of this tool in this project"]}, 422)
    if active(context.store, kind, item_id) is not None:
        raise Invalid({"item_id": ["has an active workflow already"]}, 422)
    now = context.clock.stamp()
    instance = {
        "id": context.store.new_id(INSTANCES, (INSTANCES,), FIRST_ID),
        "company_id": context.company_id,
        "project_id": item["project_id"],
        "parent_id": item_id,
        "item_kind": kind,
        "older": older,
        "status": "active",
        "created_at": now,
        "started_at": now,
        "ended_at": None,
        "deleted_at": None,
        "responses": [],
        "history": [{"type": "WorkflowStarted", "details": {"started_at": now}}],
    }
    return _enter(context, instance, 0)


def _enter(context: Context, instance: Record, step: int) -> Record:
    """Ask the next step; the document's status follows."""
    occurrence = {
        "step": step,
        "occurrence": _number(context),
        "step_uuid": str(uuid.uuid4()),
        "step_started_at": context.clock.stamp(),
    }
    instance = {**instance, **occurrence, "updated_at": context.clock.stamp()}
    context.store.put(INSTANCES, instance)
    _set_status(context, instance, tool_of(instance).steps[step].status)
    return instance


def _number(context: Context) -> int:
    return context.store.new_id("workflow_step_occurrences", (), 16_001)


def _set_status(context: Context, instance: Record, status: str) -> None:
    resource = RESOURCES[instance["item_kind"]]
    item = context.store.get(instance["item_kind"], instance["parent_id"])
    if item is None:
        return
    context.answering = True
    try:
        write(resource, context, {"status": status}, item, "u")
    finally:
        context.answering = False


def answer(context: Context, instance: Record, occurrence: Any, option: Any, comment: str | None) -> Record:
    """One answer of an assignee. Raises 403 for anybody else, 422 for a step or an option that is not asked now."""
    step = step_of(instance)
    if step is None or str(occurrence) != str(instance["occurrence"]):
        raise Invalid({"current_step_occurrence_id": [STALE]}, 422)
    offered = {option_id(instance["step"], place): one for place, one in enumerate(step.options)}
    chosen = next((one for id, one in offered.items() if str(id) == str(option)), None)
    if chosen is None:
        raise Invalid({"selected_response_option_id": ["is not offered by this step"]}, 422)
    asked = assignees(context, step.role)
    by = asked[0] if context.call.person else next((one for one in asked if one["id"] == SERVICE["id"]), None)
    if by is None:
        raise Refused(403, "You are not an assignee of the current step")
    return _carry_out(context, instance, step, chosen, by, comment)


def _carry_out(context: Context, instance: Record, step: Step, chosen: Option, by: Person, comment: str | None) -> Record:
    now = context.clock.stamp()
    said = {
        "id": _number(context), "occurrence": instance["occurrence"], "step": step.name, "option": chosen.name,
        "response_type": chosen.response_type, "comment": comment, "by": dict(by), "at": now,
        "since": instance["step_started_at"], "place": instance["step"],
    }  # fmt: skip
    told = {"step": step.name, "response": chosen.name, "comment": comment, "responded_at": now, "assignee": by["name"]}
    instance = {
        **instance,
        "responses": [*instance["responses"], said],
        "history": [*instance["history"], {"type": "StepResponded", "details": told}],
    }
    if chosen.leads_to is not None:
        return _enter(context, instance, chosen.leads_to)
    return _end(context, instance, "WorkflowCompleted", tool_of(instance).statuses[-1])


def _end(context: Context, instance: Record, kind: str, status: str | None) -> Record:
    now = context.clock.stamp()
    ended = {"type": kind, "details": {"ended_at": now}}
    instance = {**instance, "status": "ended", "ended_at": now, "updated_at": now, "history": [*instance["history"], ended]}
    context.store.put(INSTANCES, instance)
    if status is not None:
        _set_status(context, instance, status)
    return instance


def terminate(context: Context, instance: Record) -> Record:
    """End it where it stands; the status stays. Raises 422 for one that has ended."""
    if step_of(instance) is None:
        raise Invalid({"base": ["has ended already"]}, 422)
    return _end(context, instance, "WorkflowTerminated", None)


def restart(context: Context, instance: Record) -> Record:
    """From its first step. Raises 422 for one that has ended."""
    if step_of(instance) is None:
        raise Invalid({"base": ["has ended already"]}, 422)
    now = {"type": "WorkflowRestarted", "details": {"restarted_at": context.clock.stamp()}}
    return _enter(context, {**instance, "history": [*instance["history"], now]}, 0)
