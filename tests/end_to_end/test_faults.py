"""Something breaks in the middle. The run after it completes, and nothing is lost or made twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from include.erp.registry import erp_system
from include.financials.exceptions import RetryLater, SyncError, Unsettled
from include.financials.ledger.journal import Journal
from sandbox import pipeline
from sandbox.chaos import people
from tests.end_to_end.world import State, World, done, expected, stopped, unexplained

pytestmark = pytest.mark.slow

VENDORS, CODES, ASSIGNED = "/vendors/sync$", "/cost_codes/sync$", "/wbs_codes/bulk_create$"
CONTRACTS = "/work_order_contracts/sync$"
FORKED = multiprocessing.get_context("fork")
"""A process as real as any other, that need not import everything first."""


@pytest.fixture(scope="session")
def undisturbed(tiny_states: dict[str, State]) -> dict[str, Any]:
    """How the tiny company looks after an undisturbed first run."""
    settled = tiny_states["settled"]
    assert done(settled.report)["commitments"]["created"] == 1 and settled.report["reconciliation"]["balanced"] is True
    return settled.picture()


def persist(world: World, tries: int = 3, entities: tuple[str, ...] = ()) -> tuple[dict[str, Any], list[str], int]:
    """Run until a run goes through, as retries would (after the wait that a doubt asks for): its report, the faults that fired,
    and how many runs failed."""
    fired: list[str] = []
    for failed in range(tries):
        try:
            report = world.quick(params={"entities": list(entities)} if entities else {})
        except SyncError as error:
            fired += world.fired()
            if isinstance(error, Unsettled):
                world.advance(minutes=(error.seconds or 0) / 60)
        else:
            return report, fired + world.fired(), failed
    raise AssertionError(f"no run out of {tries} went through")


def settled_as(world: World, picture: dict[str, Any]) -> None:
    """Both systems are as if nothing had happened, and a further run finds nothing to do."""
    assert world.picture() == picture
    audit = world.audit()
    report = world.run()
    assert (done(report), world.writes(), world.audit()) == ({}, [], audit)
    assert report["reconciliation"]["balanced"] is True and unexplained(report) == []


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        *[({"action": "drop_after"}, path) for path in (VENDORS, CODES, ASSIGNED, CONTRACTS)],
        ({"action": "drop_before"}, CONTRACTS),
        ({"action": "status", "status": 503}, VENDORS),
        *[({"action": "status", "status": 500}, path) for path in (CODES, CONTRACTS)],
        ({"action": "status", "status": 429, "headers": {"Retry-After": "1"}}, VENDORS),
    ],
    ids=lambda value: (
        str(value.get("status", value["action"])) if isinstance(value, dict) else value.strip("/$").partition("/")[0]
    ),
)
def test_a_write_that_goes_wrong_once(fresh_tiny: World, undisturbed: dict[str, Any], fault: dict[str, Any], path: str) -> None:
    fresh_tiny.fault(method="PATCH", path=path, times=1, **fault)
    report, fired, failed = persist(fresh_tiny)
    assert fired == [fault["action"]]
    if (path, fault["action"]) == (VENDORS, "drop_after"):  # the effect is there: it is found by its external id, not sent again
        assert (failed, fresh_tiny.writes().count("PATCH /vendors/sync")) == (0, 1)
    assert report["reconciliation"]["balanced"] is True
    assert fresh_tiny.picture() == undisturbed  # links, too: nothing is left to do


def test_procore_is_down_for_a_while(fresh_tiny: World, undisturbed: dict[str, Any]) -> None:
    """Every write of contracts fails for a whole run: the document is in the ERP, its external id follows in the next one."""
    fresh_tiny.fault(method="PATCH", path=CONTRACTS, action="drop_before")
    with pytest.raises(SyncError):
        fresh_tiny.quick()
    assert set(fresh_tiny.fired()) == {"drop_before"} and len(fresh_tiny.entered()) == 1
    fresh_tiny.mend()
    fresh_tiny.advance(minutes=1)  # what was sent without an answer has had the time to arrive
    report = fresh_tiny.quick()
    assert fresh_tiny.writes().count("PATCH /work_order_contracts/sync") == 1 and len(fresh_tiny.entered()) == 1
    assert report["reconciliation"]["balanced"] is True
    settled_as(fresh_tiny, undisturbed)


def test_reading_is_interrupted(fresh_tiny: World, undisturbed: dict[str, Any]) -> None:
    for path in ("/vendors$", "/cost_codes$", "/line_items$"):
        fresh_tiny.fault(method="GET", path=path, times=1, action="drop_after")
    _, fired, _ = persist(fresh_tiny)
    assert fired == ["drop_after"] * 3
    settled_as(fresh_tiny, undisturbed)


def test_the_erp_is_locked_while_posting(fresh_tiny: World, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "erp_system", partial(erp_system, lock_timeout=0.2))
    with closing(sqlite3.connect(fresh_tiny.folder / "erp.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryLater):
            pipeline.run(fresh_tiny.info, fresh_tiny.folder, "locked", params={"since": None})
        other.execute("ROLLBACK")
    assert fresh_tiny.entered() == []
    report = fresh_tiny.quick()
    assert len(fresh_tiny.entered()) == 1 and report["reconciliation"]["balanced"] is True
    settled_as(fresh_tiny, undisturbed)


def kill(world: World, entity: str, system: str) -> None:
    """A run whose process is killed after a call of that entity was answered, before its outcome was written down."""
    settled = Journal.settled

    def die(self: Journal, lease: Any, call: Any, *rest: Any, **options: Any) -> Any:
        if call and (call.entity, call.system) == (entity, system):
            os.kill(os.getpid(), signal.SIGKILL)
        return settled(self, lease, call, *rest, **options)

    def run() -> None:
        with mock.patch.object(Journal, "settled", die):
            pipeline.run(world.info, world.folder, "killed", params={"since": None})

    child = FORKED.Process(target=run)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(("entity", "system"), [("vendors", "procore"), ("commitments", "erp"), ("commitments", "procore")])
def test_a_killed_process(fresh_tiny: World, undisturbed: dict[str, Any], entity: str, system: str) -> None:
    kill(fresh_tiny, entity, system)
    assert fresh_tiny.ledger("SELECT status FROM intents WHERE entity = ? AND status = 'sent'", entity)
    with pytest.raises(RetryLater, match="being written by another task"):
        fresh_tiny.quick()  # its lease still runs: nobody else may write, and nobody waits
    entered = fresh_tiny.entered()
    fresh_tiny.ledger_sql("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")  # three minutes later
    fresh_tiny.forget_requests()
    report = fresh_tiny.quick()
    assert report["reconciliation"]["balanced"] is True
    if entity == "commitments":
        assert entered == fresh_tiny.entered() and len(entered) == 1
        assert fresh_tiny.writes().count("PATCH /work_order_contracts/sync") == (1 if system == "erp" else 0)
    else:
        assert "PATCH /vendors/sync" not in fresh_tiny.writes()
    settled_as(fresh_tiny, undisturbed)


def test_a_lost_ledger(world: World, settled: State) -> None:
    """Everything is linked again by its external id and marker, and nothing is written for it.

    All that is left to judge are the ten bad commitments of old: they would fill any limit, but there is nothing new to keep out.
    """
    audit, before = world.audit(), {n: r["created"] + r["adopted"] for n, r in settled.report["entities"].items()}
    world.forget_ledger()
    report = world.quick()
    assert {name: row["adopted"] for name, row in report["entities"].items()} == before
    assert done(report) == {name: {"adopted": count} for name, count in before.items() if count}
    assert (world.writes(), world.audit(), report["erp_writes"]) == ([], audit, 0)
    assert stopped(report) == expected(settled.planted) and report["reconciliation"]["balanced"] is True
    assert report["gates"]["referential_integrity"] == {"passed": True, "judged": 10, "failed": 10, "failed_amount": "195655.25"}
    links = "SELECT entity, company, erp_key, procore_id, number FROM links WHERE ended_at IS NULL ORDER BY 1, 2, 3"
    assert world.ledger(links) == settled.ledger(links)
    report = world.run()
    assert (done(report), world.writes(), world.audit()) == ({}, [], audit)
    assert report["entities"]["commitments"]["unchanged"] == 89 and stopped(report) == expected(settled.planted)


def test_a_lost_ledger_and_a_lost_external_id(tiny: World) -> None:
    """The ERP's marker knows whose document it is: only the external id is written again."""
    contract = tiny.contract("098-SC-007")
    with closing(sqlite3.connect(tiny.folder / "procore.sqlite", timeout=60)) as connection, connection:
        connection.execute("UPDATE objects SET origin_id = NULL WHERE kind = ? AND id = ?", (contract["kind"], contract["id"]))
    tiny.forget_ledger()
    report = tiny.quick()
    assert done(report)["commitments"] == {"adopted": 2, "updated": 1}
    assert tiny.writes() == ["PATCH /work_order_contracts/sync"] and len(tiny.entered()) == 1
    assert tiny.contract("098-SC-007")["origin_id"] == "sandbox:01:commitments:098-SC-007"
    assert report["reconciliation"]["balanced"] is True


