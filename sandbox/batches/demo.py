"""``make demo ERP=batches``: the new documents of job 25-104 into batches on PostgreSQL, which a clerk posts the next day.

Real Airflow runs, a day apart on the sandbox's clock, until one has nothing left to do. Exit code 0 only when each came out as
:data:`NIGHTS` says, both sides reconcile after each, and the books have every document once.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from include.financials.exceptions import SyncError
from include.financials.reading.staging import private_folder
from sandbox import demo, postgres
from sandbox.batches import schema
from sandbox.batches.clerk import Clerk, at
from sandbox.local import VAR, LocalError, airflow, environment, new_ledger, program, sandbox
from sandbox.pipeline import SETTINGS
from sandbox.seed.schedules import GOLDEN_JOB

MAPPING = Path(__file__).resolve().parent / "batches_erp.yaml"
DAY = 86_400
ENTITIES = (
    *("vendors", "customers", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes"),
    *(kind.entity for kind in schema.KINDS),
)
"""The documents that enter batches, and what they refer to."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a run must come to. ``accepted``: numbers that wait in a batch after it; ``behind``: held, for they stand on those;
    ``linked``: how many the clerk had posted, whose external ids are written to Procore now; ``masters``: what else is written
    there; ``refused``: numbers that he had rejected; ``rejects``: with which words he rejects some of what waits, the day after.
    """

    accepted: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    linked: int = 0
    masters: int = 0
    refused: frozenset[str] = frozenset()
    rejects: Mapping[str, str] = field(default_factory=dict)


FIRST = frozenset(
    ("104-PO-002", "104-PO-003", "104-SC-008", "104-SC-003/002", "104-SC-001-03", "104-SC-005-02", "40002-03", "40004-03")
)
SECOND = frozenset(("104-PO-003-01", "4417-03", "50002-01"))
REJECTED = "40004-03"
NIGHTS = (
    Night(accepted=FIRST, behind=SECOND, masters=7, rejects={REJECTED: "RETURNED: the waiver of the last draw is missing"}),
    Night(accepted=SECOND, linked=len(FIRST) - 1, refused=frozenset((REJECTED,))),
    Night(accepted=frozenset((REJECTED,)), linked=len(SECOND)),
    Night(linked=1),
    Night(),
)


@contextmanager
def company(folder: Path, **options: Any) -> Iterator[dict[str, Any]]:
    """A running sandbox whose ERP is on PostgreSQL and takes documents into batches; yields its ``/_sandbox/info``, as
    ``sandbox.pipeline`` and ``sandbox.local.environment`` take it. Raises ``sandbox.postgres.NoServer``."""
    with postgres.database("batches") as url, sandbox(folder, erp_url=url, **options) as info:
        engine = sa.create_engine(url)
        schema.create(engine)
        engine.dispose()
        yield {**info, "mapping": str(MAPPING), "settings": SETTINGS}


def the_next_day(info: Mapping[str, Any], clerk: Clerk, rejects: Mapping[str, str]) -> dict[str, str]:
    """The clerk posts what waits, but for what he rejects; what was refused, by number, with the words."""
    requests.post(f"{info['base_url']}/_sandbox/clock", json={"advance": DAY}, timeout=60).raise_for_status()
    refused = {}
    for one in clerk.waiting():
        if said := rejects.get(one.number):
            clerk.reject(one, said)
        else:
            said = clerk.post(one)
        if said:
            refused[one.number] = said
    return refused


def run(folder: Path = VAR / "demo-batches", home: Path = VAR / "airflow-demo") -> int:
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    private_folder(home)
    print("Sandbox: the ERP on PostgreSQL, with batch tables ...", flush=True)
    with company(folder, size="small") as info, at(info["erp_url"]) as clerk:
        env = environment(home, info, folder / "ledger.sqlite", folder / "staging")
        log = folder / "airflow.log"
        if airflow(["db", "migrate"], env, log) != 0:
            raise LocalError(f"Airflow's database could not be made; see {log}")
        new_ledger(folder / "ledger.sqlite")
        nights, wrong = [], []
        for number, night in enumerate(NIGHTS, 1):
            print(f"Airflow: run {number} of {len(NIGHTS)}; log {os.path.relpath(log)} ...", flush=True)
            conf = {"since": demo.EVERYTHING, "mode": "apply", "projects": [GOLDEN_JOB], "entities": list(ENTITIES)}
            code, report = demo.dag_run(conf, folder, env, log)
            if report is None:
                return 1
            nights.append(report)
            wrong += [f"run {number}: {told}" for told in (*surprises(night, report), *([f"ended with {code}"] if code else []))]
            if night is not NIGHTS[-1]:
                refused = the_next_day(info, clerk, night.rejects)
                if night.accepted:
                    back = "".join(f"; {one} goes back: {said}" for one, said in refused.items())
                    posted = len(night.accepted) - len(refused)
                    print(f"The day after, the clerk posts {posted} of {len(night.accepted)}{back}", flush=True)
        wrong += in_the_books(clerk)
    kept = folder / "report.json"
    demo.keep_report({"nights": nights, "wrong": wrong}, kept)
    shown(nights, wrong, os.path.relpath(kept))
    return 1 if wrong else 0


# -- what must be so


def stopped(report: Mapping[str, Any], rule: str) -> set[str]:
    return {row["key"] for row in report["stopped"] if row["rule"] == rule}


def behind(report: Mapping[str, Any]) -> set[str]:
    """Held documents of a batch's kinds, but for those that wait in one."""
    kinds = {kind.entity for kind in schema.KINDS}
    return {r["key"] for r in report["stopped"] if r["entity"] in kinds and r["state"] == "held" and r["rule"] != "accepted"}


