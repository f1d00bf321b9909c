"""The whole DAG by Airflow itself, under scheduler and LocalExecutor, to the same end as its steps in one process."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from include.financials.report import build
from sandbox import pipeline
from sandbox.chaos.picture import OF_THE_MOMENT
from sandbox.local import (
    ROOT,
    environment,
    free_port,
    new_ledger,
    sandbox,
    servers,
    standalone_settings,
    wait_until_healthy,
)
from sandbox.procore.login import OWNER_ID
from tests.airflow_home import airflow_database
from tests.end_to_end.world import UNLIMITED, State, World

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 600.0
"""Seconds after which something counts as never coming; what is normal takes a twentieth of it."""


DAG = "procore_erp_sync"
DOCUMENTS = ("commitments", "change_orders", "ap_invoices", "prime_changes", "ar_invoices", "budgets", "budget_changes")


def final_state(state: Path) -> dict[str, Any]:
    """What both systems hold at the end, without what depends on the moment: ERP documents and Procore's external ids."""
    with closing(sqlite3.connect(state / "erp.sqlite")) as erp, closing(sqlite3.connect(state / "procore.sqlite")) as procore:
        found: dict[str, Any] = {}
        for table in [*DOCUMENTS, *(f"{name.removesuffix('s')}_lines" for name in DOCUMENTS)]:
            columns = [row[1] for row in erp.execute(f"PRAGMA table_info({table})") if row[1] not in OF_THE_MOMENT]
            found[table] = sorted(map(str, erp.execute(f"SELECT {', '.join(columns)} FROM {table}")))
        origins = "SELECT kind, origin_id FROM objects WHERE origin_id IS NOT NULL ORDER BY 1, 2"
        return found | {"external_ids": procore.execute(origins).fetchall()}


def told(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "entities": report["entities"],
        "stopped": sorted((row["entity"], row["key"], row["state"], row["rule"]) for row in report["stopped"]),
        "gates": report["gates"],
        "balanced": report["reconciliation"]["balanced"],
    }


@contextmanager
def unlimited(state: Path) -> Iterator[dict[str, Any]]:
    """A sandbox that nobody has to wait for; the pace of the client has tests of its own."""
    with sandbox(state, size="tiny") as info:
        reset = {"size": "small", "settings": UNLIMITED}
        requests.post(f"{info['base_url']}/_sandbox/reset", json=reset, timeout=120).raise_for_status()
        yield info


