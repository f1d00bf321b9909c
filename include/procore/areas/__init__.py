"""Procore's side by family of records: one module each, with all that this side knows of its entities. Here are the tables
that follow from them, and nothing else.

A family has ``RESOURCES``, its endpoints, and ``ENTITIES``, one :class:`~include.procore.entity.ProcoreEntity` each. The same ten
names serve ``include.financials.entities``.
"""

from __future__ import annotations

from include.financials.port import Action, Capability, Step
from include.procore.areas import (
    budgets,
    changes,
    codes,
    commitments,
    costs,
    directory,
    invoices,
    jobs,
    payments,
    primes,
)
from include.procore.entity import ProcoreEntity, Way
from include.procore.resources import COMPANY_RESOURCES, Resource

FAMILIES = (directory, jobs, codes, budgets, costs, commitments, changes, invoices, payments, primes)

RESOURCES: dict[str, Resource] = {
    row.name: row for rows in (*(family.RESOURCES for family in FAMILIES), COMPANY_RESOURCES) for row in rows
}
ENTITIES: dict[str, ProcoreEntity] = {row.name: row for family in FAMILIES for row in family.ENTITIES}

STEPS: dict[tuple[str, Action], tuple[Step, ...]] = {
    (row.name, action): tuple(
        Step("procore", row.name, write.name, batch=write.batch, levels=write.levels, done=write.done, keyless=write.keyless)
        for write in writes
    )
    for row in ENTITIES.values()
    for action, writes in row.writes.items()
}
WAYS: dict[tuple[str, str], Way] = {
    (row.name, write.name): write.way for row in ENTITIES.values() for writes in row.writes.values() for write in writes
}
CAPABILITIES: dict[str, Capability] = {
    row.name: Capability(
        create="create" in row.writes,
        update="update" in row.writes,
        link="link" in row.writes,
        lists_all=row.lists_all,
        changed_since=all("updated_at" in resource.filters for resource in row.resources),
    )
    for row in ENTITIES.values()
}
