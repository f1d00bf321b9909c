"""What a run knows: both sides as read in this run, and the links between them (the ledger's, plus those this run has planned).

Every list is read once per run and kept beside the staged pages; tasks that need it later take it from there. Rules look at the
target only through this view, in plan and in apply mode alike, so that a plan says what apply would do.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from upath import UPath

from include.financials.entities import ENTITIES, Entity
from include.financials.figures import figures
from include.financials.identity import shard_of
from include.financials.reading.kept import KeptLists
from include.financials.ledger import Ledger, Link
from include.financials.mergers import FIELDS, VENDORS, Mergers
from include.financials.models import CostCode, Project, Record, Side, Vendor
from include.financials.port import Invalid, Page, Question, System
from include.financials.run import Run
from include.financials.settings import Settings
from include.financials.reading.staging import Staged, private_folder, slug, write_whole

log = logging.getLogger(__name__)

_JUDGED = ("number", "state", "rule", "company", "project", "message")
_KEPT = ("project", "commitment", "prime_contract")
"""References that a record cannot be without: one that is not linked keeps the id it was read with, and a rule says so."""

KEPT_RECORDS = 10_000
"""Records of one list that a task keeps in memory; longer lists are parsed again each time that they are asked for."""

COMPANY_LEVEL = ""
"""The scope of records that belong to no project (the company's list of standard cost codes)."""


@dataclass(slots=True)
class LinkIndex:
    by_procore: dict[str, Link] = field(default_factory=dict)
    by_erp: dict[tuple[str, str], Link] = field(default_factory=dict)
    by_key: dict[str, list[Link]] = field(default_factory=dict)
    mergers: Mergers = field(default_factory=Mergers)
    """Of vendors: which keys are one."""

    @classmethod
    def of(cls, links: Sequence[Link], mergers: Mergers | None = None) -> LinkIndex:
        index = cls(mergers=mergers or Mergers())
        for link in links:
            if link.procore_id:
                index.by_procore.setdefault(link.procore_id, link)
            index.by_erp.setdefault((link.company, link.erp_key), link)
        return index

    def find(self, company: str, key: str) -> Link | None:
        """The link of an ERP key that a record of ``company`` names: its own company's or, for what companies share, the only
        one. Two companies may have a job, a contract or an invoice of one number: never taken for each other. A merged vendor is
        found by the link of the key that stands for it or, while that has none, of one that was merged into it."""
        keys = (key, *self.mergers.others(company, key)) if self.mergers else (key,)
        return next((found for one in keys if (found := self._find(company, one)) is not None), None)

    def _find(self, company: str, key: str) -> Link | None:
        own = self.by_erp.get((company, key))
        if own is not None:
            return own
        if not self.by_key:
            for (_, known), link in self.by_erp.items():
                if ENTITIES[link.entity].shared and link.scope is None:
                    self.by_key.setdefault(known, []).append(link)
        others = self.by_key.get(key, [])
        return others[0] if len(others) == 1 else None

    def erp(self, procore_id: str | None) -> Link | None:
        return self.by_procore.get(procore_id) if procore_id else None


@dataclass
class Sync:
    """Everything the steps of one run share. Opened anew in each task; it holds no state that is not on disk or in the ledger."""

    run: Run
    ledger: Ledger
    settings: Settings
    systems: Mapping[Side, System]
    staging: UPath
    procore_company: str
    namespace: str
    """First part of the external ids that we write (an ERP mapping's ``system``); never changed after go-live."""
    settings_now: Callable[[], Settings] | None = None
    """Reads the settings anew: what a person switches off must stop a run that is under way."""
    kept: KeptLists | None = None
    """Lists that the days of a backfill share."""
    _lists: dict[tuple[Side, str, int], list[Record]] = field(default_factory=dict, init=False, repr=False)
    """Snapshots that were parsed: what a run has read it does not read again, and records do not change."""

    def __post_init__(self) -> None:
        if self.left_out:
            entities = tuple(name for name in self.run.entities if name not in self.left_out)
            self.run = replace(self.run, entities=entities)

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Entities that the ERP does not have (its mapping leaves them out) and whose writes are off: no part of the run. One
        whose writes are on stays in it, for preflight to say what is missing."""
        there = self.systems["erp"].capabilities()
        return frozenset(name for name in ENTITIES if name not in there and self.settings.of(name).writes == "off")

    def missing(self, side: Side, entity: str) -> str | None:
        """What to do about an entity of the run that a side does not have; None: it has it."""
        if entity in self.systems[side].capabilities():
            return None
        return (
            f"{side} cannot read {entity}, which its mapping leaves out, but entities.{entity}.writes is on: map it, or set"
            f" entities.{entity}.writes to off, which takes it out of the run"
        )

    def kept_by_erp(self, entity: str) -> frozenset[str] | None:
        """The fields that the ERP keeps of an entity (``Capability.keeps``); None: all."""
        capability = self.systems["erp"].capabilities().get(entity)
        return capability.keeps if capability is not None else None

    def keeps(self, entity: str, *fields: str) -> bool:
        kept = self.kept_by_erp(entity)
        return kept is None or kept >= set(fields)

    def writes_on(self, entity: str) -> bool:
        settings = self.settings_now() if self.settings_now else self.settings
        return settings.of(entity).writes == "on"

    @cached_property
    def folder(self) -> UPath:
        return self.staging / slug(self.run.run_id)

    def staged(self, entity: str, shard: int) -> Staged:
        return Staged(self.folder / entity / f"shard-{shard}", entity)

    def forget(self, entity: str = "*", shard: int | str = "*") -> None:
        """What this run has read of an entity's shard (of all of them) is read again: somebody cleared the task, perhaps days
        later, and what it read then is no more how things are."""
        self._lists.clear()
        if self.kept is not None:
            self.kept.forget()
        self.__dict__.pop("mergers", None)  # it follows from the vendors that were read
        for note in (
            f"{entity}/shard-{shard}/manifest.json",
            f"snapshots/*/{entity}/shard-{shard}.json",
            f"snapshots/*/{entity}/left-{shard}-*.json",
        ):
            for path in list(self.folder.glob(note)) if self.folder.exists() else ():
                path.unlink(missing_ok=True)

    @cached_property
    def mergers(self) -> Mergers:
        """Which vendors of the ERP are one by now, as read in this run."""
        if VENDORS not in self.systems["erp"].capabilities() or not self.keeps(VENDORS, "merged_into"):
            return Mergers()
        read = [(v.company or "", v.id, v.merged_into) for v in self.everywhere("erp", VENDORS) if isinstance(v, Vendor)]
        lost = [(v.company or "", v.id, v.shown.get("merged_into")) for v in self.unreadable_everywhere("erp", VENDORS)]
        return Mergers([*lost, *read])

    def of_erp(self, records: Iterable[Record]) -> list[Record]:
        """Records of the ERP as they are compared: each names the vendor that its own was merged into."""
        return [self.mergers.record(record) if FIELDS.get(record.entity) else record for record in records]

    def _unreadable_of_erp(self, unreadable: Iterable[Invalid]) -> list[Invalid]:
        return [self.mergers.unreadable(bad) if FIELDS.get(bad.entity) else bad for bad in unreadable]

    def unlisted(self, entity: str, shard: int) -> list[str]:
        """Linked records that the list of this run's extract did not show, nor an answer to their ids."""
        noted = self.folder / entity / f"missing-{shard}.json"
        return list(json.loads(noted.read_text(encoding="utf-8"))) if noted.exists() else []

    def note_missing(self, entity: str, shard: int, ids: Sequence[str]) -> None:
        write_whole(self.folder / entity / f"missing-{shard}.json", json.dumps(sorted(ids)))

    def questions(self, entity: str, shard: int) -> dict[str, Question]:
        """What a workflow asked our account about documents when they were extracted, by document id."""
        noted = self.folder / entity / f"questions-{shard}.json"
        found = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else {}
        return {
            ident: Question(**{**one, "options": tuple((key, name) for key, name in one["options"])})
            for ident, one in found.items()
        }

    def note_questions(self, entity: str, shard: int, found: Mapping[str, Question]) -> None:
        noted = {ident: asdict(question) for ident, question in found.items()}
        private_folder(self.folder / entity)
        write_whole(self.folder / entity / f"questions-{shard}.json", json.dumps(noted))

    # -- scopes ---------------------------------------------------------------------------------------------------------------

    def scopes(self, side: Side, entity: str, shard: int) -> list[str] | None:
        """Own-side project ids of a shard; None where the entity is not divided by project."""
        row = ENTITIES.get(entity)
        if row is None or not row.project_scoped:  # no entity: a list that is only looked things up in (periods)
            return None
        # The ERP's documents are seen whole whatever the run is limited to: a number must be unique in the ERP company (M-10).
        everything = side == "erp" and row.document and row.target == "erp"
        chosen = [
            p
            for p in self.snapshot(side, "projects")
            if isinstance(p, Project) and (everything or self._wanted(p)) and self.in_shard(p, shard)
        ]
        if side == row.target == "procore":  # what goes to Procore is looked for where it can be: in linked projects
            linked = self.links("projects").by_procore
            chosen = [project for project in chosen if project.id in linked]
        scopes = sorted({project.id for project in chosen})
        return [COMPANY_LEVEL, *scopes] if entity == "cost_codes" and shard == 0 else scopes

    def _wanted(self, project: Project) -> bool:
        return not self.run.projects or project.number in self.run.projects

    def in_shard(self, record: Record, shard: int) -> bool:
        """A code without a project is the first shard's; other records follow their job's number."""
        return self.run.shards == 1 or shard_of(record.number, self.run.shards) == shard

    # -- snapshots ------------------------------------------------------------------------------------------------------------

    def snapshot(self, side: Side, entity: str, shard: int = 0) -> list[Record]:
        """All records of an entity as ``side`` has them now; read once per run, then taken from the staging area."""
        place = (side, entity, shard)
        if place in self._lists:
            return [*self._lists[place]]
        staged = self._snapshot(side, entity, shard).records()
        records = self.of_erp(staged) if side == "erp" else list(staged)
        if len(records) <= KEPT_RECORDS:
            self._lists[place] = [*records]
        return records

    def has_snapshot(self, side: Side, entity: str, shard: int = 0) -> bool:
        """Whether this run has read that list."""
        return bool((self.folder / "snapshots" / side / entity / f"shard-{shard}.json").exists())

    def _snapshot(self, side: Side, entity: str, shard: int) -> Staged:
        """Two tasks may want the same list at the same time:
        each reads into a folder of its own, and the first whole one counts."""
        place = self.folder / "snapshots" / side / entity
        chosen = place / f"shard-{shard}.json"
        if not chosen.exists():
            name = self._left(place, shard) or f"shard-{shard}-{uuid.uuid4().hex}"
            staged = Staged(place / name, entity)
            try:
                self._read_all(side, entity, shard, staged)
            except BaseException:
                if staged.state()["pages"]:
                    write_whole(place / f"left-{shard}-{uuid.uuid4().hex}.json", json.dumps({"folder": name}))
                raise
            if not chosen.exists():
                write_whole(chosen, json.dumps({"folder": name}))
        return Staged(place / json.loads(chosen.read_text(encoding="utf-8"))["folder"], entity)

    @staticmethod
    def _left(place: UPath, shard: int) -> str | None:
        """The folder of a read that ended before its list did (a limit, a lost connection): whoever comes first goes on at its
        cursor, so that a list ends however few calls an hour allows. Renaming the note takes it: there is one taker."""
        for note in sorted(place.glob(f"left-{shard}-*.json")) if place.exists() else ():
            taken = place / f"taken-{uuid.uuid4().hex}.json"
            try:
                note.rename(taken)
            except FileNotFoundError:
                continue
            return str(json.loads(taken.read_text(encoding="utf-8"))["folder"])
        return None

    def _read_all(self, side: Side, entity: str, shard: int, staged: Staged) -> None:
        scopes = self.scopes(side, entity, shard)
        state = staged.state()
        if (scopes is None or scopes) and (not state["pages"] or state["cursor"] is not None):
            for page in self.systems[side].read(entity, scopes=scopes, cursor=state["cursor"]):
                staged.add(page, last=False)
        staged.complete()
        state = staged.state()
        log.info("read all %s of %s: %d records, %d of them not usable", entity, side, state["records"], state["invalid"])

    def unreadable(self, side: Side, entity: str, shard: int = 0) -> list[Invalid]:
        """Records of a snapshot that do not fit their model: they exist, and must not be taken for gone."""
        unreadable = self._snapshot(side, entity, shard).invalid()
        return self._unreadable_of_erp(unreadable) if side == "erp" else list(unreadable)

    def shards_of(self, entity: str) -> range:
        row = ENTITIES.get(entity)
        return range(self.run.shards if row is not None and row.project_scoped else 1)

    def everywhere(self, side: Side, entity: str) -> Iterator[Record]:
        """The snapshot of all shards."""
        for shard in self.shards_of(entity):
            yield from self.snapshot(side, entity, shard)

    def unreadable_everywhere(self, side: Side, entity: str) -> Iterator[Invalid]:
        for shard in self.shards_of(entity):
            yield from self.unreadable(side, entity, shard)

    def whereabouts(self, side: Side, entity: str, wanted: Sequence[tuple[str | None, str]]) -> Page:
        """Records that a list ought to have shown, asked for by (scope, id): a list may miss a row (one was deleted between two
        of its pages), or hide one. What the answer does not name at all is gone."""
        found = Page([])
        if wanted:
            log.info("%d %s are not in %s's list; asking for them by id", len(wanted), entity, side)
            for page in self.systems[side].read_ids(entity, wanted):
                found.records += self.of_erp(page.records) if side == "erp" else page.records
                found.invalid += self._unreadable_of_erp(page.invalid) if side == "erp" else page.invalid
                found.hidden += page.hidden
        return found

    def memory(self, entity: str) -> dict[str, dict[str, Any]]:
        """Every record of Procore as last read, by id, ``figures`` decoded: the ledger's memory and, in plan mode (which leaves
        none), what this run has read and judged."""
        found = {
            record_id: {**row, "figures": json.loads(row["figures"] or "{}")}
            for (_, record_id), row in self.ledger.seen(entity, "procore").items()
        }
        if self.run.plan:
            found |= self._read_now(ENTITIES[entity]) if ENTITIES[entity].source == "erp" else {}
            for row in self.ledger.outcomes(self.run.run_id, entity):
                if row["side"] == "procore":
                    before = found.get(row["id"], {"origin_id": None, "deleted": False, "figures": {}})
                    told = json.loads(row["figures"] or "{}")
                    judged = {name: row[name] for name in _JUDGED}
                    found[row["id"]] = {**before, **judged, **({"figures": told} if told else {}), **told.pop("own", {})}
        return found

    def _read_now(self, row: Entity) -> dict[str, dict[str, Any]]:
        """What Procore holds of an ERP-born entity, as this run has read it."""
        references = References(self, row)
        return {
            record.id: {
                "number": record.number, "origin_id": record.origin_id, "company": "", "deleted": False, "state": None,
                "rule": None, "figures": figures(references.translated(record)),
            }
            for record in self.everywhere("procore", row.name)
        }  # fmt: skip

    def books(self, entity: str, *, planned: bool = True) -> dict[tuple[str, str], Record]:
        """The ERP's records by (company, key), as read in this run plus what this run will have written by then: the same for a
        plan and for an apply (docs/domain-rules.md 2.0). Without ``planned`` only with what it has written: a check that is
        retried must not take its own first verdict for a document that is there."""
        found = {(record.company or "", record.id): record for record in self.everywhere("erp", entity)}
        row = ENTITIES.get(entity)
        if row is None:
            return found
        for outcome in self.ledger.outcomes(self.run.run_id, entity):
            if not planned and not outcome["done"]:
                continue
            if outcome["state"] == "linked" and outcome["action"] == "create" and outcome["side"] == "procore":
                key = (outcome["company"], outcome["erp_key"])
                record = row.model.model_validate(json.loads(outcome["work"])["record"], strict=False)
                found.setdefault(key, record.model_copy(update={"company": key[0], "id": key[1]}))
        return found

    def reopened(self) -> set[str]:
        """Procore ids of projects that this run makes active: they were read before its own first stage wrote them."""
        return {
            outcome["procore_id"]
            for outcome in self.ledger.outcomes(self.run.run_id, "projects")
            if outcome["state"] == "linked" and outcome["action"] == "update" and outcome["procore_id"] and outcome["work"]
            if (work := json.loads(outcome["work"])) and "active" in work["changes"]
            if getattr(ENTITIES["projects"].model.model_validate(work["record"], strict=False), "active", False)
            if outcome["done"] or self.run.plan
        }

    # -- links ----------------------------------------------------------------------------------------------------------------

    def links(self, entity: str) -> LinkIndex:
        """The ledger's links, then this run's own findings (an adoption planned, a record that will be created)."""
        # The plan first: a load that is under way turns planned links into real ones, and one must be seen as either.
        planned = self.ledger.planned_links(self.run.run_id, entity)
        return self._index(entity, [*self.ledger.links(entity, contents=False), *planned])

    def fresh_links(self, entity: str, *, contents: bool = True) -> LinkIndex:
        """Only what is confirmed: what a load may build on. ``contents``: with what both sides agreed on last."""
        return self._index(entity, self.ledger.links(entity, contents=contents))

    def _index(self, entity: str, links: Sequence[Link]) -> LinkIndex:
        if entity == VENDORS:
            return LinkIndex.of(links, self.mergers)
        if FIELDS.get(entity) and any(link.content for link in links) and self.mergers:
            links = [replace(link, content=self.mergers.content(entity, link.company, link.content)) for link in links]
        return LinkIndex.of(links)


class References:
    """Translates a Procore record into ERP keys, the language in which both sides are compared."""

    def __init__(self, sync: Sync, row: Entity) -> None:
        self.index = {name: sync.links(name) for name in set(row.references.values())}
        self.row = row

    def link(self, entity: str, procore_id: str | None) -> Link | None:
        return self.index[entity].erp(procore_id)

    def key(self, entity: str, procore_id: str | None) -> str | None:
        found = self.link(entity, procore_id)
        return self.index[entity].mergers.key(found.company, found.erp_key) if found else None

    def unknown(self, procore: Record, erp: Record, company: str) -> dict[str, tuple[str, str, str | None]]:
        """References of a Procore record that cannot be compared with its counterpart's, because neither end is linked yet:
        content field (``vendor``, ``lines/3/cost_code``) -> (entity, Procore id, ERP key). An id whose counterpart names a linked
        record is known to be another one: that is a difference."""
        found: dict[str, tuple[str, str, str | None]] = {}

        def look(path: str, entity: str, ident: str | None, key: str | None) -> None:
            if ident is None or self.key(entity, ident) is not None:
                return
            known = self.index[entity].find(company, key) if key is not None else None
            if known is None or known.erp_key != key:  # one merged into it is linked: the surviving one may still be this
                found[path] = (entity, ident, key)

        for name, entity in self.row.references.items():
            if entity == self.row.name:
                continue  # a parent of the same list is judged beside it
            head, _, rest = name.partition(".")
            value = getattr(procore, head)
            if head == "items":  # what they bill posts on lines of a change order that is not known
                for item in value:
                    look("lines", entity, getattr(item, rest), None)
            elif rest:
                others = {line.key: line for line in getattr(erp, head, ())}
                for line in value:
                    look(f"{head}/{line.key}/{rest}", entity, getattr(line, rest), getattr(others.get(line.key), rest, None))
            elif not isinstance(value, tuple):
                look(head, entity, value, getattr(erp, head, None))
        if self.row.numbered_in and any(name in found for name in self.row.numbered_in):
            found["number"] = next(found[name] for name in self.row.numbered_in if name in found)
        return found

    def translated(self, record: Record) -> Record:
        """The record with every reference as an ERP key; one that is not linked becomes None (a required one stays as it is)."""
        changed: dict[str, Any] = {}
        for name, entity in self.row.references.items():
            head, _, rest = name.partition(".")
            if rest:
                lines = changed.get(head, getattr(record, head))
                changed[head] = tuple(line.model_copy(update={rest: self.key(entity, getattr(line, rest))}) for line in lines)
            elif isinstance(value := getattr(record, head), tuple):
                changed[head] = tuple(sorted(key for key in (self.key(entity, item) for item in value) if key))
            else:
                changed[head] = self.key(entity, value)
        changed |= {name: getattr(record, name) for name in _KEPT if name in changed and changed[name] is None}
        return record.model_copy(update=changed)


def headers(codes: Sequence[CostCode]) -> dict[str, list[str]]:
    """Children of each code, by parent id: what a person may choose instead of a header."""
    children: dict[str, list[str]] = {}
    for code in codes:
        if code.parent:
            children.setdefault(code.parent, []).append(code.number)
    return children
