"""The Procore look-alike: from a call to its reply, whoever carries it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from sandbox.clock import Clock
from sandbox.limits import Limiter
from sandbox.procore import (
    applications,
    budget,
    budget_changes,
    budget_views,
    change_orders,
    changes,
    contracts_v2,
    described,
    direct_costs,
    engine,
    login,
    primes,
    requisitions,
    shapes,
    taxes,
    wbs,
)
from sandbox.procore.attributes import Wrong
from sandbox.procore.billing import CHANGE_ITEM, CONTRACT_ITEM
from sandbox.procore.call import Call, Reply
from sandbox.procore.commitments import UNITS
from sandbox.procore.context import NOT_CONNECTED, Context
from sandbox.procore.contracts import COMMITMENTS
from sandbox.procore.directory import register_vendor
from sandbox.procore.engine import shown, write
from sandbox.procore.errors import Invalid, Refused, Shape, not_found
from sandbox.procore.paging import page_of
from sandbox.procore.resources import (
    APPLICATION_LINES,
    BUDGET_CHANGES,
    BUDGET_LINES,
    BY_KIND,
    CHANGE_LINES_V2,
    COMMITMENT_CHANGE_ORDERS,
    COMMITMENTS_V2,
    COST_LINES,
    DIRECT_COSTS,
    PAYMENT_APPLICATIONS,
    POTENTIAL_CHANGE_ORDERS,
    PRIME_CHANGE_ORDERS,
    PRIME_CONTRACT_LIST,
    PRIME_CONTRACTS,
    PRIMES_V2,
    REQUISITIONS,
    RESOURCES,
    TAX_CODES,
    V10,
    VENDORS,
    WBS_CODES,
)
from sandbox.procore.schema import Action, Paging, Resource
from sandbox.procore.settings import COMPANY_ID, COMPANY_NAME, Settings
from sandbox.procore.store import Record, Store
from sandbox.procore.sums import PRIME
from sandbox.procore.webhooks import v1, v2
from sandbox.procore.webhooks.events import Outbox
from sandbox.procore.workflows import templates as workflow_tools
from sandbox.procore.workflows import v1 as workflows_v1
from sandbox.procore.workflows import v2 as workflows_v2
from sandbox.procore.workflows.instances import begin

log = logging.getLogger(__name__)

Handler = Callable[[Context], Reply]
MISSING_HEADER = "Missing Procore-Company-Id header! Send the id of the company that the request is meant for."


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[0-9]{1,18})", template) + "/?")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``template`` is its documented path."""

    method: str
    template: str
    handler: Handler
    errors: Shape = "default"

    @property
    def pattern(self) -> re.Pattern[str]:
        return _pattern(self.template)

    @property
    def description(self) -> described.Schema:
        return described.operations()[f"{self.method} {self.template}"]

    def refusal(self, refused: Refused) -> Reply:
        """A refusal in the shape that this operation answers it in."""
        shape = self.handler.shape(refused) if isinstance(self.handler, shapes.InShapes) else refused
        return Reply(refused.status, shape.body(self.errors))


STANDARD: dict[Action, tuple[str, str, Callable[[Resource, Context], Reply]]] = {
    "list": ("GET", "", engine.list_records),
    "create": ("POST", "", engine.create),
    "sync": ("PATCH", "/sync", engine.sync),
    "show": ("GET", "/{id}", engine.show),
    "update": ("PATCH", "/{id}", engine.update),
    "delete": ("DELETE", "/{id}", engine.delete),
}


def _bind(action: Callable[[Resource, Context], Reply], resource: Resource) -> Handler:
    return lambda context: action(resource, context)


def _standard_routes() -> list[Route]:
    found = []
    for resource in RESOURCES:
        for action in resource.actions:
            method, suffix, handler = STANDARD[action]
            errors = resource.list_errors or resource.errors if action == "list" else resource.errors
            found.append(Route(method, resource.path + suffix, _bind(handler, resource), errors))
    return found


# -- the calls that are no standard action -----------------------------------------------------------------------------


def reactivate_vendor(context: Context) -> Reply:
    """PATCH ``/companies/{company_id}/vendors/inactive/{id}``."""
    context.check_company(context.call.params["company_id"])
    vendor = context.store.get("vendors", int(context.call.params["id"]))
    if vendor is None or vendor["status"] != "inactive":
        raise not_found("Inactive vendor")
    return Reply(200, shown(VENDORS, context, write(VENDORS, context, {"is_active": True}, vendor, "u")))


