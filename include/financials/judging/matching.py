"""Who is who: the counterpart of a source record on the target side.
A match is made by link, external id or marker, never by looks.

Natural keys (a tax id, a code, a number) can only propose a match, and two candidates anywhere are an ambiguity for a person
(rules V-02, J-01, docs/domain-rules.md 2.9).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import cast

from include.financials.entity import Entity
from include.financials.existence import Existing
from include.financials.identity import Origin, made_from, meaning, parse_origin
from include.financials.judging.people import Parted, People
from include.financials.judging.subject import Match, Twin
from include.financials.ledger import Decision, Link, LinkIndex
from include.financials.port import Invalid
from include.financials.record import Record
from include.financials.statuses import ENDED_IN_PROCORE, VOID


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


class ErpSource:
    """Matches ERP-born records with Procore's. ``everyone`` is the ERP's full list, which is gone through several times,
    ``unlisted`` what else of the ERP is to be matched, ``targets`` Procore's list, all in ERP keys; ``worded`` by Procore id the
    ERP key of what a target names in words (``Entity.worded``)."""

    def __init__(
        self,
        row: Entity,
        system: str,
        links: LinkIndex,
        targets: Sequence[Record],
        everyone: Iterable[Record],
        existing: Existing | None = None,
        people: People | None = None,
        worded: Mapping[str, str] | None = None,
        unlisted: Sequence[Record] = (),
        keys: Collection[tuple[str, str]] | None = None,
    ) -> None:
        """``keys``: (company, key) of everyone, from whom has them already."""
        self.row, self.system, self.links = row, system, links
        self.people = people or People()
        self.worded = worded or {}
        self.existing = existing or Existing(row, "procore", links, (), system=system, marks="")
        self.by_id = {record.id: record for record in targets}
        # One that stands before one that is over, which keeps its mark.
        self.by_origin = {record.origin_id: record for record in sorted(targets, key=_over, reverse=True) if record.origin_id}
        self.half_made = self._half_made(targets, everyone)
        ours = {record.id for found in self.half_made.values() for record in found}
        self.unclaimed: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        for record in targets:
            # One whose link a person ended may be somebody else's, though it still carries our mark.
            free = parse_origin(record.origin_id, system) is None or record.id in self.people.ids
            if record.id not in links.by_procore and record.id not in ours and free and not _over(record):
                for key in identity_keys(row, record):
                    self.unclaimed[key].append(record)
        linked = keys is not None and all(self._by_link(*key) is not None for key in keys)
        self.alike = self._alike(everyone, [*unlisted] if linked else chain(everyone, unlisted))
        self.claimed: set[str] = set()
        self.named: dict[str, tuple[str, str]] = {}
        """Procore id -> (company, key) of the record that it is by a person's word."""

    def _alike(
        self, everyone: Iterable[Record], asking: Iterable[Record]
    ) -> dict[tuple[str, str, str], dict[str, Record | Twin]]:
        """The ERP's records by their natural keys, as far as somebody may ask: what is not linked, on either side; whole where
        their rivals are told apart by more than that."""
        free = (record for record in asking if self._by_link(record.company, record.id) is None)
        asked = self.unclaimed.keys() | {key for record in free for key in identity_keys(self.row, record)}
        found: dict[tuple[str, str, str], dict[str, Record | Twin]] = defaultdict(dict)
        for record in everyone if asked else ():
            if self.row.document and (self._settled(record) or getattr(record, "status", None) == VOID):
                continue  # two documents alike are two: one that has its counterpart, or counts for nothing, is no rival
            if getattr(record, "merged_into", None) is not None:
                continue  # it is the vendor that it was merged into, which is asked for itself
            for key in identity_keys(self.row, record):
                if key in asked:
                    found[key][f"{record.company}:{record.id}"] = record if self.row.rivals else Twin(record.company, record.id)
        return dict(found)

    def _by_link(self, company: str | None, key: str) -> Link | None:
        """The link that says who the counterpart is."""
        link = self.links.by_erp.get((company or "", key))
        return link if link is not None and link.status != "planned" else None

    def _settled(self, record: Record | Twin) -> bool:
        return (record.company or "", record.id) in self.links.by_erp or self.origin(record) in self.by_origin

    def origin(self, record: Record | Twin) -> str:
        return str(Origin(self.system, record.company or "", self.row.name, record.id))

    def match(self, record: Record) -> Match:
        link = self._by_link(record.company, record.id)
        if link is not None:
            return self._linked(record, link)
        said = self.people.joined_erp.get((record.company or "", record.id))
        chosen = self.by_id.get(said.pair) if said is not None else None
        if said is not None and getattr(record, "merged_into", None) is None:
            place, other = (record.company or "", record.id), self.links.by_procore.get(said.pair)
            linked = other is not None and (other.company, other.erp_key) != place
            taken = linked or self.named.setdefault(said.pair, place) != place
            if chosen is None or chosen.deleted or taken:
                why = "is the counterpart of another record" if taken else "Procore does not show"
                return no_pair(said, self.existing.get(said.pair), f"Procore's id {said.pair}, which {why}")
            self.claimed.add(chosen.id)
            return Match("marker" if self.row.external_id else "external_id", target=chosen, decision=said)
        target = self.by_origin.get(self.origin(record))
        if target is not None:
            self.claimed.add(target.id)
            if (record.company or "", record.id, target.id) not in self.people.parted:
                return _deleted(record, target) if target.deleted else Match("external_id", target=target)
        if half := self.half_made.get(_place(record, record.id)):
            self.claimed.update(one.id for one in half)
            if len(half) == 1:
                return Match("external_id", target=half[0])
            others = ", ".join(f"Procore {one.number} (id {one.id})" for one in half)
            return Match(ambiguous=f"{others} (all made from {record.number})", candidates=half)
        unread = self.existing.twin(record)
        if unread is not None:
            return Match(unread=unread)
        found = self._by_looks(record)
        if not (found.proposal or found.ambiguous or found.foreign):
            found.parted = self._parted(record)
            found.unread = self.existing.anyone or self.existing.lost.get((record.company or "", record.id))
        return found

    def _parted(self, record: Record) -> Parted | None:
        for (company, key, ident), said in self.people.parted.items():
            there = ident in self.by_id or ident in self.existing or ident in self.existing.hidden
            if (company, key) != (record.company or "", record.id) or not there:
                continue
            self.claimed.add(ident)
            other = self.by_id.get(ident)
            if other is not None and _over(other):
                continue  # from what is over nobody has to stand apart
            named = f"Procore's {other.number} (id {ident})" if other else f"Procore's record {ident}"
            return Parted(named, said, key)
        return None

    def _half_made(self, targets: Sequence[Record], everyone: Iterable[Record]) -> dict[tuple[str, str | None], list[Record]]:
        """Documents whose header an earlier try made, before it could give them lines and external id: ``origin_data`` tells of
        which record, with or without a ledger."""
        if not (self.row.document and self.row.later):
            return {}
        found: dict[tuple[str, str | None], list[Record]] = defaultdict(list)
        for record in targets:
            key = made_from(record.origin_data) if not record.origin_id and not record.deleted else None
            taken = record.id in self.links.by_procore or record.id in self.people.ids  # linked, or parted by a person
            if key is not None and not taken:
                found[_place(record, key)].append(record)
        known = {place for record in everyone if (place := _place(record, record.id)) in found} if found else set()
        return {place: made for place, made in found.items() if place in known}

    def _linked(self, record: Record, link: Link) -> Match:
        target = self.by_id.get(link.procore_id)
        found = Match("link", link=link, target=target)
        self.claimed.add(link.procore_id)
        found.unread = self.existing.get(link.procore_id)
        if found.unread is not None:
            return found
        if target is None and link.procore_id in self.existing.hidden:
            found.hidden = self.existing.hidden[link.procore_id]
        elif target is None or target.deleted:
            found.broken, found.gone = "Procore no longer has it", True
        elif link.status == "active" and target.origin_id != self.origin(record):
            found.broken = f"its external id in Procore is {target.origin_id or 'empty'} now"
        elif link.status == "pending" and target.origin_id == self.origin(record):
            found.finished = finished(self.row, target)
        return found

    def _by_looks(self, record: Record) -> Match:
        found = Match()
        for key in identity_keys(self.row, record):
            candidates, twins = self._rivals(record, key)
            candidates = [c for c in candidates if (record.company or "", record.id, c.id) not in self.people.parted]
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
            elif candidates[0].origin_id and candidates[0].id not in self.people.ids:
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
        if not self.unclaimed:
            return []
        return [one for key in identity_keys(self.row, record) if key in self.unclaimed for one in self._rivals(record, key)[0]]

    def _rivals(self, record: Record | Twin, key: tuple[str, str, str]) -> tuple[list[Record], set[str]]:
        """(who in Procore may be its counterpart, who in the ERP may be that, too)."""
        candidates = self.unclaimed.get(key, [])
        twins: Mapping[str, Record | Twin] = self.alike.get(key, {})
        if self.row.rivals is not None:
            whole = cast("dict[str, Record]", twins)
            candidates, twins = self.row.rivals(cast(Record, record), key[0], candidates, whole, self.worded)
        # What each company numbers for itself is no twin of another company's, unless there is something to quarrel about.
        alien = {
            name
            for name, twin in twins.items()
            if self.row.per_company(key[0]) and twin.company != record.company and (not candidates or self._settled(twin))
        }
        return candidates, set(twins) - alien


def _over(record: Record) -> bool:
    """Procore's record is deleted or void: it counts for nothing, and is nobody's counterpart by looks."""
    return record.deleted or getattr(record, "status", None) in ENDED_IN_PROCORE


def finished(row: Entity, target: Record) -> bool:
    """Whether a record in Procore that carries our external id lacks nothing: that of a document comes last, and locks it."""
    return row.document and row.source == "erp" and bool(target.origin_id)


def _deleted(record: Record, target: Record) -> Match:
    """Procore deleted the record that carries our mark of this one: not adopted, and not made again unasked. Where the ERP's is
    void as well there is nothing left to say."""
    over = getattr(record, "status", None) == VOID
    return Match() if over else Match("external_id", target=target, broken="Procore no longer has it", gone=True)


def _place(record: Record, key: str) -> tuple[str, str | None]:
    """Two companies may give two documents one key; on one project they are one."""
    return key, getattr(record, "project", None)


def no_pair(said: Decision, unread: Invalid | None, other: str) -> Match:
    """A person named the counterpart, and it cannot be taken: whatever the reason is, the record is not made a second time."""
    if unread is not None:
        return Match("external_id", unread=unread)
    return Match("external_id", broken=f"it was linked by {said.said} with {other}")
