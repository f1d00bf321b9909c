"""A pair of systems in memory that keeps the port's promises, and can be told to break down at any call.

Every ``create`` that reaches a system makes a record, whatever is there already: a record sent twice exists twice.
"""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import event
from upath import UPath

from include.financials import checks, gate, reconciliation, report
from include.financials.billing import BillingItem, Invoice, totals
from include.financials.entities import ENTITIES
from include.financials.entities.budgets import AdjustmentLine, Budget, BudgetChange, BudgetLine
from include.financials.entities.changes import ChangeEvent, ChangeLine, ChangeOrder, CommitmentChangeOrder, PrimeChangeOrder
from include.financials.entities.codes import CostCode, CostType
from include.financials.entities.commitments import Commitment
from include.financials.entities.costs import DirectCost
from include.financials.entities.directory import Customer, User, Vendor, VendorInsurance
from include.financials.entities.invoices import OwnerInvoice, Period, SubcontractorInvoice
from include.financials.entities.jobs import Project, SubJob, TaxCode
from include.financials.entities.payments import PaymentIssued, PaymentReceived
from include.financials.entities.primes import PrimeContract
from include.financials.exceptions import OutcomeUnknown, Refused, RetryLater
from include.financials.identity import content, marker
from include.financials.ledger import Ledger
from include.financials.money import ZERO
from include.financials.port import (
    NO_ID,
    Action,
    Beat,
    Capability,
    Header,
    Health,
    Invalid,
    Item,
    Outcome,
    Page,
    Step,
    Window,
    idle,
)
from include.financials.reading import extract
from include.financials.record import Line, Record, Side, contract_of
from include.financials.run import Kind, open_run
from include.financials.settings import EntitySettings, Settings
from include.financials.systems import Systems
from include.financials.view import Sync
from include.financials.writing import engine
from include.procore.areas import STEPS

START = datetime(2026, 9, 30, 18, tzinfo=UTC)
ONLY: dict[str, Any] = {"entities": ["commitments"]}
"""Parameters of a run whose masters are in step already."""
PROCORE_COMPANY = "8089"
NAMESPACE = "sandbox"
FULL = Capability(create=True, update=True, link=True, void=True)
CREATES = ("create", "header", "payment")
"""Steps that make a record; every other step may be repeated."""


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
    records: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in (*ENTITIES, "periods")})
    page_size: int = 2
    capability: Mapping[str, Capability] = field(default_factory=lambda: dict.fromkeys(ENTITIES, FULL))
    calls: list[str] = field(default_factory=list)
    applied: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By (entity, step, number)."""
    made: Counter[str] = field(default_factory=Counter)
    """How often a step that makes a record was applied, by external id."""
    faults: dict[int, str] = field(default_factory=dict)
    """Position in ``calls`` -> before | after | crash_before | crash_after | later | refused."""
    failing: dict[str, str] = field(default_factory=dict)
    """What is asked -> the same, each time."""
    refuse: dict[str, str] = field(default_factory=dict)
    """Number -> sentence."""
    locked: set[str] = field(default_factory=set)
    garbled: dict[tuple[str, str], str] = field(default_factory=dict)
    """(entity, id) -> the field that cannot be read any more."""
    missed: set[tuple[str, str]] = field(default_factory=set)
    """(entity, id) that no list shows although the record is there."""
    hidden: set[tuple[str, str]] = field(default_factory=set)
    """(entity, id) that neither a list nor a read by id shows."""
    closed: set[tuple[str, str]] = field(default_factory=set)
    """(entity, project) whose list is refused to us."""
    steps_of: dict[tuple[str, Action], tuple[Step, ...]] = field(default_factory=dict)

    # -- the port -------------------------------------------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        return NAMESPACE if self.side == "erp" else f"procore:{PROCORE_COMPANY}"

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
        there = [r for r in self.records[entity] if (entity, r.id) not in self.missed | self.hidden]
        shut = {project for name, project in self.closed if name == entity and project in (scopes or ())}
        there = [r for r in there if getattr(r, "project", None) not in shut]
        found = [self.shown(r) for r in there if scopes is None or (getattr(r, "project", None) or "") in scopes]
        found = [
            r for r in found if window.covers(r.updated_at) or (self.lists(entity) and also is not None and also(_header(r)))
        ]
        start = int((cursor or {}).get("start", 0))
        while True:
            fault = self._called(f"read {entity}")
            self._break(fault, "before")
            page = found[start : start + self.page_size]
            start += self.page_size
            more = start < len(found)
            self._break(fault, "after")
            shown = self._page(page, cursor={"start": start} if more else None)
            refused = "its list cannot be read: refused"
            shown.invalid += [Invalid(entity, one, one, "project", refused, one, shown={"project": one}) for one in shut]
            shut = set()
            yield shown
            if not more:
                return

    def read_ids(self, entity: str, ids: Sequence[tuple[str | None, str]]) -> Iterator[Page]:
        fault = self._called(f"read_ids {entity}")
        self._break(fault, "before")
        self._break(fault, "after")
        wanted = {ident for _, ident in ids}
        hidden = {ident for name, ident in self.hidden if name == entity} & wanted
        page = self._page([self.shown(r) for r in self.records[entity] if r.id in wanted - hidden])
        page.hidden = sorted(hidden)
        yield page

    def _page(self, records: Sequence[Record], cursor: dict[str, Any] | None = None) -> Page:
        page = Page([], cursor=cursor)
        for record in records:
            lost = self.garbled.get((record.entity, record.id))
            if lost is None:
                page.records.append(record)
            else:
                page.invalid.append(self._invalid(record, lost))
        return page

    @staticmethod
    def _invalid(record: Record, lost: str) -> Invalid:
        """The record as its row shows it, but for one field. A total follows from its lines."""
        shown = {
            name: None if value in (None, "") else str(value)
            for name, value in record
            if not isinstance(value, tuple) and name not in (lost, "amount" if lost.startswith("lines") else "")
        }
        scope = getattr(record, "project", None)
        ident = f"{NO_ID}{record.number}" if lost == "id" else record.id
        return Invalid(
            record.entity, ident, record.number, lost, "is no plain number", scope, company=record.company, shown=shown
        )

    def keys(self, entity: str, scopes: Sequence[str] | None = None) -> Iterator[str]:
        self._called(f"keys {entity}")
        lost = self.missed | self.hidden
        there = [r for r in self.records[entity] if (entity, r.id) not in lost and not r.deleted]
        yield from (r.id for r in there if scopes is None or (getattr(r, "project", None) or "") in scopes)

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

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        beat()
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
        self.made[item.origin_id] += step.name in CREATES
        return self._apply(step, item)

    def _apply(self, step: Step, item: Item) -> Outcome:
        raise NotImplementedError

    def _found(self, step: Step, item: Item) -> Outcome:
        raise NotImplementedError

    # -- records --------------------------------------------------------------------------------------------------------------

    def lists(self, entity: str) -> bool:
        """Whether a read looks through headers outside its window, too."""
        return False

    def shown(self, record: Record) -> Record:
        """A record with the figures that the side derives and never stores."""
        return record

    def changes_of(self, contract: Record, counting: str) -> Decimal:
        """Sum of a contract's change orders that have one status."""
        name = "commitment_change_orders" if isinstance(contract, Commitment) else "prime_change_orders"
        of_it = (r for r in self.records[name] if isinstance(r, ChangeOrder) and contract_of(r) == contract.id)
        return sum((r.amount for r in of_it if r.status == counting and not r.deleted), ZERO)

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


