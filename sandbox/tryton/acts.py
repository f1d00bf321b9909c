"""What an accountant does in Tryton with documents that the sync sent, for the acceptance suite.

``--clerk sandbox.tryton.acts:act``; he logs in at the address in ``TRYTON_CLERK``.
"""

from __future__ import annotations

import os
from contextlib import closing

from include.financials.record import Record
from sandbox.tryton.books import Clerk

INVOICES = {"subcontractor_invoices": "in", "owner_invoices": "out"}
ORDERS = {
    "commitments": "purchase.purchase",
    "commitment_change_orders": "purchase.purchase",
    "prime_change_orders": "sale.sale",
}


def act(action: str, record: Record) -> None:
    """Raises LookupError for what nobody does there, or where ``TRYTON_CLERK`` is not set."""
    address = os.environ.get("TRYTON_CLERK")
    if not address:
        raise LookupError("TRYTON_CLERK does not say where he logs in")
    with closing(Clerk(address)) as clerk:
        if record.entity in INVOICES and action in ("post", "void"):
            number = clerk.one("account.invoice", type=INVOICES[record.entity], reference=record.number, state="validated")["id"]
            clerk.api.press("account.invoice", {"post": "post", "void": "cancel"}[action], [number])
        elif record.entity in ORDERS and action == "void":
            clerk.cancel(ORDERS[record.entity], record.number)
        else:
            raise LookupError("what is confirmed is in the books, and a budget has no states")
