"""The gate: the rules M-01 to M-14 as Great Expectations, over the commitments about to load, and the verdict on the whole stage.

Each rule row becomes one expectation that carries the rule's id, severity and message; what Great Expectations finds decides the
records' states. Then the stage is judged as a whole (docs/domain-rules.md 2.3): many failures, or one reason for most of them,
are a mapping or permission fault and not bad data, and nothing is written.

Great Expectations and pandas are imported when the gate runs, never while a DAG is parsed.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from include.financials.checks import Checked, check
from include.financials.engine import load
from include.financials.entities import ENTITIES, gates_before
from include.financials.facts import Row
from include.financials.money import ZERO, text
from include.financials.report import keep, recall
from include.financials.rules import Finding, Rule, finding, rules_of
from include.financials.settings import GateSettings
from include.financials.view import Sync

log = logging.getLogger(__name__)


@dataclass
class Gate:
    """A judge for ``checks.check`` that uses Great Expectations, and keeps per-rule figures for the report."""

    settings: GateSettings
    results: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, entity: str, records: Sequence[Row], lines: Sequence[Row]) -> list[Finding]:
        findings: list[Finding] = []
        for grain, rows in (("record", records), ("line", lines)):
            rules = [rule for rule in rules_of(entity) if rule.grain == grain]
            if rows and rules:
                findings += self._validate(f"{entity}.{grain}", rules, rows)
        return findings

    def _validate(self, name: str, rules: Sequence[Rule], rows: Sequence[Row]) -> list[Finding]:
        import pandas as pd

        gx = quiet_great_expectations()
        columns = sorted({rule.fact for rule in rules})
        # A set of values lets empty ones pass, a rule does not: where one is looked for, nothing counts as something else.
        filled = {rule.fact for rule in rules if rule.test in ("true", "zero")}
        # Plain objects: a column of ids with one missing would become floats, and amounts would lose cents.
        frame = pd.DataFrame(
            [{name: "" if row[name] is None and name in filled else row[name] for name in columns} for row in rows],
            columns=columns,
            dtype=object,
        )
        frame["row_number"] = range(len(rows))
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[expectation(gx, rule) for rule in rules]))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        result = definition.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row_number"]},
        )
        by_name = {rule.name: rule for rule in rules}
        findings = []
        for outcome in result.results:
            if outcome.exception_info.get("raised_exception"):
                raise RuntimeError(
                    f"expectation {outcome.expectation_config.meta} could not be evaluated: {outcome.exception_info}"
                )
            rule = by_name[outcome.expectation_config.meta["rule"]]
            failed = [rows[entry["row_number"]] for entry in outcome.result.get("unexpected_index_list") or []]
            findings += [finding(rule, row) for row in failed]
            self.results.append(rule_result(rule, len(rows), failed))
        return findings


def expectation(gx: Any, rule: Rule) -> Any:
    """The rule as the built-in expectation that tests the same thing."""
    common = {
        "column": rule.fact,
        "severity": rule.severity,
        "description": f"{rule.id}: {rule.message}",
        "meta": {"rule": rule.name, "id": rule.id, "state": rule.state},
    }
    if rule.test == "present":
        return gx.expectations.ExpectColumnValuesToNotBeNull(**common)
    if rule.test == "absent":
        return gx.expectations.ExpectColumnValuesToBeNull(**common)
    return gx.expectations.ExpectColumnValuesToBeInSet(value_set=[True] if rule.test == "true" else [0], **common)


def rule_result(rule: Rule, checked: int, failed: Sequence[Row]) -> dict[str, Any]:
    """Per rule: checked, failed, amount (text) and the first 20 records."""
    amounts = {row["row"]: Decimal(row["amount"] or "0") for row in failed}
    return {
        "rule": rule.id,
        "fact": rule.fact,
        "severity": rule.severity,
        "checked": checked,
        "failed": len(failed),
        "amount": text(sum(amounts.values(), ZERO)),
        "records": list(dict.fromkeys(row["number"] for row in failed))[:20],
    }


@dataclass(frozen=True, slots=True)
class Opening:
    """The verdict on a stage. ``reason`` is None while it is open."""

    passed: bool
    judged: int
    failed: int
    failed_amount: str
    reason: str | None
    rules: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("passed", "judged", "failed", "failed_amount", "reason")} | {
            "rules": [row for row in self.rules if row["failed"]]
        }


def verdict(outcomes: Sequence[Mapping[str, Any]], settings: GateSettings, rules: Sequence[Mapping[str, Any]] = ()) -> Opening:
    """Judge a stage by its outcome rows: those judged for the first time or with changed content, that would load or fail to.

    Skipped records, linked ones that stay as they are and carried-over failures count in neither part.
    """
    judged = [row for row in outcomes if row["judged"] and row["state"] != "skipped" and row["how"] == "none"]
    failed = [row for row in judged if row["state"] != "linked"]
    amount = sum((abs(Decimal(row["amount"] or "0")) for row in judged), ZERO)
    failed_amount = sum((abs(Decimal(row["amount"] or "0")) for row in failed), ZERO)
    passing = sum(1 for row in outcomes if row["state"] == "linked" and row["how"] != "none")
    # Nothing new would be written and most of the stage is linked: old failures after a lost ledger, and nothing to keep out.
    idle = len(failed) == len(judged) and passing > len(failed)
    reason = None if idle else _reason(judged, failed, amount, failed_amount, settings)
    return Opening(reason is None, len(judged), len(failed), text(failed_amount) or "0.00", reason, tuple(rules))


def _reason(
    judged: Sequence[Mapping[str, Any]],
    failed: Sequence[Mapping[str, Any]],
    amount: Decimal,
    failed_amount: Decimal,
    settings: GateSettings,
) -> str | None:
    if len(failed) < settings.min_failures:
        return None
    # One reason for most of it says more than the number that it adds up to: looked at first.
    rule, count = Counter(row["rule"] for row in failed).most_common(1)[0]
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


def _causes(failed: Sequence[Mapping[str, Any]]) -> str:
    by_rule: dict[str, list[str]] = defaultdict(list)
    for row in failed:
        by_rule[row["rule"]].append(row["number"])
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

    Leaves ``validation-<gate>.json`` (every rule's figures) and ``gate-<gate>.json`` (the verdict) beside the run's pages.
    """
    gate, sync = Gate(sync.settings.gate), sync.judging(entity)
    checked = check(sync, entity, range(sync.run.shards), gate)
    opening = verdict(sync.ledger.outcomes(sync.run.run_id, entity), sync.settings.gate, gate.results)
    name = ENTITIES[entity].gate or entity
    keep(sync, f"validation-{name}", {"rules": gate.results})
    keep(sync, f"gate-{name}", {key: getattr(opening, key) for key in ("passed", "judged", "failed", "failed_amount")})
    for row in gate.results:
        if row["failed"]:
            log.info(
                "%s %s: %d of %d failed, %s: %s",
                *(row[key] for key in ("rule", "fact", "failed", "checked", "amount")),
                ", ".join(row["records"]),
            )
    if opening.passed:
        log.info("gate open: %d judged, %d stopped for %s", opening.judged, opening.failed, opening.failed_amount)
    else:
        close(sync, entity, opening)
    return checked, opening


