"""Reconciliation: both sides' figures as last read, tie by tie, and the control equation (docs/domain-rules.md 4).

``P - E = sum(explained items) + unexplained`` for every tie and grain. An explained item names one record, one amount and one
code; there is no "other". Figures are those of the last read: of the ERP, after what this run wrote there.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.financials.beside import beside
from include.financials.documents import Documents
from include.financials.entities import ENTITIES
from include.financials.entities.codes import CostCode
from include.financials.explained import Difference, Document, Explained
from include.financials.identity import parse_origin
from include.financials.ledger import STOPPED, Link, Seen, decoded
from include.financials.money import ZERO
from include.financials.reading.questions import lists_changed
from include.financials.record import COST_CODES, PROJECTS
from include.financials.references import References
from include.financials.view import Sync

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    checked: int
    differences: tuple[Difference, ...]

    @property
    def balanced(self) -> bool:
        return not any(difference.unexplained for difference in self.differences)

    def as_dict(self) -> dict[str, Any]:
        return {"balanced": self.balanced, "checked": self.checked, "differences": [d.as_dict() for d in self.differences]}


LOOKS = 6
"""How often what stays unexplained is looked at again, as long as it is another one each time."""


def reconcile(sync: Sync) -> Reconciliation:
    """Compare both sides. A document that one side alone has, or a linked one that differs, stays unexplained.

    A run beside this one may write to the ERP, or tell the ledger of it, while this one compares: what is unexplained counts
    once it has been seen twice. A run of some entities or some projects compares those only: of the others the ledger may know
    nothing yet.
    """
    result, before = _compared(sync), None
    for _ in range(LOOKS):
        if result.balanced or result == before:
            break
        result, before = _compared(sync), result
    open_amount = sum((abs(d.unexplained) for d in result.differences), ZERO)
    log.info("reconciled %d figures: %d differ, unexplained %s", result.checked, len(result.differences), open_amount)
    for difference in result.differences:
        if difference.unexplained:
            log.error("unexplained: %s", difference.as_dict())
    return result


def _compared(sync: Sync) -> Reconciliation:
    sync.ask_anew()
    _look_again(sync)
    sync, checked, differing = sync.judging("reconciliation"), 0, []
    for one in _figures(sync):
        checked += 1
        # Equal sums can hide a stopped document on one side and a stranger on the other: what is explained must be missing, too.
        if one.procore != one.erp or one.unexplained:
            differing.append(one)
    return Reconciliation(checked, tuple(differing))


def _figures(sync: Sync) -> Iterator[Difference]:
    """Every figure, equal or not, one by one: documents are let go of with the last tie that they are needed for."""
    rows = [row for row in (ENTITIES[entity] for entity in sync.run.entities) if not row.read_only]
    for row in rows:
        if row.master:
            yield from _master(sync, row.name)
        elif row.external_id:
            yield from _synced(sync, row.name)
    documents, counts = Documents(sync), dict[str, list[Difference]]()
    # In the order of the ties' numbers, whichever family names them.
    ties = sorted(((tie, one) for one in rows for tie in one.ties), key=lambda pair: pair[0].id)
    due = [(tie, [row.name, *(name for name in tie.beside if name in sync.run.entities)]) for tie, row in ties]
    due = [(tie, names) for tie, names in due if all(_kept(sync, name, tie.needs) for name in names)]
    last = {name: place for place, (_, names) in enumerate(due) for name in names}
    for place, (tie, names) in enumerate(due):
        yield from tie.differences([documents.of(name) for name in names], documents)
        for name in names:
            if last[name] == place:
                counts[name] = list(_counts(documents.of(name)))
                documents.drop(name)
    for row in rows:
        if not row.master:
            yield from counts[row.name] if row.name in counts else _counts(documents.of(row.name))


def _kept(sync: Sync, entity: str, needs: Sequence[str]) -> bool:
    """Whether the ERP keeps what a tie needs of an entity, as far as that has it."""
    return all(sync.keeps(entity, name) for name in needs if name.partition(".")[0] in ENTITIES[entity].model.model_fields)


Docs = Sequence[Document]


def _look_again(sync: Sync) -> None:
    """The one thing that is asked here, of the ERP alone, which is not opened otherwise: a run beside this one may have written
    there after this one read it. What the ledger knows by now is compared with what the ERP shows by now."""
    last = sync.ledger.journal.last_calls("erp", beside=sync.run.run_id)
    written = [(name, at) for entity, at in last.items() for name in lists_changed(ENTITIES[entity])]
    sync.lists.look_again("erp", written)


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
    outcomes, seen = sync.ledger.outcomes.of(sync.run.run_id, entity, work=False), sync.ledger.records.seen(entity, "erp")
    states: dict[tuple[str, str], str | None] = {key: row.state for key, row in seen.items() if row.state}
    states |= {(row.company, row.erp_key or ""): row.state for row in outcomes}
    numbers = {key: row.number for key, row in seen.items()}
    closed = sync.ledger.links.ended_revisions(
        entity
    ).keys()  # ended on both sides: a void document may still carry our external id
    procore: set[tuple[str, str]] = set()
    for held in sync.memory(entity).values():
        key = _origin_key(sync, held.origin_id)
        if key is not None and not held.deleted and not (held.state == "skipped" and key in closed):
            procore.add(key)
            numbers[key] = held.number
            states |= {key: held.state} if held.state else {}
    linked = {(link.company, link.erp_key) for link in sync.ledger.links.of(entity, contents=False) if link.status == "active"}
    if sync.run.plan:
        planned = {(link.company, link.erp_key) for link in sync.ledger.links.planned(sync.run.run_id, entity)}
        linked |= planned
        procore |= planned
    yield from _key_sets(entity, procore, linked, _codes(sync, entity, states), numbers)


def _codes(sync: Sync, entity: str, states: Mapping[tuple[str, str], str | None]) -> dict[tuple[str, str], str]:
    """Why a record may stand on one side alone, by its key in the ERP."""
    stopped = {key: state.upper() for key, state in states.items() if state in STOPPED}
    return dict.fromkeys(beside(sync, entity).keys, "AFTER_CUTOFF") | stopped


def _key_sets(
    entity: str,
    procore: set[tuple[str, str]],
    linked: set[tuple[str, str]],
    codes: Mapping[tuple[str, str], str],
    numbers: Mapping[tuple[str, str], str],
) -> Iterator[Difference]:
    """Counts, and each key that only one side has as a figure of its own: equal counts can hide two different sets."""
    items = {
        key: Explained(codes[key], entity, numbers.get(key) or key[1], Decimal(1 if key in procore else -1))
        for key in sorted(procore ^ linked)
        if key in codes
    }
    yield Difference("T-01", Decimal(len(procore)), Decimal(len(linked)), cost_key=entity, explained=tuple(items.values()))
    for key in sorted(procore ^ linked):
        p, e = Decimal(key in procore), Decimal(key in linked)
        own = (items[key],) if key in items else ()
        yield Difference("T-01", p, e, cost_key=f"{entity} {key[1]}", erp_id=key[1], explained=own)


# -- master data ----------------------------------------------------------------------------------------------------------------


def _master(sync: Sync, entity: str) -> Iterator[Difference]:
    """Key sets: what Procore shows as synced is exactly what the ledger says is linked, and the ERP still has it."""
    outcomes, seen = sync.ledger.outcomes.of(sync.run.run_id, entity, work=False), sync.ledger.records.seen(entity, "erp")
    states = {(row.company, row.erp_key or ""): row.state for row in outcomes}
    known = {key: row.state for key, row in seen.items()}
    numbers = {key: row.number for key, row in seen.items()}
    numbers |= {(row.company, row.erp_key or ""): row.number for row in outcomes}
    answered, _ = sync.lists.answer(entity, sync.lists.shards_of(entity), "erp", entity)  # what the list missed, and is there
    shown = [*answered.records, *sync.lists.everywhere("erp", entity)]
    erp = {(record.company or "", record.id): record for record in shown}
    planned = {(link.company, link.erp_key) for link in links_of(sync, entity) if link.status == "planned"}
    linked = {(link.company, link.erp_key) for link in links_of(sync, entity)} & erp.keys()
    projects = sync.run.projects
    elsewhere = {
        (link.company, link.erp_key) for link in links_of(sync, entity) if projects and link.scope and link.scope not in projects
    }
    if ENTITIES[entity].project_scoped:  # of a job that cannot be read nobody asked for codes and sub jobs
        jobs = {record.id for record in sync.lists.everywhere("erp", PROJECTS)}
        elsewhere |= {(link.company, link.erp_key) for link in links_of(sync, entity) if link.scope and link.scope not in jobs}
    procore = {key for key in (_origin_key(sync, origin) for origin in _procore_side(sync, entity)) if key} - elsewhere | planned
    codes = _codes(sync, entity, known | {key: state for key, state in states.items() if state})
    yield from _key_sets(entity, procore, linked, codes, numbers)
    if entity == COST_CODES:
        assigned = {key: record for key, record in erp.items() if key in linked and isinstance(record, CostCode)}
        yield from _assignments(sync, assigned, planned, _codes(sync, entity, {**known, **states}))


def _procore_side(sync: Sync, entity: str) -> list[str | None]:
    if sync.run.plan:
        return [record.origin_id for record in sync.lists.everywhere("procore", entity)]
    return [row.origin_id for row in _remembered(sync, entity)]


def _remembered(sync: Sync, entity: str) -> list[Seen]:
    return [row for row in sync.ledger.records.seen(entity, "procore").values() if not row.deleted]


def _assignments(
    sync: Sync,
    codes: Mapping[tuple[str, str], CostCode],
    planned: set[tuple[str, str]],
    apart: Mapping[tuple[str, str], str],
) -> Iterator[Difference]:
    """Assigned (code, type) pairs of linked codes: each must exist in Procore; pairs that only Procore has are its users'
    business. A code that was stopped explains the pairs that it lacks."""
    known: dict[tuple[str, str], set[str]] = {}
    if sync.run.plan:
        references = References(sync.links, ENTITIES[COST_CODES])
        for record in sync.lists.everywhere("procore", COST_CODES):
            key = _origin_key(sync, record.origin_id)
            if key and isinstance(translated := references.translated(record), CostCode):
                known[key] = set(translated.cost_types)
    else:
        for row in _remembered(sync, COST_CODES):
            key = _origin_key(sync, row.origin_id)
            if key:
                known[key] = set(decoded(row.figures).get("cost_types", ()))
    by_project: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    items: dict[str, list[Explained]] = defaultdict(list)
    for key, code in codes.items():
        if code.project is None or not code.active:
            continue
        here = known.get(key, set()) | (set(code.cost_types) if key in planned else set())
        by_project[code.project][0] += len(here & set(code.cost_types))
        by_project[code.project][1] += len(code.cost_types)
        missing = len(set(code.cost_types) - here)
        if missing and key in apart:
            items[code.project].append(Explained(apart[key], COST_CODES, key[1], Decimal(-missing)))
    for project, (p, e) in sorted(by_project.items()):
        yield Difference("T-01", Decimal(p), Decimal(e), project=project, cost_key="assignments", explained=tuple(items[project]))


def links_of(sync: Sync, entity: str) -> list[Link]:
    return [
        *sync.ledger.links.of(entity, contents=False),
        *(sync.ledger.links.planned(sync.run.run_id, entity) if sync.run.plan else []),
    ]
