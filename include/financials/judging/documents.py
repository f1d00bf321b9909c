"""Facts of Procore-born documents: what the rules of stages 2 to 4 look at (docs/domain-rules.md 2.2 to 2.7).

What all documents share, and all documents of a contract; each kind of document adds its own in its family. ``header`` and
``lines`` give rows of plain values; a fact that names a fault is None when all is well, and a fact that an earlier one makes
meaningless passes: one cause, one message. A document that is linked already is judged by what may not change any more, and by
nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, cast

from include.financials.entity import Entity
from include.financials.identity import number_key
from include.financials.judging.books import Books
from include.financials.judging.changes import altered
from include.financials.judging.facts import Facts, Row
from include.financials.judging.limits import limits_fault, number_fault
from include.financials.judging.subject import Subject
from include.financials.money import ZERO, cents, text, to_cents
from include.financials.port import CALLED, Capability
from include.financials.record import COST_CODES, COST_TYPES, PROJECTS, Line, Record, Side, contract_of
from include.financials.statuses import NO_MORE, VOID

if TYPE_CHECKING:
    from include.financials.entities.codes import CostCode
    from include.financials.ledger import Link
    from include.financials.references import References
    from include.financials.view import Sync


class DocumentRow(TypedDict):
    fresh: bool
    """It has no counterpart yet."""
    number: str
    job: str | None
    job_problem: str
    project_name: str
    job_open: bool
    job_status: str | None
    currency: str | None
    currency_ok: bool
    job_currency: str | None
    status: str | None
    amount: str | None
    number_twice: str | None
    altered: str | None
    ended_there: str | None
    status_back: str | None
    field_fault: str | None
    number_in_erp: str | None


class LineRow(TypedDict):
    position: int
    line_uncoded: str | None
    sub_job_unknown: str | None
    code: str | None
    code_text: str
    code_problem: str
    type_text: str
    children: str
    code_leaf: bool
    code_active: bool
    assigned: bool
    quantity: str | None
    unit_cost: str | None
    line_amount: str | None
    line_calculated: str | None
    line_difference_cents: int
    line_fault: str | None
    tax_unmapped: str | None


class ContractRow(DocumentRow):
    contract: str
    contract_problem: str | None
    contract_over: str | None
    revised: Decimal | None


class DocumentFacts(Facts):
    """What all documents have in common: a project, an amount, a currency, a status, lines on cost keys."""

    row: ClassVar[type] = DocumentRow
    line_row: ClassVar[type] = LineRow
    LIMITED: tuple[str, ...] = ("number", "title", "amount")
    """Fields whose limits on the target are looked at."""

    def __init__(self, books: Books, references: References, row: Entity, capability: Capability) -> None:
        super().__init__(books, references, row, capability)
        self.twins: dict[tuple[str, str], list[str]] = {}

    @property
    def sync(self) -> Sync:
        return self.books.sync

    def prepare(self, subjects: Iterable[Subject]) -> None:
        """Told of all documents before the first is judged: a number must be unique in the ERP company, not only in its project
        (rule M-10)."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for subject in subjects:
            if subject.match.how == "none":
                found[subject.company, number_key(subject.record)].append(subject.own.id)
        self.twins = {key: idents for key, idents in found.items() if len(idents) > 1}

    def header(self, subject: Subject, approved: bool) -> DocumentRow:
        own: Any = subject.own
        fresh = subject.match.how == "none"
        link = self.references.link(PROJECTS, own.project)
        job = self.books.jobs.get((link.company, link.erp_key)) if link else None
        closed = own.project in self.books.inactive_projects
        currency = own.currency or (job.currency if job else None)
        others = [i for i in self.twins.get((subject.company, number_key(subject.record)), ()) if i != own.id]
        return {
            "fresh": fresh,
            "number": subject.record.number,
            "job": job.id if job else None,
            "job_problem": self._job_problem(link),
            "project_name": self.books.name(PROJECTS, own.project),
            "job_open": job is None or not fresh or (job.active and not closed),
            "job_status": "inactive in Procore" if closed else f"{job.status} in the ERP" if job else None,
            "currency": currency,
            "currency_ok": job is None or currency == job.currency or not self.sync.keeps(PROJECTS, "currency"),
            "job_currency": job.currency if job else None,
            "status": own.status if hasattr(own, "status") else None,
            "amount": text(own.amount),
            "number_twice": f"ids {own.id}, {', '.join(others)}" if fresh and others else None,
            "altered": self._altered(subject),
            "ended_there": self.ended_there(subject),
            "status_back": self._status_back(subject),
            "field_fault": limits_fault(subject.record, self.capability, self.LIMITED, CALLED["erp"]) if fresh else None,
            "number_in_erp": self._number_in_erp(subject) if fresh else None,
        }

    def _job_problem(self, link: Link | None) -> str:
        """Why there is no job to judge by: nobody linked it, or the ERP's cannot be read, or is gone."""
        if link is None:
            return "is not linked to a job"
        unread = (link.company, link.erp_key) in self.books.unread(PROJECTS)
        return f"waits for job {link.erp_key}, which {'cannot be read in the ERP' if unread else 'the ERP no longer has'}"

    def _number_in_erp(self, subject: Subject) -> str | None:
        """The job of a document in the ERP that has this number already (rules M-10, I-04). A void one keeps its number."""
        found = self.books.numbered(subject.record, subject.company) if not subject.match.proposal else None
        if found is None:
            return None
        return f"{found.project}{' (void)' if found.status == VOID else ''}"

    def _altered(self, subject: Subject) -> str | None:
        """A document that only ended on a side is not changed: rules of their own say what became of it."""
        ended = subject.own.deleted or self.ended_there(subject) is not None
        return altered(self.entity, subject) if self.entity.immutable and not ended else None

    @staticmethod
    def ended_there(subject: Subject) -> str | None:
        """The ERP's document, if that is void by now (rule R-09)."""
        match = subject.match
        if match.voided is not None:
            return match.voided
        gone = match.how != "none" and match.target is not None and getattr(match.target, "status", None) == VOID
        return match.target.id if gone and match.target is not None else None

    def _status_back(self, subject: Subject) -> str | None:
        """What became of a linked document that is not due in Procore any more (rules B-05, O-02, I-10; M-14 of a commitment)."""
        own: Any = subject.own
        if subject.match.how == "none" or self.ended_there(subject):
            return None
        if own.deleted:
            return "deleted"
        return None if self.due(own) else own.status

    def due(self, own: Any) -> bool:
        """Whether Procore's document counts: approved, and not deleted."""
        return not own.deleted and is_due(self.sync, self.entity.name, own.status, getattr(own, "kind", None))

    def lines(self, subject: Subject, head: Row) -> Sequence[Row]:
        """One row per line of a document that may be sent."""
        if not head["fresh"]:
            return []
        pairs = zip(cast(Any, subject.own).lines, cast(Any, subject.record).lines, strict=True)
        return [{**head, **self.line(subject, head, own, line)} for own, line in pairs]

    def takes(self, code: CostCode | None, cost_type: str | None) -> bool | None:
        """Whether a line may have this type on this code. None: that is not the question (no code, or one that takes no line), or
        the ERP keeps no types of its codes."""
        if code is None or code.is_header or not code.active or not self.sync.keeps(COST_CODES, COST_TYPES):
            return None
        return cost_type in code.cost_types

    def line(self, subject: Subject, head: Row, own: Line, line: Line) -> LineRow:
        """What there is to say of one line, as read and in ERP keys."""
        company, job = head["company"], head["job"]
        code = self.books.codes.get((company, line.cost_code)) if line.cost_code else None
        name = code.number if code else self.books.name(COST_CODES, own.cost_code)
        uncoded = "cost code" if own.cost_code is None else "cost type" if own.cost_type is None else None
        # A rule that needs what an earlier rule found missing passes here: one cause, one message.
        placed = uncoded is None and job is not None and code is not None
        calculated = to_cents((own.quantity or ZERO) * (own.unit_cost or ZERO))
        return {
            "position": own.position,
            "line_uncoded": uncoded,
            "sub_job_unknown": own.sub_job if own.sub_job and (code is None or not self.capability.sub_jobs) else None,
            "code": (code.id if code else None) if uncoded is None and job is not None else "not judged",
            "code_text": name,
            "code_problem": self.books.no_code(company, job, line.cost_code, name),
            "type_text": self.books.name(COST_TYPES, own.cost_type),
            "children": ", ".join(self.books.children.get(code.id, [])[:8]) if code else "",
            "code_leaf": not placed or code is None or not code.is_header,
            "code_active": not placed or code is None or code.active,
            "assigned": not placed or self.takes(code, line.cost_type) is not False,
            "quantity": None if own.quantity is None else f"{own.quantity.normalize():f}",
            "unit_cost": None if own.unit_cost is None else f"{own.unit_cost.normalize():f}",
            "line_amount": text(own.amount),
            "line_calculated": text(calculated),
            "line_difference_cents": cents(own.amount - calculated) if own.extended_type == "calculated" else 0,
            "line_fault": line_fault(own, self.capability),
            "tax_unmapped": own.tax_code if own.tax_code and (line.tax_code is None or not self.capability.tax) else None,
        }


