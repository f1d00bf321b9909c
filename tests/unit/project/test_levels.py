"""Who may know whom: the graph of imports, drawn from the sources. It has no circle, and no arrow goes up.

An import within a function counts as any other: it is knowledge all the same. One for the type checker alone does not: it names
what a function is handed, and whoever hands it knows both.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

LEVELS: tuple[tuple[str, ...], ...] = (
    ("include.configfile", "include.compiled"),
    ("include.financials",),
    ("include.procore", "include.erp", "include.order"),
    ("include.session",),
    ("include.pipeline",),
    ("include.provider",),
    ("dags", "plugins", "include.procore.__main__", "include.erp.__main__", "include.financials.__main__"),
    ("sandbox",),
)
"""From below to above. A part knows itself and what is below it, not its neighbours: Procore nothing of an ERP, an ERP nothing of
Procore. A command (``__main__``) stands on top as a DAG does: it puts together what is below, and nothing knows it."""

SPOKEN = {
    "asking", "billing", "departing", "entities", "exact", "exceptions", "identity", "ledger.inbox", "legible", "money", "port",
    "record", "replies", "settings", "statuses",
}  # fmt: skip
"""What the two systems may know of the domain: the port, the words that are spoken at it, how far a reply is read, when a write
may leave, and the box that events fall into."""


def sources() -> dict[str, Path]:
    found = {}
    for folder in ("include", "sandbox", "dags", "plugins"):
        for path in sorted(path for path in (ROOT / folder).rglob("*.py") if path.stat().st_size):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


SOURCES = sources()


@cache
def imported() -> dict[str, set[str]]:
    """What each source names; read when it is asked for, not by every process that collects tests."""
    return {name: imports(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def graph() -> dict[str, set[str]]:
    return {name: (others & imported().keys()) - {name} for name, others in imported().items()}


def imports(source: str) -> set[str]:
    """What a source names. ``from package import module`` is an import of the module, not of whatever else the package holds."""
    found, tree = set(), ast.parse(source)
    named = {
        id(inside)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inside in ast.walk(node)
    }
    for node in (node for node in ast.walk(tree) if id(node) not in named):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {one if (one := f"{node.module}.{alias.name}") in SOURCES else node.module for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def level(module: str) -> tuple[int, str]:
    """Number of its level, and the part of it that the module belongs to: the longest name counts."""
    fits = [
        (len(part), number, part) for number, parts in enumerate(LEVELS) for part in parts if f"{module}.".startswith(f"{part}.")
    ]
    assert fits, f"{module} has no level: say in LEVELS where it stands"
    return max(fits)[1:]


def up(arrows: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Arrows to a level above, or to a neighbour."""
    each = [(one, other) for one, others in arrows.items() for other in others]
    return sorted((a, b) for a, b in each if level(a)[1] != level(b)[1] and level(b)[0] >= level(a)[0])


def inside() -> list[tuple[str, str]]:
    """Arrows from one of the two systems into the rooms of the domain."""
    found = graph()
    systems = [name for name in found if level(name)[1] in ("include.procore", "include.erp")]
    rooms = {name for name in found if name.startswith("include.financials.")}
    spoken = tuple(f"include.financials.{word}." for word in SPOKEN)
    return sorted((a, b) for a in systems for b in found[a] & rooms if not f"{b}.".startswith(spoken))


def circle(arrows: Mapping[str, set[str]]) -> list[str] | None:
    """One of the graph, if it has any: not even an import within a function hides it."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def test_no_arrow_goes_up_and_none_into_a_room_of_the_domain() -> None:
    assert [*up(graph()), *inside()] == []


def test_there_is_no_circle() -> None:
    assert circle(graph()) is None


def test_nothing_below_the_provider_knows_airflow() -> None:
    """Nor anything of a web server."""
    below = [name for name in imported() if level(name)[0] < level("include.provider")[0]]
    outside = {(name, other.partition(".")[0]) for name in below for other in imported()[name]}
    assert [pair for pair in sorted(outside) if pair[1] in ("airflow", "fastapi", "starlette")] == []


def test_the_test_sees_what_it_forbids() -> None:
    source = "def f():\n    from include.provider.operators import base\n"
    assert imports(source) == {"include.provider.operators.base"}
    assert up({"include.procore.client": {"include.provider.links"}}) and up({"include.erp.sql": {"include.procore.client"}})
    assert up({"include.session": {"sandbox.clock"}}) and not up({"include.provider.links": {"include.procore.system"}})
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) and circle({"a": {"b", "c"}, "b": {"c"}}) is None


def test_a_module_is_read_in_one_sitting() -> None:
    """Under 400 lines, those that Airflow never sees included."""
    long = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in SOURCES.items() if "sandbox" not in name}
    assert {name: lines for name, lines in long.items() if lines >= 400} == {}