def currency_configuration(context: Context) -> Reply:
    context.check_company(context.call.params["company_id"])
    project = context.enter_project(int(context.call.params["project_id"]))
    return Reply(
        200,
        {
            "company_currency_exchange_rate_override": None,
            "company_id": context.company_id,
            "currency_display": "symbol",
            "currency_iso_code": project.get("currency_iso_code") or "USD",
            "eligible_for_financial_objs_multicurrency": False,
            "multicurrency_enabled": False,
            "project_id": project["id"],
        },
    )


def units(context: Context) -> Reply:
    context.check_company(context.call.params["company_id"])
    page = page_of(context.call, Paging(), len(UNITS))
    rows = [
        {"description": None, "id": 100 + number, "is_standard": True, "name": name, "uom_category": {"id": 1, "name": "General"}}
        for number, name in enumerate(UNITS)
    ]
    return Reply(200, rows[page.offset : page.offset + page.size], page.headers(context.call))


def company_base_url(context: Context) -> Reply:
    return Reply(200, {"web_base_url": f"http://{context.call.headers.get('host', '127.0.0.1')}", "zone": "us01"})


def companies(context: Context) -> Reply:
    page = page_of(context.call, Paging(), 1)
    company = {"id": COMPANY_ID, "name": COMPANY_NAME, "is_active": True, "my_company": True, "logo_url": None}
    company["pcn_business_experience"] = False
    return Reply(200, [company][page.offset :], page.headers(context.call))


def me(context: Context) -> Reply:
    scoped = context.call.arg("company_id") or context.call.arg("project_id")
    return Reply(200, {"id": login.OWNER_ID, "login": login.OWNER_LOGIN, **({"name": login.OWNER_NAME} if scoped else {})})


def _in_company(handler: Handler) -> Handler:
    def checked(context: Context) -> Reply:
        context.check_company(context.call.params["company_id"])
        return handler(context)

    return checked


def _in_project(handler: Handler) -> Handler:
    def checked(context: Context) -> Reply:
        context.enter_project(int(context.call.params["project_id"]))
        return handler(context)

    return checked


W = f"{V10}/companies/{{company_id}}/work_breakdown_structure"
WP = f"{V10}/projects/{{project_id}}/work_breakdown_structure"

SPECIAL: tuple[Route, ...] = (
    Route("GET", f"{V10}/me", me),
    Route("GET", f"{V10}/companies", companies),
    Route("GET", f"{V10}/company_base_url", company_base_url),
    Route("GET", f"{V10}/companies/{{company_id}}/uoms", units),
    Route("GET", f"{V10}/companies/{{company_id}}/projects/{{project_id}}/currency_configuration", currency_configuration),
    Route("PATCH", f"{V10}/companies/{{company_id}}/vendors/inactive/{{id}}", reactivate_vendor),
    Route("POST", f"{V10}/vendors/{{id}}/business_register", lambda context: register_vendor(context, new=True)),
    Route("PATCH", f"{V10}/vendors/{{id}}/business_register", lambda context: register_vendor(context, new=False)),
    Route("GET", f"{W}/patterns", _in_company(wbs.company_pattern), "exception"),
    Route("GET", f"{W}/segments", _in_company(wbs.company_segments), "exception"),
    Route("GET", f"{W}/segments/{{segment_id}}/lists", _in_company(wbs.segment_lists), "exception"),
    Route("GET", f"{W}/segments/{{segment_id}}/segment_items", _in_company(wbs.segment_items), "exception"),
    Route("GET", f"{WP}/patterns", _in_project(wbs.project_pattern), "exception"),
    Route("GET", f"{WP}/segments", _in_project(wbs.project_segments), "exception"),
    Route("GET", f"{WP}/segments/{{segment_id}}/segment_items", _in_project(wbs.segment_items), "exception"),
    Route(
        "POST",
        f"{WP}/segments/{{segment_id}}/segment_items",
        _in_project(lambda context: wbs.create_item(context, BY_KIND)),
        "exception",
    ),
    Route("POST", f"{WP}/wbs_codes", _in_project(lambda context: wbs.create_code(context, WBS_CODES)), "exception"),
    Route("PATCH", f"{WP}/wbs_codes/bulk_create", _in_project(lambda context: wbs.bulk_create(context, WBS_CODES)), "exception"),
    Route("PATCH", f"{WP}/wbs_codes/update_all", _in_project(lambda context: wbs.update_all(context, WBS_CODES)), "exception"),
)

