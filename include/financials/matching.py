"""Who is who: the counterpart of a source record on the target side.
A match is made by link, external id or marker, never by looks.

Natural keys (a tax id, a code, a number) can only propose a match, and two candidates anywhere are an ambiguity for a person
(rules V-02, J-01, docs/domain-rules.md 2.9).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from include.financials.entities import Entity
from include.financials.identity import Origin, code, marker, meaning, parse_origin, payment_number
from include.financials.ledger import Link
from include.financials.models import Payment, Record, SubcontractorInvoice
from include.financials.port import Invalid
from include.financials.statuses import VOID
from include.financials.view import LinkIndex


@dataclass(slots=True)
class Match:
    """What is known of one source record's counterpart. The texts are the facts that rules look at; None means: no fault.

    ``how`` is ``marker`` where the counterpart is certain (its marker names this record, or a person decided so) but external
    ids are not written yet.
    """

    how: Literal["link", "external_id", "marker", "none"] = "none"
    link: Link | None = None
    target: Record | None = None
    foreign: str | None = None
    broken: str | None = None
    ambiguous: str | None = None
    proposal: str | None = None
    gone: bool = False
    """The counterpart of a link was looked for and is not there any more, or deleted."""
    voided: str | None = None
    """Key of a void document of the ERP that the record's external id names."""
    candidates: list[Record] = field(default_factory=list)


def identity_keys(row: Entity, record: Record) -> Iterable[tuple[str, str, str]]:
    """(field, scope, value) of each natural key that the record has, as what it means (``identity.meaning``); codes are compared
    within their project and sub job only. A key such as ``payment_number+amount`` is that of several fields together; a field
    with a question mark may be empty."""
    scope = "/".join(str(getattr(record, name, None) or "") for name in ("project", "sub_job")) if row.project_scoped else ""
    for name in row.identity:
        fields = name.split("+")
        values = [meaning(field.rstrip("?"), getattr(record, field.rstrip("?"))) for field in fields]
        if all(value is not None or field.endswith("?") for field, value in zip(fields, values, strict=True)):
            yield name, scope, " ".join(str(value) for value in values)


def decided(row: Entity, match: Match) -> Match:
    """A person said that the one candidate is the counterpart. Where Procore takes no external id, nothing is left to write."""
    if match.proposal and len(match.candidates) == 1:
        return Match("marker" if row.external_id else "external_id", target=match.candidates[0])
    return match


