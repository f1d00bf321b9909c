"""Insurance policies of the ERP's vendors: two each, and the few that need attention (docs/domain-rules.md 5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sandbox.seed.company import Company
from sandbox.seed.ids import INSURANCE_ID, TWINS, VENDOR_ID
from sandbox.seed.model import Insurance, Vendor
from sandbox.seed.tables import day

KINDS = (("GL", "General liability", "2,000,000"), ("WC", "Workers' compensation", "1,000,000"))
PROVIDERS = ("Calder Casualty", "Northgate Mutual", "Pelham Surety & Trust", "Orrin Bay Insurance")
YEAR = timedelta(days=365)

_ENDING = {
    # The first three are over at the anchor, 30 September 2026; the last two end within 30 days of it.
    (13, "GL"): "2026-08-31",
    (26, "WC"): "2026-06-30",
    (40, "GL"): "2026-09-15",
    (7, "WC"): "2026-10-12",
    (33, "GL"): "2026-10-28",
}
"""Vendor number and kind -> last day; 13 paints and has contracts that are to load all the same."""
_UNSENT = {(5, "WC"), (16, "GL"), (27, "WC"), (38, "GL")}
"""Policies of linked vendors that came in since the last run."""


def insurances(company: Company) -> Iterator[Insurance]:
    """The policies of every vendor of the ERP that is linked or waits to be sent."""
    for vendor in company.vendors():
        waits = not vendor.procore and vendor.id - VENDOR_ID not in TWINS
        if vendor.active and (vendor.linked or waits):
            yield from _of(vendor)


def _of(vendor: Vendor) -> Iterator[Insurance]:
    n = vendor.id - VENDOR_ID
    for place, (prefix, type, limit) in enumerate(KINDS):
        ends = _ENDING.get((n, prefix))
        expiration = day(ends) if ends else day("2027-01-31") + timedelta(days=(n * 17 + place * 61) % 240)
        yield Insurance(
            id=INSURANCE_ID + n * len(KINDS) + place,
            vendor=vendor,
            policy=f"{prefix}-{260_000 + n * 7}",
            type=type,
            provider=PROVIDERS[(n + place) % len(PROVIDERS)],
            limit=limit,
            effective=expiration - YEAR,
            expiration=expiration,
            linked=vendor.linked and (n, prefix) not in _UNSENT,
        )
