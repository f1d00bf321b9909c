"""The transport over files: the ERP writes exports, takes import files and answers them, in folders that both sides see.

Reading is reading of the newest exports. Writing is dropping an import file: what is dropped is accepted until the ERP
acknowledges it or an export shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from include.erp.ages import utc
from include.erp.files.exports import Exports
from include.erp.files.grammar import FilesMapping, FileWrite, ImportsMapping
from include.erp.files.outbox import ImportFolder
from include.erp.mapping import loading
from include.erp.transport import LOST, Adapter, Check, Document, Handed, Key, OutboxAdapter, Probe, Receipt, Rows, Writing
from include.financials.exceptions import ConfigurationError
from include.financials.port import Beat, Window


class FilesTransport:
    """:param address: the folder in which the others are, see :class:`include.erp.files.folder.Folder`.
    :param now: the clock that says how old an export is."""

    transactional = False

    def __init__(self, address: Any, mapping: loading.Mapping[FilesMapping], *, now: Callable[[], datetime] = utc) -> None:
        self.mapping, self.spec, self._now = mapping, mapping.spec, now
        self.outbox = ImportFolder(address, mapping, now=now)
        self.exports = Exports(mapping, self.outbox.folder, now)

    def close(self) -> None:
        self.outbox.close()

    def clock(self) -> datetime:
        """Files have none: it is ours."""
        return self._now()

    def probe(self) -> Probe:
        found = self.outbox.probe()
        problems: list[str] = []
        for name in self.spec.entities:
            try:
                self.exports.rows(name)
            except ConfigurationError as error:
                problems.append(str(error))
        return replace(found, problems=(*problems, *found.problems))

    # -- reading

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
        """An export that is written anew between two pages is gone on with at the same key."""
        scope, after = self.spec.entities[entity].scope, tuple(cursor["after"]) if cursor else None
        found = [
            (key, row)
            for key, row in self.exports.rows(entity)
            if (after is None or key > after) and (scopes is None or scope is None or _within(scopes, row.header[scope]))
        ]
        rows = [row for _, row in found[:size]]
        return Rows(rows, {"after": list(found[size - 1][0])} if len(found) > size else None)

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        spec = self.spec.entities[entity]
        columns = spec.id.columns()
        wanted = {tuple(part[name] for name in columns) for key in ids for part in key.parts}
        named = set(markers)
        mark = spec.find.marker if spec.find else None
        rows = []
        for _, row in self.exports.rows(entity):
            ident = tuple((row.header.get(name) or "").strip() for name in columns)
            if ident in wanted or (mark and (row.header.get(mark) or "").strip() in named):
                rows.append(row)
        return Rows(rows + self.outbox.waiting(entity, markers, self.exports.shown(entity)))

    # -- writing

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        return self.outbox.submit(entity, action, documents, beat)

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        return self.outbox.settle(entity, handed, self.exports.shown(entity))


def _within(scopes: Sequence[str], told: Any) -> bool:
    """Whether a row is of one of the projects; whose it is may not be told."""
    return told is LOST or (told or "").strip() in scopes


ADAPTER = Adapter(FilesMapping, FilesTransport, outbox=OutboxAdapter(ImportsMapping, FileWrite, ImportFolder))
