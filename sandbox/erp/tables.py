"""The ledger's tables: names, keys and columns, the same on SQLite and PostgreSQL.

Money is in whole minor units (``*_cents``); quantities, unit costs and percents are multiplied by 10,000 (``*_e4``: 1.7850 is
17850, 10 % is 100000). Dates are text ``YYYY-MM-DD``, times text ``YYYY-MM-DDTHH:MM:SS.mmmZ`` in UTC, flags 0 or 1. Every
business table ends in ``created_at``, ``updated_at`` and ``row_version``, which the database itself keeps (see ``render.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()
STAMPS = ("created_at", "updated_at", "row_version")
INT = sa.BigInteger().with_variant(sa.Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class Reference:
    """``child.columns`` must name an existing row of ``parent`` (a NULL among them names nothing and passes)."""

    code: str
    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    sentence: str


def _text(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=null, server_default=default)


def _int(name: str, *, null: bool = False, default: int | None = None) -> sa.Column[Any]:
    return sa.Column(
        name, INT, nullable=null, server_default=None if default is None else sa.text(str(default)), autoincrement=False
    )


def _key(name: str, *, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, primary_key=True, nullable=False, server_default=default)


def _line_no() -> sa.Column[Any]:
    return sa.Column("line_no", INT, primary_key=True, nullable=False, autoincrement=False)


def _cost_key() -> tuple[sa.Column[Any], ...]:
    return _text("job"), _text("sub_job", default=""), _text("code"), _text("cost_type")


def _cents(*names: str) -> tuple[sa.Column[Any], ...]:
    """The figures of an invoice: gross has to be said, the others are 0 where nothing is."""
    return tuple(_int(f"{n}_cents", default=None if n == "gross" else 0) for n in names)


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    """A business table: its columns and the three stamps, which are NULL only between an INSERT and its trigger."""
    return sa.Table(
        name, METADATA, *columns, _text("created_at", null=True), _text("updated_at", null=True), _int("row_version", default=1)
    )


_table("companies", _key("company"), _text("name"), _text("currency", default="USD"), _text("vendor_group"), _text("cost_group"))
_table(
    "vendors",
    *(_key("vendor_group"), _key("vendor"), _text("name"), _text("tax_id", null=True), _text("terms", null=True)),
    *(_int("active", default=1), _text("hold", default="none"), _text("hold_reason", null=True)),
    *(_text("address", null=True), _text("city", null=True), _text("state", null=True), _text("zip", null=True)),
    _text("merged_into", null=True),
)
_table(
    "customers",
    *(_key("company"), _key("customer"), _text("name"), _int("active", default=1)),
    *(_text("address", null=True), _text("city", null=True), _text("state", null=True), _text("zip", null=True)),
)
_table(
    "employees",
    *(_key("company"), _key("employee"), _text("first_name", null=True), _text("last_name"), _text("email", null=True)),
    *(_text("job_title", null=True), _int("active", default=1)),
)
_table(
    "jobs",
    *(_key("company"), _key("job"), _text("name"), _text("customer", null=True), _text("status", default="open")),
    *(_text("start_date", null=True), _text("completion_date", null=True)),
)
_table("sub_jobs", _key("company"), _key("job"), _key("sub_job"), _text("name"))
_table("cost_types", _key("cost_group"), _key("cost_type"), _text("name"), _text("category"), _int("active", default=1))
_table(
    "standard_codes",
    *(_key("cost_group"), _key("code"), _text("name"), _text("parent", null=True)),
    *(_int("is_header", default=0), _int("active", default=1)),
)
_table(
    "job_codes",
    *(_key("company"), _key("job"), _key("sub_job", default=""), _key("code"), _text("name"), _text("parent", null=True)),
    *(_int("is_header", default=0), _int("active", default=1)),
)
_table(
    "job_code_types",
    *(_key("company"), _key("job"), _key("sub_job", default=""), _key("code"), _key("cost_type"), _int("active", default=1)),
)
_table("units", _key("unit"), _text("name"))
_table(
    "periods",
    *(_key("company"), _key("module"), _key("period"), _text("first_day"), _text("last_day"), _text("status", default="open")),
)
_table(
    "commitments",
    *(_key("company"), _key("number"), _text("kind"), _text("job"), _text("vendor_group"), _text("vendor"), _text("title")),
    *(_text("status", default="entering"), _text("currency"), _int("retainage_e4", default=0), _text("contract_date", null=True)),
    *(_int("amount_cents"), _text("marker", null=True)),
)
_table(
    "commitment_lines",
    *(_key("company"), _key("number"), _line_no(), *_cost_key(), _text("description", null=True)),
    *(_int("amount_cents"), _int("quantity_e4", null=True), _int("unit_cost_e4", null=True), _text("unit", null=True)),
    *(_text("extended_type", default="manual"), _text("tax_code", null=True)),
)
_table("settings", _key("company"), _key("name"), _text("value"))
_table(
    "vendor_insurances",
    *(_key("vendor_group"), _key("vendor"), _key("policy"), _text("insurance_type"), _text("provider", null=True)),
    *(_text("limit_text", null=True), _text("effective_date", null=True), _text("expiration_date", null=True)),
)
_table(
    "tax_codes", _key("cost_group"), _key("tax_code"), _text("description"), _int("rate_e4", default=0), _int("active", default=1)
)
# A budget with a marker came from outside and is frozen; one without is the ledger's own estimate.
_table(
    "budgets",
    *(_key("company"), _key("job"), _text("status", default="entering"), _int("amount_cents"), _text("marker", null=True)),
)
_table(
    "budget_lines",
    *(_key("company"), _key("job"), _line_no(), _text("sub_job", default=""), _text("code"), _text("cost_type")),
    *(_text("description", null=True), _int("amount_cents"), _int("quantity_e4", null=True), _int("unit_cost_e4", null=True)),
    _text("unit", null=True),
)
_table(
    "budget_changes",
    *(_key("company"), _key("job"), _key("number"), _text("title"), _text("status", default="entering")),
    *(_text("change_date", null=True), _int("amount_cents"), _text("marker", null=True)),
)
_table(
    "budget_change_lines",
    *(_key("company"), _key("job"), _key("number"), _line_no(), _int("adjustment", null=True)),
    *(_text("sub_job", default=""), _text("code"), _text("cost_type"), _text("description", null=True), _int("amount_cents")),
)
_table(
    "change_orders",
    *(_key("company"), _key("commitment"), _key("number"), _text("title"), _text("status", default="entering")),
    *(_text("change_date", null=True), _text("currency"), _int("amount_cents"), _text("marker", null=True)),
)
_table(
    "change_order_lines",
    *(_key("company"), _key("commitment"), _key("number"), _line_no(), _int("commitment_line", null=True), *_cost_key()),
    *(_text("description", null=True), _int("amount_cents"), _int("quantity_e4", null=True), _int("unit_cost_e4", null=True)),
    *(_text("unit", null=True), _text("extended_type", default="manual"), _text("tax_code", null=True)),
)
_table(
    "ap_invoices",
    *(_key("company"), _key("vendor"), _key("invoice"), _text("vendor_group"), _text("commitment"), _text("job")),
    *(_int("sequence"), _text("invoice_date"), _text("posting_date"), _text("status", default="entering"), _text("currency")),
    *(*_cents("gross", "held", "released", "tax"), _int("pay_hold", default=0), _text("marker", null=True)),
)
_table(
    "ap_invoice_lines",
    *(_key("company"), _key("vendor"), _key("invoice"), _line_no(), _text("change_order", default=""), _int("commitment_line")),
    *(*_cost_key(), _text("description", null=True), *_cents("gross", "held", "released", "tax")),
)
_table(
    "payments",
    *(_key("company"), _key("payment"), _text("vendor_group"), _text("vendor"), _text("method", default="check")),
    *(_text("pay_date"), _text("status", default="unposted"), _int("amount_cents"), _text("voided_on", null=True)),
)
_table(
    "payment_lines",
    *(_key("company"), _key("payment"), _line_no(), _text("vendor"), _text("invoice"), _text("commitment", null=True)),
    *(_int("amount_cents"), _int("discount_cents", default=0)),
)
_table(
    "job_costs",
    *(
        _key("company"),
        _key("trans"),
        _text("job"),
        _text("source"),
        _text("vendor_group", null=True),
        _text("vendor", null=True),
    ),
    *(_text("invoice", null=True), _text("description"), _text("trans_date"), _text("posting_date")),
    *(_text("status", default="unposted"), _text("currency", null=True), _int("amount_cents")),
    *(_text("commitment", null=True), _text("reverses", null=True)),
)
_table(
    "job_cost_lines",
    *(_key("company"), _key("trans"), _line_no(), *_cost_key(), _text("description", null=True), _int("amount_cents")),
    *(_int("quantity_e4", null=True), _int("unit_cost_e4", null=True), _text("unit", null=True)),
)
_table(
    "prime_contracts",
    *(_key("company"), _key("number"), _text("job"), _text("customer"), _text("title"), _text("status", default="entering")),
    *(_text("currency"), _int("retainage_e4", default=0), _text("contract_date", null=True), _int("amount_cents")),
)
_table(
    "prime_contract_lines",
    *(_key("company"), _key("number"), _line_no(), *_cost_key(), _text("description", null=True), _int("amount_cents")),
)
_table(
    "prime_changes",
    *(_key("company"), _key("prime_contract"), _key("number"), _text("title"), _text("status", default="entering")),
    *(_text("change_date", null=True), _text("currency"), _int("amount_cents"), _int("markup_cents", default=0)),
    _text("marker", null=True),
)
_table(
    "prime_change_lines",
    *(_key("company"), _key("prime_contract"), _key("number"), _line_no(), _int("prime_line", null=True), *_cost_key()),
    *(_text("description", null=True), _int("amount_cents")),
)
_table(
    "ar_invoices",
    *(_key("company"), _key("invoice"), _text("prime_contract"), _text("customer"), _text("job"), _int("sequence")),
    *(_text("invoice_date"), _text("posting_date"), _text("status", default="entering"), _text("currency")),
    *(*_cents("gross", "held", "released", "tax"), _text("marker", null=True)),
)
_table(
    "ar_invoice_lines",
    *(_key("company"), _key("invoice"), _line_no(), _text("prime_change", default=""), _int("prime_line"), *_cost_key()),
    *(_text("description", null=True), *_cents("gross", "held", "released", "tax")),
)
_table(
    "receipts",
    *(_key("company"), _key("receipt"), _text("customer"), _text("method", default="check"), _text("receipt_date")),
    *(_text("status", default="unposted"), _int("amount_cents"), _text("voided_on", null=True)),
)
_table("receipt_lines", _key("company"), _key("receipt"), _line_no(), _text("invoice"), _int("amount_cents"))
BUSINESS: tuple[str, ...] = tuple(METADATA.tables)
"""The business tables, parents before children: the order to load them in."""

INDEXES: dict[str, tuple[str, tuple[str, ...]]] = {
    # The narrowest column first: a second index that starts like the key tempts PostgreSQL away from the key in fresh tables.
    "vendors_merged": ("vendors", ("merged_into", "vendor_group")),
    "jobs_customer": ("jobs", ("customer", "company")),
    "standard_codes_parent": ("standard_codes", ("parent", "cost_group")),
    "job_codes_parent": ("job_codes", ("parent", "job", "company", "sub_job")),
    "commitments_vendor": ("commitments", ("vendor", "vendor_group")),
    "commitments_job": ("commitments", ("job", "company")),
    "commitment_lines_code": ("commitment_lines", ("code", "job", "cost_type", "company", "sub_job")),
    "commitment_lines_unit": ("commitment_lines", ("unit",)),
    **{
        f"{t}_code": (t, ("code", "job", "cost_type", "company", "sub_job"))
        for t in (
            *("budget_change_lines", "change_order_lines", "ap_invoice_lines", "job_cost_lines"),
            *("prime_contract_lines", "prime_change_lines", "ar_invoice_lines"),
        )
    },
    **{f"{t}_job": (t, ("job", "company")) for t in ("ap_invoices", "job_costs", "prime_contracts", "ar_invoices")},
    **{f"{t}_customer": (t, ("customer", "company")) for t in ("prime_contracts", "ar_invoices", "receipts")},
    "ap_invoices_vendor": ("ap_invoices", ("vendor", "invoice", "vendor_group")),
    "ap_invoices_commitment": ("ap_invoices", ("commitment", "company")),
    "payments_vendor": ("payments", ("vendor", "vendor_group")),
    "payment_lines_commitment": ("payment_lines", ("commitment", "company")),
    "job_costs_invoice": ("job_costs", ("invoice", "vendor", "company")),
    "job_costs_commitment": ("job_costs", ("commitment", "company")),
    "job_costs_reverses": ("job_costs", ("reverses", "company")),
    "ar_invoices_contract": ("ar_invoices", ("prime_contract", "company")),
}
UNIQUE: dict[str, tuple[str, tuple[str, ...]]] = {
    **{
        f"{t}_marker": (t, ("marker",))
        for t in ("commitments", "budgets", "budget_changes", "change_orders", "ap_invoices", "prime_changes", "ar_invoices")
    },
    "budget_lines_code": ("budget_lines", ("code", "job", "cost_type", "company", "sub_job")),
    "payment_lines_invoice": ("payment_lines", ("invoice", "vendor", "company", "payment")),
    "receipt_lines_invoice": ("receipt_lines", ("invoice", "company", "receipt")),
}
for _name, (_of, _columns) in INDEXES.items():
    sa.Index(_name, *(METADATA.tables[_of].c[c] for c in _columns))
for _name, (_of, _columns) in UNIQUE.items():
    sa.Index(_name, *(METADATA.tables[_of].c[c] for c in _columns), unique=True)
for _name in BUSINESS:
    sa.Index(f"{_name}_changed", METADATA.tables[_name].c.updated_at)

sa.Table(
    "audit_log",
    METADATA,
    sa.Column("id", INT, sa.Identity(), primary_key=True, autoincrement=True),
    *(_text("at"), _text("table_name"), _text("row_key"), _text("action"), _int("row_version")),
    sqlite_autoincrement=True,
)
sa.Table("sandbox_clock", METADATA, sa.Column("id", INT, primary_key=True, autoincrement=False), _int("offset_us", default=0))
sa.Table("sandbox_numbers", METADATA, sa.Column("id", INT, primary_key=True, autoincrement=False), _int("last", default=0))
sa.Table("sandbox_bulk", METADATA, sa.Column("id", INT, primary_key=True, autoincrement=False), _int("lifted", default=0))

_CODE = ("company", "job", "sub_job", "code")
_COMPANY = (("company",), "companies", ("company",))
_JOB = (("company", "job"), "jobs", ("company", "job"))
_VENDOR = (("vendor_group", "vendor"), "vendors", ("vendor_group", "vendor"))
_CUSTOMER = (("company", "customer"), "customers", ("company", "customer"))
_COMMITMENT = (("company", "commitment"), "commitments", ("company", "number"))
_PRIME = (("company", "prime_contract"), "prime_contracts", ("company", "number"))


def _belongs(lines: str, header: str) -> Reference:
    """A line carries its header's key under the same names."""
    key = tuple(c.name for c in METADATA.tables[header].primary_key.columns)
    return Reference("DOCUMENT_UNKNOWN", lines, key, header, key, "the line belongs to no document")


