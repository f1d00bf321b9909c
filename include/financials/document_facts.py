"""Facts of Procore-born documents: what the rules of stages 2 to 4 look at (docs/domain-rules.md 2.2 to 2.7).

Each kind of document has one class. Its ``header`` and ``lines`` give rows of plain values; a fact that names a fault is None
when all is well, and a fact that an earlier one makes meaningless passes: one cause, one message. A document that is linked
already is judged by what may not change any more, and by nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, cast

from include.financials.billing import balance as by_balance
from include.financials.billing import by_key, certificate, completed, key_of, movement, movements, retained
from include.financials.books import Books, Opening
from include.financials.entities import Entity
from include.financials.existence import SIDES
from include.financials.facts import Row, Subject, altered, changes_of_frozen, limits_fault, number_fault, sent
from include.financials.figures import contract_of, figures
from include.financials.identity import content
from include.financials.ledger import Link
from include.financials.matching import number_key
from include.financials.models import (
    BillingItem,
    BudgetChange,
    ChangeOrder,
    Commitment,
    Invoice,
    InvoiceLine,
    Line,
    PrimeChangeOrder,
    Record,
    SubcontractorInvoice,
)
from include.financials.money import ZERO, cents, text, to_cents, total
from include.financials.port import Capability
from include.financials.references import References
from include.financials.settings import ANY
from include.financials.statuses import NO_MORE, OPEN, VOID
from include.financials.view import Sync

Lines = Sequence[tuple[Line, Line]]
"""Pairs of a line as read and the same line in ERP keys."""


class DocumentFacts:
    """What all documents have in common: a project, an amount, a currency, a status, lines on cost keys."""

    ERP = "the ERP"
    LIMITED: tuple[str, ...] = ("number", "title", "amount")
    """Fields whose limits on the target are looked at."""

    def __init__(self, sync: Sync, row: Entity, capability: Capability) -> None:
        self.sync, self.row, self.capability = sync, row, capability
        self.references = References(sync, row)
        self.books = Books(sync, row.name)
        self.twins: dict[tuple[str, str], list[str]] = {}

    def translated(self, own: Record) -> Record:
        """The document in ERP keys, with the number that people call it by."""
        return self.references.translated(own)

    def prepare(self, subjects: Sequence[Subject]) -> None:
        """Told of all documents before the first is judged: a number must be unique in the ERP company, not only in its project
        (rule M-10)."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for subject in subjects:
            if subject.match.how == "none":
                found[subject.company, number_key(subject.record)].append(subject.own.id)
        self.twins = found

    def turn(self, subject: Subject) -> int:
        """Its place in the order of judgement, where what became of one document decides on the next."""
        return 0

    def settled(self, subject: Subject, state: str) -> None:
        """Told of each verdict, in the order of judgement."""

    def skip(self, subject: Subject) -> str | None:
        """Why an eligible document is not sent all the same."""
        return None

    def header(self, subject: Subject, approved: bool) -> Row:
        own: Any = subject.own
        fresh = subject.match.how == "none"
        link = self.references.link("projects", own.project)
        job = self.books.jobs.get((link.company, link.erp_key)) if link else None
        closed = own.project in self.books.inactive_projects
        currency = own.currency or (job.currency if job else None)
        others = [i for i in self.twins.get((subject.company, number_key(subject.record)), ()) if i != own.id]
        return {
            "fresh": fresh,
            "number": subject.record.number,
            "job": job.id if job else None,
            "job_problem": self._job_problem(link),
            "project_name": self.books.name("projects", own.project),
            "job_open": job is None or not fresh or (job.active and not closed),
            "job_status": "inactive in Procore" if closed else f"{job.status} in the ERP" if job else None,
            "currency": currency,
            "currency_ok": job is None or currency == job.currency or not self.sync.keeps("projects", "currency"),
            "job_currency": job.currency if job else None,
            "status": own.status if hasattr(own, "status") else None,
            "amount": text(own.amount),
            "number_twice": f"ids {own.id}, {', '.join(others)}" if fresh and others else None,
            "altered": self._altered(subject),
            "ended_there": self.ended_there(subject),
            "status_back": self._status_back(subject),
            "field_fault": limits_fault(subject.record, self.capability, self.LIMITED, self.ERP) if fresh else None,
            "number_in_erp": self._number_in_erp(subject) if fresh else None,
        }

    def _job_problem(self, link: Link | None) -> str:
        """Why there is no job to judge by: nobody linked it, or the ERP's cannot be read."""
        if link is not None and (link.company, link.erp_key) in self.books.unread("projects"):
            return f"waits for job {link.erp_key}, which cannot be read in the ERP"
        return "is not linked to a job"

    def _number_in_erp(self, subject: Subject) -> str | None:
        """The job of a document in the ERP that has this number already (rules M-10, I-04). A void one keeps its number."""
        found: Any = self.books.numbered(subject.record, subject.company) if not subject.match.proposal else None
        if found is None:
            return None
        return f"{found.project}{' (void)' if getattr(found, 'status', None) == VOID else ''}"

    def _altered(self, subject: Subject) -> str | None:
        """A document that only ended on a side is not changed: rules of their own say what became of it."""
        ended = subject.own.deleted or self.ended_there(subject) is not None
        return altered(self.row, subject) if self.row.immutable and not ended else None

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
        return not own.deleted and due(self.sync, self.row.name, own.status, getattr(own, "kind", None))

    def lines(self, subject: Subject, head: Row) -> list[Row]:
        """One row per line of a document that may be sent."""
        if not head["fresh"]:
            return []
        pairs = zip(cast(Any, subject.own).lines, cast(Any, subject.record).lines, strict=True)
        return [{**head, **self._line(head, own, line)} for own, line in pairs]

    def _line(self, head: Row, own: Line, line: Line) -> Row:
        company, job = head["company"], head["job"]
        code = self.books.codes.get((company, line.cost_code)) if line.cost_code else None
        name = code.number if code else self.books.name("cost_codes", own.cost_code)
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
            "code_problem": (
                "is not linked yet: wait for it, or decide link cost_codes"
                if self.books.has_code(company, job, name)
                else f"does not exist on job {job}. Add it in the ERP or re-code the line"
            ),
            "type_text": self.books.name("cost_types", own.cost_type),
            "children": ", ".join(self.books.children.get(code.id, [])[:8]) if code else "",
            "code_leaf": not placed or code is None or not code.is_header,
            "code_active": not placed or code is None or code.active,
            "assigned": not placed or code is None or code.is_header or not code.active or line.cost_type in code.cost_types,
            "quantity": own.quantity and f"{own.quantity.normalize():f}",
            "unit_cost": own.unit_cost and f"{own.unit_cost.normalize():f}",
            "line_amount": text(own.amount),
            "line_calculated": text(calculated),
            "line_difference_cents": cents(own.amount - calculated) if own.extended_type == "calculated" else 0,
            "line_fault": line_fault(own, self.capability),
            "tax_unmapped": own.tax_code if own.tax_code and (line.tax_code is None or not self.capability.tax) else None,
        }


