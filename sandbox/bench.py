"""``make bench``: how long the sync takes, what it needs and how many calls it makes, as JSON under ``var/bench/``.

The receiver of events: an API server of Airflow on loopback takes ``RATE`` events a second, each at its own moment whether or not
those before it were answered, and then as many questions for its health. The reader: the pages of one list by our client, and by
the plainest loop of requests that follows them. Of both the ratio can be compared.

Each size is run twice against a sandbox of its own and in a process of its own: from an empty ledger, and again with nothing
changed. What can be compared from machine to machine are the ratios (records per second of the second run against the first,
calls per record), not the seconds. SIZE chooses one size (default: tiny, small and medium). AGAINST=<commit> does the same with
the code of that commit in turn (one that has this package at this place), and writes the ratios of processor time, memory and
calls to ``against.json``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]
import requests

from include.financials.ledger import Ledger
from include.financials.reading.staging import private_folder
from include.financials.report import COUNTS
from include.procore.client import ProcoreClient
from include.provider.events import RECEIVER
from sandbox.local import (
    ROOT,
    VAR,
    LocalError,
    airflow,
    environment,
    free_port,
    interruptible,
    new_ledger,
    process,
    sandbox,
    standalone_settings,
)
from sandbox.pipeline import run
from sandbox.procore.login import OWNER_ID

BENCH = VAR / "bench"
LIMITS = {"rate_limit_hour": 1_000_000, "rate_limit_spike": 1_000_000}
"""Without Procore's limits: what is measured is our own work, the calls are counted instead."""


def measure(size: str, folder: Path) -> dict[str, Any]:
    """Two runs of a sandbox of this size in this process: seconds, processor seconds, calls, peak memory in MB with imports."""
    imported = _peak()
    with _sandbox(folder, size) as info:
        runs = [_timed(info, folder, name) for name in ("first", "unchanged")]
    ratio = round(runs[0]["seconds"] / runs[1]["seconds"], 2)
    return {"size": size, "runs": runs, "first_to_unchanged": ratio, "imported_mb": imported, "max_rss_mb": _peak()}


@contextmanager
def _sandbox(folder: Path, size: str) -> Iterator[dict[str, Any]]:
    """The ``info`` of a new sandbox that has no limits."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with sandbox(folder / "sandbox", size=size) as info:
        reset = requests.post(f"{info['base_url']}/_sandbox/reset", json={"size": size, "settings": LIMITS}, timeout=1800)
        reset.raise_for_status()
        yield reset.json()


def _timed(info: Mapping[str, Any], folder: Path, name: str) -> dict[str, Any]:
    started, used = time.monotonic(), time.process_time()
    report = run(info, folder, name)
    seconds, cpu = time.monotonic() - started, time.process_time() - used
    records = sum(row["extracted"] for row in report["entities"].values())
    written = sum(row["created"] + row["updated"] for row in report["entities"].values())
    return {
        "run": name, "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "records": records, "written": written,
        "records_per_second": round(records / seconds), "calls": report["procore_calls"],
        "write_calls": report["procore_writes"], "balanced": report["reconciliation"]["balanced"],
        "counts": {count: sum(row[count] for row in report["entities"].values()) for count in COUNTS},
    }  # fmt: skip


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measured(size: str, folder: Path, tree: Path = ROOT) -> dict[str, Any]:
    """:func:`measure` in a process of its own, with the code of ``tree``. Raises LocalError where it fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}.log"
    command = [sys.executable, "-m", "sandbox.bench", "one", size, str(folder)]
    with log.open("w", encoding="utf-8") as told:
        done = subprocess.run(
            command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, stdout=subprocess.PIPE, stderr=told, text=True
        )
    if done.returncode != 0:
        raise LocalError(f"the benchmark of size {size} ended with {done.returncode}; see {log}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # before it the warnings of the run
    for row in found["runs"]:
        print(
            f"{size}, {row['run']}{'' if tree == ROOT else f' ({tree.name})'}: {row['records']} records in {row['seconds']} s"
            f" ({row['cpu_seconds']} s of a processor), {row['calls']} calls, {row['written']} written, {found['max_rss_mb']} MB",
            flush=True,
        )
    return found


def against(commit: str, size: str, now: Mapping[str, Any]) -> dict[str, Any]:
    """Ratios of what ``now`` says of this size to the same by the code of ``commit``: below 1 is better than there."""
    tree = BENCH / "against"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "remove", "--force", str(tree)], capture_output=True)
    added = subprocess.run([*git, "add", "--detach", str(tree), commit], capture_output=True, text=True)
    if added.returncode != 0:
        raise LocalError(f"no commit to compare with: {added.stderr.strip()}")
    try:
        then = measured(size, BENCH / f"{size}-against", tree)
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], capture_output=True)
    pairs = list(zip(now["runs"], then["runs"], strict=True))
    beyond = now["max_rss_mb"] - now["imported_mb"], then["max_rss_mb"] - then["imported_mb"]
    return {
        "commit": commit,
        "size": size,
        **{
            f"{new['run']}_{name}": round(new[name] / max(old[name], 0.1), 2)
            for new, old in pairs
            for name in ("cpu_seconds", "calls")
        },
        "memory_beyond_imports": round(beyond[0] / max(beyond[1], 1), 2),
    }


