"""The retry policy: the decision for each exception, and what is left of it in a serialised DAG."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import DAG, BaseOperator, RetryAction

from include.financials import exceptions
from include.financials.exceptions import (
    ConfigurationError,
    ContractBroken,
    LeaseLost,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    RetryLater,
    StageClosed,
    SyncError,
)
from include.procore.exceptions import Locked, TooLarge, Unavailable
from include.provider.retry import LEAST, MARGIN, MAX_DELAY, TABLE, SyncRetryPolicy

POLICY = SyncRetryPolicy()


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (RetryLater("x", 90.5), RetryAction.RETRY, timedelta(seconds=90.5) + MARGIN),
        (RetryLater("x"), RetryAction.RETRY, None),
        (Unavailable("x", 0), RetryAction.RETRY, LEAST),
        (Unavailable("x", -5.0), RetryAction.RETRY, LEAST),
        (RetryLater("x", 1e9), RetryAction.RETRY, MAX_DELAY),
        (RetryLater("x", float("inf")), RetryAction.RETRY, MAX_DELAY),
        (OutcomeUnknown("x"), RetryAction.RETRY, None),
        (ConfigurationError("x"), RetryAction.FAIL, None),
        (NotPermitted("x"), RetryAction.FAIL, None),
        (ContractBroken("x"), RetryAction.FAIL, None),
        (TooLarge("x"), RetryAction.FAIL, None),
        (Refused("x"), RetryAction.FAIL, None),
        (Locked("x"), RetryAction.FAIL, None),
        (StageClosed("x"), RetryAction.FAIL, None),
        (LeaseLost("x"), RetryAction.FAIL, None),
        (ValueError("x"), RetryAction.DEFAULT, None),
    ],
)
def test_the_decision_for_each_error(error: Exception, action: RetryAction, delay: timedelta | None) -> None:
    decision = POLICY.evaluate(error, 1, 3)
    assert decision.action is action
    assert decision.retry_delay == delay
    assert action is RetryAction.DEFAULT or type(error).__name__ in (decision.reason or "")


def test_every_exception_of_the_domain_has_a_row() -> None:
    known = {kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, SyncError)} - {SyncError}
    assert all(any(issubclass(kind, row.exception) for row in TABLE) for kind in known)


def test_the_policy_passes_through_default_args_and_serialisation() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG(
        "d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args={"retries": 2, "retry_policy": POLICY}
    ) as dag:
        task = BaseOperator(task_id="t")
    assert task.retry_policy is POLICY, "the worker evaluates the object of the DAG file"
    restored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("t")
    assert restored.has_retry_policy, "the scheduler only knows that there is one"
    assert isinstance(SyncRetryPolicy.deserialize(POLICY.serialize()), SyncRetryPolicy)
