"""What the tasks of a run share: its parameters, the ledger, the settings, both systems, and what it has read of them.

A task that judges is given no systems: :meth:`Sync.judging`. All that it may look at lies in the staging area and in the ledger.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from upath import UPath

from include.financials.entities import ENTITIES
from include.financials.entities.directory import Vendor
from include.financials.entities.jobs import Project
from include.financials.entity import Entity
from include.financials.identity import parse_origin, shard_of
from include.financials.ledger import Ledger, Link, LinkIndex, decoded
from include.financials.mergers import FIELDS, Mergers
from include.financials.port import Capability, Invalid, Systems
from include.financials.reading.kept import KeptLists
from include.financials.reading.lists import Lists, Shut
from include.financials.reading.staging import Staged, private_folder, slug, write_whole
from include.financials.record import PROJECTS, VENDORS, Record, Side
from include.financials.references import References
from include.financials.run import Run
from include.financials.settings import Settings

_JUDGED = ("number", "state", "rule", "company", "project", "message")

COMPANY_LEVEL = ""
"""The scope of records that belong to no project (the company's list of standard cost codes)."""

Capabilities = Mapping[Side, Mapping[str, Capability]]


@dataclass
class Sync:
    """Everything the steps of one run share. Opened anew in each task; it holds no state that is not on disk or in the ledger."""

    run: Run
    ledger: Ledger
    settings: Settings
    systems: Systems | Shut
    staging: UPath
    procore_company: str
    namespace: str
    """First part of the external ids that we write (an ERP mapping's ``system``); never changed after go-live."""
    settings_now: Callable[[], Settings] | None = None
    """Reads the settings anew: what a person switches off must stop a run that is under way."""
    kept: KeptLists | None = None
    """Lists that the days of a backfill share."""
    able: Capabilities | None = None
    """What the two sides can do, where no system is there to say it."""
    judged: str | None = None
    """What is judged, where this is the view of a task that judges."""
    _links: dict[tuple[str, str], tuple[int, LinkIndex]] = field(default_factory=dict, init=False, repr=False)

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
        twin.able = {side: self.capabilities(side) for side in ("procore", "erp")}
        twin.systems, twin.judged = Shut(what), what
        twin.__dict__["lists"] = Lists(twin, self.lists.parsed)
        return twin

    # -- what the sides can do ------------------------------------------------------------------------------------------------

    def capabilities(self, side: Side) -> Mapping[str, Capability]:
        return self.able[side] if self.able is not None else self.systems[side].capabilities()

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Entities that the ERP does not have (its mapping leaves them out) and whose writes are off: no part of the run. One
        whose writes are on stays in it, for preflight to say what is missing."""
        there = self.capabilities("erp")
        return frozenset(name for name in ENTITIES if name not in there and self.settings.of(name).writes == "off")

    def missing(self, side: Side, entity: str) -> str | None:
        """What to do about an entity of the run that a side does not have; None: it has it."""
        if entity in self.capabilities(side):
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
        return self.staging / slug(self.run.run_id)

    def staged(self, entity: str, shard: int) -> Staged:
        """The source's records of the window, of an entity that is born in Procore."""
        return Staged(self.folder / entity / f"shard-{shard}", entity)

    def noted(self, entity: str, shard: int) -> dict[str, Any]:
        """What the extract of that shard has noted (:mod:`include.financials.reading.extract`); empty before it ran."""
        path = self.folder / entity / f"extract-{shard}.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def note(self, entity: str, shard: int, **told: Any) -> None:
        private_folder(self.folder / entity)
        write_whole(self.folder / entity / f"extract-{shard}.json", json.dumps({**self.noted(entity, shard), **told}))

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
        ours = {r.id for r in self.lists.snapshot("procore", PROJECTS) if parse_origin(r.origin_id, self.namespace)}
        return self._scopes(side, entity, shard, self.links(PROJECTS).by_procore.keys() | ours | named)

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

    def memory(self, entity: str) -> dict[str, dict[str, Any]]:
        """Every record of Procore as last read, by id, ``figures`` decoded: the ledger's memory and, in plan mode (which leaves
        none), what this run has read and judged."""
        found = {
            record_id: {**row._asdict(), "figures": decoded(row.figures)}
            for (_, record_id), row in self.ledger.records.seen(entity, "procore").items()
        }
        if self.run.plan:
            found |= self._read_now(ENTITIES[entity]) if ENTITIES[entity].source == "erp" else {}
            for row in self.ledger.outcomes.of(self.run.run_id, entity):
                if row.side == "procore":
                    before = found.get(row.id, {"origin_id": None, "deleted": False, "figures": {}})
                    told = decoded(row.figures)
                    judged = {name: getattr(row, name) for name in _JUDGED}
                    found[row.id] = {**before, **judged, **({"figures": told} if told else {}), **told.pop("own", {})}
        return found

    def _read_now(self, row: Entity) -> dict[str, dict[str, Any]]:
        """What Procore holds of an ERP-born entity, as this run has read it."""
        references = References(self.links, row)
        return {
            record.id: {
                "number": record.number, "origin_id": record.origin_id, "company": "", "deleted": False, "state": None,
                "rule": None, "figures": references.translated(record).figures(),
            }
            for record in self.lists.everywhere("procore", row.name)
        }  # fmt: skip

    def books(self, entity: str, *, planned: bool = True) -> dict[tuple[str, str], Record]:
        """The ERP's records by (company, key), as read in this run plus what this run will have written by then: the same for a
        plan and for an apply (docs/domain-rules.md 2.0). Without ``planned`` only with what it has written: a check that is
        retried must not take its own first verdict for a document that is there."""
        found = {(record.company or "", record.id): record for record in self.lists.everywhere("erp", entity)}
        row = ENTITIES.get(entity)
        if row is None:
            return found
        for outcome in self.ledger.outcomes.linked(self.run.run_id, entity, "create"):
            if outcome.side == "procore" and (planned or outcome.done):
                key = (outcome.company, outcome.erp_key or "")
                record = row.model.model_validate(decoded(outcome.work)["record"], strict=False)
                found.setdefault(key, record.model_copy(update={"company": key[0], "id": key[1]}))
        return found

    def reopened(self) -> set[str]:
        """Procore ids of projects that this run makes active: they were read before its own first stage wrote them."""
        return {
            outcome.procore_id
            for outcome in self.ledger.outcomes.linked(self.run.run_id, PROJECTS, "update")
            if outcome.procore_id and outcome.work
            if (work := decoded(outcome.work)) and "active" in work["changes"]
            if getattr(ENTITIES[PROJECTS].model.model_validate(work["record"], strict=False), "active", False)
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

    def ask_anew(self) -> None:
        """A run beside this one may have told the ledger more since this task asked it last."""
        self._links.clear()

    def _indexed(self, entity: str, kind: str, read: Callable[[], list[Link]]) -> LinkIndex:
        """Read once until this task writes anything: a load asks anew around each of its requests, a check sees one state of
        the links from its beginning to its end."""
        known = self._links.get((entity, kind))
        if known is None or known[0] != self.ledger.commits:
            known = self._links[entity, kind] = (self.ledger.commits, self._index(entity, read()))
        return known[1]

    def _index(self, entity: str, links: Sequence[Link]) -> LinkIndex:
        if entity == VENDORS:
            return LinkIndex.of(links, self.mergers)
        if FIELDS.get(entity) and any(link.content for link in links) and self.mergers:
            links = [link._replace(content=self.mergers.content(entity, link.company, link.content)) for link in links]
        return LinkIndex.of(links)
