"""Budgets: lines, the lock, budget changes, views; billing periods."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sandbox.procore.budget import CODES_WITH_COST, COSTS
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    CAST,
    COMPANY,
    DIV3,
    LABOR,
    P1,
    P2,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    row,
)  # fmt: skip

A, B, C, OTHER = 4_365_000_001, 4_365_000_002, 4_365_000_003, 4_365_000_009
LINES = "/rest/v1.1/budget_line_items"
BUDGET = f"/projects/{P1}/budget"
CHANGES = f"/projects/{P1}/budget_changes"
PERIODS = f"/projects/{P1}/billing_periods"


@pytest.fixture(autouse=True)
def codes(api: Caller, world: World) -> None:
    """Three WBS codes of the first project, the last of a sub job; one of the second project."""
    world.store.load("sub_jobs", [row(5, project_id=P1, code="20", name="Site work")])
    keys = ((A, CAST, SUBCONTRACT, None), (B, CAST, LABOR, None), (C, STEELWORK, LABOR, 5))
    rows = [
        row(id, project_id=P1, status="active", cost_code_id=code, line_item_type_id=type_, sub_job_id=sub_job)
        for id, code, type_, sub_job in keys
    ]
    other = row(OTHER, project_id=P2, status="active", cost_code_id=1, line_item_type_id=LABOR, sub_job_id=None)
    world.store.load("wbs_codes", [*rows, other])


def sync(api: Caller, *entries: dict[str, Any], status: int = 200) -> Any:
    return api.send("POST", "/budget_line_items/sync", {"project_id": P1, "budget_line_items": list(entries)}, status)


def new_line(api: Caller, code: int = A, amount: Any = 100, status: int = 201, **more: Any) -> Any:
    body = {"wbs_code_id": code, "original_budget_amount": amount, **more}
    return api.send("POST", LINES, {"project_id": P1, "budget_line_item": body}, status)


def change_line(api: Caller, id: int, status: int = 200, **attributes: Any) -> Any:
    return api.send("PATCH", f"{LINES}/{id}", {"project_id": P1, "budget_line_item": attributes}, status)


def delete_line(api: Caller, id: int) -> Any:
    return api("DELETE", f"/rest/v2.0/companies/{COMPANY}/projects/{P1}/budget_line_items/{id}")


def views(api: Caller) -> list[int]:
    return [view["id"] for view in api.get(f"/budget_views?project_id={P1}")]


def rows(api: Caller, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/budget_views/{views(api)[0]}/detail_rows?project_id={P1}{query}")
    return found


def transfer(api: Caller, status: str = "approved", amount: Any = "18000.10", expect: int = 201) -> Any:
    lines = [
        {"adjustment_number": 1, "wbs_code_id": A, "amount": f"-{amount}", "type": "budget_change"},
        {"adjustment_number": 1, "wbs_code_id": B, "amount": amount, "type": "budget_change", "ref": "b"},
    ]
    return api.send("POST", CHANGES, {"status": status, "title": "Contingency", "adjustment_line_items": lines}, expect)["data"]


# -- lines -------------------------------------------------------------------------------------------------------------


def test_sync_replies_with_a_plain_array_of_numbers(api: Caller) -> None:
    amounts: dict[int, Any] = {A: 1018000.55, C: "0.10"}
    made = sync(api, *({"wbs_code_id": code, "original_budget_amount": amount} for code, amount in amounts.items()))
    assert isinstance(made, list)
    by_code = {line["wbs_code"]["id"]: line for line in made}
    assert by_code[A]["original_budget_amount"] == 1018000.55 and isinstance(by_code[C]["original_budget_amount"], float)
    assert by_code[C]["wbs_code"]["flat_code"] == "20.05-1200.L"
    (changed,) = sync(api, {"id": by_code[A]["id"], "wbs_code_id": A, "original_budget_amount": 5})
    assert changed["id"] == by_code[A]["id"] and changed["original_budget_amount"] == 5.0


@pytest.mark.parametrize(("entry", "status", "field"), [
    ({"wbs_code_id": A}, 422, "wbs_code_id"), ({"wbs_code_id": OTHER}, 422, "wbs_code_id"), ({}, 400, "wbs_code_id"),
    ({"id": 7, "wbs_code_id": B}, 400, "id"), ({"wbs_code_id": B, "uom": "parsec"}, 400, "uom"),
    ({"wbs_code_id": B, "original_budget_amount": "much"}, 400, "original_budget_amount"),
])  # fmt: skip
def test_one_wrong_entry_refuses_the_whole_sync(api: Caller, entry: dict[str, Any], status: int, field: str) -> None:
    new_line(api, A)
    error = sync(api, {"wbs_code_id": C, "original_budget_amount": 1}, entry, status=status)
    assert field in error["fields"] and [found["wbs_code_id"] for found in rows(api)] == [A]


def test_too_many_entries(api: Caller) -> None:
    sync(api, *[{"wbs_code_id": A}] * 1001, status=413)
    api.send("POST", "/budget_line_items/sync", {"project_id": P1, "budget_line_items": {}}, 400)


def test_one_line_per_code(api: Caller) -> None:
    line = new_line(api)
    assert new_line(api, status=422)["fields"] == "wbs_code_id"
    other = new_line(api, B)
    change_line(api, other["id"], 422, wbs_code_id=A)
    assert change_line(api, line["id"], wbs_code_id=A, original_budget_amount="100.50")["original_budget_amount"] == 100.5
    assert api.get(f"{LINES}/{line['id']}?project_id={P1}")["original_budget_amount"] == 100.5
    api.get(f"{LINES}/{line['id']}?project_id={P2}", 404)


def test_automatic_line_is_quantity_times_unit_cost(api: Caller) -> None:
    line = new_line(api, A, None, calculation_strategy="automatic", quantity=333.5, unit_cost=1.785, uom="lf")
    assert line["original_budget_amount"] == 595.30
    assert change_line(api, line["id"], quantity=100)["original_budget_amount"] == 178.5


def test_sums_come_from_the_stored_text(api: Caller) -> None:
    for code, amount in ((A, "0.10"), (B, "0.20")):
        new_line(api, code, amount)
    for _ in range(3):
        transfer(api, amount="0.1")
    found = {row["wbs_code_id"]: row for row in rows(api)}
    assert Decimal(found[A]["budget_modifications"]) == Decimal("-0.3")
    assert Decimal(found[B]["original_budget_amount"]) == Decimal("0.2")


# -- the lock ----------------------------------------------------------------------------------------------------------


def test_lock_freezes_originals(api: Caller) -> None:
    line = new_line(api, A, "100.00")
    assert api.get(BUDGET) == {"locked": False}
    assert api.send("POST", f"{BUDGET}/lock", None, 201) == {"locked": True} == api.get(BUDGET)
    assert change_line(api, line["id"], 422, original_budget_amount=101)["fields"] == "original_budget_amount"
    change_line(api, line["id"], 422, wbs_code_id=B)
    assert change_line(api, line["id"], original_budget_amount="100.0")["id"] == line["id"], "the same amount is no change"
    assert sync(api, {"id": line["id"], "wbs_code_id": A, "original_budget_amount": 7}, status=422)["code"] == 422
    late = new_line(api, B, 5000, quantity=2, unit_cost=3, calculation_strategy="automatic")
    assert (late["original_budget_amount"], late["quantity"]) == (0.0, None)
    reply = delete_line(api, line["id"])
    assert reply.status_code == 422 and reply.json()["error"]["details"][0]["reason_code"]
    assert api.get(f"/projects/{P2}/budget") == {"locked": False}


def test_locking_moves_no_updated_at_and_survives_a_project_update(api: Caller) -> None:
    before = api.get(f"/projects/{P1}?company_id={COMPANY}")
    assert api.as_user("POST", f"{BUDGET}/lock").status_code == 201
    assert api.get(f"/projects/{P1}?company_id={COMPANY}") == before
    api.send("PATCH", f"/projects/{P1}", {"company_id": COMPANY, "project": {"city": "Dayton"}})
    assert api.get(BUDGET) == {"locked": True}


@pytest.mark.parametrize(("query", "kept"), [
    ("", False), ("?destroy_all_budget_line_item_transfers=true", False), ("?destroy_all_budget_line_item_transfers=false", True),
])  # fmt: skip
def test_unlocking_destroys_transfers_unless_told_not_to(api: Caller, world: World, query: str, kept: bool) -> None:
    new_line(api, A, 100)
    world.store.load("budget_modifications", [row(1, project_id=P1, transfer_amount="5.00")])
    api.send("POST", f"{BUDGET}/lock", None, 201)
    approved, draft = transfer(api), transfer(api, "draft")
    assert api.send("DELETE", f"{BUDGET}/lock{query}", None) == {"locked": False}
    statuses = [change["status"] for change in api.get(CHANGES)["data"]]
    assert statuses == (["approved", "draft"] if kept else ["void", "draft"]) and [approved["number"], draft["number"]] == [1, 2]
    assert Decimal(rows(api)[0]["budget_modifications"]) == (Decimal("-18000.10") if kept else 0)
    assert len(api.get(f"/projects/{P1}/budget_modifications")) == kept
    assert api("DELETE", f"{BUDGET}/lock").status_code == 404


def test_a_line_that_carries_something_cannot_be_deleted(api: Caller) -> None:
    free, changed, used = (new_line(api, code)["id"] for code in (A, B, C))
    transfer_lines = [{"wbs_code_id": B, "amount": 0}]
    api.send("POST", CHANGES, {"status": "approved", "adjustment_line_items": transfer_lines}, 201)
    cost = {"direct_cost_type": "expense", "vendor_id": 4_400_000_001, "invoice_number": "E-1"}
    cost |= {"line_items": [{"wbs_code_id": C, "manual_amount": 1}]}
    api.send("POST", f"/rest/v1.1/projects/{P1}/direct_costs", {"direct_cost": cost}, 201)
    assert {row["id"]: row["deletable"] for row in rows(api)} == {free: True, changed: False, used: False}
    assert [delete_line(api, id).status_code for id in (free, changed, used, free)] == [204, 422, 422, 404]


def test_codes_in_use_are_found_without_reading_every_line(world: World) -> None:
    plan = [step["detail"] for step in world.store.rows(f"EXPLAIN QUERY PLAN {CODES_WITH_COST}", [P1])]
    assert [step for step in plan if step.startswith("SEARCH line")] == [
        "SEARCH line USING INDEX objects_budgeted (<expr>=? AND kind=?)"
    ] * len(COSTS)


# -- views -------------------------------------------------------------------------------------------------------------


def test_two_views_of_a_project(api: Caller) -> None:
    found = api.get(f"/budget_views?project_id={P1}")
    assert [(view["name"], view["role"]) for view in found] == [("Standard", "standard"), ("Cost report", "custom")]
    assert len({view["id"] for view in found} | {view["id"] for view in api.get(f"/budget_views?project_id={P2}")}) == 4
    api.get("/budget_views", 400)
    api.get(f"/budget_views/{found[0]['id']}/detail_rows?project_id={P2}", 404)
    new_line(api, A, "100.00")
    transfer(api, amount="25")
    (custom,) = api.get(f"/budget_views/{found[1]['id']}/detail_rows?project_id={P1}")
    assert Decimal(custom["Revised Budget"]) == 75 and "Revised Budget" not in rows(api)[0]


def test_rows_of_lines_and_of_codes_without_lines(api: Caller) -> None:
    line = new_line(api, A, "100.00")
    transfer(api)
    transfer(api, "draft", "7")
    (budgeted,), (unbudgeted,) = rows(api), rows(api, "&budget_row_type=unbudgeted")
    assert (budgeted["id"], budgeted["wbs_code_id"], budgeted["unbudgeted_reason"]) == (line["id"], A, None)
    assert (budgeted["cost_code_id"], budgeted["category_id"], budgeted["root_cost_code_id"]) == (CAST, SUBCONTRACT, DIV3)
    assert (budgeted["biller_type"], budgeted["biller_id"]) == ("Project", P1)
    assert budgeted["cost_code_origin_id"] == "sandbox:01:cost_codes:x" and isinstance(budgeted["original_budget_amount"], str)
    assert (unbudgeted["id"], unbudgeted["wbs_code_id"]) == (None, B) and unbudgeted["unbudgeted_reason"]
    assert Decimal(unbudgeted["budget_modifications"]) == Decimal("18000.10"), "drafts do not count"
    assert len(rows(api, "&budget_row_type=all")) == 2
    api.get(f"/budget_views/{views(api)[0]}/detail_rows?project_id={P1}&budget_row_type=some", 400)


def test_filters_sorts_and_pages_of_rows(api: Caller) -> None:
    line = {code: new_line(api, code, 1)["id"] for code in (C, B, A)}
    assert [row["wbs_code_id"] for row in rows(api)] == [B, A, C], "project before sub job, cost type by id"
    assert [row["wbs_code_id"] for row in rows(api, "&sort=-biller_type")] == [C, B, A]
    narrowed = {
        "cost_code_id[]": STEELWORK, "root_cost_code_name[]": "Metals", "budget_line_item_id[]": line[C],
        "biller[]": "id%3D5,type%3DSubJob",
    }  # fmt: skip
    for name, value in narrowed.items():
        assert [row["wbs_code_id"] for row in rows(api, f"&{name}={value}")] == [C], name
    assert len(rows(api, f"&category_id[]={LABOR}&category_id[]={SUBCONTRACT}")) == 3
    reply = api("GET", f"/budget_views/{views(api)[0]}/detail_rows?project_id={P1}&per_page=2&page=2")
    assert [row["wbs_code_id"] for row in reply.json()] == [C]
    assert reply.headers["Total"] == "3" and 'rel="first"' in reply.headers["Link"]


# -- budget changes ----------------------------------------------------------------------------------------------------


def test_budget_change_in_its_envelope(api: Caller) -> None:
    made = transfer(api, "draft")
    assert (made["number"], made["amount"], made["erp_status"]) == (1, 0.0, None)
    assert [(line["amount"], line["ref"], line["wbs_code"]["id"]) for line in made["adjustment_line_items"]] == [
        (-18000.1, None, A), (18000.1, "b", B),
    ]  # fmt: skip
    (listed,) = api.get(CHANGES)["data"]
    assert set(listed) == {
        "id", "number", "status", "title", "description", "erp_status", "prime_contract_id", "amount",
        "change_event_line_item_ids",
    }  # fmt: skip
    assert api.get(f"{CHANGES}/{made['id']}")["data"] == made


def test_update_by_line_id(api: Caller) -> None:
    made = transfer(api, "draft")
    first, second = made["adjustment_line_items"]
    lines = [
        {"id": first["id"], "_delete": True}, {"id": second["id"], "amount": 5},
        {"wbs_code_id": C, "quantity": 2, "unit_cost": 1.5, "calculation_strategy": "automatic"},
    ]  # fmt: skip
    after = api.send("PATCH", f"{CHANGES}/{made['id']}", {"status": "approved", "adjustment_line_items": lines})["data"]
    assert [(line["wbs_code_id"], line["amount"]) for line in after["adjustment_line_items"]] == [(B, 5.0), (C, 3.0)]
    assert after["amount"] == 8.0 and after["status"] == "approved" and after["title"] == "Contingency"
    same = api.send("PATCH", f"{CHANGES}/{made['id']}", {"status": "approved", "number": None})["data"]
    assert same["adjustment_line_items"] == after["adjustment_line_items"] and same["updated_at"] == after["updated_at"]
    ids = [line["id"] for line in [*after["adjustment_line_items"], *transfer(api)["adjustment_line_items"]]]
    assert len(set(ids)) == 4


def test_amount_of_a_change_is_an_exact_sum(api: Caller) -> None:
    lines = [{"wbs_code_id": A, "amount": amount} for amount in (0.1, 0.2, -0.3)]
    made = api.send("POST", CHANGES, {"status": "draft", "adjustment_line_items": lines}, 201)["data"]
    assert made["amount"] == 0.0 and [line["amount"] for line in made["adjustment_line_items"]] == [0.1, 0.2, -0.3]


def test_new_line_ids_lie_above_stored_ones(api: Caller, world: World) -> None:
    stored = [{"id": 3_000_000, "wbs_code_id": A, "amount": "1.00"}]
    world.store.load("budget_changes", [row(1, project_id=P1, number="7", status="void", adjustment_line_items=stored)])
    made = transfer(api)
    assert made["number"] == 8 and [line["id"] for line in made["adjustment_line_items"]] == [3_000_001, 3_000_002]


@pytest.mark.parametrize(("body", "text"), [
    ({}, "status can't be blank"), ({"status": "Approved"}, "status is not one of"),
    ({"status": "draft", "number": 1}, "number has"),
    ({"status": "draft", "adjustment_line_items": [{"amount": 1}]}, "adjustment_line_items[0].wbs_code_id can't be blank"),
    ({"status": "draft", "adjustment_line_items": [{"id": 3}]}, "adjustment_line_items[0].id Entity"),
    ({"status": "draft", "adjustment_line_items": {}}, "adjustment_line_items must be"),
])  # fmt: skip
def test_wrong_budget_changes_are_told_in_a_list(api: Caller, body: dict[str, Any], text: str) -> None:
    transfer(api)
    error = api.send("POST", CHANGES, body, 400)
    assert list(error) == ["errors"] and error["errors"][0].startswith(text) and len(api.get(CHANGES)["data"]) == 1


def test_deleting_a_budget_change(api: Caller) -> None:
    made = transfer(api)
    assert api("DELETE", f"{CHANGES}/{made['id']}").status_code == 204
    assert list(api.get(f"{CHANGES}/{made['id']}", 404)) == ["errors"] and api.get(CHANGES) == {"data": []}


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/1"), ("DELETE", "/1")])
def test_budget_modifications_are_read_only(api: Caller, method: str, path: str) -> None:
    reply = api(method, f"/projects/{P1}/budget_modifications{path}", json={})
    assert reply.status_code == 405 and reply.headers["Allow"] == "GET"


# -- billing periods ---------------------------------------------------------------------------------------------------


def period(api: Caller, month: int, status: int = 201, **more: Any) -> Any:
    days = {"start_date": f"2026-{month:02}-01", "end_date": f"2026-{month:02}-28", "due_date": f"2026-{month:02}-25"}
    return api.send("POST", PERIODS, {"billing_period": {**days, "status": "open", **more}}, status)


def test_billing_periods(api: Caller) -> None:
    august, july = period(api, 8), period(api, 7)
    assert [(found["id"], found["position"]) for found in api.get(PERIODS)] == [(august["id"], 2), (july["id"], 1)]
    days = {name: july[name] for name in ("start_date", "end_date", "due_date")}
    closed = api.send("PATCH", f"{PERIODS}/{july['id']}", {"billing_period": {**days, "status": "closed"}})
    assert closed["status"] == "closed" and closed["start_date"] == "2026-07-01"
    assert [found["id"] for found in api.get(f"{PERIODS}?filters[status]=closed")] == [july["id"]]
    assert api.get(f"{PERIODS}/{july['id']}")["project_id"] == P1 and api.get(f"/projects/{P2}/billing_periods") == []
    period(api, 9, 422, end_date="2026-08-31")
    period(api, 9, 400, due_date="soon")


@pytest.mark.parametrize("kind", ["requisitions", "payment_applications"])
def test_a_period_in_use_is_not_deleted(api: Caller, world: World, kind: str) -> None:
    july = period(api, 7)
    world.store.load(kind, [row(1, project_id=P1, parent_id=1, number="1", status="draft", period_id=july["id"])])
    assert api("DELETE", f"{PERIODS}/{july['id']}").status_code == 422
    world.store.remove(kind, 1)
    assert api("DELETE", f"{PERIODS}/{july['id']}").status_code == 200
    api.get(f"{PERIODS}/{july['id']}", 404)
