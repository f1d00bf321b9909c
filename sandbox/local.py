"""Airflow and the sandbox on this machine: their environment, their processes, ``make up``.

Everything that runs listens on 127.0.0.1 on a free port, keeps its files under ``var/``, and is stopped by process group - also
after Ctrl-C, a failure or a TERM from make.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import IO, Any

import requests
import yaml
from sqlalchemy import make_url

from include.financials.ledger import Ledger
from include.financials.reading.staging import private_file, private_folder
from sandbox.pipeline import MAPPING, SETTINGS
from sandbox.procore.login import OWNER_ID

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var"
STOP_SECONDS = 10
CONNECT_ARGUMENTS = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS"
"""Of Airflow's own database; those of SQLite are in the way of another."""


class LocalError(RuntimeError):
    """A process did not come up or failed; the message says where its log is."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, info: Mapping[str, Any], ledger: Path, staging: Path) -> dict[str, str]:
    """What Airflow needs to run the project's DAG against a running sandbox; nothing of it is written outside ``home``."""
    erp = database_fields(info["erp_url"])
    connections = {
        "PROCORE_DEFAULT": {
            "conn_type": "procore",
            "host": info["base_url"],
            "login": info["client_id"],
            "password": info["client_secret"],
            "extra": {"company_id": info["company_id"], "login_url": info["login_url"]},
        },
        "ERP_DEFAULT": {"conn_type": "procore_erp", **erp, "extra": {**erp["extra"], "mapping": info.get("mapping", MAPPING)}},
        "SYNC_LEDGER": {"conn_type": "sync_ledger", "schema": str(ledger), "extra": {"staging": f"file://{staging}"}},
    }
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW_", "PYTHONDONTWRITEBYTECODE"))},
        **{f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in connections.items()},
        "AIRFLOW_HOME": str(home),
        # Airflow's parts start others by the bare name `airflow`.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        CONNECT_ARGUMENTS: "sandbox.airflow_sqlite.CONNECT",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "GX_ANALYTICS_ENABLED": "false",
        "PROCORE_ERP_SETTINGS": str(info.get("settings", SETTINGS)),
    }


def new_ledger(path: Path) -> None:
    """The ledger of a local start; a run refuses one that nobody made."""
    ledger = Ledger(f"sqlite:///{path}")
    ledger.create()
    ledger.close()


def database_fields(address: str) -> dict[str, Any]:
    """An SQLAlchemy address as the fields of a connection: host, port, schema, login, password and what goes into its extra."""
    url = make_url(address)
    query = dict(url.query)
    host = url.host or query.pop("host", None)  # the folder of a socket stands there: in an address it would be a path
    given = {"host": host, "port": url.port, "schema": url.database, "login": url.username, "password": url.password}
    extra = {"dialect": url.drivername} | ({"query": query} if query else {})
    return {**{name: value for name, value in given.items() if value is not None}, "extra": extra}


