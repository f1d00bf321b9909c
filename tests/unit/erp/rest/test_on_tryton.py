"""The transport on a real ERP: Tryton by its REST interface, held against the same Tryton by remote procedures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from include.erp.jsonrpc.tryton import Tryton
from include.erp.jsonrpc.wire import Address, Wire
from include.erp.registry import erp_system
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError, OutcomeUnknown
from include.financials.port import Window
from include.financials.record import Record
from sandbox.tryton.books import Clerk
from sandbox.tryton.keys import rest_address
from sandbox.tryton.server import Running
from sandbox.tryton.template import CLERK
from tests.tryton import SPACE
from tests.unit.erp.jsonrpc.documents import SITE, bill, billed, change, contract, item, line, made, one, post

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PRIME = "104-PC-001"
BY_UNIT = {"extended_type": "calculated", "quantity": Decimal("333.5"), "unit_cost": Decimal("3.64140000"), "unit": "lf"}
BUDGETED = {"R-1": "25-104", "P-1": "25-098"}
INVOICES = (("B-1", date(2026, 8, 25)), ("B-2", date(2025, 1, 15)))
"""With their days: the periods before July 2026 are closed."""
STATED = {"quantity": Decimal(1), "unit_cost": Decimal("2350.00"), "unit": "ls"}


@pytest.fixture(scope="module")
def address(running: Running) -> str:
    return rest_address(running.address())


@pytest.fixture(scope="module")
def erp(address: str) -> Iterator[MappedSystem]:
    with closing(erp_system(address, "tryton_rest", origin_system=SPACE)) as system:
        yield system


def budget(job: str) -> Record:
    row = line(1, "10.00", f"{job}//05-1200")
    return made("budgets", number=job, project=job, owner="procore", currency="USD", amount=Decimal(10), lines=[row])


def documents(way: str, owners: Any) -> tuple[Record, ...]:
    """A contract with lines of every kind, a change of it, and an invoice of both; the same towards the owner; a budget."""
    by_unit, stated = line(1, "1214.41", **BY_UNIT, tax_code="OH725"), line(4, "2350.01", **STATED)
    first, second = ({"cost_code": one.cost_code, "cost_type": one.cost_type} for one in owners.lines[:2])
    return (
        contract(way, by_unit, line(2, "-500.00"), line(3, "0.00", SITE), stated),
        change(way, "001", line(1, "26750.00"), line(2, "-500.00", line=1)),
        bill(
            way, f"B-{way}", billed(1, "1000.00", "100.00"), billed(4, "50.00", tax=Decimal("3.63")),
            billed(7, "0.00", released="40.00", line=1, change_order="001"),
        ),
        change(PRIME, f"C-{way}", line(1, "250.00"), line(2, "-10.00", SITE, line=2), markup="25.50"),
        bill(
            PRIME, f"O-{way}", billed(1, "1000.00", "100.00", **first), billed(2, "0.00", released="40.00", **second),
            billed(3, "250.00", line=1, change_order=f"C-{way}", tax=Decimal("36.25")), vendor=None,
        ),
        budget(BUDGETED[way]),
    )  # fmt: skip


def everything(system: MappedSystem, entity: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Records by id. Fails where one cannot be read."""
    pages = list(system.read(entity, **more))
    assert [wrong for page in pages for wrong in page.invalid] == []
    found = {record.id: record.model_dump() for page in pages for record in page.records}
    assert len(found) == sum(len(page.records) for page in pages)
    return found


def test_the_mapping_fits_the_server_and_the_key_is_not_shown(erp: MappedSystem, address: str) -> None:
    health = erp.check()
    assert health.problems == () and abs(health.now - datetime.now(UTC)) < timedelta(minutes=1)
    assert address.split(":")[2].split("@")[0] not in health.description + repr(erp)


