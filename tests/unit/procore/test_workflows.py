"""What a workflow asks, read from a sandbox that runs one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from include.financials.asking import Answer, Question
from include.financials.exceptions import ConfigurationError, NotPermitted, Refused
from include.financials.identity import digest
from include.procore.client import ProcoreClient
from include.procore.exceptions import NotFound
from include.procore.system import ProcoreSystem
from include.procore.workflows import Workflows
from sandbox.procore.settings import CLIENT_ID, CLIENT_SECRET, Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import COMPANY, DRAFT, P1, P2, Caller, hand_made, serving

TOOLS = {"commitments": "Commitments", "subcontractor_invoices": "Subcontractor Invoices"}
FLOWS = f"/rest/v2.0/companies/{COMPANY}/projects/{P1}/workflows/instances"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, World]]:
    with serving(tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@pytest.fixture
def api(served: tuple[Caller, World]) -> Caller:
    """A company whose draft contract is under a workflow."""
    caller, world = served
    caller.control("DELETE", "/faults")
    hand_made(world)
    world.procore.configure(Settings(rate_limit_spike=10_000))
    kind = next(row["type"] for row in caller.get(f"{FLOWS[: FLOWS.index('/projects')]}/workflows/tools")["data"])
    started = caller.as_user("POST", FLOWS, {"tool_type": kind, "item_id": str(DRAFT)})
    assert started.status_code == 201
    caller.flow = started.json()["data"]  # type: ignore[attr-defined]
    return caller


@pytest.fixture
def client(api: Caller) -> Iterator[ProcoreClient]:
    found = ProcoreClient(api.base, None, COMPANY, CLIENT_ID, CLIENT_SECRET)
    yield found
    found.close()


def test_the_step_and_whom_it_asks(api: Caller, client: ProcoreClient) -> None:
    flows = Workflows(client, TOOLS)
    found = flows.asked("commitments", str(P1), {str(DRAFT), "12"})
    assert list(found) == [str(DRAFT)]
    first = found[str(DRAFT)]
    assert (first.step, first.people) == ("Project manager review", ("Project Manager",))
    assert str(first) == (
        f'It is under a workflow, at the step "Project manager review" since {first.since:%Y-%m-%d}, which asks Project Manager.'
    )
    step = api.flow["current_step_occurrence"]  # type: ignore[attr-defined]
    said = {"current_step_occurrence_id": step["id"], "selected_response_option_id": "101", "attachments": {}}
    api.as_user("POST", f"{FLOWS}/{api.flow['id']}/responses", {"response": said})  # type: ignore[attr-defined]
    now = flows.asked("commitments", str(P1), {str(DRAFT)})[str(DRAFT)]
    assert (now.step, now.people) == ("ERP posting", ("Accounting Clerk", "Sandbox Service Account"))
    api.as_user("POST", f"{FLOWS}/{api.flow['id']}/terminate")  # type: ignore[attr-defined]
    assert flows.asked("commitments", str(P1), {str(DRAFT)}) == {}


def test_nothing_is_asked_for_where_there_is_nothing_to_say(api: Caller, client: ProcoreClient) -> None:
    flows = Workflows(client, TOOLS)
    assert flows.asked("payments_issued", str(P1), {"1"}) == flows.asked("commitments", str(P1), set()) == {}
    assert client.calls == 0
    assert flows.asked("subcontractor_invoices", str(P1), {str(DRAFT)}) == {}, "another tool's"
    assert flows.asked("commitments", str(P2), {str(DRAFT)}) == {}, "another project's"
    assert client.calls == 3, "the tools once, then one list each"


def approved(api: Caller) -> None:
    """The project manager's answer: the posting is asked next."""
    now = api.get(f"{FLOWS}/{api.flow['id']}")["data"]["current_step_occurrence"]  # type: ignore[attr-defined]
    said = {"current_step_occurrence_id": now["id"], "selected_response_option_id": "101", "attachments": {}}
    reply = api.as_user("POST", f"{FLOWS}/{api.flow['id']}/responses", {"response": said})  # type: ignore[attr-defined]
    assert reply.status_code == 204


def to(question: Question, response: str, said: str) -> Answer:
    option = next(ident for ident, name in question.options if name == response)
    intent = digest([question.occurrence, response])
    return Answer(intent, question.project, question.flow, question.occurrence, option, response, said)


