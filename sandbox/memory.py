"""``python -m sandbox.memory``: what the tasks of two runs take of memory, as JSON under ``var/bench/memory.json``.

A first run brings both sides of a new sandbox in step, a second one finds nothing changed. Each task is a process of its own,
forked from one that has imported what Airflow forks its tasks with: an extract and a load of each shard, a check of all. Of each
the most that it held, in MB beyond the imports. SIZE chooses the size
(default: medium); ``vendors``, ``tenth``, ``documents`` and ``large`` are parts of the large one, run in shards. Linux only.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import Any, TypeVar, cast

import requests

from include.financials.checks import check
from include.financials.entities import ENTITIES
from include.financials.gate import guard, wait_behind
from include.financials.preflight import preflight
from include.financials.reading.extract import extract
from include.financials.reconciliation import reconcile
from include.financials.report import build, keep, move_watermarks
from include.financials.view import Sync
from include.financials.writing.engine import load
from include.order import behind, parts
from include.provider.preload import MODULES
from sandbox.bench import BENCH, LIMITS
from sandbox.local import LocalError, interruptible, new_ledger, sandbox
from sandbox.pipeline import EVERYTHING, opened

T = TypeVar("T")

COSTS = ["vendors", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes", "direct_costs"]
"""The cost side."""
FEW = {"customers": 2, "projects": 2, "commitments": 3, "direct_costs": 2}
PARTS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "vendors": ({"vendors": 100_000, **FEW}, {"entities": ["vendors"]}),
    "tenth": (
        {"vendors": 10_000, "customers": 13, "projects": 40, "commitments": 2_000, "direct_costs": 72_100},
        {"entities": COSTS, "shards": 16},
    ),
    "large": ("large", {"entities": COSTS, "shards": 64}),
    "documents": (
        {"vendors": 300, "customers": 26, "projects": 80, "commitments": 4_000, "direct_costs": 600},
        {"shards": 13},
    ),
}
"""Size of the company, and what is run of it."""
_STATUS, _PUT_BACK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def held(name: str) -> int:
    """MB of this process: ``VmRSS`` now, ``VmHWM`` at most since the peak was put back."""
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) // 1024


@dataclass
class Tasks:
    """The tasks of one run, one after the other. ``peaks``: MB of each beyond ``imported``."""

    open: Callable[[bool], AbstractContextManager[Sync]]
    imported: int
    peaks: dict[str, int] = field(default_factory=dict)

    def do(self, name: str, work: Callable[[Sync], T], *, again: bool = True) -> T:
        """Of tasks of one name, a shard each, the largest counts. Raises LocalError where one ends without an answer."""
        receiver, sender = Pipe(duplex=False)

        def run() -> None:
            _PUT_BACK.write_text("5", encoding="ascii")
            began = held("VmRSS")
            with self.open(again) as sync:
                found = work(sync)
            sender.send((found, held("VmHWM") - began))

        task = get_context("fork").Process(target=run)
        task.start()
        sender.close()
        try:
            found, peak = receiver.recv()
        except EOFError:
            task.join()
            raise LocalError(f"{name} ended with {task.exitcode}") from None
        task.join()
        if peak > self.peaks.get(name, -1):
            self.peaks[name] = peak
            print(f"{datetime.now(UTC):%H:%M:%S} {name}: {peak} MB", file=sys.stderr, flush=True)
        return cast(T, found)


def ran(info: Mapping[str, Any], folder: Path, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """One run, in the order of the DAG."""
    for module in MODULES:
        import_module(module)
    new_ledger(folder / "ledger.sqlite")  # as no run does it
    given = {"since": EVERYTHING, **params}
    tasks = Tasks(lambda again: opened(info, folder, name, params=given, again=again), held("VmRSS"))
    tasks.do("preflight", preflight, again=False)
    entities, count = tasks.do("select", lambda sync: (sync.run.entities, sync.run.shards))
    loaded: list[str] = []
    for entity in entities:
        row = ENTITIES[entity]
        shards = parts(row, count)
        for shard in shards:
            tasks.do(f"{entity} extract", partial(_extracted, entity=entity, shard=shard))
        passed = tasks.do(f"{entity} check", partial(_checked, entity=entity, shards=shards))
        if row.read_only or not passed:
            continue
        late = behind(row, entities, loaded)
        for shard in shards:
            tasks.do(f"{entity} load", partial(_loaded, entity=entity, shard=shard, write=not late))
        loaded += [] if late else [entity]
    found = tasks.do("reconcile", partial(_reconciled, loaded=loaded))
    report = tasks.do("report", build)
    rows = report["entities"].values()
    told = {"imported_mb": tasks.imported, "beyond_imports_mb": tasks.peaks, "most_mb": max(tasks.peaks.values())}
    told |= {count: sum(row[count] for row in rows) for count in ("extracted", "created", "updated")}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told |= {"cpu_seconds": round(used.ru_utime + used.ru_stime), "calls": report["procore_calls"]}
    return told | {"checked": found["checked"], "balanced": found["balanced"]}


def _extracted(sync: Sync, entity: str, shard: int) -> None:
    extract(sync, entity, shard)


def _checked(sync: Sync, entity: str, shards: range) -> bool:
    """False where a gate stays closed."""
    if ENTITIES[entity].gate:
        return guard(sync, entity)[1].passed
    check(sync, entity, shards)
    return True


def _loaded(sync: Sync, entity: str, shard: int, *, write: bool) -> None:
    if write:
        load(sync, entity, shard)
    else:
        wait_behind(sync, entity, [shard])


def _reconciled(sync: Sync, loaded: Sequence[str]) -> dict[str, Any]:
    found = reconcile(sync).as_dict()
    keep(sync, "reconciliation", found)
    move_watermarks(sync, loaded)
    return found


def measure(size: str, folder: Path) -> dict[str, Any]:
    """Both runs against a sandbox of its own. Raises LocalError where one of them fails."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    counts, params = PARTS.get(size, (size, {}))
    with sandbox(folder / "sandbox", size="tiny") as started:
        reset = {"size": counts, "settings": LIMITS}
        answer = requests.post(f"{started['base_url']}/_sandbox/reset", json=reset, timeout=3600)
        answer.raise_for_status()
        given = (json.dumps(answer.json()), str(folder), json.dumps(params))
        return {"size": size, **{name: _apart(name, *given) for name in ("first", "unchanged")}}


def _apart(name: str, *given: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "sandbox.memory", name, *given], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LocalError(f"the {name} run ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str]) -> int:
    interruptible()
    logging.disable(logging.INFO)
    if arguments:
        name, info, folder, params = arguments
        print(json.dumps(ran(json.loads(info), Path(folder), name, json.loads(params))))
        return 0
    size = os.environ.get("SIZE") or "medium"
    try:
        found = measure(size, BENCH / f"memory-{size}")
    except KeyboardInterrupt:
        return 130
    except (LocalError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 1
    (BENCH / "memory.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
