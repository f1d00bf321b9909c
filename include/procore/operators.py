"""Operators for Procore as source or target, and the link from a task to the record in Procore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from include.operators import EntityOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import Context, TaskInstanceKey

    from include.financials.view import Sync

LINK_KEY = "procore_url"


class ProcoreRecordLink(BaseOperatorLink):
    """Opens the first record of a task that needs a person - else the first one, else the company - in Procore."""

    name = "Open in Procore"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=LINK_KEY) or ""


class ProcoreExtractOperator(EntityOperator):
    """Read changed records of an entity that is born in Procore, page by page, into the staging area.

    Takes the parameters of :class:`include.operators.EntityOperator`: ``entity``, ``shard``, ``procore_conn_id``, ``erp_conn_id``,
    ``ledger_conn_id``, ``sync_run_id``, ``since`` and ``until`` (ISO date-times, UTC). Returns counts, window and staged path.
    A retry goes on at the page where the last try stopped.
    """

    operator_extra_links = (ProcoreRecordLink(),)

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.extract import extract

        done = extract(sync, self.entity, int(self.shard))
        push_link(sync, context, self.entity, int(self.shard))
        return done.as_dict()


class ProcoreLoadOperator(EntityOperator):
    """Carry out the plan of an entity whose target is Procore (vendors, projects, codes ...), in batches, journaled.

    Takes the parameters of :class:`include.operators.EntityOperator`. Returns created, updated, adopted, unchanged, refused, calls.
    In plan mode nothing is written.
    """

    operator_extra_links = (ProcoreRecordLink(),)

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.engine import load

        done = load(sync, self.entity, int(self.shard))
        push_link(sync, context, self.entity, int(self.shard))
        return done.as_dict()


def push_link(sync: Sync, context: Context, entity: str, shard: int) -> None:
    """The link is computed where the records are known; Airflow's UI only shows what a task left in XCom."""
    rows = sync.ledger.outcomes(sync.run.run_id, entity, shard)
    stopped = [row for row in rows if row["state"] not in ("linked", "skipped")]
    wanted = next((row["procore_id"] for row in [*stopped, *rows] if row["procore_id"]), None)
    record = next((r for r in sync.staged(entity, shard).records() if r.id == wanted), None)
    if record is None and wanted is not None:
        record = next((r for r in sync.snapshot("procore", entity, shard) if r.id == wanted), None)
    url = sync.systems["procore"].web_url(entity, record) if record is not None else None  # type: ignore[attr-defined]
    context["ti"].xcom_push(key=LINK_KEY, value=url or sync.systems["procore"].client.base_url)  # type: ignore[attr-defined]
