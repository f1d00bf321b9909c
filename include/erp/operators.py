"""Operators for an ERP as source or target. Which ERP it is, and how it is reached, says the connection ``erp_conn_id``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.operators import EntityOperator

if TYPE_CHECKING:
    from airflow.sdk.types import Context

    from include.financials.view import Sync


class ErpExtractOperator(EntityOperator):
    """Read changed records of an entity that is born in the ERP, page by page, into the staging area.

    Takes the parameters of :class:`include.operators.EntityOperator`: ``entity``, ``shard``, ``procore_conn_id``, ``erp_conn_id``,
    ``ledger_conn_id``, ``sync_run_id``, ``since`` and ``until`` (ISO date-times, UTC). Returns counts, window and staged path.
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.extract import extract

        return extract(sync, self.entity, int(self.shard)).as_dict()


class ErpLoadOperator(EntityOperator):
    """Carry out the plan of an entity whose target is the ERP (commitments ...): the document first, external ids to Procore last.

    Takes the parameters of :class:`include.operators.EntityOperator`. Returns created, updated, adopted, unchanged, refused, calls.
    In plan mode nothing is written.
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.engine import load

        return load(sync, self.entity, int(self.shard)).as_dict()
