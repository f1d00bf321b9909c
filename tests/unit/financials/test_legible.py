"""Hostile text: what no database can keep stops its record alone, and what steers a log or a terminal is only shown."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from include.financials.ledger import Ledger, Remembered
from include.financials.ledger.story import why
from include.financials.legible import broken, legible
from include.financials.port import Invalid
from include.procore import parse
from include.procore.areas import ENTITIES
from tests.unit.financials.pair import World, draft

FORGED = "SC-9\n2026-10-01 INFO all is well\x1b[2J\u202e"
STEERS = {"\n", "\x1b", "\u202e"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("104-SC-003", "104-SC-003"),
        ("Kran & Söhne \U0001f3d7 עברית", "Kran & Söhne \U0001f3d7 עברית"),
        ("=SUM(A1) {name} %s", "=SUM(A1) {name} %s"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eevil\u2069", "\\u202eevil\\u2069"),
        ("a\u2028b\x85", "a\\u2028b\\x85"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_steers_is_shown_as_it_is_written(text: str, shown: str) -> None:
    assert legible(text) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("text", "why"), [("plain", None), ("Söhne\n", None), ("a\x00b", "NUL"), ("\udcff", "not UTF-8"), ("\ud800", "half")]
)
def test_what_no_database_keeps(text: str, why: str | None) -> None:
    found = broken(text)
    assert found is None if why is None else why in (found or "")


@pytest.mark.parametrize(("number", "field"), [("a\x00b", "number"), ("\ud800x", "number"), (FORGED, "title")])
def test_a_row_of_procore_that_holds_such_is_named_in_words_that_can_be_kept(number: str, field: str, ledger: Ledger) -> None:
    def build(row: parse.Row) -> Any:
        row.required("number")
        raise parse.Misfit("title", f"is no title, but {number}")

    found = ENTITIES["commitments"].fit({"id": 5, "number": number}, build)
    assert isinstance(found, Invalid) and found.field == field
    assert found.number == legible(number) and found.message == legible(found.message)
    ledger.records.remember([Remembered("commitments", "", "procore", found.id, found.number)])
    assert [known.number for known in ledger.story.of("commitments", found.number).records] == [found.number]


def test_a_number_forges_no_line_of_a_log(linked: World, caplog: pytest.LogCaptureFixture) -> None:
    draft(linked, number=FORGED, vendor="4711")
    with caplog.at_level(logging.INFO):
        linked.run(params={"entities": ["commitments"]})
    told = [record.getMessage() for record in caplog.records if "SC-9" in record.getMessage()]
    assert told and not [text for text in told if set(text) & STEERS], told
    story = why(linked.ledger.story, "commitment", FORGED)
    assert len(story) > 1 and not [line for line in story if set(line) & STEERS], "and `why` finds it by its number as it is"
