"""Something breaks in the middle. The run after it completes, and nothing is lost or made twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from include.erp.registry import erp_system
from include.financials.exceptions import RetryLater, SyncError, Unsettled
from sandbox import pipeline
from sandbox.chaos import people
from tests.end_to_end.world import ROOT, State, World, done, expected, stopped, unexplained

VENDORS, CODES, ASSIGNED = "/vendors/sync$", "/cost_codes/sync$", "/wbs_codes/bulk_create$"
CONTRACTS = "/work_order_contracts/sync$"


@pytest.fixture(scope="module")
def small_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, State, dict[str, Any]]]:
    """A tiny company, its seeded state, and how it looks after an undisturbed first run."""
    folder = tmp_path_factory.mktemp("tiny")
    world = World(folder / "world", size="tiny")
    seeded = world.keep(folder / "seeded")
    report = world.quick()
    assert done(report)["commitments"]["created"] == 1 and report["reconciliation"]["balanced"] is True
    yield world, seeded, world.picture()
    world.stop()


@pytest.fixture
def tiny(small_company: tuple[World, State, dict[str, Any]]) -> World:
    world, seeded, _ = small_company
    world.back_to(seeded)
    return world


@pytest.fixture
def undisturbed(small_company: tuple[World, State, dict[str, Any]]) -> dict[str, Any]:
    return small_company[2]


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
def test_a_write_that_goes_wrong_once(tiny: World, undisturbed: dict[str, Any], fault: dict[str, Any], path: str) -> None:
    tiny.fault(method="PATCH", path=path, times=1, **fault)
    report, fired, _ = persist(tiny)
    assert fired == [fault["action"]]
    assert report["reconciliation"]["balanced"] is True
    assert tiny.picture() == undisturbed  # links, too: nothing is left to do


def test_a_lost_answer_costs_no_second_write(tiny: World) -> None:
    """After ``drop_after`` the effect is there: it is found by its external id, not sent again."""
    tiny.fault(method="PATCH", path=VENDORS, times=1, action="drop_after")
    _, fired, failed = persist(tiny)
    assert (fired, failed) == (["drop_after"], 0)
    assert tiny.writes().count("PATCH /vendors/sync") == 1


def test_procore_is_down_for_a_while(tiny: World, undisturbed: dict[str, Any]) -> None:
    """Every write of contracts fails for a whole run: the document is in the ERP, its external id follows in the next one."""
    tiny.fault(method="PATCH", path=CONTRACTS, action="drop_before")
    with pytest.raises(SyncError):
        tiny.quick()
    assert set(tiny.fired()) == {"drop_before"} and len(tiny.entered()) == 1
    tiny.mend()
    report = tiny.quick()
    assert tiny.writes().count("PATCH /work_order_contracts/sync") == 1 and len(tiny.entered()) == 1
    assert report["reconciliation"]["balanced"] is True
    settled_as(tiny, undisturbed)


def test_reading_is_interrupted(tiny: World, undisturbed: dict[str, Any]) -> None:
    for path in ("/vendors$", "/cost_codes$", "/line_items$"):
        tiny.fault(method="GET", path=path, times=1, action="drop_after")
    _, fired, _ = persist(tiny)
    assert fired == ["drop_after"] * 3
    settled_as(tiny, undisturbed)


def test_the_erp_is_locked_while_posting(tiny: World, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "erp_system", partial(erp_system, lock_timeout=0.2))
    with closing(sqlite3.connect(tiny.folder / "erp.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryLater):
            pipeline.run(tiny.info, tiny.folder, "locked", params={"since": None})
        other.execute("ROLLBACK")
    assert tiny.entered() == []
    report = tiny.quick()
    assert len(tiny.entered()) == 1 and report["reconciliation"]["balanced"] is True
    settled_as(tiny, undisturbed)


KILLED = """
import os, signal, sys
from pathlib import Path
from include.financials.ledger.journal import Journal
from sandbox import pipeline
folder, entity, system = sys.argv[1:4]
info = dict(zip(("base_url", "login_url", "company_id", "client_id", "client_secret", "erp_url"), sys.argv[4:]))
settled = Journal.settled
def die(self, lease, call, *rest, **options):
    if call and call.entity == entity and call.system == system:
        os.kill(os.getpid(), signal.SIGKILL)
    return settled(self, lease, call, *rest, **options)
