"""Which records a person means by a number, an id, or both: of records that runs have shown, and of pairs of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from include.financials.advice import calls, ident, means
from include.financials.entity import Entity
from include.financials.known import Known, everything
from include.financials.ledger import Decision, Ledger, Link, key_of


class Pair(NamedTuple):
    """Two records that are one, by a link, by a person's word or by their marks."""

    company: str
    erp_key: str
    procore_id: str
    number: str

    @classmethod
    def of(cls, one: Link | Decision) -> Pair:
        if isinstance(one, Link):
            return cls(one.company, one.erp_key, one.procore_id, one.number)
        return cls(one.company, one.record_id, one.pair, one.number)

    @property
    def told(self) -> str:
        return f"{self.number}: ERP {ident('erp', self.company, self.erp_key)}, Procore id {self.procore_id}"

    def has(self, word: str | None) -> bool:
        """Whether a person who wrote this may mean one of the two."""
        return means(word, "erp", self.company, self.erp_key) or means(word, "procore", None, self.procore_id)


class Meant:
    """What one command means, of one entity."""

    def __init__(self, ledger: Ledger, row: Entity) -> None:
        self.ledger, self.row = ledger, row

    @cached_property
    def everything(self) -> list[Known]:
        return everything(self.ledger.records, self.row.name)

    def records(self, word: str) -> list[Known]:
        """Those of that number, or that id."""
        return [one for one in self.everything if calls(word, one.number) or one.has(word)]

    def pairs(self, rows: Iterable[Link | Decision | Pair], *words: str | None) -> list[Pair]:
        """Those of which every word means one of the two: by its id, or by its number, be it the one that the pair was made under
        or the one that a run has shown since."""
        found = {row if isinstance(row, Pair) else Pair.of(row) for row in rows}
        for word in filter(None, words):
            numbered = {one.ident for one in self.records(word)}
            found = {one for one in found if calls(word, one.number) or one.has(word) or not numbered.isdisjoint(_places(one))}
        return sorted(found)

    def linked(self, *words: str | None) -> list[Pair]:
        return self.pairs(self.ledger.links.of(self.row.name, contents=False), *words)

    def said(self, decision: str, *words: str | None) -> list[tuple[Pair, Decision]]:
        """Pairs of which a person has said that (and has not taken it back), with the decision."""
        rows = {Pair.of(one): one for one in self.ledger.decisions.of(self.row.name, decision) if one.pair}
        return [(pair, rows[pair]) for pair in self.pairs(rows, *words)]

    def broken(self, *words: str | None) -> list[Pair]:
        """Pairs that nothing but marks tells of (the ledger was lost), and that a run has found broken."""
        rows = [one for one in self.everything if one.rule == "R-02"]
        both = [Pair(one.company, *one.pair, one.number) for one in rows if all(one.pair)]
        return self.pairs(both, *words)


def _places(one: Pair) -> Sequence[tuple[str, str, str]]:
    return (("erp", *key_of("erp", one.company, one.erp_key)), ("procore", *key_of("procore", "", one.procore_id)))
