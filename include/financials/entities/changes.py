"""Change orders on commitments and on prime contracts (docs/domain-rules.md 2.4, rules O-01 to O-05, P-02), and the change
events that they may come from, which are only read (O-06)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar, cast

from include.financials.entities.commitments import COMMITMENT
from include.financials.entities.primes import PRIME_CONTRACT
from include.financials.entity import Entity
from include.financials.judging.books import Books
from include.financials.judging.documents import ContractFacts, ContractRow, position_twice
from include.financials.judging.facts import Facts
from include.financials.judging.rules import Rule
from include.financials.judging.shared import (
    CODED,
    HIDDEN,
    LINE_FAULT,
    LINE_SUM,
    NUMBER_IN_ERP,
    NUMBER_TWICE,
    OF_PROCORE,
    PEOPLE,
    PLACED,
    POSITION_TWICE,
    TAX_UNMAPPED,
    altered,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.money import ZERO, cents, text, total
from include.financials.port import Capability, told
from include.financials.record import (
    COST_CODES,
    COST_TYPES,
    PROJECTS,
    TAX_CODES,
    Figures,
    Line,
    Money,
    Record,
    Text,
    Whole,
    contract_of,
)
from include.financials.statuses import POSTED, UNPOSTED, VOID
from include.financials.ties import Tie, per_document, per_line

if TYPE_CHECKING:
    from include.financials.references import References

# -- models ---------------------------------------------------------------------------------------------------------------------


class ChangeLine(Line):
    """``line``: position of the line of the contract's schedule of values that it changes; None: it is a new line, or its side
    has no answer (``line_told``), and it is sent as one."""

    content: ClassVar[tuple[str, ...]] = (*Line.content, "line")
    frozen: ClassVar[tuple[str, ...]] = (*Line.frozen, "line")
    unmapped: ClassVar[tuple[str, ...]] = ("line_told",)

    line: Whole | None = None
    line_told: bool = True

    @property
    def untold(self) -> tuple[str, ...]:
        return () if self.line_told else ("line",)


class ChangeOrder(Record):
    """``change_number`` is its number within the contract (``001``), ``number`` that of both (``104-SC-003/001``)."""

    line = ChangeLine
    statuses = (UNPOSTED, POSTED, VOID)

    project: Text
    change_number: Text
    title: str | None = None
    status: Text
    currency: str | None = None
    change_date: date | None = None
    amount: Money
    lines: tuple[ChangeLine, ...] = ()

    def figures(self) -> Figures:
        return super().figures() | {"contract": contract_of(self)}


class CommitmentChangeOrder(ChangeOrder):
    entity = "commitment_change_orders"
    numbered_in = ("commitment",)

    commitment: Text


class PrimeChangeOrder(ChangeOrder):
    """``markup`` is revenue beyond the cost lines; ``amount`` = lines + mark-up."""

    entity = "prime_change_orders"
    numbered_in = ("prime_contract",)

    prime_contract: Text
    markup: Money = Decimal("0.00")

    def figures(self) -> Figures:
        return super().figures() | {"markup": text(self.markup)}


class ChangeEvent(Record):
    """What may become change orders. ``status`` is Procore's own, whatever the company calls it."""

    entity = "change_events"
    numbered_in = ("project",)

    project: Text
    title: str | None = None
    status: Text
    change_type: str | None = None
    change_reason: str | None = None


# -- facts ----------------------------------------------------------------------------------------------------------------------


class ChangeRow(ContractRow):
    sum_difference: str | None
    lines_sum: str | None
    sum_difference_cents: int
    position_twice: int | None
    below_unread: str | None
    below_billed: str | None
    billed: str | None
    deleted_since: bool | None


