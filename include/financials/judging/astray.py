"""Counterparts that Procore does not have where they are looked for: in a project of another shard, in one that a run leaves
out, or in what nobody can read. Who does not ask for them makes a second record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from include.financials import advice
from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.identity import Origin, parse_origin
from include.financials.judging.people import People
from include.financials.ledger import LinkIndex
from include.financials.port import Invalid, Page
from include.financials.reading import lists, questions
from include.financials.reading.chosen import elsewhere
from include.financials.record import PROJECTS, Record, contract_of
from include.financials.statuses import VOID
from include.financials.view import COMPANY_LEVEL, Sync


def marked(sync: Sync, row: Entity, shard: int, keys: Iterable[tuple[str, str]], links: LinkIndex, people: People) -> Page:
    """Counterparts, of those records of the ERP (company, key) that nothing is linked to, in projects that are not the shard's:
    they carry our external id, or a person spoke of the two."""
    others, passed_over = sync.lists.others("procore", row.name, shard), elsewhere(sync, "procore", row.name)
    if not others and not passed_over.state().pages:
        return Page([])
    free = {key for key in keys if key not in links.by_erp}
    wanted = {str(Origin(sync.namespace, company, row.name, key)) for company, key in free}
    wanted |= {one.pair for one in people.said if (one.company, one.record_id) in free}
    found = lists.marked(passed_over, passed_over.invalid(), wanted)
    for other in others:
        there, scopes = sync.lists.marked(row.name, other, wanted), sync.scopes("procore", row.name, other) or ()
        found.records += [r for r in there.records if (getattr(r, "project", None) or COMPANY_LEVEL) in scopes]
        found.invalid += [bad for bad in there.invalid if (bad.scope or COMPANY_LEVEL) in scopes]
    return found


def unknown(sync: Sync, row: Entity) -> Invalid | None:
    """What may carry the external id of any document, as long as the ledger does not know what does: in a project of ours a
    document of Procore whose external id cannot be read, or a list that is closed to us; a project that cannot be read; one that
    is not shown to us, though the ERP has documents of it."""
    if not row.document or sync.marks_known(row):
        return None
    passed_over = elsewhere(sync, "procore", row.name).invalid()
    listed = chain(sync.lists.unreadable_everywhere("procore", row.name), passed_over)
    ours = sync.marked_projects()
    found = [bad for bad in listed if "origin_id" not in bad.shown and bad.scope in ours]
    for bad in sync.lists.unreadable("procore", PROJECTS):
        if "origin_id" not in bad.shown or parse_origin(bad.shown["origin_id"], sync.namespace):
            found.append(replace(bad, number=f"of project {bad.number}"))
    # What hides a whole project first: a run that found but single documents has seen what else there is.
    found.sort(key=lambda bad: not hides(bad))
    return next(chain(found[:1] if found and hides(found[0]) else (), _of_hidden_jobs(sync, row), found), None)


def hides(bad: Invalid | None) -> bool:
    """Whether it is a project with all that it holds, of a list that is closed to us or in no list at all."""
    return bad is not None and (bad.entity == PROJECTS or bad.id == bad.scope)


def _of_hidden_jobs(sync: Sync, row: Entity) -> Iterator[Invalid]:
    """Jobs on which the ERP has documents that were made from Procore's, as far as its lists are read beside this entity, and
    that Procore does not show: the project, or what it was made from though a whole run has looked for it."""
    projects = sync.lists.snapshot("procore", PROJECTS)
    marks = [mark for project in projects if (mark := parse_origin(project.origin_id, sync.namespace))]
    shown, ids = {(mark.company, mark.key) for mark in marks}, {project.id for project in projects}
    shown |= {(link.company, link.erp_key) for link in sync.links(PROJECTS).by_erp.values() if link.procore_id in ids}
    shown |= {(bad.company or "", bad.id) for bad in sync.lists.unreadable("erp", PROJECTS)}
    # Contracts first: with them a person speaks of all that belongs to them.
    for name in sorted({*row.beside, *row.references.values()}, key=lambda name: (ENTITIES[name].contracts is not None, name)):
        links, marked = sync.links(name).by_procore, [*_made(sync, name)] if ENTITIES[name].source == "procore" else []
        looked = sync.ledger.runs.watermark(ENTITIES[name].source, name) is not None
        # One that is stopped has no link either, and is there; of one that is gone the ERP's marker alone tells.
        seen = sync.recalled(name, (ident for _, _, ident in marked if ident not in links)) if looked else {}
        seen = {ident: held for ident, held in seen.items() if (held.state, held.rule) != ("conflict", "R-02")}
        for record, job, ident in marked:
            lost = looked and ident not in links and ident not in seen
            if lost or (record.company or "", job) not in shown:
                said = f"is not shown to us in Procore, where {ENTITIES[name].label} {record.number} of it was made"
                said += _advice(name, record, ident) if ident not in links else ""
                yield Invalid(row.name, job, f"of job {job}", "project", said, job)


def lost(sync: Sync, row: Entity, links: LinkIndex) -> dict[tuple[str, str], Invalid]:
    """Jobs, by (company, key), to which nothing is linked though the ERP has documents on them that were made from Procore's:
    their projects are there, shown to us or not. The ledger was lost, or somebody ended the link."""
    found: dict[tuple[str, str], Invalid] = {}
    for name in questions.made_on(sync, row):
        there = (sync.lists.has_snapshot("erp", name, one) for one in sync.lists.shards_of(name))
        for record, job, ident in _made(sync, name) if all(there) else ():
            if (place := (record.company or "", job)) not in links.by_erp:
                said = f"is not shown to us in Procore, where {ENTITIES[name].label} {record.number} was made on it"
                said += f"; let the service account see it{_advice(name, record, ident)}"
                found.setdefault(place, Invalid(row.name, job, job, "record", said, job, place[0]))
    return found


def _made(sync: Sync, name: str) -> Iterator[tuple[Record, str, str]]:
    """Documents of the ERP that were made from Procore's, each with its job and the id that it has there. Not those of which a
    person has ended the pair; who ends that of a contract has spoken of what belongs to it."""
    ours, contracts = f"{sync.marks}:{name}:", ENTITIES[name].contracts
    parted = People(sync.ledger.decisions.of(name, "unlink")).parted
    over = {key[:2] for key in People(sync.ledger.decisions.of(contracts, "unlink") if contracts else ()).parted}
    for record in sync.lists.everywhere("erp", name):
        company, job, mark = record.company or "", getattr(record, "project", None), record.marker or ""
        if not job or not mark.startswith(ours) or getattr(record, "status", None) == VOID:
            continue
        ident = mark.removeprefix(ours)
        if (company, record.id, ident) not in parted and (company, contract_of(record)) not in over:
            yield record, job, ident


def _advice(name: str, record: Record, ident: str) -> str:
    there = advice.ident("erp", record.company, record.id)
    return f" (if that was deleted there: {advice.command('unlink', name, record.number, there, to=ident)})"
