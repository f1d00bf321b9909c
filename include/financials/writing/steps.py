"""Steps: one request after the other, each between two commits, and looked for before it is sent a second time.

Before a request its intents become ``sent``; after it they become ``confirmed``, ``rejected`` or ``unknown``. Whatever is
``sent`` or ``unknown`` is looked up on the other side before it may be sent again.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar, cast

from include.financials.departing import Alive, under
from include.financials.exceptions import (
    ConfigurationError,
    ContractBroken,
    OutcomeUnknown,
    Refused,
    RetryLater,
    SyncError,
)
from include.financials.ledger import Call, Intent, Lease, Ledger, Settled, moment, stamp
from include.financials.port import Item, Outcome, Step, System
from include.financials.record import Side
from include.financials.view import Sync
from include.financials.writing.accepting import hold, settle_accepted, waiting
from include.financials.writing.items import intent_of, item_of, parent_missing, undump
from include.financials.writing.plan import Job, Load, all_steps, allowed, in_turn, linked_now
from include.financials.writing.settling import finish, settle, settled_as, take, unsettled, wait

log = logging.getLogger(__name__)

SILENT = 3
"""Calls in a row without an answer after which a load stops asking for more of them."""
HALVINGS = 11
"""Refused calls in a row that it takes to find one bad record among 1,000."""

T = TypeVar("T")


# -- one journaled request ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that was not answered, or whose answer is no: what the system raised."""

    call: Call
    error: SyncError

    def ended(self, status: Literal["done", "refused", "unknown"]) -> Call:
        """The call as it is written down: refused by its one record, refused whole (surely nothing was applied), or unknown."""
        return self.call._replace(status=status, message=str(self.error))


def send(
    ledger: Ledger,
    lease: Lease,
    system: System,
    call: Call,
    intents: Sequence[Intent],
    request: Callable[[Callable[[], None]], T],
) -> T | Failed:
    """The commit before a request, and the request itself, which is given a way to renew the lease. The commit after it is the
    caller's (``Journal.settled``): with it goes all that follows from the answer.

    The intents are in doubt from the moment that they leave: a process that ends now can say nothing more. Raises LeaseLost, and
    OutcomeUnknown where another task is sending one of them; what the system raises comes back as :class:`Failed`.
    """
    since = stamp(system.now())
    alive = Alive(lambda: ledger.leases.renew(lease))
    ledger.journal.sending(lease, call, [intent._replace(doubted_at=since) for intent in intents])
    try:
        with under(alive):
            return request(alive)
    except (RetryLater, Refused, ConfigurationError, OutcomeUnknown, ContractBroken) as error:
        return Failed(call, error)


def new_call(run_id: str, system: Side, entity: str, step: str, scope: str, *, level: int = 0, items: int = 1) -> Call:
    return Call(uuid.uuid4().hex, run_id, system, entity, step, scope, level, items)


def settle_time(sync: Sync, *, keyless: bool) -> float:
    """Seconds that a write without an answer is given to arrive."""
    return sync.settings.settle_seconds_without_key if keyless else sync.settings.settle_seconds


# -- one step of many records -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent of some jobs in one step."""

    load: Load
    step: Step
    level: int
    last: bool
    """Whether their making ends with it."""
    jobs: Mapping[str, Job]
    """By intent."""

    @property
    def system(self) -> System:
        return self.load.sync.systems[self.step.system]

    @property
    def settle_time(self) -> float:
        return settle_time(self.load.sync, keyless=self.step.keyless)

    def intent(self, item: Item) -> Intent:
        return intent_of(self.load, self.step, item, self.jobs[item.intent])

    def settle(
        self, call: Call | None, outcomes: Sequence[Outcome], doubts: Mapping[str, str | None] | None = None
    ) -> None:  # fmt: skip
        settle(self.load, self.step, call, outcomes, self.jobs, last=self.last, doubts=doubts)


