"""The clerk: every action against the database, refusals passed on, bad input answered with what there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.erp import schema
from sandbox.erp.clerk import ACTIONS, ClerkError, perform
from sandbox.erp.rules import RULES
from tests.unit.sandbox.erp.world import KINDS, document, header, insert

pytestmark = pytest.mark.slow


class StillClock:
    """A clock at noon that only moves when told, and tells the ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._now = datetime(2026, 9, 30, 12, tzinfo=UTC)
        self._keep = schema.clock_keeper(engine)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._now += timedelta(seconds=seconds)
        self._keep(round(seconds * 1_000_000))
        return self._now


@pytest.fixture
def do(engine: sa.Engine) -> Any:
    clock = StillClock(engine)
    return lambda action, **fields: perform(engine, clock, {"action": action, **fields})


def rows(engine: sa.Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.begin() as connection:
        return [tuple(r) for r in connection.exec_driver_sql(sql)]


DONE: list[tuple[str, dict[str, Any], str, list[tuple[Any, ...]]]] = [
    ("advance", {"seconds": 86_400}, "SELECT offset_us FROM sandbox_clock", [(86_400_000_000,)]),
    (
        "new_vendor",
        {"name": "Fünf GmbH", "tax_id": "1", "company": "01"},
        "SELECT vendor, hold FROM vendors WHERE name = 'Fünf GmbH'",
        [("V-2", "none")],
    ),
    (
        *("new_vendor", {"code": "V-2000", "name": "x", "company": "03", "hold": "all", "reason": "new"}),
        *("SELECT vendor_group, hold_reason FROM vendors WHERE vendor = 'V-2000'", [("G2", "new")]),
    ),
    ("rename_vendor", {"vendor": "V-1", "name": "New"}, "SELECT name FROM vendors WHERE vendor = 'V-1'", [("New",)]),
    ("activate_vendor", {"vendor": "V-1", "active": False}, "SELECT active FROM vendors WHERE vendor = 'V-1'", [(0,)]),
    ("hold_vendor", {"vendor": "V-1"}, "SELECT hold FROM vendors WHERE vendor = 'V-1'", [("all",)]),
    (
        *("hold_vendor", {"key": "V-1", "hold": "payment", "reason": "lien"}),
        *("SELECT hold, hold_reason FROM vendors WHERE vendor = 'V-1'", [("payment", "lien")]),
    ),
    (
        "hold_vendor",
        {"vendor": "V-ALL", "hold": "none"},
        "SELECT hold, hold_reason FROM vendors WHERE vendor = 'V-ALL'",
        [("none", None)],
    ),
    (
        *("merge_vendors", {"from": "V-1", "to": "V-NEW"}),
        *("SELECT merged_into, active FROM vendors WHERE vendor = 'V-1'", [("V-NEW", 0)]),
    ),
    ("new_customer", {"name": "Owner", "company": "01"}, "SELECT customer FROM customers WHERE name = 'Owner'", [("C-2",)]),
    ("rename_customer", {"customer": "C-1", "name": "New"}, "SELECT name FROM customers WHERE customer = 'C-1'", [("New",)]),
    (
        *("new_job", {"company": "01", "number": "26-001", "name": "New", "customer": "C-1", "start_date": "2026-10-01"}),
        *("SELECT company, status, customer FROM jobs WHERE job = '26-001'", [("01", "open", "C-1")]),
    ),
    ("rename_job", {"job": "J2", "name": "New"}, "SELECT name FROM jobs WHERE job = 'J2'", [("New",)]),
    ("close_job", {"project": "J2"}, "SELECT status FROM jobs WHERE job = 'J2'", [("closed",)]),
    ("close_job", {"job": "J4", "status": "soft_closed"}, "SELECT status FROM jobs WHERE job = 'J4'", [("soft_closed",)]),
    ("open_job", {"job": "J3"}, "SELECT status FROM jobs WHERE job = 'J3'", [("open",)]),
    ("new_sub_job", {"job": "J2", "sub_job": "S", "name": "Site"}, "SELECT name FROM sub_jobs WHERE job = 'J2'", [("Site",)]),
    (
        *("new_cost_code", {"job": "J1", "company": "01", "code": "03-9999", "name": "Grout", "cost_types": ["3", 2]}),
        "SELECT c.name, c.parent, t.cost_type FROM job_codes c JOIN job_code_types t ON t.company = c.company AND t.job = c.job"
        " AND t.sub_job = c.sub_job AND t.code = c.code WHERE c.code = '03-9999' ORDER BY 3",
        [("Grout", "03", "2"), ("Grout", "03", "3")],
    ),
    (  # named by the standard list; no division header on this job
        *("new_cost_code", {"job": "J5", "code": "03-3000", "cost_type": 3}),
        *("SELECT name, parent FROM job_codes WHERE job = 'J5'", [("Cast-in-place concrete", None)]),
    ),
    (  # an existing code gets what it lacks: one type anew, one reactivated
        *("new_cost_code", {"job": "J1", "company": "01", "code": "03-3000", "name": "Other", "cost_types": ["1", "3", "6"]}),
        "SELECT t.cost_type, t.active, c.name FROM job_code_types t JOIN job_codes c ON c.company = t.company AND c.job = t.job"
        " AND c.sub_job = t.sub_job AND c.code = t.code"
        " WHERE t.company = '01' AND t.job = 'J1' AND t.sub_job = '' AND t.code = '03-3000'"
        " AND t.cost_type <> '5' ORDER BY 1",
        [(t, 1, "Cast-in-place concrete") for t in ("1", "2", "3", "6")],
    ),
    (
        "activate_code",
        {"job": "J1", "company": "01", "code": "09-9100"},
        "SELECT active FROM job_codes WHERE code = '09-9100'",
        [(1,)],
    ),
    ("rename_code", {"job": "J2", "code": "03-3000", "name": "New"}, "SELECT name FROM job_codes WHERE job = 'J2'", [("New",)]),
    (
        *("close_period", {"company": "01", "module": "AP", "period": "2026-07"}),
        *(
            "SELECT module, status FROM periods WHERE company = '01' ORDER BY 1",
            [("AP", "closed"), *((m, "open") for m in ("AR", "GL", "JC"))],
        ),
    ),
    ("close_period", {"period": "2026-07", "status": "soft_closed"}, "SELECT DISTINCT status FROM periods", [("soft_closed",)]),
    ("open_period", {"period": "2026-07", "module": "GL"}, "SELECT DISTINCT status FROM periods", [("open",)]),
    ("retitle_commitment", {"number": "OPEN", "title": "New"}, "SELECT title FROM commitments WHERE number = 'OPEN'", [("New",)]),
    ("close_commitment", {"number": "OPEN"}, "SELECT status FROM commitments WHERE number = 'OPEN'", [("closed",)]),
    ("reopen_commitment", {"commitment": "CLOSED"}, "SELECT status FROM commitments WHERE number = 'CLOSED'", [("open",)]),
    ("void_commitment", {"number": "OPEN", "company": "01"}, "SELECT status FROM commitments WHERE number = 'OPEN'", [("void",)]),
]


@pytest.mark.parametrize(("action", "fields", "query", "expected"), DONE, ids=[f"{a} {f}" for a, f, _, _ in DONE])
def test_action(engine: sa.Engine, do: Any, action: str, fields: dict[str, Any], query: str, expected: list[Any]) -> None:
    reply = do(action, **fields)

    assert reply["ok"] is True
    assert reply["changed"]
    assert rows(engine, query) == expected


AP, AR, PAYMENT, RECEIPT, COST, BUDGET = (
    KINDS[k] for k in ("ap_invoices", "ar_invoices", "payments", "receipts", "job_costs", "budgets")
)
BILLED = [*AP.before(), *AP.entered()]
OWED = [*AR.before(), *AR.entered()]
SECOND = AP.entered({"invoice": "2"})
PAID = [*BILLED, *PAYMENT.entered()]
RECEIVED = [*OWED, *RECEIPT.entered()]
AP_STATUS = "SELECT status FROM ap_invoices"
PAYMENTS = "SELECT h.payment, h.status, h.method, h.pay_date, h.amount_cents, l.invoice, l.commitment, l.amount_cents,"
PAYMENTS += " l.discount_cents FROM payments h JOIN payment_lines l ON l.payment = h.payment ORDER BY 6"
RECEIPTS = "SELECT h.receipt, h.status, h.receipt_date, h.customer, l.invoice, l.amount_cents FROM receipts h"
RECEIPTS += " JOIN receipt_lines l ON l.receipt = h.receipt"
COSTS = "SELECT h.trans, h.source, h.vendor, h.status, h.posting_date, l.cost_type, l.amount_cents, h.reverses FROM job_costs h"
COSTS += " JOIN job_cost_lines l ON l.trans = h.trans ORDER BY 1"

LIFE: list[tuple[list[str], str, dict[str, Any], str, list[tuple[Any, ...]]]] = [
    ([*AP.before(), *AP.built(), AP.turned("unposted")], "post", {"number": "4417-01"}, AP_STATUS, [("posted",)]),
    ([*AR.before(), *AR.built()], "post", {"entity": "ar", "invoice": "OI-01"}, "SELECT status FROM ar_invoices", [("posted",)]),
    ([*BILLED, *PAYMENT.built()], "post", {"payment": "004512"}, "SELECT status FROM payments", [("posted",)]),
    ([*OWED, *RECEIPT.built()], "post", {"receipt": "R-1"}, "SELECT status FROM receipts", [("posted",)]),
    (COST.built(), "post", {"entity": "job_cost", "number": "JC-000001"}, "SELECT status FROM job_costs", [("posted",)]),
    (BILLED, "void", {"ap_invoice": "4417-01"}, AP_STATUS, [("void",)]),
    (BILLED, "void", {"entity": "ap", "number": "4417-01", "vendor": "V-1"}, AP_STATUS, [("void",)]),
    (OWED, "void", {"ar_invoice": "OI-01"}, "SELECT status FROM ar_invoices", [("void",)]),
    (PAID, "void", {"payment": "004512"}, "SELECT status, voided_on FROM payments", [("void", "2026-09-30")]),
    (
        *([*BILLED, *PAYMENT.built()], "void", {"number": "004512", "date": "2026-08-01"}),
        *("SELECT status, voided_on FROM payments", [("void", None)]),
    ),
    (
        *(RECEIVED, "void", {"receipt": "R-1", "date": "2026-08-03"}),
        *("SELECT status, voided_on FROM receipts", [("void", "2026-08-03")]),
    ),
    ([], "void", {"commitment": "OPEN"}, "SELECT status FROM commitments WHERE number = 'OPEN'", [("void",)]),
    (  # what is open, on the last open day
        *(BILLED, "pay", {"invoice": "4417-01"}, PAYMENTS),
        [("P-1001", "posted", "check", "2026-07-31", 9_000, "4417-01", "SC", 9_000, 0)],
    ),
    (
        [*BILLED, *SECOND],
        "pay",
        {
            "vendor": "V-1",
            "amount": "139.95",
            "payment": "ACH-1",
            "method": "electronic",
            "date": "2026-07-30",
            "invoices": [{"invoice": "4417-01", "amount": 49.95, "discount": "0.05"}, {"invoice": "2"} | {"amount": 90}],
        },
        PAYMENTS,
        [
            ("ACH-1", "posted", "electronic", "2026-07-30", 13_995, "2", "SC", 9_000, 0),
            ("ACH-1", "posted", "electronic", "2026-07-30", 13_995, "4417-01", "SC", 4_995, 5),
        ],
    ),
    (
        *([], "pay", {"vendor": "V-1", "company": "01", "invoices": "PRE", "amount": 5, "status": "unposted"}, PAYMENTS),
        [("P-1001", "unposted", "check", "2026-07-31", 500, "PRE", None, 500, 0)],
    ),
    (
        *(OWED, "receive", {"invoice": "OI-01", "amount": "80.00", "receipt": "R-9", "date": "2026-08-31"}, RECEIPTS),
        [("R-9", "posted", "2026-08-31", "C-1", "OI-01", 8_000)],
    ),
    (OWED, "receive", {"invoice": "OI-01"}, RECEIPTS, [("R-1001", "posted", "2026-07-31", "C-1", "OI-01", 9_000)]),
    (
        *([], "new_cost", {"job": "J1", "company": "01", "code": "03-3000", "cost_type": 3, "amount": "-1180.25"}, COSTS),
        [("JC-000001", "JC", None, "posted", "2026-07-31", "3", -118_025, None)],
    ),
    (
        COST.entered(),
        "new_cost",
        {
            "job": "J1",
            "company": "01",
            "code": "03-3000",
            "type": "2",
            "amount": 1,
            "vendor": "V-1",
            "invoice": "77",
            "date": "2026-07-02",
            "reverses": "JC-000001",
            "status": "unposted",
        },
        COSTS,
        [
            ("JC-000001", "PR", None, "posted", "2026-07-10", "3", 10_000, None),
            ("JC-000002", "AP", "V-1", "unposted", "2026-07-02", "2", 100, "JC-000001"),
        ],
    ),
    *(
        (
            BUDGET.entered(),
            "change_estimate",
            {"job": "J1", "company": "01", "code": "03-3000", "cost_type": cost_type, "amount": "50.00"},
            "SELECT l.line_no, l.cost_type, l.amount_cents, h.amount_cents FROM budgets h JOIN budget_lines l ON l.job = h.job"
            " ORDER BY 1",
            expected,
        )
        for cost_type, expected in (
            ("3", [(1, "3", 5_000, 5_000)]),
            ("2", [(1, "3", 10_000, 15_000), (2, "2", 5_000, 15_000)]),
        )
    ),
    (
        [],
        "new_prime_contract",
        {"job": "J1", "company": "01", "title": "Clinic", "amount": 1_000_000, "retainage": 10},
        "SELECT c.number, c.customer, c.currency, c.status, c.retainage_e4, c.current_cents, l.code, l.cost_type, l.amount_cents"
        " FROM v_prime_contracts c JOIN prime_contract_lines l ON l.number = c.number",
        [("PC-1001", "C-1", "USD", "open", 100_000, 100_000_000, "03-3000", "2", 100_000_000)],
    ),
    (BILLED, "set_pay_hold", {"invoice": "4417-01"}, "SELECT pay_hold FROM ap_invoices", [(1,)]),
    ([], "set_ceiling", {"company": "01", "value": "on"}, "SELECT company, value FROM settings", [("01", "on")]),
    (
        *([], "new_tax_code", {"code": "TX", "rate": "7.25", "company": "01"}),
        *("SELECT cost_group, description, rate_e4 FROM tax_codes WHERE tax_code = 'TX'", [("G1", "TX", 72_500)]),
    ),
    (
        [],
        "new_insurance",
        {"vendor": "V-1", "policy": "WC-1", "type": "Workers' Compensation", "effective": "2026-01-01", "expires": "2026-12-31"},
        "SELECT insurance_type, effective_date, expiration_date FROM vendor_insurances WHERE policy = 'WC-1'",
        [("Workers' Compensation", "2026-01-01", "2026-12-31")],
    ),
    (
        *([], "renew_insurance", {"vendor": "V-1", "policy": "GL-1", "expiration_date": "2027-12-31"}),
        *("SELECT effective_date, expiration_date FROM vendor_insurances", [(None, "2027-12-31")]),
    ),
]


@pytest.mark.parametrize(("before", "action", "fields", "query", "expected"), LIFE, ids=[f"{a} {f}" for _, a, f, _, _ in LIFE])
def test_action_on_documents(
    engine: sa.Engine, do: Any, before: list[str], action: str, fields: dict[str, Any], query: str, expected: list[Any]
) -> None:
    with engine.begin() as connection:
        for statement in before:
            connection.exec_driver_sql(statement)
    reply = do(action, **fields)

    assert reply["ok"] is True
    assert sum(reply["changed"]["rows"].values()) > 0
    assert rows(engine, query) == expected


def test_money_is_shown_as_it_was_given(engine: sa.Engine, do: Any) -> None:
    with engine.begin() as connection:
        for statement in BILLED:
            connection.exec_driver_sql(statement)
    changed = do("pay", invoices=[{"invoice": "4417-01", "amount": 49.95}], amount="49.95")["changed"]

    assert changed["amount"] == "49.95"
    assert changed["invoices"] == [{"invoice": "4417-01", "amount": "49.95"}]
    assert changed["rows"] == {"payments": 2, "payment_lines": 1}


def test_two_documents_with_one_number_are_told_apart(engine: sa.Engine, do: Any) -> None:
    with engine.begin() as connection:
        for statement in (*OWED, *AP.before(), *AP.built({"invoice": "OI-01"})):
            connection.exec_driver_sql(statement)
    for action in ("post", "void"):
        with pytest.raises(ClerkError, match="2 kinds of document have the number OI-01: give entity"):
            do(action, number="OI-01")
    do("post", number="OI-01", entity="ap")
    assert rows(engine, AP_STATUS) == [("posted",)]


def test_every_action_is_tried() -> None:
    assert {action for action, *_ in DONE} | {action for _, action, *_ in LIFE} == set(ACTIONS)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("merge_vendors", {"from": "V-1", "into": "V-1"}, "MERGE"),
    ("merge_vendors", {"from": "V-1", "into": "V-77"}, "VENDOR_UNKNOWN"),
    ("hold_vendor", {"vendor": "V-1", "hold": "some"}, "CHOICE"),
    ("new_vendor", {"vendor": "V-9", "name": "x" * 31, "vendor_group": "G1"}, "LENGTH"),
    ("new_job", {"company": "01", "job": "J9", "name": "x", "start_date": "tomorrow"}, "DATE"),
    ("new_cost_code", {"company": "01", "job": "J1", "code": "03", "cost_types": ["3"]}, "CODE_HEADER"),
    ("new_cost_code", {"job": "J2", "code": "08-1100", "cost_types": ["8"]}, "TYPE_UNKNOWN"),
    ("new_cost_code", {"job": "J2", "code": "08-1100", "sub_job": "Z"}, "SUB_JOB_UNKNOWN"),
    ("close_period", {"period": "2026-07", "status": "shut"}, "CHOICE"),
    ("reopen_commitment", {"number": "VOID"}, "STATUS"),
    ("retitle_commitment", {"number": "VOID", "title": "x"}, "FROZEN"),
    ("void", {"commitment": "CLOSED"}, "STATUS"),
    ("new_cost", {"job": "J2", "code": "03-3000", "cost_type": "3", "amount": 1, "date": "2026-06-30"}, "PERIOD_CLOSED"),
    ("new_cost", {"job": "J2", "code": "03-9999", "cost_type": "3", "amount": 1}, "CODE_UNKNOWN"),
    ("pay", {"vendor": "V-1", "company": "01", "invoices": [{"invoice": "X", "amount": 1}], "amount": 2}, "TOTAL"),
    ("set_ceiling", {"company": "01", "value": "maybe"}, "CHOICE"),
    ("new_tax_code", {"tax_code": "T", "rate": 101, "company": "01"}, "RATE"),
    ("new_insurance", {"vendor": "V-1", "policy": "P" * 31, "type": "GL"}, "LENGTH"),
]


