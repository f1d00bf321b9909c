"""Who is who of documents born in Procore: their counterparts in the ERP, by link, external id or marker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from include.financials.advice import command, ident
from include.financials.entity import Entity
from include.financials.existence import Existing
from include.financials.identity import Origin, change_number, code, marker, number_key, parse_origin
from include.financials.judging.matching import no_pair
from include.financials.judging.people import Parted, People
from include.financials.judging.subject import Match
from include.financials.ledger import Link, LinkIndex
from include.financials.packed import Packed
from include.financials.record import Record
from include.financials.statuses import VOID

_ALIKE = {
    "project": "job", "vendor": "vendor", "customer": "customer", "commitment": "commitment",
    "prime_contract": "prime contract", "amount": "amount",
}  # fmt: skip
"""What must be equal beside the number before a document of the ERP is proposed as the counterpart, and what people call it
(docs/domain-rules.md 2.9)."""


class ProcoreSource:
    """Matches Procore-born documents with the ERP's (``targets``: once, and held packed). Ours carries the external id, the ERP's
    the marker."""

    def __init__(
        self,
        row: Entity,
        system: str,
        links: LinkIndex,
        targets: Iterable[Record],
        marks: str,
        existing: Existing | None = None,
        people: People | None = None,
    ) -> None:
        self.people = people or People()
        self.row, self.system, self.links, self.marks = row, system, links, marks
        self.existing = existing or Existing(row, "erp", links, (), system=system, marks=marks)
        self._ended = {(key, procore_id) for _, key, procore_id in self.people.parted}
        """(ERP key, Procore id): links that a person has ended. What marks tell of such a pair counts for nothing."""
        self.by_key = Packed[tuple[str | None, str], Record]()
        self._by_marker: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
        self._by_number: dict[tuple[str | None, str], list[tuple[str | None, str]]] = defaultdict(list)
        for record in targets:
            key = record.company, record.id
            self.by_key[key] = record
            if getattr(record, "status", None) == VOID:
                continue  # it counts for nothing and is nobody's counterpart
            if record.marker:
                self._by_marker[record.marker].append(key)
            self._by_number[record.company, number_key(record)].append(key)  # of a vendor that was merged, two may bear one

    def marked(self, ident: str) -> list[Record]:
        """Documents of the ERP whose marker names a record."""
        return [self.by_key[key] for key in self._by_marker.get(marker(self.marks, self.row.name, ident), ())]

    def match(self, record: Record) -> Match:
        link = self.links.by_procore.get(record.id)
        if link is not None and link.status != "planned":
            return self._linked(record, link)
        said = self.people.joined_procore.get(record.id)
        chosen = self.by_key.get((said.company, said.record_id)) if said is not None else None
        if said is not None:
            other = self.links.by_erp.get((said.company, said.record_id))
            taken = other is not None and other.procore_id != record.id
            if chosen is None or taken:
                why = "is the counterpart of another document" if taken else "the ERP does not have"
                unread = self.existing.get(said.record_id, said.company)
                return no_pair(said, unread, f"the ERP's {said.record_id}, which {why}")
            return Match("marker" if self.row.external_id else "external_id", target=chosen, decision=said)
        parted = self._parted(record)
        if parted is not None:
            found = self._by_looks(record)
            return found if found.proposal else Match(parted=parted)
        origin = parse_origin(record.origin_id, self.system)
        if record.origin_id and origin is None:
            return Match(foreign=record.origin_id)
        if origin is not None and (origin.key, record.id) in self._ended:
            origin = None  # a person ended the link that it stands for, and what it names is gone or void
        if origin is not None and origin.entity != self.row.name:
            return Match("external_id", broken=f"its external id {origin} names one of the {origin.entity}", marked=origin.key)
        if origin is not None:
            target = self.by_key.get((origin.company, origin.key))
            if target is not None and getattr(target, "status", None) == VOID:
                if code(target.number) != code(record.number):
                    return self._by_looks(record)  # corrected under a new number: what it was is void, this is a new document
                return Match("external_id", target=target, voided=target.id)
            if target is None and (unread := self.existing.get(origin.key, origin.company)):
                return Match("external_id", unread=unread)
            # A contract that is not linked yet lends its change order no number to compare.
            part = (lambda number: change_number(number).rpartition("/")[2]) if self.row.numbered_in else code
            if target is None or part(target.number) != part(record.number):
                known = "has no such document" if target is None else f"calls that document {target.number}"
                return Match("external_id", broken=f"its external id is {origin}, but the ERP {known}", marked=origin.key)
            return Match("external_id", target=target)
        marked = self.marked(record.id)
        if len(marked) > 1:
            named = ", ".join(sorted(one.number for one in marked))
            why = f"its marker stands on {len(marked)} of the ERP's ({named}); take it off the copy"
            return Match("external_id", broken=why, marked=marked[0].id)
        if marked:
            # Where Procore takes no external id there is nothing left to write: the pair is adopted.
            return Match("marker" if self.row.external_id else "external_id", target=marked[0])
        unread = self.existing.twin(record)
        return Match(unread=unread) if unread is not None else self._by_looks(record)

    def _parted(self, record: Record) -> Parted | None:
        for (company, key, procore_id), said in self.people.parted.items():
            if procore_id != record.id:
                continue
            # The ERP may keep it under another key by now, as the bills of a vendor that was merged.
            other = self.by_key.get((company, key)) or next(iter(self.marked(record.id)), None)
            unseen = other is None and (key in self.existing.hidden or self.existing.get(key, company) is not None)
            # From what is void nobody has to stand apart.
            if unseen or (other is not None and getattr(other, "status", None) != VOID):
                named, now = (other.number, other.id) if other is not None else (key, key)
                return Parted(f"the ERP's {named}", said, now)
        return None

    def _by_looks(self, record: Record) -> Match:
        """A document that the ERP has unlinked and equal in number, job, vendor and amount may be this one: a person says so."""
        for key in self._by_number.get((record.company, number_key(record)), ()):
            same = self.by_key[key]
            if same.marker or key in self.links.by_erp:
                continue
            if (same.company or "", same.id, record.id) in self.people.parted:
                continue
            asked = [name for name in _ALIKE if name not in self.row.unkept]
            if all(getattr(same, name, None) == getattr(record, name, None) for name in asked):
                told = ", ".join(_ALIKE[name] for name in asked if getattr(same, name, None) is not None)
                return Match(candidates=[same], proposal=f"the ERP's {same.number} (same number, {told})")
        return Match()

    def _elsewhere(self, record: Record, link: Link) -> str:
        """Under which key its document stands in the ERP by now: some change it when they move one, as the bills of a vendor that
        was merged. A mark is no word of a person: nothing is linked anew by it."""
        moved = [one for one in self.marked(record.id) if one.id != link.erp_key]
        if len(moved) != 1 or (moved[0].company, moved[0].id) in self.links.by_erp:
            return ""
        to = ident("erp", moved[0].company, moved[0].id)
        then = command("link", self.row.name, record.number, record.id, to=to)
        return f", and its marker stands on {moved[0].id} there (if that is the same one: end the link, then {then})"

    def _linked(self, record: Record, link: Link) -> Match:
        target = self.by_key.get((link.company, link.erp_key))
        found = Match("link", link=link, target=target)
        expected = str(Origin(self.system, link.company, self.row.name, link.erp_key))
        found.unread = self.existing.get(link.erp_key, link.company)
        if target is None and found.unread is not None:
            return found
        if target is None and link.erp_key in self.existing.hidden:
            found.hidden = self.existing.hidden[link.erp_key]
        elif target is None:
            found.broken = f"the ERP no longer has it{self._elsewhere(record, link)}"
        elif link.status == "active" and self.row.external_id and record.origin_id != expected:
            found.broken = f"its external id in Procore is {record.origin_id or 'empty'} now"
        return found
