"""The rows of an entity, from the ERP's exports.

An export that is missing, too old, empty or cut short stops the read: that the ERP says nothing of a record is never taken for
its end. A line that is broken is one record's trouble, or that of the documents to which it may have belonged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from include.erp.ages import AHEAD, span
from include.erp.files.folder import Folder, Stat
from include.erp.files.formats import Export
from include.erp.files.grammar import FilesEntity, FilesMapping
from include.erp.files.layouts import Broken, Entry, Parsed, parse
from include.erp.files.rows import NTH, Documents, Key
from include.erp.mapping.block import suggest
from include.erp.mapping.loading import Mapping as MappingFile
from include.erp.mapping.shape import header_uses, line_uses, shape_of
from include.erp.transport import Row
from include.financials.exceptions import ConfigurationError

NEXT = "Have the ERP write it again, then clear this task."


@dataclass(frozen=True, slots=True)
class Table:
    """One file, taken apart."""

    stat: Stat
    parsed: Parsed

    def entries(self, export: Export) -> Iterator[Entry]:
        """The lines that the export names, and those of which nobody can say what they are."""
        for entry in self.parsed.entries:
            known = (entry.values[name].strip() in words for name, words in export.where.items() if name in entry.values)
            if entry.record in (export.record, None) and all(known):
                yield entry

    def where(self, entry: Entry) -> str:
        return f"line {entry.number} of {self.stat.name}"


class Exports:
    """:param now: the clock by which an export is old."""

    def __init__(self, mapping: MappingFile[FilesMapping], folder: Folder, now: Callable[[], datetime]) -> None:
        self.mapping, self.folder, self.now = mapping, folder, now
        self.spec = mapping.spec
        self._parsed: dict[tuple[Stat, str | None], Parsed] = {}
        self._rows: dict[str, tuple[tuple[Stat, ...], list[tuple[Key, Row]]]] = {}

    # -- which files

    def tables(self, export: Export, place: str, folder: str) -> list[Table]:
        """The files of an export, the newest first. Raises ConfigurationError for one that is missing or too old."""
        where = export.folder or folder
        self.folder.require(where, place)
        times = [(self._time(export, one), one) for one in self.folder.files(where, export.file)]
        dated = sorted(
            [(moment, one) for moment, one in times if moment is not None], key=lambda pair: (pair[0], pair[1].path), reverse=True
        )
        if not dated:
            raise ConfigurationError(
                f"{place}: there is no export {export.file} in {where} ({self.folder.label}), which says nothing of what "
                f"the ERP has. {NEXT}"
            )
        self._in_time(export, *dated[0], place)
        chosen = [one for _, one in dated] if export.take == "all" else [dated[0][1]]
        return [Table(one, self.parsed(one, export.format, place)) for one in chosen]

    def shown(self, name: str) -> datetime:
        """As of when the exports show the entity: the oldest of the newest. Raises ConfigurationError as :meth:`rows` does."""
        spec = self.spec.entities[name]
        headers, lines = self._checked(name, spec)
        newest = [(spec.source, headers[0])]
        if spec.lines and spec.lines.source:
            newest.append((spec.lines.source, lines[0]))
        return min(self._time(export, table.stat) or table.stat.modified for export, table in newest)

    def _time(self, export: Export, stat: Stat) -> datetime | None:
        """None: its name is not of the form, it is another export's."""
        if export.dated is None:
            return stat.modified
        before, _, after = export.file.partition("*")
        found = re.fullmatch(f"{re.escape(before)}(.*?){'.*'.join(map(re.escape, after.split('*')))}", stat.name)
        try:
            moment = datetime.strptime(found[1] if found else "", export.dated)  # noqa: DTZ007  (its zone is the mapping's)
        except ValueError:
            return None
        return moment.replace(tzinfo=ZoneInfo(self.spec.timezone)).astimezone(UTC)

    def _in_time(self, export: Export, moment: datetime, stat: Stat, place: str) -> None:
        limit, now = export.max_age or self.spec.max_age, self.now()
        if moment > now + AHEAD:
            raise ConfigurationError(
                f"{place}: {stat.path} is dated {moment:%Y-%m-%d %H:%M} UTC, which is yet to come. Correct its clock."
            )
        if now - moment > limit:
            raise ConfigurationError(
                f"{place}: the export {stat.path} is older than {span(limit)}: it is of {moment:%Y-%m-%d %H:%M} UTC,"
                f" {span(now - moment)} ago. {NEXT}"
            )

    def parsed(self, stat: Stat, form: str | None, place: str) -> Parsed:
        found = self._parsed.get((stat, form))
        if found is None:
            try:
                found = parse(self.folder.read(stat.path), self.spec.format_of(form))
            except Broken as broken:
                raise ConfigurationError(f"{place}: {stat.path} {broken}. {NEXT}") from None
            self._parsed[stat, form] = found
        return found

    # -- rows

    def rows(self, name: str) -> list[tuple[Key, Row]]:
        """All of an entity with the keys of their order; those without a readable one come first."""
        spec = self.spec.entities[name]
        tables = self._checked(name, spec)
        stats = tuple(table.stat for found in tables for table in found)
        kept = self._rows.get(name)
        if kept is None or kept[0] != stats:
            kept = self._rows[name] = stats, Documents(spec, *tables).rows()
        if not kept[1] and not spec.source.may_be_empty:
            place = self.mapping.at("entities", name, "from")
            raise ConfigurationError(
                f"{place}: {stats[0].path} has no {name}. If that may be so, the mapping says `may_be_empty: true`; else: {NEXT}"
            )
        return kept[1]

    def _checked(self, name: str, spec: FilesEntity) -> tuple[list[Table], list[Table]]:
        """Tables of the documents and of their lines, all columns there."""
        loc = ("entities", name)
        headers = self.tables(spec.source, self.mapping.at(*loc, "from"), self.spec.folders.exports)
        lines: list[Table] = []
        if spec.lines and spec.lines.source:
            lines = self.tables(spec.lines.source, self.mapping.at(*loc, "lines", "from"), self.spec.folders.exports)
        for problem in self.missing(name, spec, headers, lines):
            raise ConfigurationError(problem)
        return headers, lines

    def missing(self, name: str, spec: FilesEntity, headers: Sequence[Table], lines: Sequence[Table]) -> Iterator[str]:
        """Columns that the mapping names and a file has not."""
        own = [*header_uses(spec), *((("from", "where"), column) for column in spec.source.where)]
        own += [(("fields", field), column) for field, column in shape_of(spec).lists.items()]
        inherited = spec.keys()
        under = [use for use in line_uses(spec) if use[1] not in inherited]
        if spec.lines and spec.lines.source:
            own += [(("lines", "join"), column) for column in spec.lines.join.values()]
            under += [(("lines", "join"), column) for column in spec.lines.join]
            under += [(("lines", "from", "where"), column) for column in spec.lines.source.where]
            yield from self._lacking(name, under, lines, spec.lines.source.record)
        elif spec.lines and spec.lines.record:
            yield from self._lacking(name, under, headers, spec.lines.record)
        else:
            own += line_uses(spec)
        yield from self._lacking(name, own, headers, spec.source.record)

    def _lacking(
        self, name: str, uses: Iterable[tuple[tuple[str | int, ...], str]], tables: Sequence[Table], record: str | None
    ) -> Iterator[str]:
        for table in tables:
            there = table.parsed.columns.get(record)
            if there is None:
                if table.parsed.entries or record is not None:
                    yield f"{self.mapping.at('entities', name, 'from')}: {table.stat.path} has no lines {record!r}. {NEXT}"
                continue
            for loc, column in dict.fromkeys(uses):
                if column not in there and column != NTH:
                    hint = suggest(column, there).replace("Allowed:", "It has:")
                    yield f"{self.mapping.at('entities', name, *loc)}: {table.stat.path} has no column '{column}'{hint}"