# -- the writes of documents, one after the other -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Something that is to be written, the entities that write it, and its calls in order: (method, path, calls before it)."""

    name: str
    act: Callable[[World], Any]
    entities: tuple[str, ...]
    calls: tuple[tuple[str, str, int], ...]
    company: str = "tiny"


def clerk(action: str, **fields: Any) -> Callable[[World], Any]:
    return lambda world: world.clerk(action, **fields)


COSTS = "/direct_costs/sync$"
WORKS = (
    Work("a cost", clerk("new_cost", job="25-104", code="01-5000", cost_type="2", amount="1234.56"), ("direct_costs",),
         (("PATCH", COSTS, 0), ("PATCH", "/direct_costs/line_items/sync$", 0), ("PATCH", COSTS, 1))),
    Work("an estimate", clerk("change_estimate", job="26-118", code="14-2000", cost_type="3", amount="12500.00"), ("budgets",),
         (("POST", "/budget_line_items/sync$", 0), ("PATCH", "/projects/sync$", 0)), company="small"),
    Work("a payment", clerk("pay", vendor="V-1042", invoice="4417-02", amount="191017.50", payment="005001"),
         ("payments_issued",), (("POST", "/contract_payments$", 0),)),
    Work("a receipt", clerk("receive", invoice="104-OI-02", amount="14925.00", receipt="R-9"), ("payments_received",),
         (("POST", "/contract_payments$", 0),)),
    Work("a prime contract", clerk("new_prime_contract", job="25-104", title="Garage", amount="98000", number="104-PC-002"),
         ("prime_contracts",),
         (("POST", "/prime_contract$", 0), ("PATCH", "/prime_contracts/.*sync$", 0), ("PATCH", "/prime_contract/[0-9]+$", 0))),
    Work("a requisition", lambda world: people.new_requisition(world, "098-SC-007", "500.00", invoice_number="HV-1"),
         ("subcontractor_invoices",), (("PATCH", "/rest/v1.1/requisitions/", 0),)),
    Work("a change order", lambda world: people.change_order(world, "104-SC-003", 3, status="approved"),
         ("commitment_change_orders",), (("PATCH", "/change_order_packages/", 0),)),
    Work("an owner invoice", lambda world: people.new_owner_invoice(world, "104-PC-001", "104-OI-04", "1000.00"),
         ("owner_invoices",), (("PATCH", "/payment_applications/", 0),)),
)  # fmt: skip
ANSWERS: tuple[dict[str, Any], ...] = (
    {"action": "status", "status": 503},
    {"action": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"action": "status", "status": 409},
    {"action": "latency", "seconds": 0.3},
)
AFTER, BEFORE = ({"action": action} for action in ("drop_after", "drop_before"))
CASES: list[tuple[Work, tuple[str, str, int], dict[str, Any]]] = [
    *((work, call, AFTER) for work in WORKS for call in work.calls),
    # A lost request and each answer once with a key of its own and once without; every write meets every fault in `make chaos`.
    *((WORKS[index], WORKS[index].calls[-1], BEFORE) for index in (0, 2)),
    *((WORKS[0], WORKS[0].calls[1], fault) for fault in ANSWERS[:3]),
    (WORKS[2], WORKS[2].calls[0], ANSWERS[0]),
]


