"""JSON of either side: exact numbers, and nothing that could be read in two ways."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from json import JSONDecodeError

import pytest

from include.financials import exact


@pytest.mark.parametrize(
    "text",
    [
        '{"amount": 1, "amount": 2}',
        '{"amount": 1, "amount": 1.0}',
        '{"amount": "1", "amount": 1}',
        '{"amount": false, "amount": 0}',
        '{"amount": null, "amount": 1}',
        '{"amount": NaN, "amount": NaN}',
        '[{"id": 7, "lines": [{"amount": 1, "other": 2, "amount": 3}]}]',
        '{"long": %s, "amount": 1, "amount": 2}' % ("9" * 5000),
    ],
)  # fmt: skip
def test_two_values_of_one_name_are_none(text: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match=r"^has 'amount' twice in one object, with two values$"):
            exact.loads(given)


def test_one_value_twice_is_one() -> None:
    assert exact.loads('{"a": [1.50], "b": 2, "a": [1.50]}') == {"a": [Decimal("1.50")], "b": 2}


@pytest.mark.parametrize("levels", [70, 300, 10_000, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply_is_said_to_be(levels: int, opened: str, closed: str) -> None:
    """Whoever follows it (a copy, a digest, a mapping's path) would end in an error of its own."""
    with pytest.raises(ValueError, match="nested too deeply"):
        exact.loads(opened * levels + "1" + closed * levels)


@pytest.mark.parametrize("seed", range(40))
def test_brackets_within_texts_are_no_nesting_and_hide_none(seed: int) -> None:
    """Texts of brackets, half of them with quotes and backslashes too, around and within as many levels as are read, and within
    one more."""
    chance = random.Random(seed)
    signs = "[]{}\n x" + '"\\' * (seed % 2)

    def text() -> str:
        return "".join(chance.choices(signs, k=chance.randrange(12)))

    def nested(levels: int) -> object:
        found: object = text()
        for _ in range(levels):
            beside = [text() for _ in range(chance.randrange(3))]
            found = {text(): beside, "in": found} if chance.random() < 0.5 and levels > 1 else [*beside, found, text()]
        return found

    held = nested(exact.DEEPEST - 1)  # lists of texts beside may be one level more
    assert exact.loads(json.dumps(held)) == held
    with pytest.raises(ValueError, match="nested too deeply"):
        exact.loads(json.dumps(nested(exact.DEEPEST + 1)))


def test_what_records_are_nested_like_is_read() -> None:
    assert exact.loads('{"a":' * 30 + '"' + "[{" * 500 + '\\"[["' + "}" * 30) is not None


@pytest.mark.parametrize(
    ("text", "error"), [("[[[1]", JSONDecodeError), ("<html>", JSONDecodeError), (b"\xff", UnicodeDecodeError)]
)
def test_what_is_no_json_is_no_json(text: str | bytes, error: type[ValueError]) -> None:
    with pytest.raises(error):
        exact.loads(text)
