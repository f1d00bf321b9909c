"""Facts of invoices, subcontractors' and the owner's alike (docs/domain-rules.md 2.6, rules I-01 to I-09; towards the
owner P-03)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired, TypedDict, cast

from include.financials.advice import command, ident
from include.financials.billing import BillingItem, Invoice, InvoiceLine, completed, key_of, movements
from include.financials.entity import Entity
from include.financials.judging.arithmetic import ArithmeticRow, arithmetic, overbilled, released_too_much
from include.financials.judging.books import Books, Opening, Told
from include.financials.judging.documents import ContractFacts, ContractRow
from include.financials.judging.facts import Row
from include.financials.judging.subject import Subject
from include.financials.money import ZERO, text, total
from include.financials.port import Capability, Invalid, told
from include.financials.record import Held, Record, contract_of
from include.financials.statuses import OPEN, VOID

if TYPE_CHECKING:
    from include.financials.references import References


class DatesRow(TypedDict):
    date_missing: bool | None
    period_unread: str | None
    period_closed: str | None
    period_refused: str | None
    next_open: str | None


class SequenceRow(TypedDict):
    sequence: NotRequired[int]
    sequence_before: NotRequired[int]
    sequence_kept: bool
    opening_offered: str | None
    billed_unread: str | None
    billed_before: str | None
    erp_billed: NotRequired[str | None]
    billed_by: str | None


class SettledRow(DatesRow, SequenceRow, ArithmeticRow):
    """What is asked of an invoice that is not linked; what only a message says may be missing from one that is."""

    change_waiting: str | None
    released_too_much: str | None
    overbilled: str | None
    unplaced: str | None


class InvoiceRow(ContractRow, SettledRow):
    net: str | None


class InvoiceFacts(ContractFacts):
    """Rules I-01 to I-09; towards the owner P-03. Movements are counted from the invoice before, as Procore states it."""

    row: ClassVar[type] = InvoiceRow
    LIMITED = ("number", "amount")
    in_turns = True

    module: ClassVar[Literal["AP", "AR"]]
    """Whose calendar it is posted by."""

    def __init__(self, books: Books, references: References, row: Entity, capability: Capability) -> None:
        super().__init__(books, references, row, capability)
        self.states: dict[str, str] = {}
        self.here: Mapping[str, Record] = {}
        self._found: Callable[[str], Record | None] = self.here.get
        self.billed_now: dict[str | None, dict[int, Decimal]] = defaultdict(dict)
        """Contract -> sequence -> what was found fit to be sent."""
        self._now: list[tuple[str, str, str | None, int, Decimal | None]] = []
        """What this turn adds to both: id, state, contract, sequence, amount."""

    def turn(self, subject: Subject) -> int:
        return cast(Invoice, subject.own).sequence

    def learn(self, owns: Mapping[str, Record]) -> None:
        """The invoices of this run: an invoice may be the one before another of them."""
        self.here, self._found = owns, lru_cache(maxsize=100)(owns.get)

    def recall(self, owns: Sequence[Record]) -> None:
        super().recall(owns)
        found = [own for own in owns if isinstance(own, Invoice)]
        self.books.recall(self.changes, (item.change_order for own in found for item in own.items if item.change_order))
        previous = (own.previous for own in found if own.previous is not None and own.previous not in self.here)
        self.books.recall(self.entity.name, previous)

    def _here(self, procore_id: str) -> Invoice | None:
        return cast(Invoice | None, self._found(procore_id))

    def before(self, own: Invoice) -> tuple[BillingItem, ...] | None:
        """Items of the invoice before; () for the first of a contract, None where it is not known."""
        if own.previous is None:
            return ()
        known = self._here(own.previous)
        if known is not None:
            return known.items
        remembered = self.books.figures(self.entity.name, own.previous)
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
        """What the ERP's document needs beside the billing, in the family's hands."""
        raise NotImplementedError

    def _places(self, own: Invoice) -> dict[Any, tuple[str | None, int, tuple[str | None, str | None]]]:
        """Where each item posts: (change number, line of the contract or change order, (code, type)), by item key."""
        found: dict[Any, tuple[str | None, int, tuple[str | None, str | None]]] = {}
        contract = self._contract_lines(own)
        changes: dict[str, Mapping[str, Any]] = {}
        for item in own.items:
            if item.change_order is None:
                place = contract.get(item.line or "")
            else:
                if item.change_order not in changes:
                    changes[item.change_order] = _lines_by_id(self.books.figures(self.changes, item.change_order))
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
        return _lines_by_id(self.books.figures(self.contracts, contract_of(own)))

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

    def header(self, subject: Subject, approved: bool) -> InvoiceRow:
        own, record = subject.own, subject.record
        assert isinstance(own, Invoice) and isinstance(record, Invoice)
        head = super().header(subject, approved)
        fresh, before = head["fresh"], self.before(own)
        if not fresh:
            return {**head, **_SETTLED, "number_in_erp": None, "net": text(record.due)}
        return {
            **head,
            "number_in_erp": self._duplicate(subject),
            "change_waiting": self._change_waiting(own),
            "net": text(record.due),
            **self._dates(subject, record),
            **self._sequence(subject, own, before),
            **arithmetic(own, before or ()),
            "released_too_much": released_too_much(own, before or ()),
            "overbilled": overbilled(own, head["revised"]),
            "unplaced": self._unplaced(own),
        }

    def _duplicate(self, subject: Subject) -> str | None:
        """A document of this number that the ERP has already: for the same vendor, over all jobs."""
        found = self.books.numbered(subject.record, subject.company)
        if found is None or subject.match.proposal or (found.marker and subject.match.target is not None):
            return None
        void = ", void" if found.status == VOID else ""
        return f"{text(found.amount)}, {found.billing_date}, job {found.project}{void}"

    def _change_waiting(self, own: Invoice) -> str | None:
        links = self.books.links(self.changes)
        moves = movements(own.items, self.before(own) or ())
        billed = {change for (change, _), move in moves.items() if change is not None and not move.empty}
        waiting = sorted(self.books.name(self.changes, change) for change in billed if links.erp(change) is None)
        return ", ".join(waiting) or None

    def _dates(self, subject: Subject, record: Invoice) -> DatesRow:
        day = record.billing_date
        if day is None:
            return {**_DATED, "date_missing": True}
        period = self.books.period(subject.company, self.module, day)
        # Without a job there is no company, and no calendar: one cause, one message.
        is_open = not subject.company or not self.books.has_calendar or (period is not None and period.status == OPEN)
        unread = self.books.period_unread(subject.company, self.module, day) if subject.company else None
        if unread is not None:
            return {**_DATED, "period_unread": told(unread, "erp", f"the {self.module} period")}
        following = self.books.next_open(subject.company, self.module, day)
        policy, month = self.sync.settings.posting_policy, f"{day:%Y-%m}"
        shut = not is_open and not (policy == "next_open" and following is not None)
        return {
            **_DATED,
            "period_closed": month if shut and policy != "reject" else None,
            "period_refused": month if shut and policy == "reject" else None,
            "next_open": following.isoformat() if following else "a new period",
        }

    def lines(self, subject: Subject, head: Row) -> Sequence[Row]:
        """Its lines are ours, made from Procore's items: what can be wrong with them shows in the header's facts."""
        return ()

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

    def _sequence(self, subject: Subject, own: Invoice, before: Sequence[BillingItem] | None) -> SequenceRow:
        """The invoice before must be there, or this run's; and the ERP must have been billed what Procore says was."""
        contract, opening = contract_of(subject.record), self._opening(subject)
        kept = own.previous is None or self._settled(own.previous)
        billed = self.books.invoices(self.entity.name, subject.company, contract)
        bills = [r for r in billed if not self._later((subject.company, r.id), own.sequence)]
        strange = [r for r in bills if (subject.company, r.id) not in self._known]
        # What an opening balance stands for is in it already: the ERP may have it as one invoice, or have none.
        counted = [r for r in bills if r not in strange or not opening or not opening.covers(r.billing_date)]
        erp = total(r.amount for r in counted) + (opening.amount if opening else ZERO)
        now = self.billed_now.get(contract_of(own), {})
        erp += total(amount for sequence, amount in now.items() if sequence < own.sequence)
        said, unread = total(map(completed, before or ())), self._unread_bill(subject, own.sequence)
        if subject.match.proposal:  # whether it is in the ERP already is for a person to say first
            kept, said = True, erp
        return {
            "sequence": own.sequence,
            "sequence_before": own.sequence - 1,
            "sequence_kept": kept,
            "opening_offered": self._offer(subject),
            "billed_unread": unread if kept and not subject.match.proposal else None,
            "billed_before": text(said) if kept and unread is None and said != erp else None,
            "erp_billed": text(erp),
            "billed_by": self._strange([r for r in strange if r in counted], subject),
        }

    def _unread_bill(self, subject: Subject, sequence: int) -> str | None:
        """An invoice of the ERP that cannot be read and may bill the contract: nobody knows then what was billed on it. Known
        later draws are none of that, nor what an opening balance stands for."""
        record, company, opening = subject.record, subject.company, self._opening(subject)
        links, field = self.books.links(self.entity.name).by_erp, cast(str, self.entity.contract)
        place = (field, company, contract_of(record), getattr(record, "project", None))
        for bad in self.books.unread_of(self.entity.name, *place):
            opened = opening is not None and opening.covers(_day(bad)) and (company, bad.id) not in links
            if not opened and not self._later((company, bad.id), sequence):
                return told(bad, "erp", self.entity.label)
        return None

    def _offer(self, subject: Subject) -> str:
        link = self.references.link(self.contracts, contract_of(subject.own))
        if link is None:  # that it is not linked is all that is said
            return ""
        opening = command("opening", self.contracts, link.number, ident("erp", link.company, link.erp_key))
        return f", or record what was billed on {link.number} before go-live: {opening} --amount AMOUNT --date DATE"

    def _strange(self, strange: Sequence[Told], subject: Subject) -> str:
        """The invoices that nobody linked, and what to do with them."""
        if not strange:
            return f"Find the invoice that one side lacks{self._offer(subject)}."
        named = ", ".join(f"{r.number} ({text(r.amount)})" for r in strange[:5])
        # Of two that differ in their amount nobody can say that they are one.
        alike = [r for r in strange if r.amount == cast(Invoice, subject.record).amount]
        if len(alike) == 1:
            link = subject.command("link", self.entity.name, to=ident("erp", subject.company, alike[0].id))
            ways = f"If {alike[0].number} is {subject.number}, link it ({link}); else void it in the ERP"
        else:
            ways = "Enter it in Procore, void it in the ERP"
        return f"Not linked to any in Procore: {named}. {ways}{self._offer(subject)}."

    def _opening(self, subject: Subject) -> Opening | None:
        return self.books.openings(self.contracts).get((subject.company, contract_of(subject.record) or ""))

    @cached_property
    def _known(self) -> dict[tuple[str, str], str]:
        """ERP invoices that are one of Procore's: linked, or carrying the mark of one. (company, key) -> Procore id."""
        ours = f"{self.sync.marks}:{self.entity.name}:"
        marked = {
            key: (one.marker or "").removeprefix(ours)
            for key, one in self.books.told(self.entity.name).items()
            if one.marker and one.marker.startswith(ours)
        }
        return marked | {key: link.procore_id for key, link in self.books.links(self.entity.name).by_erp.items()}

    def _later(self, key: tuple[str, str], sequence: int) -> bool:
        """Whether an invoice of the ERP is known to be this draw of its contract or a later one, by what Procore numbers it."""
        if (ident := self._known.get(key)) is None:
            return False
        here = self._here(ident)
        number = here.sequence if here is not None else self.books.figures(self.entity.name, ident).get("sequence")
        return number is not None and int(number) >= sequence

    def _settled(self, previous: str) -> bool:
        """Whether an invoice is linked, will be, or is approved and has nothing to send."""
        if self.states.get(previous) in ("linked", "opening") or self._linked(previous):
            return True
        known = self.books.remembered(self.entity.name, previous) or Held(previous)
        if known.state == "skipped" and "opening balance" in (known.message or ""):
            return True
        here = self._here(previous)
        told = here.figures() if here is not None else known.figures
        state = self.states.get(previous) or known.state
        approved = told.get("status") in self.sync.settings.of(self.entity.name).statuses()
        return state == "skipped" and approved and self._empty(here, told)

    def _empty(self, here: Invoice | None, told: Mapping[str, Any]) -> bool:
        """Whether an invoice moves nothing on any line: of this run, or as it is remembered."""
        if here is not None:
            return all(move.empty for move in movements(here.items, self.before(here) or ()).values())
        return not told.get("lines")

    def _linked(self, procore_id: str) -> bool:
        return self.books.links(self.entity.name).erp(procore_id) is not None

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
        sent = cast(Invoice, subject.record).amount if state == "linked" and subject.match.how == "none" else None
        self._now.append((own.id, "opening" if covered else state, contract_of(own), own.sequence, sent))

    def turned(self) -> None:
        for procore_id, state, contract, sequence, amount in self._now:
            self.states[procore_id] = state
            if amount is not None:
                self.billed_now[contract][sequence] = amount
        self._now.clear()


_DATED = DatesRow(date_missing=None, period_unread=None, period_closed=None, period_refused=None, next_open=None)
_SETTLED = SettledRow(
    opening_offered=None, billed_by=None, billed_unread=None, change_waiting=None, billed_before=None, date_missing=None,
    period_unread=None, period_closed=None, period_refused=None, next_open=None, gross_odd=None, completed_odd=None,
    released_too_much=None, overbilled=None, unplaced=None, sequence_kept=True, retainage_cents=0,
)  # fmt: skip
"""Facts of an invoice that its link has settled."""


def _lines_by_id(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Lines of a contract or change order as last read, by Procore id."""
    return {line["id"]: line for line in figures.get("lines", ())}


def _day(bad: Invalid) -> date | None:
    """The billing date of an invoice that cannot be read, as far as its row tells one."""
    day = bad.shown.get("billing_date")
    return date.fromisoformat(day) if day else None


def _known(part: str) -> str | None:
    return None if part == "?" else part
