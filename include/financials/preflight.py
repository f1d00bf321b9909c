"""Preflight: what would go wrong later is said now, all at once, before anything is written."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.identity import parse_origin
from include.financials.run import nearest
from include.financials.view import Sync

log = logging.getLogger(__name__)

AUDITED = ("vendors", "vendor_insurances", "customers", "projects", "tax_codes", "cost_types")
"""Lists that are read in full anyway; cost codes and documents are audited by rule R-01 when their checks read them."""

LISTS_PER_PROJECT = {
    "sub_jobs": 1, "cost_codes": 2, "budgets": 2, "budget_changes": 1, "direct_costs": 2, "commitments": 2,
    "commitment_change_orders": 2, "subcontractor_invoices": 1, "prime_contracts": 1, "prime_change_orders": 1,
    "owner_invoices": 1,
}  # fmt: skip
"""Lists of one project that an entity's reading takes; what is read document by document comes on top."""


def preflight(sync: Sync) -> dict[str, Any]:
    """Connections, rights, capabilities, origin_id audit, expected calls. Raises ConfigurationError naming every problem."""
    problems: list[str] = []
    shown: dict[str, Any] = {}
    for side, system in sync.systems.items():
        health = system.check()
        shown[side] = f"{health.description}, {health.version}, clock {health.now.isoformat()}"
        problems += health.problems
        log.info("%s: %s", side, shown[side])
    problems += list(_capability_problems(sync))
    if not problems:  # what cannot be reached cannot be asked for its jobs
        problems += _unknown_jobs(sync)
    if problems:
        raise ConfigurationError("Not ready:\n- " + "\n- ".join(problems))
    audit = {entity: origin_audit(sync, entity) for entity in AUDITED if entity in sync.run.entities}
    for entity, found in audit.items():
        log.info("external ids of %s in Procore: %s", entity, found)
        if found["foreign"]:
            log.warning(
                "%d %s carry another integration's external id, e.g. %s; they are never touched",
                found["foreign"],
                entity,
                found["examples"],
            )
    expected = expected_calls(sync)
    log.info("expected calls to Procore: about %d to read", expected)
    return {**shown, "origin_id_audit": audit, "expected_calls": expected}


def _unknown_jobs(sync: Sync) -> list[str]:
    """A job number that neither side has would make a run over nothing, and that run would be green."""
    if not sync.run.projects:
        return []
    known = dict.fromkeys(record.number for side in sync.systems for record in sync.snapshot(side, "projects"))
    wrong = [number for number in sync.run.projects if number not in known]
    return [nearest("parameter projects: neither Procore nor the ERP has job", wrong, sorted(known))] if wrong else []


def _capability_problems(sync: Sync) -> list[str]:
    problems = []
    for name in sync.run.entities:
        row = ENTITIES[name]
        written = [(row.source, "create")] if row.two_way else []
        for side, wanted in ((row.source, "read"), (row.target, "read"), (row.target, "create"), *written):
            capability = sync.systems[side].capabilities().get(name)
            if capability is None or not getattr(capability, wanted):
                writes = sync.settings.of(name).writes
                if wanted == "create" and writes == "off":
                    continue
                problems.append(f"{side} cannot {wanted} {name}; map it, or take {name} out of the run")
    return problems


def origin_audit(sync: Sync, entity: str) -> dict[str, Any]:
    """How many of Procore's records carry our external id, another's, or none; examples of the foreign ones."""
    counted: Counter[str] = Counter()
    examples = []
    for record in sync.snapshot("procore", entity):
        if not record.origin_id:
            counted["empty"] += 1
        elif parse_origin(record.origin_id, sync.namespace):
            counted["ours"] += 1
        else:
            counted["foreign"] += 1
            examples.append(f"{record.number}: {record.origin_id}")
    return {"ours": counted["ours"], "empty": counted["empty"], "foreign": counted["foreign"], "examples": examples[:5]}


def expected_calls(sync: Sync) -> int:
    """List calls that reading takes: company lists by the thousand, and the lists of each project."""
    projects = len(sync.snapshot("procore", "projects"))
    if not projects:
        log.warning(
            "the service account sees no project in Procore; unless the company is new, choose the app's permitted projects there"
        )
    company = sum(1 + len(sync.snapshot("procore", name)) // 1000 for name in AUDITED if name in sync.run.entities)
    per_project = sum(count for name, count in LISTS_PER_PROJECT.items() if name in sync.run.entities)
    return company + projects * per_project
