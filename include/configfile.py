"""Configuration is YAML, read one way: as version 1.2 has it (``on`` and ``no`` are text), each key once in its block,
numbers as they are written, and where each of them stands. Parsed by libyaml: each task of a run reads settings and a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import yaml

Loc = tuple[str | int, ...]
"""A place in a file: keys, and positions (from 0) in lists."""


class Malformed(ValueError):
    """The text is not what it should be; ``line`` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line, self.problem = line, problem


@dataclass(frozen=True, slots=True)
class Content:
    """``data``: plain values (str, int, Decimal, bool, date, None, list, dict). ``lines``: line (from 1) of each key and element;
    ``lists``: which places are lists. Nobody may change them."""

    data: Any
    lines: dict[Loc, int] = field(default_factory=lambda: {(): 1})
    lists: set[Loc] = field(default_factory=set)


class _Nodes(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """What stands where, without values yet; ``yaml_implicit_resolvers`` says which plain text is something else than text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_KINDS: dict[str, tuple[str, str, Any]] = {
    "null": (r"~|null|Null|NULL|", "~nN", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789", lambda text: int(text, 0 if text[1:2] in "ox" else 10)),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789", Decimal),
    "date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789", date.fromisoformat),
    "merge": (r"<<", "<", str),
    "str": (r"(?!)", "", str),
}  # fmt: skip
"""Pattern, how it can begin, value. The core schema of YAML 1.2, a calendar day, and ``<<``, which joins blocks."""

for _name, (_pattern, _first, _) in _KINDS.items():
    # Under "" the resolver looks for what an empty text is.
    _Nodes.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})\\Z"), ["", *_first] if _name == "null" else [*_first]
    )


def parse(text: str) -> Content:
    """Raises Malformed at the first fault."""
    try:
        loader = _Nodes(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Malformed(mark.line + 1 if mark else 1, str(error.problem or error)) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise Malformed(1, str(error)) from None
    found = Content(None)
    try:
        return found if root is None else Content(_value(root, (), found), found.lines, found.lists)
    except RecursionError:
        raise Malformed(1, "an anchor holds itself") from None


def _value(node: yaml.Node, loc: Loc, found: Content) -> Any:
    if isinstance(node, yaml.MappingNode):
        values: dict[Any, Any] = {}
        for key, name, value, own in _pairs(node):
            # What came in through a merge (<<) has no place of its own.
            found.lines[*loc, name] = key.start_mark.line + 1 if own else found.lines[loc]
            values[name] = _value(value, (*loc, name), found)
        return values
    if isinstance(node, yaml.SequenceNode):
        found.lists.add(loc)
        for index, one in enumerate(node.value):
            found.lines[*loc, index] = one.start_mark.line + 1
        return [_value(one, (*loc, index), found) for index, one in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    kind = node.tag.rpartition(":")[2]
    if not isinstance(node, yaml.ScalarNode) or kind not in _KINDS:
        raise Malformed(node.start_mark.line + 1, f"{node.tag} is nothing that can stand here")
    pattern, _, value = _KINDS[kind]
    if kind != "str" and not re.fullmatch(pattern, node.value):
        raise Malformed(node.start_mark.line + 1, f"{node.value!r} is no {kind}")
    try:
        return value(node.value)
    except ValueError as error:  # the 30th of February
        raise Malformed(node.start_mark.line + 1, f"{node.value!r} is no {kind}: {error}") from None


def _pairs(block: yaml.MappingNode) -> Iterator[tuple[yaml.Node, Any, yaml.Node, bool]]:
    """Node and name of each key, its value, and whether it is the block's own: its own keys first, then what it joins (<<)."""
    seen: dict[Any, None] = {}
    joined: list[yaml.Node] = []
    for key, value in block.value:
        name = _scalar(key)
        if key.tag.endswith(":merge"):
            joined += value.value if isinstance(value, yaml.SequenceNode) else [value]
            continue
        if name in seen:
            raise Malformed(key.start_mark.line + 1, f'duplicate key "{name}": a key may stand once in a block')
        seen[name] = None
        yield key, name, value, True
    for one in joined:
        if not isinstance(one, yaml.MappingNode):
            raise Malformed(one.start_mark.line + 1, "<< joins blocks only")
        for key, name, value, _ in _pairs(one):
            if name not in seen:
                seen[name] = None
                yield key, name, value, False
