"""Which step of an older workflow (v1.0) is asked about a document, and who is asked. They are shown and never answered:
docs/procore-contract.md 9 has the reasons."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from include.financials.asking import Asked
from include.financials.exceptions import NotPermitted, Refused
from include.procore.client import ProcoreClient
from include.procore.parse import time_or_none
from include.procore.resources import OLDER_WORKFLOWS

log = logging.getLogger(__name__)


class OlderWorkflows:
    """The active older workflows of one company: a list of them, whole or of one kind, is read once by whoever asks (a task).

    :param kinds: what Procore calls an entity's documents there (``workflowed_object_type``; setting ``workflow.older``). Ids are
        unique within such a kind only, so that an entity whose word nobody has given is not looked for by its ids.
    """

    def __init__(self, client: ProcoreClient, kinds: Mapping[str, str]) -> None:
        self._client = client
        self._kinds = kinds
        self._read: dict[str | None, list[Mapping[str, Any]]] = {}

    def asked(self, entity: str, project: str, ids: Collection[str]) -> dict[str, Asked]:
        """What is asked about these documents of a project, by id; one that is under no older workflow is left out."""
        kind = self._kinds.get(entity)
        if kind is None or not ids:
            return {}
        return {
            item: Asked(step, tuple(dict.fromkeys(_people(row))), time_or_none(row.get("current_state_set_at")), older=True)
            for row in self._active(kind)
            if row.get("workflowed_object_type") == kind
            and (item := str(row.get("workflowed_object_id"))) in ids
            and str(_object(row, "project").get("id")) == project
            for step in (str(_object(row, "current_workflow_state").get("name") or "without a name"),)
        }

    def notes(self) -> list[str]:
        """How many there are of each kind, and which kinds are not looked for. One call per page, none where no kind is given."""
        if not self._kinds or not (rows := self._active()):
            return []
        entities = {kind: entity.replace("_", " ") for entity, kind in self._kinds.items()}
        counted = Counter(str(row.get("workflowed_object_type")) for row in rows)
        told = ", ".join(f"{n} of {kind} ({entities.get(kind, 'not shown')})" for kind, n in sorted(counted.items()))
        rest = (
            "" if counted.keys() <= entities.keys() else " Which entity a kind that is not shown belongs to, workflow.older says."
        )
        return [f"Procore has older workflows (v1.0) under way, whose steps only people answer: {told}.{rest}"]

    def _active(self, kind: str | None = None) -> list[Mapping[str, Any]]:
        """Those that ask somebody. Where they may not be read nothing is said of them, and the run goes on."""
        if kind not in self._read:
            try:
                self._read[kind] = [row for row in self._rows(kind) if row.get("current_workflow_activities")]
            except (NotPermitted, Refused) as error:
                log.warning("at which step of an older workflow documents are will not be shown: %s", error)
                self._read[kind] = []
        return self._read[kind]

    def _rows(self, kind: str | None) -> Iterator[Mapping[str, Any]]:
        query = [("company_id", self._client.company_id)]
        query += [("filters[workflowed_object_type]", kind)] if kind is not None else []
        for page in self._client.pages(OLDER_WORKFLOWS.list, query, per_page=OLDER_WORKFLOWS.per_page):
            yield from (row for row in page.rows if isinstance(row, Mapping))


def _object(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, Mapping) else {}


def _people(row: Mapping[str, Any]) -> Iterator[str]:
    """Who may act now: the person that stands behind a role, else the role itself."""
    acts = row.get("current_workflow_activities")
    for act in acts if isinstance(acts, list) else ():
        role = _object(act, "workflow_user_role") if isinstance(act, Mapping) else {}
        if name := _object(role, "assignee").get("name") or role.get("name"):
            yield str(name)
