"""OAuth2: a token for client id and secret, or one that is exchanged for the next."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from include.erp.json.web import header, silent
from include.erp.rest.address import Address, encrypted
from include.erp.rest.grammar import Auth
from include.financials.exceptions import ConfigurationError, RetryLater

_LEEWAY = 60
"""Seconds before its end in which a token is not used any more."""
_OTHERS = 0o077
"""Rights of everybody but the owner of a file."""


class Tokens:
    """Client credentials. The token endpoint is asked through the same client as the ERP."""

    def __init__(self, auth: Auth, address: Address, client: httpx.Client) -> None:
        self.auth, self.address = auth, address
        self.url = address.fill(auth.url or "")
        encrypted(self.url)
        self._client = OAuth2Client(client, client_id=address.login, client_secret=address.password, scope=auth.scope)
        self._token: Mapping[str, Any] | None = None

    def headers(self) -> Mapping[str, str]:
        if self._token is None or _ends(self._token):
            self._token = self._asked("client_credentials")
        return {"Authorization": f"Bearer {self._token['access_token']}"}

    def _asked(self, grant: str, **more: str) -> Mapping[str, Any]:
        login, password = self.address.login, self.address.password
        posted = {"client_id": login, "client_secret": password} if self.auth.secret == "post" else {}  # noqa: S105 - how it is sent
        signed = httpx.Auth() if posted else httpx.BasicAuth(login, password)
        try:
            token: Mapping[str, Any] = self._client.fetch_token(self.url, grant_type=grant, auth=signed, **posted, **more)
        except httpx.HTTPError as error:
            raise silent(error, self.url) from error
        except ValueError as error:
            raise RetryLater(f"{self.url} answered no JSON.") from error
        except OAuth2Error as error:  # its words are the server's; no secret is among them
            raise ConfigurationError(f"{self.url}: refuses {self._what} ({error}).") from error
        if not isinstance(token, Mapping) or not isinstance(token.get("access_token"), str) or not token["access_token"]:
            raise ConfigurationError(f"{self.url}: the answer has no token.")
        header(token["access_token"], f"{self.url}: the token")
        return token

    @property
    def _what(self) -> str:
        return "client id or secret"

    def renew(self) -> bool:
        self._token = None
        return True

    def end(self) -> None:
        self._token = None


class Kept(Tokens):
    """A refresh token, which each exchange may replace: it is kept in a file, with the access token, so that all tasks have one.

    A person puts the first token into the file. It is readable by its owner alone, replaced in one step, and locked meanwhile: of
    two tasks that find the access token at its end one exchanges it, and the other takes what that one got. A process that is
    killed between exchange and file leaves the token before, which services accept for a while; else a person puts in a new one.
    """

    def __init__(self, auth: Auth, address: Address, client: httpx.Client) -> None:
        super().__init__(auth, address, client)
        self.path = Path(address.fill(auth.file or ""))
        self._refused: str | None = None
        """An access token that the ERP did not take."""

    def headers(self) -> Mapping[str, str]:
        if self._token is None or _ends(self._token):
            with self._alone():
                self._token = self._current(_read(self.path))
        return {"Authorization": f"Bearer {self._token['access_token']}"}

    def _current(self, kept: Mapping[str, Any]) -> Mapping[str, Any]:
        if kept.get("access_token") not in (None, self._refused) and not _ends(kept):
            return kept
        got = self._asked("refresh_token", refresh_token=kept["refresh_token"])
        names = ("access_token", "refresh_token", "expires_at")
        found = {"refresh_token": kept["refresh_token"]} | {name: got[name] for name in names if got.get(name)}
        _write(self.path, found)
        return found

    @property
    def _what(self) -> str:
        return f"client, secret or refresh token; authorise the application anew and put its refresh token into {self.path}"

    def renew(self) -> bool:
        self._refused = self._token["access_token"] if self._token else None
        return super().renew()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path}: its folder must be writable for the file's lock ({error.strerror})."
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _ends(token: Mapping[str, Any]) -> bool:
    """One that does not say when it ends is used until the ERP refuses it."""
    return token.get("expires_at") is not None and float(token["expires_at"]) - _LEEWAY < time.time()


def _read(path: Path) -> Mapping[str, Any]:
    """What is kept; a file that a person filled is the bare refresh token."""
    try:
        with path.open(encoding="utf-8") as source:
            if os.fstat(source.fileno()).st_mode & _OTHERS:
                raise ConfigurationError(f"{path}: others may read this file, which holds a token: chmod 600.")
            text = source.read().strip()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path}: the file of the refresh token cannot be read ({type(error).__name__}).") from error
    if not text:
        raise ConfigurationError(f"{path}: is empty. Put the application's refresh token into it.")
    if not text.startswith("{"):
        return {"refresh_token": text}
    try:
        found: Mapping[str, Any] = json.loads(text)
        if isinstance(found["refresh_token"], str):
            return found
    except (ValueError, KeyError):
        pass
    raise ConfigurationError(f"{path}: holds no refresh token. Put the application's refresh token into it.")


def _write(path: Path, token: Mapping[str, Any]) -> None:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as sink:
        json.dump(token, sink)
        sink.flush()
        os.fsync(sink.fileno())
    new.replace(path)
