"""The original budget of a project, written as a whole or not at all (docs/procore-contract.md 3.8, docs/domain-rules.md B-03).

Budget lines carry no external id: a line is known by its WBS code, of which a project has one line. Who owns the budget stands in
the origin_data of its project, which is written afterwards, like any link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.financials.entities.budgets import BudgetLine
from include.financials.exceptions import ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.port import Item, Outcome
from include.procore import payloads
from include.procore.areas.codes.lists import code_keys, type_codes
from include.procore.areas.codes.wbs import CostKey, Pair, Wbs
from include.procore.areas.codes.writing import ensure
from include.procore.entity import Desk
from include.procore.errors import ApiError, parse_error
from include.procore.exceptions import Locked
from include.procore.lists import Raw, chunks, row_id
from include.procore.resources import Resource
from include.procore.writing.way import project_of, rejected

BUDGETS = Resource(
    "budgets",
    docs="3.8",
    list="/rest/v1.0/projects/{project}/budget",
    show="/rest/v1.0/projects/{project}/budget",
    project="path",
    per_page=0,
    origin_id=False,
    web="/{project}/project/budget",
)
VIEWS = Resource(
    "budget_views",
    docs="3.8",
    list="/rest/v1.0/budget_views",
    project="query",
    origin_id=False,
)
ROWS = Resource(
    "budget_rows",
    docs="3.8",
    list="/rest/v1.0/budget_views/{parent}/detail_rows",
    project="query",
    params={"budget_row_type": "budgeted"},
    origin_id=False,
    web="/{project}/project/budget",
    of_place=True,
)
LINES = Resource(
    "budget_lines",
    docs="3.8",
    list="/rest/v1.1/budget_line_items",
    show="/rest/v1.1/budget_line_items/{id}",
    project="query",
    wrapper="budget_line_item",
    create="/rest/v1.1/budget_line_items",
    update="/rest/v1.1/budget_line_items/{id}",
    write_scope=("project",),
    sync="/rest/v1.0/budget_line_items/sync",
    sync_method="POST",
    sync_key="budget_line_items",
    origin_id=False,
    web="/{project}/project/budget",
    events=("Budget Line Items",),
)
NAMED = 10
"""Lines that a message names; a budget may have thousands."""

Entry = payloads.Attributes


@dataclass(frozen=True)
class BudgetLines:
    """All lines of one project's budget. ``Outcome.id`` is the project's id: Procore's budget has none of its own."""

    def wants(self, item: Item) -> bool:
        return not item.changes or "lines" in item.changes

    def scope(self, item: Item) -> str:
        return project_of(item)

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        return [self._write(desk, item) for item in items]

    def _write(self, desk: Desk, item: Item) -> Outcome:
        project = project_of(item)
        if is_locked(desk, project):
            return rejected(item, project, f"the budget of {item.number} is locked in Procore", "locked", locked=True)
        codes = _wbs_codes(desk, project, item, create=True)
        for line, code in zip(_lines(item), codes, strict=True):
            if isinstance(code, ApiError):
                message = f"Budget line {line.key} ({line.amount}) cannot be placed: {code.message}."
                return rejected(item, project, f"{message} The whole budget waits so that totals tie.", code.field, code.locked)
        by_code = {str(code): line for code, line in zip(codes, _lines(item), strict=True)}
        if len(by_code) < len(codes):
            return rejected(item, project, f"two budget lines of {item.number} have one WBS code in Procore", "lines")
        return self._send(desk, item, by_code, _entries(item, by_code, _rows(desk, project)))

    def _send(self, desk: Desk, item: Item, by_code: Mapping[str, BudgetLine], entries: Sequence[Entry]) -> Outcome:
        project = project_of(item)
        written: list[str] = []
        for batch in chunks(entries, LINES.sync_batch):
            try:
                failed = _sync(desk, project, batch)
            except RetryLater as error:
                if not written:
                    raise
                raise OutcomeUnknown(f"{len(written)} of {len(entries)} budget lines were written, then: {error}") from error
            except Refused as error:  # of the whole call, which does not tell the line
                return rejected(item, project, f"{error}. {_so_far(written)}", error.field, isinstance(error, Locked))
            names = {str(entry["wbs_code_id"]): _name(by_code, entry) for entry in batch}
            written += [name for code, name in names.items() if code not in failed]
            if failed:
                code, why = next(iter(failed.items()))
                message = f"Budget line {names[code]}: {why.message}. {_so_far(written)}"
                return rejected(item, project, message, why.field, why.locked)
        return Outcome(item.intent, "confirmed", id=project)

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        return [self._found(desk, item) for item in items]

    def _found(self, desk: Desk, item: Item) -> Outcome:
        project = project_of(item)
        codes = _wbs_codes(desk, project, item, create=False)
        by_code = {code: line for code, line in zip(codes, _lines(item), strict=True) if isinstance(code, str)}
        there = len(by_code) == len(codes) and not _entries(item, by_code, _rows(desk, project))
        return Outcome(item.intent, "confirmed" if there else "absent", id=project)


def is_locked(desk: Desk, project: str) -> bool:
    """Asked before anything is written: a locked budget keeps its amounts, and its refusal has no documented form."""
    return desk.lists.show(BUDGETS, project, project=project).get("locked") is True


def _rows(desk: Desk, project: str) -> dict[str, Raw]:
    """The budget's lines by WBS code."""
    views = desk.lists.objects(VIEWS, project=project)
    if not views:
        raise ContractBroken(f"project {project} has no budget view, so its budget lines cannot be read")
    budgeted = [("budget_row_type", "budgeted")]
    rows = desk.lists.objects(ROWS, project=project, parent=row_id(views[0]), extra=budgeted)
    return {str(row["wbs_code_id"]): row for row in rows if row.get("wbs_code_id") is not None}


