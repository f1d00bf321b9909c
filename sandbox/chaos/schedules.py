"""Random schedules of events: people change documents in Procore, and what Procore tells of it is lost, doubled, late or out of
order, while runs of events come between, some of them killed. Both systems must end as by polling alone: events are hints.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.ledger import Ledger
from include.financials.settings import from_file
from include.procore.client import ProcoreClient
from include.procore.webhooks import Receiver, Webhooks, sweep
from sandbox.chaos import people
from sandbox.chaos.cases import DELAYS, SHOWN
from sandbox.chaos.picture import Picture, differences, picture, rows
from sandbox.chaos.receiving import OLD, Site, address_of, listening, server_of
from sandbox.chaos.worlds import (
    UNLIMITED,
    Fault,
    Sandbox,
    Template,
    end_leases,
    forever,
    forked,
    keep,
    restore,
    run,
    sandbox,
    stops,
)
from sandbox.pipeline import SETTINGS

STEPS: Mapping[str, Callable[[Sandbox, int], Any]] = {
    "a contract is renamed": lambda world, n: world.edit("104-SC-003", title=f"Renamed {n}"),
    "another one is renamed": lambda world, n: world.edit("098-SC-007", title=f"Renamed {n}"),
    "a change order is approved": lambda world, n: people.change_order(world, "104-SC-003", 3, status="approved"),
    "a contract is signed": lambda world, n: people.new_commitment(world, f"104-SC-{100 + n}", "104-SC-003", "1000.00", "250.50"),
    "the owner is billed": lambda world, n: people.new_owner_invoice(world, "104-PC-001", f"104-OI-{50 + n}", "100.00"),
    "the owner approves a change": lambda world, n: people.change_order(world, "104-PC-001", 3, status="approved"),
}
"""What people do in Procore; the number makes each time different."""
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "events_lost": {"action": "event_drop"},
    "events_doubled": {"action": "event_duplicate"},
    "events_reordered": {"action": "event_reorder", "seconds": 3600},
    "events_late": {"action": "event_delay", "seconds": 900},
    "events_of_one_moment": {"action": "event_same_timestamp"},
    "events_without_metadata": {"action": "event_null_metadata"},
    "events_of_unreadable_records": {"action": "event_unreadable", "seconds": 240},
    "events_in_floods": {"action": "event_flood", "count": 40},
}
"""What becomes of events on their way, by the name in the report."""
KILLED = "events_run_killed"
KINDS = (*FAULTS, KILLED)
LENGTH = 5
"""Steps of a schedule."""
PAUSES = (60, 300, 1200)
"""Seconds between two steps."""
RUNS = 0.8
"""The share of steps after which there is a run of events, if there are events."""
DEATHS = (None, None, None, None, None, 0, 1)
"""Before how many of a run's writes it dies; mostly it does not."""
TEMPLATE = "after_a_first_run"


Ending = tuple[Picture, list[list[str]]]
"""Both systems, and who needs somebody."""
Plant = Callable[[], None] | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule; its number is the seed of everything that is random in it."""

    number: int

    @property
    def name(self) -> str:
        return f"schedule.{self.number:03}"


@dataclass(frozen=True, slots=True)
class Step:
    """``what`` is done, ``seconds`` pass, events are delivered, and there is a run of events, or none; it dies at its
    ``killed_at``-th write."""

    what: str
    number: int
    seconds: int
    runs: bool
    killed_at: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a run came to: what ``fired``, what is ``wrong`` with it alone, and the ``end`` that a scheduled one left."""

    fired: Counter[str]
    wrong: list[str]
    end: Ending | None = None


def draw(schedule: Schedule) -> tuple[list[Step], dict[str, dict[str, Any]]]:
    """Its steps, and the rules of what goes wrong with events by their names."""
    dice = random.Random(schedule.number)
    steps = [
        Step(dice.choice(list(STEPS)), number, dice.choice(PAUSES), dice.random() < RUNS, dice.choice(DEATHS))
        for number in range(LENGTH)
    ]
    rules = {
        name: {**FAULTS[name], "after": dice.randrange(4), "times": dice.randint(1, 4)}
        for name in dice.sample(list(FAULTS), dice.randint(1, 4))
    }
    return steps, rules


def settle(folder: Path) -> None:
    """The template: the smallest company, an hour after its first run."""
    work = folder / "work"
    with sandbox(work) as world:
        world.info = world.control("POST", "/reset", {"size": "tiny", "history": "linked", "settings": UNLIMITED})
        ended = run(world, "first", list(ENTITIES))
        if ended.report is None:
            raise RuntimeError(f"the first run ended with {ended.error}; see {work}/runs.log")
        world.advance(3600)
        keep(work, folder)
        moment = world.control("GET", "/info")["now"]
    (folder / "wanted.json").write_text(json.dumps({"wanted": {}, "stopped": stops(ended.report), "moment": moment}))
    shutil.rmtree(work)


