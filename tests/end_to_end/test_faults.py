"""Something breaks in the middle. The run after it completes, and nothing is lost or made twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from include import pipeline
from include.erp.registry import erp_system
from include.financials.exceptions import RetryLater, SyncError
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


def persist(world: World, tries: int = 3) -> tuple[dict[str, Any], list[str], int]:
    """Run until a run goes through, as retries would: its report, the faults that fired, and how many runs failed."""
    fired: list[str] = []
    for failed in range(tries):
        try:
            report = world.quick()
        except SyncError:
            fired += world.fired()
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
        *[({"action": "drop_before"}, path) for path in (VENDORS, CONTRACTS)],
        *[({"action": "status", "status": 503}, path) for path in (VENDORS, CONTRACTS)],
        *[({"action": "status", "status": 500}, path) for path in (VENDORS, CODES, CONTRACTS)],
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
    assert tiny.writes() == ["PATCH /work_order_contracts/sync"] and len(tiny.entered()) == 1
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
from include.financials.ledger import Ledger
from include import pipeline
folder, entity, system = sys.argv[1:4]
info = dict(zip(("base_url", "login_url", "company_id", "client_id", "client_secret", "erp_url"), sys.argv[4:]))
settled = Ledger.settled
def die(self, lease, call, *rest, **options):
    if call and call["entity"] == entity and call["system"] == system:
        os.kill(os.getpid(), signal.SIGKILL)
    return settled(self, lease, call, *rest, **options)
Ledger.settled = die
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
        assert tiny.writes() == (["PATCH /work_order_contracts/sync"] if system == "erp" else [])
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
    assert done(report) == {name: {"adopted": count} for name, count in before.items()}
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
