"""One request over HTTP, and what its failure says: surely not applied, or nobody knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import Retrying, retry_if_exception, retry_if_result, stop_after_attempt, wait_exponential

from include.erp.json import numbers, web
from include.erp.json import tagged as tags
from include.erp.rest.address import Address
from include.erp.rest.answers import Answer, judged, words
from include.erp.rest.asking import written
from include.erp.rest.grammar import RestMapping
from include.erp.rest.logins import login_of
from include.financials import exact
from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, OutcomeUnknown, Refused, RetryLater

_READS, _POLLS = 3, 8


def _passing(error: BaseException) -> bool:
    """Worth another try at once: the ERP did not say when to come back."""
    return isinstance(error, RetryLater) and error.seconds is None


class Wire:
    """:param timeout: seconds to wait for an answer; a write that takes longer is in doubt.
    :param pause: how to wait between the tries of a read; for tests.
    """

    def __init__(
        self,
        address: Address,
        spec: RestMapping,
        *,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address, self.spec, self._pause = address, spec, pause
        self._client = web.client(timeout, transport)
        self._query = {name: address.fill(text) for name, text in spec.query.items()}
        self._headers = {name: written(text, address.fill) for name, text in spec.headers.items()}
        self._tagged = spec.numbers == "tagged"
        self._login = login_of(spec.auth, address, self._client)
        self.now: datetime | None = None
        """The server's clock at its last answer."""

    def close(self) -> None:
        self._login.end()
        self._client.close()

    # -- reading

    def read(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        allow: Collection[int] = (),
    ) -> Answer:
        """Raises RetryLater, NotPermitted or ConfigurationError for everything but a good answer or an allowed status."""
        tries = Retrying(
            retry=retry_if_exception(_passing),
            stop=stop_after_attempt(_READS),
            wait=wait_exponential(multiplier=0.2, max=2),
            sleep=self._pause,
            reraise=True,
        )
        return tries(self._read, path, query, headers or {}, allow)

    def _read(self, path: str, query: Mapping[str, Any] | None, headers: Mapping[str, str], allow: Collection[int]) -> Answer:
        try:
            answer = self._send("GET", path, query, headers, None)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"{self.address}: its parts make no address with the path {path!r}: {error}") from error
        except httpx.HTTPError as error:
            raise web.silent(error, self.address.root) from error
        code, where = answer.status, f"{self.address}: {path}"
        if code in allow or answer.good:
            return answer
        if code in (408, 425, 429) or code >= 500 or answer.broken:
            told = " and no JSON" if answer.broken and code < 300 else f": {words(self.spec.errors, answer)}"
            raise RetryLater(f"{where}: the ERP answered {code}{told}", answer.seconds)
        if code < 300:
            raise ContractBroken(f"{where}: the ERP's answer {answer.odd}, and is not read.")
        if code < 400:
            there = web.elsewhere(answer.headers.get("Location"))
            raise ConfigurationError(
                f"{where}: the ERP answered {code} and points to {there}; correct the address if that is it."
            )
        if code == 403:
            raise NotPermitted(f"{where}: the ERP does not allow this ({words(self.spec.errors, answer)}).")
        raise ConfigurationError(f"{where}: the ERP answered {code}: {words(self.spec.errors, answer)}")

    # -- writing

    def write(self, method: str, path: str, query: Mapping[str, Any] | None, headers: Mapping[str, str], body: Any) -> Answer:
        """The answer to a request that was applied. Raises Refused, RetryLater (surely nothing was applied) or OutcomeUnknown."""
        sent = {"Content-Type": "application/json", **headers} if body is not None else dict(headers)
        try:
            content = b"" if body is None else numbers.dumps(tags.tagged(body) if self._tagged else body).encode()
            answer = self._send(method, path, query, sent, content)
        except (UnicodeError, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            raise Refused(f"a value cannot be sent: {error}") from error
        except web.NEVER_SENT as error:
            raise web.silent(error, self.address.root) from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"{self.address.root} did not answer: {type(error).__name__} {error}".strip()) from error
        return judged(self.spec.errors, answer)

    def finished(self, path: str) -> Answer:
        """The answer at the place that a long operation (202) named, asked for until it is not 202 or this takes too long."""
        tries = Retrying(
            retry=retry_if_result(lambda answer: answer.status == 202),
            stop=stop_after_attempt(_POLLS),
            wait=wait_exponential(multiplier=0.2, max=5),
            sleep=self._pause,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: Answer = tries(self.read, path, allow=range(400, 500))
        return answer

    # -- both

    def _send(
        self, method: str, path: str, query: Mapping[str, Any] | None, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        """A log-in that ended is renewed, and the request made again: the ERP looks at the log-in before anything else."""
        url, renewed = self.url(path), False
        while True:
            wanted = {"Accept": "application/json", **self._headers, **self._login.headers(), **headers}
            # An empty query would take away the one that a link brings along; a link has what every request brings.
            params = query if "://" in path else {**self._query, **(query or {})}
            reply = self._client.request(method, url, params=params or None, headers=wanted, content=content)
            answer = Answer.of(reply, tags.loads if self._tagged else exact.loads)
            self.now = answer.time or self.now
            if answer.status != 401:
                return answer
            if renewed or not self._login.renew():
                raise ConfigurationError(f"{self.address}: the ERP refuses this login ({words(self.spec.errors, answer)}).")
            renewed = True

    def url(self, path: str) -> str:
        """A path of the mapping, or a link that the ERP gave: it must lead to the ERP, for the log-in goes with it."""
        if "://" in path:
            found, own = urlsplit(path), urlsplit(self.address.root)
            if (found.scheme, found.netloc.rpartition("@")[2]) != (own.scheme, own.netloc):
                raise ContractBroken(f"{self.address}: the answer leads away from the ERP, to {found.scheme}://{found.hostname}.")
            return path
        base = "" if path.startswith("/") else f"/{self.address.fill(self.spec.base).strip('/')}"
        return f"{self.address.root}{base.rstrip('/')}/{path.lstrip('/')}".rstrip("/")

    def place(self, link: str) -> str:
        """A link or Location of an answer as it is asked for: whole, or from the root of the host."""
        if link.startswith("/"):
            own = urlsplit(self.address.root)
            return f"{own.scheme}://{own.netloc}{link}"
        return link
