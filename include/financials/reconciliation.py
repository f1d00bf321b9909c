"""Reconciliation: both sides' figures as last read, tie by tie, and the control equation (docs/domain-rules.md 4).

``P - E = sum(explained items) + unexplained`` for every tie and grain. An explained item names one record, one amount and one
code; there is no "other". Figures are those of the last read: of the ERP, after what this run wrote there.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any

from include.financials.beside import beside
from include.financials.documents import Documents
from include.financials.entities import ENTITIES
from include.financials.entities.codes import CostCode
from include.financials.explained import Difference, Explained
from include.financials.identity import parse_origin
from include.financials.ledger import STOPPED, Link
from include.financials.ledger.links import Place
from include.financials.money import ZERO
from include.financials.reading.questions import lists_changed
from include.financials.record import COST_CODES, PROJECTS
from include.financials.references import References
from include.financials.ties import Comparison, Counts, Tie
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
    looked = _looked(sync.judging("reconciliation"))
    return Reconciliation(sum(one.checked for one in looked), tuple(found for one in looked for found in one.differing))


@dataclass(slots=True)
class _Looked:
    """What one comparison has told so far: of figures that are equal no more than how many they are."""

    checked: int = 0
    differing: list[Difference] = field(default_factory=list)

    def at(self, figures: Iterable[Difference]) -> _Looked:
        for one in figures:
            self.checked += 1
            # Equal sums can hide a stopped document on one side and a stranger on the other: what is explained must be missing,
            # too.
            if one.procore != one.erp or one.unexplained:
                self.differing.append(one)
        return self


@dataclass(slots=True)
class _Due:
    """A tie of this run, and the entities whose documents it takes, in its places."""

    tie: Tie
    names: list[str]
    comparison: Comparison
    looked: _Looked = field(default_factory=_Looked)


def _looked(sync: Sync) -> list[_Looked]:
    """Every figure. Each entity's documents pass once, before all ties that take them, and are let go of one by one."""
    rows = [row for row in (ENTITIES[entity] for entity in sync.run.entities) if not row.read_only]
    found = [
        _Looked().at(_master(sync, r.name) if r.master else _synced(sync, r.name)) for r in rows if r.master or r.external_id
    ]
    # In the order of the ties' numbers, whichever family names them.
    ties = sorted(((tie, one) for one in rows for tie in one.ties), key=lambda pair: pair[0].id)
    named = [(tie, [row.name, *(name for name in tie.beside if name in sync.run.entities)]) for tie, row in ties]
    named = [(tie, names) for tie, names in named if all(_kept(sync, name, tie.needs) for name in names)]
    due = [_Due(tie, names, tie.compare(tie.id, len(names))) for tie, names in named]
    documents, counts = Documents(sync), {row.name: Counts("T-24") for row in rows if not row.master}
    for name in dict.fromkeys([*(name for _, names in named for name in names), *counts]):
        taking = [(one, one.names.index(name)) for one in due if name in one.names]
        for document in documents.of(name):
            for one, place in taking:
                if one.tie.takes(document, place):
                    one.looked.at(one.comparison.take(document, place))
            counts[name].take(document, 0)
    found += [one.looked.at(one.comparison.rest(documents)) for one in due]
    return found + [_Looked().at(one.rest(documents)) for one in counts.values()]


def _kept(sync: Sync, entity: str, needs: Sequence[str]) -> bool:
    """Whether the ERP keeps what a tie needs of an entity, as far as that has it."""
    return all(sync.keeps(entity, name) for name in needs if name.partition(".")[0] in ENTITIES[entity].model.model_fields)


def _look_again(sync: Sync) -> None:
    """The one thing that is asked here, of the ERP alone, which is not opened otherwise: a run beside this one may have written
    there after this one read it. What the ledger knows by now is compared with what the ERP shows by now."""
    last = sync.ledger.journal.last_calls("erp", beside=sync.run.run_id)
    written = [(name, at) for entity, at in last.items() for name in lists_changed(ENTITIES[entity])]
    sync.lists.look_again("erp", written)


