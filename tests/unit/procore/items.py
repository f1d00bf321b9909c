"""Items as the engine makes them: the record in ERP keys, Procore ids in ``refs``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from include.financials.entities.budgets import Budget, BudgetLine
from include.financials.entities.changes import CommitmentChangeOrder, PrimeChangeOrder
from include.financials.entities.costs import DirectCost
from include.financials.entities.directory import User, Vendor, VendorInsurance
from include.financials.entities.invoices import OwnerInvoice, SubcontractorInvoice
from include.financials.entities.jobs import SubJob, TaxCode
from include.financials.entities.payments import PaymentIssued, PaymentReceived
from include.financials.entities.primes import PrimeContract
from include.financials.identity import canonical_json
from include.financials.port import Action, Item, Outcome, Step
from include.financials.record import Line, Record
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox

JOB = "25-104"


def item(record: Record, company: str = "01", **options: Any) -> Item:
    """An item as the engine makes it."""
    origin = f"sandbox:{company}:{record.entity}:{record.id}"
    return Item(
        **{
            "intent": f"i-{record.id}",
            "record": record,
            "company": company,
            "number": record.number,
            "origin_id": origin,
            **options,
        }
    )


def vendor(key: str, name: str | None = None, **fields: Any) -> Vendor:
    return Vendor(id=key, number=key, code=key, name=name or f"Vendor {key}", company="G1", **fields)


def all_of(system: ProcoreSystem, entity: str, scopes: Sequence[str] | None = None) -> dict[str, Any]:
    return {record.number: record for page in system.read(entity, scopes=scopes) for record in page.records}


def step(entity: str, action: Action, name: str | None = None) -> Step:
    return next(row for row in ProcoreSystem.steps(None, entity, action) if row.name == (name or action))  # type: ignore[arg-type]


def sent(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [entry for entry in sandbox.requests() if entry["write"] and "/oauth/" not in entry["path"]]


def known(entry: Item, outcome: Outcome) -> Item:
    """The item of the next step: its record has an id in Procore by now."""
    return replace(entry, procore_id=outcome.id)


class Site:
    """A project of the sandbox, and items for it."""

    def __init__(self, system: ProcoreSystem, number: str = JOB) -> None:
        self.system = system
        self.job = number
        self.project: str = all_of(system, "projects")[number].id
        self._types: dict[str, str] | None = None
        self._codes: dict[str, str] | None = None

    def get(self, path: str, **params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.system.client.get(path, {"project_id": self.project, **params}).rows
        return rows

    def refs(self, **more: str | None) -> dict[str, str | None]:
        """``project``, and every cost code and type of the project by its ERP key."""
        codes, types = self.codes, self.types
        return {
            "project": self.project,
            **{f"cost_code:{self.job}//{code}": ident for code, ident in codes.items()},
            **{f"cost_type:{number}": types[code] for number, code in zip("12345", "LMCEO", strict=True)},
            **more,
        }

    @property
    def types(self) -> dict[str, str]:
        if self._types is None:
            rows = self.system.client.get("/rest/v1.0/line_item_types", {"company_id": self.system.client.company_id}).rows
            self._types = {row["code"]: str(row["id"]) for row in rows}
        return self._types

    @property
    def codes(self) -> dict[str, str]:
        """Full code -> id, of the project's leaves."""
        if self._codes is None:
            rows = self.get("/rest/v1.0/cost_codes", per_page=1000)
            parents = {row["parent"]["id"] for row in rows if row.get("parent")}
            self._codes = {row["full_code"]: str(row["id"]) for row in rows if row["id"] not in parents}
        return self._codes

    def line(self, position: int, code: str, cost_type: str, amount: str, model: type[Any] = Line, **fields: Any) -> Any:
        """A line on a cost code (``03-3000``) and an ERP cost type (``3``)."""
        key = f"{self.job}//{code}"
        return model(id=str(position), position=position, cost_code=key, cost_type=cost_type, amount=Decimal(amount), **fields)

    def item(self, record: Record, *, data: dict[str, Any] | None = None, **options: Any) -> Item:
        options.setdefault("refs", self.refs())
        return item(record, erp_key=record.id, origin_data=canonical_json(data or {"erp_key": record.id}), **options)

    # ------------------------------------------------------------------ what is there in Procore

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """A record made through the API; answers it as Procore shows it."""
        made: dict[str, Any] = self.system.client.post(
            path, {**({} if "/projects/" in path else {"project_id": int(self.project)}), **body}
        ).object
        return made

    def commitment(self) -> str:
        """A subcontract of the project with lines."""
        rows = self.get("/rest/v1.0/work_order_contracts", view="extended")
        return str(next(row["id"] for row in rows if row["status"] == "Approved" and Decimal(row["grand_total"]) > 0))

    def prime(self) -> str:
        """A new prime contract of the project, approved, with a line."""
        contract = self.post(
            "/rest/v1.0/prime_contract", prime_contract={"number": "P-1", "title": "By hand", "status": "Approved"}
        )
        line = {"cost_code_id": int(self.codes["03-3000"]), "line_item_type_id": int(self.types["C"]), "amount": "90000.00"}
        self.post(f"/rest/v1.0/prime_contracts/{contract['id']}/line_items?project_id={self.project}", line_item=line)
        return str(contract["id"])

    def package(self, contract: str) -> str:
        """A new change order of a contract, approved."""
        change = {"title": "More steel", "status": "approved"}
        return str(self.post("/rest/v1.0/change_order_packages", contract_id=int(contract), change_order=change)["id"])

    def period(self) -> int:
        dates = {"start_date": "2026-08-01", "end_date": "2026-08-31", "due_date": "2026-09-05", "status": "open"}
        return int(self.post(f"/rest/v1.0/projects/{self.project}/billing_periods", billing_period=dates)["id"])

    def requisition(self, contract: str) -> str:
        """A new subcontractor invoice, approved."""
        body = {"period_id": self.period(), "status": "approved", "billing_date": "2026-08-31", "invoice_number": "INV-9"}
        return str(self.post("/rest/v1.1/requisitions", commitment_id=int(contract), requisition=body)["id"])

    def application(self, contract: str) -> str:
        """A new owner invoice, approved."""
        body = {"commitment_billing_period_id": self.period(), "status": "approved", "billing_date": "2026-08-31"}
        path = f"/rest/v1.0/prime_contracts/{contract}/payment_applications"
        return str(self.post(path, payment_application=body)["id"])

    # ------------------------------------------------------------------ records

    def insurance(self, vendor_id: str, policy: str = "GL-9001", **fields: Any) -> Item:
        record = VendorInsurance(
            **{
                "id": f"V-9/{policy}",
                "number": policy,
                "vendor": "V-9",
                "insurance_type": "General liability",
                "provider": "Neutral Mutual",
                "limit": "2,000,000",
                "effective_date": date(2026, 1, 1),
                "expiration_date": date(2027, 1, 1),
                **fields,
            }
        )
        return self.item(record, refs={"vendor": vendor_id})

    def sub_job(self, code: str = "77") -> Item:
        return self.item(SubJob(id=f"{self.job}/{code}", number=code, project=self.job, name=f"Part {code}"))

    def user(self, number: str = "E-901") -> Item:
        record = User(
            id=number, number=number, employee_id=number, first_name="Ada", last_name="Quill", email="ada.quill@example.com"
        )
        return self.item(record, refs={})

    def tax_code(self, code: str = "TX-9", rate: str = "8.375000", *, active: bool = True) -> Item:
        return self.item(
            TaxCode(id=code, number=code, description="Sales tax", rate=Decimal(rate), active=active), company="G1", refs={}
        )

    def budget(self, *lines: BudgetLine, owner: str = "erp", **options: Any) -> Item:
        total = sum((line.amount for line in lines), Decimal("0.00"))
        record = Budget(id=self.job, number=self.job, project=self.job, owner=owner, amount=total, lines=lines)  # type: ignore[arg-type]
        data = {"budget_owner": owner, "erp_key": self.job}
        origin = f"sandbox:01:projects:{self.job}"
        return replace(self.item(record, data=data, procore_id=self.project, **options), origin_id=origin)

    def budget_line(self, position: int, code: str, cost_type: str, amount: str, **fields: Any) -> BudgetLine:
        found: BudgetLine = self.line(position, code, cost_type, amount, BudgetLine, **fields)
        return found

    def direct_cost(self, key: str, *lines: Line, kind: str = "expense", vendor_id: str | None = None, **fields: Any) -> Item:
        total = sum((line.amount for line in lines), Decimal("0.00"))
        record = DirectCost(
            id=key,
            number=key,
            project=self.job,
            kind=kind,  # type: ignore[arg-type]
            vendor="V-9" if vendor_id else None,
            cost_date=date(2026, 8, 3),
            amount=total,
            lines=lines,
            **{"description": f"Cost {key}", **fields},
        )
        return self.item(record, refs=self.refs(vendor=vendor_id))

    def prime_contract(self, number: str, customer_id: str, *lines: Line, **fields: Any) -> Item:
        total = sum((line.amount for line in lines), Decimal("0.00"))
        record = PrimeContract(
            **{
                "id": number,
                "number": number,
                "project": self.job,
                "customer": "C-9",
                "title": "General contract",
                "status": "open",
                "retainage_percent": Decimal("5.0000"),
                "contract_date": date(2026, 1, 5),
                "amount": total,
                "lines": lines,
                **fields,
            }
        )
        return self.item(record, refs=self.refs(customer=customer_id))

    def change_order(self, package: str, contract: str, *, prime: bool = False) -> Item:
        common = {"id": "C-1/009", "number": "C-1/009", "project": self.job, "change_number": "009", "status": "approved"}
        record = (
            PrimeChangeOrder(**common, prime_contract="C-1", amount=Decimal("10.00"))  # type: ignore[arg-type]
            if prime
            else CommitmentChangeOrder(**common, commitment="C-1", amount=Decimal("10.00"))  # type: ignore[arg-type]
        )
        name = "prime_contract" if prime else "commitment"
        return self.item(record, procore_id=package, refs=self.refs(**{name: contract}))

    def invoice(self, ident: str, contract: str, *, prime: bool = False) -> Item:
        common = {"id": "INV-9", "number": "INV-9", "project": self.job, "sequence": 1, "status": "approved"}
        record = (
            OwnerInvoice(**common, prime_contract="C-1", amount=Decimal("10.00"))  # type: ignore[arg-type]
            if prime
            else SubcontractorInvoice(**common, commitment="C-1", vendor="V-9", amount=Decimal("10.00"))  # type: ignore[arg-type]
        )
        name = "prime_contract" if prime else "commitment"
        return self.item(record, procore_id=ident, refs=self.refs(**{name: contract}))

    def payment(self, key: str, contract: str, invoice: str | None, amount: str = "1250.10") -> Item:
        """Of a check on a subcontractor invoice."""
        record = PaymentIssued(
            id=key,
            number=key,
            project=self.job,
            payment_number=key.split("/")[0],
            method="check",
            pay_date=date(2026, 9, 15),
            commitment="C-1",
            invoice="INV-9",
            invoice_number="INV-9",
            amount=Decimal(amount),
        )
        return self.item(record, refs=self.refs(commitment=contract, invoice=invoice))

    def receipt(self, key: str, contract: str, draw: int, amount: str = "9000.00") -> Item:
        """Of the owner, on the invoice with this number."""
        record = PaymentReceived(
            id=key,
            number=key,
            project=self.job,
            payment_number=key.split("/")[0],
            method="electronic",
            pay_date=date(2026, 9, 16),
            prime_contract="C-1",
            invoice="OI-9",
            invoice_number="OI-9",
            draw_number=draw,
            amount=Decimal(amount),
        )
        return self.item(record, refs=self.refs(prime_contract=contract))


def bare_site() -> Site:
    """A project that needs no sandbox; its items name their own ``refs``."""
    site = Site.__new__(Site)
    site.job, site.project, site._types, site._codes = JOB, "55", {code: code for code in "LMCEO"}, {}
    return site
