"""Writing to the sandbox: what is sent, what is said about it, and what is found afterwards."""

from __future__ import annotations

import itertools
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities.codes import CostCode, CostType
from include.financials.entities.commitments import Commitment
from include.financials.entities.directory import Customer
from include.financials.entities.jobs import Project
from include.financials.exceptions import ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.port import Action, Item, Outcome
from include.financials.writing.steps import batches
from include.procore import payloads
from include.procore.areas.directory import VENDORS
from include.procore.client import ProcoreClient
from include.procore.pacing import Pace
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, Call, FakeProcore
from tests.unit.procore.items import all_of, item, sent, step, vendor

SYNC = "/rest/v1.0/vendors/sync"


@pytest.fixture
def system(sandbox: Sandbox) -> ProcoreSystem:
    return sandbox.system()


@pytest.fixture
def job(system: ProcoreSystem, sandbox: Sandbox) -> Project:
    found: Project = all_of(system, "projects")["25-104"]
    sandbox.forget()
    return found


# ---------------------------------------------------------------------- vendors, customers


def test_vendors_are_created_found_and_read_back(system: ProcoreSystem, sandbox: Sandbox) -> None:
    new = [
        vendor("V-9001", "Ågren Stål", tax_id="98-7654321", address="1 Road", city="Toledo", state="OH", zip="43604"),
        vendor("V-9002", active=False),
    ]
    items = [item(record, "G1", origin_data='{"rev": 1}') for record in new]
    create = step("vendors", "create")
    assert [outcome.status for outcome in system.find(create, items)] == ["absent", "absent"]
    outcomes = system.post(create, items)
    assert [outcome.status for outcome in outcomes] == ["confirmed", "confirmed"]
    found = system.find(create, items)
    assert [outcome.status for outcome in found] == ["confirmed", "confirmed"], "the inactive one too"
    assert [outcome.id for outcome in found] == [outcome.id for outcome in outcomes]
    stored = all_of(sandbox.system(), "vendors")
    steel = stored["V-9001"]
    assert (steel.name, steel.tax_id, steel.city, steel.state, steel.origin_data) == (
        "Ågren Stål",
        "98-7654321",
        "Toledo",
        "OH",
        '{"rev": 1}',
    )
    assert steel.origin_id == "sandbox:G1:vendors:V-9001"
    assert stored["V-9002"].active is False
    assert outcomes[0].record == steel
    assert len(sent(sandbox)) == 1


