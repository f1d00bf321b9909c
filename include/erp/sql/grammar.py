"""The keys of a mapping file that are those of a database: where rows come from, and the statements that write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import text

from include.configfile import Loc
from include.erp.mapping.block import Age, Column, tuples
from include.erp.mapping.spec import CallSpec, EntitySpec, FieldSpec, LinesSpec, MappingSpec, WriteSpec
from include.financials.record import Record

_IDENTIFIER = re.compile(r"[A-Za-z_][\w$#]*")
_SOURCE = re.compile(r"(?i)\s*(select|with)\b")
_WRITING = re.compile(r"(?is)\s*(insert|update|delete|merge|replace|with\b.*\b(insert|update|delete))\b")

NOW: Mapping[str, str] = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    "mssql": "SELECT CONVERT(VARCHAR(33), SYSUTCDATETIME(), 127) + 'Z'",
    "oracle": 'SELECT TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), \'YYYY-MM-DD"T"HH24:MI:SS.FF6"Z"\') FROM dual',
    "default": "SELECT CURRENT_TIMESTAMP",
}
"""The time with its zone, so that it means the same whatever ``timezone`` says of columns."""


def _source(value: Any) -> Any:
    ok = isinstance(value, str) and (_SOURCE.match(value) or all(_IDENTIFIER.fullmatch(part) for part in value.split(".")))
    if not ok:
        raise PydanticCustomError(
            "source", "must be a table or view (`name` or `schema.name`) or a SELECT, not {value}", {"value": repr(value)}
        )
    return value.strip().rstrip(";")


From = Annotated[str, BeforeValidator(_source)]


class SqlField(FieldSpec):
    """A ``list`` stands in a table of its own, joined to a page of headers by key."""

    source: From | None = Field(None, alias="from")
    join: dict[str, Column] | None = None
    order: tuple[Column, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "order")

    @model_validator(mode="after")
    def _joined(self) -> SqlField:
        if ("list" in self.model_fields_set) != (self.source is not None and bool(self.join)):
            raise PydanticCustomError("one_of", "`list` goes with `from` and `join`, and they with it")
        return self


class SqlLines(LinesSpec):
    """The lines of a document: their own table, joined to the header page by page."""

    source: From = Field(alias="from")
    join: dict[str, Column]
    """Column of the lines -> column of the header."""
    order: tuple[Column, ...]

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "order")


class Statement(CallSpec):
    """One SQL statement of a write; all of a record's statements share its savepoint."""

    shorthand: ClassVar[str | None] = "sql"
    place: ClassVar[str] = "sql"
    sql: Annotated[str, Field(min_length=1)]
    each: Literal["lines"] | None = None
    rows: Annotated[int, Field(ge=0)] | Literal["any"] | None = None
    """How many rows it must touch, per line with ``each``; default 1 for a statement that writes, else not checked."""
    gives: tuple[str, ...] = ()
    """Columns of the one row that it answers (RETURNING, OUTPUT, a SELECT), which later statements bind by these names."""

    @model_validator(mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return tuples(value, "gives")

    @model_validator(mode="after")
    def _once(self) -> Statement:
        if self.gives and self.each:
            raise PydanticCustomError("one_of", "`gives` names one row; a statement for each line has many")
        return self

    def answers(self) -> tuple[str, ...]:
        return self.gives

    @property
    def per_line(self) -> bool:
        return self.each is not None

    def binds(self) -> tuple[str, ...]:
        return () if self.each else self.parameters()

    def line_binds(self) -> tuple[str, ...]:
        return self.parameters() if self.each else ()

    def parameters(self) -> tuple[str, ...]:
        return tuple(text(self.sql).compile().params)

    def expected_rows(self) -> int | None:
        if self.rows is None:
            return 1 if _WRITING.match(self.sql) else None
        return None if self.rows == "any" else self.rows


class SqlWrite(WriteSpec):
    create: tuple[Statement, ...] = ()
    update: tuple[Statement, ...] = ()
    void: tuple[Statement, ...] = ()
    before_batch: tuple[Statement, ...] = ()
    """Once for all documents of a ``create``, in their transaction, before the first that is written."""

    @model_validator(mode="before")
    @classmethod
    def _batch(cls, value: Any) -> Any:
        return tuples(value, "before_batch")

    def shared(self, action: str) -> tuple[str, ...]:
        given = set(self.answers(action))
        return tuple(n for one in self.batch(action) for n in one.parameters() if n not in given)

    def answers(self, action: str) -> tuple[str, ...]:
        return tuple(name for one in self.batch(action) for name in one.gives)

    def batch(self, action: str) -> tuple[Statement, ...]:
        return self.before_batch if action == "create" else ()

    def faults(self, entity: EntitySpec) -> Iterator[tuple[Loc, str]]:
        alike = {"company", *(name for name, one in entity.parameters.items() if one.field is None)}
        for index, statement in enumerate(self.before_batch):
            place: Loc = ("write", "before_batch", index)
            for name in statement.parameters():
                if name not in alike | set(self.answers("create")):
                    known = ", ".join(sorted(alike))
                    yield (*place, "sql"), f"parameter :{name} is not the same for all documents of a batch. Allowed: {known}"
            if statement.each or statement.when or statement.only:
                yield place, "is made for no single document: `each`, `when` and `if` have no meaning here"


class SqlEntity(EntitySpec):
    source: From = Field(alias="from")
    key_columns: tuple[Column, ...]
    """Together unique and never NULL: the order of paging."""
    fields: Mapping[str, SqlField]
    lines: SqlLines | None = None
    write: SqlWrite = SqlWrite()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "key_columns")

    def faults(self, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        if not self.key_columns:
            yield ("key_columns",), "needs at least one column"
        yield from super().faults(model)


class SqlMapping(MappingSpec):
    kind: Literal["sql"] = "sql"
    now: str | dict[str, str] = Field(default_factory=lambda: dict(NOW))
    """The ERP's clock; a block gives one statement per database (sqlite, postgresql, ..., default). Of a replica: as of when it
    shows the ERP."""
    max_age: Age | None = None
    """How old the time that ``now`` gives may be: a replica that is no longer brought up to date says nothing of the ERP."""
    entities: Mapping[str, SqlEntity]

    @staticmethod
    def name_fault(name: str) -> str | None:
        ok = _IDENTIFIER.fullmatch(name)
        return None if ok else "is not a column name; an expression belongs into a SELECT under `from`"
