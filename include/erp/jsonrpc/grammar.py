"""The keys of a mapping file that are those of an ERP with models: which one is read, and the calls that write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from include.configfile import Loc
from include.erp.json import paths, patterns
from include.erp.jsonrpc.presets import PRESETS
from include.erp.mapping.block import Spec, suggest, tuples
from include.erp.mapping.spec import CallSpec, EntitySpec, LinesSpec, MappingSpec, WriteSpec
from include.financials.record import Record

_PLAIN = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*")


def plain(name: str) -> bool:
    """Whether a name is a path of fields, which the ERP itself can search by."""
    return bool(_PLAIN.fullmatch(name))


def _preset(value: Any) -> Any:
    if value not in PRESETS:
        raise PydanticCustomError(
            "preset", "{value} is no preset{hint}", {"value": repr(value), "hint": suggest(str(value), PRESETS)}
        )
    return value


def _domain(value: Any) -> Any:
    ok = isinstance(value, list) and all(one in ("AND", "OR") or isinstance(one, list) for one in value)
    if not ok:
        raise PydanticCustomError("domain", "must be a list of conditions [field, operator, value]")
    return value


def _path(value: str) -> str:
    if (fault := paths.fault(value)) is not None:
        raise PydanticCustomError("path", "{fault}", {"fault": fault})
    return value


ModelName = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$")]
FieldPath = Annotated[str, Field(pattern=rf"^{_PLAIN.pattern}$")]
SearchDomain = Annotated[list[Any], BeforeValidator(_domain)]


def _condition(value: Any) -> Any:
    if not (isinstance(value, tuple) and len(value) > 2 and all(isinstance(one, str) for one in value)):
        raise PydanticCustomError("condition", "must be a field, [field, model] or [field, operator, value, model ...]")
    return value


Condition = Annotated[tuple[str, ...], BeforeValidator(_condition)]


class Joined(Spec):
    """Records of another model. ``on``: a reference of ours (``account.invoice,7``) that may lead to several models, to this
    one, or of a record that was joined before (``undone.origin``); ``back``: a reference of theirs that leads to us, and there
    may be many of them."""

    model: ModelName
    on: FieldPath | None = None
    back: FieldPath | None = None
    fields: tuple[FieldPath, ...]

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "fields")

    @model_validator(mode="after")
    def _one(self) -> Joined:
        if (self.on is None) == (self.back is None):
            raise PydanticCustomError("one_of", "needs exactly one of on, back")
        return self


class Source(Spec):
    """Records of a model. ``fields`` are read of each (``lines.unit.symbol``); ``where`` says which there are for us."""

    model: ModelName
    where: SearchDomain = Field(default_factory=list)
    fields: tuple[FieldPath, ...]
    rows: Annotated[str, AfterValidator(_path)] = "[@]"
    """The records that a record of the ERP is: a path into it, to a list. Names lead into what is listed."""
    joins: dict[str, Joined] = Field(default_factory=dict)
    """Under their names they stand in the document beside its fields."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "fields")


class JsonLines(LinesSpec):
    """``from``: where in the document they are. Rows of the ERP that ``by`` gives the same value are one line of ours, and names
    lead into the list of them."""

    source: str = Field(alias="from")
    by: str | None = None


