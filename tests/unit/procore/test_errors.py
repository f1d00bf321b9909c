"""Every error body of docs/procore-contract.md 1.9 is read, and every status leads to what is to be done next."""

from __future__ import annotations

from typing import Any

import pytest

from include.financials.exceptions import (
    ConfigurationError,
    ContractBroken,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    RetryLater,
    SyncError,
)
from include.procore.errors import MESSAGE_LENGTH, STATUS, ApiError, error_for, parse_error
from include.procore.exceptions import Locked, NotFound, TooLarge, Unavailable

SHAPES: list[tuple[str, Any, str, str | None]] = [
    (
        "v1 default",
        {"code": 422, "message": "Vendor is fixed", "fields": "vendor_id", "reason": "locked", "error": None},
        "Vendor is fixed; locked",
        "vendor_id",
    ),
    (
        "v1 default, fields as a map",
        {"code": 400, "message": "Invalid", "fields": {"number": ["has already been taken"]}},
        "Invalid; number: has already been taken",
        "number",
    ),
    (
        "v2",
        {
            "error": {
                "code": "BAD_REQUEST",
                "message": "Bad",
                "details": [{"reason_code": "X", "message": "no title", "source": "title"}],
            }
        },
        "Bad; no title",
        "title",
    ),
    (
        "v1 batch",
        {"error": {"code": "E1", "message": "Bad", "details": [{"code": "E2", "message": "no number", "source": "number"}]}},
        "Bad; no number",
        "number",
    ),
    ("message and exception", {"message": "Couldn't find it", "exception": "RecordNotFound"}, "Couldn't find it", None),
    (
        "errors by field",
        {"errors": {"code": ["is taken", "is long"], "rate1": ["?"]}},
        "code: is taken; code: is long; rate1: ?",
        "code",
    ),
    ("errors as a list", {"errors": ["one", "two"]}, "one; two", None),
    ("errors as objects", {"errors": [{"field": "amount", "message": "too big"}]}, "amount: too big", "amount"),
    ("errors as text", {"errors": "not allowed"}, "not allowed", None),
    ("message and error", {"message": "Currency is wrong", "error": "CURRENCY"}, "Currency is wrong (CURRENCY)", None),
    ("message only", {"message": "exists"}, "exists", None),
    ("error without details", {"error": {"code": "C", "message": "no"}}, "no", None),
    ("error in error", {"error": {"error": "once an hour"}}, "once an hour", None),
    ("reason only", {"reason": "because"}, "because", None),
    ("empty errors fall through", {"errors": [], "message": "real reason"}, "real reason", None),
    ("a bare list", ["a", "b"], "a; b", None),
    ("nothing", {}, "no explanation given", None),
]


@pytest.mark.parametrize(("body", "message", "field"), [pytest.param(*shape[1:], id=shape[0]) for shape in SHAPES])
def test_every_shape_is_read(body: Any, message: str, field: str | None) -> None:
    assert parse_error(body) == ApiError(message, field)


def test_a_page_of_html_becomes_a_short_line() -> None:
    found = parse_error(None, "<html><body><h1>502   Bad\nGateway</h1>" + "<p>x</p>" * 10_000)
    assert found.message.startswith("502 Bad Gateway x x")
    assert len(found.message) <= MESSAGE_LENGTH


@pytest.mark.parametrize("broken", [{"error": {"details": ["x", None]}}, {"errors": {"a": {"b": [None, 3]}}}, {"fields": 5}])
def test_odd_bodies_do_not_break_the_parser(broken: Any) -> None:
    assert parse_error(broken).message


@pytest.mark.parametrize(
    ("text", "locked"),
    [
        ("Contract is locked because its status is Approved", True),
        ("This invoice is not editable because it was synced with ERP", True),
        ("vendor cannot be changed", True),
        ("number has already been taken", False),
        ("block number is invalid", False),
        ("parent must be in sync order", False),
    ],
)
def test_a_lock_is_known_by_its_text(text: str, locked: bool) -> None:
    assert ApiError(text).locked is locked


READ_WRITE: list[tuple[int, type[SyncError], type[SyncError]]] = [
    (400, Refused, Refused),
    (401, ConfigurationError, ConfigurationError),
    (403, NotPermitted, NotPermitted),
    (404, NotFound, NotFound),
    (405, Refused, Refused),
    (406, ContractBroken, ContractBroken),
    (408, RetryLater, OutcomeUnknown),
    (409, RetryLater, OutcomeUnknown),
    (413, TooLarge, TooLarge),
    (418, Refused, Refused),
    (422, Refused, Refused),
    (429, RetryLater, RetryLater),
    (499, RetryLater, OutcomeUnknown),
    (500, RetryLater, OutcomeUnknown),
    (502, RetryLater, OutcomeUnknown),
    (503, RetryLater, OutcomeUnknown),
    (504, RetryLater, OutcomeUnknown),
    (599, RetryLater, OutcomeUnknown),
]


@pytest.mark.parametrize(("status", "read", "write"), READ_WRITE)
def test_status_decides_what_to_do_next(status: int, read: type[SyncError], write: type[SyncError]) -> None:
    for is_write, expected in ((False, read), (True, write)):
        error = error_for("PATCH /x", status, ApiError("why", "field"), write=is_write)
        assert isinstance(error, expected)
        assert "PATCH /x" in str(error)
        assert str(status) in str(error)
        assert "why" in str(error)


def test_every_row_of_the_table_is_tested() -> None:
    assert set(STATUS) <= {status for status, _, _ in READ_WRITE}


def test_what_the_server_asked_for_travels_along() -> None:
    error = error_for("GET /x", 429, ApiError("limit"), write=False, retry_after=7.5)
    assert isinstance(error, RetryLater)
    assert error.seconds == 7.5


def test_a_503_with_retry_after_says_nothing_of_a_write() -> None:
    """It only tells when to come back."""
    assert isinstance(error_for("PATCH /x", 503, ApiError("busy"), write=True, retry_after=3), OutcomeUnknown)
    assert isinstance(error_for("GET /x", 503, ApiError("busy"), write=False, retry_after=3), Unavailable)


@pytest.mark.parametrize("status", [400, 422])
def test_a_lock_and_its_field_are_kept(status: int) -> None:
    error = error_for("PATCH /x", status, ApiError("record is locked", "vendor_id"), write=True)
    assert isinstance(error, Locked)
    assert error.field == "vendor_id"


def test_a_missing_company_is_a_setting() -> None:
    error = error_for("GET /x", 400, ApiError("Missing Procore-Company-Id header! Send it."), write=False)
    assert isinstance(error, ConfigurationError)
    assert "company_id" in str(error)
