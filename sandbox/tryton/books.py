"""The sandbox company's books in Tryton: vendors, customers, jobs with their cost codes, contracts with owners, and what was
spent without a commitment.

Entered by a clerk over the network, as a person does with Tryton's client. Documents that come from Procore are left to the sync;
what it sent the clerk posts and pays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.erp.jsonrpc.tryton import Tryton
from include.erp.jsonrpc.wire import Address, Wire
from sandbox.local import LocalError
from sandbox.seed import budgets, costs, names
from sandbox.seed.company import Company
from sandbox.seed.model import Code, Customer, DirectCost, Job, Vendor
from sandbox.seed.prime import prime_contract
from sandbox.seed.prime_model import PrimeContract
from sandbox.seed.schedules import GOLDEN_JOB
from sandbox.seed.tables import COST_TYPES, TYPE_NUMBER
from sandbox.tryton.server import Running, tryton
from sandbox.tryton.template import COMPANY, DATABASE, cached, copy, template

TYPE_NAME = {code: name for _, name, _, code, *_ in COST_TYPES}
PAYABLE = "2.1.1"


def books(costs_of: Sequence[str] = (GOLDEN_JOB,)) -> Path:
    """A database with the books in it: every vendor and job of the company, and what was spent on some. Made once."""
    empty = template()

    def fill(folder: Path) -> None:
        with tryton(folder / "server", empty) as running:
            clerk = Clerk(running)
            clerk.fill(Company(), costs_of)
            clerk.close()
        copy(folder / "server" / f"{DATABASE}.sqlite", folder / f"{DATABASE}.sqlite")

    return cached("books", [empty.name, costs_of, Path(__file__), *sorted(Path(names.__file__).parent.glob("*.py"))], fill)


class Clerk:
    """An accountant with Tryton's client.

    :param at: the server, or the address with his log-in.
    """

    def __init__(self, at: Running | str) -> None:
        address = at if isinstance(at, str) else at.address("clerk")
        self.api = Tryton(Wire(Address.of(address)), warnings={"": "accept"})

    def close(self) -> None:
        self.api.close()

    def one(self, model: str, *path: str, **where: Any) -> dict[str, Any]:
        """The record with these values; a dot in a field's name is written ``__``. Raises LocalError where it is not one."""
        found = self.api.search(model, [[name.replace("__", "."), "=", wanted] for name, wanted in where.items()], ("id", *path))
        if len(found) != 1:
            raise LocalError(f"Tryton has {len(found)} {model} with {where}")
        return found[0]

    def many(self, model: str, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        return self.api.create_many(model, list(rows))

    # -- books

    def fill(self, company: Company, costs_of: Sequence[str]) -> None:
        self.vendors(v for v in company.vendors() if v.erp)
        self.customers(c for c in company.customers() if c.company == COMPANY)
        self.root = self.one("analytic_account.account", code="JOBS")["id"]
        for job in company.jobs():
            if job.company == COMPANY:
                self.job(job, [code for code in company.codes(job) if code.erp])
                if budgets.state(job).owner == "erp":
                    self.estimate(company, job)
            if job.number in costs_of:
                if prime := prime_contract(company, job):
                    self.prime_contract(prime)
                for cost in costs.direct_costs(company, job):
                    if cost.status == "posted":
                        self.direct_cost(cost)

    def vendors(self, vendors: Iterable[Vendor]) -> None:
        vendor = self.one("party.category", name="Vendor")["id"]
        holds = {one["name"]: one["id"] for one in self.api.search("party.category", [["parent.name", "=", "Hold"]], ("name",))}
        self.parties(
            (v, {"categories": [vendor, *([holds[v.hold]] if v.hold in holds else [])], "identifiers": [{"code": v.tax_id}]})
            for v in vendors
        )

    def customers(self, customers: Iterable[Customer]) -> None:
        category = self.one("party.category", name="Customer")["id"]
        self.parties((one, {"categories": [category]}) for one in customers)

    def parties(self, told: Iterable[tuple[Vendor | Customer, Mapping[str, Any]]]) -> None:
        """With what a party has beside code, name and address."""
        known = list(told)
        made = self.many(
            "party.party",
            (
                {
                    "code": one.code,
                    "name": one.name,
                    "addresses": [{"street_unstructured": one.address, "city": one.city, "postal_code": one.zip}],
                    **more,
                }
                for one, more in known
            ),
        )
        ended = [number for number, (one, _) in zip(made, known, strict=True) if not one.active]
        self.api.write("party.party", ended, {"active": False})

    def job(self, job: Job, codes: Sequence[Code]) -> None:
        """A tree of accounts: the job, division headers, cost codes, and the cost types that each takes."""
        (top,) = self.accounts([{"code": job.number, "name": job.name, "type": "view", "parent": self.root}])
        headers = [code for code in codes if code.parent is None]
        rows = [self._account(job, code, top) for code in headers]
        parents = dict(zip((code.code for code in headers), self.accounts(rows), strict=True))
        leaves = [code for code in codes if code.parent is not None]
        numbers = self.accounts([self._account(job, code, parents[code.parent or ""]) for code in leaves])
        self.accounts(
            {
                "code": f"{job.number}//{code.code}/{TYPE_NUMBER[type]}",
                "name": f"{code.name}, {TYPE_NAME[type].lower()}",
                "type": "normal",
                "parent": number,
            }
            for code, number in zip(leaves, numbers, strict=True)
            for type in code.types
        )

    def test_jobs(self, count: int) -> None:
        """Jobs of a few accounts, without documents: ``T-01`` ..."""
        self.root = self.one("analytic_account.account", code="JOBS")["id"]
        parents, tails = [self.root] * count, ("", "//05", "//05-1200", "//05-1200/3")
        for tail in tails:
            rows = [
                {"code": f"T-{n:02d}{tail}", "name": f"Test {n}{tail}", "type": "normal" if tail == tails[-1] else "view",
                 "parent": parent}
                for n, parent in enumerate(parents, start=1)
            ]  # fmt: skip
            parents = self.accounts(rows)

    @staticmethod
    def _account(job: Job, code: Code, parent: int) -> dict[str, Any]:
        return {
            "code": f"{job.number}//{code.code}",
            "name": code.name,
            "type": "view",
            "parent": parent,
            "state": "opened" if code.active else "closed",
        }

    def accounts(self, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        return self.many("analytic_account.account", ({"state": "opened", "root": self.root, **row} for row in rows))

    def leaf(self, job: str, code: str, type: str) -> int:
        return int(self.one("analytic_account.account", code=f"{job}//{code}/{TYPE_NUMBER[type]}")["id"])

    def estimate(self, company: Company, job: Job) -> None:
        """A budget of accounting's own. Tryton counts income up: what a job may cost is negative."""
        lines = [
            {"account": self.leaf(job.number, line.code, line.type), "sequence": line.position, "amount": -line.in_erp}
            for line in budgets.budget(company, job).lines
            if not line.sub_job
        ]
        row = {"name": job.number, "start_date": date(2000, 1, 1), "end_date": date(2099, 12, 31), "root": self.root}
        self.many("analytic_account.budget", [{**row, "lines": lines}])

    def prime_contract(self, prime: PrimeContract) -> None:
        """A sale that is invoiced by hand, confirmed: what the owner ordered."""
        lines = [
            {
                "type": "line",
                "sequence": line.position,
                "description": line.text,
                "quantity": 1,
                "unit_price": line.amount,
                "analytic_accounts": [{"root": self.root, "account": self.leaf(prime.job.number, line.code, line.type)}],
            }
            for line in prime.lines
        ]
        owner = self.one("party.party", code=prime.customer.code)["id"]
        address = self.address(owner)
        row = {
            "reference": prime.number,
            "description": prime.title,
            "party": owner,
            "invoice_address": address,
            "shipment_address": address,
            "sale_date": prime.contract_date,
            "invoice_method": "manual",
            "shipment_method": "manual",
        }
        made = self.many("sale.sale", [{**row, "lines": lines}])
        for button in ("quote", "confirm"):
            self.api.press("sale.sale", button, made)

    def address(self, party: int) -> int:
        return int(self.api.search("party.address", [["party", "=", party]], ("id",), limit=1)[0]["id"])

    # -- what is spent

    def direct_cost(self, cost: DirectCost) -> None:
        if cost.source == "AP":
            self._bill(cost)
            return
        cash = self.one("account.account", name="Checks and transfers")["id"]
        spent = self.one("account.account", code="5100")["id"]
        period = self.one("account.period", name=f"{cost.cost_date:%Y-%m}")["id"]
        lines: list[dict[str, Any]] = []
        for line in cost.lines:
            side, other = ("debit", "credit") if line.amount >= 0 else ("credit", "debit")
            amount = abs(line.amount)
            account = self.leaf(cost.job.number, line.code, line.type)
            entry = {"account": account, side: amount, "date": cost.cost_date}
            lines.append({"account": spent, side: amount, "description": line.text, "analytic_lines": [entry]})
            lines.append({"account": cash, other: amount})
        row = {"journal": self.one("account.journal", code=cost.source)["id"], "period": period, "date": cost.cost_date}
        (number,) = self.many("account.move", [{**row, "description": cost.description, "lines": lines}])
        self.api.press("account.move", "post", [number])

    def _bill(self, cost: DirectCost) -> None:
        """A supplier's invoice that no commitment covers, or his credit."""
        assert cost.vendor is not None
        vendor = self.one("party.party", code=names.vendor_code(cost.vendor))["id"]
        lines = [
            {
                "type": "line",
                "account": self.one("account.account", code="5100")["id"],
                "description": line.text,
                "quantity": 1,
                "unit_price": line.amount,
                "analytic_accounts": [{"root": self.root, "account": self.leaf(cost.job.number, line.code, line.type)}],
            }
            for line in cost.lines
        ]
        row = {
            "type": "in",
            "party": vendor,
            "invoice_address": self.address(vendor),
            "journal": self.one("account.journal", code="EXP")["id"],
            "account": self.one("account.account", code=PAYABLE)["id"],
            "reference": cost.invoice,
            "description": cost.description,
            "invoice_date": cost.cost_date,
            "accounting_date": cost.cost_date,
        }
        (number,) = self.many("account.invoice", [{**row, "lines": lines}])
        self.api.press("account.invoice", "post", [number])

    # -- what the sync sent

    def invoice(self, party: str, number: str) -> dict[str, Any]:
        return self.one("account.invoice", "state", "lines_to_pay", party__code=party, reference=number)

    def post(self) -> int:
        """Every invoice that waits, as they are dated: Tryton numbers those of customers in that order only. How many."""
        by_date = [("invoice_date", "ASC"), ("id", "ASC")]
        waiting = [r["id"] for r in self.api.search("account.invoice", [["state", "=", "validated"]], ("id",), order=by_date)]
        if waiting:
            self.api.press("account.invoice", "post", waiting)
        return len(waiting)

    def cancel(self, model: str, number: str) -> None:
        """A purchase or sale that is confirmed and not under way yet."""
        found = [self.one(model, reference=number)["id"]]
        for button in ("draft", "cancel"):
            self.api.press(model, button, found)

    def pay(self, number: str, method: str, paid: date, parts: Sequence[tuple[str, str, Decimal]]) -> None:
        """A check or transfer over (vendor, invoice, amount)."""
        self._payment("payable", number, method, paid, parts)

    def receive(self, number: str, method: str, received: date, parts: Sequence[tuple[str, str, Decimal]]) -> None:
        """What an owner paid: (customer, invoice, amount)."""
        self._payment("receivable", number, method, received, parts)

    def _payment(self, kind: str, number: str, method: str, day: date, parts: Sequence[tuple[str, str, Decimal]]) -> None:
        journal = self.one("account.payment.journal", name=method)["id"]
        rows = []
        for party, invoice, amount in parts:
            line = self.invoice(party, invoice)["lines_to_pay"][0]
            row = {"journal": journal, "kind": kind, "party": self.one("party.party", code=party)["id"], "line": line}
            rows.append({**row, "amount": amount, "reference": number, "date": day})
        made = self.many("account.payment", rows)
        for button in ("submit", "approve") if kind == "payable" else ("submit",):
            self.api.press("account.payment", button, made)
        session, state, _ = self.api.call("wizard.account.payment.process", "create", writes=True)
        chosen = {"active_model": "account.payment", "active_ids": made, "active_id": made[0]}
        self.api.call("wizard.account.payment.process", "execute", session, {}, state, writes=True, context=chosen)
        self.api.press("account.payment", "succeed", made)

    def fail(self, number: str) -> None:
        """A check that was voided."""
        found = [one["id"] for one in self.api.search("account.payment", [["reference", "=", number]], ("id",))]
        self.api.press("account.payment", "fail", found)
