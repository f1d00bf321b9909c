"""Workflows: a status that nobody can write, steps that only their assignees answer, both versions of the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.procore.described import unserved
from sandbox.procore.settings import Settings
from sandbox.procore.workflows.templates import BY_KIND, TOOLS
from sandbox.world import World
from tests.unit.sandbox.procore.serving import COMPANY, DRAFT, P1, P2, STEEL, Caller, hand_made, serving

C2 = f"/rest/v2.0/companies/{COMPANY}"
FLOWS = f"{C2}/projects/{P1}/workflows/instances"
CONTRACT = f"/work_order_contracts/{DRAFT}"
IN_PROJECT = {"project_id": P1}
HISTORIES = f"/workflow_activity_histories?company_id={COMPANY}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, World]]:
    with serving(tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@pytest.fixture
def api(served: tuple[Caller, World]) -> Caller:
    """A company of two projects without workflows, its contract a draft."""
    caller, world = served
    hand_made(world)
    world.procore.configure(Settings(rate_limit_spike=10_000))
    return caller


@pytest.fixture
def world(served: tuple[Caller, World]) -> World:
    return served[1]


def tool(api: Caller, name: str = "Commitments") -> str:
    return next(str(row["type"]) for row in api.get(f"{C2}/workflows/tools")["data"] if row["name"] == name)


def begun(api: Caller, item: int = DRAFT) -> dict[str, Any]:
    reply = api.as_user("POST", FLOWS, {"tool_type": tool(api), "item_id": str(item)})
    assert reply.status_code == 201, reply.text
    return dict(reply.json()["data"])


def status(api: Caller) -> str:
    return str(api.get(f"{CONTRACT}?project_id={P1}")["status"])


def answer(shown: dict[str, Any], option: str, **more: Any) -> dict[str, Any]:
    step = shown["current_step_occurrence"]
    (chosen,) = [row["id"] for row in step["available_response_options"] if row["name"] == option]
    said = {"current_step_occurrence_id": step["id"], "selected_response_option_id": chosen, "attachments": {}, **more}
    return {"response": said}


def approve(api: Caller, shown: dict[str, Any]) -> dict[str, Any]:
    """The project manager's answer; what is asked next."""
    assert api.as_user("POST", f"{FLOWS}/{shown['id']}/responses", answer(shown, "Approve")).status_code == 204
    return dict(api.get(f"{FLOWS}/{shown['id']}")["data"])


def test_the_status_follows_the_steps_and_our_account_answers_its_own(api: Caller) -> None:
    shown = begun(api)
    assert status(api) == "Out For Signature"
    assert shown["current_step_occurrence"]["name"] == "Project manager review"
    url = f"{FLOWS}/{shown['id']}/responses"
    assert api("POST", url, json=answer(shown, "Approve")).status_code == 403, "we are no assignee of that step"
    shown = approve(api, shown)
    assert (status(api), shown["current_step_occurrence"]["name"]) == ("Approved", "ERP posting")
    api.send("POST", url, answer(shown, "Return", comment="M-05: code 09-7200 is missing"), 204)
    assert status(api) == "Out For Signature"
    assert api("POST", url, json=answer(shown, "Accept")).status_code == 422, "that step is not asked any more"
    shown = approve(api, api.get(f"{FLOWS}/{shown['id']}")["data"])
    api.send("POST", url, answer(shown, "Accept", comment="104-SC-001"), 204)
    ended = api.get(f"{FLOWS}/{shown['id']}")["data"]
    assert ended["current_step_occurrence"] is None and ended["ended_at"] is not None and status(api) == "Approved"
    told = [row["type"] for row in api.get(f"{FLOWS}/{shown['id']}/history")["data"]["history"]]
    assert told == ["WorkflowStarted", *["StepResponded"] * 4, "WorkflowCompleted"]


@pytest.mark.parametrize("by", ["us", "a person"])
@pytest.mark.parametrize(("setting", "code"), [("ignored", 200), ("refused", 422)])
def test_a_status_written_under_a_workflow_has_no_effect(api: Caller, world: World, setting: str, code: int, by: str) -> None:
    world.procore.configure(Settings(rate_limit_spike=10_000, workflow_status_write=setting))
    shown = begun(api)
    change = {**IN_PROJECT, "work_order_contract": {"status": "Approved"}}
    reply = api("PATCH", CONTRACT, json=change) if by == "us" else api.as_user("PATCH", CONTRACT, change)
    assert (reply.status_code, status(api)) == (code, "Out For Signature")
    titled = {**IN_PROJECT, "work_order_contract": {"title": "Retitled"}}
    assert api.send("PATCH", CONTRACT, titled)["title"] == "Retitled", "the rest of it can be written"
    api.as_user("POST", f"{FLOWS}/{shown['id']}/terminate")
    assert api.send("PATCH", CONTRACT, change)["status"] == "Approved", "a workflow that has ended holds nothing"


def test_a_sync_writes_no_status_either(api: Caller) -> None:
    begun(api)
    entities, errors = api.sync("/work_order_contracts/sync", [{"id": DRAFT, "status": "Approved"}], **IN_PROJECT)
    assert errors == [] and entities[0]["status"] == "Out For Signature"


def test_an_account_that_is_no_assignee_answers_nothing(api: Caller, world: World) -> None:
    world.procore.configure(Settings(rate_limit_spike=10_000, workflow_service_assignee=False))
    shown = approve(api, begun(api))
    assert "Sandbox Service Account" not in {person["name"] for person in shown["all_assignees"]}
    assert api("POST", f"{FLOWS}/{shown['id']}/responses", json=answer(shown, "Accept")).status_code == 403


