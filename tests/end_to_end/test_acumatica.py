"""Procore's sandbox and an ERP behind Acumatica's contract-based API: the product as a whole over a REST service, on sockets.

The stand-in (tests/unit/erp/rest/acumatica.py) speaks as the public description of the API says; it is not the vendor's
product. What is looked at is what it holds, not what the sync remembers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from include.financials.exceptions import Unsettled
from tests.end_to_end.acumatica_books import BRANCH, ITEMS, TENANT, books, gone_over
from tests.end_to_end.test_golden_job import COMMITMENTS, DRAWS, STEEL_BY_CODE, by_code, table
from tests.end_to_end.world import State, World, done, settings_with, stopped, unexplained
from tests.unit.erp.rest.acumatica import Acumatica
from tests.unit.erp.rest.standin import Fault, served

LEFT_OUT = (
    "vendor_insurances", "users", "tax_codes", "budget_changes", "prime_contracts", "prime_change_orders", "owner_invoices",
    "payments_received",
)  # fmt: skip
"""What the mapping has no place for; budgets are read only, and both jobs' are Procore's."""
SETTINGS = settings_with(
    cost_type_codes={item: code for code, item in ITEMS.items()}, **{name: {"writes": "off"} for name in (*LEFT_OUT, "budgets")}
)
RELEASED = {"commitments": "released", "change_orders": "released", "bills": "released"}
REFUSED = {("subcontractor_invoices", "4417-03", "quarantined", "refused")}
"""It releases retainage, which the mapping leaves to the ERP's own screen."""
STEEL = "104-SC-003"


@dataclass
class Company:
    """Both systems; ``erp`` is the stand-in that is served."""

    world: World
    erp: Acumatica
    first: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """From the watermarks, as the schedule makes it; both clocks show one time."""
        self.erp.time = datetime.fromisoformat(self.world.control("GET", "/info")["now"])
        self.erp.log.clear()
        return self.world.quick(settings=SETTINGS)

    def sent(self) -> list[str]:
        """What the last run wrote in the ERP: ``PUT Bill``."""
        log = (one for one in self.erp.log if one.method != "GET" and "/auth/" not in one.url.path)
        return [f"{one.method} {one.url.path.partition('26.200.001/')[2]}" for one in log]

    def bill(self, number: str) -> dict[str, Any]:
        (found,) = (one for one in self.erp.records["Bill"] if one["VendorRef"] == number)
        return found

    def approve(self, number: str) -> None:
        """A person approves a change order of the steel contract."""
        contract = self.world.contract(STEEL)
        (order,) = (
            one
            for one in self.world.objects("change_order_packages")
            if (one["parent_id"], one["number"]) == (contract["id"], number)
        )
        body = {"project_id": order["project_id"], "change_order": {"status": "approved"}}
        self.world.as_user("PATCH", f"/change_order_packages/{order['id']}", body)


@dataclass
class Kept:
    company: Company
    state: State
    records: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """After the first run."""
    folder = tmp_path_factory.mktemp("acumatica")
    world, erp = World(folder / "world", size="tiny", history="moved"), books("tiny")
    try:
        gone_over(folder / "world" / "procore.sqlite")
        with served(erp) as host:
            address = f"{host.replace('://', '://sync:p%40ss%20w%2Frd@')}/site?tenant={TENANT}"
            world.info |= {"erp_url": address, "mapping": "acumatica", "erp_settings": RELEASED}
            company = Company(world, erp)
            company.first = company.run() | {"sent": company.sent()}
            yield Kept(company, world.keep(folder / "first"), copy.deepcopy(erp.records))
    finally:
        world.stop()


@pytest.fixture
def company(kept: Kept) -> Company:
    kept.company.world.back_to(kept.state)
    kept.company.erp.records = copy.deepcopy(kept.records)
    kept.company.erp.faults.clear()
    return kept.company


def settled(report: dict[str, Any]) -> bool:
    return bool(report["reconciliation"]["balanced"]) and unexplained(report) == [] and stopped(report) == REFUSED


# -- the first run


def test_everything_that_the_mapping_has_is_carried_and_reconciles(company: Company) -> None:
    assert settled(company.first)
    made = {name: row["created"] for name, row in done(company.first).items() if row.get("created")}
    assert made == {
        "vendors": 2, "sub_jobs": 1, "cost_codes": 6, "commitments": 3, "commitment_change_orders": 3,
        "subcontractor_invoices": 4,
    }  # fmt: skip
    assert company.erp.sessions == set(), "every session was given back"


def test_the_contract_is_there_to_the_cent(company: Company) -> None:
    original, changes, total = table(COMMITMENTS)[STEEL]
    (steel,) = (one for one in company.erp.records["Subcontract"] if one["SubcontractNbr"] == STEEL)
    agreed = sum((line["OriginalAmount"] for line in steel["Details"] if line["OriginalAmount"]), Decimal(0))
    assert (agreed, steel["SubcontractTotal"] - agreed, steel["SubcontractTotal"]) == (original, changes, total)
    orders = [one for one in company.erp.records["ChangeOrder"] if one["ExternalRefNbr"].startswith(STEEL)]
    assert sum(one["CommitmentsChangeTotal"] for one in orders) == changes
    assert {(one["Branch"], one["Status"]) for one in orders} == {(BRANCH, "Closed")}