def is_due(sync: Sync, entity: str, status: str | None, kind: str | None = None) -> bool:
    """Whether a document of Procore in this status may have a counterpart: eligible to be sent, or to stay linked."""
    chosen = sync.settings.of(entity)
    statuses = chosen.statuses(kind) + chosen.when_linked(kind)
    return not statuses or status in statuses


def line_fault(line: Line, capability: Capability) -> str | None:
    for name in ("amount", "quantity", "unit_cost"):
        value = getattr(line, name)
        fault = number_fault(name, value, capability, CALLED["erp"]) if value is not None else None
        if fault:
            return fault
    return limits_fault(line, capability, ("description",), CALLED["erp"])


def position_twice(lines: Sequence[Line]) -> int | None:
    """A position that two lines share: lines are told apart by it on both sides."""
    counted = Counter(line.position for line in lines)
    return next((position for position, count in counted.items() if count > 1), None)


class ContractFacts(DocumentFacts):
    """What documents of a contract share: it must be linked, without conflict and open."""

    row: ClassVar[type] = ContractRow
    changes: ClassVar[str]
    """Entity of the contract's change orders."""
    born: ClassVar[Side] = "procore"
    """The side that the contract itself is born on: there it is judged."""

    @property
    def contracts(self) -> str:
        """Entity of the contract itself."""
        assert self.entity.contracts is not None, f"{self.entity.name} names no contract"
        return self.entity.contracts

    def recall(self, owns: Sequence[Record]) -> None:
        self.books.recall(self.contracts, filter(None, map(contract_of, owns)))

    def numbered(self, own: Record) -> str:
        """Number of the contract that the document belongs to, as far as it is known."""
        link = self.references.link(self.contracts, contract_of(own))
        return link.number if link else self.books.name(self.contracts, contract_of(own))

    def header(self, subject: Subject, approved: bool) -> ContractRow:
        own = subject.own
        link = self.references.link(self.contracts, contract_of(own))
        document: Any = self.books.document(self.contracts, link.company, link.erp_key) if link else None
        problem = None
        if link is None:
            problem = "is not linked"
        elif self._conflict(contract_of(own)):
            problem = "is in conflict"
        elif unread := self._unread(contract_of(own), link):
            problem = f"cannot be read in {unread}"
        fresh = subject.match.how == "none"
        # What is linked already stays so: the end of its contract is no change of it.
        over = document is not None and document.status in NO_MORE
        return {
            **super().header(subject, approved),
            "contract": self.numbered(own),
            "contract_problem": problem if fresh or link is None else None,
            "contract_over": document.status if fresh and over and problem is None else None,
            "revised": self._revised(document, link) if document is not None and link is not None else None,
        }

    def _revised(self, document: Any, link: Link) -> Decimal:
        """The contract sum with the change orders that the ERP has. Not what the document says of them: one that this run creates
        was read in Procore, which counts those that are still to be sent."""
        return cast(Decimal, document.amount + self.books.changed(self.changes, link.company, link.erp_key))

    def _unread(self, procore_id: str | None, link: Link) -> str | None:
        """The side on which the contract itself cannot be read: nothing new is sent on it."""
        if self.books.figures(self.contracts, procore_id).get("unread"):
            return CALLED["procore"]
        return CALLED["erp"] if (link.company, link.erp_key) in self.books.unread(self.contracts) else None

    def _conflict(self, procore_id: str | None) -> bool:
        """Whether the contract itself is in dispute: nothing new is sent on it until that is settled."""
        if self.born == "erp":
            link = self.references.link(self.contracts, procore_id)
            seen = self.books.seen(self.contracts, "erp").get((link.company, link.erp_key)) if link else None
            return seen is not None and seen.state == "conflict"
        known = self.books.remembered(self.contracts, procore_id or "")
        return known is not None and known.state == "conflict"
