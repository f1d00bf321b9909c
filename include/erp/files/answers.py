"""What the ERP's import says of files that were dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from include.erp.codecs import show
from include.erp.files.exports import Table
from include.erp.files.folder import Folder
from include.erp.files.formats import Format
from include.erp.files.grammar import Acknowledgements, ImportsMapping
from include.erp.files.layouts import Broken, Parsed, parse
from include.erp.files.sent import Sent
from include.erp.mapping.block import suggest
from include.erp.mapping.loading import Mapping
from include.financials.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Answer:
    place: str
    """Where it stands: ``ack-7.csv#3``."""
    file: str
    marker: str
    """Empty: it is about the whole file."""
    status: str
    said: str
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all answers about a document come to."""

    answer: Answer | None
    """The last of them."""
    refusal: str | None = None
    """The ERP's words where it surely did not enter the document."""
    id: str = ""
    """What the ERP entered it as, if it said so."""
    against: Answer | None = None
    """An answer that does not go with the last one: whether the document is there, or which it is, nobody knows by them."""
    in_part: bool = False
    """A file of several documents was refused as a whole, and what is read of the ERP is older: some of them may be there."""


class Answers:
    """The acknowledgements as they are now, in the order in which they were written."""

    def __init__(self, mapping: Mapping[ImportsMapping], folder: Folder) -> None:
        self.mapping, self.folder = mapping, folder
        self.spec: Acknowledgements | None = mapping.spec.acknowledgements
        self._parsed: dict[object, Parsed] = {}

    @property
    def place(self) -> str:
        return self.mapping.at("acknowledgements")

    def all(self) -> list[Answer]:
        return [answer for table in self.tables() for answer in self._of(table)]

    def tables(self) -> Iterator[Table]:
        if self.spec is None:
            return
        where = self.spec.source.folder or self.mapping.spec.folders.acknowledgements
        self.folder.require(where, self.place)
        form: Format = self.mapping.spec.format_of(self.spec.source.format)
        for stat in sorted(self.folder.files(where, self.spec.source.file), key=lambda one: (one.modified, one.path)):
            if stat not in self._parsed:
                try:
                    self._parsed[stat] = parse(self.folder.read(stat.path), form)
                except Broken:  # perhaps it is being written; the probe names one that stays so
                    continue
            yield Table(stat, self._parsed[stat])

    def _of(self, table: Table) -> Iterator[Answer]:
        assert self.spec is not None
        spec, there = self.spec, table.parsed.columns.get(self.spec.source.record, ())
        for name in spec.columns():
            if name not in there and table.parsed.entries:
                hint = suggest(name, there).replace("Allowed:", "It has:")
                raise ConfigurationError(f"{self.place}: {table.stat.path} has no column '{name}'{hint}")
        for entry in table.entries(spec.source):
            if entry.fault is None:
                given = {name: entry.values[column].strip() if column else "" for name, column in (
                    ("file", spec.file), ("marker", spec.marker), ("status", spec.status), ("said", spec.said), ("id", spec.id),
                )}  # fmt: skip
                given["file"] = given["file"].replace("\\", "/").rpartition("/")[2]
                yield Answer(f"{table.stat.name}#{entry.number}", **given, at=table.stat.modified)

    def faults(self) -> Iterator[str]:
        """Lines of acknowledgements that nobody can read: a document may wait for one of them."""
        if self.spec is None:
            return
        for table in self.tables():
            for entry in table.entries(self.spec.source):
                if entry.fault is not None:
                    yield f"{self.place}: {table.where(entry)} {entry.fault}. Look what the ERP answered; have it written again."

    # -- of one document

    def about(self, marker: str, answers: list[Answer]) -> tuple[str, ...]:
        """Places of all that is said of it by its marker."""
        return tuple(one.place for one in answers if one.marker == marker)

    def verdict(self, sent: Sent, answers: list[Answer], *, several: bool, shown: datetime) -> Verdict:
        """What the answers about the document in this file come to. Where they are about the document itself, those about the
        whole file count only if another file of answers brought them later: then the import ran again.

        The last answer counts, but for two things that no later one takes back: that the document was entered, and as what. A
        file of ``several`` documents may have been entered up to the one that it was refused for: that is certain once what is
        read of the ERP (as it was ``shown`` last) is younger than the refusal."""
        own = [
            one
            for one in answers
            if one.place not in sent.heard
            and (one.file.casefold() == sent.file.casefold() if one.file else one.marker == sent.marker)
            and one.marker in ("", sent.marker)
        ]
        last = max((at for at, one in enumerate(own) if one.marker), default=-1)
        if last >= 0:
            own = [one for at, one in enumerate(own) if one.marker or (at > last and self._entered_later(own[last], one))]
        if not own:
            return Verdict(None)
        entered = [one for one in own if self.done(one)]
        refused = self._refused(own[-1])
        if entered and refused is not None:
            return Verdict(own[-1], against=entered[-1])
        named = {one.id: one for one in entered if one.id}
        if len(named) > 1:
            first, *_, second = named.values()
            return Verdict(second, against=first)
        if refused is not None and several and not own[-1].marker and own[-1].at >= shown:
            return Verdict(own[-1], in_part=True)
        return Verdict(own[-1], refusal=refused, id=next(iter(named), "") if self.done(own[-1]) else "")

    def _entered_later(self, about: Answer, whole: Answer) -> bool:
        return self.done(whole) and whole.place.rpartition("#")[0] != about.place.rpartition("#")[0]

    def _refused(self, answer: Answer) -> str | None:
        """The ERP's words where it refuses."""
        if self.spec is None or answer.status not in self.spec.refused:
            return None
        return answer.said or f"the ERP's import answered {show(answer.status)} for {answer.file or answer.marker}"

    def done(self, answer: Answer) -> bool:
        return self.spec is not None and answer.status in self.spec.done