@pytest.mark.parametrize(("action", "fields", "code"), REFUSED, ids=[f"{a} {c}" for a, _, c in REFUSED])
def test_the_databases_refusal_is_passed_on_and_nothing_is_left(
    engine: sa.Engine, do: Any, action: str, fields: dict[str, Any], code: str
) -> None:
    before = rows(engine, "SELECT * FROM audit_log")
    with pytest.raises(ClerkError) as refusal:
        do(action, **fields)

    message = str(refusal.value).removeprefix(f"{action}: ")
    assert message in {r.message for r in RULES if r.code == code}
    assert rows(engine, "SELECT * FROM audit_log") == before


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("dance", {}, "There is no action 'dance'"),
    ("new_vendor", {}, "name is missing"),
    ("rename_vendor", {"vendor": "V-1", "name": None}, "name is missing"),
    ("rename_vendor", {"vendor": "V-1", "name": "x", "colour": "red"}, "unknown field colour"),
    ("rename_vendor", {"vendor": "V-1", "code": "V-2", "name": "x"}, "vendor and code both mean vendor"),
    ("rename_vendor", {"vendor": {"a": 1}, "name": "x"}, "vendor is a text"),
    ("rename_vendor", {"vendor": "V-77", "name": "x"}, "there is no vendor V-77"),
    ("rename_vendor", {"vendor": "V-1", "name": "x", "company": "03"}, "there is no vendor V-1"),
    ("rename_vendor", {"vendor": "V-77", "name": "x", "vendor_group": "G1"}, "there is no vendor V-77 in group G1"),
    ("new_vendor", {"name": "x", "company": "77"}, "there is no company 77"),
    ("activate_vendor", {"vendor": "V-1", "active": "maybe"}, "active is true or false"),
    ("close_job", {"job": "J1"}, "job J1 is in 3 companies: give company"),
    ("close_job", {"job": "J77"}, "there is no job J77"),
    ("close_job", {"job": "J2", "company": "02"}, "there is no job J2 in company 02"),
    ("activate_code", {"job": "J2", "code": "77"}, "there is no code 77 on job J2"),
    ("close_period", {"period": "2031-01"}, "no such period 2031-01"),
    ("close_commitment", {"number": "NONE"}, "there is no commitment NONE"),
    ("void", {}, "give the number of one of payment, receipt"),
    ("void", {"payment": "1", "receipt": "2"}, "not of 2"),
    ("void", {"payment": "NONE"}, "the ledger has no such document NONE"),
    ("post", {"number": "NONE"}, "the ledger has no such document NONE"),
    ("pay", {"invoices": []}, "invoices is empty"),
    ("pay", {"invoices": [{"invoice": "1", "cents": 5}]}, "unknown field cents in invoices"),
    ("pay", {"invoices": [{"amount": 5}]}, "invoices is a text"),
    ("pay", {"invoice": "NONE"}, "AP has no invoice NONE: give vendor"),
    ("pay", {"invoice": "NONE", "vendor": "V-1"}, "vendor V-1 has no invoice NONE: give company"),
    ("receive", {"invoice": "NONE"}, "AR has no invoice NONE"),
    ("pay", {"invoice": "1", "amount": "1.005"}, "amount has at most 2 decimals"),
    ("new_cost", {"job": "J2", "code": "03-3000", "cost_type": "3", "amount": "much"}, "amount is a number"),
    ("change_estimate", {"job": "J77", "code": "1", "cost_type": "3", "amount": 1}, "there is no job J77"),
    ("new_prime_contract", {"job": "J2", "title": "x", "amount": 1}, "job J2 has no customer"),
    ("renew_insurance", {"vendor": "V-1", "policy": "NONE", "expires": "2027-01-01"}, "vendor V-1 has no policy NONE"),
    ("advance", {"seconds": "soon"}, "seconds is a number"),
    ("advance", {"seconds": "NaN"}, "seconds is a number"),
    ("advance", {"seconds": True}, "seconds is a number"),
    ("advance", {"seconds": -1}, "only moves forward"),
]