def test_an_update_sends_what_changed_and_nothing_else(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(
        SYNC,
        Answer({"entities": [{"id": 7, "origin_id": "sandbox:G1:vendors:V-1", "name": "New"}], "errors": []}),
        method="PATCH",
    )
    changed = item(vendor("V-1", "New", city="Elsewhere"), "G1", procore_id="7", changes=("name",))
    same = item(vendor("V-2"), "G1", procore_id="8", changes=())
    outcomes = ProcoreSystem(client, erp_system="sandbox").post(step("vendors", "update"), [changed, same])
    assert {outcome.intent: (outcome.status, outcome.id) for outcome in outcomes} == {
        "i-V-1": ("confirmed", "7"),
        "i-V-2": ("confirmed", "8"),
    }
    (call,) = fake.asked(SYNC)
    assert call.json == {"company_id": 8089, "updates": [{"origin_id": "sandbox:G1:vendors:V-1", "id": 7, "name": "New"}]}


def test_an_update_is_found_by_its_content(system: ProcoreSystem, sandbox: Sandbox) -> None:
    known = all_of(system, "vendors")["V-1042"]
    record = vendor("V-1042", "Another name", tax_id="11-1111111", active=known.active)
    update = item(record, "G1", procore_id=known.id, changes=("name", "tax_id", "code", "active"))
    assert system.find(step("vendors", "update"), [update])[0].status == "absent"
    assert system.post(step("vendors", "update"), [update])[0].status == "confirmed"
    assert sandbox.system().find(step("vendors", "update"), [update])[0].status == "confirmed"
    now = all_of(sandbox.system(), "vendors")["V-1042"]
    assert (now.name, now.tax_id, now.city) == ("Another name", "11-1111111", known.city)


def test_customers_are_directory_companies(system: ProcoreSystem, sandbox: Sandbox) -> None:
    record = Customer(id="C-9001", number="C-9001", code="C-9001", name="New owner", company="01")
    assert system.post(step("customers", "create"), [item(record)])[0].record is not None
    assert "C-9001" in all_of(sandbox.system(), "customers")
    assert "C-9001" not in all_of(sandbox.system(), "vendors")


def test_1001_updates_take_two_calls(system: ProcoreSystem, sandbox: Sandbox) -> None:
    create = step("vendors", "create")
    items = [item(vendor(f"W-{number}"), "G1") for number in range(1001)]
    assert create.batch == 1000
    outcomes = [outcome for batch in batches(items, create.batch) for outcome in system.post(create, batch)]
    assert len(outcomes) == 1001
    assert {outcome.status for outcome in outcomes} == {"confirmed"}
    assert [entry["path"] for entry in sent(sandbox)] == [SYNC, SYNC]
    with pytest.raises(ContractBroken, match="413"):
        system.post(create, items)
    assert all(outcome.status == "confirmed" for outcome in system.find(create, items)), "many are found in the whole list"


# ---------------------------------------------------------------------- sync replies


def sync_of(fake: FakeProcore, reply: Any, status: int = 200) -> None:
    fake.script(SYNC, Answer(reply, status), method="PATCH")


def post_vendors(client: ProcoreClient, *keys: str) -> list[Outcome]:
    return ProcoreSystem(client, erp_system="sandbox").post(step("vendors", "create"), [item(vendor(key), "G1") for key in keys])


def entity(key: str, ident: int) -> dict[str, Any]:
    return {"id": ident, "origin_id": f"sandbox:G1:vendors:{key}", "name": key}


def test_replies_are_matched_by_external_id(fake: FakeProcore, client: ProcoreClient) -> None:
    failed = {"id": 0, "origin_id": "sandbox:G1:vendors:B", "name": "B", "errors": {"name": ["has already been taken"]}}
    locked = {"origin_id": "sandbox:G1:vendors:D", "errors": {"base": ["The record is locked"]}}
    sync_of(fake, {"entities": [entity("C", 3), entity("A", 1)], "errors": [locked, failed]})
    fake.script("/rest/v1.0/vendors", Answer([entity("A", 1), entity("C", 3)]))
    outcomes = {outcome.intent: outcome for outcome in post_vendors(client, "A", "B", "C", "D")}
    assert (outcomes["i-A"].id, outcomes["i-C"].id) == ("1", "3")
    assert (outcomes["i-B"].status, outcomes["i-B"].message, outcomes["i-B"].field) == (
        "rejected",
        "name: has already been taken",
        "name",
    )
    assert (outcomes["i-D"].status, outcomes["i-D"].locked) == ("rejected", True)


@pytest.mark.parametrize(
    "reply",
    [
        {"entities": [entity("A", 1)], "errors": []},
        {"entities": [], "errors": []},
        {"errors": []},
        [],
        None,
        {"entities": "none"},
        {"entities": [5]},
    ],
)
def test_a_record_that_the_reply_does_not_mention_has_no_outcome(fake: FakeProcore, client: ProcoreClient, reply: Any) -> None:
    sync_of(fake, reply)
    with pytest.raises(OutcomeUnknown):
        post_vendors(client, "A", "B")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ({"entities": [entity("A", 1), entity("A", 9)], "errors": []}, "two ids, 1 and 9"),
        (
            {"entities": [entity("A", 1)], "errors": [{**entity("A", 1), "errors": {"name": ["is taken"]}}]},
            "both done and refused",
        ),
        ({"entities": [entity("A", 1)], "errors": [{"id": 1, "errors": {"name": ["is taken"]}}]}, None),  # of nobody's key
    ],
)
def test_a_reply_that_contradicts_itself_proves_nothing(
    fake: FakeProcore, client: ProcoreClient, reply: Any, says: str | None
) -> None:
    """Which of two ids is the new record's, or whether there is one, is looked for and not believed."""
    sync_of(fake, reply)
    if says is None:
        assert [outcome.id for outcome in post_vendors(client, "A")] == ["1"]
        return
    with pytest.raises(OutcomeUnknown, match=says):
        post_vendors(client, "A")


