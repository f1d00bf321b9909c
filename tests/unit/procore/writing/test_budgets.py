"""Writing a project's budget: whole or not at all, and who owns it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from include.financials.exceptions import OutcomeUnknown
from include.financials.port import Item
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, Call, FakeProcore
from tests.unit.procore.items import JOB, Site, all_of, bare_site, sent, step

SYNC = "/rest/v1.0/budget_line_items/sync"


@pytest.fixture
def system(sandbox: Sandbox) -> ProcoreSystem:
    return sandbox.system()


@pytest.fixture
def site(system: ProcoreSystem, sandbox: Sandbox) -> Site:
    """A project whose budget is empty and open."""
    found = Site(system)
    assert found.refs()
    path = f"/rest/v1.0/projects/{found.project}/budget/lock"
    if system.client.get(f"/rest/v1.0/projects/{found.project}/budget").object["locked"]:
        sandbox.as_user("DELETE", f"{path}?destroy_all_budget_line_item_transfers=false", None)
    present = [{**row, "original_budget_amount": 0} for row in rows(found)]
    if present:
        lines = [
            {name: row[name] for name in ("id", "wbs_code_id", "original_budget_amount")} | {"calculation_strategy": "manual"}
            for row in present
        ]
        system.client.post(SYNC, {"project_id": int(found.project), "budget_line_items": lines})
    sandbox.forget()
    return found


def rows(site: Site) -> list[dict[str, Any]]:
    view = site.get("/rest/v1.0/budget_views")[0]["id"]
    return site.get(f"/rest/v1.0/budget_views/{view}/detail_rows", per_page=1000)


def amounts(site: Site) -> dict[tuple[str, str], Decimal]:
    """Cost code id and type id -> original amount, of the lines that have one."""
    found = {(str(row["cost_code_id"]), str(row["category_id"])): Decimal(row["original_budget_amount"]) for row in rows(site)}
    return {key: amount for key, amount in found.items() if amount}


def placed(system: ProcoreSystem, site: Site) -> set[tuple[str, str]]:
    """Cost code id and type id of the project's WBS codes."""
    codes = all_of(system, "cost_codes", [site.project]).values()
    return {(code.id, cost_type) for code in codes for cost_type in code.cost_types}


def budget(site: Site, **options: Any) -> Item:
    """Three lines; ``03-3000`` as other is a code that the project does not have yet."""
    return site.budget(
        site.budget_line(1, "03-3000", "3", "250000.10"),
        site.budget_line(2, "03-3000", "5", "1800.05", quantity=Decimal("36.001000"), unit_cost=Decimal("50.000000"), unit="hr"),
        site.budget_line(3, "05-1200", "3", "0.07"),
        **options,
    )


