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


@dataclass(frozen=True, slots=True)
class Call:
    """One statement with its values. ``place`` is where the mapping writes it; ``rows`` how many it must touch (None: any)."""

    place: str
    statement: sa.TextClause
    values: Any
    rows: int | None

    @property
    def name(self) -> str:
        """For messages: ``entities.commitments.write.create.2 (INSERT INTO commitment_lines)``."""
        return f"{self.place.rpartition(': ')[2]} ({' '.join(self.statement.text.split('(')[0].split()[:3])})"

    def miscounted(self, touched: int) -> str | None:
        """What is wrong with the number of rows that it touched; a driver that cannot tell says -1."""
        wanted = None if self.rows is None else self.rows * (len(self.values) if isinstance(self.values, list) else 1)
        if wanted is None or touched < 0 or touched == wanted:
            return None
        return f"{self.name} touched {touched} rows where it must touch {wanted}"


class Statements:
    """Values only ever travel as bound parameters."""

    def __init__(self, mapping: Mapping[SqlMapping], name: str, action: Writing, database: Database) -> None:
        self.mapping, self.name, self.action, self.database = mapping, name, action, database
        self.spec = mapping.spec.entities[name]
        specs: tuple[Statement, ...] = getattr(self.spec.write, action)
        self._made = [(spec, spec.parameters(), sa.text(spec.sql)) for spec in specs]

    def calls(self, document: Document) -> list[Call]:
        """The document's statements in order."""
        bind, found = self.database.bind, []
        for index, (spec, names, statement) in enumerate(self._made):
            if not document.applies(spec.when):
                continue
            if spec.each is None:
                values: Any = {name: bind(document.header[name]) for name in names}
            else:
                values = [{name: bind(line[name]) for name in names} for line in document.lines]
            found.append(Call(self.place(index), statement, values, spec.expected_rows()))
        return found

    def place(self, index: int) -> str:
        return self.mapping.at("entities", self.name, "write", self.action, index)

    def nulls(self) -> Iterator[tuple[str, sa.TextClause, dict[str, None]]]:
        """Every statement with empty values, to have the database look at its SQL without running it."""
        for index, (_, names, statement) in enumerate(self._made):
            yield self.place(index), statement, dict.fromkeys(names)
