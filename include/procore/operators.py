"""Operators for Procore as source or target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.operators import EntityOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.financials.view import Sync


class ProcoreExtractOperator(EntityOperator):
    """Read changed records of an entity that is born in Procore, page by page, into the staging area.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).

    Returns (XCom) ``entity``, ``shard``, ``since``, ``until``, ``records``, ``invalid`` and the ``path`` of the staged pages.
    A retry goes on at the page where the last try stopped.
    """

    step = "extract"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.reading.extract import extract

        return extract(sync, self.entity, int(self.shard)).as_dict()


class ProcoreLoadOperator(EntityOperator):
    """Carry out the plan of an entity whose target is Procore (vendors, projects, codes ...), in batches, journaled.

    :param entity: a name of include/financials/entities.py, e.g. ``commitments`` (templated).
    :param shard: which of the run's shards, from 0 (templated; default 0).
    :param procore_conn_id: connection of type ``procore`` (default ``procore_default``).
    :param erp_conn_id: connection of type ``procore_erp`` (default ``erp_default``).
    :param ledger_conn_id: connection of type ``sync_ledger`` (default ``sync_ledger``).
    :param sync_run_id: the run in the ledger (templated; default: the DAG run's id).

    Returns (XCom) ``created``, ``updated``, ``adopted``, ``unchanged``, ``refused`` and write ``calls``.
    In plan mode nothing is written.
    """

    step, needs = "load", "check"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.engine import load

        return load(sync, self.entity, int(self.shard)).as_dict()