def test_a_budget_is_written_with_the_codes_it_needs(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    lines, owner = system.steps("budgets", "create")
    entry = budget(site)
    assert (system.scope(lines, entry), system.scope(owner, entry)) == (site.project, "company")
    assert (site.codes["03-3000"], site.types["O"]) not in placed(system, site)
    assert system.find(lines, [entry])[0].status == "absent"
    (outcome,) = system.post(lines, [entry])
    assert (outcome.status, outcome.id) == ("confirmed", site.project)
    written = {
        (site.codes["03-3000"], site.types["C"]): Decimal("250000.10"),
        (site.codes["03-3000"], site.types["O"]): Decimal("1800.05"),
        (site.codes["05-1200"], site.types["C"]): Decimal("0.07"),
    }
    assert amounts(site) == written
    assert sandbox.system().find(lines, [entry])[0].status == "confirmed"
    calls = [call for call in sent(sandbox) if call["path"] == SYNC]
    assert len(calls) == 1
    assert system.post(lines, [entry])[0].status == "confirmed"
    assert [call for call in sent(sandbox) if call["path"] == SYNC] == calls, "what is there is not sent again"


def test_a_budget_that_changed_is_written_over_its_lines(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    lines = step("budgets", "update", "lines")
    assert system.post(step("budgets", "create", "lines"), [budget(site)])[0].status == "confirmed"
    ids = {row["wbs_code_id"]: row["id"] for row in rows(site)}
    now = site.budget(
        site.budget_line(1, "03-3000", "3", "260000.00"), site.budget_line(2, "05-1200", "3", "0.07"), changes=("lines",)
    )
    assert system.find(lines, [now])[0].status == "absent"
    assert system.post(lines, [now])[0].status == "confirmed"
    assert amounts(site) == {
        (site.codes["03-3000"], site.types["C"]): Decimal("260000.00"),
        (site.codes["05-1200"], site.types["C"]): Decimal("0.07"),
    }, "what the ERP has no more has no amount"
    assert {row["wbs_code_id"]: row["id"] for row in rows(site)} == ids, "the same lines"
    assert sandbox.system().find(lines, [now])[0].status == "confirmed"


def test_one_line_without_a_place_stops_the_whole_budget(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    entry = budget(site)
    bad = replace(entry, refs={**entry.refs, f"cost_code:{JOB}//05-1200": None})
    (outcome,) = system.post(step("budgets", "create", "lines"), [bad])
    assert (outcome.status, outcome.field, outcome.locked) == ("rejected", "cost_code", False)
    assert f"{JOB}//05-1200 / 3" in (outcome.message or "")
    assert "0.07" in (outcome.message or "")
    assert not amounts(site)


def test_a_refusal_writes_none_of_the_lines(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    entry = site.budget(
        site.budget_line(1, "03-3000", "3", "250000.10"), site.budget_line(2, "05-1200", "3", "1.00", unit="furlong")
    )
    (outcome,) = system.post(step("budgets", "create", "lines"), [entry])
    assert (outcome.status, outcome.locked) == ("rejected", False)
    assert "uom" in (outcome.message or "")
    assert "None of its lines was written" in (outcome.message or "")
    assert not amounts(site)


def test_a_locked_budget_is_left_alone(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    system.client.post(f"/rest/v1.0/projects/{site.project}/budget/lock", {})
    sandbox.forget()
    (outcome,) = system.post(step("budgets", "create", "lines"), [budget(site)])
    assert (outcome.status, outcome.locked) == ("rejected", True)
    assert not sent(sandbox)


@pytest.mark.parametrize("action", ["create", "link"])
def test_the_owner_stands_on_the_project(system: ProcoreSystem, sandbox: Sandbox, site: Site, action: Any) -> None:
    owner = step("budgets", action, "owner")
    entry = replace(budget(site), origin_data=f'{{"budget_owner":"erp","erp_key":"{JOB}","since":"2026-08"}}')
    assert system.find(owner, [entry])[0].status == "absent"
    (outcome,) = system.post(owner, [entry])
    assert (outcome.status, outcome.id) == ("confirmed", site.project)
    (row,) = system.client.get(
        "/rest/v1.1/projects", {"company_id": 8089, "filters[id][]": site.project, "view": "extended"}
    ).rows
    assert (row["origin_id"], row["origin_data"]) == (f"sandbox:01:projects:{JOB}", entry.origin_data)
    assert sandbox.system().find(owner, [entry])[0].status == "confirmed"
    other = replace(entry, origin_data='{"budget_owner":"procore","erp_key":"x"}')
    assert sandbox.system().find(owner, [other])[0].status == "absent", "the same external id says nothing about the owner"


BULK = "/rest/v1.0/projects/55/work_breakdown_structure"


def answers(fake: FakeProcore, count: int) -> list[Item]:
    """A project without a sandbox, with ``count`` codes that have a WBS code each, and no budget yet."""
    items = [{"id": n, "code": f"01-{n}", "path_code": f"01-{n}", "segment": {"type": "cost_code"}} for n in range(count)]
    kind = {"id": 9001, "code": "C", "segment": {"type": "line_item_type"}}
    codes = [{"id": 100 + n, "status": "active", "segment_items": [item, kind]} for n, item in enumerate(items)]
    plain = [{"id": 5000 + n, "full_code": f"01-{n}"} for n in range(count)]
    fake.script("/rest/v1.0/projects/55/budget", Answer({"locked": False}))
    fake.script(f"{BULK}/segments", Answer([{"id": 1, "type": "cost_code"}, {"id": 2, "type": "line_item_type"}]))
    fake.script(f"{BULK}/wbs_codes", Answer(codes))
    fake.script("/rest/v1.0/cost_codes", Answer(plain))
    fake.script("/rest/v1.0/sub_jobs", Answer([]))
    fake.script("/rest/v1.0/line_item_types", Answer([{"id": 41, "code": "C"}]))
    fake.script("/rest/v1.0/budget_views", Answer([{"id": 551}]))
    fake.script("/rest/v1.0/budget_views/551/detail_rows", Answer([]))
    site = bare_site()
    lines = [site.budget_line(n + 1, f"01-{n}", "3", "0.10") for n in range(count)]
    refs = {"project": "55", "cost_type:3": "41"} | {f"cost_code:{JOB}//01-{n}": str(5000 + n) for n in range(count)}
    return [site.budget(*lines, refs=refs)]


def reply(call: Call, **errors: Any) -> Answer:
    """The lines as Procore answers them, one of them with errors."""
    rows = [
        {"id": n, "wbs_code": {"id": line["wbs_code_id"]}, "original_budget_amount": line["original_budget_amount"]}
        for n, line in enumerate(call.json["budget_line_items"])
    ]
    return Answer([{**row, **({"errors": errors} if errors and row["id"] == 1 else {})} for row in rows])


def test_a_refused_line_is_named_and_so_are_those_that_are_there(fake: FakeProcore, client: ProcoreClient) -> None:
    items = answers(fake, 3)
    fake.route(SYNC, "POST")(lambda call: reply(call, uom=["is unknown"]))
    (outcome,) = ProcoreSystem(client, erp_system="sandbox").post(step("budgets", "create", "lines"), items)
    assert (outcome.status, outcome.field) == ("rejected", "uom")
    assert f"Budget line {JOB}//01-1 / 3: uom: is unknown" in (outcome.message or "")
    assert f"Already written: {JOB}//01-0 / 3, {JOB}//01-2 / 3." in (outcome.message or "")
    (call,) = fake.asked(SYNC)
    assert b'"original_budget_amount": 0.10' in call.body, "a number, and never a float"


def test_a_line_that_the_reply_leaves_out_is_unknown(fake: FakeProcore, client: ProcoreClient) -> None:
    items = answers(fake, 2)
    fake.route(SYNC, "POST")(lambda call: Answer(reply(call).body[:1]))
    with pytest.raises(OutcomeUnknown, match="WBS code 101"):
        ProcoreSystem(client, erp_system="sandbox").post(step("budgets", "create", "lines"), items)


def test_another_amount_coming_back_is_no_success(fake: FakeProcore, client: ProcoreClient) -> None:
    items = answers(fake, 1)
    fake.script(SYNC, Answer([{"id": 1, "wbs_code": {"id": 100}, "original_budget_amount": 0}]), method="POST")
    (outcome,) = ProcoreSystem(client, erp_system="sandbox").post(step("budgets", "create", "lines"), items)
    assert (outcome.status, outcome.field) == ("rejected", "original_budget_amount")


@pytest.mark.parametrize(("status", "says"), [(422, "Already written"), (429, "1000 of 1001 budget lines")])
def test_what_a_second_call_does_to_a_budget(fake: FakeProcore, make_client: Any, status: int, says: str) -> None:
    """1,001 lines take two calls; when the second one fails, the first one's lines are there."""
    items = answers(fake, 1001)

    @fake.route(SYNC, "POST")
    def sync(call: Call) -> Answer:
        return reply(call) if len(call.json["budget_line_items"]) == 1000 else Answer({"message": "no", "error": "x"}, status)

    system = ProcoreSystem(make_client(max_wait=0), erp_system="sandbox")
    if status == 429:
        with pytest.raises(OutcomeUnknown, match=says):
            system.post(step("budgets", "create", "lines"), items)
    else:
        (outcome,) = system.post(step("budgets", "create", "lines"), items)
        assert outcome.status == "rejected"
        assert says in (outcome.message or "")
        assert "and 990 more" in (outcome.message or "")


def test_a_lost_answer_of_a_budget_is_looked_up(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    sandbox.faults({"method": "POST", "path": "budget_line_items/sync", "times": 1, "action": "drop_after"})
    lines, entry = step("budgets", "create", "lines"), budget(site)
    with pytest.raises(OutcomeUnknown):
        system.post(lines, [entry])
    assert sandbox.system().find(lines, [entry])[0].status == "confirmed"
