"""Subcontractor invoices: who billed how much by when (docs/domain-rules.md 2.5 and 5.1 to 5.4).

The invoices of the small company's commitments are a table of words, those beyond it follow a rule. A word is one invoice:
state, month of 2026, and how many percent of the contract it completes (``L7:18``); ``=`` bills all lines alike, ``+6`` leaves
six percent of material stored, ``!15`` is a planted problem. States: L linked, A approved, N approved as noted, U under review,
D draft. Invoices without a percentage are told line by line in ``BILLS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import NamedTuple

from sandbox.seed.billing import ZERO, Draw, Item, Key, Move, Progress
from sandbox.seed.changes import Change, in_tables, table_name
from sandbox.seed.company import Company
from sandbox.seed.document_ids import INVOICE_ID, Contract, contract_key, document_key
from sandbox.seed.model import Commitment
from sandbox.seed.tables import TAX_CODES

STATUS = {"L": "approved", "A": "approved", "N": "approved_as_noted", "U": "under_review", "D": "draft"}

PLANS = {
    "104-SC-001": "L7 L8 A9",
    "104-SC-002": "L7:=18 L8:=42 A9:=63",
    "104-SC-003": "L7 L8 A9",
    "104-SC-004": "L7:19 L8:46 A9:71",
    "104-SC-005": "L8:30 A9:66",
    "104-SC-006": "L8:22 D9:48",
    "104-SC-007": "L7:14 L8:33",
    "104-SC-009": "L7:12 L8:29",
    "104-PO-001": "L7:62",
    "104-PO-002": "A9:100",
    "104-PO-003": "A9:36",
    "098-PO-001": "L7:48",
    "098-SC-001": "L7:24 U8:51!17 A9:78!17",
    "098-SC-002": "L7:=14+5 A8:=38+7",
    "098-SC-003": "L8:85",
    "098-SC-004": "L7:33 A8:61",
    "098-SC-005": "L7:41 L8:74 U9:88",
    "098-SC-006": "L7:16+8 A8:40+4!16",
    "098-SC-007": "A7:12",
    "098-SC-009": "A7:20!13",
    "098-SC-012": "A8:28",
    "098-SC-014": "N7:8+3",
    "098-SC-017": "A8:=45",
    "098-PO-002": "L7:55",
    "098-PO-003": "L7:37",
    "112-SC-001": "L7:40 L8:90 D9:100",
    "112-SC-002": "L8:46",
    "112-SC-003": "L7:40 L8:85 A9!18",
    "112-SC-004": "L7:60 L8:96",
    "112-SC-005": "L8:80",
    "112-SC-007": "A8:35",
    "112-PO-001": "L7:70",
    "107-SC-001": "L8:15",
    "107-SC-002": "L7:20 A8:44",
    "107-SC-004": "L7:12+10 L8:34+8",
    "107-SC-005": "L7:26 A8:49!15",
    "107-SC-006": "L7:21 L8:43 A9:62",
    "107-SC-007": "L7:45 A9:103",
    "107-SC-009": "L8:40 A9:75",
    "107-SC-010": "A7:7+4 A8:19+5",
    "107-SC-014": "U8:35",
    "107-SC-018": "A9:=30",
    "107-SC-019": "A8:=38",
    "107-PO-001": "L7:50 A8:88",
    "107-PO-002": "A8:=31",
    "201-SC-001": "L7:58 A8:90",
    "201-SC-002": "L7:45 L8:92 D9:100",
    "201-SC-003": "L8:=18",
    "201-SC-004": "A6:33!14",
    "201-SC-005": "L7:38 L8:80 A9",
    "201-SC-008": "A8:14",
    "201-PO-001": "L7:25 L8:50",
    "201-PO-002": "N7:60",
}
"""52 linked, 34 new (approved, or approved as noted), 6 neither."""

BILLS = {
    ("104-SC-001", 1): "1 W9200; 2 W118000; 3 W5000",
    ("104-SC-001", 2): "3 W36500; 4 W15500; 001/1 W6840",
    ("104-SC-001", 3): "1 R920; 2 R11800; 3 R4150; 4 R1550; 001/1 R684",
    ("104-SC-003", 1): "1 W62000; 2 W48500; 3 W183600 S122400",
    ("104-SC-003", 2): "3 W367200 S30600; 4 W143100; 5 W58400 S43800; 001/1 W13375; 001/2 W11500",
    ("104-SC-003", 3): ("3 W61200 S0; 4 W127200; 5 W87600 S0; 6 W61425; 7 S51900; 001/1 W13375; 002/1 W-9500; 1 R6200; 2 R4850"),
    ("112-SC-003", 3): "001/1 W-1500; 001/2 W-2500; 4 W600",
    ("201-SC-005", 3): "001/1 W-18000; 001/2 W-12000",
}

OWN_NUMBERS = {"104-SC-003": "4417"}
"""Numbers that a subcontractor gives its invoices; every second one has some, the others have none."""
SERIES = 40_000
"""First of the series from which all others number theirs."""
DUPLICATED = {("098-SC-009", 1): "130002-01"}
"""Planted #13: the number of the same vendor's first invoice on 107-SC-002."""
MOVING_JOBS = ("25-107",)
"""Jobs that move stored materials into the work of earlier invoices."""
LEGACY_RETAINAGE = Decimal("10.00")
"""Planted #15: so much stands in the summary beyond what the items give."""

BILLING_DAY, EARLIEST, LATEST = 25, 7, 9
_LAST_MOMENT = datetime(2026, 9, 30, 17, tzinfo=UTC)
_WORD = re.compile(r"([LANUD])(\d)(?::(=?)(\d+)(?:\+(\d+))?)?(?:!(\d+))?")


