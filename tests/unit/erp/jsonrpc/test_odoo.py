"""Preset and mapping of Odoo against a strict stand-in of its door: made once whatever happens, refused in its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from include.erp.jsonrpc.odoo import Odoo
from include.erp.jsonrpc.wire import Address, Wire
from include.erp.mapping.loading import mapping_path
from include.erp.registry import erp_system, load_mapping
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError, NotPermitted, OutcomeUnknown, Refused, RetryLater
from tests.unit.erp.jsonrpc.documents import SITE, STEEL, bill, billed, change, contract, item, line, one, post
from tests.unit.erp.jsonrpc.odoo_door import ADDRESS, Door, Said

SPACE = "procore:8089"


def preset(door: Door, address: str = ADDRESS) -> Odoo:
    return Odoo(Wire(Address.of(address), transport=httpx.MockTransport(door)))


def system(door: Door, **settings: Any) -> MappedSystem:
    return erp_system(ADDRESS, "odoo", origin_system=SPACE, wire=httpx.MockTransport(door), **settings)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def erp(door: Door) -> Iterator[MappedSystem]:
    with closing(system(door)) as found:
        yield found


def read(erp: MappedSystem, entity: str) -> list[Any]:
    pages = list(erp.read(entity))
    assert [bad for page in pages for bad in page.invalid] == []
    return [record for page in pages for record in page.records]


# -- the preset


def test_conditions_become_prefix_notation(door: Door) -> None:
    api = preset(door)
    domain = [["state", "=", None], ["OR", ["name", "=", "a"], [["name", "=", "b"], ["origin", "=", "c"]], ["id", ">", 3]]]
    assert api._domain("purchase.order", domain) == [
        "&", ["state", "=", False], "|", "|", ["name", "=", "a"], "&", ["name", "=", "b"], ["origin", "=", "c"], ["id", ">", 3],
    ]  # fmt: skip
    assert api._domain("purchase.order", []) == []
    moment = datetime(2026, 9, 30, 12, 0, 1)  # noqa: DTZ001
    assert api._domain("purchase.order", [["write_date", "<=", moment]]) == [["write_date", "<=", "2026-09-30 12:00:01.999999"]]
    assert api._domain("purchase.order", [["write_date", ">=", moment]]) == [["write_date", ">=", "2026-09-30 12:00:01"]]


def test_related_records_are_nested_and_nothing_is_null(door: Door) -> None:
    (found,) = preset(door).search(
        "account.analytic.account", [["code", "=", STEEL]], ("code", "active", "group_id.parent_id.name", "write_date")
    )
    assert found["group_id"]["parent_id"]["name"] == "Jobs" and found["active"] is True
    (top,) = preset(door).search("account.analytic.group", [["name", "=", "Jobs"]], ("parent_id.name",))
    assert top["parent_id"] is None


def test_the_same_external_id_again_gives_the_first_record_as_it_is(door: Door) -> None:
    api = preset(door)
    values = {"external_id": "procore:1:x.y~z", "name": "PO 1", "partner_id": 1, "currency_id": 1}
    first = api.create("purchase.order", values)
    assert api.create("purchase.order", values | {"name": "PO 2"}) == first
    (found,) = api.search("purchase.order", [["external_id", "=", "procore:1:x.y~z"]], ("name", "external_id"))
    assert (found["name"], found["external_id"]) == ("PO 1", "procore:1:x.y~z")
    api.press("purchase.order", "button_cancel", [first])
    api.delete("purchase.order", [first])
    assert api.search("purchase.order", [["external_id", "=", "procore:1:x.y~z"]], ()) == []


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("odoo.exceptions.UserError", "prior to the lock date", Refused),
        ("odoo.exceptions.ValidationError", "Duplicated vendor reference", Refused),
        ("psycopg2.errors.UniqueViolation", "duplicate key value", Refused),
        ("builtins.KeyError", "'no_such_model'", Refused),
        ("odoo.exceptions.AccessError", "You are not allowed", NotPermitted),
        ("odoo.exceptions.AccessDenied", "Access Denied", ConfigurationError),
        ("psycopg2.extensions.TransactionRollbackError", "could not serialize access", RetryLater),
        ("psycopg2.errors.DeadlockDetected", "deadlock detected", RetryLater),
        ("psycopg2.OperationalError", "server closed the connection", OutcomeUnknown),
        ("psycopg2.OperationalError", 'FATAL:  database "erp" does not exist', ConfigurationError),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_erp_says(door: Door, name: str, message: str, expected: type[Exception], wrapped: bool) -> None:
    """Told as an error of the call, or by the import as text."""
    api, method = preset(door), "load" if wrapped else "create"
    door.fails[f"{method}"] = Said(name, message)
    if wrapped:
        door.fails.clear()
        door._loaded = lambda *_: _raise(Said(name, message))  # type: ignore[method-assign]
    with pytest.raises(expected) as found:
        api.create("purchase.order", {"name": "1"} | ({"external_id": "x"} if wrapped else {}))
    assert (type(found.value) is expected and message.split()[-1] in str(found.value)) or expected is ConfigurationError
    assert "<class" not in str(found.value)


def _raise(error: Exception) -> Any:
    raise error


def test_where_odoo_hides_its_reason_that_is_said(door: Door) -> None:
    hidden = Said("odoo.exceptions.UserError", "Cannot create unbalanced journal entry. Ids: [7]")
    door._loaded = lambda *_: _raise(hidden)  # type: ignore[method-assign]
    with pytest.raises(Refused, match=r"unbalanced.*instead of its reason.*lock date"):
        preset(door).create("account.move", {"external_id": "x"})


def test_a_lost_database_is_no_doubt_for_a_read(door: Door) -> None:
    door.fails["search"] = Said("psycopg2.OperationalError", "server closed the connection")
    with pytest.raises(RetryLater):
        preset(door).search("purchase.order", [], ("name",))


def test_a_wrong_password_is_told_without_it(door: Door) -> None:
    with pytest.raises(ConfigurationError, match="refuses this login") as found:
        preset(door, "http://procore:wrong-one@127.0.0.1/erp").search("purchase.order", [], ("name",))
    assert "wrong-one" not in str(found.value)


def test_what_may_not_be_seen_is_not_left_out(door: Door) -> None:
    account = door.add("account.analytic.account", code="25-104//99", group_id=77, active=True)
    with pytest.raises(NotPermitted):
        preset(door).search("account.analytic.account", [["id", "=", account]], ("group_id.name",))


def test_what_went_away_while_it_was_read_is_read_again(door: Door) -> None:
    api = preset(door)
    whole = door._read
    door._read = lambda model, *rest, **more: [] if model == "account.analytic.group" else whole(model, *rest, **more)  # type: ignore[method-assign]
    with pytest.raises(RetryLater, match="went away"):
        api.search("account.analytic.account", [["code", "=", STEEL]], ("group_id.name",))


# -- the mapping


def test_the_mapping_fits_the_fields_of_odoo_14(erp: MappedSystem) -> None:
    health = erp.check()
    assert health.problems == () and health.version == "Odoo 14.0" and "secret" not in health.description


@pytest.mark.parametrize("name", ["odoo_17", "odoo_18"])
def test_variants_for_newer_versions_are_of_one_piece_and_say_that_they_were_not_run(name: str) -> None:
    path = mapping_path(name)
    found, base = load_mapping(path).spec.entities, load_mapping(mapping_path("odoo")).spec.entities
    assert found.keys() == base.keys() and "NOT RUN" in path.read_text()
    named = [path for entity in found.values() for path in entity.source.fields]  # type: ignore[attr-defined]
    assert not [one for one in named if "account_analytic_id" in one or "invoice_line_ids.analytic_account_id" in one]


def test_masters_and_the_lock_date(erp: MappedSystem, door: Door) -> None:
    codes = {code.id: code for code in read(erp, "cost_codes")}
    assert (codes[STEEL].parent, codes[STEEL].project, codes[STEEL].is_header) == ("25-104//05", "25-104", False)
    assert codes["25-104//05"].is_header and codes["25-104//05"].parent is None
    closed, after = read(erp, "periods")
    assert (closed.status, closed.last_day) == ("closed", date(2026, 6, 30))
    assert (after.status, after.first_day) == ("open", date(2026, 7, 1))
    assert one(erp, "periods", after.id).first_day == after.first_day
    door.rows["res.company"][1]["fiscalyear_lock_date"] = None
    assert [period.status for period in read(erp, "periods")] == ["open"]


def test_a_contract_is_read_back_as_it_was_sent_and_written_once(erp: MappedSystem, door: Door) -> None:
    by_unit = {"extended_type": "calculated", "quantity": Decimal("333.5"), "unit_cost": Decimal("1.785"), "unit": "lf"}
    stated = {"extended_type": "manual", "quantity": Decimal(1), "unit_cost": Decimal("2350.00"), "unit": "ls"}
    sent = contract(
        "T-1",
        line(1, "595.30", **by_unit, tax_code="OH725"),
        line(2, "-500.00"),
        line(3, "0.00", SITE),
        line(4, "2350.01", **stated),
        line(5, "1.00", **{**stated, "description": None, "unit": None}),
    )
    for _ in range(2):
        (outcome,) = post(erp, sent)
        assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "T-1", None)
    found = one(erp, "commitments", "T-1")
    assert [line.amount for line in found.lines] == [line.amount for line in sent.lines]  # type: ignore[attr-defined]
    assert (found.title, found.status, found.marker, found.kind) == (
        "Stahlbau Süd",
        "open",
        f"{SPACE}:commitments:id-T-1",
        "subcontract",
    )
    assert len(door.rows["purchase.order"]) == 1


@pytest.mark.parametrize("cut", [1, 2])
def test_a_document_whose_making_was_cut_off_at_any_call_is_made_once(cut: int) -> None:
    """The answer to the n-th write is lost, after Odoo has carried it out."""
    door = Door(lost=cut)
    with closing(system(door)) as erp:
        with pytest.raises(OutcomeUnknown):
            post(erp, contract("CUT"))
        (step,) = erp.steps("commitments", "create")
        (found,) = erp.find(step, [item(contract("CUT"))])
        assert found.status == ("absent" if cut == 1 else "confirmed")
        (outcome,) = post(erp, contract("CUT"))
        assert (outcome.status, outcome.message) == ("confirmed", None)
    (order,) = door.rows["purchase.order"].values()
    assert order["state"] == "purchase"


def test_what_waits_for_a_manager_is_accepted_and_in_no_list(erp: MappedSystem, door: Door) -> None:
    door._button_confirm = lambda model, numbers, context: door._turn(model, numbers, ("draft",), "to approve")  # type: ignore[method-assign,assignment]
    (outcome,) = post(erp, contract("BIG"))
    assert outcome.status == "accepted" and read(erp, "commitments") == []
    (order,) = door.rows["purchase.order"].values()
    order["state"] = "purchase"
    (again,) = post(erp, contract("BIG"))
    assert (again.status, again.id) == ("confirmed", "BIG")


def test_a_change_order_is_lines_of_the_contracts_order(erp: MappedSystem, door: Door) -> None:
    post(erp, contract("T-2"))
    for _ in range(2):
        (changed,) = post(erp, change("T-2", "001", line(1, "26750.00"), line(2, "-500.00", line=1)))
        assert (changed.status, changed.id, changed.message) == ("confirmed", "T-2/001", None)
    post(erp, change("T-2", "002", line(1, "10.00", line=2)))
    found = one(erp, "commitments", "T-2")
    assert (found.amount, found.approved_changes, len(found.lines)) == (Decimal("61500.00"), Decimal("26260.00"), 2)
    found = one(erp, "commitment_change_orders", "T-2/001")
    assert [(row.position, row.line, row.amount) for row in found.lines] == [
        (1, None, Decimal("26750.00")),
        (2, 1, Decimal("-500.00")),
    ]
    assert (found.commitment, found.change_number, found.title) == ("T-2", "001", "More")
    assert len(door.rows["purchase.order"]) == 1 and len(door.rows["purchase.order.line"]) == 2 + 3 + 2
    (second,) = post(erp, change("T-2", "001", line(1, "1.00")), ident="another")
    assert second.status == "rejected"


def test_an_underscore_in_a_number_stands_for_itself(erp: MappedSystem) -> None:
    for number in ("AB1", "A_1"):
        post(erp, contract(number))
        (changed,) = post(erp, change(number, "001", line(1, "10.00")))
        assert (changed.status, changed.id, changed.message) == ("confirmed", f"{number}/001", None)
    assert one(erp, "commitment_change_orders", "A_1/001").commitment == "A_1"


def test_a_bill_with_retainage_finds_its_lines(erp: MappedSystem) -> None:
    post(erp, contract("T-3"))
    post(erp, change("T-3", "001", line(1, "26750.00")))
    sent = bill(
        "T-3", "B-3",
        billed(1, "1000.00", "100.00", tax=Decimal("8.25")),
        billed(2, "0.00", released="40.00", line=1, change_order="001"),
    )  # fmt: skip
    for _ in range(2):
        (outcome,) = post(erp, sent)
        assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "V-1001/B-3", None)
    found = one(erp, "subcontractor_invoices", "V-1001/B-3")
    figures = (found.amount, found.held, found.released, found.tax, found.due)
    assert figures == (Decimal(1000), Decimal(100), Decimal(40), Decimal("8.25"), Decimal(940))
    assert {row.key for row in found.lines} == {"#1", "001#1"} and found.status == "unposted"
    (second,) = post(erp, sent, ident="another requisition")
    assert second.status == "rejected" and "B-3" in (second.message or "")


def test_a_bill_that_people_made_of_the_order_counts_line_by_line(erp: MappedSystem, door: Door) -> None:
    post(erp, contract("T-4"))
    ours = [number for number, row in door.rows["purchase.order.line"].items() if not row.get("display_type")]
    steel, site = (next(n for n, row in door.rows["account.analytic.account"].items() if row["code"] == x) for x in (STEEL, SITE))
    cost = {"account_id": 2, "product_id": 2, "quantity": Decimal(1), "sequence": 10}
    door.add(
        "account.move", move_type="in_invoice", ref="HAND", partner_id=1, currency_id=1, date="2026-08-01",
        invoice_date="2026-08-01", invoice_origin="T-4",
        invoice_line_ids=[
            {**cost, "purchase_line_id": ours[0], "analytic_account_id": steel, "price_unit": Decimal("70.00")},
            {**cost, "purchase_line_id": ours[1], "analytic_account_id": site, "price_unit": Decimal("30.00")},
        ],
    )  # fmt: skip
    found = one(erp, "subcontractor_invoices", "V-1001/HAND")
    assert (found.amount, found.sequence, found.marker) == (Decimal("100.00"), 0, None)
    assert [(row.cost_code, row.amount) for row in found.lines] == [(STEEL, Decimal("70.00")), (SITE, Decimal("30.00"))]


def test_posted_at_once_or_refused_in_odoos_words(door: Door) -> None:
    with closing(system(door, settings={"ap_invoices": "posted"})) as erp:
        post(erp, contract("T-5"))
        assert post(erp, bill("T-5", "B-5", billed(1, "10.00")))[0].status == "confirmed"
        (locked,) = post(erp, bill("T-5", "B-6", billed(1, "10.00"), day=date(2026, 6, 25)))
    assert locked.status == "rejected" and "lock date" in (locked.message or "")
    assert [row["ref"] for row in door.rows["account.move"].values()] == ["B-5"]


def test_a_bill_is_voided_but_not_one_that_is_paid(erp: MappedSystem, door: Door) -> None:
    post(erp, contract("T-6"))
    for number, paid in (("B-7", "not_paid"), ("B-8", "partial")):
        sent = bill("T-6", number, billed(1, "10.00"))
        post(erp, sent)
        row = next(row for row in door.rows["account.move"].values() if row["ref"] == number)
        row |= {"state": "posted", "payment_state": paid}
        (outcome,) = post(erp, sent, action="void", erp_key=f"V-1001/{number}")
        assert outcome.status == ("confirmed" if paid == "not_paid" else "rejected")
        assert row["state"] == ("cancel" if paid == "not_paid" else "posted")
    assert "payment_state" in (outcome.message or "")


def test_a_payment_is_what_was_reconciled_with_a_bill(erp: MappedSystem, door: Door) -> None:
    post(erp, contract("T-7"))
    post(erp, bill("T-7", "B-9", billed(1, "1000.00", "100.00")))
    ((number, _),) = door.rows["account.move"].items()
    payable = door.add("account.move.line", move_id=number, account_id=1)
    method = door.add("account.payment.method", code="check_printing")
    payment = door.add("account.payment", ref="004512", date="2026-09-15", state="posted", payment_method_id=method)
    paid = door.add("account.move.line", payment_id=payment, account_id=1)
    door.add("account.partial.reconcile", amount=Decimal("400.00"), debit_move_id=paid, credit_move_id=payable, company_id=1)
    (found,) = read(erp, "payments_issued")
    assert (found.amount, found.invoice, found.commitment, found.method) == (Decimal("400.00"), "V-1001/B-9", "T-7", "check")
    assert (found.payment_number, found.pay_date, found.project) == ("004512", date(2026, 9, 15), "25-104")


def test_a_refused_document_leaves_nothing(erp: MappedSystem, door: Door) -> None:
    (code,) = post(erp, contract("T-8", line(1, "1.00", "25-104//99-9999")))
    assert code.status == "rejected" and "25-104//99-9999" in (code.message or "")
    post(erp, contract("T-9"))
    (taken,) = post(erp, contract("T-9"), ident="another contract")
    assert taken.status == "rejected" and "a purchase.order with name 'T-9' already" in (taken.message or "")
    assert [row["name"] for row in door.rows["purchase.order"].values()] == ["T-9"]
