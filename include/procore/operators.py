"""Operators for Procore as source or target, and the link from a task to the record in Procore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from include.operators import EntityOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

    from include.financials.view import Sync

LINK_KEY = "procore_url"


class ProcoreRecordLink(BaseOperatorLink):
    """Opens the first record of a task that needs a person - else the first one, else the company - in Procore."""

    name = "Open in Procore"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=LINK_KEY) or ""


class LinkedOperator(EntityOperator):
    """A step with the link *Open in Procore*, also where it was skipped: Airflow asks for a link after every task.

    Takes the parameters of :class:`include.operators.EntityOperator`.
    """

    operator_extra_links = (ProcoreRecordLink(),)

    def before_skip(self, sync: Sync, context: Context) -> None:
        context["ti"].xcom_push(key=LINK_KEY, value=sync.systems["procore"].client.base_url)  # type: ignore[attr-defined]


class ProcoreExtractOperator(LinkedOperator):
    """Read changed records of an entity that is born in Procore, page by page, into the staging area.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).

    Returns (XCom) ``entity``, ``shard``, ``since``, ``until``, ``records``, ``invalid`` and the ``path`` of the staged pages.
    A retry goes on at the page where the last try stopped.
    """

    step = "extract"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.extract import extract

        done = extract(sync, self.entity, int(self.shard))
        push_link(sync, context, self.entity, int(self.shard))
        return done.as_dict()


class ProcoreLoadOperator(LinkedOperator):
    """Carry out the plan of an entity whose target is Procore (vendors, projects, codes ...), in batches, journaled.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection whose extra names the ERP's ``url`` and ``mapping`` (default ``erp_default``).
    :param ledger_conn_id: connection whose extra has the ledger's ``url`` and ``staging`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).

    Returns (XCom) ``created``, ``updated``, ``adopted``, ``unchanged``, ``refused`` and write ``calls``.
    In plan mode nothing is written.
    """

    step, needs = "load", "check"

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
