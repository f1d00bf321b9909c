"""Decisions of people: what ``python -m include.financials decide`` records, and the sentence that it ends with.

A decision lasts: ``link``, ``unlink`` and ``opening`` until another one takes its place, ``approve`` and ``accept`` until the
content that was decided on changes (docs/operating.md, Decisions).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.exceptions import SyncError
from include.financials.known import Known, everything, spelt_out
from include.financials.ledger import Decision, Ledger, Link, Note, decoded, moment
from include.financials.ledger.story import entity_named
from include.financials.money import text
from include.financials.port import CALLED, SIDES
from include.financials.record import Side

DECISIONS = {
    "approve": "a commitment may be sent although it is above the limit, with the content it has now",
    "link": "the proposed match is right or, with --to, these two records are one; the differences shown are accepted",
    "accept": "the ERP may have this document without Procore, with the figures and the title it has now",
    "unlink": "the link is ended for good: until the same two are linked again, whatever marks they carry",
    "resend": "the ERP will not post what it has accepted: it may be sent again",
    "opening": "so much was billed on a contract before go-live and is linked to no draw: --amount, --date, --retainage",
}
WAITING = {"approve": ("held", "M-13"), "link": ("held", "2.9")}
"""State and rule of the records that wait for a decision."""
CONTRACTS = tuple(row.contracts for row in ENTITIES.values() if row.contracts and row.sequence)
"""What is billed by draws."""
MOST = Decimal("999999999999.99")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "decision", choices=tuple(DECISIONS), help="; ".join(f"{name}: {told}" for name, told in DECISIONS.items())
    )
    parser.add_argument("entity")
    parser.add_argument("number", help="what people call it, its id, or `all`: every record that waits for just this decision")
    parser.add_argument("--id", help="which of several records of that number: its id, as the command lists them")
    parser.add_argument("--to", help="the other side's record: number or id; unlink: Procore's id of COMPANY/KEY")
    parser.add_argument("--amount", help="opening: gross billed on the contract up to --date that no linked invoice has")
    parser.add_argument("--retainage", default="0", help="opening: retainage still held of it (default 0)")
    parser.add_argument("--date", help="opening: the last day that it covers, YYYY-MM-DD")
    parser.add_argument("--note", help="why; kept in the audit trail")


def decide(ledger: Ledger, chosen: argparse.Namespace, who: str) -> str:
    """Record one decision and say what was recorded, on which record, and what the next run will do. Raises SyncError with the
    next step where it cannot be recorded."""
    row = ENTITIES[entity_named(chosen.entity)]
    if row.read_only:
        raise SyncError(f"a {row.label} is only read: nothing links it or sends it, so there is nothing to decide")
    desk = _Desk(ledger, row, chosen, who)
    return {
        "approve": desk.approve,
        "link": desk.link,
        "accept": desk.accept,
        "unlink": desk.unlink,
        "resend": desk.resend,
        "opening": desk.opening,
    }[chosen.decision]()


class _Desk:
    """One decision on its way into the ledger."""

    def __init__(self, ledger: Ledger, row: Entity, chosen: argparse.Namespace, who: str) -> None:
        self.ledger, self.row, self.chosen, self.who = ledger, row, chosen, who

    # -- the decisions --------------------------------------------------------------------------------------------------------

    def approve(self) -> str:
        if self.row.gate is None:
            raise SyncError(f"approve concerns commitments; a {self.row.label} needs no approval")
        rows = self._waiting("approve") if self._all else [self._one(self.row.source)]
        if not rows:
            raise SyncError(f"no {self.row.label} waits for an approval")
        for row in rows:
            self._record(row, "approve", content_hash=row.source_hash or "")
        return self._told(
            "approve",
            rows,
            "The next run sends it if nothing else stops it. A change in Procore ends the approval for good: also if the content "
            "is put back, it needs a new one.",
        )

    def accept(self) -> str:
        if self.row.target != "erp" or not self.row.document:
            raise SyncError(f"accept concerns documents that Procore sends to the ERP; a {self.row.label} comes from the ERP")
        row = self._one("erp")
        if link := self._linked(row):
            raise SyncError(f"{row.told} is linked with Procore's {link.procore_id}: there is nothing to accept")
        self._record(row, "accept", content_hash=row.source_hash or "", value=decoded(row.figures))
        return self._told(
            "accept",
            [row],
            "The next run explains it as OPENING. It stays counted in what its contract was billed: no draw is sent twice. "
            "A change of it in the ERP (amount, lines, title, status, change orders) ends this; the report says so.",
        )

    def link(self) -> str:
        if self._all:
            found, refused = [], []
            for row in self._waiting("link"):
                try:
                    self._pair(row, *self._proposed(row))
                    found.append(row)
                except SyncError as error:
                    refused.append(str(error))
            told = self._told("link", found, "The next run links them.") if found else "Nothing was recorded."
            return "\n".join([told, *(f"not recorded: {one}" for one in refused)])
        if self.chosen.to is None:
            proposals = [row for row in self._named(self.chosen.number) if (row.state, row.rule) == WAITING["link"]]
            if not proposals and (parted := self._parted()):
                return self._join(parted.company, parted.record_id, parted.pair, parted.number, None)
            if not proposals:
                self._one(self.row.source)
                raise SyncError(
                    f"{self.row.label} {self.chosen.number} has no proposal that waits. To pair it by hand: decide link "
                    f"{self.row.name} {self.chosen.number} --to NUMBER_OR_ID"
                )
            row = self._only(proposals)
            return self._pair(row, *self._proposed(row))
        here, there = self._named(self.chosen.number), self._named(self.chosen.to)
        if (parted := self._parted()) is not None and not (here and there):
            return self._join(parted.company, parted.record_id, parted.pair, parted.number, None)
        for number, rows in ((self.chosen.number, here), (self.chosen.to, there)):
            if not rows:
                raise SyncError(self._unknown(number))
        pairs = [(a, b) for a in here for b in there if a.side != b.side]
        if self.chosen.id:
            pairs = [(a, b) for a, b in pairs if self.chosen.id in (a.key, b.key)]
        if not pairs:
            side = CALLED[here[0].side]
            raise SyncError(f"{here[0].told} and {there[0].told} are both of {side}; name one record of each side")
        if len(pairs) > 1:
            raise SyncError(
                "several pairs have these numbers; name the ids: " + "; ".join(f"{a.told} - {b.told}" for a, b in pairs[:8])
            )
        a, b = pairs[0]
        erp, procore = (a, b) if a.side == "erp" else (b, a)
        if self.row.document and erp.amount and procore.amount and Decimal(erp.amount) != Decimal(procore.amount):
            raise SyncError(
                f"{erp.told} and {procore.told} differ in their amount, which no tie could ever explain. Make them equal, or "
                f"void one of them."
            )
        source = erp if self.row.source == "erp" else procore
        apart = None
        if (source.state, source.rule) == WAITING["link"] and (erp.key, procore.key) == self._other(source):
            apart = self._proposed(source)[2]
        return self._pair(source, erp, procore, apart)

    def unlink(self) -> str:
        wanted = self.chosen.id or self.chosen.number
        links = [
            one
            for one in self.ledger.links.of(self.row.name, contents=False)
            if wanted in (one.number, one.erp_key, one.procore_id, f"{one.company}/{one.erp_key}")
            if self.chosen.to in (None, one.procore_id)
        ]
        if len(links) > 1:
            listed = "; ".join(
                f"{one.number}: ERP {one.company}/{one.erp_key}, Procore id {one.procore_id}" for one in links[:12]
            )
            raise SyncError(
                f"{len(links)} links of {self.row.label} {wanted} are active; name one by --id (its Procore id): {listed}"
            )
        then = (
            "Both sides keep what they have, its external id in Procore may stay or be cleared. The next run holds the record "
            "(rule unlinked) and writes nothing to either side, until: decide link {entity} {key} --to {ident}"
        )
        if links:
            self.ledger.decisions.part(links[0], self.who, self.chosen.note)
            company, key, ident, number = links[0].company, links[0].erp_key, links[0].procore_id, links[0].number
            did = "The link of"
        else:
            said = [d for d in self.ledger.decisions.of(self.row.name, "link") if wanted in (d.number, d.record_id, d.pair)]
            # A pair that marks alone tell of (the ledger was lost): the link that they stand for is broken.
            marked = [one for one in self._named(wanted) if one.rule == "R-02" and one.erp_key and one.procore_id]
            pairs = [(one.company, one.record_id, one.pair, one.number) for one in said] or [
                (one.company, str(one.erp_key), str(one.procore_id), one.number) for one in marked
            ]
            pairs = [pair for pair in pairs if self.chosen.to in (None, pair[2])]
            pairs = pairs or spelt_out(self.ledger.records, self.row, self.chosen.number, self.chosen.to)
            if len(pairs) != 1:
                ended = [
                    d for d in self.ledger.decisions.of(self.row.name, "unlink") if wanted in (d.number, d.record_id, d.pair)
                ]
                if ended:
                    raise SyncError(f"the link of {self.row.label} {wanted} was ended already by {ended[0].said}")
                raise SyncError(f"no {self.row.label} {wanted} is linked. {self._near(wanted, self._linked_numbers())}")
            company, key, ident, number = pairs[0]
            self.ledger.decisions.part(Link(self.row.name, company, key, ident, number), self.who, self.chosen.note)
            did = "The decision to link" if said else "The link by marks of"
            if not said and any(one.how == "external_id" for one in marked):
                then = "The next run takes the record for one that has no counterpart, and sends it anew if no rule stops it."
        then = then.format(entity=self.row.name, key=key, ident=ident)
        return f"{did} {self.row.label} {number} (ERP {company}/{key}, Procore id {ident}) is ended for good. {then}"

    def resend(self) -> str:
        row = self._one("procore")
        handed = [one for one in self.ledger.journal.accepted(self.row.name) if one.source_id == row.key]
        if not handed:
            raise SyncError(f"{row.told} does not wait for the ERP: there is nothing to send again")
        detail = self.chosen.note or "to be sent again"
        note = Note(self.who, "decided: resend", self.row.name, handed[0].company, row.key, row.number, detail=detail)
        self.ledger.journal.release(handed, note)
        return (
            f"resend recorded for {row.told}: the next run looks for it in the ERP once more and, if it is neither posted nor "
            f"waiting there, sends it again."
        )

    def opening(self) -> str:
        if self.row.name not in CONTRACTS:
            raise SyncError(f"opening concerns {' and '.join(CONTRACTS)}; a {self.row.label} has no balance")
        amount = self._money("amount")
        retainage = self._money("retainage", amount)
        try:
            day = date.fromisoformat(self.chosen.date or "")
        except ValueError:
            raise SyncError(f"--date is {self.chosen.date!r}; give the last day that it covers, as 2026-06-30") from None
        seen = moment(self.ledger.runs.read_to())
        if seen is not None and day > seen.date():
            raise SyncError(
                f"--date is {day}, and no run has looked beyond {seen.date()}: draws that are still to come would count as "
                "billed. Give the last day before go-live"
            )
        links = [
            one
            for one in self.ledger.links.of(self.row.name, contents=False)
            if self._wanted in (one.number, one.erp_key, one.procore_id)
        ]
        if len(links) == 1:
            company, key, number = links[0].company, links[0].erp_key, links[0].number
        else:
            row = self._one("erp")
            company, key, number = row.company, row.key, row.number
        value = {"amount": text(amount), "retainage": text(retainage), "date": day.isoformat()}
        self.ledger.decisions.decide(
            entity=self.row.name, company=company, record_id=key, decision="opening", who=self.who, number=number, value=value,
            detail=self.chosen.note,
        )  # fmt: skip
        return (
            f"opening recorded for {self.row.label} {number} (ERP {company}/{key}): {text(amount)} billed up to {day}, of it "
            f"{text(retainage)} retained. The next run sends no draw dated up to then, counts the balance in what was billed "
            f"(I-03, O-04) and explains it as OPENING. It is valid until another one is recorded."
        )

    # -- which record ---------------------------------------------------------------------------------------------------------

    @property
    def _all(self) -> bool:
        return bool(self.chosen.number == "all")

    @property
    def _wanted(self) -> str:
        return str(self.chosen.id or self.chosen.number)

    def _everything(self) -> list[Known]:
        return everything(self.ledger.records, self.row.name)

    def _named(self, number: str) -> list[Known]:
        return [row for row in self._everything() if number in (row.number, row.key)]

    def _waiting(self, decision: str) -> list[Known]:
        return [row for row in self._everything() if (row.state, row.rule) == WAITING[decision]]

    def _one(self, side: Side) -> Known:
        rows = [row for row in self._named(self.chosen.number) if row.side == side]
        if not rows:
            raise SyncError(self._unknown(self.chosen.number, side))
        return self._only(rows)

    def _only(self, rows: Sequence[Known]) -> Known:
        if self.chosen.id:
            rows = [row for row in rows if row.key == self.chosen.id]
        if len(rows) != 1:
            listed = "; ".join(row.told for row in rows[:12]) or "none has that id"
            raise SyncError(f"{len(rows)} {self.row.name} are called {self.chosen.number}; name one by --id: {listed}")
        return rows[0]

    def _unknown(self, number: str, side: Side | None = None) -> str:
        for row in ENTITIES.values():
            if row.name != self.row.name and any(
                number in (r.number, r.id) for s in SIDES for r in self.ledger.records.seen(row.name, s).values()
            ):
                return f"{number} is a {row.label}, not a {self.row.label}. Two records of one kind are linked."
        where = f" of {CALLED[side]}" if side else ""
        known = [row.number for row in self._everything() if side is None or row.side == side]
        return f"no run has shown a {self.row.label} {number}{where}. {self._near(number, known)}"

    @staticmethod
    def _near(number: str, known: Sequence[str]) -> str:
        near = get_close_matches(number, sorted(set(known)), n=5, cutoff=0.5)
        return (
            f"Did you mean {', '.join(near)}?" if near else "Make a run (a plan is enough), or look at its number in the report."
        )

    def _linked_numbers(self) -> list[str]:
        return [one.number for one in self.ledger.links.of(self.row.name, contents=False)]

    def _linked(self, row: Known) -> Link | None:
        for one in self.ledger.links.of(self.row.name, contents=False):
            if row.key == one.procore_id if row.side == "procore" else (row.key, row.company) == (one.erp_key, one.company):
                return one
        return None

    def _parted(self) -> Decision | None:
        wanted = {self.chosen.number, self.chosen.id, self.chosen.to} - {None}
        said = [d for d in self.ledger.decisions.of(self.row.name, "unlink") if wanted <= {d.number, d.record_id, d.pair}]
        return said[0] if len(said) == 1 else None

    # -- pairs ----------------------------------------------------------------------------------------------------------------

    def _other(self, row: Known) -> tuple[str, str]:
        """(ERP key, Procore id) of the pair that a proposal names."""
        return (row.key, row.procore_id or "") if row.side == "erp" else (row.erp_key or "", row.key)

    def _proposed(self, row: Known) -> tuple[Known, Known, list[str] | None]:
        key, ident = self._other(row)
        offer = decoded(row.work)
        if offer.get("refused"):
            raise SyncError(
                f"{row.told} cannot be linked as it is: {'; '.join(offer['refused'])}. Make the two equal there, or pair it with "
                f"another record (--to)."
            )
        if not (key and ident):
            raise SyncError(f"{row.told}: its proposal names no single record. Run once more, or name the other one with --to")
        known = {one.ident: one for one in self._everything()}
        erp = row if row.side == "erp" else known.get(("erp", row.company, key), Known("erp", row.company, key, row.number))
        procore = row if row.side == "procore" else known.get(("procore", "", ident))
        procore = procore or Known("procore", row.company, ident, row.number)
        return erp, procore, offer.get("apart")

    def _pair(self, source: Known, erp: Known, procore: Known, apart: list[str] | None) -> str:
        for one in (erp, procore):
            if link := self._linked(one):
                raise SyncError(
                    f"{one.told} is linked already (ERP {link.company}/{link.erp_key}, Procore id {link.procore_id}). End "
                    f"that link first: decide unlink {self.row.name} {link.erp_key}"
                )
        return self._join(erp.company or source.company or "", erp.key, procore.key, source.number, apart)

    def _join(self, company: str, key: str, ident: str, number: str, apart: list[str] | None) -> str:
        for one in self.ledger.decisions.of(self.row.name, "link"):
            erp, procore = (one.company, one.record_id) == (company, key), one.pair == ident
            if one.pair and erp != procore:
                raise SyncError(
                    f"ERP {one.company}/{one.record_id} and Procore's id {one.pair} were linked by {one.said}; a record has one "
                    f"counterpart. End that first: decide unlink {self.row.name} {one.record_id}"
                )
        value = {"apart": apart} if apart is not None else None
        self.ledger.decisions.decide(
            entity=self.row.name, company=company, record_id=key, pair=ident, decision="link", who=self.who, number=number,
            value=value, detail=self.chosen.note,
        )  # fmt: skip
        accepted = f" Accepted as they are: {'; '.join(apart)}." if apart else ""
        return (
            f"link recorded for {self.row.label} {number}: ERP {company}/{key} is Procore's id {ident}.{accepted} The next "
            f"run links the two, unless they differ in money or in what they refer to; then it says in what. It lasts "
            f"until: decide unlink {self.row.name} {key}"
        )

    # -- small things ---------------------------------------------------------------------------------------------------------

    def _record(self, row: Known, decision: str, *, content_hash: str, value: Mapping[str, Any] | None = None) -> None:
        self.ledger.decisions.decide(
            entity=self.row.name, company=row.company or "", record_id=row.key, content_hash=content_hash, decision=decision,
            who=self.who, number=row.number, value=value, detail=self.chosen.note,
        )  # fmt: skip

    def _told(self, decision: str, rows: Sequence[Known], after: str) -> str:
        shown = ", ".join(row.told for row in rows[:8]) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
        return f"{decision} recorded for {len(rows)} {self.row.name} as they are now: {shown}. {after}"

    def _money(self, name: str, most: Decimal = MOST) -> Decimal:
        given = getattr(self.chosen, name)
        try:
            found = Decimal(given or "")
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite() or not 0 <= found <= most or found != found.quantize(Decimal("0.01")):
            limit = f"{text(most)}, the amount" if most != MOST else text(most)
            raise SyncError(
                f"--{name} is {given!r}; give a decimal number with two places, such as 184200.00, from 0.00 to {limit}"
            )
        return found
