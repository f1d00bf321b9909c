"""What an action of the clerk is made of, and the fields and look-ups that many share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "flag", "seconds", "list", "money", "percent", "allocations"]
SCALE = {"money": 2, "percent": 4}
"""Kinds given as a decimal number and bound as a whole one: cents, and percent x 10,000."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an action. ``also``: other names that people use. ``choices``: shown in the help; the database checks them.

    ``allocations``: one or many invoices, each its number or ``{"invoice", "amount"?, "discount"?}``; the parameter ``invoice``
    is the first one.
    """

    name: str
    required: bool = False
    default: Any = None
    also: tuple[str, ...] = ()
    kind: Kind = "text"
    choices: str = ""

    def __str__(self) -> str:
        text = self.name + (f": {self.choices}" if self.choices else "")
        return text if self.required else f"[{text}]"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Completes ``field``, unless it was given, by a query that must yield exactly one value (or, with ``optional``, none)."""

    field: str
    sql: str
    none: str = ""
    many: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Do:
    """One statement. ``table``: for the reply's count; ``none``: said when no row was hit; ``each``: once per value of a list;
    ``entity``: only where the field ``entity`` says so."""

    table: str
    sql: str
    none: str = ""
    each: str = ""
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    fields: tuple[Field, ...]
    lookups: tuple[Lookup, ...] = ()
    do: tuple[Do, ...] = ()


COMPANY = Field("company", also=("erp_company", "co"))
GROUP = (Field("vendor_group", also=("group",)), COMPANY)
VENDOR = Field("vendor", required=True, also=("code", "key", "vendor_code"))
JOB = Field("job", required=True, also=("project", "key", "number", "project_number"))
SUB_JOB = Field("sub_job", default="")
CODE = Field("code", required=True, also=("cost_code", "key", "number"))
NUMBER = Field("number", required=True, also=("commitment", "key", "code"))
NAME = Field("name", required=True, also=("new_name",))
ADDRESS = (Field("address"), Field("city"), Field("state", also=("state_code",)), Field("zip"))
DATES = (Field("start_date"), Field("completion_date"))

THE_GROUP = Lookup(
    "vendor_group",
    "SELECT DISTINCT vendor_group FROM companies WHERE CAST(:company AS TEXT) IS NULL OR :company IN (company, vendor_group)",
    "there is no company {company}",
    "there are {n} vendor groups: give company or vendor_group",
)


def group_of(vendor: str) -> Lookup:
    """The group of the vendor whose number is in the field ``vendor``, where one group has it."""
    return Lookup(
        "vendor_group",
        f"SELECT vendor_group FROM vendors WHERE vendor = :{vendor}"
        " AND (CAST(:company AS TEXT) IS NULL OR vendor_group = :company"
        " OR vendor_group IN (SELECT c.vendor_group FROM companies c WHERE c.company = :company))",
        f"there is no vendor {{{vendor}}}",
        f"vendor {{{vendor}}} is in {{n}} vendor groups: give company or vendor_group",
    )


JOBS_COMPANY = Lookup(
    "company", "SELECT company FROM jobs WHERE job = :job", "there is no job {job}", "job {job} is in {n} companies: give company"
)
NUMBERS_COMPANY = Lookup(
    *("company", "SELECT company FROM commitments WHERE number = :number"),
    *("there is no commitment {number}", "commitment {number} is in {n} companies: give company"),
)
THE_COMPANY = Lookup("company", "SELECT company FROM companies", "there is no company", "there are {n} companies: give company")


def next_number(column: str, prefix: str, scope: str, table: str = "", digits: int = 0) -> Lookup:
    """The next free number after the highest one of the form ``V-1042`` (with ``digits``, of so many: ``JC-000123``)."""
    tail = f"substr({column}, {len(prefix) + 1})"
    shaped = f"{column} LIKE '{prefix}%' AND length({column}) > {len(prefix)} AND trim({tail}, '0123456789') = ''"
    following = f"coalesce(max(CAST({tail} AS BIGINT)), {0 if digits else 1000}) + 1"
    text = f"CAST({following} AS TEXT)"
    if digits:
        text = f"CASE WHEN length({text}) < {digits} THEN substr(CAST({10**digits} + {following} AS TEXT), 2) ELSE {text} END"
    return Lookup(column, f"SELECT '{prefix}' || {text} FROM {table or column + 's'} WHERE {scope} AND {shaped}")


def open_day(module: str) -> Lookup:
    """Today or, where its period is not open, the last open day before it."""
    return Lookup(
        "date",
        "SELECT coalesce(max(CASE WHEN :today < last_day THEN :today ELSE last_day END), :today) FROM periods"
        f" WHERE company = :company AND module = '{module}' AND status = 'open' AND first_day <= :today",
    )


def set_columns(table: str, columns: str, where: str, none: str, **fixed: str) -> Do:
    """An UPDATE of ``columns`` from the fields of the same names (or from ``fixed`` SQL) on the row found by ``where``."""
    assignments = ", ".join([*(f"{c} = :{c}" for c in columns.split()), *(f"{c} = {sql}" for c, sql in fixed.items())])
    return Do(table, f"UPDATE {table} SET {assignments} WHERE " + " AND ".join(f"{c} = :{c}" for c in where.split()), none)


def insert_row(table: str, columns: str) -> Do:
    names = columns.split()
    return Do(table, f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{c}' for c in names)})")


NO_VENDOR = "there is no vendor {vendor} in group {vendor_group}"
NO_JOB = "there is no job {job} in company {company}"
NO_CODE = "there is no code {code} on job {job}"
NO_NUMBER = "there is no commitment {number} in company {company}"
ON_JOB = "company job sub_job code"