class ErpSource:
    """Matches ERP-born records with Procore's. ``everyone`` is the ERP's full list, ``targets`` Procore's, both in ERP keys."""

    def __init__(
        self,
        row: Entity,
        system: str,
        links: LinkIndex,
        targets: Sequence[Record],
        everyone: Sequence[Record],
        unreadable: Sequence[Invalid] = (),
    ) -> None:
        self.row, self.system, self.links = row, system, links
        self.unreadable = {bad.id: bad for bad in unreadable}
        self.by_id = {record.id: record for record in targets}
        self.by_origin = {record.origin_id: record for record in targets if record.origin_id}
        self.by_data = {record.origin_data: record for record in targets if record.origin_data and not record.origin_id}
        self.unclaimed: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        for record in targets:
            if record.id not in links.by_procore and parse_origin(record.origin_id, system) is None:
                for key in identity_keys(row, record):
                    self.unclaimed[key].append(record)
        self.alike: dict[tuple[str, str, str], dict[str, Record]] = defaultdict(dict)
        for record in everyone:
            if row.document and (self._settled(record) or getattr(record, "status", None) == VOID):
                continue  # two documents alike are two: one that has its counterpart, or counts for nothing, is no rival
            for key in identity_keys(row, record):
                self.alike[key][f"{record.company}:{record.id}"] = record
        self.claimed: set[str] = set()

    def _settled(self, record: Record) -> bool:
        return (record.company or "", record.id) in self.links.by_erp or self.origin(record) in self.by_origin

    def origin(self, record: Record) -> str:
        return str(Origin(self.system, record.company or "", self.row.name, record.id))

    def match(self, record: Record) -> Match:
        link = self.links.by_erp.get((record.company or "", record.id))
        if link is not None and link.status != "planned":
            return self._linked(record, link)
        target = self.by_origin.get(self.origin(record))
        if target is not None:
            self.claimed.add(target.id)
            return Match("external_id", target=target)
        return self._by_looks(record)

    def half_made(self, origin_data: str | None) -> Match | None:
        """A document whose header an earlier try made, before it was given its lines and its external id."""
        target = self.by_data.get(origin_data or "")
        if target is None or target.id in self.links.by_procore:
            return None
        self.claimed.add(target.id)
        return Match("external_id", target=target)

    def _linked(self, record: Record, link: Link) -> Match:
        target = self.by_id.get(link.procore_id)
        found = Match("link", link=link, target=target)
        self.claimed.add(link.procore_id)
        bad = self.unreadable.get(link.procore_id)
        if bad is not None:
            found.broken = f"Procore's record {bad.id} cannot be read ({bad.field}: {bad.message})"
        elif target is None or target.deleted:
            found.broken, found.gone = "Procore no longer has it", True
        elif link.status == "active" and target.origin_id != self.origin(record):
            found.broken = f"its external id in Procore is {target.origin_id or 'empty'} now"
        return found

    def _by_looks(self, record: Record) -> Match:
        found = Match()
        for key in identity_keys(self.row, record):
            candidates, twins = self._rivals(record, key)
            # Two documents alike are two, one record twice is wrong.
            if not candidates and (len(twins) < 2 or self.row.document):
                continue
            found.candidates += candidates
            self.claimed.update(candidate.id for candidate in candidates)
            name = key[0].replace("_", " ").replace("?", "").replace("+", ", ")
            if len(twins) > 1 or len(candidates) > 1:
                others = sorted(twins - {f"{record.company}:{record.id}"}) + [
                    f"Procore {c.number} (id {c.id})" for c in candidates
                ]
                value = " ".join(str(getattr(record, field.rstrip("?"))) for field in key[0].split("+"))
                found.ambiguous = f"{', '.join(others)} (same {name} {value})"
            elif candidates[0].origin_id:
                found.foreign = candidates[0].origin_id
            else:
                found.proposal = f"Procore's {candidates[0].number} (id {candidates[0].id}, same {name})"
            break
        return found

    def disputed(self, target: Record) -> bool:
        """Whether more than one record of the ERP may be the one that a record of Procore's stands for."""
        if target.origin_id is not None:
            return False
        for key in identity_keys(self.row, target):
            for twin in self.alike.get(key, {}).values():
                candidates, twins = self._rivals(twin, key)
                if len(twins) > 1 and any(one.id == target.id for one in candidates):
                    return True
        return False

    def alike_in_procore(self, record: Record) -> list[Record]:
        """Who in Procore looks like a record of the ERP, whether this run judges it or not."""
        return [one for key in identity_keys(self.row, record) for one in self._rivals(record, key)[0]]

    def _rivals(self, record: Record, key: tuple[str, str, str]) -> tuple[list[Record], set[str]]:
        """(who in Procore may be its counterpart, who in the ERP may be that, too)."""
        candidates, twins = self.unclaimed.get(key, []), self.alike[key]
        if isinstance(record, Payment):
            if key[0] in _NAMELESS:
                candidates = [one for one in candidates if _nameless(one)]
            candidates, twins = _by_number(record, candidates, twins)
        # What each company numbers for itself is no twin of another company's, unless there is something to quarrel about.
        alien = {
            name
            for name, twin in twins.items()
            if self.row.per_company(key[0]) and twin.company != record.company and (not candidates or self._settled(twin))
        }
        return candidates, set(twins) - alien


_NAMELESS = ("commitment+amount", "prime_contract+amount")
"""Keys that say too little, but of a payment that tells neither its invoice nor its number."""


def _nameless(record: Record) -> bool:
    invoice = getattr(record, "invoice", None) or getattr(record, "draw_number", None)
    return isinstance(record, Payment) and invoice is None and payment_number(record.payment_number) is None


