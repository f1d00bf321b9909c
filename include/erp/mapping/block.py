"""What every block of a mapping file is made of: keys that are checked and suggested, names, templates, hooks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from include.erp.codecs import TYPES

PART = re.compile(r"\{([^{}]*)\}")
_AGE = re.compile(r"([1-9]\d*) (minutes?|hours?|days?)")


def suggest(word: object, allowed: Iterable[object]) -> str:
    """``; did you mean 'column'? Allowed: ...`` for a word that is not in a list."""
    names = [str(a) for a in allowed]
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    return (f"; did you mean '{close[0]}'?" if close else ".") + f" Allowed: {', '.join(names)}"


# ---------------------------------------------------------------------------------------------------------------------------
# The shape of a file


class Spec(BaseModel):
    """A block of the file. Unknown keys are refused with a suggestion, all of a block at once."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_by_alias=True, validate_by_name=False)
    shorthand: ClassVar[str | None] = None
    """The key that a plain text instead of a block stands for."""

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        if isinstance(value, str) and cls.shorthand:
            return cls.expand(value)
        if not isinstance(value, dict):
            raise PydanticCustomError(
                "block", "must be a block of keys. Allowed: {allowed}", {"allowed": ", ".join(cls.own_keys())}
            )
        unknown = [key for key in value if key not in cls.own_keys()]
        if unknown:
            raise PydanticCustomError("unknown_keys", "unknown keys", {"keys": unknown, "allowed": list(cls.own_keys())})
        return value

    @classmethod
    def expand(cls, value: str) -> dict[str, Any]:
        return {cls.shorthand or "": value}

    @classmethod
    def own_keys(cls) -> tuple[str, ...]:
        return tuple(info.alias or name for name, info in cls.model_fields.items())


def tuples(value: Any, *keys: str) -> Any:
    """YAML has lists where the strict models want tuples; one text stands for a list of one."""
    if not isinstance(value, dict):
        return value
    out = dict(value)
    for key in keys:
        if isinstance(out.get(key), list):
            out[key] = tuple(out[key])
        elif isinstance(out.get(key), str):
            out[key] = (out[key],)
    return out


def _name(value: Any, info: ValidationInfo) -> Any:
    """``info.context``: what the kind says of a name (:attr:`MappingSpec.name_fault`)."""
    if not isinstance(value, str) or not value:
        raise PydanticCustomError("column", "{value} is no name", {"value": repr(value)})
    if fault := (info.context or no_fault)(value):
        raise PydanticCustomError("column", "{value} {fault}", {"value": repr(value), "fault": fault})
    return value


def no_fault(name: str) -> str | None:
    """Any text is a name."""
    return None


def _template(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and (parts := PART.findall(value)):
        rest, fault = PART.sub("", value), info.context or no_fault
        if (
            all(p and fault(p) is None for p in parts)
            and not set("{}") & set(rest)
            and "}{" not in value
            and len(set(parts)) == len(parts)
        ):
            return value
    raise PydanticCustomError(
        "template",
        "{value} is not a template: column names in braces with text between them, such as '{example}'",
        {"value": repr(value), "example": "{job}/{code}"},
    )


def _hook(value: Any) -> Any:
    module, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    try:
        found = getattr(import_module(module), name, None) if module and name else None
    except ImportError as error:
        told = {"value": repr(value), "error": str(error)}
        raise PydanticCustomError("hook", "{value} cannot be imported: {error}", told) from None
    if not callable(found):
        raise PydanticCustomError("hook", "{value} is no function; write package.module:function", {"value": repr(value)})
    return found


def _age(value: Any) -> Any:
    found = _AGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("age", "{value} is no age; write it as 26 hours, 90 minutes or 2 days", {"value": repr(value)})
    return timedelta(**{found[2].rstrip("s") + "s": int(found[1])})


def _zone(value: Any) -> Any:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise PydanticCustomError(
            "timezone", "{value} is no time zone; write a name such as UTC or America/Chicago", {"value": repr(value)}
        ) from None
    return value


Column = Annotated[str, BeforeValidator(_name)]
"""A name in the ERP's rows: a column, or where in a document a value stands."""
Hook = Annotated[Callable[..., Any], BeforeValidator(_hook)]
"""``package.module:function``, imported when the file is loaded."""
Template = Annotated[str, BeforeValidator(_template)]
Mask = Annotated[str, Field(pattern="#")]
"""What a value looks like; each # is one character of the ERP's."""
Zone = Annotated[str, BeforeValidator(_zone)]
Age = Annotated[timedelta, BeforeValidator(_age)]
"""How old something may be: ``26 hours``."""
TypeName = Literal[
    "text", "integer", "boolean", "decimal", "date", "minor_units", "date_text", "timestamp", "timestamptz", "timestamp_text"
]
assert set(get_args(TypeName)) == set(TYPES)
