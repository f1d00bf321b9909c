"""``python -m sandbox.memory``: what two runs take of memory, step by step, as JSON under ``var/bench/memory.json``.

A first run brings both sides of a new sandbox in step, a second one finds nothing changed. Each is a process of its own, which
imports what a task of Airflow is forked with: of each step the most that the process held, in MB beyond its imports. SIZE
chooses the size (default: medium); ``vendors``, ``tenth`` and ``large`` are parts of the large one, run in shards. Linux only:
the peak is put back before each step.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import requests

from include import pipeline
from include.financials.entities import ENTITIES
from include.financials.preflight import preflight
from include.financials.reconciliation import reconcile
from include.financials.report import build, keep, move_watermarks
from include.order import behind
from include.provider.preload import MODULES
from sandbox.bench import BENCH, LIMITS
from sandbox.local import LocalError, interruptible, new_ledger, sandbox
from sandbox.pipeline import EVERYTHING, opened

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


class Steps(dict[str, int]):
    """Peak of each step, MB beyond ``imported``."""

    def __init__(self, imported: int) -> None:
        super().__init__()
        self.imported = imported

    def take(self, name: str) -> None:
        self[name] = held("VmHWM") - self.imported
        _PUT_BACK.write_text("5", encoding="ascii")


def stepped(info: Mapping[str, Any], folder: Path, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """One run in this process; the steps of the DAG in its order."""
    for module in MODULES:
        import_module(module)
    new_ledger(folder / "ledger.sqlite")  # as no run does it
    steps = Steps(held("VmRSS"))
    _PUT_BACK.write_text("5", encoding="ascii")
    with opened(info, folder, name, params={"since": EVERYTHING, **params}) as sync:
        preflight(sync)
        steps.take("preflight")
        loaded: list[str] = []
        for entity in sync.run.entities:
            if pipeline.stage(sync, entity, write=not behind(ENTITIES[entity], sync.run.entities, loaded)):
                loaded.append(entity)
            steps.take(entity)
        found = reconcile(sync).as_dict()
        keep(sync, "reconciliation", found)
        move_watermarks(sync, loaded)
        steps.take("reconcile")
    with opened(info, folder, name, again=True) as sync:
        report = build(sync)
        steps.take("report")
    rows = report["entities"].values()
    told = {"imported_mb": steps.imported, "beyond_imports_mb": steps, "most_mb": max(steps.values())}
    told |= {count: sum(row[count] for row in rows) for count in ("extracted", "created", "updated")}
    told |= {"cpu_seconds": round(time.process_time()), "calls": report["procore_calls"]}
    return told | {"checked": found["checked"], "balanced": found["balanced"]}


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
        print(json.dumps(stepped(json.loads(info), Path(folder), name, json.loads(params))))
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
