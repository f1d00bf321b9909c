"""What every ERP on the web is reached through: one client, whose surroundings are looked at before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from include.financials.exceptions import ConfigurationError

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before a byte of the request went out."""
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


def header(value: str, what: str) -> str:
    """A secret as a header can hold it. Raises ConfigurationError for one that would end in an error that quotes it."""
    if not _HELD.fullmatch(value):
        raise ConfigurationError(f"{what} has characters that no header can hold; is there a line break at its end?")
    return value


def clock(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock at an answer, UTC; None where it does not tell."""
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