@pytest.mark.parametrize("ident", [-5, 0, "0", True, "abc", "", [], 1.5])
def test_an_id_that_is_none_is_no_answer(fake: FakeProcore, client: ProcoreClient, ident: Any) -> None:
    sync_of(fake, {"entities": [{**entity("A", 1), "id": ident}], "errors": []})
    with pytest.raises(OutcomeUnknown, match="no record"):
        post_vendors(client, "A")


def test_another_external_id_coming_back_is_no_success(fake: FakeProcore, client: ProcoreClient) -> None:
    sync_of(fake, {"entities": [{"id": 7, "origin_id": "other:1"}], "errors": []})
    link = item(vendor("A"), "G1", procore_id="7")
    (outcome,) = ProcoreSystem(client, erp_system="sandbox").post(step("vendors", "link"), [link])
    assert (outcome.status, outcome.field) == ("rejected", "origin_id")


def test_one_external_id_twice_is_never_sent(fake: FakeProcore, client: ProcoreClient) -> None:
    with pytest.raises(ContractBroken, match="two records of one call"):
        ProcoreSystem(client, erp_system="sandbox").post(step("vendors", "create"), [item(vendor("A"), "G1")] * 2)
    assert not fake.asked(SYNC)


def test_a_refused_call_is_the_outcome_of_its_only_record(fake: FakeProcore, client: ProcoreClient) -> None:
    sync_of(fake, {"code": 422, "message": "Record is locked", "fields": "name"}, 422)
    (outcome,) = post_vendors(client, "A")
    assert (outcome.status, outcome.field, outcome.locked) == ("rejected", "name", True)
    with pytest.raises(Refused):
        post_vendors(client, "A", "B")


def test_a_call_covers_one_scope(fake: FakeProcore, client: ProcoreClient) -> None:
    codes = [code("03", project="p", refs_project=project) for project in ("1", "2")]
    with pytest.raises(ContractBroken, match="several scopes"):
        ProcoreSystem(client, erp_system="sandbox").post(step("cost_codes", "create"), codes)
    assert not fake.calls


# ---------------------------------------------------------------------- faults of the sandbox


def test_a_write_whose_answer_is_lost_is_found(system: ProcoreSystem, sandbox: Sandbox) -> None:
    sandbox.faults({"method": "PATCH", "path": "vendors/sync", "times": 1, "action": "drop_after"})
    new = item(vendor("V-9100"), "G1")
    with pytest.raises(OutcomeUnknown):
        system.post(step("vendors", "create"), [new])
    assert [entry["fault"] for entry in sent(sandbox)] == ["drop_after"], "sent once, and the fault fired"
    (found,) = sandbox.system().find(step("vendors", "create"), [new])
    assert found.status == "confirmed"
    assert found.id


def test_a_write_that_never_arrived_is_absent(system: ProcoreSystem, sandbox: Sandbox) -> None:
    sandbox.faults({"method": "PATCH", "path": "vendors/sync", "times": 1, "action": "drop_before"})
    new = item(vendor("V-9101"), "G1")
    with pytest.raises(OutcomeUnknown):
        system.post(step("vendors", "create"), [new])
    assert [entry["fault"] for entry in sent(sandbox)] == ["drop_before"]
    assert system.find(step("vendors", "create"), [new])[0].status == "absent"