class Call(CallSpec):
    """One remote procedure: ``create`` a record, ``press`` a button (``model.button``), ``write`` to a record."""

    place: ClassVar[str] = "values"
    create: ModelName | None = None
    press: ModelName | None = None
    write: ModelName | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    once: dict[str, Any] = Field(default_factory=dict)
    """create: what tells the record from all others; where it is there already it is not made twice."""
    beside: dict[str, Any] = Field(default_factory=dict)
    """create: ``{each: ...}``, further records of the model, made in the same transaction."""
    unique: dict[str, Any] = Field(default_factory=dict)
    """create: values that no other record of the model may have, where the ERP itself takes a number twice; ``[operator, value]``
    for another comparison than equality."""
    redo: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """create: states of a record that is not in the books yet, and the buttons after which it can be deleted. One that an earlier
    attempt left so may hold what was true then: it is deleted and made anew."""
    each: Literal["lines"] | None = None
    """create: a record for each line."""
    name: Annotated[str, Field(pattern="^[a-z]+$", alias="as")] = "document"
    """create: what the record is called in later calls (``$document``)."""
    on: str = "$document"
    """press and write: which record."""
    given: dict[str, Any] = Field(default_factory=dict)
    """press: made only if these bound values are so (a choice of the installation)."""
    needs: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """press: values of the record's fields without which it is refused."""
    state: str = "state"
    before: tuple[str, ...] = Field((), alias="from")
    """press: states in which it is pressed. Afterwards the record must have left them: an ignored button says nothing."""

    @model_validator(mode="before")
    @classmethod
    def _more_lists(cls, value: Any) -> Any:
        value = tuples(value, "from")
        if isinstance(value, dict) and isinstance(value.get("redo"), dict):
            value = {**value, "redo": {state: tuple(buttons or ()) for state, buttons in value["redo"].items()}}
        if isinstance(value, dict) and isinstance(value.get("needs"), dict):
            value = {**value, "needs": {name: tuple(values) for name, values in value["needs"].items()}}
        return value

    @model_validator(mode="after")
    def _one(self) -> Call:
        if sum(one is not None for one in (self.create, self.press, self.write)) != 1:
            raise PydanticCustomError("one_of", "needs exactly one of create, press, write")
        if self.create and not self.once:
            raise PydanticCustomError("once", "a create needs `once`: by what the record is found again")
        if self.press and not self.before:
            raise PydanticCustomError("from", "a press needs `from`: the states in which the button does something")
        return self

    @property
    def model(self) -> str:
        return self.create or self.write or (self.press or "").rpartition(".")[0]

    @property
    def per_line(self) -> bool:
        return self.each is not None or bool(self.line_binds())

    def binds(self) -> tuple[str, ...]:
        header, _ = self._bound()
        return header

    def line_binds(self) -> tuple[str, ...]:
        _, lines = self._bound()
        return lines

    def _bound(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found: dict[bool, dict[str, None]] = {False: {}, True: {}}
        for name, in_line in patterns.bound((self.values, self.once, self.beside, self.unique, self.on), self.each is not None):
            found[in_line][name] = None
        found[False] |= dict.fromkeys(self.given)
        return tuple(found[False]), tuple(found[True])


class JsonWrite(WriteSpec):
    create: tuple[Call, ...] = ()
    update: tuple[Call, ...] = ()
    void: tuple[Call, ...] = ()


class JsonEntity(EntitySpec):
    source: Source = Field(alias="from")
    since: tuple[FieldPath, ...] = ()
    """Fields that move when anything of the record does; default: the field of ``changed_since``."""
    scoped: tuple[FieldPath | tuple[FieldPath, ModelName] | Condition, ...] = ()
    """Fields of which one holds the project, where ``scope`` is none itself; with the model, if a reference is on the way. Or
    conditions of which a record of the project ``{scope}`` fits one."""
    asked: SearchDomain = Field(default_factory=list)
    """Conditions of which a record with the id ``{id}`` fits one, where the id is no field of the model; parts of a template by
    their names."""
    marked: SearchDomain = Field(default_factory=list)
    """The same of the marker ``{marker}``, where it has no field to itself."""
    lines: JsonLines | None = None
    write: JsonWrite = JsonWrite()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        value = tuples(value, "since", "scoped")
        if isinstance(value, dict) and isinstance(value.get("scoped"), tuple):
            return {**value, "scoped": tuple(tuple(one) if isinstance(one, list) else one for one in value["scoped"])}
        return value

    def faults(self, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        if not self.asked and not all(map(plain, self.id.columns())):
            yield ("id",), "must be made of fields of the model, or say with `asked` how a record of that id is searched"
        if self.find and not self.marked and not plain(self.find.marker):
            yield ("find", "marker"), "must be a field of the model, or say with `marked` how a record of that marker is searched"
        if self.scope and not self.scoped and not plain(self.scope):
            yield ("scope",), "must be a field of the model, or say with `scoped` which fields hold the project"
        yield from super().faults(model)


class JsonMapping(MappingSpec):
    kind: Literal["jsonrpc"] = "jsonrpc"
    preset: Annotated[str, BeforeValidator(_preset)]
    warnings: dict[str, Literal["accept", "refuse"]] = Field(default_factory=dict)
    """By the end of the name of an ERP's warning; what is not named is refused."""
    entities: Mapping[str, JsonEntity]

    @staticmethod
    def name_fault(name: str) -> str | None:
        return paths.fault(name)
