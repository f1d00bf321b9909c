"""Procore's lists as raw rows: one place that turns a :class:`~include.procore.resources.Resource` into pages, and remembers what
is small."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from include.financials.exceptions import ContractBroken
from include.procore.client import ProcoreClient
from include.procore.exceptions import NotFound, OddReply
from include.procore.parse import kind
from include.procore.resources import Resource
from include.procore.wire import Rows

ID_BATCH = 100
"""Ids in one ``filters[id]``: keeps the address well under the 8 KB that servers take."""

Raw = dict[str, Any]
Found = TypeVar("Found")
Extra = Sequence[tuple[str, str]]


def row_id(row: Any) -> str:
    return str(row.get("id")) if isinstance(row, Mapping) else str(row)


def unseen(rows: Iterable[Any], seen: set[str] | None = None) -> Iterator[Any]:
    """Each record once: with numbered pages, a record created meanwhile pushes another one onto the next page too. Rows of which
    the id cannot be read are several, however alike they are."""
    seen = set() if seen is None else seen
    for row in rows:
        ident = row.get("id") if isinstance(row, dict) else None
        if isinstance(ident, int | str) and ident and ident is not True:
            if str(ident) in seen:
                continue
            seen.add(str(ident))
        yield row


def objects_of(value: Any) -> Iterator[Raw]:
    """The objects of a list inside a row or a reply."""
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))


def ids_filter(resource: Resource, ids: Sequence[str]) -> list[tuple[str, str]]:
    """``filters[id]`` in the form that the endpoint documents (docs/procore-contract.md 1.8)."""
    if resource.ids == "json":
        return [("filters[id]", json.dumps([int(ident) for ident in ids], separators=(",", ":")))]
    return [("filters[id][]", ident) for ident in ids]


def chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


class Kept(Protocol):
    """Lists that runs share (``include.financials.reading.kept``)."""

    def get(self, address: str, project: str | None) -> list[Any] | None: ...

    def standing(self, project: str | None, read_at: datetime) -> tuple[int, int]: ...

    def put(self, address: str, read_at: datetime, standing: tuple[int, int], rows: list[Any]) -> None: ...


class Lists:
    """The lists of one company. Not thread-safe; what it remembers lives as long as it does.

    :param projects: the resource that lists its projects, to which most others belong.
    """

    def __init__(self, client: ProcoreClient, projects: Resource) -> None:
        self.client = client
        self.kept: Kept | None = None
        self._projects = projects
        self._afresh = 0
        self._remembers_kept = False
        self._memory: dict[Hashable, Any] = {}

    def pages(
        self,
        resource: Resource,
        *,
        project: str | None = None,
        parent: str | None = None,
        extra: Extra = (),
        start: str | None = None,
    ) -> Iterator[Rows]:
        """The pages of a resource's list, scoped as its row says. ``extra`` parameters replace the row's own of the same name."""
        path = resource.list.format(company=self.client.company_id, project=project, parent=parent)
        params = dict(resource.params)
        if resource.company == "query":
            params["company_id"] = self.client.company_id
        if resource.project == "query":
            if not project:
                raise ContractBroken(f"the list {resource.name} belongs to a project; none was named")
            params["project_id"] = project
        if resource.contract == "query":
            params["contract_id"] = str(parent)
        given = {key for key, _ in extra}
        asked = [*((key, value) for key, value in params.items() if key not in given), *extra]
        pages = self.client.pages(path, asked, per_page=resource.per_page or None, start=start)
        whole = start is None and not given & {"filters[updated_at]", "filters[id]", "filters[id][]"}
        if self.kept is None or self._afresh or not whole or (parent is not None and not resource.of_place):
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
    def afresh(self) -> Iterator[None]:
        """Inside, every list is read in Procore itself, and what is remembered of lists that another run kept is forgotten."""
        self._afresh += 1
        if self._remembers_kept:
            self._memory.clear()
            self._remembers_kept = False
        try:
            yield
        finally:
            self._afresh -= 1

    def remembered(self, key: Hashable, read: Callable[[], Found], *, again: bool = False) -> Found:
        """What ``read`` gives, asked once; ``again``: not from memory."""
        if again or key not in self._memory:
            self._memory[key] = read()
        found: Found = self._memory[key]
        return found

    def all(self, resource: Resource, **options: Any) -> list[Any]:
        """All rows of a list, each record once; parameters as in :meth:`pages`."""
        seen: set[str] = set()
        return [row for page in self.pages(resource, **options) for row in unseen(page.rows, seen)]

    def objects(self, resource: Resource, **options: Any) -> list[Raw]:
        """As :meth:`all`, without rows that are no objects."""
        return [row for row in self.all(resource, **options) if isinstance(row, dict)]

    def parts(self, resource: Resource, **options: Any) -> list[Raw]:
        """The same of what records are made of: none may be left out. Raises OddReply where one cannot be told."""
        rows = self.all(resource, **options)
        for row in rows:
            if not isinstance(row, dict):
                place = {name: options.get(name) for name in ("project", "parent")}
                path = resource.list.format(company=self.client.company_id, **place)
                raise OddReply(f"GET {path}", f"answered {kind(row)} for one of them")
        return rows

    def by_ids(self, resource: Resource, ids: Sequence[str], *, extra: Extra = (), **options: Any) -> dict[str, Raw]:
        """Raw rows by id, ``ID_BATCH`` ids a call; a list without such a filter is read in full."""
        wanted = list(dict.fromkeys(ids))
        if "id" in resource.filters:
            rows = [
                row
                for batch in chunks(wanted, ID_BATCH)
                for row in self.objects(resource, extra=[*extra, *ids_filter(resource, batch)], **options)
            ]
        else:
            rows = self.objects(resource, extra=extra, **options)
        chosen = set(wanted)
        return {row_id(row): row for row in rows if row_id(row) in chosen}

    def project_ids(self, scopes: Sequence[str] | None) -> list[str]:
        """The given project ids, or those of all projects that the service account sees, closed ones included."""
        if scopes is not None:
            return list(dict.fromkeys(scopes))
        asked = [("view", "ids")]
        return self.remembered(self._projects.name, lambda: [row_id(row) for row in self.all(self._projects, extra=asked)])

    def show(self, resource: Resource, ident: str = "", *, project: str | None = None, parent: str | None = None) -> Raw:
        """One record in full; what a company has one of needs no id.

        :raises NotFound: it is gone, or hidden from us.
        """
        path = str(resource.show).format(company=self.client.company_id, project=project, parent=parent, id=ident)
        params = dict(resource.show_params)
        if resource.company == "query":
            params["company_id"] = self.client.company_id
        if resource.project == "query":
            params["project_id"] = str(project)
        if resource.contract == "query":
            params["contract_id"] = str(parent)
        return self.client.get(path, params).object

    def show_or_none(self, resource: Resource, ident: str, **options: Any) -> Raw | None:
        """As :meth:`show`; None for a record that went between being listed and being asked for."""
        try:
            return self.show(resource, ident, **options)
        except NotFound:
            return None