def test_limits_are_kept(sandbox: Sandbox) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        sandbox.advance(seconds + 1)
        clock[0] += seconds + 1

    clock = [1000.0]
    sandbox.reset(settings={"rate_limit_spike": 5, "rate_limit_hour": 600})
    sandbox.forget()
    system = sandbox.system(sleep=sleep, clock=lambda: clock[0], pace=Pace(lambda: clock[0]))
    for _ in range(12):
        assert list(system.read("cost_types"))
    assert waits, "the limit was met"
    assert [entry["status"] for entry in sandbox.requests() if "line_item_types" in entry["path"]] == [200] * 12, (
        "and never broken"
    )


def test_the_hourly_limit_ends_the_task(sandbox: Sandbox) -> None:
    sandbox.reset(settings={"rate_limit_spike": 1000, "rate_limit_hour": 6})
    system = sandbox.system(pace=Pace())
    with pytest.raises(RetryLater) as caught:
        list(itertools.chain.from_iterable(system.read("cost_types") for _ in range(20)))
    assert caught.value.seconds is not None
    assert 60 < caught.value.seconds <= 3602


def test_a_token_that_ran_out_on_the_server(sandbox: Sandbox) -> None:
    system = sandbox.system()
    list(system.read("cost_types"))
    sandbox.advance(5400 + 60)
    sandbox.forget()
    assert list(system.read("cost_types"))
    assert [entry["status"] for entry in sandbox.requests() if "line_item_types" in entry["path"]] == [401, 200]


# ---------------------------------------------------------------------- projects


def test_a_project_is_created_and_numbered(system: ProcoreSystem, sandbox: Sandbox) -> None:
    record = Project(id="26-999", number="26-999", name="New job", company="01", start_date=date(2026, 10, 1))
    new = item(record)
    steps = system.steps("projects", "create")
    assert [row.name for row in steps] == ["create", "origin_code"]
    (made,) = system.post(steps[0], [new])
    numbered = Item(**{**{name: getattr(new, name) for name in Item.__slots__}, "procore_id": made.id})
    assert system.find(steps[1], [numbered])[0].status == "absent"
    assert system.post(steps[1], [numbered])[0].status == "confirmed"
    assert system.find(steps[1], [numbered])[0].status == "confirmed"
    assert [(entry["method"], entry["path"]) for entry in sent(sandbox)] == [
        ("PATCH", "/rest/v1.0/projects/sync"),
        ("PATCH", f"/rest/v1.0/projects/{made.id}"),
    ]
    stored = all_of(sandbox.system(), "projects")["26-999"]
    assert (stored.name, stored.status, stored.start_date, stored.origin_code) == ("New job", "open", date(2026, 10, 1), "26-999")
    assert sandbox.system().post(steps[1], [numbered])[0].status == "confirmed"
    assert len(sent(sandbox)) == 2, "a number that is there is not sent again"


@pytest.mark.parametrize(("status", "active"), [("open", True), ("soft_closed", True), ("closed", False)])
def test_a_job_that_closes_closes_its_project(fake: FakeProcore, client: ProcoreClient, status: Any, active: bool) -> None:
    fake.script(
        "/rest/v1.0/projects/sync",
        Answer({"entities": [{"id": 7, "origin_id": "sandbox:01:projects:J"}], "errors": []}),
        method="PATCH",
    )
    record = Project(id="J", number="J", name="Job", status=status)
    ProcoreSystem(client, erp_system="sandbox").post(
        step("projects", "update"), [item(record, procore_id="7", changes=("active", "completion_date"))]
    )
    (update,) = fake.asked("/rest/v1.0/projects/sync")[0].json["updates"]
    assert update == {"origin_id": "sandbox:01:projects:J", "id": 7, "active": active, "completion_date": None}


# ---------------------------------------------------------------------- cost types, cost codes


def code(
    full: str, *, project: str | None = "25-104", parent: str | None = None, refs_project: str | None = None, **options: Any
) -> Item:
    own = full.rpartition("-")[2]
    key = f"{project or ''}//{full}"
    record = CostCode(
        id=key,
        number=full,
        project=project,
        code=own,
        name=f"Code {full}",
        parent=f"{project or ''}//{parent}" if parent else None,
        cost_types=options.pop("types", ()),
        level=options.get("level", 0),
    )
    refs = {"project": refs_project, **options.pop("refs", {})} if refs_project else options.pop("refs", {})
    return item(record, "01" if project else "G1", refs=refs, **options)


