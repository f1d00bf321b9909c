"""Pairs of documents for reconciliation: what Procore showed when it was last read, and what the ERP shows now."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from include.financials.books import Opening, openings
from include.financials.cost_facts import not_counted
from include.financials.document_facts import due
from include.financials.entities import ENTITIES, Entity
from include.financials.existence import traced
from include.financials.explained import Explained
from include.financials.figures import contract_of, figures
from include.financials.identity import canonical_json, digest, parse_origin
from include.financials.known import in_erp, in_procore
from include.financials.ledger import STOPPED, Decision, Link, moment, stamp
from include.financials.models import Record
from include.financials.money import ZERO
from include.financials.port import Invalid
from include.financials.statuses import UNPOSTED, VOID
from include.financials.view import Sync

log = logging.getLogger(__name__)

_CONTRACTS = {"subcontractor_invoices": "commitments", "owner_invoices": "prime_contracts"}


@dataclass(slots=True)
class Document:
    """One pair: both sides' figures (empty: that side has no such document), and the state that explains a difference."""

    entity: str
    number: str
    project: str | None
    company: str = ""
    key: str = ""
    procore_id: str | None = None
    erp_id: str | None = None
    state: str | None = None
    procore: Mapping[str, Any] = field(default_factory=dict)
    erp: Mapping[str, Any] = field(default_factory=dict)
    after_cutoff: bool = False
    accepted: bool = False
    opening: bool = False
    """Part of its contract's opening balance: the ERP's invoice explains itself, Procore's draw by the balance as a whole."""
    planned: bool = False
    """In plan mode: one side is what would be written."""
    due: bool = True
    """Whether Procore's document counts: one that lost its approval, is void or deleted counts for nothing, though its contract's
    running figures may still have it."""
    linked: bool = False
    """Both sides have agreed on it: what it waits for since, or what is wrong with it, is no reason to differ in money."""

    @property
    def pair(self) -> dict[str, str | None]:
        return {"project": self.project, "procore_id": self.procore_id, "erp_id": self.erp_id}

    @property
    def skipped(self) -> bool:
        """Not due by design and unknown to the other side."""
        return self.state == "skipped" and not (self.procore and self.erp)

    @property
    def unread(self) -> bool:
        """One side's record cannot be read: its figures are the last known, or what its row tells."""
        return bool(self.procore.get("unread") or self.erp.get("unread"))

    @property
    def unposted(self) -> bool:
        return self.erp.get("status") == UNPOSTED

    @property
    def sequence(self) -> int:
        return int(self.figure("sequence") or 0)

    def figure(self, name: str) -> Any:
        """A fact that both sides hold alike, from the one that has it."""
        return self.procore.get(name) or self.erp.get(name)

    def money(self, side: str, name: str) -> Decimal:
        return self.stated(side, name) if side == "erp" or self.due else ZERO

    def stated(self, side: str, name: str) -> Decimal:
        """The figure as its side states it, whether the document counts or not."""
        held = self.procore if side == "procore" else self.erp
        return Decimal(held.get(name) or "0.00")

    @property
    def counted(self) -> Mapping[str, Any]:
        """Procore's figures as far as they count."""
        return self.procore if self.due else {}

    def lines(self) -> Iterator[tuple[str, str, Decimal, Decimal]]:
        """(key, cost key, Procore's amount, the ERP's) of each line that one side has."""
        mine, theirs = ({line["key"]: line for line in held.get("lines", ())} for held in (self.counted, self.erp))
        for key in dict.fromkeys([*mine, *theirs]):
            p, e = mine.get(key), theirs.get(key)
            yield key, (p or e or {})["x"], Decimal(p["amount"]) if p else ZERO, Decimal(e["amount"]) if e else ZERO

    def by_x(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Procore's and the ERP's amount per cost key: a line that moved to another code is a difference of both."""
        found: dict[str, list[Decimal]] = {}
        for side, held in enumerate((self.counted, self.erp)):
            for line in held.get("lines", ()):
                found.setdefault(line["x"], [ZERO, ZERO])[side] += Decimal(line["amount"])
        return {x: (p, e) for x, (p, e) in found.items()}

    def explain(self, difference: Decimal, *, unposted: bool = False, not_eligible: bool = False) -> tuple[Explained, ...]:
        """A stopped document explains its own difference; one that is linked only where it is disputed or blocked, and one that
        only the ERP knows not before a person has accepted it as it is (``decide accept``): a balance from before go-live.
        ``unposted``: the ERP's figure leaves out what waits in a batch; ``not_eligible``: Procore's counts documents that are
        not due."""
        if difference == 0:
            return ()
        code = None
        if self.opening and self.procore and not self.erp:
            return ()
        if self.accepted or self.opening:
            code = "OPENING"
        elif self.after_cutoff:
            code = "AFTER_CUTOFF"
        elif self.unread:
            code = "QUARANTINED"
        elif self.state in STOPPED and not (self.linked and self.state in ("held", "quarantined")):
            code = self.state.upper()
        elif unposted and self.unposted:
            code = "UNPOSTED"
        elif not_eligible and self.state == "skipped":
            code = "NOT_ELIGIBLE"
        return (Explained(code, self.entity, self.number, difference),) if code else ()


class Documents:
    """The pairs of each entity, made once."""

    def __init__(self, sync: Sync) -> None:
        self.sync = sync
        self.of = cache(self._of)
        self._openings = cache(lambda contracts: openings(sync.ledger, contracts))

    def _of(self, entity: str) -> list[Document]:
        row = ENTITIES[entity]
        make = self._owned if row.two_way else self._procore_born if row.source == "procore" else self._erp_born
        chosen = self.sync.run.projects
        return [document for document in make(row) if not chosen or document.project in chosen]

    # -- shared ---------------------------------------------------------------------------------------------------------------

    def _links(self, row: Entity) -> list[Link]:
        planned = self.sync.ledger.planned_links(self.sync.run.run_id, row.name) if self.sync.run.plan else []
        return [*self.sync.ledger.links(row.name), *planned]

    def _planned(self, row: Entity) -> dict[tuple[str, str], dict[str, Any]]:
        """Figures of what a plan would write, by (company, ERP key)."""
        if not self.sync.run.plan:
            return {}
        outcomes = self.sync.ledger.outcomes(self.sync.run.run_id, row.name)
        return {
            (outcome["company"], outcome["erp_key"]): figures(
                row.model.model_validate(json.loads(outcome["work"])["record"], strict=False)
            )
            for outcome in outcomes
            if outcome["state"] == "linked" and outcome["action"] in ("create", "update")
        }

    def _key(self, origin_id: str | None) -> tuple[str, str] | None:
        origin = parse_origin(origin_id, self.sync.namespace)
        return (origin.company, origin.key) if origin else None

    # -- Procore -> ERP -------------------------------------------------------------------------------------------------------

    def _procore_born(self, row: Entity) -> Iterator[Document]:
        by_procore = {link.procore_id: link for link in self._links(row) if link.procore_id}
        erp, planned = in_erp(self.sync, row.name), self._planned(row)
        used: set[tuple[str, str]] = set()
        memory = in_procore(self.sync, row.name)
        outcomes = self.sync.ledger.outcomes(self.sync.run.run_id, row.name)
        proposed = {o["id"]: (o["company"], o["erp_key"]) for o in outcomes if o["state"] == "held" and o["rule"] == "2.9"}
        parted = {one.pair: (one.company, one.record_id) for one in self.sync.ledger.decisions(row.name, "unlink")}
        for procore_id, seen in memory.items():
            link = by_procore.get(procore_id)
            key = (link.company, link.erp_key) if link else self._key(seen["origin_id"])
            if key is None and seen["state"] == "held" and seen["rule"] == "2.9":
                key = proposed.get(
                    procore_id, (seen["company"], seen["number"])
                )  # proposed: the pair waits for a decision, and neither is an orphan
            if seen["state"] == "held" and seen["rule"] == "unlinked":
                key = parted.get(procore_id, key)  # a person ended the link: the two stand apart, by a decision
            record = erp.get(key) if key else None
            if record is not None and key is not None:
                used.add(key)
            elif seen["state"] is None or (seen["deleted"] and link is None):
                continue
            held = _standing(record) if record is not None else planned.get(key, {}) if key else {}
            yield Document(
                row.name, seen["number"], seen["figures"].get("project"), seen["company"], key[1] if key else procore_id,
                procore_id, record.id if record else None, seen["state"], seen["figures"], held,
                planned=record is None and bool(held), linked=_agreed(link), due=self._due(row, seen, link),
                opening=seen["state"] == "skipped" and "opening balance" in (seen.get("message") or ""),
            )  # fmt: skip
        yield from self._erp_only(row, [record for key, record in erp.items() if key not in used], memory.keys())

    def _due(self, row: Entity, seen: Mapping[str, Any], link: Link | None) -> bool:
        """Of documents that were agreed on: what is not due and was never sent is told by its state (``skipped``)."""
        told = seen["figures"]
        if not _agreed(link) or told.get("unread"):
            return True
        return not seen["deleted"] and due(self.sync, row.name, told.get("status"), told.get("kind"))

    def _erp_only(self, row: Entity, records: Iterable[Record | Invalid], known_in_procore: Iterable[str]) -> Iterator[Document]:
        """Documents that the ERP has and Procore has not: unexplained, until a person accepts one with exactly these figures.

        One that was made from a Procore record which no run has read yet (a first backfill of some days) cannot be compared so
        far.
        """
        sync, known = self.sync, set(known_in_procore)
        accepted = {(one.company, one.record_id): one for one in sync.ledger.decisions(row.name, "accept")}
        remembered, unread = [], 0
        ours = f"procore:{sync.procore_company}:{row.name}:"
        for record in records:
            plain = _standing(record)
            if not plain:
                continue
            mark, changed = _mark(record), None if isinstance(record, Invalid) else record.updated_at
            if mark and mark.startswith(ours) and mark.removeprefix(ours) not in known:
                unread += 1
                continue
            late = changed is not None and changed > sync.run.until and mark is None
            named: dict[str, Any] = {
                "entity": row.name, "company": record.company or "", "side": "erp", "id": record.id, "number": record.number,
            }  # fmt: skip
            # What was accepted is the document: its title too, which no figure shows.
            hashed = digest([plain, getattr(record, "title", None)])
            plain = {**plain, "title": getattr(record, "title", None)}
            remembered.append(
                named | {"source_hash": hashed, "amount": plain["amount"], "figures": canonical_json(plain), "read_at": stamp()}
            )
            said = accepted.get((record.company or "", record.id))
            if said is not None and said.content_hash != hashed:
                self._accept_ended(said, plain)
            yield Document(
                row.name, record.number, plain.get("project"), record.company or "", record.id, None, record.id, None, {}, plain,
                after_cutoff=late, accepted=said is not None and said.content_hash == hashed, opening=self._opened(row, record),
            )  # fmt: skip
        if unread:
            log.warning("%d %s of the ERP come from Procore records that no run has read yet; not compared", unread, row.name)
        if sync.run.plan:
            kept = ("entity", "company", "side", "id", "number", "source_hash", "amount", "figures")
            sync.ledger.meet(sync.run.run_id, [{name: one[name] for name in kept} for one in remembered])
        else:
            sync.ledger.remember(remembered)

    def _accept_ended(self, said: Decision, plain: Mapping[str, Any]) -> None:
        """The document is not the one that was accepted: a change order, a new title, a closing ... The report says so."""
        before = said.value
        changed = [
            f"{name} {before.get(name) or 'none'} -> {plain.get(name) or 'none'}"
            for name in sorted({*before, *plain})
            if before.get(name) != plain.get(name) and not isinstance(plain.get(name), list | dict)
        ]
        why = (
            f"{said.number} was accepted by {said.said}; that has ended, because it changed in the ERP since: "
            f"{'; '.join(changed) or 'its lines'}. Look at it, and decide accept {said.entity} {said.number} again."
        )
        log.warning("%s", why)
        self.sync.ledger.decision_ended(said, self.sync.run.run_id, why, plan=self.sync.run.plan)

    def _opened(self, row: Entity, record: Record | Invalid) -> bool:
        """Whether an invoice is part of its contract's opening balance."""
        if isinstance(record, Invalid):
            return False  # what cannot be read explains nothing
        opening = self.opening(row.name, record.company or "", contract_of(record))
        return opening is not None and opening.covers(getattr(record, "billing_date", None))

    def opening(self, invoices: str, company: str, contract: str | None) -> Opening | None:
        contracts = _CONTRACTS.get(invoices)
        return self._openings(contracts).get((company, contract or "")) if contracts else None

    # -- ERP -> Procore -------------------------------------------------------------------------------------------------------

    def _erp_born(self, row: Entity) -> Iterator[Document]:
        sync = self.sync
        links = {(link.company, link.erp_key): link for link in self._links(row)}
        outcomes = sync.ledger.outcomes(sync.run.run_id, row.name)
        states = {key: seen["state"] for key, seen in sync.ledger.seen(row.name, "erp").items()}
        states |= {(o["company"], o["id"]): o["state"] for o in outcomes if o["side"] == "erp"}
        # Proposed: the pair waits for a decision, and neither is an orphan.
        proposed = {
            (o["company"], o["id"]): o["procore_id"]
            for o in outcomes
            if o["state"] == "held" and o["rule"] in ("2.9", "unlinked")
        }
        memory, planned = self._shown(row), self._planned(row)
        by_origin = {key: row_id for row_id, seen in memory.items() if (key := self._key(seen["origin_id"]))}
        read_to = moment(sync.ledger.watermark("erp", row.name))
        used: set[str] = set()
        for key, record in in_erp(self.sync, row.name).items():
            link = links.get(key)
            procore_id = link.procore_id if link and link.procore_id else by_origin.get(key) or proposed.get(key)
            seen = memory.get(procore_id) if procore_id else None
            if procore_id:
                used.add(procore_id)
            state = states.get(key)
            changed = None if isinstance(record, Invalid) else record.updated_at
            # One that lies before the watermark and was never judged is lost, not early: it stays in the sums, unexplained.
            lost = state is None and read_to is not None and changed is not None and changed <= read_to
            if state in (None, "skipped") and seen is None and not lost:
                continue
            shown = seen["figures"] if seen is not None else planned.get(key, {})
            late = state is None and changed is not None and changed > sync.run.until
            yield Document(
                row.name, record.number, _project(record), key[0], key[1], procore_id, record.id, state,
                shown, _posted(record) if _agreed(link) else _standing(record), after_cutoff=late,
                planned=seen is None and bool(shown), linked=_agreed(link), due=not _agreed(link) or _counted(row.name, shown),
            )  # fmt: skip
        gone = {link.procore_id: key for key, link in links.items()}
        for procore_id, seen in memory.items():
            if procore_id not in used:
                key = gone.get(procore_id, (seen["company"] or "", seen["number"]))
                agreed = _agreed(links.get(key))
                state = seen["state"] or (states.get(key) if agreed else None)  # gone from the ERP: its own row tells of it
                yield Document(
                    row.name, seen["number"], seen["figures"].get("project"), key[0], key[1], procore_id, None,
                    state if state != "skipped" else None, seen["figures"], {}, linked=agreed,
                )  # fmt: skip

    def _shown(self, row: Entity) -> dict[str, dict[str, Any]]:
        """Procore's records that still exist, as last read."""
        return {i: seen for i, seen in in_procore(self.sync, row.name).items() if not seen["deleted"] and seen["figures"]}

    # -- either way -----------------------------------------------------------------------------------------------------------

    def _owned(self, row: Entity) -> Iterator[Document]:
        """Budgets: one per job, whichever side owns it."""
        sync = self.sync
        outcomes = {(o["company"], o["erp_key"] or o["number"]): o for o in sync.ledger.outcomes(sync.run.run_id, row.name)}
        erp, planned = in_erp(self.sync, row.name), self._planned(row)
        shown = {
            (seen["company"], seen["figures"].get("project") or ""): (i, seen)
            for i, seen in self._shown(row).items()
        }  # fmt: skip
        projects = {link.procore_id: link for link in sync.links("projects").by_erp.values()}
        if sync.run.plan:  # a plan's own reading names the project, not the company
            shown = {
                (projects[i].company, projects[i].erp_key): pair for (_, _), pair in shown.items() if (i := pair[0]) in projects
            }
        for key in dict.fromkeys([*erp, *shown]):
            outcome = outcomes.get(key)
            procore_id, seen = shown.get(key, (None, None))
            record = erp.get(key)
            coming = planned.get(key, {})
            p = seen["figures"] if seen else coming
            e = _standing(record) if record is not None else coming
            if outcome is not None and outcome["state"] == "linked" and coming:
                p, e = (coming, e) if outcome["side"] == "erp" else (p, coming)
            yield Document(
                row.name, key[1], key[1], key[0], key[1], procore_id, record.id if record else None,
                outcome["state"] if outcome else None, p, e, planned=bool(coming),
            )  # fmt: skip


def _agreed(link: Link | None) -> bool:
    return link is not None and link.status == "active"


def _standing(record: Record | Invalid | None) -> dict[str, Any]:
    """Figures of a document of the ERP that counts; a void one counts for nothing."""
    if isinstance(record, Invalid):
        return {} if record.shown.get("status") == VOID else traced(record)
    if record is None or getattr(record, "status", None) == VOID:
        return {}
    return figures(record)


def _posted(record: Record | Invalid) -> dict[str, Any]:
    """Figures of a document that was born in the ERP: unposted again, it counts for nothing."""
    return {} if not isinstance(record, Invalid) and getattr(record, "status", None) == UNPOSTED else _standing(record)


def _counted(entity: str, shown: Mapping[str, Any]) -> bool:
    """Whether Procore's counterpart of an ERP-born document counts there."""
    return not_counted(entity, shown.get("status")) is None


def _mark(record: Record | Invalid) -> str | None:
    return record.shown.get("marker") if isinstance(record, Invalid) else record.marker


def _project(record: Record | Invalid) -> str | None:
    return record.shown.get("project") if isinstance(record, Invalid) else getattr(record, "project", None)
