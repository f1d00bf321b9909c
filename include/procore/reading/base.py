"""What the readers of all families share: pages, scopes, and documents that are listed first and read in full when chosen."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any, ClassVar, TypeVar

from include.financials.exceptions import NotPermitted, RetryLater
from include.financials.port import UNSEEN, Header, Invalid, Page, Window
from include.financials.record import Record
from include.procore.entity import Also, Cursor, Desk, ProcoreEntity
from include.procore.exceptions import NotFound, OddReply
from include.procore.lists import ID_BATCH, Raw, chunks, ids_filter, row_id, unseen
from include.procore.parse import Row
from include.procore.resources import Resource

DETAIL_PAGE = 50
"""Documents per page where each takes a call of its own: a page is what a crash may cost."""
ROW_PAGE = 1000

HIDDEN = UNSEEN.format(side="Procore")

_ALWAYS, _NEVER = "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"

Built = Record | Invalid
Found = TypeVar("Found")


def updated(resource: Resource, window: Window | None) -> list[tuple[str, str]]:
    """The list's own time filter. Procore counts whole seconds; what it gives too much is left out on our side."""
    if window is None or "updated_at" not in resource.filters or (window.since is None and window.until is None):
        return []
    since, until = (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else open_end
        for moment, open_end in ((window.since, _ALWAYS), (window.until, _NEVER))
    )
    return [("filters[updated_at]", f"{since}...{until}")]


def page_of(built: Iterable[Built], window: Window, cursor: Cursor = None) -> Page:
    page = Page([], cursor=cursor)
    for record in built:
        if isinstance(record, Invalid) or window.covers(record.updated_at):
            put(page, record)
    return page


def put(page: Page, record: Built) -> None:
    if isinstance(record, Invalid):
        page.invalid.append(record)
    else:
        page.records.append(record)


def by_scope(
    entity: str, scopes: Sequence[str | None], cursor: Cursor, pages: Callable[[str | None, Any], Iterator[Page]]
) -> Iterator[Page]:
    """Page after page of each scope. A project that these credentials may not read, or that answers what nobody can read, is
    reported and the others go on; if that is every one of them, the fault is not the project's: none is reported, and the next
    try asks all of them again. So they are reported once another one has answered, as it has where a try goes on behind one."""
    begin, after = (scopes.index(cursor["scope"]), cursor.get("after")) if cursor else (0, None)
    answered, refused = after is not None or any(scopes[:begin]), list[tuple[Exception, Page]]()
    if not scopes:
        yield Page([])
    for index in range(begin, len(scopes)):
        scope = scopes[index]
        following = {"scope": scopes[index + 1]} if index + 1 < len(scopes) else None
        try:
            for page in pages(scope, after):
                page.cursor = {"scope": scope, **page.cursor} if page.cursor else following
                if scope is not None:
                    answered = True
                    yield from (told for _, told in refused)
                    refused.clear()
                yield page
        except (NotPermitted, NotFound, OddReply) as error:
            if scope is None:
                raise
            refused.append((error, Page([], [_closed(entity, scope, error)], following)))
        after = None
    if not answered and refused:
        last, _ = refused[-1]
        if isinstance(last, OddReply):
            raise last
        raise NotPermitted(f"Procore refuses the {entity} of every project that was asked for; the last one: {last}")
    yield from (told for _, told in refused)


def _closed(entity: str, project: str, error: Exception) -> Invalid:
    """A project whose list is closed to us: whatever it holds is there, and cannot be read."""
    message = f"its {entity.replace('_', ' ')} cannot be read: {error}"
    return Invalid(entity, project, project, "project", message, project, shown={"project": project})


def header_of(record: Record, project: str) -> Header:
    return Header(
        id=record.id,
        number=record.number,
        scope=project,
        status=getattr(record, "status", None),
        amount=getattr(record, "amount", None),
        updated_at=record.updated_at,
        origin_id=record.origin_id,
        deleted=record.deleted,
    )


class Listed:
    """A document as its list shows it. ``group``: which of several lists of one entity it stands in (a kind of contract)."""

    __slots__ = ("_row", "group", "header")

    def __init__(self, header: Header, row: Raw, group: str = "") -> None:
        self.header, self.group = header, group
        self._row: Raw | bytes = row

    @property
    def row(self) -> Raw:
        found: Raw = pickle.loads(self._row) if isinstance(self._row, bytes) else self._row  # noqa: S301 - packed here
        return found

    def pack(self) -> Listed:
        """For one that is kept: its row takes a tenth of the room, and is unpacked when somebody looks at it."""
        self._row = pickle.dumps(self.row, pickle.HIGHEST_PROTOCOL)
        return self

    @property
    def order(self) -> tuple[str, int]:
        return self.group, int(self.header.id)


