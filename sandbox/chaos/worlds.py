"""Both systems and the ledger in a folder of files, a sandbox over them, and runs of the engine that may be killed.

Everything is forked from one process that has imported all it needs and opened nothing: a sandbox or a run then costs no
start-up, and each is a process of its own that SIGKILL can end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from include.erp import registry
from include.erp.mapping.loading import mapping_path
from include.financials.entities import ENTITIES
from include.financials.exceptions import SyncError
from include.financials.port import Health
from include.procore.client import ProcoreClient
from sandbox import pipeline
from sandbox.__main__ import main as serve
from sandbox.chaos.company import Company
from sandbox.chaos.picture import Picture, picture, rows
from sandbox.clock import instant
from sandbox.erp.faults import Door, What

FILES = ("procore.sqlite", "erp.sqlite", "ledger.sqlite")
UNLIMITED = {"rate_limit_hour": 1_000_000, "rate_limit_spike": 100_000}
"""So that no case waits for API budget."""
Clerk = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A seeded company, and what a clerk does in its ERP before the first run, so that this run makes every kind of write.
    ``only`` the writes of these entities are of interest; empty: of all."""

    name: str
    history: str
    clerk: tuple[Clerk, ...] = ()
    size: str = "tiny"
    only: tuple[str, ...] = ()


SCENARIOS = (
    Scenario(
        "mid_life",
        "linked",
        ({"action": "new_prime_contract", "job": "25-104", "title": "Garage", "amount": "98000", "number": "104-PC-002"},),
    ),
    Scenario("new_company", "none"),
    # Only here does a budget go to Procore.
    Scenario(
        "estimate",
        "linked",
        ({"action": "change_estimate", "job": "26-118", "code": "14-2000", "cost_type": "3", "amount": "12500.00"},),
        size="small",
        only=("budgets",),
    ),
)


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the reference run. ``after``: so many calls before it have the same method and a path like it (Procore), or so
    many write transactions were committed before it (the ERP)."""

    scenario: str
    entity: str
    system: str
    method: str
    path: str
    after: int
    chosen: bool
    """Does it stand for its group (entity, step, first or last batch)? Others are tried with ``ALL=1``."""

    @property
    def name(self) -> str:
        path = re.sub(r"^/rest/v[0-9.]+/|\[0-9\]\+|[\^$\\]", "", self.path).replace("/", "-")
        return f"{self.scenario}.{self.entity}.{self.method}-{path}.{self.after}"


@dataclass(frozen=True, slots=True)
class Template:
    """The company just before the load of an entity (files), and what it is after an undisturbed one."""

    folder: Path
    wanted: Picture
    stopped: list[list[str]]
    moment: str
    """The sandbox's time then."""

    @classmethod
    def load(cls, folder: Path) -> Template:
        return cls(folder, **json.loads((folder / "wanted.json").read_text()))


def preload() -> None:
    """What a run imports and parses while it works: done once, before anything is forked. All use the same mapping."""
    for name in ("great_expectations", "alembic.command", "pandas", "pyarrow.parquet"):
        import_module(name)
    loaded = cache(registry.load_mapping)
    loaded(mapping_path(pipeline.MAPPING))
    vars(registry)["load_mapping"] = loaded


# -- a sandbox ------------------------------------------------------------------------------------------------------------------


class Sandbox(Company):
    """A running sandbox over a folder."""

    def __init__(self, folder: Path, info: dict[str, Any]) -> None:
        self.folder, self.info = folder, info

    def advance(self, seconds: float) -> None:
        self.control("POST", "/clock", {"advance": seconds})

    def audited(self) -> int:
        """Rows of the ERP's audit log."""
        return int(rows(self.folder / "erp.sqlite", "SELECT COUNT(*) AS n FROM audit_log")[0]["n"])


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A sandbox in a process of its own, over the state in ``folder`` or, where there is none, a company that is seeded."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        forever(lambda: serve(["--port", "0", "--state", str(folder), "--keep", "--size", "tiny"]), writing)
    os.close(writing)
    try:
        with open(reading) as answers:
            line = answers.readline()
        if not line:
            raise RuntimeError(f"the sandbox over {folder} did not start")
        yield Sandbox(folder, json.loads(line))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def forked(work: Callable[[], Any], log: Path) -> int:
    """``work`` in a process of its own, to its end; the status it ended with, 0 where all went well."""
    child = os.fork()
    if child == 0:
        forever(work, log=log)
    return os.waitpid(child, 0)[1]


