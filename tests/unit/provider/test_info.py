"""What Airflow's registry is told of the provider is what there is: every module, class and form."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator

import include.provider
from include.financials.entities import ENTITIES
from include.provider.get_provider_info import get_provider_info
from include.provider.links import LINKS
from include.provider.operators.base import EntityOperator, SyncOperator

INFO = get_provider_info()
FOLDER = Path(include.provider.__file__).parent


def classes(module: str, base: type) -> list[type]:
    found = vars(import_module(module)).values()
    return [one for one in found if isinstance(one, type) and issubclass(one, base) and one.__module__ == module]


@pytest.mark.parametrize(("kind", "base"), [("hooks", BaseHook), ("operators", BaseOperator), ("sensors", BaseSensorOperator)])
def test_every_module_named_has_one_and_none_is_left_out(kind: str, base: Any) -> None:
    named = {module for row in INFO[kind] for module in row["python-modules"]}
    assert all(classes(module, base) for module in named)
    there = {
        f"include.provider.{kind}.{path.stem}"
        for path in (FOLDER / kind).glob("*.py")
        if path.stem not in ("__init__", "base", "database")
    }
    assert named == (there or {f"include.provider.{kind}"})
    assert {row["integration-name"] for row in INFO[kind]} <= {row["integration-name"] for row in INFO["integrations"]}


def test_the_links_are_those_of_the_operators() -> None:
    assert INFO["extra-links"] == [f"{type(link).__module__}.{type(link).__qualname__}" for link in LINKS]
    assert EntityOperator.operator_extra_links is LINKS
    assert all(isinstance(link, BaseOperatorLink) for link in LINKS)


def test_a_form_is_defined_in_one_place() -> None:
    """Airflow would take that of a hook too, where it had one."""
    for row in INFO["connection-types"]:
        module, _, name = row["hook-class-name"].rpartition(".")
        hook = getattr(import_module(module), name)
        own = {name for kind in hook.__mro__ if kind.__module__.startswith("include.") for name in vars(kind)}
        assert not {"get_ui_field_behaviour", "get_connection_form_widgets"} & own
        assert callable(hook.test_connection)


def test_every_operator_takes_its_connections_from_a_template_too() -> None:
    modules = [module for row in INFO["operators"] for module in row["python-modules"]]
    operators = [one for module in modules for one in classes(module, SyncOperator)]
    assert len(operators) == 10
    for one in operators:
        options = {"entity": next(iter(ENTITIES))} if issubclass(one, EntityOperator) else {}
        assert set(SyncOperator.template_fields) <= set(one(task_id="t", **options).template_fields)
