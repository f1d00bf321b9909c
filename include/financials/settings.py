"""Settings: one validated model; a typo is refused with the key that has it, never ignored."""

from __future__ import annotations

import json
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from include import configfile
from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.identity import digest

DEFAULT = Path(__file__).resolve().parents[1] / "settings.yaml"

ANY = "any"
"""Key of ``eligible`` for entities that have one kind of document only."""

Share = Annotated[Decimal, Field(ge=0, le=1)]
_SWITCHES = {"yes": "on", "no": "off", True: "on", False: "off"}
Switch = Annotated[
    Literal["on", "off"], BeforeValidator(lambda value: _SWITCHES.get(value, value) if isinstance(value, str | bool) else value)
]
"""As people write it; JSON has true and false."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntitySettings(_Model):
    writes: Switch = "off"
    eligible: dict[str, tuple[str, ...]] = {}
    eligible_when_linked: dict[str, tuple[str, ...]] = {}

    def statuses(self, kind: str | None = None) -> tuple[str, ...]:
        """Statuses that may be sent, of one kind of document (``any`` where there is only one)."""
        return self.eligible.get(kind or ANY, ())

    def when_linked(self, kind: str | None = None) -> tuple[str, ...]:
        """The statuses beyond those in which a linked document may stay."""
        return self.eligible_when_linked.get(kind or ANY, ())


class GateSettings(_Model):
    max_failed_records: Share = Decimal("0.20")
    max_failed_amount: Share = Decimal("0.25")
    min_failures: int = 5
    one_reason_records: Share = Decimal("0.50")
    one_reason_min: int = 10


class StepSettings(_Model):
    """Responses of a step, by name: to a document that the ERP has, to one that a rule stops (None: it is not returned)."""

    accepts: Annotated[str, Field(min_length=1)]
    returns: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _two(self) -> StepSettings:
        if self.accepts == self.returns:
            raise ValueError(f"accepts and returns are both {self.accepts!r}: one response cannot say both")
        return self


class WorkflowSettings(_Model):
    """Whether the workflow of a document that waits is shown, whether steps that ask our account are answered, which steps those
    are (by name), which tool of Procore has the workflows of an entity, and what the older workflows call its documents."""

    shown: Switch = "off"
    answers: Switch = "off"
    steps: dict[str, StepSettings] = {}
    tools: dict[str, str] = {name: row.tool for name, row in ENTITIES.items() if row.tool}
    older: dict[str, str] = {name: row.workflowed for name, row in ENTITIES.items() if row.workflowed}

    @field_validator("tools", "older")
    @classmethod
    def _documents(cls, value: dict[str, str]) -> dict[str, str]:
        known = [name for name, row in ENTITIES.items() if row.document and row.source == "procore"]
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} has no workflow here; known: {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _named(self) -> WorkflowSettings:
        if self.answers == "on" and not self.steps:
            raise ValueError("answers is on, and steps names no step; name those that are ours, each with its responses")
        return self

    @property
    def looked_at(self) -> bool:
        return "on" in (self.shown, self.answers)

    def answered(self, entity: str) -> bool:
        return self.answers == "on" and entity in self.tools


class Settings(_Model):
    """See ``include/settings.yaml``, which explains every key. Money is Decimal, times are UTC."""

    entities: dict[str, EntitySettings]
    documents_from: datetime | None = None
    posting_policy: Literal["hold", "next_open", "reject"] = "hold"
    scheduled_mode: Literal["apply", "plan"] = "plan"
    """What nobody has set writes nothing."""
    overlap_minutes: Annotated[int, Field(ge=0)] = 10
    backfill_lists_minutes: Annotated[int, Field(ge=0)] = 15
    settle_seconds: Annotated[int, Field(ge=0)] = 60
    settle_seconds_without_key: Annotated[int, Field(ge=0)] = 600
    accepted_days: Annotated[int, Field(ge=1)] = 5
    gate: GateSettings = GateSettings()
    workflow: WorkflowSettings = WorkflowSettings()
    show_final: Switch = "off"
    cost_type_codes: dict[str, str] = {}
    cost_code_list: str | None = None
    approve_above: Decimal | None = None

    @field_validator("entities")
    @classmethod
    def _known(cls, value: dict[str, EntitySettings]) -> dict[str, EntitySettings]:
        for name, chosen in value.items():
            if name not in ENTITIES:
                raise ValueError(f"unknown entity {name!r}; known: {', '.join(ENTITIES)}")
            if ENTITIES[name].read_only and chosen.writes == "on":
                raise ValueError(f"{name} are only read: there are no writes to switch on")
        return value

    @field_validator("cost_type_codes")
    @classmethod
    def _one_to_one(cls, value: dict[str, str]) -> dict[str, str]:
        if len(set(value.values())) != len(value):
            raise ValueError("two ERP cost types map to one Procore code; the mapping must be one to one (rule C-02)")
        return value

    @field_validator("documents_from")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("give documents_from with its zone, e.g. 2026-07-01T00:00:00Z")
        return value

    def of(self, entity: str) -> EntitySettings:
        return self.entities.get(entity, EntitySettings())

    @property
    def hash(self) -> str:
        return digest(self.model_dump(mode="json"))


def parse(text: str, source: str) -> Settings:
    """Settings from YAML or JSON text. Raises ConfigurationError naming ``source`` and each wrong key."""
    try:
        return Settings.model_validate(configfile.parse(text).data)
    except configfile.Malformed as error:
        raise ConfigurationError(f"{source} is not valid YAML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{source}: {wrong}") from error


def load(variable: str | dict[str, Any] | None = None) -> Settings:
    """The Airflow Variable's text if there is one, else the file (``PROCORE_ERP_SETTINGS`` names another file). A Variable that
    is empty replaces the file as any other does: it makes no sense, and is refused."""
    if variable is not None:
        return parse(variable if isinstance(variable, str) else json.dumps(variable), "Variable procore_erp_sync_settings")
    return from_file(Path(os.environ.get("PROCORE_ERP_SETTINGS", DEFAULT)))


def from_file(path: Path) -> Settings:
    """Raises ConfigurationError where the file cannot be read, or says something that is not understood."""
    try:
        return parse(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise ConfigurationError(f"settings file {path} cannot be read: {error.strerror}") from error
