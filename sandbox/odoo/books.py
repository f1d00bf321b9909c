"""What an implementation consultant sets up in a new Odoo, and a small company's masters: all over the network, as its
administrator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from include.erp.jsonrpc.odoo import Odoo
from include.erp.jsonrpc.wire import Address, Wire
from sandbox.local import LocalError
from sandbox.seed.company import Company
from sandbox.seed.model import Code, Job, Vendor
from sandbox.seed.tables import COMPANIES, COST_TYPES, UNITS

COMPANY, COMPANY_NAME = COMPANIES[0]
JOBS = 4
"""So many of the company's jobs are entered."""
LOCKED = date(2026, 6, 30)
"""The fiscal year's lock date: nothing is entered up to it."""
ADMIN = {"login": "admin", "password": "admin"}
INTEGRATION = {"name": "Procore integration", "login": "procore", "password": "sandbox-integration-1"}
CLERK = {"name": "Accounts payable clerk", "login": "clerk", "password": "sandbox-clerk-1"}
READER = {"name": "Auditor", "login": "auditor", "password": "sandbox-auditor-1"}
USERS: Mapping[str, Mapping[str, str]] = {"admin": ADMIN, "integration": INTEGRATION, "clerk": CLERK, "reader": READER}
READS = "Procore integration, read only"
RIGHTS = ("purchase.group_purchase_user", "account.group_account_invoice", "analytic.group_analytic_accounting",
          "uom.group_uom", "project.group_project_user")  # fmt: skip
"""What the integration's user may: enter purchases and vendor bills, see jobs and analytic accounts. Not: settings, lock days."""
CLERK_RIGHTS = (*RIGHTS, "purchase.group_purchase_manager", "account.group_account_manager")
ACCOUNTS = (
    ("215000", "Retainage Payable", "Current Liabilities"),
    ("510000", "Job Cost", "Cost of Revenue"),
    ("519000", "Sales Tax on Purchases", "Cost of Revenue"),
)
PRECISION = {"Product Price": 4, "Product Unit of Measure": 4}


def connect(url: str, user: Mapping[str, str]) -> Odoo:
    """:param url: ``http://127.0.0.1:8069/database``."""
    scheme, _, rest = url.partition("://")
    return Odoo(Wire(Address.of(f"{scheme}://{user['login']}:{user['password']}@{rest}"), timeout=300))


