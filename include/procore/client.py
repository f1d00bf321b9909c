"""The one way to Procore's REST API: session, token, limits, retries and errors in one place, without Airflow.

A call either returns a :class:`Reply` or raises an exception that says what to do next (``include.financials.exceptions``).
Reads are repeated on passing trouble. A write is repeated only when it was surely not applied: turned away by
a limit, or never sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NoReturn, cast
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from requests import exceptions as http
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from include.financials.exact import loads
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, RetryLater
from include.financials.replies import MAX_ERROR_REPLY, MAX_REPLY
from include.procore.address import clean_url, company_number, login_url_for, redact
from include.procore.auth import TokenSource
from include.procore.errors import error_for, parse_error
from include.procore.exceptions import OddReply, Unavailable
from include.procore.pacing import Pace, limited, retry_after, server_time, shared_pace
from include.procore.paging import LinkPaginator, beyond
from include.procore.sessions import Bearer, OpenSession, no_auth, surroundings
from include.procore.sessions import session as session_of
from include.procore.wire import Reply, Rows, dump, is_write, network_error, pairs, whole

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
"""Seconds for a whole reply; shorter than a lease, so that a request in flight ends before somebody else may take over."""
MAX_WAIT = 60.0
"""Seconds that one call may wait in process, all its repetitions together; a longer wait ends the task (RetryLater)."""
ATTEMPTS = 6


class ProcoreClient:
    """Procore's REST API for one company and one service account. Thread-safe.

    :param base_url: API host, e.g. ``https://api.procore.com``.
    :param login_url: login host; None: the one that belongs to ``base_url``.
    :param company_id: Procore company, sent as ``Procore-Company-Id`` with every call.
    :param client_id, client_secret: of the developer managed service account.
    :param connect_timeout, read_timeout: seconds. The second limits the whole reply, not only the time between two bytes.
    :param max_wait: seconds that one call may wait in process for limits and repetitions.
    :param max_reply: bytes; a longer reply is refused without being read to its end.
    :param on_call: ``(method, path, status, seconds)`` after each request, status 0 when there was no answer; for metrics.
    :param on_secret: told each new token, for masking.
    :param sleep, clock: for tests: ``time.sleep`` and ``time.monotonic``.
    :param pace: the call budget; None: the one shared by the whole process for this account and company.
    """

    def __init__(
        self,
        base_url: str,
        login_url: str | None,
        company_id: int | str,
        client_id: str,
        client_secret: str,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        max_wait: float = MAX_WAIT,
        max_reply: int = MAX_REPLY,
        on_call: Callable[[str, str, int, float], None] | None = None,
        on_secret: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        pace: Pace | None = None,
    ) -> None:
        self.base_url = clean_url(base_url, "The API base URL of the Procore connection")
        self.login_url = (
            clean_url(login_url, "The login URL of the Procore connection") if login_url else login_url_for(self.base_url)
        )
        self.company_id = company_number(company_id)
        if not client_id or not client_secret:
            raise ConfigurationError("The Procore connection lacks client id (login) or client secret (password)")
        self._timeout = (connect_timeout, read_timeout)
        self._max_wait = max_wait
        self._max_reply = max_reply
        self._on_call = on_call
        self._sleep = sleep
        self._clock = clock
        self.pace = pace or shared_pace(self.base_url, self.company_id, client_id)
        self._tokens = TokenSource(self.login_url, client_id, client_secret, self._ask_token, clock=clock, on_secret=on_secret)
        self._session = session_of(self.company_id)
        self._lock = threading.Lock()
        self._calls = 0
        self._writes = 0
        self._server: tuple[datetime, float] | None = None
        self._writing: tuple[str, Callable[[], None]] | None = None
        self._jitter = random.Random()

    def __repr__(self) -> str:
        return f"ProcoreClient({self.base_url}, company {self.company_id})"

    @property
    def calls(self) -> int:
        """API requests sent so far, repetitions included, token requests not."""
        return self._calls

    @property
    def writes(self) -> int:
        """Those of them that were no GET."""
        return self._writes

    def session(self, headers: Mapping[str, str] | None = None) -> requests.Session:
        """A session for calls outside this class, as Airflow's own HTTP operators make them: it carries token and company header
        (the token to :attr:`base_url` only), renews a refused token once and keeps to the shared call budget. It repeats nothing
        and judges no status."""
        session = session_of(self.company_id, OpenSession(self))
        session.headers.update(headers or {})
        return session

    def paced(self, call: str) -> None:
        """Wait for the call budget as long as one call may; raises RetryLater with the seconds where that is not enough."""
        waiting = self.pace.wait()
        if waiting > self._max_wait:
            raise RetryLater(f"{call} not sent: the request limit is used up", waiting)
        if waiting > 0:
            self._sleep(waiting)

    def token(self, refused: str | None = None) -> str:
        """A bearer token of this account; another one than ``refused``."""
        return self._tokens.token() if refused is None else self._tokens.renew(refused)

    def close(self) -> None:
        self._session.close()

    @contextmanager
    def writing(self, key: str, beat: Callable[[], None]) -> Iterator[None]:
        """Writes of one journaled call: ``beat`` is asked before each request, and each carries a token that follows from ``key``
        and from what it says, the same whenever it is sent again (docs/procore-contract.md 2.2)."""
        self._writing = key, beat
        try:
            yield
        finally:
            self._writing = None

    # ------------------------------------------------------------------ calls

    def get(self, path: str, params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None = None) -> Reply:
        return self.request("GET", path, params=params)

    def post(self, path: str, body: Any, params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None = None) -> Reply:
        return self.request("POST", path, params=params, body=body)

    def patch(self, path: str, body: Any, params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None = None) -> Reply:
        return self.request("PATCH", path, params=params, body=body)

    def pages(
        self,
        path: str,
        params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None = None,
        *,
        per_page: int | None = None,
        start: str | None = None,
    ) -> Iterator[Rows]:
        """The pages of a list, in order, as long as the server names a next one.

        :param per_page: records per page; None for a list without paging.
        :param start: a ``next_url`` of an earlier read: go on there instead of at the beginning.
        """
        query = [*pairs(params), *([("per_page", per_page)] if per_page else [])]
        first = f"{self.base_url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        pager = LinkPaginator(self.base_url, urljoin(self.base_url, start) if start else first)
        while pager.url:
            reply = self.request("GET", pager.url)
            rows = reply.rows
            pager.update(rows, reply.headers.get("Link"), beyond(reply.headers, pager.url, rows))
            yield Rows(rows, pager.url)

    def request(
        self, method: str, path: str, *, params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None = None, body: Any = None
    ) -> Reply:
        """One call, with its repetitions.

        :param path: path under the API host, or an absolute address on it.
        :param body: JSON-able; a Decimal in it becomes a JSON number, digit for digit.
        :raises RetryLater: nothing was applied; come back after its ``seconds``.
        :raises OutcomeUnknown: a write that may or may not have been applied.
        :raises Refused, NotPermitted, ConfigurationError, ContractBroken: see ``include.procore.errors.STATUS``.
        """
        method = method.upper()
        url = path if "://" in path else f"{self.base_url}{path}"
        if not url.startswith(f"{self.base_url}/"):
            raise ContractBroken(f"{method} {redact(url)}: not on {self.base_url}; the token is not sent there")
        content: dict[str, Any] = {"headers": {}}
        if body is not None:
            content = {"data": dump(body), "headers": {"Content-Type": "application/json"}}
        call = f"{method} {urlsplit(url).path}"
        if self._writing is not None and is_write(call):
            said = f"{self._writing[0]} {call}".encode() + content.get("data", b"")
            content["headers"]["Idempotency-Token"] = hashlib.sha256(said).hexdigest()[:40]
        prepared = requests.Request(method, url, params=pairs(params) or None, **content)
        trials = Retrying(
            retry=retry_if_exception_type(Unavailable), stop=self._stop, wait=self._backoff, sleep=self._sleep, reraise=True
        )
        return trials(self._attempt, prepared, call)

    def _attempt(self, request: requests.Request, call: str) -> Reply:
        waiting = self.pace.wait()
        if waiting > 0:
            raise Unavailable(f"{call} not sent: the request limit is used up", waiting)
        token = self._tokens.token()
        if self._writing is not None and is_write(call):
            self._writing[1]()
        response, content = self._send(request, call, token)
        if response.status_code == 401:
            token = self._renewed(call, token)
            response, content = self._send(request, call, token)
        if response.status_code == 202 and is_write(call):
            raise OutcomeUnknown(f"{call} answered 202: it was taken, which does not say that it is done")
        if response.status_code < 300:
            return self._read(response, content, call)
        self._refuse(response, content, call)

    def _renewed(self, call: str, token: str) -> str:
        """Another token. The refused call counted too (docs/procore-contract.md 1.6): with it the budget may be used up."""
        renewed = self._tokens.renew(token)
        waiting = self.pace.wait()
        if waiting > 0:
            raise Unavailable(f"{call} not sent again: the request limit is used up", waiting)
        return renewed

    def _refuse(self, response: requests.Response, content: bytes, call: str) -> NoReturn:
        status, headers = response.status_code, response.headers
        if status < 400:
            host = urlsplit(headers.get("Location", "")).netloc.rpartition("@")[2] or "elsewhere"
            if is_write(call):  # to look at what was made is one of the things that it may be sent away for
                raise OutcomeUnknown(f"{call} answered {status} and points to {host}: whether it was applied is not said")
            raise ConfigurationError(
                f"{call} answered {status} and points to {host}; set that host in the connection if it is Procore's"
            )
        seconds = retry_after(headers)
        if status == 429:
            seconds = limited(headers)
            self.pace.hold(seconds)
        text = content.decode("utf-8", "replace")
        try:
            body = loads(text)
        except ValueError:
            body = None
        raise error_for(call, status, parse_error(body, text), write=is_write(call), retry_after=seconds)

    def _read(self, response: requests.Response, content: bytes, call: str) -> Reply:
        status, kind = response.status_code, response.headers.get("Content-Type", "no content type")
        if not content.strip():
            if status == 200 and not is_write(call):
                raise Unavailable(f"{call} answered {status} without a body; a read that is asked again may do better")
            return Reply(status, None, response.headers, call)
        if "Content-Type" in response.headers and "json" not in kind.lower() and not is_write(call):
            self._garbled(call, f"its reply is {kind}, not JSON")
        try:
            data = loads(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            self._garbled(call, f"its reply is not UTF-8 (byte {error.start})", error)
        except json.JSONDecodeError as error:
            self._garbled(call, f"its reply of {len(content):,} bytes is not JSON ({kind})", error)
        except ValueError as error:  # whole, but beyond what can be read: it will be so next time too
            self._unreadable(call, f"its reply of {len(content):,} bytes ({kind}) {error}", error)
        return Reply(response.status_code, data, response.headers, call)

    @classmethod
    def _garbled(cls, call: str, why: str, cause: Exception | None = None) -> NoReturn:
        """A page of a gateway, or half a reply: on a read it passes as a 502 does, and the read is repeated."""
        if is_write(call):
            cls._unreadable(call, why, cause)
        raise Unavailable(f"{call} answered 200, but {why}") from cause

    @staticmethod
    def _unreadable(call: str, why: str, cause: Exception | None = None) -> NoReturn:
        """A write that was answered but cannot be read may well have been applied: that comes before any complaint."""
        if is_write(call):
            raise OutcomeUnknown(f"{call} was accepted, but {why}") from cause
        raise OddReply(call, f"answered, but {why}") from cause

    # ------------------------------------------------------------------ the wire

    def _send(self, request: requests.Request, call: str, token: str) -> tuple[requests.Response, bytes]:
        request.auth = Bearer(token)
        prepared = self._session.prepare_request(request)
        started, status = self._clock(), 0
        with self._lock:
            self._calls += 1
            self._writes += is_write(call)
        try:
            response = self._session.send(
                prepared, timeout=self._timeout, allow_redirects=False, stream=True, **self._environment
            )
            status = response.status_code
            with response:
                content = self._content(response, call)
        except http.RequestException as error:
            raise network_error(error, call, write=is_write(call)) from error
        finally:
            seconds = self._clock() - started
            log.debug("%s %s -> %s in %.2f s", request.method, redact(prepared.url or ""), status or "no answer", seconds)
            if self._on_call:
                self._on_call(call.partition(" ")[0], call.partition(" ")[2], status, seconds)
        self._see(server_time(response.headers))
        self.pace.observe(response.headers, hold=status != 429)
        return response, content

    @cached_property
    def _environment(self) -> dict[str, Any]:
        return surroundings(self._session, self.base_url)

    def _content(self, response: requests.Response, call: str) -> bytes:
        limit = self._max_reply if response.status_code < 300 else MAX_ERROR_REPLY
        content, complete = whole(response, limit, self._timeout[1])
        if not complete and response.status_code < 300:
            self._unreadable(call, f"its reply is longer than {limit:,} bytes")
        return content

    def _ask_token(self, url: str, credentials: dict[str, str]) -> tuple[requests.Response, bytes]:
        """The credentials go to ``url`` alone: a redirect is not followed."""
        asked = requests.Request("POST", url, json=credentials, auth=no_auth, headers={"Procore-Company-Id": None})
        environment = surroundings(self._session, url)
        try:
            with self._session.send(
                self._session.prepare_request(asked), timeout=self._timeout, allow_redirects=False, stream=True, **environment
            ) as response:
                return response, whole(response, MAX_ERROR_REPLY, self._timeout[1])[0]
        except http.RequestException as error:
            # Not a write: a lost token request has no effect that anybody would have to look for.
            raise network_error(error, "POST /oauth/token", write=False) from error

    # ------------------------------------------------------------------ repetition

    def _stop(self, state: RetryCallState) -> bool:
        return state.attempt_number >= ATTEMPTS or state.idle_for + state.upcoming_sleep > self._max_wait

    def _backoff(self, state: RetryCallState) -> float:
        """What the server asked for, plus a little so that workers come back one by one; else about 1, 2, 4 ... s."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.seconds if isinstance(error, RetryLater) else None
        if asked:
            return asked + self._jitter.uniform(0, min(1.0, 0.1 * asked))
        return float(2 ** (state.attempt_number - 1)) * self._jitter.uniform(0.5, 1.0)

    # ------------------------------------------------------------------ time

    def now(self) -> datetime:
        """Procore's clock (UTC): the ``Date`` of the last reply and what went by since. Asks ``/me`` if nothing was asked yet."""
        if self._server is None:
            self.get("/rest/v1.0/me", {"company_id": self.company_id})
        if self._server is None:
            raise ContractBroken("GET /rest/v1.0/me: the reply has no Date header, so Procore's time is not known")
        return cast(datetime, self.last_seen())

    def _see(self, moment: datetime | None) -> None:
        """Take note of a reply's date. It is cut to the second: what is known may be nearer, and time must not run back."""
        known = self.last_seen()
        if moment and (known is None or not timedelta(0) < known - moment < timedelta(seconds=1)):
            self._server = (moment, self._clock())

    def last_seen(self) -> datetime | None:
        """As :meth:`now`, but without a call: None when there was no dated reply yet."""
        if self._server is None:
            return None
        moment, at = self._server
        return (moment + timedelta(seconds=max(0.0, self._clock() - at))).astimezone(UTC)
