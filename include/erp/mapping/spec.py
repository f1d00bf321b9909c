"""The keys of a mapping file, their defaults, and what is allowed in each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import text

from include.erp.codecs import TYPES, Storage
from include.financials.port import Capability
from include.financials.record import LineModel

Loc = tuple[str | int, ...]
WRITES = ("create", "update", "void")

_IDENTIFIER = re.compile(r"[A-Za-z_][\w$#]*")
_SOURCE = re.compile(r"(?i)\s*(select|with)\b")
_WRITING = re.compile(r"(?is)\s*(insert|update|delete|merge|replace|with\b.*\b(insert|update|delete))\b")
PART = re.compile(r"\{([^{}]*)\}")


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
            raise PydanticCustomError("block", "must be a block of keys. Allowed: {allowed}", {"allowed": ", ".join(cls.names())})
        unknown = [key for key in value if key not in cls.names()]
        if unknown:
            raise PydanticCustomError("unknown_keys", "unknown keys", {"keys": unknown, "allowed": list(cls.names())})
        return value

    @classmethod
    def expand(cls, value: str) -> dict[str, Any]:
        return {cls.shorthand or "": value}

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(info.alias or name for name, info in cls.model_fields.items())


def _tuples(value: Any, *keys: str) -> Any:
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


def _identifier(value: Any) -> Any:
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise PydanticCustomError(
            "column", "{value} is not a column name; an expression belongs into a SELECT under `from`", {"value": repr(value)}
        )
    return value


def _source(value: Any) -> Any:
    ok = isinstance(value, str) and (_SOURCE.match(value) or all(_IDENTIFIER.fullmatch(part) for part in value.split(".")))
    if not ok:
        raise PydanticCustomError(
            "source", "must be a table or view (`name` or `schema.name`) or a SELECT, not {value}", {"value": repr(value)}
        )
    return value.strip().rstrip(";")


def _template(value: Any) -> Any:
    if isinstance(value, str) and (parts := PART.findall(value)):
        rest = PART.sub("", value)
        if (
            all(_IDENTIFIER.fullmatch(p) for p in parts)
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


def _zone(value: Any) -> Any:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise PydanticCustomError(
            "timezone", "{value} is no time zone; write a name such as UTC or America/Chicago", {"value": repr(value)}
        ) from None
    return value


Column = Annotated[str, BeforeValidator(_identifier)]
From = Annotated[str, BeforeValidator(_source)]
Template = Annotated[str, BeforeValidator(_template)]
Zone = Annotated[str, BeforeValidator(_zone)]
TypeName = Literal[
    "text", "integer", "boolean", "decimal", "date", "minor_units", "date_text", "timestamp", "timestamptz", "timestamp_text"
]
assert set(get_args(TypeName)) == set(TYPES)


class StorageSpec(Spec):
    """How a value is kept; shared by fields, changed_since and parameters."""

    type: TypeName | None = None
    scale: Annotated[int, Field(ge=0, le=9)] = 2
    format: str | None = None
    timezone: Zone = "UTC"
    map: dict[Any, Any] | None = None
    write_map: dict[Any, Any] | None = None
    null_as: Any = None

    def storage(self, default: str) -> Storage:
        return Storage(self.type or default, self.scale, self.format, self.timezone, self.map, self.write_map)


class FieldSpec(StorageSpec):
    """Where a canonical field comes from: exactly one of column, template, constant or list."""

    shorthand: ClassVar[str | None] = "column"
    column: Column | None = None
    template: Template | None = None
    constant: Any = None
    list: Column | None = None
    source: From | None = Field(None, alias="from")
    join: dict[str, Column] | None = None
    order: tuple[Column, ...] = ()

    @classmethod
    def expand(cls, value: str) -> dict[str, Any]:
        return {"template" if "{" in value else "column": value}

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuples(value, "order")

    @model_validator(mode="after")
    def _one(self) -> FieldSpec:
        given = {"column", "template", "constant", "list"} & self.model_fields_set
        if len(given) != 1:
            raise PydanticCustomError("one_of", "needs exactly one of column, template, constant, list")
        if ("list" in given) != (self.source is not None and bool(self.join)):
            raise PydanticCustomError("one_of", "`list` goes with `from` and `join`, and they with it")
        return self

    @property
    def is_constant(self) -> bool:
        return "constant" in self.model_fields_set

    def columns(self) -> tuple[str, ...]:
        """The columns of the entity's own ``from`` that the field is made of."""
        if self.template is not None:
            return tuple(PART.findall(self.template))
        return (self.column,) if self.column is not None else ()


class ChangedSince(StorageSpec):
    shorthand: ClassVar[str | None] = "column"
    column: Column


class ParameterSpec(StorageSpec):
    """A further parameter of the write statements: a canonical field kept in another way than it is read, or a choice."""

    shorthand: ClassVar[str | None] = "field"
    field: str | None = None
    constant: Any = None
    setting: str | None = None
    """Name in the file's ``settings``; the parameter is what the installation has chosen."""

    @model_validator(mode="after")
    def _one(self) -> ParameterSpec:
        if len({"field", "constant", "setting"} & self.model_fields_set) != 1:
            raise PydanticCustomError("one_of", "needs exactly one of field, constant, setting")
        return self


