"""The ties of reconciliation over all documents: a cent is found on either side, and what is stopped explains its part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials.documents import Documents
from include.financials.entities import ENTITIES
from include.financials.explained import Difference
from include.financials.identity import canonical_json
from include.financials.ledger import Remembered
from include.financials.reconciliation import Reconciliation, reconcile
from include.financials.ties import Tie
from include.financials.view import Sync
from tests.unit.financials.pair import (
    SECOND,
    THIRD,
    World,
    change,
    change_line,
    direct_cost,
    draft,
    family,
    in_procore,
    invoice,
    item,
    payment,
    procore_id,
)

CENT = Decimal("0.01")
BUMPS = {"amount": CENT, "held": CENT, "released": 3 * CENT, "completed": CENT, "retainage": 3 * CENT}
"""So much more of each figure; held and released apart, or a balance would not show it."""
INVOICES, CHANGES = "subcontractor_invoices", "commitment_change_orders"


@pytest.fixture(scope="module")
def posted(stocked: tuple[World, World], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Sync]]:
    """Every entity linked, and the ERP's invoices posted. Only to be forked."""
    world = stocked[1].fork(tmp_path_factory.mktemp("posted") / "world")
    for name in (INVOICES, "owner_invoices"):
        for record in list(world.erp.records[name]):
            world.erp.put(record.model_copy(update={"status": "posted"}))
    sync = world.run()
    yield world, sync
    world.close()


TIES = [(tie, (name, *tie.beside)) for name, row in ENTITIES.items() for tie in row.ties]
"""Each tie with the entities that it compares."""


def differences(sync: Sync, tie: Tie, entities: tuple[str, ...]) -> list[Difference]:
    documents, comparison = Documents(sync), tie.compare(tie.id, len(entities))
    due = [(one, place) for place, entity in enumerate(entities) for one in documents.of(entity) if tie.takes(one, place)]
    return [*(found for one, place in due for found in comparison.take(one, place)), *comparison.rest(documents)]


def tied(found: Reconciliation, name: str) -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    """Per grain: what is left unexplained, and (code, record, amount) of what is explained."""
    return {
        str(d.cost_key): (str(d.unexplained), [(i.code, i.key, str(i.amount)) for i in d.explained])
        for d in found.differences if d.tie == name
    }  # fmt: skip


def bumped(record: Any) -> Any:
    """The ERP's record with a cent more in every figure, on its first line too."""
    changes = {name: getattr(record, name) + by for name, by in BUMPS.items() if getattr(record, name, None) is not None}
    if getattr(record, "lines", ()):
        more = {name: getattr(record.lines[0], name) + by for name, by in BUMPS.items() if hasattr(record.lines[0], name)}
        changes["lines"] = (record.lines[0].model_copy(update=more), *record.lines[1:])
    return record.model_copy(update=changes)


def bumped_figures(figures: dict[str, Any]) -> dict[str, Any]:
    """The same of what the ledger remembers of Procore's."""

    def more(held: dict[str, Any]) -> dict[str, Any]:
        return {n: str(Decimal(v) + BUMPS[n]) if n in BUMPS and v is not None else v for n, v in held.items()}

    lines = figures.get("lines", [])
    return more(figures) | {"lines": [more(lines[0]), *lines[1:]] if lines else []}


@pytest.mark.parametrize("side", ["erp", "procore"])
@pytest.mark.parametrize("entity", sorted({entity for _, entities in TIES for entity in entities}))
def test_a_cent_on_one_side_is_found_by_every_tie_and_never_explained(
    posted: tuple[World, Sync], entity: str, side: str, tmp_path: Path
) -> None:
    world = posted[0].fork(tmp_path / "world")
    sync = world.sync(posted[1].run.run_id)
    if side == "erp":
        world.erp.put(bumped(world.erp.records[entity][-1]))
    else:
        key, row = list(world.ledger.records.seen(entity, "procore").items())[-1]
        figures = canonical_json(bumped_figures(json.loads(row.figures)))
        world.ledger.records.remember([Remembered(entity, key[0], "procore", key[1], row.number, figures=figures)])
    for tie, entities in TIES:
        found = [d for d in differences(sync, tie, entities) if d.unexplained]
        assert bool(found) is (entity in entities), (tie.id, found)
        assert all(d.explained == () and d.tie == tie.id for d in found)
    world.close()


def test_every_tie_is_named() -> None:
    assert {entities[0] for _, entities in TIES} == {name for name, row in ENTITIES.items() if row.document or row.two_way}


@pytest.mark.parametrize("entity", [name for name, row in ENTITIES.items() if row.document])
def test_a_document_that_only_the_erp_has_is_never_explained(posted: tuple[World, Sync], entity: str, tmp_path: Path) -> None:
    world = posted[0].fork(tmp_path / "world")
    record = world.erp.records[entity][0]
    world.erp.records[entity].append(record.model_copy(update={"id": "STRAY", "number": "STRAY", "marker": None}))
    found = reconcile(world.read_anew(world.sync(posted[1].run.run_id)))
    if ENTITIES[entity].source == "erp":
        assert found.balanced, "it is the next run's to judge"
    else:
        assert ("T-24", Decimal(-1)) in {(d.tie, d.unexplained) for d in found.differences}
    world.close()


# -- what explains a difference --


