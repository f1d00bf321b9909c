"""Commitments: subcontracts and purchase orders with their schedule of values (docs/domain-rules.md 2.2, rules M-01 to M-14)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal, TypedDict, cast

from include.financials.entity import Entity
from include.financials.identity import content
from include.financials.judging.changes import changes_of_frozen, sent
from include.financials.judging.documents import DocumentFacts, DocumentRow, LineRow, position_twice
from include.financials.judging.facts import Row
from include.financials.judging.limits import limits_fault, number_fault
from include.financials.judging.rules import Expected, Rule
from include.financials.judging.shared import (
    CODED,
    LINE_FAULT,
    LINE_SUM,
    NUMBER_TWICE,
    OF_PROCORE,
    PEOPLE,
    PLACED,
    POSITION_TWICE,
    TAX_UNMAPPED,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.money import cents, text, total
from include.financials.port import CALLED
from include.financials.record import (
    COST_CODES,
    COST_TYPES,
    PROJECTS,
    TAX_CODES,
    VENDORS,
    Figures,
    Line,
    Money,
    Percent,
    Record,
    Text,
)
from include.financials.statuses import CLOSED, OPEN, VOID
from include.financials.ties import Tie, per_cost_key, per_document, per_line, revised

# -- model ----------------------------------------------------------------------------------------------------------------------


class Commitment(Record):
    """A subcontract or purchase order with its schedule of values. ``amount`` is the contract sum that the side itself states."""

    entity = "commitments"
    line = Line
    statuses = (OPEN, CLOSED, VOID)

    kind: Literal["subcontract", "purchase_order"]
    project: Text
    vendor: str | None
    title: str | None = None
    status: Text
    currency: str | None = None
    accounting_method: Literal["amount", "unit"] = "amount"
    executed: bool = False
    retainage_percent: Percent | None = None
    contract_date: date | None = None
    amount: Money
    approved_changes: Money = Decimal("0.00")
    payments: Money = Decimal("0.00")
    """Sum of its payments as the side states it."""
    lines: tuple[Line, ...] = ()

    def figures(self) -> Figures:
        own = {"changes": text(self.approved_changes), "paid": text(self.payments), "kind": self.kind}
        return super().figures() | own


# -- facts ----------------------------------------------------------------------------------------------------------------------


class VendorRow(TypedDict):
    vendor_name: str
    vendor_unlinked: str | None
    vendor_usable: bool
    vendor_problem: str | None
    vendor_way: str
    vendor_wait: str


class Columns(TypedDict):
    """A row of the gate's frame of commitments; what begins with ``erp`` is what the ERP holds, None where it holds nothing."""

    number: str
    title: str | None
    status: str
    project: str
    project_active: bool
    erp_job: str | None
    erp_job_active: bool | None
    vendor: str | None
    erp_vendor: str | None
    erp_vendor_active: bool | None
    erp_vendor_hold: str | None
    erp_vendor_merged_into: str | None
    currency: str | None
    erp_job_currency: str | None
    erp_job_of_number: str | None
    lines: int
    amount: Decimal


class LineColumns(TypedDict):
    """A row of the gate's frame of lines, likewise."""

    number: str
    line: int
    description: str | None
    cost_code: str | None
    cost_type: str | None
    erp_job: str | None
    erp_code: str | None
    erp_code_is_header: bool | None
    erp_code_active: bool | None
    erp_code_has_type: bool | None
    tax_code: str | None
    erp_tax_code: str | None
    amount: Decimal


class CommitmentRow(DocumentRow, VendorRow):
    columns: Columns
    has_lines: bool
    position_twice: int | None
    lines_sum: str | None
    sum_difference: str | None
    sum_difference_cents: int
    retainage_fault: str | None
    total_negative: str | None
    total_zero: str | None
    approval_wanted: str | None
    unexecuted: bool | None
    drift: str | None


class CommitmentLineRow(LineRow):
    columns: LineColumns
    unit_missing: str | None


