"""What every ERP on the web is reached through: one client, whose surroundings are looked at before anything is sent."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from include.financials.exceptions import ConfigurationError, RetryLater, SyncError

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before a byte of the request went out."""
_UNKNOWN = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
"""The name does not exist, says the resolver; one that cannot be asked at present (EAI_AGAIN) is an outage."""
_HELD = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def client(timeout: float, transport: httpx.BaseTransport | None = None, **options: Any) -> httpx.Client:
    """A client that follows no redirect. ``timeout``: seconds to wait for an answer.

    Raises ConfigurationError for proxies or certificates of the environment that cannot be used.
    """
    limits = httpx.Timeout(timeout, connect=min(timeout, 10.0))
    try:
        return httpx.Client(timeout=limits, transport=transport, follow_redirects=False, **options)
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"The environment of Airflow's workers names a proxy or certificates that cannot be used ({type(error).__name__}): "
            "correct HTTPS_PROXY, SSL_CERT_FILE or SSL_CERT_DIR."
        ) from error


def silent(error: httpx.HTTPError, root: str) -> SyncError:
    """What it means that there was no answer, of a request of which nothing was applied: an outage, which passes; or a host that
    does not exist, or is not the one that its certificate names, which does not."""
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


def header(value: str, what: str) -> str:
    """A secret as a header can hold it. Raises ConfigurationError for one that would end in an error that quotes it."""
    if not _HELD.fullmatch(value):
        raise ConfigurationError(f"{what} has characters that no header can hold; is there a line break at its end?")
    return value
