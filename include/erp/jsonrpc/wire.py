"""One request over HTTP, and what its failure says: surely not applied, refused, or nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from include.erp.json import web
from include.erp.json.numbers import dumps
from include.erp.json.tagged import loads
from include.erp.json.waiting import moment, seconds
from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, OutcomeUnknown, RetryLater


class LoggedOut(Exception):
    """The server wants a new log-in. It looked at nothing else of the request: nothing was applied."""


@dataclass(frozen=True, slots=True)
class Address:
    """``https://login:password@erp.example.com/database``. Its text has no password."""

    base: str
    database: str
    login: str
    password: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises ConfigurationError, without the password, for an address that lacks a part."""
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not database or not parts.username:
            raise ConfigurationError(
                "The ERP's address must be https://login:password@host/database, and names scheme, host, database and login."
            )
        host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        base = urlunsplit((parts.scheme, host, "", "", ""))
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigurationError(f"{base} would send the password in plain text. Give the ERP's address as https://.")
        return cls(base, database, unquote(parts.username), unquote(parts.password or ""))

    def __repr__(self) -> str:
        return f"{self.base}/{self.database} as {self.login}"

    __str__ = __repr__


class Wire:
    """A connection that sends JSON and takes JSON. ``now`` is the server's clock at its last answer, None before the first."""

    def __init__(self, address: Address, *, timeout: float = 60.0, transport: httpx.BaseTransport | None = None) -> None:
        self.address = address
        self.now: datetime | None = None
        self._client = web.client(timeout, transport, base_url=address.base)

    def close(self) -> None:
        self._client.close()

    def post(self, path: str, body: Any, *, headers: Mapping[str, str] | None = None, writes: bool = False) -> Any:
        """The answer's JSON. ``writes``: what went out may have been applied, whatever came back.

        Raises LoggedOut; NotPermitted; ConfigurationError for an address that is none; RetryLater where surely nothing was
        applied; OutcomeUnknown for a write of which nobody knows.
        """
        content = dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            reply = self._client.post(path, content=content, headers=sent)
        except web.NEVER_SENT as error:
            raise web.silent(error, self.address.base) from error
        except httpx.HTTPError as error:
            if isinstance(error, web.Overlong) and not writes:
                raise web.silent(error, self.address.base) from error
            raise self._doubt(writes, f"{self.address.base} did not answer: {type(error).__name__} {error}".strip()) from error
        self.now = moment(reply.headers.get("Date")) or self.now
        if reply.status_code == 200:
            try:
                return loads(reply.content)
            except (JSONDecodeError, UnicodeDecodeError) as error:
                raise self._doubt(writes, f"{self.address.base} answered no JSON ({error}).") from error
            except ValueError as error:  # whole, and so it will be next time
                kind = OutcomeUnknown if writes else ContractBroken
                raise kind(f"{self.address.base}: the ERP's answer {error}, and is not read.") from error
        raise self._told(reply, writes)

    def _told(self, reply: httpx.Response, writes: bool) -> Exception:
        code, where = reply.status_code, self.address.base
        if code == 401:
            return LoggedOut(where)
        if code == 403:
            return NotPermitted(f"{self.address}: the ERP does not allow this call. Give the integration's user the right to it.")
        wait = seconds(reply.headers.get("Retry-After", ""), self.now)
        if code in (425, 429):
            return RetryLater(f"{where} asks to come back later ({code}).", wait)
        points = f" and points to {web.elsewhere(reply.headers.get('Location'))}" if 300 <= code < 400 else ""
        if code == 408 or code >= 500 or (writes and code not in web.JUDGED):
            return self._doubt(writes, f"{where} answered {code}{points}.", wait)
        if code in (404, 405) or code < 400:
            return ConfigurationError(f"{self.address}: answered {code}{points}. Check the address and the name of the database.")
        return ConfigurationError(f"{where} does not understand the request ({code}): {reply.text[:200]}")

    @staticmethod
    def _doubt(writes: bool, message: str, seconds: float | None = None) -> Exception:
        return OutcomeUnknown(message) if writes else RetryLater(message, seconds)