def _header(record: Record) -> Header:
    plain = {name: getattr(record, name) for name in ("id", "number", "updated_at", "origin_id", "deleted")}
    # The gross of an invoice is in no list, it follows from its items.
    amount = None if isinstance(record, Invoice) else getattr(record, "amount", None)
    return Header(**plain, scope=getattr(record, "project", None) or "", status=getattr(record, "status", None), amount=amount)


class FakeErp(Memory):
    STATUS: Mapping[str, str] = {
        "budget_changes": "posted",
        "commitments": "open",
        "commitment_change_orders": "posted",
        "subcontractor_invoices": "unposted",
        "prime_change_orders": "posted",
        "owner_invoices": "unposted",
    }
    NOT_KEPT: Mapping[str, Any] = {
        "items": (), "previous": None, "completed": None, "retainage": None, "certified": None, "due_stated": None,
        "contract_sum": None, "locked": None, "origin_id": None, "origin_data": None,
    }  # fmt: skip
    """What Procore's documents tell and an ERP has no place for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("erp", clock)
        self.capability = {name: FULL for name, row in ENTITIES.items() if not row.read_only}
        self.staging: set[str] = set()
        """Entities whose new documents wait for a clerk."""
        self.staged: list[Record] = []
        """What waits: in no list, found by its marker alone."""
        self.approving: set[str] = set()
        """Entities whose changes wait for an approval."""
        self.pending: list[Record] = []
        self.declined: dict[str, str] = {}
        """Number of a document that waited -> why the clerk refused it."""
        self.torn: dict[str, str] = {}
        """Number of a document that waited -> answers about it that do not agree."""
        self.distorted: set[str] = set()
        """Numbers of documents that are kept otherwise than they were sent, and told so."""
        for name, row in ENTITIES.items():
            if (row.target == "erp" and not row.read_only) or row.two_way:
                self.steps_of[name, "create"] = (Step("erp", name, "create", batch=2),)
        self.steps_of["commitments", "update"] = (Step("erp", "commitments", "update", batch=2),)
        self.records["periods"] = [
            *(period(module, month, "closed") for module in ("AP", "AR") for month in (5, 6)),
            *(period(module, month, "open") for module in ("AP", "AR") for month in (7, 8, 9)),
            *(period(module, month, "future") for module in ("AP", "AR") for month in (10,)),
        ]

    def shown(self, record: Record) -> Record:
        if isinstance(record, Commitment | PrimeContract):
            return record.model_copy(update={"approved_changes": self.changes_of(record, "posted")})
        if isinstance(record, Budget):
            return record.model_copy(update={"owner": "procore" if record.marker else "erp"})
        return record

    def _apply(self, step: Step, item: Item) -> Outcome:
        if step.name == "create":
            return self._create(step, item)
        known = self.get(step.entity, id=item.erp_key)
        wanted = known.model_copy(update={name: getattr(item.record, name) for name in item.changes})
        if step.entity in self.approving:
            self.pending.append(wanted)
            return Outcome(item.intent, "accepted", id="approval 3")
        changed = self.put(wanted)
        return Outcome(item.intent, "confirmed", id=changed.id, record=changed)

    def _create(self, step: Step, item: Item) -> Outcome:
        same = marker(f"procore:{PROCORE_COMPANY}", step.entity, item.procore_id or "")
        key = item.record.natural_key
        if any(r.id == key and r.company == item.company and r.marker != same for r in self.records[step.entity]):
            return Outcome(item.intent, "rejected", message=f"number {item.number} is taken")
        self._in_order(item)
        fields = type(item.record).model_fields
        kept = {name: value for name, value in self.NOT_KEPT.items() if name in fields}
        status = {"status": self.STATUS[step.entity]} if step.entity in self.STATUS else {}
        made = item.record.model_copy(update={**kept, **status, "id": key, "company": item.company, "marker": same})
        if step.entity in self.staging:
            self.staged.append(made)
            return Outcome(item.intent, "accepted", id="batch 7")
        if item.number in self.distorted:
            self.records[step.entity].append(made.model_copy(update={"updated_at": self.clock.tick(), "title": "cut"}))
            told = f"{item.number}: title was sent as {made.title!r}, and the ERP stored 'cut'"  # type: ignore[attr-defined]
            return Outcome(item.intent, "confirmed", id=key, record=self.records[step.entity][-1], message=told, field="title")
        self.records[step.entity].append(made.model_copy(update={"updated_at": self.clock.tick()}))
        return Outcome(item.intent, "confirmed", id=key, record=self.shown(self.records[step.entity][-1]))

    def clerk(self, *, posts: bool = True) -> None:
        """Everything that waits is posted; or thrown away, and nobody says so."""
        waiting, self.staged, self.pending = [*self.staged, *self.pending], [], []
        for record in waiting if posts else ():
            self.put(record)

    def _in_order(self, item: Item) -> None:
        """A document of a contract comes after its contract, an invoice after the one before it, a budget change after the
        budget: what the engine must see to."""
        record: Any = item.record
        if (contract := contract_of(record)) is not None:
            self.get("commitments" if hasattr(record, "commitment") else "prime_contracts", id=contract)
        if isinstance(record, Invoice):
            there: list[Any] = [r for r in self.records[record.entity] if contract_of(r) == contract]
            late = [r.number for r in there if r.sequence > record.sequence and r.id != record.natural_key]
            assert not late, f"{record.number} comes after {late}"
        if isinstance(record, BudgetChange):
            self.get("budgets", id=record.project)

    def _found(self, step: Step, item: Item) -> Outcome:
        if step.name == "create":
            same = marker(f"procore:{PROCORE_COMPANY}", step.entity, item.procore_id or "")
            found = self.all(step.entity, marker=same)
            if not found and item.number in self.declined and item.handed is not None:
                return Outcome(item.intent, "rejected", message=self.declined[item.number])
            if not found and item.number in self.torn and item.handed is not None:
                return Outcome(item.intent, "accepted", item.handed, message=self.torn[item.number], field="status")
            if not found and any(one.marker == same for one in self.staged):
                return Outcome(item.intent, "accepted", id="batch 7")
        else:
            found = [
                r
                for r in self.all(step.entity, id=item.erp_key)
                if content(r, item.changes) == content(item.record, item.changes)
            ]
            if not found and any(one.id == item.erp_key for one in self.pending):
                return Outcome(item.intent, "accepted", id="approval 3")
        return Outcome(item.intent, "confirmed", id=found[0].id, record=found[0]) if found else Outcome(item.intent, "absent")


class FakeProcore(Memory):
    """Takes the steps of the real one, each with the effect that the real one has."""

    NOT_KEPT: Mapping[str, Any] = {
        "commitment": None, "reverses": None, "posting_date": None, "method": None, "discount": ZERO, "invoice": None,
        "approved_changes": ZERO, "payments": ZERO,
    }  # fmt: skip
    """What a direct cost, a prime contract and a receipt tell in the ERP, and cannot tell in Procore."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("procore", clock)
        self.capability = {name: replace(FULL, lists_all=ENTITIES[name].document and self.lists(name)) for name in ENTITIES}
        self.ids = itertools.count(2**53 + 1)
        self.steps_of = dict(STEPS)

    def lists(self, entity: str) -> bool:
        """Documents, but for requisitions: theirs is the one heavy list."""
        return ENTITIES[entity].document and entity != "subcontractor_invoices"

    def shown(self, record: Record) -> Record:
        if isinstance(record, Commitment | PrimeContract):
            return record.model_copy(update={"approved_changes": self.changes_of(record, "approved")})
        if isinstance(record, Budget):
            projects = self.all("projects", id=record.project)
            data = projects[0].origin_data if projects else None
            return record.model_copy(update={"owner": json.loads(data or "{}").get("budget_owner")})
        return record

    def _apply(self, step: Step, item: Item) -> Outcome:
        if step.entity == "budgets":
            return self._budget(step, item)
        if step.name in CREATES:
            return self._create(step, item)
        known = self.get(step.entity, id=item.procore_id)
        changed = self.put(known.model_copy(update=self._changes(step, item, known)))
        whole = step.entity != "cost_codes" and not ENTITIES[step.entity].document
        return Outcome(item.intent, "confirmed", id=changed.id, record=changed if whole else None, updated_at=changed.updated_at)

    def _create(self, step: Step, item: Item) -> Outcome:
        changes: dict[str, Any] = {"id": str(next(self.ids)), "company": None, "origin_data": item.origin_data}
        changes["origin_id"] = None if step.name == "header" else item.origin_id
        made = self._own(item.record, item)
        if step.name == "header":
            changes |= {"lines": (), "amount": ZERO}
        if isinstance(made, DirectCost | PrimeContract | PaymentReceived):
            changes |= {name: value for name, value in self.NOT_KEPT.items() if name in type(made).model_fields}
        if isinstance(made, PaymentIssued):
            changes |= {"method": None, "discount": ZERO}
        if isinstance(made, PrimeContract):
            changes["status"] = "Approved"
        if isinstance(made, CostCode):
            assert item.record.parent is None or item.refs["parent"], "a child before its parent"  # type: ignore[attr-defined]
            changes["cost_types"] = ()
        made = made.model_copy(update={**changes, "updated_at": self.clock.tick()})
        self.records[step.entity].append(made)
        whole = not isinstance(made, CostCode) and not ENTITIES[step.entity].document
        return Outcome(item.intent, "confirmed", id=made.id, record=made if whole else None)

    def _changes(self, step: Step, item: Item, known: Record) -> dict[str, Any]:
        if step.name == "origin_code":
            return {"origin_code": item.number}
        if step.name == "wbs":
            return {"cost_types": tuple(sorted({*known.cost_types, *self._types(item)}))}  # type: ignore[attr-defined]
        if step.name == "final":
            return {"origin_data": item.origin_data}
        if step.name in ("link", "external_id"):
            return {"origin_id": item.origin_id, "origin_data": item.origin_data}
        own: Any = self._own(item.record, item)
        if step.name == "lines":
            assert known.origin_id is None, "the external id has locked the document"
            return {"lines": own.lines, "amount": sum((one.amount for one in own.lines), ZERO)}
        changes = {name: getattr(own, name) for name in item.changes if name != "cost_types"}
        return changes | {"origin_id": item.origin_id, "origin_data": item.origin_data}

    def _budget(self, step: Step, item: Item) -> Outcome:
        """Lines of one project's budget; its owner stands on the project."""
        ident = str(item.refs["project"])
        if step.name == "owner":
            project = self.get("projects", id=ident)
            self.put(project.model_copy(update={"origin_id": item.origin_id, "origin_data": item.origin_data}))
            return Outcome(item.intent, "confirmed", id=ident)
        known = self.all("budgets", id=ident)
        if known and known[0].locked:  # type: ignore[attr-defined]
            return Outcome(item.intent, "rejected", message="the budget is locked", locked=True)
        own = self._own(item.record, item).model_copy(
            update={"id": ident, "company": None, "owner": None, "locked": False, "marker": None}
        )
        self.put(own)
        return Outcome(item.intent, "confirmed", id=ident)

    def _found(self, step: Step, item: Item) -> Outcome:
        if step.entity == "budgets":
            ident = str(item.refs["project"])
            found = self.all("projects" if step.name == "owner" else "budgets", id=ident)
        elif step.name == "header":
            found = self.all(step.entity, origin_data=item.origin_data)
        elif step.name in CREATES:
            found = self.all(step.entity, origin_id=item.origin_id)
        else:
            found = self.all(step.entity, id=item.procore_id)
        found = [r for r in found if step.name in CREATES or self._there(step, item, r)]
        return Outcome(item.intent, "confirmed", id=found[0].id) if found else Outcome(item.intent, "absent")

    def _there(self, step: Step, item: Item, record: Record) -> bool:
        if step.name == "origin_code":
            return record.origin_code == item.number
        if step.name == "wbs":
            return set(self._types(item)) <= set(record.cost_types)  # type: ignore[attr-defined]
        if step.name == "lines":
            return content(record, ("lines",)) == content(self._own(item.record, item), ("lines",))
        if step.name == "owner":
            return record.origin_data == item.origin_data
        if step.name == "update":
            names = [name for name in item.changes if name != "cost_types"]
            return content(record, names) == content(self._own(item.record, item), names) and record.origin_id == item.origin_id
        return record.origin_id == item.origin_id

    @staticmethod
    def _types(item: Item) -> list[str]:
        return [ident for name, ident in item.refs.items() if name.startswith("type:") and ident]

    @staticmethod
    def _own(record: Record, item: Item) -> Record:
        """In Procore's own ids; lines with external ids of their own."""
        changes: dict[str, Any] = {}
        for name in ENTITIES[record.entity].references:
            head, _, rest = name.partition(".")
            value = getattr(record, head)
            if rest:
                lines = changes.get(head, value)
                changes[head] = tuple(
                    one.model_copy(update={rest: item.refs[f"{rest}:{getattr(one, rest)}"]}) if getattr(one, rest) else one
                    for one in lines
                )
            elif value is not None and not isinstance(value, tuple):
                changes[head] = item.refs.get(head)
        if "lines" in changes:
            changes["lines"] = tuple(
                one.model_copy(update={"id": f"{item.origin_id}#{one.position}"}) for one in changes["lines"]
            )
        return record.model_copy(update=changes)


