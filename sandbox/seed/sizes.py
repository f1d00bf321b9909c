"""How large the seeded company is.

Counts are of the records that the sync is about: vendors, customers, projects and direct costs of the ERP, and commitments,
linked and new. What is on one side only or not eligible comes on top, in the proportions of the small company; budgets follow the
projects, insurances the vendors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Size:
    """Counts per entity. In a company of at least the small size in everything, the small company is contained unchanged."""

    vendors: int = 52
    customers: int = 6
    projects: int = 6
    commitments: int = 100
    direct_costs: int = 600
    """Transactions; 721,000 have a million lines."""

    @property
    def whole(self) -> bool:
        """Contains the small company, and with it the planted problems."""
        return all(getattr(self, f.name) >= f.default for f in fields(self))


SMALL = Size()
CHUNK = 2_000
"""So many records of a kind are made before they are handed on; no more are in memory at once."""
SIZES: dict[str, Size] = {
    "tiny": Size(vendors=5, customers=2, projects=2, commitments=3, direct_costs=2),
    "small": SMALL,
    "medium": Size(520, 60, 60, 1_000, 6_000),
    "large": Size(100_000, 130, 400, 20_000, 721_000),
}


def size_of(size: str | Mapping[str, int]) -> Size:
    """A named size, or counts per entity (those not named as in the small one). Raises ValueError for anything else."""
    if isinstance(size, str):
        if size not in SIZES:
            raise ValueError(f"size {size!r} is unknown; choose one of {', '.join(SIZES)} or give counts per entity")
        return SIZES[size]
    known = [f.name for f in fields(Size)]
    for name, count in size.items():
        if name not in known:
            raise ValueError(f"size has no entity {name!r}; it counts {', '.join(known)}")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"size {name}: {count!r} is not a count")
    chosen = replace(SMALL, **size)
    if chosen.projects > MAX_PROJECTS:
        raise ValueError(f"size projects: at most {MAX_PROJECTS}, the job numbers NN-NNN end there")
    return chosen


MAX_PROJECTS = 5_000
