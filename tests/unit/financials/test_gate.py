"""Rules, facts and the gate: one table, judged alike in Python and by Great Expectations."""

from __future__ import annotations

import itertools
import random
import string
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pytest

from include.financials import checks
from include.financials import gate as gate_module
from include.financials.advice import OF_A_ROW
from include.financials.entities import ENTITIES
from include.financials.gate import Gate, Opening, RuleResult, Tally, validated, verdict
from include.financials.judging.check import judge_rows
from include.financials.judging.facts import Row
from include.financials.judging.rules import PRECEDENCE, TESTS, Expected, Finding, Rule, judge, verdicts
from include.financials.ledger import Judged
from include.financials.reading import extract
from include.financials.settings import GateSettings
from include.financials.view import Sync
from include.financials.writing import engine
from tests.unit.financials.pair import FULL, LINKED, ONLY, World, commitment, cost_code, cost_type, draft, line, project, vendor

GOOD: dict[str, list[Any]] = {"present": ["x", "0", 0, False, ""], "absent": [None], "true": [True], "zero": [0]}
WRONG: dict[str, list[Any]] = {
    "present": [None],
    "absent": ["a fault", "", 0, False, True],
    "true": [False, None],
    "zero": [1, -1, None],
}


def names_in(template: str | None) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template or "") if name}


class Caught(list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]):
    """A judge that keeps the rows which the checks really produce."""

    def __call__(self, entity: str, records: Any, lines: Any) -> list[Finding]:
        self.append((entity, list(records), list(lines)))
        return judge_rows(entity, records, lines)


RULES = [(name, rule) for name, row in ENTITIES.items() for rule in row.rules if not row.read_only]


@pytest.fixture(scope="module")
def produced(stages: dict[str, World], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Row], list[Row]]]:
    """Per entity the fact rows (records, lines) of a real check of good records."""
    found = {}
    for name, stage in stages.items():
        world, caught = stage.fork(tmp_path_factory.mktemp("facts") / name), Caught()
        if name == "commitments":
            unit: dict[str, Any] = {
                "quantity": Decimal(2),
                "unit_cost": Decimal("1.5"),
                "unit": "EA",
                "extended_type": "calculated",
            }
            draft(world, "SC-22", lines=(line(), line(2, kind="9", **unit)))
        sync = world.sync(params={"entities": [name]})
        extract.extract(sync, name)
        checks.check(sync, name, [0], caught)
        world.close()
        found[name] = ([row for _, rows, _ in caught for row in rows], [row for _, _, rows in caught for row in rows])
    return found


@pytest.mark.parametrize(("entity", "rule"), RULES, ids=lambda one: getattr(one, "name", one))
def test_a_rule_finds_what_is_wrong_and_nothing_else(entity: str, rule: Rule, produced: Any) -> None:
    """On a row of a real check: its fact is there, and message and waits_for find every value they name."""
    records, lines = produced[entity]
    row = (records if rule.grain == "record" else lines)[0]
    assert {rule.fact, "row", "number", *names_in(rule.message), *names_in(rule.waits_for)} <= {*row, *OF_A_ROW}
    for value in GOOD[rule.test]:
        assert judge([rule], [row | {rule.fact: value}]) == []
    for value in WRONG[rule.test]:
        (found,) = judge([rule], [row | {rule.fact: value}])
        assert found.id == row["row"] and "{" not in found.message and "{" not in (found.waits_for or "")


def test_a_good_record_breaks_no_rule(produced: Any) -> None:
    assert set(produced) == set(LINKED)
    for entity, (records, lines) in produced.items():
        good = [row for row in records if row["number"] != "SC-22"], [row for row in lines if row["number"] != "SC-22"]
        assert judge_rows(entity, *good) == [] and good[0], entity
        if any(rule.grain == "line" for rule in ENTITIES[entity].rules):
            assert good[1], entity


def test_a_held_record_always_says_what_it_waits_for() -> None:
    assert [(name, rule.name) for name, rule in RULES if rule.state == "held" and rule.waits_for is None] == []


