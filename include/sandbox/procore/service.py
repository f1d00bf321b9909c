"""The Procore look-alike: from a call to its reply, whoever carries it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from include.sandbox.clock import Clock
from include.sandbox.limits import Limiter
from include.sandbox.procore import engine, login, wbs
from include.sandbox.procore.attributes import Wrong
from include.sandbox.procore.call import Call, Reply
from include.sandbox.procore.commitments import UNITS
from include.sandbox.procore.context import NOT_CONNECTED, Context
from include.sandbox.procore.directory import register_vendor
from include.sandbox.procore.engine import shown, write
from include.sandbox.procore.errors import Invalid, Refused, Shape, not_found
from include.sandbox.procore.paging import page_of
from include.sandbox.procore.resources import BY_KIND, RESOURCES, V10, VENDORS, WBS_CODES
from include.sandbox.procore.schema import Action, Paging, Resource
from include.sandbox.procore.settings import COMPANY_ID, COMPANY_NAME, Settings
from include.sandbox.procore.store import Store

log = logging.getLogger(__name__)

Handler = Callable[[Context], Reply]
MISSING_HEADER = "Missing Procore-Company-Id header! Send the id of the company that the request is meant for."


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``template`` is its documented path."""

    method: str
    template: str
    handler: Handler
    errors: Shape = "default"

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>\\d{1,18})", self.template) + "/?")


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

ROUTES: tuple[Route, ...] = (*_standard_routes(), *SPECIAL)
_MATCHERS = tuple((route, route.pattern) for route in ROUTES)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The operation of a path, and the values of its placeholders."""
    for route, pattern in _MATCHERS:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    return None


class Procore:
    """The service over one store: tokens, company header, rate limit, then the handler of the path."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self.store, self.clock, self.settings = store, clock, settings
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
        verdict = self.limiter.peek(self.clock.ticks())
        try:
            self._admit(call)
            verdict = self.limiter.take(self.clock.ticks())
            reply = self._answer(call) if verdict.passed else _limited(verdict.wait)
        except Refused as refused:
            reply = Reply(refused.status, refused.body())
        reply.headers.update(verdict.headers(self.clock.now().timestamp()))
        return reply

    def limit_headers(self) -> dict[str, str]:
        """The rate limit headers of a reply that is not counted."""
        return self.limiter.peek(self.clock.ticks()).headers(self.clock.now().timestamp())

    def _admit(self, call: Call) -> None:
        """Token, then company header (docs/procore-contract.md §1.2, §1.3)."""
        if not self.tokens.valid(call.headers.get("authorization", "")):
            raise Refused(401, login.BAD_TOKEN)
        company = call.headers.get("procore-company-id", "").strip()
        if not company:
            raise Refused(400, MISSING_HEADER)
        if company != str(COMPANY_ID):
            raise Refused(403, NOT_CONNECTED)

    def _answer(self, call: Call) -> Reply:
        found = find_route(call.method, call.path)
        if found is None:
            return Reply(404, not_found("The requested path").body())
        route, call.params = found
        context = Context(self.store, self.clock, self.settings, call)
        try:
            if call.method == "GET":
                return route.handler(context)
            with self.store.writing():
                return route.handler(context)
        except Refused as refused:
            return Reply(refused.status, refused.body(route.errors))
        except Wrong as wrong:
            return Reply(400, Invalid({"id": [str(wrong)]}).body(route.errors))


def _limited(wait: float) -> Reply:
    message = f"You have surpassed the maximum number of requests; wait {max(1, round(wait))} seconds"
    return Reply(429, Refused(429, message).body())
