"""Refusals and the body shapes in which Procore answers them (docs/procore-contract.md §1.9)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

Shape = Literal["default", "exception", "details"]
"""``default``: {code, message, fields, reason, error}; ``exception``: {message, exception}; ``details``: {error: {code, ...}}."""


class Refused(Exception):
    """A call that is answered with an error. ``fields`` maps attribute names to what is wrong with them."""

    def __init__(self, status: int, message: str, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.fields = status, message, fields or {}

    def body(self, shape: Shape = "default") -> dict[str, Any]:
        return SHAPES[shape](self)


class Invalid(Refused):
    """Attributes that cannot be accepted (400, or 422 for a business rule); an ``errors`` entry inside a sync reply."""

    def __init__(self, fields: dict[str, list[str]], status: int = 400) -> None:
        message = "; ".join(f"{name} {text}" for name, texts in fields.items() for text in texts)
        super().__init__(status, message, fields)


def not_found(what: str = "The requested record") -> Refused:
    """404: unknown, or hidden from the caller, which is the same answer on purpose."""
    return Refused(404, f"{what} was not found")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _default(refused: Refused) -> dict[str, Any]:
    reason = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in refused.fields.items()) or refused.message
    return {
        "code": refused.status,
        "message": refused.message,
        "fields": ", ".join(refused.fields),
        "reason": reason,
        "error": _phrase(refused.status),
    }


def _exception(refused: Refused) -> dict[str, Any]:
    name = "RecordNotFound" if refused.status == 404 else _phrase(refused.status).title().replace(" ", "")
    return {"message": refused.message, "exception": name}


def _details(refused: Refused) -> dict[str, Any]:
    details = [
        {"code": "INVALID", "message": text, "source": {"parameter": name}}
        for name, texts in refused.fields.items()
        for text in texts
    ]
    return {"error": {"code": _phrase(refused.status).upper().replace(" ", "_"), "message": refused.message, "details": details}}


SHAPES = {"default": _default, "exception": _exception, "details": _details}
