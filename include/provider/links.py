"""The links from a task to the record that it is about: *Open in Procore*, and *Open in the ERP* where that has pages.

The links are computed where the records are known; Airflow's UI only shows what a task left in XCom. A skipped task has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

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
    rows = [row for shard in shards for row in sync.ledger.outcomes.of(sync.run.run_id, entity, shard, work=False)]
    rows.sort(key=lambda row: row.state in ("linked", "skipped"))  # those that stopped first, then those that were judged
    ids = {row.procore_id: rank for rank, row in reversed([*enumerate(rows)])}
    found = _page(_read(sync, "procore", entity, shards), lambda r: ids.get(r.id, len(rows)), lambda r: procore.web_url(r, base))
    context["ti"].xcom_push(key=ProcoreRecordLink.left, value=found or procore.web_url(None, base))
    known = erp.capabilities().get(entity)
    if known is not None and known.pages:  # whose companies may have records of one id
        keys = {(row.company, row.erp_key): rank for rank, row in reversed([*enumerate(rows)])}
        read = _read(sync, "erp", entity, shards)
        if address := _page(read, lambda r: keys.get((r.company or "", r.id), len(rows)), erp.web_url):
            context["ti"].xcom_push(key=ErpRecordLink.left, value=address)


def keep_web_address(sync: Sync) -> None:
    """Ask Procore once in a run where its web application is: that differs by region, and the API's host is not it."""
    from include.financials.report import keep

    keep(sync, "web", {"address": sync.systems["procore"].web_address()})


def _page(read: Iterator[Record], rank: Callable[[Record], int], page: Callable[[Record], str | None]) -> str | None:
    """The address of the record with the lowest rank that has a page; no more is parsed, and nothing kept, than that takes."""
    best: tuple[int, str] | None = None
    for record in read:
        own = rank(record)
        if (best is None or own < best[0]) and (address := page(record)):
            best = own, address
            if own == 0:
                break
    return best[1] if best is not None else None


def _read(sync: Sync, side: Side, entity: str, shards: Sequence[int]) -> Iterator[Record]:
    """What this run has read of a side's records; nothing is read for the sake of a link."""
    from include.financials.entities import ENTITIES

    for shard in shards:
        if side == "procore" == ENTITIES[entity].source:
            yield from sync.staged(entity, shard).rows()
        elif sync.lists.has_snapshot(side, entity, shard):
            yield from sync.lists.rows(side, entity, shard)