def test_cost_types_go_out_with_procores_codes(system: ProcoreSystem, sandbox: Sandbox) -> None:
    known = all_of(system, "cost_types")["C"]
    record = CostType(id="3", number="3", name="Subcontracts", base_type="subcontract")
    update = item(record, "G1", procore_id=known.id, changes=("name", "number", "base_type"))
    assert system.post(step("cost_types", "update"), [update])[0].status == "confirmed"
    assert system.find(step("cost_types", "update"), [update])[0].status == "confirmed"
    now = all_of(sandbox.system(), "cost_types")["C"]
    assert (now.id, now.name, now.base_type) == (known.id, "Subcontracts", "commitment")


def test_project_codes_go_level_by_level_and_get_their_types(system: ProcoreSystem, sandbox: Sandbox, job: Project) -> None:
    create, wbs = system.steps("cost_codes", "create")
    assert create.levels
    types = {record.number: record.id for record in all_of(system, "cost_types").values()}
    refs = {"type:3": types["C"], "type:1": types["L"]}
    division = code("77", refs_project=job.id)
    leaf = code("77-1000", parent="77", refs_project=job.id, level=1, types=("3", "1"), refs=refs)
    orphan = code("78-1000", parent="78", refs_project=job.id, level=1)
    assert system.scope(create, division) == system.scope(create, leaf) == job.id
    assert system.post(create, [division])[0].status == "confirmed"
    outcomes = {outcome.intent: outcome for outcome in system.post(create, [leaf, orphan])}
    assert outcomes[leaf.intent].status == "confirmed"
    assert (outcomes[orphan.intent].status, outcomes[orphan.intent].field) == ("rejected", "parent_id"), "never sent as a root"
    assert [outcome.status for outcome in system.find(wbs, [division, leaf])] == ["confirmed", "absent"]
    assert not system.wants(wbs, division)
    assert [outcome.status for outcome in system.post(wbs, [division, leaf])] == ["confirmed", "confirmed"]
    fresh = sandbox.system()
    assert fresh.find(wbs, [leaf])[0].status == "confirmed"
    stored = all_of(fresh, "cost_codes", [job.id])["77-1000"]
    assert stored.level == 1
    assert set(stored.cost_types) == {types["C"], types["L"]}
    assert fresh.find(create, [division, leaf])[1].id == stored.id
    writes = len(sent(sandbox))
    assert fresh.post(wbs, [leaf])[0].status == "confirmed"
    assert len(sent(sandbox)) == writes == 3, "types that are there are not sent again"


def test_a_type_that_procore_lacks_stops_its_code_only(system: ProcoreSystem, sandbox: Sandbox, job: Project) -> None:
    wbs = step("cost_codes", "create", "wbs")
    types = {record.number: record.id for record in all_of(system, "cost_types").values()}
    good = code("03-3000", refs_project=job.id, types=("5",), refs={"type:5": types["O"]})
    bad = code("04-2000", refs_project=job.id, types=("9",))
    unknown = code("99-9999", refs_project=job.id, types=("5",), refs={"type:5": types["O"]})
    outcomes = {outcome.intent: outcome for outcome in system.post(wbs, [good, bad, unknown])}
    assert outcomes[good.intent].status == "confirmed"
    assert (outcomes[bad.intent].status, outcomes[bad.intent].field) == ("rejected", "cost_types")
    assert (outcomes[unknown.intent].status, outcomes[unknown.intent].field) == ("rejected", "cost_code")


def test_a_code_made_after_the_look_is_found(system: ProcoreSystem, job: Project) -> None:
    create, wbs = system.steps("cost_codes", "create")
    types = {record.number: record.id for record in all_of(system, "cost_types").values()}
    refs = {"type:5": types["O"]}
    assert system.post(wbs, [code("03-3000", refs_project=job.id, types=("5",), refs=refs)])[0].status == "confirmed"
    new = code("88", refs_project=job.id, types=("5",), refs=refs)
    assert system.post(create, [new])[0].status == "confirmed"
    assert system.post(wbs, [new])[0].status == "confirmed"