Journal.settled = die
pipeline.run(info, Path(folder), "killed", params={"since": None})
"""


def kill(world: World, entity: str, system: str) -> None:
    """A run whose process is killed after a call of that entity was answered, before its outcome was written down."""
    info = [str(world.info[name]) for name in ("base_url", "login_url", "company_id", "client_id", "client_secret", "erp_url")]
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(world.folder), entity, system, *info], cwd=ROOT, capture_output=True, check=False
    )
    assert child.returncode == -9, child.stderr.decode()[-2000:]


@pytest.mark.parametrize(("entity", "system"), [("vendors", "procore"), ("commitments", "erp"), ("commitments", "procore")])
def test_a_killed_process(tiny: World, undisturbed: dict[str, Any], entity: str, system: str) -> None:
    kill(tiny, entity, system)
    assert tiny.ledger("SELECT status FROM intents WHERE entity = ? AND status = 'sent'", entity)
    with pytest.raises(RetryLater, match="being written by another task"):
        tiny.quick()  # its lease still runs: nobody else may write, and nobody waits
    entered = tiny.entered()
    tiny.ledger_sql("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")  # three minutes later
    tiny.forget_requests()
    report = tiny.quick()
    assert report["reconciliation"]["balanced"] is True
    if entity == "commitments":
        assert entered == tiny.entered() and len(entered) == 1
        assert tiny.writes().count("PATCH /work_order_contracts/sync") == (1 if system == "erp" else 0)
    else:
        assert "PATCH /vendors/sync" not in tiny.writes()
    settled_as(tiny, undisturbed)


def test_a_lost_ledger(world: World, settled: State) -> None:
    """Everything is found again by its external id, and nothing is written for it.

    All that is left to judge are the ten bad commitments of old: they would fill any limit, but there is nothing new to keep out.
    """
    audit, before = world.audit(), {n: r["created"] + r["adopted"] for n, r in settled.report["entities"].items()}
    world.forget_ledger()
    report = world.quick()
    assert {name: row["adopted"] for name, row in report["entities"].items()} == before
    assert done(report) == {name: {"adopted": count} for name, count in before.items() if count}
    assert (world.writes(), world.audit()) == ([], audit)
    assert stopped(report) == expected(settled.planted) and report["reconciliation"]["balanced"] is True
    assert report["gates"]["referential_integrity"] == {"passed": True, "judged": 10, "failed": 10, "failed_amount": "195655.25"}
    report = world.run()
    assert (done(report), world.writes(), world.audit()) == ({}, [], audit)
    assert report["entities"]["commitments"]["unchanged"] == 89 and stopped(report) == expected(settled.planted)


def test_a_lost_ledger_and_a_lost_external_id(world: World) -> None:
    """The ERP's marker knows whose document it is: only the external id is written again."""
    contract = world.contract("104-SC-008")
    with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
        connection.execute("UPDATE objects SET origin_id = NULL WHERE kind = ? AND id = ?", (contract["kind"], contract["id"]))
    world.forget_ledger()
    report = world.quick()
    assert done(report)["commitments"] == {"adopted": 88, "updated": 1}
    assert world.writes() == ["PATCH /work_order_contracts/sync"] and len(world.entered()) == 50
    assert world.contract("104-SC-008")["origin_id"] == "sandbox:01:commitments:104-SC-008"
    assert report["reconciliation"]["balanced"] is True


# -- the writes of documents, one after the other -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Something that is to be written, the entities that write it, and its calls in order: (method, path, calls before it)."""

    name: str
    act: Callable[[World], Any]
    entities: tuple[str, ...]
    calls: tuple[tuple[str, str, int], ...]


def clerk(action: str, **fields: Any) -> Callable[[World], Any]:
    return lambda world: world.clerk(action, **fields)


