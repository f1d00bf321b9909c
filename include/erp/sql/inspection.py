"""A mapping held against its database: every table, column and write statement, before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from include.erp.mapping.block import suggest
from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import WRITES
from include.erp.sql.database import Database, as_table
from include.erp.sql.grammar import SqlMapping
from include.erp.sql.selects import Selects
from include.erp.sql.statements import Statements
from include.erp.transport import Writing
from include.financials.entities import MODELS
from include.financials.exceptions import ConfigurationError, SyncError


class Inspection:
    """Yields what is wrong, one sentence each with its place in the mapping file."""

    def __init__(
        self, mapping: Mapping[SqlMapping], database: Database, statements: Callable[[str, Writing], Statements]
    ) -> None:
        self.mapping, self.database, self._statements = mapping, database, statements

    def entity(self, selects: Selects) -> Iterator[str]:
        spec, loc = selects.spec, selects.loc
        sources = [((*loc, "from"), spec.source, selects.columns)]
        sources += [((*nested.loc, "from"), nested.source, nested.columns) for nested in selects.nested]
        faults = [problem for place, source, columns in sources for problem in self.source(place, source, columns.uses)]
        yield from faults
        if not faults:
            yield from self.keys(selects)
            yield from self.times(selects)
            yield from self.units(selects)
            yield from self.statuses(selects)
        for action in WRITES if self.mapping.spec.writes is None else ():
            if getattr(spec.capabilities, action):
                yield from self.writes(self._statements(selects.name, action))

    def source(self, loc: Any, source: str, uses: Iterable[tuple[Any, str]]) -> Iterator[str]:
        place = self.mapping.at(*loc)
        try:
            with self.database.reading(place) as connection:
                there = list(
                    connection.execute(
                        sa.select(sa.literal_column("*")).select_from(as_table(source, ())).where(sa.false())
                    ).keys()
                )
        except ConfigurationError as error:
            yield f"{error}{self._tables(source)}"
            return
        known = set(there) if self.database.dialect in ("postgresql", "sqlite") else {c.lower() for c in there}
        label = "the SELECT" if " " in source else source
        for use, column in dict.fromkeys(uses):
            if column not in known and not (self.database.dialect not in ("postgresql", "sqlite") and column.lower() in known):
                hint = suggest(column, there).replace("Allowed:", "It has:")
                yield f"{self.mapping.at(*use)}: {label} has no column '{column}'{hint}"

    def _tables(self, source: str) -> str:
        if " " in source:
            return ""
        inspector = sa.inspect(self.database.engine)
        *schema, name = source.split(".")
        tables = sorted([*inspector.get_table_names(*schema[-1:]), *inspector.get_view_names(*schema[-1:])])
        return (
            ""
            if name in tables
            else f" Table or view '{source}' is not there{suggest(name, tables).replace('Allowed:', 'There are:')}"
        )

    def keys(self, selects: Selects) -> Iterator[str]:
        place = self.mapping.at(*selects.loc, "key_columns")
        missing = sa.or_(*(selects.table.c[column].is_(None) for column in selects.spec.key_columns))
        try:
            with self.database.reading(place) as connection:
                count = connection.execute(sa.select(sa.func.count()).select_from(selects.table).where(missing)).scalar_one()
        except ConfigurationError as error:
            yield str(error)
            return
        if count:
            yield (
                f"{place}: {count} rows of {selects.name} have no value in a key column and would never be read."
                " Choose columns that are never NULL."
            )

    def times(self, selects: Selects) -> Iterator[str]:
        changed = selects.spec.changed_since
        if changed and self.database.dialect == "sqlite" and changed.storage("timestamp").type != "timestamp_text":
            yield (
                f"{self.mapping.at(*selects.loc, 'changed_since')}: SQLite keeps times as text, which compare rightly only in one"
                " layout. Write type: timestamp_text and its format."
            )

    def units(self, selects: Selects) -> Iterator[str]:
        with self.database.reading(selects.place) as connection:
            yield from selects.wrong_units(connection)

    def statuses(self, selects: Selects) -> Iterator[str]:
        """One odd word is one record's trouble; where none of them is known, the words were not translated."""
        spec, words = selects.spec.fields.get("status"), MODELS[selects.name].statuses
        if spec is None or spec.column is None or not words:
            return
        column = selects.table.c[spec.column]
        with self.database.reading(selects.place) as connection:
            there = connection.execute(sa.select(column).where(column.is_not(None)).distinct().limit(50)).scalars().all()
        found = [str(word).strip() for word in there]
        known = set(words) if spec.map is None else {str(word) for word in spec.map}
        if found and not known & set(found):
            yield (
                f"{self.mapping.at(*selects.loc, 'fields', 'status')}: the ERP's words for {selects.name} are"
                f" {', '.join(map(repr, sorted(found)))}; translate them with `map` into {', '.join(words)}."
            )

    def writes(self, statements: Statements) -> Iterator[str]:
        """The database parses the statements (tables, columns, rights) and runs none."""
        if self.database.dialect not in ("postgresql", "sqlite"):
            return
        for place, statement, values in statements.nulls():
            try:
                with self.database.reading(place) as connection:
                    connection.execute(sa.text(f"EXPLAIN {statement.text}"), values)
            except SyncError as error:
                yield str(error)