def close(sync: Sync, entity: str, opening: Opening) -> None:
    """Keep the records of a closed stage as candidates: what would have been written is held, and judged anew in the next run.

    Adopting writes nothing, so the gate does not stop it; else a lost ledger could never be made again beside a few bad records.
    """
    waiting = [
        {
            "company": row["company"], "side": row["side"], "id": row["id"], "state": "held", "rule": "gate",
            "waits_for": "the gate of this stage",
            "message": f"{row['number']} is fit to load, but its stage was stopped: {opening.reason}",
        }
        for row in sync.ledger.outcomes(sync.run.run_id, entity)
        if row["state"] == "linked" and row["action"] not in ("unchanged", "adopt")
    ]  # fmt: skip
    sync = sync.judging(entity)
    sync.ledger.stage_closed(sync.run.run_id, entity, opening.reason or "")
    sync.ledger.restate(sync.run.run_id, entity, waiting)
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
        {
            "company": row["company"], "side": row["side"], "id": row["id"], "state": "held", "rule": "waits",
            "waits_for": f"the gate {closed[0]}",
            "message": f"{row['number']} is fit to load, but waits behind the gate {closed[0]}, which is closed.",
        }
        for shard in shards
        for row in sync.ledger.outcomes(sync.run.run_id, entity, shard)
        if row["state"] == "linked" and row["action"] not in ("unchanged", "adopt")
    ]  # fmt: skip
    sync.ledger.restate(sync.run.run_id, entity, waiting)
    for shard in shards:
        load(sync.judging(entity), entity, shard, write=False)
