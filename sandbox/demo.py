"""``make demo``: the main job on a fresh machine - sandbox, one real Airflow run, a summary, ``var/demo/report.json``.

Exit code 0 only when the run succeeded, both sides reconcile and, on a fresh seed, every planted problem ended as expected.
Environment variables: KEEP=1 goes on with the state of the last demo, MODE=plan writes nothing, SEED, SIZE, SHARDS, SANDBOX_URL
(a sandbox that runs already). ``make demo ERP=NAME`` is ``sandbox/NAME/demo.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from include.financials.entities import ENTITIES
from include.financials.entity import STAGES
from include.financials.reading.staging import private_file, private_folder
from include.financials.report import COUNTS
from sandbox.local import VAR, LocalError, airflow, environment, new_ledger, program, running_or_new

DEMO = VAR / "demo"
EVERYTHING = "2000-01-01T00:00:00Z"
"""Every run of the demo looks at all records, so that a second one proves that none is written again."""


@dataclass(frozen=True, slots=True)
class Options:
    keep: bool = False
    mode: str = "apply"
    seed: str = "planted"
    size: str = "small"
    shards: int = 2
    sandbox_url: str | None = None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Options:
        mode = env.get("MODE") or "apply"
        if mode not in ("apply", "plan"):
            raise LocalError(f"MODE is {mode!r}; it is apply or plan")
        shards = env.get("SHARDS") or "2"
        if shards not in map(str, range(1, 65)):
            raise LocalError(f"SHARDS is {shards!r}; it is a whole number from 1 to 64")
        return cls(
            keep=env.get("KEEP", "") not in ("", "0"),
            mode=mode,
            seed=env.get("SEED") or "planted",
            size=env.get("SIZE") or "small",
            shards=int(shards),
            sandbox_url=env.get("SANDBOX_URL") or None,
        )


def run(options: Options, folder: Path = DEMO, home: Path = VAR / "airflow-demo") -> tuple[int, dict[str, Any] | None]:
    """One demo in ``folder``, with Airflow's own files in ``home``;
    (exit code, report or None when the run did not get that far)."""
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    log = folder / "airflow.log"
    private_folder(home)
    kept = options.keep and (folder / "procore.sqlite").exists()
    print(f"Sandbox: {'as the last demo left it' if kept else f'seed {options.seed}, size {options.size}'} ...", flush=True)
    with running_or_new(
        options.sandbox_url,
        folder,
        keep=kept or (options.keep and options.sandbox_url is not None),
        seed=options.seed,
        size=options.size,
    ) as info:
        env = environment(home, info, folder / "ledger.sqlite", folder / "staging")
        print(
            f"Airflow: preparing, then one run of procore_erp_sync ({options.mode}); log {os.path.relpath(log)} ...", flush=True
        )
        if airflow(["db", "migrate"], env, log) != 0:
            raise LocalError(f"Airflow's database could not be made; see {log}")
        new_ledger(folder / "ledger.sqlite")
        conf = {"since": EVERYTHING, "mode": options.mode, "shards": options.shards}
        code, report = dag_run(conf, folder, env, log)
        planted = requests.get(f"{info['base_url']}/_sandbox/planted", timeout=60).json()
    if report is None:
        return 1, None
    keep_report(report, folder / "report.json")
    unexpected = summary(report, planted, fresh=not options.keep)
    # On a kept state somebody may have mended or changed things: what the seed planted is no measure any more.
    ok = code == 0 and report["reconciliation"]["balanced"] and (options.keep or not unexpected)
    return (0 if ok else 1), report


def dag_run(conf: Mapping[str, Any], folder: Path, env: Mapping[str, str], log: Path) -> tuple[int, dict[str, Any] | None]:
    """One real run of the DAG: Airflow's exit code, and the report with the seconds that it took. None, and a word about it, when
    the run did not get that far."""
    before = {path.name for path in (folder / "staging").glob("*")}
    started = time.monotonic()
    code = airflow(["dags", "test", "procore_erp_sync", "--conf", json.dumps(conf)], env, log)
    fresh = [path for path in (folder / "staging").glob("*/report.json") if path.parent.name not in before]
    if not fresh:
        print(f"The run left no report; see {log}", file=sys.stderr)
        return code, None
    report = dict(json.loads(fresh[0].read_text(encoding="utf-8")))
    return code, {**report, "seconds": round(time.monotonic() - started, 1)}


def keep_report(report: Mapping[str, Any], path: Path) -> None:
    with private_file(path) as sink:
        sink.write(json.dumps(report, indent=1, ensure_ascii=False).encode())


def surprises(stopped: Sequence[Mapping[str, Any]], planted: Sequence[Mapping[str, Any]]) -> list[str]:
    """Planted problems that did not end as expected, and records that stopped although nothing is wrong with them (the candidates
    of a closed stage are none of these)."""
    found = {(row["entity"], row["key"], row["state"], row["rule"]) for row in stopped if row["rule"] != "gate"}
    expected = {(row["entity"], row["key"], row["expected"], row["rule"]) for row in planted}
    wrong = [f"{e} {k}: expected {s} by {r}" for e, k, s, r in sorted(expected - found)]
    return wrong + [f"{e} {k}: {s} by {r}, though nothing was planted" for e, k, s, r in sorted(found - expected)]


_TO = {"erp_to_procore": "Procore", "procore_to_erp": "ERP", "procore_only": "-"}


def summary(
    report: Mapping[str, Any], planted: Sequence[Mapping[str, Any]], *, fresh: bool, kept: str = "var/demo/report.json"
) -> list[str]:
    """Print the run for a person, and where the whole report is; returns what did not come out as planted."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=160 if not sys.stdout.isatty() else None, highlight=False)
    for stage, name in STAGES.items():
        rows = [
            (entity, report["entities"][entity])
            for entity, row in ENTITIES.items()
            if row.stage == stage and entity in report["entities"]
        ]
        if not rows:
            continue
        table = Table(title=f"Stage {stage}: {name.replace('_', ' ')}", title_justify="left", title_style="bold")
        table.add_column("entity", no_wrap=True)
        table.add_column("to", no_wrap=True)
        for column in ("read", *COUNTS, "amount"):
            table.add_column(column, justify="right", no_wrap=True)
        for entity, row in rows:
            table.add_row(
                entity.replace("_", " "), _TO[row["direction"]], str(row["extracted"]),
                *(str(row[c] or "·") for c in COUNTS),
                grouped(row["amount"]) if row["amount"] != "0.00" else "",
            )  # fmt: skip
        console.print(table)
    problems = {(row["entity"], row["key"]): row["problem"] for row in planted}
    table = Table(title="Stopped, and why", title_justify="left", title_style="bold")
    for column in ("entity", "number", "state", "rule", "message"):
        table.add_column(column, overflow="fold")
    candidates = [row for row in report["stopped"] if row["rule"] == "gate"]
    for row in report["stopped"]:
        if row["rule"] == "gate":
            continue
        mark = "" if (row["entity"], row["key"]) in problems else " (not planted)"
        table.add_row(row["entity"].replace("_", " "), row["key"], row["state"], f"{row['rule']}{mark}", row["message"])
    if report["stopped"]:
        console.print(table)
    for name, gate in report["gates"].items():
        opened = "open" if gate["passed"] else "CLOSED"
        console.print(
            f"Gate {name}: {opened}; {gate['judged']} judged, {gate['failed']} failed for {grouped(gate['failed_amount'])}"
        )
    if candidates:
        reason = candidates[0]["message"].partition("stopped: ")[2]
        console.print(f"{len(candidates)} commitments are fit to load and wait as candidates. {reason}", style="yellow")
    reconciled(console, report["reconciliation"])
    unexpected = surprises(report["stopped"], planted)
    met = len(planted) - sum("expected" in line for line in unexpected)
    console.print(f"Planted problems: {met} of {len(planted)} ended as expected")
    for line in unexpected:
        console.print(f"  {'unexpected' if fresh else 'other than seeded'}: {line}", style="red" if fresh else "yellow")
    console.print(
        f"{report['mode']}: {report['procore_calls']} calls to Procore ({report['procore_writes']} of them writes), "
        f"{report['erp_writes']} records written to the ERP, {report['seconds']} s. Full report: {kept}"
    )
    return unexpected


