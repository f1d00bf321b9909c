"""What a gate saw, as a page that an analyst reads without a server: the verdict, every expectation, and the frames it looked at,
what failed first and marked. It loads nothing from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from include.financials.legible import legible

if TYPE_CHECKING:
    from include.financials.gate import Opening, RuleResult

SHOWN = 200
"""Rows of a frame that the page shows; the file beside it has all of them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows of real columns. ``wrong`` says of a row, by its place, which column broke which rule; ``file`` is where all of it
    is."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    file: str
    wrong: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        order = sorted(range(len(self.rows)), key=lambda place: place not in self.wrong)[:SHOWN]
        numbers = {name for name in self.columns if any(type(row[name]) in (Decimal, int) for row in self.rows)}
        return {
            "name": self.name,
            "columns": self.columns,
            "numbers": numbers,
            "total": len(self.rows),
            "file": self.file,
            "rows": [
                {
                    "values": {name: _cell(self.rows[place][name]) for name in self.columns},
                    "wrong": {name: legible(why) for name, why in self.wrong.get(place, {}).items()},
                }
                for place in order
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
