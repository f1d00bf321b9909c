"""How one logs in: the presets of ``auth``. Each gives the headers that a request needs, and can do so anew."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import httpx

from include.erp.json import numbers, paths
from include.erp.json.patterns import Filling
from include.erp.json.web import header, silent
from include.erp.rest.address import Address
from include.erp.rest.answers import Answer
from include.erp.rest.grammar import Auth
from include.erp.rest.tokens import Kept, Tokens
from include.financials.exceptions import ConfigurationError, RetryLater


class Login(Protocol):
    def headers(self) -> Mapping[str, str]:
        """Of a request; logs in where that was not done yet."""
        ...

    def renew(self) -> bool:
        """The ERP wants a new log-in; False: there is nothing to be renewed."""
        ...

    def end(self) -> None: ...


class Fixed:
    """Headers that never change."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def renew(self) -> bool:
        return False

    def end(self) -> None:
        pass


class Session:
    """A log-in that the ERP remembers, by cookie or token. Ended when the work is done: licences count open ones."""

    def __init__(self, auth: Auth, address: Address, client: httpx.Client) -> None:
        self.auth, self.address, self._client = auth, address, client
        self._headers: Mapping[str, str] | None = None

    def headers(self) -> Mapping[str, str]:
        if self._headers is None:
            self._headers = self._login()
        return self._headers

    def _login(self) -> Mapping[str, str]:
        values = {"login": self.address.login, "password": self.address.password, **self.address.parts}
        body = Filling(values, (), wrap=None, empty=False, numbers="number").of(self.auth.body)
        answer = self._post(self.auth.login or "", {name: one for name, one in body.items() if one != ""})
        if answer.status in (429, 503):
            raise RetryLater(f"{self.address}: the ERP lets nobody in now ({answer.status}).", answer.seconds)
        if answer.status >= 500:
            raise RetryLater(f"{self.address}: the log-in fails ({answer.status}).", answer.seconds)
        if not answer.good:
            raise ConfigurationError(f"{self.address}: the ERP refuses this login or password ({answer.status}).")
        if self.auth.token is None:
            return {}
        token = paths.value(self.auth.token, answer.body)
        if not isinstance(token, str) or not token:
            raise ConfigurationError(f"{self.address}: the answer to the log-in has no {self.auth.token}.")
        return {self.auth.header: f"{self.auth.prefix}{header(token, f'{self.address}: the token of the log-in')}"}

    def _post(self, path: str, body: Any) -> Answer:
        content = numbers.dumps(body)
        headers = {"Content-Type": "application/json", **(self._headers or {})}
        try:
            return Answer.of(self._client.post(f"{self.address.root}/{path.lstrip('/')}", content=content, headers=headers))
        except httpx.HTTPError as error:
            raise silent(error, self.address.root) from error

    def renew(self) -> bool:
        self._headers = None
        self._client.cookies.clear()
        return True

    def end(self) -> None:
        if self._headers is not None and self.auth.logout:
            with suppress(RetryLater):  # the session ends by itself then; nothing of the work depends on it
                self._post(self.auth.logout, {})
        self._headers = None


def login_of(auth: Auth, address: Address, client: httpx.Client) -> Login:
    match auth.preset:
        case "key":
            key = header(address.password or address.login, f"The key of {address.root} (the connection's password)")
            return Fixed({auth.header: f"{auth.prefix}{key}"})
        case "basic":
            pair = base64.b64encode(f"{address.login}:{address.password}".encode()).decode()
            return Fixed({"Authorization": f"Basic {pair}"})
        case "oauth2":
            return Tokens(auth, address, client)
        case "refresh":
            return Kept(auth, address, client)
        case "session":
            return Session(auth, address, client)
    return Fixed({})
