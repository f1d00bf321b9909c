"""Every kind of step whose answer is lost, or that never arrived: looked up afterwards, it is there or it is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from include.financials.exceptions import ContractBroken, OutcomeUnknown
from include.financials.port import Action, Item, Step
from include.procore.areas import STEPS
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.items import Site, all_of, known, sent, step

Make = Callable[[Site], Item]


@dataclass(frozen=True)
class Case:
    """A step, the item to post (what comes before it is posted already), and the call that goes wrong."""

    entity: str
    action: Action
    name: str
    make: Make
    path: str
    method: str = "PATCH"


def vendor_id(site: Site) -> str:
    return str(next(iter(all_of(site.system, "vendors").values())).id)


def through(site: Site, entity: str, entry: Item, *names: str) -> Item:
    """The item after these steps of its creation."""
    for name in names:
        (outcome,) = site.system.post(step(entity, "create", name), [entry])
        assert outcome.status == "confirmed", outcome
        entry = known(entry, outcome)
    return entry


def cost(*names: str) -> Make:
    return lambda site: through(
        site, "direct_costs", site.direct_cost("JC-777777", site.line(1, "03-3000", "3", "12.34")), *names
    )


def typed(site: Site) -> Item:
    """A direct cost that somebody entered in Procore."""
    entry = cost()(site)
    path = f"/rest/v1.1/projects/{site.project}/direct_costs"
    found = site.post(
        path, direct_cost={"vendor_id": int(vendor_id(site)), "direct_cost_type": "expense", "invoice_number": "E-1"}
    )
    return replace(entry, procore_id=str(found["id"]))


def emptied(site: Site) -> Item:
    """A line that the budget does not have yet, in an open budget."""
    client, path = site.system.client, f"/rest/v1.0/projects/{site.project}/budget"
    if client.get(path).object["locked"]:
        client.request("DELETE", f"{path}/lock", params={"destroy_all_budget_line_item_transfers": "false"})
    return site.budget(site.budget_line(1, "03-3000", "1", "1234.56"))


def owned(site: Site) -> Item:
    """A budget whose owner does not stand on its project yet."""
    return replace(site.budget(), origin_data='{"budget_owner":"erp","erp_key":"25-104","since":"2026-08"}')


def prime(*names: str) -> Make:
    def make(site: Site) -> Item:
        lines = (site.line(1, "03-3000", "3", "5000.50"), site.line(2, "05-1200", "3", "499.50"))
        return through(site, "prime_contracts", site.prime_contract("104-PC-009", vendor_id(site), *lines), *names)

    return make


def retitled(site: Site) -> Item:
    entry = prime("header")(site)
    return replace(entry, changes=("title",), record=entry.record.model_copy(update={"title": "Another title"}))


def by_hand(site: Site) -> Item:
    """A prime contract that somebody made in Procore."""
    return replace(site.prime_contract("P-1", vendor_id(site)), procore_id=site.prime())


def change(*, of_prime: bool) -> Make:
    def make(site: Site) -> Item:
        contract = site.prime() if of_prime else site.commitment()
        return site.change_order(site.package(contract), contract, prime=of_prime)

    return make


def invoice(*, of_prime: bool) -> Make:
    def make(site: Site) -> Item:
        contract = site.prime() if of_prime else site.commitment()
        ident = site.application(contract) if of_prime else site.requisition(contract)
        return site.invoice(ident, contract, prime=of_prime)

    return make


def payment(site: Site) -> Item:
    contract = site.commitment()
    return site.payment("CK-9001/INV-9", contract, site.requisition(contract))


def receipt(site: Site) -> Item:
    return site.receipt("RC-9001/OI-9", site.prime(), 1)


def entered(make: Make, name: str) -> Make:
    """A payment that somebody entered in Procore."""

    def made(site: Site) -> Item:
        entry = make(site)
        contract = entry.refs[name]
        found = site.post("/rest/v1.0/contract_payments", contract_id=int(str(contract)), contract_payment={"amount": "1250.10"})
        return replace(entry, procore_id=str(found["id"]))

    return made


CASES = [
    Case("vendor_insurances", "create", "create", lambda site: site.insurance(vendor_id(site)), "insurances/sync"),
    Case("users", "create", "create", lambda site: site.user(), "users/sync"),
    Case("sub_jobs", "create", "create", lambda site: site.sub_job(), "sub_jobs/sync"),
    Case("tax_codes", "create", "create", lambda site: site.tax_code(), "tax_codes/sync"),
    Case("budgets", "create", "lines", emptied, "budget_line_items/sync", "POST"),
    Case("budgets", "create", "owner", owned, "projects/sync"),
    Case("direct_costs", "create", "header", cost(), "direct_costs/sync"),
    Case("direct_costs", "create", "lines", cost("header"), "direct_costs/line_items/sync"),
    Case("direct_costs", "create", "external_id", cost("header", "lines"), "direct_costs/sync"),
    Case("direct_costs", "link", "link", typed, "direct_costs/sync"),
    Case("commitment_change_orders", "link", "link", change(of_prime=False), r"change_order_packages/\d+"),
    Case("prime_change_orders", "link", "link", change(of_prime=True), r"change_order_packages/\d+"),
    Case("subcontractor_invoices", "link", "link", invoice(of_prime=False), r"v1.1/requisitions/\d+"),
    Case("owner_invoices", "link", "link", invoice(of_prime=True), r"prime_contracts/\d+/payment_applications/\d+"),
    Case("payments_issued", "create", "payment", payment, "contract_payments", "POST"),
    Case("payments_received", "create", "payment", receipt, "contract_payments", "POST"),
    Case("payments_issued", "link", "link", entered(payment, "commitment"), r"contract_payments/\d+"),
    Case("payments_received", "link", "link", entered(receipt, "prime_contract"), r"contract_payments/\d+"),
    Case("prime_contracts", "create", "header", prime(), "prime_contract", "POST"),
    Case("prime_contracts", "create", "lines", prime("header"), "line_items/sync"),
    Case("prime_contracts", "create", "external_id", prime("header", "lines"), r"prime_contract/\d+"),
    Case("prime_contracts", "update", "update", retitled, r"prime_contract/\d+"),
    Case("prime_contracts", "link", "link", by_hand, r"prime_contract/\d+"),
]
EVERYWHERE = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.entity}-{case.action}-{case.name}")


@pytest.fixture
def site(sandbox: Sandbox) -> Site:
    return Site(sandbox.system())


def lose(sandbox: Sandbox, site: Site, case: Case, entry: Item, fault: str) -> None:
    """Post the case's step with a fault on its call; it must have fired, and the call must have been made once."""
    sandbox.forget()
    sandbox.faults({"method": case.method, "path": f"{case.path}$", "times": 1, "action": fault})
    with pytest.raises(OutcomeUnknown):
        site.system.post(row(case), [entry])
    assert [call["fault"] for call in sent(sandbox) if re.search(f"{case.path}$", call["path"])] == [fault]


