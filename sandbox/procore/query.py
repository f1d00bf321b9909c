"""Filters and sort orders of lists, as SQL (docs/procore-contract.md §1.8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from sandbox.procore.attributes import Wrong, whole
from sandbox.procore.call import Call
from sandbox.procore.errors import Invalid
from sandbox.procore.schema import Filter, Resource
from sandbox.procore.store import Condition, field, marks

log = logging.getLogger(__name__)


def conditions(resource: Resource, call: Call) -> list[Condition]:
    """The WHERE of a call's filters. Unknown filters are ignored and logged. Deleted records show only when asked for."""
    found: list[Condition] = []
    given = call.filters()
    for name, values in given.items():
        spec = resource.filters.get(name)
        if spec is None:
            log.warning("%s: filter %s ignored", resource.kind, name)
        elif spec.fields:
            found.append(BUILDERS[spec.kind](name, spec, values))
    deleted = _deleted(resource, given)
    return [*found, (deleted, [])] if deleted else found


def _deleted(resource: Resource, given: dict[str, list[str]]) -> str:
    for name, spec in resource.filters.items():
        if spec.kind == "deleted" and name in given:
            if given[name][-1] not in ("only", "with"):
                raise Invalid({f"filters[{name}]": ["is not one of only, with"]})
            return "deleted_at IS NOT NULL" if given[name][-1] == "only" else ""
    return "deleted_at IS NULL"


def ordering(resource: Resource, call: Call) -> str:
    """``sort=field`` or ``-field``, comma lists allowed; always ends with the id so that pages do not overlap."""
    parts = []
    for item in (call.arg("sort") or "").split(","):
        name = item.strip().lstrip("-")
        if name in resource.sorts:
            parts.append(resource.sorts[name] + (" DESC" if item.strip().startswith("-") else ""))
        elif name:
            log.warning("%s: sort %s ignored", resource.kind, name)
    return ", ".join([*parts, "id"])


def _equal(name: str, spec: Filter, values: Sequence[str]) -> Condition:
    wanted: list[Any] = []
    for value in values:
        wanted.extend(_items(value))
    if spec.number:
        try:
            wanted = [whole(value) for value in wanted]
        except Wrong as problem:
            raise Invalid({f"filters[{name}]": [str(problem)]}) from None
    unknown = [value for value in wanted if spec.values and value not in spec.values]
    if unknown:
        raise Invalid({f"filters[{name}]": [f"is not one of {', '.join(spec.values)}"]})
    return f"{field(spec.fields[0])} IN ({marks(wanted)})", wanted


def _items(value: str) -> list[Any]:
    """``5`` or ``[1,2]``."""
    if value.startswith("["):
        try:
            parsed = json.loads(value)
        except ValueError:
            return [value]
        return [str(item) for item in parsed] if isinstance(parsed, list) else [value]
    return [value]


def _like(name: str, spec: Filter, values: Sequence[str]) -> Condition:
    wanted = "%" + values[-1].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return " OR ".join(f"{field(column)} LIKE ? ESCAPE '\\'" for column in spec.fields), [wanted] * len(spec.fields)


def _range(name: str, spec: Filter, values: Sequence[str]) -> Condition:
    """``a...b``, both inclusive, quoted or not; a single day means that day."""
    column = field(spec.fields[0])
    start, dots, end = values[-1].partition("...")
    bounds: list[tuple[str, str]] = []
    try:
        if start.strip("\"' "):
            bounds.append((f"{column} >= ?", _bound(start, time.min)))
        if not dots:
            bounds.append((f"{column} <= ?", _bound(start, time.max)))
        elif end.strip("\"' "):
            bounds.append((f"{column} <= ?", _bound(end, time.max)))
    except ValueError:
        raise Invalid({f"filters[{name}]": ["must be a range of dates: start...end"]}) from None
    return " AND ".join(text for text, _ in bounds) or "1", [value for _, value in bounds]


def _days(name: str, spec: Filter, values: Sequence[str]) -> Condition:
    """As :func:`_range`, of a field that holds plain days: as text these are shorter, and so before, the times of their day."""
    text, bounds = _range(name, spec, values)
    return text, [str(bound)[:10] for bound in bounds]


def _bound(text: str, of_day: time) -> str:
    """A date or date-time as the store writes times; ``of_day`` completes a plain date."""
    text = text.strip().strip("\"'")
    text = text[:11].replace(" ", "T") + text[11:].replace(" ", "+")  # a plus sign that was not encoded arrives as a blank
    moment = datetime.combine(date.fromisoformat(text), of_day) if len(text) == 10 else datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


BUILDERS: dict[str, Callable[[str, Filter, Sequence[str]], Condition]] = {
    "equal": _equal,
    "range": _range,
    "days": _days,
    "like": _like,
}