V2_COMPANY = "/rest/v2.0/companies/{company_id}"
V2 = f"{V2_COMPANY}/projects/{{project_id}}"
V2_CHANGE_LINES = f"{V2}/commitment_change_orders/{{change_order_id}}/line_items"


def _in_v2_company(handler: Handler) -> Handler:
    """The company stands in the path, and errors have the shape of v2."""
    every = dict.fromkeys((400, 403, 404, 409, 413, 422), shapes.with_reasons)
    return shapes.shaped(_in_company(handler), every)


def _in_v2(handler: Handler) -> Handler:
    """As :func:`_in_v2_company`, and so does the project."""
    return _in_v2_company(_in_project(handler))


def _shaped_routes(resource: Resource) -> list[Route]:
    """The standard actions of invoices, whose 404 has a shape of its own."""
    return [
        Route(method, resource.path + suffix, requisitions.own_shape(_bind(handler, resource)))
        for method, suffix, handler in (STANDARD[action] for action in resource.actions)
    ]


def _change_order_routes(resource: Resource) -> list[Route]:
    show = Route("GET", resource.path + "/{id}", change_orders.by_package_id(engine.show, resource))
    update = Route("PATCH", resource.path + "/{id}", change_orders.by_package_id(engine.update, resource))
    return [show, update] if "create" in resource.actions else [show]


R10 = f"{V10}/requisitions/{{requisition_id}}"
REQUISITION_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "contract_items", requisitions.list_items(CONTRACT_ITEM)),
    ("GET", "change_order_items", requisitions.list_items(CHANGE_ITEM)),
    ("GET", "contract_detail_items", requisitions.detail_items),
    ("GET", "detail", requisitions.detail),
    ("PATCH", "bulk_item_update", requisitions.update_items(REQUISITIONS)),
    ("POST", "add_change_order_package", requisitions.add_package),
    ("DELETE", "remove_change_order_package", requisitions.remove_package),
)

V2_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", V2_CHANGE_LINES, change_orders.list_lines),
    ("POST", V2_CHANGE_LINES, change_orders.create_line(CHANGE_LINES_V2)),
    ("GET", f"{V2}/commitment_contracts", contracts_v2.list_contracts(COMMITMENTS_V2, COMMITMENTS)),
    ("GET", f"{V2}/commitment_contracts/{{contract_id}}", contracts_v2.show),
    ("GET", f"{V2}/commitment_contracts/{{contract_id}}/line_items", contracts_v2.list_lines),
    ("GET", f"{V2}/commitment_contracts/{{contract_id}}/summary", contracts_v2.summary(COMMITMENTS)),
    ("GET", f"{V2}/prime_contracts", contracts_v2.list_contracts(PRIMES_V2, (PRIME,))),
    ("GET", f"{V2}/prime_contracts/{{contract_id}}/summary", contracts_v2.summary((PRIME,))),
)

FINANCIAL: tuple[Route, ...] = (
    *(Route(method, path, _in_v2(handler)) for method, path, handler in V2_CALLS),
    *_shaped_routes(REQUISITIONS),
    *(Route(method, f"{R10}/{name}", requisitions.own_shape(handler)) for method, name, handler in REQUISITION_CALLS),
    Route("DELETE", f"{PAYMENT_APPLICATIONS.path}/{{id}}", requisitions.own_shape(_bind(engine.delete, PAYMENT_APPLICATIONS))),
    Route(
        "PATCH",
        f"{PRIME_CONTRACT_LIST.path}/{{parent_id}}/payment_application_line_items/{{id}}",
        applications.update_line(APPLICATION_LINES),
    ),
    Route("GET", f"{V10}/change_order/statuses", changes.company_list(changes.STATUS_ROWS)),
    Route("GET", f"{V10}/change_order_change_reasons", changes.company_list(changes.REASON_ROWS)),
    Route("POST", POTENTIAL_CHANGE_ORDERS.path, changes.create_potential(POTENTIAL_CHANGE_ORDERS)),
    *_change_order_routes(COMMITMENT_CHANGE_ORDERS),
    *_change_order_routes(PRIME_CHANGE_ORDERS),
    Route("GET", PRIME_CONTRACTS.path, primes.first(PRIME_CONTRACTS)),
)


def _taxes(handler: Handler) -> Handler:
    return shapes.shaped(handler, {400: shapes.by_field})


def _changes(handler: Handler) -> Handler:
    return shapes.shaped(handler, {400: shapes.as_list, 404: shapes.as_list})


