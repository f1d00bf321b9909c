"""The canonical fields: what each means, in which unit it is, which words it may have. For whoever fills a mapping.

The table of docs/canonical-fields.md and the comments of a skeleton (``init``) are made of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from include.erp.mapping.checks import OWN_KEYS, is_list, is_mappable, kind_of, line_fields
from include.financials.entities import ENTITIES, OF_ERP
from include.financials.record import Record

MEANINGS: dict[str, str] = {
    "id": "the ERP's own key, unique in the company; it never changes",
    "company": "the ERP company that the record belongs to, or the group of companies that shares it",
    "number": "what people call it",
    "updated_at": "the time of the last change, of the lines too; without it the entity is read in full every time",
    "marker": "what tells which Procore record it was made of; the column is named under `find`",
    "name": "its name",
    "code": "the code by which Procore finds its twin",
    "active": "whether it may be used for something new",
    "tax_id": "tax number; compared by its digits",
    "hold": "what is held of the vendor: nothing, payments, or everything new",
    "hold_reason": "why it is held",
    "terms": "terms of payment, as people write them",
    "address": "street and number",
    "city": "city",
    "state": "state or province",
    "zip": "postal code",
    "merged_into": "id of the record that this one was merged into",
    "vendor": "id of the vendor",
    "insurance_type": "kind of policy, as people write it",
    "provider": "the insurer",
    "limit": "sum insured, as people write it",
    "effective_date": "first day of cover",
    "expiration_date": "last day of cover",
    "status": "the state in the ERP",
    "currency": "ISO code of the money",
    "customer": "id of the customer (the owner who is billed)",
    "start_date": "first day of the job",
    "completion_date": "day on which the job is to be complete",
    "project": "id of the job",
    "description": "text that people read",
    "rate": "tax rate",
    "base_type": "what kind of cost it is, in Procore's words",
    "sub_job": "number of the sub job within the job, empty for none",
    "parent": "id of the code above",
    "level": "depth in the tree of codes, 0 at the top",
    "is_header": "a heading, on which nothing is booked",
    "cost_types": "ids of the cost types that are active on the code",
    "owner": "which side owns the job's budget: `procore` where it has our marker",
    "locked": "whether the budget is locked",
    "amount": "the sum of the document",
    "title": "what it is for, in a few words",
    "change_date": "date of the change",
    "kind": "what kind of document it is",
    "invoice_number": "the invoice's number, also where the ERP does not have the invoice",
    "cost_date": "day on which the cost arose",
    "posting_date": "day by which it is posted",
    "commitment": "id of the commitment",
    "reverses": "id of the transaction that this one undoes",
    "accounting_method": "whether lines are amounts or units times price",
    "executed": "whether the contract is signed",
    "retainage_percent": "retainage that the contract agrees",
    "contract_date": "date of the contract",
    "approved_changes": "sum of the contract's posted changes",
    "payments": "what was paid on the contract",
    "change_number": "number of the change within its contract",
    "sequence": "1 for the first invoice of a contract, 2 for the next",
    "previous": "id of the invoice before on this contract",
    "billing_date": "date of the invoice",
    "held": "retainage held by this document, never netted with the amount",
    "released": "retainage released by this document",
    "tax": "tax, beside the amount",
    "completed": "completed and stored to date (G702 line 4)",
    "retainage": "retainage to date (G702 line 5)",
    "certified": "certified before this invoice (G702 line 7)",
    "due_stated": "current payment due, as the ERP states it",
    "contract_sum": "contract sum to date (G702 line 3)",
    "pay_hold": "posted, but not to be paid yet",
    "payment_number": "number of the check or transfer",
    "method": "how it was paid",
    "pay_date": "day of the payment",
    "invoice": "id of the invoice that it pays, empty where the ERP does not know it",
    "discount": "discount taken, beside the amount",
    "prime_contract": "id of the prime contract",
    "markup": "mark-up in the amount, which no line has",
    "employee_id": "the employee's number, as people write it",
    "first_name": "given name",
    "last_name": "family name",
    "email": "by which Procore knows its users",
    "job_title": "what the employee does",
    "draw_number": "which draw it pays (its sequence)",
    "module": "whose calendar it is: AP, AR, JC, or GL for all that have none",
    "first_day": "first day",
    "last_day": "last day",
    "position": "number of the line, from 1",
    "cost_code": "id of the cost code",
    "cost_type": "id of the cost type",
    "extended_type": "whether the amount is typed in or quantity times unit cost",
    "quantity": "quantity",
    "unit_cost": "price of one unit",
    "unit": "unit of measure",
    "tax_code": "id of the tax code",
    "adjustment": "lines of one transfer have one number",
    "line": "position of the contract's line, empty for a new line",
    "change_order": "number of the change order whose line it is, empty for the contract's own",
}  # fmt: skip
"""By field. A field of one name means the same wherever it stands, but for :data:`SPECIAL`."""

SPECIAL: dict[str, str] = {
    "cost_codes.code": "its own part of the code, without the parent's (`3000` of `03-3000`)",
    "cost_codes.project": "id of the job; empty for a code of the company's standard list",
    "cost_codes.number": "the whole code (`03-3000`)",
    "projects.number": "the job number",
    "subcontractor_invoices.amount": "gross: before retainage and tax",
    "owner_invoices.amount": "gross: before retainage and tax",
    "subcontractor_invoices.lines.amount": "gross of the line",
    "owner_invoices.lines.amount": "gross of the line",
    "owner_invoices.lines.change_order": "number of the prime change order whose line it is",
    "payments_issued.amount": "what was paid on this invoice; a check over several invoices is several records",
    "payments_received.amount": "what was received on this invoice; a receipt over several invoices is several records",
    "direct_costs.commitment": "id of the commitment whose cost it is; then it is no direct cost",
    "budgets.amount": "the original estimate",
}

_WORDS = {"base_type": ("labor", "materials", "commitment", "equipment", "other")}
_INTERNAL = ("deleted", "origin_id", "origin_data", "origin_code")
"""Fields that an ERP's mapping has no use for."""
_TYPES = {
    "text": "text", "integer": "whole number", "boolean": "true or false", "date": "date", "timestamp": "time (UTC)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Canonical:
    """``place``: within the entity's block of a mapping (``number``, ``fields.title``, ``lines.fields.amount``)."""

    entity: str
    name: str
    place: str
    required: bool
    meaning: str
    unit: str
    words: tuple[str, ...]
    kind: str
    """The storage type that a mapping need not name."""
    several: bool
    written: bool
    """Content: what a write carries, and what both sides are compared by."""

    @property
    def line(self) -> bool:
        return self.place.startswith("lines.")


def fields(entity: str) -> Iterator[Canonical]:
    """The fields of an entity that a mapping may name, those of its lines last."""
    model, row = OF_ERP[entity], ENTITIES.get(entity)
    content = row.content if row else ()
    for name, info in model.model_fields.items():
        if name in _INTERNAL or not is_mappable(info):
            continue
        place = {"marker": "find.marker"}.get(name) or OWN_KEYS.get(name) or f"fields.{name}"
        yield _field(entity, model, name, info, place, name in content)
    for name, info in line_fields(model).items():
        assert model.line is not None
        yield _field(entity, model, name, info, f"lines.fields.{name}", name in model.line.content)


def _field(entity: str, model: type[Record], name: str, info: FieldInfo, place: str, written: bool) -> Canonical:
    line = place.startswith("lines.")
    special = SPECIAL.get(f"{entity}.lines.{name}" if line else f"{entity}.{name}")
    meaning = special or {("id", True): "what tells the line from others", ("amount", True): "amount of the line"}.get(
        (name, line), MEANINGS[name]
    )
    words = model.statuses if name == "status" and not line else _WORDS.get(name) or _literal(info.annotation)
    required = info.is_required() or (name in ("id", "company", "number") and not line)
    return Canonical(
        entity, name, place, required, meaning, _unit(info), words, kind_of(info), is_list(info), written
    )  # fmt: skip


def _literal(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return next((found for part in get_args(annotation) if (found := _literal(part))), ())
    return ()


def _unit(info: FieldInfo) -> str:
    kind = kind_of(info)
    if kind != "decimal":
        return ("list of " if is_list(info) else "") + _TYPES[kind]
    return {2: "money, 2 decimals", 4: "percent (10 is 10 %), 4 decimals", 6: "number, 6 decimals"}[_places(info)]


def _places(info: FieldInfo) -> int:
    found = [one for one in info.metadata if getattr(one, "decimal_places", None) is not None]
    if not found:
        for part in get_args(info.annotation):
            inner = next((one for one in get_args(part) if isinstance(one, FieldInfo)), None)
            found += inner.metadata if inner else []
    return next(int(one.decimal_places) for one in found if getattr(one, "decimal_places", None) is not None)


# -- the page


HEAD = """\
# Canonical fields

What a mapping may name of each entity: the field, what it means, its unit and, where they are closed, its words. Fields in
**bold** are required. *Written* are those that a write carries and that both sides are compared by. This page is generated:
`python -m include.erp fields > docs/canonical-fields.md`.

How a field is mapped is in [erp-sql-adapter.md](erp-sql-adapter.md), how to begin in [connect-an-erp.md](connect-an-erp.md).
"""


def page() -> Iterator[str]:
    yield from HEAD.splitlines()
    for entity, model in OF_ERP.items():
        row = ENTITIES.get(entity)
        born = "" if row is None else {True: "born in Procore", False: "born in the ERP"}[row.direction == "procore_to_erp"]
        if row is not None and row.two_way:
            born = "owned by either side"
        stage = f"Stage {row.stage}; {born}." if row else "Only looked up."
        yield from (
            "",
            f"## {entity}",
            "",
            stage,
            "",
            "| field | where | means | unit | words | written |",
            "|---|---|---|---|---|---|",
        )
        for one in fields(entity):
            name = ("lines." if one.line else "") + one.name
            shown = f"**`{name}`**" if one.required else f"`{name}`"
            words = ", ".join(f"`{word}`" for word in one.words)
            yield f"| {shown} | `{one.place}` | {one.meaning} | {one.unit} | {words} | {'yes' if one.written else ''} |"
        assert model.entity == entity
