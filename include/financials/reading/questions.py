"""What an extract asks once both lists are there, so that a check has nothing left to ask: what must be read beside the entity's
own lists, records that a list ought to have shown, and names that no list tells.

Functions of the ledger and of what was read; the asking itself is the extract's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.entities.jobs import Project
from include.financials.entity import Entity
from include.financials.existence import contracts_of
from include.financials.identity import content, parse_origin, shard_of
from include.financials.judging.changes import agreed_there, changes_of_frozen
from include.financials.judging.memory import source_hash
from include.financials.ledger import STOPPED, Link, LinkIndex, Seen, key_of
from include.financials.money import total
from include.financials.port import SIDES
from include.financials.reading.staging import Head
from include.financials.record import COST_TYPES, PERIODS, PROJECTS, VENDORS, Record, Side, contract_of
from include.financials.statuses import VOID
from include.financials.view import COMPANY_LEVEL, Sync

_NAMED = (VENDORS, PROJECTS, COST_TYPES)
"""Those whose names the rules of a document tell whatever is wrong with it."""
Asked = tuple[str | None, str]
"""(scope, own-side id)"""


def coming(sync: Sync, row: Entity) -> set[str]:
    """Entities whose own tasks of this stage read their lists before this one's check begins: nobody reads them twice."""
    found, look = set(), [*row.after]
    while look:
        name = look.pop()
        if name not in found and ENTITIES[name].stage == row.stage and name in sync.run.entities:
            found.add(name)
            look += ENTITIES[name].after
    return found


def lists_beside(sync: Sync, row: Entity) -> Iterator[tuple[Side, str]]:
    """The lists that the check of an entity looks things up in, beside its own."""
    if row.project_scoped:
        yield from (("procore", PROJECTS), ("erp", PROJECTS))
    contract = row.contracts
    beside = [name for name, other in ENTITIES.items() if contract and other.source == "procore" == row.source]
    beside = [name for name in beside if ENTITIES[name].contracts == contract]  # what was billed and changed on one contract
    for name in dict.fromkeys([*row.references.values(), *beside]):
        if name not in coming(sync, row) and name != row.name:
            yield "erp", name
            if name in _NAMED and (row.source == "procore" or row.two_way):
                yield "procore", name
    if row.sequence is not None:
        yield "erp", PERIODS
    yield from (("erp", name) for name in row.beside)
    if row.strangers is not None:
        yield "procore", row.strangers


def made_on(sync: Sync, row: Entity) -> list[str]:
    """Documents that are born in Procore and lie on records of this entity (jobs), as far as the ERP keeps them: that one of them
    was made tells that Procore has its place. Those that hang on another document tell no more than that one."""
    found = [one for one in ENTITIES.values() if one.document and one.source == "procore" and not one.contracts]
    return [one.name for one in found if one.references.get("project") == row.name and not sync.missing("erp", one.name)]


def references_of(row: Entity, record: Record) -> Iterator[tuple[str, str]]:
    """(entity, own-side id) of all that a record names."""
    for name, entity in row.references.items():
        if entity == row.name:
            continue
        head, _, rest = name.partition(".")
        value = getattr(record, head, None)
        values = [getattr(one, rest) for one in value or ()] if rest else value if isinstance(value, tuple) else (value,)
        yield from ((entity, one) for one in values if one)


