"""One call of ``create``: its documents in one import file, dropped whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from include.erp.codecs import FieldError
from include.erp.files.answers import Answers
from include.erp.files.folder import RENAMES, Folder
from include.erp.files.formats import Format
from include.erp.files.grammar import FileWrite
from include.erp.files.rendering import ImportFile
from include.erp.files.sent import Notes, Sent, tag_of
from include.erp.mapping.spec import EntitySpec
from include.erp.transport import Document, Receipt
from include.financials.departing import depart
from include.financials.exceptions import ConfigurationError
from include.financials.port import Beat

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")


class Drop:
    """:param run: what ``{run}`` in a name is; :param sequence: the next number of this run."""

    def __init__(
        self,
        name: str,
        spec: EntitySpec,
        write: FileWrite,
        form: Format,
        folder: Folder,
        folder_name: str,
        notes: Notes,
        answers: Answers,
        *,
        place: str,
        run: str,
        sequence: Callable[[], int],
        now: Callable[[], datetime],
    ) -> None:
        assert write.file is not None
        self.name, self.spec, self.write, self.form, self.folder, self.file = name, spec, write, form, folder, write.file
        self.into, self.notes, self.answers = self.file.folder or folder_name, notes, answers
        self.place, self.run, self.sequence, self.now = place, run, sequence, now

    def receipts(self, documents: Sequence[Document], beat: Beat) -> list[Receipt]:
        """Raises where nothing of any document was dropped."""
        if self.folder.protocol not in RENAMES:
            raise ConfigurationError(
                f"{self.place}: nothing is dropped over {self.folder.protocol}: it renames no file in one act, and an import "
                f"could see half of one. Use {', '.join(sorted(RENAMES))}."
            )
        self.folder.require(self.into, self.place)
        markers = [document.marker or "" for document in documents]
        self.notes.forget_unfinished(markers)
        made, refused = ImportFile(self.spec, self.write, self.form), dict[str, Receipt]()
        held: list[Document] = []
        for document in documents:
            try:
                made.add(document)
                held.append(document)
            except FieldError as error:
                refused[document.intent] = document.refused(f"{document.number}: {error.field} {error.reason}.", error.field)
        dropped = self._drop(held, made.content(), beat) if held else {}
        return [refused.get(one.intent) or dropped[one.intent] for one in documents]

    def _drop(self, documents: Sequence[Document], content: bytes, beat: Beat) -> dict[str, Receipt]:
        before = self.notes.latest([one.marker or "" for one in documents])
        attempts = {marker: one.attempt for marker, one in before.items()}
        file = self._name(documents, attempts)
        path = f"{self.into}/{file}"
        beat()
        answers, at = self.answers.all(), self.now()
        self.folder.prepare(path, content)
        self.notes.note(file, path, self.name, at, [
            Sent(file, path, self.name, at.isoformat(), marker, one.company, one.number, attempts.get(marker, 0) + 1,
                 self.answers.about(marker, answers))
            for one in documents
            for marker in (one.marker or "",)
        ])  # fmt: skip
        depart()
        try:
            self.folder.publish(path)
        except OSError as error:
            if self.folder.prepared(path):  # surely not dropped
                raise self.folder.later(path, error) from error
            told = f"{path} was to be renamed into its place, and nobody knows whether it was ({error})"
            return {one.intent: Receipt(one.intent, "unknown", message=told) for one in documents}
        return {one.intent: Receipt(one.intent, "accepted", token=file) for one in documents}

    def _name(self, documents: Sequence[Document], attempts: dict[str, int]) -> str:
        company = documents[0].company
        if _NO_NAME.search(company):
            raise ConfigurationError(
                f"{self.place}: the company {company!r} can stand in no name of a file; leave {{company}} out"
            )
        return self.file.name.format(
            entity=self.name, company=company, run=self.run, sequence=f"{self.sequence():04}", tag=tag_of(documents, attempts)
        )
