"""What a rule is, and how findings become a verdict. The rules themselves stand with their entities (docs/domain-rules.md 2; same
numbers): those of one family in its file, those of several in ``judging/shared.py``.

A check first *annotates*: ``facts`` turns a record, its references and its counterpart into a row of plain values, dropping
nothing. A rule then says what one of these values must be, which state follows if it is not, and what a person reads. The same
rows are judged in Python for master data and by Great Expectations at a gate (``gate``); nothing else decides a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from include.financials.advice import Filled
from include.financials.legible import legible

State = Literal["linked", "skipped", "held", "quarantined", "blocked", "conflict"]
Test = Literal["present", "absent", "true", "zero"]

PRECEDENCE: tuple[State, ...] = ("conflict", "quarantined", "blocked", "held")
"""When several rules fail, the state that needs the most care wins; the messages of all are kept."""

TESTS: dict[Test, Callable[[Any], bool]] = {
    "present": lambda value: value is not None,
    "absent": lambda value: value is None,
    "true": lambda value: value is True,
    "zero": lambda value: value == 0,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a gate expects of a column of its frame: the document's own values beside what the ERP holds of what it names, where
    an empty cell means that nothing was found. ``where``: columns that must hold something, else nothing is expected."""

    words: str
    column: str
    test: Literal["filled", "empty", "among", "not_among", "equal", "positive"]
    values: tuple[Any, ...] = ()
    """The set of values; of ``equal`` the other column. An empty cell is in every set, and equals everything."""
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """``fact`` names the annotated value, ``test`` what it must be.
    ``message`` and ``waits_for`` are filled from the same row, a message with the commands for its record as well
    (``advice.Filled``)."""

    id: str
    fact: str
    test: Test
    state: State
    message: str
    grain: Literal["record", "line"] = "record"
    severity: Literal["critical", "warning"] = "critical"
    waits_for: str | None = None
    refers: bool = False
    """Asks whether what the record refers to is linked. Where it is not, nothing else is judged (``_verdict``): what follows from
    a reference that cannot be translated is no fault of the record."""
    expects: tuple[Expected, ...] = ()
    """The same, as a gate asks it of real columns about what is to be loaded."""

    @property
    def name(self) -> str:
        return f"{self.id} {self.fact}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a record (or one of its lines) does not meet."""

    rule: Rule
    id: str
    message: str
    waits_for: str | None


def judge(rules: Iterable[Rule], rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Findings of the rules on annotated rows (all of one grain). A fact that a row lacks is a fault of the code: KeyError."""
    chosen = tuple(rules)
    return [finding(rule, row) for row in rows for rule in chosen if not TESTS[rule.test](row[rule.fact])]


def finding(rule: Rule, row: Mapping[str, Any]) -> Finding:
    return Finding(rule, row["row"], *filled(rule, row))


def filled(rule: Rule, row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Message of a rule, and what the record waits for, in words."""
    waits = legible(rule.waits_for.format_map(row)) if rule.waits_for else None
    return legible(rule.message.format_map(Filled(row))), waits


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of one record, its first rule, what it waits for, and everything there is to say about it."""

    state: State
    rule: str | None
    waits_for: str | None
    message: str | None
    warnings: tuple[str, ...]


def verdicts(findings: Iterable[Finding]) -> dict[str, Verdict]:
    """One verdict per record that has findings. With warnings only, the record passes (``linked``) and shows them."""
    by_record: dict[str, list[Finding]] = {}
    for found in findings:
        by_record.setdefault(found.id, []).append(found)
    return {record: _verdict(group) for record, group in by_record.items()}


def _verdict(group: list[Finding]) -> Verdict:
    critical = [found for found in group if found.rule.severity == "critical"]
    if any(found.rule.refers for found in critical):
        # References first: what is not linked is all that can be said of the record (but whose it is, R-01, is never a guess).
        critical = [found for found in critical if found.rule.refers or found.rule.id == "R-01"]
    warnings = tuple(f"{found.rule.id}: {found.message}" for found in group if found.rule.severity == "warning")
    if not critical:
        return Verdict("linked", None, None, None, warnings)
    worst = min(critical, key=lambda found: PRECEDENCE.index(found.rule.state))
    others = [found.message for found in critical if found is not worst]
    message = worst.message + (" Also: " + " ".join(others[:5]) if others else "")
    return Verdict(worst.rule.state, worst.rule.id, worst.waits_for, message, warnings)
