"""Vendors and projects: their views and peculiarities (docs/procore-contract.md §3.1, §3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sandbox.procore.attributes import Attribute, choice, day, decimal, flag, ids, mapping, plain, whole
from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Invalid, not_found
from sandbox.procore.figures import figure
from sandbox.procore.settings import COMPANY_NAME
from sandbox.procore.store import Condition, Record
from sandbox.procore.views import picked, reference, stored

# -- vendors -----------------------------------------------------------------------------------------------------------

VENDOR_TEXTS = (
    "address city zip state_code country_code business_phone mobile_phone fax_number email_address website labor_union"
    " license_number"
    " abbreviated_name trade_name notes origin_id origin_data origin_code"
)
VENDOR_FLAGS = "is_active authorized_bidder prequalified union_member non_union_prevailing_wage"
VENDOR_ATTRIBUTES = (
    Attribute("name", required=True, nullable=False),
    *plain(VENDOR_TEXTS),
    *plain(VENDOR_FLAGS, flag),
    *plain("vendor_group_id parent_id primary_contact_id", whole),
    *plain("trade_ids bidding_distribution_ids standard_cost_code_ids", ids),
    *plain("bidding", mapping),
    Attribute("business_register_attributes", mapping, on="s"),
    Attribute("origin_custom_fields", mapping, on="s"),
)
VENDOR_DEFAULTS = {
    "is_active": True,
    **dict.fromkeys(("authorized_bidder", "prequalified", "union_member", "non_union_prevailing_wage"), False),
    **dict.fromkeys(("trade_ids", "bidding_distribution_ids", "standard_cost_code_ids"), ()),
}
VENDOR_DERIVED = (
    " id name company legal_name created_at updated_at synced_to_erp is_connected business_id business_register contact_count"
    " children_count parent project_ids primary_contact vendor_group attachments company_vendor trades"
    " standard_cost_codes logo bidding"
)
VENDOR_LISTS = ("trade_ids", "bidding_distribution_ids", "standard_cost_code_ids")


def vendor_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    parents = context.fetch("vendors", (row.get("parent_id") for row in rows))
    return [_vendor(row, parents.get(row.get("parent_id") or 0)) for row in rows]


def _vendor(row: Record, parent: Record | None) -> dict[str, Any]:
    ein = row.get("ein")
    return {
        "company": COMPANY_NAME,
        "legal_name": row.get("name"),
        "is_active": bool(row.get("is_active", True)),
        "synced_to_erp": row["origin_id"] is not None,
        "is_connected": False,
        "business_register": {"type": row.get("register_type") or "ein", "identifier": ein} if ein else None,
        "contact_count": 0,
        "children_count": 0,
        "parent": reference(parent),
        "company_vendor": False,
        "bidding": row.get("bidding") or {},
        **{name: bool(row.get(name)) for name in VENDOR_FLAGS.split()[1:]},
        **{
            name: list(row.get(name) or ())
            for name in (*VENDOR_LISTS, "project_ids", "attachments", "trades", "standard_cost_codes")
        },
    }


VENDOR_NORMAL = "id name address city zip state_code country_code business_phone fax_number email_address website is_active"
VENDOR_VIEWS = {
    "compact": stored("id name"),
    "normal": picked(vendor_details, f"{VENDOR_NORMAL} origin_id origin_data origin_code created_at updated_at"),
    "erp": picked(
        vendor_details,
        f"{VENDOR_NORMAL} company abbreviated_name trade_name origin_id origin_data origin_code synced_to_erp business_register"
        " created_at updated_at",
    ),
    "extended": picked(
        vendor_details, f"{VENDOR_TEXTS} {VENDOR_FLAGS} {VENDOR_DERIVED} vendor_group_id parent_id {' '.join(VENDOR_LISTS)}"
    ),
    "directory": picked(vendor_details, f"{VENDOR_NORMAL} abbreviated_name contact_count logo"),
    "summary": picked(vendor_details, "id name is_active logo contact_count"),
}


def active_vendors(_: Context) -> list[Condition]:
    """The default list; the others are at ``/companies/{id}/vendors/inactive``."""
    return [("status = 'active'", [])]


def inactive_vendors(_: Context) -> list[Condition]:
    return [("status = 'inactive'", [])]


def prepare_vendor(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """The register number of a sync entry; a parent vendor must exist, be another one and have no parent itself."""
    register = draft.pop("business_register_attributes", None)
    if register:
        draft["ein"] = register.get("identifier")
        if register.get("type", "ein") != (draft.get("register_type") or "ein"):
            draft["register_type"] = register["type"]
    custom = draft.pop("origin_custom_fields", None)
    if custom:
        draft["custom"] = {**((existing or {}).get("custom") or {}), **custom}
    for name in VENDOR_LISTS:
        draft[name] = list(draft.get(name) or ())
        if existing is not None and not draft[name] and name not in existing:
            del draft[name]
    if "parent_id" in sent and draft.get("parent_id") is not None:
        parent = context.one("vendors", draft["parent_id"])
        if parent is None or parent["id"] == draft.get("id") or parent.get("parent_id"):
            raise Invalid({"parent_id": ["must be another vendor of the company that has no parent"]}, 422)


# -- projects ----------------------------------------------------------------------------------------------------------

PROJECT_TEXTS = (
    "accounting_project_number address city country_code description designated_market_area phone"
    " project_number public_notes"
    " sector state_code store_number zip origin_data origin_id"
)
PROJECT_DAYS = "start_date completion_date warranty_start_date warranty_end_date"
PROJECT_IDS = (
    "image_id office_id program_id project_bid_type_id project_owner_type_id project_region_id project_sector_id project_stage_id"
    " project_template_id project_type_id square_feet"
)
DELIVERY = (
    "construction_management_at_risk_cmar construction_manager_as_agent_owners_rep design_bid_build_dbb design_build_db"
    " indefinite_delivery_indefinite_quantity_idiq integrated_project_delivery multi_prime public_private_partnership_p3 other"
).split()
PROJECT_ATTRIBUTES = (
    Attribute("name", required=True, nullable=False),
    Attribute("active", flag),
    *plain(PROJECT_TEXTS),
    *plain(PROJECT_DAYS, day),
    Attribute("estimated_start_date", day, "start_date"),
    Attribute("estimated_completion_date", day, "completion_date"),
    *plain(PROJECT_IDS, whole),
    *plain("department_ids", ids),
    Attribute("estimated_value", decimal, "total_value"),
    Attribute("total_value", decimal),
    Attribute("estimated_budget", decimal, on="cs"),
    Attribute("priority", choice("low", "medium", "high"), on="cs"),
    Attribute("flag", choice("Red", "Yellow", "Green")),
    Attribute("delivery_method", choice(*DELIVERY)),
    Attribute("work_scope", choice("new_construction", "renovation_alteration", "maintenance_service")),
    Attribute("time_zone"),
    Attribute("enable_copy_of_standard_cost_codes", flag, on="cs"),
    Attribute("origin_code", on="cu"),
    Attribute("erp_integrated", flag, on="cu"),
    Attribute("parent_job_id", whole, on="cu"),
    Attribute("locale", on="cu"),
    Attribute("code", on="c"),
    Attribute("county", on="u"),
    Attribute("fax", on="u"),
    Attribute("standard_cost_code_list_id", whole, on="u"),
)
PROJECT_BOTH = (
    "accounting_project_number active address city completion_date country_code created_at delivery_method"
    " designated_market_area display_name"
    " estimated_value id latitude longitude name origin_code origin_data origin_id phone project_bid_type_id project_number"
    " project_owner_type_id project_region_id project_sector_id project_stage projected_finish_date sector start_date"
    " state_code store_number"
    " time_zone total_value updated_at work_scope zip"
)
PROJECT_LIST = (
    f"{PROJECT_BOTH} company county created_by custom_fields estimated_budget fax is_demo owners_project_id parent_job"
    " parent_job_id photo_id"
    " priority project_template stage"
)
PROJECT_SYNC = (
    f"{PROJECT_BOTH} actual_start_date departments description estimated_budget estimated_completion_date"
    " estimated_start_date flag logo_url office"
    " priority program project_type public_notes square_feet warranty_end_date warranty_start_date"
)
PROJECT_SHOW = (
    f"{PROJECT_BOTH} actual_start_date code company county created_by custom_fields departments description dictionary_type"
    " estimated_completion_date estimated_start_date flag from_project_template_id inbound_email inbound_email_address"
    " is_demo is_erp_integrated"
    " locale logo_id logo_url office owners_project_id parent_job parent_job_id persistent_message photo_id photo_url"
    " program project_bid_type"
    " project_owner_type project_region project_stage_id project_type public_notes square_feet"
    " standard_cost_code_list_id template tz_name"
    " warranty_end_date warranty_start_date"
)


def project_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    return [_project(context, row) for row in rows]


def _project(context: Context, row: Record) -> dict[str, Any]:
    number, name = row.get("project_number"), row.get("name")
    return {
        "active": bool(row.get("active", True)),
        "company": {"id": context.company_id, "name": COMPANY_NAME},
        "display_name": f"{number} - {name}" if number else name,
        "total_value": figure(row.get("total_value"), row["id"]),
        "estimated_value": figure(row.get("total_value"), row["id"]),
        "estimated_budget": None,
        "estimated_start_date": row.get("start_date"),
        "estimated_completion_date": row.get("completion_date"),
        "projected_finish_date": row.get("completion_date"),
        "is_erp_integrated": bool(row.get("erp_integrated")),
        "is_demo": False,
        "template": False,
        "custom_fields": {},
        "departments": [],
        "tz_name": row.get("time_zone"),
    }


PROJECT_VIEWS = {
    "list": picked(project_details, PROJECT_LIST),
    "compact": picked(
        project_details, "id name display_name project_number active origin_id origin_data origin_code created_at updated_at"
    ),
    "show": picked(project_details, PROJECT_SHOW),
    "minimal": picked(project_details, "id name display_name project_number"),
    "sync": picked(project_details, PROJECT_SYNC),
}
PROJECT_VIEWS_11 = {
    "ids": stored("id"),
    "compact": PROJECT_VIEWS["compact"],
    "normal": PROJECT_VIEWS["list"],
    "extended": PROJECT_VIEWS["list"],
}


def visible_projects(context: Context) -> list[Condition]:
    """Permitted ones; active ones unless ``filters[by_status]`` says otherwise."""
    asked = context.call.filters().get("by_status", ["Active"])[-1]
    if asked not in ("Active", "Inactive", "All"):
        raise Invalid({"filters[by_status]": ["is not one of Active, Inactive, All"]})
    found: list[Condition] = [] if asked == "All" else [("status = ?", [asked.lower()])]
    synced = context.call.filters().get("synced")
    if synced is not None:
        found.append(("origin_id IS NOT NULL" if synced[-1] == "true" else "origin_id IS NULL", []))
    if not context.call.person:
        found.append(("coalesce(json_extract(doc, '$.permitted'), 1) = 1", []))
    return found


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def prepare_project(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """A time zone must be one of the list. A new project is seen by the app that made it."""
    if sent.get("time_zone") is not None and draft["time_zone"] not in _zones():
        raise Invalid({"time_zone": ["is not included in the list"]}, 422)
    if existing is None:
        draft["permitted"] = True
        draft["currency_iso_code"] = "USD"


# -- the register number of a vendor -----------------------------------------------------------------------------------


def register_vendor(context: Context, *, new: bool) -> Reply:
    """``/vendors/{id}/business_register``: POST once (409 if there is one), PATCH afterwards."""
    vendor = context.store.get("vendors", int(context.call.params["id"]))
    sent = context.call.json().get("business_register")
    if vendor is None:
        raise not_found("Vendor")
    if not isinstance(sent, dict) or sent.get("type") not in ("abn", "ein") or not sent.get("identifier"):
        raise Invalid({"business_register": ["needs a type, abn or ein, and an identifier"]})
    if new and vendor.get("ein"):
        return Reply(409, {"message": "The vendor has a business register entry already"})
    if not new and not vendor.get("ein"):
        raise not_found("Business register entry")
    changed = {**vendor, "ein": str(sent["identifier"]), "register_type": sent["type"], "updated_at": context.clock.stamp()}
    context.store.put("vendors", changed)
    return Reply(201 if new else 200, {"id": vendor["id"], "type": sent["type"], "identifier": changed["ein"]})
