"""What a clerk does in the ERP, so that tests and rehearsals need no SQL (control call ``POST /_sandbox/clerk``).

Every action is a row of :data:`ACTIONS`: its fields, the look-ups that complete them, and SQL. The clerk holds no rule: what must
not be is refused by the database, and its message reaches the caller. One action is one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Protocol

import sqlalchemy as sa

Kind = Literal["text", "flag", "seconds", "list"]


class ClerkError(Exception):
    """The action was not carried out: it is unknown, its fields are wrong, or the database refused it. HTTP 422."""


class Clock(Protocol):
    """The part of the sandbox's clock that the clerk uses."""

    def advance(self, seconds: float) -> datetime: ...

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an action. ``also``: other names that people use. ``choices``: shown in the help; the database checks them."""

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
    """One statement. ``table``: for the reply's count; ``none``: said when no row was hit; ``each``: once per value of a list."""

    table: str
    sql: str
    none: str = ""
    each: str = ""


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


def _group_of(vendor: str) -> Lookup:
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


def _next(column: str, prefix: str, scope: str) -> Lookup:
    """The next free number after the highest one of the form ``V-1042``."""
    tail = f"substr({column}, {len(prefix) + 1})"
    shaped = f"{column} LIKE '{prefix}%' AND length({column}) > {len(prefix)} AND trim({tail}, '0123456789') = ''"
    highest = f"coalesce(max(CAST({tail} AS BIGINT)), 1000)"
    return Lookup(column, f"SELECT '{prefix}' || ({highest} + 1) FROM {column}s WHERE {scope} AND {shaped}")


def _set(table: str, columns: str, where: str, none: str, **fixed: str) -> Do:
    """An UPDATE of ``columns`` from the fields of the same names (or from ``fixed`` SQL) on the row found by ``where``."""
    assignments = ", ".join([*(f"{c} = :{c}" for c in columns.split()), *(f"{c} = {sql}" for c, sql in fixed.items())])
    return Do(table, f"UPDATE {table} SET {assignments} WHERE " + " AND ".join(f"{c} = :{c}" for c in where.split()), none)


