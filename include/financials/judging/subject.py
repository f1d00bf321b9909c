"""One record under judgement, and what is known of its counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from include.financials.advice import command, ident
from include.financials.entity import Entity
from include.financials.port import Invalid
from include.financials.record import Record

if TYPE_CHECKING:
    from include.financials.judging.people import Parted
    from include.financials.ledger import Decision, Link


class Twin(NamedTuple):
    """Of a record of the ERP that looks like another what it takes to say which it is."""

    company: str | None
    id: str


@dataclass(slots=True)
class Match:
    """What is known of one source record's counterpart. The texts are the facts that rules look at; None means: no fault.

    ``how`` is ``marker`` where the counterpart is certain (its marker names this record, or a person decided so) but external
    ids are not written yet.
    """

    how: Literal["link", "external_id", "marker", "none"] = "none"
    link: Link | None = None
    target: Record | None = None
    foreign: str | None = None
    broken: str | None = None
    ambiguous: str | None = None
    proposal: str | None = None
    hidden: str | None = None
    """The counterpart is in no list and may be there all the same: who it is, in words."""
    unread: Invalid | None = None
    """A record of the target list that cannot be read and is the counterpart, or may be."""
    finished: bool = False
    """Of a link whose making was interrupted: the record carries what comes last, so nothing is left to send."""
    gone: bool = False
    """The counterpart of a link was looked for and is not there any more, or deleted."""
    marked: str | None = None
    """ERP key that a mark without a counterpart names: what the record was linked with."""
    voided: str | None = None
    """Key of a void document of the ERP that the record's external id names."""
    candidates: list[Record] = field(default_factory=list)
    parted: Parted | None = None
    decision: Decision | None = None
    """The pair is one by a person's word."""

    @property
    def offered(self) -> Record | None:
        """The one record that is or may be the counterpart, where a person says so."""
        if self.decision is not None:
            return self.target
        return self.candidates[0] if self.proposal and len(self.candidates) == 1 else None


def by_settings(row: Entity, match: Match) -> Match:
    """The settings name the one candidate: a person's decision already."""
    if match.proposal and len(match.candidates) == 1:
        return Match("marker" if row.external_id else "external_id", target=match.candidates[0])
    return match


class Unknown(NamedTuple):
    """A reference of a Procore record that cannot be compared with its counterpart's yet: the entity, Procore's id, the ERP's
    key."""

    entity: str
    procore_id: str
    erp_key: str | None


def row_id(side: str, company: str | None, record_id: str) -> str:
    return f"{side}|{company or ''}|{record_id}"


@dataclass(slots=True)
class Subject:
    """One record under judgement: as read (``own``), in ERP keys (``record``), and what its counterpart is."""

    own: Record
    record: Record
    match: Match
    side: str
    company: str
    erp_key: str | None
    procore_id: str | None
    unknown: Mapping[str, Unknown] = field(default_factory=dict)
    """References that cannot be compared yet (``References.unknown``)."""

    @property
    def incomparable(self) -> tuple[str, ...]:
        """Content that cannot be compared, by path (``vendor``, ``lines/3/line``): a reference that cannot be translated yet, or
        what its side does not tell."""
        lines = getattr(self.record, "lines", ())
        return (*self.unknown, *(f"lines/{line.key}/{name}" for line in lines for name in line.untold))

    @property
    def number(self) -> str:
        """What people call it: an ERP's record keeps its own number, Procore's document gets its full one."""
        return self.own.number if self.side == "erp" else self.record.number

    def command(self, decision: str, entity: str, *, to: str | None = None) -> str:
        return command(decision, entity, self.number, ident(self.side, self.company, self.own.id), to=to)

    @property
    def row(self) -> str:
        return row_id(self.side, self.company, self.own.id)
