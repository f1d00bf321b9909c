"""The one way to Procore's REST API: session, token, limits, retries and errors in one place, without Airflow.

A call either returns a :class:`Reply` or raises an exception that says what to do next (``include.financials.exceptions``).
Reads are repeated on passing trouble. A write is repeated only when it was surely not applied: turned away by
a limit, or never sent.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import random
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn, cast
from urllib.parse import unquote, urljoin, urlsplit

import requests
from requests import exceptions as http
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, RetryLater, SyncError
from include.procore.auth import TokenSource
from include.procore.errors import ApiError, error_for, parse_error
from include.procore.exceptions import Unavailable
from include.procore.pacing import UNSAID, Pace, retry_after, server_time, shared_pace, until_reset
from include.procore.paging import LinkPaginator

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
"""Seconds for a whole reply; shorter than a lease, so that a request in flight ends before somebody else may take over."""
MAX_WAIT = 60.0
"""Seconds that one call may wait in process, all its repetitions together; a longer wait ends the task (RetryLater)."""
ATTEMPTS = 6
MAX_REPLY = 32 * 1024 * 1024
"""Bytes of a reply that are read: a page of 1,000 extended records has a few million."""
MAX_ERROR_REPLY = 64 * 1024
UNKNOWN_HOST = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
"""The name does not exist, says the resolver; one that cannot be asked at present (EAI_AGAIN) is an outage."""

_NO_HANDSHAKE = re.compile(
    r"certificate|hostname|wrong_version_number|handshake_failure|protocol_version|unsupported_protocol|unknown_protocol"
    r"|http_request|no_protocols_available|no_shared_cipher|key_too_small",
    re.I,
)
"""TLS errors that only a handshake has. Any other one may as well come when the request was on its way."""

LOGIN_HOSTS = {
    "api.procore.com": "https://login.procore.com",
    "sandbox.procore.com": "https://login-sandbox.procore.com",
    "api-monthly.procore.com": "https://login-sandbox-monthly.procore.com",
    "api-sandbox-monthly.procore.com": "https://login-sandbox-monthly.procore.com",
    "api.procoregov.com": "https://login.procoregov.com",
}
"""API host -> login host (docs/procore-contract.md 1.1). Any other host, such as the sandbox's, issues its own tokens."""

_SHOWN = {
    "page",
    "per_page",
    "view",
    "project_id",
    "company_id",
    "standard_cost_code_list_id",
    "filters[include_deleted]",
    "filters[by_status]",
}
"""Query parameters that a log may show; filters can hold names and numbers of people's documents."""


def clean_url(url: str, what: str) -> str:
    """Scheme and authority of ``url``, checked; raises ConfigurationError with what is wrong."""
    parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    host = host.rstrip(".") if host else None  # `api.procore.com.` is the same host, and must not pass for another one
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host):
        raise ConfigurationError(f"{what} must look like https://api.procore.com")
    if "@" in parts.netloc:
        raise ConfigurationError(f"{what} must not hold credentials; use login and password")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(f"{what} must end after the host name: paths are added to it")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigurationError(
            f"{what} must begin with https://, or the credentials travel in the clear; plain http is "
            "for a sandbox on this machine (127.0.0.1 or localhost)"
        )
    # The port that the scheme implies is left out: the server's own links, which must begin alike, do so.
    shown = f":{port}" if port and port != {"http": 80, "https": 443}[parts.scheme] else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{shown}"


_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def login_url_for(base_url: str) -> str:
    """The login host that belongs to an API host."""
    return LOGIN_HOSTS.get(urlsplit(base_url).hostname or "", base_url)


