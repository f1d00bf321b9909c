"""Annotation: a record, its references and its counterpart as a row of plain values that the rules look at.

Nothing is decided and nothing is dropped here. A fact that names a fault is None when all is well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from include.financials.books import Books
from include.financials.entities import ENTITIES, Entity
from include.financials.existence import told
from include.financials.identity import content, differing, differing_lines, known, line_twice
from include.financials.ledger import Link
from include.financials.matching import Match
from include.financials.models import CostCode, CostType, Customer, Record, Vendor, VendorInsurance
from include.financials.port import Capability
from include.financials.view import Sync

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
    unknown: Mapping[str, tuple[str, str, str | None]] = field(default_factory=dict)
    """References that cannot be compared yet (``References.unknown``)."""

    @property
    def row(self) -> str:
        return row_id(self.side, self.company, self.own.id)


def limits_fault(record: Record, capability: Capability, names: Sequence[str], target: str) -> str | None:
    """The first field that the target cannot hold as it is: too long, of other characters, too many digits or decimals."""
    for name in names:
        value = getattr(record, name, None)
        if isinstance(value, str) and (fault := alphabet_fault(name, value, capability, target)):
            return fault
        if isinstance(value, str) and len(value) > capability.max_lengths.get(name, len(value)):
            return f"{name} has {len(value)} characters, {target} allows {capability.max_lengths[name]}"
        if isinstance(value, Decimal) and (fault := number_fault(name, value, capability, target)):
            return fault
    return None


def alphabet_fault(name: str, value: str, capability: Capability, target: str) -> str | None:
    """Characters that the target does not take in a field. Each system has an alphabet of its own, and says it; none: all."""
    alphabet = capability.alphabets.get(name)
    if alphabet is None:
        return None
    other = dict.fromkeys(char for char in value if re.fullmatch(f"[{alphabet}]", char) is None)
    return f"{name} {value!r} has {' '.join(map(repr, other))}, {target} takes {alphabet} only" if other else None


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
    match = subject.match
    other = target if match.decision is not None else match.candidates[0] if match.proposal and match.candidates else None
    unlike, refused = apart(row, subject.record, other) if other is not None else ([], [])
    merged = getattr(subject.record, "merged_into", None) is not None  # its own contents are nobody's matter any more
    if match.how == "external_id" and target is not None and match.decision is None and not merged:
        names = differing(*comparable(content(target, row.content), content(subject.record, row.content), subject.unknown))
        # Amounts, vendor and retainage of a linked document have a rule of their own (M-14).
        difference = describe(target, subject.record, [name for name in names if name not in row.frozen]) or None
    return {
        "row": subject.row,
        "line_twice": twice(row, subject, target),
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
        "proposal": match.proposal,
        "unlike": f" They differ in {'; '.join(unlike)}." if unlike else "",
        "parted": match.parted,
        "pair_apart": pair_apart(row, subject, unlike, refused),
        "hidden": match.hidden,
        "parent_unread": None,
        "unread": told(match.unread, row.target, row.label) if match.unread is not None else None,
        "adoption_difference": difference,
    }


_SUMMED = ("amount", "held", "released", "tax", "markup")
_PLACED = ("project", "vendor", "customer", "commitment", "prime_contract")


def apart(row: Entity, record: Record, other: Record) -> tuple[list[str], list[str]]:
    """In what two records differ that may be one, in words: everything, and what nobody can accept. Money, and what both refer
    to, must be equal: no tie would ever balance over such a pair."""
    here, there = content(record, row.content), content(other, row.content)
    names = [name for name in differing(there, here) if name != "lines"]
    say = {name: f"{name} {worded(there[name])} / {worded(here[name])}" for name in names}
    lines = [
        f"line {key} {what} {worded(old)} / {worded(new)}"
        for key, what, old, new in differing_lines(there.get("lines") or {}, here.get("lines") or {})
    ]
    hard = [say[n] for n in names if n in row.frozen and (n in _SUMMED or (n in _PLACED and there[n] and here[n]))]
    return [*say.values(), *lines], hard + (lines if row.document else [])


def pair_apart(row: Entity, subject: Subject, unlike: Sequence[str], refused: Sequence[str]) -> str | None:
    """Why two records are not linked although a person said that they are one."""
    said = subject.match.decision
    if said is None:
        return None
    if refused:
        return f"by {said.said}, but they differ in what must be equal: {'; '.join(refused)}. Make them equal"
    accepted = said.value.get("apart")
    more = [one for one in unlike if accepted is not None and one not in accepted]
    if more:
        return f"by {said.said}, who could not know in what they differ since: {'; '.join(more)}. Look, and decide link again"
    return None


def joined(row: Entity, record: Record, target: Record) -> dict[str, Any]:
    """What is agreed of a pair that a person made: frozen fields as the source has them, with what the ``other`` side says
    instead; of the rest what the target holds, so that the next run carries the owner's over."""
    here, there = content(record, row.content), content(target, row.content)
    other = {name: there[name] for name in differing(here, there) if name in row.frozen}
    kept = {name: here[name] if name in row.frozen else there[name] for name in here}
    return {**kept, **({"other": other} if other else {})}


