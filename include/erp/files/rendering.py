"""A document as it stands in an import file.

Nothing is cut, rounded or replaced. What the file cannot hold exactly (a separator, a line break, a character that its encoding
has not, a text that a spreadsheet would work out) refuses the document, with the field's name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from jinja2 import TemplateError

from include.erp.codecs import FieldError, Unfit, show
from include.erp.files.formats import Format, Place
from include.erp.files.grammar import FileCall, FileWrite
from include.erp.files.templates import LINES, environment
from include.erp.mapping.spec import EntitySpec
from include.erp.transport import Document

_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f]")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMERAL = re.compile(r"[+-]?\d+([.,]\d+)?")


def text_of(value: Any, form: Format) -> str:
    """A bound value as text. Raises Unfit for what the file cannot hold."""
    if value is None:
        return ""
    if isinstance(value, bool):
        raise Unfit(f"is {value}; say with `map` or `write_map` how the ERP writes that")
    if isinstance(value, Decimal):
        return _number(value, form)
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = str(value)
    if isinstance(value, str):
        _check(text, form)
    return text


def _turned(value: Any) -> Any:
    """A number the other way round: a bill is negative where it stands against payables."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unfit(f"is {show(value)}, which is no number and has no other sign")
    return -value


def _number(value: Decimal, form: Format) -> str:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise Unfit(f"is {value}, not a number")
    whole, _, fraction = format(value or abs(value), "f").partition(".")  # there is no negative nothing
    fraction = fraction.rstrip("0").ljust(form.decimals, "0")
    return whole + (form.point + fraction if fraction else "")


def _check(text: str, form: Format) -> None:
    if found := _CONTROL.search(text):
        raise Unfit(f"contains the control character {show(found[0])}, which no import file may have")
    if _BREAK.search(text) and not (form.layout == "csv" and form.quote and form.line_breaks == "taken"):
        raise Unfit("contains a line break, which would end the record in the import file")
    for separator in _separators(form):
        if separator in text:
            raise Unfit(f"contains {show(separator)}, which the import file uses itself")
    try:
        text.encode(form.encoding)
    except UnicodeEncodeError as error:
        raise Unfit(
            f"contains {show(text[error.start])}, which {form.encoding}, the encoding of the import file, has not"
        ) from None
    if (
        form.layout == "csv"
        and form.formulas == "refused"
        and _FORMULA.match(text.lstrip())
        and not _NUMERAL.fullmatch(text.strip())
    ):
        raise Unfit(f"is {show(text)}: a spreadsheet that opens the import file would take it for a formula")


def _separators(form: Format) -> tuple[str, ...]:
    """Characters that no value may have. QuickBooks reads quotes its own way: an IIF has none."""
    if form.layout == "iif":
        return "\t", '"'
    if form.layout == "csv" and form.quote is None:
        return (form.delimiter,)
    if form.layout == "fixed":
        return ("\t",)
    return ()


class ImportFile:
    """The content of one import file, document by document."""

    def __init__(self, spec: EntitySpec, write: FileWrite, form: Format) -> None:
        assert write.file is not None
        self.spec, self.calls, self.form, self.file = spec, write.create, form, write.file
        self.chunks: list[str] = []

    def __len__(self) -> int:
        return len(self.chunks)

    def add(self, document: Document) -> None:
        """Raises FieldError for a document that the file cannot hold; the file is as it was then."""
        parts = []
        for index in document.calls:
            call = self.calls[index]
            if call.template is not None:
                parts.append(self._filled(call, document))
            elif call.each:
                parts += [self._record(call, line, at) for at, line in enumerate(document.lines, 1)]
            else:
                parts.append(self._record(call, document.header, None))
        self.chunks.append("".join(parts))

    def content(self) -> bytes:
        """Everything that was added, in the file's encoding."""
        head, foot = self.file.head, self.file.foot
        if self.form.layout == "csv" and self.form.header and not self.form.records:
            head = self._joined(tuple(self.calls[0].columns))
        elif self.form.layout == "iif":
            kinds = {call.record: tuple(call.columns) for call in self.calls}
            head = "".join(self._joined((f"!{record}", *columns)) for record, columns in kinds.items())
        whole = head + "".join(self.chunks) + foot
        if self.form.layout == "text":
            whole = re.sub(r"\r?\n", self._end, whole)
        return whole.encode(self.form.encoding)

    @property
    def _end(self) -> str:
        return "\r\n" if self.form.line_end == "crlf" else "\n"

    def _values(self, names: Sequence[str], values: Mapping[str, Any], line: int | None) -> dict[str, str]:
        found = {}
        for name in names:
            try:
                found[name] = text_of(_turned(values[name[1:]]) if name.startswith("-") else values[name], self.form)
            except Unfit as unfit:
                raise FieldError(self._field(name.removeprefix("-"), line), str(unfit)) from None
        return found

    def _field(self, name: str, line: int | None) -> str:
        """The canonical field behind a bound name."""
        lines = self.spec.lines
        own = {**lines.fields, **lines.parameters} if lines and line is not None else {}
        field = name.removeprefix("header__").split("__")[0]
        if field in own and not name.startswith("header__"):
            return f"lines[{line}].{getattr(own[field], 'field', None) or field}"
        return getattr(self.spec.parameters.get(field), "field", None) or field

    # -- a line of the file

    def _record(self, call: FileCall, values: Mapping[str, Any], line: int | None) -> str:
        texts = self._values(tuple(call.columns.values()), values, line)
        if self.form.layout == "fixed":
            return self._fixed(call, texts, line) + self._end
        given = {column: texts[name] for column, name in call.columns.items()}
        # A kind of line whose columns the format names has all of them, in their order.
        known = self.form.named(call.record) or tuple(given)
        fields = [given.get(column, "") for column in known]
        return self._joined([call.record, *fields] if call.record is not None else fields)

    def _joined(self, fields: Sequence[str]) -> str:
        if self.form.layout == "iif":
            return "\t".join(fields) + self._end
        out = io.StringIO()
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.form.quote is None else csv.QUOTE_MINIMAL
        csv.writer(
            out, delimiter=self.form.delimiter, quotechar=self.form.quote, quoting=quoting, lineterminator=self._end
        ).writerow(fields)
        return out.getvalue()

    def _fixed(self, call: FileCall, texts: Mapping[str, str], line: int | None) -> str:
        width = max(place.start + place.width - 1 for place in self.form.places.values())
        row = [" "] * width
        for column, name in call.columns.items():
            place, text = self.form.places[column], texts[name]
            if len(text) > place.width:
                reason = f"is {show(text)}: {len(text)} characters, and {column} of the import file has {place.width}"
                raise FieldError(self._field(name.removeprefix("-"), line), reason)
            row[place.start - 1 : place.start - 1 + place.width] = _padded(text, place)
        return "".join(row)

    # -- a template

    def _filled(self, call: FileCall, document: Document) -> str:
        assert call.template is not None
        xml = self.form.escape == "xml"
        header = self._values(call.binds(), document.header, None)
        lines = [self._values(call.line_binds(), line, at) for at, line in enumerate(document.lines, 1)]
        try:
            made = environment(xml).from_string(call.template).render({**header, LINES: lines})
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise FieldError("template", f"cannot be filled: {error}") from None
        return made


def _padded(text: str, place: Place) -> str:
    if place.align == "left":
        return text.ljust(place.width, place.fill)
    return text.zfill(place.width) if place.fill == "0" else text.rjust(place.width, place.fill)
