"""What an implementation consultant sets up in a new Tryton database, once: company, chart of accounts, years, users, dimensions.

Runs in Tryton's own environment and process (``python bootstrap.py``), and imports nothing of this project. Everything that comes
after it goes through Tryton's network interface.
"""

from __future__ import annotations

import argparse
import json
import sys
from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart
from trytond.modules.company.tests.tools import create_company, get_company
from trytond.modules.currency.tests.tools import get_currency

CLEARING = "Checks and transfers"
TAX_ACCOUNT = "Sales tax, unused"
"""Tryton wants a balance account for each tax; invoices of this company state their tax themselves."""
PAYMENTS = "Payments, read only"
RIGHTS = ("Purchase", "Sales", "Accounting", "Account Budget", PAYMENTS)
"""What the integration's user may: enter purchases and sales, enter and post invoices, enter budgets, look at payments. Not:
parties, payments, settings."""
AUDITOR = "Books, read only"
"""Who may look at all that the integration looks at, and change nothing."""
OF_PAYMENTS = ("account.payment", "account.payment.group", "account.payment.journal")
OF_BOOKS = (
    *OF_PAYMENTS,
    *("account.account", "account.invoice", "account.invoice.line", "account.invoice.tax", "account.journal", "account.move"),
    *("account.move.line", "account.period", "account.tax", "analytic.account.entry", "analytic_account.account"),
    *("analytic_account.budget", "analytic_account.budget.line", "analytic_account.line", "party.address", "party.category"),
    *("party.identifier", "party.party", "product.category", "product.uom", "purchase.line", "purchase.purchase"),
    *("sale.line", "sale.sale"),
)
CLERK_RIGHTS = (
    *("Accounting", "Accounting Administration", "Purchase", "Sales", "Payment", "Payment Approval", "Party Administration"),
    *("Analytic Administration", "Account Budget", "Product Administration"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Set up a Tryton database.")
    parser.add_argument("database", help="sqlite:///name")
    parser.add_argument("configuration", help="trytond's configuration file")
    options = parser.parse_args()
    plan: dict[str, Any] = json.load(sys.stdin)
    config.set_trytond(options.database, config_file=options.configuration)
    Party = Model.get("party.party")
    party = Party(name=plan["company"])
    party.save()
    create_company(party=party, currency=get_currency("USD"))
    company = get_company()
    company.cancel_invoice_out = True  # an owner's invoice is cancelled as a supplier's is, by a move that undoes it
    company.save()
    create_chart(company)
    accounts(company)
    for year in range(plan["years"][0], plan["years"][1] + 1):
        fiscal_year(company, year, plan["first_open"])
    payment_ways(company)
    units(plan["units"])
    cost_types(plan["cost_types"])
    sales_taxes(company, plan["taxes"])
    party_categories()
    journals()
    grace()
    Account = Model.get("analytic_account.account")
    Account(name="Jobs", code="JOBS", type="root", company=company, state="opened").save()
    readers(PAYMENTS, OF_PAYMENTS)
    readers(AUDITOR, OF_BOOKS)
    user(company, plan["integration"], RIGHTS)
    user(company, plan["clerk"], CLERK_RIGHTS)
    user(company, plan["reader"], (AUDITOR,))


def accounts(company: Any) -> None:
    """Beside the standard chart: what is retained of subcontractors is owed to them, and what owners retain is owed to us; sales
    tax on purchases is a cost."""
    Account, Type = Model.get("account.account"), Model.get("account.account.type")
    payable, receivable, expense, revenue = (
        Type.find([(kind, "=", True)])[0] for kind in ("payable", "receivable", "expense", "revenue")
    )
    (root,) = Account.find([("parent", "=", None)])
    debt = Type(name="Retainage", parent=payable.parent, statement="balance", company=company, debt=True)
    debt.save()
    retained = Type(name="Retainage receivable", parent=receivable.parent, statement="balance", company=company, assets=True)
    retained.save()
    for code, name, type in (
        ("1150", "Retainage receivable", retained),
        ("2150", "Retainage payable", debt),
        ("2180", "Sales tax collected", debt),
        ("4100", "Contract revenue", revenue),
        ("5100", "Job cost", expense),
        ("5190", "Sales tax on purchases", expense),
        ("1090", CLEARING, payable.parent),
        ("2190", TAX_ACCOUNT, debt),
    ):
        Account(code=code, name=name, type=type, parent=root, company=company, reconcile=code == "1090").save()


def fiscal_year(company: Any, year: int, first_open: str) -> None:
    """A year of twelve periods; those before ``first_open`` (``2026-07``) are closed."""
    FiscalYear, Sequence, Type = Model.get("account.fiscalyear"), Model.get("ir.sequence.strict"), Model.get("ir.sequence.type")
    (moves,) = Type.find([("name", "=", "Account Move")])
    (invoices,) = Type.find([("name", "=", "Invoice")])
    of_moves, of_vendors, of_owners = (
        Sequence(name=f"{name} {year}", sequence_type=type, company=company, prefix=prefix)
        for name, type, prefix in (
            ("Moves", moves, f"{year}-"),
            ("Supplier invoices", invoices, f"{year}-"),
            ("Customer invoices", invoices, f"{year}-C"),
        )
    )
    for sequence in (of_moves, of_vendors, of_owners):
        sequence.save()
    added = FiscalYear(name=str(year), start_date=date(year, 1, 1), end_date=date(year, 12, 31), company=company)
    added.move_sequence = of_moves
    (row,) = added.invoice_sequences
    row.in_invoice_sequence = row.in_credit_note_sequence = of_vendors
    row.out_invoice_sequence = row.out_credit_note_sequence = of_owners
    added.save()
    Period = Model.get("account.period")
    closed = []
    for month in range(1, 13):
        name = f"{year}-{month:02d}"
        last = date(year, month, monthrange(year, month)[1])
        period = Period(name=name, start_date=last.replace(day=1), end_date=last, fiscalyear=added, type="standard")
        period.save()
        if name < first_open:
            closed.append(period)
    if closed:
        Period.click(closed, "close")


def payment_ways(company: Any) -> None:
    Account, Journal, PaymentJournal = (Model.get(n) for n in ("account.account", "account.journal", "account.payment.journal"))
    (clearing,) = Account.find([("name", "=", CLEARING)])
    (cash,) = Journal.find([("type", "=", "cash")], limit=1)
    for name in ("Check", "Electronic"):
        journal = PaymentJournal(name=name, process_method="manual", company=company, currency=company.currency)
        journal.clearing_account, journal.clearing_journal = clearing, cash
        journal.save()


def units(names: dict[str, str]) -> None:
    """Of construction; one category each, since nothing converts a ton into a day."""
    Category, Unit = Model.get("product.uom.category"), Model.get("product.uom")
    for symbol, name in names.items():
        category = Category(name=name)
        category.save()
        Unit(name=name, symbol=symbol, category=category, factor=1.0, rate=1.0, rounding=0.0001, digits=4).save()


def cost_types(rows: list[list[str]]) -> None:
    Category = Model.get("product.category")
    for code, name in rows:
        Category(code=code, name=name).save()


def sales_taxes(company: Any, rows: list[list[str]]) -> None:
    Tax, Account = Model.get("account.tax"), Model.get("account.account")
    (account,) = Account.find([("name", "=", TAX_ACCOUNT)])
    for name, description, rate in rows:
        tax = Tax(name=name, description=description, type="percentage", rate=Decimal(rate), company=company)
        tax.invoice_account = tax.credit_note_account = account
        tax.save()


def party_categories() -> None:
    """Who is a vendor, who a customer; and, since Tryton has no payment hold, who is on one: its clerks see a category and can
    search for it."""
    numbering = Model.get("party.configuration")(1)
    numbering.party_sequence = None  # the company's own numbers
    numbering.save()
    Category = Model.get("party.category")
    for name in ("Vendor", "Customer"):
        Category(name=name).save()
    hold = Category(name="Hold")
    hold.save()
    for name in ("payment", "all"):
        Category(name=name, parent=hold).save()


def journals() -> None:
    """Where job cost comes from, beside invoices."""
    Journal = Model.get("account.journal")
    for code, name in (("PR", "Payroll"), ("EQ", "Equipment"), ("JC", "Job cost")):
        Journal(code=code, name=name, type="general").save()


def grace() -> None:
    """How long what was confirmed can be taken back and cancelled, on a server that puts it off."""
    for kind in ("purchase", "sale"):
        chosen = Model.get(f"{kind}.configuration")(1)
        setattr(chosen, f"{kind}_process_after", timedelta(days=30))
        chosen.save()


def readers(name: str, models: tuple[str, ...]) -> None:
    """A group that may look at models of which other groups may do more."""
    Group, Access = Model.get("res.group"), Model.get("ir.model.access")
    group = Group(name=name)
    group.save()
    for model in models:
        Access(model=model, group=group, perm_read=True, perm_write=False, perm_create=False, perm_delete=False).save()


def user(company: Any, login: dict[str, str], rights: tuple[str, ...]) -> None:
    User, Group = Model.get("res.user"), Model.get("res.group")
    added = User(name=login["name"], login=login["login"], password=login["password"])
    groups = Group.find([("name", "in", list(rights))])
    assert {group.name for group in groups} == set(rights)
    for group in groups:
        added.groups.append(Group(group.id))
    added.companies.append(Model.get("company.company")(company.id))
    added.company = company
    added.save()


if __name__ == "__main__":
    main()
