"""Renders rules, stamps and audit as triggers, once per database.

Both databases get the same three layers per business table: the rules (BEFORE), the stamps ``created_at``, ``updated_at`` and
``row_version``, and the audit trail. SQLite cannot change the row in a BEFORE trigger, so there stamps and audit are one AFTER
trigger; PostgreSQL stamps in a second BEFORE trigger. What a document posts by itself (``posting.py``) comes last. Stamps, audit
and postings rest while ``sandbox_bulk.lifted`` is 1; rules never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from sandbox.erp.posting import POSTINGS, Posting
from sandbox.erp.rules import DELETE, INSERT, RULES, UPDATE, Rule
from sandbox.erp.tables import BUSINESS, INT, METADATA, business_columns, key_columns
from sandbox.erp.views import VIEWS

EVENTS = (INSERT, UPDATE, DELETE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the two databases say differently. ``macros``: pattern -> replacement; ``now``: the ledger's clock, as text."""

    name: str
    macros: Mapping[str, str]
    now: str
    lifted: str

    def sql(self, text: str) -> str:
        for pattern, replacement in self.macros.items():
            text = re.sub(pattern, replacement, text)
        return text


_PRODUCT = r"(\1 * \2)"
SQLITE = Dialect(
    "sqlite",
    {
        # date() alone would echo 30 February; by way of the day number it becomes 2 March.
        r"IS_DATE\(([^()]+)\)": r"(\1 GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'"
        r" AND coalesce(date(julianday(\1)), '') = \1)",
        r"IS_PLAIN\(([^()]+)\)": r"(\1 NOT GLOB '*[^A-Za-z0-9-]*')",
        # Integer division truncates towards zero; a product beyond 64 bits becomes a float, which no accepted amount can equal.
        r"EXTENDED\(([^(),]+), ([^(),]+)\)": rf"(CASE WHEN {_PRODUCT} < 0 THEN -((500000 - {_PRODUCT}) / 1000000)"
        rf" ELSE ({_PRODUCT} + 500000) / 1000000 END)",
        r"IS DISTINCT FROM": "IS NOT",
    },
    "(SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', printf('%+.6f seconds', offset_us / 1000000.0))"
    " FROM sandbox_clock WHERE id = 1)",
    "coalesce((SELECT lifted FROM sandbox_bulk WHERE id = 1), 0)",
)
POSTGRESQL = Dialect(
    "postgresql",
    {
        r"IS_DATE\(": "sandbox_is_date(",
        r"IS_PLAIN\(([^()]+)\)": r"(\1 ~ '^[A-Za-z0-9-]*$')",
        r"EXTENDED\(([^(),]+), ([^(),]+)\)": r"round(\1::numeric * \2 / 1000000)",
    },
    "(SELECT to_char((clock_timestamp() + offset_us * interval '1 microsecond') AT TIME ZONE 'UTC',"
    ' \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\') FROM sandbox_clock WHERE id = 1)',
    "coalesce((SELECT lifted FROM sandbox_bulk WHERE id = 1), 0)",
)
DIALECTS = {d.name: d for d in (SQLITE, POSTGRESQL)}

_IS_DATE = """
CREATE OR REPLACE FUNCTION sandbox_is_date(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' AND to_char(to_date(value, 'YYYY-MM-DD'), 'YYYY-MM-DD') = value;
EXCEPTION WHEN others THEN
    RETURN false;
END $$"""


def statements(dialect: str) -> Iterator[str]:
    """Everything that follows the tables, in order; may run again over itself."""
    target = DIALECTS[dialect]
    if target is POSTGRESQL:
        yield _IS_DATE
    for name in reversed(VIEWS):
        yield f"DROP VIEW IF EXISTS {name}"
    for name, query in VIEWS.items():
        yield f"CREATE VIEW {name} AS {query}"
    for table in BUSINESS:
        yield from (_sqlite_table(table) if target is SQLITE else _postgresql_table(table))
    for posting in POSTINGS:
        yield from (_sqlite_posting(posting) if target is SQLITE else _postgresql_posting(posting))


def drop_statements() -> Iterator[str]:
    """What must go before the tables; their triggers go with them."""
    for name in reversed(VIEWS):
        yield f"DROP VIEW IF EXISTS {name}"