@pytest.mark.parametrize(("action", "fields", "message"), WRONG, ids=[f"{a} {m}" for a, _, m in WRONG])
def test_bad_input_is_answered_with_what_there_is(do: Any, action: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ClerkError) as error:
        do(action, **fields)

    assert message in str(error.value)


def test_help_lists_actions_and_fields(engine: sa.Engine, do: Any) -> None:
    for bad in ({}, {"action": None}, {"action": ["advance"]}):
        with pytest.raises(ClerkError) as error:
            perform(engine, StillClock(engine), bad)
        assert all(f"\n{name}: " in str(error.value) for name in ACTIONS)
    with pytest.raises(ClerkError, match=r"Fields .*: vendor, \[hold: none\|payment\|all\], \[hold_reason\]"):
        do("hold_vendor")


def test_one_group_is_found_without_naming_it_two_are_not(engine: sa.Engine, do: Any) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(insert("companies", company="07", name="Third", vendor_group="G3", cost_group="G1"))
    assert do("new_vendor", name="x", vendor_group="G3")["changed"]["vendor"] == "V-1001"
    assert do("new_vendor", name="y", vendor_group="G3")["changed"]["vendor"] == "V-1002"
    with pytest.raises(ClerkError, match="3 vendor groups: give company or vendor_group"):
        do("new_vendor", name="x")


def test_a_hold_lifted_lets_the_document_in(engine: sa.Engine, do: Any) -> None:
    def enter() -> None:
        with engine.begin() as connection:
            for statement in document(header(vendor="V-ALL")):
                connection.exec_driver_sql(statement)

    with pytest.raises(sa.exc.IntegrityError, match="VENDOR_HOLD"):
        enter()
    do("hold_vendor", vendor="V-ALL", hold="none")
    enter()
