"""Annotation: a record, its references and its counterpart as a row of plain values that the rules look at.

Nothing is decided and nothing is dropped here. A fact that names a fault is None when all is well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from include.financials.entities import ENTITIES, Entity
from include.financials.identity import content, differing, differing_lines
from include.financials.ledger import Link
from include.financials.matching import Match
from include.financials.models import Commitment, CommitmentLine, CostCode, CostType, Customer, Project, Record, Vendor
from include.financials.money import ZERO, cents, text, to_cents, total
from include.financials.port import Capability
from include.financials.view import References, Sync, headers

Row = dict[str, Any]


def row_id(side: str, company: str | None, record_id: str) -> str:
    return f"{side}|{company or ''}|{record_id}"


@dataclass(slots=True)
class Subject:
    """One record under judgement: as read (``own``), in ERP keys (``record``), and what its counterpart is."""

    own: Record
    record: Record
    match: Match
    side: str
    company: str
    erp_key: str | None
    procore_id: str | None

    @property
    def row(self) -> str:
        return row_id(self.side, self.company, self.own.id)


def limits_fault(record: Record, capability: Capability, names: Sequence[str], target: str) -> str | None:
    """The first field that the target cannot hold as it is: too long, too many digits, too many decimals."""
    for name in names:
        value = getattr(record, name, None)
        if isinstance(value, str) and len(value) > capability.max_lengths.get(name, len(value)):
            return f"{name} has {len(value)} characters, {target} allows {capability.max_lengths[name]}"
        if isinstance(value, Decimal) and (fault := number_fault(name, value, capability, target)):
            return fault
    return None


def number_fault(name: str, value: Decimal, capability: Capability, target: str) -> str | None:
    whole = len(str(abs(int(value))))
    if whole > capability.max_digits.get(name, whole):
        return f"{name} {value:f} has {whole} digits before the point, {target} allows {capability.max_digits[name]}"
    exponent = value.normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    if places > capability.decimals.get(name, places):
        return f"{name} {value.normalize():f} has {places} decimals, {target} allows {capability.decimals[name]}"
    return None


def common(row: Entity, subject: Subject, target: Record | None) -> Row:
    """What every entity's rules look at."""
    difference = None
    if subject.match.how == "external_id" and target is not None:
        names = differing(content(target, row.content), content(subject.record, row.content))
        # Amounts, vendor and retainage of a linked document have a rule of their own (M-14).
        difference = describe(target, subject.record, [name for name in names if name not in row.frozen]) or None
    return {
        "row": subject.row,
        "label": row.label.capitalize(),
        "entity": row.name,
        "id": subject.own.id,
        "number": subject.own.number,
        "name": getattr(subject.own, "name", subject.own.number),
        "company": subject.company,
        "erp_key": subject.erp_key or "the ERP",
        "foreign_origin": subject.match.foreign,
        "broken_link": subject.match.broken,
        "ambiguous": subject.match.ambiguous,
        "proposal": subject.match.proposal,
        "adoption_difference": difference,
    }


def describe(old: Record, new: Record, names: Sequence[str]) -> str:
    before, after = content(old, names), content(new, names)
    return ", ".join(f"{name} {before[name]!r} -> {after[name]!r}" for name in names)


# -- master data ----------------------------------------------------------------------------------------------------------------


def vendor_facts(sync: Sync, subject: Subject, capability: Capability) -> Row:
    record = subject.record
    assert isinstance(record, Vendor | Customer)
    fault = limits_fault(record, capability, ("name", "code", "tax_id"), "Procore")
    if fault is None and not record.code:
        fault = "it has no code"
    return {"field_fault": fault, "merged_into": getattr(record, "merged_into", None)}


def project_facts(sync: Sync, subject: Subject, capability: Capability) -> Row:
    return {"field_fault": limits_fault(subject.record, capability, ("number", "name"), "Procore")}


def cost_type_facts(sync: Sync, subject: Subject, capability: Capability) -> Row:
    assert isinstance(subject.own, CostType)
    return {"mapped": sync.settings.cost_type_codes.get(subject.own.number), "field_fault": None}


