"""Fixed data of the seeded contractor: codes, trades, scopes, jobs, owners and the golden commitments.

Everything here is invented; names of companies and jobs stand for nobody. Amounts are US dollars as decimal text, dates ISO.
Source: docs/domain-rules.md 5.2 (the contractor) and 5.3 (the golden job 25-104).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple

from sandbox.seed.model import Employee, SubJob

ANCHOR = datetime(2026, 9, 30, 18, 0, tzinfo=UTC)
"""The sandbox clock after a reset; no seeded record is younger."""

PROCORE_COMPANY = 8089
GROUP = "G1"
"""Vendor and cost group shared by both ERP companies."""

COMPANIES = (("01", "Harborstone Buildings"), ("02", "Harborstone Civil"))

COST_TYPES = (
    # ERP number, ERP name, ERP category, Procore code, Procore name, Procore base type
    (1, "Labor", "labor", "L", "Labor", "labor"),
    (2, "Material", "material", "M", "Materials", "materials"),
    (3, "Subcontract", "subcontract", "C", "Commitment", "commitment"),
    (4, "Equipment", "equipment", "E", "Equipment", "equipment"),
    (5, "Other", "other", "O", "Other", "other"),
)
TYPE_NUMBER = {procore: number for number, _, _, procore, _, _ in COST_TYPES}

UNITS = {
    "ls": "Lump sum",
    "ea": "Each",
    "lf": "Linear foot",
    "sf": "Square foot",
    "sy": "Square yard",
    "cy": "Cubic yard",
    "cf": "Cubic foot",
    "ton": "Ton",
    "lb": "Pound",
    "gal": "Gallon",
    "hr": "Hour",
    "day": "Day",
    "week": "Week",
    "month": "Month",
    "set": "Set",
    "lot": "Lot",
    "roll": "Roll",
    "pair": "Pair",
    "m": "Meter",
    "m2": "Square meter",
    "m3": "Cubic meter",
    "kg": "Kilogram",
    "l": "Liter",
}
"""Units of measure, spelled alike on both sides."""

DIVISIONS = {
    "00": "Procurement and contracting",
    "01": "General requirements",
    "02": "Existing conditions",
    "03": "Concrete",
    "04": "Masonry",
    "05": "Metals",
    "06": "Wood, plastics and composites",
    "07": "Thermal and moisture protection",
    "08": "Openings",
    "09": "Finishes",
    "10": "Specialties",
    "12": "Furnishings",
    "14": "Conveying equipment",
    "21": "Fire suppression",
    "22": "Plumbing",
    "23": "Heating, ventilating, air conditioning",
    "26": "Electrical",
    "27": "Communications",
    "28": "Electronic safety and security",
    "31": "Earthwork",
    "32": "Exterior improvements",
    "33": "Utilities",
    "34": "Transportation",
}

STANDARD_SECTIONS = {
    # code: (name, cost types assigned on every job, as Procore codes)
    "00-6100": ("Bonds and insurance", "O"),
    "01-2100": ("Allowances and contingency", "O"),
    "01-3100": ("Project management", "LO"),
    "01-5000": ("Temporary facilities", "EM"),
    "01-7400": ("Cleaning and waste", "L"),
    "02-4100": ("Demolition", "C"),
    "03-3000": ("Cast-in-place concrete", "LMC"),
    "04-2000": ("Unit masonry", "MC"),
    "05-1200": ("Structural steel framing", "C"),
    "05-3100": ("Steel decking", "C"),
    "05-5000": ("Metal fabrications", "C"),
    "06-1000": ("Rough carpentry", "LMC"),
    "07-2100": ("Thermal insulation", "C"),
    "07-5000": ("Membrane roofing", "C"),
    "08-1100": ("Doors and frames", "M"),
    "08-4000": ("Entrances and curtain walls", "C"),
    "09-2900": ("Gypsum board", "C"),
    "09-5100": ("Acoustical ceilings", "MC"),
    "09-6500": ("Resilient flooring", "C"),
    "09-9100": ("Painting", "C"),
    "14-2000": ("Elevators", "C"),
    "21-1000": ("Fire sprinkler systems", "C"),
    "22-1000": ("Plumbing piping", "C"),
    "23-3000": ("Air distribution", "C"),
    "26-2000": ("Low-voltage electrical transmission", "C"),
    "31-1000": ("Site clearing", "C"),
    "31-2000": ("Earth moving", "C"),
    "33-1000": ("Water utilities", "C"),
}

EXTRA_SECTIONS = {
    "02-8200": ("Asbestos remediation", "C"),
    "03-2000": ("Concrete reinforcing", "MC"),
    "03-4000": ("Precast concrete", "MC"),
    "05-4000": ("Cold-formed metal framing", "C"),
    "06-4000": ("Architectural woodwork", "MC"),
    "07-9000": ("Joint protection", "C"),
    "08-7100": ("Door hardware", "M"),
    "09-7200": ("Wall coverings", "C"),
    "10-1400": ("Signage", "MC"),
    "10-2800": ("Toilet and bath accessories", "M"),
    "12-2000": ("Window treatments", "C"),
    "27-1000": ("Structured cabling", "C"),
    "28-4600": ("Fire detection and alarm", "C"),
    "32-1200": ("Flexible paving", "C"),
    "32-9000": ("Planting", "C"),
    "34-7100": ("Roadway construction", "C"),
}
SECTIONS = STANDARD_SECTIONS | EXTRA_SECTIONS
CODE_INDEX = {code: n for n, code in enumerate(sorted({*DIVISIONS, *SECTIONS}), start=1)}
"""A small number per code, from which Procore ids are made without a look-up."""


class NamedJob(NamedTuple):
    number: str
    company: str
    name: str
    customer: str
    value: int
    linked: bool
    start: str
    completion: str
    retainage: str
    linked_extras: tuple[str, ...]
    new_codes: tuple[str, ...]
    """Leaves that the ERP has and Procore has not yet."""
    commitments: tuple[int, int, int]
    """How many regular ones are generated: linked, new, not eligible (special ones come on top)."""
    inactive: tuple[str, ...] = ()
    sub_jobs: tuple[SubJob, ...] = ()
    procore_only: tuple[str, ...] = ()
    """Codes that somebody invented in Procore (planted #3)."""


NAMED_JOBS = (
    NamedJob(
        "25-104",
        "01",
        "Medical office building",
        "C-2001",
        12_480_000,
        True,
        "2025-11-03",
        "2027-02-26",
        "10",
        ("03-2000", "08-7100", "10-2800", "28-4600"),
        ("06-4000", "12-2000", "32-9000"),
        (0, 0, 0),
    ),
    NamedJob(
        "25-098",
        "01",
        "Elementary school",
        "C-2002",
        21_900_000,
        True,
        "2025-06-16",
        "2027-06-30",
        "5",
        ("03-2000", "06-4000", "10-1400", "12-2000", "27-1000", "32-1200"),
        ("05-4000", "08-7100", "32-9000"),
        (9, 10, 2),
        sub_jobs=(SubJob("10", "Building", False), SubJob("20", "Site work", True, ("31", "32", "31-1000", "31-2000"))),
    ),
    NamedJob(
        "26-112",
        "01",
        "Tenant fit-out, levels 3 and 4",
        "C-2003",
        1_150_000,
        True,
        "2026-06-08",
        "2026-10-16",
        "10",
        ("08-7100", "27-1000"),
        ("06-4000", "10-1400", "12-2000"),
        (5, 4, 2),
    ),
    NamedJob(
        "25-107",
        "01",
        "Apartment building",
        "C-2003",
        34_600_000,
        True,
        "2025-09-01",
        "2027-11-30",
        "10",
        ("03-2000", "03-4000", "06-4000", "07-9000", "10-2800"),
        ("08-7100", "10-1400", "28-4600"),
        (6, 9, 2),
        inactive=("07-9000",),
        procore_only=("09-7200",),
    ),
    NamedJob(
        "25-201",
        "02",
        "Bridge rehabilitation",
        "C-2004",
        6_300_000,
        True,
        "2026-03-02",
        "2027-05-28",
        "10",
        ("03-4000", "32-1200", "34-7100"),
        ("03-2000", "05-4000", "32-9000"),
        (6, 7, 2),
    ),
    NamedJob(
        "26-118",
        "01",
        "Parking structure",
        "C-2005",
        9_750_000,
        False,
        "2026-11-02",
        "2027-12-17",
        "10",
        ("03-2000", "03-4000", "32-1200", "34-7100"),
        (),
        (0, 0, 0),
    ),
)

CLOSED_JOB = NamedJob(
    "24-077",
    "01",
    "Fire station 9",
    "C-2002",
    4_180_000,
    False,
    "2024-04-08",
    "2025-09-26",
    "10",
    (),
    (),
    (0, 0, 0),
)
"""Closed before the integration began and never sent; a warranty cost came in afterwards (planted #23)."""

NAMED_CUSTOMERS = (
    # company, code, name, linked
    ("01", "C-2001", "Tarnfield Health Partners", True),
    ("01", "C-2002", "Lomdale School District", True),
    ("01", "C-2003", "Verridge Property Holdings", True),
    ("02", "C-2004", "Halmere County Road Office", True),
    ("01", "C-2005", "Jorwick Parking Authority", False),
    ("02", "C-2006", "Selmar Port Commission", False),
)
IDLE_CUSTOMER = ("01", "C-2007", "Draymoor Retail Trust", False)
"""Inactive in the ERP, so that it is never sent: the owner of planted #25's prime contract."""

EMPLOYEES = (
    Employee("01", "E-1001", "Martha", "Kestrel", "martha.kestrel@example.com", "Project manager", 4_810_001_001, linked=True),
    Employee("02", "E-1002", "Zoë", "Åkerström-Núñez", "zoe.akerstrom@example.com", "Estimator", 4_810_001_002, linked=True),
    Employee("01", "E-1003", "Owen", "Tolliver", "owen.tolliver@example.com", "Superintendent", active=False),
    Employee("01", "E-1004", "Priya", "Lindqvist", "priya.lindqvist@example.com", "Project engineer"),
)
ODD_EMPLOYEES = (
    # planted #28 to #30: no e-mail, one e-mail of two, and a user in Procore that only looks like one of them
    Employee("01", "E-1005", "Bruno", "Haverford", None, "Foreman"),
    Employee("01", "E-1006", "Ada", "Quillon", "field.office@example.com", "Field engineer"),
    Employee("02", "E-1007", "Tomas", "Quillon", "field.office@example.com", "Surveyor"),
    Employee("01", "E-1008", "Ines", "Marlowe", "ines.marlowe@example.com", "Controller", 4_810_001_008),
)

CHANGE_EVENTS = (
    # job, number, title, status id, external id (an estimating program's) or none
    ("25-104", "001", "Added exam room, level 2", 1, "estimating:CE-2207"),
    ("25-104", "002", "Unsuitable soil at grid C", 2, None),
    ("25-098", "001", "Relocated bus canopy", 3, "estimating:CE-2231"),
)

TAX_CODES = (
    # code, description, rate in percent, linked
    ("OH725", "Ohio sales tax, 7.25 %", "7.25", True),
    ("OH0", "Exempt", "0", True),
    ("OH800", "Ohio sales tax with transit, 8 %", "8", False),
)

TRADES = (
    # key, how such companies call themselves; vendor number n has the trade n modulo the length of this table
    ("demolition", "Demolition"), ("earthwork", "Earthworks"), ("utilities", "Underground"), ("concrete", "Concrete"),
    ("masonry", "Masonry"), ("carpentry", "Carpentry"), ("roofing", "Roofing"), ("insulation", "Insulation"),
    ("doors", "Door Supply"), ("glazing", "Glazing"), ("drywall", "Drywall"), ("ceilings", "Ceilings"),
    ("flooring", "Flooring"), ("painting", "Painting"), ("elevators", "Elevators"), ("sprinklers", "Fire Protection"),
    ("plumbing", "Plumbing"), ("steel", "Structural Steel"), ("mechanical", "Mechanical"), ("electrical", "Electric"),
    ("rebar", "Reinforcing"), ("rental", "Equipment Rental"), ("paving", "Paving"), ("lowvoltage", "Low Voltage"),
)  # fmt: skip
TRADE_INDEX = {key: n for n, (key, _) in enumerate(TRADES)}

NAME_HEADS = (
    "Bel Bran Cal Cor Dal Dor Dun Elm Fal Far Fen Gal Gar Hal Har Hes Jor Kel Ker Lan Lom Lor Mal Mor Nel Nor Ost Pel "
    "Per Quil Ral Ros Sel Sor Tam Tor Ul Ver Wex Yar"
).split()
NAME_MIDDLES = ("", "i", "o", "u", "y")
NAME_TAILS = (
    "bank beck bury by cliff cote cott crest dale den field fold ford garth gate grove ham haven hill holt hurst leigh "
    "lock mere mont moor mouth port quay ridge shaw side stead stow thorp vale wick wold wood worth"
).split()

CITIES = (
    ("Columbus", "OH", "43004"),
    ("Dayton", "OH", "45402"),
    ("Toledo", "OH", "43604"),
    ("Akron", "OH", "44308"),
    ("Marion", "OH", "43302"),
)
STREETS = ("Industrial Way", "Depot Street", "Foundry Road", "Canal Street", "Quarry Lane", "Mill Road", "Junction Avenue")

FULL_HOLD_VENDOR, FULL_HOLD_REASON = 36, "Lien waiver dispute"
PAYMENT_HOLD_VENDOR, PAYMENT_HOLD_REASON = 37, "W-9 outstanding"
DUAL_VENDOR = 3
"""Concrete: has subcontracts and sells ready-mixed concrete by purchase order."""
SPECIAL_NAMES = {9: "Åsmere Façade & Glazing"}
"""Vendor number -> name; a name beyond ASCII must pass both ways unharmed."""


SC, PO = "subcontract", "purchase_order"


def day(text: str) -> date:
    return date.fromisoformat(text)
