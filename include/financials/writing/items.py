"""What a step sends of a record: the item of the port, with the other side's ids for all that the record names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.identity import Origin, canonical_json, digest
from include.financials.ledger import Intent, LinkIndex
from include.financials.port import Item, Refs, Step
from include.financials.record import Record
from include.financials.view import Sync

if TYPE_CHECKING:
    from include.financials.writing.plan import Job, Load


def item_of(load: Load, step: Step, job: Job, references: Mapping[str, LinkIndex]) -> Item:
    company, key = job.row.company, job.erp_key or job.row.number
    parts = [load.row.name, company, job.row.id, step.name, job.revision, job.row.content_hash]
    return Item(
        intent=digest(parts),
        record=job.record,
        company=company,
        number=job.row.number,
        origin_id=origin_of(load.sync, load.row, company, key),
        origin_data=canonical_json({"erp_key": key, **_owner(load, job)}),
        procore_id=job.procore_id,
        erp_key=job.erp_key,
        refs=refs_of(load.row, job.record, company, references) if step.system == "procore" else Refs(),
        changes=job.changes,
        level=job.level,
    )


def origin_of(sync: Sync, row: Entity, company: str, key: str) -> str:
    """The external id of the record in Procore; what has none of its own goes by that of the record it is kept in."""
    return str(Origin(sync.namespace, company, row.marked_on or row.name, key))


def _owner(load: Load, job: Job) -> dict[str, str]:
    """Owner of what a record carries (a project its budget's), which its origin_data records (docs/domain-rules.md 2.9)."""
    carried = load.row if load.row.marked_on else carried_by(load.row)
    if carried is None:
        return {}
    owner = getattr(job.record, "owner", None) if carried is load.row else load.owners.get(job.procore_id or "")
    return {f"{carried.label.replace(' ', '_')}_owner": owner} if owner else {}


def carried_by(row: Entity) -> Entity | None:
    """The entity whose owner is told by the external ids of this one's records."""
    return next((one for one in ENTITIES.values() if one.marked_on == row.name), None)


def budget_owners(sync: Sync, row: Entity) -> dict[str, str]:
    """Owner of what each record of ``row`` carries, by Procore id: as linked or, where that itself was stopped, as Procore told
    it last. A write of the record's origin_data must not forget it."""
    carried = carried_by(row)
    if carried is None:
        return {}
    told = {ident: held.figures.get("owner") for ident, held in sync.memory(carried.name).items()}
    told |= {link.procore_id: (link.content or {}).get("owner") for link in sync.ledger.links.of(carried.name)}
    return {ident: owner for ident, owner in told.items() if ident and owner}


def refs_of(row: Entity, record: Record, company: str, references: Mapping[str, LinkIndex]) -> Refs:
    """Procore ids of what the record names: ``project``, ``parent``; types of a code as ``type:<ERP type>``; what its lines
    name as ``cost_code:<key>``, ``cost_type:<ERP type>``."""

    def procore_id(entity: str, key: str | None) -> str | None:
        link = references[entity].find(company, key) if key is not None else None
        return link.procore_id if link else None

    refs = Refs()
    for name, entity in row.references.items():
        head, _, rest = name.partition(".")
        if rest:
            keys = {getattr(line, rest) for line in getattr(record, head)} - {None}
            refs.update({Refs.place(rest, key): procore_id(entity, key) for key in keys})
            continue
        value = getattr(record, head)
        if isinstance(value, tuple):
            refs.update({Refs.place("type", item): procore_id(entity, item) for item in value})
        else:
            refs[head] = procore_id(entity, value)
    return refs


def parent_missing(step: Step, job: Job, item: Item) -> bool:
    parent = getattr(job.record, "parent", None)
    return bool(step.levels and step.system == "procore" and parent and item.refs.get("parent") is None)


# -- in the journal -----------------------------------------------------------------------------------------------------------


def intent_of(load: Load, step: Step, item: Item, job: Job) -> Intent:
    return Intent(
        intent=item.intent,
        run_id=load.run_id,
        entity=load.row.name,
        company=item.company,
        source_id=job.row.id,
        shard=load.shard,
        step=step.name,
        revision=job.revision,
        content_hash=job.row.content_hash or "",
        item=canonical_json(_dump(item)),
    )


def _dump(item: Item) -> dict[str, Any]:
    plain = {name: getattr(item, name) for name in item.__slots__ if name != "record"}
    return {**plain, "refs": dict(item.refs), "record": item.record.model_dump(mode="json")}


def undump(row: Entity, intent: Intent) -> Item:
    """The item that was sent, from the journal."""
    plain = json.loads(intent.item)
    record = row.model.model_validate(plain.pop("record"), strict=False)
    return replace(Item(record=record, **{**plain, "changes": tuple(plain["changes"])}), intent=intent.intent)
