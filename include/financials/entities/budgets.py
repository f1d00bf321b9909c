"""Budgets and budget changes (docs/domain-rules.md 2.4, rules B-01 to B-05). A budget is owned by one of the
two sides: its check is ``judging.budgets``."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import ClassVar, TypedDict

from include.financials.entity import Entity
from include.financials.judging.documents import DocumentFacts, DocumentRow
from include.financials.judging.rules import Rule
from include.financials.judging.shared import (
    CODED,
    HIDDEN,
    LEFT_OUT,
    LINE_TWICE,
    NUMBER_IN_ERP,
    OF_PROCORE,
    PARTED,
    PEOPLE,
    PLACED,
    altered,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.money import ZERO, text
from include.financials.record import COST_CODES, COST_TYPES, PROJECTS, Figures, Line, Money, Record, Side, Text, Whole
from include.financials.statuses import POSTED, UNPOSTED, VOID
from include.financials.ties import Tie, per_cost_key, per_line

# -- models ---------------------------------------------------------------------------------------------------------------------


class BudgetLine(Line):
    """Original budget of one cost key: there is one line per key, and neither side numbers them."""

    content: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type", "amount")
    keyed: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type")

    @property
    def key(self) -> str:
        return f"{self.cost_code} / {self.cost_type}"


class Budget(Record):
    """The original budget of a project (in the ERP: the original estimate of a job); ``number`` is the job number.

    ``owner`` is the side whose figures rule, None where nothing tells yet; ``locked`` is Procore's (None in the ERP); ``amount``
    the sum of the lines.
    """

    entity = "budgets"
    line = BudgetLine

    project: Text
    owner: Side | None = None
    locked: bool | None = None
    currency: str | None = None
    amount: Money
    lines: tuple[BudgetLine, ...] = ()

    def figures(self) -> Figures:
        return super().figures() | {"owner": self.owner, "locked": self.locked}


class AdjustmentLine(Line):
    """A line of a budget change; lines with the same ``adjustment`` are one transfer and add up to zero."""

    content: ClassVar[tuple[str, ...]] = ("position", "cost_code", "cost_type", "amount", "adjustment")

    adjustment: Whole | None = None


class BudgetChange(Record):
    """Transfers between budget lines. ``amount`` is what the lines add up to: 0.00 for transfers."""

    entity = "budget_changes"
    line = AdjustmentLine
    statuses = (UNPOSTED, POSTED, VOID)
    numbered_in = ("project",)

    project: Text
    title: str | None = None
    status: Text
    currency: str | None = None
    change_date: date | None = None
    amount: Money
    lines: tuple[AdjustmentLine, ...] = ()


# -- facts ----------------------------------------------------------------------------------------------------------------------


class BudgetRow(TypedDict):
    """Of one job's budget on both sides (``judging.budgets``)."""

    job: str | None
    project_name: str
    amount: str | None
    erp_amount: str | None
    procore_amount: str | None
    owner: Side | None
    unlocked: bool | None
    line_unlinked: str | None
    line_unplaced: str | None
    changed_after_export: str | None
    changed_when_locked: str | None


class BudgetFacts(DocumentFacts):
    """A budget's lines are looked at as those of a document; what is asked of the whole is made by its check."""

    row: ClassVar[type] = BudgetRow


class BudgetChangeRow(DocumentRow):
    budget_linked: bool
    has_lines: bool
    transfer_uneven: int | str | None
    transfer_sum: str | None


class BudgetChangeFacts(DocumentFacts):
    """Rules B-03 and B-04 of a budget change."""

    row: ClassVar[type] = BudgetChangeRow
    LIMITED = ("title", "amount")

    def translated(self, own: Record) -> Record:
        assert isinstance(own, BudgetChange)
        job = self.references.key(PROJECTS, own.project) or self.books.name(PROJECTS, own.project)
        return super().translated(own).model_copy(update={"number": f"{job}/{own.number}"})

    def header(self, subject: Subject, approved: bool) -> BudgetChangeRow:
        own = subject.own
        assert isinstance(own, BudgetChange)
        head = super().header(subject, approved)
        budget = self.books.links(BUDGET.name).find(subject.company, head["job"]) if head["job"] else None
        transfers: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
        for line in own.lines:
            transfers[line.adjustment] += line.amount
        uneven = next(((n, amount) for n, amount in transfers.items() if amount), None) if head["fresh"] else None
        return {
            **head,
            "budget_linked": budget is not None or head["job"] is None or not head["fresh"],
            "has_lines": bool(own.lines) or not head["fresh"],
            "transfer_uneven": uneven[0] or "without number" if uneven else None,
            "transfer_sum": text(uneven[1]) if uneven else None,
        }