PAGES, ROUNDS = 25, 30
"""Records of a page, and how often either way of reading is timed: one after the other, so that both meet the same machine."""


def reader(folder: Path) -> dict[str, Any]:
    """Processor time of our client and of a plain loop for the pages of one list, medians in ms, and their ratio."""
    with _sandbox(folder, "medium") as info:
        client = ProcoreClient(info["base_url"], info["login_url"], info["company_id"], info["client_id"], info["client_secret"])
        plain = requests.Session()
        plain.headers.update({"Authorization": f"Bearer {client.token()}", "Procore-Company-Id": str(info["company_id"])})
        path, query = "/rest/v1.0/vendors", {"company_id": info["company_id"], "view": "extended"}
        address = requests.Request("GET", f"{info['base_url']}{path}", params={**query, "per_page": PAGES}).prepare().url

        def ours() -> int:
            return sum(len(page.rows) for page in client.pages(path, query, per_page=PAGES))

        def loop() -> int:
            url, count = address, 0
            while url:
                reply = plain.get(url, timeout=60)
                count += len(reply.json())
                url = reply.links.get("next", {}).get("url")
            return count

        took: dict[str, list[float]] = {"ours": [], "loop": []}
        for _ in range(ROUNDS):
            counts = set()
            for name, read in (("ours", ours), ("loop", loop)):
                used = time.process_time()
                counts.add(read())
                took[name].append((time.process_time() - used) * 1000)
            if len(counts) != 1:
                raise LocalError(f"the two readers do not agree how many vendors there are: {counts}")
        client.close()
        plain.close()
    medians = {name: round(statistics.median(found), 1) for name, found in took.items()}
    return {"records": counts.pop(), "per_page": PAGES, **medians, "ratio": round(medians["ours"] / medians["loop"], 2)}


RATE, SECONDS = 200, 15
"""Events per second, and for how long."""
LIMIT_MS = 50.0
"""The receiver's 99th percentile is to stay below this; Procore gives up after 5 s."""


def receiver(folder: Path) -> dict[str, Any]:
    """Latencies in ms of the receiver and of the health endpoint of one API server, at ``RATE`` requests a second each.

    Raises LocalError where the server does not start or an event is not kept.
    """
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    log, port, token = folder / "airflow.log", free_port(), secrets.token_urlsafe(24)
    nowhere = {
        "base_url": "http://127.0.0.1:9", "login_url": "http://127.0.0.1:9", "company_id": 8089, "client_id": "-",
        "client_secret": "-", "erp_url": f"sqlite:///{folder}/erp.sqlite",
    }  # fmt: skip
    place = folder / "ledger.sqlite"
    env = environment(folder, nowhere, place, folder / "staging")
    env |= standalone_settings(folder, port, secrets.token_urlsafe(9), token, str(OWNER_ID))
    del env["AIRFLOW_CONN_AIRFLOW_API"]  # no run is asked for: there is no scheduler
    if airflow(["db", "migrate"], env, log) != 0:
        raise LocalError(f"Airflow's database could not be made; see {log}")
    new_ledger(place)
    url = f"http://127.0.0.1:{port}"
    with process([sys.executable, "-m", "airflow", "api-server"], log, env=env) as child:
        deadline = time.monotonic() + 180
        while not _answers(f"{url}{HEALTH}"):
            if child.poll() is not None or time.monotonic() > deadline:
                raise LocalError(f"Airflow's API server did not start; see {log}")
            time.sleep(0.5)
        found = asyncio.run(_both(url, token, child.pid))
    ledger = Ledger(f"sqlite:///{place}")
    kept = ledger.inbox.waiting()
    ledger.close()
    if kept != 1 + RATE * SECONDS:
        raise LocalError(f"{RATE * SECONDS} events were sent, {kept - 1} are in the inbox; see {log}")
    ratio = round(found["events"]["p99_ms"] / found["health"]["p99_ms"], 2)
    return {"rate": RATE, "seconds": SECONDS, **found, "p99_ratio": ratio, "within": found["events"]["p99_ms"] < LIMIT_MS}