@dataclass(slots=True)
class Shelf:
    """The documents of one project as listed, in their order, and those that do not fit."""

    listed: list[Listed] = field(default_factory=list)
    invalid: list[Invalid] = field(default_factory=list)
    takers: set[str] = field(default_factory=set)
    """The entities whose read has used this copy."""

    @classmethod
    def joined(cls, shelves: Iterable[Shelf]) -> Shelf:
        found = cls()
        for shelf in shelves:
            found.listed += shelf.listed
            found.invalid += shelf.invalid
        return found

    def only(self, ids: set[str]) -> Shelf:
        return Shelf([one for one in self.listed if one.header.id in ids], [bad for bad in self.invalid if bad.id in ids])


class Documents(ABC):
    """Documents of projects: a project's are listed, those in the window (or asked for by their header) are read in full.

    Lists with a filter on ``updated_at`` are filtered by Procore, unless headers outside the window are asked for as well.
    """

    page_size: int = DETAIL_PAGE
    light: ClassVar[bool] = True
    """Whether rows are small: many are listed for the sake of a few headers, or held at once."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        self._desk = desk
        self._lists = desk.lists
        self.row = row

    @property
    def resource(self) -> Resource:
        return self.row.resource

    @property
    def takes_ids(self) -> bool:
        """Whether the list can be asked for some ids only."""
        return "id" in self.resource.filters

    # -- what an entity has of its own

    @abstractmethod
    def header(self, row: Row, project: str, group: str) -> Header | None:
        """The header of a row; None for a row of the list that is another entity's."""

    @abstractmethod
    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        """The record of each chosen document, in this order; None for one that is gone meanwhile."""

    def prepare(self, project: str) -> None:  # noqa: B027 - most documents refer to nothing
        """Look up what a project's documents refer to; called once before a project is listed."""

    def rows(self, project: str, window: Window | None, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """(group, raw row) of a project's list, perhaps more than asked for. ``ids``: only these are of interest."""
        return (("", row) for row in self._lists.all(self.resource, project=project, extra=self.filters(window, ids)))

    def filters(self, window: Window | None, ids: Sequence[str]) -> list[tuple[str, str]]:
        chosen = ids_filter(self.resource, ids) if ids and self.takes_ids else []
        return [*updated(self.resource, window), *chosen]

    # -- what all have in common

    def fit(self, row: Any, project: str, build: Callable[..., Found], *given: Any) -> Found | Invalid:
        """``build(row, *given)``, or what is in the way."""
        found = self.row.fit(row, lambda found: build(found, *given), scope=project, known=self.known(given))
        return replace(found, number=self.called(found, project)) if isinstance(found, Invalid) else found

    def known(self, given: Sequence[Any]) -> Mapping[str, str | None]:
        """What is known of a record without its row, by what its builder is given."""
        return {}

    def called(self, bad: Invalid, project: str) -> str:
        """Number that people know an unreadable record by."""
        return bad.number

    def unread(self, one: Listed, project: str, error: OddReply) -> Invalid:
        """A document whose own reply cannot be read: it stops alone."""

        def refuse(row: Row) -> Invalid:
            raise error

        found = self.fit(one.row, project, refuse)
        assert isinstance(found, Invalid)
        return found

    def list(self, project: str, window: Window | None = None, ids: Sequence[str] = ()) -> Shelf:
        shelf = Shelf()
        for group, row in self.rows(project, window, ids):
            header = self.fit(row, project, self.header, project, group)
            if isinstance(header, Invalid):
                shelf.invalid.append(header)
            elif header is not None:
                shelf.listed.append(Listed(header, row, group))
        shelf.listed.sort(key=lambda one: one.order)
        return shelf

    def shelf(self, project: str, window: Window | None) -> Shelf:
        """What a read goes by; a reader that remembers its lists answers from memory."""
        return self.list(project, window)

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        projects = self._lists.project_ids(scopes)
        return by_scope(
            self.row.name, [*projects], cursor, lambda project, after: self._read_project(str(project), window, after, also)
        )

    def _read_project(self, project: str, window: Window, after: Sequence[str] | None, also: Also) -> Iterator[Page]:
        self.prepare(project)
        shelf = self.shelf(project, None if also is not None and self.light else window)
        asked = {one.header.id for one in shelf.listed if one.header.odd or (also is not None and also(one.header))}
        chosen = [one for one in shelf.listed if window.covers(one.header.updated_at) or one.header.id in asked]
        if after is not None:
            chosen = [one for one in chosen if one.order > (after[0], int(after[1]))]
        for page in self.pages(project, chosen, () if after else shelf.invalid):
            # Some documents tell their time only when shown.
            page.records = [found for found in page.records if window.covers(found.updated_at) or found.id in asked]
            yield page

    def pages(self, project: str, chosen: Sequence[Listed], invalid: Iterable[Invalid] = ()) -> Iterator[Page]:
        """Pages of ``page_size``; where the call budget ends in between, what was read so far, before the error."""
        page, index, details = Page([], list(invalid)), 0, iter(self.details(project, chosen))

        def upto(index: int) -> Page:
            last = chosen[index - 1]
            page.cursor = {"after": [last.group, last.header.id]}
            return page

        while True:
            try:
                built = next(details)
            except StopIteration:
                break
            except RetryLater:
                if index % self.page_size:
                    yield upto(index)
                raise
            index += 1
            if built is not None:
                put(page, built)
            if index % self.page_size == 0 and index < len(chosen):
                yield upto(index)
                page = Page([])
        yield page

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        project = str(scope)
        self.prepare(project)
        batches = chunks(ids, ID_BATCH if self.takes_ids else max(len(ids), 1))
        shelves = (self.list(project, ids=batch).only(set(batch)) for batch in batches)
        left = set(ids)
        # What the documents of a project share (the lines of all direct costs, say) is then read once for all of them.
        for shelf in [Shelf.joined(shelves)] if self.light else shelves:
            left -= {one.header.id for one in shelf.listed} | {bad.id for bad in shelf.invalid}
            yield from self.pages(project, shelf.listed, shelf.invalid)
        yield from self._asked(project, sorted(left))

    MAY_HIDE: ClassVar[bool] = False
    """Whether a document of a project that is open to us may be closed to us all the same (private): a 404 tells nothing then."""

    def _asked(self, project: str, ids: Sequence[str]) -> Iterator[Page]:
        """Those that the list does not show, asked for one by one: a list may miss a row, and no list tells why."""
        for ident in ids:
            page = Page([])
            try:
                one = self.find(project, ident)
            except (NotPermitted, OddReply):
                one = None
                page.hidden.append(ident)
            if isinstance(one, Listed):
                yield from self.pages(project, [one])
            elif isinstance(one, Invalid):
                page.invalid.append(one)
            elif self.MAY_HIDE:
                page.hidden.append(ident)
            yield page

    def kinds(self) -> Mapping[str, Resource]:
        """Group -> resource that shows one of its records."""
        return {"": self.resource}

    def find(self, project: str, ident: str) -> Listed | Invalid | None:
        """One document, shown by its id; None: Procore says 404.

        :raises NotPermitted: Procore says 403.
        """
        for group, resource in self.kinds().items():
            if resource.show is None:
                continue
            row = self._lists.show_or_none(resource, ident, project=project)
            if row is not None:
                header = self.fit(row, project, self.header, project, group)
                return Listed(header, row, group) if isinstance(header, Header) else header
        return None

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._lists.project_ids(scopes):
            self.prepare(project)
            shelf = self.list(project)
            yield from (one.header.id for one in shelf.listed if not one.header.deleted)
            # A record that cannot be read is there all the same.
            yield from (invalid.id for invalid in shelf.invalid)


class CompanyList:
    """A company-wide list whose rows are whole records (``ProcoreEntity.build``): given in full, page by page."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        self._desk = desk
        self._lists = desk.lists
        self.row = row

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        resource, seen = self.row.resource, set[str]()
        for rows in self._lists.pages(resource, extra=updated(resource, window), start=cursor["url"] if cursor else None):
            following = {"url": rows.next_url} if rows.next_url else None
            yield page_of((self.build(row) for row in unseen(rows.rows, seen)), window, following)

    def build(self, row: Any) -> Built:
        return self.row.record(row, self._desk.system)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        yield page_of((self.build(row) for row in self._lists.by_ids(self.row.resource, ids).values()), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        return (row_id(row) for row in self._lists.objects(self.row.resource) if not row.get("deleted_at"))


class ProjectList(ABC):
    """Records of a project whose row is their whole content, in one list without a time filter: given in full."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        self._desk = desk
        self._lists = desk.lists
        self.row = row

    @abstractmethod
    def built(self, project: str) -> Iterator[Built]: ...

    def fit(self, row: Any, project: str, build: Callable[..., Record], *given: Any) -> Built:
        return self.row.fit(row, lambda found: build(found, *given), scope=project)

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        def pages(project: str | None, _: Any) -> Iterator[Page]:
            yield page_of(self.built(str(project)), window)

        return by_scope(self.row.name, [*self._lists.project_ids(scopes)], cursor, pages)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        chosen = set(ids)
        yield page_of((one for one in self.built(str(scope)) if one.id in chosen), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._lists.project_ids(scopes):
            yield from (one.id for one in self.built(project) if isinstance(one, Invalid) or not one.deleted)
