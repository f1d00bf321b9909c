"""Reading the sandbox: everything once, in few calls, and from where it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.entities.codes import CostCode
from include.financials.entities.commitments import Commitment
from include.financials.exceptions import ConfigurationError, NotPermitted
from include.financials.port import NO_ID, Invalid, Page, Window
from include.financials.reading.staging import once
from include.financials.record import Record
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, Call, FakeProcore


def records(pages: Iterator[Page]) -> list[Any]:
    return [record for page in pages for record in page.records]


@pytest.fixture
def system(sandbox: Sandbox) -> ProcoreSystem:
    return sandbox.system()


def test_the_whole_company_in_one_pass(sandbox: Sandbox, system: ProcoreSystem) -> None:
    found: dict[str, list[Record]] = {}
    for entity in ENTITIES:
        pages = list(system.read(entity))
        assert pages[-1].cursor is None
        assert not [invalid for page in pages for invalid in page.invalid]
        found[entity] = [record for page in pages for record in page.records]
        assert found[entity], entity
        assert max(Counter(record.id for record in found[entity]).values()) == 1, entity
    calls = Counter((entry["method"], entry["path"], str(entry["query"])) for entry in sandbox.requests())
    assert max(calls.values()) == 1, "no list and no contract is fetched twice"
    assert not [entry for entry in sandbox.requests() if entry["write"] and "oauth" not in entry["path"]]
    assert {record.entity for record in found["vendors"]} == {"vendors"}
    assert all(record.number.startswith("C-") for record in found["customers"])


def test_customers_come_with_the_vendors(sandbox: Sandbox, system: ProcoreSystem) -> None:
    records(system.read("vendors"))
    calls = system.client.calls
    customers = records(system.read("customers"))
    assert customers
    assert system.client.calls == calls
    assert {record.id for record in records(sandbox.system().read("customers"))} == {record.id for record in customers}


def test_inactive_vendors_are_read_too(system: ProcoreSystem) -> None:
    assert {record.active for record in records(system.read("vendors"))} == {True, False}


def test_large_ids_are_kept(system: ProcoreSystem) -> None:
    assert any(int(record.id) > 2**32 for record in records(system.read("vendors")))


def test_a_window_selects_by_time(system: ProcoreSystem, sandbox: Sandbox) -> None:
    everything = records(system.read("vendors"))
    times = sorted(record.updated_at for record in everything)
    window = Window(times[len(times) // 2], times[-2])
    chosen = records(sandbox.system().read("vendors", window=window))
    assert 0 < len(chosen) < len(everything)
    assert {record.id for record in chosen} == {record.id for record in everything if window.covers(record.updated_at)}
    sent = [
        entry["query"]
        for entry in sandbox.requests()
        if entry["path"].endswith("/vendors") and "updated_at" in str(entry["query"])
    ]
    assert sent, "the server's own filter was used"


def test_projects_by_scope_and_closed_ones(system: ProcoreSystem) -> None:
    everything = records(system.read("projects"))
    one = everything[2]
    assert [record.id for record in records(system.read("projects", scopes=[one.id]))] == [one.id]
    assert records(system.read("projects", scopes=[])) == []


def test_cost_codes_know_their_place_and_their_types(system: ProcoreSystem) -> None:
    job = next(record for record in records(system.read("projects")) if record.number == "25-104")
    types = {record.id: record.number for record in records(system.read("cost_types"))}
    codes: list[CostCode] = records(system.read("cost_codes", scopes=["", job.id]))
    standard = [code for code in codes if code.project is None]
    own = {code.number: code for code in codes if code.project == job.id}
    assert standard
    assert not [code for code in records(system.read("cost_codes", scopes=[job.id])) if code.project is None]
    assert set(system.keys("cost_codes", [""])) == {code.id for code in standard}
    assert own["03"].is_header
    assert own["03"].level == 0
    concrete = own["03-3000"]
    assert (concrete.code, concrete.level, concrete.is_header, concrete.parent) == ("3000", 1, False, own["03"].id)
    assert {types[ident] for ident in concrete.cost_types} >= {"C", "L", "M"}


def test_commitments_to_the_cent(system: ProcoreSystem) -> None:
    job = next(record for record in records(system.read("projects")) if record.number == "25-104")
    found: dict[str, Commitment] = {record.number: record for record in records(system.read("commitments", scopes=[job.id]))}
    steel = found["104-SC-003"]
    assert (steel.kind, steel.project, steel.amount, steel.currency) == ("subcontract", job.id, Decimal("1486000.00"), "USD")
    assert [line.position for line in steel.lines] == list(range(1, len(steel.lines) + 1))
    assert sum(line.amount for line in steel.lines) == Decimal("1486000.00")
    doors = found["104-PO-002"]
    assert (doors.kind, doors.amount) == ("purchase_order", Decimal("68390.30"))
    assert {line.extended_type for line in doors.lines} >= {"calculated"}
    assert steel.retainage_percent == 10


def of_job(system: ProcoreSystem, entity: str, job: str = "25-104") -> list[Any]:
    project = next(record for record in records(system.read("projects")) if record.number == job)
    return records(system.read(entity, scopes=[project.id]))


def test_the_golden_job_to_the_cent(system: ProcoreSystem) -> None:
    """The figures of docs/domain-rules.md 5.3, as they come out of Procore's lists."""
    steel = next(record.id for record in of_job(system, "commitments") if record.number == "104-SC-003")
    changes = {record.number: record for record in of_job(system, "commitment_change_orders") if record.commitment == steel}
    assert {number: (change.status, str(change.amount)) for number, change in changes.items()} == {
        "104-SC-003/001": ("approved", "38250.00"),
        "104-SC-003/002": ("approved", "-9500.00"),
        "104-SC-003/003": ("pending", "14800.00"),
    }
    assert [(line.line, str(line.amount)) for line in changes["104-SC-003/001"].lines] == [(None, "26750.00"), (None, "11500.00")]
    assert [line.line for line in changes["104-SC-003/002"].lines] == [7]
    draws = [record for record in of_job(system, "subcontractor_invoices") if record.commitment == steel]
    assert [(draw.sequence, draw.amount, draw.held, draw.released, draw.due, draw.retainage) for draw in draws] == [
        (1, Decimal("416500.00"), Decimal("41650.00"), Decimal("0.00"), Decimal("374850.00"), Decimal("41650.00")),
        (2, Decimal("545575.00"), Decimal("54557.50"), Decimal("0.00"), Decimal("491017.50"), Decimal("96207.50")),
        (3, Decimal("318800.00"), Decimal("31880.00"), Decimal("11050.00"), Decimal("297970.00"), Decimal("117037.50")),
    ]
    assert [draw.due_stated for draw in draws] == [draw.due for draw in draws]
    assert {item.change_order for item in draws[2].items} == {None, changes["104-SC-003/001"].id, changes["104-SC-003/002"].id}
    paid = {record.payment_number: record for record in of_job(system, "payments_issued") if record.commitment == steel}
    assert (paid["004512"].amount, paid["004512"].invoice) == (Decimal("374850.00"), draws[0].id)
    taxed = next(record for record in of_job(system, "subcontractor_invoices") if record.tax)
    assert str(taxed.tax) == "4787.93"


