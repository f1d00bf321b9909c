"""Facts of ERP-born documents: what direct costs, payments and prime contracts have in common (docs/domain-rules.md 2.4, 2.7).
Their references are looked for in Procore by way of the links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, TypedDict

from include.financials.judging.changes import altered
from include.financials.judging.facts import Facts
from include.financials.judging.limits import limits_fault
from include.financials.judging.subject import Subject
from include.financials.money import text
from include.financials.port import CALLED
from include.financials.record import COST_CODES, COST_TYPES, PROJECTS, Line
from include.financials.statuses import UNPOSTED, VOID

_LIMITED = ("number", "title", "description", "invoice_number")


class CostRow(TypedDict):
    project: str
    project_linked: bool
    amount: str | None
    altered: str | None
    field_fault: str | None


class BackInErp(TypedDict):
    """What became of a document in the ERP that was posted when it was sent: its number, or None."""

    void_since: str | None
    unposted_since: str | None


class CostFacts(Facts):
    row: ClassVar[type] = CostRow

    def header(self, subject: Subject, approved: bool) -> CostRow:
        record: Any = subject.record
        return {
            "project": record.project,
            "project_linked": self.books.links(PROJECTS).find(subject.company, record.project) is not None,
            "amount": text(record.amount),
            "altered": altered(self.entity, subject),
            "field_fault": limits_fault(record, self.capability, _LIMITED, CALLED["procore"]),
        }

    def code_missing(self, company: str, lines: Iterable[Line]) -> str | None:
        """The first code or cost type of the lines that Procore does not have."""
        codes, types = self.books.links(COST_CODES), self.books.links(COST_TYPES)
        for line in lines:
            if line.cost_code is None or codes.find(company, line.cost_code) is None:
                return f"code {line.cost_code}"
            if line.cost_type is None or types.find(company, line.cost_type) is None:
                return f"cost type {line.cost_type}"
        return None

    def not_counted(self, subject: Subject) -> str | None:
        """Why its record in Procore counts for nothing there; None of one that an earlier try left half made."""
        match = subject.match
        pending = match.link is not None and match.link.status == "pending"
        status = None if match.how == "none" or pending else getattr(match.target, "status", None)
        return self.entity.not_counted.get(status) if status else None


def back_in_erp(subject: Subject, number: str) -> BackInErp:
    status = getattr(subject.record, "status", None) if subject.match.how != "none" else None
    return {"void_since": number if status == VOID else None, "unposted_since": number if status == UNPOSTED else None}
