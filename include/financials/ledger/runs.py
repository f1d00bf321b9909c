"""Room: the runs, their steps, how far they have read, and the requests that they made."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, func, select, update

from include.financials.ledger import tables as t
from include.financials.ledger.room import Room, upsert, values
from include.financials.ledger.tables import RunRow, StepRow, Traffic, Watermark, stamp
from include.financials.record import Side

_S, _W = t.steps.c, t.watermarks.c
_GET = select(t.runs).where(t.runs.c.run_id == bindparam("run"))
_FINISHED_AT = select(_S.finished_at).where(
    _S.run_id == bindparam("run"), _S.step == bindparam("step"), _S.shard == bindparam("shard")
)  # fmt: skip
_ITS_MARK = (_W.side == bindparam("of_side"), _W.entity == bindparam("of_entity"))
_WATERMARK = select(_W.value).where(*_ITS_MARK)
_MOVE = update(t.watermarks).where(*_ITS_MARK, _W.value < bindparam("to")).values(value=bindparam("to"), run_id=bindparam("by"))


class Runs(Room):
    def open(self, row: RunRow) -> RunRow:
        """Insert the run, or return it as first opened: a retried task must see the window that its run began with."""
        with self.writing() as connection:
            upsert(connection, t.runs, [values(row)], update_columns=())
            return RunRow._make(connection.execute(_GET, {"run": row.run_id}).one())

    def get(self, run_id: str) -> RunRow | None:
        with self.reading() as connection:
            found = connection.execute(_GET, {"run": run_id}).first()
        return RunRow._make(found) if found else None

    def read_to(self) -> str | None:
        """The latest end of any run's window: no run has looked beyond it."""
        with self.reading() as connection:
            found: str | None = connection.execute(select(func.max(t.runs.c.until))).scalar()
        return found

    def successful(self, kind: str, limit: int = 100) -> list[RunRow]:
        """The last runs of a kind that succeeded, the newest first."""
        c = t.runs.c
        query = select(t.runs).where(c.kind == kind, c.status == "success").order_by(c.started_at.desc()).limit(limit)
        with self.reading() as connection:
            return [RunRow._make(row) for row in connection.execute(query)]

    def finish(self, run_id: str, status: str) -> None:
        with self.writing() as connection:
            connection.execute(update(t.runs).where(t.runs.c.run_id == run_id).values(status=status, finished_at=stamp()))

    # -- steps ----------------------------------------------------------------------------------------------------------------

    def finished(self, run_id: str, step: str, shards: Iterable[int] = (0,)) -> None:
        """A step of the run came to its end, in these shards. What Airflow shows as success may have been marked by hand."""
        rows = [values(StepRow(run_id, step, shard, stamp())) for shard in shards]
        with self.writing() as connection:
            upsert(connection, t.steps, rows, update_columns=("finished_at",))

    def finished_at(self, run_id: str, step: str, shard: int = 0) -> str | None:
        """When a step of the run came to its end last."""
        with self.reading() as connection:
            return connection.execute(_FINISHED_AT, {"run": run_id, "step": step, "shard": shard}).scalar()

    def unfinished(self, run_id: str, steps: Iterable[str]) -> None:
        """These steps count no longer: what builds on them waits until they have run again."""
        with self.writing() as connection:
            connection.execute(delete(t.steps).where(t.steps.c.run_id == run_id, t.steps.c.step.in_(list(steps))))

    def begun_anew(self, run_id: str, until: str) -> None:
        """The run starts over: none of its steps counts any longer, but for ``window``, which is to forget what the run has read.
        ``until``: where it ends now; together with the steps, so that no watermark moves to an end up to which nobody has read.
        """
        with self.writing() as connection:
            connection.execute(delete(t.steps).where(t.steps.c.run_id == run_id, t.steps.c.step != "window"))
            connection.execute(update(t.runs).where(t.runs.c.run_id == run_id).values(until=until))

    def steps(self, run_id: str) -> set[tuple[str, int]]:
        """(step, shard) of everything in the run that came to its end."""
        with self.reading() as connection:
            rows = connection.execute(select(t.steps.c.step, t.steps.c.shard).where(t.steps.c.run_id == run_id))
            return {(step, shard) for step, shard in rows}

    # -- watermarks -----------------------------------------------------------------------------------------------------------

    def watermark(self, side: Side, entity: str) -> str | None:
        with self.reading() as connection:
            return connection.execute(_WATERMARK, {"of_side": side, "of_entity": entity}).scalar()

    def move_watermark(self, side: Side, entity: str, value: str, run_id: str) -> None:
        """Only ever forward: a run over an old window must not make the next one read everything again."""
        moved = {"of_side": side, "of_entity": entity, "to": value, "by": run_id}
        with self.writing() as connection:
            upsert(connection, t.watermarks, [values(Watermark(side, entity, value, run_id))], update_columns=())
            connection.execute(_MOVE, moved)

    # -- traffic --------------------------------------------------------------------------------------------------------------

    def count_traffic(self, run_id: str, task: str, calls: int, writes: int) -> None:
        """Add a task's requests to Procore to its run (a retried task adds to what its earlier try made)."""
        c = t.traffic.c
        with self.writing() as connection:
            upsert(connection, t.traffic, [values(Traffic(run_id, task, 0, 0))], update_columns=())
            connection.execute(
                update(t.traffic)
                .where(c.run_id == run_id, c.task == task)
                .values(procore_calls=c.procore_calls + calls, procore_writes=c.procore_writes + writes)
            )

    def traffic(self, run_id: str) -> tuple[int, int]:
        """(calls, writes) to Procore of a whole run."""
        c = t.traffic.c
        sums = [func.coalesce(func.sum(one), 0) for one in (c.procore_calls, c.procore_writes)]
        with self.reading() as connection:
            calls, writes = connection.execute(select(*sums).where(c.run_id == run_id)).one()
        return int(calls), int(writes)
