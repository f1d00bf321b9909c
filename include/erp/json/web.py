"""What every ERP on the web is reached through: one client, whose surroundings are looked at before anything is sent."""

from __future__ import annotations

import math
import re
import socket
import ssl
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from include.erp.json.timed import timed
from include.financials import replies
from include.financials.exceptions import ConfigurationError, RetryLater, SyncError

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before a byte of the request went out."""
_UNKNOWN = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
"""The name does not exist, says the resolver; one that cannot be asked at present (EAI_AGAIN) is an outage."""
JUDGED = {status.value for status in HTTPStatus if 400 <= status.value < 500} - {408}
"""Statuses of an answer to a write that say that the request was looked at, and not applied. A gateway's own number (499, 460)
says that somebody gave up waiting, and a redirect may lead to what was made."""
_HELD = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class Overlong(httpx.RequestError):
    """A reply is longer than what is read of one."""


class Bounded(httpx.Client):
    """Reads every reply at once, within the limits that both sides have: a long one is not taken into memory, and one that
    arrives byte after byte, in its head or in its body, ends with the time for an answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for transport in (self._transport, *self._mounts.values()):
            if transport is not None:
                timed(transport)

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """``stream`` changes nothing. Raises Overlong, and httpx.ReadTimeout for a body without end."""
        begun = time.monotonic()
        reply = super().send(request, stream=True, **options)
        seconds = (self.timeout.read or math.inf) - (time.monotonic() - begun)
        limit = replies.MAX_REPLY if reply.is_success else replies.MAX_ERROR_REPLY
        try:
            content, complete = replies.whole(reply.iter_bytes(), limit, seconds)
        except replies.Endless as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        finally:
            reply.close()
        if not complete and reply.is_success:
            raise Overlong(f"its reply is longer than {limit:,} bytes", request=request)
        unpacked = [(name, value) for name, value in reply.headers.raw if name.lower() not in _PACKED]
        return httpx.Response(
            reply.status_code, headers=unpacked, content=content, request=reply.request, extensions=reply.extensions
        )


_PACKED = (b"content-encoding", b"content-length", b"transfer-encoding")
"""Headers that are true of a body as it travels only."""


def client(timeout: float, transport: httpx.BaseTransport | None = None, **options: Any) -> httpx.Client:
    """A client that follows no redirect. ``timeout``: seconds to wait for an answer, all of it.

    Raises ConfigurationError for proxies or certificates of the environment that cannot be used.
    """
    limits = httpx.Timeout(timeout, connect=min(timeout, 10.0))
    try:
        return Bounded(timeout=limits, transport=transport, follow_redirects=False, **options)
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"The environment of Airflow's workers names a proxy or certificates that cannot be used ({type(error).__name__}): "
            "correct HTTPS_PROXY, SSL_CERT_FILE or SSL_CERT_DIR."
        ) from error


def silent(error: httpx.HTTPError, root: str) -> SyncError:
    """What it means that there was no answer, of a request of which nothing was applied: an outage, which passes; or a host that
    does not exist, or is not the one that its certificate names, or an answer that is too long, which does not."""
    if isinstance(error, Overlong):
        return ConfigurationError(f"{root}: {error}, and is not read to its end. Let the mapping ask for less at a time.")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN:
            return ConfigurationError(
                f"There is no host named {urlsplit(root).hostname}. Correct it in the ERP's connection, or in its mapping."
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ConfigurationError(
                f"{root}: its certificate is not trusted ({cause}). Correct the host of the ERP's connection, or let "
                "SSL_CERT_FILE name the certificates to trust."
            )
        cause = cause.__cause__ or cause.__context__
    said = "cannot be reached" if isinstance(error, NEVER_SENT) else "does not answer"
    return RetryLater(f"{root} {said}: {type(error).__name__}")


def elsewhere(location: str | None) -> str:
    """Where a redirect points to: the host, for the rest may hold a secret."""
    return urlsplit(location or "").netloc.rpartition("@")[2] or "elsewhere"


def header(value: str, what: str) -> str:
    """A secret as a header can hold it. Raises ConfigurationError for one that would end in an error that quotes it."""
    if not _HELD.fullmatch(value):
        raise ConfigurationError(f"{what} has characters that no header can hold; is there a line break at its end?")
    return value
