"""``make bench``: how long the sync takes and how many calls it makes, as JSON under ``var/bench/``.

Each size is run twice against a sandbox of its own: from an empty ledger, and again with nothing changed. What can be compared
from machine to machine are the ratios (records per second of the second run against the first, calls per record), not the
seconds. SIZE chooses one size (default: tiny, small and medium).

First the receiver of events: an API server of Airflow on loopback takes ``RATE`` events a second, each at its own moment whether
or not those before it were answered, and then as many questions for its health. What can be compared is the ratio of the two.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import secrets
import shutil
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]
import requests

from include.connections import RECEIVER
from include.financials.inbox import waiting
from include.financials.ledger import Ledger
from include.financials.reading.staging import private_folder
from include.financials.report import COUNTS
from include.local import (
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
from include.pipeline import run
from include.sandbox.procore.login import OWNER_ID

BENCH = VAR / "bench"
LIMITS = {"rate_limit_hour": 1_000_000, "rate_limit_spike": 1_000_000}
"""Without Procore's limits: what is measured is our own work, the calls are counted instead."""


def measure(size: str) -> dict[str, Any]:
    folder = BENCH / size
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with sandbox(folder / "sandbox", size=size) as info:
        reset = requests.post(f"{info['base_url']}/_sandbox/reset", json={"size": size, "settings": LIMITS}, timeout=1800)
        reset.raise_for_status()
        runs = []
        for name in ("first", "unchanged"):
            started = time.monotonic()
            report = run(reset.json(), folder, name)
            seconds = time.monotonic() - started
            records = sum(row["extracted"] for row in report["entities"].values())
            written = sum(row["created"] + row["updated"] for row in report["entities"].values())
            runs.append(
                {
                    "run": name, "seconds": round(seconds, 1), "records": records, "written": written,
                    "records_per_second": round(records / seconds), "calls": report["procore_calls"],
                    "write_calls": report["procore_writes"], "balanced": report["reconciliation"]["balanced"],
                    "counts": {count: sum(row[count] for row in report["entities"].values()) for count in COUNTS},
                }
            )  # fmt: skip
            print(
                f"{size}, {name}: {records} records in {seconds:.1f} s, {report['procore_calls']} calls, {written} written",
                flush=True,
            )
    ratio = round(runs[0]["seconds"] / runs[1]["seconds"], 2)
    return {
        "size": size,
        "runs": runs,
        "first_to_unchanged": ratio,
        "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


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
    kept = waiting(ledger)
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


def main() -> int:
    interruptible()
    sizes = [os.environ["SIZE"]] if os.environ.get("SIZE") else ["tiny", "small", "medium"]
    try:
        found = receiver(BENCH / "receiver")
        told = "; ".join(f"{name}: p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms" for name, row in found.items() if name in TOLD)
        print(f"receiver at {RATE} events a second: {told}; ratio of the p99s {found['p99_ratio']}", flush=True)
        (BENCH / "receiver.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        results = [measure(size) for size in sizes]
    except KeyboardInterrupt:
        return 130
    except (LocalError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 1
    (BENCH / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(f"results in {os.path.relpath(BENCH / 'results.json')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