@dataclass
class World:
    folder: Path
    clock: Clock = field(default_factory=Clock)
    erp: FakeErp = field(init=False)
    procore: FakeProcore = field(init=False)
    settings: Settings = field(default_factory=lambda: make_settings())
    runs: int = 0
    used: set[str] = field(default_factory=set)
    only: Sequence[str] = ()
    """Entities of a run of which nothing else is said, where no other can show anything."""

    def __post_init__(self) -> None:
        self.erp, self.procore = FakeErp(self.clock), FakeProcore(self.clock)
        self.ledger = Ledger(f"sqlite:///{self.folder}/ledger.sqlite")
        # No test pulls the plug: waiting for the disk at each commit would only cost time.
        event.listen(self.ledger.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.ledger.create()

    def fork(self, folder: Path) -> World:
        """A copy that goes its own way from here."""
        self.close()  # SQLite's log, which may be ten times the ledger, is in the file then
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("staging"))
        kept: dict[str, Any] = {"settings": self.settings, "runs": self.runs, "used": set(self.used), "only": self.only}
        twin = World(folder, copy.deepcopy(self.clock), **kept)
        for mine, other in ((twin.erp, self.erp), (twin.procore, self.procore)):
            mine.records = {name: list(group) for name, group in other.records.items()}
            mine.capability = other.capability
        twin.procore.ids = itertools.count(next(self.procore.ids) + 1000)
        return twin

    def without_ledger(self, folder: Path) -> World:
        """The same two systems, and a sync that remembers nothing of them."""
        folder.mkdir(parents=True)
        twin = World(folder, copy.deepcopy(self.clock), settings=self.settings, used=set(self.used))
        for mine, other in ((twin.erp, self.erp), (twin.procore, self.procore)):
            mine.records = {name: list(group) for name, group in other.records.items()}
        return twin

    def close(self) -> None:
        self.ledger.close()

    def sync(self, run_id: str | None = None, *, kind: Kind = "manual", params: Mapping[str, Any] | None = None) -> Sync:
        """The sync of a new run, or (with the id of one) of a later try of the same run."""
        if run_id is None:
            self.runs += 1
            self.clock.now += timedelta(minutes=10)  # what was sent without an answer has had the time to arrive
            run_id = f"run-{self.runs}"
        known = self.ledger.runs.get(run_id)
        chosen = json.loads(known.params) if known else {"entities": self.in_use(), **(params or {})}
        run = open_run(self.ledger, self.settings, run_id=run_id, kind=kind, source_now=self.clock.tick(), params=chosen)
        known: Any = {"procore": self.procore, "erp": self.erp}
        systems = Systems(known, lambda: known["procore"], lambda: self.erp)
        return Sync(run, self.ledger, self.settings, systems, UPath(self.folder / "staging"))

    def in_use(self) -> list[str]:
        """Entities of which a side has, or ever had, a record: the others would only cost time."""
        self.used |= {name for name in ENTITIES if self.erp.records[name] or self.procore.records[name]}
        return [name for name in ENTITIES if name in (self.only or self.used)] or list(ENTITIES)

    def run(self, run_id: str | None = None, *, of: Sequence[str] = (), reconciled: bool = True, **options: Any) -> Sync:
        """One whole run without Airflow, ``of`` some entities or of all in use; the gate's rules are judged in plain Python."""
        if of:
            options["params"] = {"entities": [*of], **options.get("params", {})}
        sync = self.sync(run_id, **options)
        for name in sync.run.entities:
            self.stage(sync, name)
        if reconciled:
            report.keep(sync, "reconciliation", reconciliation.reconcile(sync).as_dict())
        return sync

    def read_anew(self, sync: Sync) -> Sync:
        """Both sides as they are by now, as the extracts of this run read them."""
        sync.forget()
        for name in sync.run.entities:
            for shard in range(sync.run.shards if ENTITIES[name].project_scoped else 1):
                extract.extract(sync, name, shard)
        return sync

    def stage(self, sync: Sync, name: str) -> None:
        row = ENTITIES[name]
        shards = range(sync.run.shards if row.project_scoped else 1)
        for shard in shards:
            extract.extract(sync, name, shard)
        checks.check(sync, name, shards)
        if row.read_only:
            return
        if row.gate:
            opening = gate.verdict(sync.ledger.outcomes.of(sync.run.run_id, name), sync.settings.gate)
            if not opening.passed:
                gate.close(sync, name, opening)
                for shard in shards:
                    engine.load(sync, name, shard, write=False)
                return
        for shard in shards:
            engine.load(sync, name, shard)

    def states(self, sync: Sync, entity: str) -> dict[str, tuple[str, str]]:
        """Number -> (count of the report, rule)."""
        rows = self.ledger.outcomes.of(sync.run.run_id, entity)
        return {row.number: (report.count_of(row, sync.run.plan), row.rule or "") for row in rows}

    def counts(self, sync: Sync) -> Counter[str]:
        return Counter(report.count_of(row, sync.run.plan) for row in self.ledger.outcomes.of(sync.run.run_id))

    def end_link(self, entity: str, number: str) -> None:
        """As a person does by ``decide unlink``."""
        (link,) = [
            one for one in self.ledger.links.of(entity, contents=False) if number in (one.number, one.erp_key, one.procore_id)
        ]
        self.ledger.decisions.part(link, "ann")

    def writes(self) -> int:
        return sum(self.procore.applied.values()) + sum(self.erp.applied.values())