@contextmanager
def process(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, stdout: int | IO[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own; on the way out the whole group gets TERM and, if it stays, KILL."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as sink:
        child = subprocess.Popen(
            list(command), stdout=stdout or sink, stderr=sink, env=dict(env) if env else None,
            cwd=ROOT, start_new_session=True, text=True,
        )  # fmt: skip
        try:
            yield child
        finally:
            stop(child)
            if child.stdout is not None:
                child.stdout.close()


def stop(child: subprocess.Popen[str]) -> None:
    for sign, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            child.poll()
            try:
                os.killpg(child.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)


@contextmanager
def sandbox(
    state: Path,
    *,
    keep: bool = False,
    seed: str = "planted",
    size: str = "small",
    port: int = 0,
    erp_url: str | None = None,
    until: date | None = None,
    history: str = "linked",
) -> Iterator[dict[str, Any]]:
    """A running sandbox of both systems (the ERP on SQLite, or at ``erp_url``); yields its ``/_sandbox/info``. ``until``: the
    day that its data reach to, on the real clock."""
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--port",
        str(port),
        "--state",
        str(state),
        "--seed",
        seed,
        "--size",
        size,
        "--history",
        history,
    ]
    command += ["--erp-url", erp_url] if erp_url else []
    command += ["--until", until.isoformat()] if until else []
    log = state / "sandbox.log"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with process(command + (["--keep"] if keep else []), log, env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise LocalError(f"the sandbox did not start; see {log}")
        yield json.loads(line)


@contextmanager
def running_or_new(url: str | None, state: Path, *, keep: bool, seed: str, size: str) -> Iterator[dict[str, Any]]:
    """The sandbox that runs at ``url`` (SANDBOX_URL), put back to its seed unless kept; without ``url`` one of our own."""
    if url is None:
        with sandbox(state, keep=keep, seed=seed, size=size) as info:
            yield info
        return
    control = f"{url.rstrip('/')}/_sandbox"
    if not keep:
        requests.post(f"{control}/reset", json={"seed": seed, "size": size}, timeout=600).raise_for_status()
    yield requests.get(f"{control}/info", timeout=30).json()


def interruptible() -> None:
    """TERM (from make, a container or a CI runner) ends us like Ctrl-C, so that the ``finally`` blocks stop the servers."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def program(work: Callable[[], int], *troubles: type[Exception]) -> int:
    """The exit code of a program that a person may stop: what ``work`` answers; 130 where it was stopped; 1, and the sentence,
    where it ends by LocalError or one of ``troubles``."""
    told: tuple[type[Exception], ...] = (LocalError, *troubles)
    interruptible()
    try:
        return work()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except told as error:
        print(error, file=sys.stderr)
        return 1


def airflow(arguments: Sequence[str], env: Mapping[str, str], log: Path) -> int:
    """Run one Airflow command, its output in ``log``; returns its exit code."""
    with process([sys.executable, "-m", "airflow", *arguments], log, env=env) as child:
        return child.wait()


def import_pools(env: Mapping[str, str], home: Path, log: Path) -> None:
    """The pools of airflow_settings.yaml: one place says how many tasks may call a system at the same time."""
    pools = yaml.safe_load((ROOT / "airflow_settings.yaml").read_text(encoding="utf-8"))["airflow"]["pools"]
    path = home / "pools.json"
    rows = {
        row["pool_name"]: {"slots": row["pool_slot"], "description": row["pool_description"], "include_deferred": False}
        for row in pools
    }
    path.write_text(json.dumps(rows), encoding="utf-8")
    if airflow(["pools", "import", str(path)], env, log) != 0:
        raise LocalError(f"the pools could not be imported; see {log}")


def up() -> int:
    """Airflow (UI, scheduler, triggerer) with the sandbox, until stopped."""
    interruptible()
    home = VAR / "airflow"
    private_folder(home)
    log = home / "up.log"
    port = int(os.environ.get("AIRFLOW_PORT") or free_port())
    state = VAR / "sandbox"
    keep = os.environ.get("KEEP") == "1" and (state / "procore.sqlite").exists()
    seed, size = os.environ.get("SEED") or "planted", os.environ.get("SIZE") or "small"
    # Airflow's dates are real ones: what a person may backfill is there on the last of them.
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    with sandbox(state, keep=keep, seed=seed, size=size, until=yesterday) as info:
        password = os.environ.get("AIRFLOW_PASSWORD") or secrets.token_urlsafe(9)
        secret = secrets.token_urlsafe(24)
        settings = standalone_settings(home, port, password, secret, str(OWNER_ID))
        env = environment(home, info, VAR / "ledger.sqlite", VAR / "staging") | settings
        if not keep:
            for path in VAR.glob("ledger.sqlite*"):
                path.unlink()
        new_ledger(VAR / "ledger.sqlite")
        print("Starting Airflow (the first start makes its database, about a minute) ...", flush=True)
        if airflow(["db", "migrate"], env, log) != 0:
            raise LocalError(f"Airflow's database could not be made; see {log}")
        import_pools(env, home, log)
        with servers(log, env) as children:
            wait_until_healthy(f"http://127.0.0.1:{port}", children, log)
            subscribe(env, log)
            address = f"http://127.0.0.1:{port}"
            print(f"Airflow:  {address}  (login admin / {password})\nSandbox:  {info['base_url']}\nLog:      {log}\n")
            print(how_to_fire(info["base_url"], address), "Ctrl-C stops both.", sep="\n\n", flush=True)
            while all(child.poll() is None for child in children):
                time.sleep(1)
    return 0


def subscribe(env: Mapping[str, str], log: Path) -> None:
    """Let Procore tell this Airflow of changes. Raises LocalError where that cannot be had."""
    with process([sys.executable, "-m", "include.procore", "webhooks", "apply"], log, env=env) as child:
        if child.wait() != 0:
            raise LocalError(f"the sandbox was not told where to send events; see {log}")


EXAMPLE = "104-SC-003"
"""A subcontract that companies of every size have."""


def how_to_fire(sandbox_url: str, airflow_url: str) -> str:
    """How a person changes a contract in the sandbox and watches the change arrive in the ERP, as commands for a shell."""

    def as_user(method: str, path: str) -> list[dict[str, Any]]:
        asked = {"method": method, "path": path}
        answer = requests.post(f"{sandbox_url}/_sandbox/as_user", json=asked, timeout=60)
        answer.raise_for_status()
        return list(answer.json())

    projects = [row["id"] for row in as_user("GET", "/rest/v1.1/projects?company_id=8089&per_page=300")]
    lists = {project: as_user("GET", f"/work_order_contracts?project_id={project}&per_page=1000") for project in projects}
    project, contract = next((p, row["id"]) for p, rows in lists.items() for row in rows if row["number"] == EXAMPLE)
    change = {"project_id": project, "work_order_contract": {"title": "Renamed by a person"}}
    asked = json.dumps({"method": "PATCH", "path": f"/work_order_contracts/{contract}", "json": change})
    return "\n".join(
        [
            "A change in Procore, and how it arrives:",
            f"1. Switch the DAG on at {airflow_url}/dags/procore_erp_sync; its first run, of some minutes, brings both in step.",
            f"2. Rename {EXAMPLE} as a person would; within seconds there is a run events__... in that list:",
            f"   curl -X POST {sandbox_url}/_sandbox/as_user -H 'content-type: application/json' -d '{asked}'",
            "3. When it has ended the ERP has the new title, and the ledger tells how it came there:",
            f"   {Path(sys.executable)} -m include.financials --ledger sqlite:///{VAR}/ledger.sqlite why commitment {EXAMPLE}",
            f"   curl {sandbox_url}/_sandbox/webhooks",
        ]
    )


PARTS = (("api-server",), ("scheduler", "--skip-serve-logs"), ("dag-processor",), ("triggerer", "--skip-serve-logs"))
"""Airflow's parts, as `airflow standalone` starts them. Their log servers would listen on every address, whatever is configured;
none is needed where the API server reads the same files."""


@contextmanager
def servers(log: Path, env: Mapping[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """A whole Airflow on loopback."""
    with ExitStack() as stack:
        yield [stack.enter_context(process([sys.executable, "-m", "airflow", *part], log, env=env)) for part in PARTS]


def standalone_settings(home: Path, port: int, password: str, secret: str, account: str) -> dict[str, str]:
    """Settings of a local Airflow: loopback only, one known login, secrets of its own. Events come in with ``secret`` as their
    bearer token; those of ``account`` start no run."""
    users = home / "simple_auth_manager_passwords.json.generated"
    with private_file(users) as sink:
        sink.write(json.dumps({"admin": password}).encode())
    here = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": port, "login": "admin", "password": password}
    events = {"conn_type": "generic", "schema": "http", "host": "127.0.0.1", "port": port}
    return {
        "AIRFLOW_CONN_PROCORE_WEBHOOKS": json.dumps({**events, "login": account, "password": secret}),
        "AIRFLOW_CONN_AIRFLOW_API": json.dumps(here),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    }


def wait_until_healthy(url: str, children: Sequence[subprocess.Popen[str]], log: Path, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(child.poll() is not None for child in children):
            raise LocalError(f"Airflow ended before it was ready; see {log}")
        try:
            health = requests.get(f"{url}/api/v2/monitor/health", timeout=5).json()
            if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                return
        except (requests.RequestException, ValueError, KeyError):
            pass  # not listening yet
        time.sleep(0.5)
    raise LocalError(f"Airflow was not ready after {seconds:.0f} seconds; see {log}")


def main(arguments: Sequence[str]) -> int:
    if list(arguments) != ["up"]:
        print("usage: python -m sandbox.local up", file=sys.stderr)
        return 2
    try:
        return up()
    except KeyboardInterrupt:
        print("stopped")
        return 0
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