def _by_number(
    record: Payment, candidates: Sequence[Record], twins: dict[str, Record]
) -> tuple[list[Record], dict[str, Record]]:
    """Payments of one contract, invoice and amount are told apart by their numbers where they have some: one that bears the
    number of a payment on the other side is that one, and nobody else's."""
    mine = payment_number(record.payment_number)
    theirs = {name: payment_number(twin.payment_number) for name, twin in twins.items() if isinstance(twin, Payment)}
    there = {one.id: payment_number(one.payment_number) for one in candidates if isinstance(one, Payment)}
    same = [one for one in candidates if mine is not None and there[one.id] == mine]
    if same:
        return same, {name: twin for name, twin in twins.items() if theirs[name] == mine}
    named = set(theirs.values()) - {None}
    free = [one for one in candidates if there[one.id] not in named]
    rest = set(there.values()) - {None}
    return free, {name: twin for name, twin in twins.items() if theirs[name] not in rest}


def natural_key(record: Record) -> str:
    """The number that is unique in an ERP company: a vendor's invoice number is his own, all others are unique as they are."""
    return f"{record.vendor}/{record.number}" if isinstance(record, SubcontractorInvoice) else record.number


_ALIKE = ("project", "vendor", "customer", "commitment", "prime_contract", "amount")
"""What must be equal beside the number before a document of the ERP is proposed as the counterpart (docs/domain-rules.md 2.9)."""


class ProcoreSource:
    """Matches Procore-born documents with the ERP's. The document itself carries our external id, the ERP's the marker."""

    def __init__(self, row: Entity, system: str, links: LinkIndex, targets: Sequence[Record], procore_company: str) -> None:
        self.row, self.system, self.links, self.procore_company = row, system, links, procore_company
        self.by_key = {(record.company, record.id): record for record in targets}
        # A void document counts for nothing and is nobody's counterpart.
        standing = [record for record in targets if getattr(record, "status", None) != VOID]
        self.by_marker = {record.marker: record for record in standing if record.marker}
        self.by_number = {(record.company, code(natural_key(record))): record for record in standing}
        self.taken = {(link.company, link.erp_key) for link in links.by_erp.values()}

    def match(self, record: Record) -> Match:
        link = self.links.by_procore.get(record.id)
        if link is not None and link.status != "planned":
            return self._linked(record, link)
        origin = parse_origin(record.origin_id, self.system)
        if record.origin_id and origin is None:
            return Match(foreign=record.origin_id)
        if origin is not None and origin.entity != self.row.name:
            return Match("external_id", broken=f"its external id {origin} names one of the {origin.entity}")
        if origin is not None:
            target = self.by_key.get((origin.company, origin.key))
            if target is not None and getattr(target, "status", None) == VOID:
                if code(target.number) != code(record.number):
                    return self._by_looks(record)  # corrected under a new number: what it was is void, this is a new document
                return Match("external_id", target=target, voided=target.id)
            if target is None or code(target.number) != code(record.number):
                known = "has no such document" if target is None else f"calls that document {target.number}"
                return Match("external_id", broken=f"its external id is {origin}, but the ERP {known}")
            return Match("external_id", target=target)
        target = self.by_marker.get(marker(self.procore_company, self.row.name, record.id))
        if target is not None:
            # Where Procore takes no external id there is nothing left to write: the pair is adopted.
            return Match("marker" if self.row.external_id else "external_id", target=target)
        return self._by_looks(record)

    def _by_looks(self, record: Record) -> Match:
        """A document that the ERP has unlinked and equal in number, job, vendor and amount may be this one: a person says so."""
        same = self.by_number.get((record.company, code(natural_key(record))))
        if same is None or same.marker or (same.company, same.id) in self.taken:
            return Match()
        if all(getattr(same, name, None) == getattr(record, name, None) for name in _ALIKE if name not in self.row.unkept):
            return Match(candidates=[same], proposal=f"the ERP's {same.number} (same job, vendor and amount)")
        return Match()

    def _linked(self, record: Record, link: Link) -> Match:
        target = self.by_key.get((link.company, link.erp_key))
        found = Match("link", link=link, target=target)
        expected = str(Origin(self.system, link.company, self.row.name, link.erp_key))
        if target is None:
            found.broken = "the ERP no longer has it"
        elif link.status == "active" and self.row.external_id and record.origin_id != expected:
            found.broken = f"its external id in Procore is {record.origin_id or 'empty'} now"
        return found
