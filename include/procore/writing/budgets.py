"""The original budget of a project, written as a whole or not at all (docs/procore-contract.md 3.8, docs/domain-rules.md B-03).

Budget lines carry no external id: a line is known by its WBS code, of which a project has one line. Who owns the budget stands in
the origin_data of its project, which is written afterwards, like any link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.financials.entities.budgets import BudgetLine
from include.financials.exceptions import ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.port import Item, Outcome
from include.procore import payloads
from include.procore.errors import ApiError, parse_error
from include.procore.exceptions import Locked
from include.procore.lists import Raw, chunks, row_id
from include.procore.records import CostKey
from include.procore.resources import RESOURCES
from include.procore.wbs import Pair, code_key
from include.procore.writing.codes import ensure
from include.procore.writing.way import Desk, project_of, rejected

LINES = RESOURCES["budget_lines"]
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
    return desk.lists.show("budgets", project, project=project).get("locked") is True


def _rows(desk: Desk, project: str) -> dict[str, Raw]:
    """The budget's lines by WBS code."""
    views = desk.lists.objects("budget_views", project=project)
    if not views:
        raise ContractBroken(f"project {project} has no budget view, so its budget lines cannot be read")
    budgeted = [("budget_row_type", "budgeted")]
    rows = desk.lists.objects("budget_rows", project=project, parent=row_id(views[0]), extra=budgeted)
    return {str(row["wbs_code_id"]): row for row in rows if row.get("wbs_code_id") is not None}


def _entries(item: Item, by_code: Mapping[str, BudgetLine], rows: Mapping[str, Raw]) -> list[Entry]:
    """What Procore does not hold yet. An update also empties the lines that the ERP's budget has no more: totals must tie."""
    entries = [
        payloads.budget_line(code, line, rows.get(code))
        for code, line in by_code.items()
        if code not in rows or payloads.amount_of(rows[code], "original_budget_amount") != line.amount
    ]
    gone = {code: row for code, row in rows.items() if item.changes and code not in by_code}
    return entries + [
        payloads.no_budget(code, row) for code, row in gone.items() if payloads.amount_of(row, "original_budget_amount")
    ]


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
    return {CostKey(key.cost_code, key.cost_type): code for code, key in desk.wbs.meanings(project, again=again).items()}


def _key(item: Item, line: BudgetLine) -> CostKey | ApiError:
    """Procore ids of a line's cost code and cost type."""
    code, cost_type = item.refs.of("cost_code", line.cost_code), item.refs.of("cost_type", line.cost_type)
    if not code:
        return ApiError(f"cost code {line.cost_code} is not in Procore yet", "cost_code")
    return CostKey(code, cost_type) if cost_type else ApiError(f"cost type {line.cost_type} is not in Procore yet", "cost_type")


def _create(desk: Desk, project: str, keys: Sequence[CostKey]) -> dict[CostKey, ApiError]:
    """Make the WBS codes that are missing; answers those that cannot be made."""
    codes = {row_id(row): code_key(row) for row in desk.lists.code_rows(project) if isinstance(row, dict)}
    types = desk.lists.type_codes()
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
