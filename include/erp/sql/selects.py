"""One entity's SELECTs: pages, keys and markers, with the lines and lists that belong to a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.configfile import Loc
from include.erp.codecs import bounds, show
from include.erp.columns import plain
from include.erp.mapping import loading
from include.erp.mapping.shape import header_uses, line_uses
from include.erp.sql.database import Database, as_table
from include.erp.sql.grammar import SqlEntity, SqlMapping
from include.erp.transport import Key, Row
from include.financials.exceptions import ConfigurationError
from include.financials.port import Window

Raw = Sequence[Any]
"""A row as the driver gives it, in the order of its :class:`Columns`."""

SAMPLE = 100
"""Rows that are looked at to see how a database keeps its keys."""


class Columns:
    """The columns one SELECT needs, in order, each once, with the places of the mapping that use them."""

    def __init__(self) -> None:
        self.position: dict[str, int] = {}
        self.uses: list[tuple[Loc, str]] = []

    def need(self, loc: Loc, *columns: str) -> list[int]:
        for column in columns:
            self.position.setdefault(column, len(self.position))
            self.uses.append((loc, column))
        return [self.position[column] for column in columns]

    def values(self, raw: Raw) -> dict[str, Any]:
        return dict(zip(self.position, raw, strict=True))


def _unpadded(raw: Any) -> Any:
    return raw.rstrip(" ") if isinstance(raw, str) else raw


@dataclass(slots=True)
class Nested:
    """A list of an entity: its own SELECT, joined to a page of headers by key. ``field``: the list's, None for the lines."""

    field: str | None
    loc: Loc
    source: str
    columns: Columns
    table: sa.FromClause
    header: list[int]
    own: list[int]
    order: tuple[str, ...]
    value: int | None = None
    """Where a list's value stands."""

    def of(self, connection: sa.Connection, database: Database, rows: Sequence[Raw]) -> Mapping[tuple[str, ...], list[Any]]:
        """What belongs to a page of header rows, by join key: a list's values, or the lines."""
        keys = list(dict.fromkeys(tuple(row[i] for i in self.header) for row in rows))
        # A padded key of the header names the rows of lines that are not padded, too.
        keys = list(dict.fromkeys([*keys, *(tuple(_unpadded(value) for value in key) for key in keys)]))
        columns = list(self.table.c)
        joined = [columns[i] for i in self.own]
        by = [*joined, *(self.table.c[c] for c in self.order)]
        make: Callable[[Raw], Any] = self.columns.values
        if (place := self.value) is not None:

            def make(raw: Raw, place: int = place) -> Any:
                return raw[place]

        found: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        size = max(1, database.max_parameters // (2 * len(joined)))
        for start in range(0, len(keys), size):
            statement = sa.select(*columns).where(database.among(joined, keys[start : start + size])).order_by(*by)
            for row in connection.execute(statement):
                found[tuple(plain(row[i]) for i in self.own)].append(make(row))
        return found

    def key(self, row: Raw) -> tuple[str, ...]:
        return tuple(plain(row[i]) for i in self.header)


class Selects:
    """One entity of a mapping on its database."""

    def __init__(self, mapping: loading.Mapping[SqlMapping], name: str, database: Database) -> None:
        self.mapping, self.name, self.database = mapping, name, database
        self.spec: SqlEntity = mapping.spec.entities[name]
        self.loc: Loc = ("entities", name)
        self.columns = Columns()
        self.key = self.columns.need((*self.loc, "key_columns"), *self.spec.key_columns)
        for place, column in header_uses(self.spec):
            self.columns.need((*self.loc, *place), column)
        self.nested = [*self._lists(), *self._lines()]
        self.table = as_table(self.spec.source, tuple(self.columns.position))
        self.place = mapping.at(*self.loc, "from")
        self._units_known = False
        self._looks: tuple[set[str], dict[str, int]] | None = None

    def _lists(self) -> Iterator[Nested]:
        for name, field in self.spec.fields.items():
            if field.list is None:
                continue
            assert field.source is not None and field.join is not None
            loc: Loc = (*self.loc, "fields", name)
            columns = Columns()
            own = columns.need((*loc, "join"), *field.join)
            (value,) = columns.need((*loc, "list"), field.list)
            columns.need((*loc, "order"), *field.order)
            header = self.columns.need((*loc, "join"), *field.join.values())
            table = as_table(field.source, tuple(columns.position))
            yield Nested(name, loc, field.source, columns, table, header, own, field.order or (field.list,), value)

    def _lines(self) -> Iterator[Nested]:
        lines = self.spec.lines
        if lines is None:
            return
        loc: Loc = (*self.loc, "lines")
        columns = Columns()
        own = columns.need((*loc, "join"), *lines.join)
        columns.need((*loc, "order"), *lines.order)
        for place, column in line_uses(self.spec):
            columns.need((*self.loc, *place), column)
        header = self.columns.need((*loc, "join"), *lines.join.values())
        yield Nested(None, loc, lines.source, columns, as_table(lines.source, tuple(columns.position)), header, own, lines.order)

    # -- SELECTs

    def select(
        self, *conditions: sa.ColumnElement[bool], after: Sequence[Any] | None = None, limit: int | None = None
    ) -> sa.Select[Any]:
        """Rows in the order of paging, from beyond the key ``after``."""
        keys = [self.table.c[column] for column in self.spec.key_columns]
        statement = sa.select(*self.table.c).where(*conditions).order_by(*keys)
        if after is not None:
            statement = statement.where(self.database.beyond(keys, after))
        return statement if limit is None else statement.limit(limit)

    def filters(
        self, connection: sa.Connection, window: Window | None, scopes: Sequence[str] | None
    ) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = []
        changed = self.spec.changed_since
        if window is not None and changed is not None and (window.since or window.until):
            column = self.table.c[changed.column]
            since, until = bounds(changed.storage("timestamp"), window.since, window.until)
            ends = [column >= self.database.bind(since)] if since is not None else []
            ends += [column <= self.database.bind(until)] if until is not None else []
            # A row that nobody dated cannot be ruled out.
            conditions.append(sa.or_(sa.and_(*ends), column.is_(None)))
        if scopes is not None and self.spec.scope is not None and not self._too_many(scopes):
            keys = self._typed(connection, (self.spec.scope,), [(scope,) for scope in scopes])
            conditions.append(self.database.among([self.table.c[self.spec.scope]], keys))
        return conditions

    def within(self, rows: Sequence[Row], scopes: Sequence[str] | None) -> list[Row]:
        """The rows of these projects, where there were too many for the statement to name them."""
        name = self.spec.scope
        if scopes is None or name is None or not self._too_many(scopes):
            return list(rows)
        wanted = {plain(scope) for scope in scopes}
        return [row for row in rows if row.header[name] is not None and plain(row.header[name]) in wanted]

    def _too_many(self, scopes: Sequence[str]) -> bool:
        """Each may be asked for in two forms, and the rest of the statement has parameters of its own."""
        return 4 * len(scopes) > self.database.max_parameters

    def of_ids(self, connection: sa.Connection, ids: Sequence[Key]) -> sa.ColumnElement[bool]:
        """Rows with these own-side ids; where an id can be read in two ways, of both (the mapper compares the id itself)."""
        names = self.spec.id.columns()
        keys = [tuple(found[c] for c in names) for key in ids for found in key.parts]
        return self.database.among([self.table.c[c] for c in names], self._typed(connection, names, keys))

    def of_markers(self, markers: Sequence[str]) -> sa.ColumnElement[bool]:
        assert self.spec.find is not None
        return self.database.listed(self.table.c[self.spec.find.marker], markers)

    def at_once(self, most: int) -> int:
        """How many ids or markers one statement may name: each column of an id is bound for each of its readings and paddings."""
        return max(1, min(most, self.database.max_parameters // (4 * len(self.spec.id.columns()))))

    def _typed(self, connection: sa.Connection, columns: Sequence[str], keys: Sequence[tuple[str, ...]]) -> list[tuple[Any, ...]]:
        """Texts as the columns hold them. What cannot stand in a column of numbers is left out: no row has it, and a strict
        database would refuse to compare it. Where a column is padded, both forms are asked for."""
        numbers, widths = self._looks_of(connection)
        typed: list[tuple[Any, ...]] = []
        for key in keys:
            pairs = list(zip(columns, key, strict=True))
            if all(value.isdecimal() or column not in numbers for column, value in pairs):
                typed.append(tuple(int(value) if column in numbers else value for column, value in pairs))
                padded = tuple(int(value) if column in numbers else value.ljust(widths.get(column, 0)) for column, value in pairs)
                if padded != typed[-1]:
                    typed.append(padded)
        return typed

    def _looks_of(self, connection: sa.Connection) -> tuple[set[str], dict[str, int]]:
        """The columns that are numbers, and the width of those that are padded with blanks, as seen in some rows (an empty table
        has nothing to compare with)."""
        if self._looks is None:
            rows = connection.execute(sa.select(*self.table.c).limit(SAMPLE)).all()
            if not rows:
                return set(), {}
            numbers = {column for column, place in self.columns.position.items() if isinstance(rows[0][place], int | Decimal)}
            widths = {
                column: max(len(text) for text in padded)
                for column, place in self.columns.position.items()
                if (padded := [row[place] for row in rows if isinstance(row[place], str) and row[place].endswith(" ")])
            }
            self._looks = numbers, widths
        return self._looks

    def page(
        self, connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]], after: Sequence[Any] | None, size: int
    ) -> tuple[list[Raw], tuple[Any, ...] | None]:
        """One page of rows and the key to go on from (None: it was the last). Raises ConfigurationError where keys repeat."""
        rows: list[Raw] = list(connection.execute(self.select(*conditions, after=after, limit=size + 1)).all())
        previous: tuple[Any, ...] | None = None
        for row in rows:
            key = tuple(row[i] for i in self.key)
            if key == previous or None in key:
                place, columns = self.mapping.at(*self.loc, "key_columns"), ", ".join(self.spec.key_columns)
                raise ConfigurationError(
                    f"{place}: the columns {columns} do not tell the rows of {self.name} apart ({', '.join(map(show, key))})."
                    " Name columns that are together unique and never NULL."
                )
            previous = key
        if len(rows) <= size:
            return rows, None
        del rows[size:]
        return rows, tuple(rows[-1][i] for i in self.key)

    # -- rows

    def rows(self, connection: sa.Connection, raw: Sequence[Raw], *, bare: bool = False) -> list[Row]:
        """One row for each, with what belongs to it. Raises ConfigurationError for amounts in the wrong unit."""
        if raw and not bare and not self._units_known and self.database.dialect != "postgresql":
            for problem in self.wrong_units(connection):
                raise ConfigurationError(problem)
            self._units_known = True
        children = [(nested, nested.of(connection, self.database, raw)) for nested in self.nested] if raw and not bare else []
        return [self._row(one, children) for one in raw]

    def _row(self, raw: Raw, children: Sequence[tuple[Nested, Mapping[tuple[str, ...], list[Any]]]]) -> Row:
        row = Row(self.columns.values(raw), key="/".join(plain(raw[i]) for i in self.key))
        lists = {}
        for nested, found in children:
            elements = found.get(nested.key(raw), ())
            if nested.field is None:
                row.lines = elements
            else:
                lists[nested.field] = elements
        row.lists = lists
        return row

    def wrong_units(self, connection: sa.Connection) -> Iterator[str]:
        """Columns mapped as `minor_units` that are declared with decimals: 1486000.00 dollars would be read as 14860.00."""
        sources: list[tuple[Loc, str, Mapping[str, Any]]] = [(self.loc, self.spec.source, self.spec.fields)]
        if self.spec.lines:
            sources.append(((*self.loc, "lines"), self.spec.lines.source, self.spec.lines.fields))
        for loc, source, fields in sources:
            minor = {name: spec.column for name, spec in fields.items() if spec.type == "minor_units" and spec.column}
            declared = self.database.fractional(connection, source) if minor else {}
            for name, column in minor.items():
                if column in declared:
                    yield (
                        f"{self.mapping.at(*loc, 'fields', name)}: column {column} is {declared[column]}, which keeps decimals;"
                        " it is no count of minor units. Use `type: decimal`."
                    )


def dump_key(key: Sequence[Any]) -> list[Any]:
    """A key as JSON, exactly."""
    tags: tuple[tuple[type, str], ...] = ((Decimal, "decimal"), (datetime, "time"), (date, "date"))
    out: list[Any] = []
    for value in key:
        tag = next((name for kind, name in tags if isinstance(value, kind)), None)
        if tag is None and not isinstance(value, str | int):
            raise ConfigurationError(f"a key column holds {show(value)} ({type(value).__name__}); cast it to text in `from`")
        out.append({tag: str(value)} if tag else value)
    return out


def load_key(key: Sequence[Any]) -> tuple[Any, ...]:
    read: dict[str, Callable[[str], Any]] = {"decimal": Decimal, "time": datetime.fromisoformat, "date": date.fromisoformat}
    return tuple(read[tag](value[tag]) if isinstance(value, dict) and (tag := next(iter(value))) else value for value in key)
