"""Reconciliation: both sides' figures as last read, tie by tie, and the control equation (docs/domain-rules.md 4).

``P - E = sum(explained items) + unexplained`` for every tie and grain. An explained item names one record, one amount and one
code; there is no "other". Figures are those of the last read: of the ERP, after what this run wrote there.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.financials.documents import Document, Documents
from include.financials.entities import ENTITIES
from include.financials.explained import Difference, Explained
from include.financials.identity import parse_origin
from include.financials.known import in_procore
from include.financials.ledger import STOPPED, Link
from include.financials.models import CostCode
from include.financials.money import ZERO
from include.financials.references import References
from include.financials.view import Sync

log = logging.getLogger(__name__)

MASTER = ("vendors", "vendor_insurances", "customers", "projects", "sub_jobs", "tax_codes", "cost_types", "cost_codes")

TIES: dict[str, str] = {
    "T-01": "records with our external id = active links",
    "T-02": "original budget, per cost key",
    "T-03": "budget changes, per document and line",
    "T-05": "original commitment, per document and line",
    "T-06": "approved change orders, per document and line",
    "T-07": "revised commitment",
    "T-08": "committed cost, per project and cost key",
    "T-10": "invoice gross, per document and line",
    "T-11": "billed to date, per commitment and cost key",
    "T-12": "retainage: held and released per invoice, balance per commitment",
    "T-16": "paid, per invoice and commitment",
    "T-18": "direct cost, per cost key",
    "T-20": "prime contract, per document, line and change order, and revised",
    "T-21": "owner billing: gross, held, released per invoice; completed and earned per contract",
    "T-22": "received, per owner invoice and contract",
    "T-24": "documents: eligible = linked + held + quarantined + blocked + conflict",
}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    checked: int
    differences: tuple[Difference, ...]

    @property
    def balanced(self) -> bool:
        return not any(difference.unexplained for difference in self.differences)

    def as_dict(self) -> dict[str, Any]:
        return {"balanced": self.balanced, "checked": self.checked, "differences": [d.as_dict() for d in self.differences]}


def reconcile(sync: Sync) -> Reconciliation:
    """Compare both sides. A document that one side alone has, or a linked one that differs, stays unexplained.

    A run of some entities or some projects compares those only: of the others the ledger may know nothing yet.
    """
    compared: list[Difference] = []
    sync = sync.judging("reconciliation")
    for entity in sync.run.entities:
        if entity in MASTER:
            compared += _master(sync, entity)
        elif ENTITIES[entity].external_id:
            compared += _synced(sync, entity)
    documents = Documents(sync)
    for tie in _TIES:
        if tie.entities[0] in sync.run.entities and tie.due(sync):
            groups = [documents.of(entity) for entity in tie.entities if entity in sync.run.entities]
            compared += tie.compare(*groups, documents) if tie.balance else tie.compare(*groups)
    for entity in sync.run.entities:
        if entity not in MASTER:
            compared += _counts(documents.of(entity))
    # Equal sums can hide a stopped document on one side and a stranger on the other: what is explained must be missing, too.
    differing = tuple(d for d in compared if d.procore != d.erp or d.unexplained)
    result = Reconciliation(len(compared), differing)
    open_amount = sum((abs(d.unexplained) for d in differing), ZERO)
    log.info("reconciled %d figures: %d differ, unexplained %s", result.checked, len(differing), open_amount)
    for difference in differing:
        if difference.unexplained:
            log.error("unexplained: %s", difference.as_dict())
    return result


# -- ties over documents --------------------------------------------------------------------------------------------------------

Docs = Sequence[Document]
Compare = Callable[..., Iterator[Difference]]


def _per_document(tie: str, *names: str) -> Compare:
    """One figure of each document after the other."""

    def compare(documents: Docs) -> Iterator[Difference]:
        for document in documents:
            for name in names:
                p, e = document.money("procore", name), document.money("erp", name)
                label = None if name == "amount" else name
                yield Difference(tie, p, e, **document.pair, cost_key=label, explained=document.explain(p - e))

    return compare


def _per_line(tie: str) -> Compare:
    def compare(documents: Docs) -> Iterator[Difference]:
        for document in documents:
            for key, x, p, e in document.lines():
                yield Difference(tie, p, e, **document.pair, cost_key=f"line {key} {x}", explained=document.explain(p - e))

    return compare


def _per_x(tie: str, *, posted: bool = False) -> Compare:
    """Sums per project and cost key. Each document explains its own part of the x that it touches. ``posted``: the ERP counts
    posted documents only, and one that waits in a batch explains itself (UNPOSTED)."""

    def compare(*groups: Docs) -> Iterator[Difference]:
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


def _revised(tie: str) -> Compare:
    """Contract sum with its approved changes. Procore's is built from the documents, the ERP's is what it states itself."""

    def compare(contracts: Docs, *changes: Docs) -> Iterator[Difference]:
        of_contract = _by_contract(changes[0]) if changes else {}
        for contract in contracts:
            if not changes and (contract.money("procore", "changes") or contract.money("erp", "changes")):
                continue  # the run leaves change orders out: what Procore's add up to may not be known yet
            mine = of_contract.get((contract.company, contract.key), [])
            p = contract.money("procore", "amount") + _sum(mine, "procore", "amount")
            e = contract.money("erp", "amount") + (ZERO if contract.planned else contract.money("erp", "changes"))
            e += sum((c.money("erp", "amount") for c in mine if c.planned), ZERO)
            # A contract that is void or gone on one side takes its changes along: it explains all of it.
            # Of one that cannot be read the ERP's changes are not known.
            if contract.unread or (not (contract.counted and (contract.erp or contract.planned)) and contract.linked):
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


def _to_date(tie: str, name: str, own: Callable[[Document, str], Decimal], *, posted: bool = False, label: str) -> Compare:
    """A balance per contract: Procore's of the last eligible invoice, the ERP's as the sum of its documents. Each invoice on the
    way contributes what its balance moved; one that is stopped, not eligible or unposted explains its own contribution."""

    def compare(documents: Docs, others: Mapping[tuple[str, str], Docs], known: Documents) -> Iterator[Difference]:
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
                items += (Explained("OPENING", _CONTRACT_OF[group[0].entity], opening.contract, balance[name]),)
            yield Difference(tie, p, e, project=group[0].project, cost_key=f"{label} {key[1]}", erp_id=key[1], explained=items)

    return compare


def _earned(document: Document) -> Decimal:
    return document.stated("procore", "completed") - document.stated("procore", "retainage")


def _own_gross(document: Document, side: str) -> Decimal:
    return document.money(side, "amount")


def _own_retainage(document: Document, side: str) -> Decimal:
    return document.money(side, "held") - document.money(side, "released")


def _own_earned(document: Document, side: str) -> Decimal:
    return document.money(side, "amount") - _own_retainage(document, side)


def _paid(tie: str) -> Compare:
    """Payments per invoice and per contract."""

    def compare(documents: Docs) -> Iterator[Difference]:
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
    """A tie and the entities whose documents it compares; it is due when the first of them is part of the run, and the ERP keeps
    what it ``needs`` of their fields (``Capability.keeps``)."""

    entities: tuple[str, ...]
    compare: Compare
    needs: tuple[str, ...] = ()

    balance: bool = False
    """A running balance: it is told the documents themselves, which know the opening balances."""

    def due(self, sync: Sync) -> bool:
        """A sum over what the ERP does not keep would be compared with nothing."""
        return all(
            sync.keeps(entity, name)
            for entity in self.entities
            if entity in sync.run.entities
            for name in self.needs
            if name.partition(".")[0] in ENTITIES[entity].model.model_fields
        )


def _billing(compare: Compare) -> Compare:
    """Hands a balance the invoices that are not eligible, too: they explain their part of Procore's running figures."""

    def both(documents: Docs, known: Documents) -> Iterator[Difference]:
        return compare([d for d in documents if not d.skipped], _by_contract([d for d in documents if d.skipped]), known)

    return both


