"""JSON without floats, in both directions."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from include.erp.json.numbers import dumps
from include.erp.json.paths import fault, value, values
from include.erp.json.tagged import loads, tagged
from include.erp.transport import LOST

MOMENT = datetime(2026, 9, 25, 1, 2, 3, 4)  # noqa: DTZ001 - servers keep times without a zone


@pytest.mark.parametrize(
    "known",
    [Decimal("0.10"), Decimal("12345678901234.5678"), date(2026, 9, 25), MOMENT, b"\x00\xff", "Ü", None],
)
def test_what_json_lacks_comes_back_as_it_went(known: object) -> None:
    assert loads(dumps(tagged({"a": [known]}))) == {"a": [known]}


def test_a_bare_number_is_written_digit_by_digit_and_read_as_decimal() -> None:
    long = Decimal("333.10000000000000000001")
    assert dumps([long, Decimal("1E+3")]) == "[333.10000000000000000001,1000]"
    (found,) = loads("[333.10000000000000000001]")
    assert found == long and isinstance(found, Decimal)


@pytest.mark.parametrize("wrong", [1.5, {"a": [0.1]}, Decimal("NaN")])
def test_no_float_and_no_number_that_is_none_goes_out(wrong: object) -> None:
    with pytest.raises(TypeError):
        dumps(wrong)


@pytest.mark.parametrize("text", ["NaN1", "[Infinit]", "{", "", "[" * 200_000])
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        loads(text)


def test_what_is_no_number_or_no_day_is_left_for_whoever_reads_it() -> None:
    """One record of a page may be odd; it is named by its field, and the page goes on."""
    found = loads('[NaN, -Infinity, {"__class__": "date", "year": 2026, "month": 2, "day": 30}, {"__class__": "Decimal"}, 1]')
    assert found[0].is_nan() and found[1] == Decimal("-Infinity") and found[4] == 1
    assert found[2] == {"__class__": "date", "year": 2026, "month": 2, "day": 30} and found[3] == {"__class__": "Decimal"}
    (long, short) = loads("[" + "9" * 5000 + ", 12]")
    assert isinstance(long, Decimal) and len(str(long)) == 5000 and isinstance(short, int) and short == 12


def test_names_that_meet_something_of_another_kind_are_told() -> None:
    document = {"lines": [{"a": "n/a"}, {"a": Decimal(1)}], "b": 2, "day": "someday"}
    found, fault = values(["b", "total(lines[].a)", "day_after(day)"], document)
    assert found == {"b": 2, "total(lines[].a)": LOST, "day_after(day)": LOST}
    assert fault is not None and fault.field == "total(lines[].a)" and "cannot be read" in fault.reason


def test_names_lead_into_documents() -> None:
    document = {
        "code": "25-104//05-1200/3",
        "lines": [{"a": Decimal("0.10"), "b": None}, {"a": Decimal("0.20"), "b": Decimal(1)}],
    }
    assert value("split(code, '/')[3]", document) == "3"
    assert value("total(lines[].a)", document) == Decimal("0.30")
    assert value("total(lines[].b)", document) == 1
    assert value("less(lines[0].b, lines[0].a)", document) == Decimal("-0.10")
    assert value("less(lines[9].b, lines[9].a)", document) is None and value("split(nothing, '/')", document) is None
    assert value("percent(lines[0].a)", document) == 10
    assert fault("code") is None and "JMESPath" in str(fault("lines[?"))