def test_both_ways_read_the_same_of_what_either_wrote(erp: MappedSystem, procedures: MappedSystem, clerk: Clerk) -> None:
    """Every field of every record that REST reads, and each list has some."""
    for system, other, way in ((erp, procedures, "R-1"), (procedures, erp, "P-1")):
        sent = documents(way, one(erp, "prime_contracts", PRIME))
        for document in sent:
            (outcome,) = post(system, document)
            assert (outcome.status, outcome.message) == ("confirmed", None)
        (again,) = post(other, sent[0])
        assert (again.status, again.message) == ("confirmed", None), "the other way finds it, and sends nothing"
    totals = {way: clerk.one("account.invoice", "total_amount", reference=f"B-{way}")["total_amount"] for way in BUDGETED}
    assert totals == dict.fromkeys(BUDGETED, Decimal("993.63")), "1050.00 less 100.00 held, 40.00 released, 3.63 tax"
    _accounting(clerk)
    by_procedures = procedures.mapping.spec.entities
    entities = {name: spec for name, spec in by_procedures.items() if name != "budget_changes"}  # of several records: no POST
    assert set(entities) == set(erp.mapping.spec.entities)
    for entity, spec in entities.items():
        there = everything(procedures, entity)
        assert there and everything(erp, entity) == there, entity
        assert erp.mapping.spec.entities[entity].capability() == spec.capability(), entity
        if spec.scope is not None:
            job = next(iter(there.values())).get("project") or next(iter(there))
            its = {name: row for name, row in there.items() if (row.get("project") or name) == job}
            assert everything(erp, entity, scopes=[job]) == its, entity
        assert len(there) >= 2 or not spec.capabilities.create, "one that went each way"


def _accounting(clerk: Clerk) -> None:
    """Posts and pays what was sent, cancels a bill, and opens a sub job."""
    numbers = ("B-R-1", "B-P-1", "O-R-1")
    clerk.api.press("account.invoice", "post", [clerk.one("account.invoice", reference=number)["id"] for number in numbers])
    day = date(2026, 9, 25)
    clerk.pay("5001", "Check", day, [("V-1001", "B-R-1", Decimal("500.00")), ("V-1001", "B-P-1", Decimal("20.01"))])
    clerk.receive("7001", "Electronic", day, [("C-2001", "O-R-1", Decimal("700.00"))])
    clerk.api.press("account.invoice", "cancel", [clerk.one("account.invoice", description="Lumber and sheathing")["id"]])
    job = clerk.one("analytic_account.account", code="25-104")["id"]
    clerk.root = clerk.one("analytic_account.account", code="JOBS")["id"]
    clerk.accounts([{"code": "25-104/A", "name": "Annex", "type": "view", "parent": job}])


def test_pages_of_any_size_show_the_whole_list(address: str, erp: MappedSystem) -> None:
    """Tryton answers a range with 200, and its end is not in it."""
    for size, entity in ((1, "cost_types"), (2, "cost_types"), (7, "vendors")):
        with closing(erp_system(address, "tryton_rest", origin_system=SPACE, page_size=size)) as system:
            assert list(everything(system, entity)) == list(everything(erp, entity)) != []


def test_what_changed_is_in_the_window(erp: MappedSystem, clerk: Clerk) -> None:
    before = clerk.one("party.party", "last_modified_at", code="V-1010")["last_modified_at"].replace(tzinfo=UTC)
    clerk.api.write("party.party", [clerk.one("party.party", code="V-1010")["id"]], {"name": "Renamed"})
    after = clerk.one("party.party", "last_modified_at", code="V-1010")["last_modified_at"].replace(tzinfo=UTC)
    assert after > before
    assert set(everything(erp, "vendors", window=Window(after, after + timedelta(seconds=2)))) == {"V-1010"}


def test_whatever_write_is_cut_off_the_document_is_there_once(address: str, erp: MappedSystem, clerk: Clerk) -> None:
    """The connection breaks after Tryton has done what the n-th write asked for, for every n."""
    for cut, state, told in ((1, "draft", "accepted"), (2, "quotation", "accepted"), (3, "processing", "confirmed")):
        sent = contract(f"CUT-{cut}")
        with closing(erp_system(address, "tryton_rest", origin_system=SPACE, wire=Cutting(cut))) as system:
            if cut == 1:
                with pytest.raises(OutcomeUnknown):
                    post(system, sent)
            else:
                (outcome,) = post(system, sent)
                assert outcome.status == told
        (step,) = erp.steps("commitments", "create")
        (found,) = erp.find(step, [item(sent)])
        assert found.status == told
        (again,) = post(erp, sent)
        assert again.status == told
        assert clerk.one("purchase.purchase", "state", reference=f"CUT-{cut}")["state"] == state