def test_instances_are_found_by_tool_item_assignee_and_state(api: Caller, world: World) -> None:
    shown = begun(api)
    kind = tool(api)

    def ids(**filters: Any) -> list[str]:
        query = "&".join(f"filters[{name}]={value}" for name, value in {"tool_type": kind, **filters}.items())
        return [row["id"] for row in api.get(f"{FLOWS}?{query}")["data"]]

    assert ids() == ids(item_id=DRAFT) == ids(active="true") == ids(overdue="false") == [shown["id"]]
    assert ids(item_id=1) == ids(active="false") == ids(overdue="true") == ids(assignee_id=5_100_001) == []
    assert ids(assignee_id=5_200_001) == [shown["id"]]
    world.clock.advance(4 * 86_400)
    api.login()
    assert ids(overdue="true") == [shown["id"]]
    assert api("GET", FLOWS).status_code == 400, "the tool is required"
    assert api("GET", f"{FLOWS}?filters[tool_type]=nothing").status_code == 400
    assert api("GET", f"{FLOWS.replace(str(P1), str(P2))}/{shown['id']}").status_code == 404, "another project's"
    assert api("GET", f"{FLOWS}?filters[tool_type]={kind}&page=2").status_code == 400, "it has no pages but cursors"


def test_pages_go_by_cursor(api: Caller, world: World) -> None:
    draft = world.store.get("work_order_contracts", DRAFT)
    assert draft is not None
    for offset in range(1, 24):
        world.store.put(
            "work_order_contracts", {**draft, "id": DRAFT + 1000 + offset, "number": f"X-{offset}", "origin_id": None}
        )
        begun(api, DRAFT + 1000 + offset)
    found: list[str] = []
    url: str | None = f"{FLOWS}?filters[tool_type]={tool(api)}"
    while url:
        reply = api("GET", url)
        found += [row["item_id"] for row in reply.json()["data"]]
        url = reply.links.get("next", {}).get("url", "").removeprefix(api.base) or None
    assert len(found) == len(set(found)) == 23


def test_one_workflow_per_item_that_is_there(api: Caller) -> None:
    begun(api)
    for item in (DRAFT, STEEL, 12):
        assert api.as_user("POST", FLOWS, {"tool_type": tool(api), "item_id": str(item)}).status_code == 422


def test_the_older_workflows_have_activities(api: Caller) -> None:
    started = api.control("POST", "/workflows", {"kind": "work_order_contracts", "item_id": DRAFT})
    assert api.get(f"{FLOWS}?filters[tool_type]={tool(api)}")["data"] == [], "not an instance of the newer ones"
    (row,) = api.get(f"/workflow_instances?company_id={COMPANY}&filters[workflowed_object_id]={DRAFT}")
    assert (row["id"], row["workflowed_object_type"], row["workflow"]["class_name"]) == (
        started["id"], "Contract", "WorkOrderContract",
    )  # fmt: skip
    assert row["current_workflow_state"]["status"] == status(api) == "Out For Signature"
    (activity,) = row["current_workflow_activities"]
    sent = {**activity["perform_activity"]["data"]["workflow_activity_history"], "performed_by_id": 5_200_001}
    url = f"{HISTORIES}&workflow_instance_id={row['id']}"
    assert api("POST", url, json={"workflow_activity_history": sent}).status_code == 403
    done = api.as_user("POST", url, {"workflow_activity_history": {**sent, "comments": "fine"}})
    assert done.status_code == 201 and done.json()["comments"] == "fine"
    row = api.get(f"/workflow_instances/{row['id']}?company_id={COMPANY}")
    accept = next(one for one in row["current_workflow_activities"] if one["name"] == "Accept")
    sent = {**accept["perform_activity"]["data"]["workflow_activity_history"], "performed_by_id": 5_100_001}
    assert api.send("POST", url, {"workflow_activity_history": sent}, 201)["performed_by_id"] == 5_100_001
    assert [one["workflow_activity_name"] for one in api.get(url)] == ["Accept", "Approve"], "the newest first"
    assert api.get(f"/workflow_instances?company_id={COMPANY}") == [], "it has ended"
    assert api("POST", url, json={"workflow_activity_history": sent}).status_code == 422


def test_a_restart_asks_the_first_step_again(api: Caller) -> None:
    shown = approve(api, begun(api))
    again = api.as_user("POST", f"{FLOWS}/{shown['id']}/restart").json()["data"]
    assert again["current_step_occurrence"]["name"] == "Project manager review" and status(api) == "Out For Signature"


@pytest.mark.parametrize("name", unserved())
def test_what_is_described_and_not_served_says_its_name(api: Caller, name: str) -> None:
    method, template = name.split()
    reply = api(method, template.format(company_id=COMPANY, project_id=P1, id=1), json={} if method != "GET" else None)
    assert reply.status_code == 501 and unserved()[name] in reply.text


def test_each_document_has_one_tool() -> None:
    assert sorted(BY_KIND) == sorted(kind for one in TOOLS for kind in one.kinds)


def test_it_survives_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as (caller, world):
        hand_made(world)
        shown = begun(caller)
    again = World(tmp_path)
    found = again.store.get("workflow_instances", int(shown["id"]))
    again.close()
    assert found is not None and found["status"] == "active"
