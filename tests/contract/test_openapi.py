"""The sandbox against Procore's published API description: no route, reply field or attribute of its own invention.

The description is the cut in ``sandbox/procore/operations.json``; its hand-made entries say where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.procore import described
from sandbox.procore.described import KINDS, operations
from sandbox.procore.resources import RESOURCES, V10
from sandbox.procore.schema import Action, Resource
from sandbox.procore.service import ROUTES, STANDARD
from sandbox.procore.settings import Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CAST,
    COMPANY,
    CONCRETE,
    DIV3,
    DRAFT,
    GONE,
    LABOR,
    LIST,
    ORDER,
    P1,
    PACKAGE,
    POTENTIAL,
    STEEL,
    SUBCONTRACT,
    Caller,
    hand_made,
    row,
    serving,
)  # fmt: skip

WBS = f"{V10}/projects/{P1}/work_breakdown_structure"
WBS_COMPANY = f"{V10}/companies/{COMPANY}/work_breakdown_structure"
COST_SEGMENT, TYPE_SEGMENT = 7002, 7003

FILE = Path(described.__file__).with_name("operations.json")

Operation = Mapping[str, Any]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, World]]:
    with serving(tmp_path_factory.mktemp("sandbox")) as found:
        found[1].procore.configure(Settings(rate_limit_spike=10_000))
        yield found


def served() -> list[str]:
    return [f"{route.method} {route.template}" for route in ROUTES]


def test_every_route_is_described_and_every_description_is_served() -> None:
    assert sorted(set(served())) == sorted(operations())


def test_what_no_description_holds_says_where_it_comes_from() -> None:
    hand_made = {name: entry["source"] for name, entry in operations().items() if "source" in entry}
    assert len(hand_made) == 54 and all(source.startswith("hand-made: ") for source in hand_made.values())
    assert all(source for entry in operations().values() for source in entry.get("corrections", {}).values())


def test_the_cut_holds_no_prose_and_stays_small() -> None:
    assert not re.search(r'"(description|example|examples|summary)": "', FILE.read_text(encoding="utf-8"))
    assert FILE.stat().st_size < 300_000


def test_only_known_types_are_described() -> None:
    """A type that the check does not know would be no check."""
    found = set(re.findall(r'"type": "(\w+)"', FILE.read_text(encoding="utf-8")))
    assert found == set(KINDS)


def written() -> Iterator[tuple[str, Resource, str]]:
    """Operation, resource and action letter of every documented route that takes attributes."""
    actions: tuple[tuple[Action, str], ...] = (("create", "c"), ("update", "u"), ("sync", "s"))
    for resource in RESOURCES:
        for action, letter in actions:
            if action in resource.actions:
                method, suffix, _ = STANDARD[action]
                operation = f"{method} {resource.path + suffix}"
                if "source" not in operations()[operation]:
                    yield operation, resource, letter


@pytest.mark.parametrize(("operation", "resource", "letter"), [pytest.param(*case, id=case[0]) for case in written()])
def test_no_attribute_is_accepted_that_procore_does_not_take(operation: str, resource: Resource, letter: str) -> None:
    schema = operations()[operation]["body"]
    if letter == "s":
        fields = schema["properties"]["updates"]["items"]["properties"]
    else:
        fields = schema["properties"][resource.wrapper].get("properties") if resource.wrapper else schema["properties"]
    if fields is None:
        assert operation in FREE
        return
    accepted = {attribute.name for attribute in resource.attributes if letter in attribute.on}
    assert sorted(accepted - set(fields)) == []


# -- replies -----------------------------------------------------------------------------------------------------------

NEW: dict[str, dict[str, Any]] = {
    "vendor": {"name": "New"},
    "project": {"name": "New"},
    "contract": {"title": "New", "vendor_id": STEEL},
    "line": {"cost_code_id": CAST, "line_item_type_id": SUBCONTRACT, "amount": "1.00"},
}
ITEMS = [
    {"segment_id": COST_SEGMENT, "segment_item_id": CAST + 5_000_000_000},
    {"segment_id": TYPE_SEGMENT, "segment_item_id": LABOR + 5_000_000_000},
]
IN_COMPANY, IN_PROJECT = {"company_id": COMPANY}, {"project_id": P1}
INSURANCES = f"/companies/{COMPANY}/insurances"
VENDOR_INSURANCES = f"/companies/{COMPANY}/vendors/{STEEL}/insurances"
USERS, EVENTS = f"/rest/v1.3/companies/{COMPANY}/users", "/rest/v1.1/change_events"
BUDGET, CHANGES = f"/projects/{P1}/budget", f"/projects/{P1}/budget_changes"
BUDGET_LINES = "/rest/v1.1/budget_line_items"
PERIODS = f"/projects/{P1}/billing_periods"
COSTS, COST_LINES = f"/rest/v1.1/projects/{P1}/direct_costs", f"/projects/{P1}/direct_costs/line_items"
FIRST = {resource.kind: resource.first_id for resource in RESOURCES}
"""Ids of the first record of each kind that these calls make."""
ADJUSTMENT = {"wbs_code_id": FIRST["wbs_codes"], "amount": 1}
COST = {"direct_cost_type": "invoice", "vendor_id": STEEL, "invoice_number": "A-1", "employee_id": 5}
COST_LINE = {"wbs_code_id": FIRST["wbs_codes"], "manual_amount": "5.00", "ref": "a"}
FIRST_PRIME, FIRST_ITEM, OFFSET = ORDER + 4, 96_000_000_000, 7_000_000_000
"""After a work order and two purchase orders that these calls make; the newer change orders count from another number."""
IN_PRIME, PRIME_QUERY = {**IN_PROJECT, "contract_id": FIRST_PRIME}, f"project_id={P1}&contract_id={FIRST_PRIME}"
PRIME, PCO = f"/prime_contracts/{FIRST_PRIME}", f"/potential_change_orders/{POTENTIAL + 1}"
V2 = f"/rest/v2.0/companies/{COMPANY}/projects/{P1}"
AUGUST = {"start_date": "2026-08-01", "end_date": "2026-08-31", "due_date": "2026-08-25"}
INVOICES, INVOICE = "/rest/v1.1/requisitions", f"/requisitions/{FIRST['requisitions']}"
IN_LIST = {**IN_COMPANY, "standard_cost_code_list_id": LIST}

HOOKS_V1 = "/webhooks/hooks"
HOOK = {"namespace": "erp", "destination_url": "http://127.0.0.1:9/", "destination_headers": {"Authorization": "Bearer secret"}}
TRIGGER = {"resource_name": "Company Vendors", "event_type": "update"}
COSTS_TRIGGER = {"resource_name": "Direct Costs", "event_type": "create"}


def hook_calls(prefix: str, id: int) -> list[tuple[str, str, Any]]:
    """Management v2.0 of one hook, which gets this id."""
    hooks = f"{prefix}/webhooks/hooks"
    return [
        ("POST", hooks, {**HOOK, "payload_version": "v3.0"}),
        ("GET", f"{hooks}?include_trigger_count=true", None),
        ("GET", f"{hooks}/{id}", None),
        ("PATCH", f"{hooks}/{id}", {"namespace": "erp-sync"}),
        ("POST", f"{hooks}/{id}/triggers", COSTS_TRIGGER),
        ("POST", f"{hooks}/{id}/triggers/bulk", [{**COSTS_TRIGGER, "event_type": "update"}]),
        ("GET", f"{hooks}/{id}/triggers", None),
        ("GET", f"{prefix}/webhooks/resources?payload_version=v3.0", None),
    ]


CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/companies", None),
    ("GET", f"/me?company_id={COMPANY}", None),
    ("GET", "/company_base_url", None),
    ("GET", f"/companies/{COMPANY}/uoms", None),
    ("GET", f"/companies/{COMPANY}/projects/{P1}/currency_configuration", None),
    ("GET", f"/projects?company_id={COMPANY}", None),
    ("GET", f"/projects/{P1}?company_id={COMPANY}", None),
    ("POST", "/projects", {**IN_COMPANY, "project": NEW["project"]}),
    ("PATCH", f"/projects/{P1}", {**IN_COMPANY, "project": {"city": "Dayton"}}),
    ("PATCH", "/projects/sync", {**IN_COMPANY, "updates": [{"id": P1, "city": "Columbus"}]}),
    ("GET", f"/line_item_types?company_id={COMPANY}", None),
    ("POST", "/line_item_types", {**IN_COMPANY, "line_item_type": {"name": "New"}}),
    ("PATCH", "/line_item_types/sync", {**IN_COMPANY, "updates": [{"name": "Newer"}]}),
    ("GET", f"/standard_cost_code_lists?company_id={COMPANY}", None),
    ("POST", "/standard_cost_code_lists", {**IN_COMPANY, "standard_cost_code_list": {"name": "New"}}),
    ("POST", "/standard_cost_codes", {**IN_LIST, "standard_cost_code": {"code": "1", "name": "New"}}),
    ("GET", f"/standard_cost_codes?company_id={COMPANY}&standard_cost_code_list_id={LIST}", None),
    ("PATCH", "/standard_cost_codes/sync", {**IN_LIST, "updates": [{"code": "2", "name": "Newer"}]}),
    ("POST", "/cost_codes", {**IN_PROJECT, "cost_code": {"code": "1", "name": "New", "parent_id": DIV3}}),
    ("PATCH", f"/cost_codes/sync?project_id={P1}", {"updates": [{"code": "2", "name": "Newer"}]}),
    ("GET", f"/cost_codes/{CAST}?project_id={P1}", None),
    ("PATCH", f"/sub_jobs/sync?project_id={P1}", {**IN_PROJECT, "updates": [{"code": "1", "name": "New"}]}),
    ("PATCH", "/vendors/sync", {**IN_COMPANY, "updates": [{"id": GONE, "city": "Dayton"}]}),
    ("PATCH", "/work_order_contracts/sync", {**IN_PROJECT, "updates": [{"id": DRAFT, "origin_data": "x"}]}),
    ("PATCH", f"{USERS}/sync", {"updates": [{"last_name": "Kestrel", "email_address": "k@example.com", "origin_id": "u"}]}),
    ("PATCH", f"{USERS}/{FIRST['users']}", {"user": {"job_title": "Estimator"}}),
    ("GET", f"/rest/v1.3/users?company_id={COMPANY}", None),
    ("POST", f"{EVENTS}?project_id={P1}", {"change_event": {"status": {"id": 1}, "scope": "tbd", "title": "More"}}),
    ("GET", f"{EVENTS}?project_id={P1}", None),
    ("PATCH", f"/cost_codes/{CAST}", {**IN_PROJECT, "cost_code": {"code": "3000", "name": "Cast"}}),
    ("POST", f"{WBS}/wbs_codes", {"segment_items": ITEMS}),
    ("GET", f"{WBS}/wbs_codes", None),
    ("PATCH", f"{WBS}/wbs_codes/bulk_create", {"bulk": [{"segment_items": ITEMS}]}),
    ("GET", f"{WBS}/patterns", None),
    ("GET", f"{WBS}/segments", None),
    ("GET", f"{WBS}/segments/{COST_SEGMENT}/segment_items", None),
    ("POST", f"{WBS}/segments/{COST_SEGMENT}/segment_items", {"code": "77", "name": "New"}),
    ("GET", f"{WBS_COMPANY}/patterns", None),
    ("GET", f"{WBS_COMPANY}/segments", None),
    ("GET", f"{WBS_COMPANY}/segments/{COST_SEGMENT}/lists", None),
    ("GET", f"{WBS_COMPANY}/segments/{COST_SEGMENT}/segment_items?segment_item_list_id={LIST}", None),
    ("POST", "/work_order_contracts", {**IN_PROJECT, "work_order_contract": NEW["contract"]}),
    ("GET", f"/work_order_contracts/{APPROVED}?project_id={P1}", None),
    ("PATCH", f"/work_order_contracts/{DRAFT}", {**IN_PROJECT, "work_order_contract": {"vendor_id": CONCRETE}}),
    ("POST", f"/work_order_contracts/{DRAFT}/line_items", {**IN_PROJECT, "line_item": NEW["line"]}),
    ("PATCH", f"/work_order_contracts/{DRAFT}/line_items/sync?project_id={P1}", {"updates": [NEW["line"]]}),
    ("GET", f"/purchase_order_contracts?project_id={P1}&view=extended", None),
    ("POST", "/purchase_order_contracts", {**IN_PROJECT, "purchase_order_contract": {**NEW["contract"], "assignee_id": 5}}),
    ("GET", f"/purchase_order_contracts/{ORDER}?project_id={P1}", None),
    ("PATCH", f"/purchase_order_contracts/{ORDER}", {**IN_PROJECT, "purchase_order_contract": {"status": "Draft"}}),
    ("PATCH", "/purchase_order_contracts/sync", {**IN_PROJECT, "updates": [{**NEW["contract"], "origin_id": "order"}]}),
    ("POST", f"/purchase_order_contracts/{ORDER}/line_items", {**IN_PROJECT, "line_item": NEW["line"]}),
    ("PATCH", f"/purchase_order_contracts/{ORDER}/line_items/sync?project_id={P1}", {"updates": [NEW["line"]]}),
    ("POST", VENDOR_INSURANCES, {"insurance": {"name": "Mutual"}}),
    ("GET", VENDOR_INSURANCES, None),
    ("PATCH", f"{VENDOR_INSURANCES}/{FIRST['insurances']}", {"insurance": {"notes": "x"}}),
    ("PATCH", f"{VENDOR_INSURANCES}/sync", {"updates": [{"id": FIRST["insurances"], "notes": "y"}]}),
    ("PATCH", f"{INSURANCES}/sync", {"updates": [{"vendor_id": CONCRETE, "name": "Mutual"}]}),
    ("GET", INSURANCES, None),
    ("PATCH", "/tax_codes/sync", {**IN_COMPANY, "updates": [{"code": "OH", "rate1": 7.25}]}),
    ("GET", f"/tax_codes?company_id={COMPANY}", None),
    ("POST", BUDGET_LINES, {**IN_PROJECT, "budget_line_item": {"wbs_code_id": FIRST["wbs_codes"], "unit_cost": 1.5}}),
    ("GET", f"{BUDGET_LINES}/{FIRST['budget_lines']}?project_id={P1}", None),
    ("PATCH", f"{BUDGET_LINES}/{FIRST['budget_lines']}", {**IN_PROJECT, "budget_line_item": {"uom": "ls"}}),
    (
        "POST",
        "/budget_line_items/sync",
        {**IN_PROJECT, "budget_line_items": [{"id": FIRST["budget_lines"], "wbs_code_id": FIRST["wbs_codes"]}]},
    ),
    ("POST", CHANGES, {"status": "draft", "adjustment_line_items": [ADJUSTMENT]}),
    ("GET", CHANGES, None),
    ("GET", f"{CHANGES}/{FIRST['budget_changes']}", None),
    ("PATCH", f"{CHANGES}/{FIRST['budget_changes']}", {"status": "approved"}),
    ("GET", f"/budget_views?project_id={P1}", None),
    ("GET", f"/budget_views/{P1}1/detail_rows?project_id={P1}&budget_row_type=all", None),
    ("GET", f"/projects/{P1}/budget_modifications", None),
    ("POST", f"{BUDGET}/lock", None),
    ("GET", BUDGET, None),
    ("DELETE", f"{BUDGET}/lock", None),
    (
        "POST",
        PERIODS,
        {"billing_period": {"start_date": "2026-07-01", "end_date": "2026-07-31", "due_date": "2026-07-25", "status": "open"}},
    ),
    ("GET", PERIODS, None),
    ("GET", f"{PERIODS}/{FIRST['billing_periods']}", None),
    ("PATCH", f"{PERIODS}/{FIRST['billing_periods']}", {"billing_period": {**AUGUST, "status": "closed"}}),
    ("POST", COSTS, {"direct_cost": {**COST, "line_items": [COST_LINE]}}),
    ("GET", COSTS, None),
    ("GET", f"{COSTS}/{FIRST['direct_costs']}", None),
    ("PATCH", f"{COSTS}/{FIRST['direct_costs']}", {"direct_cost": {"terms": "Net 30"}}),
    ("PATCH", f"/projects/{P1}/direct_costs/sync", {"updates": [{"id": FIRST["direct_costs"], "status": "approved"}]}),
    ("PATCH", f"{COST_LINES}/sync", {"updates": [{"id": FIRST["direct_cost_lines"], "amount": 6}]}),
    ("GET", COST_LINES, None),
    ("DELETE", f"{COSTS}/{FIRST['direct_costs']}", None),
    ("GET", f"/change_order/statuses?company_id={COMPANY}", None),
    ("GET", f"/change_order_change_reasons?company_id={COMPANY}", None),
    ("POST", "/prime_contract", {**IN_PROJECT, "prime_contract": {"title": "Clinic", "vendor_id": STEEL}}),
    ("POST", f"{PRIME}/line_items?project_id={P1}", {**IN_PROJECT, "line_item": NEW["line"]}),
    ("PATCH", f"{PRIME}/line_items/sync?project_id={P1}", {"updates": [NEW["line"]]}),
    ("GET", f"{PRIME}/line_items?project_id={P1}", None),
    ("POST", "/potential_change_orders", {**IN_PRIME, "change_order": {"title": "More"}}),
    ("POST", f"{PCO}/line_items", {**IN_PROJECT, "line_item": NEW["line"]}),
    ("PATCH", f"{PCO}/line_items/sync?project_id={P1}", {"updates": [NEW["line"]]}),
    ("GET", f"{PCO}/line_items?project_id={P1}", None),
    ("POST", "/change_order_packages", {**IN_PRIME, "change_order": {"title": "More"}}),
    ("PATCH", PCO, {**IN_PRIME, "change_order": {"change_order_request": {"change_order_package_id": PACKAGE + 1}}}),
    ("PATCH", f"/potential_change_orders/sync?{PRIME_QUERY}", {"updates": [{"title": "Other", "origin_id": "o"}]}),
    ("GET", f"{PCO}?{PRIME_QUERY}", None),
    ("GET", f"/potential_change_orders?project_id={P1}", None),
    ("PATCH", f"/change_order_packages/{PACKAGE + 1}", {**IN_PROJECT, "change_order": {"status": "approved"}}),
    ("GET", f"/change_order_packages/{PACKAGE + 1}?project_id={P1}", None),
    ("GET", f"/change_order_packages?project_id={P1}", None),
    ("POST", "/change_order_requests", {**IN_PRIME, "change_order": {"title": "Request"}}),
    ("PATCH", f"/change_order_requests/sync?{PRIME_QUERY}", {"updates": [{"title": "Request", "origin_id": "r"}]}),
    ("GET", f"/change_order_requests?{PRIME_QUERY}", None),
    ("GET", f"/projects/{P1}/commitment_change_orders", None),
    ("GET", f"/projects/{P1}/prime_change_orders", None),
    ("GET", f"{V2}/commitment_change_orders/{PACKAGE + OFFSET}/line_items", None),
    (
        "POST",
        f"/prime_contracts/{FIRST_PRIME}/payment_applications",
        {**IN_PROJECT, "payment_application": {"invoice_number": "1"}},
    ),
    ("GET", f"/prime_contracts/{FIRST_PRIME}/payment_applications?project_id={P1}", None),
    (
        "PATCH",
        f"/prime_contracts/{FIRST_PRIME}/payment_application_line_items/{FIRST_ITEM}",
        {**IN_PROJECT, "payment_application_line_item": {"work_completed_this_period": "1.00"}},
    ),
    ("POST", "/contract_payments", {**IN_PRIME, "contract_payment": {"amount": "1.00", "draw_request_number": 1}}),
    ("GET", f"/contract_payments?{PRIME_QUERY}", None),
    ("GET", f"/contract_payments/{FIRST['contract_payments']}?{PRIME_QUERY}", None),
    ("PATCH", f"/contract_payments/{FIRST['contract_payments']}", {**IN_PRIME, "contract_payment": {"notes": "x"}}),
    ("GET", f"/prime_contract?project_id={P1}", None),
    ("GET", f"/prime_contract/{FIRST_PRIME}?project_id={P1}", None),
    ("PATCH", f"/prime_contract/{FIRST_PRIME}", {**IN_PROJECT, "prime_contract": {"description": "x"}}),
    ("GET", f"/prime_contracts?project_id={P1}", None),
    ("POST", f"{INVOICES}?view=items", {**IN_PROJECT, "commitment_id": APPROVED, "requisition": {"invoice_number": "1"}}),
    (
        "POST",
        f"{INVOICE}/add_change_order_package?project_id={P1}&commitment_id={APPROVED}&change_order_package_id={PACKAGE}",
        None,
    ),
    ("GET", f"{INVOICES}?project_id={P1}&view=extended", None),
    ("GET", f"{INVOICES}/{FIRST['requisitions']}?project_id={P1}&view=items", None),
    (
        "PATCH",
        f"{INVOICES}/{FIRST['requisitions']}?view=items",
        {**IN_PROJECT, "commitment_id": APPROVED, "requisition": {"status": "approved"}},
    ),
    ("GET", f"{INVOICE}/contract_items?project_id={P1}", None),
    ("GET", f"{INVOICE}/change_order_items?project_id={P1}", None),
    ("GET", f"{INVOICE}/detail?project_id={P1}", None),
    ("GET", f"/work_order_contracts/{APPROVED}?project_id={P1}", None),
    ("GET", f"{V2}/commitment_contracts", None),
    ("GET", f"{V2}/commitment_contracts/{APPROVED}", None),
    ("GET", f"{V2}/commitment_contracts/{APPROVED}/line_items", None),
    ("GET", f"{V2}/commitment_contracts/{APPROVED}/summary", None),
    ("GET", f"{V2}/prime_contracts", None),
    ("GET", f"{V2}/prime_contracts/{FIRST_PRIME}/summary", None),
    ("POST", f"/projects/{P1}/commitment_change_orders", {"change_order": {"contract_id": DRAFT, "title": "Newer"}}),
    (
        "POST",
        f"{V2}/commitment_change_orders/{PACKAGE + 2 + OFFSET}/line_items",
        {"wbs_code_id": str(FIRST["wbs_codes"]), "amount": "1.00"},
    ),
    ("POST", HOOKS_V1, {**IN_COMPANY, "hook": {**HOOK, "api_version": "v2"}}),
    ("GET", f"{HOOKS_V1}?company_id={COMPANY}", None),
    ("PATCH", f"{HOOKS_V1}/12001", {**IN_COMPANY, "hook": {"namespace": "erp-sync"}}),
    ("POST", f"{HOOKS_V1}/12001/triggers", {**IN_COMPANY, "api_version": "v2", "trigger": TRIGGER}),
    ("GET", f"{HOOKS_V1}/12001/triggers?company_id={COMPANY}", None),
    ("POST", f"{HOOKS_V1}/12001/triggers/bulk", {**IN_COMPANY, "api_version": "v2", "triggers": [COSTS_TRIGGER]}),
    ("GET", f"/webhooks/resources?company_id={COMPANY}", None),
    *hook_calls(f"/rest/v2.0/companies/{COMPANY}", 12_002),
    *hook_calls(V2, 12_003),
    ("PATCH", f"/vendors/{STEEL}", {**IN_COMPANY, "vendor": {"name": "Heard of"}}),
    ("POST", COSTS, {"direct_cost": {**COST, "invoice_number": "2"}}),
    ("GET", f"{HOOKS_V1}/12001/deliveries?company_id={COMPANY}", None),
    ("GET", f"/rest/v2.0/companies/{COMPANY}/webhooks/hooks/12002/deliveries", None),
    ("GET", f"{V2}/webhooks/hooks/12003/deliveries", None),
    ("GET", f"/rest/v2.0/companies/{COMPANY}/workflows/tools", None),
    ("POST", f"{V2}/workflows/instances", {"tool_type": "sbx_commitments", "item_id": str(DRAFT)}),
    ("GET", f"{V2}/workflows/instances?filters[tool_type]=sbx_commitments", None),
    ("GET", f"{V2}/workflows/instances/15002", None),
    ("POST", f"{V2}/workflows/instances/15002/restart", None),
    ("POST", f"{V2}/workflows/instances/15002/terminate", None),
    ("GET", f"/workflow_instances?company_id={COMPANY}", None),
    ("GET", f"/workflow_instances/15001?company_id={COMPANY}", None),
    (
        "POST",
        f"/workflow_activity_histories?company_id={COMPANY}&workflow_instance_id=15001",
        {
            "workflow_activity_history": {
                "workflow_activity_id": 201,
                "workflow_instance_id": 15001,
                "workflow_user_role_id": 701,
                "performed_by_id": 5_100_001,
            }
        },
    ),
    ("GET", f"/workflow_activity_histories?company_id={COMPANY}&workflow_instance_id=15001", None),
]
"""One call per operation whose reply is described, in an order in which each finds what it needs."""


def operation_of(method: str, path: str) -> str:
    """The operation of a concrete path."""
    plain = path.partition("?")[0]
    for route in ROUTES:
        if route.method == method and route.pattern.fullmatch(plain):
            return f"{method} {route.template}"
    raise AssertionError(f"{method} {plain} is not served")


def full(path: str) -> str:
    return path if path.startswith("/rest/") else V10 + path


def differences(value: Any, schema: Operation | None, where: str = "") -> Iterator[str]:
    """Fields that are missing or not described. Objects without described fields are free; null and empty lists say nothing."""
    if not schema or value is None:
        return
    if isinstance(value, list):
        for item in value:
            yield from differences(item, schema.get("items"), f"{where}[]")
        return
    fields = schema.get("properties") or {}
    if not isinstance(value, dict) or not fields or any("%" in name for name in fields):
        return
    yield from (f"{where}.{name} is missing" for name in sorted(set(fields) - set(value)))
    yield from (f"{where}.{name} is not described" for name in sorted(set(value) - set(fields)))
    for name in sorted(set(value) & set(fields)):
        yield from differences(value[name], fields[name], f"{where}.{name}")


def test_every_described_reply_is_asked_for() -> None:
    described = {name for name, operation in operations().items() if "reply" in operation}
    assert sorted(described - {operation_of(method, full(path)) for method, path, _ in CALLS} - NOT_ASKED) == []


FREE = {"POST /rest/v1.0/change_order_requests"}
"""Calls whose attributes are not described."""

STANDARD_CODES = "GET /rest/v1.0/standard_cost_codes"

NOT_ASKED = {
    "GET /rest/v1.0/requisitions/{requisition_id}/contract_detail_items",  # no commitment here has such a breakdown
    "GET /rest/v1.0/standard_cost_codes/{id}",  # the same view as the list
    "PATCH /rest/v1.0/projects/{project_id}/work_breakdown_structure/wbs_codes/{id}",  # the same view as the list
}


def an_older_workflow(api: Caller) -> None:
    """On the approved subcontract, at the step that our account is asked in."""
    api.control("POST", "/workflows", {"kind": "work_order_contracts", "item_id": APPROVED})
    said = {
        "workflow_activity_id": 101,
        "workflow_instance_id": 15_001,
        "workflow_user_role_id": 700,
        "performed_by_id": 5_200_001,
    }
    path = f"/workflow_activity_histories?company_id={COMPANY}&workflow_instance_id=15001"
    assert api.as_user("POST", path, {"workflow_activity_history": said}).status_code == 201


def test_replies_have_exactly_the_described_fields(running: tuple[Caller, World]) -> None:
    api, world = running
    hand_made(world)
    world.store.load("budget_modifications", [row(1, project_id=P1, transfer_amount="5.00")])
    api.login()
    an_older_workflow(api)
    api.control("POST", "/faults", {"action": "event_drop"})  # so that the lists of deliveries are not empty, and nothing is sent
    wrong = []
    for method, path, body in CALLS:
        reply = api(method, full(path), json=body)
        assert reply.status_code in (200, 201), (method, path, reply.text)
        value = reply.json()
        assert value and value.get("errors", []) == [] if isinstance(value, dict) else value, (method, path)
        schema = operations()[operation_of(method, full(path))].get("reply")
        if isinstance(value, dict) and isinstance(value.get("errors"), list):  # the entries are free, but the key is described
            value = {**value, "errors": []}
        wrong += [f"{method} {path.partition('?')[0]}: {text}" for text in differences(value, schema)]
    assert wrong == []


@pytest.mark.parametrize(("path", "operation"), [
    (f"/projects?company_id={COMPANY}&serializer_view=compact", "GET /rest/v1.0/projects"),
    (f"/purchase_order_contracts?project_id={P1}", "GET /rest/v1.0/purchase_order_contracts"),
    (f"/standard_cost_codes?company_id={COMPANY}&standard_cost_code_list_id={LIST}&view=compact", STANDARD_CODES),
])  # fmt: skip
def test_shorter_views_only_leave_fields_out(running: tuple[Caller, World], path: str, operation: str) -> None:
    api, world = running
    hand_made(world)
    api.send("POST", "/standard_cost_codes", {**IN_LIST, "standard_cost_code": {"code": "1", "name": "New"}}, 201)
    rows = api.get(path)
    found = [text for text in differences(rows, operations()[operation]["reply"]) if "not described" in text]
    assert rows and found == []