class Unlinked:
    """References to records of Procore that nothing is linked to: what is said of them needs their names."""

    def __init__(self, sync: Sync, row: Entity) -> None:
        self.sync, self.row = sync, row
        self._linked = {name: sync.links(name).by_procore for name in {*row.references.values()} - {row.name}}
        self.found: dict[str, set[Asked]] = defaultdict(set)
        """(project, id) by entity."""

    def take(self, record: Record) -> None:
        for entity, ident in references_of(self.row, record):
            if ident not in self._linked[entity]:
                self.found[entity].add((getattr(record, "project", None), ident))

    def lists(self) -> list[str]:
        """Whole lists that tell their names."""
        names = [name for name in self.found if ENTITIES[name].listed]
        return [name for name in names if name not in coming(self.sync, self.row)]

    def nameless(self) -> Iterator[tuple[str, list[Asked]]]:
        """Records that no run has read yet, by entity. What another task of this stage is about to read is not asked for."""
        for entity, found in self.found.items():
            if ENTITIES[entity].listed:
                continue
            seen = {ident for _, ident in self.sync.ledger.records.seen(entity, "procore", figures=False)}
            missing = sorted(pair for pair in found if pair[0] and pair[1] not in seen)
            if missing and (read := self._read(entity)) is not None:
                missing = [pair for pair in missing if pair[1] not in read]
                yield entity, missing

    def _read(self, entity: str) -> set[str] | None:
        """Ids that this run has read; None: it has not read them all yet, and will."""
        sync, shards = self.sync, self.sync.lists.shards_of(entity)
        if entity not in sync.run.entities:
            return set()
        if not all(sync.noted(entity, shard).complete for shard in shards):
            return None if entity in coming(sync, self.row) else set()
        if ENTITIES[entity].source == "procore":
            return {record.id for shard in shards for record in sync.staged(entity, shard).records()}
        return {record.id for record in sync.lists.everywhere("procore", entity)}


# -- ERP -> Procore -------------------------------------------------------------------------------------------------------------


def not_in_procore(
    sync: Sync, row: Entity, shard: int, links: LinkIndex, listed: Collection[str], here: Collection[tuple[str, str]]
) -> list[Asked]:
    """Linked records that Procore's list does not show: an answer to their id alone tells which of them are gone. Those of the
    shard's projects, and those that the ERP has in one of its jobs (``here``: company and ERP key) and Procore elsewhere."""
    scopes, projects = sync.read_scopes("procore", row.name, shard), sync.links(PROJECTS)
    missing: list[Asked] = []
    apart: list[Asked] = []
    for key, link in links.by_erp.items():
        if link.procore_id in listed:
            continue
        project = projects.find(link.company, link.scope) if link.scope and scopes is not None else None
        place = (project.procore_id if project else COMPANY_LEVEL) if scopes is not None else None
        if scopes is None or place in scopes:
            missing.append((place or None, link.procore_id))
        elif key in here:
            apart.append((place, link.procore_id))
    others = [sync.read_scopes("procore", row.name, other) or () for other in sync.lists.shards_of(row.name) if apart]
    return missing + [one for one in apart if any(one[0] in scopes for scopes in others)]


def contract_places(sync: Sync, contracts: Iterable[Link]) -> list[Asked]:
    """Contracts as they are asked for in Procore."""
    projects = sync.fresh_links(PROJECTS)
    places = {c.procore_id: project.procore_id for c in contracts if (project := projects.find(c.company, c.scope or ""))}
    return [(place, ident) for ident, place in places.items()]


def not_in_erp(sync: Sync, row: Entity, shard: int, links: LinkIndex, here: Collection[tuple[str, str]]) -> list[Link]:
    """Linked records that the ERP's full list does not show (keys of ``here``: company and ERP key)."""
    unreadable = {bad.id for bad in sync.lists.unreadable("erp", row.name, shard)}
    scopes = sync.scopes("erp", row.name, shard)
    return [
        link
        for key, link in links.by_erp.items()
        if key not in here and link.erp_key not in unreadable and (scopes is None or (link.scope or COMPANY_LEVEL) in scopes)
    ]


def budgets_lost(
    sync: Sync, row: Entity, shard: int, links: LinkIndex, here: Collection[tuple[str, str]], listed: Collection[str]
) -> dict[Side, list[Asked]]:
    """Linked budgets that a side's list does not show, though it was read for their project; those that neither shows of both."""
    unread = {bad.id for bad in sync.lists.unreadable("erp", row.name, shard)}
    of_procore, of_erp = (set(sync.read_scopes(side, row.name, shard) or ()) for side in SIDES)
    found: dict[Side, list[Asked]] = {"erp": [], "procore": []}
    for (company, key), link in links.by_erp.items():
        gone = (company, key) not in here and key not in unread and key in of_erp
        if gone:
            found["erp"].append((None, key))
        if link.procore_id not in listed and (gone or link.procore_id in of_procore):
            found["procore"].append((link.procore_id, link.procore_id))
    return found


