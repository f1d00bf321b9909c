"""Why is this document not in the ERP? One document's whole story from the ledger, for people who read no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Ledger
from include.financials.legible import legible


def entity_named(name: str) -> str:
    """``commitment`` or ``commitments``, ``cost code`` or ``cost_codes``."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    for entity, row in ENTITIES.items():
        if plain in (entity, row.label.replace(" ", "_")):
            return entity
    known = {one: row.label for entity, row in ENTITIES.items() for one in (entity, row.label.replace(" ", "_"))}
    near = ", ".join(dict.fromkeys(known[one] for one in get_close_matches(plain, known, cutoff=0.5)))
    hint = f" Did you mean {near}?" if near else ""
    raise ConfigurationError(f"unknown entity {name!r}.{hint} Known: {', '.join(row.label for row in ENTITIES.values())}")


def why(ledger: Ledger, entity: str, number: str) -> list[str]:
    """The story as lines of text; the first line is the short answer."""
    story = ledger.story(entity_named(entity), number)
    if not any(story[part] for part in ("records", "links", "outcomes")):
        return [f"{ENTITIES[entity_named(entity)].label} {number} is not known to the ledger: no run has read it yet."]
    source = ENTITIES[entity_named(entity)].source
    lines = [_answer(row) for row in story["records"] if row["side"] == source and row["state"]] or [
        _answer(row) for row in story["outcomes"][-1:]
    ]
    lines += [_link(row) for row in story["links"]]
    lines += [_record(row) for row in story["records"]]
    lines += [f"run {row['run_id']}: {row['action']}, {row['state']}{_by(row)}" for row in story["outcomes"]]
    calls = {row["call_id"]: row for row in story["calls"]}
    lines += [_intent(row, calls) for row in story["intents"]]
    lines += [
        f"decision: {row['decision']} by {row['who']} at {row['at']} ({row['detail'] or 'no note'})" for row in story["decisions"]
    ]
    lines += [f"{row['at']} {row['who']} {row['what']} {row['detail'] or ''}".rstrip() for row in story["audit"]]
    return [legible(line) for line in lines]


def _by(row: Mapping[str, Any]) -> str:
    return f" by {row['rule']}" if row["rule"] else ""


def _answer(row: Mapping[str, Any]) -> str:
    waits = f" It waits for: {row['waits_for']}." if row["waits_for"] else ""
    return f"{row['number']} is {row['state']}{_by(row)}. {row['message'] or ''}{waits}".strip()


def _link(row: Mapping[str, Any]) -> str:
    ended = f", ended {row['ended_at']}" if row["ended_at"] else ""
    return (
        f"link: Procore id {row['procore_id']} = ERP {row['company']}/{row['erp_key']}, {row['status']}, "
        f"revision {row['revision']}, {row['how']} {row['created_at']}{ended}"
    )


def _record(row: Mapping[str, Any]) -> str:
    figure = json.loads(row["figures"] or "{}")
    amount = row["amount"] or figure.get("amount")
    changed = row["source_changed_at"] or row["seen_updated_at"] or "unknown"
    return f"{row['side']} has it as id {row['id']}, changed {changed}, read {row['read_at']}" + (
        f", amount {amount}" if amount else ""
    )


def _intent(row: Mapping[str, Any], calls: Mapping[str, Mapping[str, Any]]) -> str:
    call = calls.get(row["call_id"])
    where = f" in a call of {call['items']} to {call['system']} at {call['started_at']} ({call['status']})" if call else ""
    message = f": {row['message']}" if row["message"] else ""
    return (
        f"step {row['step']} (revision {row['revision']}): {row['status']}{where}, "
        f"result id {row['result_id'] or 'none'}{message}"
    )
