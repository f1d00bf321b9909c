"""Annotation: a record, its references and its counterpart as a row of plain values that the rules look at.

Nothing is decided and nothing is dropped here. A fact that names a fault is None when all is well. What every entity is asked is
made here (:func:`common`); each family adds its own in a :class:`Facts`, whose rows are typed: a rule that names a fact which
nobody makes fails a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from include.financials.entity import Entity
from include.financials.identity import content, differing, line_twice
from include.financials.judging.books import Books
from include.financials.judging.changes import apart, comparable, describe, pair_apart
from include.financials.judging.subject import Subject
from include.financials.port import Capability, told
from include.financials.record import Record

if TYPE_CHECKING:
    from include.financials.references import References

Row = Mapping[str, Any]
"""A row of facts as the rules take it, whatever entity it is of."""


class GateRow(TypedDict):
    """What a gate reads of each row, beside what its rules look at. ``columns``: the row of a frame."""

    row: str
    number: str
    amount: str | None
    fresh: bool
    again: bool
    columns: Mapping[str, Any]


class CommonRow(TypedDict):
    """What :func:`common` tells of every record. A text that names a fault is None when there is none."""

    row: str
    line_twice: str | None
    label: str
    entity: str
    id: str
    number: str
    name: str
    company: str
    erp_key: str
    foreign_origin: str | None
    broken_link: str | None
    ambiguous: str | None
    proposal: str | None
    proposal_way: str
    """How a person joins the two, as far as they can be joined; reads on with what sets them apart."""
    unlike: str
    parted: str | None
    pair_apart: str | None
    hidden: str | None
    unread: str | None
    adoption_difference: str | None


class LeftOutRow(TypedDict):
    """What the record names that the ERP's mapping leaves out, and its entity, in words."""

    left_out: str | None
    left_out_entity: str | None


class AcceptedRow(TypedDict):
    """That the ERP has accepted the document and not posted it, or that it has waited for too long."""

    accepted: str | None
    overdue: str | None


class CheckRow(LeftOutRow, AcceptedRow):
    """What the check itself adds to every row: it knows the other entities, and what people decided."""

    parent_unread: str | None
    parent_gone: str | None
    """A linked record that it names and that its side no longer has; of one that is about to be sent."""
    approval_ended: str
    again: bool
    """An earlier run stopped it, and it is still what it was then."""


class NoRow(TypedDict):
    """No facts beside those of every record."""


class Facts:
    """The facts of one entity in one check. ``row`` is the type of what :meth:`header` gives, ``line_row`` of what :meth:`lines`
    gives beside it (amounts as text, two places)."""

    row: ClassVar[type] = NoRow
    line_row: ClassVar[type] = NoRow

    in_turns: ClassVar[bool] = False
    """Whether what became of one document decides on another (:meth:`turn`)."""

    def __init__(self, books: Books, references: References, row: Entity, capability: Capability) -> None:
        """``capability``: the target's, of this entity; ``references`` translate Procore's ids into ERP keys."""
        self.books, self.references, self.entity, self.capability = books, references, row, capability

    def translated(self, own: Record) -> Record:
        """A record of Procore in ERP keys, with the number that people call it by."""
        return self.references.translated(own)

    def learn(self, owns: Mapping[str, Record]) -> None:
        """Told of everything that was read, by id, before the first of it is translated, where documents follow one another
        (``Entity.sequence``)."""

    def recall(self, owns: Sequence[Record]) -> None:
        """These are translated or judged next: what they name is asked for at one go."""

    def prepare(self, subjects: Iterable[Subject]) -> None:
        """Told of all that is due, each once and in their order, before the first is judged; they are made as they are taken."""

    def turn(self, subject: Subject) -> int:
        """Its place in the order of judgement, where documents are judged in turns; asked when all are prepared."""
        return 0

    def settled(self, subject: Subject, state: str) -> None:
        """Told of each verdict, in the order of judgement. It counts for the next turn, not yet for others of this one."""

    def turned(self) -> None:
        """Told that all of a turn are judged."""

    def due(self, own: Any) -> bool:
        """Whether Procore's document counts: approved, and not deleted."""
        return True

    def skip(self, subject: Subject) -> str | None:
        """Why a record that the other side does not have is not sent; None: it is due."""
        return None

    def header(self, subject: Subject, approved: bool) -> Row:
        """The row of one record; ``approved``: a person has approved it with this content."""
        return NoRow()

    def lines(self, subject: Subject, head: Row) -> Sequence[Row]:
        """One row per line of a record that may be sent, each with what its ``head`` says."""
        return ()


def common(row: Entity, subject: Subject, target: Record | None) -> CommonRow:
    """What every entity's rules look at."""
    difference = None
    match = subject.match
    other = match.offered
    unlike, refused = apart(row, subject.record, other) if other is not None else ([], [])
    merged = getattr(subject.record, "merged_into", None) is not None  # its own contents are nobody's matter any more
    if match.how == "external_id" and target is not None and match.decision is None and not merged:
        names = differing(*comparable(content(target, row.content), content(subject.record, row.content), subject.incomparable))
        # Amounts, vendor and retainage of a linked document have a rule of their own (M-14).
        difference = describe(target, subject.record, [name for name in names if name not in row.frozen]) or None
    return {
        "row": subject.row,
        "line_twice": twice(row, subject, target),
        "label": row.label.capitalize(),
        "entity": row.name,
        "id": subject.own.id,
        "number": subject.own.number,
        "name": getattr(subject.own, "name", subject.own.number),
        "company": subject.company,
        "erp_key": subject.erp_key or "the ERP",
        "foreign_origin": subject.match.foreign,
        "broken_link": subject.match.broken,
        "ambiguous": subject.match.ambiguous,
        "proposal": match.proposal,
        "proposal_way": _way(row, subject, refused) if match.proposal else "",
        "unlike": f" They differ in {'; '.join(unlike)}." if unlike else "",
        "parted": match.parted.told(row, subject.number) if match.parted else None,
        "pair_apart": pair_apart(row, subject, unlike, refused),
        "hidden": match.hidden,
        "unread": told(match.unread, row.target, row.label) if match.unread is not None else None,
        "adoption_difference": difference,
    }


def _way(row: Entity, subject: Subject, refused: Sequence[str]) -> str:
    if refused:
        return f"Nobody can link them as they are: make them equal in {'; '.join(refused)}. Or, if they are two"
    return f"If the two are one: {subject.command('link', row.name)}. If not"


def twice(row: Entity, subject: Subject, target: Record | None) -> str | None:
    """The side whose record has two lines of one key, with that key (rule R-10): no map of lines could tell them apart."""
    if "lines" not in row.content:
        return None
    # Lines of a new document that share a position have a rule of their own where that is asked for (M-04).
    own = None if subject.match.how == "none" and row.judges("position_twice") else subject.record
    for side, record in ((subject.side, own), ("erp" if subject.side == "procore" else "procore", target)):
        key = line_twice(record) if record is not None else None
        if key is not None:
            return f"line {key} {'of Procore' if side == 'procore' else 'of the ERP'}"
    return None