class Word(NamedTuple):
    """One invoice of a plan."""

    state: str
    month: int
    evenly: bool
    percent: Decimal | None
    stored: Decimal
    planted: int


def invoices(company: Company, commitment: Commitment, orders: Sequence[Change]) -> list[Draw[Commitment]]:
    """A commitment's invoices, one after the other. ``orders``: all its change orders."""
    words = _words(company, commitment)
    if not words:
        return []
    progress = Progress(commitment, moving=moving(commitment), tax_rates=_tax_rates())
    made: list[Draw[Commitment]] = []
    for sequence, word in enumerate(words, start=1):
        billed = _billing_date(word.month)
        progress.include(c for c in orders if c.approved and c.decided <= billed and (c.linked or word.state != "L"))
        items = progress.draw(_moves(progress, commitment, sequence, word))
        made.append(_draw(commitment, sequence, word, items, tuple(progress.changes)))
    return [_spoiled(draw, made[n - 1] if n else None) for n, draw in enumerate(made)]


def _moves(progress: Progress, commitment: Commitment, sequence: int, word: Word) -> dict[Key, Move]:
    if word.percent is None:
        return progress.told(BILLS[commitment.number, sequence])
    return progress.reach(word.percent, word.stored, evenly=word.evenly)


def moving(contract: Contract) -> bool:
    job = contract.job
    return job.number in MOVING_JOBS or (not in_tables(contract) and job.index % 7 == 2)


@cache
def _tax_rates() -> dict[str, Decimal]:
    return {code: Decimal(rate) for code, _, rate, _ in TAX_CODES}


def _words(company: Company, commitment: Commitment) -> list[Word]:
    if not in_tables(commitment):
        return list(_generated(commitment))
    words = [_word(text) for text in PLANS.get(table_name(commitment), "").split()]
    return [word for word in words if company.size.whole or not word.planted]


def _word(text: str) -> Word:
    state, month, evenly, percent, stored, planted = _WORD.fullmatch(text).groups()  # type: ignore[union-attr]
    at = None if percent is None else Decimal(percent)
    return Word(state, int(month), bool(evenly), at, Decimal(stored or 0), int(planted or 0))


def _generated(commitment: Commitment) -> Iterator[Word]:
    """In the proportions of the small company: a linked contract has one to three invoices, of which that of September is new; of
    the others every fourth has a first one."""
    rnd = Random(f"{commitment.id} invoices")
    first = next((m for m in (7, 8, 9) if commitment.contract_date <= date(2026, m, 20)), None)
    if first is None or not commitment.eligible or rnd.randrange(100) >= (95 if commitment.linked else 24):
        return
    percent, evenly = 0, any(line.amount < 0 for line in commitment.lines)
    for month in range(first, LATEST + 1):
        if not commitment.linked and month > first:
            return
        if commitment.linked and month > first and rnd.randrange(2):
            return
        state = "L" if commitment.linked and month < LATEST else rnd.choice("AAAAANUD")
        percent += rnd.randint(12, 30)
        yield Word(state, month, evenly, Decimal(percent), Decimal(rnd.choice((0, 0, 0, 5))), 0)


def _billing_date(month: int) -> date:
    """The 25th; planted #14 is dated on the last day of June, a closed period."""
    return date(2026, month, BILLING_DAY) if month >= EARLIEST else date(2026, 6, 30)


def _draw(
    commitment: Commitment, sequence: int, word: Word, items: tuple[Item, ...], included: tuple[Change, ...]
) -> Draw[Commitment]:
    rnd, billed = Random(f"{commitment.id} invoice {sequence}"), _billing_date(word.month)
    moment = datetime(billed.year, billed.month, billed.day, 8, tzinfo=UTC)
    approved = moment + timedelta(days=rnd.randint(1, 8 if word.month < LATEST else 4), seconds=rnd.randrange(30_000))
    own = own_number(commitment, sequence)
    return Draw(
        id=INVOICE_ID + document_key(commitment, sequence),
        contract=commitment,
        sequence=sequence,
        own_number=own,
        number=own or f"{commitment.number}-{sequence:02d}",
        billing_date=billed,
        status=STATUS[word.state],
        linked=word.state == "L",
        items=items,
        changes=included,
        created_at=moment - timedelta(days=2),
        updated_at=min(approved, _LAST_MOMENT),
        previous_id=INVOICE_ID + document_key(commitment, sequence - 1) if sequence > 1 else None,
        moving=moving(commitment),
        planted=word.planted,
    )


def own_number(commitment: Commitment, sequence: int) -> str | None:
    """The vendor's own number; unlike those of its other contracts, except where planted."""
    if (commitment.number, sequence) in DUPLICATED:
        return DUPLICATED[commitment.number, sequence]
    if commitment.number in OWN_NUMBERS:
        return f"{OWN_NUMBERS[commitment.number]}-{sequence:02d}"
    return f"{SERIES + contract_key(commitment)}-{sequence:02d}" if commitment.id % 2 == 0 else None


def _spoiled(draw: Draw[Commitment], before: Draw[Commitment] | None) -> Draw[Commitment]:
    """The figures that only an older system can have left (planted #15 and #16)."""
    if draw.planted == 15:
        stated = sum((item.retainage for item in draw.items), LEGACY_RETAINAGE)
        return replace(draw, stated={"total_retainage": stated})
    if draw.planted == 16 and before is not None:
        stored = {item.key: item.stored for item in before.items}
        items = (replace(item, previous=item.previous + stored.get(item.key, ZERO)) for item in draw.items)
        return replace(draw, items=tuple(items))
    return draw
