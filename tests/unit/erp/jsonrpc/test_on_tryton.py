"""The transport on a real Tryton: written once whatever happens, refused in the ERP's own words, read back as it was sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from include.erp.jsonrpc.api import Stale
from include.erp.jsonrpc.transport import JsonRpcTransport
from include.erp.jsonrpc.tryton import Tryton
from include.erp.jsonrpc.wire import Address, Wire
from include.erp.mapping.loading import mapping_path
from include.erp.registry import erp_system, load_mapping
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError, NotPermitted, OutcomeUnknown, Refused
from include.financials.port import Window
from sandbox.tryton.books import Clerk
from sandbox.tryton.server import Running, tryton
from tests.tryton import ready
from tests.unit.erp.jsonrpc.documents import SITE, bill, billed, change, contract, item, line, one, post

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SPACE = "procore:8089"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with tryton(tmp_path_factory.mktemp("tryton") / "server", ready(), fresh=300) as server:
        yield server


@pytest.fixture(scope="module")
def erp(running: Running) -> Iterator[MappedSystem]:
    with closing(erp_system(running.address(), "tryton", origin_system=SPACE)) as system:
        yield system


@pytest.fixture(scope="module")
def clerk(running: Running) -> Iterator[Clerk]:
    with closing(Clerk(running)) as found:
        yield found


# -- reading


def test_the_mapping_fits_the_server_and_the_integrations_rights(erp: MappedSystem) -> None:
    health = erp.check()
    assert health.problems == () and health.version == "Tryton 8.2" and "sandbox-integration" not in health.description
    assert abs(health.now - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_mapping_that_does_not_fit_is_told_with_its_place(running: Running, tmp_path: Any) -> None:
    text = (
        mapping_path("tryton")
        .read_text()
        .replace("fields: [code, name, active, state, company", "fields: [code, nmae, state, company")
    )
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace('            comment: "{kind} | {marker}"', '            coment: "{kind} | {marker}"'))
    with closing(JsonRpcTransport(running.address(), load_mapping(path))) as transport:
        problems = transport.probe().problems
    assert any("nmae" in told and "entities.projects" in told for told in problems)
    assert any("coment" in told and "did you mean 'comment'" in told for told in problems)


def test_pages_of_any_size_and_ids_show_the_same(running: Running) -> None:
    seen = []
    for size in (1, 7, 1000):
        with closing(erp_system(running.address(), "tryton", origin_system=SPACE, page_size=size)) as system:
            seen.append([r.id for page in system.read("vendors") for r in page.records])
    assert seen[0] == seen[1] == seen[2] and len(set(seen[0])) == len(seen[0]) > 50


def test_what_changed_is_in_the_window_and_nothing_of_another_project(erp: MappedSystem, clerk: Clerk) -> None:
    before = erp.now()
    vendor = clerk.one("party.party", code="V-1010")["id"]
    clerk.api.write("party.party", [vendor], {"name": "Renamed"})
    after = Window(before, erp.now() + timedelta(seconds=2))
    assert [r.id for page in erp.read("vendors", window=after) for r in page.records] == ["V-1010"]
    codes = [r for page in erp.read("cost_codes", scopes=["25-098"]) for r in page.records]
    assert codes and {getattr(r, "project", None) for r in codes} == {"25-098"}


# -- writing


def test_a_contract_is_read_back_as_it_was_sent_and_written_once(erp: MappedSystem) -> None:
    by_unit = {"extended_type": "calculated", "quantity": Decimal("333.5"), "unit_cost": Decimal("3.6414"), "unit": "lf"}
    stated = {"quantity": Decimal(1), "unit_cost": Decimal("2350.00"), "unit": "ls"}
    sent = contract(
        "T-1",
        line(1, "1214.41", **by_unit, tax_code="OH725"),
        line(2, "-500.00"),
        line(3, "0.00", SITE),
        line(4, "2350.01", **stated),
        line(5, "30.00", extended_type="calculated", quantity=Decimal(3), unit_cost=Decimal(10)),
    )
    (outcome,) = post(erp, sent)
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "T-1", None)
    (again,) = post(erp, sent)
    assert (again.status, again.message) == ("confirmed", None)
    found: Any = one(erp, "commitments", "T-1")
    assert next((x.amount, x.quantity, x.unit_cost) for x in found.lines) == (
        Decimal("1214.41"),
        Decimal("333.5"),
        Decimal("3.6414"),
    )
    assert (found.title, found.status, found.marker) == ("Stahlbau Süd", "open", f"{SPACE}:commitments:id-T-1")
    assert [r.id for page in erp.read("commitments") for r in page.records].count("T-1") == 1


def test_a_document_whose_making_was_cut_off_at_any_call_is_finished_and_not_made_twice(running: Running, clerk: Clerk) -> None:
    """The connection breaks after Tryton has done what the n-th write asked for, for every n."""
    for cut in (1, 2, 3):
        number, wire = f"CUT-{cut}", Cutting(cut)
        with closing(erp_system(running.address(), "tryton", origin_system=SPACE, wire=wire)) as system:
            with pytest.raises(OutcomeUnknown):
                post(system, contract(number))
            (step,) = system.steps("commitments", "create")
            (found,) = system.find(step, [item(contract(number))])
            # Tryton confirms and processes in one go: cut there, the document is in the books already.
            assert found.status == ("absent" if cut <= 2 else "confirmed")
            (outcome,) = post(system, contract(number))
            assert outcome.status == "confirmed"
        rows = clerk.api.search("purchase.purchase", [["reference", "=", number]], ("state",))
        assert len(rows) == 1 and rows[0]["state"] in ("processing", "done")


class Cutting(httpx.BaseTransport):
    """Breaks off once the server has carried out the n-th write."""

    def __init__(self, cut: int) -> None:
        self.cut, self.writes, self.real = cut, 0, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = self.real.handle_request(request)
        if any(word in request.content for word in (b'.create"', b'.quote"', b'.confirm"', b'.process"')):
            self.writes += 1
            if self.writes == self.cut:
                reply.read()
                raise httpx.ReadTimeout("cut off", request=request)
        return reply

    def close(self) -> None:
        self.real.close()


def test_a_change_order_and_an_invoice_find_their_lines(erp: MappedSystem, clerk: Clerk) -> None:
    post(erp, contract("T-2"))
    (changed,) = post(erp, change("T-2", "001", line(1, "26750.00"), line(2, "-500.00", line=1)))
    assert (changed.status, changed.id, changed.message) == ("confirmed", "T-2/001", None)
    found: Any = one(erp, "commitments", "T-2")
    assert (found.amount, found.approved_changes) == (Decimal("61500.00"), Decimal("26250.00"))
    found = one(erp, "commitment_change_orders", "T-2/001")
    assert [(x.line, x.amount) for x in found.lines] == [(None, Decimal("26750.00")), (1, Decimal("-500.00"))]
    sent = bill("T-2", "B-2", billed(1, "1000.00", "100.00"), billed(2, "0.00", released="40.00", line=1, change_order="001"))
    (outcome,) = post(erp, sent)
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "V-1001/B-2", None)
    found = one(erp, "subcontractor_invoices", "V-1001/B-2")
    assert (found.amount, found.held, found.released, found.due) == (Decimal(1000), Decimal(100), Decimal(40), Decimal(940))
    assert {x.key for x in found.lines} == {"#1", "001#1"} and found.status == "unposted"
    assert clerk.invoice("V-1001", "B-2")["state"] == "validated"


def test_a_posted_invoice_is_voided_and_a_void_one_is_nobodys_counterpart(erp: MappedSystem, clerk: Clerk) -> None:
    post(erp, contract("T-3"))
    post(erp, bill("T-3", "B-3", billed(1, "1000.00", "100.00")))
    clerk.post()
    (outcome,) = post(erp, bill("T-3", "B-3", billed(1, "1000.00", "100.00")), action="void", erp_key="V-1001/B-3")
    assert outcome.status == "confirmed"
    assert getattr(one(erp, "subcontractor_invoices", "V-1001/B-3"), "status", None) == "void"


def test_refusals_are_tryttons_own_words_and_leave_nothing(erp: MappedSystem, clerk: Clerk) -> None:
    post(erp, contract("T-4"))
    (closed,) = post(erp, bill("T-4", "B-4", billed(1, "10.00"), day=date(2026, 6, 25)))
    assert closed.status == "rejected" and "period" in (closed.message or "")
    (code,) = post(erp, contract("T-5", line(1, "1.00", "25-104//99-9999")))
    assert code.status == "rejected" and "25-104//99-9999/3" in (code.message or "")
    (vendor,) = post(erp, contract("T-6", vendor="V-9999"))
    assert vendor.status == "rejected" and "V-9999" in (vendor.message or "")
    for model, number in (("purchase.purchase", "T-5"), ("purchase.purchase", "T-6"), ("account.invoice", "B-4")):
        assert clerk.api.search(model, [["reference", "=", number]], ("id",)) == []


def test_what_an_earlier_attempt_left_unfinished_is_made_anew_of_what_is_true_now(running: Running, clerk: Clerk) -> None:
    for cut in (1, 2):
        number = f"OLD-{cut}"
        with closing(erp_system(running.address(), "tryton", origin_system=SPACE, wire=Cutting(cut))) as system:
            with pytest.raises(OutcomeUnknown):
                post(system, contract(number, line(1, "100.00")))
            (outcome,) = post(system, contract(number, line(1, "250.00"), line(2, "1.00")))
            assert (outcome.status, outcome.message) == ("confirmed", None)
        (row,) = clerk.api.search("purchase.purchase", [["reference", "=", number]], ("untaxed_amount", "state"))
        assert (row["untaxed_amount"], row["state"]) == (Decimal("251.00"), "processing")


def test_a_vendors_number_that_is_there_already_is_asked_about_and_refused(erp: MappedSystem) -> None:
    post(erp, contract("T-7"))
    first = bill("T-7", "B-7", billed(1, "10.00"))
    assert post(erp, first)[0].status == "confirmed"
    (second,) = post(erp, first, ident="another requisition")
    assert second.status == "rejected" and "B-7" in (second.message or "")
    assert len([r for page in erp.read("subcontractor_invoices") for r in page.records if r.number == "B-7"]) == 1


def test_a_number_that_another_document_has_is_refused(erp: MappedSystem, clerk: Clerk) -> None:
    """Tryton itself takes a reference twice."""
    post(erp, contract("T-12"))
    (second,) = post(erp, contract("T-12"), ident="another contract")
    assert second.status == "rejected" and "T-12" in (second.message or "")
    post(erp, change("T-12", "001", line(1, "5.00")))
    (second,) = post(erp, change("T-12", "001", line(1, "7.00")), ident="another change")
    assert second.status == "rejected" and "T-12/001" in (second.message or "")
    assert len(clerk.api.search("purchase.purchase", [["reference", "like", "T-12%"]], ("id",))) == 2


def test_one_bad_document_among_good_ones(erp: MappedSystem) -> None:
    outcomes = post(erp, contract("T-8"), contract("T-9", vendor="V-9999"), contract("T-10"))
    assert [outcome.status for outcome in outcomes] == ["confirmed", "rejected", "confirmed"]


# -- the log-in


def test_a_session_that_is_no_longer_fresh_is_renewed_to_post(running: Running) -> None:
    """Posting asks for a log-in of the last five minutes: all sessions are made older than that."""
    with closing(Clerk(running)) as clerk:
        clerk.one("party.party", code="V-1001")
        first = clerk.api.call("model.res.user", "get_preferences", True)
        with closing(sqlite3.connect(running.folder / "erp.sqlite", timeout=60)) as database, database:
            database.execute("UPDATE ir_session SET create_date = '2020-01-01 00:00:00', write_date = '2020-01-01 00:00:00'")
        assert clerk.api.call("model.account.invoice", "post", [], writes=True) is None
        assert clerk.api.call("model.res.user", "get_preferences", True)["company"] == first["company"]
        with closing(sqlite3.connect(running.folder / "erp.sqlite", timeout=60)) as database:
            (fresh,) = database.execute("SELECT count(*) FROM ir_session WHERE create_date > '2021'").fetchone()
        assert fresh


def test_a_wrong_password_and_a_missing_right_are_told(running: Running) -> None:
    wrong = running.address().replace("sandbox-integration-1", "wrong")
    with pytest.raises(ConfigurationError, match="refuses this login"), closing(Tryton(Wire(Address.of(wrong)))) as api:
        api.now()
    with closing(Tryton(Wire(Address.of(running.address())))) as api:
        with pytest.raises(Refused, match="not allowed"):
            api.create("account.payment.journal", {"name": "mine"})
        with pytest.raises(NotPermitted):
            api.call("model.party.party", "no_such_method", writes=True)


def test_a_record_that_somebody_changed_meanwhile(running: Running, clerk: Clerk) -> None:
    (found,) = clerk.api.search("party.party", [["code", "=", "V-1020"]], ("_timestamp",))
    clerk.api.write("party.party", [found["id"]], {"name": "first"})
    old = {"_timestamp": {f"party.party,{found['id']}": "1.0"}}
    with pytest.raises(Stale):
        clerk.api.call("model.party.party", "write", [found["id"]], {"name": "second"}, writes=True, context=old)


def test_a_button_in_the_wrong_state_changes_nothing(erp: MappedSystem, clerk: Clerk) -> None:
    """Whether it is refused or ignored without a word depends on the button: the state is looked at before and after."""
    post(erp, contract("T-11"))
    number = clerk.one("purchase.purchase", reference="T-11")["id"]
    with pytest.raises(Refused, match="can not call"):
        clerk.api.press("purchase.purchase", "quote", [number])
    assert clerk.one("purchase.purchase", "state", reference="T-11")["state"] == "processing"