def make_settings(**changes: Any) -> Settings:
    entities = {name: EntitySettings(writes="off" if row.read_only else "on") for name, row in ENTITIES.items()}
    eligible: dict[str, tuple[str, ...]] = {"subcontract": ("Approved", "Complete"), "purchase_order": ("Approved",)}
    entities["commitments"] = EntitySettings(writes="on", eligible=eligible)
    for name in ("budget_changes", "commitment_change_orders", "prime_change_orders", "owner_invoices"):
        entities[name] = EntitySettings(writes="on", eligible={"any": ("approved",)})
    entities["subcontractor_invoices"] = EntitySettings(writes="on", eligible={"any": ("approved", "approved_as_noted")})
    plain: dict[str, Any] = {"entities": entities, "scheduled_mode": "apply", "cost_type_codes": {"1": "L", "3": "C"}}
    return Settings(**(plain | changes))


# -- records in ERP keys --


def vendor(number: str = "V-1", **changes: Any) -> Vendor:
    return Vendor(**({"id": number, "company": "G1", "number": number, "name": f"Vendor {number}", "code": number} | changes))


def customer(number: str = "C-1", **changes: Any) -> Customer:
    return Customer(**({"id": number, "company": "01", "number": number, "name": f"Owner {number}", "code": number} | changes))


