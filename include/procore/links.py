"""The link *Open in Procore* from a task to the record that it is about, in Procore's web application."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

    from include.financials.models import Record
    from include.financials.view import Sync
    from include.procore.system import ProcoreSystem

log = logging.getLogger(__name__)

LINK_KEY = "procore_url"


class ProcoreRecordLink(BaseOperatorLink):
    """Opens the first record of a task that needs a person - else the first one, its project or the company - in Procore.

    The link is computed where the records are known; Airflow's UI only shows what a task left in XCom. A skipped task has none.
    """

    name = "Open in Procore"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=LINK_KEY) or ""


def push_link(sync: Sync, context: Context, entity: str, shards: Sequence[int]) -> None:
    """Leave the link of a task in XCom."""
    from include.financials.report import recall

    system = cast("ProcoreSystem", sync.systems["procore"])
    base = str((recall(sync, "web") or {}).get("address") or system.web_base())
    pages = (system.web_url(entity, record, base) for record in _candidates(sync, entity, shards))
    context["ti"].xcom_push(key=LINK_KEY, value=next(filter(None, pages), None) or system.company_url(base))


def keep_web_address(sync: Sync) -> None:
    """Ask Procore once in a run where its web application is: that differs by region, and the API's host is not it."""
    from include.financials.report import keep

    system = cast("ProcoreSystem", sync.systems["procore"])
    keep(sync, "web", {"address": system.ask_web_base()})


def _candidates(sync: Sync, entity: str, shards: Sequence[int]) -> Iterator[Record]:
    """Records as Procore has them: those that stopped first, then those that were judged, then what was read."""
    rows: list[dict[str, Any]] = [row for shard in shards for row in sync.ledger.outcomes(sync.run.run_id, entity, shard)]
    ids = [row["procore_id"] for row in sorted(rows, key=lambda row: row["state"] in ("linked", "skipped")) if row["procore_id"]]
    read = {record.id: record for record in _read(sync, entity, shards)}
    yield from (read[one] for one in ids if one in read)
    yield from read.values()


def _read(sync: Sync, entity: str, shards: Sequence[int]) -> Iterator[Record]:
    """What this run has read of Procore's records; nothing is read for the sake of a link."""
    from include.financials.entities import ENTITIES

    for shard in shards:
        if ENTITIES[entity].source == "procore":
            yield from sync.staged(entity, shard).records()
        elif sync.lists.has_snapshot("procore", entity, shard):
            yield from sync.lists.snapshot("procore", entity, shard)