def _eligible(compare: Compare) -> Compare:
    def only(*groups: Docs) -> Iterator[Difference]:
        return compare(*([d for d in group if not d.skipped] for group in groups))

    return only


_CONTRACT_OF = {"subcontractor_invoices": "commitments", "owner_invoices": "prime_contracts"}
_COMMITMENT, _PRIME = ("commitments", "commitment_change_orders"), ("prime_contracts", "prime_change_orders")
_TIES: tuple[Tie, ...] = (
    Tie(("budgets",), _eligible(_per_x("T-02")), ("lines",)),
    Tie(("budget_changes",), _eligible(_per_line("T-03")), ("lines.key",)),
    Tie(("commitments",), _eligible(_per_document("T-05", "amount"))),
    Tie(("commitments",), _eligible(_per_line("T-05")), ("lines.key",)),
    Tie(("commitment_change_orders",), _eligible(_per_document("T-06", "amount"))),
    Tie(("commitment_change_orders",), _eligible(_per_line("T-06")), ("lines.key",)),
    Tie(_COMMITMENT, _eligible(_revised("T-07")), ("approved_changes",)),
    Tie(_COMMITMENT, _eligible(_per_x("T-08")), ("lines",)),
    Tie(("subcontractor_invoices",), _eligible(_per_document("T-10", "amount"))),
    Tie(("subcontractor_invoices",), _eligible(_per_line("T-10")), ("lines.key",)),
    Tie(
        ("subcontractor_invoices",),
        _billing(_to_date("T-11", "completed", _own_gross, posted=True, label="billed")),
        balance=True,
    ),
    Tie(("subcontractor_invoices",), _eligible(_per_x("T-11", posted=True)), ("lines",)),
    Tie(("subcontractor_invoices",), _eligible(_per_document("T-12", "held", "released")), ("held", "released")),
    Tie(
        ("subcontractor_invoices",),
        _billing(_to_date("T-12", "retainage", _own_retainage, label="retainage")),
        ("held", "released"),
        balance=True,
    ),
    Tie(("payments_issued",), _eligible(_paid("T-16"))),
    Tie(("direct_costs",), _eligible(_per_x("T-18")), ("lines",)),
    Tie(("prime_contracts",), _eligible(_per_document("T-20", "amount"))),
    Tie(("prime_contracts",), _eligible(_per_line("T-20")), ("lines.key",)),
    Tie(("prime_change_orders",), _eligible(_per_document("T-20", "amount"))),
    Tie(_PRIME, _eligible(_revised("T-20")), ("approved_changes",)),
    Tie(("owner_invoices",), _eligible(_per_document("T-21", "amount"))),
    Tie(("owner_invoices",), _eligible(_per_document("T-21", "held", "released")), ("held", "released")),
    Tie(("owner_invoices",), _billing(_to_date("T-21", "completed", _own_gross, label="completed")), balance=True),
    Tie(("owner_invoices",), _billing(_to_date("T-21", "earned", _own_earned, label="earned")), ("held", "released"), True),
    Tie(("payments_received",), _eligible(_paid("T-22"))),
)


