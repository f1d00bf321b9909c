"""A pair of systems in memory that keeps the port's promises, and can be told to break down at any call.

Every ``create`` that reaches a system makes a record, whatever is there already: a record sent twice exists twice.
"""

from __future__ import annotations

import copy
import itertools
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import event
from upath import UPath

from include.financials import checks, engine, extract, gate, reconciliation, report
from include.financials.entities import ENTITIES
from include.financials.exceptions import OutcomeUnknown, Refused, RetryLater
from include.financials.identity import content, marker
from include.financials.ledger import Ledger
from include.financials.models import Commitment, CostCode, CostType, Customer, Line, Project, Record, Side, Vendor
from include.financials.port import Action, Capability, Health, Item, Outcome, Page, Step, Window
from include.financials.run import Kind, open_run
from include.financials.settings import EntitySettings, Settings
from include.financials.view import Sync

START = datetime(2026, 9, 30, 18, tzinfo=UTC)
ONLY: dict[str, Any] = {"entities": ["commitments"]}
"""Parameters of a run whose masters are in step already."""
PROCORE_COMPANY = "8089"
NAMESPACE = "sandbox"
_COMPILED: dict[Any, Any] = {}
"""Statements are compiled once for all the ledgers of a session."""
FULL = Capability(create=True, update=True, link=True, void=True)


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass
class Clock:
    now: datetime = START

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Memory:
    """What both fakes share: records, faults, and a log of what was asked (``calls``) and applied (``applied``)."""

    side: Side
    clock: Clock
    records: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in ENTITIES})
    page_size: int = 2
    capability: Mapping[str, Capability] = field(default_factory=lambda: dict.fromkeys(ENTITIES, FULL))
    calls: list[str] = field(default_factory=list)
    applied: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    faults: dict[int, str] = field(default_factory=dict)
    """Position in ``calls`` -> before | after | crash_before | crash_after | later | refused."""
    failing: dict[str, str] = field(default_factory=dict)
    """What is asked -> the same, each time."""
    refuse: dict[str, str] = field(default_factory=dict)
    """Number -> sentence."""
    locked: set[str] = field(default_factory=set)
    steps_of: dict[tuple[str, Action], tuple[Step, ...]] = field(default_factory=dict)

    # -- the port -------------------------------------------------------------------------------------------------------------

    def check(self) -> Health:
        return Health(f"a fake {self.side}", "1", self.clock.now)

    def capabilities(self) -> Mapping[str, Capability]:
        return self.capability

    def now(self) -> datetime:
        return self.clock.now

    def read(
        self,
        entity: str,
        *,
        window: Window | None = None,
        scopes: Sequence[str] | None = None,
        cursor: dict[str, Any] | None = None,
        also: Any = None,
    ) -> Iterator[Page]:
        window = window or Window()
        found = [r for r in self.records[entity] if scopes is None or (getattr(r, "project", None) or "") in scopes]
        found = [r for r in found if window.covers(r.updated_at) or (also is not None and also(_header(r)))]
        start = int((cursor or {}).get("start", 0))
        while True:
            fault = self._called(f"read {entity}")
            self._break(fault, "before")
            page = found[start : start + self.page_size]
            start += self.page_size
            more = start < len(found)
            self._break(fault, "after")
            yield Page(page, cursor={"start": start} if more else None)
            if not more:
                return

    def read_ids(self, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        fault = self._called(f"read_ids {entity}")
        self._break(fault, "before")
        self._break(fault, "after")
        wanted = {ident for _, ident in ids}
        yield Page([r for r in self.records[entity] if r.id in wanted])

    def keys(self, entity: str, scopes: Sequence[str] | None = None) -> Iterator[str]:
        yield from (record.id for record in self.records[entity])

    def steps(self, entity: str, action: Action) -> tuple[Step, ...]:
        return self.steps_of.get((entity, action), ())

    def wants(self, step: Step, item: Item) -> bool:
        return True

    def scope(self, step: Step, item: Item) -> str:
        return item.refs.get("project") or "" if self.side == "procore" else item.company

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        fault = self._called(f"find {step.entity} {step.name}")
        self._break(fault, "before")
        self._break(fault, "after")
        return [self._found(step, item) for item in items]

    def post(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        fault = self._called(f"post {step.entity} {step.name}")
        assert len(items) <= step.batch
        self._break(fault, "before")
        outcomes = [self._one(step, item) for item in items]
        self._break(fault, "after")
        return outcomes

    # -- faults ---------------------------------------------------------------------------------------------------------------

    def _called(self, what: str) -> str | None:
        self.calls.append(what)
        return self.faults.get(len(self.calls) - 1) or self.failing.get(what)

    def _break(self, fault: str | None, when: str) -> None:
        if fault == f"crash_{when}":
            raise Crash
        if fault == when:
            raise OutcomeUnknown(f"connection lost {when} the effect")
        if when == "before" and fault == "later":
            raise RetryLater("try again later", 1.0)
        if when == "before" and fault == "refused":
            raise Refused("the whole call is refused")

    def _one(self, step: Step, item: Item) -> Outcome:
        if item.number in self.locked:
            return Outcome(item.intent, "rejected", message="the record is locked", locked=True)
        if item.number in self.refuse:
            return Outcome(item.intent, "rejected", message=self.refuse[item.number])
        self.applied[step.entity, step.name, item.number] += 1
        return self._apply(step, item)

    def _apply(self, step: Step, item: Item) -> Outcome:
        raise NotImplementedError

    def _found(self, step: Step, item: Item) -> Outcome:
        raise NotImplementedError

    # -- records --------------------------------------------------------------------------------------------------------------

    def put(self, record: Record) -> Record:
        """Add a record, or put it in the place of the one with its id; stamped with the present time."""
        stamped = record.model_copy(update={"updated_at": self.clock.tick()})
        group = self.records[type(record).entity]
        for at, known in enumerate(group):
            if (known.company, known.id) == (record.company, record.id):
                group[at] = stamped
                return stamped
        group.append(stamped)
        return stamped

    def get(self, entity: str, **wanted: Any) -> Record:
        found = self.all(entity, **wanted)
        assert len(found) == 1, f"{len(found)} {entity} with {wanted}"
        return found[0]

    def all(self, entity: str, **wanted: Any) -> list[Record]:
        return [r for r in self.records[entity] if all(getattr(r, name) == value for name, value in wanted.items())]

    def change(self, entity: str, number: str, **changes: Any) -> Record:
        return self.put(self.get(entity, number=number).model_copy(update=changes))


def _header(record: Record) -> Any:
    return SimpleNamespace(id=record.id, deleted=record.deleted, grand_total=getattr(record, "amount", None))


class FakeErp(Memory):
    def __init__(self, clock: Clock) -> None:
        super().__init__("erp", clock)
        self.steps_of = {
            ("commitments", "create"): (Step("erp", "commitments", "create", batch=2),),
            ("commitments", "update"): (Step("erp", "commitments", "update", batch=2),),
        }

    def _apply(self, step: Step, item: Item) -> Outcome:
        if step.name == "create":
            same = marker(PROCORE_COMPANY, step.entity, item.procore_id or "")
            if any(r.number == item.number and r.company == item.company and r.marker != same for r in self.records[step.entity]):
                return Outcome(item.intent, "rejected", message=f"number {item.number} is taken")
            made = item.record.model_copy(
                update={
                    "id": item.number,
                    "company": item.company,
                    "marker": same,
                    "origin_id": None,
                    "origin_data": None,
                    "status": "open",
                }
            )
            self.records[step.entity].append(made.model_copy(update={"updated_at": self.clock.tick()}))
            return Outcome(item.intent, "confirmed", id=item.number, record=self.records[step.entity][-1])
        known = self.get(step.entity, id=item.erp_key)
        changed = self.put(known.model_copy(update={name: getattr(item.record, name) for name in item.changes}))
        return Outcome(item.intent, "confirmed", id=changed.id, record=changed)

    def _found(self, step: Step, item: Item) -> Outcome:
        if step.name == "create":
            found = self.all(step.entity, marker=marker(PROCORE_COMPANY, step.entity, item.procore_id or ""))
        else:
            found = [
                r
                for r in self.all(step.entity, id=item.erp_key)
                if content(r, item.changes) == content(item.record, item.changes)
            ]
        return Outcome(item.intent, "confirmed", id=found[0].id, record=found[0]) if found else Outcome(item.intent, "absent")


class FakeProcore(Memory):
    def __init__(self, clock: Clock) -> None:
        super().__init__("procore", clock)
        self.ids = itertools.count(2**53 + 1)
        for entity in ("vendors", "customers", "cost_types"):
            for action in ("create", "update"):
                self.steps_of[entity, action] = (Step("procore", entity, action),)  # type: ignore[index]
        self.steps_of["projects", "create"] = (
            Step("procore", "projects", "create"),
            Step("procore", "projects", "origin_code", batch=1),
        )
        self.steps_of["projects", "update"] = (Step("procore", "projects", "update"),)
        wbs = Step("procore", "cost_codes", "wbs")
        self.steps_of["cost_codes", "create"] = (Step("procore", "cost_codes", "create", levels=True), wbs)
        self.steps_of["cost_codes", "update"] = (Step("procore", "cost_codes", "update"), wbs)
        for entity in ENTITIES:
            self.steps_of[entity, "link"] = (Step("procore", entity, "link"),)

    def _apply(self, step: Step, item: Item) -> Outcome:
        if step.name == "create":
            made = self._own(item.record, item).model_copy(
                update={"id": str(next(self.ids)), "company": None, "origin_id": item.origin_id, "updated_at": self.clock.tick()}
            )
            if isinstance(made, CostCode):
                assert item.record.parent is None or item.refs["parent"], "a child before its parent"  # type: ignore[attr-defined]
                made = made.model_copy(update={"cost_types": ()})
            self.records[step.entity].append(made)
            return Outcome(item.intent, "confirmed", id=made.id, record=None if isinstance(made, CostCode) else made)
        known = self.get(step.entity, id=item.procore_id)
        if step.name == "origin_code":
            changes: dict[str, Any] = {"origin_code": item.number}
        elif step.name == "wbs":
            changes = {"cost_types": tuple(sorted({*known.cost_types, *self._types(item)}))}  # type: ignore[attr-defined]
        elif step.name == "link":
            changes = {"origin_id": item.origin_id, "origin_data": item.origin_data}
        else:
            own = self._own(item.record, item)
            changes = {name: getattr(own, name) for name in item.changes if name != "cost_types"} | {"origin_id": item.origin_id}
        changed = self.put(known.model_copy(update=changes))
        return Outcome(
            item.intent,
            "confirmed",
            id=changed.id,
            record=None if step.entity == "cost_codes" else changed,
            updated_at=changed.updated_at,
        )

    def _found(self, step: Step, item: Item) -> Outcome:
        if step.name == "create":
            found = self.all(step.entity, origin_id=item.origin_id)
        else:
            found = [r for r in self.all(step.entity, id=item.procore_id) if self._there(step, item, r)]
        return Outcome(item.intent, "confirmed", id=found[0].id) if found else Outcome(item.intent, "absent")

    def _there(self, step: Step, item: Item, record: Record) -> bool:
        if step.name == "origin_code":
            return record.origin_code == item.number
        if step.name == "wbs":
            return set(self._types(item)) <= set(record.cost_types)  # type: ignore[attr-defined]
        if step.name == "update":
            names = [name for name in item.changes if name != "cost_types"]
            return content(record, names) == content(self._own(item.record, item), names) and record.origin_id == item.origin_id
        return record.origin_id == item.origin_id

    @staticmethod
    def _types(item: Item) -> list[str]:
        return [ident for name, ident in item.refs.items() if name.startswith("type:") and ident]

    @staticmethod
    def _own(record: Record, item: Item) -> Record:
        """In Procore's own ids."""
        changes = {name: item.refs.get(name) for name in ("project", "parent") if getattr(record, name, None) is not None}
        return record.model_copy(update=changes)


@dataclass
class World:
    folder: Path
    clock: Clock = field(default_factory=Clock)
    erp: FakeErp = field(init=False)
    procore: FakeProcore = field(init=False)
    settings: Settings = field(default_factory=lambda: make_settings())
    runs: int = 0

    def __post_init__(self) -> None:
        self.erp, self.procore = FakeErp(self.clock), FakeProcore(self.clock)
        self.ledger = Ledger(f"sqlite:///{self.folder}/ledger.sqlite")
        # No test pulls the plug: waiting for the disk at each commit would only cost time.
        event.listen(self.ledger.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.ledger.migrate()
        self.ledger.engine = self.ledger.engine.execution_options(compiled_cache=_COMPILED)

    def fork(self, folder: Path) -> World:
        """A copy that goes its own way from here."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("staging"))
        twin = World(folder, copy.deepcopy(self.clock), settings=self.settings, runs=self.runs)
        for mine, other in ((twin.erp, self.erp), (twin.procore, self.procore)):
            mine.records = {name: list(group) for name, group in other.records.items()}
        twin.procore.ids = itertools.count(next(self.procore.ids) + 1000)
        return twin

    def close(self) -> None:
        self.ledger.close()

    def sync(self, run_id: str | None = None, *, kind: Kind = "manual", params: Mapping[str, Any] | None = None) -> Sync:
        """The sync of a new run, or (with the id of one) of a later try of the same run."""
        if run_id is None:
            self.runs += 1
            run_id = f"run-{self.runs}"
        run = open_run(self.ledger, self.settings, run_id=run_id, kind=kind, source_now=self.clock.tick(), params=params)
        systems: dict[Side, Any] = {"procore": self.procore, "erp": self.erp}
        return Sync(run, self.ledger, self.settings, systems, UPath(self.folder / "staging"), PROCORE_COMPANY, NAMESPACE)

    def run(self, run_id: str | None = None, **options: Any) -> Sync:
        """One whole run without Airflow; the gate's rules are judged in plain Python."""
        sync = self.sync(run_id, **options)
        for name in sync.run.entities:
            self.stage(sync, name)
        report.keep(sync, "reconciliation", reconciliation.reconcile(sync).as_dict())
        return sync

    def stage(self, sync: Sync, name: str) -> None:
        row = ENTITIES[name]
        shards = range(sync.run.shards if row.project_scoped else 1)
        for shard in shards:
            extract.extract(sync, name, shard)
        checks.check(sync, name, shards)
        if row.gate:
            opening = gate.verdict(sync.ledger.outcomes(sync.run.run_id, name), sync.settings.gate)
            if not opening.passed:
                gate.close(sync, name, opening)
                for shard in shards:
                    engine.load(sync, name, shard, write=False)
                return
        for shard in shards:
            engine.load(sync, name, shard)

    def states(self, sync: Sync, entity: str) -> dict[str, tuple[str, str]]:
        """Number -> (count of the report, rule)."""
        rows = self.ledger.outcomes(sync.run.run_id, entity)
        return {row["number"]: (report.count_of(row, sync.run.plan), row["rule"] or "") for row in rows}

    def counts(self, sync: Sync) -> Counter[str]:
        return Counter(report.count_of(row, sync.run.plan) for row in self.ledger.outcomes(sync.run.run_id))

    def writes(self) -> int:
        return sum(self.procore.applied.values()) + sum(self.erp.applied.values())


def make_settings(**changes: Any) -> Settings:
    entities = {name: EntitySettings(writes="on") for name in ENTITIES}
    eligible: dict[str, tuple[str, ...]] = {"subcontract": ("Approved", "Complete"), "purchase_order": ("Approved",)}
    entities["commitments"] = EntitySettings(writes="on", eligible=eligible)
    plain: dict[str, Any] = {"entities": entities, "cost_type_codes": {"1": "L", "3": "C"}}
    return Settings(**(plain | changes))


# -- records in ERP keys --


def vendor(number: str = "V-1", **changes: Any) -> Vendor:
    return Vendor(**({"id": number, "company": "G1", "number": number, "name": f"Vendor {number}", "code": number} | changes))


def customer(number: str = "C-1", **changes: Any) -> Customer:
    return Customer(**({"id": number, "company": "01", "number": number, "name": f"Owner {number}", "code": number} | changes))


def project(number: str = "25-104", **changes: Any) -> Project:
    return Project(**({"id": number, "company": "01", "number": number, "name": f"Job {number}", "currency": "USD"} | changes))


def cost_type(number: str = "3", **changes: Any) -> CostType:
    return CostType(
        **({"id": number, "company": "G1", "number": number, "name": f"Type {number}", "base_type": "subcontract"} | changes)
    )


def cost_code(number: str, job: str = "25-104", **changes: Any) -> CostCode:
    plain = {
        "id": f"{job}//{number}",
        "company": "01",
        "number": number,
        "code": number,
        "name": f"Code {number}",
        "project": job,
    }
    return CostCode(**(plain | {"cost_types": ("3",)} | changes))


def line(
    position: int = 1, amount: str = "100.00", code: str = "25-104//03-3000", kind: str = "3", **changes: Any
) -> Line:
    plain = {"id": f"L{position}", "position": position, "cost_code": code, "cost_type": kind, "amount": Decimal(amount)}
    return Line(**(plain | changes))


def commitment(number: str = "SC-1", **changes: Any) -> Commitment:
    lines = changes.pop("lines", (line(),))
    plain: dict[str, Any] = {
        "id": number,
        "number": number,
        "kind": "subcontract",
        "project": "25-104",
        "vendor": "V-1",
        "title": "Steel",
        "status": "Approved",
        "currency": "USD",
        "executed": True,
        "lines": lines,
        "amount": sum((one.amount for one in lines), Decimal("0.00")),
    }
    return Commitment(**(plain | changes))


def seed_masters(world: World) -> None:
    """A vendor, a job, a cost type and a division with a code under it, in the ERP."""
    for record in (vendor(), project(), cost_type()):
        world.erp.put(record)
    world.erp.put(cost_code("03", is_header=True, cost_types=()))
    world.erp.put(cost_code("03-3000", parent="25-104//03", level=1))


def draft(world: World, number: str = "SC-1", **changes: Any) -> Commitment:
    """A commitment as people made it in Procore: its references are Procore's ids (masters must be linked already)."""
    lines = changes.pop("lines", (line(),))
    links = {name: {link.erp_key: link.procore_id for link in world.ledger.links(name)} for name in ENTITIES}
    own = tuple(
        one.model_copy(
            update={
                "cost_code": links["cost_codes"].get(one.cost_code, one.cost_code),
                "cost_type": links["cost_types"].get(one.cost_type, one.cost_type),
            }
        )
        for one in lines
    )
    references = {"project": changes.pop("project", "25-104"), "vendor": changes.pop("vendor", "V-1")}
    references = {name: links[f"{name}s"].get(key, key) for name, key in references.items()}
    return world.procore.put(commitment(number, id=str(2**40 + sum(map(ord, number))), lines=own, **references, **changes))  # type: ignore[return-value]
