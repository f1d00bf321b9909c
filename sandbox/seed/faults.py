"""Planted problems among the new commitments, each beside a twin that differs in nothing else (docs/domain-rules.md 5.4).

A slot makes two contracts on one job: the twin, and one that carries the fault where the seed asks for it and is good otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sandbox.seed.model import Line, schedule
from sandbox.seed.tables import DUAL_VENDOR, FULL_HOLD_VENDOR, PAYMENT_HOLD_VENDOR, PO, SC


@dataclass(frozen=True, slots=True)
class Draft:
    """A commitment before it has a number and ids. ``vendor``: number of a linked vendor; None: the one in Procore only."""

    kind: str
    title: str
    vendor: int | None
    lines: tuple[Line, ...]
    currency: str = "USD"
    unit_accounting: bool = False


@dataclass(frozen=True, slots=True)
class Special:
    """A contract made for what it shows. ``planted``: number of its problem; its twin is the contract ``twin_title``."""

    job: str
    state: str
    draft: Draft
    status: str | None = None
    executed: bool = True
    planted: int = 0
    problem: str = ""
    twin_title: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place among the new commitments. ``spoil`` makes the good draft faulty, in the ``seeds`` that ask for it."""

    number: int
    job: str
    draft: Draft
    twin_title: str
    spoil: Callable[[Draft], Draft]
    problem: str
    rule: str
    expected: str
    seeds: tuple[str, ...] = ("planted", "closed_gate")
    twin_of: int | None = None
    """Without a twin of its own: the slot whose twin has the same schedule of values."""


def _line(position: int, **change: Any) -> Callable[[Draft], Draft]:
    def spoil(draft: Draft) -> Draft:
        lines = tuple(replace(line, **change) if line.position == position else line for line in draft.lines)
        return replace(draft, lines=lines)

    return spoil


def _draft(**change: Any) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, **change)


_PAINT = schedule(
    """
    09-9100 C     3200.00 Primer
    09-9100 C     8650.00 Walls
    09-9100 C     2140.00 Doors and frames
    09-9100 C      910.00 Touch-up
    """
)
_FLOOR = schedule(
    """
    09-6500 C    11800.00 Sheet flooring
    09-6500 C     2360.00 Base
    09-6500 C     1975.00 Stair treads
    09-6500 C      640.00 Attic stock
    """
)
_LOBBY = schedule(
    """
    09-2900 C     4100.00 Furring
    09-2900 C     6850.00 Board
    09-9100 C     9300.00 Wall finish
    09-9100 C     1180.00 Trim
    """
)
_CURBS = schedule(
    """
    03-3000 C     5400.00 Forms
    03-3000 C    12650.00 Place and finish
    03-3000 C     1875.00 Joints
    03-3000 C      720.00 Protection
    """
)
_SEALANT = schedule(
    """
    07-2100 C     4480.00 Perimeter
    07-2100 C     7315.00 Window joints
    07-2100 C     2260.00 Floor joints
    07-2100 C      850.00 Mock-up
    """
)
_CANOPY = schedule(
    """
    05-1200 C     2900.00 Shop drawings
    05-1200 C    18400.00 Canopy frame
    05-1200 C     9750.00 Erection
    05-5000 C     4385.00 Handrail
    """
)
_SIGNAL = schedule(
    """
    26-2000 C     6200.00 Conduit
    26-2000 C     5130.00 Wire
    26-2000 C     8425.00 Panels
    26-2000 C      975.00 Labels and tests
    """
)
_DECK = schedule(
    """
    03-3000 C     7400.00 Patch, span 1
    03-3000 C     8125.00 Patch, span 2
    03-3000 C     1360.00 Cure
    31-2000 C     4690.00 Approach fill
    """
)
_HOIST = schedule(
    """
    01-5000 E     1800.00 Mobilize
    01-5000 E     6400.00 Rental, month 1
    01-5000 E     6400.00 Rental, month 2
    01-5000 E     1800.00 Demobilize
    """
)
_TILE = schedule(
    """
    09-5100 M    10140.00 Ceiling tile, carton | 120 ea 84.50
    09-5100 M     1935.00 Grid, main runners | 860 lf 2.25
    09-5100 M      341.25 Hanger wire | 650 ea 0.525
    09-5100 M      480.00 Delivery | 1 ls 480.00
    """
)
GATE = ("closed_gate",)

