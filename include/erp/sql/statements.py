"""The statements of one entity and action, with the values of a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.erp.mapping.loading import Mapping
from include.erp.sql.database import Database
from include.erp.sql.grammar import SqlMapping, Statement
from include.erp.transport import Document, Writing

UNCOUNTED = -1
"""What a driver says that cannot tell how many rows a statement touched."""


@dataclass(frozen=True, slots=True)
class Call:
    """One statement with its values. ``place`` is where the mapping writes it; ``rows`` how many it must touch each time (None:
    any)."""

    place: str
    statement: sa.TextClause
    values: Any
    rows: int | None
    waits_for: frozenset[str] = frozenset()
    """Names whose values an earlier statement gives."""
    gives: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages: ``entities.commitments.write.create.2 (INSERT INTO commitment_lines)``."""
        return f"{self.place.rpartition(': ')[2]} ({' '.join(self.statement.text.split('(')[0].split()[:3])})"

    def run(self, connection: sa.Connection, given: dict[str, Any]) -> str | None:
        """Execute it, with what earlier statements have given; what it gives is added. Returns what is wrong with its answer."""
        if self.values == []:
            return None
        if missing := self.waits_for - given.keys():
            return f"{self.name} binds {', '.join(sorted(missing))}, which no statement before it gave"
        more = {name: given[name] for name in self.waits_for}
        # Line by line: of many values at once pymssql counts the rows of the last and pyodbc none.
        for values in self.values if isinstance(self.values, list) else [self.values]:
            result = connection.execute(self.statement, values | more)
            if self.gives:
                rows = result.mappings().all()
                if len(rows) != 1 or not set(self.gives) <= set(rows[0]):
                    return f"{self.name} answered {len(rows)} rows where it must answer one with {', '.join(self.gives)}"
                given |= {name: rows[0][name] for name in self.gives}
            elif self.rows is not None and result.rowcount not in (self.rows, UNCOUNTED):
                return f"{self.name} touched {result.rowcount} rows where it must touch {self.rows}"
        return None


class Statements:
    """Values only ever travel as bound parameters."""

    def __init__(self, mapping: Mapping[SqlMapping], name: str, action: Writing, database: Database) -> None:
        self.mapping, self.name, self.action, self.database = mapping, name, action, database
        self.spec = mapping.spec.entities[name]
        specs: tuple[Statement, ...] = getattr(self.spec.write, action)
        self._made = [(spec, spec.parameters(), sa.text(spec.sql)) for spec in specs]
        self._batch = [(spec, spec.parameters(), sa.text(spec.sql)) for spec in self.spec.write.batch(action)]

    def calls(self, document: Document) -> list[Call]:
        """The document's statements in order."""
        return [self._call(*self._made[index], self.place(index), document) for index in document.calls]

    @property
    def batched(self) -> bool:
        """Whether something is done once for all documents of a call."""
        return bool(self._batch)

    def batch(self, document: Document) -> list[Call]:
        """The statements before the first document of a batch; any of its documents will do."""
        return [self._call(*made, self.batch_place(index), document) for index, made in enumerate(self._batch)]

    def _call(self, spec: Statement, names: tuple[str, ...], statement: sa.TextClause, place: str, document: Document) -> Call:
        bind = self.database.bind
        if spec.each is None:
            own = document.header
            values: Any = {name: bind(own[name]) for name in names if name in own}
        else:
            own = document.lines[0] if document.lines else {}
            values = [{name: bind(line[name]) for name in names if name in line} for line in document.lines]
        return Call(place, statement, values, spec.expected_rows(), frozenset(names) - frozenset(own), spec.gives)

    def batch_place(self, index: int) -> str:
        return self.mapping.at("entities", self.name, "write", "before_batch", index)

    def place(self, index: int) -> str:
        return self.mapping.at("entities", self.name, "write", self.action, index)

    def nulls(self) -> Iterator[tuple[str, sa.TextClause, dict[str, None]]]:
        """Every statement with empty values, to have the database look at its SQL without running it."""
        for index, (_, names, statement) in enumerate(self._batch):
            yield self.batch_place(index), statement, dict.fromkeys(names)
        for index, (_, names, statement) in enumerate(self._made):
            yield self.place(index), statement, dict.fromkeys(names)
