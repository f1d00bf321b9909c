"""Pages of a list are staged in parts; what was given before an error, or long enough before the end of the process, counts."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from upath import UPath

from include.financials.exceptions import RetryLater
from include.financials.port import Invalid, Page
from include.financials.reading import parts, staging
from include.financials.reading.parts import ROWS, SECONDS, Parts
from include.financials.reading.staging import Staged
from tests.unit.financials.pair import commitment, vendor


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    return Staged(UPath(tmp_path / "pages"), "vendors")


def test_pages_of_few_records_share_a_part(staged: Staged) -> None:
    bad = Invalid("vendors", "9", "V-9", "name", "missing")
    with Parts(staged, clock=lambda: 0.0) as taking:
        taking.add(Page([vendor("V-1")], cursor={"scope": "2"}))
        taking.add(Page([], [bad], cursor={"scope": "3"}, hidden=["7"]))
        taking.add(Page([vendor("V-2")], cursor={"scope": "4"}))
        assert staged.state().pages == 0
    state = staged.state()
    assert (state.pages, state.records, state.invalid, state.hidden) == (1, 2, 1, ("7",))
    assert state.cursor == {"scope": "4"} and not state.complete
    assert [record.number for record in staged.records()] == ["V-1", "V-2"] and list(staged.invalid()) == [bad]


def test_the_pages_that_were_given_stay_as_they_were(staged: Staged) -> None:
    first, second = Page([vendor("V-1")]), Page([vendor("V-2")])
    with Parts(staged) as taking:
        taking.add(first)
        taking.add(second)
    assert [record.number for record in first.records] == ["V-1"]


def test_a_page_counts_as_it_was_given(staged: Staged) -> None:
    """Whoever reads may go on filling it."""
    page = Page([vendor("V-1")], cursor={"page": 2})
    with Parts(staged) as taking:
        taking.add(page)
        page.records.append(vendor("V-2"))
        page.cursor = {"page": 3}
    assert [record.number for record in staged.records()] == ["V-1"] and staged.state().cursor == {"page": 2}


def test_what_came_before_an_error_counts(staged: Staged) -> None:
    def read() -> None:
        with Parts(staged, clock=lambda: 0.0) as taking:
            taking.add(Page([vendor("V-1")], cursor={"scope": "2"}))
            raise RetryLater("the request limit is used up", 60)

    with pytest.raises(RetryLater):
        read()
    assert staged.state().cursor == {"scope": "2"}
    assert [record.number for record in staged.records()] == ["V-1"]


class Signalled(BaseException):
    """What a signal raises, between any two steps."""


def _stopped_at(step: int, staged: Staged, pages: list[Page]) -> bool:
    """Gives the pages, until a signal comes at the given line of what takes them; whether there is such a line."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in (parts.__file__, staging.__file__):
            return None
        seen += event == "line"
        if seen == step:
            sys.settrace(None)
            raise Signalled
        return trace

    before = sys.gettrace()
    try:
        with Parts(staged, clock=lambda: 0.0) as taking:
            sys.settrace(trace)
            for page in pages:
                taking.add(page)
            taking.write()
            sys.settrace(None)
    except Signalled:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a file that was being opened
def test_a_signal_at_any_step_loses_no_page(tmp_path: Path) -> None:
    """Whoever goes on reads what is behind the cursor: nothing of what lies before it may be missing, and a cursor that ends the
    list is written with its last page alone."""
    for step in itertools.count(1):
        pages = [Page([vendor("V-1")], cursor={"page": 2}), Page([vendor("V-2")], cursor={"page": 3}), Page([vendor("V-3")])]
        staged = Staged(UPath(tmp_path / f"{step}"), "vendors")
        more = _stopped_at(step, staged, pages)
        state = staged.state()
        behind = 0 if not state.pages else 3 if state.cursor is None else state.cursor["page"] - 1
        assert [record.number for record in staged.rows()] == [f"V-{number}" for number in range(1, behind + 1)], step
        if not more:
            break
    assert behind == 3 and step > 20


def test_a_part_is_written_when_it_is_full_lines_counted(tmp_path: Path) -> None:
    staged = Staged(UPath(tmp_path), "commitments")
    one = commitment("A")
    full = one.model_copy(update={"lines": one.lines[:1] * (ROWS - 1)})
    with Parts(staged, clock=lambda: 0.0) as taking:
        taking.add(Page([full], cursor={"page": 2}))
        assert staged.state().pages == 1
        taking.add(Page([one], cursor={"page": 3}))
        assert staged.state().pages == 1
    assert staged.state().pages == 2


def test_no_page_waits_for_others_longer_than_some_seconds(staged: Staged) -> None:
    now = [0.0]
    with Parts(staged, clock=lambda: now[0]) as taking:
        for number, at in enumerate((100.0, 100.0 + SECONDS - 1, 100.0 + SECONDS), 1):
            now[0] = at
            taking.add(Page([vendor(f"V-{number}")], cursor={"page": number + 1}))
            assert staged.state().pages == (number == 3)
        now[0] += SECONDS - 1
        taking.add(Page([vendor("V-4")], cursor={"page": 5}))
        assert staged.state().cursor == {"page": 4}, "the next part has a time of its own"


def test_nothing_given_nothing_written(staged: Staged) -> None:
    with Parts(staged):
        pass
    assert staged.state().pages == 0
