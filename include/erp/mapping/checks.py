"""What pydantic cannot see: a mapping file against the canonical models, and what its statements may bind."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from include.configfile import Loc
from include.erp.mapping.block import PART, suggest
from include.erp.mapping.shape import header_uses, line_uses
from include.erp.mapping.spec import PAGE_PARTS, WRITES, CallSpec, EntitySpec, FieldSpec, MappingSpec, ParameterSpec
from include.financials.entities import OF_ERP
from include.financials.record import LineModel, Record

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
    return tuple(PART.findall(template))


def field_parameters(name: str, spec: FieldSpec) -> tuple[str, ...]:
    """Parameters that a mapped field offers: itself, and ``field__column`` for each part of its template."""
    if spec.list is not None:
        return ()
    return (name, *(f"{name}__{column}" for column in (spec.columns() if spec.template else ())))


class Checks:
    """One pass over a well-formed file; every ``_...`` method yields (place, sentence)."""

    def __init__(self, spec: MappingSpec) -> None:
        self.spec = spec

    def faults(self) -> Iterator[tuple[Loc, str]]:
        for name, setting in self.spec.settings.items():
            if setting.default not in setting.allowed:
                yield ("settings", name, "default"), f"{setting.default!r} is not among its `allowed`"
        yield from self.spec.faults()
        for name, entity in self.spec.entities.items():
            loc: Loc = ("entities", name)
            if name not in OF_ERP:
                yield loc, f"is no entity{suggest(name, OF_ERP)}"
                continue
            model = OF_ERP[name]
            yield from self._entity(loc, entity, model)
            yield from self._writes(loc, entity, model)

    def _entity(self, loc: Loc, entity: EntitySpec, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        for place, fault in entity.faults(model):
            yield (*loc, *place), fault
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
        used = {name for _, name in (*header_uses(entity), *line_uses(entity))}
        for name in entity.masks:
            if name not in used:
                yield (*loc, "masks", name), f"is no name that the entity reads{suggest(name, sorted(used))}"
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
        self, loc: Loc, fields: Mapping[str, FieldSpec], model: type[BaseModel], own: set[str], hint: dict[str, str]
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
        values = [((*loc, "constant"), spec.constant)] if spec.is_constant else []
        values += [((*loc, "map", key), value) for key, value in (spec.map or {}).items()]
        for place, value in values:
            if fault := _unfit(info, value):
                yield place, fault

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
        if entity.accepted and entity.find is None:
            yield (*loc, "find"), "is required with `accepted`: what is handed over is found again by its marker"
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
            given: set[str] = set(entity.write.answers(action))
            for index, call in enumerate(entity.write.calls(action)):
                yield from self._call((*loc, "write", action, index), action, call, entity, model, given)
                given |= set(call.answers())

    @staticmethod
    def _parameter_blocks(
        loc: Loc, entity: EntitySpec, model: type[Record]
    ) -> Iterator[tuple[Loc, dict[str, ParameterSpec], list[str]]]:
        yield (*loc, "parameters"), entity.parameters, [n for n, info in model.model_fields.items() if not is_list(info)]
        if entity.lines:
            yield (*loc, "lines", "parameters"), entity.lines.parameters, list(line_fields(model))

    @staticmethod
    def _answers(loc: Loc, call: CallSpec, entity: EntitySpec) -> Iterator[tuple[Loc, str]]:
        taken = header_parameters(entity) | (line_parameters(entity) if entity.lines else set())
        for name in call.answers():
            if name in taken:
                yield (*loc, "gives"), f"'{name}' is a parameter already; what the ERP gives needs a name of its own"

    def _call(
        self, loc: Loc, action: str, call: CallSpec, entity: EntitySpec, model: type[Record], given: set[str]
    ) -> Iterator[tuple[Loc, str]]:
        """``given``: names that earlier calls give."""
        if call.per_line and entity.lines is None:
            yield (*loc, "each"), "there is no `lines` block to take lines from"
            return
        known = [(call.binds(), header_parameters(entity))]
        if entity.lines is not None:
            known.append((call.line_binds(), line_parameters(entity)))
        for names, allowed in known:
            for name in names:
                if name not in allowed | given:
                    shown = call.shown.format(name)
                    yield (*loc, call.place), f"parameter {shown} is not known{suggest(name, sorted(allowed | given))}"
        for name, values in call.only.items():
            if name not in model.model_fields or is_list(model.model_fields[name]):
                yield (*loc, "if", name), f"is no canonical field{suggest(name, model.model_fields)}"
                continue
            for value in values:
                if fault := _unfit(model.model_fields[name], value):
                    yield (*loc, "if", name), fault
        yield from self._answers(loc, call, entity)
        if action == "update" and not call.when:
            yield (*loc, "when"), "is required in an update: the canonical fields whose change this statement writes"
        if action != "update" and call.when:
            yield (*loc, "when"), "goes with update statements only"
        for name in call.when:
            if name not in model.model_fields:
                yield (*loc, "when"), f"'{name}' is no canonical field{suggest(name, model.model_fields)}"


def _unfit(info: FieldInfo, value: Any) -> str | None:
    """Why a value of the file cannot be one of a canonical field."""
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)  # type: ignore[arg-type]
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        return f"{value!r} does not fit the canonical field: {error.errors()[0]['msg']}"
    return None


def line_fields(model: type[Record]) -> dict[str, FieldInfo]:
    """The canonical fields of an entity's lines that an ERP may keep; none where it has no lines."""
    line: type[LineModel] | None = model.line
    return {name: info for name, info in line.model_fields.items() if name not in line.unmapped} if line else {}


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
