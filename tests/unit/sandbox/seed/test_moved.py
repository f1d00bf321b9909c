"""A seed that reaches to another day: the same company, done later."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.seed.moved import moved
from sandbox.world import World

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
POLICY = re.compile(r'(?:effective|expiration)_date\\?": ?\\?"[-\d]*')


def test_moments_move_and_the_books_do_not(make: Any) -> None:
    """Across the end of a month; everything but moments and the dates of policies is as it was."""
    plain, later = make(size="tiny"), make(size="tiny", days=40)
    assert later.planted == plain.planted
    texts = [world.dump() for world in (plain, later)]
    moments = [MOMENT.findall(text) for text in texts]
    assert len(moments[0]) > 1000
    assert [one[11:] for one in moments[0]] == [one[11:] for one in moments[1]], "the time of day stays"
    assert max(moments[0])[:10] == "2026-09-30" and max(moments[1])[:10] == "2026-11-09"
    assert len({POLICY.sub("", MOMENT.sub("", text)) for text in texts}) == 1


def test_what_is_moved() -> None:
    row = {"updated_at": "2026-09-30T16:00:00Z", "created_at": "2026-02-28T00:00:00.000Z", "billing_date": "2026-09-30"}
    policy = {"expiration_date": "2026-09-30", "title": "2026-09-30T", "deep": [{"submitted_at": "2026-12-31T23:59:59Z"}]}
    assert list(moved([row, policy], 1)) == [
        {"updated_at": "2026-10-01T16:00:00Z", "created_at": "2026-03-01T00:00:00.000Z", "billing_date": "2026-09-30"},
        {"expiration_date": "2026-10-01", "title": "2026-09-30T", "deep": [{"submitted_at": "2027-01-01T23:59:59Z"}]},
    ]


@pytest.mark.parametrize("until", ["2126-01-01", "yesterday", 3])
def test_a_day_that_is_not_over_is_refused(until: Any, tmp_path: Any) -> None:
    world = World(tmp_path)
    try:
        with pytest.raises(ValueError, match=r"until is|Invalid isoformat"):
            world.reset(size="tiny", until=until)
        assert not world.seeded
    finally:
        world.close()
