"""What rules look up while they judge documents: the ERP's jobs, vendors, codes, documents and periods as read in this run, with
what the run will have written by then, and the names that people know Procore's records by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from include.financials.identity import code, number_key
from include.financials.money import total
from include.financials.packed import Packed
from include.financials.record import COST_CODES, GENERAL_LEDGER, PERIODS, PROJECTS, VENDORS, Held, Record, contract_of
from include.financials.statuses import OPEN, VOID

if TYPE_CHECKING:
    from include.financials.entities.codes import CostCode
    from include.financials.entities.directory import Vendor
    from include.financials.entities.invoices import Period
    from include.financials.entities.jobs import Project
    from include.financials.entity import Entity
    from include.financials.ledger import Ledger
    from include.financials.port import Invalid
    from include.financials.view import Sync

T = TypeVar("T")

Key = tuple[str, str]
"""(company, ERP key)"""


class Told(NamedTuple):
    """What is looked up of a document of the ERP that is judged, billed or counted beside others."""

    id: str
    number: str
    key: str
    """Its number as it is compared."""
    contract: str | None
    project: str | None
    status: str | None
    marker: str | None
    amount: Decimal
    billing_date: date | None

    @classmethod
    def of(cls, record: Record) -> Told:
        own: Any = record
        return cls(
            own.id, own.number, number_key(record), contract_of(record), own.project, getattr(own, "status", None), own.marker,
            own.amount, getattr(own, "billing_date", None),
        )  # fmt: skip


class Recalled:
    """What the ledger remembers of Procore's records of an entity, asked for by id: of those that nobody asks for nothing is
    held. ``learn`` asks for many at once, and lets go of those before."""

    def __init__(self, ask: Callable[[Iterable[str]], Mapping[str, Held]]) -> None:
        self._ask = ask
        self._held: dict[str, Held | None] = {}

    def learn(self, idents: Iterable[str]) -> None:
        self._held = dict.fromkeys(idents)
        self._held.update(self._ask([*self._held]))

    def get(self, ident: str) -> Held | None:
        if ident not in self._held:
            self._held[ident] = self._ask([ident]).get(ident)
        return self._held[ident]


@dataclass(frozen=True, slots=True)
class Opening:
    """What was billed on a contract before go-live, by a person's word: gross and the retainage kept of it, up to ``day``. Draws
    of Procore up to then are not sent, and the ERP's invoices up to then that nobody linked are part of it."""

    contract: str
    amount: Decimal
    retainage: Decimal
    day: date

    def covers(self, day: date | None) -> bool:
        return day is not None and day <= self.day


def openings(ledger: Ledger, contracts: str) -> dict[Key, Opening]:
    """The opening balances of commitments or prime contracts, by (company, ERP key)."""
    return {
        (one.company, one.record_id): Opening(
            one.number, Decimal(one.value["amount"]), Decimal(one.value["retainage"]), date.fromisoformat(one.value["date"])
        )
        for one in ledger.decisions.of(contracts, "opening")
    }