def forever(work: Callable[[], Any], stdout: int | None = None, log: Path | None = None) -> None:
    """The life of a forked process, for ever in it: ``work``, and never a return into the parent's code."""
    code = 1
    try:
        if log is not None:
            sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
        elif stdout is not None:
            os.dup2(stdout, 1)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        work()
        code = 0
    except BaseException:  # noqa: BLE001  nothing may leave this process but its exit code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# -- a run of the engine --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Fault:
    """What goes wrong inside the process that runs the engine: it dies at a write, or the ERP's door is watched. ``method`` and
    ``path`` are regular expressions."""

    method: str = ""
    path: str = ""
    after: int = 0
    killed: str | None = None
    door: What | None = None


@dataclass(slots=True)
class Ended:
    """How a run ended. ``seconds``: when it asked to be tried again. ``fired``: the fault inside the process did."""

    report: dict[str, Any] | None = None
    error: str = ""
    crashed: bool = False
    killed: bool = False
    seconds: float = 0.0
    commits: int = 0
    fired: bool = False


def run(
    world: Sandbox,
    name: str,
    entities: Sequence[str] = (),
    fault: Fault | None = None,
    plant: Callable[[], None] | None = None,
    **options: Any,
) -> Ended:
    """One run from the watermarks, as the schedule makes it, in a process of its own: of these ``entities``, or of what
    ``options`` say (those of ``pipeline.run``). ``plant`` changes the code in it, to see that the sweep would notice."""
    told = world.folder / f"{name}.json"
    if entities:
        options["params"] = {"since": None, "entities": list(entities)}
    work = partial(_run, world, name, options, fault or Fault(), plant, told)
    status = forked(work, world.folder / "runs.log")
    ended = Ended(**json.loads(told.read_text())) if told.exists() else Ended(error="no result", crashed=True)
    ended.fired = ended.fired or (world.folder / f"{name}.json.fired").exists()
    if os.WIFSIGNALED(status):
        ended.killed, ended.crashed = True, os.WTERMSIG(status) != signal.SIGKILL
    return ended


def _run(
    world: Sandbox, name: str, options: Mapping[str, Any], fault: Fault, plant: Callable[[], None] | None, told: Path
) -> None:
    door = Door(fault.door, fault.after, told=told.with_name(f"{told.name}.fired").touch)

    def guarded(*given: Any, **options: Any) -> Any:
        system: Any = registry.erp_system(*given, **options)
        door.guard(system.transport.database.engine)
        system.check = lambda: Health(system.mapping.system, system.transport.database.version(), system.now(), ())
        return system

    # The check of the mapping's statements would be a third of each run's time, and no fault concerns it.
    pipeline.erp_system = guarded  # type: ignore[attr-defined]
    # A wait in process goes by on the sandbox's clock.
    ProcoreClient.__init__.__kwdefaults__["sleep"] = world.advance  # type: ignore[index]
    if fault.killed:
        _die_at(fault, told.with_name(f"{told.name}.fired"))
    if plant:
        plant()
    ended = Ended()
    try:
        ended.report = pipeline.run(world.info, world.folder, name, **options)
    except SyncError as error:
        ended.error, ended.seconds = f"{type(error).__name__}: {error}", float(getattr(error, "seconds", None) or 0)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the result
        traceback.print_exc()
        ended.error, ended.crashed = f"{type(error).__name__}: {error}", True
    door.land()
    ended.commits, ended.fired = door.commits, bool(door.fired)
    told.write_text(json.dumps({key: getattr(ended, key) for key in ended.__slots__}))


