"""External ids, shards, contents and their differences."""

from __future__ import annotations

import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from include.financials.entities import ENTITIES
from include.financials.identity import (
    Origin,
    canonical_json,
    content,
    differing,
    differing_lines,
    digest,
    marker,
    parse_origin,
    shard_of,
)
from tests.unit.financials.pair import commitment, cost_code, line

ROOT = Path(__file__).resolve().parents[3]
FIELDS = ENTITIES["commitments"].content


@pytest.mark.parametrize(
    "text",
    [
        "sandbox:G1:vendors:V-1042",
        "sandbox:01:cost_codes:25-104//03-3000",
        "sandbox:G1:cost_codes://03-3000",
        "sandbox:01:commitments:a:key:with:colons",
    ],
)
def test_an_origin_reads_back_as_it_was_written(text: str) -> None:
    origin = parse_origin(text, "sandbox")
    assert origin is not None and str(origin) == text


def test_the_key_keeps_its_colons() -> None:
    assert parse_origin("sandbox:01:vendors:a:b", "sandbox") == Origin("sandbox", "01", "vendors", "a:b")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "V-1042",
        "sandbox:01:vendors",
        "sandbox:01:vendors:",
        "sandbox::vendors:V-1",
        "vista:01:vendors:V-1",
        "Sandbox:01:vendors:V-1",
    ],
)
def test_what_is_not_ours_is_no_origin(text: str | None) -> None:
    assert parse_origin(text, "sandbox") is None


def test_a_marker_names_the_procore_record() -> None:
    assert marker("procore:8089", "commitments", "90071992547409931") == "procore:8089:commitments:90071992547409931"


def test_shards_are_the_same_in_every_process() -> None:
    code = "from include.financials.identity import shard_of; print([shard_of(f'25-{n}', 7) for n in range(40)])"
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [shard_of(f"25-{n}", 7) for n in range(40)]
    assert there.stdout.strip() == str(here)
    assert set(here) == set(range(7))


def test_one_shard_takes_everything() -> None:
    assert {shard_of(str(n), 1) for n in range(20)} == {0}


def _rescaled(value: Decimal, rng: random.Random) -> Decimal:
    return value + Decimal(0).scaleb(-rng.randint(0, 8))


def test_contents_do_not_depend_on_the_scale_of_a_number() -> None:
    rng = random.Random(11)
    for _ in range(200):
        amount = Decimal(rng.randint(-(10**9), 10**9)).scaleb(-2)
        rate = Decimal(rng.randint(0, 10**6)).scaleb(-4)
        plain = line(amount=str(amount), quantity=rate, unit_cost=rate, unit="EA")
        other = plain.model_copy(
            update={name: _rescaled(getattr(plain, name), rng) for name in ("amount", "quantity", "unit_cost")}
        )
        one = commitment(lines=(plain,), retainage_percent=Decimal("10"))
        two = one.model_copy(update={"lines": (other,), "retainage_percent": Decimal("10.0000")})
        assert digest(content(one, FIELDS)) == digest(content(two, FIELDS))


@pytest.mark.parametrize(("value", "same"), [("100", "1E+2"), ("0", "0.00"), ("0", "-0.00"), ("10", "10.0000")])
def test_one_number_has_one_text(value: str, same: str) -> None:
    one, two = (commitment().model_copy(update={"retainage_percent": Decimal(text)}) for text in (value, same))
    assert content(one, FIELDS) == content(two, FIELDS)


def test_a_difference_of_a_cent_is_a_difference() -> None:
    one, two = commitment(lines=(line(amount="100.00"),)), commitment(lines=(line(amount="100.01"),))
    assert digest(content(one, FIELDS)) != digest(content(two, FIELDS))
    assert differing(content(one, FIELDS), content(two, FIELDS)) == ("lines",)


def test_line_order_is_no_content_but_position_is() -> None:
    a, b = line(1, "10.00"), line(2, "20.00")
    assert content(commitment(lines=(a, b)), FIELDS) == content(commitment(lines=(b, a)), FIELDS)
    swapped = (line(2, "10.00"), line(1, "20.00"))
    assert content(commitment(lines=swapped), FIELDS) != content(commitment(lines=(a, b)), FIELDS)


def test_a_large_id_stays_a_text() -> None:
    assert content(commitment(project="90071992547409931"), ("project",)) == {"project": "90071992547409931"}


def test_canonical_json_sorts_keys_and_keeps_letters() -> None:
    assert canonical_json({"b": Decimal("1.50"), "a": "Ångström"}) == '{"a":"Ångström","b":"1.50"}'


def test_a_line_of_zero_on_one_side_is_no_difference() -> None:
    before = content(commitment(lines=(line(1),)), FIELDS)["lines"]
    after = content(commitment(lines=(line(1), line(2, "0.00"))), FIELDS)["lines"]
    assert differing_lines(before, after) == []
    assert differing_lines(after, before) == []


def test_each_frozen_part_of_a_line_is_told_apart() -> None:
    before = content(commitment(lines=(line(1, "100.00"), line(2, "5.00"), line(10, "7.00"))), FIELDS)["lines"]
    changed = (line(1, "120.00", description="words do not matter"), line(2, "5.00", code="x", kind="1"), line(3, "9.00"))
    after = content(commitment(lines=changed), FIELDS)["lines"]
    assert differing_lines(before, after) == [
        ("1", "amount", "100", "120"),
        ("2", "cost_code", "25-104//03-3000", "x"),
        ("2", "cost_type", "3", "1"),
        ("3", "line", None, "9"),
        ("10", "line", "7", None),
    ]


def test_types_that_only_the_target_has_are_no_difference() -> None:
    fields = ENTITIES["cost_codes"].content
    few, more = (content(cost_code("03-3000", cost_types=types), fields) for types in (("3",), ("1", "3")))
    assert differing(more, few) == ()
    assert differing(few, more) == ("cost_types",)


def test_the_order_of_types_is_no_content() -> None:
    one, two = (content(cost_code("03-3000", cost_types=types), ("cost_types",)) for types in (("3", "1"), ("1", "3")))
    assert one == two


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [(None, "0", False), ("0.0000", None, False), (None, "10", True), ("0", "10", True), ("10", "10.00", False)],
)
def test_no_retainage_is_zero_percent(one: str | None, other: str | None, apart: bool) -> None:
    """Procore says none, and an ERP that cannot keeps zero; or the other way round."""
    fields = ("title", "retainage_percent")
    before, after = (
        content(commitment(retainage_percent=None if percent is None else Decimal(percent)), fields) for percent in (one, other)
    )
    assert differing(before, after) == differing(after, before) == (("retainage_percent",) if apart else ())
