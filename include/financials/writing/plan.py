"""The plan of a load: its records as jobs, and which of them may still be written as they were judged."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from include.financials.entity import Entity
from include.financials.identity import content, digest
from include.financials.ledger import STOPPED, Judged, Lease, Link, LinkIndex, Restated, moment, stamp
from include.financials.port import Action, Step, System
from include.financials.reading.questions import lists_changed
from include.financials.record import Record, Side
from include.financials.references import named
from include.financials.view import Sync
from include.financials.work import Work
from include.financials.writing.items import budget_owners

log = logging.getLogger(__name__)

PLAN_HOLDS = timedelta(hours=24)
"""How long what an extract has read may be acted on: long enough for a night's run and the morning that mends it."""


@dataclass(slots=True)
class Job:
    """One record's way through its steps. ``row`` is what the check said of it, ``record`` the source record in ERP keys."""

    row: Judged
    record: Record
    changes: tuple[str, ...]
    level: int
    revision: int
    link: Link | None
    agreed: Mapping[str, Any] | None = None
    """Contents that the target was given by an earlier run, whose later steps were not finished:
    its first step is not made again."""
    finished: bool = False
    """All steps of its making were taken by an earlier run, which ended before it could say so."""
    failed: bool = False
    differs: str | None = None
    """How the target holds it otherwise than it was sent."""
    read_back: bool = False
    procore_id: str | None = None
    erp_key: str | None = None


