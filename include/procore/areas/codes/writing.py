"""Writing cost codes: parents before children, and the cost types that a code has (docs/procore-contract.md 3.4, 3.5, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from include.financials.identity import parse_origin
from include.financials.port import Item, Outcome
from include.procore import payloads
from include.procore.areas.codes.lists import COST_CODES, STANDARD_CODES, CodeKey, code_list, type_codes
from include.procore.areas.codes.wbs import Pair, Wbs
from include.procore.areas.jobs import sub_job_codes
from include.procore.entity import Desk
from include.procore.errors import ApiError
from include.procore.lists import Raw, row_id
from include.procore.resources import Resource
from include.procore.writing.sync import Sync
from include.procore.writing.way import project_of, rejected


@dataclass(frozen=True)
class CostTypeSync(Sync):
    """Cost types go out under Procore's code for them, which settings give (rule C-02)."""

    def entry(self, desk: Desk, item: Item) -> payloads.Attributes:
        entry = Sync.entry(self, desk, item)
        if "csv_import_code" in entry:
            number = item.record.number
            entry["csv_import_code"] = item.refs.get("code") or desk.type_codes.get(number, number)
        return entry


@dataclass(frozen=True)
class Codes(Sync):
    """Codes of a project, of one of its sub jobs, or of the company's standard list."""

    def of(self, item: Item) -> Resource:
        return STANDARD_CODES if _standard(item) else COST_CODES

    def scope(self, item: Item) -> str:
        if _standard(item):
            return "standard"
        sub_job = getattr(item.record, "sub_job", None)
        return f"{project_of(item)}/{sub_job}" if sub_job else project_of(item)

    def stopped(self, desk: Desk, item: Item) -> Outcome | None:
        parent, sub_job = getattr(item.record, "parent", None), getattr(item.record, "sub_job", None)
        if self.creates and parent and not _parent(desk, item):
            # Without its parent it would become a root, with another full code.
            return rejected(item, None, f"{item.number} waits for its parent {parent}, which is not in Procore yet", "parent_id")
        if sub_job and _sub_job(desk, item) is None:
            return rejected(item, None, f"{item.number}: Procore has no sub job {sub_job}", "sub_job")
        return Sync.stopped(self, desk, item)

    def entry(self, desk: Desk, item: Item) -> payloads.Attributes:
        entry = Sync.entry(self, desk, item)
        return {**entry, **self._place(desk, item)} if self.creates else entry

    def _place(self, desk: Desk, item: Item) -> payloads.Attributes:
        """Code and parent. The sync of the standard list takes the code with its parents, that of a project not (3.4, 3.5)."""
        code = item.record.number if _standard(item) else getattr(item.record, "code", item.record.number)
        parent = _parent(desk, item)
        return {"code": code, "parent_id": int(parent)} if parent else {"code": code}

    def call(self, desk: Desk, item: Item) -> tuple[str, list[tuple[str, str]], Raw]:
        path, params, body = Sync.call(self, desk, item)
        if _standard(item):
            return path, params, {**body, "standard_cost_code_list_id": int(code_list(desk))}
        sub_job = _sub_job(desk, item)
        return path, [*params, ("sub_job_id", sub_job)] if sub_job else params, body

    def wrong(self, desk: Desk, item: Item, row: Raw) -> ApiError | None:
        taken = Sync.wrong(self, desk, item, row)
        if taken or row.get("full_code") == item.record.number:
            return taken
        return ApiError(
            f"{item.record.number} came back as {row.get('full_code')}: check the parent's code and the delimiter between "
            f"its parts (expected {desk.delimiter!r})",
            "full_code",
        )

    def by_id(self, desk: Desk, item: Item, ids: Sequence[str]) -> dict[str, Raw]:
        return desk.lists.by_ids(self.of(item), ids, **self.options(desk, item))

    def options(self, desk: Desk, item: Item) -> dict[str, Any]:
        if _standard(item):
            return {"extra": [("standard_cost_code_list_id", code_list(desk))]}
        sub_job = _sub_job(desk, item)
        return {"project": project_of(item), "extra": [("sub_job_id", sub_job)] if sub_job else []}


