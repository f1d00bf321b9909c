"""Reconciliation: both sides' figures as last read, tie by tie, and the control equation (docs/domain-rules.md 4).

``P - E = sum(explained items) + unexplained`` for every tie and grain. An explained item names one record, one amount and one
code; there is no "other". Procore's figures are those of the last read of each document, the ERP's are read anew here.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.figures import figures
from include.financials.identity import canonical_json, digest, parse_origin
from include.financials.ledger import STOPPED, Link, stamp
from include.financials.models import Commitment, CostCode, Record
from include.financials.money import ZERO, text
from include.financials.view import References, Sync

log = logging.getLogger(__name__)

MASTER = ("vendors", "customers", "projects", "cost_types", "cost_codes")

TIES: dict[str, str] = {
    "T-01": "master data: records with our external id = active links",
    "T-05": "original commitment, per document and line",
    "T-07": "revised commitment",
    "T-08": "committed cost, per project and cost key",
    "T-24": "documents: eligible = linked + held + quarantined + blocked + conflict",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One legitimate difference (docs/domain-rules.md 4.3): ``code`` of the closed list, the record, its amount (or count)."""

    code: str
    entity: str
    key: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    tie: str
    procore: Decimal
    erp: Decimal
    project: str | None = None
    cost_key: str | None = None
    procore_id: str | None = None
    erp_id: str | None = None
    explained: tuple[Explained, ...] = ()

    @property
    def unexplained(self) -> Decimal:
        return self.procore - self.erp - sum((item.amount for item in self.explained), Decimal(0))

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("tie", "project", "cost_key", "procore_id", "erp_id")}
        return plain | {
            "procore": format(self.procore, "f"),
            "erp": format(self.erp, "f"),
            "explained": [
                {"code": i.code, "entity": i.entity, "key": i.key, "amount": format(i.amount, "f")} for i in self.explained
            ],
            "unexplained": format(self.unexplained, "f"),
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


@dataclass(slots=True)
class Document:
    """One document pair: Procore's figures, the ERP's, and the state that explains a difference between them."""

    number: str
    project: str | None
    procore_id: str | None = None
    erp_id: str | None = None
    state: str | None = None
    procore: Mapping[str, Any] = field(default_factory=dict)
    erp: Mapping[str, Any] = field(default_factory=dict)
    after_cutoff: bool = False
    accepted: bool = False
    company: str = ""

    def explain(self, difference: Decimal) -> tuple[Explained, ...]:
        """A stopped document explains its own difference; one that is linked never does, and one that only the ERP knows not
        before a person has accepted it as it is (``decide accept``): a balance from before go-live."""
        if difference == 0:
            return ()
        if self.accepted:
            return (Explained("OPENING", "commitments", self.number, difference),)
        if self.after_cutoff:
            return (Explained("AFTER_CUTOFF", "commitments", self.number, difference),)
        if self.state in STOPPED:
            return (Explained(self.state.upper(), "commitments", self.number, difference),)
        return ()


def reconcile(sync: Sync) -> Reconciliation:
    """Compare both sides. A document that the ERP alone has, or a linked one that differs, stays unexplained.

    A run of some entities or some projects compares those only: of the others the ledger may know nothing yet.
    """
    compared: list[Difference] = []
    for entity in MASTER:
        if entity in sync.run.entities:
            compared += _master(sync, entity)
    projects = sync.run.projects
    documents = (
        [d for d in _documents(sync) if not projects or d.project in projects] if "commitments" in sync.run.entities else []
    )
    compared += _per_document(documents)
    compared += _per_cost_key(documents)
    compared += _counts(documents)
    # Equal sums can hide a stopped document on one side and a stranger on the other: what is explained must be missing, too.
    differing = tuple(d for d in compared if d.procore != d.erp or d.unexplained)
    result = Reconciliation(len(compared), differing)
    open_amount = sum((abs(d.unexplained) for d in differing), ZERO)
    log.info("reconciled %d figures: %d differ, unexplained %s", result.checked, len(differing), open_amount)
    for difference in differing:
        if difference.unexplained:
            log.error("unexplained: %s", difference.as_dict())
    return result


# -- documents ----------------------------------------------------------------------------------------------------------------


def _documents(sync: Sync) -> Iterator[Document]:
    entity = "commitments"
    links = _links(sync, entity)
    by_procore = {link.procore_id: link for link in links if link.procore_id}
    erp = {(record.company or "", record.id): record for record in _read_erp(sync, entity)}
    planned = {
        (row["company"], row["erp_key"])
        for row in sync.ledger.outcomes(sync.run.run_id, entity)
        if sync.run.plan and row["action"] == "create"
    }
    used: set[tuple[str, str]] = set()
    procore = _procore_documents(sync)
    for procore_id, seen in procore.items():
        link = by_procore.get(procore_id)
        key = (link.company, link.erp_key) if link else _origin_key(sync, seen["origin_id"])
        if key is None and seen["state"] == "held" and seen["rule"] == "2.9":
            key = (seen["company"], seen["number"])  # proposed: the pair waits for a decision, and neither is an orphan
        record = erp.get(key) if key else None
        if record is not None and key is not None:
            used.add(key)
        elif seen["state"] in ("skipped", None) or (seen["deleted"] and link is None):
            continue
        held = figures(record) if record is not None else seen["figures"] if key in planned and seen["state"] == "linked" else {}
        project, erp_id = seen["figures"].get("project"), record.id if record else None
        yield Document(seen["number"], project, procore_id, erp_id, seen["state"], seen["figures"], held, company=seen["company"])
    yield from _erp_only(sync, [record for key, record in erp.items() if key not in used], procore.keys())


def _erp_only(sync: Sync, records: Iterable[Record], known_in_procore: Collection[str]) -> Iterator[Document]:
    """Documents that the ERP has and Procore has not: unexplained, until a person accepts one with exactly these figures.

    One that was made from a Procore record which no run has read yet (a first backfill of some days) cannot be compared so far.
    """
    accepted = {key for key, decision in sync.ledger.decisions("commitments").items() if decision == "accept"}
    remembered, unread = [], 0
    ours = f"procore:{sync.procore_company}:commitments:"
    for record in records:
        if not isinstance(record, Commitment) or record.status == "void":
            continue
        if record.marker and record.marker.startswith(ours) and record.marker.removeprefix(ours) not in known_in_procore:
            unread += 1
            continue
        plain = figures(record)
        late = record.updated_at is not None and record.updated_at > sync.run.until and record.marker is None
        known: dict[str, Any] = {
            "entity": "commitments",
            "company": record.company or "",
            "side": "erp",
            "id": record.id,
            "number": record.number,
        }
        remembered.append(
            known
            | {"source_hash": digest(plain), "amount": text(record.amount), "figures": canonical_json(plain), "read_at": stamp()}
        )
        yield Document(
            record.number, record.project, None, record.id, None, {}, plain,
            after_cutoff=late, accepted=(record.id, digest(plain)) in accepted, company=record.company or "",
        )  # fmt: skip
    if unread:
        log.warning("%d documents of the ERP come from Procore records that no run has read yet; they are not compared", unread)
    if not sync.run.plan:
        sync.ledger.remember(remembered)


def _links(sync: Sync, entity: str) -> list[Link]:
    return [*sync.ledger.links(entity), *(sync.ledger.planned_links(sync.run.run_id, entity) if sync.run.plan else [])]


def _origin_key(sync: Sync, origin_id: str | None) -> tuple[str, str] | None:
    origin = parse_origin(origin_id, sync.namespace)
    return (origin.company, origin.key) if origin else None


def _procore_documents(sync: Sync) -> dict[str, dict[str, Any]]:
    """Every document of Procore as last read: the ledger's memory, and in plan mode (which leaves no memory) this run's pages."""
    known = {
        record_id: {**row, "figures": json.loads(row["figures"] or "{}")}
        for (_, record_id), row in sync.ledger.seen("commitments", "procore").items()
    }
    if sync.run.plan:
        references = References(sync, ENTITIES["commitments"])
        judged = {row["id"]: row for row in sync.ledger.outcomes(sync.run.run_id, "commitments")}
        for shard in range(sync.run.shards):
            for record in sync.staged("commitments", shard).records():
                translated = references.translated(record)
                known[record.id] = {
                    "number": record.number,
                    **{name: judged[record.id][name] if record.id in judged else None for name in ("state", "rule", "company")},
                    "origin_id": record.origin_id,
                    "deleted": record.deleted,
                    "figures": figures(translated),
                }
    return known


def _read_erp(sync: Sync, entity: str) -> Iterator[Record]:
    for page in sync.systems["erp"].read(entity):
        yield from page.records


def _money(figure: Mapping[str, Any], name: str) -> Decimal:
    return Decimal(figure.get(name) or "0.00")


def _per_document(documents: Iterable[Document]) -> Iterator[Difference]:
    for document in documents:
        pair = {"project": document.project, "procore_id": document.procore_id, "erp_id": document.erp_id}
        p, e = _money(document.procore, "original"), _money(document.erp, "original")
        yield Difference("T-05", p, e, **pair, explained=document.explain(p - e))
        for position, key, p_line, e_line in _lines(document):
            line = f"line {position} {key}"
            yield Difference("T-05", p_line, e_line, **pair, cost_key=line, explained=document.explain(p_line - e_line))
        p += _money(document.procore, "changes")
        e += _money(document.erp, "changes")
        yield Difference("T-07", p, e, **pair, explained=document.explain(p - e))


def _lines(document: Document) -> Iterator[tuple[int, str, Decimal, Decimal]]:
    sides = [{int(p): (k, Decimal(a)) for p, k, a in figure.get("lines", ())} for figure in (document.procore, document.erp)]
    for position in sorted({*sides[0], *sides[1]}):
        key, p = sides[0].get(position, (None, ZERO))
        other, e = sides[1].get(position, (None, ZERO))
        yield position, key or other or "?", p, e


def _per_cost_key(documents: Iterable[Document]) -> Iterator[Difference]:
    """Committed cost per x. Each stopped document explains its own part of the x that it touches."""
    sums: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    items: dict[tuple[str, str, str], list[Explained]] = defaultdict(list)
    for document in documents:
        parts: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for side, figure in enumerate((document.procore, document.erp)):
            for _, key, amount in figure.get("lines", ()):
                parts[document.company, figure.get("project") or document.project or "?", key][side] += Decimal(amount)
        for x, (p, e) in parts.items():
            sums[x][0] += p
            sums[x][1] += e
            items[x] += document.explain(p - e)
    for (company, project, key), (p, e) in sorted(sums.items()):
        yield Difference("T-08", p, e, project=project, cost_key=key, explained=tuple(items[company, project, key]))


def _counts(documents: Iterable[Document]) -> Iterator[Difference]:
    by_project: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        by_project[document.company, document.project or "?"].append(document)
    for (_, project), group in sorted(by_project.items()):
        procore = [d for d in group if d.procore_id]
        erp = [d for d in group if d.erp]
        explained = tuple(
            item for d in group if bool(d.procore_id) != bool(d.erp) for item in d.explain(Decimal(1 if d.procore_id else -1))
        )
        yield Difference("T-24", Decimal(len(procore)), Decimal(len(erp)), project=project, explained=explained)


# -- master data ----------------------------------------------------------------------------------------------------------------


def _master(sync: Sync, entity: str) -> Iterator[Difference]:
    """Key sets: what Procore shows as synced is exactly what the ledger says is linked, and the ERP still has it."""
    states = {(row["company"], row["erp_key"]): row["state"] for row in sync.ledger.outcomes(sync.run.run_id, entity)}
    known = {key: row["state"] for key, row in sync.ledger.seen(entity, "erp").items()}
    erp = {(record.company or "", record.id): record for record in sync.everywhere("erp", entity)}
    planned = {(link.company, link.erp_key) for link in _links(sync, entity) if link.status == "planned"}
    linked = {(link.company, link.erp_key) for link in _links(sync, entity)} & erp.keys()
    projects = sync.run.projects
    elsewhere = {
        (link.company, link.erp_key) for link in _links(sync, entity) if projects and link.scope and link.scope not in projects
    }
    procore = {
        key for key in (_origin_key(sync, row["origin_id"]) for row in _procore_side(sync, entity)) if key
    } - elsewhere | planned
    counted = Difference("T-01", Decimal(len(procore)), Decimal(len(linked)), cost_key=entity, explained=())
    items = []
    for key in sorted(procore ^ linked):
        state = states.get(key) or known.get(key)
        if state in STOPPED:
            items.append(Explained(state.upper(), entity, key[1], Decimal(1 if key in procore else -1)))
    yield Difference(counted.tie, counted.procore, counted.erp, cost_key=entity, explained=tuple(items))
    # Equal counts can hide two different sets: each key that only one side has is a figure of its own.
    for key in sorted(procore ^ linked):
        p, e = Decimal(key in procore), Decimal(key in linked)
        own = tuple(item for item in items if item.key == key[1])
        yield Difference("T-01", p, e, cost_key=f"{entity} {key[1]}", erp_id=key[1], explained=own)
    if entity == "cost_codes":
        yield from _assignments(
            sync,
            {key: record for key, record in erp.items() if key in linked and isinstance(record, CostCode)},
            planned,
            {**known, **states},
        )


def _procore_side(sync: Sync, entity: str) -> list[Mapping[str, Any]]:
    if sync.run.plan:
        return [{"origin_id": record.origin_id} for record in sync.everywhere("procore", entity)]
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
        for record in sync.everywhere("procore", "cost_codes"):
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
