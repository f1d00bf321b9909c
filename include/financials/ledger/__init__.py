"""The ledger: the sync's own memory, in SQLite (default) or PostgreSQL.

``Ledger(url)`` opens it; each family of tables is a room of its own (``ledger.links.of("vendors")``), whose methods are one
transaction each and return typed rows. ``tables`` defines rows and tables, ``journal`` is what *never send twice* rests on.
"""

from __future__ import annotations

from include.financials.ledger.inbox import Claimed, Event
from include.financials.ledger.journal import ACCEPTED, Settled
from include.financials.ledger.leases import LEASE_SECONDS, Lease
from include.financials.ledger.links import LinkIndex
from include.financials.ledger.outcomes import STOPPED
from include.financials.ledger.said import Remembered, Restated
from include.financials.ledger.store import Ledger
from include.financials.ledger.story import WORKFLOW
from include.financials.ledger.tables import (
    Call,
    Decision,
    Intent,
    Judged,
    Link,
    Note,
    RunRow,
    Seen,
    Stranger,
    decoded,
    key_of,
    moment,
    stamp,
)

__all__ = [
    "ACCEPTED",
    "LEASE_SECONDS",
    "STOPPED",
    "WORKFLOW",
    "Call",
    "Claimed",
    "Decision",
    "Event",
    "Intent",
    "Judged",
    "Lease",
    "Ledger",
    "Link",
    "LinkIndex",
    "Note",
    "Remembered",
    "Restated",
    "RunRow",
    "Seen",
    "Settled",
    "Stranger",
    "decoded",
    "key_of",
    "moment",
    "stamp",
]