def _counts(documents: Docs) -> Iterator[Difference]:
    by_project: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        if not document.skipped:
            by_project[document.company, document.project or "?"].append(document)
    for (_, project), group in sorted(by_project.items()):
        entity = group[0].entity
        p, e = sum(1 for d in group if d.counted), sum(1 for d in group if d.erp)
        explained = tuple(
            item for d in group if bool(d.counted) != bool(d.erp) for item in d.explain(Decimal(1 if d.counted else -1))
        )
        yield Difference("T-24", Decimal(p), Decimal(e), project=project, cost_key=entity, explained=explained)


# -- what Procore shows as synced -----------------------------------------------------------------------------------------------


def _origin_key(sync: Sync, origin_id: str | None) -> tuple[str, str] | None:
    origin = parse_origin(origin_id, sync.namespace)
    return (origin.company, origin.key) if origin else None


def _synced(sync: Sync, entity: str) -> Iterator[Difference]:
    """Documents: what Procore shows as synced is exactly what the ledger says is linked."""
    outcomes, seen = sync.ledger.outcomes(sync.run.run_id, entity), sync.ledger.seen(entity, "erp")
    states = {key: row["state"] for key, row in seen.items() if row["state"]}
    states |= {(row["company"], row["erp_key"]): row["state"] for row in outcomes}
    numbers = {key: row["number"] for key, row in seen.items()}
    closed = sync.ledger.ended_revisions(entity).keys()  # ended on both sides: a void document may still carry our external id
    procore: set[tuple[str, str]] = set()
    for row in in_procore(sync, entity).values():
        key = _origin_key(sync, row["origin_id"])
        if key is not None and not row["deleted"] and not (row["state"] == "skipped" and key in closed):
            procore.add(key)
            numbers[key] = row["number"]
            states |= {key: row["state"]} if row["state"] else {}
    linked = {(link.company, link.erp_key) for link in sync.ledger.links(entity) if link.status == "active"}
    if sync.run.plan:
        planned = {(link.company, link.erp_key) for link in sync.ledger.planned_links(sync.run.run_id, entity)}
        linked |= planned
        procore |= planned
    yield from _key_sets(entity, procore, linked, states, numbers)


def _key_sets(
    entity: str,
    procore: set[tuple[str, str]],
    linked: set[tuple[str, str]],
    states: Mapping[tuple[str, str], str | None],
    numbers: Mapping[tuple[str, str], str],
) -> Iterator[Difference]:
    """Counts, and each key that only one side has as a figure of its own: equal counts can hide two different sets."""
    items = {}
    for key in sorted(procore ^ linked):
        state = states.get(key)
        if state in STOPPED:
            items[key] = Explained(state.upper(), entity, numbers.get(key) or key[1], Decimal(1 if key in procore else -1))
    yield Difference("T-01", Decimal(len(procore)), Decimal(len(linked)), cost_key=entity, explained=tuple(items.values()))
    for key in sorted(procore ^ linked):
        p, e = Decimal(key in procore), Decimal(key in linked)
        own = (items[key],) if key in items else ()
        yield Difference("T-01", p, e, cost_key=f"{entity} {key[1]}", erp_id=key[1], explained=own)


