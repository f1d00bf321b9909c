"""What an entity is: one row that says all that steers the shared code. The rows stand in ``entities/``, one file per family.

Nothing else decides by an entity's name: what is special about one is a field here (docs/architecture.md, "To add an entity").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from include.financials.judging.rules import Rule
from include.financials.record import Record, Side
from include.financials.ties import Tie

if TYPE_CHECKING:  # facts are told of the row that they belong to: only their type is named here
    from include.financials.judging.facts import Facts

Direction = Literal["erp_to_procore", "procore_to_erp", "procore_only"]
"""``procore_only``: read there, kept in the ledger, sent nowhere."""
Rivals = Callable[[Record, str, list[Record], dict[str, Record], Mapping[str, str]], tuple[list[Record], dict[str, Record]]]
"""(record, natural key, who may be its counterpart, who beside it may be that too, by name, what the former name in words: see
``Entity.worded``) -> those that are left of both."""

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
    a write carries: they are compared and hashed, so nothing else can cause a write; of lines all that their model calls content.
    ``frozen`` are those of them that may not change once the record is linked (a document changes by change order). ``identity``
    lists the natural keys, strongest first, that may only *propose* a match, never make one (rule V-02, docs/domain-rules.md
    2.9); ``a+b`` is a key of both together, ``b?`` a part that may be empty.
    """

    model: type[Record]
    label: str
    stage: int
    direction: Direction
    content: tuple[str, ...]
    facts: type[Facts]
    """What the rules look at."""
    rules: tuple[Rule, ...]
    """In the order in which they are told; the first of the worst state decides."""
    field_rule: str
    """The rule that a record fails which cannot be read, or does not fit the target's fields."""
    instead: str
    """What to do instead of an edit that is not carried over: the record is locked on the other side, or must not change any
    more. ``{entity}`` and ``{number}`` are filled in."""
    ties: tuple[Tie, ...] = ()
    """What reconciliation compares of it, beside the counts of all (T-01, T-24)."""

    references: Mapping[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    one_everywhere: tuple[str, ...] = ()
    """Natural keys that are one record's in all companies of the ERP (a tax id, an e-mail): what others number for themselves."""
    rivals: Rivals | None = None
    """Tells apart records that one natural key cannot: payments of one contract and amount by their numbers."""
    worded: Mapping[str, str] = field(default_factory=dict)
    """References that people may have told Procore in words only: the reference to the field with the number that they wrote
    (of a document of the same contract)."""
    twins: tuple[tuple[str, ...], ...] = ()
    """By what an unreadable record may be the twin of one that is about to be created: all fields of one key agree, and one that
    cannot be read agrees with everything."""
    frozen: tuple[str, ...] = ()
    project_scoped: bool = False
    company_list: bool = False
    """Divided by project, and some of its records belong to no project: the company's list of standard cost codes."""
    document: bool = False
    gate: str | None = None
    """The data-quality gate that stands before this entity's load, as the task that runs it is called."""
    external_id: bool = True
    """Whether Procore's record can carry our external id; where it cannot, the ERP's marker or a setting names the pair."""
    marked_on: str | None = None
    """The entity whose external id stands for its own, and whose ``origin_data`` tells who owns it: a budget's project."""
    later: tuple[str, ...] = ()
    """What only a later step of a creation brings: a record of ours that lacks just this was left half made."""
    waits: tuple[str, ...] = ()
    """Entities that must be loaded before although no field names them (a budget change needs its budget)."""
    contract: str | None = None
    """The reference to the contract that it is a document of: a change order, an invoice, a payment."""
    sequence: str | None = None
    """Field that numbers a document within its contract: one after the other, none before its predecessor. These are the draws
    for which an opening balance of the contract may stand."""
    shared: bool = False
    """Whether ERP companies may share its records (a vendor group); all others belong to one company each, as documents do."""
    numbered_once: bool = False
    """Procore has one record of a number for all companies of the ERP (a project, rule J-01)."""
    two_way: bool = False
    """Each record has an owning side of its own (a budget); ``direction`` is only where it starts."""
    reread: bool = False
    """Lines that do not add up may be lines that we did not get: the document is read once more (rule M-09)."""
    beside: tuple[str, ...] = ()
    """Entities whose ERP lists its rules look things up in although no field names them: what a contract's invoice bills is no
    direct cost (rule D-02)."""
    strangers: str | None = None
    """Another entity of the same list in Procore: what nothing marks there may be one of these (an owner among the vendors)."""
    coded_by: str | None = None
    """The settings table that names Procore's code for each number of the ERP: a person's decision who is who (rule C-02)."""
    named_by: str = "number"
    """The field that people call a record of Procore by."""
    listed: bool = False
    """Procore's list is read whole in every run; of the others the ledger remembers the names."""
    lists: int = 1
    """Lists of Procore that reading it takes: of the company or, ``project_scoped``, of each project. What is read document by
    document comes on top."""
    tool: str | None = None
    """The tool of Procore that has the workflows of these documents, as the settings shipped name it."""
    workflowed: str | None = None
    """What Procore's older workflows call these documents (``workflowed_object_type``), where that is published."""

    altered_there: tuple[str, ...] = ()
    """Content that Procore may show in another form than it was given: no difference of it is anybody's change."""
    final: tuple[str, ...] = ()
    """Statuses of a linked document that are final in the ERP, and that its record in Procore does not tell. A payment and a job
    cost that Procore has were posted: that is no news."""
    not_counted: Mapping[str, str] = field(default_factory=dict)
    """Status of Procore's counterpart of an ERP-born document in which that counts for nothing there -> how people say so."""
    alone: str = "was born in Procore and waits for accounting"
    """What is said of a record that Procore alone has, of an entity that the ERP owns."""
    destroyed: str = ""
    """How Procore may have lost a linked record, said of one that it no longer has."""
    unkept: frozenset[str] = frozenset()
    """Fields that a side does not keep (see :meth:`kept`)."""

    @property
    def name(self) -> str:
        return self.model.entity

    def rule(self, fact: str) -> Rule:
        """The rule of a fact that every entity of its kind is judged by (``hidden``, ``broken_link``, ``ambiguous``)."""
        return next(rule for rule in self.rules if rule.fact == fact)

    def judges(self, fact: str) -> bool:
        return any(rule.fact == fact for rule in self.rules)

    @property
    def read_only(self) -> bool:
        """Nothing of it is sent anywhere: it has no counterpart, no load and no writes to switch on."""
        return self.direction == "procore_only"

    @property
    def master(self) -> bool:
        """Master data of the ERP: neither a document nor a budget."""
        return not (self.document or self.two_way or self.read_only)

    @property
    def contracts(self) -> str | None:
        """The entity of the contracts that it is a document of."""
        return self.references[self.contract] if self.contract else None

    def kept(self, keeps: frozenset[str] | None) -> Entity:
        """The entity as far as it can be compared with a side that keeps only these fields (``Capability.keeps``). Where that
        keeps less of a line, ``content`` names what is left, as ``lines.amount``."""
        line = self.model.line
        if keeps is None:
            return self
        gone = {name for name in self.model.model_fields if name not in keeps and name != "number"}
        gone |= {name for name in self.content if name not in keeps and name != "number"}
        of_line = [name for name in (line.content if line else ()) if f"lines.{name}" in keeps]
        if "lines.key" not in keeps or (line is not None and not of_line):  # lines of which nothing is kept tell nothing
            gone.add("lines")
        gone |= {f"lines.{name}" for name in (line.content if line else ()) if name not in of_line}
        content = tuple(name for name in self.content if name not in gone)
        if line is not None and "lines" in content and len(of_line) < len(line.content):
            content += tuple(f"lines.{name}" for name in of_line)
        return replace(self, content=content, frozen=tuple(n for n in self.frozen if n not in gone), unkept=frozenset(gone))

    def per_company(self, key: str) -> bool:
        """Whether a natural key tells records apart within one ERP company only: what companies number for themselves."""
        return key not in self.one_everywhere and not self.numbered_once

    @property
    def numbered_in(self) -> tuple[str, ...]:
        """References that its number begins with (``104-SC-003/001``)."""
        return self.model.numbered_in

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
    def source(self) -> Side:
        return "erp" if self.direction == "erp_to_procore" else "procore"

    @property
    def target(self) -> Side:
        return "procore" if self.direction == "erp_to_procore" else "erp"

    @property
    def after(self) -> tuple[str, ...]:
        """The entities whose load must be over before this one's load may begin."""
        return tuple(dict.fromkeys(name for name in (*self.references.values(), *self.waits) if name != self.name))
