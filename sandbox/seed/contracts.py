"""The commitments of one job: golden ones, those with a purpose, planted ones beside their twins, regular ones by scope."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from sandbox.seed import names
from sandbox.seed.faults import DUPLICATE_NUMBER, SPECIAL, Draft, Slot, slots_of
from sandbox.seed.ids import STRANGER, VENDOR_ID, contract_id
from sandbox.seed.masters import Masters
from sandbox.seed.model import CENT, Commitment, Job, Line, Planted, extended
from sandbox.seed.schedules import AREAS, GOLDEN, GOLDEN_JOB, SCOPES, GoldenCommitment, Item, Scope
from sandbox.seed.tables import (
    NAMED_JOBS,
    PO,
    SC,
    TRADE_INDEX,
    day,
)

FIT_OUT = "carpentry doors glazing drywall ceilings flooring painting sprinklers plumbing mechanical electrical lowvoltage"
CIVIL = "demolition earthwork utilities concrete rebar steel painting electrical rental paving"


class Contracts:
    """Makes the commitments of one job: the golden ones, those with a purpose, then regular ones by scope."""

    def __init__(self, company: Masters, job: Job) -> None:
        self.company = company
        self.job = job
        self.made: list[Commitment] = []
        self.planted: list[Planted] = []
        self.twins: dict[int, str] = {}
        """Numbers of the good contracts beside planted ones, by the slot's number."""
        self._counters = {SC: 0, PO: 0}
        self._scopes = _scopes_for(job)
        self._regular = 0

    def all(self) -> list[Commitment]:
        if self.job.number == GOLDEN_JOB:
            for golden in GOLDEN:
                self._golden(golden)
        named = NAMED_JOBS[self.job.index] if self.job.index < len(NAMED_JOBS) else None
        linked, new, ineligible = named.commitments if named else (0, 0, 0)
        self._add_regular(["linked"] * linked)
        self._add_special("linked")
        self._add_regular(["new"] * new)
        self._add_special("new")
        for slot in slots_of(self.job.number):
            self._slot(slot)
        self._add_regular(["ineligible"] * ineligible)
        self._add_regular(self.company.states(self.job))
        return self.made

    def _add_regular(self, states: list[str]) -> None:
        for state in states:
            self._add(self._regular_draft(), state)

    def _regular_draft(self) -> Draft:
        """The next scope of the job's list; from the second time round its title says which phase."""
        turn, place = divmod(self._regular, len(self._scopes))
        self._regular += 1
        rnd = Random(f"{self.job.number} regular {self._regular}")
        scope = self._scopes[place]
        title = scope.title if turn == 0 else f"{scope.title}, {turn + 1}"
        vendor, lines = self.company.pick_vendor(self.job, scope.trade, rnd), scope_lines(scope, self.job, rnd)
        return Draft(scope.kind, title, vendor, lines, unit_accounting=not scope.thousands)

    def _add_special(self, state: str) -> None:
        for special in SPECIAL:
            if special.job != self.job.number or special.state != state:
                continue
            self._add(special.draft, state)
            self.made[-1] = replace(self.made[-1], executed=special.executed, status=special.status or self.made[-1].status)
            if special.planted:
                twin = next(c.number for c in self.made if c.title == special.twin_title)
                self.planted.append(
                    Planted(special.planted, "commitments", self.made[-1].number, special.problem, "M-14", "conflict", twin)
                )

    def _slot(self, slot: Slot) -> None:
        """A twin where the slot has one of its own, and the contract that carries the fault in the seeds that ask for it."""
        if slot.twin_title:
            self._add(replace(slot.draft, title=slot.twin_title), "new")
            self.twins[slot.number] = self.made[-1].number
        faulty = self.company.seed in slot.seeds
        self._add(slot.spoil(slot.draft) if faulty else slot.draft, "new")
        if faulty and slot.number == 9:
            self.made[-1] = replace(self.made[-1], number=DUPLICATE_NUMBER)
        if faulty:
            number = self.made[-1].number
            self.planted.append(Planted(slot.number, "commitments", number, slot.problem, slot.rule, slot.expected, ""))

    def _golden(self, golden: GoldenCommitment) -> None:
        vendor = TRADE_INDEX[golden.trade] if golden.vendor is None else golden.vendor
        by_unit = any(line.unit for line in golden.lines)
        draft = Draft(golden.kind, golden.title, vendor, golden.lines, unit_accounting=by_unit)
        self._add(draft, "linked" if golden.linked else "new")
        made = self.made[-1]
        signed = day(golden.contract_date)
        earliest = _morning(signed) + timedelta(days=1, hours=10)
        self.made[-1] = replace(
            made,
            number=golden.number,
            contract_date=signed,
            created_at=earliest - timedelta(days=4),
            updated_at=max(made.updated_at, earliest),
        )

    def _add(self, draft: Draft, state: str) -> None:
        """Number a draft and give it dates, status and Procore ids."""
        self._counters[draft.kind] += 1
        sequence, local = self._counters[draft.kind], len(self.made)
        rnd = Random(f"{self.job.number} {draft.kind} {sequence}")
        updated = names.document_moment(self.job.index * 29 + local)
        signed = updated.date() - timedelta(days=rnd.randint(5, 120) if state == "linked" else rnd.randint(1, 14))
        vendor = STRANGER if draft.vendor is None else draft.vendor
        self.made.append(
            Commitment(
                id=contract_id(self.job, draft.kind, sequence),
                number=f"{self.job.prefix}-{'SC' if draft.kind == SC else 'PO'}-{sequence:03d}",
                kind=draft.kind,
                job=self.job,
                vendor_id=VENDOR_ID + vendor,
                vendor=None if draft.vendor is None else names.vendor_code(vendor),
                title=draft.title,
                status=_status(draft.kind, state, local),
                retainage=self.job.retainage if draft.kind == SC else Decimal(0),
                contract_date=signed,
                created_at=_morning(signed) - timedelta(days=rnd.randint(1, 9)),
                updated_at=updated,
                lines=draft.lines,
                linked=state == "linked",
                eligible=state != "ineligible",
                executed=state != "ineligible",
                unit_accounting=draft.unit_accounting,
                currency=draft.currency,
            )
        )


