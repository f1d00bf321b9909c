"""Pairs of documents for reconciliation: what Procore showed when it was last read, and what the ERP shows now."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from functools import cache

from include.financials.accepted import RULES
from include.financials.advice import command, ident
from include.financials.beside import beside
from include.financials.counterparts import Counterparts
from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.exceptions import StepMissing
from include.financials.existence import traced
from include.financials.explained import Document
from include.financials.identity import canonical_json, digest, marker, parse_origin
from include.financials.judging.books import Opening, openings
from include.financials.judging.documents import is_due
from include.financials.ledger import Decision, Link, Remembered, Stranger, moment, stamp
from include.financials.ledger.room import chunked
from include.financials.packed import Packed
from include.financials.port import Invalid
from include.financials.reading.chosen import elsewhere
from include.financials.record import PROJECTS, Figures, Held, Record, contract_of
from include.financials.statuses import UNPOSTED, VOID
from include.financials.view import Sync
from include.financials.work import Work

log = logging.getLogger(__name__)


class Documents:
    """The pairs of each entity, made as they are taken."""

    def __init__(self, sync: Sync) -> None:
        self.sync = sync
        self._openings = cache(lambda contracts: openings(sync.ledger, contracts))

    def of(self, entity: str) -> Iterator[Document]:
        row = ENTITIES[entity]
        make = self._owned if row.two_way else self._procore_born if row.source == "procore" else self._erp_born
        chosen, theirs = self.sync.run.projects, beside(self.sync, entity)
        for one in make(row):
            if chosen and one.project not in chosen:
                continue
            if theirs.has("procore", one.company, one.procore_id) or theirs.has("erp", one.company, one.key):
                one.after_cutoff = True
            yield one

    # -- shared ---------------------------------------------------------------------------------------------------------------

    def _erp(self, row: Entity) -> Iterator[tuple[tuple[str, str], Record | Invalid]]:
        """What the ERP showed when this run read it last, after what it wrote there; also what cannot be read. By (company, key),
        each once: as the list said last that was asked last. Raises StepMissing where a load wrote there and ended before it
        could look."""
        lists, name = self.sync.lists, row.name
        if spoilt := [shard for shard in lists.shards_of(name) if lists.spoilt("erp", name, shard)]:
            raise StepMissing(
                f"The {name} of the ERP were written to and not read since (shards {spoilt}): a load did not end. "
                f"Clear load_{name} and what follows."
            )
        later: dict[tuple[str, str], Record | Invalid] = {}
        if several := lists.several("erp", name):
            later |= {key: record for record in lists.everywhere("erp", name) if (key := _place(record)) in several}
        later |= {_place(bad): bad for bad in lists.unreadable_everywhere("erp", name)}
        later |= {_place(one): one for one in elsewhere(self.sync, "erp", name).page().shown}
        missed, _ = lists.answer(name, lists.shards_of(name), "erp", name)
        unlisted = {key: one for one in missed.shown if (key := _place(one)) not in later}
        told: set[tuple[str, str]] = set()
        for record in lists.everywhere("erp", name):
            key = _place(record)
            unlisted.pop(key, None)
            if key not in later:
                yield key, record
            elif key not in told:
                told.add(key)
                yield key, later[key]
        yield from ((key, one) for key, one in later.items() if key not in told)
        yield from unlisted.items()

    def _links(self, row: Entity) -> list[Link]:
        planned = self.sync.ledger.links.planned(self.sync.run.run_id, row.name) if self.sync.run.plan else []
        return [*self.sync.ledger.links.of(row.name, contents=False), *planned]

    def _planned(self, row: Entity) -> dict[tuple[str, str], Figures]:
        """Figures of what a plan would write, by (company, ERP key)."""
        if not self.sync.run.plan:
            return {}
        outcomes = self.sync.ledger.outcomes.linked(self.sync.run.run_id, row.name, "create", "update")
        return {
            (one.company, one.erp_key or ""): work.source(row).figures() for one in outcomes if (work := Work.of(one)) is not None
        }

    def _key(self, origin_id: str | None) -> tuple[str, str] | None:
        origin = parse_origin(origin_id, self.sync.namespace)
        return (origin.company, origin.key) if origin else None

    # -- Procore -> ERP -------------------------------------------------------------------------------------------------------

    def _procore_born(self, row: Entity) -> Iterator[Document]:
        sync = self.sync
        by_procore = {link.procore_id: link for link in self._links(row) if link.procore_id}
        erp, marked, planned = Packed[tuple[str, str], Record | Invalid](), dict[str, tuple[str, str]](), self._planned(row)
        for place, one in self._erp(row):
            erp[place] = one
            if (mark := _mark(one)) and _counts(one):
                marked[mark] = place
        used: set[tuple[str, str]] = set()
        known: set[str] = set()
        held_back = sync.ledger.outcomes.held(sync.run.run_id, row.name, "2.9")
        proposed = {one.id: (one.company, one.erp_key or "") for one in held_back}
        parted = {one.pair: (one.company, one.record_id) for one in sync.ledger.decisions.of(row.name, "unlink")}
        for procore_id, seen in sync.each_held(row.name):
            known.add(procore_id)
            link = by_procore.get(procore_id)
            if seen.deleted and link is None and procore_id in parted and seen.rule != "unlinked":
                continue  # gone, and a person ended the link: what the ERP has is its own
            key = (link.company, link.erp_key) if link else self._key(seen.origin_id)
            if key is None:  # the ERP's document says what it was made from, of entities that keep no external id too
                key = marked.get(marker(sync.marks, row.name, procore_id))
            if key is None and seen.state == "held" and seen.rule == "2.9":
                key = proposed.get(
                    procore_id, (seen.company, seen.number)
                )  # proposed: the pair waits for a decision, and neither is an orphan
            if seen.state == "held" and seen.rule == "unlinked":
                key = parted.get(procore_id, key)  # a person ended the link: the two stand apart, by a decision
            record = erp.get(key) if key else None
            if record is not None and key is not None:
                used.add(key)
            elif seen.state is None or (seen.deleted and link is None):
                continue
            held = _standing(record) if record is not None else planned.get(key, {}) if key else {}
            yield Document(
                row.name, seen.number, seen.figures.get("project"), seen.company, key[1] if key else procore_id,
                procore_id, record.id if record else None, seen.state, seen.figures, held,
                planned=record is None and bool(held), linked=_agreed(link), due=self._due(row, seen, link),
                opening=seen.state == "skipped" and "opening balance" in (seen.message or ""), handed=seen.rule in RULES,
            )  # fmt: skip
        yield from self._erp_only(row, (erp[place] for place in erp if place not in used), known)

    def _due(self, row: Entity, seen: Held, link: Link | None) -> bool:
        """Of documents that were agreed on: what is not due and was never sent is told by its state (``skipped``)."""
        told = seen.figures
        if told.get("unread"):
            return True
        if not _agreed(link):
            return not seen.deleted
        return not seen.deleted and is_due(self.sync, row.name, told.get("status"), told.get("kind"))

    def _erp_only(self, row: Entity, records: Iterable[Record | Invalid], known: Collection[str]) -> Iterator[Document]:
        """Documents that the ERP has and Procore has not: unexplained, until a person accepts one with exactly these figures.
        ``known``: ids of Procore's.

        One that was made from a Procore record which no run has read yet (a first backfill of some days) cannot be compared so
        far.
        """
        sync = self.sync
        accepted = {(one.company, one.record_id): one for one in sync.ledger.decisions.of(row.name, "accept")}
        alone: list[Stranger] = []
        unread = 0
        ours = f"{sync.marks}:{row.name}:"
        for record in records:
            plain = _standing(record)
            if not plain:
                continue
            mark, changed = _mark(record), None if isinstance(record, Invalid) else record.updated_at
            if mark and mark.startswith(ours) and mark.removeprefix(ours) not in known:
                unread += 1
                continue
            late = changed is not None and changed > sync.run.until and mark is None
            # What was accepted is the document: its title too, which no figure shows.
            hashed = digest([plain, getattr(record, "title", None)])
            plain = {**plain, "title": getattr(record, "title", None)}
            alone.append(
                Stranger(
                    sync.run.run_id, row.name, record.company or "", "erp", record.id, record.number, hashed, plain["amount"],
                    canonical_json(plain),
                )
            )  # fmt: skip
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
            sync.ledger.records.meet(alone)
        else:
            sync.ledger.records.remember(
                Remembered(
                    one.entity, one.company, one.side, one.id, one.number, source_hash=one.source_hash, amount=one.amount,
                    figures=one.figures, read_at=stamp(),
                )
                for one in alone
            )  # fmt: skip

    def _accept_ended(self, said: Decision, plain: Figures) -> None:
        """The document is not the one that was accepted: a change order, a new title, a closing ... The report says so."""
        before = said.value
        changed = [
            f"{name} {before.get(name) or 'none'} -> {plain.get(name) or 'none'}"
            for name in sorted({*before, *plain})
            if before.get(name) != plain.get(name) and not isinstance(plain.get(name), list | dict)
        ]
        why = (
            f"{said.number} was accepted by {said.said}; that has ended, because it changed in the ERP since: "
            f"{'; '.join(changed) or 'its lines'}. Look at it, and accept it again: "
            f"{command('accept', said.entity, said.number, ident('erp', said.company, said.record_id))}."
        )
        log.warning("%s", why)
        self.sync.ledger.decisions.ended(said, self.sync.run.run_id, why, plan=self.sync.run.plan)

    def _opened(self, row: Entity, record: Record | Invalid) -> bool:
        """Whether an invoice is part of its contract's opening balance."""
        if isinstance(record, Invalid):
            return False  # what cannot be read explains nothing
        opening = self.opening(row.name, record.company or "", contract_of(record))
        return opening is not None and opening.covers(getattr(record, "billing_date", None))

    def opening(self, invoices: str, company: str, contract: str | None) -> Opening | None:
        """The opening balance of the contract that an invoice is on."""
        row = ENTITIES[invoices]
        return self._openings(row.contracts).get((company, contract or "")) if row.sequence else None

    @staticmethod
    def contracts(entity: str) -> str:
        """The entity of the contracts that these are documents of."""
        return ENTITIES[entity].contracts or ""

    # -- ERP -> Procore -------------------------------------------------------------------------------------------------------

    def _erp_born(self, row: Entity) -> Iterator[Document]:
        known, planned = Counterparts(self.sync, row), self._planned(row)
        read_to = moment(self.sync.ledger.runs.watermark("erp", row.name))
        used: set[str] = set()
        for some in chunked(self._erp(row)):
            keys = [key for key, _ in some]
            links, states = known.links(keys), known.states(keys)
            idents = {key: ident for key in keys if (ident := known.ident(key, links.get(key)))}
            used.update(idents.values())
            shown = known.shown(idents.values())
            for key, record in some:
                link, ident, state = links.get(key), idents.get(key), states.get(key)
                seen = shown.get(ident) if ident else None
                changed = None if isinstance(record, Invalid) else record.updated_at
                # One that lies before the watermark and was never judged is lost, not early: it stays in the sums, unexplained.
                lost = state is None and read_to is not None and changed is not None and changed <= read_to
                if state in (None, "skipped") and seen is None and not lost:
                    continue
                told = seen.figures if seen is not None else planned.get(key, {})
                late = state is None and changed is not None and changed > self.sync.run.until
                yield Document(
                    row.name, record.number, _project(record), key[0], key[1], ident, record.id, state,
                    told, _posted(record) if _agreed(link) else _standing(record), after_cutoff=late,
                    planned=seen is None and bool(told), linked=_agreed(link),
                    due=not _agreed(link) or told.get("status") not in row.not_counted,
                )  # fmt: skip
        for rest in chunked((ident, seen) for ident, seen in known.everyone() if ident not in used):
            linked = known.keys([ident for ident, _ in rest])
            owners = {ident: linked.get(ident, (seen.company or "", seen.number)) for ident, seen in rest}
            links, states = known.links([*owners.values()]), known.states([*owners.values()])
            for ident, seen in rest:
                key = owners[ident]
                agreed = _agreed(links.get(key))
                state = seen.state or (states.get(key) if agreed else None)  # gone from the ERP: its own row tells of it
                yield Document(
                    row.name, seen.number, seen.figures.get("project"), key[0], key[1], ident, None,
                    state if state != "skipped" else None, seen.figures, {}, linked=agreed,
                )  # fmt: skip

    # -- either way -----------------------------------------------------------------------------------------------------------

    def _owned(self, row: Entity) -> Iterator[Document]:
        """Budgets: one per job, whichever side owns it."""
        sync = self.sync
        outcomes = {(o.company, o.erp_key or o.number): o for o in sync.ledger.outcomes.of(sync.run.run_id, row.name, work=False)}
        erp, planned = dict(self._erp(row)), self._planned(row)
        shown = {
            (seen.company, seen.figures.get("project") or ""): (i, seen)
            for i, seen in Counterparts(sync, row).everyone()
        }  # fmt: skip
        projects = {link.procore_id: link for link in sync.links(PROJECTS).by_erp.values()}
        if sync.run.plan:  # a plan's own reading names the project, not the company
            gone = self._not_shown(row)
            shown = {
                (projects[i].company, projects[i].erp_key): pair
                for (_, _), pair in shown.items()
                if (i := pair[0]) in projects and i not in gone
            }
        # A job that nothing is linked to: its budget was read in vain (Sync.read_scopes), and has no key of the ERP.
        shown = {key: pair for key, pair in shown.items() if key in erp or pair[0] in projects}
        for key in dict.fromkeys([*erp, *shown]):
            outcome = outcomes.get(key)
            procore_id, seen = shown.get(key, (None, None))
            record = erp.get(key)
            coming = planned.get(key, {})
            p = seen.figures if seen else coming
            e = _standing(record) if record is not None else coming
            if outcome is not None and outcome.state == "linked" and coming:
                p, e = (coming, e) if outcome.side == "erp" else (p, coming)
            yield Document(
                row.name, key[1], key[1], key[0], key[1], procore_id, record.id if record else None,
                outcome.state if outcome else None, p, e, planned=bool(coming),
            )  # fmt: skip

    def _not_shown(self, row: Entity) -> set[str]:
        """Projects that a plan has looked at without seeing a budget there: its ledger goes on remembering what was."""
        sync = self.sync
        found: set[str] = set()
        for shard in sync.lists.shards_of(row.name):
            here = {record.id for record in sync.lists.snapshot("procore", row.name, shard)}
            here |= {bad.scope or bad.id for bad in sync.lists.unreadable("procore", row.name, shard)}
            found |= {*(sync.scopes("procore", row.name, shard) or ())} - here
        return found


def _agreed(link: Link | None) -> bool:
    return link is not None and link.status == "active"


def _standing(record: Record | Invalid | None) -> Figures:
    """Figures of a document of the ERP that counts; a void one counts for nothing."""
    if isinstance(record, Invalid):
        return {} if record.shown.get("status") == VOID else traced(record)
    if record is None or getattr(record, "status", None) == VOID:
        return {}
    return record.figures()


def _counts(record: Record | Invalid) -> bool:
    """Whether :func:`_standing` has figures to tell of a document."""
    return bool(_standing(record)) if isinstance(record, Invalid) else getattr(record, "status", None) != VOID


def _posted(record: Record | Invalid) -> Figures:
    """Figures of a document that was born in the ERP: unposted again, it counts for nothing."""
    return {} if not isinstance(record, Invalid) and getattr(record, "status", None) == UNPOSTED else _standing(record)


def _mark(record: Record | Invalid) -> str | None:
    return record.shown.get("marker") if isinstance(record, Invalid) else record.marker


def _project(record: Record | Invalid) -> str | None:
    return record.shown.get("project") if isinstance(record, Invalid) else getattr(record, "project", None)


def _place(record: Record | Invalid) -> tuple[str, str]:
    return record.company or "", record.id
