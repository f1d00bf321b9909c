"""Jinja2 templates of import files: text with values in it, and nothing that a mapping file could reach beyond them."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

LINES = "lines"


def environment(escape: bool) -> ImmutableSandboxedEnvironment:
    """``escape``: values are written as XML has them. There is no loader: a template includes nothing."""
    made = ImmutableSandboxedEnvironment(autoescape=escape, undefined=StrictUndefined, keep_trailing_newline=True)
    made.globals.clear()
    return made


REACHING = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


@lru_cache(maxsize=64)
def _parsed(source: str) -> nodes.Template:
    parsed = environment(False).parse(source)
    if found := next(parsed.find_all(REACHING), None):
        raise TemplateSyntaxError("it takes nothing from other files", found.lineno)
    return parsed


def names_of(source: str) -> tuple[str, ...]:
    """What the template takes of the document. Raises jinja2.TemplateSyntaxError."""
    return tuple(sorted(meta.find_undeclared_variables(_parsed(source)) - {LINES}))


def lines_of(source: str) -> tuple[str, ...]:
    """What it takes of each line: ``{% for line in lines %}{{ line.amount }}``."""
    found: dict[str, None] = {}
    for loop in _parsed(source).find_all(nodes.For):
        if isinstance(loop.iter, nodes.Name) and loop.iter.name == LINES and isinstance(loop.target, nodes.Name):
            for one in loop.find_all(nodes.Getattr):
                if isinstance(one.node, nodes.Name) and one.node.name == loop.target.name:
                    found[one.attr] = None
    return tuple(found)
