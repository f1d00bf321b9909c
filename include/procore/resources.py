"""Procore's endpoints as data: where each resource lives, how it is scoped, filtered, synced, locked and shown in the browser.

Facts from docs/procore-contract.md; ``docs`` names the section. A new resource is a row here and nothing else in this package's
transport. Paths hold ``{company}``, ``{project}``, ``{contract}``, ``{segment}`` and ``{id}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Place = Literal["body", "query", "path", "none"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the REST API.

    ``company`` and ``project`` say where the scope id goes in lists (``none``: not at all). ``params`` go with every list call.
    ``filters`` are the filters the list is documented to honour; ``ids`` is how a list of ids is written: ``brackets`` for
    ``filters[id][]=1&filters[id][]=2``, ``json`` for ``filters[id]=[1,2]``. ``per_page`` is the most we ask for (advice is to
    stay within 2,000, and servers may give less); 0: the list has no pages.

    ``sync`` is the path of the sync action, ``sync_scope`` where the scope ids go in it. ``origin_code``: ``sync`` when the sync
    action takes it, ``patch`` when only the single update does, ``none`` when the resource has no such field.
    """

    name: str
    docs: str
    list: str
    show: str | None = None
    company: Place = "none"
    project: Place = "none"
    wrapper: str | None = None
    per_page: int = 1000
    params: Mapping[str, str] = field(default_factory=dict)
    filters: frozenset[str] = frozenset()
    ids: Literal["brackets", "json"] = "brackets"
    sync: str | None = None
    sync_scope: Place = "body"
    sync_method: Literal["PATCH", "POST"] = "PATCH"
    sync_key: str = "updates"
    sync_batch: int = 1000
    origin_id: bool = True
    origin_code: Literal["sync", "patch", "none"] = "none"
    lock: Literal["none", "status", "origin_id"] = "none"
    web: str | None = None


