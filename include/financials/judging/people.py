"""What people decided of pairs of records, which outlives every mark (docs/operating.md, Decisions)."""

from __future__ import annotations

from collections.abc import Iterable

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

    def told(self, row: Entity, number: str, other: str, one: Decision) -> str:
        way = f"decide link {row.name} {one.record_id} --to {one.pair}"
        return (
            f"The link of {row.label} {number} with {other} was ended by {one.said}; it is neither linked nor sent until "
            f"somebody links the two again: {way}."
        )
