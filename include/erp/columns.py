"""How a canonical field is had from a row: decoded, mapped, or filled into a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.erp.codecs import Codec, FieldError, Unfit, codec, is_whole, show
from include.erp.mapping.block import PART
from include.erp.mapping.spec import EntitySpec, FieldSpec
from include.erp.transport import LOST, Key

Values = Mapping[str, Any]
"""The header of a row, or one of its lines: raw values by name."""
Getter = Callable[[Values], Any]
UNTOLD = "cannot be told"


def fill(template: str, values: Sequence[str]) -> str:
    literals = PART.split(template)[::2]
    return literals[0] + "".join(value + literal for value, literal in zip(values, literals[1:], strict=True))


def splits(template: str, text: str) -> Iterator[dict[str, str]]:
    """Every way to read ``text`` as the filled template: one, unless a value contains the text between two names."""
    literals, names = PART.split(template)[::2], PART.split(template)[1::2]

    def rest(index: int, tail: str) -> Iterator[tuple[str, ...]]:
        after = literals[index + 1]
        if index == len(names) - 1:
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
            yield dict(zip(names, values, strict=True))


def key_of(spec: EntitySpec, ident: str, company: str | None = None, scope: str | None = None) -> Key:
    """An own-side id as a transport looks it up. One that does not fit its mask is nobody's: it has no parts."""
    ways = splits(spec.id.template, ident) if spec.id.template else iter([{spec.id.columns()[0]: ident}])
    parts = []
    for way in ways:
        try:
            parts.append({name: kept(value, spec.masks.get(name)) for name, value in way.items()})
        except Unfit:
            continue
    return Key(ident, tuple(parts), company, scope)


def shown(value: str, mask: str | None) -> str:
    """The ERP's 25104 as 25-104. An empty text wears no mask."""
    if mask is None or not value:
        return value
    if len(value) != mask.count("#"):
        raise Unfit(f"is {show(value)}, which does not fill the mask {mask}")
    rest = iter(value)
    return "".join(next(rest) if one == "#" else one for one in mask)


def kept(value: str, mask: str | None) -> str:
    """25-104 as the ERP keeps it."""
    if mask is None or not value:
        return value
    if len(value) != len(mask) or any(one not in ("#", its) for one, its in zip(mask, value, strict=True)):
        raise Unfit(f"is {show(value)}, which is not of the form {mask}")
    return "".join(its for one, its in zip(mask, value, strict=True) if one == "#")


def masked(values: Codec, mask: str | None) -> Codec:
    if mask is None:
        return values
    return Codec(lambda raw: shown(str(values.decode(raw)).strip(), mask), lambda value: values.encode(kept(str(value), mask)))


def plain(raw: Any) -> str:
    """A key as text, as it stands in ids."""
    if isinstance(raw, str):
        return raw.strip()
    return str(int(raw)) if isinstance(raw, Decimal) and is_whole(raw) else str(raw)


def getter(name: str, spec: FieldSpec, kind: str, masks: Mapping[str, str]) -> Getter:
    """How one canonical field is had from a row. It raises FieldError when the value does not fit. ``masks``: the entity's."""
    if spec.is_constant:
        return lambda row: spec.constant
    if spec.template is not None:
        template, names = spec.template, spec.columns()
        worn = [(part, masks.get(part)) for part in names]

        def filled(row: Values) -> str | None:
            if any(row[part] is LOST for part in names):
                raise FieldError(name, UNTOLD)
            if any(row[part] is None for part in names):
                return None
            try:
                return fill(template, [shown(plain(row[part]), mask) for part, mask in worn])
            except Unfit as unfit:
                raise FieldError(name, str(unfit)) from None

        return filled
    (column,) = spec.columns()
    return column_of(name, column, masked(codec(spec.storage(kind)), masks.get(column)), spec.map or {})


def column_of(field: str, name: str, values: Codec, known: Mapping[Any, Any]) -> Getter:
    read = decoded(field, values, known)
    return lambda row: read(row[name])


def decoded(field: str, values: Codec, known: Mapping[Any, Any]) -> Callable[[Any], Any]:
    """A raw value as the canonical one. ``known``: the field's map, which may give a blank a meaning."""
    decode = values.decode

    def read(raw: Any) -> Any:
        if raw is LOST:
            raise FieldError(field, UNTOLD)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            # ERPs pad and blank where they mean nothing; a map may still give the blank a meaning.
            return known.get(raw.strip() if raw else raw)
        try:
            value = decode(raw)
        except Unfit as unfit:
            raise FieldError(field, str(unfit)) from None
        # CHAR columns come padded. Models strip what they hold; an id is also handed out without one (`keys`), and is one id.
        return value.strip() if isinstance(value, str) else value

    return read


def among(words: tuple[str, ...], entity: str, get: Getter) -> Getter:
    """A status that is one of the words that rules know. Another one is never taken for any of them."""

    def status(row: Values) -> Any:
        word = get(row)
        if word is not None and word not in words:
            raise FieldError(
                "status",
                f"is {show(word)}, the words for {entity} are {', '.join(words)}; translate it with `map` in the mapping",
            )
        return word

    return status
