"""The read side of the mapper: one entity's rows turned into canonical records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from include.erp.codecs import FieldError, Unfit, codec, show
from include.erp.columns import Getter, Values, among, column_of, decoded, getter, kept, key_of, plain, shown
from include.erp.mapping.checks import kind_of, line_fields
from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import FieldSpec, MappingSpec
from include.erp.transport import LOST, Key, Row
from include.financials.entities import MODELS
from include.financials.exceptions import ContractBroken
from include.financials.port import Invalid
from include.financials.record import LineModel, Record

M = TypeVar("M", bound=BaseModel)


class Reader:
    """One entity of a mapping: turns rows into records or :class:`Invalid` s, and says which record a row is."""

    def __init__(self, mapping: Mapping[MappingSpec], name: str) -> None:
        self.mapping, self.name = mapping, name
        self.spec = spec = mapping.entity(name)
        self.model = MODELS[name]
        self.place = mapping.at("entities", name, "from")
        self._getters = self._fields({"id": spec.id, "company": spec.company, "number": spec.number})
        self._id, self._number = self._getters["id"], self._getters["number"]
        self._lists = {
            field: decoded(field, codec(one.storage("text")), one.map or {})
            for field, one in spec.fields.items()
            if one.list is not None
        }
        infos = line_fields(self.model)
        lines = spec.lines.fields if spec.lines and self.model.line else {}
        self._lines = {field: getter(field, one, kind_of(infos[field]), spec.masks) for field, one in lines.items()}

    def _fields(self, identity: dict[str, FieldSpec]) -> dict[str, Getter]:
        spec = self.spec
        getters = {key: getter(key, field, "text", spec.masks) for key, field in identity.items()}
        for name, field in self.spec.fields.items():
            if field.list is None:
                getters[name] = getter(name, field, kind_of(self.model.model_fields[name]), spec.masks)
        if (words := self.model.statuses) and "status" in getters:
            getters["status"] = among(words, self.name, getters["status"])
        if changed := self.spec.changed_since:
            getters["updated_at"] = column_of("updated_at", changed.column, codec(changed.storage("timestamp")), {})
        if self.spec.find:
            getters.setdefault("marker", getter("marker", FieldSpec(column=self.spec.find.marker), "text", {}))
        return getters

    # -- rows to records

    def parse(self, row: Row) -> Record | Invalid:
        try:
            if row.fault is not None:
                raise FieldError(row.fault.field, row.fault.reason)
            values = {name: get(row.header) for name, get in self._getters.items()}
            for name, read in self._lists.items():
                values[name] = tuple(read(raw) for raw in row.lists.get(name, ()))
            if self.spec.lines and self.model.line:
                values["lines"] = tuple(self._line(line, index) for index, line in enumerate(row.lines, start=1))
            return _make(self.model, values)
        except FieldError as error:
            ident = self.id_of(row)
            number = self._safe(self._number, row.header) or ident
            told = self._shown(row.header)
            return Invalid(self.name, ident, number, error.field, error.reason, self.scope_of(row), self.company_of(row), told)

    def _line(self, line: Values, index: int) -> LineModel:
        assert self.model.line is not None
        try:
            return _make(self.model.line, {name: get(line) for name, get in self._lines.items()})
        except FieldError as error:
            raise FieldError(f"lines[{index}].{error.field}", error.reason) from None

    def _shown(self, header: Values) -> dict[str, str | None]:
        """The fields of a row that can be read, as text."""
        told: dict[str, str | None] = {}
        for name, get in self._getters.items():
            try:
                value = get(header)
            except FieldError:
                continue
            told[name] = None if value in (None, "") else str(value)
        return told

    # -- is it in the books?

    def waits(self, row: Row) -> bool:
        """Handed over, and not yet in the books."""
        spec = self.spec.accepted
        return row.waiting or (spec is not None and _word(row.header[spec.column]) in spec.values)

    def said(self, row: Row) -> str | None:
        """Why the ERP refuses what was handed over."""
        spec = self.spec.accepted
        words = row.header[spec.said] if spec is not None and spec.said else row.said
        return str(words).strip() or None if words is not None else None

    def posted(self, rows: Sequence[Row]) -> list[Row]:
        """Those that are in the books: all that reads show."""
        return [row for row in rows if not self.waits(row)]

    # -- which record it is

    def id_of(self, row: Row) -> str:
        return self._safe(self._id, row.header) or row.key

    def marker_of(self, row: Row) -> str | None:
        """Raises ContractBroken where it cannot be told: the row may be the one that was looked for, or not."""
        try:
            return self._getters["marker"](row.header) or None
        except FieldError as error:
            raise ContractBroken(f"{self.mapping.system}: the marker of {self.name} {self.id_of(row)} {error.reason}.") from None

    def company_of(self, row: Row) -> str | None:
        return self._safe(self._getters["company"], row.header) or None

    def scope_of(self, row: Row) -> str | None:
        name = self.spec.scope
        scope = row.header[name] if name else None
        try:
            return None if scope is None or scope is LOST or name is None else shown(plain(scope), self.spec.masks.get(name))
        except Unfit:
            return plain(scope)

    def scopes(self, scopes: Sequence[str] | None) -> Sequence[str] | None:
        """Projects as the ERP keeps them. One that does not fit the mask is asked for as it is, which finds nothing."""
        mask = self.spec.masks.get(self.spec.scope or "")
        return scopes if scopes is None or mask is None else [_kept(scope, mask) for scope in scopes]

    def key(self, ident: str, company: str | None = None, scope: str | None = None) -> Key:
        """An own-side id as a transport looks it up."""
        return key_of(self.spec, ident, company, scope)

    @staticmethod
    def _safe(get: Getter, header: Values) -> str:
        try:
            return str(get(header) or "")
        except FieldError:
            return ""


def _word(raw: Any) -> Any:
    return raw.strip() if isinstance(raw, str) else raw


def _kept(value: str, mask: str) -> str:
    try:
        return kept(value, mask)
    except Unfit:
        return value


def _make(model: type[M], values: dict[str, Any]) -> M:
    """The canonical model, or FieldError for the first field that does not fit."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else model.__name__
        if first["input"] is None or first["type"] == "string_too_short":
            raise FieldError(name, "is empty") from None
        expected = (first.get("ctx") or {}).get("expected")
        reason = (
            f"is {show(first['input'])}, allowed is {expected}"
            if expected
            else f"is {show(first['input'])}: {first['msg'].lower()}"
        )
        raise FieldError(name, reason) from None
