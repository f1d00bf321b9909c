"""Law: what cannot be read is there all the same. It blocks what could be its twin, it is never overwritten nor called gone, it is
in the report with its side, and its money is in the ties."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.report import recall
from tests.unit.financials.pair import (
    World,
    budget,
    draft,
    in_procore,
    payment,
    plant,
    vendor,
)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Everything linked but the last stage's documents."""
    world = World(tmp_path_factory.mktemp("ready"))
    plant(world, "vendors", "vendor_insurances", "customers", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes")
    world.run()
    plant(world, "budgets", "commitments")
    world.run()
    plant(world, "prime_contracts", "commitment_change_orders")
    world.run()
    plant(world, "subcontractor_invoices")
    world.run()
    return world


@pytest.fixture
def world(ready: World, tmp_path: Path) -> World:
    return ready.fork(tmp_path / "w")


def only(world: World, entity: str, **params: Any) -> Any:
    return world.run(params={"entities": [entity], **params})


def stopped(world: World, sync: Any, entity: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(side, number) -> (state, rule, message) of what did not pass."""
    rows = world.ledger.outcomes(sync.run.run_id, entity)
    return {
        (r["side"], r["number"]): (r["state"], r["rule"], r["message"]) for r in rows if r["state"] not in ("linked", "skipped")
    }


def unexplained(sync: Any) -> list[Any]:
    found: Any = recall(sync, "reconciliation")
    return [one for one in found["differences"] if Decimal(one["unexplained"])]


def test_a_payment_by_hand_that_cannot_be_read_is_not_paid_again(world: World) -> None:
    hand = in_procore(world, payment(payment_number="0234241831TC"), origin_id=None)
    world.procore.garbled["payments_issued", hand.id] = "payment_number"
    world.erp.put(payment())
    sync = only(world, "payments_issued")
    assert [p.id for p in world.procore.records["payments_issued"]] == [hand.id], "nothing was paid twice"
    found = stopped(world, sync, "payments_issued")
    assert found["procore", hand.number][0] == "quarantined" and "in Procore" in found["procore", hand.number][2]
    state, rule, message = found["erp", payment().number]
    assert (state, rule) == ("held", "R-06") and hand.number in message and "payment_number" in message
    assert unexplained(sync) == []


def explained(sync: Any, tie: str) -> set[tuple[str, str]]:
    found: Any = recall(sync, "reconciliation")
    return {(i["code"], i["amount"]) for one in found["differences"] if one["tie"] == tie for i in one["explained"]}


def test_the_money_of_what_cannot_be_read_is_in_the_ties(world: World) -> None:
    hand = in_procore(world, payment(amount=Decimal("12.34")), origin_id=None)
    world.procore.garbled["payments_issued", hand.id] = "payment_number"
    sync = only(world, "payments_issued")
    assert explained(sync, "T-16") == {("QUARANTINED", "12.34")} and unexplained(sync) == []
    del world.procore.garbled["payments_issued", hand.id]
    again = only(world, "payments_issued")
    assert stopped(world, again, "payments_issued") == {} and len(unexplained(again)) == 3, (
        "readable: in Procore only, unexplained"
    )


@pytest.mark.parametrize("lost", ["active", "name", "tax_id"])
def test_a_company_that_cannot_be_read_is_not_made_again(world: World, lost: str) -> None:
    hand = world.procore.put(vendor("V-9", tax_id="89-7777777").model_copy(update={"id": "777", "company": None, "code": None}))
    world.procore.garbled["vendors", "777"] = lost
    world.erp.put(vendor("V-9", tax_id="897777777"))
    sync = only(world, "vendors")
    assert [v.id for v in world.procore.all("vendors", number="V-9")] == [hand.id]
    found = stopped(world, sync, "vendors")
    assert found["erp", "V-9"][:2] == ("held", "R-06") and lost in found["erp", "V-9"][2]
    assert found["procore", "V-9"][0] == "quarantined"
    del world.procore.garbled["vendors", "777"]
    again = only(world, "vendors")
    assert "R-06" not in {rule for _, rule, _ in stopped(world, again, "vendors").values()}, "mended: judged by what it says"


def test_another_company_that_cannot_be_read_stops_nobody(world: World) -> None:
    world.procore.put(vendor("V-9", tax_id="11-1111111").model_copy(update={"id": "777", "company": None, "code": None}))
    world.procore.garbled["vendors", "777"] = "active"
    world.erp.put(vendor("V-10", tax_id="897777777"))
    sync = only(world, "vendors")
    assert world.states(sync, "vendors")["V-10"] == ("created", "")
