"""Error bodies of the few calls that answer in a shape of their own (docs/procore-contract.md §1.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.procore.call import Reply
from sandbox.procore.context import Context
from sandbox.procore.errors import Refused, Shape

Handler = Callable[[Context], Reply]
Body = Callable[[Refused], dict[str, Any]]


class Shaped(Refused):
    """A refusal that keeps its own shape, whatever the route's is."""

    def __init__(self, refused: Refused, build: Body) -> None:
        super().__init__(refused.status, refused.message, refused.fields)
        self._refused, self._build = refused, build

    def body(self, shape: Shape = "default") -> dict[str, Any]:
        return self._build(self._refused)


def by_field(refused: Refused) -> dict[str, Any]:
    """``{"errors": {field: [text]}}``: tax codes, 400."""
    return {"errors": refused.fields or {"base": [refused.message]}}


def as_list(refused: Refused) -> dict[str, Any]:
    """``{"errors": [text]}``: budget changes, 400 and 404."""
    return {"errors": [f"{name} {text}" for name, texts in refused.fields.items() for text in texts] or [refused.message]}


def with_reasons(refused: Refused) -> dict[str, Any]:
    """The v2 body: ``details`` carry a ``reason_code``."""
    found = refused.body("details")
    details = [{"reason_code": "invalid", "message": d["message"], "source": d["source"]} for d in found["error"]["details"]]
    return {"error": {**found["error"], "details": details}}


@dataclass(frozen=True, slots=True)
class InShapes:
    """A handler with its refusals in these shapes, by status. It still raises: what it wrote is taken back."""

    handler: Handler
    bodies: Mapping[int, Body]

    def __call__(self, context: Context) -> Reply:
        try:
            return self.handler(context)
        except Refused as refused:
            raise self.shape(refused) from None

    def shape(self, refused: Refused) -> Refused:
        build = self.bodies.get(refused.status)
        return refused if build is None else Shaped(refused, build)


def shaped(handler: Handler, bodies: Mapping[int, Body]) -> Handler:
    return InShapes(handler, bodies)
