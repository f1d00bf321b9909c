"""The pytest plugin: which checks are made of which entity, and what became of them.

A check is a test function with one of the fixtures ``entity`` (each that is looked at), ``written`` (each that the ERP takes) and
``case`` (each document of these). ``needs`` names the capability without which it is not made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from include.erp.acceptance.documents import Maker
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.result import Check
from include.erp.acceptance.suite import Suite
from include.financials.exceptions import SyncError

F = TypeVar("F", bound=Callable[..., Any])
NOT_ALLOWED = "nothing is written without --allow-writes, into a copy of the books or onto a job for tests"


def needs(action: str) -> Callable[[F], F]:
    """The check is made of entities of which the ERP takes ``action``."""

    def mark(function: F) -> F:
        function.action = action  # type: ignore[attr-defined]
        return function

    return mark


class Plugin:
    def __init__(self, suite: Suite, chosen: str | None = None) -> None:
        self._suite, self.chosen = suite, chosen
        self.checks: list[Check] = []

    # -- what checks are given

    @pytest.fixture(scope="session")
    def suite(self) -> Suite:
        return self._suite

    @pytest.fixture
    def make(self, suite: Suite) -> Maker:
        return Maker(suite)

    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self._suite.notes.clear()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        suite, wanted = self._suite, metafunc.fixturenames
        action = getattr(metafunc.function, "action", "create")
        taken = [name for name in suite.entities if getattr(suite.capability(name), action)]
        if "entity" in wanted:
            metafunc.parametrize("entity", suite.entities)
        elif "case" in wanted:
            cases = [(name, case) for name in taken for case in Maker(suite).cases(name)]
            metafunc.parametrize(("written", "case"), cases, ids=[f"{name}-{case}" for name, case in cases])
        elif "written" in wanted:
            metafunc.parametrize("written", taken)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """``chosen``: texts of which one must stand in what a check is called (its function, entity and case). pytest makes an
        item of an empty list too: a check of no entity is none."""
        items[:] = [item for item in items if all(isinstance(one, str) for one in _parameters(item).values())]
        if self.chosen:
            wanted = [one.strip() for one in self.chosen.split(",")]
            items[:] = [item for item in items if any(one in item.name for one in wanted)]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        names = getattr(item, "fixturenames", ())
        if ("written" in names or "writing" in names) and not self._suite.options.allow_writes:
            pytest.skip(NOT_ALLOWED)

    # -- what became of them

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
        if call.excinfo is not None and call.excinfo.errisinstance(Missing):
            why = str(call.excinfo.value)
            call.excinfo = pytest.CallInfo.from_call(lambda: pytest.skip(why), when="call").excinfo
        report: pytest.TestReport = yield
        if report.when == "call" or (not report.passed and report.when == "setup"):
            self.checks.append(self._check(item, call, report))
        return report

    def _check(self, item: pytest.Item, call: pytest.CallInfo[Any], report: pytest.TestReport) -> Check:
        parameters = _parameters(item)
        doc = str(getattr(getattr(item, "function", None), "__doc__", "") or item.name).strip().split("\n")[0].rstrip(".")
        entity = parameters.get("entity") or parameters.get("written") or ""
        told = _told(call.excinfo.value) if call.excinfo is not None else ""
        seconds = round(call.duration, 3)
        return Check(doc, entity, parameters.get("case", ""), report.outcome, seconds, told, list(self._suite.notes))


def _parameters(item: pytest.Item) -> dict[str, Any]:
    """Entity and case of a check."""
    return dict(item.callspec.params) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def _told(error: BaseException) -> str:
    if isinstance(error, SyncError | pytest.fail.Exception | pytest.skip.Exception):
        return str(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" ({place.tb_frame.f_code.co_name}:{place.tb_lineno})" if place else ""
    return f"{type(error).__name__}: {error}{where}"


def fail(sentence: str) -> None:
    """What is wrong, for a person: without a traceback."""
    pytest.fail(sentence, pytrace=False)


def expect(good: object, sentence: str) -> None:
    if not good:
        fail(sentence)


def some(names: Any, most: int = 3) -> str:
    """The first of many, and how many there are."""
    found = sorted(map(str, names))
    return ", ".join(found[:most]) + (f" and {len(found) - most:,} more" if len(found) > most else "")