@dataclass
class Load:
    """One entity's shard on its way, as far as ``source_side`` owns its records (all of them, but for budgets)."""

    sync: Sync
    row: Entity
    shard: int
    lease: Lease
    source_side: Side
    waits: dict[str, float] = field(default_factory=dict)
    """Numbers of records that were sent without an answer and are not found, to the seconds until they may be sent again."""
    refusals: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Calls in a row without an answer."""

    @property
    def target_side(self) -> Side:
        return "procore" if self.source_side == "erp" else "erp"

    @property
    def source(self) -> System:
        return self.sync.systems[self.source_side]

    @property
    def target(self) -> System:
        return self.sync.systems[self.target_side]

    @property
    def run_id(self) -> str:
        return self.sync.run.run_id

    @cached_property
    def read_at(self) -> datetime | None:
        """When the extract of this shard came to its end: what is judged is as old as that."""
        return moment(self.sync.ledger.runs.finished_at(self.run_id, f"extract:{self.row.name}", self.shard))

    @property
    def aged(self) -> bool:
        """Whether what this run read lies too far back to be acted on."""
        return self.read_at is not None and datetime.now(UTC) - self.read_at > PLAN_HOLDS

    @cached_property
    def ended(self) -> Mapping[tuple[str, str, str], int]:
        return self.sync.ledger.links.ended_revisions(self.row.name)

    @cached_property
    def owners(self) -> Mapping[str, str]:
        return budget_owners(self.sync, self.row)

    @cached_property
    def stopped(self) -> set[str]:
        """Source ids of documents that were refused in this run and that others follow; also by an earlier try of this run, which
        may have ended before those that follow were told to wait."""
        if not self.row.sequence:
            return set()
        said = self.sync.ledger.outcomes.of(self.run_id, self.row.name, self.shard, work=False)
        return {one.id for one in said if one.state in STOPPED and one.action == "create"}

    def restate(self, rows: Sequence[Restated]) -> None:
        self.sync.ledger.outcomes.restate(self.run_id, self.row.name, rows)

    def spoil(self, step: Step) -> None:
        """What this run has read of the ERP is no more what stands there."""
        if step.system == "erp":
            for name in lists_changed(self.row):
                self.sync.lists.spoil("erp", name, self.shard)

    def stop(self, job: Job) -> None:
        """Nothing more is sent of it in this load, nor of what follows it."""
        job.failed = True
        self.stopped.add(job.row.id)


def job_of(load: Load, row: Judged, known: Mapping[tuple[str, str], Link]) -> Job:
    work = Work.of(row)
    assert work is not None, "a record of which nothing is to be done is no job"
    key = (row.company, row.erp_key or "")
    link = known.get(key)
    return Job(
        row=row._replace(work=None),  # it is in the job
        record=work.source(load.row),
        changes=work.changes,
        level=work.level,
        revision=link.revision if link else _after_ended(load, row),
        link=link,
        agreed=work.agreed,
        finished=work.finished,
        procore_id=link.procore_id if link else row.procore_id,
        erp_key=link.erp_key if link else row.erp_key,
    )


def _after_ended(load: Load, row: Judged) -> int:
    """Where a new link goes on, whichever of the two records had another one before."""
    ident = row.id if row.side == "procore" else row.procore_id
    return max(
        load.ended.get(("erp", row.company, row.erp_key or ""), 0), load.ended.get(("procore", row.company, ident or ""), 0)
    )


def link_of(load: Load, job: Job, status: str) -> Link:
    """The link of a record once ``status`` of it is reached."""
    row = load.row
    plain = content(job.record, row.content) if job.agreed is None else job.agreed
    if job.agreed is None and job.link is not None and (job.link.content or {}).get("other"):
        plain = {**plain, "other": (job.link.content or {})["other"]}  # a person accepted that the two differ there
    return Link(
        entity=row.name,
        company=job.row.company,
        erp_key=job.erp_key or job.row.number,
        procore_id=job.procore_id or "",
        number=job.row.number,
        revision=job.revision + 1 if status == "active" else job.revision,
        content_hash=digest(plain),
        # Who owns a budget is agreed with the link, and is no content: it is never compared, and changes by decision only.
        content={**plain, "owner": getattr(job.record, "owner", None)} if row.two_way else plain,
        status=status,
        scope=getattr(job.record, "project", None),
    )


# -- does it still hold? ------------------------------------------------------------------------------------------------------


def still_as_judged(load: Load, rows: Sequence[Judged]) -> list[Judged]:
    """A plan holds as long as the link that it was made for: between check and load (a load that was cleared a day later, a
    backfill beside the nightly run) another run or a person may have made, changed or ended it. What the plan says then is of
    a record as it is no more: sent, it would be the second one, or an old content over a newer. Nor does it hold for ever:
    what was read days ago may have been voided or changed since, by people whom no link tells of."""
    if not rows:
        return []
    ledger, entity = load.sync.ledger, load.row
    old = load.aged
    idents = [row.id if load.source_side == "procore" else row.procore_id or "" for row in rows]
    by_key = ledger.links.of_keys(entity.name, ((row.company, row.erp_key or "") for row in rows))
    by_id = ledger.links.of_ids(entity.name, filter(None, idents))
    named = _named_since(load) if any(row.action == "create" for row in rows) else set()
    fresh, stale = [], []
    for row, ident in zip(rows, idents, strict=True):
        work = Work.of(row)
        link = by_key.get((row.company, row.erp_key or "")) or by_id.get(ident)
        same = work is not None and (link.version if link is not None else None) == work.link
        joined = link is None and row.action == "create" and (row.side, row.company, row.id) in named
        late = old and row.action != "unchanged"
        if work is None or (same and not joined and not late) or _ours(load, row, link):
            fresh.append(row)
            continue
        what = "linked by a person" if joined else "loaded" if link else "unlinked"
        long_ago = same and not joined
        why = f"was read by this run at {stamp(load.read_at)}, long ago" if long_ago else f"was {what} since this run judged it"
        message = (
            f"{entity.label.capitalize()} {row.number} {why}; nothing of this plan is written, the next run compares it anew."
        )
        stale.append(Restated(row, state="held", rule="stale", waits_for="the next run", message=message))
        load.stopped.add(row.id)
        log.warning("%s", message)
    load.restate(stale)
    return fresh


def _named_since(load: Load) -> set[tuple[str, str, str]]:
    """Records whose counterpart a person has named: no check that knows of it plans to make a second one."""
    said = load.sync.ledger.decisions.of(load.row.name, "link")
    if load.source_side == "erp":
        return {("erp", one.company, one.record_id) for one in said}
    return {("procore", company, one.pair) for one in said for company in (one.company, "")}


def _ours(load: Load, row: Judged, link: Link | None) -> bool:
    """A link that an earlier try of this very plan has begun."""
    if link is None or link.status != "pending":
        return False
    return link.content_hash == link_of(load, job_of(load, row, {}), "pending").content_hash


# -- in which steps, in which order -------------------------------------------------------------------------------------------


def steps_of(load: Load, action: Action) -> tuple[Step, ...]:
    """A create or relink of a Procore-born document ends with its external ids in Procore."""
    name = load.row.name
    if action == "link":
        return load.sync.systems["procore"].steps(name, "link")
    own = load.target.steps(name, action)
    if not own:  # what the target does not take has no external id either
        return ()
    return own + (load.source.steps(name, "link") if load.source_side == "procore" and action == "create" else ())


def all_steps(load: Load) -> tuple[Step, ...]:
    actions: tuple[Action, ...] = ("create", "update", "link", "void")
    both = (load.target, load.source)
    return tuple(step for system in both for action in actions for step in system.steps(load.row.name, action))


def levels(load: Load, step: Step, jobs: Sequence[Job]) -> Iterator[tuple[int, list[Job]]]:
    """Parents before children: the child needs the id that its parent was given one level earlier. Invoices of a contract in
    their sequence."""
    if not step.levels and load.row.sequence is None:
        yield 0, list(jobs)
        return
    by_level: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        by_level[job.level].append(job)
    yield from sorted(by_level.items())


# -- may it still be written? -------------------------------------------------------------------------------------------------


def allowed(load: Load, jobs: Sequence[Job]) -> list[Job]:
    """``writes: off`` is read before each batch, so that switching it stops a run that is under way."""
    name = load.row.name
    if load.sync.writes_on(name):
        return list(jobs)
    held = []
    for job in jobs:
        message = f"writes are off for {name}; {job.row.number} would be written. Set entities.{name}.writes to on."
        held.append(Restated(job.row, state="held", rule="writes", waits_for=f"setting {name}.writes", message=message))
        load.stop(job)
    load.restate(held)
    log.warning("%s: %d would be written, but writes are off", name, len(jobs))
    return []


def linked_now(load: Load, jobs: Iterable[Job]) -> dict[str, LinkIndex]:
    """By entity the confirmed links, as of now, of what the jobs' records name."""
    keys, idents = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for job in jobs:
        for entity, key, of_procore in named(load.row, job.record):
            (idents if of_procore else keys)[entity].add(key)
    return {entity: load.sync.links_to(entity, keys[entity], idents[entity]) for entity in {*load.row.references.values()}}


