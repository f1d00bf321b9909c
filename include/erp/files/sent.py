"""What was dropped, kept by us beside the import folder: by it a document is found again before any export shows it.

A file is dropped in three acts, each of them whole or not done: its content is laid beside its place under another name; a note
in ``sent`` says which documents it holds; a rename puts it in its place. A note whose content still lies beside its place was
never dropped. So a killed run leaves no doubt, and no document is dropped twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from include.erp.files.folder import Folder, Stat
from include.erp.transport import Document
from include.financials.departing import depart
from include.financials.exceptions import ConfigurationError

NOTE = ".json"


@dataclass(frozen=True, slots=True)
class Sent:
    """A document of a file that was dropped."""

    file: str
    """Its name."""
    path: str
    entity: str
    at: str
    marker: str
    company: str
    number: str
    attempt: int
    heard: tuple[str, ...]
    """Answers about the document that were there before this file: they are about an earlier one."""


class Notes:
    """The notes in ``sent``. :param place: where the mapping names the folder, for messages."""

    def __init__(self, folder: Folder, sent: str, place: str) -> None:
        self.folder, self.sent, self.place = folder, sent, place
        self._read: dict[Stat, list[Sent]] = {}

    def require(self) -> None:
        """Without the folder everything would seem never sent."""
        self.folder.require(self.sent, self.place)

    def latest(self, markers: Sequence[str]) -> Mapping[str, Sent]:
        """The last file of each document, by its marker, of those that were really dropped."""
        wanted, found = set(markers), dict[str, Sent]()
        for one in self._all():
            if one.marker in wanted and (one.marker not in found or one.attempt > found[one.marker].attempt):
                found[one.marker] = one
        parts = {one.path for one in found.values() if self.folder.prepared(one.path)}
        if not parts:
            return found
        dropped = [one for one in self._all() if one.marker in wanted and not self.folder.prepared(one.path)]
        return {one.marker: one for one in sorted(dropped, key=lambda one: one.attempt)}

    def of_file(self, name: str) -> list[Sent]:
        """The documents of a file."""
        return [one for one in self._all() if one.file == name]

    def _all(self) -> list[Sent]:
        self.require()
        stats = self.folder.files(self.sent, f"*{NOTE}")
        self._read = {stat: self._read.get(stat) or self._note(stat) for stat in stats}
        return [one for found in self._read.values() for one in found]

    def _note(self, stat: Stat) -> list[Sent]:
        try:
            told = json.loads(self.folder.read(stat.path))
            shared = {name: told[name] for name in ("file", "path", "entity", "at")}
            return [Sent(**shared, **{**one, "heard": tuple(one["heard"])}) for one in told["documents"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self.place}: {stat.path} cannot be read ({error}). It says what was handed over: put it back from a copy; "
                "nothing is sent without it."
            ) from None

    # -- writing

    def note(self, file: str, path: str, entity: str, at: datetime, documents: Sequence[Sent]) -> None:
        own = [
            {name: value for name, value in asdict(one).items() if name not in ("file", "path", "entity", "at")}
            for one in documents
        ]
        told = {"file": file, "path": path, "entity": entity, "at": at.isoformat(), "documents": own}
        self.folder.write(self._path(file), (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode())

    def forget_unfinished(self, markers: Sequence[str]) -> None:
        """Take back what a killed run noted of these documents and never dropped: first the note, then the content. Another task
        may be about to drop it by now."""
        wanted = set(markers)
        for file, path in {(one.file, one.path) for one in self._all() if one.marker in wanted}:
            if self.folder.prepared(path):
                depart()
                self.folder.remove(self._path(file))
                self.folder.discard(path)

    def _path(self, file: str) -> str:
        return f"{self.sent}/{file}{NOTE}"


def tag_of(documents: Sequence[Document], attempts: Mapping[str, int]) -> str:
    """Ten digits that tell the file with these documents from all others."""
    told = "\n".join(sorted(f"{one.marker} {attempts.get(one.marker or '', 0)}" for one in documents))
    return hashlib.sha256(told.encode()).hexdigest()[:10]