def test_a_gate_says_of_each_rule_what_must_hold() -> None:
    """In words of its own, or by the fact and what is said where there is one; what is filled in is named, not spelt as code."""
    told = {rule.fact: Tally().result(rule, looked=False).expected for rule in ENTITIES["commitments"].rules}
    assert told["broken_link"].startswith('no broken link: "‹label› ‹number›: its link with ‹erp key› is broken: ‹broken link›.')
    assert not [text for text in told.values() if not text or {"{", "}"} & set(text)]


def test_rules_can_be_told_apart() -> None:
    for entity in ENTITIES:
        for grain in ("record", "line"):
            names = [rule.name for rule in ENTITIES[entity].rules if rule.grain == grain]
            assert len(names) == len(set(names))
    assert {f"M-{n:02}" for n in range(1, 15)} - {"M-03"} <= {rule.id for rule in ENTITIES["commitments"].rules}, (
        "M-03 skips, it judges nothing"
    )


def test_a_fact_that_a_row_lacks_is_a_fault_of_the_code() -> None:
    with pytest.raises(KeyError):
        judge(ENTITIES["vendors"].rules, [{"row": "x"}])


def _finding(state: Any, rule_id: str, severity: Any = "critical") -> Finding:
    return Finding(Rule(rule_id, "f", "absent", state, "m", severity=severity), "r", f"message of {rule_id}", f"waits {rule_id}")


def test_the_state_that_needs_most_care_wins() -> None:
    findings = [_finding(state, f"X-{state}") for state in reversed(PRECEDENCE)]
    random.Random(1).shuffle(findings)
    found = verdicts(findings)["r"]
    assert (found.state, found.rule, found.waits_for) == ("conflict", "X-conflict", "waits X-conflict")
    assert found.message is not None and found.message.startswith("message of X-conflict Also: ")
    assert all(f"message of X-{state}" in found.message for state in PRECEDENCE)
    for worse, better in itertools.pairwise(PRECEDENCE):
        assert verdicts([_finding(better, "b"), _finding(worse, "w")])["r"].state == worse


def test_warnings_let_a_record_pass_and_are_shown() -> None:
    found = verdicts([_finding("linked", "W-1", "warning")])["r"]
    assert (found.state, found.rule, found.message, found.warnings) == ("linked", None, None, ("W-1: message of W-1",))
    both = verdicts([_finding("linked", "W-1", "warning"), _finding("held", "H-1")])["r"]
    assert both.state == "held" and both.warnings == ("W-1: message of W-1",)


def test_a_contract_that_is_not_executed_loads_with_a_warning(linked: World) -> None:
    draft(linked, executed=False)
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("created", "")}
    assert "is not executed" in linked.ledger.outcomes.of(sync.run.run_id, "commitments")[0].warnings


# -- Great Expectations --


CELLS: dict[str, list[Any]] = {
    "filled": ["x", "0", 0, False, ""], "empty": [None], "among": [None], "not_among": [None, "none", ""], "positive": [1, 7],
    "equal": [None],
}  # fmt: skip
"""Cells that meet an expectation of each kind, beside those that it names."""


def met(expected: Expected, row: Row) -> bool:
    """The same in Python: an empty cell is in every set and equals everything."""
    cell = row[expected.column]
    if any(row[name] is None for name in expected.where):
        return True
    match expected.test:
        case "filled":
            return cell is not None
        case "empty":
            return cell is None
        case "among":
            return cell is None or cell in expected.values
        case "not_among":
            return cell is None or cell not in expected.values
        case "positive":
            return bool(cell is not None and cell >= 1)
        case "equal":
            return cell is None or row[expected.values[0]] is None or cell == row[expected.values[0]]


