"""Mapping files: one YAML that says where an ERP database keeps the canonical fields and how a document is written to it.

``load_mapping`` refuses a bad file before any database is asked, with one line per fault: ``file:line: key: what is allowed``.
The keys are explained for authors in docs/erp-sql-adapter.md.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from sqlalchemy import text

from include.erp.codecs import TYPES, Storage
from include.financials.entities import MODELS
from include.financials.exceptions import ConfigurationError
from include.financials.port import Capability
from include.financials.record import LineModel, Record

Loc = tuple[str | int, ...]
WRITES = ("create", "update", "void")

_IDENTIFIER = re.compile(r"[A-Za-z_][\w$#]*")
_SOURCE = re.compile(r"(?i)\s*(select|with)\b")
_WRITING = re.compile(r"(?is)\s*(insert|update|delete|merge|replace|with\b.*\b(insert|update|delete))\b")
_PART = re.compile(r"\{([^{}]*)\}")


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
    if isinstance(value, str) and (parts := _PART.findall(value)):
        rest = _PART.sub("", value)
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
            return tuple(_PART.findall(self.template))
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


# ---------------------------------------------------------------------------------------------------------------------------
# Loading, with line numbers


@dataclass(frozen=True, slots=True)
class Places:
    """Where the keys of a file stand. ``lines``: line (from 1) of each key and element; ``lists``: which blocks are lists."""

    path: Path
    lines: dict[Loc, int]
    lists: set[Loc]

    def line(self, loc: Loc) -> int:
        """The line of a place, or of the nearest block around it."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)

    def at(self, *loc: str | int) -> str:
        """``file:line: key.path``; elements of lists are counted from 1."""
        names = [str(int(part) + 1) if loc[:index] in self.lists else str(part) for index, part in enumerate(loc)]
        return f"{self.path}:{self.line(loc)}" + (f": {'.'.join(names)}" if names else "")


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file that was found good. ``at`` names a place of it for messages."""

    spec: MappingSpec
    places: Places

    @property
    def system(self) -> str:
        return self.spec.system

    def at(self, *loc: str | int) -> str:
        return self.places.at(*loc)

    def entity(self, name: str) -> EntitySpec:
        """Raises ConfigurationError when the file says nothing of the entity."""
        try:
            return self.spec.entities[name]
        except KeyError:
            raise ConfigurationError(
                f"{self.at('entities')}: has no '{name}'. Add it, or switch the entity off in the settings."
            ) from None

    def settings(self, chosen: MappingOf[str, Any]) -> dict[str, Any]:
        """Every setting's value: as chosen, else its default. Raises ConfigurationError for one that the file does not offer."""
        known = self.spec.settings
        for name, value in chosen.items():
            if name not in known:
                raise ConfigurationError(f"{self.at('settings')}: offers no setting {name!r}{suggest(name, known)}")
            if value not in known[name].allowed:
                raise ConfigurationError(
                    f"{self.at('settings', name)}: {value!r} is not allowed{suggest(value, known[name].allowed)}"
                )
        return {name: spec.default for name, spec in known.items()} | dict(chosen)


def load_yaml(path: Path) -> tuple[Any, Places]:
    """A YAML file as plain values, and where its keys stand; nobody may change them. Raises ConfigurationError."""
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _parsed(path: Path, changed: int, size: int) -> tuple[Any, Places]:
    """Parsed once per version of the file: a task opens its systems more than once, and parsing takes a third of a second."""
    try:
        with path.open(encoding="utf-8") as file:
            data = YAML(typ="rt").load(file)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem or error).split("\n")[0]
        if "duplicate key" in problem:
            problem = (
                f"{problem.split(' with value')[0].replace('found duplicate', 'duplicate')}: a key may stand once in a block"
            )
        raise ConfigurationError(f"{path}:{line}: {problem}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}:1: is not YAML in UTF-8: {error}") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    places = Places(path, {(): 1}, set())
    return _plain(data, (), places), places


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot be read ({error.strerror}). Check the path of the mapping file.")


