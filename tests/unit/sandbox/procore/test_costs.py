"""Direct costs: headers, lines, the lock by external id, one write at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sandbox.procore.settings import Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    CAST,
    COMPANY,
    CONCRETE,
    LABOR,
    OTHER_PROJECT_CODE,
    P1,
    P2,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    row,
)  # fmt: skip

COSTS = f"/rest/v1.1/projects/{P1}/direct_costs"
SYNC = f"/projects/{P1}/direct_costs/sync"
LINES = f"/projects/{P1}/direct_costs/line_items"
WBS, WBS_LABOR = 4_365_000_001, 4_365_000_002
OURS = "sandbox:01:direct_costs:JC-000123"
INVOICE = {"direct_cost_type": "invoice", "vendor_id": STEEL, "invoice_number": "A-1"}


@pytest.fixture(autouse=True)
def codes(api: Caller, world: World) -> None:
    """Two WBS codes of the first project."""
    code = {"project_id": P1, "status": "active", "cost_code_id": CAST, "sub_job_id": None}
    rows = [row(WBS, line_item_type_id=SUBCONTRACT, **code), row(WBS_LABOR, line_item_type_id=LABOR, **code)]
    world.store.load("wbs_codes", rows)


@pytest.fixture
def busy(world: World) -> Iterator[None]:
    """A write holds its direct cost for a minute."""
    world.procore.configure(replace(Settings(), direct_cost_busy_seconds=60))
    yield
    world.procore.configure(Settings())


def header(api: Caller, **attributes: Any) -> int:
    """A new direct cost by sync; its id."""
    entities, errors = api.sync(SYNC, [{**INVOICE, **attributes}])
    assert errors == []
    return int(entities[0]["id"])


def lines(api: Caller, *entries: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return api.sync(f"{LINES}/sync", list(entries))


def line(cost: int, amount: Any = "10.00", **attributes: Any) -> dict[str, Any]:
    return {"direct_cost_id": cost, "wbs_code_id": WBS, "amount": amount, **attributes}


# -- headers -----------------------------------------------------------------------------------------------------------


def test_header_lines_then_external_id(api: Caller) -> None:
    cost = header(api, origin_data='{"erp_key": "JC-000123"}', status="approved")
    entities, errors = lines(api, line(cost, 18930.75, origin_id=f"{OURS}#1"), line(cost, "-0.005", origin_id=f"{OURS}#2"))
    assert errors == [] and {entity["origin_id"]: entity["position"] for entity in entities} == {f"{OURS}#1": 1, f"{OURS}#2": 2}
    (synced,), _ = api.sync(SYNC, [{"id": cost, "origin_id": OURS}])
    assert synced["origin_id"] == OURS and synced["vendor"] == {"id": STEEL, "name": "Iron & Söhne"}
    assert synced["line_items_count"] == 2 and Decimal(synced["grand_total"]) == Decimal("18930.745"), "to the last digit"
    shown = api.get(f"{COSTS}/{cost}")
    assert [Decimal(line["amount"]) for line in shown["line_items"]] == [Decimal("18930.75"), Decimal("-0.005")]
    assert shown["line_items"][0]["wbs_code"]["id"] == WBS and shown["line_items"][0]["cost_code"]["full_code"] == "03-3000"


def test_list_names_the_vendor_and_sums_a_page(api: Caller) -> None:
    first, second = header(api), header(api, direct_cost_type="payroll", vendor_id=None, invoice_number=None)
    lines(api, line(first, "1.10"), line(first, "2.20"), line(second, "-4"))
    listed = {found["id"]: found for found in api.get(COSTS)}
    assert (listed[first]["vendor"], listed[first]["vendor_name"], listed[first]["vendor_id"]) == ("Iron & Söhne",) * 2 + (STEEL,)
    assert listed[second]["vendor"] is None
    assert [Decimal(listed[id]["grand_total"]) for id in (first, second)] == [Decimal("3.3"), Decimal(-4)]
    assert api.get(f"/projects/{P1}/direct_costs") == api.get(COSTS), "v1.0 lists the same"
    assert api.get(f"/rest/v1.1/projects/{P2}/direct_costs") == []


@pytest.mark.parametrize(("attributes", "field"), [
    ({"vendor_id": None}, "vendor_id"), ({"invoice_number": ""}, "invoice_number"),
    ({"direct_cost_type": None}, "direct_cost_type"), ({"direct_cost_type": "refund"}, "direct_cost_type"),
    ({"vendor_id": 99}, "vendor_id"),
    ({"status": "Approved"}, "status"),
])  # fmt: skip
def test_entries_that_cannot_be_created(api: Caller, attributes: dict[str, Any], field: str) -> None:
    entities, errors = api.sync(SYNC, [{**INVOICE, **attributes}])
    assert entities == [] and list(errors[0]["errors"]) == [field]
    assert api.get(COSTS) == []


def test_single_create_wants_a_vendor_whatever_the_type(api: Caller) -> None:
    payroll = {"direct_cost": {"direct_cost_type": "payroll"}}
    assert api.send("POST", COSTS, payroll, 400)["fields"] == "vendor_id"
    _, errors = api.sync(SYNC, [payroll["direct_cost"]])
    assert errors == [], "sync wants it for invoices only"


def test_the_type_of_a_subcontractors_invoice_is_taken_by_a_single_create_alone(api: Caller) -> None:
    """It is in the published list of one call, and not in that of the other."""
    cost = {**INVOICE, "direct_cost_type": "subcontractor_invoice"}
    assert api.send("POST", COSTS, {"direct_cost": cost}, 201)["direct_cost_type"] == "subcontractor_invoice"
    _, errors = api.sync(SYNC, [{**cost, "invoice_number": "A-2"}])
    assert list(errors[0]["errors"]) == ["direct_cost_type"]


def test_type_is_set_once_and_number_by_sync_only(api: Caller) -> None:
    cost = header(api)
    _, errors = api.sync(SYNC, [{"id": cost, "direct_cost_type": "expense"}])
    assert list(errors[0]["errors"]) == ["direct_cost_type"]
    (same,), _ = api.sync(SYNC, [{"id": cost, "direct_cost_type": "invoice", "invoice_number": "A-2"}])
    assert same["invoice_number"] == "A-2"
    unknown = {"direct_cost": {"direct_cost_type": "expense", "invoice_number": "A-3", "terms": "Net 30"}}
    assert api.send("PATCH", f"{COSTS}/{cost}", unknown, 400)["fields"] == "direct_cost_type, invoice_number"
    shown = api.send("PATCH", f"{COSTS}/{cost}", {"direct_cost": {"terms": "Net 30"}})
    assert (shown["direct_cost_type"], shown["invoice_number"], shown["terms"]) == ("invoice", "A-2", "Net 30")


@pytest.mark.parametrize(("query", "found"), [
    ("filters[payment_date]=2026-08-01...2026-08-03", [0, 1]), ("filters[payment_date]=2026-08-01", [0]),
    ("filters[payment_date]=2026-08-02...", [1]), ('filters[payment_date]="...2026-08-01"', [0]),
    ("filters[received_date]=2026-08-01...2026-08-31", []), ("filters[invoice_number]=B", [1]),
    ("filters[origin_id]=x", [2]), ("filters[updated_at]=2026-01-01...2026-01-02", []),
])  # fmt: skip
def test_filters(api: Caller, query: str, found: list[int]) -> None:
    ids = [
        header(api, invoice_number="A", payment_date="2026-08-01"),
        header(api, invoice_number="B", payment_date="2026-08-03"),
        header(api, invoice_number="C", origin_id="x"),
    ]
    assert [ids.index(cost["id"]) for cost in api.get(f"{COSTS}?{query}")] == found


def test_wrong_day_filter(api: Caller) -> None:
    api.get(f"{COSTS}?filters[payment_date]=soon...later", 400)


# -- with lines --------------------------------------------------------------------------------------------------------


def test_create_with_lines_is_all_or_nothing(api: Caller) -> None:
    good = {"wbs_code_id": WBS, "manual_amount": 12.5, "ref": "a", "origin_id": f"{OURS}#1"}
    bad = {"wbs_code_id": 1, "manual_amount": 1}
    error = api.send("POST", COSTS, {"direct_cost": {**INVOICE, "line_items": [good, bad]}}, 422)
    assert error["fields"] == "line_items[1].wbs_code_id" and api.get(COSTS) == [] and api.get(LINES) == []
    unit = {"wbs_code_id": WBS, "quantity": 333.5, "unit_cost": 1.785, "uom": "lf", "ref": "b"}
    cost = api.send("POST", COSTS, {"direct_cost": {**INVOICE, "line_items": [good, unit]}}, 201)
    assert [(line["ref"], Decimal(line["amount"]), line["extended_type"]) for line in cost["line_items"]] == [
        ("a", Decimal("12.5"), "manual"), ("b", Decimal("595.30"), "calculated"),
    ]  # fmt: skip
    assert cost["line_items_count"] == 2 and Decimal(cost["grand_total"]) == Decimal("607.80")


def test_at_most_a_hundred_lines_in_one_write(api: Caller) -> None:
    line = {"wbs_code_id": WBS, "manual_amount": "0.01"}
    assert api.send("POST", COSTS, {"direct_cost": {**INVOICE, "line_items": [line] * 101}}, 400)["fields"] == "line_items"
    cost = api.send("POST", COSTS, {"direct_cost": {**INVOICE, "line_items": [line] * 100}}, 201)
    assert Decimal(cost["grand_total"]) == 1 and [line["position"] for line in cost["line_items"]] == list(range(1, 101))


def test_update_changes_adds_and_leaves_lines(api: Caller) -> None:
    entries = [{"wbs_code_id": WBS, "manual_amount": amount} for amount in (1, 2)]
    cost = api.send("POST", COSTS, {"direct_cost": {**INVOICE, "line_items": entries}}, 201)
    first, second = cost["line_items"]
    changes = [{"id": first["id"], "manual_amount": "7.00"}, {"wbs_code_id": WBS_LABOR, "manual_amount": "5"}]
    after = api.send("PATCH", f"{COSTS}/{cost['id']}", {"direct_cost": {"line_items": changes}})
    assert [Decimal(line["amount"]) for line in after["line_items"]] == [7, 2, 5]
    assert after["line_items"][1]["updated_at"] == second["updated_at"]
    other = header(api)
    wrong = {"direct_cost": {"line_items": [{"id": first["id"], "manual_amount": "1"}]}}
    assert api.send("PATCH", f"{COSTS}/{other}", wrong, 400)["fields"] == "line_items[0].id"


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attributes", "field"), [
    ({"direct_cost_id": None}, "direct_cost_id"), ({"direct_cost_id": 5}, "direct_cost_id"), ({"wbs_code_id": 5}, "wbs_code_id"),
    ({"wbs_code_id": None}, "cost_code_id"), ({"tax_code_id": 5}, "tax_code_id"), ({"uom": "parsec"}, "uom"),
    ({"wbs_code_id": None, "cost_code_id": OTHER_PROJECT_CODE, "line_item_type_id": LABOR}, "cost_code_id"),
    ({"amount": "ten"}, "amount"),
])  # fmt: skip
def test_lines_that_cannot_be_created(api: Caller, attributes: dict[str, Any], field: str) -> None:
    entities, errors = lines(api, {**line(header(api)), **attributes})
    assert entities == [] and field in errors[0]["errors"] and api.get(LINES) == []


def test_cost_code_and_type_make_the_wbs_code(api: Caller) -> None:
    cost = header(api)
    entry = {"direct_cost_id": cost, "cost_code_id": STEELWORK, "line_item_type_id": LABOR, "amount": 5}
    (first,), _ = lines(api, entry)
    (second,), _ = lines(api, {**entry, "amount": 6})
    assert first["wbs_code"]["flat_code"] == "05-1200.L" and first["wbs_code"] == second["wbs_code"]
    assert {line["holder"]["id"] for line in api.get(LINES)} == {cost}


def test_calculated_line(api: Caller) -> None:
    entry = line(header(api), None, extended_type="calculated", quantity=42, unit_cost="1185.00", uom="ea")
    (made,), errors = lines(api, entry)
    assert errors == [] and Decimal(made["amount"]) == 49770 and made["extended_type"] == "calculated"
    (changed,), _ = lines(api, {"id": made["id"], "quantity": 2})
    assert Decimal(changed["amount"]) == 2370


def test_line_stays_with_its_direct_cost(api: Caller) -> None:
    first, second = header(api), header(api)
    (made,), _ = lines(api, line(first))
    _, errors = lines(api, {"id": made["id"], "direct_cost_id": second})
    assert list(errors[0]["errors"]) == ["direct_cost_id"]
    api.get(f"/projects/{P1}/direct_costs/{second}/line_items/{made['id']}", 404)
    assert api.get(f"/projects/{P1}/direct_costs/{first}/line_items/{made['id']}")["id"] == made["id"]


def test_lines_of_one_and_of_all(api: Caller, world: World) -> None:
    first, second = header(api), header(api)
    lines(api, line(first, "1"), line(second, "2"), line(second, "3", wbs_code_id=WBS_LABOR))
    assert [Decimal(found["amount"]) for found in api.get(LINES)] == [1, 2, 3]
    found = {
        "direct_cost_id": api.get(f"{LINES}?filters[direct_cost_id]={second}"),
        "line_item_type_id": api.get(f"{LINES}?filters[line_item_type_id]={LABOR}"),
        "several": api.get(f"{LINES}?filters[direct_cost_id][]={first}&filters[direct_cost_id][]={second}"),
        "path": api.get(f"/projects/{P1}/direct_costs/{second}/line_items"),
        "old": api.get(f"{LINES}?filters[updated_at]=2020-01-01...2020-01-02"),
    }
    assert {name: len(rows) for name, rows in found.items()} == {
        "direct_cost_id": 2, "line_item_type_id": 1, "several": 3, "path": 2, "old": 0,
    }  # fmt: skip
    first_line = found["path"][0]
    assert set(first_line["cost_code"]) == {"full_code", "id", "name", "origin_id"} and "origin_data" not in first_line
    assert api.get(f"/projects/{P2}/direct_costs/line_items") == []


def test_lines_of_a_direct_cost_are_not_looked_for_in_the_whole_project(world: World) -> None:
    plan = world.store.rows(
        "EXPLAIN QUERY PLAN SELECT rowid FROM objects WHERE kind = ? AND company_id = ? AND project_id = ?"
        " AND kind = 'direct_cost_lines' AND parent_id IN (?, ?, ?) AND deleted_at IS NULL ORDER BY id LIMIT 100",
        [*range(6)],
    )
    assert "objects_parent (kind=? AND parent_id=?)" in plan[0]["detail"]


def test_single_lines(api: Caller) -> None:
    cost = header(api)
    path = f"/projects/{P1}/direct_costs/{cost}/line_items"
    made = api.send("POST", path, {"line_item": {"wbs_code_id": WBS, "amount": "5.00"}}, 201)
    assert Decimal(api.send("PATCH", f"{path}/{made['id']}", {"line_item": {"amount": "6.00"}})["amount"]) == 6
    assert api("DELETE", f"{path}/{made['id']}").status_code == 200 and api.get(LINES) == []


def test_deleting_takes_the_lines_too(api: Caller, world: World) -> None:
    cost, other = header(api), header(api)
    lines(api, line(cost, origin_id=f"{OURS}#1"), line(other))
    assert api.send("DELETE", f"{COSTS}/{cost}", None) == {"id": cost}
    assert len(api.get(LINES)) == 1 and api.get(f"{COSTS}/{cost}", 404)
    entities, errors = lines(api, line(other, origin_id=f"{OURS}#1"))
    assert errors == [] and len(entities) == 1, "its external id is free again"


# -- the lock ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(api: Caller) -> tuple[int, int]:
    """A direct cost with an external id, and its line."""
    cost = header(api)
    (made,), _ = lines(api, line(cost))
    api.sync(SYNC, [{"id": cost, "origin_id": OURS}])
    return cost, int(made["id"])


@pytest.mark.parametrize("person", [False, True])
def test_external_id_locks_header_and_lines(api: Caller, locked: tuple[int, int], person: bool) -> None:
    cost, made = locked
    one = f"/rest/v1.0/projects/{P1}/direct_costs/{cost}/line_items"
    attempts = [
        ("PATCH", f"{COSTS}/{cost}", {"direct_cost": {"description": "changed"}}),
        ("PATCH", f"{COSTS}/{cost}", {"direct_cost": {"origin_id": None, "status": "approved"}}),
        ("PATCH", f"{COSTS}/{cost}", {"direct_cost": {"line_items": [{"wbs_code_id": WBS, "manual_amount": 1}]}}),
        ("DELETE", f"{COSTS}/{cost}", None),
        ("POST", one, {"line_item": {"wbs_code_id": WBS, "amount": "1"}}),
        ("PATCH", f"{one}/{made}", {"line_item": {"amount": "1"}}),
        ("DELETE", f"{one}/{made}", None),
    ]
    before = api.get(f"{COSTS}/{cost}")
    for method, path, body in attempts:
        reply = api.as_user(method, path, body) if person else api(method, path, json=body)
        assert reply.status_code == 422 and "ERP" in reply.json()["message"], (method, path, reply.text)
    assert api.get(f"{COSTS}/{cost}") == before


def test_locked_entries_of_a_sync_are_errors(api: Caller, locked: tuple[int, int]) -> None:
    cost, made = locked
    free = header(api)
    entities, errors = api.sync(SYNC, [{"origin_id": OURS, "terms": "Net 10"}, {"id": free, "terms": "Net 10"}])
    assert [entity["id"] for entity in entities] == [free] and errors[0]["origin_id"] == OURS
    entities, errors = lines(api, line(cost), {"id": made, "amount": 99}, line(free))
    assert len(entities) == 1 and len(errors) == 2


def test_external_ids_alone_may_be_written_under_the_lock(api: Caller, locked: tuple[int, int]) -> None:
    cost, made = locked
    _, errors = api.sync(SYNC, [{"id": cost, "origin_data": "{}", "direct_cost_type": "invoice", "invoice_number": "A-1"}])
    assert errors == [], "values that are there already are no change"
    _, errors = lines(api, {"id": made, "origin_id": f"{OURS}#1", "amount": "10.0"})
    assert errors == []
    api.sync(SYNC, [{"id": cost, "origin_id": None}])
    assert api.send("PATCH", f"{COSTS}/{cost}", {"direct_cost": {"terms": "Net 10"}})["terms"] == "Net 10"


# -- one write at a time -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("busy")
def test_a_held_direct_cost_refuses_every_other_write(api: Caller) -> None:
    cost = header(api)
    one = f"/projects/{P1}/direct_costs/{cost}/line_items"
    attempts = [
        ("PATCH", f"{COSTS}/{cost}", {"direct_cost": {"terms": "Net 10"}}),
        ("DELETE", f"{COSTS}/{cost}", None),
        ("PATCH", SYNC, {"updates": [{**INVOICE, "invoice_number": "Z"}, {"id": cost, "terms": "Net 10"}]}),
        ("PATCH", f"{LINES}/sync", {"updates": [line(cost)]}),
        ("POST", one, {"line_item": {"wbs_code_id": WBS, "amount": "1"}}),
    ]
    for method, path, body in attempts:
        reply = api(method, path, json=body)
        assert reply.status_code == 409 and set(reply.json()) == {"code", "message", "fields", "reason", "error"}, (method, path)
    assert len(api.get(COSTS)) == 1, "nothing of a refused sync call is applied"
    api.control("POST", "/clock", {"advance": 61})
    (made,), _ = lines(api, line(cost))
    assert api("PATCH", f"{LINES}/sync", json={"updates": [{"id": made["id"], "amount": 3}]}).status_code == 409
    assert api("PATCH", SYNC, json={"updates": [{"id": cost, "terms": "Net 10"}]}).status_code == 409
    api.control("POST", "/clock", {"advance": 61})
    assert api("DELETE", f"{one}/{made['id']}").status_code == 200


@pytest.mark.usefixtures("busy")
def test_of_two_writers_at_once_one_gets_409(api: Caller) -> None:
    cost = header(api)
    api.control("POST", "/clock", {"advance": 61})
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda amount: api("PATCH", f"{LINES}/sync", json={"updates": [line(cost, amount)]}), (1, 2)))
    assert sorted(reply.status_code for reply in replies) == [200, 409] and len(api.get(LINES)) == 1


def test_without_the_setting_writes_follow_one_another(api: Caller) -> None:
    cost = header(api)
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda amount: lines(api, line(cost, amount)), range(1, 9)))
    assert all(errors == [] for _, errors in replies)
    assert sorted(found["position"] for found in api.get(LINES)) == list(range(1, 9))


def test_busy_window_may_be_zero_and_is_checked(api: Caller) -> None:
    api.control("POST", "/reset", {"settings": {"direct_cost_busy_seconds": -1}}, 422)
    assert Settings().changed({"direct_cost_busy_seconds": 0}).direct_cost_busy_seconds == 0


@pytest.mark.parametrize("touches", [False, True])
def test_line_writes_move_the_header_if_set_so(api: Caller, world: World, touches: bool) -> None:
    cost = header(api)
    before = api.get(f"{COSTS}/{cost}")["updated_at"]
    world.procore.configure(replace(Settings(), line_touches_parent=touches))
    api.control("POST", "/clock", {"advance": 120})
    lines(api, line(cost))
    assert (api.get(f"{COSTS}/{cost}")["updated_at"] > before) is touches


def test_vendor_of_the_company_only(api: Caller) -> None:
    cost = header(api)
    (changed,), _ = api.sync(SYNC, [{"id": cost, "vendor_id": CONCRETE}])
    assert changed["vendor_name"] == "Concrete Works"
    assert api("PATCH", SYNC.replace(str(P1), "77"), json={"updates": []}).status_code == 404
    assert api.get(f"/companies/{COMPANY}/insurances") == []
