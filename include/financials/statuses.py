"""The words for the state of an ERP's record, and which of them each entity knows: a closed list, in one place.

Every ERP has words of its own; its mapping translates them into these (docs/erp-sql-adapter.md, "Status words"), and a word that
is not translated makes its record unreadable. Rules compare with these constants, never with a text of their own. Procore's words
are Procore's and stand in the settings (``eligible``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPEN: Final = "open"
SOFT_CLOSED: Final = "soft_closed"
CLOSED: Final = "closed"
FUTURE: Final = "future"
UNPOSTED: Final = "unposted"
"""Entered, and waiting in a batch: it counts for the document, not for posted cost."""
POSTED: Final = "posted"
VOID: Final = "void"
"""Counts for nothing."""

_CONTRACT = (OPEN, CLOSED, VOID)
_DOCUMENT = (UNPOSTED, POSTED, VOID)

ERP_STATUSES: Mapping[str, tuple[str, ...]] = {
    "projects": (OPEN, SOFT_CLOSED, CLOSED),
    "budget_changes": _DOCUMENT,
    "direct_costs": _DOCUMENT,
    "commitments": _CONTRACT,
    "commitment_change_orders": _DOCUMENT,
    "subcontractor_invoices": _DOCUMENT,
    "payments_issued": _DOCUMENT,
    "prime_contracts": _CONTRACT,
    "prime_change_orders": _DOCUMENT,
    "owner_invoices": _DOCUMENT,
    "payments_received": _DOCUMENT,
    "periods": (OPEN, SOFT_CLOSED, CLOSED, FUTURE),
}
"""Entities whose records have a ``status``, and every word that it may be in the ERP."""

ENDED_IN_PROCORE: Final = ("Void", "Terminated", "void")
"""Procore's words for a contract or payment that is over."""
NOT_AGREED: Final = ("Draft", "Out For Bid", "Out For Signature", "Processing", "Submitted")
"""Procore's words for a contract that nobody agreed on yet: nobody bills on it or is paid."""
_ENTERED = (POSTED, VOID)
FINAL: Final[Mapping[str, tuple[str, ...]]] = {
    "commitments": (CLOSED, VOID),
    "commitment_change_orders": _ENTERED,
    "subcontractor_invoices": _ENTERED,
    "payments_issued": (VOID,),
    "prime_contracts": (CLOSED, VOID),
    "prime_change_orders": _ENTERED,
    "owner_invoices": _ENTERED,
    "payments_received": (VOID,),
}
"""Statuses of a linked document that are final in the ERP, and that its record in Procore does not tell. A payment and a job cost
that Procore has were posted: that is no news."""
NO_MORE: Final = (CLOSED, VOID)
"""Statuses of a contract on which nothing new is entered."""