def _entries(item: Item, by_code: Mapping[str, BudgetLine], rows: Mapping[str, Raw]) -> list[Entry]:
    """What Procore does not hold yet. An update also empties the lines that the ERP's budget has no more: totals must tie."""
    entries = [
        _line(code, line, rows.get(code))
        for code, line in by_code.items()
        if code not in rows or payloads.amount_of(rows[code], "original_budget_amount") != line.amount
    ]
    gone = {code: row for code, row in rows.items() if item.changes and code not in by_code}
    return entries + [_nothing_left(code, row) for code, row in gone.items() if payloads.amount_of(row, "original_budget_amount")]


def _line(wbs_code: str, line: BudgetLine, row: Mapping[str, Any] | None) -> payloads.Attributes:
    """One line of a budget; ``row`` is the line that is there. The amount is the ERP's: Procore is not to work it out anew."""
    own = {} if row is None else {"id": int(row["id"])}
    return payloads.known(
        {
            **own,
            "wbs_code_id": int(wbs_code),
            "original_budget_amount": line.amount,
            "calculation_strategy": "manual",
            "quantity": line.quantity,
            "unit_cost": line.unit_cost,
            "uom": line.unit,
        }
    )


def _nothing_left(wbs_code: str, row: Mapping[str, Any]) -> payloads.Attributes:
    """A line that the ERP's budget has no more: it stays, without an amount."""
    nothing_left = {"original_budget_amount": Decimal("0.00"), "calculation_strategy": "manual"}
    return {"id": int(row["id"]), "wbs_code_id": int(wbs_code), **nothing_left}


def _sync(desk: Desk, project: str, entries: Sequence[Entry]) -> dict[str, ApiError]:
    """One call; what was refused, by WBS code. The reply is a plain list of the lines, without external ids (2.2)."""
    body = {"project_id": int(project), LINES.sync_key: list(entries)}
    reply = desk.client.request(LINES.sync_method, str(LINES.sync), body=body)
    answered = {_wbs_code(row): row for row in reply.rows if isinstance(row, dict)}
    failed = {}
    for entry in entries:
        code = str(entry["wbs_code_id"])
        row = answered.get(code)
        if row is None:
            raise OutcomeUnknown(f"{reply.call}: the reply does not mention WBS code {code}, one of {len(entries)} lines sent")
        if row.get("errors"):
            failed[code] = parse_error({"errors": row["errors"]})
        elif payloads.amount_of(row, "original_budget_amount") != entry["original_budget_amount"]:
            failed[code] = ApiError(f"came back as {row.get('original_budget_amount')}", "original_budget_amount")
    return failed


def _wbs_code(row: Raw) -> str:
    code = row.get("wbs_code")
    return str(code.get("id") if isinstance(code, dict) else row.get("wbs_code_id"))


def _wbs_codes(desk: Desk, project: str, item: Item, *, create: bool) -> list[str | ApiError]:
    """The WBS code of each line, or why it has none; ``create``: missing ones are made."""
    keys = [_key(item, line) for line in _lines(item)]
    failed = _create(desk, project, [key for key in keys if isinstance(key, CostKey)]) if create else {}
    codes = _by_key(desk, project, again=False)
    if not codes.keys() >= {key for key in keys if isinstance(key, CostKey)}:
        codes = _by_key(desk, project, again=True)
    missing = ApiError("Procore has no WBS code for it", "wbs_code_id")
    return [key if isinstance(key, ApiError) else failed.get(key) or codes.get(key) or missing for key in keys]


def _by_key(desk: Desk, project: str, *, again: bool) -> dict[CostKey, str]:
    """Cost code and type -> WBS code. A cost code belongs to one sub job, so that need not be compared."""
    return {CostKey(key.cost_code, key.cost_type): code for code, key in desk.one(Wbs).meanings(project, again=again).items()}


def _key(item: Item, line: BudgetLine) -> CostKey | ApiError:
    """Procore ids of a line's cost code and cost type."""
    code, cost_type = item.refs.of("cost_code", line.cost_code), item.refs.of("cost_type", line.cost_type)
    if not code:
        return ApiError(f"cost code {line.cost_code} is not in Procore yet", "cost_code")
    return CostKey(code, cost_type) if cost_type else ApiError(f"cost type {line.cost_type} is not in Procore yet", "cost_type")


def _create(desk: Desk, project: str, keys: Sequence[CostKey]) -> dict[CostKey, ApiError]:
    """Make the WBS codes that are missing; answers those that cannot be made."""
    codes = code_keys(desk.lists, project)
    types = type_codes(desk.lists)
    known = [key for key in keys if key.cost_code in codes and key.cost_type in types]
    pairs = {key: Pair(codes[key.cost_code], types[key.cost_type]) for key in known}
    failed = ensure(desk, project, pairs.values())
    gone = ApiError("its cost code or cost type is not in this project", "cost_code")
    return {key: failed[pairs[key]] if key in pairs else gone for key in keys if key not in pairs or pairs[key] in failed}


def _so_far(written: Sequence[str]) -> str:
    if not written:
        return "None of its lines was written."
    more = f" and {len(written) - NAMED} more" if len(written) > NAMED else ""
    return f"Already written: {', '.join(written[:NAMED])}{more}."


def _name(by_code: Mapping[str, BudgetLine], entry: Entry) -> str:
    code = str(entry["wbs_code_id"])
    return by_code[code].key if code in by_code else f"with WBS code {code}"


def _lines(item: Item) -> tuple[BudgetLine, ...]:
    return tuple(getattr(item.record, "lines", ()))
