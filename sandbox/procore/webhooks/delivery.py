"""Delivery over HTTP, on the sandbox's clock (docs/procore-contract.md §7.5).

``Deliveries.deliver_due`` does all of it; the worker only calls it when something may be due.
"""

from __future__ import annotations

import http.client
import json
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox.clock import Clock, instant
from sandbox.procore.store import Record, Store, marks
from sandbox.procore.webhooks.events import DELIVERIES, HOOKS, Outbox, precise

log = logging.getLogger(__name__)

ENDPOINTS = "webhook_endpoints"
"""Endpoints whose last delivery failed: ``number`` is the address."""
SECONDS = 5.0
"""For the answer, once the connection stands; as long for the connection."""
FIRST_PAUSE, LONGEST_PAUSE, FACTOR = 1.0, 3600.0, 2.0
GIVEN_UP = timedelta(hours=12)
SHOWN = 2000
"""Bytes of an answer that are kept."""
WAITING = f"FROM objects WHERE kind = '{DELIVERIES}' AND status = 'waiting'"
"""As literals: else SQLite does not use the index of these."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt. ``error``: why there is no status. ``seconds``: how long it took."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    error: str | None = None
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


Send = Callable[[str, str | None, bytes], Answer]
"""Address, ``Authorization`` and body."""


def post(url: str, authorization: str | None, body: bytes, seconds: float = SECONDS) -> Answer:
    """POST, without following redirects or asking the environment for a proxy."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/json", **({} if authorization is None else {"Authorization": authorization})}
    start = time.monotonic()
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            reply = connection.getresponse()
            found = dict(reply.getheaders())
            text = reply.read(SHOWN).decode("utf-8", "replace")
            return Answer(reply.status, found, text, seconds=time.monotonic() - start)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Answer(error=f"{type(problem).__name__}: {problem}"[:SHOWN], seconds=time.monotonic() - start)


def pause(failures: int) -> timedelta:
    """Until the next attempt, after so many failures in a row: 1 s, 2 s, 4 s, ..., 3600 s."""
    return timedelta(seconds=min(FIRST_PAUSE * FACTOR ** min(failures - 1, 32), LONGEST_PAUSE))


