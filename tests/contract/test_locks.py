"""The table of locks in docs/procore-contract.md 2.4, row by row against the sandbox, in each setting of the company."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.financials.port import Item
from include.financials.record import Record
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from sandbox.procore.settings import CLIENT_ID, CLIENT_SECRET, LOCKS, Settings
from sandbox.world import World
from tests.unit.financials.pair import change, commitment, invoice, owner_invoice, prime_contract
from tests.unit.financials.pair import payment as check
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CAST,
    COMPANY,
    CONCRETE,
    DRAFT,
    ORDER,
    P1,
    PACKAGE,
    POTENTIAL,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    hand_made,
    serving,
)  # fmt: skip

DOC = Path(__file__).parents[2] / "docs" / "procore-contract.md"
HEAD = ["record", "edit", *(f"`{lock}`" for lock in LOCKS), "instead"]
LINE = {"cost_code_id": STEELWORK, "line_item_type_id": SUBCONTRACT, "amount": "5.00"}
COSTS, INVOICES = f"/rest/v1.1/projects/{P1}/direct_costs", "/rest/v1.1/requisitions"
OF_STEEL = f"/companies/{COMPANY}/vendors/{STEEL}/insurances"
MADE = {"project_id": P1}

Edit = tuple[str, str, dict[str, Any] | None]
"""Method, path and body of a call."""


def table() -> list[list[str]]:
    lines = DOC.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    found = rows[rows.index(HEAD) + 1 :]
    return found[: next(at for at, row in enumerate(found) if len(row) != len(HEAD))]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, World]]:
    with serving(tmp_path_factory.mktemp("sandbox")) as found:
        yield found


# -- the records, linked as the sync leaves them ------------------------------------------------------------------------------


def sent(api: Caller, method: str, path: str, body: dict[str, Any]) -> Any:
    reply = api(method, path, json=body)
    assert reply.ok, reply.text
    return reply.json()


def cost(api: Caller) -> int:
    plain = {"direct_cost_type": "invoice", "vendor_id": STEEL, "invoice_number": "A-1", "origin_id": "jc-1"}
    (made,), errors = api.sync(f"/projects/{P1}/direct_costs/sync", [plain])
    assert errors == []
    return int(made["id"])


def requisition(api: Caller) -> int:
    head = {**MADE, "commitment_id": APPROVED}
    id = sent(api, "POST", INVOICES, {**head, "requisition": {}})["id"]
    sent(api, "PATCH", f"{INVOICES}/{id}", {**head, "requisition": {"origin_id": "ap-1"}})
    return int(id)


def prime(api: Caller) -> int:
    plain = {"number": "PC-1", "title": "Clinic", "vendor_id": STEEL, "status": "Approved", "origin_id": "pc-1"}
    return int(sent(api, "POST", "/prime_contract", {**MADE, "prime_contract": plain})["id"])


def application(api: Caller) -> tuple[int, int]:
    contract = prime(api)
    place = f"/prime_contracts/{contract}/payment_applications"
    id = sent(api, "POST", place, {**MADE, "payment_application": {"status": "approved"}})["id"]
    sent(api, "PATCH", f"{place}/{id}", {**MADE, "payment_application": {"origin_id": "oi-1"}})
    return contract, int(id)


def payment(api: Caller) -> int:
    paid = {"amount": "5.00", "origin_id": "pay-1"}
    return int(sent(api, "POST", "/contract_payments", {**MADE, "contract_id": APPROVED, "contract_payment": paid})["id"])


def insurance(api: Caller) -> int:
    plain = {"name": "Mutual", "insurance_type": "General", "policy_number": "GL-1", "origin_id": "in-1"}
    (made,), errors = api.sync(f"{OF_STEEL}/sync", [plain])
    assert errors == []
    return int(made["id"])


def status(api: Caller, path: str, wrapper: str, value: str) -> None:
    sent(api, "PATCH", path, {**MADE, wrapper: {"status": value}})


# -- the edits, as a person makes them in Procore's pages ---------------------------------------------------------------------


def contract(resource: str, id: int, **attributes: Any) -> Edit:
    return "PATCH", f"/{resource}/{id}", {**MADE, resource.removesuffix("s"): attributes}


def line(resource: str, id: int) -> Edit:
    return "POST", f"/{resource}/{id}/line_items?project_id={P1}", {**MADE, "line_item": LINE}


def signed(api: Caller) -> Edit:
    status(api, f"/work_order_contracts/{DRAFT}", "work_order_contract", "Out For Signature")
    return line("work_order_contracts", DRAFT)


def pending(api: Caller) -> Edit:
    status(api, f"/change_order_packages/{PACKAGE}", "change_order", "pending")
    return line("potential_change_orders", POTENTIAL)


def of_requisition(api: Caller, **attributes: Any) -> Edit:
    return "PATCH", f"{INVOICES}/{requisition(api)}", {**MADE, "commitment_id": APPROVED, "requisition": attributes}


def of_application(api: Caller, **attributes: Any) -> Edit:
    of, id = application(api)
    return "PATCH", f"/prime_contracts/{of}/payment_applications/{id}", {**MADE, "payment_application": attributes}


def of_payment(api: Caller, **attributes: Any) -> Edit:
    return "PATCH", f"/contract_payments/{payment(api)}", {**MADE, "contract_id": APPROVED, "contract_payment": attributes}


EDITS: dict[tuple[str, str], Callable[[Caller], Edit]] = {
    ("subcontract, Approved", "vendor"): lambda api: contract("work_order_contracts", APPROVED, vendor_id=CONCRETE),
    ("subcontract, Approved", "a line"): lambda api: line("work_order_contracts", APPROVED),
    ("subcontract, Approved", "title"): lambda api: contract("work_order_contracts", APPROVED, title="Another"),
    ("subcontract, Approved", "deletion"): lambda api: (
        "DELETE", f"/work_order_contracts/{APPROVED}?project_id={P1}", None),
    ("subcontract, Out For Signature", "a line"): signed,
    ("subcontract, Draft", "a line"): lambda api: line("work_order_contracts", DRAFT),
    ("purchase order, Approved", "vendor"): lambda api: contract("purchase_order_contracts", ORDER, vendor_id=CONCRETE),
    ("purchase order, Approved", "a line"): lambda api: line("purchase_order_contracts", ORDER),
    ("purchase order, Approved", "deletion"): lambda api: (
        "DELETE", f"/purchase_order_contracts/{ORDER}?project_id={P1}", None),
    ("change order, approved", "a line"): lambda api: line("potential_change_orders", POTENTIAL),
    ("change order, approved", "status"): lambda api: (
        "PATCH", f"/change_order_packages/{PACKAGE}", {**MADE, "change_order": {"status": "rejected"}}),
    ("change order, pending", "a line"): pending,
    ("prime contract, Approved", "a line"): lambda api: line("prime_contracts", prime(api)),
    ("prime contract, Approved", "title"): lambda api: (
        "PATCH", f"/prime_contract/{prime(api)}", {**MADE, "prime_contract": {"title": "Another"}}),
    ("direct cost, linked", "anything"): lambda api: (
        "PATCH", f"{COSTS}/{cost(api)}", {"direct_cost": {"description": "Another"}}),
    ("direct cost, linked", "deletion"): lambda api: ("DELETE", f"{COSTS}/{cost(api)}", None),
    ("subcontractor invoice, linked", "anything"): lambda api: of_requisition(api, invoice_number="9"),
    ("subcontractor invoice, linked", "deletion"): lambda api: (
        "DELETE", f"{INVOICES}/{requisition(api)}?project_id={P1}", None),
    ("owner invoice, linked", "anything"): lambda api: of_application(api, status="draft"),
    ("owner invoice, linked", "deletion"): lambda api: (
        "DELETE", f"/payment_applications/{application(api)[1]}?project_id={P1}", None),
    ("payment, linked", "anything"): lambda api: of_payment(api, amount="6.00"),
    ("payment, linked", "attachments"): lambda api: of_payment(api, prostore_file_ids=[1]),
    ("payment, linked", "deletion"): lambda api: (
        "DELETE", f"/contract_payments/{payment(api)}?project_id={P1}&contract_id={APPROVED}", None),
    ("vendor insurance, linked", "policy"): lambda api: (
        "PATCH", f"{OF_STEEL}/{insurance(api)}", {"insurance": {"policy_number": "GL-2"}}),
    ("vendor insurance, linked", "status"): lambda api: (
        "PATCH", f"{OF_STEEL}/{insurance(api)}", {"insurance": {"status": "compliant"}}),
    ("vendor, linked", "anything"): lambda api: (
        "PATCH", f"/vendors/{STEEL}", {"company_id": COMPANY, "vendor": {"name": "Another"}}),
    ("project, linked", "anything"): lambda api: (
        "PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"name": "Another"}}),
    ("cost code, linked", "anything"): lambda api: (
        "PATCH", f"/cost_codes/{CAST}", {**MADE, "cost_code": {"name": "Another"}}),
}  # fmt: skip
LINKS: dict[str, Callable[[Caller], Edit]] = {
    "subcontract": lambda api: contract("work_order_contracts", APPROVED, origin_id="new", origin_data="{}"),
    "purchase order": lambda api: contract("purchase_order_contracts", ORDER, origin_id="new", origin_data="{}"),
    "change order": lambda api: (
        "PATCH", f"/change_order_packages/{PACKAGE}", {**MADE, "change_order": {"origin_id": "new", "origin_data": "{}"}}),
    "prime contract": lambda api: (
        "PATCH", f"/prime_contract/{prime(api)}", {**MADE, "prime_contract": {"origin_id": "new", "origin_data": "{}"}}),
    "direct cost": lambda api: ("PATCH", f"{COSTS}/{cost(api)}", {"direct_cost": {"origin_id": "new", "origin_data": "{}"}}),
    "subcontractor invoice": lambda api: of_requisition(api, origin_id="new", origin_data="{}"),
    "owner invoice": lambda api: of_application(api, origin_id="new", origin_data="{}"),
    "payment": lambda api: of_payment(api, origin_id="new", origin_data="{}"),
}  # fmt: skip
"""How the sync writes the external ids of what a lock may close."""


def locked(served: tuple[Caller, World], lock: str, make: Callable[[Caller], Edit]) -> Edit:
    """What an edit needs is made before the company's setting is."""
    api, world = served
    hand_made(world)
    plain = Settings(rate_limit_spike=10_000, sov_lock="off")
    world.procore.configure(plain)
    edit = make(api)
    world.procore.configure(plain.changed({"sov_lock": lock}))
    return edit


