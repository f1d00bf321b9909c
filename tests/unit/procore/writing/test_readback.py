"""What is written is what is read: the records that the ERP owns come back from Procore with equal contents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.identity import content
from include.financials.port import Item
from include.financials.record import Record
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.items import Site, all_of, known


def own_keys(entry: Item) -> Record:
    """The item's record in Procore's keys, as reading gives it."""
    refs = entry.refs
    changed: dict[str, Any] = {}
    for name in ENTITIES[entry.record.entity].references:
        head, _, _ = name.partition(".")
        if head != "lines" and getattr(entry.record, head) is not None:
            changed[head] = refs.get(head)
    if lines := getattr(entry.record, "lines", ()):
        changed["lines"] = tuple(
            line.model_copy(
                update={"cost_code": refs[f"cost_code:{line.cost_code}"], "cost_type": refs[f"cost_type:{line.cost_type}"]}
            )
            for line in lines
        )
    return entry.record.model_copy(update=changed)


def a_cost(site: Site) -> Item:
    vendor = next(iter(all_of(site.system, "vendors").values())).id
    lines = (
        site.line(1, "03-3000", "3", "1250.10", description="Pump hire"),
        site.line(3, "03-3000", "5", "-0.07", quantity=Decimal("2.000000"), unit_cost=Decimal("-0.035000"), unit="ea"),
    )
    return site.direct_cost("JC-900001", *lines, kind="invoice", vendor_id=vendor, invoice_number="A-77")


def a_prime(site: Site) -> Item:
    vendor = next(iter(all_of(site.system, "vendors").values())).id
    lines = (site.line(1, "03-3000", "3", "5000.50", description="Concrete"), site.line(2, "05-1200", "3", "499.50"))
    return site.prime_contract("104-PC-009", vendor, *lines)


def a_payment(site: Site) -> Item:
    contract = site.commitment()
    return site.payment("CK-9001/INV-9", contract, site.requisition(contract))


def a_receipt(site: Site) -> Item:
    return site.receipt("RC-9001/OI-9", site.prime(), 3)


def an_insurance(site: Site) -> Item:
    return site.insurance(next(iter(all_of(site.system, "vendors").values())).id)


@pytest.mark.parametrize(
    "make", [a_cost, a_prime, a_payment, a_receipt, an_insurance, Site.sub_job, Site.tax_code], ids=lambda make: make.__name__
)
def test_contents_come_back(sandbox: Sandbox, make: Callable[[Site], Item]) -> None:
    system = sandbox.system()
    entry = make(Site(system))
    entity = entry.record.entity
    for step in system.steps(entity, "create"):
        (outcome,) = system.post(step, [entry])
        assert outcome.status == "confirmed", outcome
        entry = known(entry, outcome)
    back = read(sandbox.system(), entry)
    fields = ENTITIES[entity].content
    assert content(back, fields) == content(own_keys(entry), fields)
    assert (back.origin_id, back.origin_data) == (entry.origin_id, entry.origin_data)


def test_a_budget_comes_back_with_the_lines_that_the_erp_has(sandbox: Sandbox) -> None:
    system = sandbox.system()
    site = next(site for site in sites(system) if not is_locked(site))
    lines = site.budget_line(1, "03-3000", "3", "250000.10"), site.budget_line(2, "03-3000", "5", "0.07")
    entry = site.budget(*lines, changes=("lines",))
    for step in system.steps("budgets", "update"):
        assert system.post(step, [entry])[0].status == "confirmed"
    back = read(sandbox.system(), entry)
    assert content(back, ("lines",)) == content(own_keys(entry), ("lines",))
    assert (getattr(back, "owner", None), getattr(back, "amount", None)) == ("erp", Decimal("250000.17"))


def sites(system: ProcoreSystem) -> Iterator[Site]:
    """The projects that have the codes of these tests."""
    found = (Site(system, number) for number in all_of(system, "projects"))
    return (site for site in found if {"03-3000", "05-1200"} <= site.codes.keys())


def is_locked(site: Site) -> bool:
    return bool(site.system.client.get(f"/rest/v1.0/projects/{site.project}/budget").object["locked"])


def read(system: ProcoreSystem, entry: Item) -> Record:
    place = entry.refs.get("project")
    (record,) = [
        record for page in system.read_ids(entry.record.entity, [(place, str(entry.procore_id))]) for record in page.records
    ]
    return record