@pytest.mark.parametrize("grain", ["record", "line"])
def test_great_expectations_finds_what_its_expectations_say(grain: str) -> None:
    """Frames whose cells are good, wrong or empty at random: the same places, by the first expectation of a rule that fails."""
    rng = random.Random(5)
    rules = [rule for rule in ENTITIES["commitments"].rules if rule.expects and rule.grain == grain]
    asked = [expected for rule in rules for expected in rule.expects]
    names = {name for one in asked for name in (one.column, *one.where, *(one.values if one.test == "equal" else ()))}
    cells: dict[str, list[Any]] = {name: [None, "x"] for name in sorted(names)}
    for one in asked:
        if one.test == "equal":
            cells[one.values[0]].append("y")
        good = [*CELLS[one.test], *(one.values if one.test == "among" else ())]
        wrong = {"among": [not value for value in one.values], "not_among": list(one.values), "positive": [0]}.get(one.test, [])
        cells[one.column] = [*cells[one.column], *good, *wrong] if one.test in ("filled", "empty", "equal") else [*good, *wrong]
    frame = [{name: rng.choice(values) for name, values in cells.items()} for _ in range(80)]
    wanted = {}
    for rule in rules:
        first = {place: next((one for one in rule.expects if not met(one, row)), None) for place, row in enumerate(frame)}
        wanted[rule] = {place: one for place, one in first.items() if one is not None}
    assert validated(grain, rules, frame) == wanted
    assert all(wanted.values()), "every rule was seen to fail"


def test_the_gate_finds_nothing_in_good_rows(produced: Any) -> None:
    rules = ENTITIES["commitments"].rules
    records, lines = produced["commitments"]
    gate = Gate(rules)
    assert gate("commitments", records[:1], lines[:1]) == []
    expecting = {rule.id for rule in rules if rule.expects}
    assert expecting == {one.rule for one in gate.results if one.by == "Great Expectations"}
    assert {one.failed for one in gate.results} == {0} and {one.amount for one in gate.results} == {"0.00"}
    assert len(gate.results) == len(rules) and {one.checked for one in gate.results} == {1}
    assert Gate(rules)("commitments", [], []) == []


