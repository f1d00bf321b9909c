"""Runs beside this one: what they have judged and not carried out yet is theirs to bring into step, and no difference of this
run's (docs/domain-rules.md 4.3, AFTER_CUTOFF). They reconcile when they are done."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from include.financials.ledger import key_of, stamp
from include.financials.view import Sync

log = logging.getLogger(__name__)

QUIET = timedelta(hours=1)
"""A run of which nothing was heard for so long is not under way: what it left undone is a difference again."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Records of one entity. ``records``: (side, within, id) of each; ``keys``: (company, ERP key) of those that have one."""

    records: frozenset[tuple[str, str, str]] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()

    def has(self, side: str, company: str, ident: str | None) -> bool:
        return ident is not None and (side, *key_of(side, company, ident)) in self.records


def beside(sync: Sync, entity: str) -> Beside:
    rows = sync.ledger.outcomes.in_hand(sync.run.run_id, entity, stamp(datetime.now(UTC) - QUIET))
    if not rows:
        return Beside()
    runs = ", ".join(sorted({row.run_id for row in rows}))
    log.warning("%d %s are being brought into step by another run (%s): explained as AFTER_CUTOFF", len(rows), entity, runs)
    keys = {(row.company, row.id if row.side == "erp" else row.erp_key or "") for row in rows}
    return Beside(frozenset((row.side, *key_of(row.side, row.company, row.id)) for row in rows), frozenset(keys))
