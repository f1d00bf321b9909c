"""What people do in Odoo beside the sync: post, void and pay bills, and enter what no commitment covers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import Any

from include.financials.record import Record
from sandbox.local import LocalError
from sandbox.odoo.books import CLERK, connect

URL = "SANDBOX_ODOO"
"""The environment variable that names the server, for the acceptance suite's clerk."""


class Clerk:
    """An accounts payable clerk with Odoo's client. :param url: without a user."""

    def __init__(self, url: str) -> None:
        self.api = connect(url, CLERK)

    def close(self) -> None:
        self.api.close()

    def one(self, model: str, *path: str, **where: Any) -> dict[str, Any]:
        """The record with these values; a dot in a field's name is written ``__``."""
        domain = [[name.replace("__", "."), "=", wanted] for name, wanted in where.items()]
        found = self.api.search(model, domain, ("id", *path))
        if len(found) != 1:
            raise LocalError(f"Odoo has {len(found)} {model} with {where}")
        return found[0]

    # -- what the sync sent

    def bill(self, vendor: str, number: str) -> int:
        return int(self.one("account.move", move_type="in_invoice", partner_id__ref=vendor, ref=number)["id"])

    def post(self, vendor: str, number: str) -> None:
        self.api.press("account.move", "action_post", [self.bill(vendor, number)])

    def void(self, vendor: str, number: str) -> None:
        bill = self.one("account.move", "state", move_type="in_invoice", partner_id__ref=vendor, ref=number)
        if bill["state"] == "posted":
            self.api.press("account.move", "button_draft", [bill["id"]])
        self.api.press("account.move", "button_cancel", [bill["id"]])

    def cancel(self, number: str) -> None:
        """A purchase order."""
        order = self.one("purchase.order", name=number)["id"]
        self.api.press("purchase.order", "button_cancel", [order])

    def pay(self, vendor: str, number: str, check: str, amount: Decimal, paid: date) -> None:
        """A payment of a bill, or of a part of it."""
        chosen = {"active_model": "account.move", "active_ids": [self.bill(vendor, number)]}
        row = {"amount": amount, "communication": check, "payment_date": paid.isoformat()}
        made = self.api.call("account.payment.register", "create", row, writes=True, context=chosen)
        self.api.call("account.payment.register", "action_create_payments", [made], writes=True, context=chosen)

    # -- what no commitment covers

    def payroll(self, code: str, type: str, amount: Decimal, day: date, text: str) -> None:
        """An entry of the general ledger."""
        line = {"account_id": self._account("510000"), "name": text, "debit": amount, **self._cost(code, type)}
        other = {"account_id": self._account("630000"), "name": text, "credit": amount}
        journal = self.one("account.journal", code="PR")["id"]
        self._posted({"move_type": "entry", "journal_id": journal, "date": day, "ref": text, "line_ids": [line, other]})

    def purchase(self, vendor: str, number: str, code: str, type: str, amount: Decimal, day: date) -> None:
        """A bill without a purchase order."""
        line = {"account_id": self._account("510000"), "name": number, "quantity": 1, "price_unit": amount, "tax_ids": [],
                **self._cost(code, type)}  # fmt: skip
        self._posted(
            {
                "move_type": "in_invoice", "journal_id": self.one("account.journal", code="BILL")["id"], "ref": number,
                "partner_id": self.one("res.partner", ref=vendor)["id"], "invoice_date": day, "date": day,
                "invoice_line_ids": [line],
            }
        )  # fmt: skip

    def _posted(self, values: Mapping[str, Any]) -> None:
        self.api.press("account.move", "action_post", [self.api.create("account.move", values)])

    def _account(self, code: str) -> int:
        return int(self.one("account.account", code=code)["id"])

    def _cost(self, code: str, type: str) -> dict[str, int]:
        return {
            "analytic_account_id": self.one("account.analytic.account", code=code)["id"],
            "product_id": self.one("product.product", default_code=type)["id"],
        }


def act(action: str, record: Record) -> None:
    """The clerk of the acceptance suite (``--clerk sandbox.odoo.clerk:act``)."""
    given: Any = record
    with closing(Clerk(os.environ[URL])) as clerk:
        if record.entity == "subcontractor_invoices" and action in ("post", "void"):
            (clerk.post if action == "post" else clerk.void)(given.vendor, given.number)
        elif record.entity == "commitments" and action == "void":
            clerk.cancel(given.number)
        else:
            raise LookupError("nobody does that in Odoo")
