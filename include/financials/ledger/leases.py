"""Room: leases. Who may write one entity's shard; asked before and after each request."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from include.financials.exceptions import LeaseLost, RetryLater
from include.financials.ledger import tables as t
from include.financials.ledger.room import NO_LINK, Room, values
from include.financials.ledger.tables import LeaseRow, moment, stamp

LEASE_SECONDS = 180
"""Longer than any single request may last (connect and read time-outs of the hook), so that an expired lease means:
nothing in flight."""
ASK_AGAIN = 30.0
"""Seconds after which a lease that somebody has is asked for again: most are given back long before they would run out."""

_C = t.leases.c
_OTHERS = and_(_C.entity == bindparam("entity"), or_(_C.shard == bindparam("shard"), _C.run_id != bindparam("run")))
"""Only what is in the way: a lease of the run's other shards that merely ran out is still theirs."""
_RUN_OUT = delete(t.leases).where(_OTHERS, _C.expires_at < bindparam("now"))
_UNTIL = select(_C.expires_at).where(_OTHERS).order_by(_C.expires_at)
_LET_GO = delete(t.leases).where(_C.holder == bindparam("of_holder"))
_RENEW = update(t.leases).where(_C.holder == bindparam("of_holder")).values(expires_at=bindparam("until"))


@dataclass(frozen=True, slots=True)
class Lease:
    entity: str
    shard: int
    holder: str


class Leases(Room):
    @contextmanager
    def hold(self, entity: str, shard: int, run_id: str = "") -> Iterator[Lease]:
        """Hold the right to write one entity's shard. Raises RetryLater while another task holds it, or another run any shard of
        the entity: two runs need not be divided alike."""
        lease = Lease(entity, shard, f"{os.getpid()}-{uuid.uuid4().hex}")
        now = datetime.now(UTC)
        row = LeaseRow(entity, shard, run_id, lease.holder, stamp(now + timedelta(seconds=LEASE_SECONDS)))
        what = {"entity": entity, "shard": shard, "run": run_id}
        with self.writing(about=NO_LINK) as connection:
            if connection.dialect.name == "postgresql":  # one asks at a time: two that cannot see each other would both be first
                connection.exec_driver_sql("LOCK TABLE leases IN EXCLUSIVE MODE")
            connection.execute(_RUN_OUT, {**what, "now": stamp(now)})
            until = connection.execute(_UNTIL, what).scalar()
            if until is None:
                connection.execute(insert(t.leases), [values(row)])
        if until is not None:
            wait = min(ASK_AGAIN, max(5.0, (cast(datetime, moment(until)) - now).total_seconds()))
            raise RetryLater(
                f"{entity} is being written by another task, which has until {until} if it does nothing more; asked again in"
                f" {wait:.0f} seconds",
                wait,
            )
        try:
            yield lease
        finally:
            with self.writing(about=NO_LINK) as connection:
                connection.execute(_LET_GO, {"of_holder": lease.holder})

    def renew(self, lease: Lease) -> None:
        """The lease goes on from now: asked before each request, for a call may take several of them. Raises LeaseLost when it
        has passed to somebody else; one that only ran out (a long look, a long wait for the limit) is still this task's."""
        with self.writing() as connection:
            renew(connection, lease)


def renew(connection: Connection, lease: Lease) -> None:
    """See :meth:`Leases.renew`; within another room's transaction."""
    until = stamp(datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS))
    renewed = connection.execute(_RENEW, {"of_holder": lease.holder, "until": until})
    if renewed.rowcount != 1:
        raise LeaseLost(
            f"the lease on {lease.entity} (shard {lease.shard}) has passed to another task; it stops and writes nothing more"
        )
