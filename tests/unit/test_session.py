"""One way to open a run: a system is opened when it is asked, what was opened is closed, requests are counted, and
none of that hides what went wrong."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NoReturn
from unittest import mock

import pytest

from include.financials.exceptions import ConfigurationError, NotPermitted, RetryLater
from include.financials.settings import load
from include.financials.systems import Systems
from include.session import Access, opened


class Opened:
    """Two systems and a ledger that tell of being opened and closed."""

    def __init__(self, **failing: Exception) -> None:
        self.told: list[str] = []
        self.client = mock.Mock(base_url="https://procore.invalid", company_id="8089", calls=3, writes=1)
        self.ledger, self.erp = mock.Mock(), mock.Mock(namespace="acme")
        self.failing = failing
        for name in ("client", "ledger", "erp"):
            getattr(self, name).close = lambda name=name: self.told.append(f"{name} closed")

    def _open(self, name: str) -> Any:
        if name in self.failing:
            raise self.failing[name]
        self.told.append(f"{name} opened")
        return getattr(self, name)

    def enter(self, decide: Callable[..., Any]) -> Any:
        access = Access(
            settings=load,
            known=lambda: {"procore": mock.Mock(namespace="procore:8089"), "erp": self.erp},
            procore=lambda: self._open("client"),
            ledger=lambda: self._open("ledger"),
            erp=lambda origin: self._open("erp") if origin == "procore:8089" else None,
            staging=mock.MagicMock,
        )
        return opened(access, "r", decide, "extract[0]")


def asked(_ledger: Any, _settings: Any, systems: Systems, *sides: Any) -> NoReturn:
    for side in sides or ("procore", "erp", "procore"):
        assert systems[side] is systems[side]
    raise NotPermitted("no")


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ("ledger", []),
        ("client", ["ledger opened", "ledger closed"]),
        ("erp", ["ledger opened", "client opened", "client closed", "ledger closed"]),
        (None, ["ledger opened", "client opened", "erp opened", "erp closed", "client closed", "ledger closed"]),
    ],
)
def test_whatever_fails_all_that_was_opened_is_closed(failing: str | None, told: list[str]) -> None:
    site = Opened(**{failing: ConfigurationError("wrong")} if failing else {})
    with pytest.raises(ConfigurationError if failing else NotPermitted), site.enter(asked):
        pass
    assert site.told == told


def test_what_is_not_asked_is_not_opened() -> None:
    site = Opened()
    with pytest.raises(NotPermitted), site.enter(lambda *given: asked(*given, "erp")):
        pass
    assert site.told == ["ledger opened", "erp opened", "erp closed", "ledger closed"]
    site.ledger.runs.count_traffic.assert_not_called()


def test_the_requests_of_a_task_are_counted_whatever_became_of_it() -> None:
    site = Opened()

    def asks(_ledger: Any, _settings: Any, systems: Systems) -> NoReturn:
        _ = systems["procore"]
        site.client.calls += 5
        site.client.writes += 2
        raise NotPermitted("no")

    with pytest.raises(NotPermitted), site.enter(asks):
        pass
    site.ledger.runs.count_traffic.assert_called_once_with("r", "extract[0]", 5, 2)


def test_an_error_in_counting_does_not_hide_the_tasks_own() -> None:
    site = Opened()
    site.ledger.runs.count_traffic.side_effect = RetryLater("the ledger is away")
    with pytest.raises(NotPermitted), site.enter(asked):
        pass


@pytest.mark.parametrize(("own", "then"), [(700, 10_000), (50_000, 50_000), (0, 0)])
def test_garbage_is_looked_for_seldom_while_a_run_is_open(own: int, then: int) -> None:
    """And as before when it is closed, however it ended; who looks for it still more seldom, or never, is left alone."""
    seen = []

    def refused(*_: Any) -> NoReturn:
        seen.append(gc.get_threshold())
        raise NotPermitted("no")

    before = gc.get_threshold()
    gc.set_threshold(own, 10, 10)
    try:
        with pytest.raises(NotPermitted), Opened().enter(refused):
            raise AssertionError
        assert seen == [(then, 10, 10)] and gc.get_threshold() == (own, 10, 10)
    finally:
        gc.set_threshold(*before)
