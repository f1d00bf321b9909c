"""One case: a write goes wrong in one way, the schedule goes on, and both systems end as if nothing had happened."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.financials.entities import ENTITIES
from sandbox.chaos.faults import ERP, KINDS, LOST, PROCORE
from sandbox.chaos.picture import differences, picture
from sandbox.chaos.worlds import Ended, Fault, Sandbox, Template, Write, end_leases, lose_ledger, restore, run, sandbox, stops

DELAYS = (10, 20, 60, 300, 600, 600)
"""Seconds of the sandbox's clock before each further run: first one that comes sooner than it was asked to (a person's),
within the time in which a late effect may still come; then retries, as late as they were asked to, and the next runs. All within
the day."""
ENOUGH = 900
"""Seconds after which the longest wait for a late effect is over: what a calm run leaves then, it leaves for good."""
LANDED = 60
"""Seconds after which no effect is under way any more; a ledger that is lost is lost then."""
SHOWN = 6
"""Differences that are told of a case."""
OWNER = re.compile(r'\\"budget_owner\\":\\"[a-z]+\\",?')
"""Who owns a budget, as a project's origin_data tells it. A pair of equal budgets is adopted without a write: without a ledger it
cannot be told from one that lacks only this note, and the owner that is found for it is the same. Nothing but a budget's own
writes may lack it: a write of the project has to keep it, also when the ledger is lost."""
AGAIN = "a further run still wrote"


@dataclass(frozen=True, slots=True)
class Case:
    write: Write
    kind: str
    lost: bool

    @property
    def fault(self) -> str:
        """The kind's name in the report."""
        return f"{self.kind}+{LOST}" if self.lost else self.kind

    @property
    def name(self) -> str:
        return f"{self.write.name}.{self.fault}"


def cases(writes: Iterable[Write], *, every: bool = False) -> Iterator[Case]:
    """Each way at each write; without ``every`` at those writes that stand for a group."""
    for write in writes:
        if every or write.chosen:
            for kind in ERP if write.system == "erp" else PROCORE:
                for lost in (False, True):
                    yield Case(write, kind, lost)


def carry_out(case: Case, template: Template, folder: Path, plant: Callable[[], None] | None = None) -> dict[str, Any]:
    """Its result: what fired (``faults``), how many ``runs`` it took, and what is wrong in the end (``violations``)."""
    started = time.monotonic()
    restore(template, folder)
    with sandbox(folder) as world:
        fired, runs, wrong = _carry_out(case, template, world, plant)
    if not fired:
        wrong = ["the fault did not fire", *wrong]
    if not wrong:
        shutil.rmtree(folder)
    seconds = round(time.monotonic() - started, 2)
    return {"case": case.name, "faults": {case.fault: fired}, "runs": runs, "seconds": seconds, "violations": wrong}


def _carry_out(case: Case, template: Template, world: Sandbox, plant: Callable[[], None] | None) -> tuple[int, int, list[str]]:
    kind, write = KINDS[case.kind], case.write
    if kind.rule:
        world.control(
            "POST", "/faults", {"method": write.method, "path": write.path, "after": write.after, "times": 1, **kind.rule}
        )
    inside = Fault(write.method, write.path, write.after, kind.killed, kind.door)  # type: ignore[arg-type]
    ended = run(world, "faulty", [write.entity], inside, plant)
    fired = sum(1 for row in world.requests() if row["fault"]) + ended.fired
    entities = [write.entity]
    if case.lost:
        world.advance(LANDED)
        lose_ledger(world.folder)
        entities = behind(write.entity)
    elif ended.killed:
        end_leases(world.folder)
    wrong: list[str] = []
    passed = 0.0
    for number, delay in enumerate(DELAYS, start=1):
        wait = delay if number == 1 else max(delay, ended.seconds)
        passed += wait
        world.advance(wait)
        world.control("DELETE", "/requests")
        before = world.audited()
        ended = run(world, f"run-{number}", entities, plant=plant)
        wrong = _judge(ended, template, world, before, OWNER if case.lost and write.entity == "budgets" else None)
        if not wrong:
            return fired, number + 1, []
        calm = ended.report is not None and not any(line.startswith(AGAIN) for line in wrong)
        if ended.crashed or (calm and passed > ENOUGH):
            break
    return fired, number + 1, wrong


def _judge(ended: Ended, template: Template, world: Sandbox, before: int, overlooked: re.Pattern[str] | None) -> list[str]:
    """What is not as it would be without the fault, or not calm yet; empty when the case is over. What is ``overlooked`` may be
    missing."""
    if ended.report is None:
        return [f"the run {'crashed' if ended.crashed else 'failed'}: {ended.error}"]
    writes = [f"{row['method']} {row['path']}" for row in world.requests() if row["write"]]
    wrong = [f"{AGAIN}: {write}" for write in writes]
    if world.audited() != before:
        wrong.append(f"{AGAIN} to the ERP")
    messages = {tuple(stop): row["message"] for stop, row in zip(stops(ended.report), ended.report["stopped"], strict=True)}
    wrong += [f"needs somebody: {' '.join(s)}: {text}" for s, text in messages.items() if list(s) not in template.stopped]
    different = differences(picture(world.folder), template.wanted, overlooked)
    more = [f"and {len(different) - SHOWN} more differences"] if len(different) > SHOWN else []
    return wrong + different[:SHOWN] + more + [f"still under way: {late}" for late in world.control("GET", "/late")]


def behind(entity: str) -> list[str]:
    """The entity and all that it refers to, in the order of loading: without a ledger its parents are known by being read."""
    wanted, open_ = {entity}, [entity]
    while open_:
        for parent in ENTITIES[open_.pop()].after:
            if parent not in wanted:
                wanted.add(parent)
                open_.append(parent)
    return [name for name in ENTITIES if name in wanted]
