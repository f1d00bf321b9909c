"""The door for Procore's webhooks: one path on Airflow's API server that takes events, nothing else (docs/operating.md, Events).

It keeps an event in the ledger's inbox before it answers, and asks Airflow for a run of the DAG a few seconds later: a burst of
events is one run, because all of them ask for the same run id. It holds nothing that a restart could lose.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import httpx
from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from include.financials.exceptions import ConfigurationError, SyncError
from include.financials.ledger import Ledger
from include.financials.ledger.inbox import Event
from include.procore.events import LARGEST, RESOURCES, parse

log = logging.getLogger(__name__)

PATH = "/webhooks"
BUCKET = timedelta(seconds=15)
"""Events of so long are one run; it starts at the end of the time, so that the record can be read by then."""
TOGETHER = 500
"""Events that are kept with one commit at the most."""
DAG_ID = "procore_erp_sync"

Trigger = Callable[[datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Door:
    """``secrets``: values of the Authorization header that are taken, two while one is replaced by the other. ``account``: id of
    the service account's user, whose own changes start no run. ``trigger`` asks for the run of the bucket that ends then."""

    secrets: tuple[str, ...] = field(repr=False)
    ledger: Ledger
    trigger: Trigger
    account: str | None = None


def bucket_end(now: datetime) -> datetime:
    """The next full bucket's end, at least half a bucket away."""
    size = BUCKET.total_seconds()
    return datetime.fromtimestamp((now.timestamp() + size / 2) // size * size + size, UTC)


class _Keeper:
    """Keeps events in the inbox. Those that arrive while others are being kept wait for these and are then kept together: a burst
    costs few commits, and a single event waits for nobody."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Ledger, Event, asyncio.Future[bool]]] = []
        self._work: asyncio.Task[None] | None = None

    async def keep(self, ledger: Ledger, event: Event) -> bool:
        """As :func:`include.financials.ledger.inbox.Inbox.receive`, which raises the same."""
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((ledger, event, kept))
        if self._work is None:
            self._work = asyncio.create_task(self._all())
        return await kept

    async def _all(self) -> None:
        try:
            while self._waiting:
                ledger = self._waiting[0][0]
                batch = list(takewhile(lambda one: one[0] is ledger, self._waiting[:TOGETHER]))  # noqa: B023 - used at once
                del self._waiting[: len(batch)]
                try:
                    found = await run_in_threadpool(ledger.inbox.receive_all, [event for _, event, _ in batch])
                except Exception as error:  # noqa: BLE001 - whatever it was: each sender is told, and no other waits in vain
                    for _, _, kept in batch:
                        if not kept.done():
                            kept.set_exception(error)
                else:
                    for (_, _, kept), new in zip(batch, found, strict=True):
                        if not kept.done():  # its sender may have gone
                            kept.set_result(new)
        finally:
            self._work = None


def create_app(door: Callable[[], Door], at_hand: Callable[[], Door | None] = lambda: None) -> FastAPI:
    """The application. At each request ``door`` is asked, so that a secret can be replaced without a restart; but first
    ``at_hand``, which may not block and has it if it was opened a short while ago."""
    app = FastAPI(title="Procore events", docs_url=None, redoc_url=None, openapi_url=None)
    asked: set[datetime] = set()
    keeper = _Keeper()

    @app.post(PATH)
    async def take(request: Request, background: BackgroundTasks) -> Response:
        try:
            found = at_hand()
            opened = await run_in_threadpool(door) if found is None else found
        except ConfigurationError as error:
            log.error("an event was refused: %s", error)
            return _answer(503, "not set up")
        except (SyncError, SQLAlchemyError) as error:  # the ledger is away: that passes
            log.warning("an event could not be taken, Procore is asked to send it again: %s", error)
            return _answer(503, "try again")
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        # All are compared, whichever fits: the time taken tells nothing.
        if not sum(hmac.compare_digest(given, secret.encode()) for secret in opened.secrets):
            return _answer(401, "unauthorized")
        body = await _body(request)
        if body is None:
            return _answer(413, f"more than {LARGEST} bytes")
        try:
            event = parse(body)
        except ValueError as error:
            return _answer(422, str(error))
        try:
            new = await keeper.keep(opened.ledger, event)
        except (SyncError, SQLAlchemyError) as error:
            log.warning("event %s could not be kept, Procore is asked to send it again: %s", event.event_id, type(error).__name__)
            return _answer(503, "try again")
        if new and event.resource in RESOURCES and (opened.account is None or event.user_id != opened.account):
            end = bucket_end(datetime.now(UTC))
            if end not in asked:  # saves a call; another process asks once more, and is told that the run is there
                asked.clear()
                asked.add(end)
                background.add_task(_ask, opened.trigger, end)
        return _answer(202, "received" if new else "known")

    return app


def _answer(status: int, text: str) -> Response:
    return JSONResponse({"detail": text}, status)


async def _body(request: Request) -> bytes | None:
    """The body, read no further than it may be long; None: it is longer."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > LARGEST:
            return None
    return bytes(found)


async def _ask(trigger: Trigger, end: datetime) -> None:
    try:
        await trigger(end)
    except (httpx.HTTPError, SyncError, KeyError, ValueError, TypeError) as error:
        # Nothing is lost: the event is in the inbox, and the scheduled run takes what nobody took.
        said = type(error).__name__
        if isinstance(error, httpx.HTTPStatusError):  # login or password, a right, a DAG that is not there
            asked, status = error.request, error.response.status_code
            said = f"{asked.method} {asked.url.path} answered {status}; see connection airflow_api"
        log.warning("no run of events could be asked for (%s); the next scheduled run takes them", said)


@dataclass(slots=True)
class AirflowApi:
    """Airflow's REST API as a user who may trigger runs. ``client`` is the caller's."""

    client: httpx.AsyncClient
    login: str
    password: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    async def __call__(self, end: datetime) -> None:
        """Ask for the run of the bucket that ends then; one that is there already is what was wanted. Raises httpx.HTTPError."""
        wanted: dict[str, Any] = {
            "dag_run_id": f"events__{end:%Y-%m-%dT%H:%M:%SZ}",
            "logical_date": None,
            "run_after": end.isoformat(),
            "conf": {"events": True},
        }
        for fresh in (self.token is None, True):
            if fresh:
                answer = await self.client.post("/auth/token", json={"username": self.login, "password": self.password})
                self.token = str(answer.raise_for_status().json()["access_token"])
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = await self.client.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=wanted, headers=headers)
            if answer.status_code != 401:
                break
        if answer.status_code != 409:
            answer.raise_for_status()
            log.info("asked for run %s", wanted["dag_run_id"])
