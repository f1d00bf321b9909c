"""Vendor insurances, sub jobs with their cost codes and WBS codes, tax codes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    CAST,
    COMPANY,
    CONCRETE,
    GONE,
    LABOR,
    P1,
    P2,
    STEEL,
    Caller,
)  # fmt: skip

ALL = f"/companies/{COMPANY}/insurances"
OF_STEEL = f"/companies/{COMPANY}/vendors/{STEEL}/insurances"
OF_CONCRETE = f"/companies/{COMPANY}/vendors/{CONCRETE}/insurances"
POLICY = {
    "name": "Mutual", "insurance_type": "General liability", "policy_number": "GL-1", "limit": "1,000,000",
    "effective_date": "2026-01-01", "expiration_date": "2026-12-31", "origin_id": "sandbox:G1:vendor_insurances:V-1/GL-1",
}  # fmt: skip
TAX = f"/tax_codes?company_id={COMPANY}"
SUB_JOBS = f"/sub_jobs?project_id={P1}"

# -- insurances --------------------------------------------------------------------------------------------------------


def test_insurances_of_the_company_and_of_a_vendor(api: Caller) -> None:
    entities, errors = api.sync(f"{ALL}/sync", [{**POLICY, "vendor_id": STEEL}, {"vendor_id": GONE, "policy_number": "WC-2"}])
    assert errors == [] and {entity["vendor_id"] for entity in entities} == {STEEL, GONE}
    (own,), errors = api.sync(f"{OF_CONCRETE}/sync", [{"policy_number": "GL-3", "name": "Other"}])
    assert errors == [] and own["vendor_id"] == CONCRETE
    assert [found["policy_number"] for found in api.get(ALL)] == ["GL-1", "WC-2", "GL-3"]
    assert [found["policy_number"] for found in api.get(OF_STEEL)] == ["GL-1"]
    assert api("GET", f"{ALL}?per_page=2").headers["Total"] == "3"
    api.get(f"/companies/{COMPANY}/vendors/1/insurances", 404)
    api.get("/companies/1/insurances", 403)


def test_written_as_name_read_as_provider_without_times(api: Caller) -> None:
    made = api.send("POST", OF_STEEL, {"insurance": POLICY}, 201)
    assert made["insurance_provider"] == "Mutual" and not {"name", "created_at", "updated_at"} & set(made)
    assert made["enable_expired_insurance_notifications"] is True and made["status"] == "undecided"
    path = f"{OF_STEEL}/{made['id']}"
    changed = api.send("PATCH", path, {"insurance": {"name": "New Mutual", "expiration_date": "31.12.2027"}})
    assert changed["insurance_provider"] == "New Mutual" and changed["expiration_date"] is None, "unreadable dates become null"
    assert api.get(path) == changed
    for other in (OF_CONCRETE, OF_STEEL.replace(str(STEEL), "1")):
        api.get(f"{other}/{made['id']}", 404)
    assert api("DELETE", path).status_code == 200 and api.get(ALL) == []


@pytest.mark.parametrize(("entry", "field"), [
    ({}, "vendor_id"), ({"vendor_id": 5}, "vendor_id"), ({"id": 7, "vendor_id": STEEL}, "id"),
    ({"vendor_id": STEEL, "status": "valid"}, "status"), ({"vendor_id": STEEL, "exempt": "maybe"}, "exempt"),
])  # fmt: skip
def test_wrong_insurance_entries(api: Caller, entry: dict[str, Any], field: str) -> None:
    entities, errors = api.sync(f"{ALL}/sync", [entry])
    assert entities == [] and list(errors[0]["errors"]) == [field] and api.get(ALL) == []


def test_insurance_of_another_vendor_is_not_reached(api: Caller) -> None:
    made = api.send("POST", OF_STEEL, {"insurance": POLICY}, 201)
    for entry in ({"id": made["id"], "notes": "x"}, {"origin_id": POLICY["origin_id"], "notes": "x"}):
        _, errors = api.sync(f"{OF_CONCRETE}/sync", [entry])
        assert list(errors[0]["errors"]) == ["id"]
    (same,), _ = api.sync(f"{ALL}/sync", [{"origin_id": POLICY["origin_id"], "notes": "x"}])
    assert (same["id"], same["vendor_id"], same["notes"]) == (made["id"], STEEL, "x")


@pytest.mark.parametrize(("field", "value"), [
    ("policy_number", "GL-9"), ("insurance_type", "Auto"), ("effective_date", "2026-02-01"), ("expiration_date", "2027-01-01"),
    ("limit", "5"), ("name", "Nobody"),
])  # fmt: skip
def test_six_fields_of_a_synced_insurance_are_read_only_in_the_ui(api: Caller, field: str, value: str) -> None:
    made = api.send("POST", OF_STEEL, {"insurance": {**POLICY, "origin_id": None}}, 201)
    path, body = f"{OF_STEEL}/{made['id']}", {"insurance": {field: value}}
    assert api.as_user("PATCH", path, {"insurance": {field: POLICY[field]}}).status_code == 200
    api.send("PATCH", path, {"insurance": {"origin_id": POLICY["origin_id"]}})
    refused = api.as_user("PATCH", path, body)
    assert refused.status_code == 422 and refused.json()["fields"] == field
    assert api.as_user("PATCH", path, {"insurance": {"notes": "seen", field: POLICY[field]}}).status_code == 200
    shown = "insurance_provider" if field == "name" else field
    assert api.send("PATCH", path, body)[shown] == value, "the API may"


# -- sub jobs ----------------------------------------------------------------------------------------------------------


def test_sub_jobs_with_cost_codes_and_wbs_codes(api: Caller, world: World) -> None:
    scope = {"project_id": P1}
    entry = {"code": "20", "name": "Site work", "origin_id": "sandbox:01:sub_jobs:25-901/20"}
    (made,), errors = api.sync(f"/sub_jobs/sync?project_id={P1}", [entry], **scope)
    assert errors == [] and [job["id"] for job in api.get(SUB_JOBS)] == [made["id"]]
    assert api.get(f"/sub_jobs?project_id={P2}") == []
    other = api.send("POST", "/sub_jobs", {**scope, "sub_job": {"code": "10", "name": "Building"}}, 201)
    assert api.send("POST", "/sub_jobs", {**scope, "sub_job": {"code": "20", "name": "Again"}}, 400)["fields"] == "code"
    api.send("PATCH", f"/sub_jobs/{other['id']}", {**scope, "sub_job": {"code": "20"}}, 400)
    assert api.send("PATCH", f"/sub_jobs/{other['id']}", {**scope, "sub_job": {"name": "Tower"}})["name"] == "Tower"
    api.send("POST", "/sub_jobs", {"project_id": P2, "sub_job": {"code": "20", "name": "Elsewhere"}}, 201)

    of_job = f"project_id={P1}&sub_job_id={made['id']}"
    (division,), _ = api.sync(f"/cost_codes/sync?{of_job}", [{"code": "31", "name": "Earthwork"}])
    (leaf,), errors = api.sync(f"/cost_codes/sync?{of_job}", [{"code": "2000", "name": "Grading", "parent_id": division["id"]}])
    assert errors == [] and (leaf["full_code"], leaf["biller_type"], leaf["biller_id"]) == ("31-2000", "SubJob", made["id"])
    assert [code["id"] for code in api.get(f"/cost_codes?{of_job}")] == [division["id"], leaf["id"]]
    assert leaf["id"] not in [code["id"] for code in api.get(f"/cost_codes?project_id={P1}")]

    wbs, offset = f"/projects/{P1}/work_breakdown_structure", 5_000_000_000
    kinds = {7001: made["id"], 7002: leaf["id"], 7003: LABOR}
    items = [{"segment_id": segment, "segment_item_id": id + offset} for segment, id in kinds.items()]
    code = api.send("POST", f"{wbs}/wbs_codes", {"segment_items": items}, 201)
    assert code["flat_code"] == "20.31-2000.L"
    assert api.send("POST", f"{wbs}/wbs_codes", {"segment_items": items[1:]}, 201)["id"] == code["id"], "the code has its sub job"
    shared = [items[0], {"segment_id": 7002, "segment_item_id": CAST + offset}, items[2]]
    assert api.send("POST", f"{wbs}/wbs_codes", {"segment_items": shared}, 201)["flat_code"] == "20.03-3000.L"
    assert [item["code"] for item in api.get(f"{wbs}/segments/7001/segment_items")] == ["20", "10"]
    assert all(segment["is_included_in_project_pattern"] for segment in api.get(f"{wbs}/segments"))

    line = {"wbs_code_id": code["id"], "amount": "5.00"}
    attributes = {"title": "Site work", "vendor_id": STEEL}
    contract = api.send("POST", "/work_order_contracts", {**scope, "work_order_contract": attributes}, 201)
    added = api.send("POST", f"/work_order_contracts/{contract['id']}/line_items", {**scope, "line_item": line}, 201)
    assert added["wbs_code"]["flat_code"] == "20.31-2000.L" and added["cost_code"]["biller"] == "Site work"


# -- users ---------------------------------------------------------------------------------------------------------------

USERS = f"/rest/v1.3/companies/{COMPANY}/users"


def test_users(api: Caller) -> None:
    person = {"last_name": "Åkerström", "email_address": "z@example.com", "origin_id": "sandbox:01:users:E-1"}
    (made,), errors = api.sync(f"{USERS}/sync", [{**person, "first_name": "Zoë", "employee_id": "E-1", "is_employee": True}])
    assert errors == [] and (made["name"], made["is_active"], made["employee_id"]) == ("Zoë Åkerström", True, "E-1")
    (gone,), _ = api.sync(f"{USERS}/sync", [{"origin_id": "sandbox:01:users:E-1", "is_active": False}])
    assert (gone["id"], gone["is_active"], gone["email_address"]) == (made["id"], False, "z@example.com")
    everybody = f"/rest/v1.3/users?company_id={COMPANY}"
    assert [row["id"] for row in api.get(everybody)] == [made["id"]], "inactive ones are listed too"
    assert api.get(f"{everybody}&filters[origin_id]=sandbox:01:users:E-2") == []


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"last_name": "A"}, "email_address"),
        ({"email_address": "b@example.com"}, "last_name"),
        ({"last_name": "A", "email_address": "nobody"}, "email_address"),
        ({"last_name": "A", "email_address": "TAKEN@example.com"}, "email_address"),
        ({"last_name": "A", "email_address": "b@example.com", "employee_id": "E-2"}, "employee_id"),
        ({"last_name": "A", "email_address": "b@example.com", "company_id": COMPANY}, "company_id"),
        ({"last_name": "A", "email_address": "b@example.com", "employee": "E-2"}, "employee"),
        ({"last_name": "A", "email_address": "b@example.com", "is_active": "perhaps"}, "is_active"),
    ],
)
def test_a_user_that_cannot_be(api: Caller, entry: dict[str, Any], field: str) -> None:
    api.sync(f"{USERS}/sync", [{"last_name": "First", "email_address": "taken@example.com"}])
    made, (error,) = api.sync(f"{USERS}/sync", [entry])
    assert made == [] and [*error["errors"]] == [field]
    assert len(api.get(f"/rest/v1.3/users?company_id={COMPANY}")) == 1


def test_the_sync_of_users_takes_its_company_from_the_path_alone(api: Caller) -> None:
    body = {"company_id": COMPANY, "updates": []}
    assert "company_id" in str(api.send("PATCH", f"{USERS}/sync", body, 400))


# -- change events -------------------------------------------------------------------------------------------------------


def test_change_events(api: Caller) -> None:
    path = f"/rest/v1.1/change_events?project_id={P1}"
    event = {"status": {"id": 3}, "scope": "tbd", "title": "Soil", "external_data": {"origin_id": "estimating:7"}}
    made = api.send("POST", path, {"change_event": event}, 201)
    assert (made["number"], made["status"]["mapped_to_status"]) == ("001", "pending")
    assert made["external_data"] == {"origin_id": "estimating:7", "origin_data": None} and "origin_id" not in made
    assert api.get(path) == [made] and api.get(f"/rest/v1.1/change_events?project_id={P2}") == []
    assert api.get(f"{path}&filters[updated_at]=2000-01-01T00:00:00Z...2000-01-02T00:00:00Z") == []
    api.send("POST", path, {"change_event": {**event, "external_data": None, "status": {"id": 9}}}, 422)
    api.send("POST", path, {"change_event": {"status": {"id": 1}}}, 400)
    api.send("POST", path, {"change_event": event}, 422)  # the external id is taken


# -- tax codes ---------------------------------------------------------------------------------------------------------


def test_tax_codes(api: Caller) -> None:
    entries = [{"code": "OH", "rate1": 7.25, "origin_id": "sandbox:G1:tax_codes:OH"}, {"code": "KY", "rate1": "6.0"}]
    entities, errors = api.sync("/tax_codes/sync", entries, company_id=COMPANY)
    rates = {entity["code"]: entity["rate1"] for entity in entities}
    assert errors == [] and rates == {"OH": 7.25, "KY": 6.0} and not any(entity["archived"] for entity in entities)
    (same,), _ = api.sync("/tax_codes/sync", [{"origin_id": "sandbox:G1:tax_codes:OH", "rate1": 7.5}], company_id=COMPANY)
    assert (same["rate1"], same["code"]) == (7.5, "OH")
    made = api.send("POST", TAX, {"tax_code": {"code": "IN", "description": "Indiana"}}, 201)
    changed = api.send("PATCH", f"/tax_codes/{made['id']}", {"company_id": COMPANY, "tax_code": {"archived": True}})
    assert changed["archived"] is True and changed["rate1"] is None and changed["code"] == "IN"
    assert [code["code"] for code in api.get(TAX)] == ["OH", "KY", "IN"]


def test_tax_code_errors_have_a_shape_of_their_own(api: Caller) -> None:
    made = api.send("POST", TAX, {"tax_code": {"code": "IN"}}, 201)
    assert api.send("POST", TAX, {"tax_code": {"rate1": 1}}, 400) == {"errors": {"code": ["can't be blank"]}}
    assert api.send("POST", TAX, {"tax_code": {"code": "IN"}}, 400) == {"errors": {"code": ["has already been taken"]}}
    assert api.send("POST", "/tax_codes", {"company_id": COMPANY, "tax_code": {"code": "X"}}, 400)["errors"]["company_id"]
    api.send("PATCH", f"/tax_codes/{made['id'] + 1}", {"company_id": COMPANY, "tax_code": {"code": "Y"}}, 404)
    _, errors = api.sync("/tax_codes/sync", [{"description": "no code"}], company_id=COMPANY)
    assert errors[0]["errors"] == {"code": ["can't be blank"]}


def test_pages_of_tax_codes_hold_at_most_a_hundred(api: Caller) -> None:
    entries = [{"code": f"T{n}", "rate1": Decimal(n).to_eng_string()} for n in range(101)]
    api.sync("/tax_codes/sync", entries, company_id=COMPANY)
    reply = api("GET", f"{TAX}&per_page=2000")
    assert len(reply.json()) == 100 and reply.headers["Per-Page"] == "100" and 'rel="next"' in reply.headers["Link"]
