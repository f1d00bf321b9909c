"""Staged pages: canonical records as Parquet on object storage, between the tasks of one run.

Schemas are derived from the models, never inferred from data: an inferred schema turns a nullable id into a float and an empty
column into type null. A manifest beside the pages says how far a read has come, so that a retried task goes on at its cursor.

What lies there are people's vendors and money: on a local disk folders and files are the owner's alone, whatever the umask says
(object storage has rights of its own, on the bucket).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import types
import uuid
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import IO, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq
from pydantic import BaseModel
from upath import UPath

from include.financials.entities import MODELS
from include.financials.port import Invalid, Page
from include.financials.record import Record

# Arrow's own pools keep what a page took for the next one. Pages are small, and there is much else to do between two of them.
pa.set_memory_pool(pa.system_memory_pool())

_PLAIN: dict[type, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    date: pa.date32(),
    datetime: pa.timestamp("us", tz="UTC"),
}


@cache
def arrow_schema(model: type[BaseModel]) -> pa.Schema:
    return pa.schema([pa.field(name, _arrow(info.annotation, info.metadata)) for name, info in model.model_fields.items()])


def _arrow(annotation: Any, metadata: Sequence[Any] = ()) -> pa.DataType:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *notes = get_args(annotation)
        return _arrow(inner, _flat(notes))
    if origin in (Union, types.UnionType):
        inner = next(arg for arg in get_args(annotation) if arg is not type(None))
        return _arrow(inner, metadata)
    if origin is Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(_arrow(get_args(annotation)[0]))
    if annotation is Decimal:
        limits = {
            key: getattr(note, key) for note in _flat(metadata) for key in ("max_digits", "decimal_places") if hasattr(note, key)
        }
        return pa.decimal128(limits["max_digits"], limits["decimal_places"])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(list(arrow_schema(annotation)))
    return _PLAIN[annotation]


AT_ONCE = 25
"""Records of a page that are unpacked at once."""


def _dayless(held: pa.DataType) -> pa.DataType:
    """A type with text for days, which arrow's reader of JSON takes for numbers."""
    if pa.types.is_list(held):
        return pa.list_(_dayless(held.value_type))
    if pa.types.is_struct(held):
        return pa.struct([pa.field(inner.name, _dayless(inner.type)) for inner in held])
    return pa.string() if held == _PLAIN[date] else held


@cache
def _given(model: type[BaseModel]) -> pj.ParseOptions:
    """How a model's JSON is read."""
    schema = pa.schema([pa.field(one.name, _dayless(one.type)) for one in arrow_schema(model)])
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")


def _table(model: type[BaseModel], records: Sequence[BaseModel]) -> pa.Table:
    """Through JSON, which arrow reads by itself: for Python's values it imports pandas, half a second in every task."""
    text = b"\n".join(record.model_dump_json().encode() for record in records)
    table = pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=_given(model),
    )
    return table.cast(arrow_schema(model))


def _timeless(table: pa.Table) -> pa.Table:
    """Times as text, which the models read: to make Python's values of times with a zone arrow imports pandas."""
    for place, column in enumerate(table.schema):
        if column.type == _PLAIN[datetime]:
            table = table.set_column(place, column.name, table.column(place).cast(pa.string()))
    return table


def _flat(notes: Sequence[Any]) -> list[Any]:
    """Constraints, whether they come one by one or inside a pydantic FieldInfo."""
    return [inner for note in notes for inner in (getattr(note, "metadata", None) or [note])]


@dataclass(frozen=True, slots=True)
class State:
    """How far a read has come: ``rows`` are the records of each page, ``cursor`` says where it goes on. ``hidden``: ids of a read
    by id that its side does not show us."""

    rows: tuple[int, ...] = ()
    cursor: dict[str, Any] | None = None
    complete: bool = False
    invalid: int = 0
    hidden: tuple[str, ...] = ()

    @property
    def pages(self) -> int:
        return len(self.rows)

    @property
    def records(self) -> int:
        return sum(self.rows)


