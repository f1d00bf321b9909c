"""A process stands still between the renewal of its lease and its request, for longer than the lease; another one takes over. It
wakes up and sends nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end.world import ROOT, World

FROZEN = """
import os, signal, sys
from pathlib import Path
from include.erp.sql.submitting import Submission
from include.financials import departing
from include.procore import timed
from include.procore.writing.writer import Writer
from sandbox import pipeline
folder, entity, system = sys.argv[1:4]
info = dict(zip(("base_url", "login_url", "company_id", "client_id", "client_secret", "erp_url"), sys.argv[4:]))
clocks, late = departing.clocks, 0.0
departing.clocks = lambda: tuple(now + late for now in clocks())
due = False
def stop():
    global due, late
    if due:
        due = False
        os.kill(os.getpid(), signal.SIGSTOP)
        late = 181.0  # it was stopped for that long
def posted(self, step, items, beat, post=Writer.post):
    global due
    due = system == "procore" and items[0].record.entity == entity
    return post(self, step, items, beat)
def depart(depart=timed.depart):
    stop()
    depart()
def commit(self, connection, commit=Submission._commit):
    global due
    due = system == "erp" and self.selects.name == entity
    stop()
    commit(self, connection)
Writer.post, timed.depart, Submission._commit = posted, depart, commit
pipeline.run(info, Path(folder), "frozen", params={"since": None})
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("frozen") / "world", size="tiny")
    yield world
    world.stop()


def freeze(world: World, entity: str, system: str) -> subprocess.Popen[bytes]:
    """A run whose process stands still with a request of that entity ready to leave."""
    info = [str(world.info[name]) for name in ("base_url", "login_url", "company_id", "client_id", "client_secret", "erp_url")]
    child = subprocess.Popen(
        [sys.executable, "-c", FROZEN, str(world.folder), entity, system, *info], cwd=ROOT, stderr=subprocess.PIPE
    )
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "it ended before it sent anything"
    return child


def thawed(child: subprocess.Popen[bytes]) -> str:
    child.send_signal(signal.SIGCONT)
    _, told = child.communicate(timeout=120)
    assert child.returncode != 0
    return told.decode()


def test_what_another_task_has_sent_by_now(tiny: World) -> None:
    tiny.reset(size="tiny")
    child = freeze(tiny, "vendors", "procore")
    assert tiny.ledger("SELECT status FROM intents WHERE entity = ? AND status = 'sent'", "vendors")
    tiny.ledger_sql("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")  # three minutes later
    tiny.advance(minutes=3)
    report = tiny.quick()
    assert report["reconciliation"]["balanced"] is True and tiny.writes().count("PATCH /vendors/sync") == 1
    picture = tiny.picture()
    tiny.forget_requests()
    assert "LeaseLost: the lease on vendors (shard 0) has passed to another task" in thawed(child)
    assert (tiny.writes(), tiny.picture()) == ([], picture)


def test_a_transaction_that_was_ready_to_be_committed(tiny: World) -> None:
    tiny.reset(size="tiny")
    child = freeze(tiny, "commitments", "erp")
    tiny.ledger_sql("UPDATE leases SET holder = 'another'")
    assert "LeaseLost: the lease on commitments (shard 0) has passed to another task" in thawed(child)
    assert tiny.entered() == []
