"""Patterns of what is sent: JSON in which texts bind values.

``:amount`` is the value itself, ``-:amount`` the number with the other sign, ``Contract {number}`` a text. A block with ``each``
is a list: one element for each line, or several where ``each`` is a list of patterns; a pattern with ``if`` is left out where
the value of that name is empty or zero, one with ``unless`` where it is not. ``plain`` keeps its value out of the wrapping that
the file asks for (``wrap``). ``{find: vendor, code: ":vendor"}`` is a value of a record that is looked up, ``{choose: ":kind",
a: ..., else: ...}`` one of several by a value, ``{join: [...]}`` texts one after the other. Everything else stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

BOUND = re.compile(r":([A-Za-z][\w.\[\]]*)")
MINUS = re.compile(r"-:([A-Za-z][\w.\[\]]*)")
NAMED = re.compile(r"\{([A-Za-z][\w.\[\]]*)\}")
CONDITIONS = ("if", "unless")
"""Keys of a pattern that say where it stands; each names a value."""


def bound(pattern: Any, in_line: bool = False) -> Iterator[tuple[str, bool]]:
    """The names that a pattern binds, and whether of a line."""
    if isinstance(pattern, str):
        if found := BOUND.fullmatch(pattern) or MINUS.fullmatch(pattern):
            yield found[1], in_line
        else:
            yield from ((name, in_line) for name in NAMED.findall(pattern))
    elif isinstance(pattern, Mapping):
        for key, one in pattern.items():
            if key in CONDITIONS:
                yield one, in_line
            else:
                yield from bound(one, in_line or key == "each")
    elif isinstance(pattern, list | tuple):
        for one in pattern:
            yield from bound(one, in_line)


def found_by(pattern: Any) -> Iterator[tuple[str, set[str]]]:
    """The look-ups of a pattern, with the names that each is given."""
    if isinstance(pattern, Mapping):
        if isinstance(pattern.get("find"), str):
            yield pattern["find"], set(pattern) - {"find", "take"}
        for one in pattern.values():
            yield from found_by(one)
    elif isinstance(pattern, list | tuple):
        for one in pattern:
            yield from found_by(one)


def filled(text: str, values: Mapping[str, Any], shown: Callable[[Any], str] = str) -> str:
    """A text with its names filled in once; an empty value is an empty text."""
    return NAMED.sub(lambda found: "" if values[found[1]] is None else shown(values[found[1]]), text)


def fitting(pattern: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A pattern without its conditions; None where the values do not call for it."""
    if ("if" in pattern and not values[pattern["if"]]) or ("unless" in pattern and values[pattern["unless"]]):
        return None
    return {name: one for name, one in pattern.items() if name not in CONDITIONS}


Find = Callable[[str, Mapping[str, Any], str | None], Any]
"""Name of a look-up, what it is asked for, and which value is wanted, if it is not the look-up's own."""


class Filling:
    """:param wrap: under which key each value stands (``{"VendorID": {"value": "V1"}}``); None: plainly.
    :param empty: whether a value that is None is sent, as null; else it is left out, and the ERP's own default stands.
    :param numbers: ``text`` sends Decimals in quotes.
    :param find: looks a record up.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        lines: Sequence[Mapping[str, Any]],
        *,
        wrap: str | None,
        empty: bool,
        numbers: str,
        find: Find | None = None,
    ) -> None:
        self.values, self.lines, self.wrap, self.empty, self.numbers = values, lines, wrap, empty, numbers
        self.find = find

    def of(self, pattern: Any) -> Any:
        """What is sent of a whole body."""
        found = self._of(pattern, self.values)
        return {} if found is _LEFT_OUT else found

    def _of(self, pattern: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(pattern, Mapping):
            if "each" in pattern:
                return list(self._each(pattern["each"]))
            if pattern.keys() & {*CONDITIONS}:
                wanted = fitting(pattern, values)
                return _LEFT_OUT if wanted is None else self._of(wanted, values)
            if pattern.keys() == {"plain"}:
                return self._value(pattern["plain"], values)
            if "choose" in pattern:
                return self._of(self._chosen(pattern, values), values)
            if pattern.keys() & {"find", "join"}:
                return self._sent(self._value(pattern, values))
            found = {name: one for name, part in pattern.items() if (one := self._of(part, values)) is not _LEFT_OUT}
            return found if found or not pattern else _LEFT_OUT
        if isinstance(pattern, list | tuple):
            return [one for part in pattern if (one := self._of(part, values)) is not _LEFT_OUT]
        return self._sent(self._value(pattern, values))

    def _sent(self, value: Any) -> Any:
        if value is None and not self.empty:
            return _LEFT_OUT
        if self.numbers == "tagged" and isinstance(value, Decimal):
            value = Decimal(format(value.normalize(), "f"))  # zeros at the end count as digits there
        if self.numbers == "text" and isinstance(value, Decimal):
            value = format(value, "f")
        return value if self.wrap is None else {self.wrap: value}

    def _value(self, pattern: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(pattern, Mapping) and "find" in pattern:
            assert self.find is not None, "look-ups are the rest adapter's"
            asked = {name: self._value(one, values) for name, one in pattern.items() if name not in ("find", "take")}
            return None if None in asked.values() else self.find(pattern["find"], asked, pattern.get("take"))
        if isinstance(pattern, Mapping) and "choose" in pattern:
            return self._value(self._chosen(pattern, values), values)
        if isinstance(pattern, Mapping) and "join" in pattern:
            parts = [self._value(one, values) for one in pattern["join"]]
            return None if None in parts else "".join(map(str, parts))
        if not isinstance(pattern, str):
            return pattern
        if found := BOUND.fullmatch(pattern):
            return values[found[1]]
        if found := MINUS.fullmatch(pattern):
            return None if values[found[1]] is None else -Decimal(values[found[1]])
        return filled(pattern, values)

    def _chosen(self, pattern: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        word = self._value(pattern["choose"], values)
        return pattern.get("" if word is None else word, pattern.get("else"))

    def _each(self, patterns: Any) -> Iterator[Any]:
        for line in self.lines:
            values = {**self.values, **line}
            for pattern in patterns if isinstance(patterns, list | tuple) else (patterns,):
                if (one := self._of(pattern, values)) is not _LEFT_OUT:
                    yield one


_LEFT_OUT = object()