class Books:
    """Read when first asked for; one instance per check, of the entity ``judged``."""

    def __init__(self, sync: Sync, judged: str) -> None:
        self.sync, self.judged = sync, judged
        # Bound per instance: what was read belongs to this run.
        self.documents = cache(lambda entity: self.made_of(entity, lambda record: record, Packed[Key, Record]()))
        self.told = cache(lambda entity: self.made_of(entity, Told.of, {}))
        self.links = cache(sync.links)
        self.vendor = lru_cache(maxsize=1_000)(self._vendor)
        self._memory = cache(sync.memory)
        self._recalled: dict[str, Recalled] = {}
        self.seen = cache(sync.ledger.records.seen)
        self.names = cache(self._names)
        self.openings = cache(lambda contracts: openings(sync.ledger, contracts))

    def made_of(self, entity: str, make: Callable[[Record], T], into: MutableMapping[Key, T]) -> Mapping[Key, T]:
        """What is made of each of the ERP's documents of an entity: who needs few fields of all holds no more."""
        return self.sync.books(entity, into, make, planned=entity != self.judged)

    def recall(self, entity: str, idents: Iterable[str]) -> None:
        """These records of Procore are asked for next, and no others of the entity for long. A plan remembers them all."""
        if not self.sync.run.plan:
            known = self._recalled.setdefault(entity, Recalled(lambda some: self.sync.recalled(entity, some)))
            known.learn(idents)

    def remembered(self, entity: str, procore_id: str) -> Held | None:
        """A record of Procore as it was read last."""
        return (self._recalled.get(entity) or self._memory(entity)).get(procore_id)

    @cached_property
    def unread(self) -> Any:
        """Keys of the ERP's records of an entity that cannot be read."""
        return cache(lambda entity: {(bad.company or "", bad.id) for bad in self._unreadable(entity)})

    def unread_documents(self, entity: str, company: str) -> Iterator[Invalid]:
        """The ERP's documents of an entity in a company that cannot be read and may count: no row tells that they are void."""
        for bad in self._unreadable(entity):
            if bad.company in (None, company) and bad.shown.get("status") != VOID:
                yield bad

    def _unreadable(self, entity: str) -> list[Invalid]:
        found: list[Invalid] = self._unreadable_of(entity)
        return found

    @cached_property
    def _unreadable_of(self) -> Any:
        return cache(lambda entity: [*self.sync.lists.unreadable_everywhere("erp", entity)])

    def unread_of(self, entity: str, field: str, company: str, contract: str | None, project: str | None) -> Iterator[Invalid]:
        """Those that may be on a contract, as far as their rows tell what they belong to. ``field``: what they name it as."""
        for bad in self.unread_documents(entity, company):
            on_it = bad.shown[field] == contract if field in bad.shown else True
            if on_it and bad.shown.get("project") in (None, project):
                yield bad

    def worded(self, row: Entity, targets: Iterable[Record]) -> dict[str, str]:
        """Procore id -> ERP key of the document of the same contract whose number people wrote into a text, instead of choosing
        it. What names none that the ERP has tells nothing."""
        found: dict[str, str] = {}
        for reference, text in row.worded.items():
            known = {
                (one.project, one.contract, code(one.number)): one.id for one in self.told(row.references[reference]).values()
            }
            for target in targets:
                place = getattr(target, "project", None), contract_of(target), code(getattr(target, text) or "")
                if getattr(target, reference) is None and place in known:
                    found[target.id] = known[place]
        return found

    def document(self, entity: str, company: str, key: str | None) -> Record | None:
        return self.documents(entity).get((company, key)) if key is not None else None

    def numbered(self, record: Record, company: str) -> Told | None:
        """The ERP's document of that number, as people write it (of that vendor, where vendors number): one that counts before a
        void one, which keeps its number, too."""
        return cast(Told | None, self._numbers(record.entity).get((company, number_key(record))))

    @cached_property
    def _numbers(self) -> Any:
        @cache
        def numbers(entity: str) -> dict[Key, Told]:
            found: dict[Key, Told] = {}
            for (company, _), one in self.told(entity).items():
                key = company, one.key
                if key not in found or found[key].status == VOID:
                    found[key] = one
            return found

        return numbers

    @cached_property
    def jobs(self) -> Mapping[Key, Project]:
        return cast("Mapping[Key, Project]", self.made_of(PROJECTS, lambda record: record, {}))

    @cached_property
    def codes(self) -> Mapping[Key, CostCode]:
        return cast("Mapping[Key, CostCode]", self.made_of(COST_CODES, lambda record: record, {}))

    @cached_property
    def children(self) -> Mapping[str, list[str]]:
        """Children of each code, by parent id: what a person may choose instead of a header."""
        children: dict[str, list[str]] = {}
        for one in self.codes.values():
            if one.parent:
                children.setdefault(one.parent, []).append(one.number)
        return children

    def _vendor(self, procore_id: str | None) -> Vendor | None:
        """The ERP vendor that a Procore vendor is linked to; of a merged one the survivor."""
        links = self.links(VENDORS)
        link = links.erp(procore_id)
        key = links.mergers.key(link.company, link.erp_key) if link else None
        return cast("Vendor | None", self.document(VENDORS, link.company, key)) if link else None

    def no_vendor(self, procore_id: str | None) -> tuple[str, str]:
        """Why there is no vendor of the ERP to judge by, and the way out: it is not linked, not readable there, or gone."""
        link = self.links(VENDORS).erp(procore_id)
        if link is not None and {(link.company, link.erp_key), ("", link.erp_key)} & self.unread(VENDORS):
            return "cannot be read in the ERP", "Correct it there."
        if link is not None:
            return f"is linked with {link.erp_key}, which the ERP no longer has", "Restore it there, or end the link."
        return "is not in the ERP, or not linked to the vendor that it is there", "Have accounting enter it, or link the two."

    @cached_property
    def inactive_projects(self) -> set[str]:
        """Procore ids of projects that are not active there."""
        projects = cast("Iterable[Project]", self.sync.lists.everywhere("procore", PROJECTS))
        return {record.id for record in projects if not record.active} - self.sync.reopened()

    def name(self, entity: str, procore_id: str | None) -> str:
        """What people call a record of Procore, ``none`` without one. One that no run has read yet was asked for by its
        id; that stands where nothing is known of it."""
        if procore_id is None:
            return "none"
        if entity in self._recalled:
            held = self.remembered(entity, procore_id)
            known = held.number if held is not None else None
        else:
            known = self.names(entity).get(procore_id)
        return str(known or self._asked(entity).get(procore_id, procore_id))

    @cached_property
    def _asked(self) -> Any:
        @cache
        def asked(entity: str) -> dict[str, str]:
            shards = self.sync.lists.shards_of(self.judged)
            answer, _ = self.sync.lists.answer(self.judged, shards, "procore", entity)
            return {one.id: one.number for one in answer.shown}

        return asked

    def _names(self, entity: str) -> Mapping[str, str]:
        found = self.sync.lists.names(entity)
        return {record_id: held.number for record_id, held in self._memory(entity).items()} if found is None else found

    def figures(self, entity: str, procore_id: str | None) -> Mapping[str, Any]:
        """Those of a record of Procore as last read; none of one that nobody has read."""
        held = self.remembered(entity, procore_id or "")
        return held.figures if held is not None else {}

    # -- contracts ------------------------------------------------------------------------------------------------------------

    def invoices(self, entity: str, company: str, contract: str | None) -> Sequence[Told]:
        """All invoices that the ERP has on a contract, whatever they are called and whoever entered them; void ones left out."""
        return cast("Sequence[Told]", self._by_contract(entity).get((company, contract), ()))

    def billed(self, entity: str, contracts: str, company: str, contract: str | None) -> Decimal:
        """Gross of all of them, with what an opening balance says was billed beyond those that it covers."""
        bills = self.invoices(entity, company, contract)
        opening = self.openings(contracts).get((company, contract or ""))
        if opening is not None:
            links = self.links(entity).by_erp
            covered = [r for r in bills if opening.covers(r.billing_date) and r.marker is None and (company, r.id) not in links]
            return total(r.amount for r in bills if r not in covered) + opening.amount
        return total(record.amount for record in bills)

    def no_code(self, company: str, job: str | None, key: str | None, number: str) -> str:
        """Why there is no code of the ERP to judge by, in words."""
        if key is not None and (company, key) in self.unread(COST_CODES):
            return "cannot be read in the ERP: correct it there"
        if self.has_code(company, job, number):
            return "is not linked yet: wait for it, or see in the report what it waits for"
        return f"does not exist on job {job}. Add it in the ERP or re-code the line"

    def has_code(self, company: str, job: str | None, number: str) -> bool:
        """Whether the ERP's job has a code of that number, linked or not."""
        return (company, job, number) in self._code_numbers

    @cached_property
    def _code_numbers(self) -> set[tuple[str, str | None, str]]:
        return {(company, code.project, code.number) for (company, _), code in self.codes.items()}

    def changed(self, entity: str, company: str, contract: str) -> Decimal:
        """What the change orders on a contract add to it, void ones left out."""
        return total(one.amount for one in self._by_contract(entity).get((company, contract), ()))

    @cached_property
    def _by_contract(self) -> Any:
        @cache
        def by_contract(entity: str) -> dict[tuple[str, str | None], list[Told]]:
            found: dict[tuple[str, str | None], list[Told]] = {}
            for (company, _), one in self.told(entity).items():
                if one.status != VOID:
                    found.setdefault((company, one.contract), []).append(one)
            return found

        return by_contract

    # -- periods --------------------------------------------------------------------------------------------------------------

    @cached_property
    def _periods(self) -> dict[tuple[str, str], list[Period]]:
        found: dict[tuple[str, str], list[Period]] = {}
        for record in cast("Iterable[Period]", self.sync.lists.everywhere("erp", PERIODS)):
            found.setdefault((record.company or "", record.module), []).append(record)
        for periods in found.values():
            periods.sort(key=lambda period: period.first_day)
        return found

    @property
    def has_calendar(self) -> bool:
        """Whether the ERP tells which periods are open. Where its mapping leaves them out, it refuses a closed one itself."""
        return bool(self._periods) or PERIODS in self.sync.capabilities("erp")

    def _calendar(self, company: str, module: str) -> Sequence[Period]:
        """A module without a calendar of its own goes by that of the general ledger."""
        return self._periods.get((company, self._module(company, module)), ())

    def _module(self, company: str, module: str) -> str:
        """Whose calendar a module goes by. One of which no period can be read has a calendar of its own all the same."""
        unread = [bad for bad in self._unreadable(PERIODS) if bad.company in (None, company)]
        return (
            module
            if any(bad.shown.get("module", module) == module for bad in unread) or (company, module) in self._periods
            else GENERAL_LEDGER
        )

    def period_unread(self, company: str, module: str, day: date) -> Invalid | None:
        """A period that cannot be read in the ERP and may be the one that a day lies in, as far as its row tells."""
        if self.period(company, module, day) is not None:
            return None
        calendar, at = self._module(company, module), day.isoformat()
        for bad in self._unreadable(PERIODS):
            first, last = bad.shown.get("first_day") or at, bad.shown.get("last_day") or at
            theirs = bad.company in (None, company) and bad.shown.get("module", calendar) == calendar
            if theirs and first <= at <= last:
                return bad
        return None

    def period(self, company: str, module: str, day: date) -> Period | None:
        periods = self._calendar(company, module)
        return next((p for p in periods if p.first_day <= day <= p.last_day), None)

    def next_open(self, company: str, module: str, day: date) -> date | None:
        """First day not before ``day`` that lies in an open period."""
        periods = self._calendar(company, module)
        return next((max(p.first_day, day) for p in periods if p.status == OPEN and p.last_day >= day), None)