def user(number: str = "E-1", **changes: Any) -> User:
    plain: dict[str, Any] = {"id": number, "company": "01", "number": number, "employee_id": number, "job_title": "Foreman"}
    return User(**(plain | {"first_name": "Ada", "last_name": "Quill", "email": f"{number.lower()}@example.com"} | changes))


def project(number: str = "25-104", **changes: Any) -> Project:
    return Project(**({"id": number, "company": "01", "number": number, "name": f"Job {number}", "currency": "USD"} | changes))


def cost_type(number: str = "3", **changes: Any) -> CostType:
    return CostType(
        **({"id": number, "company": "G1", "number": number, "name": f"Type {number}", "base_type": "subcontract"} | changes)
    )


def cost_code(number: str, job: str = "25-104", **changes: Any) -> CostCode:
    plain: dict[str, Any] = {
        "id": f"{job}//{number}",
        "company": "01",
        "number": number,
        "code": number,
        "name": f"Code {number}",
        "project": job,
    }
    return CostCode(**(plain | {"cost_types": ("3",)} | changes))


def line(position: int = 1, amount: str = "100.00", code: str = "25-104//03-3000", kind: str = "3", **changes: Any) -> Line:
    plain: dict[str, Any] = {
        "id": f"L{position}",
        "position": position,
        "cost_code": code,
        "cost_type": kind,
        "amount": Decimal(amount),
    }
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