def linked(report: Mapping[str, Any]) -> int:
    """Documents of a batch's kinds that were found in the books: their external id was written to Procore."""
    return sum(report["entities"][kind.entity]["updated"] for kind in schema.KINDS)


def unposted(report: Mapping[str, Any]) -> set[str]:
    """Whose amount the reconciliation explains with UNPOSTED."""
    rows = (item for row in report["reconciliation"]["differences"] for item in row["explained"])
    return {item["key"] for item in rows if item["code"] == "UNPOSTED"}


def unexplained(report: Mapping[str, Any]) -> int:
    return sum(row["unexplained"].strip("-0.") != "" for row in report["reconciliation"]["differences"])


def surprises(night: Night, report: Mapping[str, Any]) -> list[str]:
    """In what a run differs from what it must come to, each as a sentence."""
    checks: tuple[tuple[str, Any, Any], ...] = (
        ("handed over and waiting", stopped(report, "accepted"), set(night.accepted)),
        ("held behind those", behind(report), set(night.behind)),
        ("posted and linked", linked(report), night.linked),
        ("refused", stopped(report, "refused"), set(night.refused)),
        ("explained with UNPOSTED", unposted(report) >= set(night.accepted), True),
        ("unexplained differences", unexplained(report), 0),
        ("both sides reconcile", report["reconciliation"]["balanced"], True),
        ("written to the ERP's books by us", report["erp_writes"], 0),
        ("writes to Procore", report["procore_writes"], night.linked + night.masters),
    )
    return [f"{what}: {_told(found)}, where {_told(wanted)} must be" for what, found, wanted in checks if found != wanted]


def _told(value: Any) -> str:
    return ", ".join(sorted(value)) or "nothing" if isinstance(value, set) else str(value)


def in_the_books(clerk: Clerk) -> list[str]:
    """Documents that came through a batch and are not in the books once, by their marker."""
    wrong = []
    with clerk.engine.connect() as connection:
        for kind in schema.KINDS:
            rows = connection.exec_driver_sql(
                f"SELECT {kind.number}, (SELECT count(*) FROM {kind.header} d WHERE d.marker = b.marker)"
                f" FROM {kind.batch_header} b"
            )
            wrong += [f"{kind.module} {number} is in the books {count} times" for number, count in rows if count != 1]
    return wrong


# -- for a person


def shown(nights: list[dict[str, Any]], wrong: list[str], kept: str) -> None:
    console = Console(width=140 if not sys.stdout.isatty() else None, highlight=False)
    table = Table(title=f"Job {GOLDEN_JOB}, night by night", title_justify="left", title_style="bold")
    names = ("run", "waiting in a batch", "held behind", "linked", "refused", "UNPOSTED", "unexplained", "Procore writes", "s")
    for name in names:
        table.add_column(name, justify="right")
    for number, report in enumerate(nights, 1):
        row = (
            number, len(stopped(report, "accepted")), len(behind(report)), linked(report), len(stopped(report, "refused")),
            len(unposted(report)), unexplained(report), report["procore_writes"], report["seconds"],
        )  # fmt: skip
        table.add_row(*(str(value) for value in row))
    console.print(table)
    for row in (row for report in nights for row in report["stopped"] if row["rule"] == "refused"):
        console.print(row["message"])
    console.print(f"Every document is in the books once, and nothing is left to do. Full report: {kept}" if not wrong else "")
    for told in wrong:
        console.print(told, style="red")


def main() -> int:
    try:
        return program(run, SyncError, postgres.NoServer, requests.RequestException)
    finally:
        postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
