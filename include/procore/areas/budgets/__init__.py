"""Original budgets and budget changes (docs/procore-contract.md 3.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from include.financials.entities.budgets import AdjustmentLine, Budget, BudgetChange, BudgetLine
from include.financials.identity import parse_origin
from include.financials.money import ZERO, total
from include.financials.port import Header, Invalid, Page, Window
from include.procore.areas.budgets.writing import BUDGETS, LINES, ROWS, VIEWS, BudgetLines
from include.procore.areas.codes.wbs import CostKey, Wbs
from include.procore.areas.jobs import PROJECTS
from include.procore.building import currency, document_number, project_number, sub_job_id
from include.procore.entity import Also, Cursor, Desk, ProcoreEntity, Write
from include.procore.exceptions import OddReply
from include.procore.lists import Raw, row_id
from include.procore.parse import Misfit, Row, common, own_data
from include.procore.reading.base import Built, Documents, Listed, ProjectList
from include.procore.resources import Resource
from include.procore.writing import plans
from include.procore.writing.sync import Sync

BUDGET_CHANGES = Resource(
    "budget_changes",
    docs="3.8",
    list="/rest/v1.0/projects/{project}/budget_changes",
    show="/rest/v1.0/projects/{project}/budget_changes/{id}",
    project="path",
    per_page=0,
    params={"exclude_custom_fields": "true"},
    origin_id=False,
    web="/{project}/project/budget/budget_changes/{id}",
    events=("Budget Changes",),
)
RESOURCES = (BUDGETS, VIEWS, ROWS, LINES, BUDGET_CHANGES)

# -- building -----------------------------------------------------------------------------------------------------------------


def budget_owner(row: Row) -> Any:
    """Who rules a project's original budget, as its ``origin_data`` says; None: not decided."""
    owner = own_data(row).get("budget_owner")
    if owner not in (None, "procore", "erp"):
        raise row.misfit("origin_data", f"names {owner!r} as owner of the budget, which is neither procore nor erp")
    return owner


def budget(row: Row, system: str, rows: Iterable[Any]) -> Budget:
    """``row`` is the project's, ``rows`` those of its budget view; the ones without an original amount are no budget lines.

    Whether it is locked stands elsewhere; Procore's row of a project does not tell.
    """
    origin = parse_origin(row.text("origin_id"), system)
    given = [Row(data, f"lines[{index}].") for index, data in enumerate(rows, 1)]
    lines = tuple(found for index, entry in enumerate(given, 1) if (found := _budget_line(entry, index)))
    keys = [(line.sub_job, line.key) for line in lines]
    twice = next((key for at, (_, key) in enumerate(keys) if keys[at] in keys[:at]), None)
    if twice:
        raise Misfit("lines", f"hold cost code / cost type {twice} twice; a budget has one line for each")
    return Budget(
        id=row.required_id(),
        company=origin.company if origin else None,
        number=project_number(row),
        project=row.required_id(),
        owner=budget_owner(row),
        currency=currency(row) or next((code for entry in given if (code := currency(entry))), None),
        amount=total(line.amount for line in lines),
        lines=lines,
    )


def _budget_line(row: Row, position: int) -> BudgetLine | None:
    amount = row.money("original_budget_amount", ZERO)
    if not amount:
        return None
    return BudgetLine(
        id=row.required_id(),
        position=position,
        cost_code=row.id("cost_code_id"),
        cost_type=row.id("category_id"),
        sub_job=sub_job_id(row),
        amount=amount,
    )


def budget_change(row: Row, system: str, project_id: str, codes: Mapping[str, CostKey]) -> BudgetChange:
    """``codes``: the project's WBS codes by id; the lines name nothing else. The number is Procore's own (``1``)."""
    lines = tuple(_adjustment(entry, index, codes) for index, entry in enumerate(row.children("adjustment_line_items"), 1))
    return BudgetChange(
        **common(row, system),
        number=document_number(row),
        project=project_id,
        title=row.text("title"),
        status=row.required("status"),
        currency=currency(row),
        change_date=row.day("change_date"),
        amount=total(line.amount for line in lines),
        lines=lines,
    )


