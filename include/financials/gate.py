"""The gate: what is about to load, joined with what the ERP holds of it, as frames that Great Expectations looks at; and the
verdict on the whole stage.

A rule that says what must hold of a column (``Rule.expects``) is one expectation or some, and Great Expectations alone decides it
for what is about to load; what is arithmetic or history is judged in Python, and so is everything about records that are linked
already, or that stopped before and are still what they were: only when nothing stops them any more are they about to load. Then
the stage is judged as a whole (docs/domain-rules.md 2.3): many failures, or one reason for most of them, are a mapping or
permission fault and not bad data, and nothing is written.

Frames, results and a page that shows both stay beside the run's other files. Great Expectations and pandas are imported when
there is something to load, never while a DAG is parsed.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, cast

from upath import UPath

from include.financials.checks import Checked, check
from include.financials.entities import ENTITIES, gates_before
from include.financials.gate_page import Frame, page, parquet
from include.financials.judging.facts import GateRow, Row
from include.financials.judging.rules import Expected, Finding, Rule, finding, judge
from include.financials.ledger import Judged, Restated
from include.financials.money import ZERO, text
from include.financials.packed import Kept
from include.financials.reading.staging import write_whole
from include.financials.report import keep, recall
from include.financials.settings import GateSettings
from include.financials.view import Sync
from include.financials.writing.engine import load

log = logging.getLogger(__name__)


@dataclass
class Gate:
    """A judge for ``check`` that keeps what it saw: figures of each rule, and the frames, packed. A long stage comes to it in
    parts, each with its records whole.

    Rows of facts about what is about to load (``fresh``) have ``columns``, a row of the frame each.
    """

    rules: Sequence[Rule]
    frames: dict[str, Kept[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(Kept))
    """Rows of real columns by grain, as far as they are about to load."""
    wrong: dict[str, dict[int, dict[str, str]]] = field(default_factory=lambda: defaultdict(dict))
    """Grain -> place in its frame -> column -> what was expected of it."""
    _tallies: dict[Rule, Tally] = field(default_factory=dict)

    def __call__(self, entity: str, records: Sequence[Row], lines: Sequence[Row]) -> list[Finding]:
        findings: list[Finding] = []
        still = self._still_stopped(records, lines)
        for grain, told in (("record", records), ("line", lines)):
            rows = cast("Sequence[GateRow]", told)
            rules = [rule for rule in self.rules if rule.grain == grain]
            fresh = [row for row in rows if row["fresh"] and row["row"] not in still]
            known = [row for row in rows if not row["fresh"] or row["row"] in still]
            found = judge(rules, known) + judge([rule for rule in rules if not rule.expects], fresh)
            if fresh:
                found += self._expect(grain, [rule for rule in rules if rule.expects], fresh)
            found.sort(key=lambda one: rules.index(one.rule))
            self._count(rules, rows, found, {row["row"] for row in fresh})
            findings += found
        return findings

    @property
    def results(self) -> list[RuleResult]:
        """Figures of each rule that had something to judge, those of records before those of lines."""
        return [tally.result(rule, looked=rule.grain in self.frames) for rule, tally in self._tallies.items()]

    def _still_stopped(self, records: Sequence[Row], lines: Sequence[Row]) -> set[str]:
        """Of what stopped before and did not change: what a rule still stops."""
        again = {row["row"] for row in records if row["fresh"] and row["again"]}
        found = [
            one
            for grain, rows in (("record", records), ("line", lines))
            for one in judge([rule for rule in self.rules if rule.grain == grain], [row for row in rows if row["row"] in again])
        ]
        return {one.id for one in found if one.rule.severity == "critical"}

    def _expect(self, grain: str, rules: Sequence[Rule], rows: Sequence[GateRow]) -> list[Finding]:
        columns = [row["columns"] for row in rows]
        start, findings = len(self.frames[grain]), []
        self.frames[grain].add(columns)
        for rule, places in validated(grain, rules, columns).items():
            for place, expected in places.items():
                findings.append(finding(rule, rows[place]))
                self.wrong[grain].setdefault(start + place, {})[expected.column] = f"{rule.id}: {expected.words}"
        return findings

    def _count(self, rules: Sequence[Rule], rows: Sequence[GateRow], found: Sequence[Finding], fresh: Set[str]) -> None:
        first: dict[str, GateRow] = {}
        for row in rows:
            first.setdefault(row["row"], row)
        for rule in rules if rows else ():
            self._tallies.setdefault(rule, Tally()).checked += len(rows)
        for one in found:
            self._tallies[one.rule].fail(first[one.id], fresh=one.id in fresh)


def validated(name: str, rules: Sequence[Rule], rows: Sequence[Mapping[str, Any]]) -> dict[Rule, dict[int, Expected]]:
    """What Great Expectations finds in a frame of these rows (all with the same columns): rule -> place of a row -> the first
    expectation of the rule that it does not meet. Raises RuntimeError where an expectation cannot be evaluated."""
    import pandas as pd

    gx = quiet_great_expectations()
    # Plain objects: a column of ids with one missing would become floats, and amounts would lose cents.
    frame = pd.DataFrame(rows, dtype=object).assign(row_number=range(len(rows)))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    asked = [(rule, expected) for rule in rules for expected in rule.expects]
    expectations = [expectation(gx, rule, expected, number) for number, (rule, expected) in enumerate(asked)]
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    result = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row_number"]},
    )
    told: dict[int, list[int]] = {}
    for outcome in result.results:
        meta = outcome.expectation_config.meta
        if outcome.exception_info.get("raised_exception"):
            raise RuntimeError(f"expectation {meta} could not be evaluated: {outcome.exception_info}")
        told[meta["number"]] = [entry["row_number"] for entry in outcome.result.get("unexpected_index_list") or []]
    found: dict[Rule, dict[int, Expected]] = {rule: {} for rule in rules}
    for number, (rule, expected) in enumerate(asked):
        for place in told[number]:
            found[rule].setdefault(place, expected)
    return found


def expectation(gx: Any, rule: Rule, expected: Expected, number: int) -> Any:
    """The built-in expectation that says the same."""
    from great_expectations.expectations.row_conditions import Column

    common: dict[str, Any] = {
        "severity": rule.severity,
        "description": f"{rule.id}: {expected.words}",
        "meta": {"rule": rule.name, "state": rule.state, "number": number},
    }
    for name in expected.where:
        filled = Column(name).is_not_null()
        common["row_condition"] = common["row_condition"] & filled if "row_condition" in common else filled
    kinds = gx.expectations
    match expected.test:
        case "filled":
            return kinds.ExpectColumnValuesToNotBeNull(column=expected.column, **common)
        case "empty":
            return kinds.ExpectColumnValuesToBeNull(column=expected.column, **common)
        case "among":
            return kinds.ExpectColumnValuesToBeInSet(column=expected.column, value_set=list(expected.values), **common)
        case "not_among":
            return kinds.ExpectColumnValuesToNotBeInSet(column=expected.column, value_set=list(expected.values), **common)
        case "positive":
            return kinds.ExpectColumnValuesToBeBetween(column=expected.column, min_value=1, **common)
        case "equal":
            return kinds.ExpectColumnPairValuesToBeEqual(
                column_A=expected.column, column_B=expected.values[0], ignore_row_if="either_value_is_missing", **common
            )


def _plain(one: RuleResult) -> dict[str, Any]:
    return {**asdict(one), "records": list(one.records)}


_NAMED = re.compile(r"\{(\w+)\}")


def _words(name: re.Match[str]) -> str:
    return f"‹{name[1].replace('_', ' ')}›"


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a gate found by one rule; ``amount`` is text, ``records`` the numbers of the first 20."""

    rule: str
    fact: str
    expected: str
    by: str
    severity: str
    checked: int
    failed: int
    amount: str
    records: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What a gate has counted of a rule so far."""

    SHOWN: ClassVar[int] = 20
    checked: int = 0
    failed: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)
    """Of each record that failed."""
    known: dict[str, None] = field(default_factory=dict)
    """Numbers of the first that failed of what was judged before, and of the others (``fresh``)."""
    fresh: dict[str, None] = field(default_factory=dict)

    def fail(self, row: GateRow, *, fresh: bool) -> None:
        """A row failed, of the record that begins with this one."""
        self.failed += 1
        self.amounts[row["row"]] = Decimal(row["amount"] or "0")
        numbers = self.fresh if fresh else self.known
        if len(numbers) < self.SHOWN:
            numbers[row["number"]] = None

    def result(self, rule: Rule, *, looked: bool) -> RuleResult:
        """``looked``: Great Expectations saw a frame of this grain."""
        return RuleResult(
            rule=rule.id,
            fact=rule.fact,
            # What is judged in Python has no words of its own for what must hold: the fact, and what is said where there is one.
            expected="; ".join(expected.words for expected in rule.expects)
            or f'no {rule.fact.replace("_", " ")}: "{_NAMED.sub(_words, rule.message)}"',
            by="Great Expectations" if rule.expects and looked else "Python",
            severity=rule.severity,
            checked=self.checked,
            failed=self.failed,
            amount=text(sum(self.amounts.values(), ZERO)) or "0.00",
            records=tuple(dict.fromkeys((*self.known, *self.fresh)))[: self.SHOWN],
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """The verdict on a stage. ``reason`` is None while it is open."""

    passed: bool
    judged: int
    failed: int
    failed_amount: str
    reason: str | None
    rules: tuple[RuleResult, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For XCom: of the rules those that found something."""
        return {**asdict(self), "rules": [_plain(one) for one in self.rules if one.failed]}