SLOTS: tuple[Slot, ...] = (
    Slot(
        1,
        "26-112",
        Draft(SC, "Painting, level 3", 13, _PAINT),
        "Painting, level 4",
        _draft(vendor=None),
        "vendor exists in Procore only",
        "M-02",
        "held",
    ),
    Slot(
        2,
        "26-112",
        Draft(SC, "Flooring, level 3", 12, _FLOOR),
        "Flooring, level 4",
        _draft(vendor=FULL_HOLD_VENDOR),
        "vendor on full hold",
        "M-02",
        "held",
    ),
    Slot(
        7,
        "26-112",
        Draft(PO, "Ceiling tile, level 3", 11, _TILE, unit_accounting=True),
        "Ceiling tile, level 4",
        _line(1, amount=Decimal("10104.00")),
        "line of 120 EA x 84.50 typed calculated says 10,104.00 instead of 10,140.00",
        "M-09",
        "quarantined",
    ),
    Slot(
        3,
        "25-107",
        Draft(SC, "Wall finishes, lobby east", 10, _LOBBY),
        "Wall finishes, lobby west",
        _line(3, code="09-7200"),
        "line 3 uses code 09-7200, which the job lacks in the ERP",
        "M-05",
        "held",
    ),
    Slot(
        4,
        "25-107",
        Draft(SC, "Concrete curbs, court A", 3, _CURBS),
        "Concrete curbs, court B",
        _line(2, code="03"),
        "line 2 is on division header 03",
        "M-06",
        "quarantined",
    ),
    Slot(
        5,
        "25-107",
        Draft(SC, "Sealants, building A", 7, _SEALANT),
        "Sealants, building B",
        _line(3, code="07-9000"),
        "line 3 is on inactive code 07-9000",
        "M-07",
        "quarantined",
    ),
    Slot(
        6,
        "25-098",
        Draft(SC, "Entrance canopy, north", 17, _CANOPY),
        "Entrance canopy, south",
        _line(2, type="M"),
        "line 2 uses 05-1200 with cost type M, which is not assigned on the job",
        "M-08",
        "held",
    ),
    Slot(
        8,
        "25-098",
        Draft(SC, "Classroom clock & bell wiring", 19, _SIGNAL),
        "Gymnasium clock and bell wires",
        _draft(title="Classroom clock and bell wiring"),
        "title of 31 characters",
        "M-11",
        "quarantined",
    ),
    Slot(
        9,
        "25-104",
        Draft(PO, "Hoist rental", 21, _HOIST),
        "",
        _draft(),
        "number already used by a commitment of job 25-098",
        "M-10",
        "conflict",
    ),
    Slot(
        26,
        "25-201",
        Draft(SC, "Deck patching, stage 1", 3, _DECK),
        "Deck patching, stage 2",
        _draft(currency="CAD"),
        "currency CAD on a job in USD",
        "R-03",
        "quarantined",
    ),
    Slot(
        101,
        "25-098",
        Draft(SC, "Playground curbs", 27, _CURBS),
        "",
        _line(4, code="03"),
        "line 4 is on division header 03",
        "M-06",
        "quarantined",
        GATE,
        4,
    ),
    Slot(
        102,
        "25-107",
        Draft(SC, "Flooring, model unit", 12, _FLOOR),
        "",
        _draft(vendor=FULL_HOLD_VENDOR),
        "vendor on full hold",
        "M-02",
        "held",
        GATE,
        2,
    ),
    Slot(
        103,
        "25-201",
        Draft(SC, "Utility bridge brackets", 41, _CANOPY),
        "",
        _line(3, type="M"),
        "line 3 uses 05-1200 with cost type M, which is not assigned on the job",
        "M-08",
        "held",
        GATE,
        6,
    ),
    Slot(
        104,
        "25-201",
        Draft(SC, "Navigation lights, spans 1-4", 43, _SIGNAL),
        "",
        _draft(title="Navigation lights, spans 1 to 4"),
        "title of 31 characters",
        "M-11",
        "quarantined",
        GATE,
        8,
    ),
)
"""The numbers are those of docs/domain-rules.md 5.4; from 101 on: faults of the second seed only, good contracts in the first."""