COSTS = "/direct_costs/sync$"
WORKS = (
    Work("a cost", clerk("new_cost", job="25-104", code="01-5000", cost_type="2", amount="1234.56"), ("direct_costs",),
         (("PATCH", COSTS, 0), ("PATCH", "/direct_costs/line_items/sync$", 0), ("PATCH", COSTS, 1))),
    Work("an estimate", clerk("change_estimate", job="26-118", code="14-2000", cost_type="3", amount="12500.00"), ("budgets",),
         (("POST", "/budget_line_items/sync$", 0), ("PATCH", "/projects/sync$", 0))),
    Work("a payment", clerk("pay", vendor="V-1042", invoice="4417-02", amount="191017.50", payment="005001"),
         ("payments_issued",), (("POST", "/contract_payments$", 0),)),
    Work("a receipt", clerk("receive", invoice="104-OI-02", amount="14925.00", receipt="R-9"), ("payments_received",),
         (("POST", "/contract_payments$", 0),)),
    Work("a prime contract", clerk("new_prime_contract", job="25-104", title="Garage", amount="98000", number="104-PC-002"),
         ("prime_contracts",),
         (("POST", "/prime_contract$", 0), ("PATCH", "/prime_contracts/.*sync$", 0), ("PATCH", "/prime_contract/[0-9]+$", 0))),
    Work("a requisition", lambda world: people.requisition(world, "112-SC-001", 3, status="approved"),
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
def as_it_should_be(sandbox: World, settled: State) -> Callable[[Work], dict[str, Any]]:
    """How the company looks after a work that nothing disturbed."""
    known: dict[str, dict[str, Any]] = {}

    def picture(work: Work) -> dict[str, Any]:
        if work.name not in known:
            sandbox.back_to(settled)
            work.act(sandbox)
            report = sandbox.quick(params={"entities": list(work.entities)})
            assert done(report) and report["reconciliation"]["balanced"] is True
            known[work.name] = sandbox.picture()
        return known[work.name]

    return picture


def case_name(value: Any) -> str:
    if isinstance(value, Work):
        return value.name
    return str(value.get("status", value["action"])) if isinstance(value, dict) else f"{value[1].strip('/$')} {value[2]}"


@pytest.mark.parametrize(("work", "call", "fault"), CASES, ids=case_name)
def test_a_write_of_a_document_goes_wrong_once(
    sandbox: World, settled: State, as_it_should_be: Callable[[Work], dict[str, Any]],
    work: Work, call: tuple[str, str, int], fault: dict[str, Any],
) -> None:  # fmt: skip
    """Exactly one of it, whatever was lost; then nothing is left to do."""
    wanted = as_it_should_be(work)
    sandbox.back_to(settled)
    work.act(sandbox)
    method, path, after = call
    sandbox.fault(method=method, path=path, after=after, times=1, **fault)
    report, fired, _ = persist(sandbox, entities=work.entities)
    assert fired == [fault["action"]]
    assert report["reconciliation"]["balanced"] is True and unexplained(report) == []
    found = sandbox.picture()
    assert {side: found[side] for side in found if found[side] != wanted[side]} == {}
    audit = sandbox.audit()
    report = sandbox.quick(params={"entities": list(work.entities)})
    assert (done(report), sandbox.writes(), sandbox.audit()) == ({}, [], audit)


@pytest.mark.parametrize(
    ("work", "system"),
    [(WORKS[0], "procore"), (WORKS[5], "erp"), (WORKS[6], "erp"), (WORKS[7], "erp"), (WORKS[7], "procore")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_killed_process_in_a_document(
    sandbox: World, settled: State, as_it_should_be: Callable[[Work], dict[str, Any]], work: Work, system: str
) -> None:
    """The other side has it, and nobody wrote down that it has."""
    wanted = as_it_should_be(work)
    sandbox.back_to(settled)
    work.act(sandbox)
    sandbox.advance(minutes=1)
    kill(sandbox, work.entities[0], system)
    assert sandbox.ledger("SELECT status FROM intents WHERE entity = ? AND status = 'sent'", work.entities[0])
    sandbox.ledger_sql("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")
    report = sandbox.quick(params={"entities": list(work.entities)})
    assert report["reconciliation"]["balanced"] is True
    found = sandbox.picture()
    assert {side: found[side] for side in found if found[side] != wanted[side]} == {}


@pytest.fixture
def busy(tmp_path: Path, settled: State) -> Iterator[World]:
    """Procore answers 409 to a second write on a direct cost within a minute of the first."""
    world = World(tmp_path / "busy", settled, settings={"direct_cost_busy_seconds": 60})
    yield world
    world.stop()


def test_another_write_runs_on_a_direct_cost(busy: World) -> None:
    """Header, lines and external id follow each other too fast: each try gets one step further, and nothing is lost. A 409 may
    also be the word for a duplicate, so the refused step is looked for before it goes again."""
    WORKS[0].act(busy)
    seen = []
    for _ in range(2):
        with pytest.raises(Unsettled):
            busy.quick(params={"entities": ["direct_costs"]})
        seen.append([row["status"] for row in busy.requests() if row["write"]])
        busy.advance(minutes=2)
    report = busy.quick(params={"entities": ["direct_costs"]})
    assert seen == [[200, 409], [200, 409]] and done(report) == {"direct_costs": {"created": 1}}
    assert report["reconciliation"]["balanced"] is True
    (cost,) = [row for row in busy.objects("direct_costs") if row["origin_data"] == '{"erp_key":"JC-009002"}']
    (line,) = [row for row in busy.objects("direct_cost_lines") if row["parent_id"] == cost["id"]]
    assert (cost["origin_id"], line["amount"]) == ("sandbox:01:direct_costs:JC-009002", "1234.56")
    busy.advance(minutes=2)
    assert done(busy.quick(params={"entities": ["direct_costs"]})) == {} and busy.writes() == []
