"""How a list is asked: conditions in a filter, in query parameters, in a query language or as a domain, and single records that
are looked up."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from include.erp.json import paths
from include.erp.json.patterns import Filling, bound
from include.erp.mapping.block import Spec


def _path(value: Any) -> Any:
    if not isinstance(value, str) or (fault := paths.fault(value)):
        told = {"value": repr(value), "fault": fault if isinstance(value, str) else "is no text"}
        raise PydanticCustomError("path", "{value} {fault}", told)
    return value


def _repeated(value: Any) -> Any:
    """A list is a parameter that is sent several times."""
    if not isinstance(value, dict):
        return value
    return {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}


class Base64(Spec):
    """A text that travels in base64, in the alphabet of addresses: JSON in a header or a parameter."""

    base64: str


Path = Annotated[str, BeforeValidator(_path)]
"""Where in an answer something stands: JMESPath."""
Text = str | Base64
Texts = dict[str, str]
Parameters = Annotated[dict[str, str | tuple[str, ...]], BeforeValidator(_repeated)]
"""Query parameters; one with a list is sent once for each."""
Order = str | dict[str, Text]
Condition = str | Texts | list[Any]
"""A text of a filter or a query language, query parameters, or a condition of a domain: a list of JSON in which ``:id`` is a
value and ``"% | {marker}"`` a text with one."""


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def written(text: Text, fill: Callable[[str], str] = str) -> str:
    """As it is sent, filled in."""
    return encoded(fill(text.base64)) if isinstance(text, Base64) else fill(text)


def names_of(condition: Condition) -> set[str]:
    """What it has in braces, or binds."""
    if isinstance(condition, list):
        return {name for name, _ in bound(condition)}
    texts = (condition,) if isinstance(condition, str) else condition.values()
    return {name for text in texts for name in re.findall(r"\{([^{}]*)\}", text)}


def in_domain(condition: list[Any], names: Mapping[str, Any]) -> list[Any]:
    """A condition of a domain, filled in. Where it is compared with wild cards (``like``), a value brings none."""
    tame = len(condition) > 1 and isinstance(condition[1], str) and condition[1].endswith("like")
    values = {name: _tame(one) for name, one in names.items()} if tame else names
    filling = Filling(values, (), wrap=None, empty=True, numbers="number")
    return [in_domain(one, names) if isinstance(one, list) else filling.of(one) for one in condition]


def _tame(value: Any) -> Any:
    return re.sub(r"([\\%_])", r"\\\1", value) if isinstance(value, str) else value


class Language(Spec):
    """Lists that are asked for in a query language: each question is one text."""

    path: str
    """Where questions go, after ``base``."""
    parameter: str = "query"
    """Query parameter with the text."""
    select: str
    """How a question begins; ``{list}`` is the list's ``path``. Conditions follow behind ``where``, joined by ``and``, then the
    list's ``order``."""
    page: str
    """How it ends, with ``{at}`` and ``{size}``: the number of the first record wanted, and how many."""
    quotes: Literal["doubled", "backslash"] = "doubled"
    """How a quote within a value is written."""

    def quoted(self, value: str) -> str:
        if self.quotes == "doubled":
            return value.replace("'", "''")
        return value.replace("\\", "\\\\").replace("'", "\\'")


class Domain(Spec):
    """Conditions that are lists of JSON and travel together in one query parameter."""

    parameter: str
    encoding: Literal["none", "base64"] = "none"
    either: str | None = None
    """What stands before conditions of which one must fit (``OR``); without it each is a question of its own."""


class Conditions(Spec):
    """What a question asks for, each with its names: conditions as the file's ``filter`` has them."""

    where: Condition | None = None
    since: Condition | None = None
    until: Condition | None = None
    scope: Condition | None = None
    unscoped: Condition | None = None
    """Records that belong to no project."""
    id: Condition | None = None
    marker: Condition | None = None

    def given(self) -> Iterator[tuple[str, Condition]]:
        for name in type(self).model_fields:
            if (found := getattr(self, name)) is not None:
                yield name, found


NAMES: dict[str, tuple[str, ...]] = {
    "where": (), "since": ("since",), "until": ("until",), "scope": ("scope",), "unscoped": (), "marker": ("marker",),
}  # fmt: skip
"""What each of them may name; ``id`` has the parts of the id besides."""


class Beside(Spec):
    """A list whose records stand beside the documents of another, under a name of its own: what a reference leads to, or what
    refers to them."""

    path: str
    query: Parameters = Field(default_factory=dict)
    order: dict[str, Text] = Field(default_factory=dict)
    """An order that does not change while pages are read."""
    records: Path | None = None
    key: Path
    """What of a document tells which records are its; where it is null, none are."""
    theirs: Path
    """The same of such a record."""
    ask: Condition
    """Records of one ``key``."""
    single: bool = False
    """There is one at most, and the name is that record, not a list."""


class Lookup(Spec):
    """A list in which one record is looked up for a value of it that a body needs: the ERP's own number of a vendor."""

    path: str
    query: Parameters = Field(default_factory=dict)
    records: Path | None = None
    ask: Condition
    """Which record, with the names that a body gives."""
    take: Path = "id"
    several: bool = False
    """Any of several will do."""
