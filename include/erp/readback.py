"""What a write left behind, compared with what was sent: no statement of a mapping is believed.

Compared is every field that the file maps, but for those that an ERP works out itself (:data:`DERIVED`) and no statement binds;
what the ERP does not keep cannot be compared. A field that was sent empty may be filled by a default of the ERP's own (a
currency, a posting date), but not one of a line that says where its money goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.erp.codecs import FieldError, show
from include.erp.mapping.spec import CallSpec
from include.erp.transport import Difference
from include.erp.writing import Encoder, Writer
from include.financials.entities import ENTITIES, MODELS
from include.financials.port import Invalid, Item
from include.financials.record import LineModel, Record

DERIVED = frozenset((
    "status", "approved_changes", "payments", "owner", "locked", "executed", "previous",
    "completed", "retainage", "certified", "contract_sum", "due_stated",
))  # fmt: skip
"""Fields of a document that are the ERP's own to say: its state, and sums over other documents."""


class ReadBack:
    """The comparison for one entity and action."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        spec, row = writer.spec, ENTITIES[writer.name]
        bound = {name for call in spec.write.calls(writer.action) for name in _bound(call, writer)}
        self.header = tuple(
            name
            for name, field in spec.fields.items()
            if name in writer.encoders and (name in bound or name not in DERIVED)
            if not field.is_constant or name in row.frozen
        )
        self.number = "number" in bound
        self.lines = self._lines(bound)

    def _lines(self, bound: set[str]) -> tuple[str, ...]:
        lines, model = self.writer.spec.lines, MODELS[self.writer.name].line
        if lines is None or model is None:
            return ()
        return tuple(
            name
            for name, field in lines.fields.items()
            if f"lines.{name}" in bound or name in model.content
            if (not field.is_constant or name in model.frozen) and name != "id"
        )

    # -- the three actions

    def created(self, item: Item, stored: Record | Invalid) -> Difference | None:
        """The first field that differs from what was sent."""
        if isinstance(stored, Invalid):
            return _unreadable(item, stored)
        return next(self._all(item, stored), None)

    def updated(self, item: Item, before: Record | Invalid, stored: Record | Invalid) -> Difference | None:
        """What was to change must read as sent; what was not, as before."""
        if isinstance(stored, Invalid):
            return _unreadable(item, stored)
        for name in item.changes:
            if name in self.writer.encoders and (found := self._field(name, getattr(item.record, name), stored)):
                return found
        for name in ("number", *self.writer.encoders, "lines"):
            if name in item.changes:
                continue
            old, new = getattr(before, name, None), getattr(stored, name, None)
            if isinstance(before, Record) and old != new:
                return _differ(name, old, new)
        return None

    def voided(self, item: Item, stored: Record | Invalid) -> Difference | None:
        if isinstance(stored, Invalid):
            return _unreadable(item, stored)
        find = self.writer.spec.find
        wanted = find.void.items() if find else ()
        return next((_differ(n, value, getattr(stored, n)) for n, value in wanted if getattr(stored, n) != value), None)

    # -- field by field

    def _all(self, item: Item, stored: Record) -> Iterator[Difference]:
        sent = item.record
        if stored.company != item.company:
            yield _differ("company", item.company, stored.company)
        if self.number and stored.number != sent.number:
            yield _differ("number", sent.number, stored.number)
        for name in self.header:
            if getattr(sent, name) is not None and (found := self._field(name, getattr(sent, name), stored)):
                yield found
        if self.lines:
            yield from self._by_line(getattr(sent, "lines", ()), getattr(stored, "lines", ()))

    def _field(self, name: str, value: Any, stored: Record) -> Difference | None:
        return _compare(name, value, getattr(stored, name), self.writer.encoders[name])

    def _by_line(self, sent: Sequence[LineModel], stored: Sequence[LineModel]) -> Iterator[Difference]:
        if len(sent) != len(stored):
            yield _differ("lines", f"{len(sent)} lines", f"{len(stored)} lines")
            return
        for mine, theirs in self._pairs(sent, stored):
            for name in self.lines:
                value = getattr(mine, name)
                if value is None and name not in mine.frozen:
                    continue
                found = _compare(f"lines[{mine.position}].{name}", value, getattr(theirs, name), self.writer.line_encoders[name])
                if found:
                    yield found

    def _pairs(self, sent: Sequence[LineModel], stored: Sequence[LineModel]) -> Iterator[tuple[LineModel, LineModel]]:
        """Lines by what tells them apart; where the ERP does not keep that, in their order."""
        if sent and {*sent[0].keyed} - {"position"} <= set(self.lines):
            mine, theirs = {line.key: line for line in sent}, {line.key: line for line in stored}
            if mine.keys() == theirs.keys() and len(mine) == len(sent):
                yield from ((line, theirs[key]) for key, line in mine.items())
                return
        order = {id(line): line.position for line in (*sent, *stored)}
        yield from zip(*(sorted(lines, key=lambda line: order[id(line)]) for lines in (sent, stored)), strict=True)


def _compare(name: str, value: Any, there: Any, encoder: Encoder) -> Difference | None:
    try:
        wanted = encoder.stored(value)
    except FieldError:
        wanted = value
    return None if _plain(wanted) == _plain(there) else _differ(name, value, there)


def _plain(value: Any) -> Any:
    """Texts without the blanks around them, which no record keeps; a blank one is empty."""
    return (value.strip() or None) if isinstance(value, str) else value


def _unreadable(item: Item, stored: Invalid) -> Difference:
    return _differ(stored.field, getattr(item.record, stored.field, None), stored)


def _differ(field: str, sent: Any, stored: Any) -> Difference:
    """What is told reads on after the record's number."""
    return Difference(field, f"{field} was sent as {_told(sent)}, and the ERP stored {_told(stored)}")


def _told(value: Any) -> str:
    if isinstance(value, Invalid):
        return f"what cannot be read ({value.message.removesuffix(' Correct it in the ERP.')})"
    return "nothing" if value is None or value == "" else show(value)


def _bound(call: CallSpec, writer: Writer) -> Iterator[str]:
    """Canonical fields that a call binds, those of a line as ``lines.amount``."""
    lines = writer.spec.lines
    own: Mapping[str, Any] = {**lines.fields, **lines.parameters} if lines else {}
    for name in call.binds():
        yield _field(writer.spec.parameters, name)
    for name in call.line_binds():
        if not name.startswith("header__") and name.split("__")[0] in own:
            yield f"lines.{_field(own, name)}"
        else:
            yield _field(writer.spec.parameters, name.removeprefix("header__"))


def _field(parameters: Mapping[str, Any], name: str) -> str:
    """The canonical field behind a bound name: of a part of its template, or of a further parameter."""
    field = name.split("__")[0]
    return getattr(parameters.get(field), "field", None) or field
