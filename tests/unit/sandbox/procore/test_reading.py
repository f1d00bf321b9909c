"""Tokens, headers, paging, filters, views and the derived figures of replies."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
import requests

from sandbox.world import World
from tests.unit.sandbox.procore.serving import (
    APPROVED,
    CAST,
    COMPANY,
    CONCRETE,
    DIV3,
    DRAFT,
    GONE,
    HIDDEN,
    LINE_1,
    LINE_2,
    OLD,
    ORDER,
    P1,
    P2,
    STEEL,
    Caller,
    row,
)  # fmt: skip

# -- login -------------------------------------------------------------------------------------------------------------

CREDENTIALS = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}


@pytest.mark.parametrize("form", ["json", "data"])
def test_token_by_json_or_form(api: Caller, form: str) -> None:
    options: dict[str, Any] = {form: CREDENTIALS}
    reply = requests.post(f"{api.base}/oauth/token", timeout=30, **options).json()
    assert set(reply) == {"access_token", "token_type", "expires_in", "created_at"} and reply["expires_in"] == 5400


@pytest.mark.parametrize(("change", "status", "error"), [
    ({"client_secret": "wrong"}, 401, "invalid_client"),
    ({"client_id": "wrong"}, 401, "invalid_client"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
])  # fmt: skip
def test_bad_credentials(api: Caller, change: dict[str, str], status: int, error: str) -> None:
    reply = requests.post(f"{api.base}/oauth/token", json={**CREDENTIALS, **change}, timeout=30)
    assert (reply.status_code, reply.json()["error"]) == (status, error)


def test_token_ends_with_the_sandbox_clock(api: Caller) -> None:
    info = api.get("/oauth/token/info")
    assert 5390 <= info["expires_in_seconds"] <= 5400 and info["application"] == {"uid": "sandbox-client"}
    assert api("GET", "/me").status_code == 200
    api.control("POST", "/clock", {"advance": 5401})
    reply = api("GET", "/me")
    assert reply.status_code == 401 and reply.json()["message"] == "The access token is invalid"
    assert api("GET", "/oauth/token/info").status_code == 401
    api.login()
    assert api("GET", "/me").status_code == 200


def test_lifetime_of_tokens_is_a_setting(api: Caller) -> None:
    api.settings(token_seconds=60)
    assert requests.post(f"{api.base}/oauth/token", json=CREDENTIALS, timeout=30).json()["expires_in"] == 60


@pytest.mark.parametrize(("headers", "status", "text"), [
    ({"Authorization": "Bearer nonsense"}, 401, "The access token is invalid"),
    ({"Authorization": None}, 401, "The access token is invalid"),
    ({"Procore-Company-Id": None}, 400, "Missing Procore-Company-Id header!"),
    ({"Procore-Company-Id": "1"}, 403, "App is not connected to this company"),
])  # fmt: skip
def test_headers_are_checked(api: Caller, headers: dict[str, str | None], status: int, text: str) -> None:
    for path in ("/me", f"/vendors?company_id={COMPANY}"):
        reply = api("GET", path, headers=headers)
        assert reply.status_code == status and reply.json()["message"].startswith(text)


def test_date_header_is_the_sandbox_clock(api: Caller) -> None:
    assert "30 Sep 2026 18:" in api("GET", "/me").headers["Date"]
    api.control("POST", "/clock", {"advance": 86_400})
    api.login()
    assert "01 Oct 2026 18:" in api("GET", "/me").headers["Date"]


def test_companies_me_and_zone(api: Caller) -> None:
    assert [company["id"] for company in api.get("/companies")] == [COMPANY]
    assert set(api.get("/me")) == {"id", "login"} and set(api.get(f"/me?company_id={COMPANY}")) == {"id", "login", "name"}
    assert set(api.get("/company_base_url")) == {"zone", "web_base_url"}


# -- what is not visible -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    f"/projects/{HIDDEN}?company_id={COMPANY}",
    f"/cost_codes?project_id={HIDDEN}",
    f"/work_order_contracts?project_id={HIDDEN}",
    f"/projects/{HIDDEN}/work_breakdown_structure/wbs_codes",
    f"/companies/{COMPANY}/projects/{HIDDEN}/currency_configuration",
    "/projects/424242?company_id=8089",
    f"/work_order_contracts/{APPROVED}?project_id={P2}",
    f"/work_order_contracts/{ORDER}?project_id={P1}",
    f"/work_order_contracts/{ORDER}/line_items?project_id={P1}",
    "/nothing_here",
])  # fmt: skip
def test_hidden_and_unknown_are_404(api: Caller, path: str) -> None:
    api.get(path, 404)


def test_projects_not_permitted_are_not_listed(api: Caller) -> None:
    assert [project["id"] for project in api.get(f"/projects?company_id={COMPANY}")] == [P1, P2]
    assert [project["id"] for project in api.get(f"/rest/v1.1/projects?company_id={COMPANY}&view=ids")] == [P1, P2]
    people = api.as_user("GET", f"/projects?company_id={COMPANY}").json()
    assert [project["id"] for project in people] == [P1, P2, HIDDEN]


def test_foreign_company_and_missing_scope(api: Caller) -> None:
    api.get("/vendors?company_id=1", 403)
    error = api.get("/vendors", 400)
    assert error["fields"] == "company_id" and set(error) == {"code", "message", "fields", "reason", "error"}
    assert set(api.get("/projects", 400)) == {"error"}, "the list of projects has an error shape of its own"
    assert set(api.get(f"/projects/{HIDDEN}/work_breakdown_structure/segments", 404)) == {"message", "exception"}


# -- paging ------------------------------------------------------------------------------------------------------------


def links(reply: requests.Response) -> dict[str, str]:
    return {relation: url for url, relation in re.findall(r'<([^>]+)>; rel="(\w+)"', reply.headers.get("Link", ""))}


def test_links_and_their_quirks(api: Caller, world: World) -> None:
    world.store.load("vendors", [row(5_000 + n, name=f"V {n}", is_active=True) for n in range(7)])
    seen: dict[int, set[str]] = {}
    url: str | None = f"/rest/v1.0/vendors?company_id={COMPANY}&per_page=2&filters[search]=V"
    ids: list[int] = []
    while url:
        reply = api("GET", url.removeprefix(api.base))
        found = links(reply)
        assert (reply.headers["Total"], reply.headers["Per-Page"]) == ("8", "2")
        seen[len(seen) + 1] = set(found)
        ids += [vendor["id"] for vendor in reply.json()]
        url = found.get("next")
    assert seen == {
        1: {"next", "last"},
        2: {"first", "next", "last"},
        3: {"first", "prev", "next", "last"},
        4: {"first", "prev", "last"},
    }
    assert len(set(ids)) == 8


@pytest.mark.parametrize(("path", "asked", "effective"), [
    ("/vendors?company_id=8089", "", "100"),
    ("/vendors?company_id=8089", "&per_page=99999", "2000"),
    ("/rest/v1.1/projects?company_id=8089", "", "100"),
    ("/rest/v1.1/projects?company_id=8089", "&per_page=1000", "300"),
])  # fmt: skip
def test_page_sizes_per_endpoint(api: Caller, path: str, asked: str, effective: str) -> None:
    assert api("GET", path + asked).headers["Per-Page"] == effective


def test_page_beyond_the_end_is_empty_and_text_is_refused(api: Caller) -> None:
    reply = api("GET", f"/vendors?company_id={COMPANY}&page=9")
    assert reply.json() == [] and reply.headers["Total"] == "2" and "next" not in links(reply)
    assert api.get(f"/vendors?company_id={COMPANY}&page=two", 400)["fields"] == "page"


# -- filters, views, sort ----------------------------------------------------------------------------------------------


def ids(api: Caller, path: str) -> list[int]:
    return [record["id"] for record in api.get(path)]


V = f"/vendors?company_id={COMPANY}"
WO = f"/work_order_contracts?project_id={P1}"


@pytest.mark.parametrize(("path", "expected"), [
    (V, [STEEL, CONCRETE]),
    (f"{V}&filters[origin_id]=sandbox:G1:vendors:V-1", [STEEL]),
    (f"{V}&filters[origin_id]=none", []),
    (f"{V}&filters[id][]={STEEL}&filters[id][]={CONCRETE}", [STEEL, CONCRETE]),
    (f"{V}&filters[id]=[{CONCRETE},{STEEL}]", [STEEL, CONCRETE]),
    (f"{V}&filters[id]={CONCRETE}", [CONCRETE]),
    (f"{V}&filters[search]=s%C3%B6hne", [STEEL]),
    (f"{V}&filters[search]=S%C3%B6hne", [STEEL]),
    (f"{V}&filters[search]=12-3456789", [STEEL]),
    (f"{V}&filters[search]=%25", []),
    (f"{V}&filters[updated_at]={OLD}...{OLD}", [STEEL, CONCRETE]),
    (f'{V}&filters[updated_at]="2026-08-01...2026-08-01"', [STEEL, CONCRETE]),
    (f"{V}&filters[updated_at]='2026-08-02...'", []),
    (f"{V}&filters[updated_at]=2026-08-01T08:00:01Z...2026-09-01", []),
    (f"{V}&filters[updated_at]=2026-08-01T10:00:00%2B02:00...2026-08-01T10:00:00%2B02:00", [STEEL, CONCRETE]),
    (f"{V}&filters[updated_at]=2026-08-02...", []),
    (f"{V}&sort=name", [CONCRETE, STEEL]),
    (f"{V}&sort=-name", [STEEL, CONCRETE]),
    (f"/projects?company_id={COMPANY}&filters[by_status]=Inactive", []),
    (f"/rest/v1.1/projects?company_id={COMPANY}&filters[project_number]=25-902", [P2]),
    (f"/projects?company_id={COMPANY}&filters[synced]=true", []),
    (f"/cost_codes?project_id={P1}&filters[origin_id]=sandbox:01:cost_codes:x", [CAST]),
    (f"{WO}&filters[status]=Approved", [APPROVED]),
    (f"{WO}&filters[status][]=Draft&filters[status][]=Approved", [DRAFT, APPROVED]),
    (f"{WO}&filters[origin_id]=nothing", []),
    (f"/work_order_contracts/{APPROVED}/line_items?project_id={P1}", [LINE_1, LINE_2]),
    (f"/work_order_contracts/{APPROVED}/line_items?project_id={P1}&filters[id]={LINE_2}", [LINE_2]),
    (f"/work_order_contracts/{APPROVED}/line_items?project_id={P1}&filters[cost_code_id]={CAST}", []),
    (f"/companies/{COMPANY}/vendors/inactive", [GONE]),
    (f"/line_item_types?project_id={P1}", [31, 33]),
    (f"/line_item_types?company_id={COMPANY}", [31, 33]),
])  # fmt: skip
def test_lists(api: Caller, path: str, expected: list[int]) -> None:
    assert ids(api, path) == expected


@pytest.mark.parametrize("query", [
    f"{WO}&filters[status]=approved", f"{WO}&filters[id]=x", f"{WO}&filters[include_deleted]=yes",
    f"{WO}&filters[updated_at]=yesterday", f"{WO}&view=show", f"{V}&view=everything", "/line_item_types",
    f"{V}&filters[nonsense]=1",
    f"{V}&sort=nonsense", f"/cost_codes?project_id={P1}&filters[updated_at]=2020-01-01...2020-01-02",
])  # fmt: skip
def test_unusable_parameters_are_400(api: Caller, query: str) -> None:
    api.get(query, 400)


def test_views(api: Caller) -> None:
    assert set(api.get(f"{V}&view=compact")[0]) == {"id", "name"}
    extended = api.get(V)[0]
    assert extended["business_register"] == {"type": "ein", "identifier": "12-3456789"} and extended["synced_to_erp"] is True
    compact, more = api.get(WO)[1], api.get(f"{WO}&view=extended")[1]
    assert set(compact) < set(more) and "line_items" not in more and more["retainage_percent"] == "10.0"
    shown = api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")
    assert [line["id"] for line in shown["line_items"]] == [LINE_1, LINE_2]
    assert shown["vendor"] == {"id": STEEL, "company": "Iron & Söhne", "origin_id": "sandbox:G1:vendors:V-1", "origin_data": None}
    assert more["vendor"] == {"id": STEEL, "company": "Iron & Söhne"}


def test_show_of_a_code_and_a_list_of_standard_codes(api: Caller) -> None:
    code = api.get(f"/cost_codes/{CAST}?project_id={P1}")
    assert (code["code"], code["full_code"], code["parent"], code["biller_type"]) == ("3000", "03-3000", {"id": DIV3}, "Project")
    api.get(f"/standard_cost_codes?company_id={COMPANY}", 400)
    api.get(f"/standard_cost_codes?company_id={COMPANY}&standard_cost_code_list_id=1", 404)


def test_sums_come_from_the_lines_with_a_scale_that_varies(api: Caller, world: World) -> None:
    contract = api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")
    assert (Decimal(contract["grand_total"]), Decimal(contract["revised_contract"])) == (Decimal("950.05"), Decimal("1200.05"))
    line = {"parent_id": DRAFT, "contract_kind": "work_order_contracts", "project_id": P1, "amount": "250.00"}
    world.store.load("contract_lines", [row(9_200_000_000 + n, position=n, **line) for n in (0, 1)])
    lines = api.get(f"/work_order_contracts/{DRAFT}/line_items?project_id={P1}")
    assert [line["amount"] for line in lines] == ["250.0", "250.00"]


def test_a_stored_total_wins_over_the_lines(api: Caller, world: World) -> None:
    stored = world.store.get("work_order_contracts", APPROVED)
    assert stored is not None
    world.store.put("work_order_contracts", {**stored, "stored_grand_total": "999.99"})
    contract = api.get(f"/work_order_contracts/{APPROVED}?project_id={P1}")
    assert (contract["grand_total"], contract["revised_contract"]) == ("999.99", "1249.99")
