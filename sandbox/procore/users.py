"""Users of the company (docs/procore-contract.md §3.10). What their sync and lists look like: a typed client of October 2024."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.procore import engine
from sandbox.procore.attributes import Attribute, flag, plain, whole
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid
from sandbox.procore.store import Record
from sandbox.procore.views import picked, reference

KIND = "users"
ATTRIBUTES = (
    Attribute("last_name", required=True, nullable=False),
    Attribute("email_address", required=True, nullable=False),
    *plain("first_name job_title address city zip business_phone mobile_phone fax_number email_signature employee_id notes"),
    *plain("country_code state_code initials origin_id origin_data"),
    *plain("is_active is_employee", flag),
    *plain("business_phone_extension vendor_id default_permission_template_id", whole),
    *plain("company_permission_template_id work_classification_id", whole),
)
DEFAULTS = {"is_active": True, "is_employee": False}


def _details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    vendors = context.fetch("vendors", (row.get("vendor_id") for row in rows))
    return [
        {
            "name": " ".join(filter(None, (row.get("first_name"), row["last_name"]))),
            "is_active": bool(row.get("is_active", True)),
            "is_employee": bool(row.get("is_employee")),
            "is_insurance_manager": False,
            "vendor": reference(vendors.get(row.get("vendor_id") or 0)),
        }
        for row in rows
    ]


VIEW = picked(
    _details,
    "id name first_name last_name initials email_address email_signature job_title employee_id is_active is_employee"
    " is_insurance_manager address city state_code zip country_code business_phone business_phone_extension mobile_phone"
    " fax_number notes avatar business_id contact_id last_login_at work_classification_id default_permission_template_id"
    " company_permission_template_id vendor origin_id origin_data created_at updated_at",
)


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """A person signs in by the e-mail: no two users share one, whatever its case. Only employees have an employee's number."""
    wrong = {}
    if "@" not in draft["email_address"]:
        wrong["email_address"] = ["is invalid"]
    elif _taken(context, draft):
        wrong["email_address"] = [engine.TAKEN]
    if sent.get("employee_id") and not draft.get("is_employee"):
        wrong["employee_id"] = ["is of employees only"]
    if wrong:
        raise Invalid(wrong, 422)


def _taken(context: Context, draft: Record) -> bool:
    same = "lower(json_extract(doc, '$.email_address')) = ?"
    where = [("company_id = ?", [context.company_id]), (same, [draft["email_address"].lower()])]
    return any(other["id"] != draft.get("id") for other in context.store.query(KIND, where))