class SettingSpec(Spec):
    """A choice that an installation makes without editing the file."""

    default: Any
    allowed: tuple[Any, ...]

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuples(value, "allowed")


class LinesSpec(Spec):
    """The lines of a document: their own table, joined to the header page by page."""

    source: From = Field(alias="from")
    join: dict[str, Column]
    """Column of the lines -> column of the header."""
    order: tuple[Column, ...]
    fields: dict[str, FieldSpec]
    parameters: dict[str, ParameterSpec] = {}

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuples(value, "order")


class Statement(Spec):
    """One SQL statement of a write; all of a record's statements share its savepoint."""

    shorthand: ClassVar[str | None] = "sql"
    sql: Annotated[str, Field(min_length=1)]
    each: Literal["lines"] | None = None
    when: tuple[str, ...] = ()
    """update only: run if one of these canonical fields changed. Together they are what an update may touch."""
    rows: Annotated[int, Field(ge=0)] | Literal["any"] | None = None
    """How many rows it must touch, per line with ``each``; default 1 for a statement that writes, else not checked."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuples(value, "when")

    def parameters(self) -> tuple[str, ...]:
        return tuple(text(self.sql).compile().params)

    def expected_rows(self) -> int | None:
        if self.rows is None:
            return 1 if _WRITING.match(self.sql) else None
        return None if self.rows == "any" else self.rows


class FindSpec(Spec):
    marker: Column
    void: dict[str, Any] = {}
    """How a voided document reads: canonical field -> value."""


def _alphabet(text: str) -> str:
    try:
        re.compile(f"[{text}]")
    except re.error as error:
        raise ValueError(f"is no list of characters ({error}); write it as A-Za-z0-9-") from None
    return text


class CapabilitySpec(Spec):
    create: bool = False
    update: bool = False
    void: bool = False
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1000
    max_lengths: dict[str, Annotated[int, Field(ge=1)]] = {}
    max_digits: dict[str, Annotated[int, Field(ge=1)]] = {}
    decimals: dict[str, Annotated[int, Field(ge=0)]] = {}
    alphabets: dict[str, Annotated[str, Field(min_length=1), AfterValidator(_alphabet)]] = {}
    """Characters that a field takes, as inside a regular expression's brackets: ``A-Za-z0-9-``."""
    accepts_zero: bool = True
    sub_jobs: bool = True
    tax: bool = True


class WriteSpec(Spec):
    create: tuple[Statement, ...] = ()
    update: tuple[Statement, ...] = ()
    void: tuple[Statement, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuples(value, *WRITES)


PAGE_PARTS = ("id", "company", "number")
"""What of a record may stand in the address of its page."""


class EntitySpec(Spec):
    source: From = Field(alias="from")
    key_columns: tuple[Column, ...]
    """Together unique and never NULL: the order of paging."""
    id: FieldSpec
    company: FieldSpec
    number: FieldSpec
    changed_since: ChangedSince | None = None
    scope: Column | None = None
    fields: dict[str, FieldSpec]
    lines: LinesSpec | None = None
    find: FindSpec | None = None
    capabilities: CapabilitySpec = CapabilitySpec()
    parameters: dict[str, ParameterSpec] = {}
    write: WriteSpec = WriteSpec()
    web_url: Annotated[str, Field(pattern="^https?://")] | None = None
    """A record's page in the ERP's web application, with :data:`PAGE_PARTS` in braces."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuples(value, "key_columns")

    def keeps(self) -> frozenset[str]:
        """The canonical fields that the ERP has a place for (``Capability.keeps``): those that the file maps. A constant that is
        empty is no place."""
        found = {"id", "company", "number", *_mapped(self.fields)}
        if "status" in found:
            found.add("active")  # a job's, which its status tells
        if self.lines:
            own = _mapped(self.lines.fields)
            found |= {"lines", *(f"lines.{name}" for name in own)}
        return frozenset(found)

    def capability(self, line: type[LineModel] | None = None) -> Capability:
        """``line``: the model of the entity's lines, which knows what tells them apart."""
        spec, keeps = self.capabilities, self.keeps()
        if line is not None and keeps >= {f"lines.{name}" for name in line.keyed}:
            keeps |= {"lines.key"}
        return Capability(
            create=spec.create,
            update=spec.update,
            void=spec.void,
            changed_since=self.changed_since is not None,
            pages=self.web_url is not None,
            batch=spec.batch,
            max_lengths=dict(spec.max_lengths),
            max_digits=dict(spec.max_digits),
            decimals=dict(spec.decimals),
            alphabets=dict(spec.alphabets),
            accepts_zero=spec.accepts_zero,
            sub_jobs=spec.sub_jobs,
            tax=spec.tax,
            keeps=keeps,
        )


def _mapped(fields: dict[str, FieldSpec]) -> set[str]:
    return {name for name, spec in fields.items() if not (spec.is_constant and spec.constant is None)}


class MappingSpec(Spec):
    kind: Literal["sql"] = "sql"
    system: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """First part of every external id."""
    now: str | dict[str, str] = "SELECT CURRENT_TIMESTAMP"
    """The ERP's clock; a block gives one statement per database (sqlite, postgresql, ..., default)."""
    timezone: Zone = "UTC"
    """Of a clock that answers without a zone."""
    entities: dict[str, EntitySpec]
    settings: dict[str, SettingSpec] = {}
