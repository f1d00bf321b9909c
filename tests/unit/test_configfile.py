"""Configuration is read as version 1.2 of YAML has it, and every value says where it stands."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from include.configfile import Malformed, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("No", "No"), ("y", "y"), ("true", True), ("FALSE", False), ("tRue", "tRue"), ("~", None), ("", None),
        ("'~'", "~"), ("12", 12), ("-7", -7), ("007", 7), ("0x1F", 31), ("0o17", 15), ("1_000", "1_000"), ("'12'", "12"),
        ("12.50", Decimal("12.50")), ("-.5", Decimal("-0.5")), ("1e3", Decimal("1E+3")), ("1.2.3", "1.2.3"), (".", "."),
        ("12:30", "12:30"), ("2026-07-01", date(2026, 7, 1)), ("2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z"), (".nan", ".nan"),
        ("!!str 12", "12"), ("!!int '12'", 12), ("é", "é"), (r'"a\u0000b"', "a\0b"), ("|\n    two\n    lines\n", "two\nlines\n"),
    ],
)  # fmt: skip
def test_a_value(text: str, value: Any) -> None:
    found = parse(f"key: {text}\n").data["key"]
    assert found == value and type(found) is type(value)
    if isinstance(value, Decimal):
        assert str(found) == str(value)


def test_where_things_stand() -> None:
    content = parse("a: 1\nb:\n- x\n- {c: 2,\n   d: 3}\n")
    assert content.data == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    assert content.lines == {
        (): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "d"): 5,
    }  # fmt: skip
    assert content.lists == {("b",)}


def test_what_is_joined_gives_way_to_the_blocks_own() -> None:
    content = parse("one: &one {a: 1, b: 2}\ntwo: &two {b: 3, c: 4}\nboth:\n  b: 5\n  <<: [*one, *two]\nagain: *one\n")
    assert content.data["both"] == {"b": 5, "a": 1, "c": 4} and content.data["again"] == {"a": 1, "b": 2}
    assert content.lines["both", "b"] == 4 and content.lines["both", "a"] == content.lines["both",] == 3


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: [}", 2, "did not find expected node content"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, 'duplicate key "c": a key may stand once in a block'),
        ("a: *nobody\n", 1, "found undefined alias"),
        ("a: 1\n--- \nb: 2\n", 2, "but found another document"),
        ("a:\n  !!python/name:os.system x\n", 2, "is nothing that can stand here"),
        ("a: !!int x\n", 1, "'x' is no int"),
        ("a: 1\nb: 2026-02-30\n", 2, "'2026-02-30' is no date: day is out of range"),
        ("a: &a [*a]\n", 1, "an anchor holds itself"),
        ("a: {<<: 3}\n", 1, "<< joins blocks only"),
        ("[1]: 2\n", 1, "is nothing that can stand here"),
        ("a: \ud800\n", 1, "surrogates not allowed"),
        ("a: \0\n", 1, "control characters are not allowed"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.line == line and problem in caught.value.problem, caught.value
