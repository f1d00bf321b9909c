"""Change orders of commitments and of prime contracts (docs/domain-rules.md 2.4, 2.7 and 5.1 to 5.4).

Those of the small company are a table of text. A head names contract and number, state, day of approval and title; a line is new
(``code type amount text``) or changes one of the schedule of values (``=7 amount text``); ``%`` is mark-up. Unit prices end in
``| quantity unit cost``. All others follow from their contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random

from sandbox.seed.company import Company
from sandbox.seed.document_ids import CHANGE_ID, PACKAGE_ID, Contract, change_line_id, document_key
from sandbox.seed.model import CENT, Line
from sandbox.seed.prime_model import PRIME
from sandbox.seed.tables import NAMED_JOBS, day

ZERO = Decimal("0.00")
LAST_DAY = day("2026-09-29")
STATUS = {"linked": "approved", "new": "approved", "pending": "pending", "draft": "draft"}


@dataclass(frozen=True, slots=True)
class Change:
    """A change order package in Procore; ``linked``: posted in the ERP. ``decided``: the day of its approval, or last change.

    ``changes`` tells, by position, which line of the schedule of values a line changes; the others are new lines.
    """

    contract: Contract
    sequence: int
    title: str
    state: str
    decided: date
    lines: tuple[Line, ...]
    changes: tuple[tuple[int, int], ...]
    updated_at: datetime
    markup: Decimal = ZERO
    markup_text: str = ""
    planted: int = 0

    @property
    def number(self) -> str:
        return f"{self.sequence:03d}"

    @property
    def key(self) -> str:
        return f"{self.contract.number}/{self.number}"

    @property
    def id(self) -> int:
        return PACKAGE_ID + document_key(self.contract, self.sequence)

    @property
    def pco_id(self) -> int:
        """The potential change order that holds the lines."""
        return CHANGE_ID + document_key(self.contract, self.sequence)

    def line_id(self, position: int) -> int:
        return change_line_id(self.contract, self.sequence, position)

    @property
    def status(self) -> str:
        return STATUS[self.state]

    @property
    def linked(self) -> bool:
        return self.state == "linked"

    @property
    def approved(self) -> bool:
        return self.status == "approved"

    @property
    def amount(self) -> Decimal:
        """With its mark-up."""
        return sum((line.amount for line in self.lines), self.markup)

    def changed_line(self, position: int) -> int | None:
        return dict(self.changes).get(position)


COMMITMENT_CHANGES = """
104-SC-001/001 linked 2026-08-11 Unforeseen slab
    02-4100 C 6840.00 Unforeseen slab on grade
104-SC-003/001 linked 2026-08-06 Canopy framing and embeds
    05-1200 C 26750.00 Canopy framing
    05-1200 C 11500.00 Added embeds
104-SC-003/002 new 2026-09-02 Delete screen posts
    =7 -9500.00 Delete screen posts
104-SC-003/003 pending 2026-09-21 Roof screen, west
    05-1200 C 14800.00 Roof screen, west
104-SC-004/001 linked 2026-08-13 Thickened slab edges
    =3 12420.00 Thickened slab edges
    03-3000 C 6200.00 Equipment pads, level 3
104-SC-007/001 linked 2026-08-18 Fixture substitution
    =5 -4150.00 Fixture substitution
104-SC-009/001 linked 2026-07-22 Added panel, imaging room
    26-2000 C 12480.00 Added panel, imaging room
098-PO-001/001 linked 2026-08-20 Added mesh, gymnasium
    03-3000 M 4360.00 Added mesh, gymnasium
098-SC-001/001 linked 2026-07-16 Added control joints
    =1 3150.00 Added control joints
    04-2000 C 1875.00 Lintel, room 114
098-SC-002/001 new 2026-09-11 Added deck openings
    05-3100 C 7420.00 Deck openings and angles
098-SC-004/001 linked 2026-07-21 Walkway pads
    07-5000 C 5600.00 Walkway pads
098-SC-005/001 new 2026-09-08 Move insulation to west wall
    =1 5000.00 West wall
    =3 -5000.00 East wall
098-SC-006/001 draft 2026-09-22 Bird-safe glass
    08-4000 C 31400.00 Bird-safe glass, south
098-SC-014/001 draft 2026-09-15 Kitchen exhaust
    23-3000 C 18250.00 Kitchen exhaust
098-SC-017/001 new 2026-09-04 Game lines
    =2 2750.00 Game lines
112-SC-001/001 draft 2026-09-24 Server room unit
    23-3000 C 8800.00 Server room unit
