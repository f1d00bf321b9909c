"""``make chaos``: every fault at every write, ``var/chaos/report.json``.

The reference runs of some small companies tell which writes there are. Then each of them goes wrong in each way
(``sandbox.chaos.faults``), the schedule goes on, and both systems must end as if nothing had happened, field by field, with
nothing left to write and nobody needed. Beside them random schedules of events (``sandbox.chaos.schedules``). Exit code 1 on a
violation.

What has been done is kept: a sweep that was stopped goes on where it was, unless the code has changed since. Environment
variables: ALL=1 tries each write (else the first and the last of a group of alike ones), CHAOS_MINUTES ends the sweep (60),
CHAOS_JOBS cases run at a time (2), CHAOS_SCHEDULES schedules are drawn (40), CHAOS_ONLY limits it to cases whose name matches a
regular expression.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.chaos import schedules
from sandbox.chaos.cases import Case, carry_out, cases
from sandbox.chaos.faults import KINDS, LOST
from sandbox.chaos.schedules import Schedule
from sandbox.chaos.worlds import SCENARIOS, Template, Write, build, preload
from sandbox.local import ROOT, VAR

CHAOS = VAR / "chaos"
PATIENCE = 300.0
"""Seconds after which a case counts as one that never ends."""
EVERY = 10.0
"""Seconds between two lines of progress."""


class Sweep:
    """Cases, what became of them, and the files that keep both."""

    def __init__(self, folder: Path, *, every: bool, minutes: float, jobs: int, only: str = "", schedules: int = 0) -> None:
        self.folder, self.every, self.minutes, self.jobs, self.only = folder, every, minutes, jobs, only
        self.schedules = schedules
        self.started = time.monotonic()
        self.results: dict[str, dict[str, Any]] = {}
        self.running: dict[int, tuple[Case | Schedule, float]] = {}

    # -- the whole ------------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Returns the exit code."""
        writes = self._writes()
        every: list[Case | Schedule] = [*cases(writes, every=self.every), *map(Schedule, range(self.schedules))]
        wanted = [case for case in every if re.search(self.only, case.name)]
        random.Random(0).shuffle(wanted)  # a sweep that ends early has seen something of everything
        self.results = self._kept({case.name for case in wanted})
        todo = [case for case in wanted if case.name not in self.results]
        say(f"{len(writes)} writes, {len(wanted)} cases, {len(wanted) - len(todo)} done before, {self.jobs} at a time")
        try:
            self._work(todo, len(wanted))
        finally:
            for child in list(self.running):
                _end(child)
            report = self._report(len(wanted))
        say(_summary(report, self.folder))
        return 1 if report["violations"] else 0

    def _work(self, todo: Sequence[Case | Schedule], total: int) -> None:
        waiting, said = list(reversed(todo)), time.monotonic()
        with (self.folder / "done.jsonl").open("a", encoding="utf-8") as done:
            while waiting or self.running:
                while waiting and len(self.running) < self.jobs and not self._late():
                    case = waiting.pop()
                    self.running[_fork(lambda case=case: self._one(case))] = (case, time.monotonic())  # type: ignore[misc]
                if not self.running:
                    return
                for result in self._ended():
                    self.results[result["case"]] = result
                    done.write(json.dumps(result) + "\n")
                    done.flush()
                    for line in result["violations"]:
                        say(f"  {result['case']}: {line[:300]}")
                if time.monotonic() - said > EVERY:
                    said = time.monotonic()
                    say(self._progress(len(waiting), total))
                time.sleep(0.02)

    def _late(self) -> bool:
        return time.monotonic() - self.started > self.minutes * 60

    def _progress(self, left: int, total: int) -> str:
        done = len(self.results)
        spent = [result["seconds"] for result in self.results.values()]
        each = sum(spent) / len(spent) if spent else 0.0
        bad = sum(1 for result in self.results.values() if result["violations"])
        eta = each * (left + len(self.running)) / self.jobs / 60
        return f"{done} of {total} cases, {bad} with violations, {each:.1f} s each, about {eta:.0f} min left"

    # -- one case -------------------------------------------------------------------------------------------------------------

    def _one(self, case: Case | Schedule) -> None:
        templates, work = self.folder / "templates", self.folder / "work" / case.name
        if isinstance(case, Schedule):
            result = schedules.carry_out(case, Template.load(templates / schedules.TEMPLATE), work)
        else:
            result = carry_out(case, Template.load(templates / case.write.scenario / case.write.entity), work)
        self._told(case).write_text(json.dumps(result))

    def _told(self, case: Case | Schedule) -> Path:
        return self.folder / "work" / f"{case.name}.json"

    def _ended(self) -> Iterator[dict[str, Any]]:
        """The results of the cases that ended, well or badly."""
        for child, (case, since) in list(self.running.items()):
            over = os.waitpid(child, os.WNOHANG)[0] != 0
            if not over and time.monotonic() - since < PATIENCE:
                continue
            del self.running[child]
            if not over:
                _end(child)
            told = self._told(case)
            if told.exists():
                yield json.loads(told.read_text())
                told.unlink()
                continue
            why = "the case itself broke; see work/*.log" if over else f"it had not ended after {PATIENCE:g} s"
            seconds = round(time.monotonic() - since, 2)
            yield {"case": case.name, "faults": {}, "runs": 0, "seconds": seconds, "violations": [why]}

    # -- what is kept -----------------------------------------------------------------------------------------------------------

    def _writes(self) -> list[Write]:
        """The writes of the reference run; made anew when the code has changed since."""
        kept, code = self.folder / "writes.json", _fingerprint()
        if kept.exists():
            told = json.loads(kept.read_text())
            if told["code"] == code:
                return [Write(**row) for row in told["writes"]]
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "work").mkdir(parents=True)
        say("the run that nothing disturbs ...")
        works: dict[str, Callable[[], None]] = {s.name: partial(self._build, s) for s in SCENARIOS}
        works[schedules.TEMPLATE] = partial(schedules.settle, self.folder / "templates" / schedules.TEMPLATE)
        children = {_fork(work): name for name, work in works.items()}
        for child, name in children.items():
            if os.waitpid(child, 0)[1]:
                raise SystemExit(f"the reference run of {name} failed; see {self.folder}/work")
        found = [row for s in SCENARIOS for row in json.loads((self.folder / f"{s.name}.json").read_text())]
        kept.write_text(json.dumps({"code": code, "writes": found}))
        return [Write(**row) for row in found]

    def _build(self, scenario: Any) -> None:
        writes = build(scenario, self.folder / "templates" / scenario.name)
        (self.folder / f"{scenario.name}.json").write_text(json.dumps([asdict(write) for write in writes]))

    def _kept(self, names: set[str]) -> dict[str, dict[str, Any]]:
        """What need not be done again. The line that a killed sweep was writing goes, or the next one would be added to it."""
        done = self.folder / "done.jsonl"
        found: list[dict[str, Any]] = []
        for line in done.read_text().splitlines() if done.exists() else ():
            with suppress(ValueError):
                found.append(json.loads(line))
        done.write_text("".join(f"{json.dumps(row)}\n" for row in found))
        return {row["case"]: row for row in found if row["case"] in names and not row["violations"]}

    def _report(self, total: int) -> dict[str, Any]:
        results = sorted(self.results.values(), key=lambda row: str(row["case"]))
        bad = [row for row in results if row["violations"]]
        kinds = [*(f"{kind}{lost}" for kind in KINDS for lost in ("", f"+{LOST}")), *schedules.KINDS]
        fired: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        for row in results:
            fired.update(row["faults"])
        seconds = [row["seconds"] for row in results]
        report = {
            "faults": dict(sorted(fired.items())),
            "violations": len(bad),
            "cases": len(results),
            "left": total - len(results),
            "complete": len(results) == total,
            "all_writes": self.every,
            "seconds_per_case": round(sum(seconds) / len(seconds), 2) if seconds else None,
            "seconds": round(time.monotonic() - self.started, 1),
            "details": [{name: row[name] for name in ("case", "violations")} for row in bad],
        }
        (self.folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        return report


def _summary(report: dict[str, Any], folder: Path) -> str:
    rest = "" if report["complete"] else f"; {report['left']} are left, the same command goes on with them"
    fired = sum(report["faults"].values())
    return f"{report['cases']} cases, {fired} faults fired, {report['violations']} violations{rest}. {folder / 'report.json'}"


def _fork(work: Callable[[], Any]) -> int:
    """``work`` in a process group of its own, with all that it starts."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:
        logging.exception("a case broke")
    finally:
        os._exit(code)


def _end(child: int) -> None:
    for target in (os.killpg, os.kill):
        try:
            target(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _fingerprint() -> str:
    """Of all code that a case runs."""
    found = hashlib.sha256()
    for path in sorted([*(ROOT / "include").rglob("*"), *(ROOT / "sandbox").rglob("*")]):
        if path.suffix in (".py", ".yaml"):
            found.update(path.read_bytes())
    return found.hexdigest()


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    env = os.environ
    logging.basicConfig(level=logging.ERROR)
    signal.signal(signal.SIGTERM, _stop)
    minutes, jobs = float(env.get("CHAOS_MINUTES") or 60), int(env.get("CHAOS_JOBS") or 2)
    every = env.get("ALL", "") not in ("", "0")
    CHAOS.mkdir(parents=True, exist_ok=True)
    preload()
    try:
        drawn = int(env.get("CHAOS_SCHEDULES") or 40)
        return Sweep(CHAOS, every=every, minutes=minutes, jobs=jobs, only=env.get("CHAOS_ONLY", ""), schedules=drawn).run()
    except KeyboardInterrupt:
        say("stopped; the same command goes on")
        return 130


if __name__ == "__main__":
    sys.exit(main())