def _die_at(fault: Fault, fired: Path) -> None:
    """SIGKILL just before a request leaves, or just after its answer came."""
    request, seen = ProcoreClient.request, 0

    def dying(client: ProcoreClient, method: str, path: str, **options: Any) -> Any:
        nonlocal seen
        hit = re.fullmatch(fault.method, method.upper()) is not None and re.search(fault.path, path) is not None
        seen += hit
        if hit and seen == fault.after + 1:
            fired.touch()
            if fault.killed == "after":
                request(client, method, path, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        return request(client, method, path, **options)

    ProcoreClient.request = dying  # type: ignore[assignment,method-assign]


# -- files ----------------------------------------------------------------------------------------------------------------------


def keep(source: Path, target: Path) -> None:
    """Copies of the state files, whole whoever has them open."""
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (source / name).exists():
            with closing(sqlite3.connect(source / name)) as old, closing(sqlite3.connect(target / name)) as new:
                old.backup(new)


def restore(template: Template, folder: Path) -> None:
    """The template's files, and its time: the sandbox goes on from there, whenever that is."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        if (template.folder / name).exists():
            shutil.copyfile(template.folder / name, folder / name)
    offset = instant(template.moment) - datetime.now().astimezone()
    with closing(sqlite3.connect(folder / "procore.sqlite")) as connection, connection:
        connection.execute("UPDATE clock SET offset_us = ?", (offset // timedelta(microseconds=1),))


def lose_ledger(folder: Path) -> None:
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    shutil.rmtree(folder / "staging", ignore_errors=True)


def end_leases(folder: Path) -> None:
    """Three minutes later, by the clock of those who hold them."""
    with closing(sqlite3.connect(folder / "ledger.sqlite", timeout=60)) as connection, connection:
        connection.execute("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")


# -- the reference run ----------------------------------------------------------------------------------------------------------


def build(scenario: Scenario, folder: Path) -> list[Write]:
    """The run that nothing disturbs: a template for each entity that writes, and the list of its writes. Entities between those
    of interest are run together, those after them not at all."""
    only = scenario.only or tuple(ENTITIES)
    writes: list[Write] = []
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    with sandbox(work) as world:
        world.info = world.control("POST", "/reset", {"size": scenario.size, "history": scenario.history, "settings": UNLIMITED})
        for action in scenario.clerk:
            world.control("POST", "/clerk", action)
        for group in _groups(only):
            name = group[-1]
            world.advance(60)
            world.control("DELETE", "/requests")
            place = folder / name
            keep(work, place)
            moment = world.control("GET", "/info")["now"]
            ended = run(world, f"first-{name}", group)
            if ended.report is None:
                raise RuntimeError(f"the undisturbed run of {name} ended with {ended.error}; see {work}/runs.log")
            made = _writes(scenario.name, name, [row for row in world.requests() if row["write"]], ended.commits)
            if not made or name not in only:
                shutil.rmtree(place)
                continue
            stopped = [_stop(row) for row in ended.report["stopped"]]
            told = {"wanted": picture(work), "stopped": stopped, "moment": moment}
            (place / "wanted.json").write_text(json.dumps(told))
            writes += made
    shutil.rmtree(work)
    return writes


def _groups(only: Collection[str]) -> Iterator[list[str]]:
    """The entities in their order: each of interest alone, those between two of them together."""
    between: list[str] = []
    for name in ENTITIES:
        if name not in only:
            between.append(name)
            continue
        if between:
            yield between
        yield [name]
        between = []


def _writes(scenario: str, entity: str, calls: Sequence[Mapping[str, Any]], commits: int) -> list[Write]:
    groups: dict[tuple[str, str], int] = {}
    for row in calls:
        key = (row["method"], "^" + re.sub(r"[0-9]{3,}", "[0-9]+", row["path"].replace(".", r"\.")) + "$")
        groups[key] = groups.get(key, 0) + 1
    made = partial(Write, scenario, entity)
    found = [made("procore", *key, n, n in (0, count - 1)) for key, count in groups.items() for n in range(count)]
    return found + [made("erp", "COMMIT", "erp", n, n in (0, commits - 1)) for n in range(commits)]


def _stop(row: Mapping[str, Any]) -> list[str]:
    return [str(row[name]) for name in ("entity", "key", "state", "rule")]


def stops(report: Mapping[str, Any]) -> list[list[str]]:
    """Who needs somebody: entity, number, state and rule."""
    return [_stop(row) for row in report["stopped"]]
