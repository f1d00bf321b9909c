"""``dry``: what would be sent of a document, with every value as the calls bind it, and what the ERP says of it. Nothing stays: a
transport with transactions undoes it, any other is not asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from include.erp.acceptance.documents import Maker
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.suite import Options, Suite
from include.erp.codecs import FieldError
from include.erp.sql.rehearsal import Rehearsal
from include.erp.system import MappedSystem
from include.erp.transport import Document
from include.erp.writing import Writer
from include.financials.entities import OF_ERP
from include.financials.exceptions import ConfigurationError
from include.financials.port import Item


def dry(options: Options, entity: str | None, records: Path | None) -> Iterator[str]:
    """:param entity: only of this one; else of each that the ERP takes.
    :param records: canonical records in the ERP's keys, one JSON object a line as ``sample`` prints them; else documents are made
        of the ERP's own masters."""
    suite = Suite(options)
    kind = suite.mapping.spec.writes or suite.mapping.spec.kind
    rehearsal = Rehearsal(options.address, suite.mapping) if kind == "sql" else None  # type: ignore[arg-type]
    erp = MappedSystem(suite.mapping, rehearsal, origin_system=suite.erp.origin_system) if rehearsal else None
    try:
        for item in _items(suite, entity, records):
            if isinstance(item, str):
                yield item
                continue
            yield from _document(suite, item)
            if erp is None:
                yield f"  not sent: an ERP of kind {kind} cannot undo"
            else:
                yield from _answer(suite, erp, item)
    finally:
        suite.close()
        if erp is not None:
            erp.close()


def _items(suite: Suite, entity: str | None, records: Path | None) -> Iterator[Item | str]:
    taken = [name for name in suite.entities if suite.capability(name).create and entity in (None, name)]
    if not taken:
        raise ConfigurationError(f"the mapping has no `create` of {entity or 'anything'}")
    if records is not None:
        if entity is None:
            raise ConfigurationError("name the entity whose records the file holds")
        yield from _of_file(suite, entity, records)
        return
    maker = Maker(suite, rehearsing=True)
    for name in taken:
        try:
            yield maker.make(name)
        except Missing as missing:
            yield f"{name}: no document can be made: {missing}"


def _of_file(suite: Suite, entity: str, path: Path) -> Iterator[Item]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = OF_ERP[entity].model_validate_json(line, strict=False)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigurationError(f"{path}:{number}: {'.'.join(map(str, first['loc']))} {first['msg'].lower()}") from None
        if record.company is None:
            raise ConfigurationError(f"{path}:{number}: company is missing")
        yield replace(suite.item(record, record.company), procore_id=record.id)


def _document(suite: Suite, item: Item) -> Iterator[str]:
    writer = Writer(suite.mapping, item.record.entity, "create", suite.erp.marker, suite.mapping.settings({}))
    yield f"{item.record.entity} {item.number} in company {item.company}"
    try:
        document: Document = writer.prepare(item)
    except FieldError as error:
        yield f"  refused before it is sent: {error.field} {error.reason}"
        return
    yield f"  {_values(document.header)}"
    for position, line in enumerate(document.lines, 1):
        yield f"  line {position}: {_values(line)}"


def _values(values: Any) -> str:
    return json.dumps({name: value if value is None else str(value) for name, value in values.items()}, ensure_ascii=False)


def _answer(suite: Suite, erp: MappedSystem, item: Item) -> Iterator[str]:
    outcomes: Sequence[Any] = erp.post(suite.step(item.record.entity, "create", erp), [item])
    (outcome,) = outcomes
    if outcome.status == "rejected":
        yield f"problem: {item.record.entity} {item.number}: the ERP would refuse it: {outcome.message}"
    else:
        taken = f"the ERP would take it as {outcome.id}" if outcome.status == "confirmed" else "the ERP would have it wait"
        yield f"  {taken}, stored as it was sent; undone"