def _coded(lines: str) -> tuple[Reference, ...]:
    code = Reference("CODE_UNKNOWN", lines, _CODE, "job_codes", _CODE, "the line's cost code does not exist on the job")
    columns = (*_CODE, "cost_type")
    sentence = "the line's cost type is not assigned to its cost code on the job"
    return code, Reference("TYPE_UNASSIGNED", lines, columns, "job_code_types", columns, sentence)


def _unit(lines: str) -> Reference:
    return Reference("UNIT_UNKNOWN", lines, ("unit",), "units", ("unit",), "the line's unit of measure does not exist")


REFERENCES: tuple[Reference, ...] = (
    Reference(
        *("VENDOR_UNKNOWN", "vendors", ("vendor_group", "merged_into"), "vendors", ("vendor_group", "vendor")),
        "merged_into names no vendor of the vendor group",
    ),
    Reference("COMPANY_UNKNOWN", "customers", ("company",), "companies", ("company",), "the customer's company does not exist"),
    Reference("COMPANY_UNKNOWN", "employees", ("company",), "companies", ("company",), "the employee's company does not exist"),
    Reference("COMPANY_UNKNOWN", "jobs", ("company",), "companies", ("company",), "the job's company does not exist"),
    Reference("COMPANY_UNKNOWN", "periods", ("company",), "companies", ("company",), "the period's company does not exist"),
    Reference(
        *("CUSTOMER_UNKNOWN", "jobs", ("company", "customer"), "customers", ("company", "customer")),
        "the job's customer does not exist in its company",
    ),
    Reference("JOB_UNKNOWN", "sub_jobs", ("company", "job"), "jobs", ("company", "job"), "the job does not exist in the company"),
    Reference(
        "JOB_UNKNOWN", "job_codes", ("company", "job"), "jobs", ("company", "job"), "the job does not exist in the company"
    ),
    Reference(
        *("CODE_UNKNOWN", "standard_codes", ("cost_group", "parent"), "standard_codes", ("cost_group", "code")),
        "the parent code does not exist in the cost group",
    ),
    Reference(
        *(
            "CODE_UNKNOWN",
            "job_codes",
            ("company", "job", "sub_job", "parent"),
            "job_codes",
            ("company", "job", "sub_job", "code"),
        ),
        "the parent code does not exist on the job",
    ),
    Reference(
        *(
            "CODE_UNKNOWN",
            "job_code_types",
            ("company", "job", "sub_job", "code"),
            "job_codes",
            ("company", "job", "sub_job", "code"),
        ),
        "the cost code does not exist on the job",
    ),
    Reference(
        "COMPANY_UNKNOWN", "commitments", ("company",), "companies", ("company",), "the commitment's company does not exist"
    ),
    Reference(
        *("JOB_UNKNOWN", "commitments", ("company", "job"), "jobs", ("company", "job")),
        "the commitment's job does not exist in its company",
    ),
    Reference(
        *("VENDOR_UNKNOWN", "commitments", ("vendor_group", "vendor"), "vendors", ("vendor_group", "vendor")),
        "the commitment's vendor does not exist in the vendor group",
    ),
    Reference(
        *("COMMITMENT_UNKNOWN", "commitment_lines", ("company", "number"), "commitments", ("company", "number")),
        "the line belongs to no commitment",
    ),
    *(*_coded("commitment_lines"), _unit("commitment_lines")),
    Reference("COMPANY_UNKNOWN", "settings", *_COMPANY, "the setting's company does not exist"),
    Reference("VENDOR_UNKNOWN", "vendor_insurances", *_VENDOR, "the policy's vendor does not exist in the vendor group"),
    Reference("JOB_UNKNOWN", "budgets", *_JOB, "the budget's job does not exist in the company"),
    *(_belongs("budget_lines", "budgets"), *_coded("budget_lines"), _unit("budget_lines")),
    Reference(
        *("BUDGET_UNKNOWN", "budget_changes", ("company", "job"), "budgets", ("company", "job")),
        "the budget change's job has no budget",
    ),
    *(_belongs("budget_change_lines", "budget_changes"), *_coded("budget_change_lines")),
    Reference("COMMITMENT_UNKNOWN", "change_orders", *_COMMITMENT, "the change order's commitment does not exist"),
    *(_belongs("change_order_lines", "change_orders"), *_coded("change_order_lines"), _unit("change_order_lines")),
    Reference("COMMITMENT_UNKNOWN", "ap_invoices", *_COMMITMENT, "the invoice's commitment does not exist in its company"),
    Reference("VENDOR_UNKNOWN", "ap_invoices", *_VENDOR, "the invoice's vendor does not exist in the vendor group"),
    Reference("JOB_UNKNOWN", "ap_invoices", *_JOB, "the invoice's job does not exist in its company"),
    *(_belongs("ap_invoice_lines", "ap_invoices"), *_coded("ap_invoice_lines")),
    Reference("COMPANY_UNKNOWN", "payments", *_COMPANY, "the payment's company does not exist"),
    Reference("VENDOR_UNKNOWN", "payments", *_VENDOR, "the payment's vendor does not exist in the vendor group"),
    _belongs("payment_lines", "payments"),
    Reference("COMMITMENT_UNKNOWN", "payment_lines", *_COMMITMENT, "the payment names a commitment that does not exist"),
    Reference("JOB_UNKNOWN", "job_costs", *_JOB, "the job of the cost does not exist in its company"),
    Reference("VENDOR_UNKNOWN", "job_costs", *_VENDOR, "the vendor of the cost does not exist in the vendor group"),
    Reference("COMMITMENT_UNKNOWN", "job_costs", *_COMMITMENT, "the cost names a commitment that does not exist"),
    Reference(
        *("REVERSES", "job_costs", ("company", "reverses"), "job_costs", ("company", "trans")),
        "the cost reverses a transaction that does not exist",
    ),
    *(_belongs("job_cost_lines", "job_costs"), *_coded("job_cost_lines"), _unit("job_cost_lines")),
    Reference("JOB_UNKNOWN", "prime_contracts", *_JOB, "the prime contract's job does not exist in its company"),
    Reference("CUSTOMER_UNKNOWN", "prime_contracts", *_CUSTOMER, "the prime contract's customer does not exist in its company"),
    *(_belongs("prime_contract_lines", "prime_contracts"), *_coded("prime_contract_lines")),
    Reference("PRIME_UNKNOWN", "prime_changes", *_PRIME, "the change's prime contract does not exist"),
    *(_belongs("prime_change_lines", "prime_changes"), *_coded("prime_change_lines")),
    Reference("PRIME_UNKNOWN", "ar_invoices", *_PRIME, "the invoice's prime contract does not exist in its company"),
    Reference("CUSTOMER_UNKNOWN", "ar_invoices", *_CUSTOMER, "the invoice's customer does not exist in its company"),
    Reference("JOB_UNKNOWN", "ar_invoices", *_JOB, "the invoice's job does not exist in its company"),
    *(_belongs("ar_invoice_lines", "ar_invoices"), *_coded("ar_invoice_lines")),
    Reference("COMPANY_UNKNOWN", "receipts", *_COMPANY, "the receipt's company does not exist"),
    Reference("CUSTOMER_UNKNOWN", "receipts", *_CUSTOMER, "the receipt's customer does not exist in its company"),
    _belongs("receipt_lines", "receipts"),
    Reference(
        *("INVOICE_UNKNOWN", "receipt_lines", ("company", "invoice"), "ar_invoices", ("company", "invoice")),
        "the receipt names an invoice that does not exist",
    ),
)

for _ref in REFERENCES:
    METADATA.tables[_ref.child].append_constraint(
        sa.ForeignKeyConstraint(_ref.columns, [f"{_ref.parent}.{c}" for c in _ref.parent_columns])
    )


def business_columns(table: str) -> tuple[str, ...]:
    """A business table's columns without the stamps, in order."""
    return tuple(c.name for c in METADATA.tables[table].columns if c.name not in STAMPS)


def key_columns(table: str) -> tuple[str, ...]:
    """The primary key's columns, in order; their values joined by ``/`` are ``audit_log.row_key``."""
    return tuple(c.name for c in METADATA.tables[table].primary_key.columns)
