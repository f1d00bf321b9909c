"""Lines of exports put together into documents.

A broken line belongs to somebody. Where it can be told to whom, that document cannot be read; where not, the documents beside it
in the file are doubted: one of them may be short of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.erp.files.grammar import FilesEntity
from include.erp.mapping.shape import header_uses, shape_of
from include.erp.transport import LOST, Fault, Row

if TYPE_CHECKING:
    from include.erp.files.exports import Table
    from include.erp.files.layouts import Entry

Key = tuple[str, ...]
NTH = "#"
"""Name that a line has without a column: the how many-eth of its document it is."""


@dataclass(slots=True)
class Draft:
    """A document on its way to being a row. ``place``: where it stands, for what has no key."""

    header: Mapping[str, Any]
    key: Key | None
    place: tuple[str, int]
    told: str
    lines: list[Mapping[str, Any]] = field(default_factory=list)
    fault: Fault | None = None

    def doubt(self, name: str, reason: str) -> None:
        if self.fault is None:
            self.fault = Fault(name, reason)


class Documents:
    """:param headers: files of the documents, :param lines: those of their lines if they have their own; newest first."""

    def __init__(self, spec: FilesEntity, headers: Sequence[Table], lines: Sequence[Table]) -> None:
        self.spec, self.headers, self.line_tables = spec, headers, lines
        self.shape = shape_of(spec)
        self.keys = spec.keys()
        self.wanted = (*self.shape.header, *self.shape.lists.values())
        self.fields = {name: str(loc[-1]) for loc, name in header_uses(spec)}

    def rows(self) -> list[tuple[Key, Row]]:
        """In their order; with the key of it, from which a page goes on."""
        drafts = [draft for table in self._newest_of_each() for draft in table]
        if self.spec.lines and self.spec.lines.source:
            self._join(drafts)
        return [(order(one), self._row(one)) for one in sorted(drafts, key=order)]

    def _newest_of_each(self) -> Iterator[list[Draft]]:
        """Of a document that several files have, the newest file's."""
        seen: set[Key] = set()
        for table in self.headers:
            found = self._twice([one for one in self._drafts(table) if one.key not in seen])
            seen |= {one.key for one in found if one.key is not None}
            yield found

    def _drafts(self, table: Table) -> list[Draft]:
        if self.spec.lines and self.spec.lines.repeated:
            return self._repeated(table)
        if self.spec.lines and self.spec.lines.record:
            return self._under(table, self.spec.lines.record)
        return [self._draft(table, entry) for entry in table.entries(self.spec.source)]

    def _draft(self, table: Table, entry: Entry) -> Draft:
        lost = LOST if entry.fault else None
        header = {name: entry.values.get(name, lost) for name in self.wanted}
        draft = Draft(header, self._key(entry), (table.stat.path, entry.number), table.where(entry))
        if entry.fault:
            first = next((name for name in self.wanted if name not in entry.values), None)
            draft.doubt("id" if draft.key is None else self.fields.get(first or "", "lines"), f"({draft.told}) {entry.fault}")
        return draft

    def _key(self, entry: Entry) -> Key | None:
        found = tuple((entry.values.get(name) or "").strip() for name in self.keys)
        return found if all(name in entry.values for name in self.keys) and any(found) else None

    @staticmethod
    def _twice(drafts: list[Draft]) -> list[Draft]:
        """Two rows of one key: neither may be taken for the record."""
        first: dict[Key, Draft] = {}
        for one in drafts:
            if one.key is None:
                continue
            if (other := first.setdefault(one.key, one)) is not one:
                for draft, its in ((one, other), (other, one)):
                    draft.doubt("id", f"stands twice in the export ({draft.told} and {its.told})")
        return drafts

    # -- every line repeats its document

    def _repeated(self, table: Table) -> list[Draft]:
        drafts: dict[Key, Draft] = {}
        broken: list[Draft] = []
        before: Draft | None = None
        lost: Draft | None = None
        for entry in table.entries(self.spec.source):
            one = self._draft(table, entry)
            if one.key is None:
                broken.append(one)
                if before:
                    before.doubt("lines", f"may lack a line: {one.told} {entry.fault or 'has no key'}")
                lost = one
                continue
            draft = drafts.setdefault(one.key, one)
            if one.fault is not None:
                draft.doubt(one.fault.field, one.fault.reason)
            elif draft is not one:
                for name in self.shape.header:
                    if draft.fault is None and draft.header[name] != one.header[name]:
                        draft.doubt(self.fields.get(name, name), f"is not the same in {draft.told} and {one.told}")
            if lost is not None:
                draft.doubt("lines", f"may lack a line: {lost.told} cannot be told")
                lost = None
            draft.lines.append(self._line(entry.values, len(draft.lines)))
            before = draft
        return [*drafts.values(), *broken]

    # -- lines stand under their document

    def _under(self, table: Table, record: str) -> list[Draft]:
        drafts: list[Draft] = []
        current: Draft | None = None
        for entry in table.parsed.entries:
            if entry.record == self.spec.source.record:
                theirs = entry.fault is not None or all(
                    entry.values[name].strip() in words for name, words in self.spec.source.where.items()
                )
                current = self._draft(table, entry)
                if theirs:
                    drafts.append(current)
            elif entry.record == record and current is not None:
                if entry.fault:
                    current.doubt("lines", f"cannot be read: {table.where(entry)} {entry.fault}")
                current.lines.append(self._line(self._inherited(current) | {**entry.values}, len(current.lines)))
            elif entry.record == record or entry.record is None:
                if current is not None:
                    current.doubt("lines", f"may lack a line: {table.where(entry)} {entry.fault}")
                lost = Draft(dict.fromkeys(self.wanted, LOST), None, (table.stat.path, entry.number), table.where(entry))
                lost.doubt("id", f"({lost.told}) {entry.fault or 'stands under no document'}")
                drafts.append(lost)
                current = None
            else:  # another kind of line, perhaps the end of the document
                current = None
        return drafts

    # -- lines have a file of their own

    def _join(self, drafts: Sequence[Draft]) -> None:
        assert self.spec.lines is not None and self.spec.lines.source is not None
        theirs, ours = tuple(self.spec.lines.join), tuple(self.spec.lines.join.values())
        of_key: dict[Key, list[Draft]] = defaultdict(list)
        for draft in drafts:
            of_key[tuple((draft.header.get(name) or "").strip() for name in ours)].append(draft)
        seen: set[Key] = set()
        for table in self.line_tables:
            found: dict[Key, list[Entry]] = defaultdict(list)
            doubted: dict[Key, str] = {}
            before: Key | None = None
            lost: Entry | None = None
            for entry in table.entries(self.spec.lines.source):
                key = tuple((entry.values.get(name) or "").strip() for name in theirs)
                if not all(name in entry.values for name in theirs):
                    if before is not None:
                        doubted.setdefault(before, f"may lack a line: {table.where(entry)} {entry.fault}")
                    lost = entry
                    continue
                if entry.fault:
                    doubted.setdefault(key, f"cannot be read: {table.where(entry)} {entry.fault}")
                if lost is not None:
                    doubted.setdefault(key, f"may lack a line: {table.where(lost)} {lost.fault}")
                    lost = None
                found[key].append(entry)
                before = key
            for key in found.keys() - seen:
                for draft in of_key.get(key, ()):
                    draft.lines = [self._line(self._inherited(draft) | {**one.values}, at) for at, one in enumerate(found[key])]
            for key, reason in doubted.items():
                for draft in of_key.get(key, ()) if key not in seen else ():
                    draft.doubt("lines", reason)
            seen |= found.keys()

    def _inherited(self, draft: Draft) -> dict[str, str | None]:
        """What a line has of its document: the columns of its key. An amount is never inherited."""
        return {name: draft.header.get(name) for name in self.keys}

    def _line(self, values: Mapping[str, str | None], before: int) -> Mapping[str, Any]:
        """``before``: how many lines of the document stand before it."""
        return {name: before + 1 if name == NTH else values.get(name) for name in self.shape.lines}

    def _row(self, draft: Draft) -> Row:
        lists = {}
        for name, column in self.shape.lists.items():
            text = draft.header.get(column) or ""
            lists[name] = [part.strip() for part in text.split(self.spec.fields[name].separator or ",") if part.strip()]
        header = {name: draft.header.get(name) for name in self.shape.header}
        return Row(header, draft.lines, lists, key="/".join(draft.key or (draft.told,)), fault=draft.fault)


def order(draft: Draft) -> Key:
    """What cannot be told by its key comes first, by its place."""
    if draft.key is None or (draft.fault is not None and draft.fault.field == "id"):
        return ("", draft.place[0], f"{draft.place[1]:012}")
    return ("1", *draft.key)
