"""However few calls an hour Procore allows, a run comes to its end: every read is taken up where the limit ended it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.financials.checks import check
from include.financials.entities import ENTITIES
from include.financials.exceptions import RetryLater
from include.financials.preflight import preflight
from include.financials.reading.extract import extract
from include.financials.reconciliation import reconcile
from include.procore import client
from include.procore.pacing import Pace
from sandbox import pipeline
from tests.unit.sandbox.procore.serving import serving

SIZE, HOURLY = "small", 30
WAITS = 60
"""Hours that reading all of it may take: more, and some task begins again with each of them."""


def test_thirty_calls_an_hour_read_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of a whole company, each step a task of its own that gives up when its calls are spent. Waiting moves the clock."""
    with serving(tmp_path) as (api, world):
        info = api.control("POST", "/reset", {"size": SIZE, "settings": {"rate_limit_hour": HOURLY}})
        options: dict[str, Any] = client.ProcoreClient.__init__.__kwdefaults__
        monkeypatch.setitem(options, "sleep", world.clock.advance)
        monkeypatch.setitem(options, "clock", world.clock.ticks)
        pace = Pace(world.clock.ticks)
        monkeypatch.setattr(client, "shared_pace", lambda *_: pace)
        waits, params = 0, {"since": pipeline.EVERYTHING, "mode": "plan"}

        def step(what: Any, *args: Any) -> None:
            nonlocal waits
            while True:
                try:
                    with pipeline.opened(info, tmp_path, "few", params=params, again=begun) as sync:
                        what(sync, *args)
                        return
                except RetryLater as error:
                    waits += 1
                    assert waits < WAITS, f"{what.__name__} {args} does not come to its end"
                    world.clock.advance(error.seconds or 60)

        begun = False
        step(lambda sync: None)
        begun = True
        step(preflight)
        for name in ENTITIES:
            step(extract, name)
            step(check, name, [0])
        step(reconcile)
        assert waits > 5, "the limit was met, or this would prove nothing"
