"""Procore's lists as raw rows: one place that turns a row of ``resources`` into pages, and remembers the small lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from include.financials.exceptions import ConfigurationError, ContractBroken
from include.procore.client import ProcoreClient, Rows
from include.procore.exceptions import NotFound
from include.procore.resources import RESOURCES

ID_BATCH = 100
"""Ids in one ``filters[id]``: keeps the address well under the 8 KB that servers take."""

Raw = dict[str, Any]
Extra = Sequence[tuple[str, str]]


Role = Literal["cost_code", "line_item_type", "sub_job"]
"""The default segments of the work breakdown structure (docs/procore-contract.md 4)."""

_ROLES: dict[str, Role] = {
    "costcode": "cost_code",
    "costcodes": "cost_code",
    "lineitemtype": "line_item_type",
    "lineitemtypes": "line_item_type",
    "costtype": "line_item_type",
    "costtypes": "line_item_type",
    "subjob": "sub_job",
    "subjobs": "sub_job",
}


def role_of(segment: Mapping[str, Any]) -> Role | None:
    """Which of the default segments this is. ``type`` decides; ``name`` is a label in the user's language, a last resort."""
    for value in (segment.get("type"), segment.get("name")):
        plain = "".join(char for char in str(value or "").rpartition("::")[2].lower() if char.isalpha())
        if plain in _ROLES:
            return _ROLES[plain]
    return None


def row_id(row: Any) -> str:
    return str(row.get("id")) if isinstance(row, Mapping) else str(row)


def unseen(rows: Iterable[Any], seen: set[str] | None = None) -> Iterator[Any]:
    """Each record once: with numbered pages, a record created meanwhile pushes another one onto the next page too."""
    seen = set() if seen is None else seen
    for row in rows:
        ident = row.get("id") if isinstance(row, dict) else None
        if ident is not None and str(ident) in seen:
            continue
        seen.add(str(ident))
        yield row


def chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


class Kept(Protocol):
    """Lists that runs share (``include.financials.reading.kept``)."""

    def get(self, address: str, project: str | None) -> list[Any] | None: ...

    def standing(self, project: str | None, read_at: datetime) -> tuple[int, int]: ...

    def put(self, address: str, read_at: datetime, standing: tuple[int, int], rows: list[Any]) -> None: ...


_HANG_ON_PLACES = frozenset({"contract_payments", "cost_code_lists", "budget_rows", "wbs_segment_items"})
"""Lists under a parent that are read whole for each day; the others are parts of one document, and read when it is."""


