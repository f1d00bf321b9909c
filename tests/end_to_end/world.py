"""A company in two systems for tests that run, run again, change one thing and run again.

The sandbox is a process of its own, reached over HTTP; the ERP's database is read (never written, except where a test says so) by
SQL. A state is the sandbox's two files and the ledger: it can be kept once and taken back as often as a test needs it.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from include.financials.__main__ import main
from include.financials.report import COUNTS
from include.financials.settings import Settings, from_file
from sandbox import pipeline
from sandbox.chaos.company import Company, Stores

ROOT = Path(__file__).resolve().parents[2]
UNLIMITED = {"rate_limit_hour": 1_000_000, "rate_limit_spike": 100_000}
"""So that no test waits for API budget; pacing has tests of its own."""
FILES = ("procore.sqlite", "erp.sqlite")
NOTHING = dict.fromkeys(("created", "updated", "adopted"), 0)


@dataclass
class State(Stores):
    """What a company was at one moment, and how it came to be so: the report and the requests of its last run."""

    folder: Path
    report: dict[str, Any] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    planted: list[dict[str, Any]] = field(default_factory=list)


class World(Company):
    """A sandbox process and the ledger of its sync, in ``folder``."""

    def __init__(
        self, folder: Path, start: State | None = None, *, settings: Mapping[str, Any] | None = None, **reset: Any
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.runs = 0
        if start is not None:
            _copy(start.folder, folder)
            changed = json.dumps({**UNLIMITED, **(settings or {})})
            with closing(sqlite3.connect(folder / "procore.sqlite")) as connection, connection:
                connection.execute("UPDATE meta SET value = ? WHERE name = 'settings'", (changed,))
        command = [sys.executable, "-m", "sandbox", "--port", "0", "--state", str(folder), "--size", "tiny", "--keep"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.info: dict[str, Any] = json.loads(self.process.stdout.readline())
        if start is None:
            self.reset(settings=settings, **reset)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    # -- states ---------------------------------------------------------------------------------------------------------------

    def reset(self, *, settings: Mapping[str, Any] | None = None, **reset: Any) -> None:
        """Both systems seeded anew, and no ledger."""
        self.info = self.control("POST", "/reset", {**reset, "settings": {**UNLIMITED, **(settings or {})}})
        self.forget_ledger()

    def forget_ledger(self) -> None:
        for path in self.folder.glob("ledger.sqlite*"):
            path.unlink()
        shutil.rmtree(self.folder / "staging", ignore_errors=True)

    def keep(self, folder: Path) -> State:
        """The present state, to come back to."""
        folder.mkdir(parents=True)
        _copy(self.folder, folder)
        return State(folder, planted=self.control("GET", "/planted"))

    def back_to(self, state: State) -> None:
        """Take both systems and the ledger back to ``state``; the sandbox goes on running, and so does its clock."""
        self.forget_ledger()
        _copy(state.folder, self.folder)
        self.control("POST", "/clock", {"advance": 0.001})  # both files hold the clock's offset of the state: tell them today's
        self.forget_requests()
        self.control("DELETE", "/faults")
        self.control("DELETE", "/late")

    # -- runs -----------------------------------------------------------------------------------------------------------------

    def run(self, name: str | None = None, *, settings: Settings | None = None, **options: Any) -> dict[str, Any]:
        """One run over all records (as ``make demo`` makes it), or from the watermarks with ``params={"since": None}``.

        It begins a minute later: a window ends at the second before the run began, what was just changed would be the next run's.
        """
        self.runs += 1
        self.advance(minutes=1)
        self.forget_requests()
        return pipeline.run(self.info, self.folder, name or f"run-{self.runs}", settings=settings, **options)

    def quick(self, **options: Any) -> dict[str, Any]:
        """A run from the watermarks, as the schedule makes it."""
        params = {"since": None, **options.pop("params", {})}
        return self.run(params=params, **options)

    # -- Procore --------------------------------------------------------------------------------------------------------------

    def api(self, path: str, **query: Any) -> Any:
        """One answer of Procore's API to a GET, with money as text: ``/rest/v1.0`` is added where no version is named."""
        text = urlencode(query, doseq=True)
        body = {"method": "GET", "path": f"{path}?{text}" if text else path}
        reply = requests.post(f"{self.info['base_url']}/_sandbox/as_user", json=body, timeout=60)
        assert reply.status_code == 200, reply.text
        return json.loads(reply.text, parse_float=Decimal)

    def api_list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All pages of a list of Procore's API."""
        found: list[dict[str, Any]] = []
        while page := self.api(path, **query, per_page=100, page=len(found) // 100 + 1):
            found += page
            if len(page) < 100:
                break
        return found

    def edit_line(self, number: str, position: int, **changes: Any) -> None:
        """A person edits a line of a schedule of values."""
        contract = self.contract(number)
        line = next(line for line in self.lines(number) if line["position"] == position)
        path = f"/{contract['kind']}/{contract['id']}/line_items/{line['id']}"
        self.as_user("PATCH", path, {"project_id": contract["project_id"], "line_item": changes})

    # -- requests and faults --------------------------------------------------------------------------------------------------

    def forget_requests(self) -> None:
        self.control("DELETE", "/requests")

    def writes(self) -> list[str]:
        """The integration's writes of the last run: ``PATCH /vendors/sync``."""
        return [f"{row['method']} {row['path'].removeprefix('/rest/v1.0')}" for row in self.requests() if row["write"]]

    def fired(self) -> list[str]:
        return [row["fault"] for row in self.requests() if row["fault"]]

    def mend(self) -> None:
        self.control("DELETE", "/faults")

    def advance(self, **parts: float) -> None:
        seconds = parts.get("days", 0) * 86_400 + parts.get("hours", 0) * 3600 + parts.get("minutes", 0) * 60
        self.control("POST", "/clock", {"advance": seconds})

    def erp_sql(self, *statements: str) -> None:
        """Somebody with SQL rights, past every clerk."""
        with closing(sqlite3.connect(self.folder / "erp.sqlite")) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    # -- the ledger -----------------------------------------------------------------------------------------------------------

    def ledger_sql(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.folder / "ledger.sqlite", timeout=60)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def decide(self, decision: str, entity: str, number: str) -> None:
        """A person's decision, by the command."""
        assert main(["--ledger", f"sqlite:///{self.folder}/ledger.sqlite", "decide", decision, entity, number]) == 0


def _copy(source: Path, target: Path) -> None:
    """SQLite's own backup: right also while the sandbox has the files open."""
    for name in (*FILES, "ledger.sqlite"):
        if (source / name).exists():
            with closing(sqlite3.connect(source / name)) as old, closing(sqlite3.connect(target / name, timeout=60)) as new:
                old.backup(new)


def counts(report: Mapping[str, Any], entity: str) -> dict[str, int]:
    """The counts of an entity that are not zero, without ``extracted``."""
    return {name: report["entities"][entity][name] for name in COUNTS if report["entities"][entity][name]}


def done(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """What a run created, updated and adopted, per entity that has any."""
    found = {name: {k: row[k] for k in NOTHING if row[k]} for name, row in report["entities"].items()}
    return {name: row for name, row in found.items() if row}


def stopped(report: Mapping[str, Any]) -> set[tuple[str, str, str, str]]:
    return {(row["entity"], row["key"], row["state"], row["rule"]) for row in report["stopped"]}


def expected(planted: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {(row["entity"], row["key"], row["expected"], row["rule"]) for row in planted}


def of(report: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The stopped record of that number."""
    return next(row for row in report["stopped"] if row["key"] == key)


def unexplained(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in report["reconciliation"]["differences"] if row["unexplained"].strip("-0.") != ""]


def settings_with(**changes: Any) -> Settings:
    """The sandbox's settings with changes: ``commitments={"writes": "off"}`` for an entity, other keys as they are."""
    plain = from_file(pipeline.SETTINGS).model_dump(mode="json")
    for name, value in changes.items():
        if name in plain["entities"]:
            plain["entities"][name] |= value
        else:
            plain[name] = value
    return Settings.model_validate(plain)


def twice(rows: list[dict[str, Any]]) -> list[str]:
    """Lists and records that were read again although nothing was written in between (reading back what was written is meant);
    the log-in and the look at one's own user may be repeated, and a POST is preceded by a look for what it would make twice."""
    found, seen = [], set()
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        url = f"{row['path']}?{row['query']}"
        looks_up = following is not None and following["method"] == "POST" and following["path"] == row["path"]
        if row["write"]:
            seen.clear()
        elif row["method"] == "GET" and not row["path"].endswith("/me") and not looks_up:
            found += [url] if url in seen else []
            seen.add(url)
    return found