def _morning(date: date) -> datetime:
    return datetime(date.year, date.month, date.day, 6, tzinfo=UTC)


def _status(kind: str, state: str, local: int) -> str:
    if state == "ineligible":
        return ("Draft", "Out For Signature" if kind == SC else "Submitted")[local % 2]
    return "Complete" if state == "linked" and kind == SC and local % 7 == 3 else "Approved"


def _scopes_for(job: Job) -> tuple[Scope, ...]:
    """The scopes that such a job has, each job starting elsewhere in the list."""
    trades = CIVIL if job.company == "02" else FIT_OUT if job.value < 2_000_000 else None
    scopes = tuple(scope for scope in SCOPES if trades is None or scope.trade in trades.split())
    first = job.index * 5 % len(scopes)
    return scopes[first:] + scopes[:first]


def scope_lines(scope: Scope, job: Job, rnd: Random) -> tuple[Line, ...]:
    """4 to 20 lines of a scope, repeated per area of the job."""
    areas = min(rnd.choice((1, 1, 1, 2, 2, 3, 4, 5)), 20 // len(scope.items))
    parts = [(item, item.text + AREAS[areas > 1 and n + 1]) for n in range(areas) for item in scope.items]
    factor = Decimal(job.value) / 10_000_000
    if not scope.thousands:
        return tuple(_unit_line(n, item, text, factor / areas, rnd) for n, (item, text) in enumerate(parts, start=1))
    weights = [rnd.randint(40, 160) for _ in parts]
    share = scope.thousands * 1000 * factor / sum(weights)
    amounts = [(share * weight / 50).quantize(Decimal(1)) * 50 + rnd.choice((0, 0, 0, Decimal("12.5"))) for weight in weights]
    return tuple(
        Line(n, item.code, item.type, text, amount.quantize(CENT))
        for n, ((item, text), amount) in enumerate(zip(parts, amounts, strict=True), start=1)
    )


def _unit_line(position: int, item: Item, text: str, factor: Decimal, rnd: Random) -> Line:
    unit_cost = (Decimal(item.unit_cost) * rnd.randint(950, 1050) / 1000).quantize(Decimal("0.0001"))
    quantity = Decimal(1)
    if item.unit != "ls":
        quantity = max(Decimal(1), (item.quantity * factor * rnd.randint(80, 120) / 100).quantize(Decimal(1)))
        quantity += rnd.choice((Decimal(0), Decimal(0), Decimal("0.5"), Decimal("0.25"))) if item.unit != "ea" else 0
    return Line(position, item.code, item.type, text, extended(quantity, unit_cost), quantity, unit_cost, item.unit, "calculated")