def test_what_is_linked_already_costs_no_frame(produced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations takes seconds to import: a quiet run does without."""
    monkeypatch.setattr(gate_module, "quiet_great_expectations", lambda: pytest.fail("nothing is about to load"))
    gate = Gate(ENTITIES["commitments"].rules)
    (row,) = produced["commitments"][0][:1]
    assert gate("commitments", [{**row, "fresh": False, "drift": "its status"}], [])[0].rule.id == "M-14"
    assert gate.frames == {} and {one.by for one in gate.results} == {"Python"}, "who saw no frame has judged nothing"


def test_what_stopped_before_costs_no_frame_until_nothing_stops_it(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = gate_module.validated
    monkeypatch.setattr(gate_module, "validated", lambda *given: asked.append(given[0]) or real(*given))

    def run() -> tuple[tuple[str, str], list[str]]:
        """What became of it, and the frames that were made."""
        asked.clear()
        sync = linked.sync(params=ONLY)
        extract.extract(sync, "commitments")
        gate_module.guard(sync, "commitments")
        engine.load(sync, "commitments", 0)
        return linked.states(sync, "commitments")["SC-9"], [*asked]

    stopped, both = ("held", "M-02"), ["record", "line"]
    draft(linked, "SC-9")
    linked.erp.change("vendors", "V-1", hold="all", hold_reason="dispute")
    assert run() == (stopped, both)
    assert run() == (stopped, [])
    linked.procore.change("commitments", "SC-9", title="Changed meanwhile")
    assert run() == (stopped, both)
    assert run() == (stopped, [])
    linked.erp.change("vendors", "V-1", hold="none")
    assert run() == (("created", ""), both)
    assert run() == (("unchanged", ""), [])


def test_the_page_shows_what_was_wrong_and_runs_nothing(linked: World) -> None:
    draft(linked, "SC-9", title="<script>alert(1)</script>", lines=(line(code="00-0000"),))
    sync = linked.sync(params=ONLY)
    extract.extract(sync, "commitments")
    gate_module.guard(sync, "commitments")
    (row,) = pandas.read_parquet(str(sync.folder / "gate-referential_integrity-line.parquet")).to_dict("records")
    assert (row["number"], row["erp_code"], row["cost_code"]) == ("SC-9", None, "00-0000")
    page = (sync.folder / "gate-referential_integrity.html").read_text(encoding="utf-8")
    assert 'title="M-05: the cost code is one of the job in the ERP"' in page
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page


# -- the verdict --


def rows(
    good: int, bad: int, *, amount: str = "100.00", bad_amount: str | None = None, reasons: int = 99, **changes: Any
) -> list[Judged]:
    base = Judged(**dict.fromkeys(Judged._fields, None) | {"judged": True, "how": "none", "state": "linked"} | changes)  # type: ignore[arg-type]
    fit = [base._replace(number=f"G-{n}", amount=amount) for n in range(good)]
    return fit + [
        base._replace(number=f"B-{n}", amount=bad_amount or amount, state="held", rule=f"M-{n % reasons:02}") for n in range(bad)
    ]


@pytest.mark.parametrize(
    ("given", "passed", "says"),
    [
        (rows(0, 0), True, None),
        (rows(0, 4), True, None),
        (rows(0, 5), False, "5 of 5 commitments fail (100.0%; the limit is 20%). By rule: M-00 1 (B-0)"),
        (rows(20, 5), True, None),
        (rows(19, 5), False, "5 of 24 commitments fail (20.8%"),
        (rows(95, 5, amount="100.00", bad_amount="633.33"), True, None),
        (rows(95, 5, amount="100.00", bad_amount="633.34"), False, "3166.70 of 12666.70 fails (25.0%; the limit is 25%)"),
        (rows(95, 5, amount="100.00", bad_amount="-700.00"), False, "3500.00 of 13000.00 fails"),
        (rows(95, 5, amount="-100.00", bad_amount="100.00"), True, None),
        (rows(9, 10, reasons=1), False, "rule M-00 alone stops 10 of 19 commitments: that is a mapping or permission fault"),
        (rows(10, 10, reasons=1), False, "10 of 20 commitments fail (50.0%"),
        (rows(0, 9, reasons=1), False, "9 of 9 commitments fail"),
        (rows(9, 10, reasons=2), False, "10 of 19 commitments fail"),
        (rows(0, 30, judged=False), True, None),
        (rows(0, 30, how="link"), True, None),
        (rows(0, 30, how="external_id"), True, None),
        (rows(0, 30, how="marker"), True, None),
        (rows(0, 10) + rows(11, 0, how="external_id"), True, None),
        (rows(0, 10) + rows(10, 0, how="external_id"), False, "10 of 10"),
        (rows(1, 10) + rows(99, 0, how="external_id"), False, "10 of 11"),
        ([row._replace(state="skipped") for row in rows(0, 30)], True, None),
        (rows(40, 4) + rows(0, 30, judged=False), True, None),
        (rows(0, 6, amount="0.00"), False, "6 of 6"),
    ],
)
def test_the_verdict_at_its_limits(given: list[Judged], passed: bool, says: str | None) -> None:
    found = verdict(given, GateSettings())
    assert found.passed is passed
    assert (found.reason is None) if says is None else (says in (found.reason or ""))


def test_limits_are_settings() -> None:
    given = rows(0, 5)
    assert verdict(given, GateSettings(min_failures=6)).passed
    assert verdict(given, GateSettings(max_failed_records=Decimal(1), max_failed_amount=Decimal(1))).passed


def test_the_verdict_counts_what_it_judged() -> None:
    told = RuleResult("M-01", "vendor", "is there", "Python", "critical", 10, 0, "0.00", ())
    failed = replace(told, rule="M-02", failed=2, records=("SC-1", "SC-2"))
    found = verdict(rows(8, 2, bad_amount="-50.25") + rows(0, 3, judged=False), GateSettings(), [told, failed])
    assert found == Opening(True, 10, 2, "100.50", None, (told, failed))
    assert found.as_dict() == {
        "passed": True, "judged": 10, "failed": 2, "failed_amount": "100.50", "reason": None,
        "rules": [{
            "rule": "M-02", "fact": "vendor", "expected": "is there", "by": "Python", "severity": "critical", "checked": 10,
            "failed": 2, "amount": "0.00", "records": ["SC-1", "SC-2"],
        }],
    }  # fmt: skip


# -- facts at their edges --

NARROW = replace(
    FULL,
    max_lengths={"title": 30, "number": 12, "description": 60},
    max_digits={"amount": 9},
    decimals={"retainage_percent": 4, "unit_cost": 4},
    alphabets={"number": "A-Za-z0-9-"},
)


def fits(number: int) -> str:
    return "x" * number


Change = Callable[[World], Any]


def erp(entity: str, number: str, **changes: Any) -> Change:
    return lambda world: world.erp.change(entity, number, **changes)


def elsewhere(company: str) -> Change:
    """The ERP has a document of this number on another job."""

    def change(world: World) -> None:
        world.erp.put(project("25-999", company=company))
        world.erp.put(commitment(company=company, project="25-999", status="open"))

    return change


EDGES: list[tuple[Change | None, dict[str, Any], tuple[str, str | None, str | None]]] = [
    # M-01, J-02: the job
    (
        lambda world: world.procore.put(project("25-9", id="4711", company=None)),
        {"project": "4711"},
        ("held", "M-01", "projects 25-9"),
    ),
    (erp("projects", "25-104", status="closed"), {}, ("held", "J-02", "projects 25-104")),
    (erp("projects", "25-104", status="soft_closed"), {}, ("created", None, None)),
    (lambda world: world.procore.change("projects", "25-104", status="closed"), {}, ("held", "J-02", "projects 25-104")),
    # the currency
    (None, {"currency": "CAD"}, ("quarantined", "R-03", None)),
    (None, {"currency": None}, ("created", None, None)),
    # M-02: the vendor
    (None, {"vendor": "4711"}, ("held", "M-02", "vendors 4711")),
    (erp("vendors", "V-1", hold="all", hold_reason="dispute"), {}, ("held", "M-02", "vendors V-1")),
    (erp("vendors", "V-1", hold="payment"), {}, ("created", None, None)),
    (erp("vendors", "V-1", active=False), {}, ("held", "M-02", "vendors V-1")),
    (None, {"vendor": None}, ("held", "M-02", "a vendor")),
    # M-04: the schedule of values
    (None, {"lines": (), "amount": Decimal("0.00")}, ("quarantined", "M-04", None)),
    (None, {"lines": (line(cost_code=None),)}, ("quarantined", "M-04", None)),
    (None, {"lines": (line(cost_type=None),)}, ("quarantined", "M-04", None)),
    # M-05 to M-08: the codes
    (None, {"lines": (line(code="4711"),)}, ("held", "M-05", "cost_codes 25-104//4711")),
    (None, {"lines": (line(code="25-104//03"),)}, ("quarantined", "M-06", None)),
    (erp("cost_codes", "03-3000", active=False), {}, ("quarantined", "M-07", None)),
    (None, {"lines": (line(kind="9"),)}, ("held", "M-08", "cost_codes 25-104//03-3000")),
    (None, {"lines": (line(1, "60.00"), line(2, "40.00"))}, ("created", None, None)),
    # M-09: the sums
    (None, {"amount": Decimal("100.01")}, ("quarantined", "M-09", None)),
    (None, {"lines": (line(1, "150.00"), line(2, "-50.00"))}, ("created", None, None)),
    (
        None,
        {"lines": (line(amount="10104.00", quantity=Decimal(120), unit_cost=Decimal("84.50"), extended_type="calculated"),)},
        ("quarantined", "M-09", None),
    ),
    (None, {"lines": (line(amount="10104.00", quantity=Decimal(120), unit_cost=Decimal("84.50")),)}, ("created", None, None)),
    (
        None,
        {"lines": (line(amount="595.30", quantity=Decimal("333.5"), unit_cost=Decimal("1.785"), extended_type="calculated"),)},
        ("created", None, None),
    ),
    (
        None,
        {"lines": (line(amount="595.29", quantity=Decimal("333.5"), unit_cost=Decimal("1.785"), extended_type="calculated"),)},
        ("quarantined", "M-09", None),
    ),
    (
        None,
        {
            "lines": (
                line(amount="-0.01", quantity=Decimal("-0.5"), unit_cost=Decimal("0.01"), extended_type="calculated"),
                line(2, "9.00"),
            )
        },
        ("created", None, None),
    ),
    (None, {"accounting_method": "unit"}, ("quarantined", "M-09", None)),
    (
        None,
        {"accounting_method": "unit", "lines": (line(quantity=Decimal(1), unit_cost=Decimal(100), unit="EA"),)},
        ("created", None, None),
    ),
    # M-10: the number
    (elsewhere("01"), {}, ("conflicts", "M-10", None)),
    (elsewhere("02"), {}, ("created", None, None)),
    (None, {"number": "SC 1"}, ("quarantined", "M-11", None)),
    (None, {"number": "ÄC-1"}, ("quarantined", "M-11", None)),
    # M-11: the limits
    (None, {"number": "SC-456789012"}, ("created", None, None)),
    (None, {"number": "SC-4567890123"}, ("quarantined", "M-11", None)),
    (None, {"title": fits(30)}, ("created", None, None)),
    (None, {"title": fits(31)}, ("quarantined", "M-11", None)),
    (None, {"title": None}, ("quarantined", "M-11", None)),
    (None, {"lines": (line(description=fits(60)),)}, ("created", None, None)),
    (None, {"lines": (line(description=fits(61)),)}, ("quarantined", "M-11", None)),
    (None, {"lines": (line(amount="999999999.99"),)}, ("created", None, None)),
    (None, {"lines": (line(amount="1000000000.00"),)}, ("quarantined", "M-11", None)),
    (None, {"lines": (line(unit_cost=Decimal("1.23456")),)}, ("quarantined", "M-11", None)),
    # M-12: tax codes, the retainage
    (None, {"lines": (line(tax_code="4711"),)}, ("quarantined", "M-12", None)),
    (None, {"retainage_percent": Decimal(0)}, ("created", None, None)),
    (None, {"retainage_percent": Decimal(100)}, ("created", None, None)),
    (None, {"retainage_percent": Decimal("100.0001")}, ("quarantined", "M-12", None)),
    (None, {"retainage_percent": Decimal("-0.0001")}, ("quarantined", "M-12", None)),
    # M-13: the total
    (None, {"lines": (line(amount="-0.01"),)}, ("quarantined", "M-13", None)),
    (None, {"lines": (line(amount="0.00"),)}, ("created", None, None)),
]
"""(what is done before, the commitment's changes, (count of the report, rule, what it waits for))."""


def at_its_edge(world: World, case: int, judge: Callable[..., list[Finding]]) -> tuple[Sync, str]:
    """A run of the case until its load; its commitment's number."""
    before, changes, _ = EDGES[case]
    number = changes.get("number", "SC-1")
    world.erp.capability = {**world.erp.capability, "commitments": NARROW}
    if before is not None:
        before(world)
    draft(world, **{"number": number, **changes})
    sync = world.sync(params=ONLY)
    extract.extract(sync, "commitments")
    checks.check(sync, "commitments", [0], judge)
    return sync, number


@pytest.mark.parametrize("case", range(len(EDGES)))
def test_each_gate_rule_at_its_edge(linked: World, case: int) -> None:
    expected = EDGES[case][2]
    sync, number = at_its_edge(linked, case, judge_rows)
    engine.load(sync, "commitments")
    row = linked.ledger.outcomes.of(sync.run.run_id, "commitments")[0]
    assert (linked.states(sync, "commitments")[number][0], row.rule, row.waits_for) == expected
    assert expected[1] is None or number in row.message or "Job" in row.message


def test_at_every_edge_the_gate_comes_to_what_the_facts_say(linked: World, tmp_path: Path) -> None:
    """It asks real columns by Great Expectations: those of all cases in one frame, each of which takes a quarter of a second."""

    def said(finding: Finding) -> tuple[str, ...]:
        return finding.rule.name, finding.id, finding.message, str(finding.waits_for)

    records, lines = list[Row](), list[Row]()
    for case in range(len(EDGES)):
        world, caught = linked.fork(tmp_path / str(case)), Caught()
        at_its_edge(world, case, caught)
        world.close()
        for _, *found in caught:
            for rows, kept in zip(found, (records, lines), strict=True):
                kept += [{**row, "row": f"{row['row']} of case {case}"} for row in rows]
    assert {row["fresh"] for row in records} == {True}, "a frame has them all"
    found = Gate(ENTITIES["commitments"].rules)("commitments", records, lines)
    assert Counter(map(said, found)) == Counter(map(said, judge_rows("commitments", records, lines)))
    told = {(one.rule.id, int(one.id.rpartition(" ")[2])) for one in found}
    assert {(rule, case) for case, (_, _, (_, rule, _)) in enumerate(EDGES) if rule} <= told


def test_a_number_that_two_documents_use_stops_both(linked: World) -> None:
    first = draft(linked)
    linked.procore.put(first.model_copy(update={"id": "999999", "kind": "purchase_order"}))
    sync = linked.run(params=ONLY)
    assert {(row.state, row.rule) for row in linked.ledger.outcomes.of(sync.run.run_id, "commitments")} == {
        ("quarantined", "M-10")
    }


@pytest.mark.parametrize(
    ("changes", "drifts"),
    [
        ({"title": "Another"}, False),
        ({"executed": False}, False),
        ({"status": "Complete"}, False),
        ({"status": "Terminated"}, True),
        ({"status": "Draft"}, True),
        ({"deleted": True}, True),
        ({"vendor": None}, True),
        ({"retainage_percent": Decimal(5)}, True),
        ({"amount": "line"}, True),
        ({"lines": "zero"}, False),
        ({"lines": "more"}, True),
    ],
)
def test_what_was_sent_may_not_drift(linked: World, changes: dict[str, Any], drifts: bool) -> None:
    draft(linked)
    linked.run(params=ONLY)
    own: Any = linked.procore.get("commitments", number="SC-1")
    first = own.lines[0]
    if changes.get("amount") == "line":
        changes = {"amount": Decimal("100.01"), "lines": (first.model_copy(update={"amount": Decimal("100.01")}),)}
    elif changes.get("lines") == "zero":
        changes = {"lines": (first, first.model_copy(update={"position": 2, "id": "L2", "amount": Decimal("0.00")}))}
    elif changes.get("lines") == "more":
        more = first.model_copy(update={"position": 2, "id": "L2", "amount": Decimal("0.01")})
        changes = {"lines": (first, more), "amount": Decimal("100.01")}
    linked.procore.change("commitments", "SC-1", **changes)
    state = linked.states(linked.run(params=ONLY), "commitments")["SC-1"]
    assert (state == ("conflicts", "M-14")) is drifts, state
    assert linked.erp.get("commitments", number="SC-1").vendor == "V-1"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (vendor("V-9", code=None), ("quarantined", "V-01")),
        (vendor("V-9", tax_id="1"), ("created", None)),
        (cost_type("7"), ("quarantined", "C-02")),
        (cost_code("09-1000", parent="25-104//09"), ("quarantined", "C-01")),
        (cost_code("09-1000", cost_types=("8",)), ("held", "C-02")),
        (cost_code("09-1000", job="25-999"), ("skipped", None)),
        (project("25-105", status="closed"), ("skipped", None)),
        (vendor("V-9", active=False), ("skipped", None)),
    ],
)
def test_master_rules(linked: World, record: Any, expected: tuple[str, str | None]) -> None:
    linked.erp.put(record)
    if getattr(record, "project", None) == "25-999":
        linked.erp.put(project("25-999", status="closed"))
    sync = linked.run()
    row = next(r for r in linked.ledger.outcomes.of(sync.run.run_id, type(record).entity) if r.id == record.id)
    assert (linked.states(sync, row.entity)[row.number][0], row.rule) == expected


def test_tests_are_what_they_are_called() -> None:
    assert set(TESTS) == set(GOOD) == set(WRONG)
    for name, check in TESTS.items():
        assert all(check(value) for value in GOOD[name]) and not any(check(value) for value in WRONG[name])


def test_a_gate_that_has_nothing_to_show_does_without_pandas(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is most of what an unchanged run would import."""
    draft(linked)
    linked.run(params=ONLY)
    sync = linked.sync(params=ONLY)
    extract.extract(sync, "commitments")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert gate_module.guard(sync, "commitments")[1].passed
    name = ENTITIES["commitments"].gate
    assert (sync.folder / f"gate-{name}.html").exists() and not list(sync.folder.glob(f"gate-{name}-*.parquet"))
