"""What an answer of Acumatica's contract-based API means where a table cannot say it: the mapping's ``errors.hook``.

It judges a document field by field: the answer repeats the document, and a field that was refused has an ``error`` beside its
``value``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from include.erp.rest.answers import Answer, Meaning

FIELDS: Mapping[str, str] = {
    "VendorID": "vendor", "Vendor": "vendor", "Project": "project", "SubcontractNbr": "number", "OrderNbr": "number",
    "VendorRef": "number", "Date": "billing_date", "PostPeriod": "posting_date", "CostCode": "lines.cost_code",
    "InventoryID": "lines.cost_type", "Task": "lines.sub_job", "ProjectTask": "lines.sub_job", "Amount": "amount",
    "CurrencyID": "currency",
}  # fmt: skip
"""Its names -> ours, for the field that a refusal is about."""


def told(answer: Answer) -> Meaning | None:
    """The first field that it refuses. None: nothing is said of fields."""
    if answer.status < 400 or answer.status >= 500 or not isinstance(answer.body, dict):
        return None
    for name, said in _errors(answer.body):
        return Meaning("refused", f"{name}: {said}", FIELDS.get(name))
    return None


def _errors(document: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(document, list):
        for one in document:
            yield from _errors(one, name)
    elif isinstance(document, dict):
        said = document.get("error")
        if isinstance(said, str) and said and name:
            yield name, " ".join(said.split())
        for key, one in document.items():
            yield from _errors(one, key)