def carry_step(load: Load, step: Step, jobs: Sequence[Job], level: int, *, last: bool) -> None:
    """What is confirmed already is taken, what is in doubt looked for, and the rest sent. Raises what stops the task."""
    sync, journal = load.sync, load.sync.ledger.journal
    items: dict[str, Item] = {}
    by_intent: dict[str, Job] = {}
    idle: list[Job] = []
    references = linked_now(load, jobs)
    system = sync.systems[step.system]
    handed = waiting(load, step)
    for job in jobs:
        if (intent := handed.get((job.row.company, job.row.id))) is not None:
            hold(load, job, intent)
            continue
        item = item_of(load, step, job, references)
        if not in_turn(load, job, parent_missing=parent_missing(step, job, item)):
            continue
        if not system.wants(step, item):
            idle.append(job)
            continue
        items[item.intent], by_intent[item.intent] = item, job
    part = Part(load, step, level, last, by_intent)
    known = journal.intents(items)
    arrived = [(by_intent[key], entry.result_id) for key, entry in known.items() if entry.status == "confirmed"]
    for job, result_id in arrived:
        take(step, job, result_id)
    if not last and (unlinked := [job for job, _ in arrived if job.link is None]):
        finish(load, unlinked, "pending")  # children need the id of a parent that only the journal knows
    if doubts := _doubts(part, items, known):
        _look_again(part, [items[intent] for intent in doubts], doubts)
        known = journal.intents(items)
    by_scope: dict[str, list[Item]] = defaultdict(list)
    for key, item in items.items():
        if _due(load, known.get(key), by_intent[key]):
            by_scope[system.scope(step, item)].append(item)
    for scope, alike in sorted(by_scope.items()):
        for batch in batches(alike, step.batch):
            if allowed(load, [by_intent[item.intent] for item in batch]):
                _call(part, scope, batch, {item.intent: doubts.get(item.intent) for item in batch})
    if last:
        confirmed = {key for key, entry in known.items() if entry.status == "confirmed"}
        over = [job for key, job in by_intent.items() if key in confirmed and not job.failed]
        if over or idle:
            finish(load, [*over, *idle])


def _due(load: Load, entry: Intent | None, job: Job) -> bool:
    """Not what is confirmed; and what was refused only once per run:
    its cause may have gone since, a refusal applied nothing."""
    if entry is None or job.failed:
        return not job.failed
    return entry.status == "planned" or (entry.status == "rejected" and entry.run_id != load.run_id)


def _call(part: Part, scope: str, batch: Sequence[Item], doubts: Mapping[str, str | None]) -> None:
    """One journaled call. ``doubts``: since when an intent is in doubt from an earlier sending, if it is."""
    load, step, sync = part.load, part.step, part.load.sync
    call = new_call(load.run_id, step.system, load.row.name, step.name, scope, level=part.level, items=len(batch))
    load.spoil(step)
    outcomes = send(
        sync.ledger, load.lease, part.system, call, list(map(part.intent, batch)),
        lambda alive: list(part.system.post(step, batch, alive)),
    )  # fmt: skip
    if isinstance(outcomes, Failed):
        untouched = [Outcome(item.intent, "absent") for item in batch]
        match outcomes.error:
            case RetryLater() as error:
                # Surely nothing was applied: the intents go back to planned, so that the next try sends without looking.
                part.settle(call._replace(status="refused"), untouched, doubts)
                raise error
            case Refused() as error if len(batch) > 1 and not _refused_alike(load, str(error)):
                part.settle(outcomes.ended("refused"), untouched, doubts)
                # Nothing of it applied: look for the record that spoils it, let the others through.
                middle = len(batch) // 2
                for half in (batch[:middle], batch[middle:]):
                    _call(part, scope, half, doubts)
                return
            case Refused() as error:
                outcomes = [Outcome(item.intent, "rejected", message=str(error), field=error.field) for item in batch]
            case OutcomeUnknown():
                _doubtful(part, outcomes.ended("unknown"), batch)
                return
            case error:
                raise error
    answered = [outcome for outcome in outcomes if outcome.status != "absent"]
    part.settle(call._replace(status="done"), answered)
    if any(outcome.status == "confirmed" for outcome in answered):
        load.refusals.clear()
        load.lost = 0
    known = {outcome.intent for outcome in answered}
    if silent := [item for item in batch if item.intent not in known]:
        _doubtful(part, call._replace(status="unknown", message="the answer does not mention it"), silent)
    log.info("%d %s %s (%s%s)", len(known), load.row.name.replace("_", " "), step.done, step.name, f", {scope}" if scope else "")


