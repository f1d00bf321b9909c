"""``make backfills``: backfills by date through a real Airflow, ``var/backfills/report.json``.

A company whose data reach to yesterday, and an empty ledger. Its last days are backfilled: oldest or newest first, one or three
runs at a time, through the API, through the API with what the form of the UI sends, or by command. Both systems must end as after
one run over all these days. Then the same days once more, with each of the ways that Airflow has of treating days that have a
run, and nothing may change. Exit code 1 on a violation.

Environment variables: DAYS (30), ENTITIES (comma between them; all), SIZE (tiny), BACKFILLS_ONLY limits it to cases whose name
matches a regular expression, BACKFILLS_PG is the SQLAlchemy address of an empty PostgreSQL database for Airflow itself (needs
asyncpg); without it what is done by command is left out.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import requests

from include.financials.exceptions import ConfigurationError
from include.financials.reading.staging import private_file, private_folder
from sandbox import pipeline
from sandbox.chaos.picture import Picture, differences, picture, rows
from sandbox.local import (
    CONNECT_ARGUMENTS,
    VAR,
    LocalError,
    airflow,
    environment,
    free_port,
    import_pools,
    interruptible,
    new_ledger,
    sandbox,
    servers,
    standalone_settings,
    wait_until_healthy,
)
from sandbox.procore.login import OWNER_ID

FOLDER = VAR / "backfills"
DAG = "procore_erp_sync"
PASSWORD = "local-only"
UNLIMITED = {"rate_limit_hour": 1_000_000, "rate_limit_spike": 100_000}
PATIENCE = timedelta(hours=2)

By = Literal["api", "form", "command"]
Reprocess = Literal["none", "failed", "completed"]


@dataclass(frozen=True, slots=True)
class Case:
    by: By
    newest_first: bool
    active: int

    @property
    def name(self) -> str:
        return f"{self.by}-{'newest' if self.newest_first else 'oldest'}-{self.active}"


CASES = tuple(Case(by, newest, active) for by in ("api", "form", "command") for newest in (False, True) for active in (1, 3))


class Company:
    """The sandbox, its ledger and its staging area, in one folder."""

    def __init__(self, folder: Path, info: Mapping[str, Any], size: str, entities: Sequence[str]) -> None:
        self.folder, self.info, self.size, self.entities = folder, info, size, entities
        self.audited = 0

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.info['base_url']}/_sandbox{path}", json=body, timeout=600)
        answer.raise_for_status()
        return answer.json()

    def begin(self) -> None:
        """Both systems as seeded, and an empty ledger."""
        self.control("POST", "/reset", {"size": self.size, "until": self.info["until"], "settings": UNLIMITED})
        for path in self.folder.glob("ledger.sqlite*"):
            path.unlink()
        shutil.rmtree(self.folder / "staging", ignore_errors=True)
        new_ledger(self.folder / "ledger.sqlite")
        self.audited = 0

    def end(self) -> tuple[Picture, set[str]]:
        """What both systems hold, and which of their records the ledger takes for one."""
        standing = "SELECT entity, company, erp_key, status FROM links WHERE ended_at IS NULL"
        return picture(self.folder), {" ".join(row.values()) for row in rows(self.folder / "ledger.sqlite", standing)}

    def once(self, start: datetime, end: datetime) -> tuple[Picture, set[str]]:
        """What one run over all the days leads to."""
        self.begin()
        params = {"since": None, **({"entities": list(self.entities)} if self.entities else {})}
        pipeline.run(self.info, self.folder, "once", kind="backfill", interval=(start, end), params=params)
        return self.end()

    def calls(self) -> dict[str, int]:
        """Since the last time: requests to Procore, how many of them were writes, how many were for a list without a time filter,
        and how many such lists there were; rows written to the ERP."""
        found = self.control("GET", "/requests")
        self.control("DELETE", "/requests")
        lists = [f"{row['path']}?{row['query']}" for row in found if _of_whole_list(row)]
        writes = sum(1 for row in found if row["write"])
        (audited,) = rows(self.folder / "erp.sqlite", "SELECT COUNT(*) AS n FROM audit_log")
        erp, self.audited = audited["n"] - self.audited, audited["n"]
        return {"calls": len(found), "writes": writes, "list_calls": len(lists), "lists": len(set(lists)), "erp_writes": erp}


def _of_whole_list(row: Mapping[str, Any]) -> bool:
    named = row["path"].rpartition("/")[2]
    asked = unquote(row["query"] or "")
    return (
        row["method"] == "GET" and not named.isdigit() and named != "me" and not re.search(r"filters\[(updated_at|id)\]", asked)
    )


class Running:
    """A whole Airflow that schedules nothing by itself."""

    def __init__(self, url: str, env: Mapping[str, str], log: Path) -> None:
        self.url, self.env, self.log = url, env, log
        self.api = requests.Session()
        login = {"username": "admin", "password": PASSWORD}
        self.api.headers["Authorization"] = f"Bearer {self.call('POST', '/auth/token', login)['access_token']}"

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        answer = self.api.request(method, f"{self.url}{path}", json=body, params=params, timeout=60)
        if answer.status_code >= 300:
            raise LocalError(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := self.call("GET", f"/api/v2/dags/{DAG}/dagRuns", limit=100, offset=len(found))["dag_runs"]:
            found += page
        return sorted(found, key=lambda run: run["logical_date"])

    def forget_runs(self) -> None:
        for run in self.runs():
            self.call("DELETE", f"/api/v2/dags/{DAG}/dagRuns/{run['dag_run_id']}")

    def fail(self, run: Mapping[str, Any]) -> None:
        """As if it had failed."""
        self.call("PATCH", f"/api/v2/dags/{DAG}/dagRuns/{run['dag_run_id']}", {"state": "failed"})

    def tries(self) -> dict[str, int]:
        """How often the first task of each run was started."""
        found = {}
        for run in self.runs():
            task = self.call("GET", f"/api/v2/dags/{DAG}/dagRuns/{run['dag_run_id']}/taskInstances/window")
            found[run["dag_run_id"]] = int(task["try_number"])
        return found

    def unpause(self) -> None:
        deadline = time.monotonic() + 120
        while self.api.patch(f"{self.url}/api/v2/dags/{DAG}", json={"is_paused": False}, timeout=60).status_code != 200:
            if time.monotonic() > deadline:
                raise LocalError(f"Airflow does not know {DAG}; see {self.log}")
            time.sleep(0.5)

    def backfill(self, case: Case, first: datetime, last: datetime, reprocess: Reprocess, conf: Mapping[str, Any]) -> None:
        """Make it and wait for its end. ``first`` and ``last`` are logical dates."""
        asked: dict[str, Any] = {
            "dag_id": DAG,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "run_backwards": case.newest_first,
            "reprocess_behavior": reprocess,
            "max_active_runs": case.active,
            "dag_run_conf": dict(conf),
        }
        if case.by == "command":
            self._command(asked)
        else:
            if case.by == "form":  # it shows all parameters with what they are, and hands all of them over
                shown = self.call("GET", f"/api/v2/dags/{DAG}/details")["params"]
                asked["dag_run_conf"] = {name: each["value"] for name, each in shown.items()} | asked["dag_run_conf"]
                asked["run_on_latest_version"] = True
                self.call("POST", "/api/v2/backfills/dry_run", asked)
            self.call("POST", "/api/v2/backfills", asked)
        deadline = time.monotonic() + PATIENCE.total_seconds()
        while any(row["completed_at"] is None for row in self.call("GET", "/api/v2/backfills", dag_id=DAG)["backfills"]):
            if time.monotonic() > deadline:
                raise LocalError(f"{case.name}: the backfill did not end within {PATIENCE}; see {self.log}")
            time.sleep(1)

    def _command(self, asked: Mapping[str, Any]) -> None:
        options = [
            *("--dag-id", DAG, "--from-date", asked["from_date"], "--to-date", asked["to_date"]),
            *("--max-active-runs", str(asked["max_active_runs"]), "--reprocess-behavior", asked["reprocess_behavior"]),
            *("--dag-run-conf", json.dumps(asked["dag_run_conf"])),
            *(["--run-backwards"] if asked["run_backwards"] else []),
        ]
        if airflow(["backfill", "create", *options], self.env, self.log) != 0:
            raise LocalError(f"airflow backfill create failed; see {self.log}")


@contextmanager
def running(folder: Path, info: Mapping[str, Any], database: str | None) -> Iterator[Running]:
    """Airflow over the company in ``folder``; its own database is SQLite, or the one at ``database``."""
    home = folder / ("airflow-pg" if database else "airflow")
    shutil.rmtree(home, ignore_errors=True)
    private_folder(home)
    log, port = home / "airflow.log", free_port()
    env = environment(home, info, folder / "ledger.sqlite", folder / "staging")
    env |= standalone_settings(home, port, PASSWORD, PASSWORD, str(OWNER_ID)) | {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"}
    if database:
        env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = database
        del env[CONNECT_ARGUMENTS]
    if airflow(["db", "migrate"], env, log) != 0:
        raise LocalError(f"Airflow's database could not be made; see {log}")
    import_pools(env, home, log)
    with servers(log, env) as children:
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(url, children, log)
        found = Running(url, env, log)
        found.unpause()
        yield found


def carry_out(
    case: Case, at: Running, company: Company, days: Sequence[datetime], wanted: tuple[Picture, set[str]]
) -> dict[str, Any]:
    """One case: the days for the first time, and again in each way."""
    at.forget_runs()
    company.begin()
    company.calls()
    conf = {"entities": list(company.entities)} if company.entities else {}
    wrong: list[str] = []
    steps: dict[str, Any] = {}

    def step(name: str, first: datetime, last: datetime, reprocess: Reprocess) -> None:
        began = time.monotonic()
        at.backfill(case, first, last, reprocess, conf)
        steps[name] = {"seconds": round(time.monotonic() - began), **company.calls()}
        print(f"  {case.name}, {name}: {steps[name]}", flush=True)
        states = [f"{run['dag_run_id']} {run['state']}" for run in at.runs() if run["state"] != "success"]
        wrong.extend(f"{name}: {state}" for state in states)
        held, links = company.end()
        wrong.extend(f"{name}: {line}" for line in differences(held, wanted[0]))
        wrong.extend(f"{name}: linked here or after one run only: {link}" for link in sorted(links ^ wanted[1]))
        written = steps[name]["writes"] + steps[name]["erp_writes"]
        if name == "first" and not written:
            wrong.append("first: nothing was written on either side, which proves nothing; take days in which something was done")
        elif name != "first" and written:
            wrong.append(f"{name}: {written} writes, though nothing had changed")

    step("first", days[0], days[-1], "none")
    runs = at.runs()
    if [datetime.fromisoformat(run["logical_date"]) for run in runs] != list(days):
        wrong.append(f"first: runs of {[run['logical_date'] for run in runs]}, not of each day")
    order = [run["start_date"] for run in runs]
    if case.active == 1 and order != sorted(order, reverse=case.newest_first):
        wrong.append("first: the runs did not come one after the other in the order that was asked for")
    tried: Callable[[], dict[str, int]] = at.tries
    before = tried()
    step("none", days[0], days[-1], "none")
    if tried() != before:
        wrong.append("none: days that have a run were run again")
    at.fail(runs[0])
    step("failed", days[0], days[-1], "failed")
    if [run for run, count in tried().items() if count != before[run]] != [runs[0]["dag_run_id"]]:
        wrong.append("failed: not the failed day alone was run again")
    before = tried()
    few = days[: max(2, len(days) // 10)]
    step("completed", few[0], few[-1], "completed")
    if [count - before[run] for run, count in tried().items()] != [1 if n < len(few) else 0 for n in range(len(days))]:
        wrong.append("completed: not each of these days was run again")
    return {"case": case.name, "days": len(days), "steps": steps, "violations": wrong}


def last_days(count: int) -> list[datetime]:
    """Logical dates of the last intervals that are over."""
    now = datetime.now(UTC)
    last = now.replace(hour=5, minute=0, second=0, microsecond=0) - timedelta(days=1 if now.hour >= 5 else 2)
    return [last - timedelta(days=back) for back in reversed(range(count))]


def sweep(folder: Path, days: Sequence[datetime], size: str, entities: Sequence[str], only: str, database: str | None) -> int:
    """Returns the exit code."""
    private_folder(folder)
    results = []
    with sandbox(folder, size=size, until=days[-1].date()) as info:
        company = Company(folder, info, size, entities)
        wanted = company.once(days[0], days[-1] + timedelta(days=1))
        for own in (None, database) if database else (None,):
            chosen = [case for case in CASES if (case.by == "command") == (own is not None) and re.search(only, case.name)]
            if not chosen:
                continue
            with running(folder, info, own) as at:
                for case in chosen:
                    results.append(carry_out(case, at, company, days, wanted))
                    say(results[-1])
                    with private_file(folder / "report.json") as sink:
                        sink.write(json.dumps(results, indent=1).encode())
    return 1 if any(result["violations"] for result in results) else 0


def say(result: Mapping[str, Any]) -> None:
    told = ", ".join(f"{name} {step['seconds']} s, {step['calls']} calls" for name, step in result["steps"].items())
    print(f"{result['case']}, {result['days']} days: {told}; {len(result['violations'])} violations", flush=True)
    for line in result["violations"][:10]:
        print(f"  {line[:300]}", flush=True)


def main() -> int:
    interruptible()
    logging.getLogger("include").setLevel(logging.ERROR)
    named = [name for name in os.environ.get("ENTITIES", "").split(",") if name]
    days = last_days(int(os.environ.get("DAYS") or 30))
    database = os.environ.get("BACKFILLS_PG") or None
    try:
        return sweep(FOLDER, days, os.environ.get("SIZE") or "tiny", named, os.environ.get("BACKFILLS_ONLY", ""), database)
    except KeyboardInterrupt:
        print("stopped")
        return 1
    except (LocalError, ConfigurationError) as error:  # an entity that is not there, an Airflow that does not start
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