class CommitmentFacts(DocumentFacts):
    """Rules M-01 to M-14."""

    row: ClassVar[type] = CommitmentRow
    line_row: ClassVar[type] = CommitmentLineRow

    def skip(self, subject: Subject) -> str | None:
        own = subject.own
        assert isinstance(own, Commitment)
        if own.amount == 0 and not self.capability.accepts_zero:
            return f"{own.number} has a total of zero, which the ERP does not accept"
        return None

    def header(self, subject: Subject, approved: bool) -> CommitmentRow:
        own = subject.own
        assert isinstance(own, Commitment)
        head = super().header(subject, approved)
        fresh = head["fresh"]
        lines_sum = total(line.amount for line in own.lines)
        limit = self.sync.settings.approve_above if self.sync.run.approve_above is None else self.sync.run.approve_above
        # A limit of 0 is a limit: everything is approved by a person.
        waits = fresh and limit is not None and own.amount > limit and not approved
        return {
            **head,
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
            "columns": self._columns(own, head),
        }

    def _columns(self, own: Commitment, head: DocumentRow) -> Columns:
        link = self.references.link(PROJECTS, own.project)
        job = self.books.jobs.get((link.company, link.erp_key)) if link else None
        vendor = self.books.vendor(own.vendor)
        return {
            "number": own.number,
            "title": own.title,
            "status": own.status,
            "project": head["project_name"],
            "project_active": own.project not in self.books.inactive_projects,
            "erp_job": job.id if job else None,
            "erp_job_active": job.active if job else None,
            "vendor": self.books.name(VENDORS, own.vendor) if own.vendor else None,
            "erp_vendor": vendor.id if vendor else None,
            "erp_vendor_active": vendor.active if vendor else None,
            "erp_vendor_hold": vendor.hold if vendor else None,
            "erp_vendor_merged_into": vendor.merged_into if vendor else None,
            "currency": head["currency"],
            "erp_job_currency": head["job_currency"] if self.sync.keeps(PROJECTS, "currency") else None,
            "erp_job_of_number": head["number_in_erp"],
            "lines": len(own.lines),
            "amount": own.amount,
        }

    def line(self, subject: Subject, head: Row, own: Line, line: Line) -> CommitmentLineRow:
        """What was sent is judged by M-14 alone: a code that was closed or an assignment that was taken away since does not make
        a linked contract wrong."""
        by_unit = cast(Commitment, subject.own).accounting_method == "unit"
        told = super().line(subject, head, own, line)
        missing = unit_missing(own) if by_unit else None
        return {**told, "unit_missing": missing, "columns": self._line_columns(head, own, line, told)}

    def _line_columns(self, head: Row, own: Line, line: Line, told: LineRow) -> LineColumns:
        code = self.books.codes.get((head["company"], line.cost_code)) if line.cost_code else None
        placed = code if own.cost_type is not None and head["job"] is not None else None
        return {
            "number": head["number"],
            "line": own.position,
            "description": own.description,
            "cost_code": told["code_text"] if own.cost_code is not None else None,
            "cost_type": told["type_text"] if own.cost_type is not None else None,
            "erp_job": head["job"],
            "erp_code": placed.id if placed else None,
            "erp_code_is_header": placed.is_header if placed else None,
            "erp_code_active": placed.active if placed else None,
            "erp_code_has_type": self.takes(placed, line.cost_type),
            "tax_code": own.tax_code,
            "erp_tax_code": line.tax_code if self.capability.tax else None,
            "amount": own.amount,
        }

    def _vendor(self, own: Commitment, fresh: bool) -> VendorRow:
        vendor, name = self.books.vendor(own.vendor), self.books.name(VENDORS, own.vendor)
        problem, unlinked, way = None, None, ""
        if own.vendor is None:
            problem, way = "it has no vendor", "Choose the contract company in Procore."
        elif vendor is None:
            unlinked, way = self.books.no_vendor(own.vendor)
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
        if not own.title and "title" not in self.entity.unkept:
            return "it has no title, the ERP demands one"
        return limits_fault(own, self.capability, self.LIMITED, CALLED["erp"])

    def _retainage_fault(self, own: Commitment) -> str | None:
        percent = own.retainage_percent
        if percent is None:
            return None
        if not 0 <= percent <= 100:
            return f"retainage of {percent.normalize():f} % is not between 0 and 100"
        return number_fault("retainage_percent", percent, self.capability, CALLED["erp"])

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
        before = sent(match.link, match.target, self.entity)
        if not subject.company or before is None:
            return None  # its project is not linked (M-01): in which keys to compare is not known yet
        found = changes_of_frozen(self.entity, before, content(subject.record, self.entity.content), subject.incomparable)
        chosen = self.sync.settings.of(self.entity.name)
        statuses = chosen.eligible.get(own.kind, ()) + chosen.eligible_when_linked.get(own.kind, ())
        if own.status in ("Void", "Terminated"):
            found.append(f"its status went to {own.status}: close {subject.erp_key} in the ERP too")
        elif statuses and own.status not in statuses:
            found.append(f"its status went back to {own.status}")
        return "; ".join(found) or None


