"""From an error reply to the exception that says what to do next: one parser for every body, one table for every status.

Procore answers errors in ten shapes (docs/procore-contract.md 1.9). :func:`parse_error` reads them in the documented order:
``errors``
(map, list or text), ``error`` (object or text), ``message`` / ``reason`` / ``fields``, raw text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, OutcomeUnknown, Refused, SyncError
from include.financials.legible import legible
from include.procore.exceptions import Locked, NotFound, TooLarge, Unavailable

MESSAGE_LENGTH = 500
"""Characters of a server's text that are kept: enough to act on, too few for a whole page of HTML."""

_LOCK = re.compile(
    r"\block(ed|s)?\b|\bsync(ed|hroni[sz]ed)\b|\b(not|no longer) editable\b|\bcan(not| not|'t) be (edited|changed)\b"
    r"|read[- ]only",
    re.I,
)
_NO_COMPANY = re.compile(r"missing procore-company-id", re.I)
_TAG = re.compile(r"<[^>]{0,200}>")


@dataclass(frozen=True, slots=True)
class ApiError:
    """What an error body says, for a person. ``field`` is the attribute it is about, where the body names one."""

    message: str
    field: str | None = None

    @property
    def locked(self) -> bool:
        """Lock errors have no code of their own: they are recognised by their text (docs/procore-contract.md 2.4)."""
        return bool(_LOCK.search(self.message))


def parse_error(body: Any, text: str = "") -> ApiError:
    """Read an error body of any documented shape: ``body`` parsed from JSON, or None and then ``text`` as it came."""
    if isinstance(body, Mapping):
        for reader in (_from_errors, _from_error, _from_message):
            found = reader(body)
            if found is not None:
                return found
    if isinstance(body, list | str) and body:
        return _joined(_flatten(body))
    return ApiError(_cut(_TAG.sub(" ", text)) or "no explanation given")


def _from_errors(body: Mapping[str, Any]) -> ApiError | None:
    errors = body.get("errors")
    return _joined(_flatten(errors)) if errors else None


def _from_error(body: Mapping[str, Any]) -> ApiError | None:
    error = body.get("error")
    if isinstance(error, str) and error:
        # {message, error} of budget lines: `error` is only a code there, the sentence stands in `message`.
        message = body.get("message")
        return ApiError(
            _cut(f"{message} ({error})" if isinstance(message, str) and message else error), _first_field(body.get("fields"))
        )
    if not isinstance(error, Mapping) or not error:
        return None
    details = [detail for detail in error.get("details") or () if isinstance(detail, Mapping)]
    message = error.get("message") or error.get("error") or error.get("code")
    said = [str(detail["message"]) for detail in details if detail.get("message")]
    field = next((str(detail["source"]) for detail in details if detail.get("source")), None)
    return ApiError(_cut("; ".join([str(message or "error"), *said])), field)


def _from_message(body: Mapping[str, Any]) -> ApiError | None:
    said = [str(body[key]) for key in ("message", "reason") if body.get(key)]
    fields = body.get("fields")
    if not said and not fields:
        return None
    if isinstance(fields, Mapping | list) and fields:
        detail = _joined(_flatten(fields))
        return ApiError(_cut("; ".join([*said, detail.message])), detail.field or _first_field(fields))
    return ApiError(_cut("; ".join(said) or str(fields)), _first_field(fields))


def _first_field(fields: Any) -> str | None:
    if isinstance(fields, Mapping):
        return next((str(name) for name in fields), None)
    if isinstance(fields, list):
        return next((str(name) for name in fields if isinstance(name, str)), None)
    return fields if isinstance(fields, str) and fields else None


def _flatten(value: Any, field: str | None = None) -> Iterator[tuple[str | None, str]]:
    """(field, text) pairs of ``{field: [text, ...]}``, ``[text | object, ...]`` or plain text."""
    if isinstance(value, Mapping):
        if "message" in value and isinstance(value["message"], str):
            yield (str(value.get("source") or value.get("field") or field or "") or None, value["message"])
            return
        for name, inner in value.items():
            yield from _flatten(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _flatten(inner, field)
    elif value is not None:
        yield field, str(value)


def _joined(pairs: Iterator[tuple[str | None, str]]) -> ApiError:
    found = list(pairs)
    message = "; ".join(f"{field}: {text}" if field else text for field, text in found)
    return ApiError(_cut(message) or "no explanation given", next((field for field, _ in found if field), None))


def _cut(text: str) -> str:
    text = legible(" ".join(text.split()))
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 3] + "..."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a status means for a read and for a write, and what a person or the engine does next."""

    read: type[SyncError]
    write: type[SyncError]
    advice: str


STATUS: dict[int, Verdict] = {
    400: Verdict(Refused, Refused, "correct the record or the request"),
    401: Verdict(
        ConfigurationError, ConfigurationError, "the renewed token was refused too: check client id, client secret and login URL"
    ),
    403: Verdict(
        NotPermitted,
        NotPermitted,
        "connect the app to the company, permit the project, or grant the service account the tool",
    ),
    404: Verdict(NotFound, NotFound, "it does not exist or is hidden from the service account"),
    405: Verdict(Refused, Refused, "the company no longer allows this method here"),
    406: Verdict(ContractBroken, ContractBroken, "the request has a field or content type that the endpoint does not know"),
    408: Verdict(Unavailable, OutcomeUnknown, "the server gave up; ask for less at a time"),
    409: Verdict(Unavailable, OutcomeUnknown, "another change of the record is under way, or it is there already"),
    413: Verdict(TooLarge, TooLarge, "send fewer entries in one call"),
    422: Verdict(Refused, Refused, "correct the record"),
    429: Verdict(Unavailable, Unavailable, "the request limit is used up"),
    500: Verdict(Unavailable, OutcomeUnknown, "the server failed"),
    502: Verdict(Unavailable, OutcomeUnknown, "a gateway failed"),
    503: Verdict(Unavailable, OutcomeUnknown, "the server is overloaded"),
    504: Verdict(Unavailable, OutcomeUnknown, "a gateway waited in vain"),
}
"""No answer of a server that failed says that nothing was applied, a 503 with Retry-After neither: it tells when to come back.
Nor does a 409, which Procore gives to a duplicate as well: what it duplicates may be what an earlier sending left."""

_JUDGED = {status.value for status in HTTPStatus if 400 <= status.value < 500}
"""Statuses of a client's error that HTTP knows; one that ``STATUS`` does not name is taken as a 400."""

_BUILD: dict[type[SyncError], Callable[[str, ApiError, float | None], SyncError]] = {
    Unavailable: lambda text, error, seconds: Unavailable(text, seconds),
    Refused: lambda text, error, seconds: (Locked if error.locked else Refused)(text, error.field),
    NotFound: lambda text, error, seconds: NotFound(text, error.field),
}


def error_for(call: str, status: int, error: ApiError, *, write: bool, retry_after: float | None = None) -> SyncError:
    """The exception for an error reply. ``call`` names method and path; ``retry_after`` is the wait the server asked for (s)."""
    # A gateway's own number (499, 460) says that somebody gave up waiting, not that the request was judged.
    verdict = STATUS.get(status) or STATUS[400 if status in _JUDGED else 500]
    kind = verdict.write if write else verdict.read
    if status in (400, 403, 404) and _NO_COMPANY.search(error.message):
        return ConfigurationError(f"{call}: {error.message}. Set company_id in the connection's extra.")
    text = f"{call} answered {status}: {error.message} ({verdict.advice})"
    build = _BUILD.get(kind)
    return build(text, error, retry_after) if build else kind(text)
