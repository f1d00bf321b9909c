"""What the tasks of a run share: its parameters, the ledger, the settings, both systems, and what it has read of them.

A task that judges is given no systems: :meth:`Sync.judging`. All that it may look at lies in the staging area and in the ledger.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, cast

from upath import UPath

from include.financials.entities import ENTITIES
from include.financials.entities.directory import Vendor
from include.financials.entities.jobs import Project
from include.financials.entity import Entity
from include.financials.identity import parse_origin, shard_of
from include.financials.ledger import Judged, Ledger, Link, LinkIndex, Seen, decoded
from include.financials.ledger.held import held
from include.financials.mergers import FIELDS, Mergers
from include.financials.port import SIDES, Capability, Invalid
from include.financials.reading.kept import KeptLists
from include.financials.reading.lists import Lists
from include.financials.reading.staging import Noted, Staged, on_disk, private_folder, slug, write_whole
from include.financials.record import PROJECTS, VENDORS, Held, Record, Side
from include.financials.references import References
from include.financials.run import Run
from include.financials.settings import Settings
from include.financials.systems import Shut, Sides, Systems
from include.financials.work import Work

T = TypeVar("T")

COMPANY_LEVEL = ""
"""The scope of records that belong to no project (the company's list of standard cost codes)."""
MARKS = "marks of {}"
"""Watermark of an entity's target: up to when the ledger knows what carries our external ids there (``Sync.marks_known``)."""


@dataclass
class Sync:
    """Everything the steps of one run share. Opened anew in each task; it holds no state that is not on disk or in the ledger."""

    run: Run
    ledger: Ledger
    settings: Settings
    systems: Systems | Shut
    staging: UPath
    settings_now: Callable[[], Settings] | None = None
    """Reads the settings anew: what a person switches off must stop a run that is under way."""
    kept: KeptLists | None = None
    """Lists that the days of a backfill share."""
    _links: dict[tuple[str, str], tuple[tuple[int, int], LinkIndex]] = field(default_factory=dict, init=False, repr=False)
    _begun: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.left_out:
            entities = tuple(name for name in self.run.entities if name not in self.left_out)
            self.run = replace(self.run, entities=entities)

    @cached_property
    def lists(self) -> Lists:
        return Lists(self)

    def judging(self, what: str) -> Sync:
        """The same run without its systems. Asking one raises StepMissing, which names what ought to have been read before."""
        twin = copy.copy(self)
        twin.systems = Shut(what, self.known)
        twin.__dict__["lists"] = Lists(twin, self.lists.parsed)
        fresh = {key: known for key, known in self._links.items() if known[0] == self.ledger.told(key[0])}
        twin._links, twin._begun = fresh, {}
        return twin

    @property
    def judged(self) -> str | None:
        """What is judged, where this is the view of a task that judges."""
        return self.systems.judged if isinstance(self.systems, Shut) else None

    # -- what is known of the sides without asking them -----------------------------------------------------------------------

    @property
    def known(self) -> Sides:
        return self.systems.known

    @property
    def namespace(self) -> str:
        """First part of the external ids that we write (an ERP mapping's ``system``); never changed after go-live."""
        return self.known["erp"].namespace

    @property
    def marks(self) -> str:
        """First part of the markers that the ERP's documents carry which were made from Procore (``procore:8089``)."""
        return self.known["procore"].namespace

    def capabilities(self, side: Side) -> Mapping[str, Capability]:
        return self.known[side].capabilities()

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Entities that the ERP does not have (its mapping leaves them out) and whose writes are off: no part of the run. One
        whose writes are on stays in it, for preflight to say what is missing."""
        there = self.capabilities("erp")
        due = (name for name, row in ENTITIES.items() if not row.read_only and name not in there)
        return frozenset(name for name in due if self.settings.of(name).writes == "off")

    def missing(self, side: Side, entity: str) -> str | None:
        """What to do about an entity of the run that a side does not have; None: it has it."""
        if entity in self.capabilities(side) or (side == "erp" and ENTITIES[entity].read_only):
            return None
        return (
            f"{side} cannot read {entity}, which its mapping leaves out, but entities.{entity}.writes is on: map it, or set"
            f" entities.{entity}.writes to off, which takes it out of the run"
        )

    def kept_by_erp(self, entity: str) -> frozenset[str] | None:
        """The fields that the ERP keeps of an entity (``Capability.keeps``); None: all."""
        capability = self.capabilities("erp").get(entity)
        return capability.keeps if capability is not None else None

    def keeps(self, entity: str, *fields: str) -> bool:
        kept = self.kept_by_erp(entity)
        return kept is None or kept >= set(fields)

    def writes_on(self, entity: str) -> bool:
        settings = self.settings_now() if self.settings_now else self.settings
        return settings.of(entity).writes == "on"

    # -- what this run has read -----------------------------------------------------------------------------------------------

    @cached_property
    def folder(self) -> UPath:
        folder = self.staging / slug(self.run.run_id)
        return cast(UPath, on_disk(folder) or folder)  # Python's own paths do all that these do

    def staged(self, entity: str, shard: int) -> Staged:
        """The source's records of the window, of an entity that is born in Procore."""
        return Staged(self.folder / f"{entity}/shard-{shard}", entity)

    def noted(self, entity: str, shard: int) -> Noted:
        """What the extract of that shard has noted (:mod:`include.financials.reading.extract`); empty before it ran."""
        return Noted.read(self.folder / f"{entity}/extract-{shard}.json")

    def note(self, entity: str, shard: int, noted: Noted) -> None:
        private_folder(self.folder / entity)
        write_whole(self.folder / entity / f"extract-{shard}.json", json.dumps(asdict(noted)))

    def forget(self, entity: str = "*", shard: int | str = "*") -> None:
        """What this run has read of an entity's shard (of all of them) is read again (:meth:`Lists.forget`)."""
        self.lists.forget(entity, shard)
        self._links.clear()
        if self.kept is not None:
            self.kept.forget()
        self.__dict__.pop("mergers", None)  # it follows from the vendors that were read

    @cached_property
    def mergers(self) -> Mergers:
        """Which vendors of the ERP are one by now, as read in this run."""
        if VENDORS not in self.capabilities("erp") or not self.keeps(VENDORS, "merged_into"):
            return Mergers()
        read = [(v.company or "", v.id, v.merged_into) for v in self.lists.everywhere("erp", VENDORS) if isinstance(v, Vendor)]
        lost = [(v.company or "", v.id, v.shown.get("merged_into")) for v in self.lists.unreadable_everywhere("erp", VENDORS)]
        return Mergers([*lost, *read])

    def of_erp(self, records: Iterable[Record]) -> list[Record]:
        """Records of the ERP as they are compared: each names the vendor that its own was merged into."""
        return [self.mergers.record(record) if FIELDS.get(record.entity) else record for record in records]

    def unreadable_of_erp(self, unreadable: Iterable[Invalid]) -> list[Invalid]:
        return [self.mergers.unreadable(bad) if FIELDS.get(bad.entity) else bad for bad in unreadable]

    def as_merged(self, entity: str, company: str, agreed: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What was agreed on once, with the vendors by now. Of an entity that names none nobody has to have read the vendors."""
        return (self.mergers.content(entity, company, agreed) or agreed) if FIELDS.get(entity) else agreed

    # -- scopes ---------------------------------------------------------------------------------------------------------------

    def scopes(self, side: Side, entity: str, shard: int) -> list[str] | None:
        """Own-side project ids of a shard; None where the entity is not divided by project. What goes to Procore is looked for
        where it can be: in linked projects."""
        return self._scopes(side, entity, shard, self.links(PROJECTS).by_procore.keys())

    def read_scopes(self, side: Side, entity: str, shard: int) -> list[str] | None:
        """The same before the projects themselves are judged: also those that this run may yet link, by our external id or a
        person's word. More than is linked then is read in vain, and looked at by nobody."""
        row = ENTITIES.get(entity)
        if row is None or not row.project_scoped or not side == row.target == "procore":
            return self._scopes(side, entity, shard, frozenset())
        named = {one.pair for one in self.ledger.decisions.of(PROJECTS, "link")}
        return self._scopes(side, entity, shard, self.links(PROJECTS).by_procore.keys() | self.marked_projects() | named)

    def marked_projects(self) -> set[str]:
        """Projects of Procore that carry our external id: only there a run has ever made a document."""
        return {r.id for r in self.lists.snapshot("procore", PROJECTS) if parse_origin(r.origin_id, self.namespace)}

    def marks_known(self, row: Entity) -> bool:
        """Whether the ledger knows what carries our external ids in Procore: a whole run has read it, and nothing of it was
        closed to us. Before the first one (the ledger is new, or was lost) only Procore itself can tell that a document is not
        there yet."""
        return self.ledger.runs.watermark(row.target, MARKS.format(row.name)) is not None

    def passed_over(self, row: Entity) -> list[str]:
        """Projects of Procore that a run of some projects leaves out, and that must be looked at all the same before a document
        of the ERP is made: it may be there, under the job that it was on before."""
        if not self.run.projects or not row.document or row.source != "erp" or self.marks_known(row):
            return []
        marked = self.marked_projects()
        jobs = [p for p in self.lists.snapshot("procore", PROJECTS) if isinstance(p, Project) and p.id in marked]
        return sorted(job.id for job in jobs if not self._wanted(job))

    def _scopes(self, side: Side, entity: str, shard: int, linked: Iterable[str | None]) -> list[str] | None:
        row = ENTITIES.get(entity)
        if row is None or not row.project_scoped:  # no entity: a list that is only looked things up in (periods)
            return None
        # The ERP's documents are seen whole whatever the run is limited to: a number must be unique in the ERP company (M-10).
        everything = side == "erp" and row.document and row.target == "erp"
        chosen = [
            p
            for p in self.lists.snapshot(side, PROJECTS)
            if isinstance(p, Project) and (everything or self._wanted(p)) and self.in_shard(p, shard)
        ]
        if side == row.target == "procore":
            places = set(linked)
            chosen = [project for project in chosen if project.id in places]
        scopes = sorted({project.id for project in chosen})
        return [COMPANY_LEVEL, *scopes] if row.company_list and shard == 0 else scopes

    def _wanted(self, project: Project) -> bool:
        return not self.run.projects or project.number in self.run.projects

    def in_shard(self, record: Record, shard: int) -> bool:
        """A code without a project is the first shard's; other records follow their job's number."""
        return self.run.shards == 1 or shard_of(record.number, self.run.shards) == shard

    # -- what is known of records by now -------------------------------------------------------------------------------------

    def memory(self, entity: str) -> dict[str, Held]:
        """Every record of Procore as last read, by id: the ledger's memory and, in plan mode (which leaves none), what this run
        has read and judged."""
        found = {row.id: remembered(row) for row in self.ledger.records.each(entity, "procore")}
        if self.run.plan:
            # Of what this run is not about, it knows no more than the ledger.
            read = ENTITIES[entity].source == "erp" and entity in self.run.entities
            found |= self._read_now(ENTITIES[entity]) if read else {}
            for one in self.ledger.outcomes.of(self.run.run_id, entity):
                if one.side == "procore":
                    found[one.id] = self._judged_now(found.get(one.id, Held(one.number)), one)
        return found

    def recalled(self, entity: str, idents: Iterable[str]) -> dict[str, Held]:
        """The same of these records alone, as an apply remembers them: a plan leaves no memory."""
        seen = self.ledger.records.some(entity, "procore", (("", ident) for ident in idents))
        return {ident: remembered(row) for (_, ident), row in seen.items()}

    def broken(self, entity: str) -> set[tuple[str, str]]:
        """Linked records that the other side no longer has (R-02), by (company, ERP key) or, those of Procore, ("", id)."""
        found = self.ledger.records.broken(entity)
        for side in SIDES if self.run.plan else ():  # a plan leaves no memory
            said = self.ledger.outcomes.broken(self.run.run_id, entity, side)
            now = {key for _, key in self.ledger.outcomes.states(self.run.run_id, entity, side, found[side])}
            found[side] = {key for key in found[side] if key[1] not in now} | said
        return {*found["procore"], *found["erp"]}

    def each_held(self, entity: str) -> Iterator[tuple[str, Held]]:
        """The same one by one, for who keeps few of them; a plan's are all kept all the same."""
        if self.run.plan:
            yield from self.memory(entity).items()
        else:
            yield from ((row.id, remembered(row)) for row in self.ledger.records.each(entity, "procore"))

    @staticmethod
    def _judged_now(before: Held, one: Judged) -> Held:
        now = replace(before, number=one.number, company=one.company, state=one.state, rule=one.rule, message=one.message)
        if not (told := decoded(one.figures)):
            return now
        own = told.pop("own", {})
        marks = {"origin_id": now.origin_id, "deleted": now.deleted, **own}
        return replace(now, figures=told, origin_id=marks["origin_id"], deleted=marks["deleted"])

    def _read_now(self, row: Entity) -> dict[str, Held]:
        """What Procore holds of an ERP-born entity, as this run has read it."""
        references = References(self.links, row)
        return {
            one.id: Held(one.number, origin_id=one.origin_id, figures=references.translated(one).figures())
            for one in self.lists.everywhere("procore", row.name)
        }

    def books(
        self, entity: str, into: MutableMapping[tuple[str, str], T], make: Callable[[Record], T], *, planned: bool = True
    ) -> MutableMapping[tuple[str, str], T]:
        """What is made of each of the ERP's records, by (company, key), as read in this run plus what this run will have written
        by then: the same for a plan and for an apply (docs/domain-rules.md 2.0). Without ``planned`` only with what it has
        written: a check that is retried must not take its own first verdict for a document that is there."""
        for record in self.lists.everywhere("erp", entity):
            into[record.company or "", record.id] = make(record)
        row = ENTITIES.get(entity)
        for outcome in self.ledger.outcomes.linked(self.run.run_id, entity, "create") if row is not None else ():
            key = outcome.company, outcome.erp_key or ""
            if row is None or outcome.side != "procore" or not (planned or outcome.done) or key in into:
                continue
            if (work := Work.of(outcome)) is not None:
                into[key] = make(work.source(row).model_copy(update={"company": key[0], "id": key[1]}))
        return into

    def reopened(self) -> set[str]:
        """Procore ids of projects that this run makes active: they were read before its own first stage wrote them."""
        return {
            outcome.procore_id
            for outcome in self.ledger.outcomes.linked(self.run.run_id, PROJECTS, "update")
            if outcome.procore_id and (work := Work.of(outcome)) is not None and "active" in work.changes
            if getattr(work.source(ENTITIES[PROJECTS]), "active", False)
            if outcome.done or self.run.plan
        }

    # -- links ----------------------------------------------------------------------------------------------------------------

    def links(self, entity: str) -> LinkIndex:
        """The ledger's links, then this run's own findings (an adoption planned, a record that will be created)."""

        def read() -> list[Link]:
            # The plan first: a load that is under way turns planned links into real ones, and one must be seen as either.
            planned = self.ledger.links.planned(self.run.run_id, entity)
            return [*self.ledger.links.of(entity, contents=False), *planned]

        return self._indexed(entity, "planned", read)

    def fresh_links(self, entity: str, *, contents: bool = True) -> LinkIndex:
        """Only what is confirmed: what a load may build on. ``contents``: with what both sides agreed on last."""
        kind = "contents" if contents else "confirmed"
        return self._indexed(entity, kind, lambda: self.ledger.links.of(entity, contents=contents))

    def links_to(self, entity: str, keys: Iterable[str], idents: Iterable[str] = ()) -> LinkIndex:
        """Only what is confirmed, as of now, of what bears one of these keys of the ERP, in whatever company, or one of these ids
        of Procore: what records name, where the whole list would be long."""
        asked = set(keys)
        if entity == VENDORS:
            asked |= {other for key in asked for other in self.mergers.group(key)}
        return self._index(entity, self.ledger.links.named(entity, sorted(asked), sorted(set(idents))))

    def shard_links(self, entity: str, shard: int, keys: Iterable[tuple[str, str]], idents: Iterable[str]) -> LinkIndex:
        """Confirmed links of what is in a shard, or was when it was linked: of its jobs on either side and, whatever job they
        were of, of these records of the ERP (company, key) and of Procore. All that a record of the shard can be asked of is in
        it; of an entity that is not divided, that has no shards or a list of the company, every link is."""
        places = [self.read_scopes(side, entity, shard) for side in SIDES]
        if self.run.shards == 1 or ENTITIES[entity].two_way or any(one is None or COMPANY_LEVEL in one for one in places):
            return self.fresh_links(entity)
        procore, erp = (set(one or ()) for one in places)
        jobs = erp | {link.erp_key for link in self.links(PROJECTS).by_erp.values() if link.procore_id in procore}
        return self._index(entity, self.ledger.links.around(entity, sorted(jobs), keys, idents))

    def begun(self, entity: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What was sent of records that have no link yet, see :meth:`Journal.begun`: a check, which sends nothing, asks once."""
        if self.judged is None:
            return self.ledger.journal.begun(entity)
        if entity not in self._begun:
            self._begun[entity] = self.ledger.journal.begun(entity)
        return self._begun[entity]

    def ask_anew(self) -> None:
        """A run beside this one may have told the ledger more since this task asked it last."""
        self._links.clear()

    def _indexed(self, entity: str, kind: str, read: Callable[[], list[Link]]) -> LinkIndex:
        """Read once until this task writes anything that may change them: a load asks anew around each of its requests. A check
        writes what it judges, and sees one state of all other links from its beginning to its end."""
        now = self.ledger.told(entity)
        asked = [key for key in self._links if self.judged in (None, key[0])]
        for stale in [key for key in asked if self._links[key][0] != self.ledger.told(key[0])]:
            del self._links[stale]  # nobody gets them any more
        known = self._links.get((entity, kind))
        if known is None:
            known = self._links[entity, kind] = (now, self._index(entity, read()))
        return known[1]

    def _index(self, entity: str, links: Sequence[Link]) -> LinkIndex:
        if entity == VENDORS:
            return LinkIndex.of(links, self.mergers)
        if FIELDS.get(entity) and self.mergers and any(link.content for link in links):
            links = [link._replace(content=self.mergers.content(entity, link.company, link.content)) for link in links]
        return LinkIndex.of(links)

    def agreed(self, entity: str, idents: Iterable[str]) -> Mapping[str, Link]:
        """Confirmed links of these records of Procore, by their ids, with what both sides agreed on last."""
        return self._index(entity, [*self.ledger.links.of_ids(entity, idents, contents=True).values()]).by_procore


def remembered(row: Seen) -> Held:
    """A record of Procore as the ledger remembers it."""
    return Held(row.number, row.company, row.state, row.rule, row.message, row.origin_id, row.deleted, held(row.figures))