def add_checks() -> None:
    """Gives the tables the CHECK constraints of the rules that look at their own row only.

    The triggers speak first and give the message; the constraints are what a database administrator's tools show.
    """
    for target in DIALECTS.values():
        for n, rule in enumerate(r for r in RULES if r.local):
            condition = target.sql(f"NOT ({rule.when})").replace("NEW.", "")
            _add_check(rule.table, f"{rule.table}_{rule.code.lower()}_{n}", condition, target)
    for table in BUSINESS:
        for column in METADATA.tables[table].columns:
            if column.type is INT:  # SQLite would store 10.5 or 'x' in an INTEGER column
                _add_check(table, f"{table}_integer_{column.name}", f"typeof({column.name}) IN ('integer', 'null')", SQLITE)


def _add_check(table: str, name: str, condition: str, target: Dialect) -> None:
    check = sa.CheckConstraint(sa.text(condition.replace(":", "\\:")), name=name).ddl_if(dialect=target.name)
    METADATA.tables[table].append_constraint(check)


def _changed(columns: Iterable[str]) -> str:
    return "(" + " OR ".join(f"NEW.{c} IS DISTINCT FROM OLD.{c}" for c in columns) + ")"


def _rules(table: str, event: str) -> list[tuple[Rule, str]]:
    """The table's rules for one event with their full condition, in order of judgement."""
    found = []
    for rule in RULES:
        if rule.table != table or event not in rule.events:
            continue
        condition = rule.when
        if event == UPDATE:
            condition = f"{_changed(rule.columns)} AND " + (f"{rule.guard} AND " if rule.guard else "") + f"({rule.when})"
        found.append((rule, condition))
    return found


def _row_key(table: str, row: str) -> str:
    return " || '/' || ".join(f"{row}.{c}" for c in key_columns(table))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _audit(table: str, row: str, action: str, version: str, now: str) -> str:
    return (
        "INSERT INTO audit_log (at, table_name, row_key, action, row_version)"
        f" VALUES ({now}, '{table}', {_row_key(table, row)}, '{action}', {version})"
    )


# --- SQLite ------------------------------------------------------------------------------------------------------------------


def _sqlite_table(table: str) -> Iterator[str]:
    # One trigger per event keeps the order of the rules; SQLite does not order several triggers of one event.
    for event in EVENTS:
        rules = _rules(table, event)
        columns = [c for c in business_columns(table) if any(c in rule.columns for rule, _ in rules)]
        body = "".join(f"\n        WHEN {condition} THEN RAISE(ABORT, {_quoted(r.message)})" for r, condition in rules)
        of = f" OF {', '.join(columns)}" if event == UPDATE else ""
        yield f"DROP TRIGGER IF EXISTS {table}_rules_{event.lower()}"
        if rules:
            name = f"{table}_rules_{event.lower()}"
            yield SQLITE.sql(f"CREATE TRIGGER {name} BEFORE {event}{of} ON {table} BEGIN\n    SELECT CASE{body}\n    END;\nEND")
    for event, of, when, body in _sqlite_stamps(table):
        yield f"DROP TRIGGER IF EXISTS {table}_stamp_{event.lower()}"
        yield SQLITE.sql(
            f"CREATE TRIGGER {table}_stamp_{event.lower()} AFTER {event}{of} ON {table}"
            f" WHEN {SQLITE.lifted} = 0{when} BEGIN\n    {body};\nEND"
        )


def _sqlite_stamps(table: str) -> Iterator[tuple[str, str, str, str]]:
    """(event, OF columns, more WHEN, body). The inner UPDATE names stamps only, so no trigger fires again."""
    now, columns = SQLITE.now, business_columns(table)
    yield (
        *(INSERT, "", ""),
        f"UPDATE {table} SET created_at = coalesce(NEW.created_at, NEW.updated_at, {now}),"
        f" updated_at = coalesce(NEW.updated_at, {now}) WHERE rowid = NEW.rowid;\n"
        f"    {_audit(table, 'NEW', 'I', 'NEW.row_version', now)}",
    )
    yield (
        *(UPDATE, f" OF {', '.join(columns)}", f" AND {_changed(columns)}"),
        f"UPDATE {table} SET updated_at = {now}, row_version = OLD.row_version + 1 WHERE rowid = NEW.rowid;\n"
        f"    {_audit(table, 'NEW', 'U', 'OLD.row_version + 1', now)}",
    )
    yield DELETE, "", "", _audit(table, "OLD", "D", "OLD.row_version", now)


