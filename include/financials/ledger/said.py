"""What is said of a row of which only some columns are said: of a record that was seen, and of one that a run has judged."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from include.financials.ledger.tables import Judged, key_of


class Kept(Enum):
    """Of a column of which nothing is said: it keeps its value."""

    KEPT = "kept"


KEPT = Kept.KEPT


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is to be remembered of a record of a side: the columns of :class:`~include.financials.ledger.tables.Seen`."""

    entity: str
    company: str
    side: str
    id: str
    number: str
    scope: str | Kept | None = KEPT
    state: str | Kept | None = KEPT
    rule: str | Kept | None = KEPT
    waits_for: str | Kept | None = KEPT
    message: str | Kept | None = KEPT
    source_hash: str | Kept | None = KEPT
    origin_id: str | Kept | None = KEPT
    source_changed_at: str | Kept | None = KEPT
    seen_updated_at: str | Kept | None = KEPT
    read_at: str | Kept | None = KEPT
    deleted: bool | Kept = KEPT
    amount: str | Kept | None = KEPT
    figures: str | Kept | None = KEPT

    def columns(self) -> dict[str, Any]:
        return {"within": key_of(self.side, self.company, self.id)[0], **said(self)}


@dataclass(frozen=True, slots=True)
class Restated:
    """What is new of a record that this run has judged (a load, a closed gate, writes switched off)."""

    row: Judged
    state: str | Kept = KEPT
    rule: str | Kept | None = KEPT
    waits_for: str | Kept | None = KEPT
    message: str | Kept | None = KEPT
    done: bool | Kept = KEPT
    procore_id: str | Kept | None = KEPT
    erp_key: str | Kept | None = KEPT

    def columns(self) -> dict[str, Any]:
        found = said(self)
        del found["row"]
        return found


def said(row: Remembered | Restated) -> dict[str, Any]:
    """The columns of which something is said."""
    return {one.name: value for one in fields(row) if (value := getattr(row, one.name)) is not KEPT}
