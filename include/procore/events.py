"""Events of Procore's webhooks (docs/procore-contract.md 14): the three forms of a payload, and what each resource concerns.

An event tells that something has changed, never what: no payload carries the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from include.financials.entities import ENTITIES
from include.financials.ledger.inbox import Event
from include.procore.areas import ENTITIES as KEPT

LARGEST = 64 * 1024
"""Bytes of a payload; the largest that is described has some hundred."""

BORN = tuple(name for name, row in ENTITIES.items() if (row.source == "procore" and not row.read_only) or row.two_way)
"""Entities that events are about: what is born in Procore, or may be (budgets). What the ERP owns is read there, and what is only
read has nowhere to go in a hurry."""

RESOURCES: Mapping[str, tuple[str, ...]] = {
    event: tuple(entity for entity in BORN if event in KEPT[entity].events) for entity in BORN for event in KEPT[entity].events
}
"""Procore's name of a resource that has events -> entities that are read because of one. Requisitions have none: invoices of
subcontractors are found by the scheduled run, as are WBS codes and the newer kinds of change orders."""


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _or_none(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError:
        return None


Id = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
_PLAIN = r"^[^\x00-\x1f\x7f]+$"
"""A server of databases refuses what it cannot keep as text, and with it all that is kept in the same commit."""
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=_PLAIN)]
Action = Annotated[Name, AfterValidator(str.lower)]
"""What happened: create, update or delete, and perhaps more one day, since any change is a reason to look."""
Hint = Annotated[Id | None, WrapValidator(_or_none)]
"""What helps, and is not needed: where it cannot be read, it is not known. An event that is refused is sent again for hours, and
all others wait behind it."""


class _Payload(BaseModel):
    """Keys that are not known are left alone: Procore adds some without notice."""

    model_config = ConfigDict(extra="ignore")

    timestamp: Annotated[Annotated[str, Field(max_length=40, pattern=_PLAIN)] | None, WrapValidator(_or_none)] = None
    project_id: Hint = None
    user_id: Hint = None
    resource_id: Id


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")

    source_user_id: Hint = None
    source_project_id: Hint = None


class PayloadV2(_Payload):
    """Payloads v2.0 and v3.0, which tell the same but for related resources."""

    id: Id | None = None
    ulid: Hint = None
    metadata: Annotated[_Metadata | None, WrapValidator(_or_none)] = None
    event_type: Action
    resource_name: Name

    @model_validator(mode="after")
    def _is_told_apart(self) -> PayloadV2:
        if self.id is None and self.ulid is None:
            raise PydanticCustomError("id", "neither id nor ulid")
        return self

    def event(self) -> Event:
        source = self.metadata or _Metadata()
        return Event(
            self.ulid or f"id:{self.id}", self.resource_name, self.resource_id, self.event_type,
            self.project_id or source.source_project_id, source.source_user_id or self.user_id, self.timestamp,
        )  # fmt: skip


class PayloadV4(_Payload):
    id: Id
    reason: Action
    resource_type: Name

    def event(self) -> Event:
        return Event(
            self.id, self.resource_type, self.resource_id, self.reason, self.project_id, self.user_id, self.timestamp
        )  # fmt: skip


def parse(body: bytes) -> Event:
    """The event in the body of a delivery. Raises ValueError, which names the fields and never quotes their values."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None
    return event_of(payload)


def event_of(payload: Any) -> Event:
    """The event of a payload as parsed from JSON. Raises ValueError as :func:`parse` does."""
    if not isinstance(payload, dict):
        raise ValueError("the body is no JSON object")
    older = {"event_type", "resource_name"} <= payload.keys() or "resource_type" not in payload
    form = PayloadV2 if older else PayloadV4
    try:
        return form.model_validate(payload).event()
    except ValidationError as error:
        wrong = sorted({".".join(map(str, found["loc"])) or found["type"] for found in error.errors()})
        raise ValueError(f"missing or ill-formed: {', '.join(wrong)}") from None