@dataclass(frozen=True, slots=True)
class Noted:
    """What the extract of a shard leaves for its check: the window (stamps) and, of an entity of the ERP, which records wait
    (company, id); of one of Procore, which linked documents are missing, which were met without an id and are not shown so any
    more (``named``), what workflows ask of whom, by id, and what they ask our own account. ``source``: its own side is read;
    ``complete``: all is."""

    since: str | None = None
    until: str = ""
    waiting: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    under: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: int = 0
    invalid: int = 0
    source: bool = False
    complete: bool = False

    @classmethod
    def read(cls, path: UPath) -> Noted:
        """Of a file of an extract; nothing is noted before there is one."""
        if not path.exists():
            return cls()
        held = json.loads(path.read_text(encoding="utf-8"))
        waiting = tuple((company, ident) for company, ident in held["waiting"])
        return cls(**{**held, "waiting": waiting, "missing": tuple(held["missing"]), "named": tuple(held["named"])})


class Head(NamedTuple):
    """What a staged record is known by."""

    id: str
    number: str
    origin_id: str | None
    project: str | None = None


class Staged:
    """One place for the pages of one read: ``entity`` as ``side`` has it, of one shard of one run."""

    def __init__(self, path: UPath, entity: str) -> None:
        self.path = path
        self.entity = entity
        self.model = MODELS[entity]

    @cached_property
    def _manifest(self) -> UPath:
        return self.path / "manifest.json"

    def state(self) -> State:
        """Zeros before the first page."""
        if not self._manifest.exists():
            return State()
        held = json.loads(self._manifest.read_text(encoding="utf-8"))
        return State(**{**held, "rows": tuple(held["rows"]), "hidden": tuple(held["hidden"])})

    def add(self, page: Page, *, last: bool | None = None) -> None:
        """Write a page, then the manifest that makes it count; a crash in between leaves a file that the next try writes over. A
        page without records has no file: most lists of a small company are empty."""
        state = self.state()
        number = state.pages + 1
        private_folder(self.path)
        if page.records:
            table = _table(self.model, page.records)
            with private_file(self.path / f"page-{number:05}.parquet") as sink:
                pq.write_table(table, sink)
        invalid = self.path / f"invalid-{number:05}.json"
        if page.invalid:
            with private_file(invalid) as sink:
                sink.write(json.dumps([asdict(row) for row in page.invalid]).encode())
        else:
            invalid.unlink(missing_ok=True)  # of a try that crashed before its manifest
        self._write(
            State(
                rows=(*state.rows, len(page.records)),
                cursor=page.cursor,
                complete=page.cursor is None if last is None else last,
                invalid=state.invalid + len(page.invalid),
                hidden=(*state.hidden, *page.hidden),
            )
        )

    def go_on_from(self, left: Staged) -> None:
        """Begin with what another read has staged, in files of our own: who else goes on from it writes to none of them."""
        state = left.state()
        private_folder(self.path)
        for number, rows in enumerate(state.rows, 1):
            for name in (f"page-{number:05}.parquet" if rows else "", f"invalid-{number:05}.json"):
                if name and (left.path / name).exists():
                    with private_file(self.path / name) as sink:
                        sink.write((left.path / name).read_bytes())
        self._write(state)

    def complete(self) -> None:
        private_folder(self.path)
        self._write(replace(self.state(), cursor=None, complete=True))

    def _write(self, state: State) -> None:
        write_whole(self._manifest, json.dumps(asdict(state)))

    def records(self) -> Iterator[Record]:
        """Each record once, as read last: one that changes while its list is read can move to a later page and come twice."""
        yield from _records_once(self.rows())

    def each(self) -> Iterator[Record]:
        """The same one by one. Where none came twice no more than a page is held, and of each a number."""
        marks = array("q", map(hash, self.keys()))
        alike = any(mark == after for mark, after in pairwise(sorted(marks)))
        yield from self.records() if alike else self.rows()

    def page(self) -> Page:
        """All that was read, as one page."""
        return Page(list(self.records()), list(self.invalid()), hidden=list(dict.fromkeys(self.state().hidden)))

    def rows(self) -> Iterator[Record]:
        """The records as they were read, page by page: nothing is kept of them, and one may come twice."""
        for path in self._pages():
            with path.open("rb") as source:
                # No reader threads: one still running when a short-lived task process exits aborts that process.
                table = pq.ParquetFile(source).read(use_threads=False)
            # A few at a time: as Python's values they take ten times the room.
            for some in _timeless(table).to_batches(max_chunksize=AT_ONCE):
                for row in some.to_pylist():
                    yield self.model.model_validate(row, strict=False)

    def _pages(self) -> Iterator[UPath]:
        yield from (self.path / f"page-{number:05}.parquet" for number, rows in enumerate(self.state().rows, 1) if rows)

    def keys(self) -> Iterator[tuple[str, str]]:
        """(company, id) of each of :meth:`rows`; nothing else of them is read."""
        yield from ((row["company"] or "", row["id"]) for row in self._columns("company", "id"))

    def heads(self) -> Iterator[Head]:
        """Of each of :meth:`rows` what it is known by; nothing else of them is read."""
        there = [name for name in Head._fields if name in self.model.model_fields]
        yield from (Head(**row) for row in self._columns(*there))

    def marks(self) -> Iterator[tuple[str, str | None]]:
        """(id, external id) of each of :meth:`rows`; nothing else of them is read."""
        yield from ((row["id"], row["origin_id"]) for row in self._columns("id", "origin_id"))

    def _columns(self, *names: str) -> Iterator[dict[str, Any]]:
        for path in self._pages():
            with path.open("rb") as source:
                table = pq.ParquetFile(source).read(columns=list(names), use_threads=False)
            yield from table.to_pylist()

    def invalid(self) -> Iterator[Invalid]:
        yield from _invalid_once(
            Invalid(**row)
            for number in range(1, self.state().pages + 1)
            if (path := self.path / f"invalid-{number:05}.json").exists()
            for row in json.loads(path.read_text(encoding="utf-8"))
        )


