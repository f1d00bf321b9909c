"""What is final in the ERP (posted, closed, void) is shown so in Procore, in the ``origin_data`` of its record: once per status.

It is a notice and no content: the same note may be written twice without harm, so an unanswered one is simply looked for and
written by the next run. Nothing depends on it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

from include.financials.entities import Entity
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.identity import Origin, canonical_json, digest, shard_of
from include.financials.ledger import FINAL as STEP
from include.financials.ledger import Lease, Link, stamp
from include.financials.models import Record
from include.financials.port import Item, Outcome, Step
from include.financials.references import LinkIndex
from include.financials.statuses import FINAL
from include.financials.view import Sync

log = logging.getLogger(__name__)


def carry_out(sync: Sync, row: Entity, shard: int, lease: Lease) -> None:
    """Note on Procore's records what their counterparts have become. ``lease`` is the entity's. A note that cannot be written is
    left to the next run. Raises LeaseLost, and what a ledger raises that is away."""
    if sync.settings.show_final != "on" or row.name not in FINAL:
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
    for link in sync.ledger.links(row.name, contents=False):
        record = there.get((link.company, link.erp_key))
        job = link.scope or ""
        if record is None or link.status != "active" or shard_of(job, sync.run.shards) != shard:
            continue
        if (sync.run.projects and job not in sync.run.projects) or not sync.run.wants(link.number):
            continue
        status = str(getattr(record, "status", ""))
        if status != link.lock_state and (status in FINAL[row.name] or link.lock_state is not None):
            yield link, record, status


def _item(sync: Sync, row: Entity, link: Link, record: Record, status: str, references: dict[str, LinkIndex]) -> Item:
    refs: dict[str, str | None] = {}
    for name, entity in row.references.items():
        key: Any = getattr(record, name, None)
        if isinstance(key, str) and entity in references:
            found = references[entity].find(link.company, key)
            refs[name] = found.procore_id if found else None
    state = {"state": status} if status in FINAL[row.name] else {}
    return Item(
        intent=digest([STEP, row.name, link.link_id, status, sync.run.run_id]),
        record=record,
        company=link.company,
        number=link.number,
        origin_id=str(Origin(sync.namespace, link.company, row.name, link.erp_key)),
        origin_data=canonical_json({"erp_key": link.erp_key, **state}),
        procore_id=link.procore_id,
        erp_key=link.erp_key,
        refs=refs,
    )


def _note(sync: Sync, step: Step, item: Item, link: Link, status: str, shard: int, lease: Lease) -> bool:
    """One journaled call; False where nothing more is to be tried now."""
    entity, run_id = item.record.entity, sync.run.run_id
    if sync.ledger.intents([item.intent]):  # once in a run
        return True
    procore = sync.systems["procore"]
    call = {
        "call_id": uuid.uuid4().hex, "run_id": run_id, "system": "procore", "entity": entity, "step": STEP,
        "scope": item.refs.get("project") or "", "level": 0, "items": 1,
    }  # fmt: skip
    told = {
        "intent": item.intent, "run_id": run_id, "entity": entity, "company": item.company, "source_id": link.procore_id,
        "shard": shard, "step": STEP, "revision": link.revision, "content_hash": "", "item": item.origin_data,
        "doubted_at": stamp(procore.now()),
    }  # fmt: skip
    sync.ledger.sending(lease, call, [told])
    state, go_on = "done", True
    try:
        (outcome,) = procore.post(step, [item], lambda: sync.ledger.renew(lease))
    except RetryLater as error:
        state, go_on, outcome = "refused", False, Outcome(item.intent, "rejected", message=str(error))
    except (Refused, ConfigurationError) as error:
        outcome = Outcome(item.intent, "rejected", message=str(error))
    except (OutcomeUnknown, ContractBroken) as error:
        state, outcome = "unknown", Outcome(item.intent, "absent", message=str(error))
    given = outcome.status == "confirmed"
    entry = {
        "intent": item.intent, "status": {"absent": "unknown"}.get(outcome.status, outcome.status), "result_id": outcome.id,
        "message": outcome.message,
    }  # fmt: skip
    ours = {"seen_updated_at": stamp(outcome.updated_at)} if given and outcome.updated_at else None
    seen = {"entity": entity, "company": item.company, "side": "procore", "id": link.procore_id, "number": link.number}
    audit = {
        "run_id": run_id, "who": "sync", "what": f"final: {status} in the ERP, {'shown' if given else 'not shown'} in Procore",
        "entity": entity, "company": item.company, "record_id": link.procore_id, "number": link.number,
        "detail": None if given else outcome.message,
    }  # fmt: skip
    sync.ledger.settled(
        lease, {**call, "status": state, "message": outcome.message}, [entry],
        run_id=run_id, entity=entity, remembered=[{**seen, **ours}] if ours else [], audit=[audit],
    )  # fmt: skip
    if given:
        sync.ledger.noted(link, status)
    log.info("%s %s: %s", entity, link.number, audit["what"])
    return go_on
