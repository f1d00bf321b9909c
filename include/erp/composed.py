"""Two transports for one ERP: one reads, another takes the documents (``kind: sql`` with ``writes: files``).

A replica or a reporting database shows the books and takes nothing; documents go in by import files. What is taken is accepted
until the replica shows it under its marker. Both halves read one mapping file: its keys are those of the reading kind and of the
other's outbox, ``write`` of an entity is the outbox's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Literal, get_args

from pydantic import create_model

from include.erp.mapping import loading
from include.erp.mapping.spec import EntitySpec, MappingSpec
from include.erp.transport import (
    Adapter,
    Check,
    Document,
    Handed,
    Key,
    Outbox,
    OutboxAdapter,
    Probe,
    Receipt,
    Rows,
    Transport,
    Writing,
)
from include.financials.port import Beat, Window


class Composed:
    """:param reads: shows what the ERP has, and is asked for nothing else.
    :param outbox: takes documents, and knows which it has handed over."""

    transactional = False

    def __init__(self, reads: Transport, outbox: Outbox) -> None:
        self.reads, self.outbox = reads, outbox

    def close(self) -> None:
        self.reads.close()
        self.outbox.close()

    def clock(self) -> datetime:
        return self.reads.clock()

    def probe(self) -> Probe:
        read, written = self.reads.probe(), self.outbox.probe()
        description = f"{read.description}; documents to {written.description}"
        return Probe(description, f"{read.version}; {written.version}", read.problems + written.problems)

    def fetch(
        self,
        entity: str,
        *,
        window: Window | None,
        scopes: Sequence[str] | None,
        cursor: Mapping[str, Any] | None,
        size: int,
        bare: bool = False,
    ) -> Rows:
        return self.reads.fetch(entity, window=window, scopes=scopes, cursor=cursor, size=size, bare=bare)

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        """What the ERP shows and what it was handed: a document that is in neither was never sent."""
        found = self.reads.lookup(entity, ids=ids, markers=markers)
        found.rows += self.outbox.waiting(entity, markers, self.reads.clock())
        return found

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        return self.outbox.submit(entity, action, documents, beat)

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        """An acknowledgement is no proof: the document is in the books when they show it, and is compared then."""
        tokens = {one.intent: one.token for one in handed}
        return [
            replace(one, status="accepted", id=None, token=tokens[one.intent]) if one.status == "done" else one
            for one in self.outbox.settle(entity, handed, self.reads.clock())
        ]


@cache
def composed(reads: Adapter, kind: str, outbox: OutboxAdapter) -> Adapter:
    """The adapter of two kinds; ``kind`` is the outbox's. Its ``open`` takes the outbox's address as ``writes``, and the options
    of the kind that reads. Raises ValueError for two that do not go together."""

    def opened(address: Any, mapping: loading.Mapping[Any], *, writes: Any, **options: Any) -> Transport:
        return Composed(reads.open(address, mapping, **options), outbox.open(writes, mapping))

    return Adapter(_grammar(reads.grammar, kind, outbox), opened, reads.database)


def _grammar(reads: type[MappingSpec], kind: str, outbox: OutboxAdapter) -> type[MappingSpec]:
    """The keys of both. Raises ValueError where one key would mean two things."""
    entity: type[EntitySpec] = get_args(reads.model_fields["entities"].annotation)[1]
    shared = reads.model_fields.keys() & outbox.grammar.model_fields.keys() - MappingSpec.model_fields.keys()
    if shared:
        raise ValueError(f"both have the key {', '.join(sorted(shared))}")
    own: Any = create_model(
        f"{entity.__name__}WritingBy{outbox.write.__name__}", __base__=entity, write=(outbox.write, outbox.write())
    )
    fields: Any = {"writes": (Literal[kind], ...), "entities": (Mapping[str, own], ...)}
    bases = (reads, outbox.grammar)
    return create_model(f"{reads.__name__}With{outbox.grammar.__name__}", __base__=bases, **fields)
