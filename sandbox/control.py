"""The control side, ``/_sandbox/...``: no token, no rate limit, not in the request log."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from sandbox.erp.clerk import ClerkError
from sandbox.faults import FaultError
from sandbox.procore.call import Call, Reply, parse
from sandbox.procore.errors import Refused
from sandbox.procore.webhooks import events
from sandbox.world import World

JSON = "application/json; charset=utf-8"
RESET_KEYS = ("seed", "size", "history", "until", "settings")


class Unusable(ValueError):
    """A control call that cannot be carried out; the text says why (422)."""


async def _body(request: Request) -> Any:
    return parse(await request.body())


async def _object(request: Request) -> dict[str, Any]:
    given = parse(await request.body())
    if not isinstance(given, dict):
        raise Unusable("the body must be a JSON object")
    return given


Body = Annotated[Any, Depends(_body)]
Object = Annotated[dict[str, Any], Depends(_object)]


def answer(reply: Reply) -> Response:
    """A reply as the web framework sends it."""
    kind = None if reply.body is None else JSON
    return Response(reply.encode(), reply.status, reply.headers, kind)


def _json(body: Any) -> Response:
    return answer(Reply(200, body))


def router(world: World, base_url: str | None) -> APIRouter:
    """The control calls of one sandbox. ``base_url`` None: as the caller reached it."""
    api = APIRouter(prefix="/_sandbox")

    def info(request: Request) -> Response:
        return _json(world.info(base_url or str(request.base_url).rstrip("/")))

    api.get("/info")(info)

    @api.post("/clock")
    def clock(given: Object) -> Response:
        seconds = given.get("advance")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, Decimal)):
            raise Unusable("advance must be a number of seconds")
        try:
            world.clock.advance(float(seconds))
        except (ValueError, OverflowError) as problem:
            raise Unusable(str(problem)) from problem
        world.land()
        return _json({"now": world.clock.stamp()})

    @api.post("/reset")
    def reset(request: Request, given: Object) -> Response:
        unknown = sorted(set(given) - set(RESET_KEYS))
        if unknown:
            raise Unusable(f"unknown keys {unknown}; known are {list(RESET_KEYS)}")
        try:
            world.reset(**{key: value for key, value in given.items() if value is not None})
        except (TypeError, ValueError) as problem:
            raise Unusable(str(problem)) from problem
        return info(request)

    @api.get("/planted")
    def planted() -> Response:
        return _json(world.planted())

    @api.post("/clerk")
    def clerk(given: Object) -> Response:
        return _json(world.clerk(given))

    @api.get("/requests")
    def requests(since: int = 0) -> Response:
        return _json(world.requests.since(since))

    @api.delete("/requests")
    def forget_requests() -> Response:
        world.requests.clear()
        return _json([])

    @api.get("/faults")
    def faults() -> Response:
        return _json(world.faults.listed())

    @api.post("/faults")
    def add_faults(given: Body) -> Response:
        return _json(world.faults.add(given))

    @api.delete("/faults")
    def remove_faults() -> Response:
        world.faults.clear()
        return _json([])

    @api.get("/late")
    def late() -> Response:
        return _json(world.late.listed())

    @api.delete("/late")
    def forget_late() -> Response:
        world.late.clear()
        return _json([])

    @api.get("/webhooks")
    def webhooks() -> Response:
        return _json({**world.deliveries.listed(), "worker": world.worker.running})

    @api.post("/webhooks/deliver")
    def deliver() -> Response:
        return _json({"attempts": world.deliveries.deliver_due()})

    @api.post("/webhooks/worker")
    def worker(given: Object) -> Response:
        if set(given) != {"running"} or not isinstance(given["running"], bool):
            raise Unusable("running must be true or false")
        world.worker.pause(running=given["running"])
        return webhooks()

    @api.post("/webhooks/hooks/{id}")
    def switch(id: int, given: Object) -> Response:
        if set(given) != {"status"} or not events.switch(world.store, id, given["status"]):
            raise Unusable("status must be active or disabled, of a hook that there is")
        return _json({"id": id, "status": given["status"]})

    @api.post("/workflows")
    def workflows(given: Object) -> Response:
        if set(given) != {"kind", "item_id"} or not isinstance(given["item_id"], int):
            raise Unusable("give kind (of a document as it is stored) and item_id (a number)")
        try:
            return _json(world.procore.start_older_workflow(str(given["kind"]), given["item_id"]))
        except Refused as refused:
            raise Unusable(refused.message) from refused

    @api.post("/as_user")
    def as_user(request: Request, given: Object) -> Response:
        call = _person(given, request.headers.get("host", ""))
        reply = world.procore.handle(call)
        world.requests.add(call, at=world.clock.stamp(), status=reply.status)
        return answer(reply)

    return api


def _person(given: dict[str, Any], host: str) -> Call:
    """The call a person makes: method, path (with or without ``/rest/v1.0``, with or without a query) and JSON body."""
    method, path = given.get("method", "GET"), given.get("path")
    if not isinstance(method, str) or not isinstance(path, str):
        raise Unusable("as_user needs a method and a path")
    path, _, query = path.partition("?")
    path = "/" + path.lstrip("/")
    if not path.startswith("/rest/"):
        path = f"/rest/v1.0{path}"
    body = b"" if given.get("json") is None else Reply(200, given["json"]).encode()
    return Call(method.upper(), path, query, {"host": host}, body, person=True)


ERRORS: tuple[type[Exception], ...] = (Unusable, ClerkError, FaultError)


def refused(_: Request, problem: Exception) -> Response:
    """What a control call answers when it cannot be done: 400 for a body that is no JSON, else 422, with the reason."""
    status = problem.status if isinstance(problem, Refused) else 422
    return answer(Reply(status, {"error": str(problem)}))
