"""Older workflows as another Procore than the sandbox may show them: it takes no filter, leaves out what nobody promised."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from include.financials.asking import Asked
from include.procore.client import ProcoreClient
from include.procore.older_workflows import OlderWorkflows
from tests.unit.procore.fake import Answer, FakeProcore

PATH = "/rest/v1.0/workflow_instances"
ACT = {"id": 1, "name": "Approve", "workflow_user_role": {"id": 7, "name": "Reviewer", "assignee": {"name": "Ada Brook"}}}
MADE = "2026-09-01T08:00:00Z"
SINCE = datetime(2026, 9, 1, 8, tzinfo=UTC)


def row(item: int = 11, **changes: Any) -> dict[str, Any]:
    shown = {
        "id": 1, "workflowed_object_id": item, "workflowed_object_type": "Contract", "current_state_set_at": MADE,
        "project": {"id": 5}, "current_workflow_state": {"name": "Review"}, "current_workflow_activities": [ACT],
    }  # fmt: skip
    return {name: value for name, value in (shown | changes).items() if value is not None}


def role(**shown: Any) -> dict[str, Any]:
    return {"current_workflow_activities": [{"workflow_user_role": shown}]}


@pytest.mark.parametrize(
    ("shown", "asked"),
    [
        (row(), Asked("Review", ("Ada Brook",), SINCE, older=True)),
        (row(**role(name="Reviewer", assignee=None)), Asked("Review", ("Reviewer",), SINCE, older=True)),
        (row(**role(name="Reviewer", assignee=[{"name": "Two"}])), Asked("Review", ("Reviewer",), SINCE, older=True)),
        (row(current_workflow_activities=[{}, "?"]), Asked("Review", (), SINCE, older=True)),
        (row(current_workflow_activities=[ACT, ACT]), Asked("Review", ("Ada Brook",), SINCE, older=True)),
        (row(current_workflow_state=None), Asked("without a name", ("Ada Brook",), SINCE, older=True)),
        (row(current_state_set_at=None), Asked("Review", ("Ada Brook",), None, older=True)),
        (row(current_workflow_activities=[]), None),
        (row(current_workflow_activities=None), None),
        (row(workflowed_object_type="Requisition"), None),
        (row(workflowed_object_type=None), None),
        (row(project={"id": 6}), None),
        (row(project=None), None),
        (row(12), None),
        ("nonsense", None),
    ],
)
def test_what_is_told_of_an_instance(fake: FakeProcore, client: ProcoreClient, shown: Any, asked: Asked | None) -> None:
    fake.script(PATH, Answer([shown]))
    found = OlderWorkflows(client, {"commitments": "Contract"}).asked("commitments", "5", {"11"})
    assert found == ({"11": asked} if asked else {})


def test_each_list_is_read_once_over_all_its_pages(fake: FakeProcore, make_client: Callable[..., ProcoreClient]) -> None:
    rows = [row(1000 + n) for n in range(100)] + [row(11), row(7, workflowed_object_type="Requisition")]

    @fake.route(PATH)
    def _(call: Any) -> Answer:
        query = dict(call.query)
        page = int(query.get("page", 1))
        following = {"Link": f'<{fake.url}{PATH}?company_id=8089&per_page=100&page={page + 1}>; rel="next"'}
        return Answer(rows[100 * (page - 1) : 100 * page], headers=following if 100 * page < len(rows) else {})

    flows = OlderWorkflows(make_client(), {"commitments": "Contract"})
    for _again in range(2):
        assert list(flows.asked("commitments", "5", {"11"})) == ["11"]
    first, second = fake.asked(PATH)
    assert dict(first.query) == {"company_id": "8089", "filters[workflowed_object_type]": "Contract", "per_page": "100"}
    assert dict(second.query)["page"] == "2"
    (note,) = flows.notes()
    assert "101 of Contract (commitments), 1 of Requisition (not shown). Which entity" in note
    assert OlderWorkflows(make_client(), {}).notes() == []