def placed(load: Load, jobs: Sequence[Job]) -> list[Job]:
    """A parent that was to be created in this run and was refused leaves its dependents waiting for it, not failing."""
    row = load.row
    indexes = linked_now(load, jobs)
    found, held = [], []
    for job in jobs:
        missing = _missing(row, job, indexes)
        if missing:
            message = f"{row.label.capitalize()} {job.row.number} waits for {missing}, which is not linked."
            held.append(Restated(job.row, state="held", rule="waits", waits_for=missing, message=message))
            log.warning("%s", message)
            load.stopped.add(job.row.id)
        else:
            found.append(job)
    load.restate(held)
    return found


def _missing(row: Entity, job: Job, indexes: Mapping[str, LinkIndex]) -> str | None:
    for entity, key, of_procore in named(row, job.record):
        index = indexes[entity]
        if entity != row.name and (index.erp(key) if of_procore else index.find(job.row.company, key)) is None:
            return f"{entity} {key}"
    return None


def in_turn(load: Load, job: Job, *, parent_missing: bool) -> bool:
    """Whether its turn has come: the document before it on its contract was not stopped in this run (it would be posted out of
    order), and its parent is linked."""
    label, number = load.row.label.capitalize(), job.row.number
    previous = getattr(job.record, "previous", None) if load.row.sequence else None
    if previous is not None and previous in load.stopped:
        load.stop(job)
        message = f"{label} {number} waits for the one before it, which was stopped."
        held = Restated(job.row, state="held", rule="I-03", waits_for="the invoice before it", message=message)
        log.warning("%s", message)
    elif parent_missing:
        job.failed = True
        parent = getattr(job.record, "parent", None)
        message = f"{label} {number} waits for its parent {parent}, which is not linked."
        held = Restated(job.row, state="held", rule="C-01", waits_for=f"{load.row.name} {parent}", message=message)
    else:
        return True
    load.restate([held])
    return False
