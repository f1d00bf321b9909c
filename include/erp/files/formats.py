"""The keys that say how a file is made, and which of the ERP's exports has the rows."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from include.erp.mapping.block import Age, Spec, tuples

_IN_NAME = re.compile(r"\{([^{}]*)\}")
NAME_PARTS = ("entity", "company", "run", "sequence", "tag")


def _encoding(value: str) -> str:
    try:
        codecs.lookup(value)
        "\n".encode(value)
    except (LookupError, UnicodeError):
        raise ValueError(f"{value!r} is no encoding; write it as utf-8, cp1252 or latin-1") from None
    return value


def _file_name(value: str) -> str:
    parts = _IN_NAME.findall(value)
    if wrong := [part for part in parts if part not in NAME_PARTS]:
        raise ValueError(f"has {{{wrong[0]}}}. Allowed: {', '.join(f'{{{part}}}' for part in NAME_PARTS)}")
    if "tag" not in parts:
        raise ValueError("needs {tag}: it is told from the documents, and no two files may have one name")
    if not re.fullmatch(r"[\w. -]+", _IN_NAME.sub("x", value)):
        raise ValueError("is no name of a file: letters, digits, dot, dash, underscore and blank")
    return value


def _inside(value: str) -> str:
    if value.startswith(("/", "\\")) or ".." in value.split("/") or "://" in value:
        raise ValueError("is a folder within that of the connection, such as out/ap")
    return value.strip("/") or "."


Encoding = Annotated[str, AfterValidator(_encoding)]
FileName = Annotated[str, AfterValidator(_file_name)]
Inside = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
Name = Annotated[str, Field(min_length=1)]
"""Of a column of a file: any text, whatever a name is where the mapping reads."""
Pattern = Annotated[str, Field(min_length=1, pattern=r"^[^/\\{}]+$")]


class Place(Spec):
    """A column of a fixed-width file."""

    start: Annotated[int, Field(ge=1)]
    """Of its first character, from 1."""
    width: Annotated[int, Field(ge=1)]
    align: Literal["left", "right"] = "left"
    fill: Annotated[str, Field(min_length=1, max_length=1)] = " "


class Format(Spec):
    """How a file is made of records."""

    layout: Literal["csv", "fixed", "iif", "text"] = "csv"
    """``text``: what a template makes of a document."""
    encoding: Encoding = "utf-8"
    line_end: Literal["crlf", "lf"] = "crlf"
    last_line: Literal["ended", "open"] = "ended"
    """``ended``: a last line without its end is cut off. ``open``: this ERP does not end it."""
    trailer: Annotated[str, Field(min_length=1)] | None = None
    """First field of the last line, whose second counts the records before it."""
    # csv
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] | None = '"'
    header: bool = True
    """The first line names the columns."""
    columns: tuple[Name, ...] = ()
    """Their names, where the file has no such line."""
    records: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    """Where the first field of a line says what it is: the columns after it, for each kind."""
    # fixed
    places: dict[str, Place] = Field(default_factory=dict)
    trimmed: bool = False
    """Blanks at the end of a line are left off: a shorter line is not cut off."""
    # written
    decimals: Annotated[int, Field(ge=0, le=9)] = 2
    """At least as many are written of a number."""
    point: Literal[".", ","] = "."
    formulas: Literal["refused", "taken"] = "refused"
    """csv: a text that a spreadsheet would work out (``=1+1``), for files that people open."""
    line_breaks: Literal["refused", "taken"] = "refused"
    """csv with quotes: whether a text may have some."""
    escape: Literal["xml", "none"] = "none"
    """text: how values are written into the template."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        given = tuples(value, "columns")
        if isinstance(given, dict) and isinstance(given.get("records"), dict):
            given["records"] = {name: tuple(v) if isinstance(v, list) else v for name, v in given["records"].items()}
        return given

    @model_validator(mode="after")
    def _fits(self) -> Format:
        if (self.layout == "fixed") != bool(self.places):
            raise PydanticCustomError("one_of", "`places` goes with layout fixed, and it with them")
        if self.layout != "csv" and (self.columns or self.records):
            raise PydanticCustomError("one_of", "`columns` and `records` go with layout csv")
        if self.layout == "csv" and not self.records and self.header == bool(self.columns):
            raise PydanticCustomError("one_of", "a file without a line of names (`header: false`) needs `columns`, no other does")
        if self.trailer and self.layout not in ("csv", "fixed"):
            raise PydanticCustomError("one_of", "`trailer` goes with layout csv or fixed")
        taken: dict[int, str] = {}
        for name, place in self.places.items():
            for at in range(place.start, place.start + place.width):
                if at in taken:
                    told = {"a": taken[at], "b": name, "at": at}
                    raise PydanticCustomError("places", "`{a}` and `{b}` both have character {at}", told)
                taken[at] = name
        return self

    def named(self, record: str | None) -> tuple[str, ...] | None:
        """The columns of a kind of line as the file of the mapping knows them; None: the export names them itself."""
        if self.layout == "fixed":
            return tuple(self.places)
        if self.records:
            return self.records.get(record or "", ())
        return self.columns or None


class Export(Spec):
    """Where rows come from."""

    shorthand: ClassVar[str | None] = "file"
    file: Pattern
    """Name, or a pattern with stars."""
    folder: Inside | None = None
    format: str | None = None
    take: Literal["newest", "all"] = "newest"
    """Which of the files of the pattern. ``all``: a row that is in several is that of the newest."""
    dated: str | None = None
    """How the part of the name under the first star tells the time, as for strptime; else the file's own time counts."""
    max_age: Age | None = None
    may_be_empty: bool = False
    record: str | None = None
    """Which kind of line, where the first field says."""
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Only lines with one of these texts in these columns."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        given = dict(value) if isinstance(value, dict) else value
        if isinstance(given, dict) and isinstance(given.get("where"), dict):
            given["where"] = {name: tuple(v) if isinstance(v, list) else (v,) for name, v in given["where"].items()}
        return given

    @model_validator(mode="after")
    def _star(self) -> Export:
        if self.dated and "*" not in self.file:
            raise PydanticCustomError("dated", "`dated` reads the part of the name under the star, and `file` has none")
        return self
