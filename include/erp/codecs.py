"""How one column's value becomes a canonical value and back, exactly.

Nothing is rounded, cut or guessed here: what does not fit raises :class:`FieldError`, which becomes an ``Invalid`` record on the
read side and a rejected write on the other. A float is refused wherever a number could be money.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from include.financials.legible import broken

TIMESTAMP_TEXT = "%Y-%m-%dT%H:%M:%S.%3fZ"
"""Default layout of a time kept as text; ``%3f`` is the fraction in three digits (milliseconds)."""

_FRACTION = re.compile(r"%([1-6])f")
_NUMBER = re.compile(r"[+-]?\d*\.\d*")
_INTEGER = re.compile(r"[+-]?\d+")
_LONGEST = 100
"""Characters of a whole number kept as text; one of thousands Python does not even read."""


class FieldError(ValueError):
    """A value that does not fit. ``field`` is the canonical field, ``reason`` reads on after its name: ``is empty``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class Unfit(ValueError):
    """The same before the field is known; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Codec:
    """``decode`` turns what the driver returned into a canonical value, ``encode`` the reverse; neither sees None."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


def show(value: Any) -> str:
    """A value for a message: short, one line."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(raw: Any) -> str:
    if isinstance(raw, str):
        if (fault := broken(raw)) is not None:
            raise Unfit(fault)
        return raw
    if isinstance(raw, bool | float | bytes):
        raise Unfit(f"is {show(raw)} ({type(raw).__name__}), not text")
    if isinstance(raw, Decimal):
        if not is_whole(raw):
            raise Unfit(f"is {show(raw)}, not text; cast it in `from`")
        return str(int(raw))
    return str(raw)


def is_whole(raw: Decimal) -> bool:
    """Whether it is a whole number that somebody wrote: of 1e400000000 there is none in any memory."""
    return raw.is_finite() and raw.adjusted() < _LONGEST and raw == raw.to_integral_value()


def _integer(raw: Any) -> int:
    if isinstance(raw, bool | float):
        raise Unfit(f"is {show(raw)} ({type(raw).__name__}), not an integer")
    if isinstance(raw, int):
        return raw
    if isinstance(raw, Decimal) and is_whole(raw):
        return int(raw)
    if isinstance(raw, str) and len(raw) <= _LONGEST and _INTEGER.fullmatch(raw.strip()):
        return int(raw)
    raise Unfit(f"is {show(raw)}, not an integer")


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int) and raw in (0, 1):
        return bool(raw)
    raise Unfit(f"is {show(raw)}, neither true nor false; give a `map`")


def _decimal(raw: Any) -> Decimal:
    if isinstance(raw, float):
        raise Unfit("is a binary float, which cannot hold money exactly; cast the column to text in `from`, or use minor units")
    if isinstance(raw, bool):
        raise Unfit(f"is {raw}, not a number")
    try:
        value = Decimal(raw)
    except (InvalidOperation, TypeError, ValueError):
        raise Unfit(f"is {show(raw)}, not a number") from None
    if not value.is_finite():
        raise Unfit(f"is {value}, not a finite number")
    return value


def _has_scale(raw: Any) -> bool:
    """1486000.00 is a number of dollars: read as cents it would be a hundredth of itself."""
    if isinstance(raw, str):
        return "." in raw and _NUMBER.fullmatch(raw.strip()) is not None
    exponent = raw.as_tuple().exponent if isinstance(raw, Decimal) else 0
    return isinstance(exponent, int) and exponent < 0


def _minor_units(scale: int) -> Codec:
    """Integers that count 10**-scale: cents for 2, ten-thousandths for 4."""
    factor = Decimal(1).scaleb(-scale)
    limit = 10**scale

    def decode(raw: Any) -> Decimal:
        if _has_scale(raw):
            raise Unfit(f"is {show(raw)}, which has decimals of its own and is no count of minor units; use `type: decimal`")
        # Built from the digits, so that no arithmetic context can round a long one.
        number = _integer(raw)
        return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), factor.as_tuple().exponent))  # type: ignore[arg-type]

    def encode(value: Any) -> int:
        numerator, denominator = _decimal(value).as_integer_ratio()
        if (numerator * limit) % denominator:
            raise Unfit(f"is {value}, the ERP keeps {scale} decimals; we do not round")
        return int(numerator * limit // denominator)

    return Codec(decode, encode)


def _date(raw: Any) -> date:
    if isinstance(raw, datetime):
        if raw.time() != raw.time().min:
            raise Unfit(f"is {raw}, a time and not a date")
        return raw.date()
    if isinstance(raw, date):
        return raw
    try:
        return date.fromisoformat(_text(raw).strip())
    except ValueError:
        raise Unfit(f"is {show(raw)}, not a date") from None


def _date_text(layout: str) -> Codec:
    def decode(raw: Any) -> date:
        try:
            return datetime.strptime(_text(raw).strip(), layout).date()  # noqa: DTZ007  (a date has no zone)
        except ValueError:
            raise Unfit(f"is {show(raw)}, not a date of the form {layout}") from None

    return Codec(decode, lambda value: value.strftime(layout))


def _moment(raw: Any, zone: ZoneInfo, layout: str | None = None) -> datetime:
    """An aware time in UTC. A time without zone is taken in ``zone``; in the hour that repeats, as the first of the two."""
    value = raw
    if isinstance(raw, str):
        try:
            value = datetime.fromisoformat(raw.strip())
        except ValueError:
            try:
                value = datetime.strptime(raw.strip(), _FRACTION.sub("%f", layout or ""))  # noqa: DTZ007  (the zone is the column's)
            except ValueError:
                raise Unfit(f"is {show(raw)}, not a time") from None
            if layout and layout.endswith("Z"):
                value = value.replace(tzinfo=UTC)
    if not isinstance(value, datetime):
        raise Unfit(f"is {show(raw)}, not a time")
    try:
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar, in another zone
        raise Unfit(f"is {show(raw)}, which in UTC is no time of the calendar") from None


def _write_layout(moment: datetime, layout: str) -> str:
    # Fractions are cut, not rounded: a bound of a window must never move past the row it should include.
    return moment.strftime(_FRACTION.sub(lambda m: f"{moment.microsecond:06d}"[: int(m[1])], layout))


def _timestamp(zone: ZoneInfo, aware: bool) -> Codec:
    def encode(value: datetime) -> datetime:
        local = value.astimezone(UTC if aware else zone)
        return local if aware else local.replace(tzinfo=None)

    return Codec(lambda raw: _moment(raw, zone), encode)


def _timestamp_text(layout: str, zone: ZoneInfo) -> Codec:
    target = UTC if layout.endswith("Z") else zone
    return Codec(lambda raw: _moment(raw, zone, layout), lambda value: _write_layout(value.astimezone(target), layout))


def _mapped(values: Mapping[Any, Any], written: Mapping[Any, Any] | None) -> Codec:
    """Look up, never fall through. Where several ERP values mean the same, the first of the file is the one written."""
    inverse: dict[Any, Any] = {}
    for raw, value in values.items():
        inverse.setdefault(value, raw)
    outward = inverse if written is None else dict(written)

    def decode(raw: Any) -> Any:
        key = raw.strip() if isinstance(raw, str) else raw
        if key in values:
            return values[key]
        raise Unfit(f"is {show(raw)}, the mapping knows {', '.join(show(k) for k in values)}")

    def encode(value: Any) -> Any:
        if value in outward:
            return outward[value]
        raise Unfit(f"is {show(value)}, the mapping can write {', '.join(show(k) for k in outward)}")

    return Codec(decode if values else _text, encode)


@dataclass(frozen=True, slots=True)
class Storage:
    """How a column keeps its values: the keys of a mapping's field, without the column."""

    type: str
    scale: int = 2
    layout: str | None = None
    timezone: str = "UTC"
    map: Mapping[Any, Any] | None = None
    write_map: Mapping[Any, Any] | None = None


