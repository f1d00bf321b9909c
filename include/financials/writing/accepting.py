"""What the other side accepted earlier: asked about at the start of each load, and kept from being sent a second time."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from include.financials import accepted
from include.financials.ledger import ACCEPTED, Intent, Judged, Restated, Settled
from include.financials.port import CALLED, Outcome, Step
from include.financials.writing.items import undump
from include.financials.writing.plan import Job, Load

log = logging.getLogger(__name__)


def waiting(load: Load, step: Step) -> Mapping[tuple[str, str], Intent]:
    """By company and source id, whatever the record looked like when it was sent."""
    found = load.sync.ledger.journal.accepted(load.row.name)
    return {(one.company, one.source_id): one for one in found if one.step == step.name}


def hold(load: Load, job: Job, intent: Intent) -> None:
    """It waits: nothing more is sent of it, nor of what follows it."""
    load.stop(job)
    load.restate([waits(load, job.row, intent.doubted_at, intent.result_id)])


def waits(load: Load, row: Judged, since: str | None, token: str | None) -> Restated:
    message = f"{load.row.label.capitalize()} {row.number} {accepted.waits(since, token)}"
    log.info("%s", message)
    return Restated(row, state="held", rule="accepted", waits_for=f"the ERP to post {row.number}", message=message)


def taken(load: Load, job: Job, outcome: Outcome, since: str | None) -> Restated:
    """What is told of a document whose call was answered with ``accepted``."""
    load.stop(job)
    return waits(load, job.row, since, outcome.id)


def settle_accepted(load: Load, steps: Mapping[str, Step]) -> None:
    """Asks what became of what was accepted in any run: in the books, refused with the ERP's words, still waiting, or nowhere any
    more, which a person is asked about. Nothing is sent."""
    journal, name = load.sync.ledger.journal, load.row.name
    by_step: dict[str, list[Intent]] = defaultdict(list)
    for row in journal.accepted(name):
        if row.shard == load.shard and row.step in steps:
            by_step[row.step].append(row)
    for step_name, rows in by_step.items():
        step = steps[step_name]
        items = [replace(undump(load.row, row), handed=row.result_id or "") for row in rows]
        outcomes = {one.intent: one for one in load.sync.systems[step.system].find(step, items)}
        said = {(one.company, one.id): one for one in load.sync.ledger.outcomes.of(load.run_id, name, load.shard)}
        settled, restated = [], []
        for row in rows:
            outcome = outcomes[row.intent]
            settled.append(_settled(row, outcome))
            judged = said.get((row.company, row.source_id))
            told = _told(load, row, judged.number, outcome) if judged is not None else None
            if told is not None and judged is not None:
                state, rule, words = told
                message = f"{load.row.label.capitalize()} {judged.number} {words}"
                log.warning("%s", message)
                restated.append(Restated(judged, state=state, rule=rule, waits_for=None, message=message))
        journal.settled(load.lease, None, settled, run_id=load.run_id, entity=name, outcomes=restated)
        posted = sum(one.status == "confirmed" for one in settled)
        log.info("%s: %s has posted %d of %d that it had accepted", name, CALLED[step.system], posted, len(rows))


def _told(load: Load, row: Intent, number: str, outcome: Outcome) -> tuple[str, str, str] | None:
    """State and rule of a document about which a person is to know something, and what; reads on after its number."""
    if outcome.status == "rejected":
        return "quarantined", "refused", accepted.refused(row, outcome.message)
    if outcome.field is None:
        return None
    if outcome.field == "marker":
        return "blocked", "twin", accepted.twin(row, outcome.message)
    return "blocked", "overdue", accepted.doubtful(load.row, row, number, outcome.message)


def _settled(row: Intent, outcome: Outcome) -> Settled:
    if outcome.field is not None and outcome.status != "rejected":
        return Settled(row.intent, ACCEPTED, row.result_id, outcome.message)  # asked about until that is over
    match outcome.status:
        case "confirmed":
            return Settled(row.intent, "confirmed", outcome.id)
        case "rejected":
            return Settled(row.intent, "rejected", None, outcome.message)
        case "accepted":
            return Settled(row.intent, ACCEPTED, outcome.id or row.result_id, outcome.message)
        case "absent":
            return Settled(row.intent, ACCEPTED, row.result_id, accepted.GONE)
