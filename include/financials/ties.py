"""Ties: what must be equal on both sides, figure by figure (docs/domain-rules.md 4). Each entity's row names its own.

A comparison is shown the pairs of one or more entities one after the other. It keeps none of them, only what they add up to, and
tells every figure that it looked at, equal or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from include.financials.explained import Difference, Document, Explained
from include.financials.money import ZERO, total

if TYPE_CHECKING:
    from include.financials.documents import Documents


class Comparison:
    """One tie while a reconciliation goes on. ``places``: how many entities take part, the tie's own first, then those beside it
    that are in the run."""

    def __init__(self, tie: str, places: int = 1) -> None:
        self.tie, self.places = tie, places

    def take(self, document: Document, place: int) -> Iterable[Difference]:
        """The figures that this document of the entity at ``place`` completes."""
        raise NotImplementedError

    def rest(self, known: Documents) -> Iterable[Difference]:
        """The figures that all documents make together, once all were taken. ``known`` tells the opening balances."""
        return ()


Compare = Callable[[str, int], Comparison]
"""(tie, places) -> a comparison that has taken nothing yet."""


def per_document(*names: str) -> Compare:
    """One figure of each document after the other."""

    class PerDocument(Comparison):
        def take(self, document: Document, place: int) -> Iterator[Difference]:
            for name in names:
                p, e = document.money("procore", name), document.money("erp", name)
                label = None if name == "amount" else name
                yield Difference(self.tie, p, e, **document.pair, cost_key=label, explained=document.explain(p - e))

    return PerDocument


def per_line() -> Compare:
    """Each line of each document."""
    return _PerLine


class _PerLine(Comparison):
    def take(self, document: Document, place: int) -> Iterator[Difference]:
        for key, x, p, e in document.lines():
            yield Difference(self.tie, p, e, **document.pair, cost_key=f"line {key} {x}", explained=document.explain(p - e))


@dataclass(slots=True)
class _Sum:
    """Both sides of one figure, with what explains its parts."""

    project: str | None = None
    procore: Decimal = ZERO
    erp: Decimal = ZERO
    explained: list[Explained] = field(default_factory=list)

    def add(self, procore: Decimal, erp: Decimal, explained: Iterable[Explained]) -> None:
        self.procore += procore
        self.erp += erp
        self.explained += explained


def per_cost_key(*, posted: bool = False) -> Compare:
    """Sums per project and cost key. Each document explains its own part of the x that it touches. ``posted``: the ERP counts
    posted documents only, and one that waits in a batch explains itself (UNPOSTED)."""

    class PerCostKey(Comparison):
        def __init__(self, tie: str, places: int = 1) -> None:
            super().__init__(tie, places)
            self.sums: dict[tuple[str, str, str], _Sum] = defaultdict(_Sum)

        def take(self, document: Document, place: int) -> Iterable[Difference]:
            for x, (p, there) in document.by_x().items():
                e = ZERO if posted and document.unposted else there
                self.sums[document.company, document.project or "?", x].add(p, e, document.explain(p - e, unposted=posted))
            return ()

        def rest(self, known: Documents) -> Iterator[Difference]:
            for (_, project, x), found in sorted(self.sums.items(), key=lambda pair: pair[0]):
                explained = tuple(found.explained)
                yield Difference(self.tie, found.procore, found.erp, project=project, cost_key=x, explained=explained)

    return PerCostKey


def revised() -> Compare:
    """Contract sum with its approved changes. Procore's is built from the documents, the ERP's is what it states itself."""
    return _Revised


class _Contract(NamedTuple):
    """What a contract itself says of its revised sum."""

    place: tuple[str, str]
    pair: dict[str, str | None]
    number: str
    entity: str
    procore: Decimal
    erp: Decimal
    changed: Decimal
    """By the ERP's own statement."""
    why: str | None
    whole: bool
    """Explains all of it: one that is void or gone on one side takes its changes along, and so does one that only the ERP shows
    so far. Of one that cannot be read the ERP's changes are not known."""

    def explain(self, difference: Decimal) -> tuple[Explained, ...]:
        return (Explained(self.why, self.entity, self.number, difference),) if self.why and difference else ()


