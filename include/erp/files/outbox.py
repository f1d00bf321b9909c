"""Import files: dropped, answered, and accepted until what is read of the ERP shows their documents.

The half of the transport over files that submits. It stands alone where something else reads (``writes: files``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from include.erp.ages import utc
from include.erp.files.answers import Answer, Answers, Verdict
from include.erp.files.dropping import Drop
from include.erp.files.folder import RENAMES, Folder
from include.erp.files.grammar import ImportsMapping
from include.erp.files.sent import Notes, Sent
from include.erp.mapping import loading
from include.erp.mapping.shape import shape_of
from include.erp.transport import Document, Handed, Probe, Receipt, Row, Writing
from include.financials.exceptions import ConfigurationError
from include.financials.port import Beat


class ImportFolder:
    """:param address: the folder in which the others are, see :class:`Folder`.
    :param now: the clock by which files are named and dated."""

    def __init__(self, address: Any, mapping: loading.Mapping[ImportsMapping], *, now: Callable[[], datetime] = utc) -> None:
        self.mapping, self.spec, self._now = mapping, mapping.spec, now
        self.folder = Folder(address)
        self.answers = Answers(mapping, self.folder)
        self.notes = Notes(self.folder, self.spec.folders.sent, mapping.at("folders", "sent"))
        self._run = f"{now():%Y%m%dT%H%M%S}"
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self.folder.close()

    def probe(self) -> Probe:
        if not self.folder.has("."):
            raise ConfigurationError(
                f"{self.folder.label} is not there. Look whether the share is mounted and the path is right."
            )
        problems: list[str] = []
        writes = False
        for name, write in self.spec.imports():
            if self.spec.entities[name].capabilities.create and write.file:
                writes = True
                place = self.mapping.at("entities", name, "write", "file")
                if not self.folder.has(into := write.file.folder or self.spec.folders.imports):
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

    def waiting(self, entity: str, markers: Sequence[str], shown: datetime) -> list[Row]:
        """A document that was dropped, as a row: all that is known of it is whose it is."""
        if not markers or not self.spec.import_of(entity).create:
            return []
        answers = self.answers.all()
        return [self._waiting(entity, one, answers, shown) for one in self.notes.latest(markers).values()]

    def _waiting(self, entity: str, sent: Sent, answers: list[Answer], shown: datetime) -> Row:
        spec = self.spec.entities[entity]
        header: dict[str, Any] = dict.fromkeys(shape_of(spec).header)
        if spec.find:
            header[spec.find.marker] = sent.marker
        return Row(header, key=sent.file, waiting=True, said=self._verdict(sent, answers, shown).refusal)

    def _verdict(self, sent: Sent, answers: list[Answer], shown: datetime) -> Verdict:
        return self.answers.verdict(sent, answers, several=len(self.notes.of_file(sent.file)) > 1, shown=shown)

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], beat: Beat) -> list[Receipt]:
        write = self.spec.import_of(entity)
        if action != "create" or write.file is None:
            raise ConfigurationError(f"{self.mapping.at('entities', entity, 'write')}: has nothing that would {action} {entity}")
        drop = Drop(
            entity, self.spec.entities[entity], write, self.spec.format_of(write.file.format), self.folder,
            self.spec.folders.imports, self.notes, self.answers, place=self.mapping.at("entities", entity, "write", "file"),
            run=self._run, sequence=lambda: next(self._numbers), now=self._now,
        )  # fmt: skip
        return drop.receipts(documents, beat)

    def settle(self, entity: str, handed: Sequence[Handed], shown: datetime) -> list[Receipt]:
        sent = self.notes.latest([one.marker for one in handed if one.marker])
        answers = self.answers.all()
        return [self._settled(one, sent.get(one.marker or ""), answers, shown) for one in handed]

    def _settled(self, one: Handed, sent: Sent | None, answers: list[Answer], shown: datetime) -> Receipt:
        if sent is None:
            told = f"{one.number}: nothing in {self.spec.folders.sent} says that it was handed to the ERP"
            return Receipt(one.intent, "unknown", message=told)
        verdict = self._verdict(sent, answers, shown)
        if verdict.refusal:
            return Receipt(one.intent, "refused", message=verdict.refusal)
        if verdict.id:
            return Receipt(one.intent, "done", verdict.id)
        field = "status" if verdict.against else None  # a person looks
        return Receipt(one.intent, "accepted", token=sent.file, message=self._stand(sent, verdict), field=field)

    def _stand(self, sent: Sent, verdict: Verdict) -> str:
        """Where a document is that is not in the books."""
        answer = verdict.answer
        if answer is None:
            there = self.folder.exists(sent.path)
            return f"{sent.path} of {sent.at[:10]} " + (
                "was not taken yet" if there else "was taken, and nothing acknowledges it"
            )
        if verdict.against is not None:
            return f"is answered in two ways: {_told(verdict.against)}, then {_told(answer)}"
        if verdict.in_part:
            told = "whether a part of it was taken, what is read of the ERP is too old to show"
            return f"{sent.file} was refused ({answer.place}); {told}"
        if self.answers.done(answer):
            return f"{sent.file} was imported, and what is read of the ERP does not show it yet"
        return f"{sent.file} was answered {answer.status!r} ({answer.place}), which the mapping does not know"


def _told(answer: Answer) -> str:
    return f"{answer.status!r}{f' as {answer.id}' if answer.id else ''} ({answer.place})"
