"""When Airflow tries a failed task again: one table from what went wrong to what Airflow does.

Being told *when* to come back (a spent budget of calls, a lease that another task holds) is no failure and never comes here: see
:func:`pause`. The policy is evaluated in the worker; a serialised DAG only knows that there is one. Put it into
``default_args``::

    default_args={"retries": 3, "retry_policy": SyncRetryPolicy()}
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import RetryAction, RetryDecision, RetryPolicy

from include.financials.exceptions import (
    ConfigurationError,
    ContractBroken,
    LeaseLost,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    RetryLater,
    RunFailed,
    StageClosed,
    SyncError,
)


@dataclass(frozen=True, slots=True)
class Row:
    exception: type[BaseException]
    action: RetryAction
    reason: str


TABLE: tuple[Row, ...] = (
    Row(RetryLater, RetryAction.RETRY, "nothing was applied; a system is away"),
    Row(OutcomeUnknown, RetryAction.RETRY, "a write is without outcome; the next try looks it up before anything is sent again"),
    Row(LeaseLost, RetryAction.FAIL, "another task has taken over; this one must not write"),
    Row(StageClosed, RetryAction.FAIL, "the data-quality gate closed the stage; its cause is mended by a person"),
    Row(RunFailed, RetryAction.FAIL, "the run is over; its report says what is open"),
    Row(NotPermitted, RetryAction.FAIL, "a right is missing; an administrator grants it"),
    Row(ConfigurationError, RetryAction.FAIL, "a setting, connection or credential is wrong"),
    Row(ContractBroken, RetryAction.FAIL, "a system broke its contract; the code needs a change"),
    Row(Refused, RetryAction.FAIL, "the request was judged and refused; it would be again"),
)
"""First match wins, subclasses included. What is not listed is left to the task's ``retries`` and ``retry_delay``."""

MAX_DELAY = timedelta(hours=2)
"""Procore's longest window is an hour; a server that asks for more is not believed."""
MARGIN = timedelta(seconds=1)
"""Clocks and windows are told to the second: a task that comes back a moment too early would wait twice."""
LEAST = timedelta(seconds=20)
"""A task that is due again before the scheduler has heard that its process ended is taken for one that was killed: Airflow then
uses up a retry of it, or fails it. A scheduler hears that within a loop, which takes some seconds on a busy machine."""


def pause(error: SyncError) -> timedelta | None:
    """How long to stay away, of an error that says when to come back; None where trying again is all that is left."""
    if error.seconds is None:
        return None
    return max(LEAST, min(MAX_DELAY, timedelta(seconds=min(error.seconds, MAX_DELAY.total_seconds())) + MARGIN))


class SyncRetryPolicy(RetryPolicy):
    """Retry, at the time the system named, what a retry can mend; fail at once what it cannot."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        row = next((row for row in TABLE if isinstance(exception, row.exception)), None)
        if row is None:
            return RetryDecision.default()
        if row.action is RetryAction.FAIL:
            return RetryDecision.fail(f"{type(exception).__name__}: {row.reason}")
        delay = pause(exception) if isinstance(exception, SyncError) else None  # raised by an operator that is not ours
        return RetryDecision.retry(delay, f"{type(exception).__name__}: {row.reason}")

    def serialize(self) -> dict[str, Any]:
        return {"__type": f"{type(self).__module__}.{type(self).__qualname__}"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SyncRetryPolicy:
        return cls()
