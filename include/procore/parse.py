"""From Procore's JSON to canonical records, strictly: what does not fit is named, not mended.

Amounts arrive as strings of varying scale or as numbers (docs/procore-contract.md 1.5); both become Decimal without passing
through float. A record that does not fit becomes an :class:`~include.financials.port.Invalid`; the rest of its page goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import ValidationError

from include.financials.identity import parse_origin
from include.financials.models import Commitment, CommitmentLine, CostCode, CostType, Customer, Project, Record, Vendor
from include.financials.port import Invalid

CENT = Decimal("0.01")
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Misfit(ValueError):
    """A field of a record does not hold what the model needs."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


class Row:
    """One JSON object, read field by field; every reader raises :class:`Misfit` with the field's full name."""

    def __init__(self, data: Any, prefix: str = "") -> None:
        if not isinstance(data, Mapping):
            raise Misfit(prefix.rstrip(".") or "record", f"is {type(data).__name__}, not an object")
        self._data = data
        self._prefix = prefix

    def get(self, name: str) -> Any:
        return self._data.get(name)

    def misfit(self, name: str, message: str) -> Misfit:
        return Misfit(self._prefix + name, message)

    def child(self, name: str) -> Row | None:
        value = self._data.get(name)
        return None if value is None else Row(value, f"{self._prefix}{name}.")

    def text(self, name: str) -> str | None:
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.misfit(name, f"is {_kind(value)}, not text")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise self.misfit(name, "holds half a character (a lone surrogate)")
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
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
            raise self.misfit(name, f"is {_kind(value)}, not an id")
        return str(value)

    def required_id(self, name: str = "id") -> str:
        value = self.id(name)
        if value is None or value == "0":
            raise self.misfit(name, "is missing")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.misfit(name, f"is {_kind(value)}, not true or false")
        return value

    def whole(self, name: str) -> int:
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.misfit(name, "is missing" if value is None else f"is {_kind(value)}, not a whole number")
        return value

    def decimal(self, name: str, places: int) -> Decimal | None:
        """A number with at most ``places`` digits behind the point that are not zero; never rounded."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self.misfit(name, f"is {_kind(value)}, not a number")
        if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
            raise self.misfit(name, "is not a plain decimal number")
        number = Decimal(value.strip() if isinstance(value, str) else value)
        if not number.is_finite():
            raise self.misfit(name, f"is {number}, not a number")
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

    def day(self, name: str) -> date | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value) if _DAY.fullmatch(value) else _moment(value).date()
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


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None or "T" not in value:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


def time_or_none(value: Any) -> datetime | None:
    """A record's time in an answer, if it is one: an odd one costs a later re-read, not the outcome of a write."""
    try:
        return _moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _kind(value: Any) -> str:
    return {bool: "true or false", int: "a number", Decimal: "a number", str: "text", list: "a list", dict: "an object"}.get(
        type(value), type(value).__name__
    )


def fit(
    entity: str,
    data: Any,
    build: Callable[[Row], Record],
    *,
    scope: str | None = None,
    number: Sequence[str] = ("number", "name"),
) -> Record | Invalid:
    """Build a record, or say which of its fields is in the way. ``number`` names the raw fields that people know it by."""
    try:
        return build(Row(data))
    except Misfit as error:
        field, message = error.field, error.message
    except ValidationError as error:
        first = error.errors()[0]
        field, message = ".".join(str(part) for part in first["loc"]) or "record", first["msg"]
    raw: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    ident = str(raw.get("id") or "?")
    called = next((str(raw[name]) for name in number if raw.get(name)), ident)
    return Invalid(entity, ident, called[:200], field, message, scope)


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


def vendor(row: Row, system: str) -> Vendor:
    register = row.child("business_register")
    name = row.required("name")
    return Vendor(
        **common(row, system),
        number=row.text("origin_code") or name,
        name=name,
        code=row.text("origin_code"),
        tax_id=register.text("identifier") if register else None,
        active=row.flag("is_active", True),
        **_address(row),
    )


