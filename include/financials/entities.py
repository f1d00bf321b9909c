"""The entities: one row each. Stage, direction, references, identity and content of everything that is kept in step.

A new entity is a row here, a model in ``models``, a row in Procore's resource table and an entry in an ERP's mapping file
(docs/domain-rules.md 1.3 gives directions and eligibility; docs/procore-contract.md 12 what Procore offers for each).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from include.financials.models import MODELS, Record, Side

Direction = Literal["erp_to_procore", "procore_to_erp"]

STAGES: dict[int, str] = {
    1: "vendors_projects",
    2: "cost_codes_budget_direct_costs",
    3: "commitments_change_orders",
    4: "invoices_payments_prime_contract",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record. Field names are those of its canonical model.

    ``references`` maps a field (``lines.cost_code`` for one of its lines) to the entity it names. ``content`` are the fields that
    a write carries: they are compared and hashed, so nothing else can cause a write. ``frozen`` are those of them that may not
    change once the record is linked (a document changes by change order). ``identity`` lists the natural keys, strongest first,
    that may only *propose* a match, never make one (rule V-02, docs/domain-rules.md 2.9).
    """

    name: str
    label: str
    stage: int
    direction: Direction
    content: tuple[str, ...]
    references: Mapping[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = ()
    project_scoped: bool = False
    document: bool = False
    gate: str | None = None
    """The data-quality gate that stands before this entity's load, as the task that runs it is called."""

    @property
    def model(self) -> type[Record]:
        return MODELS[self.name]

    @property
    def source(self) -> Side:
        return "erp" if self.direction == "erp_to_procore" else "procore"

    @property
    def target(self) -> Side:
        return "procore" if self.direction == "erp_to_procore" else "erp"

    @property
    def after(self) -> tuple[str, ...]:
        """The entities whose load must be over before this one's load may begin."""
        return tuple(dict.fromkeys(name for name in self.references.values() if name != self.name))


_ROWS = (
    Entity(
        "vendors",
        label="vendor",
        stage=1,
        direction="erp_to_procore",
        content=("name", "code", "tax_id", "active"),
        identity=("tax_id", "code"),
    ),
    Entity(
        "customers",
        label="customer",
        stage=1,
        direction="erp_to_procore",
        content=("name", "code", "active"),
        identity=("code",),
    ),
    Entity(
        "projects",
        label="project",
        stage=1,
        direction="erp_to_procore",
        content=("number", "name", "active", "start_date", "completion_date"),
        identity=("number",),
    ),
    Entity(
        "cost_types",
        label="cost type",
        stage=2,
        direction="erp_to_procore",
        content=("number", "base_type"),  # each side has names of its own; the code mapping is what links them (C-02)
        identity=("number",),
    ),
    Entity(
        "cost_codes",
        label="cost code",
        stage=2,
        direction="erp_to_procore",
        content=("number", "name", "cost_types"),
        references={"project": "projects", "cost_types": "cost_types", "parent": "cost_codes"},
        identity=("number",),
        project_scoped=True,
    ),
    Entity(
        "commitments",
        label="commitment",
        stage=3,
        direction="procore_to_erp",
        content=("number", "title", "kind", "project", "vendor", "currency", "retainage_percent", "contract_date", "lines"),
        references={"project": "projects", "vendor": "vendors", "lines.cost_code": "cost_codes", "lines.cost_type": "cost_types"},
        identity=("number",),
        frozen=("number", "kind", "project", "vendor", "currency", "retainage_percent", "lines"),
        project_scoped=True,
        document=True,
        gate="referential_integrity",
    ),
)

ENTITIES: dict[str, Entity] = {row.name: row for row in _ROWS}


def in_stage(stage: int) -> tuple[Entity, ...]:
    return tuple(row for row in ENTITIES.values() if row.stage == stage)