112-SC-003/001 new 2026-09-10 planted 12 Delete wireless points
    =1 -1500.00 Delete wireless points, pathways
    =2 -2500.00 Delete wireless points, cable
112-SC-004/001 linked 2026-07-14 Added backing
    06-1000 C 1340.00 Added backing, level 4
112-SC-009/001 new 2026-08-25 Accent wall, level 4
    09-9100 C 1160.00 Accent wall, level 4
112-SC-010/001 new 2026-09-12 planted 11 Accent wall, level 3
    09-9100 C 1160.00 Accent wall, level 3
107-SC-002/001 linked 2026-08-15 Sheet flooring, lobby
    =1 8593.75 Sheet flooring, lobby | 1250 sf 6.8750
107-SC-004/001 new 2026-09-18 Cab finishes
    14-2000 C 24600.00 Cab finishes
107-SC-006/001 linked 2026-07-09 Booster pump
    22-1000 C 38750.00 Booster pump
107-SC-006/002 new 2026-09-15 Trench drains, garage
    22-1000 C 21300.00 Trench drains, garage
107-SC-006/003 pending 2026-09-25 Bottle fillers
    22-1000 C 9640.00 Bottle fillers
107-SC-009/001 linked 2026-08-19 Added soffit
    06-1000 C 7450.00 Added soffit
107-SC-010/001 new 2026-07-29 Duct reroute, level 9
    =1 6300.00 Duct reroute, level 9
107-SC-011/001 pending 2026-09-03 Car charging rough-in
    26-2000 C 87500.00 Car charging rough-in
201-SC-001/001 linked 2026-07-12 Additional geotextile
    31-2000 C 3862.50 Additional geotextile | 3000 sy 1.2875
201-SC-002/001 linked 2026-07-24 Barrier removal
    02-4100 C 9400.00 Barrier removal
201-SC-005/001 new 2026-09-07 Reduced deck overlay
    =2 -18000.00 Reduced deck overlay
    =3 -12000.00 Reduced approach slab
201-SC-006/001 pending 2026-09-23 Bearing plates
    05-1200 C 16200.00 Bearing plates
201-SC-008/001 new 2026-09-14 Span 3 conduit
    26-2000 C 11850.00 Span 3 conduit
"""
"""14 linked, 12 new, 7 not decided. 107-SC-009/001 left its line of amount zero in Procore's schedule of values."""

PRIME_CHANGES = """
104-PC-001/001 linked 2026-08-14 Canopy and unforeseen slab
    05-1200 C 44300.00 Canopy framing and embeds
    02-4100 C 8000.00 Unforeseen slab
104-PC-001/002 new 2026-09-10 Delete roof screen posts
    =6 -11200.00 Delete roof screen posts
104-PC-001/003 pending 2026-09-24 Roof screen, west
    05-1200 C 17400.00 Roof screen, west
    % 4350.00 Overhead and profit
098-PC-001/001 linked 2026-07-22 Added lintels and joints
    04-2000 C 6100.00 Added lintels and joints
098-PC-001/002 linked 2026-08-12 Roof walkway pads
    07-5000 C 6400.00 Roof walkway pads
    % 640.00 Overhead and profit
098-PC-001/003 new 2026-09-09 Gymnasium game lines
    =10 3300.00 Gymnasium game lines
098-PC-001/004 pending 2026-09-23 Kitchen exhaust
    23-3000 C 21000.00 Kitchen exhaust
107-PC-001/001 linked 2026-07-17 Booster pump
    22-1000 C 42500.00 Booster pump
107-PC-001/002 linked 2026-09-03 Lobby flooring upgrade
    09-6500 C 9450.00 Lobby flooring upgrade
    % 945.00 Overhead and profit
107-PC-001/003 new 2026-09-17 Trench drains, garage
    22-1000 C 23600.00 Trench drains, garage
    % 2360.00 Overhead and profit
201-PC-001/001 linked 2026-08-05 Barrier removal
    02-4100 C 10450.00 Barrier removal
201-PC-001/002 new 2026-09-11 Reduced deck overlay
    =3 -24000.00 Reduced deck overlay
201-PC-001/003 pending 2026-09-25 Bearing plates
    05-1200 C 18900.00 Bearing plates
"""
"""6 linked, 4 new, 3 not decided; those with mark-up are not billed yet."""

_HEAD = re.compile(r"(\S+)/(\d+) (linked|new|pending|draft) (\S+) (?:planted (\d+) )?(.+)")