def customer(row: Row, system: str) -> Customer:
    name = row.required("name")
    return Customer(
        **common(row, system),
        number=row.text("origin_code") or name,
        name=name,
        code=row.text("origin_code"),
        active=row.flag("is_active", True),
        **_address(row),
    )


def _address(row: Row) -> dict[str, Any]:
    return {"address": row.text("address"), "city": row.text("city"), "state": row.text("state_code"), "zip": row.text("zip")}


def project(row: Row, system: str) -> Project:
    """A project without a number (a test or template project) is known by its name; it can match no job."""
    name = row.required("name")
    return Project(
        **common(row, system),
        number=row.text("project_number") or name,
        name=name,
        status="open" if row.flag("active", True) else "closed",
        currency=currency(row),
        start_date=row.day("start_date"),
        completion_date=row.day("completion_date"),
    )


def currency(row: Row) -> str | None:
    configuration = row.child("currency_configuration")
    return (configuration.text("currency_iso_code") if configuration else None) or row.text("currency_iso_code")


def cost_type(row: Row, system: str) -> CostType:
    return CostType(
        **common(row, system), number=row.required("code"), name=row.required("name"), base_type=row.text("base_type") or "other"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cost code stands among the codes of its list or project."""

    project: str | None
    level: int
    is_header: bool
    cost_types: tuple[str, ...]


def parent_id(data: Mapping[str, Any]) -> str | None:
    """Project codes name their parent as an object, standard codes by id."""
    parent = data.get("parent")
    value = parent.get("id") if isinstance(parent, Mapping) else data.get("parent_id")
    return None if value is None else str(value)


def sub_job_id(row: Row) -> str | None:
    return row.id("biller_id") if row.get("biller_type") == "SubJob" else None


def cost_code(row: Row, system: str, place: Place) -> CostCode:
    parent = row.child("parent")
    return CostCode(
        **common(row, system),
        number=row.required("full_code"),
        project=place.project,
        sub_job=sub_job_id(row),
        code=row.required("code"),
        name=row.required("name"),
        parent=parent.id("id") if parent else row.id("parent_id"),
        level=place.level,
        is_header=place.is_header,
        active=row.moment("deleted_at") is None,
        cost_types=place.cost_types,
    )


Kind = Literal["subcontract", "purchase_order"]


def commitment(row: Row, system: str, kind: Kind, project_id: str, lines: Sequence[Any]) -> Commitment:
    party = row.child("vendor")
    return Commitment(
        **common(row, system),
        number=row.required("number"),
        kind=kind,
        project=project_id,
        vendor=(party.id("id") if party else None) or row.id("vendor_id"),
        title=row.text("title"),
        status=row.required("status"),
        currency=currency(row),
        accounting_method=_choice(row, "accounting_method", ("amount", "unit"), "amount"),
        executed=row.flag("executed", False),
        retainage_percent=row.decimal("retainage_percent", 4),
        contract_date=row.day("contract_date"),
        amount=row.money("grand_total"),
        approved_changes=row.money("approved_change_orders", Decimal("0.00")),
        lines=tuple(sorted((_line(data, index) for index, data in enumerate(lines, 1)), key=lambda line: line.position)),
    )


def _line(data: Any, index: int) -> CommitmentLine:
    row = Row(data, f"lines[{index}].")
    code, cost = row.child("cost_code"), row.child("line_item_type")
    return CommitmentLine(
        id=row.required_id(),
        position=row.whole("position"),
        description=row.text("description"),
        cost_code=(code.id("id") if code else None) or row.id("cost_code_id"),
        cost_type=(cost.id("id") if cost else None) or row.id("line_item_type_id"),
        sub_job=sub_job_id(code) if code else None,
        amount=row.money("amount"),
        extended_type=_choice(row, "extended_type", ("manual", "calculated"), "manual"),
        quantity=row.decimal("quantity", 6),
        unit_cost=row.decimal("unit_cost", 6),
        unit=row.text("uom"),
        tax_code=row.id("tax_code_id"),
    )


def _choice(row: Row, name: str, allowed: tuple[str, ...], default: str) -> Any:
    value = row.text(name) or default
    if value not in allowed:
        raise row.misfit(name, f"is {value!r}, not one of {', '.join(allowed)}")
    return value
