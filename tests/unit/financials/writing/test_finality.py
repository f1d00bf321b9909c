"""What the ERP calls final is noted in Procore: once for each status, on no other record, and without touching a document."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.record import Record
from include.financials.view import Sync
from tests.unit.financials.pair import Crash, World, make_settings

ON = make_settings(show_final="on")
FINAL = {name: row.final for name, row in ENTITIES.items() if row.final}


def go(world: World, *entities: str, **options: Any) -> Sync:
    return world.run(reconciled=False, params={"entities": list(entities or FINAL)}, **options)


def state(world: World, entity: str) -> str | None:
    """What the first of them says in Procore."""
    noted = json.loads(world.procore.records[entity][0].origin_data or "{}")
    return noted.get("state") if "erp_key" in noted else "no key"


def counterpart(world: World, entity: str) -> Record:
    """Of Procore's first, in the ERP."""
    first = world.procore.records[entity][0]
    (link,) = [link for link in world.ledger.links.of(entity) if link.procore_id == first.id]
    return world.erp.get(entity, id=link.erp_key)


def put(world: World, entity: str, status: str) -> None:
    world.erp.put(counterpart(world, entity).model_copy(update={"status": status}))


@pytest.mark.parametrize("entity", [name for name, words in FINAL.items() if "void" in words])
def test_what_is_final_is_noted_once(full: World, entity: str) -> None:
    full.settings = ON
    go(full, entity)  # what is final already
    before = full.procore.records[entity][0]
    for status in FINAL[entity]:
        put(full, entity, status)
        go(full, entity)
        assert state(full, entity) == status
        assert full.procore.records[entity][0].origin_id == before.origin_id
        writes = full.writes()
        go(full, entity)
        assert full.writes() == writes, "a second run writes nothing"


def test_what_is_open_again_is_not_shown_as_final(full: World) -> None:
    full.settings = ON
    for status, shown in (("closed", "closed"), ("open", None), ("closed", "closed")):
        put(full, "commitments", status)
        go(full, "commitments")
        assert state(full, "commitments") == shown
    writes = full.writes()
    go(full, "commitments")
    assert full.writes() == writes


@pytest.mark.parametrize("off", ["setting", "plan", "writes", "other project"])
def test_nothing_is_noted_where_nothing_is_to_be_written(full: World, off: str) -> None:
    full.settings = make_settings() if off == "setting" else ON
    put(full, "commitments", "closed")
    more: dict[str, Any] = {"plan": {"mode": "plan"}, "other project": {"projects": ["25-105"]}}.get(off, {})
    if off == "writes":
        entity = ON.of("commitments").model_copy(update={"writes": "off"})
        full.settings = ON.model_copy(update={"entities": {**ON.entities, "commitments": entity}})
    full.run(reconciled=False, params={"entities": ["commitments"], **more})
    assert state(full, "commitments") is None and full.procore.applied.total() == 0


@pytest.mark.parametrize("fault", ["before", "after", "later", "refused", "crash_after"])
def test_a_note_that_fails_stops_nothing_and_is_written_by_the_next_run(full: World, fault: str) -> None:
    full.settings = ON
    put(full, "commitments", "closed")
    full.procore.failing = {"post commitments final": fault}
    with pytest.raises(Crash) if fault == "crash_after" else nullcontext():
        go(full, "commitments")
    links = full.ledger.links.of("commitments")
    assert [link.status for link in links] == ["active"]
    full.procore.failing = {}
    full.ledger.engine.dispose()
    go(full, "commitments")
    assert state(full, "commitments") == "closed"
    assert full.ledger.links.of("commitments")[0].revision == links[0].revision
    writes = full.writes()
    go(full, "commitments")
    assert full.writes() == writes


def test_every_word_is_one_of_its_entity() -> None:
    assert set(FINAL) <= {name for name, row in ENTITIES.items() if row.document}
