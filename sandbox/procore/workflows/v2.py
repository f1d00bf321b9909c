"""Workflows v2.0: tools, instances, their steps and answers (docs/procore-contract.md §9). Texts for ids, pages by cursor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.settings import COMPANY_NAME
from sandbox.procore.store import Condition, Record
from sandbox.procore.workflows import instances
from sandbox.procore.workflows.instances import OVERDUE_AFTER, assignees, one, option_id, step_of, tool_of
from sandbox.procore.workflows.templates import BY_TYPE, TOOLS, Person, Step, Tool

Handler = Callable[[Context], Reply]
USUAL, MOST = 10, 100
"""Records of a page."""


def list_tools(context: Context) -> Reply:
    return Reply(200, {"data": [{"name": t.name, "type": t.type, "provider": "Project", "subtype": None} for t in TOOLS]})


# -- instances -------------------------------------------------------------------------------------------------------------


def list_instances(context: Context) -> Reply:
    tool = _tool(context.call.arg("filters[tool_type]"))
    kinds = list(tool.kinds)
    where: list[Condition] = [
        (f"json_extract(doc, '$.item_kind') IN ({', '.join('?' * len(kinds))})", kinds),
        ("json_extract(doc, '$.older') = 0", []),
    ]
    item, active = context.call.arg("filters[item_id]"), context.call.arg("filters[active]")
    if item is not None:
        where.append(("parent_id = ?", [_number("filters[item_id]", item)]))
    if active is not None:
        where.append(("status = ?", ["active" if active == "true" else "ended"]))
    found = instances.found(context, where)
    assignee, overdue = context.call.arg("filters[assignee_id]"), context.call.arg("filters[overdue]")
    if assignee is not None:
        found = [row for row in found if assignee in {str(person["id"]) for person in _asked(context, row)}]
    if overdue is not None:
        found = [row for row in found if _is_overdue(context, row) == (overdue == "true")]
    return _page(context, found)


def _page(context: Context, rows: list[Record]) -> Reply:
    """A cursor is the id of the last record that was shown."""
    call = context.call
    size = min(MOST, max(1, _number("per_page", call.arg("per_page") or str(USUAL))))
    after = _number("cursor", call.arg("cursor") or "0")
    left = [row for row in rows if row["id"] > after]
    headers = {}
    if len(left) > size:
        others = [(name, value) for name, value in call.args if name not in ("cursor", "per_page")]
        query = urlencode([*others, ("per_page", size), ("cursor", left[size - 1]["id"])])
        headers["Link"] = f'<http://{call.headers.get("host", "127.0.0.1")}{call.path}?{query}>; rel="next"'
    return Reply(200, {"data": [_brief(row) for row in left[:size]]}, headers)


def _number(name: str, value: Any) -> int:
    try:
        return int(whole(value))
    except Wrong as problem:
        raise Invalid({name: [str(problem)]}) from None


def _tool(type: Any) -> Tool:
    if type is None:
        raise Invalid({"tool_type": ["is missing"]})
    if not isinstance(type, str) or type not in BY_TYPE:
        raise Invalid({"tool_type": [f"is not one of {', '.join(BY_TYPE)}"]})
    return BY_TYPE[type]


def _brief(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]), "item_id": str(row["parent_id"]), "tool_type": tool_of(row).type, "tool_subtype": None,
        "created_at": row["created_at"], "updated_at": row["updated_at"], "started_at": row["started_at"],
        "ended_at": row["ended_at"],
    }  # fmt: skip


def _asked(context: Context, row: Record) -> tuple[Person, ...]:
    step = step_of(row)
    return () if step is None else assignees(context, step.role)


def overdue_at(row: Record) -> str:
    due = datetime.fromisoformat(row["step_started_at"]) + timedelta(seconds=OVERDUE_AFTER)
    return due.isoformat().replace("+00:00", "Z")


def _is_overdue(context: Context, row: Record) -> bool:
    return step_of(row) is not None and datetime.fromisoformat(overdue_at(row)) <= context.clock.now()


def _person(person: Person) -> dict[str, Any]:
    return {"id": str(person["id"]), "login": person["login"], "name": person["name"], "company": {"name": COMPANY_NAME}}


def _whole(context: Context, row: Record) -> dict[str, Any]:
    step = step_of(row)
    everybody = {person["id"]: person for one in tool_of(row).steps for person in assignees(context, one.role)}
    return {
        **_brief(row),
        "template_version_id": str(1 + TOOLS.index(tool_of(row))),
        "workflow_manager": _person(assignees(context, tool_of(row).steps[0].role)[0]),
        "current_step_occurrence": None if step is None else _occurrence(context, row, step),
        "all_assignees": [_person(person) for person in everybody.values()],
        "responsible_group_memberships": [
            {"responsible_group_uuid": f"group-{place}", "assignees": [_person(p) for p in assignees(context, one.role)]}
            for place, one in enumerate(tool_of(row).steps, 1)
        ],
    }


def _occurrence(context: Context, row: Record, step: Step) -> dict[str, Any]:
    return {
        "id": str(row["occurrence"]),
        "step_uuid": row["step_uuid"],
        "name": step.name,
        "started_at": row["step_started_at"],
        "overdue_at": overdue_at(row),
        "step_histories": [],
        "available_response_options": [
            {"id": str(option_id(row["step"], place)), "name": option.name, "response_type": option.response_type}
            for place, option in enumerate(step.options)
        ],
        "notification_recipients": [],
        "response_occurrences": [
            {"id": str(said["id"]), "name": said["option"], "comment": said["comment"], "responded_at": said["at"]}
            for said in row["responses"]
            if said["occurrence"] == row["occurrence"]
        ],
    }


def show_instance(context: Context) -> Reply:
    return Reply(200, {"data": _whole(context, one(context))})


def create_instance(context: Context) -> Reply:
    sent = context.call.json()
    tool = _tool(sent.get("tool_type"))
    if sent.get("item_id") is None:
        raise Invalid({"item_id": ["is missing"]})
    return Reply(201, {"data": _whole(context, instances.begin(context, tool, _number("item_id", sent["item_id"])))})


def respond(context: Context) -> Reply:
    """204; attachments are taken and forgotten."""
    sent = context.call.json().get("response")
    if not isinstance(sent, dict):
        raise Invalid({"response": ["is missing"]})
    occurrence, option = sent.get("current_step_occurrence_id"), sent.get("selected_response_option_id")
    instances.answer(context, one(context), occurrence, option, sent.get("comment"))
    return Reply(204)


def history(context: Context) -> Reply:
    return Reply(200, {"data": {"history": one(context)["history"]}})


def restart(context: Context) -> Reply:
    return Reply(200, {"data": _whole(context, instances.restart(context, one(context)))})


def terminate(context: Context) -> Reply:
    return Reply(200, {"data": _whole(context, instances.terminate(context, one(context)))})


CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "instances", list_instances),
    ("POST", "instances", create_instance),
    ("GET", "instances/{id}", show_instance),
    ("POST", "instances/{id}/responses", respond),
    ("GET", "instances/{id}/history", history),
    ("POST", "instances/{id}/restart", restart),
    ("POST", "instances/{id}/terminate", terminate),
)
"""Method, path below ``.../projects/{project_id}/workflows`` and handler."""