def once(page: Page) -> Page:
    """Of each record what was read last."""
    return replace(page, records=_records_once(page.records), invalid=_invalid_once(page.invalid))


def _records_once(records: Iterable[Record]) -> list[Record]:
    return list({(record.company, record.id): record for record in records}.values())


def _invalid_once(found: Iterable[Invalid]) -> list[Invalid]:
    return list({(bad.scope, bad.id): bad for bad in found}.values())


def write_whole(path: UPath, content: str | bytes) -> None:
    """Write a file that another task may read at any moment: it sees all of it or nothing."""
    part = path.parent / f"{path.name}.{uuid.uuid4().hex}.part"
    with private_file(part) as sink:
        sink.write(content if isinstance(content, bytes) else content.encode())
    part.rename(path)


def private_folder(path: UPath | Path) -> None:
    """Make a folder, and those above it that are missing, for the owner only. One that is there keeps its rights."""
    local = on_disk(path)
    if local is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    for folder in () if local.is_dir() else (*reversed(local.parents), local):
        if not folder.is_dir():
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:  # another task was quicker
                continue
            folder.chmod(0o700)


def private_file(path: UPath | Path) -> IO[bytes]:
    """Open a file for writing from its beginning; from its first byte on it is the owner's only."""
    local = on_disk(path)
    if local is None:
        return path.open("wb")
    handle = os.open(local, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(handle, 0o600)  # one that was there already, with other rights, and under any umask
    return os.fdopen(handle, "wb")


def on_disk(path: UPath | Path) -> Path | None:
    """A folder or file of a local disk as Python's own path, which is joined in a fifth of the time; None for object storage."""
    if isinstance(path, UPath) and path.protocol not in ("", "file", "local"):
        return None
    return Path(path.path) if isinstance(path, UPath) else path


_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_MARKED = re.compile(r".*-[0-9a-f]{16}")


def slug(text: str) -> str:
    """A run id as the name of a folder of its own. Letters, digits, ``_``, ``-`` and ``.`` are kept; an id that has anything else
    (Airflow's carry ``:`` and ``+``), begins with a dot, is empty or long gets the hash of all of it as well: what was left out
    or replaced can then neither lead to another folder nor make two runs one."""
    if _PLAIN_NAME.fullmatch(text) and not _MARKED.fullmatch(text):
        return text
    readable = re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:80].lstrip(".") or "run"
    return f"{readable}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
