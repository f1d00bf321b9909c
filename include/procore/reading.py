"""Reading Procore: its lists as pages of canonical records (docs/procore-contract.md 3 to 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from include.financials.exceptions import ContractBroken, NotPermitted
from include.financials.identity import parse_origin
from include.financials.models import Commitment, Record
from include.financials.port import Invalid, Page, Window
from include.procore import parse
from include.procore.exceptions import NotFound
from include.procore.lists import ID_BATCH, Lists, Raw, chunks, row_id, unseen
from include.procore.resources import CONTRACTS, ENTITY_RESOURCES, RESOURCES, lines_of
from include.procore.wbs import CodeKey, Wbs

CONTRACT_PAGE = 50
"""Commitments per page: their lines take a call each, so a page is what a crash may cost."""

_ALWAYS, _NEVER = "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
_DIRECTORY = ("vendors", "inactive_vendors")

Cursor = dict[str, Any] | None
Built = Record | Invalid


@dataclass(frozen=True, slots=True)
class Header:
    """A commitment as its list shows it: enough to see a deletion or another sum without reading its lines."""

    id: str
    kind: parse.Kind
    project: str
    number: str
    status: str
    grand_total: Decimal
    updated_at: datetime | None
    origin_id: str | None
    deleted: bool


@dataclass(slots=True)
class _Shelf:
    """The commitments of one project as listed, and those that do not fit."""

    contracts: list[tuple[Header, Raw]] = field(default_factory=list)
    invalid: list[Invalid] = field(default_factory=list)


class Reader:
    """All reads of the port. See :class:`include.procore.system.ProcoreSystem` for their contract."""

    def __init__(self, lists: Lists, wbs: Wbs, erp_system: str) -> None:
        self._lists = lists
        self._wbs = wbs
        self._erp_system = erp_system
        self._spare: dict[tuple[str, Window], Page] = {}
        self._shelves: dict[str, _Shelf] = {}
        self._fresh: set[str] = set()

    def read(
        self, entity: str, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Callable[[Header], bool] | None
    ) -> Iterator[Page]:
        if entity in ("vendors", "customers"):
            return self._one_of_directory(entity, window, cursor)
        if entity == "projects":
            return self._projects(window, scopes, cursor)
        if entity == "cost_types":
            return self._cost_types(window)
        if entity == "cost_codes":
            return self._scoped(entity, self._code_scopes(scopes), cursor, lambda scope, _: self._cost_codes(scope, window))
        projects = self._lists.project_ids(scopes) if entity == "commitments" else []
        if entity == "commitments":
            return self._scoped(
                entity, [*projects], cursor, lambda scope, after: self._commitments(str(scope), window, after, also)
            )
        raise ContractBroken(f"Procore's side does not know the entity {entity!r}")

    def _code_scopes(self, scopes: Sequence[str] | None) -> list[str | None]:
        """Projects, and None for the company's standard list: where it is asked for by an empty scope, or everything is."""
        if scopes is None:
            return [None, *self._lists.project_ids(None)]
        return [scope or None for scope in self._lists.project_ids(scopes)]

    # ------------------------------------------------------------------ company lists

    def directory(self, window: Window, cursor: Cursor) -> Iterator[Page]:
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
            for rows in self._lists.pages(name, extra=_updated(name, window), start=start):
                goes_on = {"list": name, "url": rows.next_url} if rows.next_url else following
                yield _page((self.party(row) for row in unseen(rows.rows, seen)), window, goes_on)

    def party(self, row: Any) -> Built:
        """A directory company: a customer if our external id says so, a vendor otherwise."""
        entity = self.party_entity(row)
        build = parse.customer if entity == "customers" else parse.vendor
        return parse.fit(entity, row, lambda r: build(r, self._erp_system), number=("origin_code", "name"))

    def party_entity(self, row: Any) -> str:
        origin = row.get("origin_id") if isinstance(row, dict) else None
        ours = parse_origin(origin, self._erp_system) if isinstance(origin, str) else None
        return "customers" if ours and ours.entity == "customers" else "vendors"

    def _one_of_directory(self, entity: str, window: Window, cursor: Cursor) -> Iterator[Page]:
        spare = self._spare.pop((entity, window), None) if cursor is None else None
        if spare is not None:
            yield spare
            return
        other = "vendors" if entity == "customers" else "customers"
        rest = Page([])
        for page in self.directory(window, cursor):
            rest.records += [record for record in page.records if record.entity == other]
            rest.invalid += [invalid for invalid in page.invalid if invalid.entity == other]
            # Customers are few; keeping the vendors of a large company for a read that may never come would not be cheap.
            if page.cursor is None and cursor is None and entity == "vendors":
                self._spare[other, window] = rest
            records = [record for record in page.records if record.entity == entity]
            yield Page(records, [invalid for invalid in page.invalid if invalid.entity == entity], page.cursor)

    def _projects(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor) -> Iterator[Page]:
        wanted = set(scopes) if scopes is not None else None
        if wanted is not None and not wanted:
            yield Page([])
            return
        extra = _updated("projects", window)
        if wanted is not None and len(wanted) <= ID_BATCH:
            extra += self._lists.ids_filter("projects", sorted(wanted, key=int))
        seen: set[str] = set()
        for rows in self._lists.pages("projects", extra=extra, start=cursor["url"] if cursor else None):
            chosen = [row for row in unseen(rows.rows, seen) if wanted is None or row_id(row) in wanted]
            yield _page(
                (self.build("projects", row) for row in chosen), window, {"url": rows.next_url} if rows.next_url else None
            )

    def _cost_types(self, window: Window) -> Iterator[Page]:
        rows = self._lists.all("cost_types")
        self._lists.learn_types(rows)
        yield _page((self.build("cost_types", row) for row in rows), window, None)

    def build(self, entity: str, row: Any) -> Built:
        """The record of one raw row, for the entities whose row is their whole content."""
        if entity in ("vendors", "customers"):
            return self.party(row)
        if entity == "projects":
            return parse.fit(entity, row, lambda r: parse.project(r, self._erp_system), number=("project_number", "name"))
        return parse.fit(entity, row, lambda r: parse.cost_type(r, self._erp_system), number=("code", "name"))

    def _scoped(
        self,
        entity: str,
        scopes: Sequence[str | None],
        cursor: Cursor,
        pages: Callable[[str | None, Any], Iterator[Page]],
    ) -> Iterator[Page]:
        """Page after page of each scope. A project that these credentials may not read is reported and the others go on; if that
        is every one of them, the fault is not the project's."""
        begin, after = (scopes.index(cursor["scope"]), cursor.get("after")) if cursor else (0, None)
        refused: list[Exception] = []
        if not scopes:
            yield Page([])
        for index in range(begin, len(scopes)):
            scope = scopes[index]
            following = {"scope": scopes[index + 1]} if index + 1 < len(scopes) else None
            try:
                for page in pages(scope, after):
                    page.cursor = {"scope": scope, **page.cursor} if page.cursor else following
                    yield page
            except (NotPermitted, NotFound) as error:
                if scope is None:
                    raise
                refused.append(error)
                yield Page(
                    [], [Invalid(entity, scope, scope, "project", f"its {entity} cannot be read: {error}", scope)], following
                )
            after = None
        if refused and len(refused) == sum(scope is not None for scope in scopes[begin:]):
            raise NotPermitted(f"Procore refuses the {entity} of every project that was asked for; the last one: {refused[-1]}")

    # ------------------------------------------------------------------ cost codes

    def _cost_codes(self, scope: str | None, window: Window) -> Iterator[Page]:
        yield _page(self.codes(scope), window, None)

    def codes(self, scope: str | None) -> Iterator[Built]:
        """All codes of a project (scope None: of the standard list).

        Level and header follow from the parents, so the whole list is read before the first code is given out. The codes of sub
        jobs are listed apart (3.5), the types come from the project's WBS codes.
        """
        types: dict[CodeKey, set[str]] = {}
        if scope is None:
            rows = self._lists.all("standard_cost_codes", extra=[("standard_cost_code_list_id", self._lists.erp_list())])
        else:
            types = self._wbs.assigned(scope)
            rows = [
                *self._lists.all("cost_codes", project=scope),
                *(
                    row
                    for sub_job in self._lists.sub_jobs(scope)
                    for row in self._lists.all("cost_codes", project=scope, extra=[("sub_job_id", sub_job)])
                ),
            ]
        ids = {code: ident for ident, code in self._lists.type_codes().items()} if types else {}
        parents = {row_id(row): parse.parent_id(row) for row in rows if isinstance(row, dict)}
        headers = set(parents.values())
        for row in unseen(rows):
            has = types.get(_code_key(row), set())
            place = parse.Place(
                scope,
                _level(row_id(row), parents),
                row_id(row) in headers,
                tuple(sorted((ids[code] for code in has if code in ids), key=int)),
            )
            yield self._code(row, place)

    def _code(self, row: Any, place: parse.Place) -> Built:
        return parse.fit(
            "cost_codes",
            row,
            lambda r: parse.cost_code(r, self._erp_system, place),
            scope=place.project,
            number=("full_code", "name"),
        )

    # ------------------------------------------------------------------ commitments

    def headers(self, scopes: Sequence[str] | None) -> Iterator[Header]:
        for project in self._lists.project_ids(scopes):
            if project not in self._shelves:
                self._shelves[project] = self._list_contracts(project)
                self._fresh.add(project)
            yield from (header for header, _ in self._shelves[project].contracts)

    def _shelf(self, project: str) -> _Shelf:
        if project in self._fresh:
            self._fresh.discard(project)
        else:
            self._shelves[project] = self._list_contracts(project)
        return self._shelves[project]

    def _list_contracts(self, project: str, ids: Sequence[str] = ()) -> _Shelf:
        shelf = _Shelf()
        for kind, name in CONTRACTS.items():
            extra = self._lists.ids_filter(name, ids) if ids else ()
            for row in self._lists.all(name, project=project, extra=extra):
                built = self._contract(row, cast(parse.Kind, kind), project, ())
                if isinstance(built, Invalid):
                    shelf.invalid.append(built)
                else:
                    shelf.contracts.append((_header(cast(Commitment, built)), row))
        shelf.contracts.sort(key=lambda pair: (pair[0].kind, int(pair[0].id)))
        return shelf

    def _contract(self, row: Any, kind: parse.Kind, project: str, lines: Sequence[Any]) -> Built:
        return parse.fit(
            "commitments",
            row,
            lambda r: parse.commitment(r, self._erp_system, kind, project, lines),
            scope=project,
            number=("number", "title"),
        )

    def _commitments(
        self, project: str, window: Window, after: Sequence[str] | None, also: Callable[[Header], bool] | None
    ) -> Iterator[Page]:
        shelf = self._shelf(project)
        chosen = [pair for pair in shelf.contracts if window.covers(pair[0].updated_at) or (also is not None and also(pair[0]))]
        if after is not None:
            chosen = [pair for pair in chosen if (pair[0].kind, int(pair[0].id)) > (after[0], int(after[1]))]
        return self._with_lines(project, chosen, () if after else shelf.invalid)

    def _with_lines(self, project: str, chosen: Sequence[tuple[Header, Raw]], invalid: Iterable[Invalid]) -> Iterator[Page]:
        page = Page([], list(invalid))
        for index, (header, row) in enumerate(chosen, 1):
            # The lines of a deleted contract are hidden with it.
            lines = [] if header.deleted else self._lists.all(lines_of(header.kind).name, project=project, contract=header.id)
            _put(page, self._contract(row, header.kind, project, lines))
            if index % CONTRACT_PAGE == 0 and index < len(chosen):
                page.cursor = {"after": [header.kind, header.id]}
                yield page
                page = Page([])
        yield page

    # ------------------------------------------------------------------ by id, keys

    def read_ids(self, entity: str, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        wanted, chosen = list(dict.fromkeys(ids)), set(ids)
        if entity == "commitments":
            for batch in chunks(wanted, ID_BATCH):
                shelf = self._list_contracts(str(scope), batch)
                kept = [pair for pair in shelf.contracts if pair[0].id in chosen]
                yield from self._with_lines(str(scope), kept, [invalid for invalid in shelf.invalid if invalid.id in chosen])
            return
        if entity == "cost_codes":
            built: Iterable[Built] = (record for record in self.codes(scope) if record.id in chosen)
        else:
            built = (self.build(entity, row) for row in self.raw_by_id(entity, wanted).values())
        yield _page((record for record in built if record.entity == entity), Window(), None)

    def raw_by_id(self, entity: str, ids: Sequence[str]) -> dict[str, Raw]:
        """Raw rows of a company list by id; inactive vendors are looked for among their own when not among the active ones."""
        name = ENTITY_RESOURCES[entity]
        found = self._lists.by_ids(name, ids)
        missing = set(ids) - set(found)
        if name == "vendors" and missing:
            found.update(self._lists.by_ids("inactive_vendors", sorted(missing)))
        return found

    def keys(self, entity: str, scopes: Sequence[str] | None) -> Iterator[str]:
        if entity == "projects":
            return iter(self._lists.project_ids(scopes))
        if entity == "commitments":
            return self._contract_keys(scopes)
        if entity == "cost_codes":
            return self._code_keys(scopes)
        names = _DIRECTORY if entity in ("vendors", "customers") else (ENTITY_RESOURCES[entity],)
        seen: set[str] = set()
        rows = (row for name in names for row in unseen(self._lists.objects(name), seen))
        return (row_id(row) for row in rows if entity == "cost_types" or self.party_entity(row) == entity)

    def _contract_keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._lists.project_ids(scopes):
            shelf = self._list_contracts(project)
            yield from (header.id for header, _ in shelf.contracts if not header.deleted)
            # A record that cannot be read is there all the same.
            yield from (invalid.id for invalid in shelf.invalid)

    def _code_keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        for project in self._code_scopes(scopes):
            if project is None:
                rows = self._lists.objects("standard_cost_codes", extra=[("standard_cost_code_list_id", self._lists.erp_list())])
                yield from (row_id(row) for row in rows)
                continue
            for extra in ([], *([("sub_job_id", sub_job)] for sub_job in self._lists.sub_jobs(project))):
                rows = self._lists.objects("cost_codes", project=project, extra=extra)
                yield from (row_id(row) for row in rows if not row.get("deleted_at"))


def _updated(name: str, window: Window) -> list[tuple[str, str]]:
    """The list's own time filter. Procore counts whole seconds; what it gives too much is left out on our side."""
    if "updated_at" not in RESOURCES[name].filters or (window.since is None and window.until is None):
        return []
    since, until = (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else open_end
        for moment, open_end in ((window.since, _ALWAYS), (window.until, _NEVER))
    )
    return [("filters[updated_at]", f"{since}...{until}")]


def _page(built: Iterable[Built], window: Window, cursor: Cursor) -> Page:
    page = Page([], cursor=cursor)
    for record in built:
        if isinstance(record, Invalid) or window.covers(record.updated_at):
            _put(page, record)
    return page


def _put(page: Page, record: Built) -> None:
    if isinstance(record, Invalid):
        page.invalid.append(record)
    else:
        page.records.append(record)


def _header(record: Commitment) -> Header:
    return Header(
        id=record.id,
        kind=record.kind,
        project=record.project,
        number=record.number,
        status=record.status,
        grand_total=record.amount,
        updated_at=record.updated_at,
        origin_id=record.origin_id,
        deleted=record.deleted,
    )


def _code_key(row: Any) -> CodeKey:
    raw: Raw = row if isinstance(row, dict) else {}
    return CodeKey(str(raw.get("biller_id")) if raw.get("biller_type") == "SubJob" else None, str(raw.get("full_code")))


def _level(ident: str, parents: Mapping[str, str | None]) -> int:
    """Number of ancestors; a circle of parents ends at the number of codes there are."""
    level, at = 0, parents.get(ident)
    while at is not None and level <= len(parents):
        level, at = level + 1, parents.get(at)
    return level
