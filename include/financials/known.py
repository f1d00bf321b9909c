"""What is known of records by now: the ledger's memory of Procore, and the ERP's books as this run will have left them."""

from __future__ import annotations

import json
from typing import Any

from include.financials.entities import ENTITIES, Entity
from include.financials.exceptions import StepMissing
from include.financials.figures import figures
from include.financials.models import Record
from include.financials.port import Invalid
from include.financials.reading.chosen import elsewhere
from include.financials.references import References
from include.financials.view import Sync

_JUDGED = ("number", "state", "rule", "company", "project", "message")


def in_procore(sync: Sync, entity: str) -> dict[str, dict[str, Any]]:
    """Every record of Procore as last read, by id, ``figures`` decoded: the ledger's memory and, in plan mode (which leaves
    none), what this run has read and judged."""
    found = {
        record_id: {**row, "figures": json.loads(row["figures"] or "{}")}
        for (_, record_id), row in sync.ledger.seen(entity, "procore").items()
    }
    if sync.run.plan:
        found |= _read_now(sync, ENTITIES[entity]) if ENTITIES[entity].source == "erp" else {}
        for row in sync.ledger.outcomes(sync.run.run_id, entity):
            if row["side"] == "procore":
                before = found.get(row["id"], {"origin_id": None, "deleted": False, "figures": {}})
                told = json.loads(row["figures"] or "{}")
                judged = {name: row[name] for name in _JUDGED}
                found[row["id"]] = {**before, **judged, **({"figures": told} if told else {}), **told.pop("own", {})}
    return found


def _read_now(sync: Sync, row: Entity) -> dict[str, dict[str, Any]]:
    """What Procore holds of an ERP-born entity, as this run has read it."""
    references = References(sync, row)
    return {
        record.id: {
            "number": record.number, "origin_id": record.origin_id, "company": "", "deleted": False, "state": None,
            "rule": None, "figures": figures(references.translated(record)),
        }
        for record in sync.lists.everywhere("procore", row.name)
    }  # fmt: skip


def in_books(sync: Sync, entity: str, *, planned: bool = True) -> dict[tuple[str, str], Record]:
    """The ERP's records by (company, key), as read in this run plus what this run will have written by then: the same for a
    plan and for an apply (docs/domain-rules.md 2.0). Without ``planned`` only with what it has written: a check that is
    retried must not take its own first verdict for a document that is there."""
    found = {(record.company or "", record.id): record for record in sync.lists.everywhere("erp", entity)}
    row = ENTITIES.get(entity)
    if row is None:
        return found
    for outcome in sync.ledger.outcomes(sync.run.run_id, entity):
        if not planned and not outcome["done"]:
            continue
        if outcome["state"] == "linked" and outcome["action"] == "create" and outcome["side"] == "procore":
            key = (outcome["company"], outcome["erp_key"])
            record = row.model.model_validate(json.loads(outcome["work"])["record"], strict=False)
            found.setdefault(key, record.model_copy(update={"company": key[0], "id": key[1]}))
    return found


def in_erp(sync: Sync, entity: str) -> dict[tuple[str, str], Record | Invalid]:
    """What the ERP showed when this run read it last, after what it wrote there; also what cannot be read. By (company, key).
    Raises StepMissing where a load wrote there and ended before it could look."""
    lists = sync.lists
    if spoilt := [shard for shard in lists.shards_of(entity) if lists.spoilt("erp", entity, shard)]:
        raise StepMissing(
            f"The {entity} of the ERP were written to and not read since (shards {spoilt}): a load did not end. "
            "Clear it and what follows."
        )
    found: list[Record | Invalid] = [*lists.everywhere("erp", entity), *lists.unreadable_everywhere("erp", entity)]
    found += [one for shard in lists.shards_of(entity) for one in elsewhere(sync, entity, shard).page().shown]
    return {(record.company or "", record.id): record for record in found}


def reopened(sync: Sync) -> set[str]:
    """Procore ids of projects that this run makes active: they were read before its own first stage wrote them."""
    return {
        outcome["procore_id"]
        for outcome in sync.ledger.outcomes(sync.run.run_id, "projects")
        if outcome["state"] == "linked" and outcome["action"] == "update" and outcome["procore_id"] and outcome["work"]
        if (work := json.loads(outcome["work"])) and "active" in work["changes"]
        if getattr(ENTITIES["projects"].model.model_validate(work["record"], strict=False), "active", False)
        if outcome["done"] or sync.run.plan
    }
