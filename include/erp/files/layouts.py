"""A file as the ERP wrote it, taken apart into lines and fields.

Every line stands for itself: one that is cut off, or has a quote too many, is a fault of that line, and the next one is read as
if it were not there. Only what makes a whole file unreadable is the file's.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from include.erp.codecs import show
from include.erp.files.formats import Format

_LINE_END = re.compile(r"\r\n|\n|\r")
_DOS_END = "\x1a"
SPAN = 20
"""Lines that a quoted text may go over."""


class Broken(ValueError):
    """The file as a whole cannot be read; the text reads on after its name: ``is not utf-8``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line. With a ``fault`` its ``values`` are those that can still be told."""

    number: int
    values: Mapping[str, str]
    record: str | None = None
    """What kind of line it is, where the first field says."""
    fault: str | None = None
    """Reads on after the line's place: ``is cut off``."""


@dataclass(slots=True)
class Parsed:
    entries: list[Entry]
    columns: dict[str | None, tuple[str, ...]] = field(default_factory=dict)
    """Of each kind of line; None: of a file with one kind."""


def parse(content: bytes, form: Format) -> Parsed:
    """Raises Broken."""
    lines, whole = _lines(content, form)
    if form.layout == "fixed":
        return _counted(_fixed(lines, whole, form), form)
    if form.layout == "iif":
        return _iif(lines, whole)
    return _counted(_csv(lines, whole, form), form)


Numbered = list[tuple[int, str]]


def _lines(content: bytes, form: Format) -> tuple[Numbered, bool]:
    """Lines that are not blank, and whether the last of them has its end. A byte that is no character stays as a mark that no
    text may have: whoever reads the field sees it."""
    try:
        text = content.decode(form.encoding, "surrogateescape")
    except UnicodeDecodeError as error:
        raise Broken(f"is not {form.encoding} (byte {error.start + 1})") from None
    text = text.removeprefix("\ufeff").removesuffix(_DOS_END)
    whole = form.last_line == "open" or not text.strip() or text.endswith(("\n", "\r"))
    return [(number, line) for number, line in enumerate(_LINE_END.split(text), 1) if line.strip()], whole


def _counted(parsed: Parsed, form: Format) -> Parsed:
    """Without its trailer, which must be there and count right: a file that ends too early has none."""
    if form.trailer is None:
        return parsed
    last = parsed.entries.pop() if parsed.entries else None
    if last is None or last.record != form.trailer:
        raise Broken(f"is not complete: it does not end with the line {form.trailer}")
    told = last.values.get("")
    if last.fault or told is None or not told.strip().isdecimal() or int(told) != len(parsed.entries):
        raise Broken(f"is not complete: its {form.trailer} line counts {show(told)} records, and there are {len(parsed.entries)}")
    return parsed


# -- separated


def _fields(line: str, form: Format) -> list[str] | None:
    """None: a quote in it is not closed, or closed in the wrong place."""
    quoting: Literal[0, 3] = csv.QUOTE_NONE if form.quote is None else csv.QUOTE_MINIMAL
    try:
        return next(csv.reader([line], delimiter=form.delimiter, quotechar=form.quote, quoting=quoting, strict=True), [])
    except csv.Error:
        return None


def _separated(
    lines: Numbered, form: Format, fits: Mapping[str | None, int] | None
) -> Iterator[tuple[int, list[str] | None, str]]:
    """(number, fields, the line). A text in quotes may go over several lines if they make a line of the right number of fields.
    ``fits``: how many fields a line has, by its first field; None: whatever parses."""
    at = 0
    while at < len(lines):
        number, line = lines[at]
        found = _fields(line, form)
        taken = 1
        while found is None and form.quote and taken < SPAN and at + taken < len(lines):
            taken += 1
            more = _fields("\n".join(text for _, text in lines[at : at + taken]), form)
            if more is not None and (fits is None or len(more) == fits.get(more[0].strip(), fits.get(None, -1))):
                found = more
                break
        else:
            taken = 1
        yield number, found, line
        at += taken


