"""Cost types and cost codes, of the company's standard list and of the projects (docs/procore-contract.md 3.4 to 3.6, 4).

``lists`` has what is remembered of them, ``wbs`` the work breakdown structure that joins them, ``writing`` how they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.financials.entities.codes import CostCode, CostType
from include.financials.port import Item, Page, Window
from include.financials.record import Record
from include.procore import payloads
from include.procore.areas.codes.lists import (
    CODE_LISTS,
    COMPANY_SEGMENTS,
    COST_CODES,
    COST_TYPES,
    STANDARD_CODES,
    CodeKey,
    code_key,
    code_rows,
    learn_types,
    standard_rows,
    type_codes,
)
from include.procore.areas.codes.wbs import SEGMENT_ITEMS, SEGMENTS, WBS_CODES, Wbs
from include.procore.areas.codes.writing import Codes, CodeTypes, CostTypeSync
from include.procore.building import sub_job_id
from include.procore.entity import Also, Cursor, Desk, ProcoreEntity, Write
from include.procore.lists import row_id, unseen
from include.procore.parse import Row, common, parent_id
from include.procore.payloads import same
from include.procore.reading.base import Built, CompanyList, by_scope, page_of
from include.procore.resources import Resource
from include.procore.writing import plans

RESOURCES = (
    COST_TYPES, COMPANY_SEGMENTS, CODE_LISTS, STANDARD_CODES, COST_CODES, WBS_CODES, SEGMENTS, SEGMENT_ITEMS,
)  # fmt: skip

# -- building -----------------------------------------------------------------------------------------------------------------


def cost_type(row: Row, system: str, scope: str | None = None) -> CostType:
    return CostType(
        **common(row, system), number=row.required("code"), name=row.required("name"), base_type=row.text("base_type") or "other"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cost code stands among the codes of its list or project."""

    project: str | None
    level: int
    is_header: bool
    cost_types: tuple[str, ...]


def cost_code(row: Row, system: str, place: Place) -> CostCode:
    parent = row.child("parent")
    return CostCode(
        **common(row, system),
        number=row.required("full_code"),
        project=place.project,
        sub_job=sub_job_id(row),
        code=row.required("code"),
        name=row.required("name"),
        parent=parent.id("id") if parent else row.id("parent_id"),
        level=place.level,
        is_header=place.is_header,
        active=row.moment("deleted_at") is None,
        cost_types=place.cost_types,
    )


# -- reading ------------------------------------------------------------------------------------------------------------------


class CostTypes(CompanyList):
    """Few, in one page; their codes are remembered for whoever meets them in a WBS code."""

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        rows = self._lists.all(self.row.resource)
        learn_types(self._lists, rows)
        yield page_of((self.build(row) for row in rows), window)


class CostCodes:
    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        self._desk = desk
        self._lists = desk.lists
        self._row = row

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        def pages(scope: str | None, _: Any) -> Iterator[Page]:
            yield page_of(self.codes(scope), window)

        return by_scope(self._row.name, self._scopes(scopes), cursor, pages)

    def _scopes(self, scopes: Sequence[str] | None) -> list[str | None]:
        """Projects, and None for the company's standard list: where it is asked for by an empty scope, or everything is."""
        if scopes is None:
            return [None, *self._lists.project_ids(None)]
        return [scope or None for scope in self._lists.project_ids(scopes)]

    def codes(self, scope: str | None) -> Iterator[Built]:
        """All codes of a project (scope None: of the standard list).

        Level and header follow from the parents, so the whole list is read before the first code is given out. The types come
        from the project's WBS codes.
        """
        types: dict[CodeKey, set[str]] = {}
        if scope is None:
            rows = standard_rows(self._desk)
        else:
            types = self._desk.one(Wbs).assigned(scope)
            rows = code_rows(self._lists, scope)
        ids = {code: ident for ident, code in type_codes(self._lists).items()} if types else {}
        parents = {row_id(row): parent_id(row) for row in rows if isinstance(row, dict)}
        headers = set(parents.values())
        for row in unseen(rows):
            has = types.get(code_key(row), set())
            place = Place(
                scope,
                _level(row_id(row), parents),
                row_id(row) in headers,
                tuple(sorted((ids[code] for code in has if code in ids), key=int)),
            )
            yield self._code(row, place)

    def _code(self, row: Any, place: Place) -> Built:
        return self._row.fit(row, lambda found: cost_code(found, self._desk.system, place), scope=place.project)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        chosen = set(ids)
        yield page_of((record for record in self.codes(scope) if record.id in chosen), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._scopes(scopes):
            rows = standard_rows(self._desk) if project is None else code_rows(self._lists, project)
            yield from (row_id(row) for row in rows if isinstance(row, dict) and not row.get("deleted_at"))


def _level(ident: str, parents: Mapping[str, str | None]) -> int:
    """Number of ancestors; a circle of parents ends at the number of codes there are."""
    level, at = 0, parents.get(ident)
    while at is not None and level <= len(parents):
        level, at = level + 1, parents.get(at)
    return level


# -- writing ------------------------------------------------------------------------------------------------------------------

BASE_TYPES = {
    "labor": "labor",
    "material": "materials",
    "subcontract": "commitment",
    "equipment": "equipment",
    "other": "other",
}
"""Category of an ERP cost type -> Procore's ``base_type``; a value that is one of Procore's already is sent as it is."""


def _base_type(item: Item) -> payloads.Attributes:
    value = str(item.refs.get("base_type") or getattr(item.record, "base_type", ""))
    return {"base_type": BASE_TYPES.get(value, value)}


def _resource_of(record: Record) -> Resource:
    return STANDARD_CODES if getattr(record, "project", None) is None else COST_CODES


_TYPE: payloads.Fields = {
    "name": same("name"),
    "number": lambda item: {"csv_import_code": item.refs.get("code") or item.record.number},
    "base_type": _base_type,
}
_CODE: payloads.Fields = {"name": same("name")}
_CREATE = Codes(COST_CODES, payloads.created(_CODE), creates=True)
_UPDATE = Codes(COST_CODES, payloads.changed(_CODE), wanted=payloads.is_changed(_CODE), by_content=True)
# The sync of cost codes knows no cost types (4).
_TYPES = Write("wbs", CodeTypes(), "given their cost types in Procore")

ENTITIES = (
    ProcoreEntity(
        "cost_types",
        resources=(COST_TYPES,),
        names=("code", "name"),
        reader=CostTypes,
        build=cost_type,
        shown={"number": ("code",)},
        writes=plans.records(COST_TYPES, _TYPE, kind=CostTypeSync),
    ),
    ProcoreEntity(
        "cost_codes",
        resources=(COST_CODES, STANDARD_CODES),
        resource_of=_resource_of,
        names=("full_code", "name"),
        reader=CostCodes,
        shown={"number": ("full_code",), "sub_job": ("biller_id",)},
        writes={
            "create": (Write("create", _CREATE, plans.CREATED, levels=True), _TYPES),
            "update": (Write("update", _UPDATE, plans.UPDATED), _TYPES),
            # Linking a code writes external ids only; its missing types are content, and content is the next update's.
            "link": (Write("link", Codes(COST_CODES), plans.LINKED),),
        },
    ),
)
