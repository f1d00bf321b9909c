"""What a handler knows while it answers one call: who asks, in which scope, and records already read for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.procore.call import Call
from sandbox.procore.errors import Refused, not_found
from sandbox.procore.settings import COMPANY_ID, Settings
from sandbox.procore.store import Record, Store

NOT_CONNECTED = "App is not connected to this company"


@dataclass(slots=True)
class Context:
    """One call's surroundings. ``project`` and ``parent`` are set once the scope is checked."""

    store: Store
    clock: Clock
    settings: Settings
    call: Call
    project: Record | None = None
    parent: Record | None = None
    operation: Mapping[str, Any] | None = None
    """The description that the call is held against; None when it is not."""
    answering: bool = False
    """A step of a workflow was answered and sets the status of its document."""
    scope: dict[str, Any] = field(default_factory=dict)
    company_id: int = COMPANY_ID
    memo: dict[tuple[str, int], Any] = field(default_factory=dict)
    _cache: dict[str, dict[int, Record]] = field(default_factory=dict)

    @property
    def project_id(self) -> int:
        """The project in scope; only to be used by project resources."""
        if self.project is None:
            raise Refused(400, "project_id is missing", {"project_id": ["is missing"]})
        return int(self.project["id"])

    def check_company(self, value: Any) -> None:
        """Raises 403 for a company that the app is not installed in."""
        if str(value) != str(self.company_id):
            raise Refused(403, NOT_CONNECTED)

    def enter_project(self, id: int) -> Record:
        """Make a project the scope. Raises 404 when it is unknown or not among the permitted projects."""
        project = self.store.get("projects", id)
        if project is None or not self.sees(project):
            raise not_found("Project")
        self.project = project
        return project

    def sees(self, project: Record) -> bool:
        """The service account sees its permitted projects only, a person here all of them (docs/procore-contract.md §1.2)."""
        return self.call.person or bool(project.get("permitted", True))

    # -- records that replies refer to ---------------------------------------------------------------------------------

    def fetch(self, kind: str, ids: Iterable[int | None]) -> dict[int, Record]:
        """Records by id, each read at most once per call (until :meth:`forget`)."""
        cache = self._cache.setdefault(kind, {})
        missing = {id for id in ids if id is not None and id not in cache}
        if missing:
            cache.update(self.store.many(kind, missing))
        return cache

    def one(self, kind: str, id: int | None) -> Record | None:
        return None if id is None else self.fetch(kind, [id]).get(id)

    def forget(self, kind: str) -> None:
        """After a write: what was cached of this kind may be old."""
        self._cache.pop(kind, None)
        self.memo.clear()
