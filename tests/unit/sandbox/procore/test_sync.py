"""The sync actions: the id and origin_id matrix, errors, order, size, and the traps that the contract names."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.procore.settings import Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CAST,
    COMPANY,
    CONCRETE,
    DIV3,
    DRAFT,
    GONE,
    LINE_1,
    LIST,
    OLD,
    ORDER,
    P1,
    P2,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    hand_made,
)  # fmt: skip


def vendors(api: Caller, *updates: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return api.sync("/vendors/sync", list(updates), company_id=COMPANY)


def test_neither_id_nor_origin_id_creates_every_time(api: Caller) -> None:
    (first,), _ = vendors(api, {"name": "Twice"})
    (second,), _ = vendors(api, {"name": "Twice"})
    assert first["id"] != second["id"] and first["origin_id"] is None


def test_unknown_id_is_an_error_entry_in_a_200(api: Caller) -> None:
    entities, errors = vendors(api, {"id": 999, "name": "Nobody", "origin_id": "new"})
    assert entities == []
    assert errors == [{"id": 999, "name": "Nobody", "origin_id": "new", "errors": {"id": ["Entity with this ID not found"]}}]


def test_known_id_updates_and_leaves_what_is_omitted(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"id": STEEL, "city": "Columbus"})
    assert (vendor["id"], vendor["city"], vendor["name"], vendor["origin_code"]) == (STEEL, "Columbus", "Iron & Söhne", "V-1")


def test_unknown_origin_id_creates_with_it(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"origin_id": "sandbox:G1:vendors:V-9", "name": "Nine"})
    assert vendor["origin_id"] == "sandbox:G1:vendors:V-9" and vendor["id"] > 2**32 and vendor["synced_to_erp"] is True


def test_known_origin_id_updates(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"origin_id": "sandbox:G1:vendors:V-1", "name": "Iron"})
    assert (vendor["id"], vendor["name"]) == (STEEL, "Iron")


def test_inactive_vendor_is_found_by_its_origin_id(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"origin_id": "sandbox:G1:vendors:V-3", "city": "Dayton"})
    assert (vendor["id"], vendor["is_active"]) == (GONE, False)


def test_both_found_by_id_only_overwrites_the_origin_id(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"id": STEEL, "origin_id": "sandbox:G1:vendors:V-77"})
    assert (vendor["id"], vendor["origin_id"]) == (STEEL, "sandbox:G1:vendors:V-77")


def test_origin_id_of_another_record_is_an_error_entry(api: Caller) -> None:
    _, errors = vendors(api, {"id": CONCRETE, "origin_id": "sandbox:G1:vendors:V-1"})
    assert errors[0]["errors"] == {"origin_id": ["has already been taken"]} and errors[0]["id"] == CONCRETE


def test_origin_id_is_unique_over_the_projects_of_a_company(api: Caller) -> None:
    entry = {"origin_id": "sandbox:01:cost_codes:x", "code": "9", "name": "Elsewhere"}
    _, errors = api.sync(f"/cost_codes/sync?project_id={P2}", [entry])
    assert errors == [{**entry, "errors": {"origin_id": ["has already been taken"]}}]


def test_entries_are_independent(api: Caller) -> None:
    entities, errors = vendors(api, {"name": "Good"}, {"origin_id": "nameless"}, {"name": 5, "origin_id": "typed"})
    assert [entity["name"] for entity in entities] == ["Good"]
    assert {entry["origin_id"]: entry["errors"] for entry in errors} == {
        "nameless": {"name": ["can't be blank"]},
        "typed": {"name": ["must be a string"]},
    }


def test_error_entry_echoes_what_was_sent_with_its_types(api: Caller) -> None:
    _, errors = vendors(api, {"notes": 1.5, "parent_id": "x"})
    assert (
        errors[0]["notes"] == 1.5 and errors[0]["parent_id"] == "x" and set(errors[0]["errors"]) == {"name", "notes", "parent_id"}
    )


def test_origin_id_can_be_cleared(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"id": STEEL, "origin_id": None})
    assert vendor["origin_id"] is None and vendor["synced_to_erp"] is False


def test_entities_come_in_another_order_by_default(api: Caller, world: World) -> None:
    names = [f"Vendor {n}" for n in range(12)]
    entities, _ = vendors(api, *({"name": name} for name in names))
    assert [entity["name"] for entity in entities] != names and sorted(entity["name"] for entity in entities) == sorted(names)
    api.settings(shuffle_sync=False)
    hand_made(world)
    entities, _ = vendors(api, *({"name": name} for name in names))
    assert [entity["name"] for entity in entities] == names


def test_a_thousand_pass_and_one_more_is_413_with_nothing_applied(api: Caller) -> None:
    entities, errors = vendors(api, *({"name": f"V {n}"} for n in range(1000)))
    assert (len(entities), errors) == (1000, [])
    reply = api("PATCH", "/vendors/sync", json={"company_id": COMPANY, "updates": [{"name": f"W {n}"} for n in range(1001)]})
    assert reply.status_code == 413 and set(reply.json()) == {"code", "message", "fields", "reason", "error"}
    assert api("GET", f"/vendors?company_id={COMPANY}").headers["Total"] == "1002"


@pytest.mark.parametrize("body", [{"company_id": COMPANY}, {"company_id": COMPANY, "updates": [1]}, {"updates": []}])
def test_unusable_sync_bodies_are_400(api: Caller, body: dict[str, Any]) -> None:
    assert api("PATCH", "/vendors/sync", json=body).status_code == 400


def test_updated_at_moves_only_when_something_changes(api: Caller) -> None:
    (same,), _ = vendors(
        api,
        {
            "id": STEEL,
            "name": "Iron & Söhne",
            "notes": None,
            "business_register_attributes": {"type": "ein", "identifier": "12-3456789"},
        },
    )
    assert same["updated_at"] == OLD
    (linked,), _ = vendors(api, {"id": STEEL, "origin_data": "hash"})
    assert linked["updated_at"] > OLD


def test_vendor_sync_takes_the_register_number(api: Caller) -> None:
    (vendor,), _ = vendors(api, {"id": CONCRETE, "business_register_attributes": {"type": "ein", "identifier": "98-7654321"}})
    assert vendor["business_register"] == {"type": "ein", "identifier": "98-7654321"}


def test_project_sync_has_no_origin_code(api: Caller) -> None:
    _, errors = api.sync("/projects/sync", [{"id": P1, "origin_id": "o", "origin_code": "25-901"}], company_id=COMPANY)
    assert errors[0]["errors"] == {"origin_code": ["is unknown here"]}
    (project,), _ = api.sync("/projects/sync", [{"id": P1, "origin_id": "o"}], company_id=COMPANY)
    assert project["origin_id"] == "o" and project["origin_code"] is None
    shown = api.send("PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"origin_code": "25-901"}})
    assert shown["origin_code"] == "25-901" and shown["updated_at"] > OLD


def test_cost_type_is_read_as_code_and_written_as_csv_import_code(api: Caller) -> None:
    entries = [
        {"origin_id": "a", "name": "Equipment", "base_type": "equipment"},
        {"origin_id": "b", "name": "M", "csv_import_code": "M"},
    ]
    entities, errors = api.sync("/line_item_types/sync", entries, company_id=COMPANY)
    assert errors == [] and {entity["origin_id"]: entity["code"] for entity in entities} == {"a": None, "b": "M"}


# -- codes and their prefixes ------------------------------------------------------------------------------------------


def standard(api: Caller, *updates: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return api.sync("/standard_cost_codes/sync", list(updates), company_id=COMPANY, standard_cost_code_list_id=LIST)


def test_standard_codes_are_synced_with_prefix_and_created_without(api: Caller) -> None:
    (parent,), _ = standard(api, {"code": "03", "name": "Concrete", "origin_id": "03"})
    (child,), _ = standard(api, {"code": "03-3000", "name": "Cast", "origin_id": "03-3000", "parent_id": parent["id"]})
    assert (child["code"], child["full_code"]) == ("3000", "03-3000")
    body = {"code": "4000", "name": "Precast", "parent_id": parent["id"]}
    created = api.send(
        "POST",
        "/standard_cost_codes",
        {"company_id": COMPANY, "standard_cost_code_list_id": LIST, "standard_cost_code": body},
        201,
    )
    assert created["full_code"] == "03-4000"
    wrong = {**body, "code": "03-5000"}
    created = api.send(
        "POST",
        "/standard_cost_codes",
        {"company_id": COMPANY, "standard_cost_code_list_id": LIST, "standard_cost_code": wrong},
        201,
    )
    assert created["full_code"] == "03-03-5000"


def test_standard_sync_without_the_prefix_is_refused(api: Caller) -> None:
    (parent,), _ = standard(api, {"code": "03", "name": "Concrete"})
    _, errors = standard(api, {"code": "3000", "name": "Cast", "parent_id": parent["id"]})
    assert list(errors[0]["errors"]) == ["code"]


def test_project_codes_are_synced_without_prefix(api: Caller) -> None:
    (good, bad), errors = api.sync(
        f"/cost_codes/sync?project_id={P1}",
        [
            {"code": "4000", "name": "Precast", "parent_id": DIV3, "origin_id": "good"},
            {"code": "03-4000", "name": "Precast", "parent_id": DIV3, "origin_id": "with prefix"},
        ],
    )
    assert errors == [] and {good["full_code"], bad["full_code"]} == {"03-4000", "03-03-4000"}


def test_full_code_follows_the_delimiter_and_the_parent(api: Caller, world: World) -> None:
    api.settings(cost_code_delimiter=".")
    hand_made(world)
    assert api.get(f"/cost_codes/{CAST}?project_id={P1}")["full_code"] == "03.3000"
    api.send("PATCH", f"/cost_codes/{DIV3}", {"project_id": P1, "cost_code": {"code": "3", "name": "Concrete"}})
    assert api.get(f"/cost_codes/{CAST}?project_id={P1}")["full_code"] == "3.3000"


def test_a_code_cannot_be_its_own_ancestor_or_have_a_parent_elsewhere(api: Caller) -> None:
    _, errors = api.sync(f"/cost_codes/sync?project_id={P1}", [{"id": DIV3, "parent_id": CAST}])
    assert list(errors[0]["errors"]) == ["parent_id"]
    _, errors = api.sync(f"/cost_codes/sync?project_id={P2}", [{"code": "1", "name": "x", "parent_id": DIV3}])
    assert list(errors[0]["errors"]) == ["parent_id"]


def test_sub_jobs_need_the_project_twice_and_a_code_of_their_own(api: Caller) -> None:
    assert api("PATCH", f"/sub_jobs/sync?project_id={P1}", json={"updates": []}).status_code == 400
    entries = [{"code": "1", "name": "Building", "origin_id": "one"}, {"code": "1", "name": "Site", "origin_id": "two"}]
    entities, errors = api.sync(f"/sub_jobs/sync?project_id={P1}", entries, project_id=P1)
    assert [entity["code"] for entity in entities] == ["1"] and errors[0]["errors"] == {"code": ["has already been taken"]}


def test_codes_of_a_sub_job_are_listed_apart(api: Caller) -> None:
    (sub_job,), _ = api.sync(f"/sub_jobs/sync?project_id={P1}", [{"code": "1", "name": "Building"}], project_id=P1)
    (code,), _ = api.sync(
        f"/cost_codes/sync?project_id={P1}&sub_job_id={sub_job['id']}", [{"code": "03", "name": "Concrete", "origin_id": "s"}]
    )
    assert (code["biller_type"], code["biller"]) == ("SubJob", "Building")
    assert [row["id"] for row in api.get(f"/cost_codes?project_id={P1}&sub_job_id={sub_job['id']}")] == [code["id"]]
    assert code["id"] not in [row["id"] for row in api.get(f"/cost_codes?project_id={P1}")]
    assert [row["id"] for row in api.get(f"/cost_codes?project_id={P1}&filters[origin_id]=s")] == [code["id"]]


# -- commitments -------------------------------------------------------------------------------------------------------


def test_contract_sync_links_a_record(api: Caller) -> None:
    entry = {"id": APPROVED, "origin_id": "sandbox:01:commitments:SC-2", "origin_code": "SC-2", "origin_data": "{}"}
    (contract,), errors = api.sync("/work_order_contracts/sync", [entry], project_id=P1)
    assert errors == [] and contract["origin_code"] == "SC-2" and contract["updated_at"] > OLD and "line_items" not in contract


def test_an_entry_of_the_purchase_order_sync_has_no_id(api: Caller) -> None:
    entry = {"id": ORDER, "origin_id": "sandbox:01:commitments:PO-1"}
    _, errors = api.sync("/purchase_order_contracts/sync", [entry], project_id=P1)
    assert errors and errors[0]["id"] == ORDER and len(api.get(f"/purchase_order_contracts?project_id={P1}")) == 1
    order = api.send(
        "PATCH", f"/purchase_order_contracts/{ORDER}",
        {"project_id": P1, "purchase_order_contract": {"origin_id": "sandbox:01:commitments:PO-1", "origin_code": "PO-1"}},
    )  # fmt: skip
    assert (order["origin_id"], order["origin_code"]) == ("sandbox:01:commitments:PO-1", "PO-1")


def test_the_purchase_order_sync_takes_an_id_where_the_company_is_set_so(api: Caller, world: World) -> None:
    """The prose says so of every sync; the description does not."""
    world.procore.configure(Settings(purchase_order_sync_id=True))
    (order,), errors = api.sync("/purchase_order_contracts/sync", [{"id": ORDER, "origin_id": "x"}], project_id=P1)
    assert errors == [] and (order["id"], order["origin_id"]) == (ORDER, "x")


@pytest.mark.parametrize("company_wide", [True, False])
def test_an_external_id_is_on_one_record_of_the_company(api: Caller, world: World, company_wide: bool) -> None:
    """One page says company, others say kind: the stricter is the default."""
    world.procore.configure(Settings(company_wide_origin_id=company_wide))
    api.sync("/work_order_contracts/sync", [{"id": APPROVED, "origin_id": "one"}], project_id=P1)
    body = {"project_id": P1, "purchase_order_contract": {"origin_id": "one"}}
    reply = api("PATCH", f"/purchase_order_contracts/{ORDER}", json=body)
    assert reply.status_code == (422 if company_wide else 200)
    assert not company_wide or reply.json()["reason"] == "origin_id: has already been taken"


def test_contract_of_another_project_is_not_found_by_id(api: Caller) -> None:
    _, errors = api.sync("/work_order_contracts/sync", [{"id": DRAFT, "title": "x"}], project_id=P2)
    assert errors[0]["errors"] == {"id": ["Entity with this ID not found"]}


def test_line_sync_ignores_the_id_and_creates_where_it_is_not_refused(api: Caller, world: World) -> None:
    world.procore.configure(Settings(strict_requests=False))
    api.send("PATCH", f"/work_order_contracts/{APPROVED}", {"project_id": P1, "work_order_contract": {"status": "Draft"}})
    path = f"/work_order_contracts/{APPROVED}/line_items/sync?project_id={P1}"
    key = {"cost_code_id": STEELWORK, "line_item_type_id": SUBCONTRACT}
    (line,), _ = api.sync(path, [{"id": LINE_1, "amount": "1.00", "origin_id": "line-1", **key}])
    assert line["id"] != LINE_1 and line["position"] == 3
    (again,), _ = api.sync(path, [{"origin_id": "line-1", "amount": "2.00"}])
    assert again["id"] == line["id"] and again["position"] == 3
    lines = api.get(f"/work_order_contracts/{APPROVED}/line_items?project_id={P1}")
    assert [float(row["amount"]) for row in lines] == [1000.10, -50.05, 2.0]