@dataclass(slots=True)
class _Changes:
    """What the changes of a contract add up to."""

    procore: Decimal = ZERO
    planned: Decimal = ZERO
    """The ERP's part that is only planned: its own sums do not have it yet."""
    explained: list[Explained] = field(default_factory=list)
    batch: list[Explained] = field(default_factory=list)
    """Linked ones that wait in a batch of the ERP, where its revised sum leaves them out."""


class _Revised(Comparison):
    def __init__(self, tie: str, places: int = 1) -> None:
        super().__init__(tie, places)
        self.contracts: list[_Contract] = []
        self.changes: dict[tuple[str, str], _Changes] = defaultdict(_Changes)

    def take(self, document: Document, place: int) -> Iterable[Difference]:
        if place == 0:
            self._contract(document)
        else:
            self._change(document)
        return ()

    def _contract(self, contract: Document) -> None:
        if self.places == 1 and (contract.money("procore", "changes") or contract.money("erp", "changes")):
            return  # the run leaves change orders out: what Procore's add up to may not be known yet
        alone = not (contract.counted and (contract.erp or contract.planned))
        self.contracts.append(
            _Contract(
                (contract.company, contract.key), contract.pair, contract.number, contract.entity,
                contract.money("procore", "amount"), contract.money("erp", "amount"),
                ZERO if contract.planned else contract.money("erp", "changes"), contract.why(),
                whole=contract.unread or (alone and (contract.linked or not contract.counted)),
            )
        )  # fmt: skip

    def _change(self, change: Document) -> None:
        p, e = change.money("procore", "amount"), change.money("erp", "amount")
        mine = self.changes[_contract_of(change)]
        mine.procore += p
        mine.planned += e if change.planned else ZERO
        mine.explained += change.explain(p - e)
        if change.linked and change.unposted and change.counted:
            mine.batch.append(Explained("UNPOSTED", change.entity, change.number, e))

    def rest(self, known: Documents) -> Iterator[Difference]:
        for one in self.contracts:
            mine = self.changes.get(one.place, _Changes())
            p, e = one.procore + mine.procore, one.erp + one.changed + mine.planned
            if one.whole:
                items = one.explain(p - e)
            else:
                items = (*one.explain(one.procore - one.erp), *mine.explained)
                left = p - e - total(item.amount for item in items)
                if left and left == total(item.amount for item in mine.batch):  # exactly these, or none
                    items += tuple(mine.batch)
            yield Difference(self.tie, p, e, **one.pair, cost_key="revised", explained=items)


class _Bill(NamedTuple):
    """What an invoice says of a balance."""

    sequence: int
    number: str
    to_date: Decimal | None
    """Procore's, as its document states it; None without one."""
    erp: Decimal
    why: str | None


@dataclass(slots=True)
class _Bills:
    """Those of one contract."""

    project: str | None = None
    due: list[_Bill] = field(default_factory=list)
    skipped: list[_Bill] = field(default_factory=list)
    last: int = 0
    """Sequence of the last one that counts in Procore."""


def to_date(name: str, own: Callable[[Document, str], Decimal], *, posted: bool = False, label: str) -> Compare:
    """A balance per contract: Procore's of the last eligible invoice, the ERP's as the sum of its documents. Each invoice on the
    way contributes what its balance moved; one that is stopped, not eligible or unposted explains its own contribution."""

    class ToDate(Comparison):
        def __init__(self, tie: str, places: int = 1) -> None:
            super().__init__(tie, places)
            self.entity = ""
            self.bills: dict[tuple[str, str], _Bills] = defaultdict(_Bills)

        def take(self, document: Document, place: int) -> Iterable[Difference]:
            self.entity, bills = document.entity, self.bills[_contract_of(document)]
            stated = document.stated("procore", name) if name != "earned" else _earned(document)
            bill = _Bill(
                document.sequence, document.number, stated if document.procore else None,
                ZERO if posted and document.unposted else own(document, "erp"),
                document.why(unposted=posted, not_eligible=True),
            )  # fmt: skip
            if document.skipped:
                bills.skipped.append(bill)
                return ()
            if not bills.due:
                bills.project = document.project
            bills.due.append(bill)
            if document.counted:
                bills.last = max(bills.last, bill.sequence)
            return ()

        def rest(self, known: Documents) -> Iterator[Difference]:
            for key, bills in sorted(self.bills.items(), key=lambda pair: pair[0]):
                if not bills.due:
                    continue
                p, e, before = ZERO, ZERO, ZERO
                items: list[Explained] = []
                for bill in sorted([*bills.due, *bills.skipped], key=lambda one: one.sequence):
                    moved = ZERO
                    if bill.to_date is not None and bill.sequence <= bills.last:
                        moved, before = bill.to_date - before, bill.to_date
                        p = bill.to_date
                    e += bill.erp
                    if bill.why and moved != bill.erp:
                        items.append(Explained(bill.why, self.entity, bill.number, moved - bill.erp))
                opening = known.opening(self.entity, *key)
                if opening is not None:
                    balance = {
                        "completed": opening.amount,
                        "retainage": opening.retainage,
                        "earned": opening.amount - opening.retainage,
                    }
                    items.append(Explained("OPENING", known.contracts(self.entity), opening.contract, balance[name]))
                shown = {"project": bills.project, "cost_key": f"{label} {key[1]}", "erp_id": key[1]}
                yield Difference(self.tie, p, e, **shown, explained=tuple(items))

    return ToDate