CHANGES = BUDGET_CHANGES.path
BUDGET = f"{V10}/projects/{{project_id}}/budget"
TAX_ROUTES = (
    Route("POST", TAX_CODES.path, _taxes(lambda context: taxes.create(context, TAX_CODES))),
    Route("PATCH", f"{TAX_CODES.path}/sync", _taxes(_bind(engine.sync, TAX_CODES))),
    Route("PATCH", f"{TAX_CODES.path}/{{id}}", _taxes(_bind(engine.update, TAX_CODES))),
)
BUDGET_ROUTES = (
    Route("POST", f"{V10}/budget_line_items/sync", lambda context: budget.sync_lines(context, BUDGET_LINES)),
    Route("DELETE", f"{V2}/budget_line_items/{{id}}", _in_v2(budget.delete_line)),
    Route("GET", f"{V10}/budget_views", budget_views.list_views),
    Route("GET", f"{V10}/budget_views/{{budget_view_id}}/detail_rows", budget_views.detail_rows),
    Route("GET", BUDGET, _in_project(budget.show_lock)),
    Route("POST", f"{BUDGET}/lock", _in_project(budget.lock)),
    Route("DELETE", f"{BUDGET}/lock", _in_project(budget.unlock)),
    Route("GET", CHANGES, _changes(lambda context: budget_changes.list_changes(context, BUDGET_CHANGES))),
    Route("POST", CHANGES, _changes(budget_changes.enveloped(engine.create, BUDGET_CHANGES))),
    Route("GET", f"{CHANGES}/{{id}}", _changes(budget_changes.enveloped(engine.show, BUDGET_CHANGES))),
    Route("PATCH", f"{CHANGES}/{{id}}", _changes(budget_changes.enveloped(engine.update, BUDGET_CHANGES))),
    Route("DELETE", f"{CHANGES}/{{id}}", _changes(lambda context: budget_changes.delete(context, BUDGET_CHANGES))),
    Route("POST", f"{BUDGET}_modifications", budget.refuse_modification),
    Route("PATCH", f"{BUDGET}_modifications/{{id}}", budget.refuse_modification),
    Route("DELETE", f"{BUDGET}_modifications/{{id}}", budget.refuse_modification),
)
COST_ROUTES = (
    Route("POST", DIRECT_COSTS.path, lambda context: direct_costs.create(context, DIRECT_COSTS, COST_LINES)),
    Route("PATCH", f"{DIRECT_COSTS.path}/{{id}}", lambda context: direct_costs.update(context, DIRECT_COSTS, COST_LINES)),
)
WEBHOOK_ROUTES = (
    *(Route(method, f"{V10}/webhooks/{path}", handler) for method, path, handler in v1.CALLS),
    *(
        Route(method, f"{prefix}/webhooks/{path}", within(handler))
        for prefix, within in ((V2_COMPANY, _in_v2_company), (V2, _in_v2))
        for method, path, handler in v2.CALLS
    ),
)

WORKFLOW_ROUTES = (
    *(Route(method, f"{V10}/{path}", handler) for method, path, handler in workflows_v1.CALLS),
    Route("GET", f"{V2_COMPANY}/workflows/tools", _in_v2_company(workflows_v2.list_tools)),
    *(Route(method, f"{V2}/workflows/{path}", _in_v2(handler)) for method, path, handler in workflows_v2.CALLS),
)

ROUTES: tuple[Route, ...] = (
    *SPECIAL,
    *WEBHOOK_ROUTES,
    *WORKFLOW_ROUTES,
    *TAX_ROUTES,
    *BUDGET_ROUTES,
    *COST_ROUTES,
    *FINANCIAL,
    *_standard_routes(),
)
"""The first route of a path counts: a special one replaces the standard one."""
_MATCHERS = tuple((route, route.pattern) for route in ROUTES)


