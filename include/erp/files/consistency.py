"""What entities say of files, held against the formats of the same mapping. Every method yields (place, sentence)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from include.configfile import Loc
from include.erp.files.formats import Export, Format
from include.erp.mapping.block import suggest

if TYPE_CHECKING:
    from include.erp.files.grammar import FileLines, FilesEntity, FilesMapping, FileWrite, ImportsMapping


class _FormatChecks:
    def __init__(self, spec: ImportsMapping) -> None:
        self.spec = spec

    def _known(self, loc: Loc, name: str | None) -> Iterator[tuple[Loc, str]]:
        if name is not None and name not in self.spec.formats:
            yield (*loc, "format"), f"there is no format '{name}'{suggest(name, self.spec.formats)}"

    def _export(self, loc: Loc, export: Export) -> Iterator[tuple[Loc, str]]:
        yield from self._known(loc, export.format)
        form = self.spec.format_of(export.format)
        if form.layout == "text":
            yield (*loc, "format"), "is one of templates, which only write"
        yield from self._record((*loc, "record"), form, export.record)

    @staticmethod
    def _record(loc: Loc, form: Format, record: str | None) -> Iterator[tuple[Loc, str]]:
        tagged = bool(form.records) or form.layout == "iif"
        if tagged != (record is not None):
            yield (
                loc,
                "is required: the format has several kinds of lines"
                if tagged
                else "means nothing: the format has one kind of line",
            )
        elif form.records and record not in form.records:
            yield loc, f"the format has no lines {record!r}{suggest(record, form.records)}"


class ExportChecks(_FormatChecks):
    """What is read."""

    spec: FilesMapping

    def faults(self) -> Iterator[tuple[Loc, str]]:
        for name, entity in self.spec.entities.items():
            loc: Loc = ("entities", name)
            yield from self._export((*loc, "from"), entity.source)
            if entity.lines:
                yield from self._lines((*loc, "lines"), entity, entity.lines)

    def _lines(self, loc: Loc, entity: FilesEntity, lines: FileLines) -> Iterator[tuple[Loc, str]]:
        if lines.source is not None:
            yield from self._export((*loc, "from"), lines.source)
        if lines.record is not None:
            yield from self._record((*loc, "record"), self.spec.format_of(entity.source.format), lines.record)


class ImportChecks(_FormatChecks):
    """What is dropped, and what answers it."""

    def faults(self) -> Iterator[tuple[Loc, str]]:
        if self.spec.acknowledgements:
            yield from self._export(("acknowledgements", "from"), self.spec.acknowledgements.source)
        for name, write in self.spec.imports():
            if write.file:
                yield from self._import(("entities", name, "write"), write)

    def _import(self, loc: Loc, write: FileWrite) -> Iterator[tuple[Loc, str]]:
        file, calls = write.file, write.create
        assert file is not None
        yield from self._known((*loc, "file"), file.format)
        form = self.spec.format_of(file.format)
        if form.layout != "text" and (file.head or file.foot):
            yield (*loc, "file"), "`head` and `foot` go with a format of layout text"
        for index, call in enumerate(calls):
            place: Loc = (*loc, "create", index)
            if (call.template is not None) != (form.layout == "text"):
                yield place, "a template goes with a format of layout text, columns with all others"
                continue
            if form.layout == "text":
                continue
            yield from self._record((*place, "record"), form, call.record)
            there = form.named(call.record)
            if there is not None:
                for column in call.columns:
                    if column not in there:
                        yield (*place, "columns", column), f"the format has no such column{suggest(column, there)}"
        if form.layout == "csv" and form.header and not form.records and len({tuple(call.columns) for call in calls}) > 1:
            yield (*loc, "create"), "lines of one file with a line of names must have the same columns"
