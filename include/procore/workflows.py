"""Which step of a workflow is asked about a document, and who is asked (docs/procore-contract.md 9). Reads only: a status follows
its workflow, and this project forces none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from include.financials.exceptions import ConfigurationError
from include.financials.port import Asked
from include.financials.run import nearest
from include.procore.client import ProcoreClient
from include.procore.parse import time_or_none

PER_PAGE = 100


class Workflows:
    """The active workflows of one company.

    :param tools: name of the tool as this company's Procore shows it, by entity (setting ``workflow.tools``). The word that calls
        want for a tool is not published, so it is asked for, once.
    """

    def __init__(self, client: ProcoreClient, tools: Mapping[str, str]) -> None:
        self._client = client
        self._tools = tools
        self._types: dict[str, str] | None = None

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
                shown[item] = self._client.get(f"{self._base(project)}/{row.get('id')}").object
        people = {str(one["id"]): str(one["name"]) for each in shown.values() for one in _people(each)}
        # Whom a step asks is not shown with it: an instance names the people of all its steps. A filter tells who is asked now.
        asked = {person: {str(row.get("id")) for row in self._active(project, kind, assignee=person)} for person in people}
        return {
            item: Asked(step, tuple(people[one] for one in people if str(each.get("id")) in asked[one]), since)
            for item, each in shown.items()
            if (now := _step(each)) is not None
            for step, since in (now,)
        }

    def _base(self, project: str) -> str:
        return f"/rest/v2.0/companies/{self._client.company_id}/projects/{project}/workflows/instances"

    def _active(self, project: str, kind: str, assignee: str | None = None) -> Iterator[Mapping[str, Any]]:
        query = [("filters[tool_type]", kind), ("filters[active]", "true")]
        query += [("filters[assignee_id]", assignee)] if assignee is not None else []
        for page in self._client.pages(self._base(project), query, per_page=PER_PAGE):
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
            rows = self._client.get(f"/rest/v2.0/companies/{self._client.company_id}/workflows/tools").rows
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


def _step(shown: Mapping[str, Any]) -> tuple[str, datetime | None] | None:
    """Name and beginning of the step that an instance is at; None: it has ended meanwhile."""
    step = shown.get("current_step_occurrence")
    return (
        (str(step.get("name") or "without a name"), time_or_none(step.get("started_at"))) if isinstance(step, Mapping) else None
    )