class ChangeFacts(ContractFacts):
    """Rules O-01 to O-05; towards the owner P-02."""

    row: ClassVar[type] = ChangeRow
    invoices: ClassVar[str]
    """Entity of the contract's invoices."""
    LIMITED = ("change_number", "title", "amount")
    in_turns = True

    def __init__(self, books: Books, references: References, row: Entity, capability: Capability) -> None:
        super().__init__(books, references, row, capability)
        self.planned: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
        self.turns: dict[str, int] = {}
        """Place of each that is not the first of its contract, by row."""
        self._now: list[tuple[str | None, Decimal]] = []
        """What this turn adds to ``planned``."""

    def prepare(self, subjects: Iterable[Subject]) -> None:
        """A contract's change orders are judged one after the other, as they were approved: two of them may each leave enough
        and together too little (rule O-04)."""
        due: list[tuple[tuple[date, str], str, str | None]] = []

        def noted() -> Iterator[Subject]:
            for subject in subjects:
                due.append((_approved(subject), subject.row, contract_of(subject.own)))
                yield subject

        super().prepare(noted())
        taken: Counter[str | None] = Counter()
        for _, row, contract in sorted(due, key=itemgetter(0)):
            if taken[contract]:
                self.turns[row] = taken[contract]
            taken[contract] += 1

    def turn(self, subject: Subject) -> int:
        return self.turns.get(subject.row, 0)

    def translated(self, own: Record) -> Record:
        assert isinstance(own, ChangeOrder)
        return super().translated(own).model_copy(update={"number": f"{self.numbered(own)}/{own.change_number}"})

    def skip(self, subject: Subject) -> str | None:
        own = subject.own
        assert isinstance(own, ChangeOrder)
        if not any(line.amount for line in own.lines) and not own.amount and not self.capability.accepts_zero:
            return f"{subject.record.number} has no amount; the ERP does not take it. Recorded as without effect"
        return None

    def header(self, subject: Subject, approved: bool) -> ChangeRow:
        own = subject.own
        assert isinstance(own, ChangeOrder)
        head = super().header(subject, approved)
        markup = own.markup if isinstance(own, PrimeChangeOrder) else ZERO
        difference = own.amount - total(line.amount for line in own.lines) - markup
        contract = contract_of(subject.record)
        billed = self.books.billed(self.invoices, self.contracts, subject.company, contract)
        after = None if head["revised"] is None else head["revised"] + self.planned[contract] + own.amount
        below = head["fresh"] and after is not None and after < max(billed, ZERO)
        return {
            **head,
            "sum_difference": text(difference),
            "lines_sum": text(own.amount - difference),
            "sum_difference_cents": cents(difference) if head["fresh"] else 0,
            "position_twice": position_twice(own.lines) if head["fresh"] else None,
            "below_unread": self._below_unread(subject) if head["fresh"] and own.amount < 0 else None,
            "below_billed": text(max(billed, ZERO) - after) if below and after is not None else None,
            "billed": text(billed),
            "deleted_since": True if own.deleted and head["status_back"] else None,
            "status_back": None if own.deleted else head["status_back"],
        }

    def _below_unread(self, subject: Subject) -> str | None:
        """A document of the ERP that cannot be read, and on which it depends what is left of the contract."""
        record, company = subject.record, subject.company
        place = (str(self.entity.contract), company, contract_of(record), getattr(record, "project", None))
        for entity, label in ((self.invoices, "invoice"), (self.changes, self.entity.label)):
            for bad in self.books.unread_of(entity, *place):
                return told(bad, "erp", label)
        return None

    def settled(self, subject: Subject, state: str) -> None:
        if state == "linked" and subject.match.how == "none":
            self._now.append((contract_of(subject.record), cast(ChangeOrder, subject.own).amount))

    def turned(self) -> None:
        for contract, amount in self._now:
            self.planned[contract] += amount
        self._now.clear()


def _approved(subject: Subject) -> tuple[date, str]:
    own = cast(ChangeOrder, subject.own)
    return own.change_date or date.max, own.change_number


class CommitmentChangeFacts(ChangeFacts):
    changes = CommitmentChangeOrder.entity
    invoices = "subcontractor_invoices"


class PrimeChangeFacts(ChangeFacts):
    changes = PrimeChangeOrder.entity
    invoices = "owner_invoices"
    born = "erp"


class ChangeEventFacts(Facts):
    """Nothing is asked of it: it is only read."""

    def translated(self, own: Record) -> Record:
        assert isinstance(own, ChangeEvent)
        job = self.references.key(PROJECTS, own.project) or self.books.name(PROJECTS, own.project)
        return super().translated(own).model_copy(update={"number": f"{job}/{own.number}"})


# -- rows -----------------------------------------------------------------------------------------------------------------------

_INSTEAD = "Put it back, and issue another change order for the difference."
_COST = {"lines.cost_code": COST_CODES, "lines.cost_type": COST_TYPES, "lines.tax_code": TAX_CODES}

