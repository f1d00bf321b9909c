"""The read side of a mapping: one entity's SELECTs, and rows turned into canonical records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from include.erp.codecs import FieldError, bounds, codec, show
from include.erp.columns import Columns, Getter, Row, among, column_of, getter, plain, splits
from include.erp.database import Database, as_table
from include.erp.mapping.checks import kind_of, line_fields
from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import FieldSpec, Loc
from include.financials.entities import MODELS
from include.financials.exceptions import ConfigurationError
from include.financials.port import Invalid, Window
from include.financials.record import LineModel, Record

M = TypeVar("M", bound=BaseModel)


SAMPLE = 100
"""Rows that are looked at to see how a database keeps its keys."""


def _unpadded(raw: Any) -> Any:
    return raw.rstrip(" ") if isinstance(raw, str) else raw


@dataclass(slots=True)
class Nested:
    """A list of an entity: its own SELECT, joined to a page of headers by key. ``build`` makes one element of a row."""

    field: str
    loc: Loc
    source: str
    columns: Columns
    table: sa.FromClause
    header: list[int]
    own: list[int]
    order: tuple[str, ...]
    build: Callable[[Row, int], Any]

    def of(self, connection: sa.Connection, database: Database, rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
        """The rows that belong to a page of header rows, by join key."""
        keys = list(dict.fromkeys(tuple(row[i] for i in self.header) for row in rows))
        # A padded key of the header names the rows of lines that are not padded, too.
        keys = list(dict.fromkeys([*keys, *(tuple(_unpadded(value) for value in key) for key in keys)]))
        columns = list(self.table.c)
        joined = [columns[i] for i in self.own]
        by = [*joined, *(self.table.c[c] for c in self.order)]
        found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        size = max(1, database.max_parameters // (2 * len(joined)))
        for start in range(0, len(keys), size):
            statement = sa.select(*columns).where(database.among(joined, keys[start : start + size])).order_by(*by)
            for row in connection.execute(statement):
                found[tuple(plain(row[i]) for i in self.own)].append(row)
        return found

    def key(self, row: Row) -> tuple[str, ...]:
        return tuple(plain(row[i]) for i in self.header)


class Reader:
    """One entity of a mapping: builds its SELECTs and turns rows into records or :class:`Invalid` s."""

    def __init__(self, mapping: Mapping, name: str, database: Database) -> None:
        self.mapping, self.name, self.database = mapping, name, database
        self.spec = spec = mapping.entity(name)
        self.loc: Loc = ("entities", name)
        self.model = MODELS[name]
        self.columns = Columns()
        self.key = self.columns.need((*self.loc, "key_columns"), *spec.key_columns)
        identity = {"id": spec.id, "company": spec.company, "number": spec.number}
        for key, field in identity.items():
            self.columns.need((*self.loc, key), *field.columns())
        if spec.scope:
            self.columns.need((*self.loc, "scope"), spec.scope)
        if spec.changed_since:
            self.columns.need((*self.loc, "changed_since"), spec.changed_since.column)
        if spec.find:
            self.columns.need((*self.loc, "find", "marker"), spec.find.marker)
        for field_name, field in spec.fields.items():
            self.columns.need((*self.loc, "fields", field_name), *field.columns())
        self.nested = [*self._lists(), *self._lines()]
        self.table = as_table(spec.source, tuple(self.columns.position))
        self.place = mapping.at(*self.loc, "from")
        self._getters = self._fields(identity)
        self._id, self._number = self._getters["id"], self._getters["number"]
        self._units_known = False
        self._looks: tuple[set[str], dict[str, int]] | None = None
        self.scope_place = self.columns.position[spec.scope] if spec.scope else None

    # -- compiling the mapping

    def _fields(self, identity: dict[str, FieldSpec]) -> dict[str, Getter]:
        position = self.columns.position
        getters = {key: getter(key, field, "text", position) for key, field in identity.items()}
        for name, field in self.spec.fields.items():
            if field.list is None:
                getters[name] = getter(name, field, kind_of(self.model.model_fields[name]), position)
        if (words := self.model.statuses) and "status" in getters:
            getters["status"] = among(words, self.name, getters["status"])
        if changed := self.spec.changed_since:
            getters["updated_at"] = column_of("updated_at", position[changed.column], codec(changed.storage("timestamp")), {})
        if self.spec.find:
            getters.setdefault("marker", getter("marker", FieldSpec(column=self.spec.find.marker), "text", position))
        return getters

    def _lists(self) -> Iterator[Nested]:
        for name, field in self.spec.fields.items():
            if field.list is None:
                continue
            assert field.source is not None and field.join is not None
            loc: Loc = (*self.loc, "fields", name)
            columns = Columns()
            own = columns.need((*loc, "join"), *field.join)
            (place,) = columns.need((*loc, "list"), field.list)
            columns.need((*loc, "order"), *field.order)
            element = column_of(name, place, codec(field.storage("text")), field.map or {})
            yield Nested(
                *(name, loc, field.source, columns, as_table(field.source, tuple(columns.position))),
                *(self.columns.need((*loc, "join"), *field.join.values()), own, field.order or (field.list,)),
                lambda row, _index, element=element: element(row),  # type: ignore[misc]
            )

    def _lines(self) -> Iterator[Nested]:
        lines, model = self.spec.lines, self.model.line
        if lines is None or model is None:
            return
        loc: Loc = (*self.loc, "lines")
        columns = Columns()
        own = columns.need((*loc, "join"), *lines.join)
        columns.need((*loc, "order"), *lines.order)
        for name, field in lines.fields.items():
            columns.need((*loc, "fields", name), *field.columns())
        infos = line_fields(self.model)
        getters = {name: getter(name, field, kind_of(infos[name]), columns.position) for name, field in lines.fields.items()}

        def build(row: Row, index: int) -> LineModel:
            try:
                return _make(model, {name: get(row) for name, get in getters.items()})
            except FieldError as error:
                raise FieldError(f"lines[{index}].{error.field}", error.reason) from None

        table = as_table(lines.source, tuple(columns.position))
        header = self.columns.need((*loc, "join"), *lines.join.values())
        yield Nested("lines", loc, lines.source, columns, table, header, own, lines.order, build)

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
        if scopes is not None and self.spec.scope is not None:
            keys = self._typed(connection, (self.spec.scope,), [(scope,) for scope in scopes])
            conditions.append(self.database.among([self.table.c[self.spec.scope]], keys))
        return conditions

    def of_ids(self, connection: sa.Connection, ids: Sequence[str]) -> sa.ColumnElement[bool]:
        """Rows with these own-side ids; where an id can be read in two ways, of both (the caller compares the id itself)."""
        spec = self.spec.id
        columns = [self.table.c[c] for c in spec.columns()]
        keys: list[tuple[str, ...]] = [(i,) for i in ids]
        if spec.template is not None:
            keys = [tuple(found[c] for c in spec.columns()) for i in ids for found in splits(spec.template, i)]
        return self.database.among(columns, self._typed(connection, spec.columns(), keys))

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

    def of_markers(self, markers: Sequence[str]) -> sa.ColumnElement[bool]:
        assert self.spec.find is not None
        return self.table.c[self.spec.find.marker].in_(list(markers))

    def page(
        self, connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]], after: Sequence[Any] | None, size: int
    ) -> tuple[list[Row], tuple[Any, ...] | None]:
        """One page of rows and the key to go on from (None: it was the last). Raises ConfigurationError where keys repeat."""
        rows: list[Row] = list(connection.execute(self.select(*conditions, after=after, limit=size + 1)).all())
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

    # -- rows to records

    def parse(self, connection: sa.Connection, rows: Sequence[Row]) -> list[Record | Invalid]:
        """One answer per row, in the order of the rows. Raises ConfigurationError for amounts in the wrong unit."""
        if rows and not self._units_known and self.database.dialect != "postgresql":
            for problem in self.wrong_units(connection):
                raise ConfigurationError(problem)
            self._units_known = True
        children = [(nested, nested.of(connection, self.database, rows)) for nested in self.nested] if rows else []
        return [self._record(row, children) for row in rows]

    def _record(self, row: Row, children: list[tuple[Nested, dict[tuple[str, ...], list[Row]]]]) -> Record | Invalid:
        try:
            values = {name: get(row) for name, get in self._getters.items()}
            for nested, found in children:
                elements = found.get(nested.key(row), ())
                values[nested.field] = tuple(nested.build(element, index) for index, element in enumerate(elements, start=1))
            return _make(self.model, values)
        except FieldError as error:
            number = self._safe(self._number, row) or self.id_of(row)
            scope = row[self.scope_place] if self.scope_place is not None else None
            place = None if scope is None else plain(scope)
            told = self._shown(row)
            company = self.company_of(row)
            return Invalid(self.name, self.id_of(row), number, error.field, error.reason, place, company, told)

    def _shown(self, row: Row) -> dict[str, str | None]:
        """The fields of a row that can be read, as text."""
        told: dict[str, str | None] = {}
        for name, get in self._getters.items():
            try:
                value = get(row)
            except FieldError:
                continue
            told[name] = None if value in (None, "") else str(value)
        return told

    def wrong_units(self, connection: sa.Connection) -> Iterator[str]:
        """Columns mapped as `minor_units` that are declared with decimals: 1486000.00 dollars would be read as 14860.00."""
        sources = [(self.loc, self.spec.source, self.spec.fields)]
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

    def id_of(self, row: Row) -> str:
        return self._safe(self._id, row) or "/".join(plain(row[i]) for i in self.key)

    def marker_of(self, row: Row) -> str | None:
        return self._safe(self._getters["marker"], row) or None

    def company_of(self, row: Row) -> str | None:
        return self._safe(self._getters["company"], row) or None

    @staticmethod
    def _safe(get: Getter, row: Row) -> str:
        try:
            return str(get(row) or "")
        except FieldError:
            return ""


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


def dump_key(key: Sequence[Any]) -> list[Any]:
    """A key as JSON, exactly."""
    tags: tuple[tuple[type, str], ...] = ((Decimal, "decimal"), (date, "date"))
    out: list[Any] = []
    for value in key:
        tag = next((name for kind, name in tags if isinstance(value, kind)), None)
        if tag is None and not isinstance(value, str | int):
            raise ConfigurationError(f"a key column holds {show(value)} ({type(value).__name__}); cast it to text in `from`")
        out.append({tag: str(value)} if tag else value)
    return out


def load_key(key: Sequence[Any]) -> tuple[Any, ...]:
    read: dict[str, Callable[[str], Any]] = {"decimal": Decimal, "date": date.fromisoformat}
    return tuple(read[tag](value[tag]) if isinstance(value, dict) and (tag := next(iter(value))) else value for value in key)
