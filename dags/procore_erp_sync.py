"""
### Procore and ERP in step

Moves construction financials between one Procore company and one ERP, in the order that works: vendors and projects; cost codes,
budgets and direct costs; commitments and change orders; invoices, payments and prime contracts. Commitments load only after the
gate `referential_integrity` has proved that their vendor and every cost code they use exist on the other side.

* **Scheduled** runs read from the last watermark; **backfills** read exactly their dates;
  the trigger form takes *since* and *until*.
* **mode = plan** shows what a run would do and writes nothing.
* Why is a document not in the ERP? `python -m include.financials why commitment 104-SC-003`
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import CronDataIntervalTimetable, Param, TaskGroup, TriggerRule, dag

from include.financials.entities import ENTITIES, gates_before
from include.financials.entity import Entity
from include.order import judged_whole, stages
from include.provider.operators.entity import CheckOperator, ExtractOperator, LoadOperator, ReferentialIntegrityOperator
from include.provider.operators.head import PreflightOperator, SelectOperator, ShardsOperator, WindowOperator
from include.provider.operators.result import ReconcileOperator, ReportOperator
from include.provider.retry import SyncRetryPolicy

POOL = "procore_api"
"""Of every task that calls a system. A task can be in one pool, and each of them may call Procore: its hourly budget of calls is
what is scarce, shared with every other integration of the company. Checks and reconciliation call nobody."""

PARAMS = {
    "entities": Param(
        list(ENTITIES), type="array", minItems=1, items={"type": "string", "enum": list(ENTITIES)},
        description="Only these entities. What they refer to must be linked already.",
    ),
    "projects": Param(
        [], type=["null", "array"], items={"type": "string"},
        description="Only these job numbers, e.g. 25-104. Empty: all.",
    ),
    "documents": Param(
        [], type=["null", "array"], items={"type": "string"},
        description="Only these documents, by their numbers, e.g. 104-SC-003. What they refer to must be linked already.",
    ),
    "since": Param(
        None, type=["null", "string"], format="date-time",
        description="Look at what changed from here on (UTC). Empty: the watermark.",
    ),
    "until": Param(
        None, type=["null", "string"], format="date-time",
        description="... and up to here. Empty: the sources' own now. Where it lies before the watermark, give since as well.",
    ),
    "mode": Param("apply", enum=["apply", "plan"], description="plan: say what would be written, write nothing."),
    "shards": Param(1, type="integer", minimum=1, maximum=64, description="Parallel parts of the project-scoped entities."),
    "approve_above": Param(
        None, type=["null", "string"], pattern=r"^\d+(\.\d{1,2})?$",
        description="Commitments above this amount (decimal text) wait for an approval. Empty: as the settings say.",
    ),
}  # fmt: skip


@dag(
    dag_id="procore_erp_sync",
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 7, 1),  # noqa: DTZ001 - the timetable's time zone applies
    catchup=False,
    # A run of events does not wait for hours behind a nightly one: leases keep two writers of an entity apart, and a plan that
    # another run overtook is not carried out.
    max_active_runs=2,
    default_args={"owner": "finance-data", "retries": 3, "retry_delay": timedelta(minutes=1), "retry_policy": SyncRetryPolicy()},
    params=PARAMS,
    tags=["procore", "erp", "construction"],
    doc_md=__doc__,
)
def procore_erp_sync() -> None:
    # The head. Nothing is read unless all of it succeeded: only `window` opens a run, and the ledger knows who has really run.
    window = WindowOperator(task_id="window", pool=POOL)
    preflight = PreflightOperator(task_id="preflight", pool=POOL)
    select = SelectOperator(task_id="select")
    shards = ShardsOperator(task_id="shards")
    window >> preflight >> [select, shards]
    checks: dict[str, Any] = {}
    loads: dict[str, Any] = {}
    previous: Any = None
    for name, rows in stages().items():
        with TaskGroup(name) as stage:
            done = EmptyOperator(task_id="done", trigger_rule=TriggerRule.ALL_DONE)
            for row in rows:
                with TaskGroup(row.name, prefix_group_id=False):
                    entity_tasks(stage, row, select, shards.output, previous, checks, loads) >> done
            if previous is not None:
                previous >> done
        previous = done
    reconcile = ReconcileOperator(task_id="reconcile", pool="erp")
    report = ReportOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE)
    [select, previous] >> reconcile >> report
    previous >> report  # the last of all, also where the head failed and nothing is left to reconcile


def entity_tasks(
    stage: TaskGroup, row: Entity, select: Any, parts: Any, previous: Any, checks: dict[str, Any], loads: dict[str, Any]
) -> list[Any]:
    """extract -> check -> load of one entity (no load of what is only read), in one part or in as many as the run has shards."""

    def make(operator: Any, label: str, mapped: bool = row.project_scoped, **options: Any) -> Any:
        # A task is known by its stage and its step; the group of its entity is there for the eye.
        options |= {"task_id": stage.child_id(label), "task_display_name": label, "entity": row.name}
        return operator.partial(**options).expand(shard=parts) if mapped else operator(**options)

    # all_success of the head and of the previous stage's end, which always comes: a stage that failed lets the next be judged.
    extract = make(ExtractOperator, f"extract_{row.name}", pool=POOL, trigger_rule=TriggerRule.ALL_SUCCESS)
    judge, name = (ReferentialIntegrityOperator, row.gate) if row.gate else (CheckOperator, f"check_{row.name}")
    # What stands behind a gate is judged also when that stays closed; its load then has a failed load above it and does not run.
    judged = TriggerRule.ALL_DONE if gates_before(row) else TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    check = make(judge, name, row.project_scoped and not judged_whole(row), trigger_rule=judged)
    select >> extract >> check
    if previous is not None:
        previous >> extract
    for name in row.after:
        checks[name] >> check
    checks[row.name] = check
    if row.read_only:
        return [extract, check]
    loaded = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    load = make(LoadOperator, f"load_{row.name}", pool=POOL, trigger_rule=loaded)
    check >> load
    for name in row.after:
        loads[name] >> load
    loads[row.name] = load
    return [extract, check, load]


procore_erp_sync()
