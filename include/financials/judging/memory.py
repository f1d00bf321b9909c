"""What a check leaves behind: outcome rows, and the ledger's memory of what was read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from include.financials.entity import Entity
from include.financials.identity import canonical_json, digest, parse_origin, plain
from include.financials.ledger import Judged, Remembered, stamp
from include.financials.ledger.records import Last
from include.financials.record import Figures, Record
from include.financials.view import Sync


def blank(sync: Sync, row: Entity, shard: int, side: str, company: str, ident: str, number: str) -> Judged:
    """A record of which nothing has been said yet: on both sides as it should be, and nothing to do."""
    return Judged(sync.run.run_id, row.name, company, side, ident, shard, number, "linked")


def own_marks(record: Record) -> dict[str, Any]:
    """What a plan keeps of a record beside its figures, where an apply has the ledger's columns."""
    return {"origin_id": record.origin_id, "deleted": record.deleted}


def source_hash(record: Record) -> str:
    """Content as the source has it; times and external ids are no content, our own write must not look like a change."""
    return digest(plain(record.model_dump(exclude={"updated_at", "origin_id", "origin_data", "origin_code", "marker"})))


def memory(result: Judged, own: Record, known: Last | None, figures: Figures) -> Remembered:
    """The ledger's memory of a source record: its state, and when it was last changed by somebody other than us."""
    seen = time_text(own.updated_at)
    ours = known is not None and known.seen_updated_at == seen
    return replace(
        stopped(result),
        scope=getattr(own, "project", None),
        origin_id=own.origin_id,
        source_changed_at=known.source_changed_at if ours and known else seen,
        seen_updated_at=seen,
        deleted=own.deleted,
        amount=result.amount,
        figures=canonical_json(figures),
    )


def stopped(result: Judged) -> Remembered:
    """The memory of a record that could not be read, or is gone: looked for again in every run, counted at the gate once."""
    return Remembered(
        result.entity, result.company, result.side, result.id, result.number, scope=result.project, state=result.state,
        rule=result.rule, waits_for=result.waits_for, message=result.message, source_hash=result.source_hash, read_at=stamp(),
    )  # fmt: skip


def procore_row(row: Entity, record: Record, system: str) -> Remembered:
    """The ledger's memory of a Procore record on the target side: what reconciliation counts."""
    origin = parse_origin(record.origin_id, system)
    return Remembered(
        row.name,
        origin.company if origin else "",
        "procore",
        record.id,
        record.number,
        scope=getattr(record, "project", None),
        origin_id=record.origin_id,
        seen_updated_at=time_text(record.updated_at),
        read_at=stamp(),
        deleted=record.deleted,
        figures=canonical_json(record.figures()),
        # Of a target's record nothing is judged, but that it could not be read: it can, now.
        state=None,
        rule=None,
        waits_for=None,
        message=None,
    )


def time_text(value: datetime | None) -> str | None:
    return stamp(value) if value else None
