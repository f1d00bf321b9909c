"""The links from a task to the record that it is about: *Open in Procore*, and *Open in the ERP* where that has pages.

The links are computed where the records are known; Airflow's UI only shows what a task left in XCom. A skipped task has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

    from include.financials.record import Record, Side
    from include.financials.view import Sync


class _RecordLink(BaseOperatorLink):
    """Opens the first record of a task that needs a person - else the first one that it was about - on one side."""

    left: str
    """XCom in which the task left the address."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=self.left) or ""


class ProcoreRecordLink(_RecordLink):
    """In Procore: else the record's project or the company."""

    name = "Open in Procore"
    left = "procore_url"


class ErpRecordLink(_RecordLink):
    """In the ERP, whose mapping says where its pages are (``web_url``, docs/erp-sql-adapter.md)."""

    name = "Open in the ERP"
    left = "erp_url"


LINKS = (ProcoreRecordLink(), ErpRecordLink())


def push_links(sync: Sync, context: Context, entity: str, shards: Sequence[int]) -> None:
    """Leave the addresses of a task's record in XCom."""
    from include.financials.report import recall

    procore, erp = sync.known["procore"], sync.known["erp"]
    base = (recall(sync, "web") or {}).get("address")
    pages = (procore.web_url(record, base) for record in _candidates(sync, "procore", entity, shards))
    context["ti"].xcom_push(key=ProcoreRecordLink.left, value=next(filter(None, pages), None) or procore.web_url(None, base))
    known = erp.capabilities().get(entity)
    if known is not None and known.pages:
        pages = (erp.web_url(record) for record in _candidates(sync, "erp", entity, shards))
        if address := next(filter(None, pages), None):
            context["ti"].xcom_push(key=ErpRecordLink.left, value=address)


def keep_web_address(sync: Sync) -> None:
    """Ask Procore once in a run where its web application is: that differs by region, and the API's host is not it."""
    from include.financials.report import keep

    keep(sync, "web", {"address": sync.systems["procore"].web_address()})


def _candidates(sync: Sync, side: Side, entity: str, shards: Sequence[int]) -> Iterator[Record]:
    """Records as a side has them: those that stopped first, then those that were judged, then what was read."""
    rows = [row for shard in shards for row in sync.ledger.outcomes.of(sync.run.run_id, entity, shard)]
    rows.sort(key=lambda row: row.state in ("linked", "skipped"))
    if side == "procore":
        known: list[Any] = [row.procore_id for row in rows]
        read: dict[Any, Record] = {record.id: record for record in _read(sync, side, entity, shards)}
    else:  # whose companies may have records of one id
        known = [(row.company, row.erp_key) for row in rows]
        read = {(record.company, record.id): record for record in _read(sync, side, entity, shards)}
    yield from (read[one] for one in known if one in read)
    yield from read.values()


def _read(sync: Sync, side: Side, entity: str, shards: Sequence[int]) -> Iterator[Record]:
    """What this run has read of a side's records; nothing is read for the sake of a link."""
    from include.financials.entities import ENTITIES

    for shard in shards:
        if side == "procore" == ENTITIES[entity].source:
            yield from sync.staged(entity, shard).records()
        elif sync.lists.has_snapshot(side, entity, shard):
            yield from sync.lists.snapshot(side, entity, shard)
