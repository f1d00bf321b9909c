"""What is final in the ERP (posted, closed, void) is shown so in Procore, in the ``origin_data`` of its record: once per status.

It is a notice and no content: the same note may be written twice without harm, so an unanswered one is simply looked for and
written by the next run. Nothing depends on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from include.financials.entity import Entity
from include.financials.exceptions import ConfigurationError, ContractBroken, Refused, RetryLater
from include.financials.identity import canonical_json, digest, shard_of
from include.financials.ledger import Intent, Lease, Link, LinkIndex, Note, Remembered, Settled, stamp
from include.financials.ledger.journal import FINAL as STEP
from include.financials.port import Item, Outcome, Refs, Step
from include.financials.record import Record
from include.financials.view import Sync
from include.financials.writing.items import origin_of
from include.financials.writing.steps import Failed, new_call, send

log = logging.getLogger(__name__)


def carry_out(sync: Sync, row: Entity, shard: int, lease: Lease) -> None:
    """Note on Procore's records what their counterparts have become. ``lease`` is the entity's. A note that cannot be written is
    left to the next run. Raises LeaseLost, and what a ledger raises that is away."""
    if sync.settings.show_final != "on" or not row.final:
        return
    procore = sync.systems["procore"]
    references = {name: sync.fresh_links(name, contents=False) for name in {*row.references.values()} - {row.name}}
    for link, record, status in _news(sync, row, shard):
        if not sync.writes_on(row.name):
            return
        item = _item(sync, row, link, record, status, references)
        step = next(step for step in procore.steps(row.name, "final") if procore.wants(step, item))
        if not _note(sync, step, item, link, status, shard, lease):
            return


def _news(sync: Sync, row: Entity, shard: int) -> Iterator[tuple[Link, Record, str]]:
    """Linked documents of the run whose status in the ERP is final and not shown, or shown and final no more."""
    there = {(record.company or "", record.id): record for record in sync.lists.everywhere("erp", row.name)}
    for link in sync.ledger.links.of(row.name, contents=False):
        record = there.get((link.company, link.erp_key))
        job = link.scope or ""
        if record is None or link.status != "active" or shard_of(job, sync.run.shards) != shard:
            continue
        if (sync.run.projects and job not in sync.run.projects) or not sync.run.wants(link.number):
            continue
        status = str(getattr(record, "status", ""))
        if status != link.shown and (status in row.final or link.shown is not None):
            yield link, record, status


def _item(sync: Sync, row: Entity, link: Link, record: Record, status: str, references: dict[str, LinkIndex]) -> Item:
    refs = Refs()
    for name, entity in row.references.items():
        key: Any = getattr(record, name, None)
        if isinstance(key, str) and entity in references:
            found = references[entity].find(link.company, key)
            refs[name] = found.procore_id if found else None
    state = {"state": status} if status in row.final else {}
    return Item(
        intent=digest([STEP, row.name, link.link_id, status, sync.run.run_id]),
        record=record,
        company=link.company,
        number=link.number,
        origin_id=origin_of(sync, row, link.company, link.erp_key),
        origin_data=canonical_json({"erp_key": link.erp_key, **state}),
        procore_id=link.procore_id,
        erp_key=link.erp_key,
        refs=refs,
    )


def _note(sync: Sync, step: Step, item: Item, link: Link, status: str, shard: int, lease: Lease) -> bool:
    """One journaled call; False where nothing more is to be tried now."""
    entity, run_id, ledger, procore = item.record.entity, sync.run.run_id, sync.ledger, sync.systems["procore"]
    if ledger.journal.intents([item.intent]):  # once in a run
        return True
    intent = Intent(
        item.intent, run_id, entity, item.company, link.procore_id, shard, STEP, link.revision, "", item.origin_data or "{}"
    )  # fmt: skip
    call = new_call(run_id, "procore", entity, STEP, item.refs.get("project") or "")
    answer = send(ledger, lease, procore, call, [intent], lambda alive: list(procore.post(step, [item], alive)))
    match answer:
        case Failed(error=RetryLater() as error):
            ended, outcome = answer.ended("refused"), Outcome(item.intent, "rejected", message=str(error))
        case Failed(error=Refused() | ConfigurationError() as error):
            ended, outcome = answer.ended("done"), Outcome(item.intent, "rejected", message=str(error))
        case Failed(error=error):
            ended, outcome = answer.ended("unknown"), Outcome(item.intent, "absent", message=str(error))
        case [outcome]:
            ended = call._replace(status="done", message=outcome.message)
        case _:
            raise ContractBroken(f"{len(answer)} outcomes of one note")
    given = outcome.status == "confirmed"
    told = "unknown" if outcome.status == "absent" else outcome.status  # it may still come; nobody waits for it
    ours = []
    if given and outcome.updated_at:
        seen_at = stamp(outcome.updated_at)
        ours = [Remembered(entity, item.company, "procore", link.procore_id, link.number, seen_updated_at=seen_at)]
    what = f"final: {status} in the ERP, {'shown' if given else 'not shown'} in Procore"
    note = Note(
        "sync", what, entity, item.company, link.procore_id, link.number, None, None if given else outcome.message, run_id
    )  # fmt: skip
    ledger.journal.settled(
        lease, ended, [Settled(item.intent, told, outcome.id, outcome.message)],
        run_id=run_id, entity=entity, remembered=ours, notes=[note],
    )  # fmt: skip
    if given:
        ledger.links.show(link, status)
    log.info("%s %s: %s", entity, link.number, what)
    return ended.status != "refused"
