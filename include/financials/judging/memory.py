"""What a check leaves behind: outcome rows, and the ledger's memory of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from include.financials.entity import Entity
from include.financials.identity import canonical_json, digest, parse_origin, plain
from include.financials.ledger import Seen, stamp
from include.financials.record import Record
from include.financials.view import Sync


def blank(sync: Sync, row: Entity, shard: int) -> dict[str, Any]:
    """An outcome row in which nothing has been said yet."""
    return {
        "run_id": sync.run.run_id,
        "entity": row.name,
        "shard": shard,
        "project": None,
        "action": "none",
        "how": "none",
        "rule": None,
        "waits_for": None,
        "message": None,
        "warnings": None,
        "amount": None,
        "currency": None,
        "source_hash": None,
        "content_hash": None,
        "procore_id": None,
        "erp_key": None,
        "done": False,
        "work": None,
        "figures": None,
        "judged": False,
    }


def own_marks(record: Record) -> dict[str, Any]:
    """What a plan keeps of a record beside its figures, where an apply has the ledger's columns."""
    return {"origin_id": record.origin_id, "deleted": record.deleted}


def source_hash(record: Record) -> str:
    """Content as the source has it; times and external ids are no content, our own write must not look like a change."""
    return digest(plain(record.model_dump(exclude={"updated_at", "origin_id", "origin_data", "origin_code", "marker"})))


def memory(row: Entity, result: Mapping[str, Any], own: Record, known: Seen | None) -> dict[str, Any]:
    """The ledger's memory of a source record: its state, and when it was last changed by somebody other than us."""
    seen = time_text(own.updated_at)
    ours = known is not None and known.seen_updated_at == seen
    return {
        "entity": row.name,
        "company": result["company"],
        "side": result["side"],
        "id": own.id,
        "number": result["number"],
        "scope": getattr(own, "project", None),
        "state": result["state"],
        "rule": result["rule"],
        "waits_for": result["waits_for"],
        "message": result["message"],
        "source_hash": result["source_hash"],
        "origin_id": own.origin_id,
        "source_changed_at": known.source_changed_at if ours and known else seen,
        "seen_updated_at": seen,
        "read_at": stamp(),
        "deleted": own.deleted,
        "amount": result["amount"],
    }


def stopped(row: Entity, result: Mapping[str, Any]) -> dict[str, Any]:
    """The memory of a record that could not be read, or is gone: looked for again in every run, counted at the gate once."""
    kept = ("company", "side", "id", "number", "state", "rule", "waits_for", "message", "source_hash")
    return {"entity": row.name, "scope": result["project"], "read_at": stamp(), **{name: result[name] for name in kept}}


def procore_row(row: Entity, record: Record, system: str) -> dict[str, Any]:
    """The ledger's memory of a Procore record on the target side: what reconciliation counts."""
    origin = parse_origin(record.origin_id, system)
    return {
        "entity": row.name,
        "company": origin.company if origin else "",
        "side": "procore",
        "id": record.id,
        "number": record.number,
        "scope": getattr(record, "project", None),
        "origin_id": record.origin_id,
        "seen_updated_at": time_text(record.updated_at),
        "read_at": stamp(),
        "deleted": record.deleted,
        "figures": canonical_json(record.figures()),
        # Of a target's record nothing is judged, but that it could not be read: it can, now.
        **dict.fromkeys(("state", "rule", "waits_for", "message")),
    }


def time_text(value: datetime | None) -> str | None:
    return stamp(value) if value else None