def test_the_golden_jobs_owner_side(system: ProcoreSystem) -> None:
    (prime,) = of_job(system, "prime_contracts")
    assert (prime.number, str(prime.amount), len(prime.lines)) == ("104-PC-001", "12480000.00", 17)
    bills = of_job(system, "owner_invoices")
    assert [(bill.sequence, str(bill.amount), str(bill.retainage), str(bill.due), str(bill.contract_sum)) for bill in bills] == [
        (1, "1271000.00", "127100.00", "1143900.00", "12480000.00"),
        (2, "1683250.00", "295425.00", "1514925.00", "12532300.00"),
        (3, "1474375.00", "442862.50", "1326937.50", "12521100.00"),
    ]
    assert [bill.previous for bill in bills] == [None, bills[0].id, bills[1].id]
    assert all(bill.prime_contract == prime.id and bill.customer == prime.customer for bill in bills)
    changes = of_job(system, "prime_change_orders")
    assert [str(change.amount) for change in changes if change.status == "approved"] == ["52300.00", "-11200.00"]
    assert all(sum(line.amount for line in change.lines) + change.markup == change.amount for change in changes)
    (receipt,) = of_job(system, "payments_received")
    assert (str(receipt.amount), receipt.draw_number) == ("1143900.00", 1)


def test_the_golden_jobs_budget_and_costs(system: ProcoreSystem) -> None:
    (budget,) = of_job(system, "budgets")
    assert (budget.number, str(budget.amount), len(budget.lines)) == ("25-104", "11162000.00", 33)
    assert (budget.owner, budget.locked) == ("procore", True)
    (change,) = of_job(system, "budget_changes")
    assert [str(line.amount) for line in sorted(change.lines, key=lambda line: line.amount)] == ["-18000.00", "18000.00"]
    keys = {(line.cost_code, line.cost_type) for line in budget.lines}
    assert {(line.cost_code, line.cost_type) for line in change.lines} <= keys
    costs = of_job(system, "direct_costs")
    assert costs
    assert all(sum(line.amount for line in cost.lines) == cost.amount for cost in costs)
    assert {cost.kind for cost in costs} == {"invoice", "expense", "payroll"}
    assert all(cost.origin_id == f"sandbox:01:direct_costs:{cost.number}" for cost in costs if cost.origin_id)