class CostCodeFacts:
    def __init__(self, sync: Sync) -> None:
        self.projects = sync.links("projects")
        self.types = sync.links("cost_types")
        self.parents = {
            record.id: record.parent for record in sync.everywhere("erp", "cost_codes") if isinstance(record, CostCode)
        }

    def __call__(self, sync: Sync, subject: Subject, capability: Capability) -> Row:
        record = subject.record
        assert isinstance(record, CostCode)
        types = {link.erp_key for link in self.types.by_erp.values()}
        return {
            "project": record.project or "the standard list",
            "parent": record.parent,
            "project_linked": record.project is None or self.projects.find(subject.company, record.project) is not None,
            "parent_known": record.parent is None or record.parent in self.parents,
            "unmapped_type": next((code for code in record.cost_types if code not in types), None),
            "field_fault": limits_fault(record, capability, ("code", "name"), "Procore") or self._circle(record.id),
        }

    def _circle(self, code: str) -> str | None:
        seen, at = {code}, self.parents.get(code)
        while at is not None:
            if at in seen:
                return "its parents form a circle"
            seen.add(at)
            at = self.parents.get(at)
        return None


# -- commitments ----------------------------------------------------------------------------------------------------------------


@dataclass
class CommitmentFacts:
    """Header and line facts of commitments, against vendors, jobs, codes and documents of the ERP as read in this run."""

    sync: Sync
    references: References
    vendors: dict[tuple[str, str], Vendor] = field(default_factory=dict)
    jobs: dict[tuple[str, str], Project] = field(default_factory=dict)
    codes: dict[tuple[str, str], CostCode] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    documents: dict[tuple[str, str], Commitment] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Procore ids of projects that are not active there."""

    @classmethod
    def of(cls, sync: Sync) -> CommitmentFacts:
        facts = cls(sync, References(sync, ENTITIES["commitments"]))
        for name, into in (
            ("vendors", facts.vendors),
            ("projects", facts.jobs),
            ("cost_codes", facts.codes),
            ("commitments", facts.documents),
        ):
            into.update({(record.company or "", record.id): record for record in sync.everywhere("erp", name)})  # type: ignore[misc]
        facts.children = headers(list(facts.codes.values()))
        for name in ("vendors", "projects", "cost_codes", "cost_types"):
            facts.names[name] = {record.id: record.number for record in sync.everywhere("procore", name)}
        facts.names["vendors"] |= {
            record.id: record.name for record in sync.everywhere("procore", "vendors") if isinstance(record, Vendor)
        }
        facts.closed = {
            record.id for record in sync.everywhere("procore", "projects") if isinstance(record, Project) and not record.active
        }
        return facts

    def header(
        self, subject: Subject, twins: Mapping[tuple[str, str], Sequence[str]], capability: Capability, approved: bool
    ) -> Row:
        own, record = subject.own, subject.record
        assert isinstance(own, Commitment) and isinstance(record, Commitment)
        link = self.references.link("projects", own.project)
        job = self.jobs.get((link.company, link.erp_key)) if link else None
        currency = own.currency or (job.currency if job else None)
        lines_sum = total(line.amount for line in own.lines)
        fresh = subject.match.how == "none"
        document = self.documents.get((subject.company, own.number)) if fresh and not subject.match.proposal else None
        others = [other for other in twins.get((subject.company, own.number), ()) if other != own.id]
        # A limit of 0 is a limit: everything is approved by a person.
        limit = self.sync.settings.approve_above if self.sync.run.approve_above is None else self.sync.run.approve_above
        return {
            "job": job.id if job else None,
            "project_name": self.names["projects"].get(own.project, own.project),
            "job_open": job is None or not fresh or (job.active and own.project not in self.closed),
            "job_status": "inactive in Procore" if own.project in self.closed else f"{job.status} in the ERP" if job else None,
            "currency": currency,
            "currency_ok": job is None or currency == job.currency,
            "job_currency": job.currency if job else None,
            **self._vendor(own, fresh),
            "status": own.status,
            "amount": text(own.amount),
            "has_lines": bool(own.lines) or not fresh,
            "position_twice": _twice(own) if fresh else None,
            "lines_sum": text(lines_sum),
            "sum_difference": text(own.amount - lines_sum),
            "sum_difference_cents": cents(own.amount - lines_sum) if own.lines and fresh else 0,
            "number_in_erp": document.project if document else None,
            "number_twice": f"ids {own.id}, {', '.join(others)}" if fresh and others else None,
            "field_fault": self._field_fault(own, capability) if fresh else None,
            "retainage_fault": retainage_fault(own, capability) if fresh else None,
            "total_negative": text(own.amount) if fresh and own.amount < 0 else None,
            "total_zero": text(own.amount) if fresh and own.amount == 0 else None,
            "approval_wanted": text(limit) if fresh and limit is not None and own.amount > limit and not approved else None,
            "unexecuted": None if own.executed else True,
            "drift": drift(subject, self._statuses(own.kind)),
        }

    def _statuses(self, kind: str) -> tuple[str, ...]:
        """Statuses that a linked document of this kind may have."""
        chosen = self.sync.settings.of("commitments")
        return chosen.eligible.get(kind, ()) + chosen.eligible_when_linked.get(kind, ())

    def _vendor(self, own: Commitment, fresh: bool) -> Row:
        link = self.references.link("vendors", own.vendor)
        vendor = self.vendors.get((link.company, link.erp_key)) if link else None
        problem = None
        if own.vendor is None:
            problem = "is missing: choose the contract company in Procore"
        elif vendor is None:
            problem = "is not in the ERP"
        elif fresh and vendor.merged_into:
            problem = f"was merged into {vendor.merged_into}"
        elif fresh and not vendor.active:
            problem = "is inactive in the ERP"
        elif fresh and vendor.hold == "all":
            problem = f"is on full hold ({vendor.hold_reason or 'no reason given'})"
        name = self.names["vendors"].get(own.vendor or "", own.vendor or "none")
        return {
            "vendor_name": vendor.name if vendor else name,
            "vendor_usable": problem is None,
            "vendor_problem": problem,
            "vendor_wait": link.erp_key if link else name,
        }

    @staticmethod
    def _field_fault(own: Commitment, capability: Capability) -> str | None:
        if not own.title:
            return "it has no title, the ERP demands one"
        if not all(char.isascii() and (char.isalnum() or char == "-") for char in own.number):
            return "its number has characters other than letters, digits and hyphens"
        return limits_fault(own, capability, ("number", "title", "amount"), "the ERP")

    def lines(self, subject: Subject, header: Row, capability: Capability) -> list[Row]:
        """One row per line of a document that may be sent. What was sent is judged by M-14 alone: a code that was closed or an
        assignment that was taken away since does not make a linked contract wrong."""
        own, record = subject.own, subject.record
        assert isinstance(own, Commitment) and isinstance(record, Commitment)
        if subject.match.how != "none":
            return []
        return [self._line(header, a, b, capability, own) for a, b in zip(own.lines, record.lines, strict=True)]

    def _line(self, header: Row, own: CommitmentLine, line: CommitmentLine, capability: Capability, document: Commitment) -> Row:
        company, job = header["company"], header["job"]
        code = self.codes.get((company, line.cost_code)) if line.cost_code else None
        code_text = code.number if code else self.names["cost_codes"].get(own.cost_code or "", own.cost_code or "none")
        calculated = to_cents((own.quantity or ZERO) * (own.unit_cost or ZERO))
        uncoded = "cost code" if own.cost_code is None else "cost type" if own.cost_type is None else None
        # A rule that needs what an earlier rule found missing passes here: one cause, one message.
        placed = uncoded is None and job is not None and code is not None
        return {
            **header,
            "position": own.position,
            "line_uncoded": uncoded,
            "sub_job_unknown": own.sub_job if own.sub_job and (code is None or not capability.sub_jobs) else None,
            "code": (code.id if code else None) if uncoded is None and job is not None else "not judged",
            "code_text": code_text,
            "type_text": self.names["cost_types"].get(own.cost_type or "", own.cost_type or "none"),
            "children": ", ".join(self.children.get(code.id, [])[:8]) if code else "",
            "code_leaf": not placed or code is None or not code.is_header,
            "code_active": not placed or code is None or code.active,
            "assigned": not placed or code is None or code.is_header or not code.active or line.cost_type in code.cost_types,
            "quantity": own.quantity and f"{own.quantity.normalize():f}",
            "unit_cost": own.unit_cost and f"{own.unit_cost.normalize():f}",
            "line_amount": text(own.amount),
            "line_calculated": text(calculated),
            "line_difference_cents": cents(own.amount - calculated) if own.extended_type == "calculated" else 0,
            "unit_missing": unit_missing(own) if document.accounting_method == "unit" else None,
            "line_fault": line_fault(own, capability),
            "tax_unmapped": own.tax_code if own.tax_code and not capability.tax else None,
        }


def _twice(own: Commitment) -> int | None:
    """A position that two lines share: lines are told apart by it on both sides."""
    counted = Counter(line.position for line in own.lines)
    return next((position for position, count in counted.items() if count > 1), None)


def unit_missing(line: CommitmentLine) -> str | None:
    for name in ("quantity", "unit_cost", "unit"):
        if getattr(line, name) is None:
            return name.replace("_", " ")
    return None


def line_fault(line: CommitmentLine, capability: Capability) -> str | None:
    for name in ("amount", "quantity", "unit_cost"):
        value = getattr(line, name)
        fault = number_fault(name, value, capability, "the ERP") if value is not None else None
        if fault:
            return fault
    return limits_fault(line, capability, ("description",), "the ERP")  # type: ignore[arg-type]


def retainage_fault(own: Commitment, capability: Capability) -> str | None:
    percent = own.retainage_percent
    if percent is None:
        return None
    if not 0 <= percent <= 100:
        return f"retainage of {percent.normalize():f} % is not between 0 and 100"
    return number_fault("retainage_percent", percent, capability, "the ERP")


def drift(subject: Subject, statuses: Sequence[str]) -> str | None:
    """What was changed after the document was sent although it may not be (rule M-14),
    against the link or, at adoption, the ERP."""
    own, match = subject.own, subject.match
    row = ENTITIES[type(own).entity]
    if match.how == "none" or match.broken:
        return None
    if own.deleted:
        return "it was deleted in Procore"
    if isinstance(own, Commitment) and isinstance(subject.record, Commitment) and not subject.company:
        return None  # its project is not linked (M-01): in which keys to compare is not known yet
    before = sent(match.link, match.target, row)
    if before is None:
        return None
    after = content(subject.record, row.content)
    found = [
        f"{name} {before.get(name)} -> {after[name]}"
        for name in differing(before, after)
        if name in row.frozen and name != "lines"
    ]
    for position, what, old, new in differing_lines(before.get("lines") or {}, after["lines"]):
        found.append(f"line {position} {what} {old or 'none'} -> {new or 'none'}")
    status = getattr(own, "status", None)
    if status in ("Void", "Terminated"):
        found.append(f"its status went to {status}: close {subject.erp_key} in the ERP too")
    elif statuses and status not in statuses:
        found.append(f"its status went back to {status}")
    return "; ".join(found) or None


def sent(link: Link | None, target: Record | None, row: Entity) -> Mapping[str, Any] | None:
    """The contents both sides agreed on last: what was sent or, before there is a link, what the target holds."""
    if link is not None and link.content:
        return link.content
    return content(target, row.content) if target is not None else None


def twins_of(subjects: Sequence[Subject]) -> dict[tuple[str, str], list[str]]:
    """Unlinked documents by (company, number): a number must be unique in the ERP company, not only in its project (M-10)."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subject in subjects:
        if subject.match.how == "none":
            found[subject.company, subject.own.number].append(subject.own.id)
    return found


FactFunction = Callable[[Sync, Subject, Capability], Row]


def master_facts(sync: Sync, entity: str) -> FactFunction:
    if entity == "cost_codes":
        return CostCodeFacts(sync)
    return {"vendors": vendor_facts, "customers": vendor_facts, "projects": project_facts, "cost_types": cost_type_facts}[entity]
