"""The engine: carries out what a check planned, one journaled step after the other, and never sends anything twice.

Around every request there are two commits: before it the intents become ``sent``; after it they become ``confirmed``,
``rejected`` or ``unknown``. Whatever is ``sent`` or ``unknown`` is looked up on the other side before it may be sent again. A
record's trouble (a refusal) changes that record's state; a system's trouble ends the task, and the next try goes on where this
one stopped.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from include.financials import answering, finality
from include.financials.billing import bills
from include.financials.entities import ENTITIES, Entity
from include.financials.exceptions import (
    ConfigurationError,
    ContractBroken,
    OutcomeUnknown,
    Refused,
    RetryLater,
    SyncError,
    Unsettled,
)
from include.financials.existence import SIDES
from include.financials.figures import figures
from include.financials.identity import Origin, canonical_json, content, digest
from include.financials.known import in_procore
from include.financials.ledger import STOPPED, Lease, Link, moment, stamp
from include.financials.models import Record, Side
from include.financials.port import Action, Item, Outcome, Step, System, batches
from include.financials.reading.questions import lists_changed
from include.financials.references import LinkIndex, References
from include.financials.rules import INSTEAD
from include.financials.view import Sync

log = logging.getLogger(__name__)

SILENT = 3
"""Calls in a row without an answer after which a load stops asking for more of them."""
PLAN_HOLDS = timedelta(hours=24)
"""How long what an extract has read may be acted on: long enough for a night's run and the morning that mends it."""
HALVINGS = 11
"""Refused calls in a row that it takes to find one bad record among 1,000."""


@dataclass(slots=True)
class Job:
    """One record's way through its steps. ``row`` is its outcome row, ``record`` the source record in ERP keys."""

    row: dict[str, Any]
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
    read_back: bool = False
    procore_id: str | None = None
    erp_key: str | None = None


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
        return _summary(sync, entity, shard)
    waits: dict[str, float] = {}
    with sync.ledger.lease(entity, shard, sync.run.run_id) as lease:
        if write:
            _Load(sync, row, shard, lease).recover()
        for source in ("erp", "procore") if row.two_way else (row.source,):
            one = _Load(sync, row, shard, lease, source)
            one.run(write)
            waits |= one.waits
        if write and not _aged(sync, entity, shard):
            answering.carry_out(sync, row, shard, lease)
            finality.carry_out(sync, row, shard, lease)
    loaded = _summary(sync, entity, shard)
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


def _aged(sync: Sync, entity: str, shard: int) -> bool:
    """Whether what this run read lies too far back to be acted on."""
    read_at = moment(sync.ledger.finished_at(sync.run.run_id, f"extract:{entity}", shard))
    return read_at is not None and datetime.now(UTC) - read_at > PLAN_HOLDS


def unsettled(entity: str, waits: Mapping[str, float]) -> Unsettled:
    """``waits``: number of a record to the seconds that what was sent of it is still given to arrive."""
    seconds = max(waits.values())
    shown = ", ".join(sorted(waits)[:5]) + (" ..." if len(waits) > 5 else "")
    return Unsettled(
        f"{len(waits)} {entity.replace('_', ' ')} ({shown}) were sent without an answer and are not found. They may still "
        f"arrive: they are looked for again in {seconds:.0f} s, and sent again only then",
        seconds,
    )


def _summary(sync: Sync, entity: str, shard: int) -> Loaded:
    rows = sync.ledger.outcomes(sync.run.run_id, entity, shard)
    done = Counter(row["action"] for row in rows if row["state"] == "linked")
    refused = sum(1 for row in rows if row["action"] not in ("none", "unchanged", "close") and row["state"] != "linked")
    return Loaded(
        entity,
        shard,
        sync.run.mode,
        done["create"],
        done["update"] + done["link"],
        done["adopt"],
        done["unchanged"],
        refused,
        sum(sync.ledger.call_count(sync.run.run_id, entity).values()),
    )