_ROWS = (
    Resource(
        "vendors",
        docs="3.1",
        list="/rest/v1.0/vendors",
        show="/rest/v1.0/vendors/{id}",
        company="query",
        wrapper="vendor",
        params={"view": "extended"},
        filters=frozenset({"id", "origin_id", "created_at", "updated_at", "search", "parent_id"}),
        sync="/rest/v1.0/vendors/sync",
        origin_code="sync",
        web="/{company}/company/directory/vendors/{id}",
    ),
    Resource(
        "inactive_vendors",
        docs="3.1",
        list="/rest/v1.0/companies/{company}/vendors/inactive",
        company="path",
        params={"view": "extended"},
        web="/{company}/company/directory/vendors/{id}",
    ),
    Resource(
        "projects",
        docs="3.3",
        list="/rest/v1.1/projects",
        show="/rest/v1.0/projects/{id}",
        company="query",
        wrapper="project",
        per_page=300,
        params={"view": "extended", "filters[by_status]": "All"},
        filters=frozenset({"id", "origin_id", "created_at", "updated_at", "project_number", "by_status"}),
        sync="/rest/v1.0/projects/sync",
        origin_code="patch",
        web="/{id}/project/home",
    ),
    Resource(
        "cost_types",
        docs="3.6",
        list="/rest/v1.0/line_item_types",
        company="query",
        wrapper="line_item_type",
        filters=frozenset({"origin_id"}),
        sync="/rest/v1.0/line_item_types/sync",
        web="/{company}/company/admin/work_breakdown_structure",
    ),
    Resource(
        "standard_cost_code_lists",
        docs="3.4",
        list="/rest/v1.0/standard_cost_code_lists",
        company="query",
        wrapper="standard_cost_code_list",
        origin_id=False,
    ),
    Resource(
        "standard_cost_codes",
        docs="3.4",
        list="/rest/v1.0/standard_cost_codes",
        company="query",
        wrapper="standard_cost_code",
        params={"view": "extended"},
        filters=frozenset({"origin_id"}),
        sync="/rest/v1.0/standard_cost_codes/sync",
        web="/{company}/company/admin/work_breakdown_structure",
    ),
    Resource(
        "cost_codes",
        docs="3.5",
        list="/rest/v1.0/cost_codes",
        show="/rest/v1.0/cost_codes/{id}",
        project="query",
        wrapper="cost_code",
        filters=frozenset({"id", "origin_id"}),
        ids="json",
        sync="/rest/v1.0/cost_codes/sync",
        sync_scope="query",
        web="/{project}/project/admin/work_breakdown_structure",
    ),
    Resource("sub_jobs", docs="3.6", list="/rest/v1.0/sub_jobs", project="query", wrapper="sub_job"),
    Resource(
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
    ),
    Resource(
        "wbs_segments",
        docs="4",
        list="/rest/v1.0/projects/{project}/work_breakdown_structure/segments",
        project="path",
        per_page=0,
        origin_id=False,
    ),
    Resource(
        "wbs_segment_items",
        docs="4",
        list="/rest/v1.0/projects/{project}/work_breakdown_structure/segments/{segment}/segment_items",
        project="path",
        origin_id=False,
    ),
    Resource(
        "work_order_contracts",
        docs="5.1",
        list="/rest/v1.0/work_order_contracts",
        show="/rest/v1.0/work_order_contracts/{id}",
        project="query",
        wrapper="work_order_contract",
        params={"view": "extended", "filters[include_deleted]": "with"},
        filters=frozenset({"id", "status", "origin_id", "created_at", "updated_at", "include_deleted"}),
        sync="/rest/v1.0/work_order_contracts/sync",
        origin_code="sync",
        lock="status",
        web="/{project}/project/commitments/work_order_contracts/{id}",
    ),
    Resource(
        "purchase_order_contracts",
        docs="5.1",
        list="/rest/v1.0/purchase_order_contracts",
        show="/rest/v1.0/purchase_order_contracts/{id}",
        project="query",
        wrapper="purchase_order_contract",
        params={"view": "extended", "filters[include_deleted]": "with"},
        filters=frozenset({"id", "status", "origin_id", "created_at", "updated_at", "include_deleted"}),
        sync="/rest/v1.0/purchase_order_contracts/sync",
        origin_code="sync",
        lock="status",
        web="/{project}/project/commitments/purchase_order_contracts/{id}",
    ),
    Resource(
        "work_order_contract_lines",
        docs="5.1",
        list="/rest/v1.0/work_order_contracts/{contract}/line_items",
        project="query",
        wrapper="line_item",
        filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
        sync="/rest/v1.0/work_order_contracts/{contract}/line_items/sync",
        sync_scope="query",
        lock="status",
    ),
    Resource(
        "purchase_order_contract_lines",
        docs="5.1",
        list="/rest/v1.0/purchase_order_contracts/{contract}/line_items",
        project="query",
        wrapper="line_item",
        filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
        sync="/rest/v1.0/purchase_order_contracts/{contract}/line_items/sync",
        sync_scope="query",
        lock="status",
    ),
)

RESOURCES: dict[str, Resource] = {row.name: row for row in _ROWS}

CONTRACTS: dict[str, str] = {"subcontract": "work_order_contracts", "purchase_order": "purchase_order_contracts"}
"""Kind of a commitment -> resource; its lines are ``{resource without s}_lines``."""

ENTITY_RESOURCES: dict[str, str] = {
    "vendors": "vendors",
    "customers": "vendors",
    "projects": "projects",
    "cost_types": "cost_types",
    "cost_codes": "cost_codes",
}
"""Entity -> resource that holds its records. Owners are directory companies; commitments go by kind, standard codes by scope."""

BASE_TYPES: dict[str, str] = {
    "labor": "labor",
    "material": "materials",
    "subcontract": "commitment",
    "equipment": "equipment",
    "other": "other",
}
"""Category of an ERP cost type -> Procore's ``base_type``; a value that is one of Procore's already is sent as it is."""

WEB_HOSTS: dict[str, str] = {
    "api.procore.com": "https://app.procore.com",
    "api-monthly.procore.com": "https://api-sandbox-monthly.procore.com",
    "api.procoregov.com": "https://app.procoregov.com",
}
"""API host -> host of the pages for people; the developer sandbox (and ours) serves both from one host."""


def lines_of(kind: str) -> Resource:
    """The SOV lines of a kind of commitment."""
    return RESOURCES[f"{CONTRACTS[kind][:-1]}_lines"]


def web_url(base_url: str, resource: Resource, *, company: str, project: str | None, record_id: str) -> str | None:
    """The record's page in the browser, None for a resource without one (or a project's record without its project)."""
    if resource.web is None or ("{project}" in resource.web and not project):
        return None
    host = WEB_HOSTS.get(urlsplit(base_url).hostname or "", base_url)
    return host + resource.web.format(company=company, project=project, id=record_id)
