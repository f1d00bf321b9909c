"""Requests against the description of Procore's API: unknown, missing and ill-typed parameters and fields.

``operations.json`` beside this file holds the operations that are served, each under its method and path:

    {"parameters": [{"name": "project_id", "required": true, "type": "integer"}],
     "body": {"type": "object", "required": ["project_id"], "properties": {...}}, "reply": {"properties": {...}},
     "source": "where a hand-made entry comes from", "corrections": {"what was changed": "where that comes from"}}

Where the file comes from and how it is renewed: docs/procore-contract.md §14. A schema without a type takes anything; null is
taken everywhere, since the description says nothing about it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.procore.attributes import LARGEST
from sandbox.procore.errors import Invalid

Schema = Mapping[str, Any]
Finding = tuple[str, str]
"""Name of a parameter or path of a field, and what is wrong with it."""

SYNC_ENTRIES = "updates"
"""The list of a sync action: each of its entries is answered on its own, so each is checked on its own too."""
MISSING, UNKNOWN = "is missing", "is unknown here"
DEEPEST = 24
"""Objects within objects; no request of this API has a fourth of that."""


@cache
def _file() -> dict[str, Any]:
    return dict(json.loads(Path(__file__).with_name("operations.json").read_text(encoding="utf-8")))


def operations() -> Mapping[str, Schema]:
    """The description of each operation, under ``METHOD /path/{placeholder}``."""
    found: dict[str, Schema] = _file()["operations"]
    return found


def unserved() -> Mapping[str, str]:
    """Names of the operations that are described and not served, under the same keys."""
    found: dict[str, str] = _file()["unserved"]
    return found


def faults(operation: Schema, args: Sequence[tuple[str, str]], body: Any) -> list[Finding]:
    """What is wrong with a request. ``body`` None: there is none. Entries of a sync are left to :func:`entry_faults`.

    A number as text counts as one, in bodies as in queries: the server is known to take it so (§1.5).
    """
    schema = operation.get("body")
    found = list(_query(operation["parameters"], args))
    if schema is None:
        return [*found, *((name, UNKNOWN) for name in (body if isinstance(body, dict) else ()))]
    if schema.get("type") == "array":
        return [*found, *_value(body, schema, "body")]
    if not isinstance(body, dict):
        return [*found, ("body", "must be an object")]
    skip = SYNC_ENTRIES if entry_schema(operation) else ""
    return [*found, *_object(body, schema, "", skip=skip, top=True)]


def entry_schema(operation: Schema) -> Schema | None:
    """How an entry of a sync looks; None for an operation that is no sync."""
    schema = operation.get("body", {}).get("properties", {}).get(SYNC_ENTRIES, {}).get("items")
    return schema if isinstance(schema, dict) else None


def entry_faults(operation: Schema, entry: Mapping[str, Any]) -> list[Finding]:
    schema = entry_schema(operation)
    return [] if schema is None else list(_object(entry, schema, ""))


def refuse(found: Sequence[Finding]) -> None:
    """Raises :class:`Invalid` (400) that names all of them."""
    if found:
        wrong: dict[str, list[str]] = {}
        for name, text in found:
            wrong.setdefault(name[:200], []).append(text)
        raise Invalid(wrong)


# -- the query ---------------------------------------------------------------------------------------------------------


def _query(parameters: Sequence[Schema], args: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    known = {parameter["name"].removesuffix("[]"): parameter for parameter in parameters}
    given: dict[str, list[str]] = {}
    for name, value in args:
        given.setdefault(name.removesuffix("[]"), []).append(value)
    for name, values in given.items():
        if name not in known:
            yield name, UNKNOWN
        else:
            yield from ((name, text) for value in values if value != "" and (text := _wrong_text(known[name], value)))
    for name, parameter in known.items():
        if parameter.get("required") and not any(given.get(name, ())):
            yield name, MISSING


def _wrong_text(schema: Schema, value: str) -> str | None:
    """What is wrong with a parameter's value. Lists come as ``a[]=1&a[]=2`` or as ``a=[1,2]`` (§1.8)."""
    kind = schema.get("type")
    if kind == "array":
        values = value[1:-1].split(",") if value.startswith("[") and value.endswith("]") else [value]
        return next((text for one in values if (text := _wrong_text(schema.get("items") or {}, one.strip()))), None)
    if kind == "integer" and not _is_integer(value):
        return "must be an integer"
    if kind == "boolean" and value not in ("true", "false"):
        return "must be true or false"
    return _not_among(schema, value)


def _not_among(schema: Schema, value: Any) -> str | None:
    allowed = schema.get("enum")
    if allowed and schema.get("name") == "sort":  # ``-name`` and lists of names are possible too (§1.8)
        value = next((one for part in str(value).split(",") if (one := part.strip().lstrip("-")) not in allowed), allowed[0])
    return f"is not one of {', '.join(map(str, allowed))}" if allowed and value not in allowed else None


# -- the body ----------------------------------------------------------------------------------------------------------


def _is_integer(value: Any) -> bool:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", value) is not None
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "must be a string"),
    "integer": (_is_integer, "must be an integer"),
    "number": (_is_number, "must be a number"),
    "boolean": (lambda value: isinstance(value, bool), "must be true or false"),
    "array": (lambda value: isinstance(value, list), "must be a list"),
    "object": (lambda value: isinstance(value, dict), "must be an object"),
}


def _value(value: Any, schema: Schema, where: str) -> Iterator[Finding]:
    if value is None:
        return
    kind = schema.get("type")
    if where.count(".") + where.count("[") > DEEPEST:
        yield where, "lies too deep"
    elif kind in KINDS and not KINDS[kind][0](value):
        yield where, KINDS[kind][1]
    elif isinstance(value, dict):
        yield from _object(value, schema, where)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _value(item, schema.get("items") or {}, f"{where}[{number}]")
    elif text := _not_among(schema, value):
        yield where, text


def _object(value: Mapping[str, Any], schema: Schema, where: str, *, skip: str = "", top: bool = False) -> Iterator[Finding]:
    """An object without described fields is free; so are custom fields, whose names are a company's own.

    ``top``: the body itself. The name of the object around a record is not part of its fields' names, as in every error body.
    """
    fields = schema.get("properties")
    if fields is None:
        return
    prefix = f"{where}." if where else ""
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield prefix + name, MISSING
    for name, inner in value.items():
        if name in fields:
            if name != skip:
                wraps = top and isinstance(inner, dict) and fields[name].get("type") == "object"
                yield from _value(inner, fields[name], "" if wraps else prefix + name)
        elif not name.startswith("custom_field_"):
            yield prefix + name, UNKNOWN