def unit_missing(line: Line) -> str | None:
    for name in ("quantity", "unit_cost", "unit"):
        if getattr(line, name) is None:
            return name.replace("_", " ")
    return None


# -- row ------------------------------------------------------------------------------------------------------------------------

_INSTEAD = "Put it back and issue a change order, or end the link: {unlink}."

COMMITMENT = Entity(
    Commitment,
    label="commitment",
    stage=3,
    direction="procore_to_erp",
    content=("number", "title", "kind", "project", "vendor", "currency", "retainage_percent", "contract_date", "lines"),
    references={
        "project": PROJECTS, "vendor": VENDORS, "lines.cost_code": COST_CODES, "lines.cost_type": COST_TYPES,
        "lines.tax_code": TAX_CODES,
    },
    identity=("number",),
    twins=(("number",),),
    frozen=("number", "kind", "project", "vendor", "currency", "retainage_percent", "lines"),
    project_scoped=True,
    document=True,
    gate="referential_integrity",
    reread=True,
    lists=2,
    tool="Commitments",
    workflowed="Contract",
    final=(CLOSED, VOID),
    facts=CommitmentFacts,
    field_rule="M-11",
    instead=_INSTEAD,
    rules=(
        *OF_PROCORE,
        field_fault("M-11"),
        *PEOPLE,
        *PLACED,
        Rule("M-02", "vendor_unlinked", "absent", "held",
             "{number}: vendor \"{vendor_name}\" {vendor_unlinked}. {amount} waits. {vendor_way}",
             waits_for="{vendor_wait}", refers=True,
             expects=(Expected("the vendor is one of the ERP", "erp_vendor", "filled", where=("vendor",)),)),
        Rule("M-02", "vendor_usable", "true", "held",
             "{number}: {vendor_problem}. {amount} waits. {vendor_way}", waits_for="{vendor_wait}",
             expects=(
                 Expected("it has a vendor", "vendor", "filled"),
                 Expected("the vendor was not merged into another", "erp_vendor_merged_into", "empty"),
                 Expected("the vendor is active in the ERP", "erp_vendor_active", "among", (True,)),
                 Expected("the vendor is not on full hold", "erp_vendor_hold", "not_among", ("all",)),
             )),
        Rule("M-04", "has_lines", "true", "quarantined", "{number} has no schedule of values.",
             expects=(Expected("it has lines", "lines", "positive"),)),
        POSITION_TWICE,
        *CODED,
        LINE_SUM,
        Rule("M-09", "unit_missing", "absent", "quarantined",
             "{number} line {position}: unit accounting needs {unit_missing}.", grain="line"),
        Rule("M-09", "sum_difference_cents", "zero", "quarantined",
             "{number}: lines add up to {lines_sum}, contract says {amount} (difference {sum_difference})."),
        Rule("M-10", "number_in_erp", "absent", "conflict",
             "{number} is already used by job {number_in_erp} in the ERP. Renumber it; if the two are one, "
             "make them agree, and they are proposed as one.",
             expects=(Expected("the number is free in the ERP", "erp_job_of_number", "empty"),)),
        NUMBER_TWICE,
        LINE_FAULT,
        Rule("M-12", "retainage_fault", "absent", "quarantined", "{number}: {retainage_fault}."),
        TAX_UNMAPPED,
        Rule("M-13", "total_negative", "absent", "quarantined",
             "{number}: its total is {total_negative}; a commitment cannot be negative."),
        Rule("M-13", "approval_wanted", "absent", "held",
             "{number} takes {amount}, above the limit of {approval_wanted}.{approval_ended} Approve it: {approve}.",
             waits_for="decision approve commitments {number}"),
        Rule("M-13", "total_zero", "absent", "linked", "{number} has a total of zero.", severity="warning"),
        Rule("M-13", "unexecuted", "absent", "linked",
             "{number} is {status}, but the contract is not executed.", severity="warning"),
        Rule("M-14", "drift", "absent", "conflict", f"{{number}} was changed after it was sent: {{drift}}. {_INSTEAD}"),
    ),
    ties=(
        Tie("T-05", per_document("amount")),
        Tie("T-05", per_line(), ("lines.key",)),
        Tie("T-07", revised(), ("approved_changes",), beside=("commitment_change_orders",)),
        Tie("T-08", per_cost_key(), ("lines",), beside=("commitment_change_orders",)),
    ),
)  # fmt: skip

ENTITIES = (COMMITMENT,)