def test_stopped_documents_explain_exactly_their_part(full: World) -> None:
    in_procore(full, change("002", amount=Decimal("10.01")))
    in_procore(full, invoice(3, items=THIRD, before=SECOND, previous=procore_id(INVOICES, "V-1/N-2"), billing_date=None))
    full.erp.put(payment("K-2", "N-9", amount=Decimal("7.00")))
    full.erp.put(direct_cost("JC-2", vendor="V-9"))
    sync = full.run(of=[*family("commitments"), "direct_costs"])
    found = reconcile(sync)
    assert found.balanced
    for difference in found.differences:
        assert difference.procore - difference.erp == sum(i.amount for i in difference.explained), difference
    assert tied(found, "T-07") == {"revised": ("0.00", [("QUARANTINED", "SC-1/002", "10.01")])}
    assert tied(found, "T-16")["contract SC-1"] == ("0.00", [("HELD", "K-2/N-9", "-7.00")])
    assert tied(found, "T-18") == {"25-104//03-3000 / 3": ("0.00", [("HELD", "JC-2", "-70.00")])}
    assert ("QUARANTINED", "N-3", "2.00") in tied(found, "T-10")["None"][1]


def test_an_unposted_invoice_explains_what_the_erp_has_not_counted(full: World) -> None:
    full.erp.change(INVOICES, "N-1", status="posted")
    found = tied(reconcile(full.run(of=family(INVOICES))), "T-11")
    assert found["billed SC-1"] == ("0.00", [("UNPOSTED", "N-2", "16.00")])
    assert found["25-104//03-3000 / 3"] == ("0.00", [("UNPOSTED", "N-2", "16.00")])


def test_a_draw_under_review_between_two_explains_its_part_of_the_balance(ready: World) -> None:
    """The second is under review and the third was linked by an earlier life: Procore's balance of the third has both in it."""
    draft(ready)
    one = (item("L1", "10.00", "1.00"),)
    two = (item("L1", "20.00", "2.00", previous="10.00", retainage_previous="1.00"),)
    three = (item("L1", "5.00", "0.50", previous="30.00", retainage_previous="3.00"),)
    in_procore(ready, invoice(1, items=one))
    in_procore(ready, invoice(2, items=two, before=one, previous=procore_id(INVOICES, "V-1/N-1")))
    in_procore(ready, invoice(3, items=three, before=two, previous=procore_id(INVOICES, "V-1/N-2")))
    chain = {"entities": ["commitments", CHANGES, INVOICES]}
    ready.run(params=chain)
    kept = [r for r in ready.erp.records[INVOICES] if r.number != "N-2"]
    ready.erp.records[INVOICES] = [r.model_copy(update={"status": "posted"}) for r in kept]
    ready.procore.change(INVOICES, "N-2", status="under_review", origin_id=None)
    ready.end_link(INVOICES, "N-2")
    sync = ready.run(params=chain)
    assert ready.states(sync, INVOICES)["N-2"] == ("skipped", "")
    found = reconcile(sync)
    assert tied(found, "T-11")["billed SC-1"] == ("0.00", [("NOT_ELIGIBLE", "N-2", "20.00")])
    assert tied(found, "T-12")["retainage SC-1"] == ("0.00", [("NOT_ELIGIBLE", "N-2", "2.00")])


def test_a_draw_under_review_after_the_last_one_needs_no_explanation(full: World) -> None:
    in_procore(full, invoice(3, items=THIRD, before=SECOND, status="under_review", previous=procore_id(INVOICES, "V-1/N-2")))
    for number in ("N-1", "N-2"):
        full.erp.change(INVOICES, number, status="posted")
    found = reconcile(full.run(of=family(INVOICES)))
    assert found.balanced and not tied(found, "T-11")


def test_an_invoice_that_the_erp_voided_is_named_by_its_conflict(full: World) -> None:
    """Rule R-09 stops it in every run until a person decides: no tie may call it anything else."""
    full.erp.change(INVOICES, "N-2", status="void")
    found = reconcile(full.run(of=family(INVOICES)))
    assert found.balanced and {"T-10", "T-11", "T-12"} <= {d.tie for d in found.differences}
    assert all(("CONFLICT", "N-2") in [(i.code, i.key) for i in d.explained] for d in found.differences)


def test_two_commitments_with_one_number_explain_themselves_once_each(full: World) -> None:
    twin = draft(full, "SC-2")
    full.procore.put(twin.model_copy(update={"id": "4711", "kind": "purchase_order"}))
    in_procore(full, change("001", "SC-2", lines=(change_line(amount="5.00"),)))
    sync = full.run(of=family("commitments"))
    assert full.states(sync, "commitments")["SC-2"] == ("quarantined", "M-10")
    found = reconcile(sync)
    assert found.balanced
    total = sum(i.amount for d in found.differences if d.tie == "T-07" for i in d.explained)
    assert total == Decimal("205.00"), "two contracts of 100.00, and the change order of one of them"


def test_the_cost_keys_add_up_to_the_contracts(posted: tuple[World, Sync], tmp_path: Path) -> None:
    """Sum over x of T-08 = sum over commitments of T-07, of T-11 likewise; here with stopped documents of each kind."""
    world = posted[0].fork(tmp_path / "world")
    draft(world, "SC-2", title=None)
    in_procore(world, change("002", amount=Decimal("10.01"), lines=(change_line(amount="10.01"),), currency="CAD"))
    in_procore(world, invoice(3, items=THIRD, before=SECOND, previous=procore_id(INVOICES, "V-1/N-2"), billing_date=None))
    sync = world.run()
    compared = [d for tie, entities in TIES for d in differences(sync, tie, entities)]

    def sums(tie: str, grain: str) -> tuple[Decimal, Decimal]:
        chosen = [d for d in compared if d.tie == tie and grain in str(d.cost_key)]
        assert len({d.project for d in chosen}) == 1 and sum(len(d.explained) for d in chosen) > 0
        return sum((d.procore for d in chosen), CENT), sum((d.erp for d in chosen), CENT)

    assert sums("T-08", " / ") == sums("T-07", "revised")
    assert sums("T-11", " / ") == sums("T-11", "billed SC-")
    world.close()