TOLD = ("events", "health")
HEALTH = "/api/v2/monitor/health"


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process and those that it started have used."""
    top = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in (top, *top.children(recursive=True)))


async def _both(url: str, token: str, server: int) -> dict[str, dict[str, float]]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    # Not httpx: looking for a free connection takes it longer the more requests wait, and it would measure itself.
    pool = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(url, connector=pool, timeout=aiohttp.ClientTimeout(60)) as client:

        async def send(number: int) -> int:
            async with client.post(RECEIVER, data=_event(number), headers=headers) as answer:
                await answer.read()
                return answer.status

        async def health(_: int) -> int:
            async with client.get(HEALTH) as answer:
                await answer.read()
                return answer.status

        await send(-1)  # opens the ledger
        return {"events": await _paced(send, 202, server), "health": await _paced(health, 200, server)}


def _event(number: int) -> bytes:
    event = {
        "id": 3_100_000_001 + number, "ulid": f"01J{number + 1:023d}", "timestamp": "2026-09-30T18:00:00.000000Z",
        "metadata": {"source_user_id": 9001, "source_project_id": 4_620_000_000, "source_company_id": 8089}, "user_id": 9001,
        "company_id": 8089, "project_id": 4_620_000_000, "api_version": "v3.0", "event_type": "update",
        "resource_name": "Work Order Contracts", "resource_id": 8_300_000_001, "related_resources": [],
    }  # fmt: skip
    return json.dumps(event).encode()


async def _paced(send: Callable[[int], Awaitable[int]], wanted: int, server: int) -> dict[str, float]:
    """Latencies of requests that leave at their moments; one that leaves late counts from when it should have left. Beside them
    what the server needs of a processor for each, which does not depend on what else the machine does."""
    used = _cpu(server)
    start = time.monotonic() + 0.1

    async def one(number: int) -> float:
        due = start + number / RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        status = await send(number)
        if status != wanted:
            raise LocalError(f"request {number} was answered {status}")
        return (time.monotonic() - due) * 1000

    took = await asyncio.gather(*(one(number) for number in range(RATE * SECONDS)))
    parts, cpu = statistics.quantiles(took, n=100), (_cpu(server) - used) * 1000 / len(took)
    shown = {"p50_ms": parts[49], "p99_ms": parts[98], "max_ms": max(took), "cpu_ms": cpu}
    return {name: round(value, 1) for name, value in shown.items()}


def main(arguments: Sequence[str]) -> int:
    interruptible()
    if arguments[:1] == ["one"]:
        logging.disable(logging.INFO)
        print(json.dumps(measure(arguments[1], Path(arguments[2]))))
        return 0
    sizes = [os.environ["SIZE"]] if os.environ.get("SIZE") else ["tiny", "small", "medium"]
    try:
        found = receiver(BENCH / "receiver")
        told = "; ".join(f"{name}: p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms" for name, row in found.items() if name in TOLD)
        print(f"receiver at {RATE} events a second: {told}; ratio of the p99s {found['p99_ratio']}", flush=True)
        _keep("receiver", found)
        _keep("reader", read := reader(BENCH / "reader"))
        print(
            f"reader: {read['ours']} ms, a plain loop {read['loop']} ms for {read['records']} records: {read['ratio']}",
            flush=True,
        )
        results, ratios = [], []
        for size in sizes:
            results.append(measured(size, BENCH / size))
            if commit := os.environ.get("AGAINST"):
                ratios.append(against(commit, size, results[-1]))
                print(f"{size} against {commit}: {ratios[-1]}", flush=True)
    except KeyboardInterrupt:
        return 130
    except (LocalError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 1
    _keep("results", results)
    if ratios:
        _keep("against", ratios)
    print(f"results in {os.path.relpath(BENCH)}")
    return 0


def _keep(name: str, found: Any) -> None:
    BENCH.mkdir(parents=True, exist_ok=True)
    (BENCH / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