class Consultant:
    def __init__(self, url: str) -> None:
        self.api = connect(url, ADMIN)

    def close(self) -> None:
        self.api.close()

    def one(self, model: str, /, **where: Any) -> int:
        """The number of the record with these values; a dot in a field's name is written ``__``."""
        found = self.api.search(model, [[name.replace("__", "."), "=", wanted] for name, wanted in where.items()], ("id",))
        if len(found) != 1:
            raise LocalError(f"Odoo has {len(found)} {model} with {where}")
        return int(found[0]["id"])

    def many(self, model: str, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        return self.api.create_many(model, list(rows))

    def named(self, external: str) -> int:
        """A record of Odoo's own data."""
        module, _, name = external.partition(".")
        (row,) = self.api.search("ir.model.data", [["module", "=", module], ["name", "=", name]], ("res_id",))
        return int(row["res_id"])

    def set_up(self) -> None:
        self.settings()
        self.users()
        self.purchasing()
        company = Company()
        self.taxes(company)
        self.vendors([v for v in company.vendors() if v.erp])
        jobs = [job for job in company.jobs() if job.company == COMPANY]
        (top,) = self.many("account.analytic.group", [{"name": "Jobs"}])
        for job in jobs[:JOBS]:
            self.job(top, job, [code for code in company.codes(job) if code.erp])

    # -- what a company needs before the first document

    def settings(self) -> None:
        company = self.named("base.main_company")
        chosen = self.many("res.config.settings", [{"group_analytic_accounting": True, "group_uom": True}])
        self.api.press("res.config.settings", "execute", chosen)
        taxes = [one["id"] for one in self.api.search("account.tax", [], ("id",))]
        self.api.write("account.tax", taxes, {"active": False})
        self.api.write(
            "res.company", [company],
            {"name": COMPANY_NAME, "account_purchase_tax_id": None, "account_sale_tax_id": None, "fiscalyear_lock_date": LOCKED},
        )  # fmt: skip
        for name, digits in PRECISION.items():
            self.api.write("decimal.precision", [self.one("decimal.precision", name=name)], {"digits": digits})
        self.many("account.journal", [{"code": "PR", "name": "Payroll", "type": "general"}])
        self.many(
            "account.account",
            ({"code": code, "name": name, "user_type_id": self.one("account.account.type", name=type)}
             for code, name, type in ACCOUNTS),
        )  # fmt: skip

    def users(self) -> None:
        self._user(INTEGRATION, [self.named(one) for one in RIGHTS])
        self._user(CLERK, [self.named(one) for one in CLERK_RIGHTS])
        (reads,) = self.many("res.groups", [{"name": READS}])
        models = ("purchase.order", "purchase.order.line", "account.move", "account.move.line", "account.analytic.account",
                  "account.analytic.group", "project.project", "product.product", "product.template", "account.tax",
                  "account.account", "account.journal", "account.payment", "account.partial.reconcile", "uom.uom",
                  "account.payment.method")  # fmt: skip
        self.many(
            "ir.model.access",
            ({"name": READS, "model_id": self.one("ir.model", model=model), "group_id": reads, "perm_read": True}
             for model in models),
        )  # fmt: skip
        self._user(READER, [reads, self.named("base.group_user")])

    def _user(self, row: Mapping[str, str], groups: list[int]) -> None:
        """Without an e-mail address Odoo lets nobody change a confirmed order: it logs who did."""
        self.many("res.users", [{**row, "email": f"{row['login']}@example.com", "groups_id": groups, "tz": "America/New_York"}])

    def purchasing(self) -> None:
        """Units of one category, that one product may be bought in any of them; and a product for each cost type."""
        (category,) = self.many("uom.category", [{"name": "Job cost"}])
        kinds = {name: "reference" if name == "ls" else "bigger" for name in sorted(UNITS, key=lambda name: name != "ls")}
        for name, kind in kinds.items():
            self.many(
                "uom.uom", [{"name": name, "category_id": category, "uom_type": kind, "factor_inv": 1, "rounding": "0.0001"}]
            )
        sum_of = self.one("uom.uom", name="ls")
        self.many(
            "product.product",
            (
                {
                    "default_code": str(number), "name": name, "type": "service", "purchase_ok": True, "sale_ok": False,
                    "uom_id": sum_of, "uom_po_id": sum_of, "supplier_taxes_id": [], "purchase_method": "purchase",
                    "property_account_expense_id": self.one("account.account", code="510000"),
                }
                for number, name, *_ in COST_TYPES
            ),
        )  # fmt: skip

    def taxes(self, company: Company) -> None:
        self.many(
            "account.tax",
            ({"name": tax.code, "description": tax.description, "amount": tax.rate, "amount_type": "percent",
              "type_tax_use": "purchase", "active": True} for tax in company.tax_codes()),
        )  # fmt: skip

    # -- masters

    def vendors(self, vendors: Iterable[Vendor]) -> None:
        self.many(
            "res.partner",
            (
                {
                    "ref": v.code, "name": v.name, "is_company": True, "supplier_rank": 1, "vat": v.tax_id, "street": v.address,
                    "city": v.city, "zip": v.zip, "active": v.active,
                    "purchase_warn": "block" if v.hold == "all" else "no-message",
                    "purchase_warn_msg": "On hold" if v.hold == "all" else None,
                }
                for v in vendors
            ),
        )  # fmt: skip

    def job(self, top: int, job: Job, codes: Iterable[Code]) -> None:
        """A group of analytic accounts; the project has the one with the job's number, each cost code one of its own."""
        (group,) = self.many("account.analytic.group", [{"name": job.number, "parent_id": top}])
        (account,) = self.many("account.analytic.account", [{"code": job.number, "name": job.name, "group_id": group}])
        self.many("project.project", [{"name": job.name, "analytic_account_id": account}])
        self.many(
            "account.analytic.account",
            (
                {"code": f"{job.number}//{code.code}", "name": code.name, "group_id": group, "active": code.active}
                for code in codes
            ),
        )
