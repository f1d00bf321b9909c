"""Check: every record of a run gets one state, against the target as read in this run; what is to be written becomes a plan row.

``check`` writes nothing to Procore or the ERP. In apply mode it also remembers the states in the ledger; in plan mode it leaves
nothing behind but rows keyed by its own run id.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.judging.budgets import Budgets
from include.financials.judging.check import Judge, judge_rows
from include.financials.judging.erp_born import ErpBorn
from include.financials.judging.only_read import OnlyRead
from include.financials.judging.procore_born import ProcoreBorn
from include.financials.ledger import STOPPED
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
    if row.read_only:
        found = OnlyRead(sync, row, tuple(shards)).run()
    elif row.source == "procore":
        found = ProcoreBorn(sync, row, tuple(shards)).run(judged_by)
    else:
        kind = Budgets if row.two_way else ErpBorn
        found = [result for shard in shards for result in kind(sync, row, shard).run(judged_by)]
    states, actions = Counter(r.state for r in found), Counter(r.action for r in found if r.state == "linked")
    stopped = tuple(legible(f"{r.number}: {r.state} by {r.rule}: {r.message}") for r in found if r.state in STOPPED)
    for line in stopped:
        log.warning("%s", line)
    log.info("checked %d %s: %s; to do: %s", len(found), entity.replace("_", " "), _told(states), _told(actions) or "nothing")
    return Checked(entity, len(found), states, actions, stopped)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
