"""The order of a run: nothing before what it refers to, and what is written only once is judged as a whole."""

from __future__ import annotations

from include.financials.entities import ENTITIES
from include.order import behind, judged_whole, parts, stages


def test_each_entity_comes_once_and_after_what_it_refers_to() -> None:
    order = [row.name for rows in stages().values() for row in rows]
    assert sorted(order) == sorted(ENTITIES)
    assert all(order.index(parent) < order.index(name) for name in order for parent in ENTITIES[name].after)


def test_what_was_not_loaded_keeps_back_what_refers_to_it_and_nothing_else() -> None:
    invoices = ENTITIES["subcontractor_invoices"]
    assert behind(invoices, list(ENTITIES), set(ENTITIES) - {"commitments"}) == ["commitments"]
    assert behind(invoices, ["subcontractor_invoices"], []) == [], "no part of this run: linked already, or a rule says so"


def test_parts_are_those_of_projects() -> None:
    assert len(parts(ENTITIES["vendors"], 4)) == 1 and len(parts(ENTITIES["commitments"], 4)) == 4
    assert judged_whole(ENTITIES["commitments"]) and not judged_whole(ENTITIES["direct_costs"])