@pytest.fixture(scope="module")
def begin(sandbox: World, tiny_states: dict[str, State], request: pytest.FixtureRequest) -> Callable[[Work], World]:
    """The company an hour after its first run, and then the work."""

    def act(work: Work) -> World:
        states = tiny_states if work.company == "tiny" else request.getfixturevalue("states")
        sandbox.back_to(states["settled"])
        work.act(sandbox)
        return sandbox

    return act


@pytest.fixture(scope="module")
def as_it_should_be(begin: Callable[[Work], World]) -> Callable[[Work], dict[str, Any]]:
    """How the company looks after a work that nothing disturbed."""
    known: dict[str, dict[str, Any]] = {}

    def picture(work: Work) -> dict[str, Any]:
        if work.name not in known:
            world = begin(work)
            report = world.quick(params={"entities": list(work.entities)})
            assert done(report) and report["reconciliation"]["balanced"] is True
            known[work.name] = world.picture()
        return known[work.name]

    return picture


def case_name(value: Any) -> str:
    if isinstance(value, Work):
        return value.name
    return str(value.get("status", value["action"])) if isinstance(value, dict) else f"{value[1].strip('/$')} {value[2]}"


@pytest.mark.parametrize(("work", "call", "fault"), CASES, ids=case_name)
def test_a_write_of_a_document_goes_wrong_once(
    begin: Callable[[Work], World], as_it_should_be: Callable[[Work], dict[str, Any]],
    work: Work, call: tuple[str, str, int], fault: dict[str, Any],
) -> None:  # fmt: skip
    """Exactly one of it, whatever was lost; then nothing is left to do."""
    wanted = as_it_should_be(work)
    world = begin(work)
    method, path, after = call
    world.fault(method=method, path=path, after=after, times=1, **fault)
    report, fired, _ = persist(world, entities=work.entities)
    assert fired == [fault["action"]]
    assert report["reconciliation"]["balanced"] is True and unexplained(report) == []
    found = world.picture()
    assert {side: found[side] for side in found if found[side] != wanted[side]} == {}
    audit = world.audit()
    report = world.quick(params={"entities": list(work.entities)})
    assert (done(report), world.writes(), world.audit()) == ({}, [], audit)