def test_standard_codes_go_with_their_prefix(system: ProcoreSystem, sandbox: Sandbox) -> None:
    create, wbs = system.steps("cost_codes", "create")
    division, leaf = code("77", project=None), code("77-1000", project=None, parent="77", level=1)
    assert system.scope(create, division) == "standard"
    assert system.post(create, [division])[0].status == "confirmed"
    assert system.post(create, [leaf])[0].status == "confirmed"
    assert system.post(wbs, [leaf])[0].status == "confirmed", "no types, no call"
    stored = all_of(sandbox.system(), "cost_codes", [""])["77-1000"]
    assert (stored.code, stored.project, stored.level) == ("1000", None, 1)
    assert len(sent(sandbox)) == 2
    rename = code("77-1000", project=None, parent="77", procore_id=stored.id, changes=("name",))
    assert system.find(step("cost_codes", "update"), [rename])[0].status == "confirmed", "the name is there already"


def test_another_full_code_coming_back_is_loud(sandbox: Sandbox, job: Project) -> None:
    sandbox.reset(settings={"cost_code_delimiter": "."})
    system = sandbox.system()
    create = step("cost_codes", "create")
    (made,) = system.post(create, [code("77", refs_project=job.id)])
    leaf = code("77-1000", parent="77", refs_project=job.id, level=1, refs={"parent": made.id})
    (outcome,) = system.post(create, [leaf])
    assert (outcome.status, outcome.field) == ("rejected", "full_code")
    assert "77.1000" in (outcome.message or "")
    assert outcome.id, "it exists, and the message can be acted on"


# ---------------------------------------------------------------------- commitments


def contract(record: Commitment, key: str | None = None, **options: Any) -> Item:
    """Procore's record, as the source of a link: the ERP key is known by now."""
    in_erp_keys = record.model_copy(update={"project": "25-104", "vendor": "V-1"})
    number = key or record.number
    return Item(
        intent=f"i-{number}",
        record=in_erp_keys,
        company="01",
        number=record.number,
        origin_id=f"sandbox:01:commitments:{number}",
        origin_data='{"rev": 1}',
        procore_id=record.id,
        erp_key=number,
        refs={"project": record.project},
        **options,
    )


@pytest.mark.parametrize("kind", ["subcontract", "purchase_order"])
@pytest.mark.parametrize("lock", ["approved_complete", "off"])
def test_a_link_writes_external_ids_and_nothing_else(sandbox: Sandbox, system: ProcoreSystem, kind: str, lock: str) -> None:
    sandbox.reset(settings={"sov_lock": lock})
    before = {record.id: record for page in system.read("commitments") for record in page.records}
    chosen = [
        record for record in before.values() if record.kind == kind and record.status == "Approved" and record.origin_id is None
    ]
    scope = chosen[0].project
    items = [contract(record, key=f"T-{record.id}") for record in chosen if record.project == scope]
    steps = {"subcontract": step("commitments", "link"), "purchase_order": step("commitments", "link", "link_order")}
    link = steps.pop(kind)
    assert all(system.wants(link, entry) for entry in items)
    assert not any(system.wants(other, entry) for other in steps.values() for entry in items)
    assert {system.scope(link, entry) for entry in items} == {scope}
    assert {outcome.status for outcome in system.find(link, items)} == {"absent"}
    sandbox.forget()
    outcomes = system.post(link, items)
    assert {(outcome.status, outcome.record) for outcome in outcomes} == {("confirmed", None)}
    calls = [call["path"] for call in sent(sandbox)]
    orders = [f"/rest/v1.0/purchase_order_contracts/{entry.procore_id}" for entry in items]
    assert calls == (["/rest/v1.0/work_order_contracts/sync"] if kind == "subcontract" else orders)
    assert {outcome.status for outcome in system.find(link, items)} == {"confirmed"}
    for page in sandbox.system().read("commitments", scopes=[scope]):
        for record in page.records:
            old = before[record.id]
            linked = {"origin_id": record.origin_id, "origin_code": record.origin_code, "origin_data": record.origin_data}
            assert record.model_copy(update={"updated_at": old.updated_at}) == old.model_copy(
                update={**linked, "company": record.company}
            )
            if record.kind == kind and record.id in {entry.procore_id for entry in items}:
                assert (record.origin_id, record.origin_code) == (f"sandbox:01:commitments:T-{record.id}", f"T-{record.id}")


