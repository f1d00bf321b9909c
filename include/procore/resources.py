"""Procore's endpoints as data: where each resource lives, how it is scoped, filtered, synced, locked and shown in the browser.

Facts from docs/procore-contract.md; ``docs`` names the section. A new resource is a row here and nothing else in this package's
transport. Paths hold ``{company}``, ``{project}``, ``{parent}`` (the record that a list hangs on: the contract of lines, the
segment of its items, the view of its rows, the vendor of insurances) and ``{id}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Place = Literal["body", "query", "path", "both", "none"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the REST API.

    ``company``, ``project`` and ``contract`` say where the scope id goes in lists (``none``: not at all). ``params`` go with
    every list call, ``show_params`` with a single record's.
    ``filters`` are the filters the list is documented to honour; ``ids`` is how a list of ids is written: ``brackets`` for
    ``filters[id][]=1&filters[id][]=2``, ``json`` for ``filters[id]=[1,2]``. ``per_page`` is the most we ask for (advice is to
    stay within 2,000, and servers may give less); 0: the list has no pages.

    ``create`` is the path of a single POST, ``update`` that of a single PATCH (and DELETE), where they are used; ``write_scope``
    are the ids that go in its body beside the record (``company``, ``project``, ``commitment``, ``contract``); ids in its path
    or query are not among them.

    ``sync`` is the path of the sync action, ``sync_scope`` where the scope ids go in it (``both``: body and query).
    ``origin_code``: ``sync`` when the sync action takes it, ``patch`` when only the single update does, ``none`` when the
    resource has no such field. ``permission``: what the service account needs for its writes beyond seeing it.
    ``lock``: what makes a record unchangeable (docs/procore-contract.md 2.4).
    ``events``: the names under which webhooks tell of its records (7.4, *third party*; Procore's own list is asked before they
    are used); empty: no event tells of them, they are found by reading.
    """

    name: str
    docs: str
    list: str
    show: str | None = None
    company: Place = "none"
    project: Place = "none"
    contract: Place = "none"
    wrapper: str | None = None
    per_page: int = 1000
    params: Mapping[str, str] = field(default_factory=dict)
    show_params: Mapping[str, str] = field(default_factory=dict)
    filters: frozenset[str] = frozenset()
    ids: Literal["brackets", "json"] = "brackets"
    create: str | None = None
    update: str | None = None
    write_scope: tuple[str, ...] = ()
    sync: str | None = None
    sync_scope: Place = "body"
    sync_method: Literal["PATCH", "POST"] = "PATCH"
    sync_key: str = "updates"
    sync_batch: int = 1000
    origin_id: bool = True
    origin_code: Literal["sync", "patch", "none"] = "none"
    lock: Literal["none", "status", "origin_id"] = "none"
    permission: str | None = None
    web: str | None = None
    events: tuple[str, ...] = ()


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
        events=("Company Vendors",),
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
        update="/rest/v1.0/projects/{id}",
        write_scope=("company",),
        sync="/rest/v1.0/projects/sync",
        origin_code="patch",
        web="/{id}/project/home",
        events=("Projects",),
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
        events=("Line Item Types",),
    ),
    Resource(
        "company_wbs_segments",
        docs="4",
        list="/rest/v1.0/companies/{company}/work_breakdown_structure/segments",
        company="path",
        per_page=0,
        origin_id=False,
    ),
    Resource(
        "cost_code_lists",
        docs="3.4",
        list="/rest/v1.0/companies/{company}/work_breakdown_structure/segments/{parent}/lists",
        company="path",
        per_page=0,
        origin_id=False,
        events=("Standard Cost Code Lists",),
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
        events=("Standard Cost Codes",),
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
        events=("Cost Codes",),
    ),
    Resource(
        "sub_jobs",
        docs="3.6",
        list="/rest/v1.0/sub_jobs",
        project="query",
        wrapper="sub_job",
        sync="/rest/v1.0/sub_jobs/sync",
        sync_scope="both",
        web="/{project}/project/admin/work_breakdown_structure",
        events=("Sub Jobs",),
    ),
    Resource(
        "tax_codes",
        docs="3.7",
        list="/rest/v1.0/tax_codes",
        company="query",
        wrapper="tax_code",
        per_page=100,
        sync="/rest/v1.0/tax_codes/sync",
        web="/{company}/company/admin/taxes",
    ),
    Resource(
        "vendor_insurances",
        docs="3.2",
        list="/rest/v1.0/companies/{company}/insurances",
        company="path",
        wrapper="insurance",
        sync="/rest/v1.0/companies/{company}/insurances/sync",
        sync_scope="path",
        lock="origin_id",
        web="/{company}/company/directory/vendors/{parent}",
    ),
    Resource(
        "budget_views",
        docs="3.8",
        list="/rest/v1.0/budget_views",
        project="query",
        origin_id=False,
    ),
    Resource(
        "budget_rows",
        docs="3.8",
        list="/rest/v1.0/budget_views/{parent}/detail_rows",
        project="query",
        params={"budget_row_type": "budgeted"},
        origin_id=False,
        web="/{project}/project/budget",
    ),
    Resource(
        "budget_lines",
        docs="3.8",
        list="/rest/v1.1/budget_line_items",
        show="/rest/v1.1/budget_line_items/{id}",
        project="query",
        wrapper="budget_line_item",
        create="/rest/v1.1/budget_line_items",
        update="/rest/v1.1/budget_line_items/{id}",
        write_scope=("project",),
        sync="/rest/v1.0/budget_line_items/sync",
        sync_method="POST",
        sync_key="budget_line_items",
        origin_id=False,
        web="/{project}/project/budget",
        events=("Budget Line Items",),
    ),
    Resource(
        "budgets",
        docs="3.8",
        list="/rest/v1.0/projects/{project}/budget",
        show="/rest/v1.0/projects/{project}/budget",
        project="path",
        per_page=0,
        origin_id=False,
        web="/{project}/project/budget",
    ),
    Resource(
        "budget_changes",
        docs="3.8",
        list="/rest/v1.0/projects/{project}/budget_changes",
        show="/rest/v1.0/projects/{project}/budget_changes/{id}",
        project="path",
        per_page=0,
        params={"exclude_custom_fields": "true"},
        origin_id=False,
        web="/{project}/project/budget/budget_changes/{id}",
        events=("Budget Changes",),
    ),
    Resource(
        "direct_costs",
        docs="3.9",
        list="/rest/v1.1/projects/{project}/direct_costs",
        show="/rest/v1.1/projects/{project}/direct_costs/{id}",
        project="path",
        wrapper="direct_cost",
        filters=frozenset({"id", "origin_id", "invoice_number", "created_at", "updated_at", "payment_date", "received_date"}),
        create="/rest/v1.1/projects/{project}/direct_costs",
        update="/rest/v1.1/projects/{project}/direct_costs/{id}",
        sync="/rest/v1.0/projects/{project}/direct_costs/sync",
        sync_scope="path",
        lock="origin_id",
        web="/{project}/project/direct_costs/{id}",
        events=("Direct Costs",),
    ),
    Resource(
        "direct_cost_lines",
        docs="3.9",
        list="/rest/v1.0/projects/{project}/direct_costs/line_items",
        project="path",
        wrapper="line_item",
        filters=frozenset({"direct_cost_id", "id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
        sync="/rest/v1.0/projects/{project}/direct_costs/line_items/sync",
        sync_scope="path",
        lock="origin_id",
        events=("Direct Cost Line Items",),
    ),
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
        list="/rest/v1.0/projects/{project}/work_breakdown_structure/segments/{parent}/segment_items",
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
        update="/rest/v1.0/work_order_contracts/{id}",
        write_scope=("project",),
        sync="/rest/v1.0/work_order_contracts/sync",
        origin_code="sync",
        lock="status",
        web="/{project}/project/commitments/work_order_contracts/{id}",
        events=("Work Order Contracts",),
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
        update="/rest/v1.0/purchase_order_contracts/{id}",
        write_scope=("project",),
        origin_code="patch",
        lock="status",
        web="/{project}/project/commitments/purchase_order_contracts/{id}",
        events=("Purchase Order Contracts",),
    ),
    Resource(
        "work_order_contract_lines",
        docs="5.1",
        list="/rest/v1.0/work_order_contracts/{parent}/line_items",
        project="query",
        wrapper="line_item",
        filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
        sync="/rest/v1.0/work_order_contracts/{parent}/line_items/sync",
        sync_scope="query",
        lock="status",
        events=("Work Order Contract Line Items",),
    ),
    Resource(
        "purchase_order_contract_lines",
        docs="5.1",
        list="/rest/v1.0/purchase_order_contracts/{parent}/line_items",
        project="query",
        wrapper="line_item",
        filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
        sync="/rest/v1.0/purchase_order_contracts/{parent}/line_items/sync",
        sync_scope="query",
        lock="status",
        events=("Purchase Order Contract Line Items",),
    ),
    Resource(
        "change_order_packages",
        docs="5.3",
        list="/rest/v1.0/change_order_packages",
        show="/rest/v1.0/change_order_packages/{id}",
        project="query",
        wrapper="change_order",
        params={"filters[include_deleted]": "with"},
        filters=frozenset(
            {
                "id",
                "created_at",
                "updated_at",
                "reviewed_at",
                "due_date",
                "include_deleted",
                "invoiced_date",
                "paid_date",
                "signed_change_order_received_date",
            }
        ),
        create="/rest/v1.0/change_order_packages",
        update="/rest/v1.0/change_order_packages/{id}",
        write_scope=("project",),
        origin_code="patch",
        lock="status",
        web="/{project}/project/change_orders/change_order_packages/{id}",
        events=("Change Order Packages", "Change Order Requests", "Potential Change Orders", "Potential Change Order Line Items"),
    ),
    Resource(
        "commitment_change_orders",
        docs="5.3",
        list="/rest/v1.0/projects/{project}/commitment_change_orders",
        show="/rest/v1.0/projects/{project}/commitment_change_orders/{id}",
        project="path",
        per_page=0,
        filters=frozenset({"id", "legacy_package_id", "contract_id", "vendor_id", "status", "executed", "updated_at"}),
        origin_id=False,
        lock="status",
    ),
    Resource(
        "commitment_change_order_lines",
        docs="5.3",
        list="/rest/v2.0/companies/{company}/projects/{project}/commitment_change_orders/{parent}/line_items",
        company="path",
        project="path",
        per_page=100,
        origin_id=False,
        lock="status",
    ),
    Resource(
        "requisitions",
        docs="6.2",
        list="/rest/v1.1/requisitions",
        show="/rest/v1.1/requisitions/{id}",
        project="query",
        wrapper="requisition",
        per_page=100,
        params={"view": "items"},
        show_params={"view": "items"},
        filters=frozenset({"id", "commitment_id", "period_id", "status", "created_at", "updated_at", "origin_id", "is_last"}),
        update="/rest/v1.1/requisitions/{id}",
        write_scope=("project", "commitment"),
        permission="the permission Admin on the tool Commitments: Procore asks for it when an invoice is approved or not the "
        "latest of its commitment",
        lock="origin_id",
        web="/{project}/project/commitments/requisitions/{id}",
    ),
    Resource(
        "requisition_change_items",
        docs="6.2",
        list="/rest/v1.0/requisitions/{parent}/change_order_items",
        project="query",
        filters=frozenset({"change_order_id"}),
        origin_id=False,
    ),
    Resource(
        "contract_payments",
        docs="6.3",
        list="/rest/v1.0/contract_payments",
        show="/rest/v1.0/contract_payments/{id}",
        project="query",
        contract="query",
        wrapper="contract_payment",
        create="/rest/v1.0/contract_payments",
        update="/rest/v1.0/contract_payments/{id}",
        write_scope=("project", "contract"),
        lock="origin_id",
        events=("Contract Payments",),
    ),
    Resource(
        "prime_contracts",
        docs="6.4",
        list="/rest/v1.0/prime_contracts",
        show="/rest/v1.0/prime_contract/{id}",
        project="query",
        wrapper="prime_contract",
        filters=frozenset({"id", "updated_at"}),
        create="/rest/v1.0/prime_contract",
        update="/rest/v1.0/prime_contract/{id}",
        write_scope=("project",),
        web="/{project}/project/prime_contracts/{id}",
        events=("Prime Contracts",),
    ),
    Resource(
        "prime_contract_lines",
        docs="6.4",
        list="/rest/v1.0/prime_contracts/{parent}/line_items",
        project="query",
        wrapper="line_item",
        filters=frozenset({"id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
        sync="/rest/v1.0/prime_contracts/{parent}/line_items/sync",
        sync_scope="query",
        events=("Prime Contract Line Items",),
    ),
    Resource(
        "payment_applications",
        docs="6.5",
        list="/rest/v1.0/payment_applications",
        show="/rest/v1.0/payment_applications/{id}",
        project="query",
        wrapper="payment_application",
        per_page=100,
        update="/rest/v1.0/prime_contracts/{parent}/payment_applications/{id}",
        write_scope=("project",),
        lock="origin_id",
        web="/{project}/project/prime_contracts/payment_applications/{id}",
        events=("Payment Applications",),
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
    "vendor_insurances": "vendor_insurances",
    "sub_jobs": "sub_jobs",
    "tax_codes": "tax_codes",
    "budgets": "budgets",
    "budget_changes": "budget_changes",
    "direct_costs": "direct_costs",
    "commitment_change_orders": "change_order_packages",
    "prime_contracts": "prime_contracts",
    "prime_change_orders": "change_order_packages",
    "subcontractor_invoices": "requisitions",
    "owner_invoices": "payment_applications",
    "payments_issued": "contract_payments",
    "payments_received": "contract_payments",
}
"""Entity -> resource that holds its records. Owners are directory companies; commitments go by kind, standard codes by scope."""
TOLD_BY: dict[str, tuple[str, ...]] = {
    "commitments": (*CONTRACTS.values(), *(f"{name[:-1]}_lines" for name in CONTRACTS.values())),
    "budgets": ("budget_lines",),
}
"""Entity -> resources whose events tell of it, where it is not the one of :data:`ENTITY_RESOURCES`."""


def events_of(entity: str) -> tuple[str, ...]:
    """The names of the webhooks that tell of an entity's records; empty where Procore has none."""
    names = TOLD_BY.get(entity) or (ENTITY_RESOURCES[entity],)
    return tuple(event for name in names for event in RESOURCES[name].events)


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


def web_base(base_url: str) -> str:
    """Where people open what this API host serves."""
    return WEB_HOSTS.get(urlsplit(base_url).hostname or "", base_url)


def web_url(
    base: str, resource: Resource, *, company: str, project: str | None, record_id: str, parent: str | None = None
) -> str | None:
    """The record's page in the web application at ``base``, None where there is none, or its
    project or parent is not known."""
    given = {"company": company, "project": project, "parent": parent, "id": record_id}
    if resource.web is None or any(not value and f"{{{name}}}" in resource.web for name, value in given.items()):
        return None
    return base + resource.web.format(**given)
