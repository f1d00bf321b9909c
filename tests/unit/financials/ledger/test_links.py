"""An index of links, how long a task keeps one, and what steers the packages that know no entity by name."""

from __future__ import annotations

import ast
from collections.abc import ItemsView
from pathlib import Path
from typing import Any

import pytest

from include.financials import ledger, writing
from include.financials.entities import ENTITIES
from include.financials.identity import canonical_json
from include.financials.ledger import Link, LinkIndex
from include.financials.ledger import held as held_json
from include.financials.ledger.held import held
from tests.unit.financials.pair import World, vendor


class Walked(dict[tuple[str, str], Link]):
    """Counts how often all of it is looked through."""

    walks = 0

    def items(self) -> ItemsView[tuple[str, str], Link]:
        self.walks += 1
        return super().items()


@pytest.mark.parametrize("entity", ["vendors", "commitments"])
def test_a_miss_costs_no_walk_through_all_links(entity: str) -> None:
    """Also where nothing is shared, so that there is nothing to find."""
    by_erp = Walked({("01", f"K-{n}"): Link(entity, "01", f"K-{n}", str(n), f"K-{n}") for n in range(20)})
    index = LinkIndex(by_erp=by_erp)
    assert [index.find("02", f"M-{n}") for n in range(100)] == [None] * 100
    assert by_erp.walks == 1
    found = index.find("02", "K-7")
    assert (found is not None) is ENTITIES[entity].shared, "what companies share is found from another one"


def test_of_two_links_of_one_id_the_first_counts() -> None:
    first, second = (Link("vendors", "01", "V-1", "9", "V-1", status=status) for status in ("active", "planned"))
    index = LinkIndex.of([first, second, second._replace(erp_key="V-2", procore_id="")])
    assert index.by_erp["01", "V-1"] is first is index.by_procore["9"] and "" not in index.by_procore


def test_links_are_read_once_until_something_is_written(world: World) -> None:
    world.run()
    sync = world.sync()
    before, confirmed = sync.links("vendors"), sync.fresh_links("vendors")
    assert sync.links("vendors") is before and sync.fresh_links("vendors") is confirmed and before is not confirmed
    assert sync.fresh_links("vendors", contents=False) is not confirmed, "those without contents are kept apart"
    link = next(iter(before.by_erp.values()))
    sync.ledger.decisions.part(link, "ann")
    assert (link.company, link.erp_key) not in sync.links("vendors").by_erp
    assert (link.company, link.erp_key) not in sync.fresh_links("vendors").by_erp
    world.erp.put(vendor("V-77"))
    world.run()
    assert any(one.erp_key == "V-77" for one in sync.links("vendors").by_erp.values()), "what a load of this process wrote"


def test_a_check_begins_with_what_is_known_and_with_nothing_that_changed_since(world: World) -> None:
    world.run()
    sync = world.sync()
    vendors, projects = sync.links("vendors"), sync.links("projects")
    twin = sync.judging("vendors")
    assert twin.links("vendors") is vendors and twin.links("projects") is projects
    for entity in ("vendors", "projects"):
        sync.ledger.decisions.part(next(iter(sync.links(entity).by_erp.values())), "ann")
    assert twin.links("projects") is projects, "it sees one state of what it does not judge"
    later = sync.judging("vendors")
    assert later.links("vendors") is not vendors and later.links("projects") is not projects
    assert len(later.links("projects").by_erp) == len(projects.by_erp) - 1


@pytest.mark.parametrize("package", [ledger, writing], ids=["ledger", "writing"])
def test_no_entity_is_known_by_name(package: Any) -> None:
    """What steers is a field of the entity's row."""
    for path in sorted(Path(package.__file__).parent.glob("*.py")):
        said = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not {name for name in said if isinstance(name, str) and name in ENTITIES}, path.name


def test_json_of_the_ledger_reads_as_what_it_says() -> None:
    plain = {"amount": "12.50", "lines": {"1": {"amount": "12.50"}}, "vendor": None}
    read = held(canonical_json(plain))
    assert read == plain and plain == read and dict(read) == plain and {**read} == plain
    assert read["amount"] == "12.50" and read.get("vendor", "?") is None and read.get("owner") is None and len(read) == 3
    assert canonical_json(read) == canonical_json(plain) and canonical_json({"agreed": read}) == canonical_json({"agreed": plain})
    assert read and not held("{}") and held(None) == {}


def test_contents_of_links_are_decoded_when_they_are_asked_for(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held_json._decoded.cache_clear()
    decoded: list[str] = []
    loads = held_json.json.loads
    monkeypatch.setattr(held_json.json, "loads", lambda text: decoded.append(text) or loads(text))
    links = linked.ledger.links.of("vendors")
    assert links and not decoded, "all of them at once take eight times the room"
    assert links[0].content["name"] and len(decoded) == 1
