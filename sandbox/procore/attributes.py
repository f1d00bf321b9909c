"""Attributes of requests: what each may hold and how it is stored (docs/procore-contract.md §1.5).

Money, quantities and percentages are stored as text with the scale given. A date that cannot be read is stored as null, without
an error: that is Procore's behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.procore.errors import Invalid

WHOLE = re.compile(r"-?[0-9]{1,19}")
LARGEST = 2**63 - 1
"""Ids are integers of 64 bits (docs/procore-contract.md §1.3); the store has no room for a larger one either."""


class Wrong(ValueError):
    """A value of the wrong type; the text goes into the error body after the attribute's name."""


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("must be a string")
    return value


def whole(value: Any) -> int:
    """An integer, or digits in text, as Rails takes it."""
    if isinstance(value, str) and WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return value
    raise Wrong("must be an integer")


def flag(value: Any) -> bool:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise Wrong("must be true or false")


def decimal(value: Any) -> str:
    """A plain decimal, kept as text with its own scale."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Wrong("must be a decimal number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Wrong("must be a decimal number") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise Wrong("must be a decimal number")
    return format(number, "f")


def day(value: Any) -> str | None:
    """``YYYY-MM-DD``; anything that is no date becomes null."""
    try:
        return date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) and "-" in value else None
    except ValueError:
        return None


def moment(value: Any) -> str | None:
    """``YYYY-MM-DDTHH:MM:SSZ``; anything that is no date-time becomes null."""
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if parsed is None:
        return None
    return (parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ids(value: Any) -> list[int]:
    if not isinstance(value, list):
        raise Wrong("must be a list of ids")
    return [whole(item) for item in value]


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("must be an object")
    return value


def choice(*values: str) -> Callable[[Any], str]:
    """One of the values, case and spaces included."""

    def chosen(value: Any) -> str:
        if value not in values:
            raise Wrong(f"is not one of {', '.join(values)}")
        return str(value)

    return chosen


@dataclass(frozen=True, slots=True)
class Attribute:
    """One writable attribute. ``store``: the stored field, if named otherwise; ``on``: c(reate), u(pdate), s(ync)."""

    name: str
    take: Callable[[Any], Any] = text
    store: str = ""
    required: bool = False
    nullable: bool = True
    on: str = "cus"

    @property
    def stored(self) -> str:
        return self.store or self.name


def plain(names: str, take: Callable[[Any], Any] = text, on: str = "cus") -> tuple[Attribute, ...]:
    """Attributes of one type, by a list of names in one text."""
    return tuple(Attribute(name, take, on=on) for name in names.split())


def accept(
    attributes: Iterable[Attribute], sent: Mapping[str, Any], action: str, *, creates: bool
) -> tuple[dict[str, Any], list[str]]:
    """What of a request is stored, by stored name, and the names that were ignored.

    Raises :class:`Invalid` (400) naming every attribute of a wrong type or, for a new record, every missing required one.
    """
    taken: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    known = {attribute.name: attribute for attribute in attributes if action in attribute.on}
    for name, value in sent.items():
        if name not in known:
            continue
        try:
            taken[known[name].stored] = _take(known[name], value)
        except Wrong as problem:
            wrong[name] = [str(problem)]
    for attribute in known.values():
        present = taken.get(attribute.stored) not in (None, "")
        if attribute.required and not present and attribute.name not in wrong and (creates or attribute.stored in taken):
            wrong[attribute.name] = ["can't be blank"]
    if wrong:
        raise Invalid(wrong)
    return taken, sorted(set(sent) - set(known) - {"id"})


def _take(attribute: Attribute, value: Any) -> Any:
    if value is None:
        if not attribute.nullable:
            raise Wrong("can't be blank")
        return None
    return attribute.take(value)
