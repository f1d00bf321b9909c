"""Subcontractor invoices: items, G702 arithmetic, change orders on them, locks; and the payments of contracts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sandbox.procore import billing
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CHANGE_LINE,
    DRAFT,
    LINE_1,
    LINE_2,
    ORDER,
    P1,
    P2,
    PACKAGE,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    row,
)  # fmt: skip

INVOICES = "/rest/v1.1/requisitions"
STEEL_LINE, PERIOD = 9_100_000_900, 70_000_001
PERIOD_ROW = {"start_date": "2026-07-01", "end_date": "2026-07-31", "due_date": "2026-07-25", "status": "open"}

# -- arithmetic (docs/domain-rules.md §3) ------------------------------------------------------------------------------


def item(**figures: str) -> billing.Item:
    """An item of a line of 612,000.00 with these figures by their short names."""
    names = {
        "P": billing.PREVIOUS, "W": billing.WORK, "S": billing.STORED, "rP": billing.R_PREVIOUS, "rW": billing.R_WORK,
        "rR": billing.R_RELEASED, "rS": billing.R_STORED,
    }  # fmt: skip
    line = {"id": 1, "amount": "612000"}
    return {
        **billing.opened(line, billing.CONTRACT_ITEM, None, moving=False),
        **{names[key]: value for key, value in figures.items()},
    }


def test_first_check_vector() -> None:
    """Contract 55,000 after 5,000 of changes, 53,000 done, 5,300 retained, 47,700 certified before."""
    contract = item(P="50000", rP="5000") | {billing.SCHEDULED: "50000"}
    change = item(P="1000", W="0", S="2000", rP="200", rS="100") | {
        billing.SCHEDULED: "5000", "item_type": billing.CHANGE_ITEM, "line_item_id": 2}  # fmt: skip
    form = billing.summary([contract, change], [contract, change], None, "")
    assert {name: form[name] for name in ("contract_sum_to_date", "total_retainage", "total_earned_less_retainage")} == {
        "contract_sum_to_date": "55000.00", "total_retainage": "5300.00", "total_earned_less_retainage": "47700.00"}  # fmt: skip
    assert (form["balance_to_finish_including_retainage"], form["current_payment_due"]) == ("7300.00", "0.00")
    assert billing.percent_complete(form) == "96.36"


@pytest.mark.parametrize(("moving", "carried", "work"), [
    (False, {"P": "183600.00", "MV": "0.00", "rP": "18360.00", "rMV": "0.00", "S": "122400.00", "rS": "12240.00"}, "367200"),
    (True, {"P": "306000.00", "MV": "122400.00", "rP": "30600.00", "rMV": "12240.00", "S": "0.00", "rS": "0.00"}, "244800"),
])  # fmt: skip
def test_second_check_vector(moving: bool, carried: dict[str, str], work: str) -> None:
    """Stored materials by hand and moved by Procore: gross 275,400, retainage 30,600 to 58,140, 12,240 of it moved."""
    contract = {"retainage_percent": "10.00", "accounting_method": "amount"}
    line = {"id": 1, "amount": "612000"}
    first = billing.entered(item(), {billing.WORK: "183600", billing.STORED: "122400"}, contract, line, None)
    assert (billing.gross(first), billing.retained(first)) == (Decimal(306000), Decimal(30600))
    second = billing.opened(line, billing.CONTRACT_ITEM, first, moving=moving)
    names = {"P": billing.PREVIOUS, "MV": billing.MOVED, "rP": billing.R_PREVIOUS, "rMV": billing.R_MOVED, "S": billing.STORED,
             "rS": billing.R_STORED}  # fmt: skip
    assert {key: second[name] for key, name in names.items()} == carried
    assert billing.completed(second) == billing.completed(first) and billing.gross(second) == 0
    second = billing.entered(second, {billing.WORK: work, billing.STORED: "30600"}, contract, line, first)
    assert billing.completed(second) == Decimal(581400)
    assert billing.gross(second) == Decimal(275400) == billing.completed(second) - billing.completed(first)
    assert billing.retained(second) == Decimal(58140) and billing.completed_before(second) == billing.completed(first)


# -- requisitions ------------------------------------------------------------------------------------------------------


def create(api: Caller, contract_id: int = APPROVED, expect: int = 201, view: str = "items", **attributes: Any) -> Any:
    body = {"project_id": P1, "commitment_id": contract_id, "requisition": attributes}
    return api.send("POST", f"{INVOICES}?view={view}", body, expect)


def update(api: Caller, id: int, expect: int = 200, **attributes: Any) -> Any:
    """Its commitment is looked up, since every such call has to name it."""
    commitment = api.get(f"{INVOICES}/{id}?project_id={P1}")["commitment_id"]
    body = {"project_id": P1, "commitment_id": commitment, "requisition": attributes}
    return api.send("PATCH", f"{INVOICES}/{id}?view=items", body, expect)


def work(line: int, amount: str, **more: str) -> dict[str, Any]:
    return {"item_type": "contract_item", "line_item_id": line, "work_completed_this_period": amount, **more}


def figures(shown: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(found[name] for name in names) for found in shown["items"]]


def package_call(api: Caller, method: str, name: str, requisition: int, package: int = PACKAGE, contract: int = APPROVED) -> Any:
    query = f"project_id={P1}&commitment_id={contract}&change_order_package_id={package}"
    return api(method, f"/requisitions/{requisition}/{name}?{query}")


def test_a_new_requisition_has_an_item_per_line(api: Caller) -> None:
    made = create(api, invoice_number="4417-01", billing_date="2026-07-25", requisition_start="2026-07-01",
                  requisition_end="2026-07-31")  # fmt: skip
    assert (made["number"], made["status"], made["previous_requisition_id"], made["deletable"]) == (1, "draft", None, True)
    assert figures(made, "item_type", "line_item_id", "scheduled_value", "work_completed_this_period") == [
        ("contract_item", LINE_1, "1000.10", "0.00"), ("contract_item", LINE_2, "-50.05", "0.00")]  # fmt: skip
    assert (made["commitment_type"], made["contract_name"], made["vendor_id"]) == ("WorkOrderContract", "Steel", STEEL)
    assert made["summary"]["formatted_period"] == "01/07/26 - 31/07/26" and made["percent_complete"] == "0.00%"
    assert made["items"][0]["wbs_code"] is None and made["items"][0]["taxes"] == []
    assert create(api, ORDER)["commitment_type"] == "PurchaseOrderContract"


def test_previous_figures_are_carried(api: Caller) -> None:
    first = create(api, items=[work(LINE_1, "500.00", materials_presently_stored="100.00")])
    assert figures(first, "gross_amount", "net_amount")[0] == ("600.00", "540.00"), "10 percent of the contract is retained"
    second = create(api, items=[work(LINE_1, "50", work_completed_retainage_retained_this_period="0",
                                     work_completed_retainage_released_this_period="20")])  # fmt: skip
    assert (second["number"], second["previous_requisition_id"]) == (2, first["id"])
    names = ("work_completed_from_previous_application", "materials_presently_stored_from_previous_progress",
             "materials_presently_stored", "work_completed_retainage_from_previous_application",
             "materials_stored_retainage_currently_retained", "total_completed_and_stored_to_date_from_previous", "gross_amount",
             "net_amount", "previous_progress_id")  # fmt: skip
    assert figures(second, *names)[0] == (
        "500.00", "100.00", "100.00", "50.00", "10.00", "600.00", "50.00", "70.00", first["items"][0]["id"])  # fmt: skip
    form = second["summary"]
    assert (form["less_previous_certificates_for_payment"], form["current_payment_due"], form["total_retainage"]) == (
        "540.00", "70.00", "40.00")  # fmt: skip
    assert (first["summary"]["new_materials"], form["new_materials"], form["stored_materials"]) == ("100.00", "0.00", "100.00")
    assert Decimal(api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")["total_requisitions_amount"]) == 610


@pytest.mark.parametrize(("moving", "P", "MV"), [(False, "183600.00", "0.00"), (True, "306000.00", "122400.00")])
def test_moving_of_materials_is_a_setting_of_the_requisition(api: Caller, world: World, moving: bool, P: str, MV: str) -> None:
    line = {"project_id": P1, "parent_id": DRAFT, "contract_kind": "work_order_contracts", "cost_code_id": STEELWORK}
    world.store.load("contract_lines", [row(STEEL_LINE, position=1, amount="612000.00", line_item_type_id=SUBCONTRACT, **line)])
    world.store.put("work_order_contracts", {**(world.store.get("work_order_contracts", DRAFT) or {}), "retainage_percent": "10"})
    first = create(api, DRAFT, items=[work(STEEL_LINE, "183600", materials_presently_stored="122400")])
    world.store.put("requisitions", {**(world.store.get("requisitions", first["id"]) or {}), "move_materials": moving})
    done = "367200" if not moving else "244800"
    second = create(api, DRAFT, items=[work(STEEL_LINE, done, materials_presently_stored="30600")])
    assert second["move_materials_to_previous_work_completed"] is moving
    names = ("work_completed_from_previous_application", "materials_moved", "gross_amount", "total_completed_and_stored_to_date")
    assert figures(second, *names) == [(P, MV, "275400.00", "581400.00")]
    assert (second["summary"]["total_retainage"], second["summary"]["current_payment_due"]) == ("58140.00", "247860.00")
    assert second["items"][0]["materials_retainage_retained_moved"] == ("12240.00" if moving else "0.00")


def test_change_orders_get_on_as_approved_packages(api: Caller) -> None:
    first = create(api)
    draft = api.send("POST", "/change_order_packages", {"project_id": P1, "contract_id": APPROVED, "change_order": {}}, 201)["id"]
    refused = package_call(api, "POST", "add_change_order_package", first["id"], draft)
    assert refused.status_code == 422 and "only approved" in refused.json()["message"]
    added = package_call(api, "POST", "add_change_order_package", first["id"])
    assert added.status_code == 201
    assert [(row["line_item_id"], row["change_order_package_id"], row["scheduled_value"]) for row in added.json()] == [
        (CHANGE_LINE, PACKAGE, "250.00")]  # fmt: skip
    assert package_call(api, "POST", "add_change_order_package", first["id"]).status_code == 422, "once is enough"
    shown = api.get(f"{INVOICES}/{first['id']}?project_id={P1}&view=items")
    form = shown["summary"]
    assert (form["original_contract_sum"], form["net_change_by_change_orders"], form["contract_sum_to_date"]) == (
        "950.05", "250.00", "1200.05")  # fmt: skip
    assert [package["change_order_id"] for package in shown["item_packages"]] == [None, PACKAGE]
    assert package_call(api, "DELETE", "remove_change_order_package", first["id"]).status_code == 200
    assert len(api.get(f"{INVOICES}/{first['id']}?project_id={P1}&view=items")["items"]) == 2
    assert package_call(api, "DELETE", "remove_change_order_package", first["id"]).status_code == 404


def test_a_billed_change_order_stays_on_later_requisitions(api: Caller) -> None:
    first = create(api)
    added = package_call(api, "POST", "add_change_order_package", first["id"]).json()[0]
    update(api, first["id"], items=[{"id": added["id"], "item_type": "change_order_item", "work_completed_this_period": "25"}])
    second = create(api)
    carried = second["items"][2]
    assert (carried["item_type"], carried["work_completed_from_previous_application"]) == ("change_order_item", "25.00")
    assert second["summary"]["positive_previous_change_order_item_total"] == "250.00"
    assert package_call(api, "DELETE", "remove_change_order_package", second["id"]).status_code == 422
    assert package_call(api, "POST", "add_change_order_package", second["id"], contract=DRAFT).status_code == 404


def test_items_of_the_older_calls(api: Caller) -> None:
    made = create(api, items=[work(LINE_1, "100", comment="as agreed")])
    package_call(api, "POST", "add_change_order_package", made["id"])
    path = f"/requisitions/{made['id']}"
    contract = api.get(f"{path}/contract_items?project_id={P1}")
    assert [(found["line_item_id"], found["comment"]) for found in contract] == [(LINE_1, "as agreed"), (LINE_2, None)]
    change = api.get(f"{path}/change_order_items?project_id={P1}&filters[change_order_id]={PACKAGE}")
    assert [(found["change_order_package_id"], found["commitment_line_item_id"]) for found in change] == [(PACKAGE, None)]
    assert api.get(f"{path}/change_order_items?project_id={P1}&filters[change_order_id]=1") == []
    assert api.get(f"{path}/contract_detail_items?project_id={P1}") == []
    sheet = api.get(f"{path}/detail?project_id={P1}")
    assert [(found["item_number"], found["item_type"], found["balance_to_finish"]) for found in sheet] == [
        (1, "contract_item", "900.10"), (2, "contract_item", "-50.05"), (3, "change_order_item", "250.00")]  # fmt: skip
    assert api("GET", f"{path}/contract_items?project_id={P1}&per_page=1").headers["Total"] == "2"


def test_items_are_updated_in_bulk_or_not_at_all(api: Caller) -> None:
    made = create(api)
    path, ids = f"/requisitions/{made['id']}/bulk_item_update?project_id={P1}", [found["id"] for found in made["items"]]
    rows = [{"id": ids[0], "item_type": "contract_item", "work_completed_this_period": "10", "status": "approved"},
            {"id": 5, "item_type": "contract_item", "work_completed_this_period": "1"}]  # fmt: skip
    assert "5 is no item" in api.send("PATCH", path, {"requisition_items": rows}, 422)["message"]
    assert api.get(f"{INVOICES}/{made['id']}?project_id={P1}")["summary"]["current_payment_due"] == "0.00"
    rows[1] = {"id": ids[1], "item_type": "contract_item", "materials_presently_stored": "4",
               "materials_stored_retainage_currently_retained": "0.25"}  # fmt: skip
    api.send("PATCH", path, {"requisition_items": rows})
    assert api.get(f"{INVOICES}/{made['id']}?project_id={P1}")["summary"]["current_payment_due"] == "12.75"
    api.send("PATCH", path, {"requisition_items": "all"}, 400)
    refused = api.send("PATCH", path, {"requisition_items": [{"id": ids[0], "work_completed_this_period_quantity": "2"}]}, 422)
    assert "accounting method" in refused["message"]


def test_quantities_on_a_unit_price_contract(api: Caller, world: World) -> None:
    world.store.put(
        "work_order_contracts", {**(world.store.get("work_order_contracts", DRAFT) or {}), "accounting_method": "unit"}
    )
    line = {
        "project_id": P1,
        "parent_id": DRAFT,
        "contract_kind": "work_order_contracts",
        "quantity": "42",
        "unit_cost": "1185.005",
    }
    world.store.load("contract_lines", [row(STEEL_LINE, position=1, amount="49770.21", uom="ea", **line)])
    sent = {"item_type": "contract_item", "line_item_id": STEEL_LINE, "work_completed_this_period_quantity": "2"}
    shown = create(api, DRAFT, items=[sent])["items"][0]
    assert (shown["work_completed_this_period"], shown["accounting_method"], shown["uom"]) == ("2370.01", "unit", "ea")
    assert Decimal(shown["work_completed_this_period_quantity"]) == 2 and Decimal(shown["scheduled_quantity"]) == 42
    later = create(api, DRAFT)["items"][0]
    assert Decimal(later["work_completed_from_previous_application_quantity"]) == 2


def test_tax_of_items(api: Caller, world: World) -> None:
    made = create(api, items=[work(LINE_1, "100")])
    stored = world.store.get("requisitions", made["id"]) or {}
    stored["items"][0]["taxes"] = [{"tax_code_id": 3, "amount": "7.25"}]
    world.store.put("requisitions", stored)
    shown = api.get(f"{INVOICES}/{made['id']}?project_id={P1}&view=items")
    assert shown["summary"]["tax_applicable_to_this_payment"] == "7.25" and shown["items"][0]["taxes"][0]["amount"] == "7.25"
    assert shown["summary"]["current_payment_due"] == "90.00", "before tax"


def test_stored_figures_win_over_derived_ones(api: Caller, world: World) -> None:
    made = create(api, items=[work(LINE_1, "100")])
    stored = world.store.get("requisitions", made["id"]) or {}
    world.store.put("requisitions", {**stored, "stored_summary": {"total_retainage": "20.00"}})
    form = api.get(f"{INVOICES}/{made['id']}?project_id={P1}")["summary"]
    assert (form["total_retainage"], form["total_earned_less_retainage"]) == ("20.00", "90.00")


def test_list_of_requisitions(api: Caller) -> None:
    first, second, order = create(api, invoice_number="A-1"), create(api), create(api, ORDER)
    update(api, first["id"], status="approved", origin_id="inv-1")
    cases = {
        "": [first["id"], second["id"], order["id"]],
        f"filters[commitment_id]={APPROVED}": [first["id"], second["id"]],
        "filters[is_last]=true": [second["id"], order["id"]],
        "filters[is_last]=false": [first["id"]],
        "filters[status]=approved": [first["id"]],
        "filters[origin_id]=inv-1": [first["id"]],
        f"filters[id][]={second['id']}&filters[id][]={order['id']}": [second["id"], order["id"]],
        "filters[updated_at]=2027-01-01...2027-12-31": [],
    }
    assert {query: [found["id"] for found in api.get(f"{INVOICES}?project_id={P1}&{query}")] for query in cases} == cases
    assert api("GET", f"{INVOICES}?project_id={P1}").headers["Per-Page"] == "30"
    assert api.get(f"{INVOICES}?project_id={P2}") == []


@pytest.mark.parametrize(
    ("view", "has_items"), [("default", False), ("action_policy", False), ("items", True), ("extended", True)]
)
def test_views_with_and_without_items(api: Caller, view: str, has_items: bool) -> None:
    create(api)
    shown = api.get(f"{INVOICES}?project_id={P1}&view={view}")[0]
    assert ("items" in shown, "item_packages" in shown, "summary" in shown) == (has_items, has_items, True)
    assert api("GET", f"{INVOICES}?project_id={P1}&view=all").status_code == 400


def test_an_external_id_locks_the_whole_requisition(api: Caller) -> None:
    made = create(api, items=[work(LINE_1, "100")])
    assert update(api, made["id"], origin_id="inv-1", origin_data="{}")["erp_status"] == "synced"
    path = f"{INVOICES}/{made['id']}"
    for attributes in (
        {"status": "approved"},
        {"invoice_number": "9"},
        {"items": [work(LINE_1, "5")]},
        {"origin_id": None, "final": True},
    ):
        refused = update(api, made["id"], 422, **attributes)
        assert "origin_id" in refused["message"] and set(refused) == {"code", "message", "fields", "reason", "error"}
    assert package_call(api, "POST", "add_change_order_package", made["id"]).status_code == 422
    bulk = {"requisition_items": [{"id": made["items"][0]["id"], "work_completed_this_period": "1"}]}
    api.send("PATCH", f"/requisitions/{made['id']}/bulk_item_update?project_id={P1}", bulk, 422)
    assert api("DELETE", f"{path}?project_id={P1}").status_code == 422
    person = api.as_user("PATCH", path, {"project_id": P1, "requisition": {"final": True}})
    assert person.status_code == 422 and "synced with ERP" in person.json()["message"]
    assert update(api, made["id"], origin_data="new")["origin_data"] == "new"
    update(api, made["id"], origin_id=None)
    assert update(api, made["id"], status="approved")["status"] == "approved", "cleared first, then changed"


def test_only_the_last_requisition_is_deleted_or_gets_other_items(api: Caller) -> None:
    first, second = create(api), create(api)
    path = f"{INVOICES}/{first['id']}?project_id={P1}"
    assert (api.get(path)["deletable"], api("DELETE", path).status_code) == (False, 422)
    assert "last invoice" in update(api, first["id"], 422, items=[work(LINE_1, "5")])["message"]
    assert update(api, first["id"], status="approved", origin_id="inv-1")["status"] == "approved", "its header can be changed"
    assert api("DELETE", f"{INVOICES}/{second['id']}?project_id={P1}").status_code == 200
    assert create(api)["number"] == 2


def test_refusals_of_requisitions(api: Caller, world: World) -> None:
    assert create(api, 1, 404) == {"message": "Contract was not found", "exception": "RecordNotFound"}
    assert set(api.get(f"{INVOICES}/1?project_id={P1}", 404)) == {"message", "exception"}
    assert set(api.get(f"/requisitions/1/detail?project_id={P1}", 404)) == {"message", "exception"}
    assert api.send("POST", INVOICES, {"project_id": P1, "requisition": {}}, 400)["fields"] == "commitment_id"
    assert create(api, expect=400, status="paid")["fields"] == "status"
    assert create(api, expect=400, items={"id": 1})["fields"] == "items"
    assert create(api, expect=422, period_id=PERIOD)["fields"] == "period_id"
    world.store.load("billing_periods", [row(PERIOD, project_id=P1, **PERIOD_ROW)])
    assert create(api, period_id=PERIOD)["period_id"] == PERIOD
    assert [found["number"] for found in api.get(f"{INVOICES}?project_id={P1}")] == [1], "refused ones left nothing behind"


def test_a_date_that_cannot_be_read_becomes_null(api: Caller) -> None:
    assert create(api, billing_date="25.07.2026")["billing_date"] is None


# -- payments ----------------------------------------------------------------------------------------------------------

PAYMENTS = "/contract_payments"


def pay(api: Caller, contract_id: int = APPROVED, expect: int = 201, **attributes: Any) -> Any:
    body = {"project_id": P1, "contract_id": contract_id, "contract_payment": attributes}
    return api.send("POST", PAYMENTS, body, expect)


def change(api: Caller, id: int, expect: int = 200, **attributes: Any) -> Any:
    body = {"project_id": P1, "contract_id": APPROVED, "contract_payment": attributes}
    return api.send("PATCH", f"{PAYMENTS}/{id}", body, expect)


def test_payments_of_one_contract(api: Caller) -> None:
    invoice = create(api)["id"]
    made = pay(api, amount="90.00", date="2026-08-28", check_number="004512", payment_method="check", invoice_date="2026-07-25",
               requisition_id=invoice, payment_number=1)  # fmt: skip
    assert (made["requisition_id"], made["date"], made["contract_id"]) == (invoice, "2026-08-28", APPROVED)
    assert not {"payment_method", "invoice_date"} & set(made)
    pay(api, amount="90.00", check_number="004512")
    pay(api, ORDER, amount="1")
    path = f"{PAYMENTS}?project_id={P1}&contract_id={APPROVED}"
    assert len(api.get(path)) == 2, "nothing keeps the same payment from being entered twice"
    assert api.get(f"{path}&filters[origin_id]=x", 400)["fields"] == "filters[origin_id]", "the list has no filters"
    assert api.get(f"{PAYMENTS}?project_id={P1}", 400)["fields"] == "contract_id"
    api.get(f"{PAYMENTS}?contract_id={APPROVED}", 400)
    api.get(f"{PAYMENTS}/{made['id']}?project_id={P1}&contract_id={ORDER}", 404)
    contract = api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")
    paid, left = Decimal(contract["total_payments"]), Decimal(contract["remaining_balance_outstanding"])
    assert (paid, left) == (Decimal(180), Decimal("1020.05"))
    assert Decimal(contract["percentage_paid"]) == Decimal("15.00")


def test_the_invoice_of_a_payment_is_one_of_its_contract(api: Caller) -> None:
    other = create(api, ORDER)["id"]
    assert pay(api, expect=422, amount="1", requisition_id=other)["fields"] == "requisition_id"
    assert pay(api, expect=422, amount="1", requisition_id=1)["fields"] == "requisition_id"
    assert pay(api, expect=400, date="2026-08-28")["fields"] == "amount"
    assert pay(api, expect=400, amount="1", payment_method="cash")["fields"] == "payment_method"
    id = pay(api, amount="1")["id"]
    assert change(api, id, 422, requisition_id=other)["fields"] == "requisition_id"


def test_an_external_id_locks_a_payment(api: Caller) -> None:
    id = pay(api, amount="5.00", origin_id="pay-1")["id"]
    assert "origin_id" in change(api, id, 422, amount="6.00")["message"]
    assert "origin_id" in change(api, id, 422, notes="x", origin_data="y")["message"]
    assert change(api, id, origin_data="y", prostore_file_ids=[1, 2], amount="5.0")["origin_data"] == "y"
    path = f"{PAYMENTS}/{id}?project_id={P1}&contract_id={APPROVED}"
    assert api("DELETE", path).status_code == 422
    assert pay(api, expect=422, amount="1", origin_id="pay-1")["fields"] == "origin_id"
    change(api, id, origin_id=None)
    assert api("DELETE", path).json() == {"id": id}
    api.get(path, 404)
