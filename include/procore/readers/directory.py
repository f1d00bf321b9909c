"""Company lists: vendors and customers (one directory), projects, insurances, tax codes, cost types
(docs/procore-contract.md 3.1 to 3.3, 3.6, 3.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from include.financials.exceptions import NotPermitted
from include.financials.identity import parse_origin
from include.financials.port import Page, Window
from include.financials.record import Record
from include.procore import parse, records
from include.procore.lists import ID_BATCH, Raw, row_id, unseen
from include.procore.readers.base import Also, Built, Cursor, Desk, page_of, put, updated
from include.procore.resources import ENTITY_RESOURCES

_DIRECTORY = ("vendors", "inactive_vendors")

_BUILD: dict[str, tuple[Callable[[parse.Row, str], Record], tuple[str, ...]]] = {
    "vendors": (records.vendor, ("origin_code", "name")),
    "customers": (records.customer, ("origin_code", "name")),
    "projects": (records.project, ("project_number", "name")),
    "vendor_insurances": (records.vendor_insurance, ("policy_number",)),
    "tax_codes": (records.tax_code, ("code",)),
    "cost_types": (records.cost_type, ("code", "name")),
}
"""Entity -> builder, and the raw fields that people know its records by."""


def build(entity: str, row: Any, system: str) -> Built:
    """The record of one raw row, for the company's entities: their row is their whole content."""
    builder, names = _BUILD[entity]
    return parse.fit(entity, row, lambda found: builder(found, system), number=names)


class CompanyList:
    """A company-wide list without a time filter: given in full, page by page."""

    def __init__(self, desk: Desk, entity: str) -> None:
        self._desk = desk
        self._entity = entity

    @property
    def _name(self) -> str:
        return ENTITY_RESOURCES[self._entity]

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        seen: set[str] = set()
        for rows in self._desk.lists.pages(
            self._name, extra=updated(self._name, window), start=cursor["url"] if cursor else None
        ):
            following = {"url": rows.next_url} if rows.next_url else None
            yield page_of((self.build(row) for row in unseen(rows.rows, seen)), window, following)

    def build(self, row: Any) -> Built:
        return build(self._entity, row, self._desk.system)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        yield page_of((self.build(row) for row in self._desk.lists.by_ids(self._name, ids).values()), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        return (row_id(row) for row in self._desk.lists.objects(self._name) if not row.get("deleted_at"))


class CostTypes(CompanyList):
    """Few, in one page; their codes are remembered for whoever meets them in a WBS code."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "cost_types")

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        rows = self._desk.lists.all(self._name)
        self._desk.lists.learn_types(rows)
        yield page_of((self.build(row) for row in rows), window)


class Projects(CompanyList):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "projects")

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        wanted = set(scopes) if scopes is not None else None
        if wanted is not None and not wanted:
            yield Page([])
            return
        extra = updated("projects", window)
        if wanted is not None and len(wanted) <= ID_BATCH:
            extra += self._desk.lists.ids_filter("projects", sorted(wanted, key=int))
        seen: set[str] = set()
        for rows in self._desk.lists.pages("projects", extra=extra, start=cursor["url"] if cursor else None):
            chosen = [row for row in unseen(rows.rows, seen) if wanted is None or row_id(row) in wanted]
            yield page_of((self.build(row) for row in chosen), window, {"url": rows.next_url} if rows.next_url else None)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        """A project may be closed to us (its permissions are its own): neither its list nor a 403 or 404 tells of that."""
        page = Page([])
        found = self._desk.lists.by_ids(self._name, ids)
        for ident in dict.fromkeys(ids):
            try:
                row = found.get(ident) or self._desk.lists.show_or_none(self._name, ident)
            except NotPermitted:
                row = None
            if row is None:
                page.hidden.append(ident)
            else:
                put(page, self.build(row))
        yield page

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        return iter(self._desk.lists.project_ids(scopes))


class Directory:
    """The company's directory: vendors and customers share its lists."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.spare: dict[tuple[str, Window], Page] = {}
        """What a read of the other entity has left over."""

    def pages(self, window: Window, cursor: Cursor) -> Iterator[Page]:
        """Vendors and customers in one pass, mixed.

        Inactive vendors stand in a list of their own, without filters: it is read in full, because an external id on one of them
        would otherwise be taken for free.
        """
        seen: set[str] = set()
        at = cursor or {"list": _DIRECTORY[0], "url": None}
        for index in range(_DIRECTORY.index(at["list"]), len(_DIRECTORY)):
            name = _DIRECTORY[index]
            start = at["url"] if name == at["list"] else None
            following = {"list": _DIRECTORY[index + 1], "url": None} if index + 1 < len(_DIRECTORY) else None
            for rows in self._desk.lists.pages(name, extra=updated(name, window), start=start):
                goes_on = {"list": name, "url": rows.next_url} if rows.next_url else following
                yield page_of((self.party(row) for row in unseen(rows.rows, seen)), window, goes_on)

    def party(self, row: Any) -> Built:
        """A directory company: a customer if our external id says so, a vendor otherwise."""
        return build(self.entity_of(row), row, self._desk.system)

    def entity_of(self, row: Any) -> str:
        origin = row.get("origin_id") if isinstance(row, dict) else None
        ours = parse_origin(origin, self._desk.system) if isinstance(origin, str) else None
        return "customers" if ours and ours.entity == "customers" else "vendors"

    def by_ids(self, ids: Sequence[str]) -> dict[str, Raw]:
        """Raw rows; inactive vendors are looked for among their own when not among the active ones."""
        found = self._desk.lists.by_ids("vendors", ids)
        missing = set(ids) - set(found)
        if missing:
            found.update(self._desk.lists.by_ids("inactive_vendors", sorted(missing)))
        return found

    def rows(self) -> Iterator[Raw]:
        seen: set[str] = set()
        return (row for name in _DIRECTORY for row in unseen(self._desk.lists.objects(name), seen))


class Parties:
    """The vendors, or the customers, of the directory."""

    def __init__(self, directory: Directory, entity: str) -> None:
        self._directory = directory
        self._entity = entity

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        spare = self._directory.spare.pop((self._entity, window), None) if cursor is None else None
        if spare is not None:
            yield spare
            return
        other = "vendors" if self._entity == "customers" else "customers"
        rest = Page([])
        for page in self._directory.pages(window, cursor):
            left = _of(other, page)
            rest.records += left.records
            rest.invalid += left.invalid
            # Customers are few; keeping the vendors of a large company for a read that may never come would not be cheap.
            if page.cursor is None and cursor is None and self._entity == "vendors":
                self._directory.spare[other, window] = rest
            yield _of(self._entity, page)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        built: Iterable[Built] = (self._directory.party(row) for row in self._directory.by_ids(ids).values())
        yield page_of((one for one in built if one.entity == self._entity), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        return (row_id(row) for row in self._directory.rows() if self._directory.entity_of(row) == self._entity)


def _of(entity: str, page: Page) -> Page:
    return Page(
        [record for record in page.records if record.entity == entity],
        [invalid for invalid in page.invalid if invalid.entity == entity],
        page.cursor,
    )