def _adjustment(row: Row, position: int, codes: Mapping[str, CostKey]) -> AdjustmentLine:
    ident = row.required_id("wbs_code_id")
    key = codes.get(ident)
    if key is None:
        raise row.misfit("wbs_code_id", f"{ident} is none of the project's WBS codes with a cost code and a cost type")
    number = row.get("adjustment_number")
    return AdjustmentLine(
        id=row.id("id") or str(position),
        position=position,
        description=row.text("description"),
        cost_code=key.cost_code,
        cost_type=key.cost_type,
        sub_job=key.sub_job,
        amount=row.money("amount"),
        adjustment=int(number) if isinstance(number, str) and number.isdecimal() else row.whole_or_none("adjustment_number"),
    )


# -- reading ------------------------------------------------------------------------------------------------------------------


class Budgets(ProjectList):
    """One record per project that has original amounts; its id is the project's. Budgets carry no time: always given."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        super().__init__(desk, row)
        self._projects: dict[str, Raw] = {}

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        self._projects = self._lists.by_ids(PROJECTS, self._lists.project_ids(scopes))
        return super().read(window, scopes, cursor, also)

    def built(self, project: str) -> Iterator[Built]:
        """The lines come from the standard budget view, which is the first one; who owns them stands on the project."""
        views = self._lists.parts(VIEWS, project=project)
        rows = self._lists.all(ROWS, project=project, parent=row_id(views[0])) if views else []
        own = self._own(project) if rows else None
        if own is None:
            return
        found = self.fit(own, project, budget, self._desk.system, rows)
        if isinstance(found, Budget) and found.lines:
            locked = self._lists.show(BUDGETS, project, project=project).get("locked")
            yield found.model_copy(update={"locked": locked is True})
        elif isinstance(found, Invalid):
            yield found

    def _own(self, project: str) -> Raw | None:
        """The project itself: its number and its origin_data, which names the owner."""
        return self._projects.get(project) or self._lists.by_ids(PROJECTS, [project]).get(project)


class BudgetChanges(Documents):
    """The list has no lines, each change is shown; the lines name WBS codes only."""

    def header(self, row: Row, project: str, group: str) -> Header:
        return Header(
            id=row.required_id(),
            number=document_number(row),
            scope=project,
            status=row.text("status"),
            amount=row.decimal("amount", 2),
            updated_at=row.moment("updated_at"),
        )

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        codes: Mapping[str, CostKey] = self._desk.one(Wbs).meanings(project) if chosen else {}
        for one in chosen:
            try:
                row = self._lists.show_or_none(self.resource, one.header.id, project=project)
            except OddReply as error:
                yield self.unread(one, project, error)
                continue
            if row is None:
                yield None
                continue
            if not _wbs_codes(row) <= codes.keys():
                # Perhaps a code that was made since the list was read.
                codes = self._desk.one(Wbs).meanings(project, again=True)
            yield self.fit(row, project, budget_change, self._desk.system, project, codes)


def _wbs_codes(row: Raw) -> set[str]:
    lines = row.get("adjustment_line_items")
    return {str(line.get("wbs_code_id")) for line in lines if isinstance(line, dict)} if isinstance(lines, list) else set()


# -- writing ------------------------------------------------------------------------------------------------------------------

_OWNER = Write("owner", Sync(PROJECTS, by_content=True), "given their owner in Procore")
_BUDGET = (Write("lines", BudgetLines(), plans.GIVEN_LINES, batch=1), _OWNER)

ENTITIES = (
    ProcoreEntity(
        "budgets",
        resources=(BUDGETS,),
        names=("project_number", "name"),
        reader=Budgets,
        shown={"amount": ("original_budget_amount",)},
        told_by=(LINES,),
        writes={"create": _BUDGET, "update": _BUDGET, "link": (_OWNER,)},
    ),
    ProcoreEntity(
        "budget_changes",
        resources=(BUDGET_CHANGES,),
        names=("number", "title"),
        reader=BudgetChanges,
        shown={"number": ("number",), "amount": ("amount",)},
        lists_all=True,
    ),
)
