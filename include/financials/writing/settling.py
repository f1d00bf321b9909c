"""Settling: what follows from the outcomes of a call, written in the commit after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from include.financials.advice import Filled
from include.financials.exceptions import ContractBroken, Unsettled
from include.financials.identity import canonical_json
from include.financials.judging.subject import row_id
from include.financials.ledger import Call, Link, Note, Remembered, Restated, Settled, stamp
from include.financials.port import CALLED, Outcome, Step
from include.financials.record import Record, Side
from include.financials.references import References
from include.financials.writing.accepting import taken
from include.financials.writing.items import origin_of
from include.financials.writing.plan import Job, Load, link_of

log = logging.getLogger(__name__)


def settled_as(outcome: Outcome, doubted_at: str | None = None) -> Settled:
    """What the journal is told of an outcome. What is absent may be sent (again); ``doubted_at``: it stays in doubt since then,
    and is looked for again before it is sent (None: it never was)."""
    absent = outcome.status == "absent"
    status = "planned" if absent else outcome.status
    return Settled(outcome.intent, status, outcome.id, outcome.message, doubted_at if absent else None)


def settle(
    load: Load,
    step: Step,
    call: Call | None,
    outcomes: Sequence[Outcome],
    jobs: Mapping[str, Job],
    *,
    last: bool,
    doubts: Mapping[str, str | None] | None = None,
) -> None:
    """``doubts``: since when each intent that is absent stays in doubt, see :func:`settled_as`."""
    load.spoil(step)
    since = stamp(load.sync.systems[step.system].now()) if any(one.status == "accepted" for one in outcomes) else None
    intents, links, restated, remembered, notes = [], [], [], [], []
    named: dict[tuple[str, str], Job] = {}
    linked: Mapping[str, Link] = {}
    if step.system == "procore":
        told = [one.id for one in outcomes if one.status == "confirmed" and one.id and jobs[one.intent].link is None]
        linked = load.sync.ledger.links.of_ids(load.row.name, told)
    for outcome in outcomes:
        job = jobs[outcome.intent]
        intents.append(settled_as(outcome, (doubts or {}).get(outcome.intent)))
        if outcome.status == "confirmed":
            _recognise(load, step, job, outcome, named, linked)
            take(step, job, outcome.id)
            job.differs = outcome.message if outcome.field else job.differs
            links.append(link_of(load, job, "active" if last else "pending"))
            if last:
                restated.append(_loaded(job))
            remembered += _read_back(load, step, job, outcome)
            notes.append(_note(load, step, job))
        elif outcome.status == "accepted":
            restated.append(taken(load, job, outcome, since))
        elif outcome.status == "rejected":
            load.stop(job)
            restated.append(_refusal(load, step, job, outcome))
    load.sync.ledger.journal.settled(
        load.lease, call, intents,
        run_id=load.run_id, entity=load.row.name, links=links, outcomes=restated, remembered=remembered, notes=notes,
    )  # fmt: skip


def finish(load: Load, jobs: Sequence[Job], status: str = "active") -> None:
    """Nothing is left to send for these (``pending``: in this step) in this try: what follows from that is written now."""
    load.sync.ledger.journal.settled(
        load.lease,
        None,
        [],
        run_id=load.run_id,
        entity=load.row.name,
        links=[link_of(load, job, status) for job in jobs],
        outcomes=[_loaded(job) if status == "active" else _linked(job) for job in jobs],
    )


def _linked(job: Job) -> Restated:
    return Restated(job.row, state="linked", procore_id=job.procore_id, erp_key=job.erp_key)


def _loaded(job: Job) -> Restated:
    """A doubt of an earlier try has nothing more to say. What is written otherwise than it was sent is linked, for it is there
    and must not be sent again, and blocked: a person looks at it."""
    loaded = replace(_linked(job), done=True, rule=None, waits_for=None, message=None)
    if job.differs is None:
        return loaded
    then = "It is linked and not sent again: correct it in the ERP, or void it on both sides."
    message = f"{job.differs.removesuffix('.')}. {then}"
    log.warning("%s", message)
    return replace(loaded, state="blocked", rule="differs", message=message)


def take(step: Step, job: Job, result_id: str | None) -> None:
    """The id that a system gave (or has) of the record."""
    if step.system == "procore":
        job.procore_id = result_id or job.procore_id
    else:
        job.erp_key = result_id or job.erp_key


def _recognise(
    load: Load, step: Step, job: Job, outcome: Outcome, named: dict[tuple[str, str], Job], linked: Mapping[str, Link]
) -> None:
    """An answer that names another record than the one that was sent: whatever it means, nothing is linked by it. ``named``:
    company and id that the same answer gave for others; ``linked``: the links of the ids that it gave for new records."""
    if outcome.id is None:
        return
    known = job.procore_id if step.system == "procore" else job.erp_key if job.link is not None else None
    company = "" if step.system == "procore" else job.row.company
    told = f"{CALLED[step.system]} answered the {step.name} of {load.row.label} {job.row.number}"
    twin = named.setdefault((company, outcome.id), job)
    if twin is not job:
        raise ContractBroken(f"{told} with record {outcome.id}, which it also gave for {twin.row.number}")
    if known is not None and outcome.id != known:
        raise ContractBroken(f"{told}, its record {known}, with record {outcome.id}")
    if step.system != "procore" or job.link is not None:
        return
    other = linked.get(outcome.id)
    if other is not None and other.erp_key != (job.erp_key or job.row.number):
        raise ContractBroken(f"{told} with record {outcome.id}, which is linked to {other.erp_key}")


# -- what is said and remembered ----------------------------------------------------------------------------------------------


def _read_back(load: Load, step: Step, job: Job, outcome: Outcome) -> list[Remembered]:
    """What the system answered is what reconciliation will count, not what we meant to write."""
    if step.system == load.source_side:  # what we wrote to the source are external ids: no change of anybody's
        row = load.row
        origin = origin_of(load.sync, row, job.row.company, job.erp_key or job.row.number) if row.external_id else None
        ours = Remembered(row.name, job.row.company, step.system, job.row.id, job.row.number, origin_id=origin)
        return [ours if outcome.updated_at is None else replace(ours, seen_updated_at=stamp(outcome.updated_at))]
    if outcome.record is None:
        return []
    job.read_back = True
    return [_seen(load, job, step.system, outcome.record)]


def _seen(load: Load, job: Job, side: Side, record: Record) -> Remembered:
    return Remembered(
        load.row.name,
        job.row.company,
        side,
        record.id,
        job.row.number,
        scope=getattr(job.record, "project", None),
        origin_id=record.origin_id,
        seen_updated_at=stamp(record.updated_at) if record.updated_at else None,
        read_at=stamp(),
        figures=canonical_json(record.figures()),
    )


def read_back_missing(load: Load, jobs: Sequence[Job]) -> None:
    """Records whose write was answered without their contents (a code without its types) are read once more, by id."""
    if not jobs:
        return
    sync, side = load.sync, load.target_side
    places = sync.fresh_links(load.row.references["project"]) if "project" in load.row.references else None
    by_id = {}
    for job in jobs:
        place = getattr(job.record, "project", None)
        if place and side == "procore" and places is not None:
            link = places.find(job.row.company, place)
            place = link.procore_id if link else None
        if ident := job.procore_id if side == "procore" else job.erp_key:
            by_id[ident] = (place, job)
    references = References(sync.links, load.row)
    rows = []
    for page in load.target.read_ids(load.row.name, [(place, ident) for ident, (place, _) in by_id.items()]):
        for record in page.records:
            if record.id in by_id:
                plain = references.translated(record) if side == "procore" else record
                rows.append(_seen(load, by_id[record.id][1], side, plain))
    sync.ledger.records.remember(rows)


def _note(load: Load, step: Step, job: Job) -> Note:
    detail = canonical_json({"procore_id": job.procore_id, "erp_key": job.erp_key, "changes": job.changes})
    row = job.row
    return Note(
        "sync", f"{row.action}: {step.name}", load.row.name, row.company, row.id, row.number, row.content_hash, detail,
        load.run_id,
    )  # fmt: skip


def _refusal(load: Load, step: Step, job: Job, outcome: Outcome) -> Restated:
    message = f"{load.row.label.capitalize()} {job.row.number} was refused by {CALLED[step.system]}: {outcome.message}"
    if outcome.locked and job.link is not None:  # what is not linked yet was not edited, and has no link to end
        row = {"row": row_id(job.row.side, job.row.company, job.row.id), "entity": load.row.name, "number": job.row.number}
        instead = load.row.instead.format_map(Filled(row))
        message = f"{message.removesuffix('.')}. {instead}"
    log.warning("%s", message)
    state = "blocked" if outcome.locked else "quarantined"
    return Restated(job.row, state=state, rule="refused", waits_for=None, message=message)


# -- what is neither there nor surely absent ----------------------------------------------------------------------------------


def wait(load: Load, step: Step, jobs: Sequence[tuple[Job, float]]) -> None:
    """They are neither there nor surely absent: the report and ``why`` say so until they are one of both. Each with the
    seconds that it is still given to arrive."""
    side, rows = CALLED[step.system], []
    for job, seconds in jobs:
        load.stop(job)
        load.waits[job.row.number] = seconds
        message = (
            f"{load.row.label.capitalize()} {job.row.number} was sent to {side} ({step.name}) without an answer, and is "
            f"not found there. It may still arrive: it is looked for again, and sent again only when {seconds:.0f} s have "
            "passed."
        )
        rows.append(Restated(job.row, rule="doubt", waits_for=f"an answer of {side}", message=message))
    load.restate(rows)


def unsettled(entity: str, waits: Mapping[str, float]) -> Unsettled:
    """``waits``: number of a record to the seconds that what was sent of it is still given to arrive."""
    seconds = max(waits.values())
    shown = ", ".join(sorted(waits)[:5]) + (" ..." if len(waits) > 5 else "")
    return Unsettled(
        f"{len(waits)} {entity.replace('_', ' ')} ({shown}) were sent without an answer and are not found. They may still "
        f"arrive: they are looked for again in {seconds:.0f} s, and sent again only then",
        seconds,
    )
