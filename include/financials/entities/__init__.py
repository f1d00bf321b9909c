"""The entities, in the order in which a run takes them: the registry, and nothing else. One file holds one family."""

from __future__ import annotations

from include.financials.entities import budgets, changes, codes, commitments, costs, directory, invoices, jobs, payments, primes
from include.financials.entity import Entity
from include.financials.record import Record

_ORDER: tuple[Entity, ...] = (
    directory.VENDOR,
    directory.VENDOR_INSURANCE,
    directory.CUSTOMER,
    directory.USER,
    jobs.PROJECT,
    jobs.SUB_JOB,
    jobs.TAX_CODE,
    codes.COST_TYPE,
    codes.COST_CODE,
    budgets.BUDGET,
    budgets.BUDGET_CHANGE,
    costs.DIRECT_COST,
    commitments.COMMITMENT,
    changes.CHANGE_EVENT,
    changes.COMMITMENT_CHANGE_ORDER,
    invoices.SUBCONTRACTOR_INVOICE,
    payments.PAYMENT_ISSUED,
    primes.PRIME_CONTRACT,
    changes.PRIME_CHANGE_ORDER,
    invoices.OWNER_INVOICE,
    payments.PAYMENT_RECEIVED,
)

ENTITIES: dict[str, Entity] = {row.name: row for row in _ORDER}

_LOOKED_UP: tuple[type[Record], ...] = (invoices.Period,)
"""Read from the ERP, and kept in step with nothing."""
MODELS: dict[str, type[Record]] = {model.entity: model for model in (*(row.model for row in _ORDER), *_LOOKED_UP)}

OF_ERP: dict[str, type[Record]] = {name: m for name, m in MODELS.items() if name not in ENTITIES or not ENTITIES[name].read_only}
"""What an ERP has: all but what is only read in Procore."""


def gates_before(row: Entity) -> frozenset[str]:
    """The gates that stand before something that this entity refers to. A closed one stops its load, not its judgement: every
    record of a run ends in a state."""
    parents = [ENTITIES[name] for name in row.after]
    return frozenset(parent.gate for parent in parents if parent.gate).union(*map(gates_before, parents))


def in_stage(stage: int) -> tuple[Entity, ...]:
    return tuple(row for row in ENTITIES.values() if row.stage == stage)