_FIRST = (*OF_PROCORE, field_fault("O-05"), altered(_INSTEAD), *PEOPLE, *PLACED)
_LINES = (POSITION_TWICE, *CODED, LINE_SUM, NUMBER_IN_ERP, NUMBER_TWICE, LINE_FAULT, TAX_UNMAPPED)
_LAST = (
    Rule("O-02", "status_back", "absent", "conflict",
         "Change order {number} was approved and sent, and is {status_back} in Procore now. Approve it again, or reverse "
         "{erp_key} in the ERP."),
    Rule("O-02", "deleted_since", "absent", "conflict",
         "Change order {number} was sent, and was deleted in Procore since. Restore it, or reverse {erp_key} in the ERP."),
    Rule("O-03", "sum_difference_cents", "zero", "quarantined",
         "Change order {number}: lines add up to {lines_sum}, its total is {amount} (difference {sum_difference})."),
    Rule("O-04", "below_unread", "absent", "held",
         "Change order {number} ({amount}) takes from {contract}, and {below_unread}: whether enough is left is not known until "
         "that is corrected there.", waits_for="what the ERP has on {contract}"),
    Rule("O-04", "below_billed", "absent", "quarantined",
         "Change order {number} ({amount}) would leave {contract} {below_billed} below what is already billed ({billed})."),
)  # fmt: skip

COMMITMENT_CHANGE_ORDER = Entity(
    CommitmentChangeOrder,
    label="commitment change order",
    stage=3,
    direction="procore_to_erp",
    content=("number", "title", "commitment", "amount", "lines"),
    references={"project": PROJECTS, "commitment": COMMITMENT.name, **_COST},
    contract="commitment",
    twins=(("commitment", "number"),),
    frozen=("number", "title", "commitment", "amount", "lines"),
    project_scoped=True,
    document=True,
    lists=2,
    tool="Change Orders",
    final=(POSTED, VOID),
    facts=CommitmentChangeFacts,
    field_rule="O-05",
    instead=_INSTEAD,
    rules=(
        *_FIRST,
        *_LINES,
        Rule("O-01", "contract_problem", "absent", "held",
             "Change order {number} waits for {contract}, which {contract_problem}.", waits_for="commitments {contract}",
             refers=True),
        Rule("O-01", "contract_over", "absent", "held",
             "Change order {number} ({amount}) waits: {contract} is {contract_over} in the ERP and takes no more. Reopen it "
             "there, or void the change order in Procore.", waits_for="the reopening of {contract}"),
        *_LAST,
    ),
    ties=(Tie("T-06", per_document("amount")), Tie("T-06", per_line(), ("lines.key",))),
)  # fmt: skip

PRIME_CHANGE_ORDER = Entity(
    PrimeChangeOrder,
    label="prime change order",
    stage=4,
    direction="procore_to_erp",
    content=("number", "title", "prime_contract", "amount", "markup", "lines"),
    references={"project": PROJECTS, "prime_contract": PRIME_CONTRACT.name, **_COST},
    contract="prime_contract",
    twins=(("prime_contract", "number"),),
    frozen=("number", "title", "prime_contract", "amount", "markup", "lines"),
    project_scoped=True,
    document=True,
    final=(POSTED, VOID),
    facts=PrimeChangeFacts,
    field_rule="O-05",
    instead=_INSTEAD,
    rules=(
        *_FIRST,
        *_LINES,
        Rule("P-02", "contract_problem", "absent", "held",
             "Change order {number} waits for prime contract {contract}, which {contract_problem}.",
             waits_for="prime_contracts {contract}", refers=True),
        Rule("P-02", "contract_over", "absent", "held",
             "Change order {number} ({amount}) waits: prime contract {contract} is {contract_over} in the ERP and takes no more. "
             "Reopen it there, or void the change order in Procore.", waits_for="the reopening of {contract}"),
        *_LAST,
    ),
    ties=(Tie("T-20", per_document("amount")),),
)  # fmt: skip

CHANGE_EVENT = Entity(
    ChangeEvent,
    label="change event",
    stage=3,
    direction="procore_only",
    content=("number", "title", "status", "change_type", "change_reason"),
    references={"project": PROJECTS},
    project_scoped=True,
    facts=ChangeEventFacts,
    field_rule="O-06",
    instead="Nothing of it is carried over.",
    rules=(HIDDEN,),
)

ENTITIES = (CHANGE_EVENT, COMMITMENT_CHANGE_ORDER, PRIME_CHANGE_ORDER)