class Deliveries:
    """Sends what waits. An endpoint is an address: several hooks may share one, and with it its pauses."""

    def __init__(self, store: Store, clock: Clock, outbox: Outbox, send: Send = post) -> None:
        self._store, self._clock, self._outbox = store, clock, outbox
        self._busy = threading.Lock()
        self.send = send

    def deliver_due(self) -> int:
        """Everything that is due on the sandbox's clock goes out, each endpoint in order of arrival; returns the attempts made.

        After the clock was moved on, the attempts in between are made up for, at the times at which they would have been made.
        """
        made = 0
        with self._busy:
            self._outbox.release_due()
            lanes = deque(self._lane(url) for url in self._addresses())
            while lanes:  # one attempt of each endpoint in turn: one that hangs does not keep the others waiting for long
                lane = lanes.popleft()
                if next(lane, None) is not None:
                    made += 1
                    lanes.append(lane)
        return made

    def idle(self) -> None:
        """Wait for what is being sent."""
        with self._busy:
            pass

    def next_due(self) -> datetime | None:
        """When something is due next; None: nothing waits."""
        found = [instant(release)] if (release := self._outbox.next_release()) else []
        for url in self._addresses():
            if self._first(self._hooks(url)) is not None:
                state = self._state(url)
                found.append(self._clock.now() if state is None else min(instant(state["next_at"]), _given_up(state)))
        return min(found, default=None)

    def listed(self) -> dict[str, Any]:
        """How things stand: deliveries by status, and the endpoints that fail."""
        counted = self._store.rows("SELECT status, count(*) FROM objects WHERE kind = ? GROUP BY status", [DELIVERIES])
        numbers = {**dict.fromkeys(("waiting", "held", "delivered", "discarded"), 0), **{row[0]: row[1] for row in counted}}
        names = ("failures", "first_failed_at", "next_at")
        endpoints = [{"url": row["number"], **{name: row[name] for name in names}} for row in self._store.query(ENDPOINTS)]
        due = self.next_due()
        return {"deliveries": numbers, "failing": endpoints, "next_due": None if due is None else precise(due)}

    # -- one endpoint ------------------------------------------------------------------------------------------------------------

    def _addresses(self) -> list[str]:
        return sorted({hook["destination_url"] for hook in self._store.query(HOOKS)})

    def _hooks(self, url: str) -> dict[int, Record]:
        return {hook["id"]: hook for hook in self._store.query(HOOKS) if hook["destination_url"] == url}

    def _state(self, url: str) -> Record | None:
        return next(iter(self._store.query(ENDPOINTS, [("number = ?", [url])])), None)

    def _first(self, hook_ids: Sequence[int] | dict[int, Record]) -> Record | None:
        """The delivery that goes next."""
        ids = list(hook_ids)
        rows = self._store.rows(f"SELECT min(id) {WAITING} AND parent_id IN ({marks(ids)})", ids)
        return None if rows[0][0] is None else self._store.get(DELIVERIES, rows[0][0])

    def _lane(self, url: str) -> Iterator[bool]:
        """The attempts that are due at one endpoint, one at a time: was it a success?"""
        moment: datetime | None = None
        while True:
            hooks, now, state = self._hooks(url), self._clock.now(), self._state(url)
            delivery = self._first(hooks)
            if delivery is None:
                return
            if state is not None:
                given_up, moment = _given_up(state), instant(state["next_at"])
                if min(moment, given_up) > now:
                    return
                if given_up <= moment:
                    self._flush(hooks, state, given_up)
                    moment = given_up
                    continue
            queued = instant(delivery["created_at"])
            at = max(moment or queued, queued)
            authorization = hooks[delivery["parent_id"]]["destination_headers"].get("Authorization")
            body = json.dumps(delivery["payload"], ensure_ascii=False).encode()
            answer = self.send(url, authorization, body)
            self._record(url, delivery, at, answer)
            moment = at
            yield answer.good

    def _record(self, url: str, sent: Record, at: datetime, answer: Answer) -> None:
        """What came of an attempt. Whatever was taken away meanwhile, by a reset or with its hook, is not written again."""
        attempt = {
            "started_at": precise(at),
            "completed_at": precise(at + timedelta(seconds=answer.seconds)),
            "response_status": answer.status,
            "response_headers": answer.headers,
            "response_body": answer.body,
            "response_error": answer.error,
        }
        with self._store.writing():
            delivery = self._store.get(DELIVERIES, sent["id"])
            if delivery is None or delivery["ulid"] != sent["ulid"] or delivery["status"] != "waiting":
                return
            status = "delivered" if answer.good else "waiting"
            changed = {**delivery, "status": status, "attempts": [*delivery["attempts"], attempt]}
            self._store.put(DELIVERIES, {**changed, "updated_at": precise(at)})
            self._settle(url, at, good=answer.good)

    def _settle(self, url: str, at: datetime, *, good: bool) -> None:
        """A success resets an endpoint; a failure pauses it."""
        state = self._state(url)
        if good:
            if state is not None:
                self._store.remove(ENDPOINTS, state["id"])
            return
        failures = 1 if state is None else state["failures"] + 1
        first = precise(at) if state is None else state["first_failed_at"]
        id = self._store.new_id(ENDPOINTS, (ENDPOINTS,), 1) if state is None else state["id"]
        changed = {"id": id, "number": url, "failures": failures, "first_failed_at": first}
        self._store.put(ENDPOINTS, {**changed, "next_at": precise(at + pause(failures))})

    def _flush(self, hooks: dict[int, Record], state: Record, moment: datetime) -> None:
        """After twelve hours of failure what has waited till then is never sent again, and the endpoint begins anew."""
        ids = list(hooks)
        with self._store.writing():
            rows = self._store.rows(f"SELECT id {WAITING} AND parent_id IN ({marks(ids)}) ORDER BY id", ids)
            for delivery in (self._store.get(DELIVERIES, row["id"]) for row in rows):
                if delivery is not None and instant(delivery["created_at"]) <= moment:
                    self._store.put(DELIVERIES, {**delivery, "status": "discarded", "updated_at": precise(moment)})
            self._store.remove(ENDPOINTS, state["id"])


def _given_up(state: Record) -> datetime:
    return instant(state["first_failed_at"]) + GIVEN_UP


class Worker:
    """Calls ``deliver_due`` in a thread of its own, which begins with the first event: without hooks there is none."""

    def __init__(self, deliveries: Deliveries, clock: Clock) -> None:
        self._deliveries, self._clock = deliveries, clock
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = False
        self.running = True

    def wake(self) -> None:
        """Something may be due."""
        with self._lock:
            if self._ended or not self.running:
                return
            self._woken.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._thread.start()

    def nudge(self, _: int = 0) -> None:
        """The clock was moved: a worker that waits looks again. Keeper of :class:`sandbox.clock.Clock`."""
        self._woken.set()

    def pause(self, *, running: bool) -> None:
        """Leave delivery to whoever calls ``deliver_due``, once what is under way is done; or take it up again."""
        self.running = running
        if running:
            self.wake()
        else:
            self._deliveries.idle()

    def end(self) -> None:
        """No further delivery; waits for the one that is under way."""
        with self._lock:
            self._ended, thread = True, self._thread
        self._woken.set()
        if thread is not None:
            thread.join(2 * SECONDS + 1)

    def _run(self) -> None:
        timeout: float | None = 0.0
        while not self._ended:
            self._woken.wait(timeout)
            self._woken.clear()
            if self._ended or not self.running:
                timeout = None
                continue
            try:
                self._deliveries.deliver_due()
                due = self._deliveries.next_due()
            except sqlite3.Error:
                log.exception("webhooks: the queue cannot be read; tried again with the next event")
                return
            timeout = None if due is None else max(0.0, (due - self._clock.now()).total_seconds())
