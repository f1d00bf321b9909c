"""A process stands still between the renewal of its lease and its request, for longer than the lease; another one takes over. It
wakes up and sends nothing more."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any
from unittest import mock

from include.erp.sql.submitting import Submission
from include.financials import departing
from include.financials.exceptions import LeaseLost
from include.procore import timed
from include.procore.writing.writer import Writer
from sandbox import pipeline
from tests.end_to_end.world import World

FORKED = multiprocessing.get_context("fork")


class Frozen:
    """A run in a process of its own, which stands still with a request of that entity ready to leave."""

    def __init__(self, world: World, entity: str, system: str) -> None:
        self.told, telling = FORKED.Pipe(duplex=False)
        self.child: ForkProcess = FORKED.Process(target=self.run, args=(world, entity, system, telling))
        self.child.start()
        telling.close()
        assert self.child.pid is not None
        _, status = os.waitpid(self.child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it ended before it sent anything"

    def __enter__(self) -> Frozen:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.join()

    def run(self, world: World, entity: str, system: str, telling: Connection) -> None:
        late, due = 0.0, False
        clocks, post, depart, commit = departing.clocks, Writer.post, timed.depart, Submission._commit

        def clocks_now() -> tuple[float, ...]:
            return tuple(now + late for now in clocks())

        def stop() -> None:
            nonlocal due, late
            if due:
                due = False
                os.kill(os.getpid(), signal.SIGSTOP)
                late = 181.0  # it was stopped for that long

        def posted(writer: Writer, step: Any, items: Any, beat: Any) -> Any:
            nonlocal due
            due = system == "procore" and items[0].record.entity == entity
            return post(writer, step, items, beat)

        def departing_now() -> None:
            stop()
            depart()

        def committed(submission: Submission, connection: Any) -> None:
            nonlocal due
            due = system == "erp" and submission.selects.name == entity
            stop()
            commit(submission, connection)

        with (
            mock.patch.object(departing, "clocks", clocks_now),
            mock.patch.object(Writer, "post", posted),
            mock.patch.object(timed, "depart", departing_now),
            mock.patch.object(Submission, "_commit", committed),
        ):
            try:
                pipeline.run(world.info, world.folder, "frozen", params={"since": None})
                telling.send("it ran to its end")
            except LeaseLost as error:
                telling.send(str(error))

    def thawed(self) -> str:
        """By which lost lease it ends."""
        assert self.child.pid is not None
        os.kill(self.child.pid, signal.SIGCONT)
        assert self.told.poll(120)
        return str(self.told.recv())


def test_what_another_task_has_sent_by_now(fresh_tiny: World) -> None:
    with Frozen(fresh_tiny, "vendors", "procore") as child:
        assert fresh_tiny.ledger("SELECT status FROM intents WHERE entity = ? AND status = 'sent'", "vendors")
        fresh_tiny.ledger_sql("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000000Z'")  # three minutes later
        fresh_tiny.advance(minutes=3)
        report = fresh_tiny.quick()
        assert report["reconciliation"]["balanced"] is True and fresh_tiny.writes().count("PATCH /vendors/sync") == 1
        picture = fresh_tiny.picture()
        fresh_tiny.forget_requests()
        assert "the lease on vendors (shard 0) has passed to another task" in child.thawed()
    assert (fresh_tiny.writes(), fresh_tiny.picture()) == ([], picture)


def test_a_transaction_that_was_ready_to_be_committed(fresh_tiny: World) -> None:
    with Frozen(fresh_tiny, "commitments", "erp") as child:
        fresh_tiny.ledger_sql("UPDATE leases SET holder = 'another'")
        assert "the lease on commitments (shard 0) has passed to another task" in child.thawed()
    assert fresh_tiny.entered() == []
