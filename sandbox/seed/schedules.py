"""What is contracted for: the golden job's twelve commitments to the cent, and the scopes from which all others are made.

Schedules are tables of text, one line each: code, Procore cost type, amount, text; unit prices end in ``| quantity unit cost``.
Source: docs/domain-rules.md 5.2 and 5.3; the lines of commitments that 5.3 gives in total only are ours.
"""

from __future__ import annotations

from typing import NamedTuple

from sandbox.seed.model import Line, schedule
from sandbox.seed.tables import PO, SC


class Item(NamedTuple):
    """A line of a scope. Unit prices: ``quantity`` is per ten million of job value."""

    code: str
    type: str
    text: str
    unit: str = ""
    unit_cost: str = ""
    quantity: int = 0


class Scope(NamedTuple):
    """A trade's usual contract. ``thousands``: contract sum per ten million of job value, in thousands (0: unit prices)."""

    title: str
    kind: str
    trade: str
    thousands: int
    items: tuple[Item, ...]


class GoldenCommitment(NamedTuple):
    """A commitment of 25-104. ``vendor``: a number, if not the trade's first one."""

    number: str
    kind: str
    trade: str
    title: str
    linked: bool
    contract_date: str
    lines: tuple[Line, ...]
    vendor: int | None = None


def items(text: str) -> tuple[Item, ...]:
    """Items from lines ``code type text`` or ``code type text | unit cost quantity``."""
    found = []
    for row in filter(None, map(str.strip, text.splitlines())):
        left, _, price = row.partition(" | ")
        code, type, words = left.split(maxsplit=2)
        unit, cost, quantity = price.split() if price else ("", "", "0")
        found.append(Item(code, type, words, unit, cost, int(quantity)))
    return tuple(found)


