"""Columns of a SELECT, and how a canonical field is had from a row of them: decoded, mapped, or filled into a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from include.erp.codecs import Codec, FieldError, Unfit, codec, show
from include.erp.mapping.checks import parts
from include.erp.mapping.spec import FieldSpec, Loc

Row = Sequence[Any]
Getter = Callable[[Row], Any]


def fill(template: str, values: Sequence[str]) -> str:
    return template.format(**dict(zip(parts(template), values, strict=True)))


def splits(template: str, text: str) -> Iterator[dict[str, str]]:
    """Every way to read ``text`` as the filled template: one, unless a value contains the text between two columns."""
    columns = parts(template)
    literals = template.format(**dict.fromkeys(columns, "\0")).split("\0")

    def rest(index: int, tail: str) -> Iterator[tuple[str, ...]]:
        after = literals[index + 1]
        if index == len(columns) - 1:
            if tail.endswith(after):
                yield (tail[: len(tail) - len(after)],)
            return
        start = tail.find(after)
        while start >= 0:
            for following in rest(index + 1, tail[start + len(after) :]):
                yield (tail[:start], *following)
            start = tail.find(after, start + 1)

    if text.startswith(literals[0]):
        for values in rest(0, text[len(literals[0]) :]):
            yield dict(zip(columns, values, strict=True))


def plain(raw: Any) -> str:
    """A key column as text, as it stands in ids."""
    if isinstance(raw, str):
        return raw.strip()
    return str(int(raw)) if isinstance(raw, Decimal) and raw == raw.to_integral_value() else str(raw)


def getter(name: str, spec: FieldSpec, kind: str, position: dict[str, int]) -> Getter:
    """How one canonical field is had from a row. It raises FieldError when the value does not fit."""
    if spec.is_constant:
        return lambda row: spec.constant
    if spec.template is not None:
        template, places = spec.template, [position[column] for column in spec.columns()]
        return lambda row: None if any(row[i] is None for i in places) else fill(template, [plain(row[i]) for i in places])
    place = position[spec.columns()[0]]
    return column_of(name, place, codec(spec.storage(kind)), spec.map or {})


def column_of(name: str, place: int, values: Codec, known: dict[Any, Any]) -> Getter:
    decode = values.decode

    def get(row: Row) -> Any:
        raw = row[place]
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            # ERPs pad and blank where they mean nothing; a map may still give the blank a meaning.
            return known.get(raw.strip() if raw else raw)
        try:
            value = decode(raw)
        except Unfit as unfit:
            raise FieldError(name, str(unfit)) from None
        # CHAR columns come padded. Models strip what they hold; an id is also handed out without one (`keys`), and is one id.
        return value.strip() if isinstance(value, str) else value

    return get


def among(words: tuple[str, ...], entity: str, get: Getter) -> Getter:
    """A status that is one of the words that rules know. Another one is never taken for any of them."""

    def status(row: Row) -> Any:
        word = get(row)
        if word is not None and word not in words:
            raise FieldError(
                "status",
                f"is {show(word)}, the words for {entity} are {', '.join(words)}; translate it with `map` in the mapping",
            )
        return word

    return status


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