def verdict(outcomes: Iterable[Judged], settings: GateSettings, rules: Sequence[RuleResult] = ()) -> Opening:
    """Judge a stage by its outcome rows: those judged for the first time or with changed content, that would load or fail to.

    Skipped records, linked ones that stay as they are and carried-over failures count in neither part.
    """
    judged, passing = list[Judged](), 0
    for row in outcomes:
        passing += row.state == "linked" and row.how != "none"
        if row.judged and row.state != "skipped" and row.how == "none":
            judged.append(row)
    failed = [row for row in judged if row.state != "linked"]
    amount = sum((abs(Decimal(row.amount or "0")) for row in judged), ZERO)
    failed_amount = sum((abs(Decimal(row.amount or "0")) for row in failed), ZERO)
    # Nothing new would be written and most of the stage is linked: old failures after a lost ledger, and nothing to keep out.
    idle = len(failed) == len(judged) and passing > len(failed)
    reason = None if idle else _reason(judged, failed, amount, failed_amount, settings)
    return Opening(reason is None, len(judged), len(failed), text(failed_amount) or "0.00", reason, tuple(rules))


def _reason(
    judged: Sequence[Judged],
    failed: Sequence[Judged],
    amount: Decimal,
    failed_amount: Decimal,
    settings: GateSettings,
) -> str | None:
    if len(failed) < settings.min_failures:
        return None
    # One reason for most of it says more than the number that it adds up to: looked at first.
    rule, count = Counter(row.rule for row in failed).most_common(1)[0]
    if count >= settings.one_reason_min and Decimal(count) / len(judged) > settings.one_reason_records:
        return (
            f"rule {rule} alone stops {count} of {len(judged)} commitments: that is a mapping or permission fault, not bad data."
        )
    share = Decimal(len(failed)) / len(judged)
    if share > settings.max_failed_records:
        return (
            f"{len(failed)} of {len(judged)} commitments fail ({share:.1%}; the limit is {settings.max_failed_records:.0%}). "
            f"{_causes(failed)}"
        )
    if amount and failed_amount / amount > settings.max_failed_amount:
        return (
            f"{failed_amount:.2f} of {amount:.2f} fails "
            f"({failed_amount / amount:.1%}; the limit is {settings.max_failed_amount:.0%}). {_causes(failed)}"
        )
    return None