def due(sync: Sync, entity: str, status: str | None, kind: str | None = None) -> bool:
    """Whether a document of Procore in this status may have a counterpart: eligible to be sent, or to stay linked."""
    chosen = sync.settings.of(entity)
    statuses = chosen.statuses(kind) + chosen.eligible_when_linked.get(kind or ANY, ())
    return not statuses or status in statuses


def line_fault(line: Line, capability: Capability) -> str | None:
    for name in ("amount", "quantity", "unit_cost"):
        value = getattr(line, name)
        fault = number_fault(name, value, capability, "the ERP") if value is not None else None
        if fault:
            return fault
    return limits_fault(line, capability, ("description",), "the ERP")  # type: ignore[arg-type]


def unit_missing(line: Line) -> str | None:
    for name in ("quantity", "unit_cost", "unit"):
        if getattr(line, name) is None:
            return name.replace("_", " ")
    return None


def position_twice(lines: Sequence[Line]) -> int | None:
    """A position that two lines share: lines are told apart by it on both sides."""
    counted = Counter(line.position for line in lines)
    return next((position for position, count in counted.items() if count > 1), None)


# -- commitments ----------------------------------------------------------------------------------------------------------------


class CommitmentFacts(DocumentFacts):
    """Rules M-01 to M-14."""

    def skip(self, subject: Subject) -> str | None:
        own = subject.own
        assert isinstance(own, Commitment)
        if own.amount == 0 and not self.capability.accepts_zero:
            return f"{own.number} has a total of zero, which the ERP does not accept"
        return None

    def header(self, subject: Subject, approved: bool) -> Row:
        own = subject.own
        assert isinstance(own, Commitment)
        head = super().header(subject, approved)
        fresh = head["fresh"]
        lines_sum = total(line.amount for line in own.lines)
        limit = self.sync.settings.approve_above if self.sync.run.approve_above is None else self.sync.run.approve_above
        # A limit of 0 is a limit: everything is approved by a person.
        waits = fresh and limit is not None and own.amount > limit and not approved
        return head | {
            **self._vendor(own, fresh),
            "has_lines": bool(own.lines) or not fresh,
            "position_twice": position_twice(own.lines) if fresh else None,
            "lines_sum": text(lines_sum),
            "sum_difference": text(own.amount - lines_sum),
            "sum_difference_cents": cents(own.amount - lines_sum) if own.lines and fresh else 0,
            "field_fault": self._field_fault(own) if fresh else None,
            "retainage_fault": self._retainage_fault(own) if fresh else None,
            "total_negative": text(own.amount) if fresh and own.amount < 0 else None,
            "total_zero": text(own.amount) if fresh and own.amount == 0 else None,
            "approval_wanted": text(limit) if waits else None,
            "unexecuted": None if own.executed else True,
            "drift": self._drift(subject),
        }

    def _line(self, head: Row, own: Line, line: Line) -> Row:
        by_unit = head["accounting_method"] == "unit"
        return super()._line(head, own, line) | {"unit_missing": unit_missing(own) if by_unit else None}

    def lines(self, subject: Subject, head: Row) -> list[Row]:
        """What was sent is judged by M-14 alone: a code that was closed or an assignment that was taken away since does not make
        a linked contract wrong."""
        return super().lines(subject, {**head, "accounting_method": cast(Commitment, subject.own).accounting_method})

    def _vendor(self, own: Commitment, fresh: bool) -> Row:
        vendor, name = self.books.vendor(own.vendor), self.books.name("vendors", own.vendor)
        problem, unlinked, way = None, None, ""
        if own.vendor is None:
            problem, way = "it has no vendor", "Choose the contract company in Procore."
        elif vendor is None:
            unlinked = "is not in the ERP, or not linked to the vendor that it is there"
        else:
            called = f'vendor "{vendor.name}"'
            if fresh and vendor.merged_into:  # a survivor was not: here the mergers lead in a circle
                problem = f"{called} was merged into {vendor.merged_into}, and that into others without an end"
                way = "Correct the mergers in the ERP."
            elif fresh and not vendor.active:
                problem, way = f"{called} is inactive in the ERP", "Make it active there, or choose another one in Procore."
            elif fresh and vendor.hold == "all":
                problem = f"{called} is on full hold ({vendor.hold_reason or 'no reason given'})"
                way = "Release the hold in the ERP."
        return {
            "vendor_name": vendor.name if vendor else name,
            "vendor_unlinked": unlinked,
            "vendor_usable": problem is None,
            "vendor_problem": problem,
            "vendor_way": way,
            "vendor_wait": f"vendors {self.references.key('vendors', own.vendor) or name}" if own.vendor else "a vendor",
        }

    def _field_fault(self, own: Commitment) -> str | None:
        if not own.title and "title" not in self.row.unkept:
            return "it has no title, the ERP demands one"
        return limits_fault(own, self.capability, self.LIMITED, self.ERP)

    def _retainage_fault(self, own: Commitment) -> str | None:
        percent = own.retainage_percent
        if percent is None:
            return None
        if not 0 <= percent <= 100:
            return f"retainage of {percent.normalize():f} % is not between 0 and 100"
        return number_fault("retainage_percent", percent, self.capability, self.ERP)

    def _drift(self, subject: Subject) -> str | None:
        """What was changed after the document was sent although it may not be (rule M-14), against the link or, at adoption, the
        ERP."""
        own, match = subject.own, subject.match
        assert isinstance(own, Commitment)
        if match.how == "none" or match.broken or match.decision is not None:
            return None
        if self.ended_there(subject):
            return None  # R-09 says so
        if own.deleted:
            return "it was deleted in Procore"
        before = sent(match.link, match.target, self.row)
        if not subject.company or before is None:
            return None  # its project is not linked (M-01): in which keys to compare is not known yet
        found = changes_of_frozen(self.row, before, content(subject.record, self.row.content), subject.unknown)
        chosen = self.sync.settings.of("commitments")
        statuses = chosen.eligible.get(own.kind, ()) + chosen.eligible_when_linked.get(own.kind, ())
        if own.status in ("Void", "Terminated"):
            found.append(f"its status went to {own.status}: close {subject.erp_key} in the ERP too")
        elif statuses and own.status not in statuses:
            found.append(f"its status went back to {own.status}")
        return "; ".join(found) or None


