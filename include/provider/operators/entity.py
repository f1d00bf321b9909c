"""The steps of one entity: extract, check (for commitments the gate), load. Which side is read and which is written to, the
entity says (docs/domain-rules.md 1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from include.financials.entities import ENTITIES
from include.financials.exceptions import StageClosed
from include.order import judged_whole
from include.provider.operators.base import EntityOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.financials.view import Sync


class ExtractOperator(EntityOperator):
    """Read what changed of an entity, on the side where it is born (a budget on both), page by page, into the staging area. A
    retry goes on at the page where the last try stopped.
    """

    step = "extract"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.reading.extract import extract

        return extract(sync, self.entity, int(self.shard)).as_dict()


class CheckOperator(EntityOperator):
    """Judge the staged records of an entity: references, rules, states, plan. A record's trouble never fails the task."""

    step, needs = "check", "extract"

    def covers(self, sync: Sync) -> Sequence[int]:
        """Documents of Procore are judged over all shards together: their numbers must be unique in the ERP company."""
        return range(sync.run.shards) if judged_whole(ENTITIES[self.entity]) else super().covers(sync)

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.checks import check
        from include.financials.gate import wait_behind

        shards = self.covers(sync)
        checked = check(sync, self.entity, shards)
        wait_behind(sync, self.entity, shards)
        return checked.as_dict()


class ReferentialIntegrityOperator(CheckOperator):
    """The gate: the checks of an entity as Great Expectations, over all shards, and the verdict on the stage.

    Raises StageClosed (no retry) when too much fails; then nothing of the stage is written and its records stay candidates.
    """

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.gate import guard

        checked, opening = guard(sync, self.entity)
        if not opening.passed:
            context["ti"].xcom_push(key="gate", value=opening.as_dict())
            raise StageClosed(
                f"The gate stays closed: {opening.reason} Nothing of this stage was written. Mend the cause and run again."
            )
        return {**checked.as_dict(), "gate": opening.as_dict()}


class LoadOperator(EntityOperator):
    """Carry out the plan of an entity on the side that it goes to, in batches, journaled; of a budget on the side that does not
    own it. External ids come last, to Procore. In plan mode nothing is written.
    """

    step, needs = "load", "check"

    def run_step(self, sync: Sync, context: Context) -> dict[str, Any]:
        from include.financials.writing.engine import load

        return load(sync, self.entity, int(self.shard)).as_dict()
