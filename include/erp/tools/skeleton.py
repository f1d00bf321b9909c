"""``init``: a mapping to fill in, made of what a database shows of itself and of what the canonical fields mean.

Nothing is guessed: a field is proposed only where a column of the named table has its very name. What a person must say reads
TODO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from include.erp.mapping.block import suggest
from include.erp.sql.database import Database
from include.erp.tools.canonical import Canonical, fields
from include.financials.entities import ENTITIES, OF_ERP
from include.financials.exceptions import ConfigurationError, RetryLater

TODO = "TODO"
_WHOLE = re.compile(r"(?i)(tiny|small|big)?int")
_TEXT = re.compile(r"(?i)(n?var)?char|text|clob|string|$")


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: Mapping[str, str]
    """Name -> type, as the database declares it."""
    key: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(f'{name} {kind}'.strip() for name, kind in self.columns.items())})"


def skeleton(address: str, system: str, chosen: Mapping[str, str], lines: Mapping[str, str], schema: str | None) -> Iterator[str]:
    """:param chosen: entity -> table or view. Of none: a block for every entity, with everything to be said.
    :param lines: entity -> table of its lines."""
    tables = _tables(address, schema)
    for entity, name in (*chosen.items(), *lines.items()):
        if entity not in OF_ERP:
            raise ConfigurationError(f"{entity} is no entity{suggest(entity, OF_ERP)}")
        if name not in tables:
            raise ConfigurationError(f"there is no table or view {name}{suggest(name, tables)}")
    yield from _head(system, tables, chosen)
    for entity in chosen or OF_ERP:
        given, below = chosen.get(entity), lines.get(entity)
        yield from _entity(entity, tables[given] if given else None, tables[below] if below else None)


def _tables(address: str, schema: str | None) -> dict[str, Table]:
    database = Database(address)
    try:
        with database.reading("init") as connection:
            inspector = sa.inspect(connection)
            found = {}
            for name in sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)]):
                columns = {
                    one["name"]: str(one["type"]) if one["type"] is not None else ""
                    for one in inspector.get_columns(name, schema)
                }
                full = f"{schema}.{name}" if schema else name
                found[full] = Table(full, columns, tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"]))
            return found
    except RetryLater as error:
        raise ConfigurationError(str(error)) from error
    finally:
        database.close()


def _head(system: str, tables: Mapping[str, Table], chosen: Mapping[str, str]) -> Iterator[str]:
    yield "# A mapping to fill in: what reads TODO is to be said, what is commented out may be. Take away the entities that"
    yield "# the ERP does not have. Keys: docs/erp-sql-adapter.md. Fields: docs/canonical-fields.md."
    yield "#"
    yield "# Tables and views:"
    yield from (f"#   {one}" for one in tables.values() if not chosen or one.name in chosen.values() or len(tables) <= 40)
    yield ""
    yield "kind: sql"
    yield f"system: {system}  # first part of every external id: never changed after go-live"
    yield "# timezone: America/Chicago   # of times that are kept without a zone; default UTC"
    yield "# now: SELECT loaded_at FROM replica   # the ERP's clock, where it is not the database's"
    yield ""
    yield "entities:"


def _entity(entity: str, table: Table | None, below: Table | None) -> Iterator[str]:
    row = ENTITIES.get(entity)
    yield ""
    yield f"  {entity}:" + (f"  # stage {row.stage}" if row else "  # looked up only")
    yield f"    from: {table.name if table else TODO}  # a table, a view, or a SELECT"
    key = ", ".join(table.key) if table and table.key else TODO
    yield f"    key_columns: [{key}]  # together unique and never empty: the order of paging"
    known = list(fields(entity))
    for one in (one for one in known if one.place in ("id", "company", "number")):
        yield _told(f"    {one.name}: {_proposed(one, table) or TODO}", one)
    for one in (one for one in known if one.place == "changed_since"):
        yield _told("    # changed_since: {column: TODO, type: timestamp_text}", one)
    if row is not None and row.project_scoped:
        yield "    # scope: TODO  # column with the job"
    yield "    fields:"
    yield from _fields([one for one in known if one.place.startswith("fields.")], table, 6)
    if any(one.line for one in known):
        mark = "" if below else "# "
        yield f"    {mark}lines:"
        yield f"    {mark}  from: {below.name if below else TODO}"
        yield f"    {mark}  join: {{TODO: TODO}}  # column of the lines: column of the document"
        yield f"    {mark}  order: [TODO]"
        yield f"    {mark}  fields:"
        yield from _fields([one for one in known if one.line], below, 8, mark)
    if row is not None and (row.direction == "procore_to_erp" or row.two_way):
        yield "    # find: {marker: TODO, void: {status: void}}  # column that keeps our marker, unique in the ERP"
        yield '    # capabilities: {create: true}   # and write: create: [...]; see "Writing"'


def _fields(known: Sequence[Canonical], table: Table | None, indent: int, mark: str = "") -> Iterator[str]:
    for one in known:
        proposed = _proposed(one, table)
        value = _words(one, proposed or TODO) if one.words else proposed or TODO
        said = mark or ("" if one.required or proposed else "# ")
        yield _told(f"{' ' * (indent - 2 if mark else indent)}{said}{'  ' if mark else ''}{one.name}: {value}", one)


def _told(text: str, one: Canonical) -> str:
    words = f"; one of {', '.join(one.words)}" if one.words else ""
    return f"{text}  # {'required: ' if one.required else ''}{one.meaning} ({one.unit}{words})"


def _words(one: Canonical, column: str) -> str:
    """What stands in the ERP is not known: its own words come first, ours are the values."""
    if column.startswith("{"):
        return column
    return f"{{column: {column}, map: {{{', '.join(f'TODO_{word}: {word}' for word in one.words)}}}}}"


def _proposed(one: Canonical, table: Table | None) -> str | None:
    """The column of the field's very name, as it must be said for its type."""
    column = next((name for name in table.columns if name.lower() == one.name), None) if table else None
    if column is None or table is None or one.several:
        return None
    kind = table.columns[column]
    if one.kind == "decimal" and _WHOLE.match(kind):
        return f"{{column: {column}, type: minor_units, scale: 2}}"
    if one.kind == "date" and _TEXT.match(kind):
        return f"{{column: {column}, type: date_text}}"
    if one.kind == "boolean" and not kind.upper().startswith("BOOL"):
        return f"{{column: {column}, map: {{1: true, 0: false}}}}"
    return column