class Cutting(httpx.BaseTransport):
    """Breaks off once the server has carried out the n-th write."""

    def __init__(self, cut: int) -> None:
        self.cut, self.real = cut, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = self.real.handle_request(request)
        self.cut -= request.method == "POST"
        if request.method == "POST" and self.cut == 0:
            reply.read()
            raise httpx.ReadTimeout("cut off", request=request)
        return reply

    def close(self) -> None:
        self.real.close()


def test_what_is_refused_says_why_and_leaves_nothing(erp: MappedSystem, clerk: Clerk) -> None:
    clerk.many("purchase.purchase", [{"reference": "BY-HAND", "party": clerk.one("party.party", code="V-1001")["id"]}])
    for sent, told in (
        (contract("BY-HAND"), "with number 'BY-HAND' already"),
        (budget("25-107"), "with job '25-107' already"),
        (contract("R-8", line(1, "5.00", "25-104//99-9999")), "has no dimension with code '25-104//99-9999/3'"),
        (contract("R-9", line(1, "5.00", extended_type="calculated", quantity=Decimal("1.00005"), unit_cost=Decimal(5))), ""),
    ):
        (outcome,) = post(erp, sent, ident=f"refused {sent.number}")
        assert outcome.status == "rejected" and told in (outcome.message or "")
    assert not clerk.api.search("purchase.purchase", [["reference", "in", ["R-8", "R-9"]]], ("id",))


def test_an_invoice_is_posted_and_voided_and_waits_where_its_period_is_closed(
    address: str, erp: MappedSystem, clerk: Clerk
) -> None:
    sent, late = (bill("V-1", number, billed(1, "1000.00", "100.00"), day=day) for number, day in INVOICES)
    post(erp, contract("V-1"))
    with closing(erp_system(address, "tryton_rest", origin_system=SPACE, settings={"ap_invoices": "posted"})) as system:
        posted, waits = post(system, sent, late)
    assert (posted.status, getattr(posted.record, "status", None)) == ("confirmed", "posted")
    assert waits.status == "accepted" and "not released" in (waits.message or "") and "reopen the period" in (waits.message or "")
    (outcome,) = post(erp, sent, action="void", erp_key="V-1001/B-1")
    assert outcome.status == "confirmed" and clerk.invoice("V-1001", "B-1")["state"] == "cancelled"
    assert getattr(one(erp, "subcontractor_invoices", "V-1001/B-1"), "status", None) == "void"


def test_a_field_that_the_key_may_not_read_is_not_empty(erp: MappedSystem, running: Running) -> None:
    """Tryton leaves it out of its answer without a word."""
    administrator = f"http://admin:{CLERK['password']}@{running.url.partition('://')[2]}"
    with closing(Tryton(Wire(Address.of(administrator)))) as api:
        rule = api.create("ir.model.field.access", {"model": "party.identifier", "field": "code", "perm_read": False})
        pages = list(erp.read("vendors"))
        api.delete("ir.model.field.access", [rule])
    wrong = [one.field for page in pages for one in page.invalid]
    assert set(wrong) == {"identifiers.code"} and len(wrong) > 50
    assert not any(page.records for page in pages)


def test_who_may_only_read_writes_nothing_and_a_wrong_key_is_no_outage(running: Running, address: str) -> None:
    with closing(erp_system(rest_address(running.address("reader")), "tryton_rest", origin_system=SPACE)) as system:
        (outcome,) = post(system, contract("READ"))
        assert outcome.status == "rejected" and "not allowed" in (outcome.message or "")
    login = address.split("@")[1]
    with (
        closing(erp_system(f"http://procore:wrong@{login}", "tryton_rest", origin_system=SPACE)) as system,
        pytest.raises(ConfigurationError, match="refuses this login"),
    ):
        system.now()