class Running:
    """A whole Airflow: scheduler, LocalExecutor, API server; and the sandbox that its connections name."""

    def __init__(self, url: str, info: dict[str, Any], children: list[subprocess.Popen[str]], env: dict[str, str]) -> None:
        self.url, self.info, self.children, self.env = url, info, children, env
        self.api = requests.Session()
        login = {"username": "admin", "password": "test-only"}
        self.api.headers["Authorization"] = f"Bearer {self.call('POST', '/auth/token', login)['access_token']}"

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """One call of the API, successful."""
        answer = self.api.request(method, f"{self.url}{path}", json=body, params=params, timeout=30)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json()

    def of(self, dag: str, path: str = "", **params: Any) -> Any:
        return self.call("GET", f"/api/v2/dags/{dag}/dagRuns{path}", **params)

    def start(self, dag: str) -> str:
        """Unpause, which can be done once the dag processor has seen the file, and trigger."""
        deadline = time.monotonic() + PATIENCE
        while self.api.patch(f"{self.url}/api/v2/dags/{dag}", json={"is_paused": False}, timeout=30).status_code != 200:
            assert time.monotonic() < deadline, f"no DAG {dag}"
            time.sleep(0.5)
        body = {"logical_date": None, "dag_run_id": f"{dag}-1"}
        return str(self.call("POST", f"/api/v2/dags/{dag}/dagRuns", body)["dag_run_id"])

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        return {row["task_id"]: row for row in self.of(dag, f"/{run}/taskInstances", limit=100)["task_instances"]}

    def states(self, dag: str, run: str) -> dict[str, Any]:
        """How each task stands, for the message of a test that waited in vain."""
        shown = ("state", "try_number", "queued_when", "scheduled_when", "start_date", "end_date")
        return {name: [row.get(key) for key in shown] for name, row in self.tasks(dag, run).items()}

    def log(self, dag: str, run: str, task: str) -> str:
        return json.dumps(self.of(dag, f"/{run}/taskInstances/{task}/logs/1"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scheduler")


@pytest.fixture(scope="module")
def running(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = place / "home"
    home.mkdir()
    log, port = home / "airflow.log", free_port()
    url = f"http://127.0.0.1:{port}"
    with unlimited(place / "state") as info:
        own = standalone_settings(home, port, "test-only", EVENTS, str(OWNER_ID))
        env = environment(home, info, place / "ledger.sqlite", place / "staging") | own
        bundle = "airflow.dag_processing.bundles.local.LocalDagBundle"
        bundles = {"dags-folder": {}, "door": {"path": str(Path(__file__).with_name("door"))}}
        env["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(
            [{"name": name, "classpath": bundle, "kwargs": options} for name, options in bundles.items()]
        )
        airflow_database(tmp_path_factory, env, log)
        new_ledger(place / "ledger.sqlite")
        with servers(log, env) as children:
            wait_until_healthy(url, children, log)
            yield Running(url, info, children, env)


@pytest.mark.scheduler
def test_scheduler_and_local_executor(settled: State, running: Running, place: Path, waiting: Waiting) -> None:
    """Unpaused, the DAG makes its first scheduled run by itself;
    without shards, with pools, each task in a process of its own. Two small DAGs wait and fail meanwhile."""
    run = first_run(running.api, running.url)
    tasks = running.tasks("procore_erp_sync", run["dag_run_id"])
    states = {name: row["state"] for name, row in tasks.items()}
    assert run["state"] == "success", states
    assert set(states.values()) == {"success"}
    pages = {name: page(running, run["dag_run_id"], name) for name in states if name.startswith("commitments_change_orders.")}
    base = running.info["base_url"]
    assert pages.pop("commitments_change_orders.done") is None
    assert all(re.fullmatch(rf"{base}/\d+/(project|company)/\S+", str(found)) for found in pages.values()), pages
    kept = {(row["project_id"], row["kind"], row["id"]) for row in State(place / "state").contracts()}
    for name in ("extract_commitments", "referential_integrity", "load_commitments"):
        found = str(pages[f"commitments_change_orders.{name}"]).removeprefix(f"{base}/")
        project, kind, record = re.fullmatch(r"(\d+)/project/commitments/(\w+)/(\d+)", found).groups()  # type: ignore[union-attr]
        assert (int(project), kind, int(record)) in kept, "the page of a document that is there"
    report = json.loads(next((place / "staging").glob("*/report.json")).read_text())
    assert told(report) == told(settled.report)
    assert final_state(place / "state") == final_state(settled.folder)
    with closing(sqlite3.connect(place / "ledger.sqlite")) as ledger:
        assert ledger.execute("SELECT kind, since FROM runs").fetchall() == [("scheduled", None)]
        marks = {row[0] for row in ledger.execute("SELECT entity FROM watermarks")}
        assert {name for name in marks if not name.startswith("marks of ")} == set(report["entities"])
        calling = {row[0].partition("[")[0] for row in ledger.execute("SELECT task FROM traffic WHERE procore_calls > 0")}
    assert len(calling) > 20 and {name for name in calling if tasks[name]["pool"] != "procore_api"} == set()
    assert told(report_without_systems(running, place, run["dag_run_id"])) == told(report)


def report_without_systems(running: Running, place: Path, run: str) -> dict[str, Any]:
    """The report holds no slot of a pool: made again while the ERP is away and Procore's calls are counted."""
    erp = place / "state" / "erp.sqlite"
    with pipeline.opened(running.info, place, run, again=True) as sync:
        client: Any = sync.systems["procore"].client  # type: ignore[attr-defined]
        made = client.calls
        away = erp.rename(erp.with_name("away"))
        try:
            return build(sync)
        finally:
            away.rename(erp)
            assert client.calls == made


def page(running: Running, run: str, task: str) -> str | None:
    """Where *Open in Procore* leads to."""
    for index in (0, -1):
        path = f"{running.url}/api/v2/dags/procore_erp_sync/dagRuns/{run}/taskInstances/{task}/links"
        answer = running.api.get(path, params={"map_index": index}, timeout=30)
        if answer.status_code == 200:
            return answer.json()["extra_links"].get("Open in Procore")
    pytest.fail(f"no task {task}")


SECRET = "S3cret/p@ss"
EVENTS = "events-of-the-tests"


@pytest.fixture(scope="module")
def few(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A second company, with connections that stand in Airflow's own database."""
    world = World(tmp_path_factory.mktemp("few") / "world", size="tiny", history="linked")
    new_ledger(world.folder / "ledger.sqlite")
    info = world.info
    company = {"company_id": str(info["company_id"])}
    connections: dict[str, dict[str, Any]] = {
        "few_procore": {"conn_type": "procore", "host": info["base_url"], "login": info["client_id"], "extra": company},
        "few_erp": {"conn_type": "procore_erp", "schema": str(world.folder / "erp.sqlite"), "extra": {"mapping": "sandbox_erp"}},
        "few_ledger": {
            "conn_type": "sync_ledger",
            "schema": str(world.folder / "ledger.sqlite"),
            "extra": {"staging": f"file://{world.folder}/staging"},
        },
        "shown_ledger": {
            "conn_type": "sync_ledger",
            "host": "127.0.0.1",
            "port": 1,
            "schema": "ledger",
            "login": "sync",
            "extra": {"dialect": "postgresql+psycopg2", "staging": "file:///nowhere"},
        },
    }
    for name, parts in connections.items():
        password = info["client_secret"] if name == "few_procore" else SECRET
        extra = json.dumps(parts.pop("extra"))
        running.call("POST", "/api/v2/connections", {"connection_id": name, "password": password, "extra": extra, **parts})
    running.call("POST", "/api/v2/pools", {"name": "narrow", "slots": 1, "include_deferred": False})
    yield world
    world.stop()


@pytest.mark.scheduler
def test_passwords_are_shown_by_no_api_and_the_test_button_works(running: Running, few: World) -> None:
    found = running.call("GET", "/api/v2/connections")["connections"]
    assert {row["password"] for row in found} == {"***"} and len(found) == 4
    assert SECRET not in json.dumps(found) and few.info["client_secret"] not in json.dumps(found)

    def button(name: str, **changed: Any) -> tuple[bool, str]:
        (row,) = [row for row in found if row["connection_id"] == name]
        told = running.call("POST", "/api/v2/connections/test", {**row, **changed})
        assert SECRET not in told["message"] and few.info["client_secret"] not in told["message"]
        return told["status"], told["message"]

    for name, said in (
        ("few_procore", "Connected to .*8089"),
        ("few_erp", "Connected to sandbox"),
        ("few_ledger", "Connected to"),
    ):
        ok, message = button(name)
        assert ok and re.match(said, message), message
    for name, changed, said in (
        ("few_procore", {"password": SECRET}, "refused the client credentials"),
        ("few_procore", {"host": "http://procore.example", "password": SECRET}, "must begin with https"),
        ("few_erp", {"schema": "/nowhere.sqlite"}, "no SQLite database at /nowhere.sqlite"),
        ("few_ledger", {"schema": "/nowhere.sqlite"}, "no ledger at"),
        ("shown_ledger", {}, r"sync:\*\*\*@127.0.0.1:1/ledger cannot be reached"),
    ):
        ok, message = button(name, **changed)
        assert not ok and re.search(said, message), message


class Waiting:
    """Runs of ``waits`` and ``fails`` from their start to their end, while the tests go on: an idle Airflow is dear."""

    def __init__(self, running: Running) -> None:
        self.running = Running(running.url, running.info, running.children, running.env)
        self.runs = {dag: self.running.start(dag) for dag in ("waits", "fails")}
        self.seen: set[tuple[str, int]] = set()
        """States of the task that waits, each with the slots of its pool that were taken."""
        self._watch = ThreadPoolExecutor(1)
        self._ended = self._watch.submit(self._look_until_they_end)

    def end(self) -> None:
        """Raises what went wrong meanwhile."""
        self._ended.result()

    def stop(self) -> None:
        self._watch.shutdown()

    def _look_until_they_end(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while {self.running.of(dag, f"/{run}")["state"] for dag, run in self.runs.items()} & {"queued", "running"}:
            assert time.monotonic() < deadline, {dag: self.running.states(dag, run) for dag, run in self.runs.items()}
            before = self._state()
            used = self.running.call("GET", "/api/v2/pools/narrow")["occupied_slots"]
            if before == self._state():  # it did not change in between
                self.seen.add((before, used))
            waits = before == "up_for_reschedule" and ("running", 1) in self.seen
            time.sleep(2 if waits else 0.2)

    def _state(self) -> str:
        return str(self.running.of("waits", f"/{self.runs['waits']}/taskInstances/extract")["state"])


@pytest.fixture(scope="module")
def waiting(running: Running, few: World) -> Iterator[Waiting]:
    """Procore says twice when to come back, of a task that may be tried again once."""
    for after in (1, 4):
        few.fault(action="status", status=429, headers={"Retry-After": "1"}, path="order_contracts", after=after, times=1)
    with pipeline.opened(few.info, few.folder, "waits-1") as sync:
        sync.ledger.runs.finished("waits-1", "window")
    few.forget_requests()
    found = Waiting(running)
    yield found
    found.stop()


@pytest.mark.scheduler
def test_waiting_is_no_failure_and_what_cannot_help_is_not_tried_again(running: Running, few: World, waiting: Waiting) -> None:
    """Each time the task gives its slot back, in the end it has used up no retry and read nothing twice. Beside it: a connection
    that nobody made, and a password in a log."""
    waiting.end()
    seen, runs = waiting.seen, waiting.runs
    assert {used for state, used in seen if state == "up_for_reschedule"} == {0} and ("running", 1) in seen
    tasks = running.tasks("waits", runs["waits"])
    assert (tasks["extract"]["state"], tasks["extract"]["try_number"], tasks["extract"]["max_tries"]) == ("success", 1, 1)
    assert running.log("waits", runs["waits"], "extract").count("gives its slots back") == len(few.fired()) == 2
    pages = [row for row in few.requests() if row["status"] == 200 and "/line_items" in row["path"]]
    assert len(pages) == len({row["path"] for row in pages}) > 2, "nothing that was staged is read again"
    failed = running.tasks("fails", runs["fails"])
    assert (failed["nobody"]["state"], failed["nobody"]["try_number"], failed["nobody"]["max_tries"]) == ("failed", 1, 3)
    assert "Connection nobody is not defined. Create it with type procore" in running.log("fails", runs["fails"], "nobody")
    shown = running.log("fails", runs["fails"], "show")
    assert "plain ***, address postgresql+psycopg2://sync:***@127.0.0.1:1/ledger" in shown and "S3cret" not in shown


@pytest.mark.scheduler
def test_a_backfill_with_what_the_form_sends(running: Running) -> None:
    """Two days at once, the newest first, of one entity; the form hands over every parameter. In every way, and with everything:
    `make backfills`."""
    first_run(running.api, running.url)
    shown = running.call("GET", f"/api/v2/dags/{DAG}/details")["params"]
    conf = {name: each["value"] for name, each in shown.items()} | {"entities": ["cost_types"]}
    asked = {
        "dag_id": DAG, "from_date": "2026-09-01T00:00:00Z", "to_date": "2026-09-03T00:00:00Z", "run_backwards": True,
        "reprocess_behavior": "none", "max_active_runs": 2, "dag_run_conf": conf, "run_on_latest_version": True,
    }  # fmt: skip
    deadline = time.monotonic() + 300
    running.call("POST", "/api/v2/backfills", asked)
    while len(ended := [run for run in backfilled(running) if run["state"] in ("success", "failed")]) < 2:
        assert time.monotonic() < deadline, backfilled(running)
        time.sleep(1)
    found = sorted((run["logical_date"], run["state"]) for run in ended)
    assert found == [(f"2026-09-0{day}T05:00:00Z", "success") for day in (1, 2)]
    told = []
    for run in ended:
        path = f"/{run['dag_run_id']}/taskInstances/window/xcomEntries/return_value"
        told.append(running.of(DAG, path, deserialize=True)["value"])
    assert [(one["kind"], one["entities"]) for one in told] == [("backfill", ["cost_types"])] * 2
    assert all(one["expected"]["days"] >= 1 and one["expected"]["procore_calls"] >= 1 for one in told)


def backfilled(running: Running) -> list[dict[str, Any]]:
    return [run for run in running.of(DAG)["dag_runs"] if run["run_type"] == "backfill"]


@pytest.mark.scheduler
def test_nothing_listens_on_another_address_than_loopback(running: Running) -> None:
    parts = [psutil.Process(child.pid) for child in running.children]
    everybody = [one for part in parts for one in (part, *part.children(recursive=True))]
    open_ = set()
    for each in everybody:
        with contextlib.suppress(psutil.NoSuchProcess):  # a process that has ended since listens to nobody
            open_ |= {one.laddr.ip for one in each.net_connections("inet") if one.status == psutil.CONN_LISTEN}
    assert open_ == {"127.0.0.1"}


@pytest.mark.scheduler
def test_an_event_brings_its_change_to_the_erp(running: Running, place: Path) -> None:
    """A person edits a contract; Procore delivers the event, and a run reads the entity and the job concerned, nothing else."""
    first_run(running.api, running.url)  # what is linked
    receiver, bearer = f"{running.url}/procore/webhooks", {"Authorization": f"Bearer {EVENTS}"}
    ledger, erp = (closing(sqlite3.connect(place / name)) for name in ("ledger.sqlite", "state/erp.sqlite"))
    with ledger as known, erp as books:
        for nobody in ({}, {"Authorization": "Bearer"}, {"Authorization": EVENTS}):
            answer = requests.post(receiver, json={}, headers=nobody, timeout=30)
            assert (answer.status_code, answer.json()) == (401, {"detail": "unauthorized"}), refused(place)
        first, second = commands(running, "apply", "apply")
        assert first[0] == f"+ hook procore-erp-sync to {receiver}" and second == ["nothing to do"]
        contracts = {str(row["id"]): row for row in State(place / "state").objects("work_order_contracts")}
        links = known.execute("SELECT procore_id, erp_key FROM links WHERE entity = 'commitments' ORDER BY 1").fetchall()
        ident, key = next(link for link in links if link[0] in contracts)
        edit = {"project_id": contracts[ident]["project_id"], "work_order_contract": {"title": "Renamed by a person"}}
        as_user(running, "PATCH", f"/work_order_contracts/{ident}", edit)
        deadline = time.monotonic() + PATIENCE
        while not (ended := [run for run in events_runs(running) if run["state"] in ("success", "failed")]):
            assert time.monotonic() < deadline, (events_runs(running), webhooks(running), refused(place))
            time.sleep(0.5)
        (run,) = ended
        states = {name: row["state"] for name, row in running.tasks("procore_erp_sync", run["dag_run_id"]).items()}
        assert run["state"] == "success", states
        done = {name.rpartition(".")[2] for name, state in states.items() if state == "success" and "." in name}
        assert {name for name in done if name.startswith(("extract_", "load_"))} == {"extract_commitments", "load_commitments"}
        assert books.execute("SELECT title FROM commitments WHERE number = ?", (key,)).fetchone() == ("Renamed by a person",)
        people = "SELECT resource_id, claimed_by, done_at IS NOT NULL FROM webhook_inbox WHERE user_id <> ?"
        assert known.execute(people, (str(OWNER_ID),)).fetchall() == [(ident, run["dag_run_id"], 1)]
        took = "SELECT (julianday(s.finished_at) - julianday(i.received_at)) * 86400 FROM webhook_inbox i JOIN steps s "
        (seconds,) = known.execute(
            took + "ON s.run_id = i.claimed_by WHERE s.step = 'load:commitments' AND i.resource_id = ?", (ident,)
        ).fetchone()
        print(f"from the event to the ERP: {seconds:.1f} s")
    assert webhooks(running)["failing"] == []
    (hook,) = as_user(running, "GET", "/webhooks/hooks?company_id=8089")
    rows = as_user(running, "GET", f"/webhooks/hooks/{hook['id']}/deliveries?company_id=8089")
    assert {(row["outcome"], row["response_status"]) for row in rows} == {("ok", 202)}
    for row in rows:  # it may come again
        again = requests.post(receiver, json=row["event"], headers=bearer, timeout=30)
        assert (again.status_code, again.json()) == (202, {"detail": "known"})


def commands(running: Running, *actions: str) -> list[list[str]]:
    """What ``python -m include.procore webhooks`` says, with Airflow's connections, to each action in turn: in one process, for
    Airflow's import is what takes the time."""
    each = "sys.argv[1:] = ['webhooks', action]; runpy.run_module('include.procore', run_name='__main__', alter_sys=True)"
    code = f"import runpy, sys\nfor action in {actions!r}:\n try: {each}\n except SystemExit as end: print('exit code', end)"
    asked = [sys.executable, "-c", code]
    done = subprocess.run(asked, env=running.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    *said, rest = done.stdout.split("exit code 0\n")
    assert (done.returncode, len(said), rest) == (0, len(actions), ""), done.stdout + done.stderr
    return [one.splitlines() for one in said]


def as_user(running: Running, method: str, path: str, body: Any = None) -> Any:
    """What a person does in Procore."""
    asked = {"method": method, "path": path, "json": body}
    answer = requests.post(f"{running.info['base_url']}/_sandbox/as_user", json=asked, timeout=30)
    assert answer.status_code < 300, answer.text
    return answer.json()


def refused(place: Path) -> list[str]:
    """Why the receiver took no event, as it told the API server's log."""
    log = (place / "home" / "airflow.log").read_text(encoding="utf-8")
    return [line for line in log.splitlines() if "[include.provider.receiver]" in line]


def webhooks(running: Running) -> Any:
    """How the sandbox's deliveries stand."""
    return requests.get(f"{running.info['base_url']}/_sandbox/webhooks", timeout=30).json()


def events_runs(running: Running) -> list[dict[str, Any]]:
    return [run for run in running.of("procore_erp_sync")["dag_runs"] if run["dag_run_id"].startswith("events__")]


def first_run(api: requests.Session, url: str, seconds: float = PATIENCE) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    unpaused = False
    while time.monotonic() < deadline:
        if not unpaused:
            answer = api.patch(f"{url}/api/v2/dags/procore_erp_sync", json={"is_paused": False}, timeout=30)
            unpaused = answer.status_code == 200  # 404 until the dag processor has seen the file
        runs = api.get(f"{url}/api/v2/dags/procore_erp_sync/dagRuns", timeout=30).json().get("dag_runs", [])
        if runs and runs[0]["state"] in ("success", "failed"):
            return dict(runs[0])
        time.sleep(1)
    pytest.fail(f"no run ended within {seconds:.0f} seconds")
