"""Preflight: what would go wrong later is said now, all at once, before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from include.financials.cost import COMPANY_LISTS, lists
from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.identity import FROZEN, parse_origin
from include.financials.legible import nearest
from include.financials.port import SIDES, Capability
from include.financials.record import PERIODS, PROJECTS
from include.financials.view import Sync

log = logging.getLogger(__name__)


def preflight(sync: Sync) -> dict[str, Any]:
    """Connections, rights, capabilities, origin_id audit, expected calls. Raises ConfigurationError naming every problem."""
    problems: list[str] = []
    told: list[str] = []
    shown: dict[str, Any] = {}
    for side in SIDES:
        health = sync.systems[side].check()
        shown[side] = f"{health.description}, {health.version}, clock {health.now.isoformat()}"
        problems += health.problems
        told += health.notes
        log.info("%s: %s", side, shown[side])
    problems += list(_capability_problems(sync))
    if not problems:  # what cannot be reached cannot be asked for its jobs
        problems += _unknown_jobs(sync)
    if problems:
        raise ConfigurationError("Not ready:\n- " + "\n- ".join(problems))
    told += notes(sync)
    for note in told:
        log.info("%s", note)
    # Lists that are read in full anyway; cost codes and documents are audited by rule R-01 when their checks read them.
    audit = {entity: origin_audit(sync, entity) for entity in COMPANY_LISTS if entity in sync.run.entities}
    for entity, found in audit.items():
        log.info("external ids of %s in Procore: %s", entity, found.as_dict())
        if found.foreign:
            log.warning(
                "%d %s carry another integration's external id, e.g. %s; they are never touched",
                found.foreign,
                entity,
                [*found.examples],
            )
    expected = expected_calls(sync)
    log.info("expected calls to Procore: about %d to read", expected)
    return {
        **shown,
        "notes": told,
        "origin_id_audit": {entity: found.as_dict() for entity, found in audit.items()},
        "expected_calls": expected,
    }


def _unknown_jobs(sync: Sync) -> list[str]:
    """A job number that neither side has would make a run over nothing, and that run would be green."""
    if not sync.run.projects:
        return []
    known = dict.fromkeys(record.number for side in SIDES for record in sync.lists.snapshot(side, PROJECTS))
    wrong = [number for number in sync.run.projects if number not in known]
    return [nearest("parameter projects: neither Procore nor the ERP has job", wrong, sorted(known))] if wrong else []


def _capability_problems(sync: Sync) -> list[str]:
    problems = []
    for name in sync.run.entities:
        row, written = ENTITIES[name], sync.settings.of(name).writes == "on"
        for side in ("procore", "erp"):
            capability = sync.capabilities(side).get(name, Capability())
            if unmapped := sync.missing(side, name):
                problems.append(unmapped)
            elif not capability.read:
                problems.append(f"{side} cannot read {name}; take {name} out of the run")
            elif side == row.target and written and not capability.create:
                problems.append(
                    f"{side} cannot create {name}, but entities.{name}.writes is on: "
                    + ("give its mapping `write: create`, or " if side == "erp" else "")
                    + f"set entities.{name}.writes to off"
                )
    return problems


def notes(sync: Sync) -> list[str]:
    """What this ERP's mapping takes out of the run and out of the comparisons, one sentence each: said once, and no failure."""
    return [*_left_out(sync), *_not_written(sync), *_not_kept(sync)]


def _left_out(sync: Sync) -> Iterator[str]:
    for name in ENTITIES:
        if name in sync.left_out:
            yield f"The ERP's mapping leaves {_words(name)} out and their writes are off: they are no part of the run."
    if PERIODS not in sync.capabilities("erp") and not sync.lists.snapshot("erp", PERIODS):
        yield "The ERP's mapping leaves periods out: whether a posting date lies in an open one is left to the ERP."


def _not_written(sync: Sync) -> Iterator[str]:
    for name in sync.run.entities:
        capability = sync.capabilities("erp").get(name)
        if ENTITIES[name].two_way and capability is not None and not capability.create:
            yield f"The ERP takes no {_words(name)}: those that Procore owns are not written to it."


def _not_kept(sync: Sync) -> Iterator[str]:
    for name in sync.run.entities:
        row = ENTITIES[name]
        kept = row.kept(sync.kept_by_erp(name))
        compared = [field for field in row.content if field in kept.unkept]
        if row.model.line is not None and "lines" not in kept.unkept:
            line = row.model.line
            compared += [f"lines.{field}" for field in line.content if field in FROZEN and f"lines.{field}" in kept.unkept]
        if compared:
            fields = ", ".join(_words(field).replace("lines.", "line ") for field in compared)
            yield f"The ERP does not keep the {fields} of {_words(name)}; not compared."


def _words(name: str) -> str:
    return name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Audit:
    """How many of Procore's records carry our external id, none, or another's, with examples of those."""

    ours: int
    empty: int
    foreign: int
    examples: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "examples": [*self.examples]}


def origin_audit(sync: Sync, entity: str) -> Audit:
    ours = empty = 0
    foreign = []
    for record in sync.lists.each("procore", entity):
        if not record.origin_id:
            empty += 1
        elif parse_origin(record.origin_id, sync.namespace):
            ours += 1
        else:
            foreign.append(f"{record.number}: {record.origin_id}")
    return Audit(ours, empty, len(foreign), tuple(foreign[:5]))


def expected_calls(sync: Sync) -> int:
    """List calls that reading takes: company lists by the thousand, and the lists of each project."""
    projects = len(sync.lists.snapshot("procore", PROJECTS))
    if not projects:
        log.warning(
            "the service account sees no project in Procore; unless the company is new, choose the app's permitted projects there"
        )
    counted = {name: sum(1 for _ in sync.lists.each("procore", name)) for name in COMPANY_LISTS if name in sync.run.entities}
    return lists(sync.run.entities, projects, counted)
