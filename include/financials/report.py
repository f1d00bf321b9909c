"""The report of a run: one JSON document, built from the ledger by run id (never from what tasks said on the way)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.ledger import STOPPED, WORKFLOW, Judged, Note, moment
from include.financials.legible import nearest
from include.financials.money import ZERO, text
from include.financials.reading.staging import private_folder, write_whole
from include.financials.reconciliation import Reconciliation
from include.financials.record import Side
from include.financials.view import MARKS, Sync

log = logging.getLogger(__name__)

COUNTED = {"create": "created", "update": "updated", "link": "updated", "unchanged": "unchanged", "adopt": "adopted"}
STATES = {"skipped": "skipped", "held": "held", "quarantined": "quarantined", "blocked": "blocked", "conflict": "conflicts"}
COUNTS = ("created", "updated", "unchanged", "adopted", "skipped", "held", "quarantined", "blocked", "conflicts")


def count_of(row: Judged, plan: bool) -> str:
    """The one count that a record belongs to. A record whose load never finished is held: it is not on both sides."""
    if row.state != "linked":
        return STATES[row.state]
    return COUNTED[row.action] if row.done or plan else "held"


def entity_row(rows: Iterable[Judged], direction: str, plan: bool) -> dict[str, Any]:
    counts = dict.fromkeys(COUNTS, 0)
    amount, has_amount = ZERO, False
    for row in rows:
        counts[count_of(row, plan)] += 1
        if row.amount is not None:
            amount, has_amount = amount + Decimal(row.amount), True
    return {"direction": direction, "extracted": sum(counts.values()), **counts, "amount": text(amount) if has_amount else "0.00"}


@dataclass(frozen=True, slots=True)
class Stopped:
    """A record that is not on both sides as it should be, and why: a row of the report's ``stopped``."""

    entity: str
    key: str | None
    state: str
    rule: str | None
    waits_for: str | None
    amount: str | None
    message: str | None


def stopped_row(row: Judged, plan: bool) -> Stopped | None:
    if row.state in STOPPED:
        return Stopped(row.entity, row.number, row.state, row.rule, row.waits_for, row.amount, row.message)
    if row.state == "linked" and not row.done and not plan:
        message = f"{row.number} was fit to load, but its load did not finish; the next run takes it up again."
        waits_for = row.waits_for or "the next run"
        return Stopped(row.entity, row.number, "held", row.rule or "load", waits_for, row.amount, row.message or message)
    return None


def ended_row(row: Note) -> Stopped:
    """A document that only the ERP has, whose acceptance ended: no run sends it, and yet somebody has to look."""
    waits_for = f"decision accept {row.entity} {row.number}"
    return Stopped(row.entity, row.number, "held", "accept", waits_for, None, row.detail)


def build(sync: Sync) -> dict[str, Any]:
    """The report as ``docs/operating.md`` describes it; amounts are text."""
    run, ledger = sync.run, sync.ledger
    calls, writes = ledger.runs.traffic(run.run_id)
    opened = ledger.runs.get(run.run_id)
    started = moment(opened.started_at if opened is not None else None) or datetime.now(UTC)
    told: dict[str, dict[str, Any]] = {}
    stopped: list[Stopped] = []
    documents: dict[str, dict[str, str]] = {number: {} for number in run.documents}
    for name in sorted(run.entities):
        rows = _looked_at(ledger.outcomes.each(run.run_id, name), stopped, documents, run.plan)
        told[name] = entity_row(rows, ENTITIES[name].direction, run.plan)
    stopped += [ended_row(row) for row in ledger.story.decisions_ended(run.run_id) if row.what.endswith(": accept")]
    return {
        "run_id": run.run_id,
        "mode": run.mode,
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
        "procore_calls": calls,
        "procore_writes": writes,
        "erp_writes": ledger.journal.written(run.run_id, "erp"),
        "entities": {name: told[name] for name in run.entities},
        "stopped": [asdict(one) for one in stopped],
        **({"documents": asked_for(sync, documents)} if run.documents else {}),
        **({"workflow": said} if (said := said_of_workflows(sync)) else {}),
        "gates": {
            row.gate: kept for row in ENTITIES.values() if row.gate and (kept := recall(sync, f"gate-{row.gate}")) is not None
        },
        "reconciliation": recall(sync, "reconciliation") or Reconciliation(0, ()).as_dict() | {"balanced": False},
    }


def said_of_workflows(sync: Sync) -> list[dict[str, Any]]:
    """What each step of a workflow that asks our account was told, would be told by an apply, or why it was told nothing: the
    last word of the run on each document."""
    last = {(row.entity, row.record_id): row for row in sync.ledger.story.said_of_workflows(sync.run.run_id)}
    return [
        {"entity": r.entity, "key": r.number, "said": r.what.removeprefix(WORKFLOW), "message": r.detail} for r in last.values()
    ]


def _looked_at(
    rows: Iterable[Judged], stopped: list[Stopped], asked: Mapping[str, dict[str, str]], plan: bool
) -> Iterator[Judged]:
    """The same rows, none of which is kept; those that stopped and the documents that the run was asked for are noted."""
    named = {number.strip().casefold(): number for number in asked}
    for row in rows:
        if (found := stopped_row(row, plan)) is not None:
            stopped.append(found)
        if (number := named.get(row.number.strip().casefold()) if named else None) is not None:
            asked[number][row.entity] = count_of(row, plan)
        yield row


def asked_for(sync: Sync, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """What became of each document that the run was asked for: entity -> count of the report; nothing of a number that no list
    of the run shows, with whom the ledger knows by a number like it."""
    if missing := [number for number, told in found.items() if not told]:
        sides: tuple[Side, ...] = ("procore", "erp")
        known = {
            row.number for name in sync.run.entities for side in sides for row in sync.ledger.records.seen(name, side).values()
        }
        log.warning("%s", nearest("not found on either side:", missing, sorted(known)))
    return found


def keep(sync: Sync, name: str, value: Mapping[str, Any]) -> str:
    """Write a result of this run beside its staged pages; returns its path."""
    private_folder(sync.folder)
    path = sync.folder / f"{name}.json"
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False))
    return str(path)


def recall(sync: Sync, name: str) -> dict[str, Any] | None:
    path = sync.folder / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def loaded(sync: Sync) -> list[str]:
    """Entities whose last step, the load if it has one, came to its end in all shards of this run."""
    done = sync.ledger.runs.steps(sync.run.run_id)

    def over(row: Entity) -> bool:
        last = f"check:{row.name}" if row.read_only else f"load:{row.name}"
        return all((last, shard) in done for shard in range(sync.run.shards if row.project_scoped else 1))

    return [name for name in sync.run.entities if over(ENTITIES[name])]


def move_watermarks(sync: Sync, loaded: Iterable[str]) -> list[str]:
    """After entities whose load succeeded. A backfill, a plan and a part of the records leave watermarks where they are, and so
    does a run that began after the watermark: what lies between would never be read."""
    run = sync.run
    moved: list[str] = []
    if run.plan or run.kind == "backfill" or run.partial:
        return moved
    done = sync.ledger.runs.steps(run.run_id)
    for name in loaded:
        side = ENTITIES[name].source
        known = moment(sync.ledger.runs.watermark(side, name))
        if run.since is not None and (known is None or run.since > known):
            continue
        sync.ledger.runs.move_watermark(side, name, _text(run.until), run.run_id)
        moved.append(name)
        if all((MARKS.format(name), shard) in done for shard in range(run.shards)):
            sync.ledger.runs.move_watermark(ENTITIES[name].target, MARKS.format(name), _text(run.until), run.run_id)
    return moved


def _text(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
