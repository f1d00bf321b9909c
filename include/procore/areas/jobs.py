"""Projects, their sub jobs, and the company's tax codes (docs/procore-contract.md 3.3, 3.6, 3.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.financials.entities.jobs import Project, SubJob, TaxCode
from include.financials.exceptions import NotPermitted
from include.financials.money import ZERO
from include.financials.port import Page, Window
from include.procore import payloads
from include.procore.building import currency, project_number
from include.procore.entity import Also, Cursor, ProcoreEntity, Write
from include.procore.exceptions import OddReply
from include.procore.lists import ID_BATCH, Lists, Raw, ids_filter, row_id, unseen
from include.procore.parse import Row, common
from include.procore.payloads import day, same
from include.procore.reading.base import Built, CompanyList, ProjectList, page_of, put, updated
from include.procore.resources import Resource
from include.procore.writing import plans
from include.procore.writing.single import Single
from include.procore.writing.way import company, project_of

PROJECTS = Resource(
    "projects",
    docs="3.3",
    list="/rest/v1.1/projects",
    show="/rest/v1.0/projects/{id}",
    company="query",
    wrapper="project",
    per_page=300,
    params={"view": "extended", "filters[by_status]": "All"},
    filters=frozenset({"id", "origin_id", "created_at", "updated_at", "project_number", "by_status"}),
    update="/rest/v1.0/projects/{id}",
    write_scope=("company",),
    sync="/rest/v1.0/projects/sync",
    origin_code="patch",
    web="/{id}/project/home",
    events=("Projects",),
)
SUB_JOBS = Resource(
    "sub_jobs",
    docs="3.6",
    list="/rest/v1.0/sub_jobs",
    project="query",
    wrapper="sub_job",
    sync="/rest/v1.0/sub_jobs/sync",
    sync_scope="both",
    web="/{project}/project/admin/work_breakdown_structure",
    events=("Sub Jobs",),
)
TAX_CODES = Resource(
    "tax_codes",
    docs="3.7",
    list="/rest/v1.0/tax_codes",
    company="query",
    wrapper="tax_code",
    per_page=100,
    sync="/rest/v1.0/tax_codes/sync",
    web="/{company}/company/admin/taxes",
)
RESOURCES = (PROJECTS, SUB_JOBS, TAX_CODES)

# -- building -----------------------------------------------------------------------------------------------------------------


def project(row: Row, system: str, scope: str | None = None) -> Project:
    """A project without a number (a test or template project) is known by its name; it can match no job."""
    return Project(
        **common(row, system),
        number=project_number(row),
        name=row.required("name"),
        status="open" if row.flag("active", True) else "closed",
        currency=currency(row),
        start_date=row.day("start_date"),
        completion_date=row.day("completion_date"),
    )


def sub_job(row: Row, system: str, scope: str | None) -> SubJob:
    return SubJob(**common(row, system), number=row.required("code"), project=str(scope), name=row.required("name"))


def tax_code(row: Row, system: str, scope: str | None = None) -> TaxCode:
    rate = row.decimal("rate1", 6)
    return TaxCode(
        **common(row, system),
        number=row.required("code"),
        description=row.text("description"),
        rate=ZERO if rate is None else rate,
        active=not row.flag("archived", False),
    )


# -- reading ------------------------------------------------------------------------------------------------------------------


def sub_job_rows(lists: Lists, project: str, *, again: bool = False) -> list[Raw]:
    """The sub jobs of one project; remembered, so that reading codes and lines after them costs nothing."""
    return lists.remembered((SUB_JOBS.name, project), lambda: lists.objects(SUB_JOBS, project=project), again=again)


def sub_job_codes(lists: Lists, project: str) -> dict[str, str]:
    """Sub job id -> code, of one project."""
    return {row_id(row): str(row.get("code") or "") for row in sub_job_rows(lists, project)}


class Projects(CompanyList):
    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        wanted = set(scopes) if scopes is not None else None
        if wanted is not None and not wanted:
            yield Page([])
            return
        extra = updated(PROJECTS, window)
        if wanted is not None and len(wanted) <= ID_BATCH:
            extra += ids_filter(PROJECTS, sorted(wanted, key=int))
        seen: set[str] = set()
        for rows in self._lists.pages(PROJECTS, extra=extra, start=cursor["url"] if cursor else None):
            chosen = [row for row in unseen(rows.rows, seen) if wanted is None or row_id(row) in wanted]
            yield page_of((self.build(row) for row in chosen), window, {"url": rows.next_url} if rows.next_url else None)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        """A project may be closed to us (its permissions are its own): neither its list nor a 403 or 404 tells of that."""
        page = Page([])
        found = self._lists.by_ids(PROJECTS, ids)
        for ident in dict.fromkeys(ids):
            try:
                row = found.get(ident) or self._lists.show_or_none(PROJECTS, ident)
            except (NotPermitted, OddReply):
                row = None
            if row is None:
                page.hidden.append(ident)
            else:
                put(page, self.build(row))
        yield page

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        return iter(self._lists.project_ids(scopes))


class SubJobs(ProjectList):
    def built(self, project: str) -> Iterator[Built]:
        for row in sub_job_rows(self._lists, project, again=True):
            yield self.row.record(row, self._desk.system, project)


# -- writing ------------------------------------------------------------------------------------------------------------------

_PROJECT: payloads.Fields = {
    "name": same("name"),
    "number": same("number", "project_number"),
    # A soft-closed job still takes cost, so its project stays usable.
    "active": same("active"),
    "start_date": day("start_date"),
    "completion_date": day("completion_date"),
}
_SUB_JOB: payloads.Fields = {"number": same("number", "code"), "name": same("name")}
_TAX_CODE: payloads.Fields = {
    "number": same("number", "code"),
    "description": same("description"),
    "rate": same("rate", "rate1"),
    "active": lambda item: {"archived": not getattr(item.record, "active", True)},
}
# projects/sync does not take origin_code (2.1).
_NUMBER = Write("origin_code", Single(PROJECTS, payloads.numbered, company, looks=True), "numbered in Procore", batch=1)

ENTITIES = (
    ProcoreEntity(
        "projects",
        resources=(PROJECTS,),
        names=("project_number", "name"),
        reader=Projects,
        build=project,
        shown={"number": ("project_number", "name"), "name": ("name",)},
        writes={action: (*writes, _NUMBER) for action, writes in plans.records(PROJECTS, _PROJECT).items()},
    ),
    ProcoreEntity(
        "sub_jobs",
        resources=(SUB_JOBS,),
        names=("code", "name"),
        reader=SubJobs,
        build=sub_job,
        shown={"number": ("code",)},
        writes=plans.records(SUB_JOBS, _SUB_JOB, place=project_of),
    ),
    ProcoreEntity(
        "tax_codes",
        resources=(TAX_CODES,),
        names=("code",),
        reader=CompanyList,
        build=tax_code,
        shown={"number": ("code",)},
        writes=plans.records(TAX_CODES, _TAX_CODE),
    ),
)
