"""Cost codes, of the company's standard list and of the projects, and sub jobs (docs/procore-contract.md 3.4 to 3.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.financials.port import Page, Window
from include.procore import parse, records
from include.procore.lists import row_id, unseen
from include.procore.readers.base import Also, Built, Cursor, Desk, ProjectList, by_scope, page_of
from include.procore.wbs import CodeKey, code_key


class CostCodes:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lists = desk.lists

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        def pages(scope: str | None, _: Any) -> Iterator[Page]:
            yield page_of(self.codes(scope), window)

        return by_scope("cost_codes", self._scopes(scopes), cursor, pages)

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
            rows = self._lists.all("standard_cost_codes", extra=[("standard_cost_code_list_id", self._lists.cost_code_list())])
        else:
            types = self._desk.wbs.assigned(scope)
            rows = self._lists.code_rows(scope, again=True)
        ids = {code: ident for ident, code in self._lists.type_codes().items()} if types else {}
        parents = {row_id(row): parse.parent_id(row) for row in rows if isinstance(row, dict)}
        headers = set(parents.values())
        for row in unseen(rows):
            has = types.get(code_key(row), set())
            place = records.Place(
                scope,
                _level(row_id(row), parents),
                row_id(row) in headers,
                tuple(sorted((ids[code] for code in has if code in ids), key=int)),
            )
            yield self._code(row, place)

    def _code(self, row: Any, place: records.Place) -> Built:
        return parse.fit(
            "cost_codes",
            row,
            lambda found: records.cost_code(found, self._desk.system, place),
            scope=place.project,
            number=("full_code", "name"),
        )

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        chosen = set(ids)
        yield page_of((record for record in self.codes(scope) if record.id in chosen), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._scopes(scopes):
            if project is None:
                rows = self._lists.all(
                    "standard_cost_codes", extra=[("standard_cost_code_list_id", self._lists.cost_code_list())]
                )
            else:
                rows = self._lists.code_rows(project, again=True)
            yield from (row_id(row) for row in rows if isinstance(row, dict) and not row.get("deleted_at"))


class SubJobs(ProjectList):
    entity = "sub_jobs"
    names = ("code", "name")

    def built(self, project: str) -> Iterator[Built]:
        for row in self._lists.sub_job_rows(project, again=True):
            yield self.fit(row, project, records.sub_job, self._desk.system, project)


def _level(ident: str, parents: Mapping[str, str | None]) -> int:
    """Number of ancestors; a circle of parents ends at the number of codes there are."""
    level, at = 0, parents.get(ident)
    while at is not None and level <= len(parents):
        level, at = level + 1, parents.get(at)
    return level
