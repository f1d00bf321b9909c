"""Requests are held against Procore's description in both directions; errors keep Procore's shapes whatever comes in."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
import requests

from sandbox.procore.settings import CLIENT_ID, CLIENT_SECRET, Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import APPROVED, CAST, COMPANY, DRAFT, P1, STEEL, Caller

V = f"/vendors?company_id={COMPANY}"
CREDENTIALS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
GRANT = {"grant_type": "client_credentials"}


# -- both directions -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body", "field"), [
    ("GET", f"{V}&colour=red", None, "colour"),
    ("GET", f"{V}&filters[colour]=red", None, "filters[colour]"),
    ("GET", f"{V}&per_page=many", None, "per_page"),
    ("GET", "/work_order_contracts", None, "project_id"),
    ("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "x", "colour": "red"}}, "colour"),
    ("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "x"}, "colour": "red"}, "colour"),
    ("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "x", "address": 5}}, "address"),
    ("POST", "/projects", {"company_id": COMPANY, "project": {}}, "name"),
    ("PATCH", f"/work_order_contracts/{DRAFT}",
     {"project_id": P1, "work_order_contract": {"accounting_method": "guess"}}, "accounting_method"),
    ("DELETE", f"/work_order_contracts/{DRAFT}?project_id={P1}&force=true", None, "force"),
    ("PATCH", f"/change_order_packages/{APPROVED}?notify=true", {"project_id": P1, "change_order": {"title": "x"}}, None),
])  # fmt: skip
def test_unknown_missing_and_ill_typed_are_refused(
    api: Caller, world: World, method: str, path: str, body: Any, field: str | None
) -> None:
    vendors = world.store.count("vendors", [])
    reply = api(method, path, **({} if body is None else {"json": body}))
    assert reply.status_code in (400, 404) and set(reply.json()) == {"code", "message", "fields", "reason", "error"}
    assert field is None or field in reply.json()["fields"].split(", ")
    assert world.store.count("vendors", []) == vendors and world.store.get("work_order_contracts", DRAFT)["deleted_at"] is None  # type: ignore[index]


def test_a_refused_write_is_taken_back_and_goes_through_where_it_is_not_checked(api: Caller, world: World) -> None:
    body = {"company_id": COMPANY, "vendor": {"name": "x", "colour": "red"}}
    before = world.store.count("vendors", [])
    api.send("POST", "/vendors", body, 400)
    assert world.store.count("vendors", []) == before
    world.procore.configure(Settings(strict_requests=False))
    api.send("POST", "/vendors", body, 201)
    assert world.store.count("vendors", []) == before + 1


def test_entries_of_a_sync_are_checked_one_by_one(api: Caller) -> None:
    entities, errors = api.sync("/vendors/sync", [{"id": STEEL, "city": "A"}, {"id": STEEL, "colour": "red"}], company_id=COMPANY)
    assert [row["id"] for row in entities] == [STEEL]
    assert errors == [{"id": STEEL, "colour": "red", "errors": {"colour": ["is unknown here"]}}]


def test_an_invoice_is_changed_with_its_commitment_named(api: Caller) -> None:
    made = api.send(
        "POST",
        "/rest/v1.1/requisitions",
        {"project_id": P1, "commitment_id": APPROVED, "requisition": {"invoice_number": "1"}},
        201,
    )
    path = f"/rest/v1.1/requisitions/{made['id']}"
    link: dict[str, Any] = {"project_id": P1, "requisition": {"origin_id": "o"}}
    assert api.send("PATCH", path, link, 400)["fields"] == "commitment_id"
    api.send("PATCH", path, {**link, "commitment_id": DRAFT}, 404)
    assert api.send("PATCH", path, {**link, "commitment_id": APPROVED})["origin_id"] == "o"


@pytest.mark.parametrize(("settings", "status"), [
    ({}, 200), ({"commitments_admin": False}, 403), ({"commitments_admin": False, "linked_invoice_needs_admin": False}, 200),
])  # fmt: skip
def test_an_approved_invoice_is_an_admins(api: Caller, world: World, settings: dict[str, bool], status: int) -> None:
    invoice = {"invoice_number": "1", "status": "approved"}
    made = api.send("POST", "/rest/v1.1/requisitions", {"project_id": P1, "commitment_id": APPROVED, "requisition": invoice}, 201)
    world.procore.configure(Settings().changed(settings))
    link = {"project_id": P1, "commitment_id": APPROVED, "requisition": {"origin_id": "o"}}
    api.send("PATCH", f"/rest/v1.1/requisitions/{made['id']}", link, status)


# -- errors in Procore's shapes --------------------------------------------------------------------------------------------------

SHAPES: tuple[set[str], ...] = (
    {"code", "message", "fields", "reason", "error"}, {"message", "exception"}, {"error"}, {"errors"},
)  # fmt: skip
HUGE = 2**63
NASTY: list[tuple[str, str, Any]] = [
    ("GET", f"/vendors/{HUGE}?company_id={COMPANY}", None),
    ("GET", f"/vendors/{10**40}?company_id={COMPANY}", None),
    ("GET", f"/cost_codes?project_id={HUGE}", None),
    ("GET", f"{V}&filters[id]={HUGE}", None),
    ("GET", f"{V}&filters[id]=[{HUGE},1]", None),
    ("GET", f"/contract_payments?project_id={P1}&contract_id={HUGE}", None),
    ("GET", f"{V}&page=-{HUGE}", None),
    ("GET", f"{V}&per_page={10**30}", None),
    ("POST", "/vendors", {"company_id": HUGE, "vendor": {"name": "x"}}),
    ("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "x", "parent_id": HUGE}}),
    ("POST", "/vendors", {"company_id": COMPANY, "vendor": {"name": "x", "trade_ids": [-HUGE - 1]}}),
    ("PATCH", f"/cost_codes/{CAST}", {"project_id": P1, "cost_code": {"name": "x", "parent_id": 10**25}}),
    ("POST", "/work_order_contracts", {"project_id": P1, "work_order_contract": {"vendor_id": HUGE}}),
    ("PATCH", f"/rest/v1.0/projects/{P1}/work_breakdown_structure/wbs_codes/bulk_create",
     {"bulk": [{"segment_items": [{"segment_id": HUGE, "segment_item_id": HUGE}]}]}),
    ("GET", f"/rest/v2.0/companies/{COMPANY}/projects/{P1}/nowhere", None),
    ("GET", "/nowhere", None),
    ("PUT", "/vendors", {}),
    ("OPTIONS", "/vendors", None),
    ("TRACE", "/vendors", None),
    ("GET", "/vendors/%00?company_id=1", None),
    ("GET", "/vendors/..%2F..%2Fetc?company_id=1", None),
    ("GET", f"{V}&filters[search]=%ff%fe", None),
    ("GET", f"{V}&filters[origin_id]='; DROP TABLE objects;--", None),
    ("GET", f"{V}&{'x' * 4000}=1", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), NASTY)
def test_whatever_is_asked_the_answer_has_one_of_procores_shapes(api: Caller, method: str, path: str, body: Any) -> None:
    reply = api(method, path, **({} if body is None else {"json": body}))
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        found = reply.json()
        assert set(found) in SHAPES, found
        assert not path.startswith("/rest/v2") or set(found["error"]) == {"code", "message", "details"}


RAW = [
    b"\xff\xfe{}", b"{", b"[1, 2]", b'"text"', b"null", b'{"company_id": NaN}', b'{"company_id": Infinity}',
    b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"company_id": ' + b"9" * 5_000 + b"}",
    b'{"company_id": 8089, "vendor": {"name": "\\ud800"}}', b'{"company_id": 8089, "vendor": {"name": 1e400}}',
    b'{"company_id": 8089, "vendor": {"name": "' + b"x" * 3_000_000 + b'", "colour": 1}}',
    b'{"company_id": 8089, "vendor": {"name": "n", "' + b"k" * 100_000 + b'": {"\\u0000": []}}}',
]  # fmt: skip


@pytest.mark.parametrize("body", RAW, ids=range(len(RAW)))
@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/vendors"), ("PATCH", "/vendors/sync"), ("POST", f"/projects/{P1}/budget_changes"),
    ("POST", f"/rest/v2.0/companies/{COMPANY}/projects/{P1}/commitment_change_orders/1/line_items"), ("POST", "/tax_codes"),
])  # fmt: skip
def test_a_hostile_body_is_refused_in_shape(api: Caller, method: str, path: str, body: bytes) -> None:
    reply = api(method, path, data=body, headers={"Content-Type": "application/json"})
    assert 400 <= reply.status_code < 500 and set(reply.json()) in SHAPES, reply.text[:300]


def test_outside_of_the_api_too(api: Caller) -> None:
    for method, path in (("GET", "/"), ("GET", "/rest"), ("TRACE", "/rest/v1.0/vendors"), ("HEAD", "/rest/v1.0/vendors")):
        reply = requests.request(method, f"{api.base}{path}", timeout=30)
        assert reply.status_code in (401, 404, 405)
        assert method == "HEAD" or set(reply.json()) == {"code", "message", "fields", "reason", "error"}


# -- tokens ----------------------------------------------------------------------------------------------------------------------

BASIC = "Basic " + b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


@pytest.mark.parametrize("form", [
    {"json": {**GRANT, **CREDENTIALS}},
    {"data": {**GRANT, **CREDENTIALS}},
    {"files": {name: (None, value) for name, value in {**GRANT, **CREDENTIALS}.items()}},
    {"data": GRANT, "headers": {"Authorization": BASIC}},
], ids=["json", "urlencoded", "multipart", "basic"])  # fmt: skip
def test_a_token_is_asked_for_in_four_forms(api: Caller, form: dict[str, Any]) -> None:
    reply = requests.post(f"{api.base}/oauth/token", timeout=30, **form)
    assert reply.status_code == 200 and reply.json()["token_type"] == "bearer"
    token = {"Authorization": f"Bearer {reply.json()['access_token']}", "Procore-Company-Id": str(COMPANY)}
    assert requests.get(f"{api.base}/rest/v1.0/me", headers=token, timeout=30).status_code == 200


@pytest.mark.parametrize("form", [
    {"data": GRANT, "headers": {"Authorization": "Basic !!!"}},
    {"json": {**GRANT, **CREDENTIALS}, "headers": {"Authorization": "Basic " + b64encode(b"a:b").decode()}},
    {"files": {"grant_type": (None, "client_credentials"), "client_id": (None, "nobody")}},
    {"data": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    {"data": b"\xff", "headers": {"Content-Type": "application/json"}},
])  # fmt: skip
def test_a_wrong_token_request_is_refused(api: Caller, form: dict[str, Any]) -> None:
    reply = requests.post(f"{api.base}/oauth/token", timeout=30, **form)
    assert reply.status_code in (400, 401) and set(reply.json()) == {"error", "error_description"}