def redact(url: str) -> str:
    """Path and harmless parameters of an address, for logs and messages."""
    parts = urlsplit(url)
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    decoded = [(unquote(name), value) for name, _, value in pairs]
    shown = "&".join(f"{name}={value if name in _SHOWN else '***'}" for name, value in decoded)
    return parts.path + (f"?{shown}" if shown else "")


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
        kind = OutcomeUnknown if _is_write(self.call) else ContractBroken
        return kind(f"{self.call} answered {type(self.data).__name__} where {wanted} belongs")


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list; ``next_url`` is where to go on (also after a crash), None after the last page."""

    rows: list[Any]
    next_url: str | None


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _OpenSession(requests.Session):
    """See :meth:`ProcoreClient.session`."""

    def __init__(self, client: ProcoreClient) -> None:
        super().__init__()
        self._client = client
        self.auth = self._authorize

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return _Bearer(self._client.token())(request) if self._ours(request) else request

    def _ours(self, request: requests.PreparedRequest) -> bool:
        return (request.url or "").startswith(f"{self._client.base_url}/")

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if not self._ours(request):  # a redirect to a file store: neither token nor budget concern it
            return super().send(request, **options)
        self._client.paced(f"{request.method} {redact(request.url or '')}")
        response = super().send(request, **options)
        given = request.headers.get("Authorization", "")
        if response.status_code == 401 and given.startswith("Bearer "):
            response.close()
            _Bearer(self._client.token(refused=given.removeprefix("Bearer ")))(request)
            response = super().send(request, **options)
        self._client.pace.observe(response.headers, hold=response.status_code != 429)
        if response.status_code == 429:
            self._client.pace.hold(_limited(response.headers))
        return response


def _limited(headers: Mapping[str, str]) -> float:
    """Seconds to stay away after a 429."""
    return next((s for s in (retry_after(headers), until_reset(headers)) if s is not None), UNSAID)


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
        self.company_id = str(company_id).strip()
        if not self.company_id.isdecimal():
            raise ConfigurationError("company_id in the extra of the Procore connection must be the number of a Procore company")
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
        self._session = _session(self.company_id)
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
        session = _session(self.company_id, _OpenSession(self))
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
        query = [*_pairs(params), *([("per_page", per_page)] if per_page else [])]
        first = requests.Request("GET", f"{self.base_url}{path}", params=query).prepare().url or ""
        pager = LinkPaginator(self.base_url, urljoin(self.base_url, start) if start else first)
        while pager.url:
            reply = self.request("GET", pager.url)
            rows = reply.rows
            pager.update(rows, reply.headers.get("Link"))
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
            content = {"data": _dump(body), "headers": {"Content-Type": "application/json"}}
        call = f"{method} {urlsplit(url).path}"
        if self._writing is not None and _is_write(call):
            said = f"{self._writing[0]} {call}".encode() + content.get("data", b"")
            content["headers"]["Idempotency-Token"] = hashlib.sha256(said).hexdigest()[:40]
        prepared = requests.Request(method, url, params=_pairs(params) or None, **content)
        trials = Retrying(
            retry=retry_if_exception_type(Unavailable), stop=self._stop, wait=self._backoff, sleep=self._sleep, reraise=True
        )
        return trials(self._attempt, prepared, call)

    def _attempt(self, request: requests.Request, call: str) -> Reply:
        waiting = self.pace.wait()
        if waiting > 0:
            raise Unavailable(f"{call} not sent: the request limit is used up", waiting)
        token = self._tokens.token()
        if self._writing is not None and _is_write(call):
            self._writing[1]()
        response, content = self._send(request, call, token)
        if response.status_code == 401:
            token = self._renewed(call, token)
            response, content = self._send(request, call, token)
        if response.status_code == 202 and _is_write(call):
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
            host = urlsplit(headers.get("Location", "")).netloc or "elsewhere"
            if _is_write(call):  # to look at what was made is one of the things that it may be sent away for
                raise OutcomeUnknown(f"{call} answered {status} and points to {host}: whether it was applied is not said")
            raise ConfigurationError(
                f"{call} answered {status} and points to {host}; set that host in the connection if it is Procore's"
            )
        seconds = retry_after(headers)
        if status == 429:
            seconds = _limited(headers)
            self.pace.hold(seconds)
        text = content.decode("utf-8", "replace")
        try:
            body = _load(text)
        except (ValueError, RecursionError):
            body = None
        raise error_for(call, status, parse_error(body, text), write=_is_write(call), retry_after=seconds)

    def _read(self, response: requests.Response, content: bytes, call: str) -> Reply:
        status, kind = response.status_code, response.headers.get("Content-Type", "no content type")
        if not content.strip():
            if status == 200 and not _is_write(call):
                raise Unavailable(f"{call} answered {status} without a body; a read that is asked again may do better")
            return Reply(status, None, response.headers, call)
        if "Content-Type" in response.headers and "json" not in kind.lower() and not _is_write(call):
            self._garbled(call, f"its reply is {kind}, not JSON")
        try:
            data = _load(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            self._garbled(call, f"its reply is not UTF-8 (byte {error.start})", error)
        except json.JSONDecodeError as error:
            self._garbled(call, f"its reply of {len(content):,} bytes is not JSON ({kind})", error)
        except (ValueError, RecursionError) as error:  # whole, but beyond what can be read: it will be so next time too
            self._unreadable(call, f"its reply of {len(content):,} bytes is not JSON that can be read ({kind})", error)
        return Reply(response.status_code, data, response.headers, call)

    @classmethod
    def _garbled(cls, call: str, why: str, cause: Exception | None = None) -> NoReturn:
        """A page of a gateway, or half a reply: on a read it passes as a 502 does, and the read is repeated."""
        if _is_write(call):
            cls._unreadable(call, why, cause)
        raise Unavailable(f"{call} answered 200, but {why}") from cause

    @staticmethod
    def _unreadable(call: str, why: str, cause: Exception | None = None) -> NoReturn:
        """A write that was answered but cannot be read may well have been applied: that comes before any complaint."""
        if _is_write(call):
            raise OutcomeUnknown(f"{call} was accepted, but {why}") from cause
        raise ContractBroken(f"{call}: {why}") from cause

    # ------------------------------------------------------------------ the wire

    def _send(self, request: requests.Request, call: str, token: str) -> tuple[requests.Response, bytes]:
        request.auth = _Bearer(token)
        prepared = self._session.prepare_request(request)
        started, status = self._clock(), 0
        with self._lock:
            self._calls += 1
            self._writes += _is_write(call)
        try:
            response = self._session.send(
                prepared, timeout=self._timeout, allow_redirects=False, stream=True, **self._environment
            )
            status = response.status_code
            with response:
                content = self._content(response, call)
        except http.RequestException as error:
            raise _network_error(error, call, write=_is_write(call)) from error
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
        """Proxies and CA bundle of the environment, as ``requests.Session.request`` would take them for :attr:`base_url` (the
        only host that is called with them); verification stays on."""
        settings = self._session.merge_environment_settings(self.base_url, {}, True, None, None)
        return {"proxies": settings["proxies"], "verify": settings["verify"] or True, "cert": settings["cert"]}

    def _content(self, response: requests.Response, call: str) -> bytes:
        """The body, up to a length and within the read time-out as a whole: requests limits only the pause between bytes."""
        limit = self._max_reply if response.status_code < 300 else MAX_ERROR_REPLY
        deadline = time.monotonic() + self._timeout[1]
        content = bytearray()
        for chunk in response.iter_content(65536):
            content += chunk
            if len(content) > limit:
                if response.status_code >= 300:
                    return bytes(content[:limit])
                self._unreadable(call, f"its reply is longer than {limit:,} bytes")
            if time.monotonic() > deadline:
                raise http.ReadTimeout(f"no end of the reply after {self._timeout[1]:g} s")
        return bytes(content)

    def _ask_token(self, url: str, credentials: dict[str, str]) -> requests.Response:
        try:
            return self._session.post(
                url,
                json=credentials,
                timeout=self._timeout,
                allow_redirects=False,
                auth=_no_auth,
                headers={"Procore-Company-Id": None},
            )
        except http.RequestException as error:
            # Not a write: a lost token request has no effect that anybody would have to look for.
            raise _network_error(error, "POST /oauth/token", write=False) from error

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


def _session(company_id: str, session: requests.Session | None = None) -> requests.Session:
    session = session or requests.Session()
    session.headers.update({"Procore-Company-Id": company_id, "Accept": "application/json", "User-Agent": "procore-erp-sync"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=8, max_retries=0))
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from taking credentials for the login host out of a .netrc file."""
    return request


