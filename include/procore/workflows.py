"""Which step of a workflow is asked about a document, who is asked, and our own answer (docs/procore-contract.md 9). A status
follows its workflow, and this project forces none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from include.financials.asking import Answer, Asked, Question
from include.financials.exceptions import ConfigurationError
from include.financials.legible import nearest
from include.financials.port import Beat, Outcome, idle
from include.procore.client import ProcoreClient
from include.procore.lists import row_id
from include.procore.parse import time_or_none
from include.procore.resources import ACCOUNT, WORKFLOW_HISTORY, WORKFLOW_RESPONSES, WORKFLOW_TOOLS, WORKFLOWS

_ATTACHMENTS = ("prostore_file_ids", "drawing_revision_ids", "file_version_ids", "form_ids", "image_ids", "upload_ids")


class Workflows:
    """The active workflows of one company.

    :param tools: name of the tool as this company's Procore shows it, by entity (setting ``workflow.tools``). The word that calls
        want for a tool is not published, so it is asked for, once.
    """

    def __init__(self, client: ProcoreClient, tools: Mapping[str, str]) -> None:
        self._client = client
        self._tools = tools
        self._types: dict[str, str] | None = None
        self._account: str | None = None

    def asked(self, entity: str, project: str, ids: Collection[str]) -> dict[str, Asked]:
        """What is asked about these documents of a project, by id; one that is under no workflow is left out. One call per page
        of the project's active workflows, one per document found, and one per person that these may ask.

        :raises ConfigurationError: the company has no tool of the name that the settings give.
        """
        name = self._tools.get(entity)
        if name is None or not ids:
            return {}
        kind = self._type(entity, name)
        shown = {}
        for row in self._active(project, kind):
            if (item := str(row.get("item_id"))) in ids:
                shown[item] = self._shown(project, row.get("id"))
        people = {str(one["id"]): str(one["name"]) for each in shown.values() for one in _people(each)}
        # Whom a step asks is not shown with it: an instance names the people of all its steps. A filter tells who is asked now.
        asked = {person: {str(row.get("id")) for row in self._active(project, kind, assignee=person)} for person in people}
        return {
            item: Asked(step, tuple(people[one] for one in people if str(each.get("id")) in asked[one]), since)
            for item, each in shown.items()
            if (now := _step(each)) is not None
            for step, since in (now,)
        }

    def questions(self, entity: str, project: str) -> dict[str, Question]:
        """What our own account is asked about documents of a project, by document id. One call per page of the instances whose
        step asks us, and one per document; the number of our account is asked for once.

        :raises ConfigurationError: the company has no tool of the name that the settings give.
        """
        name = self._tools.get(entity)
        if name is None:
            return {}
        found = {}
        for row in self._active(project, self._type(entity, name), assignee=self._ours()):
            shown = self._shown(project, row.get("id"))
            step = shown.get("current_step_occurrence")
            if isinstance(step, Mapping) and step.get("id") is not None:
                found[str(row.get("item_id"))] = Question(
                    project, str(row.get("id")), str(step["id"]), str(step.get("name")), tuple(_options(step))
                )
        return found

    def answered(self, answer: Answer) -> Outcome:
        """Whether an answer arrived. It did where a response has its mark: at the step, or in the history once that is over.
        Nobody can answer a step that is asked no more, so what is not there then will not come."""
        step = self._shown(answer.project, answer.flow).get("current_step_occurrence")
        if isinstance(step, Mapping) and str(step.get("id")) == answer.occurrence:
            arrived = _says(step.get("response_occurrences"), answer.mark)
            return Outcome(answer.intent, "confirmed" if arrived else "absent", id=answer.flow)
        told = self._client.get(self._path(WORKFLOW_HISTORY.show, answer.project, id=answer.flow)).object
        if _says(told, answer.mark):
            return Outcome(answer.intent, "confirmed", id=answer.flow)
        return Outcome(answer.intent, "rejected", id=answer.flow, message="the step is not asked any more: it went on without us")

    def answer(self, answer: Answer, beat: Beat = idle) -> Outcome:
        """Give an answer unless it is there, or its step over. Two calls, or three.

        :raises Refused: 422, another step or option is asked by now.
        :raises NotPermitted: 403, our account is no assignee of the step.
        :raises OutcomeUnknown: it may or may not have arrived.
        """
        found = self.answered(answer)
        if found.status != "absent":
            return found
        said = {
            "current_step_occurrence_id": answer.occurrence,
            "selected_response_option_id": answer.option,
            "comment": answer.comment,
            "attachments": {name: [] for name in _ATTACHMENTS},
        }
        with self._client.writing(answer.intent, beat):
            path = self._path(WORKFLOW_RESPONSES.create, answer.project, parent=answer.flow)
            self._client.post(path, {str(WORKFLOW_RESPONSES.wrapper): said})
        return Outcome(answer.intent, "confirmed", id=answer.flow)

    def _ours(self) -> str:
        if self._account is None:
            self._account = row_id(self._client.get(str(ACCOUNT.show), {"company_id": self._client.company_id}).object)
        return self._account

    def _shown(self, project: str, flow: Any) -> dict[str, Any]:
        return self._client.get(self._path(WORKFLOWS.show, project, id=flow)).object

    def _path(self, path: str | None, project: str, **named: Any) -> str:
        return str(path).format(company=self._client.company_id, project=project, **named)

    def _active(self, project: str, kind: str, assignee: str | None = None) -> Iterator[Mapping[str, Any]]:
        query = [("filters[tool_type]", kind), ("filters[active]", "true")]
        query += [("filters[assignee_id]", assignee)] if assignee is not None else []
        for page in self._client.pages(self._path(WORKFLOWS.list, project), query, per_page=WORKFLOWS.per_page):
            yield from (row for row in page.rows if isinstance(row, Mapping))

    def problems(self) -> list[str]:
        """What is wrong with the names of the tools, for before a run; one call. Raises NotPermitted or Refused."""
        return [wrong for entity, name in self._tools.items() if (wrong := self._wrong(entity, name))]

    def _wrong(self, entity: str, name: str) -> str | None:
        known = self._known()
        if name in known:
            return None
        return (
            nearest(f"workflow.tools.{entity}: Procore has no workflows for a tool", [name], sorted(known))
            + ". Give the tool's name as Procore shows it, or leave the entity out"
        )

    def _known(self) -> dict[str, str]:
        """The word that calls want for a tool, by the name that people see."""
        if self._types is None:
            rows = self._client.get(WORKFLOW_TOOLS.list.format(company=self._client.company_id)).rows
            self._types = {str(row.get("name")): str(row.get("type")) for row in rows if isinstance(row, Mapping)}
        return self._types

    def _type(self, entity: str, name: str) -> str:
        if wrong := self._wrong(entity, name):
            raise ConfigurationError(wrong)
        return self._known()[name]


def _people(shown: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The people of all steps of an instance; those without id or name are left out."""
    people = shown.get("all_assignees")
    rows = people if isinstance(people, list) else []
    return [one for one in rows if isinstance(one, Mapping) and one.get("id") and one.get("name")]


def _options(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Id and name of each response that a step offers (``available_responses`` in Procore's guide)."""
    offered = step.get("available_response_options", step.get("available_responses"))
    for one in offered if isinstance(offered, list) else ():
        if isinstance(one, Mapping) and one.get("id") is not None and one.get("name"):
            yield str(one["id"]), str(one["name"])


def _says(told: Any, mark: str) -> bool:
    """Whether a text of it, however deep, has this mark: where a response keeps its comment is not described."""
    if isinstance(told, Mapping):
        return any(_says(value, mark) for value in told.values())
    if isinstance(told, list):
        return any(_says(value, mark) for value in told)
    return isinstance(told, str) and mark in told


def _step(shown: Mapping[str, Any]) -> tuple[str, datetime | None] | None:
    """Name and beginning of the step that an instance is at; None: it has ended meanwhile."""
    step = shown.get("current_step_occurrence")
    return (
        (str(step.get("name") or "without a name"), time_or_none(step.get("started_at"))) if isinstance(step, Mapping) else None
    )
