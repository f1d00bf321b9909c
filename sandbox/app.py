"""The sandbox as a web application: Procore's paths and the control side.

Faults happen here, at the edge: before, around or after the service's handler, which knows nothing of them.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from sandbox import control
from sandbox.clock import Clock
from sandbox.faults import Answer, Fault
from sandbox.procore.call import Call, Reply
from sandbox.procore.errors import Refused
from sandbox.world import World

log = logging.getLogger(__name__)

_TRANSPORTS: dict[tuple[str, int], asyncio.Transport] = {}
"""Open connections by the caller's address, so that one can be cut."""


class CuttableProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's HTTP protocol; an application can cut its connection through :class:`Dropped`."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")[:2]
        _TRANSPORTS[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _TRANSPORTS.pop(self._peer, None)
        super().connection_lost(exc)


class Dropped(Response):
    """No answer: the connection is closed and the caller never learns what became of the call."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _TRANSPORTS.get(tuple(scope["client"]))
        if transport is None:
            raise RuntimeError("a connection can only be dropped under uvicorn with CuttableProtocol")
        transport.abort()
        while (await receive())["type"] != "http.disconnect":  # else uvicorn would still try to answer with a 500
            pass


class Truncated(Response):
    """Half of the body that its header promises, then the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        transport = _TRANSPORTS.get(tuple(scope["client"]))
        if transport is None:
            raise RuntimeError("a body can only be cut under uvicorn with CuttableProtocol")
        transport.close()  # what was sent goes out first, as it would not after abort()
        while (await receive())["type"] != "http.disconnect":
            pass


GARBAGE = "<html><head><title>Gateway</title></head><body>Something is wrong here.</body></html>"
HALF = {"data": [], "message": "The sandbox was asked to cut this reply short"}


class Dated:
    """Puts the sandbox's time into the Date header of every reply."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = format_datetime(self._clock.now().replace(microsecond=0), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)


def create_app(state: Path, erp_url: str | None = None, *, base_url: str | None = None, world: World | None = None) -> FastAPI:
    """The application over the state files in ``state``; seeded if they are empty. ``app.state.world`` is the sandbox."""
    world = world or World(state, erp_url)
    if not world.seeded:
        world.reset()
    app = FastAPI(title="Procore and ERP sandbox", openapi_url=None)
    app.state.world = world
    app.add_middleware(Dated, clock=world.clock)
    app.include_router(control.router(world, base_url))
    for problem in (*control.ERRORS, Refused):
        app.add_exception_handler(problem, control.refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _failed)

    async def procore(request: Request) -> Response:
        return await _answer(world, await _call(request))

    for prefix in ("/rest", "/oauth"):
        app.add_route(f"{prefix}/{{path:path}}", procore, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    return app


def _no_route(_: Request, problem: Exception) -> Response:
    """What the web framework refuses, an unknown path or method, in Procore's own shape."""
    assert isinstance(problem, HTTPException)
    reply = Reply(problem.status_code, Refused(problem.status_code, str(problem.detail)).body(), dict(problem.headers or {}))
    return control.answer(reply)


def _failed(_: Request, problem: Exception) -> Response:
    """A fault of the sandbox itself; the web framework has it logged."""
    return control.answer(Reply(500, Refused(500, f"The sandbox failed ({type(problem).__name__})").body()))


async def _call(request: Request) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.url.path, request.url.query, headers, await request.body())


async def _answer(world: World, call: Call) -> Response:
    """One call with the faults that hit it; every outcome is logged once."""
    if world.late:
        await run_in_threadpool(world.land)
    faults = world.faults.firing(call.method, call.path)
    name = "+".join(fault.action for fault in faults) or None
    for fault in faults:
        if fault.action == "latency":
            await asyncio.sleep(fault.seconds)
    last = faults[-1] if faults and faults[-1].effect else None
    answer, when = last.effect if last and last.effect else (None, "after")
    reply: Reply | None = None
    status = last.status if last and answer != "drop" else None
    try:
        if when == "after":
            status = 500
            reply = await run_in_threadpool(world.procore.handle, call)
            status = reply.status
    finally:
        world.requests.add(call, at=world.clock.stamp(), status=status, fault=name)
    if world.late and call.path.startswith("/rest/"):
        await run_in_threadpool(world.land, 1)
    if last and when == "late":
        world.late.add(call, last, world.clock.now())
    if last is None or answer is None:
        return control.answer(reply or Reply(500))
    return Dropped() if answer == "drop" else _faulty(world, last, answer, reply)


def _faulty(world: World, fault: Fault, answer: Answer, reply: Reply | None) -> Response:
    """What the caller gets instead of ``reply`` (None: the call was not carried out, or not yet)."""
    headers = {**world.procore.limit_headers(), **fault.headers}
    if answer == "status":
        body = fault.body if fault.body is not None else Refused(fault.status, "The sandbox was asked to fail here").body()
        return control.answer(Reply(fault.status, body, headers))
    if answer == "garbage":
        return Response(fault.body if isinstance(fault.body, str) else GARBAGE, fault.status, headers, "text/html")
    whole = reply if reply and reply.body else Reply(body=HALF)
    return Truncated(whole.encode(), fault.status, headers, control.JSON)
