"""The transport on a real Tryton: written once whatever happens, refused in the ERP's own words, read back as it was sent."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
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
from include.financials.port import Outcome, Window
from include.financials.record import Record
from sandbox.tryton.books import Clerk
from sandbox.tryton.server import Running, tryton
from tests.tryton import SPACE, ready
from tests.unit.erp.jsonrpc.documents import SITE, STEEL, bill, billed, change, contract, item, line, made, one, post, transfer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PRIME = "104-PC-001"


@pytest.fixture(scope="module")
def erp(procedures: MappedSystem) -> MappedSystem:
    return procedures


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


def test_a_change_of_the_owners_contract_has_its_mark_up_apart(erp: MappedSystem, clerk: Clerk) -> None:
    before: Any = one(erp, "prime_contracts", PRIME)
    sent = change(PRIME, "901", line(1, "250.00"), line(2, "-10.00", SITE, line=2), markup="25.50")
    (outcome,) = post(erp, sent)
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", f"{PRIME}/901", None)
    found: Any = one(erp, "prime_change_orders", f"{PRIME}/901")
    assert (found.amount, found.markup, found.status) == (Decimal("265.50"), Decimal("25.50"), "posted")
    assert [(x.line, x.amount) for x in found.lines] == [(None, Decimal("250.00")), (2, Decimal("-10.00"))]
    assert len(clerk.one("sale.sale", "lines.amount", reference=f"{PRIME}/901")["lines"]) == 3
    after: Any = one(erp, "prime_contracts", PRIME)
    assert after.approved_changes - before.approved_changes == Decimal("265.50") and after.amount == before.amount
    (second,) = post(erp, sent, ident="another change")
    assert second.status == "rejected" and f"{PRIME}/901" in (second.message or "")


def test_what_an_owner_retains_and_his_tax_are_no_revenue(erp: MappedSystem, clerk: Clerk) -> None:
    post(erp, change(PRIME, "902", line(1, "500.00"), markup="0.00"))
    contract: Any = one(erp, "prime_contracts", PRIME)
    keys = [{"cost_code": x.cost_code, "cost_type": x.cost_type} for x in contract.lines]
    rows = (billed(1, "1000.00", "100.00", **keys[0]), billed(2, "0.00", released="40.00", line=2, **keys[1]),
            billed(3, "500.00", "50.00", line=1, change_order="902", tax=Decimal("36.25")))  # fmt: skip
    (outcome,) = post(erp, bill(PRIME, "O-1", *rows, vendor=None))
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "O-1", None)
    found: Any = one(erp, "owner_invoices", "O-1")
    assert (found.amount, found.held, found.released, found.tax) == (
        Decimal(1500), Decimal(150), Decimal(40), Decimal("36.25"),
    )  # fmt: skip
    assert {x.key: (x.held, x.released) for x in found.lines} == {
        "#1": (100, 0), "#2": (0, 40), "902#1": (50, 0),
    }  # fmt: skip
    assert (found.customer, found.status) == ("C-2001", "unposted")
    clerk.post()
    moved = clerk.one("account.invoice", "move.lines.account.code", "move.lines.debit", "move.lines.credit", reference="O-1")
    by_account: dict[str, Decimal] = defaultdict(Decimal)
    for row in moved["move"]["lines"]:
        by_account[row["account"]["code"]] += row["debit"] - row["credit"]
    assert by_account == {"1.2.1": Decimal("1426.25"), "1150": Decimal(110), "2180": Decimal("-36.25"), "4100": Decimal(-1500)}
    (outcome,) = post(erp, bill(PRIME, "O-1", *rows, vendor=None), action="void", erp_key="O-1")
    assert outcome.status == "confirmed" and getattr(one(erp, "owner_invoices", "O-1"), "status", None) == "void"


def test_what_was_confirmed_can_be_cancelled_in_its_period_of_grace_and_is_void(
    running: Running, clerk: Clerk, erp: MappedSystem, tmp_path: Path
) -> None:
    with (
        tryton(tmp_path / "server", ready(), grace=True) as lenient,
        closing(erp_system(lenient.address(), "tryton", origin_system=SPACE)) as system,
        closing(Clerk(lenient)) as accountant,
    ):
        post(system, contract("G-1"), contract("G-2"))
        post(system, change("G-1", "001", line(1, "26750.00")), change("G-2", "001", line(1, "10.00")))
        post(system, change(PRIME, "903", line(1, "30.00"), markup="0.00"))
        found: Any = one(system, "commitments", "G-1")
        assert (found.status, found.approved_changes) == ("open", Decimal("26750.00"))
        accountant.cancel("purchase.purchase", "G-1/001")
        accountant.cancel("purchase.purchase", "G-2")
        accountant.cancel("sale.sale", f"{PRIME}/903")
        found = one(system, "commitments", "G-1")
        assert (found.status, found.approved_changes) == ("open", Decimal(0))
        ended = [("commitments", "G-2"), ("commitment_change_orders", "G-1/001"), ("prime_change_orders", f"{PRIME}/903")]
        assert [getattr(one(system, *name), "status", None) for name in ended] == ["void"] * 3
        (again,) = post(system, contract("G-2"))  # its marker is there: it is not made anew
        assert (again.status, again.id) == ("confirmed", "G-2") and getattr(again.record, "status", None) == "void"
    post(erp, contract("T-13"))  # under way at once
    with pytest.raises(Refused, match="can not call"):
        clerk.cancel("purchase.purchase", "T-13")


def test_who_may_only_read_reads_it_all_and_writes_nothing(running: Running) -> None:
    with closing(erp_system(running.address("reader"), "tryton", origin_system=SPACE)) as system:
        assert system.check().problems == ()
        assert [r.id for page in system.read("prime_contracts") for r in page.records] == [PRIME]
        (outcome,) = post(system, contract("R-1"))
        assert outcome.status == "rejected" and "not allowed" in (outcome.message or "")


def test_what_a_cancelled_bill_had_cost_is_reversed(erp: MappedSystem, clerk: Clerk) -> None:
    """Tryton posts a move that undoes the first. Of a commitment's bill both are its cost, and neither goes to Procore."""
    post(erp, contract("T-14"))
    post(erp, bill("T-14", "B-14", billed(1, "1000.00", "100.00")))
    clerk.post()
    direct = clerk.one("account.invoice", "reference", description="Lumber and sheathing")
    bills = [direct["id"], clerk.invoice("V-1001", "B-14")["id"]]
    clerk.api.press("account.invoice", "cancel", bills)
    pages = list(erp.read("direct_costs"))
    assert not any(page.invalid for page in pages)
    found: list[Any] = [r for page in pages for r in page.records]
    of = {number: [one for one in found if one.invoice_number == number] for number in (direct["reference"], "B-14")}
    for first, second in of.values():
        assert (first.status, second.status, second.reverses) == ("posted", "posted", first.id)
        assert second.amount == -first.amount and second.vendor == first.vendor and second.kind == first.kind == "invoice"
    assert {one.commitment for one in of["B-14"]} == {"T-14"} and {one.commitment for one in of[direct["reference"]]} == {None}