def _pairs(params: Iterable[tuple[str, Any]] | Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    pairs = params.items() if isinstance(params, Mapping) else params or ()
    return [(name, value) for name, value in pairs if value is not None]


def _is_write(call: str) -> bool:
    return not call.startswith(("GET ", "HEAD "))


def _dump(body: Any) -> bytes:
    """JSON with every Decimal as the number that it is. The json module has no form for one that does not pass through float: it
    goes in as text with a mark that no text of a record can hold, since it is drawn anew each time, and sheds its quotes here."""
    mark = secrets.token_hex(16)

    def number(value: Any) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ContractBroken(f"{value!r} of a request is nothing that JSON can hold")
        return f"{mark}{value:f}"

    return re.sub(f'"{mark}([-.0-9]+)"', r"\1", json.dumps(body, allow_nan=False, default=number)).encode()


def _load(text: str) -> Any:
    """Numbers with a point become Decimal; NaN and Infinity too, so that the record with it is named and its page goes on."""
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal)


def _network_error(error: http.RequestException, call: str, *, write: bool) -> SyncError:
    """What a failure below HTTP means. The difference that matters: was anything sent?"""
    reason = error.args[0] if error.args else None
    cause = reason.reason if isinstance(reason, MaxRetryError) else reason
    kind = type(cause).__name__ if isinstance(cause, Exception) else type(error).__name__
    if isinstance(error, http.SSLError) and _NO_HANDSHAKE.search(str(error)):
        return ConfigurationError(f"{call} not sent: no trusted TLS connection ({kind}). Check host and certificates.")
    if isinstance(error, http.InvalidURL | http.InvalidSchema | http.MissingSchema):
        return ConfigurationError(f"{call} not sent: the host of the connection is not a valid address")
    if isinstance(cause, NameResolutionError) and getattr(cause.__cause__, "errno", None) in UNKNOWN_HOST:
        host = urlsplit(error.request.url).hostname if error.request is not None and error.request.url else "the connection's"
        return ConfigurationError(f"{call} not sent: there is no host named {host}. Correct the host of the connection.")
    if isinstance(error, http.ConnectTimeout | http.ProxyError) or isinstance(cause, NewConnectionError | ConnectTimeoutError):
        return Unavailable(f"{call} not sent: the host cannot be reached ({kind})")
    if write:
        return OutcomeUnknown(f"{call}: the connection ended without an answer ({kind}); the write may have been applied")
    return Unavailable(f"{call}: the connection ended without an answer ({kind})")


__all__ = ["ApiError", "ProcoreClient", "Reply", "Rows", "clean_url", "login_url_for", "redact"]
