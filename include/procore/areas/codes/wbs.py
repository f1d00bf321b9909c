"""The work breakdown structure of a project: which cost types a cost code has, what a WBS code means, how to make more.

A WBS code is one item per segment of the project's pattern (cost code, cost type, perhaps a sub job). Items have ids of their
own, which are not those of the cost codes and types they stand for: they are found by code (docs/procore-contract.md 4).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from include.financials.exceptions import ConfigurationError, OutcomeUnknown
from include.procore.areas.codes.lists import CodeKey, Role, code_keys, role_of, type_codes
from include.procore.areas.jobs import sub_job_codes
from include.procore.entity import Desk
from include.procore.errors import ApiError, parse_error
from include.procore.lists import Raw, chunks, objects_of, row_id
from include.procore.resources import Resource
from include.procore.writing.sync import sync_halves

WBS_CODES = Resource(
    "wbs_codes",
    docs="4",
    list="/rest/v1.0/projects/{project}/work_breakdown_structure/wbs_codes",
    project="path",
    params={"filters[status][]": "active"},
    filters=frozenset({"status", "updated_at"}),
    sync="/rest/v1.0/projects/{project}/work_breakdown_structure/wbs_codes/bulk_create",
    sync_scope="path",
    sync_key="bulk",
    origin_id=False,
)
SEGMENTS = Resource(
    "wbs_segments",
    docs="4",
    list="/rest/v1.0/projects/{project}/work_breakdown_structure/segments",
    project="path",
    per_page=0,
    origin_id=False,
)
SEGMENT_ITEMS = Resource(
    "wbs_segment_items",
    docs="4",
    list="/rest/v1.0/projects/{project}/work_breakdown_structure/segments/{parent}/segment_items",
    project="path",
    origin_id=False,
    of_place=True,
)


@dataclass(frozen=True, slots=True)
class CostKey:
    """What a WBS code stands for, in Procore ids."""

    cost_code: str
    cost_type: str
    sub_job: str | None = None


class Pair(NamedTuple):
    """One assignment: a cost code and the code of a cost type."""

    code: CodeKey
    cost_type: str


class _Listed(NamedTuple):
    """What is remembered of a WBS code as listed, inactive ones among them: their rows are long, and there are thousands."""

    id: str
    active: bool
    parts: Mapping[Role, str]
    """Role -> code."""


@dataclass(slots=True)
class _Project:
    segments: dict[Role, str]
    foreign: tuple[str, ...]
    """Names of required segments that are none of the default ones."""
    items: dict[tuple[Role, str | None], dict[str, str]] = field(default_factory=dict)
    """(role, sub job) -> full code -> segment item id."""
    listed: list[_Listed] | None = None
    assigned: dict[CodeKey, set[str]] | None = None


class Wbs:
    """WBS of all projects of a company, looked up when needed and remembered with its lists."""

    def __init__(self, desk: Desk) -> None:
        self._lists = desk.lists

    def foreign_segments(self, project: str) -> tuple[str, ...]:
        """Required segments that nothing here fills: such a project takes no WBS code from us."""
        return self._of(project).foreign

    def assigned(self, project: str, *, again: bool = True) -> dict[CodeKey, set[str]]:
        """Cost code -> codes of its active types. ``again=False``: as known, with what :meth:`create` added since."""
        of = self._of(project)
        if again or of.assigned is None:
            of.assigned = {}
            for one in self._listed(project, again=again):
                pair = self._pair(project, one.parts) if one.active else None
                if pair is not None:
                    of.assigned.setdefault(pair.code, set()).add(pair.cost_type)
        return of.assigned

    def meanings(self, project: str, *, again: bool = False) -> dict[str, CostKey]:
        """WBS code id -> the cost code and cost type it stands for, in Procore ids; inactive codes too, since old documents name
        them. ``again``: not from memory."""
        codes = {code: ident for ident, code in code_keys(self._lists, project, again=again).items()}
        types = {code: ident for ident, code in type_codes(self._lists).items()}
        found = {}
        for one in self._listed(project, again=again):
            pair = self._pair(project, one.parts)
            if pair is not None and pair.code in codes and pair.cost_type in types:
                found[one.id] = CostKey(codes[pair.code], types[pair.cost_type], pair.code.sub_job)
        return found

    def _listed(self, project: str, *, again: bool) -> list[_Listed]:
        of = self._of(project)
        if again or of.listed is None:
            statuses = [("filters[status][]", "active"), ("filters[status][]", "inactive")]
            of.listed = [
                _Listed(row_id(row), row.get("status", "active") == "active", self._parts(project, row))
                for row in self._lists.objects(WBS_CODES, project=project, extra=statuses)
            ]
        return of.listed

    def _pair(self, project: str, parts: Mapping[Role, str]) -> Pair | None:
        """What a WBS code stands for; None where its pattern has no cost code or no cost type."""
        if "cost_code" not in parts or "line_item_type" not in parts:
            return None
        return Pair(CodeKey(self._sub_job_id(project, parts.get("sub_job")), parts["cost_code"]), parts["line_item_type"])

    def create(self, project: str, pairs: Sequence[Pair]) -> dict[Pair, ApiError]:
        """Create WBS codes, at most 1,000 a call, and answer the pairs that were refused.

        A pair that exists is answered, not doubled, so that repeating this does no harm.
        """
        failed: dict[Pair, ApiError] = {}
        entries: dict[frozenset[str], tuple[Pair, Raw]] = {}
        for pair in pairs:
            chosen = self._chosen(project, pair)
            if isinstance(chosen, ApiError):
                failed[pair] = chosen
            else:
                entries[frozenset(str(item["segment_item_id"]) for item in chosen)] = (pair, {"segment_items": chosen})
        for batch in chunks(list(entries), WBS_CODES.sync_batch):
            failed.update(self._bulk(project, {key: entries[key] for key in batch}))
        return failed

    def _bulk(self, project: str, entries: Mapping[frozenset[str], tuple[Pair, Raw]]) -> dict[Pair, ApiError]:
        path = str(WBS_CODES.sync).format(project=project)
        reply = self._lists.client.patch(path, {"bulk": [entry for _, entry in entries.values()]})
        made, refused = sync_halves(reply.data, reply.call)
        answered = {_item_ids(row) for row in made}
        said = {_item_ids(row): parse_error({"errors": row.get("errors")}) for row in refused}
        assigned = self.assigned(project, again=False)
        failed: dict[Pair, ApiError] = {}
        for key, (pair, _) in entries.items():
            if key in said:
                failed[pair] = said[key]
            elif key in answered:
                assigned.setdefault(pair.code, set()).add(pair.cost_type)
            else:
                raise OutcomeUnknown(f"{reply.call}: the reply says nothing about {pair.code.full_code} / {pair.cost_type}")
        return failed

    def _chosen(self, project: str, pair: Pair) -> list[dict[str, int]] | ApiError:
        """The segment items of a pair; looked up once more when one is missing, since the code may be new."""
        sub_job = pair.code.sub_job
        wanted: dict[Role, tuple[str | None, str]] = {
            "cost_code": (sub_job, pair.code.full_code),
            "line_item_type": (None, pair.cost_type),
        }
        if sub_job is not None:
            wanted["sub_job"] = (None, sub_job_codes(self._lists, project).get(sub_job, ""))
        chosen = []
        for role, (of, code) in wanted.items():
            ident = self._items(project, role, of).get(code) or self._items(project, role, of, again=True).get(code)
            if ident is None:
                return ApiError(f"project {project} has no WBS segment item {code} ({role})", role)
            chosen.append({"segment_id": int(self._of(project).segments[role]), "segment_item_id": int(ident)})
        return chosen

    def _of(self, project: str) -> _Project:
        return self._lists.remembered((SEGMENTS.name, project), lambda: self._read(project))

    def _read(self, project: str) -> _Project:
        rows = self._lists.objects(SEGMENTS, project=project)
        segments = {role: row_id(row) for row in rows if (role := role_of(row)) is not None}
        foreign = tuple(
            str(row.get("name"))
            for row in rows
            if role_of(row) is None and row.get("required") is True and row.get("is_included_in_project_pattern") is not False
        )
        return _Project(segments, foreign)

    def _items(self, project: str, role: Role, sub_job: str | None = None, *, again: bool = False) -> dict[str, str]:
        of = self._of(project)
        if again or (role, sub_job) not in of.items:
            if role not in of.segments:
                raise ConfigurationError(
                    f"Project {project} has no WBS segment {role}; add it to the project's pattern in Procore"
                )
            extra = [("legacy_sub_job_id", sub_job)] if sub_job else []
            rows = self._lists.objects(SEGMENT_ITEMS, project=project, parent=of.segments[role], extra=extra)
            of.items[role, sub_job] = {str(row.get("path_code") or row.get("code")): row_id(row) for row in rows}
        return of.items[role, sub_job]

    def _parts(self, project: str, row: Raw) -> dict[Role, str]:
        """Role -> code of one WBS code. An item without its full code is looked up among the project's segment items."""
        parts: dict[Role, str] = {}
        for item in objects_of(row.get("segment_items")):
            role = role_of(item.get("segment") or {})
            if role is None:
                continue
            code = item.get("path_code") or (item.get("code") if role != "cost_code" else None)
            if not code:
                code = {ident: full for full, ident in self._items(project, role).items()}.get(row_id(item))
            if code:
                parts[role] = sys.intern(str(code))
        return parts

    def _sub_job_id(self, project: str, code: str | None) -> str | None:
        if code is None:
            return None
        return next((ident for ident, own in sub_job_codes(self._lists, project).items() if own == code), code)


def _item_ids(row: Raw) -> frozenset[str]:
    """Segment item ids of a WBS code, in a reply (``id``) or as submitted (``segment_item_id``)."""
    return frozenset(str(item.get("segment_item_id") or item.get("id")) for item in objects_of(row.get("segment_items")))
