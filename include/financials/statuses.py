"""The words for the state of an ERP's record: a closed list, in one place. Which of them a record may have is said by its model
(``Record.statuses``).

Every ERP has words of its own; its mapping translates them into these (docs/erp-sql-adapter.md, "Status words"), and a word that
is not translated makes its record unreadable. Rules compare with these constants, never with a text of their own. Procore's words
are Procore's and stand in the settings (``eligible``).
"""

from __future__ import annotations

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

ENDED_IN_PROCORE: Final = ("Void", "Terminated", "void")
"""Procore's words for a contract or payment that is over."""
NOT_AGREED: Final = ("Draft", "Out For Bid", "Out For Signature", "Processing", "Submitted")
"""Procore's words for a contract that nobody agreed on yet: nobody bills on it or is paid."""
NO_MORE: Final = (CLOSED, VOID)
"""Statuses of a contract on which nothing new is entered."""
