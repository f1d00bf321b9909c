"""``make bench``: how long the sync takes and how many calls it makes, as JSON under ``var/bench/``.

Each size is run twice against a sandbox of its own: from an empty ledger, and again with nothing changed. What can be compared
from machine to machine are the ratios (records per second of the second run against the first, calls per record), not the
seconds. SIZE chooses one size (default: tiny, small and medium).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from typing import Any

import requests

from include.financials.report import COUNTS
from include.local import VAR, LocalError, interruptible, sandbox
from include.pipeline import run

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


def main() -> int:
    interruptible()
    sizes = [os.environ["SIZE"]] if os.environ.get("SIZE") else ["tiny", "small", "medium"]
    try:
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
