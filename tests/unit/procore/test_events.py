"""The three forms of an event's payload, and what is no event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.ledger.inbox import Event
from include.procore.events import RESOURCES, parse

V2: dict[str, Any] = {
    "id": 812, "ulid": "01HZX3S1V7Q4M6T9B2C5D8E1F0", "timestamp": "2026-09-30T18:00:00.123456Z",
    "metadata": {"source_user_id": 31, "source_project_id": None, "source_operation_id": None, "source_company_id": 8089,
                 "source_application_id": None},
    "user_id": 31, "company_id": 8089, "project_id": 9, "api_version": "v2.0", "event_type": "update",
    "resource_name": "Work Order Contracts", "resource_id": 9007199254740993,
}  # fmt: skip
V4: dict[str, Any] = {
    "id": "01HZX3S1V7Q4M6T9B2C5D8E1F0", "timestamp": "2026-09-30T18:00:00.123456Z", "reason": "create", "company_id": "8089",
    "project_id": "9", "user_id": "31", "resource_type": "Work Order Contracts", "resource_id": "9007199254740993",
}  # fmt: skip
WANTED = Event(
    "01HZX3S1V7Q4M6T9B2C5D8E1F0", "Work Order Contracts", "9007199254740993", "update", "9", "31", "2026-09-30T18:00:00.123456Z"
)


def told(payload: Any) -> Event:
    return parse(json.dumps(payload).encode())


def test_each_form_tells_the_same_event() -> None:
    assert told(V2) == told({**V2, "api_version": "v3.0", "related_resources": [{"id": 1, "name": "Direct Costs"}]}) == WANTED
    assert told({**V4, "reason": "UPDATE"}) == WANTED


def test_what_may_be_missing_is_no_fault() -> None:
    bare = {name: V4[name] for name in ("id", "reason", "resource_type", "resource_id")}
    assert told(bare).project_id is None
    assert told({**V2, "metadata": None, "ulid": None, "later": {"added": 1}}).event_id == "id:812"
    assert told({**V2, "project_id": None, "metadata": {"source_project_id": 9}}).project_id == "9"


@pytest.mark.parametrize("word", ["restore", "Status_Changed", "x" * 100])
def test_whatever_happened_is_a_reason_to_look(word: str) -> None:
    """A refused event would come again for hours, and every other one wait behind it."""
    assert told({**V4, "reason": word}).event_type == told({**V2, "event_type": word}).event_type == word.lower()


@pytest.mark.parametrize(
    "odd",
    [{"timestamp": 1790000000}, {"timestamp": "x" * 60}, {"timestamp": "2026\x00"}, {"project_id": ""}, {"project_id": {}},
     {"user_id": 1.5}, {"metadata": []}, {"metadata": {"source_user_id": []}}, {"data": {"later": ["added"]}}],
)  # fmt: skip
def test_a_hint_that_cannot_be_read_is_not_known(odd: dict[str, Any]) -> None:
    for form in (V2, V4):
        found = told({**form, **odd})
        assert "\x00" not in str(found.occurred_at)
        assert (found.event_id, found.resource, found.resource_id) == (WANTED.event_id, WANTED.resource, WANTED.resource_id)
    assert told({**V2, "project_id": "", "metadata": {"source_project_id": 9}}).project_id == "9"


def test_an_added_key_makes_no_other_form() -> None:
    assert told({**V2, "resource_type": "Contract"}) == WANTED
    assert told({**V4, "reason": "update", "resource_name": "Contract", "ulid": "later"}) == WANTED
    assert told({name: value for name, value in V2.items() if name != "id"}) == WANTED


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"), (b"\xff\xfe", "no JSON"), (b"[" * 60_000, "no JSON"), (b"[]", "no JSON object"),
        (json.dumps({**V2, "resource_id": None}).encode(), "resource_id"),
        (json.dumps({**V2, "resource_id": "1; DROP TABLE links"}).encode(), "resource_id"),
        (json.dumps({**V2, "event_type": "ex\nplode"}).encode(), "event_type"),
        (json.dumps({**V2, "resource_name": "Work\x00Orders"}).encode(), "resource_name"),
        (json.dumps({**V2, "id": None, "ulid": None}).encode(), "id"),
        (json.dumps({**V4, "id": "x" * 65}).encode(), "id"),
        (json.dumps({**V4, "resource_type": "x" * 101}).encode(), "resource_type"),
        (json.dumps({**V2, "resource_id": True}).encode(), "resource_id"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_by_field(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        parse(body)
    assert "DROP" not in str(raised.value) and "plode" not in str(raised.value)


def test_every_resource_concerns_entities_that_procore_may_own() -> None:
    for name, entities in RESOURCES.items():
        for entity in entities:
            row = ENTITIES[entity]
            assert row.source == "procore" or row.two_way, name