def _sqlite_posting(posting: Posting) -> Iterator[str]:
    name = f"{posting.table}_post_{posting.name}"
    steps = "".join(f"    {step.format(now=SQLITE.now)};\n" for step in posting.steps)
    yield f"DROP TRIGGER IF EXISTS {name}"
    yield (
        f"CREATE TRIGGER {name} AFTER UPDATE OF status ON {posting.table} WHEN {SQLITE.lifted} = 0 AND {posting.when}"
        f" BEGIN\n{steps}END"
    )


# --- PostgreSQL --------------------------------------------------------------------------------------------------------------


def _postgresql_table(table: str) -> Iterator[str]:
    # Triggers of one event fire in the order of their names: rules, then stamp.
    layers = (("a_rules", "BEFORE", _postgresql_rules(table)), ("b_stamp", "BEFORE", _postgresql_stamp(table)))
    for name, moment, body in (*layers, ("c_audit", "AFTER", _postgresql_audit(table))):
        yield POSTGRESQL.sql(
            f"CREATE OR REPLACE FUNCTION sandbox_{table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n{body}\nEND $$"
        )
        yield (
            f"CREATE OR REPLACE TRIGGER {name} {moment} INSERT OR UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION sandbox_{table}_{name}()"
        )


def _postgresql_rules(table: str) -> str:
    branches = []
    for event in EVENTS:
        row, rules = "OLD" if event == DELETE else "NEW", _rules(table, event)
        checks = "".join(
            # In parentheses: PL/pgSQL would end the condition at the THEN of a CASE.
            f"\n        IF ({condition}) THEN\n            RAISE EXCEPTION USING MESSAGE = {_quoted(rule.message)},"
            f" DETAIL = {_quoted(table + ' ')} || {_row_key(table, row)}, ERRCODE = '{rule.sqlstate}', TABLE = '{table}'"
            + (f", COLUMN = '{rule.columns[0]}'" if len(rule.columns) == 1 else "")
            + ";\n        END IF;"
            for rule, condition in rules
        )
        # One query tells whether any rule is broken; only then is it asked which: a query each costs several times as much.
        any_broken = "\n        OR ".join(f"({condition})" for _, condition in rules)
        if rules:
            branches.append(f"    IF TG_OP = '{event}' THEN IF ({any_broken}) THEN{checks}\n    END IF; END IF;")
    return "\n".join(branches) + "\n    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;"


def _postgresql_stamp(table: str) -> str:
    return f"""    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF {POSTGRESQL.lifted} = 1 THEN
        RETURN NEW;
    ELSIF TG_OP = 'INSERT' THEN
        NEW.updated_at := coalesce(NEW.updated_at, {POSTGRESQL.now});
        NEW.created_at := coalesce(NEW.created_at, NEW.updated_at);
    ELSIF {_changed(business_columns(table))} THEN
        NEW.updated_at := {POSTGRESQL.now};
        NEW.row_version := OLD.row_version + 1;
    ELSE
        NEW.created_at := OLD.created_at;
        NEW.updated_at := OLD.updated_at;
        NEW.row_version := OLD.row_version;
    END IF;
    RETURN NEW;"""


def _postgresql_audit(table: str) -> str:
    now = POSTGRESQL.now
    return f"""    IF {POSTGRESQL.lifted} = 1 THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        {_audit(table, "NEW", "I", "NEW.row_version", now)};
    ELSIF TG_OP = 'DELETE' THEN
        {_audit(table, "OLD", "D", "OLD.row_version", now)};
    ELSIF NEW.row_version IS DISTINCT FROM OLD.row_version THEN
        {_audit(table, "NEW", "U", "NEW.row_version", now)};
    END IF;
    RETURN NULL;"""


def _postgresql_posting(posting: Posting) -> Iterator[str]:
    name = f"d_post_{posting.name}"
    steps = "".join(f"        {step.format(now=POSTGRESQL.now)};\n" for step in posting.steps)
    yield (
        f"CREATE OR REPLACE FUNCTION sandbox_{posting.table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
        f"    IF {POSTGRESQL.lifted} = 0 AND {posting.when} THEN\n{steps}    END IF;\n    RETURN NULL;\nEND $$"
    )
    yield (
        f"CREATE OR REPLACE TRIGGER {name} AFTER UPDATE OF status ON {posting.table}"
        f" FOR EACH ROW EXECUTE FUNCTION sandbox_{posting.table}_{name}()"
    )
