"""Create, update and delete: validation, locks, derived amounts, WBS codes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CAST,
    COMPANY,
    CONCRETE,
    DIV3,
    DRAFT,
    GONE,
    LABOR,
    LINE_1,
    LINE_2,
    OLD,
    ORDER,
    OTHER_PROJECT_CODE,
    P1,
    P2,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    hand_made,
)  # fmt: skip

WO = "/work_order_contracts"


def contract(api: Caller, id: int = DRAFT, expect: int = 200, **attributes: Any) -> Any:
    return api.send("PATCH", f"{WO}/{id}", {"project_id": P1, "work_order_contract": attributes}, expect)


def new_line(api: Caller, contract_id: int = DRAFT, status: int = 201, **attributes: Any) -> Any:
    body = {"cost_code_id": CAST, "line_item_type_id": SUBCONTRACT, **attributes}
    return api.send("POST", f"{WO}/{contract_id}/line_items", {"project_id": P1, "line_item": body}, status)


def line(api: Caller, id: int, status: int = 200, **attributes: Any) -> Any:
    return api.send("PATCH", f"{WO}/{APPROVED}/line_items/{id}", {"project_id": P1, "line_item": attributes}, status)


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [
    b'{"company_id": 8089, "vendor": {"name": "M\xfcller"}}',
    b'{"company_id": 8089, "vendor": {"name": "x"',
    b"[1, 2]",
    b'"text"',
    b'{"company_id": 8089, "vendor": {"name": "\\ud800"}}',
    b'{"company_id": 8089, "vendor": {"name": NaN}}',
    b"[" * 100_000,
])  # fmt: skip
def test_unreadable_bodies_are_400(api: Caller, body: bytes) -> None:
    reply = api("POST", "/vendors", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400 and set(reply.json()) == {"code", "message", "fields", "reason", "error"}
    assert api("GET", f"/vendors?company_id={COMPANY}").headers["Total"] == "2"


def test_a_body_of_many_megabytes(api: Caller) -> None:
    notes = "ä" * 3_000_000
    vendor = api.send("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "Big", "notes": notes}}, 201)
    assert api.get(f"/vendors/{vendor['id']}?company_id={COMPANY}")["notes"] == notes


def test_text_survives_as_sent(api: Caller) -> None:
    name = "Ærø \U0001f3d7 \"quoted\" \\ 'single' \t"
    vendor = api.send("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": name}}, 201)
    assert api.get(f"/vendors/{vendor['id']}?company_id={COMPANY}")["name"] == name


@pytest.mark.parametrize(("attributes", "field"), [
    ({}, "name"), ({"name": None}, "name"), ({"name": 7}, "name"), ({"name": "x", "is_active": "maybe"}, "is_active"),
    ({"name": "x", "parent_id": "one"}, "parent_id"), ({"name": "x", "trade_ids": 5}, "trade_ids"),
])  # fmt: skip
def test_wrong_attributes_of_a_vendor(api: Caller, attributes: dict[str, Any], field: str) -> None:
    error = api.send("POST", "/vendors", {"company_id": COMPANY, "vendor": attributes}, 400)
    assert error["fields"] == field and error["code"] == 400


def test_missing_wrapper_and_unknown_record(api: Caller) -> None:
    assert api.send("POST", "/vendors", {"company_id": COMPANY, "name": "x"}, 400)["fields"] == "vendor"
    api.send("PATCH", "/vendors/1", {"company_id": COMPANY, "vendor": {"name": "x"}}, 404)


def test_duplicate_external_id_of_a_single_write_is_422(api: Caller) -> None:
    body = {"company_id": COMPANY, "vendor": {"name": "Other", "origin_id": "sandbox:G1:vendors:V-1"}}
    assert api.send("POST", "/vendors", body, 422)["fields"] == "origin_id"


# -- vendors and projects ----------------------------------------------------------------------------------------------


def test_inactive_vendors_leave_the_list_and_come_back(api: Caller) -> None:
    api.send("PATCH", f"/vendors/{STEEL}", {"company_id": COMPANY, "vendor": {"name": "Iron & Söhne", "is_active": False}})
    assert [vendor["id"] for vendor in api.get(f"/vendors?company_id={COMPANY}")] == [CONCRETE]
    assert [vendor["id"] for vendor in api.get(f"/companies/{COMPANY}/vendors/inactive")] == [STEEL, GONE]
    assert api.send("PATCH", f"/companies/{COMPANY}/vendors/inactive/{STEEL}", {})["is_active"] is True
    api.send("PATCH", f"/companies/{COMPANY}/vendors/inactive/{STEEL}", {}, 404)


def test_register_number_once(api: Caller) -> None:
    body = {"business_register": {"type": "ein", "identifier": "11-1111111"}}
    assert set(api.send("POST", f"/vendors/{STEEL}/business_register", body, 409)) == {"message"}
    api.send("POST", f"/vendors/{CONCRETE}/business_register", body, 201)
    assert api.get(f"/vendors/{CONCRETE}?company_id={COMPANY}")["business_register"]["identifier"] == "11-1111111"


def test_project_takes_a_number_and_gives_a_text(api: Caller) -> None:
    body = {"company_id": COMPANY, "project": {"name": "Bridge", "total_value": 6300000.5, "start_date": "2026-09-01"}}
    project = api.send("POST", "/projects", body, 201)
    assert Decimal(project["total_value"]) == Decimal("6300000.5") and project["start_date"] == "2026-09-01"
    assert project["id"] in [row["id"] for row in api.get(f"/projects?company_id={COMPANY}")]


@pytest.mark.parametrize("date", ["01.09.2026", "2026-13-01", "soon", ""])
def test_a_date_that_cannot_be_read_becomes_null(api: Caller, date: Any) -> None:
    body = {"company_id": COMPANY, "project": {"start_date": "2026-09-01"}}
    assert api.send("PATCH", f"/projects/{P1}", body)["start_date"] == "2026-09-01"
    assert api.send("PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"start_date": date}})["start_date"] is None


def test_time_zone_must_be_of_the_list(api: Caller) -> None:
    api.send("PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"time_zone": "Mars/Olympus"}}, 422)
    api.send("PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"time_zone": "America/New_York"}})


def test_codes_of_an_erp_project_are_only_synced(api: Caller) -> None:
    api.send("PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"erp_integrated": True}})
    code = {"code": "9", "name": "Nine"}
    api.send("POST", "/cost_codes", {"project_id": P1, "cost_code": code}, 422)
    assert api.sync(f"/cost_codes/sync?project_id={P1}", [code])[1] == []


# -- contracts ---------------------------------------------------------------------------------------------------------


def test_a_contract_from_draft_to_deleted(api: Caller) -> None:
    attributes = {
        "number": "SC-9",
        "title": "Paint",
        "vendor_id": CONCRETE,
        "retainage_percent": "10.00",
        "contract_date": "2026-09-01",
    }
    made = api.send("POST", WO, {"project_id": P1, "work_order_contract": attributes}, 201)
    assert (made["status"], made["grand_total"], made["line_items"]) == ("Draft", made["grand_total"], [])
    assert made["id"] > 2**32 and made["currency_configuration"] == {"currency_iso_code": "USD"}
    api.send("DELETE", f"{WO}/{made['id']}?project_id={P1}", None)
    api.get(f"{WO}/{made['id']}?project_id={P1}", 404)
    listed = f"{WO}?project_id={P1}"
    assert made["id"] not in [row["id"] for row in api.get(listed)]
    (gone,) = api.get(f"{listed}&filters[include_deleted]=only")
    assert gone["id"] == made["id"] and gone["deleted_at"] is not None and gone["updated_at"] == gone["deleted_at"]
    assert {DRAFT, APPROVED, made["id"]} == {row["id"] for row in api.get(f"{listed}&filters[include_deleted]=with")}


@pytest.mark.parametrize(("attributes", "status", "field"), [
    ({"vendor_id": 424242}, 422, "vendor_id"), ({"status": "approved"}, 400, "status"), ({"status": "Received"}, 400, "status"),
    ({"accounting_method": "both"}, 400, "accounting_method"), ({"retainage_percent": "ten"}, 400, "retainage_percent"),
    ({"executed": 5}, 400, "executed"),
])  # fmt: skip
def test_wrong_attributes_of_a_contract(api: Caller, attributes: dict[str, Any], status: int, field: str) -> None:
    assert contract(api, expect=status, **attributes)["fields"] == field
    assert api.send("POST", WO, {"project_id": P1, "work_order_contract": attributes}, status)["fields"] == field


def test_a_purchase_order_has_statuses_of_its_own(api: Caller) -> None:
    body = {"project_id": P1, "purchase_order_contract": {"status": "Partially Received"}}
    assert api.send("PATCH", f"/purchase_order_contracts/{ORDER}", body)["status"] == "Partially Received"
    body["purchase_order_contract"] = {"status": "Complete"}
    api.send("PATCH", f"/purchase_order_contracts/{ORDER}", body, 400)


def test_currency_and_accounting_method_stay(api: Caller) -> None:
    changed = contract(api, accounting_method="unit", currency_iso_code="CAD")
    assert changed["accounting_method"] == "amount" and changed["currency_configuration"] == {"currency_iso_code": "USD"}
    assert changed["updated_at"] == OLD


def test_the_same_figure_at_another_scale_is_no_change(api: Caller) -> None:
    assert contract(api, APPROVED, retainage_percent="10")["updated_at"] == OLD
    assert contract(api, APPROVED, retainage_percent="10.5")["updated_at"] > OLD


# -- lines -------------------------------------------------------------------------------------------------------------


def test_amount_of_a_calculated_line_is_rounded_half_away_from_zero(api: Caller) -> None:
    made = new_line(api, extended_type="calculated", quantity="333.5", unit_cost="1.785", amount="1.00", uom="LF")
    assert [Decimal(made[name]) for name in ("amount", "extended_amount", "total_amount")] == [Decimal("595.30")] * 3
    assert Decimal(made["unit_cost"]) == Decimal("1.785") and made["holder"] == {"id": DRAFT, "holder_type": "WorkOrderContract"}
    minus = new_line(api, extended_type="calculated", quantity="-0.5", unit_cost="0.01")
    assert Decimal(minus["amount"]) == Decimal("-0.01") and minus["position"] == 2
    total = api.get(f"{WO}/{DRAFT}?project_id={P1}")["grand_total"]
    assert Decimal(total) == Decimal("595.29")


def test_a_manual_line_keeps_its_amount(api: Caller) -> None:
    made = new_line(api, amount="100.00", quantity="3", unit_cost="1.00")
    assert (made["extended_type"], Decimal(made["amount"])) == ("manual", Decimal(100))


@pytest.mark.parametrize(("attributes", "status", "field"), [
    ({"cost_code_id": 424242}, 422, "cost_code_id"), ({"cost_code_id": OTHER_PROJECT_CODE}, 422, "cost_code_id"),
    ({"line_item_type_id": 424242}, 422, "line_item_type_id"), ({"wbs_code_id": 424242}, 422, "wbs_code_id"),
    ({"cost_code_id": None}, 400, "cost_code_id"), ({"amount": "a lot"}, 400, "amount"), ({"amount": True}, 400, "amount"),
    ({"uom": "furlong"}, 400, "uom"), ({"extended_type": "guessed"}, 400, "extended_type"),
    ({"amount": "Infinity"}, 400, "amount"),
])  # fmt: skip
def test_wrong_attributes_of_a_line(api: Caller, attributes: dict[str, Any], status: int, field: str) -> None:
    assert new_line(api, status=status, **attributes)["fields"] == field
    assert api.get(f"{WO}/{DRAFT}/line_items?project_id={P1}") == []


def test_a_line_makes_its_budget_code_once(api: Caller) -> None:
    first, second = new_line(api, amount="1.00"), new_line(api, amount="2.00")
    assert first["wbs_code"] == second["wbs_code"] and first["wbs_code"]["flat_code"] == "03-3000.C"
    codes = api.get(f"/projects/{P1}/work_breakdown_structure/wbs_codes")
    assert [code["flat_code"] for code in codes] == ["03-3000.C"]
    assert [kind["code"] for kind in api.get(f"/cost_codes/{CAST}?project_id={P1}")["line_item_types"]] == ["C"]
    by_code = new_line(api, cost_code_id=STEELWORK, line_item_type_id=LABOR, wbs_code_id=codes[0]["id"], amount="3.00")
    assert (by_code["cost_code"]["id"], by_code["line_item_type"]["id"]) == (CAST, SUBCONTRACT), "wbs_code_id wins"


def test_a_removed_line_is_gone_and_its_id_not_used_again(api: Caller) -> None:
    made = new_line(api, amount="1.00")
    api.send("DELETE", f"{WO}/{DRAFT}/line_items/{made['id']}?project_id={P1}", None)
    api.get(f"{WO}/{DRAFT}/line_items/{made['id']}?project_id={P1}", 404)
    assert new_line(api, amount="1.00")["id"] > made["id"]


@pytest.mark.parametrize("touches", [False, True])
def test_a_line_write_moves_the_contract_only_by_setting(api: Caller, world: World, touches: bool) -> None:
    api.settings(line_touches_parent=touches)
    hand_made(world)
    made = new_line(api, amount="1.00")
    assert made["updated_at"] > OLD
    assert (api.get(f"{WO}/{DRAFT}?project_id={P1}")["updated_at"] > OLD) is touches


# -- locks -------------------------------------------------------------------------------------------------------------

OUT = "Out For Signature"


@pytest.mark.parametrize(("sov_lock", "editable", "status", "vendor", "sov", "removal"), [
    ("off", False, "Approved", True, True, True),
    ("approved_complete", False, "Draft", True, True, True),
    ("approved_complete", False, OUT, True, True, True),
    ("approved_complete", False, "Approved", False, False, False),
    ("approved_complete", False, "Complete", False, False, False),
    ("approved_complete", True, "Approved", False, True, False),
    ("approved_complete", False, "Void", True, True, True),
    ("beyond_draft", False, "Out For Bid", True, True, True),
    ("beyond_draft", False, OUT, False, False, False),
    ("beyond_draft", True, "Approved", False, True, False),
])  # fmt: skip
def test_locks(
    api: Caller, world: World, sov_lock: str, editable: bool, status: str, vendor: bool, sov: bool, removal: bool
) -> None:
    api.settings(sov_lock=sov_lock, always_editable_sov=editable)
    hand_made(world)
    contract(api, APPROVED, title="Still writable", origin_id="o", origin_data="d", origin_code="c")
    contract(api, APPROVED, status=status)
    contract(api, APPROVED, 200 if vendor else 422, vendor_id=CONCRETE)
    allowed = 200 if sov else 422
    line(api, LINE_1, allowed, amount="1001.00")
    line(api, LINE_2, 200, origin_id="line", origin_data="x")
    new_line(api, APPROVED, 201 if sov else 422, amount="5.00")
    api.send("DELETE", f"{WO}/{APPROVED}/line_items/{LINE_2}?project_id={P1}", None, allowed)
    entry = {"origin_id": "fresh", "cost_code_id": CAST, "line_item_type_id": LABOR, "amount": "1.00"}
    entities, errors = api.sync(f"{WO}/{APPROVED}/line_items/sync?project_id={P1}", [entry])
    assert (len(entities), len(errors)) == ((1, 0) if sov else (0, 1))
    api.send("DELETE", f"{WO}/{APPROVED}?project_id={P1}", None, 200 if removal else 422)


def test_a_lock_in_a_header_sync_is_an_error_entry(api: Caller) -> None:
    updates = [{"id": APPROVED, "vendor_id": CONCRETE}, {"id": DRAFT, "vendor_id": STEEL}]
    entities, errors = api.sync("/work_order_contracts/sync", updates, project_id=P1)
    assert [entity["id"] for entity in entities] == [DRAFT] and list(errors[0]["errors"]) == ["vendor_id"]


def test_an_unchanged_line_under_a_lock_is_no_error(api: Caller) -> None:
    assert line(api, LINE_1, amount="1000.1", description="Fabricate")["updated_at"] == OLD
    error = line(api, LINE_1, 422, amount="1000.2")
    assert error["code"] == 422 and "locked" in error["message"]


def test_a_person_meets_the_same_locks_in_other_words(api: Caller) -> None:
    reply = api.as_user("PATCH", f"{WO}/{APPROVED}", {"project_id": P1, "work_order_contract": {"vendor_id": CONCRETE}})
    assert reply.status_code == 422 and "Editing is not available" in reply.json()["message"]


# -- work breakdown structure ------------------------------------------------------------------------------------------

WP = f"/projects/{P1}/work_breakdown_structure"


def segment_items(api: Caller) -> dict[str, dict[str, Any]]:
    """Items of the project by their code, with the id of their segment."""
    segments = {segment["type"]: segment["id"] for segment in api.get(f"{WP}/segments")}
    found = {}
    for kind in ("cost_code", "line_item_type"):
        for item in api.get(f"{WP}/segments/{segments[kind]}/segment_items"):
            found[item["path_code"]] = {"segment_id": segments[kind], "segment_item_id": item["id"], "item": item}
    return found


def pair(items: dict[str, dict[str, Any]], *codes: str) -> list[dict[str, int]]:
    return [{"segment_id": items[code]["segment_id"], "segment_item_id": items[code]["segment_item_id"]} for code in codes]


def test_items_are_the_codes_under_other_ids(api: Caller) -> None:
    items = segment_items(api)
    assert set(items) == {"03", "03-3000", "05", "05-1200", "L", "C"}
    assert (
        items["03-3000"]["segment_item_id"] != CAST
        and items["03"]["item"]["is_parent"]
        and not items["03-3000"]["item"]["is_parent"]
    )
    assert items["03-3000"]["item"]["parent_id"] == items["03"]["segment_item_id"]


def test_posting_a_combination_twice_returns_it(api: Caller) -> None:
    items = segment_items(api)
    body = {"description": "Concrete work", "segment_items": pair(items, "03-3000", "C")}
    made = api.send("POST", f"{WP}/wbs_codes", body, 201)
    assert (made["flat_code"], made["status"]) == ("03-3000.C", "active")
    again = api.send("POST", f"{WP}/wbs_codes", {**body, "description": "Other"}, 201)
    assert (again["id"], again["description"]) == (made["id"], "Other")


def test_bulk_create_answers_201_with_entities_and_errors(api: Caller) -> None:
    items = segment_items(api)
    good, half = {"segment_items": pair(items, "05-1200", "L")}, {"segment_items": pair(items, "05-1200"), "description": "half"}
    wrong = {"segment_items": [{"segment_id": items["L"]["segment_id"], "segment_item_id": LABOR}, *pair(items, "05-1200")]}
    reply = api.send("PATCH", f"{WP}/wbs_codes/bulk_create", {"bulk": [good, half, good, wrong]}, 201)
    assert [entity["flat_code"] for entity in reply["entities"]] == ["05-1200.L"]
    assert [set(entry["errors"]) for entry in reply["errors"]] == [{"segment_items"}] * 2 and reply["errors"][0][
        "description"
    ] == "half"
    api.send("PATCH", f"{WP}/wbs_codes/bulk_create", {"bulk": [good] * 1001}, 413)


def test_status_of_wbs_codes(api: Caller) -> None:
    items = segment_items(api)
    made = api.send("POST", f"{WP}/wbs_codes", {"segment_items": pair(items, "03-3000", "C")}, 201)
    other = api.send("POST", f"{WP}/wbs_codes", {"segment_items": pair(items, "03-3000", "L")}, 201)
    assert api.send("PATCH", f"{WP}/wbs_codes/{made['id']}", {"status": "inactive"})["status"] == "inactive"
    assert [code["id"] for code in api.get(f"{WP}/wbs_codes?filters[status][]=active")] == [other["id"]]
    assert [kind["code"] for kind in api.get(f"/cost_codes/{CAST}?project_id={P1}")["line_item_types"]] == ["L"]
    reposted = api.send("POST", f"{WP}/wbs_codes", {"segment_items": pair(items, "03-3000", "C")}, 201)
    assert (reposted["id"], reposted["status"]) == (made["id"], "inactive")
    api.control("POST", "/clock", {"advance": 60})
    again = api.send("POST", f"{WP}/wbs_codes", {"segment_items": pair(items, "03-3000", "C")}, 201)
    assert again["updated_at"] == reposted["updated_at"], "nothing changed"
    assert set(api.send("PATCH", f"{WP}/wbs_codes/{made['id']}", {"status": "gone"}, 400)) == {"message", "exception"}
    assert [code["id"] for code in api.get(f"{WP}/wbs_codes?query=3000.l")] == [other["id"]]


def test_a_project_item_is_a_cost_code(api: Caller) -> None:
    items = segment_items(api)
    body = {"code": "4000", "name": "Precast", "parent_id": items["03"]["segment_item_id"]}
    made = api.send("POST", f"{WP}/segments/{items['03']['segment_id']}/segment_items", body, 201)
    assert made["path_code"] == "03-4000"
    codes = {code["full_code"]: code for code in api.get(f"/cost_codes?project_id={P1}")}
    assert codes["03-4000"]["parent"] == {"id": DIV3} and codes["03-4000"]["id"] != made["id"]


def test_company_pattern_segments_and_lists(api: Caller) -> None:
    base = f"/companies/{COMPANY}/work_breakdown_structure"
    assert [segment["type"] for segment in api.get(f"{base}/patterns")["segments"]] == ["sub_job", "cost_code", "line_item_type"]
    segment = next(row["id"] for row in api.get(f"{base}/segments") if row["type"] == "cost_code")
    (listed,) = api.get(f"{base}/segments/{segment}/lists")
    assert api.get(f"{base}/segments/{segment}/segment_items?segment_item_list_id={listed['id']}") == []
    api.get(f"{base}/segments/{segment}/segment_items", 400)
    api.get("/companies/1/work_breakdown_structure/segments", 403)


def test_codes_of_two_projects_do_not_mix(api: Caller) -> None:
    items = segment_items(api)
    other = f"/projects/{P2}/work_breakdown_structure/wbs_codes"
    assert set(api.send("POST", other, {"segment_items": pair(items, "03-3000", "C")}, 400)) == {"message", "exception"}
