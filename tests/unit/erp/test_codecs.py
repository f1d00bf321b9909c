"""Values to and from columns: exact, or refused with the reason."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from include.erp.codecs import Storage, Unfit, bounds, codec
from include.erp.columns import fill, splits
from include.erp.sql.selects import dump_key, load_key

CENTS = Storage("minor_units", scale=2)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (0, "0.00"),
        (-1, "-0.01"),
        (999999999999999999, "9999999999999999.99"),
        (Decimal("12345"), "123.45"),
        ("-700", "-7.00"),
        (10**40 + 1, f"1{'0' * 38}.01"),
    ],
)
def test_minor_units_both_ways(raw: Any, value: str) -> None:
    decoded = codec(CENTS).decode(raw)
    assert (decoded, str(decoded)) == (Decimal(value), value)
    assert codec(CENTS).encode(decoded) == int(raw)


@pytest.mark.parametrize("value", ["0.005", "1.001", "9999999999999999.999", "-0.0000001"])
def test_more_decimals_than_the_column_holds_are_not_rounded(value: str) -> None:
    with pytest.raises(Unfit, match="keeps 2 decimals; we do not round"):
        codec(CENTS).encode(Decimal(value))


@pytest.mark.parametrize(
    ("storage", "raw"),
    [
        (CENTS, 1.0),
        (CENTS, True),
        (CENTS, Decimal("1.5")),
        (CENTS, "1.5"),
        (Storage("decimal"), 1.0),
        (Storage("decimal"), "Infinity"),
        (Storage("integer"), "1e3"),
        (Storage("boolean"), 2),
        (Storage("text"), 1.5),
        (Storage("date"), datetime(2026, 1, 1, 1, tzinfo=UTC)),
        (Storage("date"), "2026-02-30"),
        (Storage("date_text", layout="%d.%m.%Y"), "2026-01-01"),
        (Storage("timestamp"), "yesterday"),
        (Storage("timestamp"), 5),
        (Storage("timestamp", timezone="America/Chicago"), "9999-12-31 23:59:59"),
        (Storage("timestamp", timezone="Europe/Berlin"), datetime(1, 1, 1)),  # noqa: DTZ001
        (Storage("integer"), "9" * 5000),
        (Storage("text"), Decimal("Infinity")),
        (Storage("text"), Decimal("1e400")),
        (Storage("text"), Decimal("1e99999999999")),
        (Storage("integer"), Decimal("1e99999999999")),
        (CENTS, Decimal("1e99999999999")),
        (Storage("text"), Decimal("sNaN")),
        (Storage("text", map={"A": 1}), "B"),
    ],
)
def test_what_is_none_is_refused(storage: Storage, raw: Any) -> None:
    with pytest.raises(Unfit):
        codec(storage).decode(raw)


def test_maps_go_both_ways() -> None:
    plain = codec(Storage("text", map={1: True, "Y": True, 0: False}))
    assert [plain.decode(raw) for raw in (1, "Y ", True, 0)] == [True, True, True, False]
    assert (plain.encode(True), plain.encode(False)) == (1, 0)
    words = codec(Storage("text", write_map={"Approved": "open"}))
    assert (words.decode("void"), words.encode("Approved")) == ("void", "open")
    with pytest.raises(Unfit, match="the mapping can write 'Approved'"):
        words.encode("Draft")


@pytest.mark.parametrize(
    ("storage", "raw"),
    [
        (Storage("timestamp_text"), "2026-09-30T18:00:00.123Z"),
        (Storage("timestamp_text", layout="%Y%m%d%H%M%S"), "20260930180000"),
        (Storage("timestamp_text", layout="%d/%m/%Y %H:%M", timezone="America/Chicago"), "30/09/2026 13:00"),
        (Storage("timestamp", timezone="America/Chicago"), datetime(2026, 9, 30, 13)),  # noqa: DTZ001
        (Storage("timestamptz"), datetime(2026, 9, 30, 18, tzinfo=UTC)),
        (Storage("timestamp_text"), "2026-09-30T20:00:00+02:00"),
    ],
)
def test_times_are_aware_and_utc(storage: Storage, raw: Any) -> None:
    moment = codec(storage).decode(raw)
    assert (moment.tzinfo, moment.replace(microsecond=0)) == (UTC, datetime(2026, 9, 30, 18, tzinfo=UTC))


def test_a_bound_is_cut_never_rounded() -> None:
    moment = datetime(2026, 9, 30, 18, 0, 0, 999_999, tzinfo=UTC)
    assert bounds(Storage("timestamp_text"), moment, None) == ("2026-09-30T18:00:00.999Z", None)
    assert codec(Storage("date_text", layout="%Y%m%d")).encode(date(2026, 9, 3)) == "20260903"


@pytest.mark.parametrize(
    ("template", "text", "found"),
    [
        ("{job}/{sub}/{code}", "25-104//03-3000", [{"job": "25-104", "sub": "", "code": "03-3000"}]),
        ("{a}-{b}", "1-2-3", [{"a": "1", "b": "2-3"}, {"a": "1-2", "b": "3"}]),
        ("J{a}", "K1", []),
        ("{a}x", "1x", [{"a": "1"}]),
        ("{a}x", "1", []),
        ("{a}::{b}", "1:2", []),
    ],
)
def test_ids_come_apart_as_they_were_put_together(template: str, text: str, found: list[dict[str, str]]) -> None:
    assert list(splits(template, text)) == found
    assert all(fill(template, list(parts.values())) == text for parts in found)


def test_keys_survive_json() -> None:
    key = ("a", 5, Decimal("12.50"), date(2026, 1, 2))
    assert load_key(dump_key(key)) == key
