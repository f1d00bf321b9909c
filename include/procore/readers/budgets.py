"""Original budgets and budget changes (docs/procore-contract.md 3.8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from include.financials.entities.budgets import Budget
from include.financials.port import Header, Invalid, Page, Window
from include.procore import records
from include.procore.lists import Raw, row_id
from include.procore.parse import Row
from include.procore.readers.base import Also, Built, Cursor, Desk, Documents, Listed, ProjectList
from include.procore.records import CostKey


class Budgets(ProjectList):
    """One record per project that has original amounts; its id is the project's. Budgets carry no time: always given."""

    entity = "budgets"
    names = ("project_number", "name")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._projects: dict[str, Raw] = {}

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        self._projects = self._lists.by_ids("projects", self._lists.project_ids(scopes))
        return super().read(window, scopes, cursor, also)

    def built(self, project: str) -> Iterator[Built]:
        """The lines come from the standard budget view, which is the first one; who owns them stands on the project."""
        views = self._lists.objects("budget_views", project=project)
        rows = self._lists.all("budget_rows", project=project, parent=row_id(views[0])) if views else []
        own = self._own(project) if rows else None
        if own is None:
            return
        budget = self.fit(own, project, records.budget, self._desk.system, rows)
        if isinstance(budget, Budget) and budget.lines:
            locked = self._lists.show("budgets", project, project=project).get("locked")
            yield budget.model_copy(update={"locked": locked is True})
        elif isinstance(budget, Invalid):
            yield budget

    def _own(self, project: str) -> Raw | None:
        """The project itself: its number and its origin_data, which names the owner."""
        return self._projects.get(project) or self._lists.by_ids("projects", [project]).get(project)


class BudgetChanges(Documents):
    """The list has no lines, each change is shown; the lines name WBS codes only."""

    entity = "budget_changes"

    def header(self, row: Row, project: str, group: str) -> Header:
        return Header(
            id=row.required_id(),
            number=records.document_number(row),
            scope=project,
            status=row.text("status"),
            amount=row.decimal("amount", 2),
            updated_at=row.moment("updated_at"),
        )

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        codes: Mapping[str, CostKey] = self._desk.wbs.meanings(project) if chosen else {}
        for one in chosen:
            row = self._lists.show_or_none(self.resource, one.header.id, project=project)
            if row is None:
                yield None
                continue
            if not _wbs_codes(row) <= codes.keys():
                # Perhaps a code that was made since the list was read.
                codes = self._desk.wbs.meanings(project, again=True)
            yield self.fit(row, project, records.budget_change, self._desk.system, project, codes)


def _wbs_codes(row: Raw) -> set[str]:
    lines = row.get("adjustment_line_items")
    return {str(line.get("wbs_code_id")) for line in lines if isinstance(line, dict)} if isinstance(lines, list) else set()
