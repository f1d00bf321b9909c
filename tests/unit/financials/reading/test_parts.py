"""Pages of a list are staged in parts; what was given before an error, or long enough before the end of the process, counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from include.financials.exceptions import RetryLater
from include.financials.port import Invalid, Page
from include.financials.reading.parts import ROWS, SECONDS, Parts
from include.financials.reading.staging import Staged
from tests.unit.financials.pair import commitment, vendor


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    return Staged(UPath(tmp_path / "pages"), "vendors")


def test_pages_of_few_records_share_a_part(staged: Staged) -> None:
    bad = Invalid("vendors", "9", "V-9", "name", "missing")
    with Parts(staged, clock=lambda: 0.0) as parts:
        parts.add(Page([vendor("V-1")], cursor={"scope": "2"}))
        parts.add(Page([], [bad], cursor={"scope": "3"}, hidden=["7"]))
        parts.add(Page([vendor("V-2")], cursor={"scope": "4"}))
        assert staged.state().pages == 0
    state = staged.state()
    assert (state.pages, state.records, state.invalid, state.hidden) == (1, 2, 1, ("7",))
    assert state.cursor == {"scope": "4"} and not state.complete
    assert [record.number for record in staged.records()] == ["V-1", "V-2"] and list(staged.invalid()) == [bad]


def test_the_pages_that_were_given_stay_as_they_were(staged: Staged) -> None:
    first, second = Page([vendor("V-1")]), Page([vendor("V-2")])
    with Parts(staged) as parts:
        parts.add(first)
        parts.add(second)
    assert [record.number for record in first.records] == ["V-1"]


def test_what_came_before_an_error_counts(staged: Staged) -> None:
    def read() -> None:
        with Parts(staged, clock=lambda: 0.0) as parts:
            parts.add(Page([vendor("V-1")], cursor={"scope": "2"}))
            raise RetryLater("the request limit is used up", 60)

    with pytest.raises(RetryLater):
        read()
    assert staged.state().cursor == {"scope": "2"}
    assert [record.number for record in staged.records()] == ["V-1"]


def test_a_part_is_written_when_it_is_full_lines_counted(tmp_path: Path) -> None:
    staged = Staged(UPath(tmp_path), "commitments")
    one = commitment("A")
    full = one.model_copy(update={"lines": one.lines[:1] * (ROWS - 1)})
    with Parts(staged, clock=lambda: 0.0) as parts:
        parts.add(Page([full], cursor={"page": 2}))
        assert staged.state().pages == 1
        parts.add(Page([one], cursor={"page": 3}))
        assert staged.state().pages == 1
    assert staged.state().pages == 2


def test_no_page_waits_for_others_longer_than_some_seconds(staged: Staged) -> None:
    now = [0.0]
    with Parts(staged, clock=lambda: now[0]) as parts:
        for number, at in enumerate((100.0, 100.0 + SECONDS - 1, 100.0 + SECONDS), 1):
            now[0] = at
            parts.add(Page([vendor(f"V-{number}")], cursor={"page": number + 1}))
            assert staged.state().pages == (number == 3)
        now[0] += SECONDS - 1
        parts.add(Page([vendor("V-4")], cursor={"page": 5}))
        assert staged.state().cursor == {"page": 4}, "the next part has a time of its own"


def test_nothing_given_nothing_written(staged: Staged) -> None:
    with Parts(staged):
        pass
    assert staged.state().pages == 0
