"""Documents through their whole life: the golden subcontract of docs/domain-rules.md 5.3, payments, voids, the entries behind."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.erp import schema
from tests.unit.sandbox.erp.world import KINDS, Row, update

AP, AR, PAYMENT, RECEIPT = (KINDS[k] for k in ("ap_invoices", "ar_invoices", "payments", "receipts"))
CONTRACT, CHANGE, COST, PRIME = (KINDS[k] for k in ("commitments", "change_orders", "job_costs", "prime_contracts"))
JULY: Row = {"company": "01", "period": "2026-07"}


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def refused(engine: sa.Engine, code: str, *statements: str) -> None:
    with pytest.raises(sa.exc.IntegrityError, match=f"{code}: "):
        run(engine, *statements)


def rows(engine: sa.Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(r) for r in connection.exec_driver_sql(sql)]


def bill(invoice: str, gross: int = 0, held: int = 0, released: int = 0, *, line: Row | None = None, **head: Any) -> list[str]:
    """A posted AP invoice with one line; cents."""
    figures = {"gross_cents": gross, "held_cents": held, "released_cents": released}
    return AP.entered({"invoice": invoice, **figures, **head}, figures | (line or {}))


def check(number: str, *lines: tuple[str, int], **head: Any) -> list[str]:
    """A posted payment on (invoice, cents)."""
    paid = [{"invoice": invoice, "amount_cents": cents} for invoice, cents in lines]
    return PAYMENT.entered({"payment": number, "amount_cents": sum(c for _, c in lines), **head}, *paid)


GOLDEN = [  # 104-SC-001: draws 1, 2 and the release
    *CONTRACT.entered({"amount_cents": 18_420_000}, {"amount_cents": 18_420_000}),
    *CHANGE.entered({"amount_cents": 684_000}, {"amount_cents": 684_000}),
    *bill("1", 13_220_000, 1_322_000),
    *bill("2", 5_884_000, 588_400, sequence=2),
    *bill("3", released=1_910_400, sequence=3),
]


def test_the_golden_subcontract_ties(engine: sa.Engine) -> None:
    run(engine, *GOLDEN)

    view = "SELECT amount_cents, changes_cents, current_cents, committed_cents, billed_cents, paid_cents FROM v_commitments"
    assert rows(engine, f"{view} WHERE number = 'SC'") == [(18_420_000, 684_000, 19_104_000, 19_104_000, 19_104_000, 0)]
    assert rows(engine, "SELECT invoice, due_cents FROM v_ap_invoices ORDER BY 1") == [
        ("1", 11_898_000),
        ("2", 5_295_600),
        ("3", 1_910_400),
    ]
    # Gross is cost, the release is none.
    assert rows(engine, "SELECT invoice, amount_cents, status FROM job_costs ORDER BY 1") == [
        ("1", 13_220_000, "posted"),
        ("2", 5_884_000, "posted"),
    ]
    assert rows(engine, "SELECT trans, posting_date, source, commitment FROM job_costs ORDER BY 1") == [
        ("JA-000000001", "2026-07-25", "AP", "SC"),
        ("JA-000000002", "2026-07-25", "AP", "SC"),
    ]
    assert rows(engine, "SELECT cost_cents, commitment_cents FROM v_job_cost") == [(19_104_000, 19_104_000)]
    assert rows(engine, "SELECT committed_cents FROM v_committed_cost") == [(19_104_000 + 20_000,)]


def test_a_void_check_is_reissued_and_one_pays_two_invoices(engine: sa.Engine) -> None:
    run(engine, *GOLDEN, *check("004513", ("1", 11_898_000)))
    refused(engine, "OVERPAID", *check("004530", ("1", 11_898_000)))
    run(engine, PAYMENT.turned("void", {"payment": "004513"}, voided_on="2026-07-30"))
    run(engine, *check("004530", ("1", 11_898_000)), *check("ACH-0907", ("2", 5_295_600), ("3", 1_910_400), method="electronic"))

    paid = "SELECT paid_cents FROM v_commitments WHERE number = 'SC'"
    assert rows(engine, paid) == [(19_104_000,)]
    refused(engine, "OVERPAID", *check("004531", ("3", 1)))
    refused(engine, "PAID", AP.turned("void", {"invoice": "3"}))
    assert rows(engine, "SELECT payment, invoice, status, amount_cents, job FROM v_payment_lines ORDER BY 1, 2") == [
        ("004513", "1", "void", 11_898_000, "J1"),
        ("004530", "1", "posted", 11_898_000, "J1"),
        ("ACH-0907", "2", "posted", 5_295_600, "J1"),
        ("ACH-0907", "3", "posted", 1_910_400, "J1"),
    ]


def test_an_invoice_posts_one_transaction_per_cost_key(engine: sa.Engine) -> None:
    schedule = ({"cost_type": "3", "amount_cents": 60_000}, {"cost_type": "2", "amount_cents": 30_000})
    run(engine, *CONTRACT.entered({}, *schedule, {"sub_job": "A", "amount_cents": 10_000}))
    lines: tuple[Row, ...] = (
        *({"commitment_line": 1, "gross_cents": cents} for cents in (5_000, 1_000)),
        {"commitment_line": 2, "cost_type": "2", "gross_cents": 3_000},
        {"commitment_line": 2, "cost_type": "2", "gross_cents": -3_000},
        {"commitment_line": 3, "sub_job": "A", "gross_cents": -500},
    )
    run(engine, *AP.built({"gross_cents": 5_500, "held_cents": 0}, *({"held_cents": 0} | line for line in lines)))
    run(engine, AP.turned("unposted"))
    assert rows(engine, "SELECT count(*) FROM job_costs") == [(0,)]
    run(engine, AP.turned("posted"))

    cost = "SELECT c.trans, l.sub_job, l.cost_type, l.amount_cents, c.reverses FROM job_costs c JOIN job_cost_lines l"
    cost += " ON l.company = c.company AND l.trans = c.trans ORDER BY 1"
    first = [("JA-000000001", "", "3", 6_000, None), ("JA-000000002", "A", "3", -500, None)]
    assert rows(engine, cost) == first

    run(engine, AP.turned("void"))
    assert rows(engine, cost) == [
        *first,
        ("JA-000000003", "", "3", -6_000, "JA-000000001"),
        ("JA-000000004", "A", "3", 500, "JA-000000002"),
    ]
    assert rows(engine, "SELECT DISTINCT status, posting_date FROM job_costs") == [("posted", "2026-07-25")]
    assert rows(engine, "SELECT sum(cost_cents) FROM v_job_cost") == [(0,)]
    assert rows(engine, "SELECT status, gross_cents FROM v_ap_invoices") == [("void", 5_500)]


def test_a_void_undoes_what_was_posted_by_hand_too(engine: sa.Engine) -> None:
    of = {"source": "AP", "vendor_group": "G1", "vendor": "V-1", "invoice": "4417-01", "commitment": "SC"}
    credit, batch = (
        {"trans": trans, "reverses": "JA-000000001", "amount_cents": -4_000, **of} for trans in ("JC-CREDIT", "JC-BATCH")
    )
    run(engine, *CONTRACT.entered(), *AP.entered(), *COST.entered(credit, {"amount_cents": -4_000}))
    run(engine, *COST.built(batch, {"amount_cents": -4_000}), AP.turned("void"))

    assert rows(engine, "SELECT trans, amount_cents FROM job_costs WHERE status = 'posted' ORDER BY 1") == [
        ("JA-000000001", 10_000),
        ("JA-000000002", -10_000),
        ("JA-000000003", 4_000),
        ("JC-CREDIT", -4_000),
    ]
    assert rows(engine, "SELECT sum(cost_cents) FROM v_job_cost") == [(0,)]


def test_a_void_after_its_period_is_reversed_today_or_not_at_all(engine: sa.Engine) -> None:
    run(engine, *CONTRACT.entered(), *AP.entered(), update("periods", {**JULY, "module": "JC"}, status="closed"))
    refused(engine, "PERIOD_CLOSED", AP.turned("void"))

    today = rows(engine, "SELECT max(at) FROM audit_log")[0][0][:10]
    month = {"company": "01", "module": "JC", "period": today[:7], "first_day": f"{today[:7]}-01", "last_day": today}
    run(engine, "INSERT INTO periods (company, module, period, first_day, last_day) VALUES ('{company}', '{module}', '{period}',"
        " '{first_day}', '{last_day}')".format(**month), AP.turned("void"))  # fmt: skip
    assert rows(engine, "SELECT posting_date FROM job_costs WHERE reverses IS NOT NULL") == [(today,)]


def test_a_bulk_load_brings_its_own_cost(engine: sa.Engine) -> None:
    with engine.connect() as connection, schema.bulk(connection):  # rolled back: a bulk load leaves no trace in the audit
        for statement in (*CONTRACT.entered(), *AP.entered(), AP.turned("void")):
            connection.exec_driver_sql(statement)
        assert connection.exec_driver_sql("SELECT count(*) FROM job_costs").scalar_one() == 0


def test_what_waits_in_a_batch_is_posted_in_a_soft_closed_period_but_not_in_a_closed_one(engine: sa.Engine) -> None:
    july = {**JULY, "module": "AP"}
    run(engine, *CONTRACT.entered(), *AP.built(), AP.turned("unposted"), *AP.built({"invoice": "2"}))
    run(engine, update("periods", july, status="closed"))
    refused(engine, "PERIOD_CLOSED", AP.turned("posted"))
    refused(engine, "PERIOD_CLOSED", AP.turned("posted", {"invoice": "2"}))
    run(engine, update("periods", july, status="soft_closed"), update("periods", {**JULY, "module": "JC"}, status="soft_closed"))
    refused(engine, "PERIOD_CLOSED", AP.turned("unposted", {"invoice": "2"}))
    refused(engine, "PERIOD_CLOSED", *COST.entered())
    run(engine, AP.turned("posted"))

    assert rows(engine, "SELECT status FROM job_costs") == [("posted",)]


def test_a_credit_after_a_deductive_change(engine: sa.Engine) -> None:
    run(engine, *CONTRACT.entered(), *bill("1", 100_000, 10_000))
    deduct = CHANGE.entered({"amount_cents": -9_500}, {"amount_cents": -9_500, "commitment_line": 1})
    refused(engine, "CONTRACT_SUM", *deduct)
    run(engine, *bill("2", -9_500, -950, sequence=2), *deduct)
    line = {"change_order": "001", "commitment_line": 1}
    run(engine, *bill("3", -100, -10, line=line, sequence=3))
    # The credit is taken with a check; alone it cannot be paid the wrong way round.
    refused(engine, "OVERPAID", *check("1", ("2", 8_550)))
    run(engine, *check("2", ("1", 90_000), ("2", -8_550)))

    assert rows(engine, "SELECT paid_cents, billed_cents FROM v_commitments WHERE number = 'SC'") == [(81_450, 90_400)]
    assert rows(engine, "SELECT sum(cost_cents) FROM v_job_cost") == [(90_400,)]


def test_the_ceiling_is_a_setting(engine: sa.Engine) -> None:
    over = bill("2", 3_001)
    run(engine, *CONTRACT.entered(), *bill("1", 97_000))
    with engine.connect() as connection:  # off: overbilled to 100.001 %
        for statement in over:
            connection.exec_driver_sql(statement)
    run(engine, update("settings", {"company": "01"}, value="on"))
    refused(engine, "CEILING", *over)
    run(engine, *bill("2", 3_000))
    run(engine, *CHANGE.entered(), *bill("3", 10_000))
    refused(engine, "CEILING", *bill("4", 1))


def test_held_vendors_and_invoices(engine: sa.Engine) -> None:
    """A payment hold stops no invoice and a full one no bill on what was committed; either stops the payment."""
    run(engine, *CONTRACT.entered())
    for hold in ("payment", "all"):
        run(engine, update("vendors", {"vendor": "V-1"}, hold=hold, hold_reason="lien waiver missing"))
        run(engine, *bill(hold, 1_000))
        refused(engine, "VENDOR_HOLD", *check("1", (hold, 1_000)))
        if hold == "all":
            refused(engine, "VENDOR_HOLD", *CHANGE.entered({"number": "002"}))
        else:
            run(engine, *CHANGE.entered())
    run(engine, update("vendors", {"vendor": "V-1"}, hold="none"), update("ap_invoices", {"invoice": "all"}, pay_hold=1))
    refused(engine, "PAY_HOLD", *check("1", ("payment", 1_000), ("all", 1_000)))
    run(engine, update("ap_invoices", {"invoice": "all"}, pay_hold=0), *check("1", ("payment", 1_000), ("all", 1_000)))


def test_the_survivor_of_a_merger_bills_and_is_paid(engine: sa.Engine) -> None:
    run(engine, *CONTRACT.entered(), *bill("1", 1_000), update("vendors", {"vendor": "V-1"}, merged_into="V-NEW", active=0))
    refused(engine, "VENDOR_MERGED", *bill("2", 1_000))
    run(engine, *bill("2", 1_000, vendor="V-NEW"))
    paid = [{"vendor": vendor, "invoice": n, "amount_cents": 1_000} for vendor, n in (("V-1", "1"), ("V-NEW", "2"))]
    run(engine, *PAYMENT.entered({"vendor": "V-NEW", "amount_cents": 2_000}, *paid))


def test_a_prepayment_on_reference(engine: sa.Engine) -> None:
    run(engine, *CONTRACT.entered(), *check("1", ("NOT-IN-AP", 5_000)))

    assert rows(engine, "SELECT invoice, invoice_known, commitment, currency FROM v_payment_lines") == [
        ("NOT-IN-AP", 0, "SC", "USD")
    ]


def test_an_estimate_of_the_ledger_may_change_one_from_outside_may_not(engine: sa.Engine) -> None:
    budget = KINDS["budgets"]
    line = {**budget.where(), "line_no": 1}
    run(engine, *budget.entered(), update("budget_lines", line, amount_cents=12_000))
    refused(engine, "TOTAL", update("budgets", budget.where(), amount_cents=11_000))
    run(engine, update("budgets", budget.where(), amount_cents=12_000))
    run(engine, update("budgets", budget.where(), marker="procore:8089:budgets:1"))
    refused(engine, "FROZEN", update("budget_lines", line, amount_cents=1))
    refused(engine, "FROZEN", update("budgets", budget.where(), amount_cents=1))
    run(engine, *KINDS["budget_changes"].entered(), *PRIME.entered(), *KINDS["prime_changes"].entered())

    # Mark-up is revenue, not estimate.
    estimate = "SELECT original_cents, changes_cents, owner_changes_cents, current_cents FROM v_estimates"
    assert rows(engine, estimate) == [(12_000, 10_000, 10_000, 32_000)]


def test_debits_equal_credits_after_a_life_of_documents(engine: sa.Engine) -> None:
    change = {"prime_change": "001", "prime_line": 1}
    run(
        engine,
        *(*GOLDEN, *bill("4", 100, 10, line={"tax_cents": 7}, sequence=4, tax_cents=7), *bill("5", 900, 90)),
        AP.turned("void", {"invoice": "5"}),
        *(*check("004513", ("1", 11_898_000)), PAYMENT.turned("void", {"payment": "004513"}, voided_on="2026-07-30")),
        *PAYMENT.entered({"amount_cents": 9_900_000}, {"invoice": "1", "amount_cents": 9_900_000, "discount_cents": 100_000}),
        *(*check("PRE", ("NOT-IN-AP", 5_000)), *PAYMENT.built({"payment": "BATCH"})),
        *(*COST.entered(), *COST.entered({"trans": "JC-2", "source": "AP", "amount_cents": -700}, {"amount_cents": -700})),
        *COST.entered({"trans": "JC-3", "reverses": "JC-000001", "amount_cents": -10_000}, {"amount_cents": -10_000}),
        *(*PRIME.entered(), *KINDS["prime_changes"].entered(), *AR.entered(), *AR.built({"invoice": "BATCH"})),
        *AR.entered({"invoice": "OI-02", "gross_cents": 500, "released_cents": 900, "held_cents": 0, "tax_cents": 30},
                    {"gross_cents": 500, "released_cents": 900, "held_cents": 0, "tax_cents": 30} | change),
        *(*RECEIPT.entered(), RECEIPT.turned("void", voided_on="2026-08-03")),
        *RECEIPT.entered({"receipt": "R-2", "amount_cents": 8_000}, {"amount_cents": 8_000}),
    )  # fmt: skip

    unequal = "SELECT document_type, document, entry_date, sum(debit_cents), sum(credit_cents) FROM v_ledger_entries"
    unequal += " GROUP BY company, document_type, document, entry_date HAVING sum(debit_cents) <> sum(credit_cents)"
    assert rows(engine, unequal) == []
    balances = "SELECT account, sum(debit_cents) - sum(credit_cents) FROM v_ledger_entries GROUP BY account ORDER BY 1"
    assert rows(engine, balances) == [
        ("accounts payable", -(19_104_000 + 100 - 10 + 7) + 10_000_000 + 5_000 + 700),
        ("accounts receivable", 9_000 + 500 + 900 + 30 - 8_000),
        ("cash", 8_000 - 9_900_000 - 5_000),
        ("contract revenue", -10_500),
        ("discounts", -100_000),
        ("job cost", 19_104_000 + 100 - 700),
        ("payroll", 0),
        ("retainage payable", -10),
        ("retainage receivable", 100),
        ("tax", 7 - 30),
    ]
    # T-25: job cost is the cost accounts.
    assert rows(engine, "SELECT sum(cost_cents) FROM v_job_cost") == [(19_104_000 + 100 - 700,)]
    assert rows(engine, "SELECT changes_cents, current_cents, billed_cents, received_cents FROM v_prime_contracts") == [
        (11_000, 111_000, 10_500, 8_000)
    ]
