"""What people decided of pairs of records, which outlives every mark (docs/operating.md, Decisions)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from include.financials.advice import command, ident
from include.financials.entity import Entity
from include.financials.ledger import Decision


class People:
    """What people said of pairs of an entity: that two records are one, or that they are not, whatever marks they carry."""

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        self.parted: dict[tuple[str, str, str], Decision] = {}
        self.joined_erp: dict[tuple[str, str], Decision] = {}
        self.joined_procore: dict[str, Decision] = {}
        for one in decisions:
            if one.decision == "unlink":
                self.parted[one.company, one.record_id, one.pair] = one
            elif one.decision == "link" and one.pair:
                self.joined_erp[one.company, one.record_id] = one
                self.joined_procore[one.pair] = one
        self.ids = {pair for _, _, pair in self.parted}
        self.said = [*self.parted.values(), *self.joined_erp.values()]


class Parted(NamedTuple):
    """A person ended the link with a record that is still there."""

    other: str
    """In words."""
    said: Decision
    key: str
    """Of the ERP's, which may be another one by now."""

    def told(self, row: Entity, number: str) -> str:
        """With the way back."""
        said = self.said
        way = command("link", row.name, number, ident("erp", said.company, self.key), to=said.pair)
        return (
            f"The link of {row.label} {number} with {self.other} was ended by {said.said}; it is neither linked nor sent until "
            f"somebody links the two again: {way}."
        )