def _causes(failed: Sequence[Judged]) -> str:
    by_rule: dict[str, list[str]] = defaultdict(list)
    for row in failed:
        by_rule[str(row.rule)].append(row.number)
    return "By rule: " + "; ".join(
        f"{rule} {len(numbers)} ({', '.join(numbers[:5])})" for rule, numbers in sorted(by_rule.items())
    )


def quiet_great_expectations() -> Any:
    """Imported late and with its logger turned down: it writes over a hundred INFO lines when imported after the task SDK."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    return gx


def guard(sync: Sync, entity: str) -> tuple[Checked, Opening]:
    """Check an entity over all shards and judge its stage; a closed stage keeps its records as candidates.

    Leaves ``validation-<gate>.json`` (every rule's figures), ``gate-<gate>.json`` (the verdict), ``gate-<gate>.html`` (both, to
    read) and the frames as ``gate-<gate>-<grain>.parquet`` in the run's folder.
    """
    gate, sync = Gate(ENTITIES[entity].rules), sync.judging(entity)
    checked = check(sync, entity, range(sync.run.shards), gate)
    opening = verdict(sync.ledger.outcomes.each(sync.run.run_id, entity), sync.settings.gate, gate.results)
    name = ENTITIES[entity].gate or entity
    keep(sync, f"validation-{name}", {"rules": [_plain(one) for one in gate.results]})
    keep(sync, f"gate-{name}", {key: getattr(opening, key) for key in ("passed", "judged", "failed", "failed_amount")})
    told = show(sync, name, entity, gate, opening)
    log.info("what the gate saw: %s", told)
    for one in gate.results:
        if one.failed:
            found = (one.rule, one.fact, one.failed, one.checked, one.amount, ", ".join(one.records))
            log.info("%s %s: %d of %d failed, %s: %s", *found)
    if opening.passed:
        log.info("gate open: %d judged, %d stopped for %s", opening.judged, opening.failed, opening.failed_amount)
    else:
        close(sync, entity, opening)
    return checked, opening


def show(sync: Sync, name: str, entity: str, gate: Gate, opening: Opening) -> UPath:
    """Keep the frames and the page; returns where that is. Amounts in a frame are text with two places."""
    frames = []
    for grain, rows in gate.frames.items():
        file = sync.folder / f"gate-{name}-{grain}.parquet"
        write_whole(file, parquet(rows))
        title = {"record": entity.replace("_", " ")}.get(grain, f"{grain}s")
        frames.append(Frame(title, tuple(next(iter(rows))), rows, file.name, gate.wrong.get(grain, {})))
    place = sync.folder / f"gate-{name}.html"
    write_whole(place, page(name, entity, sync.run.run_id, opening, gate.results, frames))
    return place


def close(sync: Sync, entity: str, opening: Opening) -> None:
    """Keep the records of a closed stage as candidates: what would have been written is held, and judged anew in the next run.

    Adopting writes nothing, so the gate does not stop it; else a lost ledger could never be made again beside a few bad records.
    """
    waiting = [
        Restated(
            row, state="held", rule="gate", waits_for="the gate of this stage",
            message=f"{row.number} is fit to load, but its stage was stopped: {opening.reason}",
        )
        for row in sync.ledger.outcomes.of(sync.run.run_id, entity, work=False)
        if row.state == "linked" and row.action not in ("unchanged", "adopt")
    ]  # fmt: skip
    sync = sync.judging(entity)
    sync.ledger.story.stage_closed(sync.run.run_id, entity, opening.reason or "")
    sync.ledger.outcomes.restate(sync.run.run_id, entity, waiting)
    for shard in range(sync.run.shards if ENTITIES[entity].project_scoped else 1):
        load(sync, entity, shard, write=False)


def wait_behind(sync: Sync, entity: str, shards: Sequence[int]) -> None:
    """What a closed gate means for an entity that refers to its records, in these shards: its load does not run, so what would be
    written is held; what both sides have is adopted all the same, as behind the gate itself."""
    closed = [
        g for g in sorted(gates_before(ENTITIES[entity])) if (recall(sync, f"gate-{g}") or {"passed": True})["passed"] is False
    ]
    if not closed:
        return
    waiting = [
        Restated(
            row, state="held", rule="waits", waits_for=f"the gate {closed[0]}",
            message=f"{row.number} is fit to load, but waits behind the gate {closed[0]}, which is closed.",
        )
        for shard in shards
        for row in sync.ledger.outcomes.of(sync.run.run_id, entity, shard, work=False)
        if row.state == "linked" and row.action not in ("unchanged", "adopt")
    ]  # fmt: skip
    sync.ledger.outcomes.restate(sync.run.run_id, entity, waiting)
    for shard in shards:
        load(sync.judging(entity), entity, shard, write=False)