# -- documents of a contract ----------------------------------------------------------------------------------------------------


class ContractFacts(DocumentFacts):
    """What documents of a contract share: it must be linked, without conflict and open."""

    contract: str
    """Reference field and, as entity, what it names."""
    contracts: str
    changes: str
    """Entity of the contract's change orders."""

    def numbered(self, own: Record) -> str:
        """Number of the contract that the document belongs to, as far as it is known."""
        link = self.references.link(self.contracts, contract_of(own))
        return link.number if link else self.books.name(self.contracts, contract_of(own))

    def header(self, subject: Subject, approved: bool) -> Row:
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
        return super().header(subject, approved) | {
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
        if self.books.memory(self.contracts).get(procore_id or "", {}).get("figures", {}).get("unread"):
            return SIDES["procore"]
        return SIDES["erp"] if (link.company, link.erp_key) in self.books.unread(self.contracts) else None

    def _conflict(self, procore_id: str | None) -> bool:
        """Whether the contract itself is in dispute: nothing new is sent on it until that is settled."""
        if self.contracts == "prime_contracts":
            link = self.references.link(self.contracts, procore_id)
            known = self.books.seen(self.contracts, "erp").get((link.company, link.erp_key)) if link else None
        else:
            known = self.books.memory(self.contracts).get(procore_id or "")
        return known is not None and known["state"] == "conflict"


class ChangeFacts(ContractFacts):
    """Rules O-01 to O-05; towards the owner P-02."""

    def __init__(self, sync: Sync, row: Entity, capability: Capability) -> None:
        super().__init__(sync, row, capability)
        prime = row.name == "prime_change_orders"
        self.contracts = "prime_contracts" if prime else "commitments"
        self.changes = row.name
        self.invoices = "owner_invoices" if prime else "subcontractor_invoices"
        self.planned: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
        self.turns: dict[str, int] = {}

    LIMITED = ("change_number", "title", "amount")

    def prepare(self, subjects: Sequence[Subject]) -> None:
        """A contract's change orders are judged one after the other, as they were approved: two of them may each leave enough
        and together too little (rule O-04)."""
        super().prepare(subjects)
        taken: Counter[str | None] = Counter()
        for subject in sorted(subjects, key=_approved):
            self.turns[subject.row] = taken[contract_of(subject.own)]
            taken[contract_of(subject.own)] += 1

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

    def header(self, subject: Subject, approved: bool) -> Row:
        own = subject.own
        assert isinstance(own, ChangeOrder)
        head = super().header(subject, approved)
        markup = own.markup if isinstance(own, PrimeChangeOrder) else ZERO
        difference = own.amount - total(line.amount for line in own.lines) - markup
        contract = contract_of(subject.record)
        billed = self.books.billed(self.invoices, self.contracts, subject.company, contract)
        after = None if head["revised"] is None else head["revised"] + self.planned[contract] + own.amount
        below = head["fresh"] and after is not None and after < max(billed, ZERO)
        return head | {
            "sum_difference": text(difference),
            "lines_sum": text(own.amount - difference),
            "sum_difference_cents": cents(difference) if head["fresh"] else 0,
            "position_twice": position_twice(own.lines) if head["fresh"] else None,
            "below_billed": text(max(billed, ZERO) - after) if below and after is not None else None,
            "billed": text(billed),
            "deleted_since": True if own.deleted and head["status_back"] else None,
            "status_back": None if own.deleted else head["status_back"],
        }

    def settled(self, subject: Subject, state: str) -> None:
        if state == "linked" and subject.match.how == "none":
            self.planned[contract_of(subject.record)] += cast(ChangeOrder, subject.own).amount


def _approved(subject: Subject) -> tuple[date, str]:
    own = cast(ChangeOrder, subject.own)
    return own.change_date or date.max, own.change_number


class BudgetChangeFacts(DocumentFacts):
    """Rules B-03 and B-04 of a budget change."""

    LIMITED = ("title", "amount")

    def translated(self, own: Record) -> Record:
        assert isinstance(own, BudgetChange)
        job = self.references.key("projects", own.project) or self.books.name("projects", own.project)
        return super().translated(own).model_copy(update={"number": f"{job}/{own.number}"})

    def header(self, subject: Subject, approved: bool) -> Row:
        own = subject.own
        assert isinstance(own, BudgetChange)
        head = super().header(subject, approved)
        budget = self.books.links("budgets").find(subject.company, head["job"]) if head["job"] else None
        transfers: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
        for line in own.lines:
            transfers[line.adjustment] += line.amount
        uneven = next(((n, amount) for n, amount in transfers.items() if amount), None) if head["fresh"] else None
        return head | {
            "budget_linked": budget is not None or head["job"] is None or not head["fresh"],
            "has_lines": bool(own.lines) or not head["fresh"],
            "transfer_uneven": uneven[0] or "without number" if uneven else None,
            "transfer_sum": text(uneven[1]) if uneven else None,
        }


# -- invoices -------------------------------------------------------------------------------------------------------------------


class InvoiceFacts(ContractFacts):
    """Rules I-01 to I-09; towards the owner P-03. Movements are counted from the invoice before, as Procore states it."""

    LIMITED = ("number", "amount")

    def __init__(self, sync: Sync, row: Entity, capability: Capability) -> None:
        super().__init__(sync, row, capability)
        self.prime = row.name == "owner_invoices"
        self.contracts = "prime_contracts" if self.prime else "commitments"
        self.changes = "prime_change_orders" if self.prime else "commitment_change_orders"
        self.module = "AR" if self.prime else "AP"
        self.states: dict[str, str] = {}
        self.here: dict[str, Invoice] = {}
        self.billed_now: dict[tuple[str | None, int], Decimal] = {}

    def turn(self, subject: Subject) -> int:
        return cast(Invoice, subject.own).sequence

    def learn(self, owns: Sequence[Record]) -> None:
        """The invoices of this run: an invoice may be the one before another of them."""
        self.here = {own.id: own for own in owns if isinstance(own, Invoice)}

    def before(self, own: Invoice) -> tuple[BillingItem, ...] | None:
        """Items of the invoice before; () for the first of a contract, None where it is not known."""
        if own.previous is None:
            return ()
        known = self.here.get(own.previous)
        if known is not None:
            return known.items
        remembered = self.books.memory(self.row.name).get(own.previous, {}).get("figures")
        if not remembered:
            return None
        return tuple(BillingItem.model_validate(item, strict=False) for item in remembered["items"])

    def translated(self, own: Record) -> Record:
        """In ERP keys, with the lines that it posts: gross, held and released per line of the contract and its change orders."""
        assert isinstance(own, Invoice)
        found = cast(Invoice, super().translated(own))
        before = self.before(own) or ()
        lines, moved = [], movements(own.items, before)
        places = self._places(own)
        for position, (key, move) in enumerate((k, m) for k, m in moved.items() if not m.empty):
            change, line, x = places.get(key, (None, None, (None, None)))
            lines.append(
                InvoiceLine(
                    id=f"{own.id}/{position + 1}", position=position + 1, change_order=change, line=line,
                    cost_code=x[0], cost_type=x[1],
                    amount=move.gross, held=move.held, released=move.released, tax=move.tax,
                )
            )  # fmt: skip
        totals = {name: total(getattr(line, name) for line in lines) for name in ("amount", "held", "released", "tax")}
        number = own.number if own.number != own.id else f"{self.numbered(own)}-{own.sequence:02}"
        # Items stay as read: the next invoice finds its lines in them by Procore's ids, even those of a change that waits.
        kept = {"items": own.items, "lines": tuple(lines)}
        return found.model_copy(update={"number": number, **kept, **totals, **self._more(own)})

    def _more(self, own: Invoice) -> dict[str, Any]:
        """What the ERP's document needs beside the billing: whether its payment is held, or whom it is sent to."""
        if isinstance(own, SubcontractorInvoice):
            vendor = self.books.vendor(own.vendor)
            return {"pay_hold": vendor is not None and vendor.hold != "none"}
        link = self.references.link(self.contracts, contract_of(own))
        contract = self.books.document(self.contracts, link.company, link.erp_key) if link else None
        return {"customer": getattr(contract, "customer", None)}

    def _places(self, own: Invoice) -> dict[Any, tuple[str | None, int, tuple[str | None, str | None]]]:
        """Where each item posts: (change number, line of the contract or change order, (code, type)), by item key."""
        found: dict[Any, tuple[str | None, int, tuple[str | None, str | None]]] = {}
        contract = self._contract_lines(own)
        changes: dict[str, Mapping[str, Any]] = {}
        for item in own.items:
            if item.change_order is None:
                place = contract.get(item.line or "")
            else:
                row = self.books.memory(self.changes).get(item.change_order, {})
                if item.change_order not in changes:
                    changes[item.change_order] = _lines_by_id(row)
                lines = changes[item.change_order]
                # A row for a change order as a whole has a place where that has one line only; else nobody may guess it (O-03).
                only = next(iter(lines.values())) if len(lines) == 1 and item.line is None else None
                place = lines.get(item.line or "") or only
            if place is not None:
                code, _, cost_type = place["x"].partition(" / ")
                change = self._change_number(item.change_order)
                found[key_of(item)] = (change, place["position"], (_known(code), _known(cost_type)))
        return found

    def _contract_lines(self, own: Invoice) -> Mapping[str, Any]:
        return _lines_by_id(self.books.memory(self.contracts).get(contract_of(own) or "", {}))

    def _change_number(self, change_order: str | None) -> str | None:
        if change_order is None:
            return None
        return self.books.name(self.changes, change_order).rpartition("/")[2]

    def skip(self, subject: Subject) -> str | None:
        record = cast(Invoice, subject.record)
        opening = self._opening(subject)
        if opening is not None and not subject.match.proposal and opening.covers(record.billing_date):
            return (
                f"{record.number} is part of the opening balance of {opening.contract}, {text(opening.amount)} to {opening.day}"
            )
        if not record.lines:  # not its sums: what moves from one line to another adds up to zero
            return f"{record.number} bills nothing and releases nothing"
        return None

    def header(self, subject: Subject, approved: bool) -> Row:
        own, record = subject.own, subject.record
        assert isinstance(own, Invoice) and isinstance(record, Invoice)
        head = super().header(subject, approved)
        fresh, before = head["fresh"], self.before(own)
        if not fresh:
            return head | dict.fromkeys(_NOT_JUDGED) | {"sequence_kept": True, "retainage_cents": 0, "net": text(record.due)}
        return head | {
            "number_in_erp": self._duplicate(subject),
            "change_waiting": self._change_waiting(own),
            "net": text(record.due),
            **self._dates(subject, record),
            **self._sequence(subject, own, before),
            **self._arithmetic(own, before or ()),
            "released_too_much": self._released(own, before or ()),
            "pay_held": record.vendor if isinstance(record, SubcontractorInvoice) and record.pay_hold else None,
            "overbilled": self._overbilled(own, head["revised"]),
            "unplaced": self._unplaced(own),
            "vendor_unknown": self._vendor_unknown(own),
        }

    def _vendor_unknown(self, own: Invoice) -> str | None:
        if not isinstance(own, SubcontractorInvoice) or self.books.vendor(own.vendor) is not None:
            return None
        return self.books.name("vendors", own.vendor)

    def _duplicate(self, subject: Subject) -> str | None:
        """A document of this number that the ERP has already: for the same vendor, over all jobs."""
        found = self.books.numbered(subject.record, subject.company)
        if found is None or subject.match.proposal or (found.marker and subject.match.target is not None):
            return None
        invoice = cast(Invoice, found)
        void = ", void" if invoice.status == VOID else ""
        return f"{text(invoice.amount)}, {invoice.billing_date}, job {invoice.project}{void}"

    def _change_waiting(self, own: Invoice) -> str | None:
        links = self.books.links(self.changes)
        moves = movements(own.items, self.before(own) or ())
        billed = {change for (change, _), move in moves.items() if change is not None and not move.empty}
        waiting = sorted(self.books.name(self.changes, change) for change in billed if links.erp(change) is None)
        return ", ".join(waiting) or None

    def _dates(self, subject: Subject, record: Invoice) -> Row:
        day = record.billing_date
        if day is None:
            return {"date_missing": True, "period_closed": None, "period_refused": None, "next_open": None}
        period = self.books.period(subject.company, self.module, day)
        # Without a job there is no company, and no calendar: one cause, one message.
        is_open = not subject.company or not self.books.has_calendar or (period is not None and period.status == OPEN)
        following = self.books.next_open(subject.company, self.module, day)
        policy, month = self.sync.settings.posting_policy, f"{day:%Y-%m}"
        shut = not is_open and not (policy == "next_open" and following is not None)
        return {
            "date_missing": None,
            "period_closed": month if shut and policy != "reject" else None,
            "period_refused": month if shut and policy == "reject" else None,
            "next_open": following.isoformat() if following else "a new period",
        }

    def lines(self, subject: Subject, head: Row) -> list[Row]:
        """Its lines are ours, made from Procore's items: what can be wrong with them shows in the header's facts."""
        return []

    def posting_date(self, subject: Subject) -> date | None:
        """The day whose period the document falls into, by the posting policy (docs/domain-rules.md 1.5)."""
        day = cast(Invoice, subject.record).billing_date
        if day is None:
            return None
        period = self.books.period(subject.company, self.module, day)
        if not self.books.has_calendar or (period is not None and period.status == OPEN):
            return day
        return (
            self.books.next_open(subject.company, self.module, day) if self.sync.settings.posting_policy == "next_open" else day
        )

    def _sequence(self, subject: Subject, own: Invoice, before: Sequence[BillingItem] | None) -> Row:
        """The invoice before must be there, or this run's; and the ERP must have been billed what Procore says was."""
        contract, opening = contract_of(subject.record), self._opening(subject)
        kept = own.previous is None or self._settled(own.previous)
        later = self._later(contract_of(own), own.sequence)
        bills = [r for (c, _), r in self.books.invoices(self.row.name, subject.company, contract) if (c, r.id) not in later]
        strange = [r for r in bills if (subject.company, r.id) not in self._known]
        # What an opening balance stands for is in it already: the ERP may have it as one invoice, or have none.
        counted = [r for r in bills if r not in strange or not opening or not opening.covers(r.billing_date)]
        erp = total(r.amount for r in counted) + (opening.amount if opening else ZERO)
        erp += sum(
            (amount for (owner, n), amount in self.billed_now.items() if owner == contract_of(own) and n < own.sequence), ZERO
        )
        said = total(map(completed, before or ()))
        if subject.match.proposal:  # whether it is in the ERP already is for a person to say first
            kept, said = True, erp
        return {
            "sequence": own.sequence,
            "sequence_before": own.sequence - 1,
            "sequence_kept": kept,
            "opening_offered": self._offer(contract),
            "billed_before": text(said) if kept and said != erp else None,
            "erp_billed": text(erp),
            "billed_by": self._strange([r for r in strange if r in counted], subject, contract),
        }

    def _offer(self, contract: str | None) -> str:
        return (
            f", or record what was billed on {contract} before go-live: decide opening {self.contracts} {contract} "
            "--amount AMOUNT --date DATE"
        )

    def _strange(self, strange: Sequence[Invoice], subject: Subject, contract: str | None) -> str:
        """The invoices that nobody linked, and what to do with them."""
        if not strange:
            return f"Find the invoice that one side lacks{self._offer(contract)}."
        named = ", ".join(f"{r.number} ({text(r.amount)})" for r in strange[:5])
        return (
            f"Not linked to any in Procore: {named}. Link it (decide link {self.row.name} {subject.record.number} --to "
            f"{strange[0].id}), void it in the ERP{self._offer(contract)}."
        )

    def _opening(self, subject: Subject) -> Opening | None:
        return self.books.openings(self.contracts).get((subject.company, contract_of(subject.record) or ""))

    @cached_property
    def _known(self) -> dict[tuple[str, str], str]:
        """ERP invoices that are one of Procore's: linked, or carrying the mark of one. (company, key) -> Procore id."""
        ours = f"procore:{self.sync.procore_company}:{self.row.name}:"
        marked = {
            key: (record.marker or "").removeprefix(ours)
            for key, record in self.books.documents(self.row.name).items()
            if record.marker and record.marker.startswith(ours)
        }
        return marked | {key: link.procore_id for key, link in self.books.links(self.row.name).by_erp.items()}

    def _later(self, contract: str | None, sequence: int) -> set[tuple[str, str]]:
        """ERP invoices that are known to be later draws of this contract, by what Procore numbers them."""
        memory, found = self.books.memory(self.row.name), set()
        for key, ident in self._known.items():
            here = self.here.get(ident)
            number = here.sequence if here is not None else memory.get(ident, {}).get("figures", {}).get("sequence")
            if number is not None and int(number) >= sequence:
                found.add(key)
        return found

    def _settled(self, previous: str) -> bool:
        """Whether an invoice is linked, will be, or is approved and has nothing to send."""
        if self.states.get(previous) in ("linked", "opening") or self._linked(previous):
            return True
        known = self.books.memory(self.row.name).get(previous, {})
        if known.get("state") == "skipped" and "opening balance" in (known.get("message") or ""):
            return True
        here = self.here.get(previous)
        told = figures(here) if here is not None else known.get("figures", {})
        state = self.states.get(previous) or known.get("state")
        approved = told.get("status") in self.sync.settings.of(self.row.name).statuses()
        return state == "skipped" and approved and self._empty(here, told)

    def _empty(self, here: Invoice | None, told: Mapping[str, Any]) -> bool:
        """Whether an invoice moves nothing on any line: of this run, or as it is remembered."""
        if here is not None:
            return all(move.empty for move in movements(here.items, self.before(here) or ()).values())
        return not told.get("lines")

    def _linked(self, procore_id: str) -> bool:
        return self.books.links(self.row.name).erp(procore_id) is not None

    def _arithmetic(self, own: Invoice, before: Sequence[BillingItem]) -> Row:
        earlier = by_key(before)
        odd = next(
            (
                (item, moved, balanced)
                for item in by_key(own.items).values()
                if (moved := movement(item, earlier.get(key_of(item))).gross)
                != (balanced := by_balance(item, earlier.get(key_of(item))))
            ),
            None,
        )
        stated = certificate(own.items, own.contract_sum or ZERO, own.certified or ZERO)
        held_before = total(map(retained, before))
        held, released = (total(getattr(m, name) for m in movements(own.items, before).values()) for name in ("held", "released"))
        retainage = own.retainage if own.retainage is not None else stated.retainage
        expected = held_before + held - released
        completed = own.completed if own.completed is not None else stated.completed
        return {
            "gross_odd": odd[0].position if odd else None,
            "gross_by_balance": text(odd[2]) if odd else None,
            "gross_by_movement": text(odd[1]) if odd else None,
            "retainage": text(retainage),
            "retainage_before": text(held_before),
            "retainage_held": text(held),
            "retainage_released": text(released),
            "retainage_cents": cents(retainage - expected),
            "completed_odd": None if completed == stated.completed else text(completed),
            "completed_items": text(stated.completed),
        }

    @staticmethod
    def _released(own: Invoice, before: Sequence[BillingItem]) -> str | None:
        """Retainage released beyond what is held, over the whole contract."""
        moves = movements(own.items, before).values()
        released, available = total(m.released for m in moves), total(map(retained, before)) + total(m.held for m in moves)
        return text(released) if released > 0 and released > available else None

    @staticmethod
    def _overbilled(own: Invoice, revised: Decimal | None) -> str | None:
        billed = sum((item.previous + item.work + item.stored for item in own.items), ZERO)
        if revised is None or billed <= max(revised, ZERO):
            return None
        return f"{billed / revised * 100:.0f} %" if revised > 0 else f"{text(billed)}, and it is worth {text(revised)}"

    def _unplaced(self, own: Invoice) -> str | None:
        """An item that bills something and belongs to no line that is known (a change order that waits has a rule of its own)."""
        places, moves = self._places(own), movements(own.items, self.before(own) or ())
        links = self.books.links(self.changes)
        for item in own.items:
            waits = item.change_order is not None and links.erp(item.change_order) is None
            if not waits and not moves[key_of(item)].empty and key_of(item) not in places:
                return str(item.position)
        return None

    def settled(self, subject: Subject, state: str) -> None:
        own = cast(Invoice, subject.own)
        subject.record = subject.record.model_copy(update={"posting_date": self.posting_date(subject)})
        opening = self._opening(subject)
        covered = state == "skipped" and opening is not None and opening.covers(cast(Invoice, subject.record).billing_date)
        self.states[own.id] = "opening" if covered else state
        if state == "linked" and subject.match.how == "none":
            self.billed_now[contract_of(own), own.sequence] = cast(Invoice, subject.record).amount


_NOT_JUDGED = (
    "opening_offered", "billed_by",
    "number_in_erp", "change_waiting", "billed_before", "date_missing", "period_closed", "period_refused", "next_open",
    "gross_odd",
    "completed_odd", "released_too_much", "pay_held", "overbilled", "unplaced", "vendor_unknown",
)  # fmt: skip
"""Facts of an invoice that its link has settled."""


def _lines_by_id(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lines of a contract or change order as last read, by Procore id."""
    return {line["id"]: line for line in row.get("figures", {}).get("lines", ())}


def _known(part: str) -> str | None:
    return None if part == "?" else part


FACTS: dict[str, type[DocumentFacts]] = {
    "budget_changes": BudgetChangeFacts,
    "commitments": CommitmentFacts,
    "commitment_change_orders": ChangeFacts,
    "subcontractor_invoices": InvoiceFacts,
    "prime_change_orders": ChangeFacts,
    "owner_invoices": InvoiceFacts,
}


def document_facts(sync: Sync, row: Entity, capability: Capability) -> DocumentFacts:
    return FACTS[row.name](sync, row, capability)
