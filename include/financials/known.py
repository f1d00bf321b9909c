"""What people can decide on: every record that a run has shown, as the last one that looked at it left it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from include.financials.entity import Entity
from include.financials.ledger import Judged, Seen, Stranger, decoded, key_of
from include.financials.ledger.records import Records
from include.financials.port import CALLED, SIDES
from include.financials.record import PROJECTS


@dataclass(frozen=True, slots=True)
class Known:
    """A record as the last run that looked at it left it."""

    side: str
    company: str
    key: str
    number: str
    state: str | None = None
    rule: str | None = None
    how: str | None = None
    source_hash: str | None = None
    amount_read: str | None = None
    figures: str | None = None
    work: str | None = None
    procore_id: str | None = None
    erp_key: str | None = None

    @classmethod
    def of(cls, row: Seen | Stranger | Judged) -> Known:
        return cls(
            row.side, row.company, row.id, row.number, **{name: getattr(row, column, None) for name, column in _TOLD.items()}
        )

    def beside(self, other: Known, *settled: str) -> Known:
        """What this one tells, and what it leaves open (but ``settled``) as ``other`` tells it."""
        left = [name for name in _TOLD if getattr(self, name) is None and name not in settled]
        return replace(self, **{name: getattr(other, name) for name in left})

    @property
    def ident(self) -> tuple[str, str, str]:
        """What a record is known by. (A Procore record may be met before its ERP company is known.)"""
        return (self.side, *key_of(self.side, self.company, self.key))

    @property
    def amount(self) -> str | None:
        found = self.amount_read or decoded(self.figures).get("amount")
        return str(found) if found is not None else None

    @property
    def told(self) -> str:
        amount = f", {self.amount}" if self.amount else ""
        return f"{self.number} ({CALLED[self.side]}, id {self.key}{amount})"


_TOLD = {field.name: field.name for field in fields(Known) if field.default is None} | {"amount_read": "amount"}
"""What not every row has: field of :class:`Known` -> column."""


def everything(records: Records, entity: str) -> list[Known]:
    """Each record of both sides, as it was shown last."""
    rows: list[tuple[str, Seen | Stranger | Judged]] = [
        (row.read_at or "", row) for side in SIDES for row in records.seen(entity, side).values()
    ]
    found: dict[tuple[str, str, str], tuple[str, Known]] = {}
    for at, row in [*rows, *records.met(entity)]:
        one = Known.of(row)
        earlier, known = found.get(one.ident, ("", None))
        if known is None:
            found[one.ident] = at, one
        elif at > earlier or (one.state and not known.state):
            # Why it stopped is the newer row's to say, also that nothing stops it.
            found[one.ident] = at, one.beside(known, *({"rule", "work"} & {*row._fields}))
        else:
            found[one.ident] = earlier, known.beside(one)
    return [one for _, one in found.values()]


def spelt_out(records: Records, row: Entity, named: str, ident: str | None) -> list[tuple[str, str, str, str]]:
    """The pair of a document born in Procore that no run has read there, and that the ERP's marker alone tells of, as (company,
    ERP key, id in Procore, number): ``named`` is its company and key in the ERP. One born in the ERP is not parted unseen: it
    would be sent anew."""
    company, slash, key = named.partition("/")
    if not (slash and ident and row.source == "procore"):
        return []
    jobs = everything(records, PROJECTS)
    return [(company, key, ident, key)] if company in {one.company for one in jobs if one.side == "erp"} else []
