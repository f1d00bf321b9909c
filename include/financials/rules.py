"""The integrity rules, one row each (docs/domain-rules.md 2; same numbers).

A check first *annotates*: ``facts`` turns a record, its references and its counterpart into a row of plain values, dropping
nothing. A rule then says what one of these values must be, which state follows if it is not, and what a person reads. The same
rows are judged in Python for master data and by Great Expectations at a gate (``gate``); nothing else decides a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
class Rule:
    """``fact`` names the annotated value, ``test`` what it must be.
    ``message`` and ``waits_for`` are filled from the same row."""

    id: str
    entity: str
    fact: str
    test: Test
    state: State
    message: str
    grain: Literal["record", "line"] = "record"
    severity: Literal["critical", "warning"] = "critical"
    waits_for: str | None = None

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


def _every(rule_id: str, entities: str, fact: str, test: Test, state: State, message: str, **rest: Any) -> list[Rule]:
    return [Rule(rule_id, entity, fact, test, state, message, **rest) for entity in entities.split()]


_MASTER = "vendors customers projects cost_types cost_codes"
_ALL = f"{_MASTER} commitments"

RULES: tuple[Rule, ...] = (
    *_every(
        "R-01", _ALL, "foreign_origin", "absent", "conflict",
        "{label} {number} already carries external id {foreign_origin}, which is not ours. Another integration may own it. "
        "Clear it there or exclude the record.",
    ),
    *_every(
        "R-02", _ALL, "broken_link", "absent", "conflict",
        "The link of {label} {number} to {erp_key} is broken: {broken_link}. Restore it there, or end the link: "
        "decide unlink {entity} {number}.",
    ),
    *_every(
        "2.9", _ALL, "adoption_difference", "absent", "conflict",
        "{label} {number} carries our external id, but its contents differ from {erp_key}: {adoption_difference}. "
        "Decide which side is right.",
    ),
    *_every("V-01", "vendors customers", "field_fault", "absent", "quarantined",
            "{label} {number}: {field_fault}. We do not truncate."),
    *_every("J-01", "projects", "field_fault", "absent", "quarantined", "Job {number}: {field_fault}."),
    *_every("C-02", "cost_types", "mapped", "present", "quarantined",
            "ERP cost type {number} has no counterpart in settings cost_type_codes; add it."),
    *_every("C-01", "cost_codes", "field_fault", "absent", "quarantined", "Cost code {number} of {project}: {field_fault}."),
    *_every(
        "C-01", "cost_codes", "parent_known", "true", "quarantined",
        "Cost code {number} of {project}: its parent {parent} does not exist.",
    ),
    *_every("M-01", "cost_codes", "project_linked", "true", "held",
            "Cost code {number} waits for job {project}, which is not linked.",
            waits_for="projects {project}"),
    *_every("C-02", "cost_codes", "unmapped_type", "absent", "held",
            "Cost code {number}: cost type {unmapped_type} is not linked.",
            waits_for="cost_types {unmapped_type}"),
    *_every(
        "V-02", "vendors customers", "ambiguous", "absent", "quarantined",
        "{label} {number} ({name}) matches {ambiguous}. Choose one or merge them.",
    ),
    *_every("J-01", "projects", "ambiguous", "absent", "quarantined",
            "Job {number} exists twice: {ambiguous}. Nothing under it is synced until one is chosen."),
    *_every("C-01", "cost_codes cost_types", "ambiguous", "absent", "quarantined", "{label} {number} exists twice: {ambiguous}."),
    *_every(
        "2.9", _ALL, "proposal", "absent", "held",
        "{label} {number} looks like {proposal}, to which no external id links it. Decide: link them, or make them differ.",
        waits_for="decision link {entity} {number}",
    ),
    *_every("V-03", "vendors", "merged_into", "absent", "conflict",
            "ERP vendor {number} was merged into {merged_into}. Its documents keep the old key; "
            "end the link to let {merged_into} take its place: decide unlink vendors {number}."),
    # -- the gate before commitments ------------------------------------------------------------------------------------------
    Rule("R-03", "commitments", "currency_ok", "true", "quarantined",
         "{number} is in {currency} but job {job} of company {company} is kept in {job_currency}."),
    Rule("M-01", "commitments", "job", "present", "held",
         "{number}: project {project_name} is not linked to a job.", waits_for="projects {project_name}"),
    Rule("J-02", "commitments", "job_open", "true", "held",
         "Job {job} is {job_status}. Reopen it or exclude the project; {number} waits.",
         waits_for="projects {job}"),
    Rule("M-02", "commitments", "vendor_usable", "true", "held",
         "{number}: vendor \"{vendor_name}\" {vendor_problem}. {amount} waits.",
         waits_for="vendors {vendor_wait}"),
    Rule("M-04", "commitments", "has_lines", "true", "quarantined", "{number} has no schedule of values."),
    Rule("M-04", "commitments", "position_twice", "absent", "quarantined",
         "{number} has two lines at position {position_twice}. Number them apart."),
    Rule("M-04", "commitments", "line_uncoded", "absent", "quarantined",
         "{number} line {position} has no {line_uncoded}.", grain="line"),
    Rule("J-03", "commitments", "sub_job_unknown", "absent", "held",
         "Line {position} of {number} uses sub job {sub_job_unknown}, which the ERP does not know.",
         grain="line", waits_for="sub_jobs {sub_job_unknown}"),
    Rule("M-05", "commitments", "code", "present", "held",
         "{number} line {position}: code {code_text} does not exist on job {job}. Add it in the ERP or re-code the line.",
         grain="line", waits_for="cost_codes {job}//{code_text}"),
    Rule("M-06", "commitments", "code_leaf", "true", "quarantined",
         "{number} line {position}: {code_text} is a header. Choose one of {children}.", grain="line"),
    Rule("M-07", "commitments", "code_active", "true", "quarantined",
         "{number} line {position}: {code_text} is inactive on job {job}.", grain="line"),
    Rule("M-08", "commitments", "assigned", "true", "held",
         "{number} line {position}: job {job} has {code_text} but not type {type_text}. "
         "Add the category to the phase in the ERP.",
         grain="line", waits_for="cost_codes {job}//{code_text}"),
    Rule("M-09", "commitments", "line_difference_cents", "zero", "quarantined",
         "{number} line {position}: {quantity} x {unit_cost} is {line_calculated}, the line says {line_amount}.", grain="line"),
    Rule("M-09", "commitments", "unit_missing", "absent", "quarantined",
         "{number} line {position}: unit accounting needs {unit_missing}.", grain="line"),
    Rule("M-09", "commitments", "sum_difference_cents", "zero", "quarantined",
         "{number}: lines add up to {lines_sum}, contract says {amount} (difference {sum_difference})."),
    Rule("M-10", "commitments", "number_in_erp", "absent", "conflict",
         "{number} is already used by job {number_in_erp} in the ERP. Renumber, or link to the existing document."),
    Rule("M-10", "commitments", "number_twice", "absent", "quarantined",
         "{number} is used twice in Procore ({number_twice}). Renumber one of them."),
    Rule("M-11", "commitments", "field_fault", "absent", "quarantined", "{number}: {field_fault}."),
    Rule("M-11", "commitments", "line_fault", "absent", "quarantined", "{number} line {position}: {line_fault}.", grain="line"),
    Rule("M-12", "commitments", "retainage_fault", "absent", "quarantined", "{number}: {retainage_fault}."),
    Rule("M-12", "commitments", "tax_unmapped", "absent", "quarantined",
         "{number} line {position}: tax code {tax_unmapped} has no counterpart.", grain="line"),
    Rule("M-13", "commitments", "total_negative", "absent", "quarantined",
         "{number}: its total is {total_negative}; a commitment cannot be negative."),
    Rule("M-13", "commitments", "approval_wanted", "absent", "held",
         "{number} takes {amount}, above the limit of {approval_wanted}. Approve it: decide approve commitments {number}.",
         waits_for="decision approve commitments {number}"),
    Rule("M-13", "commitments", "total_zero", "absent", "linked", "{number} has a total of zero.", severity="warning"),
    Rule("M-13", "commitments", "unexecuted", "absent", "linked",
         "{number} is {status}, but the contract is not executed.", severity="warning"),
    Rule("M-14", "commitments", "drift", "absent", "conflict",
         "{number} was changed after it was sent: {drift}. Put it back and issue a change order, or end the link: "
         "decide unlink commitments {number}."),
)  # fmt: skip


def rules_of(entity: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.entity == entity)


def judge(rules: Iterable[Rule], rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Findings of the rules on annotated rows (all of one grain). A fact that a row lacks is a fault of the code: KeyError."""
    chosen = tuple(rules)
    return [finding(rule, row) for row in rows for rule in chosen if not TESTS[rule.test](row[rule.fact])]


def finding(rule: Rule, row: Mapping[str, Any]) -> Finding:
    return Finding(rule, row["row"], rule.message.format_map(row), rule.waits_for.format_map(row) if rule.waits_for else None)


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
    warnings = tuple(f"{found.rule.id}: {found.message}" for found in group if found.rule.severity == "warning")
    if not critical:
        return Verdict("linked", None, None, None, warnings)
    worst = min(critical, key=lambda found: PRECEDENCE.index(found.rule.state))
    others = [found.message for found in critical if found is not worst]
    message = worst.message + (" Also: " + " ".join(others[:5]) if others else "")
    return Verdict(worst.rule.state, worst.rule.id, worst.waits_for, message, warnings)