def test_a_link_sends_only_the_external_ids(fake: FakeProcore, client: ProcoreClient) -> None:
    path = "/rest/v1.0/work_order_contracts/sync"
    fake.script(
        path, Answer({"entities": [{"id": 5000000001, "origin_id": "sandbox:01:commitments:N"}], "errors": []}), method="PATCH"
    )
    record = Commitment(
        id="5000000001", number="N", kind="subcontract", project="77", vendor="1", status="Approved", amount=Decimal("1.00")
    )
    ProcoreSystem(client, erp_system="sandbox").post(step("commitments", "link"), [contract(record)])
    assert fake.asked(path)[0].json == {
        "project_id": 77,
        "updates": [{"id": 5000000001, "origin_id": "sandbox:01:commitments:N", "origin_code": "N", "origin_data": '{"rev": 1}'}],
    }


def test_an_external_id_that_is_taken_is_refused(system: ProcoreSystem) -> None:
    """The one that asks for it is told so, the others of its call go through."""
    free = [row for row in all_of(system, "commitments").values() if row.kind == "subcontract" and not row.origin_id]
    first, second = [row for row in free if row.project == free[-1].project][:2]
    taken = contract(second, key="104-SC-003")
    outcomes = {outcome.intent: outcome for outcome in system.post(step("commitments", "link"), [taken, contract(first)])}
    assert outcomes[f"i-{first.number}"].status == "confirmed"
    assert (outcomes[taken.intent].status, outcomes[taken.intent].field) == ("rejected", "origin_id")


def test_a_link_of_another_integration_is_not_ours(system: ProcoreSystem, sandbox: Sandbox, job: Project) -> None:
    record = all_of(system, "commitments", [job.id])["104-SC-003"]
    (found,) = system.find(step("commitments", "link"), [contract(record, key="OTHER-1")])
    assert found.status == "absent"
    assert "104-SC-003" in (found.message or "")
    gone = contract(record.model_copy(update={"id": "999999999999"}))
    assert system.find(step("commitments", "link"), [gone])[0].status == "absent"


def test_without_a_procore_id_there_is_nothing_to_link(system: ProcoreSystem, sandbox: Sandbox) -> None:
    (outcome,) = system.post(step("vendors", "link"), [item(vendor("V-1"), "G1")])
    assert (outcome.status, outcome.field) == ("rejected", "id")
    assert not sent(sandbox), "it would have created a vendor"


# ---------------------------------------------------------------------- steps as data


def test_steps_and_capabilities_agree(system: ProcoreSystem) -> None:
    actions: tuple[Action, ...] = ("create", "update", "link", "void")
    for entity_name, capability in system.capabilities().items():
        for action in actions:
            assert bool(system.steps(entity_name, action)) == getattr(capability, action), (entity_name, action)
    assert system.steps("nothing", "create") == ()
    assert system.post(step("vendors", "create"), []) == system.find(step("vendors", "create"), []) == []


def test_a_vendor_of_the_unlinked_company_is_linked_by_id(system: ProcoreSystem, sandbox: Sandbox) -> None:
    free = next(record for record in all_of(system, "vendors").values() if record.origin_id is None)
    link = item(vendor("V-7777"), "G1", procore_id=free.id)
    assert system.post(step("vendors", "link"), [link])[0].status == "confirmed"
    now = next(record for record in all_of(sandbox.system(), "vendors").values() if record.id == free.id)
    assert (now.origin_id, now.origin_code, now.name) == ("sandbox:G1:vendors:V-7777", "V-7777", free.name)