_RAIL = schedule(
    """
    05-5000 C    48200.00 Railings, building A
    05-5000 C    51750.00 Railings, building B
    05-5000 C    12400.00 Gates
    05-1200 C     9350.00 Bracing
    """
)
_RAISED = tuple(
    replace(line, amount=Decimal("14900.00"), erp_amount=line.amount) if line.position == 3 else line for line in _RAIL
)
_MIX = schedule(
    """
    03-3000 M    38600.00 4000 psi mix
    03-3000 M     7250.00 Grout mix
    03-3000 M     5400.00 Pump
    03-3000 M     1190.00 Short loads
    """
)
_STAIR = schedule(
    """
    06-1000 C    16400.00 Blocking
    06-1000 C    27300.00 Stair framing
    06-1000 C    19850.00 Sheathing
    06-1000 C     2200.00 Cleanup
    06-1000 C        0.00 Added soffit, change order 1
    """
)
_STORE = schedule(
    """
    08-4000 C    86400.00 Storefront, lobby
    08-4000 C    31750.00 Entrances
    08-4000 C     9880.00 Hardware
    08-4000 C   -12600.00 Credit, alternate 2
    """
)
_UNITS = schedule(
    """
    09-9100 C    14200.00 Primer
    09-9100 C    38900.00 Corridors
    09-9100 C    71650.00 Units
    09-9100 C     8740.00 Stairwells
    """
)
_GYM = schedule(
    """
    09-6500 C    64200.00 Sheet flooring
    09-6500 C    21800.00 Sheet flooring
    09-6500 C     9350.00 Base
    09-2900 C    11700.00 Subfloor board
    """
)
_ALARM = schedule(
    """
    26-2000 C    18400.00 Panel
    26-2000 C    22650.00 Devices
    26-2000 C    13100.00 Wire
    26-2000 C     2975.00 Test
    """
)

_STRIP = schedule(
    """
    02-4100 C     3100.00 Protection
    02-4100 C    17850.00 Selective demolition, level 3
    02-4100 C     8600.00 Haul-off
    02-4100 C     1950.00 Cleanup
    """
)

SPECIAL: tuple[Special, ...] = (
    Special("26-112", "linked", Draft(SC, "Selective demolition", 0, _STRIP)),
    Special("25-107", "linked", Draft(SC, "Balcony railings, phase 1", 41, _RAIL)),
    Special(
        "25-107",
        "linked",
        Draft(SC, "Balcony railings, phase 2", 17, _RAISED),
        planted=10,
        twin_title="Balcony railings, phase 1",
        problem="line 3 raised from 12,400.00 to 14,900.00 after approval, lock off",
    ),
    Special("25-107", "linked", Draft(PO, "Ready-mixed concrete, tower", DUAL_VENDOR, _MIX), status="Received"),
    Special("25-107", "linked", Draft(SC, "Stair framing", 5, (*_STAIR[:-1], replace(_STAIR[-1], erp=False)))),
    Special("25-107", "new", Draft(SC, "Lobby storefront", 9, _STORE)),
    Special("25-107", "new", Draft(SC, "Painting, building C", PAYMENT_HOLD_VENDOR, _UNITS)),
    Special("25-098", "new", Draft(SC, "Gymnasium flooring", 12, _GYM)),
    Special("25-098", "new", Draft(SC, "Fire alarm", 19, _ALARM), executed=False),
)
"""Good contracts that a naive sync would trip over (a purchase order received after its link, the line of amount zero that a
change order left behind, a credit line, a vendor on payment hold, one code on two lines, not executed yet), planted #10, and a
contract that is paid together with one of another job."""

EXTRA_TYPES = {("25-098", "05-1200"): "M", ("25-201", "05-1200"): "M", ("25-107", "03"): "C", ("25-098", "03"): "C"}
"""Budget codes that somebody made in Procore and that the ERP does not assign (planted #6 and #4)."""

DUPLICATE_NUMBER = "098-PO-001"
"""Planted #9 carries the number of this linked purchase order of another job; its twin is a purchase order of its own job."""
DUPLICATE_TWIN = "104-PO-003"


def slots_of(job: str) -> tuple[Slot, ...]:
    return tuple(slot for slot in SLOTS if slot.job == job)
