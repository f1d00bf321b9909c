"""What an accountant does in Tryton with documents that the sync sent, for the acceptance suite.

``--clerk sandbox.tryton.acts:act``; he logs in at the address in ``TRYTON_CLERK``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import Any

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
            of_kind = {"type": INVOICES[record.entity], "reference": record.number}
            number = _waiting(clerk, "account.invoice", of_kind)["id"]
            clerk.api.press("account.invoice", {"post": "post", "void": "cancel"}[action], [number])
        elif record.entity in ORDERS and action == "void":
            clerk.cancel(ORDERS[record.entity], record.number)
        elif record.entity in ORDERS and action == "post":
            _confirm(clerk, ORDERS[record.entity], record.number)
        else:
            raise LookupError("a budget has no states")


def _waiting(clerk: Clerk, model: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """The one record that is not in the books yet."""
    states = ["state", "in", ["draft", "quotation", "validated"]]
    found = clerk.api.search(model, [states, *([name, "=", wanted] for name, wanted in where.items())], ("state",))
    if len(found) != 1:
        raise LookupError(f"{len(found)} {model} with {dict(where)} wait: what is confirmed is in the books")
    return found[0]


def _confirm(clerk: Clerk, model: str, number: str) -> None:
    """A purchase or sale that was entered and not confirmed."""
    found = _waiting(clerk, model, {"reference": number})
    for button in ("quote", "confirm") if found["state"] == "draft" else ("confirm",):
        clerk.api.press(model, button, [found["id"]])
