"""The entities by family of records, one module each, and the order in which a run takes them: it follows from the rows.

The same ten names serve ``include.procore.areas``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.financials.entities import budgets, changes, codes, commitments, costs, directory, invoices, jobs, payments, primes
from include.financials.entity import Entity
from include.financials.record import Record

FAMILIES = (directory, jobs, codes, budgets, costs, commitments, changes, invoices, payments, primes)


def in_order(rows: Iterable[Entity]) -> Iterator[Entity]:
    """Stage after stage, in each as they are given, but none before what it refers to. Raises ValueError where that cannot be."""
    left, taken = sorted(rows, key=lambda row: row.stage), set[str]()
    while left:
        ready = next((row for row in left if taken.issuperset(row.after)), None)
        if ready is None or ready.stage > left[0].stage:
            stuck = left[0]
            raise ValueError(
                f"entity {stuck.name} of stage {stuck.stage} comes after {', '.join(sorted({*stuck.after} - taken))}"
            )
        yield ready
        left.remove(ready)
        taken.add(ready.name)


ENTITIES: dict[str, Entity] = {row.name: row for row in in_order(row for family in FAMILIES for row in family.ENTITIES)}

_LOOKED_UP: tuple[type[Record], ...] = (invoices.Period,)
"""Read from the ERP, and kept in step with nothing."""
MODELS: dict[str, type[Record]] = {model.entity: model for model in (*(row.model for row in ENTITIES.values()), *_LOOKED_UP)}

OF_ERP: dict[str, type[Record]] = {name: m for name, m in MODELS.items() if name not in ENTITIES or not ENTITIES[name].read_only}
"""What an ERP has: all but what is only read in Procore."""


def gates_before(row: Entity) -> frozenset[str]:
    """The gates that stand before something that this entity refers to. A closed one stops its load, not its judgement: every
    record of a run ends in a state."""
    parents = [ENTITIES[name] for name in row.after]
    return frozenset(parent.gate for parent in parents if parent.gate).union(*map(gates_before, parents))


def in_stage(stage: int) -> tuple[Entity, ...]:
    return tuple(row for row in ENTITIES.values() if row.stage == stage)
