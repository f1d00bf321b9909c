"""Check: every record of a run gets one state, against the target as read in this run; what is to be written becomes a plan row.

``check`` writes nothing to Procore or the ERP. In apply mode it also remembers the states in the ledger; in plan mode it leaves
nothing behind but rows keyed by its own run id.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.judging.budgets import Budgets
from include.financials.judging.check import Judge, judge_rows
from include.financials.judging.erp_born import ErpBorn
from include.financials.judging.only_read import OnlyRead
from include.financials.judging.procore_born import ProcoreBorn
from include.financials.ledger import STOPPED, Judged
from include.financials.legible import legible
from include.financials.view import Sync

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """Summary of a check: states and actions counted, amounts as text."""

    entity: str
    records: int
    states: Mapping[str, int]
    actions: Mapping[str, int]
    stopped: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "entity": self.entity,
            "records": self.records,
            "states": dict(self.states),
            "actions": dict(self.actions),
            "stopped": list(self.stopped[:20]),
        }


def check(sync: Sync, entity: str, shards: Iterable[int], judged_by: Judge = judge_rows) -> Checked:
    """Judge the staged records of ``shards``, of files and of the ledger alone. Raises nothing for a record's own trouble, and
    StepMissing where nobody has read what is needed."""
    row, sync = ENTITIES[entity], sync.judging(entity)
    states, actions = Counter[str](), Counter[str]()
    stopped: list[str] = []
    for found in _judged(sync, row, tuple(shards), judged_by):
        for r in found:
            states[r.state] += 1
            if r.state == "linked":
                actions[r.action] += 1
            if r.state in STOPPED:
                stopped.append(legible(f"{r.number}: {r.state} by {r.rule}: {r.message}"))
                log.warning("%s", stopped[-1])
    count = states.total()
    log.info("checked %d %s: %s; to do: %s", count, entity.replace("_", " "), _told(states), _told(actions) or "nothing")
    return Checked(entity, count, states, actions, tuple(stopped))


def _judged(sync: Sync, row: Entity, shards: tuple[int, ...], judged_by: Judge) -> Iterator[Iterable[Judged]]:
    """What is judged at one go; a shard of what the ERP owns is told of, record by record, and let go before the next."""
    if row.read_only:
        yield OnlyRead(sync, row, shards).run()
    elif row.source == "procore":
        yield ProcoreBorn(sync, row, shards).run(judged_by)
    else:
        kind = Budgets if row.two_way else ErpBorn
        for shard in shards:
            yield kind(sync, row, shard).run(judged_by)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
