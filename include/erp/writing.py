"""The write side of the mapper: canonical records turned into the values that the calls of one action bind.

Everything that can be refused before the ERP is asked is refused here, with the field's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from decimal import Decimal
from typing import Any

from include.erp.codecs import FieldError, Unfit, codec, show
from include.erp.columns import kept, key_of, masked, splits
from include.erp.mapping.checks import field_parameters, kind_of, line_fields
from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import FieldSpec, MappingSpec, ParameterSpec
from include.erp.transport import Document, Writing
from include.financials.entities import MODELS
from include.financials.port import Capability, Item
from include.financials.record import LineModel, Record

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
HeaderValue = Callable[[Item], Any]
LineValue = Callable[[Item, LineModel], Any]


def check_limits(name: str, value: Any, capability: Capability) -> None:
    """Raises FieldError for a text, number or flag beyond what the ERP takes. Nothing is cut or rounded."""
    if isinstance(value, str):
        limit = capability.max_lengths.get(name)
        if limit is not None and len(value) > limit:
            raise FieldError(name, f"has {len(value)} characters, the ERP allows {limit}")
        if _UNSTORABLE.search(value):
            raise FieldError(name, "contains a character that no database stores (NUL or half a surrogate pair)")
    elif isinstance(value, Decimal):
        digits, decimals = capability.max_digits.get(name), capability.decimals.get(name)
        if digits is not None and abs(value) >= Decimal(10) ** digits:
            raise FieldError(name, f"is {value}, the ERP takes {digits} digits before the point")
        exponent = value.normalize().as_tuple().exponent
        if decimals is not None and isinstance(exponent, int) and -exponent > decimals:
            raise FieldError(name, f"is {value}, the ERP takes {decimals} decimals; we do not round")


class Encoder:
    """One canonical field's way into the ERP: limits, then unit, map or template."""

    def __init__(
        self, name: str, spec: FieldSpec | ParameterSpec, kind: str, capability: Capability, masks: MappingOf[str, str]
    ) -> None:
        self.name, self.spec, self.capability, self.masks = name, spec, capability, masks
        column = spec.column if isinstance(spec, FieldSpec) else None
        self.codec = masked(codec(spec.storage(kind)), masks.get(column or ""))
        self.template = spec.template if isinstance(spec, FieldSpec) else None

    def whole(self, value: Any) -> Any:
        if value is None:
            return self.spec.null_as
        check_limits(self.name, value, self.capability)
        try:
            return self.codec.encode(value)
        except Unfit as unfit:
            raise FieldError(self.name, str(unfit)) from None

    def part(self, value: Any, column: str) -> Any:
        """One column of a template's value: ``03-3000`` of ``25-104//03-3000`` for ``{job}/{sub_job}/{code}``."""
        if value is None:
            return self.spec.null_as
        check_limits(self.name, value, self.capability)
        found = list(splits(self.template or "", value))
        if len(found) != 1:
            how = "is not of the form" if not found else "can be read in more than one way as"
            raise FieldError(self.name, f"is {show(value)}, which {how} {self.template}")
        check_limits(f"{self.name}__{column}", found[0][column], self.capability)
        try:
            return kept(found[0][column], self.masks.get(column))
        except Unfit as unfit:
            raise FieldError(self.name, str(unfit)) from None

    def stored(self, value: Any) -> Any:
        """The canonical value that would be read back after writing ``value``."""
        if self.template is not None or (isinstance(self.spec, FieldSpec) and self.spec.is_constant):
            return value
        try:
            raw = self.spec.null_as if value is None else self.codec.encode(value)
            if raw is None or (isinstance(raw, str) and not raw.strip()):
                return (self.spec.map or {}).get(raw)
            return self.codec.decode(raw)
        except Unfit as unfit:
            raise FieldError(self.name, str(unfit)) from None