def reconciled(console: Any, result: Mapping[str, Any]) -> None:
    from rich.table import Table

    ties: dict[str, list[Mapping[str, Any]]] = {}
    for row in result["differences"]:
        ties.setdefault(row["tie"], []).append(row)
    table = Table(title=f"Reconciliation: {result['checked']} figures compared", title_justify="left", title_style="bold")
    for column in ("tie", "differences", "explained by", "unexplained"):
        table.add_column(column, justify="left" if column in ("tie", "explained by") else "right")
    for tie, rows in sorted(ties.items()):
        codes = sorted({item["code"] for row in rows for item in row["explained"]})
        open_rows = sum(1 for row in rows if row["unexplained"].strip("-0.") != "")
        table.add_row(tie, str(len(rows)), ", ".join(codes), str(open_rows))
    console.print(table)
    console.print(
        "Both sides reconcile: unexplained differences 0" if result["balanced"] else "The two sides do NOT reconcile",
        style="green" if result["balanced"] else "red",
    )


def grouped(amount: str) -> str:
    """Decimal text with thousands separators, without ever becoming a float."""
    sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
    whole, _, cents = digits.partition(".")
    return f"{sign}{int(whole):,}.{cents or '00'}"


def main() -> int:
    return program(lambda: run(Options.of(os.environ))[0], requests.RequestException)


if __name__ == "__main__":
    sys.exit(main())
