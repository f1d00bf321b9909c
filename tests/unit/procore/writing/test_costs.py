"""Writing direct costs: header, lines, and last of all the external id, which locks them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from include.financials.exceptions import ContractBroken, OutcomeUnknown
from include.financials.identity import canonical_json
from include.financials.port import Item, Step
from include.financials.writing.steps import batches
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, Call, FakeProcore
from tests.unit.procore.items import JOB, Site, all_of, bare_site, known, sent, step

HEADER, LINES, LAST = (step("direct_costs", "create", name) for name in ("header", "lines", "external_id"))


@pytest.fixture
def system(sandbox: Sandbox) -> ProcoreSystem:
    return sandbox.system()


@pytest.fixture
def site(system: ProcoreSystem, sandbox: Sandbox) -> Site:
    found = Site(system)
    assert found.refs()
    sandbox.forget()
    return found


def cost(site: Site, key: str, *amounts: str, **options: Any) -> Item:
    lines = [site.line(number, "03-3000", "35"[number % 2], amount) for number, amount in enumerate(amounts or ("100.00",), 1)]
    return site.direct_cost(key, *lines, **options)


def carried_out(system: ProcoreSystem, step: Step, items: list[Item]) -> list[Item]:
    """The items as they are for the step after this one; all of them must have been confirmed."""
    outcomes = {outcome.intent: outcome for batch in batches(items, step.batch) for outcome in system.post(step, batch)}
    assert {outcome.status for outcome in outcomes.values()} == {"confirmed"}
    return [known(item, outcomes[item.intent]) for item in items]


def headers(site: Site) -> dict[str, dict[str, Any]]:
    rows = site.system.client.get(f"/rest/v1.1/projects/{site.project}/direct_costs", {"per_page": 1000}).rows
    return {row["origin_data"]: row for row in rows if row["origin_data"]}


def lines(site: Site, ident: str | None) -> list[dict[str, Any]]:
    rows = site.system.client.get(f"/rest/v1.0/projects/{site.project}/direct_costs/{ident}/line_items", {"per_page": 100}).rows
    return sorted(rows, key=lambda row: str(row["origin_id"]))


def test_three_calls_write_any_number_of_direct_costs(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    vendor = next(iter(all_of(system, "vendors").values())).id
    sandbox.forget()
    items = [
        cost(site, "JC-900001", "1250.10", "0.07", kind="invoice", vendor_id=vendor, invoice_number="A-77"),
        cost(site, "JC-900002", "-40.00", kind="payroll"),
        cost(site, "JC-900003"),
    ]
    assert [row.name for row in system.steps("direct_costs", "create")] == ["header", "lines", "external_id"]
    assert {system.scope(row, items[0]) for row in (HEADER, LINES, LAST)} == {site.project}
    made = carried_out(system, HEADER, items)
    found = headers(site)
    assert {row["origin_id"] for row in found.values() if row["origin_data"] in {item.origin_data for item in items}} == {None}
    assert len({item.procore_id for item in made}) == 3
    carried_out(system, LINES, made)
    carried_out(system, LAST, made)
    assert len(sent(sandbox)) == 3
    first = headers(site)[str(items[0].origin_data)]
    assert (first["origin_id"], str(first["id"])) == ("sandbox:01:direct_costs:JC-900001", made[0].procore_id)
    assert (first["direct_cost_type"], first["invoice_number"], str(first["vendor_id"]), first["status"]) == (
        "invoice", "A-77", vendor, "approved"
    )  # fmt: skip
    assert first["direct_cost_date"] == "2026-08-03"
    one, two = lines(site, made[0].procore_id)
    assert (one["origin_id"], Decimal(one["amount"])) == ("sandbox:01:direct_costs:JC-900001#1", Decimal("1250.10"))
    assert (two["origin_id"], Decimal(two["amount"])) == ("sandbox:01:direct_costs:JC-900001#2", Decimal("0.07"))
    assert str(one["cost_code"]["id"]) == site.codes["03-3000"]
    assert {str(row["line_item_type"]["id"]) for row in (one, two)} == {site.types["O"], site.types["C"]}
    (credit,) = lines(site, made[1].procore_id)
    assert Decimal(credit["amount"]) == Decimal("-40.00")
    fresh = sandbox.system()
    for row in (HEADER, LINES, LAST):
        assert [outcome.id for outcome in fresh.find(row, made)] == [item.procore_id for item in made]


def test_lines_in_more_than_one_call_are_all_there(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    """1,001 lines of 143 transactions: the call that ends within one of them ends nothing."""
    items = carried_out(system, HEADER, [cost(site, f"JC-8{number:05}", *["1.01"] * 7) for number in range(143)])
    carried_out(system, LINES, items)
    paths = [entry["path"] for entry in sent(sandbox)]
    assert [path.rpartition("direct_costs")[2] for path in paths] == ["/sync", "/line_items/sync", "/line_items/sync"]
    assert len(lines(site, items[-1].procore_id)) == 7
    assert {outcome.status for outcome in sandbox.system().find(LINES, items)} == {"confirmed"}


def test_an_answer_is_recognised_by_what_the_header_carries(fake: FakeProcore, client: ProcoreClient) -> None:
    """The reply comes in any order, and a refused header is told apart too: without an external id there is only its data."""
    data = {key: canonical_json({"erp_key": key}) for key in ("JC-1", "JC-2", "JC-3")}

    @fake.route("/rest/v1.0/projects/55/direct_costs/sync", "PATCH")
    def sync(call: Call) -> Answer:
        assert not any("origin_id" in entry for entry in call.json["updates"])
        entities = [{"id": number, "origin_data": data[f"JC-{number}"]} for number in (3, 1)]
        fake.script("/rest/v1.1/projects/55/direct_costs", Answer(entities))
        return Answer({"entities": entities, "errors": [{"origin_data": data["JC-2"], "errors": {"vendor_id": ["is unknown"]}}]})

    items = [bare(key) for key in data]
    outcomes = ProcoreSystem(client, erp_system="sandbox").post(HEADER, items)
    assert [(outcome.intent, outcome.status, outcome.id) for outcome in outcomes] == [
        ("i-JC-1", "confirmed", "1"),
        ("i-JC-2", "rejected", None),
        ("i-JC-3", "confirmed", "3"),
    ]
    with pytest.raises(ContractBroken, match="two records of one call"):
        ProcoreSystem(client, erp_system="sandbox").post(HEADER, [items[0], items[0]])
    with pytest.raises(ContractBroken, match="origin_data"):
        ProcoreSystem(client, erp_system="sandbox").post(HEADER, [replace(items[0], origin_data=None)])


def bare(key: str, ident: str | None = None) -> Item:
    """A direct cost of a project that needs no sandbox."""
    site = bare_site()
    item = site.direct_cost(key, site.line(1, "03-3000", "3", "0.30"))
    refs = {"project": "55", f"cost_code:{JOB}//03-3000": "701", "cost_type:3": "41"}
    return replace(item, refs=refs, procore_id=ident)


def test_amounts_of_lines_are_numbers_that_were_never_floats(fake: FakeProcore, client: ProcoreClient) -> None:
    path = "/rest/v1.0/projects/55/direct_costs/line_items/sync"
    fake.script(
        path, Answer({"entities": [{"id": 9, "origin_id": "sandbox:01:direct_costs:JC-1#1"}], "errors": []}), method="PATCH"
    )
    (outcome,) = ProcoreSystem(client, erp_system="sandbox").post(LINES, [bare("JC-1", "8")])
    assert (outcome.status, outcome.id) == ("confirmed", "8")
    (call,) = fake.asked(path)
    assert b'"amount": 0.30,' in call.body or b'"amount": 0.30}' in call.body
    assert call.json["updates"] == [
        {
            "origin_id": "sandbox:01:direct_costs:JC-1#1",
            "direct_cost_id": 8,
            "cost_code_id": 701,
            "line_item_type_id": 41,
            "extended_type": "manual",
            "amount": 0.3,
        }
    ]


def test_a_line_that_is_refused_names_itself_and_stops_its_document_only(
    system: ProcoreSystem, sandbox: Sandbox, site: Site
) -> None:
    good, bad = carried_out(system, HEADER, [cost(site, "JC-900011"), cost(site, "JC-900012", "1.00", "2.00")])
    second = bad.record.lines[1].model_copy(update={"unit": "furlong"})  # type: ignore[attr-defined]
    bad = replace(bad, record=bad.record.model_copy(update={"lines": (bad.record.lines[0], second)}))  # type: ignore[attr-defined]
    outcomes = {outcome.intent: outcome for outcome in system.post(LINES, [good, bad])}
    assert outcomes[good.intent].status == "confirmed"
    refused = outcomes[bad.intent]
    assert (refused.status, refused.id, refused.field) == ("rejected", bad.procore_id, "uom")
    assert "line 2" in (refused.message or "")
    assert [outcome.status for outcome in system.find(LINES, [good, bad])] == ["confirmed", "absent"]


def test_a_code_that_procore_lacks_stops_its_document_only(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    good, bad = carried_out(system, HEADER, [cost(site, "JC-900021"), cost(site, "JC-900022")])
    bad = replace(bad, refs={**bad.refs, f"cost_code:{JOB}//03-3000": None})
    outcomes = {outcome.intent: outcome for outcome in system.post(LINES, [good, bad])}
    assert (outcomes[good.intent].status, outcomes[bad.intent].status) == ("confirmed", "rejected")
    assert "03-3000" in (outcomes[bad.intent].message or "")


def test_a_direct_cost_that_is_locked_says_so(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    (entry,) = carried_out(system, HEADER, [cost(site, "JC-900031")])
    carried_out(system, LINES, [entry])
    carried_out(system, LAST, [entry])
    (again,) = system.post(LAST, [entry])
    assert again.status == "confirmed", "external ids may be written on a locked record"
    changed = entry.record.model_copy(update={"lines": (site.line(1, "03-3000", "3", "200.00"),)})
    (outcome,) = system.post(LINES, [replace(entry, record=changed)])
    assert (outcome.status, outcome.locked) == ("rejected", True)


def test_a_direct_cost_that_is_being_changed_is_in_doubt(fake: FakeProcore, client: ProcoreClient) -> None:
    path = "/rest/v1.0/projects/55/direct_costs/line_items/sync"
    fake.script(path, Answer({"code": 409, "message": "Another request is changing this direct cost"}, 409), method="PATCH")
    with pytest.raises(OutcomeUnknown, match="409"):
        ProcoreSystem(client, erp_system="sandbox").post(LINES, [bare("JC-1", "8")])


@pytest.mark.parametrize(("status", "text"), [(429, "limit"), (400, "bad")])
def test_a_second_call_that_fails_leaves_nothing_known(fake: FakeProcore, client: ProcoreClient, status: int, text: str) -> None:
    """The first thousand lines are there, so it is not true that nothing was applied."""

    @fake.route("/rest/v1.0/projects/55/direct_costs/line_items/sync", "PATCH")
    def sync(call: Call) -> Answer:
        if len(call.json["updates"]) < 1000:
            return Answer({"code": status, "message": text}, status)
        return Answer({"entities": [{"id": 1, "origin_id": entry["origin_id"]} for entry in call.json["updates"]], "errors": []})

    items = [bare(f"JC-{number}", str(number)) for number in range(1, 1002)]
    with pytest.raises(OutcomeUnknown, match="1000 of 1001 lines"):
        ProcoreSystem(client, erp_system="sandbox").post(LINES, items)