@pytest.mark.parametrize(
    ("work", "system"),
    [(WORKS[0], "procore"), (WORKS[5], "erp"), (WORKS[6], "erp"), (WORKS[7], "erp"), (WORKS[7], "procore")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_killed_process_in_a_document(
    begin: Callable[[Work], World], as_it_should_be: Callable[[Work], dict[str, Any]], work: Work, system: str
) -> None:
    """The other side has it, and nobody wrote down that it has."""
    wanted = as_it_should_be(work)
    world = begin(work)
    world.advance(minutes=1)
    kill(world, work.entities[0], system)
    assert world.ledger("SELECT status FROM intents WHERE entity = ? AND status = 'sent'", work.entities[0])
    world.ledger_sql("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")
    report = world.quick(params={"entities": list(work.entities)})
    assert report["reconciliation"]["balanced"] is True
    found = world.picture()
    assert {side: found[side] for side in found if found[side] != wanted[side]} == {}


@pytest.fixture
def busy(tmp_path: Path, tiny_states: dict[str, State]) -> Iterator[World]:
    """Procore answers 409 to a second write on a direct cost within a minute of the first."""
    world = World(tmp_path / "busy", tiny_states["settled"], settings={"direct_cost_busy_seconds": 60})
    yield world
    world.stop()


def test_another_write_runs_on_a_direct_cost(busy: World) -> None:
    """Header, lines and external id follow each other too fast: each try gets one step further, and nothing is lost. A 409 may
    also be the word for a duplicate, so the refused step is looked for before it goes again."""
    trans = WORKS[0].act(busy)["trans"]
    seen = []
    for _ in range(2):
        with pytest.raises(Unsettled):
            busy.quick(params={"entities": ["direct_costs"]})
        seen.append([row["status"] for row in busy.requests() if row["write"]])
        busy.advance(minutes=2)
    report = busy.quick(params={"entities": ["direct_costs"]})
    assert seen == [[200, 409], [200, 409]] and done(report) == {"direct_costs": {"created": 1}}
    assert report["reconciliation"]["balanced"] is True
    (cost,) = [row for row in busy.objects("direct_costs") if row["origin_data"] == f'{{"erp_key":"{trans}"}}']
    (line,) = [row for row in busy.objects("direct_cost_lines") if row["parent_id"] == cost["id"]]
    assert (cost["origin_id"], line["amount"]) == (f"sandbox:01:direct_costs:{trans}", "1234.56")
    busy.advance(minutes=2)
    assert done(busy.quick(params={"entities": ["direct_costs"]})) == {} and busy.writes() == []
