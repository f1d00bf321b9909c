"""One JSON object of Procore, read field by field and strictly: what does not fit is named, not mended.

Amounts arrive as strings of varying scale or as numbers (docs/procore-contract.md 1.5); both become Decimal without passing
through float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard, TypeVar

from include.financials.identity import parse_origin
from include.financials.legible import broken
from include.financials.money import to_cents

Built = TypeVar("Built")
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?")
_DIGITS = re.compile(r"[0-9]{1,30}")
_BEYOND = Decimal(10) ** 15
"""More than any sum of money that the models hold."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Misfit(ValueError):
    """A field of a record does not hold what the model needs."""

    def __init__(self, field: str, message: str, behind: str | None = None) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.behind = behind


class Row:
    """One JSON object, read field by field; every reader raises :class:`Misfit` with the field's full name."""

    def __init__(self, data: Any, prefix: str = "") -> None:
        if not isinstance(data, Mapping):
            raise Misfit(prefix.rstrip(".") or "record", f"is {kind(data)}, not an object")
        self._data = data
        self._prefix = prefix

    @property
    def data(self) -> Mapping[str, Any]:
        return self._data

    def get(self, name: str) -> Any:
        return self._data.get(name)

    def misfit(self, name: str, message: str, behind: str | None = None) -> Misfit:
        return Misfit(self._prefix + name, message, behind)

    def told(self, read: Callable[[str], Built], name: str) -> Built | None:
        """What ``read`` gives of a field, None where it does not fit: for a header, whose record is judged when it is built."""
        try:
            return read(name)
        except Misfit:
            return None

    def child(self, name: str) -> Row | None:
        value = self._data.get(name)
        return None if value is None else Row(value, f"{self._prefix}{name}.")

    def children(self, name: str) -> Iterator[Row]:
        """The objects of a list (none where it is missing); counted from 1 in messages."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, list):
            raise self.misfit(name, f"is {kind(value)}, not a list")
        return (Row(entry, f"{self._prefix}{name}[{index}].") for index, entry in enumerate(value or (), 1))

    def text(self, name: str) -> str | None:
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.misfit(name, f"is {kind(value)}, not text")
        if (fault := broken(value)) is not None:
            raise self.misfit(name, fault)
        return value.strip() or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.misfit(name, "is missing or empty")
        return value

    def id(self, name: str) -> str | None:
        """An id as text: v1 sends numbers beyond 32 bits, v2 text."""
        value = self._data.get(name)
        if value is None:
            return None
        if not is_number(value):
            raise self.misfit(name, f"is {kind(value)}, not an id")
        return str(value)

    def required_id(self, name: str = "id") -> str:
        value = self.id(name)
        if value is None or not int(value):
            raise self.misfit(name, "is missing")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.misfit(name, f"is {kind(value)}, not true or false")
        return value

    def whole(self, name: str) -> int:
        value = self.whole_or_none(name)
        if value is None:
            raise self.misfit(name, "is missing")
        return value

    def whole_or_none(self, name: str) -> int | None:
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.misfit(name, f"is {kind(value)}, not a whole number")
        return value

    def choice(self, name: str, allowed: Mapping[str, str] | Sequence[str], default: str | None = None) -> Any:
        """One of a closed list; with a mapping, what it stands for."""
        value = self.text(name) or default
        if value is None or value not in allowed:
            raise self.misfit(name, f"is {value!r}, not one of {', '.join(allowed)}")
        return allowed[value] if isinstance(allowed, Mapping) else value

    def decimal(self, name: str, places: int | None) -> Decimal | None:
        """A number with at most ``places`` digits behind the point that are not zero (None: as many as there are); never
        rounded."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self.misfit(name, f"is {kind(value)}, not a number")
        if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
            raise self.misfit(name, "is not a plain decimal number")
        number = Decimal(value.strip() if isinstance(value, str) else value)
        if not number.is_finite():
            raise self.misfit(name, f"is {number}, not a number")
        if places is None and number.copy_abs() >= _BEYOND:
            raise self.misfit(name, "has too many digits")
        if places is None:
            return number
        try:
            exact = number.quantize(Decimal(1).scaleb(-places))
        except InvalidOperation:
            raise self.misfit(name, "has too many digits") from None
        if exact != number:
            raise self.misfit(name, f"has more than {places} decimals")
        return exact

    def money(self, name: str, default: Decimal | None = None) -> Decimal:
        value = self.decimal(name, 2)
        if value is None and default is None:
            raise self.misfit(name, "is missing")
        return default if value is None else value  # type: ignore[return-value]

    def derived(self, name: str) -> Decimal | None:
        """A sum that Procore derives from other records, in cents; None where it cannot be read. It is no fault of this record:
        the one that it comes from is found by itself."""
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal) or not _NUMBER.fullmatch(str(value).strip()):
            return None
        number = Decimal(str(value).strip())
        return None if abs(number) >= _BEYOND else to_cents(number)

    def day(self, name: str) -> date | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            if not _DAY.fullmatch(value):
                _moment(value)
            return date.fromisoformat(value[:10])  # of a time the day that was written, in whatever zone that is
        except ValueError:
            raise self.misfit(name, "is not a date (YYYY-MM-DD)") from None

    def moment(self, name: str) -> datetime | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return _moment(value)
        except ValueError:
            raise self.misfit(name, "is not a time in UTC (YYYY-MM-DDTHH:MM:SSZ)") from None


def is_number(value: Any) -> TypeGuard[int | str]:
    """Whether a value is what Procore calls a record by: a whole number, or one as text; not below zero."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    return (isinstance(value, int) and value >= 0) or (isinstance(value, str) and _DIGITS.fullmatch(value) is not None)


def _moment(value: str) -> datetime:
    """A time in UTC. Some lists answer a plain day where a time belongs (docs/procore-contract.md 6.5): its last second, so that
    no change of that day is taken for an older one."""
    if _DAY.fullmatch(value):
        return datetime.combine(date.fromisoformat(value), time(23, 59, 59), UTC)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None or "T" not in value:
        raise ValueError("no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC no time of the calendar") from None


def time_or_none(value: Any) -> datetime | None:
    """A record's time in an answer, if it is one: an odd one costs a later re-read, not the outcome of a write."""
    try:
        return _moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def kind(value: Any) -> str:
    """What a value of JSON is, in words."""
    if value is None:
        return "null"
    return {bool: "true or false", int: "a number", Decimal: "a number", str: "text", list: "a list", dict: "an object"}.get(
        type(value), type(value).__name__
    )


def common(row: Row, system: str) -> dict[str, Any]:
    """What every record has. ``company`` is known only from an external id of ours."""
    origin_id = row.text("origin_id")
    ours = parse_origin(origin_id, system)
    return {
        "id": row.required_id(),
        "company": ours.company if ours else None,
        "updated_at": row.moment("updated_at"),
        "deleted": row.moment("deleted_at") is not None,
        "origin_id": origin_id,
        "origin_data": row.text("origin_data"),
        "origin_code": row.text("origin_code"),
    }


def parent_id(data: Mapping[str, Any]) -> str | None:
    """Project codes name their parent as an object, standard codes by id."""
    parent = data.get("parent")
    value = parent.get("id") if isinstance(parent, Mapping) else data.get("parent_id")
    return None if value is None else str(value)


def own_data(row: Row) -> Mapping[str, Any]:
    """What we keep in ``origin_data``: a JSON object. Any other text there is another integration's, and tells us nothing."""
    try:
        found = json.loads(row.text("origin_data") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