def row(case: Case) -> Step:
    return step(case.entity, case.action, case.name)


@EVERYWHERE
def test_a_call_that_never_arrived_is_absent_and_one_whose_answer_was_lost_is_found(
    sandbox: Sandbox, site: Site, case: Case
) -> None:
    """By the same task, which remembers what it looked up before, and by the next one."""
    entry = case.make(site)
    lose(sandbox, site, case, entry, "drop_before")
    for system in (site.system, sandbox.system()):
        (found,) = system.find(row(case), [entry])
        assert (found.status, found.message) == ("absent", None)
    lose(sandbox, site, case, entry, "drop_after")
    ids = set()
    for system in (site.system, sandbox.system()):
        (found,) = system.find(row(case), [entry])
        assert found.status == "confirmed"
        ids.add(found.id)
    assert len(ids) == 1
    assert None not in ids


ANSWERS: dict[str, dict[str, Any]] = {
    "503 and when to come back": {"action": "status_after", "status": 503, "headers": {"Retry-After": "1"}},
    "504": {"action": "status_after", "status": 504},
    "no JSON": {"action": "garbage_after"},
    "half a body": {"action": "truncated_after"},
    "an empty object": {"action": "status_after", "status": 200, "body": {}},
    "an empty list": {"action": "status_after", "status": 200, "body": []},
    "a word": {"action": "status_after", "status": 200, "body": "ok"},
}
WAYS = ("lines", "header", "payment", "link")
"""Steps that are among them in each way to write."""


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("case", [case for case in CASES if case.name in WAYS], ids=lambda case: f"{case.entity}-{case.name}")
def test_no_answer_but_a_proper_one_says_what_became_of_a_write(sandbox: Sandbox, site: Site, case: Case, answer: str) -> None:
    """Each time the write took effect. It is sent once, in doubt, and found; never repeated, never called a success."""
    entry, fault = case.make(site), ANSWERS[answer]
    sandbox.forget()
    sandbox.faults({"method": case.method, "path": f"{case.path}$", "times": 1, **fault})
    with pytest.raises(OutcomeUnknown):
        site.system.post(row(case), [entry])
    calls = [call for call in sent(sandbox) if re.search(f"{case.path}$", call["path"])]
    assert [call["fault"] for call in calls] == [fault["action"]]
    (found,) = sandbox.system().find(row(case), [entry])
    assert found.status == "confirmed" and (found.id or "").isdecimal()


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name in ("payment", "external_id", "link")],
    ids=lambda case: f"{case.entity}-{case.name}",
)
def test_an_answer_with_another_external_id_of_ours_stops_the_task(sandbox: Sandbox, site: Site, case: Case) -> None:
    entry = case.make(site)
    other = f"{entry.origin_id}-other"
    mine = {"id": int(entry.procore_id or 1), "origin_id": other}
    body = {"entities": [mine], "errors": []} if case.path.endswith("sync") else mine
    sandbox.faults(
        {"method": case.method, "path": f"{case.path}$", "times": 1, "action": "status_after", "status": 200, "body": body}
    )
    with pytest.raises(ContractBroken, match=f"sent as {entry.origin_id}, with {other}"):
        site.system.post(row(case), [entry])