def _csv(lines: Numbered, whole: bool, form: Format) -> Parsed:
    last = lines[-1][0] if lines else 0
    columns: dict[str | None, tuple[str, ...]] = {}
    for word, its in form.records.items():
        columns[word] = its
    if not form.records:
        columns[None] = form.columns
        if form.header:
            if not lines:
                return Parsed([])
            number, names, _ = next(_separated(lines, form, None))
            if names is None:
                raise Broken("has a first line whose quotes do not close")
            columns[None] = _names(names)
            lines = [one for one in lines if one[0] > number]
    fits = {word: len(names) + (word is not None) for word, names in columns.items()}
    entries = []
    for number, found, line in _separated(lines, form, fits):
        cut = number == last and not whole
        if form.trailer and found and found[0].strip() == form.trailer:
            entries.append(Entry(number, {"": found[1] if len(found) > 1 else ""}, form.trailer, "is cut off" if cut else None))
        elif not form.records:
            entries.append(_entry(number, found, line, columns[None], None, cut))
        else:
            entries.append(_tagged(number, found, line, columns, cut))
    return Parsed(entries, columns)


def _names(names: Sequence[str]) -> tuple[str, ...]:
    stripped = tuple(name.strip() or f"#{index}" for index, name in enumerate(names, 1))
    if twice := next((name for name in stripped if stripped.count(name) > 1), None):
        raise Broken(f"has two columns {show(twice)}")
    return stripped


def _tagged(number: int, found: list[str] | None, line: str, columns: Mapping[str | None, tuple[str, ...]], cut: bool) -> Entry:
    word = (found[0] if found else re.split(r"\W", line.strip(), maxsplit=1)[0]).strip()
    if word not in columns:
        return Entry(number, {}, None, f"begins with {show(word)}, which is no kind of line that the format knows")
    return _entry(number, found[1:] if found else None, line, columns[word], word, cut)


def _entry(number: int, found: list[str] | None, line: str, names: Sequence[str], record: str | None, cut: bool) -> Entry:
    if found is None:
        return Entry(number, {}, record, "has a quote that does not close, or closes within the text")
    if cut or len(found) < len(names):
        told = "is cut off: the file ends within it" if cut else f"is cut off: it has {len(found)} of {len(names)} fields"
        # What stands last may be cut itself: 10 is not 1001.
        return Entry(number, dict(zip(names, found[:-1], strict=False)), record, told)
    if len(found) > len(names):
        return Entry(number, {}, record, f"has {len(found)} fields where the file has {len(names)} columns")
    return Entry(number, dict(zip(names, found, strict=True)), record)


# -- lines that name their kind, and kinds that the file itself describes


def _iif(lines: Numbered, whole: bool) -> Parsed:
    """Tabs between fields; ``!TRNS`` names the columns of the lines that begin with TRNS. Fields at the end may be left off."""
    form = Format(layout="csv", delimiter="\t", quote='"', records={"": ()})
    columns: dict[str | None, tuple[str, ...]] = {}
    entries = []
    last = lines[-1][0] if lines else 0
    for number, line in lines:
        found = _fields(line, form)
        if found and found[0].startswith("!"):
            names = [name.strip() for name in found[1:]]
            while names and not names[-1]:
                names.pop()
            columns[found[0][1:].strip()] = _names(names)
            continue
        if found:
            names_of = columns.get(found[0].strip(), ())
            while len(found) > len(names_of) + 1 and not found[-1].strip():
                found.pop()
            if number != last or whole:
                found += [""] * (len(names_of) + 1 - len(found))
        entries.append(_tagged(number, found, line, columns, number == last and not whole))
    return Parsed(entries, columns)


# -- fixed width


def _fixed(lines: Numbered, whole: bool, form: Format) -> Parsed:
    width = max(place.start + place.width - 1 for place in form.places.values())
    last = lines[-1][0] if lines else 0
    entries = []
    for number, line in lines:
        cut = number == last and not whole
        if form.trailer and line.startswith(form.trailer):
            entries.append(Entry(number, {"": line[len(form.trailer) :]}, form.trailer, "is cut off" if cut else None))
            continue
        short = len(line) < width and not form.trimmed
        fault = "is cut off: the file ends within it" if cut else None
        if fault is None and short:
            fault = f"is cut off: it has {len(line)} of {width} characters"
        if line[width:].strip():
            fault = f"has {len(line.rstrip())} characters where the format has {width}"
        end = len(line) if cut or short else max(width, len(line)) + 1
        values = {
            name: line[place.start - 1 : place.start - 1 + place.width]
            for name, place in form.places.items()
            if fault is None or place.start - 1 + place.width < end
        }
        entries.append(Entry(number, values, None, fault))
    return Parsed(entries, {None: tuple(form.places)})
