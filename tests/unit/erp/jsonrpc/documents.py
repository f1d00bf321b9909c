"""Documents as Procore would send them, for the tests of ERPs behind JSON remote procedures; and the port as they use it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from include.erp.system import MappedSystem
from include.financials.entities import MODELS
from include.financials.port import Item, Outcome
from include.financials.record import Record

STEEL, SITE = "25-104//05-1200", "25-104//31-1000"


def line(position: int, amount: str, code: str = STEEL, **more: Any) -> dict[str, Any]:
    return {"id": f"l{position}", "position": position, "description": f"Line {position}", "cost_code": code, "cost_type": "3",
            "amount": Decimal(amount), **more}  # fmt: skip


def made(entity: str, **fields: Any) -> Record:
    model = MODELS[entity]
    assert model.line is not None
    lines = tuple(model.line.model_validate(one) for one in fields.pop("lines"))
    return model.model_validate({"id": "1", "company": "01", **fields, "lines": lines})


def contract(number: str, *lines: dict[str, Any], **more: Any) -> Record:
    rows = lines or (line(1, "62000.00"), line(2, "-500.00"))
    known: dict[str, Any] = {
        "number": number, "kind": "subcontract", "project": "25-104", "vendor": "V-1001", "title": "Stahlbau Süd",
        "status": "Approved", "currency": "USD", "contract_date": date(2026, 7, 1), "lines": rows,
        "amount": sum(one["amount"] for one in rows),
    }  # fmt: skip
    return made("commitments", **(known | more))


def change(of: str, number: str, *lines: dict[str, Any], markup: str | None = None) -> Record:
    known: dict[str, Any] = {
        "number": f"{of}/{number}", "change_number": number, "project": "25-104", "title": "More", "status": "approved",
        "change_date": date(2026, 8, 6), "lines": lines,
        "amount": sum((one["amount"] for one in lines), Decimal(markup or "0.00")),
    }  # fmt: skip
    if markup is None:
        return made("commitment_change_orders", commitment=of, **known)
    return made("prime_change_orders", prime_contract=of, markup=Decimal(markup), **known)


def transfer(number: str, *lines: dict[str, Any], **more: Any) -> Record:
    """A budget change of the job in its number."""
    known: dict[str, Any] = {
        "number": number, "project": number.partition("/")[0], "title": "Moved", "status": "approved", "currency": "USD",
        "lines": lines, "amount": sum((one["amount"] for one in lines), Decimal("0.00")),
    }  # fmt: skip
    return made("budget_changes", **(known | more))


def billed(position: int, amount: str, held: str = "0.00", released: str = "0.00", **more: Any) -> dict[str, Any]:
    own = {"line": position, "held": Decimal(held), "released": Decimal(released), **more}
    row = line(position, amount, **own)
    del row["description"]
    return row


def bill(of: str, number: str, *lines: dict[str, Any], vendor: str | None = "V-1001", day: date = date(2026, 8, 25)) -> Record:
    """Without a vendor: to the owner."""
    known: dict[str, Any] = {
        name: sum((one.get(name, Decimal(0)) for one in lines), Decimal("0.00")) for name in ("amount", "held", "released", "tax")
    }
    known |= {
        "number": number, "project": "25-104", "sequence": 1, "status": "approved", "currency": "USD", "billing_date": day,
        "lines": lines,
    }  # fmt: skip
    if vendor is None:
        return made("owner_invoices", prime_contract=of, **known)
    return made("subcontractor_invoices", commitment=of, vendor=vendor, **known)


def item(record: Record, ident: str = "", **more: Any) -> Item:
    number = record.number
    return Item(f"intent {number}", record, "01", number, f"erp:01:x:{number}", procore_id=ident or f"id-{number}", **more)


def post(erp: MappedSystem, *records: Record, action: Any = "create", **more: Any) -> list[Outcome]:
    (step,) = erp.steps(records[0].entity, action)
    return erp.post(step, [item(record, **more) for record in records])


def one(erp: MappedSystem, entity: str, ident: str) -> Record:
    (page,) = erp.read_ids(entity, [(None, ident)])
    assert page.invalid == []
    (found,) = page.records
    return found
