"""Prime contracts: what the owner ordered (docs/domain-rules.md 2.7, rules P-01, P-04, J-04)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar, cast

from include.financials.entities.directory import CUSTOMER
from include.financials.entity import Entity
from include.financials.judging.costs import CostFacts, CostRow
from include.financials.judging.rules import Rule
from include.financials.judging.shared import (
    ADOPTED,
    ALIKE_DOCUMENTS,
    CODE_MISSING,
    LEFT_OUT,
    LINE_TWICE,
    PARENT_GONE,
    PEOPLE,
    SEEN,
    WHOSE,
    altered,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.money import cents, text, total
from include.financials.record import (
    COST_CODES,
    COST_TYPES,
    PROJECTS,
    Figures,
    Line,
    Money,
    Percent,
    Record,
    Text,
)
from include.financials.statuses import CLOSED, ENDED_IN_PROCORE, NOT_AGREED, OPEN, VOID
from include.financials.ties import Tie, per_document, per_line, revised

# -- model ----------------------------------------------------------------------------------------------------------------------


class PrimeContract(Record):
    """The contract with the owner. ``customer`` is the owner: an ERP customer, a company of Procore's directory."""

    entity = "prime_contracts"
    line = Line
    statuses = (OPEN, CLOSED, VOID)

    project: Text
    customer: str | None
    title: str | None = None
    status: Text
    currency: str | None = None
    retainage_percent: Percent | None = None
    contract_date: date | None = None
    amount: Money
    approved_changes: Money = Decimal("0.00")
    payments: Money = Decimal("0.00")
    lines: tuple[Line, ...] = ()

    def figures(self) -> Figures:
        return super().figures() | {"changes": text(self.approved_changes), "paid": text(self.payments)}


# -- facts ----------------------------------------------------------------------------------------------------------------------


class PrimeContractRow(CostRow):
    customer: str
    void_since: str | None
    void_there: str | None
    owner_linked: bool
    code_missing: str | None
    lines_sum: str | None
    difference_cents: int


class PrimeContractFacts(CostFacts):
    row: ClassVar[type] = PrimeContractRow

    def skip(self, subject: Subject) -> str | None:
        record = cast(PrimeContract, subject.record)
        if record.status != OPEN:
            return f"prime contract {record.number} is {record.status} in the ERP"
        return None

    def header(self, subject: Subject, approved: bool) -> PrimeContractRow:
        record = cast(PrimeContract, subject.record)
        owner = record.customer and self.books.links(CUSTOMER.name).find(subject.company, record.customer)
        difference = record.amount - total(line.amount for line in record.lines)
        return {
            **super().header(subject, approved),
            "customer": record.customer or "none",
            "void_since": record.number if record.status == VOID and subject.match.how != "none" else None,
            "void_there": self.not_counted(subject) if record.status != VOID else None,
            "owner_linked": bool(owner),
            "code_missing": self.code_missing(subject.company, record.lines),
            "lines_sum": text(record.amount - difference),
            "difference_cents": cents(difference),
        }


# -- row ------------------------------------------------------------------------------------------------------------------------

_INSTEAD = "Put it back, and issue a prime change order."

PRIME_CONTRACT = Entity(
    PrimeContract,
    label="prime contract",
    stage=4,
    direction="erp_to_procore",
    content=("number", "title", "project", "customer", "retainage_percent", "contract_date", "amount", "lines"),
    references={"project": PROJECTS, "customer": CUSTOMER.name, "lines.cost_code": COST_CODES, "lines.cost_type": COST_TYPES},
    identity=("number",),
    twins=(("number",),),
    frozen=("number", "project", "customer", "amount", "lines"),
    project_scoped=True,
    document=True,
    later=("amount", "lines"),
    final=(CLOSED, VOID),
    not_counted={status: status for status in (*ENDED_IN_PROCORE, *NOT_AGREED)},
    facts=PrimeContractFacts,
    field_rule="P-01",
    instead=_INSTEAD,
    rules=(
        *WHOSE,
        LEFT_OUT,
        PARENT_GONE,
        *SEEN,
        LINE_TWICE,
        ADOPTED,
        field_fault("P-01"),
        altered(_INSTEAD),
        ALIKE_DOCUMENTS,
        *PEOPLE,
        CODE_MISSING,
        Rule("M-01", "project_linked", "true", "held",
             "Prime contract {number} waits for job {project}, which is not in Procore yet.", waits_for="projects {project}",
             refers=True),
        Rule("J-04", "owner_linked", "true", "held",
             "Prime contract {number}: owner {customer} is not linked to a customer in company {company}.",
             waits_for="customers {customer}", refers=True),
        Rule("P-04", "void_since", "absent", "conflict",
             "Prime contract {number} was voided in the ERP; in Procore it stands as it was. Void or delete it there, and what "
             "was billed on it, or reopen it in the ERP."),
        Rule("P-04", "void_there", "absent", "conflict",
             "Prime contract {number} is {void_there} in Procore, and open in the ERP. Put it back there, or void it in the "
             "ERP too."),
        Rule("P-01", "difference_cents", "zero", "quarantined",
             "Prime contract {number}: lines {lines_sum} differ from {amount}."),
    ),
    ties=(
        Tie("T-20", per_document("amount")),
        Tie("T-20", per_line(), ("lines.key",)),
        Tie("T-20", revised(), ("approved_changes",), beside=("prime_change_orders",)),
    ),
)  # fmt: skip

ENTITIES = (PRIME_CONTRACT,)