class Lists:
    """The lists of one company. Not thread-safe; what it remembers lives as long as it does.

    :param cost_code_list: id or name of the standard cost code list that the ERP's codes go to; None: the only one there is.
    """

    def __init__(self, client: ProcoreClient, cost_code_list: str | None = None) -> None:
        self.client = client
        self._chosen_list = cost_code_list
        self.kept: Kept | None = None
        self._afresh = 0
        self._remembers_kept = False
        self._projects: list[str] | None = None
        self._code_list: str | None = None
        self._types: dict[str, str] | None = None
        self._sub_jobs: dict[str, list[Raw]] = {}
        self._codes: dict[str, list[Any]] = {}

    def pages(
        self,
        name: str,
        *,
        project: str | None = None,
        parent: str | None = None,
        extra: Extra = (),
        start: str | None = None,
    ) -> Iterator[Rows]:
        """The pages of a resource's list, scoped as its row says. ``extra`` parameters replace the row's own of the same name."""
        resource = RESOURCES[name]
        path = resource.list.format(company=self.client.company_id, project=project, parent=parent)
        params = dict(resource.params)
        if resource.company == "query":
            params["company_id"] = self.client.company_id
        if resource.project == "query":
            if not project:
                raise ContractBroken(f"the list {name} belongs to a project; none was named")
            params["project_id"] = project
        if resource.contract == "query":
            params["contract_id"] = str(parent)
        given = {key for key, _ in extra}
        asked = [*((key, value) for key, value in params.items() if key not in given), *extra]
        pages = self.client.pages(path, asked, per_page=resource.per_page or None, start=start)
        whole = start is None and not given & {"filters[updated_at]", "filters[id]", "filters[id][]"}
        if self.kept is None or self._afresh or not whole or (parent is not None and name not in _HANG_ON_PLACES):
            return pages
        return self._kept(json.dumps([self.client.base_url, path, asked]), project, pages)

    def _kept(self, address: str, project: str | None, pages: Iterator[Rows]) -> Iterator[Rows]:
        """A list without a time filter, as another day of the same backfill has read it; else as it is now, and kept."""
        assert self.kept is not None
        rows = self.kept.get(address, project)
        if rows is not None:
            self._remembers_kept = True
            yield Rows(rows, None)
            return
        read_at, found = datetime.now(UTC), []
        standing = self.kept.standing(project, read_at)
        for page in pages:
            found += page.rows
            yield page
        self.kept.put(address, read_at, standing, found)

    @contextmanager
    def afresh(self) -> Iterator[bool]:
        """Inside, every list is read in Procore itself; yields whether what is remembered was kept by another run, and forgets
        it then."""
        self._afresh += 1
        old, self._remembers_kept = self._remembers_kept, False
        if old:
            self._projects, self._code_list, self._types = None, None, None
            self._sub_jobs.clear()
            self._codes.clear()
        try:
            yield old
        finally:
            self._afresh -= 1

    def all(self, name: str, **options: Any) -> list[Any]:
        """All rows of a list, each record once; parameters as in :meth:`pages`."""
        seen: set[str] = set()
        return [row for page in self.pages(name, **options) for row in unseen(page.rows, seen)]

    def objects(self, name: str, **options: Any) -> list[Raw]:
        """As :meth:`all`, without rows that are no objects."""
        return [row for row in self.all(name, **options) if isinstance(row, dict)]

    def ids_filter(self, name: str, ids: Sequence[str]) -> list[tuple[str, str]]:
        """``filters[id]`` in the form that the endpoint documents (docs/procore-contract.md 1.8)."""
        if RESOURCES[name].ids == "json":
            return [("filters[id]", json.dumps([int(ident) for ident in ids], separators=(",", ":")))]
        return [("filters[id][]", ident) for ident in ids]

    def by_ids(self, name: str, ids: Sequence[str], *, extra: Extra = (), **options: Any) -> dict[str, Raw]:
        """Raw rows by id, ``ID_BATCH`` ids a call; a list without such a filter is read in full."""
        wanted = list(dict.fromkeys(ids))
        if "id" in RESOURCES[name].filters:
            rows = [
                row
                for batch in chunks(wanted, ID_BATCH)
                for row in self.objects(name, extra=[*extra, *self.ids_filter(name, batch)], **options)
            ]
        else:
            rows = self.objects(name, extra=extra, **options)
        chosen = set(wanted)
        return {row_id(row): row for row in rows if row_id(row) in chosen}

    # ------------------------------------------------------------------ small lists, remembered

    def project_ids(self, scopes: Sequence[str] | None) -> list[str]:
        """The given project ids, or those of all projects that the service account sees, closed ones included."""
        if scopes is not None:
            return list(dict.fromkeys(scopes))
        if self._projects is None:
            self._projects = [row_id(row) for row in self.all("projects", extra=[("view", "ids")])]
        return self._projects

    def cost_code_list(self) -> str:
        """Id of the standard cost code list that the ERP's codes go to (docs/procore-contract.md 3.4).

        No mark in Procore tells it: only companies with an ERP connection have one. :raises ConfigurationError: it is not clear.
        """
        if self._code_list is None:
            lists = self._code_lists()
            wanted = self._chosen_list
            found = [one for one in lists if wanted is None or wanted in (row_id(one), str(one.get("name")).strip())]
            if len(found) != 1:
                names = ", ".join(f"{one.get('name')} ({row_id(one)})" for one in lists) or "none"
                if wanted is None:
                    wrong = "It is not clear which standard cost code list is meant"
                else:
                    fault = "the name of several" if found else "which is no list"
                    wrong = f"The setting cost_code_list is {wanted!r}, {fault}"
                raise ConfigurationError(
                    f"{wrong}; Procore has: {names}. Set cost_code_list to a name or an id (Procore: Company Admin, "
                    "Work Breakdown Structure)."
                )
            self._code_list = row_id(found[0])
        return self._code_list

    def _code_lists(self) -> list[Raw]:
        for segment in self.objects("company_wbs_segments"):
            if role_of(segment) == "cost_code":
                return self.objects("cost_code_lists", parent=row_id(segment))
        raise ConfigurationError("Procore's work breakdown structure has no segment of cost codes (Company Admin)")

    def type_codes(self) -> dict[str, str]:
        """Cost type id -> code."""
        if self._types is None:
            self.learn_types(self.all("cost_types"))
        return self._types or {}

    def learn_types(self, rows: Iterable[Any]) -> None:
        self._types = {row_id(row): str(row.get("code") or "") for row in rows if isinstance(row, dict)}

    def sub_jobs(self, project: str) -> dict[str, str]:
        """Sub job id -> code, of one project."""
        return {row_id(row): str(row.get("code") or "") for row in self.sub_job_rows(project)}

    def sub_job_rows(self, project: str, *, again: bool = False) -> list[Raw]:
        """The sub jobs of one project; remembered, so that reading codes and lines after them costs nothing."""
        if again or project not in self._sub_jobs:
            self._sub_jobs[project] = self.objects("sub_jobs", project=project)
        return self._sub_jobs[project]

    def code_rows(self, project: str, *, again: bool = False) -> list[Any]:
        """The cost codes of one project; those of its sub jobs are listed apart (docs/procore-contract.md 3.5)."""
        if again or project not in self._codes:
            rows = self.all("cost_codes", project=project)
            for sub_job in self.sub_jobs(project):
                rows += self.all("cost_codes", project=project, extra=[("sub_job_id", sub_job)])
            self._codes[project] = rows
        return self._codes[project]

    def show(self, name: str, ident: str, *, project: str | None = None, parent: str | None = None) -> Raw:
        """One record in full.

        :raises NotFound: it is gone, or hidden from us.
        """
        resource = RESOURCES[name]
        path = str(resource.show).format(company=self.client.company_id, project=project, parent=parent, id=ident)
        params = dict(resource.show_params)
        if resource.company == "query":
            params["company_id"] = self.client.company_id
        if resource.project == "query":
            params["project_id"] = str(project)
        if resource.contract == "query":
            params["contract_id"] = str(parent)
        return self.client.get(path, params).object

    def show_or_none(self, name: str, ident: str, **options: Any) -> Raw | None:
        """As :meth:`show`; None for a record that went between being listed and being asked for."""
        try:
            return self.show(name, ident, **options)
        except NotFound:
            return None