# -- Procore -> ERP -------------------------------------------------------------------------------------------------------------


def counterpart(own: Record | Head, row: Entity, links: LinkIndex, namespace: str) -> str | None:
    """The ERP key of a document's counterpart, by its link or its external id; None: it names none."""
    link, origin = links.by_procore.get(own.id), parse_origin(own.origin_id, namespace)
    return link.erp_key if link else origin.key if origin and origin.entity == row.name else None


def adds_up(row: Entity, record: Record) -> bool:
    """Whether a contract's lines make its sum. Where they do not, they may be lines that we did not get (rule M-09)."""
    own: Any = record
    return not row.reread or not own.lines or total(line.amount for line in own.lines) == own.amount


def links_in_run(sync: Sync, links: LinkIndex, shard: int | None = None) -> list[Link]:
    """Confirmed links of the run's projects, of one shard or of all."""
    chosen, parts = sync.run.projects, sync.run.shards
    found = [link for link in links.by_procore.values() if link.status == "active" and (not chosen or link.scope in chosen)]
    if shard is None or parts == 1:
        return found
    numbers = {job.id: job.number for job in sync.lists.snapshot("erp", PROJECTS) if isinstance(job, Project)}
    return [link for link in found if shard_of(numbers.get(link.scope or "", link.scope or ""), parts) == shard]


def moved_in_erp(
    row: Entity, link: Link, targets: Mapping[tuple[str, str], Record], seen: Mapping[tuple[str, str], Seen]
) -> bool:
    """Whether a linked document's counterpart in the ERP ended, or is not what was agreed on any more: what a clerk does there
    moves no time of Procore's."""
    target = targets.get((link.company, link.erp_key))
    if target is None or getattr(target, "status", None) == VOID:
        last = seen.get((link.company, link.procore_id))
        return last is None or not last.deleted
    now = content(target, row.content)
    return bool(link.content) and bool(changes_of_frozen(row, agreed_there(link, row), now))


def made_from(sync: Sync, row: Entity, shard: int, links: LinkIndex) -> dict[str, tuple[str, Link]]:
    """Procore id -> project, and the link that their markers tell of, of standing documents of the ERP without a confirmed one.
    What belongs to a contract that is not linked says nothing yet."""
    places = {link.erp_key: link.procore_id for link in sync.links(PROJECTS).by_erp.values()}
    ours, made = f"{sync.marks}:{row.name}:", list[Link]()
    for record in sync.lists.snapshot("erp", row.name, shard):
        if not record.marker or not record.marker.startswith(ours) or getattr(record, "status", None) == VOID:
            continue
        ident = record.marker.removeprefix(ours)
        link = links.by_procore.get(ident)
        if link is None or link.status != "active":
            told, job = {row.contract: contract_of(record)} if row.contract else {}, getattr(record, "project", None)
            made.append(Link(row.name, record.company or "", record.id, ident, record.number, content=told, scope=job))
    known = contracts_of(sync, row.name, made) if row.contract else {link.procore_id for link in made}
    return {
        link.procore_id: (place, link)
        for link in made
        if link.procore_id in known and (place := places.get(link.scope or "")) is not None
    }


def may_wait(sync: Sync, row: Entity, record: Record, links: LinkIndex, seen: Mapping[tuple[str, str], Seen]) -> bool:
    """Whether a document may have to wait, so that people want to know which workflow it is under: all but those that are due and
    never stopped, and linked ones that nobody changed."""
    own: Any = record
    if own.deleted or not own.project:
        return False
    last = seen.get(key_of("procore", "", own.id))
    if own.id in links.by_procore:
        return last is None or last.source_hash != source_hash(own) or last.state in STOPPED
    due = own.status in sync.settings.of(row.name).statuses(getattr(own, "kind", None))
    return not due or (last is not None and last.state in STOPPED)


def lists_changed(row: Entity) -> list[str]:
    """Lists of the ERP that a write of this entity to it changes: its own, and that of its contracts, which tell of their changes
    and payments."""
    return [row.name, *([row.contracts] if row.contracts else ())]