# -- rows -----------------------------------------------------------------------------------------------------------------------

_COST = {"lines.cost_code": COST_CODES, "lines.cost_type": COST_TYPES}
_ANOTHER = "Put it back, and issue another budget change for the difference."

BUDGET = Entity(
    Budget,
    label="budget",
    stage=2,
    direction="erp_to_procore",
    content=("lines",),
    references={"project": PROJECTS, **_COST},
    project_scoped=True,
    external_id=False,
    marked_on=PROJECTS,
    two_way=True,
    lists=2,
    facts=BudgetFacts,
    field_rule="B-03",
    instead="Put it back, and issue a budget change in Procore.",
    rules=(
        LEFT_OUT,
        HIDDEN,
        LINE_TWICE,
        PARTED,
        Rule("R-02", "broken_link", "absent", "conflict",
             "The budget of {number} is linked, but {broken_link}. Restore it, or end the link: {unlink}."),
        Rule("M-01", "job", "present", "held",
             "The budget of {project_name} waits: its project is not linked to a job.", waits_for="projects {project_name}",
             refers=True),
        Rule("B-03", "line_unlinked", "absent", "held",
             "The budget of {number} waits for {line_unlinked}, which is not linked.", waits_for="{line_unlinked}", refers=True),
        Rule("B-01", "owner", "present", "conflict",
             "Job {number} has an estimate of {erp_amount} in the ERP and a budget of {procore_amount} in Procore. Say "
             "which one rules."),
        Rule("B-02", "unlocked", "absent", "held",
             "The budget of {number} is not locked. Lock it in Procore to release it.", waits_for="the lock of budget {number}"),
        Rule("B-03", "line_unplaced", "absent", "quarantined",
             "Budget of {number}: {line_unplaced}. The whole budget waits so that totals tie."),
        Rule("B-04", "changed_after_export", "absent", "conflict",
             "The original budget of {number} was changed after its export: {changed_after_export}. Put it back and issue "
             "a budget change."),
        Rule("B-04", "changed_when_locked", "absent", "blocked",
             "The estimate of {number} was changed after Procore locked its budget: {changed_when_locked}. "
             "Put it back, or issue a budget change in Procore."),
    ),
    ties=(Tie("T-02", per_cost_key(), ("lines",)),),
)  # fmt: skip

BUDGET_CHANGE = Entity(
    BudgetChange,
    label="budget change",
    stage=2,
    direction="procore_to_erp",
    content=("number", "title", "project", "amount", "lines"),
    references={"project": PROJECTS, **_COST},
    twins=(("project", "number"),),
    frozen=("number", "title", "project", "amount", "lines"),
    project_scoped=True,
    document=True,
    external_id=False,
    waits=(BUDGET.name,),
    destroyed=" (to unlock a budget destroys its changes)",
    facts=BudgetChangeFacts,
    field_rule="B-04",
    instead=_ANOTHER,
    rules=(
        *OF_PROCORE,
        field_fault("B-04"),
        altered(_ANOTHER),
        *PEOPLE,
        *PLACED,
        *CODED,
        NUMBER_IN_ERP,
        Rule("B-04", "budget_linked", "true", "held",
             "Budget change {number} waits for the budget of {job}.", waits_for="budgets {job}", refers=True),
        Rule("B-04", "has_lines", "true", "quarantined", "Budget change {number} has no lines."),
        Rule("B-04", "transfer_uneven", "absent", "quarantined",
             "Budget change {number}: transfer {transfer_uneven} does not net to zero ({transfer_sum})."),
        Rule("B-05", "status_back", "absent", "conflict",
             "Budget change {number} was posted to the ERP, and is {status_back} in Procore now. Approve it again, or reverse "
             "{erp_key} in the ERP."),
    ),
    ties=(Tie("T-03", per_line(), ("lines.key",)),),
)  # fmt: skip

ENTITIES = (BUDGET, BUDGET_CHANGE)
