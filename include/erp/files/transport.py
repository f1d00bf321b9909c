"""The transport over files: the ERP writes exports, takes import files and answers them, in folders that both sides see.

Reading is reading of the newest exports. Writing is dropping an import file: what is dropped is accepted until the ERP
acknowledges it or an export shows it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from include.erp.files.answers import Answer, Answers
from include.erp.files.dropping import Drop
from include.erp.files.exports import Exports
from include.erp.files.folder import RENAMES, Folder
from include.erp.files.grammar import FilesMapping
from include.erp.files.sent import Notes, Sent
from include.erp.mapping import loading
from include.erp.mapping.shape import shape_of
from include.erp.transport import Adapter, Check, Document, Handed, Key, Probe, Receipt, Row, Rows, Writing
from include.financials.exceptions import ConfigurationError
from include.financials.port import Beat, Window


def _utc() -> datetime:
    return datetime.now(UTC)


class FilesTransport:
    """:param address: the folder in which the others are, see :class:`Folder`.
    :param now: the clock that says how old an export is."""

    transactional = False

    def __init__(self, address: Any, mapping: loading.Mapping[FilesMapping], *, now: Callable[[], datetime] = _utc) -> None:
        self.mapping, self.spec, self._now = mapping, mapping.spec, now
        self.folder = Folder(address)
        self.exports = Exports(mapping, self.folder, now)
        self.answers = Answers(mapping, self.folder)
        self.notes = Notes(self.folder, self.spec.folders.sent, mapping.at("folders", "sent"))
        self._run = f"{now():%Y%m%dT%H%M%S}"
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self.folder.close()

    def clock(self) -> datetime:
        """Files have none: it is ours."""
        return self._now()

    def probe(self) -> Probe:
        if not self.folder.has("."):
            raise ConfigurationError(
                f"{self.folder.label} is not there. Look whether the share is mounted and the path is right."
            )
        problems: list[str] = []
        writes = False
        for name, entity in self.spec.entities.items():
            try:
                self.exports.rows(name)
            except ConfigurationError as error:
                problems.append(str(error))
            if entity.capabilities.create:
                writes = True
                place = self.mapping.at("entities", name, "write", "file")
                if entity.write.file and not self.folder.has(into := entity.write.file.folder or self.spec.folders.imports):
                    problems.append(f"{place}: there is no folder {into} in {self.folder.label}")
        try:
            problems += self.answers.faults()
            if writes:
                self.notes.require()
        except ConfigurationError as error:
            problems.append(str(error))
        if writes and self.folder.protocol not in RENAMES:
            problems.append(f"{self.mapping.at('folders')}: nothing can be dropped over {self.folder.protocol}")
        return Probe(self.folder.label, f"files, fsspec {version('fsspec')}", tuple(problems))

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
            if (after is None or key > after)
            and (scopes is None or scope is None or (row.header.get(scope) or "").strip() in scopes)
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
        if markers and spec.write.create:
            answers = self.answers.all()
            rows += [self._waiting(entity, one, answers) for one in self.notes.latest(markers).values()]
        return Rows(rows)

    def _waiting(self, entity: str, sent: Sent, answers: list[Answer]) -> Row:
        """A document that was dropped, as a row: all that is known of it is whose it is."""
        spec = self.spec.entities[entity]
        header: dict[str, Any] = dict.fromkeys(shape_of(spec).header)
        if spec.find:
            header[spec.find.marker] = sent.marker
        said = self.answers.refusal(self.answers.verdict(sent, answers))
        return Row(header, key=sent.file, waiting=True, said=said)

    # -- writing

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        spec = self.spec.entities[entity]
        file = spec.write.file
        if action != "create" or file is None:
            raise ConfigurationError(f"{self.mapping.at('entities', entity, 'write')}: has nothing that would {action} {entity}")
        drop = Drop(
            entity, spec, self.spec.format_of(file.format), self.folder, self.spec.folders.imports, self.notes, self.answers,
            place=self.mapping.at("entities", entity, "write", "file"), run=self._run, sequence=lambda: next(self._numbers),
            now=self._now,
        )  # fmt: skip
        return drop.receipts(documents, beat)

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        sent = self.notes.latest([one.marker for one in handed if one.marker])
        answers = self.answers.all()
        return [self._settled(one, sent.get(one.marker or ""), answers) for one in handed]

    def _settled(self, one: Handed, sent: Sent | None, answers: list[Answer]) -> Receipt:
        if sent is None:
            told = f"{one.number}: nothing in {self.spec.folders.sent} says that it was handed to the ERP"
            return Receipt(one.intent, "unknown", message=told)
        answer = self.answers.verdict(sent, answers)
        if refusal := self.answers.refusal(answer):
            return Receipt(one.intent, "refused", message=refusal)
        if answer is not None and answer.id and self.answers.done(answer):
            return Receipt(one.intent, "done", answer.id)
        return Receipt(one.intent, "accepted", token=sent.file, message=self._stand(sent, answer))

    def _stand(self, sent: Sent, answer: Answer | None) -> str:
        """Where a document is that is not in the books."""
        if answer is None:
            there = self.folder.exists(sent.path)
            return f"{sent.path} of {sent.at[:10]} " + (
                "was not taken yet" if there else "was taken, and nothing acknowledges it"
            )
        if self.answers.done(answer):
            return f"{sent.file} was imported, and no export shows it yet"
        return f"{sent.file} was answered {answer.status!r} ({answer.place}), which the mapping does not know"


ADAPTER = Adapter(FilesMapping, FilesTransport)
