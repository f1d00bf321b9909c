"""The order of a run, as it follows from the registry of entities: what the DAG draws, and a run without Airflow goes through."""

from __future__ import annotations

from collections.abc import Collection

from include.financials.entities import in_stage
from include.financials.entity import STAGES, Entity


def stages() -> dict[str, tuple[Entity, ...]]:
    """Name of each stage -> its entities, both in the order in which they are gone through."""
    return {name: in_stage(stage) for stage, name in STAGES.items()}


def parts(row: Entity, shards: int) -> range:
    """The parts in which an entity is extracted and loaded: the run's shards, if it belongs to projects."""
    return range(shards if row.project_scoped else 1)


def judged_whole(row: Entity) -> bool:
    """Whether all parts are judged together. Documents of Procore are: their numbers must be unique in the ERP company."""
    return row.source == "procore"


def behind(row: Entity, entities: Collection[str], loaded: Collection[str]) -> list[str]:
    """What keeps an entity from being written in a run of ``entities``: those that must be loaded before, and are not."""
    return [name for name in row.after if name in entities and name not in loaded]
