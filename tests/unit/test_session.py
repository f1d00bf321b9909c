"""One way to open a run: what is opened is closed, requests are counted, and neither of that hides what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from unittest import mock

import pytest

from include.financials.exceptions import ConfigurationError, NotPermitted, RetryLater
from include.financials.settings import load
from include.session import Access, opened


class Opened:
    """Two systems and a ledger that tell of being opened and closed."""

    def __init__(self, **failing: Exception) -> None:
        self.told: list[str] = []
        self.client = mock.Mock(company_id="8089", calls=3, writes=1)
        self.ledger, self.erp = mock.Mock(), mock.Mock(namespace="acme")
        self.failing = failing
        for name in ("client", "ledger", "erp"):
            getattr(self, name).close = lambda name=name: self.told.append(f"{name} closed")

    def _open(self, name: str) -> Any:
        if name in self.failing:
            raise self.failing[name]
        return getattr(self, name)

    def enter(self, decide: Callable[..., Any]) -> Any:
        access = Access(
            settings=load,
            procore=lambda: self._open("client"),
            ledger=lambda: self._open("ledger"),
            erp=lambda origin: self.told.append(origin) or self._open("erp"),
            staging=mock.MagicMock,
        )
        return opened(access, "r", decide, "extract[0]")


def refused(*_: Any) -> NoReturn:
    raise NotPermitted("no")


@pytest.mark.parametrize(
    ("failing", "closed"),
    [("client", []), ("ledger", ["client"]), ("erp", ["ledger", "client"]), (None, ["erp", "ledger", "client"])],
)
def test_whatever_fails_all_that_was_opened_is_closed(failing: str | None, closed: list[str]) -> None:
    site = Opened(**{failing: ConfigurationError("wrong")} if failing else {})
    with pytest.raises(ConfigurationError if failing else NotPermitted), site.enter(refused):
        pass
    assert [one for one in site.told if "closed" in one] == [f"{name} closed" for name in closed]


def test_the_requests_of_a_task_are_counted_whatever_became_of_it() -> None:
    site = Opened()

    def asks(*_: Any) -> NoReturn:
        site.client.calls += 5
        site.client.writes += 2
        raise NotPermitted("no")

    with pytest.raises(NotPermitted), site.enter(asks):
        pass
    site.ledger.runs.count_traffic.assert_called_once_with("r", "extract[0]", 5, 2)
    assert site.told[0] == "procore:8089", "the name space of its markers is the company's"


def test_an_error_in_counting_does_not_hide_the_tasks_own() -> None:
    site = Opened()
    site.ledger.runs.count_traffic.side_effect = RetryLater("the ledger is away")
    with pytest.raises(NotPermitted), site.enter(refused):
        pass