class _Load:
    """Carries out the plan of the records that ``source`` owns (all of an entity's, but for budgets)."""

    def __init__(self, sync: Sync, row: Entity, shard: int, lease: Lease, source: Side | None = None) -> None:
        self.sync, self.row, self.shard, self.lease = sync, row, shard, lease
        self.source_side: Side = source or row.source
        self.target_side: Side = "procore" if self.source_side == "erp" else "erp"
        self.run_id = sync.run.run_id
        self.refusals: Counter[str] = Counter()
        self.linked: dict[tuple[Side, str, str], Link] = {}
        self.waits: dict[str, float] = {}
        """Numbers of records that were sent without an answer and are not found, to the seconds until they may be sent again."""
        self.lost = 0
        self.ended = sync.ledger.ended_revisions(row.name)
        self.budget_owners = _budget_owners(sync) if row.name == "projects" else {}
        self.stopped = self._stopped_before() if row.sequence else set()
        """Source ids of documents that were refused in this run and that others follow."""

    @property
    def source(self) -> System:
        return self.sync.systems[self.source_side]

    @property
    def target(self) -> System:
        return self.sync.systems[self.target_side]

    def _stopped_before(self) -> set[str]:
        """Also by an earlier try of this run, which may have ended before those that follow were told to wait."""
        outcomes = self.sync.ledger.outcomes(self.run_id, self.row.name, self.shard)
        return {outcome["id"] for outcome in outcomes if outcome["state"] in STOPPED and outcome["action"] == "create"}

    # -- the whole ------------------------------------------------------------------------------------------------------------

    def run(self, write: bool) -> None:
        over = [r for r in self.sync.ledger.closing(self.run_id, self.row.name, self.shard) if r["side"] == self.source_side]
        over = self._still_as_judged(over)
        if over:
            self.sync.ledger.close_links(self.run_id, self.row.name, over, self.lease)
            log.info("%s: %d ended on both sides; their links are closed", self.row.name, len(over))
        work = self.sync.ledger.work(self.run_id, self.row.name, self.shard)
        rows = self._still_as_judged([row for row in work if row["side"] == self.source_side])
        by_action: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            by_action[row["action"]].append(row)
        self.sync.ledger.mark_done(self.run_id, self.row.name, by_action.pop("unchanged", []))
        self._adopt(by_action.pop("adopt", []))
        for action in ("link", "create", "update"):  # what is linked may be the parent of what is created
            if write and by_action.get(action):
                self._carry_out(action, by_action[action])

    def _still_as_judged(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A plan holds as long as the link that it was made for: between check and load (a load that was cleared a day later, a
        backfill beside the nightly run) another run or a person may have made, changed or ended it. What the plan says then is of
        a record as it is no more: sent, it would be the second one, or an old content over a newer. Nor does it hold for ever:
        what was read days ago may have been voided or changed since, by people whom no link tells of."""
        if not rows:
            return []
        read_at = moment(self.sync.ledger.finished_at(self.run_id, f"extract:{self.row.name}", self.shard))
        aged = _aged(self.sync, self.row.name, self.shard)
        known = LinkIndex.of(self.sync.ledger.links(self.row.name, contents=False))
        named = self._named_since()
        fresh, stale = [], []
        for row in rows:
            work = json.loads(row["work"]) if row["work"] else None
            by_id = known.by_procore.get(row["id"] if self.source_side == "procore" else row["procore_id"] or "")
            link = known.by_erp.get((row["company"], row["erp_key"] or "")) or by_id
            same = work is not None and (link.version if link is not None else None) == work["link"]
            joined = link is None and row["action"] == "create" and (row["side"], row["company"], row["id"]) in named
            if work is None or (same and not joined and not (aged and row["action"] != "unchanged")) or self._ours(row, link):
                fresh.append(row)
                continue
            what = "linked by a person" if joined else "loaded" if link else "unlinked"
            old = same and not joined
            why = f"was read by this run at {stamp(read_at)}, long ago" if old else f"was {what} since this run judged it"
            message = (
                f"{self.row.label.capitalize()} {row['number']} {why}; nothing of this plan is written, the next run compares it "
                "anew."
            )
            stale.append({**_key(row), "state": "held", "rule": "stale", "waits_for": "the next run", "message": message})
            self.stopped.add(row["id"])
            log.warning("%s", message)
        self.sync.ledger.restate(self.run_id, self.row.name, stale)
        return fresh

    def _named_since(self) -> set[tuple[str, str, str]]:
        """Records whose counterpart a person has named: no check that knows of it plans to make a second one."""
        said = self.sync.ledger.decisions(self.row.name, "link")
        if self.source_side == "erp":
            return {("erp", one.company, one.record_id) for one in said}
        return {("procore", company, one.pair) for one in said for company in (one.company, "")}

    def _ours(self, row: dict[str, Any], link: Link | None) -> bool:
        """A link that an earlier try of this very plan has begun."""
        if link is None or link.status != "pending":
            return False
        return link.content_hash == self._link(self._job(row, {}), "pending").content_hash

    def _adopt(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        links = [self._link(self._job(row, {}), "active") for row in rows]
        self.sync.ledger.adopt(self.run_id, self.row.name, links, rows, self.lease)
        log.info("%s: adopted %d that both sides already had; no write was made", self.row.name, len(rows))

    def _carry_out(self, action: Action, rows: Sequence[dict[str, Any]]) -> None:
        links = self.sync.ledger.links(self.row.name)
        known = {(link.company, link.erp_key): link for link in links}
        self.linked = {("procore", "", link.procore_id): link for link in links}
        jobs = [self._job(row, known) for row in rows]
        jobs = self._still_placed(jobs)
        steps = self._steps(action)
        if not steps:
            if action == "update":
                self._refuse_update(jobs)
                return
            if not self._allowed(jobs):
                return
            raise ConfigurationError(f"{self.target_side} offers no way to {action} {self.row.name}; {len(jobs)} wait for one")
        if whole := [job for job in jobs if job.finished]:
            self._finish(whole)
        for number, step in enumerate(steps, start=1):
            for level, group in self._levels(step, [job for job in jobs if not (job.failed or job.finished)]):
                first = action == "create" and number == 1
                if made := [job for job in group if first and job.agreed is not None]:
                    self._finish(made, "active" if number == len(steps) else "pending")
                self._step(step, [job for job in group if not first or job.agreed is None], level, last=number == len(steps))
        self._read_back_missing([job for job in jobs if not job.failed and not job.read_back])

    def _refuse_update(self, jobs: Sequence[Job]) -> None:
        """The target takes no changes of what it has: a person makes them there, and no other record waits for that."""
        side = "Procore" if self.target_side == "procore" else "the ERP"
        rows = []
        for job in jobs:
            job.failed = True
            number, changed = job.row["number"], ", ".join(job.changes)
            message = (
                f"{self.row.label.capitalize()} {number}: its {changed} changed, and {side} takes no changes of {self.row.name}"
                " from us. Change it there by hand."
            )
            log.warning("%s", message)
            rows.append({**_key(job.row), "state": "quarantined", "rule": "refused", "waits_for": None, "message": message})
        self.sync.ledger.restate(self.run_id, self.row.name, rows)

    def _steps(self, action: Action) -> tuple[Step, ...]:
        """A create or relink of a Procore-born document ends with its external ids in Procore."""
        if action == "link":
            return self.sync.systems["procore"].steps(self.row.name, "link")
        own = self.target.steps(self.row.name, action)
        if not own:  # what the target does not take has no external id either
            return ()
        return own + (self.source.steps(self.row.name, "link") if self.source_side == "procore" and action == "create" else ())

    def _job(self, row: dict[str, Any], known: Mapping[tuple[str, str], Link]) -> Job:
        work = json.loads(row["work"])
        record = self.row.model.model_validate(work["record"], strict=False)
        link = known.get((row["company"], row["erp_key"]))
        return Job(
            row=row,
            record=record,
            changes=tuple(work["changes"]),
            level=int(work["level"]),
            revision=link.revision if link else self.ended.get((row["company"], row["erp_key"]), 0),
            link=link,
            agreed=work.get("agreed"),
            finished=work.get("finished", False),
            procore_id=link.procore_id if link else row["procore_id"],
            erp_key=link.erp_key if link else row["erp_key"],
        )

    def _levels(self, step: Step, jobs: Sequence[Job]) -> Iterator[tuple[int, list[Job]]]:
        """Parents before children: the child needs the id that its parent was given one level earlier. Invoices of a contract in
        their sequence."""
        if not step.levels and self.row.sequence is None:
            yield 0, list(jobs)
            return
        by_level: dict[int, list[Job]] = defaultdict(list)
        for job in jobs:
            by_level[job.level].append(job)
        yield from sorted(by_level.items())

    # -- may it still be written? -----------------------------------------------------------------------------------------------

    def _allowed(self, jobs: Sequence[Job]) -> list[Job]:
        """``writes: off`` is read before each batch, so that switching it stops a run that is under way."""
        if self.sync.writes_on(self.row.name):
            return list(jobs)
        message = f"writes are off for {self.row.name}; {{number}} would be written. Set entities.{self.row.name}.writes to on."
        rows = [
            {
                **_key(job.row),
                "state": "held",
                "rule": "writes",
                "waits_for": f"setting {self.row.name}.writes",
                "message": message.format(number=job.row["number"]),
            }
            for job in jobs
        ]
        self.sync.ledger.restate(self.run_id, self.row.name, rows)
        for job in jobs:
            job.failed = True
            self.stopped.add(job.row["id"])
        log.warning("%s: %d would be written, but writes are off", self.row.name, len(jobs))
        return []

    def _still_placed(self, jobs: Sequence[Job]) -> list[Job]:
        """A parent that was to be created in this run and was refused leaves its dependents waiting for it, not failing."""
        indexes = {n: self.sync.fresh_links(n, contents=False) for n in set(self.row.references.values()) if n != self.row.name}
        placed, held = [], []
        for job in jobs:
            missing = self._missing(job, indexes)
            if missing:
                message = f"{self.row.label.capitalize()} {job.row['number']} waits for {missing}, which is not linked."
                held.append({**_key(job.row), "state": "held", "rule": "waits", "waits_for": missing, "message": message})
                self.stopped.add(job.row["id"])
            else:
                placed.append(job)
        self.sync.ledger.restate(self.run_id, self.row.name, held)
        for row in held:
            log.warning("%s", row["message"])
        return placed

    def _missing(self, job: Job, indexes: Mapping[str, LinkIndex]) -> str | None:
        record, company = job.record, job.row["company"]
        for name, entity in self.row.references.items():
            head, _, rest = name.partition(".")
            if entity == self.row.name:
                continue
            value = getattr(record, head)
            if head == "items":
                value = tuple(filter(bills, value))
            keys = [getattr(line, rest) for line in value] if rest else list(value) if isinstance(value, tuple) else [value]
            for key in keys:
                # An invoice keeps its items as read: what they name is named by Procore's ids.
                link = indexes[entity].erp(key) if head == "items" else indexes[entity].find(company, key) if key else None
                if key is not None and link is None:
                    return f"{entity} {key}"
        return None

    # -- one step -------------------------------------------------------------------------------------------------------------

    def _step(self, step: Step, jobs: Sequence[Job], level: int, *, last: bool) -> None:
        items: dict[str, tuple[Item, Job]] = {}
        idle: list[Job] = []
        references = {n: self.sync.fresh_links(n, contents=False) for n in {*self.row.references.values(), self.row.name}}
        for job in jobs:
            item = self._item(step, job, references)
            if item is None:
                continue
            if not self.sync.systems[step.system].wants(step, item):
                idle.append(job)
                continue
            items[item.intent] = (item, job)
        journal = self.sync.ledger.intents(items)
        arrived = [(items[intent][1], entry["result_id"]) for intent, entry in journal.items() if entry["status"] == "confirmed"]
        for job, result_id in arrived:
            self._take(step, job, result_id)
        if not last and (unlinked := [job for job, _ in arrived if job.link is None]):
            self._finish(unlinked, "pending")  # children need the id of a parent that only the journal knows
        if doubts := self._doubts(step, items, journal):
            self._look_again(step, items, doubts, last)
            journal = self.sync.ledger.intents(items)
        waiting = [item for key, (item, job) in items.items() if self._due(journal.get(key), job)]
        by_scope: dict[str, list[Item]] = defaultdict(list)
        system = self.sync.systems[step.system]
        for item in waiting:
            by_scope[system.scope(step, item)].append(item)
        for scope, alike in sorted(by_scope.items()):
            for batch in batches(alike, step.batch):
                if not self._allowed([items[item.intent][1] for item in batch]):
                    continue
                jobs_of = {item.intent: items[item.intent][1] for item in batch}
                self._call(step, scope, batch, jobs_of, level, last, {i.intent: doubts.get(i.intent) for i in batch})
        if last:
            settled = [
                job for key, (_, job) in items.items() if journal.get(key, {}).get("status") == "confirmed" and not job.failed
            ]
            if settled or idle:
                self._finish([*settled, *idle])

    def _due(self, entry: Mapping[str, Any] | None, job: Job) -> bool:
        """Not what is confirmed; and what was refused only once per run:
        its cause may have gone since, a refusal applied nothing."""
        if entry is None or job.failed:
            return not job.failed
        return bool(entry["status"] == "planned" or (entry["status"] == "rejected" and entry["run_id"] != self.run_id))

    def _item(self, step: Step, job: Job, references: Mapping[str, LinkIndex]) -> Item | None:
        company, key = job.row["company"], job.erp_key or job.row["number"]
        intent = digest([self.row.name, company, job.row["id"], step.name, job.revision, job.row["content_hash"]])
        refs = self._refs(job, references) if step.system == "procore" else {}
        if self._overtaken(job):
            return None
        if step.levels and getattr(job.record, "parent", None) and refs.get("parent") is None and step.system == "procore":
            self._wait_for_parent(job)
            return None
        return Item(
            intent=intent,
            record=job.record,
            company=company,
            number=job.row["number"],
            origin_id=self._origin(job),
            origin_data=canonical_json({"erp_key": key, **self._owner(job)}),
            procore_id=job.procore_id,
            erp_key=job.erp_key,
            refs=refs,
            changes=job.changes,
            level=job.level,
        )

    def _origin(self, job: Job) -> str:
        """The external id of the record in Procore. A budget has none of its own: its project's tells who owns it."""
        entity = "projects" if self.row.name == "budgets" else self.row.name
        return str(Origin(self.sync.namespace, job.row["company"], entity, job.erp_key or job.row["number"]))

    def _owner(self, job: Job) -> dict[str, str]:
        """Owner of the job's budget, which the project's origin_data records (docs/domain-rules.md 2.9)."""
        if self.row.name == "budgets":
            owner = getattr(job.record, "owner", None)
        elif self.row.name == "projects":
            owner = self.budget_owners.get(job.procore_id or "")
        else:
            owner = None
        return {"budget_owner": owner} if owner else {}

    def _overtaken(self, job: Job) -> bool:
        """The document before it on its contract was stopped in this run: it waits, or it would be posted out of order."""
        previous = getattr(job.record, "previous", None) if self.row.sequence else None
        if previous is None or previous not in self.stopped:
            return False
        job.failed = True
        self.stopped.add(job.row["id"])
        message = f"{self.row.label.capitalize()} {job.row['number']} waits for the one before it, which was stopped."
        row = {**_key(job.row), "state": "held", "rule": "I-03", "waits_for": "the invoice before it", "message": message}
        self.sync.ledger.restate(self.run_id, self.row.name, [row])
        log.warning("%s", message)
        return True

    def _wait_for_parent(self, job: Job) -> None:
        job.failed = True
        parent = getattr(job.record, "parent", None)
        message = f"{self.row.label.capitalize()} {job.row['number']} waits for its parent {parent}, which is not linked."
        row = {**_key(job.row), "state": "held", "rule": "C-01", "waits_for": f"{self.row.name} {parent}", "message": message}
        self.sync.ledger.restate(self.run_id, self.row.name, [row])

    def _refs(self, job: Job, references: Mapping[str, LinkIndex]) -> dict[str, str | None]:
        """Procore ids of what the record names: ``project``, ``parent``; types of a code as ``type:<ERP type>``; what its lines
        name as ``cost_code:<key>``, ``cost_type:<ERP type>``."""

        def procore_id(entity: str, key: str | None) -> str | None:
            link = references[entity].find(job.row["company"], key) if key is not None else None
            return link.procore_id if link else None

        refs: dict[str, str | None] = {}
        for name, entity in self.row.references.items():
            head, _, rest = name.partition(".")
            if rest:
                keys = {getattr(line, rest) for line in getattr(job.record, head)} - {None}
                refs.update({f"{rest}:{key}": procore_id(entity, key) for key in keys})
                continue
            value = getattr(job.record, head)
            if isinstance(value, tuple):
                refs.update({f"type:{item}": procore_id(entity, item) for item in value})
            else:
                refs[head] = procore_id(entity, value)
        return refs

    def _call(
        self,
        step: Step,
        scope: str,
        batch: Sequence[Item],
        jobs: Mapping[str, Job],
        level: int,
        last: bool,
        doubts: Mapping[str, str | None],
    ) -> None:
        """One journaled call. ``doubts``: since when an intent is in doubt from an earlier sending, if it is."""
        call: dict[str, Any] = {
            "call_id": uuid.uuid4().hex,
            "run_id": self.run_id,
            "system": step.system,
            "entity": self.row.name,
            "step": step.name,
        }
        call |= {"scope": scope, "level": level, "items": len(batch)}
        system = self.sync.systems[step.system]
        # In doubt from the moment it leaves: a process that ends now can say nothing more.
        sent = {"doubted_at": stamp(system.now())}
        self.sync.ledger.sending(self.lease, call, [self._intent(step, item, jobs[item.intent]) | sent for item in batch])
        untouched = [Outcome(item.intent, "absent") for item in batch]
        self._spoils(step)
        try:
            outcomes = system.post(step, batch, lambda: self.sync.ledger.renew(self.lease))
        except RetryLater:
            # Surely nothing was applied: the intents go back to planned, so that the next try sends without looking.
            self._settle(step, {**call, "status": "refused"}, untouched, jobs, last, doubts)
            raise
        except Refused as error:
            if len(batch) > 1 and not self._refused_alike(str(error)):
                self._settle(step, {**call, "status": "refused", "message": str(error)}, untouched, jobs, last, doubts)
                self._halves(step, scope, batch, jobs, level, last, doubts)
                return
            outcomes = [Outcome(item.intent, "rejected", message=str(error), field=error.field) for item in batch]
        except OutcomeUnknown as error:
            self._doubtful(step, call, batch, jobs, last, str(error))
            return
        answered = [outcome for outcome in outcomes if outcome.status != "absent"]
        self._settle(step, {**call, "status": "done"}, answered, jobs, last)
        if any(outcome.status == "confirmed" for outcome in answered):
            self.refusals.clear()
            self.lost = 0
        known = {outcome.intent for outcome in answered}
        if silent := [item for item in batch if item.intent not in known]:
            self._doubtful(step, call, silent, jobs, last, "the answer does not mention it")
        log.info(
            "%d %s %s (%s%s)", len(known), self.row.name.replace("_", " "), step.done, step.name, f", {scope}" if scope else ""
        )

    def _doubtful(
        self, step: Step, call: Mapping[str, Any], batch: Sequence[Item], jobs: Mapping[str, Job], last: bool, why: str
    ) -> None:
        """No answer. What is found now has arrived; what is not may still do so, and is neither there nor absent."""
        log.warning(
            "%s %s: the answer of %d records was lost (%s); looking whether they arrived",
            self.row.name,
            step.name,
            len(batch),
            why,
        )
        system = self.sync.systems[step.system]
        since = stamp(system.now())
        rows = [{"intent": item.intent, "status": "unknown", "message": why, "doubted_at": since} for item in batch]
        told = {**call, "status": "unknown", "message": why}
        self.sync.ledger.settled(self.lease, told, rows, run_id=self.run_id, entity=self.row.name)
        found = [outcome for outcome in system.find(step, batch) if outcome.status != "absent"]
        self._settle(step, None, found, jobs, last)
        known = {outcome.intent for outcome in found}
        self._wait(step, [(jobs[item.intent], self._settle_time(step)) for item in batch if item.intent not in known])
        self.lost += 1
        if self.lost >= SILENT and self.waits:
            raise unsettled(self.row.name, self.waits)

    def _settle_time(self, step: Step) -> float:
        """Seconds that a write without an answer is given to arrive."""
        settings = self.sync.settings
        return settings.settle_seconds_without_key if step.keyless else settings.settle_seconds

    def _wait(self, step: Step, jobs: Sequence[tuple[Job, float]]) -> None:
        """They are neither there nor surely absent: the report and ``why`` say so until they are one of both. Each with the
        seconds that it is still given to arrive."""
        side, rows = SIDES[step.system], []
        for job, seconds in jobs:
            job.failed = True
            self.stopped.add(job.row["id"])
            self.waits[job.row["number"]] = seconds
            message = (
                f"{self.row.label.capitalize()} {job.row['number']} was sent to {side} ({step.name}) without an answer, and is "
                f"not found there. It may still arrive: it is looked for again, and sent again only when {seconds:.0f} s have "
                "passed."
            )
            rows.append({**_key(job.row), "rule": "doubt", "waits_for": f"an answer of {side}", "message": message})
        self.sync.ledger.restate(self.run_id, self.row.name, rows)

    def _halves(
        self,
        step: Step,
        scope: str,
        batch: Sequence[Item],
        jobs: Mapping[str, Job],
        level: int,
        last: bool,
        doubts: Mapping[str, str | None],
    ) -> None:
        """A call was refused as a whole, so nothing of it applied: look for the record that spoils it, let the others through."""
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            self._call(step, scope, half, {item.intent: jobs[item.intent] for item in half}, level, last, doubts)

    def _refused_alike(self, message: str) -> bool:
        """So many refusals in the same words without a success between:
        no single record is at fault, more halves only cost calls."""
        self.refusals[message] += 1
        return self.refusals[message] > HALVINGS

    def _spoils(self, step: Step) -> None:
        """What this run has read of the ERP is no more what stands there."""
        if step.system == "erp":
            for name in lists_changed(self.row):
                self.sync.lists.spoil("erp", name, self.shard)

    def _intent(self, step: Step, item: Item, job: Job) -> dict[str, Any]:
        return {
            "intent": item.intent,
            "run_id": self.run_id,
            "entity": self.row.name,
            "company": item.company,
            "source_id": job.row["id"],
            "shard": self.shard,
            "step": step.name,
            "revision": job.revision,
            "content_hash": job.row["content_hash"],
            "item": canonical_json(_dump(item)),
        }

    # -- outcomes ---------------------------------------------------------------------------------------------------------------

    def _doubts(
        self, step: Step, items: Mapping[str, tuple[Item, Job]], journal: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, str]:
        """Since when each intent is in doubt that is: it was sent without an answer, or something else of its record was (which
        had another content then, and is the same record)."""
        open_since = self.sync.ledger.doubts(self.row.name, step.name)
        found = {}
        for intent, (_, job) in items.items():
            since = open_since.get((job.row["company"], job.row["id"]))
            if since is not None and journal.get(intent, {}).get("status") != "confirmed":
                found[intent] = since
        return found

    def _look_again(self, step: Step, items: Mapping[str, tuple[Item, Job]], doubts: Mapping[str, str], last: bool) -> None:
        """Looks for these before anything of them is sent; what is not found may be sent once the settle time is over."""
        log.info("%s %s: %d are in doubt; looking for them before anything is sent", self.row.name, step.name, len(doubts))
        system, jobs = self.sync.systems[step.system], {intent: items[intent][1] for intent in doubts}
        asked = [items[intent][0] for intent in doubts]
        journaled = [self._intent(step, item, jobs[item.intent]) | {"doubted_at": doubts[item.intent]} for item in asked]
        self.sync.ledger.doubt(self.lease, journaled)
        # The clock before the look: one that began within the settle time and lasted beyond it proves nothing.
        now = system.now()
        over, early = [], []
        for outcome in system.find(step, asked):
            waited = (now - cast(datetime, moment(doubts[outcome.intent]))).total_seconds()
            if outcome.status != "absent" or waited >= self._settle_time(step):
                over.append(outcome)
            else:
                early.append((jobs[outcome.intent], self._settle_time(step) - waited))
        self._wait(step, early)
        self._settle(step, None, over, jobs, last, doubts)

    def _settle(
        self,
        step: Step,
        call: Mapping[str, Any] | None,
        outcomes: Iterable[Outcome],
        jobs: Mapping[str, Job],
        last: bool,
        doubts: Mapping[str, str | None] | None = None,
    ) -> None:
        """``doubts``: what is absent stays in doubt since then (None: it never was): it is looked for again before it is sent."""
        self._spoils(step)
        intents, links, restated, remembered, audit = [], [], [], [], []
        named: dict[tuple[str, str], Job] = {}
        for outcome in outcomes:
            job = jobs[outcome.intent]
            status = {"absent": "planned"}.get(outcome.status, outcome.status)
            told = {"intent": outcome.intent, "status": status, "result_id": outcome.id, "message": outcome.message}
            intents.append(told | {"doubted_at": (doubts or {}).get(outcome.intent) if outcome.status == "absent" else None})
            if outcome.status == "confirmed":
                self._recognise(step, job, outcome, named)
                self._take(step, job, outcome.id)
                links.append(self._link(job, "active" if last else "pending"))
                if last:
                    ids = {"procore_id": job.procore_id, "erp_key": job.erp_key}
                    restated.append({**_key(job.row), "state": "linked", **_DONE, **ids})
                remembered += self._read_back(step, job, outcome)
                audit.append(self._audit(step, job))
            elif outcome.status == "rejected":
                job.failed = True
                self.stopped.add(job.row["id"])
                restated.append({**_key(job.row), **self._refusal(job, step, outcome)})
        self.sync.ledger.settled(
            self.lease, call, intents,
            run_id=self.run_id, entity=self.row.name, links=links, outcomes=restated, remembered=remembered, audit=audit,
        )  # fmt: skip

    def _finish(self, jobs: Sequence[Job], status: str = "active") -> None:
        """Nothing is left to send for these (``pending``: in this step) in this try: what follows from that is written now."""
        done = _DONE if status == "active" else {}
        rows = [
            {**_key(job.row), "state": "linked", "procore_id": job.procore_id, "erp_key": job.erp_key, **done} for job in jobs
        ]
        self.sync.ledger.settled(
            self.lease,
            None,
            [],
            run_id=self.run_id,
            entity=self.row.name,
            links=[self._link(job, status) for job in jobs],
            outcomes=rows,
        )

    def _recognise(self, step: Step, job: Job, outcome: Outcome, named: dict[tuple[str, str], Job]) -> None:
        """An answer that names another record than the one that was sent: whatever it means, nothing is linked by it. ``named``:
        company and id that the same answer gave for others."""
        if outcome.id is None:
            return
        known = job.procore_id if step.system == "procore" else job.erp_key if job.link is not None else None
        side, sent = "Procore" if step.system == "procore" else "the ERP", f"{self.row.label} {job.row['number']}"
        twin = named.setdefault(("" if step.system == "procore" else job.row["company"], outcome.id), job)
        if twin is not job:
            raise ContractBroken(
                f"{side} answered the {step.name} of {sent} with record {outcome.id}, which it also gave for {twin.row['number']}"
            )
        if known is not None and outcome.id != known:
            raise ContractBroken(f"{side} answered the {step.name} of {sent}, its record {known}, with record {outcome.id}")
        other = self.linked.get((step.system, "" if step.system == "procore" else job.row["company"], outcome.id))
        if other is not None and other.erp_key != (job.erp_key or job.row["number"]) and job.link is None:
            raise ContractBroken(
                f"{side} answered the {step.name} of {sent} with record {outcome.id}, which is linked to {other.erp_key}"
            )

    def _take(self, step: Step, job: Job, result_id: str | None) -> None:
        if step.system == "procore":
            job.procore_id = result_id or job.procore_id
        else:
            job.erp_key = result_id or job.erp_key

    def _link(self, job: Job, status: str) -> Link:
        plain = content(job.record, self.row.content) if job.agreed is None else job.agreed
        if job.agreed is None and job.link is not None and (job.link.content or {}).get("other"):
            plain = {**plain, "other": (job.link.content or {})["other"]}  # a person accepted that the two differ there
        revision = job.revision + 1 if status == "active" else job.revision
        return Link(
            entity=self.row.name,
            company=job.row["company"],
            erp_key=job.erp_key or job.row["number"],
            procore_id=job.procore_id or "",
            number=job.row["number"],
            revision=revision,
            content_hash=digest(plain),
            # Who owns a budget is agreed with the link, and is no content: it is never compared, and changes by decision only.
            content={**plain, "owner": getattr(job.record, "owner", None)} if self.row.two_way else plain,
            status=status,
            scope=getattr(job.record, "project", None),
        )

    def _read_back(self, step: Step, job: Job, outcome: Outcome) -> list[dict[str, Any]]:
        """What the system answered is what reconciliation will count, not what we meant to write."""
        if step.system == self.source_side:  # what we wrote to the source are external ids: no change of anybody's
            ours: dict[str, Any] = {"number": job.row["number"], "origin_id": self._origin(job) if self.row.external_id else None}
            if outcome.updated_at is not None:
                ours["seen_updated_at"] = stamp(outcome.updated_at)
            return [{"entity": self.row.name, "company": job.row["company"], "side": step.system, "id": job.row["id"], **ours}]
        if outcome.record is None:
            return []
        job.read_back = True
        return [self._seen(job, step.system, outcome.record)]

    def _seen(self, job: Job, side: Side, record: Record) -> dict[str, Any]:
        return {
            "entity": self.row.name,
            "company": job.row["company"],
            "side": side,
            "id": record.id,
            "number": job.row["number"],
            "scope": getattr(job.record, "project", None),
            "origin_id": record.origin_id,
            "seen_updated_at": stamp(record.updated_at) if record.updated_at else None,
            "read_at": stamp(),
            "figures": canonical_json(figures(record)),
        }

    def _read_back_missing(self, jobs: Sequence[Job]) -> None:
        """Records whose write was answered without their contents (a code without its types) are read once more, by id."""
        if not jobs:
            return
        projects = self.sync.fresh_links("projects")
        by_id = {}
        for job in jobs:
            place = getattr(job.record, "project", None)
            if place and self.target_side == "procore":
                link = projects.find(job.row["company"], place)
                place = link.procore_id if link else None
            ident = job.procore_id if self.target_side == "procore" else job.erp_key
            if ident:
                by_id[ident] = (place, job)
        references = References(self.sync, self.row)
        rows = []
        for page in self.target.read_ids(self.row.name, [(place, ident) for ident, (place, _) in by_id.items()]):
            for record in page.records:
                if record.id in by_id:
                    plain = references.translated(record) if self.target_side == "procore" else record
                    rows.append(self._seen(by_id[record.id][1], self.target_side, plain))
        self.sync.ledger.remember(rows)

    def _audit(self, step: Step, job: Job) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "who": "sync",
            "what": f"{job.row['action']}: {step.name}",
            "entity": self.row.name,
            "company": job.row["company"],
            "record_id": job.row["id"],
            "number": job.row["number"],
            "content_hash": job.row["content_hash"],
            "detail": canonical_json({"procore_id": job.procore_id, "erp_key": job.erp_key, "changes": job.changes}),
        }

    def _refusal(self, job: Job, step: Step, outcome: Outcome) -> dict[str, Any]:
        side = "Procore" if step.system == "procore" else "the ERP"
        message = f"{self.row.label.capitalize()} {job.row['number']} was refused by {side}: {outcome.message}"
        if outcome.locked:
            instead = INSTEAD[self.row.name].format(entity=self.row.name, number=job.row["number"])
            message = f"{message.removesuffix('.')}. {instead}"
        log.warning("%s", message)
        return {"state": "blocked" if outcome.locked else "quarantined", "rule": "refused", "waits_for": None, "message": message}

    # -- what an earlier run left open -------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Intents that were sent and never answered for, of any run: looked up now, confirmed or freed."""
        open_rows = self.sync.ledger.open_intents(self.row.name, self.shard)
        by_step: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in open_rows:
            by_step[row["step"]].append(row)
        steps = {step.name: step for step in self._all_steps()}
        for name, rows in by_step.items():
            step = steps.get(name)
            if step is None:
                raise SyncError(f"intents of step {name} of {self.row.name} are open, but no system offers that step any more")
            items = {row["intent"]: _undump(self.row, row) for row in rows}
            system = self.sync.systems[step.system]
            now, settle = system.now(), self._settle_time(step)  # before the look, as in _look_again
            found = system.find(step, list(items.values()))
            self._spoils(step)
            since = {row["intent"]: row["doubted_at"] for row in rows}
            settled = [
                {
                    "intent": o.intent,
                    "status": {"absent": "planned"}.get(o.status, o.status),
                    "result_id": o.id,
                    "message": o.message,
                    "doubted_at": since[o.intent] if o.status == "absent" else None,
                }
                for o in found
                if o.status != "absent" or (now - cast(datetime, moment(since[o.intent]))).total_seconds() >= settle
            ]
            self.sync.ledger.settled(self.lease, None, settled, run_id=self.run_id, entity=self.row.name)
            log.info(
                "%s %s: %d of %d open intents had arrived",
                self.row.name,
                name,
                sum(o.status == "confirmed" for o in found),
                len(rows),
            )

    def _all_steps(self) -> tuple[Step, ...]:
        name = self.row.name
        actions: tuple[Action, ...] = ("create", "update", "link", "void")
        return tuple(step for system in (self.target, self.source) for action in actions for step in system.steps(name, action))


def _budget_owners(sync: Sync) -> dict[str, str]:
    """Owner of each project's budget, by Procore id: as linked or, where the budget itself was stopped, as Procore told it last.
    A write of the project's origin_data must not forget it."""
    told = {ident: row["figures"].get("owner") for ident, row in in_procore(sync, "budgets").items()}
    told |= {link.procore_id: (link.content or {}).get("owner") for link in sync.ledger.links("budgets")}
    return {ident: owner for ident, owner in told.items() if ident and owner}


_DONE: Mapping[str, Any] = {"done": True, "rule": None, "waits_for": None, "message": None}
"""Of a record that is loaded: a doubt of an earlier try has nothing more to say."""


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("company", "side", "id")}


def _dump(item: Item) -> dict[str, Any]:
    plain = {name: getattr(item, name) for name in item.__slots__ if name != "record"}
    return {**plain, "refs": dict(item.refs), "record": item.record.model_dump(mode="json")}


def _undump(row: Entity, intent: Mapping[str, Any]) -> Item:
    plain = json.loads(intent["item"])
    record = row.model.model_validate(plain.pop("record"), strict=False)
    return replace(Item(record=record, **{**plain, "changes": tuple(plain["changes"])}), intent=intent["intent"])