SCOPES = (
    Scope("Demolition", SC, "demolition", 160, items("""
        02-4100 C Mobilization
        02-4100 C Selective demolition
        02-4100 C Haul-off
        31-1000 C Site clearing
    """)),
    Scope("Earthwork", SC, "earthwork", 0, items("""
        31-2000 C Excavation | cy 14.2500 9200
        31-2000 C Structural fill | cy 21.8750 4100
        31-2000 C Trench backfill | cy 17.4000 2600
        31-1000 C Clearing and grubbing | sy 1.8525 6400
        31-2000 C Fine grading | sy 2.3375 8800
    """)),
    Scope("Site utilities", SC, "utilities", 0, items("""
        33-1000 C Water main | lf 86.5000 950
        33-1000 C Fire service | lf 74.2500 420
        33-1000 C Valves and hydrants | ea 3150.0000 9
        33-1000 C Testing | ls 4800.0000 1
    """)),
    Scope("Concrete", SC, "concrete", 820, items("""
        03-3000 C Footings
        03-3000 C Walls
        03-3000 C Slab on grade
        03-3000 C Elevated slabs
        03-3000 C Pads and curbs
    """)),
    Scope("Ready-mixed concrete", PO, "concrete", 0, items("""
        03-3000 M 4000 psi mix | cy 148.7500 380
        03-3000 M 3000 psi mix | cy 137.2500 190
        03-3000 M Fiber additive | cy 9.3625 570
        03-3000 M Short loads | ea 85.0000 14
    """)),
    Scope("Reinforcing steel, supply", PO, "rebar", 95, items("""
        03-3000 M Footing bars
        03-3000 M Wall bars
        03-3000 M Slab mesh
        03-3000 M Detailing and delivery
    """)),
    Scope("Masonry", SC, "masonry", 290, items("""
        04-2000 C Block walls
        04-2000 C Brick veneer
        04-2000 C Grout and reinforcing
        04-2000 C Cleaning
    """)),
    Scope("Structural steel", SC, "steel", 1150, items("""
        05-1200 C Shop drawings
        05-1200 C Fabricate and deliver
        05-1200 C Erect
        05-3100 C Deck
        05-5000 C Stairs and rails
        05-1200 C Closeout
    """)),
    Scope("Rough carpentry", SC, "carpentry", 150, items("""
        06-1000 C Blocking
        06-1000 C Sheathing
        06-1000 C Parapet framing
        06-1000 C Rooftop curbs
    """)),
    Scope("Lumber, supply", PO, "carpentry", 0, items("""
        06-1000 M Studs | lf 0.8125 21000
        06-1000 M Sheathing panels | ea 41.6000 640
        06-1000 M Treated sills | lf 2.1475 3300
        06-1000 M Fasteners | ls 2450.0000 1
    """)),
    Scope("Roofing and waterproofing", SC, "roofing", 350, items("""
        07-5000 C Membrane
        07-5000 C Tapered insulation
        07-5000 C Flashing
        07-5000 C Roof hatches
    """)),
    Scope("Insulation", SC, "insulation", 170, items("""
        07-2100 C Wall insulation
        07-2100 C Rigid board
        07-2100 C Air barrier
        07-2100 C Firestopping
    """)),
    Scope("Doors and frames, supply", PO, "doors", 60, items("""
        08-1100 M Frames
        08-1100 M Doors
        08-1100 M Lites and louvers
        08-1100 M Delivery
    """)),
    Scope("Curtain wall", SC, "glazing", 600, items("""
        08-4000 C Shop drawings and mock-up
        08-4000 C Frames, fabricate
        08-4000 C Glass
        08-4000 C Install
        08-4000 C Entrances
    """)),
    Scope("Drywall", SC, "drywall", 450, items("""
        09-2900 C Framing
        09-2900 C Board
        09-2900 C Tape and finish
        09-2900 C Soffits
    """)),
    Scope("Ceilings", SC, "ceilings", 150, items("""
        09-5100 C Grid
        09-5100 C Tile
        09-5100 C Wall panels
        09-5100 C Attic stock
    """)),
    Scope("Flooring", SC, "flooring", 0, items("""
        09-6500 C Sheet flooring | sf 6.8750 12400
        09-6500 C Base | lf 2.4425 5100
        09-6500 C Moisture treatment | sf 3.1250 6300
        09-6500 C Stair treads | ea 118.5000 96
    """)),
    Scope("Painting", SC, "painting", 140, items("""
        09-9100 C Primer
        09-9100 C Walls
        09-9100 C Doors and frames
        09-9100 C Exterior metals
    """)),
    Scope("Elevators", SC, "elevators", 190, items("""
        14-2000 C Submittals
        14-2000 C Equipment, deliver
        14-2000 C Install
        14-2000 C Test and turn over
    """)),
    Scope("Fire sprinklers", SC, "sprinklers", 155, items("""
        21-1000 C Design
        21-1000 C Mains
        21-1000 C Branch lines
        21-1000 C Heads and trim
    """)),
    Scope("Plumbing", SC, "plumbing", 490, items("""
        22-1000 C Underground
        22-1000 C Rough-in
        22-1000 C Equipment
        22-1000 C Fixtures
    """)),
    Scope("HVAC", SC, "mechanical", 840, items("""
        23-3000 C Ductwork
        23-3000 C Rooftop units
        23-3000 C Piping
        23-3000 C Controls
        23-3000 C Test and balance
    """)),
    Scope("Electrical", SC, "electrical", 730, items("""
        26-2000 C Service
        26-2000 C Branch rough-in
        26-2000 C Lighting
        26-2000 C Devices and trim
    """)),
    Scope("Low voltage", SC, "lowvoltage", 80, items("""
        26-2000 C Pathways
        26-2000 C Cable
        26-2000 C Terminations
        26-2000 C Test and label
    """)),
    Scope("Hoist and lift rental", PO, "rental", 55, items("""
        01-5000 E Mobilize
        01-5000 E Rental, months 1-2
        01-5000 E Rental, months 3-4
        01-5000 E Demobilize
    """)),
    Scope("Paving base", SC, "paving", 0, items("""
        31-2000 C Subgrade | sy 3.4500 7200
        31-2000 C Aggregate base | ton 28.6250 1900
        31-2000 C Geotextile | sy 1.2875 7200
        31-2000 C Proof rolling | hr 165.0000 18
    """)),
)  # fmt: skip
AREAS = ("", ", area A", ", area B", ", area C", ", area D", ", area E")