def test_our_account_is_asked_and_answers_each_time_once(api: Caller, client: ProcoreClient) -> None:
    flows = Workflows(client, TOOLS)
    assert flows.questions("commitments", str(P1)) == {}, "the project manager is asked"
    approved(api)
    assert flows.questions("payments_issued", str(P1)) == {} == flows.questions("commitments", str(P2))
    ((item, first),) = flows.questions("commitments", str(P1)).items()
    assert (item, first.project, first.step) == (str(DRAFT), str(P1), "ERP posting")
    assert first.options == (("201", "Accept"), ("202", "Return"))
    returned = to(first, "Return", 'M-02: vendor "Northline" is not in the ERP.')
    assert flows.answered(returned).status == "absent"
    assert flows.answer(returned).status == "confirmed" == flows.answered(returned).status, "found in the history"
    sent = client.writes
    assert flows.answer(returned).status == "confirmed" and client.writes == sent, "looked for before it is sent"
    late = flows.answer(to(first, "Accept", "In the ERP."))
    assert (late.status, client.writes) == ("rejected", sent), "that step is over"
    assert flows.questions("commitments", str(P1)) == {}
    approved(api)
    (second,) = flows.questions("commitments", str(P1)).values()
    assert (second.flow, second.step) == (first.flow, first.step) and second.occurrence != first.occurrence
    assert flows.answer(to(second, "Accept", "In the ERP as 104-SC-009.")).status == "confirmed"
    assert flows.questions("commitments", str(P1)) == {} and flows.asked("commitments", str(P1), {str(DRAFT)}) == {}
    told = [row["details"] for row in api.get(f"{FLOWS}/{first.flow}/history")["data"]["history"]]
    ours = [one["comment"] for one in told if one.get("assignee") == "Sandbox Service Account"]
    assert ours == [returned.comment, to(second, "Accept", "In the ERP as 104-SC-009.").comment]


def test_an_account_that_is_no_assignee_is_asked_nothing_and_may_say_nothing(
    served: tuple[Caller, World], api: Caller, client: ProcoreClient
) -> None:
    approved(api)
    flows = Workflows(client, TOOLS)
    (asked,) = flows.questions("commitments", str(P1)).values()
    served[1].procore.configure(Settings(rate_limit_spike=10_000, workflow_service_assignee=False))
    assert flows.questions("commitments", str(P1)) == {}
    with pytest.raises(NotPermitted, match="assignee"):
        flows.answer(to(asked, "Accept", "In the ERP."))
    with pytest.raises(Refused, match="offered"):
        flows.answer(replace(to(asked, "Accept", "In the ERP."), option="999"))


def test_a_tool_that_the_company_does_not_have_is_named_with_the_nearest(client: ProcoreClient) -> None:
    """Before the run, and by whoever asks for it without one."""
    said = (
        r"workflow\.tools\.commitments: Procore has no workflows for a tool 'Commitment' \(did you mean Commitments\?\); known: "
    )
    with pytest.raises(ConfigurationError, match=said):
        Workflows(client, {"commitments": "Commitment"}).asked("commitments", str(P1), {str(DRAFT)})

    def problems(tools: dict[str, str]) -> list[str]:
        system = ProcoreSystem(client, erp_system="sandbox", workflow_tools=tools)
        return [one for one in system.check().problems if "workflow" in one]

    (wrong,) = problems({"subcontractor_invoices": "Subcontractor Invoices", "commitments": "Commitment"})
    assert re.match(said, wrong)
    made = []
    for tools in ({}, TOOLS):
        calls = client.calls
        assert problems(tools) == []
        made.append(client.calls - calls)
    assert made[1] == made[0] + 1, "one call, and none where no workflow is shown"