def test_the_call_that_goes_wrong_names_itself(fake: FakeProcore, client: ProcoreClient) -> None:
    @fake.route(SYNC, "PATCH")
    def broken(call: Call) -> Answer:
        return Answer(b"[]garbage")

    with pytest.raises(OutcomeUnknown, match=f"PATCH {SYNC}"):
        post_vendors(client, "A")


# ---------------------------------------------------------------------- sub jobs


def test_codes_of_a_sub_job_stay_apart(system: ProcoreSystem, sandbox: Sandbox, job: Project) -> None:
    """The same code may exist in the job and in its sub job; each has types of its own."""
    made = system.client.post(
        "/rest/v1.0/sub_jobs", {"project_id": int(job.id), "sub_job": {"name": "Site", "code": "20"}}
    ).object
    types = {record.number: record.id for record in all_of(system, "cost_types").values()}
    create, wbs = system.steps("cost_codes", "create")

    def of_sub_job(full: str, parent: str | None = None, wanted: tuple[str, ...] = (), sub_job: str = "20") -> Item:
        key = f"25-104/{sub_job}/{full}"
        record = CostCode(
            id=key,
            number=full,
            project="25-104",
            sub_job=sub_job,
            code=full.rpartition("-")[2],
            name="Of the sub job",
            parent=f"25-104/{sub_job}/{parent}" if parent else None,
            cost_types=wanted,
        )
        return item(record, refs={"project": job.id, "type:5": types["O"]})

    division, leaf = of_sub_job("03"), of_sub_job("03-3000", "03", ("5",))
    assert system.scope(create, division) != system.scope(create, code("03", refs_project=job.id))
    assert system.post(create, [division])[0].status == "confirmed"
    assert system.post(create, [leaf])[0].status == "confirmed"
    assert system.post(wbs, [leaf])[0].status == "confirmed"
    fresh = sandbox.system()
    assert [outcome.status for outcome in fresh.find(create, [leaf])] == ["confirmed"]
    assert [outcome.status for outcome in fresh.find(wbs, [leaf])] == ["confirmed"]
    found = [row for page in fresh.read("cost_codes", scopes=[job.id]) for row in page.records if row.number == "03-3000"]
    own = {row.sub_job: set(row.cost_types) for row in found if isinstance(row, CostCode) and row.project}
    assert own[str(made["id"])] == {types["O"]}
    assert types["C"] in own[None]
    assert types["O"] not in own[None]
    assert set(fresh.keys("cost_codes", [job.id])) >= {row.id for row in found if getattr(row, "project", None)}
    raw = fresh.client.get("/rest/v1.0/cost_codes", {"project_id": job.id, "sub_job_id": made["id"]}).rows
    given = {row["full_code"]: [str(kind["id"]) for kind in row["line_item_types"]] for row in raw}
    assert given["03-3000"] == [types["O"]], "the sub job's own code got the type, not its namesake"
    (outcome,) = fresh.post(create, [of_sub_job("05", sub_job="99")])
    assert (outcome.status, outcome.field) == ("rejected", "sub_job")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({}, None),
        ({"name": "B"}, "name"),
        ({"name": "b ltd"}, None),
        ({"name": "B", "is_active": False}, "name"),
        ({"is_active": False}, None),
        ({"amount": "2.0"}, "amount"),
        ({"amount": "1.00"}, None),
    ],
)
def test_what_a_reply_tells_as_it_was_sent_for_another(told: dict[str, Any], kind: str | None) -> None:
    """A switch that Procore keeps otherwise than it was sent is no mistaken identity, an amount may be."""
    money = "amount" in told
    own = {"origin_id": "a", "name": "A", "is_active": True} | ({"amount": Decimal("1")} if money else {})
    other = {"origin_id": "b", "name": "B", "is_active": "is_active" not in told} | ({"amount": Decimal("2")} if money else {})
    row = {**own, **told, "id": 7}
    assert payloads.of_another(VENDORS, row, own, [own, other]) == kind
