"""Writing documents of contracts: external ids of what is born in Procore, prime contracts, payments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from include.financials.exceptions import ContractBroken, NotPermitted, OutcomeUnknown
from include.financials.port import Item, Step
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, FakeProcore
from tests.unit.procore.items import Site, all_of, bare_site, known, sent, step

HEADER, LINES, LAST = (step("prime_contracts", "create", name) for name in ("header", "lines", "external_id"))


@pytest.fixture
def system(sandbox: Sandbox) -> ProcoreSystem:
    return sandbox.system()


@pytest.fixture
def site(system: ProcoreSystem, sandbox: Sandbox) -> Site:
    found = Site(system)
    assert found.refs()
    sandbox.forget()
    return found


def owner(site: Site) -> str:
    return str(next(iter(all_of(site.system, "vendors").values())).id)


# ---------------------------------------------------------------------- links


def a_change(site: Site, *, prime: bool) -> tuple[Item, str, str]:
    contract = site.prime() if prime else site.commitment()
    entry = site.change_order(site.package(contract), contract, prime=prime)
    return entry, f"/rest/v1.0/change_order_packages/{entry.procore_id}", "change_order"


def an_invoice(site: Site, *, prime: bool) -> tuple[Item, str, str]:
    contract = site.prime() if prime else site.commitment()
    if not prime:
        entry = site.invoice(site.requisition(contract), contract)
        return entry, f"/rest/v1.1/requisitions/{entry.procore_id}", "requisition"
    entry = site.invoice(site.application(contract), contract, prime=True)
    return entry, f"/rest/v1.0/prime_contracts/{contract}/payment_applications/{entry.procore_id}", "payment_application"


@pytest.mark.parametrize("prime", [False, True])
@pytest.mark.parametrize("make", [a_change, an_invoice])
def test_a_link_writes_external_ids_and_nothing_else(
    system: ProcoreSystem, sandbox: Sandbox, site: Site, make: Callable[..., tuple[Item, str, str]], prime: bool
) -> None:
    entry, path, _ = make(site, prime=prime)
    link = step(entry.record.entity, "link")
    shown = path if make is a_change or not prime else f"/rest/v1.0/payment_applications/{entry.procore_id}"
    before = system.client.get(shown, {"project_id": site.project}).object
    sandbox.forget()
    assert (link.batch, system.scope(link, entry)) == (1, site.project)
    assert system.find(link, [entry])[0].status == "absent"
    (outcome,) = system.post(link, [entry])
    assert (outcome.status, outcome.id, outcome.record) == ("confirmed", entry.procore_id, None)
    assert [call["path"] for call in sent(sandbox)] == [path]
    after = system.client.get(shown, {"project_id": site.project}).object
    assert outcome.updated_at is not None
    assert outcome.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ") == after["updated_at"]
    differing = {name for name in after if after[name] != before[name]}
    assert differing - {"updated_at", "erp_status", "deletable"} == {"origin_id", "origin_data"} | (
        {"origin_code"} if make is a_change else set()
    )
    assert (after["origin_id"], after["origin_data"]) == (entry.origin_id, entry.origin_data)
    assert system.post(link, [entry])[0].status == "confirmed", "also on a record that is locked by now"
    other = replace(entry, origin_id="sandbox:01:other:X")
    (found,) = sandbox.system().find(link, [other])
    assert (found.status, found.field) == ("absent", "origin_id")
    assert entry.origin_id in (found.message or "")


def test_what_is_gone_is_not_linked(system: ProcoreSystem, site: Site) -> None:
    link = step("subcontractor_invoices", "link")
    gone = site.invoice("999999999999", site.commitment())
    assert system.find(link, [gone])[0].status == "absent"
    (outcome,) = system.post(link, [gone])
    assert (outcome.status, outcome.locked) == ("rejected", False)
    assert system.post(link, [replace(gone, procore_id=None)])[0].field == "id"


@pytest.mark.parametrize(
    ("entity", "path", "body"),
    [
        (
            "commitment_change_orders",
            "/rest/v1.0/change_order_packages/8",
            {"project_id": 55, "change_order": {"origin_id": "o", "origin_data": "d", "origin_code": "C-1/009"}},
        ),
        (
            "subcontractor_invoices",
            "/rest/v1.1/requisitions/8",
            {"project_id": 55, "commitment_id": 7, "requisition": {"origin_id": "o", "origin_data": "d"}},
        ),
        (
            "owner_invoices",
            "/rest/v1.0/prime_contracts/7/payment_applications/8",
            {"project_id": 55, "payment_application": {"origin_id": "o", "origin_data": "d"}},
        ),
        (
            "payments_issued",
            "/rest/v1.0/contract_payments/8",
            {"project_id": 55, "contract_id": 7, "contract_payment": {"origin_id": "o", "origin_data": "d"}},
        ),
        (
            "payments_received",
            "/rest/v1.0/contract_payments/8",
            {"project_id": 55, "contract_id": 7, "contract_payment": {"origin_id": "o", "origin_data": "d"}},
        ),
    ],
)
def test_the_body_of_a_link(fake: FakeProcore, client: ProcoreClient, entity: str, path: str, body: Any) -> None:
    fake.script(path, Answer({"id": 8, "origin_id": "o"}), method="PATCH")
    system = ProcoreSystem(client, erp_system="sandbox")
    assert system.post(step(entity, "link"), [bare(entity)])[0].status == "confirmed"
    assert fake.asked(path)[0].json == body
    fake.script(path, Answer({"id": 8, "origin_id": "other"}), method="PATCH")
    (outcome,) = system.post(step(entity, "link"), [bare(entity)])
    assert (outcome.status, outcome.field) == ("rejected", "origin_id")


def bare(entity: str, **options: Any) -> Item:
    """A document that needs no sandbox."""
    site = bare_site()
    makes: dict[str, Callable[[], Item]] = {
        "commitment_change_orders": lambda: site.change_order("8", "7"),
        "subcontractor_invoices": lambda: site.invoice("8", "7"),
        "owner_invoices": lambda: site.invoice("8", "7", prime=True),
        "payments_issued": lambda: site.payment("CK-1/INV-9", "7", "66", "1250.10"),
        "payments_received": lambda: site.receipt("RC-1/OI-9", "7", 3, "0.30"),
    }
    return replace(makes[entity](), origin_id="o", origin_data="d", procore_id="8", **options)


# ---------------------------------------------------------------------- payments


@pytest.mark.parametrize(
    ("entity", "own"),
    [
        (
            "payments_issued",
            {"amount": "1250.10", "check_number": "CK-1", "payment_method": "check", "requisition_id": 66, "date": "2026-09-15"},
        ),
        (
            "payments_received",
            {
                "amount": "0.30",
                "check_number": "RC-1",
                "payment_method": "electronic",
                "draw_request_number": 3,
                "date": "2026-09-16",
            },
        ),
    ],
)
def test_a_payment_goes_out_in_one_request(fake: FakeProcore, client: ProcoreClient, entity: str, own: dict[str, Any]) -> None:
    path = "/rest/v1.0/contract_payments"
    fake.script(path, Answer([]))
    fake.script(path, Answer({"id": 9, "origin_id": "o"}, 201), method="POST")
    entry = bare(entity)
    (outcome,) = ProcoreSystem(client, erp_system="sandbox").post(step(entity, "create", "payment"), [entry])
    assert (outcome.status, outcome.id) == ("confirmed", "9")
    (call,) = fake.asked(path, "POST")
    number = getattr(entry.record, "invoice_number", None)
    attributes = {**own, "invoice_number": number, "origin_id": "o", "origin_data": "d"}
    assert call.json == {"project_id": 55, "contract_id": 7, "contract_payment": attributes}
    (listed,) = fake.asked(path, "GET")
    assert {("project_id", "55"), ("contract_id", "7")} <= set(listed.query)


def test_a_payment_is_made_once_and_its_contract_listed_once(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    contract = site.commitment()
    invoice = site.requisition(contract)
    first, second = site.payment("CK-1/A", contract, invoice, "100.00"), site.payment("CK-2/A", contract, None, "40.00")
    second = replace(second, record=second.record.model_copy(update={"invoice": None}))
    create = step("payments_issued", "create", "payment")
    assert system.scope(create, first) == f"{site.project}/{contract}"
    sandbox.forget()
    made = [system.post(create, [entry])[0] for entry in (first, second, first)]
    assert [outcome.status for outcome in made] == ["confirmed"] * 3
    assert made[0].id == made[2].id != made[1].id
    assert len(sent(sandbox)) == 2
    reads = [call for call in sandbox.requests() if call["method"] == "GET" and "contract_payments" in call["path"]]
    assert len(reads) == 1
    assert sandbox.system().post(create, [first])[0].id == made[0].id, "another task finds it too"
    assert len(sent(sandbox)) == 2
    rows = {row["origin_id"]: row for row in site.get("/rest/v1.0/contract_payments", contract_id=contract)}
    row = rows["sandbox:01:payments_issued:CK-1/A"]
    assert (Decimal(row["amount"]), row["check_number"], str(row["requisition_id"])) == (Decimal("100.00"), "CK-1", invoice)


def test_a_payment_without_its_invoice_is_no_payment_on_account(system: ProcoreSystem, site: Site) -> None:
    entry = site.payment("CK-1/A", site.commitment(), None)
    with pytest.raises(ContractBroken, match="invoice"):
        system.post(
            step("payments_issued", "create", "payment"), [replace(entry, refs={**entry.refs, "commitment": site.commitment()})]
        )


def test_a_payment_whose_answer_was_lost_is_not_made_again(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    """Even without a look in between, and although the contract was listed before."""
    contract, create = site.commitment(), step("payments_issued", "create", "payment")
    invoice = site.requisition(contract)
    assert system.post(create, [site.payment("CK-1/A", contract, invoice)])[0].status == "confirmed"
    lost = site.payment("CK-2/A", contract, invoice)
    sandbox.faults({"method": "POST", "path": "contract_payments$", "times": 1, "action": "drop_after"})
    with pytest.raises(OutcomeUnknown):
        system.post(create, [lost])
    assert system.post(create, [lost])[0].status == "confirmed"
    rows = site.get("/rest/v1.0/contract_payments", contract_id=contract)
    assert [row["origin_id"] for row in rows].count(lost.origin_id) == 1


def test_an_external_id_on_two_payments_is_loud(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script("/rest/v1.0/contract_payments", Answer([{"id": 1, "origin_id": "o"}, {"id": 2, "origin_id": "o"}]))
    with pytest.raises(ContractBroken, match="two records"):
        ProcoreSystem(client, erp_system="sandbox").post(step("payments_issued", "create", "payment"), [bare("payments_issued")])


def test_a_payment_is_never_voided(system: ProcoreSystem) -> None:
    for entity in ("payments_issued", "payments_received"):
        assert system.steps(entity, "void") == ()
        assert not system.capabilities()[entity].void


# ---------------------------------------------------------------------- prime contracts


def prime(site: Site, number: str = "104-PC-009", **fields: Any) -> Item:
    lines = (
        site.line(1, "03-3000", "3", "5000.50", description="Concrete"),
        site.line(2, "05-1200", "3", "499.50", quantity=Decimal("3.000000"), unit_cost=Decimal("166.500000"), unit="ea"),
    )
    return site.prime_contract(number, owner(site), *lines, **fields)


def carried_out(system: ProcoreSystem, entry: Item, *steps: Step) -> Item:
    for one in steps:
        (outcome,) = system.post(one, [entry])
        assert outcome.status == "confirmed", outcome
        assert outcome.record is None, "its lines are not in the answer"
        entry = known(entry, outcome)
    return entry


def test_a_prime_contract_is_given_its_external_id_last(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    entry = prime(site)
    sandbox.forget()
    assert [row.name for row in system.steps("prime_contracts", "create")] == ["header", "lines", "external_id"]
    made = carried_out(system, entry, HEADER)
    path = f"/rest/v1.0/prime_contract/{made.procore_id}"
    header = system.client.get(path, {"project_id": site.project}).object
    assert (header["origin_id"], header["origin_data"]) == (None, entry.origin_data)
    assert [outcome.status for outcome in sandbox.system().find(HEADER, [made])] == ["confirmed"]
    assert [sandbox.system().find(row, [made])[0].status for row in (LINES, LAST)] == ["absent", "absent"]
    carried_out(system, made, LINES, LAST)
    row = system.client.get(path, {"project_id": site.project}).object
    assert (row["number"], row["title"], row["status"], row["executed"]) == ("104-PC-009", "General contract", "Approved", True)
    assert (row["contract_date"], Decimal(row["retainage_percent"]), str(row["vendor"]["id"])) == (
        "2026-01-05",
        Decimal("5"),
        entry.refs["customer"],
    )
    assert Decimal(row["grand_total"]) == Decimal("5500.00")
    assert [(line["origin_id"], Decimal(line["amount"])) for line in row["line_items"]] == [
        ("sandbox:01:prime_contracts:104-PC-009#1", Decimal("5000.50")),
        ("sandbox:01:prime_contracts:104-PC-009#2", Decimal("499.50")),
    ]
    assert row["origin_id"] == "sandbox:01:prime_contracts:104-PC-009"
    calls = [(call["method"], call["path"]) for call in sent(sandbox)]
    assert calls == [
        ("POST", "/rest/v1.0/prime_contract"),
        ("PATCH", f"/rest/v1.0/prime_contracts/{made.procore_id}/line_items/sync"),
        ("PATCH", path),
    ]
    fresh = sandbox.system()
    assert {fresh.find(one, [made])[0].id for one in (HEADER, LINES, LAST)} == {made.procore_id}
    assert fresh.post(HEADER, [entry])[0].id == made.procore_id, "it is not made again"
    assert len(sent(sandbox)) == 3


def test_a_prime_contract_with_the_same_number_is_not_taken_for_ours(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    there = site.prime()
    sandbox.forget()
    entry = prime(site, "P-1")
    assert system.find(HEADER, [entry])[0].status == "absent"
    (outcome,) = system.post(HEADER, [entry])
    assert (outcome.status, outcome.id, outcome.field) == ("rejected", there, "number")
    assert not sent(sandbox), "and there is no second one"
    linked = replace(entry, procore_id=there)
    link = step("prime_contracts", "link")
    assert system.post(link, [linked])[0].status == "confirmed"
    assert sandbox.system().find(link, [linked])[0].status == "confirmed"


def test_title_and_terms_of_a_prime_contract_are_updated(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    entry = carried_out(system, prime(site), HEADER, LINES, LAST)
    update = step("prime_contracts", "update")
    record = entry.record.model_copy(update={"title": "Another title", "retainage_percent": Decimal("9.0000")})
    renamed = replace(entry, record=record, changes=("title", "retainage_percent"))
    assert system.find(update, [renamed])[0].status == "absent"
    assert system.post(update, [renamed])[0].status == "confirmed"
    path = f"/rest/v1.0/prime_contract/{entry.procore_id}"
    row = system.client.get(path, {"project_id": site.project}).object
    assert (row["title"], Decimal(row["retainage_percent"])) == ("Another title", Decimal("9"))
    assert sandbox.system().find(update, [renamed])[0].status == "confirmed"
    assert not system.wants(update, replace(renamed, changes=("amount", "lines")))


def test_lines_of_a_prime_contract_go_out_as_text(fake: FakeProcore, client: ProcoreClient) -> None:
    path = "/rest/v1.0/prime_contracts/8/line_items/sync"
    fake.script(path, Answer({"entities": [{"id": 1, "origin_id": "o#1"}], "errors": []}), method="PATCH")
    site = bare_site()
    entry = site.prime_contract("P", "4", site.line(1, "03-3000", "3", "0.30"))
    refs = {"project": "55", "cost_code:25-104//03-3000": "701", "cost_type:3": "41"}
    entry = replace(entry, procore_id="8", origin_id="o", refs=refs)
    assert ProcoreSystem(client, erp_system="sandbox").post(LINES, [entry])[0].status == "confirmed"
    (call,) = fake.asked(path)
    assert ("project_id", "55") in call.query
    assert call.json == {
        "updates": [
            {"origin_id": "o#1", "cost_code_id": 701, "line_item_type_id": 41, "extended_type": "manual", "amount": "0.30"}
        ]
    }


def test_a_link_without_admin_permission_says_which_one(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    """An approved invoice is changed by an admin of commitments only, and every link of one is such a call."""
    sandbox.reset(settings={"commitments_admin": False})
    entry = site.invoice(site.requisition(contract := site.commitment()), contract)
    with pytest.raises(
        NotPermitted, match=r"requisitions/\d+ answered 403.*INV-9 needs the permission Admin on the tool Commitments"
    ):
        system.post(step("subcontractor_invoices", "link"), [entry])