def _insert(table: str, columns: str) -> Do:
    names = columns.split()
    return Do(table, f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{c}' for c in names)})")


NO_VENDOR = "there is no vendor {vendor} in group {vendor_group}"
NO_JOB = "there is no job {job} in company {company}"
NO_CODE = "there is no code {code} on job {job}"
NO_NUMBER = "there is no commitment {number} in company {company}"
ON_JOB = "company job sub_job code"

_PERIODS = Do(
    "periods",
    "UPDATE periods SET status = :status WHERE period = :period AND (CAST(:company AS TEXT) IS NULL OR company = :company)"
    " AND (CAST(:module AS TEXT) IS NULL OR module = :module)",
    "the calendar has no such period {period}",
)
_NEW_CODE = (
    Lookup(
        "name",
        "SELECT s.name FROM standard_codes s JOIN companies c ON c.cost_group = s.cost_group"
        " WHERE c.company = :company AND s.code = :code",
        optional=True,
    ),
    # The division's header, where the job has one.
    Lookup(
        "parent",
        "SELECT max(code) FROM job_codes WHERE company = :company AND job = :job AND sub_job = :sub_job"
        " AND is_header = 1 AND code <> :code AND substr(code, 1, 2) = substr(:code, 1, 2)",
        optional=True,
    ),
)

ACTIONS: dict[str, Action] = {
    "advance": Action((Field("seconds", required=True, kind="seconds", also=("advance", "by")),)),
    "new_vendor": Action(
        (
            *(Field("vendor", also=("code", "key", "vendor_code")), NAME, *GROUP, Field("tax_id", also=("ein",)), Field("terms")),
            *(Field("hold", default="none", choices="none|payment|all"), Field("hold_reason", also=("reason",)), *ADDRESS),
            Field("active", kind="flag", default=1),
        ),
        (THE_GROUP, _next("vendor", "V-", "vendor_group = :vendor_group")),
        (_insert("vendors", "vendor_group vendor name tax_id terms hold hold_reason active address city state zip"),),
    ),
    "rename_vendor": Action(
        (VENDOR, NAME, *GROUP), (_group_of("vendor"),), (_set("vendors", "name", "vendor_group vendor", NO_VENDOR),)
    ),
    "activate_vendor": Action(
        (VENDOR, Field("active", kind="flag", default=1), *GROUP),
        (_group_of("vendor"),),
        (_set("vendors", "active", "vendor_group vendor", NO_VENDOR),),
    ),
    "hold_vendor": Action(
        (
            *(VENDOR, Field("hold", default="all", choices="none|payment|all", also=("status",))),
            *(Field("hold_reason", also=("reason",), default="put on hold by the clerk"), *GROUP),
        ),
        (_group_of("vendor"),),
        (
            _set(
                *("vendors", "hold", "vendor_group vendor", NO_VENDOR),
                hold_reason="CASE WHEN :hold = 'none' THEN NULL ELSE :hold_reason END",
            ),
        ),
    ),
    "merge_vendors": Action(
        (
            Field("from", required=True, also=("source", "old")),
            Field("into", required=True, also=("to", "target", "new")),
            *GROUP,
        ),
        (_group_of("from"),),
        (
            Do(
                "vendors",
                "UPDATE vendors SET merged_into = :into, active = 0 WHERE vendor_group = :vendor_group AND vendor = :from",
                "there is no vendor {from} in group {vendor_group}",
            ),
        ),
    ),
    "new_customer": Action(
        (Field("customer", also=("code", "key")), NAME, COMPANY, *ADDRESS, Field("active", kind="flag", default=1)),
        (THE_COMPANY, _next("customer", "C-", "company = :company")),
        (_insert("customers", "company customer name active address city state zip"),),
    ),
    "rename_customer": Action(
        (Field("customer", required=True, also=("code", "key")), NAME, COMPANY),
        (
            Lookup(
                *("company", "SELECT company FROM customers WHERE customer = :customer"),
                *("there is no customer {customer}", "customer {customer} is in {n} companies: give company"),
            ),
        ),
        (_set("customers", "name", "company customer", "there is no customer {customer} in company {company}"),),
    ),
    "new_job": Action(
        (JOB, NAME, COMPANY, Field("customer"), *DATES, Field("status", default="open", choices="open|soft_closed|closed")),
        (THE_COMPANY,),
        (_insert("jobs", "company job name customer status start_date completion_date"),),
    ),
    "rename_job": Action((JOB, NAME, COMPANY), (JOBS_COMPANY,), (_set("jobs", "name", "company job", NO_JOB),)),
    "close_job": Action(
        (JOB, Field("status", default="closed", choices="soft_closed|closed"), COMPANY),
        (JOBS_COMPANY,),
        (_set("jobs", "status", "company job", NO_JOB),),
    ),
    "open_job": Action(
        (JOB, Field("status", default="open"), COMPANY), (JOBS_COMPANY,), (_set("jobs", "status", "company job", NO_JOB),)
    ),
    "new_sub_job": Action(
        (JOB, Field("sub_job", required=True), NAME, COMPANY), (JOBS_COMPANY,), (_insert("sub_jobs", "company job sub_job name"),)
    ),
    "new_cost_code": Action(
        (
            *(JOB, CODE, Field("name"), SUB_JOB, Field("parent"), COMPANY),
            Field("cost_types", kind="list", default=(), also=("types", "cost_type")),
        ),
        (JOBS_COMPANY, *_NEW_CODE),
        (
            Do(
                "job_codes",
                "INSERT INTO job_codes (company, job, sub_job, code, name, parent)"
                " SELECT CAST(:company AS TEXT), CAST(:job AS TEXT), CAST(:sub_job AS TEXT), CAST(:code AS TEXT),"
                " coalesce(CAST(:name AS TEXT), :code), CAST(:parent AS TEXT)"
                f" WHERE NOT EXISTS (SELECT 1 FROM job_codes WHERE {' AND '.join(f'{c} = :{c}' for c in ON_JOB.split())})",
            ),
            Do(
                "job_code_types",
                "INSERT INTO job_code_types (company, job, sub_job, code, cost_type)"
                " VALUES (:company, :job, :sub_job, :code, :cost_type)"
                " ON CONFLICT (company, job, sub_job, code, cost_type) DO UPDATE SET active = 1 WHERE job_code_types.active = 0",
                each="cost_types",
            ),
        ),
    ),
    "activate_code": Action(
        (JOB, CODE, Field("active", kind="flag", default=1), SUB_JOB, COMPANY),
        (JOBS_COMPANY,),
        (_set("job_codes", "active", ON_JOB, NO_CODE),),
    ),
    "rename_code": Action((JOB, CODE, NAME, SUB_JOB, COMPANY), (JOBS_COMPANY,), (_set("job_codes", "name", ON_JOB, NO_CODE),)),
    "open_period": Action(
        (
            Field("period", required=True, also=("month",)),
            Field("module", choices="AP|AR|JC|GL"),
            COMPANY,
            Field("status", default="open"),
        ),
        do=(_PERIODS,),
    ),
    "close_period": Action(
        (
            *(Field("period", required=True, also=("month",)), Field("module", choices="AP|AR|JC|GL"), COMPANY),
            Field("status", default="closed", choices="soft_closed|closed"),
        ),
        do=(_PERIODS,),
    ),
    "retitle_commitment": Action(
        (NUMBER, Field("title", required=True, also=("name",)), COMPANY),
        (NUMBERS_COMPANY,),
        (_set("commitments", "title", "company number", NO_NUMBER),),
    ),
    **{
        f"{verb}_commitment": Action(
            (NUMBER, COMPANY), (NUMBERS_COMPANY,), (_set("commitments", "", "company number", NO_NUMBER, status=f"'{status}'"),)
        )
        for verb, status in (("close", "closed"), ("reopen", "open"), ("void", "void"))
    },
}
"""Every action. A company is found by the job or the commitment where its number is used in one company only."""


def usage() -> str:
    """The actions with their fields, one line each: ``hold_vendor: vendor, [hold: none|payment|all] ...``."""
    return "\n".join(f"{name}: {', '.join(map(str, action.fields))}" for name, action in ACTIONS.items())


def perform(engine: sa.Engine, clock: Clock, action: Mapping[str, Any]) -> dict[str, Any]:
    """Carries out ``{"action": name, field: value, ...}`` and returns ``{"ok": True, "changed": {...}, "now": iso}``.

    ``changed`` has the rows changed per table, and the fields as completed (the number that ``new_vendor`` took). Raises
    :class:`ClerkError` with the list of actions or fields, or with the database's own message.
    """
    name = action.get("action")
    if not isinstance(name, str) or name not in ACTIONS:
        raise ClerkError(f"There is no action {name!r}. Actions and their fields:\n{usage()}")
    values = _values(name, {k: v for k, v in action.items() if k != "action"})
    if name == "advance":
        changed: dict[str, Any] = {"seconds": values["seconds"]}
        _advance(clock, values["seconds"])
    else:
        changed = _carry_out(engine, name, values)
    return {"ok": True, "changed": changed, "now": clock.now().isoformat()}


def _values(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The action's fields by their own names, typed; refuses what is missing, unknown or given twice."""
    values: dict[str, Any] = {}
    fields = ACTIONS[name].fields
    for field in fields:
        names = [n for n in (field.name, *field.also) if n in given and (n == field.name or not any(n == f.name for f in fields))]
        if len(names) > 1:
            raise ClerkError(f"{name}: {' and '.join(names)} both mean {field.name}; give one")
        raw = given.pop(names[0]) if names else None
        if raw is None and field.required:
            raise _wrong(name, f"{field.name} is missing")
        values[field.name] = field.default if raw is None else _typed(name, field, raw)
    if given:
        raise _wrong(name, f"unknown field {', '.join(map(str, given))}")
    return values


def _wrong(name: str, what: str) -> ClerkError:
    return ClerkError(f"{name}: {what}. Fields (optional ones in brackets): {', '.join(map(str, ACTIONS[name].fields))}")


def _typed(name: str, field: Field, raw: Any) -> Any:
    """A JSON value as the field's kind; what does not fit is refused, never guessed."""
    if field.kind == "list":
        items = raw if isinstance(raw, list | tuple) else [raw]
        return tuple(str(_typed(name, Field(field.name), item)) for item in items)
    if field.kind == "flag":
        if raw in (0, 1) or isinstance(raw, bool):
            return int(raw)
        raise _wrong(name, f"{field.name} is true or false, not {raw!r}")
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise _wrong(name, f"{field.name} is a {'number' if field.kind == 'seconds' else 'text'}, not {raw!r}")
    if field.kind == "text":
        return str(raw)
    try:
        seconds = Decimal(str(raw))
    except InvalidOperation as error:
        raise _wrong(name, f"{field.name} is a number, not {raw!r}") from error
    if not seconds.is_finite():
        raise _wrong(name, f"{field.name} is a number, not {raw!r}")
    return float(seconds)


def _advance(clock: Clock, seconds: float) -> None:
    try:
        clock.advance(seconds)
    except (ValueError, OverflowError) as error:
        raise ClerkError(f"advance: {error}") from error


def _carry_out(engine: sa.Engine, name: str, values: dict[str, Any]) -> dict[str, Any]:
    action = ACTIONS[name]
    rows: dict[str, int] = {}
    try:
        with engine.begin() as connection:
            for lookup in action.lookups:
                if values.get(lookup.field) is None:
                    values[lookup.field] = _look_up(connection, name, lookup, values)
            for step in action.do:
                rows[step.table] = rows.get(step.table, 0) + _execute(connection, name, step, values)
    except sa.exc.DBAPIError as error:
        raise ClerkError(f"{name}: {refusal(error)}") from error
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None}
    return {"rows": rows, **fields}


def _look_up(connection: sa.Connection, name: str, lookup: Lookup, values: dict[str, Any]) -> Any:
    found = list(connection.execute(*_bound(lookup.sql, values)).scalars())
    if len(found) == 1:
        return found[0]
    if not found and lookup.optional:
        return None
    raise ClerkError(f"{name}: {(lookup.many if found else lookup.none).format(n=len(found), **values)}")


def _execute(connection: sa.Connection, name: str, step: Do, values: dict[str, Any]) -> int:
    """Rows hit by the statement. For ``each``, the field is named in the plural and the parameter in the singular."""
    each = step.each
    runs = [{**values, each.removesuffix("s"): value} for value in values[each]] if each else [values]
    hit = sum(connection.execute(*_bound(step.sql, run)).rowcount for run in runs)
    if step.none and not hit:
        raise ClerkError(f"{name}: {step.none.format(**values)}")
    return hit


def _bound(sql: str, values: dict[str, Any]) -> tuple[sa.TextClause, dict[str, Any]]:
    names = set(re.findall(r"(?<!:):([a-z_]+)", sql))
    return sa.text(sql), {n: values.get(n) for n in names}


def refusal(error: sa.exc.DBAPIError) -> str:
    """The database's own message, one line: ``VENDOR_HOLD: ...``, the same on SQLite and PostgreSQL."""
    return str(error.orig).strip().splitlines()[0]
