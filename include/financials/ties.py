"""Ties: what must be equal on both sides, figure by figure (docs/domain-rules.md 4). Each entity's row names its own.

A compare is a function over the pairs of one or more entities; it yields every figure that it looked at, equal or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from include.financials.explained import Difference, Document, Explained
from include.financials.money import ZERO

if TYPE_CHECKING:
    from include.financials.documents import Documents

Docs = Sequence[Document]
Compare = Callable[..., Iterator[Difference]]
"""(tie, documents of each entity) -> figures; of a balance also (documents that are not due by contract, their source)."""


def per_document(*names: str) -> Compare:
    """One figure of each document after the other."""

    def compare(tie: str, documents: Docs) -> Iterator[Difference]:
        for document in documents:
            for name in names:
                p, e = document.money("procore", name), document.money("erp", name)
                label = None if name == "amount" else name
                yield Difference(tie, p, e, **document.pair, cost_key=label, explained=document.explain(p - e))

    return compare


def per_line() -> Compare:
    """Each line of each document."""

    def compare(tie: str, documents: Docs) -> Iterator[Difference]:
        for document in documents:
            for key, x, p, e in document.lines():
                yield Difference(tie, p, e, **document.pair, cost_key=f"line {key} {x}", explained=document.explain(p - e))

    return compare


def per_cost_key(*, posted: bool = False) -> Compare:
    """Sums per project and cost key. Each document explains its own part of the x that it touches. ``posted``: the ERP counts
    posted documents only, and one that waits in a batch explains itself (UNPOSTED)."""

    def compare(tie: str, *groups: Docs) -> Iterator[Difference]:
        sums: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        items: dict[tuple[str, str, str], list[Explained]] = defaultdict(list)
        for document in (document for group in groups for document in group):
            for x, (p, there) in document.by_x().items():
                e = ZERO if posted and document.unposted else there
                place = document.company, document.project or "?", x
                sums[place][0] += p
                sums[place][1] += e
                items[place] += document.explain(p - e, unposted=posted)
        for (company, project, x), (p, e) in sorted(sums.items()):
            yield Difference(tie, p, e, project=project, cost_key=x, explained=tuple(items[company, project, x]))

    return compare


def revised() -> Compare:
    """Contract sum with its approved changes. Procore's is built from the documents, the ERP's is what it states itself."""

    def compare(tie: str, contracts: Docs, *changes: Docs) -> Iterator[Difference]:
        of_contract = _by_contract(changes[0]) if changes else {}
        for contract in contracts:
            if not changes and (contract.money("procore", "changes") or contract.money("erp", "changes")):
                continue  # the run leaves change orders out: what Procore's add up to may not be known yet
            mine = of_contract.get((contract.company, contract.key), [])
            p = contract.money("procore", "amount") + _sum(mine, "procore", "amount")
            e = contract.money("erp", "amount") + (ZERO if contract.planned else contract.money("erp", "changes"))
            e += sum((c.money("erp", "amount") for c in mine if c.planned), ZERO)
            # A contract that is void or gone on one side takes its changes along: it explains all of it. So does one that only
            # the ERP shows so far. Of one that cannot be read the ERP's changes are not known.
            alone = not (contract.counted and (contract.erp or contract.planned))
            if contract.unread or (alone and (contract.linked or not contract.counted)):
                yield Difference(tie, p, e, **contract.pair, cost_key="revised", explained=contract.explain(p - e))
                continue
            items = contract.explain(contract.money("procore", "amount") - contract.money("erp", "amount"))
            for change in mine:
                items += change.explain(change.money("procore", "amount") - change.money("erp", "amount"))
            items += _waiting(mine, p - e - sum((item.amount for item in items), ZERO))
            yield Difference(tie, p, e, **contract.pair, cost_key="revised", explained=items)

    return compare


def _waiting(changes: Docs, left: Decimal) -> tuple[Explained, ...]:
    """Linked changes that wait in a batch of the ERP, where its revised sum leaves them out: exactly these, or none."""
    batch = [c for c in changes if c.linked and c.unposted and c.counted]
    if not left or left != _sum(batch, "erp", "amount"):
        return ()
    return tuple(Explained("UNPOSTED", c.entity, c.number, c.money("erp", "amount")) for c in batch)


def to_date(name: str, own: Callable[[Document, str], Decimal], *, posted: bool = False, label: str) -> Compare:
    """A balance per contract: Procore's of the last eligible invoice, the ERP's as the sum of its documents. Each invoice on the
    way contributes what its balance moved; one that is stopped, not eligible or unposted explains its own contribution."""

    def compare(tie: str, documents: Docs, others: Mapping[tuple[str, str], Docs], known: Documents) -> Iterator[Difference]:
        for key, group in _by_contract(documents).items():
            skipped = others.get(key, ())
            opening = known.opening(group[0].entity, *key)
            ordered = sorted([*group, *skipped], key=lambda d: d.sequence)
            last = max((d.sequence for d in group if d.counted), default=0)
            p, e, before = ZERO, ZERO, ZERO
            items: tuple[Explained, ...] = ()
            for document in ordered:
                there = own(document, "erp")
                mine = ZERO if posted and document.unposted else there
                if document.procore and document.sequence <= last:
                    now = document.stated("procore", name) if name != "earned" else _earned(document)
                    moved, before = now - before, now
                    p = now
                else:
                    moved = ZERO
                e += mine
                items += document.explain(moved - mine, unposted=posted, not_eligible=True)
            if opening is not None:
                balance = {
                    "completed": opening.amount,
                    "retainage": opening.retainage,
                    "earned": opening.amount - opening.retainage,
                }
                items += (Explained("OPENING", known.contracts(group[0].entity), opening.contract, balance[name]),)
            yield Difference(tie, p, e, project=group[0].project, cost_key=f"{label} {key[1]}", erp_id=key[1], explained=items)

    return compare


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

    def compare(tie: str, documents: Docs) -> Iterator[Difference]:
        for grain in ("invoice", "contract"):
            groups: dict[tuple[str, str], list[Document]] = defaultdict(list)
            for document in documents:
                groups[document.company, str(document.figure(grain) or "?")].append(document)
            for (_, key), group in sorted(groups.items()):
                p, e = _sum(group, "procore", "amount"), _sum(group, "erp", "amount")
                items = tuple(item for d in group for item in d.explain(d.money("procore", "amount") - d.money("erp", "amount")))
                yield Difference(tie, p, e, project=group[0].project, cost_key=f"{grain} {key}", erp_id=key, explained=items)

    return compare


def _sum(documents: Iterable[Document], side: str, name: str) -> Decimal:
    return sum((document.money(side, name) for document in documents), ZERO)


def _by_contract(documents: Docs) -> dict[tuple[str, str], list[Document]]:
    found: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        found[document.company, str(document.figure("contract") or "?")].append(document)
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Tie:
    """One comparison of an entity's documents, ``beside`` which it may need those of others. It is due when the entity is part of
    the run, and the ERP keeps what it ``needs`` of their fields (``Capability.keeps``): a sum over what the ERP does not keep
    would be compared with nothing.

    Documents that are not due and unknown to the other side are left out; a ``balance`` is told them apart, for they explain
    their part of Procore's running figures, and the documents' source, which knows the opening balances.
    """

    id: str
    compare: Compare
    needs: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    balance: bool = False

    def differences(self, groups: Sequence[Docs], known: Documents) -> Iterator[Difference]:
        """Every figure of it. ``groups``: the entity's documents, then those of each entity ``beside`` it that is in the run."""
        due = [[document for document in group if not document.skipped] for group in groups]
        if not self.balance:
            return self.compare(self.id, *due)
        return self.compare(self.id, *due, _by_contract([document for document in groups[0] if document.skipped]), known)