# -- the documents, in ERP keys --

DAY = date(2026, 9, 25)


def insurance(number: str = "P-1", **changes: Any) -> VendorInsurance:
    plain: dict[str, Any] = {
        "id": f"V-1/{number}",
        "company": "G1",
        "number": number,
        "vendor": "V-1",
        "insurance_type": "General liability",
    }
    return VendorInsurance(**(plain | {"effective_date": date(2026, 1, 1), "expiration_date": date(2026, 12, 31)} | changes))


def sub_job(number: str = "A", job: str = "25-104", **changes: Any) -> SubJob:
    plain: dict[str, Any] = {"id": f"{job}/{number}", "company": "01", "number": number, "name": f"Part {number}", "project": job}
    return SubJob(**(plain | changes))


def tax_code(number: str = "T-1", **changes: Any) -> TaxCode:
    plain: dict[str, Any] = {"id": number, "company": "G1", "number": number, "description": "Sales tax", "rate": Decimal("7.25")}
    return TaxCode(**(plain | changes))


def period(module: str, month: int, status: str) -> Period:
    first = date(2026, month, 1)
    last = date(2026, month + 1, 1) - timedelta(days=1)
    name = f"{first:%Y-%m}"
    return Period(
        id=f"01/{module}/{name}",
        company="01",
        number=name,
        module=module,
        first_day=first,
        last_day=last,
        status=status,  # type: ignore[arg-type]
    )


def _sum(lines: Sequence[Any]) -> Decimal:
    return sum((one.amount for one in lines), ZERO)


def budget_line(
    position: int = 1, amount: str = "500.00", code: str = "25-104//03-3000", kind: str = "3", **changes: Any
) -> BudgetLine:
    plain: dict[str, Any] = {
        "id": f"B{position}",
        "position": position,
        "cost_code": code,
        "cost_type": kind,
        "amount": Decimal(amount),
    }
    return BudgetLine(**(plain | changes))


def budget(job: str = "25-104", **changes: Any) -> Budget:
    lines = changes.pop("lines", (budget_line(code=f"{job}//03-3000"),))
    plain: dict[str, Any] = {"id": job, "company": "01", "number": job, "project": job, "currency": "USD", "lines": lines}
    return Budget(**(plain | {"amount": _sum(lines)} | changes))


def adjustment(
    position: int = 1, amount: str = "20.00", transfer: int | None = 1, code: str = "25-104//03-3000", **changes: Any
) -> AdjustmentLine:
    plain: dict[str, Any] = {"id": f"A{position}", "position": position, "cost_code": code, "cost_type": "3"}
    return AdjustmentLine(**(plain | {"amount": Decimal(amount), "adjustment": transfer} | changes))


def budget_change(number: str = "1", job: str = "25-104", **changes: Any) -> BudgetChange:
    code = f"{job}//03-3000"
    lines = changes.pop("lines", (adjustment(1, "-20.00", code=code), adjustment(2, "20.00", code=code)))
    plain: dict[str, Any] = {
        "id": f"{job}/{number}",
        "number": number,
        "project": job,
        "title": "Move",
        "status": "approved",
        "currency": "USD",
    }
    return BudgetChange(**(plain | {"lines": lines, "amount": _sum(lines)} | changes))


def direct_cost(number: str = "JC-1", **changes: Any) -> DirectCost:
    lines = changes.pop("lines", (line(amount="70.00"),))
    plain: dict[str, Any] = {
        "id": number, "company": "01", "number": number, "project": "25-104", "kind": "invoice", "vendor": "V-1",
        "invoice_number": f"X-{number}", "description": "Rental", "cost_date": DAY, "posting_date": DAY, "currency": "USD",
        "lines": lines, "amount": _sum(lines),
    }  # fmt: skip
    return DirectCost(**(plain | changes))


def change_line(position: int = 1, amount: str = "10.00", of: int | None = 1, **changes: Any) -> ChangeLine:
    plain: dict[str, Any] = {"id": f"C{position}", "position": position, "cost_code": "25-104//03-3000", "cost_type": "3"}
    return ChangeLine(**(plain | {"amount": Decimal(amount), "line": of} | changes))


def _change(number: str, contract: str, changes: dict[str, Any]) -> dict[str, Any]:
    lines = changes.pop("lines", (change_line(),))
    return {
        "id": f"{contract}/{number}", "number": f"{contract}/{number}", "change_number": number, "project": "25-104",
        "title": "More", "status": "approved", "currency": "USD", "lines": lines,
        "amount": _sum(lines) + changes.get("markup", ZERO),
    } | changes  # fmt: skip


def change(number: str = "001", contract: str = "SC-1", **changes: Any) -> CommitmentChangeOrder:
    return CommitmentChangeOrder(**({"commitment": contract} | _change(number, contract, changes)))


def change_event(number: str = "001", **changes: Any) -> ChangeEvent:
    plain: dict[str, Any] = {"id": f"CE-{number}", "number": number, "project": "25-104", "title": "Soil", "status": "open"}
    return ChangeEvent(**(plain | {"origin_id": "estimating:7"} | changes))


