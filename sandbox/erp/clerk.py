"""What a clerk does in the ERP, so that tests and rehearsals need no SQL (control call ``POST /_sandbox/clerk``).

Every action is a row of :data:`ACTIONS`: its fields, the look-ups that complete them, and SQL. The clerk holds no rule: what must
not be is refused by the database, and its message reaches the caller. One action is one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import sqlalchemy as sa

from sandbox.erp.action import SCALE, Do, Field, Lookup
from sandbox.erp.actions import ACTIONS

__all__ = ["ACTIONS", "ClerkError", "Clock", "perform", "refusal", "usage"]


class ClerkError(Exception):
    """The action was not carried out: it is unknown, its fields are wrong, or the database refused it. HTTP 422."""


class Clock(Protocol):
    """The part of the sandbox's clock that the clerk uses."""

    def advance(self, seconds: float) -> datetime: ...

    def now(self) -> datetime: ...


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
        changed = _carry_out(engine, name, values, clock.now().date().isoformat())
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
    if field.kind == "allocations":
        items = raw if isinstance(raw, list | tuple) else [raw]
        if not items:
            raise _wrong(name, f"{field.name} is empty")
        return tuple(_allocation(name, field, item) for item in items)
    if field.kind == "flag":
        if raw in (0, 1) or isinstance(raw, bool):
            return int(raw)
        raise _wrong(name, f"{field.name} is true or false, not {raw!r}")
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise _wrong(name, f"{field.name} is a {'text' if field.kind == 'text' else 'number'}, not {raw!r}")
    if field.kind == "text":
        return str(raw)
    return _number(name, field, raw)


def _number(name: str, field: Field, raw: str | float) -> float | int:
    """Seconds; or money and percent as a whole number of their smallest part."""
    try:
        number = Decimal(str(raw))
    except InvalidOperation as error:
        raise _wrong(name, f"{field.name} is a number, not {raw!r}") from error
    if not number.is_finite():
        raise _wrong(name, f"{field.name} is a number, not {raw!r}")
    if field.kind == "seconds":
        return float(number)
    scaled = number.scaleb(SCALE[field.kind])
    if scaled != scaled.to_integral_value():
        raise _wrong(name, f"{field.name} has at most {SCALE[field.kind]} decimals, not {raw!r}")
    return int(scaled)


def _allocation(name: str, field: Field, raw: Any) -> dict[str, Any]:
    """An invoice and what is paid on it; what is not said here is taken from the action's fields of the same names."""
    given = dict(raw) if isinstance(raw, Mapping) else {"invoice": raw}
    allocation: dict[str, Any] = {"invoice": _typed(name, Field(field.name), given.pop("invoice", given.pop("number", None)))}
    for part in ("amount", "discount"):
        if (value := given.pop(part, None)) is not None:
            allocation[part] = _typed(name, Field(part, kind="money"), value)
    if given:
        raise _wrong(name, f"unknown field {', '.join(map(str, given))} in {field.name}")
    return allocation


def _advance(clock: Clock, seconds: float) -> None:
    try:
        clock.advance(seconds)
    except (ValueError, OverflowError) as error:
        raise ClerkError(f"advance: {error}") from error


def _carry_out(engine: sa.Engine, name: str, values: dict[str, Any], today: str) -> dict[str, Any]:
    action = ACTIONS[name]
    rows: dict[str, int] = {}
    known = {**values, "today": today}
    for field in action.fields:
        if field.kind == "allocations":
            known["invoice"] = values[field.name][0]["invoice"]
    try:
        with engine.begin() as connection:
            for lookup in action.lookups:
                if known.get(lookup.field) is None:
                    known[lookup.field] = _look_up(connection, name, lookup, known)
            for step in action.do:
                if not step.entity or step.entity == known["entity"]:
                    rows[step.table] = rows.get(step.table, 0) + _execute(connection, name, step, known)
    except sa.exc.DBAPIError as error:
        raise ClerkError(f"{name}: {refusal(error)}") from error
    known.pop("today")
    kinds = {f.name: f.kind for f in action.fields}
    return {"rows": rows, **{k: _shown(kinds.get(k), v) for k, v in known.items() if v is not None}}


def _shown(kind: str | None, value: Any) -> Any:
    """A value for the reply: money and percent as they are given, decimal texts."""
    if kind in SCALE:
        return str(Decimal(value).scaleb(-SCALE[kind]))
    if kind == "allocations":
        return [{k: v if k == "invoice" else _shown("money", v) for k, v in item.items()} for item in value]
    return list(value) if isinstance(value, tuple) else value


def _look_up(connection: sa.Connection, name: str, lookup: Lookup, values: dict[str, Any]) -> Any:
    found = list(connection.execute(*_bound(lookup.sql, values)).scalars())
    if len(found) == 1:
        return found[0]
    if not found and lookup.optional:
        return None
    raise ClerkError(f"{name}: {(lookup.many if found else lookup.none).format(n=len(found), **values)}")


def _execute(connection: sa.Connection, name: str, step: Do, values: dict[str, Any]) -> int:
    """Rows hit by the statement. For ``each``, the field is named in the plural and the parameter in the singular; an allocation
    brings its own parameters."""
    each = step.each
    named = [v if isinstance(v, dict) else {each.removesuffix("s"): v} for v in values[each]] if each else [{}]
    runs = [{**values, **more} for more in named]
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
