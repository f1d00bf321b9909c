"""The keys of a mapping file that every kind of ERP has, their defaults, and what is allowed in each.

A kind builds on these models (``include/erp/sql/grammar.py``): :class:`MappingSpec` with the kind's :class:`EntitySpec`, its
:class:`LinesSpec` and its :class:`CallSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from include.configfile import Loc
from include.erp.codecs import Storage
from include.erp.mapping.block import PART, Column, Mask, Spec, Template, TypeName, Zone, no_fault, tuples
from include.financials.port import Capability
from include.financials.record import LineModel, Record

WRITES: tuple[Literal["create", "update", "void"], ...] = ("create", "update", "void")


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

    @classmethod
    def expand(cls, value: str) -> dict[str, Any]:
        return {"template" if "{" in value else "column": value}

    @model_validator(mode="after")
    def _one(self) -> FieldSpec:
        if len({"column", "template", "constant", "list"} & self.model_fields_set) != 1:
            raise PydanticCustomError("one_of", "needs exactly one of column, template, constant, list")
        return self

    @property
    def is_constant(self) -> bool:
        return "constant" in self.model_fields_set

    def columns(self) -> tuple[str, ...]:
        """The names in the row that the field is made of."""
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
        return tuples(value, "allowed")


class LinesSpec(Spec):
    """The lines of a document. Where they come from is the kind's."""

    fields: Mapping[str, FieldSpec]
    parameters: dict[str, ParameterSpec] = Field(default_factory=dict)


class CallSpec(Spec):
    """One call of a write (a statement, a request, a record of a file): what it binds, and when it is made."""

    place: ClassVar[str]
    """The key that holds what is sent, for messages."""
    shown: ClassVar[str] = ":{}"
    """How a bound name is written in it."""
    when: tuple[str, ...] = ()
    """update only: made if one of these canonical fields changed. Together they are what an update may touch."""
    only: dict[str, tuple[Any, ...]] = Field({}, alias="if")
    """Made only of records with these values: canonical field -> one value, or several."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        given = tuples(value, "when")
        if isinstance(given, dict) and isinstance(given.get("if"), dict):
            given["if"] = {name: tuple(v) if isinstance(v, list) else (v,) for name, v in given["if"].items()}
        return given

    def applies(self, record: Record, changes: Sequence[str]) -> bool:
        """Whether it is made of this record."""
        return (not self.when or not set(self.when).isdisjoint(changes)) and all(
            getattr(record, name) in values for name, values in self.only.items()
        )

    @property
    def per_line(self) -> bool:
        """Whether it says anything of lines."""
        return bool(self.line_binds())

    def binds(self) -> tuple[str, ...]:
        """What it binds of the document."""
        raise NotImplementedError

    def answers(self) -> tuple[str, ...]:
        """Names that its answer gives to the calls after it: ids that the ERP makes."""
        return ()

    def line_binds(self) -> tuple[str, ...]:
        """What it binds of each line: a name is the line's if lines have it, else the document's."""
        return ()


class FindSpec(Spec):
    marker: Column
    void: dict[str, Any] = Field(default_factory=dict)
    """How a voided document reads: canonical field -> value."""


class AcceptedSpec(Spec):
    """Which rows are handed over and not yet in the books: they stand in a staging table, a file, an approval."""

    column: Column
    values: tuple[Any, ...]
    """What the column says of a row that waits."""
    said: Column | None = None
    """Where the ERP says why it refuses what was handed over; blank as long as it does not."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "values")


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
    max_lengths: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    max_digits: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    decimals: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    alphabets: dict[str, Annotated[str, Field(min_length=1), AfterValidator(_alphabet)]] = Field(default_factory=dict)
    """Characters that a field takes, as inside a regular expression's brackets: ``A-Za-z0-9-``."""
    accepts_zero: bool = True
    sub_jobs: bool = True
    tax: bool = True

    @property
    def writes(self) -> bool:
        return self.create or self.update or self.void


class WriteSpec(Spec):
    create: tuple[CallSpec, ...] = ()
    update: tuple[CallSpec, ...] = ()
    void: tuple[CallSpec, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, *WRITES)

    def calls(self, action: str) -> tuple[CallSpec, ...]:
        found: tuple[CallSpec, ...] = getattr(self, action)
        return found

    def shared(self, action: str) -> tuple[str, ...]:
        """What calls that are made once for many documents bind: the same for all of them."""
        return ()

    def answers(self, action: str) -> tuple[str, ...]:
        """Names that the answers of such calls give to the documents' calls."""
        return ()

    def faults(self, entity: EntitySpec) -> Iterator[tuple[Loc, str]]:
        """What the kind finds wrong with the writes of an entity, with the place within the entity's block."""
        yield from ()


PAGE_PARTS = ("id", "company", "number")
"""What of a record may stand in the address of its page."""


class EntitySpec(Spec):
    id: FieldSpec
    company: FieldSpec
    number: FieldSpec
    changed_since: ChangedSince | None = None
    scope: Column | None = None
    fields: Mapping[str, FieldSpec]
    lines: LinesSpec | None = None
    find: FindSpec | None = None
    accepted: AcceptedSpec | None = None
    capabilities: CapabilitySpec = CapabilitySpec()
    parameters: dict[str, ParameterSpec] = Field(default_factory=dict)
    masks: dict[str, Mask] = Field(default_factory=dict)
    """Names whose values read otherwise than the ERP keeps them: ``job: "##-###"`` for 25104, which is 25-104."""
    write: WriteSpec = WriteSpec()
    web_url: Annotated[str, Field(pattern="^https?://")] | None = None
    """A record's page in the ERP's web application, with :data:`PAGE_PARTS` in braces."""

    def faults(self, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        """What the kind finds wrong with the entity, with the place within its block."""
        yield from self.write.faults(self)

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


def _mapped(fields: Mapping[str, FieldSpec]) -> set[str]:
    return {name for name, spec in fields.items() if not (spec.is_constant and spec.constant is None)}


class MappingSpec(Spec):
    kind: str
    system: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """First part of every external id."""
    timezone: Zone = "UTC"
    """Of a clock that answers without a zone."""
    entities: Mapping[str, EntitySpec]
    settings: dict[str, SettingSpec] = Field(default_factory=dict)
    fragments: dict[str, Any] = Field(default_factory=dict)
    """Nothing of its own: where a file keeps what it repeats by YAML anchors."""
    extends: str | None = None
    """The file that this one is a variant of; ``load_yaml`` has joined the two."""
    writes: str | None = None
    """Another kind, which takes the documents: ``write`` of the entities is in its words, and :attr:`kind` only reads."""

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """What the kind finds wrong with the file as a whole, with its place."""
        yield from ()

    @staticmethod
    def name_fault(name: str) -> str | None:
        """What is wrong with a name in the kind's rows; reads on after it: ``is not a column name``."""
        return no_fault(name)
