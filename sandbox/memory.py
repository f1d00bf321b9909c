"""``python -m sandbox.memory``: what an unchanged run takes of memory, step by step, as JSON under ``var/bench/memory.json``.

A first run brings both sides of a new sandbox in step; a second one, in a process of its own, is measured: of each step the most
that the process held, in MB beyond its imports. SIZE chooses the size (default: medium); ``tenth`` is a tenth of the large one,
of which only the cost side is run, in 16 shards. Linux only: the peak is put back before each step.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from include import pipeline
from include.financials.preflight import preflight
from include.financials.reconciliation import reconcile
from include.financials.report import build, keep
from sandbox.bench import BENCH, LIMITS
from sandbox.local import LocalError, interruptible, sandbox
from sandbox.pipeline import EVERYTHING, opened, run

TENTH = {"vendors": 10_000, "customers": 13, "projects": 40, "commitments": 2_000, "direct_costs": 72_100}
COSTS: dict[str, Any] = {
    "entities": ["vendors", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes", "direct_costs"],
    "shards": 16,
}
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


def unchanged(info: Mapping[str, Any], folder: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """Run everything once more in this process; the steps of the DAG in its order."""
    steps = Steps(held("VmRSS"))
    _PUT_BACK.write_text("5", encoding="ascii")
    with opened(info, folder, "unchanged", params={"since": EVERYTHING, **params}) as sync:
        preflight(sync)
        steps.take("preflight")
        for name in sync.run.entities:
            pipeline.stage(sync, name)
            steps.take(name)
        found = reconcile(sync).as_dict()
        keep(sync, "reconciliation", found)
        steps.take("reconcile")
    with opened(info, folder, "unchanged", again=True) as sync:
        report = build(sync)
        steps.take("report")
    written = sum(row["created"] + row["updated"] for row in report["entities"].values())
    told = {"imported_mb": steps.imported, "beyond_imports_mb": steps, "most_mb": max(steps.values()), "written": written}
    return told | {"calls": report["procore_calls"], "checked": found["checked"], "balanced": found["balanced"]}


def measure(size: str, folder: Path) -> dict[str, Any]:
    """Both runs against a sandbox of its own. Raises LocalError where the second one fails."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    params = COSTS if size == "tenth" else {}
    with sandbox(folder / "sandbox", size="tiny") as started:
        reset = {"size": TENTH if size == "tenth" else size, "settings": LIMITS}
        answer = requests.post(f"{started['base_url']}/_sandbox/reset", json=reset, timeout=3600)
        answer.raise_for_status()
        info = answer.json()
        run(info, folder, "first", params=params)
        command = [sys.executable, "-m", "sandbox.memory", "one", json.dumps(info), str(folder), json.dumps(params)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LocalError(f"the run that is measured ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"size": size, **found}


def main(arguments: Sequence[str]) -> int:
    interruptible()
    logging.disable(logging.INFO)
    if arguments[:1] == ["one"]:
        print(json.dumps(unchanged(json.loads(arguments[1]), Path(arguments[2]), json.loads(arguments[3]))))
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
