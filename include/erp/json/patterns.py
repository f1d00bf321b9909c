"""Patterns of what is sent: JSON in which texts bind values.

``:amount`` is the value itself, ``-:amount`` the number with the other sign, ``Contract {number}`` a text. A block with ``each``
is a list: one element for each line, or several where ``each`` is a list of patterns; a pattern with ``if`` is left out where
the value of that name is empty or zero. ``plain`` keeps its value out of the wrapping that the file asks for
(``wrap``). Everything else stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

BOUND = re.compile(r":([A-Za-z][\w.\[\]]*)")
MINUS = re.compile(r"-:([A-Za-z][\w.\[\]]*)")
NAMED = re.compile(r"\{([A-Za-z][\w.\[\]]*)\}")


def bound(pattern: Any, in_line: bool = False) -> Iterator[tuple[str, bool]]:
    """The names that a pattern binds, and whether of a line."""
    if isinstance(pattern, str):
        if found := BOUND.fullmatch(pattern) or MINUS.fullmatch(pattern):
            yield found[1], in_line
        else:
            yield from ((name, in_line) for name in NAMED.findall(pattern))
    elif isinstance(pattern, Mapping):
        for key, one in pattern.items():
            if key == "if":
                yield one, in_line
            else:
                yield from bound(one, in_line or key == "each")
    elif isinstance(pattern, list | tuple):
        for one in pattern:
            yield from bound(one, in_line)


def filled(text: str, values: Mapping[str, Any], shown: Callable[[Any], str] = str) -> str:
    """A text with its names filled in once; an empty value is an empty text."""
    return NAMED.sub(lambda found: "" if values[found[1]] is None else shown(values[found[1]]), text)


class Filling:
    """:param wrap: under which key each value stands (``{"VendorID": {"value": "V1"}}``); None: plainly.
    :param empty: whether a value that is None is sent, as null; else it is left out, and the ERP's own default stands.
    :param numbers: ``text`` sends Decimals in quotes.
    """

    def __init__(
        self, values: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], *, wrap: str | None, empty: bool, numbers: str
    ) -> None:
        self.values, self.lines, self.wrap, self.empty, self.numbers = values, lines, wrap, empty, numbers

    def of(self, pattern: Any) -> Any:
        """What is sent of a whole body."""
        return self._of(pattern, self.values)

    def _of(self, pattern: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(pattern, Mapping):
            if "each" in pattern:
                return list(self._each(pattern["each"]))
            if "if" in pattern:
                wanted = {name: part for name, part in pattern.items() if name != "if"}
                return self._of(wanted, values) if values[pattern["if"]] else _LEFT_OUT
            if pattern.keys() == {"plain"}:
                return self._value(pattern["plain"], values)
            return {name: one for name, part in pattern.items() if (one := self._of(part, values)) is not _LEFT_OUT}
        if isinstance(pattern, list | tuple):
            return [one for part in pattern if (one := self._of(part, values)) is not _LEFT_OUT]
        value = self._value(pattern, values)
        if value is None and not self.empty:
            return _LEFT_OUT
        if self.numbers == "text" and isinstance(value, Decimal):
            value = format(value, "f")
        return value if self.wrap is None else {self.wrap: value}

    def _value(self, pattern: Any, values: Mapping[str, Any]) -> Any:
        if not isinstance(pattern, str):
            return pattern
        if found := BOUND.fullmatch(pattern):
            return values[found[1]]
        if found := MINUS.fullmatch(pattern):
            return None if values[found[1]] is None else -Decimal(values[found[1]])
        return filled(pattern, values)

    def _each(self, patterns: Any) -> Iterator[Any]:
        for line in self.lines:
            values = {**self.values, **line}
            for pattern in patterns if isinstance(patterns, list | tuple) else (patterns,):
                if (one := self._of(pattern, values)) is not _LEFT_OUT:
                    yield one


_LEFT_OUT = object()