# -- master data ----------------------------------------------------------------------------------------------------------------


def _master(sync: Sync, entity: str) -> Iterator[Difference]:
    """Key sets: what Procore shows as synced is exactly what the ledger says is linked, and the ERP still has it."""
    outcomes, seen = sync.ledger.outcomes(sync.run.run_id, entity), sync.ledger.seen(entity, "erp")
    states = {(row["company"], row["erp_key"]): row["state"] for row in outcomes}
    known = {key: row["state"] for key, row in seen.items()}
    numbers = {key: row["number"] for key, row in seen.items()}
    numbers |= {(row["company"], row["erp_key"]): row["number"] for row in outcomes}
    erp = {(record.company or "", record.id): record for record in sync.lists.everywhere("erp", entity)}
    planned = {(link.company, link.erp_key) for link in links_of(sync, entity) if link.status == "planned"}
    linked = {(link.company, link.erp_key) for link in links_of(sync, entity)} & erp.keys()
    projects = sync.run.projects
    elsewhere = {
        (link.company, link.erp_key) for link in links_of(sync, entity) if projects and link.scope and link.scope not in projects
    }
    if ENTITIES[entity].project_scoped:  # of a job that cannot be read nobody asked for codes and sub jobs
        jobs = {record.id for record in sync.lists.everywhere("erp", "projects")}
        elsewhere |= {(link.company, link.erp_key) for link in links_of(sync, entity) if link.scope and link.scope not in jobs}
    procore = {
        key for key in (_origin_key(sync, row["origin_id"]) for row in _procore_side(sync, entity)) if key
    } - elsewhere | planned
    yield from _key_sets(entity, procore, linked, known | {key: state for key, state in states.items() if state}, numbers)
    if entity == "cost_codes":
        yield from _assignments(
            sync,
            {key: record for key, record in erp.items() if key in linked and isinstance(record, CostCode)},
            planned,
            {**known, **states},
        )


def _procore_side(sync: Sync, entity: str) -> list[Mapping[str, Any]]:
    if sync.run.plan:
        return [{"origin_id": record.origin_id} for record in sync.lists.everywhere("procore", entity)]
    return [row for row in sync.ledger.seen(entity, "procore").values() if not row["deleted"]]


def _assignments(
    sync: Sync,
    codes: Mapping[tuple[str, str], CostCode],
    planned: set[tuple[str, str]],
    states: Mapping[tuple[str, str], str | None],
) -> Iterator[Difference]:
    """Assigned (code, type) pairs of linked codes: each must exist in Procore; pairs that only Procore has are its users'
    business. A code that was stopped explains the pairs that it lacks."""
    known: dict[tuple[str, str], set[str]] = {}
    if sync.run.plan:
        references = References(sync, ENTITIES["cost_codes"])
        for record in sync.lists.everywhere("procore", "cost_codes"):
            key = _origin_key(sync, record.origin_id)
            if key and isinstance(translated := references.translated(record), CostCode):
                known[key] = set(translated.cost_types)
    else:
        for row in _procore_side(sync, "cost_codes"):
            key = _origin_key(sync, row["origin_id"])
            if key:
                known[key] = set(json.loads(row["figures"] or "{}").get("cost_types", ()))
    by_project: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    items: dict[str, list[Explained]] = defaultdict(list)
    for key, code in codes.items():
        if code.project is None or not code.active:
            continue
        here = known.get(key, set()) | (set(code.cost_types) if key in planned else set())
        by_project[code.project][0] += len(here & set(code.cost_types))
        by_project[code.project][1] += len(code.cost_types)
        state, missing = states.get(key), len(set(code.cost_types) - here)
        if missing and state in STOPPED:
            items[code.project].append(Explained(state.upper(), "cost_codes", key[1], Decimal(-missing)))
    for project, (p, e) in sorted(by_project.items()):
        yield Difference("T-01", Decimal(p), Decimal(e), project=project, cost_key="assignments", explained=tuple(items[project]))


def links_of(sync: Sync, entity: str) -> list[Link]:
    return [*sync.ledger.links(entity), *(sync.ledger.planned_links(sync.run.run_id, entity) if sync.run.plan else [])]
