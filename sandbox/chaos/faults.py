"""The ways in which a write can go wrong: one table for Procore's writes, one for the ERP's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.erp.faults import WHATS


@dataclass(frozen=True, slots=True)
class Kind:
    """One way. ``rule`` is posted to the sandbox, ``killed`` tells when the process that sends dies, ``door`` is the ERP's."""

    rule: Mapping[str, Any] = field(default_factory=dict)
    killed: str | None = None
    door: str | None = None


_ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "503_retry_after": ("status", {"status": 503, "headers": {"Retry-After": "1"}}),
    "503": ("status", {"status": 503}),
    "504": ("status", {"status": 504}),
    "dropped": ("drop", {}),
    "garbage": ("garbage", {}),
    "nonsense": ("status", {"status": 200, "body": {}}),
    "truncated": ("truncated", {}),
}
_LATE: dict[str, tuple[str, dict[str, Any]]] = {
    "504_late_after_look": ("status_late", {"status": 504, "requests": 1}),
    "503_retry_after_late_after_look": ("status_late", {"status": 503, "headers": {"Retry-After": "1"}, "requests": 1}),
    "dropped_late_after_two_looks": ("drop_late", {"requests": 2}),
    "504_late_30s": ("status_late", {"status": 504, "seconds": 30}),
}
PROCORE: dict[str, Kind] = {
    **{
        f"{name}_{effect}": Kind({"action": f"{action}_{when}" if (action, when) != ("status", "before") else action, **more})
        for effect, when in (("applied", "after"), ("not_applied", "before"))
        for name, (action, more) in _ANSWERS.items()
    },
    **{name: Kind({"action": action, **more}) for name, (action, more) in _LATE.items()},
    **{f"killed_{when}": Kind(killed=when) for when in ("before", "after")},
}
ERP: dict[str, Kind] = {f"erp_commit_{what}": Kind(door=what) for what in WHATS}
KINDS: dict[str, Kind] = {**PROCORE, **ERP}
LOST = "ledger_lost"
"""Added to a kind: after the fault the ledger is lost, too."""
