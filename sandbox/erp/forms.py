"""What one row looks like: lengths, choices, ranges and dates of its columns, as data, and the rules made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.erp.rule import Rule
from sandbox.erp.tables import BUSINESS, METADATA, business_columns

MAX_CENTS = 99_999_999_999
MAX_E4 = 9_999_999_999_999


@dataclass(frozen=True, slots=True)
class Limit:
    """Longest text of a column, in characters; the column is also refused when empty or padded with blanks."""

    table: str
    column: str
    length: int


_LENGTHS: dict[str, dict[str, int]] = {
    "companies": {"company": 10, "name": 60, "vendor_group": 10, "cost_group": 10},
    "vendors": {
        "vendor_group": 10,
        "vendor": 12,
        "name": 30,
        "tax_id": 20,
        "terms": 20,
        "hold_reason": 60,
        "address": 60,
        "city": 30,
        "state": 4,
        "zip": 12,
    },
    "customers": {"customer": 12, "name": 30, "address": 60, "city": 30, "state": 4, "zip": 12},
    "employees": {"employee": 12, "first_name": 40, "last_name": 40, "email": 80, "job_title": 60},
    "jobs": {"job": 10, "name": 60},
    "sub_jobs": {"sub_job": 10, "name": 60},
    "cost_types": {"cost_group": 10, "cost_type": 4, "name": 30},
    "standard_codes": {"cost_group": 10, "code": 12, "name": 60},
    "job_codes": {"code": 12, "name": 60},
    "units": {"unit": 6, "name": 30},
    "commitments": {"number": 12, "title": 30, "marker": 120},
    "commitment_lines": {"description": 60},
    "vendor_insurances": {"policy": 30, "insurance_type": 40, "provider": 60, "limit_text": 30},
    "tax_codes": {"cost_group": 10, "tax_code": 12, "description": 60},
    "budgets": {"marker": 120},
    "budget_lines": {"description": 60},
    "budget_changes": {"number": 5, "title": 60, "marker": 120},
    "budget_change_lines": {"description": 60},
    "change_orders": {"number": 5, "title": 30, "marker": 120},
    "change_order_lines": {"description": 60},
    "ap_invoices": {"invoice": 15, "marker": 120},
    "ap_invoice_lines": {"description": 60},
    "payments": {"payment": 15},
    "payment_lines": {"invoice": 15},
    "job_costs": {"trans": 12, "invoice": 15, "description": 60},
    "job_cost_lines": {"description": 60},
    "prime_contracts": {"number": 12, "title": 30},
    "prime_contract_lines": {"description": 60},
    "prime_changes": {"number": 5, "title": 60, "marker": 120},
    "prime_change_lines": {"description": 60},
    "ar_invoices": {"invoice": 15, "marker": 120},
    "ar_invoice_lines": {"description": 60},
    "receipts": {"receipt": 15},
}
LIMITS: tuple[Limit, ...] = tuple(Limit(t, c, n) for t, columns in _LENGTHS.items() for c, n in columns.items())

_CONTRACT = ("entering", "open", "closed", "void")
_CHANGE = ("entering", "posted", "void")
_INVOICE = ("entering", "unposted", "posted", "void")
_BATCHED = ("unposted", "posted", "void")
_METHODS = ("check", "electronic", "credit_card")
CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("vendors", "hold"): ("none", "payment", "all"),
    ("jobs", "status"): ("open", "soft_closed", "closed"),
    ("cost_types", "category"): ("labor", "material", "subcontract", "equipment", "other"),
    ("periods", "module"): ("AP", "AR", "JC", "GL"),
    ("periods", "status"): ("open", "soft_closed", "closed", "future"),
    ("commitments", "kind"): ("subcontract", "purchase_order"),
    ("commitments", "status"): _CONTRACT,
    ("commitment_lines", "extended_type"): ("manual", "calculated"),
    ("settings", "name"): ("ap_ceiling",),
    ("settings", "value"): ("on", "off"),
    ("budgets", "status"): ("entering", "open"),
    ("budget_changes", "status"): ("entering", "posted"),
    ("change_orders", "status"): _CHANGE,
    ("change_order_lines", "extended_type"): ("manual", "calculated"),
    ("ap_invoices", "status"): _INVOICE,
    ("payments", "method"): _METHODS,
    ("payments", "status"): _BATCHED,
    ("job_costs", "source"): ("AP", "PR", "EQ", "JC"),
    ("job_costs", "status"): _BATCHED,
    ("prime_contracts", "status"): _CONTRACT,
    ("prime_changes", "status"): _CHANGE,
    ("ar_invoices", "status"): _INVOICE,
    ("receipts", "method"): _METHODS,
    ("receipts", "status"): _BATCHED,
}

_FROM_ZERO = {
    "commitments": "a contract sum is 0 or more and has at most 9 digits before the point",
    "prime_contracts": "a contract sum is 0 or more and has at most 9 digits before the point",
    "payments": "a payment is 0 or more and has at most 9 digits before the point",
    "receipts": "a receipt is 0 or more and has at most 9 digits before the point",
}


def _ranges() -> Iterator[tuple[tuple[str, str], tuple[str, int, int, str]]]:
    """Every figure of every table by the end of its name: the ledger stores 9 digits before the point."""
    signed = (-MAX_CENTS, MAX_CENTS)
    for table in BUSINESS:
        lines = table.endswith("_lines")
        for column in business_columns(table):
            where = (table, column)
            if column == "amount_cents" and table in _FROM_ZERO:
                yield where, ("DIGITS", 0, MAX_CENTS, _FROM_ZERO[table])
            elif column == "discount_cents":
                yield where, ("DIGITS", 0, MAX_CENTS, "a discount is 0 or more and has at most 9 digits before the point")
            elif column == "amount_cents" and lines:
                yield where, ("DIGITS", *signed, "a line amount has at most 9 digits before the point")
            elif column.endswith("_cents"):
                yield where, ("DIGITS", *signed, f"{table}.{column} has at most 9 digits before the point")
            elif column == "quantity_e4":
                yield where, ("DIGITS", -MAX_E4, MAX_E4, "a quantity has at most 9 digits before the point")
            elif column == "unit_cost_e4":
                yield where, ("DIGITS", -MAX_E4, MAX_E4, "a unit cost has at most 9 digits before the point")
            elif column == "retainage_e4":
                yield where, ("RETAINAGE", 0, 1_000_000, "retainage is a percentage from 0 to 100")
            elif column == "rate_e4":
                yield where, ("RATE", 0, 1_000_000, "a tax rate is a percentage from 0 to 100")
            elif column == "line_no":
                yield where, ("LINE_NO", 1, 99_999, "a line number is between 1 and 99999")
            elif column == "sequence":
                yield where, ("SEQUENCE", 1, 9_999, "the invoices of a contract are counted from 1 to 9999")


RANGES: dict[tuple[str, str], tuple[str, int, int, str]] = dict(_ranges())

DATES = (
    *(("jobs", c) for c in ("start_date", "completion_date")),
    *(("periods", c) for c in ("first_day", "last_day")),
    *(("vendor_insurances", c) for c in ("effective_date", "expiration_date")),
    *((t, "contract_date") for t in ("commitments", "prime_contracts")),
    *((t, "change_date") for t in ("budget_changes", "change_orders", "prime_changes")),
    *((t, c) for t in ("ap_invoices", "ar_invoices") for c in ("invoice_date", "posting_date")),
    *(("job_costs", c) for c in ("trans_date", "posting_date")),
    *(("payments", c) for c in ("pay_date", "voided_on")),
    *(("receipts", c) for c in ("receipt_date", "voided_on")),
)
FLAGS = ("active", "is_header", "pay_hold")


def form_rules() -> Iterator[Rule]:
    for limit in LIMITS:
        yield from _limit_rules(limit)
    for where, values in CHOICES.items():
        yield _choice_rule(where, values)
    for table in BUSINESS:
        for column in FLAGS:
            if column in METADATA.tables[table].columns:
                sentence = f"{table}.{column} is 0 or 1"
                yield Rule("CHOICE", table, (column,), f"NEW.{column} NOT IN (0, 1)", sentence, local=True)
    for where, spec in RANGES.items():
        yield _range_rule(where, *spec)
    for table, column in DATES:
        when = f"NEW.{column} IS NOT NULL AND NOT IS_DATE(NEW.{column})"
        yield Rule("DATE", table, (column,), when, f"{table}.{column} is a date YYYY-MM-DD")


def _limit_rules(limit: Limit) -> tuple[Rule, ...]:
    where, value = f"{limit.table}.{limit.column}", f"NEW.{limit.column}"
    too_long = f"{where} has at most {limit.length} characters"
    blank = f"{where} is not empty and has no blanks around it"
    return (
        Rule("LENGTH", limit.table, (limit.column,), f"length({value}) > {limit.length}", too_long, local=True),
        Rule("BLANK", limit.table, (limit.column,), f"{value} = '' OR {value} <> trim({value})", blank, local=True),
    )


def _choice_rule(where: tuple[str, str], values: tuple[str, ...]) -> Rule:
    table, column = where
    quoted = ", ".join(f"'{v}'" for v in values)
    sentence = f"{table}.{column} is one of {', '.join(values)}"
    return Rule("CHOICE", table, (column,), f"NEW.{column} NOT IN ({quoted})", sentence, local=True)


def _range_rule(where: tuple[str, str], code: str, low: int, high: int, sentence: str) -> Rule:
    return Rule(code, where[0], (where[1],), f"NEW.{where[1]} < {low} OR NEW.{where[1]} > {high}", sentence, local=True)
