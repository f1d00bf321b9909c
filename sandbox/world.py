"""The sandbox as a whole: both systems, their clock, what tests asked to go wrong, what was called."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox import seed as seeds
from sandbox.clock import Clock
from sandbox.erp import clerk, schema
from sandbox.faults import Faults, UnderWay
from sandbox.procore.service import Procore
from sandbox.procore.settings import CLIENT_ID, CLIENT_SECRET, COMPANY_ID, Settings
from sandbox.procore.store import Store
from sandbox.procore.webhooks.delivery import Deliveries, Worker
from sandbox.procore.webhooks.events import Outbox
from sandbox.requestlog import RequestLog

Size = str | Mapping[str, int]

KEPT_SIZES = ("tiny", "small")
"""Sizes of a few MB."""
KEPT = 4


@dataclass(frozen=True)
class Made:
    """A seeded state, to be copied: seeding the same once more takes twenty times as long."""

    procore: sqlite3.Connection
    erp: sqlite3.Connection


_MADE: dict[str, Made] = {}
"""By seed, size, history and days. Written and read by one reset at a time."""
_RESETTING = threading.Lock()


@contextmanager
def _file(engine: sa.Engine) -> Iterator[sqlite3.Connection]:
    with closing(engine.raw_connection()) as connection:
        assert isinstance(connection.driver_connection, sqlite3.Connection)
        yield connection.driver_connection


def _copy(database: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    database.backup(copy)
    return copy


class World:
    """Two systems in one directory of state files (the ERP may be elsewhere). Nothing is seeded until :meth:`reset`."""

    def __init__(self, state: Path, erp_url: str | None = None) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.erp_url = erp_url or f"sqlite:///{(state / 'erp.sqlite').resolve()}"
        self.store = Store(state / "procore.sqlite")
        self.erp = schema.connect(self.erp_url)
        schema.create(self.erp)
        self.clock = Clock()
        stored = self.store.offset()
        if stored is not None:
            self.clock.restore(stored)
        self.clock.keep_in(self.store.keep_offset)
        self.clock.keep_in(schema.clock_keeper(self.erp))
        self.faults = Faults()
        outbox = Outbox(self.store, self.clock, self.faults)
        self.deliveries = Deliveries(self.store, self.clock, outbox)
        self.worker = Worker(self.deliveries, self.clock)
        outbox.wake = self.worker.wake
        self.clock.keep_in(self.worker.nudge)
        self.procore = Procore(self.store, self.clock, Settings().changed(self.store.meta("settings", {})), outbox)
        self.late = UnderWay()
        self.requests = RequestLog()
        self._resetting = _RESETTING
        if self.deliveries.next_due() is not None:
            self.worker.wake()

    @property
    def seeded(self) -> bool:
        return self.store.meta("seed") is not None

    def reset(
        self, *, seed: str = "planted", size: Size = "small", history: str = "linked", until: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Both systems back to a seeded state, the clock to the anchor; faults and request log are emptied. With ``until`` (an
        ISO date, UTC) what was done reaches to that day, and the clock is the real one.

        Raises ValueError for an unknown seed, size, history or setting, and for a day that is not over; nothing is changed then.
        """
        if settings is not None and not isinstance(settings, Mapping):
            raise ValueError("settings is an object")
        chosen = Settings().changed(settings or {})
        if not isinstance(size, (str, Mapping)) or not isinstance(seed, str):
            raise ValueError("size is a name or counts per entity, seed a name")
        if history not in seeds.HISTORIES:
            raise ValueError(f"history {history!r} is none of {sorted(seeds.HISTORIES)}")
        seeds.planted(seed, size, history)  # refuses an unknown seed or size while the present state is still there
        days = _days_to(until) if until is not None else 0
        with self._resetting, self.store.alone():
            self._seed(seed, size, history, days)
            with self.store.writing():
                for name, value in (
                    ("seed", seed),
                    ("size", size),
                    ("history", history),
                    ("until", until),
                    ("settings", settings or {}),
                ):
                    self.store.set_meta(name, value)
            self.procore.configure(chosen)
            self.faults.clear()
            self.late.clear()
            self.requests.clear()
            if until is None:
                self.clock.set(seeds.ANCHOR)
            else:
                self.clock.restore(0)
            self.worker.running = True

    def _seed(self, seed: str, size: Size, history: str, days: int) -> None:
        """Both systems as seeded. What was made once in this process is copied, where the ERP is a file of ours."""
        key = json.dumps([seed, size, history, days], sort_keys=True)
        if self.erp.dialect.name == "sqlite" and (made := _MADE.get(key)) is not None:
            self.store.replace(made.procore)
            with _file(self.erp) as database:
                made.erp.backup(database)
            return
        with self.store.writing():
            self.store.clear()
            schema.create(self.erp, drop=True)
            self.clock.set(seeds.ANCHOR)
            self.store.set_meta("planted", seeds.load(self.store, self.erp, seed=seed, size=size, history=history, days=days))
        if self.erp.dialect.name == "sqlite" and size in KEPT_SIZES:
            with _file(self.erp) as database:
                _MADE[key] = Made(_copy(self.store.connection), _copy(database))
            if len(_MADE) > KEPT:
                del _MADE[next(iter(_MADE))]

    def info(self, base_url: str) -> dict[str, Any]:
        return {
            "base_url": base_url,
            "login_url": base_url,
            "company_id": COMPANY_ID,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "erp_url": self.erp_url,
            "seed": self.store.meta("seed"),
            "size": self.store.meta("size"),
            "until": self.store.meta("until"),
            "now": self.clock.stamp(),
        }

    def land(self, answered: int = 0) -> None:
        """Have those late effects take place that are due, ``answered`` further calls later; each is a row of the request log."""
        for late in self.late.take(self.clock.now(), answered):
            reply = self.procore.arrive(late.call)
            self.requests.add(late.call, at=self.clock.stamp(), status=reply.status, late=True)

    def planted(self) -> list[dict[str, Any]]:
        return list(self.store.meta("planted", []))

    def clerk(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """What a clerk does in the ERP. Raises ``sandbox.erp.clerk.ClerkError``."""
        return clerk.perform(self.erp, self.clock, dict(action))

    def close(self) -> None:
        self.worker.end()
        self.store.close()
        self.erp.dispose()


def _days_to(until: object) -> int:
    """Days from the anchor to a day that is over."""
    if not isinstance(until, str):
        raise ValueError(f"until is {until!r}; give a date such as 2026-11-02")
    last = date.fromisoformat(until)
    if last >= datetime.now(UTC).date():
        raise ValueError(f"until is {until}, a day that is not over; what was done cannot lie in the future")
    return (last - seeds.ANCHOR.date()).days
