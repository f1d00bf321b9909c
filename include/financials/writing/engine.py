"""The engine: carries out what a check planned, one journaled step after the other, and never sends anything twice.

A record's trouble (a refusal) changes that record's state; a system's trouble ends the task, and the next try goes on where this
one stopped.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Judged, Restated
from include.financials.port import CALLED, Action
from include.financials.reading.questions import lists_changed
from include.financials.record import Side
from include.financials.view import Sync
from include.financials.writing import answering, finality
from include.financials.writing.plan import Job, Load, allowed, job_of, levels, link_of, placed, steps_of, still_as_judged
from include.financials.writing.settling import finish, read_back_missing, unsettled
from include.financials.writing.steps import carry_step, recover

log = logging.getLogger(__name__)

PART = 5_000
"""So many records of which nothing is sent are looked at in one go."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Summary of a load: records written and calls made per step, and what was refused."""

    entity: str
    shard: int
    mode: str
    created: int
    updated: int
    adopted: int
    unchanged: int
    refused: int
    calls: int

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def load(sync: Sync, entity: str, shard: int = 0, *, write: bool = True) -> Loaded:
    """Carry out the plan of one entity's shard. In plan mode nothing is done.
    Raises RetryLater, OutcomeUnknown and other system trouble.

    Without ``write`` (its gate is closed) only what needs no write is done: adopting, and taking note of what is unchanged.
    """
    row = ENTITIES[entity]
    if sync.run.plan:
        log.info("plan mode: nothing of %s is written", entity)
        if write:
            answering.plan(sync, row, shard)
        return _summary(sync, row, shard)
    waits: dict[str, float] = {}
    with sync.ledger.leases.hold(entity, shard, sync.run.run_id) as lease:
        if write:
            recover(Load(sync, row, shard, lease, row.source))
        sides: tuple[Side, ...] = ("erp", "procore") if row.two_way else (row.source,)
        for source in sides:
            one = Load(sync, row, shard, lease, source)
            _run(one, write=write)
            waits |= one.waits
        if write and not one.aged:
            answering.carry_out(sync, row, shard, lease)
            finality.carry_out(sync, row, shard, lease)
    loaded = _summary(sync, row, shard)
    log.info(
        "%s: %d created, %d updated, %d adopted, %d unchanged, %d refused, in %d write calls",
        entity, loaded.created, loaded.updated, loaded.adopted, loaded.unchanged, loaded.refused, loaded.calls,
    )  # fmt: skip
    for name in lists_changed(row) if write else ():
        if sync.lists.spoilt("erp", name, shard):  # reconciliation compares what the ERP shows now, not what we meant to write
            sync.lists.reread("erp", name, shard)
    if waits:
        raise unsettled(entity, waits)
    return loaded


def _summary(sync: Sync, row: Entity, shard: int) -> Loaded:
    done, refused = Counter[str](), 0
    for (action, state, rule), count in sync.ledger.outcomes.tally(sync.run.run_id, row.name, shard).items():
        if state == "linked":
            done[action] += count
        elif action not in ("none", "unchanged", "close") and rule != "accepted":
            refused += count
    return Loaded(
        row.name,
        shard,
        sync.run.mode,
        done["create"],
        done["update"] + done["link"],
        done["adopt"],
        done["unchanged"],
        refused,
        sum(sync.ledger.journal.call_count(sync.run.run_id, row.name).values()),
    )


def _run(load: Load, *, write: bool) -> None:
    ledger, name = load.sync.ledger, load.row.name
    there = ledger.outcomes.left(load.run_id, name, load.shard)
    over = ledger.outcomes.closing(load.run_id, name, load.shard) if there[load.source_side, "close"] else []
    if over := still_as_judged(load, [one for one in over if one.side == load.source_side]):
        ledger.journal.close_links(load.lease, load.run_id, name, over)
        log.info("%s: %d ended on both sides; their links are closed", name, len(over))
    for rows in _in_parts(load, "unchanged", there):
        ledger.outcomes.mark_done(load.run_id, name, rows)
    adopted = 0
    for rows in _in_parts(load, "adopt", there):
        links = [link_of(load, job_of(load, row, {}), "active") for row in rows]
        ledger.journal.adopt(load.lease, load.run_id, name, links, rows)
        adopted += len(rows)
    if adopted:
        log.info("%s: adopted %d that both sides already had; no write was made", name, adopted)
    actions: tuple[Action, ...] = ("link", "create", "update")  # what is linked may be the parent of what is created
    by_action: dict[str, list[Judged]] = defaultdict(list)
    if any(there[load.source_side, action] for action in actions):
        for row in still_as_judged(load, ledger.outcomes.work(load.run_id, name, load.shard, load.source_side, *actions)):
            by_action[row.action].append(row)
    for action in actions:
        if write and by_action.get(action):
            _carry_out(load, action, by_action.pop(action))


def _in_parts(load: Load, action: str, there: Mapping[tuple[str, str], int]) -> Iterator[list[Judged]]:
    """What is left of an action of which nothing is sent, as far as it still holds: what is done with, or held, is left no
    more."""
    left = there[load.source_side, action]
    while left > 0:
        rows = load.sync.ledger.outcomes.work(load.run_id, load.row.name, load.shard, load.source_side, action, most=PART)
        left = left - len(rows) if rows else 0
        if holding := still_as_judged(load, rows):
            yield holding


def _carry_out(load: Load, action: Action, rows: Sequence[Judged]) -> None:
    keys = ((row.company, row.erp_key or "") for row in rows)
    known = load.sync.ledger.links.of_keys(load.row.name, keys, contents=True)
    jobs = placed(load, [job_of(load, row, known) for row in rows])
    del rows
    steps = steps_of(load, action)
    if not steps:
        if action == "update":
            _refuse_update(load, jobs)
            return
        if not allowed(load, jobs):
            return
        raise ConfigurationError(f"{load.target_side} offers no way to {action} {load.row.name}; {len(jobs)} wait for one")
    if whole := [job for job in jobs if job.finished]:
        finish(load, whole)
    for number, step in enumerate(steps, start=1):
        last = number == len(steps)
        for level, group in levels(load, step, [job for job in jobs if not (job.failed or job.finished)]):
            first = action == "create" and number == 1
            if made := [job for job in group if first and job.agreed is not None]:
                finish(load, made, "active" if last else "pending")
            carry_step(load, step, [job for job in group if not first or job.agreed is None], level, last=last)
    read_back_missing(load, [job for job in jobs if not job.failed and not job.read_back])


def _refuse_update(load: Load, jobs: Sequence[Job]) -> None:
    """The target takes no changes of what it has: a person makes them there, and no other record waits for that."""
    side, rows = CALLED[load.target_side], []
    for job in jobs:
        job.failed = True
        message = (
            f"{load.row.label.capitalize()} {job.row.number}: its {', '.join(job.changes)} changed, and {side} takes no changes"
            f" of {load.row.name} from us. Change it there by hand."
        )
        log.warning("%s", message)
        rows.append(Restated(job.row, state="quarantined", rule="refused", waits_for=None, message=message))
    load.restate(rows)