def test_a_sub_job_is_a_level_of_accounts_of_its_own(erp: MappedSystem, clerk: Clerk) -> None:
    root = clerk.one("analytic_account.account", code="JOBS")["id"]
    parent, code = clerk.one("analytic_account.account", code="25-104")["id"], "25-104/A"
    for tail, type in (("", "view"), ("/05", "view"), ("/05-1200", "view"), ("/05-1200/3", "normal")):
        code = "25-104/A" + tail
        row = {"code": code, "name": f"Garage {tail}", "type": type, "parent": parent, "root": root, "state": "opened"}
        (parent,) = clerk.many("analytic_account.account", [row])
    (page,) = erp.read("sub_jobs", scopes=["25-104"])
    (sub,) = page.records
    assert (sub.id, sub.number, getattr(sub, "project", None)) == ("25-104/A", "A", "25-104")
    codes: dict[str, Any] = {r.id: r for page in erp.read("cost_codes", scopes=["25-104"]) for r in page.records}
    mine = [codes[f"25-104/A/{code}"] for code in ("05", "05-1200")]
    assert [(c.sub_job, c.number, c.parent, c.level, c.is_header) for c in mine] == [
        ("A", "05", None, 0, True), ("A", "05-1200", "25-104/A/05", 1, False),
    ]  # fmt: skip
    assert codes[STEEL].parent == "25-104//05" and codes[STEEL].sub_job in (None, "")
    post(erp, contract("T-15", line(1, "10.00", "25-104/A/05-1200", sub_job="A")))
    found: list[Any] = [r for page in erp.read("commitments", scopes=["25-104"]) for r in page.records if r.number == "T-15"]
    assert [(x.cost_code, x.sub_job) for x in found[0].lines] == [("25-104/A/05-1200", "A")]


def test_an_owners_invoice_that_may_not_be_posted_leaves_nothing(running: Running, clerk: Clerk, erp: MappedSystem) -> None:
    """Tryton validates a customer's invoice of a closed period, and refuses to post it."""
    prime: Any = one(erp, "prime_contracts", PRIME)
    rows = billed(1, "10.00", "1.00", cost_code=prime.lines[0].cost_code, cost_type=prime.lines[0].cost_type)
    chosen = {"ar_invoices": "posted"}
    with closing(erp_system(running.address(), "tryton", origin_system=SPACE, settings=chosen)) as system:
        (closed,) = post(system, bill(PRIME, "O-2", rows, vendor=None, day=date(2026, 6, 25)))
        assert closed.status == "rejected" and "period" in (closed.message or "")
        assert clerk.api.search("account.invoice", [["reference", "=", "O-2"]], ("id",)) == []
        (good,) = post(system, bill(PRIME, "O-2", rows, vendor=None, day=date(2026, 11, 25)))
        assert (good.status, getattr(good.record, "status", None)) == ("confirmed", "posted")


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