def test_the_table_has_a_row_for_each_edit() -> None:
    assert [(row[0], row[1]) for row in table()] == list(EDITS)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row[0]}: {row[1]}")
def test_a_row_of_the_table(served: tuple[Caller, World], row: list[str], lock: str) -> None:
    said = dict(zip(HEAD, row, strict=True))[f"`{lock}`"]
    method, path, body = locked(served, lock, EDITS[row[0], row[1]])
    reply = served[0].as_user(method, path, body)
    assert ("refused" if reply.status_code == 422 else "taken" if reply.ok else reply.text) == said
    if said == "refused":
        assert re.search("synced with ERP|Editing is not available", reply.text), reply.text


def _linked(api: Caller, edit: Edit) -> str:
    """Carries out the sync's own link; the id of the record."""
    reply = api(edit[0], edit[1], json=edit[2])
    assert reply.ok, reply.text
    return str(reply.json()["id"])


NOTES: dict[str, tuple[str, Record]] = {
    "subcontract": ("commitments", commitment("SC-2")),
    "purchase order": ("commitments", commitment("PO-1", kind="purchase_order")),
    "change order": ("commitment_change_orders", change("001", "SC-2")),
    "prime contract": ("prime_contracts", prime_contract()),
    "subcontractor invoice": ("subcontractor_invoices", invoice(1, "SC-2")),
    "owner invoice": ("owner_invoices", owner_invoice()),
    "payment": ("payments_issued", check()),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_is_taken_whatever_is_locked_and_written_once(served: tuple[Caller, World], name: str) -> None:
    entity, record = NOTES[name]
    edit = locked(served, "beyond_draft", LINKS[name])
    api, ident = served[0], _linked(served[0], edit)
    of = edit[1].split("/")[2] if name == "owner invoice" else None
    refs = {"project": str(P1), "commitment": str(APPROVED), "prime_contract": of}
    said = Item("i-1", record, "01", record.number, "new", '{"state":"void"}', procore_id=ident, refs=refs)
    client = ProcoreClient(api.base, None, str(COMPANY), CLIENT_ID, CLIENT_SECRET)
    system = ProcoreSystem(client, erp_system="sandbox")
    step = next(one for one in system.steps(entity, "final") if system.wants(one, said))
    assert [one.status for one in system.find(step, [said])] == ["absent"]
    assert [(one.status, one.id) for one in system.post(step, [said])] == [("confirmed", ident)]
    assert client.writes == 1 and [one.status for one in system.find(step, [said])] == ["confirmed"]
    assert [one.status for one in system.post(step, [replace(said, intent="i-2")])] == ["confirmed"]
    assert client.writes == 1, "looked for before it is written"
    taken = system.post(step, [replace(said, origin_id="another", origin_data="{}")])
    assert [one.status for one in taken] == ["rejected"] and client.writes == 1, "it is not ours any more"
    client.close()


@pytest.mark.parametrize("name", LINKS)
def test_external_ids_are_taken_whatever_is_locked(served: tuple[Caller, World], name: str) -> None:
    method, path, body = locked(served, "beyond_draft", LINKS[name])
    reply = served[0](method, path, json=body)
    assert reply.ok and reply.json()["origin_id"] == "new", reply.text
