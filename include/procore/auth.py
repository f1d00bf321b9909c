"""Tokens of the client-credentials grant: one per process, renewed early, never logged (docs/procore-contract.md 1.2)."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from include.financials.exact import loads
from include.financials.exceptions import ConfigurationError, ContractBroken
from include.procore.errors import parse_error
from include.procore.exceptions import Unavailable
from include.procore.pacing import UNSAID, retry_after

RENEW_EARLY = 300.0
"""Seconds before its end at which a token is replaced, but never more than a third of its life."""
LONGEST_LIFE = 1e9
"""Seconds; nothing is issued for thirty years."""
_SENDABLE = re.compile(r"[\x21-\x7e]+")
"""What a header can hold: anything else would end in an error that quotes the token."""


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    renew_at: float
    """On the monotonic clock."""

    def __repr__(self) -> str:
        return f"Token(***, renew_at={self.renew_at:.0f})"


class _Slot:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.token: Token | None = None


_SLOTS: dict[tuple[str, str, str], _Slot] = {}
_SLOTS_LOCK = threading.Lock()


class TokenSource:
    """Hands out the bearer token of one service account.

    All sources of a process with the same login host and credentials share one token: Procore counts and revokes them together.
    The secret takes part in the key as a hash, so that a wrong secret is found out although a token of the right one is at hand.

    :param post: sends the token request: ``post(url, json)`` gives the reply and its body; network errors come out as SyncErrors.
    :param on_secret: told every new token, so that the logging of the surroundings can mask it.
    """

    def __init__(
        self,
        login_url: str,
        client_id: str,
        client_secret: str,
        post: Callable[[str, dict[str, str]], tuple[requests.Response, bytes]],
        *,
        clock: Callable[[], float] = time.monotonic,
        on_secret: Callable[[str], None] | None = None,
    ) -> None:
        self._url = f"{login_url}/oauth/token"
        self._credentials = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._post = post
        self._clock = clock
        self._on_secret = on_secret
        key = (login_url, client_id, hashlib.sha256(client_secret.encode()).hexdigest())
        with _SLOTS_LOCK:
            self._slot = _SLOTS.setdefault(key, _Slot())

    def token(self) -> str:
        """A token that is good for a while. Fetched or renewed under a lock: threads that come together cause one request."""
        slot = self._slot
        with slot.lock:
            if slot.token is None or self._clock() >= slot.token.renew_at:
                slot.token = self._fetch()
            return slot.token.value

    def renew(self, refused: str) -> str:
        """A token other than ``refused`` (one that just got a 401). If another thread renewed it meanwhile, that one is taken."""
        slot = self._slot
        with slot.lock:
            if slot.token is None or slot.token.value == refused:
                slot.token = self._fetch()
            return slot.token.value

    def _fetch(self) -> Token:
        asked_at = self._clock()
        response, content = self._post(self._url, self._credentials)
        status, host = response.status_code, urlsplit(self._url).netloc
        text = content.decode("utf-8", "replace")
        try:
            body = loads(text)
        except ValueError:
            body = None
        if status == 429 or status >= 500:
            seconds = retry_after(response.headers)
            if status == 429 and seconds is None:
                seconds = UNSAID
            raise Unavailable(f"The login host {host} answered {status}; no token yet", seconds)
        if status < 300 and body is None:  # a gateway's page in between, which passes; or always, where the address is wrong
            raise Unavailable(
                f"POST /oauth/token on {host} answered {status}, but not with JSON; no token yet. If it stays so: is the login "
                "URL right?"
            )
        if 300 <= status < 400:
            there = urlsplit(response.headers.get("Location", "")).netloc or "elsewhere"
            raise ConfigurationError(
                f"POST /oauth/token on {host} answered {status} and points to {there}; the credentials are not sent there. "
                "Correct the login URL of the connection."
            )
        if status >= 400:
            said = parse_error(body, text[:2000]).message
            raise ConfigurationError(
                f"The login host {host} refused the client credentials ({status}: {said}). Check client id, client "
                "secret and login URL of the connection; credentials of one Procore environment are not valid in another."
            )
        value = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(value, str) or not _SENDABLE.fullmatch(value):
            raise ContractBroken(
                f"POST /oauth/token on {host} answered {status} without an access_token that can be sent: is the login URL right?"
            )
        if self._on_secret:
            self._on_secret(value)
        seconds = _life(body.get("expires_in"))
        return Token(value, asked_at + seconds - min(RENEW_EARLY, seconds / 3))


def _life(told: Any) -> float:
    """Seconds that a token lasts; what makes no sense is taken for a short life."""
    try:
        seconds = 0.0 if isinstance(told, bool) else float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    return seconds if 0 < seconds < LONGEST_LIFE else 3 * RENEW_EARLY
