"""Progress billing of a contract: what each draw states per line, as docs/domain-rules.md 3 defines it.

A draw is described by what happened (how far a line is, what lies stored, what is released); all else follows from the draw
before it. Money is Decimal with two places. Letters in comments are those of that section.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Generic, TypeVar

from sandbox.seed.changes import Change
from sandbox.seed.document_ids import Contract
from sandbox.seed.model import CENT, Commitment, Line
from sandbox.seed.prime_model import PrimeContract

Key = tuple[str, int]
"""Number of the change order ('' for the contract's own lines) and position of the line in it."""

ZERO = Decimal("0.00")
ELIGIBLE = ("approved", "approved_as_noted")
C = TypeVar("C", Commitment, PrimeContract)


@dataclass(frozen=True, slots=True)
class Move:
    """What happened on a line: ``completed`` is the work in place to date, ``stored`` the material that lies there now."""

    completed: Decimal
    stored: Decimal
    released: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a draw."""

    key: Key
    line: Line
    change: Change | None = None
    previous: Decimal = ZERO
    """P"""
    work: Decimal = ZERO
    """W"""
    moved: Decimal = ZERO
    """MV"""
    stored: Decimal = ZERO
    """S"""
    stored_before: Decimal = ZERO
    retained_previous: Decimal = ZERO
    """rP, with what was moved to it"""
    retained_moved: Decimal = ZERO
    retained_work: Decimal = ZERO
    """rW"""
    released: Decimal = ZERO
    """rR"""
    retained_stored: Decimal = ZERO
    """rS"""
    retained_stored_before: Decimal = ZERO
    tax: Decimal = ZERO

    @property
    def in_place(self) -> Decimal:
        return self.previous + self.work

    @property
    def completed(self) -> Decimal:
        """T"""
        return self.in_place + self.stored

    @property
    def retainage(self) -> Decimal:
        """R"""
        return self.retained_previous + self.retained_work - self.released + self.retained_stored

    @property
    def gross(self) -> Decimal:
        """G"""
        return self.work + self.moved + self.stored - self.stored_before

    @property
    def held(self) -> Decimal:
        return self.retained_work + self.retained_stored - self.retained_stored_before + self.retained_moved

    @property
    def moves(self) -> bool:
        """Does it post anything?"""
        return any((self.gross, self.held, self.released, self.tax))


@dataclass(frozen=True, slots=True)
class Draw(Generic[C]):
    """A subcontractor's or an owner's invoice. ``linked``: it is posted in the ERP; ``own_number``: the vendor's."""

    id: int
    contract: C
    sequence: int
    own_number: str | None
    number: str
    billing_date: date
    status: str
    linked: bool
    items: tuple[Item, ...]
    changes: tuple[Change, ...]
    created_at: datetime
    updated_at: datetime
    previous_id: int | None = None
    moving: bool = False
    planted: int = 0
    stated: Mapping[str, Decimal] = field(default_factory=dict)
    """Figures of the summary that override the derived ones, as an older system left them."""

    @property
    def gross(self) -> Decimal:
        return _sum(item.gross for item in self.items)

    @property
    def held(self) -> Decimal:
        return _sum(item.held for item in self.items)

    @property
    def released(self) -> Decimal:
        return _sum(item.released for item in self.items)

    @property
    def tax(self) -> Decimal:
        return _sum(item.tax for item in self.items)

    @property
    def payable(self) -> Decimal:
        """Net of retainage, with tax."""
        return self.gross - self.held + self.released + self.tax

    @property
    def eligible(self) -> bool:
        return self.status in ELIGIBLE


AnyDraw = Draw[Commitment] | Draw[PrimeContract]


class Progress:
    """How far a contract is billed; every call of :meth:`draw` is the next invoice."""

    def __init__(self, contract: Contract, *, moving: bool, tax_rates: Mapping[str, Decimal]) -> None:
        self.contract = contract
        self.moving = moving
        self.tax_rates = tax_rates
        self.changes: list[Change] = []
        self.items: dict[Key, Item] = {("", line.position): Item(("", line.position), line) for line in contract.lines}

    def include(self, changes: Iterable[Change]) -> None:
        """From now on these change orders are on the form."""
        for change in changes:
            if change not in self.changes:
                self.changes.append(change)
                for line in change.lines:
                    key = (change.number, line.position)
                    self.items[key] = Item(key, line, change)

    def draw(self, moves: Mapping[Key, Move]) -> tuple[Item, ...]:
        """The items of the next invoice; lines that are not named stay as they are."""
        for key, before in self.items.items():
            self.items[key] = self._next(before, moves.get(key))
        return tuple(self.items.values())

    def _next(self, before: Item, move: Move | None) -> Item:
        """Where stored materials are moved, they stand in P from the next invoice on, with their retainage (MV)."""
        moved, retained_moved = (before.stored, before.retained_stored) if self.moving else (ZERO, ZERO)
        previous = before.in_place + moved
        stored = move.stored if move else before.stored - moved
        work = move.completed - previous if move else ZERO
        if moved:  # what was moved counts as in place, however far the work has come
            work = max(work, ZERO)
        gross = work + moved + stored - before.stored
        return Item(
            key=before.key,
            line=before.line,
            change=before.change,
            previous=previous,
            work=work,
            moved=moved,
            stored=stored,
            stored_before=before.stored,
            retained_previous=before.retained_previous + before.retained_work - before.released + retained_moved,
            retained_moved=retained_moved,
            retained_work=self._share(work, self.contract.retainage),
            released=move.released if move else ZERO,
            retained_stored=self._share(stored, self.contract.retainage),
            retained_stored_before=before.retained_stored,
            tax=self._share(gross, self.tax_rates[before.line.tax_code]) if before.line.tax_code else ZERO,
        )

    @staticmethod
    def _share(amount: Decimal, percent: Decimal) -> Decimal:
        return (amount * percent / 100).quantize(CENT, ROUND_HALF_UP)

    # -- how draws are described ---------------------------------------------------------------------------------------

    def reach(self, percent: Decimal, stored: Decimal, *, evenly: bool) -> dict[Key, Move]:
        """Work in place of ``percent`` of the contract, line after line (or ``evenly``), and ``stored`` percent of it beside the
        first line that has room; change orders are billed in full. What goes beyond 100 % stands on the last line."""
        lines = self.contract.lines
        if evenly:
            moves = {("", x.position): Move(self._share(x.amount, percent), ZERO) for x in lines}
        else:
            moves = _in_turn(lines, (self.contract.amount * percent / 100).quantize(CENT if percent == 100 else Decimal(1)))
        rest = (self.contract.amount * stored / 100).quantize(Decimal(1))
        for line in lines:
            done = moves["", line.position].completed
            room = min(rest, max(ZERO, line.amount - done))
            moves["", line.position] = Move(done, room + ZERO)
            rest -= room
        return moves | {(c.number, x.position): Move(x.amount, ZERO) for c in self.changes for x in c.lines}

    def told(self, text: str) -> dict[Key, Move]:
        """Moves from words: ``3 W367200 S30600; 001/2 W11500; 1 R6200`` (line, or change order and line)."""
        moves = {}
        for entry in text.split(";"):
            where, *figures = entry.split()
            change, _, position = where.rpartition("/")
            key = (change, int(position))
            given = {name: Decimal(value).quantize(CENT) for name, value in (_FIGURE.fullmatch(f).groups() for f in figures)}  # type: ignore[union-attr]
            before = self.items[key]
            moves[key] = Move(before.in_place + given.get("W", ZERO), given.get("S", before.stored), given.get("R", ZERO))
        return moves


_FIGURE = re.compile(r"([WSR])(-?[\d.]+)")


def _in_turn(lines: Sequence[Line], target: Decimal) -> dict[Key, Move]:
    moves, rest = {}, target + ZERO
    for line in lines:
        part = rest if line is lines[-1] else min(rest, line.amount)
        moves["", line.position] = Move(part, ZERO)
        rest -= part
    return moves


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
