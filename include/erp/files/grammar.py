"""The keys of a mapping file that are those of files: which export has the rows, and which import file takes a document.

The keys are explained for authors in docs/erp-files-adapter.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from jinja2 import TemplateSyntaxError
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from include.configfile import Loc
from include.erp.files.consistency import ExportChecks, ImportChecks
from include.erp.files.formats import Export, FileName, Format, Inside, Name
from include.erp.files.templates import lines_of, names_of
from include.erp.mapping.block import Age, Column, Spec, tuples
from include.erp.mapping.spec import CallSpec, EntitySpec, FieldSpec, LinesSpec, MappingSpec, WriteSpec
from include.financials.record import Record


def _template(value: str) -> str:
    try:
        names_of(value)
    except TemplateSyntaxError as error:
        raise ValueError(f"is no template: line {error.lineno}: {error.message}") from None
    return value


Jinja = Annotated[str, Field(min_length=1), AfterValidator(_template)]


class FileLines(LinesSpec):
    """The lines of a document: in a file of their own (``from``, ``join``), under their document in its file (``record``), or
    each a line of its document's file, which repeats the document (``repeated``)."""

    source: Export | None = Field(None, alias="from")
    join: dict[str, Column] = Field(default_factory=dict)
    """Column of the lines -> column of the document."""
    record: str | None = None
    repeated: bool = False

    @model_validator(mode="after")
    def _one(self) -> FileLines:
        if (self.source is not None) + (self.record is not None) + self.repeated != 1:
            raise PydanticCustomError("one_of", "needs exactly one of from, record, repeated")
        if (self.source is not None) != bool(self.join):
            raise PydanticCustomError("one_of", "`join` goes with `from`, and it with that")
        return self


class FileField(FieldSpec):
    """A ``list`` stands in one column, its values with ``separator`` between them."""

    separator: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _list(self) -> FileField:
        if ("list" in self.model_fields_set) != (self.separator is not None):
            raise PydanticCustomError("one_of", "`list` goes with `separator`, and it with that")
        return self


class FileCall(CallSpec):
    """What a document adds to the import file: a line, a line for each of its lines, or what a template makes of it."""

    place: ClassVar[str] = "columns"
    shown: ClassVar[str] = "'{}'"
    record: str | None = None
    each: Literal["lines"] | None = None
    columns: dict[Name, str] = Field(default_factory=dict)
    """Column of the file -> bound name; with a minus before it, the number the other way round."""
    template: Jinja | None = None

    @model_validator(mode="after")
    def _one(self) -> FileCall:
        if self.template is not None and (self.columns or self.record or self.each):
            raise PydanticCustomError("one_of", "a template is the whole of its call: no columns, record or each beside it")
        if self.template is None and not self.columns and self.record is None:
            raise PydanticCustomError("one_of", "needs columns, a record or a template")
        return self

    @property
    def per_line(self) -> bool:
        return self.each is not None or bool(self.line_binds())

    def binds(self) -> tuple[str, ...]:
        if self.template is not None:
            return names_of(self.template)
        return () if self.each else self._bound()

    def line_binds(self) -> tuple[str, ...]:
        if self.template is not None:
            return lines_of(self.template)
        return self._bound() if self.each else ()

    def _bound(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.removeprefix("-") for name in self.columns.values()))


class Import(Spec):
    """The file that a call of ``create`` makes: all its documents are in it (``capabilities.batch``)."""

    name: FileName
    folder: Inside | None = None
    format: str | None = None
    head: str = ""
    foot: str = ""
    """text: before the first document and after the last."""


class FileWrite(WriteSpec):
    file: Import | None = None
    create: tuple[FileCall, ...] = ()
    update: tuple[FileCall, ...] = ()
    void: tuple[FileCall, ...] = ()

    def faults(self, entity: EntitySpec) -> Iterator[tuple[Loc, str]]:
        for action in ("update", "void"):
            if getattr(self, action) or getattr(entity.capabilities, action):
                place: Loc = ("write", action) if getattr(self, action) else ("capabilities", action)
                yield place, "cannot be done by a file: an import enters documents; a person changes them in the ERP"
        if bool(self.create) != (self.file is not None):
            yield ("write",), "`file` goes with `create`, and it with that"
        if self.create and "marker" not in {name for call in self.create for name in (*call.binds(), *call.line_binds())}:
            yield ("write", "create"), "nothing in the file holds the marker: the ERP could not show whose document it is"


class Acknowledgements(Spec):
    """What the ERP's import answers: a row for a file, or for a document of it."""

    source: Export = Field(alias="from")
    file: Name | None = None
    """Where the name of the import file stands."""
    marker: Name | None = None
    """Where the document's marker stands; a row without one is about the whole file."""
    status: Name
    done: tuple[str, ...]
    refused: tuple[str, ...]
    said: Name | None = None
    id: Name | None = None
    """Where the id stands that the ERP gave; without it the document is done when an export shows it."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "done", "refused")

    @model_validator(mode="after")
    def _named(self) -> Acknowledgements:
        if self.file is None and self.marker is None:
            raise PydanticCustomError("one_of", "needs `file`, `marker` or both: what a row is about")
        if set(self.done) & set(self.refused):
            raise PydanticCustomError("words", "one word cannot mean done and refused")
        return self

    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.file, self.marker, self.status, self.said, self.id) if name is not None)


class Folders(Spec):
    """Within that of the connection."""

    exports: Inside = "exports"
    imports: Inside = "imports"
    acknowledgements: Inside = "acknowledgements"
    sent: Inside = "sent"
    """Ours: what was dropped, and under which name. Nobody else writes or deletes there."""


class FilesEntity(EntitySpec):
    source: Export = Field(alias="from")
    fields: Mapping[str, FileField]
    lines: FileLines | None = None
    write: FileWrite = FileWrite()

    def faults(self, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        if self.changed_since is not None:
            yield ("changed_since",), "means nothing here: an export is read whole every time, and compared"
        yield from super().faults(model)

    def keys(self) -> tuple[str, ...]:
        """Columns that tell rows apart."""
        return tuple(dict.fromkeys((*self.company.columns(), *self.id.columns())))


class ImportsMapping(MappingSpec):
    """What of a mapping file import files need: all of it where another kind reads (``writes: files``)."""

    folders: Folders = Folders()
    formats: dict[str, Format] = Field(default_factory=dict)
    acknowledgements: Acknowledgements | None = None

    def faults(self) -> Iterator[tuple[Loc, str]]:
        yield from super().faults()
        yield from ImportChecks(self).faults()

    def imports(self) -> Iterator[tuple[str, FileWrite]]:
        """Of each entity, by name, how its documents are written."""
        for name, entity in self.entities.items():
            assert isinstance(entity.write, FileWrite)
            yield name, entity.write

    def import_of(self, entity: str) -> FileWrite:
        return dict(self.imports())[entity]

    def format_of(self, name: str | None) -> Format:
        """A format by name; without one the file's `default`, or plain CSV."""
        return self.formats.get(name or "default", Format())


class FilesMapping(ImportsMapping):
    kind: Literal["files"]
    max_age: Age
    """Of every export that has no own limit."""
    entities: Mapping[str, FilesEntity]

    def faults(self) -> Iterator[tuple[Loc, str]]:
        yield from super().faults()
        yield from ExportChecks(self).faults()