class Writer:
    """The values of one entity and action."""

    def __init__(
        self,
        mapping: Mapping[MappingSpec],
        name: str,
        action: Writing,
        marker: Callable[[Item], str | None],
        settings: MappingOf[str, Any],
    ) -> None:
        self.mapping, self.name, self.action = mapping, name, action
        self._marker, self._settings = marker, settings
        self.spec = mapping.entity(name)
        self.capability = self.spec.capability()
        self.encoders: dict[str, Encoder] = {}
        self.line_encoders: dict[str, Encoder] = {}
        self.header = self._header()
        self.lines = self._lines() if self.spec.lines else {}
        write = self.spec.write
        given = {*write.answers(action), *(name for call in write.calls(action) for name in call.answers())}
        self.calls = [(call, _without(given, call.binds()), _without(given, call.line_binds())) for call in write.calls(action)]
        self.shared = self.spec.write.shared(action)
        self.updatable = {field for call, _, _ in self.calls for field in call.when}

    # -- parameters by name

    def _header(self) -> dict[str, HeaderValue]:
        values: dict[str, HeaderValue] = {
            "company": lambda item: item.company,
            "marker": self.marker_of,
            "origin_id": lambda item: item.origin_id,
            "procore_id": lambda item: item.procore_id,
        }
        number = Encoder("number", self.spec.number, "text", self.capability, self.spec.masks)
        values.update(_field_values("number", self.spec.number, number, _of_record))
        identity = Encoder("id", self.spec.id, "text", self.capability, self.spec.masks)
        values.update(_field_values("id", self.spec.id, identity, lambda _field, item: item.erp_key))
        infos = MODELS[self.name].model_fields
        for field, spec in self.spec.fields.items():
            if field != "marker" and spec.list is None:
                self.encoders[field] = encoder = Encoder(field, spec, kind_of(infos[field]), self.capability, self.spec.masks)
                values.update(_field_values(field, spec, encoder, _of_record))
        for name, parameter in self.spec.parameters.items():
            values[name] = self._parameter(parameter, infos, "", _of_record)
        return values

    def _lines(self) -> dict[str, LineValue]:
        assert self.spec.lines is not None
        infos = line_fields(MODELS[self.name])
        values: dict[str, LineValue] = {}
        for name, header in self.header.items():
            values[name] = values[f"header__{name}"] = lambda item, _line, header=header: header(item)  # type: ignore[misc]
        for field, spec in self.spec.lines.fields.items():
            encoder = Encoder(f"lines.{field}", spec, kind_of(infos[field]), self.capability, self.spec.masks)
            self.line_encoders[field] = encoder
            values.update(_field_values(field, spec, encoder, _of_line))
        for name, parameter in self.spec.lines.parameters.items():
            values[name] = self._parameter(parameter, infos, "lines.", _of_line)
        return values

    def _parameter(self, spec: ParameterSpec, infos: Any, prefix: str, get: Callable[..., Any]) -> Callable[..., Any]:
        if spec.field is None:
            value = spec.constant if spec.setting is None else self._settings[spec.setting]
            return lambda *_: value
        field = spec.field
        encoder = Encoder(prefix + field, spec, kind_of(infos[field]), self.capability, self.spec.masks)
        return lambda *where: encoder.whole(get(field, *where))

    def marker_of(self, item: Item) -> str:
        marker = self._marker(item)
        if marker is None:
            raise FieldError("marker", "cannot be formed: the item names no Procore id")
        return marker

    # -- one record

    def bare(self, item: Item) -> Document:
        """The record without its values: enough to look it up."""
        key = key_of(self.spec, item.erp_key, item.company) if item.erp_key else None
        return Document(item.intent, self.name, item.company, item.number, self._marker(item), key, calls=(), header={})

    def prepare(self, item: Item) -> Document:
        """The record with the values that its calls bind. Raises FieldError for what the ERP could but refuse or distort."""
        if self.action == "update":
            for name in item.changes:
                if name not in self.updatable:
                    raise FieldError(
                        name,
                        f"cannot be changed in the ERP once the record is there; it takes {', '.join(sorted(self.updatable))}",
                    )
        if self.action != "create" and not item.erp_key:
            raise FieldError("id", "is not known: the item names no ERP key")
        applying = [index for index, (call, _, _) in enumerate(self.calls) if call.applies(item.record, item.changes)]
        if not applying and (field := self._excluded_by(item.record)) is not None:
            raise FieldError(
                field, f"is {show(getattr(item.record, field))}, for which the mapping has no call of `{self.action}`"
            )
        made = [self.calls[index][1:] for index in applying]
        header = {name: self.header[name](item) for names in (self.shared, *(names for names, _ in made)) for name in names}
        wanted = dict.fromkeys(name for _, names in made for name in names)
        lines: tuple[LineModel, ...] = getattr(item.record, "lines", ()) if wanted else ()
        return replace(
            self.bare(item), calls=tuple(applying), header=header, lines=[dict(self._line(wanted, item, line)) for line in lines]
        )

    def _excluded_by(self, record: Record) -> str | None:
        """The field whose value no call is made for (``if``)."""
        conditions = (condition for call, _, _ in self.calls for condition in call.only.items())
        return next((name for name, values in conditions if getattr(record, name) not in values), None)

    def _line(self, names: Iterable[str], item: Item, line: LineModel) -> Iterator[tuple[str, Any]]:
        for name in names:
            try:
                yield name, self.lines[name](item, line)
            except FieldError as error:
                if not error.field.startswith("lines."):
                    raise
                raise FieldError(f"lines[{line.position}].{error.field.removeprefix('lines.')}", error.reason) from None


def _without(given: set[str], names: Iterable[str]) -> tuple[str, ...]:
    """Names whose values come from here, not from the ERP."""
    return tuple(name for name in names if name not in given)


def _of_record(field: str, item: Item) -> Any:
    return getattr(item.record, field)


def _of_line(field: str, _item: Item, line: LineModel) -> Any:
    return getattr(line, field)


def _field_values(field: str, spec: FieldSpec, encoder: Encoder, get: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    if spec.is_constant:
        return {field: lambda *_: spec.constant}
    values: dict[str, Callable[..., Any]] = {field: lambda *where: encoder.whole(get(field, *where))}
    for name in field_parameters(field, spec)[1:]:
        column = name.removeprefix(f"{field}__")
        values[name] = lambda *where, column=column: encoder.part(get(field, *where), column)
    return values
