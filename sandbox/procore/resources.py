"""The resources of this API, one row each. A new entity is a row here, its attributes and its views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.procore import (
    applications,
    billing_periods,
    budget,
    budget_changes,
    change_events,
    change_orders,
    changes,
    codes,
    commitments,
    contracts_v2,
    cost_lines,
    direct_costs,
    directory,
    insurances,
    items,
    payments,
    primes,
    requisitions,
    taxes,
    users,
    wbs,
)
from sandbox.procore.commitments import LINES, PURCHASE_ORDERS, STATUSES, WORK_ORDERS
from sandbox.procore.contracts import CONTRACTS, enter_contract, of_contract
from sandbox.procore.schema import Filter, Hooks, Paging, Resource, Sync
from sandbox.procore.sums import PRIME

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

INSURANCES = Resource(
    kind="insurances",
    path=f"{V10}/companies/{{company_id}}/vendors/{{vendor_id}}/insurances",
    wrapper="insurance",
    scope="company",
    attributes=insurances.ATTRIBUTES,
    defaults=insurances.DEFAULTS,
    actions=("list", "show", "create", "update", "delete", "sync"),
    views={"default": insurances.VIEW},
    list_view="default",
    show_view="default",
    hooks=Hooks(scope=insurances.enter_vendor, conditions=insurances.of_vendor, prepare=insurances.prepare),
    first_id=77_000,
)
INSURANCES_OF_COMPANY = replace(
    INSURANCES,
    path=f"{V10}/companies/{{company_id}}/insurances",
    actions=("list", "sync"),
    attributes=insurances.COMPANY_ATTRIBUTES,
    hooks=Hooks(conditions=insurances.of_company, prepare=insurances.prepare),
)

USERS_OF_COMPANY = Resource(
    kind=users.KIND,
    path="/rest/v1.3/companies/{company_id}/users",
    wrapper="user",
    scope="company",
    attributes=users.ATTRIBUTES,
    defaults=users.DEFAULTS,
    actions=("update", "sync"),
    views={"default": users.VIEW},
    list_view="default",
    show_view="default",
    filters={
        "active": IGNORED,
        "origin_id": ORIGIN,
        "search": Filter("like", ("first_name", "last_name", "email_address", "job_title")),
        **TIMES,
    },
    hooks=Hooks(prepare=users.prepare),
    first_id=LARGE + 590_000_000,
)
USERS = replace(USERS_OF_COMPANY, path="/rest/v1.3/users", actions=("list",))

TAX_CODES = Resource(
    kind="tax_codes",
    path=f"{V10}/tax_codes",
    wrapper="tax_code",
    scope="company",
    attributes=taxes.ATTRIBUTES,
    defaults=taxes.DEFAULTS,
    actions=("list", "create", "update", "sync"),
    views={"default": taxes.VIEW},
    list_view="default",
    show_view="default",
    paging=Paging(100, 100),
    hooks=Hooks(prepare=taxes.prepare),
    first_id=8_100,
)

BUDGET_LINES = Resource(
    kind=budget.LINES,
    path="/rest/v1.1/budget_line_items",
    wrapper="budget_line_item",
    scope="project",
    attributes=budget.ATTRIBUTES,
    defaults=budget.DEFAULTS,
    actions=("show", "create", "update"),
    views={"default": budget.LINE_VIEW},
    list_view="default",
    show_view="default",
    hooks=Hooks(prepare=budget.prepare_line),
    first_id=LARGE + 120_000_000,
)

BUDGET_CHANGES = Resource(
    kind=budget_changes.CHANGES,
    path=f"{V10}/projects/{{project_id}}/budget_changes",
    wrapper="",
    scope="project",
    attributes=budget_changes.ATTRIBUTES,
    actions=("list", "show", "create", "update", "delete"),
    views={"list": budget_changes.summary_view, "show": budget_changes.show_view},
    list_view="list",
    show_view="show",
    hooks=Hooks(prepare=budget_changes.prepare),
    first_id=66_000,
)

BUDGET_MODIFICATIONS = Resource(
    kind="budget_modifications",
    path=f"{V10}/projects/{{project_id}}/budget_modifications",
    wrapper="budget_modification",
    scope="project",
    actions=("list",),
    views={"default": budget.MODIFICATION_VIEW},
    list_view="default",
    show_view="default",
)

BILLING_PERIODS = Resource(
    kind="billing_periods",
    path=f"{V10}/projects/{{project_id}}/billing_periods",
    wrapper="billing_period",
    scope="project",
    attributes=billing_periods.ATTRIBUTES,
    actions=("list", "show", "create", "update", "delete"),
    views={"default": billing_periods.VIEW},
    list_view="default",
    show_view="default",
    filters={"id": IDS, "status": Filter("equal", ("status",), values=billing_periods.STATUSES), **TIMES},
    hooks=Hooks(prepare=billing_periods.prepare, removing=billing_periods.removing),
    first_id=12_000,
)

DIRECT_COSTS = Resource(
    kind=direct_costs.COSTS,
    path="/rest/v1.1/projects/{project_id}/direct_costs",
    wrapper="direct_cost",
    scope="project",
    attributes=direct_costs.ATTRIBUTES,
    defaults=direct_costs.DEFAULTS,
    actions=("list", "show", "create", "update", "delete"),
    views=direct_costs.VIEWS,
    list_view="list",
    show_view="show",
    sync_view="sync",
    filters={
        "id": IDS,
        "origin_id": ORIGIN,
        "invoice_number": Filter("equal", ("invoice_number",)),
        "payment_date": IGNORED,
        "received_date": IGNORED,
        **TIMES,
    },
    hooks=Hooks(
        conditions=direct_costs.conditions,
        scope=direct_costs.enter,
        prepare=direct_costs.prepare,
        written=direct_costs.written,
        removing=direct_costs.removing,
        removed=direct_costs.removed,
    ),
    first_id=LARGE + 500_000_000,
)
DIRECT_COSTS_10 = replace(DIRECT_COSTS, path=f"{V10}/projects/{{project_id}}/direct_costs", actions=("list", "sync"))

COST_LINES = Resource(
    kind=cost_lines.LINES,
    path=f"{V10}/projects/{{project_id}}/direct_costs/line_items",
    wrapper="line_item",
    scope="project",
    attributes=cost_lines.PROJECT_ATTRIBUTES,
    defaults=cost_lines.DEFAULTS,
    actions=("list", "sync"),
    views=cost_lines.VIEWS,
    list_view="list",
    show_view="show",
    filters={
        "id": IDS,
        "direct_cost_id": Filter("equal", ("parent_id",), number=True),
        "cost_code_id": Filter("equal", ("cost_code_id",), number=True),
        "line_item_type_id": Filter("equal", ("line_item_type_id",), number=True),
        **TIMES,
    },
    hooks=Hooks(
        conditions=cost_lines.of_project,
        scope=cost_lines.enter_project,
        prepare=cost_lines.prepare,
        written=cost_lines.written(lambda: WBS_CODES),
        removing=cost_lines.removing,
        removed=cost_lines.touched,
    ),
    first_id=2 * LARGE,
)
LINES_OF_COST = replace(
    COST_LINES,
    path=f"{V10}/projects/{{project_id}}/direct_costs/{{direct_cost_id}}/line_items",
    attributes=cost_lines.ATTRIBUTES,
    actions=("list", "show", "create", "update", "delete"),
    hooks=replace(COST_LINES.hooks, conditions=cost_lines.of_cost, scope=cost_lines.enter_cost),
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
        sync=Sync(by_id=kind != PURCHASE_ORDERS),
        soft_delete=True,
        sequence="contracts",
        siblings=CONTRACTS,
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

# -- change orders -----------------------------------------------------------------------------------------------------


def _days(names: str) -> dict[str, Filter]:
    return {name: Filter("days", (name,)) for name in names.split()}


POTENTIAL_CHANGE_ORDERS = Resource(
    kind=changes.POTENTIALS,
    path=f"{V10}/potential_change_orders",
    wrapper="change_order",
    scope="project",
    attributes=changes.POTENTIAL_ATTRIBUTES,
    defaults=changes.DEFAULTS,
    actions=("list", "show", "create", "update", "sync"),
    views=changes.POTENTIAL_VIEWS,
    list_view="list",
    show_view="show",
    sync=Sync("query", by_id=False),
    filters={
        "id": IDS,
        "origin_id": ORIGIN,
        "contract_id": Filter("equal", ("parent_id",), number=True),
        "include_deleted": Filter("deleted"),
        **TIMES,
        "reviewed_at": Filter("range", ("reviewed_at",)),
        **_days("due_date invoiced_date paid_date"),
    },
    hooks=Hooks(
        scope=changes.enter_potentials,
        prepare=changes.prepare_potential,
        written=changes.potential_written,
    ),
    first_id=LARGE + 520_000_000,
)

CHANGE_ORDER_PACKAGES = Resource(
    kind=changes.PACKAGES,
    path=f"{V10}/change_order_packages",
    wrapper="change_order",
    scope="project",
    attributes=changes.PACKAGE_ATTRIBUTES,
    defaults=changes.DEFAULTS,
    actions=("list", "show", "create", "update"),
    views=changes.PACKAGE_VIEWS,
    list_view="list",
    show_view="show",
    filters={
        "id": IDS,
        "include_deleted": Filter("deleted"),
        **TIMES,
        "reviewed_at": Filter("range", ("reviewed_at",)),
        **_days("due_date invoiced_date paid_date signed_change_order_received_date"),
    },
    hooks=Hooks(
        conditions=of_contract,
        scope=enter_contract("POST"),
        prepare=changes.prepare_package,
        written=changes.package_written(POTENTIAL_CHANGE_ORDERS),
    ),
    first_id=LARGE + 500_000_000,
)

CHANGE_LINES = Resource(
    kind=changes.CHANGE_LINES,
    path=f"{V10}/potential_change_orders/{{parent_id}}/line_items",
    wrapper="line_item",
    scope="parent",
    parent=changes.POTENTIALS,
    attributes=commitments.LINE_ATTRIBUTES,
    defaults=changes.CHANGE_LINE_DEFAULTS,
    actions=("list", "create", "delete", "sync"),
    views={"default": changes.change_line_view},
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
        conditions=changes.no_markup,
        prepare=changes.prepare_change_line,
        written=commitments.line_written(lambda: WBS_CODES, changes.CHANGE_LINES),
        removing=changes.removing_change_line,
    ),
    first_id=LARGE + 1_500_000_000,
)

CHANGE_ORDER_REQUESTS = Resource(
    kind=changes.REQUESTS,
    path=f"{V10}/change_order_requests",
    wrapper="change_order",
    scope="project",
    attributes=changes.REQUEST_ATTRIBUTES,
    defaults=changes.DEFAULTS,
    actions=("list", "create", "sync"),
    views=changes.REQUEST_VIEWS,
    list_view="list",
    show_view="new",
    sync_view="full",
    sync=Sync("query"),
    filters={
        "id": IDS,
        "change_order_package_id": Filter("equal", ("change_order_package_id",), number=True),
        "status": Filter("equal", ("status",), values=changes.STATUSES),
        "not_status": IGNORED,
        **TIMES,
        **_days("due_date invoiced_date paid_date"),
    },
    hooks=Hooks(
        conditions=changes.request_conditions,
        scope=enter_contract("GET", "POST", "SYNC"),
        prepare=changes.prepare_request,
        written=changes.request_written,
    ),
    first_id=LARGE + 540_000_000,
)


def _change_orders(name: str) -> Resource:
    """Packages under the ids of the newer resource; ``change_orders`` serves its single records."""
    return replace(
        CHANGE_ORDER_PACKAGES,
        path=f"{V10}/projects/{{project_id}}/{name}",
        attributes=change_orders.ATTRIBUTES,
        actions=("list",),
        views={"default": change_orders.VIEW, "extended": change_orders.VIEW},
        list_view="default",
        show_view="default",
        list_views=("default", "extended"),
        show_views=("default", "extended"),
        paging=change_orders.NO_PAGES,
        sorts={"id": "id", "created_at": "created_at"},
        filters={
            **dict.fromkeys(("id", "batch_id", "vendor_id", "executed", "signature_required"), IGNORED),
            "legacy_package_id": IDS,
            "contract_id": Filter("equal", ("parent_id",), number=True),
            "status": Filter("equal", ("status",)),
            "updated_at": UPDATED,
        },
        hooks=Hooks(
            conditions=change_orders.conditions(name),
            scope=change_orders.enter,
            prepare=change_orders.prepare,
            written=CHANGE_ORDER_PACKAGES.hooks.written,
        ),
    )


COMMITMENT_CHANGE_ORDERS = replace(_change_orders("commitment_change_orders"), actions=("list", "create"))
PRIME_CHANGE_ORDERS = _change_orders("prime_change_orders")
CHANGE_LINES_V2 = replace(
    CHANGE_LINES,
    attributes=change_orders.LINE_ATTRIBUTES,
    hooks=replace(CHANGE_LINES.hooks, prepare=change_orders.prepare_line),
)

CHANGE_EVENTS = Resource(
    kind=change_events.KIND,
    path="/rest/v1.1/change_events",
    wrapper="change_event",
    scope="project",
    attributes=change_events.ATTRIBUTES,
    actions=("list", "create"),
    views={"default": change_events.view},
    list_view="default",
    show_view="default",
    filters={"include_deleted": Filter("deleted"), **TIMES},
    hooks=Hooks(prepare=change_events.prepare),
    errors="exception",
    soft_delete=True,
    first_id=LARGE + 600_000_000,
)

# -- prime contracts and payments --------------------------------------------------------------------------------------

PRIME_CONTRACTS = Resource(
    kind=PRIME,
    path=f"{V10}/prime_contract",
    wrapper="prime_contract",
    scope="project",
    attributes=primes.ATTRIBUTES,
    defaults=commitments.DEFAULTS,
    actions=("show", "create", "update", "delete"),
    views=primes.VIEWS,
    list_view="list",
    show_view="show",
    filters={"id": IDS, "updated_at": UPDATED},
    hooks=Hooks(prepare=commitments.prepare_contract, removing=commitments.removing_contract),
    soft_delete=True,
    sequence="contracts",
    siblings=CONTRACTS,
    first_id=LARGE + 400_000,
)
PRIME_CONTRACT_LIST = replace(PRIME_CONTRACTS, path=f"{V10}/prime_contracts", actions=("list",))
PRIME_LINES = replace(_lines(PRIME), actions=("list", "create", "delete", "sync"), list_views=(), sync=Sync("query"))

CONTRACT_PAYMENTS = Resource(
    kind=payments.PAYMENTS,
    path=f"{V10}/contract_payments",
    wrapper="contract_payment",
    scope="project",
    attributes=payments.ATTRIBUTES,
    actions=("list", "show", "create", "update", "delete"),
    views={"default": payments.VIEW},
    list_view="default",
    show_view="default",
    hooks=Hooks(
        conditions=of_contract,
        scope=enter_contract("GET", "POST", "PATCH", "DELETE"),
        prepare=payments.prepare,
        removing=payments.removing,
    ),
    first_id=LARGE + 560_000_000,
)

# -- invoices ----------------------------------------------------------------------------------------------------------

INVOICE_PAGES = Paging(30, 100)
REQUISITION_VIEWS = ("default", "extended", "items", "action_policy")

REQUISITIONS = Resource(
    kind=requisitions.KIND,
    path="/rest/v1.1/requisitions",
    wrapper="requisition",
    scope="project",
    attributes=requisitions.ATTRIBUTES,
    defaults=requisitions.DEFAULTS,
    actions=("list", "show", "create", "update", "delete"),
    views=requisitions.VIEWS,
    list_view="default",
    show_view="default",
    list_views=REQUISITION_VIEWS,
    show_views=REQUISITION_VIEWS,
    paging=INVOICE_PAGES,
    filters={
        "id": IDS,
        "commitment_id": Filter("equal", ("parent_id",), number=True),
        "period_id": Filter("equal", ("period_id",), number=True),
        "status": Filter("equal", ("status",), values=requisitions.STATUSES),
        "origin_id": ORIGIN,
        "is_last": IGNORED,
        **TIMES,
    },
    hooks=Hooks(
        conditions=items.is_last,
        scope=requisitions.enter,
        prepare=requisitions.prepare,
        removing=requisitions.removing,
    ),
    first_id=LARGE + 570_000_000,
)

PAYMENT_APPLICATIONS = Resource(
    kind=applications.KIND,
    path=f"{V10}/payment_applications",
    wrapper="payment_application",
    scope="project",
    attributes=applications.ATTRIBUTES,
    defaults=applications.DEFAULTS,
    actions=("list", "show", "delete"),
    views=applications.VIEWS,
    list_view="list",
    show_view="show",
    paging=INVOICE_PAGES,
    hooks=Hooks(removing=applications.removing),
    first_id=LARGE + 580_000_000,
)
APPLICATIONS_OF_CONTRACT = replace(
    PAYMENT_APPLICATIONS,
    path=f"{V10}/prime_contracts/{{parent_id}}/payment_applications",
    scope="parent",
    parent=PRIME,
    actions=("list", "create", "update"),
    filters={"id": IDS, "is_last": IGNORED},
    hooks=Hooks(conditions=items.is_last, prepare=applications.prepare),
)
APPLICATION_LINES = replace(APPLICATIONS_OF_CONTRACT, attributes=(applications.ITEMS_ATTRIBUTE,))

COMMITMENTS_V2 = replace(WORK_ORDER_CONTRACTS, filters=contracts_v2.COMMITMENT_FILTERS)
PRIMES_V2 = replace(PRIME_CONTRACTS, filters=contracts_v2.PRIME_FILTERS)

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
    INSURANCES,
    INSURANCES_OF_COMPANY,
    USERS,
    USERS_OF_COMPANY,
    TAX_CODES,
    BUDGET_LINES,
    BUDGET_CHANGES,
    BUDGET_MODIFICATIONS,
    BILLING_PERIODS,
    DIRECT_COSTS,
    DIRECT_COSTS_10,
    COST_LINES,
    LINES_OF_COST,
    WORK_ORDER_CONTRACTS,
    PURCHASE_ORDER_CONTRACTS,
    _lines(WORK_ORDERS),
    _lines(PURCHASE_ORDERS),
    CHANGE_ORDER_PACKAGES,
    POTENTIAL_CHANGE_ORDERS,
    CHANGE_LINES,
    CHANGE_ORDER_REQUESTS,
    COMMITMENT_CHANGE_ORDERS,
    PRIME_CHANGE_ORDERS,
    CHANGE_EVENTS,
    PRIME_CONTRACTS,
    PRIME_CONTRACT_LIST,
    PRIME_LINES,
    CONTRACT_PAYMENTS,
    REQUISITIONS,
    PAYMENT_APPLICATIONS,
    APPLICATIONS_OF_CONTRACT,
)

BY_KIND: dict[str, Any] = {resource.kind: resource for resource in reversed(RESOURCES)}
