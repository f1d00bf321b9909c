"""What a run will cost, said by its first task: before anything is read, a person can still stop it.

Procore allows so many calls an hour, to all integrations of a company together. How many a run takes is known best from runs that
were like it; while there was none, the lists of the projects that the ledger knows are counted, and what is read document by
document comes on top.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.identity import canonical_json
from include.financials.ledger import Ledger, RunRow
from include.financials.record import PERIODS, PROJECTS
from include.financials.run import Run
from include.financials.view import Sync

COMPANY_LISTS = tuple(name for name, row in ENTITIES.items() if not row.project_scoped)
"""Lists of the whole company, read in full by every run."""

ALIKE = 5
"""Runs that an average is taken of."""
_NO_MATTER = ("since", "until", "mode", "approve_above")


@dataclass(frozen=True, slots=True)
class Expected:
    """Calls to Procore that read, lists of the ERP that are read; ``days`` of a backfill that have not ended, this one included,
    and what they take together."""

    procore_calls: int
    erp_lists: int
    known_from: str
    days: int | None = None
    procore_calls_of_all_days: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def expected(sync: Sync, days: int | None = None) -> Expected:
    """From the ledger alone. ``days``: how many runs of a backfill have not ended."""
    ledger, run = sync.ledger, sync.run
    before = alike(ledger, run)
    if before:
        reads = [calls - writes for calls, writes in map(ledger.runs.traffic, before)]
        calls, known_from = round(sum(reads) / len(reads)), f"the last runs like it ({', '.join(map(str, reads))} calls)"
    else:
        projects = len(run.projects) or sum(link.status == "active" for link in ledger.links.of(PROJECTS, contents=False))
        calls = lists(run.entities, projects)
        known_from = f"the lists of {projects} projects; documents come on top, one call or more each"
    there = sync.capabilities("erp")
    erp = sum(name in there for name in (*run.entities, PERIODS))
    return Expected(calls, erp, known_from, days, None if days is None else days * calls)


def alike(ledger: Ledger, run: Run) -> list[str]:
    """The last runs of this kind over the same entities, projects and documents that succeeded; the newest first."""
    own = ledger.runs.get(run.run_id)
    if own is None:
        return []
    same = [
        row.run_id
        for row in ledger.runs.successful(run.kind)
        if row.run_id != run.run_id and _scope(row) == _scope(own) and ledger.runs.traffic(row.run_id)[0]
    ]
    return same[:ALIKE]


def _scope(row: RunRow) -> str:
    return canonical_json({name: value for name, value in json.loads(row.params).items() if value and name not in _NO_MATTER})


def lists(entities: Collection[str], projects: int, records: Mapping[str, int] | None = None) -> int:
    """List calls that reading takes: company lists by the thousand (``records``: how many there are), those of each project."""
    counted = records or {}
    company = sum(ENTITIES[name].lists + counted.get(name, 0) // 1000 for name in COMPANY_LISTS if name in entities)
    return company + projects * per_project(entities)


def per_project(entities: Iterable[str]) -> int:
    return sum(ENTITIES[name].lists for name in entities if ENTITIES[name].project_scoped)
