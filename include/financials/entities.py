"""The entities: one row each. Stage, direction, references, identity and content of everything that is kept in step.

A new entity is a row here, a model in ``models``, a row in Procore's resource table and an entry in an ERP's mapping file
(docs/domain-rules.md 1.3 gives directions and eligibility; docs/procore-contract.md 12 what Procore offers for each).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    that may only *propose* a match, never make one (rule V-02, docs/domain-rules.md 2.9); ``a+b`` is a key of both together,
    ``b?`` a part that may be empty.
    """

    name: str
    label: str
    stage: int
    direction: Direction
    content: tuple[str, ...]
    references: Mapping[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    project_scoped: bool = False
    document: bool = False
    gate: str | None = None
    """The data-quality gate that stands before this entity's load, as the task that runs it is called."""
    external_id: bool = True
    """Whether Procore's record can carry our external id; where it cannot, the ERP's marker or a setting names the pair."""
    marked_by: str | None = None
    """The entity whose external id stands for its own, and whose ``origin_data`` says which side owns it."""
    later: tuple[str, ...] = ()
    """What only a later step of a creation brings: a record of ours that lacks just this was left half made."""
    waits: tuple[str, ...] = ()
    """Entities that must be loaded before although no field names them (a budget change needs its budget)."""
    sequence: str | None = None
    """Field that numbers a document within its contract: one after the other, none before its predecessor."""
    shared: bool = False
    """Whether ERP companies may share its records (a vendor group); all others belong to one company each, as documents do."""
    two_way: bool = False
    """Each record has an owning side of its own (a budget); ``direction`` is only where it starts."""

    altered_there: tuple[str, ...] = ()
    """Content that Procore may show in another form than it was given: no difference of it is anybody's change."""
    unkept: frozenset[str] = frozenset()
    """Fields that a side does not keep (see :meth:`kept`)."""

    def kept(self, keeps: frozenset[str] | None) -> Entity:
        """The entity as far as it can be compared with a side that keeps only these fields (``Capability.keeps``). Where that
        keeps less of a line, ``content`` names what is left, as ``lines.amount``."""
        line = self.model.line
        if keeps is None:
            return self
        gone = {name for name in self.model.model_fields if name not in keeps and name != "number"}
        gone |= {name for name in self.content if name not in keeps and name != "number"}
        if "lines.key" not in keeps:
            gone.add("lines")
        gone |= {f"lines.{name}" for name in (line.content if line else ()) if f"lines.{name}" not in keeps}
        content = tuple(name for name in self.content if name not in gone)
        if line is not None and "lines" in content and any(name.startswith("lines.") for name in gone):
            content += tuple(f"lines.{name}" for name in line.content if f"lines.{name}" in keeps)
        return replace(self, content=content, frozen=tuple(n for n in self.frozen if n not in gone), unkept=frozenset(gone))

    def per_company(self, key: str) -> bool:
        """Whether a natural key tells records apart within one ERP company only: what companies number for themselves. A tax id
        is one vendor's everywhere, and Procore has one project of a number (rule J-01)."""
        return key != "tax_id" and self.name != "projects"

    @property
    def numbered_in(self) -> tuple[str, ...]:
        """References that its number begins with (``104-SC-003/001``)."""
        return (
            ("project",) if self.name == "budget_changes" else ("commitment", "prime_contract") if "change" in self.name else ()
        )

    @property
    def restored(self) -> tuple[str, ...]:
        """Content of the ERP that is written again where somebody changed it in Procore: all that may change at all."""
        if self.source != "erp":
            return ()
        return tuple(name for name in self.content if name not in self.frozen and name not in self.altered_there)

    @property
    def immutable(self) -> bool:
        """Nothing of it may change once it is linked (rule R-04): corrections are new records."""
        return bool(self.frozen) and set(self.frozen) >= {name for name in self.content if "." not in name}

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
        return tuple(dict.fromkeys(name for name in (*self.references.values(), *self.waits) if name != self.name))


_COST = {"lines.cost_code": "cost_codes", "lines.cost_type": "cost_types"}
_INVOICE = ("number", "billing_date", "amount", "held", "released", "tax", "lines")

_ROWS = (
    Entity(
        "vendors",
        label="vendor",
        shared=True,
        stage=1,
        direction="erp_to_procore",
        content=("name", "code", "tax_id", "active"),
        identity=("tax_id", "code"),
    ),
    Entity(
        "vendor_insurances",
        label="vendor insurance",
        shared=True,
        stage=1,
        direction="erp_to_procore",
        content=("number", "vendor", "insurance_type", "provider", "limit", "effective_date", "expiration_date"),
        references={"vendor": "vendors"},
        altered_there=("limit",),
        identity=("vendor+number+insurance_type?",),
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
        later=("origin_code",),
    ),
    Entity(
        "sub_jobs",
        label="sub job",
        stage=1,
        direction="erp_to_procore",
        content=("number", "name"),
        references={"project": "projects"},
        identity=("number",),
        project_scoped=True,
    ),
    Entity(
        "tax_codes",
        label="tax code",
        shared=True,
        stage=1,
        direction="erp_to_procore",
        content=("number", "description", "rate", "active"),
        identity=("number",),
    ),
    Entity(
        "cost_types",
        label="cost type",
        shared=True,
        stage=2,
        direction="erp_to_procore",
        altered_there=("number", "base_type"),
        content=("number", "base_type"),  # each side has names of its own; the code mapping is what links them (C-02)
        identity=("number",),
    ),
    Entity(
        "cost_codes",
        label="cost code",
        shared=True,
        stage=2,
        direction="erp_to_procore",
        content=("number", "name", "cost_types"),
        references={"project": "projects", "cost_types": "cost_types", "parent": "cost_codes"},
        identity=("number",),
        project_scoped=True,
        later=("cost_types",),
    ),
    Entity(
        "budgets",
        label="budget",
        stage=2,
        direction="erp_to_procore",
        content=("lines",),
        references={"project": "projects", **_COST},
        project_scoped=True,
        external_id=False,
        marked_by="projects",
        two_way=True,
    ),
    Entity(
        "budget_changes",
        label="budget change",
        stage=2,
        direction="procore_to_erp",
        content=("number", "title", "project", "amount", "lines"),
        references={"project": "projects", **_COST},
        frozen=("number", "title", "project", "amount", "lines"),
        project_scoped=True,
        document=True,
        external_id=False,
        waits=("budgets",),
    ),
    Entity(
        "direct_costs",
        label="direct cost",
        stage=2,
        direction="erp_to_procore",
        content=("kind", "vendor", "invoice_number", "description", "cost_date", "amount", "lines"),
        references={"project": "projects", "vendor": "vendors", **_COST},
        identity=("vendor+invoice_number+amount", "kind+cost_date+description+amount"),
        frozen=("kind", "vendor", "invoice_number", "description", "cost_date", "amount", "lines"),
        project_scoped=True,
        document=True,
        later=("amount", "lines"),
    ),
    Entity(
        "commitments",
        label="commitment",
        stage=3,
        direction="procore_to_erp",
        content=("number", "title", "kind", "project", "vendor", "currency", "retainage_percent", "contract_date", "lines"),
        references={"project": "projects", "vendor": "vendors", **_COST, "lines.tax_code": "tax_codes"},
        identity=("number",),
        frozen=("number", "kind", "project", "vendor", "currency", "retainage_percent", "lines"),
        project_scoped=True,
        document=True,
        gate="referential_integrity",
    ),
    Entity(
        "commitment_change_orders",
        label="commitment change order",
        stage=3,
        direction="procore_to_erp",
        content=("number", "title", "commitment", "amount", "lines"),
        references={"project": "projects", "commitment": "commitments", **_COST, "lines.tax_code": "tax_codes"},
        frozen=("number", "title", "commitment", "amount", "lines"),
        project_scoped=True,
        document=True,
    ),
    Entity(
        "subcontractor_invoices",
        label="subcontractor invoice",
        stage=4,
        direction="procore_to_erp",
        content=("commitment", "vendor", *_INVOICE),
        references={
            "project": "projects", "commitment": "commitments", "vendor": "vendors",
            "items.change_order": "commitment_change_orders", "lines.cost_code": "cost_codes", "lines.cost_type": "cost_types",
        },
        frozen=("commitment", "vendor", *_INVOICE),
        project_scoped=True,
        document=True,
        sequence="sequence",
    ),
    Entity(
        "payments_issued",
        label="payment",
        stage=4,
        direction="erp_to_procore",
        content=("commitment", "invoice", "payment_number", "pay_date", "amount"),
        references={"project": "projects", "commitment": "commitments", "invoice": "subcontractor_invoices"},
        identity=(
            "commitment+invoice+amount", "commitment+invoice_number+amount", "payment_number+commitment+amount",
            "commitment+amount",
        ),
        frozen=("commitment", "invoice", "payment_number", "pay_date", "amount"),
        project_scoped=True,
        document=True,
    ),
    Entity(
        "prime_contracts",
        label="prime contract",
        stage=4,
        direction="erp_to_procore",
        content=("number", "title", "project", "customer", "retainage_percent", "contract_date", "amount", "lines"),
        references={"project": "projects", "customer": "customers", **_COST},
        identity=("number",),
        frozen=("number", "project", "customer", "amount", "lines"),
        project_scoped=True,
        document=True,
        later=("amount", "lines"),
    ),
    Entity(
        "prime_change_orders",
        label="prime change order",
        stage=4,
        direction="procore_to_erp",
        content=("number", "title", "prime_contract", "amount", "markup", "lines"),
        references={"project": "projects", "prime_contract": "prime_contracts", **_COST, "lines.tax_code": "tax_codes"},
        frozen=("number", "title", "prime_contract", "amount", "markup", "lines"),
        project_scoped=True,
        document=True,
    ),
    Entity(
        "owner_invoices",
        label="owner invoice",
        stage=4,
        direction="procore_to_erp",
        content=("prime_contract", *_INVOICE),
        references={
            "project": "projects", "prime_contract": "prime_contracts", "items.change_order": "prime_change_orders",
            "lines.cost_code": "cost_codes", "lines.cost_type": "cost_types",
        },
        frozen=("prime_contract", *_INVOICE),
        project_scoped=True,
        document=True,
        sequence="sequence",
    ),
    Entity(
        "payments_received",
        label="receipt",
        stage=4,
        direction="erp_to_procore",
        content=("prime_contract", "draw_number", "payment_number", "pay_date", "amount"),
        references={"project": "projects", "prime_contract": "prime_contracts", "invoice": "owner_invoices"},
        identity=(
            "prime_contract+draw_number+amount", "prime_contract+invoice_number+amount",
            "payment_number+prime_contract+amount", "prime_contract+amount",
        ),
        frozen=("prime_contract", "draw_number", "payment_number", "pay_date", "amount"),
        project_scoped=True,
        document=True,
    ),
)  # fmt: skip

ENTITIES: dict[str, Entity] = {row.name: row for row in _ROWS}


def gates_before(row: Entity) -> frozenset[str]:
    """The gates that stand before something that this entity refers to. A closed one stops its load, not its judgement: every
    record of a run ends in a state."""
    parents = [ENTITIES[name] for name in row.after]
    return frozenset(parent.gate for parent in parents if parent.gate).union(*map(gates_before, parents))


def in_stage(stage: int) -> tuple[Entity, ...]:
    return tuple(row for row in ENTITIES.values() if row.stage == stage)