def test_only_selected_contracts_cost_a_call(system: ProcoreSystem, sandbox: Sandbox) -> None:
    idle = sandbox.system()
    assert records(idle.read("commitments", window=Window(since=datetime(2030, 1, 1, tzinfo=UTC)))) == []
    everything = records(sandbox.system().read("commitments"))
    recent = sorted(record.updated_at for record in everything if record.updated_at)[-5]
    chosen = records(system.read("commitments", window=Window(since=recent)))
    expected = {record.id for record in everything if record.updated_at and record.updated_at >= recent}
    assert {record.id for record in chosen} == expected
    assert system.client.calls - idle.client.calls == len(expected), "beside the lists one call per contract"


def test_also_selects_what_the_window_leaves_out(system: ProcoreSystem) -> None:
    nothing = Window(since=datetime(2030, 1, 1, tzinfo=UTC))
    chosen = records(system.read("commitments", window=nothing, also=lambda header: header.number == "104-SC-003"))
    assert [record.number for record in chosen] == ["104-SC-003"]
    assert chosen[0].lines


def test_a_second_read_looks_again(sandbox: Sandbox, system: ProcoreSystem) -> None:
    record = next(
        record for record in records(system.read("commitments")) if record.status == "Draft" and record.kind == "subcontract"
    )
    sandbox.as_user(
        "PATCH",
        f"/rest/v1.0/work_order_contracts/{record.id}",
        {"project_id": int(record.project), "work_order_contract": {"title": "Changed by hand"}},
    )
    again = next(found for found in records(system.read("commitments", scopes=[record.project])) if found.id == record.id)
    assert again.title == "Changed by hand"


def test_a_deleted_contract_shows_without_lines(sandbox: Sandbox, system: ProcoreSystem) -> None:
    record = next(
        record for record in records(system.read("commitments")) if record.status == "Draft" and record.kind == "purchase_order"
    )
    path = f"/rest/v1.0/purchase_order_contracts/{record.id}?project_id={record.project}"
    sandbox.as_user("DELETE", path, None)
    fresh = sandbox.system()
    again = next(found for found in records(fresh.read("commitments", scopes=[record.project])) if found.id == record.id)
    assert again.deleted
    assert again.lines == ()
    assert record.id not in set(fresh.keys("commitments", [record.project]))