@pytest.mark.parametrize("number", ["4417-01", "4417-02"])
def test_the_draws_are_there_to_the_cent(company: Company, number: str) -> None:
    gross, held, _, _, _, due, _ = table(DRAWS[STEEL])[number]
    bill = company.bill(number)
    lines = [(line["CostCode"], line["ExtendedCost"]) for line in bill["Details"]]
    assert (sum(amount for _, amount in lines), bill["RetainageTotal"], bill["Amount"]) == (gross, held, due)
    assert by_code(lines) == {code: Decimal(amount) for code, amount in STEEL_BY_CODE[number].items()}


# -- later runs


def test_a_second_run_writes_nothing(company: Company) -> None:
    report = company.run()
    assert settled(report) and done(report) == {}
    assert company.sent() == [] and company.world.writes() == []


def test_one_thing_changed_is_one_request(company: Company) -> None:
    company.world.edit(STEEL, title="Structural steel, erected")
    report = company.run()
    assert settled(report) and done(report) == {"commitments": {"updated": 1}}
    assert company.sent() == ["PUT Subcontract"] and company.world.writes() == []
    titles = {one["SubcontractNbr"]: one["Description"] for one in company.erp.records["Subcontract"]}
    assert titles[STEEL] == "Structural steel, erected"


def test_a_payment_comes_back_once(company: Company) -> None:
    first, second = company.bill("4417-01"), company.bill("4417-02")
    company.erp.time = datetime.fromisoformat(company.world.control("GET", "/info")["now"])
    company.erp.pay(
        "004512", "CHECK", "2026-09-30", (first["ReferenceNbr"], first["Amount"]), (second["ReferenceNbr"], Decimal("300000"))
    )
    report = company.run()
    assert settled(report) and done(report) == {"payments_issued": {"created": 2}}
    contract = company.world.contract(STEEL)
    shown = company.world.api_list("/contract_payments", project_id=contract["project_id"], contract_id=contract["id"])
    assert {(row["check_number"] or row["payment_number"], Decimal(row["amount"])) for row in shown} == {
        ("004512", Decimal("374850")), ("004512", Decimal("300000"))
    }  # fmt: skip
    assert done(company.run()) == {} and company.world.writes() == []


# -- what nobody knows


def changes(company: Company) -> list[tuple[str, str]]:
    return [
        (one["ExternalRefNbr"], one["Status"]) for one in company.erp.records["ChangeOrder"] if "/003" in one["ExternalRefNbr"]
    ]


def test_a_503_whose_effect_is_there_is_no_second_document(company: Company) -> None:
    """It is entered and its release was never asked for: a person releases it, and the next run sees it in the books."""
    company.approve("003")
    company.erp.faults.append(Fault("PUT", "/ChangeOrder$", "after", 503, {"Retry-After": "1"}))
    waiting = company.run()
    assert stopped(waiting) == {*REFUSED, ("commitment_change_orders", f"{STEEL}/003", "held", "accepted")}
    assert unexplained(waiting) == [] and changes(company) == [(f"{STEEL}/003", "On Hold")]
    (order,) = (one for one in company.erp.records["ChangeOrder"] if one["ExternalRefNbr"] == f"{STEEL}/003")
    for action in ("RemoveChangeOrderFromHold", "ReleaseChangeOrder"):
        company.erp._act("ChangeOrder", action, {"entity": {"id": order["id"]}})
    assert settled(company.run()) and company.sent() == []
    assert changes(company) == [(f"{STEEL}/003", "Closed")]


def test_what_arrives_after_its_answer_is_found_before_it_is_sent_again(company: Company) -> None:
    company.approve("003")
    company.erp.faults.append(Fault("PUT", "/ChangeOrder$", "late", 504))
    with pytest.raises(Unsettled, match="They may still arrive"):
        company.run()
    assert changes(company) == []
    company.erp.arrive()
    waiting = company.run()
    assert ("commitment_change_orders", f"{STEEL}/003", "held", "accepted") in stopped(waiting) and unexplained(waiting) == []
    assert company.sent() == [] and changes(company) == [(f"{STEEL}/003", "On Hold")]


def test_what_never_arrived_is_sent_once_it_is_sure(company: Company) -> None:
    company.approve("003")
    company.erp.faults.append(Fault("PUT", "/ChangeOrder$", "before", 503))
    with pytest.raises(Unsettled):
        company.run()
    company.world.advance(minutes=2)
    assert settled(company.run())
    assert company.sent()[0] == "PUT ChangeOrder" and changes(company) == [(f"{STEEL}/003", "Closed")]