_UNSERVED = tuple((*key.split(), name) for key, name in described.unserved().items())


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The operation of a path, and the values of its placeholders. Raises 501 for one that is described and not served, and 404,
    also for a path that has other methods."""
    for route, pattern in _MATCHERS:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    for other, template, name in _UNSERVED:
        if other == method and _pattern(template).fullmatch(path):
            raise Refused(501, f"{name} is described, but not served by this sandbox")
    raise not_found("The requested path")


def refusal_at(path: str, refused: Refused) -> Reply:
    """A refusal before any operation is known: the version in the path decides on its shape (§1.9)."""
    body = shapes.with_reasons(refused) if path.startswith("/rest/v2") else refused.body()
    return Reply(refused.status, body)


class Procore:
    """The service over one store: tokens, company header, rate limit, then the handler of the path."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, outbox: Outbox) -> None:
        self.store, self.clock, self.settings, self.outbox = store, clock, settings, outbox
        self.tokens = login.Tokens(clock)
        self.limiter = Limiter(settings.rate_limit_hour, settings.rate_limit_spike)

    def configure(self, settings: Settings) -> None:
        """New settings; the rate limit starts afresh."""
        self.settings = settings
        self.limiter.configure(settings.rate_limit_hour, settings.rate_limit_spike)

    def handle(self, call: Call) -> Reply:
        """The reply to a call below ``/oauth`` or ``/rest``. Never raises."""
        if call.path.startswith("/oauth/"):
            return login.handle(call, self.tokens, self.settings.token_seconds)
        if call.person:
            return self._answer(call)
        verdict = self.limiter.take(self.clock.ticks())
        try:
            if not verdict.passed:
                raise _limited(verdict.wait)
            self._admit(call)
            reply = self._answer(call)
        except Refused as refused:
            reply = refusal_at(call.path, refused)
        reply.headers.update(verdict.headers(self.clock.now().timestamp()))
        return reply

    def start_older_workflow(self, kind: str, item_id: int) -> Record:
        """Start one of the older workflows on a document, which no call of the API does. Raises Refused."""
        item = self.store.get(kind, item_id)
        if kind not in workflow_tools.BY_KIND or item is None:
            raise not_found(f"An item {item_id} of {', '.join(workflow_tools.BY_KIND)}")
        context = Context(self.store, self.clock, self.settings, Call("POST", "/", person=True))
        with self.store.writing():
            context.enter_project(item["project_id"])
            return begin(context, workflow_tools.BY_KIND[kind], item_id, older=True)

    def arrive(self, call: Call) -> Reply:
        """The effect of a call that was let in and answered earlier."""
        return self._answer(call)

    def limit_headers(self) -> dict[str, str]:
        """The rate limit headers of a reply that is made elsewhere: that request counts too, as every one does (§1.6)."""
        return self.limiter.take(self.clock.ticks()).headers(self.clock.now().timestamp())

    def _admit(self, call: Call) -> None:
        """Token, then company header (docs/procore-contract.md §1.2, §1.3)."""
        if not self.tokens.valid(call.headers.get("authorization", "")):
            raise Refused(401, login.BAD_TOKEN)
        company = call.headers.get("procore-company-id", "").strip()
        if not company:
            raise Refused(self.settings.company_header_status, MISSING_HEADER)
        if company != str(COMPANY_ID):
            raise Refused(403, NOT_CONNECTED)

    def _answer(self, call: Call) -> Reply:
        try:
            route, call.params = find_route(call.method, call.path)
        except Refused as refused:
            return refusal_at(call.path, refused)
        context = Context(self.store, self.clock, self.settings, call)
        try:
            if self.settings.strict_requests and not call.person:
                context.operation = route.description
            if call.method == "GET":
                with nullcontext() if call.person else self.store.lagging(self.clock.ticks()):
                    return _described(context, route.handler(context))
            return self._write(context, route)
        except Refused as refused:
            return route.refusal(refused)
        except Wrong as wrong:
            return route.refusal(Invalid({"id": [str(wrong)]}))

    def _write(self, context: Context, route: Route) -> Reply:
        """A call that may write; the events of what it wrote are queued with it, or not at all."""
        queued = 0
        with self.store.writing():
            if not self.outbox.listening():
                return _described(context, route.handler(context))
            with self.store.noting() as changes:
                reply = _described(context, route.handler(context))
            queued = self.outbox.note(context.call, changes)
        if queued:
            self.outbox.wake()
        return reply


def _described(context: Context, reply: Reply) -> Reply:
    """The reply of a call that was accepted and is as described. Else :class:`Invalid` is raised: what was written is taken back.
    It comes last because a handler has better words for what it refuses itself."""
    if context.operation is not None and reply.status < 300:
        call = context.call
        body = call.content() if call.method != "GET" and call.body.strip() else None
        described.refuse(described.faults(context.operation, call.args, body))
    return reply


def _limited(wait: float) -> Refused:
    return Refused(429, f"You have surpassed the maximum number of requests; wait {max(1, round(wait))} seconds")
