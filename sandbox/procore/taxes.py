"""Tax codes of the company (docs/procore-contract.md §3.7). ``rate1`` is a number in requests and replies, text in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore import engine
from sandbox.procore.amounts import number
from sandbox.procore.attributes import Attribute, decimal, flag, plain
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.schema import Resource
from sandbox.procore.store import Record
from sandbox.procore.views import picked

ATTRIBUTES = (
    Attribute("code", required=True),
    Attribute("description"),
    Attribute("rate1", decimal),
    *plain("archived default_tax_code", flag),
    *plain("origin_id origin_data"),
)
DEFAULTS = {"archived": False, "default_tax_code": False}


def _details(_: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    return [
        {
            "rate1": number(row.get("rate1")),
            "archived": bool(row.get("archived")),
            "default_tax_code": bool(row.get("default_tax_code")),
        }
        for row in rows
    ]


VIEW = picked(_details, "archived code default_tax_code description id origin_data origin_id rate1")


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """A code that two records share could not be chosen by people: refused."""
    if existing is not None and existing.get("code") == draft.get("code"):
        return
    same = context.store.query(
        "tax_codes", [("company_id = ?", [context.company_id]), ("json_extract(doc, '$.code') = ?", [draft["code"]])]
    )
    if any(other["id"] != draft.get("id") for other in same):
        raise Invalid({"code": [engine.TAKEN]})


def create(context: Context, resource: Resource) -> Reply:
    """POST takes ``company_id`` from the query, unlike every other single create."""
    company, body = context.call.arg("company_id"), context.call.json()
    body.pop("company_id", None)
    if company is not None:
        body["company_id"] = company
    return engine.create(resource, context)