def _plain(node: Any, loc: Loc, places: Places) -> Any:
    lines = places.lines
    if isinstance(node, CommentedMap):
        for key in node:
            # Keys that came in through a merge (<<) have no place of their own.
            lines[*loc, key] = (node.lc.data or {}).get(key, [lines[loc] - 1])[0] + 1
        return {_scalar(key): _plain(value, (*loc, key), places) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        places.lists.add(loc)
        for index in range(len(node)):
            lines[*loc, index] = node.lc.item(index)[0] + 1
        return [_plain(value, (*loc, index), places) for index, value in enumerate(node)]
    return _scalar(node)


def _scalar(value: Any) -> Any:
    """ruamel's round-trip scalars are subclasses; the models are strict."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return Decimal(str(value))  # a number with a point is never a binary float here
    for plain in (str, int):
        if isinstance(value, plain):
            return plain(value)
    return value


def load_mapping(path: str | Path) -> Mapping:
    """Read and check a mapping file. Raises ConfigurationError with every fault found, one per line, with file, line and key."""
    data, places = load_yaml(Path(path))
    faults: list[tuple[Loc, str]] = []
    spec: MappingSpec | None = None
    try:
        spec = MappingSpec.model_validate(data)
    except ValidationError as error:
        for fault in error.errors():
            faults.extend(_fault(fault, places.lines))
    if spec is not None:
        faults.extend(_Checks(spec).faults())
    if faults:
        faults.sort(key=lambda fault: places.line(fault[0]))
        raise ConfigurationError("\n".join(f"{places.at(*loc)}: {message}" for loc, message in faults))
    assert spec is not None
    return Mapping(spec, places)


def _fault(error: Any, lines: dict[Loc, int]) -> Iterator[tuple[Loc, str]]:
    """pydantic's error as (place, sentence). Parts of the location that are not in the file (union branches) are left out."""
    loc: Loc = ()
    for part in error["loc"]:
        if (*loc, part) in lines:
            loc = (*loc, part)
    context = error.get("ctx") or {}
    match error["type"]:
        case "unknown_keys":
            for key in context["keys"]:
                yield (*loc, key), f"unknown key{suggest(key, context['allowed'])}"
        case "missing":
            yield (*loc, error["loc"][-1]), "is required and missing"
        case "literal_error":
            allowed = re.findall(r"'([^']*)'", context["expected"])
            yield loc, f"{error['input']!r} is not allowed{suggest(error['input'], allowed)}"
        case _:
            found = error["input"]
            shown = "value" in context or not isinstance(found, str | int | Decimal) or len(str(found)) > 40
            yield loc, error["msg"] + ("" if shown else f" (found {found!r})")


# ---------------------------------------------------------------------------------------------------------------------------
# What pydantic cannot see: the file against the canonical models

OWN_KEYS = {"id": "id", "company": "company", "number": "number", "updated_at": "changed_since", "lines": "lines"}
"""Canonical fields that have a key of their own in the entity's block."""
BASE_PARAMETERS = ("company", "number", "id", "marker", "origin_id", "procore_id")
"""Parameters every write statement knows, besides the mapped fields."""


def kind_of(info: FieldInfo) -> str:
    """The storage type that a canonical field has unless the mapping says otherwise."""
    annotation = info.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    names = {"str": "text", "int": "integer", "bool": "boolean", "Decimal": "decimal", "date": "date", "datetime": "timestamp"}
    return names.get(getattr(annotation, "__name__", ""), "text")


def is_list(info: FieldInfo) -> bool:
    return get_origin(info.annotation) is tuple


def is_mappable(info: FieldInfo) -> bool:
    """Rows within rows (the items of a G703) are Procore's; an ERP keeps one level of lines, which has a block of its own."""
    element = get_args(info.annotation)[0] if is_list(info) else None
    return not (isinstance(element, type) and issubclass(element, BaseModel))


def parts(template: str) -> tuple[str, ...]:
    return tuple(_PART.findall(template))


def field_parameters(name: str, spec: FieldSpec) -> tuple[str, ...]:
    """Parameters that a mapped field offers: itself, and ``field__column`` for each part of its template."""
    if spec.list is not None:
        return ()
    return (name, *(f"{name}__{column}" for column in (spec.columns() if spec.template else ())))


class _Checks:
    """One pass over a well-formed file; every ``_...`` method yields (place, sentence)."""

    def __init__(self, spec: MappingSpec) -> None:
        self.spec = spec

    def faults(self) -> Iterator[tuple[Loc, str]]:
        for name, setting in self.spec.settings.items():
            if setting.default not in setting.allowed:
                yield ("settings", name, "default"), f"{setting.default!r} is not among its `allowed`"
        for name, entity in self.spec.entities.items():
            loc: Loc = ("entities", name)
            if name not in MODELS:
                yield loc, f"is no entity{suggest(name, MODELS)}"
                continue
            model = MODELS[name]
            yield from self._entity(loc, entity, model)
            yield from self._writes(loc, entity, model)

    def _entity(self, loc: Loc, entity: EntitySpec, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        if not entity.key_columns:
            yield (*loc, "key_columns"), "needs at least one column"
        if entity.id.is_constant or entity.id.list is not None:
            yield (*loc, "id"), "must be a column or a template of columns"
        for key, field in (("id", entity.id), ("company", entity.company), ("number", entity.number)):
            if field.map is not None or field.list is not None:
                yield (*loc, key), "must be a column, a template or a constant"
        if entity.changed_since and (entity.changed_since.type or "timestamp") not in (
            "timestamp",
            "timestamptz",
            "timestamp_text",
        ):
            yield (
                (*loc, "changed_since", "type"),
                f"'{entity.changed_since.type}' is no time. Allowed: timestamp, timestamptz, timestamp_text",
            )
        yield from self._fields((*loc, "fields"), entity.fields, model, set(OWN_KEYS), hint=OWN_KEYS)
        if entity.lines:
            if model.line is None:
                yield (*loc, "lines"), f"{model.entity} have no lines"
            else:
                yield from self._fields((*loc, "lines", "fields"), entity.lines.fields, model.line, set(), hint={})
        if wrong := [part for part in re.findall(r"{([^}]*)}", entity.web_url or "") if part not in PAGE_PARTS]:
            yield (*loc, "web_url"), f"has {{{wrong[0]}}}. Allowed: {', '.join(f'{{{part}}}' for part in PAGE_PARTS)}"
        yield from self._limits(loc, entity, model)
        yield from self._statuses(loc, entity, model)

    @staticmethod
    def _statuses(loc: Loc, entity: EntitySpec, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        """What the file translates statuses into must be words that the rules know. Words that it leaves as they are stand in the
        database: those are looked at when a record is read."""
        allowed, spec = model.statuses, entity.fields.get("status")
        if not allowed or spec is None:
            return
        place = (*loc, "fields", "status")
        words = [((*place, "constant"), spec.constant)] if spec.is_constant else []
        words += [((*place, "map", key), word) for key, word in (spec.map or {}).items()]
        if spec.map is None:
            words += [((*place, "write_map", key), word) for key, word in (spec.write_map or {}).items()]
        if entity.find and "status" in entity.find.void:
            words.append(((*loc, "find", "void", "status"), entity.find.void["status"]))
        for where, word in words:
            if word not in allowed:
                yield where, f"{word!r} is no status of {model.entity}{suggest(word, allowed)}"

    def _fields(
        self, loc: Loc, fields: dict[str, FieldSpec], model: type[BaseModel], own: set[str], hint: dict[str, str]
    ) -> Iterator[tuple[Loc, str]]:
        allowed = [name for name, info in model.model_fields.items() if name not in own and is_mappable(info)]
        for name, spec in fields.items():
            if name in hint:
                yield (*loc, name), f"stands outside `fields`, under `{hint[name]}`"
            elif name in model.model_fields and name not in allowed:
                yield (*loc, name), "is kept by Procore only and cannot be mapped"
            elif name not in allowed:
                yield (*loc, name), f"is no canonical field{suggest(name, allowed)}"
            else:
                yield from self._field((*loc, name), spec, model.model_fields[name])
        for name in allowed:
            if model.model_fields[name].is_required() and name not in fields:
                yield (
                    (*loc, name),
                    f"is required by the canonical {model.__name__} and not mapped. Map it to a column, or give a constant",
                )

    def _field(self, loc: Loc, spec: FieldSpec, info: FieldInfo) -> Iterator[tuple[Loc, str]]:
        if (spec.list is not None) != is_list(info):
            yield loc, "is a list of values; map it with list, from and join" if is_list(info) else "is one value, not a list"
            return
        kind = kind_of(info)
        stored = spec.type or kind
        pairs = {
            "decimal": ("decimal", "minor_units"),
            "date": ("date", "date_text"),
            "timestamp": ("timestamp", "timestamptz", "timestamp_text"),
        }
        if spec.map is None and not spec.is_constant and spec.list is None and stored not in pairs.get(kind, (kind,)):
            yield (
                (*loc, "type"),
                f"'{stored}' cannot hold this field. Allowed: {', '.join(pairs.get(kind, (kind,)))}; or give a map",
            )
        if "scale" in spec.model_fields_set and stored != "minor_units":
            yield (*loc, "scale"), "goes with type minor_units only"
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)  # type: ignore[arg-type]
        values = [((*loc, "constant"), spec.constant)] if spec.is_constant else []
        values += [((*loc, "map", key), value) for key, value in (spec.map or {}).items()]
        for place, value in values:
            try:
                adapter.validate_python(value, strict=True)
            except ValidationError as error:
                yield place, f"{value!r} does not fit the canonical field: {error.errors()[0]['msg']}"

    def _limits(self, loc: Loc, entity: EntitySpec, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        known = {*model.model_fields, *self._parts("number", entity.number)}
        for name, spec in entity.fields.items():
            known.update(self._parts(name, spec))
        known.update(f"lines.{name}" for name in line_fields(model))
        for key in ("max_lengths", "max_digits", "decimals", "alphabets"):
            for name in getattr(entity.capabilities, key):
                if name not in known:
                    yield (*loc, "capabilities", key, name), f"is no canonical field{suggest(name, sorted(known))}"

    @staticmethod
    def _parts(name: str, spec: FieldSpec) -> tuple[str, ...]:
        return field_parameters(name, spec)[1:]

    def _writes(self, loc: Loc, entity: EntitySpec, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        for action in WRITES:
            if getattr(entity.capabilities, action) and not getattr(entity.write, action):
                yield (*loc, "capabilities", action), f"is promised, but `write` has no {action} statements"
        if entity.write.create and entity.find is None:
            yield (*loc, "find"), "is required with `write: create`: without a marker a document could be written twice"
        if entity.write.void and not (entity.find and entity.find.void):
            yield (*loc, "find", "void"), "is required with `write: void`: the canonical field and value of a voided document"
        for name in entity.find.void if entity.find else {}:
            if name not in entity.fields:
                yield (*loc, "find", "void", name), f"is no mapped field{suggest(name, entity.fields)}"
        for owner, block, fields in self._parameter_blocks(loc, entity, model):
            for name, parameter in block.items():
                if parameter.field is not None and parameter.field not in fields:
                    yield (*owner, name, "field"), f"'{parameter.field}' is no canonical field{suggest(parameter.field, fields)}"
                if parameter.setting is not None and parameter.setting not in self.spec.settings:
                    yield (
                        (*owner, name, "setting"),
                        f"'{parameter.setting}' is not offered{suggest(parameter.setting, self.spec.settings)}",
                    )
        for action in WRITES:
            for index, statement in enumerate(getattr(entity.write, action)):
                yield from self._statement((*loc, "write", action, index), action, statement, entity, model)

    @staticmethod
    def _parameter_blocks(
        loc: Loc, entity: EntitySpec, model: type[Record]
    ) -> Iterator[tuple[Loc, dict[str, ParameterSpec], list[str]]]:
        yield (*loc, "parameters"), entity.parameters, [n for n, info in model.model_fields.items() if not is_list(info)]
        if entity.lines:
            yield (*loc, "lines", "parameters"), entity.lines.parameters, list(line_fields(model))

    def _statement(
        self, loc: Loc, action: str, statement: Statement, entity: EntitySpec, model: type[Record]
    ) -> Iterator[tuple[Loc, str]]:
        if statement.each and entity.lines is None:
            yield (*loc, "each"), "there is no `lines` block to take lines from"
            return
        known = header_parameters(entity) if statement.each is None else line_parameters(entity)
        for name in statement.parameters():
            if name not in known:
                yield (*loc, "sql"), f"parameter :{name} is not known{suggest(name, sorted(known))}"
        if action == "update" and not statement.when:
            yield (*loc, "when"), "is required in an update: the canonical fields whose change this statement writes"
        if action != "update" and statement.when:
            yield (*loc, "when"), "goes with update statements only"
        for name in statement.when:
            if name not in model.model_fields:
                yield (*loc, "when"), f"'{name}' is no canonical field{suggest(name, model.model_fields)}"


def line_fields(model: type[Record]) -> dict[str, FieldInfo]:
    """The canonical fields of an entity's lines; none where it has no lines."""
    line: type[LineModel] | None = model.line
    return line.model_fields if line else {}


def header_parameters(entity: EntitySpec) -> set[str]:
    """Names that a statement on the document itself may bind."""
    names = {*BASE_PARAMETERS, *entity.parameters, *field_parameters("id", entity.id), *field_parameters("number", entity.number)}
    for name, spec in entity.fields.items():
        names.update(field_parameters(name, spec))
    return names


def line_parameters(entity: EntitySpec) -> set[str]:
    """Names that an ``each: lines`` statement may bind: the line's, the document's as ``header__name``, and the document's plain
    name where the line has none of that name."""
    assert entity.lines is not None
    names = set(entity.lines.parameters)
    for name, spec in entity.lines.fields.items():
        names.update(field_parameters(name, spec))
    header = header_parameters(entity)
    return names | header | {f"header__{name}" for name in header}
