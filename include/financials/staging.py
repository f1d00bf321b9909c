"""Staged pages: canonical records as Parquet on object storage, between the tasks of one run.

Schemas are derived from the models, never inferred from data: an inferred schema turns a nullable id into a float and an empty
column into type null. A manifest beside the pages says how far a read has come, so that a retried task goes on at its cursor.
"""

from __future__ import annotations

import json
import types
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel
from upath import UPath

from include.financials.models import MODELS, Record
from include.financials.port import Invalid, Page

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


def _flat(notes: Sequence[Any]) -> list[Any]:
    """Constraints, whether they come one by one or inside a pydantic FieldInfo."""
    return [inner for note in notes for inner in (getattr(note, "metadata", None) or [note])]


class Staged:
    """One place for the pages of one read: ``entity`` as ``side`` has it, of one shard of one run."""

    def __init__(self, path: UPath, entity: str) -> None:
        self.path = path
        self.entity = entity
        self.model = MODELS[entity]

    @property
    def _manifest(self) -> UPath:
        return self.path / "manifest.json"

    def state(self) -> dict[str, Any]:
        """``{"pages", "cursor", "complete", "records", "invalid"}``; zeros before the first page."""
        if self._manifest.exists():
            return dict(json.loads(self._manifest.read_text(encoding="utf-8")))
        return {"pages": 0, "cursor": None, "complete": False, "records": 0, "invalid": 0}

    def add(self, page: Page, *, last: bool | None = None) -> None:
        """Write a page, then the manifest that makes it count; a crash in between leaves a file that the next try writes over."""
        state = self.state()
        number = state["pages"] + 1
        self.path.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist([record.model_dump() for record in page.records], schema=arrow_schema(self.model))
        with (self.path / f"page-{number:05}.parquet").open("wb") as sink:
            pq.write_table(table, sink)
        invalid = self.path / f"invalid-{number:05}.json"
        if page.invalid:
            invalid.write_text(json.dumps([asdict(row) for row in page.invalid]), encoding="utf-8")
        else:
            invalid.unlink(missing_ok=True)  # of a try that crashed before its manifest
        self._write(
            {
                "pages": number,
                "cursor": page.cursor,
                "complete": page.cursor is None if last is None else last,
                "records": state["records"] + len(page.records),
                "invalid": state["invalid"] + len(page.invalid),
            }
        )

    def complete(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._write({**self.state(), "cursor": None, "complete": True})

    def _write(self, state: dict[str, Any]) -> None:
        write_whole(self._manifest, json.dumps(state))

    def records(self) -> Iterator[Record]:
        """Each record once, as read last: one that changes while its list is read can move to a later page and come twice."""
        yield from {(record.company, record.id): record for record in self._rows()}.values()

    def _rows(self) -> Iterator[Record]:
        for number in range(1, self.state()["pages"] + 1):
            with (self.path / f"page-{number:05}.parquet").open("rb") as source:
                # No reader threads: one still running when a short-lived task process exits aborts that process.
                table = pq.ParquetFile(source).read(use_threads=False)
                for row in table.to_pylist():
                    yield self.model.model_validate(row, strict=False)

    def invalid(self) -> Iterator[Invalid]:
        found: dict[tuple[str | None, str], Invalid] = {}
        for number in range(1, self.state()["pages"] + 1):
            path = self.path / f"invalid-{number:05}.json"
            if path.exists():
                found |= {(row["scope"], row["id"]): Invalid(**row) for row in json.loads(path.read_text(encoding="utf-8"))}
        yield from found.values()


def write_whole(path: UPath, text: str) -> None:
    """Write a file that another task may read at any moment: it sees all of it or nothing."""
    part = path.parent / f"{path.name}.{uuid.uuid4().hex}.part"
    part.write_text(text, encoding="utf-8")
    part.rename(path)


def slug(text: str) -> str:
    """A run id as a path segment (run ids carry ``:`` and ``+``)."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in text)
