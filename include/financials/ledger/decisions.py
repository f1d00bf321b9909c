"""Room: decisions of people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from include.financials.identity import canonical_json
from include.financials.ledger import links as pairs
from include.financials.ledger import story
from include.financials.ledger import tables as t
from include.financials.ledger.room import Room, values
from include.financials.ledger.story import DECISION_ENDED
from include.financials.ledger.tables import Decision, Link, Note, stamp

_D = t.decisions.c
_OF = select(t.decisions).where(_D.entity == bindparam("entity"), _D.ended_at.is_(None)).order_by(_D.decision_id)
_OF_KINDS = _OF.where(_D.decision.in_(bindparam("kinds", expanding=True)))


class Decisions(Room):
    def of(self, entity: str, *kinds: str) -> list[Decision]:
        """Those that have not ended, the oldest first; of all ``kinds`` where none is named."""
        with self.reading() as connection:
            told = connection.execute(_OF_KINDS if kinds else _OF, {"entity": entity, **({"kinds": kinds} if kinds else {})})
            found = map(Decision._make, told.all())
        return [row._replace(value=json.loads(str(row.value))) for row in found]

    def decide(
        self,
        *,
        entity: str,
        company: str,
        record_id: str,
        decision: str,
        who: str,
        content_hash: str = "",
        pair: str = "",
        number: str = "",
        value: Mapping[str, Any] | None = None,
        detail: str | None = None,
    ) -> None:
        """Record a decision. It takes the place of an earlier one of its kind on the same record; on a pair, ``link`` and
        ``unlink`` take each other's place (``record_id`` is the ERP's key then, ``pair`` the id in Procore)."""
        row = Decision(None, entity, company, record_id, content_hash, decision, pair, number, value or {}, detail, who, stamp())
        with self.writing() as connection:
            _record(connection, row)

    def part(self, link: Link, who: str, detail: str | None = None) -> None:
        """End a link (a tombstone stays) until somebody links the same pair again, whatever marks the two still carry."""
        row = Decision(
            None, link.entity, link.company, link.erp_key, "", "unlink", link.procore_id, link.number, {}, detail, who, stamp()
        )
        with self.writing() as connection:
            pairs.end(connection, t.links.c.link_id == link.link_id)
            _record(connection, row)

    def ended(self, decision: Decision, run_id: str, why: str, *, plan: bool) -> None:
        """A run found that what was decided on is not there any more. A plan says so among its own rows, and ends nothing."""
        note = Note(
            "sync", f"{DECISION_ENDED}: {decision.decision}", decision.entity, decision.company, decision.record_id,
            decision.number, None, why, run_id,
        )  # fmt: skip
        a, d = t.audit.c, t.decisions.c
        same = (a.run_id == run_id, a.what == note.what, a.record_id == decision.record_id)
        with self.writing() as connection:
            if connection.execute(select(a.audit_id).where(*same)).first() is None:
                story.write(connection, [note])
            if not plan:
                its = update(t.decisions).where(d.decision_id == decision.decision_id)
                connection.execute(its.values(ended_at=stamp(), ended_why=why))


def _record(connection: Connection, row: Decision) -> None:
    d = t.decisions.c
    alike = ("link", "unlink") if row.decision in ("link", "unlink") else (row.decision,)
    same = [d[name] == getattr(row, name) for name in ("entity", "company", "record_id", "pair")]
    connection.execute(
        update(t.decisions)
        .where(*same, d.decision.in_(alike), d.ended_at.is_(None))
        .values(ended_at=stamp(), ended_why=f"replaced: {row.decision}")
    )
    connection.execute(insert(t.decisions), [values(row, "decision_id") | {"value": canonical_json(row.value)}])
    detail = " ".join(
        filter(None, (row.pair and f"Procore id {row.pair}", canonical_json(row.value) if row.value else "", row.detail))
    )
    what = f"decided: {row.decision}"
    note = Note(row.who, what, row.entity, row.company, row.record_id, row.number, row.content_hash, detail or None)
    story.write(connection, [note])