def prime_change(number: str = "001", contract: str = "PC-1", **changes: Any) -> PrimeChangeOrder:
    return PrimeChangeOrder(**({"prime_contract": contract} | _change(number, contract, changes)))


def item(of: str = "L1", work: str = "0.00", held: str = "0.00", **changes: Any) -> BillingItem:
    """A row of a G703: ``of`` the contract's line (or the change order's, with ``change_order``)."""
    named = {
        name: Decimal(value) if isinstance(value, str) and name != "change_order" else value for name, value in changes.items()
    }
    plain: dict[str, Any] = {"id": f"I{of}{changes.get('change_order', '')}", "position": 1, "line": of}
    return BillingItem(**(plain | {"work": Decimal(work), "retainage_work": Decimal(held)} | named))


def _invoice(sequence: int, changes: dict[str, Any]) -> dict[str, Any]:
    """``before``: items of the invoice before, which Procore counts the movements from."""
    items, before = changes.pop("items", (item(work="40.00", held="4.00"),)), changes.pop("before", ())
    gross, held, released, tax = totals(items, before)
    return {
        "project": "25-104", "sequence": sequence, "status": "approved", "currency": "USD", "billing_date": DAY, "items": items,
        "amount": gross, "held": held, "released": released, "tax": tax,
        "completed": sum((one.previous + one.work + one.stored for one in items), ZERO),
        "retainage": sum(
            (one.retainage_previous + one.retainage_work - one.released + one.retainage_stored for one in items), ZERO
        ),
    } | changes  # fmt: skip


def invoice(sequence: int = 1, contract: str = "SC-1", **changes: Any) -> SubcontractorInvoice:
    number = changes.pop("number", f"N-{sequence}")
    plain: dict[str, Any] = {"id": f"V-1/{number}", "number": number, "commitment": contract, "vendor": "V-1"}
    return SubcontractorInvoice(**(plain | _invoice(sequence, changes)))


PRIME_LINE = "sandbox:01:prime_contracts:PC-1#1"
"""Id in Procore of the first line of a prime contract that the sync made there."""


def owner_invoice(sequence: int = 1, contract: str = "PC-1", **changes: Any) -> OwnerInvoice:
    number = changes.pop("number", f"OI-{sequence}")
    changes.setdefault("items", (item(PRIME_LINE, "40.00", "4.00"),))
    return OwnerInvoice(**({"id": number, "number": number, "prime_contract": contract} | _invoice(sequence, changes)))


def _payment(number: str, of: str, changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "company": "01", "number": f"{number}/{of}", "project": "25-104", "payment_number": number, "method": "check",
        "pay_date": DAY, "currency": "USD", "invoice_number": of, "amount": Decimal("36.00"),
    } | changes  # fmt: skip


def payment(number: str = "K-1", of: str = "N-1", **changes: Any) -> PaymentIssued:
    """A check, or the part of one that pays the invoice ``of``."""
    plain: dict[str, Any] = {"id": f"{number}/V-1/{of}", "invoice": f"V-1/{of}", "commitment": "SC-1"}
    return PaymentIssued(**(plain | _payment(number, of, changes)))


def receipt(number: str = "R-1", of: str = "OI-1", **changes: Any) -> PaymentReceived:
    plain: dict[str, Any] = {"id": f"{number}/{of}", "invoice": of, "prime_contract": "PC-1", "draw_number": 1}
    return PaymentReceived(**(plain | _payment(number, of, changes)))


def prime_contract(number: str = "PC-1", **changes: Any) -> PrimeContract:
    lines = changes.pop("lines", (line(amount="900.00"),))
    plain: dict[str, Any] = {
        "id": number, "company": "01", "number": number, "project": "25-104", "customer": "C-1", "title": "Offices",
        "status": "open", "currency": "USD", "retainage_percent": Decimal(10), "lines": lines, "amount": _sum(lines),
    }  # fmt: skip
    return PrimeContract(**(plain | changes))


# -- records as people made them in Procore --


def in_procore(world: World, record: Record, **changes: Any) -> Any:
    """A document of Procore: its references are Procore's ids (of what is linked, or was put there before)."""
    row = ENTITIES[record.entity]
    links = {
        name: {link.erp_key: link.procore_id for link in world.ledger.links.of(name)} for name in set(row.references.values())
    }

    def own(entity: str, key: str | None) -> str | None:
        return links[entity].get(key, procore_id(entity, key) if entity in _BORN_THERE else key) if key else key

    found: dict[str, Any] = {}
    for name, entity in row.references.items():
        head, _, rest = name.partition(".")
        value = getattr(record, head)
        if rest:
            lines = found.get(head, value)
            found[head] = tuple(one.model_copy(update={rest: own(entity, getattr(one, rest))}) for one in lines)
        else:
            found[head] = own(entity, value)
    named = {"id": procore_id(record.entity, record.id), "company": None, **found, **changes}
    return world.procore.put(record.model_copy(update=named))


def procore_id(entity: str, key: str) -> str:
    """Id in Procore of a document that :func:`in_procore` put there."""
    return str(2**40 + zlib.crc32(f"{entity} {key}".encode()))


_BORN_THERE = {name for name, row in ENTITIES.items() if row.source == "procore"}


def draft(world: World, number: str = "SC-1", **changes: Any) -> Commitment:
    """A commitment as people made it in Procore: its references are Procore's ids (masters must be linked already)."""
    return in_procore(world, commitment(number, **changes))  # type: ignore[no-any-return]


# -- one good record of everything --