def test_a_job_has_one_budget(erp: MappedSystem, clerk: Clerk) -> None:
    """Tryton itself takes a second one, be the first accounting's own (25-107) or ours."""
    codes: list[Any] = [
        r for page in erp.read("cost_codes", scopes=["25-098", "25-107"]) for r in page.records if not r.is_header
    ]
    first = {code.project: code for code in reversed(codes) if code.active and code.cost_types}
    answers: list[Outcome] = []
    for job in ("25-098", "25-098", "25-107"):
        row = line(1, "10.00", first[job].id, cost_type=first[job].cost_types[0])
        sent = made("budgets", number=job, project=job, owner="procore", currency="USD", amount=Decimal(10), lines=[row])
        answers += post(erp, sent, ident=f"budget {len(answers)}")
    assert [one.status for one in answers] == ["confirmed", "rejected", "rejected"]
    assert all("already" in (one.message or "") for one in answers[1:])
    assert len(clerk.api.search("analytic_account.budget", [["name", "like", "25-%"]], ("id",))) == 2


@pytest.fixture(scope="module")
def moved(erp: MappedSystem) -> tuple[Any, Record]:
    """The budget of accounting's own, and a change of it: from a line that it has to an account that it has no line of."""
    budget: Any = one(erp, "budgets", "25-107")
    taken = {(line.cost_code, line.cost_type) for line in budget.lines}
    codes: list[Any] = [r for page in erp.read("cost_codes", scopes=["25-107"]) for r in page.records if not r.is_header]
    code, kind = next((c.id, k) for c in codes if c.active for k in c.cost_types if (c.id, k) not in taken)
    first, second = budget.lines[:2]
    lines = (
        line(1, "-1500.00", first.cost_code, cost_type=first.cost_type, adjustment=1),
        line(2, "1500.00", code, cost_type=kind, adjustment=1),
        line(3, "-0.25", second.cost_code, cost_type=second.cost_type, adjustment=2),
        line(4, "0.25", first.cost_code, cost_type=first.cost_type, adjustment=2),
    )
    return budget, transfer("25-107/001", *lines)


def test_a_budget_change_stands_below_the_accounts_that_it_changes(erp: MappedSystem, clerk: Clerk, moved: Any) -> None:
    budget, sent = moved
    for _ in range(2):
        (outcome,) = post(erp, sent)
        assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "25-107/001", None)
    (page,) = erp.read("budget_changes", scopes=["25-107"])
    (stored,) = page.records
    told = [
        sorted((x.position, x.cost_code, x.cost_type, x.amount, x.adjustment) for x in getattr(record, "lines", ()))
        for record in (sent, stored)
    ]
    assert told[0] == told[1] and stored == one(erp, "budget_changes", "25-107/001")
    assert getattr(stored, "project", "") == "25-107" and next(erp.read("budget_changes", scopes=["25-104"])).records == []
    after: Any = one(erp, "budgets", "25-107")
    assert (after.amount, after.lines) == (budget.amount, budget.lines), "the estimate stays what it was"
    paths = ("account.code", "total_amount")
    rows = clerk.api.search("analytic_account.budget.line", [["budget.name", "=", "25-107"], ["account", "!=", None]], paths)
    revised = {row["account"]["code"]: -row["total_amount"] for row in rows}
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for one_line in (*budget.lines, *getattr(sent, "lines", ())):
        wanted[f"{one_line.cost_code}/{one_line.cost_type}"] += one_line.amount
    assert revised == wanted, "Tryton itself compares what was spent with the revised budget"


def test_a_budget_change_is_made_whole_or_not_at_all(running: Running, erp: MappedSystem, clerk: Clerk, moved: Any) -> None:
    budget, _ = moved
    first = budget.lines[0]
    pair = [line(at, amount, first.cost_code, cost_type=first.cost_type) for at, amount in ((1, "-5.00"), (2, "5.00"))]

    def there(number: str) -> int:
        return len(clerk.api.search("analytic_account.budget.line", [["name", "like", f"{number} | %"]], ("id",)))

    (unknown,) = post(erp, transfer("25-107/002", pair[0], line(2, "5.00", "25-107//99-9999")))
    assert unknown.status == "rejected" and "25-107//99-9999/3" in (unknown.message or "") and there("25-107/002") == 0
    (nowhere,) = post(erp, transfer("25-104/001", line(1, "0.00")))
    assert nowhere.status == "rejected" and "analytic_account.budget" in (nowhere.message or "")
    with closing(erp_system(running.address(), "tryton", origin_system=SPACE, wire=Cutting(1))) as system:
        with pytest.raises(OutcomeUnknown):
            post(system, transfer("25-107/003", *pair))
        assert there("25-107/003") == 3, "its head and its lines, though the answer was lost"
        assert post(system, transfer("25-107/003", *pair))[0].status == "confirmed" and there("25-107/003") == 3
    (other,) = post(erp, transfer("25-107/003", *pair), ident="another change")
    assert other.status == "rejected" and "25-107/003" in (other.message or "") and there("25-107/003") == 3


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
