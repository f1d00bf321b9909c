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


def _text(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, server_default=default)


def _int(name: str, *, null: bool = False, default: int | None = None) -> sa.Column[int]:
    return sa.Column(
        name, INT, nullable=null, server_default=None if default is None else sa.text(str(default)), autoincrement=False
    )


def _key(name: str, *, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True, nullable=False, server_default=default)


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
    *(_key("company"), _key("number"), sa.Column("line_no", INT, primary_key=True, nullable=False, autoincrement=False)),
    *(_text("job"), _text("sub_job", default=""), _text("code"), _text("cost_type"), _text("description", null=True)),
    *(_int("amount_cents"), _int("quantity_e4", null=True), _int("unit_cost_e4", null=True), _text("unit", null=True)),
    _text("extended_type", default="manual"),
)
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
}
for _name, (_of, _columns) in INDEXES.items():
    sa.Index(_name, *(METADATA.tables[_of].c[c] for c in _columns))
sa.Index("commitments_marker", METADATA.tables["commitments"].c.marker, unique=True)
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
sa.Table("sandbox_bulk", METADATA, sa.Column("id", INT, primary_key=True, autoincrement=False), _int("lifted", default=0))

REFERENCES: tuple[Reference, ...] = (
    Reference(
        *("VENDOR_UNKNOWN", "vendors", ("vendor_group", "merged_into"), "vendors", ("vendor_group", "vendor")),
        "merged_into names no vendor of the vendor group",
    ),
    Reference("COMPANY_UNKNOWN", "customers", ("company",), "companies", ("company",), "the customer's company does not exist"),
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
    Reference(
        *("CODE_UNKNOWN", "commitment_lines", ("company", "job", "sub_job", "code"), "job_codes"),
        *(("company", "job", "sub_job", "code"), "the line's cost code does not exist on the job"),
    ),
    Reference(
        *("TYPE_UNASSIGNED", "commitment_lines", ("company", "job", "sub_job", "code", "cost_type"), "job_code_types"),
        *(("company", "job", "sub_job", "code", "cost_type"), "the line's cost type is not assigned to its cost code on the job"),
    ),
    Reference("UNIT_UNKNOWN", "commitment_lines", ("unit",), "units", ("unit",), "the line's unit of measure does not exist"),
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