def test_a_company_whose_workflows_are_closed_to_us_is_no_reason_to_stop(
    client: ProcoreClient, api: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    api.control("POST", "/faults", [{"action": "status", "status": 403, "path": "/workflows/tools$"}])
    found = ProcoreSystem(client, erp_system="sandbox", workflow_tools=TOOLS).check()
    assert not [one for one in found.problems if "workflow" in one]
    assert "will not be shown" in caplog.text


OLDER = {"commitments": "Contract"}


@pytest.fixture
def old(served: tuple[Caller, World]) -> Caller:
    """A company whose draft contract is under an older workflow."""
    caller, world = served
    caller.control("DELETE", "/faults")
    hand_made(world)
    world.procore.configure(Settings(rate_limit_spike=10_000))
    caller.flow = caller.control("POST", "/workflows", {"kind": "work_order_contracts", "item_id": DRAFT})  # type: ignore[attr-defined]
    return caller


@pytest.fixture
def reader(old: Caller) -> Iterator[ProcoreClient]:
    found = ProcoreClient(old.base, None, COMPANY, CLIENT_ID, CLIENT_SECRET)
    yield found
    found.close()


def act(api: Caller, name: str) -> None:
    """The person that is asked does it."""
    row = api.get(f"/workflow_instances/{api.flow['id']}?company_id={COMPANY}")  # type: ignore[attr-defined]
    way = next(one for one in row["current_workflow_activities"] if one["name"] == name)["perform_activity"]
    said = {"workflow_activity_history": {**way["data"]["workflow_activity_history"], "performed_by_id": 5_200_001}}
    assert api.as_user("POST", way["url"], said).status_code == 201


def of(reader: ProcoreClient, **older: str) -> ProcoreSystem:
    return ProcoreSystem(reader, erp_system="sandbox", workflow_tools=TOOLS, older_workflows=older or OLDER)


def test_the_step_of_an_older_workflow_and_whom_it_asks(served: tuple[Caller, World], old: Caller, reader: ProcoreClient) -> None:
    first = of(reader).asked("commitments", str(P1), {str(DRAFT), "12"})[str(DRAFT)]
    assert str(first) == (
        f'It is under a workflow, at the step "Project manager review" since {first.since:%Y-%m-%d}, which asks Project Manager. '
        "It is one of the older workflows (v1.0), which people answer."
    )
    served[1].procore.configure(Settings(rate_limit_spike=10_000, workflow_service_assignee=False))
    act(old, "Approve")
    assert (second := of(reader).asked("commitments", str(P1), {str(DRAFT)})[str(DRAFT)]).step == "ERP posting"
    assert second.people == ("Accounting Clerk",)
    act(old, "Return")
    again = of(reader).asked("commitments", str(P1), {str(DRAFT)})[str(DRAFT)]
    assert again.step == first.step
    act(old, "Approve")
    act(old, "Accept")
    assert of(reader).asked("commitments", str(P1), {str(DRAFT)}) == {}, "it has ended"


def test_an_older_workflow_is_of_one_document_of_one_project_and_kind(old: Caller, reader: ProcoreClient) -> None:
    system = of(reader)
    assert system.asked("commitments", str(P2), {str(DRAFT)}) == {}, "another project's"
    assert system.asked("subcontractor_invoices", str(P1), {str(DRAFT)}) == {}, "its word is not known: an id is no match"
    assert of(reader, commitments="Requisition").asked("commitments", str(P1), {str(DRAFT)}) == {}, "another kind's"
    calls = reader.calls
    assert system.asked("commitments", str(P1), {str(DRAFT)}) and system.asked("commitments", str(P1), set()) == {}
    assert reader.calls == calls, "the list of the older ones is read once, and a document is under one workflow at most"


def test_our_account_is_never_asked_by_an_older_workflow(old: Caller, reader: ProcoreClient) -> None:
    """Also where the step asks it: an answer could not say which time of asking it is for."""
    act(old, "Approve")
    system = of(reader)
    assert system.asked("commitments", str(P1), {str(DRAFT)})[str(DRAFT)].people == ("Sandbox Service Account",)
    assert system.questions("commitments", str(P1)) == {} and reader.writes == 0


def test_before_a_run_it_is_said_which_older_workflows_are_under_way(old: Caller, reader: ProcoreClient) -> None:
    (note,) = of(reader).check().notes
    assert note == ("Procore has older workflows (v1.0) under way, whose steps only people answer: 1 of Contract (commitments).")
    (note,) = of(reader, subcontractor_invoices="Requisition").check().notes
    assert note.endswith("1 of Contract (not shown). Which entity a kind that is not shown belongs to, workflow.older says.")
    old.control("DELETE", "/requests")
    assert ProcoreSystem(reader, erp_system="sandbox").check().notes == ()
    assert not [row for row in old.control("GET", "/requests") if "workflow" in row["path"]]


@pytest.mark.parametrize(
    ("path", "shown", "told"),
    [
        ("/workflow_instances$", [], "older workflow documents are will not be shown"),
        ("/workflows/instances$", [str(DRAFT)], "newer workflows the documents of project"),
    ],
)
def test_one_kind_of_workflows_that_is_closed_to_us_hides_no_other(
    old: Caller, reader: ProcoreClient, caplog: pytest.LogCaptureFixture, path: str, shown: list[str], told: str
) -> None:
    old.control("POST", "/faults", [{"action": "status", "status": 403, "path": path}])
    system = of(reader)
    assert system.check().problems == ()
    assert list(system.asked("commitments", str(P1), {str(DRAFT), "12"})) == shown
    assert told in caplog.text


def test_a_project_that_is_closed_to_us_says_so(client: ProcoreClient) -> None:
    with pytest.raises(NotFound, match="404"):
        Workflows(client, TOOLS).asked("commitments", "4700000003", {str(DRAFT)})
