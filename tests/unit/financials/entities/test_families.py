"""The families: what a row of the registry must say, and that shared code knows no entity by its name."""

from __future__ import annotations

import ast
import re
import string
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.financials import settings
from include.financials.advice import OF_A_ROW, Filled
from include.financials.entities import ENTITIES, MODELS, in_order
from include.financials.judging.facts import CheckRow, CommonRow
from include.financials.judging.rules import Rule

ROOT = Path(__file__).parents[4]

FAMILIES = ("include/financials/entities/", "include/procore/areas/", "include/mappings/")
"""Where an entity stands under its own name."""
NAMED: dict[str, str] = {
    "dags/procore_erp_sync.py": "parameters of a run that are called like entities",
    "include/provider/operators/head.py": "the same",
    "include/financials/record.py": "the constants: what all others are placed in",
    "include/financials/run.py": "the same",
    "include/financials/reconciliation.py": "the field of a cost code's assigned types",
    "include/erp/tools/canonical.py": "the same",
    "include/erp/acceptance/documents.py": "the acceptance suite's documents, one kind after the other",
    "include/erp/acceptance/masters.py": "what such a document refers to",
    "include/erp/acceptance/sent.py": "checks of one kind of document: retainage, lines of a contract",
    "include/erp/acceptance/writes.py": "the same",
}
"""Other places that write an entity's name, and why."""


def named(path: Path) -> Iterator[tuple[int, str]]:
    """Texts of a module that are an entity's name; docstrings and messages say more than that."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in MODELS:
            yield node.lineno, node.value


def test_shared_code_knows_no_entity_by_its_name() -> None:
    found = {}
    for path in sorted(path for folder in ("include", "dags", "plugins") for path in (ROOT / folder).rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        if not place.startswith(FAMILIES) and (names := [*named(path)]):
            found[place] = names
    assert found.keys() == NAMED.keys(), {place: names for place, names in found.items() if place not in NAMED}


def test_the_order_follows_from_the_rows_however_they_are_given() -> None:
    for given in (list(ENTITIES.values()), list(ENTITIES.values())[::-1]):
        told = list(in_order(given))
        assert {row.name for row in told} == {*ENTITIES} and [row.stage for row in told] == sorted(row.stage for row in told)
        for place, row in enumerate(told):
            assert {one.name for one in told[:place]} >= {*row.after}, row.name
    assert list(in_order(ENTITIES.values())) == list(ENTITIES.values())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"stage": 1}, "entity budgets of stage 1 comes after cost_codes, cost_types"),
        ({"waits": ("budget_changes",)}, "entity budgets of stage 2 comes after budget_changes"),
        ({"waits": ("departments",)}, "entity budgets of stage 2 comes after departments"),
    ],
    ids=["a later stage", "a circle", "no entity"],
)
def test_what_has_no_order_is_named(changed: dict[str, Any], told: str) -> None:
    rows = [replace(row, **changed) if row.name == "budgets" else row for row in ENTITIES.values()]
    with pytest.raises(ValueError, match=f"^{told}$"):
        list(in_order(rows))


def names_in(text: str | None) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text or "") if name}


RULES = [(name, rule) for name, row in ENTITIES.items() for rule in row.rules]


@pytest.mark.parametrize(("entity", "rule"), RULES, ids=lambda one: getattr(one, "name", one))
def test_a_rule_names_facts_that_somebody_makes(entity: str, rule: Rule) -> None:
    """By the types of the rows alone; test_gate proves it of real ones."""
    facts = ENTITIES[entity].facts
    made = {*CommonRow.__annotations__, *CheckRow.__annotations__, *typing.get_type_hints(facts.row)}
    if rule.grain == "line":
        made |= typing.get_type_hints(facts.line_row).keys()
    assert {rule.fact, *names_in(rule.message), *names_in(rule.waits_for)} <= {*made, *OF_A_ROW}


@pytest.mark.parametrize("entity", list(ENTITIES))
def test_a_row_says_only_what_its_model_has(entity: str) -> None:
    row = ENTITIES[entity]
    fields = {*row.model.model_fields, *(name for name in dir(row.model) if isinstance(getattr(row.model, name), property))}
    told = {*row.content, *row.frozen, *row.later, *row.altered_there, *(field for key in row.twins for field in key)}
    told |= {part.rstrip("?") for key in row.identity for part in key.split("+")}
    assert told <= fields
    assert row.contract is None or row.contract in row.references
    assert row.named_by in fields and {*row.final} <= {*row.model.statuses}
    # What is only read has no link that could break.
    assert row.rule("hidden") and (row.read_only or row.rule("broken_link"))
    assert not row.read_only or not (row.document or row.ties or row.gate or settings.load().of(entity).writes == "on")
    faults = [rule.id for rule in row.rules if rule.fact == "field_fault"]
    assert faults in ([], [row.field_rule]), "what cannot be read and what does not fit are one rule"
    assert row.instead.format_map(Filled({"row": "procore||1", "entity": entity, "number": "1"}))


def test_each_family_is_one_file_and_each_entity_in_one() -> None:
    files = {path.stem for path in (ROOT / "include" / "financials" / "entities").glob("[a-z]*.py")}
    homes = {row.facts.__module__.rpartition(".")[2] for row in ENTITIES.values()}
    assert files == {row.model.__module__.rpartition(".")[2] for row in ENTITIES.values()}
    assert homes <= files


def test_a_text_that_stands_twice_is_one_rule() -> None:
    """A rule of several entities is taken by reference; two that say the same would drift apart."""
    texts: dict[tuple[str, str, str], set[int]] = {}
    for _, rule in RULES:
        texts.setdefault((rule.id, rule.fact, re.sub(r"\s+", " ", rule.message)), set()).add(id(rule))
    parametrised = {"field_fault", "altered", "ambiguous"}
    assert {key for key, rules in texts.items() if len(rules) > 1 and key[1] not in parametrised} == set()
