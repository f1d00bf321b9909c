"""Families on Procore's side: each entity in one of them, and nothing of it outside."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from include import procore
from include.financials.entities import ENTITIES
from include.procore.areas import CAPABILITIES, FAMILIES, RESOURCES
from include.procore.areas import ENTITIES as KEPT

PACKAGE = Path(str(procore.__file__)).parent


def names_in(source: str) -> set[str]:
    """Entities that a module names in a literal of its own."""
    literals = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return literals & ENTITIES.keys()


def test_every_entity_is_in_one_family() -> None:
    assert KEPT.keys() == ENTITIES.keys() == CAPABILITIES.keys()
    assert len(KEPT) == sum(len(family.ENTITIES) for family in FAMILIES)
    named = Counter(row.name for family in FAMILIES for row in family.RESOURCES)
    assert set(named.values()) == {1} and named.keys() <= RESOURCES.keys()


def test_shared_code_names_no_entity() -> None:
    """What steers it is a field of a row."""
    shared = [path for path in PACKAGE.rglob("*.py") if "areas" not in path.relative_to(PACKAGE).parts]
    assert len(shared) > 20
    assert {path.name: found for path in shared if (found := names_in(path.read_text(encoding="utf-8")))} == {}
    assert names_in('STEPS = {"commitments": ()}') == {"commitments"}


def test_a_family_names_only_what_is_its_own_or_what_its_documents_belong_to() -> None:
    contracts = {"commitments", "prime_contracts"}
    for family in FAMILIES:
        path = Path(str(family.__file__))
        files = path.parent.glob("*.py") if path.name == "__init__.py" else [path]
        own = {row.name for rows in (family.ENTITIES, family.RESOURCES) for row in rows}
        for one in files:
            assert names_in(one.read_text(encoding="utf-8")) <= own | contracts, one


def test_modules_stay_short() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines >= 400 and name != "client.py"} == {}
