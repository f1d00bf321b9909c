"""Which names an entity of a mapping wants in the rows that a transport delivers, and where in the file each is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from include.configfile import Loc
from include.erp.mapping.spec import EntitySpec
from include.erp.transport import Shape


def shape_of(spec: EntitySpec) -> Shape:
    return Shape(
        header=tuple(dict.fromkeys(name for _, name in header_uses(spec))),
        lines=tuple(dict.fromkeys(name for _, name in line_uses(spec))),
        lists={name: field.list for name, field in spec.fields.items() if field.list is not None},
    )


def header_uses(spec: EntitySpec) -> Iterator[tuple[Loc, str]]:
    """(place within the entity's block, name) of the document itself."""
    for key, field in (("id", spec.id), ("company", spec.company), ("number", spec.number)):
        yield from (((key,), name) for name in field.columns())
    if spec.scope:
        yield ("scope",), spec.scope
    if spec.changed_since:
        yield ("changed_since",), spec.changed_since.column
    if spec.find:
        yield ("find", "marker"), spec.find.marker
    if spec.accepted:
        yield ("accepted", "column"), spec.accepted.column
        yield from ((("accepted", "said"), name) for name in (spec.accepted.said,) if name)
    for key, field in spec.fields.items():
        yield from ((("fields", key), name) for name in field.columns())


def line_uses(spec: EntitySpec) -> Iterator[tuple[Loc, str]]:
    """The same of each line."""
    if spec.lines:
        for key, field in spec.lines.fields.items():
            yield from ((("lines", "fields", key), name) for name in field.columns())