@dataclass(frozen=True)
class CodeTypes:
    """The cost types of codes of one project: WBS codes, which the sync of cost codes does not know."""

    def wants(self, item: Item) -> bool:
        return not _standard(item) and bool(_types(item)) and (not item.changes or "cost_types" in item.changes)

    def scope(self, item: Item) -> str:
        return "standard" if _standard(item) else project_of(item)

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        """Give codes the types they lack."""
        project = project_of(items[0])
        foreign = desk.one(Wbs).foreign_segments(project)
        if foreign:
            message = (
                f"the WBS pattern of project {project} requires the segment {', '.join(foreign)}, which the ERP does not fill"
            )
            return [rejected(item, desk.id_of(item), message, "wbs") for item in items]
        wanted = {item.intent: _pairs(desk, project, item) for item in items}
        placed = [pair for pairs in wanted.values() if not isinstance(pairs, str) for pair in pairs]
        failed = ensure(desk, project, placed)
        return [_typed(desk, item, wanted[item.intent], failed) for item in items]

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        if _standard(items[0]):
            return [Outcome(item.intent, "confirmed", id=item.procore_id) for item in items]
        project = project_of(items[0])
        assigned = desk.one(Wbs).assigned(project)
        outcomes = []
        for item in items:
            pairs = _pairs(desk, project, item)
            there = not isinstance(pairs, str) and all(pair.cost_type in assigned.get(pair.code, set()) for pair in pairs)
            outcomes.append(Outcome(item.intent, "confirmed" if there else "absent", id=desk.id_of(item)))
        return outcomes


def ensure(desk: Desk, project: str, pairs: Iterable[Pair]) -> dict[Pair, ApiError]:
    """Make the WBS codes that are missing; answers those that were refused."""
    assigned = desk.one(Wbs).assigned(project, again=False)
    missing = {pair for pair in pairs if pair.cost_type not in assigned.get(pair.code, set())}
    return desk.one(Wbs).create(
        project, sorted(missing, key=lambda pair: (pair.code.full_code, str(pair.code.sub_job), pair.cost_type))
    )


def _typed(desk: Desk, item: Item, pairs: list[Pair] | str, failed: dict[Pair, ApiError]) -> Outcome:
    if isinstance(pairs, str):
        return rejected(item, desk.id_of(item), pairs, "cost_types")
    why = next((failed[pair] for pair in pairs if pair in failed), None)
    if why:
        return rejected(item, desk.id_of(item), why.message, why.field, why.locked)
    return Outcome(item.intent, "confirmed", id=desk.id_of(item))


def _pairs(desk: Desk, project: str, item: Item) -> list[Pair] | str:
    """The assignments an item asks for, or why one of them cannot be named in Procore."""
    types = type_codes(desk.lists)
    sub_job = _sub_job(desk, item)
    if getattr(item.record, "sub_job", None) and sub_job is None:
        return f"{item.number}: Procore has no sub job {getattr(item.record, 'sub_job', '')}"
    pairs = []
    for key in _types(item):
        ident = item.refs.of("type", key)
        if not ident or ident not in types:
            return f"{item.number}: cost type {key} is not in Procore yet"
        pairs.append(Pair(CodeKey(sub_job, item.record.number), types[ident]))
    return pairs


def _parent(desk: Desk, item: Item) -> str | None:
    """Procore id of a code's parent: given by the engine, or known from the level before."""
    own = parse_origin(item.origin_id, desk.system)
    known = desk.known.get(str(replace(own, key=getattr(item.record, "parent", None) or ""))) if own else None
    return item.refs.get("parent") or (row_id(known) if known else None)


def _sub_job(desk: Desk, item: Item) -> str | None:
    """Procore id of the sub job a code belongs to: given by the engine, or found by its code."""
    code = getattr(item.record, "sub_job", None)
    if not code or _standard(item):
        return None
    known = sub_job_codes(desk.lists, project_of(item))
    return item.refs.get("sub_job") or next((ident for ident, own in known.items() if own == code), None)


def _standard(item: Item) -> bool:
    return not getattr(item.record, "project", None)


def _types(item: Item) -> tuple[str, ...]:
    return tuple(getattr(item.record, "cost_types", ()))