def _earned(document: Document) -> Decimal:
    return document.stated("procore", "completed") - document.stated("procore", "retainage")


def own_gross(document: Document, side: str) -> Decimal:
    return document.money(side, "amount")


def own_retainage(document: Document, side: str) -> Decimal:
    return document.money(side, "held") - document.money(side, "released")


def own_earned(document: Document, side: str) -> Decimal:
    return document.money(side, "amount") - own_retainage(document, side)


def paid() -> Compare:
    """Payments per invoice and per contract."""
    return _Paid


class _Paid(Comparison):
    def __init__(self, tie: str, places: int = 1) -> None:
        super().__init__(tie, places)
        self.sums: dict[str, dict[tuple[str, str], _Sum]] = {"invoice": {}, "contract": {}}

    def take(self, document: Document, place: int) -> Iterable[Difference]:
        p, e = document.money("procore", "amount"), document.money("erp", "amount")
        for grain, sums in self.sums.items():
            found = sums.setdefault((document.company, str(document.figure(grain) or "?")), _Sum(document.project))
            found.add(p, e, document.explain(p - e))
        return ()

    def rest(self, known: Documents) -> Iterator[Difference]:
        for grain, sums in self.sums.items():
            for (_, key), found in sorted(sums.items(), key=lambda pair: pair[0]):
                shown = {"project": found.project, "cost_key": f"{grain} {key}", "erp_id": key}
                yield Difference(self.tie, found.procore, found.erp, **shown, explained=tuple(found.explained))


class Counts(Comparison):
    """How many documents of a project either side has, as far as they are due."""

    def __init__(self, tie: str, places: int = 1) -> None:
        super().__init__(tie, places)
        self.entity = ""
        self.sums: dict[tuple[str, str], _Sum] = defaultdict(lambda: _Sum(procore=Decimal(0), erp=Decimal(0)))

    def take(self, document: Document, place: int) -> Iterable[Difference]:
        if not document.skipped:
            self.entity, p, e = document.entity, Decimal(bool(document.counted)), Decimal(bool(document.erp))
            self.sums[document.company, document.project or "?"].add(p, e, document.explain(p - e))
        return ()

    def rest(self, known: Documents) -> Iterator[Difference]:
        for (_, project), found in sorted(self.sums.items(), key=lambda pair: pair[0]):
            shown = {"project": project, "cost_key": self.entity}
            yield Difference(self.tie, found.procore, found.erp, **shown, explained=tuple(found.explained))


def _contract_of(document: Document) -> tuple[str, str]:
    return document.company, str(document.figure("contract") or "?")


@dataclass(frozen=True, slots=True)
class Tie:
    """One comparison of an entity's documents, ``beside`` which it may need those of others. It is due when the entity is part of
    the run, and the ERP keeps what it ``needs`` of their fields (``Capability.keeps``): a sum over what the ERP does not keep
    would be compared with nothing.

    Documents that are not due and unknown to the other side are left out; only a ``balance`` takes them, for they explain their
    part of Procore's running figures.
    """

    id: str
    compare: Compare
    needs: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    balance: bool = False

    def takes(self, document: Document, place: int) -> bool:
        return not document.skipped or (self.balance and place == 0)