@pytest.mark.parametrize("entity", ["vendors", "projects", "cost_codes", "commitments"])
def test_a_read_resumes_at_its_cursor(sandbox: Sandbox, entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = ProcoreClient.pages

    def smaller(client: ProcoreClient, path: str, *given: Any, per_page: int | None = None, **more: Any) -> Any:
        return pages(client, path, *given, per_page=per_page and (3 if path.endswith("/projects") else 20), **more)

    monkeypatch.setattr(ProcoreClient, "pages", smaller)
    monkeypatch.setattr("include.procore.areas.commitments.Commitments.page_size", 10)
    scopes = list(sandbox.system().keys("projects"))[:2] if entity == "commitments" else None
    whole = list(sandbox.system().read(entity, scopes=scopes))
    assert len(whole) > 2 or entity == "projects"
    for index, page in enumerate(whole[:-1]):
        rest = sandbox.system().read(entity, scopes=scopes, cursor=page.cursor)
        assert [record.id for record in records(rest)] == [record.id for later in whole[index + 1 :] for record in later.records]


def test_records_by_id(system: ProcoreSystem) -> None:
    for entity in ENTITIES:
        everything = records(system.read(entity))
        some = [everything[0], everything[-1], everything[len(everything) // 2]]
        named = [(getattr(record, "project", None), record.id) for record in some]
        again = records(system.read_ids(entity, [*named, (named[0][0], "999999999999")]))
        assert {record.id for record in again} == {record.id for record in some}
        by_id = {record.id: record for record in again}
        assert all(by_id[record.id] == record for record in some), entity


def test_inactive_vendors_by_id(system: ProcoreSystem) -> None:
    idle = next(record for record in records(system.read("vendors")) if not record.active)
    assert records(system.read_ids("vendors", [(None, idle.id)])) == [idle]


def test_keys_are_all_ids(system: ProcoreSystem) -> None:
    for entity in ENTITIES:
        assert Counter(system.keys(entity)) == Counter(
            record.id for record in records(system.read(entity)) if not record.deleted
        ), entity


def test_the_check_finds_nothing_wrong(sandbox: Sandbox, system: ProcoreSystem) -> None:
    health = system.check()
    assert health.problems == ()
    assert str(sandbox.info["company_id"]) in health.description
    sandbox.advance(86_400)
    later = system.check()
    assert later.now - health.now >= timedelta(days=1, seconds=-1)
    assert system.now() >= later.now


def test_the_check_names_what_is_wrong(sandbox: Sandbox) -> None:
    wrong = ProcoreClient(sandbox.url, None, 8089, sandbox.info["client_id"], "wrong-secret-9")
    problems = ProcoreSystem(wrong, erp_system="sandbox").check().problems
    assert len(problems) == 1
    assert "refused the client credentials" in problems[0]


def test_pages_in_the_browser(system: ProcoreSystem) -> None:
    record = next(iter(records(system.read("commitments"))))
    kind = {"subcontract": "work_order_contracts", "purchase_order": "purchase_order_contracts"}[record.kind]
    assert system.web_url(record) == f"{system.client.base_url}/{record.project}/project/commitments/{kind}/{record.id}"
    project = next(iter(records(system.read("projects"))))
    assert system.web_url(project) == f"{system.client.base_url}/{project.id}/project/home"


# ---------------------------------------------------------------------- what a well-behaved server does not show


def rows_at(fake: FakeProcore, path: str, rows: list[Any]) -> None:
    fake.script(path, Answer(rows))


def fake_system(client: ProcoreClient) -> ProcoreSystem:
    return ProcoreSystem(client, erp_system="sandbox")


def test_a_bad_record_does_not_stop_its_page(fake: FakeProcore, client: ProcoreClient) -> None:
    rows_at(
        fake,
        "/rest/v1.0/vendors",
        [{"id": 1, "name": "Good"}, {"id": 2, "name": None, "origin_code": "V-2"}, "x", {"id": 3, "name": 5}],
    )
    rows_at(
        fake,
        "/rest/v1.0/companies/8089/vendors/inactive",
        [{"id": 1, "name": "Good again"}, {"id": 4, "name": "Idle", "is_active": False}],
    )
    pages = list(fake_system(client).read("vendors"))
    assert [record.id for page in pages for record in page.records] == ["1", "4"], "each record once"
    invalid = [entry for page in pages for entry in page.invalid]
    assert [(entry.id, entry.number, entry.field) for entry in invalid] == [
        ("2", "V-2", "name"),
        (invalid[1].id, invalid[1].id, "record"),
        ("3", "5", "name"),
    ]
    assert invalid[1].id.startswith(NO_ID)


@pytest.mark.parametrize("ident", [None, 0, "", {"x": 1}, [], True])
def test_two_rows_without_an_id_that_can_be_read_are_two(fake: FakeProcore, client: ProcoreClient, ident: Any) -> None:
    """Each may be the twin of something, and has money of its own."""
    rows_at(fake, "/rest/v1.0/vendors", [{"id": ident, "name": "One"}, {"id": ident, "name": "Two"}])
    rows_at(fake, "/rest/v1.0/companies/8089/vendors/inactive", [])

    def read() -> list[Invalid]:
        return [bad for page in fake_system(client).read("vendors") for bad in once(page).invalid]

    found = read()
    assert [bad.number for bad in found] == ["One", "Two"] and len({bad.id for bad in found}) == 2
    assert all(bad.id.startswith(NO_ID) for bad in found) and read() == found, "the same in every run"


def test_a_project_that_is_hidden_is_reported_and_the_others_go_on(fake: FakeProcore, client: ProcoreClient) -> None:
    @fake.route("/rest/v1.0/work_order_contracts")
    def contracts(call: Call) -> Answer:
        if dict(call.query)["project_id"] == "2":
            return Answer({"code": 403, "message": "tool is off"}, 403)
        return Answer([])

    rows_at(fake, "/rest/v1.0/purchase_order_contracts", [])
    pages = list(fake_system(client).read("commitments", scopes=["1", "2", "3"]))
    (hidden,) = [invalid for page in pages for invalid in page.invalid]
    assert (hidden.scope, hidden.field) == ("2", "project")
    assert "tool is off" in hidden.message
    assert [page.cursor for page in pages] == [{"scope": "2"}, {"scope": "3"}, None]
    with pytest.raises(NotPermitted, match="every project"):
        list(fake_system(client).read("commitments", scopes=["2"]))
    with pytest.raises(NotPermitted):
        list(fake_system(client).keys("commitments", ["1", "2"]))


def test_projects_that_are_all_hidden_are_reported_by_no_page(fake: FakeProcore, client: ProcoreClient) -> None:
    """A page counts whatever ends the read behind it: a later try would go on behind all of them, and read none."""
    fake.script("/rest/v1.0/work_order_contracts", Answer({"code": 403, "message": "tool is off"}, 403))
    pages: list[Page] = []
    with pytest.raises(NotPermitted, match="every project"):
        pages.extend(fake_system(client).read("commitments", scopes=["1", "2"]))
    assert pages == []


def test_a_read_that_goes_on_at_a_hidden_project_is_told_so_too(fake: FakeProcore, client: ProcoreClient) -> None:
    """The projects before it have answered, to an earlier try."""
    fake.script("/rest/v1.0/work_order_contracts", Answer({"code": 403, "message": "tool is off"}, 403))
    (page,) = fake_system(client).read("commitments", scopes=["1", "2"], cursor={"scope": "2"})
    assert [bad.scope for bad in page.invalid] == ["2"] and page.cursor is None


SEGMENTS = "/rest/v1.0/companies/8089/work_breakdown_structure/segments"
TWO_LISTS = [{"id": 1, "name": "Master", "erp_integrated": False}, {"id": 2, "name": "2024", "erp_integrated": False}]


def code_lists_at(fake: FakeProcore, rows: list[Any]) -> None:
    rows_at(fake, SEGMENTS, [{"id": 72, "type": "line_item_type"}, {"id": 71, "type": "cost_code"}])
    rows_at(fake, f"{SEGMENTS}/71/lists", rows)


@pytest.mark.parametrize(("lists", "names"), [([], "none"), (TWO_LISTS, r"Master \(1\), 2024 \(2\)")])
def test_one_cost_code_list_needs_no_setting_and_more_need_one(
    fake: FakeProcore, client: ProcoreClient, lists: list[Any], names: str
) -> None:
    code_lists_at(fake, lists)
    with pytest.raises(ConfigurationError, match=f"Procore has: {names}. Set cost_code_list"):
        list(fake_system(client).read("cost_codes", scopes=[""]))


@pytest.mark.parametrize(("lists", "setting", "chosen"), [
    (TWO_LISTS[:1], None, "1"), (TWO_LISTS, "2024", "2"), (TWO_LISTS, "1", "1"), (TWO_LISTS, "Master", "1"),
])  # fmt: skip
def test_the_cost_code_list_is_a_setting(
    fake: FakeProcore, client: ProcoreClient, lists: list[Any], setting: str | None, chosen: str
) -> None:
    """By name or id; a company without an ERP connection has no list that is marked, and the deprecated call is not made."""
    code_lists_at(fake, lists)
    rows_at(fake, "/rest/v1.0/standard_cost_codes", [])
    list(ProcoreSystem(client, erp_system="sandbox", cost_code_list=setting).read("cost_codes", scopes=[""]))
    assert dict(fake.asked("/rest/v1.0/standard_cost_codes")[0].query)["standard_cost_code_list_id"] == chosen
    assert fake.asked("/rest/v1.0/standard_cost_code_lists") == []


@pytest.mark.parametrize("setting", ["3", "master", ""])
def test_a_cost_code_list_that_is_not_there_is_named(fake: FakeProcore, client: ProcoreClient, setting: str) -> None:
    code_lists_at(fake, TWO_LISTS)
    with pytest.raises(ConfigurationError, match=f"cost_code_list is '{setting}', which is no list"):
        list(ProcoreSystem(client, erp_system="sandbox", cost_code_list=setting).read("cost_codes", scopes=[""]))


def test_a_filter_that_is_ignored_does_no_harm(fake: FakeProcore, client: ProcoreClient) -> None:
    rows_at(fake, "/rest/v1.1/projects", [{"id": number, "name": f"P{number}", "active": True} for number in range(5)][1:])
    assert [record.id for record in records(fake_system(client).read_ids("projects", [(None, "3")]))] == ["3"]
    assert [record.id for record in records(fake_system(client).read("projects", scopes=["2"]))] == ["2"]


def test_ids_go_in_batches(fake: FakeProcore, client: ProcoreClient) -> None:
    rows_at(fake, "/rest/v1.1/projects", [])
    assert records(fake_system(client).read_ids("projects", [(None, str(number)) for number in range(1, 251)])) == []
    sizes = [sum(name == "filters[id][]" for name, _ in call.query) for call in fake.asked("/rest/v1.1/projects")]
    assert sizes == [100, 100, 50]


def test_wbs_items_without_their_path_are_looked_up(fake: FakeProcore, client: ProcoreClient) -> None:
    """Real replies may hold less than the sandbox's: segment items by id and own code only."""
    wbs = "/rest/v1.0/projects/9/work_breakdown_structure"
    code_lists_at(fake, [{"id": 3, "name": "Master"}])
    rows_at(fake, "/rest/v1.0/standard_cost_codes", [])
    rows_at(fake, "/rest/v1.0/line_item_types", [{"id": 41, "code": "C", "name": "Commitment"}])
    rows_at(fake, "/rest/v1.0/sub_jobs", [])
    codes = [
        {"id": 1, "code": "03", "full_code": "03", "name": "Concrete", "parent": {"id": None}},
        {"id": 2, "code": "3000", "full_code": "03-3000", "name": "Cast", "parent": {"id": 1}},
    ]
    rows_at(fake, "/rest/v1.0/cost_codes", codes)
    rows_at(fake, f"{wbs}/segments", [{"id": 71, "type": "cost_code"}, {"id": 72, "name": "Cost Type"}])
    rows_at(fake, f"{wbs}/segments/71/segment_items", [{"id": 501, "code": "3000", "path_code": "03-3000"}])
    item = {"id": 501, "code": "3000", "segment": {"id": 71, "type": "cost_code"}}
    kind = {"id": 601, "code": "C", "segment": {"id": 72, "type": "line_item_type"}}
    rows_at(
        fake,
        f"{wbs}/wbs_codes",
        [
            {"id": 1, "status": "active", "segment_items": [item, kind]},
            {"id": 2, "status": "inactive", "segment_items": [item, kind]},
        ],
    )
    found = {record.number: record for record in records(fake_system(client).read("cost_codes", scopes=["9"]))}
    assert found["03-3000"].cost_types == ("41",)
    assert (found["03"].cost_types, found["03"].is_header) == ((), True)