def _refused_alike(load: Load, message: str) -> bool:
    """So many refusals in the same words without a success between:
    no single record is at fault, more halves only cost calls."""
    load.refusals[message] += 1
    return load.refusals[message] > HALVINGS


# -- in doubt -----------------------------------------------------------------------------------------------------------------


def _doubtful(part: Part, call: Call, batch: Sequence[Item]) -> None:
    """No answer. What is found now has arrived; what is not may still do so, and is neither there nor absent."""
    load, step, why = part.load, part.step, call.message
    log.warning(
        "%s %s: the answer of %d records was lost (%s); looking whether they arrived", load.row.name, step.name, len(batch), why
    )
    since = stamp(part.system.now())
    told = [Settled(item.intent, "unknown", message=why, doubted_at=since) for item in batch]
    load.sync.ledger.journal.settled(load.lease, call, told, run_id=load.run_id, entity=load.row.name)
    found = [outcome for outcome in part.system.find(step, batch) if outcome.status != "absent"]
    part.settle(None, found)
    known = {outcome.intent for outcome in found}
    wait(load, step, [(part.jobs[item.intent], part.settle_time) for item in batch if item.intent not in known])
    load.lost += 1
    if load.lost >= SILENT and load.waits:
        raise unsettled(load.row.name, load.waits)


def _doubts(part: Part, items: Mapping[str, Item], known: Mapping[str, Intent]) -> dict[str, str]:
    """Since when each intent is in doubt that is: it was sent without an answer, or something else of its record was (which
    had another content then, and is the same record)."""
    open_since = part.load.sync.ledger.journal.doubts(part.load.row.name, part.step.name)
    found = {}
    for intent in items if open_since else ():
        row = part.jobs[intent].row
        since = open_since.get((row.company, row.id))
        if since is not None and (intent not in known or known[intent].status != "confirmed"):
            found[intent] = since
    return found


def _look_again(part: Part, asked: Sequence[Item], doubts: Mapping[str, str]) -> None:
    """Looks for these before anything of them is sent; what is not found may be sent once the settle time is over."""
    load, step = part.load, part.step
    log.info("%s %s: %d are in doubt; looking for them before anything is sent", load.row.name, step.name, len(doubts))
    journaled = [part.intent(item)._replace(doubted_at=doubts[item.intent]) for item in asked]
    load.sync.ledger.journal.doubt(load.lease, journaled)
    # The clock before the look: one that began within the settle time and lasted beyond it proves nothing.
    now = part.system.now()
    over, early = [], []
    for outcome in part.system.find(step, asked):
        left = part.settle_time - waited(now, doubts[outcome.intent])
        if outcome.status != "absent" or left <= 0:
            over.append(outcome)
        else:
            early.append((part.jobs[outcome.intent], left))
    wait(load, step, early)
    part.settle(None, over, doubts)


def waited(now: datetime, doubted_at: str | None) -> float:
    """Seconds that something has been in doubt for, on the executing system's clock."""
    return (now - cast(datetime, moment(doubted_at))).total_seconds()


def recover(load: Load) -> None:
    """Intents that were sent and never answered for, of any run: looked up now, confirmed or freed."""
    journal, entity = load.sync.ledger.journal, load.row.name
    by_step: dict[str, list[Intent]] = defaultdict(list)
    for row in journal.open_intents(entity, load.shard):
        by_step[row.step].append(row)
    steps = {step.name: step for step in all_steps(load)}
    settle_accepted(load, steps)
    for name, rows in by_step.items():
        step = steps.get(name)
        if step is None:
            raise SyncError(f"intents of step {name} of {entity} are open, but no system offers that step any more")
        system = load.sync.systems[step.system]
        now, given = system.now(), settle_time(load.sync, keyless=step.keyless)  # before the look, as in _look_again
        found = list(system.find(step, [undump(load.row, row) for row in rows]))
        load.spoil(step)
        since = {row.intent: row.doubted_at for row in rows}
        settled = [
            settled_as(outcome, since[outcome.intent])
            for outcome in found
            if outcome.status != "absent" or waited(now, since[outcome.intent]) >= given
        ]
        journal.settled(load.lease, None, settled, run_id=load.run_id, entity=entity)
        arrived = sum(outcome.status == "confirmed" for outcome in found)
        log.info("%s %s: %d of %d open intents had arrived", entity, name, arrived, len(rows))


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