def seed_job(world: World, job: str = "25-105") -> None:
    """A second job, whose budget is Procore's."""
    world.erp.put(project(job))
    world.erp.put(cost_code("03-3000", job))


def _seed_budgets(world: World) -> None:
    world.erp.put(budget("25-104"))
    own = in_procore(world, budget("25-105"), locked=True)
    world.procore.put(own.model_copy(update={"id": own.project}))
    world.procore.records["budgets"].remove(own)


FIRST = (
    item("L1", "30.00", "3.00", stored="10.00", retainage_stored="1.00"),
    item("C1", "4.00", "0.40", change_order="SC-1/001", position=2),
)
SECOND = (
    item(
        "L1",
        "15.00",
        "1.50",
        previous="30.00",
        retainage_previous="3.00",
        stored="5.00",
        retainage_stored="0.50",
        released="1.00",
    ),
    item("C1", "6.00", "0.60", change_order="SC-1/001", previous="4.00", retainage_previous="0.40", position=2),
)
THIRD = (
    item("L1", "2.00", "0.20", previous="45.00", retainage_previous="3.50", stored="5.00", retainage_stored="0.50"),
    item("C1", change_order="SC-1/001", previous="10.00", retainage_previous="1.00", position=2),
)
"""Draws on SC-1: work, stored materials that are built in partly, a change order, retainage released."""

PLANTS: dict[str, Any] = {
    "vendors": lambda world: world.erp.put(vendor()),
    "vendor_insurances": lambda world: world.erp.put(insurance()),
    "customers": lambda world: world.erp.put(customer()),
    "users": lambda world: world.erp.put(user()),
    "projects": lambda world: (world.erp.put(project()), world.erp.put(project("25-105"))),
    "sub_jobs": lambda world: world.erp.put(sub_job()),
    "tax_codes": lambda world: world.erp.put(tax_code()),
    "cost_types": lambda world: world.erp.put(cost_type()),
    "cost_codes": lambda world: (
        world.erp.put(cost_code("03", is_header=True, cost_types=())),
        world.erp.put(cost_code("03-3000", parent="25-104//03", level=1)),
        world.erp.put(cost_code("03-3000", "25-105")),
    ),
    "budgets": _seed_budgets,
    "budget_changes": lambda world: in_procore(world, budget_change()),
    "direct_costs": lambda world: world.erp.put(direct_cost(lines=(line(1, "70.00"), line(2, "-5.00")))),
    "commitments": lambda world: draft(world, lines=(line(1, "60.00"), line(2, "40.00", tax_code="T-1"))),
    "change_events": lambda world: in_procore(world, change_event()),
    "commitment_change_orders": lambda world: in_procore(
        world, change(lines=(change_line(1, "10.00"), change_line(2, "5.00", None)))
    ),
    "subcontractor_invoices": lambda world: (
        in_procore(world, invoice(1, items=FIRST)),
        in_procore(world, invoice(2, items=SECOND, before=FIRST, previous=procore_id("subcontractor_invoices", "V-1/N-1"))),
    ),
    "payments_issued": lambda world: world.erp.put(payment()),
    "prime_contracts": lambda world: world.erp.put(prime_contract()),
    "prime_change_orders": lambda world: in_procore(world, prime_change(markup=Decimal("2.50"))),
    "owner_invoices": lambda world: (
        in_procore(world, owner_invoice(1)),
        in_procore(
            world,
            owner_invoice(
                2,
                items=(item(PRIME_LINE, "10.00", "1.00", previous="40.00", retainage_previous="4.00"),),
                before=(item(PRIME_LINE, "40.00", "4.00"),),
                previous=procore_id("owner_invoices", "OI-1"),
            ),
        ),
    ),
    "payments_received": lambda world: world.erp.put(receipt()),
}  # fmt: skip
"""One good record of every entity, and where it is born; what it names comes before it."""


def plant(world: World, *entities: str) -> None:
    for name in entities or ENTITIES:
        PLANTS[name](world)


LINKED = [name for name, row in ENTITIES.items() if not row.read_only]
"""What has a counterpart on the other side; what is only read would end otherwise than all others in a world of these."""

BUDGETS = "budgets"
DOCUMENTS = (
    "budget_changes", "commitments", "commitment_change_orders", "subcontractor_invoices", "payments_issued",
    "prime_change_orders", "owner_invoices", "payments_received",
)  # fmt: skip
"""Planted last: what they name must have its Procore id before."""


def family(entity: str) -> list[str]:
    """The documents that a change of one can show itself in, by what they name and by their ties: a run of these judges and
    compares all that a run of everything would tell otherwise than before. A fifth of the time."""
    joined = {
        name: {*row.references.values(), *(beside for tie in row.ties for beside in tie.beside)}
        for name, row in ENTITIES.items()
        if row.document and not row.read_only
    }
    found: set[str] = set()
    more = {entity}
    while more:
        found |= more
        more = {
            name for name, others in joined.items() if others & found or any(name in joined.get(one, ()) for one in found)
        } - found
    return [name for name in ENTITIES if name in found]


FROZEN: dict[str, dict[str, Any]] = {
    "budget_changes": {"title": "Another"},
    "direct_costs": {"description": "Another"},
    "commitments": {"vendor": None},
    "commitment_change_orders": {"title": "Another"},
    "subcontractor_invoices": {"billing_date": date(2026, 9, 24)},
    "payments_issued": {"amount": Decimal("36.01")},
    "prime_contracts": {"amount": Decimal("900.01")},
    "prime_change_orders": {"markup": Decimal("2.51")},
    "owner_invoices": {"billing_date": date(2026, 9, 24)},
    "payments_received": {"pay_date": date(2026, 9, 24)},
}
"""A change that no document may show once it is linked."""
