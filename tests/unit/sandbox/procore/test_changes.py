"""Change orders: packages, potential change orders, their lines, requests, and the newer resource over packages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from sandbox.procore.settings import Settings, SettingsError
from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CHANGE_LINE,
    COMPANY,
    CONCRETE,
    DRAFT,
    LINE_1,
    LINE_2,
    ORDER,
    P1,
    P2,
    PACKAGE,
    POTENTIAL,
    STEEL,
    STEELWORK,
    SUBCONTRACT,
    Caller,
    row,
)  # fmt: skip

PACKAGES, POTENTIALS = "/change_order_packages", "/potential_change_orders"
OFFSET = 7_000_000_000
V2 = f"/rest/v2.0/companies/{COMPANY}/projects/{P1}"
KEY = {"cost_code_id": STEELWORK, "line_item_type_id": SUBCONTRACT}


def new_package(api: Caller, contract_id: int = APPROVED, expect: int = 201, **attributes: Any) -> Any:
    body = {"project_id": P1, "contract_id": contract_id, "change_order": {"title": "More", **attributes}}
    return api.send("POST", PACKAGES, body, expect)


def package(api: Caller, id: int, expect: int = 200, **attributes: Any) -> Any:
    return api.send("PATCH", f"{PACKAGES}/{id}", {"project_id": P1, "change_order": attributes}, expect)


def potential_of(api: Caller, package_id: int, contract_id: int = APPROVED) -> int:
    """The one PCO of a contract that was made with a package."""
    found = api.get(f"{POTENTIALS}?project_id={P1}&filters[contract_id]={contract_id}")
    shown = [change["id"] for change in found if change["id"] > POTENTIAL]
    return int(shown[-1])


def new_line(api: Caller, potential: int, amount: str, status: int = 201, **attributes: Any) -> Any:
    body = {"project_id": P1, "line_item": {**KEY, "amount": amount, **attributes}}
    return api.send("POST", f"{POTENTIALS}/{potential}/line_items", body, status)


def sums(api: Caller, id: int = APPROVED) -> tuple[Decimal, ...]:
    """Approved, pending and draft changes, revised and pending revised contract sum."""
    contract = api.get(f"/work_order_contracts/{id}?project_id={P1}")
    names = ("approved_change_orders", "pending_change_orders", "draft_change_orders_amount", "revised_contract")
    return tuple(Decimal(contract[name]) for name in (*names, "pending_revised_contract"))


def money(*values: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, values))


# -- packages on one tier ----------------------------------------------------------------------------------------------


def test_a_package_of_a_commitment_brings_the_potential_change_that_holds_its_lines(api: Caller) -> None:
    made = new_package(api, origin_id="o-2", origin_code="CO 2", origin_data="{}")
    assert (made["number"], made["status"], made["type"], made["line_items"]) == (
        "002",
        "draft",
        "CommitmentContractChangeOrder",
        [],
    )
    potential = potential_of(api, made["id"])
    line = new_line(api, potential, "100.50", description="Plate")
    assert line["holder"] == {"id": potential, "holder_type": "PotentialChangeOrder"} and line["position"] == 1
    new_line(api, potential, "-0.50")
    shown = api.get(f"{PACKAGES}/{made['id']}?project_id={P1}")
    assert [Decimal(line["extended_amount"]) for line in shown["line_items"]] == [Decimal("100.50"), Decimal("-0.50")]
    assert Decimal(shown["grand_total"]) == 100 and "origin_id" not in shown["line_items"][0]
    assert (shown["origin_id"], shown["origin_code"], shown["origin_data"]) == ("o-2", "CO 2", "{}")


def test_list_rows_have_neither_type_nor_lines(api: Caller) -> None:
    new_package(api, DRAFT)
    rows = api.get(f"{PACKAGES}?project_id={P1}")
    assert [found["contract_id"] for found in rows] == [APPROVED, DRAFT]
    assert not {"type", "line_items", "description"} & set(rows[0]) and Decimal(rows[0]["grand_total"]) == 250
    assert [found["id"] for found in api.get(f"{PACKAGES}?project_id={P1}&contract_id={APPROVED}")] == [PACKAGE]
    api.get(f"{PACKAGES}?project_id={P1}&contract_id=1", 404)
    api.get(f"{PACKAGES}?project_id={P2}&contract_id={APPROVED}", 404)


def test_filters_of_packages(api: Caller, world: World) -> None:
    other = new_package(api, due_date="2026-10-05")["id"]
    assert ids(api, f"filters[id]={PACKAGE}") == [PACKAGE]
    assert ids(api, "filters[updated_at]=2026-09-01...2026-12-31") == [other]
    assert ids(api, "filters[created_at]=2026-08-01...2026-08-02") == [PACKAGE]
    assert ids(api, "filters[due_date]=2026-10-05...2026-10-05") == [other], "both ends of a range of days count"
    assert api.get(f"{PACKAGES}?project_id={P1}&filters[origin_id]=nobody", 400)["fields"] == "filters[origin_id]"
    world.store.put("change_order_packages", {**(world.store.get("change_order_packages", other) or {}), "deleted_at": "x"})
    assert (ids(api, ""), ids(api, "filters[include_deleted]=only")) == ([PACKAGE], [other])


def ids(api: Caller, query: str) -> list[int]:
    return [found["id"] for found in api.get(f"{PACKAGES}?project_id={P1}&{query}")]


@pytest.mark.parametrize(("method", "path"), [
    ("DELETE", f"{PACKAGES}/{PACKAGE}?project_id={P1}"),
    ("PATCH", f"{PACKAGES}/sync"),
    ("DELETE", f"{POTENTIALS}/{POTENTIAL}?project_id={P1}&contract_id={APPROVED}"),
])  # fmt: skip
def test_what_packages_do_not_have(api: Caller, method: str, path: str) -> None:
    assert api(method, path, json={"project_id": P1, "updates": []}).status_code == 404


def test_a_package_needs_a_contract_that_is_seen(api: Caller) -> None:
    new_package(api, 1, 404)
    reply = api.send("POST", PACKAGES, {"project_id": P1, "change_order": {"title": "x"}}, 400)
    assert reply["fields"] == "contract_id"
    refused = new_package(api, expect=400, status="Approved")
    assert refused["fields"] == "status", "statuses are in lower case"
    assert len(api.get(f"{PACKAGES}?project_id={P1}")) == 1


def test_sums_follow_the_status_of_packages(api: Caller) -> None:
    assert sums(api) == money("250", "0", "0", "1200.05", "1200.05")
    id = new_package(api)["id"]
    new_line(api, potential_of(api, id), "40.00")
    expected = {
        "draft": ("250", "0", "40", "1200.05", "1200.05"),
        "pending": ("250", "40", "0", "1200.05", "1240.05"),
        "revised": ("250", "40", "0", "1200.05", "1240.05"),
        "approved": ("290", "0", "0", "1240.05", "1240.05"),
        "void": ("250", "0", "0", "1200.05", "1200.05"),
    }
    for status, values in expected.items():
        package(api, id, status=status)
        assert sums(api) == money(*values), status
    listed = api.get(f"/work_order_contracts?project_id={P1}&filters[id]={APPROVED}")[0]
    assert Decimal(listed["approved_change_orders"]) == 250


def test_stored_totals_win(api: Caller, world: World) -> None:
    stored = world.store.get("change_order_packages", PACKAGE) or {}
    world.store.put("change_order_packages", {**stored, "stored_grand_total": "260.00"})
    assert Decimal(api.get(f"{PACKAGES}/{PACKAGE}?project_id={P1}")["grand_total"]) == 260
    assert sums(api)[0] == 260


def test_show_of_a_contract_lists_its_change_orders_and_payments(api: Caller) -> None:
    payment = {"amount": "12.50", "check_number": "7", "date": "2026-09-01"}
    api.send("POST", "/contract_payments", {"project_id": P1, "contract_id": APPROVED, "contract_payment": payment}, 201)
    shown = api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")
    assert [(found["id"], found["status"]) for found in shown["change_order_packages"]] == [(PACKAGE, "approved")]
    assert [found["id"] for found in shown["potential_change_orders"]] == [POTENTIAL]
    assert [(found["check_number"], Decimal(found["amount"])) for found in shown["payments_issued"]] == [("7", Decimal("12.50"))]
    assert shown["change_order_requests"] == []
    assert not set(api.get(f"/work_order_contracts?project_id={P1}&view=extended")[0]) & {"payments_issued", "line_items"}
    other = api.get(f"/purchase_order_contracts/{ORDER}?project_id={P1}")
    assert (other["change_order_packages"], other["payments_issued"]) == ([], [])


def test_a_change_order_with_a_new_line_leaves_the_schedule_of_values_alone(api: Caller) -> None:
    id = new_package(api)["id"]
    new_line(api, potential_of(api, id), "5000.00")
    package(api, id, status="approved")
    after = api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")
    assert ([line["id"] for line in after["line_items"]], Decimal(after["grand_total"])) == ([LINE_1, LINE_2], Decimal("950.05"))


# -- locks -------------------------------------------------------------------------------------------------------------


def tries(api: Caller, potential: int, line: int) -> list[int]:
    """Status codes of a new line, a changed line (by external id) and a removed line."""
    key = {"project_id": P1}
    path = f"{POTENTIALS}/{potential}/line_items"
    made = api("POST", path, json={**key, "line_item": {**KEY, "amount": "1"}})
    synced = api.sync(f"{path}/sync?project_id={P1}", [{"origin_id": "known", "amount": "9.00"}])
    return [made.status_code, 422 if synced[1] else 200, api("DELETE", f"{path}/{line}?project_id={P1}").status_code]


@pytest.mark.parametrize(("settings", "status", "codes"), [
    ({}, "approved", [422, 422, 422]),
    ({}, "pending", [201, 200, 200]),
    ({"sov_lock": "off"}, "approved", [201, 200, 200]),
    ({"sov_lock": "beyond_draft"}, "pending", [422, 422, 422]),
    ({"sov_lock": "beyond_draft"}, "draft", [201, 200, 200]),
    ({"always_editable_sov": True}, "approved", [201, 200, 200]),
])  # fmt: skip
def test_the_status_locks_the_lines(api: Caller, world: World, settings: dict[str, Any], status: str, codes: list[int]) -> None:
    id = new_package(api)["id"]
    potential = potential_of(api, id)
    line = new_line(api, potential, "10.00", origin_id="known")["id"]
    package(api, id, status=status)
    world.procore.configure(Settings().changed(settings))
    assert tries(api, potential, line) == codes


def test_external_ids_are_writable_on_an_approved_change_order(api: Caller) -> None:
    assert (
        package(api, PACKAGE, origin_id="sandbox:01:commitment_change_orders:SC-2/001", origin_code="001")["origin_code"] == "001"
    )
    assert package(api, PACKAGE, status="rejected")["status"] == "rejected", "a locked change order can lose its approval"
    taken = api("PATCH", f"{PACKAGES}/{new_package(api)['id']}", json={"project_id": P1, "change_order": {
        "origin_id": "sandbox:01:commitment_change_orders:SC-2/001"}})  # fmt: skip
    assert taken.status_code == 422 and taken.json()["fields"] == "origin_id"


def test_the_day_of_approval_is_kept(api: Caller, world: World) -> None:
    id = new_package(api)["id"]
    assert api.get(f"{PACKAGES}/{id}?project_id={P1}")["reviewed_at"] is None
    approved = package(api, id, status="approved")["reviewed_at"]
    api.control("POST", "/clock", {"advance": 3600})
    assert package(api, id, title="Renamed")["reviewed_at"] == approved == "2026-09-30T18:00:00Z"


# -- potential change orders -------------------------------------------------------------------------------------------


def test_on_one_tier_the_status_of_the_package_rules(api: Caller) -> None:
    id = new_package(api)["id"]
    potential = potential_of(api, id)
    body = {"project_id": P1, "contract_id": APPROVED, "change_order": {"status": "approved", "description": "x"}}
    shown = api.send("PATCH", f"{POTENTIALS}/{potential}", body)
    assert (shown["status"], shown["description"]) == ("draft", "x"), "a status sent for the PCO is ignored"
    package(api, id, status="pending")
    assert api.get(f"{POTENTIALS}/{potential}?project_id={P1}&contract_id={APPROVED}")["status"] == "pending"
    refused = api.send("POST", POTENTIALS, {**body, "contract_id": APPROVED}, 400)
    assert "single tier" in refused["message"]
    entities, errors = api.sync(f"{POTENTIALS}/sync?project_id={P1}&contract_id={APPROVED}", [{"title": "New"}])
    assert entities == [] and "single tier" in errors[0]["errors"]["contract_id"][0]


def test_potential_changes_are_found_by_external_id_and_contract(api: Caller) -> None:
    path = f"{POTENTIALS}/sync?project_id={P1}&contract_id={APPROVED}"
    body = {"project_id": P1, "contract_id": APPROVED, "change_order": {"origin_id": "pco-1"}}
    api.send("PATCH", f"{POTENTIALS}/{POTENTIAL}", body)
    assert [found["id"] for found in api.get(f"{POTENTIALS}?project_id={P1}&filters[origin_id]=pco-1")] == [POTENTIAL]
    assert api.get(f"{POTENTIALS}?project_id={P1}&filters[contract_id]={DRAFT}") == []
    entities, errors = api.sync(path, [{"origin_id": "pco-1", "title": "By origin"}, {"id": POTENTIAL, "title": "By id"}])
    assert [entity["title"] for entity in entities] == ["By origin"]
    assert len(errors) == 1, "an id is no key of this sync: the entry would be a new one"
    api.get(f"{POTENTIALS}/{POTENTIAL}?project_id={P1}&contract_id={DRAFT}", 404)
    assert api.get(f"{POTENTIALS}/{POTENTIAL}?project_id={P1}", 400)["fields"] == "contract_id"


def test_lines_of_a_potential_change_are_synced_by_external_id_only(api: Caller) -> None:
    potential = potential_of(api, new_package(api)["id"])
    path = f"{POTENTIALS}/{potential}/line_items"
    calculated = {**KEY, "extended_type": "calculated", "quantity": "333.5", "unit_cost": "1.785", "uom": "lf"}
    sent: list[dict[str, Any]] = [
        {**KEY, "amount": "1.005", "origin_id": "l-1"},
        {**calculated, "origin_id": "l-2"},
        {"amount": "1", "origin_id": "l-3"},
    ]
    entities, errors = api.sync(f"{path}/sync?project_id={P1}", sent)
    amounts = {entity["origin_id"]: Decimal(entity["amount"]) for entity in entities}
    assert amounts == {"l-1": Decimal("1.005"), "l-2": Decimal("595.30")}
    assert [error["origin_id"] for error in errors] == ["l-3"]
    line = next(entity["id"] for entity in entities if entity["origin_id"] == "l-1")
    _, errors = api.sync(f"{path}/sync?project_id={P1}", [{"id": line, **KEY, "amount": "7"}])
    assert errors[0]["errors"] == {"id": ["is unknown here"]}
    api.sync(f"{path}/sync?project_id={P1}", [{**KEY, "amount": "7"}])
    assert [found["id"] for found in api.get(f"{path}?project_id={P1}&filters[id]={line}")] == [line]
    assert api.send("DELETE", f"{path}/{line}?project_id={P1}", None) == {"id": line}
    assert [Decimal(found["amount"]) for found in api.get(f"{path}?project_id={P1}")] == [Decimal("595.30"), Decimal(7)]
    api.get(f"{POTENTIALS}/{POTENTIAL}/line_items/{line}?project_id={P1}", 404)
    api.send("DELETE", f"{POTENTIALS}/{POTENTIAL}/line_items/{entities[0]['id']}?project_id={P1}", None, 404)


def test_numbers_of_lines_inside_a_potential_change(api: Caller) -> None:
    potential = potential_of(api, new_package(api)["id"])
    new_line(api, potential, "0", extended_type="calculated", quantity="2", unit_cost="1.785")
    shown = api.get(f"{POTENTIALS}/{potential}?project_id={P1}&contract_id={APPROVED}")["line_items"][0]
    assert (shown["quantity"], shown["unit_cost"], shown["extended_amount"]) == (2, 1.785, shown["total_amount"])


# -- requests ----------------------------------------------------------------------------------------------------------


def test_change_order_requests(api: Caller) -> None:
    body = {"project_id": P1, "contract_id": APPROVED, "change_order": {"title": "Ask", "status": "pending", "grand_total": "5"}}
    made = api.send("POST", "/change_order_requests", body, 201)
    path = f"/change_order_requests?project_id={P1}&contract_id={APPROVED}"
    assert [found["id"] for found in api.get(f"{path}&filters[status]=pending")] == [made["id"]]
    assert api.get(f"{path}&filters[not_status][]=pending") == []
    assert api.get(f"/change_order_requests?project_id={P1}", 400)["fields"] == "contract_id"
    entities, errors = api.sync(f"/change_order_requests/sync?project_id={P1}&contract_id={APPROVED}", [
        {"id": made["id"], "origin_id": "r-1"}, {"id": 1}])  # fmt: skip
    assert [entity["origin_id"] for entity in entities] == ["r-1"] and errors[0]["id"] == 1
    assert sums(api) == money("250", "0", "0", "1200.05", "1200.05"), "requests are in no sum"


# -- the newer resource ------------------------------------------------------------------------------------------------


def test_a_commitment_change_order_is_the_package_under_another_id(api: Caller) -> None:
    path = f"/projects/{P1}/commitment_change_orders"
    shown = api.get(f"{path}?filters[legacy_package_id]={PACKAGE}")[0]
    assert (shown["id"], shown["legacy_package_id"], shown["contract_id"]) == (PACKAGE + OFFSET, PACKAGE, APPROVED)
    assert not {"origin_id", "origin_data", "origin_code"} & set(shown)
    made = api.send("POST", path, {"change_order": {"contract_id": APPROVED, "title": "Newer", "number": "CO-9"}}, 201)
    assert made["number"] == "CO-9" and potential_of(api, made["legacy_package_id"])
    changed = api.send("PATCH", f"{path}/{made['id']}", {"change_order": {"status": "approved"}})
    assert api.get(f"{PACKAGES}/{changed['legacy_package_id']}?project_id={P1}")["status"] == "approved"
    api.get(f"{path}/{PACKAGE}", 404)
    api.get(f"/projects/{P1}/prime_change_orders/{PACKAGE + OFFSET}", 404)
    assert api.get(f"/projects/{P1}/prime_change_orders") == []
    api.send("PATCH", f"{path}/{made['id']}", {"change_order": {"contract_id": DRAFT}}, 422)


def test_filters_and_order_of_commitment_change_orders(api: Caller) -> None:
    path = f"/projects/{P1}/commitment_change_orders"
    other = api.send("POST", path, {"change_order": {"contract_id": DRAFT, "title": "x", "executed": True}}, 201)["id"]
    first = PACKAGE + OFFSET
    cases = {
        "sort=-id": [other, first],
        f"filters[id]={other}": [other],
        f"filters[contract_id]={APPROVED}": [first],
        f"filters[vendor_id]={CONCRETE}": [other],
        f"filters[vendor_id]={STEEL}": [first],
        "filters[executed]=true": [other],
        "filters[executed]=false": [first],
        "filters[status]=approved": [first],
        "filters[updated_at]=2026-08-01...2026-08-02": [first],
    }
    assert {query: [found["id"] for found in api.get(f"{path}?{query}")] for query in cases} == cases
    assert "Link" not in api("GET", path).headers


def test_lines_under_v2_name_the_line_they_change(api: Caller) -> None:
    change = api.send("POST", f"/projects/{P1}/commitment_change_orders", {"change_order": {"contract_id": APPROVED}}, 201)
    path = f"{V2}/commitment_change_orders/{change['id']}/line_items"
    code = api.get(f"{V2}/commitment_change_orders/{PACKAGE + OFFSET}/line_items")["data"][0]
    assert code["id"] == str(CHANGE_LINE) and code["commitment_line_item_id"] is None
    wbs = api.get(f"/projects/{P1}/work_breakdown_structure/wbs_codes")
    wbs_id = str(wbs[0]["id"]) if wbs else made_code(api)
    line = api.send("POST", path, {"wbs_code_id": wbs_id, "amount": "-9.50", "commitment_line_item_id": str(LINE_1)})["data"]
    assert (line["amount"], line["commitment_line_item_id"], line["wbs_code_id"]) == ("-9.50", str(LINE_1), wbs_id)
    calculated = api.send("POST", path, {"wbs_code_id": wbs_id, "quantity": "3", "unit_cost": "2.5"})["data"]
    assert (calculated["amount"], calculated["quantity"], calculated["extended_type"]) == ("7.50", 3, "calculated")
    potential = potential_of(api, change["legacy_package_id"])
    v1 = api.get(f"{POTENTIALS}/{potential}/line_items?project_id={P1}")
    assert [str(found["id"]) for found in v1] == [line["id"], calculated["id"]], "one line, two faces"
    refused = api.send("POST", path, {"wbs_code_id": wbs_id, "commitment_line_item_id": "5"}, 400)
    assert refused["error"]["code"] == "BAD_REQUEST" and refused["error"]["details"][0]["reason_code"]
    assert api.get(f"{V2}/commitment_change_orders/5/line_items", 404)["error"]["code"] == "NOT_FOUND"
    page = api("GET", f"{path}?per_page=1")
    assert (len(page.json()["data"]), page.headers["Total"]) == (1, "2")


def made_code(api: Caller) -> str:
    """The id of the WBS code that the first line on a cost key makes."""
    return str(new_line(api, potential_of(api, new_package(api, DRAFT)["id"], DRAFT), "0")["wbs_code"]["id"])


# -- company lists, settings -------------------------------------------------------------------------------------------


def test_statuses_and_reasons_of_the_company(api: Caller) -> None:
    statuses = api.get(f"/change_order/statuses?company_id={COMPANY}")
    assert [found["mapped_to_status"] for found in statuses][:3] == ["draft", "not_pricing", "pricing"]
    assert api.get(f"/change_order_change_reasons?company_id={COMPANY}&per_page=1")[0]["company_id"] == COMPANY
    api.get("/change_order/statuses", 400)
    api.get("/change_order/statuses?company_id=1", 403)


@pytest.mark.parametrize("name", ["commitment_tiers", "prime_tiers"])
def test_three_tiers_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be 1 or 2"):
        Settings().changed({name: 3})


def test_two_tiers_on_commitments(api: Caller, world: World) -> None:
    world.procore.configure(Settings().changed({"commitment_tiers": 2}))
    gathered = new_package(api)
    assert [found["id"] for found in api.get(f"{POTENTIALS}?project_id={P1}")] == [POTENTIAL]
    body = {"project_id": P1, "contract_id": APPROVED, "change_order": {"title": "Two", "status": "pending"}}
    potential = api.send("POST", POTENTIALS, body, 201)
    assert potential["status"] == "pending" and potential["number"] == "002"
    new_line(api, potential["id"], "30.00")
    assert Decimal(api.get(f"{PACKAGES}/{gathered['id']}?project_id={P1}")["grand_total"]) == 0
    body["change_order"] = {"change_order_request": {"change_order_package_id": gathered["id"]}}
    api.send("PATCH", f"{POTENTIALS}/{potential['id']}", body)
    assert Decimal(api.get(f"{PACKAGES}/{gathered['id']}?project_id={P1}")["grand_total"]) == 30


def test_many_contracts_are_summed_in_few_statements(api: Caller, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, count = 9_000_000_000, 300
    contract = {"project_id": P2, "status": "Draft", "currency_iso_code": "USD"}
    world.store.load("work_order_contracts", (row(first + n, number=f"S-{n}", **contract) for n in range(count)))
    world.store.load("contract_payments", (row(n + 1, project_id=P2, parent_id=first + n, amount="1.00") for n in range(count)))
    statements, read = [], world.store.rows

    def counted(sql: str, values: Sequence[Any] = ()) -> list[Any]:
        statements.append(sql)
        return read(sql, values)

    monkeypatch.setattr(world.store, "rows", counted)
    rows = api.get(f"/work_order_contracts?project_id={P2}&per_page={count}")
    assert len(rows) == count and {Decimal(found["total_payments"]) for found in rows} == {Decimal(1)}
    assert len(statements) == 5
