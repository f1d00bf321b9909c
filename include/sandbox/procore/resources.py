"""The resources of this API, one row each. A new entity is a row here, its attributes and its views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from include.sandbox.procore import codes, commitments, directory, wbs
from include.sandbox.procore.commitments import LINES, PURCHASE_ORDERS, STATUSES, WORK_ORDERS
from include.sandbox.procore.schema import Filter, Hooks, Paging, Resource, Sync

V10 = "/rest/v1.0"
LARGE = 2**32

IDS = Filter("equal", ("id",), number=True)
ORIGIN = Filter("equal", ("origin_id",))
CREATED = Filter("range", ("created_at",))
UPDATED = Filter("range", ("updated_at",))
TIMES = {"created_at": CREATED, "updated_at": UPDATED}
IGNORED = Filter("like", ())
"""Filters that a hook answers."""

VENDOR_VIEWS = ("compact", "normal", "erp", "extended", "directory", "summary")

VENDORS = Resource(
    kind="vendors",
    path=f"{V10}/vendors",
    wrapper="vendor",
    scope="company",
    attributes=directory.VENDOR_ATTRIBUTES,
    defaults=directory.VENDOR_DEFAULTS,
    views=directory.VENDOR_VIEWS,
    list_view="extended",
    show_view="extended",
    list_views=VENDOR_VIEWS,
    show_views=VENDOR_VIEWS,
    filters={
        "origin_id": ORIGIN,
        "search": Filter("like", ("name", "abbreviated_name", "trade_name", "origin_code", "ein")),
        "id": IDS,
        "parent_id": Filter("equal", ("parent_id",), number=True),
        **TIMES,
    },
    sorts={"name": "json_extract(doc, '$.name')"},
    hooks=Hooks(conditions=directory.active_vendors, prepare=directory.prepare_vendor),
    first_id=LARGE + 1_000_000,
)
INACTIVE_VENDORS = replace(
    VENDORS,
    path=f"{V10}/companies/{{company_id}}/vendors/inactive",
    actions=("list",),
    filters={},
    hooks=Hooks(conditions=directory.inactive_vendors),
)

PROJECTS = Resource(
    kind="projects",
    path=f"{V10}/projects",
    wrapper="project",
    scope="company",
    attributes=directory.PROJECT_ATTRIBUTES,
    defaults={"active": True},
    views=directory.PROJECT_VIEWS,
    list_view="list",
    show_view="show",
    sync_view="sync",
    list_views=("compact",),
    show_views=("minimal",),
    list_parameter="serializer_view",
    sync=Sync("either"),
    filters={
        "by_status": IGNORED,
        "synced": IGNORED,
        "name": Filter("equal", ("name",)),
        "origin_id": ORIGIN,
        "id": IDS,
        **TIMES,
    },
    sorts={"name": "json_extract(doc, '$.name')", "display_name": "json_extract(doc, '$.project_number')"},
    hooks=Hooks(conditions=directory.visible_projects, prepare=directory.prepare_project),
    list_errors="details",
    first_id=562_949_953,
)
PROJECTS_11 = replace(
    PROJECTS,
    path="/rest/v1.1/projects",
    actions=("list",),
    views=directory.PROJECT_VIEWS_11,
    list_view="normal",
    list_views=("ids", "compact", "normal", "extended"),
    list_parameter="view",
    filters={**PROJECTS.filters, "project_number": Filter("equal", ("project_number",)), "is_demo": IGNORED, "template": IGNORED},
    paging=Paging(100, 300),
    list_errors=None,
)
PROJECTS_OF_COMPANY = replace(PROJECTS, path=f"{V10}/companies/{{company_id}}/projects", actions=("list",), list_errors=None)

LINE_ITEM_TYPES = Resource(
    kind="line_item_types",
    path=f"{V10}/line_item_types",
    wrapper="line_item_type",
    scope="company",
    attributes=codes.TYPE_ATTRIBUTES,
    actions=("list", "create", "update", "sync"),
    views={"default": codes.TYPE_VIEW},
    list_view="default",
    show_view="default",
    filters={"origin_id": ORIGIN},
    either_scope=True,
    first_id=41_000,
)

STANDARD_LISTS = Resource(
    kind="standard_cost_code_lists",
    path=f"{V10}/standard_cost_code_lists",
    wrapper="standard_cost_code_list",
    scope="company",
    attributes=codes.LIST_ATTRIBUTES,
    defaults={"is_erp_list": False, "available_to_use_on_new_projects": True},
    actions=("list", "create", "update"),
    views={"list": codes.LIST_VIEW, "show": codes.LIST_SHOW},
    list_view="list",
    show_view="show",
    first_id=900,
)

STANDARD_CODES = Resource(
    kind="standard_cost_codes",
    path=f"{V10}/standard_cost_codes",
    wrapper="standard_cost_code",
    scope="company",
    attributes=codes.STANDARD_ATTRIBUTES,
    views=codes.STANDARD_VIEWS,
    list_view="extended",
    show_view="extended",
    list_views=("default", "compact", "extended"),
    show_views=("default", "compact", "extended"),
    filters={"origin_id": ORIGIN},
    hooks=Hooks(scope=codes.enter_list, prepare=codes.prepare_standard),
    needs=("standard_cost_code_list_id",),
    first_id=310_000,
)

COST_CODES = Resource(
    kind="cost_codes",
    path=f"{V10}/cost_codes",
    wrapper="cost_code",
    scope="project",
    attributes=codes.CODE_ATTRIBUTES,
    views=codes.CODE_VIEWS,
    list_view="default",
    show_view="default",
    list_views=("default", "erp_compact"),
    sync=Sync("query"),
    filters={"id": IDS, "origin_id": ORIGIN},
    hooks=Hooks(conditions=codes.codes_of_biller, scope=codes.enter_sub_job, prepare=codes.prepare_code),
    first_id=LARGE + 20_000_000,
)

SUB_JOBS = Resource(
    kind="sub_jobs",
    path=f"{V10}/sub_jobs",
    wrapper="sub_job",
    scope="project",
    attributes=codes.SUB_JOB_ATTRIBUTES,
    actions=("list", "create", "update", "sync"),
    views={"default": codes.SUB_JOB_VIEW},
    list_view="default",
    show_view="default",
    sync=Sync("both"),
    hooks=Hooks(prepare=codes.prepare_sub_job),
    first_id=5_200,
)

WBS_CODES = Resource(
    kind="wbs_codes",
    path=f"{V10}/projects/{{project_id}}/work_breakdown_structure/wbs_codes",
    wrapper="",
    scope="project",
    attributes=wbs.CODE_ATTRIBUTES,
    actions=("list", "update"),
    views={"default": wbs.code_view},
    list_view="default",
    show_view="default",
    filters={"status": Filter("equal", ("status",), values=("active", "inactive")), "updated_at": UPDATED},
    hooks=Hooks(conditions=wbs.code_conditions),
    errors="exception",
    first_id=LARGE + 70_000_000,
)


def _contracts(kind: str, wrapper: str) -> Resource:
    return Resource(
        kind=kind,
        path=f"{V10}/{kind}",
        wrapper=wrapper,
        scope="project",
        attributes=commitments.attributes(kind),
        defaults=commitments.DEFAULTS,
        actions=("list", "show", "create", "update", "delete", "sync"),
        views=commitments.contract_views(kind),
        list_view="compact",
        show_view="show",
        list_views=("compact", "extended"),
        sync_view="extended",
        filters={
            "id": IDS,
            "status": Filter("equal", ("status",), values=STATUSES[kind]),
            "origin_id": ORIGIN,
            "include_deleted": Filter("deleted"),
            **TIMES,
        },
        hooks=Hooks(prepare=commitments.prepare_contract, removing=commitments.removing_contract),
        soft_delete=True,
        sequence="contracts",
        siblings=(WORK_ORDERS, PURCHASE_ORDERS),
        first_id=LARGE + 400_000,
    )


def _lines(parent: str) -> Resource:
    return Resource(
        kind=LINES,
        path=f"{V10}/{parent}/{{parent_id}}/line_items",
        wrapper="line_item",
        scope="parent",
        parent=parent,
        attributes=commitments.LINE_ATTRIBUTES,
        defaults=commitments.LINE_DEFAULTS,
        actions=("list", "show", "create", "update", "delete", "sync"),
        list_views=("default", "ssov_source_lines"),
        views={"default": commitments.line_view, "ssov_source_lines": commitments.line_view},
        list_view="default",
        show_view="default",
        sync=Sync("query", by_id=False),
        filters={
            "id": IDS,
            "cost_code_id": Filter("equal", ("cost_code_id",), number=True),
            "line_item_type_id": Filter("equal", ("line_item_type_id",), number=True),
            **TIMES,
        },
        hooks=Hooks(
            prepare=commitments.prepare_line,
            written=commitments.line_written(lambda: WBS_CODES),
            removing=commitments.removing_line,
            removed=commitments.touch_contract,
        ),
        first_id=LARGE + 900_000_000,
    )


WORK_ORDER_CONTRACTS = _contracts(WORK_ORDERS, "work_order_contract")
PURCHASE_ORDER_CONTRACTS = _contracts(PURCHASE_ORDERS, "purchase_order_contract")

RESOURCES: tuple[Resource, ...] = (
    VENDORS,
    INACTIVE_VENDORS,
    PROJECTS,
    PROJECTS_11,
    PROJECTS_OF_COMPANY,
    LINE_ITEM_TYPES,
    STANDARD_LISTS,
    STANDARD_CODES,
    COST_CODES,
    SUB_JOBS,
    WBS_CODES,
    WORK_ORDER_CONTRACTS,
    PURCHASE_ORDER_CONTRACTS,
    _lines(WORK_ORDERS),
    _lines(PURCHASE_ORDERS),
)

BY_KIND: dict[str, Any] = {resource.kind: resource for resource in reversed(RESOURCES)}
