"""Documents as Procore would send them, made of the ERP's own masters: the plain one of each entity, and its cases.

What a document stands on (a change order's contract, an invoice's contract, a budget change's budget) is entered first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from include.erp.acceptance.masters import Missing, Place
from include.erp.acceptance.suite import Suite
from include.financials.billing import InvoiceLine
from include.financials.entities import ENTITIES
from include.financials.entities.budgets import AdjustmentLine, Budget, BudgetChange, BudgetLine
from include.financials.entities.changes import ChangeLine, CommitmentChangeOrder, PrimeChangeOrder
from include.financials.entities.commitments import Commitment
from include.financials.entities.invoices import OwnerInvoice, SubcontractorInvoice
from include.financials.money import ZERO, total
from include.financials.port import Item
from include.financials.record import Line
from include.financials.statuses import OPEN, VOID

ODD = "Ångström & Söhne – façade №7 日本"
"""Letters that a single-byte column does not hold."""
MANY = 200

FIGURES = ("amount", "held", "released", "tax")


class Maker:
    """:param rehearsing: nothing is entered; documents stand on what the ERP has."""

    def __init__(self, suite: Suite, *, rehearsing: bool = False) -> None:
        self.suite, self.masters, self.rehearsing = suite, suite.masters, rehearsing

    def make(self, entity: str, case: str = "plain", **more: Any) -> Item:
        """One document, not yet sent. ``more`` are values of the record. Raises Missing where the ERP lacks what it takes."""
        return CASES[entity][case](self, **more)

    def cases(self, entity: str) -> list[str]:
        return list(CASES.get(entity, ()))

    # -- what documents share

    def keeps(self, entity: str, field: str) -> bool:
        kept = self.suite.capability(entity).keeps
        return kept is None or field in kept

    def need(self, entity: str, *fields: str) -> None:
        for field in fields:
            if not self.keeps(entity, field):
                raise Missing(f"the ERP does not keep the {field} of {entity}")

    def id(self) -> str:
        return "A" + self.suite.number("commitments", "id", length=12)

    def text(self, entity: str, field: str, text: str) -> str:
        limit = self.suite.capability(entity).max_lengths.get(field)
        return text[:limit].strip()

    def line(self, entity: str, model: Any, place: Place, position: int, amount: str, key: int | None = None, **more: Any) -> Any:
        code, kind, sub_job = place.key(position - 1 if key is None else key)
        values = {"description": self.text(entity, "lines.description", f"part {position}"), "sub_job": sub_job}
        values = {name: value for name, value in values.items() if name in model.model_fields}
        made = {"id": f"L{position}", "position": position, "cost_code": code, "cost_type": kind, "amount": Decimal(amount)}
        return model(**(values | made | more))

    def entered(self, item: Item) -> Any:
        """A document that another one stands on, as the ERP has it."""
        outcome = self.suite.enter(item)
        if outcome.status == "rejected" or outcome.record is None:
            why = outcome.message or f"it is {outcome.status}"
            raise Missing(f"the {item.record.entity} on which it stands could not be entered: {why}")
        return outcome.record

    # -- commitments and their change orders

    def commitment(self, *amounts: str, lines: Sequence[Line] | None = None, place: Place | None = None, **more: Any) -> Item:
        entity = "commitments"
        place = place or self.masters.place()
        if lines is None:
            lines = [self.line(entity, Line, place, n, amount) for n, amount in enumerate(amounts or ("900.00", "100.00"), 1)]
        number = self.suite.number(entity)
        values: dict[str, Any] = {
            "id": self.id(), "number": number, "kind": "subcontract", "project": place.project,
            "title": self.text(entity, "title", f"Acceptance test {number}"), "status": "Approved", "currency": place.currency,
            "retainage_percent": Decimal("10"), "contract_date": self.suite.today(),
            "amount": total(one.amount for one in lines), "lines": tuple(lines),
        }  # fmt: skip
        if "vendor" not in more:
            values["vendor"] = self.masters.vendor(place.company)
        return self.suite.item(Commitment(**(values | more)), place.company)

    def order(self, **more: Any) -> Item:
        kind = self.suite.mapping.entity("commitments").fields["kind"]
        known = [kind.constant] if kind.is_constant else list((kind.map or {"": "purchase_order"}).values())
        if "purchase_order" not in known:
            raise Missing("the mapping knows no purchase orders: set commitments.eligible.purchase_order to [] in the settings")
        return self.commitment(kind="purchase_order", **more)

    def units(self, **more: Any) -> Item:
        self.need("commitments", "lines.quantity", "lines.unit_cost")
        place = self.masters.place()
        priced: dict[str, Any] = {"extended_type": "calculated", "quantity": Decimal("333.5"), "unit_cost": Decimal("1.785")}
        if unit := next((line.unit for one in self.suite.records("commitments") for line in one.lines if line.unit), None):
            priced["unit"] = unit
        lines = [self.line("commitments", Line, place, 1, "595.30", **priced), self.line("commitments", Line, place, 2, "100.00")]
        return self.commitment(lines=lines, place=place, **more)

    def taxed(self, **more: Any) -> Item:
        self.need("commitments", "lines.tax_code")
        place = self.masters.place()
        code = self.masters.tax_code(place.company)
        return self.commitment(lines=[self.line("commitments", Line, place, 1, "900.00", tax_code=code)], place=place, **more)

    def odd(self, **more: Any) -> Item:
        place = self.masters.place()
        line = self.line("commitments", Line, place, 1, "1.00", description=self.text("commitments", "lines.description", ODD))
        return self.commitment(lines=[line], place=place, title=self.text("commitments", "title", ODD), **more)

    def zero(self, **more: Any) -> Item:
        if not self.suite.capability("commitments").accepts_zero:
            raise Missing("the mapping says that the ERP takes no zero")
        return self.commitment("0.00", "1.00", "-1.00", **more)

    def contract(self) -> Any:
        """A commitment to make documents of: a new one."""
        if not self.rehearsing:
            return self.entered(self.commitment())
        places = {(place.company, place.project) for place in self.masters.places()}
        for one in self.suite.records("commitments"):
            if one.status == OPEN and len(one.lines) > 1 and (one.company, one.project) in places:
                return one
        raise Missing("the ERP shows no open commitment with two lines on an open job")

    def change(self, *parts: tuple[int | None, str], **more: Any) -> Item:
        """``parts``: (line of the contract, None: a new line; amount)."""
        contract = self.contract()
        entity, place = "commitment_change_orders", self.place_of(contract)
        lines = [
            self.line(entity, ChangeLine, place, n, amount, line=of, key=(of or n) - 1)
            for n, (of, amount) in enumerate(parts or ((None, "250.00"), (1, "50.00")), 1)
        ]
        number = self.suite.number(entity, "change_number", length=5)
        values: dict[str, Any] = {
            "id": self.id(), "number": f"{contract.number}/{number}", "change_number": number, "commitment": contract.id,
            "project": place.project, "title": self.text(entity, "title", f"Change {number}"), "status": "approved",
            "currency": place.currency, "change_date": self.suite.today(), "amount": total(one.amount for one in lines),
            "lines": tuple(lines),
        }  # fmt: skip
        return self.suite.item(CommitmentChangeOrder(**(values | more)), place.company)

    def place_of(self, contract: Any) -> Place:
        """The job of a contract, with the cost keys of its lines first."""
        keys = tuple((line.cost_code, line.cost_type, line.sub_job) for line in contract.lines)
        found = self.masters.place(lambda one: (one.company, one.project) == (contract.company, contract.project))
        mine = [key for wanted in keys for key in found.keys if key[:2] == wanted[:2]]
        return Place(found.company, found.project, contract.currency or found.currency, tuple(mine) or found.keys)

    # -- invoices

    def bill(self, *lines: tuple[str, str, str, str], contract: Any = None, **more: Any) -> Item:
        """``lines``: (gross, held, released, tax) on the contract's lines 1, 2 ..."""
        contract = contract or self.contract()
        entity = "subcontractor_invoices"
        billed = [one.sequence for one in self.suite.records(entity) if one.commitment == contract.id and one.status != VOID]
        place = self.place_of(contract)
        record = self._invoice(entity, contract, place, lines, max(billed, default=0) + 1, "AP")
        record |= {"commitment": contract.id, "vendor": contract.vendor}
        return self.suite.item(SubcontractorInvoice(**(record | more)), place.company)

    def _invoice(
        self, entity: str, contract: Any, place: Place, lines: Sequence[tuple[str, ...]], sequence: int, module: str
    ) -> dict[str, Any]:
        made = []
        for position, figures in enumerate(lines or (("100.00", "10.00", "0.00", "0.00"),), 1):
            money: dict[str, Any] = dict(zip(FIGURES, map(Decimal, figures), strict=True))
            gross = str(money.pop("amount"))
            made.append(
                self.line(entity, InvoiceLine, place, position, gross, line=contract.lines[position - 1].position, **money)
            )
        day = self.masters.day(place.company, module)
        return {
            "id": self.id(), "number": self.suite.number(entity), "project": place.project, "sequence": sequence,
            "status": "approved", "currency": contract.currency, "billing_date": day, "posting_date": day, "lines": tuple(made),
            **{name: total(getattr(one, name) for one in made) for name in FIGURES},
        }  # fmt: skip

    def release(self, *lines: tuple[str, str, str, str], **more: Any) -> Item:
        """The second bill of a contract, whose first one has held."""
        contract = self.entered(self.commitment())
        first = self.bill(("100.00", "10.00", "0.00", "0.00"), contract=contract)
        self.entered(first)
        if self.suite.options.clerk is not None:
            self.suite.options.clerk("post", first.record)
        return self.bill(*lines, contract=contract, **more)

    def bill_tax(self, **more: Any) -> Item:
        self.need("subcontractor_invoices", "tax", "lines.tax")
        return self.bill(("100.00", "0.00", "0.00", "8.25"), **more)

    def draw(self, *lines: tuple[str, str, str, str], **more: Any) -> Item:
        entity, prime = "owner_invoices", self.masters.prime_contract()
        place = self.place_of(prime)
        drawn = [one.sequence for one in self.suite.records(entity) if one.prime_contract == prime.id and one.status != VOID]
        record = self._invoice(entity, prime, place, lines, max(drawn, default=0) + 1, "AR")
        record |= {"prime_contract": prime.id, "customer": prime.customer}
        return self.suite.item(OwnerInvoice(**(record | more)), place.company)

    def owner_change(self, *parts: tuple[int | None, str], markup: str = "0.00", **more: Any) -> Item:
        entity, prime = "prime_change_orders", self.masters.prime_contract()
        place = self.place_of(prime)
        lines = [
            self.line(entity, ChangeLine, place, n, amount, line=of and prime.lines[of - 1].position, key=(of or n) - 1)
            for n, (of, amount) in enumerate(parts or ((None, "250.00"), (1, "50.00")), 1)
        ]
        number = self.suite.number(entity, "change_number", length=5)
        values: dict[str, Any] = {
            "id": self.id(), "number": f"{prime.number}/{number}", "change_number": number, "prime_contract": prime.id,
            "project": place.project, "title": self.text(entity, "title", f"Change {number}"), "status": "approved",
            "currency": prime.currency, "change_date": self.suite.today(), "markup": Decimal(markup),
            "amount": total(one.amount for one in lines) + Decimal(markup), "lines": tuple(lines),
        }  # fmt: skip
        return self.suite.item(PrimeChangeOrder(**(values | more)), place.company)

    def marked_up(self, **more: Any) -> Item:
        self.need("prime_change_orders", "markup")
        return self.owner_change((None, "250.00"), markup="25.00", **more)

    # -- budgets

    def budget(self, **more: Any) -> Item:
        there = {(one.company, one.project) for one in self.suite.records("budgets")}
        place = self.masters.place(lambda one: (one.company, one.project) not in there, "an open job without a budget")
        amounts = ("7000.10", "2999.90")[: len(place.keys)]
        lines = tuple(self.line("budgets", BudgetLine, place, n, amount) for n, amount in enumerate(amounts, 1))
        values: dict[str, Any] = {
            "id": self.id(), "number": place.project, "project": place.project, "owner": "procore", "locked": True,
            "currency": place.currency, "amount": total(one.amount for one in lines), "lines": lines,
        }  # fmt: skip
        return self.suite.item(Budget(**(values | more)), place.company)

    def budget_change(self, *amounts: str, **more: Any) -> Item:
        entity, there = "budget_changes", {(one.company, one.project) for one in self.suite.records("budgets")}
        try:
            place = self.masters.place(lambda one: (one.company, one.project) in there, "an open job with a budget")
        except Missing:
            if self.rehearsing:
                raise
            self.entered(self.budget())
            return self.budget_change(*amounts, **more)
        lines = tuple(
            self.line(entity, AdjustmentLine, place, n, amount, adjustment=(n + 1) // 2)
            for n, amount in enumerate(amounts or ("-250.50", "250.50"), 1)
        )
        number = self.suite.number(entity, length=5)
        values: dict[str, Any] = {
            "id": self.id(), "number": f"{place.project}/{number}", "project": place.project,
            "title": self.text(entity, "title", f"Transfer {number}"), "status": "approved", "currency": place.currency,
            "change_date": self.suite.today(), "amount": total(one.amount for one in lines) or ZERO, "lines": lines,
        }  # fmt: skip
        return self.suite.item(BudgetChange(**(values | more)), place.company)


Case = Callable[..., Item]

CASES: dict[str, dict[str, Case]] = {
    "budgets": {"plain": Maker.budget},
    "budget_changes": {
        "plain": Maker.budget_change,
        "zero lines": lambda make, **more: make.budget_change("0.00", "0.00", **more),
    },
    "commitments": {
        "plain": Maker.commitment,
        "purchase order": Maker.order,
        "unit prices": Maker.units,
        "negative line": lambda make, **more: make.commitment("900.00", "-100.00", **more),
        "zero": Maker.zero,
        "200 lines": lambda make, **more: make.commitment(*(f"{n}.01" for n in range(1, MANY + 1)), **more),
        "non-ASCII": Maker.odd,
        "tax": Maker.taxed,
    },
    "commitment_change_orders": {
        "plain": Maker.change,
        "new line": lambda make, **more: make.change((None, "250.00"), **more),
        "changed line": lambda make, **more: make.change((2, "75.25"), **more),
        "deductive": lambda make, **more: make.change((1, "-400.00"), **more),
        "zero": lambda make, **more: make.change((1, "-50.00"), (2, "50.00"), **more),
    },
    "subcontractor_invoices": {
        "plain": Maker.bill,
        "retainage held": lambda make, **more: make.bill(
            ("100.00", "10.00", "0.00", "0.00"), ("50.00", "5.00", "0.00", "0.00"), **more
        ),
        "negative line": lambda make, **more: make.bill(
            ("300.00", "30.00", "0.00", "0.00"), ("-20.00", "-2.00", "0.00", "0.00"), **more
        ),
        "retainage released": lambda make, **more: make.release(("200.00", "20.00", "5.00", "0.00"), **more),
        "release only": lambda make, **more: make.release(("0.00", "0.00", "10.00", "0.00"), **more),
        "tax": Maker.bill_tax,
    },
    "prime_change_orders": {
        "plain": Maker.owner_change,
        "deductive": lambda make, **more: make.owner_change((1, "-10.00"), **more),
        "mark-up": Maker.marked_up,
    },
    "owner_invoices": {
        "plain": Maker.draw,
        "retainage held": lambda make, **more: make.draw(("100.00", "10.00", "0.00", "0.00"), **more),
    },
}
"""By entity: the plain document first, then its cases."""

assert set(CASES) == {name for name, row in ENTITIES.items() if row.direction == "procore_to_erp" or row.two_way}


def dated(record: Any, day: date) -> dict[str, Any]:
    """The values that date a document on a day."""
    return {name: day for name in ("billing_date", "posting_date") if name in type(record).model_fields}