# -- what Procore shows as synced -----------------------------------------------------------------------------------------------


def _origin_key(sync: Sync, origin_id: str | None) -> Place | None:
    origin = parse_origin(origin_id, sync.namespace)
    return (origin.company, origin.key) if origin else None


def _synced(sync: Sync, entity: str) -> Iterator[Difference]:
    """Documents: what Procore shows as synced is exactly what the ledger says is linked."""
    ledger = sync.ledger
    closed = {
        (company, key) for side, company, key in ledger.links.ended_revisions(entity) if side == "erp"
    }  # ended on both sides: a void document may still carry our external id
    linked = {key: False for key, _, status in ledger.links.places(entity) if status == "active"}
    planned = {(link.company, link.erp_key) for link in _planned(sync, entity)}
    linked |= dict.fromkeys(planned, True)
    alone: dict[Place, tuple[str, str | None]] = {}
    for _, held in sync.each_held(entity):
        key = _origin_key(sync, held.origin_id)
        if key is None or held.deleted or (held.state == "skipped" and key in closed):
            continue
        if key in linked:
            linked[key] = True
        else:
            alone[key] = held.number, held.state or alone.get(key, ("", None))[1]
    both = sum(linked.values())
    missing = {key for key, shown in linked.items() if not shown}
    del linked
    states, numbers, _ = _said(sync, entity, missing | alone.keys())
    numbers |= {key: number for key, (number, _) in alone.items()}
    states |= {key: state for key, (_, state) in alone.items() if state}
    yield from _key_sets(entity, both, {*alone}, missing, _codes(sync, entity, states), numbers)


def _planned(sync: Sync, entity: str) -> list[Link]:
    return sync.ledger.links.planned(sync.run.run_id, entity) if sync.run.plan else []


def _said(sync: Sync, entity: str, keys: Collection[Place]) -> tuple[dict[Place, str | None], dict[Place, str], dict[Place, str]]:
    """Of these keys of the ERP: their states, by this run where it said one, and their numbers as the ledger and as this run
    knows them."""
    seen = sync.ledger.records.some(entity, "erp", keys)
    states, numbers = {key: row.state for key, row in seen.items()}, {key: row.number for key, row in seen.items()}
    told: dict[Place, str] = {}
    for row in sync.ledger.outcomes.each(sync.run.run_id, entity) if keys else ():
        if (key := (row.company, row.erp_key or "")) in keys:
            states[key], told[key] = row.state, row.number
    return states, numbers, told


def _codes(sync: Sync, entity: str, states: Mapping[Place, str | None]) -> dict[Place, str]:
    """Why a record may stand on one side alone, by its key in the ERP."""
    stopped = {key: state.upper() for key, state in states.items() if state in STOPPED}
    return dict.fromkeys(beside(sync, entity).keys, "AFTER_CUTOFF") | stopped


def _key_sets(
    entity: str,
    both: int,
    procore: Set[Place],
    linked: Set[Place],
    codes: Mapping[Place, str],
    numbers: Mapping[Place, str],
) -> Iterator[Difference]:
    """Counts, and each key that only one side has as a figure of its own: equal counts can hide two different sets. ``procore``:
    keys that it alone shows, beside those that ``both`` have."""
    apart = sorted(procore | linked)
    items = {
        key: Explained(codes[key], entity, numbers.get(key) or key[1], Decimal(1 if key in procore else -1))
        for key in apart
        if key in codes
    }
    counts = Decimal(both + len(procore)), Decimal(both + len(linked))
    yield Difference("T-01", *counts, cost_key=entity, explained=tuple(items.values()))
    for key in apart:
        p, e = Decimal(key in procore), Decimal(key in linked)
        own = (items[key],) if key in items else ()
        yield Difference("T-01", p, e, cost_key=f"{entity} {key[1]}", erp_id=key[1], explained=own)