def changes(company: Company, contract: Contract) -> list[Change]:
    """A contract's change orders, in the order of their numbers. A reduced company has none of the planted ones."""
    if in_tables(contract):
        found = [_from_text(contract, head, rows) for head, rows in _table().get(table_name(contract), ())]
        return [change for change in found if company.size.whole or not change.planted]
    return list(_generated(contract))


def in_tables(contract: Contract) -> bool:
    """Whether a contract's documents stand in tables: those of the small company do, those beyond it follow a rule."""
    return contract.id in _small_commitments() or (contract.kind == PRIME and contract.job.index < len(NAMED_JOBS))


def table_name(contract: Contract) -> str:
    """What a contract is called in the tables. Planted #9 has none: it carries the number of another job's."""
    return contract.number if contract.number.startswith(contract.job.prefix) else ""


@cache
def _small_commitments() -> frozenset[int]:
    company = Company()
    return frozenset(commitment.id for job in company.jobs() for commitment in company.commitments(job))


@cache
def _table() -> dict[str, list[tuple[str, list[str]]]]:
    """Heads with their lines, by contract number."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    lines: list[str] = []
    for row in filter(None, (COMMITMENT_CHANGES + PRIME_CHANGES).splitlines()):
        if row.startswith(" "):
            lines.append(row.strip())
        else:
            lines = []
            found.setdefault(row.partition("/")[0], []).append((row, lines))
    return found


def _from_text(contract: Contract, head: str, rows: list[str]) -> Change:
    _, sequence, state, decided, planted, title = _HEAD.fullmatch(head).groups()  # type: ignore[union-attr]
    lines = [_line(contract, position, row) for position, row in enumerate((r for r in rows if r[0] != "%"), start=1)]
    change = _change(contract, int(sequence), title, state, day(decided), lines)
    for row in rows:
        if row[0] == "%":
            _, amount, words = row.split(maxsplit=2)
            change = replace(change, markup=Decimal(amount), markup_text=words)
    return replace(change, planted=int(planted or 0))


def _line(contract: Contract, position: int, row: str) -> tuple[Line, int | None]:
    """A line and the position of the line that it changes."""
    text, _, price = row.partition(" | ")
    changed = None
    if text[0] == "=":
        where, amount, words = text[1:].split(maxsplit=2)
        changed = int(where)
        code, type = next((x.code, x.type) for x in contract.lines if x.position == changed)
    else:
        code, type, amount, words = text.split(maxsplit=3)
    line = Line(position, code, type, words, Decimal(amount))
    if price:
        quantity, unit, unit_cost = price.split()
        line = replace(line, quantity=Decimal(quantity), unit=unit, unit_cost=Decimal(unit_cost), extended_type="calculated")
    return line, changed


def _change(
    contract: Contract, sequence: int, title: str, state: str, decided: date, lines: Sequence[tuple[Line, int | None]]
) -> Change:
    rnd = Random(f"{contract.id} change {sequence}")
    return Change(
        contract=contract,
        sequence=sequence,
        title=title,
        state=state,
        decided=decided,
        lines=tuple(line for line, _ in lines),
        changes=tuple((line.position, changed) for line, changed in lines if changed is not None),
        updated_at=datetime(decided.year, decided.month, decided.day, 8, tzinfo=UTC) + timedelta(seconds=rnd.randrange(30_000)),
    )


def _generated(contract: Contract) -> Iterator[Change]:
    """About as many as in the small company: every second linked contract has one, every fifth of the others."""
    rnd = Random(f"{contract.id} changes")
    states = ("linked", "linked", "new") if contract.linked else ("new", "new", "pending", "draft")
    if not getattr(contract, "eligible", True) or rnd.randrange(100) >= (52 if contract.linked else 21):
        return
    state, line = rnd.choice(states), rnd.choice(contract.lines)
    signed = max(contract.contract_date, day("2026-06-30"))
    decided = (
        min(signed + timedelta(days=rnd.randrange(2, 70)), LAST_DAY)
        if state != "new"
        else LAST_DAY - timedelta(days=rnd.randrange(9))
    )
    amount = (abs(line.amount) * rnd.randint(2, 9) / 100).quantize(Decimal(1)) + CENT * 0
    number, changed = len(contract.lines), rnd.choice((None, line.position))
    yield _change(
        contract,
        1,
        f"Added work, {number} lines",
        state,
        max(decided, contract.contract_date),
        [(Line(1, line.code, line.type, f"Added: {line.text}"[:60], amount), changed)],
    )
