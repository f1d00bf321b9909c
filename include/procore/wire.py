"""One request and its reply as they go over the wire: JSON with exact numbers, and what a failure below HTTP means."""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions as http
from urllib3 import exceptions as below
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

from include.financials import replies
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, SyncError
from include.procore.exceptions import OddReply, Unavailable
from include.procore.parse import kind

UNKNOWN_HOST = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
"""The name does not exist, says the resolver; one that cannot be asked at present (EAI_AGAIN) is an outage."""

_NO_HANDSHAKE = re.compile(
    r"certificate|hostname|wrong_version_number|handshake_failure|protocol_version|unsupported_protocol|unknown_protocol"
    r"|http_request|no_protocols_available|no_shared_cipher|key_too_small",
    re.I,
)
"""TLS errors that only a handshake has. Any other one may as well come when the request was on its way."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply. ``data`` is the parsed JSON with every number that has a point as Decimal; None for an empty body."""

    status: int
    data: Any
    headers: Mapping[str, str]
    call: str
    """Method and path, for messages."""

    @property
    def rows(self) -> list[Any]:
        """The reply as a list, with or without the ``data`` envelope of v2."""
        rows = self.data.get("data") if isinstance(self.data, dict) else self.data
        if not isinstance(rows, list):
            raise self._odd("a list")
        return rows

    @property
    def object(self) -> dict[str, Any]:
        """The reply as one record, with or without the ``data`` envelope of v2."""
        found = self.data.get("data", self.data) if isinstance(self.data, dict) else self.data
        if not isinstance(found, dict):
            raise self._odd("one record")
        return found

    def _odd(self, wanted: str) -> SyncError:
        """Of a write nothing is known but that it left; a read that is answered so breaks the contract."""
        found = self.data.get("data", self.data) if isinstance(self.data, dict) else self.data
        told = f"answered {kind(found)} where {wanted} belongs"
        return OutcomeUnknown(f"{self.call} {told}") if is_write(self.call) else OddReply(self.call, told)


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list; ``next_url`` is where to go on (also after a crash), None after the last page."""

    rows: list[Any]
    next_url: str | None


def pairs(params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    pairs = params.items() if isinstance(params, Mapping) else params or ()
    return [(name, value) for name, value in pairs if value is not None]


def is_write(call: str) -> bool:
    return not call.startswith(("GET ", "HEAD "))


def dump(body: Any) -> bytes:
    """JSON with every Decimal as the number that it is. The json module has no form for one that does not pass through float: it
    goes in as text with a mark that no text of a record can hold, since it is drawn anew each time, and sheds its quotes here."""
    mark = secrets.token_hex(16)

    def number(value: Any) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ContractBroken(f"{value!r} of a request is nothing that JSON can hold")
        return f"{mark}{value:f}"

    return re.sub(f'"{mark}([-.0-9]+)"', r"\1", json.dumps(body, allow_nan=False, default=number)).encode()


def whole(response: requests.Response, limit: int, seconds: float) -> tuple[bytes, bool]:
    """The body of a streamed reply as far as ``limit`` bytes, unpacked, and whether that is all of it.

    Raises http.ReadTimeout when it has no end after ``seconds``.
    """
    try:
        return replies.whole(_arriving(response), limit, seconds)
    except replies.Endless as error:
        raise http.ReadTimeout(*error.args) from error


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """What has arrived, piece by piece: requests itself waits until a piece is full, which lasts as long as a server likes."""
    try:
        while piece := response.raw.read1(65536, decode_content=True):
            yield piece
    except below.SSLError as error:
        raise http.SSLError(error) from error
    except below.DecodeError as error:
        raise http.ContentDecodingError(error) from error
    except below.ReadTimeoutError as error:
        raise http.ReadTimeout(error) from error
    except below.ProtocolError as error:
        raise http.ChunkedEncodingError(error) from error


def network_error(error: http.RequestException, call: str, *, write: bool) -> SyncError:
    """What a failure below HTTP means. The difference that matters: was anything sent?"""
    reason = error.args[0] if error.args else None
    cause = reason.reason if isinstance(reason, MaxRetryError) else reason
    kind = type(cause).__name__ if isinstance(cause, Exception) else type(error).__name__
    if isinstance(error, http.SSLError) and _NO_HANDSHAKE.search(str(error)):
        return ConfigurationError(f"{call} not sent: no trusted TLS connection ({kind}). Check host and certificates.")
    if isinstance(error, http.InvalidURL | http.InvalidSchema | http.MissingSchema):
        return ConfigurationError(
            f"{call} not sent: the host of the connection, or a proxy of the environment (HTTPS_PROXY), is not a valid address"
        )
    if isinstance(cause, NameResolutionError) and getattr(cause.__cause__, "errno", None) in UNKNOWN_HOST:
        host = urlsplit(error.request.url).hostname if error.request is not None and error.request.url else "the connection's"
        return ConfigurationError(f"{call} not sent: there is no host named {host}. Correct the host of the connection.")
    if isinstance(error, http.ConnectTimeout | http.ProxyError) or isinstance(cause, NewConnectionError | ConnectTimeoutError):
        return Unavailable(f"{call} not sent: the host cannot be reached ({kind})")
    if write:
        return OutcomeUnknown(f"{call}: the connection ended without an answer ({kind}); the write may have been applied")
    return Unavailable(f"{call}: the connection ended without an answer ({kind})")