# -- master data ----------------------------------------------------------------------------------------------------------------


def _master(sync: Sync, entity: str) -> Iterator[Difference]:
    """Key sets: what Procore shows as synced is exactly what the ledger says is linked, and the ERP still has it."""
    erp, assigned = set[Place](), dict[Place, tuple[str, tuple[str, ...]]]()
    answered, _ = sync.lists.answer(entity, sync.lists.shards_of(entity), "erp", entity)  # what the list missed, and is there
    for record in chain(answered.records, sync.lists.everywhere("erp", entity)):
        erp.add(key := (record.company or "", record.id))
        if isinstance(record, CostCode) and record.active and record.project is not None:
            assigned[key] = record.project, record.cost_types
    planned = {(link.company, link.erp_key): link.scope for link in _planned(sync, entity)}
    places = [*((key, scope) for key, scope, _ in sync.ledger.links.places(entity)), *planned.items()]
    linked = {key for key, _ in places} & erp
    projects = sync.run.projects
    elsewhere = {key for key, scope in places if projects and scope and scope not in projects}
    if ENTITIES[entity].project_scoped:  # of a job that cannot be read nobody asked for codes and sub jobs
        jobs = {record.id for record in sync.lists.everywhere("erp", PROJECTS)}
        elsewhere |= {key for key, scope in places if scope and scope not in jobs}
    procore = {key for key in (_origin_key(sync, origin) for origin in _procore_side(sync, entity)) if key} - elsewhere
    procore |= planned.keys()
    states, numbers, told = _said(sync, entity, procore ^ linked)
    codes = _codes(sync, entity, states)
    yield from _key_sets(entity, len(procore & linked), procore - linked, linked - procore, codes, numbers | told)
    if entity == COST_CODES:
        yield from _assignments(sync, {key: code for key, code in assigned.items() if key in linked}, planned.keys())


def _procore_side(sync: Sync, entity: str) -> Iterator[str | None]:
    if sync.run.plan:
        yield from (record.origin_id for record in sync.lists.everywhere("procore", entity))
    else:
        yield from (held.origin_id for _, held in sync.each_held(entity) if not held.deleted)


def _assignments(
    sync: Sync, codes: Mapping[Place, tuple[str, tuple[str, ...]]], planned: Collection[Place]
) -> Iterator[Difference]:
    """Assigned (code, type) pairs of linked codes (job, types): each must exist in Procore; pairs that only Procore has are its
    users' business. A code that was stopped explains the pairs that it lacks."""
    known: dict[Place, set[str]] = {}
    if sync.run.plan:
        references = References(sync.links, ENTITIES[COST_CODES])
        for record in sync.lists.everywhere("procore", COST_CODES):
            key = _origin_key(sync, record.origin_id)
            if key and isinstance(translated := references.translated(record), CostCode):
                known[key] = set(translated.cost_types)
    else:
        for _, held in sync.each_held(COST_CODES):
            key = _origin_key(sync, held.origin_id) if not held.deleted else None
            if key:
                known[key] = set(held.figures.get("cost_types", ()))
    by_project: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    missing: dict[Place, int] = {}
    for key, (project, types) in codes.items():
        here = known.get(key, set()) | (set(types) if key in planned else set())
        by_project[project][0] += len(here & set(types))
        by_project[project][1] += len(types)
        if left := len(set(types) - here):
            missing[key] = left
    apart = _codes(sync, COST_CODES, _said(sync, COST_CODES, missing.keys())[0])
    items: dict[str, list[Explained]] = defaultdict(list)
    for key, left in missing.items():
        if key in apart:
            items[codes[key][0]].append(Explained(apart[key], COST_CODES, key[1], Decimal(-left)))
    for project, (p, e) in sorted(by_project.items()):
        yield Difference("T-01", Decimal(p), Decimal(e), project=project, cost_key="assignments", explained=tuple(items[project]))