_NUMBERED_APART = ("commitments", "commitment_change_orders", "prime_change_orders")
"""Entities whose new documents rule M-04 asks for lines at one position."""


def twice(row: Entity, subject: Subject, target: Record | None) -> str | None:
    """The side whose record has two lines of one key, with that key (rule R-10): no map of lines could tell them apart."""
    if "lines" not in row.content:
        return None
    own = None if subject.match.how == "none" and row.name in _NUMBERED_APART else subject.record
    for side, record in ((subject.side, own), ("erp" if subject.side == "procore" else "procore", target)):
        key = line_twice(record) if record is not None else None
        if key is not None:
            return f"line {key} {'of Procore' if side == 'procore' else 'of the ERP'}"
    return None


def sent(link: Link | None, target: Record | None, row: Entity) -> Mapping[str, Any] | None:
    """The contents both sides agreed on last: what was sent or, before there is a link, what the target holds."""
    if link is not None and link.content:
        return known(link.content, row.content)
    return content(target, row.content) if target is not None else None


def comparable(
    before: Mapping[str, Any], after: Mapping[str, Any], unknown: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both contents without what cannot be compared: a reference that cannot be translated is no difference."""
    old, new = dict(before), dict(after)
    for path in unknown:
        head, *rest = path.split("/")
        if not rest:
            old.pop(head, None)
            new.pop(head, None)
            continue
        key, name = rest
        for held in (old, new):
            lines = held.get(head) or {}
            if key in lines:
                held[head] = {**lines, key: {field: value for field, value in lines[key].items() if field != name}}
    return old, new


def changes_of_frozen(row: Entity, before: Mapping[str, Any], after: Mapping[str, Any], unknown: Iterable[str] = ()) -> list[str]:
    """What differs of that which may not change once a record is linked, in words."""
    before, after = comparable(before, after, unknown)
    found = [
        f"{name} {worded(before.get(name))} -> {worded(after[name])}"
        for name in differing(before, after)
        if name in row.frozen and name != "lines"
    ]
    for key, what, old, new in differing_lines(before.get("lines") or {}, after.get("lines") or {}):
        found.append(f"line {key} {what} {worded(old)} -> {worded(new)}")
    return found


def altered(row: Entity, subject: Subject) -> str | None:
    """What either side changed of an immutable record after it was linked (rule R-04); at adoption, in what the sides differ."""
    match = subject.match
    before = sent(match.link, match.target, row)
    if not row.frozen or match.how == "none" or match.broken or before is None or match.decision is not None:
        return None
    # Procore's references are the ones that were translated: in the record, or in its counterpart that it is compared with.
    found = changes_of_frozen(row, before, content(subject.record, row.content), subject.unknown)
    # What an interrupted run left half made lacks what its next steps bring: nobody altered it.
    link = match.link if match.link is not None and match.link.status != "pending" else None
    if link is not None and link.content and match.target is not None:
        before = {**before, **before.get("other", {})}
        there = changes_of_frozen(row, before, content(match.target, row.content), subject.unknown)
        found += [f"in {'Procore' if subject.side == 'erp' else 'the ERP'}: {text}" for text in there]
    return "; ".join(found) or None


def describe(old: Record, new: Record, names: Sequence[str]) -> str:
    before, after = content(old, names), content(new, names)
    return ", ".join(f"{name} {worded(before[name])} -> {worded(after[name])}" for name in names)


def worded(value: Any) -> str:
    """A plain value of a record as people read it: never ``None``, ``True`` or a list in brackets. Zero is a value."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


# -- master data ----------------------------------------------------------------------------------------------------------------


def vendor_facts(books: Books, subject: Subject, capability: Capability) -> Row:
    record = subject.record
    assert isinstance(record, Vendor | Customer)
    fault = limits_fault(record, capability, ("name", "code", "tax_id"), "Procore")
    if fault is None and not record.code:
        fault = "it has no code"
    into = record.merged_into if isinstance(record, Vendor) else None
    survivor = books.sync.mergers.survivor(subject.company, subject.own.id) if into is not None else None
    return {
        "field_fault": fault,
        "merged_into": survivor if subject.match.how == "link" else None,
        "merged_round": into if survivor is None else None,
    }


def project_facts(books: Books, subject: Subject, capability: Capability) -> Row:
    return {"field_fault": limits_fault(subject.record, capability, ("number", "name"), "Procore")}


def cost_type_facts(books: Books, subject: Subject, capability: Capability) -> Row:
    assert isinstance(subject.own, CostType)
    return {"mapped": books.sync.settings.cost_type_codes.get(subject.own.number), "field_fault": None}


class CostCodeFacts:
    def __init__(self, sync: Sync) -> None:
        self.types = {link.erp_key for link in sync.links("cost_types").by_erp.values()}
        self.parents = {
            record.id: record.parent for record in sync.lists.everywhere("erp", "cost_codes") if isinstance(record, CostCode)
        }

    def __call__(self, books: Books, subject: Subject, capability: Capability) -> Row:
        record = subject.record
        assert isinstance(record, CostCode)
        project = record.project
        return {
            "project": project or "the standard list",
            "parent": record.parent,
            "project_linked": project is None or books.links("projects").find(subject.company, project) is not None,
            "parent_known": record.parent is None or record.parent in self.parents,
            "unmapped_type": next((code for code in record.cost_types if code not in self.types), None),
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


def parent_unread(books: Books, row: Entity, subject: Subject) -> str | None:
    """What a pair waits for that cannot be compared yet, in the names that people know (rule R-08)."""
    for entity, ident, key in subject.unknown.values():
        return f"{ENTITIES[entity].label} {key or books.name(entity, ident)}"
    return None


FactFunction = Callable[[Books, Subject, Capability], Row]


def insurance_facts(books: Books, subject: Subject, capability: Capability) -> Row:
    record = subject.record
    assert isinstance(record, VendorInsurance)
    start, end = record.effective_date, record.expiration_date
    fault = limits_fault(record, capability, ("number", "insurance_type", "provider", "limit"), "Procore")
    if fault is None and start is not None and end is not None and start > end:
        fault = f"it ends on {end} before it begins on {start}"
    today = books.sync.run.until.date()
    return {
        "vendor_linked": books.links("vendors").find(subject.company, record.vendor) is not None,
        "vendor": record.vendor,
        "insurance_type": record.insurance_type or "cover",
        "field_fault": fault,
        "expired": end.isoformat() if end is not None and end < today else None,
    }


def placed_facts(books: Books, subject: Subject, capability: Capability) -> Row:
    """A record that belongs to a project and has little else to be wrong with."""
    project = getattr(subject.record, "project", None)
    return {
        "project": project,
        "project_linked": project is None or books.links("projects").find(subject.company, project) is not None,
        "field_fault": limits_fault(subject.record, capability, ("number", "name", "description"), "Procore"),
    }


def source_facts(books: Books, row: Entity) -> FactFunction:
    """The facts of an ERP-born entity."""
    if row.name == "cost_codes":
        return CostCodeFacts(books.sync)
    if row.document:
        from include.financials.cost_facts import CostFacts

        return CostFacts(books, row)
    return _SIMPLE[row.name]


_SIMPLE: dict[str, FactFunction] = {
    "vendors": vendor_facts,
    "vendor_insurances": insurance_facts,
    "customers": vendor_facts,
    "projects": project_facts,
    "sub_jobs": placed_facts,
    "tax_codes": placed_facts,
    "cost_types": cost_type_facts,
}