GOLDEN_JOB = "25-104"
GOLDEN = (
    GoldenCommitment(
        "104-SC-001", SC, "demolition", "Demolition", True, "2026-05-04", schedule("""
        02-4100 C     9200.00 Mobilization
        02-4100 C   118000.00 Building demolition
        02-4100 C    41500.00 Haul-off
        31-1000 C    15500.00 Site clearing
        """)),
    GoldenCommitment(
        "104-SC-002", SC, "earthwork", "Earthwork and utilities", True, "2026-05-11", schedule("""
        31-2000 C   214000.00 Mass excavation
        31-2000 C   128500.00 Engineered fill
        31-2000 C    96000.00 Footing excavation and backfill
        31-2000 C    62000.00 Fine grading
        33-1000 C   118000.00 Storm sewer
        33-1000 C    71000.00 Sanitary sewer
        33-1000 C    74000.00 Water main
        """)),
    GoldenCommitment(
        "104-SC-003", SC, "steel", "Structural steel", True, "2026-05-18", schedule("""
        05-1200 C    62000.00 Shop drawings
        05-1200 C    48500.00 Anchor bolts
        05-1200 C   612000.00 Steel, fabricate and deliver
        05-1200 C   318000.00 Steel, erect
        05-3100 C   146000.00 Deck, furnish
        05-3100 C    94500.00 Deck, install
        05-5000 C   173000.00 Stairs, rails, metals
        05-1200 C    32000.00 Touch-up and closeout
        """), 41),
    GoldenCommitment(
        "104-SC-004", SC, "concrete", "Concrete", True, "2026-05-18", schedule("""
        03-3000 C   196400.00 Footings
        03-3000 C   158000.00 Foundation walls
        03-3000 C   204000.00 Slab on grade
        03-3000 C   312000.00 Elevated slabs
        03-3000 C    48000.00 Stair fill and pads
        03-3000 C    80000.00 Site concrete
        """)),
    GoldenCommitment(
        "104-SC-005", SC, "masonry", "Masonry", True, "2026-06-08", schedule("""
        04-2000 C   188750.00 Block walls
        04-2000 C   126000.00 Brick veneer
        04-2000 C    31500.00 Grout and reinforcing
        04-2000 C    15000.00 Cleaning and sealing
        """)),
    GoldenCommitment(
        "104-SC-006", SC, "roofing", "Roofing and waterproofing", True, "2026-06-15", schedule("""
        07-5000 C   236400.00 Membrane
        07-5000 C    92500.00 Tapered insulation
        07-5000 C    58000.00 Sheet metal flashing
        07-5000 C    53000.00 Below-grade waterproofing
        """)),
    GoldenCommitment(
        "104-SC-007", SC, "plumbing", "Plumbing", True, "2026-06-01", schedule("""
        22-1000 C   128300.00 Underground
        22-1000 C   146000.00 Rough-in, level 1
        22-1000 C   138500.00 Rough-in, levels 2 and 3
        22-1000 C    84500.00 Water heaters and equipment
        22-1000 C   122000.00 Fixtures
        """)),
    GoldenCommitment(
        "104-SC-008", SC, "mechanical", "HVAC", False, "2026-09-14", schedule("""
        23-3000 C   214000.00 Ductwork, level 1
        23-3000 C   266500.00 Ductwork, levels 2 and 3
        23-3000 C   248250.00 Rooftop units
        23-3000 C   142000.00 Piping
        23-3000 C   118000.00 Controls
        23-3000 C    38000.00 Test and balance
        23-3000 C    22000.00 Closeout
        """)),
    GoldenCommitment(
        "104-SC-009", SC, "electrical", "Electrical", True, "2026-06-01", schedule("""
        26-2000 C   186600.00 Service and switchgear
        26-2000 C   154000.00 Branch rough-in, level 1
        26-2000 C   208000.00 Branch rough-in, levels 2 and 3
        26-2000 C   196000.00 Lighting
        26-2000 C    84000.00 Devices and trim
        26-2000 C    66500.00 Fire alarm
        26-2000 C    22500.00 Temporary power
        """)),
    GoldenCommitment(
        "104-PO-001", PO, "rebar", "Reinforcing steel", True, "2026-05-20", schedule("""
        03-3000 M    41200.00 Footing bars
        03-3000 M    28750.00 Wall bars
        03-3000 M    36500.00 Slab mesh
        03-3000 M    12000.00 Detailing and delivery
        """)),
    GoldenCommitment(
        "104-PO-002", PO, "doors", "Hollow metal doors", False, "2026-08-24", schedule("""
        08-1100 M    49770.00 Hollow metal doors @OH725 | 42 ea 1185.00
        08-1100 M    15675.00 Hollow metal frames @OH725 | 38 ea 412.50
        08-1100 M      595.30 Weatherstrip @OH725 | 333.5 lf 1.785
        08-1100 M     2350.00 Freight | 1 ls 2350.00 manual
        """)),
    GoldenCommitment(
        "104-PO-003", PO, "rental", "Crane rental", False, "2026-08-10", schedule("""
        01-5000 E     7200.00 Mobilize
        01-5000 E    24000.00 Rental, month 1
        01-5000 E    24000.00 Rental, month 2
        01-5000 E    24000.00 Rental, month 3
        01-5000 E     7200.00 Demobilize
        """)),
)  # fmt: skip