def carry_out(schedule: Schedule, template: Template, folder: Path, plant: Plant = None) -> dict[str, Any]:
    """Its result: what ``fired`` by kind, how many ``runs`` there were, and what is wrong in the end."""
    started = time.monotonic()
    steps, rules = draw(schedule)
    wanted = _polled(steps, template, folder / "polled")
    fired, runs, crashes, wrong = Counter[str](), 0, list[str](), list[str]()
    with closing(_told(steps, rules, template, folder / "told", plant)) as story:
        for told in story:
            fired += told.fired
            runs += 1
            if told.end is None:
                crashes += told.wrong
                continue
            wrong = told.wrong or _wrong(told.end, wanted)
            if not wrong:
                break
    wrong += crashes
    if not wrong:
        shutil.rmtree(folder)
    seconds = round(time.monotonic() - started, 2)
    return {"case": schedule.name, "faults": dict(fired), "runs": runs, "seconds": seconds, "violations": wrong}


def _polled(steps: Sequence[Step], template: Template, folder: Path) -> Ending:
    """The end of it where no event is ever sent: one scheduled run after all of it."""
    restore(template, folder)
    with sandbox(folder) as world:
        for step in steps:
            STEPS[step.what](world, step.number)
            world.advance(step.seconds)
        ended = run(world, "scheduled", list(ENTITIES), kind="scheduled")
        if ended.report is None:
            raise RuntimeError(f"the run by polling ended with {ended.error}; see {folder}/runs.log")
        return _seen(folder), stops(ended.report)


def _told(
    steps: Sequence[Step], rules: Mapping[str, Mapping[str, Any]], template: Template, folder: Path, plant: Plant
) -> Generator[Told]:
    """What fired, as it goes, and how each scheduled run after the steps ended: one that comes soon, then retries."""
    restore(template, folder)
    with sandbox(folder) as world, _receiver(folder) as address:
        _apart(world, partial(_subscribe, world, address))
        for rule in rules.values():
            world.fault(**rule)
        for step in steps:
            STEPS[step.what](world, step.number)
            world.advance(step.seconds)
            world.control("POST", "/webhooks/deliver")
            if step.runs and _waiting(folder):
                dies = Fault("PATCH|POST", "", step.killed_at, "after") if step.killed_at is not None else None
                ended = run(world, f"events-{step.number}", (), dies, plant, events=True)
                if ended.killed:
                    end_leases(folder)
                yield Told(Counter({KILLED: 1} if ended.killed else {}), [f"it crashed: {ended.error}"] if ended.crashed else [])
        fired = {row["action"]: row["fired"] for row in world.control("GET", "/faults")}
        yield Told(Counter({name: fired[rule["action"]] for name, rule in rules.items()}), [])
        world.control("DELETE", "/faults")
        _apart(world, partial(_sweep, world, address))
        for number, delay in enumerate((1, *DELAYS)):
            world.advance(delay)
            world.control("DELETE", "/requests")
            before = world.audited()
            ended = run(world, f"scheduled-{number}", list(ENTITIES), None, plant, kind="scheduled")
            wrote = [f"it still wrote: {row['method']} {row['path']}" for row in world.requests() if row["write"]]
            wrote += ["it still wrote to the ERP"] if world.audited() != before else []
            failed = [f"it ended with {ended.error}"] if ended.report is None else []
            yield Told(Counter(), [*failed, *wrote], (_seen(folder), stops(ended.report or {"stopped": ()})))


def _wrong(end: Ending, wanted: Ending) -> list[str]:
    """What is otherwise than by polling, one line each."""
    (found, stopped), (should, known) = end, wanted
    lines = differences(found, should)
    return lines[:SHOWN] + [f"needs somebody: {' '.join(stop)}" for stop in stopped if stop not in known]


def _seen(folder: Path) -> Picture:
    """Both systems, without the webhooks themselves."""
    found = picture(folder)
    return found | {"procore": {kind: kept for kind, kept in found["procore"].items() if not kind.startswith("webhook_")}}


def _waiting(folder: Path) -> bool:
    query = "SELECT COUNT(*) AS n FROM webhook_inbox WHERE claimed_by IS NULL AND done_at IS NULL"
    return bool(rows(folder / "ledger.sqlite", query)[0]["n"])


# -- Procore's events, and who takes them -------------------------------------------------------------------------------------


def _apart(world: Sandbox, work: Callable[[], None]) -> None:
    """What opens connections is done in a process of its own: this one goes on forking."""
    if forked(work, world.folder / "runs.log"):
        raise RuntimeError(f"the webhooks could not be asked; see {world.folder}/runs.log")


def _subscribe(world: Sandbox, address: str) -> None:
    """Procore tells ``address``, when it is asked to."""
    with _webhooks(world, address) as webhooks:
        webhooks.apply(webhooks.plan(from_file(SETTINGS)))
    world.control("POST", "/webhooks/worker", {"running": False})


def _sweep(world: Sandbox, address: str) -> None:
    with _webhooks(world, address) as webhooks, closing(Ledger(f"sqlite:///{world.folder}/ledger.sqlite")) as ledger:
        sweep(webhooks, ledger.inbox)


@contextmanager
def _webhooks(world: Sandbox, address: str) -> Iterator[Webhooks]:
    info = world.info
    client = ProcoreClient(info["base_url"], info["login_url"], info["company_id"], info["client_id"], info["client_secret"])
    with closing(client):
        yield Webhooks(client, Receiver(address, (OLD,)))


@contextmanager
def _receiver(folder: Path) -> Iterator[str]:
    """The receiver in a process of its own; its address."""
    with closing(listening()) as listener:
        child = os.fork()
        if child == 0:
            forever(lambda: server_of(Site(folder)).run([listener]), log=folder / "receiver.log")
        try:
            yield address_of(listener)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