def test_every_step_of_the_new_entities_is_among_the_cases() -> None:
    older = {"vendors", "customers", "projects", "cost_types", "cost_codes", "commitments"}
    synced = {"vendor_insurances", "users", "sub_jobs", "tax_codes"}
    # A note of what is final may be written twice; it has tests of its own (test_finality.py).
    steps = {
        (entity, row.name) for (entity, action), rows in STEPS.items() if action != "final" for row in rows if entity not in older
    }
    same = {(entity, name) for entity, name in steps if entity in synced and name != "create"}
    assert steps - same == {(case.entity, case.name) for case in CASES}


def swapped(*names: str, but: bool = False) -> Callable[[Any], Any]:
    """The reply of a sync, with these members of its first two records (``but``: all others) taken for each other."""

    def change(data: Any) -> Any:
        one, other = data["entities"][:2]
        for name in one.keys() - {*names} if but else names:
            one[name], other[name] = other[name], one[name]
        return data

    return change


SWAPS = {
    "their ids": swapped("id"),
    "their external ids": swapped("origin_id", "origin_data"),
    "what they are": swapped("id", "origin_id", "origin_data", but=True),
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("entity", ["direct_costs", "tax_codes", "sub_jobs"])
def test_two_new_records_that_a_reply_takes_for_each_other_are_looked_for(
    site: Site, monkeypatch: pytest.MonkeyPatch, entity: str, swap: str
) -> None:
    """Their lines would go to each other's header, and their documents to each other's job."""
    makes: dict[str, Callable[[int], Item]] = {
        "direct_costs": lambda n: site.direct_cost(
            f"JC-77777{n}", site.line(1, "03-3000", "3", f"{n}.00"), invoice_number=f"X-{n}"
        ),
        "tax_codes": lambda n: site.tax_code(f"TX-{n}", f"{n}.5"),
        "sub_jobs": lambda n: site.sub_job(f"7{n}"),
    }
    items, first = [makes[entity](n) for n in (1, 2)], site.system.steps(entity, "create")[0]
    client: Any = site.system.client
    asked = client.request

    def request(method: str, path: str, **options: Any) -> Any:
        reply = asked(method, path, **options)
        return replace(reply, data=SWAPS[swap](reply.data)) if path.endswith("/sync") else reply

    monkeypatch.setattr(client, "request", request)
    with pytest.raises(OutcomeUnknown, match=r"which is|another record"):
        site.system.post(first, items)
    monkeypatch.undo()
    there = {one.origin_data or one.origin_id: one.id for one in all_of(site.system, entity).values()}
    found = {outcome.intent: outcome.id for outcome in site.system.find(first, items)}
    assert found == {item.intent: there[item.origin_data or item.origin_id] for item in items}
