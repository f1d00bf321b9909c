"""What a gate saw, as a page that an analyst reads without a server: the verdict, every expectation, and the frames it looked at,
what failed first and marked. It loads nothing from anywhere. The file beside it has all rows of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq

from include.financials.ledger.room import chunked
from include.financials.legible import legible

if TYPE_CHECKING:
    from include.financials.gate import Opening, RuleResult

SHOWN = 200
"""Rows of a frame that the page shows; the file beside it has all of them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows of real columns, gone through once. ``wrong`` says of a row, by its place, which column broke which rule; ``file`` is
    where all of it is."""

    name: str
    columns: tuple[str, ...]
    rows: Iterable[Mapping[str, Any]]
    file: str
    wrong: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        wrong, others, numbers = dict[int, Mapping[str, Any]](), dict[int, Mapping[str, Any]](), set[str]()
        total = 0
        for place, row in enumerate(self.rows):
            total += 1
            numbers.update(name for name in self.columns if type(row[name]) in (Decimal, int))
            kept = wrong if place in self.wrong else others
            if len(kept) < SHOWN:
                kept[place] = row
        shown = [*wrong.items(), *others.items()][:SHOWN]
        return {
            "name": self.name,
            "columns": self.columns,
            "numbers": numbers,
            "total": total,
            "file": self.file,
            "rows": [
                {
                    "values": {name: _cell(row[name]) for name in self.columns},
                    "wrong": {name: legible(why) for name, why in self.wrong.get(place, {}).items()},
                }
                for place, row in shown
            ],
        }


def page(gate: str, entity: str, run: str, opening: Opening, results: Sequence[RuleResult], frames: Sequence[Frame]) -> str:
    """HTML: the verdict, the rules (those that found something come first) and the frames."""
    order = sorted(results, key=lambda one: (not one.failed, one.rule))
    shown = [replace(one, records=tuple(map(legible, one.records))) for one in order]
    told = replace(opening, reason=legible(opening.reason or ""))
    return _template().render(
        gate=gate, entity=entity, run=legible(run), opening=told, results=shown, frames=[frame.shown() for frame in frames]
    )


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:f}" if isinstance(value, Decimal) else legible(str(value))


@cache
def _template() -> jinja2.Template:
    source = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)


_ARROW: Mapping[type | None, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), None: pa.null()}


def parquet(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """All rows of a frame, part by part; a column has the type of its first cell that is not empty, and what is no number or yes
    or no is text."""
    kinds: dict[str, type | None] = {}
    for row in rows:
        for name, value in row.items():
            if kinds.get(name) is None:
                kinds[name] = None if value is None else type(value)
    schema = pa.schema([pa.field(name, _ARROW.get(kind, pa.string())) for name, kind in kinds.items()])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema) as file:
        for some in chunked(rows, 2_000):
            file.write_table(
                pa.Table.from_pylist([{name: _stored(value) for name, value in row.items()} for row in some], schema)
            )
    return bytes(sink.getvalue())


def _stored(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