_PLAIN: dict[str, Codec] = {
    "text": Codec(_text, _text),
    "integer": Codec(_integer, _integer),
    "boolean": Codec(_boolean, _boolean),
    "decimal": Codec(_decimal, _decimal),
    "date": Codec(_date, _date),
}
_BUILT: dict[str, Callable[[Storage], Codec]] = {
    "minor_units": lambda s: _minor_units(s.scale),
    "date_text": lambda s: _date_text(s.layout or "%Y-%m-%d"),
    "timestamp": lambda s: _timestamp(ZoneInfo(s.timezone), aware=False),
    "timestamptz": lambda s: _timestamp(ZoneInfo(s.timezone), aware=True),
    "timestamp_text": lambda s: _timestamp_text(s.layout or TIMESTAMP_TEXT, ZoneInfo(s.timezone)),
}
TYPES: tuple[str, ...] = (*_PLAIN, *_BUILT)


def codec(storage: Storage) -> Codec:
    """The codec of a column. A ``map`` replaces the type; a ``write_map`` alone reads text as it is, translating writes only."""
    if storage.map is not None or storage.write_map is not None:
        return _mapped(storage.map or {}, storage.write_map)
    return _PLAIN.get(storage.type) or _BUILT[storage.type](storage)


def bounds(storage: Storage, since: datetime | None, until: datetime | None) -> tuple[Any, Any]:
    """A window's ends (aware) as values of the column, both inclusive.

    Where the column keeps local time, the hour that repeats in autumn cannot be told apart: a bound that falls into it is moved
    outwards by that hour, so that a record may be looked at twice but never missed.
    """
    encode = codec(storage).encode
    naive = storage.type == "timestamp" or (
        storage.type == "timestamp_text" and not (storage.layout or TIMESTAMP_TEXT).endswith("Z")
    )

    def bound(moment: datetime | None, outwards: int) -> Any:
        if moment is None:
            return None
        slack = _repeated(moment, ZoneInfo(storage.timezone), fold=0 if outwards < 0 else 1) if naive else timedelta()
        return encode(moment + outwards * slack)

    return bound(since, -1), bound(until, +1)


def _repeated(moment: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    """Length of the repeated stretch if ``moment`` lies in its first (fold 0) or second (fold 1) passing, else zero."""
    local = moment.astimezone(zone)
    other = local.replace(fold=1 - local.fold)
    before, after = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if local.fold != fold or other.utcoffset() == local.utcoffset() or before is None or after is None:
        return timedelta()
    return before - after
